/* Triggers on tables of the CRM: what 37_capture.sql and 37_guard.sql want, and 37_trigger.sql makes. */

CREATE TYPE qbsync.wanted_trigger AS (
	relation		regclass,
	trigger_name	name,
	event			text,
	function_name	text,
	arguments		text[]
);
COMMENT ON TYPE qbsync.wanted_trigger IS 'A trigger that a mapping should have; event has %s for the table, the function is one of qbsync''s';
