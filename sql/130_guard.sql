-- Locked records and blocked deletes (CEN-9…12, CEN-39, CEN-41, X-13, X-19, Q-4).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;

BEGIN;
CREATE ROLE regress_crm_owner IN ROLE qbsync_admin;
CREATE ROLE regress_admin IN ROLE qbsync_admin;
CREATE ROLE regress_sales;
CREATE ROLE regress_user;
CREATE ROLE regress_chief IN ROLE regress_sales;
CREATE ROLE regress_bot;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state) VALUES (-1, 'acme', 'my-app', '1', 'live');
CREATE SCHEMA regress_crm AUTHORIZATION regress_crm_owner;
SET ROLE regress_crm_owner;
CREATE TABLE regress_crm.organisation (id integer PRIMARY KEY, name text);
CREATE TABLE regress_crm.contact (
	id integer PRIMARY KEY, first text, last text, full_name text GENERATED ALWAYS AS (first || ' ' || last) STORED,
	organisation integer, is_client boolean DEFAULT true, status text, score integer, notes text, updated_at timestamptz);
CREATE TABLE regress_crm.email (contact_id integer REFERENCES regress_crm.contact ON DELETE CASCADE, position integer, address text, bounced boolean);
CREATE VIEW regress_crm.customer AS
	SELECT c.id, c.full_name AS display_name, o.name AS company_name,
		ARRAY(SELECT e.address FROM regress_crm.email e WHERE e.contact_id = c.id ORDER BY e.position) AS emails,
		c.status, c.updated_at AS last_updated_time
	FROM regress_crm.contact c LEFT JOIN regress_crm.organisation o ON o.id = c.organisation
	WHERE c.is_client;
INSERT INTO regress_crm.organisation VALUES (1, 'Acme');
INSERT INTO regress_crm.contact (id, first, last) VALUES (17, 'Anne', 'Roy'), (18, 'Paul', 'Côté'), (19, 'Zoé', 'Ng');
INSERT INTO regress_crm.email VALUES (17, 1, 'anne@x.example', false), (18, 1, 'paul@x.example', false);
GRANT USAGE ON SCHEMA regress_crm TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA regress_crm TO PUBLIC;
RESET ROLE;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, extra_columns, role, state)
VALUES (-10, 'contacts', -1, 'customer', 'regress_crm.customer', 'regress_crm.customer', 'regress_crm.contact', '{id}',
	'{display_name,company_name,emails,last_updated_time}', '{status}', 'regress_crm_owner', 'enabled');
INSERT INTO qbsync.watch (mapping_id, relation, relation_name, key_columns, key_query) VALUES
	(-10, 'regress_crm.contact', 'regress_crm.contact', '{id}', NULL), (-10, 'regress_crm.email', 'regress_crm.email', '{contact_id}', NULL),
	(-10, 'regress_crm.organisation', 'regress_crm.organisation', '{id}', 'SELECT id FROM regress_crm.contact WHERE organisation = $1');
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, state, origin)
VALUES (-1, 'customer', '1', -10, '17', 'linked', 'id'), (-1, 'customer', '2', -10, '19', 'crm_missing', 'id');
CREATE FUNCTION pg_temp.guards() RETURNS TABLE (guard text) LANGUAGE sql AS $$
	SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'qbsync\_guard%' AND tgparentid = 0 ORDER BY 1
$$;

-- not a worker, whatever one sets
SET application_name = 'qbsync apply worker';
SELECT qbsync.in_apply_worker();

-- off is the default, and leaves no trigger
SELECT qbsync.create_triggers(-10);
SELECT * FROM pg_temp.guards();
UPDATE regress_crm.contact SET first = 'Anna' WHERE id = 17;

-- who may not make triggers cannot ask for a lock; nothing is half done
SET ROLE regress_admin;
SELECT qbsync_set('acme', 'lock_linked', 'warn');
SELECT qbsync_preset('centrixone', 'acme');
SELECT settings FROM qbsync.connection;

-- warn (X-19): the change is made; one warning a statement; only what is linked, and only columns that the view reads
SET ROLE regress_crm_owner;
SELECT qbsync_set('acme', 'lock_linked', 'warn');
SELECT * FROM pg_temp.guards();
SET ROLE regress_user;
UPDATE regress_crm.contact SET first = 'Annie' WHERE id IN (17, 18);
UPDATE regress_crm.contact SET last = 'Roi' WHERE id = 17;
UPDATE regress_crm.email SET address = lower(address) || 'x';
UPDATE regress_crm.contact SET first = first, score = 5, notes = 'x', status = 'hot', updated_at = now();
UPDATE regress_crm.contact SET first = 'Zoë' WHERE id = 19;		-- crm_missing is not linked
SELECT id, full_name, status FROM regress_crm.contact ORDER BY id;

-- block (CEN-39, CEN-11)
SET ROLE regress_crm_owner;
SELECT qbsync_set('acme', 'lock_linked', 'block');
SET ROLE regress_user;
UPDATE regress_crm.contact SET first = 'Eve' WHERE id = 17;
UPDATE regress_crm.contact SET last = NULL;
UPDATE regress_crm.contact SET organisation = 1 WHERE id = 17;
UPDATE regress_crm.contact SET is_client = false WHERE id = 17;
UPDATE regress_crm.contact SET id = 170 WHERE id = 17;
UPDATE regress_crm.contact SET first = first, score = 6, notes = 'y', status = 'cold', updated_at = now() WHERE id = 17;
UPDATE regress_crm.contact SET first = 'Paula' WHERE id = 18;
INSERT INTO regress_crm.contact (id, first) VALUES (20, 'New');
INSERT INTO regress_crm.contact (id, first) VALUES (17, 'Twice') ON CONFLICT (id) DO UPDATE SET first = EXCLUDED.first;
UPDATE regress_crm.email SET address = 'eve@x.example' WHERE contact_id = 17;
UPDATE regress_crm.email SET bounced = true WHERE contact_id = 17;
UPDATE regress_crm.email SET contact_id = 17 WHERE contact_id = 18;
UPDATE regress_crm.email SET contact_id = 18 WHERE contact_id = 17;
INSERT INTO regress_crm.email VALUES (17, 2, 'eve@x.example', false);
DELETE FROM regress_crm.email WHERE contact_id = 17;
INSERT INTO regress_crm.email VALUES (18, 2, 'paula@x.example', false);
DELETE FROM regress_crm.email WHERE contact_id = 18;
RESET ROLE;
UPDATE regress_crm.contact SET first = 'Eve' WHERE id = 17;		-- a superuser is a user like others
SET ROLE regress_crm_owner;
UPDATE regress_crm.contact SET first = 'Eve' WHERE id = 17;
-- nothing that a session can set is a way around, short of what only a superuser may set
SET ROLE regress_user;
SET LOCAL search_path = pg_temp, regress_crm;
CREATE TEMP TABLE link (mapping_id integer, crm_key text, state text);
UPDATE contact SET first = 'Eve' WHERE id = 17;
RESET search_path;
-- deleting is another policy; the parts go with it
SAVEPOINT s;
DELETE FROM regress_crm.contact WHERE id = 17;
SELECT count(*) FROM regress_crm.email WHERE contact_id = 17;
ROLLBACK TO SAVEPOINT s;

-- exempt (Q-4): groups of people and roles of automations alike
SET ROLE regress_crm_owner;
SELECT qbsync_set('acme', 'lock_exempt', 'regress_sales,regress_bot');
SET ROLE regress_user;
UPDATE regress_crm.contact SET first = 'Eve' WHERE id = 17;
SET ROLE regress_chief;
UPDATE regress_crm.contact SET first = 'Chief' WHERE id = 17;
SET ROLE regress_bot;
UPDATE regress_crm.contact SET first = 'Bot' WHERE id = 17;
INSERT INTO regress_crm.email VALUES (17, 3, 'bot@x.example', false);
-- an automation that is a function acts as its owner
RESET ROLE;
CREATE FUNCTION regress_crm.automation() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ UPDATE regress_crm.contact SET first = 'Automated' WHERE id = 17 $$;
ALTER FUNCTION regress_crm.automation() OWNER TO regress_user;
SET ROLE regress_chief;
SELECT regress_crm.automation();
RESET ROLE;
ALTER FUNCTION regress_crm.automation() OWNER TO regress_bot;
SET ROLE regress_user;
SELECT regress_crm.automation();
SELECT full_name FROM regress_crm.contact WHERE id = 17;
SET ROLE regress_crm_owner;
SELECT qbsync_set('acme', 'lock_exempt', NULL);

-- one-way (CEN-10, CEN-11): every column counts, the CRM's own as well
SELECT qbsync_set(setting => 'direction', value => 'pull', mapping => 'contacts');
SET ROLE regress_user;
UPDATE regress_crm.contact SET score = 7 WHERE id = 17;
UPDATE regress_crm.contact SET status = 'hot' WHERE id = 17;
UPDATE regress_crm.contact SET updated_at = now() + interval '1 s' WHERE id = 17;
UPDATE regress_crm.contact SET score = 7 WHERE id = 18;
SET ROLE regress_crm_owner;
SELECT qbsync_set(setting => 'direction', value => NULL, mapping => 'contacts');
-- columns named by the watch
RESET ROLE;
UPDATE qbsync.watch SET columns = '{score}' WHERE relation = 'regress_crm.contact'::regclass;
SET ROLE regress_user;
UPDATE regress_crm.contact SET score = 8 WHERE id = 17;
UPDATE regress_crm.contact SET first = 'Free' WHERE id = 17;
RESET ROLE;
UPDATE qbsync.watch SET columns = NULL WHERE relation = 'regress_crm.contact'::regclass;
-- the view reads another column: that one counts from now on
SET ROLE regress_crm_owner;
CREATE OR REPLACE VIEW regress_crm.customer AS
	SELECT c.id, c.notes AS display_name, NULL::text AS company_name, NULL::text[] AS emails, c.status, c.updated_at AS last_updated_time
	FROM regress_crm.contact c WHERE c.is_client;
SET ROLE regress_user;
UPDATE regress_crm.contact SET first = 'Free again' WHERE id = 17;
UPDATE regress_crm.contact SET notes = 'locked' WHERE id = 17;

-- on_crm_delete = block (CEN-41, X-13)
SET ROLE regress_crm_owner;
SELECT qbsync_set('acme', 'lock_linked', 'off');
SELECT * FROM pg_temp.guards();
SELECT qbsync_set('acme', 'on_crm_delete', 'block');
SELECT * FROM pg_temp.guards();
SET ROLE regress_user;
DELETE FROM regress_crm.contact WHERE id = 17;
DELETE FROM regress_crm.contact;
TRUNCATE regress_crm.contact CASCADE;
UPDATE regress_crm.contact SET id = 170 WHERE id = 17;
UPDATE regress_crm.contact SET notes = 'free' WHERE id = 17;
DELETE FROM regress_crm.contact WHERE id IN (18, 19);
DELETE FROM regress_crm.email WHERE contact_id = 17;
-- unlinked, it goes; a disabled mapping guards nothing
RESET ROLE;
SAVEPOINT s;
UPDATE qbsync.mapping SET state = 'disabled';
DELETE FROM regress_crm.contact WHERE id = 17;
ROLLBACK TO SAVEPOINT s;
DELETE FROM qbsync.link WHERE crm_key = '17';
SAVEPOINT s;
DELETE FROM regress_crm.contact WHERE id = 17;
ROLLBACK TO SAVEPOINT s;
TRUNCATE regress_crm.contact CASCADE;
-- back to what is inherited: no trace
SET ROLE regress_crm_owner;
SELECT qbsync_set('acme', 'on_crm_delete', NULL);
SELECT * FROM pg_temp.guards();

-- keys of several columns and of awkward types; quoted names
CREATE DOMAIN regress_crm.code AS char(5);
CREATE TABLE regress_crm."Odd ""Table" ("Jour" date, flag boolean, code regress_crm.code, "à quand" timestamptz, address inet, name text, PRIMARY KEY ("Jour", flag, code, "à quand", address));
CREATE VIEW regress_crm."odd view" AS SELECT "Jour" AS a, flag AS b, code AS c, "à quand" AS d, address AS e, name AS display_name FROM regress_crm."Odd ""Table";
INSERT INTO regress_crm."Odd ""Table" VALUES ('2026-02-03', true, 'x"y', '2026-02-03 12:00+02', '10.0.0.1', 'Odd'), ('2026-02-03', false, 'x"y', '2026-02-03 12:00+02', '10.0.0.1', 'Even');
RESET ROLE;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, role, policies)
VALUES (-11, 'odd', -1, 'customer', 'regress_crm."odd view"', 'x', 'x', '{a,b,c,d,e}', '{display_name}', 'regress_crm_owner', '{"lock_linked": "block", "on_crm_delete": "block"}');
INSERT INTO qbsync.watch (mapping_id, relation, relation_name, key_columns) VALUES (-11, 'regress_crm."Odd ""Table"', 'x', '{Jour,flag,code,"à quand",address}');
-- the key as the statements of the mapping make it
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT format('SELECT %s AS key FROM regress_crm."odd view" v WHERE b', qbsync.crm_key_expression(-11, 'v')) \gexec
SELECT format('INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin) SELECT -1, ''customer'', ''9'', -11, %s, ''id'' FROM regress_crm."odd view" v WHERE b', qbsync.crm_key_expression(-11, 'v')) \gexec
SET ROLE regress_crm_owner;
SELECT qbsync.create_triggers(-11);
SELECT * FROM pg_temp.guards();
SET LOCAL timezone = 'America/Toronto';
SET LOCAL datestyle = 'SQL, DMY';
UPDATE regress_crm."Odd ""Table" SET name = 'Changed' WHERE NOT flag;
UPDATE regress_crm."Odd ""Table" SET name = 'Changed' WHERE flag;
DELETE FROM regress_crm."Odd ""Table" WHERE flag;
SHOW timezone;
SHOW datestyle;
RESET timezone;
RESET datestyle;
SELECT qbsync.drop_triggers(-11);
SELECT * FROM pg_temp.guards();

-- partitions: a row that moves is neither deleted nor new
CREATE TABLE regress_crm.part (id integer, region text, name text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE regress_crm.part_a (extra text, name text, region text NOT NULL, id integer NOT NULL);
ALTER TABLE regress_crm.part_a DROP COLUMN extra;
ALTER TABLE regress_crm.part ATTACH PARTITION regress_crm.part_a FOR VALUES IN ('a');
CREATE TABLE regress_crm.part_b PARTITION OF regress_crm.part FOR VALUES IN ('b', 'c') PARTITION BY LIST (region);
CREATE TABLE regress_crm.part_b_1 PARTITION OF regress_crm.part_b DEFAULT;
INSERT INTO regress_crm.part VALUES (1, 'a', 'One'), (2, 'a', 'Two'), (3, 'c', 'Three');
CREATE VIEW regress_crm.parts AS SELECT id, name AS display_name, region AS area FROM regress_crm.part;
RESET ROLE;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, extra_columns, role, policies)
VALUES (-12, 'parts', -1, 'customer', 'regress_crm.parts', 'x', 'x', '{id}', '{display_name}', '{area}', 'regress_crm_owner', '{"lock_linked": "block", "on_crm_delete": "block"}');
INSERT INTO qbsync.watch (mapping_id, relation, relation_name, key_columns) VALUES (-12, 'regress_crm.part', 'x', '{id}');
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin) VALUES (-1, 'customer', '10', -12, '1', 'id'), (-1, 'customer', '11', -12, '3', 'id');
SET ROLE regress_crm_owner;
SELECT qbsync.create_triggers(-12);
SELECT * FROM pg_temp.guards();
UPDATE regress_crm.part SET name = 'Eins' WHERE id = 1;
UPDATE regress_crm.part SET name = 'Drei' WHERE id = 3;
UPDATE regress_crm.part SET name = 'Zwei' WHERE id = 2;
UPDATE regress_crm.part SET region = 'b' WHERE id = 1;
UPDATE regress_crm.part SET region = 'a' WHERE id IN (1, 2, 3);
DELETE FROM regress_crm.part WHERE id = 1;
DELETE FROM regress_crm.part_a WHERE id = 1;
UPDATE regress_crm.part SET region = 'b', name = 'Uno' WHERE id = 1;
SELECT tableoid::regclass, * FROM regress_crm.part ORDER BY id;
SELECT qbsync.drop_triggers(-12);

-- the functions are no use to others, and are triggers only
CREATE TABLE regress_crm.mine (id integer PRIMARY KEY, name text);
SELECT qbsync.guard_update();
CREATE TRIGGER qbsync_guard_x AFTER UPDATE ON regress_crm.mine FOR EACH ROW EXECUTE FUNCTION qbsync.guard_update('-12');
CREATE TRIGGER qbsync_guard_y BEFORE INSERT ON regress_crm.mine FOR EACH ROW EXECUTE FUNCTION qbsync.guard_update();
CREATE TRIGGER qbsync_guard_z BEFORE DELETE ON regress_crm.mine FOR EACH ROW EXECUTE FUNCTION qbsync.guard_delete('-12');
INSERT INTO regress_crm.mine VALUES (1, 'x');
DROP TRIGGER qbsync_guard_y ON regress_crm.mine;
INSERT INTO regress_crm.mine VALUES (1, 'x');
UPDATE regress_crm.mine SET name = 'y';
DELETE FROM regress_crm.mine;			-- not watched by that mapping
SET ROLE regress_user;
CREATE TEMP TABLE trap (id integer);
CREATE TRIGGER qbsync_guard_x BEFORE UPDATE ON trap FOR EACH ROW EXECUTE FUNCTION qbsync.guard_update('-12');
RESET ROLE;
ROLLBACK;
