/*
 * What the gateway's sender (src/outbound) records about requests: sent and answered, refused, to be read back.  Statements
 * that name the columns of a mapping are made here and run by the gateway, as everything in this file is.
 */

INSERT INTO qbsync.problem (code, needs_person, meaning, remedy) VALUES
	('send_refused', true, 'QuickBooks refused what was sent.', 'See QuickBooks'' message and the field it names; correct the value in the CRM, and it is sent again. It is also tried again by itself, at once with qbsync_retry.'),
	('send_name_taken', true, 'Another customer, vendor or employee in QuickBooks, perhaps an inactive one, has this name.', 'Link the CRM record with that customer (qbsync_link), or change one of the two names; it is then sent again.'),
	('send_stale', false, 'The record changed in QuickBooks again and again while it was being sent.', 'Nothing; qbsync reads it again, merges and sends again.'),
	('send_gone', true, 'The record, or one it refers to, was deleted, merged or made inactive in QuickBooks.', 'Make it active again in QuickBooks, or choose another one in the CRM; it is then sent again.'),
	('send_bad_reference', true, 'The record refers to one that is missing or inactive in QuickBooks.', 'Make that one active again in QuickBooks, or choose another in the CRM; it is then sent again.'),
	('send_has_balance', true, 'QuickBooks does not make a customer inactive who has a balance or charges that are not billed.', 'Settle them in QuickBooks; it is then sent again by itself, at once with qbsync_retry.'),
	('send_bad_parent', true, 'QuickBooks does not accept the parent: it is missing, is below the record itself, or too many levels are above it.', 'Correct the parent in the CRM; it is then sent again.'),
	('send_not_available', true, 'The company''s plan, its preferences or the connected person''s role do not allow this.', 'Switch the feature on in QuickBooks, change the plan, or let an administrator connect again; or stop mapping the column.'),
	('send_failing', false, 'QuickBooks failed at this record again and again, with an error of its own.', 'Nothing; it is tried again by itself. If it stays, quote intuit_tid to Intuit''s support.'),
	('send_internal', false, 'QuickBooks did not understand what qbsync sent: an error of qbsync.', 'Report it with code, message and intuit_tid.'),
	('send_ambiguous', true, 'Whether QuickBooks has made the record is not known, and several records there could be it.', 'Link the CRM record with the right one: SELECT qbsync_link(…); or, if none of them is, SELECT qbsync_retry(…).'),
	('send_answered_other', true, 'QuickBooks says that it has made this already, and names another record: one that was made for this CRM record, or for one that had its key, and that this database, which was restored since, does not know.', 'If the record that is named is this one, link the two: SELECT qbsync_link(…); otherwise SELECT qbsync_retry(…), and it is made.');

/* A refused request's problem: the kind of refusal, see src/quickbooks/fault_rules.c, in the words of the way out. */
CREATE FUNCTION qbsync.send_problem(code integer, problem text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN send_problem.problem LIKE 'send\_%' THEN send_problem.problem
		WHEN send_problem.code = 2020 THEN 'send_missing'
		WHEN send_problem.code = 2040 THEN 'send_bad_characters'
		WHEN send_problem.code = 2050 THEN 'send_too_long'
		WHEN send_problem.code = 2210 THEN 'send_bad_email'
		WHEN send_problem.code = 6080 THEN 'send_no_name'
		WHEN send_problem.code BETWEEN 2030 AND 2299 AND send_problem.code <> 2130 THEN 'send_bad_value'
		WHEN send_problem.code IN (6220, 6280) THEN 'send_has_balance'
		WHEN send_problem.code IN (700, 900, 6150, 6180) THEN 'send_bad_parent'
		ELSE CASE send_problem.problem
			WHEN 'duplicate_name' THEN 'send_name_taken'
			WHEN 'stale' THEN 'send_stale'
			WHEN 'gone' THEN 'send_gone'
			WHEN 'bad_reference' THEN 'send_bad_reference'
			WHEN 'not_available' THEN 'send_not_available'
			WHEN 'intuit_failing' THEN 'send_failing'
			WHEN 'internal' THEN 'send_internal'
			ELSE 'send_refused' END END;
$fn$;
COMMENT ON FUNCTION qbsync.send_problem(integer, text) IS 'Code of qbsync.problem for a request that QuickBooks refused, from its code and the fault''s problem';

/* QuickBooks names the member it objects to, in full, by its beginning ("PrimaryEmailAddr") or by its end ("Line1"). */
CREATE FUNCTION qbsync.element_column(entity text, element text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT k."column" FROM qbsync.catalogue_columns(element_column.entity) k
	WHERE element_column.entity IS NOT NULL AND element_column.element <> ''
	  AND (k.path = element_column.element OR starts_with(k.path, element_column.element || '.')
		   OR right(k.path, length(element_column.element) + 1) = '.' || element_column.element)
	ORDER BY k.path = element_column.element DESC, starts_with(k.path, element_column.element || '.') DESC, k.ordinal
	LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.element_column(text, text) IS 'Canonical column that the element of a fault means; null when none is known';

/*
 * What is agreed on after requests were carried out goes into qbsync.link; for creations src/outbound/send_links.c writes it.
 * Parameters of the statement: request_ids, for each the record's id and the SyncToken of the answer.
 *
 * base gets what QuickBooks shows now, crm_base what the CRM showed when the body was made: what QuickBooks rewrites is no
 * edit, what the CRM changed since is one.  If the mirror has a later version than the answer (its SyncToken differs), or a
 * creation was found that has been edited since (it began with 0), or may have been made of another body before a restore, what that one shows otherwise than it was sent is somebody's
 * edit, and agreed is what was sent.  After a create all columns that
 * go out are agreed on; those that only come in are left to the apply worker.
 *
 * After an update most often there is nothing for it: the latest version shows nothing that is not agreed on (quiet).
 */
CREATE FUNCTION qbsync.sent_statement(mapping_id integer)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	rules jsonb := qbsync.unit_rules(sent_statement.mapping_id) -> 'units';
	agreed text;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = sent_statement.mapping_id;
	SELECT string_agg(format('%L, %L, %L, %L', c.name, coalesce(c.ref_column, c.name), c.unit,
							 CASE WHEN (rules -> c.unit ->> 'out')::boolean THEN 't' ELSE 'f' END), ', ')
	INTO agreed
	FROM qbsync.mapping_columns(m.mapping_id) c WHERE c.role IN ('canonical', 'reference');
	RETURN format($sql$
WITH answered AS MATERIALIZED (
	SELECT r.request_id, r.operation, r.crm_key, r.sent_values, r.crm_values, a.id, %1$s AS theirs, r.state = 'ready' AS once_more,
		CASE WHEN c.sync_token IS DISTINCT FROM a.sync_token OR r.operation = 'create' AND (a.sync_token <> '0' OR r.rechecked)
			-- read once more: a whole row would be put together for every record
			THEN coalesce((SELECT to_jsonb(x) FROM qbsync.%3$I x WHERE x.connection_id = %4$s AND x.id = a.id), '{}') END AS later, c.deleted_at IS NULL%8$s AS there
	FROM unnest($1::bigint[], $2::text[], $3::text[]) AS a(request_id, id, sync_token)
	CROSS JOIN LATERAL (SELECT q.* FROM qbsync.request q WHERE q.request_id = a.request_id LIMIT 1) r
	LEFT JOIN LATERAL (SELECT k.* FROM qbsync.%3$I k WHERE k.connection_id = %4$s AND k.id = a.id LIMIT 1) c ON true
	WHERE r.mapping_id = %2$s
), agreed AS MATERIALIZED (
	SELECT %4$s AS connection_id, %6$L::text AS entity, %7$s AS family, %2$s AS mapping_id, s.request_id, s.operation, s.crm_key, s.id, s.theirs, s.later IS NULL AND s.there AS latest,
		qbsync.agreed(ARRAY[%5$s]::text[], s.operation = 'create', s.once_more, s.sent_values, s.crm_values, s.theirs, s.later) AS now
	FROM answered s
), updated AS (
	UPDATE qbsync.link l SET base = (coalesce(l.base, '{}') - (a.now).names) || (a.now).base,
		crm_base = nullif((coalesce(l.crm_base, '{}') - (a.now).names) || (a.now).crm_base, '{}'),
		unagreed = CASE WHEN l.unagreed IS NOT NULL THEN (SELECT array_agg(u) FROM unnest(l.unagreed) u WHERE split_part(u, '=', 1) <> ALL ((a.now).units)) END,
		agreed_at = now()
	FROM agreed a
	-- nothing but what is agreed on leads to a link, so that no plan begins with the links of the mapping
	WHERE a.operation = 'update' AND l.connection_id = a.connection_id AND l.entity = a.entity AND l.id = a.id AND l.family = a.family
	  AND l.mapping_id = a.mapping_id AND l.crm_key = a.crm_key
	RETURNING a.request_id, a.latest AND l.state = 'linked' AND l.unagreed IS NULL AND l.facts IS NULL AND l.events IS NULL
		AND l.base - 'quickbooks_id' = a.theirs - 'quickbooks_id' AS quiet
)
SELECT u.request_id, false AS created, u.quiet, NULL::integer, NULL::text, NULL::text, NULL::integer, NULL::integer, NULL::text, NULL::jsonb, NULL::jsonb FROM updated u
UNION ALL SELECT a.request_id, true, false, a.connection_id, a.entity, a.id, a.family, a.mapping_id, a.crm_key, (a.now).base, (a.now).crm_base FROM agreed a WHERE a.operation = 'create'
$sql$, (SELECT t.value FROM qbsync.their_row(m.mapping_id, 'c', false) t), m.mapping_id, m.entity, m.connection_id,
		coalesce(agreed, ''), m.entity, m.family,
		CASE WHEN (SELECT e.name_list FROM qbsync.catalogue e WHERE e.entity = m.entity) THEN ' AND c.active IS NOT FALSE' ELSE '' END);
END
$fn$;
COMMENT ON FUNCTION qbsync.sent_statement(integer) IS 'Statement that notes in qbsync.link what is agreed on for updates that QuickBooks has carried out for a mapping, and gives for each request: is it a creation; quiet: nothing of it can come into the CRM; of creations key of the link, mapping, crm_key, base and crm_base';

CREATE FUNCTION qbsync.is_empty(value jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(is_empty.value, 'null') IN ('null', '""', '[]');
$fn$;
COMMENT ON FUNCTION qbsync.is_empty(jsonb) IS 'Is a value missing, null, an empty text or an empty list?';

/*
 * A text is emptied by an empty text, which Intuit does not promise.  Where the answer still has something, the whole record is
 * sent without it, which is documented to empty it; what that one's answer shows is agreed on.
 */
CREATE FUNCTION qbsync.send_whole(requests bigint[], sync_tokens text[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	its_entity text;
	made bigint;
	n bigint := 0;
BEGIN
	FOR its_entity IN SELECT DISTINCT r.entity FROM qbsync.request r WHERE r.request_id = ANY (send_whole.requests) AND r.operation = 'update' AND NOT r.leave_out LOOP
		EXECUTE format($sql$
			UPDATE qbsync.request r SET state = 'ready', leave_out = true, body = x.body, sync_token = x.sync_token, batch_requestid = NULL, bid = NULL,
				composed_at = clock_timestamp(), first_sent_at = NULL, sent_at = NULL,
				requestid = qbsync.derive_requestid(x.origin, 'update', r.mapping_id::text, r.crm_key, r.generation::text, r.id, x.sync_token, x.body)
			FROM (
				SELECT q.request_id, c.sync_token, b.body, k.origin::text AS origin
				FROM unnest($1, $2) AS a(request_id, sync_token)
				JOIN qbsync.request q ON q.request_id = a.request_id AND q.entity = %1$L AND q.operation = 'update' AND NOT q.leave_out
				JOIN qbsync.connection k ON k.connection_id = q.connection_id
				-- an edit that came in since is looked at first
				JOIN qbsync.%1$I c ON c.connection_id = q.connection_id AND c.id = q.id AND c.sync_token = a.sync_token
				CROSS JOIN LATERAL qbsync.compose(q.entity, q.sent_values, c.raw, c.id, c.sync_token, true) b
				WHERE b.body IS NOT NULL AND EXISTS (SELECT FROM jsonb_each(q.sent_values) v WHERE qbsync.is_empty(v.value) AND NOT qbsync.is_empty(to_jsonb(c) -> v.key))
				  -- else that was no empty text, but the whole record already
				  AND q.body::jsonb -> 'sparse' = 'true') x
			WHERE r.request_id = x.request_id
		$sql$, its_entity) USING send_whole.requests, send_whole.sync_tokens;
		GET DIAGNOSTICS made = ROW_COUNT;
		n := n + made;
	END LOOP;
	RETURN n;
END
$fn$;
COMMENT ON FUNCTION qbsync.send_whole(bigint[], text[]) IS 'Updates that were carried out, with the SyncTokens of the answers: those whose empty texts QuickBooks took no notice of are made anew, to be sent whole. How many';

/*
 * A record was made in QuickBooks of a CRM record, and is linked with another one: that arrived and was taken for new.  As after a
 * merge in QuickBooks (note_merge), people are asked to merge the two in the CRM; until then it is not made again.
 */
CREATE FUNCTION qbsync.ask_about_made(mapping_id integer, id text, crm_key text)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $fn$
	INSERT INTO qbsync.decision (mapping_id, connection_id, entity, id, crm_key, kind, arguments)
	SELECT m.mapping_id, m.connection_id, m.entity, ask_about_made.id, ask_about_made.crm_key, 'merge',
		jsonb_build_object('by', 'quickbooks', 'kept_id', ask_about_made.id, 'ask', true, 'made', true, 'touched', '[]'::jsonb)
	FROM qbsync.mapping m
	WHERE m.mapping_id = ask_about_made.mapping_id AND NOT EXISTS (
		SELECT FROM qbsync.decision d
		WHERE d.mapping_id = m.mapping_id AND d.crm_key = ask_about_made.crm_key AND d.kind = 'merge' AND d.undone_at IS NULL
		  AND d.arguments ->> 'kept_id' = ask_about_made.id);
$fn$;
COMMENT ON FUNCTION qbsync.ask_about_made(integer, text, text) IS 'A QuickBooks record (id) was made of a CRM record and is linked with another one: asks people, in qbsync.duplicate';

/* With the rows of the requests goes whatever said that something was still to be done. */
CREATE FUNCTION qbsync.finish_requests(requests bigint[], ids text[], sync_tokens text[])
RETURNS void
LANGUAGE plpgsql VOLATILE		-- its plans are kept
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	-- children of what is there now go on
	PERFORM qbsync.release_sends(r.mapping_id, array_agg(r.crm_key)) FROM qbsync.request r
	WHERE r.request_id = ANY (finish_requests.requests) AND r.operation = 'create' AND EXISTS (SELECT FROM qbsync.send_error e WHERE e.waits_for IS NOT NULL)
	GROUP BY r.mapping_id;

	WITH gone AS (
		DELETE FROM qbsync.request r USING unnest(finish_requests.requests, finish_requests.ids, finish_requests.sync_tokens) AS a(request_id, id, sync_token)
		WHERE r.request_id = a.request_id AND r.state <> 'ready'	-- that one is sent once more
		RETURNING r.connection_id, r.mapping_id, r.entity, r.crm_key, r.operation, r.generation, r.sent_values, a.id, a.sync_token
	), counted AS (
		-- however the link ends, whatever is made after it is another creation
		INSERT INTO qbsync.create_generation AS g (mapping_id, crm_key, generation)
		SELECT n.mapping_id, n.crm_key, n.generation + 1 FROM gone n WHERE n.operation = 'create'
		ON CONFLICT (mapping_id, crm_key) DO UPDATE SET generation = greatest(g.generation, excluded.generation)
	), unrefused AS (
		DELETE FROM qbsync.send_error e USING gone g WHERE e.mapping_id = g.mapping_id AND e.crm_key = g.crm_key
	), unasked AS (
		-- but what the CRM changed meanwhile is looked at: it may be gone
		DELETE FROM qbsync.outgoing o USING gone g WHERE o.mapping_id = g.mapping_id AND o.crm_key = g.crm_key AND NOT o.gone AND o.next_attempt_at = 'infinity'
	)
	INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail)
	SELECT g.connection_id, g.mapping_id, g.entity, g.id, g.crm_key, 'sent',
		jsonb_build_object('operation', g.operation, 'columns', qbsync.column_names(g.sent_values), 'sync_token', g.sync_token)
	FROM gone g;
END
$fn$;
COMMENT ON FUNCTION qbsync.finish_requests(bigint[], text[], text[]) IS 'Requests were carried out: their rows go, with errors about them, unless they are sent once more; ids, sync_tokens: the records, and the numbers of the versions that they made, in the same order';

/* What only an edit can cure is not tried again before one. */
CREATE FUNCTION qbsync.send_retry_at(problem text, attempts integer)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE WHEN send_retry_at.problem IN ('send_too_long', 'send_bad_characters', 'send_bad_email', 'send_missing', 'send_no_name', 'send_bad_value',
			'send_answered_other', 'send_ambiguous')
		THEN 'infinity' ELSE clock_timestamp() + least(interval '1 hour' * (2 ^ least(send_retry_at.attempts, 10)), interval '24 hours') END;
$fn$;
COMMENT ON FUNCTION qbsync.send_retry_at(text, integer) IS 'When a refused record is sent again by itself, after so many earlier refusals for the same reason: after 1 h, 2 h … 24 h; infinity: when it is edited';

/*
 * QuickBooks has answered, and the answer cannot be recorded: something in this database refuses it (a constraint or trigger that
 * somebody made on a table of qbsync).  The request stays as it was sent; the gateway keeps the answer and tries again by itself.
 */
CREATE FUNCTION qbsync.note_unsettled(request_id bigint, id text, detail text, next_attempt_at timestamptz)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $fn$
	INSERT INTO qbsync.send_error AS e (mapping_id, connection_id, entity, id, crm_key, record_name, problem, detail, next_attempt_at)
	SELECT r.mapping_id, r.connection_id, r.entity, coalesce(r.id, note_unsettled.id), r.crm_key,
		coalesce(r.sent_values ->> 'display_name', r.sent_values ->> 'name', r.sent_values ->> 'doc_number'),
		'settle_fails', note_unsettled.detail, note_unsettled.next_attempt_at
	FROM qbsync.request r WHERE r.request_id = note_unsettled.request_id
	ON CONFLICT (mapping_id, crm_key) DO UPDATE SET id = excluded.id, record_name = excluded.record_name, problem = excluded.problem, code = NULL,
		column_name = NULL, message = NULL, detail = excluded.detail, intuit_tid = NULL, waits_for = NULL,
		last_seen = clock_timestamp(), next_attempt_at = excluded.next_attempt_at,
		first_seen = CASE WHEN e.problem = excluded.problem THEN e.first_seen ELSE clock_timestamp() END,
		attempts = CASE WHEN e.problem = excluded.problem THEN e.attempts + 1 ELSE 1 END,
		dismissed_at = CASE WHEN (e.problem, e.detail) IS NOT DISTINCT FROM (excluded.problem, excluded.detail) THEN e.dismissed_at END,
		dismissed_by = CASE WHEN (e.problem, e.detail) IS NOT DISTINCT FROM (excluded.problem, excluded.detail) THEN e.dismissed_by END;
$fn$;
COMMENT ON FUNCTION qbsync.note_unsettled(bigint, text, text, timestamptz) IS 'What QuickBooks answered to a request cannot be recorded: the record that it made (id; null: none, or not known), why, and when the gateway tries again';

CREATE FUNCTION qbsync.mirrored_token(connection_id integer, entity text, id text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	token text;
BEGIN
	EXECUTE format('SELECT c.sync_token FROM qbsync.%I c WHERE c.connection_id = $1 AND c.id = $2', mirrored_token.entity)
		INTO token USING mirrored_token.connection_id, mirrored_token.id;
	RETURN token;
END
$fn$;
COMMENT ON FUNCTION qbsync.mirrored_token(integer, text, text) IS 'SyncToken of a record in the mirror; null when it is not there';

/*
 * Requests that were not carried out.  outcome: ready: nothing was done, the same may be sent again; alone: the same, not in a
 * batch any more; stale: made from an old version, the record is read again, which is worth three rounds; check: not known,
 * to be read back; refused.
 */
CREATE FUNCTION qbsync.note_unsent(results jsonb)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH x AS MATERIALIZED (
		SELECT r.*, t.code, t.element, t.message, t.detail, t.tid, qbsync.send_problem(t.code, t.problem) AS problem,
			CASE WHEN t.outcome = 'stale' AND (r.operation = 'create' OR r.attempts >= 2) THEN 'refused' ELSE t.outcome END AS outcome
		FROM jsonb_to_recordset(note_unsent.results)
			AS t(request_id bigint, outcome text, code integer, problem text, element text, message text, detail text, tid text)
		JOIN qbsync.request r ON r.request_id = t.request_id AND r.state IN ('sent', 'check')
	), changed AS (
		UPDATE qbsync.request r SET state = CASE x.outcome WHEN 'alone' THEN 'ready' ELSE x.outcome END,
			attempts = r.attempts + CASE x.outcome WHEN 'ready' THEN 0 ELSE 1 END,
			batch_requestid = CASE x.outcome WHEN 'check' THEN r.batch_requestid END, bid = CASE x.outcome WHEN 'check' THEN r.bid END,
			first_sent_at = CASE WHEN x.outcome NOT IN ('ready', 'alone') THEN r.first_sent_at END
		FROM x WHERE r.request_id = x.request_id
	), looked AS (
		INSERT INTO qbsync.lookup (connection_id, entity, id)
		SELECT DISTINCT x.connection_id, x.entity, x.id FROM x WHERE x.outcome = 'stale'
		ON CONFLICT DO NOTHING
	), counted AS (
		INSERT INTO qbsync.create_generation AS g (mapping_id, crm_key, generation)
		SELECT x.mapping_id, x.crm_key, x.generation + 1 FROM x WHERE x.outcome = 'refused' AND x.operation = 'create'
		ON CONFLICT (mapping_id, crm_key) DO UPDATE SET generation = greatest(g.generation, excluded.generation)
	), shown AS (
		-- who has the name was not looked at, through any mapping, while it could have been this one
		INSERT INTO qbsync.arrival (mapping_id, id)
		SELECT DISTINCT m.mapping_id, n.id FROM x JOIN qbsync.record n ON n.connection_id = x.connection_id AND n.entity = x.entity
			AND qbsync.normalize_name(n.name) = qbsync.normalize_name(coalesce(x.sent_values ->> 'display_name', x.sent_values ->> 'name'))
		JOIN qbsync.mapping m ON m.connection_id = x.connection_id AND m.entity = x.entity AND m.state = 'enabled'
		WHERE x.outcome = 'refused' AND x.operation = 'create'
	), gone AS (
		-- nobody wants it any more
		UPDATE qbsync.outgoing o SET next_attempt_at = clock_timestamp()
		FROM x WHERE x.outcome = 'refused' AND x.id IS NULL AND o.gone AND o.mapping_id = x.mapping_id AND o.crm_key = x.crm_key
	), shown_gone AS (
		INSERT INTO qbsync.arrival (mapping_id, id)
		SELECT x.mapping_id, x.id FROM x JOIN qbsync.outgoing o ON o.mapping_id = x.mapping_id AND o.crm_key = x.crm_key
		WHERE x.outcome = 'refused' AND x.id IS NOT NULL AND o.gone
	), shown_newer AS (
		-- the mirror has a newer version already, which arrives no more
		INSERT INTO qbsync.arrival (mapping_id, id)
		SELECT x.mapping_id, x.id FROM x
		WHERE x.outcome = 'stale' AND qbsync.mirrored_token(x.connection_id, x.entity, x.id) IS DISTINCT FROM x.sync_token
	), recorded AS (
		DELETE FROM qbsync.send_error e USING x
		WHERE x.outcome <> 'refused' AND e.mapping_id = x.mapping_id AND e.crm_key = x.crm_key AND e.problem = 'settle_fails'
	)
	INSERT INTO qbsync.send_error AS e (mapping_id, connection_id, entity, id, crm_key, record_name, problem, code, column_name, message, detail,
		intuit_tid, next_attempt_at)
	SELECT x.mapping_id, x.connection_id, x.entity, x.id, x.crm_key,
		coalesce(x.sent_values ->> 'display_name', x.sent_values ->> 'name', x.sent_values ->> 'doc_number',
				 (SELECT n.name FROM qbsync.record n WHERE n.connection_id = x.connection_id AND n.entity = x.entity AND n.id = x.id)),
		x.problem, nullif(x.code, 0), coalesce(qbsync.element_column(x.entity, x.element), CASE x.code WHEN 6240 THEN 'display_name' END),
		nullif(x.message, ''), nullif(x.detail, ''), nullif(x.tid, ''), qbsync.send_retry_at(x.problem, 0)
	FROM x WHERE x.outcome = 'refused'
	ON CONFLICT (mapping_id, crm_key) DO UPDATE SET id = excluded.id, record_name = excluded.record_name, problem = excluded.problem,
		code = excluded.code, column_name = excluded.column_name, message = excluded.message, detail = excluded.detail,
		intuit_tid = excluded.intuit_tid, waits_for = NULL, last_seen = clock_timestamp(),
		attempts = CASE WHEN e.problem = excluded.problem THEN e.attempts + 1 ELSE 1 END,
		next_attempt_at = qbsync.send_retry_at(excluded.problem, CASE WHEN e.problem = excluded.problem THEN e.attempts ELSE 0 END),
		-- what was left alone is sent only when it has changed, or somebody asks
		dismissed_at = NULL, dismissed_by = NULL;
$fn$;
COMMENT ON FUNCTION qbsync.note_unsent(jsonb) IS 'Requests that QuickBooks did not carry out, as objects with request_id, outcome (ready, alone, stale, check, refused), and of the fault code, problem, element, message, detail, tid';

/*
 * A record that was read again is the one the request was made from after all: Intuit's servers do not all know the latest
 * at the same moment, or what is inactive is something it refers to.  It is sent again; a new requestid, since the answer to
 * the old one may be kept.
 */
CREATE FUNCTION qbsync.resend_stale(connection_id integer)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	its_entity text;
BEGIN
	FOR its_entity IN SELECT DISTINCT r.entity FROM qbsync.request r WHERE r.connection_id = resend_stale.connection_id AND r.rests AND r.state = 'stale' LOOP
		EXECUTE format($sql$
			UPDATE qbsync.request r SET state = 'ready', generation = r.generation + 1, first_sent_at = NULL,
				requestid = qbsync.derive_requestid(k.origin::text, 'update', r.mapping_id::text, r.crm_key, (r.generation + 1)::text, r.id, r.sync_token, r.body)
			FROM qbsync.connection k, qbsync.%1$I c
			WHERE r.connection_id = $1 AND r.rests AND r.state = 'stale' AND r.entity = %1$L AND k.connection_id = r.connection_id
			  AND c.connection_id = r.connection_id AND c.id = r.id AND c.deleted_at IS NULL AND c.sync_token = r.sync_token
			  AND NOT EXISTS (SELECT FROM qbsync.lookup l WHERE l.connection_id = r.connection_id AND l.entity = r.entity AND l.id = r.id)
		$sql$, its_entity) USING resend_stale.connection_id;
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.resend_stale(integer) IS 'Requests of a connection whose record was read again and is unchanged may be sent again';

/*
 * This database may be an older state of itself: what was sent may have been carried out though nothing here says so, and what
 * is ready to be created may have been created.  An update is safe by its SyncToken.
 */
CREATE FUNCTION qbsync.recheck_requests(connection_id integer)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $fn$
	UPDATE qbsync.request r SET state = 'check', rechecked = true
	WHERE r.connection_id = recheck_requests.connection_id AND (r.state = 'sent' OR r.state = 'ready' AND r.operation = 'create');
	-- what was refused or waits is looked at again where nothing says so any more: errors are not dumped
	WITH lost AS (
		UPDATE qbsync.request r SET state = 'stale', sync_token = NULL, generation = CASE r.operation WHEN 'update' THEN r.generation + 1 ELSE r.generation END
		WHERE r.connection_id = recheck_requests.connection_id AND r.state = 'refused'
		  AND NOT EXISTS (SELECT FROM qbsync.send_error e WHERE e.mapping_id = r.mapping_id AND e.crm_key = r.crm_key)
		RETURNING r.mapping_id, r.crm_key, r.id
	), updates AS (
		INSERT INTO qbsync.arrival (mapping_id, id) SELECT l.mapping_id, l.id FROM lost l WHERE l.id IS NOT NULL
	), wanted AS (
		INSERT INTO qbsync.outgoing AS o (mapping_id, crm_key, asked, asked_by) SELECT l.mapping_id, l.crm_key, false, NULL FROM lost l WHERE l.id IS NULL
		ON CONFLICT (mapping_id, crm_key) DO UPDATE SET next_attempt_at = clock_timestamp()
	)
	UPDATE qbsync.outgoing o SET next_attempt_at = clock_timestamp()
	FROM qbsync.mapping m
	WHERE m.connection_id = recheck_requests.connection_id AND o.mapping_id = m.mapping_id AND o.next_attempt_at = 'infinity'
	  AND NOT EXISTS (SELECT FROM qbsync.send_error e WHERE e.mapping_id = o.mapping_id AND e.crm_key = o.crm_key)
	  AND NOT EXISTS (SELECT FROM qbsync.request r WHERE r.mapping_id = o.mapping_id AND r.crm_key = o.crm_key);
	UPDATE qbsync.connection c SET recheck_since = NULL WHERE c.connection_id = recheck_requests.connection_id;
	SELECT qbsync.wake();
$fn$;
COMMENT ON FUNCTION qbsync.recheck_requests(integer) IS 'QuickBooks was read after a promotion or restore: whatever may have been carried out already is read back before it is sent';

/* Is one of the records that have the name of a creation the one it made?  Then nobody else has it, and it holds what was sent, or was edited since. */
CREATE FUNCTION qbsync.check_candidates(request_id bigint, ids text[])
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	r qbsync.request;
	l qbsync.link;
	its_family integer;
	theirs jsonb;
BEGIN
	SELECT q.* INTO r FROM qbsync.request q WHERE q.request_id = check_candidates.request_id;
	IF r.request_id IS NULL THEN
		RETURN 'none';
	ELSIF cardinality(check_candidates.ids) > 1 THEN
		RETURN 'several';
	END IF;
	SELECT m.family INTO its_family FROM qbsync.mapping m WHERE m.mapping_id = r.mapping_id;
	IF cardinality(check_candidates.ids) = 0 THEN
		RETURN CASE WHEN r.entity = 'customer' AND EXISTS (
			SELECT FROM qbsync.customer c
			WHERE c.connection_id = r.connection_id AND c.deleted_at IS NULL AND qbsync.may_be_renamed(r, to_jsonb(c), c.create_time)
			  AND NOT EXISTS (SELECT FROM qbsync.link k
				WHERE k.connection_id = r.connection_id AND k.entity = r.entity AND k.id = c.id AND k.family = its_family))
			THEN 'renamed' ELSE 'none' END;
	END IF;
	SELECT k.* INTO l FROM qbsync.link k
	WHERE k.connection_id = r.connection_id AND k.entity = r.entity AND k.id = check_candidates.ids[1] AND k.family = its_family;
	IF l.id IS NOT NULL THEN
		RETURN CASE WHEN l.mapping_id = r.mapping_id AND l.crm_key = r.crm_key THEN 'adopt' ELSE 'taken' END;
	END IF;
	EXECUTE format('SELECT to_jsonb(c) FROM qbsync.%I c WHERE c.connection_id = $1 AND c.id = $2 AND c.deleted_at IS NULL', r.entity)
		INTO theirs USING r.connection_id, check_candidates.ids[1];
	-- it holds what was sent, or it was made since, and somebody has edited it
	RETURN CASE WHEN theirs IS NOT NULL
		AND (theirs ->> 'sync_token' <> '0' AND (theirs ->> 'create_time')::timestamptz > coalesce(r.first_sent_at, r.composed_at) - interval '5 minutes'
			OR NOT EXISTS (SELECT FROM jsonb_each(r.sent_values) v
						WHERE theirs ? v.key AND v.value IS DISTINCT FROM theirs -> v.key AND (v.value <> 'null' OR theirs -> v.key <> 'null')))
		THEN 'adopt' ELSE 'taken' END;
END
$fn$;
COMMENT ON FUNCTION qbsync.check_candidates(bigint, text[]) IS 'What the QuickBooks records found under the name of a creation mean: none; adopt: it is that creation''s; taken: it is another''s; several; renamed: there is none, but a new one that may be it under another name (qbsync.may_be_renamed)';
