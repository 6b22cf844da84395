/*
 * Views for CRM applications and people: what QuickBooks says of customers, invoices, payments and estimates.
 *
 * They speak only of mirror rows, carry the connection's name and id, and hide companies that are disconnected
 * (CAP-62).  crm_table and crm_key are the CRM record that the customer is linked to, through the mapping of family 0, so
 * that an application joins on its own key and needs no QuickBooks id; both joins fall away for queries that do not ask.
 * A customer that is an alias counts for the CRM record of the one it was merged with.
 */

/*
 * What the views say of a company and is not in its row.  Most of what one customer's row costs is planning, and these would be three
 * more relations of every view: functions in PL/pgSQL keep their plans.
 */
CREATE FUNCTION qbsync.app_url(app text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (SELECT rtrim(e.app_url, '/') || '/app/' FROM qbsync.app a JOIN qbsync.environment e ON e.name = a.environment WHERE a.name = app_url.app);
END
$fn$;
COMMENT ON FUNCTION qbsync.app_url(text) IS 'Base of links to QuickBooks'' pages, from the environment of an app (its name). SECURITY DEFINER: qbsync.visible_connection calls it for readers, who may not read qbsync.app and environment';

CREATE FUNCTION qbsync.time_zone(connection_id integer)
RETURNS text
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (SELECT i.default_time_zone FROM qbsync.company_info i WHERE i.connection_id = time_zone.connection_id AND i.id = '1');
END
$fn$;
COMMENT ON FUNCTION qbsync.time_zone(integer) IS 'Time zone of a company, as QuickBooks calls it; null: not known. SECURITY DEFINER: qbsync.visible_connection calls it for those who may read views alone';

/* What few rows show, or most rows have none of, for the same reason: a sub-select is planned for each query, also where it is not run. */
CREATE FUNCTION qbsync.term_name(connection_id integer, id text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (SELECT t.name FROM qbsync.term t WHERE t.connection_id = term_name.connection_id AND t.id = term_name.id);
END
$fn$;
COMMENT ON FUNCTION qbsync.term_name(integer, text) IS 'Name of payment terms (their id), null when they are not known. SECURITY DEFINER: as time_zone';

CREATE FUNCTION qbsync.customer_name(connection_id integer, id text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (SELECT c.display_name FROM qbsync.customer c WHERE c.connection_id = customer_name.connection_id AND c.id = customer_name.id);
END
$fn$;
COMMENT ON FUNCTION qbsync.customer_name(integer, text) IS 'Display name of a customer (its id), null when it is not known. SECURITY DEFINER: as time_zone';

CREATE FUNCTION qbsync.sells_nothing(connection_id integer, invoice_id text)
RETURNS boolean
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (SELECT bool_and(l.qty IS NOT NULL AND l.qty = 0 AND coalesce(l.amount, 0) = 0)
			FROM qbsync.invoice_line l
			WHERE l.connection_id = sells_nothing.connection_id AND l.invoice_id = sells_nothing.invoice_id AND l.detail_type ILIKE 'sales%item%');
END
$fn$;
COMMENT ON FUNCTION qbsync.sells_nothing(integer, text) IS 'Does no line of an invoice (its id) hold anything any more, for qbsync.invoice_state? Null when it has none. SECURITY DEFINER: as time_zone';

/*
 * Companies whose data may be shown, with what the other views need of each.  The mark of disconnection also covers a
 * disconnected company in the middle of a new sign-in.
 */
CREATE VIEW qbsync.visible_connection AS
SELECT c.connection_id, c.name AS connection, qbsync.app_url(c.app) AS app_url, qbsync.time_zone(c.connection_id) AS time_zone,
	qbsync.today(qbsync.time_zone(c.connection_id)) AS today, qbsync.language('{}', c.settings) AS language
FROM qbsync.connection c
WHERE c.state NOT IN ('disconnected', 'authorizing') OR c.settings -> 'keep_visible' = 'true'::jsonb
OFFSET 0;			-- few rows, worked out once
COMMENT ON VIEW qbsync.visible_connection IS 'Companies whose data the views show: all but disconnected ones without the setting keep_visible';
COMMENT ON COLUMN qbsync.visible_connection.app_url IS 'base of links to QuickBooks'' pages';
COMMENT ON COLUMN qbsync.visible_connection.time_zone IS 'the company''s own; decides what "today" is';
COMMENT ON COLUMN qbsync.visible_connection.language IS 'of generated words: policy language of the connection, else that of lc_messages';
COMMENT ON COLUMN qbsync.visible_connection.today IS 'the date there, worked out once a company and not for each of its records';

/*
 * State and label follow §9.18 of the API notes; QuickBooks has no status field.  A void leaves zero amounts and a memo
 * that begins with "Voided"; because people edit memos and a localized company may use another word, lines that were
 * all set to quantity 0 tell it too.
 *
 * What was paid comes from the payments themselves (EXT-23): credits, deposits and write-offs lower a balance as well.
 * The sub-selects of the select list are computed only for the rows and columns a query asks for.
 */
CREATE VIEW qbsync.invoice_status AS
SELECT s.connection, s.connection_id, s.id, s.doc_number,
	m.crm_table, r.crm_key,
	s.customer_id,
	(SELECT k.display_name FROM qbsync.customer k WHERE k.connection_id = s.connection_id AND k.id = s.customer_id) AS customer,
	s.txn_date, s.due_date,
	qbsync.term_name(s.connection_id, s.term_id) COLLATE "default" AS terms,
	s.currency, s.total, s.balance,
	(SELECT coalesce(sum(l.amount), 0)
	 FROM qbsync.payment_line l
	 JOIN qbsync.payment p ON p.connection_id = l.connection_id AND p.id = l.payment_id AND p.deleted_at IS NULL
	 WHERE l.connection_id = s.connection_id AND l.txn_id = s.id AND l.txn_type = 'Invoice') AS paid,
	(SELECT max(p.txn_date)
	 FROM qbsync.payment_line l
	 JOIN qbsync.payment p ON p.connection_id = l.connection_id AND p.id = l.payment_id AND p.deleted_at IS NULL
	 WHERE l.connection_id = s.connection_id AND l.txn_id = s.id AND l.txn_type = 'Invoice') AS last_payment_date,
	s.state,
	s.overdue AS is_overdue,
	qbsync.label('invoice', CASE WHEN s.overdue THEN 'overdue' ELSE s.state END, s.language) AS label,
	CASE WHEN s.overdue THEN s.today - s.due_date ELSE 0 END AS days_overdue,
	s.email_status, s.print_status, s.bill_email,
	CASE WHEN s.state <> 'deleted' THEN s.app_url || qbsync.page_path('invoice') || s.id END AS url,
	s.deleted_at, s.last_updated_time
FROM (
	SELECT v.connection, v.app_url, v.today, v.language, x.state,
		x.state IN ('open', 'partially_paid') AND coalesce(i.due_date < v.today, false) AS overdue,
		i.connection_id, i.id, i.doc_number, i.customer_id, i.term_id, i.txn_date, i.due_date, i.currency,
		i.total_amt AS total, i.balance, i.email_status, i.print_status, i.bill_email, i.deleted_at, i.last_updated_time
	FROM qbsync.visible_connection v
	JOIN qbsync.invoice i ON i.connection_id = v.connection_id
	CROSS JOIN LATERAL (
		SELECT qbsync.invoice_state(i.deleted_at, i.total_amt, i.balance, i.private_note,
									i.sync_token <> '0' AND qbsync.sells_nothing(i.connection_id, i.id)) AS state
		OFFSET 0			-- once a row, not once for each of the columns that follow from it
	) x
) s
LEFT JOIN qbsync.link r ON r.connection_id = s.connection_id AND r.entity = 'customer' AND r.id = s.customer_id AND r.family = 0
LEFT JOIN qbsync.mapping m ON m.mapping_id = r.mapping_id;
COMMENT ON VIEW qbsync.invoice_status IS 'Every invoice with what became of it: open, partially paid, paid, voided or deleted, and whether it is overdue today in the company''s time zone';
COMMENT ON COLUMN qbsync.invoice_status.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.invoice_status.id IS 'QuickBooks'' id of the invoice';
COMMENT ON COLUMN qbsync.invoice_status.crm_table IS 'table of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.invoice_status.crm_key IS 'key of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.invoice_status.terms IS 'name of the payment terms';
COMMENT ON COLUMN qbsync.invoice_status.total IS 'total with tax, in currency';
COMMENT ON COLUMN qbsync.invoice_status.balance IS 'still to be paid, in currency';
COMMENT ON COLUMN qbsync.invoice_status.paid IS 'sum of what payments applied to it (credits are applied through payments, too); total less balance can be more, because of a deposit';
COMMENT ON COLUMN qbsync.invoice_status.last_payment_date IS 'date of the newest payment applied to it';
COMMENT ON COLUMN qbsync.invoice_status.state IS 'open, partially_paid, paid, voided, deleted';
COMMENT ON COLUMN qbsync.invoice_status.is_overdue IS 'something is still to be paid and the due date was before today in the company''s time zone';
COMMENT ON COLUMN qbsync.invoice_status.label IS 'Open, Paid, Voided, Overdue, Deleted or Partially paid, in the language of the company; Overdue outranks Open and Partially paid';
COMMENT ON COLUMN qbsync.invoice_status.days_overdue IS 'days since the due date; 0 when not overdue';
COMMENT ON COLUMN qbsync.invoice_status.email_status IS 'NotSet, NeedToSend or EmailSent';
COMMENT ON COLUMN qbsync.invoice_status.url IS 'its page in QuickBooks; opens in the company the browser is signed in to; null when deleted';
COMMENT ON COLUMN qbsync.invoice_status.deleted_at IS 'when it was deleted; amounts are those before';

CREATE VIEW qbsync.invoice_payment AS
SELECT v.connection, v.connection_id, l.txn_id AS invoice_id,
	(SELECT i.doc_number FROM qbsync.invoice i WHERE i.connection_id = l.connection_id AND i.id = l.txn_id) AS doc_number,
	p.id AS payment_id,
	m.crm_table, r.crm_key,
	p.customer_id,
	(SELECT k.display_name FROM qbsync.customer k WHERE k.connection_id = p.connection_id AND k.id = p.customer_id) AS customer,
	p.txn_date AS payment_date, l.amount, p.total_amt AS payment_total, p.unapplied_amt AS unapplied, p.currency,
	p.payment_ref_num, v.app_url || qbsync.page_path('payment') || p.id AS url
FROM qbsync.visible_connection v
JOIN qbsync.payment_line l ON l.connection_id = v.connection_id AND l.txn_type = 'Invoice'
JOIN qbsync.payment p ON p.connection_id = l.connection_id AND p.id = l.payment_id AND p.deleted_at IS NULL
LEFT JOIN qbsync.link r ON r.connection_id = p.connection_id AND r.entity = 'customer' AND r.id = p.customer_id AND r.family = 0
LEFT JOIN qbsync.mapping m ON m.mapping_id = r.mapping_id;
COMMENT ON VIEW qbsync.invoice_payment IS 'Which payment paid which invoice by how much; a split payment has a row for each invoice';
COMMENT ON COLUMN qbsync.invoice_payment.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.invoice_payment.crm_table IS 'table of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.invoice_payment.crm_key IS 'key of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.invoice_payment.customer_id IS 'who paid; can be the parent of the invoice''s customer';
COMMENT ON COLUMN qbsync.invoice_payment.amount IS 'part of the payment applied to this invoice';
COMMENT ON COLUMN qbsync.invoice_payment.payment_total IS 'money received with the payment; 0 when it only applies credits';
COMMENT ON COLUMN qbsync.invoice_payment.unapplied IS 'part of the payment applied to nothing yet';
COMMENT ON COLUMN qbsync.invoice_payment.url IS 'the payment''s page in QuickBooks';

/*
 * An estimate moves no money.  Its status is QuickBooks' own word, except that an expired one is still Pending or Accepted
 * there: QuickBooks' pages, like this view, tell it by the date.  Closed: an invoice was made of it.
 */
CREATE VIEW qbsync.estimate_status AS
SELECT s.connection, s.connection_id, s.id, s.doc_number,
	m.crm_table, r.crm_key,
	s.customer_id,
	(SELECT k.display_name FROM qbsync.customer k WHERE k.connection_id = s.connection_id AND k.id = s.customer_id) AS customer,
	s.txn_date, s.expiration_date, s.currency, s.total, s.state,
	s.expired AS is_expired,
	s.state IN ('pending', 'accepted') AND NOT s.expired AS is_open,
	qbsync.label('estimate', CASE WHEN s.expired THEN 'expired' WHEN s.state IN ('deleted', 'pending') THEN s.state ELSE s.txn_status END, s.language) AS label,
	s.accepted_by, s.accepted_date,
	ARRAY(SELECT l ->> 'TxnId' FROM jsonb_array_elements(CASE jsonb_typeof(s.linked_txn) WHEN 'array' THEN s.linked_txn END) WITH ORDINALITY AS k(l, n)
		  WHERE l ->> 'TxnType' = 'Invoice' ORDER BY n) AS invoice_ids,
	s.email_status, s.print_status, s.bill_email,
	CASE WHEN s.state <> 'deleted' THEN s.app_url || qbsync.page_path('estimate') || s.id END AS url,
	s.deleted_at, s.last_updated_time
FROM (
	SELECT v.connection, v.app_url, v.language, x.state,
		x.state IN ('pending', 'accepted') AND coalesce(e.expiration_date < v.today, false) AS expired,
		e.connection_id, e.id, e.doc_number, e.customer_id, e.txn_date, e.expiration_date, e.currency, e.total_amt AS total,
		e.txn_status, e.accepted_by, e.accepted_date, e.linked_txn, e.email_status, e.print_status, e.bill_email, e.deleted_at, e.last_updated_time
	FROM qbsync.visible_connection v
	JOIN qbsync.estimate e ON e.connection_id = v.connection_id
	CROSS JOIN LATERAL (
		SELECT CASE WHEN e.deleted_at IS NOT NULL THEN 'deleted' ELSE lower(coalesce(e.txn_status, 'Pending')) END AS state
		OFFSET 0			-- once a row, not once for each of the columns that follow from it
	) x
) s
LEFT JOIN qbsync.link r ON r.connection_id = s.connection_id AND r.entity = 'customer' AND r.id = s.customer_id AND r.family = 0
LEFT JOIN qbsync.mapping m ON m.mapping_id = r.mapping_id;
COMMENT ON VIEW qbsync.estimate_status IS 'Every estimate (quote) with what became of it: pending, accepted, closed, rejected, converted or deleted, and whether it has expired today in the company''s time zone';
COMMENT ON COLUMN qbsync.estimate_status.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.estimate_status.id IS 'QuickBooks'' id of the estimate';
COMMENT ON COLUMN qbsync.estimate_status.crm_table IS 'table of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.estimate_status.crm_key IS 'key of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.estimate_status.expiration_date IS 'last day on which it holds';
COMMENT ON COLUMN qbsync.estimate_status.total IS 'total with tax, in currency';
COMMENT ON COLUMN qbsync.estimate_status.state IS 'pending, accepted, closed (an invoice was made of it), rejected, converted, deleted';
COMMENT ON COLUMN qbsync.estimate_status.is_expired IS 'pending or accepted, and the expiration date was before today in the company''s time zone';
COMMENT ON COLUMN qbsync.estimate_status.is_open IS 'pending or accepted, and not expired';
COMMENT ON COLUMN qbsync.estimate_status.label IS 'Pending, Accepted, Closed, Rejected, Converted, Deleted or Expired, in the language of the company; Expired outranks Pending and Accepted';
COMMENT ON COLUMN qbsync.estimate_status.invoice_ids IS 'ids of the invoices made of it; several with progress invoicing';
COMMENT ON COLUMN qbsync.estimate_status.email_status IS 'NotSet, NeedToSend or EmailSent';
COMMENT ON COLUMN qbsync.estimate_status.url IS 'its page in QuickBooks; opens in the company the browser is signed in to; null when deleted';
COMMENT ON COLUMN qbsync.estimate_status.deleted_at IS 'when it was deleted; the other columns are as before';

/*
 * One aggregate per table, worked out customer by customer from the indexes: an application asks for the contact on its
 * screen, by crm_key, in a join with its own table or by id, and no more than that customer's rows are read; aggregates
 * that are not asked for fall away.  A list of everybody takes three to four times as long as with aggregates over whole tables.
 * (No plan can be both: PostgreSQL hands the key of a join down into a lateral aggregate only, never into a grouped one, and
 * has no parallel plan for it.)  Half of that is paid_total, which therefore asks for the few payments that are deleted,
 * through payment_deleted_idx, and not for the many that are not; of each invoice, as the aggregate comes by it.
 *
 * What merely decorates (names) is a sub-select or a function: each join less leaves room for those of the application, which the planner
 * then orders freely with ours, so that it gets from the application's row to the customer by index.
 */
CREATE VIEW qbsync.customer_summary AS
SELECT v.connection, v.connection_id, c.id, c.display_name,
	m.crm_table, r.crm_key,
	c.company_name, c.active, c.parent_id,
	qbsync.customer_name(c.connection_id, c.parent_id) COLLATE "default" AS parent,
	c.emails, coalesce(c.primary_phone, c.mobile, c.alternate_phone) AS phone,
	qbsync.term_name(c.connection_id, c.term_id) COLLATE "default" AS terms,
	c.currency, c.balance, c.balance_with_jobs,
	coalesce(i.open_balance, 0) AS open_balance,
	coalesce(i.overdue_balance, 0) AS overdue_balance,
	coalesce(i.overdue_count, 0) AS overdue_count,
	i.oldest_overdue_date, i.next_due_date,
	coalesce(i.invoice_count, 0) AS invoice_count,
	coalesce(i.paid_total, 0) AS paid_total,
	coalesce(p.received_total, 0) AS received_total,
	coalesce(p.unapplied_total, 0) AS unapplied_total,
	p.last_payment_date, p.last_payment_amount,
	coalesce(e.estimate_count, 0) AS estimate_count,
	coalesce(e.estimate_total, 0) AS estimate_total,
	coalesce(e.open_estimate_count, 0) AS open_estimate_count,
	coalesce(e.open_estimate_total, 0) AS open_estimate_total,
	v.app_url || qbsync.page_path('customer') || c.id AS url,
	c.last_updated_time
FROM qbsync.visible_connection v
JOIN qbsync.customer c ON c.connection_id = v.connection_id AND c.deleted_at IS NULL
LEFT JOIN qbsync.link r ON r.connection_id = c.connection_id AND r.entity = 'customer' AND r.id = c.id AND r.family = 0
LEFT JOIN qbsync.mapping m ON m.mapping_id = r.mapping_id
LEFT JOIN LATERAL (
	SELECT count(*) AS invoice_count,
		sum(n.balance) AS open_balance,
		sum(n.balance) FILTER (WHERE n.due_date < v.today) AS overdue_balance,
		count(*) FILTER (WHERE n.balance > 0 AND n.due_date < v.today) AS overdue_count,
		min(n.due_date) FILTER (WHERE n.balance > 0 AND n.due_date < v.today) AS oldest_overdue_date,
		min(n.due_date) FILTER (WHERE n.balance > 0 AND n.due_date >= v.today) AS next_due_date,
		sum((SELECT sum(l.amount) FROM qbsync.payment_line l
			 WHERE l.connection_id = n.connection_id AND l.txn_id = n.id AND l.txn_type = 'Invoice'
				AND NOT EXISTS (SELECT FROM qbsync.payment d WHERE d.connection_id = l.connection_id AND d.id = l.payment_id AND d.deleted_at IS NOT NULL))) AS paid_total
	FROM qbsync.invoice n
	WHERE n.connection_id = c.connection_id AND n.customer_id = c.id AND n.deleted_at IS NULL
) i ON true
LEFT JOIN LATERAL (
	SELECT sum(m.total_amt) AS received_total, sum(m.unapplied_amt) AS unapplied_total,
		max(m.txn_date) FILTER (WHERE m.total_amt > 0) AS last_payment_date,
		-- payments of 0 apply credits or are voided; of several on one day the one made last counts
		(array_agg(m.total_amt ORDER BY m.txn_date DESC NULLS LAST, m.create_time DESC NULLS LAST, m.id DESC)
			FILTER (WHERE m.total_amt > 0))[1] AS last_payment_amount
	FROM qbsync.payment m
	WHERE m.connection_id = c.connection_id AND m.customer_id = c.id AND m.deleted_at IS NULL
) p ON true
LEFT JOIN LATERAL (
	SELECT count(*) AS estimate_count, sum(n.total_amt) AS estimate_total,
		count(*) FILTER (WHERE o.is_open) AS open_estimate_count,
		sum(n.total_amt) FILTER (WHERE o.is_open) AS open_estimate_total
	FROM qbsync.estimate n
	-- as in estimate_status
	CROSS JOIN LATERAL (SELECT lower(coalesce(n.txn_status, 'Pending')) IN ('pending', 'accepted')
							AND coalesce(n.expiration_date >= v.today, true) AS is_open) o
	WHERE n.connection_id = c.connection_id AND n.customer_id = c.id AND n.deleted_at IS NULL
) e ON true;
COMMENT ON VIEW qbsync.customer_summary IS 'Every customer with what it owes and paid; amounts are in the customer''s currency, a sub-customer''s are its own';
COMMENT ON COLUMN qbsync.customer_summary.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.customer_summary.id IS 'QuickBooks'' id of the customer';
COMMENT ON COLUMN qbsync.customer_summary.crm_table IS 'table of the CRM record it is linked with; null when it is not';
COMMENT ON COLUMN qbsync.customer_summary.crm_key IS 'key of the CRM record it is linked with; null when it is not';
COMMENT ON COLUMN qbsync.customer_summary.parent IS 'display name of the customer it is a part of';
COMMENT ON COLUMN qbsync.customer_summary.phone IS 'primary phone, otherwise mobile, otherwise alternate phone';
COMMENT ON COLUMN qbsync.customer_summary.terms IS 'name of the customer''s usual payment terms';
COMMENT ON COLUMN qbsync.customer_summary.balance IS 'what QuickBooks says the customer owes, credits deducted';
COMMENT ON COLUMN qbsync.customer_summary.balance_with_jobs IS 'the same with its sub-customers';
COMMENT ON COLUMN qbsync.customer_summary.open_balance IS 'sum of the balances of its invoices';
COMMENT ON COLUMN qbsync.customer_summary.overdue_balance IS 'the part of it that was due before today in the company''s time zone';
COMMENT ON COLUMN qbsync.customer_summary.overdue_count IS 'number of invoices that are overdue';
COMMENT ON COLUMN qbsync.customer_summary.oldest_overdue_date IS 'due date of the invoice overdue for longest';
COMMENT ON COLUMN qbsync.customer_summary.next_due_date IS 'the next due date, today or later, of an invoice still to be paid';
COMMENT ON COLUMN qbsync.customer_summary.invoice_count IS 'number of invoices, voided ones included, deleted ones not';
COMMENT ON COLUMN qbsync.customer_summary.paid_total IS 'sum of payments applied to its invoices, whoever paid';
COMMENT ON COLUMN qbsync.customer_summary.received_total IS 'sum of the payments received from it, applied or not';
COMMENT ON COLUMN qbsync.customer_summary.unapplied_total IS 'the part of its payments applied to nothing yet';
COMMENT ON COLUMN qbsync.customer_summary.last_payment_date IS 'date of its newest payment of money';
COMMENT ON COLUMN qbsync.customer_summary.last_payment_amount IS 'amount of its newest payment of money';
COMMENT ON COLUMN qbsync.customer_summary.estimate_count IS 'number of its estimates, whatever became of them, deleted ones not';
COMMENT ON COLUMN qbsync.customer_summary.estimate_total IS 'sum of their totals';
COMMENT ON COLUMN qbsync.customer_summary.open_estimate_count IS 'number of its open estimates: pending or accepted, and not expired today in the company''s time zone';
COMMENT ON COLUMN qbsync.customer_summary.open_estimate_total IS 'sum of the totals of its open estimates';
COMMENT ON COLUMN qbsync.customer_summary.url IS 'its page in QuickBooks; opens in the company the browser is signed in to';

/*
 * The first page of a list that is sorted.  The column alone, and not behind the company: the planner cannot know that a name of a
 * connection is one company, and takes the first rows of all companies in order, which is few more.
 */
CREATE INDEX customer_display_name_idx ON qbsync.customer (display_name);
COMMENT ON INDEX qbsync.customer_display_name_idx IS 'Customers by name, for lists';
CREATE INDEX invoice_due_date_idx ON qbsync.invoice (due_date);
COMMENT ON INDEX qbsync.invoice_due_date_idx IS 'Invoices by due date, for lists';
CREATE INDEX invoice_txn_date_idx ON qbsync.invoice (txn_date);
COMMENT ON INDEX qbsync.invoice_txn_date_idx IS 'Invoices by date, for lists';
CREATE INDEX payment_txn_date_idx ON qbsync.payment (txn_date);
COMMENT ON INDEX qbsync.payment_txn_date_idx IS 'Payments by date, for lists';
