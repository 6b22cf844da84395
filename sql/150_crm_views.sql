-- matched, duplicate, unlinked, conflict_open, timeline, mapping_status, and crm_table and crm_key in the sales views
-- (CAP-9, CAP-22, CAP-38, CAP-39, CEN-34, CEN-35, CEN-38, CEN-42, KAR-10, KAR-11, KAR-19, KAR-21, KAR-24, KAR-61, PIP-35, EXT-30).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;
SET LOCAL timezone = 'UTC';
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, company_name)
VALUES (-1, 'acme', 'my-app', '1', 'live', 'Paysages Laval inc.'), (-2, 'beta', 'my-app', '2', 'live', 'Beta');
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name, company_name, given_name, active, emails, primary_phone, create_time, deleted_at, balance) VALUES
	(-1, '1', now(), 'L''Érable & Fils', 'L''Érable & Fils', NULL, true, '{a@x.example,b@x.example}', '514', '2026-01-01', NULL, 10),
	(-1, '2', now(), 'Chantier "nord"', NULL, 'Nora', true, NULL, NULL, '2026-01-02', NULL, 20),
	(-1, '3', now(), 'Inactive (deleted)', NULL, 'Ina', false, NULL, NULL, '2026-01-03', NULL, 0),
	(-1, '4', now(), 'Merged away', NULL, 'Meg', false, NULL, NULL, '2026-01-04', now(), 0),
	(-1, '5', now(), 'Tremblay', NULL, 'Tim', true, '{t@x.example}', '450', '2026-01-05', NULL, 0),
	(-1, '6', now(), 'Held', NULL, 'Hal', true, NULL, NULL, '2026-01-06', NULL, 0),
	(-1, '7', now(), 'Ignored', NULL, 'Ian', true, NULL, NULL, '2026-01-07', NULL, 0),
	(-1, '8', now(), 'New', NULL, 'Ned', true, NULL, NULL, '2026-01-08', NULL, 0),
	(-1, '9', now(), 'Refused', NULL, 'Ray', true, NULL, NULL, '2026-01-09', NULL, 0),
	(-1, '10', now(), 'Pins inc.', 'Pins inc.', NULL, true, NULL, NULL, '2026-01-10', NULL, 0),
	(-2, '1', now(), 'Same id elsewhere', NULL, NULL, true, NULL, NULL, '2026-01-01', NULL, 0);
INSERT INTO qbsync.invoice (connection_id, id, sync_token, seen_at, doc_number, customer_id, total_amt, balance)
VALUES (-1, '100', '1', now(), 'F-100', '1', 50, 25), (-1, '101', '1', now(), 'F-101', '2', 7, 7), (-1, '102', '1', now(), 'F-102', '5', 8, 8);
INSERT INTO qbsync.payment (connection_id, id, seen_at, customer_id, txn_date, total_amt) VALUES (-1, '200', now(), '1', '2026-01-20', 25);
INSERT INTO qbsync.payment_line (connection_id, payment_id, position, amount, txn_id, txn_type) VALUES (-1, '200', 1, 25, '100', 'Invoice');
CREATE SCHEMA crm;
CREATE VIEW crm.persons AS SELECT 1 AS id, ''::text AS display_name;
CREATE VIEW crm.firms AS SELECT 1 AS id, ''::text AS display_name;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, kind, family, view, view_name, crm_table, key_columns, columns, role, state, policies) VALUES
	(-1, 'persons', -1, 'customer', 'person', 0, 'crm.persons', 'crm.persons', 'crm.person', '{id}', '{display_name}', current_user, 'enabled', '{}'),
	(-2, 'firms', -1, 'customer', 'organisation', 0, 'crm.firms', 'crm.firms', 'crm.firm', '{id}', '{display_name}', current_user, 'declared', '{}'),
	(-3, 'invoices', -1, 'invoice', 'any', 0, 'crm.persons', 'crm.persons', 'crm.invoice', '{id}', '{doc_number}', current_user, 'enabled', '{"pull_new_documents": "none"}'),
	(-4, 'newsletter', -1, 'customer', 'any', -4, 'crm.persons', 'crm.persons', 'crm.newsletter', '{id}', '{display_name}', current_user, 'disabled', '{}'),
	(-5, 'beta', -2, 'customer', 'any', 0, 'crm.persons', 'crm.persons', 'crm.person', '{id}', '{display_name}', current_user, 'enabled', '{}');
INSERT INTO qbsync.link (connection_id, entity, id, family, mapping_id, crm_key, state, origin, linked_at, linked_by) VALUES
	(-1, 'customer', '1', 0, -2, 'f1', 'linked', 'name_and_email', '2026-02-01', NULL),
	(-1, 'customer', '2', 0, -2, 'f1', 'alias', 'merge', '2026-02-02', 'somebody'),
	(-1, 'customer', '3', 0, -1, 'p3', 'linked', 'created_in_crm', '2026-02-03', NULL),
	(-1, 'customer', '4', 0, -1, 'p4', 'crm_missing', 'decision', '2026-02-04', 'somebody'),
	(-1, 'customer', '1', -4, -4, 'n1', 'linked', 'id', '2026-02-05', NULL),
	(-1, 'invoice', '100', 0, -3, 'i100', 'linked', 'created_in_quickbooks', '2026-02-06', NULL),
	(-2, 'customer', '1', 0, -5, 'f1', 'linked', 'tax_id', '2026-02-07', NULL);

-- KAR-10, KAR-21, CEN-34, CEN-42: what is linked, with how, when, by whom, and the page's address
SELECT connection, mapping, crm_table, crm_key, entity, id, name, state, quickbooks_active AS active, quickbooks_deleted_at IS NOT NULL AS deleted, how, linked_at::date, linked_by, url
FROM qbsync.matched ORDER BY linked_at;
-- CEN-38
SELECT qbsync.is_linked('crm.firm', 'f1') AS by_table, qbsync.is_linked('persons', 'p3') AS by_mapping, qbsync.is_linked('crm.person', 'nobody') AS nobody,
	qbsync.is_linked('persons', 'f1') AS other_mapping, qbsync.is_linked('crm.invoice', 'i100') AS document;
-- CEN-35: the list can be neither renamed nor dropped by those who read it
CREATE ROLE regress_reader IN ROLE qbsync_reader;
SET ROLE regress_reader;
ALTER VIEW qbsync.matched RENAME TO mine;
DROP VIEW qbsync.matched;
RESET ROLE;
DROP VIEW qbsync.matched CASCADE;

-- CAP-9, PIP-35, EXT-30: an application joins on its own key; an alias counts for the record it was merged into
SELECT crm_table, crm_key, id, display_name, balance FROM qbsync.customer_summary WHERE connection = 'acme' AND id IN ('1', '2', '3', '5') ORDER BY id;
SELECT crm_table, crm_key, id, customer, balance FROM qbsync.invoice_status ORDER BY id;
SELECT crm_table, crm_key, sum(balance) AS owed, count(*) FROM qbsync.invoice_status WHERE crm_table = 'crm.firm' AND crm_key = 'f1' GROUP BY 1, 2;
SELECT crm_table, crm_key, payment_id, amount FROM qbsync.invoice_payment;

-- unlinked: why, by mapping
INSERT INTO qbsync.match_candidate (mapping_id, connection_id, entity, id, crm_key, score, reasons, crm_row, found_at) VALUES
	(-1, -1, 'customer', '5', 'p50', 0.7, '{"same name"}', '{"display_name": "TREMBLAY"}', '2026-02-01'),
	(-1, -1, 'customer', '5', 'p''51', 0.6, '{"same e-mail"}', '{"display_name": "Tim T."}', '2026-02-01'),
	(-1, -1, 'customer', '6', 'p6', 0.6, '{"same e-mail"}', NULL, '2026-02-01'),
	(-5, -2, 'customer', '1', 'x', 0.6, '{"same e-mail"}', NULL, '2026-02-01');
SELECT done FROM qbsync_resolve_match('6', 'hold', mapping => 'persons');
SELECT done FROM qbsync_resolve_match('7', 'ignore', mapping => 'persons');
INSERT INTO qbsync.crm_error (error_id, mapping_id, connection_id, entity, id, problem, column_name, detail, next_attempt_at)
VALUES (-1, -1, -1, 'customer', '9', 'crm_refused', 'display_name', 'new row violates check constraint', '2026-03-01');
SELECT mapping, crm_table, entity, id, name, reason, decision, decided_by IS NOT NULL AS by_somebody, candidates, problem, url IS NOT NULL AS url, resolve FROM qbsync.unlinked ORDER BY mapping, id::int;
UPDATE qbsync.mapping SET policies = '{"pull_new_first": "since", "pull_new_since": "2026-01-09"}' WHERE name = 'persons';
UPDATE qbsync.mapping SET first_sync_done_at = now() WHERE name = 'invoices';
SELECT mapping, id, reason FROM qbsync.unlinked ORDER BY mapping, id::int;
-- what was there at the first sync stays under its policy; what was made since is under pull_new
UPDATE qbsync.mapping SET first_sync_done_at = now(), policies = '{}' WHERE name = 'persons';
SELECT id, reason FROM qbsync.unlinked WHERE mapping = 'persons' AND id = '8';
UPDATE qbsync.mapping SET first_sync_done_at = '2026-01-08 00:00:00.9' WHERE name = 'persons';
SELECT mapping, id, reason FROM qbsync.unlinked WHERE mapping = 'persons' ORDER BY id::int;

-- KAR-11, KAR-19, KAR-24, CAP-22: one row a pair, ranked, with the call; what is held is not asked
SELECT connection, mapping, crm_table, crm_key, id, name, emails, phone, score, reasons, rank, candidates, crm_row, url, resolve FROM qbsync.duplicate ORDER BY id, rank;
SELECT resolve AS call FROM qbsync.duplicate WHERE rank = 2 \gset
:call \g /dev/null
SELECT crm_key, linked_by = session_user AS by_me FROM qbsync.matched WHERE id = '5';
SELECT count(*) FROM qbsync.duplicate WHERE connection = 'acme';

-- CAP-38, CAP-39: conflicts with both values, the base and both times
INSERT INTO qbsync.conflict (conflict_id, mapping_id, connection_id, entity, id, crm_key, unit, kind, base, ours, theirs, ours_at, theirs_at) VALUES
	(-1, -1, -1, 'customer', '3', 'p3', 'display_name', 'changed_both', '{"display_name": "a"}', '{"display_name": "b"}', '{"display_name": "c"}', '2026-03-02', '2026-03-01'),
	(-2, -2, -1, 'customer', '1', 'f1', 'bill_addr', 'address_partial', '{}', '{"bill_city": "Laval"}', '{"bill_city": "Laval", "bill_line1": "1"}', NULL, '2026-03-01');
SELECT conflict_id, connection, mapping, crm_table, crm_key, id, name, unit, kind, base, crm, quickbooks, newer, age < interval '1 h' AS young, take_crm, take_quickbooks
FROM qbsync.conflict_open ORDER BY conflict_id;

-- errors of both directions in one view, with numbers of one sequence
INSERT INTO qbsync.error (connection_id, entity, id, problem) VALUES (-1, 'customer', '8', 'bad_value');
INSERT INTO qbsync.crm_error (mapping_id, connection_id, entity, crm_key, problem, next_attempt_at, dismissed_at) VALUES (-1, -1, 'customer', 'p9', 'crm_refused', now(), now());
SELECT connection, mapping, crm_table, crm_key, entity, id, problem, column_name, detail, meaning IS NOT NULL AS meaning, what_to_do IS NOT NULL AS remedy, next_attempt_at, has_record
FROM qbsync.error_open ORDER BY error_id;
SELECT (SELECT max(error_id) FROM qbsync.crm_error) > (SELECT max(error_id) FROM qbsync.error) AS one_sequence;
SELECT connection, error_count, crm_error_count, duplicate_count, conflict_count, broken_mapping_count FROM qbsync.status ORDER BY connection;

-- KAR-61: the timeline in words
INSERT INTO qbsync.history (connection_id, mapping_id, entity, id, crm_key, at, operation, before, written) VALUES
	(-1, -1, 'customer', '3', 'p3', '2026-02-10', 'update', '{"display_name": "Old"}', '{"display_name": "New", "emails": null}'),
	(-1, -1, 'customer', '4', 'p4', '2026-02-11', 'delete', '{"display_name": "Old"}', NULL);
INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, at, kind, detail) VALUES
	(-1, -3, 'invoice', '100', 'i100', '2026-02-12', 'event', '{"event": "partially_paid", "column": "status", "to": "Partial"}'),
	(-1, -3, 'invoice', '100', 'i100', '2026-02-13', 'event', '{"event": "emailed"}'),
	(-1, -1, 'customer', '3', 'p3', '2026-02-10 00:00:01', 'updated', '{"columns": ["display_name", "emails"]}'),
	(-1, -1, 'customer', '4', 'p4', '2026-02-11 00:00:01', 'deleted', '{"reason": "deleted in QuickBooks"}'),
	(-1, -1, 'customer', '2', 'p2', '2026-02-11 00:00:02', 'linked', '{"origin": "name_and_email", "reason": "same e-mail, same name"}'),
	(-1, -1, 'customer', '3', 'p3', '2026-02-14', 'conflict', '{"unit": "display_name", "kind": "changed_both"}'),
	(-1, -1, 'customer', '4', 'p4', '2026-02-15', 'missing', NULL),
	(-1, -99, 'customer', '4', 'gone', '2026-02-16', 'missing', NULL);
SELECT at::date, connection, mapping, crm_table, crm_key, kind, name, text, by FROM qbsync.timeline WHERE at < '2026-03-01' ORDER BY at;
SELECT kind, crm_key, name, text, by = session_user AS by_me, decision IS NOT NULL AS can_be_undone FROM qbsync.timeline WHERE by IS NOT NULL AND at > now() - interval '1 h' ORDER BY at;
SELECT kind, before, written FROM qbsync.timeline WHERE before IS NOT NULL ORDER BY at;
SELECT count(*) = count(DISTINCT event_id) AS told_apart FROM qbsync.timeline;
-- people's own words
SELECT kind, detail, qbsync.timeline_text(kind, 'customer', '1', detail::jsonb, 'en'), qbsync.timeline_text(kind, 'customer', '1', detail::jsonb, 'fr') AS "CEN-6" FROM (VALUES
	('unlinked', '{"then": "hold"}'), ('merged', '{"winner": "b"}'), ('merged', '{"by": "quickbooks"}'), ('resolved', '{"unit": "bill_addr", "take": "crm"}'),
	('decided', '{"kind": "create"}'), ('decided', '{"kind": "reject"}'), ('undone', '{"decision": 7}'), ('undone', '{"decision": 7, "columns": ["a", "b"]}'), ('unlinked', '{"reason": "deleted in QuickBooks"}'), ('linked', '{}'), ('updated', '{}'), ('event', NULL), ('news', '[]')) v(kind, detail);

-- how mappings do
INSERT INTO qbsync.arrival (mapping_id, id) VALUES (-1, '1');
UPDATE qbsync.mapping SET problem = 'mapping_broken', problem_detail = 'column "x" is gone', sweep_after = '3' WHERE name = 'firms';
DELETE FROM qbsync.arrival WHERE id <> '1';
SELECT mapping, crm_table, kind, view, state, ok, problem, problem_text IS NOT NULL AS text, detail, linked_count AS linked, alias_count AS alias, crm_missing_count AS missing,
	duplicate_count AS duplicates, conflict_count AS conflicts, error_count AS errors, waiting_count AS waiting, sweep_percent
FROM qbsync.mapping_status ORDER BY mapping;

-- conditions on the key lead through indexes
CREATE FUNCTION pg_temp.uses(query text, pattern text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text; found_it boolean := false;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP found_it := found_it OR line ~ pattern; END LOOP;
	RETURN found_it;
END $$;
CREATE TABLE crm.person (id integer PRIMARY KEY);
INSERT INTO crm.person SELECT g FROM generate_series(1, 3000) g;
INSERT INTO qbsync.customer (connection_id, id, seen_at) SELECT -1, (g + 1000)::text, now() FROM generate_series(1, 3000) g;
INSERT INTO qbsync.invoice (connection_id, id, seen_at, customer_id) SELECT -1, (g + 1000)::text, now(), (g + 1000)::text FROM generate_series(1, 3000) g;
INSERT INTO qbsync.payment (connection_id, id, seen_at, customer_id) SELECT -1, (g + 1000)::text, now(), (g + 1000)::text FROM generate_series(1, 3000) g;
INSERT INTO qbsync.payment_line (connection_id, payment_id, position, txn_type, txn_id) SELECT -1, (g + 1000)::text, 1, 'Invoice', (g + 1000)::text FROM generate_series(1, 3000) g;
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin, linked_at) SELECT -1, 'customer', (g + 1000)::text, -1, g::text, 'id', '2026-04-01' FROM generate_series(1, 3000) g;
INSERT INTO qbsync.activity (connection_id, mapping_id, entity, id, crm_key, at, kind) SELECT -1, -1, 'customer', (g + 1000)::text, g::text, '2026-04-01', 'missing' FROM generate_series(1, 3000) g;
INSERT INTO qbsync.history (connection_id, mapping_id, entity, id, crm_key, at, operation, before) SELECT -1, -1, 'customer', (g + 1000)::text, g::text, '2026-04-01', 'update', '{}' FROM generate_series(1, 3000) g;
ANALYZE crm.person, qbsync.customer, qbsync.invoice, qbsync.payment, qbsync.payment_line, qbsync.link, qbsync.activity, qbsync.history, qbsync.mapping, qbsync.connection, qbsync.app;
SELECT view, pg_temp.uses(format('SELECT * FROM qbsync.%s s WHERE crm_table = ''crm.person'' AND crm_key = ''1''', view), 'Index Cond: .*crm_key = ''1''') AS by_key,
	pg_temp.uses(format('SELECT * FROM crm.person p JOIN qbsync.%s s ON s.crm_table = ''crm.person'' AND s.crm_key = p.id::text WHERE p.id = 1', view), 'Index Cond: .*crm_key = \(+p.id\)') AS by_join
FROM unnest('{customer_summary,invoice_status,invoice_payment,matched}'::text[]) AS view;
-- the timeline has a part that only a constant or a LATERAL reaches: what changed in QuickBooks
INSERT INTO qbsync.record_version (connection_id, entity, id, valid_from, valid_to) SELECT -1, 'customer', (g + 1000)::text, '2026-04-01', '2026-04-02' FROM generate_series(1, 3000) g;
ANALYZE qbsync.record_version;
SELECT pg_temp.uses('SELECT * FROM qbsync.timeline WHERE crm_table = ''crm.person'' AND crm_key = ''1''', 'Seq Scan on (link|record_version)') AS by_key_reads_all,
	pg_temp.uses('SELECT * FROM crm.person p CROSS JOIN LATERAL (SELECT * FROM qbsync.timeline t WHERE t.crm_table = ''crm.person'' AND t.crm_key = p.id::text ORDER BY at DESC LIMIT 5) t WHERE p.id < 3',
				 'Seq Scan on (link|record_version)') AS by_join_reads_all;
-- what happened lately reads the newest of each part
SELECT pg_temp.uses('SELECT * FROM qbsync.timeline ORDER BY at DESC LIMIT 20', 'Merge Append') AS in_order,
	pg_temp.uses('SELECT * FROM qbsync.timeline ORDER BY at DESC LIMIT 20', 'Index Scan Backward using record_version_valid_to_idx') AS newest_first,
	pg_temp.uses('SELECT * FROM qbsync.record_change ORDER BY at DESC LIMIT 20', '(^| )(Sort|Hash Join|Hash Left Join|Seq Scan on record_version)') AS changes_read_all;

-- a reader may read them all; X-28: a disconnected company is in none
UPDATE qbsync.connection SET state = 'disconnected' WHERE name = 'beta';
SET ROLE regress_reader;
SELECT (SELECT count(*) > 3000 FROM qbsync.matched) AS matched, (SELECT count(*) FROM qbsync.duplicate) AS duplicate, (SELECT count(*) > 0 FROM qbsync.unlinked) AS unlinked,
	(SELECT count(*) FROM qbsync.conflict_open) AS conflict_open, (SELECT count(text) > 0 FROM qbsync.timeline) AS timeline, (SELECT count(linked_count) FROM qbsync.mapping_status) AS mapping_status,
	qbsync.is_linked('crm.firm', 'f1') AS is_linked;
SELECT bool_and(problems_now IS NULL OR problems_now <> '') AS looked FROM qbsync.mapping_status;
SELECT * FROM qbsync.link;
SELECT * FROM qbsync.record;
SELECT qbsync_resolve_match('8', 'ignore', mapping => 'persons');
RESET ROLE;
UPDATE qbsync.connection SET state = 'disconnected' WHERE name = 'acme';
SELECT (SELECT count(*) FROM qbsync.matched) + (SELECT count(*) FROM qbsync.duplicate) + (SELECT count(*) FROM qbsync.unlinked) + (SELECT count(*) FROM qbsync.conflict_open)
	+ (SELECT count(*) FROM qbsync.timeline) + (SELECT count(*) FROM qbsync.mapping_status) + (SELECT count(*) FROM qbsync.error_open) AS shown, qbsync.is_linked('crm.firm', 'f1') AS is_linked;
ROLLBACK;
