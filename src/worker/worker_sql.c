/*
 * worker_sql.c
 *		SQL functions about this database's gateway: how it is, wake it, start it again; and one that its apply workers make way for.
 *
 * They read and write shared memory only.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "access/xlog.h"
#include "utils/builtins.h"

#include "compat.h"
#include "worker/launcher.h"
#include "worker/shared.h"
#include "worker/watch.h"
#include "worker/worker_sql.h"

PG_FUNCTION_INFO_V1(qbsync_worker_state);
PG_FUNCTION_INFO_V1(qbsync_wake);
PG_FUNCTION_INFO_V1(qbsync_worker_restart);
PG_FUNCTION_INFO_V1(qbsync_make_way);

/*
 * The state as qbsync.worker_state() names it, of the gateway of this database; in a transaction.
 *
 * "absent" is a verdict: no gateway will come, because the database is a template or not in qbsync.databases.  Whoever asks
 * elsewhere while there is none has come before the launcher (server start, a restart of the launcher), or the launcher
 * believes the extension to be absent although it is here: it is woken, and "starting" is true.
 */
const char *
worker_state_name(void)
{
	GatewayState state;

	if (!shared_available())
		return "not_preloaded";
	if (RecoveryInProgress())
		return "standby";
	state = shared_gateway_state(MyDatabaseId);
	switch (state)
	{
		case GATEWAY_ABSENT:
			if (!launcher_serves(MyDatabaseId))
				return "absent";
			shared_wake_at_commit();
			return "starting";
		case GATEWAY_STARTING:
			return "starting";
		case GATEWAY_RUNNING:
			return "running";
		case GATEWAY_NO_SLOT:
			return "no_slot";
		case GATEWAY_VERSIONS_APART:
			return "versions_apart";
		case GATEWAY_BACKOFF:
			return "backing_off";
		case GATEWAY_YIELDED:
			return "yielded";
	}
	elog(ERROR, "unknown gateway state %d", (int) state);
	return NULL;
}

/* Raise an error that says how to get workers, unless the library was preloaded. */
void
worker_require_preloaded(void)
{
	if (!shared_available())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("qbsync is not loaded at server start, so nothing can talk to Intuit"),
				 errhint("Add qbsync to shared_preload_libraries and restart the server.")));
}

/* qbsync.worker_state() RETURNS text */
Datum
qbsync_worker_state(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(worker_state_name()));
}

/* qbsync.wake() RETURNS void: at commit */
Datum
qbsync_wake(PG_FUNCTION_ARGS)
{
	shared_wake_at_commit();
	PG_RETURN_VOID();
}

/* qbsync.make_way(relation regclass) RETURNS void: at once, whatever becomes of the transaction */
Datum
qbsync_make_way(PG_FUNCTION_ARGS)
{
	if (shared_available())
		watch_make_way(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

/* qbsync_worker_restart() RETURNS boolean: at once, whatever becomes of the transaction */
Datum
qbsync_worker_restart(PG_FUNCTION_ARGS)
{
	worker_require_preloaded();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("qbsync has no workers on a standby"),
				 errhint("They start when it is promoted.")));
	PG_RETURN_BOOL(shared_gateway_restart(MyDatabaseId));
}
