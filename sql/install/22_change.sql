/*
 * What changed from a version to the next one, column by column, line by line, and in words.
 *
 * These functions run as the one who asks, who can read what he may read of the mirror.
 */

/*
 * Columns and lines of a version by name, whatever its entity.  Made from the catalogue; upgrade scripts call this again.
 * Like all that is called for each change they are in PL/pgSQL, which keeps its plans: a function in SQL that is called from
 * another one is planned anew each time.
 */
CREATE FUNCTION qbsync.create_change_functions()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	EXECUTE (SELECT format('CREATE OR REPLACE FUNCTION qbsync.version_columns(version qbsync.record_version) RETURNS jsonb LANGUAGE plpgsql STABLE '
			'SET search_path = pg_catalog, pg_temp AS $body$ BEGIN RETURN (CASE version.entity %s END) '
			'- ''{connection_id,id,sync_token,create_time,last_updated_time,deleted_at,seen_at,fingerprint,altered,raw}''::text[]; END $body$',
			string_agg(format('WHEN %1$L THEN to_jsonb(qbsync.version_row(NULL::qbsync.%1$I, version))', e.entity), ' ' ORDER BY e.load_order))
		FROM qbsync.catalogue e);
	EXECUTE (SELECT format('CREATE OR REPLACE FUNCTION qbsync.version_line_columns(version qbsync.record_version) '
			'RETURNS TABLE ("table" text, "position" integer, line jsonb) LANGUAGE plpgsql STABLE ROWS 10 '
			'SET search_path = pg_catalog, pg_temp AS $body$ BEGIN %s END $body$',
			string_agg(format('IF version.entity = %3$L THEN RETURN QUERY SELECT %1$L::text, l.position, to_jsonb(l) - ARRAY[''connection_id'', %2$L, ''position''] '
				'FROM qbsync.version_lines(NULL::qbsync.%1$I, version.connection_id, version.id, version.raw) l; END IF;',
				k."table", k.entity || '_id', k.entity), ' ' ORDER BY k.entity, k.ordinal))
		FROM qbsync.catalogue_line k);
END
$fn$;
COMMENT ON FUNCTION qbsync.create_change_functions() IS 'Internal: makes qbsync.version_columns and version_line_columns; install and upgrade scripts call it';
REVOKE ALL ON FUNCTION qbsync.create_change_functions() FROM PUBLIC;
SELECT qbsync.create_change_functions();
COMMENT ON FUNCTION qbsync.version_columns(qbsync.record_version) IS 'The catalogue''s columns of a version, by name';
COMMENT ON FUNCTION qbsync.version_line_columns(qbsync.record_version) IS 'The catalogue''s columns of each line of a version, by name';

CREATE FUNCTION qbsync.next_version(version qbsync.record_version)
RETURNS qbsync.record_version
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	n qbsync.record_version;
BEGIN
	SELECT s.* INTO n FROM qbsync.record_version s
	WHERE s.connection_id = version.connection_id AND s.entity = version.entity AND s.id = version.id
	  AND (s.valid_to, s.valid_from) > (version.valid_to, version.valid_from)
	ORDER BY s.valid_to, s.valid_from LIMIT 1;
	IF NOT FOUND THEN
		EXECUTE format('SELECT m.connection_id, %1$L, m.id, m.seen_at, ''infinity''::timestamptz, m.sync_token, m.create_time, m.last_updated_time, '
				'm.deleted_at, m.fingerprint, m.altered, m.raw FROM qbsync.%1$I m WHERE m.connection_id = $1 AND m.id = $2', version.entity)
			INTO n USING version.connection_id, version.id;
	END IF;
	RETURN n;
END
$fn$;
COMMENT ON FUNCTION qbsync.next_version(qbsync.record_version) IS 'The version that replaced one; the row of the mirror (valid_to: infinity) if that is it';

/* Lines are told apart by QuickBooks' id of the line, applications by the transaction they apply to, others by their place. */
CREATE FUNCTION qbsync.version_changes(before qbsync.record_version, after qbsync.record_version)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (WITH old_line AS MATERIALIZED (
		SELECT l."table", l.position, l.line, coalesce(l.line ->> 'line_id', l.line ->> 'txn_id', 'at ' || l.position) AS key FROM qbsync.version_line_columns(before) l
	), new_line AS MATERIALIZED (
		SELECT l."table", l.position, l.line, coalesce(l.line ->> 'line_id', l.line ->> 'txn_id', 'at ' || l.position) AS key FROM qbsync.version_line_columns(after) l
	)
	SELECT coalesce(jsonb_agg(c.change ORDER BY c."table" NULLS FIRST, c.line, c.place), '[]')
	FROM (
		SELECT NULL::text AS "table", NULL::integer AS line, a.attnum::integer AS place,
			jsonb_build_object('column', b.key, 'from', b.value, 'to', n.value) AS change
		FROM jsonb_each(qbsync.version_columns(before)) b
		JOIN jsonb_each(qbsync.version_columns(after)) n ON n.key = b.key AND n.value IS DISTINCT FROM b.value
		JOIN pg_attribute a ON a.attrelid = to_regclass(format('qbsync.%I', before.entity)) AND a.attname = b.key
		UNION ALL
		SELECT o."table", coalesce(n.position, o.position), a.attnum::integer,
			jsonb_build_object('table', o."table", 'line', coalesce(n.position, o.position), 'column', c.key, 'from', c.value, 'to', n.line -> c.key)
		FROM old_line o
		JOIN new_line n ON n."table" = o."table" AND n.key = o.key
		CROSS JOIN LATERAL jsonb_each(o.line) c
		JOIN pg_attribute a ON a.attrelid = to_regclass(format('qbsync.%I', o."table")) AND a.attname = c.key
		WHERE n.line -> c.key IS DISTINCT FROM c.value AND c.key <> 'line_num'
		UNION ALL
		SELECT coalesce(o."table", n."table"), coalesce(n.position, o.position), 0,
			jsonb_build_object('table', coalesce(o."table", n."table"), 'line', coalesce(n.position, o.position),
				CASE WHEN o.key IS NULL THEN 'added' ELSE 'removed' END, jsonb_strip_nulls(coalesce(n.line, o.line)))
		FROM old_line o
		FULL JOIN new_line n ON n."table" = o."table" AND n.key = o.key
		WHERE o.key IS NULL OR n.key IS NULL
	) c);
END
$fn$;
COMMENT ON FUNCTION qbsync.version_changes(qbsync.record_version, qbsync.record_version) IS 'What differs between two versions of a record: a list of {column, from, to}, for lines with table and line (their place), or {table, line, added} and {table, line, removed}';

CREATE FUNCTION qbsync.record_name(connection_id integer, entity text, id text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	relation regclass := to_regclass(format('qbsync.%I', record_name.entity));
	name_column name;
	name text;
BEGIN
	IF relation IS NULL OR NOT has_table_privilege(relation, 'SELECT') THEN
		RETURN NULL;
	END IF;
	SELECT a.attname INTO name_column
	FROM unnest('{display_name,name,doc_number,payment_ref_num}'::name[]) WITH ORDINALITY AS k(name, place)
	JOIN pg_attribute a ON a.attrelid = relation AND a.attname = k.name
	WHERE EXISTS (SELECT FROM pg_attribute i WHERE i.attrelid = relation AND i.attname = 'fingerprint')		-- a table of the mirror
	ORDER BY k.place LIMIT 1;
	IF FOUND THEN
		EXECUTE format('SELECT m.%I FROM %s m WHERE m.connection_id = $1 AND m.id = $2', name_column, relation)
			INTO name USING record_name.connection_id, record_name.id;
	END IF;
	RETURN name;
END
$fn$;
COMMENT ON FUNCTION qbsync.record_name(integer, text, text) IS 'What a record is called now: display name, name, document number or payment reference; null when it has none, or the caller may not read its mirror table';

/* Labels of kind change in a language, English where it has none. */
CREATE FUNCTION qbsync.change_words(language text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (SELECT jsonb_object_agg(l.value, l.label ORDER BY l.language = change_words.language) FROM qbsync.label l
			WHERE l.kind = 'change' AND l.language IN ('en', change_words.language));
END
$fn$;
COMMENT ON FUNCTION qbsync.change_words(text) IS 'Words of changes in a language, by what they stand for: rows of qbsync.label of kind change';

/* A reference is a column …_id; what it refers to follows from its name. */
CREATE FUNCTION qbsync.change_value(connection_id integer, entity text, column_name text, value jsonb, words jsonb)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	kind text := coalesce(jsonb_typeof(change_value.value), 'null');
	plain text := change_value.value #>> '{}';
	refers_to text;
BEGIN
	IF kind = 'null' THEN
		RETURN words ->> 'empty';
	ELSIF kind = 'boolean' THEN
		RETURN words ->> plain;
	ELSIF kind = 'array' AND jsonb_typeof(change_value.value -> 0) = 'string' THEN
		plain := (SELECT string_agg(e, ', ' ORDER BY n) FROM jsonb_array_elements_text(change_value.value) WITH ORDINALITY AS k(e, n));
	ELSIF kind = 'string' AND change_value.column_name ~ '_id$' THEN
		refers_to := regexp_replace(change_value.column_name, '_id$', '');
		refers_to := CASE WHEN refers_to = 'parent' THEN change_value.entity WHEN refers_to ~ 'account$' THEN 'account' WHEN refers_to ~ 'tax_code$' THEN 'tax_code'
			ELSE refers_to END;
		RETURN coalesce(qbsync.record_name(change_value.connection_id, refers_to, plain) || format(' (%s)', plain), plain);
	END IF;
	RETURN CASE WHEN length(plain) > 80 THEN left(plain, 79) || '…' ELSE plain END;
END
$fn$;
COMMENT ON FUNCTION qbsync.change_value(integer, text, text, jsonb, jsonb) IS 'Value of a column in words: references with the name of what they refer to, long texts clipped; words as change_words gives them';

/* Up to ten changes are said one by one. */
CREATE FUNCTION qbsync.change_text(connection_id integer, entity text, kind text, changes jsonb, language text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	words jsonb := qbsync.change_words(change_text.language);
	said text := '';
	n integer := jsonb_array_length(change_text.changes);
	c jsonb;
	line jsonb;
	part text;
BEGIN
	FOR i IN 0 .. least(n, 10) - 1 LOOP
		c := change_text.changes -> i;
		IF c ? 'column' THEN
			part := regexp_replace(c ->> 'column', '_id$', '');
			part := format(words ->> 'value',
				coalesce((SELECT l.label FROM qbsync.label l WHERE l.kind = 'column' AND l.value = part AND l.language IN ('en', change_text.language)
						  ORDER BY l.language = change_text.language DESC LIMIT 1), replace(part, '_', ' ')),
				qbsync.change_value(change_text.connection_id, change_text.entity, c ->> 'column', c -> 'from', words),
				qbsync.change_value(change_text.connection_id, change_text.entity, c ->> 'column', c -> 'to', words));
		ELSE
			part := words ->> CASE WHEN c ? 'added' THEN 'added' ELSE 'removed' END;
			line := coalesce(c -> 'added', c -> 'removed');
			IF line ?| '{description,amount}' THEN
				part := format(words ->> 'what', part, concat_ws(', ', left(line ->> 'description', 80), line ->> 'amount'));
			END IF;
		END IF;
		said := said || CASE WHEN i > 0 THEN '; ' ELSE '' END || concat_ws(', ', CASE WHEN c ? 'line' THEN format(words ->> 'line', c ->> 'line') END, part);
	END LOOP;
	said := upper(left(said, 1)) || substr(said, 2) || CASE WHEN n > 10 THEN '; ' || format(words ->> 'more', n - 10) ELSE '' END
		|| CASE WHEN n > 10 OR n > 0 AND said !~ '[.…]$' THEN '.' ELSE '' END;
	RETURN concat_ws(' ', CASE WHEN change_text.kind IN ('deleted', 'restored') THEN words ->> change_text.kind WHEN n = 0 THEN words ->> 'other' END, nullif(said, ''));
END
$fn$;
COMMENT ON FUNCTION qbsync.change_text(integer, text, text, jsonb, text) IS 'A change in words: kind deleted, restored or changed; changes as version_changes gives them; language as in qbsync.label';

/*
 * Does a change touch what is in the books?  What follows from other documents (a payment lowers a balance), how a document is
 * delivered, and its words do not.
 */
CREATE FUNCTION qbsync.is_booked(change jsonb)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN NOT is_booked.change ? 'column' OR NOT (is_booked.change ->> 'column' ~ '^(bill|ship|ship_from)_' OR is_booked.change ->> 'column' ~ '^allow_online_'
		OR is_booked.change ->> 'column' = ANY ('{balance,home_balance,unapplied_amt,linked_txn,email_status,print_status,delivery_type,delivery_time,e_invoice_status,
			invoice_link,customer_memo,private_note,description,due_date,term_id,tracking_num,service_date,expiration_date,accepted_by,accepted_date,txn_status,
			custom_fields,free_form_address,open_balance,reference_number,line_num}'));
END
$fn$;
COMMENT ON FUNCTION qbsync.is_booked(jsonb) IS 'Does a change (an element of what version_changes gives) touch what is in the books? Not: balances that follow from other documents, delivery, addresses, memos';

/* QuickBooks tells who changed a record last for few entities. */
CREATE FUNCTION qbsync.change_detail(
	version qbsync.record_version,
	OUT kind text, OUT changed_at timestamptz, OUT sync_token text, OUT changed_by text, OUT changes jsonb,
	OUT txn_date date, OUT total_before numeric, OUT total_after numeric, OUT booked boolean)
RETURNS record
LANGUAGE plpgsql STABLE COST 1000
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	n qbsync.record_version := qbsync.next_version(version);
	before jsonb := qbsync.version_columns(version);
	after jsonb := qbsync.version_columns(n);
BEGIN
	kind := CASE WHEN n.deleted_at IS NOT NULL AND version.deleted_at IS NULL THEN 'deleted'
		WHEN n.deleted_at IS NULL AND version.deleted_at IS NOT NULL THEN 'restored' ELSE 'changed' END;
	changed_at := CASE WHEN kind = 'deleted' THEN n.deleted_at ELSE n.last_updated_time END;
	sync_token := n.sync_token;
	changed_by := CASE WHEN kind <> 'deleted' THEN n.raw #>> '{MetaData,LastModifiedByRef,value}' END;
	changes := qbsync.version_changes(version, n);
	txn_date := least((before ->> 'txn_date')::date, (after ->> 'txn_date')::date);
	total_before := CASE WHEN version.deleted_at IS NULL THEN before ->> 'total_amt' ELSE '0' END;
	total_after := CASE WHEN n.deleted_at IS NULL THEN after ->> 'total_amt' ELSE '0' END;
	booked := kind <> 'changed' OR EXISTS (SELECT FROM jsonb_array_elements(changes) c WHERE qbsync.is_booked(c));
END
$fn$;
COMMENT ON FUNCTION qbsync.change_detail(qbsync.record_version) IS 'What became of a version: kind (changed, deleted, restored), when and by whom in QuickBooks, what differs, date and totals of a document, whether the books are touched';

/*
 * By QuickBooks' own times: preferences are read once a day, so a change can be here before the books that were closed ahead of it
 * are.  It is told rightly as soon as they are.
 */
CREATE FUNCTION qbsync.book_close_date(connection_id integer, at timestamptz)
RETURNS date
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (SELECT k.book_close_date
	FROM (
		SELECT coalesce(v.last_updated_time, v.valid_from) AS since, r.book_close_date
		FROM qbsync.record_version v CROSS JOIN LATERAL qbsync.version_row(NULL::qbsync.preferences, v) r
		WHERE v.connection_id = book_close_date.connection_id AND v.entity = 'preferences'
		UNION ALL
		SELECT coalesce(p.last_updated_time, p.seen_at), p.book_close_date FROM qbsync.preferences p WHERE p.connection_id = book_close_date.connection_id
	) k
	WHERE k.since <= book_close_date.at
	ORDER BY k.since DESC LIMIT 1);
END
$fn$;
COMMENT ON FUNCTION qbsync.book_close_date(integer, timestamptz) IS 'Day until which a company''s books were closed at a time of QuickBooks'', as far as its preferences, read once a day, tell; null: they were open';
