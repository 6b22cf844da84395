/*
 * Since when the past is known: what the functions qbsync.…_as_of can be asked.
 */
CREATE VIEW qbsync.version_status WITH (security_barrier) AS
SELECT v.connection, v.connection_id, r.entity, k.since AS known_since, d.days AS version_days
FROM qbsync.visible_connection v
JOIN qbsync.cursor r ON r.connection_id = v.connection_id AND r.entity <> '*' AND qbsync.may_see(r.entity)
CROSS JOIN LATERAL qbsync.version_days(v.connection_id) AS d(days)
CROSS JOIN LATERAL qbsync.known_since(r.connection_id, r.entity) AS k(since);
COMMENT ON VIEW qbsync.version_status IS 'Since when it is known what the records of each entity were, and for how long superseded versions are kept';
COMMENT ON COLUMN qbsync.version_status.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.version_status.known_since IS 'the earliest time that qbsync_as_of and the functions qbsync.…_as_of can be asked for; null: none, versions are not kept or the entity is not loaded yet';
COMMENT ON COLUMN qbsync.version_status.version_days IS 'setting version_days in force: 0: superseded versions are not kept';
