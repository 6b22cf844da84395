-- qbsync_map_suggest and qbsync.guess_columns: what a suggestion says, and that its script works as it is
-- (CAP-12, CAP-23, CAP-24, CAP-26…32, CAP-35…37, CEN-13…18, CEN-37, CEN-40, KAR-12…16, X-2, X-8, X-9, X-25).
\set SHOW_CONTEXT never
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
\getenv abs_srcdir PG_ABS_SRCDIR
\set role suggest_crm
CREATE ROLE suggest_crm;
CREATE ROLE suggest_admin IN ROLE qbsync_admin;
CREATE ROLE suggest_nobody;
\set ECHO none
\set file :abs_srcdir '/test/crm/flat.sql'
\i :file
\set file :abs_srcdir '/test/crm/b2b.sql'
\i :file
\set file :abs_srcdir '/test/crm/exotic.sql'
\i :file
\set file :abs_srcdir '/test/crm/documents.sql'
\i :file
\set ECHO all
RESET client_min_messages;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, company_name) VALUES (-1, 'acme', 'my-app', '1', 'live', 'Paysages Laval inc.');

-- every row of the CRM, to see what a statement changed in it: nothing but these rows
CREATE FUNCTION pg_temp.rows(schema text) RETURNS TABLE(tab text, r jsonb) LANGUAGE plpgsql AS $$
DECLARE
	t regclass;
BEGIN
	FOR t IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = schema::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname LOOP
		RETURN QUERY EXECUTE format('SELECT %L, jsonb_strip_nulls(to_jsonb(t) - ''{created_at,updated_at}''::text[]) FROM %s t', t::regclass::text, t);
	END LOOP;
END $$;
CREATE TEMP TABLE before (tab text, r jsonb);
GRANT ALL ON before TO suggest_crm;
CREATE FUNCTION pg_temp.mark(schema text) RETURNS void LANGUAGE sql AS $$ DELETE FROM before; INSERT INTO before SELECT * FROM pg_temp.rows(schema) $$;
CREATE FUNCTION pg_temp.moved(schema text) RETURNS TABLE(tab text, was jsonb, is_now jsonb) LANGUAGE sql AS $$
	WITH gone AS (SELECT * FROM before EXCEPT ALL SELECT * FROM pg_temp.rows(schema)), new AS (SELECT * FROM pg_temp.rows(schema) EXCEPT ALL SELECT * FROM before)
	SELECT coalesce(g.tab, n.tab), g.r, n.r FROM gone g FULL JOIN new n ON n.tab = g.tab AND n.r ->> 'id' = g.r ->> 'id' ORDER BY 1, coalesce(g.r, n.r) ->> 'id', 2, 3 $$;

-- words of identifiers
SELECT n, qbsync.name_words(n) FROM unnest(ARRAY['RaisonSociale', 'raison_sociale', 'Raison sociale', 'Prénom', 'e-Mail', 'HTTPServerURL', 'code_postal', 'Téléphone 2', '', '客户', E'a"b\nc']) n;
-- what a name means (KAR-15, KAR-16: physical is shipping, mailing is billing)
CREATE TABLE public.guess ("id" int PRIMARY KEY, nom text, "prénom" text, "société" text, courriel text, tel text, cell text, mailing_street text, "MailingCity" text, physical_street text, "physicalCity" varchar(20),
	site_web text, zip text, tva text, devise char(3), actif boolean, qb_id text, "HomePhone" text, status text, balance text, level integer);
SELECT * FROM qbsync.guess_columns('public.guess', 'customer') ORDER BY 1;
SELECT column_name, source FROM qbsync.guess_columns('flat."Clients"', 'customer') ORDER BY 1;
SELECT column_name, source FROM qbsync.guess_columns('documents.product', 'item') ORDER BY 1;
DROP TABLE public.guess;

-- shape 1: one table (CAP-26…31, KAR-12…14)
\pset format unaligned
\pset tuples_only on
SELECT qbsync_map_suggest('flat.contacts') AS script \gset
\echo :script
:script
SELECT qbsync_map_suggest('flat."Clients"', name => 'clients', connection => 'acme') AS script \gset
\echo :script
:script
\pset format aligned
\pset tuples_only off
SET ROLE suggest_crm;
SELECT pg_temp.mark('flat');
INSERT INTO flat.contacts_quickbooks (display_name, given_name, emails, bill_city) VALUES ('Nouveau', 'Jean', 'jean@example.com', 'Laval') RETURNING id, display_name;
UPDATE flat.contacts_quickbooks SET bill_line1 = '14 rue Principale' WHERE id = 1;
DELETE FROM flat.contacts_quickbooks WHERE id = 3;
SELECT * FROM pg_temp.moved('flat');
SELECT pg_temp.mark('flat');
-- the name is made of its parts; what QuickBooks knows by its display name alone gets that as company; CAP-32, X-2: e-mails are split
INSERT INTO flat."Clients_quickbooks" (display_name, emails) VALUES ('Tout court', '{a@x.example,b@x.example}') RETURNING "No";
INSERT INTO flat."Clients_quickbooks" (display_name, given_name, family_name, ship_city) VALUES ('Jean Roy', 'Jean', 'Roy', 'Laval') RETURNING "No";
UPDATE flat."Clients_quickbooks" SET emails = '{ventes@erabliere.example}', ship_city = 'Val-David' WHERE "No" = 1;
SELECT "No", display_name, company_name, emails, bill_city, ship_city FROM flat."Clients_quickbooks" ORDER BY 1;
SELECT * FROM pg_temp.moved('flat');
RESET ROLE;

-- shape 2: organisations and persons (CAP-23, CAP-24, X-8)
\pset format unaligned
\pset tuples_only on
SELECT qbsync_map_suggest('b2b.person') = qbsync_map_suggest('b2b.organisation') AS either_table;
SELECT qbsync_map_suggest('b2b.organisation') AS script \gset
\echo :script
:script
\pset format aligned
\pset tuples_only off
SET ROLE suggest_crm;
\pset expanded on
-- X-9: the contact is the person with the flag, else the oldest (CEN-37); X-25: 1 has labels, 2 has none that says anything, so its first address is the billing one
UPDATE b2b.organisation SET updated_at = '2026-01-01';
UPDATE b2b.person SET updated_at = '2026-01-01';
SELECT * FROM b2b.organisation_quickbooks ORDER BY id;
SELECT * FROM b2b.person_quickbooks ORDER BY id;
\pset expanded off
-- a customer from QuickBooks lands in all tables (CEN-13…18, CAP-26…31)
SELECT pg_temp.mark('b2b');
INSERT INTO b2b.organisation_quickbooks (display_name, company_name, given_name, family_name, title, emails, primary_phone, alternate_phone, mobile, fax, web_addr, bill_line1, bill_city, ship_line1, ship_city, notes, tax_identifier)
VALUES ('Neuf inc.', 'Neuf inc.', 'Luc', 'Neuf', 'M.', '{a@neuf.example,b@neuf.example}', '1', '2', '3', '4', 'https://neuf.example', '1 rue A', 'Laval', '2 rue B', 'Laval', 'n', '99') RETURNING id;
INSERT INTO b2b.person_quickbooks (display_name, given_name, family_name, emails, mobile) VALUES ('Zoé Huit', 'Zoé', 'Huit', '{zoe@huit.example}', '8') RETURNING id;
INSERT INTO b2b.person_quickbooks (display_name) VALUES ('Un seul nom') RETURNING id;
INSERT INTO b2b.organisation_quickbooks (display_name, family_name, emails) VALUES ('Sans personne', '', '{}') RETURNING id;
SELECT tab, is_now FROM pg_temp.moved('b2b');
-- e-mails: one of two changes: its row, and no other; the order makes the first the primary one
SELECT pg_temp.mark('b2b');
UPDATE b2b.organisation_quickbooks SET emails = '{comptes@paysages.example,nouveau@paysages.example}' WHERE id = 1;
SELECT * FROM pg_temp.moved('b2b');
SELECT pg_temp.mark('b2b');
UPDATE b2b.organisation_quickbooks SET emails = '{nouveau@paysages.example,comptes@paysages.example,troisieme@paysages.example}' WHERE id = 1;
SELECT emails FROM b2b.organisation_quickbooks WHERE id = 1;
SELECT tab, is_now FROM pg_temp.moved('b2b');
-- CEN-40: only the first stays
SELECT pg_temp.mark('b2b');
UPDATE b2b.organisation_quickbooks SET emails = '{nouveau@paysages.example}' WHERE id = 1;
SELECT * FROM pg_temp.moved('b2b');
-- phones: by kind; one changes, one goes, one is new
SELECT pg_temp.mark('b2b');
UPDATE b2b.organisation_quickbooks SET primary_phone = '450 555-9999', fax = NULL, mobile = '438 555-0000' WHERE id = 1;
SELECT * FROM pg_temp.moved('b2b');
-- addresses: CAP-35, CAP-36; the first address of 2 is its billing address (CAP-37), a shipping address gets the label
SELECT pg_temp.mark('b2b');
UPDATE b2b.organisation_quickbooks SET bill_city = 'Montréal' WHERE id = 1;
UPDATE b2b.organisation_quickbooks SET bill_line1 = '5 Elm Street' WHERE id = 2;
UPDATE b2b.person_quickbooks SET ship_line1 = NULL, ship_city = NULL, ship_region = NULL, ship_postal_code = NULL, ship_country = NULL WHERE id = 5;
-- … and stays it when the customer gets a shipping address
UPDATE b2b.organisation_quickbooks SET ship_line1 = '1 Dock' WHERE id = 2 RETURNING id;
SELECT bill_line1, ship_line1 FROM b2b.organisation_quickbooks WHERE id = 2;
UPDATE b2b.organisation_quickbooks SET ship_line1 = '1 Dock', web_addr = 'https://brosseau.example' WHERE id = 3;
SELECT * FROM pg_temp.moved('b2b');
-- the contact person (CEN-16): changed where there is one, added where there is none
SELECT pg_temp.mark('b2b');
UPDATE b2b.organisation_quickbooks SET title = 'Dr', family_name = 'Roy-Côté' WHERE id = 1;
UPDATE b2b.organisation_quickbooks SET given_name = 'Max', family_name = 'Nord' WHERE id = 3;
UPDATE b2b.organisation_quickbooks SET notes = 'only here' WHERE id = 2;
SELECT * FROM pg_temp.moved('b2b');
-- an update that changes nothing writes nothing
SELECT pg_temp.mark('b2b');
UPDATE b2b.organisation_quickbooks SET display_name = display_name, emails = emails, bill_city = bill_city;
SELECT count(*) FROM pg_temp.moved('b2b');
DELETE FROM b2b.person_quickbooks WHERE id = 6;
DELETE FROM b2b.person_quickbooks WHERE id = 1;		-- belongs to an organisation, so it is no row of this view
SELECT tab, was FROM pg_temp.moved('b2b');
RESET ROLE;

-- the policies that decide: the oldest person (CEN-37); only labelled addresses
UPDATE qbsync.connection SET settings = settings || '{"contact_person_rule": "oldest", "address_fallback": "none"}' WHERE connection_id = -1;
SELECT l FROM regexp_split_to_table(qbsync_map_suggest('b2b.organisation', connection => 'acme'), E'\n') WITH ORDINALITY u(l, n) WHERE n < 60 AND l ~ '(contact person|bill_…|ORDER BY c.created_at)' ORDER BY n;
UPDATE qbsync.connection SET settings = settings || '{"contact_person_rule": "none"}' WHERE connection_id = -1;
SELECT count(*) FILTER (WHERE l ~ 'contact person|given_name') AS lines_about_persons
FROM regexp_split_to_table(split_part(qbsync_map_suggest('b2b.organisation', connection => 'acme'), 'b2b.person: one row', 1), E'\n') l;
UPDATE qbsync.connection SET settings = '{}' WHERE connection_id = -1;

-- shape 4: documents
\pset format unaligned
\pset tuples_only on
SELECT qbsync_map_suggest('documents.invoice', 'invoice') AS script \gset
\echo :script
:script
SELECT qbsync_map_suggest('documents.payment', 'payment') AS script \gset
\echo :script
:script
\pset format aligned
\pset tuples_only off
SET ROLE suggest_crm;
SELECT pg_temp.mark('documents');
INSERT INTO documents.invoice_quickbooks (doc_number, customer_key, txn_date, total_amt, balance, status) VALUES ('F-2', 2, '2026-02-01', 100, 100, 'sent') RETURNING id;
INSERT INTO documents.invoice_line_quickbooks (invoice_key, position, item_key, qty, unit_price, amount) VALUES (101, 1, 1, 1, 45, 45), (101, 2, NULL, 1, 55, 55);
DELETE FROM documents.invoice_line_quickbooks WHERE invoice_key = 1 AND position = 2;
INSERT INTO documents.payment_quickbooks (customer_key, txn_date, total_amt) VALUES (2, '2026-02-02', 100) RETURNING id;
INSERT INTO documents.payment_application_quickbooks (payment_key, position, amount, invoice_key) VALUES (101, 1, 60, 101), (101, 2, 40, 1), (101, 3, 5, NULL);
SELECT * FROM documents.payment_application_quickbooks ORDER BY 1, position;
UPDATE documents.payment_application_quickbooks SET amount = 61 WHERE payment_key = 101 AND invoice_key = 101;
DELETE FROM documents.payment_application_quickbooks WHERE payment_key = 1;
SELECT * FROM pg_temp.moved('documents');
RESET ROLE;
-- items; a payment that names its invoice itself; lines with no position but a key; lines that cannot be ordered
\pset format unaligned
\pset tuples_only on
SELECT qbsync_map_suggest('documents.product', 'item') AS script \gset
:script
CREATE SCHEMA paid;
CREATE TABLE paid.factures (id serial PRIMARY KEY, "numéro" text, montant numeric);
CREATE TABLE paid.lignes_facture (id serial PRIMARY KEY, facture_id int NOT NULL REFERENCES paid.factures, description text, "quantité" numeric, montant numeric);
CREATE TABLE paid.paiements (id serial PRIMARY KEY, facture_id int REFERENCES paid.factures, montant numeric NOT NULL, date date);
GRANT USAGE ON SCHEMA paid TO suggest_crm;
ALTER TABLE paid.factures OWNER TO suggest_crm;
ALTER TABLE paid.lignes_facture OWNER TO suggest_crm;
ALTER TABLE paid.paiements OWNER TO suggest_crm;
SELECT qbsync_map_suggest('paid.factures', 'invoice', 'factures') AS script \gset
\echo :script
:script
SELECT qbsync_map_suggest('paid.paiements', 'payment', 'paiements') AS script \gset
\echo :script
:script
\pset format aligned
\pset tuples_only off
SET ROLE suggest_crm;
INSERT INTO paid.factures_quickbooks (doc_number, total_amt) VALUES ('1', 10), ('2', 20);
INSERT INTO paid.lignes_facture_quickbooks (invoice_key, position, amount, qty) VALUES (1, 1, 4, 1), (1, 2, 6, 1);
UPDATE paid.lignes_facture_quickbooks SET amount = 5 WHERE position = 1;
INSERT INTO paid.paiements_quickbooks (total_amt) VALUES (10);
INSERT INTO paid.paiements_lines_quickbooks (payment_key, position, amount, invoice_key) VALUES (1, 1, 10, 2);
SELECT * FROM paid.lignes_facture_quickbooks ORDER BY position;
SELECT * FROM paid.paiements_lines_quickbooks;
DELETE FROM paid.lignes_facture_quickbooks WHERE invoice_key = 1;
DELETE FROM paid.paiements_lines_quickbooks WHERE payment_key = 1;
SELECT (SELECT count(*) FROM paid.lignes_facture) AS lines, (SELECT facture_id FROM paid.paiements) AS invoice;
RESET ROLE;
CREATE TABLE paid.orderless (id uuid PRIMARY KEY, facture_id int REFERENCES paid.factures, amount numeric, qty numeric);
ALTER TABLE paid.orderless RENAME TO invoice_lines;
DROP TABLE paid.lignes_facture CASCADE;
SELECT l FROM regexp_split_to_table(qbsync_map_suggest('paid.factures', 'invoice'), E'\n') l WHERE l ~ '^-- \?';

-- shape 3: types, keys and names of every kind
\pset format unaligned
\pset tuples_only on
SELECT regexp_replace(qbsync_map_suggest('exotic.contact'), '-- \? (defaults)', '\1') AS script \gset
\echo :script
\pset format aligned
\pset tuples_only off
SELECT split_part(:'script', 'SELECT public.qbsync_map', 1) AS script \gset
:script
SELECT split_part(qbsync_map_suggest('exotic."Kunde ""A"""'), 'SELECT public.qbsync_map', 1) AS script \gset
:script
SELECT split_part(qbsync_map_suggest('exotic.client'), 'SELECT public.qbsync_map', 1) AS script \gset
:script
SELECT split_part(qbsync_map_suggest('exotic.member'), 'SELECT public.qbsync_map', 1) AS script \gset
:script
SELECT split_part(qbsync_map_suggest('exotic.account'), 'SELECT public.qbsync_map', 1) AS script \gset
:script
SELECT l FROM regexp_split_to_table(qbsync_map_suggest('exotic.member'), E'\n') l WHERE l ~ '^-- \?';
SET ROLE suggest_crm;
SET app.tenant = '1';
INSERT INTO exotic.contact_quickbooks (display_name, given_name, family_name, emails, bill_country, type, company_name) VALUES ('x', 'Luc', 'Roy', 'luc@example.com', 'CA', 'Client', 'acme') RETURNING contact_id IS NOT NULL AS has_key;
UPDATE exotic.contact_quickbooks SET company_name = 'ACME', primary_phone = '1' WHERE given_name = 'Luc';
SELECT display_name, company_name, emails, primary_phone, bill_country, type FROM exotic.contact_quickbooks ORDER BY 1;
RESET app.tenant;
INSERT INTO exotic."Kunde ""A""_quickbooks" (display_name, emails) VALUES ('Neu', 'neu@example.com') RETURNING *;
INSERT INTO exotic.client_quickbooks (display_name) VALUES ('Neuf') RETURNING region, id;
INSERT INTO exotic.account_quickbooks (display_name) VALUES ('quiet');
SELECT display_name FROM exotic.account_quickbooks ORDER BY 1;
RESET ROLE;

-- other shapes: a contact named by the organisation, labels in a table of their own, no labels, a contact's own e-mails in
-- order, no key, no index, foreign keys that do not cascade, columns that must be filled
CREATE SCHEMA odd AUTHORIZATION suggest_crm;
SET ROLE suggest_crm;
CREATE TABLE odd.companies (company_id uuid PRIMARY KEY, legal_name text NOT NULL, primary_contact_id integer, segment text NOT NULL CHECK (segment IN ('A', 'B')), billing_address_id integer);
CREATE TABLE odd.people (id serial PRIMARY KEY, company_id uuid REFERENCES odd.companies, first_name text, last_name text, title text);
ALTER TABLE odd.companies ADD FOREIGN KEY (primary_contact_id) REFERENCES odd.people;
CREATE TABLE odd.phone_type (id integer PRIMARY KEY, code text);
INSERT INTO odd.phone_type VALUES (1, 'Bureau'), (2, 'Cellulaire'), (3, 'Télécopieur'), (4, 'Maison');
CREATE TABLE odd.company_phones (id serial PRIMARY KEY, company_id uuid NOT NULL REFERENCES odd.companies, type_id integer REFERENCES odd.phone_type, phone_number text);
CREATE TABLE odd.people_emails (person_id integer REFERENCES odd.people ON DELETE CASCADE, email text, sort_order integer);
CREATE TABLE odd.shipping_addresses (id serial PRIMARY KEY, company_id uuid REFERENCES odd.companies, street text, town text, zip text, source text NOT NULL);
CREATE TABLE odd.addresses (id serial PRIMARY KEY, street text, city text);
ALTER TABLE odd.companies ADD FOREIGN KEY (billing_address_id) REFERENCES odd.addresses;
RESET ROLE;
\pset format unaligned
\pset tuples_only on
SELECT regexp_replace(split_part(qbsync_map_suggest('odd.companies'), '-- odd.people: one row', 1), 'INSERT INTO odd.shipping_addresses AS c \((.*?)\) VALUES \((.*?)\)', 'INSERT INTO odd.shipping_addresses AS c (\1, source) VALUES (\2, ''qb'')') AS script \gset
\echo :script
:script
\pset format aligned
\pset tuples_only off
SET ROLE suggest_crm;
INSERT INTO odd.companies_quickbooks (display_name, segment, given_name, emails, mobile, primary_phone, fax, ship_line1) VALUES ('Acme', 'A', 'Wile', '{b@acme.example,a@acme.example}', '1', '2', '3', '1 Canyon');
UPDATE odd.companies_quickbooks SET emails = '{c@acme.example,b@acme.example}', mobile = '9';
SELECT display_name, company_name, given_name, emails, primary_phone, mobile, fax, ship_line1, segment FROM odd.companies_quickbooks;
SELECT person_id, email, sort_order FROM odd.people_emails ORDER BY sort_order;
SELECT type_id, phone_number FROM odd.company_phones ORDER BY 1;
SELECT primary_contact_id = (SELECT id FROM odd.people) AS contact FROM odd.companies;
RESET ROLE;

-- the table may be left out: the most likely of those the caller may read
GRANT USAGE ON SCHEMA odd TO suggest_admin;
GRANT SELECT ON odd.companies, odd.phone_type TO suggest_admin;
SET ROLE suggest_admin;
SELECT l FROM regexp_split_to_table(qbsync_map_suggest(), E'\n') WITH ORDINALITY u(l, n) WHERE n BETWEEN 3 AND 5;
-- what cannot be
SELECT qbsync_map_suggest(entity => 'invoice');
-- the list of entities grows with the catalogue
\set VERBOSITY terse
SELECT qbsync_map_suggest('odd.companies', 'unicorn');
SELECT qbsync_map_suggest('odd.companies', 'company_info');
\set VERBOSITY default
SELECT qbsync_map_suggest('odd.people_emails');
SELECT qbsync_map_suggest('odd.companies_quickbooks');
SELECT qbsync_map_suggest('pg_class');
RESET ROLE;
SET ROLE suggest_nobody;
SELECT qbsync_map_suggest('flat.contacts');
RESET ROLE;

-- hostile names stay names: the script makes its view and nothing else
CREATE SCHEMA "evil
; DROP TABLE flat.contacts; --";
CREATE TABLE "evil
; DROP TABLE flat.contacts; --"."t$qbsync$ */ '; "" %s %I
\! echo" (id serial PRIMARY KEY, "name
'; DROP TABLE flat.contacts; --" text, name text, "e-mail $qbsync1$ $$" text, first_name text, last_name text, "full
name %L" text GENERATED ALWAYS AS (first_name) STORED, company text);
CREATE TABLE "evil
; DROP TABLE flat.contacts; --"."phones
%s" (id serial PRIMARY KEY, "parent $qbsync$
id" integer REFERENCES "evil
; DROP TABLE flat.contacts; --"."t$qbsync$ */ '; "" %s %I
\! echo", "kind
%s" text CHECK ("kind
%s" IN ('wo''rk
$qbsync$', 'mobile %s')), number text);
SELECT c.oid::regclass AS hostile FROM pg_class c WHERE c.relname LIKE 't$qbsync$%' AND c.relkind = 'r' \gset
\pset format unaligned
\pset tuples_only on
SELECT split_part(qbsync_map_suggest(:'hostile'), 'SELECT public.qbsync_map(', 1) AS script \gset
\echo :script
:script
SELECT string_agg(format('INSERT INTO %s (display_name, mobile) VALUES (''x'', ''1'')', c.oid::regclass), ';') AS script FROM pg_class c WHERE c.relname LIKE 't$qbsync$%' AND c.relkind = 'v' \gset
:script;
\pset format aligned
\pset tuples_only off
SELECT count(*) FROM flat.contacts;

SET client_min_messages = warning;
DROP EXTENSION qbsync CASCADE;
SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE nspname IN ('flat', 'b2b', 'exotic', 'documents', 'paid', 'odd') OR nspname LIKE 'evil%' \gexec
DROP OWNED BY suggest_crm, suggest_admin, suggest_nobody CASCADE;
DROP ROLE suggest_crm, suggest_admin, suggest_nobody;
CREATE EXTENSION qbsync;
