-- Pause, resume, sync, settings, disconnect, copies, links (CAP-25, CAP-61, CAP-62, PIP-34, X-27, X-28, EXT-33, EXT-34).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;
SELECT qbsync_pause();
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (name, app, realm_id, state, company_name, confirmed_name, confirmed_at)
VALUES ('acme', 'my-app', '1', 'live', 'Acme', 'Acme', now());
INSERT INTO qbsync.cursor (connection_id, entity, phase)
SELECT connection_id, e, 'loaded' FROM qbsync.connection, unnest('{*,customer,invoice}'::text[]) e;
CREATE FUNCTION pg_temp.set_state(text) RETURNS void LANGUAGE sql AS $$ UPDATE qbsync.connection SET state = $1 $$;

-- CAP-25: what pg_cron calls; asked twice before it starts, it is one job
SELECT qbsync_sync_now('acme') = qbsync_sync_now() AS one_job;
SELECT kind, state, arguments, requested_by = session_user AS by_me FROM qbsync.job;
UPDATE qbsync.job SET state = 'running';
SELECT count(qbsync_sync_now()) FROM qbsync.job;
SELECT qbsync_sync_now('acne');
-- each state that cannot sync names the way out
SELECT pg_temp.set_state('authorizing');
SELECT qbsync_sync_now();
SELECT pg_temp.set_state('reauthorize');
SELECT qbsync_sync_now();
SELECT pg_temp.set_state('clone');
SELECT qbsync_sync_now();
SELECT pg_temp.set_state('disconnected');
SELECT qbsync_sync_now();
SELECT qbsync_pause();
SELECT qbsync_resume();
SELECT pg_temp.set_state('live');

-- ORD-4: being connected is not being active
SELECT qbsync_pause('acme'), qbsync_pause('acme') AS again;
SELECT qbsync_sync_now();
SELECT qbsync_resume(), qbsync_resume() AS again;
-- back to what it did before
UPDATE qbsync.cursor SET phase = 'verifying' WHERE entity = 'invoice';
SELECT qbsync_pause(), qbsync_resume();
-- in a reconciliation it stays live; while it is read anew it does not
INSERT INTO qbsync.cursor (connection_id, entity, phase, finished_at) SELECT connection_id, '*', 'loaded', now() FROM qbsync.connection ON CONFLICT (connection_id, entity) DO UPDATE SET finished_at = now();
UPDATE qbsync.cursor SET started_at = now() - interval '1 day' WHERE entity = 'invoice';
SELECT qbsync_pause(), qbsync_resume();
UPDATE qbsync.cursor SET started_at = now() + interval '1 min' WHERE entity = 'invoice';
SELECT qbsync_pause(), qbsync_resume();
SELECT qbsync_pause();
DELETE FROM qbsync.cursor;
SELECT qbsync_resume();
SELECT qbsync_pause();
UPDATE qbsync.connection SET confirmed_at = NULL;
SELECT qbsync_resume();
UPDATE qbsync.connection SET confirmed_at = now(), state = 'live';

-- settings
SELECT qbsync_set('acme', 'colour', 'red');
SELECT qbsync_set('acme');
SELECT qbsync_set('acme', 'poll_interval', 'soon');
SELECT qbsync_set('acme', 'poll_interval', '9 s');
SELECT qbsync_set('acme', 'poll_interval', '8 days');
SELECT qbsync_set('acme', 'poll_interval', '-1 h');
SELECT qbsync_set('acme', 'poll_interval', '90');
SET LOCAL intervalstyle = iso_8601;
SELECT qbsync_set(setting => 'poll_interval', value => '15 minutes');
RESET intervalstyle;
SELECT qbsync_set('acme', 'custom_fields', 'some');
SELECT qbsync_set('acme', 'keep_visible', 'perhaps');
SELECT qbsync_set('acme', 'keep_visible', 'on');
SELECT settings, qbsync.poll_interval(connection_id) FROM qbsync.connection;
SELECT qbsync_set('acme', 'poll_interval', NULL), qbsync_set('acme', 'keep_visible', NULL);
SELECT settings, qbsync.poll_interval(connection_id) FROM qbsync.connection;
-- the allowance of an app is shared by its live companies (051_freshness)
SAVEPOINT s;
INSERT INTO qbsync.connection (name, app, realm_id, state) SELECT 'c' || n, 'my-app', 1000 + n, 'live' FROM generate_series(1, 99) n;
INSERT INTO qbsync.connection (name, app, realm_id, state) SELECT 'p' || n, 'my-app', 2000 + n, 'paused' FROM generate_series(1, 99) n;
UPDATE qbsync.app SET monthly_reads = 1000;
SELECT qbsync.poll_interval(connection_id) > '1 min' AS longer FROM qbsync.connection WHERE name = 'acme';
SELECT qbsync_pause();
ROLLBACK TO s;

-- PIP-34: open in QuickBooks
SELECT qbsync_open_url('invoice', '42'), qbsync_open_url('customer', 'a b&c', 'acme');
-- the list of pages grows with the catalogue
\set VERBOSITY terse
SELECT qbsync_open_url('term', '1');
SELECT qbsync_open_url();
\set VERBOSITY default
SELECT qbsync_open_url('invoice');

-- EXT-33: the app's Disconnect URL; nothing is believed, qbsync only looks sooner
SELECT qbsync_disconnect_notice('999'), qbsync_disconnect_notice();
DELETE FROM qbsync.job;
SELECT qbsync_disconnect_notice('1') IS NOT NULL AS queued;
SELECT kind, state FROM qbsync.job;

-- CAP-61: disconnecting is confirmed
SELECT qbsync_disconnect('acme');
SELECT qbsync_disconnect('acme', confirm => true, mode => 'burn');
SELECT state FROM qbsync.connection;
-- with a grant the gateway revokes it
INSERT INTO qbsync.secret (owner_kind, owner, kind, key_id, nonce, ciphertext)
SELECT 'connection', connection_id::text, 'refresh_token', 'k', '', '' FROM qbsync.connection;
SAVEPOINT s;
SELECT qbsync_disconnect('acme', confirm => true) IS NOT NULL AS job;
SELECT c.state, c.settings, j.kind, j.arguments FROM qbsync.connection c JOIN qbsync.job j USING (connection_id) ORDER BY j.job_id;
ROLLBACK TO s;
SELECT qbsync_disconnect('acme', confirm => true, mode => 'pause') IS NOT NULL AS job;
SELECT c.settings, j.kind, j.arguments FROM qbsync.connection c JOIN qbsync.job j USING (connection_id) ORDER BY j.job_id;
ROLLBACK TO s;
-- without one it is done at once; purge_mirror removes what was read (X-28)
DELETE FROM qbsync.secret;
INSERT INTO qbsync.customer (connection_id, id, seen_at) SELECT connection_id, '7', now() FROM qbsync.connection;
INSERT INTO qbsync.invoice (connection_id, id, seen_at) SELECT connection_id, '8', now() FROM qbsync.connection;
INSERT INTO qbsync.invoice_line (connection_id, invoice_id, position) SELECT connection_id, '8', 1 FROM qbsync.connection;
INSERT INTO qbsync.customer (connection_id, id, seen_at) VALUES (-1, '7', now());
INSERT INTO qbsync.cursor (connection_id, entity) SELECT connection_id, 'customer' FROM qbsync.connection;
SELECT qbsync_disconnect('acme', confirm => true);
SELECT state, (SELECT array_agg(j.state) FROM qbsync.job j) AS jobs, (SELECT count(*) FROM qbsync.customer) AS customers FROM qbsync.connection;
SELECT qbsync_open_url('invoice', '42');
SELECT qbsync_disconnect('acme', confirm => true, mode => 'purge_mirror');
SELECT (SELECT array_agg(connection_id) FROM qbsync.customer) AS customers, (SELECT count(*) FROM qbsync.invoice) AS invoices,
	(SELECT count(*) FROM qbsync.invoice_line) AS lines, (SELECT count(*) FROM qbsync.cursor) AS cursors;
-- its company may be connected under another name now; then not a second time
SELECT qbsync_connect('other', realm_id => '1') IS NOT NULL AS job;
SELECT qbsync_connect('acme', realm_id => '1');
DELETE FROM qbsync.connection WHERE name = 'other';
-- and again under its own, where everything is kept
SELECT qbsync_connect('acme', realm_id => '2');
SELECT qbsync_connect('acme') IS NOT NULL AS job;
SELECT name, state, realm_id, confirmed_name FROM qbsync.connection;

-- EXT-34: a copy
SELECT qbsync_confirm_clone();
DELETE FROM qbsync.job;
UPDATE qbsync.connection SET state = 'clone', problem = 'clone', system_identifier = '1', database_id = 1, timeline = 1, origin = '00000000-0000-0000-0000-000000000000';
INSERT INTO qbsync.secret (owner_kind, owner, kind, key_id, nonce, ciphertext)
SELECT 'connection', connection_id::text, 'refresh_token', 'k', '', '' FROM qbsync.connection;
INSERT INTO qbsync.cursor (connection_id, entity, phase) SELECT connection_id, '*', 'loaded' FROM qbsync.connection;
SELECT qbsync_authorize_url('acme');
SELECT qbsync_connect('acme');
SAVEPOINT s;
-- disconnecting it must not revoke the original's grant
SELECT qbsync_disconnect(confirm => true);
SELECT state, (SELECT count(*) FROM qbsync.secret) AS secrets, (SELECT count(*) FROM qbsync.job) AS jobs FROM qbsync.connection;
ROLLBACK TO s;
-- moved: takes over
SELECT qbsync_confirm_clone(moved => true);
SELECT state, problem, system_identifier, database_id, timeline, origin, realm_id, (SELECT count(*) FROM qbsync.secret) AS secrets FROM qbsync.connection;
ROLLBACK TO s;
-- moved by a dump: the secrets did not come along
DELETE FROM qbsync.secret;
SELECT qbsync_confirm_clone(moved => true);
ROLLBACK TO s;
-- a copy beside the original: own origin, own grant, the company is kept
SELECT qbsync_confirm_clone('acme');
SELECT state, problem, system_identifier, origin = '00000000-0000-0000-0000-000000000000' AS same_origin, realm_id, (SELECT count(*) FROM qbsync.secret) AS secrets FROM qbsync.connection;
ROLLBACK;
