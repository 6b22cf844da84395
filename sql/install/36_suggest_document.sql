/*
 * qbsync_map_suggest for everything but customers: items and terms are one table; invoices and estimates have lines, payments have
 * applications to invoices, each with a line view of its own.
 */

/* The table of a document's lines: refers to it, and has an amount or a quantity (an invoice, for applications). */
CREATE FUNCTION qbsync.line_table_of(document regclass, entity text)
RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT k.conrelid::regclass
	FROM (SELECT DISTINCT k.conrelid FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid AND NOT c.relispartition
		  WHERE k.contype = 'f' AND k.confrelid = line_table_of.document AND k.conrelid <> k.confrelid AND k.conparentid = 0) k
	JOIN pg_class c ON c.oid = k.conrelid
	CROSS JOIN LATERAL (SELECT coalesce(array_agg(g.column_name), '{}') AS names, count(*) AS found FROM qbsync.guess_columns(k.conrelid, line_table_of.entity || '_line') g) g
	WHERE CASE line_table_of.entity WHEN 'payment' THEN '{amount,invoice_key}' <@ g.names ELSE '{amount,qty}' && g.names END
		AND NOT EXISTS (SELECT FROM unnest(qbsync.name_words(c.relname)) w(word) WHERE line_table_of.entity <> 'payment' AND w.word ~ '^(payment|paiement|application|allocation|credit)s?$')
	ORDER BY EXISTS (SELECT FROM unnest(qbsync.name_words(c.relname)) w(word) WHERE w.word ~ '^(lines?|lignes?|items?|details?|applications?|allocations?)$') DESC, g.found DESC, c.relname
	LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.line_table_of(regclass, text) IS 'Table of the lines of an invoice or estimate or the applications of a payment, by foreign key; null: none';

/* Triggers of a line view whose position is no column to write: the key of the table, or the number of the row. */
CREATE FUNCTION qbsync.line_triggers_text(schema text, view text, lines regclass, columns jsonb, keys jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH found AS (
		SELECT string_agg(format('c.%I = OLD.%I', k.k ->> 'source', k.k ->> 'view'), ' AND ' ORDER BY k.n) AS row FROM jsonb_array_elements(keys) WITH ORDINALITY k(k, n)
	)
	SELECT concat_ws(E'\n',
		format(E'CREATE FUNCTION %I.%I()\nRETURNS trigger\nLANGUAGE plpgsql\nSET search_path = pg_catalog, %1$I, pg_temp\nAS %3$s;', line_triggers_text.schema, qbsync.suffixed_name(line_triggers_text.view, '_write'),
			qbsync.dollar_quoted(concat_ws(E'\n', 'BEGIN',
				E'\tIF TG_OP = ''DELETE'' THEN',
				format(E'\t\tDELETE FROM %s c WHERE %s;\n\t\tRETURN OLD;', lines, f.row),
				E'\tELSIF TG_OP = ''UPDATE'' THEN',
				format(E'\t\tUPDATE %s c SET %s WHERE %s;', lines, (SELECT string_agg(format('%I = %s', c.c ->> 'source', qbsync.suggest_value(c.c, false)), ', ' ORDER BY c.n) FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n)), f.row),
				(SELECT format(E'\tELSIF NEW.invoice_key IS NULL THEN\n\t\tRETURN NEW;\t-- applied to something that is no invoice: the CRM has no place for it')
				 FROM jsonb_array_elements(columns) c WHERE c ->> 'view' = 'invoice_key' AND (c ->> 'not_null')::boolean AND columns #>> '{0,view}' = 'payment_key'),
				E'\tELSE',
				format(E'\t\tINSERT INTO %s (%s)\n\t\tVALUES (%s);', lines, (SELECT string_agg(quote_ident(c.c ->> 'source'), ', ' ORDER BY c.n) FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n)),
					(SELECT string_agg(qbsync.suggest_value(c.c, true), ', ' ORDER BY c.n) FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n))),
				E'\tEND IF;\n\tRETURN NEW;\nEND'))),
		format(E'CREATE TRIGGER %I INSTEAD OF INSERT OR UPDATE OR DELETE ON %I.%I\n\tFOR EACH ROW EXECUTE FUNCTION %2$I.%1$I();', qbsync.suffixed_name(line_triggers_text.view, '_write'), line_triggers_text.schema, line_triggers_text.view))
	FROM found f;
$fn$;
COMMENT ON FUNCTION qbsync.line_triggers_text(text, text, regclass, jsonb, jsonb) IS 'INSTEAD OF triggers of a suggested line view';

/* The line view of a document's table of lines: {line_view, line_text, line_oid, watch}, or {line_text} with the reason why not. */
CREATE FUNCTION qbsync.suggest_lines(model jsonb, entity text, lines regclass)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	document regclass := (model ->> 'oid')::oid::regclass;
	link record;
	columns jsonb;
	keys text[] := qbsync.table_key(lines);
	ordinal jsonb;
	number text;
	row_key jsonb;
	schema text;
	view text;
	result text;
BEGIN
	SELECT n.nspname, qbsync.suffixed_name(c.relname, '_quickbooks') INTO schema, view FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = lines;
	SELECT l.* INTO link FROM qbsync.table_links(lines, document) l WHERE to_jsonb(l.parent_columns) = model -> 'keys' LIMIT 1;
	IF link.child_columns IS NULL OR cardinality(link.child_columns) > 1 THEN
		RETURN jsonb_build_object('line_text', qbsync.as_comment(format('? %s: its key to %s has several columns or is not the key; write the line view by hand', lines, document)));
	END IF;
	SELECT jsonb_agg(qbsync.suggest_column(lines, g.source, g.column_name, g.reason) ORDER BY k.ordinal, g.column_name) INTO columns
	FROM qbsync.guess_columns(lines, suggest_lines.entity || '_line') g
	LEFT JOIN qbsync.catalogue_column k ON k."table" = suggest_lines.entity || '_line' AND k."column" IN (g.column_name, regexp_replace(g.column_name, '_key$', '_id'))
	WHERE g.source <> ALL (link.child_columns);
	ordinal := jsonb_path_query_first(columns, '$[*] ? (@.view == "position" && @.writable == true)');
	columns := jsonb_build_array(qbsync.suggest_column(lines, link.child_columns[1], suggest_lines.entity || '_key', 'refers to ' || document)) || coalesce(ordinal, '[]')
		|| (SELECT coalesce(jsonb_agg(c.c ORDER BY c.n), '[]') FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n) WHERE c.c ->> 'view' <> 'position' AND (c.c ->> 'writable')::boolean);
	-- without a position, the order is that of the key, and the key tells the rows apart
	SELECT jsonb_agg(c ORDER BY c ->> 'view') INTO row_key FROM jsonb_array_elements(columns) c WHERE c ->> 'source' = ANY (keys);
	IF ordinal IS NULL AND cardinality(keys) = 1 AND (SELECT c.category = 'N' FROM qbsync.table_columns(lines) c WHERE c.name = keys[1]) THEN
		number := format('c.%I', keys[1]);
		row_key := jsonb_build_array(jsonb_build_object('source', keys[1], 'view', 'position'));
	ELSIF ordinal IS NULL AND jsonb_array_length(row_key) = cardinality(keys) THEN
		number := format('row_number() OVER (PARTITION BY c.%I ORDER BY %s)', link.child_columns[1], (SELECT string_agg(format('c.%I', k.k), ', ' ORDER BY k.n) FROM unnest(keys) WITH ORDINALITY k(k, n) WHERE k.k <> link.child_columns[1]));
	ELSIF ordinal IS NULL THEN
		RETURN jsonb_build_object('line_text', qbsync.as_comment(format('? %s: no column says the order of the lines, and its key is no number: add a column position; lines are left out until then', lines)));
	END IF;
	result := concat_ws(E'\n',
		qbsync.as_comment(format('%s: the %s of %s; they are replaced as a whole', lines, CASE suggest_lines.entity WHEN 'payment' THEN 'applications' ELSE 'lines' END, document)),
		(SELECT string_agg(qbsync.as_comment(format('%s %I, %s', rpad(c.c ->> 'view', 18), c.c ->> 'source', c.c ->> 'reason')), E'\n' ORDER BY c.n) FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n)),
		CASE WHEN ordinal IS NULL THEN qbsync.as_comment('position           no column for it: lines come in the order of the key, whatever QuickBooks'' order is') END,
		(SELECT qbsync.as_comment(format('? %s cannot be null, has no default and is not filled: give it a default', string_agg(quote_ident(u), ', ')))
		 FROM unnest(qbsync.suggest_unfilled(lines, ARRAY(SELECT c ->> 'source' FROM jsonb_array_elements(columns) c) || keys)) u HAVING count(*) > 0),
		format(E'CREATE VIEW %I.%I WITH (security_invoker = true) AS\nSELECT\n%s\nFROM %s c;', schema, view,
			concat_ws(E',\n', (SELECT string_agg(format(CASE WHEN c.c -> 'source' = c.c -> 'view' THEN E'\tc.%I' ELSE E'\tc.%I AS %I' END, c.c ->> 'source', c.c ->> 'view'), E',\n' ORDER BY c.n) FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n)),
				CASE WHEN ordinal IS NULL THEN E'\t' || number || ' AS position' END), lines),
		CASE WHEN ordinal IS NULL THEN E'\n' || qbsync.line_triggers_text(schema, view, lines, columns, row_key) END);
	RETURN jsonb_build_object('line_view', format('%I.%I', schema, view), 'line_oid', lines::oid::text, 'line_text', result,
		'watch', jsonb_build_object(lines::text, jsonb_build_object('key', link.child_columns)));
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_lines(jsonb, text, regclass) IS 'Line view of a suggested document, as parts of its model';

/* A payment that names its invoice itself: the view of its one application. */
CREATE FUNCTION qbsync.suggest_own_line(model jsonb, invoice text, amount text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	schema text := model ->> 'schema';
	view text := qbsync.suffixed_name(model ->> 'name', '_lines_quickbooks');
	key text := model #>> '{keys,0}';
BEGIN
	RETURN jsonb_build_object('line_view', format('%I.%I', schema, view), 'own_invoice', invoice, 'line_text', concat_ws(E'\n',
		qbsync.as_comment(format('%s names its invoice itself (%I): a payment of several invoices keeps the last of them', model ->> 'table', invoice)),
		format(E'CREATE VIEW %1$I.%2$I WITH (security_invoker = true) AS\nSELECT\n\tc.%3$I AS payment_key,\n\t1 AS position,\n\tc.%4$I AS amount,\n\tc.%5$I AS invoice_key\nFROM %6$s c\nWHERE c.%5$I IS NOT NULL;\n',
			schema, view, key, amount, invoice, model ->> 'table'),
		format(E'CREATE FUNCTION %I.%I()\nRETURNS trigger\nLANGUAGE plpgsql\nSET search_path = pg_catalog, %1$I, pg_temp\nAS %3$s;', schema, qbsync.suffixed_name(view, '_write'), qbsync.dollar_quoted(concat_ws(E'\n',
			'BEGIN', E'\tIF TG_OP = ''DELETE'' THEN', format(E'\t\tUPDATE %s c SET %I = NULL WHERE c.%I = OLD.payment_key;\n\t\tRETURN OLD;', model ->> 'table', invoice, key), E'\tEND IF;',
			format(E'\tUPDATE %s c SET %I = NEW.invoice_key WHERE c.%I = NEW.payment_key AND NEW.invoice_key IS NOT NULL;\n\tRETURN NEW;\nEND', model ->> 'table', invoice, key)))),
		format(E'CREATE TRIGGER %I INSTEAD OF INSERT OR UPDATE OR DELETE ON %I.%I\n\tFOR EACH ROW EXECUTE FUNCTION %2$I.%1$I();', qbsync.suffixed_name(view, '_write'), schema, view)));
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_own_line(jsonb, text, text) IS 'Line view of payments that name their invoice in a column, as parts of their model';

/* Statuses are the CRM's own; QuickBooks' events may move them. */
CREATE FUNCTION qbsync.suggest_events(document regclass, status text, mapping text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.as_comment(format('%I is the CRM''s own.  What events in QuickBooks make of it is yours to say, such as:', suggest_events.status)) || E'\n'
		|| string_agg(qbsync.as_comment(format('SELECT %s.qbsync_map_event(%L, %L, %L, mapping => %L);', '@extschema@', e.event, suggest_events.status,
			coalesce((SELECT l FROM unnest(qbsync.known_labels(suggest_events.document, suggest_events.status)) WITH ORDINALITY u(l, n) WHERE l ~* e.stem ORDER BY u.n LIMIT 1), '…'), suggest_events.mapping)), E'\n' ORDER BY e.n)
	FROM (VALUES (1, 'partially_paid', '(part|acompte)'), (2, 'paid', '^(paid|pay|settled|acquit)'), (3, 'overdue', '(overdue|late|retard|échu|echu)'), (4, 'voided', '(void|cancel|annul)')) e(n, event, stem);
$fn$;
COMMENT ON FUNCTION qbsync.suggest_events(regclass, text, text) IS 'Comment lines of a suggestion: event rules for a status column';

CREATE FUNCTION qbsync.suggest_document("table" regclass, entity text, mapping text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	model jsonb := qbsync.suggest_finished(qbsync.suggest_model("table", suggest_document.entity, 'flat', NULL, NULL), 'any', '');
	lines regclass := qbsync.line_table_of("table", suggest_document.entity);
	status text;
	invoice text;
BEGIN
	IF suggest_document.entity NOT IN ('invoice', 'estimate', 'payment') THEN
		RETURN model;
	END IF;
	SELECT c.name INTO status FROM qbsync.table_columns("table") c
	WHERE qbsync.name_words(c.name) && '{status,statut,state,etat}' AND c.category IN ('S', 'E') AND c.writable AND c.refers_to IS NULL
		AND NOT jsonb_path_exists(model, '$.columns[*] ? (@.source == $name)', jsonb_build_object('name', c.name))
	ORDER BY c.attnum LIMIT 1;
	IF status IS NOT NULL AND suggest_document.entity = 'estimate' THEN
		model := model || jsonb_build_object('after', qbsync.as_comment(format('%I is the CRM''s own.  To have QuickBooks'' there (Pending, Accepted, Closed, Rejected, Converted), show it in the view as txn_status; qbsync_map_value translates the words.', status)));
	ELSIF status IS NOT NULL THEN
		model := model || jsonb_build_object('after', qbsync.suggest_events("table", status, suggest_document.mapping))
			|| CASE WHEN model -> 'extra' ? status THEN '{}' ELSE jsonb_build_object('extra', (model -> 'extra') || to_jsonb(status)) END;
	END IF;
	IF lines IS NOT NULL THEN
		RETURN model || qbsync.suggest_lines(model, suggest_document.entity, lines);
	END IF;
	SELECT c.name INTO invoice FROM qbsync.table_columns("table") c JOIN qbsync.vocabulary() v ON v.scope = 'payment_line' AND v.meaning = 'invoice_key'
	WHERE array_to_string(qbsync.name_words(c.name), '') = ANY (v.words) AND c.refers_to IS NOT NULL;
	IF suggest_document.entity = 'payment' AND invoice IS NOT NULL AND jsonb_array_length(model -> 'keys') = 1 AND jsonb_path_exists(model, '$.columns[*] ? (@.view == "total_amt")') THEN
		RETURN model || qbsync.suggest_own_line(model, invoice, jsonb_path_query_first(model, '$.columns[*] ? (@.view == "total_amt").source') #>> '{}');
	END IF;
	RETURN model || jsonb_build_object('line_text', qbsync.as_comment(format('? no table with the lines of %s was found: they are left out', "table")));
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_document(regclass, text, text) IS 'Model of qbsync_map_suggest for a table that is not of customers';
