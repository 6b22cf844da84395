/*
 * What changed in QuickBooks, for people: every superseded version with what became of it, and the changes to documents of a closed
 * period (EXT-24).
 *
 * A change is worked out when it is asked for, a millisecond or two each: ask for a record, for a span of time, or for the newest, in
 * whose order they come (behind a security barrier no LIMIT is known).
 */

CREATE VIEW qbsync.record_change WITH (security_barrier) AS
SELECT v.connection, v.connection_id, c.entity, c.id, qbsync.record_name(c.connection_id, c.entity, c.id) AS name, m.crm_table, r.crm_key,
	c.valid_to AS at, d.kind, qbsync.change_text(c.connection_id, c.entity, d.kind, d.changes, v.language) AS text, d.changes,
	d.changed_at,
	CASE WHEN d.kind = 'changed' AND EXISTS (
		SELECT FROM qbsync.link l JOIN qbsync.activity a ON a.mapping_id = l.mapping_id AND a.crm_key = l.crm_key
		WHERE l.connection_id = c.connection_id AND l.entity = c.entity AND l.id = c.id
			AND a.id = c.id AND a.kind = 'sent' AND a.detail ->> 'sync_token' = d.sync_token)
		THEN 'qbsync' ELSE d.changed_by END AS changed_by,
	d.txn_date, d.total_before, d.total_after,
	coalesce(d.booked AND d.txn_date <= qbsync.book_close_date(c.connection_id, coalesce(d.changed_at, c.valid_to)), false) AS closed_period,
	c.valid_from
FROM qbsync.visible_connection v
JOIN qbsync.record_version c ON c.connection_id = v.connection_id
CROSS JOIN LATERAL qbsync.change_detail(c) d
LEFT JOIN qbsync.link r ON r.connection_id = c.connection_id AND r.entity = c.entity AND qbsync.same_id(c.id, r.id) AND r.family = 0
LEFT JOIN qbsync.mapping m ON m.mapping_id = r.mapping_id
WHERE c.entity = ANY (ARRAY(SELECT qbsync.readable_entities()))
ORDER BY c.valid_to DESC;
COMMENT ON VIEW qbsync.record_change IS 'What changed in records of QuickBooks, in words and by column, one row each time a record changed, was deleted or came back; kept for the setting version_days, newest first. Ask for a record, a span of time or the newest';
COMMENT ON COLUMN qbsync.record_change.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.record_change.name IS 'what the record is called now';
COMMENT ON COLUMN qbsync.record_change.crm_table IS 'table of the CRM record it is linked with; null when it is not';
COMMENT ON COLUMN qbsync.record_change.crm_key IS 'key of the CRM record it is linked with; null when it is not';
COMMENT ON COLUMN qbsync.record_change.at IS 'when it was seen here: start of the request that brought it';
COMMENT ON COLUMN qbsync.record_change.kind IS 'changed, deleted, restored (it was deleted, or found to be, and is there again)';
COMMENT ON COLUMN qbsync.record_change.text IS 'what changed, in the language of the company';
COMMENT ON COLUMN qbsync.record_change.changes IS 'the same as a list: {column, from, to}; of lines with table and line (their place); {table, line, added}, {table, line, removed}. Empty: only what has no column changed';
COMMENT ON COLUMN qbsync.record_change.changed_at IS 'when it happened in QuickBooks; the last time, if it changed several times between two looks';
COMMENT ON COLUMN qbsync.record_change.changed_by IS 'qbsync: a change of the CRM record crm_key that was sent; otherwise QuickBooks'' number of the user, where QuickBooks says it; null: not known';
COMMENT ON COLUMN qbsync.record_change.txn_date IS 'of a document: its date, the earlier of the two if that changed';
COMMENT ON COLUMN qbsync.record_change.total_before IS 'of a document: its total before, 0 if it was deleted';
COMMENT ON COLUMN qbsync.record_change.total_after IS 'of a document: its total after, 0 if it is deleted';
COMMENT ON COLUMN qbsync.record_change.closed_period IS 'the document''s date was in a period whose books were closed when it was changed (preferences are read once a day), and the change touches what is in the books (not balances, delivery, addresses, memos)';
COMMENT ON COLUMN qbsync.record_change.valid_from IS 'since when the version before had held';

CREATE TABLE qbsync.handled_change (
	connection_id	integer NOT NULL,
	entity			text COLLATE "C" NOT NULL,
	id				text COLLATE "C" NOT NULL,
	until			timestamptz NOT NULL,
	how				text NOT NULL CHECK (how IN ('restate', 'catch_up', 'handled')),
	handled_at		timestamptz NOT NULL DEFAULT now(),
	handled_by		name NOT NULL DEFAULT session_user,
	PRIMARY KEY (connection_id, entity, id)
);
ALTER TABLE qbsync.handled_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON qbsync.handled_change FOR SELECT USING (entity = ANY (ARRAY(SELECT qbsync.readable_entities())));
COMMENT ON TABLE qbsync.handled_change IS 'Documents of a closed period whose changes somebody has dealt with, see qbsync_handle_change';
COMMENT ON COLUMN qbsync.handled_change.until IS 'changes seen until then are dealt with';
COMMENT ON COLUMN qbsync.handled_change.how IS 'restate: the closed period is reported anew; catch_up: the difference is booked in the current one; handled: otherwise';

/* Made from the catalogue, so that a new entity is in it (upgrade scripts call the function again). */
CREATE FUNCTION qbsync.create_document_view()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	EXECUTE (
		SELECT 'CREATE OR REPLACE VIEW qbsync.any_document AS ' || string_agg(format(
			'SELECT t.connection_id, %L::text AS entity, t.id, t.create_time, t.txn_date, t.seen_at, t.raw FROM qbsync.%I t', e.entity, e.entity), ' UNION ALL ' ORDER BY e.load_order)
		FROM qbsync.catalogue e
		WHERE e.transaction AND EXISTS (SELECT FROM qbsync.catalogue_column c WHERE c."table" = e.entity AND c."column" = 'txn_date'));
END
$fn$;
COMMENT ON FUNCTION qbsync.create_document_view() IS 'Makes the view qbsync.any_document as the catalogue says; install and upgrade scripts call it';
SELECT qbsync.create_document_view();
COMMENT ON VIEW qbsync.any_document IS 'Every document of the mirror, whatever its entity, with its date';

CREATE VIEW qbsync.closed_period_change WITH (security_barrier) AS
SELECT c.connection, c.connection_id, c.entity, c.id, c.name, c.crm_table, c.crm_key, c.at, c.kind, c.text, c.changes, c.changed_at, c.changed_by,
	c.txn_date, c.total_before, c.total_after, c.total_after - c.total_before AS difference,
	format('SELECT qbsync_handle_change(%L, %L, ''catch_up'', %L)', c.entity, c.id, c.connection) AS resolve
FROM qbsync.record_change c
LEFT JOIN qbsync.handled_change h ON h.connection_id = c.connection_id AND h.entity = c.entity AND h.id = c.id AND h.until >= c.at
WHERE c.closed_period AND h.id IS NULL
UNION ALL
-- documents made since the past is known, as they were first; QuickBooks' times have whole seconds
SELECT v.connection, v.connection_id, d.entity, d.id, qbsync.record_name(d.connection_id, d.entity, d.id), m.crm_table, r.crm_key, f.at, 'created',
	qbsync.change_words(v.language) ->> 'created', '[]', d.create_time, f.raw #>> '{MetaData,LastModifiedByRef,value}', d.txn_date, 0, f.total, f.total,
	format('SELECT qbsync_handle_change(%L, %L, ''catch_up'', %L)', d.entity, d.id, v.connection)
FROM qbsync.visible_connection v
JOIN qbsync.preferences p ON p.connection_id = v.connection_id
JOIN qbsync.any_document d ON d.connection_id = v.connection_id AND d.txn_date <= p.book_close_date
	AND d.create_time >= (SELECT date_trunc('second', min(u.known_since)) FROM qbsync.cursor u WHERE u.connection_id = v.connection_id)
	AND d.entity = ANY (ARRAY(SELECT qbsync.readable_entities()))
CROSS JOIN LATERAL (
	SELECT k.at, k.raw, CASE jsonb_typeof(coalesce(k.raw -> 'TotalAmt', k.raw -> 'Amount')) WHEN 'number' THEN coalesce(k.raw ->> 'TotalAmt', k.raw ->> 'Amount')::numeric END AS total
	FROM (SELECT c.valid_from AS at, c.raw FROM qbsync.record_version c WHERE c.connection_id = d.connection_id AND c.entity = d.entity AND c.id = d.id
		  UNION ALL SELECT d.seen_at, d.raw) k
	ORDER BY k.at LIMIT 1
) f
LEFT JOIN qbsync.link r ON r.connection_id = d.connection_id AND r.entity = d.entity AND r.id = d.id AND r.family = 0
LEFT JOIN qbsync.mapping m ON m.mapping_id = r.mapping_id
WHERE d.create_time >= date_trunc('second', qbsync.known_since(d.connection_id, d.entity)) AND d.txn_date <= qbsync.book_close_date(d.connection_id, d.create_time)
	AND NOT EXISTS (SELECT FROM qbsync.handled_change h WHERE h.connection_id = d.connection_id AND h.entity = d.entity AND h.id = d.id AND h.until >= f.at);
COMMENT ON VIEW qbsync.closed_period_change IS 'Documents of a closed period that were made, changed or deleted in QuickBooks after its books were closed, and that nobody has dealt with yet: reports that were made of that period no longer agree with QuickBooks';
COMMENT ON COLUMN qbsync.closed_period_change.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.closed_period_change.difference IS 'total after less total before, in the document''s currency: what catching up books in the current period';
COMMENT ON COLUMN qbsync.closed_period_change.resolve IS 'the call that takes it from this list; ''restate'' or ''handled'' in place of ''catch_up'', whichever was done';

CREATE FUNCTION @extschema@.qbsync_handle_change(entity text, id text, how text DEFAULT 'handled', connection text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	which integer := qbsync.the_connection(qbsync_handle_change.connection);
BEGIN
	PERFORM qbsync.require_word('how', qbsync_handle_change.how, 'restate', 'catch_up', 'handled');
	PERFORM qbsync.require_sight(qbsync_handle_change.entity);
	IF NOT EXISTS (SELECT FROM qbsync.record_version v
				   WHERE v.connection_id = which AND v.entity = qbsync_handle_change.entity AND v.id = qbsync_handle_change.id)
	   AND NOT EXISTS (SELECT FROM qbsync.any_document d
					   WHERE d.connection_id = which AND d.entity = qbsync_handle_change.entity AND d.id = qbsync_handle_change.id) THEN
		RAISE EXCEPTION '% "%" has not changed', qbsync_handle_change.entity, qbsync_handle_change.id
			USING ERRCODE = 'undefined_object', HINT = 'See qbsync.closed_period_change.';
	END IF;
	INSERT INTO qbsync.handled_change AS h (connection_id, entity, id, until, how)
	SELECT which, qbsync_handle_change.entity, qbsync_handle_change.id, max(k.seen), qbsync_handle_change.how
	FROM (SELECT v.valid_to AS seen FROM qbsync.record_version v
		  WHERE v.connection_id = which AND v.entity = qbsync_handle_change.entity AND v.id = qbsync_handle_change.id
		  UNION ALL
		  SELECT d.seen_at FROM qbsync.any_document d
		  WHERE d.connection_id = which AND d.entity = qbsync_handle_change.entity AND d.id = qbsync_handle_change.id) k
	ON CONFLICT ON CONSTRAINT handled_change_pkey DO UPDATE SET until = excluded.until, how = excluded.how, handled_at = excluded.handled_at, handled_by = excluded.handled_by;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_handle_change(text, text, text, text) IS 'Notes that what changed so far in a document of a closed period was dealt with: restate, catch_up or handled; it leaves qbsync.closed_period_change until it changes again. SECURITY DEFINER: writes qbsync.handled_change';
