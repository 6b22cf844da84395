/*
 * crm_keys.c
 *		Nobody changes the keys under which CRM records are known while somebody goes by them.  See crm_keys.h.
 *
 * The gateway reads the key of a request, and writes a link under it a moment later; an apply worker gives records other keys where
 * the CRM did (src/crm/moved_key.c).  An advisory lock of a class that no function of PostgreSQL makes (see lease.c).  It is taken
 * before anything else that the other may wait for, and obeys lock_timeout like any other.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "storage/lock.h"

#include "common/crm_keys.h"

#define CRM_KEYS_LOCK_CLASS 9

static void
lock_keys(int32 connection_id, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, (uint32) connection_id, CRM_KEYS_LOCK_CLASS);
	(void) LockAcquire(&tag, mode, false, false);
}

void
crm_keys_keep(int32 connection_id)
{
	lock_keys(connection_id, ShareLock);
}

void
crm_keys_change(int32 connection_id)
{
	lock_keys(connection_id, ExclusiveLock);
}
