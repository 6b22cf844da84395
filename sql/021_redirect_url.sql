-- Addresses the browser ended at, changed at random: each is understood or refused, and no refusal tells what it held.  More of them,
-- and others: psql -v iterations=1000000 -v seed=0.3 -f sql/021_redirect_url.sql
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
\pset format unaligned
\pset tuples_only on
\if :{?iterations}
\else
\set iterations 600
\endif
\if :{?seed}
\else
\set seed 0.5
\endif
BEGIN;
SELECT setseed(:seed) \g /dev/null
SELECT set_config('fuzz.iterations', :'iterations', true) \g /dev/null

-- what is encoded is decoded: any text, and as a parameter of an address
SELECT count(*) FILTER (WHERE qbsync.url_decode(qbsync.url_encode(t)) IS DISTINCT FROM t) AS decoded_wrongly,
	count(*) FILTER (WHERE qbsync.url_parameters('https://crm.example/cb?b=1&a=' || qbsync.url_encode(t) || '#end') IS DISTINCT FROM jsonb_build_object('a', t, 'b', '1')) AS read_wrongly
FROM (SELECT string_agg(chr(CASE WHEN random() < 0.6 THEN 32 + floor(random() * 95) WHEN random() < 0.9 THEN 161 + floor(random() * 10000) ELSE 65536 + floor(random() * 60000) END::integer), '') AS t
	FROM generate_series(1, current_setting('fuzz.iterations')::integer) i GROUP BY i % (current_setting('fuzz.iterations')::integer / 20 + 1)) x;

-- one change: something goes, comes in, is doubled, or the end is cut off
CREATE FUNCTION pg_temp.mutated(url text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	pieces text[] := ARRAY['%', '%%', '%0', '%00', '%ff', '%c3', '%C3%A9', '%ed%a0%80', '+', '&', '&&', '=', '==', '?', '#', ';', ' ', E'\n', E'\t', '''', '"', '\', '/', ':',
		'é', '😀', chr(65279), '&code=', '&state=', '&realmId=', '&error=', 'code', '%26', '%3D', repeat('a', 600), repeat('%41', 300), '9', '-1', '0'];
	at integer := floor(random() * (length(url) + 1));
	span integer := floor(random() * 8);
BEGIN
	CASE floor(random() * 5)
		WHEN 0 THEN RETURN left(url, at) || substr(url, at + 1 + span);
		WHEN 1 THEN RETURN left(url, at) || substr(url, at + 1, span) || substr(url, at + 1);
		WHEN 2 THEN RETURN left(url, at);
		ELSE RETURN left(url, at) || pieces[1 + floor(random() * cardinality(pieces))] || substr(url, at + 1);
	END CASE;
END
$$;

SELECT qbsync_app('my-app', client_id => 'id', redirect_uri => 'https://crm.example/cb', environment => 'production') IS NOT NULL;


DO $$
DECLARE
	its_state text := (SELECT substring(qbsync_authorize_url('acme', 'my-app') FROM 'state=([^&]+)'));
	url text;
	p jsonb;
	said text;
	detail text;
	hint text;
	context text;
	understood integer := 0;
	refused integer := 0;
	taken integer := 0;
BEGIN
	FOR i IN 1 .. current_setting('fuzz.iterations')::integer LOOP
		url := (ARRAY['https://crm.example/cb?code=SECRETcode11&state=' || its_state || '&realmId=9130000000000001',
			'?state=' || its_state || '&code=SECRETcode%2B11&realmId=9130000000000001#done',
			'https://crm.example/cb?error=access_denied&state=' || its_state, 'https://crm.example/cb?realmId=1&error=code=SECRETcode11&state=' || its_state,
			'http://localhost:8080/a%20b/?realmId=1&code=SECRETcode' || repeat('x', 300)])[1 + floor(random() * 5)];
		FOR j IN 0 .. floor(random() * 4) LOOP
			url := pg_temp.mutated(url);
		END LOOP;
		BEGIN
			p := qbsync.url_parameters(url);
			understood := understood + 1;
			IF jsonb_typeof(p) <> 'object' OR EXISTS (SELECT FROM jsonb_each(p) v WHERE jsonb_typeof(v.value) <> 'string') THEN
				RAISE WARNING 'parameters of %: %', url, p;
			END IF;
			PERFORM qbsync_connect(redirect_url => url);
			taken := taken + 1;
			IF p ->> 'state' <> its_state OR p ->> 'realmId' !~ '^[0-9]+$' OR p ? 'error' THEN
				RAISE WARNING 'taken: %', url;
			END IF;
			RAISE EXCEPTION USING ERRCODE = 'ZZZZZ';		-- and back again: the state is good for one
		EXCEPTION
			WHEN SQLSTATE 'ZZZZZ' THEN NULL;
			WHEN invalid_parameter_value OR invalid_authorization_specification OR object_not_in_prerequisite_state OR undefined_object OR no_data_found THEN
				refused := refused + 1;
				GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
				said := concat_ws(' ', said, detail, hint, context);
				IF said ILIKE '%SECRETcode%' OR strpos(said, its_state) > 0 THEN
					RAISE WARNING 'told of %: %', url, said;
				END IF;
			WHEN OTHERS THEN
				RAISE WARNING '% of %: %', SQLSTATE, url, SQLERRM;
		END;
	END LOOP;
	RAISE NOTICE 'some were understood: %, refused: %, taken: %', understood > refused / 10, refused > 0, taken > 0;
END
$$;
ROLLBACK;
