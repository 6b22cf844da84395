/*
 * watch.c
 *		The launcher's watch over apply workers that may be in the way of others.
 *
 * A record whose triggers are slow holds its locks for as long as they take.  Who waits for such a lock is a session of the
 * CRM, and must not wait longer than qbsync.max_lock_wait for our sake: then the worker's statement is cancelled, and the record
 * is tried again later.  The worker cannot look for itself, its process runs the user's code.  The launcher can: the lock table is
 * shared, and needs no database.  It is looked at only while a worker is watched.
 *
 * Only who waits for the worker itself is seen, not who waits for somebody who waits for it: that one is seen for himself.
 *
 * Our own functions that change triggers and views of the CRM wait for a lock but for a moment, since the CRM waits behind them, and
 * would be gone before the launcher sees them.  They say so themselves (watch_make_way()).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "qbsync.h"
#include "worker/apply_shared.h"
#include "worker/watch.h"

/* Looks in the time that somebody may wait; he waits at most that fraction longer. */
#define LOOKS_PER_WAIT 4

/*
 * Milliseconds that somebody may wait for a watched worker: well under the time after which he would look for a deadlock, and be
 * the one to give up.
 */
static int
patience(void)
{
	return Max(Min(qbsync_max_lock_wait, DeadlockTimeout / 2), 1);
}

/* Does a lock that is held keep the waiter waiting? */
static bool
blocks(const LockInstanceData *holder, const LockInstanceData *waiter)
{
	if (memcmp(&holder->locktag, &waiter->locktag, sizeof(LOCKTAG)) != 0 || holder->leaderPid == waiter->leaderPid)
		return false;
	for (LOCKMODE mode = NoLock + 1; mode < MAX_LOCKMODES; mode++)
	{
		if ((holder->holdMask & LOCKBIT_ON(mode)) && DoLockModesConflict(mode, waiter->waitLockMode))
			return true;
	}
	return false;
}

/* Has anybody waited too long for a lock this process, or a parallel worker of it, holds? */
static bool
in_the_way(const LockData *locks, int pid, TimestampTz waiting_since)
{
	for (int i = 0; i < locks->nelements; i++)
	{
		const LockInstanceData *waiter = &locks->locks[i];

		/* a start of 0: it has just begun to wait */
		if (waiter->waitLockMode == NoLock || waiter->waitStart == 0 || waiter->waitStart > waiting_since)
			continue;
		for (int j = 0; j < locks->nelements; j++)
		{
			if (locks->locks[j].leaderPid == pid && blocks(&locks->locks[j], waiter))
				return true;
		}
	}
	return false;
}

long
watch_run(void)
{
	static MemoryContext context = NULL;
	WatchedWorker workers[APPLY_MAX_WORKERS];
	int			n = apply_shared_watched(workers);
	TimestampTz waiting_since = GetCurrentTimestamp() - patience() * INT64CONST(1000);
	MemoryContext caller;
	LockData   *locks;

	if (n == 0)
		return -1;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "qbsync watch", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	locks = GetLockStatusData();
	for (int i = 0; i < n; i++)
	{
		if (in_the_way(locks, workers[i].pid, waiting_since))
			apply_shared_cancel(&workers[i]);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(context);
	return Max(patience() / LOOKS_PER_WAIT, 1);
}

/* Does this process, or a parallel worker of it, hold a lock on a relation of our database? */
static bool
holds_relation(const LockData *locks, int pid, Oid relation)
{
	for (int i = 0; i < locks->nelements; i++)
	{
		const LockInstanceData *lock = &locks->locks[i];

		if (lock->leaderPid == pid && lock->holdMask != 0 && lock->locktag.locktag_type == LOCKTAG_RELATION &&
			lock->locktag.locktag_field1 == MyDatabaseId && lock->locktag.locktag_field2 == relation)
			return true;
	}
	return false;
}

void
watch_make_way(Oid relation)
{
	WatchedWorker workers[APPLY_MAX_WORKERS];
	int			n = apply_shared_watched(workers);
	LockData   *locks;

	if (n == 0)
		return;
	locks = GetLockStatusData();
	for (int i = 0; i < n; i++)
	{
		if (holds_relation(locks, workers[i].pid, relation))
			apply_shared_cancel(&workers[i]);
	}
}
