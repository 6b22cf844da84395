/* qbsync install script, joined from sql/install by the Makefile. */

-- complain if the script is sourced in psql rather than through CREATE EXTENSION
\echo Use "CREATE EXTENSION qbsync" to load this file. \quit

DO $do$
BEGIN
	IF pg_catalog.current_setting('server_encoding') OPERATOR(pg_catalog.<>) 'UTF8' THEN
		RAISE EXCEPTION 'qbsync needs a database with encoding UTF8'
			USING ERRCODE = 'feature_not_supported',
				  DETAIL = pg_catalog.format('This database has encoding %s.', pg_catalog.current_setting('server_encoding')),
				  HINT = 'Create a database with ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
END
$do$;

-- Nobody need think about workers for indexes of empty tables, and lz4 compresses views and functions in a fraction of the time, where the server has it.
SET LOCAL max_parallel_maintenance_workers = 0;
SELECT pg_catalog.set_config('default_toast_compression', 'lz4', true) FROM pg_catalog.pg_settings s
WHERE s.name OPERATOR(pg_catalog.=) 'default_toast_compression' AND 'lz4' OPERATOR(pg_catalog.=) ANY (s.enumvals);

/* Roles: NOLOGIN, created when absent, never dropped (they belong to the cluster, other databases may use them). */
DO $do$
DECLARE
	r text;
BEGIN
	FOREACH r IN ARRAY ARRAY['qbsync_admin', 'qbsync_operator', 'qbsync_reader', 'qbsync_vendor_reader', 'qbsync_webhook'] LOOP
		IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) r) THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', r);
		ELSIF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) r AND rolcanlogin) THEN
			RAISE WARNING 'role "%" exists already and can log in', r
				USING HINT = 'qbsync grants it rights; check who uses it.';
		END IF;
	END LOOP;
END
$do$;
GRANT qbsync_operator TO qbsync_admin;
GRANT qbsync_reader TO qbsync_operator;

CREATE SCHEMA qbsync;
COMMENT ON SCHEMA qbsync IS 'QuickBooks Online companies kept in step with this database: tables and views of the extension qbsync';
