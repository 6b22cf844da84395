/*
 * sends.c
 *		The way out as an apply worker sees it.  See sends.h.
 *
 * A captured change says that a CRM record needs looking at, and nothing else.  If it is linked, it is looked at like a record
 * that arrived from QuickBooks: one decision compares all three states, whichever side moved.  If it is not, it is matched, and
 * created in QuickBooks where somebody asked for it or the policy says so.  Either way the request is written in the transaction
 * that decided, so that it says what the CRM said then; who changes the record later makes it anew, as long as it is not sent.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "common/unit.h"
#include "crm/batch.h"
#include "crm/captured.h"
#include "crm/decide.h"
#include "crm/decide_parts.h"
#include "crm/moved_key.h"
#include "crm/sends.h"
#include "crm/statement.h"

/* Why qbsync.unmatched_action() puts off a record that may be what a creation has made which is not answered yet. */
#define MAY_BE_BEING_MADE "it may be being made from the CRM"

/* --- what is new -------------------------------------------------------------------------------------------------- */

/* All keys that the view shows. */
static void
add_all_keys(const Mapping *mapping, Batch *crm_keys)
{
	captured_add(statement_read_as_role(mapping, mapping_statements(mapping)->read_keys, 0, NULL, NULL, NULL), crm_keys);
}

/* A person, or the policy initial_push, wants all records of the view in QuickBooks. */
static void
begin_backfill(const Mapping *mapping)
{
	static SqlStatement enter = {"SELECT qbsync.enter_backfill($1, $2)", 2, {INT4OID, TEXTARRAYOID}};
	Batch		crm_keys = {0};
	Datum		values[2];

	add_all_keys(mapping, &crm_keys);
	values[0] = Int32GetDatum(mapping->mapping_id);
	values[1] = batch_array(&crm_keys, TEXTOID);
	sql_execute(&enter, values, NULL);
}

/* --- what is not to be sent any more ------------------------------------------------------------------------------- */

/* Requests were withdrawn: their errors go, too.  ids: linked records; crm_keys: others. */
static void
forget_errors(const Mapping *mapping, Datum ids, Datum crm_keys)
{
	static SqlStatement errors = {
		"DELETE FROM qbsync.send_error e WHERE e.mapping_id = $1 AND (e.id = ANY ($2) OR e.id IS NULL AND e.crm_key = ANY ($3))"
		" AND NOT EXISTS (SELECT FROM qbsync.request r WHERE r.mapping_id = $1 AND r.crm_key = e.crm_key)",
		3, {INT4OID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id), ids, crm_keys};

	sql_execute(&errors, values, NULL);
}

/* Nothing is to be sent of these: not any more, if it was.  crm_keys: those linked now, which are not to be created either. */
static void
withdraw(const Mapping *mapping, Datum ids, Datum crm_keys)
{
	static SqlStatement updates = {
		"DELETE FROM qbsync.request r USING unnest($2) u(id) WHERE r.mapping_id = $1 AND r.id = u.id"
		" AND r.state IN ('ready', 'stale', 'refused')",
		2, {INT4OID, TEXTARRAYOID}
	};
	static SqlStatement creations = {
		"DELETE FROM qbsync.request r WHERE r.mapping_id = $1 AND r.crm_key = ANY ($3) AND r.id IS NULL"
		" AND r.state IN ('ready', 'stale', 'refused')",
		3, {INT4OID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id), ids, crm_keys};

	sql_execute(&updates, values, NULL);
	sql_execute(&creations, values, NULL);
	forget_errors(mapping, ids, crm_keys);
}

/* Whatever is to be sent of records that are gone is owed to nobody, but what makes some of them inactive in QuickBooks. */
static void
withdraw_gone(const Mapping *mapping, Datum ids, Datum but_deactivations_of)
{
	static SqlStatement requests = {
		"DELETE FROM qbsync.request r WHERE r.mapping_id = $1 AND r.id = ANY ($2) AND r.state IN ('ready', 'stale', 'refused')"
		" AND NOT (r.id = ANY ($3) AND r.sent_values = qbsync.deactivation())",
		3, {INT4OID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id), ids, but_deactivations_of};

	sql_execute(&requests, values, NULL);
	forget_errors(mapping, ids, PointerGetDatum(construct_empty_array(TEXTOID)));
}

/* --- records that QuickBooks does not have ------------------------------------------------------------------------- */

/* Requests were entered: the gateway looks at once, unless there are so many that a person has to. */
static void
requests_entered(const Mapping *mapping)
{
	static SqlStatement guard = {"SELECT qbsync.guard_lane($1), qbsync.wake()", 1, {INT4OID}};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id)};

	sql_execute(&guard, values, NULL);
}

/* The only value of a statement's only row, a count. */
static int64
count_of(Rows *rows)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	int64		count = 0;
	bool		isnull;

	if (tuplestore_gettupleslot(rows->store, true, false, slot))
		count = DatumGetInt64(slot_getattr(slot, 1, &isnull));
	ExecDropSingleTupleTableSlot(slot);
	return count;
}

void
sends_push(const Mapping *mapping, const Claim *claim)
{
	static SqlStatement forget = {
		"DELETE FROM qbsync.outgoing o WHERE o.mapping_id = $1 AND o.crm_key = ANY ($2)", 2, {INT4OID, TEXTARRAYOID}
	};
	static SqlStatement parents = {"SELECT qbsync.want_parents($1, $2)", 2, {INT4OID, TEXTARRAYOID}};
	const MappingSends *statements = mapping_sends(mapping);
	Oid			types[] = {TEXTARRAYOID};
	Datum		values[2];
	DecideRun  *run;

	values[0] = Int32GetDatum(mapping->mapping_id);
	values[1] = batch_of_texts(claim->ids, claim->n);
	if (statements->push == NULL)
	{
		withdraw(mapping, PointerGetDatum(construct_empty_array(TEXTOID)), values[1]);
		sql_execute(&forget, values, NULL);
		return;
	}
	run = decide_begin_keys(mapping, values[1]);
	if (count_of(statement_rows(statements->push, 1, types, &values[1], NULL)) > 0)
		requests_entered(mapping);
	decide_end(run);
	sql_execute(&parents, values, NULL);
}

void
sends_key_fails(int32 mapping_id, const char *crm_key, const char *problem, const char *detail)
{
	static SqlStatement fail = {
		"WITH waits AS (UPDATE qbsync.outgoing o SET next_attempt_at = clock_timestamp() + interval '5 min' WHERE o.mapping_id = $1 AND o.crm_key = $2)"
		" INSERT INTO qbsync.send_error AS e (mapping_id, connection_id, entity, crm_key, problem, detail, next_attempt_at)"
		" SELECT m.mapping_id, m.connection_id, m.entity, $2, $3, $4, 'infinity' FROM qbsync.mapping m WHERE m.mapping_id = $1"
		" ON CONFLICT (mapping_id, crm_key) DO UPDATE SET problem = excluded.problem, code = NULL, message = NULL, column_name = NULL,"
		" detail = excluded.detail, waits_for = NULL, last_seen = clock_timestamp(), attempts = e.attempts + 1, next_attempt_at = 'infinity'",
		4, {INT4OID, TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id), CStringGetTextDatum(crm_key), CStringGetTextDatum(problem), CStringGetTextDatum(detail)};

	sql_execute(&fail, values, NULL);
}

/* --- linked records ------------------------------------------------------------------------------------------------ */

/* Is a deed's record linked? */
static bool
is_linked(const Deed *deed)
{
	const Decision *decision = deed->decision;

	return !deed->gone && deed->crm_key != NULL &&
		(decision->action == DECISION_NONE || decision->action == DECISION_UPDATE || decision->action == DECISION_LINK);
}

/* CRM records that are linked are not wanted in QuickBooks any more; what may be there is looked at again before it is created. */
static void
unwant(const Mapping *mapping, const Batch *linked_keys, const Batch *candidates)
{
	static SqlStatement forget = {
		"DELETE FROM qbsync.outgoing o WHERE o.mapping_id = $1 AND o.crm_key = ANY ($2)", 2, {INT4OID, TEXTARRAYOID}
	};
	static SqlStatement reconsider = {"SELECT qbsync.reconsider_creations($1, $2)", 2, {INT4OID, TEXTARRAYOID}};
	Datum		values[2] = {Int32GetDatum(mapping->mapping_id)};

	if (linked_keys->n > 0)
	{
		values[1] = batch_array(linked_keys, TEXTOID);
		sql_execute(&forget, values, NULL);
	}
	if (candidates->n > 0)
	{
		values[1] = batch_array(candidates, TEXTOID);
		sql_execute(&reconsider, values, NULL);
	}
}

/* Enter requests for linked records: parallel lists, of which names may lack. */
static void
enter(const Mapping *mapping, const Batch *ids, const Batch *crm_keys, const Batch *sends, const Batch *ours, const Batch *names)
{
	Oid			types[] = {TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, JSONBARRAYOID, TEXTARRAYOID};
	Datum		values[] = {
		batch_array(ids, TEXTOID), batch_array(crm_keys, TEXTOID), batch_array(sends, JSONBOID), batch_array(ours, JSONBOID),
		batch_array(names, TEXTOID)
	};

	if (count_of(statement_rows(mapping_sends(mapping)->send, lengthof(types), types, values, NULL)) > 0)
		requests_entered(mapping);
}

/* Is the text among those sorted? */
static bool
is_among(char *text_searched, char **sorted, int n)
{
	return n > 0 && bsearch(&text_searched, sorted, n, sizeof(char *), decide_compare_texts) != NULL;
}

/* Records that are gone from the view and are to be made inactive, unless they are in their table yet. */
typedef struct Gone
{
	Batch		ids;
	Batch		crm_keys;
	Batch		sends;
} Gone;

/* Read them; captured: a trigger has seen something. */
static void
read_gone(const Mapping *mapping, Datum ids, bool captured, Gone *gone)
{
	const MappingSends *statements = mapping_sends(mapping);
	Oid			types[] = {TEXTARRAYOID, BOOLOID};
	Datum		values[] = {ids, BoolGetDatum(captured)};
	Rows	   *rows;
	TupleTableSlot *slot;

	memset(gone, 0, sizeof(*gone));
	if (statements->gone == NULL)
		return;
	rows = statement_rows(statements->gone, 2, types, values, NULL);
	slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(rows->store, true, false, slot))
	{
		bool		isnull;

		batch_add(&gone->ids, PointerGetDatum(PG_DETOAST_DATUM_COPY(slot_getattr(slot, 1, &isnull))));
		batch_add(&gone->crm_keys, PointerGetDatum(PG_DETOAST_DATUM_COPY(slot_getattr(slot, 2, &isnull))));
		batch_add(&gone->sends, PointerGetDatum(PG_DETOAST_DATUM_COPY(slot_getattr(slot, 3, &isnull))));
	}
	ExecDropSingleTupleTableSlot(slot);
	rows_free(rows);
}

/* A trigger saw them go, and something else is on its way, or waits for QuickBooks' newer version: that comes first. */
static void
note_gone(const Mapping *mapping, const Gone *gone)
{
	static SqlStatement note = {
		"INSERT INTO qbsync.outgoing AS o (mapping_id, crm_key, asked, asked_by, next_attempt_at, gone)"
		" SELECT r.mapping_id, r.crm_key, false, NULL, 'infinity', true FROM qbsync.request r"
		" WHERE r.mapping_id = $1 AND r.crm_key = ANY ($2)"
		" AND (r.state IN ('sent', 'check') OR r.state = 'stale' AND r.sent_values <> qbsync.deactivation())"
		" ON CONFLICT (mapping_id, crm_key) DO UPDATE SET gone = true, next_attempt_at = 'infinity'",
		2, {INT4OID, TEXTARRAYOID}
	};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id), batch_array(&gone->crm_keys, TEXTOID)};

	if (gone->ids.n > 0)
		sql_execute(&note, values, NULL);
}

/* Requests to make them inactive. */
static void
enter_gone(const Mapping *mapping, const Gone *gone)
{
	Oid			types[] = {TEXTARRAYOID};
	Batch		there = {0};
	Batch		lists[5] = {{0}};
	char	  **sorted;
	Datum		keys;

	if (gone->ids.n == 0)
		return;
	keys = batch_array(&gone->crm_keys, TEXTOID);
	captured_add(statement_read_as_role(mapping, mapping_sends(mapping)->still_there, 1, types, &keys, NULL), &there);
	sorted = decide_sorted_texts(&there);
	for (int i = 0; i < gone->ids.n; i++)
	{
		if (is_among(TextDatumGetCString(gone->crm_keys.values[i]), sorted, there.n))
			continue;
		batch_add(&lists[0], gone->ids.values[i]);
		batch_add(&lists[1], gone->crm_keys.values[i]);
		batch_add(&lists[2], gone->sends.values[i]);
		batch_add(&lists[3], DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
		batch_add(&lists[4], (Datum) 0);
	}
	if (lists[0].n > 0)
		enter(mapping, &lists[0], &lists[1], &lists[2], &lists[3], &lists[4]);
}

void
sends_gone(const Mapping *mapping, Datum ids)
{
	static SqlStatement noted = {
		"DELETE FROM qbsync.outgoing o USING qbsync.link l WHERE o.mapping_id = $1 AND o.gone AND l.mapping_id = $1 AND l.crm_key = o.crm_key"
		" AND l.id = ANY ($2) AND NOT EXISTS (SELECT FROM qbsync.request r WHERE r.mapping_id = $1 AND r.crm_key = o.crm_key AND r.state IN ('sent', 'check'))",
		2, {INT4OID, TEXTARRAYOID}
	};
	Datum		values[2] = {Int32GetDatum(mapping->mapping_id)};
	Gone		gone;

	read_gone(mapping, ids, false, &gone);
	withdraw_gone(mapping, ids, batch_array(&gone.ids, TEXTOID));
	enter_gone(mapping, &gone);
	values[1] = ids;
	sql_execute(&noted, values, NULL);
}

void
sends_settle(const Mapping *mapping, const MappingState *state, const Claim *claim, const Deed *deeds, int ndeeds)
{
	Batch		ids = {0};
	Batch		crm_keys = {0};
	Batch		sends = {0};
	Batch		ours = {0};
	Batch		names = {0};
	Batch		quiet = {0};
	Batch		quiet_keys = {0};
	Batch		linked_keys = {0};
	Batch		candidates = {0};

	for (int i = 0; i < ndeeds; i++)
	{
		const Decision *decision = deeds[i].decision;
		Datum		crm_key;

		/* of a record that is gone sends_gone() knows */
		if (decision->action == DECISION_WAIT || decision->action == DECISION_ERROR || decision->action == DECISION_MISSING || deeds[i].gone)
			continue;
		/* most often nobody waits for an answer */
		if (!state->has_sends && decision->send == (Datum) 0)
			continue;
		if (decision->action == DECISION_CANDIDATE)
			batch_add(&candidates, CStringGetTextDatum(decision->id));
		crm_key = is_linked(&deeds[i]) ? CStringGetTextDatum(deeds[i].crm_key) : (Datum) 0;
		if (crm_key != (Datum) 0)
			batch_add(&linked_keys, crm_key);
		if (crm_key == (Datum) 0 || decision->send == (Datum) 0)
		{
			batch_add(&quiet, CStringGetTextDatum(decision->id));
			if (crm_key != (Datum) 0)
				batch_add(&quiet_keys, crm_key);
			continue;
		}
		batch_add(&ids, CStringGetTextDatum(decision->id));
		batch_add(&crm_keys, crm_key);
		batch_add(&sends, decision->send);
		batch_add(&ours, decision->ours);
		batch_add(&names, decision->record_name ? CStringGetTextDatum(decision->record_name) : (Datum) 0);
	}
	if (quiet.n > 0 && state->has_sends)
		withdraw(mapping, batch_array(&quiet, TEXTOID), batch_array(&quiet_keys, TEXTOID));
	if (state->has_sends)
		unwant(mapping, &linked_keys, &candidates);
	if (ids.n > 0 && mapping_sends(mapping)->send != NULL)
		enter(mapping, &ids, &crm_keys, &sends, &ours, &names);
}

/* The gateway learns that answers matter to us. */
static void
wake_gateway(void)
{
	static SqlStatement wake = {"SELECT qbsync.wake()", 0, {}};

	sql_execute(&wake, NULL, NULL);
}

void
sends_look_again(const Mapping *mapping, const Deed *deeds, int ndeeds)
{
	static SqlStatement note = {
		"INSERT INTO qbsync.arrival (mapping_id, id, action, arguments)"
		" SELECT r.mapping_id, r.id, 'after', jsonb_build_object('request_id', r.request_id)"
		" FROM unnest($2) u(k) CROSS JOIN LATERAL (SELECT q.mapping_id, q.id, q.request_id, q.state FROM qbsync.request q"
		"  WHERE q.mapping_id = $1 AND q.crm_key = u.k LIMIT 1) r"
		" WHERE r.state IN ('sent', 'check') AND r.id IS NOT NULL"
		" AND NOT EXISTS (SELECT FROM qbsync.arrival a WHERE a.mapping_id = $1 AND a.action = 'after' AND a.id = r.id)",
		2, {INT4OID, TEXTARRAYOID}
	};
	Batch		crm_keys = {0};
	Datum		values[2] = {Int32GetDatum(mapping->mapping_id)};

	for (int i = 0; i < ndeeds; i++)
		if (deeds[i].decision->crm_key)
			batch_add(&crm_keys, CStringGetTextDatum(deeds[i].decision->crm_key));
	values[1] = batch_array(&crm_keys, TEXTOID);
	if (sql_execute(&note, values, NULL) > 0)
		wake_gateway();
}

void
sends_wait_for_creations(const Mapping *mapping, const Deed *deeds, int ndeeds)
{
	/* the oldest of them: when that is answered, the next may be */
	static SqlStatement note = {
		"INSERT INTO qbsync.arrival (mapping_id, id, action, arguments)"
		" SELECT m.mapping_id, u.id, 'after', jsonb_build_object('request_id', q.request_id)"
		" FROM qbsync.mapping m CROSS JOIN LATERAL qbsync.creation_under_way(m.connection_id, m.entity) q CROSS JOIN unnest($2) u(id)"
		" WHERE m.mapping_id = $1 AND q.request_id IS NOT NULL"
		" AND NOT EXISTS (SELECT FROM qbsync.arrival a WHERE a.mapping_id = $1 AND a.action = 'after' AND a.id = u.id)",
		2, {INT4OID, TEXTARRAYOID}
	};
	Batch		ids = {0};
	Datum		values[2] = {Int32GetDatum(mapping->mapping_id)};

	for (int i = 0; i < ndeeds; i++)
		if (deeds[i].decision->action == DECISION_IGNORE && deeds[i].decision->reason != NULL
			&& strcmp(deeds[i].decision->reason, MAY_BE_BEING_MADE) == 0)
			batch_add(&ids, CStringGetTextDatum(deeds[i].decision->id));
	if (ids.n == 0)
		return;
	values[1] = batch_array(&ids, TEXTOID);
	if (sql_execute(&note, values, NULL) > 0)
		wake_gateway();
}

void
sends_release(const Mapping *mapping, const Deed *const *linked, int n)
{
	static SqlStatement release = {"SELECT qbsync.release_sends($1, $2), qbsync.wake()", 2, {INT4OID, TEXTARRAYOID}};
	Batch		crm_keys = {0};
	Datum		values[2];

	for (int i = 0; i < n; i++)
		if (linked[i]->crm_key)
			batch_add(&crm_keys, CStringGetTextDatum(linked[i]->crm_key));
	values[0] = Int32GetDatum(mapping->mapping_id);
	values[1] = batch_array(&crm_keys, TEXTOID);
	sql_execute(&release, values, NULL);
}

/* --- what is new, become work ------------------------------------------------------------------------------------- */

void
sends_take_news(const Mapping *mapping, int limit)
{
	static SqlStatement enter = {
		"WITH given AS (SELECT g.k, l.id FROM (SELECT DISTINCT u.k FROM unnest($2::text[]) AS u(k)) g"
		" LEFT JOIN LATERAL (SELECT k.id FROM qbsync.link k WHERE k.mapping_id = $1 AND k.crm_key = g.k AND k.state <> 'alias' LIMIT 1) l ON true),"
		" linked AS (INSERT INTO qbsync.arrival (mapping_id, id) SELECT $1, g.id FROM given g WHERE g.id IS NOT NULL)"
		" INSERT INTO qbsync.outgoing AS o (mapping_id, crm_key, asked, asked_by) SELECT $1, g.k, false, NULL FROM given g WHERE g.id IS NULL"
		" ON CONFLICT (mapping_id, crm_key) DO UPDATE SET next_attempt_at = clock_timestamp()",
		2, {INT4OID, TEXTARRAYOID}
	};
	static SqlStatement linked = {
		"SELECT coalesce(array_agg(k.id), '{}') FROM qbsync.link k WHERE k.mapping_id = $1 AND k.crm_key = ANY ($2) AND k.state <> 'alias'",
		2, {INT4OID, TEXTARRAYOID}
	};
	static SqlStatement retry = {
		"SELECT qbsync.retry_sends($1, ARRAY(SELECT e.crm_key FROM qbsync.send_error e"
		" WHERE e.mapping_id = $1 AND e.next_attempt_at <= clock_timestamp() AND e.dismissed_at IS NULL AND e.problem <> 'settle_fails'))",
		1, {INT4OID}
	};
	static SqlStatement asked = {
		"SELECT FROM qbsync.mapping m WHERE m.mapping_id = $1 AND m.backfill_asked_by IS NOT NULL", 1, {INT4OID}
	};
	static SqlStatement answered = {
		"UPDATE qbsync.arrival a SET action = 'apply', arguments = NULL WHERE a.mapping_id = $1 AND a.action = 'after'"
		" AND NOT EXISTS (SELECT FROM qbsync.request r WHERE r.request_id = (a.arguments ->> 'request_id')::bigint"
		"  AND qbsync.is_awaited(r))",
		1, {INT4OID}
	};
	static SqlStatement scan = {"SELECT coalesce(qbsync.begin_scan($1), false)", 1, {INT4OID}};
	static SqlStatement all = {
		"UPDATE qbsync.mapping SET sweep_after = '' WHERE mapping_id = $1", 1, {INT4OID}
	};
	Captured   *captured = captured_take(mapping, limit);
	Batch	   *crm_keys = &captured->crm_keys;
	Gone		gone;
	Datum		values[2];

	values[0] = Int32GetDatum(mapping->mapping_id);
	moved_keys(mapping, captured);
	if (captured->unknown)
	{
		/* what is linked, and not shown any more, is found by the sweep */
		sql_execute(&all, values, NULL);
		add_all_keys(mapping, crm_keys);
	}
	if (crm_keys->n > 0 && mapping_sends(mapping)->gone)
	{
		values[1] = batch_array(crm_keys, TEXTOID);
		sql_execute(&linked, values, NULL);
		read_gone(mapping, sql_datum(0, 1, NULL), true, &gone);
		enter_gone(mapping, &gone);
		note_gone(mapping, &gone);
	}
	/* a key of the view may be another record's new one, which is known when all captures are taken */
	if (!captured->more)
	{
		sql_execute(&scan, values, NULL);
		if (DatumGetBool(sql_datum(0, 1, NULL)))
			add_all_keys(mapping, crm_keys);
	}
	if (crm_keys->n > 0)
	{
		values[1] = batch_array(crm_keys, TEXTOID);
		/* records that nothing is linked with: a sweep under way must know them, or it makes them once more */
		if (sql_execute(&enter, values, NULL) > 0)
			decide_end_sweep();
	}
	sql_execute(&retry, values, NULL);
	sql_execute(&answered, values, NULL);
	if (!captured->more && sql_execute(&asked, values, NULL) > 0)
		begin_backfill(mapping);
}
