/*
 * What only reading the CRM can tell, and what its people should know before a mapping starts.
 *
 * Views are read as the mapping's role (qbsync.query_as_role), in the session of a caller who may act as it.
 */

/* One value of the CRM, read as the mapping's role. */
CREATE FUNCTION qbsync.read_crm(m qbsync.mapping, query text)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	-- millions of keys are sorted
	RETURN (qbsync.query_as_role(m.role, m.crm_search_path, '{"work_mem": "128MB"}' || m.crm_settings, read_crm.query))[1];
END
$fn$;
COMMENT ON FUNCTION qbsync.read_crm(qbsync.mapping, text) IS 'First value of a query that is run as the role of a mapping';

/* Tables under the views whose policies bind whoever reads them, and those whose policies do not. */
CREATE FUNCTION qbsync.row_security(m qbsync.mapping)
RETURNS TABLE (relation regclass, reader name, binds boolean, why text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT DISTINCT b.relation, a.rolname, o.why IS NULL, o.why
	FROM unnest(ARRAY[m.view, m.line_view]) v(view)
	CROSS JOIN LATERAL qbsync.base_relations(v.view, m.role) b
	JOIN pg_class c ON c.oid = b.relation AND c.relrowsecurity
	JOIN pg_roles a ON a.oid = b.reader
	CROSS JOIN LATERAL (SELECT CASE
		WHEN a.rolsuper THEN 'it is a superuser'
		WHEN a.rolbypassrls THEN 'it bypasses row-level security'
		WHEN pg_has_role(a.oid, c.relowner, 'USAGE') AND NOT c.relforcerowsecurity THEN 'it has the rights of the table''s owner' END AS why) o;
$fn$;
COMMENT ON FUNCTION qbsync.row_security(qbsync.mapping) IS 'Tables with row-level security under a mapping''s views, and whether it binds the role that reads them';

CREATE FUNCTION qbsync.seems_filled(relation regclass)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(bool_or(c.reltuples > 0 OR c.reltuples < 0 AND pg_relation_size(c.oid) > 0), false)
	FROM pg_class c
	WHERE c.relkind = 'r' AND (c.oid = seems_filled.relation OR c.oid IN (SELECT t.relid FROM pg_partition_tree(seems_filled.relation) t));
$fn$;
COMMENT ON FUNCTION qbsync.seems_filled(regclass) IS 'Does a table have rows, as far as statistics and its size tell?';

/*
 * The key's columns alone are read; no lock but the one that reading takes.  Numbers sort several times faster than texts,
 * so hashes of the keys are counted first; the keys themselves are compared only when two hashes are equal.
 */
CREATE FUNCTION qbsync.key_data_problems(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	keys text := (SELECT string_agg(format('v.%I::pg_catalog.text', k.name), ', ' ORDER BY k.position) FROM unnest(m.key_columns) WITH ORDINALITY k(name, position));
	missing text := (SELECT string_agg(format('v.%I IS NULL', k.name), ' OR ') FROM unnest(m.key_columns) k(name));
	whole text := CASE cardinality(m.key_columns) WHEN 1 THEN keys ELSE format('pg_catalog.jsonb_build_array(%s)::pg_catalog.text', keys) END;
	found text;
BEGIN
	found := qbsync.read_crm(m, format(
		'SELECT CASE WHEN pg_catalog.bool_or(%s) THEN ''null'' '
		'WHEN pg_catalog.count(*) OPERATOR(pg_catalog.<>) pg_catalog.count(DISTINCT pg_catalog.hashtextextended((%s) COLLATE pg_catalog."C", 0)) THEN ''twice'' END FROM %s v',
		missing, whole, qbsync.qualified(m.view)));
	IF found = 'null' THEN
		RETURN QUERY SELECT 'key_not_unique', format('The key (%s) of %s is null in some rows.', array_to_string(m.key_columns, ', '), qbsync.qualified(m.view)),
			'Leave these rows out of the view, or take another key.';
	ELSIF found = 'twice' THEN
		found := qbsync.read_crm(m, format('SELECT pg_catalog.concat_ws('', '', %1$s) FROM %2$s v GROUP BY %1$s HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1',
										   keys, qbsync.qualified(m.view)));
		RETURN QUERY SELECT 'key_not_unique', format('The key (%s) of %s is not unique: there are several rows with (%s).',
				array_to_string(m.key_columns, ', '), qbsync.qualified(m.view), pg_catalog.left(found, 100)),
			'Let the view show one row per record, or name more columns: key => ''{…}''.'
		WHERE found IS NOT NULL;
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.key_data_problems(qbsync.mapping) IS 'Is the key of a mapping''s view really one? Reads all keys, as the mapping''s role';

CREATE FUNCTION qbsync.data_problems(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	name text;
	has_rows boolean;
	hidden text;
BEGIN
	FOREACH name IN ARRAY array_remove(ARRAY[qbsync.qualified(m.line_view), qbsync.qualified(m.view)], NULL) LOOP
		BEGIN
			has_rows := qbsync.read_crm(m, format('SELECT EXISTS (SELECT FROM %s)::pg_catalog.text', name))::boolean;
		EXCEPTION WHEN OTHERS THEN
			RETURN QUERY SELECT 'not_readable', format('Role "%s" cannot read %s: %s.', m.role, name, SQLERRM),
				'Grant it what it lacks, or give the settings that the view needs: settings => ''{"app.tenant": "…"}''.';
			RETURN;
		END;
	END LOOP;
	IF NOT has_rows THEN
		SELECT string_agg(DISTINCT qbsync.qualified(r.relation), ', ') INTO hidden
		FROM qbsync.row_security(m) r WHERE r.binds AND qbsync.seems_filled(r.relation);
		IF hidden IS NOT NULL THEN
			RETURN QUERY SELECT 'rls_hides_all', format('Role "%s" sees no row in %s, but there are some in %s: row-level security hides all of them.', m.role, name, hidden),
				'Give the settings that its policies look at: settings => ''{"app.tenant": "…"}''; or mend the policies. If the table is really empty: ANALYZE it.';
		END IF;
	ELSIF cardinality(m.key_columns) > 0 AND NOT qbsync.key_is_proven(m.view, m.key_columns) THEN
		BEGIN
			RETURN QUERY SELECT * FROM qbsync.key_data_problems(m);
		EXCEPTION WHEN OTHERS THEN
			RETURN QUERY SELECT 'not_readable', format('Role "%s" cannot read the keys of %s: %s.', m.role, name, SQLERRM),
				'Mend the view, and declare the mapping again.';
		END;
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.data_problems(qbsync.mapping) IS 'What reading a mapping''s views as its role shows to be wrong';

/* What is not wrong, but will surprise: raised as warnings. */
CREATE FUNCTION qbsync.mapping_warnings(m qbsync.mapping)
RETURNS TABLE (message text, detail text, hint text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format('row-level security of %s does not bind the mapping', qbsync.qualified(r.relation)),
		format('Role "%s" reads it, and %s.', r.reader, r.why),
		CASE WHEN r.reader = m.role THEN format('ALTER TABLE %s FORCE ROW LEVEL SECURITY, or give the mapping another role.', qbsync.qualified(r.relation))
			ELSE format('ALTER VIEW … SET (security_invoker = true), so that role "%s" reads it itself.', m.role) END
	FROM qbsync.row_security(m) r WHERE NOT r.binds
	UNION ALL
	SELECT format('row-level security of %s looks at setting "%s", which the mapping does not have', qbsync.qualified(s.relation), s.setting),
		'Without it there may be an error, or no rows at all.',
		format('Give it: settings => ''{"%s": "…"}''.', s.setting)
	FROM (SELECT DISTINCT r.relation, x.x[1] AS setting
		  FROM qbsync.row_security(m) r
		  JOIN pg_policy p ON p.polrelid = r.relation
		  CROSS JOIN LATERAL regexp_matches(concat(pg_get_expr(p.polqual, p.polrelid), ' ', pg_get_expr(p.polwithcheck, p.polrelid)),
											'current_setting\(''([^'']+)''', 'g') x(x)
		  WHERE r.binds AND (0 = ANY (p.polroles) OR EXISTS (SELECT FROM unnest(p.polroles) g WHERE pg_has_role(r.reader, g, 'USAGE')))) s
	WHERE NOT EXISTS (SELECT FROM jsonb_object_keys(m.crm_settings) k WHERE lower(k) = lower(s.setting))
	UNION ALL
	SELECT format('changes of some tables under %s will not be noticed', qbsync.qualified(m.view)),
		format('The mapping reads them and does not watch them: %s.', string_agg(DISTINCT qbsync.qualified(b.relation), ', ')),
		'Name them with their columns that hold the key: watch => ''{"…": {"key": ["…"]}}''; those that never change for a record may be left out.'
	FROM qbsync.mapping_writes(m) w
	CROSS JOIN unnest(ARRAY[m.view, m.line_view]) v(view)
	CROSS JOIN LATERAL qbsync.base_relations(v.view, m.role) b
	WHERE w.goes_out AND b.kind IN ('r', 'p')
	  AND NOT EXISTS (SELECT FROM qbsync.watch k WHERE k.mapping_id = m.mapping_id AND k.relation = b.relation)
	HAVING count(*) > 0
	UNION ALL
	SELECT format('%s cannot take what comes in for some columns', qbsync.qualified(m.view)),
		format('The view computes %s, or the table does; they only go out.', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)),
		'If they are to come in too: INSTEAD OF triggers, see qbsync_map_suggest.'
	FROM qbsync.mapping_writes(m) w
	JOIN pg_attribute a ON a.attrelid = m.view AND a.attname = ANY (m.columns) AND a.attname <> 'last_updated_time'
	WHERE w.comes_in AND NOT qbsync.column_takes(m.view, a.attnum)
	HAVING count(*) > 0
	UNION ALL
	SELECT format('records made from QuickBooks have no value for some columns of %s', qbsync.qualified(min(v.relation::oid))),
		format('They cannot be null, have no default, and nothing of QuickBooks fills them: %s.', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)),
		'Give them a default in the table; or, if they are no key, show them in the view and name a value: extra => ''{…}'', defaults => ''{"…": "…"}''.'
	FROM qbsync.mapping_writes(m) w
	CROSS JOIN (SELECT min(c.relation::oid) AS relation, array_agg(c.base_column::text) FILTER (WHERE c.column_name = ANY (m.columns) OR m.defaults ? c.column_name::text) AS filled FROM qbsync.view_columns(m.view) c) v
	JOIN pg_attribute a ON a.attrelid = v.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
	WHERE w.inserts AND qbsync.is_simple(m.view) AND a.attname <> ALL (coalesce(v.filled, '{}'))
	  AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid IN (v.relation, m.view) AND NOT t.tgisinternal AND t.tgname NOT LIKE 'qbsync\_%' AND t.tgtype::integer & 4 <> 0)
	  AND NOT EXISTS (SELECT FROM pg_type d WHERE d.oid = a.atttypid AND d.typdefault IS NOT NULL)
	HAVING count(*) > 0;
$fn$;
COMMENT ON FUNCTION qbsync.mapping_warnings(qbsync.mapping) IS 'What the owner of a mapping should know, though nothing is wrong. SECURITY DEFINER: reads qbsync.connection and qbsync.policy';

/* PostgreSQL calls generated columns of a table updatable; they are not. */
CREATE FUNCTION qbsync.column_takes(view regclass, attnum smallint)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.has_instead_of(column_takes.view, 'UPDATE')
		OR pg_column_is_updatable(column_takes.view, column_takes.attnum, true)
		AND NOT EXISTS (SELECT FROM pg_attribute a
						JOIN qbsync.view_columns(column_takes.view) v ON v.column_name = a.attname
						JOIN pg_attribute b ON b.attrelid = v.relation AND b.attname = v.base_column
						WHERE a.attrelid = column_takes.view AND a.attnum = column_takes.attnum
						  AND (b.attgenerated <> '' OR b.attidentity = 'a'));
$fn$;
COMMENT ON FUNCTION qbsync.column_takes(regclass, smallint) IS 'Can a column of a view be written?';

/*
 * The watch list.  {"crm.person": {"key": ["id"]}, "crm.organisation": {"key": ["id"], "query": "SELECT …"}}; names without
 * a schema are looked for along the mapping's search_path.
 */
CREATE FUNCTION qbsync.watched_relation(m qbsync.mapping, name text)
RETURNS regclass
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN coalesce((SELECT to_regclass(format('%I.%s', s.name, watched_relation.name))
					 FROM unnest(qbsync.search_path_names(m.crm_search_path)) WITH ORDINALITY s(name, position)
					 WHERE cardinality(parse_ident(watched_relation.name)) = 1 AND to_regclass(format('%I.%s', s.name, watched_relation.name)) IS NOT NULL
					 ORDER BY s.position LIMIT 1),
					CASE WHEN cardinality(parse_ident(watched_relation.name)) > 1 THEN to_regclass(watched_relation.name) END);
EXCEPTION
	WHEN invalid_parameter_value OR invalid_name OR syntax_error THEN
		RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION qbsync.watched_relation(qbsync.mapping, text) IS 'The table a watch list names; null when there is none';

CREATE FUNCTION qbsync.watch_entries(m qbsync.mapping, watch jsonb)
RETURNS TABLE (name text, relation regclass, columns jsonb, key jsonb, query text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT e.key, qbsync.watched_relation(m, e.key), nullif(e.value -> 'columns', 'null'), nullif(e.value -> 'key', 'null'), e.value ->> 'query'
	FROM jsonb_each(CASE jsonb_typeof(watch_entries.watch) WHEN 'object' THEN watch_entries.watch ELSE '{}' END) e;
$fn$;
COMMENT ON FUNCTION qbsync.watch_entries(qbsync.mapping, jsonb) IS 'Entries of a watch list';

CREATE FUNCTION qbsync.watch_problems(m qbsync.mapping, watch jsonb)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT 'watch', w.detail, 'A watch list reads: watch => ''{"crm.person": {"key": ["id"]}, "crm.email": {"key": ["person_id"], "columns": ["address"]}}''.'
	FROM (
		SELECT 'watch is not a JSON object.' AS detail WHERE jsonb_typeof(watch_problems.watch) NOT IN ('object', 'null')
		UNION ALL
		SELECT format('Table %s of the watch list does not exist.', e.name) FROM qbsync.watch_entries(m, watch_problems.watch) e WHERE e.relation IS NULL
		UNION ALL
		SELECT format('%s of the watch list is not a table.', e.name)
		FROM qbsync.watch_entries(m, watch_problems.watch) e JOIN pg_class c ON c.oid = e.relation WHERE c.relkind NOT IN ('r', 'p')
		UNION ALL
		SELECT format('Watched table %s: the key has %s, the mapping''s %s.', e.name, k.n, cardinality(m.key_columns))
		FROM qbsync.watch_entries(m, watch_problems.watch) e
		CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(e.key) WHEN 'array' THEN jsonb_array_length(e.key) ELSE 0 END AS n) k
		WHERE k.n = 0 OR e.query IS NULL AND k.n <> cardinality(m.key_columns)
		UNION ALL
		SELECT format('Watched table %s has no column %s.', e.name, quote_ident(c.name))
		FROM qbsync.watch_entries(m, watch_problems.watch) e
		CROSS JOIN LATERAL (SELECT jsonb_array_elements_text(CASE jsonb_typeof(e.key) WHEN 'array' THEN e.key ELSE '[]' END
															|| CASE jsonb_typeof(e.columns) WHEN 'array' THEN e.columns ELSE '[]' END) AS name) c
		WHERE e.relation IS NOT NULL
		  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = e.relation AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped)) w;
$fn$;
COMMENT ON FUNCTION qbsync.watch_problems(qbsync.mapping, jsonb) IS 'What is wrong with a watch list. SECURITY DEFINER: to_regclass looks into schemas the caller may not use';

/* Without a list: the table that the key's columns are from. */
CREATE FUNCTION qbsync.compose_watches(m qbsync.mapping, watch jsonb)
RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(
		(SELECT jsonb_agg(jsonb_build_object('relation', e.relation, 'columns', e.columns, 'key', e.key, 'query', e.query))
		 FROM qbsync.watch_entries(m, compose_watches.watch) e WHERE e.relation IS NOT NULL),
		(SELECT jsonb_agg(jsonb_build_object('relation', w.relation, 'columns', w.columns, 'key', w.key_columns, 'query', w.key_query))
		 FROM qbsync.watch w
		 WHERE w.mapping_id = m.mapping_id AND compose_watches.watch IS NULL
		   AND (SELECT bool_and(v.relation IN (SELECT x.relation FROM qbsync.watch x WHERE x.mapping_id = m.mapping_id))
				FROM qbsync.view_columns(m.view) v WHERE v.column_name = ANY (m.key_columns))),
		(SELECT jsonb_build_array(jsonb_build_object('relation', min(v.relation::oid)::regclass, 'key', jsonb_agg(v.base_column ORDER BY k.position)))
		 FROM unnest(m.key_columns) WITH ORDINALITY k(name, position)
		 JOIN qbsync.view_columns(m.view) v ON v.column_name = k.name
		 HAVING count(v.relation) = cardinality(m.key_columns) AND count(DISTINCT v.relation) = 1
			AND bool_and((SELECT c.relkind FROM pg_class c WHERE c.oid = v.relation) IN ('r', 'p'))),
		'[]');
$fn$;
COMMENT ON FUNCTION qbsync.compose_watches(qbsync.mapping, jsonb) IS 'Watch list of a mapping as it is stored: the one given, the one it has, or the table of its key. SECURITY DEFINER: reads qbsync.watch';

/* The queries of a watch list, tried as the mapping's role; they are run for real by the worker that sends. */
CREATE FUNCTION qbsync.watch_query_problems(m qbsync.mapping, watch jsonb)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	w record;
BEGIN
	FOR w IN SELECT e.key AS name, e.value ->> 'query' AS query
			 FROM jsonb_each(CASE jsonb_typeof(watch) WHEN 'object' THEN watch ELSE '{}' END) e
			 WHERE jsonb_typeof(e.value -> 'query') = 'string'
	LOOP
		BEGIN
			PERFORM qbsync.read_crm(m, format('SELECT pg_catalog.count(*)::pg_catalog.text FROM (%s) q WHERE false', replace(w.query, '$1', '(NULL)')));
		EXCEPTION WHEN OTHERS THEN
			RETURN QUERY SELECT 'watch', format('The query of watched table %s fails: %s.', w.name, SQLERRM),
				'It is a SELECT with $1 in the place of the table''s key; it returns keys of the view.';
		END;
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.watch_query_problems(qbsync.mapping, jsonb) IS 'Queries of a watch list that do not run as the mapping''s role';
