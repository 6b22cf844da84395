/*
 * A CRM record whose key changes stays what it is: its link, what is on its way and what people decided go on under its new key.
 * Otherwise it would be one that is gone, and another that QuickBooks does not have: it would be made there once more.
 *
 * Told by captures of the table that has a row for each record: which row had which key before.  From there to the key that it has
 * now is a path; it ends at a key that the view shows, or where nothing is known of a change.  Only what is beyond doubt is moved: a
 * record whose old key is shown no more, or is another's now, to a key that no record has which is linked or on its way, or that
 * has left it in the same way (so keys may be exchanged).  What the rest of it means is for the comparison to find out.
 */
CREATE FUNCTION qbsync.moved_keys(mapping_id integer, was text[], became text[], shown text[], OUT first text[], OUT last text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	n integer;
BEGIN
	WITH RECURSIVE edge AS (
		SELECT u.was COLLATE "C" AS was, min(u.became COLLATE "C") AS became FROM unnest(moved_keys.was, moved_keys.became) u(was, became)
		GROUP BY 1 HAVING count(DISTINCT u.became) = 1
	), path AS (
		SELECT e.was AS first, e.became AS last FROM edge e
		WHERE EXISTS (SELECT FROM qbsync.link l WHERE l.mapping_id = moved_keys.mapping_id AND l.crm_key = e.was)
		   OR EXISTS (SELECT FROM qbsync.request r WHERE r.mapping_id = moved_keys.mapping_id AND r.crm_key = e.was)
		   OR EXISTS (SELECT FROM qbsync.outgoing o WHERE o.mapping_id = moved_keys.mapping_id AND o.crm_key = e.was)
		UNION ALL
		SELECT p.first, e.became FROM path p JOIN edge e ON e.was = p.last WHERE p.last <> ALL (moved_keys.shown)
	) CYCLE last SET again USING visited
	SELECT array_agg(p.first), array_agg(p.last) INTO moved_keys.first, moved_keys.last
	FROM path p
	WHERE NOT p.again AND p.first <> p.last AND (p.last = ANY (moved_keys.shown) OR NOT EXISTS (SELECT FROM edge e WHERE e.was = p.last));

	-- what one record cannot do keeps others from what depends on it
	LOOP
		n := cardinality(moved_keys.first);
		EXIT WHEN n IS NULL;
		SELECT array_agg(m.first), array_agg(m.last) INTO moved_keys.first, moved_keys.last
		FROM (SELECT u.first, u.last, count(*) OVER (PARTITION BY u.last) AS claims FROM unnest(moved_keys.first, moved_keys.last) u(first, last)) m
		WHERE m.claims = 1 AND (m.first <> ALL (moved_keys.shown) OR m.first = ANY (moved_keys.last))
		  AND (m.last = ANY (moved_keys.first)
			   OR NOT EXISTS (SELECT FROM qbsync.link l WHERE l.mapping_id = moved_keys.mapping_id AND l.crm_key = m.last)
			   AND NOT EXISTS (SELECT FROM qbsync.request r WHERE r.mapping_id = moved_keys.mapping_id AND r.crm_key = m.last AND r.state IN ('sent', 'check')));
		EXIT WHEN cardinality(moved_keys.first) = n;
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.moved_keys(integer, text[], text[], text[]) IS 'Which records of a mapping have which keys now (parallel lists first, last; null: none), from changes of rows'' keys (was, became) and those of these keys that the view shows';

/*
 * First away from the old keys, then to the new ones, so that keys may be exchanged; what is left at a new key is of nobody.  A key
 * that was left may be given to another record: should that be created, it is another creation than what was made under this key.
 */
CREATE FUNCTION qbsync.move_keys(mapping_id integer, was text[], became text[], shown text[])
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	moves record := qbsync.moved_keys(move_keys.mapping_id, move_keys.was, move_keys.became, move_keys.shown);
	-- no key has this before it
	away constant text := E'\x01qbsync ';
	t text;
BEGIN
	IF moves.first IS NULL THEN
		RETURN 0;
	END IF;
	PERFORM qbsync.next_generation(r.mapping_id, r.crm_key) FROM qbsync.request r
	WHERE r.mapping_id = move_keys.mapping_id AND r.crm_key = ANY (moves.first) AND r.operation = 'create';
	-- whoever asked for a record under its new key has asked for it
	UPDATE qbsync.outgoing o SET asked = true, lane = n.lane, asked_by = n.asked_by, asked_at = n.asked_at
	FROM unnest(moves.first, moves.last) u(first, last)
	JOIN qbsync.outgoing n ON n.mapping_id = move_keys.mapping_id AND n.crm_key = u.last AND n.asked
	WHERE o.mapping_id = move_keys.mapping_id AND o.crm_key = u.first AND NOT o.asked;
	FOREACH t IN ARRAY '{link,request,outgoing,send_error,crm_error,match_candidate,conflict,decision,history,activity}'::text[] LOOP
		EXECUTE format('UPDATE qbsync.%1$I t SET crm_key = $4 || u.last FROM unnest($2, $3) u(first, last) WHERE t.mapping_id = $1 AND t.crm_key = u.first%2$s',
			t, CASE t WHEN 'crm_error' THEN ' AND t.watch_id = 0' ELSE '' END) USING move_keys.mapping_id, moves.first, moves.last, away;
		IF t IN ('request', 'outgoing', 'send_error', 'match_candidate', 'crm_error') THEN
			EXECUTE format('DELETE FROM qbsync.%1$I t WHERE t.mapping_id = $1 AND t.crm_key = ANY ($2)%2$s', t,
				CASE t WHEN 'crm_error' THEN ' AND t.watch_id = 0'
					WHEN 'outgoing' THEN ' AND EXISTS (SELECT FROM qbsync.outgoing a WHERE a.mapping_id = $1 AND a.crm_key = $3 || t.crm_key)' ELSE '' END)
				USING move_keys.mapping_id, moves.last, away;
		END IF;
		EXECUTE format('UPDATE qbsync.%1$I t SET crm_key = u.last FROM unnest($2) u(last) WHERE t.mapping_id = $1 AND t.crm_key = $3 || u.last', t)
			USING move_keys.mapping_id, moves.last, away;
	END LOOP;
	UPDATE qbsync.decision d SET link_before = jsonb_set(d.link_before, '{crm_key}', to_jsonb(u.last))
	FROM unnest(moves.first, moves.last) u(first, last)
	WHERE d.mapping_id = move_keys.mapping_id AND d.crm_key = u.last AND d.link_before ->> 'crm_key' = u.first;
	INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail)
	SELECT l.connection_id, l.mapping_id, l.entity, l.id, l.crm_key, 'rekeyed', jsonb_build_object('was', u.first)
	FROM unnest(moves.first, moves.last) u(first, last)
	JOIN qbsync.link l ON l.mapping_id = move_keys.mapping_id AND l.crm_key = u.last AND l.state <> 'alias';
	RETURN cardinality(moves.first);
END
$fn$;
COMMENT ON FUNCTION qbsync.move_keys(integer, text[], text[], text[]) IS 'What is known of CRM records goes on under the keys that they have now (see qbsync.moved_keys); how many they are. While common/crm_keys.c keeps others from going by keys';
