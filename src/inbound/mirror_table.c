/*
 * mirror_table.c
 *		A mirror table, open for finding, inserting, updating and deleting rows by key.
 *
 * This is what COPY does, below the executor: rows are written in batches, page by page, with one WAL record for each
 * page.  The same rows through INSERT … SELECT from a tuplestore take longer, and a prepared lookup by an array of ids is
 * at the mercy of a plan made while the table was empty: during a first load there are no statistics yet.
 *
 * Triggers on mirror tables do not fire, and that is meant: no user code runs in the process that holds tokens.  Checks
 * and foreign keys are not looked at either; the mirror has none.
 *
 * Only the gateway that holds a company's lease writes its rows.  Should a person delete some at the same moment, the
 * unit fails with a serialization failure, and is repeated like any other.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/relcache.h"
#include "utils/varlena.h"

#include "compat.h"
#include "inbound/mirror_table.h"

/*
 * A full page of an index is searched for entries of old versions only by the first so many replaced rows of a transaction: where many
 * change, the old versions beside them are mostly the same transaction's, which nobody can remove yet, and it was in vain.
 */
#define FEW_REPLACED 16

/*
 * Records mostly come in the order of their ids, which is that of the key: the next one looked for is the next row, or there are none
 * between two rows.  So many rows on it is looked for by walking, before the key is searched again; and where searches prevail, it is
 * searched for each record alone, which does not read on.
 */
#define STEPS_ON 2
#define ASTRAY_ENOUGH 16

static Oid
column_type_oid(ColumnType type)
{
	switch (type)
	{
		case COLUMN_TEXT:
		case COLUMN_ID:
			return TEXTOID;
		case COLUMN_NUMERIC:
			return NUMERICOID;
		case COLUMN_INTEGER:
			return INT4OID;
		case COLUMN_BOOLEAN:
			return BOOLOID;
		case COLUMN_DATE:
			return DATEOID;
		case COLUMN_TIMESTAMPTZ:
			return TIMESTAMPTZOID;
		case COLUMN_EMAILS:
		case COLUMN_TEXT_ARRAY:
			return TEXTARRAYOID;
		case COLUMN_JSONB:
			return JSONBOID;
	}
	elog(ERROR, "unknown column type %d", (int) type);
	return InvalidOid;			/* keep compilers quiet */
}

/*
 * The number of a column.  Datums are stored as they are, so the type must be ours.  The search begins behind the last
 * column found: the catalogue and the table mostly have the same order.
 */
static AttrNumber
find_column(TupleDesc desc, const char *table, const char *name, Oid type, AttrNumber after)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, (after + i) % desc->natts);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), name) != 0)
			continue;
		if (attribute->atttypid != type)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("column \"%s\" of mirror table \"%s\" has type %s instead of %s", name,
							table, format_type_be(attribute->atttypid), format_type_be(type)),
					 errhint("Mirror tables belong to the extension; give the column its type back.")));
		return attribute->attnum;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("mirror table \"%s\" has no column \"%s\"", table, name),
			 errhint("Mirror tables belong to the extension; SELECT qbsync.create_mirror() makes what is missing.")));
	return InvalidAttrNumber;	/* keep compilers quiet */
}

AttrNumber *
mirror_table_columns(TupleDesc desc, const char *name, const MirrorColumn *fixed, int nfixed, const CatalogueColumn *columns)
{
	int			ncolumns = 0;
	AttrNumber	last = 0;
	AttrNumber *attnums;

	while (columns && columns[ncolumns].name)
		ncolumns++;
	attnums = palloc(sizeof(AttrNumber) * (nfixed + ncolumns));
	for (int i = 0; i < nfixed; i++)
		attnums[i] = last = find_column(desc, name, fixed[i].name, fixed[i].type, last);
	for (int i = 0; i < ncolumns; i++)
		attnums[nfixed + i] = last =
			find_column(desc, name, columns[i].name, column_type_oid(columns[i].type), last);
	return attnums;
}

/* Open the scan of the primary key that finds rows. */
static void
open_key(MirrorTable *table)
{
	Oid			key = qbsync_primary_key(table->rel);
	Oid			collation;

	for (int i = 0; i < table->result->ri_NumIndices; i++)
		if (OidIsValid(key) && RelationGetRelid(table->result->ri_IndexRelationDescs[i]) == key)
			table->key = table->result->ri_IndexRelationDescs[i];
	if (table->key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("mirror table \"%s\" has no primary key", RelationGetRelationName(table->rel))));
	collation = table->key->rd_indcollation[1];
	ScanKeyEntryInitialize(&table->walk_keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid, InvalidOid, F_INT4EQ, 0);
	table->id_keys[0] = table->walk_keys[0];
	ScanKeyEntryInitialize(&table->walk_keys[1], 0, 2, BTGreaterEqualStrategyNumber, InvalidOid, collation, F_TEXT_GE, 0);
	ScanKeyEntryInitialize(&table->id_keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid, collation, F_TEXTEQ, 0);
	table->scan = qbsync_index_beginscan(table->rel, table->key, table->snapshot, 2);
}

/* Open a table, without the scan of its key. */
static MirrorTable *
open_table(const char *name, const MirrorColumn *fixed, int nfixed, const CatalogueColumn *columns, Snapshot snapshot)
{
	MirrorTable *table = palloc0(sizeof(MirrorTable));
	Oid			relid = get_relname_relid(name, get_namespace_oid("qbsync", false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("mirror table \"%s\" does not exist", name),
				 errhint("SELECT qbsync.create_mirror() makes what is missing.")));
	table->snapshot = snapshot;
	table->rel = table_open(relid, RowExclusiveLock);
	table->attnums = mirror_table_columns(RelationGetDescr(table->rel), name, fixed, nfixed, columns);
	table->estate = CreateExecutorState();
	table->result = makeNode(ResultRelInfo);
	InitResultRelInfo(table->result, table->rel, 0, NULL, 0);
	ExecOpenIndices(table->result, false);
	table->bulk = GetBulkInsertState();
	return table;
}

MirrorTable *
mirror_table_open(const char *name, const MirrorColumn *fixed, int nfixed, const CatalogueColumn *columns,
				  MirrorRoom *room, Snapshot snapshot)
{
	MirrorTable *table = open_table(name, fixed, nfixed, columns, snapshot);

	table->room = room;
	mirror_room_reclaim(room, table->rel);
	table->found = table_slot_create(table->rel, NULL);
	table->changed = table_slot_create(table->rel, NULL);
	open_key(table);
	return table;
}

MirrorTable *
mirror_table_open_append(const char *name, const MirrorColumn *fixed, int nfixed, Snapshot snapshot)
{
	return open_table(name, fixed, nfixed, NULL, snapshot);
}

/* Write the rows that wait, and their index entries. */
static void
flush_batch(MirrorTable *table)
{
	if (table->nbatch == 0)
		return;
	table_multi_insert(table->rel, table->batch, table->nbatch, GetCurrentCommandId(true), 0, table->bulk);
	for (int i = 0; i < table->nbatch; i++)
	{
		qbsync_insert_index_entries(table->result, table->batch[i], table->estate);
		ResetPerTupleExprContext(table->estate);
		ExecClearTuple(table->batch[i]);
	}
	table->nbatch = 0;
	table->batch_bytes = 0;
}

void
mirror_table_close(MirrorTable *table)
{
	flush_batch(table);
	if (table->key)
	{
		index_endscan(table->scan);
		ExecDropSingleTupleTableSlot(table->found);
		ExecDropSingleTupleTableSlot(table->changed);
	}
	for (int i = 0; i < table->nslots; i++)
		ExecDropSingleTupleTableSlot(table->batch[i]);
	FreeBulkInsertState(table->bulk);
	ExecCloseIndices(table->result);
	FreeExecutorState(table->estate);
	/* the lock is kept until the transaction ends */
	table_close(table->rel, NoLock);
}

/* Walk to the next row.  What the index keeps from row to row must not lie in the caller's context. */
static void
walk_on(MirrorTable *table)
{
	MemoryContext record = MemoryContextSwitchTo(table->estate->es_query_cxt);

	table->standing = index_getnext_slot(table->scan, ForwardScanDirection, table->found);
	MemoryContextSwitchTo(record);
}

/* Is the row at which the walk stands before an id (< 0), of it, or behind it (> 0), as the end is? */
static int
compare_standing(MirrorTable *table, const char *id)
{
	Datum		datum;
	bool		isnull;
	text	   *stands;

	if (!table->standing)
		return 1;
	datum = slot_getattr(table->found, table->attnums[1], &isnull);
	stands = DatumGetTextPP(datum);
	return varstr_cmp(VARDATA_ANY(stands), VARSIZE_ANY_EXHDR(stands), id, strlen(id), table->key->rd_indcollation[1]);
}

/* Search the key for an id, to walk on from there or, where that leads astray, for its rows only. */
static void
search(MirrorTable *table, int connection_id, const char *id)
{
	ScanKeyData *keys = table->astray < ASTRAY_ENOUGH ? table->walk_keys : table->id_keys;
	MemoryContext record = MemoryContextSwitchTo(table->estate->es_query_cxt);

	/* pages of the key that are walked to much later are compared with it, too */
	if (table->searched)
		pfree(table->searched);
	table->searched = cstring_to_text(id);
	MemoryContextSwitchTo(record);
	keys[0].sk_argument = Int32GetDatum(connection_id);
	keys[1].sk_argument = PointerGetDatum(table->searched);
	index_rescan(table->scan, keys, 2, NULL, 0);
	walk_on(table);
}

/* Leads the walk to the row of the id, or the first one behind it. */
bool
mirror_table_find(MirrorTable *table, int connection_id, const char *id)
{
	bool		onward = table->astray < ASTRAY_ENOUGH && table->sought_of == connection_id && table->sought[0] != '\0' &&
		varstr_cmp(table->sought, strlen(table->sought), id, strlen(id), table->key->rd_indcollation[1]) <= 0;
	int			order = onward ? compare_standing(table, id) : -1;

	for (int i = 0; onward && order < 0 && i < STEPS_ON; i++)
	{
		walk_on(table);
		order = compare_standing(table, id);
	}
	if (order < 0)
	{
		table->astray++;
		search(table, connection_id, id);
		order = compare_standing(table, id);
	}
	else if (table->astray > 0)
		table->astray--;
	table->sought_of = connection_id;
	if (strlcpy(table->sought, id, sizeof(table->sought)) >= sizeof(table->sought))
		table->sought[0] = '\0';
	return order == 0;
}

Datum
mirror_table_found(MirrorTable *table, int fixed, bool *isnull)
{
	return slot_getattr(table->found, table->attnums[fixed], isnull);
}

/* Empty a slot to build a row in. */
static TupleTableSlot *
clear_row(TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	return slot;
}

TupleTableSlot *
mirror_table_new_row(MirrorTable *table)
{
	if (table->nbatch == MIRROR_BATCH_ROWS || table->batch_bytes >= MIRROR_BATCH_BYTES)
		flush_batch(table);
	if (table->nbatch == table->nslots)
	{
		/* slots outlive the record they were made for */
		MemoryContext record = MemoryContextSwitchTo(table->estate->es_query_cxt);

		table->batch[table->nslots++] = table_slot_create(table->rel, NULL);
		MemoryContextSwitchTo(record);
	}
	return clear_row(table->batch[table->nbatch]);
}

TupleTableSlot *
mirror_table_new_version(MirrorTable *table, bool keep)
{
	TupleTableSlot *slot = clear_row(table->changed);

	if (keep)
	{
		int			natts = slot->tts_tupleDescriptor->natts;

		slot_getallattrs(table->found);
		memcpy(slot->tts_values, table->found->tts_values, sizeof(Datum) * natts);
		memcpy(slot->tts_isnull, table->found->tts_isnull, sizeof(bool) * natts);
	}
	return slot;
}

void
mirror_table_insert(MirrorTable *table, TupleTableSlot *slot)
{
	bool		should_free;

	ExecStoreVirtualTuple(slot);
	ExecMaterializeSlot(slot);
	table->batch_bytes += ExecFetchSlotHeapTuple(slot, false, &should_free)->t_len;
	table->nbatch++;
}

/* The row was changed or removed by somebody else since it was read. */
static void
report_concurrent_change(MirrorTable *table, TM_Result outcome)
{
	if (outcome == TM_Ok)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not write to mirror table \"%s\" because of a change at the same moment",
					RelationGetRelationName(table->rel))));
}

void
mirror_table_update(MirrorTable *table, TupleTableSlot *slot)
{
	TM_FailureData failure;
	LockTupleMode lock_mode;
	QbsyncIndexUpdate index_update;

	ExecStoreVirtualTuple(slot);
	/* copied before the row found, which it may point into, is let go */
	ExecMaterializeSlot(slot);
	report_concurrent_change(table, table_tuple_update(table->rel, &table->found->tts_tid, slot,
													   GetCurrentCommandId(true), table->snapshot, InvalidSnapshot,
													   true, &failure, &lock_mode, &index_update));
	if (qbsync_index_update_needed(index_update))
	{
		mirror_room_left(table->room, ItemPointerGetBlockNumber(&table->found->tts_tid));
		qbsync_update_index_entries(table->result, slot, table->estate, index_update, table->nreplaced++ < FEW_REPLACED);
		ResetPerTupleExprContext(table->estate);
	}
}

void
mirror_table_delete(MirrorTable *table, int connection_id, const char *id)
{
	for (bool found = mirror_table_find(table, connection_id, id); found; found = compare_standing(table, id) == 0)
	{
		TM_FailureData failure;

		report_concurrent_change(table, table_tuple_delete(table->rel, &table->found->tts_tid, GetCurrentCommandId(true),
														   table->snapshot, InvalidSnapshot, true, &failure, false));
		mirror_room_left(table->room, ItemPointerGetBlockNumber(&table->found->tts_tid));
		CHECK_FOR_INTERRUPTS();
		walk_on(table);
	}
}
