/*
 * unit.c
 *		Units of work: the only way a worker runs SQL.
 *
 * A unit is one short transaction.  It first takes a lock on the extension itself, so that DROP EXTENSION either waits
 * for the unit or makes it a no-op, and looks at the installed version, because packages and ALTER EXTENSION UPDATE are
 * upgraded at different moments.  An error inside is caught here, its text copied, the transaction aborted: the caller
 * decides what the failure means and records it in another unit (a record made in the failing transaction would be
 * rolled back with it).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "catalog/indexing.h"
#include "commands/extension.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "common/unit.h"
#include "qbsync.h"

/* Why the last unit was not run at all; UNIT_DONE if it was. */
static UnitResult refusal = UNIT_DONE;

/* Is the version of the extension with that oid the one this library belongs to? */
static bool
version_matches(Oid extension)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		matches = false;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(rel), &isnull);

		if (!isnull)
		{
			char	   *installed = TextDatumGetCString(version);

			matches = strcmp(installed, QBSYNC_VERSION) == 0;
			pfree(installed);
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return matches;
}

/* Lock the extension against being dropped during this transaction, and look at its version. */
static UnitResult
hold_extension(void)
{
	Oid			extension = get_extension_oid(QBSYNC_EXTENSION, true);

	if (!OidIsValid(extension))
		return UNIT_GONE;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	/* it may have been dropped, or replaced, while we waited for the lock */
	if (get_extension_oid(QBSYNC_EXTENSION, true) != extension)
		return UNIT_GONE;
	return version_matches(extension) ? UNIT_DONE : UNIT_VERSIONS_APART;
}

/* Copy what the error says, clipped at a character boundary. */
static void
copy_error(UnitError *error)
{
	ErrorData  *edata = CopyErrorData();
	StringInfoData words;
	int			length;

	initStringInfo(&words);
	appendStringInfoString(&words, edata->message ? edata->message : "unknown error");
	if (edata->detail)
		appendStringInfo(&words, ": %s", edata->detail);
	length = pg_mbcliplen(words.data, words.len, sizeof(error->message) - 1);
	memcpy(error->message, words.data, length);
	error->message[length] = '\0';
	error->sqlerrcode = edata->sqlerrcode;
	pfree(words.data);
	FreeErrorData(edata);
}

/* Run the work in a transaction; on error copy its text to *failure and abort. */
static UnitResult
run_transaction(UnitWork work, void *arg, UnitError *failure)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile UnitResult result = UNIT_FAILED;

	PG_TRY();
	{
		StartTransactionCommand();
		SPI_connect();
		PushActiveSnapshot(GetTransactionSnapshot());
		result = hold_extension();
		if (result == UNIT_DONE)
		{
			/*
			 * The statement must not see less than the lock guarantees: take the snapshot again, now that the lock is
			 * held.
			 */
			PopActiveSnapshot();
			PushActiveSnapshot(GetTransactionSnapshot());
			work(arg);
		}
		PopActiveSnapshot();
		SPI_finish();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		/* the text is copied outside ErrorContext, before that is flushed */
		MemoryContextSwitchTo(caller);
		copy_error(failure);
		FlushErrorState();
		AbortCurrentTransaction();
		result = UNIT_FAILED;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return result;
}

UnitResult
unit_run(const char *activity, UnitWork work, void *arg, UnitError *error)
{
	UnitError	unwanted;
	UnitError  *failure = error ? error : &unwanted;
	UnitResult	result;

	failure->sqlerrcode = 0;
	failure->message[0] = '\0';
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, activity);
	result = run_transaction(work, arg, failure);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (result != UNIT_FAILED)
		refusal = result;
	return result;
}

UnitResult
unit_refusal(void)
{
	return refusal;
}

void
unit_durable(void)
{
	(void) set_config_option("synchronous_commit", "on", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

uint64
sql_execute(SqlStatement *statement, Datum *values, const char *nulls)
{
	MemoryContext caller = CurrentMemoryContext;
	int			code;

	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->text, statement->nargs, statement->argtypes);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", statement->text, SPI_result_code_string(SPI_result));
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "could not keep the plan of \"%s\"", statement->text);
		statement->plan = plan;
	}
	code = SPI_execute_plan(statement->plan, values, nulls, false, 0);
	if (code < 0)
		elog(ERROR, "could not execute \"%s\": %s", statement->text, SPI_result_code_string(code));
	/* SPI leaves its own context behind, whatever the caller had switched to */
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

char *
sql_text(uint64 row, int column, MemoryContext context)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
	char	   *copy;

	if (value == NULL)
		return NULL;
	copy = MemoryContextStrdup(context, value);
	pfree(value);
	return copy;
}

Datum
sql_datum(uint64 row, int column, bool *isnull)
{
	bool		null;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &null);

	if (isnull)
		*isnull = null;
	else if (null)
		elog(ERROR, "unexpected null in column %d", column);
	return value;
}
