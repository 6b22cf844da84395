/*
 * extension_ddl.c
 *		Tells the gateway that its extension is dropped, or updated.
 *
 * CREATE EXTENSION wakes the gateway by a call in the install script; a drop runs no script, and has many names (DROP
 * EXTENSION, DROP SCHEMA or DROP OWNED with CASCADE), and the script of an update should not have to think of it.  All of them
 * pass the object access hook.  A wake-up at commit is all that is needed: the gateway looks, finds nothing and ends, or finds
 * the version it has been waiting for.
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"

#include "qbsync.h"
#include "worker/extension_ddl.h"
#include "worker/shared.h"

static object_access_hook_type previous_access_hook = NULL;

static void
extension_ddl_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (previous_access_hook)
		previous_access_hook(access, class_id, object_id, sub_id, arg);
	if ((access == OAT_DROP || access == OAT_POST_ALTER) && class_id == ExtensionRelationId && shared_available()
		&& object_id == get_extension_oid(QBSYNC_EXTENSION, true))
		shared_wake_at_commit();
}

void
extension_ddl_init(void)
{
	previous_access_hook = object_access_hook;
	object_access_hook = extension_ddl_access;
}
