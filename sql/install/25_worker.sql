/*
 * The gateway worker as SQL sees it: its state, waking and restarting it, waiting for what it does.
 */

CREATE FUNCTION qbsync.worker_state()
RETURNS text
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'qbsync_worker_state';
COMMENT ON FUNCTION qbsync.worker_state() IS 'State of this database''s gateway worker: running; starting; not_preloaded: qbsync is not in shared_preload_libraries; no_slot: max_worker_processes is used up; versions_apart: library and extension differ; backing_off: it failed and is started again; yielded: out of the way of DROP or RENAME DATABASE; absent: a template, or not in qbsync.databases; standby';

CREATE FUNCTION qbsync.wake()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'qbsync_wake';
COMMENT ON FUNCTION qbsync.wake() IS 'The gateway worker looks for work as soon as this transaction has committed';

CREATE FUNCTION qbsync.make_way(relation regclass)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'qbsync_make_way';
COMMENT ON FUNCTION qbsync.make_way(regclass) IS 'Apply workers that are at work and have locked a table or view break off, and begin again later: for whoever needs a lock on it and must not wait, as the CRM waits behind it';

CREATE FUNCTION qbsync.url_allowed(url text)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'qbsync_url_allowed';
COMMENT ON FUNCTION qbsync.url_allowed(text) IS 'May qbsync talk to this address: https, or plain http to a loopback address, without user or password';

CREATE FUNCTION @extschema@.qbsync_worker_restart()
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'qbsync_worker_restart';
COMMENT ON FUNCTION @extschema@.qbsync_worker_restart() IS 'End this database''s gateway worker and start it again at once, without waiting for a back-off; work in progress goes on where it was';

-- Commits between looks, so it can have no SET clause and no SECURITY DEFINER; it names what it uses with the schema.
CREATE PROCEDURE @extschema@.qbsync_wait(connection text DEFAULT NULL, until text DEFAULT 'synced', timeout interval DEFAULT '5 min', job bigint DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'qbsync_wait';
COMMENT ON PROCEDURE @extschema@.qbsync_wait(text, text, interval, bigint) IS 'Wait until a connection is connected, synced, idle or disconnected, or until a job is done; an error when a person must act, and when the timeout is over (null or 0: none). By itself only, not in a transaction block';

/*
 * A dump is restored by COPY, which calls no function of ours, after CREATE EXTENSION has started the gateway: without this
 * the copy would look like the original until the gateway's next look.
 */
CREATE FUNCTION qbsync.wake_on_change()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	PERFORM qbsync.wake();
	RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION qbsync.wake_on_change() IS 'Wakes the gateway when connections are inserted, as by a restore';
CREATE TRIGGER wake AFTER INSERT ON qbsync.connection FOR EACH STATEMENT EXECUTE FUNCTION qbsync.wake_on_change();

-- A restore must pass on a server that is not prepared, so this is a warning; functions that need the worker refuse.
DO $do$
BEGIN
	IF qbsync.worker_state() OPERATOR(pg_catalog.=) 'not_preloaded' THEN
		RAISE WARNING 'qbsync is not loaded at server start, so nothing can talk to Intuit'
			USING HINT = 'Add qbsync to shared_preload_libraries and restart the server.';
	END IF;
	PERFORM qbsync.wake();
END
$do$;
