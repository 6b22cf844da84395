/*
 * The mirror: one table per entity and one for each kind of its lines, made from the entity catalogue of the library, so
 * that adding an entity or a field is a change of catalogue*.c and a call of create_mirror() in the upgrade script.
 *
 * No foreign keys, unique constraints or checks on what comes from QuickBooks: records arrive in any order, refer to
 * what was deleted, and QuickBooks adds values without asking.
 */

CREATE FUNCTION qbsync.catalogue_entities(
	OUT entity text, OUT object text, OUT resource text,
	OUT cdc boolean, OUT name_list boolean, OUT transaction boolean, OUT voidable boolean, OUT writable boolean,
	OUT singleton boolean, OUT pages boolean,
	OUT page_path text, OUT load_order integer, OUT comment text,
	OUT line_table text, OUT reading text, OUT bought boolean)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10
AS 'MODULE_PATHNAME', 'qbsync_catalogue_entities';
COMMENT ON FUNCTION qbsync.catalogue_entities() IS 'Rows of the view qbsync.catalogue';

CREATE FUNCTION qbsync.catalogue_lines(
	OUT entity text, OUT "table" text, OUT ordinal integer, OUT path text, OUT comment text)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 20
AS 'MODULE_PATHNAME', 'qbsync_catalogue_lines';
COMMENT ON FUNCTION qbsync.catalogue_lines() IS 'Rows of the view qbsync.catalogue_line';

CREATE FUNCTION qbsync.catalogue_columns(of_table text DEFAULT NULL,
	OUT entity text, OUT "table" text, OUT ordinal integer, OUT "column" text, OUT path text, OUT type text,
	OUT max_length integer,
	OUT writable boolean, OUT create_only boolean, OUT required boolean, OUT filterable boolean, OUT indexed boolean,
	OUT refers_to text, OUT comment text)
RETURNS SETOF record
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 60
AS 'MODULE_PATHNAME', 'qbsync_catalogue_columns';
COMMENT ON FUNCTION qbsync.catalogue_columns(text) IS 'Rows of the view qbsync.catalogue_column; of_table: of that mirror table alone, null: of all';

/*
 * Of the conditions on a row the planner has the cheapest looked at first, of those that cost alike the innermost.  No function costs
 * less than this one, so that where a view asks it of a table's own row no condition of a query gets to see the row before.
 */
CREATE FUNCTION qbsync.may_see(entity text)
RETURNS boolean
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1e-45
AS 'MODULE_PATHNAME', 'qbsync_may_see';
COMMENT ON FUNCTION qbsync.may_see(text) IS 'May the current user see what belongs to records of an entity? What is bought, members of qbsync_vendor_reader only';

CREATE FUNCTION qbsync.page_path(entity text)
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'qbsync_page_path';
COMMENT ON FUNCTION qbsync.page_path(text) IS 'Page of an entity in QuickBooks'' web application, relative to app_url of qbsync.visible_connection; the id follows. Null: it has none';

CREATE VIEW qbsync.catalogue AS SELECT * FROM qbsync.catalogue_entities();
COMMENT ON VIEW qbsync.catalogue IS 'QuickBooks entities that qbsync mirrors, in the order they are loaded';
COMMENT ON COLUMN qbsync.catalogue.entity IS 'name of the entity and of its mirror table';
COMMENT ON COLUMN qbsync.catalogue.object IS 'name in QuickBooks'' API';
COMMENT ON COLUMN qbsync.catalogue.resource IS 'path in QuickBooks'' API';
COMMENT ON COLUMN qbsync.catalogue.cdc IS 'changes come with every poll; otherwise it is read daily';
COMMENT ON COLUMN qbsync.catalogue.name_list IS 'can be inactive, is never deleted';
COMMENT ON COLUMN qbsync.catalogue.transaction IS 'can be deleted';
COMMENT ON COLUMN qbsync.catalogue.singleton IS 'one record a company';
COMMENT ON COLUMN qbsync.catalogue.pages IS 'is read page by page, and compared by counting';
COMMENT ON COLUMN qbsync.catalogue.page_path IS 'its page in QuickBooks'' web application; the id follows';

COMMENT ON COLUMN qbsync.catalogue.reading IS 'how changes are learnt of';
COMMENT ON COLUMN qbsync.catalogue.bought IS 'shows what is bought or who is paid: read only if the connection''s setting vendors is import, and for members of qbsync_vendor_reader';
COMMENT ON COLUMN qbsync.catalogue.line_table IS 'table of its lines; of several the one that mappings see';

CREATE VIEW qbsync.catalogue_line AS SELECT * FROM qbsync.catalogue_lines();
COMMENT ON VIEW qbsync.catalogue_line IS 'Tables of lines: what records consist of, one row a line';
COMMENT ON COLUMN qbsync.catalogue_line.path IS 'place of the lines in QuickBooks'' JSON';

CREATE VIEW qbsync.catalogue_column AS SELECT * FROM qbsync.catalogue_columns();
COMMENT ON VIEW qbsync.catalogue_column IS 'Columns of the mirror tables and where they come from; the same names serve in mapped views';
COMMENT ON COLUMN qbsync.catalogue_column.path IS 'place in QuickBooks'' JSON; alternatives are separated by |';
COMMENT ON COLUMN qbsync.catalogue_column.max_length IS 'characters QuickBooks accepts';
COMMENT ON COLUMN qbsync.catalogue_column.writable IS 'can be sent to QuickBooks';
COMMENT ON COLUMN qbsync.catalogue_column.create_only IS 'can be sent only when the record is created';
COMMENT ON COLUMN qbsync.catalogue_column.required IS 'QuickBooks demands it when the record is created';
COMMENT ON COLUMN qbsync.catalogue_column.filterable IS 'can stand in a query''s WHERE';
COMMENT ON COLUMN qbsync.catalogue_column.indexed IS 'the mirror has an index on it';
COMMENT ON COLUMN qbsync.catalogue_column.refers_to IS 'entity whose id this is';

/*
 * What makes a table of the mirror what the catalogue says: statements to be run as one.  ahead stands before the columns of the
 * catalogue, behind after them; notes are the comments of both, column by column.
 */
CREATE FUNCTION qbsync.mirror_statements(
	its_table text, comment text, reader text, ahead text, behind text, notes jsonb, its_columns qbsync.catalogue_column[])
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
RETURN (SELECT CASE WHEN t.oid IS NULL THEN
		format('CREATE TABLE %s (%s%s%s); GRANT SELECT ON %1$s TO %5$I; ', t.name, ahead,
			string_agg(format('%I %s, ', c."column", c.type), '' ORDER BY c.ordinal), behind, reader)
	ELSE
		coalesce(string_agg(format('ALTER TABLE %s ADD COLUMN %I %s; ', t.name, c."column", c.type), '' ORDER BY c.ordinal)
			FILTER (WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = c."column" AND NOT a.attisdropped)), '')
	END
	|| coalesce(string_agg(format('CREATE INDEX %I ON %s (connection_id, %I); ', its_table || '_' || c."column" || '_idx', t.name, c."column"), '' ORDER BY c.ordinal)
		FILTER (WHERE c.indexed AND to_regclass(format('qbsync.%I', its_table || '_' || c."column" || '_idx')) IS NULL), '')
	|| string_agg(format('COMMENT ON COLUMN %s.%I IS %L; ', t.name, c."column", c.comment), '' ORDER BY c.ordinal)
	|| (SELECT string_agg(format('COMMENT ON COLUMN %s.%I IS %L; ', t.name, n.key, n.value), '') FROM jsonb_each_text(notes) n)
	|| format('COMMENT ON TABLE %s IS %L', t.name, mirror_statements.comment)
FROM unnest(its_columns) c, (SELECT format('qbsync.%I', its_table) AS name, to_regclass(format('qbsync.%I', its_table)) AS oid) t
GROUP BY t.name, t.oid);
END
$$;
COMMENT ON FUNCTION qbsync.mirror_statements(text, text, text, text, text, jsonb, qbsync.catalogue_column[]) IS 'Internal: statements that make a table of the mirror and its columns, where they are missing, and comment them';
REVOKE ALL ON FUNCTION qbsync.mirror_statements(text, text, text, text, text, jsonb, qbsync.catalogue_column[]) FROM PUBLIC;

/*
 * Make every mirror table and column that is not there yet; called by install and upgrade scripts.  There are about fifty tables
 * of a thousand columns, so the catalogue is read once and each table is made by one string.  What an update adds is filled
 * (21_version.sql): what does not change in QuickBooks is not written again when it is read.
 */
CREATE FUNCTION qbsync.create_mirror()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
	existed boolean;
	added text[];
	-- at installation there is nothing to fill, and nothing yet to fill it with
	fills CONSTANT boolean := to_regprocedure('qbsync.fill_mirror(text, text[])') IS NOT NULL;
	-- a server built without lz4 compresses as it can: slower, not worse
	compression text := (SELECT CASE WHEN 'lz4' = ANY (s.enumvals) THEN 'COMPRESSION lz4' ELSE '' END FROM pg_settings s WHERE s.name = 'default_toast_compression');
	notes jsonb := jsonb_build_object(
		'connection_id', 'company, see qbsync.connection',
		'id', 'QuickBooks'' id, unique within the company',
		'sync_token', 'QuickBooks'' version of the record',
		'create_time', 'when it was created in QuickBooks',
		'last_updated_time', 'when it last changed in QuickBooks',
		'raw', 'the whole record as QuickBooks sent it; null if only its deletion is known',
		'deleted_at', 'when it was deleted in QuickBooks, or found to be; the other columns keep its last content',
		'seen_at', 'start of the request that brought this version',
		'fingerprint', 'hash of the record''s bytes, to tell what did not change',
		'altered', 'kinds of text and numbers PostgreSQL cannot hold that were replaced: nul, surrogate, utf8, number');
BEGIN
	FOR t IN
		SELECT e.entity, n."table", n.comment, n.ordinal, c.columns,
			CASE WHEN e.bought THEN 'qbsync_vendor_reader' ELSE 'qbsync_reader' END AS reader
		FROM qbsync.catalogue e
		JOIN (SELECT entity, entity AS "table", 0 AS ordinal, comment FROM qbsync.catalogue
			  UNION ALL SELECT entity, "table", ordinal, comment FROM qbsync.catalogue_line) n USING (entity)
		JOIN (SELECT k."table", array_agg(k) AS columns FROM qbsync.catalogue_column k GROUP BY k."table") c USING ("table")
		ORDER BY e.load_order, n.ordinal
	LOOP
		IF fills THEN
			existed := to_regclass(format('qbsync.%I', t."table")) IS NOT NULL;
			added := ARRAY(SELECT c."column" FROM unnest(t.columns) c WHERE NOT EXISTS (
				SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(format('qbsync.%I', t."table")) AND a.attname = c."column" AND NOT a.attisdropped));
		END IF;
		IF t.ordinal = 0 THEN
			EXECUTE qbsync.mirror_statements(t."table", t.comment, t.reader,
				-- what is asked of each row, at every comparison, stands ahead of what is seldom looked at and takes room
				'connection_id integer NOT NULL, id text COLLATE "C" NOT NULL, sync_token text, create_time timestamptz, last_updated_time timestamptz, '
				'deleted_at timestamptz, seen_at timestamptz NOT NULL, fingerprint bigint, ',
				format('raw jsonb %s, altered text[], PRIMARY KEY (connection_id, id)', compression), notes, t.columns);
			IF to_regclass(format('qbsync.%I', t."table" || '_create_time_idx')) IS NULL THEN
				EXECUTE format('CREATE INDEX %I ON qbsync.%I (connection_id, create_time)', t."table" || '_create_time_idx', t."table");
			END IF;
		ELSE
			EXECUTE qbsync.mirror_statements(t."table", t.comment, t.reader,
				format('connection_id integer NOT NULL, %I text COLLATE "C" NOT NULL, position integer NOT NULL, ', t.entity || '_id'),
				format('PRIMARY KEY (connection_id, %I, position)', t.entity || '_id'),
				jsonb_build_object('connection_id', notes -> 'connection_id', t.entity || '_id', 'the record it belongs to', 'position', 'place in the record, 1-based'),
				t.columns);
		END IF;
		IF fills AND existed AND added <> '{}' THEN
			PERFORM qbsync.fill_mirror(t."table", added);
		ELSIF fills AND NOT existed AND t.ordinal > 0 THEN
			PERFORM qbsync.fill_mirror(t."table");
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION qbsync.create_mirror() IS 'Internal: makes the mirror tables as the catalogue says; install and upgrade scripts call it';
REVOKE ALL ON FUNCTION qbsync.create_mirror() FROM PUBLIC;

SELECT qbsync.create_mirror();

-- Sums of what was paid leave out deleted payments: they are few, so this is next to nothing, and every payment need not be read.
CREATE INDEX payment_deleted_idx ON qbsync.payment (connection_id, id) WHERE deleted_at IS NOT NULL;
COMMENT ON INDEX qbsync.payment_deleted_idx IS 'Deleted payments, for customer_summary.paid_total';
