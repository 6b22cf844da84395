-- The extension installs, has no loose ends, and goes without a trace.
\set SHOW_CONTEXT never
\pset footer off
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS qbsync;
CREATE EXTENSION qbsync;
RESET client_min_messages;
-- preloaded by test/regress.conf, so no warning; the worker state is one of those where nothing is wrong
SELECT qbsync.worker_state() IN ('starting', 'running') AS worker_fine;

-- only qbsync_* is callable in the extension's schema
SELECT p.proname, p.prokind, pg_get_function_identity_arguments(p.oid) AS arguments
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'qbsync%'
ORDER BY 1;

-- every function pins its search_path, unless it is C or an aggregate of such, was parsed when it was made, or is a procedure that commits
SELECT p.oid::regprocedure
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid JOIN pg_language l ON l.oid = p.prolang
WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'qbsync')
  AND l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL
  AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)
ORDER BY 1;

-- everything has a comment
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'qbsync')
  AND d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass)
  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid AND c.relkind = 'S')
  AND obj_description(d.objid, d.classid::regclass::name) IS NULL
ORDER BY 1;

-- no function is open to everybody but qbsync_plan, which asks whether one may become the mapping's role
SELECT p.oid::regprocedure
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'qbsync')
  AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
ORDER BY 1;

-- SECURITY DEFINER only where the comment says why
SELECT p.oid::regprocedure
FROM pg_proc p
WHERE p.prosecdef AND (p.proname LIKE 'qbsync%' OR p.pronamespace = 'qbsync'::regnamespace)
  AND obj_description(p.oid, 'pg_proc') NOT LIKE '%SECURITY DEFINER%'
ORDER BY 1;

-- dumped: what people made, with the sequence; never secrets (EXT-34)
SELECT c.oid::regclass AS dumped, k.condition
FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS k(config, condition)
JOIN pg_class c ON c.oid = k.config
WHERE e.extname = 'qbsync' ORDER BY c.oid::regclass::text;

-- two problems must not share a name, and each says what to do
SELECT code FROM qbsync.problem WHERE meaning = '' OR (remedy = '' AND code NOT IN ('authorizing', 'unconfirmed')) ORDER BY 1;

-- indexes of links, and which rows are in them, are of columns that settle_links.c enters in order of the index; others cost a first sync a tenth
SELECT d.objid::regclass, a.attname FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.refobjid = 'qbsync.link'::regclass AND d.objid IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = d.refobjid)
	AND a.attname NOT IN ('connection_id', 'entity', 'id', 'family', 'mapping_id', 'crm_key', 'state', 'origin', 'linked_at');

-- removal and a second installation
DROP EXTENSION qbsync;
SELECT count(*) FROM pg_namespace WHERE nspname = 'qbsync';
SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'qbsync%' ORDER BY 1;
CREATE SCHEMA "Other Place";
CREATE EXTENSION qbsync SCHEMA "Other Place";
SELECT "Other Place".qbsync_app('x', client_id => 'c', redirect_uri => 'https://crm.example/cb');
SELECT name, environment, monthly_reads FROM qbsync.app;
DROP EXTENSION qbsync;
DROP SCHEMA "Other Place";
CREATE EXTENSION qbsync;

-- the mirror is what the catalogue says, every column of it has a comment, and what is missing is made again
CREATE TEMP VIEW mirror_columns AS
SELECT t.name, a.attrelid AS "table", a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type, a.attcompression AS compression,
	col_description(a.attrelid, a.attnum) AS comment, EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indkey[1] = a.attnum) AS indexed
FROM (SELECT entity AS name FROM qbsync.catalogue UNION ALL SELECT "table" FROM qbsync.catalogue_line) t
LEFT JOIN pg_attribute a ON a.attrelid = to_regclass('qbsync.' || t.name) AND a.attnum > 0 AND NOT a.attisdropped;
CREATE TEMP TABLE mirror_then AS SELECT * FROM mirror_columns;
SELECT name, "column" FROM mirror_then WHERE "table" IS NULL OR comment IS NULL;
SELECT c."table", c."column" FROM qbsync.catalogue_column c
WHERE NOT EXISTS (SELECT FROM mirror_then m WHERE m.name = c."table" AND m."column" = c."column" AND m.indexed >= c.indexed AND m.comment = c.comment);
BEGIN;
SET LOCAL client_min_messages = warning;
ALTER TABLE qbsync.invoice RENAME COLUMN due_date TO once;
DROP INDEX qbsync.payment_customer_id_idx, qbsync.customer_create_time_idx, qbsync.deposit_line_txn_id_idx, qbsync.deposit_line_entity_id_idx;
COMMENT ON COLUMN qbsync.item.raw IS NULL;
ALTER TABLE qbsync.deposit_line RENAME TO once;
SELECT count(*) > 5 AS less FROM (SELECT * FROM mirror_then EXCEPT SELECT * FROM mirror_columns) m;
SELECT qbsync.create_mirror();
SELECT m.name, m."column" FROM mirror_then m WHERE NOT EXISTS (
	SELECT FROM mirror_columns n WHERE ROW (n.name, n."column", n.type, n.compression, n.comment, n.indexed) IS NOT DISTINCT FROM ROW (m.name, m."column", m.type, m.compression, m.comment, m.indexed));
SELECT has_table_privilege('qbsync_vendor_reader', 'qbsync.deposit_line', 'SELECT') AS readable;
ROLLBACK;
