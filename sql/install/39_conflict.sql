/*
 * Conflicts and errors: one call each.
 */

/* Columns that make up a unit of merging. */
CREATE FUNCTION qbsync.unit_columns(entity text, unit text)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(array_agg(c."column" ORDER BY c.ordinal),
		CASE unit_columns.unit WHEN regexp_replace(qbsync.customer_reference(unit_columns.entity), '_id$', '_key')
			THEN ARRAY[unit_columns.unit, 'person_key', 'organisation_key'] ELSE ARRAY[unit_columns.unit] END)
	FROM qbsync.catalogue_column c
	WHERE c."table" = unit_columns.entity AND qbsync.unit_of(c."column", c.path) = unit_columns.unit;
$fn$;
COMMENT ON FUNCTION qbsync.unit_columns(text, text) IS 'Columns of a unit of qbsync.merge: of an address all of them, of a customer''s reference those by kind as well, otherwise the unit itself';

CREATE FUNCTION qbsync.only_columns(source jsonb, names text[])
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}')
	FROM jsonb_each(only_columns.source) AS e(key, value) WHERE e.key = ANY (only_columns.names);
$fn$;
COMMENT ON FUNCTION qbsync.only_columns(jsonb, text[]) IS 'The named members of an object';

CREATE FUNCTION qbsync.unit_authority(mapping_id integer, unit text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.unit_rules(unit_authority.mapping_id) -> 'units' -> unit_authority.unit ->> 'authority';
$fn$;
COMMENT ON FUNCTION qbsync.unit_authority(integer, text) IS 'Authority that counts for a unit of a mapping';

/*
 * The base is set to what makes the next merge take one side: to what the CRM shows, so that only QuickBooks counts as
 * moved; or to what QuickBooks shows, so that only the CRM does.  Should a value have changed that is not shown yet, both
 * have moved again, and the conflict is back with the new values: nothing unseen is overwritten (CAP-39).
 */
CREATE FUNCTION qbsync.settle_conflict(c qbsync.conflict, take text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	l qbsync.link;
	names text[] := qbsync.unit_columns(settle_conflict.c.entity, settle_conflict.c.unit);
	number bigint;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = settle_conflict.c.mapping_id FOR KEY SHARE;
	SELECT k.* INTO l FROM qbsync.link k
	WHERE k.connection_id = settle_conflict.c.connection_id AND k.entity = settle_conflict.c.entity AND k.id = settle_conflict.c.id
	  AND k.family = m.family AND k.mapping_id = m.mapping_id AND k.base IS NOT NULL FOR UPDATE;
	DELETE FROM qbsync.conflict k WHERE k.conflict_id = settle_conflict.c.conflict_id;
	IF l.id IS NULL THEN
		RETURN NULL;			-- unlinked meanwhile, or linked anew: there is nothing to resolve
	END IF;
	UPDATE qbsync.link k
	SET base = (k.base - names) || qbsync.strip(qbsync.only_columns(
			CASE settle_conflict.take WHEN 'quickbooks' THEN settle_conflict.c.ours ELSE settle_conflict.c.theirs END, names)),
		crm_base = nullif(k.crm_base - names, '{}'),
		-- the mark keeps authority manual from asking again until it is carried out
		unagreed = nullif(array_remove(array_remove(k.unagreed, settle_conflict.c.unit), settle_conflict.c.unit || '=resolved')
						  || CASE WHEN qbsync.unit_authority(m.mapping_id, settle_conflict.c.unit) = 'manual'
							 THEN ARRAY[settle_conflict.c.unit || '=resolved'] END, '{}')
	WHERE k.connection_id = l.connection_id AND k.entity = l.entity AND k.id = l.id AND k.family = l.family;
	number := qbsync.note_decision(m, l.id, l.crm_key, 'resolve',
		jsonb_build_object('unit', settle_conflict.c.unit, 'take', settle_conflict.take, 'columns', to_jsonb(names),
						   'base', settle_conflict.c.base, 'ours', settle_conflict.c.ours, 'theirs', settle_conflict.c.theirs), l);
	PERFORM qbsync.look_again(m, l.id);
	RETURN number;
END
$fn$;
COMMENT ON FUNCTION qbsync.settle_conflict(qbsync.conflict, text) IS 'Lets the next merge of a unit take crm or quickbooks, as both are shown now; returns the decision';

CREATE FUNCTION @extschema@.qbsync_resolve_conflict(
	conflict bigint DEFAULT NULL,
	take text DEFAULT NULL,
	OUT decision_id bigint, OUT done text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	c qbsync.conflict;
BEGIN
	PERFORM qbsync.require_word('take', qbsync_resolve_conflict.take, 'crm', 'quickbooks');
	SELECT k.* INTO c FROM qbsync.conflict k WHERE k.conflict_id = qbsync_resolve_conflict.conflict FOR UPDATE;
	IF c.conflict_id IS NULL THEN
		RAISE EXCEPTION 'conflict % does not exist', coalesce(qbsync_resolve_conflict.conflict::text, 'null')
			USING ERRCODE = 'undefined_object', HINT = 'See qbsync.conflict_open; a conflict leaves by itself when both sides agree again.';
	END IF;
	decision_id := qbsync.settle_conflict(c, qbsync_resolve_conflict.take);
	done := format('%s of %s %s is taken from %s', c.unit, c.entity, c.id, CASE qbsync_resolve_conflict.take WHEN 'crm' THEN 'the CRM' ELSE 'QuickBooks' END);
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_resolve_conflict(bigint, text) IS 'Decide a row of qbsync.conflict_open: take crm or quickbooks, as both are shown there. Returns the decision''s number and what was done. SECURITY DEFINER: writes qbsync.decision and link';

CREATE FUNCTION @extschema@.qbsync_resolve_conflicts(
	take text DEFAULT NULL,
	mapping text DEFAULT NULL,
	unit text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_resolve_conflicts.mapping);
	c qbsync.conflict;
	n bigint := 0;
BEGIN
	PERFORM qbsync.require_word('take', qbsync_resolve_conflicts.take, 'crm', 'quickbooks');
	FOR c IN
		SELECT k.* FROM qbsync.conflict k
		WHERE k.mapping_id = m.mapping_id AND (qbsync_resolve_conflicts.unit IS NULL OR k.unit = qbsync_resolve_conflicts.unit)
		ORDER BY k.id, k.unit FOR UPDATE
	LOOP
		n := n + (qbsync.settle_conflict(c, qbsync_resolve_conflicts.take) IS NOT NULL)::integer;
	END LOOP;
	RETURN n;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_resolve_conflicts(text, text, text) IS 'Decide all conflicts of a mapping, or those of one unit: take crm or quickbooks. Returns how many. SECURITY DEFINER: writes qbsync.decision and link';

/* An error of the CRM side, by its number; those of the mirror have nothing to be called for. */
CREATE FUNCTION qbsync.the_crm_error(number bigint)
RETURNS qbsync.crm_error
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	e qbsync.crm_error;
	its_entity text;
BEGIN
	SELECT k.* INTO e FROM qbsync.crm_error k WHERE k.error_id = the_crm_error.number FOR UPDATE;
	IF e.error_id IS NOT NULL THEN
		RETURN e;
	END IF;
	SELECT k.entity INTO its_entity FROM qbsync.error k WHERE k.error_id = the_crm_error.number;
	IF its_entity IS NOT NULL THEN
		RAISE EXCEPTION 'error % is one of reading from QuickBooks', the_crm_error.number
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'It leaves by itself as soon as QuickBooks sends the record in a form that can be stored.',
				  HINT = 'See what_to_do in qbsync.error_open.';
	END IF;
	RAISE EXCEPTION 'error % does not exist', coalesce(the_crm_error.number::text, 'null')
		USING ERRCODE = 'undefined_object', HINT = 'See qbsync.error_open; an error leaves by itself when its cause is gone.';
END
$fn$;
COMMENT ON FUNCTION qbsync.the_crm_error(bigint) IS 'Row of qbsync.crm_error with a number, locked; a clear error when there is none';

CREATE FUNCTION @extschema@.qbsync_retry(error bigint DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	e qbsync.crm_error;
	s qbsync.send_error;
BEGIN
	SELECT k.* INTO s FROM qbsync.send_error k WHERE k.error_id = qbsync_retry.error FOR UPDATE;
	IF s.error_id IS NOT NULL THEN
		PERFORM qbsync.retry_sends(s.mapping_id, ARRAY[s.crm_key]);
		PERFORM qbsync.wake();
		RETURN format('%s %s is tried again', s.entity, coalesce(s.id, s.crm_key));
	END IF;
	e := qbsync.the_crm_error(qbsync_retry.error);
	UPDATE qbsync.crm_error k SET next_attempt_at = now(), dismissed_at = NULL, dismissed_by = NULL WHERE k.error_id = e.error_id;
	PERFORM qbsync.wake();
	RETURN format('%s %s is tried again', coalesce((SELECT w.relation_name FROM qbsync.watch w WHERE w.watch_id = nullif(e.watch_id, 0)), e.entity), coalesce(nullif(e.id, ''), e.crm_key));
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_retry(bigint) IS 'Try a record of qbsync.error_open again at once, also one that was dismissed; returns what is tried. SECURITY DEFINER: writes qbsync.crm_error and send_error';

CREATE FUNCTION @extschema@.qbsync_retry_all(
	mapping text DEFAULT NULL,
	problem text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	its_id integer := CASE WHEN qbsync_retry_all.mapping IS NOT NULL THEN qbsync.the_mapping(qbsync_retry_all.mapping) END;
	n bigint;
	refused record;
BEGIN
	IF qbsync_retry_all.problem IS NOT NULL AND NOT EXISTS (SELECT FROM qbsync.problem p WHERE p.code = qbsync_retry_all.problem) THEN
		RAISE EXCEPTION 'problem "%" does not exist', qbsync_retry_all.problem
			USING ERRCODE = 'undefined_object', HINT = 'SELECT code, meaning FROM qbsync.problem.';
	END IF;
	UPDATE qbsync.crm_error e SET next_attempt_at = now()
	WHERE (its_id IS NULL OR e.mapping_id = its_id) AND (qbsync_retry_all.problem IS NULL OR e.problem = qbsync_retry_all.problem)
	  AND e.dismissed_at IS NULL;
	GET DIAGNOSTICS n = ROW_COUNT;
	FOR refused IN
		SELECT e.mapping_id, array_agg(e.crm_key) AS crm_keys FROM qbsync.send_error e
		WHERE (its_id IS NULL OR e.mapping_id = its_id) AND CASE WHEN qbsync_retry_all.problem IS NULL THEN NOT qbsync.only_a_person_knows(e.problem) ELSE e.problem = qbsync_retry_all.problem END AND e.dismissed_at IS NULL
		GROUP BY 1
	LOOP
		PERFORM qbsync.retry_sends(refused.mapping_id, refused.crm_keys);
		n := n + cardinality(refused.crm_keys);
	END LOOP;
	-- mappings that wait as a whole
	UPDATE qbsync.mapping k SET next_attempt_at = now(), attempts = 0
	WHERE k.problem IS NOT NULL AND (its_id IS NULL OR k.mapping_id = its_id)
	  AND (qbsync_retry_all.problem IS NULL OR k.problem = qbsync_retry_all.problem);
	PERFORM qbsync.wake();
	RETURN n;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_retry_all(text, text) IS 'Try everything of qbsync.error_open again at once: of all mappings or one, of all problems or one; mappings that wait as a whole, too. What QuickBooks may have made already (send_ambiguous, send_answered_other) only if the problem is named. Returns how many records. SECURITY DEFINER: writes qbsync.crm_error, send_error and mapping';

CREATE FUNCTION @extschema@.qbsync_dismiss(error bigint DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	e qbsync.crm_error;
	s qbsync.send_error;
BEGIN
	UPDATE qbsync.send_error k SET dismissed_at = coalesce(k.dismissed_at, clock_timestamp()), dismissed_by = coalesce(k.dismissed_by, session_user)
	WHERE k.error_id = qbsync_dismiss.error RETURNING k.* INTO s;
	IF s.error_id IS NOT NULL THEN
		RETURN format('%s %s is left alone until it changes', s.entity, coalesce(s.id, s.crm_key));
	END IF;
	e := qbsync.the_crm_error(qbsync_dismiss.error);
	UPDATE qbsync.crm_error k SET dismissed_at = coalesce(k.dismissed_at, clock_timestamp()), dismissed_by = coalesce(k.dismissed_by, session_user)
	WHERE k.error_id = e.error_id;
	RETURN format('%s %s is left alone until it changes', coalesce((SELECT w.relation_name FROM qbsync.watch w WHERE w.watch_id = nullif(e.watch_id, 0)), e.entity), coalesce(nullif(e.id, ''), e.crm_key));
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_dismiss(bigint) IS 'Take a row out of qbsync.error_open and do not try it again until the record changes or qbsync_retry is called; returns what is left alone. SECURITY DEFINER: writes qbsync.crm_error and send_error';
