-- People's decisions: links, candidates, merges, undo, conflicts, errors (CAP-16, CAP-20…22, CAP-38, CAP-39, CAP-55, CAP-56, KAR-11, KAR-19, KAR-21…24,
-- PIP-38, EXT-30, CEN-44, X-7, X-15, Q-1).  The server has qbsync.paused = on: no worker acts on what is decided here.
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, company_name) VALUES (-1, 'acme', 'my-app', '1', 'live', 'Paysages Laval inc.');
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name, active, emails, deleted_at)
SELECT -1, g::text, now(), 'Customer ' || g, true, ARRAY['c' || g || '@x.example'], CASE WHEN g = 9 THEN now() END FROM generate_series(1, 30) g;
CREATE SCHEMA crm;
CREATE VIEW crm.contacts AS SELECT 1 AS id, ''::text AS display_name;
INSERT INTO qbsync.mapping (mapping_id, name, connection_id, entity, view, view_name, crm_table, key_columns, columns, role, state)
VALUES (-1, 'contacts', -1, 'customer', 'crm.contacts', 'crm.contacts', 'crm.contacts', '{id}', '{display_name,bill_city,bill_line1}', current_user, 'enabled');

-- what a test looks at: links, decisions that stand, what the worker is told
CREATE VIEW pg_temp.links AS SELECT id, crm_key, state, origin, linked_by = session_user AS by_me, base IS NOT NULL AS agreed FROM qbsync.link ORDER BY id::int;
CREATE VIEW pg_temp.decisions AS
SELECT id, crm_key, kind, arguments - 'touched' - 'more_before' - 'of' AS arguments, undone_at IS NOT NULL AS undone FROM qbsync.decision ORDER BY decision_id;
CREATE FUNCTION pg_temp.arrivals() RETURNS TABLE (id text, action text, arguments jsonb) LANGUAGE sql AS $$
	WITH a AS (DELETE FROM qbsync.arrival a WHERE a.mapping_id = -1 RETURNING a.*)
	SELECT a.id, a.action, a.arguments - 'decision_id' - 'since' FROM a ORDER BY a.arrival_id $$;
CREATE FUNCTION pg_temp.candidate(id text, crm_key text, VARIADIC reasons text[]) RETURNS void LANGUAGE sql AS $$
	INSERT INTO qbsync.match_candidate (mapping_id, connection_id, entity, id, crm_key, score, reasons) VALUES (-1, -1, 'customer', id, crm_key, 0.7, reasons) $$;
SELECT pg_temp.candidate('1', 'a', 'same name'), pg_temp.candidate('2', 'b', 'same e-mail'), pg_temp.candidate('2', 'c', 'same e-mail'),
	pg_temp.candidate('3', 'b', 'same name'), pg_temp.candidate('4', 'd', 'same e-mail'), pg_temp.candidate('5', 'e', 'same name') \g /dev/null

-- what is wrong with a call
SELECT qbsync_resolve_match();
SELECT qbsync_resolve_match('1', 'marry');
SELECT qbsync_resolve_match('404', 'hold');
\set VERBOSITY terse
SELECT qbsync_resolve_match('9', 'create');
\set VERBOSITY default
SELECT qbsync_resolve_match('2', 'link');
SELECT qbsync_resolve_match('6', 'reject');
SELECT qbsync_resolve_match('6', 'create', 'a');
SELECT qbsync_resolve_match('6', 'create', mapping => 'nonsense');
SELECT qbsync_link('a');
SELECT qbsync_link(id => '1');
SELECT qbsync_unlink('a');
SELECT qbsync_unlink('a', "then" => 'forget');
SELECT qbsync_merge('a', 'a');
SELECT qbsync_undo(0);
SELECT qbsync_undo(NULL);
SELECT count(*) FROM pg_temp.decisions;

-- KAR-11, KAR-23: the only candidate need not be named; its other pairs are gone; several candidates one by one
SELECT done, decision_id IS NOT NULL AS decision FROM qbsync_resolve_match('1', 'link');
SELECT done, decision_id IS NOT NULL AS decision FROM qbsync_resolve_match('1', 'link', 'a');
SELECT done FROM qbsync_resolve_match('2', 'reject', 'c');
SELECT done FROM qbsync_resolve_match('2', 'link');
SELECT id, crm_key FROM qbsync.match_candidate ORDER BY 1, 2;
SELECT * FROM pg_temp.links;
SELECT * FROM pg_temp.arrivals();
-- what is linked is not linked otherwise by the way
\set VERBOSITY terse
SELECT qbsync_resolve_match('1', 'link', 'z');
SELECT qbsync_link('a', '6');
SELECT qbsync_resolve_match('1', 'ignore');
SELECT qbsync_resolve_match('1', 'reject', 'a');
\set VERBOSITY default
-- KAR-23: a new contact of it; hold; ignore; the same again is no decision
SELECT done FROM qbsync_resolve_match('6', 'create');
SELECT decision_id IS NULL AS nothing_new FROM qbsync_resolve_match('6', 'create');
SELECT done FROM qbsync_resolve_match('4', 'hold');
SELECT done FROM qbsync_resolve_match('5', 'ignore');
SELECT id, crm_key FROM qbsync.match_candidate ORDER BY 1, 2;
SELECT * FROM pg_temp.decisions;
SELECT id, kind FROM qbsync.standing_decision ORDER BY 1;
SELECT * FROM pg_temp.arrivals();

-- CAP-56, never asked twice: a decision counts by id and key; the last one counts; undone, the one before does
SELECT decision_id AS number FROM qbsync_resolve_match('5', 'create') \gset
SELECT kind FROM qbsync.standing_decision WHERE id = '5';
SELECT regexp_replace(qbsync_undo(:number), '\d+', 'N') AS undone;
SELECT kind FROM qbsync.standing_decision WHERE id = '5';
\set VERBOSITY sqlstate
SELECT qbsync_undo(:number);
\set VERBOSITY default

-- PIP-38, KAR-22: unlink; the pair stays apart; what becomes of the record
SELECT done FROM qbsync_unlink('a', "then" => 'create');
SELECT done, decision_id AS number FROM qbsync_unlink('b') \gset
\echo :done
SELECT * FROM pg_temp.links;
SELECT id, crm_key, kind FROM qbsync.rejected_pair ORDER BY 1, 2;
SELECT id, kind FROM qbsync.standing_decision ORDER BY 1;
SELECT qbsync_undo(:number) LIKE '%is undone' AS undone;
SELECT * FROM pg_temp.links;
SELECT id, crm_key, kind FROM qbsync.rejected_pair ORDER BY 1, 2;
SELECT id, kind FROM qbsync.standing_decision ORDER BY 1;
-- a later decision stands on an earlier one
SELECT decision_id AS first FROM qbsync_link('f', '7') \gset
SELECT decision_id AS second FROM qbsync_unlink('f') \gset
\set VERBOSITY sqlstate
SELECT qbsync_undo(:first);
\set VERBOSITY default
SELECT qbsync_undo(:second) LIKE '%undone' AS second, qbsync_undo(:first) LIKE '%undone' AS first;
SELECT count(*) FROM pg_temp.links WHERE id = '7';
-- nor can a link come back whose CRM record is linked otherwise now
SELECT qbsync_link('f', '7') \g /dev/null
SELECT decision_id AS number FROM qbsync_unlink('f') \gset
SELECT qbsync_link('f', '8') \g /dev/null
\set VERBOSITY sqlstate
SELECT qbsync_undo(:number);
\set VERBOSITY default
SELECT count(*) FROM pg_temp.arrivals() \g /dev/null

-- undo reaches the CRM through the worker: what was written is written back, what was made because of it is deleted
SELECT decision_id AS number FROM qbsync_link('g', '10') \gset
UPDATE qbsync.link SET base = '{"display_name": "Customer 10"}' WHERE id = '10';
INSERT INTO qbsync.history (connection_id, mapping_id, entity, id, crm_key, operation, before, written) VALUES
	(-1, -1, 'customer', '10', 'g', 'update', '{"display_name": "Dix", "mobile": "1"}', '{"display_name": "Ten", "mobile": "2", "notes": "n"}'),
	(-1, -1, 'customer', '10', 'g', 'update', '{"display_name": "Ten", "mobile": "2"}', '{"display_name": "Customer 10", "mobile": "1"}'),
	(-1, -1, 'customer', '10', 'g', 'update', '{"mobile": "1"}', '{"mobile": "3"}');
INSERT INTO qbsync.history (connection_id, mapping_id, entity, id, crm_key, operation, before, written, at)
VALUES (-1, -1, 'customer', '10', 'g', 'update', '{"fax": "1"}', '{"fax": "2"}', now() - interval '1 day');
SELECT regexp_replace(qbsync_undo(:number), '\d+', 'N') AS undone;
SELECT * FROM qbsync.undo_work(-1, (SELECT arguments FROM qbsync.arrival WHERE action = 'undo'));
SELECT * FROM pg_temp.arrivals();
SELECT decision_id AS number FROM qbsync_resolve_match('11', 'create') \gset
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin, base) VALUES (-1, 'customer', '11', -1, 'made', 'created_in_crm', '{}');
SELECT regexp_replace(qbsync_undo(:number), '\d+', 'N') AS undone;
SELECT * FROM qbsync.undo_work(-1, (SELECT arguments FROM qbsync.arrival WHERE action = 'undo'));
SELECT * FROM pg_temp.arrivals();
-- unlinked, made anew, undone: the first link is back, the record made meanwhile goes
SELECT qbsync_link('h', '12') \g /dev/null
SELECT decision_id AS number FROM qbsync_unlink('h', "then" => 'create') \gset
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin, base) VALUES (-1, 'customer', '12', -1, 'made2', 'created_in_crm', '{}');
SELECT regexp_replace(qbsync_undo(:number), '\d+', 'N') AS undone;
SELECT * FROM pg_temp.links WHERE id = '12';
SELECT id, action, arguments FROM pg_temp.arrivals() WHERE action = 'undo';

-- CAP-16, CAP-22, KAR-24: many at once
DELETE FROM qbsync.decision; DELETE FROM qbsync.link; DELETE FROM qbsync.match_candidate;
SELECT pg_temp.candidate('1', 'a', 'same name'), pg_temp.candidate('2', 'b', 'same e-mail'), pg_temp.candidate('3', 'c', 'same e-mail'),
	pg_temp.candidate('4', 'c', 'same e-mail'), pg_temp.candidate('5', 'd', 'same name'), pg_temp.candidate('5', 'e', 'same name') \g /dev/null
SELECT qbsync_resolve_matches('marry');
SELECT qbsync_resolve_matches('create', ids => '{6,404}');
SELECT qbsync_resolve_matches('link', reason => 'email_only') AS email_only;		-- 3 and 4 have the same candidate
SELECT qbsync_resolve_matches('link') AS others;									-- 5 has two
SELECT id, crm_key FROM pg_temp.links;
SELECT qbsync_resolve_matches('reject', ids => '{5}') AS rejected;
SELECT qbsync_resolve_matches('hold', ids => '{6,7}') AS held;
SELECT qbsync_resolve_matches('create', reason => 'email_only') AS made_although;
SELECT qbsync_resolve_matches('ignore', ids => '{1,7,8}') AS ignored;				-- 1 is linked
SELECT qbsync_resolve_matches('create') AS all_that_is_left, qbsync_resolve_matches('create') AS again;
SELECT kind, count(*), min(id::int), max(id::int) FROM qbsync.standing_decision GROUP BY kind ORDER BY kind;
SELECT action, count(DISTINCT id) FROM pg_temp.arrivals() GROUP BY action;

-- a mapping that is not enabled: decided now, done when it is
UPDATE qbsync.mapping SET state = 'declared' WHERE mapping_id = -1;
SELECT done FROM qbsync_link('x', '30');
SELECT count(*) FROM pg_temp.arrivals();
UPDATE qbsync.mapping SET state = 'enabled' WHERE mapping_id = -1;

-- a link that leads nowhere may be replaced, and comes back by undo
UPDATE qbsync.link SET state = 'crm_missing', base = '{"display_name": "x"}' WHERE id = '30';
SELECT decision_id AS number FROM qbsync_link('y', '30') \gset
SELECT * FROM pg_temp.links WHERE id = '30';
SELECT qbsync_undo(:number) IS NOT NULL AS undone;
SELECT * FROM pg_temp.links WHERE id = '30';
UPDATE qbsync.customer SET deleted_at = now() WHERE id = '30';
SELECT done, decision_id AS number FROM qbsync_link('x', '29') \gset
SELECT * FROM pg_temp.links WHERE id IN ('29', '30');
SELECT qbsync_undo(:number) IS NOT NULL AS undone;
SELECT * FROM pg_temp.links WHERE id IN ('29', '30');

-- CAP-55, EXT-30: two CRM records merged: both linked, the loser only, the winner only, neither
DELETE FROM qbsync.decision; DELETE FROM qbsync.link; DELETE FROM qbsync.match_candidate; DELETE FROM qbsync.arrival;
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin, base)
SELECT -1, 'customer', id, -1, key, 'name_and_email', '{"display_name": "x"}'
FROM (VALUES ('1', 'a'), ('2', 'b'), ('3', 'c'), ('4', 'd'), ('5', 'e'), ('6', 'f'), ('7', 'g'), ('8', 'h')) v(id, key);
SELECT done, decision_id AS both FROM qbsync_merge('a', 'b') \gset
\echo :done
SELECT done, decision_id AS loser_only FROM qbsync_merge('c', 'new') \gset
\echo :done
SELECT done, decision_id IS NULL AS nothing FROM qbsync_merge('nobody', 'd');
SELECT done, decision_id IS NULL AS nothing FROM qbsync_merge('nobody', 'no one');
-- and on: the alias goes along
SELECT done, decision_id AS twice FROM qbsync_merge('b', 'd') \gset
\echo :done
SELECT * FROM pg_temp.links;
SELECT * FROM pg_temp.arrivals();
\set VERBOSITY sqlstate
SELECT qbsync_undo(:both) AS too_early;
\set VERBOSITY default
SELECT qbsync_undo(:twice) IS NOT NULL AS twice, qbsync_undo(:both) IS NOT NULL AS both_undone, qbsync_undo(:loser_only) IS NOT NULL AS loser_only;
SELECT * FROM pg_temp.links WHERE id::int < 5;
-- unlinking takes the aliases along
SELECT done FROM qbsync_merge('a', 'b');
SELECT done FROM qbsync_unlink('b');
SELECT id, crm_key, kind FROM qbsync.rejected_pair ORDER BY 1;

-- CEN-44, X-15: QuickBooks merged: the kept one not linked, linked, an alias of the same; nobody linked; again
SELECT qbsync.note_merge(-1, 'customer', '3', '20') AS kept_unlinked, qbsync.note_merge(-1, 'customer', '3', '20') AS again;
SELECT qbsync.note_merge(-1, 'customer', '4', '5') AS both_linked;
SELECT qbsync.note_merge(-1, 'customer', '21', '22') AS neither;
SELECT qbsync_merge('f', 'g') \g /dev/null
SELECT qbsync.note_merge(-1, 'customer', '7', '6') AS alias_takes_over;
SELECT * FROM pg_temp.links;
SELECT crm_key, id, resolve FROM qbsync.duplicate;
SELECT id, crm_key, kind, arguments FROM pg_temp.decisions WHERE arguments ? 'by';
-- the CRM's people merge, too
SELECT done, decision_id IS NOT NULL AS decision FROM qbsync_merge('d', 'e');
SELECT count(*) FROM qbsync.duplicate;
-- undone like any other
SELECT qbsync_undo(decision_id) IS NOT NULL AS undone FROM qbsync.decision WHERE arguments ->> 'by' = 'quickbooks' AND id = '7';
SELECT qbsync_undo(decision_id) IS NOT NULL AS undone FROM qbsync.decision WHERE arguments ->> 'by' = 'quickbooks' AND id = '3';
SELECT * FROM pg_temp.links;
-- by policy a person decides
UPDATE qbsync.mapping SET policies = '{"on_qbo_merge": "review"}' WHERE mapping_id = -1;
SELECT qbsync.note_merge(-1, 'customer', '8', '23') AS kept_unlinked, qbsync.note_merge(-1, 'customer', '8', '23') AS again, qbsync.note_merge(-1, 'customer', '3', '5') AS both_linked;
SELECT crm_key, id, resolve FROM qbsync.duplicate ORDER BY id;
UPDATE qbsync.customer SET deleted_at = now() WHERE id IN ('3', '8');
SELECT done FROM qbsync_resolve_match('23', 'link', 'h');
SELECT done FROM qbsync_resolve_match('5', 'reject', 'c');
SELECT count(*) FROM qbsync.duplicate;
SELECT * FROM pg_temp.links;

-- CAP-38, CAP-39: conflicts
DELETE FROM qbsync.decision; DELETE FROM qbsync.link; DELETE FROM qbsync.match_candidate; DELETE FROM qbsync.arrival;
INSERT INTO qbsync.link (connection_id, entity, id, mapping_id, crm_key, origin, base, crm_base, unagreed) VALUES
	(-1, 'customer', '1', -1, 'a', 'name_and_email', '{"display_name": "Old", "mobile": "1"}', '{"display_name": "OLD", "mobile": null}', NULL),
	(-1, 'customer', '2', -1, 'b', 'name_and_email', '{"bill_city": "Laval", "bill_line1": "1 rue A", "display_name": "B"}', NULL, '{bill_addr,mobile}');
INSERT INTO qbsync.conflict (conflict_id, mapping_id, connection_id, entity, id, crm_key, unit, kind, base, ours, theirs) VALUES
	(-1, -1, -1, 'customer', '1', 'a', 'display_name', 'changed_both', '{"display_name": "Old"}', '{"display_name": "Ours"}', '{"display_name": "Theirs"}'),
	(-2, -1, -1, 'customer', '2', 'b', 'bill_addr', 'address_partial', NULL, '{"bill_city": "Laval", "bill_postal_code": "H7A"}', '{"bill_city": "Laval", "bill_line1": "1 rue A"}'),
	(-3, -1, -1, 'customer', '3', 'c', 'display_name', 'differs', NULL, '{}', '{}');
SELECT qbsync_resolve_conflict(-1);
SELECT qbsync_resolve_conflict(-1, 'mine');
SELECT qbsync_resolve_conflict(-99, 'crm');
CREATE VIEW pg_temp.bases AS SELECT id, base, crm_base, unagreed FROM qbsync.link ORDER BY id;
SAVEPOINT before;
SELECT done, decision_id AS number FROM qbsync_resolve_conflict(-1, 'quickbooks') \gset
\echo :done
SELECT * FROM pg_temp.bases WHERE id = '1';
SELECT * FROM pg_temp.arrivals();
-- the worker writes; undone: what was agreed on is as it was, the rest has gone on, and the CRM's value comes back
UPDATE qbsync.link SET base = '{"display_name": "Theirs", "mobile": "7"}' WHERE id = '1';
INSERT INTO qbsync.history (connection_id, mapping_id, entity, id, crm_key, operation, before, written)
VALUES (-1, -1, 'customer', '1', 'a', 'update', '{"display_name": "Ours", "mobile": "1"}', '{"display_name": "Theirs", "mobile": "7"}');
SELECT regexp_replace(qbsync_undo(:number), '\d+', 'N') AS undone;
SELECT * FROM pg_temp.bases WHERE id = '1';
SELECT * FROM qbsync.undo_work(-1, (SELECT arguments FROM qbsync.arrival WHERE action = 'undo'));
ROLLBACK TO before;
SELECT done FROM qbsync_resolve_conflict(-1, 'crm');
SELECT * FROM pg_temp.bases WHERE id = '1';
SELECT done, decision_id AS number FROM qbsync_resolve_conflict(-2, 'quickbooks') \gset
SELECT * FROM pg_temp.bases WHERE id = '2';
SELECT qbsync_undo(:number) IS NOT NULL AS undone;
SELECT * FROM pg_temp.bases WHERE id = '2';
ROLLBACK TO before;
SELECT done FROM qbsync_resolve_conflict(-2, 'crm');
SELECT * FROM pg_temp.bases WHERE id = '2';
ROLLBACK TO before;
-- many; one without its link is only put away
SELECT qbsync_resolve_conflicts('crm', unit => 'mobile') AS none, qbsync_resolve_conflicts('quickbooks', unit => 'display_name') AS one, qbsync_resolve_conflicts('crm') AS rest;
SELECT count(*) FROM qbsync.conflict;
SELECT unit, take FROM (SELECT arguments ->> 'unit' AS unit, arguments ->> 'take' AS take FROM pg_temp.decisions) d ORDER BY 1;
-- merge agrees: 'quickbooks' is written, 'crm' is to be sent
ROLLBACK TO before;
SELECT qbsync_resolve_conflict(-1, 'quickbooks') \g /dev/null
SELECT g.write, g.send, g.conflict FROM qbsync.link l CROSS JOIN LATERAL qbsync.merge('{"units": {"display_name": {"columns": ["display_name"], "in": true, "out": true, "authority": "three_way"}}}',
	l.base, l.crm_base, l.unagreed, '{"display_name": "Ours"}', '{"display_name": "Theirs"}', NULL, NULL) g WHERE l.id = '1';
SELECT g.write, g.send, g.conflict IS NOT NULL AS conflict FROM qbsync.link l CROSS JOIN LATERAL qbsync.merge('{"units": {"display_name": {"columns": ["display_name"], "in": true, "out": true, "authority": "three_way"}}}',
	l.base, l.crm_base, l.unagreed, '{"display_name": "Edited meanwhile"}', '{"display_name": "Theirs"}', NULL, NULL) g WHERE l.id = '1';
ROLLBACK TO before;
SELECT qbsync_resolve_conflict(-1, 'crm') \g /dev/null
SELECT g.write, g.send, g.conflict FROM qbsync.link l CROSS JOIN LATERAL qbsync.merge('{"units": {"display_name": {"columns": ["display_name"], "in": true, "out": true, "authority": "three_way"}}}',
	l.base, l.crm_base, l.unagreed, '{"display_name": "Ours"}', '{"display_name": "Theirs"}', NULL, NULL) g WHERE l.id = '1';

-- errors
INSERT INTO qbsync.crm_error (error_id, mapping_id, connection_id, entity, id, problem, waits_for, next_attempt_at) VALUES
	(-1, -1, -1, 'customer', '1', 'crm_refused', NULL, now() + interval '1 h'), (-2, -1, -1, 'customer', '2', 'reference_waiting', '{customer:7,term:3}', now() + interval '1 h'),
	(-3, -1, -1, 'customer', '3', 'crm_refused', NULL, now() + interval '1 h');
INSERT INTO qbsync.error (connection_id, entity, id, problem) VALUES (-1, 'customer', '9', 'bad_value');
CREATE VIEW pg_temp.errors AS SELECT error_id, next_attempt_at <= now() AS due, dismissed_at IS NOT NULL AS dismissed FROM qbsync.crm_error ORDER BY error_id DESC;
SELECT qbsync_retry(-99);
SELECT qbsync_retry();
\set VERBOSITY sqlstate
SELECT qbsync_retry(max(error_id)) IS NULL FROM qbsync.error;
SELECT qbsync_dismiss(max(error_id)) IS NULL FROM qbsync.error;
\set VERBOSITY default
SELECT qbsync_retry(-1), qbsync_dismiss(-3);
SELECT * FROM pg_temp.errors;
SELECT qbsync.release_waiting(-1, '{customer:8}') AS nobody, qbsync.release_waiting(-1, '{customer:7}') AS one, qbsync.release_waiting(-1, '{customer:7}') AS again;
SELECT * FROM pg_temp.errors;
UPDATE qbsync.crm_error SET next_attempt_at = now() + interval '1 h';
UPDATE qbsync.mapping SET problem = 'mapping_broken', attempts = 5, next_attempt_at = now() + interval '1 h' WHERE mapping_id = -1;
SELECT qbsync_retry_all(problem => 'nonsense');
SELECT qbsync_retry_all('contacts', 'crm_refused');
SELECT * FROM pg_temp.errors;
SELECT next_attempt_at <= now() AS due FROM qbsync.mapping WHERE mapping_id = -1;
SELECT qbsync_retry_all();
SELECT next_attempt_at <= now() AS due, attempts FROM qbsync.mapping WHERE mapping_id = -1;
SELECT qbsync_retry(-3);
SELECT * FROM pg_temp.errors;
-- linking releases what waits for it
UPDATE qbsync.crm_error SET next_attempt_at = now() + interval '1 h';
SELECT done FROM qbsync_link('seven', '7');
SELECT * FROM pg_temp.errors;
ROLLBACK;
