/*
 * decide.c
 *		From records of QuickBooks and rows of the CRM to decisions.  See decide.h.
 *
 * What is decided is SQL (the mapping's statements); this file brings to it what the CRM's view shows, read as the role, and
 * takes the decisions from it one by one, so that a plan of a whole company is never held in memory.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "miscadmin.h"

#include "crm/batch.h"
#include "crm/decide.h"
#include "crm/decide_parts.h"

/* Rows of the CRM are found by their keys when they are at most one of so many; to find more takes longer than to read all. */
#define UNLINKED_SHARE 8

/* A plan for more rows than that joins them by something better than going through all of them for each record. */
#define FEW_ROWS 16

/* What shares the memory when all records are decided about at once. */
#define STEPS_AT_WORK 4

/* Columns of what the CRM shows: a row whole, or what matching needs of it. */
static const char *const row_names[] = {"crm_key", "ours", "crm_time"};
static const Oid row_types[] = {TEXTOID, JSONBOID, TIMESTAMPTZOID};

/* Columns of pairs that match. */
static const char *const pair_names[] = {"id", "crm_key", "rule", "outcome", "score", "reasons", "crm_row"};
static const Oid pair_types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, FLOAT4OID, TEXTARRAYOID, JSONBOID};

/* Names of actions as the statement gives them, in the order of DecisionAction. */
static const char *const action_names[] = {
	"none", "update", "link", "create", "candidate", "review", "wait", "ignore", "missing", "delete", "detach", "error"
};

/* Columns that a decision is made of. */
typedef enum DecisionColumn
{
	COLUMN_ID,
	COLUMN_ACTION,
	COLUMN_CRM_KEY,
	COLUMN_ORIGIN,
	COLUMN_REASON,
	COLUMN_NAME,
	COLUMN_OURS,
	COLUMN_THEIRS,
	COLUMN_WRITE,
	COLUMN_SEND,
	COLUMN_CONFLICT,
	COLUMN_BASE,
	COLUMN_CRM_BASE,
	COLUMN_UNAGREED,
	COLUMN_OVERWRITTEN,
	COLUMN_FACTS,
	COLUMN_EVENTS,
	COLUMN_CANDIDATES,
	COLUMN_WAITS_FOR,
	COLUMN_PROBLEM,
	COLUMN_DETAIL,
	COLUMN_THEIRS_AT,
	COLUMN_OURS_AT,
	COLUMN_KNOWN,
	NCOLUMNS
} DecisionColumn;

static const char *const decision_names[NCOLUMNS] = {
	"id", "action", "crm_key", "origin", "reason", "name", "ours", "theirs", "write", "send", "conflict", "base", "crm_base",
	"unagreed", "overwritten", "facts", "events", "candidates", "waits_for", "problem", "detail", "theirs_at", "ours_at",
	"known"
};

/* Takes the rows of the decide statement and hands over decisions. */
typedef struct DecisionReceiver
{
	DestReceiver pub;
	const Mapping *mapping;
	DecisionSink sink;
	void	   *arg;
	MemoryContext row_context;	/* reset after each decision */
	char	   *last_id;		/* in context */
	MemoryContext context;
	int			attributes[NCOLUMNS];
} DecisionReceiver;

/* Where the columns of the decide statement are. */
static void
receiver_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	DecisionReceiver *receiver = (DecisionReceiver *) self;

	for (int i = 0; i < NCOLUMNS; i++)
	{
		receiver->attributes[i] = SPI_fnumber(tupdesc, decision_names[i]);
		if (receiver->attributes[i] <= 0)
			elog(ERROR, "decisions have no column \"%s\"", decision_names[i]);
	}
}

/* A text column of the row, palloc'd; NULL if null. */
static char *
row_text(DecisionReceiver *receiver, TupleTableSlot *slot, DecisionColumn column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, receiver->attributes[column], &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* A column of the row; 0 if null. */
static Datum
row_datum(DecisionReceiver *receiver, TupleTableSlot *slot, DecisionColumn column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, receiver->attributes[column], &isnull);

	return isnull ? (Datum) 0 : value;
}

static DecisionAction
action_of_name(const char *name)
{
	for (int i = 0; i < lengthof(action_names); i++)
	{
		if (strcmp(action_names[i], name) == 0)
			return (DecisionAction) i;
	}
	elog(ERROR, "unknown action \"%s\"", name);
	return DECISION_NONE;
}

/* Decisions come in order of id; two with one id would be two rows of the view with one key. */
static void
check_unique(DecisionReceiver *receiver, const Decision *decision)
{
	if (receiver->last_id && strcmp(receiver->last_id, decision->id) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("the view of mapping \"%s\" shows a key more than once", receiver->mapping->name),
				 errdetail("Several rows have the key \"%s\".", decision->crm_key ? decision->crm_key : ""),
				 errhint("Change the view so that it has one row per CRM record.")));
	if (receiver->last_id)
		pfree(receiver->last_id);
	receiver->last_id = MemoryContextStrdup(receiver->context, decision->id);
}

/* One row: make a decision of it and hand it over. */
static bool
receiver_receive(TupleTableSlot *slot, DestReceiver *self)
{
	DecisionReceiver *receiver = (DecisionReceiver *) self;
	MemoryContext caller = MemoryContextSwitchTo(receiver->row_context);
	Decision	decision = {0};
	Datum		time;

	decision.id = row_text(receiver, slot, COLUMN_ID);
	decision.action = action_of_name(row_text(receiver, slot, COLUMN_ACTION));
	decision.crm_key = row_text(receiver, slot, COLUMN_CRM_KEY);
	decision.origin = row_text(receiver, slot, COLUMN_ORIGIN);
	decision.reason = row_text(receiver, slot, COLUMN_REASON);
	decision.record_name = row_text(receiver, slot, COLUMN_NAME);
	decision.ours = row_datum(receiver, slot, COLUMN_OURS);
	decision.theirs = row_datum(receiver, slot, COLUMN_THEIRS);
	decision.write = row_datum(receiver, slot, COLUMN_WRITE);
	decision.send = row_datum(receiver, slot, COLUMN_SEND);
	decision.conflict = row_datum(receiver, slot, COLUMN_CONFLICT);
	decision.base = row_datum(receiver, slot, COLUMN_BASE);
	decision.crm_base = row_datum(receiver, slot, COLUMN_CRM_BASE);
	decision.unagreed = row_datum(receiver, slot, COLUMN_UNAGREED);
	decision.overwritten = row_datum(receiver, slot, COLUMN_OVERWRITTEN);
	decision.facts = row_datum(receiver, slot, COLUMN_FACTS);
	decision.events = row_datum(receiver, slot, COLUMN_EVENTS);
	decision.candidates = row_datum(receiver, slot, COLUMN_CANDIDATES);
	decision.waits_for = row_datum(receiver, slot, COLUMN_WAITS_FOR);
	decision.problem = row_text(receiver, slot, COLUMN_PROBLEM);
	decision.detail = row_text(receiver, slot, COLUMN_DETAIL);
	time = row_datum(receiver, slot, COLUMN_THEIRS_AT);
	decision.theirs_at = time ? DatumGetTimestampTz(time) : 0;
	time = row_datum(receiver, slot, COLUMN_OURS_AT);
	decision.ours_at = time ? DatumGetTimestampTz(time) : 0;
	decision.known = DatumGetBool(row_datum(receiver, slot, COLUMN_KNOWN));
	check_unique(receiver, &decision);
	receiver->sink(&decision, receiver->arg);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(receiver->row_context);
	return true;
}

/* For the end of the statement, and of the receiver: nothing to do. */
static void
receiver_nothing(DestReceiver *self)
{
}

/* A parameter text[] that may be null. */
static Rows *
read_as_owner(const char *statement, Datum ids)
{
	Oid			types[] = {TEXTARRAYOID};

	return statement_read(statement, 1, types, &ids, ids ? " " : "n");
}

/* Rows of the view by key; 0: all. */
static Rows *
read_rows(const Mapping *mapping, Datum crm_keys)
{
	Oid			types[] = {TEXTARRAYOID};
	Rows	   *rows = statement_read_as_role(mapping, mapping_statements(mapping)->read_rows, 1, types, &crm_keys, crm_keys ? " " : "n");

	rows_expect(rows, lengthof(row_names), row_names, row_types);
	return rows;
}

/*
 * All records at once are sorted and joined in the memory that is for maintenance, of which a few steps are at work at a time.
 * Until AtEOXact_GUC() with the level returned.
 */
static int
begin_with_memory(void)
{
	int			level = NewGUCNestLevel();
	char		value[32];

	snprintf(value, sizeof(value), "%d", Max(work_mem, maintenance_work_mem / STEPS_AT_WORK));
	(void) set_config_option("work_mem", value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* The pairs that match, of those ids (0: all) with the rows that the tuplestore crm_match is to hold. */
static Rows *
match(const char *statement, Datum ids, Rows *crm_match)
{
	int			level = ids ? 0 : begin_with_memory();
	Rows	   *pairs;

	rows_name("crm_match", crm_match);
	pairs = read_as_owner(statement, ids);
	rows_unname("crm_match");
	if (level > 0)
		AtEOXact_GUC(false, level);
	rows_expect(pairs, lengthof(pair_names), pair_names, pair_types);
	return pairs;
}

/* What matching needs of the rows with those keys; 0: all. */
static Rows *
read_match(const Mapping *mapping, Datum crm_keys)
{
	Oid			types[] = {TEXTARRAYOID};
	Rows	   *rows = statement_read_as_role(mapping, mapping_statements(mapping)->read_match, 1, types, &crm_keys, crm_keys ? " " : "n");

	/* its columns are the first ones of a row */
	rows_expect(rows, 2, row_names, row_types);
	return rows;
}

/* The keys that the view shows and that are linked to nothing; *all: how many it shows. */
static Datum
unlinked_keys(const Mapping *mapping, int64 *all, int *n)
{
	static const char *const names[] = {"crm_key"};
	static const Oid types[] = {TEXTOID};
	Oid			arg_types[] = {INT4OID};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id)};
	Rows	   *keys = statement_read_as_role(mapping, mapping_statements(mapping)->read_keys, 0, NULL, NULL, NULL);
	Rows	   *unlinked;
	TupleTableSlot *slot;
	Batch		batch = {0};

	rows_expect(keys, lengthof(names), names, types);
	*all = keys->n;
	rows_name("crm_key", keys);
	unlinked = statement_read("SELECT k.crm_key FROM crm_key k WHERE k.crm_key IS NOT NULL"
							  " AND NOT EXISTS (SELECT FROM qbsync.link l WHERE l.mapping_id = $1 AND l.crm_key = k.crm_key)",
							  lengthof(arg_types), arg_types, values, NULL);
	rows_unname("crm_key");
	rows_free(keys);
	slot = MakeSingleTupleTableSlot(unlinked->tupdesc, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(unlinked->store, true, false, slot))
	{
		bool		isnull;

		batch_add(&batch, PointerGetDatum(PG_DETOAST_DATUM_COPY(slot_getattr(slot, 1, &isnull))));
	}
	ExecDropSingleTupleTableSlot(slot);
	rows_free(unlinked);
	*n = batch.n;
	return batch_array(&batch, TEXTOID);
}

/*
 * What matching needs of the rows that may match something: those that are linked to nothing.  Once a CRM is in step these are
 * few, and while a sweep creates records most rows are those it has made itself.
 */
static Rows *
read_unlinked(const Mapping *mapping)
{
	int64		all;
	int			n;
	Datum		crm_keys = unlinked_keys(mapping, &all, &n);

	return read_match(mapping, n <= all / UNLINKED_SHARE ? crm_keys : 0);
}

/* For qsort and bsearch of texts. */
int
decide_compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

char	  **
decide_sorted_texts(const Batch *batch)
{
	char	  **texts = palloc(sizeof(char *) * Max(batch->n, 1));

	for (int i = 0; i < batch->n; i++)
		texts[i] = TextDatumGetCString(batch->values[i]);
	qsort(texts, batch->n, sizeof(char *), decide_compare_texts);
	return texts;
}

Rows *
decide_no_pairs(void)
{
	return rows_empty(lengthof(pair_names), pair_names, pair_types);
}

Rows *
decide_match_all(const Mapping *mapping)
{
	Rows	   *crm_match = read_unlinked(mapping);

	/* most often nothing is there yet when a CRM is filled from QuickBooks */
	if (crm_match->n == 0)
		return decide_no_pairs();
	return match(psprintf("SELECT * FROM (%s) AS p ORDER BY p.id COLLATE pg_catalog.\"C\"", mapping_statements(mapping)->match), 0, crm_match);
}

/* Append the keys of pairs that link by themselves. */
static void
add_automatic_keys(Batch *crm_keys, Rows *pairs)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(pairs->tupdesc, &TTSOpsMinimalTuple);

	tuplestore_rescan(pairs->store);
	while (tuplestore_gettupleslot(pairs->store, true, false, slot))
	{
		bool		isnull;
		char	   *outcome = TextDatumGetCString(slot_getattr(slot, PAIR_OUTCOME, &isnull));

		if (strcmp(outcome, "auto") == 0)
			batch_add(crm_keys, PointerGetDatum(PG_DETOAST_DATUM_COPY(slot_getattr(slot, PAIR_CRM_KEY, &isnull))));
		pfree(outcome);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* The keys as an array, each once: a row that is read twice would be two rows. */
static Datum
distinct_array(const Batch *batch)
{
	char	  **sorted = decide_sorted_texts(batch);
	Batch		distinct = {0};

	for (int i = 0; i < batch->n; i++)
	{
		if (i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0)
			batch_add(&distinct, CStringGetTextDatum(sorted[i]));
	}
	return batch_array(&distinct, TEXTOID);
}

/* Split the ids into crm_keys of those that are linked and ids of those that are not. */
static void
split_linked(const Mapping *mapping, Datum ids, Batch *crm_keys, Batch *unlinked)
{
	Rows	   *linked = read_as_owner(mapping_statements(mapping)->linked, ids);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(linked->tupdesc, &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(linked->store, true, false, slot))
	{
		bool		isnull;
		Datum		crm_key = slot_getattr(slot, 2, &isnull);

		if (!isnull)
			batch_add(crm_keys, PointerGetDatum(PG_DETOAST_DATUM_COPY(crm_key)));
		else
			batch_add(unlinked, PointerGetDatum(PG_DETOAST_DATUM_COPY(slot_getattr(slot, 1, &isnull))));
	}
	ExecDropSingleTupleTableSlot(slot);
	rows_free(linked);
}

/* Read and match for some ids; pairs: what matching has found before, NULL: nothing. */
static void
gather(DecideRun *run, Rows *pairs)
{
	const Mapping *mapping = run->mapping;
	Batch		crm_keys = {0};
	Batch		unlinked = {0};

	split_linked(mapping, run->ids, &crm_keys, &unlinked);
	if (pairs)
		run->match_pair = pairs;
	else if (unlinked.n == 0)
		run->match_pair = decide_no_pairs();
	else
	{
		Rows	   *crm_match = read_unlinked(mapping);

		run->match_pair = crm_match->n == 0 ? decide_no_pairs() :
			match(mapping_statements(mapping)->match, batch_array(&unlinked, TEXTOID), crm_match);
		rows_free(crm_match);
	}
	add_automatic_keys(&crm_keys, run->match_pair);
	if (crm_keys.n > 0)
		run->crm_row = read_rows(mapping, distinct_array(&crm_keys));
	else
		run->crm_row = rows_empty(lengthof(row_names), row_names, row_types);
}

/* decide_begin(); pairs: see gather(). */
static DecideRun *
begin(const Mapping *mapping, Datum ids, Rows *pairs)
{
	DecideRun  *run = palloc0(sizeof(DecideRun));

	run->mapping = mapping;
	run->ids = ids;
	/* one moment for all that follows, with what this transaction has written so far */
	PushActiveSnapshot(GetTransactionSnapshot());
	if (ids)
		gather(run, pairs);
	else
	{
		/* all rows are read anyway, and what matching needs is in them */
		run->crm_row = read_rows(mapping, 0);
		run->match_pair = match(mapping_statements(mapping)->match, 0, run->crm_row);
	}
	rows_name("crm_row", run->crm_row);
	rows_name("match_pair", run->match_pair);
	return run;
}

DecideRun *
decide_begin(const Mapping *mapping, Datum ids)
{
	return begin(mapping, ids, NULL);
}

DecideRun *
decide_begin_keys(const Mapping *mapping, Datum crm_keys)
{
	DecideRun  *run = palloc0(sizeof(DecideRun));

	run->mapping = mapping;
	PushActiveSnapshot(GetTransactionSnapshot());
	run->crm_row = read_rows(mapping, crm_keys);
	run->match_pair = run->crm_row->n > 0 ? match(mapping_statements(mapping)->match, 0, run->crm_row) : decide_no_pairs();
	rows_name("crm_row", run->crm_row);
	rows_name("match_pair", run->match_pair);
	return run;
}

void
decide_each(DecideRun *run, DecisionSink sink, void *arg)
{
	DecisionReceiver receiver = {
		.pub = {receiver_receive, receiver_startup, receiver_nothing, receiver_nothing, DestNone},
		.mapping = run->mapping,
		.sink = sink,
		.arg = arg,
		.context = CurrentMemoryContext
	};
	Oid			types[] = {TEXTARRAYOID};

	receiver.row_context = AllocSetContextCreate(CurrentMemoryContext, "qbsync decision", ALLOCSET_DEFAULT_SIZES);
	if (run->ids)
		(void) statement_receive_planned(mapping_decide(run->mapping)->some,
										 (run->crm_row->n > FEW_ROWS ? 1 : 0) + (run->match_pair->n > FEW_ROWS ? 2 : 0),
										 1, types, &run->ids, &receiver.pub);
	else
	{
		int			level = begin_with_memory();

		(void) statement_receive(mapping_decide(run->mapping)->all, 1, types, &run->ids, "n", &receiver.pub);
		AtEOXact_GUC(false, level);
	}
	MemoryContextDelete(receiver.row_context);
}

void
decide_end(DecideRun *run)
{
	rows_unname("match_pair");
	rows_unname("crm_row");
	PopActiveSnapshot();
	rows_free(run->match_pair);
	rows_free(run->crm_row);
	pfree(run);
}

/* An array of decisions that grows. */
typedef struct DecisionList
{
	Decisions  *decisions;
	int			allocated;
	MemoryContext context;
} DecisionList;

/* A copy of a value of variable length; 0 stays 0. */
static Datum
copy_datum(Datum value)
{
	return value ? PointerGetDatum(PG_DETOAST_DATUM_COPY(value)) : (Datum) 0;
}

/* A copy of a text, or NULL. */
static char *
copy_text(const char *source)
{
	return source ? pstrdup(source) : NULL;
}

void
decision_copy(Decision *target, const Decision *source)
{
	*target = *source;
	target->id = pstrdup(source->id);
	target->crm_key = copy_text(source->crm_key);
	target->origin = copy_text(source->origin);
	target->reason = copy_text(source->reason);
	target->record_name = copy_text(source->record_name);
	target->problem = copy_text(source->problem);
	target->detail = copy_text(source->detail);
	target->ours = copy_datum(source->ours);
	target->theirs = copy_datum(source->theirs);
	target->write = copy_datum(source->write);
	target->send = copy_datum(source->send);
	target->conflict = copy_datum(source->conflict);
	target->base = copy_datum(source->base);
	target->crm_base = copy_datum(source->crm_base);
	target->unagreed = copy_datum(source->unagreed);
	target->overwritten = copy_datum(source->overwritten);
	target->facts = copy_datum(source->facts);
	target->events = copy_datum(source->events);
	target->candidates = copy_datum(source->candidates);
	target->waits_for = copy_datum(source->waits_for);
}

/* Keep a decision. */
static void
keep_decision(const Decision *decision, void *arg)
{
	DecisionList *list = arg;
	MemoryContext caller = MemoryContextSwitchTo(list->context);

	if (list->decisions->n == list->allocated)
	{
		list->allocated *= 2;
		list->decisions->decisions = repalloc_huge(list->decisions->decisions, sizeof(Decision) * list->allocated);
	}
	decision_copy(&list->decisions->decisions[list->decisions->n++], decision);
	MemoryContextSwitchTo(caller);
}

Decisions *
decide_run_with(const Mapping *mapping, Datum ids, Rows *pairs)
{
	DecisionList list = {.allocated = 64, .context = CurrentMemoryContext};
	DecideRun  *run;

	list.decisions = palloc0(sizeof(Decisions));
	list.decisions->decisions = palloc(sizeof(Decision) * list.allocated);
	run = begin(mapping, ids, pairs);
	decide_each(run, keep_decision, &list);
	decide_end(run);
	return list.decisions;
}

Decisions *
decide_run(const Mapping *mapping, Datum ids)
{
	return decide_run_with(mapping, ids, NULL);
}
