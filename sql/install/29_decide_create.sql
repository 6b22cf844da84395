/*
 * The short way of a first sync: records that match nothing and are to be created in the CRM, many at a time.
 *
 * The long way makes a canonical row of each, takes it apart again in the INSERT, and reads the CRM's row back to see what
 * became of it.  Where nothing can come of it but what was written, none of that is needed: the INSERT gets the mirror's
 * columns as they are and returns the key alone.  Only records that the decide statement would create, ignore or put before a
 * person go this way (plan and effect are compared by test); everything else goes the long way.
 */

/* Does a column hold exactly what a catalogue column of that type says?  Types of pg_catalog only: others run code. */
CREATE FUNCTION qbsync.keeps_exactly(type text, is_array boolean, view_type text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN keeps_exactly.is_array THEN keeps_exactly.type = 'text[]' AND keeps_exactly.view_type = 'text[]'
		WHEN keeps_exactly.type IN ('text', 'text[]') THEN keeps_exactly.view_type IN ('text', 'character varying')
		WHEN keeps_exactly.type = 'integer' THEN keeps_exactly.view_type IN ('integer', 'bigint', 'numeric')
		ELSE keeps_exactly.type IN ('numeric', 'boolean', 'date') AND keeps_exactly.view_type = keeps_exactly.type END;
$fn$;
COMMENT ON FUNCTION qbsync.keeps_exactly(text, boolean, text) IS 'Does a view''s column of a type show what it was given, whatever the value (lengths and scales aside)?';

/*
 * Of a mapping's view: is each row of it a row of one plain table, and does nothing of the user's act on an INSERT into it?
 * What triggers do after the row is there is seen to by must_reread().
 */
CREATE FUNCTION qbsync.inserts_plainly(mapping_id integer)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT NOT qbsync.must_reread(m.mapping_id) AND pg_relation_is_updatable(m.view, false) & 8 <> 0
		AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = m.view AND r.ev_type <> '1')
		AND (SELECT count(DISTINCT d.refobjid) = 1 AND bool_and(c.relkind = 'r' AND NOT c.relhassubclass AND NOT c.relispartition AND NOT c.relhasrules
				AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgname NOT LIKE 'qbsync\_%'
								AND t.tgtype & 1 <> 0 AND t.tgtype & 4 <> 0))
			 FROM pg_rewrite r
			 JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> m.view
			 JOIN pg_class c ON c.oid = d.refobjid
			 WHERE r.ev_class = m.view)
	FROM qbsync.mapping m WHERE m.mapping_id = inserts_plainly.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.inserts_plainly(integer) IS 'Does an INSERT into a mapping''s view do nothing but add what it says to one table?';

/* The columns that new rows are given; closed: those that nothing comes into (qbsync.closed_columns). */
CREATE FUNCTION qbsync.create_columns(mapping_id integer, closed text[], OUT name text, OUT is_closed boolean, OUT exact boolean,
	OUT value text, OUT condition text, OUT written text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	names text[] := qbsync.write_columns(create_columns.mapping_id);
	per_column jsonb := qbsync.column_policies(create_columns.mapping_id);
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = create_columns.mapping_id;
	RETURN QUERY
	SELECT c.name, k.closed,
		k.closed OR (b.attnum IS NOT NULL AND (c.role = 'canonical' OR c.name = 'quickbooks_id' OR c.role = 'reference')
			AND qbsync.keeps_exactly(coalesce(c.type, 'text'), c.is_array, c.view_type)
			AND (b.atttypmod < 0 OR c.view_type = 'character varying' OR c.view_type = 'numeric' AND (b.atttypmod - 4) & 2047 <= 1000)
			AND NOT coalesce(per_column -> c.name ? 'value_map', false)),
		k.value,
		CASE WHEN k.closed OR c.is_array THEN NULL
			-- where there is nothing the default would be shown
			WHEN c.not_null AND c.default_expression !~ '^''''::[a-z ]+$' THEN format(CASE WHEN coalesce(c.type, 'text') = 'text' THEN 'nullif(%s, '''')' ELSE '(%s)' END || ' IS NOT NULL', k.value)
			-- what would be rounded, and what would lose its last spaces
			WHEN c.view_type = 'numeric' AND b.atttypmod >= 0 THEN format('(%1$s = round(%1$s, %2$s)) IS NOT FALSE', k.value, (b.atttypmod - 4) & 2047)
			WHEN c.view_type = 'character varying' AND b.atttypmod >= 0 THEN format('right(%s, 1) IS DISTINCT FROM '' ''', k.value)
			WHEN c.type = 'text[]' THEN format('%s IS DISTINCT FROM ''''', k.value) END,
		qbsync.crm_not_null(CASE WHEN k.closed THEN format('NULL::%s', c.view_type) ELSE format('n.%I::%s', 'v_' || c.name, c.view_type) END,
			c.view_type, c.not_null, c.default_expression)
	FROM qbsync.mapping_columns(m.mapping_id) c
	LEFT JOIN qbsync.view_columns(m.view) v ON v.column_name = c.name
	LEFT JOIN pg_attribute b ON b.attrelid = v.relation AND b.attname = v.base_column
	CROSS JOIN LATERAL (
		SELECT c.name = ANY (create_columns.closed) AS closed,
			CASE WHEN c.is_array THEN format('coalesce(%s, ''{}'')', e.e)
				-- e is a slice of the first one: to be asked for it costs less
				WHEN c.type = 'text[]' THEN format('c.%I[1]', c.name)
				ELSE e.e END AS value
		FROM (SELECT qbsync.their_expression(m.mapping_id, 'c', c.name, c.role, c.type, c.is_array, c.ref_entity, c.ref_column) AS e OFFSET 0) e) k
	WHERE c.name = ANY (names)
	ORDER BY c.name;
END
$fn$;
COMMENT ON FUNCTION qbsync.create_columns(integer, text[]) IS 'Columns that the short way of creating fills: value: over mirror row c, an empty text of which is no value; condition: when it is kept exactly; written: what the INSERT makes of column v_… of row n';

/* Both statements; null: there is only the long way. */
CREATE FUNCTION qbsync.create_statements(mapping_id integer, closed text[], OUT create_rows text, OUT insert_created text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	e record;
	them record;
	columns record;
	crm_base text;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = create_statements.mapping_id;
	SELECT * INTO STRICT e FROM qbsync.catalogue k WHERE k.entity = m.entity;
	-- documents have lines and facts; defaults are not the mirror's
	IF e.transaction OR m.line_view IS NOT NULL OR m.defaults <> '{}' OR NOT qbsync.inserts_plainly(m.mapping_id) THEN
		RETURN;
	END IF;
	SELECT bool_and(c.exact) AS exact, string_agg(format('%s AS %I', c.value, 'v_' || c.name), ', ' ORDER BY c.name) FILTER (WHERE NOT c.is_closed) AS values,
		coalesce(string_agg(' AND ' || c.condition, ''), '') AS conditions,
		string_agg(format('%I', c.name), ', ' ORDER BY c.name) AS names, string_agg(c.written, ', ' ORDER BY c.name) AS written
	INTO columns
	FROM qbsync.create_columns(m.mapping_id, create_statements.closed) c;
	IF columns.exact IS NOT TRUE OR columns.values IS NULL THEN
		RETURN;
	END IF;
	them := qbsync.their_row(m.mapping_id, 'c', false);
	-- what may not come in is agreed to be empty there, if there is something
	SELECT CASE count(*) WHEN 0 THEN 'NULL::jsonb'
		WHEN 1 THEN min(format(CASE WHEN c.type = 'boolean' AND c.theirs = format('c.%I', c.name) THEN 'CASE WHEN %2$s IS NOT NULL THEN %3$L::jsonb END'
			ELSE 'CASE WHEN qbsync.canonical(%1$L, %2$s) ? %1$L THEN %3$L::jsonb END' END, c.name, c.theirs, jsonb_build_object(c.name, NULL)))
		ELSE format('(SELECT jsonb_object_agg(k.k, NULL) FROM (SELECT %s AS theirs OFFSET 0) t CROSS JOIN unnest(%L::text[]) k(k) WHERE t.theirs ? k.k)',
			them.value, create_statements.closed) END
	INTO crm_base
	FROM (SELECT k.name, k.type, qbsync.their_expression(m.mapping_id, 'c', k.name, k.role, k.type, k.is_array, k.ref_entity, k.ref_column) AS theirs
		  FROM qbsync.mapping_columns(m.mapping_id) k WHERE k.name = ANY (create_statements.closed)) c;
	-- the verdicts are those of decide_statement(), and what most records pass is asked first; NOT IN: one hashed set, whatever a planner without statistics thinks
	create_statements.create_rows := format($sql$
		SELECT c.id, k.action, %1$s AS name, %2$s AS theirs, %3$s AS crm_base, %4$s
		FROM qbsync.%5$I c CROSS JOIN (SELECT NULL::text AS kind) d
		CROSS JOIN LATERAL (SELECT CASE WHEN c.deleted_at IS NOT NULL OR NOT (%7$s) OR NOT (%8$s) THEN 'ignore' ELSE %10$s END AS action) k
		WHERE c.connection_id = %6$s AND c.id >= $1 AND c.id <= $2 AND c.id <> ALL ($3)
		  AND (cardinality(%9$s) = 0%11$s OR k.action NOT LIKE 'create:%%')
		  AND c.id NOT IN (SELECT l.id FROM qbsync.link l WHERE l.connection_id = %6$s AND l.entity = %5$L AND l.id >= $1 AND l.id <= $2 AND l.family = %12$s)
		  AND c.id NOT IN (SELECT o.id FROM qbsync.decision o WHERE o.mapping_id = %13$s AND o.undone_at IS NULL AND o.id >= $1 AND o.id <= $2)
		ORDER BY c.id
		$sql$,
		qbsync.match_name(m.entity, NULL), them.value,
		crm_base,
		columns.values, m.entity, m.connection_id, CASE WHEN e.name_list THEN 'c.active IS NOT FALSE' ELSE 'true' END,
		qbsync.kind_condition(m.mapping_id), them.waits_for, qbsync.unmatched_action(m.mapping_id), columns.conditions,
		m.family, m.mapping_id);
	create_statements.insert_created := format('INSERT INTO %s AS v (%s) SELECT %s FROM qbsync_created n RETURNING %s AS crm_key',
		qbsync.qualified(m.view), columns.names, columns.written, qbsync.crm_key_expression(m.mapping_id, 'v'));
END
$fn$;
COMMENT ON FUNCTION qbsync.create_statements(integer, text[]) IS 'Statements of the short way of creating: create_rows (owner; $1, $2 first and last id, $3 ids to leave out; action: create, review or ignore, with a colon and the reason behind), insert_created (role; reads those to create from the tuplestore qbsync_created, returns crm_key in its order); null when values might not be kept as they are';
