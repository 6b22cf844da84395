/*
 * apart.c
 *		Records written one by one, after a batch in which the CRM refused some.
 *
 * Each is in a subtransaction, so that those refused (by a constraint, a trigger, a type) wait in crm_error and the others
 * are written, as many in one turn as fit into half the box.
 *
 * Twenty refused alike, one after the other, may be the mapping's fault: the CRM may refuse everything, and thousands of rows
 * would say the same.  Or they are bad records, and good ones behind them must not wait.  A survey finds out: the newest
 * arrivals are tried first, then what the sweep will come to, and nobody's refusal is recorded.  As soon as one is taken, all
 * others are looked at in order.  If none is, the mapping waits (crm_refuses_all); what arrives meanwhile is tried at once.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "crm/attempt.h"

/* Records of a turn. */
#define BATCH_APART		128

/* How long a survey takes, then the mapping waits. */
#define SURVEY_US		(1 * USECS_PER_SEC)

/* Refusals recorded without another survey, once the CRM took a record. */
#define KNOWN_REFUSALS	1000

/*
 * Write a deed in a subtransaction; false: that failed.  Not if somebody wants us gone, nor when nothing was done before (first)
 * and it is no refusal: these are the turn's errors.
 */
static bool
write_one(const Mapping *mapping, Deed *deed, bool first, UnitError *error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Deed		before = *deed;
	volatile bool taken = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		write_run(mapping, deed, 1, true);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		unit_error_copy(error);
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
			(first && !failure_is_refusal(error->sqlerrcode)))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		*deed = before;
		taken = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return taken;
}

/* The CRM refused a deed; fresh: for the first time, as far as is known. */
static void
note_refusal(Deed *deed, const UnitError *error, bool fresh)
{
	deed->refused = true;
	deed->refusal = palloc0(sizeof(Refusal));
	deed->refusal->problem = failure_problem(error->sqlerrcode);
	deed->refusal->column = pstrdup(error->column_name);
	deed->refusal->detail = unit_error_words(error);
	deed->refusal->sqlstate = pstrdup(unpack_sql_state(error->sqlerrcode));
	turn_forget(&turn_memory.refusal);
	turn_memory.refusal = MemoryContextStrdup(turn_memory.context, deed->refusal->detail);
	/* that known ones are refused again says nothing about others */
	if (!fresh)
		return;
	turn_memory.streak = turn_memory.streak > 0 && turn_memory.sqlerrcode == error->sqlerrcode ? turn_memory.streak + 1 : 1;
	turn_memory.sqlerrcode = error->sqlerrcode;
	turn_memory.known = Max(turn_memory.known - 1, 0);
}

/* Write deeds until the time is over, or it is in question whether any will be taken; how many were tried. */
static int
write_in_order(Attempt *attempt, Deed *deeds, int ndeeds)
{
	TimestampTz until = attempt->boxed_at + (int64) turn_box_length() * 1000 / 2;
	int			tried = 0;

	while (tried < ndeeds)
	{
		Deed	   *deed = &deeds[tried++];
		UnitError	error;

		if (!write_wanted(deed, 1))
			continue;
		if (write_one(attempt->mapping, deed, tried == 1, &error))
		{
			attempt->taken++;
			turn_memory.streak = 0;
			turn_memory.known = KNOWN_REFUSALS;
		}
		else if (!attempt->survey && !failure_is_refusal(error.sqlerrcode))
		{
			/* a lock, say: found by itself as in any batch; what was done before it stays */
			attempt->stopped = true;
			return tried - 1;
		}
		else
		{
			attempt->refused++;
			note_refusal(deed, &error, claim_is_fresh(attempt->claim));
		}
		if (GetCurrentTimestamp() >= until ||
			(!attempt->survey && turn_memory.known == 0 && turn_memory.streak >= FAILURES_IN_A_ROW))
			break;
	}
	return tried;
}

static int
compare_ids(const void *id, const void *deed)
{
	return strcmp(id, ((const Deed *) deed)->decision->id);
}

int
apart_write(Attempt *attempt, Deed *deeds, int ndeeds)
{
	Claim	   *claim = attempt->claim;
	bool	   *keep = palloc(sizeof(bool) * Max(claim->n, 1));
	int			tried = write_in_order(attempt, deeds, ndeeds);
	int			n = 0;

	for (int i = 0; i < claim->n; i++)
	{
		/* deeds are in order of id */
		Deed	   *deed = bsearch(claim->ids[i], deeds, ndeeds, sizeof(Deed), compare_ids);

		keep[i] = deed == NULL || (deed < deeds + tried && !(attempt->survey && deed->refused));
	}
	if (tried < ndeeds)
	{
		attempt->untried = true;
		attempt->last = MemoryContextStrdup(attempt->context, deeds[tried - 1].decision->id);
	}
	claim_trim(claim, keep, attempt->untried ? attempt->last : NULL);
	for (int i = 0; i < tried; i++)
		if (!attempt->survey || !deeds[i].refused)
			deeds[n++] = deeds[i];
	return n;
}

TurnResult
apart_survey(const char *refusal)
{
	char	   *words = MemoryContextStrdup(turn_memory.context, refusal);

	turn_forget(&turn_memory.refusal);
	turn_memory.refusal = words;
	turn_memory.survey = true;
	turn_memory.batch = BATCH_APART;
	turn_memory.survey_until = GetCurrentTimestamp() + SURVEY_US;
	turn_forget(&turn_memory.surveyed.after);
	turn_memory.surveyed.before = PG_INT64_MAX;
	turn_memory.surveyed.floor = 0;
	return TURN_WORKED;
}

bool
apart_wakes(const MappingState *state)
{
	if (state->problem == NULL || strcmp(state->problem, "crm_refuses_all") != 0 || turn_memory.refusal == NULL ||
		turn_memory.newest == 0 || state->newest_arrival <= turn_memory.newest)
		return false;
	if (!turn_memory.survey)
	{
		(void) apart_survey(pstrdup(turn_memory.refusal));
		turn_memory.surveyed.floor = turn_memory.newest;
	}
	return true;
}

/* A turn of a survey is over. */
static TurnResult
survey_goes_on(const Attempt *attempt, TimestampTz *next_due)
{
	const Claim *claim = attempt->claim;
	Survey	   *survey = &turn_memory.surveyed;
	bool		early = survey->floor != 0;

	if (survey->before == PG_INT64_MAX)
		turn_memory.newest = Max(turn_memory.newest, claim->last_arrival);
	if (attempt->taken > 0)
	{
		turn_memory.survey = false;
		turn_memory.apart = true;
		turn_memory.batch = BATCH_APART;
		return TURN_WORKED;
	}
	if (attempt->last && GetCurrentTimestamp() < turn_memory.survey_until)
	{
		if (claim->swept)
		{
			turn_forget(&survey->after);
			survey->after = MemoryContextStrdup(turn_memory.context, attempt->last);
		}
		else if (attempt->untried)
			/* which of the newest were not tried is not known: again, with as many as there is time for */
			turn_memory.batch = Max(attempt->refused / 2, 1);
		else
			survey->before = claim->first_arrival;
		return TURN_WORKED;
	}
	turn_memory.survey = false;
	turn_memory.apart = false;
	if (early && attempt->state->waits_until != 0)
	{
		*next_due = attempt->state->waits_until;
		return TURN_BROKEN;
	}
	return attempt_mapping_fails(attempt, "crm_refuses_all", pstrdup(turn_memory.refusal), next_due);
}

TurnResult
apart_worked(const Attempt *attempt, TimestampTz *next_due)
{
	if (attempt->survey)
		return survey_goes_on(attempt, next_due);
	turn_memory.suspects = 0;
	turn_memory.batch = attempt->stopped ? 1 : BATCH_APART;
	turn_memory.apart = attempt->refused > 0 && !attempt->stopped;
	if (!turn_memory.apart)
		turn_memory.known = 0;
	turn_note_sweep(attempt);
	if (turn_memory.known == 0 && turn_memory.streak >= FAILURES_IN_A_ROW)
		return apart_survey(pstrdup(turn_memory.refusal));
	return TURN_WORKED;
}
