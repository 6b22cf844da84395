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

CREATE FUNCTION qbsync.catalogue_columns(
	OUT entity text, OUT "table" text, OUT ordinal integer, OUT "column" text, OUT path text, OUT type text,
	OUT max_length integer,
	OUT writable boolean, OUT create_only boolean, OUT required boolean, OUT filterable boolean, OUT indexed boolean,
	OUT refers_to text, OUT comment text)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 300
AS 'MODULE_PATHNAME', 'qbsync_catalogue_columns';
COMMENT ON FUNCTION qbsync.catalogue_columns() IS 'Rows of the view qbsync.catalogue_column';

CREATE FUNCTION qbsync.may_see(entity text)
RETURNS boolean
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'qbsync_may_see';
COMMENT ON FUNCTION qbsync.may_see(text) IS 'May the current user see what belongs to records of an entity? What is bought, members of qbsync_vendor_reader only';

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

/* Add what a table lacks of the columns of the catalogue, comment them, index those to be looked up by. */
CREATE FUNCTION qbsync.create_mirror_columns(mirror_table text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	relation regclass := format('qbsync.%I', mirror_table)::regclass;
	c record;
BEGIN
	FOR c IN SELECT * FROM qbsync.catalogue_column k WHERE k."table" = mirror_table ORDER BY k.ordinal LOOP
		IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = c."column" AND NOT a.attisdropped) THEN
			EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', relation, c."column", c.type);
		END IF;
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, c."column", c.comment);
		IF c.indexed AND to_regclass(format('qbsync.%I', mirror_table || '_' || c."column" || '_idx')) IS NULL THEN
			EXECUTE format('CREATE INDEX %I ON %s (connection_id, %I)',
						   mirror_table || '_' || c."column" || '_idx', relation, c."column");
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION qbsync.create_mirror_columns(text) IS 'Internal: makes the columns of a mirror table as the catalogue says';
REVOKE ALL ON FUNCTION qbsync.create_mirror_columns(text) FROM PUBLIC;

/*
 * Make every mirror table and column that is not there yet; called by install and upgrade scripts.  The columns of the
 * catalogue stand between the key and the bookkeeping, where a person reading SELECT * looks for them.
 */
CREATE FUNCTION qbsync.create_mirror()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e record;
	l record;
	reader text;
	relation text;
	columns text;
BEGIN
	FOR e IN SELECT * FROM qbsync.catalogue ORDER BY load_order LOOP
		relation := format('qbsync.%I', e.entity);
		reader := CASE WHEN e.bought THEN 'qbsync_vendor_reader' ELSE 'qbsync_reader' END;
		SELECT string_agg(format('%I %s, ', k."column", k.type), '' ORDER BY k.ordinal) INTO columns
			FROM qbsync.catalogue_column k WHERE k."table" = e.entity;
		IF to_regclass(relation) IS NULL THEN
			EXECUTE format('CREATE TABLE %s (connection_id integer NOT NULL, id text COLLATE "C" NOT NULL, sync_token text, '
						   '%s create_time timestamptz, last_updated_time timestamptz, raw jsonb, deleted_at timestamptz, '
						   'seen_at timestamptz NOT NULL, fingerprint bigint, altered text[], '
						   'PRIMARY KEY (connection_id, id))', relation, columns);
			EXECUTE format('CREATE INDEX %I ON %s (connection_id, create_time)', e.entity || '_create_time_idx', relation);
			BEGIN
				EXECUTE format('ALTER TABLE %s ALTER COLUMN raw SET COMPRESSION lz4', relation);
			EXCEPTION WHEN feature_not_supported THEN
				NULL;			-- a server built without lz4: slower, not worse
			END;
			EXECUTE format('GRANT SELECT ON %s TO %I', relation, reader);
		END IF;
		PERFORM qbsync.create_mirror_columns(e.entity);
		EXECUTE format('COMMENT ON TABLE %s IS %L', relation, e.comment);
		EXECUTE format('COMMENT ON COLUMN %s.connection_id IS %L', relation, 'company, see qbsync.connection');
		EXECUTE format('COMMENT ON COLUMN %s.id IS %L', relation, 'QuickBooks'' id, unique within the company');
		EXECUTE format('COMMENT ON COLUMN %s.sync_token IS %L', relation, 'QuickBooks'' version of the record');
		EXECUTE format('COMMENT ON COLUMN %s.create_time IS %L', relation, 'when it was created in QuickBooks');
		EXECUTE format('COMMENT ON COLUMN %s.last_updated_time IS %L', relation, 'when it last changed in QuickBooks');
		EXECUTE format('COMMENT ON COLUMN %s.raw IS %L', relation, 'the whole record as QuickBooks sent it; null if only its deletion is known');
		EXECUTE format('COMMENT ON COLUMN %s.deleted_at IS %L', relation, 'when it was deleted in QuickBooks, or found to be; the other columns keep its last content');
		EXECUTE format('COMMENT ON COLUMN %s.seen_at IS %L', relation, 'start of the request that brought this version');
		EXECUTE format('COMMENT ON COLUMN %s.fingerprint IS %L', relation, 'hash of the record''s bytes, to tell what did not change');
		EXECUTE format('COMMENT ON COLUMN %s.altered IS %L', relation, 'kinds of text and numbers PostgreSQL cannot hold that were replaced: nul, surrogate, utf8, number');

		FOR l IN SELECT * FROM qbsync.catalogue_line k WHERE k.entity = e.entity ORDER BY k.ordinal LOOP
			relation := format('qbsync.%I', l."table");
			SELECT string_agg(format('%I %s, ', k."column", k.type), '' ORDER BY k.ordinal) INTO columns
				FROM qbsync.catalogue_column k WHERE k."table" = l."table";
			IF to_regclass(relation) IS NULL THEN
				EXECUTE format('CREATE TABLE %s (connection_id integer NOT NULL, %I text COLLATE "C" NOT NULL, position integer NOT NULL, '
							   '%s PRIMARY KEY (connection_id, %I, position))',
							   relation, e.entity || '_id', columns, e.entity || '_id');
				EXECUTE format('GRANT SELECT ON %s TO %I', relation, reader);
			END IF;
			PERFORM qbsync.create_mirror_columns(l."table");
			EXECUTE format('COMMENT ON TABLE %s IS %L', relation, l.comment);
			EXECUTE format('COMMENT ON COLUMN %s.connection_id IS %L', relation, 'company, see qbsync.connection');
			EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, e.entity || '_id', 'the record it belongs to');
			EXECUTE format('COMMENT ON COLUMN %s.position IS %L', relation, 'place in the record, 1-based');
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION qbsync.create_mirror() IS 'Internal: makes the mirror tables as the catalogue says; install and upgrade scripts call it';
REVOKE ALL ON FUNCTION qbsync.create_mirror() FROM PUBLIC;

SELECT qbsync.create_mirror();

-- Sums of what was paid leave out deleted payments: they are few, so this is next to nothing, and every payment need not be read.
CREATE INDEX payment_deleted_idx ON qbsync.payment (connection_id, id) WHERE deleted_at IS NOT NULL;
COMMENT ON INDEX qbsync.payment_deleted_idx IS 'Deleted payments, for customer_summary.paid_total';
