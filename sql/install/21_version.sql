/*
 * Versions: what the records of the mirror were before (EXT-24).
 *
 * When a row of the mirror is replaced by other bytes, a deletion included, the gateway keeps the old one here, in the same
 * transaction (src/inbound/mirror_version.c).  First loads keep nothing, nor does what did not change.  A version held from its
 * seen_at, the start of the request that brought it, until that of the version that replaced it; the one that holds now is in
 * the mirror's own table.  So the state at a time is a row of the mirror seen before it, or else the one version that held then.
 *
 * Not dumped: it belongs to the mirror, which a restored database reads anew.
 */

CREATE TABLE qbsync.record_version (
	connection_id		integer NOT NULL,
	entity				text COLLATE "C" NOT NULL,
	id					text COLLATE "C" NOT NULL,
	valid_from			timestamptz NOT NULL,
	valid_to			timestamptz NOT NULL,
	sync_token			text,
	create_time			timestamptz,
	last_updated_time	timestamptz,
	deleted_at			timestamptz,
	fingerprint			bigint,
	altered				text[],
	raw					jsonb
);
-- Not unique: a duplicate would do little harm, and an error in the gateway's way much.
CREATE INDEX record_version_idx ON qbsync.record_version (connection_id, entity, id, valid_to);
-- Rows come in order of time, so this index costs little; for what is purged, and for whoever asks what is new.
CREATE INDEX record_version_valid_to_idx ON qbsync.record_version (valid_to);
DO $do$
BEGIN
	ALTER TABLE qbsync.record_version ALTER COLUMN raw SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;				-- a server built without lz4
END
$do$;
COMMENT ON TABLE qbsync.record_version IS 'Superseded versions of mirrored records, as QuickBooks sent them; kept for the setting version_days. Read qbsync.record_change, qbsync_as_of or the functions qbsync.…_as_of instead. Whoever may read the mirror table of an entity may read its versions';
COMMENT ON COLUMN qbsync.record_version.valid_from IS 'when it began to hold: start of the request that brought it';
COMMENT ON COLUMN qbsync.record_version.valid_to IS 'when it ceased to: start of the request that brought the version that replaced it';
COMMENT ON COLUMN qbsync.record_version.sync_token IS 'QuickBooks'' number of the version';
COMMENT ON COLUMN qbsync.record_version.last_updated_time IS 'when it was made in QuickBooks';
COMMENT ON COLUMN qbsync.record_version.deleted_at IS 'the record was deleted then; the rest is its last content';
COMMENT ON COLUMN qbsync.record_version.raw IS 'the whole record as QuickBooks sent it; null if only its deletion was known';

/* As the one who asks: SELECT on the table of the mirror. */
CREATE FUNCTION qbsync.readable_entities()
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT e.entity FROM qbsync.catalogue_entities() e WHERE has_table_privilege(format('qbsync.%I', e.entity), 'SELECT');
$fn$;
COMMENT ON FUNCTION qbsync.readable_entities() IS 'Entities whose mirror tables the current user may read';

-- What is kept apart in the mirror (suppliers, and what is bought) is kept apart here, too.
ALTER TABLE qbsync.record_version ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON qbsync.record_version FOR SELECT USING (entity = ANY (ARRAY(SELECT qbsync.readable_entities())));

CREATE FUNCTION qbsync.version_days(connection_id integer)
RETURNS integer
LANGUAGE plpgsql STABLE SECURITY DEFINER		-- its plan is kept
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN coalesce((SELECT (c.settings ->> 'version_days')::integer FROM qbsync.connection c WHERE c.connection_id = version_days.connection_id), 400);
END
$fn$;
COMMENT ON FUNCTION qbsync.version_days(integer) IS 'Days for which superseded versions of a company''s records are kept (setting version_days); 0: none are. SECURITY DEFINER: qbsync.version_status calls it for readers, who may not read qbsync.connection';

/* A version is told from the row of the mirror it replaced; the columns that the catalogue makes of raw are made anew. */
CREATE FUNCTION qbsync.version_row(template anyelement, version qbsync.record_version)
RETURNS anyelement
LANGUAGE C STABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'qbsync_version_row';
COMMENT ON FUNCTION qbsync.version_row(anyelement, qbsync.record_version) IS 'Row of a mirror table that a version of a record was. template: a null of the table''s row type, such as NULL::qbsync.customer';

CREATE FUNCTION qbsync.version_lines(template anyelement, connection_id integer, id text, raw jsonb)
RETURNS SETOF anyelement
LANGUAGE C STABLE PARALLEL SAFE COST 100 ROWS 5
AS 'MODULE_PATHNAME', 'qbsync_version_lines';
COMMENT ON FUNCTION qbsync.version_lines(anyelement, integer, text, jsonb) IS 'Rows of a mirror table of lines that a version of a record had. template: a null of the table''s row type, such as NULL::qbsync.invoice_line';

/*
 * Since when the past of an entity is known: since it was first complete, or versions began to be kept again (cursor.known_since,
 * set by the gateway); and not for longer than versions are kept.
 */
CREATE FUNCTION qbsync.known_since(connection_id integer, entity text)
RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT greatest(r.known_since, now() - d.days * interval '1 day')
	FROM qbsync.cursor r CROSS JOIN qbsync.version_days(known_since.connection_id) AS d(days)
	WHERE r.connection_id = known_since.connection_id AND r.entity = known_since.entity AND r.known_since IS NOT NULL AND d.days > 0;
$fn$;
COMMENT ON FUNCTION qbsync.known_since(integer, text) IS 'Since when it is known what the records of an entity were; null: it is not. SECURITY DEFINER: as version_days';

/*
 * The company of a question about the past; as the functions …_as_of are parts of the query that calls them, this one
 * refuses what they cannot answer.
 */
CREATE FUNCTION qbsync.as_of_scope(entity text, connection text, at timestamptz)
RETURNS TABLE (connection_id integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	since timestamptz;
	name text;
BEGIN
	connection_id := qbsync.the_connection(as_of_scope.connection);
	SELECT v.connection INTO name FROM qbsync.visible_connection v WHERE v.connection_id = as_of_scope.connection_id;
	IF NOT FOUND THEN
		RETURN;			-- disconnected: nothing is shown of it
	END IF;
	since := qbsync.known_since(as_of_scope.connection_id, as_of_scope.entity);
	IF since IS NULL OR as_of_scope.at < since THEN
		RAISE EXCEPTION 'what "%" was in "%" is not known at that time', as_of_scope.entity, name
			USING ERRCODE = 'data_exception',
				  DETAIL = CASE WHEN since IS NOT NULL THEN format('It is known since %s.', since)
					  WHEN qbsync.version_days(as_of_scope.connection_id) = 0 THEN 'No versions are kept (version_days is 0).'
					  ELSE 'It is not loaded yet.' END,
				  HINT = 'See qbsync.version_status; versions are kept from the end of the first load on, for as long as the setting version_days says.';
	END IF;
	RETURN NEXT;
END
$fn$;
COMMENT ON FUNCTION qbsync.as_of_scope(text, text, timestamptz) IS 'Company that a question about the past is about (the only one when null); an error if what its records of an entity were is not known for that time, no row if it may not be shown. SECURITY DEFINER: readers may not read qbsync.connection and cursor';

/*
 * What an update adds to the mirror is filled from the records as QuickBooks sent them (raw): reading them again is metered, and what
 * did not change there is not written when it is read.
 */
CREATE FUNCTION qbsync.fill_mirror(mirror_table text, columns text[] DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	of text;
	lines text;
BEGIN
	SELECT l.entity INTO of FROM qbsync.catalogue_line l WHERE l."table" = fill_mirror.mirror_table;
	-- of: null for a table of records
	lines := format('qbsync.%1$s m CROSS JOIN LATERAL qbsync.version_lines(NULL::qbsync.%2$I, m.connection_id, m.id, m.raw) l', quote_ident(of), mirror_table);
	IF of IS NULL THEN
		EXECUTE format('UPDATE qbsync.%1$I m SET (%2$s) = (SELECT %3$s FROM qbsync.version_row(NULL::qbsync.%1$I, '
					   'jsonb_populate_record(NULL::qbsync.record_version, jsonb_build_object(''raw'', m.raw))) r) WHERE m.raw IS NOT NULL',
					   mirror_table, (SELECT string_agg(quote_ident(c), ', ') FROM unnest(columns) c),
					   (SELECT string_agg('r.' || quote_ident(c), ', ') FROM unnest(columns) c));
	ELSIF columns IS NULL THEN
		EXECUTE format('INSERT INTO qbsync.%I SELECT l.* FROM %s', mirror_table, lines);
	ELSE
		EXECUTE format('UPDATE qbsync.%I t SET %s FROM %s WHERE t.connection_id = m.connection_id AND t.%I = m.id AND t.position = l.position',
					   mirror_table, (SELECT string_agg(format('%1$I = l.%1$I', c), ', ') FROM unnest(columns) c), lines, of || '_id');
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.fill_mirror(text, text[]) IS 'Internal: fills columns of a mirror table, or a table of lines that has no rows yet (columns: null), from the records as QuickBooks sent them; for columns that an update adds, or reads from another place';
REVOKE ALL ON FUNCTION qbsync.fill_mirror(text, text[]) FROM PUBLIC;

/*
 * For each table of the mirror a function that gives it as it was.  Made from the catalogue; upgrade scripts call this again.
 * The bodies are parsed now, so no search_path can mislead them, and they have no SET clause, so that they are merged into
 * the query that calls them: a condition on id goes down to the indexes.
 */
CREATE FUNCTION qbsync.create_as_of_functions()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	t record;
	signatures text[];
	head text := 'CREATE OR REPLACE FUNCTION qbsync.%1$I(at timestamptz, connection text DEFAULT NULL) RETURNS SETOF qbsync.%2$I '
		'LANGUAGE sql STABLE ROWS 1000 BEGIN ATOMIC ';
	versions text := 'qbsync.as_of_scope(%3$L, $2, $1) s JOIN qbsync.record_version v ON v.connection_id = s.connection_id '
		'AND v.entity = %3$L AND v.valid_from <= $1 AND v.valid_to > $1 ';
BEGIN
	FOR t IN
		SELECT c.entity, c.entity AS name, c.entity || '_as_of' AS function, string_agg(format('m.%I', a.attname), ', ' ORDER BY a.attnum) AS columns,
			string_agg(CASE WHEN a.attname IN ('connection_id', 'id') THEN format('v.%I', a.attname) ELSE format('r.%I', a.attname) END, ', ' ORDER BY a.attnum) AS made
		FROM qbsync.catalogue c JOIN pg_attribute a ON a.attrelid = format('qbsync.%I', c.entity)::regclass AND a.attnum > 0 AND NOT a.attisdropped
		GROUP BY c.entity
	LOOP
		EXECUTE format(head || 'SELECT %4$s FROM qbsync.as_of_scope(%3$L, $2, $1) s JOIN qbsync.%2$I m ON m.connection_id = s.connection_id AND m.seen_at <= $1 '
			'UNION ALL SELECT %5$s FROM ' || versions || 'CROSS JOIN LATERAL qbsync.version_row(NULL::qbsync.%2$I, v) r; END',
			t.function, t.name, t.entity, t.columns, t.made);
		EXECUTE format('COMMENT ON FUNCTION qbsync.%I(timestamptz, text) IS %L', t.function,
			format('qbsync.%s as it was at a time, deleted records included (deleted_at); connection: the only one when left out. An error when that is not known: see qbsync.version_status', t.name));
		signatures := signatures || format('qbsync.%I(timestamptz, text)', t.function);
	END LOOP;
	FOR t IN
		SELECT l.entity, l."table" AS name, l."table" || '_as_of' AS function, string_agg(format('m.%I', a.attname), ', ' ORDER BY a.attnum) AS columns,
			string_agg(CASE WHEN a.attname = 'connection_id' THEN 'v.connection_id' WHEN a.attname = l.entity || '_id' THEN 'v.id' ELSE format('r.%I', a.attname) END,
				', ' ORDER BY a.attnum) AS made
		FROM qbsync.catalogue_line l JOIN pg_attribute a ON a.attrelid = format('qbsync.%I', l."table")::regclass AND a.attnum > 0 AND NOT a.attisdropped
		GROUP BY l.entity, l."table"
	LOOP
		EXECUTE format(head || 'SELECT %4$s FROM qbsync.as_of_scope(%3$L, $2, $1) s JOIN qbsync.%3$I o ON o.connection_id = s.connection_id AND o.seen_at <= $1 '
			'JOIN qbsync.%2$I m ON m.connection_id = o.connection_id AND m.%6$I = o.id '
			'UNION ALL SELECT %5$s FROM ' || versions || 'CROSS JOIN LATERAL qbsync.version_lines(NULL::qbsync.%2$I, v.connection_id, v.id, v.raw) r; END',
			t.function, t.name, t.entity, t.columns, t.made, t.entity || '_id');
		EXECUTE format('COMMENT ON FUNCTION qbsync.%I(timestamptz, text) IS %L', t.function,
			format('qbsync.%s as it was at a time, of deleted records, too; connection: the only one when left out. An error when that is not known: see qbsync.version_status', t.name));
		signatures := signatures || format('qbsync.%I(timestamptz, text)', t.function);
	END LOOP;
	EXECUTE format('REVOKE ALL ON FUNCTION %1$s FROM PUBLIC; GRANT EXECUTE ON FUNCTION %1$s TO qbsync_reader, qbsync_vendor_reader', array_to_string(signatures, ', '));
END
$fn$;
COMMENT ON FUNCTION qbsync.create_as_of_functions() IS 'Internal: makes the functions qbsync.…_as_of, one for each table of the mirror; install and upgrade scripts call it';
REVOKE ALL ON FUNCTION qbsync.create_as_of_functions() FROM PUBLIC;
SELECT qbsync.create_as_of_functions();

CREATE FUNCTION @extschema@.qbsync_as_of(
	connection text DEFAULT NULL,
	entity text DEFAULT NULL,
	id text DEFAULT NULL,
	at timestamptz DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	record jsonb;
	lines jsonb;
	l text;
BEGIN
	IF qbsync_as_of.at IS NULL THEN
		RAISE EXCEPTION 'no time was given'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Say as of when: at => …';
	ELSIF NOT EXISTS (SELECT FROM qbsync.catalogue c WHERE c.entity = qbsync_as_of.entity) THEN
		RAISE EXCEPTION 'entity "%" does not exist', qbsync_as_of.entity
			USING ERRCODE = 'undefined_object', HINT = 'See qbsync.catalogue.';
	END IF;
	EXECUTE format('SELECT to_jsonb(r) - ''{connection_id,raw,fingerprint,altered}''::text[] FROM qbsync.%I($1, $2) r WHERE r.id = $3', qbsync_as_of.entity || '_as_of')
		INTO record USING qbsync_as_of.at, qbsync_as_of.connection, qbsync_as_of.id;
	IF record IS NULL THEN
		RETURN NULL;
	END IF;
	FOR l IN SELECT k."table" FROM qbsync.catalogue_line k WHERE k.entity = qbsync_as_of.entity LOOP
		EXECUTE format('SELECT coalesce(jsonb_agg(to_jsonb(r) - ARRAY[''connection_id'', %2$L] ORDER BY r.position), ''[]'') FROM qbsync.%1$I($1, $2) r WHERE r.%2$I = $3',
				l || '_as_of', qbsync_as_of.entity || '_id')
			INTO lines USING qbsync_as_of.at, qbsync_as_of.connection, qbsync_as_of.id;
		record := record || jsonb_build_object(l, lines);
	END LOOP;
	RETURN record;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_as_of(text, text, text, timestamptz) IS 'A record as it was at a time: its columns by name, its lines under the name of their table; deleted_at when it was deleted then. Null when there was none; an error when what was then is not known: see qbsync.version_status. connection: the only one when left out';

