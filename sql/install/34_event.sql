/*
 * Values that are called otherwise on the two sides, and what events in QuickBooks do to documents of the CRM.
 *
 * qbsync_map_value and qbsync_map_event are SECURITY DEFINER as the functions of 32_operate.sql: they write mappings' rows.
 */

/* Ids of the records of an entity that a person may mean by a value: the id itself, or the name in any case. */
CREATE FUNCTION qbsync.referred_ids(connection_id integer, entity text, value text)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	names text := (SELECT string_agg(format('lower(r.%I) = lower($2)', k."column"), ' OR ')
				   FROM qbsync.catalogue_column k
				   WHERE k."table" = referred_ids.entity AND k."column" IN ('name', 'fully_qualified_name', 'display_name'));
	ids text[];
BEGIN
	-- An inactive record is meant only when no active one is.
	EXECUTE format('SELECT array_agg(x.id ORDER BY x.id) FROM (SELECT r.id, rank() OVER (ORDER BY r.active IS FALSE) AS place FROM qbsync.%I r '
				   'WHERE r.connection_id = $1 AND r.deleted_at IS NULL AND (r.id = $2 OR %s)) x WHERE x.place = 1',
				   referred_ids.entity, coalesce(names, 'false'))
	INTO ids USING referred_ids.connection_id, referred_ids.value;
	RETURN coalesce(ids, '{}');
END
$fn$;
COMMENT ON FUNCTION qbsync.referred_ids(integer, text, text) IS 'Ids of the records of an entity with a name list that a value may mean';

CREATE FUNCTION qbsync.resolve_reference(connection_id integer, entity text, value text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	ids text[];
BEGIN
	-- What is not mirrored cannot be looked up: its id must be given.
	IF NOT EXISTS (SELECT FROM qbsync.catalogue e WHERE e.entity = resolve_reference.entity AND e.name_list) THEN
		RETURN resolve_reference.value;
	END IF;
	ids := qbsync.referred_ids(resolve_reference.connection_id, resolve_reference.entity, resolve_reference.value);
	IF cardinality(ids) = 1 THEN
		RETURN ids[1];
	ELSIF cardinality(ids) > 1 THEN
		RAISE EXCEPTION 'several records of % are called "%" in QuickBooks', resolve_reference.entity, resolve_reference.value
			USING ERRCODE = 'ambiguous_alias', DETAIL = format('Their ids are: %s.', array_to_string(ids[1:20], ', ')),
				  HINT = 'Give the id of one of them.';
	END IF;
	RAISE EXCEPTION 'no record of % is called "%" in QuickBooks', resolve_reference.entity, resolve_reference.value
		USING ERRCODE = 'undefined_object', DETAIL = 'It is neither a name nor an id.',
			  HINT = format('SELECT * FROM qbsync.%I shows what there is.', resolve_reference.entity);
END
$fn$;
COMMENT ON FUNCTION qbsync.resolve_reference(integer, text, text) IS 'QuickBooks'' id of a record that a person names (ORD-15); an error when it is unknown or ambiguous. Ids of entities without a mirror table are taken as they are';

/* The entity that a map's QuickBooks values are ids of; null for plain values. */
CREATE FUNCTION qbsync.value_map_entity(mapping_id integer, name text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	entities text[];
BEGIN
	SELECT array_agg(DISTINCT coalesce(k.refers_to, '')) INTO entities
	FROM qbsync.column_policy p
	JOIN qbsync.mapping m ON m.mapping_id = p.mapping_id
	JOIN qbsync.catalogue e ON e.entity = m.entity
	JOIN qbsync.catalogue_column k ON k."column" = p.column_name
		AND (k."table" = e.entity AND p.column_name = ANY (m.columns) OR k."table" = e.line_table AND p.column_name = ANY (m.line_columns))
	WHERE p.mapping_id = value_map_entity.mapping_id AND p.policy = 'value_map' AND p.value = value_map_entity.name;
	IF cardinality(entities) > 1 THEN
		RAISE EXCEPTION 'value map "%" would serve columns of different kinds', value_map_entity.name
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'Its QuickBooks values cannot be ids of two entities.',
				  HINT = 'Use a map of another name for one of the columns.';
	END IF;
	RETURN nullif(entities[1], '');
END
$fn$;
COMMENT ON FUNCTION qbsync.value_map_entity(integer, text) IS 'Entity whose ids are the QuickBooks values of a value map, by the columns that use it; null when they are plain values';

/* A map may be filled before a column uses it; names in it become ids then. */
CREATE FUNCTION qbsync.resolve_value_map(mapping_id integer, name text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	entity text := qbsync.value_map_entity(resolve_value_map.mapping_id, resolve_value_map.name);
BEGIN
	IF entity IS NOT NULL THEN
		UPDATE qbsync.value_map v
		SET quickbooks_value = qbsync.resolve_reference((SELECT m.connection_id FROM qbsync.mapping m WHERE m.mapping_id = v.mapping_id),
														entity, v.quickbooks_value)
		WHERE v.mapping_id = resolve_value_map.mapping_id AND v.name = resolve_value_map.name;
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.resolve_value_map(integer, text) IS 'Turns names in a value map into ids, once a column that holds ids uses it';

/* What waited for a decision of this kind is tried at once. */
CREATE FUNCTION qbsync.release_errors(mapping_id integer, problem text)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	UPDATE qbsync.crm_error e SET next_attempt_at = now()
	WHERE e.mapping_id = release_errors.mapping_id AND e.problem = release_errors.problem;
	SELECT qbsync.wake();
$fn$;
COMMENT ON FUNCTION qbsync.release_errors(integer, text) IS 'Lets records of a mapping that wait with a problem be tried at once';

CREATE FUNCTION @extschema@.qbsync_map_value(
	name text DEFAULT NULL,
	crm_value text DEFAULT NULL,
	quickbooks_value text DEFAULT NULL,
	mapping text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	entity text;
	old_value text;
	new_value text := qbsync_map_value.quickbooks_value;
BEGIN
	IF btrim(coalesce(qbsync_map_value.name, '')) = '' OR qbsync_map_value.crm_value IS NULL THEN
		RAISE EXCEPTION '% is missing', CASE WHEN qbsync_map_value.crm_value IS NULL AND qbsync_map_value.name <> '' THEN 'crm_value' ELSE 'name' END
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'SELECT qbsync_map_value(''terms'', ''30 days'', ''Net 30''); a null QuickBooks value removes the CRM''s.';
	END IF;
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = qbsync.the_mapping(qbsync_map_value.mapping);
	SELECT v.quickbooks_value INTO old_value FROM qbsync.value_map v
	WHERE v.mapping_id = m.mapping_id AND v.name = qbsync_map_value.name AND v.crm_value = qbsync_map_value.crm_value;
	IF new_value IS NULL THEN
		DELETE FROM qbsync.value_map v
		WHERE v.mapping_id = m.mapping_id AND v.name = qbsync_map_value.name AND v.crm_value = qbsync_map_value.crm_value;
	ELSE
		entity := qbsync.value_map_entity(m.mapping_id, qbsync_map_value.name);
		IF entity IS NOT NULL THEN
			new_value := qbsync.resolve_reference(m.connection_id, entity, new_value);
		END IF;
		INSERT INTO qbsync.value_map AS v (mapping_id, name, crm_value, quickbooks_value)
		VALUES (m.mapping_id, qbsync_map_value.name, qbsync_map_value.crm_value, new_value)
		ON CONFLICT ON CONSTRAINT value_map_pkey DO UPDATE SET quickbooks_value = EXCLUDED.quickbooks_value;
	END IF;
	-- A new entry matters to what waits for it; one that changed, to everything that used it.
	IF old_value IS DISTINCT FROM new_value AND old_value IS NOT NULL THEN
		PERFORM qbsync.look_again(m.connection_id, m.mapping_id, 'value_map');
	END IF;
	PERFORM qbsync.retry_sends(m.mapping_id, ARRAY(SELECT e.crm_key FROM qbsync.send_error e
												   WHERE e.mapping_id = m.mapping_id AND e.problem = 'send_bad_value' AND e.code IS NULL));
	PERFORM qbsync.release_errors(m.mapping_id, 'value_not_mapped');
	RETURN new_value;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_map_value(text, text, text, text) IS 'Say which QuickBooks value a value of the CRM stands for, in a named value map of a mapping; names of terms, products and the like are looked up. Null removes it. Returns what is stored, an id for references. SECURITY DEFINER: writes qbsync.value_map';

CREATE FUNCTION qbsync.check_event_rule(mapping_id integer, event text, column_name text, "position" integer)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	events text[] := '{invoice_updated,payment_created,reopened,partially_paid,paid,overdue,emailed,voided,deleted}';
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = check_event_rule.mapping_id;
	IF m.entity <> 'invoice' THEN
		RAISE EXCEPTION 'mapping "%" has no events', m.name
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It maps entity %s; events happen to invoices.', m.entity);
	ELSIF check_event_rule.event IS NULL OR check_event_rule.event <> ALL (events) THEN
		RAISE EXCEPTION 'event "%" does not exist', check_event_rule.event
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('The events are: %s.', array_to_string(events, ', ')),
				  HINT = 'SELECT qbsync_map_event(''paid'', ''status'', ''Paid'', from_values => ''{Awaiting payment}'');';
	ELSIF check_event_rule.column_name IS NULL OR check_event_rule.column_name <> ALL (m.columns || m.extra_columns) THEN
		RAISE EXCEPTION 'mapping "%" has no column "%"', m.name, check_event_rule.column_name
			USING ERRCODE = 'undefined_column',
				  DETAIL = format('Its columns are: %s.', array_to_string(m.columns || m.extra_columns, ', ')),
				  HINT = 'A column of the CRM''s own is declared with qbsync_map(…, extra => …).';
	ELSIF check_event_rule."position" IS NULL THEN
		RAISE EXCEPTION 'priority is missing' USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.check_event_rule(integer, text, text, integer) IS 'Raises an error unless a mapping can have such an event rule';

CREATE FUNCTION @extschema@.qbsync_map_event(
	event text DEFAULT NULL,
	column_name text DEFAULT NULL,
	to_value text DEFAULT NULL,
	from_values text[] DEFAULT NULL,
	mapping text DEFAULT NULL,
	priority integer DEFAULT 100)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer := qbsync.the_mapping(qbsync_map_event.mapping);
BEGIN
	PERFORM qbsync.check_event_rule(id, qbsync_map_event.event, qbsync_map_event.column_name, qbsync_map_event.priority);
	IF qbsync_map_event.to_value IS NULL THEN
		DELETE FROM qbsync.event_rule r
		WHERE r.mapping_id = id AND r.event = qbsync_map_event.event AND r.column_name = qbsync_map_event.column_name;
	ELSE
		INSERT INTO qbsync.event_rule AS r (mapping_id, "position", event, column_name, to_value, from_values)
		VALUES (id, qbsync_map_event.priority, qbsync_map_event.event, qbsync_map_event.column_name, qbsync_map_event.to_value,
				nullif(qbsync_map_event.from_values, '{}'))
		ON CONFLICT ON CONSTRAINT event_rule_mapping_id_event_column_name_key
			DO UPDATE SET "position" = EXCLUDED."position", to_value = EXCLUDED.to_value, from_values = EXCLUDED.from_values;
	END IF;
	PERFORM qbsync.release_errors(id, 'transition_not_allowed');
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_map_event(text, text, text, text[], text, integer) IS 'Say what an event in QuickBooks (invoice_updated, payment_created, reopened, partially_paid, paid, overdue, emailed, voided, deleted) does to a column of the CRM''s invoice: to_value, when it has one of from_values (null: any). A null to_value removes the rule. SECURITY DEFINER: writes qbsync.event_rule';

/*
 * What event rules compare an invoice with.  Per invoice two look-ups by index, so that the price is that of the invoices
 * asked for, be it one or all.
 *
 * state follows qbsync.invoice_status.  content is a fingerprint of what people edit: a payment, a reminder or the passing
 * of a due date leaves it as it is.  It is stored in links and dumped with them, so it is made of values alone and in a
 * form of its own (days as numbers, amounts without trailing zeros): settings, versions and platforms do not change it.
 * Its prefix is the version of the recipe: fingerprints of different versions are not compared.
 */
CREATE VIEW qbsync.invoice_facts AS
SELECT i.connection_id, i.id,
	jsonb_build_object(
		'state', s.state,
		'overdue', s.state IN ('open', 'partially_paid') AND coalesce(i.due_date < qbsync.today(
			(SELECT f.default_time_zone FROM qbsync.company_info f WHERE f.connection_id = i.connection_id AND f.id = '1')), false),
		'emailed', i.email_status IS NOT DISTINCT FROM 'EmailSent',
		'payments', coalesce(p.payments, '{}'),
		'content', '1:' || md5(ROW(i.doc_number, i.customer_id, i.txn_date - '2000-01-01'::date, i.due_date - '2000-01-01'::date, i.term_id,
			i.ship_date - '2000-01-01'::date, i.ship_method, i.tracking_num,
			i.bill_line1, i.bill_line2, i.bill_line3, i.bill_city, i.bill_region, i.bill_postal_code, i.bill_country,
			i.ship_line1, i.ship_line2, i.ship_line3, i.ship_city, i.ship_region, i.ship_postal_code, i.ship_country,
			i.bill_email, i.customer_memo, i.private_note, i.class_id, i.department_id, i.currency,
			trim_scale(i.total_amt), trim_scale(i.total_tax), i.tax_code_id, trim_scale(i.deposit), n.content)::text)
	) AS facts
FROM qbsync.invoice i
CROSS JOIN LATERAL (
	SELECT bool_and(l.qty IS NOT NULL AND l.qty = 0 AND coalesce(l.amount, 0) = 0) FILTER (WHERE l.detail_type ILIKE 'sales%item%') AS nothing,
		string_agg(ROW(l.detail_type, l.description, trim_scale(l.amount), l.item_id, trim_scale(l.qty), trim_scale(l.unit_price),
					   l.service_date - '2000-01-01'::date, l.tax_code_id, l.class_id, l.percent_based, trim_scale(l.discount_percent))::text,
				   '' ORDER BY l."position") AS content
	FROM qbsync.invoice_line l
	WHERE l.connection_id = i.connection_id AND l.invoice_id = i.id
	OFFSET 0
) n
CROSS JOIN LATERAL (
	SELECT qbsync.invoice_state(i.deleted_at, i.total_amt, i.balance, i.private_note, n.nothing AND i.sync_token <> '0') AS state
	OFFSET 0
) s
LEFT JOIN LATERAL (
	SELECT jsonb_object_agg(g.payment_id, trim_scale(g.amount)) AS payments
	FROM (SELECT l.payment_id, sum(l.amount) AS amount
		  FROM qbsync.payment_line l
		  JOIN qbsync.payment m ON m.connection_id = l.connection_id AND m.id = l.payment_id AND m.deleted_at IS NULL
		  WHERE l.connection_id = i.connection_id AND l.txn_id = i.id AND l.txn_type = 'Invoice'
		  GROUP BY l.payment_id) g
	WHERE g.amount <> 0
) p ON true;
COMMENT ON VIEW qbsync.invoice_facts IS 'What event rules compare invoices with: {state, overdue, emailed, payments: {payment id: amount applied}, content: fingerprint of what people edit}';

CREATE FUNCTION qbsync.document_facts(connection_id integer, entity text, id text)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT f.facts FROM qbsync.invoice_facts f
	WHERE document_facts.entity = 'invoice' AND f.connection_id = document_facts.connection_id AND f.id = document_facts.id;
$fn$;
COMMENT ON FUNCTION qbsync.document_facts(integer, text, text) IS 'Facts of one document, see qbsync.invoice_facts; null for entities without events. For many, join the view';

/*
 * What happened between two looks, in the order in which it usually happens; the last word is that of what ends an
 * invoice.  One look may tell of several things at once, and of payments only that there were new ones.
 */
CREATE FUNCTION qbsync.new_events(old jsonb, new jsonb)
RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	was text := old ->> 'state';
	is_now text := new ->> 'state';
	events text[] := '{}';
BEGIN
	IF old IS NULL OR new IS NULL OR old = new THEN
		RETURN '{}';
	ELSIF is_now = 'deleted' THEN
		RETURN CASE WHEN was <> 'deleted' THEN '{deleted}'::text[] ELSE '{}' END;
	END IF;
	IF is_now <> 'voided' AND new ->> 'content' <> old ->> 'content'
		AND split_part(new ->> 'content', ':', 1) = split_part(old ->> 'content', ':', 1) THEN
		events := events || 'invoice_updated'::text;
	END IF;
	IF (new -> 'payments') - ARRAY(SELECT jsonb_object_keys(old -> 'payments')) <> '{}' THEN
		events := events || 'payment_created'::text;
	END IF;
	-- before the state it is in now: a rule for each leads from the one to the other
	IF was IN ('paid', 'partially_paid') AND is_now = 'open' OR was = 'paid' AND is_now = 'partially_paid' THEN
		events := events || 'reopened'::text;
	END IF;
	IF is_now <> was AND is_now IN ('partially_paid', 'paid') THEN
		events := events || is_now;
	END IF;
	IF (new ->> 'emailed')::boolean AND NOT (old ->> 'emailed')::boolean THEN
		events := events || 'emailed'::text;
	END IF;
	IF (new ->> 'overdue')::boolean AND NOT (old ->> 'overdue')::boolean THEN
		events := events || 'overdue'::text;
	END IF;
	RETURN CASE WHEN is_now = 'voided' AND was <> 'voided' THEN events || 'voided'::text ELSE events END;
END
$fn$;
COMMENT ON FUNCTION qbsync.new_events(jsonb, jsonb) IS 'Events that happened between two states of facts (qbsync.invoice_facts), in order; none when one of them is not known: what was so when a document was linked is no event';

/* An event that waits and tells of a state which is over would move the CRM's document to what is not so. */
CREATE FUNCTION qbsync.standing_events(events text[], facts jsonb)
RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT array_agg(e.event ORDER BY e.position)
	FROM unnest(standing_events.events) WITH ORDINALITY e(event, position)
	WHERE CASE WHEN standing_events.facts IS NULL THEN true
		WHEN e.event IN ('partially_paid', 'paid', 'voided', 'deleted') THEN standing_events.facts ->> 'state' = e.event
		WHEN e.event = 'reopened' THEN standing_events.facts ->> 'state' IN ('open', 'partially_paid')
		WHEN e.event = 'overdue' THEN (standing_events.facts ->> 'overdue')::boolean
		ELSE true END;
$fn$;
COMMENT ON FUNCTION qbsync.standing_events(text[], jsonb) IS 'Of events that wait to be applied those that still hold under new facts (qbsync.invoice_facts): what happened stays, a state that is over does not; null: none';

/* An invoice becomes overdue because a day has passed: nothing arrives that would tell. */
CREATE FUNCTION qbsync.note_overdue()
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH noted AS (
		INSERT INTO qbsync.arrival (mapping_id, id)
		SELECT m.mapping_id, i.id
		FROM qbsync.mapping m
		JOIN qbsync.visible_connection v ON v.connection_id = m.connection_id
		JOIN qbsync.link l ON l.mapping_id = m.mapping_id AND l.state = 'linked' AND l.facts -> 'overdue' = 'false'
		JOIN qbsync.invoice i ON i.connection_id = l.connection_id AND i.id = l.id
		WHERE m.state = 'enabled' AND m.entity = 'invoice'
		  AND EXISTS (SELECT FROM qbsync.event_rule r WHERE r.mapping_id = m.mapping_id AND r.event = 'overdue')
		  AND i.deleted_at IS NULL AND i.balance > 0 AND i.due_date < qbsync.today(v.time_zone)
		  AND NOT EXISTS (SELECT FROM qbsync.arrival a WHERE a.mapping_id = m.mapping_id AND a.id = i.id)
		RETURNING 1)
	SELECT count(*) FROM noted;
$fn$;
COMMENT ON FUNCTION qbsync.note_overdue() IS 'Lets apply workers look at invoices that became overdue since they last did, where a rule is about that; returns how many. The gateway calls it every hour';
