/*
 * What pg_dump carries besides CREATE EXTENSION: what people made.  Never secrets, sign-ins, the mirror, cursors, jobs
 * or logs: a restored database starts as a clone without tokens and reads its companies anew.
 *
 * The sequence belongs to it, or the first connection made after a restore would get a number that is taken.
 */
SELECT pg_extension_config_dump('qbsync.environment', 'WHERE name NOT IN (''sandbox'', ''production'')');
SELECT pg_extension_config_dump('qbsync.app', '');
SELECT pg_extension_config_dump('qbsync.connection', '');
SELECT pg_extension_config_dump('qbsync.connection_connection_id_seq', '');
