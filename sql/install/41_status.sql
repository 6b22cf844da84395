/*
 * Views for the person who runs it: what is wrong and what to do, how far a load is, which records failed.
 */

/* What can be wrong around a connection, beside what the gateway meets (15_shipped.sql). */
INSERT INTO qbsync.problem (code, needs_person, meaning, remedy) VALUES
	('not_preloaded', true, 'The library is not loaded at server start, so no worker can run.', 'Add qbsync to shared_preload_libraries and restart the server.'),
	('no_slot', true, 'The server has no free slot for a background worker.', 'Raise max_worker_processes and restart the server; qbsync tries again by itself.'),
	('versions_apart', true, 'The library and the extension in this database have different versions.', 'ALTER EXTENSION qbsync UPDATE; and restart the server if its library is the older one.'),
	('backing_off', false, 'The gateway worker ended with an error and starts again in a while.', 'See the server log. It starts again by itself.'),
	('yielded', false, 'The gateway worker made way for DROP, RENAME or copying of this database.', 'Nothing; it comes back when that has ended.'),
	('absent', true, 'No gateway worker is meant to run in this database.', 'Add the database to qbsync.databases, or empty that setting, and reload the server''s configuration.'),
	('standby', false, 'This server is a standby; the primary server does the work.', 'Nothing; qbsync starts here after a promotion.'),
	('server_paused', true, 'The setting qbsync.paused keeps this server from talking to Intuit.', 'If this server is not a copy of another: ALTER SYSTEM RESET qbsync.paused (or change postgresql.conf), then SELECT pg_reload_conf().'),
	('authorizing', true, 'Nobody has signed in to the company yet.', ''),
	('unconfirmed', true, 'A person must confirm that this is the right company; until then nothing but its name is read.', ''),
	('refresh_expiring', true, 'The grant has not been used for a long time and will soon end for that reason.', 'Resume the connection, or sign in again: SELECT qbsync_authorize_url(connection => …), then qbsync_connect.'),
	('grant_expiring', true, 'The grant ends soon, whatever happens: Intuit wants a new sign-in every five years.', 'Sign in again before: SELECT qbsync_authorize_url(connection => …), then qbsync_connect. Nothing is lost.');

INSERT INTO qbsync.label (kind, value, language, label) VALUES
	('sentence', 'company_name', 'en', 'QuickBooks says the company is "%s".'),
	('sentence', 'company_name', 'fr', 'Selon QuickBooks, l''entreprise est « %s ».'),
	('sentence', 'grant_ends', 'en', 'It ends at %s.'),
	('sentence', 'grant_ends', 'fr', 'Elle prend fin le %s.');

/*
 * One problem a connection: the first of the list below that holds.  What no worker can get around comes first, then
 * what waits for a person, then what passes by itself, last what will be a problem some day.
 */
CREATE VIEW qbsync.status AS
SELECT c.name AS connection, c.connection_id, c.company_name, c.state,
	coalesce(w.problem = 'standby', true) AS ok,
	w.problem, coalesce(t.meaning, p.meaning) AS problem_text,
	CASE
		WHEN w.problem = c.problem THEN c.problem_detail
		WHEN w.problem = 'key_file_missing' THEN s.key_status
		WHEN w.problem = 'unconfirmed' THEN format(qbsync.label('sentence', 'company_name', l.language), c.company_name)
		WHEN w.problem = 'refresh_expiring' THEN format(qbsync.label('sentence', 'grant_ends', l.language), c.refresh_expires_at)
		WHEN w.problem = 'grant_expiring' THEN format(qbsync.label('sentence', 'grant_ends', l.language), c.grant_expires_at)
	END AS detail,
	CASE
		WHEN w.problem IN ('authorizing', 'unconfirmed', 'clone') THEN qbsync.way_out(c.name, c.state, c.company_name, l.language)
		WHEN w.problem IS NOT NULL THEN replace(coalesce(t.remedy, p.remedy), 'connection => …', format('connection => %L', c.name))
		WHEN c.state = 'paused' THEN qbsync.way_out(c.name, c.state, c.company_name, l.language)
	END AS what_to_do,
	CASE WHEN w.problem = c.problem THEN c.problem_since ELSE c.state_since END AS since,
	c.attempts, c.next_attempt_at,
	u.checked_at AS last_synced_at,
	CASE WHEN c.state IN ('loading', 'live') THEN now() - u.checked_at END AS lag,
	CASE WHEN c.state IN ('loading', 'live') THEN qbsync.poll_interval(c.connection_id, e.pace) END AS poll_interval,
	u.proven_at AS proven_equal_at,
	CASE WHEN c.state IN ('loading', 'live') THEN greatest(u.checked_at + qbsync.poll_interval(c.connection_id, e.pace), qbsync.polls_held_until(c.connection_id)) END AS next_poll_at,
	qbsync.reads_this_month(c.connection_id) AS reads_this_month,
	greatest(u.webhook_at, h.noted_at) AS last_webhook_at,
	greatest(u.webhook_at, h.noted_at) > coalesce(u.missed_at, '-infinity') AS webhooks_alive,
	a.monthly_reads, a.environment, c.app, c.realm_id, c.authorized_by, c.refresh_expires_at, c.grant_expires_at,
	(SELECT count(*) FROM qbsync.error r WHERE r.connection_id = c.connection_id)
		+ (SELECT count(*) FROM qbsync.crm_error r WHERE r.connection_id = c.connection_id AND r.dismissed_at IS NULL)
		+ (SELECT count(*) FROM qbsync.send_error r WHERE r.connection_id = c.connection_id AND r.dismissed_at IS NULL)
		+ (SELECT count(*) FROM qbsync.unanswered r WHERE r.connection_id = c.connection_id) AS error_count,
	(SELECT count(*) FROM qbsync.crm_error r WHERE r.connection_id = c.connection_id AND r.dismissed_at IS NULL) AS crm_error_count,
	(SELECT count(*) FROM qbsync.drift r WHERE r.connection_id = c.connection_id AND r.repaired_at IS NULL) AS drift_count,
	(SELECT count(*) FROM qbsync.open_candidate r WHERE r.connection_id = c.connection_id) AS duplicate_count,
	(SELECT count(*) FROM qbsync.conflict r WHERE r.connection_id = c.connection_id) AS conflict_count,
	(SELECT count(*) FROM qbsync.mapping r WHERE r.connection_id = c.connection_id
		AND (r.problem IS NOT NULL OR EXISTS (SELECT FROM qbsync.lost_watches(r.mapping_id)))) AS broken_mapping_count
FROM qbsync.connection c
JOIN qbsync.app a ON a.name = c.app
JOIN (SELECT o.name, qbsync.poll_pace(o.name) AS pace FROM qbsync.app o OFFSET 0) e ON e.name = c.app
LEFT JOIN qbsync.cursor u ON u.connection_id = c.connection_id AND u.entity = '*'
LEFT JOIN LATERAL (SELECT max(w.noted_at) AS noted_at FROM qbsync.webhook_event w WHERE w.connection_id = c.connection_id) h ON true
CROSS JOIN (
	SELECT qbsync.worker_state() AS worker,
		-- without secrets there is nothing to open, and the file is made when the first one is stored
		CASE WHEN EXISTS (SELECT FROM qbsync.secret) THEN qbsync.key_status() END AS key_status,
		coalesce(current_setting('qbsync.paused', true), 'off')::boolean AS paused
	OFFSET 0						-- once, not for every use of a column
) s
LEFT JOIN qbsync.problem q ON q.code = c.problem
CROSS JOIN LATERAL (
	SELECT CASE
		WHEN c.state = 'disconnected' THEN NULL
		WHEN s.worker IN ('not_preloaded', 'no_slot', 'versions_apart', 'backing_off', 'yielded', 'absent') THEN s.worker
		WHEN c.state = 'clone' THEN 'clone'
		WHEN c.state = 'unconfirmed' AND c.company_name IS NOT NULL AND c.problem IS NULL THEN 'unconfirmed'
		WHEN c.state IN ('authorizing', 'reauthorize') AND c.problem IS NULL AND NOT EXISTS (
			SELECT FROM qbsync.job j
			WHERE j.connection_id = c.connection_id AND j.kind = 'connect' AND j.state IN ('queued', 'running'))
			THEN CASE c.state WHEN 'authorizing' THEN 'authorizing' ELSE 'token_missing' END
		WHEN s.key_status IS NOT NULL THEN 'key_file_missing'		-- also on a standby, before it is needed there
		WHEN s.worker = 'standby' THEN s.worker
		WHEN q.needs_person THEN c.problem
		WHEN s.paused AND c.state <> 'paused' THEN 'server_paused'
		WHEN c.problem IS NOT NULL THEN c.problem
		WHEN c.grant_expires_at < now() + interval '60 days' THEN 'grant_expiring'
		WHEN c.refresh_expires_at < now() + interval '21 days' THEN 'refresh_expiring'
	END AS problem
) w
CROSS JOIN LATERAL (SELECT qbsync.language('{}', c.settings) AS language OFFSET 0) l
LEFT JOIN qbsync.problem p ON p.code = w.problem
LEFT JOIN qbsync.problem_text t ON t.code = w.problem AND t.language = l.language;
COMMENT ON VIEW qbsync.status IS 'Every connection: is all well, and if not, what is wrong and what to do about it';
COMMENT ON COLUMN qbsync.status.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.status.company_name IS 'the company''s name in QuickBooks';
COMMENT ON COLUMN qbsync.status.state IS 'authorizing, unconfirmed, loading, live, paused, clone, reauthorize, disconnected';
COMMENT ON COLUMN qbsync.status.ok IS 'nothing is wrong and nothing will be soon; also for connections paused or disconnected by a person, and on a standby';
COMMENT ON COLUMN qbsync.status.problem IS 'code in qbsync.problem; null when ok';
COMMENT ON COLUMN qbsync.status.problem_text IS 'what the problem means, in the company''s language (policy language)';
COMMENT ON COLUMN qbsync.status.detail IS 'particulars of the problem';
COMMENT ON COLUMN qbsync.status.what_to_do IS 'the way out of a problem, or of a pause, in the company''s language';
COMMENT ON COLUMN qbsync.status.since IS 'when the problem was first met; otherwise since when it is in this state';
COMMENT ON COLUMN qbsync.status.attempts IS 'failed attempts in a row';
COMMENT ON COLUMN qbsync.status.next_attempt_at IS 'when qbsync tries again by itself';
COMMENT ON COLUMN qbsync.status.last_synced_at IS 'everything that changed in QuickBooks before is in the tables';
COMMENT ON COLUMN qbsync.status.lag IS 'time since last_synced_at';
COMMENT ON COLUMN qbsync.status.poll_interval IS 'time between two polls now in force';
COMMENT ON COLUMN qbsync.status.proven_equal_at IS 'start of the last reconciliation that found mirror and company equal in the end: counts of every entity, and sums';
COMMENT ON COLUMN qbsync.status.drift_count IS 'sums that do not add up although QuickBooks was asked again, see qbsync.drift_found';
COMMENT ON COLUMN qbsync.status.next_poll_at IS 'when it is polled next, unless somebody asks for it before: by poll_interval, and when the sync window opens';
COMMENT ON COLUMN qbsync.status.reads_this_month IS 'metered reads of this company this month (UTC)';
COMMENT ON COLUMN qbsync.status.last_webhook_at IS 'when the last webhook came that told of a record of this company; null: none ever';
COMMENT ON COLUMN qbsync.status.webhooks_alive IS 'false: polling has found changes since then of which no webhook told; null: there never was one';
COMMENT ON COLUMN qbsync.status.monthly_reads IS 'metered reads a month the app has for all its companies';
COMMENT ON COLUMN qbsync.status.authorized_by IS 'database role that connected it last';
COMMENT ON COLUMN qbsync.status.refresh_expires_at IS 'the grant ends then if it is not used';
COMMENT ON COLUMN qbsync.status.grant_expires_at IS 'the grant ends then whatever happens';
COMMENT ON COLUMN qbsync.status.error_count IS 'rows of qbsync.error_open for this connection';
COMMENT ON COLUMN qbsync.status.crm_error_count IS 'those of them that the CRM would not take, or that wait for another record';
COMMENT ON COLUMN qbsync.status.duplicate_count IS 'rows of qbsync.duplicate for this connection';
COMMENT ON COLUMN qbsync.status.conflict_count IS 'rows of qbsync.conflict_open for this connection';
COMMENT ON COLUMN qbsync.status.broken_mapping_count IS 'mappings that cannot go on, or do not hear of all changes, see qbsync.mapping_status';

CREATE VIEW qbsync.progress WITH (security_barrier) AS
SELECT n.connection, n.connection_id, n.entity, n.phase, n.done, n.total,
	CASE WHEN n.phase = 'loaded' THEN 100.0
		 WHEN n.total > 0 THEN least(round(100.0 * n.done / n.total, 1), 100.0) END AS percent,
	round(n.rate, 1) AS rate,
	CASE WHEN n.phase = 'loaded' THEN interval '0'
		 WHEN n.rate > 0 AND n.total >= n.done THEN make_interval(secs => round((n.total - n.done) / n.rate)::double precision) END AS time_left,
	n.started_at, n.finished_at
FROM (
	SELECT c.name AS connection, r.connection_id, r.entity, r.phase, r.position AS done, r.total, r.started_at, r.finished_at,
		r.position / nullif(greatest(extract(epoch FROM coalesce(r.finished_at, statement_timestamp()) - r.started_at), 0), 0) AS rate
	FROM qbsync.cursor r
	JOIN qbsync.connection c ON c.connection_id = r.connection_id
	WHERE r.entity <> '*' AND c.state <> 'disconnected' AND qbsync.may_see(r.entity)
) n;
COMMENT ON VIEW qbsync.progress IS 'How far the load of each entity is';
COMMENT ON COLUMN qbsync.progress.phase IS 'waiting, loading, verifying, loaded; absent: this company''s QuickBooks has no such thing';
COMMENT ON COLUMN qbsync.progress.done IS 'records read so far';
COMMENT ON COLUMN qbsync.progress.total IS 'records QuickBooks says there are; null until it was asked';
COMMENT ON COLUMN qbsync.progress.rate IS 'records per second since the load began';
COMMENT ON COLUMN qbsync.progress.time_left IS 'at that rate';
