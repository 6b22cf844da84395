/*
 * The statements of a mapping.  Each mapping has its own: they name the view's columns with their types.  SQL makes their
 * texts, C runs them (src/crm/statement.c): those on the CRM's view as the mapping's role, where only pg_catalog is counted
 * on; the others as the owner.
 *
 * The CRM's rows travel as canonical rows: a jsonb object of catalogue columns, empty ones left out.
 */

CREATE FUNCTION qbsync.view_columns(view regclass, OUT column_name name, OUT relation regclass, OUT base_column name)
RETURNS SETOF record
LANGUAGE c STABLE STRICT
AS 'MODULE_PATHNAME', 'qbsync_view_columns';
COMMENT ON FUNCTION qbsync.view_columns(regclass) IS 'Columns of a view with the table''s column each of them is; null when it is computed';

/* Names are written with their schema, or are pg_catalog's. */
CREATE FUNCTION qbsync.qualified(relation regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = qualified.relation;
$fn$;
COMMENT ON FUNCTION qbsync.qualified(regclass) IS 'Name of a relation with its schema, quoted; null when it is gone';

/* The operator that the default index of a type means by "equal"; keys of extension types (citext) have their own. */
CREATE FUNCTION qbsync.equality_operator(type oid)
RETURNS text
LANGUAGE plpgsql STABLE			-- for its plan, too
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
	RETURN coalesce((
		SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
		FROM pg_type t
		JOIN pg_opclass c ON c.opcintype = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END AND c.opcdefault
		JOIN pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
		JOIN pg_amop a ON a.amopfamily = c.opcfamily AND a.amopstrategy = 3 AND a.amoplefttype = c.opcintype AND a.amoprighttype = c.opcintype
		JOIN pg_operator o ON o.oid = a.amopopr
		JOIN pg_namespace n ON n.oid = o.oprnamespace
		WHERE t.oid = equality_operator.type
	), 'OPERATOR(pg_catalog.=)');
END
$fn$;
COMMENT ON FUNCTION qbsync.equality_operator(oid) IS 'How to write "equals" for a type, whatever the search_path';

/* pg_column_is_updatable() is not enough: it wants DELETE to be possible, too, which INSTEAD OF triggers need not do. */
CREATE FUNCTION qbsync.has_instead_of(view oid, event text)
RETURNS boolean
LANGUAGE plpgsql STABLE			-- for its plan, too
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
	RETURN EXISTS (
		SELECT FROM pg_trigger t
		WHERE t.tgrelid = has_instead_of.view AND t.tgenabled IN ('O', 'A') AND t.tgtype::integer & 64 <> 0
		  AND t.tgtype::integer & CASE has_instead_of.event WHEN 'INSERT' THEN 4 WHEN 'DELETE' THEN 8 ELSE 16 END <> 0);
END
$fn$;
COMMENT ON FUNCTION qbsync.has_instead_of(oid, text) IS 'Has a view an INSTEAD OF trigger for INSERT, UPDATE or DELETE that fires?';

/* Addresses are merged as wholes: BillAddr.City belongs to unit bill_addr; every other column is its own unit. */
CREATE FUNCTION qbsync.unit_of(column_name text, path text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE WHEN unit_of.path ~ '^[A-Za-z]+Addr\.(Line[1-5]|City|CountrySubDivisionCode|PostalCode|Country)$'
		THEN lower(regexp_replace(split_part(unit_of.path, '.', 1), '([a-z])([A-Z])', '\1_\2', 'g'))
		ELSE unit_of.column_name END;
$fn$;
COMMENT ON FUNCTION qbsync.unit_of(text, text) IS 'Unit of merging that a catalogue column belongs to: itself, or its address';

CREATE FUNCTION qbsync.unit_of_column(entity text, column_name text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(
		(SELECT qbsync.unit_of(c."column", c.path) FROM qbsync.catalogue_columns(unit_of_column.entity) c
		 WHERE c."column" = unit_of_column.column_name),
		CASE WHEN qbsync.reference_kind(unit_of_column.column_name) IS NOT NULL
			THEN regexp_replace(qbsync.customer_reference(unit_of_column.entity), '_id$', '_key') END,
		unit_of_column.column_name);
$fn$;
COMMENT ON FUNCTION qbsync.unit_of_column(text, text) IS 'Unit of merging that a column of a mapped view belongs to';

/*
 * The columns of a mapped view (or of its line view) that take part, with all that statements and rules need to know.
 * role: canonical: a catalogue column; reference: the crm_key of what an _id column names; special; extra: the CRM's own.
 */
CREATE FUNCTION qbsync.mapping_columns(mapping_id integer, lines boolean DEFAULT false,
	OUT name text, OUT role text, OUT view_type text, OUT is_array boolean, OUT type text, OUT path text, OUT unit text,
	OUT ref_entity text, OUT ref_column text, OUT sendable boolean, OUT updatable boolean, OUT not_null boolean,
	OUT default_expression text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE			-- its plan is kept: making the statements of a mapping asks often
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $fn$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH m AS (
		SELECT k.*, CASE WHEN mapping_columns.lines THEN k.line_view ELSE k.view END AS relation,
			CASE WHEN mapping_columns.lines THEN coalesce(e.line_table, '') ELSE k.entity END AS catalogue_table,
			CASE WHEN mapping_columns.lines THEN array_remove(array_remove(k.line_columns, 'position'), k.entity || '_key')
				ELSE k.columns || k.extra_columns END AS names,
			-- lines are never updated, but made anew
			CASE WHEN mapping_columns.lines THEN qbsync.has_instead_of(k.line_view, 'INSERT') ELSE qbsync.has_instead_of(k.view, 'UPDATE') END AS has_trigger
		FROM qbsync.mapping k JOIN qbsync.catalogue e ON e.entity = k.entity
		WHERE k.mapping_id = mapping_columns.mapping_id
	), known AS MATERIALIZED (
		SELECT k."column", k.type, k.path, k.writable, k.refers_to FROM m, qbsync.catalogue_columns(m.catalogue_table) k
	)
	SELECT n.name,
		CASE WHEN c."column" IS NOT NULL AND n.name <> ALL (m.extra_columns) THEN 'canonical'
			WHEN n.name IN ('quickbooks_id', 'last_updated_time') AND NOT mapping_columns.lines THEN 'special'
			WHEN n.name LIKE '%\_key' AND n.name <> ALL (m.extra_columns)
				AND (r."column" IS NOT NULL OR m.catalogue_table = 'payment_line' AND n.name = 'invoice_key') THEN 'reference'
			ELSE 'extra' END,
		-- without a length (-1: null would mean character(1)): a value that is too long is refused, not cut
		format_type(a.atttypid, -1),
		t.typcategory = 'A',
		c.type,
		coalesce(c.path, r.path),
		CASE WHEN c."column" IS NOT NULL THEN qbsync.unit_of(n.name, c.path)
			WHEN r."column" IS NOT NULL THEN regexp_replace(r."column", '_id$', '_key') ELSE n.name END,
		CASE WHEN r."column" IS NOT NULL THEN r.refers_to WHEN n.name = 'invoice_key' THEN 'invoice' END,
		CASE WHEN r."column" IS NOT NULL THEN r."column" WHEN n.name = 'invoice_key' THEN 'txn_id' END,
		coalesce(c.writable, r.writable, false),
		m.has_trigger OR pg_column_is_updatable(m.relation, a.attnum, true) AND coalesce(b.attgenerated = '' AND b.attidentity <> 'a', true),
		coalesce(b.attnotnull, false),
		pg_get_expr(d.adbin, d.adrelid)
	FROM m
	CROSS JOIN LATERAL unnest(m.names) WITH ORDINALITY AS n(name, position)
	JOIN pg_attribute a ON a.attrelid = m.relation AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped
	JOIN pg_type t ON t.oid = a.atttypid
	LEFT JOIN qbsync.view_columns(m.relation) v ON v.column_name = n.name
	LEFT JOIN pg_attribute b ON b.attrelid = v.relation AND b.attname = v.base_column
	LEFT JOIN pg_attrdef d ON d.adrelid = b.attrelid AND d.adnum = b.attnum AND b.attgenerated = ''
	LEFT JOIN known c ON c."column" = n.name
	LEFT JOIN known r ON n.name LIKE '%\_key' AND c."column" IS NULL AND r.refers_to IS NOT NULL
		AND CASE WHEN qbsync.reference_kind(n.name) IS NULL THEN r."column" = regexp_replace(n.name, '_key$', '_id')
			ELSE r."column" = qbsync.customer_reference(m.catalogue_table) END
	WHERE n.name <> ALL (m.key_columns) OR mapping_columns.lines
	ORDER BY n.position;
END
$fn$;
COMMENT ON FUNCTION qbsync.mapping_columns(integer, boolean) IS 'Columns of a mapping''s view, or line view, with their part in it; columns that are gone from the view are left out';

/* A column of the view as a canonical value: an SQL expression over alias v (l for lines). */
CREATE FUNCTION qbsync.crm_read(alias text, name text, type text, is_array boolean)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN crm_read.type = 'text[]' AND crm_read.is_array THEN format('%s.%I::pg_catalog.text[]', crm_read.alias, crm_read.name)
		WHEN crm_read.type = 'text[]' THEN format('CASE WHEN %1$s.%2$I::pg_catalog.text OPERATOR(pg_catalog.<>) '''' THEN ARRAY[%1$s.%2$I::pg_catalog.text] END', crm_read.alias, crm_read.name)
		WHEN crm_read.type IN ('numeric', 'jsonb') THEN format('%s.%I::pg_catalog.%s', crm_read.alias, crm_read.name, crm_read.type)
		WHEN crm_read.type = 'integer' THEN format('%s.%I::pg_catalog.int4', crm_read.alias, crm_read.name)
		WHEN crm_read.type = 'boolean' THEN format('%s.%I::pg_catalog.bool', crm_read.alias, crm_read.name)
		WHEN crm_read.type IN ('date', 'timestamptz') THEN format('%s.%I::pg_catalog.%s', crm_read.alias, crm_read.name, crm_read.type)
		ELSE format('CASE WHEN %1$s.%2$I::pg_catalog.text OPERATOR(pg_catalog.<>) '''' THEN %1$s.%2$I::pg_catalog.text END', crm_read.alias, crm_read.name)
	END;
$fn$;
COMMENT ON FUNCTION qbsync.crm_read(text, text, text, boolean) IS 'Expression that reads a column of a mapped view as a canonical value';

/*
 * A column that cannot be null gets its default, a text without one the empty string: to QuickBooks, empty and missing are
 * the same.
 */
CREATE FUNCTION qbsync.crm_not_null(value text, view_type text, not_null boolean, default_expression text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN crm_not_null.not_null AND crm_not_null.default_expression IS NOT NULL THEN
			format('COALESCE(%s, %s)', crm_not_null.value, crm_not_null.default_expression)
		-- only where an empty string is a value: keys and references have other types
		WHEN crm_not_null.not_null AND crm_not_null.view_type ~ '^([^.]+\.)?(text|citext|character varying|character|bpchar)(\([0-9]+\))?$' THEN
			format('COALESCE(%s, ''''::%s)', crm_not_null.value, crm_not_null.view_type)
		ELSE crm_not_null.value END;
$fn$;
COMMENT ON FUNCTION qbsync.crm_not_null(text, text, boolean, text) IS 'Expression of a value as a column of the view can take it, which may not know null';

/*
 * Nor is a value cut to the length of a domain's type: it is cast to that type without a length, and becomes the domain's
 * when it is assigned.  So do the elements of a list.
 */
CREATE FUNCTION qbsync.cast_type(view_type text)
RETURNS text
LANGUAGE plpgsql STABLE			-- asked for each column: its plan is kept
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $fn$
DECLARE
	wanted oid := cast_type.view_type::regtype;	-- read once, not for each row of pg_type
BEGIN
	RETURN (SELECT CASE WHEN t.typtype = 'd' THEN qbsync.cast_type(format_type(t.typbasetype, -1))
		WHEN e.typtype = 'd' THEN qbsync.cast_type(format_type(e.oid, -1)) || '[]'
		ELSE cast_type.view_type END
	FROM pg_type t
	LEFT JOIN pg_type e ON e.typarray = t.oid
	WHERE t.oid = wanted);
END
$fn$;
COMMENT ON FUNCTION qbsync.cast_type(text) IS 'Type that a value for a column of a type is cast to, so that nothing is cut: of a domain the type below it, also of a list''s elements';

/* A canonical value as a value of the view's column: an SQL expression over a jsonb object named by source. */
CREATE FUNCTION qbsync.crm_write(source text, name text, type text, is_array boolean, view_type text, not_null boolean, default_expression text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	value text;
	target text := qbsync.cast_type(crm_write.view_type);
BEGIN
	IF crm_write.is_array THEN
		RETURN format('ARRAY(SELECT pg_catalog.jsonb_array_elements_text(CASE pg_catalog.jsonb_typeof(%1$s OPERATOR(pg_catalog.->) %2$L) WHEN ''array'' THEN %1$s OPERATOR(pg_catalog.->) %2$L ELSE ''[]'' END))::%3$s',
					  crm_write.source, crm_write.name, target);
	ELSIF crm_write.type = 'text[]' THEN
		value := format('((%s OPERATOR(pg_catalog.->) %L) OPERATOR(pg_catalog.->>) 0)::%s', crm_write.source, crm_write.name, target);
	ELSIF crm_write.type = 'jsonb' THEN
		value := format('(%s OPERATOR(pg_catalog.->) %L)::%s', crm_write.source, crm_write.name, target);
	ELSE
		value := format('(%s OPERATOR(pg_catalog.->>) %L)::%s', crm_write.source, crm_write.name, target);
	END IF;
	RETURN qbsync.crm_not_null(value, crm_write.view_type, crm_write.not_null, crm_write.default_expression);
END
$fn$;
COMMENT ON FUNCTION qbsync.crm_write(text, text, text, boolean, text, boolean, text) IS 'Expression that makes a value of a mapped view''s column from a canonical row';

/* crm_key as an expression, and the view's rows of an array of them as a condition; alias is the view's. */
CREATE FUNCTION qbsync.crm_key_expression(mapping_id integer, alias text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE cardinality(m.key_columns)
		WHEN 1 THEN format('%s.%I::pg_catalog.text', crm_key_expression.alias, m.key_columns[1])
		ELSE (SELECT 'pg_catalog.jsonb_build_array(' || string_agg(format('%s.%I::pg_catalog.text', crm_key_expression.alias, k.name), ', ' ORDER BY k.position) || ')::pg_catalog.text'
			  FROM unnest(m.key_columns) WITH ORDINALITY k(name, position)) END
	FROM qbsync.mapping m WHERE m.mapping_id = crm_key_expression.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.crm_key_expression(integer, text) IS 'Expression of a mapping''s crm_key';

CREATE FUNCTION qbsync.crm_key_condition(mapping_id integer, alias text, crm_key text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT string_agg(format(
		CASE cardinality(m.key_columns) WHEN 1 THEN '%1$s.%2$I %3$s (%4$s)::%5$s'
			ELSE '%1$s.%2$I %3$s ((%4$s)::pg_catalog.jsonb OPERATOR(pg_catalog.->>) %6$s)::%5$s' END,
		crm_key_condition.alias, k.name, qbsync.equality_operator(a.atttypid), crm_key_condition.crm_key,
		format_type(a.atttypid, a.atttypmod), k.position - 1), ' AND ' ORDER BY k.position)
	FROM qbsync.mapping m
	CROSS JOIN LATERAL unnest(m.key_columns) WITH ORDINALITY k(name, position)
	JOIN pg_attribute a ON a.attrelid = m.view AND a.attname = k.name
	WHERE m.mapping_id = crm_key_condition.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.crm_key_condition(integer, text, text) IS 'Condition that a row of the view has a crm_key, given as an expression';

CREATE FUNCTION qbsync.crm_keys_condition(mapping_id integer, alias text, crm_keys text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE WHEN cardinality(m.key_columns) = 1
		THEN format('%s.%I %s ANY ((%s)::%s[])', crm_keys_condition.alias, m.key_columns[1], qbsync.equality_operator(a.atttypid),
					crm_keys_condition.crm_keys, format_type(a.atttypid, a.atttypmod))
		ELSE format('EXISTS (SELECT FROM pg_catalog.unnest(%s) k(k) WHERE %s)', crm_keys_condition.crm_keys,
					qbsync.crm_key_condition(m.mapping_id, crm_keys_condition.alias, 'k.k')) END
	FROM qbsync.mapping m
	JOIN pg_attribute a ON a.attrelid = m.view AND a.attname = m.key_columns[1]
	WHERE m.mapping_id = crm_keys_condition.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.crm_keys_condition(integer, text, text) IS 'Condition that a row of the view has one of an array of crm_keys, given as an expression';

/* The canonical row of a view's row as an expression; without lines. */
CREATE FUNCTION qbsync.crm_row_expression(mapping_id integer, alias text, lines boolean DEFAULT false)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	-- Functions take 100 arguments; the object of a wide view is made of several.
	SELECT coalesce(string_agg('pg_catalog.jsonb_build_object(' || p.pairs || ')', ' OPERATOR(pg_catalog.||) ' ORDER BY p.part), '''{}''::pg_catalog.jsonb')
	FROM (
		SELECT (c.position - 1) / 40 AS part,
			string_agg(format('%L, %s', c.name, qbsync.crm_read(crm_row_expression.alias, c.name, c.type, c.is_array)), ', ' ORDER BY c.position) AS pairs
		FROM qbsync.mapping_columns(crm_row_expression.mapping_id, crm_row_expression.lines) WITH ORDINALITY
			AS c(name, role, view_type, is_array, type, path, unit, ref_entity, ref_column, sendable, updatable, not_null, default_expression, position)
		WHERE c.name <> 'last_updated_time'
		GROUP BY 1) p;
$fn$;
COMMENT ON FUNCTION qbsync.crm_row_expression(integer, text, boolean) IS 'Expression of a view''s row as jsonb, or of a line view''s';

/*
 * A migration may leave a view without a column or without its triggers, perhaps for a moment.  What cannot be written then
 * must not pass for something that is not to come in: that would be agreed on, and never be written any more.
 */
CREATE FUNCTION qbsync.require_whole(mapping_id integer)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	problems text;
BEGIN
	SELECT string_agg(concat_ws(' ', p.detail, p.hint), ' ') INTO problems
	FROM qbsync.mapping m
	CROSS JOIN LATERAL (
		SELECT format('Column %s of %s does not exist.', quote_ident(n.name), qbsync.qualified(n.view)) AS detail,
			'Give the view the column again, or declare the mapping anew with qbsync_map.' AS hint
		FROM (SELECT m.view, unnest(m.columns || m.extra_columns) UNION ALL SELECT m.line_view, unnest(m.line_columns)) n(view, name)
		WHERE n.view IS NOT NULL
		  AND NOT EXISTS (SELECT FROM pg_attribute a
						  -- one that was declared extra may be the lines'
						  WHERE (a.attrelid = n.view OR a.attrelid = m.line_view AND n.name = ANY (m.extra_columns))
							AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped)
		UNION ALL
		SELECT u.detail, u.hint FROM qbsync.update_problems(m) u
		UNION ALL
		SELECT r.detail, r.hint FROM qbsync.reference_problems(m) r) p
	WHERE m.mapping_id = require_whole.mapping_id;
	IF problems IS NOT NULL THEN
		RAISE EXCEPTION 'the view of mapping "%" is not what was mapped', (SELECT m.name FROM qbsync.mapping m WHERE m.mapping_id = require_whole.mapping_id)
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = problems;
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.require_whole(integer) IS 'Raises an error when the view of a mapping lacks columns or cannot be written any more';

/*
 * Who wins when both sides changed a field since they agreed, in this order: the authority set for the column itself; manual,
 * wherever it is set: it says that people are asked; of what goes one way, the side it comes from; the authority of the mapping
 * or company.  The first comparison knows nothing of directions: it asks, unless an authority says otherwise.
 */
CREATE FUNCTION qbsync.one_way_authority(direction text, own_authority text, authority text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE WHEN one_way_authority.own_authority IS NOT NULL OR one_way_authority.authority = 'manual' THEN NULL
		WHEN one_way_authority.direction = 'pull' THEN 'qbo' WHEN one_way_authority.direction = 'push' THEN 'crm' END;
$fn$;
COMMENT ON FUNCTION qbsync.one_way_authority(text, text, text) IS 'Authority that a direction gives to a unit once both sides have agreed, null: none; own_authority: what is set for the column itself, authority: for its mapping or company';

/*
 * What crosses the border inwards, and what does not: the rules that qbsync.merge() takes.  A column that QuickBooks
 * computes has no say from the CRM; one that the view cannot write has none from QuickBooks.
 */
CREATE FUNCTION qbsync.unit_rules(mapping_id integer)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	policy jsonb := qbsync.effective_policies(unit_rules.mapping_id);
	per_column jsonb := qbsync.column_policies(unit_rules.mapping_id);
	direction text;
	units jsonb;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = unit_rules.mapping_id;
	direction := qbsync.mapping_direction(unit_rules.mapping_id);
	SELECT jsonb_object_agg(u.unit, jsonb_strip_nulls(jsonb_build_object('columns', u.columns, 'in', u.comes_in, 'out', u.goes_out,
		'authority', u.authority, 'once_agreed', nullif(u.once_agreed, u.authority), 'address', u.address))) INTO units
	FROM (
		SELECT c.unit, to_jsonb(array_agg(c.name ORDER BY c.name)) AS columns,
			bool_and(c.updatable AND coalesce(per_column -> c.name ->> 'direction', direction) <> 'push'
					 AND NOT (c.name = 'active' AND policy ->> 'on_qbo_inactive' <> 'deactivate_crm')) AS comes_in,
			bool_and(c.sendable AND coalesce(per_column -> c.name ->> 'direction', direction) <> 'pull') AS goes_out,
			CASE WHEN bool_and(c.sendable) THEN coalesce(min(per_column -> c.name ->> 'authority'), policy ->> 'authority') ELSE 'qbo' END AS authority,
			CASE WHEN bool_and(c.sendable) THEN qbsync.one_way_authority(min(coalesce(per_column -> c.name ->> 'direction', direction)),
				min(per_column -> c.name ->> 'authority'), policy ->> 'authority') END AS once_agreed,
			c.unit LIKE '%\_addr' AND count(*) > 1 AS address
		FROM qbsync.mapping_columns(unit_rules.mapping_id) c
		WHERE c.role IN ('canonical', 'reference') OR c.name = 'quickbooks_id'
		GROUP BY c.unit) u;
	IF m.line_view IS NOT NULL THEN
		units := coalesce(units, '{}') || jsonb_build_object('lines', jsonb_strip_nulls(jsonb_build_object('columns', '["lines"]'::jsonb,
			'in', coalesce(per_column -> 'lines' ->> 'direction', direction) <> 'push',
			'out', coalesce(per_column -> 'lines' ->> 'direction', direction) <> 'pull',
			'authority', coalesce(per_column -> 'lines' ->> 'authority', policy ->> 'authority'),
			'once_agreed', qbsync.one_way_authority(coalesce(per_column -> 'lines' ->> 'direction', direction),
				per_column -> 'lines' ->> 'authority', policy ->> 'authority'), 'address', false)));
	END IF;
	RETURN jsonb_build_object('units', coalesce(units, '{}'));
END
$fn$;
COMMENT ON FUNCTION qbsync.unit_rules(integer) IS 'Rules of a mapping by the columns its view has now, see qbsync.merge_rules';

CREATE FUNCTION qbsync.merge_rules(mapping_id integer)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	PERFORM qbsync.require_whole(merge_rules.mapping_id);
	RETURN qbsync.unit_rules(merge_rules.mapping_id);
END
$fn$;
COMMENT ON FUNCTION qbsync.merge_rules(integer) IS 'Rules of a mapping for qbsync.merge(): its units with their columns, directions and authority';

CREATE FUNCTION qbsync.mapping_direction(mapping_id integer)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN e.transaction AND p.p ->> 'documents_direction' IN ('pull', 'pull_by_law') THEN 'pull'
		WHEN m.entity = 'invoice' THEN coalesce(p.p ->> 'invoice_direction', 'two_way')
		WHEN m.entity = 'payment' THEN coalesce(p.p ->> 'payment_direction', 'two_way')
		ELSE coalesce(p.p ->> 'direction', 'two_way') END
	FROM qbsync.mapping m
	JOIN qbsync.catalogue e ON e.entity = m.entity
	CROSS JOIN LATERAL (SELECT qbsync.effective_policies(m.mapping_id) AS p OFFSET 0) p
	WHERE m.mapping_id = mapping_direction.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.mapping_direction(integer) IS 'two_way, pull, push or push_status_back: the policy that counts for a mapping''s entity';

/* A mirror column as the CRM would show it: an expression over alias c (the mirror's row). */
CREATE FUNCTION qbsync.their_expression(mapping_id integer, alias text, name text, role text, type text, is_array boolean,
	ref_entity text, ref_column text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	map_name text;
BEGIN
	IF EXISTS (SELECT FROM qbsync.column_policy p WHERE p.mapping_id = their_expression.mapping_id AND p.policy = 'value_map') THEN
		map_name := qbsync.column_policies(their_expression.mapping_id) -> their_expression.name ->> 'value_map';
	END IF;
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = their_expression.mapping_id;
	IF their_expression.role = 'reference' THEN
		-- a record of the same entity (a parent) is one of the same family
		RETURN format('(SELECT r.crm_key FROM qbsync.link r WHERE r.connection_id = %s AND r.entity = %L AND r.id = %s.%I AND r.family = %s%s)',
					  m.connection_id, their_expression.ref_entity, their_expression.alias, their_expression.ref_column,
					  CASE WHEN their_expression.ref_entity = m.entity THEN m.family ELSE 0 END,
					  CASE WHEN qbsync.reference_kind(their_expression.name) IS NULL THEN ''
						-- 0: nobody has customers of that kind yet
						ELSE format(' AND r.mapping_id = %s', coalesce((SELECT k.mapping_id FROM qbsync.customer_mappings(m) k
																		WHERE k.kind = qbsync.reference_kind(their_expression.name)), 0)) END);
	ELSIF their_expression.name = 'quickbooks_id' AND their_expression.role = 'special' THEN
		RETURN format('%s.id', their_expression.alias);
	ELSIF map_name IS NOT NULL THEN
		RETURN format('(SELECT min(x.crm_value) FROM qbsync.value_map x WHERE x.mapping_id = %s AND x.name = %L AND x.quickbooks_value = %s.%I::text)',
					  m.mapping_id, map_name, their_expression.alias, their_expression.name);
	ELSIF their_expression.type = 'text[]' AND (NOT their_expression.is_array
			OR qbsync.effective_policies(m.mapping_id) ->> 'email_in' = 'first') THEN
		-- most have one, and a slice costs more than to count
		RETURN format('CASE WHEN cardinality(%1$s.%2$I) > 1 THEN %1$s.%2$I[1:1] ELSE %1$s.%2$I END', their_expression.alias, their_expression.name);
	ELSIF their_expression.name IN ('display_name', 'name', 'fully_qualified_name')
		AND EXISTS (SELECT FROM qbsync.catalogue e WHERE e.entity = m.entity AND e.name_list) THEN
		-- QuickBooks marks the names of what was made inactive; the CRM's record keeps its own
		RETURN format('qbsync.own_name(%1$s.%2$I, %1$s.active)', their_expression.alias, their_expression.name);
	END IF;
	RETURN format('%s.%I', their_expression.alias, their_expression.name);
END
$fn$;
COMMENT ON FUNCTION qbsync.their_expression(integer, text, text, text, text, boolean, text, text) IS 'Expression of a mirror column''s value as a mapping takes it: references as keys, mapped values, e-mails by policy';

/* The canonical row of QuickBooks' record, and what it still lacks (links, mapped values), as select-list entries. */
CREATE FUNCTION qbsync.their_row(mapping_id integer, alias text, lines boolean, OUT value text, OUT waits_for text, OUT unmapped text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	per_column jsonb := qbsync.column_policies(their_row.mapping_id);
BEGIN
	WITH columns AS MATERIALIZED (
		SELECT c.*, qbsync.their_expression(their_row.mapping_id, their_row.alias, c.name, c.role, c.type, c.is_array, c.ref_entity, c.ref_column) AS expression
		FROM qbsync.mapping_columns(their_row.mapping_id, their_row.lines) WITH ORDINALITY
			AS c(name, role, view_type, is_array, type, path, unit, ref_entity, ref_column, sendable, updatable, not_null, default_expression, position)
		WHERE c.role IN ('canonical', 'reference') OR c.name = 'quickbooks_id'
	), part AS (
		SELECT (c.position - 1) / 40 AS part,
			'qbsync.canonical(' || string_agg(format('%L, %s', c.name, c.expression), ', ' ORDER BY c.position) || ')' AS pairs,
			string_agg(format('CASE WHEN %1$s.%2$I IS NOT NULL AND %3$s IS NULL THEN %2$L || ''='' || %1$s.%2$I::text END',
				their_row.alias, c.name, c.expression), ', ')
				FILTER (WHERE c.role = 'canonical' AND per_column -> c.name ? 'value_map') AS unmapped
		FROM columns c
		GROUP BY 1
	), wait AS (
		-- one of the columns by kind is enough
		SELECT format('CASE WHEN %1$s AND coalesce(%2$s) IS NULL THEN %3$L || %4$s.%5$I END',
			CASE WHEN bool_or(c.name = 'invoice_key') THEN format('%s.txn_type = ''Invoice''', their_row.alias)
				ELSE format('%1$s.%2$I ~ ''^[0-9]+$''', their_row.alias, c.ref_column) END,
			string_agg(c.expression, ', ' ORDER BY c.position), c.ref_entity || ':', their_row.alias, c.ref_column) AS waits
		FROM columns c
		WHERE c.role = 'reference'
		GROUP BY c.ref_entity, c.ref_column
	)
	SELECT coalesce((SELECT string_agg(p.pairs, ' || ' ORDER BY p.part) FROM part p), '''{}''::jsonb'),
		coalesce('array_remove(ARRAY[' || (SELECT string_agg(w.waits, ', ') FROM wait w) || ']::text[], NULL)', '''{}''::text[]'),
		coalesce('array_remove(ARRAY[' || (SELECT string_agg(p.unmapped, ', ') FROM part p) || ']::text[], NULL)', '''{}''::text[]')
	INTO their_row.value, their_row.waits_for, their_row.unmapped;
END
$fn$;
COMMENT ON FUNCTION qbsync.their_row(integer, text, boolean) IS 'Expressions over a mirror row: its canonical row, the links it waits for, the values that are not mapped';
