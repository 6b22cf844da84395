/*
 * Everything that makes up the extension, as one JSON object: what it is → how it is defined.  Two installations are the same if
 * these are.  The test compares an installation that was updated with a fresh one.
 *
 * What may differ is left out: oids, what the server notes of a column for itself (options pg_…), and the place of columns in
 * tables, as a column that is added comes last.  The functions qbsync.…_as_of list columns in the order of their table, so their
 * words are compared whatever their order.
 */
SET search_path = pg_catalog;
WITH extension AS (
	SELECT * FROM pg_extension WHERE extname = 'qbsync'
), member AS (
	SELECT d.classid, d.objid FROM pg_depend d JOIN extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid WHERE d.deptype = 'e'
), relation AS (
	SELECT c.*, c.oid::regclass::text AS name FROM pg_class c
	WHERE c.oid IN (SELECT objid FROM member WHERE classid = 'pg_class'::regclass)
		OR c.oid IN (SELECT t.typrelid FROM pg_type t JOIN member m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid)
), fact (what, definition) AS (
	-- every member, whatever it is
	SELECT 'member ' || pg_describe_object(classid, objid, 0), '' FROM member
	UNION ALL
	SELECT 'extension ' || k, d FROM extension e, LATERAL (VALUES
		('version', e.extversion), ('owner', e.extowner::regrole::text), ('schema', e.extnamespace::regnamespace::text), ('relocatable', e.extrelocatable::text)) f(k, d)
	UNION ALL
	-- what pg_dump is to carry; a table that is gone leaves its number behind, which nobody minds
	SELECT 'dumped ' || c.oid::regclass::text, k.condition FROM extension e, unnest(e.extconfig, e.extcondition) k(config, condition) JOIN pg_class c ON c.oid = k.config
	UNION ALL
	SELECT 'schema ' || n.nspname, concat_ws(' ', n.nspowner::regrole, (SELECT array_agg(x::text ORDER BY x::text) FROM aclexplode(n.nspacl) x), obj_description(n.oid))
	FROM pg_namespace n JOIN member m ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
	UNION ALL
	SELECT 'function ' || p.oid::regprocedure, concat_ws(' ',
		CASE WHEN p.proname LIKE '%\_as\_of' AND p.prosqlbody IS NOT NULL
			THEN (SELECT string_agg(w, ' ' ORDER BY w) FROM regexp_split_to_table(pg_get_functiondef(p.oid), '[\s,;()]+') w)
			WHEN p.prokind = 'a' THEN (SELECT concat_ws(' ', g.aggtransfn, g.aggfinalfn, g.aggtranstype::regtype, g.agginitval, p.proparallel) FROM pg_aggregate g WHERE g.aggfnoid = p.oid)
			ELSE pg_get_functiondef(p.oid) END,
		p.proowner::regrole, (SELECT array_agg(x::text ORDER BY x::text) FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x), obj_description(p.oid, 'pg_proc'))
	FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
	UNION ALL
	SELECT 'relation ' || r.name, concat_ws(' ', r.relkind, r.relowner::regrole, r.relpersistence, r.relreplident, r.relrowsecurity, r.relforcerowsecurity, r.reloptions, am.amname,
		(SELECT array_agg(x::text ORDER BY x::text) FROM aclexplode(coalesce(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner))) x), obj_description(r.oid, 'pg_class'),
		CASE WHEN r.relkind = 'v' THEN pg_get_viewdef(r.oid) END)
	FROM relation r LEFT JOIN pg_am am ON am.oid = r.relam
	UNION ALL
	SELECT format('column %s.%I', r.name, a.attname), concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation::regcollation,
		a.attstorage, a.attcompression, ARRAY(SELECT o FROM unnest(a.attoptions) o WHERE o !~ '^pg_'), pg_get_expr(d.adbin, d.adrelid), (SELECT array_agg(x::text ORDER BY x::text) FROM aclexplode(a.attacl) x), col_description(r.oid, a.attnum))
	FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
	UNION ALL
	SELECT 'sequence ' || r.name, concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
	FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
	UNION ALL
	SELECT format('constraint %I on %s', k.conname, r.name), concat_ws(' ', pg_get_constraintdef(k.oid), k.convalidated, obj_description(k.oid, 'pg_constraint'))
	FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid
	UNION ALL
	SELECT 'index ' || i.indexrelid::regclass, concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, obj_description(i.indexrelid, 'pg_class'))
	FROM relation r JOIN pg_index i ON i.indrelid = r.oid
	UNION ALL
	SELECT format('trigger %I on %s', t.tgname, r.name), concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger'))
	FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
	UNION ALL
	SELECT format('rule %I on %s', u.rulename, r.name), pg_get_ruledef(u.oid) FROM relation r JOIN pg_rewrite u ON u.ev_class = r.oid AND u.rulename <> '_RETURN'
	UNION ALL
	SELECT format('policy %I on %s', o.polname, r.name), concat_ws(' ', o.polcmd, o.polpermissive, o.polroles::regrole[], pg_get_expr(o.polqual, o.polrelid), pg_get_expr(o.polwithcheck, o.polrelid),
		obj_description(o.oid, 'pg_policy'))
	FROM relation r JOIN pg_policy o ON o.polrelid = r.oid
	UNION ALL
	SELECT 'statistics ' || pg_get_statisticsobjdef(s.oid), '' FROM relation r JOIN pg_statistic_ext s ON s.stxrelid = r.oid
	UNION ALL
	SELECT 'type ' || t.oid::regtype, concat_ws(' ', t.typtype, t.typowner::regrole, (SELECT array_agg(x::text ORDER BY x::text) FROM aclexplode(t.typacl) x), obj_description(t.oid, 'pg_type'))
	FROM pg_type t WHERE t.oid IN (SELECT objid FROM member WHERE classid = 'pg_type'::regclass) OR t.typrelid IN (SELECT oid FROM relation)
	UNION ALL
	-- rights that pg_dump takes as the extension's own
	SELECT 'initial rights of ' || pg_describe_object(i.classoid, i.objoid, i.objsubid), (SELECT array_agg(x::text ORDER BY x::text) FROM aclexplode(i.initprivs) x)::text
	FROM pg_init_privs i JOIN member m ON m.classid = i.classoid AND m.objid = i.objoid
)
SELECT jsonb_object_agg(what, definition) FROM fact;
