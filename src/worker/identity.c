/*
 * identity.c
 *		Which server and database is this?  Tells an original from a copy.
 *
 * Two databases must never write to one QuickBooks company because one was made from the other.  The mark on a connection
 * says where it belongs:
 *	- system identifier: made by initdb.  A dump restored elsewhere, or pg_upgrade, brings another; a base backup and a
 *	  standby have the same.
 *	- database oid: another after a dump restored into the same server or CREATE DATABASE … TEMPLATE; the same after a
 *	  rename.
 *	- timeline: grows at promotion and at the end of a point-in-time restore, which look alike.  The company is still ours
 *	  then, but what was sent lately may be forgotten here.
 * A physical copy that was started beside its original without recovery cannot be told; qbsync.paused is for those.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "access/xlog.h"

#include "worker/identity.h"

void
identity_get(Identity *identity)
{
	snprintf(identity->system_identifier, sizeof(identity->system_identifier), UINT64_FORMAT, GetSystemIdentifier());
	identity->database_id = (int64) MyDatabaseId;
	identity->timeline = (int32) GetWALInsertionTimeLine();
}
