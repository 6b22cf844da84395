/*
 * qbsync_map_suggest: the script, its comments and questions.
 */

/* Lines that say where each column of the view comes from, and why. */
CREATE FUNCTION qbsync.suggest_reasons(model jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT string_agg(qbsync.as_comment(format('%s %s', rpad(l.name, 18), l.reason)), E'\n' ORDER BY l.part, l.n)
	FROM (
		SELECT 1 AS part, 1 AS n, 'key' AS name, (SELECT string_agg(quote_ident(k), ', ') FROM jsonb_array_elements_text(model -> 'keys') k) || ': '
			|| CASE WHEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = (model ->> 'oid')::oid AND i.indisprimary) THEN 'the primary key' ELSE 'the unique key; there is no primary key' END AS reason
		UNION ALL
		SELECT 2, c.n, c.c ->> 'view', c.c ->> 'reason' FROM jsonb_array_elements(model -> 'computed') WITH ORDINALITY c(c, n)
		UNION ALL
		SELECT 3, c.n, c.c ->> 'view', concat_ws(', ', format('%I, %s', c.c ->> 'source', c.c ->> 'reason'),
			CASE WHEN c.c ->> 'view' = 'emails' AND model ->> 'more_emails' IS NOT NULL
				THEN 'then ' || (SELECT string_agg(quote_ident(e), ', ') FROM jsonb_array_elements_text(model -> 'more_emails') e) || ' (X-2); QuickBooks may hold more than there are columns' END)
		FROM jsonb_array_elements(model -> 'columns') WITH ORDINALITY c(c, n)
		UNION ALL
		SELECT 4, s.n, CASE WHEN s.s ->> 'class' IN ('bill', 'ship') THEN s.s ->> 'class' || '_…' WHEN s.s ->> 'class' = 'person' THEN 'contact person' ELSE s.s ->> 'class' END,
			format('%s by %s', s.s #>> '{facts,table}', (SELECT string_agg(quote_ident(f ->> 0), ', ') FROM jsonb_array_elements(s.s -> 'fk') f))
			|| CASE s.s ->> 'owner' WHEN 'person' THEN ' of the contact person' ELSE '' END
			|| CASE s.s ->> 'class'
				WHEN 'person' THEN ': ' || (SELECT string_agg(c ->> 'view', ', ') FROM jsonb_array_elements(s.s -> 'columns') c) || ' of the first in the order '
					|| replace(CASE WHEN s.s ? 'explicit' THEN quote_ident(s.s ->> 'explicit') || ', ' ELSE '' END || (s.s ->> 'order'), 'c.', '') || ' (contact_person_rule = ' || (s.s ->> 'rule') || ', X-9, CEN-37)'
				WHEN 'emails' THEN ': all, ' || CASE WHEN s.s #> '{facts,flag}' IS NOT NULL THEN quote_ident(s.s #>> '{facts,flag}') || ' first' ELSE 'in the order of ' || replace(s.s ->> 'order', 'c.', '') END || ' (CAP-32, X-2)'
				ELSE CASE WHEN s.s ->> 'where' IS NULL THEN ', the first in the order ' || replace(s.s ->> 'order', 'c.', '')
					ELSE format(', by %I', s.s #>> '{facts,label}') || coalesce(': ' || nullif(array_to_string(qbsync.labels_of(ARRAY(SELECT jsonb_array_elements_text(s.s #> '{facts,labels}')), s.s ->> 'class'), ', '), ''), '') END
					|| CASE WHEN s.s ->> 'class' = 'bill' AND s.s ->> 'where' LIKE '%NOT EXISTS%' THEN '; where none is, the first that is not for shipping (X-25, CAP-37)' ELSE '' END END
		FROM jsonb_array_elements(model -> 'slots') WITH ORDINALITY s(s, n)
		UNION ALL
		SELECT 5, e.n, e.e, CASE WHEN c.not_null AND NOT c.has_default THEN 'the CRM''s own; it cannot be null and has no default, so rows from QuickBooks need one: see defaults below'
			ELSE 'the CRM''s own; events in QuickBooks may change it' END FROM jsonb_array_elements_text(coalesce(model -> 'extra', '[]')) WITH ORDINALITY e(e, n)
		JOIN qbsync.table_columns((model ->> 'oid')::oid::regclass) c ON c.name = e.e
	) l;
$fn$;
COMMENT ON FUNCTION qbsync.suggest_reasons(jsonb) IS 'Comment lines of a suggestion: where each column comes from, and why';

/* What could not be told from the catalogs, for people to look at. */
CREATE FUNCTION qbsync.suggest_questions(model jsonb)
RETURNS SETOF text
LANGUAGE plpgsql STABLE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	rel regclass := (model ->> 'oid')::oid::regclass;
	slot jsonb;
	class text := '';
	rest text[];
	used text[] := ARRAY(SELECT c ->> 'source' FROM jsonb_array_elements(model -> 'columns') c) || ARRAY(SELECT jsonb_array_elements_text(model -> 'keys'))
		|| ARRAY(SELECT jsonb_array_elements_text(coalesce(model -> 'extra', '[]'))) || ARRAY(SELECT jsonb_array_elements_text(coalesce(nullif(model -> 'more_emails', 'null'), '[]')))
		|| ARRAY(SELECT s ->> 'explicit' FROM jsonb_array_elements(model -> 'slots') s WHERE s ? 'explicit') || array_remove(ARRAY[model ->> 'own_invoice'], NULL);
BEGIN
	IF NOT EXISTS (SELECT FROM qbsync.table_columns(rel) c WHERE c.name = ANY (ARRAY(SELECT jsonb_array_elements_text(model -> 'keys'))) AND c.has_default)
		AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = rel AND NOT t.tgisinternal AND t.tgtype & 7 = 7) THEN
		RETURN NEXT CASE WHEN EXISTS (SELECT FROM qbsync.table_columns(rel) c WHERE to_jsonb(c.name) = model #> '{keys,0}' AND c.type = 'uuid')
			THEN 'the key has no default: a row that comes from QuickBooks gets gen_random_uuid(), if its view has triggers'
			ELSE 'the key has no default: a row that comes from QuickBooks needs one from the CRM; give the column a default' END;
	END IF;
	SELECT array_agg(k."column" ORDER BY k.ordinal) INTO rest FROM qbsync.catalogue_column k
	WHERE k."table" = model ->> 'entity' AND k.required AND k."column" <> 'type'
		AND NOT EXISTS (SELECT FROM jsonb_array_elements((model -> 'columns') || (model -> 'computed')) c
						WHERE c ->> 'view' IN (k."column", regexp_replace(k."column", '_id$', '_key')) OR k.refers_to = 'customer' AND qbsync.reference_kind(c ->> 'view') IS NOT NULL);
	IF rest IS NOT NULL THEN
		RETURN NEXT format('nothing was found for %s, which QuickBooks demands of every %s', array_to_string(rest, ', '), model ->> 'entity');
	END IF;
	FOR slot IN SELECT s FROM jsonb_array_elements(model -> 'slots') s LOOP
		IF slot ? 'unfilled' THEN
			RETURN NEXT format('%s: %s cannot be null, has no default and is not filled: add it to the INSERT', slot #>> '{facts,table}',
				(SELECT string_agg(quote_ident(u), ', ') FROM jsonb_array_elements_text(slot -> 'unfilled') u));
		END IF;
		CONTINUE WHEN class = slot #>> '{facts,table}';
		class := slot #>> '{facts,table}';
		IF NOT (slot ->> 'indexed')::boolean THEN
			RETURN NEXT format('%s has no index on %s: every look at a customer reads all of it; CREATE INDEX ON %1$s (%2$s)', class,
				(SELECT string_agg(quote_ident(f ->> 0), ', ') FROM jsonb_array_elements(slot -> 'fk') f));
		END IF;
		IF slot ->> 'class' = 'person' AND NOT slot -> 'facts' ?| '{flag,created}' AND NOT slot ? 'explicit' THEN
			RETURN NEXT format('nothing in %s says which person is the contact of an organisation: the first by key is taken', class);
		ELSIF slot -> 'facts' ? 'labels' AND slot ->> 'class' NOT IN ('emails', 'web_addr', 'person') THEN
			SELECT array_agg(l ORDER BY l) INTO rest FROM jsonb_array_elements_text(slot #> '{facts,labels}') l
			WHERE NOT EXISTS (SELECT FROM qbsync.label_stems() s WHERE qbsync.labels_of(ARRAY[l], s.class) <> '{}');
			IF rest IS NOT NULL THEN
				RETURN NEXT format('%s with %s %s are not mapped: what are they?', class, slot #>> '{facts,label}', array_to_string(rest, ', '));
			END IF;
		ELSIF slot -> 'facts' ? 'label' AND slot ->> 'class' NOT IN ('emails', 'web_addr', 'person') THEN
			RETURN NEXT format('%s: the catalogs do not say which words %s holds: they are recognised by how they begin; new rows get those in the INSERT below', class,
				coalesce((slot #>> '{facts,lookup,table}') || '.' || quote_ident(slot #>> '{facts,lookup,name}'), quote_ident(slot #>> '{facts,label}')));
		ELSIF slot ->> 'class' IN ('bill', 'ship', 'primary_phone') THEN
			RETURN NEXT format('%s has no column that tells its rows apart: only the first counts', class);
		END IF;
	END LOOP;
	IF jsonb_path_exists(model, '$.**.columns[*] ? (@.view == "title" && @.source like_regex "^tit(le|re)$" flag "i")') THEN
		RETURN NEXT 'title is Mr. or Dr. to QuickBooks, 16 characters: take it out if the column holds the person''s function';
	END IF;
	FOR class IN
		SELECT format('%I leads to %s: addresses that a customer points to are not followed; join it where the address is needed', c.name, c.refers_to)
		FROM qbsync.table_columns(rel) c WHERE qbsync.child_kind(c.refers_to) = 'address'
	LOOP
		RETURN NEXT class;
	END LOOP;
	SELECT array_agg(quote_ident(c.name) ORDER BY c.attnum) INTO rest FROM qbsync.table_columns(rel) c
	WHERE c.name <> ALL (used) AND NOT strpos(coalesce(model ->> 'where', ''), quote_ident(c.name)) > 0;
	IF rest IS NOT NULL THEN
		RETURN NEXT format('not mapped, whether it has no place in QuickBooks or was not recognised: %s', array_to_string(rest, ', '));
	END IF;
	SELECT array_agg(DISTINCT k.conrelid::regclass::text) INTO rest FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid AND NOT c.relispartition
	WHERE k.contype = 'f' AND k.confrelid = rel AND k.conrelid <> rel AND k.conparentid = 0
		AND NOT EXISTS (SELECT FROM jsonb_array_elements(model -> 'slots') s WHERE (s #>> '{facts,oid}')::oid = k.conrelid OR s ->> 'class' = 'lines')
		AND k.conrelid::text IS DISTINCT FROM model ->> 'line_oid';
	IF rest IS NOT NULL THEN
		RETURN NEXT format('tables that refer to it and are not used: %s', array_to_string(rest[:12], ', ') || CASE WHEN cardinality(rest) > 12 THEN ', …' ELSE '' END);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_questions(jsonb) IS 'What a suggestion could not tell, for people';

/* Which tables feed the view, as qbsync_map takes it; one table a line. */
CREATE FUNCTION qbsync.suggest_watch(model jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH contact AS (
		SELECT s.s FROM jsonb_array_elements(model -> 'slots') s(s) WHERE s.s ->> 'class' = 'person'
	), child AS (
		SELECT s.s #>> '{facts,table}' AS name, s.s -> 'fk' AS fk, s.s ->> 'owner' AS owner, min(s.n) AS n
		FROM jsonb_array_elements(model -> 'slots') WITH ORDINALITY s(s, n) GROUP BY 1, 2, 3
	), line AS (
		SELECT model ->> 'table' AS name, 0::bigint AS n, jsonb_build_object('key', model -> 'keys') AS value
		UNION ALL
		SELECT s.name, s.n, jsonb_strip_nulls(jsonb_build_object('key', (SELECT jsonb_agg(f -> 0) FROM jsonb_array_elements(s.fk) f),
			'query', CASE WHEN s.owner = 'person' THEN (
				SELECT format('SELECT %s FROM %s c WHERE %s', (SELECT string_agg(format('c.%I', f ->> 0), ', ') FROM jsonb_array_elements(k.s -> 'fk') f), k.s #>> '{facts,table}',
					(SELECT string_agg(format('c.%I = %s::%s', f.f ->> 1, CASE jsonb_array_length(s.fk) WHEN 1 THEN '$1' ELSE format('($1::jsonb ->> %s)', f.n - 1) END, t.type), ' AND ' ORDER BY f.n)
					 FROM jsonb_array_elements(s.fk) WITH ORDINALITY f(f, n)
					 JOIN qbsync.table_columns((k.s #>> '{facts,oid}')::oid::regclass) t ON t.name = f.f ->> 1))
				FROM contact k) END))
		FROM child s
		UNION ALL
		SELECT w.key, 1000, w.value FROM jsonb_each(coalesce(model -> 'watch', '{}')) w
	)
	SELECT '{' || string_agg(format(E'\n\t\t%s: %s', to_jsonb(l.name), l.value), ',' ORDER BY l.n) || E'\n\t}' FROM line l;
$fn$;
COMMENT ON FUNCTION qbsync.suggest_watch(jsonb) IS 'The watch list of a suggested mapping: tables that feed the view and how their rows lead to it';

/* Comment, view, triggers and declaration of one mapping. */
CREATE FUNCTION qbsync.suggest_mapping_text(model jsonb, mapping text, connection text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	view text := format('%I.%I', model ->> 'schema', model ->> 'view');
	simple boolean := NOT jsonb_path_exists(model, '$.slots[*]') AND NOT jsonb_path_exists(model, '$.computed[*]') AND coalesce(model ->> 'more_emails', '') = ''
		AND NOT jsonb_path_exists(model, '$.columns[*] ? (@.writable == false && @.view != "last_updated_time")');
	path text := 'pg_catalog, ' || (SELECT string_agg(DISTINCT quote_ident(n.nspname), ', ')
		FROM (SELECT (model ->> 'oid')::oid AS oid UNION SELECT (s #>> '{facts,oid}')::oid FROM jsonb_array_elements(model -> 'slots') s) r
		JOIN pg_class c ON c.oid = r.oid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
		JOIN pg_namespace n ON n.oid IN (c.relnamespace, t.typnamespace) AND n.nspname <> 'pg_catalog') || ', pg_temp';
	owner text := (SELECT CASE WHEN NOT a.rolsuper THEN a.rolname END FROM pg_class c JOIN pg_roles a ON a.oid = c.relowner WHERE c.oid = (model ->> 'oid')::oid);
	questions text := (SELECT string_agg(qbsync.as_comment(q, '-- ? '), E'\n') FROM qbsync.suggest_questions(model) q);
BEGIN
	RETURN concat_ws(E'\n',
		qbsync.as_comment(format('%s: one row is one %s%s', model ->> 'table', model ->> 'entity', model ->> 'about')),
		qbsync.suggest_reasons(model), questions,
		CASE WHEN to_regclass(view) IS NOT NULL THEN qbsync.as_comment(format('? %s exists already: DROP VIEW %1$s first, or take another name', view)) END,
		qbsync.suggest_view_text(model), '',
		CASE WHEN simple THEN '-- the view is simple: PostgreSQL itself writes through it' ELSE
			E'-- Writing through the view: runs with the rights of whoever writes; the search_path is also that of the tables'' triggers.\n' || qbsync.suggest_triggers_text(model, path) END, '',
		CASE WHEN model ? 'line_text' THEN (model ->> 'line_text') || E'\n' END,
		CASE WHEN owner IS NOT NULL THEN format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s%s TO %I;', view, coalesce(', ' || (model ->> 'line_view'), ''), owner)
			ELSE qbsync.as_comment(format('? who is to write? GRANT SELECT, INSERT, UPDATE, DELETE ON %s and its tables TO that role, and name it below', view)) END, '',
		format(E'SELECT %s.qbsync_map(\n\t"view" => %L,\n\tentity => %L,\n\tname => %L,%s\n\tkey => ARRAY[%s],%s', '@extschema@', view, model ->> 'entity', mapping,
			coalesce(E'\n\tconnection => ' || quote_literal(connection) || ',', ''),
			(SELECT string_agg(quote_literal(k.k), ', ' ORDER BY k.n) FROM jsonb_array_elements_text(model -> 'keys') WITH ORDINALITY k(k, n)),
			coalesce(E'\n\tlines => ' || quote_literal(model ->> 'line_view') || ',', ''))
		|| format(E'\n\tkind => %L,', coalesce(model ->> 'kind', 'any'))
		|| CASE WHEN jsonb_array_length(model -> 'extra') > 0 THEN format(E'\n\textra => ARRAY[%s],', (SELECT string_agg(quote_literal(e), ', ') FROM jsonb_array_elements_text(model -> 'extra') e))
			|| coalesce(E'\n\t' || qbsync.as_comment('? defaults => ' || quote_literal((
				SELECT jsonb_object_agg(e, coalesce((qbsync.known_labels((model ->> 'oid')::oid::regclass, e))[1], '…')) FROM jsonb_array_elements_text(model -> 'extra') e, qbsync.table_columns((model ->> 'oid')::oid::regclass) t
				WHERE t.name = e AND t.not_null AND NOT t.has_default)) || ','), '') ELSE '' END
		|| CASE WHEN owner IS NOT NULL THEN format(E'\n\trole => %L,\t-- owner of the table', owner) ELSE E'\n\t-- ? role => …,' END
		|| format(E'\n\tcrm_table => %L,\n\twatch => %L);', model ->> 'table', qbsync.suggest_watch(model)),
		qbsync.as_comment(format('SELECT * FROM %s.qbsync_plan(%L);', '@extschema@', mapping)) || '	-- what would happen',
		qbsync.as_comment(format('SELECT %s.qbsync_enable(%L);', '@extschema@', mapping)) || '	-- start it',
		model ->> 'after');
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_mapping_text(jsonb, text, text) IS 'One mapping of a suggestion: reasons, view, triggers, declaration';

/* The model of a table with what only the whole suggestion knows: its view, its columns of its own, its kind. */
CREATE FUNCTION qbsync.suggest_finished(model jsonb, kind text, about text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	rel regclass := (model ->> 'oid')::oid::regclass;
	keys text[] := ARRAY(SELECT jsonb_array_elements_text(model -> 'keys'));
	filled text[] := ARRAY(SELECT c ->> 'source' FROM jsonb_array_elements(model -> 'columns') c);
	missing text[];
BEGIN
	-- a key without a default is written as it comes, so that whoever writes may give it
	missing := ARRAY(SELECT k FROM unnest(keys) k JOIN qbsync.table_columns(rel) c ON c.name = k WHERE NOT c.has_default);
	RETURN model || jsonb_build_object('kind', kind, 'about', about,
		'view', qbsync.suffixed_name(model ->> 'name', CASE WHEN model ->> 'role' = 'lines' THEN '_lines_quickbooks' ELSE '_quickbooks' END),
		'columns', (SELECT coalesce(jsonb_agg(c.c ORDER BY c.n), '[]') FROM jsonb_array_elements(model -> 'columns') WITH ORDINALITY c(c, n) WHERE c.c ->> 'view' <> ALL (keys)),
		'extra', coalesce(to_jsonb(qbsync.suggest_unfilled(rel, filled || keys)), '[]'),
		'key_values', (SELECT coalesce(jsonb_agg(jsonb_build_object('source', m, 'view', m, 'not_null', true, 'text', false) || CASE WHEN t.type = 'uuid' THEN '{"default": "gen_random_uuid()"}'::jsonb ELSE '{}' END), '[]')
					   FROM unnest(missing) m JOIN qbsync.table_columns(rel) t ON t.name = m));
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_finished(jsonb, text, text) IS 'A model of qbsync_map_suggest with its view''s name, its key and the CRM''s own columns';

/* Tables of the CRM that may stand for an entity, the best first. */
CREATE FUNCTION qbsync.suggest_candidates(entity text, OUT rel regclass, OUT score integer)
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT c.oid::regclass, g.found + CASE WHEN n.named THEN 10 ELSE 0 END + CASE WHEN n.child THEN -20 ELSE 0 END
	FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
	CROSS JOIN LATERAL (SELECT count(*)::integer AS found, array_agg(x.column_name) AS names FROM qbsync.guess_columns(c.oid, suggest_candidates.entity) x) g
	CROSS JOIN LATERAL (SELECT coalesce(bool_or(w.word ~ CASE suggest_candidates.entity
			WHEN 'customer' THEN '^(customers?|clients?|contacts?|people|persons?|personnes?|organi[sz]ations?|compan(y|ies)|compagnies?|accounts?|societes?|entreprises?)$'
			WHEN 'invoice' THEN '^(invoices?|factures?)$' WHEN 'estimate' THEN '^(estimates?|quotes?|quotations?|devis|soumissions?)$' WHEN 'payment' THEN '^(payments?|paiements?|receipts?|encaissements?)$'
			WHEN 'item' THEN '^(items?|products?|produits?|articles?|services?)$' WHEN 'term' THEN '^(terms?|modalites?)$'
			ELSE '^' || suggest_candidates.entity || 's?$' END), false) AS named,
		coalesce(qbsync.child_kind(c.oid) IS NOT NULL OR bool_or(w.word ~ '^(lines?|lignes?|items?|details?|applications?|allocations?)$' AND suggest_candidates.entity IN ('invoice', 'estimate', 'payment')), false) AS child
		FROM unnest(qbsync.name_words(c.relname)) w(word)) n
	WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
		AND s.nspname NOT IN ('pg_catalog', 'information_schema', 'qbsync') AND s.nspname !~ '^pg_'
		AND has_schema_privilege(s.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
		AND (suggest_candidates.entity <> 'customer' OR '{display_name,company_name,family_name}' && g.names)
		AND (n.named OR suggest_candidates.entity = 'customer' AND g.found >= 3)
		AND qbsync.table_key(c.oid) IS NOT NULL
	ORDER BY 2 DESC, 1::text;
$fn$;
COMMENT ON FUNCTION qbsync.suggest_candidates(text) IS 'Tables that the caller may read and that look like an entity, the most likely first';

CREATE FUNCTION @extschema@.qbsync_map_suggest("table" regclass DEFAULT NULL, entity text DEFAULT 'customer', name text DEFAULT NULL, connection text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $fn$
DECLARE
	root regclass := qbsync_map_suggest."table";
	others text;
	person regclass;
	organisation regclass;
	parts text[];
	mapping text := coalesce(qbsync_map_suggest.name, (SELECT relname FROM pg_class WHERE oid = root));
BEGIN
	IF qbsync_map_suggest.entity IS NULL OR NOT EXISTS (SELECT FROM qbsync.catalogue e WHERE e.entity = qbsync_map_suggest.entity AND NOT e.singleton) THEN
		RAISE EXCEPTION 'unknown entity "%"', qbsync_map_suggest.entity
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = format('Entities are %s.', (SELECT string_agg(e.entity, ', ' ORDER BY e.entity) FROM qbsync.catalogue e WHERE NOT e.singleton));
	END IF;
	IF root IS NULL THEN
		SELECT (array_agg(c.rel ORDER BY c.score DESC, c.rel::text))[1], string_agg(c.rel::text, ', ' ORDER BY c.score DESC, c.rel::text)
		INTO root, others FROM (SELECT * FROM qbsync.suggest_candidates(qbsync_map_suggest.entity) LIMIT 10) c;
		IF root IS NULL THEN
			RAISE EXCEPTION 'no table looks like a table of %s', qbsync_map_suggest.entity
				USING ERRCODE = 'undefined_table', HINT = 'Name the table: qbsync_map_suggest(''schema.table''). Only tables you may read are looked at.';
		END IF;
		mapping := coalesce(mapping, (SELECT relname FROM pg_class WHERE oid = root));
	END IF;
	PERFORM qbsync.suggest_checked(root);
	parts := ARRAY['-- Suggested by qbsync_map_suggest from names, types, labels and foreign keys; no row was read.',
		'-- Read it, change what is wrong, run it.  Lines with a question mark could not be told: please look at them.'];
	IF qbsync_map_suggest."table" IS NULL THEN
		parts := parts || qbsync.as_comment('tables that look like it, the first was taken: ' || others);
	END IF;
	IF qbsync_map_suggest.entity <> 'customer' THEN
		RETURN array_to_string(parts || ('' || E'\n' || qbsync.suggest_mapping_text(qbsync.suggest_document(root, qbsync_map_suggest.entity, mapping), mapping, qbsync_map_suggest.connection)), E'\n') || E'\n';
	END IF;
	IF qbsync.customer_role(root) = 'person' THEN
		organisation := qbsync.organisations_of(root);
		person := CASE WHEN organisation IS NOT NULL THEN root END;
	ELSE
		person := qbsync.persons_of(root);
		organisation := CASE WHEN person IS NOT NULL THEN root END;
	END IF;
	IF organisation IS NULL THEN
		RETURN array_to_string(parts || ('' || E'\n' || qbsync.suggest_mapping_text(qbsync.suggest_finished(
			qbsync.suggest_model(root, 'customer', 'flat', NULL, qbsync_map_suggest.connection), 'any', ''), mapping, qbsync_map_suggest.connection)), E'\n') || E'\n';
	END IF;
	RETURN array_to_string(parts || qbsync.suggest_pair(organisation, person, qbsync_map_suggest.name, qbsync_map_suggest.connection), E'\n') || E'\n';
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_map_suggest(regclass, text, text, text) IS 'A script that maps a table of the CRM: view, triggers, watch list and qbsync_map, with the reason of every choice; nothing is run. table null: the most likely one';

/* What cannot be mapped is said before anything is written. */
CREATE FUNCTION qbsync.suggest_checked(rel regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				   WHERE c.oid = rel AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
					AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'qbsync', 'pg_toast')) THEN
		RAISE EXCEPTION 'no mapping can be suggested for %', rel
			USING ERRCODE = 'wrong_object_type', DETAIL = 'A suggestion starts from a table of the CRM.',
				  HINT = 'A view with columns named as the catalogue names them needs no suggestion: declare it with qbsync_map.';
	ELSIF qbsync.table_key(rel) IS NULL THEN
		RAISE EXCEPTION 'table % has no key', rel
			USING ERRCODE = 'invalid_table_definition', DETAIL = 'Rows are linked by a primary key, or by a unique index of columns that are not null.',
				  HINT = 'Add a primary key.';
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_checked(regclass) IS 'Raises an error unless a table can be suggested a mapping for';

/* With customers in two tables, the key of a parent says which. */
CREATE FUNCTION qbsync.suggest_parent(model jsonb)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT model || jsonb_build_object('columns', (
		SELECT coalesce(jsonb_agg(CASE c.c ->> 'view' WHEN 'parent_key' THEN c.c || jsonb_build_object('view', (model ->> 'kind') || '_key') ELSE c.c END ORDER BY c.n), '[]')
		FROM jsonb_array_elements(model -> 'columns') WITH ORDINALITY c(c, n)));
$fn$;
COMMENT ON FUNCTION qbsync.suggest_parent(jsonb) IS 'A model of one of two kinds of customers, its parents under the name of their kind';

/* Organisations (B2B) and the persons who belong to none (B2C): two mappings that share the entity by kind (CAP-23, CAP-24). */
CREATE FUNCTION qbsync.suggest_pair(organisation regclass, person regclass, name text, connection text)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	b2b jsonb := qbsync.suggest_finished(qbsync.suggest_model(organisation, 'customer', 'organisation', person, suggest_pair.connection), 'organisation', ', an organisation');
	b2c jsonb := qbsync.suggest_model(person, 'customer', 'person', NULL, suggest_pair.connection);
	link text[] := (SELECT l.child_columns FROM qbsync.table_links(person, organisation) l ORDER BY qbsync.says_organisation(l.child_columns[1]) DESC LIMIT 1);
	pair boolean := qbsync.is_pair(organisation, person);
	result text[];
BEGIN
	result := ARRAY['', qbsync.suggest_mapping_text(CASE WHEN pair THEN qbsync.suggest_parent(b2b) ELSE b2b END, coalesce(suggest_pair.name || '_organisations', b2b ->> 'name'), suggest_pair.connection), ''];
	IF NOT pair THEN
		RETURN result || qbsync.as_comment(format('Every row of %s belongs to an organisation, so none is a customer of its own.', person));
	END IF;
	b2c := qbsync.suggest_parent(qbsync.suggest_finished(b2c, 'person', ' who belongs to no organisation'))
		|| jsonb_build_object('where', (SELECT string_agg(format('r.%I IS NULL', l), ' AND ') FROM unnest(link) l));
	RETURN result || qbsync.suggest_mapping_text(b2c, coalesce(suggest_pair.name || '_persons', b2c ->> 'name'), suggest_pair.connection);
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_pair(regclass, regclass, text, text) IS 'The two mappings of a CRM with organisations and persons';
