/*
 * Where the mirror was found to differ from the company: what polls should have brought and did not, and sums that do not add up.
 */
CREATE TABLE qbsync.drift (
	drift_id		bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	connection_id	integer NOT NULL,
	entity			text NOT NULL,
	id				text COLLATE "C" NOT NULL,
	kind			text NOT NULL CHECK (kind IN ('missed_create', 'missed_change', 'missed_delete', 'tie_out')),
	found_at		timestamptz NOT NULL DEFAULT now(),
	seen_at			timestamptz,
	expected		numeric,
	found			numeric,
	repaired_at		timestamptz
);
CREATE UNIQUE INDEX drift_open_key ON qbsync.drift (connection_id, entity, id) WHERE kind = 'tie_out' AND repaired_at IS NULL;
CREATE INDEX drift_found_at_idx ON qbsync.drift USING brin (found_at);
COMMENT ON TABLE qbsync.drift IS 'What reconciliations found; kept for qbsync.history_retention. Read qbsync.drift_found instead';
COMMENT ON COLUMN qbsync.drift.kind IS 'missed_create, missed_change, missed_delete: no poll brought it, a comparison did; tie_out: the sum does not add up';
COMMENT ON COLUMN qbsync.drift.seen_at IS 'of what was missed: the version that repaired it (seen_at of the mirror)';
COMMENT ON COLUMN qbsync.drift.expected IS 'of a sum: what it should be by the records of the mirror';
COMMENT ON COLUMN qbsync.drift.found IS 'of a sum: what QuickBooks says';
COMMENT ON COLUMN qbsync.drift.repaired_at IS 'when the mirror was right again; null: it still differs';

/*
 * What an answer of a comparison brought although a poll should have: it was there, unchanged since, when QuickBooks' changes
 * were last complete here (less the overlap of polls).
 */
CREATE FUNCTION qbsync.note_drift(connection_id integer, entity text, ids text[], seen_at timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	EXECUTE format('INSERT INTO qbsync.drift (connection_id, entity, id, kind, seen_at, repaired_at) '
		'SELECT m.connection_id, $2, m.id, CASE WHEN v.id IS NULL THEN ''missed_create'' ELSE ''missed_change'' END, m.seen_at, now() '
		'FROM qbsync.%I m JOIN qbsync.cursor u ON u.connection_id = m.connection_id AND u.entity = ''*'' '
		'LEFT JOIN qbsync.record_version v ON v.connection_id = m.connection_id AND v.entity = $2 AND v.id = m.id AND v.valid_to = m.seen_at '
		'WHERE m.connection_id = $1 AND m.id = ANY ($3) AND m.seen_at = $4 AND m.last_updated_time < u.changed_since - interval ''5 minutes''',
		note_drift.entity)
	USING note_drift.connection_id, note_drift.entity, note_drift.ids, note_drift.seen_at;
END
$fn$;
COMMENT ON FUNCTION qbsync.note_drift(integer, text, text[], timestamptz) IS 'Notes which of these records, stored by the request that began at seen_at, a poll should have brought before';
REVOKE ALL ON FUNCTION qbsync.note_drift(integer, text, text[], timestamptz) FROM PUBLIC;

/*
 * What customers owe is known only where everything is read that moves it: entries of the books, deposits and cheques, too.
 */
CREATE FUNCTION qbsync.customer_sums_known(connection_id integer)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT count(*) = 8
	FROM qbsync.connection c JOIN qbsync.cursor u USING (connection_id)
	WHERE c.connection_id = customer_sums_known.connection_id AND c.settings ->> 'vendors' = 'import' AND u.phase IN ('loaded', 'verifying')
		AND u.entity IN ('customer', 'account', 'invoice', 'payment', 'credit_memo', 'journal_entry', 'deposit', 'purchase')
$fn$;
COMMENT ON FUNCTION qbsync.customer_sums_known(integer) IS 'Is everything read that moves what a customer owes? Where vendors is import, and all of it is loaded. SECURITY DEFINER: qbsync.tie_out calls it for readers, who may not read qbsync.connection';
REVOKE ALL ON FUNCTION qbsync.customer_sums_known(integer) FROM PUBLIC;

/*
 * Sums that do not add up.  An invoice's balance is its total less its deposit less what payments applied; credits are applied
 * through payments, too.  What a payment leaves unapplied is the money with the credits it uses less the invoices it pays; where
 * it is applied to something that is not read, nothing is said.  What is left of a credit memo is its total less what payments
 * used of it.  What a customer owes is what is left of his invoices less that of his credits, less what his payments leave, and
 * what journal entries and deposits post to him; those that apply a payment to an entry of the books change nothing for him.
 *
 * Worked out record by record from the indexes, so that a range of ids, or one record, costs no more than that.
 */
CREATE VIEW qbsync.tie_out AS
SELECT i.connection_id, 'invoice'::text AS entity, i.id, x.expected, i.balance AS found, i.balance - x.expected AS difference, i.currency
FROM qbsync.invoice i
CROSS JOIN LATERAL (
	SELECT coalesce(i.total_amt, 0) - coalesce(i.deposit, 0) - coalesce(sum(l.amount), 0) AS expected
	FROM qbsync.payment_line l
	JOIN qbsync.payment p ON p.connection_id = l.connection_id AND p.id = l.payment_id AND p.deleted_at IS NULL
	WHERE l.connection_id = i.connection_id AND l.txn_id = i.id AND l.txn_type = 'Invoice'
) x
WHERE i.deleted_at IS NULL AND i.balance <> x.expected
UNION ALL
SELECT p.connection_id, 'payment', p.id, x.expected, p.unapplied_amt, p.unapplied_amt - x.expected, p.currency
FROM qbsync.payment p
CROSS JOIN LATERAL (
	SELECT coalesce(p.total_amt, 0) + coalesce(sum(CASE l.txn_type WHEN 'Invoice' THEN - l.amount WHEN 'CreditMemo' THEN l.amount END), 0) AS expected,
		coalesce(bool_and(l.txn_type IN ('Invoice', 'CreditMemo')), true) AS known
	FROM qbsync.payment_line l
	WHERE l.connection_id = p.connection_id AND l.payment_id = p.id
) x
WHERE p.deleted_at IS NULL AND x.known AND p.unapplied_amt <> x.expected
UNION ALL
SELECT c.connection_id, 'credit_memo', c.id, x.expected, c.balance, c.balance - x.expected, c.currency
FROM qbsync.credit_memo c
CROSS JOIN LATERAL (
	SELECT coalesce(c.total_amt, 0) - coalesce(sum(l.amount), 0) AS expected
	FROM qbsync.payment_line l
	JOIN qbsync.payment p ON p.connection_id = l.connection_id AND p.id = l.payment_id AND p.deleted_at IS NULL
	WHERE l.connection_id = c.connection_id AND l.txn_id = c.id AND l.txn_type = 'CreditMemo'
) x
WHERE c.deleted_at IS NULL AND c.balance <> x.expected
UNION ALL
SELECT c.connection_id, 'customer', c.id, x.expected, c.balance, c.balance - x.expected, c.currency
FROM qbsync.customer c
CROSS JOIN LATERAL (
	SELECT coalesce((SELECT sum(i.balance) FROM qbsync.invoice i
			WHERE i.connection_id = c.connection_id AND i.customer_id = c.id AND i.deleted_at IS NULL), 0)
		- coalesce((SELECT sum(m.balance) FROM qbsync.credit_memo m
			WHERE m.connection_id = c.connection_id AND m.customer_id = c.id AND m.deleted_at IS NULL), 0)
		- coalesce((SELECT sum(p.total_amt + (
					SELECT coalesce(sum(CASE l.txn_type WHEN 'Invoice' THEN - l.amount WHEN 'CreditMemo' THEN l.amount END), 0)
					FROM qbsync.payment_line l WHERE l.connection_id = p.connection_id AND l.payment_id = p.id))
			FROM qbsync.payment p WHERE p.connection_id = c.connection_id AND p.customer_id = c.id AND p.deleted_at IS NULL), 0)
		+ coalesce((SELECT sum(CASE l.posting_type WHEN 'Debit' THEN l.amount ELSE - l.amount END)
			FROM qbsync.journal_entry_line l
			JOIN qbsync.journal_entry j ON j.connection_id = l.connection_id AND j.id = l.journal_entry_id AND j.deleted_at IS NULL
			JOIN qbsync.account a ON a.connection_id = l.connection_id AND a.id = l.account_id AND a.account_type = 'Accounts Receivable'
			WHERE l.connection_id = c.connection_id AND l.entity_id = c.id AND l.entity_type = 'Customer'), 0)
		- coalesce((SELECT sum(l.amount)
			FROM qbsync.deposit_line l
			JOIN qbsync.deposit d ON d.connection_id = l.connection_id AND d.id = l.deposit_id AND d.deleted_at IS NULL
			JOIN qbsync.account a ON a.connection_id = l.connection_id AND a.id = l.account_id AND a.account_type = 'Accounts Receivable'
			WHERE l.connection_id = c.connection_id AND l.entity_id = c.id AND l.entity_type = 'Customer'), 0) AS expected
) x
WHERE c.deleted_at IS NULL AND qbsync.customer_sums_known(c.connection_id) AND c.balance <> x.expected
	-- a payment of something that is not read, or money paid out to him
	AND NOT EXISTS (SELECT FROM qbsync.payment p JOIN qbsync.payment_line l ON l.connection_id = p.connection_id AND l.payment_id = p.id
		WHERE p.connection_id = c.connection_id AND p.customer_id = c.id AND p.deleted_at IS NULL
			AND l.txn_type NOT IN ('Invoice', 'CreditMemo', 'JournalEntry', 'Deposit'))
	AND NOT EXISTS (SELECT FROM qbsync.purchase p
		WHERE p.connection_id = c.connection_id AND p.entity_id = c.id AND p.entity_type = 'Customer' AND p.deleted_at IS NULL);
COMMENT ON VIEW qbsync.tie_out IS 'Invoices, payments and credit memos whose balance is not what their total and the payments make it, and customers whose balance is not what their transactions make it, in currency. Customers only where vendors is import: journal entries move what they owe. Nothing: all adds up';
COMMENT ON COLUMN qbsync.tie_out.expected IS 'balance (of a payment: what is unapplied) by the records of the mirror';
COMMENT ON COLUMN qbsync.tie_out.found IS 'the same as QuickBooks says';

/* What is compared with QuickBooks: everything that has pages and is there. */
CREATE FUNCTION qbsync.begin_reconcile(connection_id integer, entity text, "full" boolean, since timestamptz)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	UPDATE qbsync.cursor u
	SET phase = 'verifying', started_at = begin_reconcile.since, full_compare = u.full_compare OR begin_reconcile."full"
	WHERE u.connection_id = begin_reconcile.connection_id AND u.entity = coalesce(begin_reconcile.entity, u.entity) AND u.phase IN ('loaded', 'verifying')
		AND u.entity IN (SELECT c.entity FROM qbsync.catalogue c WHERE c.pages);
	UPDATE qbsync.cursor u
	SET tie_out_after = '', reconcile_began_at = CASE WHEN begin_reconcile.entity IS NULL THEN begin_reconcile.since ELSE u.reconcile_began_at END,
		full_compare = u.full_compare OR begin_reconcile."full" AND begin_reconcile.entity IS NULL
	WHERE u.connection_id = begin_reconcile.connection_id AND u.entity = '*';
$fn$;
COMMENT ON FUNCTION qbsync.begin_reconcile(integer, text, boolean, timestamptz) IS 'Lets the gateway compare an entity, or all (null), and check sums; full: reads every record; since: when that was asked for, a poll comes first unless the last one began then';
REVOKE ALL ON FUNCTION qbsync.begin_reconcile(integer, text, boolean, timestamptz) FROM PUBLIC;

/*
 * Counts do not tell that as many records are too much as are missing, nor what changed without a sign: once a week every record
 * is read.  A little less, or the night would move.
 */
CREATE FUNCTION qbsync.full_reconcile_due(connection_id integer)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE coalesce(c.settings ->> 'reconcile_full', 'weekly')
		WHEN 'nightly' THEN true
		WHEN 'weekly' THEN coalesce(u.full_reconciled_at, u.finished_at) < now() - interval '6 days 12 hours'
		ELSE false END
	FROM qbsync.connection c
	JOIN qbsync.cursor u ON u.connection_id = c.connection_id AND u.entity = '*'
	WHERE c.connection_id = full_reconcile_due.connection_id;
$fn$;
COMMENT ON FUNCTION qbsync.full_reconcile_due(integer) IS 'Does the next reconciliation of the night read every record? By setting reconcile_full: weekly (default), nightly or never';
REVOKE ALL ON FUNCTION qbsync.full_reconcile_due(integer) FROM PUBLIC;

/*
 * One step of checking sums, some thousand records.  tie_out_after says where the last one ended: '' at the beginning, then
 * entity and id, then 'again' when everything was seen: what did not add up was fetched once more by then and is looked at again.
 * More than a few hundred fetched in one reconciliation would not be drift, but a rule that does not hold for this company.
 */
CREATE FUNCTION qbsync.tie_out_step(connection_id integer)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
#variable_conflict use_column
DECLARE
	rows_a_step constant integer := 5000;
	fetched_at_most constant integer := 300;
	entities constant text[] := '{invoice,payment,credit_memo,customer}';
	state text;
	its text;
	after text;
	last_id text;
BEGIN
	SELECT u.tie_out_after INTO state FROM qbsync.cursor u WHERE u.connection_id = tie_out_step.connection_id AND u.entity = '*' FOR NO KEY UPDATE;
	IF state IS NULL THEN
		RETURN false;
	END IF;
	IF state <> 'again' THEN
		its := coalesce(nullif(split_part(state, ':', 1), ''), entities[1]);
		after := split_part(state, ':', 2);
		EXECUTE format('SELECT max(r.id) FROM (SELECT m.id FROM qbsync.%I m WHERE m.connection_id = $1 AND m.id > $2 COLLATE "C" ORDER BY m.id LIMIT $3) r', its)
			INTO last_id USING tie_out_step.connection_id, after, rows_a_step;
		WITH wrong AS (
			INSERT INTO qbsync.drift AS d (connection_id, entity, id, kind, expected, found)
			SELECT t.connection_id, t.entity, t.id, 'tie_out', t.expected, t.found
			FROM qbsync.tie_out t
			WHERE t.connection_id = tie_out_step.connection_id AND t.entity = its AND t.id > after COLLATE "C" AND t.id <= last_id COLLATE "C"
			ON CONFLICT (connection_id, entity, id) WHERE kind = 'tie_out' AND repaired_at IS NULL
			DO UPDATE SET expected = excluded.expected, found = excluded.found
			RETURNING d.entity, d.id
		), parts AS (
			SELECT w.entity, w.id FROM wrong w
			UNION
			SELECT 'payment', l.payment_id
			FROM wrong w JOIN qbsync.payment_line l ON l.connection_id = tie_out_step.connection_id AND l.txn_id = w.id
			WHERE w.entity IN ('invoice', 'credit_memo')
		)
		INSERT INTO qbsync.lookup (connection_id, entity, id)
		SELECT tie_out_step.connection_id, p.entity, p.id FROM parts p
		WHERE p.id ~ '^[0-9]+$' AND (SELECT count(*) FROM qbsync.lookup l WHERE l.connection_id = tie_out_step.connection_id) < fetched_at_most
		ORDER BY p.entity, p.id LIMIT fetched_at_most
		ON CONFLICT DO NOTHING;
		state := CASE
			WHEN last_id IS NOT NULL THEN its || ':' || last_id
			ELSE coalesce(entities[array_position(entities, its) + 1] || ':', 'again') END;
		UPDATE qbsync.cursor u SET tie_out_after = state WHERE u.connection_id = tie_out_step.connection_id AND u.entity = '*';
		RETURN true;
	END IF;
	IF EXISTS (SELECT FROM qbsync.lookup l WHERE l.connection_id = tie_out_step.connection_id) THEN
		RETURN true;
	END IF;
	PERFORM qbsync.end_reconcile(tie_out_step.connection_id);
	RETURN false;
END
$fn$;
COMMENT ON FUNCTION qbsync.tie_out_step(integer) IS 'Checks the sums of the next records of a company whose reconciliation runs; true: it goes on';
REVOKE ALL ON FUNCTION qbsync.tie_out_step(integer) FROM PUBLIC;

/* Equal is what has no open drift and no count that differs. */
CREATE FUNCTION qbsync.end_reconcile(connection_id integer)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	UPDATE qbsync.drift d SET repaired_at = now()
	WHERE d.connection_id = end_reconcile.connection_id AND d.kind = 'tie_out' AND d.repaired_at IS NULL
		AND NOT EXISTS (SELECT FROM qbsync.tie_out t WHERE t.connection_id = d.connection_id AND t.entity = d.entity AND t.id = d.id);
	UPDATE qbsync.cursor u
	SET tie_out_after = NULL, reconcile_began_at = NULL, reconciled_at = coalesce(u.reconcile_began_at, u.reconciled_at),
		full_compare = false, full_reconciled_at = CASE WHEN u.full_compare THEN u.reconcile_began_at ELSE u.full_reconciled_at END,
		proven_at = CASE WHEN u.reconcile_began_at IS NOT NULL
				AND NOT EXISTS (SELECT FROM qbsync.drift d WHERE d.connection_id = u.connection_id AND d.repaired_at IS NULL)
				AND NOT EXISTS (SELECT FROM qbsync.error e WHERE e.connection_id = u.connection_id AND e.problem IN ('incomplete', 'too_big', 'bad_record'))
			THEN u.reconcile_began_at ELSE u.proven_at END
	WHERE u.connection_id = end_reconcile.connection_id AND u.entity = '*';
	UPDATE qbsync.job j SET state = 'done', finished_at = clock_timestamp()
	WHERE j.connection_id = end_reconcile.connection_id AND j.kind = 'reconcile' AND j.state = 'running';
$fn$;
COMMENT ON FUNCTION qbsync.end_reconcile(integer) IS 'Sums that add up by now are repaired; the reconciliation is done';
REVOKE ALL ON FUNCTION qbsync.end_reconcile(integer) FROM PUBLIC;
