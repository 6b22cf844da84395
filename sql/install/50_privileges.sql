/*
 * Who may do what.  Four roles: qbsync_reader reads data and status; qbsync_operator is a reader who also runs it
 * (pause, resume, sync, wait); qbsync_admin is an operator who also decides which companies are connected;
 * qbsync_vendor_reader reads suppliers, once they are mirrored.  Nobody writes tables directly but superusers.
 */

/*
 * ALTER DEFAULT PRIVILEGES of the role that installs, made for its own tables, reaches these too: whatever anybody was
 * given that way is taken back before the grants below.
 */
CREATE FUNCTION qbsync.take_back_grants()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	g record;
BEGIN
	FOR g IN
		SELECT DISTINCT kind, object, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
		FROM (SELECT 'TABLE' AS kind, c.oid::regclass::text AS object, c.relacl AS acl, c.relowner AS owner
			  FROM pg_class c WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind IN ('r', 'v', 'S', 'p')
			  UNION ALL
			  SELECT 'ROUTINE', p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner
			  FROM pg_proc p WHERE p.pronamespace = 'qbsync'::regnamespace
			  UNION ALL
			  SELECT 'ROUTINE', p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner
			  FROM pg_proc p
			  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
			  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
			  WHERE e.extname = 'qbsync' AND p.pronamespace <> 'qbsync'::regnamespace
			  UNION ALL
			  SELECT 'SCHEMA', 'qbsync', n.nspacl, n.nspowner FROM pg_namespace n WHERE n.nspname = 'qbsync') o,
			 aclexplode(o.acl) a
		WHERE a.grantee <> o.owner
	LOOP
		EXECUTE format('REVOKE ALL ON %s %s FROM %s', g.kind, g.object, g.grantee);
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.take_back_grants() IS 'Takes back every privilege on qbsync''s objects from everybody but the owner; the install and upgrade scripts grant anew';
SELECT qbsync.take_back_grants();
DO $do$
BEGIN
	EXECUTE (SELECT string_agg(format('GRANT SELECT ON qbsync.%I TO qbsync_reader', t.name), ';')
			 FROM (SELECT entity AS name FROM qbsync.catalogue
				   UNION ALL SELECT line_table FROM qbsync.catalogue WHERE line_table IS NOT NULL) t);
END
$do$;
GRANT USAGE ON SCHEMA qbsync TO qbsync_reader, qbsync_vendor_reader;

-- Views run the functions they use as the one who asks.
GRANT EXECUTE ON FUNCTION
	qbsync.worker_state(), qbsync.key_status(), qbsync.today(text), qbsync.poll_interval(integer),
	qbsync.way_out(text, text, text), qbsync.catalogue_entities(), qbsync.catalogue_columns()
TO qbsync_reader, qbsync_vendor_reader;
-- qbsync_wait looks through this one.
GRANT EXECUTE ON FUNCTION qbsync.wait_state(text, text, bigint) TO qbsync_operator;

GRANT SELECT ON
	qbsync.customer_summary, qbsync.invoice_status, qbsync.invoice_payment, qbsync.status, qbsync.progress,
	qbsync.error_open, qbsync.problem, qbsync.catalogue, qbsync.catalogue_column
TO qbsync_reader;
GRANT SELECT ON qbsync.job, qbsync.cursor, qbsync.api_usage, qbsync.error, qbsync.http_log TO qbsync_operator;
GRANT SELECT ON qbsync.environment, qbsync.app, qbsync.connection TO qbsync_admin;

-- Mirror tables: above, and for those that an upgrade adds, where they are made (20_mirror.sql).

GRANT EXECUTE ON FUNCTION
	@extschema@.qbsync_app(text, text, text, text, bigint, text, text, text),
	@extschema@.qbsync_authorize_url(text, text),
	@extschema@.qbsync_connect(text, text, text, text, text),
	@extschema@.qbsync_confirm_company(text, text),
	@extschema@.qbsync_disconnect(text, boolean, text),
	@extschema@.qbsync_confirm_clone(text, boolean),
	@extschema@.qbsync_set(text, text, text),
	@extschema@.qbsync_worker_restart()
TO qbsync_admin;

GRANT EXECUTE ON PROCEDURE @extschema@.qbsync_wait(text, text, interval, bigint) TO qbsync_operator;
GRANT EXECUTE ON FUNCTION
	@extschema@.qbsync_pause(text),
	@extschema@.qbsync_resume(text),
	@extschema@.qbsync_sync_now(text),
	@extschema@.qbsync_disconnect_notice(text),
	qbsync.wake()
TO qbsync_operator;

GRANT EXECUTE ON FUNCTION @extschema@.qbsync_open_url(text, text, text) TO qbsync_reader;
