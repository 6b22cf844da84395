/*
 * capture_append.c
 *		Adding rows to qbsync.capture.
 *
 * The row goes straight into the heap: no statement, no privilege, no index, no lock that two writers could want in different
 * order.  It belongs to the writer's transaction and savepoint as any other row does.
 *
 * Which table it is, is looked up once and remembered.  The layout is frozen, so a library and an extension of different
 * versions agree on it; a table that does not have it, or is not there because the extension is half gone, is left alone: the
 * CRM's write goes on.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/xid8.h"

#include "common/wake.h"
#include "outbound/capture.h"
#include "qbsync.h"

/* The table, once it was found to be as it should; forgotten when it is altered. */
static Oid	capture_table = InvalidOid;

static const Oid layout[] = {INT4OID, TEXTOID, XID8OID, TIMESTAMPTZOID, TEXTOID};

static void
relation_changed(Datum arg, Oid relation)
{
	if (relation == capture_table || !OidIsValid(relation))
		capture_table = InvalidOid;
}

/* Open a table for writing; NULL if it is gone.  As try_relation_open(), which looks into the catalog each time. */
static Relation
try_open(Oid table)
{
	Relation	relation;

	LockRelationOid(table, RowExclusiveLock);
	relation = RelationIdGetRelation(table);
	if (!RelationIsValid(relation))
	{
		UnlockRelationOid(table, RowExclusiveLock);
		return NULL;
	}
	return relation;
}

/* Is it the table we know? */
static bool
fits(Relation relation)
{
	TupleDesc	desc = RelationGetDescr(relation);

	if (relation->rd_rel->relkind != RELKIND_RELATION || relation->rd_rel->relam != HEAP_TABLE_AM_OID ||
		desc->natts != lengthof(layout))
		return false;
	for (int i = 0; i < lengthof(layout); i++)
	{
		if (TupleDescAttr(desc, i)->attisdropped || TupleDescAttr(desc, i)->atttypid != layout[i])
			return false;
	}
	return true;
}

/* The table, open and locked for writing; NULL if there is none to write to. */
static Relation
open_table(void)
{
	static bool registered = false;
	Relation	relation;
	Oid			namespace;
	Oid			table;

	if (OidIsValid(capture_table))
	{
		relation = try_open(capture_table);
		/* waiting for the lock may have brought news */
		if (relation != NULL && OidIsValid(capture_table))
			return relation;
		if (relation != NULL)
			relation_close(relation, RowExclusiveLock);
		capture_table = InvalidOid;
	}
	if (!registered)
	{
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		registered = true;
	}
	namespace = get_namespace_oid(QBSYNC_EXTENSION, true);
	table = OidIsValid(namespace) ? get_relname_relid("capture", namespace) : InvalidOid;
	if (!OidIsValid(table))
		return NULL;
	relation = try_open(table);
	if (relation == NULL)
		return NULL;
	if (!fits(relation))
	{
		relation_close(relation, RowExclusiveLock);
		return NULL;
	}
	capture_table = RelationGetRelid(relation);
	return relation;
}

/*
 * The time is that of the statement: asking the clock for each row of a bulk change would cost more than it says.
 */
void
capture_append(int32 watch_id, text *key, text *was)
{
	Relation	relation = open_table();
	Datum		values[lengthof(layout)];
	bool		nulls[lengthof(layout)] = {false};

	if (relation == NULL)
		return;
	values[0] = Int32GetDatum(watch_id);
	values[1] = PointerGetDatum(key);
	nulls[1] = key == NULL;
	values[2] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[3] = TimestampTzGetDatum(GetCurrentStatementStartTimestamp());
	values[4] = PointerGetDatum(was);
	nulls[4] = was == NULL;
	/* what is palloc'd in a trigger is gone with the row */
	simple_heap_insert(relation, heap_form_tuple(RelationGetDescr(relation), values, nulls));
	relation_close(relation, NoLock);
	wake_at_commit();
}
