-- What qbsync_wait waits for.  The server has qbsync.paused = on, so whatever is not there yet never comes.
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state) VALUES (-1, 'acme', 'my-app', '1', 'authorizing');
CREATE FUNCTION pg_temp.set(state text, company text DEFAULT 'Acme', problem text DEFAULT NULL, detail text DEFAULT NULL) RETURNS void
LANGUAGE sql AS $$ UPDATE qbsync.connection SET state = $1, company_name = $2, problem = $3, problem_detail = $4 $$;

SELECT qbsync.wait_state('acme', 'soon', NULL);
SELECT qbsync.wait_state('acme', NULL, NULL);
SELECT qbsync.wait_state('acne', 'synced', NULL);
SELECT qbsync.wait_state(NULL, 'job', NULL);
SELECT qbsync.wait_state(NULL, 'job', -5);

-- nobody signed in; then somebody did
SELECT qbsync.wait_state('acme', 'connected', NULL);
INSERT INTO qbsync.job (connection_id, kind) VALUES (-1, 'connect');
SELECT qbsync.wait_state('acme', 'connected', NULL);
-- it failed
UPDATE qbsync.job SET state = 'failed', finished_at = now(), problem = 'code_rejected', problem_detail = 'invalid_grant';
SELECT qbsync.wait_state('acme', 'connected', NULL);
SELECT qbsync.wait_state(NULL, 'job', job_id) FROM qbsync.job;
-- long ago: what matters is that nobody signed in since
UPDATE qbsync.job SET finished_at = now() - interval '1 day';
SELECT qbsync.wait_state('acme', 'connected', NULL);
-- done
UPDATE qbsync.job SET state = 'done';
SELECT qbsync.wait_state(NULL, 'job', job_id) FROM qbsync.job;
SELECT pg_temp.set('unconfirmed', NULL);
SELECT qbsync.wait_state('acme', 'connected', NULL);
SELECT pg_temp.set('unconfirmed');
SELECT qbsync.wait_state('acme', 'connected', NULL);
SELECT qbsync.wait_state('acme', 'synced', NULL);
-- a reconnection under way or failed is not "connected", although the company is live
SELECT pg_temp.set('live');
SELECT qbsync.wait_state('acme', 'connected', NULL);
INSERT INTO qbsync.job (connection_id, kind, state, finished_at, problem) VALUES (-1, 'connect', 'failed', now(), 'wrong_scope');
SELECT qbsync.wait_state('acme', 'connected', NULL);
SELECT qbsync.wait_state('acme', 'synced', NULL), qbsync.wait_state('acme', 'idle', NULL);
DELETE FROM qbsync.job;

-- synced, idle
SELECT pg_temp.set('loading');
SELECT qbsync.wait_state('acme', 'synced', NULL);
SELECT pg_temp.set('live');
INSERT INTO qbsync.job (connection_id, kind) VALUES (-1, 'disconnect');
SELECT qbsync.wait_state('acme', 'synced', NULL);
SELECT qbsync.wait_state('acme', 'idle', NULL);
INSERT INTO qbsync.job (connection_id, kind) VALUES (-1, 'sync');
SELECT qbsync.wait_state('acme', 'synced', NULL);
DELETE FROM qbsync.job;
SELECT pg_temp.set('live', problem => 'throttled');
SELECT qbsync.wait_state('acme', 'synced', NULL);
-- what needs a person
SELECT pg_temp.set('live', problem => 'wrong_secret', detail => 'invalid_client');
SELECT qbsync.wait_state('acme', 'synced', NULL);
SELECT pg_temp.set('reauthorize', problem => 'grant_revoked');
SELECT qbsync.wait_state('acme', 'synced', NULL);
SELECT pg_temp.set('paused');
SELECT qbsync.wait_state('acme', 'idle', NULL);
SELECT pg_temp.set('clone');
SELECT qbsync.wait_state('acme', 'synced', NULL);
SELECT pg_temp.set('disconnected');
SELECT qbsync.wait_state('acme', 'synced', NULL);
SELECT qbsync.wait_state('acme', 'disconnected', NULL);
-- a sync job of a company that cannot be read
SELECT pg_temp.set('paused');
INSERT INTO qbsync.job (connection_id, kind) VALUES (-1, 'sync');
SELECT qbsync.wait_state(NULL, 'synced', job_id) FROM qbsync.job;
UPDATE qbsync.job SET state = 'cancelled';
-- (its number varies)
\set VERBOSITY sqlstate
SELECT qbsync.wait_state(NULL, 'synced', job_id) FROM qbsync.job;
\set VERBOSITY default
-- disconnecting
SELECT pg_temp.set('live');
SELECT qbsync.wait_state('acme', 'disconnected', NULL);
INSERT INTO qbsync.job (connection_id, kind, state, finished_at, problem) VALUES (-1, 'disconnect', 'failed', now(), 'internal');
SELECT qbsync.wait_state('acme', 'disconnected', NULL);
ROLLBACK;
-- not in a transaction block
BEGIN;
CALL qbsync_wait('acme');
ROLLBACK;
