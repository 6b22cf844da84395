/*
 * What pg_dump carries besides CREATE EXTENSION: what people made.  Never secrets, sign-ins, the mirror and its past,
 * cursors, jobs or logs: a restored database starts as a clone without tokens and reads its companies anew.  Nor work under way on the
 * CRM side (arrival, crm_error, send_error) and what happened (history, activity).
 *
 * The sequences belong to it, or the first connection made after a restore would get a number that is taken.  Views are
 * dumped by name (regclass) and are there before any rows are.  Presets are dumped as far as they are not shipped.
 */
SELECT pg_extension_config_dump('qbsync.environment', 'WHERE name NOT IN (''sandbox'', ''production'')');
SELECT pg_extension_config_dump('qbsync.app', '');
SELECT pg_extension_config_dump('qbsync.connection', '');
SELECT pg_extension_config_dump('qbsync.connection_connection_id_seq', '');
SELECT pg_extension_config_dump('qbsync.mapping', '');
SELECT pg_extension_config_dump('qbsync.mapping_mapping_id_seq', '');
SELECT pg_extension_config_dump('qbsync.watch', '');
SELECT pg_extension_config_dump('qbsync.watch_watch_id_seq', '');
SELECT pg_extension_config_dump('qbsync.column_policy', '');
SELECT pg_extension_config_dump('qbsync.value_map', '');
SELECT pg_extension_config_dump('qbsync.event_rule', '');
SELECT pg_extension_config_dump('qbsync.event_rule_event_rule_id_seq', '');
SELECT pg_extension_config_dump('qbsync.match_rule', '');
SELECT pg_extension_config_dump('qbsync.preset', 'WHERE preset NOT IN (''safe'', ''capsule'', ''orderry'', ''centrixone'', ''pipedrive'', ''karbon'')');
SELECT pg_extension_config_dump('qbsync.stage', 'WHERE NOT shipped');
SELECT pg_extension_config_dump('qbsync.label', 'WHERE language NOT IN (''en'', ''fr'')');
SELECT pg_extension_config_dump('qbsync.capture', '');
SELECT pg_extension_config_dump('qbsync.link', '');
SELECT pg_extension_config_dump('qbsync.match_candidate', '');
SELECT pg_extension_config_dump('qbsync.decision', '');
SELECT pg_extension_config_dump('qbsync.decision_decision_id_seq', '');
SELECT pg_extension_config_dump('qbsync.conflict', '');
SELECT pg_extension_config_dump('qbsync.conflict_conflict_id_seq', '');
SELECT pg_extension_config_dump('qbsync.request', '');
SELECT pg_extension_config_dump('qbsync.request_request_id_seq', '');
SELECT pg_extension_config_dump('qbsync.outgoing', '');
SELECT pg_extension_config_dump('qbsync.create_generation', '');
SELECT pg_extension_config_dump('qbsync.merged', '');
