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
} Taken;

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

/* Take captures, oldest pages first, and errors that are due; *errors: there are any, due or not. */
static Taken *
take(const Mapping *mapping, int limit, int *ntaken, bool *errors)
{
	static SqlStatement statement = {
		"WITH taken AS MATERIALIZED (SELECT c.ctid AS place, c.watch_id, c.key FROM qbsync.capture c"
		" WHERE c.watch_id IN (SELECT w.watch_id FROM qbsync.watch w WHERE w.mapping_id = $1) LIMIT $2),"
		" done AS (DELETE FROM qbsync.capture d USING taken t WHERE d.ctid = t.place)"
		" SELECT k.key, w.key_query, k.watch_id, EXISTS (SELECT FROM qbsync.crm_error e WHERE e.mapping_id = $1 AND e.watch_id <> 0)"
		" FROM (SELECT t.watch_id, t.key FROM taken t"
		"  UNION SELECT e.watch_id, e.crm_key FROM qbsync.crm_error e WHERE e.mapping_id = $1 AND e.watch_id <> 0"
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
	}
	*errors = n > 0 && DatumGetBool(sql_datum(0, 4, NULL));
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

bool
captured_take(const Mapping *mapping, int limit, Batch *crm_keys)
{
	bool		unknown = false;
	bool		errors;
	int			ntaken;
	Taken	   *taken = take(mapping, limit, &ntaken, &errors);
	Batch		watches = {0};
	Batch		worked = {0};
	ErrorRows	failed = {0};

	for (int i = 0; i < ntaken; i++)
	{
		const Taken *one = &taken[i];
		UnitError	error;

		if (one->key == NULL)
		{
			unknown = true;
			continue;
		}
		if (one->query == NULL)
			batch_add(crm_keys, CStringGetTextDatum(one->key));
		else if (!try_query(mapping, one->query, one->key, crm_keys, &error))
		{
			check_query(mapping, one->query, &error);
			failure_add_watched(&failed, one->watch_id, one->key, "watch_fails", unit_error_words(&error),
								unpack_sql_state(error.sqlerrcode), &failure_refused);
			continue;
		}
		if (errors)
		{
			batch_add(&watches, CStringGetTextDatum(psprintf("%d", one->watch_id)));
			batch_add(&worked, CStringGetTextDatum(one->key));
		}
	}
	failure_write(mapping->mapping_id, &failed);
	forget_errors(mapping, &watches, &worked);
	return unknown;
}
