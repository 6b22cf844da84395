/*
 * The plan: what the next sync would do, before anything is done; and running a query as a role, for checks on views of the
 * CRM.  In both, code of the CRM runs in the caller's session, as the mapping's role and as nobody else (src/crm/role.c).
 */

CREATE FUNCTION qbsync.query_as_role(role name, search_path text, settings jsonb, query text)
RETURNS text[]
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'qbsync_query_as_role';
COMMENT ON FUNCTION qbsync.query_as_role(name, text, jsonb, text) IS
	'First column of a query that is run as a role, with a search_path and settings of its own; the caller must be a member of the role, which must be neither superuser nor BYPASSRLS. The query can read only, and nothing it calls can get at the caller''s rights';

INSERT INTO qbsync.label (kind, value, language, label) VALUES
	('sentence', 'under_way', 'en', 'Something of it is on its way to QuickBooks; it is looked at again when that is answered.'),
	('sentence', 'under_way', 'fr', 'Quelque chose d''elle est en route vers QuickBooks ; elle sera regardée de nouveau quand la réponse sera là.'),
	('sentence', 'name_taken', 'en', 'In QuickBooks, %s has this name already, and names are unique there.'),
	('sentence', 'name_taken', 'fr', 'Dans QuickBooks, %s porte déjà ce nom, et les noms y sont uniques.'),
	('sentence', 'name_twice', 'en', 'Another record of the CRM goes first with this name, and names are unique in QuickBooks.'),
	('sentence', 'name_twice', 'fr', 'Une autre fiche du CRM passe d''abord avec ce nom, et les noms sont uniques dans QuickBooks.'),
	('sentence', 'lane_stops', 'en', 'More than %s are to be created by a rule: they wait for SELECT qbsync_confirm_lane(%s);'),
	('sentence', 'lane_stops', 'fr', 'Plus de %s doivent être créées par une règle : elles attendent SELECT qbsync_confirm_lane(%s);');

/*
 * The end of a statement about what goes out, behind CTE composed: rows of the plan.  Names that are known to be taken are found by
 * putting those of the mirror behind the wanted ones, and sorting: a join would be left to estimates.  $1: those of vendors and
 * employees count, too, as far as they are read: whoever asks may see them.
 */
CREATE FUNCTION qbsync.plan_composed(m qbsync.mapping)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format($sql$, named AS (
			SELECT k.crm_key, k.id, lower(btrim(k.columns ->> 'display_name')) COLLATE pg_catalog."C" AS key, NULL::text AS holder FROM composed k
			WHERE k.body IS NOT NULL AND k.columns ->> 'display_name' IS NOT NULL
			UNION ALL
			SELECT NULL, NULL, lower(h.display_name COLLATE pg_catalog."default") COLLATE pg_catalog."C", h.holder
			FROM (SELECT 'customer ' || c.id AS holder, c.display_name FROM qbsync.customer c WHERE c.connection_id = %1$s AND c.deleted_at IS NULL
				UNION ALL SELECT 'vendor ' || c.id, c.display_name FROM qbsync.vendor c WHERE $1 AND c.connection_id = %1$s AND c.deleted_at IS NULL
				UNION ALL SELECT 'employee ' || c.id, c.display_name FROM qbsync.employee c WHERE $1 AND c.connection_id = %1$s AND c.deleted_at IS NULL) h
			WHERE EXISTS (SELECT FROM composed k WHERE k.body IS NOT NULL AND k.columns ->> 'display_name' IS NOT NULL)
		), taken AS MATERIALIZED (
			SELECT jsonb_object_agg(n.crm_key, coalesce(n.taken_by, '')) AS names
			FROM (SELECT x.crm_key, x.holder,
					(array_remove(array_agg(x.holder) FILTER (WHERE x.holder IS NOT NULL) OVER (PARTITION BY x.key), 'customer ' || x.id))[1] AS taken_by,
					row_number() OVER (PARTITION BY x.key ORDER BY x.holder IS NOT NULL, x.crm_key) > 1 AS twice
				FROM named x) n
			WHERE n.holder IS NULL AND (n.taken_by IS NOT NULL OR n.twice)
		), judged AS (
			SELECT k.*, coalesce(o.state IN ('sent', 'check'), false) AS under_way, nullif(k.taken_by, '') AS holder,
				CASE WHEN o.state IN ('sent', 'check') THEN NULL WHEN k.problem IS NOT NULL THEN k.problem
					WHEN o.state = 'refused' AND %2$s THEN coalesce((SELECT e.problem FROM qbsync.send_error e WHERE e.mapping_id = %3$s AND e.crm_key = k.crm_key), 'send_refused')
					WHEN k.taken_by IS NOT NULL THEN 'send_name_taken' END AS why_not
			FROM (SELECT c.*, (SELECT t.names FROM taken t) ->> c.crm_key AS taken_by FROM composed c) k
			LEFT JOIN LATERAL (SELECT q.* FROM qbsync.request q WHERE q.mapping_id = %3$s AND q.crm_key = k.crm_key LIMIT 1) o ON true
		)
		SELECT CASE WHEN k.under_way OR cardinality(k.waits_for) > 0 THEN 'wait' WHEN k.why_not IS NOT NULL THEN 'error' WHEN k.id IS NULL THEN 'push' ELSE 'send' END AS action,
			k.id, k.crm_key, k.name,
			CASE WHEN k.under_way THEN 'it is on its way' WHEN k.why_not IS NOT NULL THEN k.why_not
				WHEN k.id IS NULL THEN CASE k.lane WHEN 'interactive' THEN 'somebody asked for it' WHEN 'backfill' THEN 'all that QuickBooks does not have are created there' ELSE 'push_new is scope' END
				WHEN EXISTS (SELECT FROM qbsync.link l WHERE l.connection_id = %4$s AND l.entity = %5$L AND l.family = %6$s AND l.id = k.id AND l.base IS NOT NULL) THEN 'changed in the CRM'
				ELSE 'compared for the first time' END AS reason,
			CASE WHEN k.id IS NOT NULL THEN (SELECT jsonb_object_agg(x.x, b.b -> x.x) FROM (SELECT jsonb_build_object(%7$s) AS b FROM qbsync.%5$I c WHERE c.connection_id = %4$s AND c.id = k.id OFFSET 0) b, jsonb_object_keys(k.columns) x(x)) END AS before,
			k.columns AS after, k.send AS to_quickbooks,
			CASE WHEN k.under_way THEN %8$L WHEN k.problem IS NOT NULL THEN k.detail
				WHEN k.why_not = 'send_name_taken' AND k.holder IS NOT NULL THEN format(%9$L, qbsync.label('entity', split_part(k.holder, ' ', 1), %13$L) || ' ' || split_part(k.holder, ' ', 2))
				WHEN k.why_not = 'send_name_taken' AND k.taken_by IS NOT NULL THEN %10$L
				WHEN k.why_not IS NOT NULL THEN (SELECT concat_ws(' ', e.message, e.detail) FROM qbsync.send_error e WHERE e.mapping_id = %3$s AND e.crm_key = k.crm_key)
				WHEN k.lane = 'rule' AND (SELECT count(*) FROM composed c WHERE c.lane = 'rule') > %11$s THEN %12$L END AS detail
		FROM judged k
		ORDER BY k.crm_key$sql$, (m).connection_id, qbsync.refusal_stays(m), (m).mapping_id, (m).connection_id, (m).entity, (m).family,
		(SELECT string_agg(DISTINCT format('%1$L, c.%1$I', coalesce(c.ref_column, c.name)), ', ') FROM qbsync.mapping_columns((m).mapping_id) c WHERE c.sendable AND c.role IN ('canonical', 'reference')),
		qbsync.mapping_sentence(m, 'under_way'), qbsync.mapping_sentence(m, 'name_taken'), qbsync.mapping_sentence(m, 'name_twice'),
		p.lane_limit, format(qbsync.mapping_sentence(m, 'lane_stops'), p.lane_limit, quote_literal((m).name)), qbsync.mapping_language(m))
	FROM (SELECT qbsync.effective_policies((m).mapping_id) ->> 'lane_limit' AS lane_limit) p;
$fn$;
COMMENT ON FUNCTION qbsync.plan_composed(qbsync.mapping) IS 'End of a statement behind qbsync.send_composed or push_composed: action, id, crm_key, name, reason, before, after, to_quickbooks, detail of rows of the plan. $1: may whoever asks see what is bought?';

/*
 * What the plan needs beside the decisions.  The statements run as the owner.  send reads the tuplestore sent (id, crm_key, send, ours,
 * name: what linked records send); push and crm_only read crm_row (the CRM's rows), match_pair, and decided (keys that the plan speaks
 * of already).  push is what the next sync looks at that QuickBooks does not have: what somebody asked for, and what a policy creates.
 */
CREATE FUNCTION qbsync.plan_statements(mapping_id integer, OUT addresses jsonb, OUT send text, OUT push text, OUT crm_only text, OUT push_new text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	policy jsonb := qbsync.effective_policies(plan_statements.mapping_id);
	backfill boolean;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = plan_statements.mapping_id;
	SELECT coalesce(jsonb_object_agg(u.key, u.value -> 'columns'), '{}') INTO plan_statements.addresses
	FROM jsonb_each(qbsync.merge_rules(m.mapping_id) -> 'units') u
	WHERE (u.value ->> 'address')::boolean;
	IF qbsync.may_send(m.mapping_id) THEN
		plan_statements.send := qbsync.send_composed(m, 'sent u') || qbsync.plan_composed(m);
	END IF;
	backfill := m.backfill_asked_by IS NOT NULL OR m.first_sync_done_at IS NULL AND coalesce(policy ->> 'initial_push' = 'true', false);
	IF qbsync.may_create(m.mapping_id)
	   AND (backfill OR qbsync.creates_by_rule(m.mapping_id) OR EXISTS (SELECT FROM qbsync.outgoing o WHERE o.mapping_id = m.mapping_id)) THEN
		plan_statements.push := qbsync.push_composed(m, format($sql$(
				SELECT r.crm_key, coalesce(q.asked, false) OR %1$L AS asked, CASE WHEN q.asked THEN q.lane WHEN %1$L THEN 'backfill' ELSE 'rule' END AS lane,
					CASE WHEN q.asked THEN q.asked_at ELSE clock_timestamp() END AS asked_at
				FROM crm_row r LEFT JOIN qbsync.outgoing q ON q.mapping_id = %2$s AND q.crm_key = r.crm_key
				WHERE r.crm_key IS NOT NULL AND (%1$L OR %3$L OR q.crm_key IS NOT NULL)
				  AND NOT EXISTS (SELECT FROM qbsync.link l WHERE l.mapping_id = %2$s AND l.crm_key = r.crm_key)
				  AND NOT EXISTS (SELECT FROM decided d WHERE d.crm_key = r.crm_key)
				UNION ALL
				SELECT q.crm_key, q.asked, q.lane, q.asked_at FROM qbsync.outgoing q
				WHERE q.mapping_id = %2$s AND NOT EXISTS (SELECT FROM crm_row r WHERE r.crm_key = q.crm_key)) o$sql$,
			backfill, m.mapping_id, qbsync.creates_by_rule(m.mapping_id))) || qbsync.plan_composed(m);
	END IF;
	plan_statements.crm_only := format(
		'SELECT r.crm_key, %s FROM crm_row r '
		'WHERE r.crm_key IS NOT NULL AND NOT EXISTS (SELECT FROM qbsync.link l WHERE l.mapping_id = %s AND l.crm_key = r.crm_key) '
		'AND NOT EXISTS (SELECT FROM decided d WHERE d.crm_key = r.crm_key) ORDER BY r.crm_key',
		qbsync.match_name(m.entity, 'r.ours'), m.mapping_id);
	plan_statements.push_new := coalesce(policy ->> 'push_new', 'none');
END
$fn$;
COMMENT ON FUNCTION qbsync.plan_statements(integer) IS 'For qbsync_plan: address columns by unit; the statements that show what linked records send and what is created in QuickBooks (null: nothing), and that find CRM rows of which QuickBooks has nothing; the policy push_new';

CREATE FUNCTION @extschema@.qbsync_plan(mapping text DEFAULT NULL)
RETURNS TABLE (
	action			text,
	count			bigint,
	id				text,
	crm_key			text,
	name			text,
	reason			text,
	before			jsonb,
	after			jsonb,
	to_quickbooks	jsonb,
	conflict		jsonb,
	detail			text
)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'qbsync_plan';
COMMENT ON FUNCTION @extschema@.qbsync_plan(text) IS
	'What the next sync of a mapping would do (KAR-1, KAR-36, CAP-13): first the number of rows for each action, then the rows. Writes nothing; works in a read-only transaction. May be called by members of the mapping''s role (it checks that itself, so everybody may try): the mapped view is read as that role. action: create, link, update (in the CRM: before and after are its values); push, send (in QuickBooks: a record is created, or gets what changed in the CRM: after has the mirror''s columns as they are sent, before what they are now, to_quickbooks the CRM''s own values); kept (changed in the CRM, of which nothing goes to QuickBooks); conflict, address_difference, candidate, review (for a person); wait, error (either way: reason is the code of qbsync.problem); delete, detach; missing (the CRM record of a link is gone); ignore; crm_only (QuickBooks does not have it); none (counted only). Names that vendors and employees have are known to be taken for members of qbsync_vendor_reader only';
