-- status, progress, error_open: what is wrong and what to do (EXT-15, EXT-33, KAR-6).  The server has qbsync.paused = on.
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, company_name, problem, problem_detail, problem_since, refresh_expires_at, grant_expires_at, attempts)
VALUES
	(-1, '01 waits for consent', 'my-app', '1', 'authorizing', NULL, NULL, NULL, NULL, NULL, NULL, 0),
	(-2, '02 is being connected', 'my-app', '2', 'authorizing', NULL, NULL, NULL, NULL, NULL, NULL, 0),
	(-3, '03 is this yours?', 'my-app', '3', 'unconfirmed', 'L''Érable', NULL, NULL, NULL, NULL, NULL, 0),
	(-4, '04 live', 'my-app', '4', 'live', 'D', NULL, NULL, NULL, now() + '90 days', now() + '4 years', 0),
	(-5, '05 revoked', 'my-app', '5', 'reauthorize', 'E', 'grant_revoked', 'invalid_grant', '2026-01-05 12:00+00', NULL, NULL, 1),
	(-6, '06 restored', 'my-app', '6', 'clone', 'F', 'clone', NULL, '2026-01-05 12:00+00', NULL, NULL, 0),
	(-7, '07 token lost', 'my-app', '7', 'reauthorize', 'G', NULL, NULL, NULL, NULL, NULL, 0),
	(-8, '08 paused', 'my-app', '8', 'paused', 'H', NULL, NULL, NULL, now() + '30 days', now() + '61 days', 0),
	(-9, '09 long unused', 'my-app', '9', 'paused', 'I', NULL, NULL, NULL, now() + '20 days', now() + '61 days', 0),
	(-10, '10 five years', 'my-app', '10', 'paused', 'J', NULL, NULL, NULL, now() + '20 days', now() + '59 days', 0),
	(-11, '11 gone', 'my-app', '11', 'disconnected', 'K', NULL, NULL, NULL, now() - '1 day'::interval, NULL, 0),
	(-12, '12 throttled', 'my-app', '12', 'live', 'L', 'throttled', NULL, now(), NULL, NULL, 1),
	(-13, '13 wrong secret', 'my-app', '13', 'live', 'M', 'wrong_secret', 'invalid_client', '2026-01-05 12:00+00', NULL, NULL, 3);
INSERT INTO qbsync.job (connection_id, kind, arguments) VALUES (-2, 'connect', '{"via": "code"}');
SELECT connection, state, ok, problem, problem_text,
	regexp_replace(detail, '^It ends at .*', 'It ends at some time.') AS detail, what_to_do, attempts
FROM qbsync.status ORDER BY connection;
SELECT connection, since AT TIME ZONE 'UTC' AS since FROM qbsync.status WHERE connection_id IN (-5, -6) ORDER BY 1;
-- X-31: the same in the company's language; one that is not shipped: English
UPDATE qbsync.connection SET settings = settings || '{"language": "fr"}';
SELECT connection, problem_text, regexp_replace(detail, '^Elle prend fin le .*', 'Elle prend fin un jour.') AS detail, what_to_do FROM qbsync.status WHERE NOT ok OR state = 'paused' ORDER BY connection;
UPDATE qbsync.connection SET settings = settings || '{"language": "de"}';
SELECT connection, problem_text, what_to_do FROM qbsync.status WHERE connection_id IN (-3, -5) ORDER BY connection;
UPDATE qbsync.connection SET settings = settings - 'language';

-- how fresh, how much it costs
INSERT INTO qbsync.cursor (connection_id, entity, phase, checked_at, reads, reads_day)
VALUES (-4, '*', 'loaded', now() - interval '2 min', 1234, (now() AT TIME ZONE 'UTC')::date),
	   (-12, '*', 'loaded', now() - interval '3 min', 99, date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 day');
INSERT INTO qbsync.error (connection_id, entity, id, problem, detail, record) VALUES
	(-4, 'invoice', '8', 'bad_record', 'invalid JSON', '\x00'), (-4, 'customer', '9', 'altered_text', 'display_name', NULL),
	(-11, 'customer', '9', 'altered_text', 'display_name', NULL);
SELECT connection, company_name, lag, poll_interval, reads_this_month, monthly_reads, environment, app, realm_id, error_count
FROM qbsync.status WHERE connection_id IN (-4, -8, -12) ORDER BY 1;

-- records that failed; those of a disconnected company are not shown
SELECT connection, entity, id, problem, meaning, detail, what_to_do, age < interval '1 h' AS young, occurrences, has_record
FROM qbsync.error_open ORDER BY connection, entity;

-- progress of a load
INSERT INTO qbsync.cursor (connection_id, entity, phase, position, total, started_at, finished_at) VALUES
	(-4, 'customer', 'loaded', 20000, 20000, now() - interval '100 s', now() - interval '60 s'),
	(-4, 'invoice', 'loading', 5000, 20000, now() - interval '1 day', NULL),
	(-4, 'item', 'waiting', 0, NULL, NULL, NULL),
	(-4, 'payment', 'loaded', 0, 0, now(), now()),
	(-11, 'customer', 'loading', 1, 2, now(), NULL);
SELECT connection, entity, phase, done, total, percent, CASE WHEN phase = 'loaded' THEN rate END AS rate,
	CASE WHEN phase = 'loading' THEN time_left BETWEEN interval '71 hours' AND interval '73 hours' ELSE time_left = '0' END AS time_left
FROM qbsync.progress ORDER BY connection, entity;
ROLLBACK;
