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

/*
 * What the plan needs beside the decisions.  Both statements run as the owner: crm_only reads the tuplestores crm_row (the
 * CRM's rows) and decided (keys that the plan speaks of already).
 */
CREATE FUNCTION qbsync.plan_statements(mapping_id integer, OUT addresses jsonb, OUT crm_only text, OUT push_new text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = plan_statements.mapping_id;
	SELECT coalesce(jsonb_object_agg(u.key, u.value -> 'columns'), '{}') INTO plan_statements.addresses
	FROM jsonb_each(qbsync.merge_rules(m.mapping_id) -> 'units') u
	WHERE (u.value ->> 'address')::boolean;
	plan_statements.crm_only := format(
		'SELECT r.crm_key, %s FROM crm_row r '
		'WHERE r.crm_key IS NOT NULL AND NOT EXISTS (SELECT FROM qbsync.link l WHERE l.mapping_id = %s AND l.crm_key = r.crm_key) '
		'AND NOT EXISTS (SELECT FROM decided d WHERE d.crm_key = r.crm_key) ORDER BY r.crm_key',
		qbsync.match_name(m.entity, 'r.ours'), m.mapping_id);
	plan_statements.push_new := coalesce(qbsync.effective_policies(m.mapping_id) ->> 'push_new', 'none');
END
$fn$;
COMMENT ON FUNCTION qbsync.plan_statements(integer) IS 'Address columns by unit, the statement that finds CRM rows of which QuickBooks has nothing, and the policy push_new; for qbsync_plan';

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
	'What the next sync of a mapping would do (KAR-1, CAP-13): first the number of rows for each action, then the rows, with what is in the CRM before and after. Writes nothing; works in a read-only transaction. May be called by members of the mapping''s role (it checks that itself, so everybody may try): the mapped view is read as that role. action: create, link, update (in the CRM); send (a change of the CRM that waits for QuickBooks); conflict, address_difference, candidate, review (for a person); wait, error; delete, detach; missing (the CRM record of a link is gone); ignore; crm_only (QuickBooks does not have it); none (counted only)';
