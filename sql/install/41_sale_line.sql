/* Of a value that is none comes a null, as in the columns of the mirror; parsed now, and merged into the queries that call them. */
CREATE FUNCTION qbsync.json_numeric(value jsonb)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value #>> '{}' ~ '^-?\d+(\.\d+)?([eE][-+]?\d{1,3})?$' THEN (value #>> '{}')::numeric END;
COMMENT ON FUNCTION qbsync.json_numeric(jsonb) IS 'A number of QuickBooks'' JSON, exactly; null when it is none';

CREATE FUNCTION qbsync.json_date(value jsonb)
RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value #>> '{}' ~ '^[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$'
	-- there is no 30th of February
	THEN (jsonb_path_query_first(value, '$.datetime("YYYY-MM-DD")', silent => true) #>> '{}')::date END;
COMMENT ON FUNCTION qbsync.json_date(jsonb) IS 'A date of QuickBooks'' JSON; null when it is none';

/*
 * The documents that sell or take back differ only in their names and their sign, so the view is written by a template.
 *
 * A bundle counts by its components, which QuickBooks keeps inside the bundle's line: the document is opened for such a line
 * alone.  Freight, discount and tips have lines as well, but are of another kind, so that a sum by item or category is
 * revenue before them (CEN-21…27).
 */
DO $do$
DECLARE
	template text := $view$
	SELECT v.connection, v.connection_id, %1$L AS entity, d.id AS txn_id, l.position, coalesce(b.n, 0)::integer AS component,
		m.crm_table, r.crm_key, d.customer_id,
		(SELECT k.display_name FROM qbsync.customer k WHERE k.connection_id = d.connection_id AND k.id = d.customer_id) AS customer,
		d.doc_number, d.txn_date, coalesce(qbsync.json_date(b.line -> 'SalesItemLineDetail' -> 'ServiceDate'), l.service_date) AS service_date,
		CASE
			WHEN l.detail_type = 'DiscountLineDetail' THEN 'discount'
			WHEN l.item_id = 'SHIPPING_ITEM_ID' THEN 'shipping'
			WHEN l.item_id = 'GRATUITY_ITEM_ID' THEN 'tip'
			ELSE 'item'
		END AS kind,
		i.id AS item_id, i.name AS item, i.sku, i.type AS item_type,
		c.id AS category_id, c.fully_qualified_name AS category,
		coalesce(b.line ->> 'Description', l.description) AS description,
		%2$s * CASE WHEN b.n IS NULL THEN l.qty ELSE qbsync.json_numeric(b.line -> 'SalesItemLineDetail' -> 'Qty') END AS qty,
		CASE WHEN b.n IS NULL THEN l.unit_price ELSE qbsync.json_numeric(b.line -> 'SalesItemLineDetail' -> 'UnitPrice') END AS unit_price,
		%2$s * CASE WHEN b.n IS NULL THEN CASE WHEN l.detail_type = 'DiscountLineDetail' THEN - l.amount ELSE l.amount END
			ELSE qbsync.json_numeric(b.line -> 'Amount') END AS amount,
		d.currency, d.exchange_rate
	FROM qbsync.visible_connection v
	JOIN qbsync.%1$I d ON d.connection_id = v.connection_id AND d.deleted_at IS NULL
	JOIN qbsync.%3$I l ON l.connection_id = d.connection_id AND l.%4$I = d.id
		AND (l.detail_type IN ('SalesItemLineDetail', 'GroupLineDetail') OR l.detail_type = 'DiscountLineDetail' AND l.amount <> 0)
	LEFT JOIN LATERAL (
		SELECT x.line, x.n
		FROM jsonb_array_elements(jsonb_path_query_array(
				CASE WHEN l.detail_type = 'GroupLineDetail' THEN d.raw -> 'Line' -> (l.position - 1) END, '$.GroupLineDetail.Line[*]'))
			WITH ORDINALITY AS x(line, n)
		WHERE x.line ->> 'DetailType' = 'SalesItemLineDetail'
	) b ON true
	LEFT JOIN qbsync.item i ON i.connection_id = d.connection_id
		AND i.id = coalesce(b.line -> 'SalesItemLineDetail' -> 'ItemRef' ->> 'value', l.item_id)
	LEFT JOIN qbsync.item c ON c.connection_id = i.connection_id AND c.id = i.parent_id AND c.type = 'Category'
	LEFT JOIN qbsync.link r ON r.connection_id = d.connection_id AND r.entity = 'customer' AND r.id = d.customer_id AND r.family = 0
	LEFT JOIN qbsync.mapping m ON m.mapping_id = r.mapping_id
	$view$;
BEGIN
	EXECUTE 'CREATE VIEW qbsync.sale_line AS ' || (
		SELECT string_agg(format(template, s.entity, s.sign, s.entity || '_line', s.entity || '_id'), ' UNION ALL ' ORDER BY s.n)
		FROM (VALUES (1, 'invoice', 1), (2, 'sales_receipt', 1), (3, 'credit_memo', -1), (4, 'refund_receipt', -1)) AS s(n, entity, sign));
END
$do$;
COMMENT ON VIEW qbsync.sale_line IS 'Who bought what and when: every line of invoices and sales receipts, and, negative, of credit memos and refunds; bundles by their components. Voided ones have amounts of 0, deleted ones are left out';
COMMENT ON COLUMN qbsync.sale_line.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.sale_line.entity IS 'invoice, sales_receipt, credit_memo, refund_receipt';
COMMENT ON COLUMN qbsync.sale_line.txn_id IS 'QuickBooks'' id of the document';
COMMENT ON COLUMN qbsync.sale_line.position IS 'place of the line in the document, 1-based';
COMMENT ON COLUMN qbsync.sale_line.component IS 'place in the line''s bundle, 1-based; 0 when it is none';
COMMENT ON COLUMN qbsync.sale_line.crm_table IS 'table of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.sale_line.crm_key IS 'key of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.sale_line.kind IS 'item, discount (of the whole document; negative), shipping, tip';
COMMENT ON COLUMN qbsync.sale_line.item_type IS 'Service, NonInventory, Inventory, Group';
COMMENT ON COLUMN qbsync.sale_line.category IS 'product category with those above it, separated by colons';
COMMENT ON COLUMN qbsync.sale_line.qty IS 'quantity; negative when it was taken back';
COMMENT ON COLUMN qbsync.sale_line.unit_price IS 'price of one, in currency, before discounts';
COMMENT ON COLUMN qbsync.sale_line.amount IS 'amount before tax, in currency; the line''s own discount is deducted';
COMMENT ON COLUMN qbsync.sale_line.exchange_rate IS 'home currency units per unit of the currency';

