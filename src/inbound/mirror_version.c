/*
 * mirror_version.c
 *		Superseded versions of records are kept: rows of qbsync.record_version.
 *
 * Whoever replaces a row of the mirror hands the old one over, whole but for the columns that the catalogue makes of raw: those
 * are made again when somebody asks (version_sql.c).  Nothing is converted on the way but that raw is packed if it lies there
 * unpacked, and rows are written in batches below the executor.  What is new, unchanged or stale costs nothing here.
 *
 * A version holds from its own seen_at until that of the version that replaced it.  Since seen_at of a record never goes
 * backwards (mirror.c), the times of its versions meet and never overlap; a version that was replaced by one asked for no
 * later held at no time at all.
 */
#include "postgres.h"

#include "access/toast_compression.h"
#include "access/toast_internals.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "compat.h"
#include "inbound/mirror_version.h"

/* What is shorter gains little. */
#define PACKED_FROM_BYTES 300

static const MirrorColumn version_columns[VERSION_COLUMNS] = {
	[ROW_CONNECTION_ID] = {"connection_id", INT4OID},
	[ROW_ID] = {"id", TEXTOID},
	[ROW_SYNC_TOKEN] = {"sync_token", TEXTOID},
	[ROW_CREATE_TIME] = {"create_time", TIMESTAMPTZOID},
	[ROW_LAST_UPDATED_TIME] = {"last_updated_time", TIMESTAMPTZOID},
	[ROW_RAW] = {"raw", JSONBOID},
	[ROW_DELETED_AT] = {"deleted_at", TIMESTAMPTZOID},
	[ROW_SEEN_AT] = {"valid_from", TIMESTAMPTZOID},
	[ROW_FINGERPRINT] = {"fingerprint", INT8OID},
	[ROW_ALTERED] = {"altered", TEXTARRAYOID},
	[VERSION_ENTITY] = {"entity", TEXTOID},
	[VERSION_VALID_TO] = {"valid_to", TIMESTAMPTZOID},
};

bool
mirror_versions_wanted(int connection_id)
{
	static SqlStatement statement = {"SELECT qbsync.version_days($1) > 0", 1, {INT4OID}};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[1] = {Int32GetDatum(connection_id)};
	bool		wanted;

	wanted = sql_execute(&statement, values, NULL) > 0 && DatumGetBool(sql_datum(0, 1, NULL));
	MemoryContextSwitchTo(context);
	return wanted;
}

AttrNumber *
mirror_version_columns(TupleDesc desc)
{
	return mirror_table_columns(desc, "record_version", version_columns, VERSION_COLUMNS, NULL);
}

MirrorTable *
mirror_versions_open(Snapshot snapshot)
{
	return mirror_table_open_append("record_version", version_columns, VERSION_COLUMNS, snapshot);
}

/*
 * Short records lie in the mirror as they are; here they are packed, if that is cheap (lz4), for they are seldom read and
 * there can be many.
 */
static Datum
packed(MirrorTable *versions, Datum raw)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(raw);
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(versions->rel), versions->attnums[ROW_RAW] - 1);
	Datum		smaller;

	if (VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value) || VARSIZE_ANY_EXHDR(value) < PACKED_FROM_BYTES
		|| attribute->attcompression != TOAST_LZ4_COMPRESSION)
		return raw;
	smaller = toast_compress_datum(raw, TOAST_LZ4_COMPRESSION);
	return DatumGetPointer(smaller) ? smaller : raw;
}

void
mirror_version_keep(MirrorTable *versions, MirrorTable *table, const CatalogueEntity *entity, TimestampTz replaced_at)
{
	TupleTableSlot *slot = mirror_table_new_row(versions);
	MirrorRow	row = {versions->attnums, slot->tts_values, slot->tts_isnull};

	for (int i = 0; i < ROW_FIXED_COLUMNS; i++)
	{
		bool		isnull;
		Datum		datum = mirror_table_found(table, i, &isnull);

		if (!isnull)
			mirror_row_set(&row, i, i == ROW_RAW ? packed(versions, datum) : datum);
	}
	mirror_row_set(&row, VERSION_ENTITY, CStringGetTextDatum(entity->name));
	mirror_row_set(&row, VERSION_VALID_TO, TimestampTzGetDatum(replaced_at));
	mirror_table_insert(versions, slot);
}
