-- Names and e-mail addresses as matching compares them, and persons told from organisations (X-8, CAP-23, CAP-24).
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
\pset null '~'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qbsync;
RESET client_min_messages;
BEGIN;
CREATE FUNCTION pg_temp.show(VARIADIC names text[]) RETURNS TABLE (name text, normalized text)
LANGUAGE sql AS $$ SELECT x, qbsync.normalize_name(x) FROM unnest(names) WITH ORDINALITY u(x, n) ORDER BY n $$;
-- all of these are the same name
CREATE FUNCTION pg_temp.same(VARIADIC names text[]) RETURNS TABLE (normalized text, names bigint)
LANGUAGE sql AS $$ SELECT qbsync.normalize_name(x), count(*) FROM unnest(names) x GROUP BY 1 ORDER BY 1 $$;

-- case, blanks, punctuation
SELECT * FROM pg_temp.same('Acme Inc', 'ACME INC', ' acme   inc ', 'Acme, Inc.', 'Acme/Inc', '"Acme" (Inc)', E'Acme\t\n\rInc', 'acme-inc', 'Acme – Inc…', U&'Acme\00A0Inc', U&'Acme\3000Inc', U&'«Acme»\2003Inc', 'Acme™ Inc®', U&'Ac\200Bme\00AD \FEFFInc');
SELECT * FROM pg_temp.show('O''Brien & Sons', 'O’Brien + Sons', 'AT&T', 'a_b', '3M', '007', 'A.B.C.', 'x@y.z', '$100', 'C#');
-- accents, however they are written; letters with a stroke; ligatures; width
SELECT * FROM pg_temp.same('Élodie Noël', U&'E\0301lodie Noe\0308l', 'ELODIE NOEL', 'élodie noël', U&'\FF25\FF4C\FF4F\FF44\FF49\FF45 Noel');
SELECT * FROM pg_temp.same('Straße', 'STRASSE', 'STRAẞE', 'strasse');
SELECT * FROM pg_temp.same('İstanbul', 'ISTANBUL', 'istanbul', 'ıstanbul');
SELECT * FROM pg_temp.same(U&'\FB01ne \FB02ow', 'Fine Flow', U&'\FF26ine \FB02ow');
SELECT * FROM pg_temp.same(U&'A\0323\0302B', U&'A\0302\0323B', U&'\1EACB', 'ab');
SELECT * FROM pg_temp.show('Łódź', 'Ørsted', 'Æsir Œuvre', 'Đorđe', 'Þór', 'Ħal', 'Nguyễn Thị Ánh', 'Čapek', 'Ñandú', 'Ĳssel', 'Coŀlecció', 'Ⅻ № ½ x² ℡');
-- other scripts: case and diacritics go, what makes a word another word stays
SELECT * FROM pg_temp.same('ΣΊΣΥΦΟΣ', 'Σίσυφος', 'σισυφοσ');
SELECT * FROM pg_temp.same('Королёв', 'КОРОЛЕВ');
SELECT * FROM pg_temp.show('Андрей', 'Ґудзь', 'Հայ ՀԱՅ', 'ᲗᲑᲘᲚᲘᲡᲘ თბილისი', 'أَحْمَد', 'احمد', 'שָׁלוֹם', 'שלום', 'हिन्दी', 'हन्द', 'กุ้ง', 'กั้ง', '株式会社 東京', '王小明', '王大明', 'ガス', 'カス', U&'\FF76\FF9E\FF7D', '김민수', '김민서', '🙂 Smile', '𝔘𝔫𝔦', '𐐀𐐨');
SELECT * FROM pg_temp.same(U&'\0E01\0E38\0E48', U&'\0E01\0E48\0E38', U&'\0E01\0E48\0301\0E38', U&'\0E01\FE0F\0E48\0E38');
SELECT qbsync.normalize_name(U&'\AC00') <> qbsync.normalize_name(U&'\AC01') AS hangul, qbsync.normalize_name('ガス') = qbsync.normalize_name(U&'\FF76\FF9E\FF7D') AS kana;
-- what QuickBooks puts behind inactive names
SELECT * FROM pg_temp.show('Old Client (deleted)', 'Old Client (Deleted) ', 'Old Client(deleted)', 'Old Client  (deleted) (deleted)', '(deleted)', ' (deleted)', 'Old (deleted) Client', 'deleted', 'Old Client, (deleted)');
SELECT * FROM pg_temp.show('Old Client (deleted 2)', 'Old Client (deleted 12) (deleted)', 'Old Client (deleted 2x)', 'Old Client (deleted2)', 'Old Client (2)', 'Old Client (deleted 2', '(deleted 2)', 'Old Client 2)');
SELECT n, qbsync.own_name(n, false) AS inactive, qbsync.own_name(n, true) AS active, qbsync.own_name(n, NULL) AS unknown FROM unnest('{Old Client,Old Client (deleted),Old Client (deleted 2),Old (deleted) Client,Old (deleted 2) (deleted),Old (deleted x)}'::text[]) n;
-- nothing left is no name
SELECT * FROM pg_temp.show('', '   ', '***', '-', '…', '🙂', U&'\0301', U&'\FFFD', NULL);
SELECT qbsync.normalize_name(U&'\200B') IS NULL AS no_width;
-- long, and hostile: more marks in a row than the server puts in order at once
SELECT length(qbsync.normalize_name(repeat('Ab-', 1000000))) AS ascii, length(qbsync.normalize_name(repeat('É', 1000000))) AS latin, length(qbsync.normalize_name(repeat('王', 300000))) AS han,
	length(qbsync.normalize_name('e' || repeat(U&'\0301\0327', 500000))) AS accents, length(qbsync.normalize_name(repeat(U&'\0E48\0E38', 50000))) AS thai,
	length(qbsync.normalize_name(repeat(U&'\FDFA', 10000))) AS expanding, qbsync.normalize_name(repeat(' ', 1000000) || 'x' || repeat(' (deleted)', 1000)) AS deleted;
-- every code point: the result is normalised itself, and is the same for upper and lower case of Latin, Greek and Cyrillic
SELECT count(*) FILTER (WHERE qbsync.normalize_name(n) <> n) AS not_stable, count(*) FILTER (WHERE n ~ '^ | $|  |[A-Z]') AS not_clean, count(n) > 100000 AS many
FROM (SELECT qbsync.normalize_name(chr(i)) AS n FROM generate_series(1, 205743) i WHERE i NOT BETWEEN 55296 AND 57343) x;
SELECT string_agg(chr(i), '' ORDER BY i) AS differ_in_case FROM generate_series(65, 1327) i, LATERAL (SELECT lower(chr(i) COLLATE "und-x-icu") AS lower, upper(chr(i) COLLATE "und-x-icu") AS upper) c
WHERE i <> 837 /* a mark whose capital is a letter */ AND i NOT IN (411, 612) /* capitals since Unicode 16, which newer ICUs know */ AND length(c.upper) = 1 AND length(c.lower) = 1 AND qbsync.normalize_name(c.lower) IS DISTINCT FROM qbsync.normalize_name(c.upper);
-- random texts: normalising again changes nothing, the form of accents does not matter
\if :{?seed} \else \set seed 1
\endif
SELECT x.t, x.n FROM (
	SELECT t, qbsync.normalize_name(t) AS n FROM (
		SELECT i, (SELECT string_agg(CASE h % 7 WHEN 0 THEN chr(32 + h / 7 % 95) WHEN 1 THEN chr(161 + h / 7 % 1000) WHEN 2 THEN chr(768 + h / 7 % 100) WHEN 3 THEN chr(2304 + h / 7 % 5000) WHEN 4 THEN chr(7680 + h / 7 % 9000) WHEN 5 THEN chr(65 + h / 7 % 26) ELSE chr(43000 + h / 7 % 11000) END, '')
			FROM generate_series(1, 1 + i % 20) k CROSS JOIN LATERAL (SELECT ('x' || substr(md5(:'seed' || ':' || i || ':' || k), 1, 7))::bit(28)::int AS h) h) AS t
		FROM generate_series(1, 3000) i) r) x
WHERE qbsync.normalize_name(x.n) <> x.n OR qbsync.normalize_name(normalize(x.t, NFD)) IS DISTINCT FROM x.n OR qbsync.normalize_name(normalize(x.t, NFC)) IS DISTINCT FROM x.n
	OR translate(x.t, '™℠', '') = x.t AND qbsync.normalize_name(normalize(x.t, NFKD)) IS DISTINCT FROM x.n LIMIT 5;

-- e-mail
SELECT x, qbsync.normalize_email(x) FROM unnest(ARRAY['a@b.example', ' Bob.Smith@Example.COM ', E'\tbob@example.com.\n', 'BOB+tag@example.com', 'none', 'n/a', '', ' ', '@', 'a@', '@b.example', 'a@@b.example', 'a@b@c', 'a b@c.example',
	'a@b.example, c@d.example', 'a@b.example;c@d.example', 'Bob <bob@example.com>', 'mailto:a@b.example', 'a@.example', 'É@x.example', 'a@münchen.example', '"a b"@c.example', NULL]) WITH ORDINALITY u(x, n) ORDER BY n;
SELECT length(qbsync.normalize_email(repeat('A', 1000000) || '@b.example')), qbsync.normalize_email(repeat('@', 1000000));

-- persons and organisations; the columns: by Karbon's rule, by Capsule's (CAP-23, CAP-24), by both (X-8), by no rule
SELECT x.display_name, x.company_name, x.given_name, x.family_name, qbsync.contact_kind('company_equals_display_name', x.display_name, x.company_name, x.given_name, x.family_name) AS equals,
	qbsync.contact_kind('company_in_display_name', x.display_name, x.company_name, x.given_name, x.family_name) AS appears,
	qbsync.contact_kind('both', x.display_name, x.company_name, x.given_name, x.family_name) AS both,
	qbsync.contact_kind(NULL, x.display_name, x.company_name, x.given_name, x.family_name) AS "default"
FROM (VALUES (1, 'Acme', 'Acme', NULL, NULL), (2, 'Acme', 'ACME.', 'Bob', 'Smith'), (3, 'Acme (Bob Smith)', 'Acme', 'Bob', 'Smith'), (4, 'Bob Smith', 'Acme', 'Bob', 'Smith'), (5, 'Bob Smith', NULL, 'Bob', 'Smith'),
	(6, 'Smith, B.', 'Acme', NULL, 'Smith'), (7, 'Smith, B.', '', 'Bob', ''), (8, 'Acme', NULL, NULL, NULL), (9, 'Acme', '', '', ''), (10, 'Acme', 'Other Ltd', NULL, NULL), (11, 'Hannah Annex', 'Ann', 'Hannah', NULL),
	(12, 'Smith Plumbing', 'Smith Plumbing', NULL, 'Smith'), (13, 'Smith Plumbing - North', 'Smith Plumbing', NULL, 'Smith'), (14, NULL, 'Acme', 'Bob', NULL), (15, NULL, 'Acme', NULL, NULL), (16, NULL, NULL, NULL, NULL),
	(17, '***', '***', 'Bob', NULL), (18, '北京华为公司', '华为', '王', NULL), (19, 'École St-Jean (deleted)', 'Ecole St Jean', 'X', NULL), (20, 'Bob''s Bikes', 'Bob', 'Bob', NULL)) x(n, display_name, company_name, given_name, family_name) ORDER BY x.n;
SELECT qbsync.contact_kind('company', 'a', 'b', 'c', 'd');
SELECT qbsync.contact_kind('', 'a', 'b', 'c', 'd');
SELECT qbsync.contact_kind('both', repeat('a', 100000), repeat('a', 50000), 'c', 'd');
ROLLBACK;
