/*
 * invoice_status and customer_summary as they were (EXT-24): the same columns, out of the mirror's tables as of that time.
 *
 * The views work customer by customer and invoice by invoice, from the indexes of the mirror.  The past has none by customer, so
 * here each table is read once and grouped; what is asked for by id still goes down to the mirror's indexes.  Which CRM record a
 * customer is linked with is as of now, as is the language.
 */

CREATE VIEW qbsync.customer_link AS
SELECT r.connection_id, r.id, m.crm_table, r.crm_key
FROM qbsync.visible_connection v
JOIN qbsync.link r ON r.connection_id = v.connection_id AND r.entity = 'customer' AND r.family = 0 AND qbsync.may_see(r.entity)
JOIN qbsync.mapping m ON m.mapping_id = r.mapping_id;
COMMENT ON VIEW qbsync.customer_link IS 'Which CRM record each customer counts for, as all views of sales say it';
COMMENT ON COLUMN qbsync.customer_link.id IS 'QuickBooks'' id of the customer';
COMMENT ON COLUMN qbsync.customer_link.crm_table IS 'table of the CRM record';
COMMENT ON COLUMN qbsync.customer_link.crm_key IS 'key of the CRM record, as text';

CREATE FUNCTION qbsync.invoice_status_as_of(at timestamptz, connection text DEFAULT NULL)
RETURNS SETOF qbsync.invoice_status
LANGUAGE sql STABLE ROWS 1000
BEGIN ATOMIC
	SELECT v.connection, v.connection_id, i.id, i.doc_number, r.crm_table, r.crm_key, i.customer_id, c.display_name, i.txn_date, i.due_date, t.name,
		i.currency, i.total_amt, i.balance, coalesce(p.paid, 0), p.last_payment_date, s.state, o.overdue,
		qbsync.label('invoice', CASE WHEN o.overdue THEN 'overdue' ELSE s.state END, v.language),
		CASE WHEN o.overdue THEN v.today - i.due_date ELSE 0 END,
		i.email_status, i.print_status, i.bill_email,
		CASE WHEN s.state <> 'deleted' THEN v.app_url || qbsync.page_path('invoice') || i.id END,
		i.deleted_at, i.last_updated_time
	FROM (
		SELECT k.connection, k.connection_id, k.app_url, k.language, qbsync.today(k.time_zone, $1) AS today
		FROM qbsync.visible_connection k OFFSET 0
	) v
	JOIN qbsync.invoice_as_of($1, $2) i ON i.connection_id = v.connection_id
	LEFT JOIN qbsync.customer_as_of($1, $2) c ON c.connection_id = i.connection_id AND c.id = i.customer_id
	LEFT JOIN qbsync.term_as_of($1, $2) t ON t.connection_id = i.connection_id AND t.id = i.term_id
	LEFT JOIN qbsync.customer_link r ON r.connection_id = i.connection_id AND r.id = i.customer_id
	LEFT JOIN (
		SELECT l.connection_id, l.txn_id, sum(l.amount) AS paid, max(m.txn_date) AS last_payment_date
		FROM qbsync.payment_line_as_of($1, $2) l
		JOIN qbsync.payment_as_of($1, $2) m ON m.connection_id = l.connection_id AND m.id = l.payment_id AND m.deleted_at IS NULL
		WHERE l.txn_type = 'Invoice'
		GROUP BY l.connection_id, l.txn_id
	) p ON p.connection_id = i.connection_id AND p.txn_id = i.id
	CROSS JOIN LATERAL (
		SELECT qbsync.invoice_state(i.deleted_at, i.total_amt, i.balance, i.private_note, (
				SELECT bool_and(l.qty IS NOT NULL AND l.qty = 0 AND coalesce(l.amount, 0) = 0)
				FROM qbsync.invoice_line_as_of($1, $2) l
				WHERE l.connection_id = i.connection_id AND l.invoice_id = i.id AND l.detail_type ILIKE 'sales%item%'
					AND i.sync_token <> '0')) AS state
		OFFSET 0
	) s
	CROSS JOIN LATERAL (SELECT s.state IN ('open', 'partially_paid') AND coalesce(i.due_date < v.today, false) AS overdue) o;
END;
COMMENT ON FUNCTION qbsync.invoice_status_as_of(timestamptz, text) IS 'qbsync.invoice_status as it was at a time; connection: the only one when left out. crm_table and crm_key are those of now. An error when that is not known: see qbsync.version_status';

CREATE FUNCTION qbsync.customer_summary_as_of(at timestamptz, connection text DEFAULT NULL)
RETURNS SETOF qbsync.customer_summary
LANGUAGE sql STABLE ROWS 1000
BEGIN ATOMIC
	SELECT v.connection, v.connection_id, c.id, c.display_name, r.crm_table, r.crm_key, c.company_name, c.active, c.parent_id, u.display_name,
		c.emails, coalesce(c.primary_phone, c.mobile, c.alternate_phone), t.name, c.currency, c.balance, c.balance_with_jobs,
		coalesce(i.open_balance, 0), coalesce(i.overdue_balance, 0), coalesce(i.overdue_count, 0), i.oldest_overdue_date, i.next_due_date,
		coalesce(i.invoice_count, 0), coalesce(a.paid_total, 0), coalesce(p.received_total, 0), coalesce(p.unapplied_total, 0),
		p.last_payment_date, p.last_payment_amount,
		coalesce(e.estimate_count, 0), coalesce(e.estimate_total, 0), coalesce(e.open_estimate_count, 0), coalesce(e.open_estimate_total, 0),
		v.app_url || qbsync.page_path('customer') || c.id,
		c.last_updated_time
	FROM qbsync.visible_connection v
	JOIN qbsync.customer_as_of($1, $2) c ON c.connection_id = v.connection_id AND c.deleted_at IS NULL
	LEFT JOIN qbsync.customer_as_of($1, $2) u ON u.connection_id = c.connection_id AND u.id = c.parent_id
	LEFT JOIN qbsync.term_as_of($1, $2) t ON t.connection_id = c.connection_id AND t.id = c.term_id
	LEFT JOIN qbsync.customer_link r ON r.connection_id = c.connection_id AND r.id = c.id
	LEFT JOIN (
		SELECT n.connection_id, n.customer_id, count(*) AS invoice_count,
			sum(n.balance) AS open_balance,
			sum(n.balance) FILTER (WHERE n.due_date < k.today) AS overdue_balance,
			count(*) FILTER (WHERE n.balance > 0 AND n.due_date < k.today) AS overdue_count,
			min(n.due_date) FILTER (WHERE n.balance > 0 AND n.due_date < k.today) AS oldest_overdue_date,
			min(n.due_date) FILTER (WHERE n.balance > 0 AND n.due_date >= k.today) AS next_due_date
		FROM qbsync.invoice_as_of($1, $2) n
		JOIN (SELECT o.connection_id, qbsync.today(o.time_zone, $1) AS today FROM qbsync.visible_connection o OFFSET 0) k ON k.connection_id = n.connection_id
		WHERE n.deleted_at IS NULL
		GROUP BY n.connection_id, n.customer_id
	) i ON i.connection_id = c.connection_id AND i.customer_id = c.id
	LEFT JOIN (
		SELECT n.connection_id, n.customer_id, sum(l.amount) AS paid_total
		FROM qbsync.invoice_as_of($1, $2) n
		JOIN qbsync.payment_line_as_of($1, $2) l ON l.connection_id = n.connection_id AND l.txn_id = n.id AND l.txn_type = 'Invoice'
		LEFT JOIN qbsync.payment_as_of($1, $2) d ON d.connection_id = l.connection_id AND d.id = l.payment_id AND d.deleted_at IS NOT NULL
		WHERE n.deleted_at IS NULL AND d.id IS NULL
		GROUP BY n.connection_id, n.customer_id
	) a ON a.connection_id = c.connection_id AND a.customer_id = c.id
	LEFT JOIN (
		SELECT m.connection_id, m.customer_id, sum(m.total_amt) AS received_total, sum(m.unapplied_amt) AS unapplied_total,
			max(m.txn_date) FILTER (WHERE m.total_amt > 0) AS last_payment_date,
			(array_agg(m.total_amt ORDER BY m.txn_date DESC NULLS LAST, m.create_time DESC NULLS LAST, m.id DESC)
				FILTER (WHERE m.total_amt > 0))[1] AS last_payment_amount
		FROM qbsync.payment_as_of($1, $2) m
		WHERE m.deleted_at IS NULL
		GROUP BY m.connection_id, m.customer_id
	) p ON p.connection_id = c.connection_id AND p.customer_id = c.id
	LEFT JOIN (
		SELECT n.connection_id, n.customer_id, count(*) AS estimate_count, sum(n.total_amt) AS estimate_total,
			count(*) FILTER (WHERE o.is_open) AS open_estimate_count,
			sum(n.total_amt) FILTER (WHERE o.is_open) AS open_estimate_total
		FROM qbsync.estimate_as_of($1, $2) n
		JOIN (SELECT q.connection_id, qbsync.today(q.time_zone, $1) AS today FROM qbsync.visible_connection q OFFSET 0) k ON k.connection_id = n.connection_id
		CROSS JOIN LATERAL (SELECT lower(coalesce(n.txn_status, 'Pending')) IN ('pending', 'accepted')
								AND coalesce(n.expiration_date >= k.today, true) AS is_open) o
		WHERE n.deleted_at IS NULL
		GROUP BY n.connection_id, n.customer_id
	) e ON e.connection_id = c.connection_id AND e.customer_id = c.id;
END;
COMMENT ON FUNCTION qbsync.customer_summary_as_of(timestamptz, text) IS 'qbsync.customer_summary as it was at a time; connection: the only one when left out. crm_table and crm_key are those of now. An error when that is not known: see qbsync.version_status';
