/*
 * The statements of a mapping, continued: what of the CRM is to be written to QuickBooks becomes rows of qbsync.request, or of
 * qbsync.send_error where it cannot go as it is.  Run by apply workers, in the transaction that decided about the records.
 *
 * Only contacts go out so far; documents have places of their own.
 */

/* Judged by what was declared: a view that is being made anew has no columns for a moment. */
CREATE FUNCTION qbsync.may_send(mapping_id integer)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT m.entity = 'customer' AND EXISTS (
		SELECT FROM unnest(m.columns) n(name)
		LEFT JOIN qbsync.catalogue_columns(m.entity) k ON k."column" = n.name
		WHERE coalesce(k.writable, n.name LIKE '%\_key') AND coalesce(p.per_column -> n.name ->> 'direction', p.direction) <> 'pull')
	FROM qbsync.mapping m
	CROSS JOIN LATERAL (SELECT qbsync.mapping_direction(m.mapping_id) AS direction, qbsync.column_policies(m.mapping_id) AS per_column OFFSET 0) p
	WHERE m.mapping_id = may_send.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.may_send(integer) IS 'May anything of a mapping''s records go to QuickBooks, of whatever column?';

CREATE FUNCTION qbsync.may_create(mapping_id integer)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.mapping_direction(may_create.mapping_id) <> 'pull' AND qbsync.may_send(may_create.mapping_id);
$fn$;
COMMENT ON FUNCTION qbsync.may_create(integer) IS 'May records of a mapping be created in QuickBooks, or made inactive there? Where records come from QuickBooks, single columns may go out all the same, but no record';

CREATE FUNCTION qbsync.creates_by_rule(mapping_id integer)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT 'scope' = ANY (string_to_array(qbsync.effective_policies(creates_by_rule.mapping_id) ->> 'push_new', ',')) AND qbsync.may_create(creates_by_rule.mapping_id);
$fn$;
COMMENT ON FUNCTION qbsync.creates_by_rule(integer) IS 'Is every record that a mapping shows created in QuickBooks (push_new has scope)?';

/*
 * Canonical values as columns of the mirror: keys become ids, the CRM's words QuickBooks', the list of e-mails what the policy
 * makes of it.  s.send is the canonical row, c the mirror's row (its columns null when there is none).
 */
CREATE FUNCTION qbsync.send_columns(mapping_id integer, OUT columns text, OUT waits_for text, OUT unmapped text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	policy jsonb := qbsync.effective_policies(send_columns.mapping_id);
	per_column jsonb := qbsync.column_policies(send_columns.mapping_id);
	c record;
	replaced text[] := '{}';
	parts text := '';
	waits text[] := '{}';
	unknown text[] := '{}';
	found text;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = send_columns.mapping_id;
	FOR c IN SELECT * FROM qbsync.mapping_columns(m.mapping_id) k WHERE k.sendable AND k.role IN ('canonical', 'reference') LOOP
		IF c.role = 'reference' THEN
			found := format('(SELECT r.id FROM qbsync.link r JOIN qbsync.mapping n ON n.mapping_id = r.mapping_id WHERE n.connection_id = %s AND n.entity = %L'
							' AND n.family = %s%s AND r.crm_key = s.send ->> %L AND r.state <> ''alias'' LIMIT 1)',
							m.connection_id, c.ref_entity, CASE WHEN c.ref_entity = m.entity THEN m.family ELSE 0 END,
							coalesce(' AND n.kind = ' || quote_literal(qbsync.reference_kind(c.name)), ''), c.name);
			replaced := replaced || c.name;
			-- columns by kind are one reference: the one that does not apply takes nothing away
			parts := parts || format(CASE WHEN qbsync.reference_kind(c.name) IS NOT NULL
				THEN ' || CASE WHEN s.send ->> %1$L IS NOT NULL OR s.send ?| %4$L AND coalesce(s.send ->> %5$L, s.send ->> %6$L) IS NULL THEN jsonb_build_object(%2$L, %3$s) ELSE ''{}'' END'
				ELSE ' || CASE WHEN s.send ? %1$L THEN jsonb_build_object(%2$L, %3$s) ELSE ''{}'' END' END, c.name, c.ref_column, found, '{person_key,organisation_key}', 'person_key', 'organisation_key');
			waits := waits || format('CASE WHEN s.send ->> %1$L IS NOT NULL AND %2$s IS NULL THEN %3$L || '':'' || (s.send ->> %1$L) END',
									 c.name, found, CASE WHEN qbsync.reference_kind(c.name) IS NOT NULL THEN coalesce((SELECT k.mapping_id FROM qbsync.customer_mappings(m) k WHERE k.kind = qbsync.reference_kind(c.name)), 0)::text
										 WHEN c.ref_entity = m.entity THEN m.mapping_id::text
										 -- nobody has any: it waits all the same, or it would be taken for an empty one
										 ELSE coalesce((SELECT min(n.mapping_id) FROM qbsync.mapping n WHERE n.connection_id = m.connection_id AND n.entity = c.ref_entity AND n.family = 0)::text, c.ref_entity) END);
		ELSIF per_column -> c.name ? 'value_map' THEN
			found := format('(SELECT x.quickbooks_value FROM qbsync.value_map x WHERE x.mapping_id = %s AND x.name = %L AND x.crm_value = s.send ->> %L)',
							m.mapping_id, per_column -> c.name ->> 'value_map', c.name);
			replaced := replaced || c.name;
			parts := parts || format(' || CASE WHEN s.send ? %1$L THEN jsonb_build_object(%1$L, %2$s) ELSE ''{}'' END', c.name, found);
			unknown := unknown || format('CASE WHEN s.send ->> %1$L IS NOT NULL AND %2$s IS NULL THEN %3$L || ''='' || (s.send ->> %1$L) END', c.name, found, c.name);
		ELSIF c.type = 'text[]' AND policy ->> 'email_out' <> 'all' THEN
			replaced := replaced || c.name;
			parts := parts || format(' || CASE WHEN s.send ? %1$L THEN jsonb_build_object(%1$L, qbsync.emails_out(%2$L, s.send -> %1$L, to_jsonb(c.%1$I))) ELSE ''{}'' END',
									 c.name, policy ->> 'email_out');
		END IF;
	END LOOP;
	send_columns.columns := CASE WHEN replaced = '{}' THEN 's.send' ELSE format('((s.send - %L::text[])%s)', replaced, parts) END;
	send_columns.waits_for := CASE WHEN waits = '{}' THEN '''{}''::text[]' ELSE format('array_remove(ARRAY[%s]::text[], NULL)', array_to_string(waits, ', ')) END;
	send_columns.unmapped := CASE WHEN unknown = '{}' THEN '''{}''::text[]' ELSE format('array_remove(ARRAY[%s]::text[], NULL)', array_to_string(unknown, ', ')) END;
END
$fn$;
COMMENT ON FUNCTION qbsync.send_columns(integer) IS 'Expressions over a canonical row s.send and a mirror row c: the columns that are sent, the CRM records it waits for, the values that are not mapped';

CREATE FUNCTION qbsync.emails_out(policy text, ours jsonb, theirs jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN jsonb_typeof(emails_out.ours) IS DISTINCT FROM 'array' OR emails_out.ours = '[]' THEN emails_out.ours
		WHEN emails_out.policy = 'primary' OR jsonb_typeof(emails_out.theirs) IS DISTINCT FROM 'array' THEN jsonb_build_array(emails_out.ours -> 0)
		ELSE jsonb_build_array(emails_out.ours -> 0) || ((emails_out.theirs - 0) - (emails_out.ours ->> 0)) END;
$fn$;
COMMENT ON FUNCTION qbsync.emails_out(text, jsonb, jsonb) IS 'E-mail addresses that QuickBooks gets (X-3, CAP-33): primary: the first of ours alone; primary_first_keep_rest: the first of ours, theirs from the second on behind it';

/*
 * What is waited for may be linked by somebody else just now, who does not see yet that it is waited for.  So a record that
 * waits is looked at again all the same, soon, and less and less often.
 */
CREATE FUNCTION qbsync.look_at_waiting(waits_for text[], attempts integer)
RETURNS timestamptz
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE WHEN cardinality(look_at_waiting.waits_for) > 0 THEN clock_timestamp() + least(interval '5 s' * 4 ^ least(look_at_waiting.attempts, 8), interval '1 day')
		ELSE 'infinity' END;
$fn$;
COMMENT ON FUNCTION qbsync.look_at_waiting(text[], integer) IS 'When a record is looked at again that cannot go as it is, after so many looks: one that waits for others after 5 s, 20 s … 1 day, else infinity: when it is edited';

CREATE FUNCTION qbsync.only_a_person_knows(problem text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT only_a_person_knows.problem IN ('send_ambiguous', 'send_answered_other');
$fn$;
COMMENT ON FUNCTION qbsync.only_a_person_knows(text) IS 'Is it a problem of a creation that QuickBooks may have carried out, so that it is not sent again unless a person asks for this one?';

CREATE FUNCTION qbsync.refusal_stays(m qbsync.mapping)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format($sql$((o.sent_values, o.sync_token, o.id) IS NOT DISTINCT FROM (k.columns, k.sync_token, k.id)
					-- what may be there already is not made under another name because it was edited
					OR k.id IS NULL AND EXISTS (SELECT FROM qbsync.send_error h WHERE h.mapping_id = %s AND h.crm_key = k.crm_key AND qbsync.only_a_person_knows(h.problem)))$sql$, (m).mapping_id);
$fn$;
COMMENT ON FUNCTION qbsync.refusal_stays(qbsync.mapping) IS 'Condition that a request o which was refused is not asked again for what was composed now (k): nothing has changed; only qbsync.retry_sends() asks then';

/*
 * The end of both statements, behind what was composed.  Requests on their way are not touched; the record is looked at again when
 * they are answered.
 */
CREATE FUNCTION qbsync.request_statement_end(m qbsync.mapping)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format($sql$, entered AS (
			INSERT INTO qbsync.request AS r (connection_id, mapping_id, entity, crm_key, id, operation, lane, generation, requestid, body, sync_token, sent_values, crm_values)
			SELECT %1$s, %2$s, %3$L, k.crm_key, k.id, CASE WHEN k.id IS NULL THEN 'create' ELSE 'update' END, k.lane, g.generation,
				CASE WHEN k.id IS NULL THEN qbsync.derive_requestid(n.origin::text, 'create', '%2$s', k.crm_key, g.generation::text)
					ELSE qbsync.derive_requestid(n.origin::text, 'update', '%2$s', k.crm_key, g.generation::text, k.id, k.sync_token, k.body) END,
				k.body, k.sync_token, k.columns, k.ours
			FROM composed k
			JOIN qbsync.connection n ON n.connection_id = %1$s
			-- each by its key: all requests that wait may be far more than those of a turn
			LEFT JOIN LATERAL (SELECT q.* FROM qbsync.request q WHERE q.mapping_id = %2$s AND q.crm_key = k.crm_key LIMIT 1) o ON true
			LEFT JOIN LATERAL (SELECT q.generation FROM qbsync.create_generation q WHERE k.id IS NULL AND q.mapping_id = %2$s AND q.crm_key = k.crm_key LIMIT 1) z ON true
			CROSS JOIN LATERAL (SELECT CASE WHEN k.id IS NULL THEN coalesce(z.generation, 0)
				WHEN o.operation = 'update' AND o.state = 'refused' THEN o.generation + 1 WHEN o.operation = 'update' THEN o.generation ELSE 0 END AS generation) g
			-- one that says the same already is not even locked: the sender passes by what is
			WHERE k.body IS NOT NULL AND (o.state IS NULL
				OR o.state = 'ready' AND (o.body, o.sync_token, o.id, o.crm_values, o.generation, o.lane) IS DISTINCT FROM (k.body, k.sync_token, k.id, k.ours, g.generation, k.lane)
				OR o.state = 'stale' AND (o.sync_token IS NULL OR (o.sync_token, o.id) IS DISTINCT FROM (k.sync_token, k.id))
				OR o.state = 'refused' AND NOT %4$s)
			ON CONFLICT (mapping_id, crm_key) DO UPDATE SET id = excluded.id, operation = excluded.operation, state = 'ready', lane = excluded.lane,
				generation = excluded.generation, requestid = excluded.requestid, body = excluded.body, sync_token = excluded.sync_token,
				sent_values = excluded.sent_values, crm_values = excluded.crm_values, batch_requestid = NULL, bid = NULL,
				composed_at = clock_timestamp(), first_sent_at = NULL, sent_at = NULL, rechecked = r.rechecked AND r.requestid = excluded.requestid,
				-- rounds of a record that others change all the time are counted
				attempts = CASE r.state WHEN 'stale' THEN r.attempts ELSE 0 END
				WHERE r.state <> 'ready' OR (r.requestid, r.body, r.crm_values, r.lane) IS DISTINCT FROM (excluded.requestid, excluded.body, excluded.crm_values, excluded.lane)
			RETURNING r.crm_key
		), failed AS (
			INSERT INTO qbsync.send_error AS e (mapping_id, connection_id, entity, id, crm_key, record_name, problem, column_name, detail, waits_for, next_attempt_at)
			SELECT %2$s, %1$s, %3$L, k.id, k.crm_key, k.name,
				k.problem, k.column_name, k.detail, nullif(k.waits_for, '{}'), qbsync.look_at_waiting(k.waits_for, 0)
			FROM composed k WHERE k.body IS NULL
			ON CONFLICT (mapping_id, crm_key) DO UPDATE SET id = excluded.id, record_name = excluded.record_name, problem = excluded.problem, code = NULL,
				column_name = excluded.column_name, message = NULL, detail = excluded.detail, intuit_tid = NULL, waits_for = excluded.waits_for,
				last_seen = clock_timestamp(), next_attempt_at = qbsync.look_at_waiting(excluded.waits_for, CASE WHEN e.problem = excluded.problem THEN e.attempts ELSE 0 END),
				first_seen = CASE WHEN e.problem = excluded.problem THEN e.first_seen ELSE clock_timestamp() END,
				attempts = CASE WHEN e.problem = excluded.problem THEN e.attempts + 1 ELSE 1 END,
				-- left alone only as long as it is the very same
				dismissed_at = CASE WHEN (e.problem, e.column_name, e.detail) IS NOT DISTINCT FROM (excluded.problem, excluded.column_name, excluded.detail) THEN e.dismissed_at END,
				dismissed_by = CASE WHEN (e.problem, e.column_name, e.detail) IS NOT DISTINCT FROM (excluded.problem, excluded.column_name, excluded.detail) THEN e.dismissed_by END
		), withdrawn AS (
			-- it would not say any more what the CRM says; found by key, however few the planner thinks there are of either
			DELETE FROM qbsync.request r
			WHERE r.mapping_id = %2$s AND r.crm_key = ANY (ARRAY(SELECT k.crm_key FROM composed k WHERE k.body IS NULL)) AND r.state IN ('ready', 'stale', 'refused')
		), over AS (
			-- seen here, and it is no more
			DELETE FROM qbsync.send_error e USING composed k
			WHERE k.body IS NOT NULL AND e.mapping_id = %2$s AND e.crm_key = k.crm_key AND e.code IS NULL AND e.problem NOT IN ('send_refused', 'settle_fails')
			  -- unless it is why a request waits, and that waits on
			  AND (e.crm_key IN (SELECT t.crm_key FROM entered t)
				   OR NOT EXISTS (SELECT FROM qbsync.request r WHERE r.mapping_id = %2$s AND r.crm_key = e.crm_key AND r.state = 'refused'))
		), tried AS (
			-- QuickBooks' own words stay until it has answered anew
			UPDATE qbsync.send_error e SET next_attempt_at = 'infinity' FROM entered t
			WHERE e.mapping_id = %2$s AND e.crm_key = t.crm_key AND (e.code IS NOT NULL OR e.problem = 'send_refused')
		)$sql$, (m).connection_id, (m).mapping_id, (m).entity, qbsync.refusal_stays(m));
$fn$;
COMMENT ON FUNCTION qbsync.request_statement_end(qbsync.mapping) IS 'The part of a statement that makes requests and errors of what was composed';

CREATE FUNCTION qbsync.deactivation()
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT '{"active": false}'::jsonb;
$fn$;
COMMENT ON FUNCTION qbsync.deactivation() IS 'What is sent to make a record inactive in QuickBooks';

/*
 * Records that are gone from the view and are to be made inactive in QuickBooks (on_crm_delete, X-13).  One that only left the
 * view's scope is still in its table, and stays as it is there.  Only what a trigger saw counts: TRUNCATE, a table that was
 * swapped or a restore in progress are no deletions.  Where row-level security could hide a record nothing is concluded.
 */
CREATE FUNCTION qbsync.gone_statements(m qbsync.mapping, OUT gone text, OUT still_there text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	w qbsync.watch;
	key text;
BEGIN
	IF qbsync.effective_policies((m).mapping_id) ->> 'on_crm_delete' <> 'deactivate' OR NOT qbsync.may_create((m).mapping_id) THEN
		RETURN;
	END IF;
	SELECT k.* INTO w FROM qbsync.watch k
	JOIN pg_class c ON c.oid = k.relation AND NOT c.relrowsecurity
	WHERE k.mapping_id = (m).mapping_id AND k.key_query IS NULL AND qbsync.is_main_table((m).mapping_id, k.relation);
	IF w.watch_id IS NULL THEN
		RETURN;
	END IF;
	SELECT CASE count(*) WHEN 1 THEN min(format('t.%I::pg_catalog.text', k.name))
		ELSE format('pg_catalog.jsonb_build_array(%s)::pg_catalog.text', string_agg(format('t.%I::pg_catalog.text', k.name), ', ' ORDER BY k.position)) END
	INTO key FROM unnest(w.key_columns) WITH ORDINALITY k(name, position);
	gone_statements.still_there := format('SELECT %1$s AS crm_key FROM %2$s t WHERE %1$s OPERATOR(pg_catalog.=) ANY ($1)', key, qbsync.qualified(w.relation));
	gone_statements.gone := format($sql$
		SELECT l.id, l.crm_key, qbsync.deactivation() FROM qbsync.link l
		JOIN qbsync.%1$I c ON c.connection_id = l.connection_id AND c.id = l.id AND c.active IS NOT FALSE AND c.deleted_at IS NULL
		LEFT JOIN qbsync.request r ON r.mapping_id = l.mapping_id AND r.crm_key = l.crm_key
		LEFT JOIN qbsync.outgoing o ON o.mapping_id = l.mapping_id AND o.crm_key = l.crm_key
		WHERE l.connection_id = %2$s AND l.entity = %3$L AND l.family = %4$s AND l.mapping_id = %5$s AND l.id = ANY ($1)
		  -- that it is missing may have been noted before the trigger's word was read
		  AND (l.state <> 'alias' AND $2 OR r.sent_values = qbsync.deactivation() OR o.gone)
		$sql$, (m).entity, (m).connection_id, (m).entity, (m).family, (m).mapping_id);
END
$fn$;
COMMENT ON FUNCTION qbsync.gone_statements(qbsync.mapping) IS 'Statements about records that are gone from the view: gone (as the owner, $1 ids, $2 whether a change was captured): id, crm_key and what is sent of those to be made inactive unless (still_there, as the role, $1 crm_keys) they are in their table yet; null when nothing is';

/*
 * What is composed, and what keeps it from being sent, of linked records and of those that QuickBooks does not have: the beginning of
 * statements that end in CTE composed (crm_key, id, name, ours, send, columns, sync_token, lane, waits_for, body, problem, column_name,
 * detail).  The plan shows it, apply workers make requests of it.
 */
CREATE FUNCTION qbsync.why_not_composed(m qbsync.mapping)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format($sql$CASE WHEN cardinality(g.waits_for) > 0 THEN 'send_waiting' WHEN cardinality(g.unmapped) > 0 THEN 'send_bad_value' ELSE b.problem END AS problem,
				CASE WHEN cardinality(g.waits_for) > 0 THEN NULL WHEN cardinality(g.unmapped) > 0 THEN split_part(g.unmapped[1], '=', 1) ELSE b.column_name END AS column_name,
				CASE WHEN cardinality(g.waits_for) > 0 THEN format(%L, array_to_string(g.waits_for, ', '))
					WHEN cardinality(g.unmapped) > 0 THEN format(%L, array_to_string(g.unmapped, ', '))
					ELSE qbsync.label_with('compose', b.sentence, %L, b.particulars) END AS detail$sql$,
		qbsync.mapping_sentence(m, 'waits_for'), qbsync.mapping_sentence(m, 'not_mapped'), qbsync.mapping_language(m));
$fn$;
COMMENT ON FUNCTION qbsync.why_not_composed(qbsync.mapping) IS 'Columns problem, column_name and detail, from what is to be composed (g) and what qbsync.compose() said (b)';

CREATE FUNCTION qbsync.send_composed(m qbsync.mapping, given text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format($sql$
		WITH given AS (
			SELECT u.*, %1$s AS columns, %2$s AS waits_for, %3$s AS unmapped, c.raw, c.sync_token
			FROM %8$s
			CROSS JOIN LATERAL (SELECT u.send) s
			CROSS JOIN LATERAL (SELECT k.* FROM qbsync.%4$I k WHERE k.connection_id = %5$s AND k.id = u.id LIMIT 1) c
		), composed AS MATERIALIZED (
			SELECT g.crm_key, g.id, g.name, g.ours, g.send, g.columns, g.waits_for, g.sync_token,
				CASE WHEN g.send = qbsync.deactivation() THEN 'rule' ELSE 'interactive' END AS lane, b.body, %7$s
			FROM given g LEFT JOIN LATERAL qbsync.compose(%4$L, g.columns, g.raw, g.id, g.sync_token,
				EXISTS (SELECT FROM qbsync.request o WHERE o.mapping_id = %6$s AND o.crm_key = g.crm_key AND o.leave_out)) b ON g.waits_for = '{}' AND g.unmapped = '{}'
		)$sql$, them.columns, them.waits_for, them.unmapped, (m).entity, (m).connection_id, (m).mapping_id, qbsync.why_not_composed(m), send_composed.given)
	FROM qbsync.send_columns((m).mapping_id) them;
$fn$;
COMMENT ON FUNCTION qbsync.send_composed(qbsync.mapping, text) IS 'Beginning of a statement: what linked records send. given: what stands in FROM, as u: id, crm_key, send (canonical columns to be sent), ours (canonical row), name';

CREATE FUNCTION qbsync.push_composed(m qbsync.mapping, wanted text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	them record;
	closed text[];
BEGIN
	them := qbsync.send_columns((m).mapping_id);
	-- columns of the view that do not go out
	SELECT array_agg(c.name) INTO closed
	FROM qbsync.mapping_columns((m).mapping_id) c
	WHERE c.role NOT IN ('canonical', 'reference') OR NOT c.sendable
	   OR qbsync.unit_rules((m).mapping_id) -> 'units' -> c.unit -> 'out' IS DISTINCT FROM 'true';
	RETURN format($sql$
		WITH wanted AS (
			SELECT o.crm_key, o.asked, o.lane, l.id AS linked_id, r.crm_key AS row_key, qbsync.strip(r.ours) AS ours, coalesce(p.pairs, u.pairs) AS pairs, coalesce(p.auto, false) AS auto,
				-- who asked for a record that is not shown is told so, for a day
				o.asked AND o.lane = 'interactive' AND o.asked_at > clock_timestamp() - interval '1 day' AND q.crm_key IS NULL AS recent,
				q.crm_key IS NOT NULL AS under_way,
				CASE WHEN l.id IS NOT NULL THEN 'linked' WHEN r.crm_key IS NULL THEN 'gone' WHEN coalesce(p.pairs, u.pairs) IS NOT NULL THEN 'match'
					WHEN o.asked AND (o.asked_at < u.merged_at) IS NOT TRUE OR %7$L AND u.merged_at IS NULL THEN 'push' ELSE 'none' END AS verdict
			FROM %4$s
			LEFT JOIN crm_row r ON r.crm_key = o.crm_key
			LEFT JOIN LATERAL (SELECT k.id FROM qbsync.link k WHERE k.mapping_id = %8$s AND k.crm_key = o.crm_key AND k.state <> 'alias' LIMIT 1) l ON true
			LEFT JOIN (SELECT x.crm_key, array_agg(x.id) AS pairs, bool_or(x.outcome = 'auto') AS auto FROM match_pair x GROUP BY 1) p ON p.crm_key = o.crm_key
			-- it was there, and lives on in another record: people are asked about that, or have said so
			LEFT JOIN LATERAL (
				SELECT array_agg(DISTINCT d.arguments ->> 'kept_id') FILTER (WHERE d.arguments -> 'ask' = 'true') AS pairs, max(d.decided_at) FILTER (WHERE NOT d.arguments ? 'by') AS merged_at
				FROM qbsync.decision d
				WHERE d.mapping_id = %8$s AND d.crm_key = o.crm_key AND d.kind = 'merge' AND d.undone_at IS NULL AND NOT EXISTS (
					SELECT FROM qbsync.decision k
					WHERE k.mapping_id = d.mapping_id AND k.crm_key = d.crm_key AND k.decision_id > d.decision_id AND k.undone_at IS NULL AND NOT k.arguments ? 'by')) u ON true
			LEFT JOIN qbsync.request q ON q.mapping_id = %8$s AND q.crm_key = o.crm_key AND q.state IN ('sent', 'check')
		), given AS (
			SELECT w.crm_key, NULL::text AS id, CASE WHEN w.asked THEN w.lane ELSE 'rule' END AS lane, w.asked, coalesce(w.ours ->> 'display_name', w.ours ->> 'company_name', w.crm_key) AS name, w.ours, s.send,
				%1$s AS columns, %2$s AS waits_for, %3$s AS unmapped, NULL::text AS sync_token
			FROM wanted w
			CROSS JOIN LATERAL (SELECT %9$s AS send) s
			LEFT JOIN qbsync.%5$I c ON false
			WHERE w.verdict = 'push'
		), composed AS MATERIALIZED (
			SELECT g.crm_key, g.id, g.name, g.ours, g.send, g.columns, g.waits_for, g.sync_token, g.lane, b.body, %6$s
			FROM given g LEFT JOIN LATERAL qbsync.compose(%5$L, g.columns) b ON g.waits_for = '{}' AND g.unmapped = '{}'
			UNION ALL
			-- QuickBooks may have it already: a person decides in qbsync.duplicate
			SELECT w.crm_key, NULL, coalesce(w.ours ->> 'display_name', w.ours ->> 'company_name', w.crm_key), w.ours, NULL, NULL, '{}', NULL, w.lane, NULL, 'send_may_exist', NULL, format(%10$L, array_to_string(w.pairs, ', '))
			FROM wanted w WHERE w.verdict = 'match' AND w.asked AND NOT w.auto
			UNION ALL
			SELECT w.crm_key, NULL, w.crm_key, NULL, NULL, NULL, '{}', NULL, w.lane, NULL, 'send_not_shown', NULL, NULL
			FROM wanted w WHERE w.verdict = 'gone' AND w.recent
		)$sql$, them.columns, them.waits_for, them.unmapped, push_composed.wanted, (m).entity, qbsync.why_not_composed(m),
		qbsync.creates_by_rule((m).mapping_id), (m).mapping_id,
		CASE WHEN closed IS NULL THEN 'w.ours' ELSE format('(w.ours - %L::text[])', closed) END, qbsync.mapping_sentence(m, 'may_be'));
END
$fn$;
COMMENT ON FUNCTION qbsync.push_composed(qbsync.mapping, text) IS 'Beginning of a statement: what records send that QuickBooks does not have, from the tuplestores crm_row and match_pair; CTE wanted says of all what becomes of them. wanted: what stands in FROM, as o: crm_key, asked, lane, asked_at';

CREATE FUNCTION qbsync.send_statements(mapping_id integer, OUT send text, OUT push text, OUT gone text, OUT still_there text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	finish text;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = send_statements.mapping_id;
	IF NOT qbsync.may_send(m.mapping_id) THEN
		RETURN;
	END IF;
	SELECT g.gone, g.still_there INTO send_statements.gone, send_statements.still_there FROM qbsync.gone_statements(m) g;
	finish := qbsync.request_statement_end(m);
	send_statements.send := qbsync.send_composed(m, 'unnest($1::text[], $2::text[], $3::jsonb[], $4::jsonb[], $5::text[]) AS u(id, crm_key, send, ours, name)')
		|| finish || ' SELECT count(*) FROM entered';

	IF NOT qbsync.may_create(m.mapping_id) THEN
		RETURN;
	END IF;
	send_statements.push := qbsync.push_composed(m, format('(SELECT k.* FROM qbsync.outgoing k WHERE k.mapping_id = %s AND k.crm_key = ANY ($1)) o', m.mapping_id))
		|| format($sql$%1$s, looked AS (
			INSERT INTO qbsync.arrival (mapping_id, id)
			SELECT DISTINCT %2$s, x.id FROM wanted w CROSS JOIN LATERAL unnest(coalesce(w.pairs, ARRAY[w.linked_id])) x(id) WHERE w.verdict IN ('linked', 'match')
			RETURNING 1
		), done AS (
			DELETE FROM qbsync.outgoing o USING wanted w
			WHERE o.mapping_id = %2$s AND o.crm_key = w.crm_key AND (w.verdict = 'none' OR w.verdict = 'linked' AND w.row_key IS NOT NULL OR w.verdict = 'gone' AND NOT w.recent AND NOT w.under_way OR w.verdict = 'match' AND (w.auto OR NOT w.asked))
		), noted AS (
			-- its creation cannot be called back: when that has been answered, or it just was, the deletion counts
			UPDATE qbsync.outgoing o SET gone = true, next_attempt_at = 'infinity'
			FROM wanted w WHERE (w.verdict = 'gone' AND w.under_way OR w.verdict = 'linked' AND w.row_key IS NULL) AND o.mapping_id = %2$s AND o.crm_key = w.crm_key
		), kept AS (
			UPDATE qbsync.outgoing o SET gone = false, next_attempt_at = CASE k.problem WHEN 'send_not_shown' THEN clock_timestamp() + interval '1 day' ELSE 'infinity' END
			FROM composed k WHERE o.mapping_id = %2$s AND o.crm_key = k.crm_key
		), forgotten AS (
			DELETE FROM qbsync.send_error e USING wanted w
			WHERE e.mapping_id = %2$s AND e.crm_key = w.crm_key AND (w.verdict = 'none' OR w.verdict = 'gone' AND NOT w.recent OR w.verdict = 'linked' AND e.id IS NULL OR w.verdict = 'match' AND NOT (w.asked AND NOT w.auto))
		), dropped AS (
			DELETE FROM qbsync.request r USING wanted w
			WHERE r.mapping_id = %2$s AND r.crm_key = w.crm_key AND r.state IN ('ready', 'stale', 'refused') AND r.operation = 'create'
			  AND (w.verdict IN ('linked', 'gone', 'none') OR w.verdict = 'match' AND (w.auto OR NOT w.asked))
		)
		SELECT count(*) FROM entered
		$sql$, finish, m.mapping_id);
END
$fn$;
COMMENT ON FUNCTION qbsync.send_statements(integer) IS 'Statements that make requests: send: of linked records ($1 ids, $2 crm_keys, $3 canonical columns to be sent, $4 canonical rows, $5 names); push: of records that QuickBooks does not have ($1 crm_keys; tuplestores crm_row, match_pair); gone, still_there: see qbsync.gone_statements. Null when nothing of the mapping goes out; push and gone also where only single columns do';

CREATE FUNCTION qbsync.release_waiting(errors bigint[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH waiting AS (
		SELECT e.mapping_id, e.crm_key, e.id FROM qbsync.send_error e WHERE e.error_id = ANY (release_waiting.errors)
	), linked AS (
		INSERT INTO qbsync.arrival (mapping_id, id) SELECT w.mapping_id, w.id FROM waiting w WHERE w.id IS NOT NULL
	), anew AS (
		-- what it waits for next is waited for anew
		UPDATE qbsync.send_error e SET attempts = 0 WHERE e.error_id = ANY (release_waiting.errors)
	)
	UPDATE qbsync.outgoing o SET next_attempt_at = clock_timestamp() FROM waiting w
	WHERE w.id IS NULL AND o.mapping_id = w.mapping_id AND o.crm_key = w.crm_key;
$fn$;
COMMENT ON FUNCTION qbsync.release_waiting(bigint[]) IS 'Records that could not go to QuickBooks, by their rows of qbsync.send_error, are looked at at once';

/* What waited for records that are linked now is looked at at once. */
CREATE FUNCTION qbsync.release_sends(mapping_id integer, crm_keys text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.release_waiting(array_agg(e.error_id)) FROM qbsync.send_error e
	WHERE e.waits_for && ARRAY(SELECT release_sends.mapping_id || ':' || k.k FROM unnest(release_sends.crm_keys) k(k));
$fn$;
COMMENT ON FUNCTION qbsync.release_sends(integer, text[]) IS 'CRM records of a mapping were linked: what waited for them to be in QuickBooks goes on';

/* What waits for a record of which nobody knew the mapping may learn it now: there is one more. */
CREATE FUNCTION qbsync.release_unmapped(connection_id integer)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.release_waiting(array_agg(e.error_id)) FROM qbsync.send_error e
	WHERE e.connection_id = release_unmapped.connection_id AND EXISTS (
		SELECT FROM unnest(e.waits_for) w(ref)
		WHERE NOT EXISTS (SELECT FROM qbsync.mapping m WHERE m.mapping_id::text = split_part(w.ref, ':', 1)));
$fn$;
COMMENT ON FUNCTION qbsync.release_unmapped(integer) IS 'A mapping was enabled: what waits for records that no mapping of the connection had is looked at at once';

/* Somebody made in QuickBooks what may be what waits to be created there: both sides are compared once more before it is. */
CREATE FUNCTION qbsync.reconsider_creations(mapping_id integer, ids text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	INSERT INTO qbsync.outgoing AS o (mapping_id, crm_key, asked, asked_by)
	SELECT DISTINCT r.mapping_id, r.crm_key, false, NULL::name
	FROM qbsync.match_candidate c
	JOIN qbsync.request r ON r.mapping_id = c.mapping_id AND r.crm_key = c.crm_key AND r.operation = 'create' AND r.state IN ('ready', 'stale', 'refused')
	WHERE c.mapping_id = reconsider_creations.mapping_id AND c.id = ANY (reconsider_creations.ids)
	ON CONFLICT (mapping_id, crm_key) DO UPDATE SET next_attempt_at = clock_timestamp();
$fn$;
COMMENT ON FUNCTION qbsync.reconsider_creations(integer, text[]) IS 'CRM records that wait to be created in QuickBooks and may be one of these records of it are looked at again';

/* Records whose errors are due, or that a person wants to be tried: their requests are made anew, with other requestids. */
CREATE FUNCTION qbsync.retry_sends(mapping_id integer, crm_keys text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH given AS (
		SELECT e.crm_key, e.id FROM qbsync.send_error e
		WHERE e.mapping_id = retry_sends.mapping_id AND e.crm_key = ANY (retry_sends.crm_keys) AND e.problem <> 'settle_fails'
	), again AS (
		UPDATE qbsync.request r SET state = 'stale', sync_token = NULL, generation = CASE WHEN r.operation = 'update' THEN r.generation + 1 ELSE r.generation END
		FROM given g WHERE r.mapping_id = retry_sends.mapping_id AND r.crm_key = g.crm_key AND r.state = 'refused'
	), waits AS (
		UPDATE qbsync.send_error e SET next_attempt_at = 'infinity', dismissed_at = NULL, dismissed_by = NULL
		FROM given g WHERE e.mapping_id = retry_sends.mapping_id AND e.crm_key = g.crm_key
	), unsettled AS (
		-- QuickBooks has it; the gateway records what it answered
		UPDATE qbsync.send_error e SET next_attempt_at = clock_timestamp(), dismissed_at = NULL, dismissed_by = NULL
		WHERE e.mapping_id = retry_sends.mapping_id AND e.crm_key = ANY (retry_sends.crm_keys) AND e.problem = 'settle_fails'
	), linked AS (
		INSERT INTO qbsync.arrival (mapping_id, id) SELECT retry_sends.mapping_id, g.id FROM given g WHERE g.id IS NOT NULL
	)
	INSERT INTO qbsync.outgoing AS o (mapping_id, crm_key, asked, asked_by)
	SELECT retry_sends.mapping_id, g.crm_key, false, NULL FROM given g WHERE g.id IS NULL
	ON CONFLICT (mapping_id, crm_key) DO UPDATE SET next_attempt_at = clock_timestamp();
$fn$;
COMMENT ON FUNCTION qbsync.retry_sends(integer, text[]) IS 'CRM records of a mapping that could not go to QuickBooks are tried again';

/* Asked at the beginning of each turn. */
CREATE FUNCTION qbsync.has_news(mapping_id integer)
RETURNS boolean
LANGUAGE plpgsql STABLE			-- its plan is kept: each turn asks
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN EXISTS (SELECT FROM qbsync.capture c WHERE c.watch_id IN (SELECT w.watch_id FROM qbsync.watch w WHERE w.mapping_id = has_news.mapping_id))
		OR EXISTS (SELECT FROM qbsync.crm_error e WHERE e.mapping_id = has_news.mapping_id AND e.watch_id <> 0 AND e.next_attempt_at <= clock_timestamp() AND e.dismissed_at IS NULL)
		OR EXISTS (SELECT FROM qbsync.send_error e WHERE e.mapping_id = has_news.mapping_id AND e.next_attempt_at <= clock_timestamp() AND e.dismissed_at IS NULL AND e.problem <> 'settle_fails')
		OR EXISTS (SELECT FROM qbsync.mapping m WHERE m.mapping_id = has_news.mapping_id AND (m.backfill_asked_by IS NOT NULL OR m.scan_at <= clock_timestamp()))
		OR EXISTS (SELECT FROM qbsync.arrival a WHERE a.mapping_id = has_news.mapping_id AND a.action = 'after'
				   AND NOT EXISTS (SELECT FROM qbsync.request r WHERE r.request_id = (a.arguments ->> 'request_id')::bigint AND qbsync.is_awaited(r)));
END
$fn$;
COMMENT ON FUNCTION qbsync.has_news(integer) IS 'Were changes captured that concern a mapping, are errors of its way out due, does a backfill begin, is the scan of the night due, or was a request answered of a record that was looked at meanwhile?';

/* At night, and not all mappings at once. */
CREATE FUNCTION qbsync.next_scan(mapping_id integer)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT date_trunc('day', clock_timestamp()) + interval '1 day 2 hours' + interval '97 s' * (next_scan.mapping_id % 60);
$fn$;
COMMENT ON FUNCTION qbsync.next_scan(integer) IS 'When all records of a mapping are compared next because it is night: after two o''clock in the server''s time zone';

/*
 * What no trigger sees (session_replication_role, triggers that were off, a table that was swapped) is found by comparing all
 * records once a day.  True: keys that QuickBooks does not have are to be looked at as well, since a rule may create them.
 */
CREATE FUNCTION qbsync.begin_scan(mapping_id integer)
RETURNS boolean
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH due AS (
		UPDATE qbsync.mapping m SET sweep_after = coalesce(m.sweep_after, ''), scan_at = qbsync.next_scan(m.mapping_id)
		WHERE m.mapping_id = begin_scan.mapping_id AND m.scan_at <= clock_timestamp()
		RETURNING m.mapping_id
	)
	SELECT count(*) > 0 AND bool_or(qbsync.creates_by_rule(d.mapping_id)) FROM due d;
$fn$;
COMMENT ON FUNCTION qbsync.begin_scan(integer) IS 'Begins the scan of the night if it is due';

/*
 * An accident (a bulk import, a script, a mapping by mistake) must not fill QuickBooks' books: when far more than usual is to be
 * created or deactivated because a rule says so, that waits for a person.  What a person asked for never does.
 */
CREATE FUNCTION qbsync.guard_lane(mapping_id integer)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	UPDATE qbsync.mapping m SET paused_lanes = m.paused_lanes || '{rule}'::text[]
	WHERE m.mapping_id = guard_lane.mapping_id AND 'rule' <> ALL (m.paused_lanes)
	  AND (m.lane_confirmed_at IS NULL OR m.lane_confirmed_at < clock_timestamp() - interval '1 hour')
	  -- those that wait to be looked at, too: a worker takes them in pieces
	  AND (SELECT count(*) FROM qbsync.request r WHERE r.connection_id = m.connection_id AND NOT r.rests AND r.lane = 'rule' AND r.mapping_id = m.mapping_id AND r.state = 'ready' AND r.operation = 'update')
		-- elsewhere what nobody asked for is only looked at
		+ CASE WHEN qbsync.creates_by_rule(m.mapping_id)
			THEN (SELECT count(*) FROM qbsync.outgoing o WHERE o.mapping_id = m.mapping_id AND NOT o.asked) ELSE 0 END
		> (qbsync.effective_policies(m.mapping_id) ->> 'lane_limit')::integer;
$fn$;
COMMENT ON FUNCTION qbsync.guard_lane(integer) IS 'Stops what rules want to create or deactivate when it is more than policy lane_limit';

/* A person wants all of them; the worker reads the view's keys. */
CREATE FUNCTION qbsync.enter_backfill(mapping_id integer, crm_keys text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	INSERT INTO qbsync.outgoing AS o (mapping_id, crm_key, lane, asked_by)
	SELECT DISTINCT m.mapping_id, k.k, 'backfill', m.backfill_asked_by
	FROM qbsync.mapping m CROSS JOIN unnest(enter_backfill.crm_keys) k(k)
	WHERE m.mapping_id = enter_backfill.mapping_id AND k.k IS NOT NULL
	  AND NOT EXISTS (SELECT FROM qbsync.link l WHERE l.mapping_id = m.mapping_id AND l.crm_key = k.k)
	ON CONFLICT (mapping_id, crm_key) DO UPDATE SET asked = true, asked_by = excluded.asked_by, asked_at = clock_timestamp(), next_attempt_at = clock_timestamp()
		WHERE NOT o.asked;
	UPDATE qbsync.mapping m SET backfill_asked_by = NULL WHERE m.mapping_id = enter_backfill.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.enter_backfill(integer, text[]) IS 'The CRM records of a mapping with these keys, those that are linked excepted, are wanted in QuickBooks';

CREATE FUNCTION qbsync.next_generation(mapping_id integer, crm_key text)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	INSERT INTO qbsync.create_generation AS g (mapping_id, crm_key, generation) VALUES (next_generation.mapping_id, next_generation.crm_key, 1)
	ON CONFLICT (mapping_id, crm_key) DO UPDATE SET generation = g.generation + 1;
$fn$;
COMMENT ON FUNCTION qbsync.next_generation(integer, text) IS 'Should a CRM record be created in QuickBooks (again), it is another creation than the one before (EXT-2)';

/* A person linked to a company exports the company (CAP-40, CAP-44). */
CREATE FUNCTION qbsync.want_parents(mapping_id integer, crm_keys text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	INSERT INTO qbsync.outgoing AS o (mapping_id, crm_key, lane, asked_by)
	SELECT DISTINCT ON (1, 2) split_part(x.ref, ':', 1)::integer, substr(x.ref, strpos(x.ref, ':') + 1), k.lane, k.asked_by
	FROM qbsync.send_error e
	JOIN qbsync.outgoing k ON k.mapping_id = e.mapping_id AND k.crm_key = e.crm_key AND k.asked
	CROSS JOIN LATERAL unnest(e.waits_for) x(ref)
	WHERE e.mapping_id = want_parents.mapping_id AND e.crm_key = ANY (want_parents.crm_keys) AND x.ref ~ '^[1-9][0-9]*:'
	ON CONFLICT (mapping_id, crm_key) DO UPDATE SET asked = true, asked_by = excluded.asked_by, next_attempt_at = clock_timestamp() WHERE NOT o.asked;
$fn$;
COMMENT ON FUNCTION qbsync.want_parents(integer, text[]) IS 'What the CRM records that somebody asked for wait for is wanted in QuickBooks, too';

INSERT INTO qbsync.problem (code, needs_person, meaning, remedy) VALUES
	('send_may_exist', true, 'The CRM record was to be created in QuickBooks, which may have it already. Nothing was sent.', 'See qbsync.duplicate: link the two, or reject the pair; the record then goes by itself.'),
	('settle_fails', true, 'QuickBooks has carried out what was sent, but its answer cannot be recorded here: this database refuses it. Other records go on; this one is not sent again.', 'The detail is what PostgreSQL says: mostly a constraint or trigger that was made on a table of schema qbsync. Take it away; it is tried again by itself, at once with SELECT qbsync_retry(…).'),
	('send_not_shown', true, 'The CRM record was to be created in QuickBooks, but the mapping''s view does not show it: there is none with this key, or it is out of scope. Nothing was sent.', 'Bring it into the view, and it goes by itself; of a person who stands for a company, send the company: SELECT qbsync_push(…). It is forgotten after a day.');
