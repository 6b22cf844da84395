-- setup_todo: what is left to do, step by step (CAP-2, CAP-17, ORD-2, X-26, X-31).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;
CREATE FUNCTION pg_temp.todo() RETURNS TABLE (connection text, mapping text, step text, required boolean, title text, count bigint)
LANGUAGE sql AS $$ SELECT connection, mapping, step, required, title, count FROM qbsync.setup_todo ORDER BY position, connection, mapping $$;
SELECT * FROM pg_temp.todo();
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
SELECT * FROM pg_temp.todo();
INSERT INTO qbsync.secret (owner_kind, owner, kind, key_id, nonce, ciphertext) VALUES ('app', 'my-app', 'client_secret', 'k', '\x', '\x');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state) VALUES (-1, 'L''Érable', 'my-app', '1', 'authorizing');
SELECT * FROM pg_temp.todo();
SELECT what_to_do FROM qbsync.setup_todo;
UPDATE qbsync.connection SET state = 'unconfirmed';
SELECT * FROM pg_temp.todo();
UPDATE qbsync.connection SET company_name = 'Paysages d''ici', settings = '{"language": "fr"}';
SELECT title, what_to_do FROM qbsync.setup_todo;
UPDATE qbsync.connection SET state = 'live';
SELECT * FROM pg_temp.todo();
SELECT what_to_do FROM qbsync.setup_todo WHERE step = 'vendors';
UPDATE qbsync.connection SET settings = settings || '{"vendors": "off"}';
INSERT INTO qbsync.secret (owner_kind, owner, kind, key_id, nonce, ciphertext) VALUES ('app', 'my-app', 'webhook_verifier', 'k', '\x', '\x');
SELECT * FROM pg_temp.todo();
CREATE SCHEMA crm;
CREATE ROLE regress_crm;
GRANT USAGE, CREATE ON SCHEMA crm TO regress_crm;
SET ROLE regress_crm;
CREATE TABLE crm.client (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text);
RESET ROLE;
SELECT qbsync_map_table('crm.client', 'customer', columns => '{"display_name": "name"}', name => 'clients', role => 'regress_crm', connection => 'L''Érable');
SELECT * FROM pg_temp.todo();
UPDATE qbsync.mapping SET state = 'enabled';
SELECT * FROM pg_temp.todo();
INSERT INTO qbsync.crm_error (connection_id, mapping_id, entity, id, problem, next_attempt_at) SELECT -1, mapping_id, 'customer', n::text, 'value_not_mapped', now() FROM qbsync.mapping, generate_series(1, 3) n;
UPDATE qbsync.mapping SET paused_lanes = '{rule,backfill}';
SELECT * FROM pg_temp.todo();
SELECT what_to_do FROM qbsync.setup_todo;
SELECT qbsync_confirm_lane('clients');
-- ORD-2: what is sent is changed right after, again and again; by ourselves, later, or twice only: nothing
INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail) SELECT -1, mapping_id, 'customer', n::text, n::text, 'sent', '{"operation": "update", "sync_token": "1"}' FROM qbsync.mapping, generate_series(1, 5) n;
INSERT INTO qbsync.record_version (connection_id, entity, id, valid_from, valid_to, sync_token, last_updated_time) SELECT -1, 'customer', n::text, now() - interval '2 min', now(), '1', now() - interval '2 min' FROM generate_series(1, 5) n;
INSERT INTO qbsync.customer (connection_id, id, seen_at, sync_token, last_updated_time) SELECT -1, n::text, now(), '2', now() - CASE n WHEN 3 THEN interval '0' ELSE interval '100 s' END FROM generate_series(1, 5) n;
INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail) SELECT -1, mapping_id, 'customer', '4', '4', 'sent', '{"operation": "update", "sync_token": "2"}' FROM qbsync.mapping;
UPDATE qbsync.customer SET deleted_at = now() WHERE id = '5';
SELECT count(*) FROM qbsync.setup_todo WHERE step = 'other_writer';
UPDATE qbsync.customer SET deleted_at = NULL WHERE id = '5';
SELECT step, required, title, count, what_to_do FROM qbsync.setup_todo WHERE step = 'other_writer';
UPDATE qbsync.connection SET state = 'unconfirmed', name = '%s {app} %1$L';
SELECT what_to_do FROM qbsync.setup_todo;
UPDATE qbsync.connection SET state = 'disconnected';
SELECT * FROM pg_temp.todo();
-- every step is there in words
SELECT s.value, s.language FROM qbsync.label s WHERE s.kind = 'setup' AND NOT EXISTS (SELECT FROM qbsync.label d WHERE d.kind = 'setup_do' AND (d.value, d.language) = (s.value, s.language));
ROLLBACK;
