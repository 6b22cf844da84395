/*
 * settle.c
 *		Recording what a turn did.  See settle.h.
 *
 * A row of qbsync is written only if it says something new: a sweep over records that agree leaves nothing behind but its own
 * position.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "crm/batch.h"
#include "crm/failure.h"
#include "crm/settle.h"
#include "crm/settle_links.h"
#include "crm/sends.h"

/* What is noted about records, as lists that become arrays. */
typedef struct Columns
{
	Batch		ids;
	Batch		crm_keys;
	Batch		origins;
	Batch		bases;
	Batch		crm_bases;
	Batch		unagreed;		/* text[] as text */
	Batch		facts;
	Batch		events;			/* text[] as text */
	Batch		befores;
	Batch		writes;
	Batch		shown;
	Batch		details;
	Batch		kinds;
	Batch		ours_at;		/* as text */
	Batch		theirs_at;
} Columns;

/* A text[] as text, 0 for null. */
static Datum
array_text(Datum array)
{
	Oid			output;
	bool		is_varlena;

	if (array == (Datum) 0)
		return (Datum) 0;
	getTypeOutputInfo(TEXTARRAYOID, &output, &is_varlena);
	return CStringGetTextDatum(OidOutputFunctionCall(output, array));
}

static Datum
text_or_null(const char *value)
{
	return value ? CStringGetTextDatum(value) : (Datum) 0;
}

static Datum
time_text(TimestampTz time)
{
	return time == 0 ? (Datum) 0 : CStringGetTextDatum(timestamptz_to_str(time));
}

/* Append a deed to what link needs. */
static void
add_link(Columns *columns, const Deed *deed)
{
	const Decision *decision = deed->decision;
	bool		written = deed->shown != (Datum) 0;

	batch_add(&columns->ids, CStringGetTextDatum(decision->id));
	batch_add(&columns->crm_keys, text_or_null(deed->crm_key));
	batch_add(&columns->origins, text_or_null(decision->origin));
	batch_add(&columns->bases, decision->base);
	batch_add(&columns->crm_bases, decision->crm_base);
	batch_add(&columns->unagreed, array_text(decision->unagreed));
	batch_add(&columns->facts, decision->facts);
	batch_add(&columns->events, array_text(deed->events_left));
	batch_add(&columns->writes, written ? deed->write : (Datum) 0);
	batch_add(&columns->shown, written ? deed->shown : (Datum) 0);
}

/* The parameters of a statement about links. */
static void
link_values(int32 mapping_id, const Columns *columns, Datum *values)
{
	values[0] = Int32GetDatum(mapping_id);
	values[1] = batch_array(&columns->ids, TEXTOID);
	values[2] = batch_array(&columns->crm_keys, TEXTOID);
	values[3] = batch_array(&columns->origins, TEXTOID);
	values[4] = batch_array(&columns->bases, JSONBOID);
	values[5] = batch_array(&columns->crm_bases, JSONBOID);
	values[6] = batch_array(&columns->unagreed, TEXTOID);
	values[7] = batch_array(&columns->facts, JSONBOID);
	values[8] = batch_array(&columns->events, TEXTOID);
	values[9] = batch_array(&columns->writes, JSONBOID);
	values[10] = batch_array(&columns->shown, JSONBOID);
}

#define LINK_TYPES {INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, JSONBARRAYOID, TEXTARRAYOID, \
	JSONBARRAYOID, TEXTARRAYOID, JSONBARRAYOID, JSONBARRAYOID}

#define LINK_UNNEST "unnest($2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::text[], $8::jsonb[]," \
	" $9::text[], $10::jsonb[], $11::jsonb[])" \
	" AS u(id, crm_key, origin, base, crm_base, unagreed, facts, events, written, shown)"

#define LINK_CRM_BASE "CASE WHEN u.written IS NULL THEN u.crm_base ELSE qbsync.crm_shown(u.written, u.shown, u.crm_base) END"

/*
 * Links there are, each found by its key: a planner without statistics must not think of anything else.  What a decision
 * has no word about (base of a record deleted in QuickBooks, facts) stays.
 */
static void
update_links(int32 mapping_id, const Columns *columns)
{
	static SqlStatement update = {
		"UPDATE qbsync.link l SET state = v.state, base = v.base, crm_base = v.crm_base, unagreed = v.unagreed, facts = v.facts,"
		" events = v.events, agreed_at = now()"
		" FROM (SELECT o.ctid AS place, CASE o.state WHEN 'crm_missing' THEN 'linked' ELSE o.state END AS state,"
		" coalesce(u.base, o.base) AS base, CASE WHEN u.base IS NULL THEN o.crm_base ELSE " LINK_CRM_BASE " END AS crm_base,"
		" CASE WHEN u.base IS NULL THEN o.unagreed ELSE u.unagreed::text[] END AS unagreed,"
		" coalesce(u.facts, o.facts) AS facts, u.events::text[] AS events"
		" FROM qbsync.mapping m CROSS JOIN " LINK_UNNEST
		" CROSS JOIN LATERAL (SELECT k.*, k.ctid FROM qbsync.link k WHERE k.connection_id = m.connection_id AND k.entity = m.entity"
		" AND k.id = u.id AND k.family = m.family AND k.mapping_id = $1 LIMIT 1) o WHERE m.mapping_id = $1) v"
		" WHERE l.ctid = v.place"
		" AND (l.state, l.base, l.crm_base, l.unagreed, l.facts, l.events)"
		" IS DISTINCT FROM (v.state, v.base, v.crm_base, v.unagreed, v.facts, v.events)",
		11, LINK_TYPES
	};
	Datum		values[11];

	if (columns->ids.n == 0)
		return;
	link_values(mapping_id, columns, values);
	sql_execute(&update, values, NULL);
}

/* Statements with the mapping and some ids. */
static uint64
run_with_ids(SqlStatement *statement, int32 mapping_id, const Batch *ids)
{
	Datum		values[2] = {Int32GetDatum(mapping_id)};

	if (ids->n == 0)
		return 0;
	values[1] = batch_array(ids, TEXTOID);
	return sql_execute(statement, values, NULL);
}

/* Links whose CRM record is not there (any more): it is not made again.  say: the timeline says so, once. */
static void
mark_missing(int32 mapping_id, const Batch *ids, bool say)
{
	static SqlStatement mark = {
		"WITH gone AS (UPDATE qbsync.link l SET state = 'crm_missing' FROM qbsync.mapping m"
		" WHERE m.mapping_id = $1 AND l.connection_id = m.connection_id AND l.entity = m.entity AND l.id = ANY ($2)"
		" AND l.family = m.family AND l.mapping_id = $1 AND l.state = 'linked' RETURNING l.connection_id, l.entity, l.id, l.crm_key)"
		" INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind)"
		" SELECT g.connection_id, $1, g.entity, g.id, g.crm_key, 'missing' FROM gone g WHERE $3",
		3, {INT4OID, TEXTARRAYOID, BOOLOID}
	};
	Datum		values[3] = {Int32GetDatum(mapping_id)};

	if (ids->n == 0)
		return;
	values[1] = batch_array(ids, TEXTOID);
	values[2] = BoolGetDatum(say);
	sql_execute(&mark, values, NULL);
}

/* Links that end. */
static void
delete_links(int32 mapping_id, const Batch *ids)
{
	static SqlStatement end = {
		"DELETE FROM qbsync.link l USING qbsync.mapping m"
		" WHERE m.mapping_id = $1 AND l.connection_id = m.connection_id AND l.entity = m.entity AND l.id = ANY ($2)"
		" AND l.family = m.family AND l.mapping_id = $1",
		2, {INT4OID, TEXTARRAYOID}
	};

	(void) run_with_ids(&end, mapping_id, ids);
}

/* The candidates of the ids matched are those found now; a pair that stays keeps its time. */
static void
settle_candidates(int32 mapping_id, bool has_candidates, const Batch *matched, const Columns *found)
{
	static SqlStatement clean = {
		"DELETE FROM qbsync.match_candidate c WHERE c.mapping_id = $1 AND c.id = ANY ($2) AND NOT EXISTS ("
		"SELECT FROM unnest($3::text[], $4::jsonb[]) AS u(id, candidates)"
		" WHERE u.id = c.id AND u.candidates @> jsonb_build_array(jsonb_build_object('crm_key', c.crm_key)))",
		4, {INT4OID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID}
	};
	static SqlStatement upsert = {
		"INSERT INTO qbsync.match_candidate AS c (mapping_id, connection_id, entity, id, crm_key, score, reasons, crm_row)"
		" SELECT m.mapping_id, m.connection_id, m.entity, u.id, x.crm_key, x.score, coalesce(x.reasons, '{}'), x.crm_row"
		" FROM qbsync.mapping m CROSS JOIN unnest($2::text[], $3::jsonb[]) AS u(id, candidates)"
		" CROSS JOIN LATERAL jsonb_to_recordset(u.candidates) AS x(crm_key text, score real, reasons text[], crm_row jsonb)"
		" WHERE m.mapping_id = $1"
		" ON CONFLICT (mapping_id, id, crm_key) DO UPDATE SET score = excluded.score, reasons = excluded.reasons, crm_row = excluded.crm_row"
		" WHERE (c.score, c.reasons, c.crm_row) IS DISTINCT FROM (excluded.score, excluded.reasons, excluded.crm_row)",
		3, {INT4OID, TEXTARRAYOID, JSONBARRAYOID}
	};
	Datum		values[4] = {Int32GetDatum(mapping_id)};

	if (has_candidates && matched->n > 0)
	{
		values[1] = batch_array(matched, TEXTOID);
		values[2] = batch_array(&found->ids, TEXTOID);
		values[3] = batch_array(&found->details, JSONBOID);
		sql_execute(&clean, values, NULL);
	}
	if (found->ids.n > 0)
	{
		values[1] = batch_array(&found->ids, TEXTOID);
		values[2] = batch_array(&found->details, JSONBOID);
		sql_execute(&upsert, values, NULL);
	}
}

/* The conflicts of the ids looked at are those found now; one that stays keeps its number and time. */
static void
settle_conflicts(int32 mapping_id, bool has_conflicts, const Batch *looked_at, const Columns *found)
{
	static SqlStatement clean = {
		"DELETE FROM qbsync.conflict c WHERE c.mapping_id = $1 AND c.id = ANY ($2) AND NOT EXISTS ("
		"SELECT FROM unnest($3::text[], $4::jsonb[]) AS u(id, conflicts)"
		" WHERE u.id = c.id AND u.conflicts @> jsonb_build_array(jsonb_build_object('unit', c.unit)))",
		4, {INT4OID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID}
	};
	static SqlStatement upsert = {
		"WITH given AS (SELECT m.mapping_id, m.connection_id, m.entity, u.id, u.crm_key, x.unit, x.kind, x.base, x.ours, x.theirs,"
		" u.ours_at::timestamptz AS ours_at, u.theirs_at::timestamptz AS theirs_at"
		" FROM qbsync.mapping m CROSS JOIN unnest($2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[])"
		" AS u(id, crm_key, conflicts, ours_at, theirs_at)"
		" CROSS JOIN LATERAL jsonb_to_recordset(u.conflicts) AS x(unit text, kind text, base jsonb, ours jsonb, theirs jsonb)"
		" WHERE m.mapping_id = $1),"
		" fresh AS (INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail)"
		" SELECT g.connection_id, g.mapping_id, g.entity, g.id, g.crm_key, 'conflict', jsonb_build_object('unit', g.unit, 'kind', g.kind)"
		" FROM given g WHERE NOT EXISTS (SELECT FROM qbsync.conflict c"
		" WHERE c.mapping_id = g.mapping_id AND c.id = g.id AND c.unit = g.unit))"
		" INSERT INTO qbsync.conflict AS c (mapping_id, connection_id, entity, id, crm_key, unit, kind, base, ours, theirs, ours_at, theirs_at)"
		" SELECT g.* FROM given g"
		" ON CONFLICT (mapping_id, id, unit) DO UPDATE SET crm_key = excluded.crm_key, kind = excluded.kind, base = excluded.base,"
		" ours = excluded.ours, theirs = excluded.theirs, ours_at = excluded.ours_at, theirs_at = excluded.theirs_at"
		" WHERE (c.crm_key, c.kind, c.base, c.ours, c.theirs) IS DISTINCT FROM"
		" (excluded.crm_key, excluded.kind, excluded.base, excluded.ours, excluded.theirs)",
		6, {INT4OID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum		values[6] = {Int32GetDatum(mapping_id)};

	if (has_conflicts && looked_at->n > 0)
	{
		values[1] = batch_array(looked_at, TEXTOID);
		values[2] = batch_array(&found->ids, TEXTOID);
		values[3] = batch_array(&found->details, JSONBOID);
		sql_execute(&clean, values, NULL);
	}
	if (found->ids.n > 0)
	{
		values[1] = batch_array(&found->ids, TEXTOID);
		values[2] = batch_array(&found->crm_keys, TEXTOID);
		values[3] = batch_array(&found->details, JSONBOID);
		values[4] = batch_array(&found->ours_at, TEXTOID);
		values[5] = batch_array(&found->theirs_at, TEXTOID);
		sql_execute(&upsert, values, NULL);
	}
}

/* Run a statement about records: $1 mapping, $2 ids, $3 crm_keys, $4 kinds, $5 json, $6 what was written, $7 what it became. */
static void
insert_records(SqlStatement *insert, int32 mapping_id, const Columns *records, const Batch *json)
{
	Datum		values[7];

	if (records->ids.n == 0)
		return;
	values[0] = Int32GetDatum(mapping_id);
	values[1] = batch_array(&records->ids, TEXTOID);
	values[2] = batch_array(&records->crm_keys, TEXTOID);
	values[3] = batch_array(&records->kinds, TEXTOID);
	values[4] = batch_array(json, JSONBOID);
	values[5] = batch_array(&records->writes, JSONBOID);
	values[6] = batch_array(&records->shown, JSONBOID);
	sql_execute(insert, values, NULL);
}

/* The CRM records as they were before they were written, and what became of what was written. */
static void
insert_history(int32 mapping_id, const Columns *before)
{
	static SqlStatement insert = {
		"INSERT INTO qbsync.history (connection_id, mapping_id, entity, id, crm_key, operation, before, written, shown)"
		" SELECT m.connection_id, m.mapping_id, m.entity, u.id, u.crm_key, u.operation, u.before, u.written,"
		" qbsync.crm_shown(u.written, u.shown, NULL)"
		" FROM qbsync.mapping m CROSS JOIN unnest($2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::jsonb[])"
		" AS u(id, crm_key, operation, before, written, shown) WHERE m.mapping_id = $1",
		7, {INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, JSONBARRAYOID, JSONBARRAYOID}
	};

	insert_records(&insert, mapping_id, before, &before->befores);
}

/* What happened, for the timeline; of what was written the names of the columns, the rest is in history. */
static void
insert_activity(int32 mapping_id, const Columns *happened)
{
	static SqlStatement insert = {
		"INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail)"
		" SELECT m.connection_id, m.mapping_id, m.entity, u.id, u.crm_key, u.kind,"
		" CASE WHEN u.written IS NULL THEN u.detail"
		" ELSE coalesce(u.detail, '{}')"
		" || jsonb_build_object('columns', qbsync.column_names(u.written)) END"
		" FROM qbsync.mapping m CROSS JOIN unnest($2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[])"
		" AS u(id, crm_key, kind, detail, written) WHERE m.mapping_id = $1",
		6, {INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, JSONBARRAYOID}
	};

	insert_records(&insert, mapping_id, happened, &happened->details);
}

/* One line of the timeline. */
static void
add_line(Columns *happened, const Deed *deed, const char *kind, Datum written, Datum detail)
{
	batch_add(&happened->ids, CStringGetTextDatum(deed->decision->id));
	batch_add(&happened->crm_keys, text_or_null(deed->crm_key));
	batch_add(&happened->kinds, CStringGetTextDatum(kind));
	batch_add(&happened->details, detail);
	batch_add(&happened->writes, written);
}

/* The same; detail: pairs of name and value, ended by NULL. */
static void
add_activity(Columns *happened, const Deed *deed, const char *kind, const char *const *detail)
{
	Datum		object = (Datum) 0;

	if (detail && detail[0])
	{
		StringInfoData json;

		initStringInfo(&json);
		for (int i = 0; detail[i]; i += 2)
		{
			appendStringInfoString(&json, i == 0 ? "{" : ", ");
			escape_json(&json, detail[i]);
			appendStringInfoString(&json, ": ");
			escape_json(&json, detail[i + 1] ? detail[i + 1] : "");
		}
		appendStringInfoChar(&json, '}');
		object = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
	}
	add_line(happened, deed, kind, (Datum) 0, object);
}

/* What was in the CRM before. */
static void
note_before(const Deed *deed, Columns *before)
{
	const Decision *decision = deed->decision;
	bool		updated = decision->action != DECISION_DELETE;

	batch_add(&before->ids, CStringGetTextDatum(decision->id));
	batch_add(&before->crm_keys, text_or_null(deed->crm_key));
	batch_add(&before->kinds, CStringGetTextDatum(updated ? "update" : "delete"));
	batch_add(&before->befores, decision->ours ? decision->ours : DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	batch_add(&before->writes, updated ? deed->write : (Datum) 0);
	batch_add(&before->shown, updated ? deed->shown : (Datum) 0);
}

/* What was in the CRM before, and what the timeline says, of one deed that was done. */
static void
note_deed(const Deed *deed, Columns *before, Columns *happened)
{
	const Decision *decision = deed->decision;
	bool		updated = deed->shown != (Datum) 0 && decision->action != DECISION_CREATE;
	ListCell   *cell;

	if (updated || decision->action == DECISION_DELETE)
		note_before(deed, before);
	if (decision->action == DECISION_LINK)
		add_activity(happened, deed, "linked",
					 (const char *const[]) {"origin", decision->origin, "reason", decision->reason, NULL});
	if (updated)
		add_line(happened, deed, "updated", deed->write, decision->overwritten);
	if (decision->action == DECISION_DELETE)
		add_activity(happened, deed, "deleted", (const char *const[]) {"reason", decision->reason, NULL});
	if (decision->action == DECISION_DETACH)
		add_activity(happened, deed, "unlinked", (const char *const[]) {"reason", decision->reason, NULL});
	foreach(cell, deed->moves)
	{
		const Move *move = lfirst(cell);

		add_activity(happened, deed, "event",
					 (const char *const[]) {"event", move->event, "column", move->column, "to", move->to, NULL});
	}
}

/* A problem that was decided, or that events left behind; false if there is none. */
static bool
note_problem(const Deed *deed, ErrorRows *errors)
{
	const Decision *decision = deed->decision;
	const Refusal *refusal = deed->refusal;

	if (decision->action == DECISION_WAIT)
		failure_add(errors, decision->id, deed->crm_key, decision->problem ? decision->problem : "reference_waiting", NULL,
					decision->detail, NULL, decision->waits_for, &failure_waiting);
	else if (decision->action == DECISION_ERROR)
		failure_add(errors, decision->id, deed->crm_key, decision->problem ? decision->problem : "crm_refused", NULL,
					decision->detail, NULL, decision->waits_for, &failure_refused);
	else if (refusal)
		failure_add(errors, decision->id, deed->crm_key, refusal->problem, refusal->column, refusal->detail, refusal->sqlstate,
					(Datum) 0, &failure_refused);
	else
		return false;
	return true;
}

/* Errors of records that are all right now. */
static void
delete_errors(int32 mapping_id, const Batch *ids)
{
	static SqlStatement delete = {
		"DELETE FROM qbsync.crm_error e WHERE e.mapping_id = $1 AND e.id = ANY ($2)", 2, {INT4OID, TEXTARRAYOID}
	};

	(void) run_with_ids(&delete, mapping_id, ids);
}

/* Records that wait for those linked now are tried at once; their workers are woken by the one who calls. */
static void
release_waiting(const Mapping *mapping, const Deed **linked, int n)
{
	static SqlStatement release = {
		"SELECT qbsync.release_waiting($1, $2)", 2, {INT4OID, TEXTARRAYOID}
	};
	Batch		refs = {0};
	Datum		values[2];

	for (int i = 0; i < n; i++)
		batch_add(&refs, CStringGetTextDatum(psprintf("%s:%s", mapping->entity, linked[i]->decision->id)));
	values[0] = Int32GetDatum(mapping->connection_id);
	values[1] = batch_array(&refs, TEXTOID);
	sql_execute(&release, values, NULL);
}

/* One message a turn, however many records it wrote; none during the first sync. */
static void
notify(const MappingState *state, int count)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfoString(&payload, "{\"connection\":");
	escape_json(&payload, state->connection_name);
	appendStringInfoString(&payload, ",\"mapping\":");
	escape_json(&payload, state->mapping_name);
	appendStringInfo(&payload, ",\"kind\":\"crm\",\"count\":%d}", count);
	/* as for a connection: a name that long belongs to no one */
	if (payload.len < 7500)
		Async_Notify("qbsync", payload.data);
}

void
settle_claim(const Mapping *mapping, const MappingState *state, const Claim *claim)
{
	static SqlStatement done = {
		"DELETE FROM qbsync.arrival a USING unnest($2::text[]) AS u(id)"
		" WHERE a.mapping_id = $1 AND a.arrival_id BETWEEN $3 AND $4 AND a.action = 'apply' AND a.id = u.id",
		4, {INT4OID, TEXTARRAYOID, INT8OID, INT8OID}
	};
	static SqlStatement undone = {
		"DELETE FROM qbsync.arrival a WHERE a.mapping_id = $1 AND a.arrival_id = $2", 2, {INT4OID, INT8OID}
	};
	static SqlStatement swept = {
		"UPDATE qbsync.mapping SET sweep_after = $2 WHERE mapping_id = $1 AND sweep_after IS NOT DISTINCT FROM $3",
		3, {INT4OID, TEXTOID, TEXTOID}
	};
	static SqlStatement sweep_ends = {
		"UPDATE qbsync.mapping SET sweep_after = NULL,"
		" backfill_asked_by = CASE WHEN first_sync_done_at IS NULL"
		"  AND qbsync.effective_policies(mapping_id) ->> 'initial_push' = 'true' THEN enabled_by ELSE backfill_asked_by END,"
		" first_sync_done_at = coalesce(first_sync_done_at, clock_timestamp())"
		" WHERE mapping_id = $1 AND sweep_after IS NOT DISTINCT FROM $3",
		3, {INT4OID, TEXTOID, TEXTOID}
	};
	Datum		values[4];

	values[0] = Int32GetDatum(mapping->mapping_id);
	if (claim->undo_arrival != 0)
	{
		values[1] = Int64GetDatum(claim->undo_arrival);
		sql_execute(&undone, values, NULL);
	}
	if (claim->first_arrival != 0)
	{
		values[1] = batch_of_texts(claim->ids, claim->n);
		values[2] = Int64GetDatum(claim->first_arrival);
		values[3] = Int64GetDatum(claim->last_arrival);
		sql_execute(&done, values, NULL);
	}
	/* a sweep that was begun again meanwhile goes its own way */
	if (claim->sweep_to)
	{
		values[1] = CStringGetTextDatum(claim->sweep_to);
		values[2] = CStringGetTextDatum(state->sweep_after);
		sql_execute(claim->sweep_ends ? &sweep_ends : &swept, values, NULL);
	}
}

void
settle_undo(const Mapping *mapping, const Claim *claim, Deed *deeds, int ndeeds)
{
	static SqlStatement say = {
		"INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail)"
		" SELECT m.connection_id, m.mapping_id, m.entity, $2, u.crm_key, 'undone', jsonb_strip_nulls(jsonb_build_object("
		"'decision', $3 -> 'decision_id', 'columns', qbsync.column_names(u.written)))"
		" FROM qbsync.mapping m CROSS JOIN unnest($4::text[], $5::jsonb[]) AS u(crm_key, written) WHERE m.mapping_id = $1",
		5, {INT4OID, TEXTOID, JSONBOID, TEXTARRAYOID, JSONBARRAYOID}
	};
	static SqlStatement over = {
		"DELETE FROM qbsync.crm_error e WHERE e.mapping_id = $1 AND e.id = '' AND e.watch_id = 0 AND e.crm_key IN"
		" (SELECT w.crm_key FROM qbsync.undo_work($1, $2) w)", 2, {INT4OID, JSONBOID}
	};
	Columns		before = {0};
	Datum		values[5];

	for (int i = 0; i < ndeeds; i++)
		if (!deeds[i].gone && (deeds[i].shown != (Datum) 0 || deeds[i].decision->action == DECISION_DELETE))
			note_before(&deeds[i], &before);
	insert_history(mapping->mapping_id, &before);
	values[0] = Int32GetDatum(mapping->mapping_id);
	if (before.ids.n > 0)
	{
		values[1] = CStringGetTextDatum(claim->undo_id);
		values[2] = claim->undo_arguments;
		values[3] = batch_array(&before.crm_keys, TEXTOID);
		values[4] = batch_array(&before.writes, JSONBOID);
		sql_execute(&say, values, NULL);
	}
	values[1] = claim->undo_arguments;
	sql_execute(&over, values, NULL);
}

/* Everything a turn has to say, table by table. */
typedef struct Settlement
{
	const Deed **fresh;			/* new links */
	int			nfresh;
	Columns		known;			/* links there are */
	Columns		before;			/* history */
	Columns		happened;		/* activity */
	Columns		candidates;
	Columns		conflicts;
	bool		cleans;			/* is there anything that matched, looked_at and good are for? */
	Batch		matched;		/* looked at, or waiting: it is known what they match */
	Batch		looked_at;
	Batch		missing;
	Batch		deleted;
	Batch		ended;
	Batch		good;
	ErrorRows	errors;
	int			written;
} Settlement;

/* A deed whose CRM record is there. */
static void
gather_present(Settlement *all, const Deed *deed)
{
	const Decision *decision = deed->decision;

	if (decision->action == DECISION_CREATE || decision->action == DECISION_LINK)
		all->fresh[all->nfresh++] = deed;
	else if (decision->action == DECISION_NONE || decision->action == DECISION_UPDATE)
	{
		/* an event may have written all the same */
		if (!decision->known || deed->shown != (Datum) 0 || deed->events_left != (Datum) 0)
			add_link(&all->known, deed);
	}
	else if (decision->action == DECISION_DETACH)
		batch_add(&all->ended, CStringGetTextDatum(decision->id));
	else if (decision->action == DECISION_DELETE)
		batch_add(&all->deleted, CStringGetTextDatum(decision->id));
	if (decision->candidates != (Datum) 0)
	{
		batch_add(&all->candidates.ids, CStringGetTextDatum(decision->id));
		batch_add(&all->candidates.details, decision->candidates);
	}
	if (decision->conflict != (Datum) 0)
	{
		batch_add(&all->conflicts.ids, CStringGetTextDatum(decision->id));
		batch_add(&all->conflicts.crm_keys, text_or_null(deed->crm_key));
		batch_add(&all->conflicts.details, decision->conflict);
		batch_add(&all->conflicts.ours_at, time_text(decision->ours_at));
		batch_add(&all->conflicts.theirs_at, time_text(decision->theirs_at));
	}
	if (deed->shown != (Datum) 0 || decision->created || decision->action == DECISION_DELETE)
		all->written++;
	note_deed(deed, &all->before, &all->happened);
}

/* Sort the deeds into what the tables get. */
static void
gather(Settlement *all, Deed *deeds, int ndeeds)
{
	for (int i = 0; i < ndeeds; i++)
	{
		const Deed *deed = &deeds[i];

		/* one that waits was matched, too: a question about it that is over is not asked any more */
		if (all->cleans)
			batch_add(&all->matched, CStringGetTextDatum(deed->decision->id));
		/* otherwise nothing is known of a record that cannot be decided now */
		if (note_problem(deed, &all->errors) && (deed->refusal == NULL || deed->refused))
			continue;
		if (all->cleans)
		{
			Datum		id = CStringGetTextDatum(deed->decision->id);

			batch_add(&all->looked_at, id);
			if (deed->refusal == NULL)
				batch_add(&all->good, id);
		}
		if (deed->gone || deed->decision->action == DECISION_MISSING)
			batch_add(&all->missing, CStringGetTextDatum(deed->decision->id));
		else
			gather_present(all, deed);
	}
}

static int
compare_ids(const void *id, const void *deed)
{
	return strcmp(id, ((const Deed *) deed)->decision->id);
}

/* Records that nothing was decided about are not QuickBooks' (any more): nothing waits for them. */
static void
gather_unknown(Settlement *all, const Claim *claim, const Deed *deeds, int ndeeds)
{
	for (int i = 0; i < claim->n; i++)
	{
		Datum		id;

		/* decisions are in order of id */
		if (ndeeds > 0 && bsearch(claim->ids[i], deeds, ndeeds, sizeof(Deed), compare_ids))
			continue;
		id = CStringGetTextDatum(claim->ids[i]);
		batch_add(&all->matched, id);
		batch_add(&all->looked_at, id);
		batch_add(&all->good, id);
	}
}

int
settle_turn(const Mapping *mapping, const MappingState *state, const Claim *claim, Deed *deeds, int ndeeds)
{
	int32		mapping_id = mapping->mapping_id;
	Settlement	all = {0};

	all.fresh = palloc(sizeof(Deed *) * Max(ndeeds, 1));
	all.cleans = state->has_candidates || state->has_conflicts || state->has_errors;
	gather(&all, deeds, ndeeds);
	if (all.cleans)
		gather_unknown(&all, claim, deeds, ndeeds);
	settle_links(mapping, all.fresh, all.nfresh);
	update_links(mapping_id, &all.known);
	if (all.missing.n > 0)
		sends_gone(mapping, batch_array(&all.missing, TEXTOID));
	mark_missing(mapping_id, &all.missing, true);
	mark_missing(mapping_id, &all.deleted, false);
	delete_links(mapping_id, &all.ended);
	settle_candidates(mapping_id, state->has_candidates, &all.matched, &all.candidates);
	settle_conflicts(mapping_id, state->has_conflicts, &all.looked_at, &all.conflicts);
	insert_history(mapping_id, &all.before);
	insert_activity(mapping_id, &all.happened);
	if (state->has_errors)
		delete_errors(mapping_id, &all.good);
	failure_write(mapping_id, &all.errors);
	/* a parent and its child may have come in the same turn */
	if ((state->has_waiting || all.errors.ids.n > 0) && all.nfresh > 0)
		release_waiting(mapping, all.fresh, all.nfresh);
	sends_settle(mapping, state, claim, deeds, ndeeds);
	if (state->has_sends)
		sends_look_again(mapping, deeds, ndeeds);
	sends_wait_for_creations(mapping, deeds, ndeeds);
	if (state->has_waiting_sends && all.nfresh > 0)
		sends_release(mapping, all.fresh, all.nfresh);
	settle_claim(mapping, state, claim);
	if (all.written > 0 && !state->first_sync)
		notify(state, all.written);
	return all.written;
}
