/*
 * What was sent to QuickBooks and has no answer.  Nothing of it is stored: a request is 'sent' until its outcome is recorded.
 */

INSERT INTO qbsync.problem (code, needs_person, meaning, remedy) VALUES
	('send_unanswered', false, 'It was sent to QuickBooks, and no answer has come: whether it was carried out is not known. What QuickBooks shows of it since, and new customers that may be it, are not taken over before it is.', 'Nothing while the company is live: it is sent again, in a way that does it only once, until QuickBooks answers (calls and Intuit''s trace ids: qbsync.http_log), and a record that was to be created is looked for by its name. While the company is paused or disconnected nobody asks: see in QuickBooks whether it is there; it is asked for as soon as the company is live again.');

INSERT INTO qbsync.label (kind, value, language, label) VALUES
	('sentence', 'wait_for_it', 'en', 'Until that is known these wait: %s.'),
	('sentence', 'wait_for_it', 'fr', 'En attendant de le savoir, attendent : %s.');

/* Those that are on their way for a while, or were when a person ended it. */
CREATE VIEW qbsync.unanswered AS
SELECT r.request_id, r.mapping_id, r.connection_id, r.entity, r.id, r.crm_key,
	coalesce(r.sent_values ->> 'display_name', r.sent_values ->> 'name', r.sent_values ->> 'doc_number') AS record_name, r.first_sent_at, r.sent_at,
	(SELECT string_agg(w.what, ', ' ORDER BY w.n) FILTER (WHERE w.n <= 10) || CASE WHEN count(*) > 10 THEN ', …' ELSE '' END
	 FROM (SELECT m.entity || ' ' || a.id AS what, row_number() OVER (ORDER BY m.entity, length(a.id), a.id) AS n
		   FROM qbsync.arrival a JOIN qbsync.mapping m ON m.mapping_id = a.mapping_id
		   WHERE a.action = 'after' AND (a.arguments ->> 'request_id')::bigint = r.request_id
		   GROUP BY m.entity, a.id) w) AS waiting
FROM qbsync.request r
JOIN qbsync.connection c ON c.connection_id = r.connection_id
WHERE r.state IN ('sent', 'check') AND (r.first_sent_at < statement_timestamp() - interval '5 minutes' OR c.state = 'disconnected' AND r.first_sent_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM qbsync.send_error e WHERE e.mapping_id = r.mapping_id AND e.crm_key = r.crm_key AND e.problem = 'settle_fails');
COMMENT ON VIEW qbsync.unanswered IS 'Requests that were sent to QuickBooks and of which it is not known what became of them: for more than five minutes, or of companies that were disconnected';
COMMENT ON COLUMN qbsync.unanswered.waiting IS 'QuickBooks records that are not looked at before it is answered, the first ten; null: none';
