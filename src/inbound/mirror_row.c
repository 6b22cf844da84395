/*
 * mirror_row.c
 *		One record becomes one row, and the rows of its lines.
 *
 * The record's text is parsed once, to jsonb; that becomes the column raw, and the typed columns are taken out of it
 * where they lie.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "inbound/mirror_row.h"
#include "inbound/mirror_value.h"

/* Names of bad fields are listed up to this length; one is enough to find the record. */
#define BAD_FIELDS_LENGTH 400

/* The fixed columns of a table of lines. */
typedef enum LineColumn
{
	LINE_CONNECTION_ID,
	LINE_RECORD_ID,
	LINE_POSITION,
	LINE_FIXED_COLUMNS
} LineColumn;

static const MirrorColumn row_columns[ROW_FIXED_COLUMNS] = {
	[ROW_CONNECTION_ID] = {"connection_id", INT4OID},
	[ROW_ID] = {"id", TEXTOID},
	[ROW_SYNC_TOKEN] = {"sync_token", TEXTOID},
	[ROW_CREATE_TIME] = {"create_time", TIMESTAMPTZOID},
	[ROW_LAST_UPDATED_TIME] = {"last_updated_time", TIMESTAMPTZOID},
	[ROW_RAW] = {"raw", JSONBOID},
	[ROW_DELETED_AT] = {"deleted_at", TIMESTAMPTZOID},
	[ROW_SEEN_AT] = {"seen_at", TIMESTAMPTZOID},
	[ROW_FINGERPRINT] = {"fingerprint", INT8OID},
	[ROW_ALTERED] = {"altered", TEXTARRAYOID},
};

MirrorPlan *
mirror_plan(const CatalogueEntity *entity)
{
	static MirrorPlan *plans = NULL;
	MirrorPlan *plan;
	MemoryContext caller;

	for (plan = plans; plan; plan = plan->next)
		if (plan->entity == entity)
			return plan;

	caller = MemoryContextSwitchTo(TopMemoryContext);
	plan = palloc0(sizeof(MirrorPlan));
	plan->entity = entity;
	plan->paths = column_paths_compile(entity->columns, entity->lines);
	plan->found = palloc0(sizeof(FoundValue) * plan->paths->nplaces);
	plan->nlines = plan->paths->nplaces - plan->paths->ncolumns;
	Assert(plan->nlines <= MIRROR_LINE_TABLES);
	plan->lines = palloc0(sizeof(LinePlan) * (plan->nlines + 1));
	for (int i = 0; i < plan->nlines; i++)
	{
		LinePlan   *lines = &plan->lines[i];

		lines->of = &entity->lines[i];
		lines->paths = column_paths_compile(lines->of->columns, NULL);
		lines->found = palloc0(sizeof(FoundValue) * lines->paths->nplaces);
	}
	plan->next = plans;
	plans = plan;
	MemoryContextSwitchTo(caller);
	return plan;
}

MirrorTable *
mirror_row_open(const MirrorPlan *plan, Snapshot snapshot)
{
	return mirror_table_open(plan->entity->name, row_columns, ROW_FIXED_COLUMNS, plan->entity->columns, snapshot);
}

MirrorTable *
mirror_lines_open(const MirrorPlan *plan, int table, Snapshot snapshot)
{
	const CatalogueLines *lines = plan->lines[table].of;
	MirrorColumn columns[LINE_FIXED_COLUMNS] = {
		[LINE_CONNECTION_ID] = {"connection_id", INT4OID},
		[LINE_POSITION] = {"position", INT4OID},
	};

	columns[LINE_RECORD_ID].name = psprintf("%s_id", plan->entity->name);
	columns[LINE_RECORD_ID].type = TEXTOID;
	return mirror_table_open(lines->table, columns, LINE_FIXED_COLUMNS, lines->columns, snapshot);
}

Jsonb *
mirror_row_json(const Record *record)
{
	char	   *json;
	size_t		len;

	if (record->alterations != 0)
		json = record_sanitize(record, &len);
	else
		json = pnstrdup(record->text, record->len);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

/* Note a field whose value has no place in its column; line 0 is the record itself. */
static void
note_bad(StringInfo bad, const char *name, int line)
{
	if (bad->len >= BAD_FIELDS_LENGTH)
		return;
	if (bad->len > 0)
		appendStringInfoString(bad, ", ");
	appendStringInfoString(bad, name);
	if (line > 0)
		appendStringInfo(bad, " of line %d", line);
}

/* Set the catalogue's columns from the values found. */
static void
fill_columns(const ColumnPaths *paths, FoundValue *found, MirrorTable *table, TupleTableSlot *slot, int first,
			 int line, StringInfo bad)
{
	for (int i = 0; i < paths->ncolumns; i++)
	{
		Datum		datum;
		bool		isnull;

		if (found[i].rank == 0)
			continue;
		if (!mirror_value(&paths->columns[i], &found[i].value, &datum, &isnull))
			note_bad(bad, paths->columns[i].name, line);
		if (!isnull)
			mirror_row_set(table, slot, first + i, datum);
	}
}

/* Set a column from a timestamp the scan of the page has found. */
static void
fill_timestamp(MirrorTable *table, TupleTableSlot *slot, int place, const char *string, StringInfo bad)
{
	TimestampTz timestamp;

	if (string[0] == '\0')
		return;
	if (mirror_parse_timestamp(string, strlen(string), &timestamp))
		mirror_row_set(table, slot, place, TimestampTzGetDatum(timestamp));
	else
		note_bad(bad, row_columns[place].name, 0);
}

/* The words of the column altered. */
static Datum
altered_words(unsigned alterations)
{
	static const struct
	{
		unsigned	flag;
		const char *word;
	}			words[] = {
		{RECORD_HAS_NUL, "nul"},
		{RECORD_HAS_SURROGATE, "surrogate"},
		{RECORD_HAS_BAD_UTF8, "utf8"},
		{RECORD_HAS_BIG_NUMBER, "number"},
	};
	Datum		datums[lengthof(words)];
	int			count = 0;

	for (int i = 0; i < lengthof(words); i++)
		if (alterations & words[i].flag)
			datums[count++] = CStringGetTextDatum(words[i].word);
	return PointerGetDatum(construct_array(datums, count, TEXTOID, -1, false, TYPALIGN_INT));
}

void
mirror_row_fill(MirrorPlan *plan, MirrorTable *table, TupleTableSlot *slot, int connection_id, const Record *record,
				Jsonb *json, TimestampTz started, StringInfo bad)
{
	column_paths_find(plan->paths, &json->root, plan->found);
	fill_columns(plan->paths, plan->found, table, slot, ROW_FIXED_COLUMNS, 0, bad);

	mirror_row_set(table, slot, ROW_CONNECTION_ID, Int32GetDatum(connection_id));
	mirror_row_set(table, slot, ROW_ID, CStringGetTextDatum(record->id));
	if (record->sync_token[0] != '\0')
		mirror_row_set(table, slot, ROW_SYNC_TOKEN, CStringGetTextDatum(record->sync_token));
	fill_timestamp(table, slot, ROW_CREATE_TIME, record->create_time, bad);
	fill_timestamp(table, slot, ROW_LAST_UPDATED_TIME, record->last_updated, bad);
	mirror_row_set(table, slot, ROW_RAW, JsonbPGetDatum(json));
	mirror_row_set(table, slot, ROW_SEEN_AT, TimestampTzGetDatum(started));
	mirror_row_set(table, slot, ROW_FINGERPRINT, Int64GetDatum((int64) record->fingerprint));
	if (record->alterations != 0)
		mirror_row_set(table, slot, ROW_ALTERED, altered_words(record->alterations));
}

void
mirror_row_fill_deleted(MirrorTable *table, TupleTableSlot *slot, int connection_id, const Record *record,
						TimestampTz deleted_at, TimestampTz started)
{
	mirror_row_set(table, slot, ROW_CONNECTION_ID, Int32GetDatum(connection_id));
	mirror_row_set(table, slot, ROW_ID, CStringGetTextDatum(record->id));
	mirror_row_set(table, slot, ROW_DELETED_AT, TimestampTzGetDatum(deleted_at));
	mirror_row_set(table, slot, ROW_SEEN_AT, TimestampTzGetDatum(started));
}

/* Insert one line. */
static void
insert_line(LinePlan *plan, MirrorTable *lines, int connection_id, const Record *record, JsonbContainer *line,
			int position, StringInfo bad)
{
	TupleTableSlot *slot = mirror_table_new_row(lines);

	column_paths_find(plan->paths, line, plan->found);
	fill_columns(plan->paths, plan->found, lines, slot, LINE_FIXED_COLUMNS, position, bad);
	mirror_row_set(lines, slot, LINE_CONNECTION_ID, Int32GetDatum(connection_id));
	mirror_row_set(lines, slot, LINE_RECORD_ID, CStringGetTextDatum(record->id));
	mirror_row_set(lines, slot, LINE_POSITION, Int32GetDatum(position));
	mirror_table_insert(lines, slot);
}

void
mirror_lines_insert(MirrorPlan *plan, int table, MirrorTable *lines, int connection_id, const Record *record,
					StringInfo bad)
{
	LinePlan   *line_plan = &plan->lines[table];
	FoundValue *all = &plan->found[plan->paths->ncolumns + table];
	JsonbContainer *container;

	if (all->rank == 0)
		return;
	if (all->value.type != jbvBinary)
	{
		note_bad(bad, line_plan->of->path, 0);
		return;
	}
	container = all->value.val.binary.data;
	if (JsonContainerIsObject(container))
	{
		/* one element, its array collapsed by some converter */
		insert_line(line_plan, lines, connection_id, record, container, 1, bad);
		return;
	}
	for (int i = 0; i < JsonContainerSize(container); i++)
	{
		JsonbValue *line = getIthJsonbValueFromContainer(container, i);

		if (line->type == jbvBinary && JsonContainerIsObject(line->val.binary.data))
			insert_line(line_plan, lines, connection_id, record, line->val.binary.data, i + 1, bad);
		else
			note_bad(bad, line_plan->of->path, i + 1);
	}
}
