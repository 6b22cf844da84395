/*
 * lease.c
 *		The right to work for one company, held by at most one process.
 *
 * A session-level advisory lock: the death of the process releases it at once, no clock is involved, and it can be seen
 * in pg_locks (locktype advisory, objsubid 7, objid = connection_id).  PostgreSQL's own functions make advisory locks of the
 * classes 1 (one bigint key) and 2 (two integer keys) only, so no user's lock can collide with class 7, and
 * pg_advisory_unlock() cannot release it.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "storage/lock.h"

#include "common/lease.h"

#define LEASE_LOCK_CLASS 7

static void
lease_tag(LOCKTAG *tag, int32 connection_id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, 0, (uint32) connection_id, LEASE_LOCK_CLASS);
}

/* Take the lock once more, without waiting.  Locks are counted; *held: was it ours before? */
static bool
lease_lock(const LOCKTAG *tag, bool *held)
{
	LockAcquireResult result = LockAcquire(tag, ExclusiveLock, true, true);

	*held = result == LOCKACQUIRE_ALREADY_HELD || result == LOCKACQUIRE_ALREADY_CLEAR;
	return result != LOCKACQUIRE_NOT_AVAIL;
}

/* However often it is taken, it is held once. */
bool
lease_take(int32 connection_id)
{
	LOCKTAG		tag;
	bool		held;

	lease_tag(&tag, connection_id);
	if (!lease_lock(&tag, &held))
		return false;
	if (held)
		LockRelease(&tag, ExclusiveLock, true);
	return true;
}

/* LockRelease() warns about a lock that is not held, so take it before: what is left to release is then certain. */
void
lease_release(int32 connection_id)
{
	LOCKTAG		tag;
	bool		held;

	lease_tag(&tag, connection_id);
	if (!lease_lock(&tag, &held))
		return;
	LockRelease(&tag, ExclusiveLock, true);
	if (held)
		LockRelease(&tag, ExclusiveLock, true);
}
