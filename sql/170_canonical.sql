-- Canonical rows in one pass, and which columns show what they were given.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;

-- the same as the long form, for every type of the mirror, with many members and few
SELECT qbsync.canonical('a', 'x'::text, 'bb', 12.50::numeric, 'c', true, 'd', 7, 'e', '2026-01-02'::date, 'f', '{"k": [1, "z"]}'::jsonb,
						'g', '{one,two}'::text[], 'h', ''::text, 'i', NULL::numeric, 'j', '{}'::text[], 'k', '[]'::jsonb, 'l', '""'::jsonb, 'm', '3.0'::jsonb);
SELECT qbsync.canonical('a', NULL::text);
SELECT qbsync.canonical('a', '{one,NULL,"",two}'::text[], 'b', '{NULL,""}'::text[], 'c', '[null, {"k": null}, ""]'::jsonb, 'd', '[null]'::jsonb);
CREATE TEMP TABLE wide AS
SELECT i, CASE WHEN i % 3 = 0 THEN repeat('é', i) END AS t, CASE WHEN i % 2 = 0 THEN i / 7.0 END AS n, i % 5 = 0 AS b,
	CASE WHEN i % 4 = 0 THEN ARRAY['x', repeat('y', i)] END AS l, jsonb_build_object('i', i, 's', repeat('q', i % 5)) AS j
FROM generate_series(0, 200) i;
DO $$
DECLARE
	pairs text;
	different integer;
BEGIN
	FOR n IN 1 .. 45 LOOP
		SELECT string_agg(format('%L, %s', 'k' || (k * 37) % 101, (ARRAY['t', 'n', 'b', 'l', 'j', 'i'])[k % 6 + 1]), ', ') INTO pairs FROM generate_series(1, n) k;
		EXECUTE format('SELECT count(*) FROM wide WHERE qbsync.canonical(%1$s)::text IS DISTINCT FROM qbsync.strip(jsonb_build_object(%1$s))::text
			OR qbsync.canonical(%1$s) <> qbsync.strip(jsonb_build_object(%1$s)) OR qbsync.canonical(%1$s) -> ''k37'' IS DISTINCT FROM jsonb_build_object(%1$s) -> ''k37''
			AND qbsync.strip(jsonb_build_object(%1$s)) ? ''k37''', pairs) INTO different;
		IF different > 0 THEN
			RAISE EXCEPTION '% rows differ with % members', different, n;
		END IF;
	END LOOP;
END
$$;
SELECT qbsync.canonical('a');
SELECT qbsync.canonical('a', 1, 'a', 2);
SELECT qbsync.canonical(t, 1) FROM wide;

-- which columns show what they were given
SELECT t, v, qbsync.keeps_exactly(t, false, v)
FROM unnest('{text,text,text,text,text[],integer,numeric,boolean,date,timestamptz,jsonb}'::text[],
			'{text,character varying,uuid,public.citext,text,bigint,numeric,boolean,date,timestamp with time zone,jsonb}'::text[]) x(t, v);
