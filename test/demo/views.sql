-- What the views say beside the same worked out from the simulator's store alone: invoices and money by label, and what
-- customers owe.  :directory as in compare.sql; :time_zone is the company's.
WITH store AS (
	SELECT pg_read_file(:'directory' || '/Invoice.json')::jsonb AS invoices,
		pg_read_file(:'directory' || '/Customer.json')::jsonb AS customers,
		(statement_timestamp() AT TIME ZONE :'time_zone')::date AS today
), invoice AS (
	SELECT (o ->> 'Balance')::numeric AS balance, (o ->> 'TotalAmt')::numeric AS total, (o ->> 'DueDate')::date AS due,
		coalesce(o ->> 'PrivateNote', '') LIKE 'Voided%' AS voided, today
	FROM store CROSS JOIN LATERAL jsonb_array_elements(invoices -> 'objects') AS o
), theirs AS (
	SELECT CASE
			WHEN voided THEN 'Voided'
			WHEN balance = 0 THEN 'Paid'
			WHEN due < today THEN 'Overdue'
			WHEN balance < total THEN 'Partially paid'
			ELSE 'Open' END AS label, balance
	FROM invoice
	UNION ALL
	SELECT 'customers owe', (o ->> 'Balance')::numeric
	FROM store CROSS JOIN LATERAL jsonb_array_elements(customers -> 'objects') AS o
), ours AS (
	SELECT label, balance FROM qbsync.invoice_status WHERE connection = :'connection' AND state <> 'deleted'
	UNION ALL
	SELECT 'customers owe', balance FROM qbsync.customer_summary WHERE connection = :'connection'
)
SELECT label, t.n AS "in QuickBooks", o.n AS here, t.balance AS "balance in QuickBooks", o.balance AS "balance here"
FROM (SELECT label, count(*) AS n, sum(balance) AS balance FROM theirs GROUP BY label) t
FULL JOIN (SELECT label, count(*) AS n, sum(balance) AS balance FROM ours GROUP BY label) o USING (label)
ORDER BY label;
