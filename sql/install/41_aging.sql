/*
 * Who owes what for how long: one row per customer and currency, never a sum across currencies (EXT-20).
 *
 * Grouped, because people sort and sum the whole list, company by company in the order of partial indexes that hold everything it
 * needs: of half a million invoices those that are open are a few thousand, and nothing has to be sorted or hashed (the ORDER BYs
 * say so to the planner, who takes the groups for few).  What only decorates is a sub-select, worked out for the rows that are shown;
 * asking by crm_key therefore costs as much as the list, asking by customer_id, also of what a sub-select finds in customer_link,
 * next to nothing.
 */
CREATE INDEX invoice_open_idx ON qbsync.invoice (connection_id, customer_id, currency) INCLUDE (due_date, txn_date, balance)
	WHERE balance <> 0 AND deleted_at IS NULL;
COMMENT ON INDEX qbsync.invoice_open_idx IS 'Open invoices, for qbsync.aging';
CREATE INDEX payment_unapplied_idx ON qbsync.payment (connection_id, customer_id, currency) INCLUDE (unapplied_amt)
	WHERE unapplied_amt <> 0 AND deleted_at IS NULL;
COMMENT ON INDEX qbsync.payment_unapplied_idx IS 'Payments not applied to anything yet, for qbsync.aging';

CREATE INDEX credit_memo_open_idx ON qbsync.credit_memo (connection_id, customer_id, currency) INCLUDE (balance)
	WHERE balance <> 0 AND deleted_at IS NULL;
COMMENT ON INDEX qbsync.credit_memo_open_idx IS 'Credit memos not used up, for qbsync.aging';

/*
 * sum() sets up a state of some hundred bytes for each group and each sum, which is most of the work where nearly every group is of
 * one row.
 */
CREATE AGGREGATE qbsync.sum_of_few(numeric) (SFUNC = numeric_add, STYPE = numeric, PARALLEL = SAFE);
COMMENT ON AGGREGATE qbsync.sum_of_few(numeric) IS 'As sum(), faster for many groups of a few rows each, slower for large ones';

/* A page of a sorted list: what is dear is worked out after the sort, of the rows that are shown, and less has to be sorted. */
CREATE FUNCTION qbsync.shown(numeric)
RETURNS numeric
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'numeric_uplus';
COMMENT ON FUNCTION qbsync.shown(numeric) IS 'The amount itself; declared dear, so that a list is sorted and cut off before it is worked out, but for the column it is sorted by';

CREATE VIEW qbsync.aging AS
SELECT a.connection, a.connection_id, a.customer_id,
	(SELECT k.display_name FROM qbsync.customer k WHERE k.connection_id = a.connection_id AND k.id = a.customer_id) AS customer,
	(SELECT m.crm_table FROM qbsync.link r JOIN qbsync.mapping m ON m.mapping_id = r.mapping_id
	 WHERE r.connection_id = a.connection_id AND r.entity = 'customer' AND r.id = a.customer_id AND r.family = 0) AS crm_table,
	(SELECT r.crm_key FROM qbsync.link r
	 WHERE r.connection_id = a.connection_id AND r.entity = 'customer' AND r.id = a.customer_id AND r.family = 0) AS crm_key,
	a.currency,
	qbsync.shown(coalesce(a.not_due, 0)) AS not_due, qbsync.shown(coalesce(a.days_1_30, 0)) AS days_1_30,
	qbsync.shown(coalesce(a.days_31_60, 0)) AS days_31_60, qbsync.shown(coalesce(a.days_61_90, 0)) AS days_61_90,
	qbsync.shown(coalesce(a.days_over_90, 0)) AS days_over_90,
	qbsync.shown(coalesce(a.open_balance, 0)) AS open_balance, qbsync.shown(coalesce(a.credit, 0)) AS credit,
	qbsync.shown(coalesce(a.open_balance, 0) - coalesce(a.credit, 0)) AS net_balance,
	a.invoice_count, a.oldest_due_date
FROM (
	SELECT v.connection, v.connection_id, g.*
	FROM qbsync.visible_connection v
	CROSS JOIN LATERAL (
		SELECT o.customer_id, o.currency,
			qbsync.sum_of_few(o.balance) FILTER (WHERE o.days <= 0) AS not_due,
			qbsync.sum_of_few(o.balance) FILTER (WHERE o.days BETWEEN 1 AND 30) AS days_1_30,
			qbsync.sum_of_few(o.balance) FILTER (WHERE o.days BETWEEN 31 AND 60) AS days_31_60,
			qbsync.sum_of_few(o.balance) FILTER (WHERE o.days BETWEEN 61 AND 90) AS days_61_90,
			qbsync.sum_of_few(o.balance) FILTER (WHERE o.days > 90) AS days_over_90,
			qbsync.sum_of_few(o.balance) AS open_balance, qbsync.sum_of_few(o.credit) AS credit,
			count(o.balance) AS invoice_count, v.today - max(o.days) FILTER (WHERE o.balance > 0) AS oldest_due_date
		FROM (
			(SELECT i.customer_id, i.currency, i.balance, NULL::numeric AS credit, v.today - coalesce(i.due_date, i.txn_date) AS days
			 FROM qbsync.invoice i WHERE i.connection_id = v.connection_id AND i.balance <> 0 AND i.deleted_at IS NULL ORDER BY 1, 2)
			UNION ALL
			(SELECT p.customer_id, p.currency, NULL, p.unapplied_amt, NULL
			 FROM qbsync.payment p WHERE p.connection_id = v.connection_id AND p.unapplied_amt <> 0 AND p.deleted_at IS NULL ORDER BY 1, 2)
			UNION ALL
			(SELECT c.customer_id, c.currency, NULL, c.balance, NULL
			 FROM qbsync.credit_memo c WHERE c.connection_id = v.connection_id AND c.balance <> 0 AND c.deleted_at IS NULL ORDER BY 1, 2)
			ORDER BY 1, 2
		) o
		GROUP BY o.customer_id, o.currency
	) g
) a;
COMMENT ON VIEW qbsync.aging IS 'What each customer owes, by how long it is overdue today in the company''s time zone; one row per customer and currency. A sub-customer''s invoices are its own';
COMMENT ON COLUMN qbsync.aging.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.aging.crm_table IS 'table of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.aging.crm_key IS 'key of the CRM record the customer is linked with; null when it is not';
COMMENT ON COLUMN qbsync.aging.currency IS 'of all amounts of the row';
COMMENT ON COLUMN qbsync.aging.not_due IS 'open balance of invoices due today or later; one without a due date is due on its own date';
COMMENT ON COLUMN qbsync.aging.days_1_30 IS 'open balance of invoices overdue for 1 to 30 days';
COMMENT ON COLUMN qbsync.aging.days_over_90 IS 'open balance of invoices overdue for more than 90 days';
COMMENT ON COLUMN qbsync.aging.open_balance IS 'sum of the balances of its invoices';
COMMENT ON COLUMN qbsync.aging.credit IS 'payments not applied and credit memos not used yet; QuickBooks does not say to which invoices they will go, so they age nothing';
COMMENT ON COLUMN qbsync.aging.net_balance IS 'open_balance less credit';
COMMENT ON COLUMN qbsync.aging.invoice_count IS 'number of open invoices';
COMMENT ON COLUMN qbsync.aging.oldest_due_date IS 'due date of its oldest open invoice';
