/*
 * captured.c
 *		Captured changes become keys of the mapping's view.  See captured.h.
 *
 * A watched table whose key is not the view's has a query that leads from one to the other.  It is the CRM's code: it may fail for
 * one key (a value that cannot be cast, a function that raises an error) and work for all others.  So each key is asked for in a
 * subtransaction of its own, and one that fails waits in qbsync.crm_error like a record that the CRM refuses, until its query works.
 * A query that works for no key at all (a table, column or privilege is gone) is the mapping's error.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#include "common/unit.h"
#include "crm/captured.h"
#include "crm/failure.h"

/* A key that was taken, and the query that leads on from it; query NULL: it is the view's, key NULL: not known. */
typedef struct Taken
{
	char	   *key;
	char	   *query;
	int32		watch_id;
	char	   *was;			/* the row's key before; NULL: the same */
	bool		is_record;		/* the row is the record itself */
} Taken;

/* What came of the keys: those that failed, and where any has before, parallel lists of those that did not. */
typedef struct Queried
{
	bool		errors;
	Batch		watches;
	Batch		worked;
	ErrorRows	failed;
} Queried;

void
captured_add(Rows *rows, Batch *crm_keys)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(rows->store, true, false, slot))
	{
		bool		isnull;
		Datum		crm_key = slot_getattr(slot, 1, &isnull);

		if (!isnull)
			batch_add(crm_keys, PointerGetDatum(PG_DETOAST_DATUM_COPY(crm_key)));
	}
	ExecDropSingleTupleTableSlot(slot);
	rows_free(rows);
}

/* Run a query for a key, the keys it gives are added; key NULL: for no key, only to see whether it can be run. */
static void
run_query(const Mapping *mapping, const char *query, const char *key, Batch *crm_keys)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {key ? CStringGetTextDatum(key) : (Datum) 0};
	char	   *statement = psprintf("SELECT q.crm_key::pg_catalog.text FROM (%s) AS q(crm_key)%s", query, key ? "" : " WHERE false");

	captured_add(statement_read_as_role(mapping, statement, 1, types, values, key ? NULL : "n"), crm_keys);
	pfree(statement);
}

/*
 * The same in a subtransaction; false: it failed, *error says how, and nothing was added.  What passes by itself (a lock, somebody
 * who wants us to stop) is the turn's error.
 */
static bool
try_query(const Mapping *mapping, const char *query, const char *key, Batch *crm_keys, UnitError *error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			before = crm_keys->n;
	volatile bool worked = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		run_query(mapping, query, key, crm_keys);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		unit_error_copy(error);
		if (failure_is_busy(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		crm_keys->n = before;
		worked = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return worked;
}

/* Raises an error if it is not the key's, but the query's, that it failed. */
static void
check_query(const Mapping *mapping, const char *query, const UnitError *error)
{
	UnitError	found;
	Batch		none = {0};

	/* constraints, values and what the CRM's code raises are about keys */
	if (failure_is_refusal(error->sqlerrcode) || try_query(mapping, query, NULL, &none, &found) || failure_is_refusal(found.sqlerrcode))
		return;
	ereport(ERROR,
			(errcode(found.sqlerrcode),
			 errmsg("a query of the watch list fails: %s", found.message),
			 errhint("Mend what it needs, or declare the mapping with another watch list.")));
}

/*
 * Take captures, oldest pages first, and errors that are due; *errors: there are any, due or not; *more: perhaps captures, too.  Keys
 * that changed are taken all at once: only from all of them it follows who is where.
 */
static Taken *
take(const Mapping *mapping, int limit, int *ntaken, bool *errors, bool *more)
{
	static SqlStatement statement = {
		"WITH taken AS MATERIALIZED ((SELECT c.ctid AS place, c.watch_id, c.key, c.was FROM qbsync.capture c"
		"  WHERE c.watch_id IN (SELECT w.watch_id FROM qbsync.watch w WHERE w.mapping_id = $1) AND c.was IS NULL LIMIT $2)"
		" UNION ALL SELECT c.ctid, c.watch_id, c.key, c.was FROM qbsync.capture c"
		"  WHERE c.watch_id IN (SELECT w.watch_id FROM qbsync.watch w WHERE w.mapping_id = $1) AND c.was IS NOT NULL),"
		" done AS (DELETE FROM qbsync.capture d USING taken t WHERE d.ctid = t.place),"
		" main AS MATERIALIZED (SELECT w.watch_id FROM qbsync.watch w WHERE w.mapping_id = $1 AND w.key_query IS NULL"
		"  AND EXISTS (SELECT FROM taken t WHERE t.was IS NOT NULL) AND qbsync.is_main_table($1, w.relation))"
		" SELECT k.key, w.key_query, k.watch_id, EXISTS (SELECT FROM qbsync.crm_error e WHERE e.mapping_id = $1 AND e.watch_id <> 0), k.was,"
		" k.was IS NOT NULL AND k.watch_id IN (SELECT n.watch_id FROM main n), (SELECT count(*) FROM taken t WHERE t.was IS NULL) >= $2"
		" FROM (SELECT t.watch_id, t.key, t.was FROM taken t"
		"  UNION SELECT e.watch_id, e.crm_key, NULL FROM qbsync.crm_error e WHERE e.mapping_id = $1 AND e.watch_id <> 0"
		"  AND e.next_attempt_at <= clock_timestamp() AND e.dismissed_at IS NULL) k"
		" JOIN qbsync.watch w ON w.watch_id = k.watch_id",
		2, {INT4OID, INT4OID}
	};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id), Int32GetDatum(limit)};
	int			n = (int) sql_execute(&statement, values, NULL);
	Taken	   *taken = palloc(sizeof(Taken) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		taken[i].key = sql_text(i, 1, CurrentMemoryContext);
		taken[i].query = sql_text(i, 2, CurrentMemoryContext);
		taken[i].watch_id = DatumGetInt32(sql_datum(i, 3, NULL));
		taken[i].was = sql_text(i, 5, CurrentMemoryContext);
		taken[i].is_record = DatumGetBool(sql_datum(i, 6, NULL));
	}
	*errors = n > 0 && DatumGetBool(sql_datum(0, 4, NULL));
	*more = n > 0 && DatumGetBool(sql_datum(0, 7, NULL));
	*ntaken = n;
	SPI_freetuptable(SPI_tuptable);
	return taken;
}

/* What waited for these keys' queries to work waits no longer: parallel lists. */
static void
forget_errors(const Mapping *mapping, const Batch *watches, const Batch *keys)
{
	static SqlStatement forget = {
		"DELETE FROM qbsync.crm_error e USING unnest($2::text[], $3::text[]) AS u(watch_id, key)"
		" WHERE e.mapping_id = $1 AND e.watch_id = u.watch_id::integer AND e.crm_key = u.key",
		3, {INT4OID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id), batch_array(watches, TEXTOID), batch_array(keys, TEXTOID)};

	if (keys->n > 0)
		sql_execute(&forget, values, NULL);
}

/* Find the view's keys that a key leads to. */
static void
lead_on(const Mapping *mapping, const Taken *taken, const char *key, Batch *crm_keys, Queried *queried)
{
	UnitError	error;

	if (taken->query == NULL)
		batch_add(crm_keys, CStringGetTextDatum(key));
	else if (!try_query(mapping, taken->query, key, crm_keys, &error))
	{
		check_query(mapping, taken->query, &error);
		failure_add_watched(&queried->failed, taken->watch_id, key, "watch_fails", unit_error_words(&error),
							unpack_sql_state(error.sqlerrcode), &failure_refused);
		return;
	}
	if (queried->errors)
	{
		batch_add(&queried->watches, CStringGetTextDatum(psprintf("%d", taken->watch_id)));
		batch_add(&queried->worked, CStringGetTextDatum(key));
	}
}

Captured *
captured_take(const Mapping *mapping, int limit)
{
	Captured   *captured = palloc0(sizeof(Captured));
	Queried		queried = {0};
	int			ntaken;
	Taken	   *taken = take(mapping, limit, &ntaken, &queried.errors, &captured->more);

	for (int i = 0; i < ntaken; i++)
	{
		const Taken *one = &taken[i];

		if (one->key == NULL)
		{
			captured->unknown = true;
			continue;
		}
		lead_on(mapping, one, one->key, &captured->crm_keys, &queried);
		if (one->was == NULL)
			continue;
		lead_on(mapping, one, one->was, &captured->crm_keys, &queried);
		if (one->is_record)
		{
			batch_add(&captured->was, CStringGetTextDatum(one->was));
			batch_add(&captured->became, CStringGetTextDatum(one->key));
		}
	}
	failure_write(mapping->mapping_id, &queried.failed);
	forget_errors(mapping, &queried.watches, &queried.worked);
	return captured;
}
