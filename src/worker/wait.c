/*
 * wait.c
 *		CALL qbsync_wait(connection, until, timeout, job): wait for something the gateway does.
 *
 * A procedure, because a function would keep its snapshot, and so hold back vacuum, for as long as it waits.  Between
 * looks it commits and sleeps on the progress condition variable, which the gateway broadcasts after each of its commits.
 * A look asks qbsync.wait_state(connection, until, job): 'done' ends the waiting, an error says that there is nothing to
 * wait for, NULL or any other text (the state so far, shown when the time is up) means to go on.  The look is a plain
 * query as the caller; that function runs as the owner, because a procedure that commits cannot.
 *
 * Written in C: PL/pgSQL could only poll, and its pg_sleep() keeps a snapshot.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "nodes/parsenodes.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/progress.h"
#include "compat.h"
#include "worker/shared.h"
#include "worker/worker_sql.h"

/* A look at least this often: what changes a state without the gateway's knowing announces nothing (ms). */
#define LOOK_INTERVAL 1000

/* What is waited for.  Texts are copied: they outlive the transactions the procedure commits. */
typedef struct WaitGoal
{
	const char *connection;		/* NULL: the only one */
	const char *until;
	bool		has_job;
	int64		job;
	double		timeout_ms;		/* 0: no limit */
	char		seen[128];		/* the state the last look found, "" if it did not say */
} WaitGoal;

static void wait_arguments(FunctionCallInfo fcinfo, WaitGoal *goal);
static double interval_ms(Interval *interval);
static bool wait_look(WaitGoal *goal);
static void wait_timed_out(const WaitGoal *goal);

PG_FUNCTION_INFO_V1(qbsync_wait);

/* The procedure.  Needs a CALL outside a transaction block; returns with a fresh transaction open, as CALL expects. */
Datum
qbsync_wait(PG_FUNCTION_ARGS)
{
	WaitGoal	goal;
	instr_time	start;

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("qbsync_wait cannot run inside a transaction block"),
				 errdetail("It commits between looks; a transaction that stays open would not let the gateway see what was asked of it."),
				 errhint("Run CALL qbsync_wait(...) by itself: no BEGIN, autocommit on, not from a function.")));
	worker_require_preloaded();

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	wait_arguments(fcinfo, &goal);
	INSTR_TIME_SET_CURRENT(start);
	for (;;)
	{
		instr_time	passed;
		double		left = LOOK_INTERVAL;

		/* On the list before looking, so that a change made after the look wakes us. */
		progress_prepare();
		if (wait_look(&goal))
			break;
		SPI_commit();			/* releases the snapshot and everything else a transaction holds */

		INSTR_TIME_SET_CURRENT(passed);
		INSTR_TIME_SUBTRACT(passed, start);
		if (goal.timeout_ms > 0)
			left = goal.timeout_ms - INSTR_TIME_GET_MILLISEC(passed);
		if (left <= 0)
			wait_timed_out(&goal);
		progress_sleep((long) Max(1.0, Min(left, LOOK_INTERVAL)));
	}
	progress_cancel();
	SPI_finish();
	PG_RETURN_VOID();
}

/* Read the arguments into memory that lives as long as the call. */
static void
wait_arguments(FunctionCallInfo fcinfo, WaitGoal *goal)
{
	memset(goal, 0, sizeof(WaitGoal));
	if (!PG_ARGISNULL(0))
		goal->connection = text_to_cstring(PG_GETARG_TEXT_PP(0));
	goal->until = PG_ARGISNULL(1) ? "synced" : text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!PG_ARGISNULL(2))
		goal->timeout_ms = interval_ms(PG_GETARG_INTERVAL_P(2));
	if (goal->timeout_ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout of qbsync_wait cannot be negative"),
				 errhint("Leave it null or 0 to wait without a limit.")));
	goal->has_job = !PG_ARGISNULL(3);
	if (goal->has_job)
		goal->job = PG_GETARG_INT64(3);
}

/* The length of an interval that begins now; 0 for one that never ends. */
static double
interval_ms(Interval *interval)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
															  TimestampTzGetDatum(now),
															  IntervalPGetDatum(interval)));

	return TIMESTAMP_NOT_FINITE(end) ? 0 : (end - now) / 1000.0;
}

/* One look.  Is it done?  Raises what qbsync.wait_state() raises. */
static bool
wait_look(WaitGoal *goal)
{
	Oid			types[] = {TEXTOID, TEXTOID, INT8OID};
	Datum		values[3];
	char		nulls[3] = {' ', ' ', ' '};
	char	   *answer;

	if (goal->connection != NULL)
		values[0] = CStringGetTextDatum(goal->connection);
	else
		nulls[0] = 'n';
	values[1] = CStringGetTextDatum(goal->until);
	values[2] = Int64GetDatum(goal->job);
	if (!goal->has_job)
		nulls[2] = 'n';

	/* After SPI_commit() there is none; it must be gone before the next one. */
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute_with_args("SELECT qbsync.wait_state($1, $2, $3)", 3, types, values, nulls, false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "qbsync.wait_state did not answer");
	answer = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	strlcpy(goal->seen, answer ? answer : "", sizeof(goal->seen));
	SPI_freetuptable(SPI_tuptable);
	PopActiveSnapshot();

	if (goal->connection != NULL)
		pfree(DatumGetPointer(values[0]));
	pfree(DatumGetPointer(values[1]));
	if (answer != NULL)
		pfree(answer);
	return strcmp(goal->seen, "done") == 0;
}

/* The SQLSTATE is not query_canceled: that one passes by EXCEPTION WHEN OTHERS, and means that somebody stopped it. */
static void
wait_timed_out(const WaitGoal *goal)
{
	char		what[256];

	if (goal->has_job)
		snprintf(what, sizeof(what), "job " INT64_FORMAT, goal->job);
	else if (goal->connection != NULL)
		snprintf(what, sizeof(what), "connection \"%.*s\" to be %.*s",
				 pg_mbcliplen(goal->connection, strlen(goal->connection), 100), goal->connection,
				 pg_mbcliplen(goal->until, strlen(goal->until), 60), goal->until);
	else
		snprintf(what, sizeof(what), "the connection to be %.*s",
				 pg_mbcliplen(goal->until, strlen(goal->until), 60), goal->until);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("timed out while waiting for %s", what),
			 goal->seen[0] != '\0' ?
			 errdetail("So far: %s. The gateway worker is %s.", goal->seen, worker_state_name()) :
			 errdetail("The gateway worker is %s.", worker_state_name()),
			 errhint("SELECT * FROM qbsync.status says what is going on.")));
}
