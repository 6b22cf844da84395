/*
 * Estimates and invoices as opportunities (CEN-19…32): the sales stages, which are data, and the view.
 */

/*
 * Sales stages.  What people say goes before what is shipped, a company's before that of all, a state's own before *.
 */
CREATE TABLE qbsync.stage (
	connection_id	integer NOT NULL DEFAULT 0,
	entity			text NOT NULL CHECK (entity IN ('estimate', 'invoice')),
	state			text NOT NULL CHECK (state <> ''),
	shipped			boolean NOT NULL DEFAULT false,
	stage			text NOT NULL CHECK (stage <> ''),
	probability		numeric NOT NULL CHECK (probability BETWEEN 0 AND 100),
	PRIMARY KEY (entity, state, connection_id, shipped)
);
COMMENT ON TABLE qbsync.stage IS 'Sales stage and probability for the state of an estimate or invoice, see qbsync_map_stage';
COMMENT ON COLUMN qbsync.stage.connection_id IS '0: every company';
COMMENT ON COLUMN qbsync.stage.state IS 'state of estimate_status or invoice_status; *: every other';
COMMENT ON COLUMN qbsync.stage.stage IS 'code or name; shown through qbsync.label';
COMMENT ON COLUMN qbsync.stage.probability IS 'percent';
INSERT INTO qbsync.stage (entity, state, stage, probability, shipped) VALUES
	('estimate', 'rejected', 'lost', 0, true),			-- CEN-28
	('estimate', 'pending', 'qualified', 40, true),		-- CEN-29
	('estimate', 'accepted', 'advanced', 80, true),		-- CEN-30
	('estimate', 'closed', 'advanced', 90, true),		-- CEN-31
	('estimate', 'converted', 'advanced', 90, true),	-- what newer companies call closed
	('estimate', '*', 'qualified', 40, true),			-- a word QuickBooks adds some day: nobody has said yes or no
	('invoice', 'voided', 'lost', 0, true),
	('invoice', '*', 'won', 100, true);					-- CEN-32

CREATE FUNCTION @extschema@.qbsync_map_stage(
	entity text,
	state text,
	stage text,
	probability numeric DEFAULT NULL,
	connection text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	company integer := CASE WHEN qbsync_map_stage.connection IS NULL THEN 0 ELSE qbsync.the_connection(qbsync_map_stage.connection) END;
BEGIN
	IF qbsync_map_stage.entity IS NULL OR qbsync_map_stage.entity NOT IN ('estimate', 'invoice') THEN
		RAISE EXCEPTION 'entity is not valid: %', coalesce(quote_literal(qbsync_map_stage.entity), 'null')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Stages are of an estimate or an invoice.';
	ELSIF coalesce(qbsync_map_stage.state, '') !~ '^([a-z_]+|\*)$' THEN
		RAISE EXCEPTION 'state is not valid: %', coalesce(quote_literal(qbsync_map_stage.state), 'null')
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = format('It is a state of qbsync.%s_status, such as %s, or * for every other.', qbsync_map_stage.entity,
								CASE qbsync_map_stage.entity WHEN 'estimate' THEN 'pending' ELSE 'paid' END);
	END IF;
	IF qbsync_map_stage.stage IS NULL THEN
		DELETE FROM qbsync.stage s
		WHERE s.entity = qbsync_map_stage.entity AND s.state = qbsync_map_stage.state AND s.connection_id = company AND NOT s.shipped;
		RETURN;
	ELSIF qbsync_map_stage.stage = '' THEN
		RAISE EXCEPTION 'stage cannot be empty'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'stage => NULL goes back to what is shipped.';
	ELSIF coalesce(qbsync_map_stage.probability, -1) NOT BETWEEN 0 AND 100 THEN
		RAISE EXCEPTION 'probability is not valid: %', coalesce(qbsync_map_stage.probability::text, 'null')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'It is a percentage from 0 to 100.';
	END IF;
	INSERT INTO qbsync.stage AS s (connection_id, entity, state, stage, probability)
	VALUES (company, qbsync_map_stage.entity, qbsync_map_stage.state, qbsync_map_stage.stage, qbsync_map_stage.probability)
	ON CONFLICT ON CONSTRAINT stage_pkey DO UPDATE SET stage = excluded.stage, probability = excluded.probability;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_map_stage(text, text, text, numeric, text) IS 'Which sales stage, with which probability (percent), qbsync.pipeline shows for a state of estimates or invoices: of one company (connection), or of all (null). state: one of estimate_status or invoice_status, or * for every other; stage: a name, or null to go back to what is shipped. SECURITY DEFINER: writes qbsync.stage';

/*
 * An estimate that was invoiced stands beside its invoices, as it does in QuickBooks; only what is not invoiced yet counts
 * for its expected amount, so that a sum over all rows is a forecast.
 */
CREATE VIEW qbsync.pipeline AS
SELECT o.connection, o.connection_id, o.entity, o.id, o.doc_number AS title,
	o.crm_table, o.crm_key, o.customer_id, o.customer, o.txn_date, o.close_date, o.state,
	g.stage, qbsync.label('stage', g.stage, v.language) AS stage_label, g.probability,
	o.currency, o.total - coalesce(o.tax, 0) AS subtotal,
	(SELECT coalesce(sum(l.amount), 0) FROM qbsync.estimate_line l
	 WHERE o.entity = 'estimate' AND l.connection_id = o.connection_id AND l.estimate_id = o.id AND l.item_id = 'SHIPPING_ITEM_ID')
	+ (SELECT coalesce(sum(l.amount), 0) FROM qbsync.invoice_line l
	 WHERE o.entity = 'invoice' AND l.connection_id = o.connection_id AND l.invoice_id = o.id AND l.item_id = 'SHIPPING_ITEM_ID') AS shipping,
	(SELECT coalesce(sum(l.amount), 0) FROM qbsync.estimate_line l
	 WHERE o.entity = 'estimate' AND l.connection_id = o.connection_id AND l.estimate_id = o.id AND l.detail_type = 'DiscountLineDetail')
	+ (SELECT coalesce(sum(l.amount), 0) FROM qbsync.invoice_line l
	 WHERE o.entity = 'invoice' AND l.connection_id = o.connection_id AND l.invoice_id = o.id AND l.detail_type = 'DiscountLineDetail') AS discount,
	coalesce(o.tax, 0) AS tax, o.total, n.invoiced,
	round(greatest(o.total - coalesce(o.tax, 0) - n.invoiced, 0) * g.probability / 100, 2) AS expected,
	o.is_open,
	ARRAY(SELECT DISTINCT c.fully_qualified_name
		  FROM (SELECT l.item_id FROM qbsync.estimate_line l
				WHERE o.entity = 'estimate' AND l.connection_id = o.connection_id AND l.estimate_id = o.id
				UNION SELECT l.item_id FROM qbsync.invoice_line l
				WHERE o.entity = 'invoice' AND l.connection_id = o.connection_id AND l.invoice_id = o.id) l
		  JOIN qbsync.item i ON i.connection_id = o.connection_id AND i.id = l.item_id
		  JOIN qbsync.item c ON c.connection_id = i.connection_id AND c.id = i.parent_id AND c.type = 'Category'
		  ORDER BY 1) AS categories,
	o.url, o.last_updated_time
FROM (
	SELECT s.connection, s.connection_id, 'estimate' AS entity, s.id, s.doc_number, s.crm_table, s.crm_key, s.customer_id, s.customer,
		s.txn_date, s.expiration_date AS close_date, s.state, s.currency, s.total, e.total_tax AS tax, s.is_open, s.invoice_ids, s.url, s.last_updated_time
	FROM qbsync.estimate_status s
	JOIN qbsync.estimate e ON e.connection_id = s.connection_id AND e.id = s.id
	WHERE s.state <> 'deleted'
	UNION ALL
	SELECT s.connection, s.connection_id, 'invoice', s.id, s.doc_number, s.crm_table, s.crm_key, s.customer_id, s.customer,
		s.txn_date, s.txn_date, s.state, s.currency, s.total, i.total_tax, s.state IN ('open', 'partially_paid'), NULL, s.url, s.last_updated_time
	FROM qbsync.invoice_status s
	JOIN qbsync.invoice i ON i.connection_id = s.connection_id AND i.id = s.id
	WHERE s.state <> 'deleted'
) o
JOIN qbsync.visible_connection v ON v.connection_id = o.connection_id
CROSS JOIN LATERAL (
	SELECT coalesce(sum(i.total_amt - coalesce(i.total_tax, 0)), 0) AS invoiced
	FROM qbsync.invoice i
	WHERE i.connection_id = o.connection_id AND i.id = ANY (o.invoice_ids) AND i.deleted_at IS NULL
) n
CROSS JOIN LATERAL (
	SELECT k.stage, k.probability
	FROM qbsync.stage k
	WHERE k.entity = o.entity AND k.state IN (o.state, '*') AND k.connection_id IN (o.connection_id, 0)
	ORDER BY k.connection_id <> 0 DESC, k.state <> '*' DESC, NOT k.shipped DESC
	LIMIT 1
) g;
COMMENT ON VIEW qbsync.pipeline IS 'Estimates and invoices as opportunities, with sales stage and probability by qbsync.stage; amounts are in the document''s currency';
COMMENT ON COLUMN qbsync.pipeline.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.pipeline.entity IS 'estimate or invoice';
COMMENT ON COLUMN qbsync.pipeline.title IS 'its number (CEN-19)';
COMMENT ON COLUMN qbsync.pipeline.crm_table IS 'table of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.pipeline.crm_key IS 'key of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.pipeline.close_date IS 'last day on which an estimate holds; day of an invoice';
COMMENT ON COLUMN qbsync.pipeline.state IS 'state in estimate_status or invoice_status';
COMMENT ON COLUMN qbsync.pipeline.stage IS 'sales stage: lost, qualified, advanced, won, or what qbsync_map_stage was told';
COMMENT ON COLUMN qbsync.pipeline.stage_label IS 'the stage in the language of the company';
COMMENT ON COLUMN qbsync.pipeline.probability IS 'percent';
COMMENT ON COLUMN qbsync.pipeline.subtotal IS 'total before tax, discount deducted, shipping included (CEN-27)';
COMMENT ON COLUMN qbsync.pipeline.shipping IS 'freight (CEN-25)';
COMMENT ON COLUMN qbsync.pipeline.discount IS 'discount of the whole document, positive (CEN-26)';
COMMENT ON COLUMN qbsync.pipeline.invoiced IS 'of an estimate: total before tax of the invoices made of it';
COMMENT ON COLUMN qbsync.pipeline.expected IS 'what is not invoiced yet, times probability; an invoice counts whole';
COMMENT ON COLUMN qbsync.pipeline.is_open IS 'an estimate nobody has rejected or invoiced and that holds; an invoice still to be paid';
COMMENT ON COLUMN qbsync.pipeline.categories IS 'product categories of its lines (CEN-21, CEN-33)';
