/*
 * catalogue_sql.c
 *		The entity catalogue as rows, for SQL: qbsync.create_mirror(), the reference, and people.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "compat.h"
#include "quickbooks/catalogue.h"

/* A word or a null as a text column. */
static void
put_text(Datum *values, bool *nulls, int column, const char *word)
{
	nulls[column] = word == NULL;
	if (word)
		values[column] = CStringGetTextDatum(word);
}

/* How changes of an entity are learnt of, for people. */
static const char *
reading(const CatalogueEntity *entity)
{
	if (entity->flags & ENTITY_CDC)
		return "every poll";
	if (entity->flags & ENTITY_SINGLETON)
		return "a reading once a day";
	return entity->flags & ENTITY_TRANSACTION ? "a query, as often as they are made" : "a query once a day";
}

PG_FUNCTION_INFO_V1(qbsync_catalogue_entities);

/*
 * qbsync.catalogue_entities(): one row per entity, columns as in the view qbsync.catalogue.
 */
Datum
qbsync_catalogue_entities(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
	{
		const CatalogueLines *lines = entity->lines;
		Datum		values[16];
		bool		nulls[16] = {false};
		int			column = 0;

		put_text(values, nulls, column++, entity->name);
		put_text(values, nulls, column++, entity->object);
		put_text(values, nulls, column++, entity->resource);
		values[column++] = BoolGetDatum(entity->flags & ENTITY_CDC);
		values[column++] = BoolGetDatum(entity->flags & ENTITY_NAME_LIST);
		values[column++] = BoolGetDatum(entity->flags & ENTITY_TRANSACTION);
		values[column++] = BoolGetDatum(entity->flags & ENTITY_VOIDABLE);
		values[column++] = BoolGetDatum(entity->flags & ENTITY_WRITABLE);
		values[column++] = BoolGetDatum(entity->flags & ENTITY_SINGLETON);
		values[column++] = BoolGetDatum(catalogue_has_pages(entity));
		put_text(values, nulls, column++, entity->page_path);
		values[column++] = Int32GetDatum((int) (entity - catalogue) + 1);
		put_text(values, nulls, column++, entity->comment);
		put_text(values, nulls, column++, lines ? lines->table : NULL);
		put_text(values, nulls, column++, reading(entity));
		values[column++] = BoolGetDatum(entity->flags & ENTITY_BOUGHT);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The column type as it is written in SQL. */
static const char *
sql_type(ColumnType type)
{
	switch (type)
	{
		case COLUMN_TEXT:
			return "text";
		case COLUMN_ID:
			return "text COLLATE \"C\"";
		case COLUMN_NUMERIC:
			return "numeric";
		case COLUMN_INTEGER:
			return "integer";
		case COLUMN_BOOLEAN:
			return "boolean";
		case COLUMN_DATE:
			return "date";
		case COLUMN_TIMESTAMPTZ:
			return "timestamptz";
		case COLUMN_EMAILS:
		case COLUMN_TEXT_ARRAY:
			return "text[]";
		case COLUMN_JSONB:
			return "jsonb";
	}
	elog(ERROR, "unknown column type %d", (int) type);
	return NULL;				/* keep compilers quiet */
}

/* Add the columns of one table, if it is the one that is asked for (NULL: any). */
static void
put_columns(ReturnSetInfo *result, const char *of_table, const CatalogueEntity *entity, const char *table,
			const CatalogueColumn *columns)
{
	if (of_table && strcmp(table, of_table) != 0)
		return;
	for (const CatalogueColumn *column = columns; column->name; column++)
	{
		Datum		values[15];
		bool		nulls[15] = {false};
		int			i = 0;

		put_text(values, nulls, i++, entity->name);
		put_text(values, nulls, i++, table);
		values[i++] = Int32GetDatum((int) (column - columns) + 1);
		put_text(values, nulls, i++, column->name);
		put_text(values, nulls, i++, column->path);
		put_text(values, nulls, i++, sql_type(column->type));
		nulls[i] = column->max_length == 0;
		values[i++] = Int32GetDatum(column->max_length);
		values[i++] = BoolGetDatum(column->flags & (COLUMN_WRITABLE | COLUMN_CREATE_ONLY));
		values[i++] = BoolGetDatum(column->flags & COLUMN_CREATE_ONLY);
		values[i++] = BoolGetDatum(column->flags & COLUMN_REQUIRED);
		values[i++] = BoolGetDatum(column->flags & COLUMN_FILTERABLE);
		values[i++] = BoolGetDatum(column->flags & COLUMN_INDEXED);
		put_text(values, nulls, i++, column->refers_to);
		put_text(values, nulls, i++, column->comment);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

PG_FUNCTION_INFO_V1(qbsync_may_see);

/*
 * qbsync.may_see(entity): may the current user see what belongs to records of an entity?  Everybody what is sold, members of
 * qbsync_vendor_reader what is bought.
 */
Datum
qbsync_may_see(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	char		buffer[NAMEDATALEN];
	const CatalogueEntity *entity;

	text_to_cstring_buffer(name, buffer, sizeof(buffer));
	entity = catalogue_find(buffer);
	if (entity == NULL || (entity->flags & ENTITY_BOUGHT) == 0)
		PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(has_privs_of_role(GetUserId(), get_role_oid("qbsync_vendor_reader", false)));
}

PG_FUNCTION_INFO_V1(qbsync_page_path);

/*
 * qbsync.page_path(entity): its page in QuickBooks' web application, null if it has none.
 */
Datum
qbsync_page_path(PG_FUNCTION_ARGS)
{
	char		buffer[NAMEDATALEN];
	const CatalogueEntity *entity;

	text_to_cstring_buffer(PG_GETARG_TEXT_PP(0), buffer, sizeof(buffer));
	entity = catalogue_find(buffer);
	if (entity == NULL || entity->page_path == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(entity->page_path));
}

PG_FUNCTION_INFO_V1(qbsync_catalogue_lines);

/*
 * qbsync.catalogue_lines(): one row per table of lines, columns as in the view qbsync.catalogue_line.
 */
Datum
qbsync_catalogue_lines(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
	{
		for (const CatalogueLines *lines = entity->lines; lines && lines->table; lines++)
		{
			Datum		values[5];
			bool		nulls[5] = {false};
			int			column = 0;

			put_text(values, nulls, column++, entity->name);
			put_text(values, nulls, column++, lines->table);
			values[column++] = Int32GetDatum((int) (lines - entity->lines) + 1);
			put_text(values, nulls, column++, lines->path);
			put_text(values, nulls, column++, lines->comment);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(qbsync_catalogue_columns);

/*
 * qbsync.catalogue_columns(of_table): one row per column, columns as in the view qbsync.catalogue_column.
 */
Datum
qbsync_catalogue_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *of_table = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));

	InitMaterializedSRF(fcinfo, 0);
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
	{
		put_columns(result, of_table, entity, entity->name, entity->columns);
		for (const CatalogueLines *lines = entity->lines; lines && lines->table; lines++)
			put_columns(result, of_table, entity, lines->table, lines->columns);
	}
	return (Datum) 0;
}
