/*
 * The INSTEAD OF triggers that qbsync_map_suggest writes: one function for INSERT and UPDATE, one for DELETE.  Only rows
 * that change are touched; on INSERT, OLD is all null, so that the same code serves both.
 */

/* The root table's row. */
CREATE FUNCTION qbsync.write_root_text(model jsonb)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	columns jsonb;
	keys text;
	new_keys text;
	root_values text;
BEGIN
	SELECT jsonb_agg(c.c ORDER BY c.n) INTO columns
	FROM (
		SELECT CASE WHEN c.c ->> 'view' = 'emails' AND model ->> 'more_emails' IS NOT NULL THEN c.c || '{"new": "NEW.emails[1]"}' ELSE c.c END AS c, c.n
		FROM jsonb_array_elements(model -> 'columns') WITH ORDINALITY c(c, n)
		WHERE (c.c ->> 'writable')::boolean AND c.c ->> 'view' <> 'last_updated_time'
		UNION ALL
		SELECT jsonb_build_object('view', 'emails', 'type', 'text', 'source', e.e, 'new', format('NEW.emails[%s]', e.n + 1)), 1000 + e.n
		FROM jsonb_array_elements_text(CASE jsonb_typeof(model -> 'more_emails') WHEN 'array' THEN model -> 'more_emails' ELSE '[]' END) WITH ORDINALITY e(e, n)
		UNION ALL
		SELECT qbsync.suggest_column((model ->> 'oid')::oid::regclass, e.e, e.e, NULL) || '{"not_null": false}', 2000 + e.n
		FROM jsonb_array_elements_text(coalesce(model -> 'extra', '[]')) WITH ORDINALITY e(e, n)) c;
	SELECT string_agg(format('r.%I', k.k), ', ' ORDER BY k.n), string_agg(format('NEW.%I', k.k), ', ' ORDER BY k.n),
		string_agg(format('r.%I = OLD.%I', k.k, k.k), ' AND ' ORDER BY k.n)
	INTO keys, new_keys, root_values
	FROM jsonb_array_elements_text(model -> 'keys') WITH ORDINALITY k(k, n);
	RETURN concat_ws(E'\n',
		E'\tIF TG_OP = ''INSERT'' THEN',
		-- QuickBooks knows some by their display name only
		CASE WHEN model ->> 'name_from' IN ('company', 'family') THEN format(E'\t\tIF %s = 0 THEN\n\t\t\tNEW.%I := NEW.display_name;\n\t\tEND IF;', qbsync.suggest_given((
			SELECT jsonb_agg(c ORDER BY c ->> 'view') FROM jsonb_array_elements(columns) c
			WHERE c ->> 'view' IN ('given_name', 'family_name') OR c ->> 'view' = 'company_name' AND model ->> 'name_from' = 'company')),
			(model ->> 'name_from') || '_name') END,
		format(E'\t\tINSERT INTO %s AS r (%s)\n\t\tVALUES (%s)\n\t\tRETURNING %s INTO %s;', model ->> 'table',
			(SELECT string_agg(quote_ident(c.c ->> 'source'), ', ' ORDER BY c.n) FROM jsonb_array_elements(columns || coalesce(model -> 'key_values', '[]')) WITH ORDINALITY c(c, n)),
			(SELECT string_agg(qbsync.suggest_value(c.c, true), ', ' ORDER BY c.n) FROM jsonb_array_elements(columns || coalesce(model -> 'key_values', '[]')) WITH ORDINALITY c(c, n)),
			keys, new_keys),
		E'\tELSE',
		(SELECT string_agg(format(E'\t\tNEW.%I := OLD.%I;', k.k, k.k), E'\n' ORDER BY k.n) FROM jsonb_array_elements_text(model -> 'keys') WITH ORDINALITY k(k, n)),
		format(E'\t\tIF %s THEN\n\t\t\tUPDATE %s r SET %s\n\t\t\tWHERE %s;\n\t\t\tIF NOT FOUND THEN\n\t\t\t\tRETURN NULL;\n\t\t\tEND IF;\n\t\tEND IF;',
			qbsync.suggest_changed(columns), model ->> 'table',
			(SELECT string_agg(format('%I = %s', c.c ->> 'source', qbsync.suggest_value(c.c, false)), ', ' ORDER BY c.n) FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n)),
			root_values),
		E'\tEND IF;');
END
$fn$;
COMMENT ON FUNCTION qbsync.write_root_text(jsonb) IS 'Part of a suggested trigger: the row of the root table';

/* Column and value lists of a new row of a child table. */
CREATE FUNCTION qbsync.write_insert_text(slot jsonb, owner text, columns jsonb)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format('INSERT INTO %s AS c (%s) VALUES (%s)', slot #>> '{facts,table}', string_agg(quote_ident(l.name), ', ' ORDER BY l.n), string_agg(l.value, ', ' ORDER BY l.n))
	FROM (
		SELECT f.f ->> 0 AS name, format('%s.%I', write_insert_text.owner, f.f ->> 1) AS value, f.n FROM jsonb_array_elements(slot -> 'fk') WITH ORDINALITY f(f, n)
		UNION ALL SELECT i.i ->> 0, i.i ->> 1, 100 + i.n FROM jsonb_array_elements(slot -> 'insert') WITH ORDINALITY i(i, n)
		UNION ALL SELECT c.c ->> 'source', qbsync.suggest_value(c.c, true), 200 + c.n FROM jsonb_array_elements(write_insert_text.columns) WITH ORDINALITY c(c, n)
	) l;
$fn$;
COMMENT ON FUNCTION qbsync.write_insert_text(jsonb, text, jsonb) IS 'Part of a suggested trigger: a new row of a child table';

/* One row of a child table: changed, added or, when QuickBooks has nothing, deleted. */
CREATE FUNCTION qbsync.write_row_text(slot jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT concat_ws(E'\n',
		format(E'\tIF %s THEN', qbsync.suggest_changed(slot -> 'columns')),
		format(E'\t\tSELECT %s INTO child\n\t\t%s;', qbsync.slot_keys(slot), qbsync.slot_choice(slot, o.owner, separator => E'\n\t\t')),
		format(E'\t\tIF %s = 0 THEN', qbsync.suggest_given(slot -> 'columns')),
		format(E'\t\t\tDELETE FROM %s c WHERE %s;', slot #>> '{facts,table}', qbsync.slot_found(slot, 'child')),
		E'\t\tELSIF FOUND THEN',
		format(E'\t\t\tUPDATE %s c SET %s WHERE %s;', slot #>> '{facts,table}',
			(SELECT string_agg(format('%I = %s', c.c ->> 'source', qbsync.suggest_value(c.c, false)), ', ' ORDER BY c.n) FROM jsonb_array_elements(slot -> 'columns') WITH ORDINALITY c(c, n)),
			qbsync.slot_found(slot, 'child')),
		E'\t\tELSE',
		format(E'\t\t\t%s;', qbsync.write_insert_text(slot, o.owner, slot -> 'columns')),
		E'\t\tEND IF;\n\tEND IF;')
	FROM (SELECT CASE slot ->> 'owner' WHEN 'r' THEN 'NEW' ELSE slot ->> 'owner' END AS owner) o;
$fn$;
COMMENT ON FUNCTION qbsync.write_row_text(jsonb) IS 'Part of a suggested trigger: a phone, web site or address in a child table';

/* The contact person: found, changed, or added when QuickBooks knows a name; never deleted. */
CREATE FUNCTION qbsync.write_person_text(slot jsonb, model jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT concat_ws(E'\n',
		format(E'\tSELECT %s INTO person\n\t%s;', qbsync.slot_keys(slot), qbsync.slot_choice(slot, 'NEW')),
		E'\tIF FOUND THEN',
		format(E'\t\tIF %s THEN\n\t\t\tUPDATE %s c SET %s WHERE %s;\n\t\tEND IF;', qbsync.suggest_changed(slot -> 'columns'), slot #>> '{facts,table}',
			(SELECT string_agg(format('%I = %s', c.c ->> 'source', qbsync.suggest_value(c.c, false)), ', ' ORDER BY c.n) FROM jsonb_array_elements(slot -> 'columns') WITH ORDINALITY c(c, n)),
			qbsync.slot_found(slot, 'person')),
		format(E'\tELSIF %s > 0 THEN', qbsync.suggest_given((
			SELECT jsonb_agg(c.c ORDER BY s.n, c.n) FROM jsonb_array_elements(model -> 'slots') WITH ORDINALITY s(s, n), jsonb_array_elements(s.s -> 'columns') WITH ORDINALITY c(c, n)
			WHERE s.s ->> 'class' = 'person' OR s.s ->> 'owner' = 'person'))),
		format(E'\t\t%s\n\t\tRETURNING %s INTO person;', qbsync.write_insert_text(slot, 'NEW', slot -> 'columns'), qbsync.slot_keys(slot)),
		CASE WHEN slot ? 'explicit' THEN format(E'\t\tUPDATE %s r SET %I = person.%I WHERE %s;', model ->> 'table', slot ->> 'explicit', slot #>> '{facts,keys,0}',
			(SELECT string_agg(format('r.%1$I = NEW.%1$I', k), ' AND ') FROM jsonb_array_elements_text(model -> 'keys') k)) END,
		E'\tEND IF;');
$fn$;
COMMENT ON FUNCTION qbsync.write_person_text(jsonb, jsonb) IS 'Part of a suggested trigger: the contact person of an organisation';

/* A list of e-mails: rows whose address stays are left alone, others take new addresses or go. */
CREATE FUNCTION qbsync.write_emails_text(slot jsonb)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	f jsonb := slot -> 'facts';
	owner text := CASE slot ->> 'owner' WHEN 'r' THEN 'NEW' ELSE slot ->> 'owner' END;
	value text := format('c.%I::text', f ->> 'value');
	mine text := qbsync.suggest_link(slot -> 'fk', 'c', owner);
	cast_to text := CASE WHEN f ->> 'type' IN ('text', 'character varying') THEN '' ELSE '::' || (f ->> 'type') END;
BEGIN
	RETURN concat_ws(E'\n',
		E'\tIF NEW.emails IS DISTINCT FROM OLD.emails THEN',
		E'\t\twanted := ARRAY(SELECT u.email FROM unnest(NEW.emails) WITH ORDINALITY u(email, n) WHERE u.email <> '''' GROUP BY u.email ORDER BY min(u.n));',
		format(E'\t\tfresh := ARRAY(SELECT u.email FROM unnest(wanted) WITH ORDINALITY u(email, n)\n\t\t\tWHERE NOT EXISTS (SELECT FROM %s c WHERE %s AND %s = u.email) ORDER BY u.n);', f ->> 'table', mine, value),
		format(E'\t\tFOR child IN SELECT %s %s LOOP', qbsync.slot_keys(slot),
			qbsync.slot_choice(slot, owner, false, value || ' <> ALL (wanted)')),
		E'\t\t\tIF cardinality(fresh) > 0 THEN',
		format(E'\t\t\t\tUPDATE %s c SET %I = fresh[1]%s WHERE %s;\n\t\t\t\tfresh := fresh[2:];', f ->> 'table', f ->> 'value', cast_to, qbsync.slot_found(slot, 'child')),
		format(E'\t\t\tELSE\n\t\t\t\tDELETE FROM %s c WHERE %s;\n\t\t\tEND IF;\n\t\tEND LOOP;', f ->> 'table', qbsync.slot_found(slot, 'child')),
		E'\t\tFOREACH email IN ARRAY fresh LOOP',
		format(E'\t\t\t%s;\n\t\tEND LOOP;', qbsync.write_insert_text(slot, owner, jsonb_build_array(jsonb_build_object('source', f ->> 'value', 'new', 'email' || cast_to))
			|| CASE WHEN f ? 'position' THEN jsonb_build_array(jsonb_build_object('source', f ->> 'position', 'new', 'array_position(wanted, email)')) ELSE '[]' END)),
		-- first off, then on: a unique index may allow one at a time
		CASE WHEN f ? 'flag' THEN format(E'\t\tUPDATE %1$s c SET %2$I = false WHERE %3$s AND c.%2$I AND %4$s <> wanted[1];\n\t\tUPDATE %1$s c SET %2$I = true WHERE %3$s AND c.%2$I IS NOT TRUE AND %4$s = wanted[1];',
			f ->> 'table', f ->> 'flag', mine, value) END,
		CASE WHEN f ? 'position' THEN format(E'\t\tUPDATE %1$s c SET %2$I = array_position(wanted, %4$s) WHERE %3$s AND c.%2$I IS DISTINCT FROM array_position(wanted, %4$s);',
			f ->> 'table', f ->> 'position', mine, value) END,
		E'\tEND IF;');
END
$fn$;
COMMENT ON FUNCTION qbsync.write_emails_text(jsonb) IS 'Part of a suggested trigger: the e-mails of a customer in a child table';

/* Comment, declaration and body of both functions, and the triggers; path: the search_path of the functions. */
CREATE FUNCTION qbsync.suggest_triggers_text(model jsonb, path text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	view text := format('%I.%I', model ->> 'schema', model ->> 'view');
	write_name text := qbsync.suffixed_name(model ->> 'view', '_write');
	delete_name text := qbsync.suffixed_name(model ->> 'view', '_delete');
	slot jsonb;
	body text := qbsync.write_root_text(model);
	declares text := '';
BEGIN
	IF jsonb_path_exists(model, '$.slots[*] ? (@.class != "person")') THEN
		declares := E'\tchild record;\n';
	END IF;
	IF jsonb_path_exists(model, '$.slots[*] ? (@.class == "person")') THEN
		declares := declares || E'\tperson record;\n';
	END IF;
	IF jsonb_path_exists(model, '$.slots[*] ? (@.class == "emails")') THEN
		declares := declares || E'\twanted text[];\n\tfresh text[];\n\temail text;\n';
	END IF;
	FOR slot IN SELECT s FROM jsonb_array_elements(model -> 'slots') WITH ORDINALITY s(s, n) ORDER BY s.n LOOP
		body := body || E'\n' || qbsync.as_comment(qbsync.slot_title(slot), E'\t-- ') || E'\n' || CASE slot ->> 'class'
			WHEN 'person' THEN qbsync.write_person_text(slot, model) WHEN 'emails' THEN qbsync.write_emails_text(slot) ELSE qbsync.write_row_text(slot) END;
	END LOOP;
	RETURN concat_ws(E'\n',
		format(E'CREATE FUNCTION %I.%I()\nRETURNS trigger\nLANGUAGE plpgsql\nSET search_path = %s\nAS %s;', model ->> 'schema', write_name, path,
			qbsync.dollar_quoted(CASE WHEN declares <> '' THEN E'DECLARE\n' || declares ELSE '' END || E'BEGIN\n' || body || E'\n\tRETURN NEW;\nEND')),
		format(E'CREATE TRIGGER %I INSTEAD OF INSERT OR UPDATE ON %s\n\tFOR EACH ROW EXECUTE FUNCTION %I.%I();', write_name, view, model ->> 'schema', write_name),
		'',
		format(E'CREATE FUNCTION %I.%I()\nRETURNS trigger\nLANGUAGE plpgsql\nSET search_path = %s\nAS %s;', model ->> 'schema', delete_name, path,
			qbsync.dollar_quoted(concat_ws(E'\n', 'BEGIN', qbsync.delete_children_text(model),
				format(E'\tDELETE FROM %s r WHERE %s;', model ->> 'table', (SELECT string_agg(format('r.%1$I = OLD.%1$I', k.k), ' AND ' ORDER BY k.n) FROM jsonb_array_elements_text(model -> 'keys') WITH ORDINALITY k(k, n))),
				E'\tIF NOT FOUND THEN\n\t\tRETURN NULL;\n\tEND IF;\n\tRETURN OLD;\nEND'))),
		format(E'CREATE TRIGGER %I INSTEAD OF DELETE ON %s\n\tFOR EACH ROW EXECUTE FUNCTION %I.%I();', delete_name, view, model ->> 'schema', delete_name));
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_triggers_text(jsonb, text) IS 'INSTEAD OF triggers of a suggested view';

/* Rows of child tables that the foreign key would not take along. */
CREATE FUNCTION qbsync.delete_children_text(model jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT string_agg(DISTINCT format(E'\tDELETE FROM %s c WHERE %s;', s #>> '{facts,table}', qbsync.suggest_link(s -> 'fk', 'c', 'OLD')), E'\n')
	FROM jsonb_array_elements(model -> 'slots') s
	WHERE s ->> 'owner' = 'r' AND s ->> 'class' <> 'person' AND NOT (s ->> 'cascades')::boolean;
$fn$;
COMMENT ON FUNCTION qbsync.delete_children_text(jsonb) IS 'Part of a suggested trigger: child rows that go before their owner';

/* A slot in words. */
CREATE FUNCTION qbsync.slot_title(slot jsonb)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE slot ->> 'class' WHEN 'person' THEN 'contact person' WHEN 'emails' THEN 'e-mails' WHEN 'bill' THEN 'billing address' WHEN 'ship' THEN 'shipping address'
		WHEN 'web_addr' THEN 'web site' WHEN 'primary_phone' THEN 'phone' WHEN 'alternate_phone' THEN 'second phone' ELSE slot ->> 'class' END
		|| CASE WHEN slot ->> 'owner' = 'person' THEN ' of the contact person' ELSE '' END || ': ' || (slot #>> '{facts,table}');
$fn$;
COMMENT ON FUNCTION qbsync.slot_title(jsonb) IS 'What a slot of a suggested view holds, for people';
