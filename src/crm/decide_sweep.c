/*
 * decide_sweep.c
 *		Deciding about all records of a company, some at a time.  See decide.h.
 *
 * Pairs that match are found once for a whole sweep.  Records that match nothing and are linked with nothing go a short way,
 * where the mapping has one (29_decide_create.sql): one statement gives those to be created as the INSERT will take them, and
 * nothing else is asked about them.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "miscadmin.h"

#include "crm/batch.h"
#include "crm/decide.h"
#include "crm/decide_parts.h"

/* Columns of the statement create_rows, before those with values. */
enum
{
	COLUMN_ID = 1,
	COLUMN_ACTION,
	COLUMN_NAME,
	COLUMN_THEIRS,
	COLUMN_CRM_BASE,
	COLUMN_FIRST_VALUE
};

/* Matching of a sweep; lives across transactions. */
static struct
{
	MemoryContext context;		/* NULL: no sweep */
	int32		mapping_id;
	Rows	   *pairs;			/* in order of id */
	char	   *last_id;		/* pairs up to this id were read; NULL: none */
	HTAB	   *passed;			/* ids that were decided about beside it; NULL: none */
}			sweep;

/* An id; a longer one stands for all that begin like it, which does no harm. */
typedef struct PassedId
{
	char		id[NAMEDATALEN];
} PassedId;

/* The pairs of the sweep that are about those ids, in order.  Ids ascend from call to call, so the pairs are read once. */
static Rows *
swept_pairs(char **ids, int n, Batch *paired)
{
	Rows	   *pairs = decide_no_pairs();
	TupleTableSlot *slot;

	if (sweep.pairs->n == 0)
		return pairs;
	slot = MakeSingleTupleTableSlot(sweep.pairs->tupdesc, &TTSOpsMinimalTuple);
	/* a batch that failed comes again */
	if (sweep.last_id && strcmp(ids[0], sweep.last_id) <= 0)
		tuplestore_rescan(sweep.pairs->store);
	while (tuplestore_gettupleslot(sweep.pairs->store, true, false, slot))
	{
		bool		isnull;
		char	   *id = TextDatumGetCString(slot_getattr(slot, PAIR_ID, &isnull));

		if (strcmp(id, ids[n - 1]) > 0)
		{
			/* one step back: it belongs to the next batch */
			(void) tuplestore_advance(sweep.pairs->store, false);
			break;
		}
		if (bsearch(&id, ids, n, sizeof(char *), decide_compare_texts))
		{
			tuplestore_puttupleslot(pairs->store, slot);
			pairs->n++;
			batch_add(paired, CStringGetTextDatum(id));
		}
		pfree(id);
	}
	ExecDropSingleTupleTableSlot(slot);
	if (sweep.last_id)
		pfree(sweep.last_id);
	sweep.last_id = MemoryContextStrdup(sweep.context, ids[n - 1]);
	return pairs;
}

/* What one record is created with. */
typedef struct NewRow
{
	Decision   *decision;
	HeapTuple	values;
	SortString	name;			/* of the record */
} NewRow;

/* Takes the rows of the short way. */
typedef struct ShortReceiver
{
	DestReceiver pub;
	MemoryContext context;		/* of what it makes */
	int			allocated;
	Decisions  *decisions;
	Rows	   *created;		/* those to create */
	NewRow	   *rows;			/* the same, until all are known */
} ShortReceiver;

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	ShortReceiver *receiver = (ShortReceiver *) self;
	MemoryContext caller = MemoryContextSwitchTo(receiver->context);

	receiver->created = rows_like(tupdesc, COLUMN_FIRST_VALUE);
	MemoryContextSwitchTo(caller);
}

/* For the end of the statement, and of the receiver: nothing to do. */
static void
receiver_nothing(DestReceiver *self)
{
}

/* A column of a row, copied; 0 if null. */
static Datum
row_datum(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
}

/* The same as text. */
static char *
row_text(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* The values of a row to create.  Empty texts are no values: told here for less than by an expression for each. */
static HeapTuple
new_values(ShortReceiver *receiver, TupleTableSlot *slot)
{
	TupleDesc	columns = receiver->created->tupdesc;
	Datum	   *values = &slot->tts_values[COLUMN_FIRST_VALUE - 1];
	bool		nulls[MaxTupleAttributeNumber];

	slot_getallattrs(slot);
	for (int i = 0; i < columns->natts; i++)
		nulls[i] = slot->tts_isnull[COLUMN_FIRST_VALUE - 1 + i] ||
			(TupleDescAttr(columns, i)->atttypid == TEXTOID && toast_raw_datum_size(values[i]) == VARHDRSZ);
	return heap_form_tuple(columns, values, nulls);
}

/* Fill in a decision to create the record. */
static void
create_decision(ShortReceiver *receiver, TupleTableSlot *slot, Decision *decision)
{
	static char origin[] = "created_in_crm";
	NewRow	   *row;

	decision->action = DECISION_CREATE;
	decision->origin = origin;
	decision->theirs = decision->base = row_datum(slot, COLUMN_THEIRS);
	decision->crm_base = row_datum(slot, COLUMN_CRM_BASE);
	decision->created = receiver->created;
	row = &receiver->rows[receiver->created->n++];
	row->decision = decision;
	row->values = new_values(receiver, slot);
	row->name = sort_string(decision->record_name ? decision->record_name : "");
}

/* Is this the action, before a colon and the reason? */
static bool
begins(const text *action, const char *name)
{
	return VARSIZE_ANY_EXHDR(action) >= strlen(name) && memcmp(VARDATA_ANY(action), name, strlen(name)) == 0;
}

static bool
receiver_receive(TupleTableSlot *slot, DestReceiver *self)
{
	ShortReceiver *receiver = (ShortReceiver *) self;
	MemoryContext caller = MemoryContextSwitchTo(receiver->context);
	Decision   *decision;
	bool		isnull;
	const text *action;

	if (receiver->decisions->n == receiver->allocated)
		elog(ERROR, "the sweep left out records");
	decision = &receiver->decisions->decisions[receiver->decisions->n++];
	decision->id = row_text(slot, COLUMN_ID);
	decision->record_name = row_text(slot, COLUMN_NAME);
	action = DatumGetTextPP(slot_getattr(slot, COLUMN_ACTION, &isnull));
	if (begins(action, "create"))
		create_decision(receiver, slot, decision);
	else
	{
		char	   *colon = strchr(text_to_cstring(action), ':');

		decision->action = begins(action, "review") ? DECISION_REVIEW : DECISION_IGNORE;
		decision->reason = colon ? colon + 1 : NULL;
	}
	MemoryContextSwitchTo(caller);
	return true;
}

/* By name, those without one first. */
static inline int
compare_names(const NewRow *a, const NewRow *b)
{
	int			order = compare_sort_strings(&a->name, &b->name);

	return order != 0 ? order : strcmp(a->decision->id, b->decision->id);
}

/* sort_rows(): qsort made for these rows, which takes a third of the time. */
#define ST_SORT sort_rows
#define ST_ELEMENT_TYPE NewRow
#define ST_COMPARE(a, b) compare_names(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * The rows to create, in order of name: the CRM's indexes on names, and on what is like them, then take neighbours one after
 * the other.
 */
static void
put_in_order(ShortReceiver *receiver)
{
	Rows	   *created = receiver->created;

	sort_rows(receiver->rows, created->n);
	for (int i = 0; i < created->n; i++)
	{
		receiver->rows[i].decision->place = i;
		tuplestore_puttuple(created->store, receiver->rows[i].values);
		heap_freetuple(receiver->rows[i].values);
	}
}

/* Decisions about those of the n records between two ids that go the short way. */
static Decisions *
short_way(const Mapping *mapping, char **ids, int n, Datum left_out)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTARRAYOID};
	Datum		values[] = {CStringGetTextDatum(ids[0]), CStringGetTextDatum(ids[n - 1]), left_out};
	ShortReceiver receiver = {
		.pub = {receiver_receive, receiver_startup, receiver_nothing, receiver_nothing, DestNone},
		.context = CurrentMemoryContext,
		.allocated = n
	};

	receiver.decisions = palloc0(sizeof(Decisions));
	receiver.decisions->decisions = palloc0(sizeof(Decision) * n);
	receiver.rows = palloc(sizeof(NewRow) * n);
	(void) statement_receive_kept(mapping_statements(mapping)->create_rows, lengthof(types), types, values, &receiver.pub);
	put_in_order(&receiver);
	pfree(receiver.rows);
	return receiver.decisions;
}

/* Two lists in order of id as one. */
static Decisions *
merge_decisions(const Decisions *a, const Decisions *b)
{
	Decisions  *all = palloc0(sizeof(Decisions));
	int			i = 0;
	int			j = 0;

	all->decisions = palloc(sizeof(Decision) * (a->n + b->n));
	while (i < a->n || j < b->n)
	{
		bool		from_a = j == b->n || (i < a->n && strcmp(a->decisions[i].id, b->decisions[j].id) < 0);

		all->decisions[all->n++] = from_a ? a->decisions[i++] : b->decisions[j++];
	}
	return all;
}

void
decide_pass(int32 mapping_id, char **ids, int n)
{
	if (!decide_in_sweep(mapping_id))
		return;
	if (sweep.passed == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(PassedId), .entrysize = sizeof(PassedId), .hcxt = sweep.context};

		sweep.passed = hash_create("qbsync sweep", 256, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	for (int i = 0; i < n; i++)
		(void) hash_search(sweep.passed, ids[i], HASH_ENTER, NULL);
}

/* Are the sweep's pairs perhaps too old for a record? */
static bool
is_passed(const char *id)
{
	return sweep.passed && hash_search(sweep.passed, id, HASH_FIND, NULL) != NULL;
}

/* What the sweep's pairs are good for. */
static Decisions *
run_paired(const Mapping *mapping, char **ids, int n, bool apart, Rows *pairs, const Batch *left_out)
{
	Batch		others = {0};
	Decisions  *created;
	int			next = 0;

	if (mapping_statements(mapping)->create_rows == NULL || apart)
		return decide_run_with(mapping, batch_of_texts(ids, n), pairs);
	created = short_way(mapping, ids, n, batch_array(left_out, TEXTOID));
	for (int i = 0; i < n; i++)
	{
		if (next < created->n && strcmp(created->decisions[next].id, ids[i]) == 0)
			next++;
		else
			batch_add(&others, CStringGetTextDatum(ids[i]));
	}
	if (next < created->n)
		elog(ERROR, "the sweep left out records");
	if (others.n == 0)
		return created;
	return merge_decisions(created, decide_run_with(mapping, batch_array(&others, TEXTOID), pairs));
}

Decisions *
decide_run_swept(const Mapping *mapping, char **ids, int n, bool apart)
{
	Batch		left_out = {0}; /* of the short way */
	Batch		passed = {0};
	char	  **rest;
	int			nrest = 0;
	Rows	   *pairs;
	Decisions  *decisions;

	if (n == 0 || !decide_in_sweep(mapping->mapping_id))
		return decide_run(mapping, batch_of_texts(ids, n));
	pairs = swept_pairs(ids, n, &left_out);
	rest = palloc(sizeof(char *) * n);
	for (int i = 0; i < n; i++)
	{
		if (is_passed(ids[i]))
		{
			batch_add(&passed, CStringGetTextDatum(ids[i]));
			batch_add(&left_out, CStringGetTextDatum(ids[i]));
		}
		else
			rest[nrest++] = ids[i];
	}
	decisions = nrest > 0 ? run_paired(mapping, rest, nrest, apart, pairs, &left_out) : palloc0(sizeof(Decisions));
	return passed.n > 0 ? merge_decisions(decisions, decide_run(mapping, batch_array(&passed, TEXTOID))) : decisions;
}

bool
decide_in_sweep(int32 mapping_id)
{
	return sweep.context != NULL && sweep.pairs != NULL && sweep.mapping_id == mapping_id;
}

void
decide_end_sweep(void)
{
	if (sweep.context == NULL)
		return;
	if (sweep.pairs)
		tuplestore_end(sweep.pairs->store);
	MemoryContextDelete(sweep.context);
	memset(&sweep, 0, sizeof(sweep));
}

/* The unit of work of decide_begin_sweep(): match all records that are not linked and keep the pairs beyond it. */
static void
match_sweep(void *arg)
{
	Mapping    *mapping = mapping_load(*(int32 *) arg);
	Rows	   *found;
	Rows	   *pairs;
	MemoryContext caller;

	if (mapping == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("mapping %d does not exist", *(int32 *) arg)));
	found = decide_match_all(mapping);

	caller = MemoryContextSwitchTo(sweep.context);
	pairs = palloc0(sizeof(Rows));
	pairs->tupdesc = CreateTupleDescCopy(found->tupdesc);
	/* its temporary file, if there is one, outlives the transaction */
	pairs->store = tuplestore_begin_heap(true, true, work_mem);
	sweep.pairs = pairs;
	sweep.mapping_id = mapping->mapping_id;
	MemoryContextSwitchTo(caller);
	rows_append(pairs, found);
	tuplestore_rescan(pairs->store);
}

UnitResult
decide_begin_sweep(int32 mapping_id, UnitError *error)
{
	UnitOptions options = {.repeatable_read = true};
	UnitResult	result;

	decide_end_sweep();
	sweep.context = AllocSetContextCreate(TopMemoryContext, "qbsync sweep", ALLOCSET_DEFAULT_SIZES);
	result = unit_run_with(&options, "matching", match_sweep, &mapping_id, error);
	if (result != UNIT_DONE)
		decide_end_sweep();
	return result;
}
