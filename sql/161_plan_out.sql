-- qbsync_plan, the way out: what is created in QuickBooks and what changes there, with the values as QuickBooks gets them, what waits and what
-- would not be taken, before anything is enabled (CAP-47, CAP-48, CAP-49, KAR-36, EXT-19).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;

BEGIN;
CREATE ROLE regress_out_crm;
CREATE ROLE regress_out_clerk IN ROLE regress_out_crm;
CREATE ROLE regress_out_buyer IN ROLE regress_out_crm, qbsync_vendor_reader;
CREATE SCHEMA regress_out AUTHORIZATION regress_out_crm;
SET ROLE regress_out_crm;
CREATE TABLE regress_out.contact (id integer PRIMARY KEY, name text, mail text, phone text, street text, city text, parent integer, terms text);
CREATE VIEW regress_out.contact_quickbooks WITH (security_invoker = true) AS
SELECT c.id, c.name AS display_name, c.mail AS emails, c.phone AS primary_phone, c.street AS bill_line1, c.city AS bill_city, c.parent AS parent_key, c.terms AS preferred_delivery_method
FROM regress_out.contact c;
INSERT INTO regress_out.contact (id, name, mail, phone, street, city, parent, terms) VALUES
	(1, 'Same', 'same@x.example', '1', NULL, NULL, NULL, NULL),
	(2, 'Phone changed', NULL, '2-new', '2 rue B', 'Laval', NULL, NULL),
	(3, 'Phone too long', NULL, repeat('3', 31), NULL, NULL, NULL, NULL),
	(4, 'Moved and mapped', NULL, NULL, '4 new street', 'Montréal', NULL, 'post'),
	(5, 'acme holding', NULL, '5', NULL, NULL, NULL, NULL),
	(6, 'Conflict', NULL, '6-here', NULL, NULL, NULL, NULL),
	(10, 'New one', 'new@x.example', '10', '10 rue J', 'Laval', NULL, 'mail'),
	(11, repeat('long ', 101), NULL, NULL, NULL, NULL, NULL, NULL),
	(12, 'Bad address', 'not an address', NULL, NULL, NULL, NULL, NULL),
	(13, 'PAPER SUPPLY', NULL, NULL, NULL, NULL, NULL, NULL),
	(14, 'Child', NULL, NULL, NULL, NULL, 10, NULL),
	(15, 'Child of one that is there', NULL, NULL, NULL, NULL, 1, NULL),
	(16, 'Not mapped', NULL, NULL, NULL, NULL, NULL, 'pigeon'),
	(17, 'Twin', NULL, NULL, NULL, NULL, NULL, NULL),
	(18, 'twin', NULL, NULL, NULL, NULL, NULL, NULL),
	(19, 'Namesake', NULL, NULL, NULL, NULL, NULL, NULL),
	(20, NULL, 'nameless@x.example', NULL, NULL, NULL, NULL, NULL);
RESET ROLE;

SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state) VALUES (-1, 'acme', 'my-app', '1', 'live');
INSERT INTO qbsync.customer (connection_id, id, seen_at, sync_token, active, display_name, emails, primary_phone, bill_line1, bill_city, raw)
SELECT -1, v.id, now(), '0', true, v.name, v.emails::text[], v.phone, v.line, v.city, jsonb_strip_nulls(jsonb_build_object('Id', v.id, 'DisplayName', v.name, 'PrimaryPhone', jsonb_build_object('FreeFormNumber', v.phone)))
FROM (VALUES ('101', 'Same', '{same@x.example}', '1', NULL, NULL), ('102', 'Phone changed', NULL, '2', '2 rue B', 'Laval'), ('103', 'Phone too long', NULL, '3', NULL, NULL),
	('104', 'Moved and mapped', NULL, NULL, '4 rue D', 'Laval'), ('105', 'Was called so', NULL, '5', NULL, NULL), ('106', 'Conflict', NULL, '6-there', NULL, NULL),
	('107', 'ACME Holding', NULL, NULL, NULL, NULL), ('108', 'Namesake', NULL, NULL, NULL, NULL)) v(id, name, emails, phone, line, city);
INSERT INTO qbsync.vendor (connection_id, id, seen_at, sync_token, active, display_name) VALUES (-1, '30', now(), '0', true, 'Paper Supply');
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, role, policies) VALUES
	(-1, 'contacts', -1, 'customer', 'regress_out.contact_quickbooks', 'regress_out.contact_quickbooks', 'regress_out.contact', '{id}',
	 '{display_name,emails,primary_phone,bill_line1,bill_city,parent_key,preferred_delivery_method}', 'regress_out_crm', '{"pull_new_first": "none", "language": "en"}');
INSERT INTO qbsync.column_policy VALUES (-1, 'preferred_delivery_method', 'value_map', 'delivery');
INSERT INTO qbsync.value_map (mapping_id, name, crm_value, quickbooks_value) VALUES (-1, 'delivery', 'post', 'Print'), (-1, 'delivery', 'mail', 'Email');
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin, base) VALUES
	(-1, 'customer', '101', -1, '1', 'decision', '{"display_name": "Same", "emails": ["same@x.example"], "primary_phone": "1"}'),
	(-1, 'customer', '102', -1, '2', 'decision', '{"display_name": "Phone changed", "primary_phone": "2", "bill_line1": "2 rue B", "bill_city": "Laval"}'),
	(-1, 'customer', '103', -1, '3', 'decision', '{"display_name": "Phone too long", "primary_phone": "3"}'),
	(-1, 'customer', '104', -1, '4', 'decision', '{"display_name": "Moved and mapped", "bill_line1": "4 rue D", "bill_city": "Laval"}'),
	(-1, 'customer', '105', -1, '5', 'decision', '{"display_name": "Was called so", "primary_phone": "5"}'),
	(-1, 'customer', '106', -1, '6', 'decision', '{"display_name": "Conflict", "primary_phone": "6"}');
CREATE VIEW pg_temp.way_out AS
SELECT action, id, crm_key, left(name, 20) AS name, reason, before, CASE WHEN length(after::text) < 200 THEN after END AS after, CASE WHEN length(to_quickbooks::text) < 200 THEN to_quickbooks END AS to_quickbooks, detail
FROM qbsync_plan('contacts') WHERE count IS NULL AND action IN ('push', 'send', 'kept', 'wait', 'error', 'crm_only');

-- by default only what is linked goes out; "before" and "after" are QuickBooks' values, to_quickbooks is what the CRM calls them
SELECT action, count FROM qbsync_plan('contacts') WHERE count IS NOT NULL;
SELECT * FROM pg_temp.way_out WHERE action <> 'crm_only';
-- with push_new scope, what is created there, what waits, what would not be taken, and why
UPDATE qbsync.mapping SET policies = policies || '{"push_new": "scope"}' WHERE mapping_id = -1;
SELECT action, count FROM qbsync_plan('contacts') WHERE count IS NOT NULL;
SELECT * FROM pg_temp.way_out WHERE id IS NULL;
-- a reader of vendors is told that one has the name; who is none is not
GRANT SELECT ON pg_temp.way_out TO regress_out_clerk, regress_out_buyer;
SET ROLE regress_out_clerk;
SELECT action, reason, detail FROM qbsync_plan('contacts') WHERE crm_key = '13' AND count IS NULL;
SET ROLE regress_out_buyer;
SELECT action, reason, detail FROM qbsync_plan('contacts') WHERE crm_key = '13' AND count IS NULL;
RESET ROLE;
-- the first sync creates by initial_push whatever push_new says; where records only come in nothing is created, and single columns go out
UPDATE qbsync.mapping SET policies = '{"pull_new_first": "none", "initial_push": "true", "lane_limit": "1"}' WHERE mapping_id = -1;
SELECT action, crm_key, reason, detail FROM pg_temp.way_out WHERE action = 'push' ORDER BY crm_key;
UPDATE qbsync.mapping SET policies = '{"pull_new_first": "none", "direction": "pull", "push_new": "scope", "initial_push": "true"}' WHERE mapping_id = -1;
SELECT action, count FROM qbsync_plan('contacts') WHERE count IS NOT NULL;
INSERT INTO qbsync.column_policy VALUES (-1, 'primary_phone', 'direction', 'two_way');
SELECT action, count FROM qbsync_plan('contacts') WHERE count IS NOT NULL;
DELETE FROM qbsync.column_policy WHERE policy = 'direction';
-- what somebody asked for; more than lane_limit by a rule wait for a person
UPDATE qbsync.mapping SET policies = '{"pull_new_first": "none", "push_new": "scope", "lane_limit": "1"}' WHERE mapping_id = -1;
INSERT INTO qbsync.outgoing (mapping_id, crm_key) VALUES (-1, '10'), (-1, '19'), (-1, '99');
SELECT action, crm_key, reason, detail FROM pg_temp.way_out WHERE action = 'push' OR crm_key IN ('19', '99') ORDER BY crm_key;
-- what is on its way, and what was refused and is the same still
INSERT INTO qbsync.request (mapping_id, connection_id, entity, crm_key, id, operation, state, requestid, body, sync_token, sent_values, crm_values) VALUES
	(-1, -1, 'customer', '10', NULL, 'create', 'sent', 'a', '{}', NULL, '{}', '{}'),
	(-1, -1, 'customer', '2', '102', 'update', 'refused', 'b', '{}', '0', '{"primary_phone": "2-new"}', '{}');
INSERT INTO qbsync.send_error (mapping_id, connection_id, entity, id, crm_key, problem, code, message, next_attempt_at) VALUES (-1, -1, 'customer', '102', '2', 'send_refused', 610, 'Object Not Found', 'infinity');
SELECT action, crm_key, reason, detail FROM pg_temp.way_out WHERE crm_key IN ('2', '10') ORDER BY crm_key;
UPDATE regress_out.contact SET phone = '2-newer' WHERE id = 2;
SELECT action, crm_key, reason, after FROM pg_temp.way_out WHERE crm_key = '2';
-- in the language of the mapping
UPDATE qbsync.mapping SET policies = policies || '{"language": "fr"}' WHERE mapping_id = -1;
SELECT action, crm_key, reason, detail FROM pg_temp.way_out WHERE crm_key IN ('3', '5', '10', '11', '14', '15', '18') ORDER BY crm_key;
-- nothing is written
SET TRANSACTION READ ONLY;
SELECT count(*) > 0 FROM pg_temp.way_out;
ROLLBACK;
