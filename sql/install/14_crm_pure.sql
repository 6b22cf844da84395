/*
 * What follows from values alone: merging, comparing, telling persons from organisations.  No function here reads a table,
 * so plan and worker cannot come to different results.
 */

CREATE TYPE qbsync.merge_result AS (
	write jsonb, send jsonb, conflict jsonb, new_base jsonb, new_crm_base jsonb, new_unagreed text[]
);
COMMENT ON TYPE qbsync.merge_result IS 'What qbsync.merge() gives';

CREATE FUNCTION qbsync.merge(rules jsonb, base jsonb, crm_base jsonb, unagreed text[], ours jsonb, theirs jsonb,
	ours_at timestamptz, theirs_at timestamptz)
RETURNS qbsync.merge_result
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'qbsync_merge';
COMMENT ON FUNCTION qbsync.merge(jsonb, jsonb, jsonb, text[], jsonb, jsonb, timestamptz, timestamptz) IS
	'Merges the CRM''s canonical row (ours) with QuickBooks'' (theirs) by what both last agreed on (base, crm_base, unagreed as in qbsync.link), unit by unit: write: columns for the CRM; send: columns that wait for QuickBooks; conflict: what a person decides; new_…: what is to be stored once write was done. rules as qbsync.merge_rules() makes them; columns not in them are left alone';

CREATE FUNCTION qbsync.crm_shown(written jsonb, shown jsonb, crm_base jsonb)
RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'qbsync_crm_shown';
COMMENT ON FUNCTION qbsync.crm_shown(jsonb, jsonb, jsonb) IS
	'crm_base after a write: of the columns written, those the CRM then shows otherwise, as it shows them; the other columns as they were; null when there are none';

CREATE TYPE qbsync.agreed_result AS (names text[], units text[], base jsonb, crm_base jsonb);
COMMENT ON TYPE qbsync.agreed_result IS 'What qbsync.agreed() gives';

CREATE FUNCTION qbsync.agreed(columns text[], created boolean, once_more boolean, sent jsonb, ours jsonb, theirs jsonb, later jsonb)
RETURNS qbsync.agreed_result
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 50
AS 'MODULE_PATHNAME', 'qbsync_agreed';
COMMENT ON FUNCTION qbsync.agreed(text[], boolean, boolean, jsonb, jsonb, jsonb, jsonb) IS
	'What is agreed on of a record when QuickBooks has carried out what was sent of it (sent), of columns given as name, name it is sent by, unit and whether it goes out (t, f): names and units concerned (those that were sent, after a creation all that go out), base: QuickBooks'' canonical row (theirs), where a later version (null: there is none) shows something else than was sent the CRM''s (ours); crm_base: what the CRM showed otherwise. once_more: what was to be emptied and was not is left out';

CREATE FUNCTION qbsync.strip("row" jsonb)
RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'qbsync_strip';
COMMENT ON FUNCTION qbsync.strip(jsonb) IS 'A canonical row: without members that are empty (null, empty text, empty list), and lists without nulls and empty texts';

CREATE FUNCTION qbsync.column_names("row" jsonb)
RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'qbsync_column_names';
COMMENT ON FUNCTION qbsync.column_names(jsonb) IS 'The names of a canonical row''s columns, a list in order of their bytes';

CREATE FUNCTION qbsync.canonical(VARIADIC pairs "any")
RETURNS jsonb
LANGUAGE c STABLE PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'qbsync_canonical';
COMMENT ON FUNCTION qbsync.canonical("any") IS 'A canonical row of names (literals) and values, those that are empty left out; times as the session''s TimeZone has them';

CREATE FUNCTION qbsync.normalize_name(name text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'qbsync_normalize_name';
COMMENT ON FUNCTION qbsync.normalize_name(text) IS
	'A name as matching compares it: without case, accents, punctuation and QuickBooks'' " (deleted)", whatever the database''s locale; null when nothing is left';

/* Its body is parsed now, so no search_path can mislead it; without a SET clause it is merged into the query that calls it. */
CREATE FUNCTION qbsync.own_name(name text, active boolean)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN active OR name NOT LIKE '% (deleted%' THEN name WHEN name LIKE '% (deleted)' THEN left(name, -10)
	ELSE regexp_replace(name, ' \(deleted( \d+)?\)$', '') END;
COMMENT ON FUNCTION qbsync.own_name(text, boolean) IS 'The name of a record without the " (deleted)" or " (deleted 2)" that QuickBooks puts behind it when it is made inactive';

CREATE FUNCTION qbsync.normalize_email(email text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'qbsync_normalize_email';
COMMENT ON FUNCTION qbsync.normalize_email(text) IS 'An e-mail address as matching compares it: lower case, no blanks around it; null when it is none';

CREATE FUNCTION qbsync.contact_kind(rule text, display_name text, company_name text, given_name text, family_name text)
RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'qbsync_contact_kind';
COMMENT ON FUNCTION qbsync.contact_kind(text, text, text, text, text) IS
	'person or organisation, by a policy kind_rule: company_equals_display_name (Karbon), company_in_display_name (Capsule: CAP-23, CAP-24), both (X-8, also for null)';
