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

#include "inbound/mirror_json.h"
#include "inbound/mirror_row.h"
#include "inbound/mirror_value.h"

/* Names of bad fields are listed up to this length; one is enough to find the record. */
#define BAD_FIELDS_LENGTH 400

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
	static const CatalogueColumn no_columns[] = {{0}};
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
	plan->line_paths = column_paths_compile(no_columns, entity->lines);
	plan->earlier_lines = palloc0(sizeof(FoundValue) * (plan->nlines + 1));
	plan->next = plans;
	plans = plan;
	MemoryContextSwitchTo(caller);
	return plan;
}

MirrorTable *
mirror_row_open(MirrorPlan *plan, Snapshot snapshot)
{
	return mirror_table_open(plan->entity->name, row_columns, ROW_FIXED_COLUMNS, plan->entity->columns, &plan->room, snapshot);
}

/* The fixed columns of the entity's lines. */
static void
line_columns(const MirrorPlan *plan, MirrorColumn *columns)
{
	columns[LINE_CONNECTION_ID] = (MirrorColumn) {"connection_id", INT4OID};
	columns[LINE_RECORD_ID] = (MirrorColumn) {psprintf("%s_id", plan->entity->name), TEXTOID};
	columns[LINE_POSITION] = (MirrorColumn) {"position", INT4OID};
}

MirrorTable *
mirror_lines_open(MirrorPlan *plan, int table, Snapshot snapshot)
{
	const CatalogueLines *lines = plan->lines[table].of;
	MirrorColumn columns[LINE_FIXED_COLUMNS];

	line_columns(plan, columns);
	return mirror_table_open(lines->table, columns, LINE_FIXED_COLUMNS, lines->columns, &plan->lines[table].room, snapshot);
}

AttrNumber *
mirror_row_columns(const MirrorPlan *plan, TupleDesc desc)
{
	return mirror_table_columns(desc, plan->entity->name, row_columns, ROW_FIXED_COLUMNS, plan->entity->columns);
}

AttrNumber *
mirror_lines_columns(const MirrorPlan *plan, int table, TupleDesc desc)
{
	const CatalogueLines *lines = plan->lines[table].of;
	MirrorColumn columns[LINE_FIXED_COLUMNS];

	line_columns(plan, columns);
	return mirror_table_columns(desc, lines->table, columns, LINE_FIXED_COLUMNS, lines->columns);
}

Jsonb *
mirror_row_json(const Record *record)
{
	size_t		len;

	if (record->alterations != 0)
		return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(record_sanitize(record, &len))));
	return mirror_json(record->text, record->len);
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

/* A row that is built in a slot of the table. */
static MirrorRow
row_of_slot(MirrorTable *table, TupleTableSlot *slot)
{
	return (MirrorRow) {table->attnums, slot->tts_values, slot->tts_isnull};
}

/* Set the catalogue's columns from the values found; bad: NULL if nobody wants to know. */
static void
fill_columns(const ColumnPaths *paths, FoundValue *found, const MirrorRow *row, int first, int line, StringInfo bad)
{
	for (int i = 0; i < paths->ncolumns; i++)
	{
		Datum		datum;
		bool		isnull;

		if (found[i].rank == 0)
			continue;
		if (!mirror_value(&paths->columns[i], &found[i].value, &datum, &isnull) && bad)
			note_bad(bad, paths->columns[i].name, line);
		if (!isnull)
			mirror_row_set(row, first + i, datum);
	}
}

void
mirror_row_find(MirrorPlan *plan, JsonbContainer *record)
{
	column_paths_find(plan->paths, record, plan->found);
}

void
mirror_row_fill_columns(MirrorPlan *plan, const MirrorRow *row)
{
	fill_columns(plan->paths, plan->found, row, ROW_FIXED_COLUMNS, 0, NULL);
}

void
mirror_lines_fill_columns(LinePlan *plan, JsonbContainer *line, const MirrorRow *row)
{
	column_paths_find(plan->paths, line, plan->found);
	fill_columns(plan->paths, plan->found, row, LINE_FIXED_COLUMNS, 0, NULL);
}

/* Set a column from a timestamp the scan of the page has found. */
static void
fill_timestamp(const MirrorRow *row, int place, const char *string, StringInfo bad)
{
	TimestampTz timestamp;

	if (string[0] == '\0')
		return;
	if (mirror_parse_timestamp(string, strlen(string), &timestamp))
		mirror_row_set(row, place, TimestampTzGetDatum(timestamp));
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
	MirrorRow	row = row_of_slot(table, slot);

	mirror_row_find(plan, &json->root);
	fill_columns(plan->paths, plan->found, &row, ROW_FIXED_COLUMNS, 0, bad);

	mirror_row_set(&row, ROW_CONNECTION_ID, Int32GetDatum(connection_id));
	mirror_row_set(&row, ROW_ID, CStringGetTextDatum(record->id));
	if (record->sync_token[0] != '\0')
		mirror_row_set(&row, ROW_SYNC_TOKEN, CStringGetTextDatum(record->sync_token));
	fill_timestamp(&row, ROW_CREATE_TIME, record->create_time, bad);
	fill_timestamp(&row, ROW_LAST_UPDATED_TIME, record->last_updated, bad);
	mirror_row_set(&row, ROW_RAW, JsonbPGetDatum(json));
	mirror_row_set(&row, ROW_SEEN_AT, TimestampTzGetDatum(started));
	mirror_row_set(&row, ROW_FINGERPRINT, Int64GetDatum((int64) record->fingerprint));
	if (record->alterations != 0)
		mirror_row_set(&row, ROW_ALTERED, altered_words(record->alterations));
}

void
mirror_row_fill_deleted(MirrorTable *table, TupleTableSlot *slot, int connection_id, const Record *record,
						TimestampTz deleted_at, TimestampTz started)
{
	MirrorRow	row = row_of_slot(table, slot);

	mirror_row_set(&row, ROW_CONNECTION_ID, Int32GetDatum(connection_id));
	mirror_row_set(&row, ROW_ID, CStringGetTextDatum(record->id));
	mirror_row_set(&row, ROW_DELETED_AT, TimestampTzGetDatum(deleted_at));
	mirror_row_set(&row, ROW_SEEN_AT, TimestampTzGetDatum(started));
}

bool
mirror_lines_same(MirrorPlan *plan, Jsonb *earlier)
{
	column_paths_find(plan->line_paths, &earlier->root, plan->earlier_lines);
	for (int i = 0; i < plan->nlines; i++)
	{
		const FoundValue *now = &plan->found[plan->paths->ncolumns + i];
		const FoundValue *then = &plan->earlier_lines[i];

		if (now->rank == 0 && then->rank == 0)
			continue;
		if (now->rank == 0 || then->rank == 0 || now->value.type != jbvBinary || then->value.type != jbvBinary ||
			now->value.val.binary.len != then->value.val.binary.len ||
			memcmp(now->value.val.binary.data, then->value.val.binary.data, now->value.val.binary.len) != 0)
			return false;
	}
	return true;
}

/* Insert one line. */
static void
insert_line(LinePlan *plan, MirrorTable *lines, int connection_id, const Record *record, JsonbContainer *line,
			int position, StringInfo bad)
{
	TupleTableSlot *slot = mirror_table_new_row(lines);
	MirrorRow	row = row_of_slot(lines, slot);

	column_paths_find(plan->paths, line, plan->found);
	fill_columns(plan->paths, plan->found, &row, LINE_FIXED_COLUMNS, position, bad);
	mirror_row_set(&row, LINE_CONNECTION_ID, Int32GetDatum(connection_id));
	mirror_row_set(&row, LINE_RECORD_ID, CStringGetTextDatum(record->id));
	mirror_row_set(&row, LINE_POSITION, Int32GetDatum(position));
	mirror_table_insert(lines, slot);
}

int
mirror_lines_count(const MirrorPlan *plan, int table)
{
	FoundValue *all = &plan->found[plan->paths->ncolumns + table];

	if (all->rank == 0 || all->value.type != jbvBinary)
		return 0;
	/* one element may come with its array collapsed by some converter */
	return JsonContainerIsObject(all->value.val.binary.data) ? 1 : JsonContainerSize(all->value.val.binary.data);
}

JsonbContainer *
mirror_lines_get(const MirrorPlan *plan, int table, int n)
{
	JsonbContainer *all = plan->found[plan->paths->ncolumns + table].value.val.binary.data;
	JsonbValue *line;

	if (JsonContainerIsObject(all))
		return all;
	line = getIthJsonbValueFromContainer(all, n);
	return line->type == jbvBinary && JsonContainerIsObject(line->val.binary.data) ? line->val.binary.data : NULL;
}

void
mirror_lines_insert(MirrorPlan *plan, int table, MirrorTable *lines, int connection_id, const Record *record,
					StringInfo bad)
{
	LinePlan   *line_plan = &plan->lines[table];
	FoundValue *all = &plan->found[plan->paths->ncolumns + table];
	int			count = mirror_lines_count(plan, table);

	if (all->rank != 0 && all->value.type != jbvBinary)
		note_bad(bad, line_plan->of->path, 0);
	for (int i = 0; i < count; i++)
	{
		JsonbContainer *line = mirror_lines_get(plan, table, i);

		if (line)
			insert_line(line_plan, lines, connection_id, record, line, i + 1, bad);
		else
			note_bad(bad, line_plan->of->path, i + 1);
	}
}
