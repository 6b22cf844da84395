/* Secrets: called by functions of this script only, and by superusers. */

CREATE FUNCTION qbsync.store_secret(owner_kind text, owner text, kind text, secret text, origin_hash text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'qbsync_store_secret';
REVOKE ALL ON FUNCTION qbsync.store_secret(text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION qbsync.store_secret(text, text, text, text, text) IS
	'Encrypts a secret of an app (owner = its name) or a connection (owner = connection_id) and stores it; warns when the secret stands in the statement''s text. origin_hash null keeps the stored one';

CREATE FUNCTION qbsync.secret_hash(secret text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'qbsync_secret_hash_sql';
REVOKE ALL ON FUNCTION qbsync.secret_hash(text) FROM PUBLIC;
COMMENT ON FUNCTION qbsync.secret_hash(text) IS 'SHA-256 of a secret in hexadecimal, as kept in qbsync.secret.origin_hash';

CREATE FUNCTION qbsync.key_status()
RETURNS text
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'qbsync_key_status';
REVOKE ALL ON FUNCTION qbsync.key_status() FROM PUBLIC;
COMMENT ON FUNCTION qbsync.key_status() IS 'Null when the key file (qbsync.key_file) can be used, else why not';
