/*
 * Custom fields by name.  QuickBooks' classic ones are slots: a form says the slot (DefinitionId) and mostly its name, the
 * preferences say the name that people gave it.  The newer ones, of customers, suppliers and items as well, say their names
 * themselves; they come only to who asks for them (setting custom_fields).
 */
CREATE FUNCTION qbsync.slot_name(preferences jsonb, entity text, definition_id text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT f ->> 'StringValue'
	FROM jsonb_path_query(CASE WHEN slot_name.entity IN ('purchase_order', 'purchase') THEN slot_name.preferences #> '{VendorAndPurchasesPrefs,POCustomField}'
							   WHEN slot_name.entity IN ('customer', 'vendor', 'item') THEN NULL
							   ELSE slot_name.preferences #> '{SalesFormsPrefs,CustomField}' END, 'lax $[*].CustomField[*]') f
	WHERE f ->> 'Name' LIKE '%CustomName' || slot_name.definition_id
	LIMIT 1;
$fn$;
COMMENT ON FUNCTION qbsync.slot_name(jsonb, text, text) IS 'Name that the preferences give a slot of custom fields; null: none';

/* Made from the catalogue, so that a new entity is in it (upgrade scripts call the function again). */
CREATE FUNCTION qbsync.create_custom_field_view()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	EXECUTE (
		SELECT format($sql$
			CREATE OR REPLACE VIEW qbsync.custom_field AS
			SELECT v.connection, v.connection_id, r.entity, r.id, f ->> 'DefinitionId' AS definition_id,
				coalesce(nullif(f ->> 'Name', ''), qbsync.slot_name(p.raw, r.entity, f ->> 'DefinitionId'), f ->> 'DefinitionId') AS name,
				coalesce(f ->> 'StringValue', f ->> 'NumberValue', f ->> 'DateValue', f ->> 'BooleanValue') AS value
			FROM (%s) r
			JOIN qbsync.visible_connection v ON v.connection_id = r.connection_id
			LEFT JOIN qbsync.preferences p ON p.connection_id = r.connection_id
			CROSS JOIN LATERAL jsonb_path_query(r.custom_fields, 'lax $[*]') f$sql$,
			string_agg(format('SELECT t.connection_id, %L::text AS entity, t.id, t.custom_fields FROM qbsync.%I t '
							  'WHERE t.deleted_at IS NULL AND t.custom_fields IS NOT NULL AND qbsync.may_see(%1$L)', e.entity, e.entity), ' UNION ALL ' ORDER BY e.load_order))
		FROM qbsync.catalogue e
		WHERE EXISTS (SELECT FROM qbsync.catalogue_column c WHERE c."table" = e.entity AND c."column" = 'custom_fields'));
END
$fn$;
COMMENT ON FUNCTION qbsync.create_custom_field_view() IS 'Makes the view qbsync.custom_field as the catalogue says; install and upgrade scripts call it';
SELECT qbsync.create_custom_field_view();
COMMENT ON VIEW qbsync.custom_field IS 'Custom fields of QuickBooks'' forms, one row each, by name; with the setting custom_fields the newer ones, too, also those of customers, suppliers and items';
COMMENT ON COLUMN qbsync.custom_field.connection IS 'name of the connection';
COMMENT ON COLUMN qbsync.custom_field.id IS 'QuickBooks'' id of the form or record';
COMMENT ON COLUMN qbsync.custom_field.definition_id IS 'QuickBooks'' id of the field: the number of the slot, or a long number of a newer one; it stays when the field is renamed';
COMMENT ON COLUMN qbsync.custom_field.name IS 'name on the form, else the one of the slot in the preferences';
COMMENT ON COLUMN qbsync.custom_field.value IS 'its value, as text; null: empty';

/* For poll.c.  Change data capture repeats itself, so what is here in this version is not fetched again. */
CREATE FUNCTION qbsync.note_changed(connection_id integer, entity text, ids text[], sync_tokens text[], times text[])
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('INSERT INTO qbsync.lookup (connection_id, entity, id) SELECT $1, $2, c.id FROM unnest($3, $4, $5) AS c(id, sync_token, at) '
			'WHERE c.id ~ ''^[0-9]+$'' AND NOT EXISTS (SELECT FROM qbsync.%I m WHERE m.connection_id = $1 AND m.id = c.id COLLATE "C" AND m.deleted_at IS NULL '
			'AND m.sync_token = c.sync_token AND m.raw #>> ''{MetaData,LastUpdatedTime}'' = c.at) ON CONFLICT DO NOTHING', note_changed.entity)
		USING note_changed.connection_id, note_changed.entity, note_changed.ids, note_changed.sync_tokens, note_changed.times;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END
$fn$;
COMMENT ON FUNCTION qbsync.note_changed(integer, text, text[], text[], text[]) IS 'Internal: records that change data capture told of, with their SyncTokens and times, are to be fetched by query where the mirror has them otherwise; their number';
