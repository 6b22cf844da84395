/*
 * lookup.c
 *		Fetching records by id.  See lookup.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/lookup.h"
#include "inbound/mirror.h"
#include "inbound/mirror_value.h"
#include "inbound/select.h"
#include "quickbooks/flow.h"

/* Statements that name a mirror table, one per entity, made when first needed. */
static SqlStatement *note_statements = NULL;

/* One batch of ids of one entity. */
typedef struct Lookup
{
	Company    *company;
	LookupDone	done;
	void	   *arg;
	const CatalogueEntity *entity;	/* NULL: nothing is left */
	int			limit;			/* ids to ask for at once */
	int			nids;
	const char *ids[SELECT_MAX_IDS];
	/* the answer */
	const Record *records;
	int			nrecords;
	TimestampTz started;
} Lookup;

static void next_batch(Lookup *lookup);

/* The statement that notes missing rows of an entity.  The subquery is hashed, which an array of a generic plan is not. */
static SqlStatement *
note_statement(const CatalogueEntity *entity)
{
	SqlStatement *statement;

	if (note_statements == NULL)
	{
		note_statements = MemoryContextAllocZero(TopMemoryContext, sizeof(SqlStatement) * catalogue_count());
	}
	statement = &note_statements[entity - catalogue];
	if (statement->text == NULL)
	{
		static const Oid types[] = {INT4OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTARRAYOID, TIMESTAMPTZOID,
		BOOLOID};
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		statement->text = psprintf("INSERT INTO qbsync.lookup (connection_id, entity, id, missing)"
								   " SELECT $1, $2, id, true FROM qbsync.%s"
								   " WHERE connection_id = $1 AND deleted_at IS NULL AND create_time >= $3"
								   " AND create_time < $4 AND (create_time > $3 OR $7) AND seen_at < $6"
								   " AND id NOT IN (SELECT unnest($5)) AND id ~ '^[0-9]+$' ON CONFLICT DO NOTHING",
								   quote_identifier(entity->name));
		statement->nargs = lengthof(types);
		memcpy(statement->argtypes, types, sizeof(types));
		MemoryContextSwitchTo(old);
	}
	return statement;
}

/* A record's creation time; false if it has none. */
static bool
created(const Record *record, TimestampTz *time)
{
	return mirror_parse_timestamp(record->create_time, strlen(record->create_time), time);
}

void
lookup_note_missing(Company *company, const CatalogueEntity *entity, const Record *records, int nrecords,
					const TimestampTz *range, TimestampTz started)
{
	TimestampTz edges[2];
	Datum	   *ids;
	Datum		values[7];

	if (range)
		memcpy(edges, range, sizeof(edges));
	else if (nrecords < 2 || !created(&records[0], &edges[0]) || !created(&records[nrecords - 1], &edges[1]))
		return;
	ids = palloc(sizeof(Datum) * Max(nrecords, 1));
	for (int i = 0; i < nrecords; i++)
		ids[i] = CStringGetTextDatum(records[i].id);
	values[0] = Int32GetDatum(company->id);
	values[1] = CStringGetTextDatum(entity->name);
	values[2] = TimestampTzGetDatum(edges[0]);
	values[3] = TimestampTzGetDatum(edges[1]);
	values[4] = PointerGetDatum(construct_array(ids, nrecords, TEXTOID, -1, false, TYPALIGN_INT));
	values[5] = TimestampTzGetDatum(started);
	values[6] = BoolGetDatum(range != NULL);
	sql_execute(note_statement(entity), values, NULL);
}

/* Unit: the next ids to look up. */
static void
read_batch(void *arg)
{
	static SqlStatement read = {
		"SELECT entity, id FROM qbsync.lookup WHERE connection_id = $1"
		" AND entity = (SELECT min(entity) FROM qbsync.lookup WHERE connection_id = $1) ORDER BY id LIMIT $2",
		2, {INT4OID, INT4OID}
	};
	Lookup	   *lookup = arg;
	Datum		values[2] = {Int32GetDatum(lookup->company->id), Int32GetDatum(lookup->limit)};
	MemoryContext context = lookup->company->flow->context;

	lookup->nids = (int) sql_execute(&read, values, NULL);
	lookup->entity = NULL;
	for (int i = 0; i < lookup->nids; i++)
	{
		if (i == 0)
			lookup->entity = catalogue_find(sql_text(0, 1, context));
		lookup->ids[i] = sql_text(i, 2, context);
	}
}

/* Was this id in the answer? */
static bool
found(const Lookup *lookup, const char *id)
{
	for (int i = 0; i < lookup->nrecords; i++)
		if (strcmp(lookup->records[i].id, id) == 0)
			return true;
	return false;
}

/* In a unit: the notes of a batch are taken away. */
static void
forget_batch(void *arg)
{
	static SqlStatement forget = {
		"DELETE FROM qbsync.lookup WHERE connection_id = $1 AND entity = $2 AND id = ANY ($3)",
		3, {INT4OID, TEXTOID, TEXTARRAYOID}
	};
	Lookup	   *lookup = arg;
	Datum		ids[SELECT_MAX_IDS];
	Datum		values[3];

	for (int i = 0; i < lookup->nids; i++)
		ids[i] = CStringGetTextDatum(lookup->ids[i]);
	values[0] = Int32GetDatum(lookup->company->id);
	values[1] = CStringGetTextDatum(lookup->entity->name);
	values[2] = PointerGetDatum(construct_array(ids, lookup->nids, TEXTOID, -1, false, TYPALIGN_INT));
	sql_execute(&forget, values, NULL);
}

/* In a unit: what a poll should have said to be deleted, and somebody else found. */
static void
note_missed_deletions(const Lookup *lookup, const char *const *gone, int ngone)
{
	static SqlStatement note = {
		"INSERT INTO qbsync.drift (connection_id, entity, id, kind, seen_at, repaired_at)"
		" SELECT l.connection_id, l.entity, l.id, 'missed_delete', $4, now() FROM qbsync.lookup l"
		" WHERE l.connection_id = $1 AND l.entity = $2 AND l.id = ANY ($3) AND l.missing",
		4, {INT4OID, TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID}
	};
	Datum		ids[SELECT_MAX_IDS];
	Datum		values[4];

	for (int i = 0; i < ngone; i++)
		ids[i] = CStringGetTextDatum(gone[i]);
	values[0] = Int32GetDatum(lookup->company->id);
	values[1] = CStringGetTextDatum(lookup->entity->name);
	values[2] = PointerGetDatum(construct_array(ids, ngone, TEXTOID, -1, false, TYPALIGN_INT));
	values[3] = TimestampTzGetDatum(lookup->started);
	sql_execute(&note, values, NULL);
}

/* Unit: what was found is stored, what was not is deleted, and the notes are taken away. */
static void
settle_batch(void *arg)
{
	Lookup	   *lookup = arg;
	Company    *company = lookup->company;
	MirrorCounts counts = {0};
	const char *gone[SELECT_MAX_IDS];
	int			ngone = 0;

	for (int i = 0; i < lookup->nids; i++)
		if (!found(lookup, lookup->ids[i]))
			gone[ngone++] = lookup->ids[i];
	mirror_apply(company->id, company->name, lookup->entity, lookup->records, lookup->nrecords, lookup->started,
				 company->loaded_once, &counts);
	mirror_mark_deleted(company->id, company->name, lookup->entity, gone, ngone, lookup->started,
						company->loaded_once, &counts);
	if (ngone > 0 && company->loaded_once)
		note_missed_deletions(lookup, gone, ngone);
	forget_batch(lookup);
	cursor_count_reads(company);
}

/* The answer was too big; a single record that is stays as it is here. */
static void
ask_less(Lookup *lookup)
{
	Company    *company = lookup->company;
	bool		failed;

	lookup->limit = lookup->nids;
	if (answer_halve(company, lookup->entity, &lookup->limit, &failed))
		next_batch(lookup);
	else if (!failed && settle(company, "qbsync: passing over a record", forget_batch, lookup))
	{
		lookup->limit = SELECT_MAX_IDS;
		next_batch(lookup);
	}
}

static void
batch_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	Lookup	   *lookup = arg;
	Envelope	envelope;

	if (answer->fault && answer->fault->reaction == REACT_SMALLER)
	{
		ask_less(lookup);
		return;
	}
	if (!answer_scan(company, answer, &envelope))
		return;
	lookup->nrecords = answer_records(&envelope, lookup->entity, &lookup->records);
	lookup->started = answer->started;
	if (!settle(company, "qbsync: settling look-ups", settle_batch, lookup))
		return;
	next_batch(lookup);
}

static void
next_batch(Lookup *lookup)
{
	Company    *company = lookup->company;
	char	   *statement;

	if (!settle(company, "qbsync: reading look-ups", read_batch, lookup))
		return;
	if (lookup->entity == NULL)
	{
		lookup->done(company, lookup->arg);
		return;
	}
	if (!catalogue_is_wanted(lookup->entity, company->vendors))
	{
		if (settle(company, "qbsync: passing over look-ups", forget_batch, lookup))
			next_batch(lookup);
		return;
	}
	statement = select_ids(lookup->entity, lookup->ids, lookup->nids);
	call_query(company, lookup->entity, statement, batch_arrived, lookup);
	pfree(statement);
}

void
lookup_run(Company *company, LookupDone done, void *arg)
{
	Lookup	   *lookup = MemoryContextAllocZero(company->flow->context, sizeof(Lookup));

	lookup->company = company;
	lookup->done = done;
	lookup->limit = SELECT_MAX_IDS;
	lookup->arg = arg;
	next_batch(lookup);
}

/* The flow has done its work; requests may wait for what was read. */
static void
lookup_ended(Company *company, void *arg)
{
	company->must_lookup = false;
	company->look_again = true;
	flow_end(company);
}

void
lookup_start(Company *company)
{
	(void) flow_begin(company, sizeof(Flow));
	lookup_run(company, lookup_ended, NULL);
}
