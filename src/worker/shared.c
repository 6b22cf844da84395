/*
 * shared.c
 *		Shared memory: which worker serves which database, and how backends wake them.
 *
 * Responsible for one fixed-size struct, guarded by one LWLock (apply workers have a table of their own, apply_shared.c):
 *	- the launcher's pid and latch;
 *	- an entry per database whose gateway runs, is wanted or is being looked for ("entry" below);
 *	- a mark per running command that needs a database for itself ("yield");
 *	- two condition variables: progress (qbsync_wait sleeps there) and departure (such commands sleep there).
 *
 * Who writes what:
 *	- a gateway registers itself in the entry the launcher prepared, says how it is, and clears pid and latch when it
 *	  exits, in an exit callback, and only if the entry is still its own: a successor may already be there;
 *	- the launcher makes and removes entries, and sets the states of entries without a process.  When to start again
 *	  (attempts, next start) is in its own memory: a new launcher may as well begin afresh;
 *	- any backend may poke: a poke sets a flag, and the launcher does the rest.
 *
 * Pointers: only latches, which are in PGPROC and so valid in every process.  A latch is set while the lock is held, so
 * that its owner cannot have left in between.  The same goes for kill(): a process is in the table only while it lives.
 *
 * After a crash of any backend the postmaster makes this memory anew; nothing here may matter longer than that.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include <signal.h>

#include "access/xact.h"
#include "portability/instr_time.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "common/progress.h"
#include "common/wake.h"
#include "compat.h"
#include "worker/apply_shared.h"
#include "worker/database_ddl.h"
#include "worker/extension_ddl.h"
#include "worker/launcher.h"
#include "worker/shared.h"

/* Commands that need a database for themselves at the same time; one more goes ahead without waiting for the workers. */
#define MAX_YIELDS 64

/* How long such a command waits for the workers to leave; it then goes on, and may fail for itself (ms). */
#define YIELD_WAIT 10000

/* One database.  The database is InvalidOid where the entry is free. */
typedef struct GatewayEntry
{
	GatewayView view;
	Latch	   *latch;			/* the gateway's; NULL when pid is 0 */
	bool		asked;			/* somebody committed something for the gateway to look at */
} GatewayEntry;

typedef struct YieldMark
{
	Oid			database;		/* InvalidOid: free */
	int			holder;			/* pid of the backend that runs the command */
} YieldMark;

typedef struct SharedState
{
	int			launcher_pid;
	Latch	   *launcher_latch;
	bool		rescan;			/* the launcher shall look for new databases */
	ConditionVariable progress; /* common/progress.c works with it */
	ConditionVariable departure;
	GatewayEntry entries[SHARED_MAX_DATABASES];
	YieldMark	yields[MAX_YIELDS];
} SharedState;

static SharedState *shared = NULL;
static LWLock *shared_lock = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* What the current transaction does at its end. */
static bool wake_pending = false;
static bool yield_pending = false;

/* The database this process is the gateway of. */
static Oid	gateway_database = InvalidOid;

static void request_memory(void);
static void start_memory(void);
static void on_transaction_end(XactEvent event, void *arg);
static void wake_database(Oid database);
static void release_yields(void);
static void on_gateway_exit(int code, Datum arg);
static void on_launcher_exit(int code, Datum arg);
static GatewayEntry *find_entry(Oid database);
static GatewayEntry *make_entry(Oid database);
static bool is_yielded(Oid database);
static void wake_launcher(void);

/*
 * Everything that must be in place before the first process starts.  During pg_upgrade no worker may run; without memory
 * the library then acts as if it were not preloaded.
 */
void
shared_init(void)
{
	if (IsBinaryUpgrade)
		return;

	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_memory;

	/* Once, here: every process inherits it. */
	RegisterXactCallback(on_transaction_end, NULL);
	wake_attach(shared_wake_at_commit);
	database_ddl_init();
	extension_ddl_init();
	launcher_register();
}

static void
request_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(add_size(MAXALIGN(sizeof(SharedState)), apply_shared_size()));
	RequestNamedLWLockTranche("qbsync", 2);
}

static void
start_memory(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("qbsync", sizeof(SharedState), &found);
	shared_lock = &GetNamedLWLockTranche("qbsync")[0].lock;
	if (!found)
	{
		memset(shared, 0, sizeof(SharedState));
		ConditionVariableInit(&shared->departure);
	}
	progress_attach(&shared->progress, !found);
	apply_shared_init(&GetNamedLWLockTranche("qbsync")[1].lock);
	LWLockRelease(AddinShmemInitLock);
}

bool
shared_available(void)
{
	return shared != NULL;
}

/* The entry of a database, or NULL.  The lock is held. */
static GatewayEntry *
find_entry(Oid database)
{
	for (int i = 0; i < SHARED_MAX_DATABASES; i++)
	{
		if (shared->entries[i].view.database == database)
			return &shared->entries[i];
	}
	return NULL;
}

/* The entry of a database, made if there is none; NULL if the table is full.  The lock is held exclusively. */
static GatewayEntry *
make_entry(Oid database)
{
	GatewayEntry *entry = find_entry(database);

	if (entry == NULL && (entry = find_entry(InvalidOid)) != NULL)
	{
		memset(entry, 0, sizeof(GatewayEntry));
		entry->view.database = database;
	}
	return entry;
}

/*
 * Does a command need this database for itself?  The lock is held.  Marks leave with their transaction, so a holder
 * that does not exist any more cannot be; it would keep the gateway out for good, so look all the same.
 */
static bool
is_yielded(Oid database)
{
	for (int i = 0; i < MAX_YIELDS; i++)
	{
		if (shared->yields[i].database == database && BackendPidGetProc(shared->yields[i].holder) != NULL)
			return true;
	}
	return false;
}

/* The lock is held. */
static void
wake_launcher(void)
{
	if (shared->launcher_latch != NULL)
		SetLatch(shared->launcher_latch);
}

void
shared_wake_launcher(void)
{
	LWLockAcquire(shared_lock, LW_SHARED);
	wake_launcher();
	LWLockRelease(shared_lock);
}

/*
 * ------------------------------------------------------------------------------------------------------------------
 * Any backend
 * ------------------------------------------------------------------------------------------------------------------
 */

GatewayState
shared_gateway_state(Oid database)
{
	GatewayView view;

	shared_gateway_look(database, &view);
	if (view.state == GATEWAY_ABSENT && (view.poked || view.restart))
		return GATEWAY_STARTING;
	return view.state;
}

/*
 * Only a flag is set here; on_transaction_end() acts on it.  A flag set in a subtransaction that is rolled back stays
 * set: the gateway then looks once for nothing, which is harmless, and cheaper than keeping book of subtransactions.
 */
void
shared_wake_at_commit(void)
{
	if (shared != NULL)
		wake_pending = true;
}

/*
 * Wake at commit only: an abort has left nothing to look at, and what PREPARE TRANSACTION leaves is found by the
 * gateway's slow poll after COMMIT PREPARED, which may happen in another session.  The events of parallel workers never
 * have a flag set.  Yields end with the transaction however it ends.  At XACT_EVENT_COMMIT other backends see the rows
 * already.  Nothing in here may fail.
 */
static void
on_transaction_end(XactEvent event, void *arg)
{
	if (!wake_pending && !yield_pending)
		return;

	if (event == XACT_EVENT_COMMIT && wake_pending)
		wake_database(MyDatabaseId);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		wake_pending = false;
		if (yield_pending)
			release_yields();
	}
}

/*
 * Is a gateway of the database at work that was asked already and has not begun to look?  It will see what has been committed: it
 * looks after it has taken the flag.  Asked without the lock, as each commit does that captured something: an entry that is
 * made anew at that moment is of a gateway that looks anyway when it starts.
 */
static bool
wake_is_pending(Oid database)
{
	/* our commit comes first */
	pg_memory_barrier();
	for (int i = 0; i < SHARED_MAX_DATABASES; i++)
	{
		const volatile GatewayEntry *entry = &shared->entries[i];

		if (entry->view.database == database)
			return entry->asked && entry->view.state == GATEWAY_RUNNING;
	}
	return false;
}

/*
 * Wake the gateway of a database, or have the launcher look whether one is needed there.
 *
 * A poke that comes while a gateway is finding out whether the extension exists must not be lost: it stays on the entry
 * until that gateway is settled.  A gateway that waits for its back-off or for a free slot is not hurried, or every
 * statement of a busy application would start it once more.
 */
static void
wake_database(Oid database)
{
	GatewayEntry *entry;

	if (wake_is_pending(database))
		return;
	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	entry = make_entry(database);
	if (entry == NULL)
		shared->rescan = true;
	else
	{
		entry->asked = true;
		if (entry->latch != NULL)
			SetLatch(entry->latch);
		if (entry->view.state == GATEWAY_ABSENT || entry->view.state == GATEWAY_STARTING)
			entry->view.poked = true;
	}
	if (entry == NULL || entry->view.poked)
		wake_launcher();
	LWLockRelease(shared_lock);
}

bool
shared_gateway_take_wake(void)
{
	GatewayEntry *entry;
	bool		asked = false;

	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	entry = find_entry(gateway_database);
	if (entry != NULL)
	{
		asked = entry->asked;
		entry->asked = false;
	}
	LWLockRelease(shared_lock);
	return asked;
}

bool
shared_gateway_restart(Oid database)
{
	GatewayEntry *entry;

	if (shared == NULL)
		return false;
	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	entry = make_entry(database);
	if (entry != NULL)
	{
		entry->view.restart = true;
		if (entry->view.pid != 0)
			kill(entry->view.pid, SIGTERM);
	}
	wake_launcher();
	LWLockRelease(shared_lock);
	return entry != NULL;
}

/*
 * Mark the database, ask its workers to leave and wait until they have left, serving interrupts.  The mark stays until the
 * transaction ends: until then the command holds its lock on the database, and a gateway started sooner would hang there.
 * Called inside a transaction; returns at once if no worker is there.
 */
void
shared_yield_database(Oid database)
{
	instr_time	start;
	bool		present = true;

	if (shared == NULL)
		return;

	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_YIELDS; i++)
	{
		if (!OidIsValid(shared->yields[i].database))
		{
			shared->yields[i].database = database;
			shared->yields[i].holder = MyProcPid;
			yield_pending = true;
			break;
		}
	}
	LWLockRelease(shared_lock);
	if (!yield_pending)
		return;

	shared_gateway_terminate(database);
	apply_shared_terminate(database);

	INSTR_TIME_SET_CURRENT(start);
	ConditionVariablePrepareToSleep(&shared->departure);
	for (;;)
	{
		GatewayView view;
		instr_time	now;

		shared_gateway_look(database, &view);
		present = view.pid != 0 || apply_shared_present(database);
		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, start);
		if (!present || INSTR_TIME_GET_MILLISEC(now) > YIELD_WAIT)
			break;
		ConditionVariableTimedSleep(&shared->departure, 1000, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

/* Release this process' marks and have the launcher look: the database may be back, gone or copied. */
static void
release_yields(void)
{
	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_YIELDS; i++)
	{
		if (OidIsValid(shared->yields[i].database) && shared->yields[i].holder == MyProcPid)
			shared->yields[i].database = InvalidOid;
	}
	shared->rescan = true;
	wake_launcher();
	LWLockRelease(shared_lock);
	yield_pending = false;
}

/*
 * ------------------------------------------------------------------------------------------------------------------
 * The gateway
 * ------------------------------------------------------------------------------------------------------------------
 */

/*
 * Take the entry that the launcher prepared.  Not allowed, and so the end of this process, with code 0: another gateway
 * serves the database already (an earlier launcher started it), the launcher has given the database up meanwhile, or a
 * command needs it for itself.
 *
 * Called before the process connects: exit callbacks run in the opposite order, so the entry is cleared after the process
 * has left the database, and a command that waits for that can go on at once.
 */
void
shared_gateway_attach(Oid database)
{
	GatewayEntry *entry;
	bool		allowed;

	if (shared == NULL)
		proc_exit(0);

	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	entry = find_entry(database);
	allowed = entry != NULL && entry->view.pid == 0;
	if (allowed && is_yielded(database))
	{
		entry->view.state = GATEWAY_YIELDED;
		allowed = false;
	}
	if (allowed)
	{
		entry->view.pid = MyProcPid;
		entry->view.state = GATEWAY_STARTING;
		entry->view.healthy_since = 0;
		entry->latch = MyLatch;
		gateway_database = database;
	}
	LWLockRelease(shared_lock);

	if (!allowed)
		proc_exit(0);
	on_shmem_exit(on_gateway_exit, (Datum) 0);
}

/*
 * Say how this gateway is.  The launcher hears of it and logs the change.  GATEWAY_ABSENT (no extension here) comes just
 * before proc_exit(0).
 *
 * A gateway that worked and now finds no extension is asked to be looked at once more: the CREATE EXTENSION that may have
 * followed the DROP has woken this process and not the launcher.
 */
void
shared_gateway_set_state(GatewayState state)
{
	GatewayEntry *entry;
	bool		changed = false;

	if (shared == NULL)
		return;
	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	entry = find_entry(gateway_database);
	if (entry != NULL && entry->view.pid == MyProcPid && entry->view.state != state)
	{
		bool		worked = entry->view.state == GATEWAY_RUNNING || entry->view.state == GATEWAY_VERSIONS_APART;

		changed = true;
		if (state == GATEWAY_ABSENT)
			entry->view.poked = entry->view.poked || worked;
		else if (state == GATEWAY_RUNNING || state == GATEWAY_VERSIONS_APART)
		{
			entry->view.poked = false;
			if (entry->view.healthy_since == 0)
				entry->view.healthy_since = GetCurrentTimestamp();
		}
		entry->view.state = state;
		wake_launcher();
	}
	LWLockRelease(shared_lock);
	if (changed)
		progress_announce();
}

/*
 * Leave the entry, if it is still ours.  The state says why this process is gone; what follows is the launcher's.  It is
 * woken by the postmaster too, but not if another launcher than the present one started this gateway.
 */
static void
on_gateway_exit(int code, Datum arg)
{
	GatewayEntry *entry;

	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	entry = find_entry(gateway_database);
	if (entry != NULL && entry->view.pid == MyProcPid)
	{
		entry->view.pid = 0;
		entry->latch = NULL;
		if (is_yielded(gateway_database))
			entry->view.state = GATEWAY_YIELDED;
		else if (entry->view.state != GATEWAY_ABSENT)
			entry->view.state = GATEWAY_BACKOFF;
		wake_launcher();
	}
	LWLockRelease(shared_lock);
	apply_shared_orphan(gateway_database);
	shared_departed();
}

/* Apply workers ask after they have made themselves known: see apply_shared_attach(). */
bool
shared_gateway_serves(Oid database, int pid)
{
	GatewayEntry *entry;
	bool		serves;

	LWLockAcquire(shared_lock, LW_SHARED);
	entry = find_entry(database);
	serves = entry != NULL && entry->view.pid == pid && !is_yielded(database);
	LWLockRelease(shared_lock);
	return serves;
}

void
shared_departed(void)
{
	ConditionVariableBroadcast(&shared->departure);
	progress_announce();
}

/* Ask the gateway to leave.  Under the lock: a process is in the table only while it lives, so the pid is not another's. */
void
shared_gateway_terminate(Oid database)
{
	GatewayEntry *entry;

	LWLockAcquire(shared_lock, LW_SHARED);
	entry = find_entry(database);
	if (entry != NULL && entry->view.pid != 0)
		kill(entry->view.pid, SIGTERM);
	LWLockRelease(shared_lock);
}

/*
 * ------------------------------------------------------------------------------------------------------------------
 * The launcher
 * ------------------------------------------------------------------------------------------------------------------
 */

/* Entries without a process are dropped: what was waiting to start is looked at afresh.  Running gateways go on. */
void
shared_launcher_attach(void)
{
	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	shared->launcher_pid = MyProcPid;
	shared->launcher_latch = MyLatch;
	for (int i = 0; i < SHARED_MAX_DATABASES; i++)
	{
		if (shared->entries[i].view.pid == 0)
			memset(&shared->entries[i], 0, sizeof(GatewayEntry));
	}
	LWLockRelease(shared_lock);
	on_shmem_exit(on_launcher_exit, (Datum) 0);
}

static void
on_launcher_exit(int code, Datum arg)
{
	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	if (shared->launcher_pid == MyProcPid)
	{
		shared->launcher_pid = 0;
		shared->launcher_latch = NULL;
	}
	LWLockRelease(shared_lock);
}

int
shared_launcher_look(GatewayView *views, bool *rescan)
{
	int			n = 0;

	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	for (int i = 0; i < SHARED_MAX_DATABASES; i++)
	{
		if (OidIsValid(shared->entries[i].view.database))
			views[n++] = shared->entries[i].view;
	}
	*rescan = shared->rescan;
	shared->rescan = false;
	LWLockRelease(shared_lock);
	return n;
}

void
shared_gateway_look(Oid database, GatewayView *view)
{
	GatewayEntry *entry;

	memset(view, 0, sizeof(GatewayView));
	if (shared == NULL)
		return;
	LWLockAcquire(shared_lock, LW_SHARED);
	entry = find_entry(database);
	if (entry != NULL)
		*view = entry->view;
	view->yielded = is_yielded(database);
	LWLockRelease(shared_lock);
}

GatewayState
shared_gateway_prepare(Oid database)
{
	GatewayEntry *entry;
	GatewayState result;

	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	if (is_yielded(database))
		result = GATEWAY_YIELDED;
	else if ((entry = make_entry(database)) == NULL)
		result = GATEWAY_NO_SLOT;
	else
	{
		result = GATEWAY_STARTING;
		if (entry->view.pid == 0)
		{
			entry->view.state = GATEWAY_STARTING;
			entry->view.healthy_since = 0;
		}
		/* The gateway to come looks after this moment, so it sees what the poke was about. */
		entry->view.poked = false;
		entry->view.restart = false;
	}
	LWLockRelease(shared_lock);
	return result;
}

void
shared_gateway_mark(Oid database, GatewayState state)
{
	GatewayEntry *entry;

	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	entry = find_entry(database);
	if (entry != NULL && entry->view.pid == 0)
		entry->view.state = state;
	LWLockRelease(shared_lock);
	progress_announce();
}

void
shared_gateway_forget(Oid database, bool force)
{
	GatewayEntry *entry;

	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	entry = find_entry(database);
	if (entry != NULL && entry->view.pid == 0 && (force || !(entry->view.poked || entry->view.restart)))
		memset(entry, 0, sizeof(GatewayEntry));
	LWLockRelease(shared_lock);
}
