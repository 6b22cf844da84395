-- Capture: which records of the CRM may have changed (X-1, X-3, KAR-2, CAP-1, EXT-31).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;

BEGIN;
CREATE ROLE regress_crm_owner IN ROLE qbsync_admin;
CREATE ROLE regress_admin IN ROLE qbsync_admin;
CREATE ROLE regress_user;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state) VALUES (-1, 'acme', 'my-app', '1', 'live');
CREATE SCHEMA regress_crm AUTHORIZATION regress_crm_owner;
SET ROLE regress_crm_owner;
CREATE TABLE regress_crm.organisation (id integer PRIMARY KEY, name text);
CREATE TABLE regress_crm.contact (
	id integer PRIMARY KEY, first text, last text, full_name text GENERATED ALWAYS AS (first || ' ' || last) STORED,
	organisation integer REFERENCES regress_crm.organisation ON DELETE SET NULL ON UPDATE CASCADE, score integer, notes text);
CREATE TABLE regress_crm.email (contact_id integer REFERENCES regress_crm.contact ON DELETE CASCADE ON UPDATE CASCADE, position integer, address text);
CREATE VIEW regress_crm.customer AS
	SELECT c.id, c.full_name AS display_name, o.name AS company_name,
		ARRAY(SELECT e.address FROM regress_crm.email e WHERE e.contact_id = c.id ORDER BY e.position) AS emails
	FROM regress_crm.contact c LEFT JOIN regress_crm.organisation o ON o.id = c.organisation;
GRANT USAGE ON SCHEMA regress_crm TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA regress_crm TO PUBLIC;
RESET ROLE;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, role)
VALUES (-10, 'contacts', -1, 'customer', 'regress_crm.customer', 'regress_crm.customer', 'regress_crm.contact', '{id}',
	'{display_name,company_name,emails}', 'regress_crm_owner');
INSERT INTO qbsync.watch (watch_id, mapping_id, relation, relation_name, columns, key_columns, key_query) VALUES
	(-1, -10, 'regress_crm.contact', 'regress_crm.contact', '{full_name,organisation,notes}', '{id}', NULL),
	(-2, -10, 'regress_crm.email', 'regress_crm.email', NULL, '{contact_id}', NULL),
	(-3, -10, 'regress_crm.organisation', 'regress_crm.organisation', '{name}', '{id}', 'SELECT id FROM regress_crm.contact WHERE organisation = $1::integer');
CREATE FUNCTION pg_temp.triggers() RETURNS TABLE (trigger text) LANGUAGE sql AS $$
	SELECT replace(pg_get_triggerdef(t.oid), t.tgrelid::text, 'OID') FROM pg_trigger t
	WHERE NOT tgisinternal AND tgname LIKE 'qbsync%' AND tgparentid = 0 ORDER BY tgrelid::regclass::text, tgname
$$;
-- what was captured since the last call
CREATE FUNCTION pg_temp.seen() RETURNS TABLE (watch integer, key text, rows bigint) LANGUAGE sql SECURITY DEFINER AS $$
	WITH gone AS (DELETE FROM qbsync.capture RETURNING *)
	SELECT g.watch_id, coalesce(g.was || ' -> ', '') || g.key, count(*) FROM gone g GROUP BY 1, g.key, g.was ORDER BY 1 DESC, g.key, g.was
$$;

-- the table is plain: nothing that an append would have to look at
SELECT count(*) FROM pg_index WHERE indrelid = 'qbsync.capture'::regclass;
SELECT relkind, relhasindex, relchecks, relhastriggers, relreplident, reloptions FROM pg_class WHERE oid = 'qbsync.capture'::regclass;

-- a mapping that is not enabled, or sends nothing, has no trigger
SET ROLE regress_crm_owner;
SELECT qbsync.create_triggers(-10);
SELECT * FROM pg_temp.triggers();
RESET ROLE;
UPDATE qbsync.mapping SET state = 'enabled', enabled_at = now() WHERE mapping_id = -10;
SET ROLE regress_admin;
SELECT qbsync.create_triggers(-10);
SET ROLE regress_crm_owner;
SELECT qbsync_set(setting => 'direction', value => 'pull', mapping => 'contacts');
SELECT * FROM pg_temp.triggers();
SELECT qbsync_set(setting => 'direction', value => 'two_way', mapping => 'contacts', "column" => 'company_name');
SELECT count(*) FROM pg_temp.triggers();
SELECT qbsync_set(setting => 'direction', value => NULL, mapping => 'contacts', "column" => 'company_name');
SELECT count(*) FROM pg_temp.triggers();
SELECT qbsync_set(setting => 'direction', value => 'push', mapping => 'contacts');
SELECT * FROM pg_temp.triggers();

-- nor what cannot go out yet (documents, items), whatever its direction
RESET ROLE;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, role, state, enabled_at, policies)
VALUES (-13, 'items', -1, 'item', 'regress_crm.customer', 'regress_crm.customer', 'regress_crm.contact', '{id}', '{name}', 'regress_crm_owner', 'enabled', now(), '{"direction": "two_way"}');
INSERT INTO qbsync.watch (watch_id, mapping_id, relation, relation_name, columns, key_columns) VALUES (-13, -13, 'regress_crm.contact', 'regress_crm.contact', NULL, '{id}');
SELECT count(*) FROM qbsync.captures_wanted(-13);
DELETE FROM qbsync.watch WHERE mapping_id = -13;
DELETE FROM qbsync.mapping WHERE mapping_id = -13;

-- who writes has no rights on the table, and needs none
SET ROLE regress_user;
SELECT count(*) FROM qbsync.capture;
INSERT INTO regress_crm.organisation VALUES (1, 'Acme'), (2, 'Other');
INSERT INTO regress_crm.contact (id, first, last, organisation) VALUES (17, 'Anne', 'Roy', 1), (18, 'Paul', 'Côté', 1), (19, 'Zoé', 'Ng', NULL);
INSERT INTO regress_crm.email VALUES (17, 1, 'anne@x.example'), (17, 2, 'roy@x.example'), (NULL, 1, 'nobody@x.example');
RESET ROLE;
SELECT xid = pg_current_xact_id() AS ours, at > now() AND at < clock_timestamp() AS now FROM qbsync.capture GROUP BY 1, 2;
SELECT * FROM pg_temp.seen();
SET ROLE regress_user;

-- only what is watched, and only what is changed; a generated column changes with what it is made from
UPDATE regress_crm.contact SET score = 5;
UPDATE regress_crm.contact SET first = first, last = last, notes = NULL, organisation = organisation;
SELECT * FROM pg_temp.seen();
UPDATE regress_crm.contact SET first = 'Anna' WHERE id = 17;
UPDATE regress_crm.contact SET notes = 'x' WHERE id = 18;
UPDATE regress_crm.contact SET notes = NULL WHERE id = 18;
UPDATE regress_crm.organisation SET name = 'Acme Ltd.' WHERE id = 1;
UPDATE regress_crm.email SET position = 3 WHERE position = 2;
SELECT * FROM pg_temp.seen();
-- all columns are watched
UPDATE regress_crm.email SET address = address;
SELECT * FROM pg_temp.seen();

-- a row that gets another key: both records; cascades; a part that is handed on
UPDATE regress_crm.contact SET id = 170 WHERE id = 17;
SELECT * FROM pg_temp.seen();
UPDATE regress_crm.email SET contact_id = 18 WHERE position = 1 AND contact_id = 170;
UPDATE regress_crm.email SET contact_id = 19 WHERE contact_id IS NULL;
UPDATE regress_crm.email SET contact_id = NULL WHERE contact_id = 19;
SELECT * FROM pg_temp.seen();
UPDATE regress_crm.organisation SET id = 3 WHERE id = 2;
DELETE FROM regress_crm.organisation WHERE id = 1;
SELECT * FROM pg_temp.seen();
DELETE FROM regress_crm.contact WHERE id = 170;
SELECT * FROM pg_temp.seen();

-- rolled back is not captured
SAVEPOINT s;
UPDATE regress_crm.contact SET notes = 'gone' WHERE id = 18;
ROLLBACK TO SAVEPOINT s;
SELECT * FROM pg_temp.seen();
UPDATE regress_crm.contact SET notes = 'kept' WHERE id = 18;
SAVEPOINT s;
UPDATE regress_crm.contact SET notes = 'gone' WHERE id = 19;
SAVEPOINT inner_one;
DELETE FROM regress_crm.contact WHERE id = 19;
RELEASE SAVEPOINT inner_one;
ROLLBACK TO SAVEPOINT s;
SAVEPOINT other;
UPDATE regress_crm.contact SET first = 'Paula' WHERE id = 18;
RELEASE SAVEPOINT other;
SELECT * FROM pg_temp.seen();
DO $$
BEGIN
	UPDATE regress_crm.contact SET notes = 'gone' WHERE id = 18;
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	UPDATE regress_crm.contact SET notes = 'caught' WHERE id = 19;
END $$;
SELECT * FROM pg_temp.seen();

-- ON CONFLICT, MERGE, COPY
INSERT INTO regress_crm.contact (id, first) VALUES (18, 'Never') ON CONFLICT DO NOTHING;
INSERT INTO regress_crm.contact (id, first) VALUES (18, 'Same'), (20, 'New') ON CONFLICT (id) DO UPDATE SET score = EXCLUDED.id;
SELECT * FROM pg_temp.seen();
INSERT INTO regress_crm.contact (id, first) VALUES (18, 'Other') ON CONFLICT (id) DO UPDATE SET first = EXCLUDED.first;
SELECT * FROM pg_temp.seen();
MERGE INTO regress_crm.contact c USING (VALUES (18, 'Merged'), (19, NULL), (21, 'Made')) v(id, first) ON c.id = v.id
	WHEN MATCHED AND v.first IS NULL THEN DELETE
	WHEN MATCHED THEN UPDATE SET first = v.first
	WHEN NOT MATCHED THEN INSERT (id, first) VALUES (v.id, v.first);
SELECT * FROM pg_temp.seen();
COPY regress_crm.contact (id, first, last) FROM stdin;
31	Copied	One
32	Copied	Two
\.
SELECT * FROM pg_temp.seen();

-- long values: changed or not
UPDATE regress_crm.contact SET notes = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) i) WHERE id = 31;
SELECT * FROM pg_temp.seen();
UPDATE regress_crm.contact SET score = 1, first = first WHERE id = 31;
UPDATE regress_crm.contact SET notes = notes || '' WHERE id = 31;
SELECT * FROM pg_temp.seen();
UPDATE regress_crm.contact SET notes = notes || '!' WHERE id = 31;
SELECT * FROM pg_temp.seen();

-- deferred constraints and triggers of the CRM; what those write is captured where they write it
RESET ROLE;
CREATE FUNCTION regress_crm.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE regress_crm.contact SET notes = 'touched by ' || NEW.id WHERE id = 32;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER touch AFTER UPDATE OF first ON regress_crm.contact DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION regress_crm.touch();
UPDATE regress_crm.contact SET first = 'Deferred' WHERE id = 31;
SELECT * FROM pg_temp.seen();
SET CONSTRAINTS ALL IMMEDIATE;
SELECT * FROM pg_temp.seen();
DROP TRIGGER touch ON regress_crm.contact;
CREATE FUNCTION regress_crm.rewrite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.notes := 'rewritten'; RETURN NEW; END $$;
CREATE TRIGGER zz BEFORE UPDATE ON regress_crm.contact FOR EACH ROW EXECUTE FUNCTION regress_crm.rewrite();
UPDATE regress_crm.contact SET score = 2 WHERE id = 32;
UPDATE regress_crm.contact SET score = 3 WHERE id = 32;
SELECT * FROM pg_temp.seen();
DROP TRIGGER zz ON regress_crm.contact;

-- TRUNCATE sends nothing; nor does a session that fires no triggers: the nightly comparison finds what it did
SET ROLE regress_user;
TRUNCATE regress_crm.email;
RESET ROLE;
SET LOCAL session_replication_role = replica;
UPDATE regress_crm.contact SET notes = 'replicated';
SET LOCAL session_replication_role = origin;
SELECT * FROM pg_temp.seen();

-- columns added, dropped and renamed under a session that knows the table
ALTER TABLE regress_crm.contact ADD COLUMN extra text DEFAULT 'x';
UPDATE regress_crm.contact SET extra = 'y' WHERE id = 32;
SELECT * FROM pg_temp.seen();
UPDATE regress_crm.contact SET notes = 'after' WHERE id = 32;
SELECT * FROM pg_temp.seen();
ALTER TABLE regress_crm.contact RENAME COLUMN id TO contact_id;
ALTER TABLE regress_crm.contact RENAME COLUMN notes TO remarks;
UPDATE regress_crm.contact SET score = 9;
UPDATE regress_crm.contact SET remarks = 'renamed' WHERE contact_id = 32;
SELECT * FROM pg_temp.seen();
SELECT relation, wanted, present FROM qbsync.trigger_plan(-10);		-- nothing to be mended
ALTER TABLE regress_crm.contact DROP COLUMN remarks;
UPDATE regress_crm.contact SET score = 10;
UPDATE regress_crm.contact SET first = 'dropped' WHERE contact_id = 32;
SELECT * FROM pg_temp.seen();
-- a new column in the place of an old one counts by its name
ALTER TABLE regress_crm.contact ADD COLUMN notes text;
UPDATE regress_crm.contact SET notes = 'again' WHERE contact_id = 32;
SELECT * FROM pg_temp.seen();
ALTER TABLE regress_crm.contact RENAME COLUMN contact_id TO id;

-- the arguments of a restored table name another one: names count, and what cannot be found makes every column count
SELECT format('CREATE OR REPLACE TRIGGER %I AFTER INSERT OR DELETE OR UPDATE ON regress_crm.contact FOR EACH ROW EXECUTE FUNCTION qbsync.capture_change(''-1'', ''-10'', ''1'', ''key 3 id'', ''column 1 first'')', tgname)
FROM pg_trigger WHERE tgname LIKE 'qbsync\_capture%' AND tgrelid = 'regress_crm.contact'::regclass \gexec
UPDATE regress_crm.contact SET score = 11;
UPDATE regress_crm.contact SET first = 'restored' WHERE id = 32;
SELECT * FROM pg_temp.seen();
ALTER TABLE regress_crm.contact RENAME COLUMN first TO given;
UPDATE regress_crm.contact SET score = 12 WHERE id = 32;
SELECT * FROM pg_temp.seen();
ALTER TABLE regress_crm.contact RENAME COLUMN id TO contact_id;
UPDATE regress_crm.contact SET score = 13;		-- which record is not known: once a command
INSERT INTO regress_crm.contact (contact_id) VALUES (50);
SELECT * FROM pg_temp.seen();
ALTER TABLE regress_crm.contact RENAME COLUMN contact_id TO id;
ALTER TABLE regress_crm.contact RENAME COLUMN given TO first;
-- whoever asks for the triggers again has them as they should be
SELECT relation, wanted, present FROM qbsync.trigger_plan(-10);
SET ROLE regress_crm_owner;
SELECT qbsync.create_triggers(-10);
RESET ROLE;
SELECT relation, wanted, present FROM qbsync.trigger_plan(-10);

-- a mapping that is disabled is not captured, whoever disables it; enabling brings the triggers back
SET ROLE regress_admin;
SELECT qbsync_disable('contacts');
SELECT count(*) FROM pg_temp.triggers();
SET ROLE regress_crm_owner;
SELECT qbsync_disable('contacts');
SELECT count(*) FROM pg_temp.triggers();

-- keys of several columns and of awkward types; quoted names
CREATE DOMAIN regress_crm.code AS char(5);
CREATE TYPE regress_crm.mood AS ENUM ('sad', 'happy');
CREATE TABLE regress_crm."Odd ""Table" ("Jour" date, flag boolean, code regress_crm.code, "à quand" timestamptz, address inet, mood regress_crm.mood, "the name" text,
	PRIMARY KEY ("Jour", flag, code, "à quand", address, mood));
CREATE VIEW regress_crm."odd view" AS SELECT "Jour" AS a, flag AS b, code AS c, "à quand" AS d, address AS e, mood AS f, "the name" AS display_name FROM regress_crm."Odd ""Table";
RESET ROLE;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, role, state)
VALUES (-11, 'odd', -1, 'customer', 'regress_crm."odd view"', 'x', 'x', '{a,b,c,d,e,f}', '{display_name}', 'regress_crm_owner', 'enabled');
INSERT INTO qbsync.watch (watch_id, mapping_id, relation, relation_name, key_columns, columns)
VALUES (-4, -11, 'regress_crm."Odd ""Table"', 'x', '{Jour,flag,code,"à quand",address,mood}', '{"the name"}');
SET ROLE regress_crm_owner;
SELECT qbsync.create_triggers(-11);
SET LOCAL timezone = 'America/Toronto';
SET LOCAL datestyle = 'SQL, DMY';
INSERT INTO regress_crm."Odd ""Table" VALUES ('2026-02-03', true, 'x"y', '2026-02-03 12:00+02', '10.0.0.1', 'sad', 'Odd');
UPDATE regress_crm."Odd ""Table" SET "the name" = 'Even';
RESET timezone;
RESET datestyle;
RESET ROLE;
-- the key as the statements of the mapping make it
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';
SELECT format('SELECT c.key, c.key = %s AS same FROM qbsync.capture c, regress_crm."odd view" v GROUP BY 1, 2', qbsync.crm_key_expression(-11, 'v')) \gexec
DELETE FROM qbsync.capture;

-- a key that only the CRM's own code makes: when that fails, the write does not
SET ROLE regress_crm_owner;
CREATE TYPE regress_crm.pair AS (a integer, b integer);
CREATE FUNCTION regress_crm.pair_text(regress_crm.pair) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 10 / ($1).b; END $$;
RESET ROLE;
CREATE CAST (regress_crm.pair AS text) WITH FUNCTION regress_crm.pair_text(regress_crm.pair);
CREATE TABLE regress_crm.paired (pair regress_crm.pair, name text);
INSERT INTO qbsync.watch (watch_id, mapping_id, relation, relation_name, key_columns) VALUES (-5, -11, 'regress_crm.paired', 'x', '{pair}');
SELECT qbsync.create_triggers(-11);
INSERT INTO regress_crm.paired VALUES ((1, 2), 'good'), ((1, 0), 'bad'), ((2, 0), 'bad'), ((1, 5), 'good');
SELECT count(*) FROM regress_crm.paired;
SELECT * FROM pg_temp.seen();

-- partitions: written by their own name, with columns of other numbers, moved, attached later
CREATE TABLE regress_crm.part (id integer, region text, name text, size integer, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE regress_crm.part_a (extra text, size integer, name text, region text NOT NULL, id integer NOT NULL);
ALTER TABLE regress_crm.part_a DROP COLUMN extra;
ALTER TABLE regress_crm.part ATTACH PARTITION regress_crm.part_a FOR VALUES IN ('a');
CREATE TABLE regress_crm.part_b PARTITION OF regress_crm.part FOR VALUES IN ('b', 'c') PARTITION BY LIST (region);
CREATE TABLE regress_crm.part_b_1 PARTITION OF regress_crm.part_b DEFAULT;
INSERT INTO qbsync.watch (watch_id, mapping_id, relation, relation_name, key_columns, columns) VALUES (-6, -11, 'regress_crm.part', 'x', '{id}', '{name}');
SELECT qbsync.create_triggers(-11);
CREATE TABLE regress_crm.part_d (LIKE regress_crm.part);
ALTER TABLE regress_crm.part ATTACH PARTITION regress_crm.part_d FOR VALUES IN ('d');
INSERT INTO regress_crm.part VALUES (1, 'a', 'One'), (2, 'c', 'Two');
INSERT INTO regress_crm.part_a (id, region, name) VALUES (3, 'a', 'Three');
INSERT INTO regress_crm.part_d (id, region, name) VALUES (4, 'd', 'Four');
SELECT * FROM pg_temp.seen();
UPDATE regress_crm.part SET size = 1;
UPDATE regress_crm.part_a SET size = 2;
UPDATE regress_crm.part SET name = 'Eins' WHERE id = 1;
UPDATE regress_crm.part_b_1 SET name = 'Zwei' WHERE id = 2;
SELECT * FROM pg_temp.seen();
UPDATE regress_crm.part SET region = 'b' WHERE id = 1;
SELECT * FROM pg_temp.seen();
ALTER TABLE regress_crm.part RENAME COLUMN id TO number;
ALTER TABLE regress_crm.part RENAME COLUMN name TO title;
UPDATE regress_crm.part SET size = 3;
UPDATE regress_crm.part SET title = 'Renamed' WHERE number = 3;
SELECT * FROM pg_temp.seen();

-- inheritance: those that inherit have triggers of their own
CREATE TABLE regress_crm.parent (id integer, name text, size integer);
CREATE TABLE regress_crm.child (more text) INHERITS (regress_crm.parent);
CREATE TABLE regress_crm.grandchild () INHERITS (regress_crm.child);
INSERT INTO qbsync.watch (watch_id, mapping_id, relation, relation_name, key_columns, columns) VALUES (-7, -11, 'regress_crm.parent', 'x', '{id}', '{name}');
SELECT qbsync.create_triggers(-11);
INSERT INTO regress_crm.parent VALUES (1, 'One');
INSERT INTO regress_crm.child VALUES (2, 'Two');
INSERT INTO regress_crm.grandchild VALUES (3, 'Three');
SELECT * FROM pg_temp.seen();
UPDATE regress_crm.parent SET size = 1;
UPDATE regress_crm.parent SET name = name || '!';
SELECT * FROM pg_temp.seen();
SELECT relation, trigger_name, wanted, present FROM qbsync.trigger_plan(-11) ORDER BY 1::text;

-- a watch that is gone: the trigger is, too, once it is looked for; before, what it notes means nothing
DELETE FROM qbsync.watch WHERE watch_id = -7;
UPDATE regress_crm.parent SET name = name || '!' WHERE id = 1;
SELECT * FROM pg_temp.seen();
SELECT count(*) FROM qbsync.trigger_plan(-11) p WHERE p.wanted <> p.present;
SELECT qbsync.drop_triggers(-11);
SELECT count(*) FROM pg_temp.triggers();

-- half an extension: the CRM goes on
UPDATE qbsync.watch SET key_columns = '{number}', columns = '{title}' WHERE watch_id = -6;
SELECT qbsync.create_triggers(-11);
ALTER EXTENSION qbsync DROP TABLE qbsync.capture;
SAVEPOINT s;
ALTER TABLE qbsync.capture ADD COLUMN more text;
UPDATE regress_crm.part SET title = 'another layout' WHERE number = 3;
ROLLBACK TO SAVEPOINT s;
DROP TABLE qbsync.capture;
UPDATE regress_crm.part SET title = 'no table' WHERE number = 3;
SELECT title FROM regress_crm.part WHERE number = 3;
ROLLBACK TO SAVEPOINT s;
UPDATE regress_crm.part SET title = 'a table' WHERE number = 3;
SELECT * FROM pg_temp.seen();

-- a trigger only, after each row, with arguments
CREATE TABLE regress_crm.mine (id integer PRIMARY KEY, name text);
SELECT qbsync.capture_change();
CREATE TRIGGER x BEFORE INSERT ON regress_crm.mine FOR EACH ROW EXECUTE FUNCTION qbsync.capture_change('1');
INSERT INTO regress_crm.mine VALUES (1, 'x');
DROP TRIGGER x ON regress_crm.mine;
CREATE TRIGGER x AFTER INSERT ON regress_crm.mine FOR EACH STATEMENT EXECUTE FUNCTION qbsync.capture_change('1');
INSERT INTO regress_crm.mine VALUES (1, 'x');
DROP TRIGGER x ON regress_crm.mine;
CREATE TRIGGER x AFTER INSERT ON regress_crm.mine FOR EACH ROW EXECUTE FUNCTION qbsync.capture_change();
INSERT INTO regress_crm.mine VALUES (1, 'x');
-- arguments of another version
DROP TRIGGER x ON regress_crm.mine;
CREATE TRIGGER x AFTER INSERT ON regress_crm.mine FOR EACH ROW EXECUTE FUNCTION qbsync.capture_change('-99', '0', 'x', 'scope 1 id', 'nonsense', 'key id');
INSERT INTO regress_crm.mine VALUES (1, 'x');
SELECT * FROM pg_temp.seen();
SET ROLE regress_user;
CREATE TEMP TABLE trap (id integer);
CREATE TRIGGER x AFTER INSERT ON trap FOR EACH ROW EXECUTE FUNCTION qbsync.capture_change('1');
RESET ROLE;
ROLLBACK;
