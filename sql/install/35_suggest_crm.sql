/*
 * The shape of a CRM for qbsync_map_suggest: which tables are organisations and persons, which tables hang on them by
 * foreign keys and what they hold, which labels tell their rows apart.  Catalogs are read, never a row of the CRM.
 */

/* The primary key, else a unique index of columns that are not null, in order. */
CREATE FUNCTION qbsync.table_key("table" regclass)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT (SELECT array_agg(a.attname::text ORDER BY k.position)
			FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(attnum, position)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
	FROM pg_index i
	WHERE i.indrelid = table_key."table" AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
		AND (i.indisprimary OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull))
	ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.table_key(regclass) IS 'Columns that tell the rows of a table apart: its primary key, else a unique key; null when there is none';

/* Foreign keys from one table to another; indexed: some index begins with these columns. */
CREATE FUNCTION qbsync.table_links(child regclass, parent regclass, OUT child_columns text[], OUT parent_columns text[], OUT indexed boolean, OUT cascades boolean)
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT (SELECT array_agg(a.attname::text ORDER BY u.position) FROM unnest(k.conkey) WITH ORDINALITY u(attnum, position)
			JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum),
		(SELECT array_agg(a.attname::text ORDER BY u.position) FROM unnest(k.confkey) WITH ORDINALITY u(attnum, position)
			JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum),
		EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indpred IS NULL
				AND (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey),
		k.confdeltype = 'c'
	FROM pg_constraint k
	WHERE k.contype = 'f' AND k.conrelid = table_links.child AND k.confrelid = table_links.parent AND k.conparentid = 0
	ORDER BY k.conkey;
$fn$;
COMMENT ON FUNCTION qbsync.table_links(regclass, regclass) IS 'Foreign keys from a table to another, whether an index helps to follow them back, and whether deleting cascades';

/* Which kind of customer a table's rows are: person (given and family name), organisation (a name), or null. */
CREATE FUNCTION qbsync.customer_role("table" regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE WHEN '{given_name,family_name}' <@ g.names THEN 'person' WHEN '{display_name,company_name}' && g.names THEN 'organisation' END
	FROM (SELECT array_agg(c.column_name) AS names FROM qbsync.guess_columns(customer_role."table", 'customer') c) g;
$fn$;
COMMENT ON FUNCTION qbsync.customer_role(regclass) IS 'person or organisation, by the columns of a table; null: neither';

/* Whether a name speaks of organisations; "country" has a name too, but no persons belong to it that way. */
CREATE FUNCTION qbsync.says_organisation(name text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT EXISTS (
		SELECT FROM unnest(qbsync.name_words(says_organisation.name)) u(word)
		WHERE u.word ~ '^(organi[sz]ations?|orgs?|compan(y|ies)|compagnies?|accounts?|comptes?|societes?|entreprises?|business(es)?|firms?|customers?|clients?|employers?|etablissements?)$');
$fn$;
COMMENT ON FUNCTION qbsync.says_organisation(text) IS 'Whether a table''s or column''s name speaks of organisations';

/* The table of organisations that persons belong to, and the table of persons that belong to organisations. */
CREATE FUNCTION qbsync.organisations_of(person regclass)
RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT c.refers_to
	FROM qbsync.table_columns(organisations_of.person) c JOIN pg_class o ON o.oid = c.refers_to
	WHERE c.refers_to <> organisations_of.person AND (qbsync.says_organisation(c.name) OR qbsync.says_organisation(o.relname))
		AND qbsync.customer_role(c.refers_to) = 'organisation'
	ORDER BY c.attnum LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.organisations_of(regclass) IS 'Table of organisations that the persons of a table belong to, by foreign key; null: none';

CREATE FUNCTION qbsync.persons_of(organisation regclass)
RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT k.conrelid::regclass
	FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid AND NOT c.relispartition
	WHERE k.contype = 'f' AND k.confrelid = persons_of.organisation AND k.conrelid <> k.confrelid AND k.conparentid = 0
		AND qbsync.customer_role(k.conrelid) = 'person' AND qbsync.organisations_of(k.conrelid) = persons_of.organisation
	ORDER BY c.relname ~* '(person|people|contact|individu)' DESC, c.relname LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.persons_of(regclass) IS 'Table of persons that belong to the organisations of a table, by foreign key; null: none';

/* Do persons in a table of their own belong to organisations, but need not, so that both are customers? */
CREATE FUNCTION qbsync.is_pair(organisation regclass, person regclass)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT NOT EXISTS (SELECT FROM qbsync.table_columns(is_pair.person) c WHERE c.not_null AND c.name = ANY (
		(SELECT l.child_columns FROM qbsync.table_links(is_pair.person, is_pair.organisation) l
		 ORDER BY qbsync.says_organisation(l.child_columns[1]) DESC LIMIT 1)::text[]))
		AND is_pair.organisation IS NOT NULL AND is_pair.person IS NOT NULL;
$fn$;
COMMENT ON FUNCTION qbsync.is_pair(regclass, regclass) IS 'Whether customers are both the rows of a table of organisations and those of a table of persons who may belong to none';

/* Which kind of customers a table holds that a document refers to: as it is mapped, else as it would be suggested. */
CREATE FUNCTION qbsync.suggest_kind("table" regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(
		(SELECT CASE WHEN count(DISTINCT m.kind) = 1 THEN min(m.kind) ELSE 'any' END FROM qbsync.mapping m
		 WHERE m.entity = 'customer' AND m.family = 0 AND m.crm_table = qbsync.qualified(suggest_kind."table") HAVING count(*) > 0),
		CASE qbsync.customer_role(suggest_kind."table")
			WHEN 'person' THEN CASE WHEN qbsync.is_pair(qbsync.organisations_of(suggest_kind."table"), suggest_kind."table") THEN 'person' END
			WHEN 'organisation' THEN CASE WHEN qbsync.is_pair(suggest_kind."table", qbsync.persons_of(suggest_kind."table")) THEN 'organisation' END END,
		'any');
$fn$;
COMMENT ON FUNCTION qbsync.suggest_kind(regclass) IS 'person, organisation or any: which customers the rows of a table are';

/* The column that holds the value; of an address its first line, or the city. */
CREATE FUNCTION qbsync.child_value(child regclass, kind text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT c.name
	FROM qbsync.table_columns(child_value.child) c,
		qbsync.name_readings(c.name, (SELECT relname FROM pg_class WHERE oid = child_value.child)) r
	JOIN (SELECT 'email' AS kind, v.words || '{address,adresse,value,valeur}'::text[] AS words FROM qbsync.vocabulary() v WHERE v.scope = 'customer' AND v.meaning = 'emails'
		UNION ALL SELECT 'phone', v.words || '{number,numero,value,valeur,no}'::text[] FROM qbsync.vocabulary() v WHERE v.scope = 'customer' AND v.meaning = 'primary_phone'
		UNION ALL SELECT 'web', v.words || '{address,adresse,link,lien,value,valeur}'::text[] FROM qbsync.vocabulary() v WHERE v.scope = 'customer' AND v.meaning = 'web_addr'
		UNION ALL SELECT 'address', v.words FROM qbsync.vocabulary() v WHERE v.scope = 'address' AND v.meaning IN ('line1', 'city')) w
	ON w.kind = child_value.kind AND r.word = ANY (w.words)
	WHERE c.category = 'S' AND NOT c.is_key AND c.refers_to IS NULL AND c.writable
	ORDER BY array_position(w.words, r.word) + r.penalty, c.attnum LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.child_value(regclass, text) IS 'Column of a child table that holds the e-mail, number, web site or address; null: there is none';

/* What a child table holds, by its name, if it has a column for it. */
CREATE FUNCTION qbsync.child_kind(child regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT k.kind
	FROM (SELECT array_to_string(qbsync.name_words(c.relname), '_') AS name FROM pg_class c WHERE c.oid = child_kind.child) t,
		LATERAL (SELECT CASE
			WHEN t.name ~ '(^|_)(e_?mail|courriel)s?(_|$)' THEN 'email'
			WHEN t.name ~ '(^|_)(tele)?(phone|telephone|tel|fax)(s|_number|_numbers)?(_|$)' THEN 'phone'
			WHEN t.name ~ '(^|_)(web_?site|site_?web|web_?page|url|web)s?(_|$)' THEN 'web'
			WHEN t.name ~ '(^|_)(address|addresses|adresse|adresses|addr|emplacement|emplacements|lieux?)(_|$)' THEN 'address' END AS kind) k
	WHERE qbsync.child_value(child_kind.child, k.kind) IS NOT NULL;
$fn$;
COMMENT ON FUNCTION qbsync.child_kind(regclass) IS 'email, phone, web or address: what a child table holds, by its name and columns; null: none of them';

/* Labels that the type or a check allows, in order; null: the catalogs do not say. */
CREATE FUNCTION qbsync.known_labels("table" regclass, column_name text)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH a AS (
		SELECT a.attrelid, a.attnum, t.oid, t.typtype, t.typbasetype FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
		WHERE a.attrelid = known_labels."table" AND a.attname = known_labels.column_name
	)
	SELECT coalesce(
		(SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM a JOIN pg_enum e ON e.enumtypid IN (a.oid, a.typbasetype)),
		(SELECT array_agg(DISTINCT replace(m[1], '''''', ''''))
		 FROM a JOIN pg_constraint k ON k.contype = 'c' AND (k.conrelid = a.attrelid AND k.conkey = ARRAY[a.attnum] OR a.typtype = 'd' AND k.contypid = a.oid),
			regexp_matches(pg_get_constraintdef(k.oid), '''((?:[^'']|'''')*)''::', 'g') m
		 WHERE pg_get_constraintdef(k.oid) ~ '= ANY|[^<>!]= ''' AND m[1] <> ''));
$fn$;
COMMENT ON FUNCTION qbsync.known_labels(regclass, text) IS 'Values of a column that its enum type or a check constraint allows; null: the catalogs do not say';

/*
 * What labels of phones and addresses stand for: the stems by which they are known, those of other classes that win over
 * them, and the word that is written where the CRM does not say its own (CAP-12, X-25, KAR-15, KAR-16).
 */
CREATE FUNCTION qbsync.label_stems(OUT class text, OUT stems text, OUT before text, OUT best text, OUT word text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 6
SET search_path = pg_catalog, pg_temp
AS $fn$
	VALUES
		('primary_phone', '(work|main|business|office|bureau|travail|princip|primary|direct|phone)', '(fax|t[eé]l[eé]cop|mobile|cell|portable|gsm|home|maison|domicile|perso)', '(work|main|princip|bureau)', 'work'),
		('mobile', '(mobile|cell|portable|gsm)', '(fax|t[eé]l[eé]cop)', NULL, 'mobile'),
		('fax', '(fax|t[eé]l[eé]cop)', NULL, NULL, 'fax'),
		('alternate_phone', '(other|autre|home|maison|domicile|perso|altern|second)', '(fax|t[eé]l[eé]cop|mobile|cell|portable|gsm)', '(other|autre|altern|second)', 'other'),
		('bill', '(bill|factur|invoic|mailing|postal|correspond)', NULL, '(bill|factur|invoic|main|princip)', 'billing'),
		('ship', '(ship|livr|deliver|physi|exp[eé]d)', NULL, '(ship|livr|deliver)', 'shipping');
$fn$;
COMMENT ON FUNCTION qbsync.label_stems() IS 'By which stems a label of a phone or address is known as which column or address of QuickBooks';

/* Known labels of a class, the best first; empty: none. */
CREATE FUNCTION qbsync.labels_of(labels text[], class text)
RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(array_agg(u.label ORDER BY s.best IS NOT NULL AND u.label ~* ('[[:<:]]' || s.best) DESC, u.position), '{}')
	FROM unnest(labels_of.labels) WITH ORDINALITY u(label, position)
	JOIN qbsync.label_stems() s ON s.class = labels_of.class AND u.label ~* ('[[:<:]]' || s.stems) AND (s.before IS NULL OR u.label !~* ('[[:<:]]' || s.before));
$fn$;
COMMENT ON FUNCTION qbsync.labels_of(text[], text) IS 'Those of a list of labels that stand for a column or address of QuickBooks, the best first';

/*
 * A child table as the suggestion needs it, as jsonb: oid, table, keys, value, type, label, label_type, labels, lookup (of a
 * label that is a foreign key: table, key, name), flag, flag_index, position, created, order (an ORDER BY over alias c).
 */
CREATE FUNCTION qbsync.child_facts(child regclass, kind text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	label record;
	flag text;
	ordinal text;
	created text;
	keys text[] := coalesce(qbsync.table_key(child_facts.child), '{tableoid,ctid}');
	own text := (SELECT relname FROM pg_class WHERE oid = child_facts.child);
	value text := qbsync.child_value(child_facts.child, child_facts.kind);
	lookup text;
BEGIN
	SELECT c.* INTO label FROM qbsync.table_columns(child_facts.child) c
	WHERE qbsync.name_words(c.name) && '{kind,type,label,etiquette,libelle,category,categorie,usage,purpose,nature,genre}'
		AND (c.category IN ('S', 'E') OR c.refers_to IS NOT NULL) AND NOT c.is_key AND c.name IS DISTINCT FROM value
	ORDER BY c.refers_to IS NOT NULL DESC, c.is_enum DESC, qbsync.known_labels(child_facts.child, c.name) IS NOT NULL DESC, c.attnum LIMIT 1;
	SELECT c.name INTO flag FROM qbsync.table_columns(child_facts.child) c
	WHERE c.category = 'B' AND c.writable AND qbsync.name_words(c.name) && '{primary,main,default,preferred,principal,principale,defaut,favorite,prefere}'
	ORDER BY c.attnum LIMIT 1;
	SELECT c.name INTO ordinal FROM qbsync.table_columns(child_facts.child) c JOIN qbsync.vocabulary() v ON v.scope = 'invoice_line' AND v.meaning = 'position'
	WHERE c.category = 'N' AND c.writable AND array_to_string(qbsync.name_words(c.name), '') = ANY (v.words) AND c.refers_to IS NULL
	ORDER BY c.attnum LIMIT 1;
	SELECT c.name INTO created FROM qbsync.table_columns(child_facts.child) c
	WHERE c.category = 'D' AND array_to_string(qbsync.name_words(c.name), '') ~ '^(created(at|on|time|date)?|datecreated|creation(date)?|dateco?reation|datedecreation|creele|inserted(at|on)|addedat|dateadded)$'
	ORDER BY c.attnum LIMIT 1;
	IF label.refers_to IS NOT NULL THEN
		SELECT c.name INTO lookup FROM qbsync.table_columns(label.refers_to) c
		WHERE c.category = 'S' ORDER BY qbsync.name_words(c.name) && '{code,name,nom,label,libelle}' DESC, c.attnum LIMIT 1;
	END IF;
	RETURN jsonb_strip_nulls(jsonb_build_object(
		'oid', child_facts.child::oid, 'table', child_facts.child::text, 'keys', keys, 'value', value,
		'type', (SELECT c.type FROM qbsync.table_columns(child_facts.child) c WHERE c.name = value),
		'label', label.name, 'label_needed', label.not_null AND NOT label.has_default, 'label_null', NOT label.not_null,
		'labels', CASE WHEN label.refers_to IS NULL THEN to_jsonb(qbsync.known_labels(child_facts.child, label.name)) END,
		'lookup', CASE WHEN lookup IS NOT NULL THEN jsonb_build_object('table', label.refers_to::text, 'name', lookup,
			'key', (SELECT l.parent_columns[1] FROM qbsync.table_links(child_facts.child, label.refers_to) l WHERE l.child_columns = ARRAY[label.name])) END,
		'flag', flag, 'position', ordinal, 'created', created,
		'order', concat_ws(', ', 'c.' || quote_ident(flag) || ' DESC NULLS LAST', 'c.' || quote_ident(ordinal),
			(SELECT string_agg(format('c.%I', u.k), ', ' ORDER BY u.n) FROM unnest(keys) WITH ORDINALITY u(k, n)))));
END
$fn$;
COMMENT ON FUNCTION qbsync.child_facts(regclass, text) IS 'What qbsync_map_suggest has to know of a child table: its key, value, label, flag and order';
