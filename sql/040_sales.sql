-- customer_summary, invoice_status, invoice_payment, estimate_status (CAP-3…7, CAP-62, PIP-24…29, PIP-34, KAR-57…60, EXT-18, EXT-23, EXT-29, X-27).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;

-- today is the company's: between Kiritimati (+14) and Pago Pago (-11) it is always another day; unknown zones are UTC
SELECT qbsync.today('Pacific/Kiritimati') - qbsync.today('Pacific/Pago_Pago') IN (1, 2) AS another_day,
	qbsync.today('Mars/Olympus') = (now() AT TIME ZONE 'UTC')::date AS unknown,
	qbsync.today(NULL) = (now() AT TIME ZONE 'UTC')::date AS missing,
	qbsync.today('') = (now() AT TIME ZONE 'UTC')::date AS empty,
	qbsync.today(repeat('x', 300)) = (now() AT TIME ZONE 'UTC')::date AS long,
	qbsync.today('../../../../etc/passwd') = (now() AT TIME ZONE 'UTC')::date AS hostile,
	bool_and(qbsync.today(z) = (now() AT TIME ZONE z)::date) AS like_postgresql
FROM unnest('{America/Toronto,Asia/Kolkata,Pacific/Kiritimati,Europe/Paris,UTC}'::text[]) z;

BEGIN;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, company_name)
VALUES (-1, 'acme', 'my-app', '1', 'live', 'Paysages Laval inc.'), (-2, 'east', 'my-app', '2', 'live', 'East'), (-3, 'west', 'my-app', '3', 'live', 'West');
INSERT INTO qbsync.company_info (connection_id, id, seen_at, default_time_zone)
VALUES (-1, '1', now(), 'America/Toronto'), (-2, '1', now(), 'Pacific/Kiritimati'), (-3, '1', now(), 'Nowhere/Known');
INSERT INTO qbsync.term (connection_id, id, seen_at, name) VALUES (-1, '3', now(), 'Net 30');
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name, active, parent_id, emails, primary_phone, mobile, term_id, currency, balance, balance_with_jobs, deleted_at)
VALUES
	(-1, '1', now(), 'L''Érable & Fils "inc."', true, NULL, '{a@x.example,b@x.example}', NULL, '514 555-0100', '3', 'CAD', 175.10, 275.10, NULL),
	(-1, '2', now(), 'Chantier nord', true, '1', NULL, '514 555-0101', NULL, NULL, 'CAD', 100, 100, NULL),
	(-1, '3', now(), 'Vieux client (deleted)', false, NULL, NULL, NULL, NULL, NULL, 'CAD', 0, 0, NULL),
	(-1, '4', now(), 'Merged away', false, NULL, NULL, NULL, NULL, NULL, 'CAD', 0, 0, now()),
	(-2, '1', now(), 'Same id elsewhere', true, NULL, NULL, NULL, NULL, NULL, 'AUD', 99999999999.99, 99999999999.99, NULL);
-- d: days from the company's today to the due date
CREATE FUNCTION pg_temp.invoice(c integer, id text, customer text, d integer, total numeric, balance numeric, note text DEFAULT NULL, deleted boolean DEFAULT false, token text DEFAULT '1')
RETURNS void LANGUAGE sql AS $$
	INSERT INTO qbsync.invoice (connection_id, id, sync_token, seen_at, doc_number, customer_id, txn_date, due_date, term_id, currency, total_amt, balance, private_note, deleted_at, email_status)
	SELECT c, id, token, now(), 'F-' || id, customer, '2026-01-05',
		qbsync.today((SELECT default_time_zone FROM qbsync.company_info WHERE connection_id = c)) + d,
		'3', 'CAD', total, balance, note, CASE WHEN deleted THEN now() END, 'EmailSent'
$$;
SELECT pg_temp.invoice(-1, '100', '1', 0, 100.10, 100.10);				-- PIP-24 open; due today is not overdue
SELECT pg_temp.invoice(-1, '101', '1', 5, 50, 0);						-- PIP-25, KAR-60 paid
SELECT pg_temp.invoice(-1, '102', '1', -5, 0, 0, 'VOIDED - erreur');	-- PIP-26 voided
SELECT pg_temp.invoice(-1, '103', '1', -1, 75, 75);						-- PIP-27 overdue
SELECT pg_temp.invoice(-1, '104', '1', -9, 30, 30, NULL, true);			-- PIP-28 deleted, amounts as before
SELECT pg_temp.invoice(-1, '105', '2', 3, 200, 60);						-- PIP-29 partially paid
SELECT pg_temp.invoice(-1, '106', '2', -3, 200, 40);					-- partially paid and overdue
SELECT pg_temp.invoice(-1, '107', '2', -3, 0, 0);						-- zero, not voided
SELECT pg_temp.invoice(-1, '108', '2', -3, 0, 0, 'Annulée');			-- voided by its lines, in French
SELECT pg_temp.invoice(-1, '109', '2', NULL, 10, 10);					-- no due date
SELECT pg_temp.invoice(-1, '110', '9', 1, 80, 80);						-- customer not there (yet): EXT-26
SELECT pg_temp.invoice(-1, '111', '2', -3, 0, 0, NULL, false, '0');		-- made with quantity 0
SELECT pg_temp.invoice(-2, '100', '1', -1, 99999999999.99, 99999999999.99);
SELECT pg_temp.invoice(-3, '100', '1', -1, 1, 1);
INSERT INTO qbsync.invoice_line (connection_id, invoice_id, position, detail_type, qty, amount) VALUES
	(-1, '107', 1, 'SalesItemLineDetail', 1, 0), (-1, '107', 2, 'SalesItemLineDetail', 0, 0), (-1, '107', 3, 'SubTotalLineDetail', NULL, 0),
	(-1, '108', 1, 'SALES_ITEM_LINE_DETAIL', 0, 0), (-1, '108', 2, 'SalesItemLineDetail', 0, 0), (-1, '108', 3, 'SubTotalLineDetail', NULL, 0),
	(-1, '111', 1, 'SalesItemLineDetail', 0, 0);
INSERT INTO qbsync.payment (connection_id, id, seen_at, customer_id, txn_date, total_amt, unapplied_amt, currency, payment_ref_num, deleted_at) VALUES
	(-1, '200', now(), '1', '2026-01-20', 120, 20, 'CAD', 'CHK-88', NULL),		-- split, overpaid
	(-1, '201', now(), '1', '2026-01-21', 0, 0, 'CAD', NULL, NULL),				-- applies a credit only
	(-1, '202', now(), '2', '2026-01-10', 140, 0, 'CAD', NULL, NULL),
	(-1, '203', now(), '2', '2026-01-11', 999, 0, 'CAD', NULL, now());			-- deleted
INSERT INTO qbsync.payment_line (connection_id, payment_id, position, amount, txn_id, txn_type) VALUES
	(-1, '200', 1, 40, '101', 'Invoice'), (-1, '200', 2, 60, '106', 'Invoice'),
	(-1, '201', 1, 10, '101', 'Invoice'), (-1, '201', 2, 10, '390', 'CreditMemo'),
	(-1, '202', 1, 140, '105', 'Invoice'), (-1, '202', 2, 5, '105', 'CreditMemo'),
	(-1, '203', 1, 999, '106', 'Invoice');
-- d: days from the company's today to the expiration
CREATE FUNCTION pg_temp.estimate(c integer, id text, customer text, status text, d integer, total numeric, deleted boolean DEFAULT false, linked jsonb DEFAULT '[]')
RETURNS void LANGUAGE sql AS $$
	INSERT INTO qbsync.estimate (connection_id, id, seen_at, doc_number, customer_id, txn_date, txn_status, expiration_date, accepted_by, currency, total_amt, linked_txn, deleted_at, email_status)
	SELECT c, id, now(), 'D-' || id, customer, '2026-01-04', status,
		qbsync.today((SELECT default_time_zone FROM qbsync.company_info WHERE connection_id = c)) + d,
		CASE status WHEN 'Accepted' THEN 'Zoé' END, 'CAD', total, linked, CASE WHEN deleted THEN now() END, 'EmailSent'
$$;
SELECT pg_temp.estimate(-1, '300', '1', 'Pending', 0, 100.10);		-- holds today
SELECT pg_temp.estimate(-1, '301', '1', 'Pending', -1, 50);			-- expired
SELECT pg_temp.estimate(-1, '302', '1', 'Accepted', NULL, 70.05);	-- for ever
SELECT pg_temp.estimate(-1, '303', '1', 'Accepted', -3, 1);			-- accepted, then forgotten
SELECT pg_temp.estimate(-1, '304', '1', 'Closed', -3, 200, false, '[{"TxnId": "100", "TxnType": "Invoice"}, {"TxnId": "9", "TxnType": "Else"}, {"TxnId": "101", "TxnType": "Invoice"}]');
SELECT pg_temp.estimate(-1, '305', '1', 'Rejected', -3, 40);
SELECT pg_temp.estimate(-1, '306', '1', 'Pending', 5, 1000, true);	-- deleted
SELECT pg_temp.estimate(-1, '307', '2', NULL, 5, 9);				-- no status: Pending is the default
SELECT pg_temp.estimate(-1, '308', '2', 'Converted', 5, 8, false, '{}');
SELECT pg_temp.estimate(-1, '309', '9', 'ToBeSigned', 5, 80);		-- a word nobody knows yet, a customer not there (yet)
SELECT pg_temp.estimate(-2, '300', '1', 'Pending', 0, 99999999999.99);

-- PIP-24…29: the six words
SELECT connection, id, customer, total, balance, paid, state, label, is_overdue, days_overdue
FROM qbsync.invoice_status ORDER BY connection_id DESC, id;
-- CAP-3, CAP-4, CAP-5, PIP-34
SELECT id, doc_number, crm_table, crm_key, due_date - qbsync.today('America/Toronto') AS due_in, terms, email_status, last_payment_date, url
FROM qbsync.invoice_status WHERE connection = 'acme' AND id IN ('100', '101', '104') ORDER BY id;
-- KAR-57, KAR-58, KAR-59: which payment paid what
SELECT invoice_id, doc_number, payment_id, customer, payment_date, amount, payment_total, unapplied, payment_ref_num, url
FROM qbsync.invoice_payment ORDER BY invoice_id, payment_id;
-- CAP-7: estimates
SELECT connection, id, doc_number, customer, total, state, label, is_expired, is_open, accepted_by, invoice_ids
FROM qbsync.estimate_status ORDER BY connection_id DESC, id;
SELECT id, crm_table, crm_key, txn_date, expiration_date - qbsync.today('America/Toronto') AS expires_in, currency, email_status, deleted_at IS NOT NULL AS deleted, url
FROM qbsync.estimate_status WHERE connection = 'acme' AND id IN ('300', '306') ORDER BY id;
-- CAP-3…7
\x on
SELECT connection, id, display_name, crm_table, crm_key, active, parent, emails, phone, terms, currency, balance, balance_with_jobs,
	open_balance, overdue_balance, overdue_count,
	oldest_overdue_date - qbsync.today('America/Toronto') AS oldest_overdue_in, next_due_date - qbsync.today('America/Toronto') AS next_due_in,
	invoice_count, paid_total, received_total, unapplied_total, last_payment_date, last_payment_amount,
	estimate_count, estimate_total, open_estimate_count, open_estimate_total, url
FROM qbsync.customer_summary WHERE connection = 'acme' ORDER BY id;
\x off
-- EXT-29: the same ids in another company; exact amounts
SELECT connection, id, display_name, open_balance, overdue_balance FROM qbsync.customer_summary WHERE id = '1' ORDER BY connection;

-- one customer's rows only are read for one customer, whether asked for by id or by the CRM's key; what is not asked for is not read
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END $$;
-- as many records as make it matter which index is read
SAVEPOINT many;
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name) SELECT -1, 'n' || i, now(), 'n' || i FROM generate_series(1, 2000) i;
INSERT INTO qbsync.invoice (connection_id, id, seen_at, customer_id) SELECT -1, 'n' || i, now(), 'n' || i FROM generate_series(1, 2000) i;
INSERT INTO qbsync.payment (connection_id, id, seen_at, customer_id) SELECT -1, 'n' || i, now(), 'n' || i FROM generate_series(1, 2000) i;
INSERT INTO qbsync.estimate (connection_id, id, seen_at, customer_id) SELECT -1, 'n' || i, now(), 'n' || i FROM generate_series(1, 2000) i;
ANALYZE qbsync.customer, qbsync.invoice, qbsync.payment, qbsync.estimate;
SELECT count(*) >= 3 AS by_index FROM pg_temp.plan('SELECT * FROM qbsync.customer_summary WHERE connection_id = -1 AND id = ''1''') p WHERE p ~ 'Index Cond: .*customer_id = ';
SELECT count(*) >= 4 AS by_index FROM pg_temp.plan('SELECT * FROM qbsync.customer_summary WHERE crm_table = ''c'' AND crm_key = ''1''') p WHERE p ~ 'Index Cond: .*(customer_id = |crm_key = ''1'')';
SELECT count(*) AS deleted_payments FROM pg_temp.plan('SELECT paid_total FROM qbsync.customer_summary') p WHERE p ~ 'payment_deleted_idx';
SELECT count(*) AS aggregates FROM pg_temp.plan('SELECT display_name, balance FROM qbsync.customer_summary') p WHERE p ~ 'Aggregate|invoice|payment|estimate|link|mapping';
ROLLBACK TO many;

-- CAP-62, X-28: a disconnected company is not shown, unless that was asked for
UPDATE qbsync.connection SET state = 'disconnected' WHERE name = 'acme';
SELECT connection, count(*) FROM qbsync.invoice_status GROUP BY 1 ORDER BY 1;
SELECT connection, count(*) FROM qbsync.customer_summary GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM qbsync.invoice_payment;
SELECT connection, count(*) FROM qbsync.estimate_status GROUP BY 1 ORDER BY 1;
SELECT qbsync_set('acme', 'keep_visible', 'true');
SELECT connection, count(*) FROM qbsync.customer_summary GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM qbsync.invoice_payment;
-- custom fields by name: the form's own, or that of the slot
INSERT INTO qbsync.preferences (connection_id, id, seen_at, raw) VALUES (-1, '1', now(),
	'{"SalesFormsPrefs": {"CustomField": [{"CustomField": [{"Name": "SalesFormsPrefs.SalesCustomName2", "Type": "StringType", "StringValue": "Livreur"}]}]}}')
	ON CONFLICT (connection_id, id) DO UPDATE SET raw = excluded.raw;
INSERT INTO qbsync.invoice (connection_id, id, seen_at, custom_fields) VALUES (-1, '990', now(),
	'[{"DefinitionId": "1", "Name": "PO Number", "Type": "StringType", "StringValue": "A-7"}, {"DefinitionId": "2", "Type": "StringType"}, {"DefinitionId": "3", "Type": "StringType", "StringValue": "x"}]');
SELECT entity, id, definition_id, name, value FROM qbsync.custom_field WHERE id = '990' ORDER BY definition_id;
ROLLBACK;
