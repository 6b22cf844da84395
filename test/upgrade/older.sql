/*
 * Makes an older version of the present one, as a script that updates to it: something of each kind is taken away, is there in
 * another form, or is there although the present version has done away with it.  What the mirror's tables are made of comes from
 * the library, which is the present one; so what it has made is taken away, too.
 */

-- functions: one with another body and other properties, one that is missing, one that is gone today
CREATE OR REPLACE FUNCTION qbsync.slot_name(preferences jsonb, entity text, definition_id text) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT NULL::text';
DROP FUNCTION @extschema@.qbsync_handle_change(text, text, text, text);
CREATE FUNCTION qbsync.retired(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n';

-- what they may do, and what is said of them
GRANT EXECUTE ON FUNCTION qbsync.normalize_name(text) TO PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.qbsync_pause(text) FROM qbsync_operator;
COMMENT ON FUNCTION @extschema@.qbsync_pause(text) IS 'Stops';

-- views: one missing, one with fewer columns
DROP VIEW qbsync.sale_line;
DROP VIEW qbsync.progress;
CREATE VIEW qbsync.progress AS SELECT c.name AS company FROM qbsync.connection c;
GRANT SELECT ON qbsync.progress TO qbsync_reader;

-- tables: one missing, which is dumped, with its sequence; columns, defaults, constraints, indexes, triggers, options, comments
DROP TABLE qbsync.event_rule;
ALTER TABLE qbsync.http_log DROP COLUMN elapsed, ADD COLUMN retired text;
ALTER TABLE qbsync.lookup ALTER COLUMN missing DROP NOT NULL, ALTER COLUMN missing DROP DEFAULT;
ALTER TABLE qbsync.match_rule DROP CONSTRAINT match_rule_outcome_check, ADD CONSTRAINT match_rule_outcome_check CHECK (outcome IN ('auto', 'off'));
ALTER TABLE qbsync.webhook_event REPLICA IDENTITY DEFAULT;
DROP INDEX qbsync.history_at_idx;
DROP TRIGGER keep_referenced ON qbsync.app;
COMMENT ON COLUMN qbsync.connection.realm_id IS NULL;
ALTER SEQUENCE qbsync.http_log_http_log_id_seq CACHE 10;
ALTER TYPE qbsync.wanted_trigger DROP ATTRIBUTE event;
SELECT pg_catalog.pg_extension_config_dump('qbsync.stage', '');

-- rows that are shipped, and who sees which
DELETE FROM qbsync.label WHERE kind = 'way_out';
UPDATE qbsync.problem SET remedy = 'Wait.' WHERE code = 'no_slot';
INSERT INTO qbsync.problem (code, needs_person, meaning, remedy) VALUES ('retired', false, 'There was such a problem.', '');
DROP POLICY may_see ON qbsync.lookup;
ALTER TABLE qbsync.lookup DISABLE ROW LEVEL SECURITY;

-- the mirror: a column of records and one of lines, a table of lines, an entity, an index
DROP FUNCTION qbsync.item_as_of(timestamptz, text), qbsync.tax_code_sales_rate_as_of(timestamptz, text);
ALTER TABLE qbsync.item DROP COLUMN unit_price;
ALTER TABLE qbsync.tax_code_sales_rate DROP COLUMN tax_rate_id;
SELECT qbsync.create_as_of_functions();
DROP FUNCTION qbsync.tax_rate_period_as_of(timestamptz, text), qbsync.payment_method_as_of(timestamptz, text);
DROP TABLE qbsync.tax_rate_period;
DO $do$
BEGIN
	EXECUTE 'CREATE OR REPLACE VIEW qbsync.record AS '
		|| (SELECT pg_catalog.string_agg(branch, 'UNION ALL') FROM pg_catalog.regexp_split_to_table(pg_catalog.rtrim(pg_catalog.pg_get_viewdef('qbsync.record'::pg_catalog.regclass), ';'), 'UNION ALL') branch
			WHERE branch !~ 'qbsync.payment_method');
END
$do$;
DROP TABLE qbsync.payment_method;
DELETE FROM qbsync.cursor WHERE entity = 'payment_method';
CREATE OR REPLACE FUNCTION qbsync.version_columns(version qbsync.record_version) RETURNS jsonb LANGUAGE plpgsql STABLE AS 'BEGIN RETURN NULL; END';
