/*
 * The statements of a mapping, continued: reading and writing the view, matching, deciding; all together in
 * qbsync.mapping_statements().
 */

CREATE FUNCTION qbsync.read_statement(mapping_id integer)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	lines text := '';
	value text;
	crm_time text := 'NULL::pg_catalog.timestamptz';
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = read_statement.mapping_id;
	value := qbsync.crm_row_expression(m.mapping_id, 'v');
	IF 'last_updated_time' = ANY (m.columns) THEN
		crm_time := 'v.last_updated_time::pg_catalog.timestamptz';
	END IF;
	IF m.line_view IS NOT NULL THEN
		lines := format(' LEFT JOIN (SELECT l.%1$I::pg_catalog.text AS crm_key, pg_catalog.jsonb_agg(pg_catalog.jsonb_strip_nulls(%2$s)%3$s) AS lines'
						' FROM %4$s l WHERE $1 IS NULL OR l.%1$I::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1) GROUP BY 1) g'
						' ON g.crm_key OPERATOR(pg_catalog.=) %5$s',
						m.entity || '_key', qbsync.crm_row_expression(m.mapping_id, 'l', true),
						CASE WHEN 'position' = ANY (m.line_columns) THEN ' ORDER BY l.position' ELSE '' END,
						qbsync.qualified(m.line_view), qbsync.crm_key_expression(m.mapping_id, 'v'));
		value := value || ' OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(''lines'', g.lines)';
	END IF;
	RETURN format('SELECT %1$s AS crm_key, %2$s AS ours, %3$s AS crm_time FROM %4$s v%5$s WHERE $1::pg_catalog.text[] IS NULL'
				  ' UNION ALL SELECT %1$s, %2$s, %3$s FROM %4$s v%5$s WHERE $1::pg_catalog.text[] IS NOT NULL AND %6$s',
				  qbsync.crm_key_expression(m.mapping_id, 'v'), value, crm_time, qbsync.qualified(m.view), lines,
				  qbsync.crm_keys_condition(m.mapping_id, 'v', '$1'));
END
$fn$;
COMMENT ON FUNCTION qbsync.read_statement(integer) IS 'Statement that reads rows of a mapped view, by an array of crm_keys or (null) all';

CREATE FUNCTION qbsync.write_columns(mapping_id integer)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(array_agg(c.name ORDER BY c.name), '{}')
	FROM qbsync.mapping_columns(write_columns.mapping_id) c
	JOIN qbsync.mapping m ON m.mapping_id = write_columns.mapping_id
	WHERE c.updatable AND c.name <> 'last_updated_time'
	  AND (c.role <> 'extra' OR m.defaults ? c.name);
$fn$;
COMMENT ON FUNCTION qbsync.write_columns(integer) IS 'Columns that rows created from QuickBooks are given';

CREATE FUNCTION qbsync.insert_statement(mapping_id integer)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format('INSERT INTO %s AS v (%s) SELECT %s FROM pg_catalog.unnest($1::pg_catalog.jsonb[]) WITH ORDINALITY AS n(value, position) ORDER BY n.position RETURNING %s AS crm_key, %s AS ours',
				  qbsync.qualified(m.view), string_agg(format('%I', c.name), ', ' ORDER BY c.name),
				  string_agg(qbsync.crm_write('n.value', c.name, c.type, c.is_array, c.view_type, c.not_null, c.default_expression), ', ' ORDER BY c.name),
				  qbsync.crm_key_expression(m.mapping_id, 'v'), qbsync.crm_row_expression(m.mapping_id, 'v'))
	FROM qbsync.mapping m
	CROSS JOIN LATERAL qbsync.mapping_columns(m.mapping_id) c
	WHERE m.mapping_id = insert_statement.mapping_id AND c.name = ANY (ARRAY(SELECT unnest(qbsync.write_columns(insert_statement.mapping_id))))	-- asked once, not for each column
	GROUP BY m.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.insert_statement(integer) IS 'Statement that inserts canonical rows into a mapped view, in order; null when no column can be written';

CREATE FUNCTION qbsync.mapping_update_statement(mapping_id integer, columns text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format('UPDATE %s AS v SET %s FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.jsonb[])) AS n(crm_key, value) WHERE %s RETURNING %s AS crm_key, %s AS ours',
				  qbsync.qualified(m.view),
				  string_agg(format('%I = %s', c.name, qbsync.crm_write('n.value', c.name, c.type, c.is_array, c.view_type, c.not_null, c.default_expression)), ', ' ORDER BY c.name),
				  qbsync.crm_key_condition(m.mapping_id, 'v', 'n.crm_key'),
				  qbsync.crm_key_expression(m.mapping_id, 'v'), qbsync.crm_row_expression(m.mapping_id, 'v'))
	FROM qbsync.mapping m
	CROSS JOIN LATERAL qbsync.mapping_columns(m.mapping_id) c
	WHERE m.mapping_id = mapping_update_statement.mapping_id AND c.name = ANY (mapping_update_statement.columns)
	GROUP BY m.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.mapping_update_statement(integer, text[]) IS 'Statement that writes some columns of rows of a mapped view: $1 crm_keys, $2 canonical rows; null when there is none of the columns';

CREATE FUNCTION qbsync.insert_lines_statement(mapping_id integer)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT format('INSERT INTO %1$s (%2$I%3$s, %4$s) SELECT n.crm_key::%5$s%6$s, %7$s FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.jsonb[])) AS n(crm_key, lines)'
				  ' CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(n.lines) WITH ORDINALITY AS e(value, position) ORDER BY n.crm_key, e.position',
				  qbsync.qualified(m.line_view), m.entity || '_key',
				  CASE WHEN 'position' = ANY (m.line_columns) THEN ', position' ELSE '' END,
				  string_agg(format('%I', c.name), ', ' ORDER BY c.name), format_type(a.atttypid, a.atttypmod),
				  CASE WHEN 'position' = ANY (m.line_columns) THEN ', e.position' ELSE '' END,
				  string_agg(qbsync.crm_write('e.value', c.name, c.type, c.is_array, c.view_type, c.not_null, c.default_expression), ', ' ORDER BY c.name))
	FROM qbsync.mapping m
	JOIN pg_attribute a ON a.attrelid = m.line_view AND a.attname = m.entity || '_key'
	CROSS JOIN LATERAL qbsync.mapping_columns(m.mapping_id, true) c
	WHERE m.mapping_id = insert_lines_statement.mapping_id AND c.updatable
	GROUP BY m.mapping_id, a.atttypid, a.atttypmod;
$fn$;
COMMENT ON FUNCTION qbsync.insert_lines_statement(integer) IS 'Statement that inserts the lines of documents: $1 crm_keys, $2 arrays of canonical lines; null without a line view';

/*
 * What matching compares.  A record has one name and any number of other marks; for documents these are the number, and
 * amount with date.  subject: an expression of a jsonb row (the CRM's) or null for columns of the mirror's row c.
 */
CREATE FUNCTION qbsync.match_name(entity text, subject text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN match_name.subject IS NULL THEN CASE match_name.entity
			WHEN 'customer' THEN 'c.display_name' WHEN 'invoice' THEN 'c.doc_number' WHEN 'estimate' THEN 'c.doc_number' WHEN 'payment' THEN 'c.payment_ref_num' ELSE 'c.name' END
		ELSE replace(CASE match_name.entity
			WHEN 'customer' THEN 'coalesce(ROW ->> ''display_name'', ROW ->> ''company_name'', nullif(concat_ws('' '', ROW ->> ''given_name'', ROW ->> ''family_name''), ''''))'
			WHEN 'invoice' THEN '(ROW ->> ''doc_number'')' WHEN 'estimate' THEN '(ROW ->> ''doc_number'')' WHEN 'payment' THEN '(ROW ->> ''payment_ref_num'')' ELSE '(ROW ->> ''name'')' END,
			'ROW', match_name.subject) END;
$fn$;
COMMENT ON FUNCTION qbsync.match_name(text, text) IS 'Expression of the name that matching compares, of a CRM row (subject: its jsonb) or of a mirror row c';

CREATE FUNCTION qbsync.match_marks(entity text, subject text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN match_marks.subject IS NULL THEN CASE match_marks.entity
			WHEN 'customer' THEN 'c.emails'
			WHEN 'item' THEN 'ARRAY[c.sku]'
			WHEN 'invoice' THEN 'ARRAY[trim_scale(c.total_amt)::text || ''/'' || c.txn_date::text]'
			WHEN 'estimate' THEN 'ARRAY[trim_scale(c.total_amt)::text || ''/'' || c.txn_date::text]'
			WHEN 'payment' THEN 'ARRAY[trim_scale(c.total_amt)::text || ''/'' || c.txn_date::text]'
			ELSE 'ARRAY[]::text[]' END
		ELSE replace(CASE match_marks.entity
			WHEN 'customer' THEN 'CASE jsonb_typeof(ROW -> ''emails'') WHEN ''array'' THEN ARRAY(SELECT jsonb_array_elements_text(ROW -> ''emails'')) ELSE ''{}'' END'
			WHEN 'item' THEN 'ARRAY[ROW ->> ''sku'']'
			WHEN 'invoice' THEN 'ARRAY[trim_scale((ROW ->> ''total_amt'')::numeric)::text || ''/'' || (ROW ->> ''txn_date'')]'
			WHEN 'estimate' THEN 'ARRAY[trim_scale((ROW ->> ''total_amt'')::numeric)::text || ''/'' || (ROW ->> ''txn_date'')]'
			WHEN 'payment' THEN 'ARRAY[trim_scale((ROW ->> ''total_amt'')::numeric)::text || ''/'' || (ROW ->> ''txn_date'')]'
			ELSE 'ARRAY[]::text[]' END, 'ROW', match_marks.subject) END;
$fn$;
COMMENT ON FUNCTION qbsync.match_marks(text, text) IS 'Expression of the other marks that matching compares (e-mails of a customer), as match_name';

/* Which of the two kinds a mirror row is, as a condition of a mapping that takes one kind only. */
CREATE FUNCTION qbsync.kind_condition(mapping_id integer)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE WHEN m.kind = 'any' OR m.entity <> 'customer' THEN 'true'
		ELSE format('qbsync.contact_kind(%L, c.display_name, c.company_name, c.given_name, c.family_name) = %L',
					coalesce(qbsync.effective_policies(m.mapping_id) ->> 'kind_rule', 'both'), m.kind) END
	FROM qbsync.mapping m WHERE m.mapping_id = kind_condition.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.kind_condition(integer) IS 'Condition that a mirror row c belongs to a mapping''s kind';

/*
 * Matching, the plain tiers: id, tax number where QuickBooks shows it whole, normalised name with another mark, one of them
 * alone.  A pair links by itself when its rule says so and neither side has another pair as good.
 */
CREATE FUNCTION qbsync.match_statement(mapping_id integer)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	customer boolean;
	outcome jsonb;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = match_statement.mapping_id;
	customer := m.entity = 'customer';
	outcome := qbsync.match_outcomes(m.mapping_id);
	RETURN format($sql$
		WITH crm AS MATERIALIZED (
			SELECT m.crm_key, m.ours, qbsync.normalize_name(%1$s) AS name, %2$s AS marks, m.ours ->> 'tax_identifier' AS tax, m.ours ->> 'quickbooks_id' AS quickbooks_id
			FROM (SELECT r.crm_key, qbsync.strip(r.ours) AS ours FROM crm_match r OFFSET 0) m	-- once a row, not once for each value
			WHERE NOT EXISTS (SELECT FROM qbsync.link l WHERE l.mapping_id = %3$s AND l.crm_key = m.crm_key)
		), record AS MATERIALIZED (
			SELECT c.id, qbsync.normalize_name(%4$s) AS name, %5$s AS marks, %6$s AS tax, d.kind IS NOT NULL AS held
			FROM qbsync.%7$I c
			LEFT JOIN LATERAL (SELECT k.id FROM qbsync.link k WHERE k.connection_id = c.connection_id AND k.entity = %8$L AND k.id = c.id AND k.family = %9$s LIMIT 1) l ON true
			LEFT JOIN LATERAL (SELECT k.kind FROM qbsync.standing_decision k WHERE k.mapping_id = %3$s AND k.id = c.id LIMIT 1) d ON true
			WHERE c.connection_id = %10$s AND ($1::text[] IS NULL OR c.id = ANY ($1)) AND l.id IS NULL AND c.deleted_at IS NULL AND %11$s AND %12$s
			  AND coalesce(d.kind, 'hold') = 'hold'
		), sign AS (
			SELECT q.id, k.crm_key, 'id' AS sign FROM record q JOIN crm k ON k.quickbooks_id = q.id
			UNION ALL SELECT q.id, k.crm_key, 'tax_id' FROM record q JOIN crm k ON k.tax = q.tax
			UNION ALL SELECT q.id, k.crm_key, 'name' FROM record q JOIN crm k ON k.name = q.name AND k.name <> ''
			UNION ALL SELECT q.id, k.crm_key, 'mark' FROM (SELECT x.id, qbsync.normalize_email(unnest(x.marks)) AS mark FROM record x) q
				JOIN (SELECT x.crm_key, qbsync.normalize_email(unnest(x.marks)) AS mark FROM crm x) k ON k.mark = q.mark AND k.mark <> ''
		), grouped AS (
			SELECT s.id, s.crm_key, array_agg(DISTINCT s.sign) AS signs FROM sign s GROUP BY s.id, s.crm_key
		), ruled AS (
			-- what is put off waits for a person, who will want to see who it could be
			SELECT g.id, g.crm_key, t.rule, g.tier, t.outcome, g.signs, q.held
			FROM (SELECT s.*, CASE WHEN 'id' = ANY (s.signs) THEN 1 WHEN 'tax_id' = ANY (s.signs) THEN 2 WHEN s.signs @> '{mark,name}' THEN 3
							  WHEN 'name' = ANY (s.signs) THEN 4 ELSE 5 END AS tier FROM grouped s) g
			JOIN (VALUES (1, 'id', %16$L), (2, 'tax_id', %17$L), (3, 'name_and_email', %18$L), (4, 'name_only', %13$L), (5, 'email_only', %19$L))
				AS t(tier, rule, outcome) ON t.tier = g.tier
			JOIN record q ON q.id = g.id
			WHERE t.outcome <> 'off'
			  AND NOT EXISTS (SELECT FROM qbsync.decision d WHERE d.mapping_id = %3$s AND d.id = g.id AND d.crm_key = g.crm_key
							  AND d.kind IN ('reject', 'unlink') AND d.undone_at IS NULL)
		), ranked AS (
			SELECT r.*, min(r.tier) OVER (PARTITION BY r.id) AS best, min(r.tier) OVER (PARTITION BY r.crm_key) AS crm_best,
				count(*) OVER (PARTITION BY r.id, r.tier) AS rivals, count(*) OVER (PARTITION BY r.crm_key, r.tier) AS crm_rivals
			FROM ruled r
		)
		SELECT r.id, r.crm_key, r.rule, CASE WHEN r.links THEN 'auto' ELSE 'review' END AS outcome, r.score,
			ARRAY(SELECT CASE s.s WHEN 'id' THEN 'same QuickBooks id' WHEN 'tax_id' THEN 'same tax number' WHEN 'name' THEN %14$L ELSE %15$L END
				  FROM unnest(r.signs) AS s(s) ORDER BY s.s)
				|| CASE WHEN r.outcome = 'auto' AND (r.rivals > 1 OR r.crm_rivals > 1 OR r.asked) THEN ARRAY['several match'] ELSE '{}' END AS reasons,
			k.ours AS crm_row
		FROM (SELECT l.*, bool_or(l.links) OVER (PARTITION BY l.crm_key) AS crm_links
			  FROM (SELECT a.*, a.outcome = 'auto' AND a.tier = a.best AND a.tier = a.crm_best AND a.rivals = 1 AND a.crm_rivals = 1 AND NOT a.asked AND NOT a.held AS links
					FROM (SELECT x.*, %20$s AS asked FROM (SELECT y.*, (ARRAY[1.0, 0.99, 0.95, 0.7, 0.6])[y.tier]::real AS score FROM ranked y) x) a) l) r
		JOIN crm k ON k.crm_key = r.crm_key
		-- a CRM record that is about to be linked is no question for others any more
		WHERE r.links OR NOT r.crm_links
		$sql$,
		qbsync.match_name(m.entity, 'm.ours'), qbsync.match_marks(m.entity, 'm.ours'), m.mapping_id,
		qbsync.match_name(m.entity, NULL), qbsync.match_marks(m.entity, NULL),
		-- QuickBooks shows the end of a tax number only, unless its company lets it show all
		CASE WHEN customer THEN 'CASE WHEN c.tax_identifier !~ ''[Xx*]'' THEN c.tax_identifier END' ELSE 'NULL::text' END,
		m.entity, m.entity, m.family, m.connection_id,
		CASE WHEN EXISTS (SELECT FROM qbsync.catalogue e WHERE e.entity = m.entity AND e.name_list) THEN 'c.active IS NOT FALSE' ELSE 'true' END,
		qbsync.kind_condition(m.mapping_id), outcome ->> 'name_only',
		CASE WHEN m.entity IN ('invoice', 'estimate', 'payment') THEN 'same number' ELSE 'same name' END,
		CASE m.entity WHEN 'customer' THEN 'same e-mail' WHEN 'item' THEN 'same article number' ELSE 'same amount and date' END,
		outcome ->> 'id', outcome ->> 'tax_id', outcome ->> 'name_and_email', outcome ->> 'email_only',
		-- rivals that are not looked at now are known by the question that a person was asked about them, or because they wait to be
		-- linked with this very row; an id or a tax number is surer than what waits
		format('($1::text[] IS NOT NULL AND (EXISTS (SELECT FROM qbsync.match_candidate q WHERE q.mapping_id = %1$s AND q.crm_key = x.crm_key'
			   ' AND q.id <> ALL ($1) AND q.score >= x.score)'
			   ' OR x.tier > 2 AND EXISTS (SELECT FROM qbsync.crm_error w WHERE w.mapping_id = %1$s AND w.crm_key = x.crm_key'
			   ' AND w.id <> ALL ($1) AND w.id <> '''' AND w.crm_key <> '''' AND w.watch_id = 0)))', m.mapping_id));
END
$fn$;
COMMENT ON FUNCTION qbsync.match_statement(integer) IS 'Statement that finds pairs of QuickBooks records ($1 ids, null: all) and CRM rows (tuplestore crm_match) that are or may be the same';

/* One of the pull_new policies as an expression over mirror row c; since without its day asks a person. */
CREATE FUNCTION qbsync.pull_verdict(policy jsonb, name text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE pull_verdict.policy ->> pull_verdict.name
		WHEN 'none' THEN '''ignore:records of QuickBooks alone are not taken over'''
		WHEN 'all' THEN '''create:matches nothing'''
		WHEN 'since' THEN CASE WHEN pull_verdict.policy ->> 'pull_new_since' <> ''
			THEN format('CASE WHEN c.create_time >= %L::timestamptz THEN ''create:matches nothing'' '
				'ELSE ''review:made in QuickBooks before the date from which records are taken over'' END', pull_verdict.policy ->> 'pull_new_since')
			ELSE '''review:the date from which records are taken over is not set''' END
		ELSE '''review:matches nothing; a person decides''' END;
$fn$;
COMMENT ON FUNCTION qbsync.pull_verdict(jsonb, text) IS 'What a pull_new policy does with a record that matches nothing: an expression that gives action and reason';

/*
 * What becomes of a record that is linked to nothing and matches nothing: create, review or ignore, with the reason.  What
 * the first sync met stays under its policy, however often it is looked at again; pull_new is for what was made since.
 */
CREATE FUNCTION qbsync.unmatched_action(mapping_id integer)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	e record;
	policy jsonb := qbsync.effective_policies(unmatched_action.mapping_id);
	branches text := '';
	being_made text := 'NULL';
	verdict text;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = unmatched_action.mapping_id;
	SELECT * INTO STRICT e FROM qbsync.catalogue k WHERE k.entity = m.entity;
	IF e.transaction AND policy ->> 'start_date' IS NOT NULL THEN
		branches := format(' WHEN %s < %L::date THEN ''ignore:before the start date''',
						   CASE policy ->> 'start_date_basis' WHEN 'created_at' THEN 'c.create_time::date' ELSE 'c.txn_date' END, policy ->> 'start_date');
	END IF;
	IF m.entity = 'customer' THEN
		-- seen before the answer to what made it: its link comes with that
		being_made := format(' WHEN qbsync.normalize_name(c.display_name) IN (SELECT qbsync.normalize_name(q.sent_values ->> ''display_name'') FROM qbsync.request q'
			' WHERE q.connection_id = %s AND q.entity = ''customer'' AND q.operation = ''create'' AND q.state IN (''sent'', ''check'')'
			' AND q.sent_values ->> ''display_name'' IS NOT NULL) THEN ''ignore:it is being made from the CRM''', m.connection_id)
		-- nor is its link there as long as that answer cannot be recorded
			|| format(' WHEN c.id IN (SELECT e.id FROM qbsync.send_error e JOIN qbsync.request q ON q.mapping_id = e.mapping_id AND q.crm_key = e.crm_key'
			' WHERE e.connection_id = %s AND e.entity = ''customer'' AND e.problem = ''settle_fails'' AND e.id IS NOT NULL AND q.operation = ''create'')'
			' THEN ''ignore:it is being made from the CRM''', m.connection_id)
		-- nor can it be told by its name when somebody has given it another since, or QuickBooks made one: it is looked at again when that is answered
			|| format(' WHEN c.sync_token <> ''0'' AND c.create_time >= (SELECT u.since FROM qbsync.creation_under_way(%1$s, ''customer'') u)'
			' OR c.create_time >= (SELECT u.since FROM qbsync.creation_under_way(%1$s, ''customer'', true) u) THEN ''ignore:it may be being made from the CRM''', m.connection_id)
		-- and where nobody could tell what became of a creation, a person is asked
			|| format(' WHEN coalesce(c.create_time >= (SELECT min(q.composed_at) - interval ''5 minutes'' FROM qbsync.request q WHERE q.connection_id = %1$s AND q.rests AND q.state = ''refused'' AND q.operation = ''create''), false)'
			' AND EXISTS (SELECT FROM qbsync.request q JOIN qbsync.send_error e ON e.mapping_id = q.mapping_id AND e.crm_key = q.crm_key'
			'  WHERE q.connection_id = %1$s AND q.rests AND q.state = ''refused'' AND q.operation = ''create'' AND q.entity = ''customer'''
			'  AND qbsync.only_a_person_knows(e.problem) AND qbsync.may_be_renamed(q, (SELECT to_jsonb(k) FROM qbsync.customer k WHERE k.connection_id = c.connection_id AND k.id = c.id), c.create_time))'
			' THEN ''review:it may have been made from the CRM; a person decides''', m.connection_id);
		-- asked once of all records: most often nothing at all is being made
		being_made := format('CASE WHEN EXISTS (SELECT FROM qbsync.request q WHERE q.connection_id = %s AND q.entity = ''customer'' AND q.operation = ''create'')'
			' THEN CASE%s END END', m.connection_id, being_made);
	END IF;
	IF qbsync.mapping_direction(m.mapping_id) = 'push' THEN
		branches := branches || ' WHEN true THEN ''ignore:nothing comes from QuickBooks here''';
	END IF;
	verdict := CASE
		WHEN e.transaction THEN qbsync.pull_verdict(policy, 'pull_new_documents')
		WHEN m.first_sync_done_at IS NULL THEN qbsync.pull_verdict(policy, 'pull_new_first')
		-- QuickBooks' times have whole seconds
		ELSE format('CASE WHEN c.create_time < %L::timestamptz THEN %s ELSE %s END', date_trunc('second', m.first_sync_done_at),
					qbsync.pull_verdict(policy, 'pull_new_first'), qbsync.pull_verdict(policy, 'pull_new')) END;
	IF branches <> '' THEN
		verdict := format('CASE%s ELSE %s END', branches, verdict);
	END IF;
	RETURN format('CASE WHEN d.kind = ''ignore'' THEN ''ignore:a person decided that it stays in QuickBooks alone'' WHEN d.kind = ''hold'' THEN ''review:a person put it off'''
				  ' WHEN d.kind = ''create'' THEN ''create:a person decided that it is new'' ELSE coalesce(%s, %s) END', being_made, verdict);
END
$fn$;
COMMENT ON FUNCTION qbsync.unmatched_action(integer) IS 'Expression over mirror row c and decision d: action and reason, with a colon between, for a record that matches nothing';

/* What is taken from QuickBooks, but never written. */
CREATE FUNCTION qbsync.closed_columns(rules jsonb)
RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(array_agg(c.c ORDER BY c.c), '{}')
	FROM jsonb_each(closed_columns.rules -> 'units') u CROSS JOIN LATERAL jsonb_array_elements_text(u.value -> 'columns') c(c)
	WHERE u.value -> 'in' = 'false';
$fn$;
COMMENT ON FUNCTION qbsync.closed_columns(jsonb) IS 'Columns that nothing comes into, by the rules of merging';

/*
 * A new row of the CRM takes all that may come in, also that there is nothing.  Where it then shows something, by a default or a
 * trigger, that is what was agreed on, and no edit of the CRM.
 */
CREATE FUNCTION qbsync.empty_row(rules jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(jsonb_object_agg(c.c, NULL), '{}')
	FROM jsonb_each(empty_row.rules -> 'units') u CROSS JOIN LATERAL jsonb_array_elements_text(u.value -> 'columns') c(c)
	WHERE u.value -> 'in' = 'true';
$fn$;
COMMENT ON FUNCTION qbsync.empty_row(jsonb) IS 'The columns that may come in, by the rules of merging, each null';

/* What the CRM's people will miss: they find it in qbsync.history, and the timeline says so. */
CREATE FUNCTION qbsync.overwritten(write jsonb, ours jsonb, base jsonb, crm_base jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT jsonb_build_object('overwritten', jsonb_agg(k.k ORDER BY k.k))
	FROM jsonb_object_keys(overwritten.write) k(k)
	WHERE overwritten.ours ? k.k AND overwritten.ours -> k.k IS DISTINCT FROM coalesce(overwritten.crm_base -> k.k, overwritten.base -> k.k)
	HAVING count(*) > 0;
$fn$;
COMMENT ON FUNCTION qbsync.overwritten(jsonb, jsonb, jsonb, jsonb) IS 'The columns to be written in which the CRM has a value of its own, that both never agreed on, as {"overwritten": […]}; null: none';

/*
 * One row per record: what the next sync does with it, and why.  This is all there is to know; the plan shows it, the
 * apply worker does it.
 */
CREATE FUNCTION qbsync.decide_statement(mapping_id integer)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	e record;
	policy jsonb := qbsync.effective_policies(decide_statement.mapping_id);
	them record;
	their_lines record;
	rules jsonb := qbsync.unit_rules(decide_statement.mapping_id);			-- that the view is whole was asked before (require_whole)
	closed text[];
	lines text := '';
	facts text := 'NULL::jsonb';
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = decide_statement.mapping_id;
	SELECT * INTO STRICT e FROM qbsync.catalogue k WHERE k.entity = m.entity;
	closed := qbsync.closed_columns(rules);
	them := qbsync.their_row(m.mapping_id, 'c', false);
	IF m.line_view IS NOT NULL THEN
		their_lines := qbsync.their_row(m.mapping_id, 'n', true);
		-- an application to an invoice that is not linked waits, or is left out, by policy (ORD-12)
		lines := format($sql$
			LEFT JOIN LATERAL (SELECT jsonb_agg(x.line ORDER BY x.position)%6$s AS lines, array_agg(DISTINCT w.w) FILTER (WHERE w.w IS NOT NULL) AS waits_for, array_agg(u.u) FILTER (WHERE u.u IS NOT NULL) AS unmapped
				FROM (SELECT n.position, %1$s AS line, %2$s AS waits_for, %3$s AS unmapped FROM qbsync.%4$I n WHERE n.connection_id = c.connection_id AND n.%5$I = c.id%7$s OFFSET 0) x
				LEFT JOIN LATERAL unnest(x.waits_for) w(w) ON true LEFT JOIN LATERAL unnest(x.unmapped) u(u) ON true) y ON true$sql$,
			their_lines.value, CASE WHEN m.entity = 'payment' AND policy ->> 'unlinked_payment' = 'ignore' THEN '''{}''::text[]' ELSE their_lines.waits_for END,
			their_lines.unmapped, e.line_table, m.entity || '_id',
			CASE WHEN m.entity = 'payment' AND policy ->> 'unlinked_payment' = 'ignore' THEN ' FILTER (WHERE x.line ? ''invoice_key'')' ELSE '' END,
			-- computed by QuickBooks; whoever adds up lines would count it twice
			CASE WHEN m.entity <> 'payment' THEN ' AND n.detail_type IS DISTINCT FROM ''SubTotalLineDetail''' ELSE '' END);
	END IF;
	IF m.entity = 'invoice' AND EXISTS (SELECT FROM qbsync.event_rule r WHERE r.mapping_id = m.mapping_id) THEN
		facts := '(SELECT f.facts FROM qbsync.invoice_facts f WHERE f.connection_id = c.connection_id AND f.id = c.id)';
	END IF;

	RETURN format($sql$
		-- the pairs of a sweep were found a while ago: what people have decided since counts
		WITH pair AS (
			SELECT x.id, x.crm_key, x.rule, x.score, x.reasons, x.crm_row,
				CASE WHEN EXISTS (SELECT FROM qbsync.standing_decision s WHERE s.mapping_id = %12$s AND s.id = x.id AND s.kind = 'hold') THEN 'review'
					ELSE x.outcome END AS outcome
			FROM match_pair x
			WHERE NOT EXISTS (SELECT FROM qbsync.decision j WHERE j.mapping_id = %12$s AND j.id = x.id AND j.crm_key = x.crm_key
							  AND j.kind IN ('reject', 'unlink') AND j.undone_at IS NULL)
		), record AS (
			SELECT c.id, c.sync_token, c.last_updated_time, c.deleted_at, %1$s AS active, %2$s AS name, %3$s AS theirs,
				%4$s AS waits_for, %5$s AS unmapped, %6$s AS facts, %7$s AS right_kind, %8$s AS unmatched,
				l.mapping_id AS linked_by, l.state AS link_state, l.crm_key AS linked_key, l.base, l.crm_base, l.unagreed, l.facts AS old_facts, l.events AS old_events,
				a.crm_key AS auto_key, a.rule AS auto_rule, a.reasons AS auto_reasons, p.candidates
			FROM qbsync.%9$I c
			LEFT JOIN LATERAL (SELECT k.* FROM qbsync.link k WHERE k.connection_id = c.connection_id AND k.entity = %10$L AND k.id = c.id AND k.family = %11$s LIMIT 1) l ON true
			-- counts while it is not linked
			LEFT JOIN LATERAL (SELECT k.kind FROM qbsync.standing_decision k WHERE k.mapping_id = %12$s AND k.id = c.id AND l.id IS NULL LIMIT 1) d ON true
			LEFT JOIN (SELECT * FROM pair x WHERE x.outcome = 'auto') a ON a.id = c.id AND l.id IS NULL AND d.kind IS NULL
				AND NOT EXISTS (SELECT FROM qbsync.link t WHERE t.mapping_id = %12$s AND t.crm_key = a.crm_key)
			LEFT JOIN (SELECT x.id, jsonb_agg(jsonb_build_object('crm_key', x.crm_key, 'score', x.score, 'reasons', x.reasons, 'crm_row', x.crm_row)
											  ORDER BY x.score DESC, x.crm_key) AS candidates
					   FROM pair x WHERE x.outcome = 'review' AND NOT EXISTS (SELECT FROM qbsync.link t WHERE t.mapping_id = %12$s AND t.crm_key = x.crm_key)
					   GROUP BY x.id) p ON p.id = c.id AND l.id IS NULL%13$s
			WHERE c.connection_id = %14$s AND ($1::text[] IS NULL OR c.id = ANY ($1))
			OFFSET 0			-- once a row, not once for each word of the verdict; and the mirror's row itself goes no further
		), judged AS (
			SELECT r.*, coalesce(r.linked_key, r.auto_key) AS the_key, qbsync.strip(k.ours) AS ours, k.crm_time,
				CASE
					WHEN r.link_state = 'alias' THEN 'ignore:a second record of CRM record ' || r.linked_key
					WHEN r.linked_by <> %12$s THEN 'ignore:linked through another mapping'
					WHEN r.linked_by IS NOT NULL AND r.deleted_at IS NOT NULL AND %15$L = 'detach' THEN 'detach:deleted in QuickBooks'
					WHEN r.linked_by IS NOT NULL AND k.crm_key IS NULL THEN 'missing:the CRM record is gone or out of scope'
					WHEN r.linked_by IS NOT NULL AND r.deleted_at IS NOT NULL AND %15$L = 'delete_crm' THEN 'delete:deleted in QuickBooks'
					WHEN r.linked_by IS NOT NULL AND r.deleted_at IS NOT NULL THEN 'none:deleted in QuickBooks'
					WHEN r.deleted_at IS NOT NULL THEN 'ignore:deleted in QuickBooks'
					WHEN r.linked_by IS NOT NULL THEN 'update:'
					WHEN r.active IS FALSE AND r.unmatched NOT LIKE 'create:a person%%' THEN 'ignore:inactive in QuickBooks'
					WHEN NOT r.right_kind THEN 'ignore:of the other kind'
					WHEN r.unmatched LIKE 'ignore:%% being made from the CRM' THEN r.unmatched
					WHEN r.auto_key IS NOT NULL AND k.crm_key IS NOT NULL THEN 'link:' || array_to_string(r.auto_reasons, ', ')
					WHEN r.candidates IS NOT NULL AND r.unmatched NOT LIKE 'ignore:a person%%' AND r.unmatched NOT LIKE 'create:a person%%' THEN 'candidate:may be a record of the CRM'
					ELSE r.unmatched
				END AS verdict
			FROM record r
			LEFT JOIN crm_row k ON k.crm_key = coalesce(r.linked_key, r.auto_key)
		), weighed AS (
			SELECT v.*, CASE WHEN v.wanted IN ('update', 'link')
				THEN qbsync.merge(%16$L::jsonb, v.base, v.crm_base, v.unagreed, coalesce(v.ours, '{}'), v.theirs, v.crm_time, v.last_updated_time) END AS g
			FROM (SELECT j.*, split_part(j.verdict, ':', 1) AS wanted, substr(j.verdict, strpos(j.verdict, ':') + 1) AS why FROM judged j OFFSET 0) v
			OFFSET 0			-- once a row, not once for each of the columns that follow from it
		)
		SELECT w.id,
			CASE WHEN w.wanted IN ('update', 'link', 'create') AND cardinality(w.unmapped) > 0 THEN 'error'
				WHEN w.wanted IN ('update', 'link', 'create') AND cardinality(w.waits_for) > 0 THEN 'wait'
				WHEN w.wanted = 'update' AND (w.g).write IS NULL THEN 'none' ELSE w.wanted END AS action,
			w.the_key AS crm_key,
			CASE w.wanted WHEN 'create' THEN 'created_in_crm' WHEN 'link' THEN w.auto_rule END AS origin,
			CASE WHEN w.wanted = 'update' THEN CASE WHEN w.base IS NULL THEN 'compared for the first time' ELSE 'changed in QuickBooks' END ELSE w.why END AS reason,
			w.name, w.ours, w.theirs,
			CASE WHEN w.wanted = 'create' THEN %17$s ELSE (w.g).write END AS write,
			(w.g).send, (w.g).conflict, CASE WHEN w.wanted = 'create' THEN w.theirs ELSE (w.g).new_base END AS base,
			CASE WHEN w.wanted = 'create' THEN %18$s ELSE (w.g).new_crm_base END AS crm_base, (w.g).new_unagreed AS unagreed,
			CASE WHEN (w.g).write IS NOT NULL THEN qbsync.overwritten((w.g).write, w.ours, w.base, w.crm_base) END AS overwritten,
			w.facts,
			CASE WHEN w.linked_by = %12$s AND (w.old_events IS NOT NULL OR w.facts IS NOT NULL) THEN nullif(coalesce(qbsync.standing_events(w.old_events, w.facts), '{}') || coalesce(qbsync.new_events(w.old_facts, w.facts), '{}'), '{}') END AS events,
			CASE WHEN w.wanted = 'candidate' THEN w.candidates END AS candidates,
			nullif(w.waits_for, '{}') AS waits_for,
			CASE WHEN cardinality(w.unmapped) > 0 THEN 'value_not_mapped' WHEN cardinality(w.waits_for) > 0 THEN 'reference_waiting' END AS problem,
			CASE WHEN cardinality(w.unmapped) > 0 THEN format(%20$L, array_to_string(w.unmapped, ', '))
				WHEN cardinality(w.waits_for) > 0 THEN format(%21$L, array_to_string(w.waits_for, ', ')) || %19$L END AS detail,
			w.sync_token, w.last_updated_time AS theirs_at, w.crm_time AS ours_at,
			w.wanted = 'update' AND (w.g).write IS NULL AND w.link_state = 'linked' AND w.base = (w.g).new_base AND w.crm_base IS NOT DISTINCT FROM (w.g).new_crm_base
				AND w.unagreed IS NOT DISTINCT FROM (w.g).new_unagreed AND (w.facts IS NULL OR w.facts = w.old_facts) AND w.old_events IS NULL AS known
		FROM weighed w
		ORDER BY w.id
		$sql$,
		CASE WHEN e.name_list THEN 'c.active' ELSE 'NULL::boolean' END,
		qbsync.match_name(m.entity, NULL),
		them.value || CASE WHEN m.line_view IS NOT NULL THEN ' || CASE WHEN y.lines IS NULL THEN ''{}''::jsonb ELSE jsonb_build_object(''lines'', y.lines) END' ELSE '' END,
		them.waits_for || CASE WHEN m.line_view IS NOT NULL THEN ' || coalesce(y.waits_for, ''{}'')' ELSE '' END,
		them.unmapped || CASE WHEN m.line_view IS NOT NULL THEN ' || coalesce(y.unmapped, ''{}'')' ELSE '' END,
		facts, qbsync.kind_condition(m.mapping_id), qbsync.unmatched_action(m.mapping_id),
		m.entity, m.entity, m.family, m.mapping_id, lines, m.connection_id,
		coalesce(policy ->> 'on_qbo_delete', 'mark'), rules,
		-- a new row takes everything that may come in; what may not is agreed to be empty there
		CASE WHEN m.defaults = '{}' THEN '' ELSE format('%L::jsonb || ', m.defaults) END || CASE WHEN closed = '{}' THEN 'w.theirs' ELSE format('(w.theirs - %L::text[])', closed) END,
		CASE WHEN closed = '{}' THEN 'NULL::jsonb' ELSE format('(SELECT jsonb_object_agg(c.c, NULL) FROM unnest(%L::text[]) c(c) WHERE w.theirs ? c.c)', closed) END,
		coalesce(qbsync.lacking_kinds(m), ''), qbsync.mapping_sentence(m, 'not_mapped'), qbsync.mapping_sentence(m, 'waits_for'));
END
$fn$;
COMMENT ON FUNCTION qbsync.decide_statement(integer) IS 'Statement that decides about QuickBooks records ($1 ids, null: all) from the tuplestores crm_row and match_pair';

/* Of the second a plan can be kept that looks for the ids. */
CREATE FUNCTION qbsync.decide_statements(mapping_id integer, OUT decide text, OUT decide_some text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT d.d, replace(d.d, '($1::text[] IS NULL OR c.id = ANY ($1))', 'c.id = ANY ($1)') FROM qbsync.decide_statement(decide_statements.mapping_id) d(d);
$fn$;
COMMENT ON FUNCTION qbsync.decide_statements(integer) IS 'decide_statement(), and the same where $1 is not null';

/* RETURNING tells the truth unless triggers act beyond it: INSTEAD OF ones, and AFTER ROW ones that write the same row. */
CREATE FUNCTION qbsync.must_reread(mapping_id integer)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT m.line_view IS NOT NULL OR EXISTS (
		SELECT FROM pg_trigger t
		WHERE NOT t.tgisinternal AND t.tgname NOT LIKE 'qbsync\_%'
		  AND (t.tgrelid = m.view OR t.tgrelid IN (SELECT v.relation FROM qbsync.view_columns(m.view) v))
		  AND (t.tgtype & 64 <> 0 OR t.tgtype & (1 | 2) = 1))
	FROM qbsync.mapping m WHERE m.mapping_id = must_reread.mapping_id;
$fn$;
COMMENT ON FUNCTION qbsync.must_reread(integer) IS 'Must rows be read again after they were written through the view?';

CREATE FUNCTION qbsync.mapping_statements(mapping_id integer,
	OUT read_rows text, OUT read_match text, OUT read_keys text, OUT insert text, OUT delete text, OUT delete_lines text, OUT insert_lines text,
	OUT linked text, OUT match text, OUT sweep text, OUT reread boolean, OUT empty_row jsonb, OUT create_rows text, OUT insert_created text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	rules jsonb := qbsync.unit_rules(mapping_statements.mapping_id);
	match_columns text;
BEGIN
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = mapping_statements.mapping_id;
	SELECT string_agg(format('%L, %s', c.name, qbsync.crm_read('v', c.name, c.type, c.is_array)), ', ') INTO match_columns
	FROM qbsync.mapping_columns(m.mapping_id) c
	WHERE c.name IN ('display_name', 'company_name', 'given_name', 'family_name', 'emails', 'tax_identifier', 'quickbooks_id', 'name', 'sku',
					 'doc_number', 'payment_ref_num', 'total_amt', 'txn_date');
	mapping_statements.read_rows := qbsync.read_statement(m.mapping_id);
	mapping_statements.read_match := format('SELECT %1$s AS crm_key, pg_catalog.jsonb_build_object(%2$s) AS ours FROM %3$s v WHERE $1::pg_catalog.text[] IS NULL'
		' UNION ALL SELECT %1$s, pg_catalog.jsonb_build_object(%2$s) FROM %3$s v WHERE $1::pg_catalog.text[] IS NOT NULL AND %4$s',
		qbsync.crm_key_expression(m.mapping_id, 'v'), match_columns, qbsync.qualified(m.view), qbsync.crm_keys_condition(m.mapping_id, 'v', '$1'));
	mapping_statements.read_keys := format('SELECT %s AS crm_key FROM %s v', qbsync.crm_key_expression(m.mapping_id, 'v'), qbsync.qualified(m.view));
	mapping_statements.insert := qbsync.insert_statement(m.mapping_id);
	mapping_statements.delete := format('DELETE FROM %s AS v WHERE %s RETURNING %s AS crm_key', qbsync.qualified(m.view),
		qbsync.crm_keys_condition(m.mapping_id, 'v', '$1'), qbsync.crm_key_expression(m.mapping_id, 'v'));
	IF m.line_view IS NOT NULL THEN
		mapping_statements.delete_lines := format('DELETE FROM %s AS l WHERE l.%I::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1)',
			qbsync.qualified(m.line_view), m.entity || '_key');
		mapping_statements.insert_lines := qbsync.insert_lines_statement(m.mapping_id);
	END IF;
	-- each by its key: a planner without statistics would rather read all links
	mapping_statements.linked := format('SELECT i.id, l.crm_key FROM unnest($1::text[]) AS i(id) LEFT JOIN LATERAL (SELECT k.crm_key FROM qbsync.link k '
		'WHERE k.connection_id = %s AND k.entity = %L AND k.id = i.id AND k.family = %s AND k.mapping_id = %s AND k.state <> ''alias'' LIMIT 1) l ON true',
		m.connection_id, m.entity, m.family, m.mapping_id);
	mapping_statements.match := qbsync.match_statement(m.mapping_id);
	mapping_statements.sweep := format('SELECT c.id FROM qbsync.%I c WHERE c.connection_id = %s AND c.id > $1 ORDER BY c.id LIMIT $2', m.entity, m.connection_id);
	mapping_statements.reread := qbsync.must_reread(m.mapping_id);
	mapping_statements.empty_row := qbsync.empty_row(rules);
	SELECT c.* INTO mapping_statements.create_rows, mapping_statements.insert_created
	FROM qbsync.create_statements(m.mapping_id, qbsync.closed_columns(rules)) c;
END
$fn$;
COMMENT ON FUNCTION qbsync.mapping_statements(integer) IS 'Statements of a mapping, for the apply worker and the plan, but for those of decide_statements() and send_statements()';
