-- Labels, pipeline and its stages (CEN-6, CEN-19…32, PIP-24…29 in French, X-31).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, company_name)
VALUES (-1, 'acme', 'my-app', '1', 'live', 'Paysages Laval inc.'), (-2, 'east', 'my-app', '2', 'live', 'East');
INSERT INTO qbsync.company_info (connection_id, id, seen_at, default_time_zone) VALUES (-1, '1', now(), 'America/Toronto'), (-2, '1', now(), 'America/Toronto');
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name, currency) VALUES (-1, '1', now(), 'Érablière', 'CAD'), (-2, '1', now(), 'East One', 'CAD');
INSERT INTO qbsync.item (connection_id, id, seen_at, name, fully_qualified_name, type, parent_id) VALUES
	(-1, '10', now(), 'Travaux', 'Travaux', 'Category', NULL), (-1, '11', now(), 'Neige', 'Travaux:Neige', 'Category', '10'),
	(-1, '12', now(), 'Gazon', 'Travaux:Gazon', 'Service', '10'), (-1, '13', now(), 'Déneigement', 'Travaux:Neige:Déneigement', 'Service', '11'),
	(-1, '14', now(), 'Sans catégorie', 'Sans catégorie', 'Service', NULL);
INSERT INTO qbsync.estimate (connection_id, id, seen_at, doc_number, customer_id, txn_date, txn_status, expiration_date, currency, total_amt, total_tax, linked_txn, deleted_at) VALUES
	(-1, '20', now(), 'D-20', '1', '2026-01-01', 'Pending', '2035-01-01', 'CAD', 115, 15, NULL, NULL),
	(-1, '21', now(), 'D-21', '1', '2026-01-02', 'Accepted', NULL, 'CAD', 200, NULL, NULL, NULL),
	(-1, '22', now(), 'D-22', '1', '2026-01-03', 'Rejected', NULL, 'CAD', 300, 0, NULL, NULL),
	(-1, '23', now(), 'D-23', '1', '2026-01-04', 'Closed', NULL, 'CAD', 1000, 0, '[{"TxnId": "30", "TxnType": "Invoice"}]', NULL),
	(-1, '24', now(), 'D-24', '1', '2026-01-05', 'ToBeSigned', NULL, 'USD', 10, 0, NULL, NULL),
	(-1, '25', now(), 'D-25', '1', '2026-01-06', 'Pending', NULL, 'CAD', 10, 0, NULL, now()),
	(-2, '20', now(), 'D-20', '1', '2026-01-01', 'Pending', NULL, 'CAD', 100, 0, NULL, NULL);
INSERT INTO qbsync.estimate_line (connection_id, estimate_id, position, detail_type, item_id, amount) VALUES
	(-1, '20', 1, 'SalesItemLineDetail', '12', 60), (-1, '20', 2, 'SalesItemLineDetail', '13', 50), (-1, '20', 3, 'SalesItemLineDetail', '13', 0),
	(-1, '20', 4, 'SalesItemLineDetail', '14', 0), (-1, '20', 5, 'SalesItemLineDetail', 'SHIPPING_ITEM_ID', 10), (-1, '20', 6, 'DiscountLineDetail', NULL, 20), (-1, '20', 7, 'SubTotalLineDetail', NULL, 110);
INSERT INTO qbsync.invoice (connection_id, id, sync_token, seen_at, doc_number, customer_id, txn_date, due_date, currency, total_amt, total_tax, balance, private_note) VALUES
	(-1, '30', '1', now(), 'F-30', '1', '2026-02-01', '2026-02-28', 'CAD', 460, 60, 460, NULL),
	(-1, '31', '1', now(), 'F-31', '1', '2026-02-02', '2035-02-28', 'CAD', 50, 0, 20, NULL),
	(-1, '32', '1', now(), 'F-32', '1', '2026-02-03', NULL, 'CAD', 0, 0, 0, 'Voided');
INSERT INTO qbsync.invoice_line (connection_id, invoice_id, position, detail_type, item_id, amount) VALUES
	(-1, '30', 1, 'SalesItemLineDetail', '13', 500), (-1, '30', 2, 'DiscountLineDetail', NULL, 100);

-- CEN-19…32: stages, probabilities, and the money split; what is invoiced is expected once
SELECT title, entity, state, stage, stage_label, probability, subtotal, shipping, discount, tax, total, invoiced, expected, is_open, categories, currency
FROM qbsync.pipeline WHERE connection = 'acme' ORDER BY txn_date;
SELECT currency, sum(expected) FROM qbsync.pipeline GROUP BY currency ORDER BY currency;
-- they are data: of all companies, of one; a state of its own before *
SELECT qbsync_map_stage('estimate', 'pending', 'Négociation', 25);
SELECT qbsync_map_stage('estimate', 'pending', 'qualified', 55.5, connection => 'acme');
SELECT qbsync_map_stage('invoice', '*', 'Facturée', 99);
SELECT connection, title, stage_label, probability FROM qbsync.pipeline WHERE entity = 'invoice' OR state = 'pending' ORDER BY connection, title;
SELECT qbsync_map_stage('estimate', 'pending', 'Négociation', 20);
SELECT qbsync_map_stage('estimate', 'pending', NULL, connection => 'acme');
SELECT connection, title, stage_label, probability FROM qbsync.pipeline WHERE state = 'pending' ORDER BY connection, title;
SELECT qbsync_map_stage('estimate', 'pending', NULL);
SELECT connection, title, stage_label, probability FROM qbsync.pipeline WHERE state = 'pending' ORDER BY connection, title;
-- refused
SELECT qbsync_map_stage('payment', 'pending', 'x', 1);
SELECT qbsync_map_stage(NULL, 'pending', 'x', 1);
SELECT qbsync_map_stage('estimate', 'Pending!', 'x', 1);
SELECT qbsync_map_stage('estimate', 'pending', '', 1);
SELECT qbsync_map_stage('estimate', 'pending', 'x');
SELECT qbsync_map_stage('estimate', 'pending', 'x', 100.5);
SELECT qbsync_map_stage('estimate', 'pending', 'x', 'NaN');
SELECT qbsync_map_stage('estimate', 'pending', 'x', 1, connection => 'nobody');

-- CEN-6, X-31: the company's language, and one that is only rows
SELECT qbsync_set('acme', 'language', 'fr');
SELECT connection, title, stage_label FROM qbsync.pipeline ORDER BY connection, title;
SELECT id, label FROM qbsync.invoice_status WHERE connection = 'acme' ORDER BY id;
SELECT id, label FROM qbsync.estimate_status WHERE connection = 'acme' ORDER BY id;
SELECT qbsync_set('acme', 'language', 'de');
INSERT INTO qbsync.label (kind, value, language, label) VALUES ('stage', 'won', 'de', 'Gewonnen');
SELECT title, stage_label FROM qbsync.pipeline WHERE connection = 'acme' ORDER BY title;
-- every word of English has a French one
SELECT kind, value FROM qbsync.label GROUP BY kind, value HAVING 'en' = ANY (array_agg(language)) AND 'fr' <> ALL (array_agg(language));
ROLLBACK;
