-- The tables of connection :connection beside the simulator's own store, record by record.  :directory holds one file per
-- entity with what the simulator answers (GET /control/store?entity=…).
WITH file (entity, object) AS (
	VALUES ('customer', 'Customer'), ('invoice', 'Invoice'), ('payment', 'Payment'), ('estimate', 'Estimate'), ('item', 'Item'), ('term', 'Term')
), theirs AS (
	SELECT f.entity, o ->> 'Id' AS id, o AS record
	FROM file f
	CROSS JOIN LATERAL jsonb_array_elements(pg_read_file(:'directory' || '/' || f.object || '.json')::jsonb -> 'objects') AS o
), tables AS (
	SELECT 'customer' AS entity, connection_id, id, raw FROM qbsync.customer WHERE deleted_at IS NULL
	UNION ALL SELECT 'invoice', connection_id, id, raw FROM qbsync.invoice WHERE deleted_at IS NULL
	UNION ALL SELECT 'payment', connection_id, id, raw FROM qbsync.payment WHERE deleted_at IS NULL
	UNION ALL SELECT 'estimate', connection_id, id, raw FROM qbsync.estimate WHERE deleted_at IS NULL
	UNION ALL SELECT 'item', connection_id, id, raw FROM qbsync.item WHERE deleted_at IS NULL
	UNION ALL SELECT 'term', connection_id, id, raw FROM qbsync.term WHERE deleted_at IS NULL
), ours AS (
	SELECT t.entity, t.id, t.raw FROM tables t JOIN qbsync.connection c USING (connection_id) WHERE c.name = :'connection'
)
SELECT entity, count(theirs.id) AS "in QuickBooks", count(ours.id) AS here,
	count(*) FILTER (WHERE theirs.record IS DISTINCT FROM ours.raw) AS different
FROM theirs FULL JOIN ours USING (entity, id)
GROUP BY entity
ORDER BY entity;
