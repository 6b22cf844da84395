/*
 * turn.c
 *		One turn of an apply worker.  See turn.h.
 *
 * A turn is one REPEATABLE READ transaction: claim some records, decide about them (decide.c), write what was decided as the
 * mapping's role (write.c), record it (settle.c), commit as the role.  Deciding only reads; from the first write on the
 * transaction is in the time box (box.c).  All of it is watched (watched.h): who waits for a lock of ours does not wait long.
 *
 * When a turn fails, nothing has happened.  Which record is to blame is found by asking for less, as claims always have the
 * same order:
 *
 *	batch of n fails        its first half is next; n counts as suspect until that many records in a row have worked
 *	a record alone fails    its failure is recorded (failure.c), with back-off, and the next batch is small again
 *	  cut off by the box    it is slow: tried once more without a box, when nothing else is to be done, or the others have
 *	                        had as long as it took
 *	  with columns that an event moves
 *	                        tried once more without them: the event waits, the rest arrives
 *	FAILURES_IN_A_ROW alone with the same error, or one that the statement has without any record
 *	                        is the mapping's: nothing is tried until its back-off is over
 *
 * Batches grow while they fit into half the box.  What is remembered between turns is memory only; a new process learns it again.
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
#include "crm/box.h"
#include "crm/claim.h"
#include "crm/decide.h"
#include "crm/event.h"
#include "crm/failure.h"
#include "crm/hidden.h"
#include "crm/settle.h"
#include "crm/turn.h"
#include "crm/undo.h"
#include "crm/write.h"
#include "qbsync.h"

#define BATCH_MAX			2000
#define BATCH_BEGIN			64		/* of a new process */
#define BATCH_AFTER_FAILURE	4

#define FAILURES_IN_A_ROW	20

/* Slow records remembered, and for how long. */
#define SLOW_MAX			64
#define SLOW_US				(10 * 60 * USECS_PER_SEC)

/* However long a slow record takes, others get their turn after this time. */
#define OTHERS_MAX_US		(5 * USECS_PER_SEC)

/* A slow record is given up after this time. */
#define SLOW_LIMIT_MS		(5 * 60 * 1000)

/* Something is in the way that will pass. */
#define BUSY_WAIT_US		(1 * USECS_PER_SEC)

/* How far an attempt came. */
typedef enum Stage
{
	STAGE_BEGIN,				/* our own tables, the role */
	STAGE_DECIDE,				/* the CRM is read */
	STAGE_WRITE,				/* the CRM is written */
	STAGE_SETTLE				/* ours, and what the CRM does at commit */
} Stage;

/* One try at a turn; all palloc'd things outlive its transaction. */
typedef struct Attempt
{
	int32		mapping_id;
	ClaimMode	mode;
	int			limit;
	MemoryContext context;
	MappingState *state;
	Mapping    *mapping;
	Claim	   *claim;			/* of a slow record: made before */
	Stage		stage;
	bool		moves;			/* columns of events are written */
	bool		sweep_begins;	/* nothing was done: matching for the sweep comes first */
	TimestampTz boxed_at;		/* 0: nothing was written */
	TurnResult	result;
	TimestampTz next_due;
} Attempt;

/* What a process remembers from turn to turn. */
typedef struct TurnMemory
{
	int32		mapping_id;		/* 0: nothing yet */
	MemoryContext context;
	int			batch;
	int			suspects;		/* records of a failed batch that have not worked yet, one of them the bad one; 0: none */
	int			whole;			/* size of the batch that failed first */
	int			streak;			/* records in a row that failed alone */
	int			sqlerrcode;		/* of all of them */
	bool		sees_rows;		/* the view has shown a row in this process */
	char	   *sweep_at;		/* where the sweep stood after the last turn */
	bool		slow_next;
	TimestampTz others_until;	/* slow records leave the turn to others so long */
	int			nslow;
	char	   *slow[SLOW_MAX];
	TimestampTz slow_until[SLOW_MAX];
	/* a record whose events the CRM refused */
	char	   *held_id;
	Refusal		held;
	TimestampTz undo_after;
	int			undo_failures;
} TurnMemory;

static TurnMemory memory;

/* The attempt under way, for the end of the process. */
static Attempt *current = NULL;

/* How long the transaction may write. */
static int
box_length(void)
{
	return Max(Min(qbsync_apply_time_box, DeadlockTimeout / 4), 1);
}

/* A process works for one mapping. */
static void
remember(int32 mapping_id)
{
	if (memory.mapping_id == mapping_id)
		return;
	if (memory.context)
		MemoryContextDelete(memory.context);
	memset(&memory, 0, sizeof(memory));
	memory.mapping_id = mapping_id;
	memory.context = AllocSetContextCreate(TopMemoryContext, "qbsync turn memory", ALLOCSET_SMALL_SIZES);
	decide_end_sweep();
}

static void
forget(char **word)
{
	if (*word)
		pfree(*word);
	*word = NULL;
}

/* The slow records that are remembered still. */
static SlowIds
slow_ids(void)
{
	SlowIds		slow = {0, memory.slow};
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < memory.nslow;)
	{
		if (memory.slow_until[i] > now)
		{
			i++;
			continue;
		}
		pfree(memory.slow[i]);
		memory.nslow--;
		memory.slow[i] = memory.slow[memory.nslow];
		memory.slow_until[i] = memory.slow_until[memory.nslow];
	}
	slow.n = memory.nslow;
	return slow;
}

/* Remember a slow record, in place of the one to be forgotten first if there are too many. */
static void
slow_add(const char *id)
{
	int			place = 0;

	while (place < memory.nslow && strcmp(memory.slow[place], id) != 0)
		place++;
	if (place == memory.nslow && memory.nslow == SLOW_MAX)
		for (int i = place = 0; i < SLOW_MAX; i++)
			if (memory.slow_until[i] < memory.slow_until[place])
				place = i;
	if (place == memory.nslow)
		memory.nslow++;
	else
		pfree(memory.slow[place]);
	memory.slow[place] = MemoryContextStrdup(memory.context, id);
	memory.slow_until[place] = GetCurrentTimestamp() + SLOW_US;
}

/* --- an attempt ------------------------------------------------------------------------------------------------- */

static void
at_death(void);

/* Nothing is claimed: when is something due? */
static void
be_idle(Attempt *attempt)
{
	if (attempt->state->problem)
	{
		/* whatever it was: does it work now? */
		attempt->stage = STAGE_DECIDE;
		write_probe(attempt->mapping);
		failure_over(attempt->mapping_id, attempt->state->mapping_name);
	}
	attempt->next_due = claim_next_due(attempt->mapping_id);
	if (memory.undo_after != 0)
		attempt->next_due = attempt->next_due == 0 ? memory.undo_after : Min(attempt->next_due, memory.undo_after);
	attempt->result = attempt->next_due == 0 ? TURN_IDLE : TURN_WAIT;
}

/* The CRM's rows are written from here on. */
static void
begin_writing(Attempt *attempt)
{
	attempt->stage = STAGE_WRITE;
	attempt->boxed_at = GetCurrentTimestamp();
	box_begin(attempt->mode == CLAIM_SLOW ? SLOW_LIMIT_MS : box_length(), at_death);
}

/* Decide, write, settle. */
static void
work_claim(Attempt *attempt)
{
	Mapping    *mapping = attempt->mapping;
	Claim	   *claim = attempt->claim;
	Batch		ids = {0};
	Decisions  *decisions;
	Deed	   *deeds;
	bool		held = memory.held_id && claim->n == 1 && strcmp(memory.held_id, claim->ids[0]) == 0;

	attempt->stage = STAGE_DECIDE;
	for (int i = 0; i < claim->n; i++)
		batch_add(&ids, CStringGetTextDatum(claim->ids[i]));
	decisions = claim->sweep_to ? decide_run_swept(mapping, batch_array(&ids, TEXTOID))
		: decide_run(mapping, batch_array(&ids, TEXTOID));
	deeds = write_prepare(decisions);
	event_apply(mapping, deeds, decisions->n, held ? &memory.held : NULL);
	for (int i = 0; i < decisions->n; i++)
		attempt->moves |= deeds[i].moves != NIL;
	hidden_check(mapping, deeds, decisions->n, &memory.sees_rows);
	if (write_wanted(deeds, decisions->n))
	{
		begin_writing(attempt);
		write_run(mapping, deeds, decisions->n);
	}
	attempt->stage = STAGE_SETTLE;
	(void) settle_turn(mapping, attempt->state, claim, deeds, decisions->n);
	if (attempt->state->problem)
		failure_over(attempt->mapping_id, attempt->state->mapping_name);
}

/* Does the sweep have to be matched first? */
static bool
sweep_begins(const Attempt *attempt)
{
	if (attempt->claim->sweep_to == NULL)
		return false;
	return !decide_in_sweep(attempt->mapping_id) || memory.sweep_at == NULL ||
		strcmp(memory.sweep_at, attempt->state->sweep_after) != 0;
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
	if (attempt->state->waits_until != 0)
	{
		attempt->result = TURN_BROKEN;
		attempt->next_due = attempt->state->waits_until;
		return false;
	}
	/* migrations drop views and make them again */
	if (attempt->state->problem)
		claim_refresh(attempt->mapping_id);
	/* a new process that meets a problem does not begin with many */
	if (memory.batch == 0)
		memory.batch = attempt->state->problem ? 1 : BATCH_BEGIN;
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
	if (attempt->claim == NULL)
		attempt->claim = claim_choose(attempt->mapping, attempt->state, CLAIM_BATCH, memory.batch,
									  memory.undo_after <= GetCurrentTimestamp(), &slow);
	MemoryContextSwitchTo(unit);

	box_settings(attempt->mode == CLAIM_SLOW ? Min(qbsync_max_lock_wait, DeadlockTimeout / 4) : box_length() / 2);
	attempt->result = TURN_WORKED;
	if (attempt->claim->undo_arrival != 0)
	{
		begin_writing(attempt);
		undo_run(attempt->mapping, attempt->state, attempt->claim);
	}
	else if (sweep_begins(attempt))
		attempt->sweep_begins = true;
	else if (attempt->claim->n > 0 || attempt->claim->sweep_to)
		work_claim(attempt);
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

/* The next batch is as big as this one taught. */
static void
adapt(const Attempt *attempt, TimestampTz began)
{
	int			n = attempt->claim->n;
	TimestampTz now = GetCurrentTimestamp();
	int64		half_us = (int64) box_length() * 1000 / 2;

	memory.streak = 0;
	if (memory.suspects > 0)
	{
		memory.suspects -= n;
		if (memory.suspects > 0)
			memory.batch = Max(memory.suspects / 2, 1);
		else
		{
			/* all of them worked in smaller pieces */
			memory.suspects = 0;
			memory.batch = Max(memory.whole / 2, 1);
		}
		return;
	}
	/* deciding may take longer than writing, but not for ever */
	if (n >= memory.batch && (attempt->boxed_at == 0 || now - attempt->boxed_at < half_us) && now - began < 10 * half_us)
		memory.batch = Min(memory.batch * 2, BATCH_MAX);
}

/* Where the sweep stands now. */
static void
note_sweep(const Attempt *attempt)
{
	const Claim *claim = attempt->claim;

	if (claim == NULL || claim->sweep_to == NULL)
		return;
	forget(&memory.sweep_at);
	if (claim->sweep_ends)
		decide_end_sweep();
	else
		memory.sweep_at = MemoryContextStrdup(memory.context, claim->sweep_to);
}

static void
worked(Attempt *attempt, TimestampTz began)
{
	if (attempt->claim == NULL)
		return;
	if (attempt->claim->undo_arrival != 0)
	{
		memory.undo_after = 0;
		memory.undo_failures = 0;
		return;
	}
	if (attempt->claim->n > 0)
	{
		forget(&memory.held_id);
		if (attempt->mode == CLAIM_BATCH)
			adapt(attempt, began);
		else
			memory.streak = 0;
	}
	note_sweep(attempt);
}

/* --- when it failed --------------------------------------------------------------------------------------------- */

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
	Report	   *report = arg;
	const Attempt *attempt = report->attempt;
	ErrorRows	rows = {0};

	failure_add(&rows, attempt->claim->ids[0], NULL, report->problem, report->column, report->detail, report->sqlstate,
				(Datum) 0, report->backoff);
	failure_write(attempt->mapping_id, &rows);
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

/* Unit: the mapping waits. */
static void
report_mapping(void *arg)
{
	Report	   *report = arg;

	report->next_due = failure_of_mapping(report->attempt->mapping_id, report->problem, report->detail);
}

/* The mapping waits; if not even that can be said, for a moment. */
static TurnResult
mapping_fails(const Attempt *attempt, const char *problem, const char *detail, TimestampTz *next_due)
{
	Report		report = {.attempt = attempt, .problem = problem, .detail = detail};
	UnitError	error;

	memory.streak = 0;
	memory.suspects = 0;
	memory.batch = 1;
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

	memory.suspects = 0;
	memory.batch = memory.streak > 1 ? 1 : BATCH_AFTER_FAILURE;
	if (unit_run("qbsync: recording a problem", report_record, report, &error) != UNIT_FAILED)
	{
		note_sweep(report->attempt);
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

	box_settings(box_length() / 2);
	attempt->mapping = mapping_load(attempt->mapping_id);
	if (attempt->mapping)
	{
		box_begin(box_length(), at_death);
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
	double		seconds = Min(60.0, (double) (1 << Min(memory.undo_failures, 6)));
	Report		report = {.attempt = attempt, .problem = failure_problem(error->sqlerrcode), .backoff = &failure_busy};


	report.detail = failure_detail(error);
	report.column = error->column_name;
	report.sqlstate = unpack_sql_state(error->sqlerrcode);
	if (memory.undo_failures++ == 0)
		ereport(LOG,
				(errmsg("mapping \"%s\" could not undo what was written to the CRM", attempt->state->mapping_name),
				 errdetail("%s", error->message)));
	memory.undo_after = GetCurrentTimestamp() + (TimestampTz) (seconds * USECS_PER_SEC);
	(void) unit_run("qbsync: recording a problem", report_undo, &report, NULL);
	return TURN_WORKED;
}

/* A batch failed: its first half is next. */
static TurnResult
halve(int n)
{
	if (memory.suspects == 0)
		memory.whole = n;
	memory.suspects = n;
	memory.batch = Max(n / 2, 1);
	return TURN_WORKED;
}

/* One record failed by itself. */
static TurnResult
alone_fails(Attempt *attempt, UnitError *error, bool busy, TimestampTz *next_due)
{
	const char *id = attempt->claim->ids[0];
	bool		was_held = memory.held_id != NULL && strcmp(memory.held_id, id) == 0;
	Report		report = {.attempt = attempt};
	static const Backoff at_once = {0, 0};

	forget(&memory.held_id);
	memory.streak = memory.streak > 0 && memory.sqlerrcode == error->sqlerrcode ? memory.streak + 1 : 1;
	memory.sqlerrcode = error->sqlerrcode;
	if (box_was_over() && attempt->mode == CLAIM_BATCH && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
	{
		slow_add(id);
		memory.streak = 2;		/* it may not be the only one: no big batch next, and not the mapping's problem */
		report.problem = "crm_slow";
		report.detail = psprintf("It took longer than %d ms, and is tried by itself.", box_length());
		report.backoff = &at_once;
		return record_fails(&report, next_due);
	}
	if (attempt->moves && !busy && !was_held)
	{
		memory.held_id = MemoryContextStrdup(memory.context, id);
		memory.held.detail = MemoryContextStrdup(memory.context, failure_detail(error));
		memory.held.sqlstate = MemoryContextStrdup(memory.context, unpack_sql_state(error->sqlerrcode));
		memory.batch = 1;
		return TURN_WORKED;
	}
	if (!busy && mapping_is_broken(attempt, error))
		return mapping_fails(attempt, "mapping_broken", failure_detail(error), next_due);
	if (memory.streak >= FAILURES_IN_A_ROW)
		return mapping_fails(attempt, busy ? "crm_busy" : "crm_refuses_all", failure_detail(error), next_due);
	report.problem = busy && attempt->mode == CLAIM_SLOW && error->sqlerrcode == ERRCODE_QUERY_CANCELED ? "crm_slow"
		: busy ? "crm_busy" : failure_problem(error->sqlerrcode);
	report.detail = failure_detail(error);
	report.column = error->column_name;
	report.sqlstate = unpack_sql_state(error->sqlerrcode);
	report.backoff = busy ? &failure_busy : &failure_refused;
	return record_fails(&report, next_due);
}

/* An attempt failed. */
static TurnResult
failed(Attempt *attempt, UnitError *error, TimestampTz *next_due)
{
	bool		busy = failure_is_busy(error->sqlerrcode);

	if (!busy)
		write_forget();

	/* a link that somebody made at the same moment */
	if (attempt->stage == STAGE_SETTLE && error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION &&
		strcmp(error->schema_name, "qbsync") == 0)
		busy = true;
	if (error->sqlerrcode == ERRCODE_ROWS_HIDDEN)
		return mapping_fails(attempt, "rls_hides_all", failure_detail(error), next_due);

	/* reading waits for no row: a table is locked, or somebody waited for us to read it */
	if (attempt->stage <= STAGE_DECIDE && busy)
	{
		*next_due = GetCurrentTimestamp() + BUSY_WAIT_US;
		return TURN_WAIT;
	}
	if (attempt->stage == STAGE_BEGIN || attempt->claim == NULL)
		return mapping_fails(attempt, "mapping_broken", failure_detail(error), next_due);
	if (attempt->claim->undo_arrival != 0)
		return undo_fails(attempt, error);
	if (attempt->claim->n == 0)
		return mapping_fails(attempt, attempt->state->problem ? attempt->state->problem : "mapping_broken",
							 failure_detail(error), next_due);
	if (attempt->claim->n > 1)
		return halve(attempt->claim->n);
	return alone_fails(attempt, error, busy, next_due);
}

/*
 * The CRM's code caught every cancel, and the process ends itself: said now, as the next process will know nothing.  A record
 * alone waits; a batch makes the mapping wait, and the next process begins with one record.
 */
static void
at_death(void)
{
	Report		report = {.attempt = current, .problem = "crm_slow", .backoff = &failure_refused};

	if (current == NULL)
		return;
	report.detail = "Code of the CRM caught every attempt to cancel it (query_canceled); the worker ended itself.";
	if (current->claim && current->claim->n == 1 && current->mapping)
		(void) unit_run("qbsync: recording a problem", report_record, &report, NULL);
	else
		(void) unit_run("qbsync: recording a problem", report_mapping, &report, NULL);
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
		Report		report = {.attempt = attempt, .problem = "crm_slow", .backoff = &failure_busy};

		attempt->claim = claim;
		report.detail = psprintf("It takes longer than %d ms, and is written by itself.", box_length());
		report_record(&report);
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

	memory.slow_next = false;
	result = unit_run("qbsync: choosing a slow record", choose_slow_work, &attempt, &error);
	if (result == UNIT_FAILED)
		return failed(&attempt, &error, next_due);
	if (result != UNIT_DONE || attempt.claim == NULL)
		return TURN_IDLE;
	slow_add(attempt.claim->ids[0]);
	attempt.stage = STAGE_BEGIN;
	result = run_attempt(&attempt, &error);
	memory.others_until = GetCurrentTimestamp() + Min(GetCurrentTimestamp() - began, OTHERS_MAX_US);
	if (result == UNIT_FAILED)
		return failed(&attempt, &error, next_due);
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
	UnitError	error;
	UnitResult	result;

	forget(&memory.sweep_at);
	watched_begin();
	result = decide_begin_sweep(attempt->mapping_id, &error);
	watched_end();
	if (result == UNIT_DONE)
	{
		memory.sweep_at = MemoryContextStrdup(memory.context, attempt->state->sweep_after);
		return TURN_WORKED;
	}
	if (result != UNIT_FAILED)
		return TURN_GONE;
	if (failure_is_busy(error.sqlerrcode))
	{
		*next_due = GetCurrentTimestamp() + BUSY_WAIT_US;
		return TURN_WAIT;
	}
	return mapping_fails(attempt, "mapping_broken", failure_detail(&error), next_due);
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
	if (memory.slow_next && slow_turn(mapping_id, next_due) != TURN_IDLE)
		return TURN_WORKED;
	result = run_attempt(&attempt, &error);
	if (result == UNIT_FAILED)
		return failed(&attempt, &error, next_due);
	if (result != UNIT_DONE)
		return TURN_GONE;
	if (attempt.sweep_begins)
		return begin_sweep(&attempt, next_due);
	worked(&attempt, began);
	*next_due = attempt.next_due;
	if (attempt.claim && attempt.claim->slow_left)
	{
		if (attempt.result != TURN_WORKED)
		{
			TurnResult	slow = slow_turn(mapping_id, next_due);

			return slow == TURN_IDLE ? attempt.result : slow;
		}
		memory.slow_next = GetCurrentTimestamp() >= memory.others_until;
	}
	return attempt.result;
}
