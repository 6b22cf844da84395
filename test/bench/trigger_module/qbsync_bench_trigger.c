/*
 * qbsync_bench_trigger.c
 *		Triggers for test/bench/trigger: one that does nothing, and one that adds a row to a heap with the least there is to
 *		it: the table is known by its oid (the argument), and the row is always the same.
 */
#include "postgres.h"

#include "fmgr.h"

#include <time.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(bench_nothing);
PG_FUNCTION_INFO_V1(bench_insert);
PG_FUNCTION_INFO_V1(bench_cpu);

Datum
bench_nothing(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(NULL);
}

Datum
bench_insert(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	relation = table_open(atooid(trigger->tg_trigger->tgargs[0]), RowExclusiveLock);
	Datum		values[4];
	bool		nulls[4] = {false};
	HeapTuple	tuple;

	values[0] = Int32GetDatum(1);
	values[1] = CStringGetTextDatum("123456");
	values[2] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[3] = TimestampTzGetDatum(GetCurrentStatementStartTimestamp());
	tuple = heap_form_tuple(RelationGetDescr(relation), values, nulls);
	simple_heap_insert(relation, tuple);
	heap_freetuple(tuple);
	table_close(relation, NoLock);
	return PointerGetDatum(NULL);
}

/* CPU time of this process, in microseconds. */
Datum
bench_cpu(PG_FUNCTION_ARGS)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	PG_RETURN_FLOAT8(now.tv_sec * 1e6 + now.tv_nsec / 1e3);
}
