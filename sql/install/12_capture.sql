/*
 * Changes of the CRM that somebody has to look at, written by the triggers of 37_capture.sql in the CRM's own transactions.
 *
 * The layout is frozen: triggers of one version of the library write for readers of another.  Rows are added below the
 * executor: no index, constraint, trigger or rule on this table would be heeded, and none may be made; appending is what every
 * write of a watched table waits for.  It fills in bursts and is empty most of the time, so autovacuum goes by numbers of
 * rows and not by parts of the table, and what is only inserted needs none.  REPLICA IDENTITY FULL: without a key, deleting
 * would be refused where a publication has all tables.
 */
CREATE TABLE qbsync.capture (
	watch_id	integer NOT NULL,
	key			text COLLATE "C",
	xid			xid8 NOT NULL,
	at			timestamptz NOT NULL,
	was			text COLLATE "C"
) USING heap WITH (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_threshold = -1,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000
);
ALTER TABLE qbsync.capture REPLICA IDENTITY FULL;
COMMENT ON TABLE qbsync.capture IS 'Records of the CRM that may have changed, added by triggers on the tables of the watch lists; whoever has looked at a record deletes the rows it has read. The layout is frozen, and the table must never get an index, constraint or trigger: rows are added without looking for any';
COMMENT ON COLUMN qbsync.capture.watch_id IS 'which watched table; of one that is not watched any more the row means nothing';
COMMENT ON COLUMN qbsync.capture.key IS 'text of the watch''s key_columns, as crm_key is made: of several the text of a JSON array. Null: it is not known which record, so all of the watch have to be looked at';
COMMENT ON COLUMN qbsync.capture.xid IS 'transaction of the change; in a restored database that of the original';
COMMENT ON COLUMN qbsync.capture.at IS 'start of the statement of the change';
COMMENT ON COLUMN qbsync.capture.was IS 'the key that the row had before this change, where it has another now: that record is to be looked at, too';
