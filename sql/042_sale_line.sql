-- sale_line and aging (CEN-2, CEN-13, CEN-21…27, CEN-33, EXT-20, EXT-29, PIP-24…27).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, company_name)
VALUES (-1, 'acme', 'my-app', '1', 'live', 'Paysages Laval inc.'), (-2, 'east', 'my-app', '2', 'live', 'East'), (-3, 'gone', 'my-app', '3', 'disconnected', 'Gone');
INSERT INTO qbsync.company_info (connection_id, id, seen_at, default_time_zone) SELECT n, '1', now(), 'America/Toronto' FROM generate_series(-3, -1) n;
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name, currency) VALUES (-1, '1', now(), 'Érablière', 'CAD'), (-1, '2', now(), 'Border Inc.', 'USD'), (-2, '1', now(), 'East One', 'CAD'), (-3, '1', now(), 'Gone', 'CAD');
INSERT INTO qbsync.item (connection_id, id, seen_at, name, fully_qualified_name, sku, type, parent_id) VALUES
	(-1, '10', now(), 'Travaux', 'Travaux', NULL, 'Category', NULL), (-1, '11', now(), 'Neige', 'Travaux:Neige', NULL, 'Category', '10'),
	(-1, '12', now(), 'Gazon', 'Travaux:Gazon', 'GAZ', 'Service', '10'), (-1, '13', now(), 'Déneigement', 'Travaux:Neige:Déneigement', 'NEI', 'Service', '11'),
	(-1, '14', now(), 'Forfait', 'Forfait', NULL, 'Group', NULL), (-1, '15', now(), 'Pièce', 'Gazon:Pièce', NULL, 'NonInventory', '12');
INSERT INTO qbsync.invoice (connection_id, id, sync_token, seen_at, doc_number, customer_id, txn_date, due_date, currency, exchange_rate, total_amt, balance, deleted_at, raw) VALUES
	(-1, '30', '1', now(), 'F-30', '1', '2026-02-01', qbsync.today('America/Toronto'), 'CAD', NULL, 100, 100, NULL,
	 '{"Line": [{}, {}, {}, {}, {"DetailType": "GroupLineDetail", "GroupLineDetail": {"GroupItemRef": {"value": "14"}, "Quantity": 2, "Line": [
		{"Id": "6", "Description": "tonte", "Amount": 40.00, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {"ItemRef": {"value": "12"}, "Qty": 2, "UnitPrice": 20}},
		{"DetailType": "DescriptionOnly", "Description": "note"},
		{"Id": "7", "Amount": 60.10, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {"ItemRef": {"value": "13"}, "Qty": 1, "UnitPrice": 60.10, "ServiceDate": "2026-01-31"}}]}}]}'),
	(-1, '31', '1', now(), 'F-31', '1', '2026-02-02', qbsync.today('America/Toronto') - 1, 'CAD', NULL, 50, 20, NULL, '{}'),
	(-1, '32', '1', now(), 'F-32', '1', '2026-02-03', qbsync.today('America/Toronto') - 30, 'CAD', NULL, 30, 30, NULL, '{}'),
	(-1, '33', '1', now(), 'F-33', '1', '2026-02-03', qbsync.today('America/Toronto') - 31, 'CAD', NULL, 3, 3, NULL, '{}'),
	(-1, '34', '1', now(), 'F-34', '1', '2026-02-03', qbsync.today('America/Toronto') - 90, 'CAD', NULL, 9, 9, NULL, '{}'),
	(-1, '35', '1', now(), 'F-35', '1', qbsync.today('America/Toronto') - 91, NULL, 'CAD', NULL, 7, 7, NULL, '{}'),
	(-1, '36', '1', now(), 'F-36', '1', '2026-02-03', '2026-02-03', 'CAD', NULL, 999, 999, now(), '{}'),
	(-1, '37', '1', now(), 'F-37', '2', '2026-02-04', qbsync.today('America/Toronto') - 61, 'USD', 1.35, 11, 11, NULL, '{}'),
	(-1, '38', '1', now(), 'F-38', '9', '2026-02-04', qbsync.today('America/Toronto') + 5, 'CAD', NULL, 5, 5, NULL, '{}'),
	(-1, '39', '1', now(), 'F-39', '1', '2026-02-04', '2026-02-03', 'CAD', NULL, 100, 0, NULL, '{}'),
	(-2, '30', '1', now(), 'E-30', '1', '2026-02-01', qbsync.today('America/Toronto') - 100, 'CAD', NULL, 1, 1, NULL, '{}'),
	(-3, '30', '1', now(), 'G-30', '1', '2026-02-01', '2026-02-01', 'CAD', NULL, 1, 1, NULL, '{}');
INSERT INTO qbsync.invoice_line (connection_id, invoice_id, position, detail_type, item_id, description, qty, unit_price, amount) VALUES
	(-1, '30', 1, 'SalesItemLineDetail', '13', 'pelletage', 2, 12.50, 25), (-1, '30', 2, 'SalesItemLineDetail', 'SHIPPING_ITEM_ID', NULL, NULL, NULL, 10),
	(-1, '30', 3, 'DiscountLineDetail', NULL, NULL, NULL, NULL, 5), (-1, '30', 4, 'SubTotalLineDetail', NULL, NULL, NULL, NULL, 125), (-1, '30', 5, 'GroupLineDetail', '14', 'forfait', 2, NULL, 100.10),
	(-1, '30', 6, 'DescriptionOnly', NULL, 'merci', NULL, NULL, NULL), (-1, '30', 7, 'SalesItemLineDetail', 'GRATUITY_ITEM_ID', NULL, NULL, NULL, 3), (-1, '30', 8, 'DiscountLineDetail', NULL, NULL, NULL, NULL, 0),
	(-1, '31', 1, 'SalesItemLineDetail', '15', NULL, 1, 50, 50), (-1, '31', 2, 'GroupLineDetail', '14', 'sans détail', 1, NULL, 0), (-1, '36', 1, 'SalesItemLineDetail', '13', 'supprimée', 1, 999, 999);
INSERT INTO qbsync.sales_receipt (connection_id, id, seen_at, doc_number, customer_id, txn_date, currency, total_amt) VALUES (-1, '40', now(), 'R-40', '2', '2026-02-05', 'USD', 12);
INSERT INTO qbsync.sales_receipt_line (connection_id, sales_receipt_id, position, detail_type, item_id, qty, unit_price, amount) VALUES (-1, '40', 1, 'SalesItemLineDetail', '12', 1, 12, 12);
INSERT INTO qbsync.credit_memo (connection_id, id, seen_at, doc_number, customer_id, txn_date, currency, total_amt, balance) VALUES (-1, '50', now(), 'C-50', '1', '2026-02-06', 'CAD', 25, 15);
INSERT INTO qbsync.credit_memo_line (connection_id, credit_memo_id, position, detail_type, item_id, qty, unit_price, amount) VALUES (-1, '50', 1, 'SalesItemLineDetail', '13', 2, 12.50, 25), (-1, '50', 2, 'DiscountLineDetail', NULL, NULL, NULL, 1);
INSERT INTO qbsync.refund_receipt (connection_id, id, seen_at, doc_number, customer_id, txn_date, currency, total_amt) VALUES (-1, '60', now(), 'B-60', '1', '2026-02-07', 'CAD', 12.50);
INSERT INTO qbsync.refund_receipt_line (connection_id, refund_receipt_id, position, detail_type, item_id, qty, unit_price, amount) VALUES (-1, '60', 1, 'SalesItemLineDetail', '13', 1, 12.50, 12.50);
INSERT INTO qbsync.payment (connection_id, id, seen_at, customer_id, txn_date, total_amt, unapplied_amt, currency, deleted_at) VALUES
	(-1, '70', now(), '1', '2026-02-08', 10, 4, 'CAD', NULL), (-1, '71', now(), '1', '2026-02-08', 10, 1000, 'CAD', now()), (-1, '72', now(), '2', '2026-02-08', 10, 2, 'USD', NULL);

-- CEN-2, CEN-21…27: what, when, how many, at what price; bundles by their components; what came back is negative
SELECT entity, doc_number AS no, position AS pos, component AS comp, kind, item, sku, category, description, qty, unit_price, amount, currency
FROM qbsync.sale_line WHERE connection = 'acme' ORDER BY txn_id, position, component;
SELECT service_date, customer, item_type FROM qbsync.sale_line WHERE component > 0 ORDER BY component;
-- a value of a bundle that is none empties its own place, and not the view (as in the columns of the mirror)
SAVEPOINT s;
UPDATE qbsync.invoice SET raw = jsonb_set(jsonb_set(jsonb_set(raw, '{Line,4,GroupLineDetail,Line,0,SalesItemLineDetail,Qty}', '"plenty"'), '{Line,4,GroupLineDetail,Line,0,Amount}', '"40.00"'),
	'{Line,4,GroupLineDetail,Line,2,SalesItemLineDetail,ServiceDate}', '"2026-02-30"') WHERE connection_id = -1 AND id = '30';
SELECT component, service_date, qty, unit_price, amount FROM qbsync.sale_line WHERE component > 0 ORDER BY component;
ROLLBACK TO s;
-- revenue by category, freight and discount apart (CEN-33)
SELECT category, sum(amount), currency FROM qbsync.sale_line WHERE connection = 'acme' AND kind = 'item' GROUP BY category, currency ORDER BY category, currency;
SELECT kind, sum(amount) FROM qbsync.sale_line WHERE connection = 'acme' AND currency = 'CAD' GROUP BY kind ORDER BY kind;

-- who owes what for how long, per currency (EXT-20); due today is not overdue; a customer that is not here (yet) owes, too
SELECT connection, customer_id, customer, currency, not_due, days_1_30, days_31_60, days_61_90, days_over_90, open_balance, credit, net_balance, invoice_count,
	oldest_due_date - qbsync.today('America/Toronto') AS oldest
FROM qbsync.aging ORDER BY connection, customer_id, currency;
-- by index: what is open only
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END $$;
INSERT INTO qbsync.invoice (connection_id, id, seen_at, customer_id, balance) SELECT -1, 'n' || i, now(), 'n' || i, 0 FROM generate_series(1, 3000) i;
INSERT INTO qbsync.payment (connection_id, id, seen_at, customer_id, unapplied_amt) SELECT -1, 'n' || i, now(), 'n' || i, 0 FROM generate_series(1, 3000) i;
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name) SELECT -1, 'n' || i, now(), 'n' || i FROM generate_series(1, 3000) i;
UPDATE qbsync.invoice SET due_date = date '2020-01-01' + hashtext(id) % 1000, txn_date = date '2020-01-01' + hashtext(id) % 1000 WHERE id LIKE 'n%';
UPDATE qbsync.payment SET txn_date = date '2020-01-01' + hashtext(id) % 1000 WHERE id LIKE 'n%';
INSERT INTO qbsync.payment_line (connection_id, payment_id, position, txn_type, txn_id) SELECT -1, 'n' || i, 1, 'Invoice', 'n' || i FROM generate_series(1, 3000) i;
ANALYZE qbsync.invoice, qbsync.payment, qbsync.payment_line, qbsync.customer;
SELECT count(*) >= 2 AS by_index FROM pg_temp.plan('SELECT * FROM qbsync.aging') p WHERE p ~ 'invoice_open_idx|payment_unapplied_idx';
SELECT count(*) >= 1 AS by_index FROM pg_temp.plan('SELECT * FROM qbsync.aging WHERE connection_id = -1 AND customer_id = ''1''') p WHERE p ~ 'Index Cond: .*customer_id = ''1''';
SELECT count(*) >= 1 AS by_index FROM pg_temp.plan('SELECT * FROM qbsync.aging WHERE connection_id = -1 AND customer_id = ANY (ARRAY(SELECT id FROM qbsync.customer_link WHERE crm_key = ''1''))') p
WHERE p ~ 'Index Cond: .*customer_id = ANY';
-- a page of the list: of the amounts only the one it is sorted by is worked out before the sort
CREATE FUNCTION pg_temp.sorted(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (VERBOSE, FORMAT JSON) ' || query INTO plan;
	RETURN QUERY SELECT jsonb_array_elements_text(jsonb_path_query_first(plan::jsonb, '$.** ? (@."Node Type" == "Sort").Output'));
END $$;
SELECT count(*) AS amounts FROM pg_temp.sorted('SELECT * FROM qbsync.aging ORDER BY net_balance DESC LIMIT 50') s WHERE s ~ 'COALESCE.*sum_of_few';
SELECT v.list, count(*) >= 1 AS in_order FROM (VALUES ('customer_summary', 'display_name'), ('invoice_status', 'due_date'), ('invoice_status', 'txn_date DESC'), ('invoice_payment', 'payment_date DESC')) AS v(list, by),
	LATERAL pg_temp.plan(format('SELECT * FROM qbsync.%s ORDER BY %s LIMIT 50', v.list, v.by)) p WHERE p ~ 'Scan (Backward )?using (customer_display_name|invoice_(due|txn)_date|payment_txn_date)_idx' GROUP BY v.list, v.by ORDER BY v.list, v.by;
ROLLBACK;
