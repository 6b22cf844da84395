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

/* A trigger on a partitioned table reaches its partitions, one on a table that others inherit from does not reach those. */
CREATE FUNCTION qbsync.captures_wanted(mapping_id integer)
RETURNS SETOF qbsync.wanted_trigger
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH RECURSIVE tables AS (
		SELECT w.watch_id, w.relation::oid AS relation
		FROM qbsync.mapping m
		JOIN qbsync.watch w ON w.mapping_id = m.mapping_id
		WHERE m.mapping_id = captures_wanted.mapping_id AND m.state = 'enabled' AND qbsync.may_send(m.mapping_id)
		UNION
		SELECT t.watch_id, i.inhrelid
		FROM tables t
		JOIN pg_inherits i ON i.inhparent = t.relation
		JOIN pg_class p ON p.oid = t.relation AND p.relkind <> 'p'
	)
	SELECT t.relation::regclass, format('qbsync_capture_%s_%s', captures_wanted.mapping_id, t.watch_id)::name,
		'AFTER INSERT OR DELETE OR UPDATE ON %s FOR EACH ROW', 'capture_change', qbsync.capture_arguments(t.watch_id, t.relation)
	FROM tables t
	JOIN pg_class c ON c.oid = t.relation AND c.relkind IN ('r', 'p', 'f');
$fn$;
COMMENT ON FUNCTION qbsync.captures_wanted(integer) IS 'Capture triggers that a mapping should have: none unless it is enabled and something may go out';
