/*
 * Who may do what.  Four roles: qbsync_reader reads data and status; qbsync_operator is a reader who also runs it
 * (pause, resume, sync, wait); qbsync_admin is an operator who also decides which companies are connected;
 * qbsync_vendor_reader reads suppliers, once they are mirrored.  Nobody writes tables directly but superusers.
 */

REVOKE ALL ON ALL TABLES IN SCHEMA qbsync FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA qbsync FROM PUBLIC;
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

-- Mirror tables are granted to qbsync_reader where they are made (20_mirror.sql).

REVOKE EXECUTE ON FUNCTION
	@extschema@.qbsync_app(text, text, text, text, bigint, text, text, text),
	@extschema@.qbsync_authorize_url(text, text),
	@extschema@.qbsync_connect(text, text, text, text, text),
	@extschema@.qbsync_confirm_company(text, text),
	@extschema@.qbsync_disconnect(text, boolean, text),
	@extschema@.qbsync_confirm_clone(text, boolean),
	@extschema@.qbsync_set(text, text, text),
	@extschema@.qbsync_pause(text),
	@extschema@.qbsync_resume(text),
	@extschema@.qbsync_sync_now(text),
	@extschema@.qbsync_disconnect_notice(text),
	@extschema@.qbsync_open_url(text, text, text)
FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
	@extschema@.qbsync_app(text, text, text, text, bigint, text, text, text),
	@extschema@.qbsync_authorize_url(text, text),
	@extschema@.qbsync_connect(text, text, text, text, text),
	@extschema@.qbsync_confirm_company(text, text),
	@extschema@.qbsync_disconnect(text, boolean, text),
	@extschema@.qbsync_confirm_clone(text, boolean),
	@extschema@.qbsync_set(text, text, text)
TO qbsync_admin;

GRANT EXECUTE ON FUNCTION
	@extschema@.qbsync_pause(text),
	@extschema@.qbsync_resume(text),
	@extschema@.qbsync_sync_now(text),
	@extschema@.qbsync_disconnect_notice(text)
TO qbsync_operator;

GRANT EXECUTE ON FUNCTION @extschema@.qbsync_open_url(text, text, text) TO qbsync_reader;
