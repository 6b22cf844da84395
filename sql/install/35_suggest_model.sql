/*
 * What qbsync_map_suggest makes of a table of customers: a model, as jsonb, that 35_suggest_text.sql turns into SQL.
 *
 *	table, oid, schema, keys		the root table (alias r) and its key
 *	where							which of its rows, null: all
 *	columns							[{view, source, type, text, not_null, default, writable, new, reason}] of the root
 *	computed						[{view, expression, reason}]: shown, not written as they are
 *	slots							what is elsewhere: [{class, owner, facts, fk, where, order, columns, insert}]: one row of
 *									another table (a phone, an address, the contact person) or a list of rows (e-mails).
 *									owner: r, or person (the contact person's own)
 *	name_from						what display_name becomes in a new row: display, company, family
 *	asks							what could not be told, for people
 */

/* A column of a table under its name in the view. */
CREATE FUNCTION qbsync.suggest_column("table" regclass, source text, view_name text, reason text)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT jsonb_strip_nulls(jsonb_build_object('view', suggest_column.view_name, 'source', c.name, 'type', c.type, 'text', c.category = 'S',
		'not_null', c.not_null, 'writable', c.writable, 'default', pg_get_expr(d.adbin, d.adrelid), 'reason', suggest_column.reason))
	FROM qbsync.table_columns(suggest_column."table") c
	LEFT JOIN pg_attrdef d ON d.adrelid = suggest_column."table" AND d.adnum = c.attnum AND c.writable
	WHERE c.name = suggest_column.source;
$fn$;
COMMENT ON FUNCTION qbsync.suggest_column(regclass, text, text, text) IS 'A column of a table as a column of a suggested view, as jsonb';

/* Columns of a child table that must be filled and that nothing in the suggestion fills. */
CREATE FUNCTION qbsync.suggest_unfilled("table" regclass, filled text[])
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT array_agg(c.name ORDER BY c.attnum)
	FROM qbsync.table_columns(suggest_unfilled."table") c
	WHERE c.not_null AND NOT c.has_default AND c.writable AND c.name <> ALL (suggest_unfilled.filled);
$fn$;
COMMENT ON FUNCTION qbsync.suggest_unfilled(regclass, text[]) IS 'Columns without a default that cannot be null, but for those named; null: none';

/* Which rows of a child table (alias c) have a label of a class; null: no row can. */
CREATE FUNCTION qbsync.label_condition(facts jsonb, class text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	s record;
	label text := format('c.%I::text', facts ->> 'label');
	found text[];
	condition text;
BEGIN
	SELECT l.* INTO s FROM qbsync.label_stems() l WHERE l.class = label_condition.class;
	IF facts ? 'labels' THEN
		found := qbsync.labels_of(ARRAY(SELECT jsonb_array_elements_text(facts -> 'labels')), label_condition.class);
		RETURN CASE cardinality(found) WHEN 0 THEN NULL WHEN 1 THEN format('c.%I = %L', facts ->> 'label', found[1])
			ELSE format('c.%I IN (%s)', facts ->> 'label', (SELECT string_agg(quote_literal(u.u), ', ') FROM unnest(found) u)) END;
	END IF;
	label := CASE WHEN facts ? 'lookup' THEN format('l.%I::text', facts #>> '{lookup,name}') ELSE label END;
	condition := format('%s ~* %L', label, '[[:<:]]' || s.stems);
	IF s.before IS NOT NULL THEN
		condition := condition || format(' AND %s !~* %L', label, '[[:<:]]' || s.before);
	END IF;
	IF facts ? 'lookup' THEN
		condition := format('c.%I IN (SELECT l.%I FROM %s l WHERE %s)', facts ->> 'label', facts #>> '{lookup,key}', facts #>> '{lookup,table}', condition);
	END IF;
	IF label_condition.class = 'primary_phone' AND (facts ->> 'label_null')::boolean THEN
		condition := format('%s OR c.%I IS NULL', condition, facts ->> 'label');
	END IF;
	RETURN condition;
END
$fn$;
COMMENT ON FUNCTION qbsync.label_condition(jsonb, text) IS 'Condition for the rows of a child table whose label stands for a column or address of QuickBooks';

/* The label a new row gets: an SQL expression. */
CREATE FUNCTION qbsync.label_value(facts jsonb, class text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN label_value.facts ? 'labels' THEN quote_literal((qbsync.labels_of(ARRAY(SELECT jsonb_array_elements_text(label_value.facts -> 'labels')), label_value.class))[1])
		WHEN label_value.facts ? 'lookup' THEN format('(SELECT l.%1$I FROM %2$s l WHERE l.%3$I::text ~* %4$L%6$s ORDER BY l.%3$I::text ~* %5$L DESC, 1 LIMIT 1)',
			label_value.facts #>> '{lookup,key}', label_value.facts #>> '{lookup,table}', label_value.facts #>> '{lookup,name}',
			'[[:<:]]' || s.stems, '[[:<:]]' || coalesce(s.best, s.stems),
			CASE WHEN s.before IS NULL THEN '' ELSE format(' AND l.%I::text !~* %L', label_value.facts #>> '{lookup,name}', '[[:<:]]' || s.before) END)
		ELSE quote_literal(s.word) END
	FROM qbsync.label_stems() s WHERE s.class = label_value.class;
$fn$;
COMMENT ON FUNCTION qbsync.label_value(jsonb, text) IS 'Expression of the label that a new row of a child table gets';

/* ORDER BY of the rows of one class: the better label, then the table's own order. */
CREATE FUNCTION qbsync.label_order(facts jsonb, class text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN label_order.facts ? 'labels' THEN (
			SELECT CASE WHEN cardinality(f.found) > 1 THEN format('array_position(ARRAY[%s], c.%I::text), ',
				(SELECT string_agg(quote_literal(u.u), ', ') FROM unnest(f.found) u), label_order.facts ->> 'label') ELSE '' END
			FROM (SELECT qbsync.labels_of(ARRAY(SELECT jsonb_array_elements_text(label_order.facts -> 'labels')), label_order.class) AS found) f)
		WHEN label_order.facts ? 'label' AND NOT label_order.facts ? 'lookup' AND s.best IS NOT NULL
			THEN format('c.%I::text ~* %L DESC NULLS LAST, ', label_order.facts ->> 'label', '[[:<:]]' || s.best)
		ELSE '' END || (label_order.facts ->> 'order')
	FROM qbsync.label_stems() s WHERE s.class = label_order.class;
$fn$;
COMMENT ON FUNCTION qbsync.label_order(jsonb, text) IS 'ORDER BY list over alias c by which the first row of a class is the one that counts';

/* One row of a child table that is columns of the view: a phone, a web site, an address. */
CREATE FUNCTION qbsync.suggest_slot(facts jsonb, class text, owner text, fk jsonb, columns jsonb, fallback boolean DEFAULT false)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	labelled boolean := facts ? 'label' AND suggest_slot.class <> 'web_addr';
	condition text;
	others text;
	writer text := CASE suggest_slot.owner WHEN 'r' THEN 'NEW' ELSE suggest_slot.owner END;
	writing text;
	insert jsonb := '[]';
	filled text[];
BEGIN
	IF labelled THEN
		condition := qbsync.label_condition(facts, suggest_slot.class);
		writing := condition;
		IF suggest_slot.fallback THEN
			-- not "neither label exists": a shipping address that is added later must not make the billing address vanish
			others := concat_ws(' AND ', 'NOT coalesce(' || qbsync.label_condition(facts, 'ship') || ', false)',
				'NOT EXISTS (SELECT FROM ' || replace(facts ->> 'table', '%', '%%') || ' c WHERE %s AND (' || replace(condition, '%', '%%') || '))');
			IF others <> '' THEN
				writing := concat_ws(' OR ', condition, format(others, qbsync.suggest_link(suggest_slot.fk, 'c', writer)));
				condition := concat_ws(' OR ', condition, format(others, qbsync.suggest_link(suggest_slot.fk, 'c', suggest_slot.owner)));
			END IF;
		ELSIF condition IS NULL THEN
			RETURN NULL;
		END IF;
		insert := jsonb_build_array(jsonb_build_array(facts ->> 'label',
			coalesce(qbsync.label_value(facts, suggest_slot.class), quote_literal(facts #>> '{labels,0}'))));
	END IF;
	filled := ARRAY(SELECT f ->> 0 FROM jsonb_array_elements(suggest_slot.fk || insert) f) || ARRAY(SELECT f ->> 'source' FROM jsonb_array_elements(suggest_slot.columns) f);
	RETURN jsonb_strip_nulls(jsonb_build_object('class', suggest_slot.class, 'owner', suggest_slot.owner, 'facts', facts, 'fk', suggest_slot.fk, 'where', condition, 'where_write', writing,
		'order', CASE WHEN labelled THEN qbsync.label_order(facts, suggest_slot.class) ELSE facts ->> 'order' END,
		'columns', suggest_slot.columns, 'insert', insert,
		'unfilled', to_jsonb(qbsync.suggest_unfilled((facts ->> 'oid')::oid::regclass, filled))));
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_slot(jsonb, text, text, jsonb, jsonb, boolean) IS 'The row of a child table that stands for a phone, web site or address of QuickBooks; fallback: without a billing address the first that is not for shipping counts (X-25)';

/* "c.person_id = r.id", of all columns of a foreign key [[child column, parent column], …]; owner null: the trigger's NEW. */
CREATE FUNCTION qbsync.suggest_link(fk jsonb, child text, owner text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT string_agg(format('%s.%I = %s.%I', suggest_link.child, f.f ->> 0, suggest_link.owner, f.f ->> 1), ' AND ' ORDER BY f.n)
	FROM jsonb_array_elements(suggest_link.fk) WITH ORDINALITY f(f, n);
$fn$;
COMMENT ON FUNCTION qbsync.suggest_link(jsonb, text, text) IS 'Condition that a row of a child table belongs to its owner';

/* The slots that one child table gives, for those columns of the view that nothing gives yet. */
CREATE FUNCTION qbsync.suggest_child_slots(child regclass, kind text, owner text, fk jsonb, taken text[], fallback boolean)
RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	facts jsonb := qbsync.child_facts(child, kind);
	class text;
	columns jsonb;
	slot jsonb;
	side text := (SELECT min(qbsync.address_side(u.word)) FROM pg_class c, unnest(qbsync.name_words(c.relname)) u(word) WHERE c.oid = child);
	classes text[] := CASE WHEN kind = 'email' THEN '{emails}' WHEN kind = 'web' THEN '{web_addr}'
		WHEN kind = 'address' AND NOT facts ? 'label' THEN ARRAY[coalesce(side, 'bill')] WHEN kind = 'address' THEN '{bill,ship}'
		ELSE '{primary_phone,alternate_phone,mobile,fax}' END;
BEGIN
	FOREACH class IN ARRAY classes LOOP
		CONTINUE WHEN class = ANY (taken);
		-- without labels nothing tells the second phone or address from the first
		CONTINUE WHEN NOT facts ? 'label' AND class IN ('alternate_phone', 'mobile', 'fax');
		IF kind = 'address' THEN
			SELECT jsonb_agg(qbsync.suggest_column(child, g.source, regexp_replace(g.column_name, '^bill', class), NULL) ORDER BY c.ordinal) INTO columns
			FROM qbsync.guess_columns(child, 'customer') g
			JOIN qbsync.catalogue_column c ON c."table" = 'customer' AND c."column" = g.column_name
			WHERE g.column_name LIKE 'bill\_%';
		ELSE
			-- the row goes when there is no value, so it is never written as an empty one
			columns := jsonb_build_array(qbsync.suggest_column(child, facts ->> 'value', class, NULL));
			columns := jsonb_build_array(columns -> 0 || jsonb_build_object('not_null', false, 'nullable', NOT (columns #>> '{0,not_null}')::boolean, 'list', class = 'emails'));
		END IF;
		slot := qbsync.suggest_slot(CASE WHEN class = 'emails' AND NOT coalesce((facts ->> 'label_needed')::boolean, false) THEN facts - 'label' ELSE facts END,
			CASE WHEN class = 'emails' THEN 'primary_phone' ELSE class END, owner, fk, columns, fallback AND class = 'bill');
		IF class = 'emails' THEN
			-- every e-mail counts, whatever its label; a new one that needs one gets that for work, else the first there is
			slot := slot - 'where' - 'where_write' || jsonb_build_object('class', class, 'order', facts ->> 'order');
		END IF;
		IF slot IS NOT NULL THEN
			RETURN NEXT slot;
		END IF;
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_child_slots(regclass, text, text, jsonb, text[], boolean) IS 'What a child table gives to a suggested view, as jsonb';
