/*
 * claim.c
 *		What a turn is about.  See claim.h.
 *
 * Nothing is marked as taken: the lock keeps a second worker of the mapping away, and a turn that fails leaves everything
 * as it was.  The order never changes between turns, so a batch that failed is found again by asking for less.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"

#include "common/unit.h"
#include "crm/batch.h"
#include "crm/claim.h"
#include "crm/statement.h"

/*
 * Transactions' advisory locks: pg_advisory_unlock_all() of user code lets go of those of the session only, and no function
 * makes locks of this class (see common/lease.c; objid is the mapping's number).
 */
#define TURN_LOCK_CLASS 8

/* Arrivals looked at beyond the records asked for: one record may have arrived several times. */
#define ARRIVALS_EXTRA 100

bool
claim_lock(int32 mapping_id)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, (uint32) mapping_id, TURN_LOCK_CLASS);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* A boolean column of the first row that is never null. */
static bool
flag(int column)
{
	return DatumGetBool(sql_datum(0, column, NULL));
}

MappingState *
claim_look(int32 mapping_id)
{
	static SqlStatement look = {
		"SELECT m.name, c.name, m.state = 'enabled' AND c.state = 'live', m.first_sync_done_at IS NULL, m.problem,"
		" CASE WHEN m.next_attempt_at > now() THEN m.next_attempt_at END, m.sweep_after,"
		" EXISTS (SELECT FROM qbsync.match_candidate k WHERE k.mapping_id = m.mapping_id),"
		" EXISTS (SELECT FROM qbsync.conflict k WHERE k.mapping_id = m.mapping_id),"
		" EXISTS (SELECT FROM qbsync.crm_error e WHERE e.mapping_id = m.mapping_id),"
		" EXISTS (SELECT FROM qbsync.crm_error e WHERE e.connection_id = m.connection_id AND e.waits_for IS NOT NULL),"
		" qbsync.has_news(m.mapping_id),"
		" EXISTS (SELECT FROM qbsync.outgoing o WHERE o.mapping_id = m.mapping_id AND o.next_attempt_at <= clock_timestamp()"
		"  AND o.lane <> ALL (m.paused_lanes)),"
		" EXISTS (SELECT FROM qbsync.request r WHERE r.mapping_id = m.mapping_id) OR EXISTS (SELECT FROM qbsync.send_error e WHERE e.mapping_id = m.mapping_id),"
		" EXISTS (SELECT FROM qbsync.send_error e WHERE e.waits_for IS NOT NULL),"
		" CASE WHEN m.next_attempt_at > now() THEN"
		" (SELECT max(a.arrival_id) FROM qbsync.arrival a WHERE a.mapping_id = m.mapping_id AND a.action = 'apply') END"
		" FROM qbsync.mapping m JOIN qbsync.connection c USING (connection_id) WHERE m.mapping_id = $1",
		1, {INT4OID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id)};
	MappingState *state;
	bool		isnull;
	Datum		until;

	if (sql_execute(&look, values, NULL) == 0)
		return NULL;
	state = palloc0(sizeof(MappingState));
	state->mapping_name = sql_text(0, 1, CurrentMemoryContext);
	state->connection_name = sql_text(0, 2, CurrentMemoryContext);
	state->enabled = flag(3);
	state->first_sync = flag(4);
	state->problem = sql_text(0, 5, CurrentMemoryContext);
	until = sql_datum(0, 6, &isnull);
	state->waits_until = isnull ? 0 : DatumGetTimestampTz(until);
	state->sweep_after = sql_text(0, 7, CurrentMemoryContext);
	state->has_candidates = flag(8);
	state->has_conflicts = flag(9);
	state->has_errors = flag(10);
	state->has_waiting = flag(11);
	state->has_news = flag(12);
	state->has_outgoing = flag(13);
	state->has_sends = flag(14);
	state->has_waiting_sends = flag(15);
	until = sql_datum(0, 16, &isnull);
	state->newest_arrival = isnull ? 0 : DatumGetInt64(until);
	SPI_freetuptable(SPI_tuptable);
	return state;
}

void
claim_refresh(int32 mapping_id)
{
	static SqlStatement refresh = {"SELECT qbsync.mapping_refresh($1)", 1, {INT4OID}};
	Datum		values[] = {Int32GetDatum(mapping_id)};

	sql_execute(&refresh, values, NULL);
	SPI_freetuptable(SPI_tuptable);
}

/* The ids as text[]. */
static Datum
slow_array(const SlowIds *slow)
{
	Batch		batch = {0};

	for (int i = 0; i < slow->n; i++)
		batch_add(&batch, CStringGetTextDatum(slow->ids[i]));
	return batch_array(&batch, TEXTOID);
}

/* Take the ids of the statement's rows into the claim. */
static void
take_ids(Claim *claim, uint64 rows)
{
	for (uint64 i = 0; i < rows; i++)
		claim->ids[claim->n++] = sql_text(i, 1, CurrentMemoryContext);
}

/* The oldest thing to be undone. */
static bool
choose_undo(Claim *claim, int32 mapping_id)
{
	static SqlStatement oldest = {
		"SELECT a.arrival_id, a.id, a.arguments FROM qbsync.arrival a"
		" WHERE a.mapping_id = $1 AND a.action = 'undo' ORDER BY a.arrival_id LIMIT 1",
		1, {INT4OID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id)};
	bool		found = sql_execute(&oldest, values, NULL) > 0;

	if (found)
	{
		bool		isnull;
		Datum		arguments = sql_datum(0, 3, &isnull);

		claim->undo_arrival = DatumGetInt64(sql_datum(0, 1, NULL));
		claim->undo_id = sql_text(0, 2, CurrentMemoryContext);
		claim->undo_arguments = isnull ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(arguments));
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* Take records with their first and last arrival into the claim. */
static void
take_arrivals(Claim *claim, uint64 rows)
{
	for (uint64 i = 0; i < rows; i++)
	{
		int64		first = DatumGetInt64(sql_datum(i, 2, NULL));

		if (i == 0 || first < claim->first_arrival)
			claim->first_arrival = first;
		claim->last_arrival = Max(claim->last_arrival, DatumGetInt64(sql_datum(i, 3, NULL)));
	}
	take_ids(claim, rows);
}

/* Records that arrived, oldest first. */
static void
choose_arrivals(Claim *claim, int32 mapping_id, int limit, Datum slow)
{
	static SqlStatement oldest = {
		"WITH oldest AS (SELECT a.arrival_id, a.id FROM qbsync.arrival a"
		" WHERE a.mapping_id = $1 AND a.action = 'apply' AND a.id <> ALL ($4) ORDER BY a.arrival_id LIMIT $3)"
		" SELECT w.id, min(w.arrival_id), max(w.arrival_id) FROM oldest w GROUP BY w.id ORDER BY 2 LIMIT $2",
		4, {INT4OID, INT4OID, INT4OID, TEXTARRAYOID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id), Int32GetDatum(limit), Int32GetDatum(limit + ARRIVALS_EXTRA), slow};

	take_arrivals(claim, sql_execute(&oldest, values, NULL));
	SPI_freetuptable(SPI_tuptable);
}

/* Records whose error is due. */
static void
choose_errors(Claim *claim, int32 mapping_id, int limit, Datum slow)
{
	static SqlStatement due = {
		"SELECT e.id FROM qbsync.crm_error e WHERE e.mapping_id = $1 AND e.next_attempt_at <= now()"
		" AND e.dismissed_at IS NULL AND e.id <> '' AND e.problem <> 'crm_slow' AND e.id <> ALL ($3)"
		" GROUP BY e.id ORDER BY min(e.next_attempt_at), e.id LIMIT $2",
		3, {INT4OID, INT4OID, TEXTARRAYOID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id), Int32GetDatum(limit), slow};

	take_ids(claim, sql_execute(&due, values, NULL));
	SPI_freetuptable(SPI_tuptable);
}

/* CRM records that QuickBooks does not have, those that a person waits for first. */
static void
choose_outgoing(Claim *claim, int32 mapping_id, int limit)
{
	static SqlStatement due = {
		"SELECT o.crm_key FROM qbsync.outgoing o WHERE o.mapping_id = $1 AND o.next_attempt_at <= clock_timestamp()"
		" AND o.lane <> ALL (SELECT unnest(m.paused_lanes) FROM qbsync.mapping m WHERE m.mapping_id = $1)"
		" ORDER BY o.lane = 'backfill', o.next_attempt_at, o.crm_key LIMIT $2",
		2, {INT4OID, INT4OID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id), Int32GetDatum(limit)};

	take_ids(claim, sql_execute(&due, values, NULL));
	claim->pushes = claim->n > 0;
	SPI_freetuptable(SPI_tuptable);
}

/* Takes ids, in rows' only column, into a claim. */
typedef struct IdReceiver
{
	DestReceiver pub;
	Claim	   *claim;
	MemoryContext context;		/* of the ids */
} IdReceiver;

static bool
take_id(TupleTableSlot *slot, DestReceiver *self)
{
	IdReceiver *receiver = (IdReceiver *) self;
	MemoryContext caller = MemoryContextSwitchTo(receiver->context);
	bool		isnull;

	receiver->claim->ids[receiver->claim->n++] = TextDatumGetCString(slot_getattr(slot, 1, &isnull));
	MemoryContextSwitchTo(caller);
	return true;
}

/* For the beginning and the end of the statement: nothing to do. */
static void
receiver_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
}

static void
receiver_nothing(DestReceiver *self)
{
}

/* The next records of the sweep after an id. */
static void
choose_swept(Claim *claim, const Mapping *mapping, const char *after, int limit)
{
	Oid			types[] = {TEXTOID, INT4OID};
	Datum		values[] = {CStringGetTextDatum(after), Int32GetDatum(limit)};
	IdReceiver	receiver = {
		.pub = {take_id, receiver_startup, receiver_nothing, receiver_nothing, DestNone},
		.claim = claim,
		.context = CurrentMemoryContext
	};

	claim->sweep_ends = statement_receive_kept(mapping_statements(mapping)->sweep, lengthof(types), types, values, &receiver.pub) < limit;
	claim->swept = true;
	claim->sweep_to = claim->n > 0 ? claim->ids[claim->n - 1] : unconstify(char *, after);
}

/* A record known to be slow that is due, if there is one. */
static void
choose_slow(Claim *claim, int32 mapping_id, Datum slow)
{
	static SqlStatement next = {
		"SELECT s.id, (SELECT min(a.arrival_id) FROM qbsync.arrival a WHERE a.mapping_id = $1 AND a.action = 'apply' AND a.id = s.id),"
		" (SELECT max(a.arrival_id) FROM qbsync.arrival a WHERE a.mapping_id = $1 AND a.action = 'apply' AND a.id = s.id) FROM ("
		" (SELECT e.id FROM qbsync.crm_error e WHERE e.mapping_id = $1 AND e.next_attempt_at <= now() AND e.dismissed_at IS NULL"
		" AND e.id <> '' AND (e.problem = 'crm_slow' OR e.id = ANY ($2)) ORDER BY e.next_attempt_at, e.id LIMIT 1)"
		" UNION ALL (SELECT a.id FROM qbsync.arrival a WHERE a.mapping_id = $1 AND a.action = 'apply' AND a.id = ANY ($2)"
		" ORDER BY a.arrival_id LIMIT 1)) s LIMIT 1",
		2, {INT4OID, TEXTARRAYOID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id), slow};
	uint64		rows = sql_execute(&next, values, NULL);

	if (rows > 0)
	{
		bool		isnull;
		Datum		first = sql_datum(0, 2, &isnull);

		if (!isnull)
		{
			claim->first_arrival = DatumGetInt64(first);
			claim->last_arrival = DatumGetInt64(sql_datum(0, 3, NULL));
		}
	}
	take_ids(claim, rows);
	SPI_freetuptable(SPI_tuptable);
}

/* Is there a slow record that is due? */
static bool
slow_is_due(int32 mapping_id, int nslow, Datum slow)
{
	static SqlStatement due = {
		"SELECT FROM qbsync.crm_error e WHERE e.mapping_id = $1 AND e.next_attempt_at <= now() AND e.dismissed_at IS NULL"
		" AND e.id <> '' AND (e.problem = 'crm_slow' OR e.id = ANY ($2)) LIMIT 1",
		2, {INT4OID, TEXTARRAYOID}
	};
	static SqlStatement arrived = {
		"SELECT FROM qbsync.arrival a WHERE a.mapping_id = $1 AND a.action = 'apply' AND a.id = ANY ($2) LIMIT 1",
		2, {INT4OID, TEXTARRAYOID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id), slow};

	return sql_execute(&due, values, NULL) > 0 || (nslow > 0 && sql_execute(&arrived, values, NULL) > 0);
}

Claim *
claim_choose(const Mapping *mapping, const MappingState *state, ClaimMode mode, int limit, bool undo, const SlowIds *slow)
{
	Claim	   *claim = palloc0(sizeof(Claim));
	Datum		slow_ids = slow_array(slow);

	claim->ids = palloc0(sizeof(char *) * (limit + 1));
	if (mode == CLAIM_SLOW)
	{
		choose_slow(claim, mapping->mapping_id, slow_ids);
		return claim;
	}
	if (undo && choose_undo(claim, mapping->mapping_id))
		return claim;
	choose_arrivals(claim, mapping->mapping_id, limit, slow_ids);
	/* not mixed with fresh ones, which would fail with them and be tried again */
	if (claim->n == 0 && state->has_errors)
		choose_errors(claim, mapping->mapping_id, limit, slow_ids);
	if (claim->n == 0 && state->has_outgoing)
		choose_outgoing(claim, mapping->mapping_id, limit);
	/* not mixed with others: what the sweep is matched with is found once for all of it (decide.h) */
	if (claim->n == 0 && state->sweep_after)
		choose_swept(claim, mapping, state->sweep_after, limit);
	claim->more = claim->n == limit || (claim->sweep_to && !claim->sweep_ends);
	if (state->has_errors || slow->n > 0)
		claim->slow_left = slow_is_due(mapping->mapping_id, slow->n, slow_ids);
	return claim;
}

Claim *
claim_survey(const Mapping *mapping, const MappingState *state, int limit, const Survey *survey, const SlowIds *slow)
{
	static SqlStatement newest = {
		"WITH newest AS (SELECT a.arrival_id, a.id FROM qbsync.arrival a WHERE a.mapping_id = $1 AND a.action = 'apply'"
		" AND a.arrival_id < $3 AND a.arrival_id > $4 AND a.id <> ALL ($5) ORDER BY a.arrival_id DESC LIMIT $2)"
		" SELECT w.id, min(w.arrival_id), max(w.arrival_id) FROM newest w GROUP BY w.id ORDER BY 3 DESC",
		5, {INT4OID, INT4OID, INT8OID, INT8OID, TEXTARRAYOID}
	};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id), Int32GetDatum(limit), Int64GetDatum(survey->before),
	Int64GetDatum(survey->floor), slow_array(slow)};
	Claim	   *claim = palloc0(sizeof(Claim));

	claim->ids = palloc0(sizeof(char *) * (limit + 1));
	if (survey->after == NULL)
	{
		take_arrivals(claim, sql_execute(&newest, values, NULL));
		SPI_freetuptable(SPI_tuptable);
	}
	if (claim->n == 0 && survey->floor == 0 && state->sweep_after)
		choose_swept(claim, mapping, survey->after ? survey->after : state->sweep_after, limit);
	claim->sweep_to = NULL;
	claim->sweep_ends = false;
	return claim;
}

bool
claim_is_fresh(const Claim *claim)
{
	return claim->first_arrival != 0 || claim->swept;
}

void
claim_trim(Claim *claim, const bool *keep, char *sweep_to)
{
	int			n = 0;

	for (int i = 0; i < claim->n; i++)
		if (keep[i])
			claim->ids[n++] = claim->ids[i];
	claim->n = n;
	if (sweep_to && claim->sweep_to)
	{
		claim->sweep_to = sweep_to;
		claim->sweep_ends = false;
	}
}

TimestampTz
claim_next_due(int32 mapping_id)
{
	static SqlStatement next = {
		"SELECT min(t.t) FROM (SELECT min(e.next_attempt_at) AS t FROM qbsync.crm_error e WHERE e.mapping_id = $1 AND e.dismissed_at IS NULL AND (e.id <> '' OR e.watch_id <> 0)"
		" UNION ALL SELECT min(e.next_attempt_at) FROM qbsync.send_error e WHERE e.mapping_id = $1 AND e.dismissed_at IS NULL AND e.next_attempt_at < 'infinity' AND e.problem <> 'settle_fails'"
		" UNION ALL SELECT min(o.next_attempt_at) FROM qbsync.outgoing o WHERE o.mapping_id = $1 AND o.next_attempt_at < 'infinity'"
		"  AND o.lane <> ALL (SELECT unnest(m.paused_lanes) FROM qbsync.mapping m WHERE m.mapping_id = $1)) t",
		1, {INT4OID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id)};
	bool		isnull;
	Datum		due;

	sql_execute(&next, values, NULL);
	due = sql_datum(0, 1, &isnull);
	SPI_freetuptable(SPI_tuptable);
	return isnull ? 0 : DatumGetTimestampTz(due);
}
