/*
 * apply.c
 *		The apply worker of one mapping.
 *
 * What a turn does is crm/turn.c's; this is the process around it: attach, connect, have turns while there is work, sleep, end.
 * A worker is started by its gateway (demand.c) when the mapping has work, and ends with exit code 0 after IDLE_EXIT without any,
 * or when it is told to leave: because others wait for its place, the mapping is disabled, the gateway ends, or a command needs the
 * database.  An error ends it with code 1; the gateway starts the next one after a while.
 *
 * One process works for one mapping, hence one role, so that what user code leaves behind in a session (temporary tables, settings,
 * session-level locks) meets no other mapping's code.  What it could do to our own work is undone before each turn.
 *
 * A cancel (SIGINT) is for a turn.  Outside of one it is held back, as nothing there would catch the error, and forgotten.
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/progress.h"
#include "compat.h"
#include "crm/turn.h"
#include "qbsync.h"
#include "worker/apply.h"
#include "worker/apply_shared.h"

/* A worker without work ends after this time. */
#define IDLE_EXIT_US	(30 * USECS_PER_SEC)

/* So much memory that a turn has used is kept for the next one. */
#define KEEP_BYTES		(32 * 1024 * 1024)

/*
 * Settings of this session, whatever ALTER DATABASE or ALTER ROLE say, and whatever user code of the last turn has SET: RESET
 * first, as a value set in the session outranks ours.  Those that user code should see otherwise are set by crm/role.c while it runs.
 */
static void
pin_settings(void)
{
	static const char *const settings[][2] = {
		{"application_name", "qbsync apply worker"},
		{"bytea_output", "hex"},
		{"DateStyle", "ISO"},
		{"default_transaction_deferrable", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"extra_float_digits", "1"},
		{"idle_in_transaction_session_timeout", "0"},
		{"IntervalStyle", "postgres"},
		{"jit", "off"},
		{"lock_timeout", "1s"},
		{"row_security", "on"},
		{"search_path", "pg_catalog, pg_temp"},
		{"session_replication_role", "origin"},
		{"statement_timeout", "0"},
		{"TimeZone", "UTC"},
		{"transaction_timeout", "0"},
	};

	ResetAllOptions();
	for (int i = 0; i < lengthof(settings); i++)
	{
		/* not every server version has all of them */
		if (GetConfigOption(settings[i][0], true, false) != NULL)
			SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	}
}

/*
 * Keep the memory of a turn for the next one: to give it back to the kernel and to take it anew, page by page, costs more than what is
 * done with it.  A worker without work ends soon.
 */
static void
keep_memory(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, KEEP_BYTES / 2);
	(void) mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
#endif
}

/* End as the gateway expects it. */
static void
leave(ApplyState how)
{
	apply_shared_end(how);
	proc_exit(0);
}

/*
 * One turn, in which alone cancels count.  Session-level advisory locks that user code has kept are released after it: nobody
 * would release them before this process ends.
 */
static TurnResult
have_turn(const ApplyTask *task, TimestampTz *next_due)
{
	TurnResult	result;

	if (!apply_shared_begin_turn())
		leave(APPLY_LEFT);
	pin_settings();
	*next_due = 0;
	QueryCancelPending = false;
	RESUME_CANCEL_INTERRUPTS();
	result = turn_run(task->mapping_id, next_due);
	HOLD_CANCEL_INTERRUPTS();
	/* we may sleep now, and somebody may be waiting for one */
	LockReleaseSession(USER_LOCKMETHOD);
	apply_shared_end_turn();
	return result;
}

/* What may have changed while the worker slept or worked; ends the process if it is to leave. */
static ApplyOrder
look_around(void)
{
	ApplyOrder	order;

	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	order = apply_shared_order();
	if (order == APPLY_LEAVE || qbsync_paused)
		leave(APPLY_LEFT);
	return order;
}

/* Sleep until a turn is asked for or due; end when there was nothing for a while. */
static void
sleep_until_work(const ApplyTask *task, TimestampTz next_due)
{
	TimestampTz idle_since = GetCurrentTimestamp();
	char		activity[NAMEDATALEN * 3];

	snprintf(activity, sizeof(activity), "qbsync: mapping \"%s\" waits for work", task->mapping_name);
	pgstat_report_activity(STATE_IDLE, activity);
	progress_announce();
	while (look_around() != APPLY_WORK)
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz until;

		/* the clock may have been set back */
		idle_since = Min(idle_since, now);
		until = idle_since + IDLE_EXIT_US;
		if (next_due != 0 && next_due <= now)
			return;
		if (until <= now)
			leave(APPLY_LEFT);
		if (next_due != 0)
			until = Min(until, next_due);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 TimestampDifferenceMilliseconds(now, until) + 1, PG_WAIT_EXTENSION);
	}
}

/* Turns, and sleep between them.  Never returns. */
static void
run_loop(const ApplyTask *task)
{
	MemoryContext turn = AllocSetContextCreate(TopMemoryContext, "qbsync apply turn", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		TimestampTz next_due;
		TurnResult	result;

		MemoryContextSwitchTo(turn);
		MemoryContextReset(turn);
		(void) look_around();
		result = have_turn(task, &next_due);
		switch (result)
		{
			case TURN_WORKED:
				break;
			case TURN_IDLE:
				sleep_until_work(task, 0);
				break;
			case TURN_WAIT:
			case TURN_BROKEN:
				sleep_until_work(task, next_due);
				break;
			case TURN_GONE:
				leave(APPLY_GONE);
				break;
		}
	}
}

void
qbsync_apply_main(Datum main_arg)
{
	ApplyTask	task;

	memcpy(&task, MyBgworkerEntry->bgw_extra, sizeof(task));
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, StatementCancelHandler);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	HOLD_CANCEL_INTERRUPTS();
	BackgroundWorkerUnblockSignals();
	apply_shared_attach(DatumGetInt32(main_arg), task.database, task.mapping_id, task.gateway);
	BackgroundWorkerInitializeConnectionByOid(task.database, InvalidOid, 0);
	keep_memory();
	ereport(DEBUG1, (errmsg_internal("qbsync apply worker of mapping \"%s\" started", task.mapping_name)));
	run_loop(&task);
}
