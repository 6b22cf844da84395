/*
 * Making a connection: app, sign-in, confirmation of the company.
 *
 * These are SECURITY DEFINER because members of qbsync_admin have no rights on the tables: a sign-in is only worth
 * something if its rows cannot be written by hand.  EXECUTE is granted in 50_privileges.sql.
 */

CREATE FUNCTION qbsync.check_redirect_uri(redirect_uri text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF check_redirect_uri.redirect_uri ~ '[[:space:][:cntrl:]?#]' OR NOT qbsync.url_allowed(check_redirect_uri.redirect_uri) THEN
		RAISE EXCEPTION 'redirect_uri is not valid: "%"', check_redirect_uri.redirect_uri
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = 'It must be an https address (http only to this very machine) without "?", "#" or blanks.',
				  HINT = 'Copy it, character for character, from the app''s Keys & OAuth page at developer.intuit.com.';
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.check_redirect_uri(text) IS 'Raises an error unless Intuit would accept it as a redirect URI';

CREATE FUNCTION qbsync.check_scopes(scopes text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF check_scopes.scopes !~ '^[a-z][a-zA-Z0-9._-]*( [a-z][a-zA-Z0-9._-]*)*$'
		OR NOT 'com.intuit.quickbooks.accounting' = ANY (string_to_array(check_scopes.scopes, ' ')) THEN
		RAISE EXCEPTION 'scopes is not valid: "%"', check_scopes.scopes
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = 'It is a list of scopes with one blank between them, com.intuit.quickbooks.accounting among them.',
				  HINT = 'Leave it out for the usual scopes.';
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.check_scopes(text) IS 'Raises an error unless it is a list of scopes with the accounting one';

CREATE FUNCTION @extschema@.qbsync_app(
	name text DEFAULT NULL,
	environment text DEFAULT NULL,
	client_id text DEFAULT NULL,
	redirect_uri text DEFAULT NULL,
	monthly_reads bigint DEFAULT NULL,
	scopes text DEFAULT NULL,
	client_secret text DEFAULT NULL,
	webhook_verifier text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	old qbsync.app;
	names text;
BEGIN
	PERFORM qbsync.check_name('app name', qbsync_app.name);
	SELECT a.* INTO old FROM qbsync.app a WHERE a.name = qbsync_app.name FOR UPDATE;
	-- What is left out stays as it is; a new app is for production unless said otherwise.
	environment := coalesce(qbsync_app.environment, old.environment, 'production');
	client_id := coalesce(qbsync_app.client_id, old.client_id);
	redirect_uri := coalesce(qbsync_app.redirect_uri, old.redirect_uri);
	monthly_reads := coalesce(qbsync_app.monthly_reads, old.monthly_reads, 500000);
	scopes := coalesce(qbsync_app.scopes, old.scopes, 'com.intuit.quickbooks.accounting openid profile email');

	IF NOT EXISTS (SELECT FROM qbsync.environment e WHERE e.name = qbsync_app.environment) THEN
		SELECT string_agg(quote_literal(e.name), ', ' ORDER BY e.name) INTO names FROM qbsync.environment e;
		RAISE EXCEPTION 'environment "%" does not exist', qbsync_app.environment
			USING ERRCODE = 'undefined_object', DETAIL = format('The environments are: %s.', names),
				  HINT = 'Use production for real companies and sandbox for Intuit''s test companies.';
	END IF;
	IF coalesce(qbsync_app.client_id, '') !~ '^[!-~]{1,200}$' THEN
		RAISE EXCEPTION 'client_id is not valid'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It has 1 to 200 characters, none of them a blank.',
				  HINT = 'Copy it from the app''s Keys & OAuth page at developer.intuit.com: client_id => ''…''.';
	END IF;
	IF qbsync_app.redirect_uri IS NULL THEN
		RAISE EXCEPTION 'redirect_uri is missing'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Give one of the redirect URIs registered for the app at developer.intuit.com: redirect_uri => ''https://…''.';
	END IF;
	PERFORM qbsync.check_redirect_uri(qbsync_app.redirect_uri);
	IF qbsync_app.monthly_reads < 1 THEN
		RAISE EXCEPTION 'monthly_reads is not valid: %', qbsync_app.monthly_reads
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is the number of metered reads a month, at least 1.',
				  HINT = 'Intuit''s free tier has 500000.';
	END IF;
	PERFORM qbsync.check_scopes(qbsync_app.scopes);
	IF qbsync_app.client_secret = '' OR qbsync_app.webhook_verifier = '' THEN
		RAISE EXCEPTION 'client_secret and webhook_verifier cannot be empty'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave them out to keep what is stored.';
	END IF;

	INSERT INTO qbsync.app AS a (name, environment, client_id, redirect_uri, scopes, monthly_reads)
	VALUES (qbsync_app.name, qbsync_app.environment, qbsync_app.client_id, qbsync_app.redirect_uri, qbsync_app.scopes,
			qbsync_app.monthly_reads)
	ON CONFLICT ON CONSTRAINT app_pkey DO UPDATE
	SET environment = excluded.environment, client_id = excluded.client_id, redirect_uri = excluded.redirect_uri,
		scopes = excluded.scopes, monthly_reads = excluded.monthly_reads;

	IF qbsync_app.client_secret IS NOT NULL THEN
		PERFORM qbsync.store_secret('app', qbsync_app.name, 'client_secret', qbsync_app.client_secret);
	END IF;
	IF qbsync_app.webhook_verifier IS NOT NULL THEN
		PERFORM qbsync.store_secret('app', qbsync_app.name, 'webhook_verifier', qbsync_app.webhook_verifier);
	END IF;
	-- Companies that wait because of the app's data are tried again at once.
	UPDATE qbsync.connection c SET next_attempt_at = NULL
	WHERE c.app = qbsync_app.name AND c.next_attempt_at IS NOT NULL
	  AND c.problem IN ('wrong_secret', 'secret_missing', 'wrong_environment');
	PERFORM qbsync.wake();
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_app(text, text, text, text, bigint, text, text, text) IS 'Make an app known that is registered at developer.intuit.com, or change what is known of it. SECURITY DEFINER: writes qbsync.app';

/* The connection to sign in for; a new one when the name is new. */
CREATE FUNCTION qbsync.connection_for_sign_in(name text, app text)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer;
	its_state text;
BEGIN
	IF connection_for_sign_in.name IS NULL AND NOT EXISTS (SELECT FROM qbsync.connection) THEN
		RAISE EXCEPTION 'the new connection needs a name'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give it one: connection => ''…''.';
	ELSIF connection_for_sign_in.name IS NULL THEN
		id := qbsync.the_connection(NULL);
	ELSE
		SELECT c.connection_id INTO id FROM qbsync.connection c WHERE c.name = connection_for_sign_in.name;
	END IF;

	IF id IS NULL THEN
		PERFORM qbsync.check_name('connection name', connection_for_sign_in.name);
		INSERT INTO qbsync.connection (name, app)
		VALUES (connection_for_sign_in.name, qbsync.the_app(connection_for_sign_in.app))
		RETURNING connection_id INTO id;
		RETURN id;
	END IF;

	SELECT c.state, c.name INTO its_state, name FROM qbsync.connection c WHERE c.connection_id = id;
	IF its_state = 'clone' THEN
		RAISE EXCEPTION 'connection "%" belongs to the database this one is a copy of', name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'See qbsync_confirm_clone: with moved => true if the original is gone, without if it lives on.';
	END IF;
	RETURN id;
END
$fn$;
COMMENT ON FUNCTION qbsync.connection_for_sign_in(text, text) IS 'connection_id of a name, made when it is new; refuses a clone';

CREATE FUNCTION @extschema@.qbsync_authorize_url(
	connection text DEFAULT NULL,
	app text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer := qbsync.connection_for_sign_in(qbsync_authorize_url.connection, qbsync_authorize_url.app);
	app_name text;
	-- A random uuid carries 122 bits from the server's strong source; three of them fill the 256 bits of the hash.
	state text := encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
	url text;
BEGIN
	app_name := qbsync.the_app(coalesce(qbsync_authorize_url.app,
										(SELECT c.app FROM qbsync.connection c WHERE c.connection_id = id)));
	DELETE FROM qbsync."authorization" a WHERE a.expires_at < now() - interval '1 day';
	-- Only the hash is kept: who can read the table (a backup, say) cannot finish the sign-in.
	INSERT INTO qbsync."authorization" (state_hash, connection_id, app, role_name, expires_at)
	VALUES (encode(sha256(convert_to(state, 'UTF8')), 'hex'), id, app_name, session_user, clock_timestamp() + interval '15 min');

	SELECT e.authorize_url || CASE WHEN position('?' IN e.authorize_url) > 0 THEN '&' ELSE '?' END
		   || 'client_id=' || qbsync.url_encode(a.client_id)
		   || '&response_type=code&scope=' || qbsync.url_encode(a.scopes)
		   || '&redirect_uri=' || qbsync.url_encode(a.redirect_uri)
		   || '&state=' || state
	INTO url
	FROM qbsync.app a JOIN qbsync.environment e ON e.name = a.environment
	WHERE a.name = app_name;
	RETURN url;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_authorize_url(text, text) IS 'Address where an administrator of the company signs in at Intuit; good for one sign-in within 15 minutes, by the role that asked for it. SECURITY DEFINER: writes qbsync.connection and qbsync.authorization';

/* Find the sign-in that a state parameter belongs to, check everything it is bound to, and use it up. */
CREATE FUNCTION qbsync.use_authorization(state text, connection text, app text)
RETURNS qbsync."authorization"
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	found_one qbsync."authorization";
	name text;
	hint text := 'Ask for a new link with qbsync_authorize_url and sign in again.';
BEGIN
	SELECT a.* INTO found_one
	FROM qbsync."authorization" a
	WHERE a.state_hash = encode(sha256(convert_to(use_authorization.state, 'UTF8')), 'hex')
	FOR UPDATE;
	SELECT c.name INTO name FROM qbsync.connection c WHERE c.connection_id = found_one.connection_id;

	IF name IS NULL THEN
		RAISE EXCEPTION 'no sign-in with that state was begun here'
			USING ERRCODE = 'invalid_authorization_specification', HINT = hint,
				  DETAIL = 'The parameter "state" of redirect_url is missing, altered, given twice, or from another database.';
	ELSIF found_one.role_name <> session_user THEN
		RAISE EXCEPTION 'the sign-in was begun by another role'
			USING ERRCODE = 'insufficient_privilege', HINT = hint,
				  DETAIL = format('It was begun by "%s" and is finished by "%s".', found_one.role_name, session_user);
	ELSIF found_one.used_at IS NOT NULL THEN
		RAISE EXCEPTION 'the sign-in was used already'
			USING ERRCODE = 'invalid_authorization_specification', HINT = hint,
				  DETAIL = 'Each link of qbsync_authorize_url is good for one sign-in.';
	ELSIF found_one.expires_at < clock_timestamp() THEN
		RAISE EXCEPTION 'the sign-in is too old'
			USING ERRCODE = 'invalid_authorization_specification', HINT = hint,
				  DETAIL = 'A link of qbsync_authorize_url is good for 15 minutes.';
	ELSIF use_authorization.connection <> name THEN
		RAISE EXCEPTION 'the sign-in was begun for connection "%", not for "%"', name, use_authorization.connection
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave connection out, or name the right one.';
	ELSIF use_authorization.app <> found_one.app THEN
		RAISE EXCEPTION 'the sign-in was begun with app "%", not with "%"', found_one.app, use_authorization.app
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave app out, or name the right one.';
	END IF;
	UPDATE qbsync."authorization" a SET used_at = clock_timestamp() WHERE a.state_hash = found_one.state_hash;
	RETURN found_one;
END
$fn$;
COMMENT ON FUNCTION qbsync.use_authorization(text, text, text) IS 'The sign-in of a state parameter, checked and used up';

/* Tie a connection to the company that was signed in to, unless that is another one than before. */
CREATE FUNCTION qbsync.set_realm(connection_id integer, app text, realm_id text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.connection;
	other text;
BEGIN
	SELECT k.* INTO STRICT c FROM qbsync.connection k WHERE k.connection_id = set_realm.connection_id FOR NO KEY UPDATE;
	IF coalesce(set_realm.realm_id, '') !~ '^[0-9]{1,30}$' THEN
		RAISE EXCEPTION 'the company id is not valid'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'Intuit''s company ids (realm ids) are numbers of up to 20 digits.',
				  HINT = 'See the company''s account settings in QuickBooks, Billing & subscription; or sign in with the accounting scope, so that redirect_url has realmId.';
	END IF;
	-- Links and ids are worth nothing in another company.  Before a company was ever read there is nothing to mix up.
	IF c.realm_id <> set_realm.realm_id AND NOT (c.confirmed_at IS NULL AND (c.company_name IS NULL OR c.state = 'disconnected')) THEN
		RAISE EXCEPTION 'connection "%" is for another company', c.name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = format('It belongs to %s (%s); the sign-in was for company %s.', coalesce(c.company_name, 'a company'), c.realm_id, set_realm.realm_id),
				  HINT = 'Sign in to the right company, or make a connection of another name for this one.';
	END IF;
	SELECT k.name INTO other
	FROM qbsync.connection k
	WHERE k.realm_id = set_realm.realm_id AND k.connection_id <> c.connection_id AND k.state <> 'disconnected';
	IF other IS NOT NULL THEN
		RAISE EXCEPTION 'company % is connected already, as "%"', set_realm.realm_id, other
			USING ERRCODE = 'unique_violation',
				  HINT = format('Sign in to another company, or give its connection a new sign-in: SELECT qbsync_authorize_url(connection => %L).', other);
	END IF;

	UPDATE qbsync.connection k
	SET realm_id = set_realm.realm_id, app = coalesce(set_realm.app, k.app), authorized_by = session_user,
		company_name = CASE WHEN k.realm_id = set_realm.realm_id THEN k.company_name END
	WHERE k.connection_id = c.connection_id;
	IF c.state = 'disconnected' THEN
		PERFORM qbsync.set_state(c.connection_id, 'authorizing');
	ELSIF c.state IN ('authorizing', 'reauthorize') THEN
		PERFORM qbsync.set_state(c.connection_id, c.state);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.set_realm(integer, text, text) IS 'Tie a connection to a company; refuses another company, and a company that is connected under another name';

/* Queue the connect job; an earlier try that is still open is superseded, and so is a disconnection. */
CREATE FUNCTION qbsync.queue_connect(connection_id integer, via text)
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	UPDATE qbsync.job j SET state = 'cancelled', finished_at = clock_timestamp()
	WHERE j.connection_id = queue_connect.connection_id AND j.kind IN ('connect', 'disconnect') AND j.state IN ('queued', 'running');
	SELECT qbsync.queue_job(queue_connect.connection_id, 'connect', jsonb_build_object('via', queue_connect.via));
$fn$;
COMMENT ON FUNCTION qbsync.queue_connect(integer, text) IS 'Ask the gateway to connect; via code or refresh_token';

CREATE FUNCTION qbsync.connect_with_code(connection text, app text, redirect_url text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	p jsonb := qbsync.url_parameters(connect_with_code.redirect_url);
	begun qbsync."authorization";
BEGIN
	begun := qbsync.use_authorization(coalesce(p ->> 'state', ''), connect_with_code.connection, connect_with_code.app);
	IF p ? 'error' THEN
		-- a mangled address may hold anything there, the code too
		RAISE EXCEPTION 'Intuit did not grant access: %', coalesce(substring(p ->> 'error' COLLATE "C" FROM '^[a-z_]{1,60}$'), 'no reason that can be read')
			USING ERRCODE = 'invalid_authorization_specification',
				  DETAIL = CASE p ->> 'error' WHEN 'access_denied' THEN 'The person who signed in declined.' ELSE 'Intuit refused the request itself.' END,
				  HINT = CASE p ->> 'error' WHEN 'invalid_scope' THEN 'Check the app''s scopes (qbsync_app) against what it was granted at developer.intuit.com.'
						 ELSE 'Open the link again, sign in as an administrator of the company and agree.' END;
	ELSIF coalesce(p ->> 'code', '') !~ '^[!-~]+$' OR length(p ->> 'code') > 512 THEN
		RAISE EXCEPTION 'redirect_url holds no authorization code'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'Its parameter "code" is missing, given twice or cut off.',
				  HINT = 'Paste the whole address the browser ended at, unchanged.';
	END IF;
	PERFORM qbsync.set_realm(begun.connection_id, begun.app, p ->> 'realmId');
	PERFORM qbsync.store_secret('connection', begun.connection_id::text, 'authorization_code', p ->> 'code');
	RETURN qbsync.queue_connect(begun.connection_id, 'code');
END
$fn$;
COMMENT ON FUNCTION qbsync.connect_with_code(text, text, text) IS 'qbsync_connect with what the browser came back with';

CREATE FUNCTION @extschema@.qbsync_connect(
	connection text DEFAULT NULL,
	app text DEFAULT NULL,
	realm_id text DEFAULT NULL,
	refresh_token text DEFAULT NULL,
	redirect_url text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer;
BEGIN
	PERFORM qbsync.require_preload();
	IF qbsync_connect.redirect_url IS NOT NULL THEN
		IF qbsync_connect.realm_id IS NOT NULL OR qbsync_connect.refresh_token IS NOT NULL THEN
			RAISE EXCEPTION 'redirect_url cannot go together with realm_id or refresh_token'
				USING ERRCODE = 'invalid_parameter_value', HINT = 'The company id comes with the redirect URL, the token from Intuit.';
		END IF;
		RETURN qbsync.connect_with_code(qbsync_connect.connection, qbsync_connect.app, qbsync_connect.redirect_url);
	END IF;

	id := qbsync.connection_for_sign_in(qbsync_connect.connection, qbsync_connect.app);
	realm_id := coalesce(qbsync_connect.realm_id, (SELECT c.realm_id FROM qbsync.connection c WHERE c.connection_id = id));
	IF qbsync_connect.realm_id IS NULL THEN
		RAISE EXCEPTION 'neither redirect_url nor realm_id was given'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'After a sign-in in the browser: redirect_url => ''what the browser ended at''. With a refresh token in the credentials file: realm_id => ''the company id''.';
	ELSIF qbsync_connect.refresh_token !~ '^[!-~]+$' OR length(qbsync_connect.refresh_token) > 512 THEN
		RAISE EXCEPTION 'refresh_token is not valid'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It has 1 to 512 characters, none of them a blank.';
	END IF;
	PERFORM qbsync.set_realm(id, CASE WHEN qbsync_connect.app IS NOT NULL THEN qbsync.the_app(qbsync_connect.app) END, qbsync_connect.realm_id);
	IF qbsync_connect.refresh_token IS NOT NULL THEN
		-- The hash keeps the credentials file from importing this very token again after it was rotated.  A hash that is
		-- there already does so for the token in the file, and is kept.
		PERFORM qbsync.store_secret('connection', id::text, 'refresh_token', qbsync_connect.refresh_token,
			CASE WHEN NOT EXISTS (SELECT FROM qbsync.secret s WHERE s.owner_kind = 'connection' AND s.owner = id::text
								  AND s.kind = 'refresh_token' AND s.origin_hash IS NOT NULL)
				 THEN qbsync.secret_hash(qbsync_connect.refresh_token) END);
	END IF;
	RETURN qbsync.queue_connect(id, 'refresh_token');
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_connect(text, text, text, text, text) IS 'Connect a company with what the browser came back with, or with a refresh token; returns the job that does it. SECURITY DEFINER: writes qbsync.connection, secret and job';

CREATE FUNCTION @extschema@.qbsync_confirm_company(
	connection text DEFAULT NULL,
	name text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.connection;
BEGIN
	SELECT k.* INTO STRICT c FROM qbsync.connection k
	WHERE k.connection_id = qbsync.the_connection(qbsync_confirm_company.connection) FOR NO KEY UPDATE;

	IF c.company_name IS NULL THEN
		RAISE EXCEPTION 'the company of connection "%" is not known yet', c.name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = format('Connect it, then CALL qbsync_wait(%L, ''connected'').', c.name);
	ELSIF btrim(qbsync_confirm_company.name) IS DISTINCT FROM btrim(c.company_name) THEN
		RAISE EXCEPTION 'the company of connection "%" is not named that', c.name
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = format('QuickBooks says it is "%s" (company id %s).', c.company_name, c.realm_id),
				  HINT = 'If that is your company, call qbsync_confirm_company with exactly that name. If not, disconnect it: qbsync_disconnect.';
	ELSIF c.state <> 'unconfirmed' AND c.confirmed_at IS NOT NULL THEN
		RAISE NOTICE 'the company of connection "%" is confirmed already', c.name;
		RETURN c.state;
	ELSIF c.state <> 'unconfirmed' THEN
		RAISE EXCEPTION 'connection "%" cannot be confirmed now: its state is %', c.name, c.state
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'See qbsync.status for what to do.';
	END IF;

	UPDATE qbsync.connection k
	SET confirmed_name = c.company_name, confirmed_at = clock_timestamp(), confirmed_by = session_user
	WHERE k.connection_id = c.connection_id;
	PERFORM qbsync.set_state(c.connection_id, 'loading');
	PERFORM qbsync.wake();
	RETURN 'loading';
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_confirm_company(text, text) IS 'Confirm that a connection''s company is the intended one by giving its name; only then are its records read. Returns the new state. SECURITY DEFINER: writes qbsync.connection';
