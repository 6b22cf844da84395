/*
 * Merges: of two CRM records by the CRM's people, of two QuickBooks records by QuickBooks' people.  Afterwards links and
 * documents stay where they belong, and nothing is moved back by the next sync (CAP-55, CEN-44, EXT-30, X-15).
 */

/*
 * Two CRM records became one; winner is the key that lives on.
 *
 *	loser linked, winner linked		the loser's QuickBooks record becomes an alias of the winner: its documents count for the
 *									winner, its own data is no longer merged with anything
 *	only the loser linked			the winner takes the link over.  Nothing was agreed on between those two: what is empty on
 *									one side is filled, what differs becomes a conflict, so that the merge loses no value
 *	only the winner linked			nothing changes
 *	neither linked					nothing changes
 *
 * Aliases of the loser become the winner's in every case.  It does not matter whether the loser's row is gone already.  Where
 * people were asked to merge the two, because QuickBooks' people had (note_merge), that is answered.
 */
CREATE FUNCTION @extschema@.qbsync_merge(
	loser text DEFAULT NULL,
	winner text DEFAULT NULL,
	mapping text DEFAULT NULL,
	OUT decision_id bigint, OUT done text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_merge.mapping);
	its qbsync.link;
	winners qbsync.link;
	aliases jsonb;
	touched text[];
BEGIN
	PERFORM qbsync.require_value('loser', qbsync_merge.loser, 'Give the key of the CRM record that was merged into the other.');
	PERFORM qbsync.require_value('winner', qbsync_merge.winner, 'Give the key of the CRM record that lives on.');
	IF qbsync_merge.loser = qbsync_merge.winner THEN
		RAISE EXCEPTION 'loser and winner are the same' USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Both are "%s".', qbsync_merge.loser);
	END IF;
	SELECT l.* INTO its FROM qbsync.link l
	WHERE l.mapping_id = m.mapping_id AND l.crm_key = qbsync_merge.loser AND l.state <> 'alias' FOR UPDATE;
	SELECT l.* INTO winners FROM qbsync.link l
	WHERE l.mapping_id = m.mapping_id AND l.crm_key = qbsync_merge.winner AND l.state <> 'alias' FOR UPDATE;
	SELECT coalesce(jsonb_agg(to_jsonb(l)), '[]'), array_remove(array_agg(l.id) || its.id, NULL) INTO aliases, touched
	FROM qbsync.link l WHERE l.mapping_id = m.mapping_id AND l.crm_key = qbsync_merge.loser AND l.state = 'alias';
	DELETE FROM qbsync.match_candidate c WHERE c.mapping_id = m.mapping_id AND c.crm_key = qbsync_merge.loser;
	IF touched = '{}' AND EXISTS (SELECT FROM qbsync.open_candidate c WHERE c.mapping_id = m.mapping_id AND c.crm_key = qbsync_merge.loser) THEN
		decision_id := qbsync.note_decision(m, coalesce(winners.id, ''), qbsync_merge.loser, 'merge',
			jsonb_build_object('winner', qbsync_merge.winner, 'touched', '[]'::jsonb), NULL);
		PERFORM qbsync.look_again(m, winners.id);
		done := format('%s %s was merged into %s, as in QuickBooks', m.crm_table, qbsync_merge.loser, qbsync_merge.winner);
		RETURN;
	ELSIF touched = '{}' THEN
		done := format('%s %s was not linked: nothing to do', m.crm_table, qbsync_merge.loser);
		RETURN;
	END IF;

	UPDATE qbsync.link l
	SET crm_key = qbsync_merge.winner, linked_at = now(), linked_by = session_user, origin = 'merge',
		state = CASE WHEN l.state = 'alias' OR winners.id IS NOT NULL THEN 'alias' ELSE 'linked' END,
		base = NULL, crm_base = NULL, unagreed = NULL
	WHERE l.mapping_id = m.mapping_id AND l.crm_key = qbsync_merge.loser;
	PERFORM qbsync.forget_questions(m, VARIADIC touched);
	PERFORM qbsync.release_sends(m.mapping_id, ARRAY[qbsync_merge.winner]);
	decision_id := qbsync.note_decision(m, coalesce(its.id, touched[1]), qbsync_merge.loser, 'merge',
		jsonb_build_object('winner', qbsync_merge.winner, 'touched', to_jsonb(touched), 'more_before', aliases), its);
	PERFORM qbsync.look_again(m, VARIADIC touched || winners.id);
	done := CASE WHEN its.id IS NULL THEN format('what counted for %s %s counts for %s', m.crm_table, qbsync_merge.loser, qbsync_merge.winner)
		WHEN winners.id IS NULL THEN format('%s %s is linked with %s %s now', its.entity, its.id, m.crm_table, qbsync_merge.winner)
		ELSE format('%s %s counts for %s %s now, beside %s %s', its.entity, its.id, m.crm_table, qbsync_merge.winner, winners.entity, winners.id) END;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_merge(text, text, text) IS 'Two CRM records were merged in the CRM: what is linked with the loser (its key) belongs to the winner from now on; when both were linked, the loser''s QuickBooks record counts for the winner as a second one. Returns the decision''s number (null when there was nothing to do) and what was done. SECURITY DEFINER: writes qbsync.decision and link';

/*
 * QuickBooks merged lost_id into kept_id.  For each mapping (family) in which lost_id is linked with a CRM record K:
 *
 *	repoint, kept not linked	K's link is re-pointed to kept_id.  base stays: what differs in kept_id counts as changed in
 *								QuickBooks, what the CRM changed since as changed there
 *	repoint, kept linked		with K2: lost_id becomes an alias of K2; K is no longer linked, and (kept_id, K) is shown in
 *								qbsync.duplicate so that people merge K into K2 in the CRM, too (then qbsync_merge(K, K2)) or reject it
 *	review, or ask				nothing changes; (kept_id, K) is shown in qbsync.duplicate, and a person links it, calls qbsync_merge or
 *								rejects it
 *
 * lost_id not linked: only its candidates go.  Aliases with lost_id are left alone, they count for their CRM record already.
 * Called again for the same merge it finds nothing to do.  What it does is written down as a decision, so that it can be
 * undone like one of people.  Returns the number of links changed.
 */
CREATE FUNCTION qbsync.note_merge(connection_id integer, entity text, lost_id text, kept_id text, ask boolean DEFAULT false)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	its qbsync.link;
	kept qbsync.link;
	m qbsync.mapping;
	n integer := 0;
BEGIN
	DELETE FROM qbsync.match_candidate c
	WHERE c.connection_id = note_merge.connection_id AND c.entity = note_merge.entity AND c.id = note_merge.lost_id;
	FOR its IN
		SELECT l.* FROM qbsync.link l
		WHERE l.connection_id = note_merge.connection_id AND l.entity = note_merge.entity AND l.id = note_merge.lost_id AND l.state <> 'alias'
		ORDER BY l.family FOR UPDATE
	LOOP
		SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = its.mapping_id FOR KEY SHARE;
		SELECT l.* INTO kept FROM qbsync.link l
		WHERE l.connection_id = its.connection_id AND l.entity = its.entity AND l.id = note_merge.kept_id AND l.family = its.family FOR UPDATE;
		IF kept.crm_key = its.crm_key AND kept.mapping_id = its.mapping_id THEN
			-- kept was an alias of this very CRM record: they change places
			DELETE FROM qbsync.link l WHERE l.connection_id = kept.connection_id AND l.entity = kept.entity AND l.id = kept.id AND l.family = kept.family;
		ELSIF qbsync.effective_policies(m.mapping_id) ->> 'on_qbo_merge' = 'review' OR note_merge.ask OR kept.mapping_id <> its.mapping_id THEN
			PERFORM qbsync.note_decision(m, its.id, its.crm_key, 'merge',
				jsonb_build_object('by', 'quickbooks', 'kept_id', note_merge.kept_id, 'ask', true, 'touched', '[]'::jsonb), NULL)
			WHERE NOT EXISTS (SELECT FROM qbsync.decision d
							  WHERE d.mapping_id = m.mapping_id AND d.id = its.id AND d.kind = 'merge' AND d.undone_at IS NULL
								AND d.arguments ->> 'kept_id' = note_merge.kept_id);
			CONTINUE;
		END IF;
		IF kept.id IS NULL OR kept.crm_key = its.crm_key THEN
			UPDATE qbsync.link l SET id = note_merge.kept_id, origin = 'merge', linked_at = now(), linked_by = NULL
			WHERE l.connection_id = its.connection_id AND l.entity = its.entity AND l.id = its.id AND l.family = its.family;
		ELSE
			UPDATE qbsync.link l SET crm_key = kept.crm_key, state = 'alias', origin = 'merge', linked_at = now(), linked_by = NULL,
				base = NULL, crm_base = NULL, unagreed = NULL
			WHERE l.connection_id = its.connection_id AND l.entity = its.entity AND l.id = its.id AND l.family = its.family;
		END IF;
		DELETE FROM qbsync.conflict c WHERE c.mapping_id = m.mapping_id AND c.id = its.id;
		DELETE FROM qbsync.crm_error e WHERE e.mapping_id = m.mapping_id AND e.id = its.id;
		-- people were asked while it was not certain
		UPDATE qbsync.decision d SET undone_at = clock_timestamp(), undone_by = session_user
		WHERE d.mapping_id = m.mapping_id AND d.id = its.id AND d.kind = 'merge' AND d.undone_at IS NULL
		  AND d.arguments -> 'ask' = 'true' AND d.arguments ->> 'by' = 'quickbooks' AND d.arguments ->> 'kept_id' = note_merge.kept_id;
		PERFORM qbsync.note_decision(m, its.id, its.crm_key, 'merge',
			jsonb_build_object('by', 'quickbooks', 'winner', coalesce(kept.crm_key, its.crm_key), 'kept_id', note_merge.kept_id,
				'ask', CASE WHEN kept.crm_key <> its.crm_key THEN true END,
				'touched', CASE WHEN kept.id IS NULL OR kept.crm_key = its.crm_key THEN jsonb_build_array(note_merge.kept_id)
								ELSE jsonb_build_array(its.id) END,
				'more_before', CASE WHEN kept.crm_key = its.crm_key THEN jsonb_build_array(to_jsonb(kept)) END), its);
		PERFORM qbsync.release_waiting(its.connection_id, ARRAY[its.entity || ':' || note_merge.kept_id]);
		PERFORM qbsync.look_again(m, note_merge.kept_id);
		n := n + 1;
	END LOOP;
	RETURN n;
END
$fn$;
COMMENT ON FUNCTION qbsync.note_merge(integer, text, text, text, boolean) IS 'QuickBooks merged lost_id into kept_id: links follow, by policy on_qbo_merge; ask: it is not certain, a person decides; returns how many changed';
