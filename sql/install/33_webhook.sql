/*
 * Webhooks (EXT-11, EXT-12): what Intuit says has changed.  qbsync_webhook() judges a delivery (src/inbound/webhook_sql.c) and
 * notes which records it names; the gateway reads them (src/inbound/heard.c) and forgets the note.
 *
 * A note is a reason to look, never a fact: nothing of it reaches the mirror.  What the mirror shows already, because the
 * event came twice, out of order or after a poll, or tells of a write of our own, costs no read.
 */

/*
 * Like qbsync.capture only added to and deleted from, without a unique key: receivers wait neither for each other nor for the
 * gateway, however long one of them keeps its transaction open.
 */
CREATE TABLE qbsync.webhook_event (
	connection_id	integer NOT NULL,
	entity			text NOT NULL,
	id				text COLLATE "C" NOT NULL,
	operation		text NOT NULL,
	event_time		timestamptz,
	merged_into		text COLLATE "C",
	noted_at		timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX webhook_event_id_idx ON qbsync.webhook_event (connection_id, entity, id);
ALTER TABLE qbsync.webhook_event REPLICA IDENTITY FULL;
COMMENT ON TABLE qbsync.webhook_event IS 'Records that webhooks named and the gateway has not looked at yet; those of a paused connection wait for it';
COMMENT ON COLUMN qbsync.webhook_event.operation IS 'create, update, delete, merge (this record was merged into another), void, emailed; what is not known counts as update';
COMMENT ON COLUMN qbsync.webhook_event.event_time IS 'when it happened, Intuit''s clock; null if that was not said';
COMMENT ON COLUMN qbsync.webhook_event.merged_into IS 'the record that lives on after a merge';
COMMENT ON COLUMN qbsync.webhook_event.noted_at IS 'when the delivery arrived, our clock: a read that began later has seen the change';

/* The one place that says whether records of an entity are read for a company at all. */
CREATE FUNCTION qbsync.is_mirrored(connection_id integer, entity text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT EXISTS (
		SELECT FROM qbsync.catalogue k
		WHERE k.entity = is_mirrored.entity
		  AND (NOT k.bought OR EXISTS (SELECT FROM qbsync.connection c WHERE c.connection_id = is_mirrored.connection_id AND c.settings ->> 'vendors' = 'import')));
$fn$;
COMMENT ON FUNCTION qbsync.is_mirrored(integer, text) IS 'Are records of the entity read for the connection?';

/*
 * A merge is two notes: the survivor changed, and the loser was merged into it.  A record that is noted already gets one
 * note in place of both; a note that somebody has locked (the gateway, another delivery) is left to him.
 */
CREATE FUNCTION qbsync.note_webhook(apps text[], realm_ids text[], objects text[], ids text[], operations text[], times timestamptz[], lost_ids text[])
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	n integer;
BEGIN
	WITH heard AS MATERIALIZED (
		SELECT c.connection_id, c.realm_id, k.entity, lower(k.object) AS object
		FROM qbsync.connection c
		CROSS JOIN qbsync.catalogue k
		WHERE c.realm_id = ANY (note_webhook.realm_ids) AND c.app = ANY (note_webhook.apps)
		  AND c.state NOT IN ('authorizing', 'unconfirmed', 'disconnected')
		  AND lower(k.object) = ANY (note_webhook.objects) AND qbsync.is_mirrored(c.connection_id, k.entity)
	), event AS (
		SELECT h.connection_id, h.entity, e.id, e.operation, e.event_time, e.lost_id
		FROM unnest(note_webhook.realm_ids, note_webhook.objects, note_webhook.ids, note_webhook.operations, note_webhook.times,
					note_webhook.lost_ids) AS e (realm_id, object, id, operation, event_time, lost_id)
		JOIN heard h ON h.realm_id = e.realm_id AND h.object = e.object
	), said AS (
		SELECT e.connection_id, e.entity, e.id, CASE e.operation WHEN 'merge' THEN 'update' ELSE e.operation END AS operation,
			e.event_time, NULL AS merged_into
		FROM event e
		UNION ALL
		SELECT e.connection_id, e.entity, e.lost_id, 'merge', e.event_time, e.id
		FROM event e WHERE e.operation = 'merge' AND e.lost_id <> e.id
	), noted AS (
		SELECT w.ctid AS place, w.*
		FROM qbsync.webhook_event w
		WHERE (w.connection_id, w.entity, w.id) IN (SELECT s.connection_id, s.entity, s.id FROM said s)
		FOR UPDATE SKIP LOCKED
	), forgotten AS (
		DELETE FROM qbsync.webhook_event w WHERE w.ctid IN (SELECT place FROM noted)
	)
	INSERT INTO qbsync.webhook_event (connection_id, entity, id, operation, event_time, merged_into)
	SELECT s.connection_id, s.entity, s.id, (array_agg(s.operation ORDER BY s.event_time DESC NULLS FIRST))[1],
		CASE WHEN bool_and(s.event_time IS NOT NULL) THEN max(s.event_time) END, max(s.merged_into)
	FROM (SELECT * FROM said
		  UNION ALL
		  SELECT o.connection_id, o.entity, o.id, o.operation, o.event_time, o.merged_into FROM noted o) s
	GROUP BY s.connection_id, s.entity, s.id;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END
$fn$;
COMMENT ON FUNCTION qbsync.note_webhook(text[], text[], text[], text[], text[], timestamptz[], text[]) IS 'Note the events of a delivery that was signed for these apps: of their companies, and of entities that are mirrored; returns how many records are noted';

/*
 * Forget what the mirror shows already.  Both times are Intuit's: its version is later than the event; or it is of that moment
 * (the event may be told with the time it was told at), and everything that changed until a second later is here.  Only what is
 * marked deleted was surely deleted.
 */
CREATE FUNCTION qbsync.forget_known_webhooks(connection_id integer, noted_until timestamptz)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	its text;
	n bigint;
	total bigint := 0;
BEGIN
	FOR its IN
		SELECT DISTINCT w.entity FROM qbsync.webhook_event w JOIN qbsync.catalogue k ON k.entity = w.entity AND NOT k.singleton
		WHERE w.connection_id = forget_known_webhooks.connection_id
	LOOP
		EXECUTE format($sql$
			DELETE FROM qbsync.webhook_event WHERE ctid IN (
				SELECT w.ctid
				FROM qbsync.webhook_event w
				JOIN qbsync.%I m ON m.connection_id = w.connection_id AND m.id = w.id
				JOIN qbsync.cursor u ON u.connection_id = w.connection_id AND u.entity = '*'
				WHERE w.connection_id = $1 AND w.entity = $2 AND w.noted_at <= $3 AND w.merged_into IS NULL
				  AND CASE WHEN m.deleted_at IS NOT NULL THEN w.operation = 'delete' OR m.deleted_at > w.event_time
						   WHEN w.operation = 'delete' THEN false
						   ELSE m.last_updated_time > w.event_time
							   OR (m.last_updated_time >= w.event_time - interval '10 s'
								   AND u.changed_since > w.event_time + interval '1 s') END
				FOR UPDATE OF w SKIP LOCKED)
			$sql$, its) USING forget_known_webhooks.connection_id, its, forget_known_webhooks.noted_until;
		GET DIAGNOSTICS n = ROW_COUNT;
		total := total + n;
	END LOOP;
	RETURN total;
END
$fn$;
COMMENT ON FUNCTION qbsync.forget_known_webhooks(integer, timestamptz) IS 'Delete notes of a connection, made until then, of what its mirror shows already; returns how many';

/* Hand notes over to the look-ups: what is not found by its id either is marked deleted there (EXT-8). */
CREATE FUNCTION qbsync.look_up_webhooks(connection_id integer, noted_until timestamptz, entities text[] DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	WITH noted AS (
		SELECT w.ctid AS place FROM qbsync.webhook_event w
		WHERE w.connection_id = look_up_webhooks.connection_id AND w.noted_at <= look_up_webhooks.noted_until
		  AND w.merged_into IS NULL AND (w.entity = ANY (look_up_webhooks.entities) OR look_up_webhooks.entities IS NULL)
		FOR UPDATE SKIP LOCKED
	), taken AS (
		DELETE FROM qbsync.webhook_event w WHERE w.ctid IN (SELECT place FROM noted) RETURNING w.*
	)
	INSERT INTO qbsync.lookup (connection_id, entity, id)
	SELECT DISTINCT t.connection_id, t.entity, t.id FROM taken t ORDER BY t.entity, t.id
	ON CONFLICT DO NOTHING;
	RETURN FOUND;
END
$fn$;
COMMENT ON FUNCTION qbsync.look_up_webhooks(integer, timestamptz, text[]) IS 'Have the records of a connection''s notes, made until then, read by id (entities null: of every entity); true if there are any';

/*
 * What to do about a connection's notes, asked by the gateway when it is free.  One poll brings all that changed, also what
 * changed with it and is not announced (the invoice of a payment), for the price of reading one record by its id; so that is
 * what is done, but for entities that change data capture does not carry.
 */
CREATE FUNCTION qbsync.sort_webhooks(connection_id integer, OUT poll boolean, OUT look_up boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	heard_at timestamptz;
	others text[];
BEGIN
	SELECT max(w.noted_at) INTO heard_at FROM qbsync.webhook_event w WHERE w.connection_id = sort_webhooks.connection_id;
	IF heard_at IS NULL THEN
		poll := false;
		look_up := false;
		RETURN;
	END IF;
	PERFORM qbsync.forget_known_webhooks(sort_webhooks.connection_id, 'infinity');
	poll := qbsync.take_merges(sort_webhooks.connection_id);
	look_up := poll;
	-- what is there once a company is read before the next poll
	DELETE FROM qbsync.webhook_event w WHERE w.ctid IN (
		SELECT o.ctid FROM qbsync.webhook_event o
		WHERE o.connection_id = sort_webhooks.connection_id AND o.entity IN (SELECT k.entity FROM qbsync.catalogue k WHERE k.singleton)
		FOR UPDATE SKIP LOCKED);
	IF FOUND THEN
		UPDATE qbsync.cursor u SET checked_at = NULL
		WHERE u.connection_id = sort_webhooks.connection_id AND u.entity IN (SELECT k.entity FROM qbsync.catalogue k WHERE k.singleton);
		poll := true;
	END IF;
	SELECT array_agg(k.entity) INTO others FROM qbsync.catalogue k WHERE NOT k.cdc AND NOT k.singleton;
	look_up := qbsync.look_up_webhooks(sort_webhooks.connection_id, 'infinity', coalesce(others, '{}')) OR look_up;
	poll := poll OR EXISTS (SELECT FROM qbsync.webhook_event w WHERE w.connection_id = sort_webhooks.connection_id);
	UPDATE qbsync.cursor u
	SET webhook_at = greatest(u.webhook_at, heard_at), webhook_first = sort_webhooks.poll OR sort_webhooks.look_up
	WHERE u.connection_id = sort_webhooks.connection_id AND u.entity = '*';
END
$fn$;
COMMENT ON FUNCTION qbsync.sort_webhooks(integer) IS 'Forget the notes that say nothing new, hand over those that need a read by id, and say whether to poll and whether there is something to look up';

/* After a poll, in its transaction: what it did not show is read by id. */
CREATE FUNCTION qbsync.settle_webhooks(connection_id integer, started timestamptz, changes bigint, asked boolean)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	-- changes that nobody told of: were there no notes, they came by polling alone
	UPDATE qbsync.cursor u SET missed_at = settle_webhooks.started
	WHERE settle_webhooks.changes > 0 AND NOT settle_webhooks.asked
	  AND u.connection_id = settle_webhooks.connection_id AND u.entity = '*'
	  AND NOT EXISTS (SELECT FROM qbsync.webhook_event w WHERE w.connection_id = u.connection_id);
	PERFORM qbsync.forget_known_webhooks(settle_webhooks.connection_id, settle_webhooks.started);
	RETURN qbsync.look_up_webhooks(settle_webhooks.connection_id, settle_webhooks.started);
END
$fn$;
COMMENT ON FUNCTION qbsync.settle_webhooks(integer, timestamptz, bigint, boolean) IS 'A poll that began then brought so many changes; asked: a webhook had asked for it. Notes made before are done with, or handed to the look-ups (then true)';

CREATE FUNCTION @extschema@.qbsync_webhook(body bytea DEFAULT NULL, signature text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'qbsync_webhook';
COMMENT ON FUNCTION @extschema@.qbsync_webhook(bytea, text) IS 'A delivery of Intuit''s webhooks: the body''s bytes and the header intuit-signature. Returns accepted (answer 200), refused (401: not signed by Intuit) or unavailable (503: deliver it again); raises nothing that a delivery could cause. For members of qbsync_webhook. SECURITY DEFINER: opens the apps'' verifiers, writes qbsync.webhook_event';
