-- What changed in QuickBooks, in words and by column; closed periods (EXT-24).
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = ISO;
BEGIN;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, settings) VALUES (-1, 'acme', 'my-app', '1', 'live', '{"language": "en"}');
INSERT INTO qbsync.cursor (connection_id, entity, phase, known_since) SELECT -1, entity, 'loaded', '2026-01-01' FROM qbsync.catalogue;

-- As the gateway leaves it: the last version in the mirror, those before in record_version.
CREATE FUNCTION pg_temp.version(entity text, id text, token integer, seen text, raw jsonb, until text DEFAULT NULL, deleted timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF version.until IS NOT NULL THEN
		INSERT INTO qbsync.record_version (connection_id, entity, id, valid_from, valid_to, sync_token, last_updated_time, deleted_at, raw)
		VALUES (-1, version.entity, version.id, version.seen::timestamptz, version.until::timestamptz, version.token, version.seen::timestamptz - interval '1 min', version.deleted, version.raw);
	ELSE
		EXECUTE format('INSERT INTO qbsync.%I SELECT (qbsync.version_row(NULL::qbsync.%1$I, ROW(-1, %1$L, $1, $2, $2, $3, NULL, $2 - interval ''1 min'', $4, 0, NULL, $5)::qbsync.record_version)).*', version.entity)
			USING version.id, version.seen::timestamptz, version.token::text, version.deleted, version.raw;
	END IF;
END
$$;
SELECT pg_temp.version('term', '3', 0, '2026-02-01', '{"Name": "Net 30"}'),
	pg_temp.version('term', '4', 0, '2026-02-01', '{"Name": "Net 60"}'),
	pg_temp.version('customer', '1', 0, '2026-02-01', '{"DisplayName": "Acme", "Active": true, "SalesTermRef": {"value": "3"}, "BillAddr": {"City": "Laval"}}', '2026-03-01'),
	pg_temp.version('customer', '1', 1, '2026-03-01', '{"DisplayName": "Acme inc.", "Active": true, "SalesTermRef": {"value": "4"}, "BillAddr": {"City": "Laval"}, "PrimaryEmailAddr": {"Address": "a@b.c, d@e.f"}}', '2026-03-02'),
	pg_temp.version('customer', '1', 2, '2026-03-02', '{"DisplayName": "Acme inc.", "Active": true, "SalesTermRef": {"value": "4"}, "BillAddr": {"City": "Québec"}, "Unknown": 1, "MetaData": {"LastModifiedByRef": {"value": "9341"}}}', '2026-03-03'),
	pg_temp.version('customer', '1', 3, '2026-03-03', '{"DisplayName": "Acme inc.", "Active": true, "SalesTermRef": {"value": "4"}, "BillAddr": {"City": "Québec"}, "Unknown": 2}', '2026-03-04'),
	pg_temp.version('customer', '1', 4, '2026-03-04', '{"DisplayName": "Acme inc.", "Active": false, "SalesTermRef": {"value": "99"}, "BillAddr": {"City": "Québec"}, "Unknown": 2}');
-- an invoice of January; the books are closed in February, it is edited before and after, paid, deleted and back again
SELECT pg_temp.version('preferences', '1', 0, '2026-01-01', '{"AccountingInfoPrefs": {}}', '2026-02-15'),
	pg_temp.version('preferences', '1', 1, '2026-02-15', '{"AccountingInfoPrefs": {"BookCloseDate": "2026-01-31"}}');
SELECT pg_temp.version('invoice', '10', n, seen, jsonb_build_object('DocNumber', '1001', 'CustomerRef', '{"value": "1"}'::jsonb, 'TxnDate', '2026-01-10', 'TotalAmt', total, 'Balance', balance, 'Line', lines::jsonb), until, deleted)
FROM (VALUES
	(0, '2026-01-11', 100, 100, '[{"Id": "1", "Amount": 100, "Description": "Work", "SalesItemLineDetail": {"Qty": 2}}]', '2026-02-01', NULL::timestamptz),
	(1, '2026-02-01', 150, 150, '[{"Id": "1", "Amount": 100, "Description": "Work", "SalesItemLineDetail": {"Qty": 2}}, {"Id": "2", "Amount": 50, "Description": "Gadget"}]', '2026-03-01', NULL),
	(2, '2026-03-01', 150, 0, '[{"Id": "1", "Amount": 100, "Description": "Work", "SalesItemLineDetail": {"Qty": 2}}, {"Id": "2", "Amount": 50, "Description": "Gadget"}]', '2026-03-02', NULL),
	(3, '2026-03-02', 80, 0, '[{"Id": "1", "Amount": 80, "Description": "Work", "SalesItemLineDetail": {"Qty": 1}}]', '2026-03-05', NULL),
	(3, '2026-03-05', 80, 0, '[{"Id": "1", "Amount": 80, "Description": "Work", "SalesItemLineDetail": {"Qty": 1}}]', '2026-03-06', '2026-03-04 23:59'),
	(4, '2026-03-06', 80, 0, '[{"Id": "1", "Amount": 80, "Description": "Work", "SalesItemLineDetail": {"Qty": 1}}]', NULL, NULL)
) AS t(n, seen, total, balance, lines, until, deleted);

-- EXT-24: in words
SELECT entity, id, name, at, kind, changed_at, changed_by, text FROM qbsync.record_change ORDER BY entity, id, at;
-- by column
SELECT at, jsonb_pretty(changes) AS changes FROM qbsync.record_change WHERE entity = 'invoice' AND at IN ('2026-02-01', '2026-03-02') ORDER BY at;
-- in French, by the company's language
UPDATE qbsync.connection SET settings = '{"language": "fr"}' WHERE connection_id = -1;
SELECT entity, at, text FROM qbsync.record_change WHERE entity <> 'preferences' ORDER BY entity, id, at;
UPDATE qbsync.connection SET settings = '{"language": "en"}' WHERE connection_id = -1;

-- our own writes are known
CREATE SCHEMA crm;
CREATE VIEW crm.persons AS SELECT 1 AS id, ''::text AS display_name;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, role, state)
VALUES (-1, 'persons', -1, 'customer', 'crm.persons', 'crm.persons', 'crm.person', '{id}', '{display_name}', current_user, 'enabled');
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin) VALUES (-1, 'customer', '1', -1, 'p1', 'id');
INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, kind, detail) VALUES (-1, -1, 'customer', '1', 'p1', 'sent', '{"operation": "update", "columns": ["display_name"], "sync_token": "1"}');
SELECT at, crm_table, crm_key, changed_by FROM qbsync.record_change WHERE entity = 'customer' ORDER BY at;
-- in the timeline of the CRM record, but for what was sent; who polls takes what is new
SELECT at, event_id, crm_table, crm_key, kind, text, by, detail ->> 'change' AS change, jsonb_array_length(detail -> 'changes') AS changes FROM qbsync.timeline WHERE kind = 'changed' ORDER BY at;
SELECT kind, count(*) FROM qbsync.timeline WHERE crm_table = 'crm.person' AND crm_key = 'p1' AND at > '2026-03-03' GROUP BY kind ORDER BY kind;

-- EXT-24: documents of a closed period: edited after it was closed, not merely paid, nor edited before
SELECT at, kind, closed_period FROM qbsync.record_change WHERE entity = 'invoice' ORDER BY at;
SELECT at, kind, txn_date, total_before, total_after, difference, text, resolve FROM qbsync.closed_period_change ORDER BY at;
SELECT qbsync_handle_change('invoice', '10', 'catch_up', 'acme');
SELECT count(*) FROM qbsync.closed_period_change;
SELECT entity, id, until, how FROM qbsync.handled_change;
INSERT INTO qbsync.record_version (connection_id, entity, id, valid_from, valid_to, sync_token, raw) SELECT -1, 'invoice', '10', valid_to, '2026-03-07', 4, jsonb_set(raw, '{TotalAmt}', '90')
FROM qbsync.record_version WHERE entity = 'invoice' AND valid_to = '2026-03-06';
SELECT at, total_before, total_after FROM qbsync.closed_period_change ORDER BY at;
-- a document made after the books were closed, and dated before: as it was first; not one made before, dated later, or when nothing was known yet
INSERT INTO qbsync.invoice (connection_id, id, seen_at, create_time, txn_date, doc_number, total_amt, raw) VALUES
	(-1, '20', '2026-03-08', '2026-03-07', '2026-01-20', '2001', 70, '{"TotalAmt": 70}'), (-1, '21', '2026-03-08', '2026-02-10', '2026-01-20', '2002', 1, '{"TotalAmt": 1}'),
	(-1, '22', '2026-03-08', '2026-03-07', '2026-02-01', '2003', 1, '{"TotalAmt": 1}'), (-1, '23', '2026-03-08', '2025-12-31', '2025-12-31', '2004', 1, '{"TotalAmt": 1}');
SELECT id, name, at, kind, text, changed_at, total_before, total_after, difference, resolve FROM qbsync.closed_period_change WHERE kind = 'created';
-- made in the second in which all was known first: QuickBooks' times have whole seconds
UPDATE qbsync.cursor SET known_since = '2026-03-07 00:00:00.9' WHERE connection_id = -1;
SELECT id FROM qbsync.closed_period_change WHERE kind = 'created';
UPDATE qbsync.cursor SET known_since = '2026-01-01' WHERE connection_id = -1;
SELECT qbsync_handle_change('invoice', '20', 'catch_up', 'acme');
SELECT count(*) FROM qbsync.closed_period_change WHERE kind = 'created';
-- books closed before the change count, also if the preferences were read after it
SELECT qbsync.book_close_date(-1, '2026-02-14 12:00'), qbsync.book_close_date(-1, '2026-02-14 23:59'), qbsync.book_close_date(-1, '2025-01-01');
\set VERBOSITY terse
\set ON_ERROR_ROLLBACK on
SELECT qbsync_handle_change('invoice', '11', 'catch_up', 'acme');
SELECT qbsync_handle_change('invoice', '10', 'forget', 'acme');

-- the functions behind take what never was a record, and refuse rows of other tables
SELECT (qbsync.version_row(NULL::qbsync.customer, ROW(1, 'customer', '7', now(), now(), NULL, NULL, NULL, NULL, NULL, NULL, raw)::qbsync.record_version)).id
FROM (VALUES ('5'::jsonb), ('[1, {"DisplayName": "x"}]'), ('"x"'), ('{"Line": 5}'), (NULL)) AS v(raw);
SELECT count(*) FROM (VALUES ('5'::jsonb), ('"x"'), ('{"Line": 5}'), ('{"Line": [5, [1], {"Amount": "x"}]}'), (NULL)) AS v(raw), qbsync.version_lines(NULL::qbsync.invoice_line, 1, '1', v.raw);
SELECT qbsync.version_row(NULL::qbsync.connection, NULL);
SELECT qbsync.version_row(NULL::qbsync.invoice_line, NULL);
SELECT qbsync.version_lines(NULL::qbsync.customer, 1, '1', '{}');
SELECT qbsync.version_lines(NULL::pg_class, 1, '1', '{}');

-- who may read it
CREATE ROLE regress_reader IN ROLE qbsync_reader;
CREATE ROLE regress_vendor_reader IN ROLE qbsync_vendor_reader;
SELECT pg_temp.version('vendor', '1', 0, '2026-02-01', '{"DisplayName": "Supplier"}', '2026-03-01'), pg_temp.version('vendor', '1', 1, '2026-03-01', '{"DisplayName": "Supplier inc."}');
SET ROLE regress_reader;
SELECT count(*) AS changes, count(text) AS texts FROM qbsync.record_change;
SELECT count(*) FROM qbsync.closed_period_change;
SELECT qbsync_handle_change('invoice', '10', 'handled', 'acme');
-- CAP-2: what is bought has its past for members of qbsync_vendor_reader only
SELECT (SELECT count(*) FROM qbsync.record_version WHERE entity = 'vendor') AS versions, (SELECT count(*) FROM qbsync.record_change WHERE entity = 'vendor') AS changes;
SELECT count(*) FROM qbsync.vendor_as_of(now(), 'acme');
SET ROLE regress_vendor_reader;
SELECT entity, name, text FROM qbsync.record_change;
SELECT entity, raw FROM qbsync.record_version;
RESET ROLE;
-- CAP-62: not of a company that is not shown
UPDATE qbsync.connection SET state = 'disconnected' WHERE connection_id = -1;
SELECT count(*) FROM qbsync.record_change;
ROLLBACK;
