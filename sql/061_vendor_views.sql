-- Privacy (CAP-17, X-26): views of what belongs to all entities show what is bought to members of qbsync_vendor_reader alone,
-- and do not let a condition of the query see it before it is left out.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS qbsync;
BEGIN;
CREATE ROLE regress_clerk IN ROLE qbsync_operator;
CREATE ROLE regress_boss IN ROLE qbsync_operator, qbsync_vendor_reader;
CREATE ROLE regress_crm;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, settings) VALUES (-1, 'acme', 'my-app', '1', 'live', '{"vendors": "import"}');
CREATE SCHEMA regress_supply AUTHORIZATION regress_crm;
CREATE TABLE regress_supply.supplier (id text PRIMARY KEY DEFAULT gen_random_uuid(), name text);
ALTER TABLE regress_supply.supplier OWNER TO regress_crm;
CREATE TABLE regress_supply.person (LIKE regress_supply.supplier INCLUDING ALL);
ALTER TABLE regress_supply.person OWNER TO regress_crm;
SELECT qbsync_map_table('regress_supply.supplier', entity => 'vendor', columns => '{"display_name": "name"}', role => 'regress_crm');
SELECT qbsync_map_table('regress_supply.person', columns => '{"display_name": "name"}', role => 'regress_crm');
CREATE TEMP TABLE supplier AS SELECT mapping_id FROM qbsync.mapping WHERE name = 'supplier';

-- one of each, all of which say "secret"
INSERT INTO qbsync.vendor (connection_id, id, seen_at, display_name) SELECT -1, 'secret ' || n, now(), 'secret' FROM generate_series(1, 4) n;
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name) VALUES (-1, '1', now(), 'Known');
INSERT INTO qbsync.purchase_order (connection_id, id, seen_at, custom_fields) VALUES (-1, 'secret', now(), '[{"DefinitionId": "1", "Name": "secret", "StringValue": "secret"}]');
INSERT INTO qbsync.cursor (connection_id, entity, known_since) VALUES (-1, 'vendor', now()), (-1, 'customer', now()) ON CONFLICT DO NOTHING;
INSERT INTO qbsync.error (connection_id, entity, id, problem, detail) VALUES (-1, 'vendor', 'secret 1', 'bad_record', 'secret');
INSERT INTO qbsync.drift (connection_id, entity, id, kind) VALUES (-1, 'vendor', 'secret 1', 'missed_change');
INSERT INTO qbsync.record_version (connection_id, entity, id, valid_from, valid_to, raw) VALUES (-1, 'vendor', 'secret 1', now() - interval '1 h', now(), '{"DisplayName": "secret"}');
INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail) SELECT -1, mapping_id, 'vendor', 'secret 1', 'secret', 'linked', '{"columns": ["secret"]}' FROM supplier;
INSERT INTO qbsync.link (connection_id, mapping_id, entity, id, crm_key, state, origin) SELECT -1, mapping_id, 'vendor', 'secret 1', 'secret', 'linked', 'decision' FROM supplier;
INSERT INTO qbsync.conflict (connection_id, mapping_id, entity, id, crm_key, unit, kind, base, ours, theirs) SELECT -1, mapping_id, 'vendor', 'secret 1', 'secret', 'display_name', 'differs', '"secret"', '"secret"', '"secret"' FROM supplier;
INSERT INTO qbsync.match_candidate (connection_id, mapping_id, entity, id, crm_key, score, reasons) SELECT -1, mapping_id, 'vendor', 'secret 2', 'secret 2', 0.5, '{secret}' FROM supplier;
INSERT INTO qbsync.crm_error (connection_id, mapping_id, entity, id, crm_key, problem, detail, next_attempt_at) SELECT -1, mapping_id, 'vendor', 'secret 3', 'secret 3', 'crm_refuses', 'secret', now() FROM supplier;
INSERT INTO qbsync.request (connection_id, mapping_id, entity, id, crm_key, operation, state, lane, requestid, sent_values, crm_values, body) SELECT -1, mapping_id, 'vendor', 'secret 1', 'secret', 'update', 'ready', 'interactive', 'x', '{"display_name": "secret"}', '{}', '{}' FROM supplier;
INSERT INTO qbsync.decision (connection_id, mapping_id, entity, id, crm_key, kind) SELECT -1, mapping_id, 'vendor', 'secret 4', 'secret 4', 'reject' FROM supplier;
INSERT INTO qbsync.decision (connection_id, mapping_id, entity, id, kind) SELECT -1, mapping_id, 'vendor', 'secret 4', 'hold' FROM supplier;
INSERT INTO qbsync.merged (connection_id, entity, lost_id, kept_id, how) VALUES (-1, 'vendor', 'secret 5', 'secret 1', 'said');
UPDATE qbsync.mapping SET problem = 'crm_refuses_all', problem_detail = 'secret' WHERE name = 'supplier';

-- A condition that tells what it sees, and costs so little that the planner would try it first.
CREATE FUNCTION pg_temp.look(value text) RETURNS boolean LANGUAGE plpgsql COST 1e-45 AS $$ BEGIN IF value ~ 'secret|^vendor$' THEN RAISE EXCEPTION 'seen'; END IF; RETURN true; END $$;
-- Columns of a relation in which it sees something
CREATE FUNCTION pg_temp.seen(relation text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	c text;
	columns text[] := '{}';
BEGIN
	FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = relation::regclass AND attnum > 0 ORDER BY attnum LOOP
		BEGIN
			EXECUTE format('SELECT FROM %s WHERE pg_temp.look(%I::text)', relation, c);
		EXCEPTION WHEN raise_exception THEN
			columns := columns || c;
		END;
	END LOOP;
	RETURN columns;
END $$;
CREATE FUNCTION pg_temp.shown(relation text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	any_row boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM (SELECT r::text AS line FROM %s r) l WHERE line ~ ''secret|vendor'')', relation) INTO any_row;
	RETURN any_row;
END $$;
CREATE TEMP TABLE readable AS
SELECT c.oid::regclass::text AS relation FROM pg_class c
WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege('regress_clerk', c.oid, 'SELECT')
  AND (EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'entity') AND c.relname !~ '^(catalogue|stage|sale_line|pipeline)'
	OR c.relname IN ('customer_link', 'standing_decision', 'rejected_pair'));
GRANT SELECT ON readable TO regress_clerk, regress_boss;

-- Left to everybody: which mappings there are.
CREATE TEMP VIEW seen_of_readable AS
SELECT relation, CASE WHEN relation IN ('qbsync.mapping_status', 'qbsync.unlinked') THEN array_remove(seen, 'entity') ELSE seen END AS seen
FROM readable, pg_temp.seen(relation) seen;
GRANT SELECT ON seen_of_readable TO regress_clerk;
ALTER VIEW seen_of_readable SET (security_invoker = on);

-- Whoever is no member.
SET ROLE regress_clerk;
SELECT relation, seen FROM seen_of_readable WHERE seen <> '{}' ORDER BY relation COLLATE "C";
-- nor if nothing is said to cost anything
SET LOCAL cpu_operator_cost = 0;
SELECT relation, seen FROM seen_of_readable WHERE seen <> '{}' ORDER BY relation COLLATE "C";
RESET cpu_operator_cost;
SELECT count(*) FROM qbsync.matched;
SELECT count(*) FROM qbsync.timeline;
SELECT mapping, detail FROM qbsync.mapping_status ORDER BY mapping;
SAVEPOINT s;
SELECT qbsync_handle_change('vendor', 'secret 1', connection => 'acme');
ROLLBACK TO s;
SELECT qbsync_handle_change('vendor', 'secret 9', connection => 'acme');
ROLLBACK TO s;
SELECT qbsync_resolve_id('acme', 'vendor', 'secret 5');
ROLLBACK TO s;

-- A member sees it.
SET ROLE regress_boss;
SELECT relation FROM readable WHERE pg_temp.shown(relation) ORDER BY relation COLLATE "C";
SELECT mapping, detail FROM qbsync.mapping_status ORDER BY mapping;
SELECT qbsync_handle_change('vendor', 'secret 1', connection => 'acme');
SELECT qbsync_resolve_id('acme', 'vendor', 'secret 5');
ROLLBACK;
