-- What people read about refusals, in both languages (KAR-62, KAR-64, KAR-68, CAP-47 to CAP-49, EXT-32).  The server has qbsync.paused = on.
\pset format unaligned
\pset tuples_only on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;

-- every code of QuickBooks has a text in both languages
SELECT c.code, l.language FROM unnest('{100,110,120,130,140,150,500,600,610,620,630,700,800,900,1000,1010,1020,1040,1050,2000,2010,2020,2030,2040,2050,2060,2070,
	2080,2090,2100,2110,2120,2130,2140,2150,2160,2170,2180,2190,2200,2210,2220,2230,2240,2250,2260,2270,2280,2290,2300,2500,2600,3000,3001,3100,3200,3202,
	4000,4001,4002,5000,5010,5020,5030,6000,6010,6020,6030,6040,6050,6060,6070,6080,6090,6100,6110,6120,6130,6140,6150,6160,6170,6180,6190,6200,6210,6220,6230,6240,
	6250,6270,6280,6290,6300,6310,6320,6330,6340,6350,6360,6370,6380,6390,6400,6420,6430,6440,6450,6460,6470,6480,6490,6500,6510,6520,6530,6540,6560,
	10000,10100,10200}'::integer[]) c(code)
CROSS JOIN (VALUES ('en'), ('fr')) l(language)
WHERE NOT EXISTS (SELECT FROM qbsync.fault_text t WHERE t.code = c.code AND t.language = l.language AND t.detail = '' AND t.holder = '');
-- what is said in one language is said in the other
SELECT code, detail, holder FROM qbsync.fault_text GROUP BY 1, 2, 3 HAVING array_agg(language ORDER BY language) <> '{en,fr}';
-- and every problem (those with a way of their own say it in qbsync.status)
SELECT code FROM qbsync.problem EXCEPT SELECT code FROM qbsync.problem_text WHERE language = 'fr' ORDER BY 1;
SELECT code FROM qbsync.problem_text EXCEPT SELECT code FROM qbsync.problem ORDER BY 1;
-- nothing is empty, too short to be a sentence, or without its full stop; no English is left in the French
SELECT * FROM (SELECT code::text, language, meaning FROM qbsync.fault_text UNION ALL SELECT code::text, language, remedy FROM qbsync.fault_text
	UNION ALL SELECT code, language, meaning FROM qbsync.problem_text UNION ALL SELECT code, language, remedy FROM qbsync.problem_text
	UNION ALL SELECT code, 'en', meaning FROM qbsync.problem
	UNION ALL SELECT code, 'en', remedy FROM qbsync.problem WHERE code NOT IN ('authorizing', 'unconfirmed')) t(code, language, words)
WHERE length(words) < 5 OR words !~ '[.);]$' OR language = 'fr' AND words ~ '\m(the|is|nothing)\M';

-- the text that counts: the longest that QuickBooks' words contain
BEGIN;
CREATE SCHEMA crm;
CREATE TABLE crm.person (id integer PRIMARY KEY, full_name text, tel text);
CREATE VIEW crm.qb AS SELECT id, full_name AS display_name, tel AS primary_phone, lower(tel) AS mobile FROM crm.person;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state) VALUES (-1, 'acme', 'my-app', '1', 'live');
INSERT INTO qbsync.mapping (mapping_id, connection_id, name, entity, view, view_name, crm_table, key_columns, columns, role)
VALUES (-1, -1, 'contacts', 'customer', 'crm.qb', 'crm.qb', 'crm.person', '{id}', '{display_name,primary_phone,mobile}', 'somebody');
CREATE FUNCTION pg_temp.refused(code integer, detail text, name text DEFAULT 'Ada', id text DEFAULT NULL, message text DEFAULT 'No', problem text DEFAULT 'send_refused', column_name text DEFAULT NULL)
RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM qbsync.send_error;
	INSERT INTO qbsync.send_error (error_id, mapping_id, connection_id, entity, id, crm_key, record_name, problem, code, column_name, message, detail, next_attempt_at)
	VALUES (-1, -1, -1, 'customer', refused.id, '7', refused.name, refused.problem, refused.code, refused.column_name, refused.message, refused.detail, 'infinity');
	RETURN QUERY SELECT e.meaning || ' / ' || e.what_to_do FROM qbsync.error_open e;
END $$;
SELECT detail || ': ' || r FROM unnest('{Error validating Email Address: must be COMMA SEPARATED,Make sure all your transactions have a % sales tax rate before you save.,
	Make sure all lines have a % VAT,You must select a customer,A customer is required,Select a customer with the same currency,Invalid Currency: The currency of the transaction is invalid for customer,
	You can only add one sales tax,This has multiple tax rates,The payment amount exceeds what is due,You cannot apply more than is open,Please enter a transaction amount that is 0 or greater,
	This is before the closing date,The books are closed,"You''ve reached the account limit",Usage limit exceeded,Your subscription has ended,Another user is editing this,The record is locked,The account is inactive,
	Subscription box,something new}'::text[]) detail CROSS JOIN LATERAL pg_temp.refused(6000, detail) r;
-- a code that nobody knew when this was written: the problem's own text, with the number to call by; the words of QuickBooks may be in its message
SELECT pg_temp.refused(9999, NULL);
SELECT pg_temp.refused(6000, NULL, message => 'The closing date has passed');
SELECT pg_temp.refused(6240, NULL, problem => 'send_ambiguous');

-- CAP-49: names that are taken: by a customer, by another one, by somebody who is not read
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name, active, deleted_at) VALUES (-1, '5', now(), 'Ada', false, NULL), (-1, '6', now(), 'Éric', true, NULL),
	(-1, '7', now(), 'éric (customer)', true, NULL), (-1, '8', now(), 'Gone', true, now()), (-1, '9', now(), 'A.da', true, NULL);
SELECT name || coalesce(' ' || id, '') || ': ' || r
FROM (VALUES ('ADA', NULL), ('Ada', '6'), ('Éric', NULL), ('Gone', NULL), ('Vendor (customer)', NULL), ('Éric', '6'), (NULL, NULL), ('{link} {free_name} \1', NULL)) x(name, id)
CROSS JOIN LATERAL pg_temp.refused(6240, 'The name supplied already exists.', name, id) r;

-- policy language: of the mapping, else of the connection, else lc_messages
UPDATE qbsync.connection SET settings = settings || '{"language": "fr"}';
SELECT pg_temp.refused(6240, NULL, 'Gone');
SELECT pg_temp.refused(6240, NULL, 'Ada');
SELECT pg_temp.refused(9999, NULL);
SELECT format(qbsync.mapping_sentence(m, 'waits_for'), '1:7'), format(qbsync.mapping_sentence(m, 'not_mapped'), 'term_id=Net 30') FROM qbsync.mapping m;
UPDATE qbsync.mapping SET policies = '{"language": "en"}';
SELECT pg_temp.refused(2210, NULL);
-- a language that is not shipped: English
UPDATE qbsync.mapping SET policies = '{"language": "de"}';
SELECT pg_temp.refused(2210, NULL);
SELECT pg_temp.refused(9999, NULL);
SELECT language FROM qbsync.error_open;
SELECT current_setting('lc_messages'), qbsync.language('{}', '{}'), qbsync.language(NULL, NULL), qbsync.language(NULL, '{"language": "fr"}');

-- which record, which field, how old, when again
SELECT pg_temp.refused(2050, 'String length', problem => 'send_too_long', column_name => 'primary_phone') IS NOT NULL;
SELECT crm_table, crm_key, record_name, column_name, crm_column, code, message, detail, occurrences, age < '1 h', next_attempt_at, language FROM qbsync.error_open;
UPDATE qbsync.send_error SET column_name = 'mobile';
SELECT column_name, crm_column FROM qbsync.error_open;
-- a reader sees all of it
CREATE ROLE regress_reader IN ROLE qbsync_reader;
UPDATE qbsync.send_error SET code = 6240;
SET ROLE regress_reader;
SELECT what_to_do, record_name, column_name, language FROM qbsync.error_open;
SELECT count(*) > 200 FROM qbsync.fault_text;
RESET ROLE;
-- the name of a record that the CRM refuses is QuickBooks'
DELETE FROM qbsync.send_error;
INSERT INTO qbsync.crm_error (error_id, mapping_id, connection_id, entity, id, problem, column_name, next_attempt_at) VALUES (-3, -1, -1, 'customer', '6', 'crm_refused', 'display_name', now());
SELECT record_name, crm_column, what_to_do FROM qbsync.error_open;
UPDATE qbsync.mapping SET policies = '{}';
SELECT meaning, what_to_do FROM qbsync.error_open;
-- a view that is gone takes nothing with it
DROP VIEW crm.qb;
SELECT record_name, column_name, crm_column FROM qbsync.error_open;
ROLLBACK;
