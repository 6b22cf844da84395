/*
 * Brings the version that older.sql makes up to the present one, in the way upgrade scripts do.  "install:" stands for those
 * statements of the install script that begin with what follows (functions and views: CREATE OR REPLACE); somebody who writes an
 * upgrade script copies them.
 */

-- functions
-- install: CREATE FUNCTION qbsync\.slot_name\(
-- install: CREATE FUNCTION @extschema@\.qbsync_handle_change\(
-- install: COMMENT ON FUNCTION @extschema@\.qbsync_handle_change\(
REVOKE ALL ON FUNCTION @extschema@.qbsync_handle_change(text, text, text, text) FROM PUBLIC;
-- install: GRANT EXECUTE ON FUNCTION @extschema@\.qbsync_handle_change\(
DROP FUNCTION qbsync.retired(integer);

-- what they may do, and what is said of them
REVOKE ALL ON FUNCTION qbsync.normalize_name(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.qbsync_pause(text) TO qbsync_operator;
-- install: COMMENT ON FUNCTION @extschema@\.qbsync_pause\(

-- tables; a table comes before the views and functions that use it
-- install: CREATE TABLE qbsync\.event_rule
-- install: COMMENT ON TABLE qbsync\.event_rule
-- install: COMMENT ON COLUMN qbsync\.event_rule\.
GRANT SELECT ON qbsync.event_rule TO qbsync_admin;
-- install: SELECT pg_extension_config_dump\('qbsync.event_rule
ALTER TABLE qbsync.http_log ADD COLUMN elapsed interval NOT NULL DEFAULT '0';
ALTER TABLE qbsync.http_log ALTER COLUMN elapsed DROP DEFAULT;
ALTER TABLE qbsync.http_log DROP COLUMN retired;
UPDATE qbsync.lookup SET missing = false WHERE missing IS NULL;
ALTER TABLE qbsync.lookup ALTER COLUMN missing SET NOT NULL;
ALTER TABLE qbsync.lookup ALTER COLUMN missing SET DEFAULT false;
ALTER TABLE qbsync.match_rule DROP CONSTRAINT match_rule_outcome_check, ADD CONSTRAINT match_rule_outcome_check CHECK (outcome IN ('auto', 'review', 'off'));
-- install: ALTER TABLE qbsync\.webhook_event REPLICA IDENTITY
-- install: CREATE INDEX history_at_idx
-- install: CREATE TRIGGER keep_referenced BEFORE DELETE OR UPDATE OF name ON qbsync\.app
-- install: COMMENT ON COLUMN qbsync\.connection\.realm_id
ALTER SEQUENCE qbsync.http_log_http_log_id_seq CACHE 1;
ALTER TYPE qbsync.wanted_trigger ADD ATTRIBUTE event text;
-- install: SELECT pg_extension_config_dump\('qbsync.stage'

-- views; one whose columns only become more could be replaced
DROP VIEW qbsync.progress;
-- install: CREATE VIEW qbsync\.progress
-- install: COMMENT ON VIEW qbsync\.progress
-- install: COMMENT ON COLUMN qbsync\.progress\.
GRANT SELECT ON qbsync.progress TO qbsync_reader;
-- install: DO \$do\$.*EXECUTE 'CREATE VIEW qbsync\.sale_line
-- install: COMMENT ON VIEW qbsync\.sale_line
-- install: COMMENT ON COLUMN qbsync\.sale_line\.
GRANT SELECT ON qbsync.sale_line TO qbsync_reader;

-- what views say of their keys stands before their comments
DO $do$
BEGIN
	EXECUTE format('COMMENT ON VIEW qbsync.progress IS %L', E'@primaryKey connection_id,entity\n@foreignKey (connection_id) references qbsync.status (connection_id)\n'
		|| obj_description('qbsync.progress'::regclass, 'pg_class'));
	EXECUTE format('COMMENT ON VIEW qbsync.sale_line IS %L', E'@primaryKey connection_id,entity,txn_id,position,component\n'
		'@foreignKey (connection_id) references qbsync.status (connection_id)\n'
		'@foreignKey (connection_id,customer_id) references qbsync.customer_summary (connection_id,id)\n' || obj_description('qbsync.sale_line'::regclass, 'pg_class'));
END
$do$;

-- rows that are shipped, and who sees which
-- install: INSERT INTO qbsync\.label \(kind, value, language, label\)\nSELECT 'way_out'
UPDATE qbsync.problem SET remedy = 'Raise max_worker_processes and restart the server; qbsync tries again by itself.' WHERE code = 'no_slot';
DELETE FROM qbsync.problem WHERE code = 'retired';
CREATE POLICY may_see ON qbsync.lookup FOR SELECT USING (qbsync.may_see(entity));
ALTER TABLE qbsync.lookup ENABLE ROW LEVEL SECURITY;

-- the mirror
SELECT qbsync.create_mirror();
SELECT qbsync.create_as_of_functions();
SELECT qbsync.create_change_functions();
SELECT qbsync.create_record_view();
