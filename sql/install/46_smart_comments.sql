/*
 * Keys of the views, for layers that make an API of a schema: views have no constraints, so the comments say them, in the notation
 * of PostGraphile's smart comments (lines that begin with @, ahead of the comment proper).
 *
 * customers: it has the columns connection_id and customer_id.  Every view of a company refers to its status.
 */
DO $do$
DECLARE
	v record;
BEGIN
	FOR v IN
		SELECT k.view, k.key, k.others,
			EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = format('qbsync.%I', k.view)::regclass AND a.attname = 'connection_id') AND k.view <> 'status' AS of_company,
			EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = format('qbsync.%I', k.view)::regclass AND a.attname = 'customer_id') AS of_customer
		FROM (VALUES
			('status', 'connection_id', NULL),
			('progress', 'connection_id,entity', NULL),
			('mapping_status', 'mapping_id', NULL),
			('customer_summary', 'connection_id,id', '(connection_id,parent_id) references qbsync.customer_summary (connection_id,id)'),
			('customer_link', 'connection_id,id', '(connection_id,id) references qbsync.customer_summary (connection_id,id)'),
			('invoice_status', 'connection_id,id', NULL),
			('invoice_payment', NULL, '(connection_id,invoice_id) references qbsync.invoice_status (connection_id,id)'),
			('estimate_status', 'connection_id,id', NULL),
			('aging', 'connection_id,customer_id,currency', NULL),
			('pipeline', 'connection_id,entity,id', NULL),
			('sale_line', 'connection_id,entity,txn_id,position,component', NULL),
			('custom_field', 'connection_id,entity,id,definition_id', NULL),
			('matched', 'connection_id,mapping,id', NULL),
			('unlinked', 'connection_id,mapping,id', NULL),
			('duplicate', 'connection_id,mapping,id,crm_key', NULL),
			('conflict_open', 'conflict_id', NULL),
			('error_open', 'error_id', NULL),
			('pending', 'connection_id,mapping,crm_key', NULL),
			('timeline', 'event_id', NULL),
			('record_change', 'connection_id,entity,id,at', NULL),
			('closed_period_change', 'connection_id,entity,id,at', NULL),
			('version_status', 'connection_id,entity', NULL)
		) AS k(view, key, others)
	LOOP
		EXECUTE format('COMMENT ON VIEW qbsync.%I IS %L', v.view,
			concat_ws(chr(10), '@primaryKey ' || v.key,
				CASE WHEN v.of_company THEN '@foreignKey (connection_id) references qbsync.status (connection_id)' END,
				CASE WHEN v.of_customer THEN '@foreignKey (connection_id,customer_id) references qbsync.customer_summary (connection_id,id)' END,
				'@foreignKey ' || v.others, obj_description(format('qbsync.%I', v.view)::regclass, 'pg_class')));
	END LOOP;
END
$do$;
