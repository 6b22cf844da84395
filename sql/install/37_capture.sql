/*
 * Capture: triggers that note in qbsync.capture which records of the CRM may have changed, for what goes out (X-1, X-3, KAR-2,
 * CAP-1).  What they do is in src/outbound/capture.c; here is which tables get them.
 *
 * Every table of the watch list of an enabled mapping gets one when anything of the mapping may go out.  A disabled mapping
 * needs none: enabling it again looks at every record.
 */

CREATE FUNCTION qbsync.capture_change()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'qbsync_capture_change';
COMMENT ON FUNCTION qbsync.capture_change() IS 'Trigger: notes in qbsync.capture which record has to be looked at; its arguments say all it needs to know, see qbsync.capture_arguments';

/*
 * Whatever a trigger needs, so that it reads no table when it fires: watch; mapping, if a row belongs to its own record only (by
 * a query it leads to others, too); table; columns, each with number and name.  How they are read is in capture_watch.c.  A
 * column that was renamed keeps the number it has in the trigger that is there.
 */
CREATE FUNCTION qbsync.capture_arguments(watch_id integer, relation oid)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH there AS (
		SELECT '\x00'::bytea || t.tgargs AS arguments
		FROM pg_trigger t
		WHERE t.tgrelid = capture_arguments.relation AND t.tgfoid = 'qbsync.capture_change()'::regprocedure
		  AND t.tgname LIKE format('qbsync\_capture\_%%\_%s', capture_arguments.watch_id)
		  AND position(convert_to(format('%s', capture_arguments.relation), getdatabaseencoding()) || '\x00' IN t.tgargs) > 0
	)
	SELECT ARRAY[w.watch_id::text, CASE WHEN w.key_query IS NULL THEN w.mapping_id ELSE 0 END::text, capture_arguments.relation::text]
		|| ARRAY(SELECT format('%s %s %s', k.kind, coalesce(a.attnum, r.attnum, 0), k.name)
				 FROM (SELECT 1, 'key', u.* FROM unnest(w.key_columns) WITH ORDINALITY u
					   UNION ALL SELECT 2, 'column', u.* FROM unnest(w.columns) WITH ORDINALITY u) k(part, kind, name, position)
				 LEFT JOIN pg_attribute a ON a.attrelid = capture_arguments.relation AND a.attname = k.name AND a.attnum > 0
				 LEFT JOIN LATERAL (
					 SELECT b.attnum
					 FROM pg_attribute b CROSS JOIN there t
					 WHERE a.attnum IS NULL AND b.attrelid = capture_arguments.relation AND b.attnum > 0 AND NOT b.attisdropped
					   AND position('\x00'::bytea || convert_to(format('%s %s %s', k.kind, b.attnum, k.name), getdatabaseencoding()) || '\x00' IN t.arguments) > 0
					 LIMIT 1) r ON true
				 ORDER BY k.part, k.position)
	FROM qbsync.watch w WHERE w.watch_id = capture_arguments.watch_id;
$fn$;
COMMENT ON FUNCTION qbsync.capture_arguments(integer, oid) IS 'Arguments of a capture trigger on a table (or one that inherits from it)';

/*
 * Tables are known by their names first: one that was dropped and made again is watched, too.  A trigger on a partitioned table
 * reaches its partitions, one on a table that others inherit from does not reach those.
 */
CREATE FUNCTION qbsync.captured_tables(mapping_id integer)
RETURNS TABLE (watch_id integer, relation oid)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH RECURSIVE tables AS (
		SELECT w.watch_id, qbsync.current_relation(w.relation, w.relation_name)::oid AS relation
		FROM qbsync.mapping m
		JOIN qbsync.watch w ON w.mapping_id = m.mapping_id
		WHERE m.mapping_id = captured_tables.mapping_id AND m.state = 'enabled' AND qbsync.may_send(m.mapping_id)
		UNION
		SELECT t.watch_id, i.inhrelid
		FROM tables t
		JOIN pg_inherits i ON i.inhparent = t.relation
		JOIN pg_class p ON p.oid = t.relation AND p.relkind <> 'p'
	)
	SELECT t.watch_id, t.relation FROM tables t JOIN pg_class c ON c.oid = t.relation AND c.relkind IN ('r', 'p', 'f');
$fn$;
COMMENT ON FUNCTION qbsync.captured_tables(integer) IS 'Tables of whose changes a mapping has to hear, as they are now: none unless it is enabled and something may go out';

CREATE FUNCTION qbsync.captures_wanted(mapping_id integer)
RETURNS SETOF qbsync.wanted_trigger
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT t.relation::regclass, format('qbsync_capture_%s_%s', captures_wanted.mapping_id, t.watch_id)::name,
		'AFTER INSERT OR DELETE OR UPDATE ON %s FOR EACH ROW', 'capture_change', qbsync.capture_arguments(t.watch_id, t.relation)
	FROM qbsync.captured_tables(captures_wanted.mapping_id) t;
$fn$;
COMMENT ON FUNCTION qbsync.captures_wanted(integer) IS 'Capture triggers that a mapping should have: none unless it is enabled and something may go out';

/* ALTER TABLE … DISABLE TRIGGER, and pg_restore --disable-triggers that was cut off, leave triggers that do nothing. */
CREATE FUNCTION qbsync.trigger_fires(relation oid, trigger_name name)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(bool_and(t.tgenabled IN ('O', 'A')), false)
	FROM pg_trigger t
	WHERE t.tgname = trigger_fires.trigger_name
	  AND (t.tgrelid = trigger_fires.relation OR t.tgrelid IN (SELECT p.relid FROM pg_partition_tree(trigger_fires.relation) p));
$fn$;
COMMENT ON FUNCTION qbsync.trigger_fires(oid, name) IS 'Is there a trigger of that name on a table, enabled there and on its partitions?';

/*
 * What is changed in a table without a trigger that fires is not noticed before the scan of the night.  Only the table's owner may
 * put that right: a trigger that qbsync made for him, with a superuser's rights, would be more than he has agreed to.  So it is said,
 * as long as it is so (qbsync.mapping_status), and qbsync_enable, called by him, makes the triggers and has all records compared.
 */
CREATE FUNCTION qbsync.lost_watches(mapping_id integer)
RETURNS TABLE (table_name text, loss text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.qualified(t.relation::regclass), CASE WHEN EXISTS (
			SELECT FROM pg_trigger g
			WHERE g.tgrelid = t.relation AND g.tgname = format('qbsync_capture_%s_%s', lost_watches.mapping_id, t.watch_id)::name)
		THEN 'disabled' ELSE 'missing' END
	FROM qbsync.captured_tables(lost_watches.mapping_id) t
	WHERE NOT qbsync.trigger_fires(t.relation, format('qbsync_capture_%s_%s', lost_watches.mapping_id, t.watch_id)::name)
	ORDER BY 1;
$fn$;
COMMENT ON FUNCTION qbsync.lost_watches(integer) IS 'Tables whose changes a mapping does not hear of, and why: its trigger is missing (a table that was made anew has none), or disabled. SECURITY DEFINER: qbsync.mapping_status calls it for readers, who may not read qbsync.watch';

INSERT INTO qbsync.problem (code, needs_person, meaning, remedy) VALUES
	('watch_lost', true, 'A table of the watch list has no trigger that fires: it was dropped and made again, or the trigger was dropped or disabled. What changes there is not noticed before all records are compared at night; everything else goes on.', 'Call as the owner of the table: SELECT qbsync_enable(mapping => …). It makes the triggers, and has all records compared at once.');
