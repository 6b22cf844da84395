/*
 * Records that QuickBooks' people merged into others: webhooks told of it (said), or it was found out (38_moved.sql).  Both are read by
 * id, links follow (qbsync.note_merge), and after the next poll, which brings what QuickBooks touched, the records are read by id
 * that the mirror still shows with the lost id.  Each step is a mark on the row, so that a crash repeats a step and skips none.
 */
CREATE TABLE qbsync.merged (
	connection_id	integer NOT NULL,
	entity			text NOT NULL,
	lost_id			text COLLATE "C" NOT NULL,
	kept_id			text COLLATE "C" NOT NULL,
	how				text NOT NULL CHECK (how IN ('likely', 'inferred', 'said')),
	found_at		timestamptz NOT NULL DEFAULT clock_timestamp(),
	looked_at		timestamptz,
	gone_at			timestamptz,
	referrers_at	timestamptz,
	noted_at		timestamptz,
	PRIMARY KEY (connection_id, entity, lost_id)
);
CREATE INDEX merged_open_idx ON qbsync.merged (connection_id) WHERE noted_at IS NULL OR referrers_at IS NULL;
COMMENT ON TABLE qbsync.merged IS 'Records that were merged into others in QuickBooks; qbsync_resolve_id follows them';
COMMENT ON COLUMN qbsync.merged.how IS 'said: by a webhook; inferred: its transactions are another''s, and it is gone, which happens to no customer otherwise; likely: it is only inactive yet, so people are asked';
COMMENT ON COLUMN qbsync.merged.looked_at IS 'when it was last asked whether the lost record is gone; QuickBooks takes up to a week';
COMMENT ON COLUMN qbsync.merged.gone_at IS 'when it was found to be gone';
COMMENT ON COLUMN qbsync.merged.referrers_at IS 'when what the mirror still showed with the lost id was noted for a look-up';
COMMENT ON COLUMN qbsync.merged.noted_at IS 'when the links followed; null: the survivor is not in the mirror yet';

CREATE FUNCTION qbsync.is_due(m qbsync.merged)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT m.noted_at IS NULL OR m.referrers_at IS NULL
		OR (m.gone_at IS NULL AND m.found_at > now() - interval '10 days' AND coalesce(m.looked_at, m.found_at) < now() - interval '1 day');
$fn$;
COMMENT ON FUNCTION qbsync.is_due(qbsync.merged) IS 'Is there something to be done about this merge?';

/* A merge that is known already, or is only known better now, is no other merge. */
CREATE FUNCTION qbsync.found_merge(connection_id integer, entity text, lost_id text, kept_id text, how text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	certainty CONSTANT text[] := '{likely,inferred,said}';
	known qbsync.merged;
	news boolean;
BEGIN
	SELECT m.* INTO known FROM qbsync.merged m
	WHERE m.connection_id = found_merge.connection_id AND m.entity = found_merge.entity AND m.lost_id = found_merge.lost_id FOR UPDATE;
	-- what is more certain replaces what is less
	IF array_position(certainty, known.how) > array_position(certainty, found_merge.how)
		OR (known.how = found_merge.how AND (known.kept_id = found_merge.kept_id OR known.how <> 'said')) THEN
		RETURN false;
	END IF;
	news := known.kept_id IS DISTINCT FROM found_merge.kept_id OR known.how = 'likely';
	INSERT INTO qbsync.merged AS m (connection_id, entity, lost_id, kept_id, how)
	VALUES (found_merge.connection_id, found_merge.entity, found_merge.lost_id, found_merge.kept_id, found_merge.how)
	ON CONFLICT ON CONSTRAINT merged_pkey DO UPDATE
	SET kept_id = excluded.kept_id, how = excluded.how, found_at = CASE WHEN news THEN excluded.found_at ELSE m.found_at END,
		referrers_at = CASE WHEN NOT news THEN m.referrers_at END, noted_at = CASE WHEN NOT news THEN m.noted_at END;
	IF news THEN
		INSERT INTO qbsync.lookup (connection_id, entity, id)
		VALUES (found_merge.connection_id, found_merge.entity, found_merge.lost_id),
			   (found_merge.connection_id, found_merge.entity, found_merge.kept_id)
		ON CONFLICT DO NOTHING;
		-- what was found out was found in records that were just read: there is no poll to wait for
		IF found_merge.how <> 'said' THEN
			PERFORM qbsync.look_up_referrers(found_merge.connection_id, found_merge.entity, found_merge.lost_id);
			UPDATE qbsync.merged m SET referrers_at = clock_timestamp()
			WHERE m.connection_id = found_merge.connection_id AND m.entity = found_merge.entity AND m.lost_id = found_merge.lost_id;
		END IF;
	END IF;
	RETURN news;
END
$fn$;
COMMENT ON FUNCTION qbsync.found_merge(integer, text, text, text, text) IS 'lost_id was merged into kept_id: remember it and have both read; false if that was known';

/* The merges among a connection's notes (33_webhook.sql). */
CREATE FUNCTION qbsync.take_merges(connection_id integer)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	news boolean := false;
	w record;
BEGIN
	FOR w IN
		DELETE FROM qbsync.webhook_event e WHERE e.ctid IN (
			SELECT o.ctid FROM qbsync.webhook_event o
			WHERE o.connection_id = take_merges.connection_id AND o.merged_into IS NOT NULL FOR UPDATE SKIP LOCKED)
		RETURNING e.*
	LOOP
		news := qbsync.found_merge(w.connection_id, w.entity, w.id, w.merged_into, 'said') OR news;
	END LOOP;
	RETURN news;
END
$fn$;
COMMENT ON FUNCTION qbsync.take_merges(integer) IS 'Remember the merges that webhooks told of; true if one is new';

CREATE FUNCTION qbsync.surviving_id(connection_id integer, entity text, id text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH RECURSIVE chain AS (
		SELECT surviving_id.id COLLATE "C" AS id, 0 AS step
		UNION
		SELECT m.kept_id, c.step + 1
		FROM chain c
		JOIN qbsync.merged m ON m.connection_id = surviving_id.connection_id AND m.entity = surviving_id.entity AND m.lost_id = c.id
		WHERE c.step < 100 AND m.how <> 'likely'
	)
	SELECT c.id FROM chain c ORDER BY c.step DESC LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.surviving_id(integer, text, text) IS 'The record that lives on where this one was merged into another, perhaps in several steps; itself otherwise';

/* What the mirror shows with the lost id is noted for a look-up: living records that refer to it, in a header or a line. */
CREATE FUNCTION qbsync.look_up_referrers(connection_id integer, entity text, id text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	r record;
	n bigint;
	total bigint := 0;
BEGIN
	FOR r IN
		SELECT c.entity, c."table", c."column" FROM qbsync.catalogue_column c
		JOIN qbsync.catalogue k ON k.entity = c.entity AND NOT k.singleton
		WHERE c.refers_to = look_up_referrers.entity
	LOOP
		EXECUTE format(
			'INSERT INTO qbsync.lookup (connection_id, entity, id) SELECT DISTINCT m.connection_id, $2, m.id FROM qbsync.%1$I m '
			|| CASE WHEN r."table" = r.entity THEN 'WHERE m.%3$I = $3'
					ELSE 'JOIN qbsync.%2$I l ON l.connection_id = m.connection_id AND l.%4$I = m.id WHERE l.%3$I = $3' END
			|| ' AND m.connection_id = $1 AND m.deleted_at IS NULL AND m.id ~ ''^[0-9]+$'' ON CONFLICT DO NOTHING',
			r.entity, r."table", r."column", r.entity || '_id')
		USING look_up_referrers.connection_id, r.entity, look_up_referrers.id;
		GET DIAGNOSTICS n = ROW_COUNT;
		total := total + n;
	END LOOP;
	RETURN total;
END
$fn$;
COMMENT ON FUNCTION qbsync.look_up_referrers(integer, text, text) IS 'Have everything read again that refers to a record; returns how much that is';

/*
 * What is due of each merge under way; true if it has given the look-ups something to do.  Links follow as soon as the survivor
 * is in the mirror: before anything else that the merge changed makes an apply worker look at it.
 */
CREATE FUNCTION qbsync.settle_merges(connection_id integer, OUT look_up boolean, OUT more boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.merged;
	kept text;
	lives boolean;
	polled_at timestamptz;
BEGIN
	SELECT s.look_up, s.more INTO look_up, more FROM qbsync.judge_suspects(settle_merges.connection_id) s;
	SELECT u.checked_at INTO polled_at FROM qbsync.cursor u WHERE u.connection_id = settle_merges.connection_id AND u.entity = '*';
	FOR m IN
		SELECT * FROM qbsync.merged o
		WHERE o.connection_id = settle_merges.connection_id AND (o.noted_at IS NULL OR o.referrers_at IS NULL)
		ORDER BY o.found_at, o.lost_id
	LOOP
		IF m.noted_at IS NULL THEN
			kept := CASE m.how WHEN 'likely' THEN m.kept_id ELSE qbsync.surviving_id(m.connection_id, m.entity, m.lost_id) END;
			EXECUTE format('SELECT EXISTS (SELECT FROM qbsync.%I k WHERE k.connection_id = $1 AND k.id = $2 AND k.deleted_at IS NULL)', m.entity)
			INTO lives USING m.connection_id, kept;
			IF lives THEN
				PERFORM qbsync.note_merge(m.connection_id, m.entity, m.lost_id, kept, m.how = 'likely');
				m.noted_at := clock_timestamp();
			END IF;
		END IF;
		IF m.referrers_at IS NULL AND m.found_at < polled_at THEN
			look_up := qbsync.look_up_referrers(m.connection_id, m.entity, m.lost_id) > 0 OR look_up;
			m.referrers_at := clock_timestamp();
		END IF;
		UPDATE qbsync.merged o SET noted_at = m.noted_at, referrers_at = m.referrers_at
		WHERE o.connection_id = m.connection_id AND o.entity = m.entity AND o.lost_id = m.lost_id
		  AND (o.noted_at, o.referrers_at) IS DISTINCT FROM (m.noted_at, m.referrers_at);
	END LOOP;
	-- is the lost record gone by now?
	UPDATE qbsync.merged o SET gone_at = clock_timestamp()
	WHERE o.connection_id = settle_merges.connection_id AND o.gone_at IS NULL
	  AND qbsync.party_state(o.connection_id, o.entity, o.lost_id) = 'gone';
	WITH asked AS (
		UPDATE qbsync.merged o SET looked_at = clock_timestamp()
		WHERE o.connection_id = settle_merges.connection_id AND qbsync.is_due(o) AND o.noted_at IS NOT NULL AND o.referrers_at IS NOT NULL
		RETURNING o.*
	)
	INSERT INTO qbsync.lookup (connection_id, entity, id) SELECT a.connection_id, a.entity, a.lost_id FROM asked a
	ON CONFLICT DO NOTHING;
	look_up := FOUND OR look_up;
END
$fn$;
COMMENT ON FUNCTION qbsync.settle_merges(integer) IS 'Go on with the merges of a connection that are under way: links follow to a survivor that the mirror has; after a poll, what refers to the lost record is read again. look_up: there is something to look up; more: call it again';

CREATE FUNCTION @extschema@.qbsync_resolve_id(connection text DEFAULT NULL, entity text DEFAULT NULL, id text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	its_id integer := qbsync.the_connection(qbsync_resolve_id.connection);
BEGIN
	IF NOT EXISTS (SELECT FROM qbsync.catalogue k WHERE k.entity = qbsync_resolve_id.entity) THEN
		RAISE EXCEPTION 'entity "%" does not exist', coalesce(qbsync_resolve_id.entity, '')
			USING ERRCODE = 'undefined_object', HINT = 'The entities are in qbsync.catalogue.';
	END IF;
	PERFORM qbsync.require_sight(qbsync_resolve_id.entity);
	IF qbsync_resolve_id.id IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN qbsync.surviving_id(its_id, qbsync_resolve_id.entity, qbsync_resolve_id.id);
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_resolve_id(text, text, text) IS 'The id under which a record lives on in QuickBooks: that of the record it was merged into, perhaps in several steps; the id itself when no merge of it is known. SECURITY DEFINER: reads qbsync.merged for readers';
