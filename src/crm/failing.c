/*
 * failing.c
 *		When an attempt failed: see the table in turn.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "common/watched.h"
#include "crm/attempt.h"
#include "crm/box.h"
#include "crm/hidden.h"
#include "crm/sends.h"
#include "crm/settle.h"

#define BATCH_AFTER_FAILURE	4

/* Turns that a batch cut off keeps the next ones smaller. */
#define CEILING_TURNS		20

/* A problem to be recorded, of a record or of the mapping. */
typedef struct Report
{
	const Attempt *attempt;
	const char *problem;
	const char *detail;
	const char *column;
	const char *sqlstate;
	const Backoff *backoff;
	TimestampTz next_due;
} Report;

/* Unit: the record of the claim waits; the claim is done with. */
static void
report_record(void *arg)
{
	static SqlStatement asked = {
		"DELETE FROM qbsync.match_candidate c WHERE c.mapping_id = $1 AND c.id = $2", 2, {INT4OID, TEXTOID}
	};
	Report	   *report = arg;
	const Attempt *attempt = report->attempt;
	ErrorRows	rows = {0};

	if (attempt->claim->pushes)
	{
		sends_key_fails(attempt->mapping_id, attempt->claim->ids[0], report->problem, report->detail);
		return;
	}
	failure_add(&rows, attempt->claim->ids[0], NULL, report->problem, report->column, report->detail, report->sqlstate,
				(Datum) 0, report->backoff);
	failure_write(attempt->mapping_id, &rows);
	/* what is to be written is no question any more: which CRM record it is, is known */
	if (attempt->boxed_at != 0 && attempt->state->has_candidates)
	{
		Datum		values[] = {Int32GetDatum(attempt->mapping_id), CStringGetTextDatum(attempt->claim->ids[0])};

		sql_execute(&asked, values, NULL);
	}
	settle_claim(attempt->mapping, attempt->state, attempt->claim);
}

/* Unit: CRM records that could not be undone wait; they go by the key, as they may have no link. */
static void
report_undo(void *arg)
{
	static SqlStatement select = {
		"SELECT w.crm_key FROM qbsync.undo_work($1, $2) w", 2, {INT4OID, JSONBOID}
	};
	Report	   *report = arg;
	const Attempt *attempt = report->attempt;
	Datum		values[] = {Int32GetDatum(attempt->mapping_id), attempt->claim->undo_arguments};
	ErrorRows	rows = {0};
	uint64		n;

	if (attempt->claim->undo_arguments == (Datum) 0)
		return;
	n = sql_execute(&select, values, NULL);
	for (uint64 i = 0; i < n; i++)
		failure_add(&rows, "", sql_text(i, 1, CurrentMemoryContext), report->problem, report->column, report->detail,
					report->sqlstate, (Datum) 0, report->backoff);
	failure_write(attempt->mapping_id, &rows);
}

/*
 * Unit: the mapping waits.  Views that were made anew are taken up here as well: what the turn took up was rolled back with it.
 */
static void
report_mapping(void *arg)
{
	Report	   *report = arg;

	claim_refresh(report->attempt->mapping_id);
	report->next_due = failure_of_mapping(report->attempt->mapping_id, report->problem, report->detail);
}

/* If not even that can be said, it waits for a moment. */
TurnResult
attempt_mapping_fails(const Attempt *attempt, const char *problem, const char *detail, TimestampTz *next_due)
{
	Report		report = {.attempt = attempt, .problem = problem, .detail = detail};
	UnitError	error;

	turn_memory.streak = 0;
	turn_memory.suspects = 0;
	turn_memory.batch = 1;
	if (unit_run("qbsync: recording a problem", report_mapping, &report, &error) == UNIT_FAILED)
		ereport(LOG, (errmsg("qbsync could not record a problem of mapping %d", attempt->mapping_id),
					  errdetail("%s", error.message)));
	*next_due = report.next_due != 0 ? report.next_due : GetCurrentTimestamp() + BUSY_WAIT_US;
	return TURN_BROKEN;
}

/* Record the failure of the one record; the next ones go on. */
static TurnResult
record_fails(Report *report, TimestampTz *next_due)
{
	UnitError	error;

	turn_memory.suspects = 0;
	turn_memory.batch = turn_memory.streak > 1 ? 1 : BATCH_AFTER_FAILURE;
	if (unit_run("qbsync: recording a problem", report_record, report, &error) != UNIT_FAILED)
	{
		turn_note_sweep(report->attempt);
		return TURN_WORKED;
	}
	ereport(LOG, (errmsg("qbsync could not record a problem of mapping %d", report->attempt->mapping_id),
				  errdetail("%s", error.message)));
	*next_due = GetCurrentTimestamp() + BUSY_WAIT_US;
	return TURN_WAIT;
}

/* What a probe ends with, so that nothing of it stays. */
#define ERRCODE_PROBE_IS_OVER	MAKE_SQLSTATE('Q', 'B', '0', '0', '0')

/* Unit: the statement that failed, on no record. */
static void
probe_work(void *arg)
{
	Attempt    *attempt = arg;

	box_settings(turn_box_length() / 2);
	claim_refresh(attempt->mapping_id);
	attempt->mapping = mapping_load(attempt->mapping_id);
	if (attempt->mapping)
	{
		(void) mapping_statements(attempt->mapping);
		box_begin(turn_box_length(), NULL);
		write_probe(attempt->mapping);
	}
	ereport(ERROR, (errcode(ERRCODE_PROBE_IS_OVER), errmsg_internal("the probe is over")));
}

/* Is the failure the mapping's, whatever the record?  *error then is its own. */
static bool
mapping_is_broken(const Attempt *attempt, UnitError *error)
{
	Attempt		probe = {.mapping_id = attempt->mapping_id};
	UnitError	found;

	/* constraints, triggers and values are about records */
	if (failure_is_refusal(error->sqlerrcode))
		return false;
	watched_begin();
	(void) unit_run("qbsync: looking at a mapping", probe_work, &probe, &found);
	watched_end();
	if (found.sqlerrcode == 0 || found.sqlerrcode == ERRCODE_PROBE_IS_OVER || failure_is_busy(found.sqlerrcode))
		return false;
	*error = found;
	return true;
}

/* Something to be undone failed: it waits, what else there is goes on. */
static TurnResult
undo_fails(const Attempt *attempt, const UnitError *error)
{
	double		seconds = Min(60.0, (double) (1 << Min(turn_memory.undo_failures, 6)));
	Report		report = {.attempt = attempt, .problem = failure_problem(error->sqlerrcode), .backoff = &failure_busy};


	report.detail = unit_error_words(error);
	report.column = error->column_name;
	report.sqlstate = unpack_sql_state(error->sqlerrcode);
	if (turn_memory.undo_failures++ == 0)
		ereport(LOG,
				(errmsg("mapping \"%s\" could not undo what was written to the CRM", attempt->state->mapping_name),
				 errdetail("%s", error->message)));
	turn_memory.undo_after = GetCurrentTimestamp() + (TimestampTz) (seconds * USECS_PER_SEC);
	(void) unit_run("qbsync: recording a problem", report_undo, &report, NULL);
	return TURN_WORKED;
}

/*
 * A batch failed: its first half is next.  When the box cut it off it may just have been too big, so nobody is suspect, but
 * for a while batches stay smaller; a slow record is found all the same, as claims begin with the oldest.
 */
static TurnResult
halve(int n, bool cut_off)
{
	if (cut_off)
	{
		turn_memory.suspects = 0;
		turn_memory.batch = turn_memory.ceiling = Max(n / 2, 1);
		turn_memory.ceiling_turns = CEILING_TURNS;
		return TURN_WORKED;
	}
	if (turn_memory.suspects == 0)
		turn_memory.whole = n;
	turn_memory.suspects = n;
	turn_memory.batch = Max(n / 2, 1);
	return TURN_WORKED;
}

/* One record failed by itself. */
static TurnResult
alone_fails(Attempt *attempt, UnitError *error, bool busy, TimestampTz *next_due)
{
	const char *id = attempt->claim->ids[0];
	bool		was_held = turn_memory.held_id != NULL && strcmp(turn_memory.held_id, id) == 0;
	Report		report = {.attempt = attempt};
	static const Backoff at_once = {0, 0};

	turn_forget(&turn_memory.held_id);
	turn_memory.streak = turn_memory.streak > 0 && turn_memory.sqlerrcode == error->sqlerrcode ? turn_memory.streak + 1 : 1;
	turn_memory.sqlerrcode = error->sqlerrcode;
	if (box_was_over() && attempt->mode == CLAIM_BATCH && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
	{
		turn_slow_add(id);
		turn_memory.streak = 2;		/* it may not be the only one: no big batch next, and not the mapping's problem */
		report.problem = "crm_slow";
		report.detail = psprintf("It took longer than %d ms, and is tried by itself.", turn_box_length());
		report.backoff = &at_once;
		return record_fails(&report, next_due);
	}
	if (attempt->moves && !busy && !was_held)
	{
		turn_memory.held_id = MemoryContextStrdup(turn_memory.context, id);
		turn_memory.held.detail = MemoryContextStrdup(turn_memory.context, unit_error_words(error));
		turn_memory.held.sqlstate = MemoryContextStrdup(turn_memory.context, unpack_sql_state(error->sqlerrcode));
		turn_memory.batch = 1;
		return TURN_WORKED;
	}
	if (!busy && mapping_is_broken(attempt, error))
		return attempt_mapping_fails(attempt, "mapping_broken", unit_error_words(error), next_due);
	if (turn_memory.streak >= FAILURES_IN_A_ROW && failure_is_refusal(error->sqlerrcode) && claim_is_fresh(attempt->claim))
		return apart_survey(unit_error_words(error));
	if (turn_memory.streak >= FAILURES_IN_A_ROW && !failure_is_refusal(error->sqlerrcode))
		return attempt_mapping_fails(attempt, busy ? "crm_busy" : "crm_refuses_all", unit_error_words(error), next_due);
	report.problem = busy && attempt->mode == CLAIM_SLOW && error->sqlerrcode == ERRCODE_QUERY_CANCELED ? "crm_slow"
		: busy ? "crm_busy" : failure_problem(error->sqlerrcode);
	report.detail = unit_error_words(error);
	report.column = error->column_name;
	report.sqlstate = unpack_sql_state(error->sqlerrcode);
	report.backoff = busy ? &failure_busy : &failure_refused;
	return record_fails(&report, next_due);
}

TurnResult
attempt_failed(Attempt *attempt, UnitError *error, TimestampTz *next_due)
{
	bool		busy = failure_is_busy(error->sqlerrcode);

	if (!busy)
		write_forget();

	/* a link that somebody made at the same moment */
	if (attempt->stage == STAGE_SETTLE && error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION &&
		strcmp(error->schema_name, "qbsync") == 0)
		busy = true;
	if (error->sqlerrcode == ERRCODE_ROWS_HIDDEN)
		return attempt_mapping_fails(attempt, "rls_hides_all", unit_error_words(error), next_due);

	/* reading waits for no row: a table is locked, or somebody waited for us to read it */
	if (attempt->stage <= STAGE_DECIDE && busy)
	{
		*next_due = GetCurrentTimestamp() + BUSY_WAIT_US;
		return TURN_WAIT;
	}
	/*
	 * On the way out only rows of ours are written, which somebody else has changed or holds (a function that asks for the record,
	 * say), or somebody waited for us.  That is never the record's error: who asked would have to wait for its next attempt.
	 */
	if (attempt->claim != NULL && attempt->claim->pushes && busy && (error->sqlerrcode != ERRCODE_QUERY_CANCELED || attempt->claim->n == 1))
	{
		*next_due = GetCurrentTimestamp() + BUSY_WAIT_US;
		return TURN_WAIT;
	}
	if (attempt->stage == STAGE_BEGIN || attempt->claim == NULL)
		return attempt_mapping_fails(attempt, "mapping_broken", unit_error_words(error), next_due);
	if (attempt->claim->undo_arrival != 0)
		return undo_fails(attempt, error);
	if (attempt->claim->n == 0)
		return attempt_mapping_fails(attempt, attempt->state->problem ? attempt->state->problem : "mapping_broken",
							 unit_error_words(error), next_due);
	turn_memory.survey = false;
	/* events that cannot be moved need a turn of their own each */
	if (attempt->claim->n > 1 && attempt->stage == STAGE_WRITE && !attempt->moves && !attempt->apart &&
		failure_is_refusal(error->sqlerrcode))
	{
		turn_memory.apart = true;
		return TURN_WORKED;
	}
	turn_memory.apart = false;
	if (attempt->claim->n > 1)
		return halve(attempt->claim->n, error->sqlerrcode == ERRCODE_QUERY_CANCELED && box_was_over());
	return alone_fails(attempt, error, busy, next_due);
}

void
attempt_record_waits(const Attempt *attempt, const char *problem, const char *detail, const Backoff *backoff)
{
	Report		report = {.attempt = attempt, .problem = problem, .detail = detail, .backoff = backoff};

	report_record(&report);
}

/*
 * Said now, as the next process will know nothing.  A record alone waits; a batch makes the mapping wait, and the next
 * process begins with one record.
 */
void
attempt_at_death(const Attempt *attempt)
{
	Report		report = {.attempt = attempt, .problem = "crm_slow", .backoff = &failure_refused};

	report.detail = "Code of the CRM caught every attempt to cancel it (query_canceled); the worker ended itself.";
	if (attempt->claim && attempt->claim->n == 1 && attempt->mapping)
		(void) unit_run("qbsync: recording a problem", report_record, &report, NULL);
	else
		(void) unit_run("qbsync: recording a problem", report_mapping, &report, NULL);
}
