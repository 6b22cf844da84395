/*
 * apply_shared.c
 *		Shared memory: the apply workers, one per mapping that has work.
 *
 * A fixed-size table, guarded by a lock of its own, which is never held together with that of shared.c.  The life of an entry:
 *
 *		free → STARTING (the gateway) → WORKING ⇄ IDLE (the worker) → LEFT, GONE or FAILED (the worker's exit) → free (the gateway)
 *
 * When the gateway ends first, its entries have no owner any more: those without a process are freed at once, the others by the
 * exit of their process.  A worker that was registered but comes later than that finds its place taken away, and ends.
 *
 * As in shared.c: latches are in PGPROC, and are set, and signals sent, under the lock, so that the process cannot have left in
 * between; after a crash the memory is new, and nothing in it matters longer.
 */
#include "postgres.h"

#include "miscadmin.h"

#include <signal.h>

#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "common/watched.h"
#include "worker/apply_shared.h"
#include "worker/shared.h"

/* Cancels in a row that a worker may ignore (user code can catch them) before it is ended. */
#define MAX_CANCELS 20

/* One worker.  The database is InvalidOid where the entry is free. */
typedef struct ApplyEntry
{
	Oid			database;
	int32		mapping_id;
	int			gateway;		/* pid of the gateway that waits for its end; 0: none */
	int			pid;			/* 0 before it has come and after it has ended */
	Latch	   *latch;			/* NULL when pid is 0 */
	ApplyState	state;
	bool		asked;			/* there may be work that no turn has seen */
	bool		leave;			/* end after this turn */
	ApplyState	ending;			/* what the state becomes at exit */
	TimestampTz watched_since;	/* 0: not watched */
	int			cancels;		/* since then */
} ApplyEntry;

typedef struct ApplyTable
{
	ApplyEntry	entries[APPLY_MAX_WORKERS];
} ApplyTable;

static ApplyTable *table = NULL;
static LWLock *table_lock = NULL;

/* The entry of this process, if it is an apply worker. */
static ApplyEntry *own = NULL;

static void set_watched(bool watched);
static void on_worker_exit(int code, Datum arg);

Size
apply_shared_size(void)
{
	return MAXALIGN(sizeof(ApplyTable));
}

/* AddinShmemInitLock is held. */
void
apply_shared_init(LWLock *lock)
{
	bool		found;

	table = ShmemInitStruct("qbsync apply workers", sizeof(ApplyTable), &found);
	table_lock = lock;
	if (!found)
		memset(table, 0, sizeof(ApplyTable));
}

/*
 * ------------------------------------------------------------------------------------------------------------------
 * The gateway, and commands that need its database
 * ------------------------------------------------------------------------------------------------------------------
 */

int
apply_shared_prepare(Oid database, int32 mapping_id)
{
	int			place = APPLY_NO_PLACE;

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	for (int i = 0; i < APPLY_MAX_WORKERS; i++)
	{
		ApplyEntry *entry = &table->entries[i];

		if (!OidIsValid(entry->database))
		{
			if (place == APPLY_NO_PLACE)
				place = i;
		}
		else if (entry->database == database && entry->mapping_id == mapping_id)
		{
			place = APPLY_NOT_YET;
			break;
		}
	}
	if (place >= 0)
	{
		ApplyEntry *entry = &table->entries[place];

		memset(entry, 0, sizeof(ApplyEntry));
		entry->database = database;
		entry->mapping_id = mapping_id;
		entry->gateway = MyProcPid;
		entry->state = APPLY_STARTING;
		entry->ending = APPLY_FAILED;
		entry->asked = true;
	}
	LWLockRelease(table_lock);
	return place;
}

ApplyState
apply_shared_state(int place)
{
	ApplyState	state;

	LWLockAcquire(table_lock, LW_SHARED);
	state = table->entries[place].state;
	LWLockRelease(table_lock);
	return state;
}

/* The worker has ended, or never was. */
void
apply_shared_forget(int place)
{
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	if (table->entries[place].pid == 0)
		memset(&table->entries[place], 0, sizeof(ApplyEntry));
	LWLockRelease(table_lock);
}

void
apply_shared_wake(int place)
{
	ApplyEntry *entry = &table->entries[place];

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	entry->asked = true;
	if (entry->latch != NULL)
		SetLatch(entry->latch);
	LWLockRelease(table_lock);
}

/* Told under the lock; the worker looks when it wakes up or its turn has ended. */
static void
tell_to_leave(ApplyEntry *entry)
{
	entry->leave = true;
	if (entry->latch != NULL)
		SetLatch(entry->latch);
}

bool
apply_shared_dismiss(int place, bool only_idle)
{
	ApplyEntry *entry = &table->entries[place];
	bool		told;

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	told = !only_idle || (entry->state == APPLY_IDLE && !entry->asked);
	if (told)
		tell_to_leave(entry);
	LWLockRelease(table_lock);
	return told;
}

/* An idle worker leaves by itself as quickly as by a signal, and without a word in the log.  The lock is held. */
static void
end_worker(ApplyEntry *entry)
{
	tell_to_leave(entry);
	if (entry->pid != 0 && entry->state != APPLY_IDLE)
		kill(entry->pid, SIGTERM);
}

void
apply_shared_orphan(Oid database)
{
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	for (int i = 0; i < APPLY_MAX_WORKERS; i++)
	{
		ApplyEntry *entry = &table->entries[i];

		if (entry->database != database || entry->gateway != MyProcPid)
			continue;
		entry->gateway = 0;
		if (entry->pid == 0)
			memset(entry, 0, sizeof(ApplyEntry));
		else
			end_worker(entry);
	}
	LWLockRelease(table_lock);
}

void
apply_shared_terminate(Oid database)
{
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	for (int i = 0; i < APPLY_MAX_WORKERS; i++)
	{
		if (table->entries[i].database == database)
			end_worker(&table->entries[i]);
	}
	LWLockRelease(table_lock);
}

/* Workers that are only registered do not count: they ask before they connect (apply_shared_attach). */
bool
apply_shared_present(Oid database)
{
	bool		present = false;

	LWLockAcquire(table_lock, LW_SHARED);
	for (int i = 0; i < APPLY_MAX_WORKERS && !present; i++)
		present = table->entries[i].database == database && table->entries[i].pid != 0;
	LWLockRelease(table_lock);
	return present;
}

/*
 * ------------------------------------------------------------------------------------------------------------------
 * The worker
 * ------------------------------------------------------------------------------------------------------------------
 */

/*
 * First take the place, then ask whether the gateway is still there and nobody needs the database: a command marks the database
 * first and looks at this table then, so one of the two sees the other.
 *
 * As for gateways, the exit callback is arranged before the process connects, and so runs after it has left the database.
 */
void
apply_shared_attach(int place, Oid database, int32 mapping_id, int gateway)
{
	ApplyEntry *entry;

	if (table == NULL || place < 0 || place >= APPLY_MAX_WORKERS)
		proc_exit(0);
	entry = &table->entries[place];
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	if (entry->database == database && entry->mapping_id == mapping_id && entry->gateway == gateway && entry->pid == 0
		&& entry->state == APPLY_STARTING)
	{
		own = entry;
		entry->pid = MyProcPid;
		entry->latch = MyLatch;
	}
	LWLockRelease(table_lock);
	if (own == NULL)
		proc_exit(0);
	on_shmem_exit(on_worker_exit, (Datum) 0);
	watched_attach(set_watched);
	if (!shared_gateway_serves(database, gateway))
	{
		apply_shared_end(APPLY_LEFT);
		proc_exit(0);
	}
}

/* The postmaster tells the gateway; commands that wait for the database are told here. */
static void
on_worker_exit(int code, Datum arg)
{
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	if (own->gateway == 0)
		memset(own, 0, sizeof(ApplyEntry));
	else
	{
		own->pid = 0;
		own->latch = NULL;
		own->watched_since = 0;
		own->state = code == 0 ? own->ending : APPLY_FAILED;
	}
	own = NULL;
	LWLockRelease(table_lock);
	shared_departed();
}

ApplyOrder
apply_shared_order(void)
{
	ApplyOrder	order = APPLY_SLEEP;

	LWLockAcquire(table_lock, LW_SHARED);
	if (own->leave)
		order = APPLY_LEAVE;
	else if (own->asked)
		order = APPLY_WORK;
	LWLockRelease(table_lock);
	return order;
}

bool
apply_shared_begin_turn(void)
{
	bool		leave;

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	leave = own->leave;
	if (!leave)
	{
		own->asked = false;
		own->state = APPLY_WORKING;
	}
	LWLockRelease(table_lock);
	return !leave;
}

void
apply_shared_end_turn(void)
{
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	own->state = APPLY_IDLE;
	LWLockRelease(table_lock);
}

void
apply_shared_end(ApplyState how)
{
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	own->ending = how;
	LWLockRelease(table_lock);
}

/* For common/watched.c. */
static void
set_watched(bool watched)
{
	if (own == NULL)
		return;
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	own->watched_since = watched ? GetCurrentTimestamp() : 0;
	own->cancels = 0;
	LWLockRelease(table_lock);
	if (watched)
		shared_wake_launcher();
}

/*
 * ------------------------------------------------------------------------------------------------------------------
 * The launcher
 * ------------------------------------------------------------------------------------------------------------------
 */

int
apply_shared_watched(WatchedWorker *workers)
{
	int			n = 0;

	LWLockAcquire(table_lock, LW_SHARED);
	for (int i = 0; i < APPLY_MAX_WORKERS; i++)
	{
		ApplyEntry *entry = &table->entries[i];

		if (entry->pid == 0 || entry->watched_since == 0)
			continue;
		workers[n].place = i;
		workers[n].pid = entry->pid;
		workers[n].since = entry->watched_since;
		n++;
	}
	LWLockRelease(table_lock);
	return n;
}

/* Only if it still is in the same work. */
void
apply_shared_cancel(const WatchedWorker *worker)
{
	ApplyEntry *entry = &table->entries[worker->place];

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	if (entry->pid == worker->pid && entry->watched_since == worker->since)
		kill(entry->pid, ++entry->cancels > MAX_CANCELS ? SIGTERM : SIGINT);
	LWLockRelease(table_lock);
}
