/*
 * How often a company is polled, when, and what that costs.
 *
 * Reads are metered by Intuit per app and month; an app in the free tier that has used them up is cut off until the next
 * month (EXT-17).  They are counted per company and day (UTC): today's in qbsync.cursor, in the row a poll writes anyway,
 * those of earlier days in qbsync.metered_read.
 */

/* The days of this month, UTC, as Intuit counts them; what is left of it in seconds. */
CREATE FUNCTION qbsync.reads_this_month(connection_id integer)
RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT (coalesce((SELECT sum(u.reads) FROM qbsync.metered_read u
					  WHERE u.connection_id = reads_this_month.connection_id AND u.day >= date_trunc('month', now() AT TIME ZONE 'UTC')), 0)
		+ coalesce((SELECT u.reads FROM qbsync.cursor u
					WHERE u.connection_id = reads_this_month.connection_id AND u.entity = '*' AND u.reads_day >= date_trunc('month', now() AT TIME ZONE 'UTC')), 0))::bigint;
$fn$;
COMMENT ON FUNCTION qbsync.reads_this_month(integer) IS 'Metered reads of a company in this month (UTC). SECURITY DEFINER: qbsync.status calls it for readers';

/*
 * What polling may spend of an app's allowance is shared by its companies: the seconds left in the month × live companies ÷
 * what is left of 80 % of the reads, so that a month that began with large loads is polled less at its end.  Whatever was
 * used, a twentieth of the allowance, spread over the month, is there for polls.
 */
CREATE FUNCTION qbsync.shared_pace(live bigint, monthly numeric, used numeric, seconds numeric, seconds_left numeric)
RETURNS interval
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT make_interval(secs => greatest(60.0, ceil(greatest(shared_pace.live, 1) * shared_pace.seconds_left
		/ greatest(0.8 * shared_pace.monthly - shared_pace.used, 0.05 * shared_pace.monthly * shared_pace.seconds_left / shared_pace.seconds))));
$fn$;
COMMENT ON FUNCTION qbsync.shared_pace(bigint, numeric, numeric, numeric, numeric) IS 'Time between two polls of each of so many live companies, with an allowance of monthly reads of which so many are used, in a month of so many seconds of which some are left';

CREATE FUNCTION qbsync.poll_pace(app text)
RETURNS interval
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.shared_pace(n.live, a.monthly_reads, n.reads, m.seconds, m.seconds_left)
	FROM qbsync.app a
	CROSS JOIN LATERAL (SELECT date_trunc('month', t.utc)::date AS began,
							extract(epoch FROM date_trunc('month', t.utc) + interval '1 month' - t.utc) AS seconds_left,
							extract(epoch FROM date_trunc('month', t.utc) + interval '1 month' - date_trunc('month', t.utc)) AS seconds
						FROM (SELECT now() AT TIME ZONE 'UTC' AS utc) t) m
	-- as reads_this_month(), but for all companies at once: there may be hundreds
	CROSS JOIN LATERAL (SELECT
		(SELECT count(*) FROM qbsync.connection c WHERE c.app = a.name AND c.state IN ('loading', 'live')) AS live,
		coalesce((SELECT sum(u.reads) FROM qbsync.metered_read u JOIN qbsync.connection c ON c.connection_id = u.connection_id
				  WHERE c.app = a.name AND u.day >= m.began), 0)
		+ coalesce((SELECT sum(u.reads) FROM qbsync.cursor u JOIN qbsync.connection c ON c.connection_id = u.connection_id
					WHERE c.app = a.name AND u.entity = '*' AND u.reads_day >= m.began), 0) AS reads) n
	WHERE a.name = poll_pace.app;
$fn$;
COMMENT ON FUNCTION qbsync.poll_pace(text) IS 'Shortest time between two polls of a company that the monthly reads of its app allow; at least 60 s. SECURITY DEFINER: as poll_interval';

/*
 * A company in which something happened lately is polled as often as its app's reads allow, one where nothing happens less
 * and less often: after a tenth of the time nothing came, but at least every 15 minutes (X-17).  Where webhooks tell of changes
 * (one came within a day, and no poll has found since what none had told), polls only make sure, every 15 minutes.
 */
CREATE FUNCTION qbsync.poll_interval(connection_id integer, pace interval DEFAULT NULL)
RETURNS interval
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce((c.settings ->> 'poll_interval')::interval,
		greatest(coalesce(poll_interval.pace, qbsync.poll_pace(c.app)),
			CASE WHEN u.webhook_at > greatest(u.missed_at, now() - interval '1 day') THEN interval '15 minutes'
				ELSE least((now() - coalesce(u.changed_at, c.state_since)) / 10, interval '15 minutes') END))
	FROM qbsync.connection c
	LEFT JOIN qbsync.cursor u ON u.connection_id = c.connection_id AND u.entity = '*'
	WHERE c.connection_id = poll_interval.connection_id;
$fn$;
COMMENT ON FUNCTION qbsync.poll_interval(integer, interval) IS 'Time between two polls of a company: its setting, or the pace that its app''s monthly reads allow (poll_pace), longer while nothing changes there or webhooks tell of changes, up to 15 minutes. SECURITY DEFINER: qbsync.status calls it for readers, who may not read the tables';

/*
 * "mon-fri 07:00-19:00", "sat,sun 22:00-02:00" or "07:00-19:00": the days on which it opens, and from when to when; past midnight
 * when the second time is not later than the first.  Null when it cannot be read.
 */
CREATE FUNCTION qbsync.parse_window(sync_window text, OUT days integer[], OUT opens time, OUT closes time)
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	names constant text[] := '{mon,tue,wed,thu,fri,sat,sun}';
	part text[] := regexp_match(lower(btrim(sync_window)), '^(?:([a-z,-]+)\s+)?(\d\d?:\d\d)\s*-\s*(\d\d?:\d\d)$');
	word text;
	first_day integer;
	last_day integer;
BEGIN
	IF part IS NULL OR part[2]::interval > '24:00' OR part[3]::interval > '24:00' THEN
		RETURN;
	END IF;
	FOREACH word IN ARRAY string_to_array(coalesce(part[1], 'mon-sun'), ',') LOOP
		first_day := array_position(names, split_part(word, '-', 1));
		last_day := array_position(names, coalesce(nullif(split_part(word, '-', 2), ''), split_part(word, '-', 1)));
		IF first_day IS NULL OR last_day IS NULL OR word ~ '-.*-|-$' THEN
			parse_window.days := NULL;
			RETURN;
		END IF;
		FOR i IN 0 .. 6 LOOP
			IF i <= (last_day - first_day + 7) % 7 THEN
				parse_window.days := parse_window.days || ((first_day - 1 + i) % 7 + 1);
			END IF;
		END LOOP;
	END LOOP;
	parse_window.opens := part[2]::time;
	parse_window.closes := part[3]::time;
EXCEPTION
	WHEN invalid_datetime_format OR datetime_field_overflow OR interval_field_overflow THEN
		parse_window.days := NULL;
END
$fn$;
COMMENT ON FUNCTION qbsync.parse_window(text) IS 'Parts of a setting sync_window: days (1 Monday … 7 Sunday), opening and closing time; days is null when it cannot be read';

/* An unknown time zone counts as UTC, as everywhere (qbsync.today). */
CREATE FUNCTION qbsync.known_zone(zone text)
RETURNS text
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'qbsync_known_zone';
COMMENT ON FUNCTION qbsync.known_zone(text) IS 'A time zone, or GMT when it is null or PostgreSQL does not know it';

CREATE FUNCTION qbsync.window_opens(sync_window text, zone text, at timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	w record;
	known text := qbsync.known_zone(window_opens.zone);
	local_day date := (window_opens.at AT TIME ZONE known)::date;
	opening timestamptz;
	closing timestamptz;
BEGIN
	SELECT * INTO w FROM qbsync.parse_window(window_opens.sync_window);
	IF w.days IS NULL THEN
		RETURN window_opens.at;
	END IF;
	FOR i IN -1 .. 8 LOOP			-- yesterday's may still be open
		CONTINUE WHEN extract(isodow FROM local_day + i)::integer <> ALL (w.days);
		opening := (local_day + i + w.opens) AT TIME ZONE known;
		closing := (local_day + i + CASE WHEN w.closes <= w.opens THEN 1 ELSE 0 END + w.closes) AT TIME ZONE known;
		IF window_opens.at < closing THEN
			RETURN greatest(window_opens.at, opening);
		END IF;
	END LOOP;
	RETURN window_opens.at;
END
$fn$;
COMMENT ON FUNCTION qbsync.window_opens(text, text, timestamptz) IS 'The first moment from at on that lies in a sync window, in the time zone of the company; at itself without a window';

CREATE FUNCTION qbsync.polls_held_until(connection_id integer)
RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.window_opens(c.settings ->> 'sync_window', i.default_time_zone, now())
	FROM qbsync.connection c
	LEFT JOIN qbsync.company_info i ON i.connection_id = c.connection_id AND i.id = '1'
	WHERE c.connection_id = polls_held_until.connection_id AND c.settings ? 'sync_window';
$fn$;
COMMENT ON FUNCTION qbsync.polls_held_until(integer) IS 'When the company''s sync window opens, now when it is open; null without one. Polls that nobody asked for wait for it. SECURITY DEFINER: qbsync.status calls it for readers';

/*
 * Companies of one database do not all begin at once, unless somebody said when.  Each poll asks, so the body is parsed now and
 * becomes part of the statement that asks.
 */
CREATE FUNCTION qbsync.reconcile_due(connection_id integer)
RETURNS SETOF boolean
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
	SELECT coalesce(d.last < d.today + d.at - CASE WHEN d.today + d.at > d.local THEN interval '1 day' ELSE interval '0' END, false)
	FROM (SELECT z.local, z.local::date AS today, coalesce(u.reconcile_began_at, u.reconciled_at, u.finished_at) AT TIME ZONE z.zone AS last,
			nullif(coalesce(c.settings ->> 'reconcile_at', '03:' || lpad((c.connection_id * 7 % 60)::text, 2, '0')), 'off')::time AS at
		FROM qbsync.connection c
		JOIN qbsync.cursor u ON u.connection_id = c.connection_id AND u.entity = '*'
		LEFT JOIN qbsync.company_info i ON i.connection_id = c.connection_id AND i.id = '1'
		CROSS JOIN LATERAL (SELECT k.zone, now() AT TIME ZONE k.zone AS local FROM qbsync.known_zone(i.default_time_zone) AS k(zone)) z
		WHERE c.connection_id = reconcile_due.connection_id AND c.state = 'live') d;
END;
COMMENT ON FUNCTION qbsync.reconcile_due(integer) IS 'Is it time for the reconciliation of the night? At reconcile_at in the company''s time zone, or with the first poll after it; no row where nothing is polled';
REVOKE ALL ON FUNCTION qbsync.reconcile_due(integer) FROM PUBLIC;

/*
 * The forecast takes the middle one of the last seven days, so that a first load or a repair is not taken for the rule; on a
 * company's first days, what polling alone will need.
 */
CREATE VIEW qbsync.api_usage AS
WITH clock AS (
	SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month,
		(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month')::date AS next_month,
		(now() AT TIME ZONE 'UTC')::date AS today,
		extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month' - now() AT TIME ZONE 'UTC') / 86400 AS days_left
), days AS (
	SELECT u.connection_id, u.day, u.reads FROM qbsync.metered_read u
	UNION ALL
	SELECT u.connection_id, u.reads_day, u.reads FROM qbsync.cursor u WHERE u.entity = '*' AND u.reads_day IS NOT NULL
), pace AS (
	SELECT a.name, qbsync.poll_pace(a.name) AS pace FROM qbsync.app a OFFSET 0
), rate AS (
	SELECT c.connection_id,
		CASE WHEN c.state NOT IN ('loading', 'live') THEN 0 ELSE coalesce(
			(SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY coalesce(d.reads, 0))
			 FROM generate_series(greatest(k.today - 7, (SELECT min(u.day) + 1 FROM days u WHERE u.connection_id = c.connection_id)), k.today - 1, interval '1 day') g(day)
			 LEFT JOIN days d ON d.connection_id = c.connection_id AND d.day = g.day::date),
			86400 / extract(epoch FROM qbsync.poll_interval(c.connection_id, p.pace))) END AS per_day
	FROM qbsync.connection c
	JOIN pace p ON p.name = c.app
	CROSS JOIN clock k
), months AS (
	SELECT d.connection_id, date_trunc('month', d.day)::date AS month, sum(d.reads) AS reads FROM days d GROUP BY 1, 2
)
SELECT c.app, c.name AS connection, m.month, sum(m.reads)::bigint AS reads,
	CASE WHEN m.month = k.month THEN (sum(m.reads) + round((sum(r.per_day) * k.days_left)::numeric))::bigint END AS forecast,
	a.monthly_reads,
	round(100.0 * sum(m.reads) / a.monthly_reads, 1) AS used_percent,
	CASE WHEN m.month = k.month AND c.name IS NULL AND sum(r.per_day) > 0
			AND (a.monthly_reads - sum(m.reads)) / sum(r.per_day) < k.days_left
		THEN k.today + greatest(floor((a.monthly_reads - sum(m.reads)) / sum(r.per_day)), 0)::integer END AS runs_out_on
FROM months m
JOIN qbsync.connection c ON c.connection_id = m.connection_id
JOIN qbsync.app a ON a.name = c.app
JOIN rate r ON r.connection_id = m.connection_id
CROSS JOIN clock k
GROUP BY GROUPING SETS ((c.app, a.monthly_reads, m.month, k.month, k.today, k.days_left, c.name), (c.app, a.monthly_reads, m.month, k.month, k.today, k.days_left));
COMMENT ON VIEW qbsync.api_usage IS 'Metered reads by month (UTC), of each company and, with connection null, of the whole app, as far as this database made them: what Intuit counts of other programs of the app is not known here';
COMMENT ON COLUMN qbsync.api_usage.connection IS 'name of the connection; null: all companies of the app';
COMMENT ON COLUMN qbsync.api_usage.month IS 'first day of the month, UTC';
COMMENT ON COLUMN qbsync.api_usage.reads IS 'metered reads of the month so far';
COMMENT ON COLUMN qbsync.api_usage.forecast IS 'reads when the current month will have ended, at the pace of a middling day of the last seven; null for other months';
COMMENT ON COLUMN qbsync.api_usage.monthly_reads IS 'reads the app has a month (qbsync_app)';
COMMENT ON COLUMN qbsync.api_usage.used_percent IS 'part of monthly_reads used';
COMMENT ON COLUMN qbsync.api_usage.runs_out_on IS 'of an app: the day on which its reads run out at this pace; null when they last';
