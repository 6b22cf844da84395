/*
 * Undoing a decision: links as they were, here and now; the CRM's rows as they were, by the apply worker.
 */

/* Links of these ids, as they are, and the rows that are to be there again. */
CREATE FUNCTION qbsync.links_before(d qbsync.decision)
RETURNS SETOF qbsync.link
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT l.*
	FROM jsonb_array_elements(jsonb_build_array(d.link_before) || coalesce(d.arguments -> 'more_before', '[]')) AS j(row)
	CROSS JOIN LATERAL jsonb_populate_record(NULL::qbsync.link, j.row) AS l
	WHERE jsonb_typeof(j.row) = 'object';
$fn$;
COMMENT ON FUNCTION qbsync.links_before(qbsync.decision) IS 'Rows of qbsync.link as they were before a decision';

/* A later decision about the same record or CRM record stands on this one. */
CREATE FUNCTION qbsync.refuse_undo(d qbsync.decision)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	later qbsync.decision;
	taken qbsync.link;
BEGIN
	IF refuse_undo.d.undone_at IS NOT NULL THEN
		RAISE EXCEPTION 'decision % was undone already', refuse_undo.d.decision_id
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = format('At %s, by %s.', refuse_undo.d.undone_at, refuse_undo.d.undone_by);
	END IF;
	-- a resolved conflict stands on its link, not the reverse; of two, only those of one unit concern each other
	SELECT k.* INTO later FROM qbsync.decision k
	WHERE k.mapping_id = refuse_undo.d.mapping_id AND k.undone_at IS NULL AND k.decision_id > refuse_undo.d.decision_id
	  AND k.kind <> 'reject' AND k.arguments -> 'touched' IS DISTINCT FROM '[]' AND k.arguments -> 'of' IS DISTINCT FROM to_jsonb(refuse_undo.d.decision_id)
	  AND (k.kind = 'resolve') <= (refuse_undo.d.kind = 'resolve')
	  AND (k.kind <> 'resolve' OR k.arguments ->> 'unit' = refuse_undo.d.arguments ->> 'unit')
	  AND (k.id = refuse_undo.d.id OR k.arguments -> 'touched' ?| ARRAY(SELECT jsonb_array_elements_text(refuse_undo.d.arguments -> 'touched')))
	ORDER BY k.decision_id DESC LIMIT 1;
	IF later.decision_id IS NOT NULL AND refuse_undo.d.kind <> 'reject' THEN
		RAISE EXCEPTION 'decision % was followed by another about the same record', refuse_undo.d.decision_id
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = format('Decision %s: %s, by %s at %s.', later.decision_id, later.kind, later.decided_by, later.decided_at),
				  HINT = format('SELECT qbsync_undo(%s) first.', later.decision_id);
	END IF;
	SELECT l.* INTO taken
	FROM qbsync.links_before(refuse_undo.d) b
	JOIN qbsync.link l ON l.mapping_id = b.mapping_id AND l.crm_key = b.crm_key AND l.state <> 'alias' AND b.state <> 'alias'
			AND NOT refuse_undo.d.arguments -> 'touched' ? l.id
		-- or the QuickBooks record, through another mapping of the same records
		OR l.connection_id = b.connection_id AND l.entity = b.entity AND l.id = b.id AND l.family = b.family AND l.mapping_id <> b.mapping_id
	WHERE refuse_undo.d.kind <> 'resolve'
	LIMIT 1;
	IF taken.id IS NOT NULL THEN
		RAISE EXCEPTION 'decision % cannot be undone: "%" is linked with % "%" now', refuse_undo.d.decision_id, taken.crm_key, taken.entity, taken.id
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('SELECT qbsync_unlink(%L) first.', taken.crm_key);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.refuse_undo(qbsync.decision) IS 'Raises an error when a decision cannot be undone: it was already, another stands on it, or its CRM record is linked otherwise now';

/*
 * Links back as they were.  Returns the work left for the worker: keys of CRM rows made because of the decision ("delete"),
 * and of rows written since ("restore").
 */
CREATE FUNCTION qbsync.restore_links(d qbsync.decision)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	ids text[] := ARRAY(SELECT jsonb_array_elements_text(restore_links.d.arguments -> 'touched'));
	its_family integer := (SELECT k.family FROM qbsync.mapping k WHERE k.mapping_id = restore_links.d.mapping_id);
	work jsonb;
BEGIN
	FOR attempt IN 1 .. 3 LOOP
		BEGIN
			WITH gone AS (
				DELETE FROM qbsync.link l
				WHERE l.connection_id = restore_links.d.connection_id AND l.entity = restore_links.d.entity AND l.id = ANY (ids)
				  AND l.family = its_family AND l.mapping_id = restore_links.d.mapping_id
				RETURNING l.id, l.crm_key, l.state, l.origin
			), judged AS (
				SELECT g.crm_key, g.state, g.origin = 'created_in_crm' AND NOT EXISTS (
					SELECT FROM qbsync.links_before(restore_links.d) b WHERE b.id = g.id AND b.crm_key = g.crm_key) AS made
				FROM gone g
			)
			SELECT jsonb_build_object(
				'delete', coalesce(jsonb_agg(j.crm_key) FILTER (WHERE j.made AND j.state <> 'alias'), '[]'),
				'restore', coalesce(jsonb_agg(j.crm_key) FILTER (WHERE NOT j.made AND j.state = 'linked'), '[]')) INTO work
			FROM judged j;
			INSERT INTO qbsync.link SELECT b.* FROM qbsync.links_before(restore_links.d) b;
			RETURN work;
		EXCEPTION
			-- an apply worker, or somebody else, linked one of them at the same moment
			WHEN unique_violation THEN
				IF attempt = 3 THEN
					RAISE;
				END IF;
				PERFORM qbsync.refuse_undo(restore_links.d);
		END;
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.restore_links(qbsync.decision) IS 'Puts links back as they were before a decision; returns the CRM rows that the worker must delete or restore';

/*
 * What an apply worker has to do for an arrival with action 'undo': one row for each CRM row.
 *
 *	delete	the row was made because of the decision: delete it through the view
 *	write	set these columns ("values", JSON null: empty), but only those in which the row still shows what it did after qbsync
 *			wrote it last ("shown"): what people changed since is theirs
 *
 * The worker takes undo arrivals before everything else of the mapping, runs them as the mapping's role in a transaction
 * like any other (time box, a row of qbsync.history with the CRM row as it was, activity 'undone' with detail {"decision":
 * …, "columns": […]}), deletes the arrival with it, and records a failure as crm_error of that crm_key (id ''), to be tried
 * again.  A row that is not there any more is done.  It touches no link: qbsync_undo has put them back, and appends an
 * ordinary arrival behind this one, by which the record is decided about anew.
 */
CREATE FUNCTION qbsync.undo_work(mapping_id integer, arguments jsonb,
	OUT crm_key text, OUT action text, OUT "values" jsonb, OUT shown jsonb)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT k.crm_key, 'delete', NULL::jsonb, NULL::jsonb
	FROM jsonb_array_elements_text(undo_work.arguments -> 'delete') AS k(crm_key)
	UNION ALL
	SELECT k.crm_key, 'write', jsonb_object_agg(c.column_name, c.before), jsonb_object_agg(c.column_name, c.shown)
	FROM jsonb_array_elements_text(undo_work.arguments -> 'restore') AS k(crm_key)
	CROSS JOIN LATERAL (
		-- the oldest value before, and what became of the newest we wrote
		SELECT w.column_name, (array_agg(coalesce(h.before -> w.column_name, 'null') ORDER BY h.history_id))[1] AS before,
			(array_agg(coalesce(h.shown -> w.column_name, w.value) ORDER BY h.history_id DESC))[1] AS shown
		FROM qbsync.history h
		CROSS JOIN LATERAL jsonb_each(h.written) AS w(column_name, value)
		WHERE h.mapping_id = undo_work.mapping_id AND h.crm_key = k.crm_key AND h.operation = 'update'
		  AND h.at >= (undo_work.arguments ->> 'since')::timestamptz
		  AND (undo_work.arguments -> 'columns' IS NULL OR undo_work.arguments -> 'columns' ? w.column_name)
		GROUP BY w.column_name
	) c
	WHERE c.before <> c.shown
	GROUP BY k.crm_key;
$fn$;
COMMENT ON FUNCTION qbsync.undo_work(integer, jsonb) IS 'CRM rows that an arrival ''undo'' has the worker delete or write back, with the values';

CREATE FUNCTION @extschema@.qbsync_undo(decision bigint DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	d qbsync.decision;
	m qbsync.mapping;
	work jsonb;
	for_worker boolean;
	ids text[];
BEGIN
	SELECT k.* INTO d FROM qbsync.decision k WHERE k.decision_id = qbsync_undo.decision FOR UPDATE;
	IF d.decision_id IS NULL THEN
		RAISE EXCEPTION 'decision % does not exist', coalesce(qbsync_undo.decision::text, 'null')
			USING ERRCODE = 'undefined_object', HINT = 'The numbers are in the column decision of qbsync.timeline.';
	END IF;
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = d.mapping_id FOR KEY SHARE;
	PERFORM qbsync.refuse_undo(d);

	IF d.kind = 'resolve' THEN
		PERFORM qbsync.restore_unit(d);
		work := jsonb_build_object('restore', jsonb_build_array(d.crm_key), 'columns', d.arguments -> 'columns');
		ids := ARRAY[d.id];
	ELSE
		work := qbsync.restore_links(d);
		ids := ARRAY(SELECT DISTINCT i.id FROM (SELECT d.id UNION ALL SELECT jsonb_array_elements_text(d.arguments -> 'touched')
												UNION ALL SELECT d.arguments ->> 'kept_id'
												UNION ALL SELECT b.id FROM qbsync.links_before(d) b) i(id) WHERE i.id IS NOT NULL);
		PERFORM qbsync.forget_questions(m, VARIADIC ids);
	END IF;
	UPDATE qbsync.decision k SET undone_at = clock_timestamp(), undone_by = session_user
	WHERE k.decision_id = d.decision_id
	   OR k.mapping_id = d.mapping_id AND k.id = d.id AND k.undone_at IS NULL AND k.arguments -> 'of' = to_jsonb(d.decision_id);
	INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail, by)
	VALUES (d.connection_id, d.mapping_id, d.entity, d.id, d.crm_key, 'undone', jsonb_build_object('decision', d.decision_id, 'kind', d.kind), session_user);
	work := work || jsonb_build_object('decision_id', d.decision_id, 'since', d.decided_at);
	for_worker := EXISTS (SELECT FROM qbsync.undo_work(d.mapping_id, work));
	IF for_worker THEN
		-- also for a mapping that is not enabled: it waits until it is
		INSERT INTO qbsync.arrival (mapping_id, id, action, arguments) VALUES (d.mapping_id, d.id, 'undo', work);
	END IF;
	PERFORM qbsync.look_again(m, VARIADIC ids);
	RETURN format('decision %s (%s of %s %s) is undone', d.decision_id, d.kind, d.entity, d.id)
		|| CASE WHEN for_worker THEN '; the CRM record follows' ELSE '' END;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_undo(bigint) IS 'Undo a decision: links are as they were, and what was written to the CRM because of it is written back from qbsync.history (a record made because of it is deleted) by the apply worker; what people changed since stays. SECURITY DEFINER: writes qbsync.decision and link';

/* The unit of a resolved conflict is where it was; the rest of the link has gone on. */
CREATE FUNCTION qbsync.restore_unit(d qbsync.decision)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	old qbsync.link := jsonb_populate_record(NULL::qbsync.link, restore_unit.d.link_before);
	names text[] := ARRAY(SELECT jsonb_array_elements_text(restore_unit.d.arguments -> 'columns'));
	its_unit text := restore_unit.d.arguments ->> 'unit';
BEGIN
	UPDATE qbsync.link l
	SET base = (l.base - names) || qbsync.only_columns(old.base, names),
		crm_base = nullif((coalesce(l.crm_base, '{}') - names) || qbsync.only_columns(old.crm_base, names), '{}'),
		unagreed = CASE WHEN its_unit = ANY (old.unagreed) THEN array_append(array_remove(l.unagreed, its_unit), its_unit)
						ELSE l.unagreed END
	WHERE l.connection_id = old.connection_id AND l.entity = old.entity AND l.id = old.id AND l.family = old.family
	  AND l.crm_key = old.crm_key;
END
$fn$;
COMMENT ON FUNCTION qbsync.restore_unit(qbsync.decision) IS 'Puts the unit of a resolved conflict back to what was agreed on before';
