/*
 * What reconciliations found, with the record before and after.  An entity's rows are for those who may read its table.
 */
CREATE VIEW qbsync.drift_found WITH (security_barrier) AS
SELECT v.connection, v.connection_id, d.entity, d.id,
	(SELECT r.name FROM qbsync.record r WHERE r.connection_id = d.connection_id AND r.entity = d.entity AND r.id = d.id) AS name,
	d.kind, d.found_at, d.repaired_at, d.repaired_at IS NULL AS is_open,
	d.expected, d.found, d.found - d.expected AS difference,
	(SELECT r.raw FROM qbsync.record_version r
	 WHERE r.connection_id = d.connection_id AND r.entity = d.entity AND r.id = d.id AND r.valid_to = d.seen_at LIMIT 1) AS before,
	CASE WHEN d.kind IN ('missed_create', 'missed_change') THEN coalesce(
		(SELECT r.raw FROM qbsync.record_version r
		 WHERE r.connection_id = d.connection_id AND r.entity = d.entity AND r.id = d.id AND r.valid_from = d.seen_at AND r.valid_to > d.seen_at LIMIT 1),
		(SELECT r.raw FROM qbsync.record r
		 WHERE r.connection_id = d.connection_id AND r.entity = d.entity AND r.id = d.id AND r.seen_at = d.seen_at)) END AS after
FROM qbsync.visible_connection v
JOIN qbsync.drift d ON d.connection_id = v.connection_id
WHERE d.entity = ANY (ARRAY(SELECT qbsync.readable_entities()));
COMMENT ON VIEW qbsync.drift_found IS 'What comparing mirror and company found: what no poll brought (repaired by then), and sums that do not add up; open ones first need QuickBooks'' or a person''s attention';
COMMENT ON COLUMN qbsync.drift_found.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.drift_found.name IS 'name or number of the record';
COMMENT ON COLUMN qbsync.drift_found.kind IS 'missed_create, missed_change, missed_delete: the comparison brought it, no poll had; tie_out: balance and payments do not add up';
COMMENT ON COLUMN qbsync.drift_found.repaired_at IS 'when the mirror was right again';
COMMENT ON COLUMN qbsync.drift_found.is_open IS 'it still differs although QuickBooks was asked again';
COMMENT ON COLUMN qbsync.drift_found.expected IS 'of tie_out: the balance by the records of the mirror, in the record''s currency';
COMMENT ON COLUMN qbsync.drift_found.found IS 'of tie_out: the balance QuickBooks says';
COMMENT ON COLUMN qbsync.drift_found.before IS 'of what was missed: the record as it was here; null when it was not, or versions are not kept';
COMMENT ON COLUMN qbsync.drift_found.after IS 'of what was missed: the record as the comparison brought it';
