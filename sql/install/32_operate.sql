/*
 * Operating a connection: pause, resume, sync, settings, disconnect, copies; links; what qbsync_wait waits for.
 *
 * SECURITY DEFINER for the same reason as in 31_connect.sql; EXECUTE is granted in 50_privileges.sql.
 */

CREATE FUNCTION @extschema@.qbsync_pause(connection text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.connection;
BEGIN
	SELECT k.* INTO STRICT c FROM qbsync.connection k
	WHERE k.connection_id = qbsync.the_connection(qbsync_pause.connection) FOR NO KEY UPDATE;
	IF c.state = 'paused' THEN
		RETURN c.state;
	ELSIF c.state NOT IN ('loading', 'live') THEN
		RAISE EXCEPTION 'connection "%" cannot be paused: its state is %', c.name, c.state
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Only a connection that is loading or live moves anything.',
				  HINT = 'See qbsync.status for what it waits for.';
	END IF;
	PERFORM qbsync.set_state(c.connection_id, 'paused');
	PERFORM qbsync.wake();
	RETURN 'paused';
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_pause(text) IS 'Stop reading a company until qbsync_resume; its grant is kept. Returns the new state. SECURITY DEFINER: writes qbsync.connection';

CREATE FUNCTION @extschema@.qbsync_resume(connection text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.connection;
	new_state text;
BEGIN
	SELECT k.* INTO STRICT c FROM qbsync.connection k
	WHERE k.connection_id = qbsync.the_connection(qbsync_resume.connection) FOR NO KEY UPDATE;
	IF c.state IN ('loading', 'live') THEN
		RETURN c.state;
	ELSIF c.state <> 'paused' THEN
		RAISE EXCEPTION 'connection "%" is not paused: its state is %', c.name, c.state
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'See qbsync.status for what to do.';
	END IF;
	new_state := qbsync.resumed_state(c.connection_id);
	PERFORM qbsync.set_state(c.connection_id, new_state);
	PERFORM qbsync.wake();
	RETURN new_state;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_resume(text) IS 'Go on after qbsync_pause where it stopped. Returns the new state. SECURITY DEFINER: writes qbsync.connection';

/* Refuse, with the way out, what needs a company that can be read. */
CREATE FUNCTION qbsync.require_reading(connection_id integer)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.connection;
BEGIN
	SELECT k.* INTO STRICT c FROM qbsync.connection k WHERE k.connection_id = require_reading.connection_id;
	IF c.state NOT IN ('loading', 'live') THEN
		RAISE EXCEPTION 'connection "%" cannot sync: its state is %', c.name, c.state
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = qbsync.way_out(c.name, c.state, c.company_name);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.require_reading(integer) IS 'Raises an error with the way out unless the connection is loading or live';

/* Whoever asks, perhaps after mending what was wrong, does not wait for the next attempt; a pause Intuit asked for is kept. */
CREATE FUNCTION qbsync.try_again(connection_id integer)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	UPDATE qbsync.connection c SET next_attempt_at = NULL
	WHERE c.connection_id = try_again.connection_id AND c.next_attempt_at IS NOT NULL AND c.problem <> 'throttled';
$fn$;
COMMENT ON FUNCTION qbsync.try_again(integer) IS 'Let the gateway try a connection with a problem at once';

CREATE FUNCTION @extschema@.qbsync_sync_now(
	connection text DEFAULT NULL,
	direction text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer;
	which text;
BEGIN
	PERFORM qbsync.require_preload();
	id := qbsync.the_connection(qbsync_sync_now.connection);
	PERFORM qbsync.require_reading(id);
	IF qbsync_sync_now.direction IS NOT NULL THEN
		PERFORM qbsync.require_word('direction', qbsync_sync_now.direction, 'both', 'pull', 'push');
	END IF;
	SELECT coalesce(qbsync_sync_now.direction, c.settings ->> 'sync_now', p.default_value) INTO which
	FROM qbsync.connection c, qbsync.policy p WHERE c.connection_id = id AND p.name = 'sync_now';
	PERFORM qbsync.try_again(id);
	IF qbsync_sync_now.direction IN ('push', 'both') THEN
		-- changes go out by themselves: who asks for it by name doubts that, and gets the comparison of the night
		UPDATE qbsync.mapping m SET scan_at = now() WHERE m.connection_id = id AND m.state = 'enabled' AND qbsync.may_send(m.mapping_id);
		PERFORM qbsync.wake();
	END IF;
	IF which = 'push' THEN
		RETURN NULL;
	END IF;
	RETURN qbsync.queue_job(id, 'sync');
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_sync_now(text, text) IS 'Sync a company now instead of at its next turn (X-18). direction: pull polls QuickBooks; push compares all CRM records with it; both; without one policy sync_now counts, and what changed in the CRM goes out by itself as always. What waits for its next attempt is tried. Returns the job of the poll, the one that waits already if there is one, null when there is none. SECURITY DEFINER: writes qbsync.job and mapping';

CREATE FUNCTION @extschema@.qbsync_disconnect(
	connection text DEFAULT NULL,
	confirm boolean DEFAULT false,
	mode text DEFAULT 'hide')
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.connection;
BEGIN
	IF qbsync_disconnect.mode IS NULL OR qbsync_disconnect.mode NOT IN ('pause', 'hide', 'purge_mirror') THEN
		RAISE EXCEPTION 'mode is not valid: "%"', qbsync_disconnect.mode
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The modes are pause, hide and purge_mirror.',
				  HINT = 'pause: its data stays in the views; hide: it stays in the tables only; purge_mirror: it is removed.';
	END IF;
	SELECT k.* INTO STRICT c FROM qbsync.connection k
	WHERE k.connection_id = qbsync.the_connection(qbsync_disconnect.connection) FOR NO KEY UPDATE;
	IF qbsync_disconnect.confirm IS NOT TRUE THEN
		RAISE EXCEPTION 'disconnecting "%" was not confirmed', c.name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = format('It ends the grant of %s; to go on later, somebody must sign in again.', coalesce('"' || c.company_name || '"', 'the company')),
				  HINT = format('SELECT qbsync_disconnect(%L, confirm => true); or only SELECT qbsync_pause(%L);', c.name, c.name);
	END IF;

	UPDATE qbsync.connection k
	SET settings = CASE qbsync_disconnect.mode WHEN 'pause' THEN k.settings || '{"keep_visible": true}' ELSE k.settings END
	WHERE k.connection_id = c.connection_id;
	-- Nothing to revoke, or not ours to revoke: a copy's tokens are the original's.
	IF c.state IN ('clone', 'disconnected')
		OR NOT qbsync.has_secret(c.connection_id, 'refresh_token', 'previous_refresh_token', 'authorization_code') THEN
		PERFORM qbsync.disconnect_here(c.connection_id, qbsync_disconnect.mode);
		RETURN NULL;
	END IF;
	PERFORM qbsync.require_preload();
	RETURN qbsync.queue_job(c.connection_id, 'disconnect', jsonb_build_object('mode', qbsync_disconnect.mode));
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_disconnect(text, boolean, text) IS 'End a company''s grant and forget its tokens; returns the job that does it, or null when there was nothing to revoke and it is done. SECURITY DEFINER: writes qbsync.connection, secret and job';

/* The part of disconnecting that needs no network; the gateway does the same after it has revoked the grant. */
CREATE FUNCTION qbsync.disconnect_here(connection_id integer, mode text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	DELETE FROM qbsync.secret s WHERE s.owner_kind = 'connection' AND s.owner = disconnect_here.connection_id::text;
	UPDATE qbsync.job j SET state = 'cancelled', finished_at = clock_timestamp()
	WHERE j.connection_id = disconnect_here.connection_id AND j.state IN ('queued', 'running');
	IF disconnect_here.mode = 'purge_mirror' THEN
		PERFORM qbsync.purge_mirror(disconnect_here.connection_id);
	END IF;
	PERFORM qbsync.set_state(disconnect_here.connection_id, 'disconnected');
	PERFORM qbsync.wake();
END
$fn$;
COMMENT ON FUNCTION qbsync.disconnect_here(integer, text) IS 'Forget the secrets of a connection and set it to disconnected';

CREATE FUNCTION @extschema@.qbsync_disconnect_notice(realm_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer;
BEGIN
	SELECT c.connection_id INTO id
	FROM qbsync.connection c
	WHERE c.realm_id = qbsync_disconnect_notice.realm_id AND c.state IN ('loading', 'live');
	-- The address is open to the world and may be called with anything: nothing is believed, qbsync only looks sooner.
	IF id IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM qbsync.try_again(id);
	RETURN qbsync.queue_job(id, 'sync');
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_disconnect_notice(text) IS 'For the page behind the app''s Disconnect URL: look at once whether the grant still holds; returns the job, null for a company that is not read here. SECURITY DEFINER: writes qbsync.job';

/* As the caller: a policy may need triggers on the CRM's tables, see 34_policy.sql and 37_trigger.sql. */
CREATE FUNCTION @extschema@.qbsync_set(
	connection text DEFAULT NULL,
	setting text DEFAULT NULL,
	value text DEFAULT NULL,
	mapping text DEFAULT NULL,
	"column" text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer;
BEGIN
	FOREACH id IN ARRAY qbsync.change_setting(qbsync_set.connection, qbsync_set.setting, qbsync_set.value, qbsync_set.mapping, qbsync_set."column") LOOP
		PERFORM qbsync.create_triggers(id);
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_set(text, text, text, text, text) IS 'Change a setting of a connection (see qbsync.setting), or a policy (see qbsync.policy) of a connection, a mapping or one of its columns. A null value takes back what was set there. Runs as the caller: what goes out, and locked records, need triggers on the CRM''s tables';

CREATE FUNCTION qbsync.setting_value(setting text, value text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	own record;
	pause interval;
	days integer;
BEGIN
	IF setting_value.value IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT s.allowed, s.meaning INTO own FROM qbsync.setting s WHERE s.name = setting_value.setting;
	IF setting_value.value <> ALL (own.allowed) THEN
		RAISE EXCEPTION '% is not valid: "%"', setting_value.setting, setting_value.value
			USING ERRCODE = 'invalid_parameter_value', HINT = own.meaning,
				  DETAIL = format('It is %s or %s.', array_to_string(trim_array(own.allowed, 1), ', '), own.allowed[cardinality(own.allowed)]);
	ELSIF own.allowed IS NOT NULL THEN
		RETURN to_jsonb(setting_value.value);
	ELSIF setting_value.setting = 'keep_visible' THEN
		RETURN to_jsonb(setting_value.value::boolean);
	ELSIF setting_value.setting = 'sync_window' THEN
		IF (qbsync.parse_window(setting_value.value)).days IS NULL THEN
			RAISE EXCEPTION 'sync_window is not valid: "%"', setting_value.value
				USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is from when to when, if need be on which days, in the company''s time zone.',
					  HINT = 'For example ''07:00-19:00'', ''mon-fri 06:30-20:00'' or ''sat,sun 22:00-02:00''.';
		END IF;
		RETURN to_jsonb(setting_value.value);
	ELSIF setting_value.setting = 'version_days' THEN
		days := setting_value.value::integer;
		IF days NOT BETWEEN 0 AND 36525 THEN
			RAISE EXCEPTION 'version_days is not valid: "%"', setting_value.value
				USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It lies between 0 and 36525.', HINT = '0: no versions are kept.';
		END IF;
		RETURN to_jsonb(days);
	ELSIF setting_value.setting = 'reconcile_at' THEN
		IF setting_value.value !~ '^(off|([01]?\d|2[0-3]):[0-5]\d)$' THEN
			RAISE EXCEPTION 'reconcile_at is not valid: "%"', setting_value.value
				USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is a time of day in the company''s time zone, or off.', HINT = 'For example ''02:30''.';
		END IF;
		RETURN to_jsonb(setting_value.value);
	END IF;
	pause := setting_value.value::interval;
	IF pause < '10 s' OR pause > '7 days' THEN
		RAISE EXCEPTION 'poll_interval is not valid: "%"', setting_value.value
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It lies between 10 seconds and 7 days.',
				  HINT = 'Each poll is a metered read; leave it automatic (null) unless you know the app''s allowance.';
	END IF;
	RETURN to_jsonb(pause::text);
EXCEPTION
	WHEN invalid_text_representation OR numeric_value_out_of_range OR invalid_datetime_format OR datetime_field_overflow OR interval_field_overflow THEN
		RAISE EXCEPTION '% is not valid: "%"', setting_value.setting, setting_value.value
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = CASE setting_value.setting WHEN 'keep_visible' THEN 'It is true or false.'
					  WHEN 'version_days' THEN 'It is a number of days.' ELSE 'It is an interval, such as ''90 seconds''.' END;
END
$fn$;
COMMENT ON FUNCTION qbsync.setting_value(text, text) IS 'Value of a connection''s setting as it is stored; an error if it is not valid';

CREATE FUNCTION @extschema@.qbsync_reconcile(
	connection text DEFAULT NULL,
	entity text DEFAULT NULL,
	"full" boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.connection;
	job bigint;
BEGIN
	PERFORM qbsync.require_preload();
	SELECT k.* INTO STRICT c FROM qbsync.connection k WHERE k.connection_id = qbsync.the_connection(qbsync_reconcile.connection);
	PERFORM qbsync.require_reading(c.connection_id);
	IF c.state <> 'live' THEN
		RAISE EXCEPTION 'connection "%" is being loaded', c.name
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'A load compares everything at its end.', HINT = 'See qbsync.progress.';
	ELSIF qbsync_reconcile.entity IS NOT NULL AND NOT EXISTS (
		SELECT FROM qbsync.cursor u JOIN qbsync.catalogue k ON k.entity = u.entity
		WHERE u.connection_id = c.connection_id AND u.entity = qbsync_reconcile.entity AND k.pages) THEN
		RAISE EXCEPTION 'entity "%" cannot be compared', qbsync_reconcile.entity
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is not mirrored for this company, or is a single record that is read every day.',
				  HINT = 'Entities are listed in qbsync.catalogue.';
	END IF;
	PERFORM qbsync.begin_reconcile(c.connection_id, qbsync_reconcile.entity, coalesce(qbsync_reconcile."full", false), now());
	INSERT INTO qbsync.job (connection_id, kind, arguments, state, started_at)
	VALUES (c.connection_id, 'reconcile', jsonb_strip_nulls(jsonb_build_object('entity', qbsync_reconcile.entity, 'full', coalesce(qbsync_reconcile."full", false))), 'running', now())
	RETURNING job_id INTO job;
	PERFORM qbsync.try_again(c.connection_id);
	PERFORM qbsync.wake();
	RETURN job;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_reconcile(text, text, boolean) IS 'Compare the mirror with QuickBooks now, as every night: counts of all entities (or of one), differences hunted down and repaired, then sums. full: read every record, to find what changed without a sign (a metered read for each 1,000). Returns the job. What was found is in qbsync.drift_found, when all was equal in qbsync.status. SECURITY DEFINER: writes qbsync.cursor and job';

CREATE FUNCTION @extschema@.qbsync_confirm_clone(
	connection text DEFAULT NULL,
	moved boolean DEFAULT false)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.connection;
	new_state text := 'reauthorize';
BEGIN
	SELECT k.* INTO STRICT c FROM qbsync.connection k
	WHERE k.connection_id = qbsync.the_connection(qbsync_confirm_clone.connection) FOR NO KEY UPDATE;
	IF c.state <> 'clone' THEN
		RAISE EXCEPTION 'connection "%" was not found to be a copy: its state is %', c.name, c.state
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'There is nothing to confirm.';
	END IF;
	IF qbsync_confirm_clone.moved THEN
		IF qbsync.has_secret(c.connection_id, 'refresh_token', 'previous_refresh_token') THEN
			new_state := qbsync.resumed_state(c.connection_id);
		END IF;
	ELSE
		-- The original goes on with its tokens and its name for what it has sent; this copy needs its own of both.
		DELETE FROM qbsync.secret s WHERE s.owner_kind = 'connection' AND s.owner = c.connection_id::text;
		UPDATE qbsync.connection k SET origin = gen_random_uuid() WHERE k.connection_id = c.connection_id;
	END IF;
	-- The gateway writes this database's mark when it takes the connection over.
	UPDATE qbsync.connection k SET system_identifier = NULL, database_id = NULL, timeline = NULL, refresh_started_at = NULL
	WHERE k.connection_id = c.connection_id;
	PERFORM qbsync.set_state(c.connection_id, new_state);
	PERFORM qbsync.wake();
	RETURN new_state;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_confirm_clone(text, boolean) IS 'Say what a copied database is: moved (the original is gone; it takes over) or not (the original lives on; this one needs a grant of its own). Returns the new state. SECURITY DEFINER: writes qbsync.connection and secret';

CREATE FUNCTION @extschema@.qbsync_open_url(
	entity text DEFAULT NULL,
	id text DEFAULT NULL,
	connection text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	page text;
	pages text;
	its_id integer;
BEGIN
	SELECT max(k.page_path) FILTER (WHERE k.entity = qbsync_open_url.entity), string_agg(k.entity, ', ' ORDER BY k.entity)
	INTO page, pages
	FROM qbsync.catalogue k WHERE k.page_path IS NOT NULL;
	IF page IS NULL THEN
		RAISE EXCEPTION 'entity "%" has no page in QuickBooks', qbsync_open_url.entity
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Those with a page are: %s.', pages);
	ELSIF coalesce(qbsync_open_url.id, '') = '' THEN
		RAISE EXCEPTION 'id is missing'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give QuickBooks'' id: the column id of the views and tables.';
	END IF;
	its_id := qbsync.the_connection(qbsync_open_url.connection);
	RETURN (SELECT v.app_url || page || qbsync.url_encode(qbsync_open_url.id)
			FROM qbsync.visible_connection v WHERE v.connection_id = its_id);
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_open_url(text, text, text) IS 'Address of a record''s page in QuickBooks; null for a company whose data is hidden. SECURITY DEFINER: reads qbsync.connection and environment for readers';
