/*
 * What CALL qbsync_wait(...) waits for.  The procedure is C, commits between looks and calls wait_state() for each.
 */

/* What a person has to do in a state that does not go on by itself; null in the others. */
/* For format(): 1 the connection, 2 the company's name. */
INSERT INTO qbsync.label (kind, value, language, label)
SELECT 'way_out', t.state, w.language, w.label
FROM (VALUES
	('authorizing', 'Open the address that SELECT qbsync_authorize_url(connection => %1$L) gives, sign in, and hand what the browser ends at to qbsync_connect(redirect_url => …).',
		'Ouvrez l''adresse que donne SELECT qbsync_authorize_url(connection => %1$L), connectez-vous, et donnez à qbsync_connect(redirect_url => …) celle où le navigateur aboutit.'),
	('reauthorize', 'Connect again: open the address that SELECT qbsync_authorize_url(connection => %1$L) gives, sign in, and hand what the browser ends at to qbsync_connect(redirect_url => …). Nothing is lost.',
		'Reconnectez-la : ouvrez l''adresse que donne SELECT qbsync_authorize_url(connection => %1$L), connectez-vous, et donnez à qbsync_connect(redirect_url => …) celle où le navigateur aboutit. Rien n''est perdu.'),
	('unconfirmed', 'If this is your company: SELECT qbsync_confirm_company(%1$L, %2$L). If not: SELECT qbsync_disconnect(%1$L, confirm => true).',
		'Si c''est votre entreprise : SELECT qbsync_confirm_company(%1$L, %2$L). Sinon : SELECT qbsync_disconnect(%1$L, confirm => true).'),
	('paused', 'SELECT qbsync_resume(%1$L).', 'SELECT qbsync_resume(%1$L).'),
	('clone', 'If the original database is gone: SELECT qbsync_confirm_clone(%1$L, moved => true). If it lives on: SELECT qbsync_confirm_clone(%1$L), then connect again.',
		'Si la base d''origine n''existe plus : SELECT qbsync_confirm_clone(%1$L, moved => true). Si elle vit encore : SELECT qbsync_confirm_clone(%1$L), puis reconnectez.'),
	('disconnected', 'To connect it again, open the address that SELECT qbsync_authorize_url(connection => %1$L) gives.',
		'Pour la reconnecter, ouvrez l''adresse que donne SELECT qbsync_authorize_url(connection => %1$L).')
) AS t(state, en, fr)
CROSS JOIN LATERAL (VALUES ('en', t.en), ('fr', t.fr)) AS w(language, label);

CREATE FUNCTION qbsync.way_out(name text, state text, company_name text, language text DEFAULT 'en')
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format(qbsync.label('way_out', way_out.state, way_out.language), way_out.name, way_out.company_name)
	WHERE way_out.state IN ('authorizing', 'reauthorize', 'paused', 'clone', 'disconnected')
	   OR way_out.state = 'unconfirmed' AND way_out.company_name IS NOT NULL;
$fn$;
COMMENT ON FUNCTION qbsync.way_out(text, text, text, text) IS 'What a person has to do in a state of a connection that does not go on by itself, in a language; null when nothing is to be done';

CREATE FUNCTION qbsync.raise_problem(name text, code text, detail text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	p qbsync.problem;
BEGIN
	SELECT k.* INTO p FROM qbsync.problem k WHERE k.code = raise_problem.code;
	RAISE EXCEPTION 'connection "%": %', raise_problem.name, rtrim(coalesce(p.meaning, raise_problem.code, 'It failed.'), '.')
		USING ERRCODE = 'object_not_in_prerequisite_state',
			  DETAIL = coalesce(raise_problem.detail, format('The problem is %s.', raise_problem.code)),
			  HINT = coalesce(replace(p.remedy, 'connection => …', format('connection => %L', raise_problem.name)), 'See qbsync.status.');
END
$fn$;
COMMENT ON FUNCTION qbsync.raise_problem(text, text, text) IS 'Raises an error with a problem''s meaning and remedy';

/* Waiting is pointless while no gateway can run. */
CREATE FUNCTION qbsync.require_worker()
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	p qbsync.problem;
BEGIN
	PERFORM qbsync.require_preload();
	IF coalesce(current_setting('qbsync.paused', true), 'off')::boolean THEN
		SELECT k.* INTO p FROM qbsync.problem k WHERE k.code = 'server_paused';
	ELSE
		SELECT k.* INTO p FROM qbsync.problem k
		WHERE k.code = qbsync.worker_state() AND k.code IN ('no_slot', 'versions_apart', 'absent', 'standby');
	END IF;
	IF p.code IS NOT NULL THEN
		RAISE EXCEPTION 'nothing can talk to Intuit: %', lower(left(p.meaning, 1)) || rtrim(substr(p.meaning, 2), '.')
			USING ERRCODE = CASE p.code WHEN 'no_slot' THEN 'configuration_limit_exceeded' ELSE 'object_not_in_prerequisite_state' END,
				  HINT = p.remedy;
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.require_worker() IS 'Raises an error with the way out when the gateway cannot run until a person does something';

CREATE FUNCTION qbsync.wait_state_of_job(job bigint)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	j qbsync.job;
	c qbsync.connection;
BEGIN
	SELECT k.* INTO j FROM qbsync.job k WHERE k.job_id = wait_state_of_job.job;
	IF j.job_id IS NULL THEN
		RAISE EXCEPTION 'job % does not exist', wait_state_of_job.job
			USING ERRCODE = 'undefined_object', HINT = 'Finished jobs are kept for qbsync.log_retention.';
	END IF;
	SELECT k.* INTO c FROM qbsync.connection k WHERE k.connection_id = j.connection_id;
	IF j.state = 'done' THEN
		RETURN 'done';
	ELSIF j.state = 'failed' THEN
		PERFORM qbsync.raise_problem(c.name, j.problem, j.problem_detail);
	ELSIF j.state = 'cancelled' THEN
		RAISE EXCEPTION 'job % was cancelled', j.job_id
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = format('A later command for connection "%s" took its place, or the connection was disconnected.', c.name);
	END IF;
	-- A sync or reconciliation waits for a company that can be read; connecting and disconnecting go on in any state.
	IF j.kind IN ('sync', 'reconcile') THEN
		PERFORM qbsync.require_going_on(c.connection_id);
	END IF;
	PERFORM qbsync.require_worker();
	RETURN format('the job is %s', j.state);
END
$fn$;
COMMENT ON FUNCTION qbsync.wait_state_of_job(bigint) IS 'done, otherwise how far it is, or an error when the job failed or cannot start';

/* Raise an error when the connection stands still until a person acts; a connect job under way may still cure it. */
CREATE FUNCTION qbsync.require_going_on(connection_id integer)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.connection;
	p qbsync.problem;
	connecting boolean := EXISTS (SELECT FROM qbsync.job j WHERE j.connection_id = require_going_on.connection_id
								  AND j.kind = 'connect' AND j.state IN ('queued', 'running'));
BEGIN
	SELECT k.* INTO STRICT c FROM qbsync.connection k WHERE k.connection_id = require_going_on.connection_id;
	SELECT k.* INTO p FROM qbsync.problem k WHERE k.code = c.problem;
	IF p.needs_person THEN
		PERFORM qbsync.raise_problem(c.name, c.problem, c.problem_detail);
	ELSIF (c.state IN ('authorizing', 'reauthorize') AND NOT connecting)
		OR (c.state = 'paused' AND NOT connecting)
		OR c.state IN ('clone', 'disconnected')
		OR (c.state = 'unconfirmed' AND c.company_name IS NOT NULL) THEN
		RAISE EXCEPTION 'connection "%" waits for a person: its state is %', c.name, c.state
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = qbsync.way_out(c.name, c.state, c.company_name);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.require_going_on(integer) IS 'Raises an error with the way out when a connection stands still until a person acts';

/* The newest job of that kind failed, and just now: whoever waits for its effect should hear why. */
CREATE FUNCTION qbsync.raise_recent_failure(connection_id integer, kind text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	j qbsync.job;
BEGIN
	SELECT k.* INTO j
	FROM qbsync.job k
	WHERE k.connection_id = raise_recent_failure.connection_id AND k.kind = raise_recent_failure.kind
	ORDER BY k.job_id DESC LIMIT 1;
	IF j.state = 'failed' AND j.finished_at > now() - interval '15 min' THEN
		PERFORM qbsync.raise_problem((SELECT c.name FROM qbsync.connection c WHERE c.connection_id = j.connection_id),
									 j.problem, j.problem_detail);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.raise_recent_failure(integer, text) IS 'Raises an error when the newest job of a kind failed within the last 15 minutes';

/* What an apply worker will do by itself right away; a mapping that waits for somebody is not waited for. */
CREATE FUNCTION qbsync.crm_busy(connection_id integer)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT EXISTS (
		SELECT FROM qbsync.mapping m
		WHERE m.connection_id = crm_busy.connection_id AND m.state = 'enabled' AND m.problem IS NULL
		  AND (m.sweep_after IS NOT NULL
			   OR EXISTS (SELECT FROM qbsync.arrival a WHERE a.mapping_id = m.mapping_id AND a.action <> 'after')
			   OR qbsync.has_news(m.mapping_id)
			   OR EXISTS (SELECT FROM qbsync.outgoing o WHERE o.mapping_id = m.mapping_id AND o.next_attempt_at <= clock_timestamp()
						  AND o.lane <> ALL (m.paused_lanes))
			   OR EXISTS (SELECT FROM qbsync.request r WHERE r.mapping_id = m.mapping_id AND r.state <> 'refused'
						  AND (r.lane <> ALL (m.paused_lanes) OR r.state NOT IN ('ready', 'check'))
						  AND NOT EXISTS (SELECT FROM qbsync.send_error e WHERE e.mapping_id = r.mapping_id AND e.crm_key = r.crm_key AND e.problem = 'settle_fails'
										  AND e.next_attempt_at > clock_timestamp()))
			   -- a slow record stands there while it is being written by itself
			   OR EXISTS (SELECT FROM qbsync.crm_error e WHERE e.mapping_id = m.mapping_id AND e.dismissed_at IS NULL
						  AND (e.next_attempt_at <= clock_timestamp() OR e.problem = 'crm_slow' AND e.occurrences <= 2))));
$fn$;
COMMENT ON FUNCTION qbsync.crm_busy(integer) IS 'Is something of a company on its way into the CRM, or to QuickBooks?';

/* Is it there?  kinds: those of its open jobs.  A failed reconnection of a company that is live is no "connected". */
CREATE FUNCTION qbsync.wait_reached(c qbsync.connection, kinds text[], until text)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	CASE wait_reached.until
		WHEN 'disconnected' THEN
			RETURN c.state = 'disconnected';
		WHEN 'connected' THEN
			IF 'connect' = ANY (kinds) THEN
				RETURN false;
			END IF;
			PERFORM qbsync.raise_recent_failure(c.connection_id, 'connect');
			RETURN c.state IN ('unconfirmed', 'loading', 'live', 'paused') AND c.company_name IS NOT NULL;
		WHEN 'synced' THEN
			RETURN c.state = 'live' AND c.problem IS NULL AND NOT 'sync' = ANY (kinds);
		WHEN 'idle' THEN
			RETURN c.state = 'live' AND c.problem IS NULL AND cardinality(kinds) = 0 AND NOT qbsync.crm_busy(c.connection_id);
	END CASE;
END
$fn$;
COMMENT ON FUNCTION qbsync.wait_reached(qbsync.connection, text[], text) IS 'Has a connection reached what somebody waits for?';

/* STABLE, so that all its queries see one moment: what was not there yet in the first is not held against it in the next. */
CREATE FUNCTION qbsync.wait_state(connection text, until text, job bigint)
RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.connection;
	kinds text[];
BEGIN
	IF wait_state.until IS NULL OR wait_state.until NOT IN ('connected', 'synced', 'idle', 'disconnected', 'job') THEN
		RAISE EXCEPTION 'until is not valid: "%"', wait_state.until
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is connected, synced, idle, disconnected or job.';
	END IF;
	PERFORM qbsync.require_preload();
	IF wait_state.job IS NOT NULL THEN
		RETURN qbsync.wait_state_of_job(wait_state.job);
	ELSIF wait_state.until = 'job' THEN
		RAISE EXCEPTION 'job is missing'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give the number that the function returned: job => ….';
	END IF;

	SELECT k.* INTO STRICT c FROM qbsync.connection k WHERE k.connection_id = qbsync.the_connection(wait_state.connection);
	SELECT coalesce(array_agg(j.kind), '{}') INTO kinds
	FROM qbsync.job j WHERE j.connection_id = c.connection_id AND j.state IN ('queued', 'running');

	IF qbsync.wait_reached(c, kinds, wait_state.until) THEN
		RETURN 'done';
	END IF;
	-- Not there: will it come by itself?
	IF wait_state.until = 'disconnected' THEN
		PERFORM qbsync.raise_recent_failure(c.connection_id, 'disconnect');
		IF NOT 'disconnect' = ANY (kinds) THEN
			RAISE EXCEPTION 'connection "%" is not being disconnected', c.name
				USING ERRCODE = 'object_not_in_prerequisite_state',
					  HINT = format('SELECT qbsync_disconnect(%L, confirm => true);', c.name);
		END IF;
	ELSE
		IF c.state IN ('authorizing', 'reauthorize') AND NOT 'connect' = ANY (kinds) THEN
			PERFORM qbsync.raise_recent_failure(c.connection_id, 'connect');
		END IF;
		PERFORM qbsync.require_going_on(c.connection_id);
	END IF;
	PERFORM qbsync.require_worker();
	RETURN format('its state is %s', c.state) || coalesce(', its problem ' || c.problem, '')
		|| CASE WHEN cardinality(kinds) > 0 THEN format(', its jobs %s', array_to_string(kinds, ', ')) ELSE '' END;
END
$fn$;
COMMENT ON FUNCTION qbsync.wait_state(text, text, bigint) IS 'For qbsync_wait: done; otherwise how far it is, to go on waiting; or an error on a state that needs a person. SECURITY DEFINER: reads the tables for operators';
