/*
 * What the catalogs of PostgreSQL say about views of the CRM, and helpers of declaring them.
 *
 * Nothing here runs the CRM's code: views are looked at, never read.  What has to be read is read as the mapping's role
 * (36_mapping.sql).
 */

/* What an error says of the mappings there are. */
CREATE FUNCTION qbsync.mapping_names()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce('The mappings are: ' || string_agg(quote_literal(m.name), ', ' ORDER BY m.name)
					|| CASE WHEN max(m.total) > 20 THEN format(' and %s more.', max(m.total) - 20) ELSE '.' END,
					'There is no mapping yet.')
	FROM (SELECT k.name, count(*) OVER () AS total FROM qbsync.mapping k ORDER BY k.name LIMIT 20) m;
$fn$;
COMMENT ON FUNCTION qbsync.mapping_names() IS 'Names of all mappings, as a sentence for error details';

CREATE FUNCTION qbsync.the_mapping(name text)
RETURNS integer
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	ids integer[];
BEGIN
	SELECT array_agg(m.mapping_id) INTO ids
	FROM qbsync.mapping m
	WHERE m.name = the_mapping.name OR the_mapping.name IS NULL;

	IF cardinality(ids) = 1 THEN
		RETURN ids[1];
	END IF;
	IF the_mapping.name IS NOT NULL THEN
		RAISE EXCEPTION 'mapping "%" does not exist', the_mapping.name
			USING ERRCODE = 'undefined_object', DETAIL = qbsync.mapping_names(),
				  HINT = 'Name one of them, or make a new one with qbsync_map_table or qbsync_map.';
	END IF;
	IF ids IS NULL THEN
		RAISE EXCEPTION 'there is no mapping'
			USING ERRCODE = 'undefined_object',
				  HINT = 'Make one: SELECT qbsync_map_table(''your_table''), or qbsync_map_suggest for more than one table.';
	END IF;
	RAISE EXCEPTION 'there are several mappings and none was named'
		USING ERRCODE = 'undefined_object', DETAIL = qbsync.mapping_names(),
			  HINT = 'Name one: mapping => ''…''.';
END
$fn$;
COMMENT ON FUNCTION qbsync.the_mapping(text) IS 'mapping_id of a name; of the only mapping when the name is null; an error that lists the names otherwise';

/* A relation is known by its name first: what was dropped and made again is the same to the CRM's people. */
CREATE FUNCTION qbsync.current_relation(relation regclass, relation_name text)
RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(to_regclass(current_relation.relation_name),
					(SELECT c.oid::regclass FROM pg_class c WHERE c.oid = current_relation.relation));
$fn$;
COMMENT ON FUNCTION qbsync.current_relation(regclass, text) IS 'The relation of that name, else the one it was when it has been renamed; null when both are gone';

/*
 * Tables and views under a view, and who reads each: the owner of the view that names it, unless that view is
 * security_invoker: then the role itself, however deep that view lies.
 */
CREATE FUNCTION qbsync.base_relations(view regclass, role name)
RETURNS TABLE (relation regclass, kind "char", reader oid)
LANGUAGE plpgsql STABLE			-- its plan is kept: checks ask often
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $fn$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH RECURSIVE r(relation, kind, reader) AS (
		SELECT c.oid, c.relkind, a.oid
		FROM pg_class c, pg_roles a
		WHERE c.oid = base_relations.view AND a.rolname = base_relations.role
		UNION
		SELECT b.oid, b.relkind,
			CASE WHEN EXISTS (SELECT FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'security_invoker' AND o.option_value::boolean)
				THEN a.oid ELSE c.relowner END
		FROM r
		JOIN pg_class c ON c.oid = r.relation AND c.relkind = 'v'
		JOIN pg_roles a ON a.rolname = base_relations.role
		JOIN pg_rewrite w ON w.ev_class = c.oid
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
		JOIN pg_class b ON b.oid = d.refobjid AND b.oid <> c.oid AND b.relkind IN ('r', 'p', 'v', 'm', 'f')
	)
	SELECT r.relation::regclass, r.kind, r.reader FROM r;
END
$fn$;
COMMENT ON FUNCTION qbsync.base_relations(regclass, name) IS 'A view and all that is under it, with the role that reads each when the given role reads the view';

/* A selection from one table: what holds for the table's rows holds for the view's. */
CREATE FUNCTION qbsync.is_simple(relation regclass)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE c.relkind WHEN 'r' THEN true WHEN 'p' THEN true
		WHEN 'v' THEN pg_relation_is_updatable(c.oid, false) & 4 <> 0 ELSE false END
	FROM pg_class c WHERE c.oid = is_simple.relation;
$fn$;
COMMENT ON FUNCTION qbsync.is_simple(regclass) IS 'Is it a table, or a view that selects rows of one table?';

CREATE FUNCTION qbsync.unique_keys(relation regclass)
RETURNS TABLE (columns name[], not_null boolean, is_primary boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	-- An index on a parent says nothing about its children, unless they are partitions.
	SELECT array_agg(a.attname ORDER BY k.position), bool_and(a.attnotnull), i.indisprimary
	FROM pg_index i
	JOIN pg_class c ON c.oid = i.indrelid
	CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)
	JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
	WHERE i.indrelid = unique_keys.relation AND i.indisunique AND i.indisvalid AND i.indimmediate
	  AND i.indpred IS NULL AND i.indexprs IS NULL AND k.position <= i.indnkeyatts
	  AND (c.relkind = 'p' OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid))
	GROUP BY i.indexrelid, i.indisprimary;
$fn$;
COMMENT ON FUNCTION qbsync.unique_keys(regclass) IS 'Column lists that unique indexes of a table prove to tell its rows apart';

/* Key of a view nobody named: the primary key of the table its first column is from, as far as the view shows it. */
CREATE FUNCTION qbsync.default_key(view regclass)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH v AS (
		SELECT c.column_name, c.relation, c.base_column, a.attnum
		FROM qbsync.view_columns(default_key.view) c
		JOIN pg_attribute a ON a.attrelid = default_key.view AND a.attname = c.column_name
	)
	SELECT coalesce(
		(SELECT array_agg(s.name ORDER BY s.position)
		 FROM qbsync.unique_keys(f.relation) k
		 CROSS JOIN LATERAL (
			SELECT u.position, (SELECT min(v.column_name::text) FROM v WHERE v.relation = f.relation AND v.base_column = u.name) AS name
			FROM unnest(k.columns) WITH ORDINALITY u(name, position)) s
		 WHERE k.not_null
		 GROUP BY k.columns, k.is_primary
		 HAVING bool_and(s.name IS NOT NULL)
		 ORDER BY k.is_primary DESC, cardinality(k.columns), k.columns LIMIT 1),
		ARRAY[f.column_name::text])
	FROM (SELECT v.column_name, v.relation FROM v ORDER BY v.attnum LIMIT 1) f;
$fn$;
COMMENT ON FUNCTION qbsync.default_key(regclass) IS 'Columns of a view taken for its key when none are named: the primary key of its first column''s table, else the first column';

/* Do catalogs prove that a view's columns are never null and tell its rows apart? */
CREATE FUNCTION qbsync.key_is_proven(view regclass, key_columns text[])
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(qbsync.is_simple(key_is_proven.view), false) AND EXISTS (
		SELECT FROM (
			SELECT min(c.relation::oid) AS relation, array_agg(c.base_column) AS columns
			FROM qbsync.view_columns(key_is_proven.view) c
			JOIN pg_attribute a ON a.attrelid = c.relation AND a.attname = c.base_column AND a.attnotnull
			WHERE c.column_name = ANY (key_is_proven.key_columns)
			HAVING count(*) = cardinality(key_is_proven.key_columns) AND count(DISTINCT c.relation) = 1) b
		CROSS JOIN LATERAL qbsync.unique_keys(b.relation::regclass) k
		WHERE k.columns <@ b.columns);
$fn$;
COMMENT ON FUNCTION qbsync.key_is_proven(regclass, text[]) IS 'Does a unique index under the view prove that these columns tell its rows apart and are never null?';

CREATE FUNCTION qbsync.base_type(type oid)
RETURNS oid
LANGUAGE plpgsql STABLE			-- for its plan, too
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
	RETURN (WITH RECURSIVE t(oid, typtype, typbasetype) AS (
		SELECT p.oid, p.typtype, p.typbasetype FROM pg_type p WHERE p.oid = base_type.type
		UNION ALL
		SELECT p.oid, p.typtype, p.typbasetype FROM t JOIN pg_type p ON p.oid = t.typbasetype WHERE t.typtype = 'd'
	)
	SELECT t.oid FROM t WHERE t.typtype <> 'd');
END
$fn$;
COMMENT ON FUNCTION qbsync.base_type(oid) IS 'The type under a domain; a type itself otherwise';

/*
 * Values cross as text, so text takes and gives everything; other types must have casts that assignment would use.  Numbers
 * and enums are let into text columns (a postal code, a document number): a value that does not fit is its record's error.
 */
CREATE FUNCTION qbsync.converts(canonical text, type oid)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	wanted text := split_part(converts.canonical, ' ', 1);
	t pg_type;
BEGIN
	SELECT p.* INTO t FROM pg_type p WHERE p.oid = qbsync.base_type(converts.type);
	IF t.typcategory = 'A' AND t.typelem <> 0 THEN
		RETURN wanted = 'text[]' AND qbsync.converts('text', t.typelem);
	ELSIF t.typcategory = 'S' THEN
		RETURN true;
	ELSIF wanted IN ('text', 'text[]') THEN
		RETURN t.typcategory IN ('N', 'E');
	END IF;
	RETURN t.oid = to_regtype(wanted)
		OR 2 = (SELECT count(*) FROM pg_cast c
				WHERE c.castcontext IN ('a', 'i')
				  AND (c.castsource, c.casttarget) IN ((t.oid, to_regtype(wanted)), (to_regtype(wanted), t.oid)));
END
$fn$;
COMMENT ON FUNCTION qbsync.converts(text, oid) IS 'Can values of a catalogue type be written to a column of the CRM''s type and read from it?';

/*
 * The part that each column of a view has.  canonical: of the catalogue; reference: the key of the record that an _id
 * column names; special; key; extra: declared so; unknown.
 */
CREATE FUNCTION qbsync.column_roles(view regclass, entity text, lines boolean, key_columns text[], extra_columns text[])
RETURNS TABLE (column_name text, role text, "position" integer, type oid, canonical text, catalogue_column text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT a.attname::text,
		CASE WHEN a.attname = ANY (column_roles.key_columns) THEN 'key'
			WHEN a.attname = ANY (column_roles.extra_columns) THEN 'extra'
			WHEN c."column" IS NOT NULL THEN 'canonical'
			WHEN r."column" IS NOT NULL OR i.is_invoice THEN 'reference'
			WHEN column_roles.lines AND a.attname IN ('position', column_roles.entity || '_key') THEN 'special'
			WHEN NOT column_roles.lines AND a.attname IN ('quickbooks_id', 'last_updated_time') THEN 'special'
			ELSE 'unknown' END,
		a.attnum::integer, a.atttypid, c.type,
		CASE WHEN i.is_invoice THEN 'txn_id' ELSE coalesce(c."column", r."column") END
	FROM qbsync.catalogue e
	CROSS JOIN LATERAL (SELECT CASE WHEN column_roles.lines THEN e.line_table ELSE e.entity END AS name) t
	JOIN pg_attribute a ON a.attrelid = column_roles.view AND a.attnum > 0 AND NOT a.attisdropped
	CROSS JOIN LATERAL (SELECT column_roles.lines AND e.entity = 'payment' AND a.attname = 'invoice_key' AS is_invoice) i
	LEFT JOIN qbsync.catalogue_column c ON c."table" = t.name AND c."column" = a.attname
	LEFT JOIN qbsync.catalogue_column r ON r."table" = t.name AND c."column" IS NULL AND a.attname LIKE '%\_key'
		AND CASE WHEN qbsync.reference_kind(a.attname) IS NULL THEN r."column" = regexp_replace(a.attname, '_key$', '_id') ELSE r."column" = qbsync.customer_reference(t.name) END
		AND r.refers_to IN (SELECT x.entity FROM qbsync.catalogue x)
	WHERE e.entity = column_roles.entity AND t.name IS NOT NULL;
$fn$;
COMMENT ON FUNCTION qbsync.column_roles(regclass, text, boolean, text[], text[]) IS 'Part that each column of a view, or of a line view, has in a mapping of an entity';

/* For the hint about a name that is not known: the one that ends in it, else the one with most pairs of letters in common. */
CREATE FUNCTION qbsync.nearest_column(catalogue_table text, name text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT s.name
	FROM (
		SELECT k.name, k.ordinal, length(n.flat) > 2 AND k.name LIKE '%\_' || n.flat AS ends,
			2.0 * (SELECT count(*) FROM (SELECT substr(n.padded, i, 2) FROM generate_series(1, length(n.padded) - 1) i
										 INTERSECT
										 SELECT substr(k.padded, i, 2) FROM generate_series(1, length(k.padded) - 1) i) common)
			/ (length(n.padded) + length(k.padded) - 2) AS likeness
		FROM (SELECT lower(nearest_column.name) AS flat, ' ' || lower(translate(nearest_column.name, '_- .', '')) || ' ' AS padded) n
		CROSS JOIN (SELECT c."column" AS name, c.ordinal, ' ' || replace(c."column", '_', '') || ' ' AS padded
					FROM qbsync.catalogue_column c WHERE c."table" = nearest_column.catalogue_table) k) s
	WHERE s.ends OR s.likeness > 0.6
	ORDER BY s.ends DESC, CASE WHEN s.ends THEN s.ordinal END, s.likeness DESC, s.ordinal LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.nearest_column(text, text) IS 'Catalogue column whose name is most like another; null when none is';

/* Membership that allows SET ROLE; from 16 on that is a right of its own. */
CREATE FUNCTION qbsync.may_become(caller name, role name)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = may_become.role)
		AND pg_has_role(may_become.caller, may_become.role,
						CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END);
$fn$;
COMMENT ON FUNCTION qbsync.may_become(name, name) IS 'May a role act as another?';

/* The CRM's triggers and functions run with all the rights of the role: it must have none that reach beyond the CRM. */
CREATE FUNCTION qbsync.role_objection(role name)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN r.rolsuper THEN format('Role "%s" is a superuser.', r.rolname)
		WHEN r.rolbypassrls THEN format('Role "%s" bypasses row-level security.', r.rolname)
		WHEN r.rolreplication THEN format('Role "%s" may replicate, and so read everything.', r.rolname)
		ELSE (SELECT format('Role "%s" is a member of "%s".', r.rolname, g.rolname)
			  FROM pg_roles g
			  WHERE (g.rolsuper OR g.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))
				AND pg_has_role(r.oid, g.oid, 'MEMBER')
			  ORDER BY g.rolname LIMIT 1) END
	FROM pg_roles r WHERE r.rolname = role_objection.role;
$fn$;
COMMENT ON FUNCTION qbsync.role_objection(name) IS 'Why a role cannot be a mapping''s; null when it can';

CREATE FUNCTION qbsync.default_role(view regclass, caller name)
RETURNS name
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce((SELECT r.rolname FROM pg_roles r WHERE r.rolname = default_role.caller AND NOT r.rolsuper),
					(SELECT r.rolname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = default_role.view AND NOT r.rolsuper));
$fn$;
COMMENT ON FUNCTION qbsync.default_role(regclass, name) IS 'Role of a mapping when none is named: who declares it, else the view''s owner, if not a superuser; null otherwise';

/* Names in a search_path, as written; null when it is none. */
CREATE FUNCTION qbsync.search_path_names(search_path text)
RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE WHEN search_path_names.search_path !~ '^\s*("([^"]|"")+"|[^\s,"]+)(\s*,\s*("([^"]|"")+"|[^\s,"]+))*\s*$' THEN NULL
		ELSE ARRAY(SELECT CASE WHEN p.m[1] IS NOT NULL THEN replace(p.m[1], '""', '"') ELSE lower(p.m[2]) END
				   FROM regexp_matches(search_path_names.search_path, '"((?:[^"]|"")+)"|([^\s,"]+)', 'g') p(m)) END;
$fn$;
COMMENT ON FUNCTION qbsync.search_path_names(text) IS 'Names in a search_path; null when it is not written like one';

/*
 * The search_path that the CRM's own sessions would have: its triggers may count on it.  Without one set for role or
 * database: where the view and its tables are, and public, where extensions (citext) usually are.
 */
CREATE FUNCTION qbsync.default_search_path(view regclass, role name)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(
		-- what is not there does no harm in a session, but is an error in a declaration
		(SELECT (SELECT string_agg(quote_ident(n.name), ', ' ORDER BY n.position)
				 FROM unnest(qbsync.search_path_names(substr(c.c, length('search_path=') + 1))) WITH ORDINALITY n(name, position)
				 WHERE n.name = '$user' OR EXISTS (SELECT FROM pg_namespace e JOIN pg_roles r ON r.rolname = default_search_path.role
												   WHERE e.nspname = n.name AND has_schema_privilege(r.oid, e.oid, 'USAGE')))
		 FROM pg_db_role_setting s
		 CROSS JOIN LATERAL unnest(s.setconfig) c(c)
		 WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
		   AND s.setrole IN (0, (SELECT r.oid FROM pg_roles r WHERE r.rolname = default_search_path.role))
		   AND c.c LIKE 'search\_path=%'
		 ORDER BY s.setrole DESC, s.setdatabase DESC LIMIT 1),
		(SELECT string_agg(quote_ident(n.name), ', ' ORDER BY n.name = 'public', n.name)
		 FROM (SELECT s.nspname AS name
			   FROM qbsync.base_relations(default_search_path.view, default_search_path.role) b
			   JOIN pg_class c ON c.oid = b.relation
			   JOIN pg_namespace s ON s.oid = c.relnamespace
			   UNION
			   SELECT s.nspname FROM pg_namespace s WHERE s.nspname = 'public') n
		 JOIN pg_namespace s ON s.nspname = n.name
		 JOIN pg_roles r ON r.rolname = default_search_path.role AND has_schema_privilege(r.oid, s.oid, 'USAGE')),
		'pg_catalog');
$fn$;
COMMENT ON FUNCTION qbsync.default_search_path(regclass, name) IS 'search_path of a mapping when none is given: the role''s or the database''s, else the schemas of the view and its tables, and public';

/* DDL on the CRM's objects: the caller's rights, and never in the CRM's way for longer than a moment. */
CREATE FUNCTION qbsync.run_ddl(command text, names text DEFAULT 'pg_catalog')
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '200ms'
AS $fn$
BEGIN
	-- The clauses above give both settings back at the end.
	PERFORM set_config('search_path', run_ddl.names, true);
	EXECUTE run_ddl.command;
EXCEPTION
	WHEN lock_not_available OR deadlock_detected THEN
		RAISE EXCEPTION 'the CRM''s table or view is busy'
			USING ERRCODE = 'lock_not_available',
				  DETAIL = format('Another session did not let go of it within 200 ms: %s', pg_catalog.left(run_ddl.command, 200)),
				  HINT = 'Nothing was changed; try again.';
END
$fn$;
COMMENT ON FUNCTION qbsync.run_ddl(text, text) IS 'Runs a command as the caller; gives up when a lock is not there within 200 ms';

/* Our own apply workers read it, and make way. */
CREATE FUNCTION qbsync.drop_view(name text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	PERFORM qbsync.run_ddl(format('DROP VIEW %s', drop_view.name));
EXCEPTION
	WHEN lock_not_available THEN
		PERFORM qbsync.make_way(drop_view.name::regclass);
		PERFORM qbsync.run_ddl(format('DROP VIEW %s', drop_view.name));
END
$fn$;
COMMENT ON FUNCTION qbsync.drop_view(text) IS 'Drops a view of a mapping as the caller; name: with its schema, quoted';
