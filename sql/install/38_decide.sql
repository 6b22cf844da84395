/*
 * People's decisions about which CRM record is which QuickBooks record.
 *
 * A decision is a row of qbsync.decision that stays: whatever is looked at later is looked at with it, so that nothing is
 * asked twice, and names may change.  What can be done here is done here (rows of qbsync.link); what touches the CRM's rows
 * is left to the apply worker, which an arrival tells of.  None of these functions reads a view of the CRM: they run as
 * the extension's owner, and the CRM's code must not.
 *
 * arguments of a decision, beside what its kind says: touched: ids whose links it made, changed or removed;
 * more_before: their rows of qbsync.link before, where link_before does not hold them all; of: the decision it is a part of
 * (what was to become of an unlinked record).  qbsync_undo lives on these.
 *
 * SECURITY DEFINER for the same reason as in 31_connect.sql; EXECUTE is granted in 50_privileges.sql.
 */

/* What was decided before a record was linked, unlinked or merged, in any mapping of its family, was carried out or is over. */
CREATE VIEW qbsync.standing_decision AS
SELECT d.mapping_id, d.id, d.kind, d.decision_id, d.decided_at, d.decided_by
FROM (SELECT DISTINCT ON (k.mapping_id, k.id) k.*
	  FROM qbsync.decision k
	  WHERE k.undone_at IS NULL AND k.kind IN ('create', 'hold', 'ignore') AND qbsync.may_see(k.entity)
	  ORDER BY k.mapping_id, k.id, k.decision_id DESC) d
JOIN qbsync.mapping m ON m.mapping_id = d.mapping_id
WHERE NOT EXISTS (SELECT FROM qbsync.mapping o
				  JOIN qbsync.decision n ON n.mapping_id = o.mapping_id
				  WHERE o.connection_id = m.connection_id AND o.entity = m.entity AND o.family = m.family AND n.id = d.id
					AND n.undone_at IS NULL AND n.kind IN ('link', 'unlink', 'merge') AND n.decision_id > d.decision_id);
COMMENT ON VIEW qbsync.standing_decision IS 'What was last decided about a QuickBooks record, unless it was linked, unlinked or merged by decision since; counts while it is not linked';
COMMENT ON COLUMN qbsync.standing_decision.kind IS 'create, hold or ignore';

CREATE VIEW qbsync.rejected_pair AS
SELECT DISTINCT ON (d.mapping_id, d.id, d.crm_key) d.mapping_id, d.id, d.crm_key, d.kind, d.decision_id, d.decided_at, d.decided_by
FROM qbsync.decision d
WHERE d.undone_at IS NULL AND d.kind IN ('reject', 'unlink') AND qbsync.may_see(d.entity)
ORDER BY d.mapping_id, d.id, d.crm_key, d.decision_id DESC;
COMMENT ON VIEW qbsync.rejected_pair IS 'Pairs of which a person said that they are not the same; never linked by a rule and never proposed again';

/*
 * What a person is asked about: candidates of records that are not linked and not decided about; and what QuickBooks merged
 * (qbsync.note_merge), until a person has decided anything about that CRM record.
 */
CREATE VIEW qbsync.open_candidate AS
SELECT c.mapping_id, c.connection_id, c.entity, c.id, c.crm_key, c.score, c.reasons, c.crm_row, c.found_at, NULL::text COLLATE "C" AS linked_key
FROM qbsync.match_candidate c
JOIN qbsync.mapping m ON m.mapping_id = c.mapping_id
LEFT JOIN qbsync.link l ON l.connection_id = c.connection_id AND l.entity = c.entity AND l.id = c.id AND l.family = m.family
WHERE l.id IS NULL AND qbsync.may_see(c.entity)
  AND NOT EXISTS (SELECT FROM qbsync.standing_decision s WHERE s.mapping_id = c.mapping_id AND s.id = c.id)
  AND NOT EXISTS (SELECT FROM qbsync.rejected_pair j WHERE j.mapping_id = c.mapping_id AND j.id = c.id AND j.crm_key = c.crm_key)
UNION ALL
SELECT d.mapping_id, d.connection_id, d.entity, (d.arguments ->> 'kept_id') COLLATE "C", d.crm_key, 1::real,
	ARRAY[CASE WHEN d.arguments ? 'made' THEN 'made in QuickBooks from it' ELSE 'merged in QuickBooks' END], NULL::jsonb, d.decided_at, l.crm_key
FROM qbsync.decision d
JOIN qbsync.mapping m ON m.mapping_id = d.mapping_id
LEFT JOIN qbsync.link l ON l.connection_id = d.connection_id AND l.entity = d.entity AND l.id = d.arguments ->> 'kept_id' AND l.family = m.family
WHERE d.kind = 'merge' AND d.undone_at IS NULL AND d.arguments -> 'ask' = 'true'::jsonb AND qbsync.may_see(d.entity)
  AND NOT EXISTS (SELECT FROM qbsync.decision k
				  WHERE k.mapping_id = d.mapping_id AND k.crm_key = d.crm_key AND k.decision_id > d.decision_id AND k.undone_at IS NULL
					AND k.arguments -> 'by' IS NULL);
COMMENT ON VIEW qbsync.open_candidate IS 'Candidates that wait for a person, see qbsync.duplicate';
COMMENT ON COLUMN qbsync.open_candidate.linked_key IS 'CRM record that the QuickBooks record is linked with already (after a merge in QuickBooks)';

CREATE FUNCTION qbsync.held_mapping(name text)
RETURNS qbsync.mapping
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
BEGIN
	-- Held against qbsync_unmap only: the worker's marks on the row (sweep, problem) do not wait for us.
	SELECT k.* INTO m FROM qbsync.mapping k WHERE k.mapping_id = qbsync.the_mapping(held_mapping.name) FOR KEY SHARE;
	IF NOT FOUND THEN
		-- taken away while we waited: said as if it had been before
		RETURN qbsync.held_mapping(held_mapping.name);
	END IF;
	RETURN m;
END
$fn$;
COMMENT ON FUNCTION qbsync.held_mapping(text) IS 'The mapping of a name, the only one when null, kept from being removed until the transaction ends';

CREATE FUNCTION qbsync.require_word(what text, word text, VARIADIC words text[])
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF require_word.word IS NULL OR require_word.word <> ALL (require_word.words) THEN
		RAISE EXCEPTION '% is not valid: %', require_word.what, CASE WHEN require_word.word IS NULL THEN 'null' ELSE format('"%s"', require_word.word) END
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = format('It is one of: %s.', array_to_string(require_word.words, ', '));
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.require_word(text, text, text[]) IS 'Raises an error unless an argument is one of some words';

CREATE FUNCTION qbsync.require_value(what text, value text, hint text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF coalesce(require_value.value, '') = '' THEN
		RAISE EXCEPTION '% is missing', require_value.what USING ERRCODE = 'invalid_parameter_value', HINT = require_value.hint;
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.require_value(text, text, text) IS 'Raises an error when an argument is null or empty';

/* The record must be known; to be linked it must also be alive. */
CREATE FUNCTION qbsync.require_record(m qbsync.mapping, record_id text, alive boolean)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	gone_at timestamptz;
BEGIN
	PERFORM qbsync.require_value('id', require_record.record_id, 'Give QuickBooks'' id: the column id of qbsync.duplicate and qbsync.unlinked.');
	SELECT r.deleted_at INTO gone_at FROM qbsync.record r
	WHERE r.connection_id = require_record.m.connection_id AND r.entity = require_record.m.entity AND r.id = require_record.record_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION '% "%" is not known', require_record.m.entity, require_record.record_id
			USING ERRCODE = 'undefined_object', DETAIL = format('Mapping "%s" takes records of qbsync.%I.', require_record.m.name, require_record.m.entity),
				  HINT = 'Give QuickBooks'' id: the column id of qbsync.duplicate and qbsync.unlinked.';
	ELSIF gone_at IS NOT NULL AND require_record.alive THEN
		RAISE EXCEPTION '% "%" is no longer in QuickBooks', require_record.m.entity, require_record.record_id
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('It was deleted there, or found to be, at %s.', gone_at);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.require_record(qbsync.mapping, text, boolean) IS 'Raises an error unless the mirror has the record, and alive if that is asked';

/* An enabled mapping's worker looks at these records again; others are swept when they are enabled. */
CREATE FUNCTION qbsync.look_again(m qbsync.mapping, VARIADIC ids text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF look_again.m.state = 'enabled' THEN
		INSERT INTO qbsync.arrival (mapping_id, id)
		SELECT look_again.m.mapping_id, i.id FROM unnest(look_again.ids) AS i(id) WHERE i.id IS NOT NULL;
		-- what was not sent because QuickBooks may have it already: has it?
		UPDATE qbsync.outgoing o SET next_attempt_at = clock_timestamp() FROM qbsync.send_error e
		WHERE o.mapping_id = look_again.m.mapping_id AND e.mapping_id = o.mapping_id AND e.crm_key = o.crm_key AND e.problem = 'send_may_exist';
	END IF;
	PERFORM qbsync.wake();
END
$fn$;
COMMENT ON FUNCTION qbsync.look_again(qbsync.mapping, text[]) IS 'Lets the apply worker of a mapping look at records anew';

/* What waits for a person about these records is answered; what could not be done with them is tried anew. */
CREATE FUNCTION qbsync.forget_questions(m qbsync.mapping, VARIADIC ids text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	DELETE FROM qbsync.match_candidate c WHERE c.mapping_id = m.mapping_id AND c.id = ANY (ids);
	DELETE FROM qbsync.conflict c WHERE c.mapping_id = m.mapping_id AND c.id = ANY (ids);
	DELETE FROM qbsync.crm_error e WHERE e.mapping_id = m.mapping_id AND e.id = ANY (ids);
$fn$;
COMMENT ON FUNCTION qbsync.forget_questions(qbsync.mapping, text[]) IS 'Removes candidates, conflicts and errors of records, before they are looked at again';

/* Writes a decision down, with its entry in the timeline. */
CREATE FUNCTION qbsync.note_decision(m qbsync.mapping, record_id text, its_key text, what text, details jsonb, before qbsync.link)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	number bigint;
BEGIN
	INSERT INTO qbsync.decision (mapping_id, connection_id, entity, id, crm_key, kind, arguments, link_before)
	VALUES (note_decision.m.mapping_id, note_decision.m.connection_id, note_decision.m.entity, note_decision.record_id,
			note_decision.its_key, note_decision.what, jsonb_strip_nulls(coalesce(note_decision.details, '{}')),
			CASE WHEN note_decision.before.id IS NOT NULL THEN to_jsonb(note_decision.before) END)
	RETURNING decision.decision_id INTO number;
	INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail, by)
	VALUES (note_decision.m.connection_id, note_decision.m.mapping_id, note_decision.m.entity, note_decision.record_id,
			note_decision.its_key,
			CASE note_decision.what WHEN 'link' THEN 'linked' WHEN 'unlink' THEN 'unlinked' WHEN 'merge' THEN 'merged'
				WHEN 'resolve' THEN 'resolved' ELSE 'decided' END,
			jsonb_build_object('decision', number, 'kind', note_decision.what)
				|| jsonb_strip_nulls(jsonb_build_object('then', note_decision.details -> 'then', 'winner', note_decision.details -> 'winner',
					'unit', note_decision.details -> 'unit', 'take', note_decision.details -> 'take', 'by', note_decision.details -> 'by')),
			CASE WHEN note_decision.details ->> 'by' IS NULL THEN session_user END);
	RETURN number;
END
$fn$;
COMMENT ON FUNCTION qbsync.note_decision(qbsync.mapping, text, text, text, jsonb, qbsync.link) IS 'Writes a decision and its activity down; returns its number';

/* Payments wait for their invoice, invoices for their customer: called when something was linked. */
CREATE FUNCTION qbsync.release_waiting(connection_id integer, refs text[])
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	n bigint;
BEGIN
	UPDATE qbsync.crm_error e SET next_attempt_at = now()
	WHERE e.connection_id = release_waiting.connection_id AND e.waits_for && release_waiting.refs AND e.next_attempt_at > now();
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n > 0 THEN
		PERFORM qbsync.wake();
	END IF;
	RETURN n;
END
$fn$;
COMMENT ON FUNCTION qbsync.release_waiting(integer, text[]) IS 'What waits for one of these records (entity:id) is tried at once; returns how many did';

CREATE FUNCTION qbsync.refuse_link(m qbsync.mapping, l qbsync.link)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RAISE EXCEPTION '% "%" is linked with "%" already', refuse_link.l.entity, refuse_link.l.id, refuse_link.l.crm_key
		USING ERRCODE = 'object_not_in_prerequisite_state',
			  DETAIL = format('The link is in mapping "%s", since %s.',
							  (SELECT k.name FROM qbsync.mapping k WHERE k.mapping_id = refuse_link.l.mapping_id), refuse_link.l.linked_at),
			  HINT = format('SELECT qbsync_unlink(%L, mapping => %L) first, or qbsync_merge when two CRM records were merged.', refuse_link.l.crm_key,
							(SELECT k.name FROM qbsync.mapping k WHERE k.mapping_id = refuse_link.l.mapping_id));
END
$fn$;
COMMENT ON FUNCTION qbsync.refuse_link(qbsync.mapping, qbsync.link) IS 'Raises the error that something is linked already';

/*
 * Link a pair.  A link in the way is refused, unless it leads nowhere: its CRM record is gone (crm_missing), it is a mere
 * alias, or its QuickBooks record was deleted there or merged into another.  Nothing was agreed on yet, so the worker
 * fills what is empty and reports what differs.
 */
CREATE FUNCTION qbsync.link_pair(m qbsync.mapping, record_id text, its_key text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	its qbsync.link;
	other qbsync.link;
	number bigint;
BEGIN
	PERFORM qbsync.require_record(link_pair.m, link_pair.record_id, true);
	SELECT l.* INTO its FROM qbsync.link l
	WHERE l.connection_id = link_pair.m.connection_id AND l.entity = link_pair.m.entity AND l.id = link_pair.record_id
	  AND l.family = link_pair.m.family FOR UPDATE;
	SELECT l.* INTO other FROM qbsync.link l
	WHERE l.mapping_id = link_pair.m.mapping_id AND l.crm_key = link_pair.its_key AND l.state <> 'alias' AND l.id <> link_pair.record_id
	FOR UPDATE;
	IF its.state = 'linked' THEN
		IF its.mapping_id = link_pair.m.mapping_id AND its.crm_key = link_pair.its_key THEN
			RETURN NULL;
		END IF;
		PERFORM qbsync.refuse_link(link_pair.m, its);
	ELSIF other.id IS NOT NULL AND EXISTS (
		SELECT FROM qbsync.record r
		WHERE r.connection_id = other.connection_id AND r.entity = other.entity AND r.id = other.id AND r.deleted_at IS NULL) THEN
		PERFORM qbsync.refuse_link(link_pair.m, other);
	END IF;

	DELETE FROM qbsync.link l
	WHERE l.connection_id = link_pair.m.connection_id AND l.entity = link_pair.m.entity AND l.id IN (its.id, other.id)
	  AND l.family = link_pair.m.family;
	PERFORM qbsync.forget_questions(link_pair.m, link_pair.record_id, other.id);
	-- the CRM record is taken: it is no candidate for others any more
	DELETE FROM qbsync.match_candidate c WHERE c.mapping_id = link_pair.m.mapping_id AND c.crm_key = link_pair.its_key;
	BEGIN
		INSERT INTO qbsync.link (connection_id, entity, id, family, mapping_id, crm_key, origin, linked_by)
		VALUES (link_pair.m.connection_id, link_pair.m.entity, link_pair.record_id, link_pair.m.family, link_pair.m.mapping_id,
				link_pair.its_key, 'decision', session_user);
	EXCEPTION
		-- somebody else linked one of the two at the same moment
		WHEN unique_violation THEN
			SELECT l.* INTO its FROM qbsync.link l
			WHERE l.connection_id = link_pair.m.connection_id AND l.entity = link_pair.m.entity AND l.family = link_pair.m.family
			  AND (l.id = link_pair.record_id OR l.mapping_id = link_pair.m.mapping_id AND l.crm_key = link_pair.its_key)
			ORDER BY l.id = link_pair.record_id DESC LIMIT 1;
			IF its.id IS NULL THEN
				RAISE;
			ELSIF its.id = link_pair.record_id AND its.mapping_id = link_pair.m.mapping_id AND its.crm_key = link_pair.its_key THEN
				RETURN NULL;
			END IF;
			PERFORM qbsync.refuse_link(link_pair.m, its);
	END;
	number := qbsync.note_decision(link_pair.m, link_pair.record_id, link_pair.its_key, 'link',
		jsonb_build_object('touched', to_jsonb(array_remove(ARRAY[link_pair.record_id, other.id], NULL)),
						   'more_before', CASE WHEN its.id IS NOT NULL AND other.id IS NOT NULL THEN jsonb_build_array(to_jsonb(other)) END),
		CASE WHEN its.id IS NOT NULL THEN its ELSE other END);
	-- it is there: it is not to be created any more, and what waits for it goes on
	DELETE FROM qbsync.request r
	WHERE r.mapping_id = link_pair.m.mapping_id AND r.crm_key = link_pair.its_key AND r.operation = 'create' AND r.state IN ('ready', 'stale', 'refused');
	DELETE FROM qbsync.send_error e WHERE e.mapping_id = link_pair.m.mapping_id AND e.crm_key = link_pair.its_key AND e.id IS NULL;
	DELETE FROM qbsync.outgoing o WHERE o.mapping_id = link_pair.m.mapping_id AND o.crm_key = link_pair.its_key;
	PERFORM qbsync.release_sends(link_pair.m.mapping_id, ARRAY[link_pair.its_key]);
	PERFORM qbsync.release_waiting(link_pair.m.connection_id, ARRAY[link_pair.m.entity || ':' || link_pair.record_id]);
	PERFORM qbsync.look_again(link_pair.m, link_pair.record_id);
	RETURN number;
END
$fn$;
COMMENT ON FUNCTION qbsync.link_pair(qbsync.mapping, text, text) IS 'Links a QuickBooks record with a CRM record by decision; returns the decision, null when they were linked';

/* create, hold or ignore; what is linked, or was decided so already, is left out.  part_of: the unlinking it belongs to. */
CREATE FUNCTION qbsync.decide_records(m qbsync.mapping, ids text[], what text, part_of bigint DEFAULT NULL)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	todo text[];
	numbers bigint[];
BEGIN
	SELECT coalesce(array_agg(DISTINCT i.id), '{}') INTO todo
	FROM unnest(decide_records.ids) AS i(id)
	WHERE NOT EXISTS (SELECT FROM qbsync.link l
					  WHERE l.connection_id = decide_records.m.connection_id AND l.entity = decide_records.m.entity AND l.id = i.id
						AND l.family = decide_records.m.family)
	  AND (decide_records.part_of IS NOT NULL
		   OR NOT EXISTS (SELECT FROM qbsync.standing_decision s
						  WHERE s.mapping_id = decide_records.m.mapping_id AND s.id = i.id AND s.kind = decide_records.what));
	WITH made AS (
		INSERT INTO qbsync.decision (mapping_id, connection_id, entity, id, kind, arguments)
		SELECT decide_records.m.mapping_id, decide_records.m.connection_id, decide_records.m.entity, t.id, decide_records.what,
			jsonb_strip_nulls(jsonb_build_object('touched', jsonb_build_array(t.id), 'of', decide_records.part_of))
		FROM unnest(todo) WITH ORDINALITY AS t(id, position) ORDER BY t.position
		RETURNING decision.decision_id, decision.id
	), told AS (
		INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, kind, detail, by)
		SELECT decide_records.m.connection_id, decide_records.m.mapping_id, decide_records.m.entity, n.id, 'decided',
			jsonb_build_object('decision', n.decision_id, 'kind', decide_records.what), session_user
		FROM made n WHERE decide_records.part_of IS NULL
	)
	SELECT coalesce(array_agg(n.decision_id), '{}') INTO numbers FROM made n;
	-- a person who decides later will want to see who it could be
	IF decide_records.what <> 'hold' THEN
		PERFORM qbsync.forget_questions(decide_records.m, VARIADIC todo);
	END IF;
	PERFORM qbsync.look_again(decide_records.m, VARIADIC todo);
	RETURN numbers;
END
$fn$;
COMMENT ON FUNCTION qbsync.decide_records(qbsync.mapping, text[], text, bigint) IS 'Decides create, hold or ignore for records that are not linked; returns the decisions made';

/* These pairs are not the same. */
CREATE FUNCTION qbsync.reject_pairs(m qbsync.mapping, ids text[], crm_keys text[])
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	numbers bigint[];
BEGIN
	WITH made AS (
		INSERT INTO qbsync.decision (mapping_id, connection_id, entity, id, crm_key, kind)
		SELECT reject_pairs.m.mapping_id, reject_pairs.m.connection_id, reject_pairs.m.entity, p.id, p.crm_key, 'reject'
		FROM unnest(reject_pairs.ids, reject_pairs.crm_keys) WITH ORDINALITY AS p(id, crm_key, position)
		WHERE NOT EXISTS (SELECT FROM qbsync.rejected_pair r
						  WHERE r.mapping_id = reject_pairs.m.mapping_id AND r.id = p.id AND r.crm_key = p.crm_key)
		ORDER BY p.position
		RETURNING decision.decision_id, decision.id, decision.crm_key
	), told AS (
		INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail, by)
		SELECT reject_pairs.m.connection_id, reject_pairs.m.mapping_id, reject_pairs.m.entity, n.id, n.crm_key, 'decided',
			jsonb_build_object('decision', n.decision_id, 'kind', 'reject'), session_user
		FROM made n
	)
	SELECT coalesce(array_agg(n.decision_id), '{}') INTO numbers FROM made n;
	DELETE FROM qbsync.match_candidate c USING unnest(reject_pairs.ids, reject_pairs.crm_keys) AS p(id, crm_key)
	WHERE c.mapping_id = reject_pairs.m.mapping_id AND c.id = p.id AND c.crm_key = p.crm_key;
	PERFORM qbsync.look_again(reject_pairs.m, VARIADIC ARRAY(SELECT DISTINCT i.id FROM unnest(reject_pairs.ids) AS i(id)));
	RETURN numbers;
END
$fn$;
COMMENT ON FUNCTION qbsync.reject_pairs(qbsync.mapping, text[], text[]) IS 'Remembers that pairs are not the same; returns the decisions made';

/* The only candidate of a record, for those who do not name it. */
CREATE FUNCTION qbsync.the_candidate(m qbsync.mapping, record_id text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	crm_keys text[];
BEGIN
	SELECT array_agg(c.crm_key ORDER BY c.score DESC, c.crm_key) INTO crm_keys
	FROM qbsync.match_candidate c WHERE c.mapping_id = the_candidate.m.mapping_id AND c.id = the_candidate.record_id;
	IF cardinality(crm_keys) = 1 THEN
		RETURN crm_keys[1];
	END IF;
	RAISE EXCEPTION 'crm_key is missing'
		USING ERRCODE = 'invalid_parameter_value',
			  DETAIL = CASE WHEN crm_keys IS NULL THEN format('There is no candidate for %s "%s".', the_candidate.m.entity, the_candidate.record_id)
						ELSE format('The candidates for %s "%s" are: %s.', the_candidate.m.entity, the_candidate.record_id, array_to_string(crm_keys, ', ')) END,
			  HINT = 'Give the CRM record''s key: crm_key => ''…''.';
END
$fn$;
COMMENT ON FUNCTION qbsync.the_candidate(qbsync.mapping, text) IS 'crm_key of the only candidate for a record; an error that lists them otherwise';

CREATE FUNCTION @extschema@.qbsync_resolve_match(
	id text DEFAULT NULL,
	decision text DEFAULT NULL,
	crm_key text DEFAULT NULL,
	mapping text DEFAULT NULL,
	OUT decision_id bigint, OUT done text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_resolve_match.mapping);
	what text := format('%s %s', m.entity, qbsync_resolve_match.id);
	its qbsync.link;
	its_key text := nullif(qbsync_resolve_match.crm_key, '');
BEGIN
	PERFORM qbsync.require_word('decision', qbsync_resolve_match.decision, 'link', 'create', 'reject', 'hold', 'ignore');
	PERFORM qbsync.require_record(m, qbsync_resolve_match.id, qbsync_resolve_match.decision IN ('link', 'create'));
	IF qbsync_resolve_match.decision = 'link' THEN
		its_key := coalesce(its_key, qbsync.the_candidate(m, qbsync_resolve_match.id));
		decision_id := qbsync.link_pair(m, qbsync_resolve_match.id, its_key);
		done := format('%s is linked with %s %s', what, m.crm_table, its_key);
		RETURN;
	END IF;
	SELECT l.* INTO its FROM qbsync.link l
	WHERE l.connection_id = m.connection_id AND l.entity = m.entity AND l.id = qbsync_resolve_match.id AND l.family = m.family;
	IF qbsync_resolve_match.decision = 'reject' THEN
		its_key := coalesce(its_key, qbsync.the_candidate(m, qbsync_resolve_match.id));
		IF its.mapping_id = m.mapping_id AND its.crm_key = its_key THEN
			PERFORM qbsync.refuse_link(m, its);
		END IF;
		decision_id := (qbsync.reject_pairs(m, ARRAY[qbsync_resolve_match.id], ARRAY[its_key]))[1];
		done := format('%s and %s %s are not the same', what, m.crm_table, its_key);
		RETURN;
	ELSIF its_key IS NOT NULL THEN
		RAISE EXCEPTION 'crm_key has no meaning with decision "%"', qbsync_resolve_match.decision
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave it out; it belongs to link and reject.';
	ELSIF its.id IS NOT NULL THEN
		PERFORM qbsync.refuse_link(m, its);
	END IF;
	decision_id := (qbsync.decide_records(m, ARRAY[qbsync_resolve_match.id], qbsync_resolve_match.decision))[1];
	done := CASE qbsync_resolve_match.decision
		WHEN 'create' THEN format('a record of %s is made of %s', m.crm_table, what)
		WHEN 'hold' THEN format('%s waits until a person decides', what)
		ELSE format('%s stays in QuickBooks alone', what) END;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_resolve_match(text, text, text, text) IS 'Decide about a QuickBooks record that is not linked: link (with crm_key, or its only candidate), create a CRM record of it, reject a candidate, hold it for later, ignore it. Returns the decision''s number (for qbsync_undo; null when it was so already) and what was done. SECURITY DEFINER: writes qbsync.decision and link';

/* Candidates carry their reasons in words; calls name them by the rule that found them. */
CREATE FUNCTION qbsync.reason_holds(reasons text[], reason text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN reason_holds.reason IS NULL THEN true
		WHEN reason_holds.reason IN ('id', 'tax_id', 'name_and_email', 'name_only', 'email_only') THEN reason_holds.reason = CASE
			WHEN 'same QuickBooks id' = ANY (reason_holds.reasons) THEN 'id'
			WHEN 'same tax number' = ANY (reason_holds.reasons) THEN 'tax_id'
			WHEN reason_holds.reasons && '{same name,same number}' AND reason_holds.reasons && '{same e-mail,same article number,same amount and date}' THEN 'name_and_email'
			WHEN reason_holds.reasons && '{same name,same number}' THEN 'name_only'
			WHEN reason_holds.reasons && '{same e-mail,same article number,same amount and date}' THEN 'email_only' END
		ELSE reason_holds.reason = ANY (reason_holds.reasons) END;
$fn$;
COMMENT ON FUNCTION qbsync.reason_holds(text[], text) IS 'Was a candidate found for this reason: a rule (name_only, email_only, …) or one of the words; null: any';

/* Which records a decision about many means. */
CREATE FUNCTION qbsync.meant_records(m qbsync.mapping, what text, why text, ids text[])
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	unknown text;
BEGIN
	IF meant_records.ids IS NOT NULL THEN
		SELECT string_agg(format('"%s"', i.id), ', ') INTO unknown
		FROM (SELECT j.id FROM unnest(meant_records.ids) AS j(id)
			  WHERE NOT EXISTS (SELECT FROM qbsync.record r WHERE r.connection_id = meant_records.m.connection_id
								AND r.entity = meant_records.m.entity AND r.id = j.id)
			  LIMIT 20) i;
		IF unknown IS NOT NULL THEN
			RAISE EXCEPTION '% % is not known', meant_records.m.entity, unknown
				USING ERRCODE = 'undefined_object', HINT = 'Give QuickBooks'' ids: the column id of qbsync.duplicate and qbsync.unlinked.';
		END IF;
		RETURN ARRAY(SELECT i.id FROM unnest(meant_records.ids) AS i(id)
					 WHERE meant_records.why IS NULL
						OR EXISTS (SELECT FROM qbsync.match_candidate c
								   WHERE c.mapping_id = meant_records.m.mapping_id AND c.id = i.id AND qbsync.reason_holds(c.reasons, meant_records.why)));
	ELSIF meant_records.why IS NOT NULL OR meant_records.what IN ('link', 'reject') THEN
		RETURN ARRAY(SELECT DISTINCT c.id FROM qbsync.match_candidate c
					 WHERE c.mapping_id = meant_records.m.mapping_id
					   AND qbsync.reason_holds(c.reasons, meant_records.why));
	END IF;
	-- without a reason: those that nothing resembles, so that nobody makes a duplicate by a short command
	RETURN ARRAY(SELECT u.id FROM qbsync.unlinked u
				 WHERE u.mapping_id = meant_records.m.mapping_id AND u.candidates = 0 AND u.decision IS NULL);
END
$fn$;
COMMENT ON FUNCTION qbsync.meant_records(qbsync.mapping, text, text, text[]) IS 'Ids of the records that qbsync_resolve_matches decides about';

CREATE FUNCTION @extschema@.qbsync_resolve_matches(
	decision text DEFAULT NULL,
	mapping text DEFAULT NULL,
	reason text DEFAULT NULL,
	ids text[] DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_resolve_matches.mapping);
	meant text[];
	pair record;
	n bigint := 0;
BEGIN
	PERFORM qbsync.require_word('decision', qbsync_resolve_matches.decision, 'link', 'create', 'reject', 'hold', 'ignore');
	meant := qbsync.meant_records(m, qbsync_resolve_matches.decision, qbsync_resolve_matches.reason, qbsync_resolve_matches.ids);
	IF qbsync_resolve_matches.decision = 'link' THEN
		-- Only where there is no choice: one candidate, which is nobody else's.
		FOR pair IN
			SELECT c.id, c.crm_key
			FROM qbsync.match_candidate c
			WHERE c.mapping_id = m.mapping_id AND c.id = ANY (meant)
			  AND NOT EXISTS (SELECT FROM qbsync.match_candidate o WHERE o.mapping_id = c.mapping_id AND o.id = c.id AND o.crm_key <> c.crm_key)
			  AND NOT EXISTS (SELECT FROM qbsync.match_candidate o WHERE o.mapping_id = c.mapping_id AND o.crm_key = c.crm_key AND o.id <> c.id)
			  AND NOT EXISTS (SELECT FROM qbsync.link l WHERE l.mapping_id = c.mapping_id AND l.crm_key = c.crm_key AND l.state <> 'alias')
			  AND NOT EXISTS (SELECT FROM qbsync.link l WHERE l.connection_id = c.connection_id AND l.entity = c.entity AND l.id = c.id AND l.family = m.family)
			  AND EXISTS (SELECT FROM qbsync.record r WHERE r.connection_id = c.connection_id AND r.entity = c.entity AND r.id = c.id AND r.deleted_at IS NULL)
			ORDER BY c.id
		LOOP
			n := n + (qbsync.link_pair(m, pair.id, pair.crm_key) IS NOT NULL)::integer;
		END LOOP;
		RETURN n;
	ELSIF qbsync_resolve_matches.decision = 'reject' THEN
		RETURN (SELECT cardinality(qbsync.reject_pairs(m, array_agg(c.id ORDER BY c.id, c.crm_key), array_agg(c.crm_key ORDER BY c.id, c.crm_key)))
				FROM qbsync.match_candidate c
				WHERE c.mapping_id = m.mapping_id AND c.id = ANY (meant)
				  AND qbsync.reason_holds(c.reasons, qbsync_resolve_matches.reason));
	END IF;
	RETURN cardinality(qbsync.decide_records(m, meant, qbsync_resolve_matches.decision));
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_resolve_matches(text, text, text, text[]) IS 'Decide about many records at once: those of ids, or those with candidates for a reason (such as email_only); without either, link and reject mean all candidates, the others all unlinked records that nothing resembles. link leaves out what has several candidates. Returns how many were decided. SECURITY DEFINER: writes qbsync.decision and link';

CREATE FUNCTION @extschema@.qbsync_link(
	crm_key text DEFAULT NULL,
	id text DEFAULT NULL,
	mapping text DEFAULT NULL,
	OUT decision_id bigint, OUT done text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_link.mapping);
BEGIN
	PERFORM qbsync.require_value('crm_key', qbsync_link.crm_key, 'Give the CRM record''s key as text.');
	decision_id := qbsync.link_pair(m, qbsync_link.id, qbsync_link.crm_key);
	done := format('%s %s is linked with %s %s', m.entity, qbsync_link.id, m.crm_table, qbsync_link.crm_key);
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_link(text, text, text) IS 'Link a CRM record (its key) with a QuickBooks record (its id). Returns the decision''s number (null when they were linked) and what was done. SECURITY DEFINER: writes qbsync.decision and link';

CREATE FUNCTION @extschema@.qbsync_unlink(
	crm_key text DEFAULT NULL,
	mapping text DEFAULT NULL,
	"then" text DEFAULT 'hold',
	OUT decision_id bigint, OUT done text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_unlink.mapping);
	its qbsync.link;
	number bigint;
	names text[] := '{}';
BEGIN
	PERFORM qbsync.require_value('crm_key', qbsync_unlink.crm_key, 'Give the CRM record''s key as text: the column crm_key of qbsync.matched.');
	PERFORM qbsync.require_word('then', qbsync_unlink."then", 'hold', 'create', 'ignore');
	-- its aliases have nothing to be an alias of any more
	FOR its IN
		WITH gone AS (
			DELETE FROM qbsync.link l WHERE l.mapping_id = m.mapping_id AND l.crm_key = qbsync_unlink.crm_key RETURNING l.*
		)
		SELECT g.* FROM gone g ORDER BY g.state = 'alias', g.id
	LOOP
		PERFORM qbsync.forget_questions(m, its.id);
		number := qbsync.note_decision(m, its.id, qbsync_unlink.crm_key, 'unlink',
			jsonb_build_object('then', qbsync_unlink."then", 'touched', jsonb_build_array(its.id)), its);
		decision_id := coalesce(decision_id, number);
		names := names || format('%s %s', its.entity, its.id);
		PERFORM qbsync.decide_records(m, ARRAY[its.id], qbsync_unlink."then", number);
		PERFORM qbsync.next_generation(m.mapping_id, its.crm_key);
		-- what is on its way already arrives
		DELETE FROM qbsync.request r WHERE r.mapping_id = m.mapping_id AND r.crm_key = its.crm_key AND r.state IN ('ready', 'stale', 'refused');
		DELETE FROM qbsync.send_error e WHERE e.mapping_id = m.mapping_id AND e.crm_key = its.crm_key;
	END LOOP;
	IF cardinality(names) = 0 THEN
		RAISE EXCEPTION '% "%" is not linked', m.crm_table, qbsync_unlink.crm_key
			USING ERRCODE = 'undefined_object', DETAIL = format('Mapping "%s" has no link with this key.', m.name), HINT = 'See qbsync.matched.';
	END IF;
	done := format('%s and %s %s are no longer linked', array_to_string(names, ', '), m.crm_table, qbsync_unlink.crm_key)
		|| CASE qbsync_unlink."then" WHEN 'create' THEN '; a new CRM record is made' WHEN 'ignore' THEN '; it stays in QuickBooks alone'
			ELSE '; it waits until a person decides' END;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_unlink(text, text, text) IS 'Undo a link that is wrong: the pair is never linked or proposed again, and for the QuickBooks record a person decides later (hold), a CRM record is made (create), or nothing (ignore). Neither side''s data changes. Returns the decision''s number and what was done. SECURITY DEFINER: writes qbsync.decision and link';
