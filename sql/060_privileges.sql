-- Who may do what: nobody, reader, operator, admin.
\set SHOW_CONTEXT never
\pset footer off
\set ON_ERROR_ROLLBACK on
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;
CREATE ROLE regress_nobody;
CREATE ROLE regress_reader IN ROLE qbsync_reader;
CREATE ROLE regress_operator IN ROLE qbsync_operator;
CREATE ROLE regress_admin IN ROLE qbsync_admin;

SELECT p.oid::regprocedure AS function,
	has_function_privilege('regress_nobody', p.oid, 'EXECUTE') AS nobody,
	has_function_privilege('regress_reader', p.oid, 'EXECUTE') AS reader,
	has_function_privilege('regress_operator', p.oid, 'EXECUTE') AS operator,
	has_function_privilege('regress_admin', p.oid, 'EXECUTE') AS admin
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'qbsync%'
ORDER BY p.proname;

SELECT c.relname, c.relkind,
	has_table_privilege('regress_nobody', c.oid, 'SELECT') AS nobody,
	has_table_privilege('regress_reader', c.oid, 'SELECT') AS reader,
	has_table_privilege('regress_operator', c.oid, 'SELECT') AS operator,
	has_table_privilege('regress_admin', c.oid, 'SELECT') AS admin,
	has_table_privilege('regress_admin', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS admin_writes
FROM pg_class c WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind IN ('r', 'v')
  AND c.relname NOT IN (SELECT entity FROM qbsync.catalogue UNION ALL SELECT "table" FROM qbsync.catalogue_line)
ORDER BY c.relname COLLATE "C";
-- the mirror, whatever the catalogue holds: read by readers, written by nobody
SELECT e.bought, has_table_privilege('regress_nobody', c.oid, 'SELECT') AS nobody,
	has_table_privilege('regress_reader', c.oid, 'SELECT') AS reader,
	has_table_privilege('regress_admin', c.oid, 'SELECT') AS admin,
	has_table_privilege('qbsync_vendor_reader', c.oid, 'SELECT') AS vendor_reader,
	has_table_privilege('regress_admin', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS admin_writes
FROM pg_class c
JOIN (SELECT entity, entity AS name FROM qbsync.catalogue UNION ALL SELECT entity, "table" FROM qbsync.catalogue_line) t ON t.name = c.relname
JOIN qbsync.catalogue e ON e.entity = t.entity
WHERE c.relnamespace = 'qbsync'::regnamespace
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1;

-- functions of the schema that are open to the roles
SELECT p.oid::regprocedure AS function,
	has_function_privilege('regress_nobody', p.oid, 'EXECUTE') AS nobody,
	has_function_privilege('regress_reader', p.oid, 'EXECUTE') AS reader,
	has_function_privilege('regress_operator', p.oid, 'EXECUTE') AS operator
FROM pg_proc p
WHERE p.pronamespace = 'qbsync'::regnamespace AND has_function_privilege('regress_admin', p.oid, 'EXECUTE')
  AND p.proname NOT IN (SELECT t.name || '_as_of' FROM (SELECT entity AS name FROM qbsync.catalogue UNION ALL SELECT "table" FROM qbsync.catalogue_line) t)
ORDER BY p.proname;
-- and those of the mirror, as it was: for readers
SELECT DISTINCT has_function_privilege('regress_nobody', p.oid, 'EXECUTE') AS nobody, has_function_privilege('regress_reader', p.oid, 'EXECUTE') AS reader
FROM pg_proc p WHERE p.pronamespace = 'qbsync'::regnamespace AND p.proname LIKE '%\_as\_of';

SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state) VALUES (-1, 'acme', 'my-app', '1', 'live');
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name) VALUES (-1, '1', now(), 'Somebody');
INSERT INTO qbsync.invoice (connection_id, id, seen_at, customer_id, total_amt, balance) VALUES (-1, '1', now(), '1', 0, 0);

SET ROLE regress_nobody;
SELECT * FROM qbsync.status;
SELECT * FROM qbsync.customer;
SELECT qbsync_sync_now('acme');
SELECT qbsync_open_url('customer', '1', 'acme');

-- a reader sees everything the views show, through all they call
SET ROLE regress_reader;
SELECT connection, state, poll_interval FROM qbsync.status;
SELECT count(*), min(url) FROM qbsync.customer_summary;
SELECT label, paid, url FROM qbsync.invoice_status;
SELECT count(*) FROM qbsync.invoice_payment;
SELECT count(*) FROM qbsync.estimate_status;
SELECT count(*) FROM qbsync.progress;
SELECT count(*) FROM qbsync.error_open;
SELECT count(*) FROM qbsync.tie_out;
SELECT count(*) > 0 AS entities FROM qbsync.catalogue;
SELECT display_name FROM qbsync.customer;
SELECT qbsync_open_url('customer', '1', 'acme');
SELECT * FROM qbsync.connection;
SELECT * FROM qbsync.secret;
SELECT qbsync_sync_now('acme');
UPDATE qbsync.customer SET display_name = 'x';

SET ROLE regress_operator;
SELECT qbsync_sync_now('acme') > 0 AS job;
SELECT kind, state FROM qbsync.job;
SELECT qbsync_pause('acme'), qbsync_resume('acme');
SELECT qbsync.wait_state('acme', 'nonsense', NULL);
SELECT qbsync_disconnect('acme', confirm => true);
SELECT qbsync_set('acme', 'poll_interval', '1 h');
SELECT qbsync.set_state(-1, 'disconnected');
SELECT qbsync.store_secret('connection', '-1', 'refresh_token', repeat('x', 9));
DELETE FROM qbsync.job;

SET ROLE regress_admin;
SELECT qbsync_set('acme', 'poll_interval', '1 h');
SELECT qbsync_app('other', client_id => 'id', redirect_uri => 'https://crm.example/cb');
SELECT qbsync_authorize_url('beta', 'other') LIKE 'https://%' AS url;
SELECT name, state FROM qbsync.connection ORDER BY name;
SELECT * FROM qbsync."authorization";
SELECT * FROM qbsync.secret;
UPDATE qbsync.connection SET state = 'live';
INSERT INTO qbsync.environment SELECT 'evil', 'https://evil.example', authorize_url, token_url, revoke_url, userinfo_url, jwks_uri, issuer, app_url FROM qbsync.environment LIMIT 1;
RESET ROLE;

-- SECURITY DEFINER functions do not see what a caller puts into the way
CREATE SCHEMA regress_trap;
CREATE TABLE pg_temp.connection (name text);
CREATE FUNCTION regress_trap.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION regress_trap.format(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
SET LOCAL search_path = regress_trap, pg_catalog, public;
SELECT public.qbsync_pause('acme');
SELECT state FROM qbsync.status WHERE connection = 'acme';
ROLLBACK;
