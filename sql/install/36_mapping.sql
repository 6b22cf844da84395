/*
 * Declaring mappings.
 *
 * qbsync_map and its sisters run as the caller: what they do to the CRM's own objects (a view, triggers) the caller may do
 * anyway.  The CRM's views are read as the mapping's role, through qbsync.query_as_role().  Rows of qbsync.* are written by
 * SECURITY DEFINER functions, which check again whatever they are given: they may be called by themselves.
 */

/*
 * A declaration on its way into qbsync.mapping.  caller cannot be given, only defaulted: that proves to the trigger, which
 * runs as the extension's owner, who declares.
 */
CREATE TABLE qbsync.mapping_request (
	caller	name NOT NULL DEFAULT current_user,
	mapping	jsonb NOT NULL,
	watches	jsonb NOT NULL
);
COMMENT ON TABLE qbsync.mapping_request IS 'Always empty: qbsync_map inserts what it declares, a trigger checks it and writes qbsync.mapping and qbsync.watch';

/* The mapping that a declaration makes or changes, with defaults filled in; nothing is stored. */
CREATE FUNCTION qbsync.compose_mapping(request jsonb, caller name)
RETURNS qbsync.mapping
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	old qbsync.mapping;
	columns record;
BEGIN
	m.view := (request ->> 'view')::regclass;
	m.view_name := qbsync.qualified(m.view);
	m.name := coalesce(request ->> 'name', (SELECT c.relname FROM pg_class c WHERE c.oid = m.view));
	PERFORM qbsync.check_name('mapping name', m.name);
	m.entity := request ->> 'entity';
	PERFORM qbsync.check_entity(m.entity, coalesce(request ->> 'kind', 'any'));
	SELECT k.* INTO old FROM qbsync.mapping k WHERE k.name = m.name;
	m.connection_id := CASE WHEN request ->> 'connection' IS NULL AND old.mapping_id IS NOT NULL THEN old.connection_id
		ELSE qbsync.the_connection(request ->> 'connection') END;
	PERFORM qbsync.require_sight(m.entity);
	IF NOT qbsync.is_mirrored(m.connection_id, m.entity) THEN
		RAISE EXCEPTION 'entity "%" is not read', m.entity
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = 'What is bought and who is paid is read only when somebody has decided so for the company.',
				  HINT = format('SELECT qbsync_set(%L, ''vendors'', ''import'');', (SELECT c.name FROM qbsync.connection c WHERE c.connection_id = m.connection_id));
	END IF;
	PERFORM qbsync.check_same_mapping(m, old, (request ->> 'named')::boolean);

	-- What is left out stays as it was.
	m.mapping_id := old.mapping_id;
	m.kind := coalesce(request ->> 'kind', old.kind, 'any');
	m.family := qbsync.mapping_family(m);
	m.line_view := coalesce((request ->> 'lines')::regclass, qbsync.current_relation(old.line_view, old.line_view_name));
	m.line_view_name := coalesce(qbsync.qualified(m.line_view), old.line_view_name);
	m.role := coalesce((request ->> 'role')::name, old.role, qbsync.default_role(coalesce((request ->> 'table')::regclass, m.view), caller));
	m.crm_search_path := coalesce(request ->> 'search_path', old.crm_search_path, qbsync.default_search_path(m.view, m.role));
	m.crm_settings := coalesce(nullif(request -> 'settings', 'null'), old.crm_settings, '{}');
	m.policies := qbsync.valid_policies(m.connection_id, coalesce(nullif(request -> 'policies', 'null'), old.policies, '{}'));
	m.defaults := coalesce(nullif(request -> 'defaults', 'null'), old.defaults, '{}');
	m.made_view := coalesce((request ->> 'made_view')::boolean, old.made_view AND m.view = old.view, false);
	m.key_columns := coalesce((SELECT array_agg(k) FROM jsonb_array_elements_text(nullif(request -> 'key', 'null')) k), old.key_columns, qbsync.default_key(m.view), '{}');
	-- A first column that has a meaning of its own is no key, unless somebody says so.
	IF request ->> 'key' IS NULL AND old.mapping_id IS NULL AND NOT qbsync.key_is_proven(m.view, m.key_columns)
		AND EXISTS (SELECT FROM qbsync.column_roles(m.view, m.entity, false, '{}', '{}') r
					WHERE r.column_name = ANY (m.key_columns) AND r.role <> 'unknown') THEN
		m.key_columns := '{}';
	END IF;

	m.extra_columns := CASE jsonb_typeof(request -> 'extra') WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(request -> 'extra'))
		ELSE coalesce(old.extra_columns, '{}') END;
	SELECT coalesce(array_agg(r.column_name ORDER BY r.position) FILTER (WHERE r.role IN ('canonical', 'reference', 'special')), '{}') AS taking_part
	INTO columns
	FROM qbsync.column_roles(m.view, m.entity, false, m.key_columns, m.extra_columns) r;
	m.columns := columns.taking_part;
	m.line_columns := (SELECT array_agg(r.column_name ORDER BY r.position)
					   FROM qbsync.column_roles(m.line_view, m.entity, true, '{}', m.extra_columns) r
					   WHERE r.role IN ('canonical', 'reference', 'special'));
	m.crm_table := coalesce(request ->> 'crm_table', CASE WHEN m.view = old.view THEN old.crm_table END,
							(SELECT qbsync.qualified(min(v.relation::oid)) FROM qbsync.view_columns(m.view) v
							 WHERE v.column_name = ANY (m.key_columns) HAVING count(DISTINCT v.relation) = 1),
							m.view_name);
	RETURN m;
END
$fn$;
COMMENT ON FUNCTION qbsync.compose_mapping(jsonb, name) IS 'The mapping that a declaration stands for, defaults filled in. SECURITY DEFINER: reads qbsync.mapping';

CREATE FUNCTION qbsync.valid_policies(connection_id integer, policies jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	p record;
	valid jsonb := '{}';
BEGIN
	IF jsonb_typeof(valid_policies.policies) <> 'object' THEN
		RAISE EXCEPTION 'policies is not valid'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is a JSON object of policies and their values.',
				  HINT = 'Write it as policies => ''{"direction": "pull"}''; see qbsync.policy for those there are.';
	END IF;
	FOR p IN SELECT e.key, e.value FROM jsonb_each_text(valid_policies.policies) e LOOP
		IF NOT EXISTS (SELECT FROM qbsync.policy k WHERE k.name = p.key AND k.name <> 'value_map') THEN
			RAISE EXCEPTION 'policy "%" does not exist', p.key
				USING ERRCODE = 'undefined_object', HINT = 'See qbsync.policy for those there are.';
		END IF;
		valid := valid || jsonb_strip_nulls(jsonb_build_object(p.key, qbsync.policy_value(valid_policies.connection_id, p.key, p.value)));
	END LOOP;
	RETURN valid;
END
$fn$;
COMMENT ON FUNCTION qbsync.valid_policies(integer, jsonb) IS 'Policies of a mapping as they are stored; an error if they are not valid';

CREATE FUNCTION qbsync.check_entity(entity text, kind text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF NOT EXISTS (SELECT FROM qbsync.catalogue e WHERE e.entity = check_entity.entity AND NOT e.singleton) THEN
		RAISE EXCEPTION 'entity "%" cannot be mapped', coalesce(check_entity.entity, '')
			USING ERRCODE = 'undefined_object',
				  DETAIL = (SELECT format('The entities are: %s.', string_agg(e.entity, ', ' ORDER BY e.load_order))
							FROM qbsync.catalogue e WHERE NOT e.singleton),
				  HINT = 'Name one of them: entity => ''customer''.';
	ELSIF check_entity.kind IS NULL OR check_entity.kind NOT IN ('any', 'person', 'organisation') THEN
		RAISE EXCEPTION 'kind "%" does not exist', coalesce(check_entity.kind, '')
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is any, person or organisation.',
				  HINT = 'Leave it out for a view that holds all customers.';
	ELSIF check_entity.kind <> 'any' AND check_entity.entity <> 'customer' THEN
		RAISE EXCEPTION 'only customers are persons or organisations'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave kind out.';
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.check_entity(text, text) IS 'Raises an error unless the entity can be mapped, and with that kind';

/* A mapping keeps its company and entity for life: its links would be worth nothing elsewhere. */
CREATE FUNCTION qbsync.check_same_mapping(m qbsync.mapping, old qbsync.mapping, named boolean)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF old.mapping_id IS NULL THEN
		RETURN;
	ELSIF (m.connection_id, m.entity) IS DISTINCT FROM (old.connection_id, old.entity) THEN
		RAISE EXCEPTION 'there is a mapping "%" already', m.name
			USING ERRCODE = 'duplicate_object',
				  DETAIL = format('It stands for entity %s of connection "%s"; that cannot be changed.', old.entity,
								  (SELECT c.name FROM qbsync.connection c WHERE c.connection_id = old.connection_id)),
				  HINT = 'Give the new mapping a name of its own: name => ''…''; or take the old one away with qbsync_unmap.';
	ELSIF NOT named AND m.view IS DISTINCT FROM qbsync.current_relation(old.view, old.view_name) THEN
		RAISE EXCEPTION 'there is a mapping "%" already', m.name
			USING ERRCODE = 'duplicate_object', DETAIL = format('It is that of %s.', old.view_name),
				  HINT = format('Give the new mapping a name of its own: name => ''…''; or, to change the old one: name => %L.', m.name);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.check_same_mapping(qbsync.mapping, qbsync.mapping, boolean) IS 'Raises an error when a declaration meets another mapping of that name';

/* Columns of the views that nobody knows, and extra ones that are not there: only a declaration looks for them. */
CREATE FUNCTION qbsync.declaration_problems(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT 'column_unknown', format('Column %s of %s is not one of the catalogue''s%s.', quote_ident(c.column_name), qbsync.qualified(c.view),
			CASE WHEN c.nearest IS NULL THEN '' ELSE format('; %s is', c.nearest) END),
		'Name columns as the catalogue does, leave others out of the view, or declare them: extra => ''{…}''.'
	FROM (
		SELECT m.view, r.column_name, r.position, 0 AS part, qbsync.nearest_column(m.entity, r.column_name) AS nearest
		FROM qbsync.column_roles(m.view, m.entity, false, m.key_columns, m.extra_columns) r WHERE r.role = 'unknown' AND NOT EXISTS (SELECT FROM qbsync.view_problems(m.view, m.view_name))
		UNION ALL
		SELECT m.line_view, r.column_name, r.position, 1, qbsync.nearest_column(e.line_table, r.column_name)
		FROM qbsync.catalogue e, qbsync.column_roles(m.line_view, m.entity, true, '{}', m.extra_columns) r
		WHERE e.entity = m.entity AND r.role = 'unknown'
		ORDER BY 4, 3) c
	UNION ALL
	SELECT 'lines', format('Entity %s has no lines.', m.entity), 'Leave lines out.'
	FROM qbsync.catalogue e WHERE e.entity = m.entity AND e.line_table IS NULL AND m.line_view IS NOT NULL
	UNION ALL
	SELECT 'key_missing', format('The key of mapping "%s" was %s and cannot become %s: %s records are linked by it.', m.name,
								 array_to_string(o.key_columns, ', '), array_to_string(m.key_columns, ', '), l.links),
		'Name the columns of the view as before; or take the mapping away with qbsync_unmap and declare it anew.'
	FROM qbsync.mapping o
	CROSS JOIN LATERAL (SELECT count(*) AS links FROM qbsync.link k WHERE k.mapping_id = o.mapping_id) l
	WHERE o.mapping_id = m.mapping_id AND o.key_columns <> m.key_columns AND l.links > 0
	UNION ALL
	SELECT 'key_missing', format('Mapping "%s" is that of %s and cannot become that of %s: %s records are linked.', m.name, o.crm_table, m.crm_table, l.links),
		'Give the new mapping a name of its own: name => ''…''; or take the old one away with qbsync_unmap.'
	FROM qbsync.mapping o
	CROSS JOIN LATERAL (SELECT count(*) AS links FROM qbsync.link k WHERE k.mapping_id = o.mapping_id) l
	WHERE o.mapping_id = m.mapping_id AND o.crm_table <> m.crm_table AND l.links > 0;
$fn$;
COMMENT ON FUNCTION qbsync.declaration_problems(qbsync.mapping) IS 'What only a declaration has to answer for: unknown columns, lines where there are none, another key or table. SECURITY DEFINER: reads qbsync.link';

/* One error for all of them: a line per problem, and each way out once. */
CREATE FUNCTION qbsync.raise_problems(message text, details text[], hints text[])
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF cardinality(raise_problems.details) > 0 THEN
		RAISE EXCEPTION '%', raise_problems.message
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = array_to_string(raise_problems.details, chr(10)),
				  HINT = (SELECT string_agg(h.hint, chr(10) ORDER BY h.first)
						  FROM (SELECT u.hint, min(u.n) AS first FROM unnest(raise_problems.hints) WITH ORDINALITY u(hint, n) GROUP BY 1) h);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.raise_problems(text, text[], text[]) IS 'Raises one error for several problems; none when there are none';

/* Store a declaration.  It comes with its caller, whom nothing else here can tell. */
CREATE FUNCTION qbsync.accept_mapping()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := jsonb_populate_record(NULL::qbsync.mapping, NEW.mapping);
	old qbsync.mapping;
	details text[];
	hints text[];
BEGIN
	PERFORM qbsync.check_name('mapping name', m.name);
	PERFORM qbsync.check_entity(m.entity, m.kind);
	SELECT k.* INTO old FROM qbsync.mapping k WHERE k.name = m.name FOR NO KEY UPDATE;
	PERFORM qbsync.check_same_mapping(m, old, true);
	m.mapping_id := old.mapping_id;
	IF NOT qbsync.may_become(NEW.caller, m.role) THEN
		RAISE EXCEPTION 'permission denied to map as role "%"', m.role
			USING ERRCODE = 'insufficient_privilege', DETAIL = format('Role "%s" is not a member of it.', NEW.caller),
				  HINT = format('Ask for GRANT %I TO %I, or name another role: role => ''…''.', m.role, NEW.caller);
	END IF;
	-- whoever unmaps drops a view we made, perhaps with more rights than the one who says so here
	m.made_view := coalesce(m.made_view AND (old.made_view AND old.view = m.view
		OR qbsync.may_become(NEW.caller, (SELECT r.rolname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = m.view))), false);
	m.written_columns := qbsync.writable_columns(m.view, m.columns);
	m.policies := qbsync.valid_policies(m.connection_id, m.policies);
	m.family := qbsync.mapping_family(m);
	PERFORM qbsync.keep_the_law(old.policies ->> 'documents_direction', m.policies ->> 'documents_direction');
	SELECT array_agg(p.detail), array_agg(p.hint) INTO details, hints
	FROM (SELECT p.detail, p.hint FROM qbsync.check_mapping(m) p UNION ALL SELECT d.detail, d.hint FROM qbsync.declaration_problems(m) d) p;
	PERFORM qbsync.raise_problems(format('view %s cannot be mapped', m.view_name), details, hints);

	IF old.mapping_id IS NULL THEN
		INSERT INTO qbsync.mapping (name, connection_id, entity, family, kind, view, view_name, line_view, line_view_name, crm_table, key_columns,
									columns, written_columns, extra_columns, line_columns, role, crm_search_path, crm_settings, policies, defaults, made_view)
		VALUES (m.name, m.connection_id, m.entity, coalesce(m.family, 0), m.kind, m.view, qbsync.qualified(m.view), m.line_view, qbsync.qualified(m.line_view),
				m.crm_table, m.key_columns, m.columns, m.written_columns, m.extra_columns, m.line_columns, m.role, m.crm_search_path, m.crm_settings, m.policies,
				m.defaults, m.made_view)
		RETURNING mapping_id INTO m.mapping_id;
		UPDATE qbsync.mapping k SET family = k.mapping_id WHERE k.mapping_id = m.mapping_id AND m.family IS NULL;
	ELSE
		PERFORM qbsync.change_mapping(m, old);
	END IF;
	PERFORM qbsync.set_watches(m.mapping_id, NEW.watches);
	PERFORM qbsync.stop_ambiguous(m);
	PERFORM qbsync.wake();
	RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION qbsync.accept_mapping() IS 'Checks a declaration and writes qbsync.mapping and qbsync.watch. SECURITY DEFINER: nobody else writes them';
CREATE TRIGGER accept BEFORE INSERT ON qbsync.mapping_request FOR EACH ROW EXECUTE FUNCTION qbsync.accept_mapping();

/*
 * Family 0 is what views show as a record's crm_table and crm_key: one mapping of an entity has it, or several that share
 * the entity by kind.  Null: a family of its own, by its number.
 */
CREATE FUNCTION qbsync.mapping_family(m qbsync.mapping)
RETURNS integer
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE WHEN count(*) = 0 OR m.kind <> 'any' AND bool_and(o.kind <> 'any' AND o.kind <> m.kind) THEN 0 ELSE m.mapping_id END
	FROM qbsync.mapping o
	WHERE o.connection_id = m.connection_id AND o.entity = m.entity AND o.family = 0 AND o.mapping_id IS DISTINCT FROM m.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.mapping_family(qbsync.mapping) IS 'Family of a mapping beside the others of its entity; null: its own, once it has a number';

/* Units that a mapping merges, by the columns that take part. */
CREATE FUNCTION qbsync.mapping_units(m qbsync.mapping)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT ARRAY(
		SELECT DISTINCT qbsync.unit_of_column(m.entity, u.name)
		FROM unnest(m.columns) u(name)
		WHERE u.name <> 'last_updated_time'
		UNION
		SELECT 'lines' WHERE m.line_view_name IS NOT NULL
		ORDER BY 1);
$fn$;
COMMENT ON FUNCTION qbsync.mapping_units(qbsync.mapping) IS 'Units of merging of a mapping''s columns';

CREATE FUNCTION qbsync.change_mapping(m qbsync.mapping, old qbsync.mapping)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	units text[] := qbsync.mapping_units(m);
	-- a column that joins an address makes the whole of it new
	added text[] := ARRAY(SELECT DISTINCT qbsync.unit_of_column(m.entity, u.name)
						  FROM unnest(m.columns) u(name)
						  WHERE u.name <> 'last_updated_time' AND u.name <> ALL (old.columns)
						  UNION
						  SELECT 'lines' WHERE m.line_view_name IS NOT NULL AND m.line_columns IS DISTINCT FROM old.line_columns);
BEGIN
	UPDATE qbsync.mapping k
	SET family = coalesce(m.family, k.mapping_id), kind = m.kind, view = m.view, view_name = qbsync.qualified(m.view),
		line_view = m.line_view, line_view_name = qbsync.qualified(m.line_view), crm_table = m.crm_table, key_columns = m.key_columns,
		columns = m.columns, written_columns = m.written_columns, extra_columns = m.extra_columns, line_columns = m.line_columns, role = m.role,
		crm_search_path = m.crm_search_path, crm_settings = m.crm_settings, policies = m.policies, defaults = m.defaults,
		made_view = m.made_view, problem = NULL, problem_detail = NULL, problem_since = NULL, attempts = 0, next_attempt_at = NULL,
		sweep_after = CASE k.state WHEN 'enabled' THEN '' ELSE k.sweep_after END
	WHERE k.mapping_id = old.mapping_id;

	-- What was never compared is not agreed on; what is not mapped any more is nobody's business.
	UPDATE qbsync.link l
	SET unagreed = nullif(ARRAY(SELECT u FROM unnest(coalesce(l.unagreed, '{}') || CASE WHEN l.base IS NULL THEN '{}' ELSE added END) u
								WHERE u = ANY (units) GROUP BY u ORDER BY u), '{}'),
		family = coalesce(m.family, l.mapping_id)
	WHERE l.mapping_id = old.mapping_id
	  AND (cardinality(added) > 0 OR l.unagreed IS NOT NULL OR l.family <> coalesce(m.family, l.mapping_id));
	DELETE FROM qbsync.conflict c WHERE c.mapping_id = old.mapping_id AND c.unit <> ALL (units);
EXCEPTION
	WHEN unique_violation THEN
		RAISE EXCEPTION 'mapping "%" cannot take kind "%"', m.name, m.kind
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = 'Records are linked by another mapping of the same entity too.',
				  HINT = 'Keep the kind, or unlink them there first.';
END
$fn$;
COMMENT ON FUNCTION qbsync.change_mapping(qbsync.mapping, qbsync.mapping) IS 'Changes a mapping: links stay, columns that are new become unagreed on all of them';

CREATE FUNCTION qbsync.set_watches(mapping_id integer, watches jsonb)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH gone AS (
		DELETE FROM qbsync.watch w
		WHERE w.mapping_id = set_watches.mapping_id
		  AND w.relation NOT IN (SELECT (n.n ->> 'relation')::regclass FROM jsonb_array_elements(set_watches.watches) n(n))
		RETURNING w.watch_id
	)
	DELETE FROM qbsync.crm_error e USING gone g WHERE e.mapping_id = set_watches.mapping_id AND e.watch_id = g.watch_id;
	-- another query may work
	UPDATE qbsync.crm_error e SET next_attempt_at = now() WHERE e.mapping_id = set_watches.mapping_id AND e.watch_id <> 0;
	INSERT INTO qbsync.watch AS w (mapping_id, relation, relation_name, columns, key_columns, key_query)
	SELECT set_watches.mapping_id, r.relation, qbsync.qualified(r.relation),
		(SELECT array_agg(c) FROM jsonb_array_elements_text(nullif(n.n -> 'columns', 'null')) c),
		ARRAY(SELECT jsonb_array_elements_text(n.n -> 'key')), n.n ->> 'query'
	FROM jsonb_array_elements(set_watches.watches) n(n)
	CROSS JOIN LATERAL (SELECT (n.n ->> 'relation')::regclass AS relation) r
	ON CONFLICT ON CONSTRAINT watch_mapping_id_relation_key DO UPDATE
	SET relation_name = excluded.relation_name, columns = excluded.columns, key_columns = excluded.key_columns, key_query = excluded.key_query;
$fn$;
COMMENT ON FUNCTION qbsync.set_watches(integer, jsonb) IS 'Makes qbsync.watch of a mapping what a declaration says; a table that stays keeps its number';
