/*
 * From the model of qbsync_map_suggest (35_suggest_model.sql) to SQL: the view and the triggers that write through it.
 * Every identifier and literal is quoted here; text for people goes through qbsync.as_comment().
 */

/* Lines of a comment: names may hold line ends, which would end it. */
CREATE FUNCTION qbsync.as_comment(line text, mark text DEFAULT '-- ')
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT mark || regexp_replace(as_comment.line, '[[:cntrl:]]+', ' ', 'g');
$fn$;
COMMENT ON FUNCTION qbsync.as_comment(text, text) IS 'A text as one line of an SQL comment, whatever is in it';

/* A body between dollar quotes that nothing in it can close. */
CREATE FUNCTION qbsync.dollar_quoted(body text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT t.tag || E'\n' || dollar_quoted.body || E'\n' || t.tag
	FROM (SELECT '$qbsync' || CASE n WHEN 0 THEN '' ELSE n::text END || '$' AS tag, n FROM generate_series(0, 1000) n) t
	WHERE strpos(dollar_quoted.body, t.tag) = 0
	ORDER BY t.n LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.dollar_quoted(text) IS 'A function''s body in dollar quotes that do not occur in it';

/* A name with a suffix, cut so that the suffix fits into the 63 bytes of an identifier. */
CREATE FUNCTION qbsync.suffixed_name(name text, suffix text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT left(suffixed_name.name, n) || suffixed_name.suffix
	FROM generate_series(length(suffixed_name.name), 0, -1) n
	WHERE octet_length(left(suffixed_name.name, n) || suffixed_name.suffix) <= 63
	ORDER BY n DESC LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.suffixed_name(text, text) IS 'An identifier made of a name and a suffix, never cut at its end';

/* "c.id" of all key columns of a slot's table, and the condition that finds the row again. */
CREATE FUNCTION qbsync.slot_keys(slot jsonb)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT string_agg(format('c.%I', k.k), ', ' ORDER BY k.n) FROM jsonb_array_elements_text(slot_keys.slot #> '{facts,keys}') WITH ORDINALITY k(k, n);
$fn$;
COMMENT ON FUNCTION qbsync.slot_keys(jsonb) IS 'Select list of the key of a child table in a suggested trigger';

CREATE FUNCTION qbsync.slot_found(slot jsonb, variable text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT string_agg(format('c.%I = %s.%I', k.k, slot_found.variable, k.k), ' AND ' ORDER BY k.n)
	FROM jsonb_array_elements_text(slot_found.slot #> '{facts,keys}') WITH ORDINALITY k(k, n);
$fn$;
COMMENT ON FUNCTION qbsync.slot_found(jsonb, text) IS 'Condition that finds the row a variable holds the key of, in a suggested trigger';

/* FROM to LIMIT of the rows of a slot; owner: r or person in the view, NEW or person in triggers. */
CREATE FUNCTION qbsync.slot_choice(slot jsonb, owner text, one boolean DEFAULT true, further text DEFAULT NULL, separator text DEFAULT ' ')
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format('FROM %s c%sWHERE %s', slot #>> '{facts,table}', slot_choice.separator, qbsync.suggest_link(slot -> 'fk', 'c', slot_choice.owner))
		|| coalesce(slot_choice.separator || 'AND (' || CASE slot_choice.owner WHEN 'r' THEN slot ->> 'where' ELSE slot ->> 'where_write' END || ')', '')
		|| coalesce(' AND ' || slot_choice.further, '')
		|| slot_choice.separator || 'ORDER BY ' || CASE WHEN slot ? 'explicit' THEN format('c.%I = %s DESC NULLS LAST, ', slot #>> '{facts,keys,0}',
			CASE slot_choice.owner WHEN 'r' THEN 'r.' || quote_ident(slot ->> 'explicit') ELSE slot ->> 'explicit_write' END) ELSE '' END || (slot ->> 'order')
		|| CASE WHEN slot_choice.one THEN ' LIMIT 1' ELSE '' END;
$fn$;
COMMENT ON FUNCTION qbsync.slot_choice(jsonb, text, boolean, text, text) IS 'FROM clause of the rows that a slot of a suggested view is about';

/* Select list entries of the view, one a line. */
CREATE FUNCTION qbsync.suggest_select(model jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH entry AS (
		SELECT 1 AS part, k.n, k.k AS name, format('r.%I', k.k) AS expression, k.k AS plain
		FROM jsonb_array_elements_text(model -> 'keys') WITH ORDINALITY k(k, n)
		UNION ALL
		SELECT 2, c.n, c.c ->> 'view', c.c ->> 'expression', NULL FROM jsonb_array_elements(model -> 'computed') WITH ORDINALITY c(c, n)
		UNION ALL
		SELECT CASE WHEN c.c ->> 'view' = 'last_updated_time' THEN 9 ELSE 2 END, c.n, c.c ->> 'view',
			CASE WHEN c.c ->> 'view' = 'emails' AND model ->> 'more_emails' IS NOT NULL
				THEN format('array_remove(ARRAY[%s], NULL)', (SELECT string_agg(format('r.%I::text', e.e), ', ' ORDER BY e.n)
					FROM jsonb_array_elements_text(jsonb_build_array(c.c -> 'source') || (model -> 'more_emails')) WITH ORDINALITY e(e, n)))
				ELSE format('r.%I', c.c ->> 'source') END, CASE WHEN c.c ->> 'view' <> 'emails' OR model ->> 'more_emails' IS NULL THEN c.c ->> 'source' END
		FROM jsonb_array_elements(model -> 'columns') WITH ORDINALITY c(c, n)
		UNION ALL
		SELECT 2, c.n, c.c ->> 'view',
			CASE WHEN s ->> 'class' = 'emails' THEN format('ARRAY(SELECT c.%I::text %s)', c.c ->> 'source',
					qbsync.slot_choice(s, s ->> 'owner', false, CASE WHEN (c.c ->> 'nullable')::boolean THEN format('c.%I IS NOT NULL', c.c ->> 'source') END))
				WHEN s ->> 'class' IN ('person', 'bill', 'ship') THEN format('%s.%I', s ->> 'class', c.c ->> 'source')
				ELSE format('(SELECT c.%I %s)', c.c ->> 'source', qbsync.slot_choice(s, s ->> 'owner')) END,
			CASE WHEN s ->> 'class' IN ('person', 'bill', 'ship') THEN c.c ->> 'source' END
		FROM jsonb_array_elements(model -> 'slots') s, jsonb_array_elements(s -> 'columns') WITH ORDINALITY c(c, n)
		UNION ALL
		SELECT 8, e.n, e.e, format('r.%I', e.e), e.e FROM jsonb_array_elements_text(coalesce(model -> 'extra', '[]')) WITH ORDINALITY e(e, n)
	)
	SELECT string_agg(E'\t' || e.expression || CASE WHEN e.plain IS NOT DISTINCT FROM e.name THEN '' ELSE format(' AS %I', e.name) END, E',\n'
					  ORDER BY e.part, k.ordinal, e.n)
	FROM entry e
	LEFT JOIN qbsync.catalogue_column k ON e.part = 2 AND k."table" = model ->> 'entity' AND k."column" IN (e.name, regexp_replace(e.name, '_key$', '_id'));
$fn$;
COMMENT ON FUNCTION qbsync.suggest_select(jsonb) IS 'Select list of a suggested view';

CREATE FUNCTION qbsync.suggest_view_text(model jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format(E'CREATE VIEW %I.%I WITH (security_invoker = true) AS\nSELECT\n%s\nFROM %s r', model ->> 'schema', model ->> 'view', qbsync.suggest_select(model), model ->> 'table')
		|| coalesce((SELECT string_agg(format(E'\nLEFT JOIN LATERAL (\n\tSELECT %s\n\t%s\n) %s ON true', columns.list, qbsync.slot_choice(s.s, s.s ->> 'owner', separator => E'\n\t'), s.s ->> 'class'), '' ORDER BY s.n)
			FROM jsonb_array_elements(model -> 'slots') WITH ORDINALITY s(s, n),
				LATERAL (SELECT string_agg(DISTINCT format('c.%I', u.u), ', ') AS list
						 FROM (SELECT c ->> 'source' AS u FROM jsonb_array_elements(s.s -> 'columns') c
							   UNION ALL SELECT k FROM jsonb_array_elements_text(s.s #> '{facts,keys}') k WHERE s.s ->> 'class' = 'person') u) columns
			WHERE s.s ->> 'class' IN ('person', 'bill', 'ship')), '')
		|| coalesce(E'\nWHERE ' || (model ->> 'where'), '') || ';';
$fn$;
COMMENT ON FUNCTION qbsync.suggest_view_text(jsonb) IS 'CREATE VIEW of a suggestion';

/* What is written to a column: never null where that is not allowed. */
CREATE FUNCTION qbsync.suggest_value(col jsonb, inserting boolean)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN (col ->> 'not_null')::boolean AND suggest_value.inserting AND col ? 'default' THEN format('coalesce(%s, %s)', v.value, col ->> 'default')
		WHEN (col ->> 'not_null')::boolean AND (col ->> 'text')::boolean AND col ->> 'view' NOT IN ('display_name', 'name') THEN format('coalesce(%s, '''')', v.value)
		ELSE v.value END
	FROM (SELECT coalesce(col ->> 'new', format('NEW.%I', col ->> 'view')) AS value) v;
$fn$;
COMMENT ON FUNCTION qbsync.suggest_value(jsonb, boolean) IS 'Expression of a column''s new value in a suggested trigger';

/* "(NEW.a, NEW.b) IS DISTINCT FROM (OLD.a, OLD.b)"; types of extensions are compared as text, citext would not see a change of case. */
CREATE FUNCTION qbsync.suggest_changed(columns jsonb)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format(CASE count(*) WHEN 1 THEN '%s IS DISTINCT FROM %s' ELSE '(%s) IS DISTINCT FROM (%s)' END, string_agg('NEW.' || l.name, ', ' ORDER BY l.n), string_agg('OLD.' || l.name, ', ' ORDER BY l.n))
	FROM (SELECT format('%I%s', c.c ->> 'view', CASE WHEN strpos(c.c ->> 'type', '.') > 0 AND (c.c ->> 'text')::boolean THEN '::text' ELSE '' END) AS name, min(c.n) AS n
		  FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n) GROUP BY 1) l;
$fn$;
COMMENT ON FUNCTION qbsync.suggest_changed(jsonb) IS 'Condition of a suggested trigger that one of several columns changed';

/* What counts as given: a value that is not null and, of text, not empty. */
CREATE FUNCTION qbsync.suggest_given(columns jsonb)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT 'num_nonnulls(' || string_agg(CASE WHEN (c.c ->> 'list')::boolean THEN format('nullif(NEW.%I, %L)', c.c ->> 'view', '{}')
			WHEN (c.c ->> 'text')::boolean THEN format('nullif(NEW.%I, %L)', c.c ->> 'view', '') ELSE format('NEW.%I', c.c ->> 'view') END, ', ' ORDER BY c.n) || ')'
	FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n);
$fn$;
COMMENT ON FUNCTION qbsync.suggest_given(jsonb) IS 'How many of several columns have a value, as an expression of a suggested trigger';
