/*
 * qbsync.c
 *		Library entry: settings, and registration of the workers when preloaded.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include <limits.h>

#include "nodes/pg_list.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "compat.h"
#include "qbsync.h"
#include "worker/shared.h"

PG_MODULE_MAGIC;

char	   *qbsync_credentials_file = NULL;
char	   *qbsync_key_file = NULL;
char	   *qbsync_databases = NULL;
bool		qbsync_paused = false;
int			qbsync_connect_timeout = 10000;
int			qbsync_request_timeout = 130000;
int			qbsync_requestid_lifetime = 600;
int			qbsync_max_response_size = 65536;
int			qbsync_max_webhook_size = 1024;
int			qbsync_log_retention = 30 * 24 * 60;
int			qbsync_history_retention = 365 * 24 * 60;
int			qbsync_apply_time_box = 100;
int			qbsync_max_lock_wait = 200;
int			qbsync_max_apply_workers = 4;

/* PostgreSQL 15 declares no prototype of its own; a second one does no harm later. */
extern PGDLLEXPORT void _PG_init(void);

/* qbsync.databases must be a list of names. */
static bool
check_databases(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *names;
	bool		good = SplitIdentifierString(copy, ',', &names);

	if (!good)
		GUC_check_errdetail("It is a list of database names with commas between them.");
	list_free(names);
	pfree(copy);
	return good;
}

/*
 * Settings, sorted by name.  All are read at reload; those that decide which file is read or where secrets are kept
 * can be seen and changed by superusers only.
 */
static void
define_settings(void)
{
	DefineCustomIntVariable("qbsync.apply_time_box",
							"Time a transaction that writes CRM tables may take.",
							"A quarter of deadlock_timeout at most counts. What needs longer is done alone, and given up as soon as a session has waited for it as long as qbsync.max_lock_wait.",
							&qbsync_apply_time_box, 100, 10, 10000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("qbsync.connect_timeout",
							"Time allowed to connect to Intuit's servers.",
							NULL, &qbsync_connect_timeout, 10000, 100, 600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("qbsync.credentials_file",
							   "File with client secrets and refresh tokens to import.",
							   "JSON, mode 0600, owned by the server's user; empty for none.",
							   &qbsync_credentials_file, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("qbsync.databases",
							   "Databases that may have a gateway worker.",
							   "Comma-separated names; empty for every database that has the extension.",
							   &qbsync_databases, "",
							   PGC_SIGHUP, GUC_LIST_INPUT, check_databases, NULL, NULL);
	DefineCustomIntVariable("qbsync.history_retention",
							"Time that rows of qbsync.history and qbsync.activity are kept.",
							"What is older cannot be undone.",
							&qbsync_history_retention, 365 * 24 * 60, 60, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomStringVariable("qbsync.key_file",
							   "File with the key that encrypts secrets.",
							   "Made when first needed; empty for qbsync.key in the data directory. Outside the data directory is better.",
							   &qbsync_key_file, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("qbsync.log_retention",
							"Time that rows of qbsync.http_log, finished jobs and used sign-ins are kept.",
							NULL, &qbsync_log_retention, 30 * 24 * 60, 60, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("qbsync.max_apply_workers",
							"Apply workers of one database at a time.",
							"They run the CRM's code, one for each mapping that has work, and count against max_worker_processes.",
							&qbsync_max_apply_workers, 4, 1, 64,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("qbsync.max_lock_wait",
							"Time that a session may wait for a CRM record that is being written.",
							"Then the writing is given up and tried again later. Half of deadlock_timeout at most counts.",
							&qbsync_max_lock_wait, 200, 10, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("qbsync.max_response_size",
							"Largest answer accepted from Intuit.",
							"Bigger ones are asked for again in smaller pages.",
							&qbsync_max_response_size, 65536, 64, 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("qbsync.max_webhook_size",
							"Largest webhook delivery that qbsync_webhook takes.",
							"Bigger ones are refused unread.",
							&qbsync_max_webhook_size, 1024, 16, 64 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("qbsync.paused",
							 "Keeps all gateways of this server from talking to Intuit, and apply workers from writing CRM tables.",
							 "For physical copies of a server, which cannot be told from the original.",
							 &qbsync_paused, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("qbsync.request_timeout",
							"Time allowed for one request, beyond Intuit's own 120 s.",
							NULL, &qbsync_request_timeout, 130000, 100, 3600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("qbsync.requestid_lifetime",
							"Time for which QuickBooks is trusted to recognize a creation that it was sent before.",
							"What was sent longer ago, and whose outcome is not known, is looked for by its name before it is sent again.",
							&qbsync_requestid_lifetime, 600, 1, 24 * 3600,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	MarkGUCPrefixReserved("qbsync");
}

void
_PG_init(void)
{
	define_settings();
	if (process_shared_preload_libraries_in_progress)
		shared_init();
}
