/*
 * mapping.c
 *		Loading a mapping.  See mapping.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "common/unit.h"
#include "crm/mapping.h"
#include "crm/role.h"

/* Columns of the statement below, in order. */
enum
{
	COLUMN_CONNECTION_ID = 1,
	COLUMN_NAME,
	COLUMN_ENTITY,
	COLUMN_VIEW,
	COLUMN_VIEW_NAME,
	COLUMN_LINE_VIEW,
	COLUMN_LINE_VIEW_NAME,
	COLUMN_ROLE,
	COLUMN_SEARCH_PATH,
	COLUMN_SETTINGS,
	COLUMN_ENABLED,
	COLUMN_FIRST_SYNC,
	COLUMN_SWEEP_AFTER
};

/* The texts of the statements. */
static void
load_statements(Mapping *mapping, MemoryContext context)
{
	static SqlStatement select = {
		"SELECT s.read_rows, s.read_match, s.\"insert\", s.\"delete\", s.delete_lines, s.insert_lines, "
		"s.linked, s.match, s.decide, s.sweep, s.reread FROM qbsync.mapping_statements($1) s",
		1, {INT4OID}
	};
	MappingStatements *statements = &mapping->statements;
	char	  **const texts[] = {
		&statements->read_rows, &statements->read_match, &statements->insert, &statements->delete,
		&statements->delete_lines, &statements->insert_lines,
		&statements->linked, &statements->match, &statements->decide, &statements->sweep
	};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id)};

	if (sql_execute(&select, values, NULL) != 1)
		elog(ERROR, "mapping %d has no statements", mapping->mapping_id);
	for (int i = 0; i < lengthof(texts); i++)
		*texts[i] = sql_text(0, i + 1, context);
	statements->reread = DatumGetBool(sql_datum(0, lengthof(texts) + 1, NULL));
	SPI_freetuptable(SPI_tuptable);
}

/* Raise an error if a view is gone; one that was made again under its name counts only once the mapping has taken it up. */
static void
require_view(Oid view, const char *view_name)
{
	if (get_rel_name(view) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("view \"%s\" does not exist", view_name),
				 errdetail("It was dropped after it was mapped."),
				 errhint("Create it again under that name, or remove the mapping with qbsync_unmap.")));
}

Mapping *
mapping_load(int32 mapping_id)
{
	static SqlStatement select = {
		"SELECT m.connection_id, m.name, m.entity, m.view::pg_catalog.oid, m.view_name, m.line_view::pg_catalog.oid, m.line_view_name, "
		"m.role, m.crm_search_path, m.crm_settings, "
		"m.state OPERATOR(pg_catalog.=) 'enabled' AND c.state OPERATOR(pg_catalog.=) 'live', "
		"m.first_sync_done_at IS NULL, m.sweep_after "
		"FROM qbsync.mapping m JOIN qbsync.connection c ON c.connection_id OPERATOR(pg_catalog.=) m.connection_id "
		"WHERE m.mapping_id OPERATOR(pg_catalog.=) $1",
		1, {INT4OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[] = {Int32GetDatum(mapping_id)};
	char	   *view_name;
	char	   *line_view_name;
	bool		no_lines;
	Mapping    *mapping;

	if (sql_execute(&select, values, NULL) == 0)
	{
		SPI_freetuptable(SPI_tuptable);
		return NULL;
	}
	mapping = MemoryContextAllocZero(context, sizeof(Mapping));
	mapping->mapping_id = mapping_id;
	mapping->connection_id = DatumGetInt32(sql_datum(0, COLUMN_CONNECTION_ID, NULL));
	mapping->name = sql_text(0, COLUMN_NAME, context);
	mapping->entity = sql_text(0, COLUMN_ENTITY, context);
	mapping->view = DatumGetObjectId(sql_datum(0, COLUMN_VIEW, NULL));
	view_name = sql_text(0, COLUMN_VIEW_NAME, context);
	mapping->line_view = DatumGetObjectId(sql_datum(0, COLUMN_LINE_VIEW, &no_lines));
	line_view_name = sql_text(0, COLUMN_LINE_VIEW_NAME, context);
	mapping->role_name = sql_text(0, COLUMN_ROLE, context);
	mapping->search_path = sql_text(0, COLUMN_SEARCH_PATH, context);
	mapping->settings = role_settings(sql_datum(0, COLUMN_SETTINGS, NULL));
	mapping->enabled = DatumGetBool(sql_datum(0, COLUMN_ENABLED, NULL));
	mapping->first_sync = DatumGetBool(sql_datum(0, COLUMN_FIRST_SYNC, NULL));
	mapping->sweep_after = sql_text(0, COLUMN_SWEEP_AFTER, context);
	SPI_freetuptable(SPI_tuptable);

	mapping->role = role_usable(mapping->role_name);
	require_view(mapping->view, view_name);
	if (no_lines)
		mapping->line_view = InvalidOid;
	else
		require_view(mapping->line_view, line_view_name ? line_view_name : view_name);
	load_statements(mapping, context);
	return mapping;
}
