/*
 * Merges that nobody told of (§4.4 of Intuit's rules, CEN-44, EXT-13): put together from what records show.
 *
 * A customer (or vendor) A was merged into B when A is inactive or gone and the transactions it had are B's now, all of them.  Gone and
 * not only inactive makes it certain: QuickBooks has no other way to delete a customer.  What pages show of it arrives here from
 * src/inbound/mirror_moved.c; what they may not show, because QuickBooks touched neither A nor its transactions, is asked for: A
 * itself once one of its transactions is another's, one of its transactions once A is inactive, all of them once A is gone.
 */
CREATE TABLE qbsync.moved (
	connection_id	integer NOT NULL,
	entity			text NOT NULL,
	id				text COLLATE "C" NOT NULL,
	referrer		text NOT NULL,
	referrer_id		text COLLATE "C" NOT NULL,
	moved_to		text COLLATE "C" NOT NULL,
	moved_at		timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (connection_id, entity, id, referrer, referrer_id)
);
COMMENT ON TABLE qbsync.moved IS 'Transactions that have become another customer''s or vendor''s, for 30 days';
COMMENT ON COLUMN qbsync.moved.entity IS 'customer or vendor';
COMMENT ON COLUMN qbsync.moved.id IS 'whose the transaction was';
COMMENT ON COLUMN qbsync.moved.referrer IS 'entity of the transaction';
COMMENT ON COLUMN qbsync.moved.moved_to IS 'whose it has become';

CREATE TABLE qbsync.suspect (
	connection_id	integer NOT NULL,
	entity			text NOT NULL,
	id				text COLLATE "C" NOT NULL,
	noted_at		timestamptz NOT NULL DEFAULT clock_timestamp(),
	asked_at		timestamptz,
	probed_at		timestamptz,
	referrers_at	timestamptz,
	judged_at		timestamptz,
	PRIMARY KEY (connection_id, entity, id)
);
CREATE INDEX suspect_open_idx ON qbsync.suspect (connection_id) WHERE judged_at IS NULL;
COMMENT ON TABLE qbsync.suspect IS 'Customers and vendors that may have been merged into others, and what was asked for to find out';
COMMENT ON COLUMN qbsync.suspect.asked_at IS 'when the record itself was asked for';
COMMENT ON COLUMN qbsync.suspect.probed_at IS 'when one of its transactions was asked for';
COMMENT ON COLUMN qbsync.suspect.referrers_at IS 'when all of them were';
COMMENT ON COLUMN qbsync.suspect.judged_at IS 'null: to be judged, at first or anew';

CREATE FUNCTION qbsync.note_suspects(connection_id integer, entity text, ids text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	INSERT INTO qbsync.suspect (connection_id, entity, id)
	SELECT DISTINCT note_suspects.connection_id, note_suspects.entity, i.id
	FROM unnest(note_suspects.ids) AS i(id)
	WHERE NOT EXISTS (SELECT FROM qbsync.merged m
					  WHERE m.connection_id = note_suspects.connection_id AND m.entity = note_suspects.entity AND m.lost_id = i.id AND m.how <> 'likely')
	ON CONFLICT ON CONSTRAINT suspect_pkey DO UPDATE
	SET noted_at = excluded.noted_at, asked_at = NULL, probed_at = NULL, referrers_at = NULL, judged_at = NULL;
$fn$;
COMMENT ON FUNCTION qbsync.note_suspects(integer, text, text[]) IS 'These customers or vendors may have been merged into others: one of their transactions is another''s, or they became inactive or were deleted. What is known to be merged is left out';

CREATE FUNCTION qbsync.note_moved(connection_id integer, entity text, referrer text, referrer_ids text[], ids text[], moved_to text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	INSERT INTO qbsync.moved (connection_id, entity, id, referrer, referrer_id, moved_to)
	SELECT DISTINCT ON (i.id, i.referrer_id) note_moved.connection_id, note_moved.entity, i.id, note_moved.referrer, i.referrer_id, i.moved_to
	FROM unnest(note_moved.referrer_ids, note_moved.ids, note_moved.moved_to) AS i(referrer_id, id, moved_to)
	ORDER BY i.id, i.referrer_id
	ON CONFLICT ON CONSTRAINT moved_pkey DO UPDATE SET moved_to = excluded.moved_to, moved_at = excluded.moved_at;
	SELECT qbsync.note_suspects(note_moved.connection_id, note_moved.entity, note_moved.ids);
$fn$;
COMMENT ON FUNCTION qbsync.note_moved(integer, text, text, text[], text[], text[]) IS 'Transactions that are another customer''s or vendor''s now: of which entity, their ids, whose they were, whose they are';

/* A customer's or vendor's living transactions, the newest first. */
CREATE FUNCTION qbsync.transactions_of(connection_id integer, entity text, id text)
RETURNS TABLE (referrer text, referrer_id text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	parts text;
BEGIN
	SELECT string_agg(format('SELECT %L::text AS referrer, m.id::text AS id, m.create_time FROM qbsync.%I m WHERE m.connection_id = $1 AND m.%I = $2 '
							 'AND m.deleted_at IS NULL AND m.id ~ %L', k.entity, k.entity, c."column", '^[0-9]+$'), ' UNION ALL ')
	INTO parts
	FROM qbsync.catalogue k
	JOIN qbsync.catalogue_column c ON c."table" = k.entity AND c.refers_to = transactions_of.entity
	WHERE k.transaction;
	IF parts IS NOT NULL THEN
		RETURN QUERY EXECUTE format('SELECT t.referrer, t.id FROM (%s) t ORDER BY t.create_time DESC NULLS LAST', parts)
			USING transactions_of.connection_id, transactions_of.id;
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.transactions_of(integer, text, text) IS 'Living transactions of a customer or vendor, the newest first: entity and id';

CREATE FUNCTION qbsync.party_state(connection_id integer, entity text, id text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	state text;
BEGIN
	EXECUTE format('SELECT CASE WHEN p.deleted_at IS NOT NULL THEN ''gone'' WHEN p.active IS FALSE THEN ''inactive'' ELSE ''active'' END '
				   'FROM qbsync.%I p WHERE p.connection_id = $1 AND p.id = $2', party_state.entity)
	INTO state USING party_state.connection_id, party_state.id;
	RETURN state;
END
$fn$;
COMMENT ON FUNCTION qbsync.party_state(integer, text, text) IS 'State of a customer or vendor in the mirror: active, inactive or gone; null when the mirror does not have it';

CREATE FUNCTION qbsync.presumed_survivor(s qbsync.suspect)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT b.id
	FROM (SELECT min(x.id) AS id, count(DISTINCT x.id) AS n
		  FROM (SELECT qbsync.surviving_id(m.connection_id, m.entity, m.moved_to) AS id
				FROM qbsync.moved m
				WHERE m.connection_id = s.connection_id AND m.entity = s.entity AND m.id = s.id) x) b
	WHERE b.n = 1 AND b.id <> s.id AND qbsync.party_state(s.connection_id, s.entity, b.id) = 'active';
$fn$;
COMMENT ON FUNCTION qbsync.presumed_survivor(qbsync.suspect) IS 'The one customer or vendor whose the suspect''s transactions have become; null when they are several''s, or there is none, or he is not active';

/* Marks on the row say what was asked for: nothing is asked for twice before the suspect is noted anew. */
CREATE FUNCTION qbsync.ask_about(s qbsync.suspect)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	moved boolean := EXISTS (SELECT FROM qbsync.moved m WHERE m.connection_id = s.connection_id AND m.entity = s.entity AND m.id = s.id);
	state text := qbsync.party_state(s.connection_id, s.entity, s.id);
	step text := CASE WHEN state = 'active' THEN 'asked_at' WHEN moved OR state = 'gone' THEN 'referrers_at' ELSE 'probed_at' END;
BEGIN
	IF (to_jsonb(s) ->> step) IS NOT NULL THEN
		RETURN false;
	END IF;
	UPDATE qbsync.suspect o
	SET asked_at = CASE step WHEN 'asked_at' THEN clock_timestamp() ELSE o.asked_at END,
		probed_at = CASE step WHEN 'probed_at' THEN clock_timestamp() ELSE o.probed_at END,
		referrers_at = CASE step WHEN 'referrers_at' THEN clock_timestamp() ELSE o.referrers_at END
	WHERE o.connection_id = s.connection_id AND o.entity = s.entity AND o.id = s.id;
	INSERT INTO qbsync.lookup (connection_id, entity, id)
	SELECT s.connection_id, s.entity, s.id WHERE step = 'asked_at' AND s.id ~ '^[0-9]+$'
	UNION ALL
	(SELECT s.connection_id, t.referrer, t.referrer_id
	 FROM qbsync.transactions_of(s.connection_id, s.entity, s.id) t
	 WHERE step <> 'asked_at' LIMIT CASE step WHEN 'probed_at' THEN 1 END)
	ON CONFLICT DO NOTHING;
	RETURN FOUND;
END
$fn$;
COMMENT ON FUNCTION qbsync.ask_about(qbsync.suspect) IS 'Have the look-ups read what is needed next to judge a suspect; false when that is nothing';

CREATE FUNCTION qbsync.judge_suspects(connection_id integer, OUT look_up boolean, OUT more boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	at_once CONSTANT integer := 50;
	n integer := 0;
	s qbsync.suspect;
	kept text;
	state text;
BEGIN
	look_up := false;
	more := false;
	-- what was asked for is not here yet
	IF EXISTS (SELECT FROM qbsync.lookup l WHERE l.connection_id = judge_suspects.connection_id) THEN
		RETURN;
	END IF;
	FOR s IN
		SELECT * FROM qbsync.suspect o
		WHERE o.connection_id = judge_suspects.connection_id AND o.judged_at IS NULL
		ORDER BY o.noted_at, o.id LIMIT at_once
	LOOP
		n := n + 1;
		IF qbsync.ask_about(s) THEN
			look_up := true;
			CONTINUE;
		END IF;
		state := qbsync.party_state(s.connection_id, s.entity, s.id);
		kept := qbsync.presumed_survivor(s);
		IF state IN ('inactive', 'gone') AND kept IS NOT NULL
			AND NOT EXISTS (SELECT FROM qbsync.transactions_of(s.connection_id, s.entity, s.id)) THEN
			look_up := qbsync.found_merge(s.connection_id, s.entity, s.id, kept, CASE state WHEN 'gone' THEN 'inferred' ELSE 'likely' END) OR look_up;
		END IF;
		UPDATE qbsync.suspect o SET judged_at = clock_timestamp()
		WHERE o.connection_id = s.connection_id AND o.entity = s.entity AND o.id = s.id;
	END LOOP;
	more := n = at_once AND NOT look_up;
END
$fn$;
COMMENT ON FUNCTION qbsync.judge_suspects(integer) IS 'Judge the suspects of a connection, some at a time. look_up: something must be looked up first; more: call it again';
