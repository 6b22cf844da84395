/*
 * What is wrong with a mapping: all that the catalogs can tell.
 *
 * Each function looks at one side of a mapping, stored or about to be, and returns one row per problem: a code, and
 * sentences for people.  Codes: connection_gone, view_gone, view_kind, view_rule, column_gone, column_unknown, column_type, column_twice,
 * reference_ambiguous (27_reference.sql), key_missing, not_updatable, lines, role, privilege, search_path, setting, default_value, watch; and from reading (36_mapping_read.sql) not_readable,
 * key_not_unique, rls_hides_all.
 */

/* Value of a policy for a mapping that may not be stored yet. */
CREATE FUNCTION qbsync.mapping_policy(m qbsync.mapping, name text)
RETURNS text
LANGUAGE plpgsql STABLE			-- its plans are kept: checks ask often
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
	RETURN coalesce(m.policies ->> mapping_policy.name,
					(SELECT c.settings ->> mapping_policy.name FROM qbsync.connection c WHERE c.connection_id = m.connection_id),
					(SELECT p.default_value FROM qbsync.policy p WHERE p.name = mapping_policy.name));
END
$fn$;
COMMENT ON FUNCTION qbsync.mapping_policy(qbsync.mapping, text) IS 'Value of a policy for a mapping: its own, the connection''s, the default';

/* What qbsync will do to the view, as the policies are. */
CREATE FUNCTION qbsync.mapping_writes(m qbsync.mapping, OUT comes_in boolean, OUT inserts boolean, OUT deletes boolean, OUT goes_out boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT d.direction <> 'push',
		d.direction <> 'push'
			AND CASE WHEN e.transaction THEN coalesce(qbsync.mapping_policy(m, 'pull_new_documents'), 'all') <> 'none'
				ELSE coalesce(qbsync.mapping_policy(m, 'pull_new'), 'all') <> 'none'
					OR coalesce(qbsync.mapping_policy(m, 'pull_new_first'), 'review') <> 'none' END,
		d.direction <> 'push' AND qbsync.mapping_policy(m, 'on_qbo_delete') = 'delete_crm',
		d.direction <> 'pull'
	FROM qbsync.catalogue e
	CROSS JOIN LATERAL (SELECT coalesce(CASE
		WHEN e.transaction AND qbsync.mapping_policy(m, 'documents_direction') IN ('pull', 'pull_by_law') THEN 'pull'
		WHEN qbsync.document_goes_out(m.entity) THEN qbsync.mapping_policy(m, m.entity || '_direction')
		WHEN e.transaction THEN 'pull'
		ELSE qbsync.mapping_policy(m, 'direction') END, 'two_way') AS direction) d
	WHERE e.entity = m.entity;
$fn$;
COMMENT ON FUNCTION qbsync.mapping_writes(qbsync.mapping) IS 'Does QuickBooks'' data come into the view, are rows made in it, are rows deleted from it, does it go out?';

/* A relation that can be mapped at all. */
CREATE FUNCTION qbsync.view_problems(relation regclass, name text)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT 'view_gone', format('View %s does not exist any more.', view_problems.name),
		'Make it again under this name, or take the mapping away with qbsync_unmap.'
	WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = view_problems.relation)
	UNION ALL
	SELECT 'view_kind', format('%s is not a view or table of the CRM.', qbsync.qualified(c.oid)),
		'Map a view or table that is permanent and not one of PostgreSQL''s or qbsync''s own.'
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.oid = view_problems.relation
	  AND (c.relkind NOT IN ('r', 'p', 'v', 'f', 'm') OR c.relpersistence = 't' OR n.nspname IN ('pg_catalog', 'information_schema', 'qbsync', 'pg_toast'))
	UNION ALL
	SELECT 'view_rule', format('%s has the rule %s, which rewrites what is written to it.', qbsync.qualified(c.oid), quote_ident(w.rulename)),
		'Replace rules by INSTEAD OF triggers; qbsync_map_suggest writes them.'
	FROM pg_class c JOIN pg_rewrite w ON w.ev_class = c.oid
	WHERE c.oid = view_problems.relation AND w.ev_type <> '1';
$fn$;
COMMENT ON FUNCTION qbsync.view_problems(regclass, text) IS 'Why a relation cannot be mapped';

CREATE FUNCTION qbsync.column_problems(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH c AS (
		SELECT r.*, false AS lines, qbsync.qualified(m.view) AS view
		FROM qbsync.column_roles(m.view, m.entity, false, m.key_columns, m.extra_columns) r
		UNION ALL
		SELECT r.*, true, qbsync.qualified(m.line_view)
		FROM qbsync.column_roles(m.line_view, m.entity, true, '{}', m.extra_columns) r
	)
	SELECT 'column_gone', format('Column %s of %s does not exist.', quote_ident(n.name), n.view),
		'Give the view the column again, or declare the mapping anew with qbsync_map.'
	FROM (SELECT unnest(m.columns || m.extra_columns) AS name, false AS lines, qbsync.qualified(m.view) AS view
		  UNION ALL
		  SELECT unnest(m.line_columns), true, qbsync.qualified(m.line_view)) n
	-- a column that was declared extra may be the lines'
	WHERE n.view IS NOT NULL AND NOT EXISTS (SELECT FROM c WHERE c.column_name = n.name AND (c.lines = n.lines OR c.role = 'extra'))
	UNION ALL
	(SELECT 'column_type',
		CASE WHEN c.role = 'canonical' THEN format('Column %s of %s is of type %s; values of type %s cannot be written to it and read from it.',
				quote_ident(c.column_name), c.view, format_type(c.type, NULL), split_part(c.canonical, ' ', 1))
			ELSE format('Column %s of %s cannot be of type %s.', quote_ident(c.column_name), c.view, format_type(c.type, NULL)) END,
		'Convert it in the view, with an expression or with INSTEAD OF triggers.'
	FROM c JOIN pg_type t ON t.oid = qbsync.base_type(c.type)
	WHERE CASE WHEN c.role = 'canonical' THEN NOT qbsync.converts(c.canonical, c.type)
		WHEN c.role IN ('reference', 'key') THEN t.typcategory = 'A' OR t.typtype = 'c' OR t.typname IN ('json', 'jsonb', 'xml')
		WHEN c.column_name = 'quickbooks_id' THEN t.typcategory NOT IN ('S', 'N')
		WHEN c.column_name = 'position' AND c.lines THEN t.typcategory <> 'N'
		WHEN c.column_name = 'last_updated_time' THEN t.typname NOT IN ('timestamptz', 'timestamp', 'date')
		WHEN c.column_name = m.entity || '_key' AND c.lines THEN t.typcategory = 'A' OR t.typtype = 'c'
		ELSE false END
	ORDER BY c.lines, c.position)
	UNION ALL
	SELECT 'column_twice', format('%s has both %s and %s, which stand for the same.', a.view, quote_ident(a.column_name), quote_ident(b.column_name)),
		'Leave one of them out: …_id is QuickBooks'' id, …_key is the CRM''s key.'
	FROM c a JOIN c b ON a.lines = b.lines AND a.role = 'reference' AND b.role = 'canonical' AND b.catalogue_column = a.catalogue_column
	UNION ALL
	SELECT 'column_gone', format('%s has no column %s, to which record a line belongs.', qbsync.qualified(m.line_view), quote_ident(m.entity || '_key')),
		format('Give the view of the lines a column %s with the key of the record.', m.entity || '_key')
	WHERE EXISTS (SELECT FROM c WHERE c.lines) AND NOT EXISTS (SELECT FROM c WHERE c.lines AND c.column_name = m.entity || '_key')
	UNION ALL
	SELECT 'column_gone', format('%s has no column position, the order of the lines.', qbsync.qualified(m.line_view)),
		'Give the view of the lines a column position, a number.'
	WHERE EXISTS (SELECT FROM c WHERE c.lines) AND NOT EXISTS (SELECT FROM c WHERE c.lines AND c.column_name = 'position')
	UNION ALL
	SELECT 'column_unknown', format('%s has no column of the catalogue.', qbsync.qualified(m.view)),
		format('Name its columns as the catalogue does: SELECT "column", comment FROM qbsync.catalogue_column WHERE "table" = %L.', m.entity)
	WHERE NOT EXISTS (SELECT FROM c WHERE NOT c.lines AND c.role IN ('canonical', 'reference'));
$fn$;
COMMENT ON FUNCTION qbsync.column_problems(qbsync.mapping) IS 'What is wrong with the columns of a mapping''s views';

CREATE FUNCTION qbsync.key_problems(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT 'key_missing', format('Key column %s of %s does not exist.', quote_ident(k.name), qbsync.qualified(m.view)),
		'Give the view the column again, by this name; the links are known by it.'
	FROM unnest(m.key_columns) k(name)
	WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = m.view AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped)
	UNION ALL
	SELECT 'key_missing', format('The key of %s is not known.', qbsync.qualified(m.view)),
		'Name the columns that tell its rows apart: key => ''{…}''.'
	WHERE cardinality(m.key_columns) = 0;
$fn$;
COMMENT ON FUNCTION qbsync.key_problems(qbsync.mapping) IS 'What is wrong with the key of a mapping';

/* What the view or its table computes nobody writes. */
CREATE FUNCTION qbsync.writable_columns(view regclass, names text[])
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}')
	FROM pg_attribute a
	LEFT JOIN qbsync.view_columns(writable_columns.view) v ON v.column_name = a.attname
	LEFT JOIN pg_attribute b ON b.attrelid = v.relation AND b.attname = v.base_column
	WHERE a.attrelid = writable_columns.view AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (writable_columns.names)
	  AND (pg_column_is_updatable(writable_columns.view, a.attnum, true) AND coalesce(b.attgenerated = '' AND b.attidentity <> 'a', true)
		   OR qbsync.has_instead_of(writable_columns.view, 'UPDATE'));
$fn$;
COMMENT ON FUNCTION qbsync.writable_columns(regclass, text[]) IS 'Those of some columns of a view that UPDATE can write';

/* Updatable means it can come in. */
CREATE FUNCTION qbsync.update_problems(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH w AS (
		SELECT w.*, pg_relation_is_updatable(m.view, true) AS can, pg_relation_is_updatable(m.line_view, true) AS can_lines
		FROM qbsync.mapping_writes(m) w
	)
	SELECT 'not_updatable', format('%s: %s is not possible, and %s.', qbsync.qualified(n.view), n.operation, n.why),
		n.way_out
	FROM w CROSS JOIN LATERAL (VALUES
		(m.view, 'UPDATE', 'what changes in QuickBooks is to come in', w.comes_in AND w.can & 4 = 0,
		 'Give the view INSTEAD OF triggers (qbsync_map_suggest writes them), or let nothing come in: policies => ''{"direction": "push"}''.'),
		(m.view, 'INSERT', 'records that are new in QuickBooks are to be made', w.inserts AND w.can & 8 = 0,
		 'Give the view an INSTEAD OF INSERT trigger (qbsync_map_suggest writes it), or let no record be made: policies => ''{"pull_new": "none", "pull_new_first": "none"}''.'),
		(m.view, 'DELETE', 'policy on_qbo_delete is delete_crm', w.deletes AND w.can & 16 = 0,
		 'Give the view an INSTEAD OF DELETE trigger, or another value to on_qbo_delete.'),
		(m.line_view, 'INSERT', 'lines are to come in', w.inserts AND w.can_lines & 8 = 0,
		 'Give the view of the lines INSTEAD OF triggers (qbsync_map_suggest writes them).'),
		(m.line_view, 'DELETE', 'lines are to come in', w.inserts AND w.can_lines & 16 = 0,
		 'Give the view of the lines INSTEAD OF triggers (qbsync_map_suggest writes them).')
	) AS n(view, operation, why, is_so, way_out)
	WHERE n.is_so AND n.view IS NOT NULL
	UNION ALL
	SELECT 'not_updatable', format('Column %s of %s cannot be written, and its policy direction is %s.', quote_ident(a.attname), qbsync.qualified(m.view), p.value),
		'Give the view INSTEAD OF triggers, or the column the direction push with qbsync_set.'
	FROM qbsync.column_policy p
	JOIN pg_attribute a ON a.attrelid = m.view AND a.attname = p.column_name AND a.attnum > 0
	WHERE p.mapping_id = m.mapping_id AND p.policy = 'direction' AND p.value <> 'push'
	  AND NOT (pg_column_is_updatable(m.view, a.attnum, true) OR qbsync.has_instead_of(m.view, 'UPDATE'))
	UNION ALL
	-- those of a view that takes no UPDATE at all are said above
	SELECT 'not_updatable', format('Column %s of %s cannot be written any more.', quote_ident(c.name), qbsync.qualified(m.view)),
		'Let the view show the table''s column again, or give it INSTEAD OF triggers; if it is to go out only, declare the mapping anew with qbsync_map.'
	FROM w
	CROSS JOIN LATERAL (SELECT unnest(m.written_columns) EXCEPT SELECT unnest(qbsync.writable_columns(m.view, m.written_columns)) ORDER BY 1) c(name)
	WHERE w.comes_in AND w.can & 4 <> 0
	  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = m.view AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped)
	  AND c.name <> 'last_updated_time'
	  AND (c.name <> 'active' OR qbsync.mapping_policy(m, 'on_qbo_inactive') = 'deactivate_crm')
	  AND NOT EXISTS (SELECT FROM qbsync.column_policy p
					  WHERE p.mapping_id = m.mapping_id AND p.column_name = c.name AND p.policy = 'direction');
$fn$;
COMMENT ON FUNCTION qbsync.update_problems(qbsync.mapping) IS 'What cannot be written of what is to come in';

CREATE FUNCTION qbsync.role_problems(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT 'role', 'No role is named, and neither the caller nor the view''s owner can be it: both are superusers.',
		'Name one with the rights that the CRM needs: role => ''…''.'
	WHERE m.role IS NULL
	UNION ALL
	SELECT 'role', format('Role "%s" does not exist.', m.role), 'Make it, or declare the mapping anew with another one: role => ''…''.'
	WHERE m.role IS NOT NULL AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = m.role)
	UNION ALL
	SELECT 'role', qbsync.role_objection(m.role),
		'Whatever the CRM has attached to its tables would run with these rights; name a role that has only those on the CRM: role => ''…''.'
	WHERE qbsync.role_objection(m.role) IS NOT NULL
	UNION ALL
	SELECT 'search_path', format('search_path is not valid: "%s".', m.crm_search_path), 'Write it as in SET search_path: search_path => ''crm, public''.'
	WHERE qbsync.search_path_names(m.crm_search_path) IS NULL
	UNION ALL
	SELECT 'search_path', format('Schema %s of the search_path does not exist.', quote_ident(s.name)), 'Make it, or leave it out of search_path.'
	FROM unnest(qbsync.search_path_names(m.crm_search_path)) s(name)
	WHERE s.name NOT IN ('$user', 'pg_temp') AND to_regnamespace(quote_ident(s.name)) IS NULL;
$fn$;
COMMENT ON FUNCTION qbsync.role_problems(qbsync.mapping) IS 'What is wrong with the role of a mapping and its search_path';

/* Rights that the role lacks; and, under the view, those of whoever reads there. */
CREATE FUNCTION qbsync.privilege_problems(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH w AS (SELECT * FROM qbsync.mapping_writes(m)), r AS (
		SELECT a.oid, a.rolname FROM pg_roles a WHERE a.rolname = m.role
	), wanted(view, privilege, columns, is_so) AS (
		SELECT v.* FROM w CROSS JOIN LATERAL (VALUES
			(m.view, 'SELECT', m.key_columns || m.columns || m.extra_columns, true),
			(m.view, 'UPDATE', m.columns, w.comes_in),
			(m.view, 'INSERT', m.columns, w.inserts),
			(m.line_view, 'SELECT', m.line_columns, true),
			(m.line_view, 'INSERT', m.line_columns, w.inserts)) v
	), lacking(what, privilege, who) AS (
		SELECT 'schema ' || quote_ident(n.nspname), 'USAGE', r.rolname
		FROM r, pg_namespace n
		WHERE (n.oid IN (SELECT c.relnamespace FROM pg_class c WHERE c.oid IN (m.view, m.line_view))
			   OR n.nspname = ANY (array_remove(qbsync.search_path_names(m.crm_search_path), 'pg_catalog')))
		  AND NOT has_schema_privilege(r.oid, n.oid, 'USAGE')
		UNION ALL
		SELECT CASE WHEN has_any_column_privilege(r.oid, w.view, w.privilege) THEN format('%s (%s)', qbsync.qualified(w.view), string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum))
				ELSE qbsync.qualified(w.view) END, w.privilege, r.rolname
		FROM r, wanted w
		JOIN pg_attribute a ON a.attrelid = w.view AND a.attname = ANY (w.columns) AND a.attnum > 0 AND NOT a.attisdropped
		WHERE w.is_so AND NOT has_column_privilege(r.oid, w.view, a.attnum, w.privilege)
		  AND (w.privilege = 'SELECT' OR a.attname <> 'last_updated_time'
			   AND (pg_column_is_updatable(w.view, a.attnum, true) OR qbsync.has_instead_of(w.view, w.privilege)))
		GROUP BY r.oid, r.rolname, w.view, w.privilege
		UNION ALL
		SELECT qbsync.qualified(v.view), 'DELETE', r.rolname
		FROM r, w CROSS JOIN LATERAL (VALUES (m.view, w.deletes), (m.line_view, w.inserts)) v(view, is_so)
		WHERE v.is_so AND v.view IS NOT NULL AND NOT has_table_privilege(r.oid, v.view, 'DELETE')
		UNION ALL
		SELECT qbsync.qualified(b.relation), 'SELECT', a.rolname
		FROM unnest(ARRAY[m.view, m.line_view]) v(view)
		CROSS JOIN LATERAL qbsync.base_relations(v.view, m.role) b
		JOIN pg_roles a ON a.oid = b.reader
		WHERE b.relation <> v.view AND NOT has_any_column_privilege(b.reader, b.relation, 'SELECT')
		UNION ALL
		-- a simple view writes its table with the rights of whoever reads it
		SELECT qbsync.qualified(b.relation), o.privilege, a.rolname
		FROM w
		CROSS JOIN LATERAL (VALUES ('UPDATE', 4, w.comes_in), ('INSERT', 8, w.inserts), ('DELETE', 16, w.deletes)) o(privilege, bit, is_so)
		JOIN pg_class c ON c.oid = m.view AND c.relkind = 'v' AND pg_relation_is_updatable(c.oid, false) & o.bit <> 0
		CROSS JOIN LATERAL qbsync.base_relations(m.view, m.role) b
		JOIN pg_roles a ON a.oid = b.reader
		WHERE o.is_so AND b.relation <> m.view
		  AND b.relation IN (SELECT k.relation FROM qbsync.view_columns(m.view) k)
		  AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = m.view AND t.tgtype::integer & 64 <> 0 AND NOT t.tgisinternal)
		  AND NOT CASE o.privilege WHEN 'DELETE' THEN has_table_privilege(b.reader, b.relation, 'DELETE')
				ELSE has_any_column_privilege(b.reader, b.relation, o.privilege) END
	)
	SELECT 'privilege', format('Role "%s" lacks %s on %s.', l.who, string_agg(l.privilege, ', ' ORDER BY l.privilege), l.what),
		format('GRANT %s ON %s TO %I;', string_agg(l.privilege, ', ' ORDER BY l.privilege), regexp_replace(l.what, ' \(.*', ''), l.who)
	FROM lacking l
	GROUP BY l.who, l.what
	ORDER BY l.what;
$fn$;
COMMENT ON FUNCTION qbsync.privilege_problems(qbsync.mapping) IS 'Rights on the CRM that the role of a mapping lacks';

/* Settings go into force with the role's rights; some would change the form of values, or undo what keeps the CRM free. */
CREATE FUNCTION qbsync.argument_problems(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT 'setting', format('Setting "%s" cannot be given to a mapping.', s.key),
		'Settings are what the CRM''s policies and triggers look at, such as settings => ''{"app.tenant": "42"}''.'
	FROM jsonb_each(CASE jsonb_typeof(m.crm_settings) WHEN 'object' THEN m.crm_settings ELSE '{"settings": null}' END) s
	WHERE s.key !~ '^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$'
	   OR jsonb_typeof(s.value) NOT IN ('string', 'number', 'boolean')
	   OR lower(s.key) LIKE 'qbsync.%'
	   OR lower(s.key) ~ '^(role|session_authorization|search_path|datestyle|intervalstyle|timezone|extra_float_digits|bytea_output|client_encoding|row_security|array_nulls|xmlbinary|transform_null_equals|standard_conforming_strings|quote_all_identifiers|lock_timeout|statement_timeout|idle_.*|transaction_.*|default_transaction_.*)$'
	   OR position('.' IN s.key) = 0 AND NOT EXISTS (SELECT FROM pg_settings g WHERE lower(g.name) = lower(s.key) AND g.context = 'user')
	UNION ALL
	SELECT 'default_value', format('There is no column "%s" for a default.', d.key),
		'Defaults name columns of the view that take part or are declared extra.'
	FROM jsonb_each(CASE jsonb_typeof(m.defaults) WHEN 'object' THEN m.defaults ELSE '{"defaults": null}' END) d
	WHERE d.key <> ALL (m.columns || m.extra_columns);
$fn$;
COMMENT ON FUNCTION qbsync.argument_problems(qbsync.mapping) IS 'What is wrong with the settings and defaults of a mapping';

/* A mapping that may not be stored yet.  Runs nothing of the CRM. */
CREATE FUNCTION qbsync.check_mapping(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY
		SELECT 'connection_gone', 'Its connection does not exist any more.', 'Take the mapping away with qbsync_unmap.'
		WHERE NOT EXISTS (SELECT FROM qbsync.connection c WHERE c.connection_id = m.connection_id);
	RETURN QUERY SELECT * FROM qbsync.role_problems(m);
	RETURN QUERY SELECT * FROM qbsync.argument_problems(m);
	RETURN QUERY
		SELECT v.* FROM qbsync.view_problems(m.view, m.view_name) v
		UNION ALL
		SELECT v.* FROM qbsync.view_problems(m.line_view, m.line_view_name) v WHERE m.line_view_name IS NOT NULL;
	IF FOUND THEN
		RETURN;
	END IF;
	-- The rest is about columns of views that are there.
	RETURN QUERY SELECT * FROM qbsync.key_problems(m);
	RETURN QUERY SELECT * FROM qbsync.column_problems(m);
	RETURN QUERY SELECT * FROM qbsync.reference_problems(m);
	RETURN QUERY SELECT * FROM qbsync.update_problems(m);
	IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = m.role) THEN
		RETURN QUERY SELECT * FROM qbsync.privilege_problems(m);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.check_mapping(qbsync.mapping) IS 'What is wrong with a mapping, stored or not, as far as the catalogs tell. SECURITY DEFINER: reads qbsync.connection and qbsync.policy';

CREATE FUNCTION qbsync.mapping_check(mapping_id integer)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
BEGIN
	SELECT k.* INTO m FROM qbsync.mapping k WHERE k.mapping_id = mapping_check.mapping_id;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	m.view := qbsync.current_relation(m.view, m.view_name);
	m.line_view := qbsync.current_relation(m.line_view, m.line_view_name);
	RETURN QUERY SELECT * FROM qbsync.check_mapping(m);
	RETURN QUERY
		SELECT 'watch', format('Table %s, which is watched, does not exist any more.', w.relation_name),
			'Make it again under this name, or declare the mapping anew with another watch list.'
		FROM qbsync.watch w
		WHERE w.mapping_id = m.mapping_id AND qbsync.current_relation(w.relation, w.relation_name) IS NULL;
END
$fn$;
COMMENT ON FUNCTION qbsync.mapping_check(integer) IS 'What is wrong with a mapping now: a code, a sentence and the way out for each problem. SECURITY DEFINER: qbsync.mapping_status calls it for readers, who may not read the tables';

/* What people rename or make anew stays mapped: the name counts, and when that is gone, the object itself. */
CREATE FUNCTION qbsync.mapping_refresh(mapping_id integer)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	now_view regclass;
	now_lines regclass;
	w record;
	changed boolean := false;
BEGIN
	SELECT k.* INTO m FROM qbsync.mapping k WHERE k.mapping_id = mapping_refresh.mapping_id FOR NO KEY UPDATE;
	now_view := coalesce(qbsync.current_relation(m.view, m.view_name), m.view);
	now_lines := coalesce(qbsync.current_relation(m.line_view, m.line_view_name), m.line_view);
	IF (now_view, now_lines) IS DISTINCT FROM (m.view, m.line_view)
		OR coalesce(qbsync.qualified(now_view), m.view_name) <> m.view_name
		OR coalesce(qbsync.qualified(now_lines), m.line_view_name) <> m.line_view_name THEN
		-- A view made anew by people is theirs, and stays when the mapping goes.
		UPDATE qbsync.mapping k
		SET view = now_view, view_name = coalesce(qbsync.qualified(now_view), k.view_name),
			line_view = now_lines, line_view_name = coalesce(qbsync.qualified(now_lines), k.line_view_name),
			made_view = k.made_view AND now_view = k.view
		WHERE k.mapping_id = m.mapping_id;
		changed := true;
	END IF;
	FOR w IN
		SELECT k.watch_id, k.relation_name AS old_name, r.relation, qbsync.qualified(r.relation) AS name
		FROM qbsync.watch k
		CROSS JOIN LATERAL (SELECT qbsync.current_relation(k.relation, k.relation_name) AS relation) r
		WHERE k.mapping_id = m.mapping_id AND (r.relation <> k.relation OR qbsync.qualified(r.relation) <> k.relation_name)
	LOOP
		UPDATE qbsync.watch k SET relation = w.relation, relation_name = w.name WHERE k.watch_id = w.watch_id;
		UPDATE qbsync.mapping k SET crm_table = w.name WHERE k.mapping_id = m.mapping_id AND k.crm_table = w.old_name;
		changed := true;
	END LOOP;
	RETURN changed;
END
$fn$;
COMMENT ON FUNCTION qbsync.mapping_refresh(integer) IS 'Takes up views and tables of a mapping that were renamed or made anew; true when there were any. SECURITY DEFINER: writes qbsync.mapping';
