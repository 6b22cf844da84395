-- Merging by base: every cell of the table, what counts as empty and equal, and invariants on random rows (X-1, Q-10, CAP-38).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;

-- one unit "v", or "addr" of three columns
CREATE FUNCTION pg_temp.rules(authority text, comes_in boolean, goes_out boolean) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('units', jsonb_build_object(
		'v', jsonb_build_object('columns', '["v"]'::jsonb, 'in', comes_in, 'out', goes_out, 'authority', authority))) $$;
CREATE FUNCTION pg_temp.address(authority text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('units', jsonb_build_object(
		'addr', jsonb_build_object('columns', '["line1", "city", "zip"]'::jsonb, 'address', true, 'in', true, 'out', true, 'authority', authority))) $$;
CREATE FUNCTION pg_temp.row_of(v text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN v = '' THEN '{}'::jsonb ELSE jsonb_build_object('v', v) END $$;
-- what came of it, in short: W or S with the value, C with the kind; then base, crm_base and ! for "not agreed on" where they changed
CREATE FUNCTION pg_temp.cell(rules jsonb, base jsonb, crm_base jsonb, unagreed text[], o jsonb, t jsonb, ours_at timestamptz, theirs_at timestamptz)
RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ',
		'W=' || (m.write ->> 'v'), CASE WHEN m.write -> 'v' = 'null' THEN 'W=null' END,
		'S=' || (m.send ->> 'v'), CASE WHEN m.send -> 'v' = 'null' THEN 'S=null' END,
		'C ' || (m.conflict -> 0 ->> 'kind'),
		CASE WHEN m.new_base IS DISTINCT FROM base THEN 'b=' || coalesce(m.new_base ->> 'v', 'empty') END,
		CASE WHEN m.new_crm_base IS DISTINCT FROM crm_base THEN 'cb=' || coalesce(m.new_crm_base ->> 'v', CASE WHEN m.new_crm_base IS NOT NULL THEN 'empty' ELSE 'none' END) END,
		CASE WHEN m.new_unagreed = '{v}' THEN '!' END)
	FROM qbsync.merge(rules, base, crm_base, unagreed, o, t, ours_at, theirs_at) m $$;

-- X-1: agreed or not × what moved × direction (both, in only, out only, none) × authority (b: the base, o: the CRM's value, t: QuickBooks')
CREATE TEMP TABLE state (position int, state text, base jsonb, crm_base jsonb, unagreed text[], o jsonb, t jsonb);
INSERT INTO state VALUES
	(1, 'agreed, none moved', '{"v": "b"}', NULL, NULL, '{"v": "b"}', '{"v": "b"}'),
	(2, 'agreed, crm moved', '{"v": "b"}', NULL, NULL, '{"v": "o"}', '{"v": "b"}'),
	(3, 'agreed, crm emptied', '{"v": "b"}', NULL, NULL, '{}', '{"v": "b"}'),
	(4, 'agreed, qbo moved', '{"v": "b"}', NULL, NULL, '{"v": "b"}', '{"v": "t"}'),
	(5, 'agreed, qbo emptied', '{"v": "b"}', NULL, NULL, '{"v": "b"}', '{}'),
	(6, 'agreed, both moved', '{"v": "b"}', NULL, NULL, '{"v": "o"}', '{"v": "t"}'),
	(7, 'agreed, both to the same', '{"v": "b"}', NULL, NULL, '{"v": "t"}', '{"v": "t"}'),
	(8, 'agreed, both emptied', '{"v": "b"}', NULL, NULL, '{}', '{}'),
	(9, 'agreed, shown as s, none moved', '{"v": "b"}', '{"v": "s"}', NULL, '{"v": "s"}', '{"v": "b"}'),
	(10, 'agreed, shown as s, crm moved', '{"v": "b"}', '{"v": "s"}', NULL, '{"v": "o"}', '{"v": "b"}'),
	(11, 'agreed, shown as s, crm moved to b', '{"v": "b"}', '{"v": "s"}', NULL, '{"v": "b"}', '{"v": "b"}'),
	(12, 'agreed, shown as s, qbo moved', '{"v": "b"}', '{"v": "s"}', NULL, '{"v": "s"}', '{"v": "t"}'),
	(13, 'agreed, shown as s, qbo moved to s', '{"v": "b"}', '{"v": "s"}', NULL, '{"v": "s"}', '{"v": "s"}'),
	(14, 'agreed, shown as s, both moved', '{"v": "b"}', '{"v": "s"}', NULL, '{"v": "o"}', '{"v": "t"}'),
	(15, 'agreed, shown empty, none moved', '{"v": "b"}', '{"v": null}', NULL, '{}', '{"v": "b"}'),
	(16, 'agreed, shown empty, crm moved', '{"v": "b"}', '{"v": null}', NULL, '{"v": "o"}', '{"v": "b"}'),
	(17, 'no base, equal', NULL, NULL, NULL, '{"v": "t"}', '{"v": "t"}'),
	(18, 'no base, both empty', NULL, NULL, NULL, '{}', '{}'),
	(19, 'no base, crm empty', NULL, NULL, NULL, '{}', '{"v": "t"}'),
	(20, 'no base, qbo empty', NULL, NULL, NULL, '{"v": "o"}', '{}'),
	(21, 'no base, differ', NULL, NULL, NULL, '{"v": "o"}', '{"v": "t"}'),
	(22, 'unagreed, equal', '{"v": "b"}', NULL, '{v}', '{"v": "t"}', '{"v": "t"}'),
	(23, 'unagreed, crm empty', '{"v": "b"}', NULL, '{v}', '{}', '{"v": "t"}'),
	(24, 'unagreed, qbo empty', '{"v": "b"}', NULL, '{v}', '{"v": "o"}', '{}'),
	(25, 'unagreed, differ', '{"v": "b"}', NULL, '{v}', '{"v": "o"}', '{"v": "t"}'),
	(26, 'unagreed, crm is as the base', '{"v": "b"}', NULL, '{v}', '{"v": "b"}', '{"v": "t"}'),
	(27, 'unagreed, qbo is as the base', '{"v": "t"}', NULL, '{v}', '{"v": "o"}', '{"v": "t"}');
CREATE TEMP TABLE authority (position int, authority text, ours_at timestamptz, theirs_at timestamptz);
INSERT INTO authority VALUES (1, 'three_way', '2026-01-02', '2026-01-01'), (2, 'crm', NULL, NULL), (3, 'qbo', NULL, NULL), (4, 'manual', '2026-01-01', '2026-01-02'),
	(5, 'newest', '2026-01-02', '2026-01-01'), (6, 'newest', '2026-01-01', '2026-01-02'), (7, 'newest', '2026-01-01', '2026-01-01'), (8, 'newest', NULL, '2026-01-01'), (9, 'newest', '2026-01-01', NULL);
\pset format unaligned
\pset tuples_only
SELECT s.state || E'\n    ' || string_agg(format('%-16s %-16s %-16s %-16s %s', a.cells[1], a.cells[2], a.cells[3], a.cells[4], a.name), E'\n    ' ORDER BY a.position)
FROM state s CROSS JOIN LATERAL (
	SELECT min(x.position) AS position, string_agg(x.name, ', ' ORDER BY x.position) AS name, x.cells
	FROM (
		SELECT a.position, a.authority || CASE WHEN a.authority <> 'newest' THEN '' WHEN a.ours_at > a.theirs_at THEN ' crm' WHEN a.ours_at < a.theirs_at THEN ' qbo' WHEN a.ours_at = a.theirs_at THEN ' same' ELSE ' ?' END AS name,
			ARRAY(SELECT coalesce(nullif(pg_temp.cell(pg_temp.rules(a.authority, d.comes_in, d.goes_out), s.base, s.crm_base, s.unagreed, s.o, s.t, a.ours_at, a.theirs_at), ''), '-')
				  FROM (VALUES (1, true, true), (2, true, false), (3, false, true), (4, false, false)) d(position, comes_in, goes_out) ORDER BY d.position) AS cells
		FROM authority a) x
	GROUP BY x.cells) a
GROUP BY s.position, s.state ORDER BY s.position;
-- X-1, CEN-9, CEN-10, KAR-25: what goes one way asks at the first comparison; once agreed, the side it comes from wins (pull, push, two_way)
SELECT s.state || E'\n    ' || string_agg(format('%-16s %-16s %-16s %s', a.cells[1], a.cells[2], a.cells[3], a.name), E'\n    ' ORDER BY a.position)
FROM state s CROSS JOIN LATERAL (
	SELECT min(x.position) AS position, string_agg(x.name, ', ' ORDER BY x.position) AS name, x.cells
	FROM (
		SELECT a.position, concat_ws(', column ', a.authority, a.own) AS name,
			ARRAY(SELECT coalesce(nullif(pg_temp.cell(jsonb_set(r.rules, '{units,v}', (r.rules #> '{units,v}')
							|| jsonb_strip_nulls(jsonb_build_object('once_agreed', qbsync.one_way_authority(d.direction, a.own, a.authority)))),
						s.base, s.crm_base, s.unagreed, s.o, s.t, NULL, NULL), ''), '-')
				  FROM (VALUES (1, 'pull'), (2, 'push'), (3, 'two_way')) d(position, direction)
				  CROSS JOIN LATERAL pg_temp.rules(coalesce(a.own, a.authority), d.direction <> 'push', d.direction <> 'pull') r(rules)
				  ORDER BY d.position) AS cells
		FROM (VALUES (1, 'three_way', NULL), (2, 'crm', NULL), (3, 'qbo', NULL), (4, 'newest', NULL), (5, 'manual', NULL),
			(6, 'three_way', 'three_way'), (7, 'three_way', 'crm'), (8, 'three_way', 'qbo'), (9, 'qbo', 'manual')) a(position, authority, own)) x
	GROUP BY x.cells) a
WHERE s.position IN (2, 4, 6, 14, 20, 21, 25)
GROUP BY s.position, s.state ORDER BY s.position;
\pset tuples_only off
\pset format aligned

-- CAP-38: an address is merged as a whole; one that agrees in part waits for a person
SELECT m.* FROM qbsync.merge(pg_temp.address('three_way'), NULL, NULL, NULL, '{"line1": "1 Main St", "city": "Troy"}', '{"line1": "1 Main St", "city": "Albany", "zip": "12207"}', NULL, NULL) m \gx
SELECT m.* FROM qbsync.merge(pg_temp.address('three_way'), NULL, NULL, NULL, '{"line1": "1 Main St"}', '{"line1": "1 Main St", "city": "Albany"}', NULL, NULL) m \gx
SELECT m.* FROM qbsync.merge(pg_temp.address('three_way'), NULL, NULL, NULL, '{"line1": "2 Elm St"}', '{"line1": "1 Main St", "city": "Albany"}', NULL, NULL) m \gx
-- … authority decides, and the whole address goes, only what differs is written
SELECT m.* FROM qbsync.merge(pg_temp.address('qbo'), NULL, NULL, NULL, '{"line1": "1 Main St", "zip": "1"}', '{"line1": "1 Main St", "city": "Albany"}', NULL, NULL) m \gx
SELECT m.* FROM qbsync.merge(pg_temp.address('crm'), NULL, NULL, NULL, '{"line1": "1 Main St", "zip": "1"}', '{"line1": "1 Main St", "city": "Albany"}', NULL, NULL) m \gx
-- … a line here and the city there: both moved
SELECT m.* FROM qbsync.merge(pg_temp.address('three_way'), '{"line1": "1 Main St", "city": "Troy"}', NULL, NULL, '{"line1": "2 Main St", "city": "Troy"}', '{"line1": "1 Main St", "city": "Albany"}', NULL, NULL) m \gx
-- … a column the CRM shows otherwise is written again with its unit
SELECT m.* FROM qbsync.merge(pg_temp.address('three_way'), '{"line1": "1 Main St", "city": "Troy", "zip": "1"}', '{"city": "TROY", "zip": null}', NULL, '{"line1": "1 Main St", "city": "TROY"}', '{"line1": "3 Main St", "city": "Troy", "zip": "1"}', NULL, NULL) m \gx
-- … equal in empty columns only is not agreement in part
SELECT m.conflict -> 0 ->> 'kind' AS kind FROM qbsync.merge(pg_temp.address('three_way'), NULL, NULL, NULL, '{"line1": "a", "zip": ""}', '{"line1": "b"}', NULL, NULL) m;

-- lines are one unit
SELECT m.* FROM qbsync.merge('{"units": {"lines": {"columns": ["lines"], "in": true, "out": false, "authority": "three_way"}, "doc_number": {"columns": ["doc_number"], "in": true, "out": false, "authority": "qbo"}}}',
	'{"lines": [{"amount": 10, "description": "a"}], "doc_number": "1"}', NULL, NULL,
	'{"lines": [{"amount": 10.00, "description": "a"}], "doc_number": "1"}', '{"lines": [{"amount": 10, "description": "a"}, {"amount": 5}], "doc_number": "2"}', NULL, NULL) m \gx

-- empty is empty, numbers are equal by value, text by bytes
SELECT x.o, x.t, pg_temp.cell(pg_temp.rules('three_way', true, true), '{}', NULL, NULL, x.o, x.t, NULL, NULL) AS agreed_on_nothing,
	m.write IS NULL AND m.send IS NULL AND m.conflict IS NULL AS equal
FROM (VALUES (1, '{}'::jsonb, '{"v": null}'::jsonb), (2, '{"v": ""}', '{"v": []}'), (3, '{"v": null}', '{"v": ""}'), (4, '{"v": []}', '{}'), (5, NULL, '{}'),
	(6, '{"v": {}}', '{}'), (7, '{"v": " x"}', '{}'), (8, '{"v": [null]}', '{}'), (9, '{"v": 0}', '{}'), (10, '{"v": false}', '{}'),
	(11, '{"v": 100.1}', '{"v": 100.10}'), (12, '{"v": 1e2}', '{"v": 100}'), (13, '{"v": -0.0}', '{"v": 0}'), (14, '{"v": 100.1}', '{"v": 100.100000000000000000000000000000001}'),
	(15, '{"v": "100.1"}', '{"v": 100.1}'), (16, '{"v": true}', '{"v": "true"}'), (17, '{"v": "A"}', '{"v": "a"}'), (18, '{"v": "\u00e9"}', '{"v": "e\u0301"}'),
	(19, '{"v": ["a", "b"]}', '{"v": ["b", "a"]}'), (20, '{"v": {"a": 1, "b": 2.0}}', '{"v": {"b": 2, "a": 1.00}}'), (21, '{"v": ["1"]}', '{"v": [1]}'), (22, '{"v": "a"}', '{"v": "a "}'),
	(23, '{"v": ["a", null]}', '{"v": ["", "a"]}'), (24, '{"v": [null, "", ""]}', '{}'), (25, '{"v": [{"k": null}, null]}', '{"v": [{"k": null}]}')) x(n, o, t)
CROSS JOIN LATERAL qbsync.merge(pg_temp.rules('three_way', true, true), NULL, NULL, NULL, x.o, x.t, NULL, NULL) m
ORDER BY x.n;
-- … so a null that the CRM's list has is no edit, nor is it written or stored
SELECT m.* FROM qbsync.merge(pg_temp.rules('three_way', true, true), '{"v": ["a", "b"]}', NULL, NULL, '{"v": ["a", null, "b"]}', '{"v": ["a", "c"]}', NULL, NULL) m;
SELECT m.* FROM qbsync.merge(pg_temp.rules('three_way', true, true), '{"v": ["a"]}', NULL, NULL, '{"v": ["b", null, ""]}', '{"v": ["a"]}', NULL, NULL) m;
-- nulls are stored as nulls, what is empty is left out of the base
SELECT m.* FROM qbsync.merge(pg_temp.rules('three_way', true, true), '{"v": ""}', '{"v": []}', '{}', '{"v": ""}', '{"v": null}', NULL, NULL) m;
SELECT m.* FROM qbsync.merge(pg_temp.rules('three_way', true, true), 'null', 'null', NULL, 'null', 'null', NULL, NULL) m;

-- what the rules do not name stays as it is: base, crm_base, unagreed
SELECT m.* FROM qbsync.merge(pg_temp.rules('three_way', true, true), '{"v": "b", "a": 1, "zz": [2]}', '{"v": "s", "b": null, "zz": "x"}', ARRAY['other', NULL, 'v'],
	'{"v": "t", "a": 7}', '{"v": "t", "zz": 8}', NULL, NULL) m \gx
SELECT m.* FROM qbsync.merge('{"units": {}}', '{"a": 1}', '{"a": 2}', NULL, '{"a": 3}', '{"a": 4}', NULL, NULL) m;
SELECT m.* FROM qbsync.merge('{"units": {}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL) m;

-- Q-10: several units at once, each by its own authority; conflicts tell base and both sides
SELECT m.* FROM qbsync.merge('{"units": {
		"display_name": {"columns": ["display_name"], "in": true, "out": true, "authority": "three_way"},
		"notes": {"columns": ["notes"], "in": true, "out": true, "authority": "crm"},
		"balance": {"columns": ["balance"], "in": true, "out": false, "authority": "qbo"},
		"bill_addr": {"columns": ["bill_line1", "bill_city"], "address": true, "in": true, "out": true, "authority": "three_way"},
		"emails": {"columns": ["emails"], "in": true, "out": true, "authority": "newest"}}}',
	'{"display_name": "A", "notes": "n", "balance": 1, "bill_line1": "x", "emails": ["a@x"]}', NULL, NULL,
	'{"display_name": "B", "notes": "o", "balance": 3, "bill_line1": "y", "bill_city": "Z", "emails": ["b@x"]}',
	'{"display_name": "C", "notes": "t", "balance": 2, "bill_line1": "w", "emails": ["c@x", "d@x"]}', '2026-01-01', '2026-01-02') m \gx

-- after a write: what the CRM shows otherwise
SELECT x.*, qbsync.crm_shown(x.written, x.shown, x.crm_base) FROM (VALUES
	(1, NULL::jsonb, '{"a": 1}'::jsonb, NULL::jsonb), (2, '{"a": 1}', '{"a": 1.0, "b": 2}', NULL), (3, '{"a": "x"}', '{"a": "X"}', NULL), (4, '{"a": "x"}', '{}', NULL),
	(5, '{"a": "x"}', '{"a": ""}', '{"b": null}'), (6, '{"a": null}', '{"a": "default"}', '{"a": "old", "c": "C"}'), (7, '{"a": "x"}', '{"a": "x"}', '{"a": "X"}'),
	(8, '{"a": "x"}', '{"a": "x"}', '{"a": "X", "b": "B"}'), (9, '{"a": null, "b": []}', '{}', NULL), (10, '{"a": ["x", "y"]}', '{"a": ["x"]}', NULL), (11, NULL, NULL, '{"b": 1}'),
	(12, '{"a": "x"}', NULL, NULL), (13, '{"a": ["x", "y"]}', '{"a": ["x", null, "y"]}', NULL), (14, '{"a": ["x"]}', '{"a": [null, "z"]}', NULL)) x(n, written, shown, crm_base) ORDER BY x.n;
SELECT qbsync.crm_shown('[]', NULL, NULL);

-- after QuickBooks has carried out what was sent: what was sent is agreed on, after a creation all that goes out
SELECT x.n, a.* FROM (VALUES
	(1, false, false, '{"n": "x"}'::jsonb, '{"n": "x"}'::jsonb, '{"n": "x", "p": "1"}'::jsonb, NULL::jsonb), (2, false, false, '{"n": "x"}', '{"n": "x"}', '{"n": "X"}', NULL),
	(3, false, false, '{"n": null}', '{}', '{}', NULL), (4, false, false, '{"n": null}', '{}', '{"n": "still"}', NULL), (5, false, true, '{"n": null, "p": "1"}', '{"p": "1"}', '{"n": "still", "p": "1"}', NULL),
	(6, false, true, '{"n": "x"}', '{"n": "x"}', '{"n": "X"}', NULL), (7, true, false, '{"n": "x"}', '{"n": "x", "p": "2"}', '{"n": "x", "p": "1", "b": 7}', NULL),
	(8, true, false, '{"n": "x"}', '{"n": "x"}', '{"n": "x"}', NULL), (9, false, false, '{"parent_id": "5"}', '{"parent_key": "k"}', '{"parent_key": "k"}', NULL),
	(10, false, false, '{"n": "x"}', '{"n": "x"}', '{"n": "edited"}', '{"n": "edited"}'), (11, false, false, '{"n": "x"}', '{"n": "x"}', '{"n": "x"}', '{"n": "x", "p": "edited"}'),
	(12, false, false, '{"n": null}', '{}', '{}', '{"n": null}'), (13, false, false, '{"n": "x"}', '{"n": "x"}', '{}', '{}'), (14, false, false, '{"n": 1.0}', '{"n": 1}', '{"n": 1.00}', NULL),
	(15, false, false, '{"z": "x"}', '{"z": "x"}', '{"z": "x"}', NULL), (16, true, false, '{}', '{}', '{"b": 7}', NULL), (17, false, true, '{"n": ""}', '{}', '{}', NULL)) x(n, created, once_more, sent, ours, theirs, later)
CROSS JOIN LATERAL qbsync.agreed('{n,n,n,t,p,p,p,t,parent_key,parent_id,parent,t,b,b,b,f}', x.created, x.once_more, x.sent, x.ours, x.theirs, x.later) a ORDER BY x.n;

-- canonical rows
SELECT qbsync.strip(x) FROM (VALUES (1, '{"a": 1, "b": null, "c": "", "d": [], "e": {}, "f": false, "g": 0, "h": [null], "i": {"j": null}}'::jsonb), (2, '{}'), (3, '{"a": null}'), (4, NULL), (5, '{"a": 1.10}'), (6, 'null'), (7, '{"a": [null, "x", "", "y"], "b": [{"c": ""}]}')) x(n, x) ORDER BY x.n;
SELECT qbsync.strip('[1]');
SELECT qbsync.strip('"x"');

-- rules that are not meant are refused
CREATE FUNCTION pg_temp.try(rules jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	state text;
BEGIN
	PERFORM m.* FROM qbsync.merge(rules, NULL, NULL, NULL, '{}', '{}', NULL, NULL) m;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, state = RETURNED_SQLSTATE;
	RETURN state || ' ' || sqlerrm || ': ' || detail;
END $$;
SELECT pg_temp.try(rules) FROM (VALUES (1, NULL::jsonb), (2, 'null'), (3, '1'), (4, '[]'), (5, '{}'), (6, '{"units": []}'), (7, '{"units": null}'), (8, '{"units": {"a": 1}}'), (9, '{"units": {"a": []}}'),
	(10, '{"units": {"a": {"columns": ["a"], "in": true, "out": true}}}'), (11, '{"units": {"a": {"columns": ["a"], "in": true, "out": true, "authority": "QBO"}}}'),
	(12, '{"units": {"a": {"columns": ["a"], "in": true, "out": true, "authority": null}}}'), (13, '{"units": {"a": {"columns": ["a"], "out": true, "authority": "qbo"}}}'),
	(14, '{"units": {"a": {"columns": ["a"], "in": "true", "out": true, "authority": "qbo"}}}'), (15, '{"units": {"a": {"columns": ["a"], "in": true, "out": true, "address": 1, "authority": "qbo"}}}'),
	(16, '{"units": {"a": {"columns": [], "in": true, "out": true, "authority": "qbo"}}}'), (17, '{"units": {"a": {"columns": "a", "in": true, "out": true, "authority": "qbo"}}}'),
	(18, '{"units": {"a": {"columns": ["a", null], "in": true, "out": true, "authority": "qbo"}}}'), (19, '{"units": {"a": {"columns": [""], "in": true, "out": true, "authority": "qbo"}}}'),
	(20, '{"units": {"a": {"columns": [["a"]], "in": true, "out": true, "authority": "qbo"}}}'), (21, '{"units": {"a": {"in": true, "out": true, "authority": "qbo"}}}'),
	(22, '{"units": {"a": {"columns": ["a", "b"], "in": true, "out": true, "authority": "qbo"}, "b": {"columns": ["b"], "in": true, "out": true, "authority": "qbo"}}}'),
	(23, '{"units": {"a": {"columns": ["a", "a"], "in": true, "out": true, "authority": "qbo"}}}'), (24, '{"units": {"": {"columns": ["a"], "in": true, "out": true, "authority": "qbo"}}}'),
	(25, jsonb_build_object('units', jsonb_build_object(repeat('é', 100), 1))), (26, '{"units": {"%s%n": {"columns": ["%s", "%s"], "in": true, "out": true, "authority": "qbo"}}}'),
	(27, '{"units": {"a": {"columns": ["a"], "in": true, "out": true, "authority": "qbo", "more": 1}}, "more": 2}'),
	(28, '{"units": {"a": {"columns": ["a"], "in": true, "out": true, "authority": "qbo", "once_agreed": "me"}}}')) x(n, rules) ORDER BY x.n;
SELECT m.* FROM qbsync.merge('{}', NULL, NULL, NULL, '{}', '{}', NULL, NULL) m;
SELECT m.* FROM qbsync.merge('{"units": {}}', '[]', NULL, NULL, '{}', '{}', NULL, NULL) m;
SELECT m.* FROM qbsync.merge('{"units": {}}', '{}', '"x"', NULL, '{}', '{}', NULL, NULL) m;
SELECT m.* FROM qbsync.merge('{"units": {}}', '{}', NULL, NULL, '[{}]', '{}', NULL, NULL) m;
SELECT m.* FROM qbsync.merge('{"units": {}}', '{}', NULL, NULL, '{}', '1', NULL, NULL) m;

-- rules are compiled again when they change, from row to row; also behind refused ones
SELECT x.n, m.write, m.send FROM (VALUES (1, pg_temp.rules('crm', true, true)), (2, pg_temp.rules('qbo', true, true)), (3, pg_temp.rules('qbo', true, true)), (4, pg_temp.address('qbo')), (5, pg_temp.rules('crm', true, true))) x(n, rules)
CROSS JOIN LATERAL qbsync.merge(x.rules, NULL, NULL, NULL, '{"v": "o"}', '{"v": "t", "city": "Troy"}', NULL, NULL) m ORDER BY x.n;
DO $$
DECLARE
	r jsonb;
	w text;
BEGIN
	FOREACH r IN ARRAY ARRAY[pg_temp.rules('qbo', true, true), '{"units": 1}'::jsonb, '{"units": 1}'::jsonb, pg_temp.rules('qbo', true, true)]
	LOOP
		BEGIN
			SELECT m.write INTO w FROM qbsync.merge(r, NULL, NULL, NULL, '{"v": "o"}', '{"v": "t"}', NULL, NULL) m;
			RAISE INFO '%', w;
		EXCEPTION WHEN invalid_parameter_value THEN
			RAISE INFO '%', sqlerrm;
		END;
	END LOOP;
END $$;

-- large and hostile: 3,000 columns, names of every kind, megabytes, deep nesting, numbers of 10,000 digits
SELECT (SELECT count(*) FROM jsonb_object_keys(m.write)) AS write, (SELECT count(*) FROM jsonb_object_keys(m.send)) AS send, (SELECT count(*) FROM jsonb_object_keys(m.new_base)) AS base, m.conflict
FROM (SELECT jsonb_build_object('units', jsonb_object_agg('u' || i, jsonb_build_object('columns', jsonb_build_array('c' || i), 'in', true, 'out', true, 'authority', 'three_way'))) AS rules,
		jsonb_object_agg('c' || i, i) AS base, jsonb_object_agg('c' || i, i + (i % 3 = 0)::int) AS ours, jsonb_object_agg('c' || i, i + (i % 3 = 1)::int) AS theirs
	  FROM generate_series(1, 3000) i) x
CROSS JOIN LATERAL qbsync.merge(x.rules, x.base, NULL, NULL, x.ours, x.theirs, NULL, NULL) m;
SELECT m.write, m.conflict FROM qbsync.merge('{"units": {"\"; DROP TABLE x; --": {"columns": ["''", "%s", "a b", "Ünïcode", "\\", "日本"], "in": true, "out": true, "authority": "three_way"}}}', '{}', NULL, NULL, '{}',
	'{"''": "\"", "%s": "%n%n", "a b": "\u0001", "Ünïcode": "$1", "\\": "\\", "日本": "語"}', NULL, NULL) m;
SELECT octet_length(m.write ->> 'v') AS write, m.new_base = t.t AS base FROM (SELECT jsonb_build_object('v', repeat('é', 5000000)) AS t) t
CROSS JOIN LATERAL qbsync.merge(pg_temp.rules('qbo', true, true), '{"v": "x"}', NULL, NULL, '{"v": "x"}', t.t, NULL, NULL) m;
SELECT m.write IS NULL AND m.send IS NULL AS equal, m.new_base = t.t AS base FROM (SELECT ('{"v": ' || repeat('[', 2000) || '1.0' || repeat(']', 2000) || '}')::jsonb AS t, ('{"v": ' || repeat('[', 2000) || '1.00' || repeat(']', 2000) || '}')::jsonb AS o) t
CROSS JOIN LATERAL qbsync.merge(pg_temp.rules('qbo', true, true), NULL, NULL, NULL, t.o, t.t, NULL, NULL) m;
SELECT length(m.send ->> 'v') FROM qbsync.merge(pg_temp.rules('qbo', true, true), '{"v": 1}', NULL, NULL, jsonb_build_object('v', ('1' || repeat('0', 9999))::numeric), '{"v": 1}', NULL, NULL) m;
SELECT m.new_unagreed FROM qbsync.merge(pg_temp.rules('three_way', true, true), '{}', NULL, array_fill('v'::text, ARRAY[1000]), '{"v": 1}', '{"v": 2}', NULL, NULL) m;

-- invariants on random rows: the queries show those that break one.  Others: psql -v seed=2 -v samples=5000
\if :{?seed} \else \set seed 1
\endif
\if :{?samples} \else \set samples 600
\endif
CREATE FUNCTION pg_temp.dice(seed text, sides int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT (('x' || substr(md5(seed), 1, 7))::bit(28)::int) % sides $$;
CREATE FUNCTION pg_temp.random_row(seed text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(jsonb_object_agg(c, v -> pg_temp.dice(seed || c, 8)), '{}')
	FROM unnest(ARRAY['name', 'number', 'line1', 'city', 'zip', 'lines', 'other']) c
	CROSS JOIN LATERAL (SELECT CASE c WHEN 'number' THEN '[1, 1.0, 1.00, 2, 2.50, 2.5, null, ""]'::jsonb WHEN 'lines' THEN '[[], [{"a": 1}], [{"a": 1.0}], [{"a": 2}], [1, 2], null, [null, {"a": 1}, ""], [{"a": 1}]]' ELSE '["x", "x", "y", "y", "z", null, "", []]' END AS v) v
	WHERE pg_temp.dice(seed || c || '?', 5) > 0 $$;
CREATE FUNCTION pg_temp.random_rules(seed text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('units', jsonb_object_agg(u.unit, jsonb_build_object('columns', u.columns::jsonb, 'address', u.unit = 'addr',
		'authority', (ARRAY['three_way', 'crm', 'qbo', 'newest', 'manual'])[1 + pg_temp.dice(seed || u.unit, 5)],
		'once_agreed', CASE pg_temp.dice(seed || u.unit || 'once', 6) WHEN 0 THEN 'qbo' WHEN 1 THEN 'crm' WHEN 2 THEN 'manual'
			ELSE (ARRAY['three_way', 'crm', 'qbo', 'newest', 'manual'])[1 + pg_temp.dice(seed || u.unit, 5)] END,
		'in', pg_temp.dice(seed || u.unit || 'in', 4) > 0, 'out', pg_temp.dice(seed || u.unit || 'out', 4) > 0)))
	FROM (VALUES ('name', '["name"]'), ('number', '["number"]'), ('addr', '["line1", "zip", "city"]'), ('lines', '["lines"]')) u(unit, columns) $$;
CREATE FUNCTION pg_temp.who(u jsonb, agreed boolean) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT u ->> CASE WHEN agreed THEN 'once_agreed' ELSE 'authority' END $$;
-- the rule of the table once more, for a unit whose values are given
CREATE FUNCTION pg_temp.expected(u jsonb, agreed boolean, b jsonb, cb jsonb, o jsonb, t jsonb, ours_at timestamptz, theirs_at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN wish = 'write' AND NOT (u -> 'in')::boolean OR wish = 'conflict' AND NOT (u -> 'in')::boolean AND NOT (u -> 'out')::boolean THEN 'taken'
		WHEN wish = 'send' AND NOT (u -> 'out')::boolean THEN 'kept' ELSE wish END
	FROM (SELECT CASE
		WHEN agreed AND o = cb AND t = b THEN 'kept'
		WHEN o = t THEN 'agreed'
		WHEN agreed AND (o = cb OR t = b) AND authority = 'manual' THEN 'conflict'
		WHEN agreed AND o = cb OR NOT agreed AND o = '{}' THEN 'write'
		WHEN agreed AND t = b OR NOT agreed AND t = '{}' THEN 'send'
		WHEN authority = 'crm' OR authority = 'newest' AND ours_at > theirs_at THEN 'send'
		WHEN authority = 'qbo' OR authority = 'newest' AND ours_at < theirs_at THEN 'write'
		ELSE 'conflict' END AS wish FROM pg_temp.who(u, agreed) authority) w $$;
CREATE FUNCTION pg_temp.pick(r jsonb, columns jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT qbsync.strip(coalesce((SELECT jsonb_object_agg(k, r -> k) FROM jsonb_array_elements_text(columns) k), '{}')) $$;
CREATE TEMP TABLE sample AS
SELECT i, pg_temp.random_rules(s || 'r' || i % 97) AS rules, CASE WHEN pg_temp.dice(s || 'b?', 8) > 0 THEN pg_temp.random_row(s || 'b') END AS base,
	(SELECT jsonb_object_agg(k, v) FROM jsonb_each(pg_temp.random_row(s || 'cb')) e(k, v) WHERE pg_temp.dice(s || k || 'cb?', 4) = 0) AS crm_base,
	ARRAY(SELECT k FROM unnest(ARRAY['name', 'addr', 'gone']) k WHERE pg_temp.dice(s || k || 'ua?', 5) = 0) AS unagreed,
	pg_temp.random_row(s || CASE pg_temp.dice(s || 'o?', 3) WHEN 0 THEN 'b' ELSE 'o' END) AS ours, pg_temp.random_row(s || CASE pg_temp.dice(s || 't?', 3) WHEN 0 THEN 'b' ELSE 't' END) AS theirs,
	CASE WHEN pg_temp.dice(s || 'oa', 4) > 0 THEN '2026-01-01'::timestamptz + pg_temp.dice(s || 'oa', 3) * interval '1 h' END AS ours_at,
	CASE WHEN pg_temp.dice(s || 'ta', 4) > 0 THEN '2026-01-01'::timestamptz + pg_temp.dice(s || 'ta', 3) * interval '1 h' END AS theirs_at
FROM generate_series(1, :samples) i CROSS JOIN LATERAL (SELECT :'seed' || ':' || i || ':' AS s) s;
CREATE TEMP TABLE merged AS
SELECT x.*, m.*, qbsync.strip(x.ours || coalesce(m.write, '{}')) AS ours_after, qbsync.strip(x.theirs || coalesce(m.send, '{}')) AS theirs_after
FROM sample x CROSS JOIN LATERAL qbsync.merge(x.rules, x.base, x.crm_base, x.unagreed, x.ours, x.theirs, x.ours_at, x.theirs_at) m;
CREATE TEMP TABLE unit AS
SELECT m.i, u.unit, u.rule, p.*, c.conflict, pg_temp.expected(u.rule, p.agreed, p.b, p.cb, p.o, p.t, m.ours_at, m.theirs_at) AS expected,
	CASE WHEN c.conflict IS NOT NULL THEN 'conflict' WHEN p.w <> '{}' THEN 'write' WHEN p.s <> '{}' THEN 'send'
		WHEN p.agreed AND p.new_b = p.b AND p.new_cb = p.cb AND p.o = p.cb AND p.t = p.b THEN 'kept' WHEN p.o = p.t THEN 'agreed'
		WHEN p.new_b = p.t AND p.new_cb = p.o AND NOT u.unit = ANY (coalesce(m.new_unagreed, '{}')) THEN 'taken'
		WHEN CASE WHEN p.agreed THEN p.new_b = p.b AND p.new_cb = p.cb ELSE u.unit = ANY (coalesce(m.new_unagreed, '{}')) AND p.new_b = p.t END THEN 'kept' END AS found
FROM merged m CROSS JOIN LATERAL jsonb_each(m.rules -> 'units') u(unit, rule)
LEFT JOIN LATERAL (SELECT c AS conflict FROM jsonb_array_elements(m.conflict) c WHERE c ->> 'unit' = u.unit) c ON true
CROSS JOIN LATERAL (SELECT m.base IS NOT NULL AND NOT u.unit = ANY (m.unagreed) AS agreed,
	pg_temp.pick(m.ours, u.rule -> 'columns') AS o, pg_temp.pick(m.theirs, u.rule -> 'columns') AS t,
	pg_temp.pick(m.base, u.rule -> 'columns') AS b, pg_temp.pick(coalesce(m.base, '{}') || coalesce(m.crm_base, '{}'), u.rule -> 'columns') AS cb,
	coalesce((SELECT jsonb_object_agg(k, m.write -> k) FROM jsonb_array_elements_text(u.rule -> 'columns') k WHERE m.write ? k), '{}') AS w,
	coalesce((SELECT jsonb_object_agg(k, m.send -> k) FROM jsonb_array_elements_text(u.rule -> 'columns') k WHERE m.send ? k), '{}') AS s,
	pg_temp.pick(m.new_base, u.rule -> 'columns') AS new_b, pg_temp.pick(coalesce(m.new_base, '{}') || coalesce(m.new_crm_base, '{}'), u.rule -> 'columns') AS new_cb,
	pg_temp.pick(m.ours_after, u.rule -> 'columns') AS o_after, pg_temp.pick(m.theirs_after, u.rule -> 'columns') AS t_after) p;
-- all kinds of outcome are there often
SELECT expected, count(*) > :samples / 6 AS often FROM unit GROUP BY 1 ORDER BY 1;
-- the outcome is that of the table
SELECT * FROM unit WHERE found IS DISTINCT FROM expected ORDER BY i LIMIT 3;
-- no value vanishes: the CRM's is overwritten only where it did not move, was empty, or has to yield; the same for QuickBooks'
SELECT * FROM unit WHERE o_after <> o AND NOT (agreed AND o = cb OR NOT agreed AND o = '{}' OR pg_temp.who(rule, agreed) IN ('qbo', 'newest') AND (agreed IS FALSE OR t <> b)) ORDER BY i LIMIT 3;
SELECT * FROM unit WHERE t_after <> t AND NOT (agreed AND t = b OR NOT agreed AND t = '{}' OR pg_temp.who(rule, agreed) IN ('crm', 'newest') AND (agreed IS FALSE OR o <> cb)) ORDER BY i LIMIT 3;
-- … every value that is not the result is in a conflict, in the base, or on its way; the other direction is never used
SELECT * FROM unit WHERE o <> t AND w = '{}' AND s = '{}' AND conflict IS NULL AND NOT (new_b = t OR agreed AND new_b = b AND new_cb = cb) ORDER BY i LIMIT 3;
SELECT * FROM unit WHERE conflict IS NOT NULL AND (conflict -> 'ours', conflict -> 'theirs', conflict -> 'base') <> (o, t, CASE WHEN agreed THEN b ELSE '{}' END) ORDER BY i LIMIT 3;
SELECT * FROM unit WHERE w <> '{}' AND NOT (rule -> 'in')::boolean OR s <> '{}' AND NOT (rule -> 'out')::boolean OR w <> '{}' AND s <> '{}' ORDER BY i LIMIT 3;
-- … what is written is the other side's whole unit, and only what differs
SELECT * FROM unit WHERE w <> '{}' AND o_after <> t OR s <> '{}' AND t_after <> o OR EXISTS (SELECT FROM jsonb_each(w || s) e WHERE qbsync.strip(jsonb_build_object('v', o -> e.key)) = qbsync.strip(jsonb_build_object('v', t -> e.key))) ORDER BY i LIMIT 3;
-- nothing outside the rules is touched
SELECT * FROM merged WHERE write ? 'other' OR send ? 'other' OR new_base -> 'other' IS DISTINCT FROM base -> 'other' OR new_crm_base -> 'other' IS DISTINCT FROM crm_base -> 'other'
	OR ('gone' = ANY (unagreed)) <> ('gone' = ANY (coalesce(new_unagreed, '{}'))) OR write = '{}' OR send = '{}' OR conflict = '[]' OR new_crm_base = '{}' OR new_unagreed = '{}' OR new_base IS NULL ORDER BY i LIMIT 3;
-- once is enough: after the write there is nothing more to write, and what waits goes on waiting, as it was
SELECT m.* FROM merged m CROSS JOIN LATERAL qbsync.merge(m.rules, m.new_base, m.new_crm_base, m.new_unagreed, m.ours_after, m.theirs, m.ours_at, m.theirs_at) n
WHERE (n.write, n.send, n.conflict, n.new_base, n.new_crm_base, n.new_unagreed) IS DISTINCT FROM (NULL, m.send, m.conflict, m.new_base, m.new_crm_base, m.new_unagreed) ORDER BY m.i LIMIT 3;
-- when what waits has arrived in QuickBooks, only conflicts are left
SELECT m.* FROM merged m CROSS JOIN LATERAL qbsync.merge(m.rules, m.new_base, m.new_crm_base, m.new_unagreed, m.ours_after, m.theirs_after, m.ours_at, m.theirs_at) n
WHERE (n.write, n.send, n.conflict) IS DISTINCT FROM (NULL, NULL, m.conflict) ORDER BY m.i LIMIT 3;
-- a write that the CRM showed otherwise is not repeated
SELECT m.* FROM merged m CROSS JOIN LATERAL (SELECT m.ours_after || coalesce((SELECT jsonb_object_agg(k, 'rewritten') FROM jsonb_object_keys(m.write) k WHERE m.i % 2 = 0), '{"other": 1}') AS shown) s
CROSS JOIN LATERAL qbsync.merge(m.rules, m.new_base, qbsync.crm_shown(m.write, s.shown, m.new_crm_base), m.new_unagreed, s.shown, m.theirs, m.ours_at, m.theirs_at) n
WHERE (n.write, n.send, n.conflict) IS DISTINCT FROM (NULL, m.send, m.conflict) ORDER BY m.i LIMIT 3;
-- symmetry: with sides, authority and clocks exchanged, write and send are exchanged
SELECT m.i, n.write, r.send, n.send, r.write, n.conflict, r.conflict FROM merged m
CROSS JOIN LATERAL (SELECT jsonb_build_object('units', jsonb_object_agg(k, v || '{"in": true, "out": true}')) AS rules,
	jsonb_build_object('units', jsonb_object_agg(k, v || '{"in": true, "out": true}' || CASE v ->> 'authority' WHEN 'crm' THEN '{"authority": "qbo"}' WHEN 'qbo' THEN '{"authority": "crm"}' ELSE '{}' END::jsonb
		|| CASE v ->> 'once_agreed' WHEN 'crm' THEN '{"once_agreed": "qbo"}' WHEN 'qbo' THEN '{"once_agreed": "crm"}' ELSE '{}' END::jsonb)) AS mirrored
	FROM jsonb_each(m.rules -> 'units') e(k, v)) x
CROSS JOIN LATERAL qbsync.merge(x.rules, m.base, NULL, m.unagreed, m.ours, m.theirs, m.ours_at, m.theirs_at) n
CROSS JOIN LATERAL qbsync.merge(x.mirrored, m.base, NULL, m.unagreed, m.theirs, m.ours, m.theirs_at, m.ours_at) r
WHERE (n.write, n.send) IS DISTINCT FROM (r.send, r.write)
	OR (SELECT jsonb_agg(jsonb_set(jsonb_set(c, '{ours}', c -> 'theirs'), '{theirs}', c -> 'ours')) FROM jsonb_array_elements(n.conflict) c) IS DISTINCT FROM r.conflict ORDER BY m.i LIMIT 3;
ROLLBACK;

-- a person's decision under authority manual is carried out, and not asked again while one side moved (X-1)
SELECT m.* FROM (VALUES ('{"n": "theirs"}'::jsonb, 'taken from QuickBooks', '{"n": "ours"}'::jsonb),
	('{"n": "theirs"}', 'taken from the CRM, waits to be sent', '{"n": "theirs"}'),
	('{"n": "newer"}', 'both moved since: asked again', '{"n": "theirs"}')) AS v(theirs, what, base)
CROSS JOIN LATERAL qbsync.merge('{"units": {"n": {"columns": ["n"], "in": true, "out": true, "authority": "manual"}}}', v.base, NULL, '{n=resolved}',
	'{"n": "ours"}', v.theirs, NULL, NULL) m;
