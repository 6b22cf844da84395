/*
 * References to customers, where a company's customers are in two tables of the CRM.
 *
 * Two mappings by kind (persons, organisations) are one family, but each has keys of its own: person 7 is not organisation 7.
 * A column <kind>_key of a view holds the key only where the customer is of that kind, and is null otherwise; in a view of
 * customers it is the parent's.  All of them together are one unit of merging: one customer, not several facts.
 */

/* The kinds that tables of customers are told apart by, from the name of a column. */
CREATE FUNCTION qbsync.reference_kind(name text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE reference_kind.name WHEN 'person_key' THEN 'person' WHEN 'organisation_key' THEN 'organisation' END;
$fn$;
COMMENT ON FUNCTION qbsync.reference_kind(text) IS 'Kind of customers whose key a column …_key of a view holds; null: it is no such column';

/* customer_id of documents, parent_id of customers. */
CREATE FUNCTION qbsync.customer_reference(catalogue_table text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT c."column" FROM qbsync.catalogue_columns(customer_reference.catalogue_table) c
	WHERE customer_reference.catalogue_table IS NOT NULL AND c.refers_to = 'customer' ORDER BY c.ordinal LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.customer_reference(text) IS 'Column of an entity that says its customer (of a customer: its parent), which person_key and organisation_key stand for; null: there is none';

/* A customer's parent is one of its own family, a document's customer is one that the views show. */
CREATE FUNCTION qbsync.customer_mappings(m qbsync.mapping)
RETURNS SETOF qbsync.mapping
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT o.* FROM qbsync.mapping o
	WHERE o.connection_id = m.connection_id AND o.entity = 'customer' AND o.mapping_id IS DISTINCT FROM m.mapping_id
	  AND o.family = CASE m.entity WHEN 'customer' THEN m.family ELSE 0 END
	UNION ALL
	SELECT m.* WHERE m.entity = 'customer';
$fn$;
COMMENT ON FUNCTION qbsync.customer_mappings(qbsync.mapping) IS 'Mappings of the customers that the records of a mapping, stored or not, may refer to';

/*
 * Could a key be one of two records?  Not within one table, nor where all keys are uuids: those are made to be different.
 */
CREATE FUNCTION qbsync.customer_keys_collide(m qbsync.mapping)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (
		SELECT count(DISTINCT c.crm_table) > 1 AND NOT bool_and(cardinality(c.key_columns) = 1 AND EXISTS (
			SELECT FROM pg_attribute a
			WHERE a.attrelid = qbsync.current_relation(c.view, c.view_name) AND a.attname = c.key_columns[1] AND a.attnum > 0
			  AND qbsync.base_type(a.atttypid) = 'uuid'::regtype))
		FROM qbsync.customer_mappings(m) c);
END
$fn$;
COMMENT ON FUNCTION qbsync.customer_keys_collide(qbsync.mapping) IS 'Are the customers that a mapping may refer to in several tables, so that a key alone does not say which one?';

CREATE FUNCTION qbsync.reference_problems(m qbsync.mapping)
RETURNS TABLE (problem text, detail text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	reference text := regexp_replace(qbsync.customer_reference(m.entity), '_id$', '_key');
BEGIN
	IF reference = ANY (m.columns) AND qbsync.customer_keys_collide(m) THEN
		RETURN QUERY
			SELECT 'reference_ambiguous',
				format('Column %s of %s does not say which table the key is of: %s.', quote_ident(reference), m.view_name,
					   string_agg(format('%s has the customers of kind %s', c.crm_table, c.kind), ', ' ORDER BY c.kind DESC)),
				format('Give the view %s instead of %s, each null where it does not apply, and call qbsync_map again under the name %L.',
					   string_agg(c.kind || '_key', ' and ' ORDER BY c.kind DESC), quote_ident(reference), m.name)
			FROM qbsync.customer_mappings(m) c;
	END IF;
	RETURN QUERY
		SELECT 'reference_ambiguous',
			format('Column %s of %s asks for the kind of a customer, but mapping "%s" has those of all kinds.', quote_ident(n.name), m.view_name, c.name),
			format('Call the column %s in the view.', quote_ident(reference))
		FROM unnest(m.columns) n(name), qbsync.customer_mappings(m) c
		WHERE qbsync.reference_kind(n.name) IS NOT NULL AND c.kind = 'any';
END
$fn$;
COMMENT ON FUNCTION qbsync.reference_problems(qbsync.mapping) IS 'What is wrong with how a mapping refers to customers, by how these are mapped';

/* What another mapping of customers makes ambiguous must not go on for a moment. */
CREATE FUNCTION qbsync.stop_ambiguous(m qbsync.mapping)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	UPDATE qbsync.mapping k
	SET problem = 'mapping_broken', problem_detail = p.text, problem_since = now(), attempts = 1, next_attempt_at = now()
	FROM qbsync.mapping o
	CROSS JOIN LATERAL (SELECT string_agg(concat_ws(' ', r.detail, r.hint), ' ') AS text FROM qbsync.reference_problems(o) r) p
	WHERE k.mapping_id = o.mapping_id AND o.connection_id = m.connection_id AND o.mapping_id <> m.mapping_id AND m.entity = 'customer'
	  AND o.state = 'enabled' AND o.problem IS NULL AND p.text IS NOT NULL;
$fn$;
COMMENT ON FUNCTION qbsync.stop_ambiguous(qbsync.mapping) IS 'Marks the mappings as broken whose references to customers became ambiguous by a new mapping of customers';

/* Details of records that wait, in the language of their mapping. */
INSERT INTO qbsync.label (kind, value, language, label) VALUES
	('sentence', 'lacking_kind', 'en', ' A customer of kind %s needs the column %s, which the view does not have.'),
	('sentence', 'lacking_kind', 'fr', ' Un client de type %s demande la colonne %s, que la vue n''a pas.'),
	('sentence', 'waits_for', 'en', 'It waits for %s to be linked.'), ('sentence', 'waits_for', 'fr', 'Elle attend que %s soit lié.'),
	('sentence', 'not_mapped', 'en', 'Not mapped: %s.'), ('sentence', 'not_mapped', 'fr', 'Sans traduction : %s.'),
	('sentence', 'may_be', 'en', 'It may be: %s.'), ('sentence', 'may_be', 'fr', 'C''est peut-être : %s.');

CREATE FUNCTION qbsync.mapping_language(m qbsync.mapping)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.language((m).policies, c.settings) FROM qbsync.connection c WHERE c.connection_id = (m).connection_id;
$fn$;
COMMENT ON FUNCTION qbsync.mapping_language(qbsync.mapping) IS 'Language of the words about a mapping, see qbsync.language';

CREATE FUNCTION qbsync.mapping_sentence(m qbsync.mapping, value text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.label('sentence', mapping_sentence.value, qbsync.mapping_language(m));
$fn$;
COMMENT ON FUNCTION qbsync.mapping_sentence(qbsync.mapping, text) IS 'A sentence of qbsync.label in the language of a mapping, with its places for particulars';

/* A view may be of documents of one kind of customers alone; those of the others wait, and are told what for. */
CREATE FUNCTION qbsync.lacking_kinds(m qbsync.mapping)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format(qbsync.mapping_sentence(m, 'lacking_kind'), c.kind, c.kind || '_key')
	FROM qbsync.customer_mappings(m) c
	WHERE c.kind <> 'any' AND c.kind || '_key' <> ALL (m.columns)
	  AND EXISTS (SELECT FROM unnest(m.columns) n(name) WHERE qbsync.reference_kind(n.name) IS NOT NULL)
	  AND regexp_replace(qbsync.customer_reference(m.entity), '_id$', '_key') <> ALL (m.columns)
	LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.lacking_kinds(qbsync.mapping) IS 'What to say of records that wait because the view has a column for one kind of customers only; null when it has one for each';
