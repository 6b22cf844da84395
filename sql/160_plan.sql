-- qbsync_plan: every action with before and after (KAR-1, CAP-13, CAP-38, CAP-39, X-1), who may ask, and what the CRM's code gets: nothing.
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;

BEGIN;
CREATE ROLE regress_plan_crm;
CREATE ROLE regress_plan_member IN ROLE regress_plan_crm;
CREATE ROLE regress_plan_stranger IN ROLE qbsync_admin;
CREATE SCHEMA regress_plan AUTHORIZATION regress_plan_crm;
SET ROLE regress_plan_crm;
CREATE TABLE regress_plan.contact (
	id				integer PRIMARY KEY,
	name			text NOT NULL,
	mail			text,
	phone			text,
	delivery		text,
	term_key		text,
	street			text,
	city			text,
	type			text NOT NULL DEFAULT 'lead',
	touched			timestamptz NOT NULL DEFAULT '2024-05-01 00:00+00'
);
CREATE VIEW regress_plan.contact_quickbooks WITH (security_invoker = true) AS
SELECT c.id, c.name AS display_name, c.mail AS emails, c.phone AS primary_phone, c.delivery AS preferred_delivery_method, c.term_key,
	c.street AS bill_line1, c.city AS bill_city, c.type, c.touched AS last_updated_time
FROM regress_plan.contact c;
INSERT INTO regress_plan.contact (id, name, mail, phone, street, city) VALUES
	(1, 'Same', 'same@x.example', '1', NULL, NULL),
	(2, 'Changed there', NULL, '2', NULL, NULL),
	(3, 'Changed here', NULL, '3-new', NULL, NULL),
	(4, 'Changed in both', NULL, '4-here', NULL, NULL),
	(5, 'Équipe Érable', 'erable@x.example', NULL, '1 rue A', 'Laval'),
	(6, 'Namesake', 'n@x.example', NULL, NULL, NULL),
	(7, 'Second namesake', NULL, '7', NULL, NULL),
	(15, 'Address here', NULL, NULL, '9 rue Z', 'Québec'),
	(20, 'Only here', NULL, '20', NULL, NULL);
RESET ROLE;

SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state) VALUES (-1, 'acme', 'my-app', '1', 'live');
INSERT INTO qbsync.customer (connection_id, id, seen_at, sync_token, last_updated_time, create_time, active, display_name, emails, primary_phone, preferred_delivery_method,
	term_id, bill_line1, bill_city, deleted_at) VALUES
	(-1, '1', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Same', '{same@x.example}', '1', NULL, NULL, NULL, NULL, NULL),
	(-1, '2', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Changed there', NULL, '2-new', NULL, NULL, '2 rue B', NULL, NULL),
	(-1, '3', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Changed here', NULL, '3', NULL, NULL, NULL, NULL, NULL),
	(-1, '4', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Changed in both', NULL, '4-there', NULL, NULL, NULL, NULL, NULL),
	(-1, '5', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Equipe Erable', '{erable@x.example}', '55', NULL, NULL, '1 rue A', 'Montréal', NULL),
	(-1, '6', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Namesake', '{other@x.example}', NULL, NULL, NULL, NULL, NULL, NULL),
	(-1, '7', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Nobody', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(-1, '8', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'New one', '{new@x.example}', NULL, NULL, NULL, '8 rue H', 'Laval', NULL),
	(-1, '9', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Gone here', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(-1, '10', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Deleted there', NULL, NULL, NULL, NULL, NULL, NULL, now()),
	(-1, '11', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Stays there', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(-1, '12', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Waits', NULL, NULL, NULL, '3', NULL, NULL, NULL),
	(-1, '13', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Not mapped', NULL, NULL, 'Pigeon', NULL, NULL, NULL, NULL),
	(-1, '14', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Second namesake', NULL, '7', NULL, NULL, NULL, NULL, NULL),
	(-1, '15', now(), '0', '2024-05-02 00:00+00', '2024-01-01 00:00+00', true, 'Address here', NULL, NULL, NULL, NULL, '15 rue O', 'Lévis', NULL);
UPDATE qbsync.customer SET raw = jsonb_build_object('Id', id) WHERE connection_id = -1;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, extra_columns, role, defaults) VALUES
	(-1, 'contacts', -1, 'customer', 'regress_plan.contact_quickbooks', 'regress_plan.contact_quickbooks', 'regress_plan.contact', '{id}',
	 '{display_name,emails,primary_phone,preferred_delivery_method,term_key,bill_line1,bill_city,last_updated_time}', '{type}', 'regress_plan_crm', '{"type": "client"}');
INSERT INTO qbsync.column_policy VALUES (-1, 'preferred_delivery_method', 'value_map', 'delivery');
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin, base) VALUES
	(-1, 'customer', '1', -1, '1', 'name_and_email', '{"display_name": "Same", "emails": ["same@x.example"], "primary_phone": "1"}'),
	(-1, 'customer', '2', -1, '2', 'name_and_email', '{"display_name": "Changed there", "primary_phone": "2"}'),
	(-1, 'customer', '3', -1, '3', 'name_and_email', '{"display_name": "Changed here", "primary_phone": "3"}'),
	(-1, 'customer', '4', -1, '4', 'name_and_email', '{"display_name": "Changed in both", "primary_phone": "4"}'),
	(-1, 'customer', '9', -1, '9', 'name_and_email', '{"display_name": "Gone here"}'),
	(-1, 'customer', '15', -1, '15', 'decision', NULL);
INSERT INTO qbsync.decision (mapping_id, connection_id, entity, id, kind, decided_by) VALUES
	(-1, -1, 'customer', '8', 'create', 'me'), (-1, -1, 'customer', '11', 'ignore', 'me'), (-1, -1, 'customer', '12', 'create', 'me'),
	(-1, -1, 'customer', '13', 'create', 'me');

-- counts on top, then the rows, each with reason, before and after
SELECT action, count FROM qbsync_plan('contacts') WHERE count IS NOT NULL;
SELECT action, id, crm_key, name, reason, before, after, to_quickbooks, detail FROM qbsync_plan('contacts') WHERE count IS NULL;
-- KAR-1, CAP-13, CAP-38, CAP-39: both values, what was agreed, both times
SELECT id, crm_key, conflict FROM qbsync_plan('contacts') WHERE action = 'conflict';
-- each action has as many rows as its count says
SELECT action FROM qbsync_plan() GROUP BY action HAVING sum(count) <> count(*) FILTER (WHERE count IS NULL) AND action <> 'none';
-- CAP-13: addresses that differ are listed, also when the policy settles which of them counts
INSERT INTO qbsync.column_policy VALUES (-1, 'bill_line1', 'authority', 'qbo'), (-1, 'bill_city', 'authority', 'qbo');
SELECT action, id, reason, before, after FROM qbsync_plan('contacts') WHERE action IN ('address_difference', 'conflict') AND id <> '4';
UPDATE qbsync.column_policy SET value = 'crm' WHERE policy = 'authority';
SELECT action, id, reason, before, after FROM qbsync_plan('contacts') WHERE action IN ('address_difference', 'conflict') AND id <> '4';
DELETE FROM qbsync.column_policy WHERE policy = 'authority';
-- a record deleted in QuickBooks, by policy
UPDATE qbsync.customer SET deleted_at = now() WHERE connection_id = -1 AND id = '1';
SELECT action, reason FROM qbsync_plan('contacts') WHERE id = '1';
UPDATE qbsync.mapping SET policies = '{"on_qbo_delete": "delete_crm"}' WHERE mapping_id = -1;
SELECT action, crm_key, reason, before, after FROM qbsync_plan('contacts') WHERE id = '1';
UPDATE qbsync.mapping SET policies = '{"on_qbo_delete": "detach"}' WHERE mapping_id = -1;
SELECT action, crm_key, reason, before, after FROM qbsync_plan('contacts') WHERE id = '1';
UPDATE qbsync.customer SET deleted_at = NULL WHERE connection_id = -1 AND id = '1';
UPDATE qbsync.mapping SET policies = '{"pull_new_first": "all"}' WHERE mapping_id = -1;
SELECT action, id, reason, after FROM qbsync_plan('contacts') WHERE id = '7';
-- pull_new is for what was made since the first sync, also in the second in which that ended: QuickBooks' times have whole seconds
UPDATE qbsync.mapping SET policies = '{"pull_new_first": "none", "pull_new": "all"}', first_sync_done_at = '2024-01-01 00:00:00.9+00' WHERE mapping_id = -1;
SELECT action, id, reason FROM qbsync_plan('contacts') WHERE id = '7';
UPDATE qbsync.mapping SET first_sync_done_at = '2024-01-01 00:00:01+00' WHERE mapping_id = -1;
SELECT action, id, reason FROM qbsync_plan('contacts') WHERE id = '7';
UPDATE qbsync.mapping SET policies = '{}', first_sync_done_at = NULL WHERE mapping_id = -1;

-- what event rules would write, and what they do not allow (ORD-18)
SET ROLE regress_plan_crm;
CREATE TABLE regress_plan.bill (id integer PRIMARY KEY, number text, status text NOT NULL);
CREATE VIEW regress_plan.bill_quickbooks AS SELECT b.id, b.number AS doc_number, b.status FROM regress_plan.bill b;
INSERT INTO regress_plan.bill VALUES (1, '1001', 'sent'), (2, '1002', 'draft'), (3, '1003', 'sent');
RESET ROLE;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, extra_columns, role) VALUES
	(-2, 'bills', -1, 'invoice', 'regress_plan.bill_quickbooks', 'regress_plan.bill_quickbooks', 'regress_plan.bill', '{id}', '{doc_number}', '{status}', 'regress_plan_crm');
INSERT INTO qbsync.event_rule (mapping_id, event, column_name, to_value, from_values) VALUES (-2, 'paid', 'status', 'paid', '{sent}');
INSERT INTO qbsync.invoice (connection_id, id, seen_at, sync_token, doc_number, total_amt, balance) VALUES
	(-1, '1', now(), '1', '1001', 10, 0), (-1, '2', now(), '1', '1002', 10, 0), (-1, '3', now(), '1', '1003-A', 10, 0);
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin, base, facts)
SELECT -1, 'invoice', i.id, -2, i.id, 'decision', jsonb_build_object('doc_number', left(i.doc_number, 4)), qbsync.document_facts(-1, 'invoice', i.id) || '{"state": "open"}'
FROM qbsync.invoice i WHERE i.connection_id = -1;
SELECT action, count, id, crm_key, reason, before, after, detail FROM qbsync_plan('bills');
SELECT count(*) FROM qbsync_plan();
DELETE FROM qbsync.mapping WHERE mapping_id = -2;

-- who may ask: members of the role, with or without a role of qbsync's; a role that is gone or mighty is never used
CREATE TEMP TABLE answer AS SELECT * FROM qbsync_plan();
SELECT count(*) FROM answer;
GRANT SELECT ON answer TO PUBLIC;
SET ROLE regress_plan_member;
SELECT p.* FROM qbsync_plan('contacts') p EXCEPT SELECT * FROM answer;
SELECT count(*) FROM qbsync_plan('contacts');
SELECT count(*) FROM qbsync_plan('nonsense');
SELECT count(*) FROM qbsync.mapping;
SET ROLE regress_plan_stranger;
SELECT count(*) FROM qbsync_plan('contacts');
SELECT count(*) FROM qbsync_plan('nonsense');
SELECT count(*) FROM qbsync_plan();
RESET ROLE;
UPDATE qbsync.mapping SET role = 'regress_plan_nobody' WHERE mapping_id = -1;
SELECT count(*) FROM qbsync_plan();
CREATE ROLE regress_plan_nobody SUPERUSER;
SELECT count(*) FROM qbsync_plan();
ALTER ROLE regress_plan_nobody NOSUPERUSER BYPASSRLS;
SELECT count(*) FROM qbsync_plan();
ALTER ROLE regress_plan_nobody NOBYPASSRLS;
SELECT count(*) FROM qbsync_plan();
UPDATE qbsync.mapping SET role = 'regress_plan_crm' WHERE mapping_id = -1;

-- settings of the session change nothing
SET LOCAL DateStyle = 'German, DMY';
SET LOCAL TimeZone = 'Asia/Tokyo';
SET LOCAL transform_null_equals = on;
SET LOCAL row_security = off;
SELECT p.* FROM qbsync_plan('contacts') p EXCEPT SELECT * FROM answer;
RESET DateStyle;
RESET TimeZone;
RESET transform_null_equals;
RESET row_security;

-- a view that shows a key twice is no mapping
SET ROLE regress_plan_crm;
CREATE OR REPLACE VIEW regress_plan.contact_quickbooks WITH (security_invoker = true) AS
SELECT c.id, c.name AS display_name, c.mail AS emails, c.phone AS primary_phone, c.delivery AS preferred_delivery_method, c.term_key,
	c.street AS bill_line1, c.city AS bill_city, c.type, c.touched AS last_updated_time
FROM regress_plan.contact c CROSS JOIN generate_series(1, 2);
RESET ROLE;
-- nor is one that cannot be written any more (without INSTEAD OF triggers it only could be read)
SELECT count(*) FROM qbsync_plan();
UPDATE qbsync.mapping SET policies = policies || '{"direction": "push"}' WHERE mapping_id = -1;
SELECT count(*) FROM qbsync_plan();
UPDATE qbsync.mapping SET policies = policies - 'direction' WHERE mapping_id = -1;

-- row-level security binds the plan as it binds the role: a tenant is named by the mapping, a missing one is an error
ALTER TABLE regress_plan.contact ENABLE ROW LEVEL SECURITY;
ALTER TABLE regress_plan.contact FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON regress_plan.contact USING (id <= current_setting('app.last')::integer);
SET ROLE regress_plan_crm;
CREATE OR REPLACE VIEW regress_plan.contact_quickbooks WITH (security_invoker = true) AS
SELECT c.id, c.name AS display_name, c.mail AS emails, c.phone AS primary_phone, c.delivery AS preferred_delivery_method, c.term_key,
	c.street AS bill_line1, c.city AS bill_city, c.type, c.touched AS last_updated_time
FROM regress_plan.contact c;
RESET ROLE;
SELECT count(*) FROM qbsync_plan();
UPDATE qbsync.mapping SET crm_settings = '{"app.last": 7}' WHERE mapping_id = -1;
SELECT action, count FROM qbsync_plan() WHERE action IN ('missing', 'crm_only') AND count IS NOT NULL;
SHOW app.last;
DROP POLICY tenant ON regress_plan.contact;
ALTER TABLE regress_plan.contact DISABLE ROW LEVEL SECURITY;
UPDATE qbsync.mapping SET crm_settings = '{}' WHERE mapping_id = -1;

-- the owner of the view means harm: whatever its code tries, it has the role's rights and nothing stays
SET ROLE regress_plan_crm;
CREATE TABLE regress_plan.trap (id integer);
CREATE FUNCTION regress_plan.spring() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE WARNING 'a deferred trigger runs as %', current_user; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER spring AFTER INSERT ON regress_plan.trap DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION regress_plan.spring();
CREATE FUNCTION regress_plan.attack() RETURNS integer LANGUAGE plpgsql AS
$$
DECLARE
	statement text;
BEGIN
	IF current_user <> 'regress_plan_crm' THEN
		RAISE WARNING 'the view''s code runs as %', current_user;
	END IF;
	FOREACH statement IN ARRAY ARRAY[
		'RESET ROLE', 'SET ROLE qbsync_admin', 'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION regress_plan_member',
		'SELECT set_config(''role'', ''none'', false)', 'SELECT count(*) FROM qbsync.secret', 'SELECT count(*) FROM qbsync.customer',
		'SELECT qbsync_pause(''acme'')', 'SELECT pg_read_file(''PG_VERSION'')', 'SET session_replication_role = replica',
		'CREATE TEMP TABLE crm_row (crm_key text, ours jsonb, crm_time timestamptz)', 'CREATE TEMP VIEW match_pair AS SELECT 1 AS id',
		'DECLARE trap CURSOR WITH HOLD FOR SELECT 1', 'PREPARE trap AS SELECT 1', 'LISTEN trap',
		'INSERT INTO regress_plan.trap VALUES (1)', 'COMMIT',
		'SELECT count(*) FROM qbsync_plan(''contacts'')',
		'SET search_path = regress_plan', 'SELECT set_config(''search_path'', ''regress_plan'', false)', 'SET transform_null_equals = on',
		'SET DateStyle = German', 'SELECT pg_advisory_unlock_all()']
	LOOP
		BEGIN
			EXECUTE statement;
			RAISE NOTICE '%: done', statement;
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '%: refused (%)', statement, SQLSTATE;
		END;
	END LOOP;
	RETURN 0;
END
$$;
CREATE FUNCTION regress_plan.same(text, text) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN RAISE WARNING 'a trapped operator runs as %', current_user; RETURN false; END $$;
CREATE OPERATOR regress_plan.= (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_plan.same);
CREATE FUNCTION regress_plan.normalize_name(text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN RAISE WARNING 'a trapped function runs as %', current_user; RETURN ''; END $$;
CREATE FUNCTION regress_plan.jsonb_agg(jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RAISE WARNING 'a trapped function runs as %', current_user; RETURN NULL; END $$;
CREATE OR REPLACE VIEW regress_plan.contact_quickbooks WITH (security_invoker = true) AS
SELECT c.id, c.name AS display_name, c.mail AS emails, c.phone AS primary_phone, c.delivery AS preferred_delivery_method, c.term_key,
	c.street AS bill_line1, c.city AS bill_city, c.type, c.touched AS last_updated_time
FROM regress_plan.contact c WHERE c.id > (SELECT regress_plan.attack());
RESET ROLE;
UPDATE qbsync.mapping SET crm_search_path = 'regress_plan, public' WHERE mapping_id = -1;
CREATE TEMP TABLE after_attack AS SELECT * FROM qbsync_plan('contacts');
SELECT * FROM after_attack EXCEPT ALL SELECT * FROM answer;
SELECT * FROM answer EXCEPT ALL SELECT * FROM after_attack;
SHOW search_path;
SHOW transform_null_equals;
SHOW DateStyle;
SELECT current_user = session_user AS myself, (SELECT count(*) FROM pg_cursors WHERE name = 'trap') AS cursors, (SELECT count(*) FROM regress_plan.trap) AS trapped;
SET CONSTRAINTS ALL IMMEDIATE;

-- nor does a caller with traps of his own get at the owner's rights
CREATE OR REPLACE FUNCTION regress_plan.attack() RETURNS integer LANGUAGE sql AS 'SELECT 0';
CREATE TEMP TABLE crm_row (crm_key text);
CREATE TEMP TABLE match_pair (id text);
CREATE TEMP TABLE decided (crm_key text);
CREATE TEMP TABLE link (crm_key text);
SET LOCAL search_path = regress_plan, pg_temp, pg_catalog, public;
SELECT p.action FROM public.qbsync_plan('contacts') p EXCEPT SELECT a.action FROM pg_temp.answer a;
SET LOCAL search_path = pg_catalog;
SELECT count(*) FROM (SELECT * FROM public.qbsync_plan('contacts') EXCEPT ALL SELECT * FROM pg_temp.answer) x;
RESET search_path;

-- qbsync.query_as_role: for members, to read, as the role
SELECT qbsync.query_as_role('regress_plan_crm', NULL, NULL, 'SELECT current_user UNION ALL SELECT current_setting(''search_path'') UNION ALL SELECT NULL');
SELECT qbsync.query_as_role('regress_plan_crm', 'regress_plan', '{"app.tenant": 42}', 'SELECT count(*)::text || current_setting(''app.tenant'') FROM contact');
SELECT qbsync.query_as_role('regress_plan_crm', NULL, NULL, 'SELECT 1 WHERE false');
SELECT qbsync.query_as_role('regress_plan_crm', NULL, NULL, 'SELECT secret FROM qbsync.secret');
SELECT qbsync.query_as_role('regress_plan_crm', NULL, NULL, 'DELETE FROM regress_plan.contact');
SELECT qbsync.query_as_role('regress_plan_crm', NULL, NULL, 'RESET ROLE');
SELECT qbsync.query_as_role('regress_plan_crm', NULL, '{"session_replication_role": "replica"}', 'SELECT 1');
SELECT qbsync.query_as_role(current_user, NULL, NULL, 'SELECT 1') IS NULL;
SELECT qbsync.query_as_role('regress_plan_crm', NULL, '[]', 'SELECT 1');
SET ROLE regress_plan_stranger;
SELECT qbsync.query_as_role('regress_plan_crm', NULL, NULL, 'SELECT 1');
SET ROLE regress_plan_member;
SELECT qbsync.query_as_role('regress_plan_crm', NULL, NULL, 'SELECT 1');
RESET ROLE;
DROP TABLE pg_temp.crm_row, pg_temp.match_pair, pg_temp.decided, pg_temp.link;

-- slow views can be cancelled; a plan writes nothing, so that it works where nothing can be written
CREATE OR REPLACE FUNCTION regress_plan.attack() RETURNS integer LANGUAGE sql AS 'SELECT 0 FROM pg_sleep(60)';
SET LOCAL statement_timeout = '300ms';
SELECT count(*) FROM qbsync_plan();
SET LOCAL statement_timeout = 0;
CREATE OR REPLACE FUNCTION regress_plan.attack() RETURNS integer LANGUAGE sql AS 'SELECT 0';
SET TRANSACTION READ ONLY;
SELECT * FROM qbsync_plan('contacts') EXCEPT ALL SELECT * FROM answer;
SELECT qbsync.query_as_role('regress_plan_crm', NULL, NULL, 'SELECT count(*) FROM regress_plan.contact');
ROLLBACK;
