/*
 * What could not be done for single records, in words for the person who mends it.
 */

/*
 * Who has a name that QuickBooks says is taken, and a name that is free.  QuickBooks compares without letter case, and customers
 * share their names with vendors and employees, who are not read: when no customer has it, one of those does.
 *
 * The mirror is read once for all of them, and not at all when there are none.  Wanted names and customers are put one after the
 * other and brought together by sorting: a join would be left to estimates, which know nothing of errors that came a second ago.
 */
CREATE VIEW qbsync.taken_name AS
WITH wanted AS MATERIALIZED (
	SELECT w.*, qbsync.normalize_name(w.name) || length(btrim(w.name)) AS key
	FROM qbsync.send_error e
	JOIN qbsync.connection n ON n.connection_id = e.connection_id
	JOIN qbsync.mapping m ON m.mapping_id = e.mapping_id
	CROSS JOIN LATERAL (
		SELECT e.error_id, e.connection_id, e.id, 0 AS n, e.record_name AS name
		UNION ALL
		SELECT e.error_id, e.connection_id, e.id, g.n, format('%s (%s%s)', regexp_replace(e.record_name, ' \((customer|client)( \d+)?\)$', ''),
			CASE qbsync.language(m.policies, n.settings) WHEN 'fr' THEN 'client' ELSE 'customer' END, CASE WHEN g.n > 1 THEN ' ' || g.n END)
		FROM generate_series(1, 5) g(n)) w
	WHERE e.code = 6240 AND e.entity = 'customer' AND e.record_name IS NOT NULL AND e.dismissed_at IS NULL
), named AS (
	SELECT w.error_id, w.connection_id, w.id, w.n, w.name, w.key, NULL::text COLLATE "C" AS holder_id FROM wanted w
	UNION ALL
	SELECT NULL, c.connection_id, NULL, NULL, NULL, qbsync.normalize_name(c.display_name) || length(c.display_name), c.id
	FROM qbsync.customer c
	WHERE EXISTS (SELECT FROM wanted) AND c.deleted_at IS NULL
	  AND (qbsync.normalize_name(c.display_name) || length(c.display_name) IN (SELECT w.key FROM wanted w)) IS TRUE
)
SELECT h.error_id, max(h.holder_id) FILTER (WHERE h.n = 0) AS holder_id,
	(array_agg(h.name ORDER BY h.n) FILTER (WHERE h.n > 0 AND h.holder_id IS NULL AND h.name <> h.taken))[1] AS free_name
FROM (
	SELECT k.error_id, k.n, k.name, max(k.name) FILTER (WHERE k.n = 0) OVER (PARTITION BY k.error_id) AS taken,
		(array_remove(array_agg(k.holder_id) FILTER (WHERE k.holder_id IS NOT NULL) OVER (PARTITION BY k.connection_id, k.key), k.id))[1] AS holder_id
	FROM named k) h
WHERE h.error_id IS NOT NULL
GROUP BY h.error_id;
COMMENT ON VIEW qbsync.taken_name IS 'Names that QuickBooks refused because they are taken: the customer that has it, null when none does, and a name that no customer has';

CREATE FUNCTION qbsync.fill_text(text text, error_id bigint, name text, holder text, holder_id text, free_name text, link text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	-- what people named comes last, so that nothing in it is taken for a place to be filled
	SELECT replace(replace(replace(replace(replace(replace(fill_text.text,
		'qbsync_retry(…)', format('qbsync_retry(%s)', fill_text.error_id)),
		'{holder_id}', coalesce(fill_text.holder_id, '')),
		'{link}', coalesce(fill_text.link, '')),
		'{free_name}', coalesce(fill_text.free_name, '…')),
		'{holder}', coalesce(fill_text.holder, '')),
		'{name}', coalesce(fill_text.name, ''));
$fn$;
COMMENT ON FUNCTION qbsync.fill_text(text, bigint, text, text, text, text, text) IS 'A text of qbsync.fault_text or problem with its places filled, see the comments there';

/*
 * All directions of failure: what could not be read into the mirror, what the CRM would not take, what QuickBooks would not.  Their numbers come
 * from one sequence.
 *
 * A code of QuickBooks has a better text than the problem it stands for, except where the problem is what became of a refusal.
 */
CREATE VIEW qbsync.error_open WITH (security_barrier) AS
WITH taken AS MATERIALIZED (
	SELECT k.error_id, k.holder_id, k.free_name FROM qbsync.taken_name k
)
SELECT e.error_id, c.name AS connection, e.connection_id, e.entity, e.id, e.problem,
	qbsync.fill_text(coalesce(f.meaning, t.meaning, p.meaning), e.error_id, e.record_name, (SELECT h.display_name FROM qbsync.customer h WHERE h.connection_id = e.connection_id AND h.id = k.holder_id), k.holder_id, k.free_name, NULL) AS meaning,
	CASE WHEN e.problem = 'send_unanswered' AND e.detail IS NOT NULL THEN qbsync.label_with('sentence', 'wait_for_it', w.language, ARRAY[e.detail]) ELSE e.detail END AS detail,
	qbsync.fill_text(coalesce(f.remedy, t.remedy, p.remedy), e.error_id, e.record_name, (SELECT h.display_name FROM qbsync.customer h WHERE h.connection_id = e.connection_id AND h.id = k.holder_id), k.holder_id, k.free_name,
		CASE WHEN k.holder_id IS NOT NULL THEN format('SELECT qbsync_link(crm_key => %L, id => %L, mapping => %L);', e.crm_key, k.holder_id, m.name) END) AS what_to_do,
	e.first_seen, e.last_seen, now() - e.first_seen AS age, e.occurrences, e.has_record,
	m.name AS mapping, coalesce((SELECT k.relation_name FROM qbsync.watch k WHERE k.watch_id = nullif(e.watch_id, 0)), m.crm_table) AS crm_table, e.crm_key, e.column_name, e.waits_for, e.next_attempt_at, e.code, e.message, e.intuit_tid,
	coalesce(e.record_name, (SELECT r.name FROM qbsync.record r WHERE r.connection_id = e.connection_id AND r.entity = e.entity AND r.id = e.id)) AS record_name,
	CASE WHEN e.column_name IS NOT NULL THEN (
		SELECT qbsync.qualified(v.relation) || '.' || quote_ident(v.base_column)
		FROM qbsync.view_columns(m.view) v
		-- the view names a reference by the CRM's key
		WHERE v.column_name IN (e.column_name, regexp_replace(e.column_name, '_id$', '_key')) AND v.relation IS NOT NULL
		ORDER BY v.column_name = e.column_name DESC LIMIT 1) END AS crm_column,
	coalesce(f.language, t.language, 'en') AS language
FROM (
	SELECT r.error_id, r.connection_id, r.entity, r.id, r.problem, r.detail, r.first_seen, r.last_seen, r.occurrences,
		r.record IS NOT NULL AS has_record, NULL::integer AS mapping_id, NULL::text COLLATE "C" AS crm_key, NULL::text AS record_name, NULL::text AS column_name,
		NULL::text[] AS waits_for, NULL::timestamptz AS next_attempt_at, NULL::integer AS code, NULL::text AS message, NULL::text AS intuit_tid,
		NULL::integer AS watch_id
	FROM qbsync.error r
	UNION ALL
	SELECT r.error_id, r.connection_id, r.entity, nullif(r.id, ''), r.problem, r.detail, r.first_seen, r.last_seen, r.occurrences,
		false, r.mapping_id, nullif(r.crm_key, ''), NULL, r.column_name, r.waits_for, r.next_attempt_at, NULL, NULL, NULL,
		r.watch_id
	FROM qbsync.crm_error r
	WHERE r.dismissed_at IS NULL
	UNION ALL
	SELECT r.error_id, r.connection_id, r.entity, r.id, r.problem, r.detail, r.first_seen, r.last_seen, r.attempts,
		false, r.mapping_id, r.crm_key, r.record_name, r.column_name, r.waits_for, nullif(r.next_attempt_at, 'infinity'), r.code, r.message, r.intuit_tid,
		NULL
	FROM qbsync.send_error r
	WHERE r.dismissed_at IS NULL
	UNION ALL
	SELECT -r.request_id, r.connection_id, r.entity, r.id, 'send_unanswered', r.waiting, r.first_sent_at, r.sent_at, NULL,
		false, r.mapping_id, r.crm_key, r.record_name, NULL, NULL, NULL, NULL, NULL, NULL,
		NULL
	FROM qbsync.unanswered r
) e
-- what was on its way when a company was disconnected may be there
JOIN qbsync.connection c ON c.connection_id = e.connection_id AND (c.state <> 'disconnected' OR e.problem = 'send_unanswered') AND qbsync.may_see(e.entity)
LEFT JOIN qbsync.mapping m ON m.mapping_id = e.mapping_id
CROSS JOIN LATERAL (SELECT qbsync.language(m.policies, c.settings) AS language OFFSET 0) w
LEFT JOIN qbsync.problem p ON p.code = e.problem
LEFT JOIN qbsync.problem_text t ON t.code = e.problem AND t.language = w.language
LEFT JOIN taken k ON k.error_id = e.error_id
LEFT JOIN LATERAL (
	SELECT x.language, x.meaning, x.remedy
	FROM qbsync.fault_text x
	WHERE e.problem <> 'send_ambiguous' AND x.code = e.code AND x.language IN (w.language, 'en')
	  AND (x.detail = '' OR strpos(lower(concat_ws(' ', e.message, e.detail)), x.detail) > 0)
	  AND x.holder IN ('', CASE WHEN k.holder_id IS NULL THEN 'other' WHEN e.id IS NULL THEN 'customer' ELSE 'other customer' END)
	  AND (x.holder = '' OR k.error_id IS NOT NULL)
	ORDER BY x.language = w.language DESC, length(x.detail) DESC, x.holder DESC
	LIMIT 1) f ON true;
COMMENT ON VIEW qbsync.error_open IS 'Records that could not be handled, with cause and remedy; a row leaves by itself when its cause is gone. What is wrong with a whole connection is in qbsync.status, with a mapping in qbsync.mapping_status';
COMMENT ON COLUMN qbsync.error_open.error_id IS 'for qbsync_retry and qbsync_dismiss, where there is a mapping; negative: it is asked for all the time (send_unanswered)';
COMMENT ON COLUMN qbsync.error_open.id IS 'QuickBooks'' id of the record; null when only the CRM record is known';
COMMENT ON COLUMN qbsync.error_open.meaning IS 'what the problem means, in policy language';
COMMENT ON COLUMN qbsync.error_open.detail IS 'particulars: what the CRM, PostgreSQL or QuickBooks said';
COMMENT ON COLUMN qbsync.error_open.what_to_do IS 'the way out, in policy language';
COMMENT ON COLUMN qbsync.error_open.age IS 'time since it was first seen';
COMMENT ON COLUMN qbsync.error_open.occurrences IS 'how often it was tried, or came from QuickBooks; null: not counted';
COMMENT ON COLUMN qbsync.error_open.has_record IS 'the bytes as they came are kept in qbsync.error.record';
COMMENT ON COLUMN qbsync.error_open.mapping IS 'name of the mapping that the record goes through; null: it failed on the way from QuickBooks';
COMMENT ON COLUMN qbsync.error_open.crm_table IS 'table of the CRM record; where a query of the watch list fails, the watched table';
COMMENT ON COLUMN qbsync.error_open.crm_key IS 'key of the CRM record, as text, where there is one';
COMMENT ON COLUMN qbsync.error_open.column_name IS 'column of the mapped view that the CRM or QuickBooks objects to, where they say so';
COMMENT ON COLUMN qbsync.error_open.waits_for IS 'records whose link it waits for: of QuickBooks as entity:id, on the way out of the CRM as mapping_id:crm_key; tried at once when one is linked';
COMMENT ON COLUMN qbsync.error_open.next_attempt_at IS 'when it is tried again by itself; null: when the CRM record changes; qbsync_retry does it now';
COMMENT ON COLUMN qbsync.error_open.code IS 'QuickBooks'' error code, of what it refused';
COMMENT ON COLUMN qbsync.error_open.message IS 'QuickBooks'' own words';
COMMENT ON COLUMN qbsync.error_open.intuit_tid IS 'number by which Intuit''s support finds the call';
COMMENT ON COLUMN qbsync.error_open.record_name IS 'what people know the record by';
COMMENT ON COLUMN qbsync.error_open.crm_column IS 'the CRM''s own column behind column_name, as schema.table.column; null when the view computes it';
COMMENT ON COLUMN qbsync.error_open.language IS 'of meaning and what_to_do, fr or en: policy language, else that of lc_messages, as far as there are texts';
