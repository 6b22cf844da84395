-- qbsync_webhook: both formats, every refusal, what is noted, what the gateway makes of it (EXT-11, EXT-12, EXT-13, CEN-44).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;

-- HMAC-SHA256 (RFC 2104), as Intuit signs
CREATE FUNCTION pg_temp.pad(key bytea, with_byte integer) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	padded bytea := decode(rpad(encode(CASE WHEN length(key) > 64 THEN sha256(key) ELSE key END, 'hex'), 128, '0'), 'hex');
BEGIN
	FOR i IN 0 .. 63 LOOP
		padded := set_byte(padded, i, get_byte(padded, i) # with_byte);
	END LOOP;
	RETURN padded;
END $$;
CREATE FUNCTION pg_temp.signed(body bytea, verifier text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT encode(sha256(pg_temp.pad(convert_to(verifier, 'UTF8'), 92) || sha256(pg_temp.pad(convert_to(verifier, 'UTF8'), 54) || body)), 'base64') $$;
-- RFC 4231, case 2
SELECT encode(decode(pg_temp.signed('what do ya want for nothing?', 'Jefe'), 'base64'), 'hex') AS hmac;

-- a delivery of one of two apps; the verifiers are not written in the text of a statement
SELECT qbsync_app('one', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
SELECT qbsync_webhook('[]', pg_temp.signed('[]', 'first'));
SELECT qbsync_app('one', webhook_verifier => reverse('tsrif'));
SELECT qbsync_app('two', environment => 'sandbox', client_id => 'id2', redirect_uri => 'https://crm.example/cb', webhook_verifier => reverse('dnoces'));
CREATE FUNCTION pg_temp.deliver(body text, verifier text DEFAULT 'first') RETURNS text LANGUAGE sql AS $$
	SELECT qbsync_webhook(convert_to(body, 'UTF8'), pg_temp.signed(convert_to(body, 'UTF8'), verifier)) $$;
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state) VALUES
	(-1, 'acme', 'one', '9130000000000001', 'live'), (-2, 'bolt', 'one', '9130000000000002', 'paused'),
	(-3, 'other', 'two', '9130000000000003', 'live'), (-4, 'gone', 'one', '9130000000000004', 'disconnected'),
	(-5, 'new', 'one', '9130000000000005', 'unconfirmed');
INSERT INTO qbsync.cursor (connection_id, entity, phase, changed_since, checked_at)
	SELECT c, '*', 'loaded', '2026-11-22 11:00:00Z', '2026-11-22 11:00:00Z' FROM unnest(ARRAY[-1, -2, -3]) AS c;
CREATE VIEW pg_temp.noted AS
	SELECT connection_id AS c, entity, id, operation, to_char(event_time AT TIME ZONE 'UTC', 'HH24:MI:SS.US') AS event_time, merged_into
	FROM qbsync.webhook_event ORDER BY connection_id DESC, entity, id;

-- EXT-12: both formats; two companies in one delivery; what is not here or not known is accepted and passed over
SELECT pg_temp.deliver($${"eventNotifications":[
	{"realmId":"9130000000000001","dataChangeEvent":{"entities":[
		{"name":"Customer","id":"42","operation":"Update","lastUpdated":"2026-11-22T03:14:15.000Z"},
		{"name":"Invoice","id":"301","operation":"Void","lastUpdated":"2026-11-21T19:14:16-0800"},
		{"name":"Budget","id":"1","operation":"Update","lastUpdated":"2026-11-22T03:14:15.000Z"},
		{"name":"Customer","id":"43","operation":"Frobnicate"}]}},
	{"dataChangeEvent":{"entities":[{"name":"Payment","id":"7","operation":"Create","lastUpdated":"2026-11-22T03:14:17Z"}]},"realmId":"9130000000000002"},
	{"realmId":"9130000000000099","dataChangeEvent":{"entities":[{"name":"Customer","id":"1","operation":"Create","lastUpdated":"2026-11-22T03:14:17Z"}]}}]}$$);
SELECT * FROM pg_temp.noted;
DELETE FROM qbsync.webhook_event;
SELECT pg_temp.deliver($$[
	{"specversion":"1.0","id":"5b1c8a52","source":"intuit.c3lu","type":"qbo.customer.merged.v1","datacontenttype":"application/json",
	 "time":"2026-11-22T11:14:15.179851517Z","intuitentityid":"42","intuitaccountid":"9130000000000001","data":{"deletedid":"57"}},
	{"id":"x-Invoice-301","type":"qbo.invoice.void.v1","time":"2026-11-22T11:14:16Z","intuitentityid":"301","intuitaccountid":"9130000000000002"},
	{"id":"y","type":"qbo.invoice.voided.v2","time":"2026-11-22T11:14:16Z","intuitentityid":302,"intuitaccountid":9130000000000002,"data":{}},
	{"id":"z","type":"qbo.creditmemos.created.v1","intuitentityid":"1","intuitaccountid":"9130000000000001"},
	{"type":"qbo.estimate.emailed.v1","time":"now","intuitentityid":"46","intuitaccountid":"9130000000000001","data":null},
	{"type":"qbo.customer.deleted.v1","intuitentityid":"9","intuitaccountid":"9130000000000003"},
	{"type":"qbo.customer.deleted.v1","intuitentityid":"9","intuitaccountid":"9130000000000004"},
	{"type":"qbo.customer.deleted.v1","intuitentityid":"9","intuitaccountid":"9130000000000005"}]$$);
SELECT * FROM pg_temp.noted;
-- the company must be of the app that signed
SELECT pg_temp.deliver('[{"type":"qbo.customer.deleted.v1","intuitentityid":"9","intuitaccountid":"9130000000000003"}]', 'second');
SELECT pg_temp.deliver('[{"type":"qbo.customer.deleted.v1","intuitentityid":"9","intuitaccountid":"9130000000000001"}]', 'second');
-- one CloudEvent by itself
SELECT pg_temp.deliver('{"type":"qbo.item.updated.v1","time":"2026-11-22T11:14:16Z","intuitentityid":"5","intuitaccountid":"9130000000000001"}');
SELECT * FROM pg_temp.noted WHERE c = -3 OR entity = 'item';
DELETE FROM qbsync.webhook_event;

-- twice, and out of order: a record is noted once, with the latest; a merge is not forgotten
SELECT pg_temp.deliver(format('[{"type":"qbo.customer.%s.v1","time":"2026-11-22T11:14:%sZ","intuitentityid":"42","intuitaccountid":"9130000000000001","data":{"deletedid":"57"}}]', verb, second))
FROM (VALUES ('updated', 16), ('updated', 16), ('created', 15), ('merged', 14), ('updated', 17)) AS e (verb, second);
SELECT pg_temp.deliver('[{"type":"qbo.customer.deleted.v1","time":"2026-11-22T11:14:19Z","intuitentityid":"57","intuitaccountid":"9130000000000001"}]');
SELECT * FROM pg_temp.noted;
DELETE FROM qbsync.webhook_event;

-- refused: nothing of it is read
SELECT qbsync_webhook();
SELECT qbsync_webhook(NULL, 'x'), qbsync_webhook('[]', NULL);
SELECT qbsync_webhook('[]', ''), qbsync_webhook('[]', 'nonsense'), qbsync_webhook('[]', repeat('A', 100000)), qbsync_webhook('[]', repeat('é', 22));
SELECT qbsync_webhook('[]', pg_temp.signed('[]', 'third'));
SELECT qbsync_webhook('[] ', pg_temp.signed('[]', 'first'));
SELECT qbsync_webhook('[]', upper(pg_temp.signed('[]', 'first')));
SELECT qbsync_webhook(body, pg_temp.signed(body, 'first')) FROM convert_to(repeat(' ', 1024 * 1024 + 1), 'UTF8') AS body;
-- blanks around the header are no part of it; exactly the limit is not too long
SELECT qbsync_webhook('[]', E' \t' || pg_temp.signed('[]', 'first') || E'\r\n');
SELECT qbsync_webhook(body, pg_temp.signed(body, 'first')) FROM convert_to(rpad('[', 1024 * 1024 - 1) || ']', 'UTF8') AS body;

-- signed, but not to be understood: accepted, and what can be read counts
SELECT pg_temp.deliver(body) FROM (VALUES (''), ('{}'), ('[]'), ('null'), ('7'), ('"text"'), ('[[], 1, null, "x", {}, {"type":7}]'), ('{"eventNotifications":{"realmId":"1"}}'),
	('{"eventNotifications":[{"realmId":"9130000000000001","dataChangeEvent":{"entities":{"name":"Customer"}}},7]}'),
	('[{"type":"qbo.customer.updated.v1","intuitentityid":"1'' OR true","intuitaccountid":"9130000000000001"}]'),
	('[{"type":"qbo.customer","intuitentityid":"1","intuitaccountid":"9130000000000001"}]'),
	('[{"type":"mailchimp.customer.updated.v1","intuitentityid":"1","intuitaccountid":"9130000000000001"}]'),
	('[{"type":"qbo.' || repeat('customer', 100) || '.updated.v1","intuitentityid":"1","intuitaccountid":"9130000000000001"}]'),
	('[{"type":"qbo.customer.updated.v1","intuitentityid":"' || repeat('1', 40) || '","intuitaccountid":"9130000000000001"}]')) AS d (body);
SELECT count(*) FROM qbsync.webhook_event;
SELECT pg_temp.deliver('[{"type":"qbo.customer.updated.v1","intuitentityid":"1","intuitaccountid":"9130000000000001"}, {"type":"qbo.cust');
SELECT pg_temp.deliver('{"eventNotifications":[{"realmId":"9130000000000001","dataChangeEvent":{"entities":[{"name":"Customer","id":"2"}]}},' || repeat('[', 100000));
SELECT pg_temp.deliver('<xml/>');
SELECT qbsync_webhook(body, pg_temp.signed(body, 'first')) FROM (VALUES ('\x00'::bytea), ('\x5b7b2274797065223a22ff00fe227d5d'), ('\xfffe5b005d00'), ('\xefbbbf5b5d')) AS d (body);
SELECT pg_temp.deliver('[{"type":"qbo.customer.updated.v1","x":"\u0000\ud800","n":1e999999999,"intuitentityid":"3","intuitaccountid":"9130000000000001","time":"99999-12-31T99:99:99Z"}]');
SELECT * FROM pg_temp.noted;
-- thousands in one
SELECT pg_temp.deliver('[' || string_agg(format('{"type":"qbo.invoice.updated.v1","time":"2026-11-22T11:14:16Z","intuitentityid":"%s","intuitaccountid":"9130000000000001"}', i), ',') || ']')
FROM generate_series(1, 6000) AS i;
SELECT count(*), count(DISTINCT id) FROM qbsync.webhook_event WHERE entity = 'invoice';
DELETE FROM qbsync.webhook_event;

-- where nothing can be written, it is to be delivered again; and when the verifiers cannot be opened
SAVEPOINT writable;
SELECT set_config('transaction_read_only', 'on', true) AS read_only, pg_temp.deliver('[]'), pg_temp.deliver('[]', 'third') AS forged;
ROLLBACK TO writable;
UPDATE qbsync.secret SET key_id = 'another' WHERE owner = 'one';
SELECT pg_temp.deliver('[]'), pg_temp.deliver('[]', 'second');
ROLLBACK TO writable;
-- an error of the database is an answer
ALTER TABLE qbsync.webhook_event ADD CHECK (id <> '13');
SELECT pg_temp.deliver('[{"type":"qbo.customer.updated.v1","intuitentityid":"13","intuitaccountid":"9130000000000001"}]');
SELECT count(*) FROM qbsync.webhook_event;
ROLLBACK TO writable;

-- who may: a member of qbsync_webhook, this and nothing else
CREATE ROLE regress_receiver IN ROLE qbsync_webhook;
CREATE ROLE regress_operator IN ROLE qbsync_operator;
SELECT pg_temp.signed('[]', 'first') AS signature \gset
SET ROLE regress_receiver;
SELECT qbsync_webhook('[]', :'signature');
SELECT count(*) FROM qbsync.webhook_event;
SELECT qbsync_sync_now('acme');
SELECT count(*) AS others FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'qbsync'
WHERE p.proname NOT IN ('qbsync_webhook', 'qbsync_plan') AND has_function_privilege(p.oid, 'EXECUTE');
SET ROLE regress_operator;
SELECT qbsync_webhook('[]', :'signature');
RESET ROLE;

-- what is known already costs nothing; Intuit's time all around
INSERT INTO qbsync.customer (connection_id, id, display_name, last_updated_time, seen_at, deleted_at) VALUES
	(-1, '1', 'later here', '2026-11-22 11:14:16Z', now(), NULL), (-1, '2', 'of that moment', '2026-11-22 11:14:15Z', now(), NULL),
	(-1, '3', 'older here', '2026-11-22 10:14:15Z', now(), NULL), (-1, '4', 'deleted here', '2026-11-22 10:14:15Z', now(), '2026-11-22 10:15:00Z'),
	(-1, '5', 'said to be deleted', '2026-11-22 11:14:15Z', now(), NULL);
CREATE FUNCTION pg_temp.said(id text, verb text, event_time text DEFAULT '11:14:15.2', entity text DEFAULT 'customer') RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.deliver(format('[{"type":"qbo.%s.%s.v1","time":"2026-11-22T%sZ","intuitentityid":"%s","intuitaccountid":"9130000000000001"}]', entity, verb, event_time, id)) $$;
SELECT string_agg(pg_temp.said(id, verb), ' ') FROM (VALUES ('1', 'updated'), ('2', 'updated'), ('3', 'updated'), ('4', 'deleted'), ('5', 'deleted'), ('6', 'created')) AS e (id, verb);
SELECT * FROM qbsync.sort_webhooks(-1);
SELECT id, operation FROM pg_temp.noted;
SELECT webhook_at IS NOT NULL AS heard, webhook_first FROM qbsync.cursor WHERE connection_id = -1;
-- a poll that saw everything until then: what it did not show is read by id
UPDATE qbsync.cursor SET changed_since = '2026-11-22 11:14:17Z' WHERE connection_id = -1;
SELECT qbsync.settle_webhooks(-1, clock_timestamp(), 1, true);
SELECT entity, id FROM qbsync.lookup ORDER BY 1, 2;
SELECT count(*) FROM qbsync.webhook_event;
DELETE FROM qbsync.lookup;
-- EXT-12: the same once more is no work
SELECT string_agg(pg_temp.said(id, verb), ' ') FROM (VALUES ('1', 'updated'), ('2', 'updated'), ('4', 'deleted')) AS e (id, verb);
SELECT * FROM qbsync.sort_webhooks(-1);
SELECT webhook_first, missed_at FROM qbsync.cursor WHERE connection_id = -1;
-- EXT-25: another event of the same second, after a poll that began in it, is work
UPDATE qbsync.cursor SET changed_since = '2026-11-22 11:14:15.9Z' WHERE connection_id = -1;
SELECT pg_temp.said('2', 'updated', '11:14:15');
SELECT * FROM qbsync.sort_webhooks(-1);
-- one that came after the poll began is left for the next
SELECT qbsync.settle_webhooks(-1, clock_timestamp() - interval '1 minute', 1, false);
SELECT id FROM pg_temp.noted;
SELECT missed_at FROM qbsync.cursor WHERE connection_id = -1;
DELETE FROM qbsync.webhook_event;
-- changes that no webhook told of
SELECT last_webhook_at IS NOT NULL AS heard, webhooks_alive FROM qbsync.status WHERE connection = 'acme';
SELECT qbsync.settle_webhooks(-1, clock_timestamp(), 3, false);
SELECT last_webhook_at IS NOT NULL AS heard, webhooks_alive FROM qbsync.status WHERE connection IN ('acme', 'other') ORDER BY connection;
-- preferences are read with the next poll
INSERT INTO qbsync.cursor (connection_id, entity, phase, checked_at) VALUES (-1, 'company_info', 'loaded', now()), (-1, 'preferences', 'loaded', now());
SELECT pg_temp.said('1', 'updated', '11:14:15', 'preferences');
SELECT * FROM qbsync.sort_webhooks(-1);
SELECT entity, checked_at FROM qbsync.cursor WHERE connection_id = -1 AND entity <> '*' ORDER BY 1;

-- CEN-44, EXT-13: a merge; chains and circles; a lost id still resolves
INSERT INTO qbsync.invoice (connection_id, id, seen_at, customer_id, deleted_at) VALUES
	(-1, '100', now(), '3', NULL), (-1, '101', now(), '3', now()), (-1, '102', now(), '1', NULL);
INSERT INTO qbsync.payment (connection_id, id, seen_at, customer_id) VALUES (-1, '103', now(), '3');
SELECT pg_temp.deliver('[{"type":"qbo.customer.merged.v1","time":"2026-11-22T11:20:00Z","intuitentityid":"2","intuitaccountid":"9130000000000001","data":{"deletedid":"3"}}]');
SELECT * FROM qbsync.sort_webhooks(-1);
SELECT entity, id FROM qbsync.lookup ORDER BY 1, 2;
DELETE FROM qbsync.lookup;
SELECT * FROM qbsync.settle_merges(-1);
SELECT lost_id, kept_id, how, noted_at IS NOT NULL AS noted, referrers_at IS NOT NULL AS referrers FROM qbsync.merged;
UPDATE qbsync.cursor SET checked_at = clock_timestamp() WHERE connection_id = -1 AND entity = '*';
SELECT * FROM qbsync.settle_merges(-1);
SELECT * FROM qbsync.settle_merges(-1);
SELECT entity, id FROM qbsync.lookup ORDER BY 1, 2;
SELECT qbsync.found_merge(-1, 'customer', '3', '2', 'said') AS known, qbsync.found_merge(-1, 'customer', '2', '1', 'said') AS further,
	qbsync.found_merge(-1, 'customer', '8', '9', 'said') AS one, qbsync.found_merge(-1, 'customer', '9', '8', 'said') AS circle;
SELECT id, qbsync_resolve_id('acme', 'customer', id) FROM unnest(ARRAY['1', '2', '3', '4', '8', '77', NULL]) AS id;
SELECT qbsync_resolve_id('acme', 'item', '3');
SELECT qbsync_resolve_id('acme', 'client', '3');
SELECT qbsync_resolve_id('acne', 'customer', '3');
-- a survivor that is not here waits until it is
SELECT count(*) FROM qbsync.settle_merges(-1);
SELECT lost_id, kept_id, noted_at IS NOT NULL AS noted FROM qbsync.merged ORDER BY 1;

-- EXT-13: merges that nobody told of: transactions that went to one who lives, to two, to one who does not; nobody left behind
DELETE FROM qbsync.merged;
DELETE FROM qbsync.lookup;
INSERT INTO qbsync.customer (connection_id, id, display_name, active, seen_at, deleted_at)
	SELECT -1, i::text, 'c' || i, i IN (20, 23), now(), CASE WHEN i = 24 THEN now() END FROM generate_series(20, 29) AS i;
SELECT qbsync.note_moved(-1, 'customer', 'invoice', '{1,2,3,4,5}', '{21,22,22,25,26}', '{20,20,23,27,20}');
INSERT INTO qbsync.invoice (connection_id, id, seen_at, customer_id) VALUES (-1, '6', now(), '26');
SELECT qbsync.note_moved(-1, 'customer', 'payment', '{7}', '{24}', '{23}');
SELECT qbsync.note_suspects(-1, 'customer', '{28,29}');
INSERT INTO qbsync.payment (connection_id, id, seen_at, customer_id, create_time) VALUES (-1, '8', now(), '28', now()), (-1, '9', now(), '28', now() - interval '1 day');
SELECT * FROM qbsync.settle_merges(-1);
-- of one who is only inactive the newest transaction is asked for, of others what is left
SELECT entity, id FROM qbsync.lookup ORDER BY 1, 2;
SELECT s.* FROM qbsync.settle_merges(-1) s;
DELETE FROM qbsync.lookup;
SELECT s.* FROM qbsync.settle_merges(-1) s;
SELECT lost_id, kept_id, how FROM qbsync.merged ORDER BY 1;
SELECT id, judged_at IS NOT NULL AS judged FROM qbsync.suspect ORDER BY 1;
SELECT id, qbsync_resolve_id('acme', 'customer', id) FROM unnest('{21,24}'::text[]) AS id;
-- what is likely becomes certain when it is gone, and what is certain when it is said; never back
UPDATE qbsync.customer SET deleted_at = now() WHERE id = '21';
SELECT qbsync.note_suspects(-1, 'customer', '{21,24}');
DELETE FROM qbsync.lookup;
SELECT count(*) FROM qbsync.settle_merges(-1);
SELECT qbsync.found_merge(-1, 'customer', '21', '20', 'likely') AS less, qbsync.found_merge(-1, 'customer', '24', '23', 'said') AS more;
SELECT lost_id, kept_id, how FROM qbsync.merged ORDER BY 1;

-- gone with the mirror
SELECT qbsync.purge_mirror(-1);
SELECT count(*) FROM qbsync.merged;
ROLLBACK;
