/*
 * The model of one mapping of customers for qbsync_map_suggest; see 35_suggest_model.sql for what is in it.
 */

/* A policy as a suggestion has to take it: of the connection, else its default. */
CREATE FUNCTION qbsync.suggest_policy(connection text, name text, fallback text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(
		(SELECT min(c.settings ->> suggest_policy.name) FROM qbsync.connection c
		 WHERE c.name = suggest_policy.connection OR suggest_policy.connection IS NULL AND (SELECT count(*) FROM qbsync.connection) = 1),
		(SELECT p.default_value FROM qbsync.policy p WHERE p.name = suggest_policy.name),
		suggest_policy.fallback);
$fn$;
COMMENT ON FUNCTION qbsync.suggest_policy(text, text, text) IS 'Value of a policy that decides what qbsync_map_suggest writes: contact_person_rule, address_fallback';

/* The columns of the root that are the customer's own, with those of them that have no column of the catalogue to go to. */
CREATE FUNCTION qbsync.suggest_root_columns("table" regclass, entity text)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(jsonb_agg(qbsync.suggest_column(suggest_root_columns."table", g.source, g.column_name, g.reason)
		ORDER BY g.column_name = 'quickbooks_id' DESC, g.column_name <> 'last_updated_time' DESC, coalesce(c.ordinal, r.ordinal), g.column_name), '[]')
	FROM qbsync.guess_columns(suggest_root_columns."table", suggest_root_columns.entity) g
	LEFT JOIN qbsync.catalogue_column c ON c."table" = suggest_root_columns.entity AND c."column" = g.column_name
	LEFT JOIN qbsync.catalogue_column r ON r."table" = suggest_root_columns.entity AND r."column" = regexp_replace(g.column_name, '_key$', '_id') AND g.column_name LIKE '%\_key'
	WHERE g.column_name <> ALL (coalesce(qbsync.table_key(suggest_root_columns."table"), '{}'));
$fn$;
COMMENT ON FUNCTION qbsync.suggest_root_columns(regclass, text) IS 'Columns of a table under the names of the catalogue, in its order, as jsonb';

/*
 * The contact person of an organisation (X-9, CEN-16, CEN-37): one row of the persons' table, chosen by the policy
 * contact_person_rule.  Its columns are the names, and whatever the organisation itself lacks of e-mails and phones.
 */
CREATE FUNCTION qbsync.suggest_contact(person regclass, organisation regclass, taken text[], rule text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	facts jsonb := qbsync.child_facts(person, NULL);
	link record;
	columns jsonb;
	insert jsonb := '[]';
	explicit text;
	fk jsonb;
BEGIN
	SELECT l.* INTO link FROM qbsync.table_links(person, organisation) l
	WHERE l.parent_columns <@ qbsync.table_key(organisation) ORDER BY qbsync.says_organisation(l.child_columns[1]) DESC LIMIT 1;
	IF link.child_columns IS NULL OR rule = 'none' THEN
		RETURN NULL;
	END IF;
	SELECT jsonb_agg(qbsync.suggest_column(person, g.source, g.column_name, g.reason) ORDER BY c.ordinal) INTO columns
	FROM qbsync.guess_columns(person, 'customer') g
	JOIN qbsync.catalogue_column c ON c."table" = 'customer' AND c."column" = g.column_name
	WHERE g.column_name IN ('title', 'given_name', 'middle_name', 'family_name', 'suffix', 'emails', 'primary_phone', 'alternate_phone', 'mobile', 'fax')
		AND g.column_name <> ALL (taken);
	SELECT l.child_columns[1] INTO explicit FROM qbsync.table_links(organisation, person) l
	WHERE cardinality(l.child_columns) = 1 AND l.parent_columns = qbsync.table_key(person) LIMIT 1;
	fk := (SELECT jsonb_agg(jsonb_build_array(u.c, u.p) ORDER BY u.n) FROM unnest(link.child_columns, link.parent_columns) WITH ORDINALITY u(c, p, n));
	IF facts ? 'flag' AND rule <> 'oldest' THEN
		insert := jsonb_build_array(jsonb_build_array(facts ->> 'flag', 'true'));
	END IF;
	RETURN jsonb_strip_nulls(jsonb_build_object('class', 'person', 'owner', 'r', 'facts', facts, 'fk', fk, 'columns', columns, 'insert', insert,
		'explicit', CASE WHEN rule = 'explicit' OR rule = 'primary_flag' AND NOT facts ? 'flag' THEN explicit END,
		'explicit_write', CASE WHEN explicit IS NOT NULL THEN format('(SELECT r.%I FROM %s r WHERE %s)', explicit, organisation::text,
			(SELECT string_agg(format('r.%1$I = NEW.%1$I', k), ' AND ') FROM unnest(qbsync.table_key(organisation)) k)) END, 'rule', rule, 'indexed', link.indexed,
		'order', concat_ws(', ', CASE WHEN rule <> 'oldest' THEN 'c.' || quote_ident(facts ->> 'flag') || ' DESC NULLS LAST' END,
			'c.' || quote_ident(facts ->> 'created'),
			(SELECT string_agg(format('c.%I', k), ', ') FROM jsonb_array_elements_text(facts -> 'keys') k)),
		'unfilled', to_jsonb(qbsync.suggest_unfilled(person, link.child_columns || ARRAY(SELECT f ->> 'source' FROM jsonb_array_elements(columns) f)))));
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_contact(regclass, regclass, text[], text) IS 'The contact person of an organisation as a part of a suggested view; null: there is none';

/* What hangs on a table by foreign keys and has a place in the catalogue: e-mails, phones, addresses, web sites. */
CREATE FUNCTION qbsync.suggest_children(parent regclass, owner text, taken text[], fallback boolean)
RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE ROWS 8
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	child record;
	slot jsonb;
BEGIN
	FOR child IN
		SELECT k.conrelid::regclass AS rel, qbsync.child_kind(k.conrelid) AS kind, l.indexed, l.cascades,
			(SELECT jsonb_agg(jsonb_build_array(u.c, u.p) ORDER BY u.n) FROM unnest(l.child_columns, l.parent_columns) WITH ORDINALITY u(c, p, n)) AS fk
		FROM (SELECT DISTINCT k.conrelid FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid AND NOT c.relispartition
			  WHERE k.contype = 'f' AND k.confrelid = suggest_children.parent AND k.conrelid <> k.confrelid AND k.conparentid = 0) k,
			LATERAL (SELECT l.* FROM qbsync.table_links(k.conrelid, suggest_children.parent) l
					 WHERE l.parent_columns <@ qbsync.table_key(suggest_children.parent) LIMIT 1) l
		WHERE qbsync.child_kind(k.conrelid) IS NOT NULL AND qbsync.customer_role(k.conrelid) IS DISTINCT FROM 'person'
		ORDER BY kind, k.conrelid::regclass::text
	LOOP
		FOR slot IN SELECT s FROM qbsync.suggest_child_slots(child.rel, child.kind, owner, child.fk, taken, fallback) s LOOP
			RETURN NEXT slot || jsonb_build_object('indexed', child.indexed, 'cascades', child.cascades);
			taken := taken || (slot ->> 'class');
		END LOOP;
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_children(regclass, text, text[], boolean) IS 'What the tables that refer to a table give to a suggested view, as jsonb';

/* Where display_name comes from when no column is just that, and what a new row makes of it. */
CREATE FUNCTION qbsync.suggest_name(columns jsonb, role text)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	own jsonb := (SELECT jsonb_object_agg(c ->> 'view', c) FROM jsonb_array_elements(columns) c);
	person text;
BEGIN
	person := (SELECT format('nullif(concat_ws('' '', %s), '''')', string_agg(format('nullif(r.%I, '''')', c.c ->> 'source'), ', ' ORDER BY array_position('{given_name,middle_name,family_name}', c.c ->> 'view')))
			   FROM jsonb_array_elements(columns) c(c) WHERE c.c ->> 'view' IN ('given_name', 'middle_name', 'family_name') HAVING count(*) > 0);
	IF own ? 'company_name' AND NOT own ? 'display_name' AND (role = 'organisation' OR person IS NULL) THEN
		-- the table has a company name only: it is both
		RETURN jsonb_build_object('name_from', 'display', 'rename', 'company_name', 'computed', CASE role WHEN 'organisation' THEN
			jsonb_build_array(jsonb_build_object('view', 'company_name', 'expression', format('r.%I', own #>> '{company_name,source}'),
				'reason', 'the same column; written with display_name')) ELSE '[]' END);
	ELSIF role = 'organisation' AND NOT own ? 'company_name' THEN
		RETURN jsonb_build_object('name_from', 'display',
			'computed', jsonb_build_array(jsonb_build_object('view', 'company_name', 'expression', format('r.%I', own #>> '{display_name,source}'),
				'reason', 'an organisation''s name is its company name too (CEN-13, CAP-27); written with display_name')));
	ELSIF own ? 'display_name' AND (own #>> '{display_name,writable}')::boolean THEN
		RETURN '{"name_from": "display", "computed": []}';
	END IF;
	RETURN jsonb_strip_nulls(jsonb_build_object('name_from', CASE WHEN own ? 'company_name' THEN 'company' WHEN own ? 'family_name' THEN 'family' END,
		'computed', CASE WHEN own ? 'display_name' OR person IS NULL AND NOT own ? 'company_name' THEN '[]' ELSE jsonb_build_array(jsonb_build_object('view', 'display_name',
			'expression', CASE WHEN own ? 'company_name' AND person IS NOT NULL THEN format('coalesce(nullif(r.%I, ''''), %s)', own #>> '{company_name,source}', person)
				WHEN own ? 'company_name' THEN format('r.%I', own #>> '{company_name,source}') ELSE person END,
			'reason', 'made of the other names; the table has no column of its own for it')) END));
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_name(jsonb, text) IS 'How a suggested view gets display_name (and an organisation company_name), as a part of the model';

CREATE FUNCTION qbsync.suggest_model("table" regclass, entity text, role text, person regclass, connection text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	columns jsonb := qbsync.suggest_root_columns("table", entity);
	slots jsonb := '[]';
	contact jsonb;
	naming jsonb := '{"name_from": "display", "computed": []}';
	taken text[];
	more text[];
	fallback boolean := qbsync.suggest_policy(connection, 'address_fallback', 'first_to_billing') = 'first_to_billing';
	kinds text[];
BEGIN
	IF entity = 'customer' THEN
		naming := qbsync.suggest_name(columns, role);
		IF naming ? 'rename' THEN
			columns := (SELECT jsonb_agg(CASE c.c ->> 'view' WHEN 'company_name' THEN c.c || '{"view": "display_name"}' ELSE c.c END ORDER BY c.n)
						FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n));
		END IF;
		-- a table of e-mails holds more than a column
		SELECT coalesce(array_agg(s.s ORDER BY s.n), '{}'), array_agg(DISTINCT s.s ->> 'class') INTO more, kinds
		FROM qbsync.suggest_children("table", 'r', '{}', fallback) WITH ORDINALITY s(s, n);
		SELECT coalesce(jsonb_agg(c.c ORDER BY c.n), '[]') INTO columns FROM jsonb_array_elements(columns) WITH ORDINALITY c(c, n)
		WHERE NOT coalesce(c.c ->> 'view' = ANY (kinds) OR left(c.c ->> 'view', 5) IN ('bill_', 'ship_') AND left(c.c ->> 'view', 4) = ANY (kinds), false);
		slots := to_jsonb(more::jsonb[]);
		taken := coalesce(kinds, '{}') || ARRAY(SELECT c ->> 'view' FROM jsonb_array_elements(columns || (naming -> 'computed')) c);
		contact := qbsync.suggest_contact(person, "table", taken, qbsync.suggest_policy(connection, 'contact_person_rule', 'primary_flag'));
		IF contact IS NOT NULL THEN
			taken := taken || ARRAY(SELECT c ->> 'view' FROM jsonb_array_elements(contact -> 'columns') c)
				|| ARRAY(SELECT left(t, 4) FROM unnest(taken) t WHERE t LIKE 'bill\_%' OR t LIKE 'ship\_%')
				-- the organisation's addresses are not its contact person's
				|| CASE WHEN EXISTS (SELECT FROM unnest(taken) t WHERE t ~ '^(bill|ship)') THEN '{bill,ship}'::text[] ELSE '{}' END;
			slots := jsonb_build_array(contact) || slots || (SELECT coalesce(jsonb_agg(s.s ORDER BY s.n), '[]') FROM qbsync.suggest_children(person, 'person', taken, fallback) WITH ORDINALITY s(s, n));
		END IF;
	END IF;
	RETURN jsonb_build_object('table', "table"::text, 'oid', "table"::oid, 'entity', entity, 'role', role, 'columns', columns, 'slots', slots,
		'keys', to_jsonb(qbsync.table_key("table")), 'schema', (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "table"),
		'name', (SELECT relname FROM pg_class WHERE oid = "table"),
		'more_emails', (SELECT jsonb_agg(m.source ORDER BY m.rank, m.attnum) FROM qbsync.column_meanings("table", entity) m
						WHERE m.meaning = 'more_emails' AND m.writable AND NOT 'emails' = ANY (coalesce(kinds, '{}')))) || naming;
END
$fn$;
COMMENT ON FUNCTION qbsync.suggest_model(regclass, text, text, regclass, text) IS 'All that qbsync_map_suggest writes about one table, as jsonb';
