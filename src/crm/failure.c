/*
 * failure.c
 *		Records that could not be written, and mappings that cannot be worked.  See failure.h.
 *
 * A failure is recorded in a transaction of its own, after the one that failed was rolled back.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "crm/failure.h"
#include "crm/write.h"

const Backoff failure_busy = {1, 60};
const Backoff failure_refused = {5, 3600};

/* Soon the first time: what it waits for may be linked by a transaction that does not see it waiting. */
const Backoff failure_waiting = {2, 3600};

/* A text or null. */
static Datum
text_or_null(const char *value)
{
	return value && value[0] != '\0' ? CStringGetTextDatum(value) : (Datum) 0;
}

void
failure_add(ErrorRows *rows, const char *id, const char *crm_key, const char *problem, const char *column,
			const char *detail, const char *sqlstate, Datum waits_for, const Backoff *backoff)
{
	batch_add(&rows->ids, CStringGetTextDatum(id));
	batch_add(&rows->crm_keys, text_or_null(crm_key));
	batch_add(&rows->problems, CStringGetTextDatum(problem));
	batch_add(&rows->columns, text_or_null(column));
	batch_add(&rows->details, text_or_null(detail));
	batch_add(&rows->sqlstates, text_or_null(sqlstate));
	if (waits_for != (Datum) 0)
	{
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(TEXTARRAYOID, &output, &is_varlena);
		batch_add(&rows->waits_for, CStringGetTextDatum(OidOutputFunctionCall(output, waits_for)));
	}
	else
		batch_add(&rows->waits_for, (Datum) 0);
	batch_add(&rows->backoffs, CStringGetTextDatum(psprintf("%g %g", backoff->first, backoff->longest)));
	batch_add(&rows->watches, CStringGetTextDatum("0"));
}

void
failure_add_watched(ErrorRows *rows, int32 watch_id, const char *key, const char *problem, const char *detail,
					const char *sqlstate, const Backoff *backoff)
{
	failure_add(rows, "", key, problem, NULL, detail, sqlstate, (Datum) 0, backoff);
	rows->watches.values[rows->watches.n - 1] = CStringGetTextDatum(psprintf("%d", watch_id));
}

void
failure_write(int32 mapping_id, const ErrorRows *rows)
{
	/*
	 * The key includes the CRM's, which may have come to be known, or be another one now: then the old row goes, and its
	 * count with it.  Errors of CRM records that have
	 * no link have no id: those have nothing to do with each other.  A problem that somebody dismissed is shown again when it has become another.
	 */
	static SqlStatement upsert = {
		"WITH given AS (SELECT m.mapping_id, m.connection_id, m.entity, u.id, coalesce(u.crm_key, l.crm_key, '') AS crm_key,"
		" u.problem, u.column_name, u.detail, u.sqlstate, u.waits_for::text[] AS waits_for,"
		" split_part(u.backoff, ' ', 1)::float8 AS first, split_part(u.backoff, ' ', 2)::float8 AS longest, u.watch_id::integer AS watch_id"
		" FROM qbsync.mapping m CROSS JOIN unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],"
		" $8::text[], $9::text[], $10::text[]) AS u(id, crm_key, problem, column_name, detail, sqlstate, waits_for, backoff, watch_id)"
		" LEFT JOIN qbsync.link l ON l.connection_id = m.connection_id AND l.entity = m.entity AND l.id = u.id AND l.family = m.family"
		" WHERE m.mapping_id = $1),"
		" stale AS (DELETE FROM qbsync.crm_error e USING given g"
		" WHERE e.mapping_id = g.mapping_id AND e.id = g.id AND g.id <> '' AND e.crm_key <> g.crm_key)"
		" INSERT INTO qbsync.crm_error AS e (mapping_id, connection_id, entity, id, crm_key, problem, column_name, detail,"
		" sqlstate, waits_for, watch_id, next_attempt_at)"
		" SELECT g.mapping_id, g.connection_id, g.entity, g.id, g.crm_key, g.problem, g.column_name, g.detail, g.sqlstate,"
		" g.waits_for, g.watch_id, clock_timestamp() + make_interval(secs => g.first) FROM given g"
		" ON CONFLICT (mapping_id, id, crm_key, watch_id) DO UPDATE SET problem = excluded.problem, column_name = excluded.column_name,"
		" detail = excluded.detail, sqlstate = excluded.sqlstate, waits_for = excluded.waits_for, last_seen = clock_timestamp(),"
		" occurrences = CASE WHEN e.problem = excluded.problem THEN e.occurrences + 1 ELSE 1 END,"
		" first_seen = CASE WHEN e.problem = excluded.problem THEN e.first_seen ELSE clock_timestamp() END,"
		" dismissed_at = CASE WHEN e.problem = excluded.problem THEN e.dismissed_at END,"
		" dismissed_by = CASE WHEN e.problem = excluded.problem THEN e.dismissed_by END,"
		" next_attempt_at = clock_timestamp() + make_interval(secs => (SELECT least(g.first * power(2,"
		" CASE WHEN e.problem = excluded.problem THEN least(e.occurrences, 20) ELSE 0 END), g.longest)"
		" FROM given g WHERE g.id = excluded.id AND g.crm_key = excluded.crm_key AND g.watch_id = excluded.watch_id LIMIT 1))",
		10, {INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum		values[10];

	if (rows->ids.n == 0)
		return;
	values[0] = Int32GetDatum(mapping_id);
	values[1] = batch_array(&rows->ids, TEXTOID);
	values[2] = batch_array(&rows->crm_keys, TEXTOID);
	values[3] = batch_array(&rows->problems, TEXTOID);
	values[4] = batch_array(&rows->columns, TEXTOID);
	values[5] = batch_array(&rows->details, TEXTOID);
	values[6] = batch_array(&rows->sqlstates, TEXTOID);
	values[7] = batch_array(&rows->waits_for, TEXTOID);
	values[8] = batch_array(&rows->backoffs, TEXTOID);
	values[9] = batch_array(&rows->watches, TEXTOID);
	sql_execute(&upsert, values, NULL);
}

bool
failure_is_busy(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || sqlerrcode == ERRCODE_QUERY_CANCELED;
}

bool
failure_is_refusal(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_WITH_CHECK_OPTION_VIOLATION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_RAISE_EXCEPTION) ||
		sqlerrcode == ERRCODE_CRM_NO_KEY || sqlerrcode == ERRCODE_CRM_RETURNED_NOTHING || sqlerrcode == ERRCODE_CRM_KEY_CHANGED;
}

const char *
failure_problem(int sqlerrcode)
{
	if (sqlerrcode == ERRCODE_CRM_NO_KEY)
		return "crm_no_key";
	if (sqlerrcode == ERRCODE_CRM_RETURNED_NOTHING)
		return "crm_returned_nothing";
	if (sqlerrcode == ERRCODE_CRM_KEY_CHANGED)
		return "crm_key_changed";
	return failure_is_busy(sqlerrcode) ? "crm_busy" : "crm_refused";
}

TimestampTz
failure_of_mapping(int32 mapping_id, const char *problem, const char *detail)
{
	static SqlStatement update = {
		"UPDATE qbsync.mapping m SET problem = $2, problem_detail = $3,"
		" problem_since = CASE WHEN m.problem = $2 THEN m.problem_since ELSE now() END, attempts = m.attempts + 1,"
		/* each round of refusals records other records: the good ones behind them must not wait for long */
		" next_attempt_at = clock_timestamp() + make_interval(secs => least(power(2, least(m.attempts, 10)),"
		" CASE $2 WHEN 'crm_refuses_all' THEN 5 ELSE 300 END))"
		" FROM (SELECT o.problem FROM qbsync.mapping o WHERE o.mapping_id = $1 FOR NO KEY UPDATE) old"
		" WHERE m.mapping_id = $1 RETURNING m.next_attempt_at, m.name, old.problem IS DISTINCT FROM $2",
		3, {INT4OID, TEXTOID, TEXTOID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id), CStringGetTextDatum(problem), CStringGetTextDatum(detail)};
	TimestampTz next = 0;

	if (sql_execute(&update, values, NULL) > 0)
	{
		next = DatumGetTimestampTz(sql_datum(0, 1, NULL));
		if (DatumGetBool(sql_datum(0, 3, NULL)))
			ereport(LOG,
					(errmsg("mapping \"%s\" waits: %s", sql_text(0, 2, CurrentMemoryContext), problem),
					 errdetail("%s", detail)));
	}
	SPI_freetuptable(SPI_tuptable);
	return next;
}

void
failure_over(int32 mapping_id, const char *mapping_name)
{
	static SqlStatement update = {
		"UPDATE qbsync.mapping SET problem = NULL, problem_detail = NULL, problem_since = NULL, attempts = 0, next_attempt_at = NULL"
		" WHERE mapping_id = $1 AND problem IS NOT NULL",
		1, {INT4OID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id)};

	if (sql_execute(&update, values, NULL) > 0)
		ereport(LOG, (errmsg("mapping \"%s\" goes on", mapping_name)));
}
