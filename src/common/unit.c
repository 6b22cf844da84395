/*
 * unit.c
 *		Units of work: the only way a worker runs SQL.
 *
 * A unit is one short transaction.  It first takes a lock on the extension itself, so that DROP EXTENSION either waits
 * for the unit or makes it a no-op, and looks at the installed version, because packages and ALTER EXTENSION UPDATE are
 * upgraded at different moments.  The snapshot is taken after that lock: statements must not see less than the lock
 * guarantees.  An error inside is caught here, its text copied, the transaction aborted: the caller
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
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "common/unit.h"
#include "qbsync.h"

/* Why the last unit was not run at all; UNIT_DONE if it was. */
static UnitResult refusal = UNIT_DONE;

/* Who commits the unit under way; InvalidOid: the one who runs it. */
static Oid	commit_role = InvalidOid;

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

/* Copy a text, clipped at a character boundary; empty for NULL. */
static void
copy_clipped(char *target, size_t size, const char *source)
{
	int			length = source ? pg_mbcliplen(source, strlen(source), size - 1) : 0;

	if (length > 0)
		memcpy(target, source, length);
	target[length] = '\0';
}

/* Copy what the error says. */
void
unit_error_copy(UnitError *error)
{
	ErrorData  *edata = CopyErrorData();
	StringInfoData words;

	initStringInfo(&words);
	appendStringInfoString(&words, edata->message ? edata->message : "unknown error");
	if (edata->detail)
		appendStringInfo(&words, ": %s", edata->detail);
	copy_clipped(error->message, sizeof(error->message), words.data);
	copy_clipped(error->detail, sizeof(error->detail), edata->detail);
	copy_clipped(error->hint, sizeof(error->hint), edata->hint);
	copy_clipped(error->schema_name, sizeof(error->schema_name), edata->schema_name);
	copy_clipped(error->table_name, sizeof(error->table_name), edata->table_name);
	copy_clipped(error->column_name, sizeof(error->column_name), edata->column_name);
	copy_clipped(error->constraint_name, sizeof(error->constraint_name), edata->constraint_name);
	error->sqlerrcode = edata->sqlerrcode;
	pfree(words.data);
	FreeErrorData(edata);
}

/*
 * How much of an error's words everybody may read who reads qbsync.error_open: not the detail of a constraint, which is the whole
 * row, with columns that have nothing to do with us.
 */
static int
public_length(const UnitError *error)
{
	const char *end = error->message + strlen(error->message);

	if (error->sqlerrcode != ERRCODE_CHECK_VIOLATION && error->sqlerrcode != ERRCODE_NOT_NULL_VIOLATION &&
		error->sqlerrcode != ERRCODE_WITH_CHECK_OPTION_VIOLATION)
		return (int) (end - error->message);
	/* message, colon and detail stand in one text, which may be clipped anywhere */
	for (const char *colon = strstr(error->message, ": "); colon != NULL; colon = strstr(colon + 1, ": "))
		if (strncmp(colon + 2, error->detail, end - colon - 2) == 0)
			return (int) (colon - error->message);
	return (int) (end - error->message);
}

char *
unit_error_words(const UnitError *error)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendBinaryStringInfo(&detail, error->message, public_length(error));
	if (error->constraint_name[0] != '\0' && strstr(error->message, error->constraint_name) == NULL)
		appendStringInfo(&detail, " (%s)", error->constraint_name);
	return detail.data;
}

/*
 * Commit, as the role that unit_commit_as() named.  PostgreSQL gives our own rights back by itself only when the
 * transaction aborts.  A cursor WITH HOLD that user code left open would outlive the transaction and is closed.
 */
static void
commit_transaction(void)
{
	Oid			saved_user;
	int			saved_context;

	if (!OidIsValid(commit_role))
	{
		CommitTransactionCommand();
		return;
	}
	GetUserIdAndSecContext(&saved_user, &saved_context);
	SetUserIdAndSecContext(commit_role, saved_context | SECURITY_LOCAL_USERID_CHANGE);
	CommitTransactionCommand();
	SetUserIdAndSecContext(saved_user, saved_context);
	PortalHashTableDeleteAll();
}

/* Run the work in a transaction; on error copy its text to *failure and abort. */
static UnitResult
run_transaction(const UnitOptions *options, UnitWork work, void *arg, UnitError *failure)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile UnitResult result = UNIT_FAILED;

	PG_TRY();
	{
		StartTransactionCommand();
		if (options && options->repeatable_read)
			XactIsoLevel = XACT_REPEATABLE_READ;
		SPI_connect();
		/* catalogs are read with snapshots of their own: the transaction's first one comes after the lock */
		result = hold_extension();
		if (result == UNIT_DONE)
		{
			PushActiveSnapshot(GetTransactionSnapshot());
			work(arg);
			PopActiveSnapshot();
		}
		SPI_finish();
		commit_transaction();
	}
	PG_CATCH();
	{
		/* the text is copied outside ErrorContext, before that is flushed */
		MemoryContextSwitchTo(caller);
		unit_error_copy(failure);
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
	return unit_run_with(NULL, activity, work, arg, error);
}

UnitResult
unit_run_with(const UnitOptions *options, const char *activity, UnitWork work, void *arg, UnitError *error)
{
	UnitError	unwanted;
	UnitError  *failure = error ? error : &unwanted;
	UnitResult	result;

	memset(failure, 0, sizeof(*failure));
	commit_role = InvalidOid;
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, activity);
	result = run_transaction(options, work, arg, failure);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (result != UNIT_FAILED)
		refusal = result;
	return result;
}

void
unit_commit_as(Oid role)
{
	commit_role = role;
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

void
unit_not_durable(void)
{
	(void) set_config_option("synchronous_commit", "off", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

void
unit_use_indexes(void)
{
	(void) set_config_option("enable_seqscan", "off", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
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

uint64
sql_execute_by_index(SqlStatement *statement, Datum *values, const char *nulls)
{
	static const char *const avoided[] = {"enable_hashjoin", "enable_mergejoin", "enable_seqscan"};
	int			level = NewGUCNestLevel();
	uint64		rows;

	for (int i = 0; i < lengthof(avoided); i++)
		(void) set_config_option(avoided[i], "off", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	rows = sql_execute(statement, values, nulls);
	AtEOXact_GUC(true, level);
	return rows;
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
