-- Policies, presets, values and events (X-1…X-31, ORD-15, ORD-18…21, KAR-31, KAR-32, KAR-60, CEN-7, CEN-9…12, Q-1, Q-4, Q-5).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;

-- what is shipped fits together: defaults and presets have values that qbsync_set would take, presets name policies
SELECT p.name, p.default_value FROM qbsync.policy p
WHERE p.default_value IS NOT NULL AND qbsync.policy_value(NULL, p.name, p.default_value) IS DISTINCT FROM p.default_value;
SELECT s.preset, s.policy, s.value FROM qbsync.preset s LEFT JOIN qbsync.policy p ON p.name = s.policy
WHERE p.name IS NULL OR qbsync.policy_value(NULL, s.policy, s.value) IS DISTINCT FROM s.value;
-- a preset says only what differs from the default; safe is the defaults
SELECT s.preset, s.policy FROM qbsync.preset s JOIN qbsync.policy p ON p.name = s.policy AND p.default_value IS NOT DISTINCT FROM s.value WHERE s.preset <> 'safe';
SELECT p.name FROM qbsync.policy p LEFT JOIN qbsync.preset s ON s.policy = p.name AND s.preset = 'safe'
WHERE s.value IS DISTINCT FROM p.default_value AND p.name IN (SELECT policy FROM qbsync.preset);
-- what no preset touches: facts about a company or a column
SELECT p.name FROM qbsync.policy p WHERE p.name NOT IN (SELECT policy FROM qbsync.preset) ORDER BY 1;
SELECT name, allowed, default_value, per_column FROM qbsync.policy ORDER BY name COLLATE "C";

BEGIN;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, settings)
VALUES (-1, 'acme', 'my-app', '1', 'live', '{"keep_visible": true}'), (-2, 'beta', 'my-app', '2', 'live', '{}');
CREATE SCHEMA regress_crm;
CREATE TABLE regress_crm.contact (id integer PRIMARY KEY, name text, street text, town text, terms text, tier text, language text);
CREATE VIEW regress_crm.customer AS SELECT id, name AS display_name, street AS bill_line1, town AS bill_city, terms AS term_id, tier, language FROM regress_crm.contact;
CREATE TABLE regress_crm.bill (id integer PRIMARY KEY, number text, contact integer, state text);
CREATE VIEW regress_crm.invoice AS SELECT id, number AS doc_number, contact AS customer_key, state AS status FROM regress_crm.bill;
CREATE VIEW regress_crm.invoice_line AS SELECT NULL::integer AS invoice_key, NULL::text AS description, NULL::text AS item_id WHERE false;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, extra_columns, role, line_view, line_view_name, line_columns, state)
VALUES
	(-10, 'contacts', -1, 'customer', 'regress_crm.customer', 'regress_crm.customer', 'regress_crm.contact', '{id}',
	 '{display_name,bill_line1,bill_city,term_id}', '{tier,language}', 'postgres', NULL, NULL, NULL, 'enabled'),
	(-11, 'invoices', -1, 'invoice', 'regress_crm.invoice', 'regress_crm.invoice', 'regress_crm.bill', '{id}',
	 '{doc_number,customer_key}', '{status}', 'postgres', 'regress_crm.invoice_line', 'regress_crm.invoice_line', '{invoice_key,description,item_id}', 'enabled'),
	(-12, 'others', -2, 'customer', 'regress_crm.customer', 'regress_crm.customer', 'regress_crm.contact', '{id}', '{display_name}', '{}', 'postgres', NULL, NULL, NULL, 'enabled'),
	(-13, 'declared', -1, 'item', 'regress_crm.customer', 'regress_crm.customer', 'regress_crm.contact', '{id}', '{name}', '{}', 'postgres', NULL, NULL, NULL, 'declared');
CREATE FUNCTION pg_temp.swept() RETURNS text LANGUAGE sql AS $$
	WITH s AS (SELECT name FROM qbsync.mapping WHERE sweep_after = ''), u AS (UPDATE qbsync.mapping SET sweep_after = NULL)
	SELECT coalesce(string_agg(name, ', ' ORDER BY name), 'none') FROM s
$$;
-- what counts for a mapping and is not the default
CREATE FUNCTION pg_temp.differs(mapping integer) RETURNS TABLE (policy text, value text) LANGUAGE sql AS $$
	SELECT e.key, e.value FROM jsonb_each_text(qbsync.effective_policies(mapping)) e JOIN qbsync.policy p ON p.name = e.key
	WHERE e.value IS DISTINCT FROM p.default_value ORDER BY e.key COLLATE "C"
$$;

-- nothing is set: the defaults
SELECT * FROM pg_temp.differs(-10);
SELECT * FROM pg_temp.differs(-11);
SELECT qbsync.effective_policies(-10) = (SELECT jsonb_object_agg(name, default_value) FROM qbsync.policy WHERE default_value IS NOT NULL) AS defaults;
SELECT qbsync.effective_policies(-99), qbsync.column_policies(-99);

-- column over mapping over connection over default (X-1)
SELECT qbsync_set('acme', 'authority', 'crm'), pg_temp.swept();
SELECT qbsync_set(setting => 'authority', value => 'newest', mapping => 'invoices'), pg_temp.swept();
SELECT qbsync_set(setting => 'authority', value => 'qbo', mapping => 'contacts', "column" => 'display_name'), pg_temp.swept();
SELECT m.name, qbsync.effective_policies(m.mapping_id) ->> 'authority' AS authority, qbsync.column_policies(m.mapping_id) FROM qbsync.mapping m ORDER BY 1;
-- an address is a unit: said of one of its columns or by its own name
SELECT qbsync_set(setting => 'direction', value => 'pull', mapping => 'contacts', "column" => 'bill_city');
SELECT jsonb_pretty(qbsync.column_policies(-10) - 'bill_line3' - 'bill_line4' - 'bill_line5' - 'bill_region' - 'bill_postal_code' - 'bill_country');
SELECT column_name, policy, value FROM qbsync.column_policy WHERE mapping_id = -10 ORDER BY 1;
SELECT qbsync_set(setting => 'direction', value => NULL, mapping => 'contacts', "column" => 'bill_addr');
SELECT qbsync_set(setting => 'authority', value => NULL, mapping => 'contacts', "column" => 'display_name');
SELECT qbsync_set(setting => 'authority', value => NULL, mapping => 'invoices');
SELECT qbsync_set('acme', 'authority', NULL), pg_temp.swept();
SELECT settings FROM qbsync.connection WHERE name = 'acme';
SELECT count(*) FROM qbsync.column_policy;
-- CEN-9, CEN-10: both ways by default, one way by oneself
SELECT qbsync_set(setting => 'direction', value => 'pull', mapping => 'contacts');
SELECT qbsync.effective_policies(-10) ->> 'direction' AS contacts, qbsync.effective_policies(-12) ->> 'direction' AS others;
SELECT qbsync_set(setting => 'direction', mapping => 'contacts'), pg_temp.swept();
-- a policy of sending or guarding looks at nothing again
SELECT qbsync_set('acme', 'email_out', 'all'), pg_temp.swept();
SELECT qbsync_set('acme', 'email_out', NULL);

-- values are checked
SELECT qbsync_set('acme', 'authority', 'nobody');
SELECT qbsync_set('acme', 'authority', '');
SELECT qbsync_set('nowhere', 'authority', 'crm');
SELECT qbsync_set('beta', 'authority', 'crm', mapping => 'contacts');
SELECT qbsync_set('acme', 'pull_new', 'all', mapping => 'contacts', "column" => 'display_name');
SELECT qbsync_set(setting => 'authority', value => 'crm', mapping => 'contacts', "column" => 'given_name');
SELECT qbsync_set(setting => 'poll_interval', value => '1 h', mapping => 'contacts');
SELECT qbsync_set(setting => 'value_map', value => 'terms', mapping => 'contacts');
SELECT qbsync_set(setting => 'colour', value => 'red', mapping => 'contacts');
SELECT qbsync_set('acme', 'start_date', 'soon');
SELECT qbsync_set('acme', 'start_date', '2026-02-30');
SELECT qbsync_set('acme', 'start_date', '2026-02-28');
SELECT qbsync_set('acme', 'payment_future_days', '-1');
SELECT qbsync_set('acme', 'payment_future_days', '007');
SELECT qbsync_set('acme', 'initial_push', 'perhaps');
SELECT qbsync_set('acme', 'initial_push', 'on');
SELECT qbsync_set('acme', 'push_new', 'scope, on_demand');
SELECT qbsync_set('acme', 'push_new', 'none,scope');
SELECT qbsync_set('acme', 'push_rule', 'sent');
SELECT qbsync_set('acme', 'push_rule', ' status = sent , posted ');
SELECT qbsync_set('acme', 'lock_exempt', 'postgres, no_such_role');
SELECT qbsync_set('acme', 'lock_exempt', ' qbsync_admin ,qbsync_operator');
SELECT qbsync_set('acme', 'language', 'français');
SELECT qbsync_set('acme', 'language', 'fr');
SELECT qbsync_set('acme', 'crm_deposit_account', E'1\n2');
SELECT settings FROM qbsync.connection WHERE name = 'acme';
UPDATE qbsync.connection SET settings = '{"keep_visible": true, "start_date": "2026-01-01"}' WHERE name = 'acme';

-- X-13: what cannot be done to a contact or to a document is not
SELECT qbsync_set('acme', 'on_crm_delete', 'deactivate');
SELECT qbsync.effective_policies(-10) ->> 'on_crm_delete' AS contact, qbsync.effective_policies(-11) ->> 'on_crm_delete' AS document;
SELECT qbsync_set('acme', 'on_crm_delete', 'void');
SELECT qbsync.effective_policies(-10) ->> 'on_crm_delete' AS contact, qbsync.effective_policies(-11) ->> 'on_crm_delete' AS document;
SELECT qbsync_set('acme', 'on_crm_delete', NULL);

-- X-6, X-7, Q-1: what matches lead to
SELECT qbsync.match_outcomes(-10);
SELECT qbsync_set('acme', 'match_name_only', 'off'), qbsync_set('acme', 'partial_match', 'auto_link'), qbsync_set('acme', 'match_tax_id', 'review');
INSERT INTO qbsync.match_rule VALUES (-10, 'id', 'review');
SELECT qbsync.match_outcomes(-10), pg_temp.swept();
DELETE FROM qbsync.match_rule;

-- presets: errors
SELECT qbsync_preset();
SELECT qbsync_preset('odoo', 'acme');
SELECT qbsync_preset('safe', 'nowhere');
SELECT qbsync_preset('safe');
-- safe: the defaults of §A.6; what is a company's own stays
SELECT qbsync_preset('safe', 'acme'), pg_temp.swept();
SELECT * FROM pg_temp.differs(-10);
SELECT settings FROM qbsync.connection WHERE name = 'acme';
-- capsule: X-1 crm (CAP-10); X-3 primary (CAP-33); X-4 on demand (CAP-11); X-5 all (CAP-16); X-6 Display Name (CAP-15); X-7 a link
-- is created (CAP-22, Q-1); X-8 name contained (CAP-23, 24); X-9 the exported person (CAP-41); X-10, X-12 summary and display only
SELECT qbsync_preset('capsule', 'acme');
SELECT * FROM pg_temp.differs(-10);
SELECT qbsync.match_outcomes(-10);
SELECT e ->> 'email_in' AS x_2, e ->> 'pull_new' AS x_5, e ->> 'payment_direction' AS x_12, e ->> 'lock_linked' AS x_19, e ->> 'address_fallback' AS x_25
FROM qbsync.effective_policies(-10) e;
-- orderry: X-1 two-way (ORD-1); X-5 none; X-10 two-way; X-11 statuses, without: manual (ORD-8, ORD-10); X-12 from QuickBooks, for synced
-- invoices only (ORD-11, 12); X-20 QuickBooks' edits return (ORD-20); Q-3 held without customer
SELECT qbsync_preset('orderry', 'acme');
SELECT * FROM pg_temp.differs(-10);
SELECT e ->> 'direction' AS x_1, e ->> 'push_rule' AS x_11, e ->> 'payment_direction' AS x_12, e ->> 'unlinked_payment' AS x_12_unlinked, e ->> 'after_send' AS x_20
FROM qbsync.effective_policies(-11) e;
-- centrixone: X-1 customers two-way (CEN-9), documents from QuickBooks by law (CEN-12); X-2 first (CEN-40); X-4 list membership (CEN-36);
-- X-5 since a date (CEN-5); X-6 id only (CEN-42); X-9 the oldest (CEN-37); X-10 pull; X-13 forbidden (CEN-41); X-19 locked
-- (CEN-11, 39, Q-4); X-21 QuickBooks' number (CEN-19)
SAVEPOINT centrixone;
SELECT qbsync_preset('centrixone', 'acme');
SELECT * FROM pg_temp.differs(-10);
SELECT policy, value FROM pg_temp.differs(-11) WHERE policy LIKE '%direction';
SELECT qbsync.match_outcomes(-10);
ROLLBACK TO SAVEPOINT centrixone;
-- pipedrive: X-1, X-20 QuickBooks rules afterwards (PIP-2, PIP-34); X-4 at invoicing (PIP-19); X-5 none; X-6 a person chooses (PIP-19);
-- X-10 create and status back; X-11 a button (PIP-22); X-13 the invoice is deleted (PIP-31); X-24 products must exist
SELECT qbsync_preset('pipedrive', 'acme');
SELECT * FROM pg_temp.differs(-10);
SELECT * FROM pg_temp.differs(-11) WHERE policy = 'on_crm_delete';
SELECT qbsync.match_outcomes(-10);
SELECT e ->> 'invoice_direction' AS x_10, e ->> 'push_rule' AS x_11, e ->> 'on_crm_delete' AS x_13_contact, e ->> 'item_unmapped' AS x_24 FROM qbsync.effective_policies(-10) e;
-- karbon: X-1 contacts two-way (KAR-25…29), X-10 invoices to QuickBooks (KAR-50, Q-5); X-4 by type, not in the first sync (KAR-34…37); X-5
-- all (KAR-18); X-6 name and e-mail (KAR-17); X-7 duplicates screen (KAR-19); X-8 equal names; X-9 every contact on its own; X-11 sent
-- or posted (KAR-51); X-12 both ways (KAR-4, 56, 57); X-16 invoice date (KAR-54, Q-6); X-18 pull (KAR-20); X-20 in the CRM (KAR-50);
-- X-21 the CRM's number (KAR-68); X-24 default service (KAR-46)
SELECT qbsync_preset('karbon', 'acme');
SELECT * FROM pg_temp.differs(-10);
SELECT qbsync.match_outcomes(-10);
SELECT e ->> 'direction' AS x_1, e ->> 'initial_push' AS x_4, e ->> 'pull_new' AS x_5, e ->> 'partial_match' AS x_7, e ->> 'start_date_basis' AS x_16
FROM qbsync.effective_policies(-10) e;
-- of one mapping: the rest is the default there, whatever the connection has, and stays the connection's elsewhere
SELECT qbsync_preset('pipedrive', mapping => 'contacts');
SELECT * FROM pg_temp.differs(-10);
SELECT e ->> 'kind_rule' AS contacts, f ->> 'kind_rule' AS elsewhere FROM qbsync.effective_policies(-10) e, qbsync.effective_policies(-13) f;
SELECT qbsync_preset('safe', mapping => 'contacts');
SELECT qbsync_set('acme', 'on_crm_delete_documents', 'delete'), qbsync_preset('safe', mapping => 'invoices');
SELECT qbsync.effective_policies(-11) ->> 'on_crm_delete' AS safe;
SELECT * FROM pg_temp.differs(-10);
SELECT qbsync_preset('safe', 'acme');
SELECT qbsync.effective_policies(-11) ->> 'push_rule' AS push_rule, qbsync.effective_policies(-11) ->> 'on_crm_delete' AS on_crm_delete;
SELECT policies, pg_temp.swept() FROM qbsync.mapping WHERE mapping_id = -10;
UPDATE qbsync.mapping SET policies = '{}';

-- CEN-12: what the law demands nobody takes back but the owner of the database or a superuser
CREATE ROLE regress_admin IN ROLE qbsync_admin;
CREATE ROLE regress_owner IN ROLE qbsync_admin;
SET ROLE regress_admin;
SELECT qbsync_set('acme', 'documents_direction', 'pull');
SELECT qbsync_set('acme', 'invoice_direction', 'two_way');
SELECT qbsync_set(setting => 'direction', value => 'push', mapping => 'invoices', "column" => 'doc_number');
SELECT qbsync_set('acme', 'documents_direction', NULL);
SELECT qbsync_set('acme', 'documents_direction', 'pull_by_law');
SELECT qbsync_set('acme', 'documents_direction', 'as_set');
SELECT qbsync_set('acme', 'documents_direction', NULL);
SELECT qbsync_preset('karbon', 'acme');
SELECT qbsync.change_setting('acme', 'documents_direction', 'pull', NULL, NULL);
SELECT qbsync_set('acme', 'documents_direction', 'pull_by_law');
-- a narrower setting says it in vain
SELECT qbsync_set(setting => 'documents_direction', value => 'as_set', mapping => 'invoices');
SELECT qbsync_set(setting => 'invoice_direction', value => 'push', mapping => 'invoices');
RESET ROLE;
SELECT e ->> 'documents_direction' AS documents, e ->> 'invoice_direction' AS invoices, e ->> 'payment_direction' AS payments, e ->> 'direction' AS direction
FROM qbsync.mapping m CROSS JOIN LATERAL qbsync.effective_policies(m.mapping_id) e WHERE m.mapping_id IN (-10, -11) ORDER BY m.mapping_id DESC;
SELECT qbsync.column_policies(-11);
SAVEPOINT owner;
SELECT format('ALTER DATABASE %I OWNER TO regress_owner', current_database()) \gexec
SET ROLE regress_owner;
SELECT qbsync_set('acme', 'documents_direction', 'as_set');
RESET ROLE;
ROLLBACK TO SAVEPOINT owner;
SELECT qbsync_set('acme', 'documents_direction', NULL), qbsync_set('acme', 'invoice_direction', NULL);
DELETE FROM qbsync.column_policy;
UPDATE qbsync.mapping SET policies = '{}', sweep_after = NULL;
-- the parts that write are no way around the checks
SET ROLE regress_admin;
SELECT qbsync.change_column_policy(-10, 'display_name', 'direction', 'pull');
SELECT qbsync.look_again(-1, NULL, 'direction');
RESET ROLE;

-- value maps (X-23, ORD-15): names of QuickBooks records are looked up
INSERT INTO qbsync.term (connection_id, id, seen_at, name, active) VALUES
	(-1, '3', now(), 'Net 30', true), (-1, '4', now(), 'Net 60', true), (-1, '5', now(), 'Due on receipt', true), (-1, '6', now(), 'due on Receipt', true),
	(-1, '7', now(), 'Net 60', false), (-1, '8', now(), '3', true), (-2, '9', now(), 'Elsewhere', true);
INSERT INTO qbsync.item (connection_id, id, seen_at, name, fully_qualified_name, active) VALUES (-1, '20', now(), 'Audit', 'Services:Audit', true);
SELECT qbsync_map_value();
SELECT qbsync_map_value('terms');
SELECT qbsync_map_value('terms', 'thirty', 'Net 30', 'contacts');
SELECT qbsync_map_value('terms', 'sixty', 'net 60', 'contacts');
-- the map is used by a column of ids: what it holds becomes ids
SELECT qbsync_set(setting => 'value_map', value => 'terms', mapping => 'contacts', "column" => 'term_id');
SELECT crm_value, quickbooks_value FROM qbsync.value_map ORDER BY 1;
SELECT qbsync_map_value('terms', 'at once', '5', 'contacts');
SELECT qbsync_map_value('terms', 'at once', 'Due on receipt', 'contacts');
SELECT qbsync_map_value('terms', 'at once', 'Elsewhere', 'contacts');
SELECT qbsync_map_value('terms', 'three', '3', 'contacts');
SELECT qbsync_map_value('terms', '', 'Net 30', 'contacts');
SELECT qbsync_map_value('colours', 'red', '#f00', 'contacts');
SELECT qbsync_set(setting => 'value_map', value => 'colours', mapping => 'contacts', "column" => 'term_id');
SELECT qbsync_set(setting => 'value_map', value => 'work', mapping => 'invoices', "column" => 'item_id');
SELECT qbsync_map_value('work', 'audit', 'services:audit', 'invoices');
SELECT qbsync.column_policies(-10), qbsync.column_policies(-11);
-- released at once; a changed entry is a reason to look at everything again, a new one is not
SELECT pg_temp.swept() IS NOT NULL AS forget;
INSERT INTO qbsync.crm_error (mapping_id, connection_id, entity, id, problem, next_attempt_at) VALUES
	(-10, -1, 'customer', '1', 'value_not_mapped', now() + interval '1 h'), (-10, -1, 'customer', '2', 'crm_refused', now() + interval '1 h'),
	(-11, -1, 'invoice', '1', 'value_not_mapped', now() + interval '1 h'), (-11, -1, 'invoice', '2', 'transition_not_allowed', now() + interval '1 h');
SELECT qbsync_map_value('terms', 'sixty days', 'Net 60', 'contacts'), pg_temp.swept();
SELECT mapping_id, id, next_attempt_at <= now() AS due FROM qbsync.crm_error ORDER BY 1 DESC, 2;
SELECT qbsync_map_value('terms', 'sixty days', '3 ', 'contacts');
SELECT qbsync_map_value('terms', 'sixty days', 'Net 30', 'contacts'), pg_temp.swept();
SELECT qbsync_map_value('terms', 'sixty days', NULL, 'contacts'), pg_temp.swept();
SELECT name, crm_value, quickbooks_value FROM qbsync.value_map ORDER BY 1, 2;
-- an item as default (X-24)
SELECT qbsync_set('acme', 'default_item', 'audit'), qbsync_set('acme', 'default_item', 'nothing');
SELECT qbsync_set('acme', 'default_item', 'audit');
SELECT settings ->> 'default_item' AS default_item FROM qbsync.connection WHERE name = 'acme';

-- KAR-31, KAR-32, CEN-7, X-31: what rows created from QuickBooks are given
SELECT qbsync.write_columns(-10);
SELECT qbsync_set(setting => 'new_value', value => 'Client – QuickBooks', mapping => 'contacts', "column" => 'tier');
SELECT qbsync_set(setting => 'new_value', value => 'fr', mapping => 'contacts', "column" => 'language');
SELECT defaults, qbsync.write_columns(-10) FROM qbsync.mapping WHERE mapping_id = -10;
SELECT qbsync_set(setting => 'new_value', mapping => 'contacts', "column" => 'language');
SELECT qbsync_set(setting => 'new_value', value => 'x', mapping => 'contacts', "column" => 'town');
SELECT qbsync_set(setting => 'new_value', value => 'x', mapping => 'contacts');
SELECT defaults FROM qbsync.mapping WHERE mapping_id = -10;

-- event rules (ORD-18, 19, 21, KAR-60)
SELECT qbsync_map_event('paid', 'status', 'Paid', mapping => 'contacts');
SELECT qbsync_map_event('paid', 'state', 'Paid', mapping => 'invoices');
SELECT qbsync_map_event('sold', 'status', 'Paid', mapping => 'invoices');
SELECT qbsync_map_event(mapping => 'invoices');
SELECT qbsync_map_event('paid', 'status', 'Paid', mapping => 'invoices', priority => NULL);
SELECT qbsync_map_event('invoice_updated', 'status', 'In progress (modified)', mapping => 'invoices');
SELECT qbsync_map_event('paid', 'status', 'Paid', '{Awaiting payment,Sent}', 'invoices', 10);
SELECT qbsync_map_event('voided', 'status', 'Void', '{}', 'invoices');
SELECT qbsync_map_event('paid', 'status', 'Settled', '{Awaiting payment}', 'invoices');
SELECT qbsync_map_event('voided', 'status', mapping => 'invoices');
SELECT "position", event, column_name, to_value, from_values FROM qbsync.event_rule ORDER BY event;
SELECT id, next_attempt_at <= now() AS due FROM qbsync.crm_error WHERE mapping_id = -11 ORDER BY id;

-- facts and events
INSERT INTO qbsync.company_info (connection_id, id, seen_at, default_time_zone) VALUES (-1, '1', now(), 'America/Toronto');
INSERT INTO qbsync.invoice (connection_id, id, sync_token, seen_at, doc_number, customer_id, txn_date, due_date, currency, total_amt, balance, email_status) VALUES
	(-1, '100', '0', now(), 'F-1', '1', '2026-01-05', qbsync.today('America/Toronto'), 'CAD', 100.10, 100.10, 'NotSet');
INSERT INTO qbsync.invoice_line (connection_id, invoice_id, position, detail_type, description, amount, qty, unit_price) VALUES
	(-1, '100', 1, 'SalesItemLineDetail', 'Audit', 100.10, 1, 100.10);
SELECT facts - 'content' AS facts, facts ->> 'content' ~ '^1:[0-9a-f]{32}$' AS fingerprint FROM qbsync.invoice_facts WHERE connection_id = -1;
SELECT qbsync.document_facts(-1, 'payment', '100'), qbsync.document_facts(-1, 'invoice', '101'), qbsync.document_facts(-2, 'invoice', '100');
CREATE TEMP TABLE look (step serial, facts jsonb);
CREATE FUNCTION pg_temp.look() RETURNS TABLE (events text[], state text) LANGUAGE sql AS $$
	INSERT INTO look (facts) VALUES (qbsync.document_facts(-1, 'invoice', '100'));
	SELECT qbsync.new_events((SELECT facts FROM look ORDER BY step DESC OFFSET 1 LIMIT 1), l.facts), l.facts ->> 'state' FROM look l ORDER BY l.step DESC LIMIT 1;
$$;
SELECT * FROM pg_temp.look();							-- just linked: nothing happened
UPDATE qbsync.invoice SET sync_token = '1', balance = 60, linked_txn = '[]', last_updated_time = now(), home_balance = 60, print_status = 'PrintComplete', seen_at = now();
SELECT * FROM pg_temp.look();							-- partly paid by something that is no payment (EXT-23)
INSERT INTO qbsync.payment (connection_id, id, seen_at, customer_id, total_amt) VALUES (-1, '200', now(), '1', 60), (-1, '201', now(), '1', 1);
INSERT INTO qbsync.payment_line (connection_id, payment_id, position, amount, txn_id, txn_type) VALUES
	(-1, '200', 1, 40.10, '100', 'Invoice'), (-1, '200', 2, 19.90, '100', 'Invoice'), (-1, '201', 1, 1, '100', 'CreditMemo');
SELECT facts -> 'payments' AS payments FROM qbsync.invoice_facts WHERE connection_id = -1;
UPDATE qbsync.invoice SET balance = 40.10;
SELECT * FROM pg_temp.look();							-- payment_created
UPDATE qbsync.invoice SET due_date = due_date - 1;
SELECT * FROM pg_temp.look();							-- edited, and overdue by that
UPDATE qbsync.invoice SET email_status = 'EmailSent';
SELECT * FROM pg_temp.look();							-- emailed
UPDATE qbsync.invoice_line SET amount = 100.1, qty = 1.00, unit_price = 100.100;
UPDATE qbsync.invoice SET total_amt = 100.1000;
SELECT * FROM pg_temp.look();							-- written otherwise, the same
UPDATE qbsync.payment_line SET amount = 30 WHERE position = 1 AND payment_id = '200';
SELECT * FROM pg_temp.look();							-- a payment was changed: no event has that name
INSERT INTO qbsync.payment_line (connection_id, payment_id, position, amount, txn_id, txn_type) VALUES (-1, '201', 2, 40.10, '100', 'Invoice');
UPDATE qbsync.invoice SET balance = 0, customer_memo = 'Merci';
SELECT * FROM pg_temp.look();							-- everything at once, in order (ORD-18, KAR-60)
UPDATE qbsync.payment SET deleted_at = now() WHERE id = '201';
UPDATE qbsync.invoice SET balance = 40.10;
SELECT * FROM pg_temp.look();							-- the payment was deleted: reopened, partly paid, overdue again
UPDATE qbsync.payment SET deleted_at = now() WHERE id = '200';
UPDATE qbsync.invoice SET balance = 100.10;
SELECT * FROM pg_temp.look();							-- and the other one: nothing is paid any more
-- one that waits holds as long as the invoice is open, wholly or in part
SELECT s, qbsync.standing_events('{invoice_updated,reopened,paid}', jsonb_build_object('state', s)) FROM unnest('{open,partially_paid,paid,voided,deleted}'::text[]) s;
UPDATE qbsync.invoice SET total_amt = 0, balance = 0, private_note = 'Voided';
UPDATE qbsync.invoice_line SET amount = 0, qty = 0, unit_price = 0;
SELECT * FROM pg_temp.look();							-- voided, and not "updated"
UPDATE qbsync.invoice SET deleted_at = now();
SELECT * FROM pg_temp.look();
SELECT qbsync.new_events(NULL, facts), qbsync.new_events(facts, NULL), qbsync.new_events(facts, facts) FROM look ORDER BY step LIMIT 1;
-- another version of the recipe is no edit
SELECT qbsync.new_events(facts, facts || '{"content": "2:x"}'), qbsync.new_events(facts, facts || '{"content": "1:x"}') FROM look ORDER BY step LIMIT 1;
-- every edit of a person is told from every other; settings do not matter
CREATE FUNCTION pg_temp.fingerprint(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	BEGIN
		EXECUTE change;
		result := qbsync.document_facts(-1, 'invoice', '100') ->> 'content';
		RAISE SQLSTATE 'QB000';
	EXCEPTION WHEN SQLSTATE 'QB000' THEN
		NULL;
	END;
	RETURN result;
END
$$;
SELECT count(*), count(DISTINCT pg_temp.fingerprint(c))
FROM unnest(ARRAY['SELECT', 'UPDATE qbsync.invoice SET doc_number = ''x''', 'UPDATE qbsync.invoice SET customer_id = ''9''', 'UPDATE qbsync.invoice SET txn_date = ''2026-01-06''',
	'UPDATE qbsync.invoice SET due_date = ''2026-01-06''', 'UPDATE qbsync.invoice SET customer_memo = ''x''', 'UPDATE qbsync.invoice SET private_note = ''x''',
	'UPDATE qbsync.invoice SET total_amt = 5', 'UPDATE qbsync.invoice SET doc_number = NULL', 'UPDATE qbsync.invoice SET bill_line1 = ''x''', 'UPDATE qbsync.invoice SET ship_line1 = ''x''',
	'UPDATE qbsync.invoice_line SET description = ''x''', 'UPDATE qbsync.invoice_line SET qty = 2', 'DELETE FROM qbsync.invoice_line', 'UPDATE qbsync.invoice_line SET item_id = ''x''']) c;
SELECT count(DISTINCT pg_temp.fingerprint(c))
FROM unnest(ARRAY['SELECT', 'SET LOCAL datestyle = german', 'SET LOCAL timezone = ''Asia/Tokyo''', 'SET LOCAL lc_numeric = ''C''', 'SET LOCAL intervalstyle = iso_8601',
	'UPDATE qbsync.invoice SET sync_token = ''99'', email_status = NULL, balance = 1, print_status = NULL, delivery_time = now(), raw = ''{}''']) c;
ROLLBACK;
