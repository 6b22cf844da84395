/*
 * The callable side of mappings: qbsync_map, qbsync_map_table, qbsync_enable, qbsync_disable, qbsync_unmap.
 */

/* Everything about a declaration but the arguments' names; runs as the caller. */
CREATE FUNCTION qbsync.declare_mapping(request jsonb)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	watch jsonb := nullif(request -> 'watch', 'null');
	details text[];
	hints text[];
	fatal boolean;
	given_up text;
	w record;
BEGIN
	PERFORM qbsync.mapping_refresh(k.mapping_id) FROM qbsync.mapping k WHERE k.name = request ->> 'name';
	m := qbsync.compose_mapping(request, current_user);
	SELECT array_agg(p.detail), array_agg(p.hint),
		bool_or(p.problem IN ('role', 'search_path', 'setting', 'view_gone', 'view_kind', 'view_rule', 'key_missing', 'connection_gone'))
	INTO details, hints, fatal
	FROM (SELECT * FROM qbsync.check_mapping(m)
		  UNION ALL SELECT * FROM qbsync.declaration_problems(m)
		  UNION ALL SELECT * FROM qbsync.watch_problems(m, watch)) p;
	-- The CRM is read only as a role that may be it, and with settings that may be made.
	IF fatal IS NOT TRUE THEN
		PERFORM qbsync.check_may_become(m.role);
		SELECT details || array_agg(p.detail), hints || array_agg(p.hint) INTO details, hints
		FROM (SELECT * FROM qbsync.data_problems(m) d
			  -- what cannot be read for want of rights was said already
			  WHERE d.problem <> 'not_readable' OR details IS NULL
			  UNION ALL SELECT * FROM qbsync.watch_query_problems(m, watch)) p;
	END IF;
	PERFORM qbsync.raise_problems(format('view %s cannot be mapped', m.view_name), details, hints);

	-- a view of our making that is given up goes
	SELECT k.view_name INTO given_up FROM qbsync.mapping k JOIN pg_class c ON c.oid = k.view
	WHERE k.mapping_id = m.mapping_id AND k.made_view AND k.view <> m.view;
	INSERT INTO qbsync.mapping_request (mapping, watches)
	VALUES (to_jsonb(m), qbsync.compose_watches(m, watch));
	m.mapping_id := qbsync.the_mapping(m.name);
	PERFORM qbsync.create_triggers(m.mapping_id);
	IF given_up IS NOT NULL THEN
		PERFORM qbsync.drop_view(given_up);
	END IF;

	FOR w IN SELECT * FROM qbsync.mapping_warnings(m) LOOP
		RAISE WARNING '%', w.message USING DETAIL = w.detail, HINT = w.hint;
	END LOOP;
	RETURN m.name;
END
$fn$;
COMMENT ON FUNCTION qbsync.declare_mapping(jsonb) IS 'What qbsync_map and qbsync_map_table have in common: checks a declaration, stores it, says what will surprise';

CREATE FUNCTION qbsync.check_may_become(role name)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF NOT qbsync.may_become(current_user, check_may_become.role) THEN
		RAISE EXCEPTION 'permission denied to map as role "%"', check_may_become.role
			USING ERRCODE = 'insufficient_privilege', DETAIL = format('Role "%s" is not a member of it.', current_user),
				  HINT = format('Ask for GRANT %I TO %I, or name another role: role => ''…''.', check_may_become.role, current_user);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.check_may_become(name) IS 'Raises an error unless the caller may act as the role';

CREATE FUNCTION @extschema@.qbsync_map(
	"view" regclass DEFAULT NULL,
	entity text DEFAULT NULL,
	name text DEFAULT NULL,
	connection text DEFAULT NULL,
	key text[] DEFAULT NULL,
	role name DEFAULT NULL,
	lines regclass DEFAULT NULL,
	watch jsonb DEFAULT NULL,
	kind text DEFAULT NULL,
	extra text[] DEFAULT NULL,
	crm_table regclass DEFAULT NULL,
	search_path text DEFAULT NULL,
	settings jsonb DEFAULT NULL,
	defaults jsonb DEFAULT NULL,
	policies jsonb DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF qbsync_map."view" IS NULL THEN
		RAISE EXCEPTION 'the view is missing'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'SELECT qbsync_map(''your_view'', entity => ''customer''); for a table: qbsync_map_table; to have a view written: qbsync_map_suggest.';
	END IF;
	RETURN qbsync.declare_mapping(jsonb_build_object(
		'view', qbsync_map."view", 'entity', qbsync_map.entity, 'name', qbsync_map.name,
		'named', qbsync_map.name IS NOT NULL, 'connection', qbsync_map.connection,
		'key', qbsync_map.key, 'role', qbsync_map.role, 'lines', qbsync_map.lines, 'watch', qbsync_map.watch, 'kind', qbsync_map.kind,
		'extra', qbsync_map.extra, 'crm_table', qbsync.qualified(qbsync_map.crm_table), 'search_path', qbsync_map.search_path,
		'settings', qbsync_map.settings, 'defaults', qbsync_map.defaults, 'policies', qbsync_map.policies));
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_map(regclass, text, text, text, text[], name, regclass, jsonb, text, text[], regclass, text, jsonb, jsonb, jsonb) IS
	'Declare that a view of the CRM stands for an entity of a company, or change that; everything is checked. Nothing moves until qbsync_enable. Returns the mapping''s name. Runs as the caller, who must be a member of the role';

/* Name of the view beside a table: one that this mapping made before, or one that is free. */
CREATE FUNCTION qbsync.table_view_name("table" regclass, mapping text, OUT name text, OUT made boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	schema_name name;
	table_name text;
	suffix text := '_quickbooks';
	n integer := 1;
BEGIN
	SELECT qbsync.qualified(qbsync.current_relation(m.view, m.view_name)), true INTO table_view_name.name, table_view_name.made
	FROM qbsync.mapping m WHERE m.name = table_view_name.mapping AND m.made_view;
	IF table_view_name.name IS NOT NULL THEN
		RETURN;
	END IF;
	made := false;
	SELECT s.nspname, c.relname INTO schema_name, table_name FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE c.oid = table_view_name."table";
	LOOP
		-- names have 63 bytes, and end between two characters
		WHILE octet_length(table_name || suffix) > 63 LOOP
			table_name := pg_catalog.left(table_name, -1);
		END LOOP;
		name := format('%I.%I', schema_name, table_name || suffix);
		EXIT WHEN to_regclass(name) IS NULL;
		n := n + 1;
		suffix := '_quickbooks_' || n;
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.table_view_name(regclass, text) IS 'Name for the view that qbsync_map_table makes, and whether the mapping made it before';

/* What the view of a table shows: key, columns by their new names, extra ones by their own. */
CREATE FUNCTION qbsync.table_view_columns("table" regclass, key text[], columns jsonb, extra text[])
RETURNS TABLE (source text, name text, "position" bigint)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT k.name, CASE WHEN table_view_columns.columns ? k.name THEN 'crm_' || k.name ELSE k.name END, k.position
	FROM unnest(table_view_columns.key) WITH ORDINALITY k(name, position)
	UNION ALL
	SELECT c.value, c.key, 1000 + row_number() OVER (ORDER BY c.key) FROM jsonb_each_text(table_view_columns.columns) c
	UNION ALL
	SELECT e.name, e.name, 2000 + e.position FROM unnest(table_view_columns.extra) WITH ORDINALITY e(name, position)
	WHERE e.name <> ALL (table_view_columns.key);
$fn$;
COMMENT ON FUNCTION qbsync.table_view_columns(regclass, text[], jsonb, text[]) IS 'Columns of the view that qbsync_map_table makes';

CREATE FUNCTION qbsync.table_problems("table" regclass, columns jsonb, extra text[], "where" text)
RETURNS TABLE (detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format('%s is not a table.', qbsync.qualified(c.oid)), 'Views are mapped with qbsync_map.'
	FROM pg_class c WHERE c.oid = table_problems."table" AND c.relkind NOT IN ('r', 'p', 'f')
	UNION ALL
	SELECT format('Table %s has no column %s.', qbsync.qualified(table_problems."table"), quote_ident(n.name)),
		'columns reads {"catalogue column": "column of the table"}; expressions need a view of your own, see qbsync_map_suggest.'
	FROM (SELECT k.value AS name FROM jsonb_each_text(table_problems.columns) k UNION SELECT unnest(table_problems.extra)) n
	WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = table_problems."table" AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped)
	UNION ALL
	SELECT 'There is no column to map.', 'Name them: columns => ''{"display_name": "name", "emails": "email"}''.'
	WHERE table_problems.columns = '{}'
	UNION ALL
	SELECT 'The condition has a semicolon or a comment.', 'Give the condition alone, without WHERE; what is more needs a view of your own.'
	WHERE table_problems."where" ~ ';|--|/\*';
$fn$;
COMMENT ON FUNCTION qbsync.table_problems(regclass, jsonb, text[], text) IS 'Why no view can be made of a table as it was asked for';

/* The view itself, in place of an older one; as the caller. */
CREATE FUNCTION qbsync.make_table_view("table" regclass, name text, made boolean, shown text, "where" text, role name, search_path text)
RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF make_table_view.made THEN
		PERFORM qbsync.drop_view(make_table_view.name);
	END IF;
	PERFORM qbsync.run_ddl(format('CREATE VIEW %s WITH (security_invoker = true) AS SELECT %s FROM %s%s', make_table_view.name, make_table_view.shown,
								  qbsync.qualified(make_table_view."table"),
								  -- a record that falls out of the condition is refused, not lost from sight
								  CASE WHEN btrim(make_table_view."where") <> '' THEN format(E' WHERE (%s\n) WITH LOCAL CHECK OPTION', make_table_view."where") ELSE '' END),
						   make_table_view.search_path);
	PERFORM qbsync.run_ddl(format('COMMENT ON VIEW %s IS %L', make_table_view.name,
								  format('Made by qbsync_map_table for QuickBooks; qbsync_unmap takes it away.')));
	IF make_table_view.role <> current_user THEN
		-- what the role may do is decided by its rights on the table
		PERFORM qbsync.run_ddl(format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', make_table_view.name, make_table_view.role));
	END IF;
	RETURN make_table_view.name::regclass;
END
$fn$;
COMMENT ON FUNCTION qbsync.make_table_view(regclass, text, boolean, text, text, name, text) IS 'Makes the view of qbsync_map_table as the caller; the role gets the rights on it that the table gives it';

/* {"display_name": "name", …} for a table nobody described. */
CREATE FUNCTION qbsync.table_columns_guess("table" regclass, entity text, kind text)
RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	guess jsonb;
	reasons text;
BEGIN
	SELECT coalesce(jsonb_object_agg(n.name, g.source), '{}'),
		string_agg(format('%s is %s: %s', n.name, quote_ident(g.source), g.reason), chr(10) ORDER BY n.name)
	INTO guess, reasons
	FROM qbsync.guess_columns(table_columns_guess."table", table_columns_guess.entity) g
	-- a parent is a row of this table, which holds one kind of customers
	CROSS JOIN LATERAL (SELECT CASE WHEN g.column_name = 'parent_key' AND kind <> 'any' THEN kind || '_key' ELSE g.column_name END AS name) n
	WHERE NOT EXISTS (SELECT FROM qbsync.catalogue_column c
					  JOIN pg_attribute a ON a.attrelid = table_columns_guess."table" AND a.attname = g.source
					  WHERE c."table" = table_columns_guess.entity AND c."column" = g.column_name AND NOT qbsync.converts(c.type, a.atttypid));
	IF guess <> '{}' THEN
		RAISE NOTICE 'the columns of % were guessed from their names', qbsync.qualified(table_columns_guess."table")
			USING DETAIL = reasons, HINT = 'If a guess is wrong, call again with columns => ''{"display_name": "…", …}''.';
	END IF;
	RETURN guess;
END
$fn$;
COMMENT ON FUNCTION qbsync.table_columns_guess(regclass, text, text) IS 'Columns of a table by their catalogue names, guessed; says so in a notice. SECURITY DEFINER: calls what looks at names in catalogs';

CREATE FUNCTION @extschema@.qbsync_map_table(
	"table" regclass DEFAULT NULL,
	entity text DEFAULT 'customer',
	columns jsonb DEFAULT NULL,
	name text DEFAULT NULL,
	connection text DEFAULT NULL,
	role name DEFAULT NULL,
	"where" text DEFAULT NULL,
	kind text DEFAULT NULL,
	extra text[] DEFAULT NULL,
	watch jsonb DEFAULT NULL,
	search_path text DEFAULT NULL,
	settings jsonb DEFAULT NULL,
	defaults jsonb DEFAULT NULL,
	policies jsonb DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	its_name text := coalesce(qbsync_map_table.name, (SELECT c.relname FROM pg_class c WHERE c.oid = qbsync_map_table."table"));
	its_role name := coalesce(qbsync_map_table.role, (SELECT m.role FROM qbsync.mapping m WHERE m.name = its_name),
							  qbsync.default_role(qbsync_map_table."table", current_user));
	-- the same table is mapped anew without naming the mapping
	named boolean := qbsync_map_table.name IS NOT NULL
		OR EXISTS (SELECT FROM qbsync.mapping m WHERE m.name = its_name AND m.made_view AND m.crm_table = qbsync.qualified("table"));
	key text[];
	target record;
	problems record;
	path text;
	shown text;
	key_shown text[];
BEGIN
	IF qbsync_map_table."table" IS NULL THEN
		RAISE EXCEPTION 'the table is missing'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'SELECT qbsync_map_table(''your_table'', columns => ''{"display_name": "name"}'').';
	END IF;
	PERFORM qbsync.check_entity(qbsync_map_table.entity, coalesce(qbsync_map_table.kind, 'any'));
	PERFORM qbsync.the_connection(qbsync_map_table.connection);
	IF its_role IS NULL THEN
		PERFORM qbsync.raise_problems(format('table %s cannot be mapped', qbsync.qualified("table")), array_agg(p.detail), array_agg(p.hint))
		FROM qbsync.role_problems(NULL::qbsync.mapping) p WHERE p.problem = 'role';
	END IF;
	columns := coalesce(qbsync_map_table.columns, qbsync.table_columns_guess("table", entity, kind));
	extra := coalesce(qbsync_map_table.extra, (SELECT m.extra_columns FROM qbsync.mapping m WHERE m.name = its_name AND m.made_view), '{}');
	SELECT array_agg(p.detail) AS details, array_agg(p.hint) AS hints INTO problems
	FROM (SELECT * FROM qbsync.table_problems("table", columns, extra, "where")
		  UNION ALL
		  SELECT 'It has neither a primary key nor a unique index on columns that are not null.', 'Give it a primary key, or make a view with a key and map it with qbsync_map.'
		  WHERE NOT EXISTS (SELECT FROM qbsync.unique_keys("table") u WHERE u.not_null)) p;
	PERFORM qbsync.raise_problems(format('table %s cannot be mapped', qbsync.qualified("table")), problems.details, problems.hints);

	key := qbsync.table_key_columns("table");
	path := coalesce(qbsync_map_table.search_path, qbsync.default_search_path("table", its_role));
	SELECT string_agg(format('%I AS %I', c.source, c.name), ', ' ORDER BY c.position), array_agg(c.name ORDER BY c.position) FILTER (WHERE c.position <= cardinality(key))
	INTO shown, key_shown
	FROM qbsync.table_view_columns("table", key, columns, extra) c;
	target := qbsync.table_view_name("table", its_name);
	RETURN qbsync.declare_mapping(jsonb_build_object(
		'view', qbsync.make_table_view("table", target.name, target.made, shown, "where", its_role, path),
		'table', "table", 'made_view', true, 'named', named, 'entity', entity, 'name', its_name, 'connection', connection, 'key', key_shown,
		'role', its_role, 'watch', watch, 'kind', kind, 'extra', extra, 'crm_table', qbsync.qualified("table"), 'search_path', path,
		'settings', settings, 'defaults', defaults, 'policies', policies));
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_map_table(regclass, text, jsonb, text, text, name, text, text, text[], jsonb, text, jsonb, jsonb, jsonb) IS
	'Map one table of the CRM: makes an updatable view <table>_quickbooks beside it and declares that as qbsync_map does. Nothing moves until qbsync_enable. Returns the mapping''s name. Runs as the caller, who must be a member of the role';

CREATE FUNCTION qbsync.table_key_columns("table" regclass)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT u.columns::text[] FROM qbsync.unique_keys(table_key_columns."table") u
	WHERE u.not_null ORDER BY u.is_primary DESC, cardinality(u.columns), u.columns LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.table_key_columns(regclass) IS 'Primary key of a table, else the smallest unique index on columns that are not null';

/* The writing half of qbsync_enable and qbsync_disable. */
CREATE FUNCTION qbsync.set_mapping_state(mapping_id integer, enable boolean)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	its_role name := (SELECT k.role FROM qbsync.mapping k WHERE k.mapping_id = set_mapping_state.mapping_id);
BEGIN
	-- qbsync_enable has asked already, but need not be the one who calls
	IF set_mapping_state.enable AND NOT qbsync.may_become(qbsync.acting_role(), its_role) THEN
		RAISE EXCEPTION 'permission denied for role "%"', its_role
			USING ERRCODE = 'insufficient_privilege', DETAIL = format('"%s" is not a member of it.', qbsync.acting_role());
	END IF;
	UPDATE qbsync.mapping m
	SET state = CASE WHEN set_mapping_state.enable THEN 'enabled' WHEN m.enabled_at IS NULL THEN m.state ELSE 'disabled' END,
		enabled_at = CASE WHEN set_mapping_state.enable THEN clock_timestamp() ELSE m.enabled_at END,
		enabled_by = CASE WHEN set_mapping_state.enable THEN session_user ELSE m.enabled_by END,
		sweep_after = CASE WHEN set_mapping_state.enable THEN '' END,
		-- what changed while nobody listened, records that QuickBooks does not have among it
		scan_at = CASE WHEN set_mapping_state.enable AND m.first_sync_done_at IS NOT NULL THEN clock_timestamp()
			WHEN set_mapping_state.enable THEN qbsync.next_scan(m.mapping_id) END,
		problem = NULL, problem_detail = NULL, problem_since = NULL, attempts = 0, next_attempt_at = NULL
	WHERE m.mapping_id = set_mapping_state.mapping_id;
	IF set_mapping_state.enable THEN
		PERFORM qbsync.release_unmapped((SELECT m.connection_id FROM qbsync.mapping m WHERE m.mapping_id = set_mapping_state.mapping_id));
	ELSE
		-- Enabling looks at every record; what a person asked to undo is kept.
		DELETE FROM qbsync.arrival a WHERE a.mapping_id = set_mapping_state.mapping_id AND a.action <> 'undo';
	END IF;
	PERFORM qbsync.wake();
END
$fn$;
COMMENT ON FUNCTION qbsync.set_mapping_state(integer, boolean) IS 'Lets a mapping run, or stops it. SECURITY DEFINER: writes qbsync.mapping and arrival';

CREATE FUNCTION @extschema@.qbsync_enable(mapping text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer := qbsync.the_mapping(qbsync_enable.mapping);
	m qbsync.mapping;
	details text[];
	hints text[];
	its_state text;
	w record;
BEGIN
	PERFORM qbsync.mapping_refresh(id);
	SELECT k.* INTO m FROM qbsync.mapping k WHERE k.mapping_id = id;
	SELECT array_agg(p.detail), array_agg(p.hint) INTO details, hints FROM qbsync.mapping_check(id) p;
	IF details IS NULL THEN
		PERFORM qbsync.check_may_become(m.role);
		SELECT array_agg(p.detail), array_agg(p.hint) INTO details, hints FROM qbsync.data_problems(m) p;
	END IF;
	PERFORM qbsync.raise_problems(format('mapping "%s" cannot be enabled', m.name), details, hints);
	PERFORM qbsync.set_mapping_state(id, true);
	PERFORM qbsync.create_triggers(id);

	FOR w IN SELECT * FROM qbsync.mapping_warnings(m) LOOP
		RAISE WARNING '%', w.message USING DETAIL = w.detail, HINT = w.hint;
	END LOOP;
	SELECT c.state INTO its_state FROM qbsync.connection c WHERE c.connection_id = m.connection_id;
	IF its_state <> 'live' THEN
		RAISE NOTICE 'mapping "%" starts as soon as its company is live', m.name
			USING DETAIL = format('The company is %s now.', its_state), HINT = 'See qbsync.status.';
	END IF;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_enable(text) IS 'Let a mapping run: it is checked once more, then every record of the company is looked at. Nothing moves in the CRM before. Runs as the caller, who must be a member of the mapping''s role';

CREATE FUNCTION @extschema@.qbsync_disable(mapping text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer := qbsync.the_mapping(qbsync_disable.mapping);
BEGIN
	PERFORM qbsync.set_mapping_state(id, false);
	PERFORM qbsync.release_triggers(id);
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_disable(text) IS 'Stop a mapping: nothing moves in the CRM any more; links and decisions are kept, and qbsync_enable goes on from there';

CREATE FUNCTION qbsync.mapping_contents(mapping_id integer)
RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format('%s links, %s decisions and %s open conflicts would be forgotten.',
		(SELECT count(*) FROM qbsync.link l WHERE l.mapping_id = mapping_contents.mapping_id),
		(SELECT count(*) FROM qbsync.decision d WHERE d.mapping_id = mapping_contents.mapping_id),
		(SELECT count(*) FROM qbsync.conflict c WHERE c.mapping_id = mapping_contents.mapping_id));
$fn$;
COMMENT ON FUNCTION qbsync.mapping_contents(integer) IS 'What goes with a mapping, as a sentence. SECURITY DEFINER: reads qbsync.link';

/* Before anything else is locked: whoever has begun something with it may end that, nobody begins anything. */
CREATE FUNCTION qbsync.seize_mapping(mapping_id integer)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	PERFORM FROM qbsync.mapping m WHERE m.mapping_id = seize_mapping.mapping_id FOR UPDATE;
END
$fn$;
COMMENT ON FUNCTION qbsync.seize_mapping(integer) IS 'Locks a mapping against everybody until the transaction ends: it is going to be removed. SECURITY DEFINER: locks a row of qbsync.mapping';

/* Every table that has a mapping's rows; found by their column, so that a later one is not forgotten. */
CREATE FUNCTION qbsync.remove_mapping(mapping_id integer)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	t regclass;
	on_its_way bigint;
BEGIN
	-- who takes it up again in another mapping would make it once more; those that the gateway has locked are waited for
	WITH gone AS (
		DELETE FROM qbsync.request r WHERE r.mapping_id = remove_mapping.mapping_id
		RETURNING r.connection_id, r.state IN ('sent', 'check') AND r.first_sent_at IS NOT NULL AS on_its_way
	)
	SELECT count(*) INTO on_its_way FROM gone g JOIN qbsync.connection c ON c.connection_id = g.connection_id
	WHERE g.on_its_way AND c.state IN ('live', 'loading');
	IF on_its_way > 0 THEN
		RAISE EXCEPTION 'mapping "%" cannot be taken away while QuickBooks is at work for it', (SELECT m.name FROM qbsync.mapping m WHERE m.mapping_id = remove_mapping.mapping_id)
			USING ERRCODE = 'object_in_use', DETAIL = format('%s of its records were sent to QuickBooks, and what became of them is not known yet.', on_its_way),
				  HINT = 'That is mostly a matter of seconds: qbsync_disable stops what is sent next, CALL qbsync_wait(until => ''idle'') waits. If QuickBooks does not answer, see qbsync.error_open; with qbsync_pause before, they are forgotten.';
	END IF;
	DELETE FROM qbsync.capture c USING qbsync.watch w WHERE w.mapping_id = remove_mapping.mapping_id AND c.watch_id = w.watch_id;
	-- first the mapping itself: a worker that has it leaves it alone from here on
	DELETE FROM qbsync.mapping m WHERE m.mapping_id = remove_mapping.mapping_id;
	FOR t IN
		SELECT c.oid::regclass
		FROM pg_class c
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'mapping_id' AND NOT a.attisdropped
		WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind = 'r' AND c.oid <> 'qbsync.mapping'::regclass
		ORDER BY c.relname
	LOOP
		EXECUTE format('DELETE FROM %s WHERE mapping_id = $1', t) USING remove_mapping.mapping_id;
	END LOOP;
	PERFORM qbsync.wake();
END
$fn$;
COMMENT ON FUNCTION qbsync.remove_mapping(integer) IS 'Removes a mapping and all that belongs to it from qbsync''s tables. SECURITY DEFINER: writes them';

CREATE FUNCTION @extschema@.qbsync_unmap(mapping text DEFAULT NULL, confirm boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer := qbsync.the_mapping(qbsync_unmap.mapping);
	m qbsync.mapping;
BEGIN
	SELECT k.* INTO m FROM qbsync.mapping k WHERE k.mapping_id = id;
	IF qbsync_unmap.confirm IS DISTINCT FROM true THEN
		RAISE EXCEPTION 'mapping "%" is not taken away without confirmation', m.name
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = qbsync.mapping_contents(id),
				  HINT = format('SELECT qbsync_unmap(%L, confirm => true); to stop it for a while: qbsync_disable.', m.name);
	END IF;
	PERFORM qbsync.seize_mapping(id);
	PERFORM qbsync.mapping_refresh(id);
	SELECT k.* INTO m FROM qbsync.mapping k WHERE k.mapping_id = id;
	PERFORM qbsync.drop_triggers(id);
	PERFORM qbsync.remove_mapping(id);
	IF m.made_view AND EXISTS (SELECT FROM pg_class c WHERE c.oid = m.view AND c.relkind = 'v') THEN
		PERFORM qbsync.drop_view(m.view_name);
	END IF;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_unmap(text, boolean) IS 'Take a mapping away with its links, decisions, triggers and the view qbsync_map_table made; the CRM''s rows and QuickBooks'' stay as they are. Runs as the caller, who must own the view and the tables with triggers';
