-- What a role gives away by default (ALTER DEFAULT PRIVILEGES, made for its own tables) does not reach the extension (X-30).
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS qbsync;
CREATE ROLE regress_crm;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_crm, PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO regress_crm;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO regress_crm;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_crm;
CREATE EXTENSION qbsync;

SELECT has_schema_privilege('regress_crm', 'qbsync', 'USAGE') AS schema;
SELECT count(*) AS relations
FROM pg_class WHERE relnamespace = 'qbsync'::regnamespace AND relkind IN ('r', 'v')
  AND has_table_privilege('regress_crm', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
SELECT count(*) AS routines
FROM pg_proc WHERE (pronamespace = 'qbsync'::regnamespace OR proname ~ '^qbsync_')
  AND has_function_privilege('regress_crm', oid, 'EXECUTE')
  AND proname <> 'qbsync_plan';	-- open to everybody: it asks whether one may become the mapping's role
-- the extension's own grants are there
SELECT has_table_privilege('qbsync_reader', 'qbsync.customer', 'SELECT') AS mirror,
	has_table_privilege('qbsync_reader', 'qbsync.invoice_line', 'SELECT') AS lines,
	has_table_privilege('qbsync_reader', 'qbsync.customer', 'UPDATE') AS writes,
	has_table_privilege('qbsync_reader', 'qbsync.secret', 'SELECT') AS secrets;

ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM regress_crm, PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM regress_crm;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM regress_crm;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM regress_crm;
DROP EXTENSION qbsync;
DROP ROLE regress_crm;
