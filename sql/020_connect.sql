-- App, sign-in, connection, confirmation (ORD-3, ORD-4, ORD-6, ORD-7, CEN-4, CEN-8, KAR-5, KAR-6, X-27).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;

-- apps: validation
SELECT qbsync_app();
SELECT qbsync_app(' x');
SELECT qbsync_app('my-app');
SELECT qbsync_app('my-app', environment => 'sandpit', client_id => 'id', redirect_uri => 'https://crm.example/cb');
SELECT qbsync_app('my-app', client_id => 'an id', redirect_uri => 'https://crm.example/cb');
SELECT qbsync_app('my-app', client_id => 'id');
SELECT qbsync_app('my-app', client_id => 'id', redirect_uri => 'http://crm.example/cb');
SELECT qbsync_app('my-app', client_id => 'id', redirect_uri => 'https://crm.example/cb?x=1');
SELECT qbsync_app('my-app', client_id => 'id', redirect_uri => 'https://crm.example/cb', monthly_reads => 0);
SELECT qbsync_app('my-app', client_id => 'id', redirect_uri => 'https://crm.example/cb', scopes => 'openid');
SELECT qbsync_app('my-app', client_id => 'id', redirect_uri => 'https://crm.example/cb', client_secret => '');
SELECT qbsync_authorize_url('acme');
-- apps: made, changed, the rest kept
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id+1', redirect_uri => 'https://crm.example/cb');
SELECT qbsync_app('my-app', monthly_reads => 1000000);
SELECT name, environment, client_id, redirect_uri, scopes, monthly_reads FROM qbsync.app;

-- ORD-3, KAR-5: the link for the browser
SELECT qbsync_authorize_url();
SELECT qbsync_authorize_url(E'ac\nme');
SELECT qbsync_authorize_url('acme', app => 'your-app');
SELECT qbsync_authorize_url('acme') AS url \gset
SELECT substring(:'url' FROM 'state=([0-9a-f]{64})$') AS state \gset
SELECT replace(:'url', :'state', '<state>');
SELECT state, realm_id, company_name FROM qbsync.connection WHERE name = 'acme';
-- only a hash is kept, bound to role and app, for 15 minutes
SELECT state_hash <> :'state' AS hashed, length(state_hash), app, role_name = session_user AS mine,
	expires_at - clock_timestamp() BETWEEN interval '14 min' AND interval '15 min' AS quarter_of_an_hour
FROM qbsync."authorization";

-- what comes back is checked
SELECT qbsync_connect();
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb');
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB11&state=forged&realmId=9130000000000001');
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB11&realmId=9130000000000001&state=' || :'state', realm_id => '1');
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=%ff%fe&realmId=1&state=' || :'state');
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?error=access_denied&state=' || :'state');
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?error=%27%3b--&state=' || :'state');
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?realmId=9130000000000001&state=' || :'state');
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB11&code=AB12&realmId=9130000000000001&state=' || :'state');
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB11&state=' || :'state');
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB11&realmId=12;34&state=' || :'state');
SELECT qbsync_connect('other', redirect_url => 'https://crm.example/cb?code=AB11&realmId=9130000000000001&state=' || :'state');
SELECT qbsync_connect(app => 'other', redirect_url => 'https://crm.example/cb?code=AB11&realmId=9130000000000001&state=' || :'state');
-- too old
SAVEPOINT s;
UPDATE qbsync."authorization" SET expires_at = now() - interval '1 s';
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB11&realmId=9130000000000001&state=' || :'state');
-- another role's
UPDATE qbsync."authorization" SET expires_at = now() + interval '1 h', role_name = 'somebody';
-- (the detail names the session's role)
\set VERBOSITY terse
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB11&realmId=9130000000000001&state=' || :'state');
\set VERBOSITY default
ROLLBACK TO s;
-- taken: the code is kept encrypted, the connection says who authorized (KAR-6)
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB%2B11&realmId=9130000000000001&state=' || :'state' || '#x') IS NOT NULL AS job;
SELECT c.state, c.realm_id, c.authorized_by = session_user AS by_me, j.kind, j.state AS job, j.arguments, s.kind AS secret,
	position('AB+11'::bytea IN s.ciphertext) AS in_clear
FROM qbsync.connection c JOIN qbsync.job j USING (connection_id)
JOIN qbsync.secret s ON s.owner_kind = 'connection' AND s.owner = c.connection_id::text
WHERE c.name = 'acme';
-- one use
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB11&realmId=9130000000000001&state=' || :'state');

-- a second try before the first was looked at supersedes it; a wrong company may still be corrected, nothing was read
SELECT qbsync_authorize_url() AS url \gset
SELECT substring(:'url' FROM 'state=([0-9a-f]{64})$') AS state \gset
SELECT qbsync_connect(redirect_url => '?code=AB12&realmId=9130000000000002&state=' || :'state') IS NOT NULL AS job;
SELECT c.realm_id, j.state, j.arguments FROM qbsync.connection c JOIN qbsync.job j USING (connection_id) ORDER BY j.job_id;

-- CEN-8: nothing moves before a person confirmed the company's name
SELECT qbsync_confirm_company('acme', 'Paysages Laval inc.');
UPDATE qbsync.connection SET state = 'unconfirmed', company_name = 'Paysages Laval inc.' WHERE name = 'acme';
SELECT qbsync_sync_now('acme');
SELECT qbsync_confirm_company('acme', 'paysages laval inc.');
SELECT qbsync_confirm_company('acme');
SELECT qbsync_confirm_company('acme', ' Paysages Laval inc. ');
SELECT state, confirmed_name, confirmed_by = session_user AS by_me FROM qbsync.connection;
SELECT qbsync_confirm_company(name => 'Paysages Laval inc.');

-- ORD-7: reconnecting keeps everything, another company is refused
UPDATE qbsync.connection SET state = 'live', settings = '{"keep_visible": true}';
SELECT qbsync_authorize_url('acme') AS url \gset
SELECT substring(:'url' FROM 'state=([0-9a-f]{64})$') AS state \gset
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB13&realmId=9130000000000003&state=' || :'state');
SELECT qbsync_connect(redirect_url => 'https://crm.example/cb?code=AB13&realmId=9130000000000002&state=' || :'state') IS NOT NULL AS job;
SELECT state, realm_id, company_name, confirmed_name, settings FROM qbsync.connection;

-- X-27: many companies, each once
SELECT qbsync_connect('beta', realm_id => '9130000000000002');
SELECT qbsync_connect('beta', realm_id => '9130000000000004') IS NOT NULL AS job;
SELECT qbsync_connect(realm_id => '9130000000000004');
SELECT qbsync_connect('beta') IS NOT NULL AS job;
SELECT qbsync_connect('gamma');
SELECT qbsync_connect('gamma', realm_id => 'abc');
SELECT qbsync_connect('gamma', realm_id => '9130000000000005', refresh_token => 'RT1 with blank');
-- a token in the statement's text is noticed
SELECT qbsync_connect('gamma', realm_id => '9130000000000005', refresh_token => 'RT1-not-so-secret') IS NOT NULL AS job;
SELECT c.name, j.arguments, s.kind, s.origin_hash = encode(sha256('RT1-not-so-secret'), 'hex') AS hash
FROM qbsync.connection c JOIN qbsync.job j USING (connection_id)
LEFT JOIN qbsync.secret s ON s.owner_kind = 'connection' AND s.owner = c.connection_id::text
WHERE c.name IN ('beta', 'gamma') AND j.state = 'queued' ORDER BY 1;

-- two apps: the app must be named for a new connection
SELECT qbsync_app('second', client_id => 'id2', redirect_uri => 'http://127.0.0.1:8080/cb');
SELECT qbsync_authorize_url('delta');
SELECT qbsync_authorize_url('delta', app => 'second') LIKE 'https://appcenter.intuit.com/connect/oauth2?client_id=id2&response_type=code&%' AS url;

ROLLBACK;
