/*
 * settle_links.c
 *		New links go into qbsync.link below the executor, page by page, as the mirror's rows do (inbound/mirror_table.c): a first
 *		sync makes one for each record, and the arrays of a statement cost more than the rows.
 *
 * The rows are written in order of the CRM's keys, so that PostgreSQL knows keys that only ascend when it splits a page of the
 * index on them (new entries, of rows side by side, in the middle of older ones), and leaves full pages behind.
 *
 * qbsync.link has no triggers, no row-level security and no defaults that are not written here; its checks name what this
 * library writes.  Unique indexes are looked at as ever.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "crm/batch.h"
#include "crm/canonical.h"
#include "crm/settle_links.h"

/* Rows written together, at most, and their size. */
#define BATCH_ROWS	64
#define BATCH_BYTES	(128 * 1024)

/* Columns that are written; the others are null. */
typedef enum LinkColumn
{
	LINK_CONNECTION_ID,
	LINK_ENTITY,
	LINK_ID,
	LINK_FAMILY,
	LINK_MAPPING_ID,
	LINK_CRM_KEY,
	LINK_STATE,
	LINK_ORIGIN,
	LINK_LINKED_AT,
	LINK_BASE,
	LINK_CRM_BASE,
	LINK_UNAGREED,
	LINK_FACTS,
	LINK_EVENTS,
	LINK_AGREED_AT,
	NCOLUMNS
} LinkColumn;

static const char *const column_names[NCOLUMNS] = {
	"connection_id", "entity", "id", "family", "mapping_id", "crm_key", "state", "origin", "linked_at", "base", "crm_base",
	"unagreed", "facts", "events", "agreed_at"
};

/* A link, and what indexes have to know of it, once it is in the table. */
typedef struct Entry
{
	const Deed *deed;
	ItemPointerData place;
	Datum		id;
	Datum		crm_key;
	Datum		origin;
} Entry;

/* An entry, for sorting by crm_key. */
typedef struct KeyEntry
{
	SortString	crm_key;
	Entry	   *entry;
} KeyEntry;

/* The table, open. */
typedef struct LinkTable
{
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *result;
	BulkInsertState bulk;
	int			columns[NCOLUMNS];	/* from 0 */
	bool		simple;			/* its indexes are what enter_all() can do */
	TupleTableSlot *batch[BATCH_ROWS];
	int			nslots;
	int			nbatch;
	Size		bytes;
	int			nentries;
	Entry	   *entries;		/* in order of id */
	KeyEntry   *by_key;			/* the same in order of crm_key */
	int			nwritten;		/* of by_key, but those in the batch */
	/* the same for all rows */
	Datum		entity;
	Datum		state;
} LinkTable;

/* Is a column, by its number, the same in all rows that are written together, or in their entries? */
static bool
is_known(const LinkTable *table, AttrNumber attnum)
{
	static const LinkColumn known[] = {
		LINK_CONNECTION_ID, LINK_ENTITY, LINK_ID, LINK_FAMILY, LINK_MAPPING_ID, LINK_CRM_KEY, LINK_STATE, LINK_ORIGIN,
		LINK_LINKED_AT
	};

	for (int i = 0; i < lengthof(known); i++)
		if (attnum == table->columns[known[i]] + 1)
			return true;
	return false;
}

/* Is an index, and which rows it takes, made of such columns alone? */
static bool
index_is_known(const LinkTable *table, const IndexInfo *info)
{
	Bitmapset  *used = NULL;
	int			column = -1;

	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
		if (info->ii_IndexAttrNumbers[i] != 0 && !is_known(table, info->ii_IndexAttrNumbers[i]))
			return false;
	pull_varattnos((Node *) info->ii_Expressions, 1, &used);
	pull_varattnos((Node *) info->ii_Predicate, 1, &used);
	while ((column = bms_next_member(used, column)) >= 0)
		if (!is_known(table, column + FirstLowInvalidHeapAttributeNumber))
			return false;
	return true;
}

/* Are all indexes ones whose entries can be made from that, and take effect at once? */
static bool
indexes_are_simple(const LinkTable *table)
{
	for (int i = 0; i < table->result->ri_NumIndices; i++)
	{
		const IndexInfo *info = table->result->ri_IndexRelationInfo[i];
		Relation	rel = table->result->ri_IndexRelationDescs[i];

		if (!info->ii_ReadyForInserts || info->ii_ExclusionOps != NULL || !rel->rd_index->indimmediate || !index_is_known(table, info))
			return false;
	}
	return true;
}

static void
open_table(LinkTable *table, const Mapping *mapping, int n)
{
	Oid			relid = get_relname_relid("link", get_namespace_oid("qbsync", false));

	if (!OidIsValid(relid))
		elog(ERROR, "table qbsync.link does not exist");
	memset(table, 0, sizeof(LinkTable));
	table->rel = table_open(relid, RowExclusiveLock);
	for (int i = 0; i < NCOLUMNS; i++)
	{
		int			attnum = SPI_fnumber(RelationGetDescr(table->rel), column_names[i]);

		if (attnum <= 0)
			elog(ERROR, "table qbsync.link has no column \"%s\"", column_names[i]);
		table->columns[i] = attnum - 1;
	}
	table->estate = CreateExecutorState();
	table->result = makeNode(ResultRelInfo);
	InitResultRelInfo(table->result, table->rel, 0, NULL, 0);
	ExecOpenIndices(table->result, false);
	table->simple = indexes_are_simple(table);
	table->entries = palloc(sizeof(Entry) * n);
	table->by_key = palloc(sizeof(KeyEntry) * n);
	table->bulk = GetBulkInsertState();
	table->entity = CStringGetTextDatum(mapping->entity);
	table->state = CStringGetTextDatum("linked");
}

/* Put a value into a row; 0: null. */
static void
put(LinkTable *table, TupleTableSlot *slot, LinkColumn column, Datum value)
{
	slot->tts_values[table->columns[column]] = value;
	slot->tts_isnull[table->columns[column]] = value == (Datum) 0;
}

/* The same for a number, of which 0 is one. */
static void
put_number(LinkTable *table, TupleTableSlot *slot, LinkColumn column, int32 value)
{
	slot->tts_values[table->columns[column]] = Int32GetDatum(value);
	slot->tts_isnull[table->columns[column]] = false;
}

/* What is the same in all rows. */
static void
put_common(LinkTable *table, const Mapping *mapping, TupleTableSlot *slot)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	put_number(table, slot, LINK_CONNECTION_ID, mapping->connection_id);
	put(table, slot, LINK_ENTITY, table->entity);
	put_number(table, slot, LINK_FAMILY, mapping->family);
	put_number(table, slot, LINK_MAPPING_ID, mapping->mapping_id);
	put(table, slot, LINK_STATE, table->state);
	put(table, slot, LINK_LINKED_AT, TimestampTzGetDatum(now));
	put(table, slot, LINK_AGREED_AT, TimestampTzGetDatum(now));
}

/* Write the rows that wait. */
static void
flush(LinkTable *table)
{
	if (table->nbatch == 0)
		return;
	table_multi_insert(table->rel, table->batch, table->nbatch, GetCurrentCommandId(true), 0, table->bulk);
	for (int i = 0; i < table->nbatch; i++)
	{
		table->by_key[table->nwritten++].entry->place = table->batch[i]->tts_tid;
		if (!table->simple)
		{
			(void) qbsync_insert_index_entries(table->result, table->batch[i], table->estate);
			ResetPerTupleExprContext(table->estate);
		}
		ExecClearTuple(table->batch[i]);
	}
	table->nbatch = 0;
	table->bytes = 0;
}

/* A row as indexes see it, but for what its entry says. */
static TupleTableSlot *
entry_slot(LinkTable *table, const Mapping *mapping)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(table->rel), &TTSOpsVirtual);

	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	put_common(table, mapping, slot);
	ExecStoreVirtualTuple(slot);
	return slot;
}

/* By crm_key, as its collation "C" has it. */
static int
compare_crm_keys(const void *a, const void *b)
{
	return compare_sort_strings(&((const KeyEntry *) a)->crm_key, &((const KeyEntry *) b)->crm_key);
}

/*
 * The entries of all links, of deeds in order of id.  Those of rows that were just made are listed in the order in which these
 * were, which most often is that of their keys: to sort them takes no more than a look.
 */
static void
list_entries(LinkTable *table, const Deed **deeds, int n)
{
	int			nmade = 0;
	int			others;

	for (int i = 0; i < n; i++)
		nmade += deeds[i]->decision->created != NULL;
	others = nmade;
	for (int i = 0; i < n; i++)
	{
		const Decision *decision = deeds[i]->decision;
		int			place = decision->created ? decision->place : others++;

		if (deeds[i]->crm_key == NULL || decision->origin == NULL || place >= n)
			elog(ERROR, "the new link of \"%s\" has no CRM record or no origin", decision->id);
		table->entries[i] = (Entry) {
			.deed = deeds[i],
			.id = CStringGetTextDatum(decision->id),
			.crm_key = CStringGetTextDatum(deeds[i]->crm_key),
			.origin = CStringGetTextDatum(decision->origin)
		};
		table->by_key[place] = (KeyEntry) {sort_string(deeds[i]->crm_key), &table->entries[i]};
	}
	table->nentries = n;
	qsort(table->by_key, n, sizeof(KeyEntry), compare_crm_keys);
}

/* The entries of all links in one index, in order of id, or in that of the rows. */
static void
enter(LinkTable *table, int index, bool by_id, TupleTableSlot *slot)
{
	IndexInfo  *info = table->result->ri_IndexRelationInfo[index];
	Relation	rel = table->result->ri_IndexRelationDescs[index];
	ExprState  *predicate = ExecPrepareQual(info->ii_Predicate, table->estate);

	for (int i = 0; i < table->nentries; i++)
	{
		Entry	   *entry = by_id ? &table->entries[i] : table->by_key[i].entry;
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		CHECK_FOR_INTERRUPTS();
		put(table, slot, LINK_ID, entry->id);
		put(table, slot, LINK_CRM_KEY, entry->crm_key);
		put(table, slot, LINK_ORIGIN, entry->origin);
		if (!ExecQual(predicate, GetPerTupleExprContext(table->estate)))
			continue;
		FormIndexDatum(info, slot, table->estate, values, nulls);
		(void) index_insert(rel, values, nulls, &entry->place, table->rel, info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
							false, info);
		ResetPerTupleExprContext(table->estate);
	}
}

/*
 * Is the id one of an index's columns?  Any other is entered in order of the rows, which is that of the crm_key, and of the
 * places that tell apart what is the same in all of them, as the time is.
 */
static bool
goes_by_id(const LinkTable *table, const IndexInfo *info)
{
	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
		if (info->ii_IndexAttrNumbers[i] == table->columns[LINK_ID] + 1)
			return true;
	return false;
}

/* The entries of all links, index by index, so that neighbours come one after the other. */
static void
enter_all(LinkTable *table, const Mapping *mapping)
{
	TupleTableSlot *slot = entry_slot(table, mapping);

	GetPerTupleExprContext(table->estate)->ecxt_scantuple = slot;
	for (int i = 0; i < table->result->ri_NumIndices; i++)
		enter(table, i, goes_by_id(table, table->result->ri_IndexRelationInfo[i]), slot);
	ExecDropSingleTupleTableSlot(slot);
}

static void
close_table(LinkTable *table)
{
	for (int i = 0; i < table->nslots; i++)
		ExecDropSingleTupleTableSlot(table->batch[i]);
	FreeBulkInsertState(table->bulk);
	ExecCloseIndices(table->result);
	FreeExecutorState(table->estate);
	/* the lock is kept until the transaction ends */
	table_close(table->rel, NoLock);
}

/* crm_base of a new link.  A record just made was given every column that may come in, most of them empty. */
static Datum
shown_otherwise(const Mapping *mapping, const Deed *deed)
{
	Datum		crm_base = deed->decision->crm_base;
	Datum		write = deed->write;
	Jsonb	   *shown;

	if (write == (Datum) 0 || deed->shown == (Datum) 0)
		return crm_base;
	if (deed->decision->action == DECISION_CREATE)
		write = DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(mapping_statements(mapping)->empty_row), write);
	shown = canonical_shown(DatumGetJsonbP(write), DatumGetJsonbP(deed->shown), crm_base ? DatumGetJsonbP(crm_base) : NULL);
	return shown ? JsonbPGetDatum(shown) : (Datum) 0;
}

/* An empty row. */
static TupleTableSlot *
next_slot(LinkTable *table)
{
	TupleTableSlot *slot;

	if (table->nbatch == BATCH_ROWS || table->bytes >= BATCH_BYTES)
		flush(table);
	if (table->nbatch == table->nslots)
		table->batch[table->nslots++] = table_slot_create(table->rel, NULL);
	slot = table->batch[table->nbatch];
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	return slot;
}

static void
insert_link(LinkTable *table, const Mapping *mapping, const Entry *entry)
{
	const Deed *deed = entry->deed;
	const Decision *decision = deed->decision;
	TupleTableSlot *slot = next_slot(table);
	bool		should_free;

	put_common(table, mapping, slot);
	put(table, slot, LINK_ID, entry->id);
	put(table, slot, LINK_CRM_KEY, entry->crm_key);
	put(table, slot, LINK_ORIGIN, entry->origin);
	put(table, slot, LINK_BASE, decision->base);
	put(table, slot, LINK_CRM_BASE, shown_otherwise(mapping, deed));
	put(table, slot, LINK_UNAGREED, decision->unagreed);
	put(table, slot, LINK_FACTS, decision->facts);
	put(table, slot, LINK_EVENTS, deed->events_left);
	ExecStoreVirtualTuple(slot);
	ExecMaterializeSlot(slot);
	table->bytes += ExecFetchSlotHeapTuple(slot, false, &should_free)->t_len;
	table->nbatch++;
}

void
settle_links(const Mapping *mapping, const Deed **deeds, int n)
{
	LinkTable	table;

	if (n == 0)
		return;
	open_table(&table, mapping, n);
	list_entries(&table, deeds, n);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		insert_link(&table, mapping, table.by_key[i].entry);
	}
	flush(&table);
	if (table.simple)
		enter_all(&table, mapping);
	close_table(&table);
	/* what follows sees them */
	CommandCounterIncrement();
}
