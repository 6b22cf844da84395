/*
 * The CRM side for applications and people: what is linked, what may be, what differs, what happened, how mappings do.
 *
 * Like the other views they hide companies that may not be shown (qbsync.visible_connection), and each row names its
 * connection, its mapping and, where there is one, crm_table and crm_key.
 */

/*
 * All records of the mirror under one roof, with what people know them by.  Made from the catalogue, so that a new entity
 * is in it (upgrade scripts call the function again).  A query that gives entity and id reads one row of one table.
 *
 * Whether the caller may see what is bought is asked before its tables are read at all, so that no condition of a query gets to
 * see it first; views of what belongs to several entities are security barriers for the same reason.  Not matched, customer_link, timeline,
 * standing_decision and rejected_pair, which a barrier would keep from being joined with another table by its key: these ask may_see() of the
 * rows of the tables that they read, where it comes first.
 */
CREATE FUNCTION qbsync.create_record_view()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	branches text;
BEGIN
	SELECT string_agg(format(
		'SELECT r.connection_id, %L::text AS entity, r.id, %s AS name, %s AS emails, %s AS phone, %s AS active, '
		'%s AS display_name, %s AS company_name, %s AS given_name, %s AS family_name, r.create_time, r.deleted_at, r.seen_at, r.raw FROM qbsync.%I r%s',
		e.entity,
		coalesce((SELECT 'r.' || c."column" FROM unnest('{display_name,name,doc_number,payment_ref_num}'::text[]) WITH ORDINALITY AS n(name, position)
				  JOIN qbsync.catalogue_column c ON c."table" = e.entity AND c."column" = n.name ORDER BY n.position LIMIT 1), 'NULL::text'),
		h.emails, h.phone, h.active, h.display_name, h.company_name, h.given_name, h.family_name, e.entity,
		CASE WHEN e.bought THEN format(' WHERE qbsync.may_see(%L)', e.entity) ELSE '' END), ' UNION ALL ' ORDER BY e.load_order)
	INTO branches
	FROM qbsync.catalogue e
	CROSS JOIN LATERAL (
		SELECT coalesce(max('r.emails') FILTER (WHERE c."column" = 'emails'), 'NULL::text[]') AS emails,
			coalesce(max('coalesce(r.primary_phone, r.mobile, r.alternate_phone)') FILTER (WHERE c."column" = 'alternate_phone'), 'NULL::text') AS phone,
			coalesce(max('r.active') FILTER (WHERE c."column" = 'active'), 'NULL::boolean') AS active,
			coalesce(max('r.display_name') FILTER (WHERE c."column" = 'display_name'), 'NULL::text') AS display_name,
			coalesce(max('r.company_name') FILTER (WHERE c."column" = 'company_name'), 'NULL::text') AS company_name,
			coalesce(max('r.given_name') FILTER (WHERE c."column" = 'given_name'), 'NULL::text') AS given_name,
			coalesce(max('r.family_name') FILTER (WHERE c."column" = 'family_name'), 'NULL::text') AS family_name
		FROM qbsync.catalogue_column c WHERE c."table" = e.entity) h
	WHERE NOT e.singleton;
	EXECUTE 'CREATE OR REPLACE VIEW qbsync.record AS ' || branches;
END
$fn$;
COMMENT ON FUNCTION qbsync.create_record_view() IS 'Makes the view qbsync.record as the catalogue says; install and upgrade scripts call it';
SELECT qbsync.create_record_view();
COMMENT ON VIEW qbsync.record IS 'Every record of the mirror, whatever its entity, with what people know it by';
COMMENT ON COLUMN qbsync.record.name IS 'display name, name, document number or payment reference';
COMMENT ON COLUMN qbsync.record.active IS 'false: made inactive in QuickBooks; null for what cannot be';

/* Which QuickBooks records a mapping is for, and whether they are dealt with. */
CREATE VIEW qbsync.mapped_record AS
SELECT m.mapping_id, m.connection_id, m.entity, r.id, r.name, r.emails, r.phone, r.active, r.create_time, r.deleted_at
FROM qbsync.mapping m
JOIN qbsync.connection n ON n.connection_id = m.connection_id
JOIN qbsync.record r ON r.connection_id = m.connection_id AND r.entity = m.entity
WHERE m.kind = 'any' OR m.kind = qbsync.contact_kind(
	coalesce(m.policies ->> 'kind_rule', n.settings ->> 'kind_rule', (SELECT p.default_value FROM qbsync.policy p WHERE p.name = 'kind_rule')),
	r.display_name, r.company_name, r.given_name, r.family_name);
COMMENT ON VIEW qbsync.mapped_record IS 'Records of QuickBooks that each mapping is for: all of its entity, or those of its kind';

/* Mappings of companies that may be shown, with what the views say of each. */
CREATE VIEW qbsync.visible_mapping AS
SELECT v.connection, m.connection_id, m.mapping_id, m.name AS mapping, m.entity, m.family, m.crm_table, v.app_url || g.page_path AS page_url,
	coalesce(m.policies ->> 'language', v.language) AS language
FROM qbsync.visible_connection v
JOIN qbsync.mapping m ON m.connection_id = v.connection_id
JOIN qbsync.catalogue g ON g.entity = m.entity
WHERE qbsync.may_see(m.entity);
COMMENT ON VIEW qbsync.visible_mapping IS 'Mappings of the companies whose data the views show, of what the current user may see';
COMMENT ON COLUMN qbsync.visible_mapping.language IS 'of generated words: policy language';
COMMENT ON COLUMN qbsync.visible_mapping.page_url IS 'base of links to its records'' pages in QuickBooks; the id follows; null when they have none';

CREATE VIEW qbsync.matched AS
SELECT m.connection, m.connection_id, m.mapping, m.crm_table, l.crm_key, l.entity, l.id, r.name, l.state,
	r.active AS quickbooks_active, r.deleted_at AS quickbooks_deleted_at,
	l.origin,
	qbsync.label('origin', l.origin, m.language) AS how,
	l.linked_at, l.linked_by, l.agreed_at,
	CASE WHEN r.deleted_at IS NULL THEN m.page_url || l.id END AS url
FROM qbsync.visible_mapping m
JOIN qbsync.link l ON l.mapping_id = m.mapping_id AND qbsync.may_see(l.entity)
LEFT JOIN qbsync.record r ON r.connection_id = l.connection_id AND r.entity = l.entity AND r.id = l.id;
COMMENT ON VIEW qbsync.matched IS 'What is linked: which CRM record is which QuickBooks record, how that came about, when and by whom';
COMMENT ON COLUMN qbsync.matched.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.matched.mapping IS 'name of the mapping';
COMMENT ON COLUMN qbsync.matched.crm_table IS 'table of the CRM record';
COMMENT ON COLUMN qbsync.matched.crm_key IS 'key of the CRM record, as text';
COMMENT ON COLUMN qbsync.matched.id IS 'QuickBooks'' id, the one in the address of its page';
COMMENT ON COLUMN qbsync.matched.name IS 'what the record is called in QuickBooks';
COMMENT ON COLUMN qbsync.matched.state IS 'linked; crm_missing: the CRM record is gone or out of scope; alias: a second QuickBooks record that counts for the same CRM record';
COMMENT ON COLUMN qbsync.matched.quickbooks_active IS 'false: made inactive in QuickBooks; null for what cannot be';
COMMENT ON COLUMN qbsync.matched.quickbooks_deleted_at IS 'when it was deleted in QuickBooks, or found to be';
COMMENT ON COLUMN qbsync.matched.origin IS 'id, tax_id, name_and_email, name_only, email_only, decision, created_in_crm, created_in_quickbooks, merge';
COMMENT ON COLUMN qbsync.matched.how IS 'origin in words, in policy language';
COMMENT ON COLUMN qbsync.matched.linked_by IS 'who linked them; null when a rule did';
COMMENT ON COLUMN qbsync.matched.agreed_at IS 'when the two were last compared';
COMMENT ON COLUMN qbsync.matched.url IS 'its page in QuickBooks; opens in the company the browser is signed in to; null when deleted';

CREATE FUNCTION qbsync.is_linked(crm_table text, crm_key text)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT EXISTS (
		SELECT FROM qbsync.mapping m
		JOIN qbsync.link l ON l.mapping_id = m.mapping_id AND l.crm_key = is_linked.crm_key AND l.state <> 'alias'
		WHERE (m.crm_table = is_linked.crm_table OR m.name = is_linked.crm_table)
		  AND EXISTS (SELECT FROM qbsync.visible_connection v WHERE v.connection_id = m.connection_id));
$fn$;
COMMENT ON FUNCTION qbsync.is_linked(text, text) IS 'Is the record of a CRM table (or mapping) with this key linked with one of QuickBooks? SECURITY DEFINER: reads qbsync.link for readers';

CREATE VIEW qbsync.duplicate WITH (security_barrier) AS
SELECT m.connection, m.connection_id, m.mapping, m.crm_table, c.crm_key, c.entity, c.id, r.name, r.emails, r.phone,
	r.active AS quickbooks_active,
	c.score, c.reasons,
	row_number() OVER (PARTITION BY c.mapping_id, c.id ORDER BY c.score DESC, c.crm_key) AS rank,
	count(*) OVER (PARTITION BY c.mapping_id, c.id) AS candidates,
	c.crm_row, c.found_at, m.page_url || c.id AS url,
	CASE WHEN c.linked_key <> c.crm_key
		THEN format('SELECT qbsync_merge(loser => %L, winner => %L, mapping => %L)', c.crm_key, c.linked_key, m.mapping)
		ELSE format('SELECT qbsync_resolve_match(%L, ''link'', %L, mapping => %L)', c.id, c.crm_key, m.mapping) END AS resolve
FROM qbsync.visible_mapping m
JOIN qbsync.open_candidate c ON c.mapping_id = m.mapping_id
LEFT JOIN qbsync.record r ON r.connection_id = c.connection_id AND r.entity = c.entity AND r.id = c.id;
COMMENT ON VIEW qbsync.duplicate IS 'Pairs that may be the same and wait for a person, one row a pair; several candidates of one QuickBooks record are ranked by score';
COMMENT ON COLUMN qbsync.duplicate.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.duplicate.mapping IS 'name of the mapping';
COMMENT ON COLUMN qbsync.duplicate.crm_table IS 'table of the CRM record';
COMMENT ON COLUMN qbsync.duplicate.crm_key IS 'key of the CRM record, as text';
COMMENT ON COLUMN qbsync.duplicate.id IS 'QuickBooks'' id';
COMMENT ON COLUMN qbsync.duplicate.name IS 'what the record is called in QuickBooks';
COMMENT ON COLUMN qbsync.duplicate.emails IS 'its e-mail addresses in QuickBooks';
COMMENT ON COLUMN qbsync.duplicate.score IS 'how likely the two are the same, 0 to 1';
COMMENT ON COLUMN qbsync.duplicate.reasons IS 'what speaks for it, in words: same name, same e-mail, several match, …; merged in QuickBooks: two records were merged there, and each has its CRM record; made in QuickBooks from it: it is linked with another CRM record';
COMMENT ON COLUMN qbsync.duplicate.rank IS 'place among the candidates of this QuickBooks record, best first';
COMMENT ON COLUMN qbsync.duplicate.candidates IS 'number of candidates of this QuickBooks record';
COMMENT ON COLUMN qbsync.duplicate.crm_row IS 'the CRM record as it was when the pair was found';
COMMENT ON COLUMN qbsync.duplicate.resolve IS 'the call that says they are the same; with ''reject'' in place of ''link'' that they are not, with ''create'' and no key that a new CRM record is to be made';

CREATE VIEW qbsync.unlinked AS
SELECT v.connection, v.connection_id, m.name AS mapping, m.mapping_id, m.crm_table, r.entity, r.id, r.name, r.emails, r.active AS quickbooks_active,
	CASE
		WHEN d.kind = 'ignore' THEN 'ignored'
		WHEN r.active IS FALSE THEN 'inactive'
		WHEN d.kind IN ('hold', 'create') THEN d.kind
		WHEN e.problem IS NOT NULL THEN 'error'
		WHEN k.n > 0 THEN 'candidate'
		WHEN m.state <> 'enabled' THEN 'not_enabled'
		WHEN p.pull = 'none' THEN 'policy'
		WHEN p.pull = 'review' OR p.pull = 'since' AND (o.since IS NULL OR r.create_time < o.since) THEN 'review'
		-- of a creation of which only a person can say what became of it
		WHEN EXISTS (SELECT FROM qbsync.request q JOIN qbsync.send_error x ON x.mapping_id = q.mapping_id AND x.crm_key = q.crm_key
					 WHERE q.connection_id = m.connection_id AND q.rests AND q.entity = m.entity AND q.state = 'refused' AND q.operation = 'create'
						AND x.problem IN ('send_ambiguous', 'send_answered_other') AND r.create_time >= q.composed_at - interval '5 minutes') THEN 'review'
		ELSE 'pending'
	END AS reason,
	d.kind AS decision, d.decision_id, d.decided_at, d.decided_by,
	coalesce(k.n, 0) AS candidates,
	e.problem, r.create_time AS created_in_quickbooks, v.app_url || m.page_path || r.id AS url,
	format('SELECT qbsync_resolve_match(%L, ''create'', mapping => %L)', r.id, m.name) AS resolve
FROM qbsync.visible_connection v
JOIN (
	SELECT x.*, g.page_path, CASE WHEN g.transaction THEN 'pull_new_documents' ELSE 'pull_new_first' END AS first_policy,
		CASE WHEN g.transaction THEN 'pull_new_documents' ELSE 'pull_new' END AS later_policy,
		CASE WHEN g.transaction THEN x.entity || '_direction' ELSE 'direction' END AS direction_policy, g.transaction
	FROM qbsync.mapping x JOIN qbsync.catalogue g ON g.entity = x.entity
	WHERE x.state IN ('declared', 'enabled') AND qbsync.may_see(x.entity)
) m ON m.connection_id = v.connection_id
JOIN qbsync.connection n ON n.connection_id = m.connection_id
CROSS JOIN LATERAL (
	SELECT coalesce(m.policies ->> m.first_policy, n.settings ->> m.first_policy,
					(SELECT p.default_value FROM qbsync.policy p WHERE p.name = m.first_policy)) AS pull_first,
		coalesce(m.policies ->> m.later_policy, n.settings ->> m.later_policy,
				 (SELECT p.default_value FROM qbsync.policy p WHERE p.name = m.later_policy)) AS pull_later,
		coalesce(m.policies ->> 'pull_new_since', n.settings ->> 'pull_new_since')::timestamptz AS since,
		coalesce(m.policies ->> m.direction_policy, n.settings ->> m.direction_policy) = 'push'
			AND NOT (m.transaction AND coalesce(m.policies ->> 'documents_direction', n.settings ->> 'documents_direction', 'as_set') <> 'as_set') AS only_out
	OFFSET 0
) o
JOIN qbsync.mapped_record r ON r.mapping_id = m.mapping_id AND r.deleted_at IS NULL
CROSS JOIN LATERAL (
	-- as qbsync.unmatched_action() decides
	SELECT CASE WHEN o.only_out THEN 'none' WHEN m.first_sync_done_at IS NULL OR r.create_time < date_trunc('second', m.first_sync_done_at) THEN o.pull_first ELSE o.pull_later END AS pull
) p
LEFT JOIN qbsync.link l ON l.connection_id = r.connection_id AND l.entity = r.entity AND l.id = r.id AND l.family = m.family
LEFT JOIN qbsync.standing_decision d ON d.mapping_id = m.mapping_id AND d.id = r.id
LEFT JOIN qbsync.crm_error e ON e.mapping_id = m.mapping_id AND e.id = r.id AND e.crm_key = ''
LEFT JOIN (SELECT c.mapping_id, c.id, count(*) AS n FROM qbsync.match_candidate c GROUP BY c.mapping_id, c.id) k
	ON k.mapping_id = m.mapping_id AND k.id = r.id
WHERE l.id IS NULL;
COMMENT ON VIEW qbsync.unlinked IS 'QuickBooks records that a mapping is for and that are not linked with a CRM record, and why. CRM records that are not linked are shown by qbsync_plan';
COMMENT ON COLUMN qbsync.unlinked.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.unlinked.mapping IS 'name of the mapping';
COMMENT ON COLUMN qbsync.unlinked.crm_table IS 'table where the CRM record would be';
COMMENT ON COLUMN qbsync.unlinked.id IS 'QuickBooks'' id';
COMMENT ON COLUMN qbsync.unlinked.name IS 'what the record is called in QuickBooks';
COMMENT ON COLUMN qbsync.unlinked.reason IS 'review: a person must decide; candidate: see qbsync.duplicate; hold, ignored: a person decided so; create: it is about to be made; error: the CRM does not take it, see qbsync.error_open; not_enabled: nothing moves before qbsync_enable; inactive: made inactive in QuickBooks, and looked at again when it is not; policy: pull_new says not to, or nothing comes from QuickBooks here (direction push); pending: it is about to be looked at';
COMMENT ON COLUMN qbsync.unlinked.decision IS 'what a person decided: hold, create or ignore';
COMMENT ON COLUMN qbsync.unlinked.decision_id IS 'for qbsync_undo';
COMMENT ON COLUMN qbsync.unlinked.candidates IS 'CRM records it may be';
COMMENT ON COLUMN qbsync.unlinked.problem IS 'why the CRM does not take it: code in qbsync.problem';
COMMENT ON COLUMN qbsync.unlinked.resolve IS 'the call that makes a CRM record of it; ''hold'' and ''ignore'' in place of ''create''; qbsync_link links it with one that is there';

CREATE VIEW qbsync.conflict_open WITH (security_barrier) AS
SELECT c.conflict_id, m.connection, m.connection_id, m.mapping, m.crm_table, c.crm_key, c.entity, c.id, r.name,
	c.unit, c.kind, c.base, c.ours AS crm, c.theirs AS quickbooks, c.ours_at AS crm_changed_at, c.theirs_at AS quickbooks_changed_at,
	CASE WHEN c.ours_at > c.theirs_at THEN 'crm' WHEN c.ours_at < c.theirs_at THEN 'quickbooks' END AS newer,
	c.found_at, now() - c.found_at AS age, m.page_url || c.id AS url,
	format('SELECT qbsync_resolve_conflict(%s, ''crm'')', c.conflict_id) AS take_crm,
	format('SELECT qbsync_resolve_conflict(%s, ''quickbooks'')', c.conflict_id) AS take_quickbooks
FROM qbsync.visible_mapping m
JOIN qbsync.conflict c ON c.mapping_id = m.mapping_id
LEFT JOIN qbsync.record r ON r.connection_id = c.connection_id AND r.entity = c.entity AND r.id = c.id;
COMMENT ON VIEW qbsync.conflict_open IS 'Fields that differ and wait for a person, with both values, the one last agreed on, and both times; a row leaves by itself when both sides agree again';
COMMENT ON COLUMN qbsync.conflict_open.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.conflict_open.mapping IS 'name of the mapping';
COMMENT ON COLUMN qbsync.conflict_open.crm_table IS 'table of the CRM record';
COMMENT ON COLUMN qbsync.conflict_open.crm_key IS 'key of the CRM record, as text';
COMMENT ON COLUMN qbsync.conflict_open.id IS 'QuickBooks'' id';
COMMENT ON COLUMN qbsync.conflict_open.name IS 'what the record is called in QuickBooks';
COMMENT ON COLUMN qbsync.conflict_open.unit IS 'column, or columns that go together: bill_addr, ship_addr, lines';
COMMENT ON COLUMN qbsync.conflict_open.kind IS 'changed_both: since they last agreed; differs: they never agreed, found at linking; address_partial: addresses that agree in part';
COMMENT ON COLUMN qbsync.conflict_open.base IS 'what both last agreed on; empty when they never did';
COMMENT ON COLUMN qbsync.conflict_open.crm IS 'what the CRM shows; what is empty is left out';
COMMENT ON COLUMN qbsync.conflict_open.quickbooks IS 'what QuickBooks shows; what is empty is left out';
COMMENT ON COLUMN qbsync.conflict_open.crm_changed_at IS 'when the CRM record changed last, where its view tells (last_updated_time)';
COMMENT ON COLUMN qbsync.conflict_open.quickbooks_changed_at IS 'when the QuickBooks record changed last';
COMMENT ON COLUMN qbsync.conflict_open.newer IS 'crm or quickbooks; null when a time is not known';
COMMENT ON COLUMN qbsync.conflict_open.take_crm IS 'the call that keeps the CRM''s value and sends it';
COMMENT ON COLUMN qbsync.conflict_open.take_quickbooks IS 'the call that writes QuickBooks'' value to the CRM';

/* Entries of the timeline in words; by the details that are noted with each kind. */
CREATE FUNCTION qbsync.timeline_text(kind text, entity text, id text, detail jsonb, language text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	d jsonb := coalesce(timeline_text.detail, '{}');
	sentence text := timeline_text.kind;
	second text;
	third text;
	columns text := (SELECT string_agg(c.name, ', ' ORDER BY c.name)
		FROM jsonb_array_elements_text(CASE jsonb_typeof(d -> 'columns') WHEN 'array' THEN d -> 'columns' ELSE '[]' END) AS c(name));
BEGIN
	CASE timeline_text.kind
		WHEN 'created', 'deleted', 'missing' THEN
			NULL;
		WHEN 'updated' THEN
			second := coalesce(columns, qbsync.label('change', 'empty', timeline_text.language));
			third := qbsync.label_with('timeline', 'overwritten', timeline_text.language,
				(SELECT ARRAY[string_agg(o.name, ', ' ORDER BY o.name)] FROM jsonb_array_elements_text(d -> 'overwritten') o(name) HAVING count(*) > 0));
		WHEN 'sent' THEN
			sentence := CASE d ->> 'operation' WHEN 'create' THEN 'made' ELSE 'sent' END;
			second := coalesce(columns, qbsync.label('change', 'empty', timeline_text.language));
		WHEN 'linked' THEN
			second := qbsync.label('origin', d ->> 'origin', timeline_text.language);
			sentence := CASE WHEN second IS NULL THEN 'linked' ELSE 'linked_why' END;
		WHEN 'unlinked' THEN
			second := qbsync.label('timeline', d ->> 'reason', timeline_text.language);
			sentence := CASE WHEN second IS NULL THEN 'unlinked' ELSE 'unlinked_why' END;
		WHEN 'merged' THEN
			sentence := CASE d ->> 'by' WHEN 'quickbooks' THEN 'merged_there' ELSE 'merged' END;
			second := coalesce(d ->> 'winner', qbsync.label('timeline', 'another', timeline_text.language));
		WHEN 'conflict' THEN
			second := d ->> 'unit';
			sentence := CASE WHEN second IS NULL THEN 'conflict' ELSE 'conflict_in' END;
		WHEN 'resolved' THEN
			second := d ->> 'unit';
			sentence := CASE d ->> 'take' WHEN 'crm' THEN 'resolved_crm' ELSE 'resolved_quickbooks' END;
		WHEN 'event' THEN
			second := replace(qbsync.label('event', coalesce(d ->> 'event', 'event'), timeline_text.language), '_', ' ');
			third := qbsync.label_with('timeline', 'becomes', timeline_text.language, CASE WHEN d ->> 'column' IS NOT NULL THEN ARRAY[d ->> 'column', d ->> 'to'] END);
			sentence := CASE WHEN third IS NULL THEN 'event' ELSE 'event_column' END;
		WHEN 'undone' THEN
			second := d ->> 'decision';
			third := columns;
			sentence := CASE WHEN third IS NULL THEN 'undone' ELSE 'undone_columns' END;
		WHEN 'rekeyed' THEN
			second := d ->> 'was';
		WHEN 'decided' THEN
			sentence := 'decided_' || CASE WHEN d ->> 'kind' IN ('create', 'hold', 'ignore') THEN d ->> 'kind' ELSE 'reject' END;
		ELSE
			sentence := 'other';
			second := timeline_text.kind;
	END CASE;
	RETURN qbsync.label_with('timeline', sentence, timeline_text.language,
		ARRAY[concat_ws(' ', qbsync.label('entity', timeline_text.entity, timeline_text.language), timeline_text.id), second, third]);
END
$fn$;
COMMENT ON FUNCTION qbsync.timeline_text(text, text, text, jsonb, text) IS 'An entry of qbsync.timeline in plain words of a language, see the table qbsync.label';

/* What became of a version in QuickBooks, for the timeline: the next two work it out for the rows and columns a query asks for. */
CREATE FUNCTION qbsync.seen_change_text(version qbsync.record_version, language text)
RETURNS text
LANGUAGE plpgsql STABLE COST 1000
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	d record := qbsync.change_detail(version);
BEGIN
	RETURN format(qbsync.label('sentence', 'seen_change', seen_change_text.language),
		qbsync.change_text(version.connection_id, version.entity, d.kind, d.changes, seen_change_text.language));
END
$fn$;
COMMENT ON FUNCTION qbsync.seen_change_text(qbsync.record_version, text) IS 'What became of a version of a record in QuickBooks, in words, for qbsync.timeline; language as in qbsync.label';

CREATE FUNCTION qbsync.seen_change_detail(version qbsync.record_version)
RETURNS jsonb
LANGUAGE plpgsql STABLE COST 1000
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	d record := qbsync.change_detail(version);
BEGIN
	RETURN jsonb_strip_nulls(jsonb_build_object('change', d.kind, 'changes', d.changes, 'changed_at', d.changed_at, 'sync_token', d.sync_token));
END
$fn$;
COMMENT ON FUNCTION qbsync.seen_change_detail(qbsync.record_version) IS 'What became of a version of a record in QuickBooks: {change, changes, changed_at, sync_token}, for qbsync.timeline';

CREATE FUNCTION qbsync.same_id_support(internal)
RETURNS internal
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'qbsync_same_id_support';
COMMENT ON FUNCTION qbsync.same_id_support(internal) IS 'What the planner asks of qbsync.same_id: which index condition stands for it, how many rows there will be';

CREATE FUNCTION qbsync.same_id(a text, b text)
RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000000 SUPPORT qbsync.same_id_support
AS 'MODULE_PATHNAME', 'qbsync_same_id';
COMMENT ON FUNCTION qbsync.same_id(text, text) IS 'a = b, for a join that looks ids up in an index and never hashes or sorts';

/*
 * What happened to CRM records: what people and the worker noted (activity); the records made from QuickBooks, which are told from
 * their links (a first sync makes many, and writes no more than it must); and what changed in QuickBooks, which is told from the
 * superseded versions of what is linked, but for our own writes.  Not one sequence: whoever polls asks for at > the newest he
 * has seen, less a margin for transactions that were still under way then (a minute is plenty), and skips the event_id he has.
 *
 * Each part comes in order of time by an index, or by the key of one record: neither what happened lately nor what happened to a record
 * reads the rest.  The third is a join and sorted by itself; qbsync.same_id sees to its way.
 *
 * before and written come from history, whose row is written just ahead of the activity of the same transaction.
 */
CREATE VIEW qbsync.timeline AS
SELECT x.at, x.event_id, v.connection, x.connection_id, m.name AS mapping, m.crm_table, x.crm_key, x.entity, x.id,
	qbsync.record_name(x.connection_id, x.entity, x.id) COLLATE "default" AS name,
	x.kind, CASE WHEN x.kind = 'changed' THEN qbsync.seen_change_text(x.version, coalesce(m.policies ->> 'language', v.language)) ELSE qbsync.timeline_text(x.kind, x.entity, x.id, x.detail, coalesce(m.policies ->> 'language', v.language)) END AS text,
	CASE WHEN x.kind = 'changed' THEN (qbsync.next_version(x.version)).raw #>> '{MetaData,LastModifiedByRef,value}' ELSE x.by END AS by,
	(x.detail ->> 'decision')::bigint AS decision,
	CASE WHEN x.kind = 'changed' THEN qbsync.seen_change_detail(x.version) ELSE x.detail END AS detail,
	CASE WHEN x.kind IN ('updated', 'deleted') THEN (
		SELECT h.before FROM qbsync.history h WHERE h.mapping_id = x.mapping_id AND h.crm_key = x.crm_key AND h.at <= x.at
		ORDER BY h.history_id DESC LIMIT 1) END AS before,
	CASE WHEN x.kind = 'updated' THEN (
		SELECT h.written FROM qbsync.history h WHERE h.mapping_id = x.mapping_id AND h.crm_key = x.crm_key AND h.at <= x.at
		ORDER BY h.history_id DESC LIMIT 1) END AS written
FROM (
	SELECT a.at, 'activity ' || a.activity_id AS event_id, a.connection_id, a.mapping_id, a.entity, a.id, a.crm_key, a.kind, a.detail, a.by::text AS by, true AS shown,
		NULL::qbsync.record_version AS version
	FROM qbsync.activity a
	UNION ALL
	SELECT l.linked_at, 'link ' || l.mapping_id || ' ' || (l.id COLLATE "default"), l.connection_id, l.mapping_id, l.entity, l.id, l.crm_key,
		'created', NULL::jsonb, NULL::text, l.origin = 'created_in_crm', NULL::qbsync.record_version
	FROM qbsync.link l				-- a WHERE here would keep conditions from the index
	UNION ALL
	(SELECT c.valid_to, concat_ws(' ', 'change', l.mapping_id, c.entity, c.id, extract(epoch FROM c.valid_to)), l.connection_id, l.mapping_id, l.entity, l.id, l.crm_key,
		'changed', NULL, NULL, EXISTS (
			SELECT FROM qbsync.activity a
			WHERE a.mapping_id = l.mapping_id AND a.crm_key = l.crm_key AND a.kind = 'sent' AND a.id = l.id
				-- the next version is looked for only of what was sent to QuickBooks
				AND a.detail @> jsonb_build_object('sync_token', (qbsync.next_version(c)).sync_token)) IS NOT TRUE, c
	FROM qbsync.mapping k			-- which the index of links by crm_key begins with
	JOIN qbsync.link l ON l.mapping_id = k.mapping_id
	JOIN qbsync.record_version c ON c.connection_id = l.connection_id AND c.entity = l.entity AND qbsync.same_id(c.id, l.id)
		AND c.entity = ANY (ARRAY(SELECT qbsync.readable_entities()))
	ORDER BY 1 DESC)
) x
JOIN qbsync.visible_connection v ON int4eq(v.connection_id, x.connection_id)		-- after =, the planner expects next to no rows, and to read all for a page
LEFT JOIN qbsync.mapping m ON m.mapping_id = x.mapping_id
WHERE x.shown AND qbsync.may_see(x.entity);
COMMENT ON VIEW qbsync.timeline IS 'What happened to CRM records and their links, and in QuickBooks to what they are linked with, in words; kept for qbsync.history_retention, changes in QuickBooks for the setting version_days';
COMMENT ON COLUMN qbsync.timeline.at IS 'when; pollers ask for what is newer than they have, less a minute for transactions then under way';
COMMENT ON COLUMN qbsync.timeline.event_id IS 'tells entries apart, for pollers';
COMMENT ON COLUMN qbsync.timeline.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.timeline.mapping IS 'name of the mapping; null when it was removed';
COMMENT ON COLUMN qbsync.timeline.crm_table IS 'table of the CRM record';
COMMENT ON COLUMN qbsync.timeline.crm_key IS 'key of the CRM record, as text';
COMMENT ON COLUMN qbsync.timeline.id IS 'QuickBooks'' id';
COMMENT ON COLUMN qbsync.timeline.name IS 'what the record is called in QuickBooks now';
COMMENT ON COLUMN qbsync.timeline.kind IS 'created, updated, sent, linked, unlinked, deleted, merged, event, conflict, resolved, decided, undone, missing; changed: somebody changed, deleted or restored it in QuickBooks';
COMMENT ON COLUMN qbsync.timeline.text IS 'what happened, in plain words, in policy language';
COMMENT ON COLUMN qbsync.timeline.by IS 'who did it; null: qbsync itself; of changed: QuickBooks'' number of the user, null: not known';
COMMENT ON COLUMN qbsync.timeline.decision IS 'number for qbsync_undo';
COMMENT ON COLUMN qbsync.timeline.detail IS 'particulars: columns of an update, event with column and new value, unit of a conflict, changes as in qbsync.record_change, …';
COMMENT ON COLUMN qbsync.timeline.before IS 'of an update or deletion: the CRM record as it was before';
COMMENT ON COLUMN qbsync.timeline.written IS 'of an update: what was written';

CREATE INDEX link_created_idx ON qbsync.link (linked_at) WHERE origin = 'created_in_crm';
COMMENT ON INDEX qbsync.link_created_idx IS 'CRM records made from QuickBooks by time, for qbsync.timeline';

CREATE VIEW qbsync.mapping_status AS
SELECT v.connection, v.connection_id, m.name AS mapping, m.mapping_id, m.entity, m.kind, m.crm_table, m.view_name AS view, m.role, m.state,
	w.problem IS NULL AS ok, w.problem, coalesce(t.meaning, p.meaning) AS problem_text,
	CASE WHEN m.problem IS NULL THEN w.lost WHEN qbsync.may_see(m.entity) THEN m.problem_detail END AS detail,
	replace(coalesce(t.remedy, p.remedy), 'mapping => …', format('mapping => %L', m.name)) AS what_to_do,
	m.problem_since AS since, m.attempts, m.next_attempt_at,
	-- computed only when asked for
	(SELECT string_agg(concat_ws(' ', k.detail, k.hint), chr(10)) FROM qbsync.mapping_check(m.mapping_id) k) AS problems_now,
	(SELECT count(*) FROM qbsync.link l WHERE l.mapping_id = m.mapping_id AND l.state = 'linked') AS linked_count,
	(SELECT count(*) FROM qbsync.link l WHERE l.mapping_id = m.mapping_id AND l.state = 'alias') AS alias_count,
	(SELECT count(*) FROM qbsync.link l WHERE l.mapping_id = m.mapping_id AND l.state = 'crm_missing') AS crm_missing_count,
	(SELECT count(*) FROM qbsync.open_candidate c WHERE c.mapping_id = m.mapping_id) AS duplicate_count,
	(SELECT count(*) FROM qbsync.conflict c WHERE c.mapping_id = m.mapping_id) AS conflict_count,
	(SELECT count(*) FROM qbsync.crm_error e WHERE e.mapping_id = m.mapping_id AND e.dismissed_at IS NULL) AS error_count,
	(SELECT count(*) FROM qbsync.arrival a WHERE a.mapping_id = m.mapping_id) AS waiting_count,
	(SELECT count(*) FROM qbsync.send_error e WHERE e.mapping_id = m.mapping_id AND e.dismissed_at IS NULL) AS send_error_count,
	(SELECT count(*) FROM qbsync.request r WHERE r.mapping_id = m.mapping_id) AS pending_count,
	(SELECT count(*) FROM qbsync.outgoing o WHERE o.mapping_id = m.mapping_id AND o.lane = 'backfill') AS backfill_count, m.paused_lanes,
	CASE WHEN m.sweep_after IS NOT NULL THEN (
		SELECT round(100.0 * count(*) FILTER (WHERE r.id <= m.sweep_after) / greatest(count(*), 1), 1)
		FROM qbsync.record r WHERE r.connection_id = m.connection_id AND r.entity = m.entity) END AS sweep_percent,
	m.enabled_at, m.enabled_by, m.first_sync_done_at, m.created_at, m.created_by
FROM qbsync.visible_connection v
JOIN qbsync.mapping m ON m.connection_id = v.connection_id
JOIN qbsync.connection c ON c.connection_id = m.connection_id
CROSS JOIN LATERAL (
	SELECT coalesce(m.problem, CASE WHEN k.lost IS NOT NULL THEN 'watch_lost' END) AS problem, k.lost, k.language
	FROM (SELECT n.language, CASE WHEN m.problem IS NULL THEN (
			SELECT string_agg(format(qbsync.label('sentence', 'watch_' || x.loss, n.language), x.table_name), ' ' ORDER BY x.table_name)
			FROM qbsync.lost_watches(m.mapping_id) x) END AS lost
		  FROM (SELECT qbsync.language(m.policies, c.settings) AS language) n OFFSET 0) k
) w
LEFT JOIN qbsync.problem p ON p.code = w.problem
LEFT JOIN qbsync.problem_text t ON t.code = w.problem AND t.language = w.language;
COMMENT ON VIEW qbsync.mapping_status IS 'Every mapping: is all well, how far it is, what waits';
COMMENT ON COLUMN qbsync.mapping_status.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.mapping_status.kind IS 'any, person or organisation: which customers belong to it';
COMMENT ON COLUMN qbsync.mapping_status.view IS 'view of the CRM that stands for the entity';
COMMENT ON COLUMN qbsync.mapping_status.role IS 'role that reads and writes the view';
COMMENT ON COLUMN qbsync.mapping_status.state IS 'declared: nothing moves yet; enabled; disabled: was enabled, links are kept';
COMMENT ON COLUMN qbsync.mapping_status.problem IS 'code in qbsync.problem of what keeps the whole mapping from going on, or watch_lost: changes of some tables are not noticed; null when ok';
COMMENT ON COLUMN qbsync.mapping_status.problem_text IS 'what the problem means, in policy language';
COMMENT ON COLUMN qbsync.mapping_status.what_to_do IS 'the way out, in policy language';
COMMENT ON COLUMN qbsync.mapping_status.next_attempt_at IS 'when it is tried again by itself; qbsync_retry_all does it now';
COMMENT ON COLUMN qbsync.mapping_status.problems_now IS 'what a check of the view, its columns and the role''s rights finds at this moment; null when nothing';
COMMENT ON COLUMN qbsync.mapping_status.alias_count IS 'QuickBooks records that count for a CRM record beside the one it is linked with';
COMMENT ON COLUMN qbsync.mapping_status.crm_missing_count IS 'links whose CRM record is gone or out of scope';
COMMENT ON COLUMN qbsync.mapping_status.duplicate_count IS 'rows of qbsync.duplicate';
COMMENT ON COLUMN qbsync.mapping_status.conflict_count IS 'rows of qbsync.conflict_open';
COMMENT ON COLUMN qbsync.mapping_status.error_count IS 'records that the CRM does not take: rows of qbsync.error_open';
COMMENT ON COLUMN qbsync.mapping_status.waiting_count IS 'changes in QuickBooks that were not looked at yet';
COMMENT ON COLUMN qbsync.mapping_status.send_error_count IS 'CRM records that cannot go to QuickBooks as they are: rows of qbsync.error_open, too';
COMMENT ON COLUMN qbsync.mapping_status.pending_count IS 'rows of qbsync.pending';
COMMENT ON COLUMN qbsync.mapping_status.backfill_count IS 'CRM records of a backfill that are not in QuickBooks yet';
COMMENT ON COLUMN qbsync.mapping_status.paused_lanes IS 'kinds of what waits to be sent that rest: rule: far more than usual, see qbsync.pending and qbsync_confirm_lane; backfill: see qbsync_backfill_pause';
COMMENT ON COLUMN qbsync.mapping_status.sweep_percent IS 'while all records are being looked at: how far';
COMMENT ON COLUMN qbsync.mapping_status.first_sync_done_at IS 'when all records had been looked at for the first time';
