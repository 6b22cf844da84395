-- Bodies that are sent to QuickBooks, and what is seen before anything is sent (CAP-47, CAP-48, CAP-49)
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.body(columns jsonb) RETURNS text LANGUAGE sql AS $$ SELECT coalesce(body, problem || ' ' || coalesce(column_name, '') || ': ' || qbsync.label_with('compose', sentence, 'en', particulars)) FROM qbsync.compose('customer', columns) $$;
CREATE FUNCTION pg_temp.body(columns jsonb, raw jsonb) RETURNS text LANGUAGE sql AS $$ SELECT coalesce(body, problem || ' ' || coalesce(column_name, '') || ': ' || qbsync.label_with('compose', sentence, 'en', particulars)) FROM qbsync.compose('customer', columns, raw, '42', '3') $$;

-- creating: nothing that is empty, lists joined, references alone, what cannot be written left out
SELECT pg_temp.body('{"display_name": "Northwind Paper", "company_name": "", "emails": ["ap@northwind.example", "b@northwind.example"], "primary_phone": "(555) 010-0001", "web_addr": "https://northwind.example", "term_id": "3", "currency": "USD", "taxable": true, "notes": null, "balance_with_jobs": 7, "fully_qualified_name": "x"}');
SELECT pg_temp.body('{"bill_line1": "1 Main", "bill_city": "Oslo", "ship_country": "NO", "given_name": "Åse"}');
-- a sub-customer says that it is one (CAP-44)
SELECT pg_temp.body('{"display_name": "Job", "parent_id": "9"}');

-- updating: sparse, only what differs
SELECT pg_temp.body('{"notes": "n"}', '{"Id": "42", "DisplayName": "A", "Notes": "o"}');
-- objects as wholes: what has no column is taken along, places on the map are not
SELECT pg_temp.body('{"bill_city": "Paris"}', '{"Id": "42", "BillAddr": {"Id": "7", "Line1": "1 rue X", "City": "Lyon", "Lat": "45", "Long": "4", "Note": "kept"}}');
-- emptied: texts by the empty text, also inside objects
SELECT pg_temp.body('{"notes": null, "emails": [], "mobile": "", "bill_line2": null}', '{"Notes": "o", "PrimaryEmailAddr": {"Address": "a@b.example"}, "Mobile": {"FreeFormNumber": "1"}, "BillAddr": {"Id": "7", "Line1": "x", "Line2": "y"}}');
-- a reference, number or date: the whole record without it, and without what QuickBooks computes
SELECT pg_temp.body('{"term_id": null, "notes": "n"}', '{"Id": "42", "SyncToken": "3", "domain": "QBO", "sparse": false, "DisplayName": "A", "Notes": "o", "SalesTermRef": {"value": "3"}, "Balance": 10.50, "MetaData": {}, "FullyQualifiedName": "A", "CurrencyRef": {"value": "USD"}, "BillAddr": {"Id": "7"}, "Taxable": false}');
-- asked for, texts too are left out of the whole record: an object of which nothing stays with them, one of which something stays without them
SELECT coalesce(body, problem) FROM qbsync.compose('customer', '{"notes": "", "mobile": null, "emails": [], "bill_line2": null, "ship_line1": "", "company_name": "New", "term_id": null}',
	'{"DisplayName": "A", "Notes": "o", "CompanyName": "Old", "PrimaryEmailAddr": {"Address": "a@b.example"}, "Mobile": {"FreeFormNumber": "1"}, "BillAddr": {"Id": "7", "Line1": "x", "Line2": "y"}, "ShipAddr": {"Id": "8", "Line1": "z"}, "SalesTermRef": {"value": "3"}, "Balance": 7}',
	'42', '3', leave_out => true);
-- nothing is emptied: sparse as ever
SELECT coalesce(body, problem) FROM qbsync.compose('customer', '{"notes": "n"}', '{"DisplayName": "A", "Notes": "o"}', '42', '3', true);
-- no longer a sub-customer
SELECT pg_temp.body('{"parent_id": null}', '{"DisplayName": "A", "Job": true, "ParentRef": {"value": "9"}}');
-- but not when that would write a mask into the tax number
SELECT pg_temp.body('{"term_id": null}', '{"DisplayName": "A", "SalesTermRef": {"value": "3"}, "PrimaryTaxIdentifier": "XXXXX1234"}');
-- what could not be kept as it came does not go back
SELECT pg_temp.body('{"bill_city": "Paris"}', jsonb_build_object('BillAddr', jsonb_build_object('Line1', 'a' || chr(65533))));
-- numbers are exact
SELECT pg_temp.body('{"display_name": "A", "balance": 12345678901234567890.12}');

-- what QuickBooks would refuse is told before it is sent, with the column (CAP-47 to CAP-49)
SELECT pg_temp.body('{"company_name": "x"}');
SELECT pg_temp.body('{"display_name": null}', '{"DisplayName": "A"}');
SELECT pg_temp.body('{"display_name": "Parent:Child"}');
SELECT pg_temp.body('{"display_name": "two\nlines"}');
SELECT pg_temp.body('{"display_name": "tab\there"}');
SELECT pg_temp.body('{"display_name": "A", "notes": "bell\u0007"}');
SELECT pg_temp.body('{"display_name": "A", "notes": "two\nlines: good"}');
SELECT pg_temp.body(jsonb_build_object('display_name', repeat('é', 500)))::jsonb ->> 'DisplayName' = repeat('é', 500);
SELECT pg_temp.body(jsonb_build_object('display_name', repeat('é', 501)));
SELECT pg_temp.body(jsonb_build_object('display_name', 'A', 'primary_phone', repeat('1', 31)));
SELECT pg_temp.body(jsonb_build_object('display_name', 'A', 'bill_line1', repeat('a', 500), 'bill_line2', repeat('a', 500), 'bill_line3', repeat('a', 500), 'bill_line4', repeat('a', 500), 'bill_line5', 'b'));
SELECT m, pg_temp.body(jsonb_build_object('display_name', 'A', 'emails', jsonb_build_array(m)))
FROM unnest(ARRAY['a@b.example', 'a', 'a@', '@b.example', 'a@b', 'a b@c.example', 'a@b.example;c@d.example', 'a@b..example', 'a@.example', 'a@b.example.', 'a@@b.example', 'a.@b.example', 'Å@b.example']) m;
SELECT pg_temp.body(jsonb_build_object('display_name', 'A', 'emails', (SELECT jsonb_agg('somebody' || i || '@long.example') FROM generate_series(1, 5) i)));
SELECT w, pg_temp.body(jsonb_build_object('display_name', 'A', 'web_addr', w)) FROM unnest(ARRAY['www.example.com', 'http://example.com/a?b', 'nothing', 'http://x', 'two words.example', '.example']) w;
SELECT pg_temp.body('{"display_name": "A", "preferred_delivery_method": "Pigeon"}');
SELECT pg_temp.body('{"display_name": "A", "taxable": "yes"}');
SELECT pg_temp.body('{"display_name": 7}');
SELECT pg_temp.body('{"display_name": "A", "open_balance_date": "12026-01-01"}');
SELECT pg_temp.body('{"display_name": "A", "emails": "a@b.example"}');

-- numbers of documents and references of payments have 21 characters at most (EXT-19)
SELECT entity, length(v) AS characters, coalesce(body::jsonb ->> 'DocNumber', body::jsonb ->> 'PaymentRefNum', problem || ' ' || column_name || ': ' || qbsync.label_with('compose', sentence, 'en', particulars))
FROM (VALUES ('invoice', 'doc_number'), ('estimate', 'doc_number'), ('payment', 'payment_ref_num')) e(entity, name), (VALUES (repeat('9', 21)), (repeat('é', 22))) n(v),
	qbsync.compose(entity, jsonb_build_object(name, v), '{"Id": "1"}', '1', '0') ORDER BY 2, 1;

-- in the language of the mapping (CEN-6)
SELECT sentence, qbsync.label_with('compose', sentence, 'fr', particulars)
FROM (VALUES ('{"display_name": "a:b"}'::jsonb), ('{"display_name": "A", "emails": ["à l''été"]}'), ('{"display_name": "A", "preferred_delivery_method": "Pigeon"}')) v(columns), qbsync.compose('customer', v.columns);
SELECT count(*) FILTER (WHERE language = 'en'), count(*) FILTER (WHERE language = 'fr') FROM qbsync.label WHERE kind = 'compose';

-- mistakes of the caller
SELECT qbsync.compose('customer', '{"colour": "red"}');
SELECT qbsync.compose('nobody', '{}');
SELECT qbsync.compose('customer', '{}', '{}');
SELECT qbsync.compose('customer', '[]');

-- requestids: the same for the same parts, 36 characters, no part runs into the next
SELECT qbsync.derive_requestid('a', 'b') = qbsync.derive_requestid('a', 'b'), qbsync.derive_requestid('a', 'b') <> qbsync.derive_requestid('ab', ''), length(qbsync.derive_requestid('a', NULL));
-- those that are on their way must stay what they are
SELECT qbsync.derive_requestid(VARIADIC p) = encode(substring(sha256(convert_to(to_jsonb(p)::text, 'UTF8')) FOR 16), 'hex')::uuid::text AS the_same
FROM (VALUES (ARRAY['a', NULL, '']), ('{}'), (ARRAY['{"Id": "1", "Notes": "a\\n\t\u0001Ü€\\"}', E'tab\t, bell\a, quote", back\\slash /'])) v(p);
