/*
 * Guards: triggers on the CRM's tables for companies that want linked records locked (lock_linked; CEN-11, CEN-39, X-19,
 * Q-4) or kept from being deleted (on_crm_delete = block; CEN-41, X-13).  What they do is in src/crm/guard.c; here is
 * which tables get them, and which columns count.
 *
 * A watched table without a query of its own is one of two things.  A main table has a row for each record: changing,
 * deleting or truncating it is guarded.  Any other has parts of records, such as e-mail addresses: a part that comes, goes
 * or changes is a change of its record.  Apply workers are never hindered, new records never either.
 */

CREATE FUNCTION qbsync.in_apply_worker()
RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'qbsync_in_apply_worker';
COMMENT ON FUNCTION qbsync.in_apply_worker() IS 'Is this session one of qbsync''s apply workers? No setting makes it one';

CREATE FUNCTION qbsync.guard_update()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'qbsync_guard_update';
COMMENT ON FUNCTION qbsync.guard_update() IS 'Trigger: warns of or refuses changes of linked records (policy lock_linked); its argument is the mapping''s number';

CREATE FUNCTION qbsync.guard_delete()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'qbsync_guard_delete';
COMMENT ON FUNCTION qbsync.guard_delete() IS 'Trigger: refuses to delete linked records (policy on_crm_delete = block); its argument is the mapping''s number';

/* A main table: the view's key is its own, or the key's columns are unique in it. */
CREATE FUNCTION qbsync.is_main_table(mapping_id integer, relation regclass)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT EXISTS (
		SELECT FROM qbsync.mapping m CROSS JOIN LATERAL qbsync.view_columns(m.view) v
		WHERE m.mapping_id = is_main_table.mapping_id AND v.relation = is_main_table.relation AND v.column_name::text = ANY (m.key_columns)
	) OR EXISTS (
		SELECT FROM qbsync.watch w
		JOIN pg_index i ON i.indrelid = w.relation AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
		WHERE w.mapping_id = is_main_table.mapping_id AND w.relation = is_main_table.relation AND w.key_query IS NULL
		  AND ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1]))
			<@ w.key_columns);
$fn$;
COMMENT ON FUNCTION qbsync.is_main_table(integer, regclass) IS 'Is a row of this watched table a record of the mapping (and not a part of one)?';

CREATE FUNCTION qbsync.views_below(view regclass)
RETURNS oid[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH RECURSIVE tree AS (
		SELECT views_below.view::oid AS view
		UNION
		SELECT d.refobjid
		FROM tree t
		JOIN pg_rewrite r ON r.ev_class = t.view
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
		JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'v'
	)
	SELECT array_agg(t.view) FROM tree t;
$fn$;
COMMENT ON FUNCTION qbsync.views_below(regclass) IS 'A view and the views it stands on';

CREATE FUNCTION qbsync.guard_rules(mapping_id integer, relations oid[],
	OUT name text, OUT lock_linked text, OUT blocks_delete boolean, OUT main boolean, OUT relation oid, OUT exempt text[], OUT key_columns text[],
	OUT sources oid[])
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT m.name, e.policy ->> 'lock_linked', e.policy ->> 'on_crm_delete' = 'block', qbsync.is_main_table(m.mapping_id, w.relation),
		w.relation::oid, string_to_array(e.policy ->> 'lock_exempt', ','), w.key_columns, qbsync.views_below(m.view) || w.relation::oid
	FROM qbsync.mapping m
	JOIN qbsync.watch w ON w.mapping_id = m.mapping_id AND w.relation::oid = ANY (guard_rules.relations) AND w.key_query IS NULL
	CROSS JOIN LATERAL (SELECT qbsync.effective_policies(m.mapping_id) AS policy OFFSET 0) e
	WHERE m.mapping_id = guard_rules.mapping_id AND m.state <> 'disabled'
	LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.guard_rules(integer, oid[]) IS 'What a guard needs to know of its mapping, for a table given with the tables it is a partition of; no row: nothing is guarded';

/*
 * The columns of a table that a change of counts for: those the watch names; with direction = pull all; otherwise those
 * the view reads, generated columns by what they are made from.  A column that only tells when a record was changed never
 * counts, nor do the CRM's own (extra) ones: whoever saves a record unchanged changes the one, and the others are the CRM's.
 */
CREATE FUNCTION qbsync.guard_columns(mapping_id integer, relation oid, OUT every_column boolean, OUT columns text[])
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH m AS (
		SELECT k.*, w.columns AS watched, w.key_columns AS watched_key,
			qbsync.effective_policies(k.mapping_id) ->> 'direction' = 'pull' AS pull
		FROM qbsync.mapping k JOIN qbsync.watch w ON w.mapping_id = k.mapping_id AND w.relation::oid = guard_columns.relation
		WHERE k.mapping_id = guard_columns.mapping_id
	), source AS (				-- of columns that are a table's column as it is
		SELECT v.base_column, bool_or(v.column_name::text = ANY (m.columns || m.key_columns) AND v.column_name <> 'last_updated_time') AS counts
		FROM m CROSS JOIN LATERAL qbsync.view_columns(m.view) v
		WHERE v.relation::oid = guard_columns.relation
		GROUP BY 1
	), read AS (				-- 0: the row as a whole
		SELECT DISTINCT d.refobjsubid AS attnum
		FROM m
		JOIN pg_rewrite r ON r.ev_class = ANY (qbsync.views_below(m.view))
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
			AND d.refobjid = guard_columns.relation
	), counting AS (
		SELECT a.attnum, a.attname::text AS name
		FROM pg_attribute a CROSS JOIN m LEFT JOIN source s ON s.base_column = a.attname
		WHERE a.attrelid = guard_columns.relation AND a.attnum > 0 AND NOT a.attisdropped
		  AND (m.pull OR a.attnum IN (SELECT r.attnum FROM read r) OR NOT EXISTS (SELECT FROM read r WHERE r.attnum > 0))
		  AND CASE WHEN s.base_column IS NOT NULL AND NOT s.counts THEN m.pull AND NOT EXISTS (
					SELECT FROM qbsync.view_columns(m.view) v
					WHERE v.relation::oid = guard_columns.relation AND v.base_column = a.attname AND v.column_name = 'last_updated_time')
				-- computed from several times of change
				WHEN s.base_column IS NULL AND 'last_updated_time' = ANY (m.columns) THEN a.atttypid NOT IN ('timestamp'::regtype, 'timestamptz'::regtype)
				ELSE true END
	)
	SELECT m.pull AND NOT 'last_updated_time' = ANY (m.columns), CASE
		WHEN m.pull OR m.watched IS NULL THEN ARRAY(
			SELECT c.name FROM counting c
			UNION
			SELECT b.attname::text
			FROM counting c
			JOIN pg_attrdef f ON f.adrelid = guard_columns.relation AND f.adnum = c.attnum
			JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = guard_columns.relation AND d.refobjsubid > 0
				AND (d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
					 OR d.classid = 'pg_class'::regclass AND d.objid = guard_columns.relation AND d.objsubid = c.attnum)
			JOIN pg_attribute b ON b.attrelid = d.refobjid AND b.attnum = d.refobjsubid)
		ELSE m.watched || m.watched_key END
	FROM m;
$fn$;
COMMENT ON FUNCTION qbsync.guard_columns(integer, oid) IS 'Columns of a watched table that a locked record may not be changed in';

/* Guards a mapping should have.  A disabled one keeps them: they let everything pass. */
CREATE FUNCTION qbsync.guards_wanted(mapping_id integer)
RETURNS SETOF qbsync.wanted_trigger
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT w.relation, format('qbsync_guard_%s_%s', m.mapping_id, g.part)::name, g.event, g.function_name, ARRAY[m.mapping_id::text]
	FROM qbsync.mapping m
	JOIN qbsync.watch w ON w.mapping_id = m.mapping_id AND w.key_query IS NULL
	JOIN pg_class c ON c.oid = w.relation AND c.relkind IN ('r', 'p', 'f')
	CROSS JOIN LATERAL (
		SELECT qbsync.is_main_table(m.mapping_id, w.relation) AS main, e.policy ->> 'lock_linked' <> 'off' AS locks, e.policy ->> 'on_crm_delete' = 'block' AS blocks
		FROM (SELECT qbsync.effective_policies(m.mapping_id) AS policy OFFSET 0) e) p
	CROSS JOIN LATERAL (VALUES
		('update', 'BEFORE UPDATE ON %s FOR EACH ROW', 'guard_update', p.main AND (p.locks OR p.blocks)),
		('delete', 'BEFORE DELETE ON %s FOR EACH ROW', 'guard_delete', p.main AND p.blocks),
		('truncate', 'BEFORE TRUNCATE ON %s FOR EACH STATEMENT', 'guard_delete', p.main AND p.blocks AND c.relkind <> 'f'),
		('part', 'BEFORE INSERT OR DELETE OR UPDATE ON %s FOR EACH ROW', 'guard_update', NOT p.main AND p.locks)
	) AS g(part, event, function_name, counts)
	WHERE m.mapping_id = guards_wanted.mapping_id AND g.counts;
$fn$;
COMMENT ON FUNCTION qbsync.guards_wanted(integer) IS 'Guards that a mapping''s policies ask for';
