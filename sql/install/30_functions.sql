/*
 * Helpers of the callable surface.  People call the functions of 31_connect.sql and 32_operate.sql; these are not
 * granted to anybody (50_privileges.sql) unless a view needs them.
 *
 * From here on every name is written with its schema and every other name means pg_catalog, in the script itself as in
 * the functions: nobody who may create objects in the extension's schema can slip something under a view.
 */
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION qbsync.today(time_zone text)
RETURNS date
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'qbsync_today';
COMMENT ON FUNCTION qbsync.today(text) IS 'Today''s date in a time zone; in UTC when the zone is null or unknown to this server';

CREATE FUNCTION qbsync.today(time_zone text, at timestamptz)
RETURNS date
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'qbsync_today_at';
COMMENT ON FUNCTION qbsync.today(text, timestamptz) IS 'The date in a time zone at a time; in UTC when the zone is null or unknown to this server; null when the time is';

/*
 * What became of an invoice, in the order in which QuickBooks' rules are to be looked at (there is no sign for a void).  nothing: it was
 * changed since it was made, and no line of what was sold holds anything.  A plain expression, so that it becomes part of the queries.
 */
CREATE FUNCTION qbsync.invoice_state(deleted_at timestamptz, total_amt numeric, balance numeric, private_note text, nothing boolean)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
	WHEN deleted_at IS NOT NULL THEN 'deleted'
	WHEN coalesce(total_amt, 0) = 0 AND coalesce(balance, 0) = 0 THEN
		CASE WHEN private_note ILIKE 'voided%' OR nothing THEN 'voided' ELSE 'paid' END
	WHEN coalesce(balance, 0) <= 0 THEN 'paid'
	WHEN balance < total_amt THEN 'partially_paid'
	ELSE 'open'
END;
COMMENT ON FUNCTION qbsync.invoice_state(timestamptz, numeric, numeric, text, boolean) IS 'deleted, voided, paid, partially_paid or open, from columns of an invoice; nothing: no line of what was sold holds anything any more';

/* What an error says of the connections there are. */
CREATE FUNCTION qbsync.connection_names()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce('The connections are: ' || string_agg(quote_literal(c.name), ', ' ORDER BY c.name)
					|| CASE WHEN max(c.total) > 20 THEN format(' and %s more.', max(c.total) - 20) ELSE '.' END,
					'There is no connection yet.')
	FROM (SELECT k.name, count(*) OVER () AS total FROM qbsync.connection k ORDER BY k.name LIMIT 20) c;
$fn$;
COMMENT ON FUNCTION qbsync.connection_names() IS 'Names of all connections, as a sentence for error details';

CREATE FUNCTION qbsync.the_connection(name text)
RETURNS integer
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	ids integer[];
BEGIN
	SELECT array_agg(c.connection_id) INTO ids
	FROM qbsync.connection c
	WHERE c.name = the_connection.name OR the_connection.name IS NULL;

	IF cardinality(ids) = 1 THEN
		RETURN ids[1];
	END IF;
	IF the_connection.name IS NOT NULL THEN
		RAISE EXCEPTION 'connection "%" does not exist', the_connection.name
			USING ERRCODE = 'undefined_object', DETAIL = qbsync.connection_names(),
				  HINT = 'Name one of them, or make a new one with qbsync_authorize_url or qbsync_connect.';
	END IF;
	IF ids IS NULL THEN
		RAISE EXCEPTION 'there is no connection'
			USING ERRCODE = 'undefined_object',
				  HINT = 'Make one: SELECT qbsync_authorize_url(connection => ''a name'', app => ''your app'').';
	END IF;
	RAISE EXCEPTION 'there are several connections and none was named'
		USING ERRCODE = 'undefined_object', DETAIL = qbsync.connection_names(),
			  HINT = 'Name one: connection => ''…''.';
END
$fn$;
COMMENT ON FUNCTION qbsync.the_connection(text) IS 'connection_id of a name; of the only connection when the name is null; an error that lists the names otherwise';

CREATE FUNCTION qbsync.the_app(name text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	found_names text[];
	all_names text;
BEGIN
	SELECT array_agg(a.name) FILTER (WHERE a.name = the_app.name OR the_app.name IS NULL),
		   string_agg(quote_literal(a.name), ', ' ORDER BY a.name)
	INTO found_names, all_names
	FROM qbsync.app a;

	IF cardinality(found_names) = 1 THEN
		RETURN found_names[1];
	END IF;
	IF all_names IS NULL THEN
		RAISE EXCEPTION 'there is no app'
			USING ERRCODE = 'undefined_object',
				  HINT = 'Tell qbsync of the app registered at developer.intuit.com: SELECT qbsync_app(name => …, client_id => …, redirect_uri => …).';
	END IF;
	IF the_app.name IS NOT NULL THEN
		RAISE EXCEPTION 'app "%" does not exist', the_app.name
			USING ERRCODE = 'undefined_object', DETAIL = format('The apps are: %s.', all_names),
				  HINT = 'Name one of them, or make it with qbsync_app.';
	END IF;
	RAISE EXCEPTION 'there are several apps and none was named'
		USING ERRCODE = 'undefined_object', DETAIL = format('The apps are: %s.', all_names),
			  HINT = 'Name one: app => ''…''.';
END
$fn$;
COMMENT ON FUNCTION qbsync.the_app(text) IS 'Name of an app that exists; the only one when null; an error that lists the names otherwise';

CREATE FUNCTION qbsync.check_name(what text, name text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	-- Names are typed by people and shown in one line: what cannot be seen must not tell two of them apart.
	IF check_name.name IS NULL OR check_name.name = '' OR check_name.name <> btrim(check_name.name)
		OR length(check_name.name) > 100 OR check_name.name ~ '[[:cntrl:]]' THEN
		RAISE EXCEPTION '% is not valid', check_name.what
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = 'A name has 1 to 100 characters, no blank at its ends and no control characters.',
				  HINT = format('Give %s => ''…''.', CASE check_name.what WHEN 'connection name' THEN 'connection' ELSE 'name' END);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.check_name(text, text) IS 'Raises an error unless it is a name for a connection, app or mapping';

CREATE FUNCTION qbsync.require_preload()
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF qbsync.worker_state() = 'not_preloaded' THEN
		RAISE EXCEPTION 'qbsync is not loaded at server start, so nothing can talk to Intuit'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Add qbsync to shared_preload_libraries and restart the server.';
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.require_preload() IS 'Raises an error with the way out when no worker can run';

CREATE FUNCTION qbsync.url_encode(value text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(string_agg(
		CASE WHEN c.c COLLATE "C" ~ '^[A-Za-z0-9._~-]$' THEN c.c
			 ELSE upper(regexp_replace(encode(convert_to(c.c, 'UTF8'), 'hex'), '(..)', '%\1', 'g')) END,
		'' ORDER BY c.position), '')
	FROM string_to_table(value, NULL) WITH ORDINALITY AS c(c, position);
$fn$;
COMMENT ON FUNCTION qbsync.url_encode(text) IS 'Percent-encodes everything but the unreserved characters of RFC 3986';

CREATE FUNCTION qbsync.url_decode(value text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(convert_from(string_agg(
		CASE WHEN p.m[1] ~ '^%' AND length(p.m[1]) > 1 THEN decode(replace(p.m[1], '%', ''), 'hex')
			 ELSE convert_to(replace(p.m[1], '+', ' '), 'UTF8') END,
		'' ORDER BY p.position), 'UTF8'), '')
	FROM regexp_matches(value, '((?:%[0-9A-Fa-f]{2})+|[^%]+|%)', 'g') WITH ORDINALITY AS p(m, position);
$fn$;
COMMENT ON FUNCTION qbsync.url_decode(text) IS 'Undoes percent-encoding and "+"; raises an error on bytes that are not UTF-8';

CREATE FUNCTION qbsync.url_parameters(url text)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	query text := split_part(substr(url, position('?' IN url) + 1), '#', 1);
	result jsonb;
BEGIN
	-- jsonb keeps the last of several values; a parameter given twice is a forged or mangled URL and is refused.
	SELECT jsonb_object_agg(p.name, p.value) INTO result
	FROM (SELECT qbsync.url_decode(split_part(pair, '=', 1)) AS name,
				 string_agg(qbsync.url_decode(substr(pair, length(split_part(pair, '=', 1)) + 2)), chr(10)) AS value
		  FROM string_to_table(query, '&') AS pair
		  WHERE pair <> ''
		  GROUP BY 1) p;
	RETURN coalesce(result, '{}');
EXCEPTION
	WHEN character_not_in_repertoire OR untranslatable_character THEN
		-- The original message would show pieces of the URL.
		RAISE EXCEPTION 'redirect_url is not valid'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It holds bytes that are not UTF-8.',
				  HINT = 'Paste the whole address the browser ended at, unchanged.';
END
$fn$;
COMMENT ON FUNCTION qbsync.url_parameters(text) IS 'Parameters of a URL''s query, decoded';

CREATE FUNCTION qbsync.has_secret(connection_id integer, VARIADIC kinds text[])
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT EXISTS (SELECT FROM qbsync.secret s
				   WHERE s.owner_kind = 'connection' AND s.owner = has_secret.connection_id::text
					 AND s.kind = ANY (has_secret.kinds));
$fn$;
COMMENT ON FUNCTION qbsync.has_secret(integer, text[]) IS 'Is a secret of one of these kinds stored for the connection?';

/*
 * The state a connection goes back to after a pause or as a confirmed move: the gateway and the functions below all
 * decide by this one rule.
 */
CREATE FUNCTION qbsync.resumed_state(connection_id integer)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN c.confirmed_at IS NULL THEN 'unconfirmed'
		-- what was complete and is compared, for a reconciliation, is complete; what was read anew is not before it was compared
		WHEN (SELECT bool_and(r.phase IN ('loaded', 'absent') OR r.phase = 'verifying' AND coalesce(r.started_at < w.finished_at, false))
			  FROM qbsync.cursor r
			  LEFT JOIN qbsync.cursor w ON w.connection_id = r.connection_id AND w.entity = '*'
			  WHERE r.connection_id = c.connection_id) THEN 'live'
		ELSE 'loading' END
	FROM qbsync.connection c
	WHERE c.connection_id = resumed_state.connection_id;
$fn$;
COMMENT ON FUNCTION qbsync.resumed_state(integer) IS 'State after a pause: unconfirmed when nobody confirmed the company, live when every load has ended, loading otherwise';

CREATE FUNCTION qbsync.set_state(connection_id integer, state text)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	-- A person acted: what was wrong before is looked at anew, without waiting for the next attempt.
	UPDATE qbsync.connection c
	SET state = set_state.state, state_since = clock_timestamp(), problem = NULL, problem_detail = NULL,
		problem_since = NULL, attempts = 0, next_attempt_at = NULL
	WHERE c.connection_id = set_state.connection_id;
$fn$;
COMMENT ON FUNCTION qbsync.set_state(integer, text) IS 'Change a connection''s state and forget its problem';

/* A job of that kind that still waits serves everybody who asks before it starts. */
CREATE FUNCTION qbsync.queue_job(connection_id integer, kind text, arguments jsonb DEFAULT '{}')
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id bigint;
BEGIN
	SELECT j.job_id INTO id
	FROM qbsync.job j
	WHERE j.connection_id = queue_job.connection_id AND j.kind = queue_job.kind AND j.state = 'queued'
	  AND j.arguments = queue_job.arguments
	ORDER BY j.job_id LIMIT 1;

	IF id IS NULL THEN
		INSERT INTO qbsync.job (connection_id, kind, arguments)
		VALUES (queue_job.connection_id, queue_job.kind, queue_job.arguments)
		RETURNING job_id INTO id;
	END IF;
	PERFORM qbsync.wake();
	RETURN id;
END
$fn$;
COMMENT ON FUNCTION qbsync.queue_job(integer, text, jsonb) IS 'Ask the gateway for something at commit; returns the job, an equal one that still waits if there is one';

CREATE FUNCTION qbsync.purge_mirror(connection_id integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	mirror text;
BEGIN
	FOR mirror IN SELECT k."table" FROM qbsync.catalogue_line k UNION ALL SELECT k.entity FROM qbsync.catalogue k LOOP
		EXECUTE format('DELETE FROM qbsync.%I WHERE connection_id = $1', mirror) USING purge_mirror.connection_id;
	END LOOP;
	DELETE FROM qbsync.record_version v WHERE v.connection_id = purge_mirror.connection_id;
	DELETE FROM qbsync.handled_change h WHERE h.connection_id = purge_mirror.connection_id;
	DELETE FROM qbsync.cursor r WHERE r.connection_id = purge_mirror.connection_id;
	DELETE FROM qbsync.error e WHERE e.connection_id = purge_mirror.connection_id;
	DELETE FROM qbsync.lookup l WHERE l.connection_id = purge_mirror.connection_id;
	DELETE FROM qbsync.webhook_event w WHERE w.connection_id = purge_mirror.connection_id;
	DELETE FROM qbsync.merged g WHERE g.connection_id = purge_mirror.connection_id;
	DELETE FROM qbsync.moved g WHERE g.connection_id = purge_mirror.connection_id;
	DELETE FROM qbsync.suspect g WHERE g.connection_id = purge_mirror.connection_id;
	DELETE FROM qbsync.drift d WHERE d.connection_id = purge_mirror.connection_id;
END
$fn$;
COMMENT ON FUNCTION qbsync.purge_mirror(integer) IS 'Remove everything mirrored of a company, with its past, cursors and errors';

/*
 * What is bought is read, or it is not here at all: neither records nor what tells of them.  A mapping would make it anew, so
 * that has to go first.
 */
CREATE FUNCTION qbsync.purge_bought(connection_id integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	bought text[] := ARRAY(SELECT k.entity FROM qbsync.catalogue k WHERE k.bought);
	name text;
	calls text;
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		-- what the gateway has just stored would not be seen, and stay
		RAISE EXCEPTION 'what is bought cannot be removed in a transaction of isolation level %', current_setting('transaction_isolation')
			USING ERRCODE = 'active_sql_transaction', HINT = 'Do it in a transaction of its own.';
	END IF;
	SELECT string_agg(format('SELECT qbsync_unmap(%L, confirm => true);', m.name), ' ' ORDER BY m.name) INTO calls
	FROM qbsync.mapping m WHERE m.connection_id = purge_bought.connection_id AND m.entity = ANY (bought);
	IF calls IS NOT NULL THEN
		RAISE EXCEPTION 'what is bought is mapped'
			USING ERRCODE = 'dependent_objects_still_exist', HINT = format('First: %s', calls);
	END IF;
	FOR name IN SELECT k."table" FROM qbsync.catalogue_line k WHERE k.entity = ANY (bought) UNION ALL SELECT unnest(bought) LOOP
		EXECUTE format('DELETE FROM qbsync.%I WHERE connection_id = $1', name) USING purge_bought.connection_id;
	END LOOP;
	-- whatever table tells of records
	FOR name IN
		SELECT c.relname FROM pg_class c
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'connection_id'
		JOIN pg_attribute e ON e.attrelid = c.oid AND e.attname = 'entity'
		WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind = 'r'
	LOOP
		EXECUTE format('DELETE FROM qbsync.%I WHERE connection_id = $1 AND entity = ANY ($2)', name) USING purge_bought.connection_id, bought;
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.purge_bought(integer) IS 'Remove everything of a company that shows what is bought or who is paid, with its past, cursors, errors and what was decided about it';
