/*
 * turn.c
 *		One turn of an apply worker.  See turn.h.
 *
 * A turn is one REPEATABLE READ transaction: claim some records, decide about them (decide.c), write what was decided as the
 * mapping's role (write.c), record it (settle.c), commit as the role.  Deciding only reads; from the first write on the
 * transaction is in the time box (box.c).  All of it is watched (watched.h): who waits for a lock of ours does not wait long.
 *
 * When a turn fails (failing.c), nothing has happened.  Which record is to blame is found by asking for less, as claims
 * always have the same order:
 *
 *	batch of n is refused   (a constraint, a trigger, a value) its records are written one by one in the next turn (apart.c)
 *	  one fails otherwise   what was done before it stays; it is found in smaller batches
 *	batch of n fails        its first half is next; n are suspect until that many records in a row have worked
 *	  cut off by the box    no more than half as many are taken for a while
 *	a record alone fails    its failure is recorded (failure.c), with back-off, and the next batch is small again
 *	  cut off by the box    it is slow: tried once more without a box, when nothing else is to be done, or the others have
 *	                        had as long as it took
 *	  with columns that an event moves
 *	                        tried once more without them: the event waits, the rest arrives
 *	twenty in a row refused alike
 *	                        a survey says whether the CRM takes any record (apart.c); if not, it is the mapping's problem
 *	twenty in a row alone with the same other error, or one that the statement has without any record
 *	                        is the mapping's: nothing is tried until its back-off is over
 *
 * Batches are as big as fits into a good half of the box.  What is remembered between turns is memory only; a new process
 * learns it again.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "common/watched.h"
#include "crm/attempt.h"
#include "crm/box.h"
#include "crm/claim.h"
#include "crm/decide.h"
#include "crm/event.h"
#include "crm/failure.h"
#include "crm/hidden.h"
#include "crm/moved_key.h"
#include "crm/sends.h"
#include "crm/settle.h"
#include "crm/turn.h"
#include "crm/undo.h"
#include "crm/write.h"
#include "qbsync.h"

#define BATCH_MAX			4000
#define BATCH_BEGIN			64		/* of a new process */
#define BATCH_AGAIN			250		/* after a pause, at most: others go on with the first ones while we decide about the next */

/* Captures taken at a time: so many times the records of a turn, but not fewer than that. */
#define NEWS_SHARE			2
#define NEWS_MIN			500

/* How much of the box batches are to take, and how many times that all of a turn may take. */
#define BOX_SHARE			0.6
#define ALL_SHARE			10

/* For how long a slow record is remembered. */
#define SLOW_US				(10 * 60 * USECS_PER_SEC)

/* However long a slow record takes, others get their turn after this time. */
#define OTHERS_MAX_US		(5 * USECS_PER_SEC)

/*
 * A sweep is matched anew after so many times as long as that takes, but not before some time: a record that people have made in
 * the CRM meanwhile must be found, not made once more.
 */
#define SWEEP_MATCH_SHARE	10
#define SWEEP_MATCH_US		(5 * USECS_PER_SEC)

/* A slow record is given up after this time. */
#define SLOW_LIMIT_MS		(5 * 60 * 1000)

TurnMemory	turn_memory;

/* The attempt under way, for the end of the process. */
static Attempt *current = NULL;

int
turn_box_length(void)
{
	return Max(Min(qbsync_apply_time_box, DeadlockTimeout / 4), 1);
}

/* A process works for one mapping. */
static void
remember(int32 mapping_id)
{
	if (turn_memory.mapping_id == mapping_id)
		return;
	if (turn_memory.context)
		MemoryContextDelete(turn_memory.context);
	memset(&turn_memory, 0, sizeof(turn_memory));
	turn_memory.mapping_id = mapping_id;
	turn_memory.context = AllocSetContextCreate(TopMemoryContext, "qbsync turn memory", ALLOCSET_SMALL_SIZES);
	decide_end_sweep();
}

void
turn_forget(char **word)
{
	if (*word)
		pfree(*word);
	*word = NULL;
}

/* The slow records that are remembered still. */
static SlowIds
slow_ids(void)
{
	SlowIds		slow = {0, turn_memory.slow};
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < turn_memory.nslow;)
	{
		if (turn_memory.slow_until[i] > now)
		{
			i++;
			continue;
		}
		pfree(turn_memory.slow[i]);
		turn_memory.nslow--;
		turn_memory.slow[i] = turn_memory.slow[turn_memory.nslow];
		turn_memory.slow_until[i] = turn_memory.slow_until[turn_memory.nslow];
	}
	slow.n = turn_memory.nslow;
	return slow;
}

void
turn_slow_add(const char *id)
{
	int			place = 0;

	while (place < turn_memory.nslow && strcmp(turn_memory.slow[place], id) != 0)
		place++;
	if (place == turn_memory.nslow && turn_memory.nslow == SLOW_MAX)
		for (int i = place = 0; i < SLOW_MAX; i++)
			if (turn_memory.slow_until[i] < turn_memory.slow_until[place])
				place = i;
	if (place == turn_memory.nslow)
		turn_memory.nslow++;
	else
		pfree(turn_memory.slow[place]);
	turn_memory.slow[place] = MemoryContextStrdup(turn_memory.context, id);
	turn_memory.slow_until[place] = GetCurrentTimestamp() + SLOW_US;
}

/* --- an attempt ------------------------------------------------------------------------------------------------- */

/* For the box. */
static void
at_death(void)
{
	if (current)
		attempt_at_death(current);
}

/* There is something to decide about.  Statements that cannot be made are the mapping's problem, not that of any record. */
static void
begin_deciding(Attempt *attempt)
{
	(void) mapping_statements(attempt->mapping);
	attempt->stage = STAGE_DECIDE;
}

/* Nothing is claimed: when is something due? */
static void
be_idle(Attempt *attempt)
{
	if (attempt->state->problem)
	{
		/* whatever it was: does it work now? */
		begin_deciding(attempt);
		write_probe(attempt->mapping);
		failure_over(attempt->mapping_id, attempt->state->mapping_name);
	}
	turn_memory.batch = Min(turn_memory.batch, BATCH_AGAIN);
	attempt->next_due = claim_next_due(attempt->mapping_id);
	if (turn_memory.undo_after != 0)
		attempt->next_due = attempt->next_due == 0 ? turn_memory.undo_after : Min(attempt->next_due, turn_memory.undo_after);
	attempt->result = attempt->next_due == 0 ? TURN_IDLE : TURN_WAIT;
}

/* What the CRM changed becomes work. */
static void
take_news(Attempt *attempt)
{
	begin_deciding(attempt);
	sends_take_news(attempt->mapping, Max(turn_memory.batch * NEWS_SHARE, NEWS_MIN));
	attempt->result = TURN_WORKED;
}

/* The CRM's rows are written from here on. */
static void
begin_writing(Attempt *attempt)
{
	attempt->stage = STAGE_WRITE;
	attempt->boxed_at = GetCurrentTimestamp();
	box_begin(attempt->mode == CLAIM_SLOW ? SLOW_LIMIT_MS : turn_box_length(), at_death);
}

/* Decide, write, settle. */
static void
work_claim(Attempt *attempt)
{
	Mapping    *mapping = attempt->mapping;
	Claim	   *claim = attempt->claim;
	Decisions  *decisions;
	Deed	   *deeds;
	int			n;
	bool		held = turn_memory.held_id && claim->n == 1 && strcmp(turn_memory.held_id, claim->ids[0]) == 0;

	begin_deciding(attempt);
	attempt->apart = attempt->survey || (turn_memory.apart && claim->n > 1);
	if (attempt->apart)
		attempt->last = MemoryContextStrdup(attempt->context, claim->ids[claim->n - 1]);
	if (claim->swept)
		decisions = decide_run_swept(mapping, claim->ids, claim->n, attempt->apart);
	else
	{
		decisions = decide_run(mapping, batch_of_texts(claim->ids, claim->n));
		decide_pass(mapping->mapping_id, claim->ids, claim->n);
	}
	deeds = write_prepare(decisions);
	n = decisions->n;
	event_apply(mapping, deeds, decisions->n, held ? &turn_memory.held : NULL);
	for (int i = 0; i < decisions->n; i++)
		attempt->moves |= deeds[i].moves != NIL;
	hidden_check(mapping, deeds, decisions->n, &turn_memory.sees_rows);
	if (attempt->moves && !attempt->survey)
		attempt->apart = false;
	if (write_wanted(deeds, n))
	{
		begin_writing(attempt);
		if (attempt->apart)
			n = apart_write(attempt, deeds, n);
		else
			/* what an event moves may take the record out of the view, which is for the way out to see */
			write_run(mapping, deeds, n, !attempt->moves);
	}
	attempt->stage = STAGE_SETTLE;
	(void) settle_turn(mapping, attempt->state, claim, deeds, n);
	/* rows, links, history and the sweep's place are lost together or not at all, and made again; nobody was told of them */
	if (attempt->state->first_sync && claim->sweep_to && !claim->sweep_ends)
		unit_not_durable();
	if (attempt->state->problem && (!attempt->apart || attempt->taken > 0))
		failure_over(attempt->mapping_id, attempt->state->mapping_name);
}

/* CRM records are on their way to QuickBooks. */
static void
work_pushes(Attempt *attempt)
{
	begin_deciding(attempt);
	attempt->stage = STAGE_SETTLE;
	sends_push(attempt->mapping, attempt->claim);
	if (attempt->state->problem)
		failure_over(attempt->mapping_id, attempt->state->mapping_name);
}

/* Does the sweep have to be matched first, or anew? */
static bool
sweep_begins(const Attempt *attempt)
{
	if (attempt->claim->sweep_to == NULL)
		return false;
	return !decide_in_sweep(attempt->mapping_id) || turn_memory.sweep_at == NULL || GetCurrentTimestamp() >= turn_memory.sweep_until ||
		strcmp(turn_memory.sweep_at, attempt->state->sweep_after) != 0;
}

/* Take what the attempt needs to know; false if there is nothing to be done. */
static bool
prepare(Attempt *attempt)
{
	if (!claim_lock(attempt->mapping_id))
	{
		attempt->result = TURN_WAIT;
		attempt->next_due = GetCurrentTimestamp() + BUSY_WAIT_US;
		return false;
	}
	attempt->state = claim_look(attempt->mapping_id);
	if (attempt->state == NULL || !attempt->state->enabled)
	{
		attempt->result = TURN_GONE;
		return false;
	}
	if (attempt->state->waits_until != 0 && !apart_wakes(attempt->state))
	{
		attempt->result = TURN_BROKEN;
		attempt->next_due = attempt->state->waits_until;
		return false;
	}
	/* migrations drop views and make them again */
	if (attempt->state->problem)
		claim_refresh(attempt->mapping_id);
	/* a new process that meets a problem does not begin with many */
	if (turn_memory.batch == 0)
		turn_memory.batch = attempt->state->problem ? 1 : BATCH_BEGIN;
	attempt->mapping = mapping_load(attempt->mapping_id);
	if (attempt->mapping == NULL)
	{
		attempt->result = TURN_GONE;
		return false;
	}
	/* from here on code of the CRM may run, and put something off until commit */
	unit_commit_as(attempt->mapping->role);
	return true;
}

/* Unit: a turn. */
static void
attempt_work(void *arg)
{
	Attempt    *attempt = arg;
	MemoryContext unit = MemoryContextSwitchTo(attempt->context);
	SlowIds		slow = slow_ids();

	if (!prepare(attempt))
	{
		MemoryContextSwitchTo(unit);
		return;
	}
	/*
	 * In turns with the work they make: a bulk change of the CRM is on its way out before all of it was looked at.  But as long as
	 * there are keys that changed, nobody knows whom a key stands for.
	 */
	turn_memory.took_news = attempt->claim == NULL && attempt->state->has_news &&
		(!turn_memory.took_news || moved_keys_wait(attempt->mapping));
	if (turn_memory.took_news)
	{
		MemoryContextSwitchTo(unit);
		take_news(attempt);
		return;
	}
	attempt->survey = turn_memory.survey && attempt->mode == CLAIM_BATCH;
	if (attempt->survey)
		attempt->claim = claim_survey(attempt->mapping, attempt->state, turn_memory.batch, &turn_memory.surveyed, &slow);
	else if (attempt->claim == NULL)
		attempt->claim = claim_choose(attempt->mapping, attempt->state, CLAIM_BATCH, turn_memory.batch,
									  turn_memory.undo_after <= GetCurrentTimestamp(), &slow);
	MemoryContextSwitchTo(unit);

	box_settings(attempt->mode == CLAIM_SLOW ? Min(qbsync_max_lock_wait, DeadlockTimeout / 4) : turn_box_length() / 2);
	attempt->result = TURN_WORKED;
	if (attempt->claim->undo_arrival != 0)
	{
		begin_deciding(attempt);
		begin_writing(attempt);
		undo_run(attempt->mapping, attempt->state, attempt->claim);
	}
	else if (attempt->claim->pushes)
		work_pushes(attempt);
	else if (sweep_begins(attempt))
		attempt->sweep_begins = true;
	else if (attempt->claim->n > 0 || attempt->claim->sweep_to)
		work_claim(attempt);
	else if (attempt->survey)
		attempt->apart = true;	/* it has come to its end */
	else if (attempt->state->has_news)
		take_news(attempt);
	else
		be_idle(attempt);
}

/* Run an attempt. */
static UnitResult
run_attempt(Attempt *attempt, UnitError *error)
{
	static const UnitOptions options = {.repeatable_read = true};
	UnitResult	result;

	current = attempt;
	write_begin();
	watched_begin();
	result = unit_run_with(&options, "qbsync: applying to the CRM", attempt_work, attempt, error);
	watched_end();
	current = NULL;
	return result;
}

/* --- when it worked --------------------------------------------------------------------------------------------- */

/*
 * How many times the records of a turn the next one may have: so many that their writing takes BOX_SHARE of the box, with room
 * for a moment in which the server has other things to do; twice as many at most.
 */
static double
fitting(int64 all_us, int64 boxed_us)
{
	double		aim_us = turn_box_length() * 1000 * BOX_SHARE;

	/* deciding may take longer than writing, but not for ever */
	return Min(2.0, Min(aim_us / Max(boxed_us, 1), ALL_SHARE * aim_us / Max(all_us, 1)));
}

/* The next batch is as big as this one taught. */
static void
adapt(const Attempt *attempt, TimestampTz began)
{
	int			n = attempt->claim->n;
	TimestampTz now = GetCurrentTimestamp();
	int			next;

	turn_memory.streak = 0;
	if (turn_memory.suspects > 0)
	{
		turn_memory.suspects -= n;
		if (turn_memory.suspects > 0)
			turn_memory.batch = Max(turn_memory.suspects / 2, 1);
		else
		{
			/* all of them worked in smaller pieces */
			turn_memory.suspects = 0;
			turn_memory.batch = Max(turn_memory.whole / 2, 1);
		}
		return;
	}
	if (turn_memory.ceiling_turns > 0)
		turn_memory.ceiling_turns--;
	next = (int) (n * fitting(now - began, attempt->boxed_at == 0 ? 0 : now - attempt->boxed_at));
	/* a claim that was not full tells nothing of more */
	if (n >= turn_memory.batch || next < n)
		turn_memory.batch = Max(Min(next, turn_memory.ceiling_turns > 0 ? turn_memory.ceiling : BATCH_MAX), 1);
}

void
turn_note_sweep(const Attempt *attempt)
{
	const Claim *claim = attempt->claim;

	if (claim == NULL || claim->sweep_to == NULL)
		return;
	turn_forget(&turn_memory.sweep_at);
	if (claim->sweep_ends)
		decide_end_sweep();
	else
		turn_memory.sweep_at = MemoryContextStrdup(turn_memory.context, claim->sweep_to);
}

static void
worked(Attempt *attempt, TimestampTz began)
{
	if (attempt->claim == NULL)
		return;
	if (attempt->claim->undo_arrival != 0)
	{
		turn_memory.undo_after = 0;
		turn_memory.undo_failures = 0;
		return;
	}
	if (attempt->claim->n > 0)
	{
		turn_forget(&turn_memory.held_id);
		if (attempt->mode == CLAIM_BATCH)
			adapt(attempt, began);
		else
			turn_memory.streak = 0;
	}
	turn_note_sweep(attempt);
}

/* --- a turn ----------------------------------------------------------------------------------------------------- */

/*
 * Unit: choose a slow record, and note that it is being tried, before it is.  Should the process be ended in the middle, it
 * waits like any other that failed.
 */
static void
choose_slow_work(void *arg)
{
	Attempt    *attempt = arg;
	MemoryContext unit = MemoryContextSwitchTo(attempt->context);
	SlowIds		slow = slow_ids();
	Claim	   *claim = NULL;

	if (prepare(attempt))
		claim = claim_choose(attempt->mapping, attempt->state, CLAIM_SLOW, 1, false, &slow);
	MemoryContextSwitchTo(unit);
	if (claim && claim->n > 0)
	{
		attempt->claim = claim;
		attempt_record_waits(attempt, "crm_slow", psprintf("It takes longer than %d ms, and is written by itself.", turn_box_length()),
							 &failure_busy);
	}
}

/* A slow record by itself; TURN_IDLE when there is none. */
static TurnResult
slow_turn(int32 mapping_id, TimestampTz *next_due)
{
	Attempt		attempt = {.mapping_id = mapping_id, .mode = CLAIM_SLOW, .context = CurrentMemoryContext};
	TimestampTz began = GetCurrentTimestamp();
	UnitError	error;
	UnitResult	result;

	turn_memory.slow_next = false;
	result = unit_run("qbsync: choosing a slow record", choose_slow_work, &attempt, &error);
	if (result == UNIT_FAILED)
		return attempt_failed(&attempt, &error, next_due);
	if (result != UNIT_DONE || attempt.claim == NULL)
		return TURN_IDLE;
	turn_slow_add(attempt.claim->ids[0]);
	attempt.stage = STAGE_BEGIN;
	result = run_attempt(&attempt, &error);
	turn_memory.others_until = GetCurrentTimestamp() + Min(GetCurrentTimestamp() - began, OTHERS_MAX_US);
	if (result == UNIT_FAILED)
		return attempt_failed(&attempt, &error, next_due);
	if (result != UNIT_DONE)
		return TURN_GONE;
	worked(&attempt, began);
	*next_due = attempt.next_due;
	return attempt.result;
}

/* A turn that did nothing but find out that the sweep has to be matched. */
static TurnResult
begin_sweep(const Attempt *attempt, TimestampTz *next_due)
{
	TimestampTz began = GetCurrentTimestamp();
	TimestampTz now;
	UnitError	error;
	UnitResult	result;

	turn_forget(&turn_memory.sweep_at);
	watched_begin();
	result = decide_begin_sweep(attempt->mapping_id, &error);
	watched_end();
	if (result == UNIT_DONE)
	{
		turn_memory.sweep_at = MemoryContextStrdup(turn_memory.context, attempt->state->sweep_after);
		now = GetCurrentTimestamp();
		turn_memory.sweep_until = now + Max(SWEEP_MATCH_US, SWEEP_MATCH_SHARE * (now - began));
		return TURN_WORKED;
	}
	if (result != UNIT_FAILED)
		return TURN_GONE;
	if (failure_is_busy(error.sqlerrcode))
	{
		*next_due = GetCurrentTimestamp() + BUSY_WAIT_US;
		return TURN_WAIT;
	}
	return attempt_mapping_fails(attempt, "mapping_broken", unit_error_words(&error), next_due);
}

TurnResult
turn_run(int32 mapping_id, TimestampTz *next_due)
{
	Attempt		attempt = {.mapping_id = mapping_id, .mode = CLAIM_BATCH, .context = CurrentMemoryContext};
	TimestampTz began = GetCurrentTimestamp();
	UnitError	error;
	UnitResult	result;

	*next_due = 0;
	remember(mapping_id);
	if (turn_memory.slow_next && slow_turn(mapping_id, next_due) != TURN_IDLE)
		return TURN_WORKED;
	result = run_attempt(&attempt, &error);
	if (result == UNIT_FAILED)
		return attempt_failed(&attempt, &error, next_due);
	if (result != UNIT_DONE)
		return TURN_GONE;
	if (attempt.sweep_begins)
		return begin_sweep(&attempt, next_due);
	if (attempt.apart)
		return apart_worked(&attempt, next_due);
	if (attempt.result != TURN_WORKED)
	{
		/* nothing is left of what was refused: a batch may work again, and what fails then is judged anew */
		turn_memory.apart = false;
		turn_memory.known = 0;
		turn_memory.streak = 0;
	}
	worked(&attempt, began);
	*next_due = attempt.next_due;
	if (attempt.claim && attempt.claim->slow_left)
	{
		if (attempt.result != TURN_WORKED)
		{
			TurnResult	slow = slow_turn(mapping_id, next_due);

			return slow == TURN_IDLE ? attempt.result : slow;
		}
		turn_memory.slow_next = GetCurrentTimestamp() >= turn_memory.others_until;
	}
	return attempt.result;
}
