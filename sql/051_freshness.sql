-- How often companies are polled and what that costs (EXT-16, EXT-17, X-17).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
SET timezone = 'UTC';
SET intervalstyle = postgres;
BEGIN;

-- the pace: live companies, monthly reads, used, days of the month and left of it
SELECT live, monthly, used, days_left, qbsync.shared_pace(live, monthly, used, 31 * 86400, days_left * 86400)
FROM (VALUES (1, 500000, 0, 31.0), (8, 500000, 0, 31), (9, 500000, 0, 31), (10, 500000, 0, 31), (100, 500000, 0, 31), (1, 55800, 0, 31), (1, 55799, 0, 31),
	(3, 1000, 0, 31), (1, 1, 0, 31), (0, 500000, 0, 31),
	-- a load used much of it: slower for the rest; little of it: never faster than a minute
	(10, 500000, 300000, 10), (10, 500000, 100000, 10), (10, 500000, 399999, 10), (10, 500000, 400000, 10), (10, 500000, 999999, 10), (10, 500000, 600000, 0.01)
) AS t(live, monthly, used, days_left);

-- windows: what can be said
SELECT w, (qbsync.parse_window(w)).*
FROM unnest('{07:00-19:00,mon-fri 7:00-19:00,"SAT,sun 22:00 - 02:00","fri-mon 00:00-24:00","mon,wed-thu,sun 09:00-17:00",
	"",7-19,25:00-26:00,mon- 07:00-19:00,foo 07:00-19:00,mon-tue-wed 07:00-19:00,07:60-19:00,07:00-19:00 mon,"mon,,tue 07:00-19:00"}'::text[]) w;
-- when they open: inside, before, after, over midnight, a day that is not one, the night the clock goes forward
SELECT w, at, qbsync.window_opens(w, zone, at)
FROM (VALUES
	('07:00-19:00', 'UTC', '2026-11-20 12:00+00'::timestamptz), ('07:00-19:00', 'UTC', '2026-11-20 06:59:59+00'), ('07:00-19:00', 'UTC', '2026-11-20 19:00+00'),
	('mon-fri 07:00-19:00', 'UTC', '2026-11-20 19:00+00'), ('22:00-02:00', 'UTC', '2026-11-20 01:59+00'), ('22:00-02:00', 'UTC', '2026-11-20 02:00+00'),
	('fri 22:00-02:00', 'UTC', '2026-11-21 01:00+00'), ('fri 22:00-02:00', 'UTC', '2026-11-20 01:00+00'), ('mon 07:00-07:00', 'UTC', '2026-11-24 06:00+00'),
	('07:00-19:00', 'America/Toronto', '2026-11-20 11:00+00'), ('07:00-19:00', 'Nowhere/Known', '2026-11-20 06:00+00'), ('07:00-19:00', NULL, '2026-11-20 06:00+00'),
	('02:30-04:00', 'America/Toronto', '2026-03-08 06:00+00'), ('00:00-24:00', 'UTC', '2026-11-20 00:00+00'), (NULL, 'UTC', '2026-11-20 00:00+00')
) AS t(w, zone, at);

-- settings
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb', monthly_reads => 1000000);
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, state_since) VALUES
	(-1, 'acme', 'my-app', '1', 'live', now() - interval '1 hour'), (-2, 'east', 'my-app', '2', 'live', now()), (-3, 'gone', 'my-app', '3', 'disconnected', now());
SELECT qbsync_set('acme', 'sync_window', 'always');
SELECT qbsync_set('acme', 'sync_window', 'mon-sun 00:00-24:00');
SELECT settings, qbsync.polls_held_until(connection_id) - now() AS held FROM qbsync.connection WHERE name = 'acme';
SELECT qbsync_set('acme', 'sync_window', NULL);
SELECT settings, qbsync.polls_held_until(connection_id) FROM qbsync.connection WHERE name = 'acme';
-- X-17: nothing has come since it was loaded an hour ago
SELECT connection, poll_interval FROM qbsync.status WHERE state = 'live' ORDER BY 1;
INSERT INTO qbsync.cursor (connection_id, entity, phase, changed_at, reads, reads_day) VALUES
	(-1, '*', 'loaded', now() - interval '2 hours', 50, (now() AT TIME ZONE 'UTC')::date), (-2, '*', 'loaded', now() - interval '1 year', 70, '2026-01-31'), (-3, '*', 'loaded', NULL, 5, '2026-01-31');
SELECT connection, poll_interval FROM qbsync.status WHERE state = 'live' ORDER BY 1;

-- webhooks that live: polls only make sure; not when one was missed since, or none came for a day
UPDATE qbsync.cursor SET changed_at = now();
UPDATE qbsync.cursor SET webhook_at = now() - interval '1 hour' WHERE connection_id = -1;
SELECT connection, poll_interval FROM qbsync.status WHERE state = 'live' ORDER BY 1;
UPDATE qbsync.cursor SET missed_at = now() - interval '1 minute' WHERE connection_id = -1;
SELECT connection, poll_interval FROM qbsync.status WHERE state = 'live' ORDER BY 1;
UPDATE qbsync.cursor SET webhook_at = now() - interval '25 hours', missed_at = NULL WHERE connection_id = -1;
SELECT connection, poll_interval FROM qbsync.status WHERE state = 'live' ORDER BY 1;
-- EXT-17: by company, app and month; the forecast takes a middling day, the load of five days ago is none
INSERT INTO qbsync.metered_read (connection_id, day, reads)
SELECT -1, (now() AT TIME ZONE 'UTC')::date - n, CASE n WHEN 5 THEN 90000 ELSE 1000 END FROM generate_series(1, 9) n;
INSERT INTO qbsync.metered_read VALUES (-1, '2026-01-15', 400), (-2, '2026-01-15', 30), (-3, '2026-01-15', 1);
SELECT app, connection, month, reads, forecast, monthly_reads, used_percent, runs_out_on FROM qbsync.api_usage WHERE month = '2026-01-01' ORDER BY connection NULLS LAST;
SELECT connection, (forecast - reads) / 1000.0 - extract(epoch FROM date_trunc('month', now()) + interval '1 month' - now()) / 86400 BETWEEN -0.01 AND 0.01 AS a_thousand_a_day
FROM qbsync.api_usage WHERE month = date_trunc('month', now()) ORDER BY connection NULLS LAST;
SAVEPOINT s;
UPDATE qbsync.app SET monthly_reads = (SELECT reads FROM qbsync.api_usage WHERE month = date_trunc('month', now()) AND connection IS NULL);
SELECT connection, forecast > monthly_reads AS too_many, used_percent, runs_out_on = (now() AT TIME ZONE 'UTC')::date AS today FROM qbsync.api_usage WHERE month = date_trunc('month', now()) ORDER BY connection NULLS LAST;
ROLLBACK TO s;
ROLLBACK;
