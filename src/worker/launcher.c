/*
 * launcher.c
 *		The launcher: keeps a gateway worker in every database that has the extension.
 *
 * It is connected to no database, so that it is in nobody's way, and sees shared catalogs only.  It therefore cannot know
 * which database has the extension: it starts a gateway in each candidate, and a gateway that finds no extension says so
 * and ends ("probe").  Absence is remembered, so that this happens rarely.  Gateways are dynamic workers that the
 * postmaster never restarts: only the launcher can tell "not wanted" from "failed", and waits longer each time it failed.
 *
 * What happens in shared memory is in shared.c; when to start what is decided here, from a table of the databases
 * ("wards") in this process' memory.  A new launcher begins with an empty table and adopts the gateways it finds.
 *
 * Every turn: look at every ward (settle_ward), look for new databases if due (scan_databases), start what is due
 * (start_wards), see to watched apply workers (watch.c), sleep until the next thing is due or until woken.  The launcher is woken by the postmaster when a worker
 * starts or ends, by a gateway that changes its state, by an apply worker that wants to be watched, by a backend that pokes (CREATE EXTENSION at commit, the end of
 * DROP/RENAME/CREATE DATABASE, qbsync_worker_restart), and by SIGHUP.
 *
 * Events it must survive, and how:
 *	- server start, promotion: started when recovery has finished; nothing runs on a standby.
 *	- pg_upgrade: not registered at all (shared_init).
 *	- CREATE EXTENSION: the poke starts a probe.  Poked while a probe runs: one more probe (shared.c, wake_database).
 *	- DROP EXTENSION: the gateway ends with GATEWAY_ABSENT; one more probe in case it was created again.
 *	- CREATE DATABASE from a copy: found by the scan after the command, or the next one (60 s).
 *	- DROP, RENAME, SET TABLESPACE, copy of a database: gateways yield (database_ddl.c) and are started again after it.
 *	- ALTER DATABASE ALLOW_CONNECTIONS / IS_TEMPLATE, qbsync.databases: seen by the scan; unwanted gateways are ended.
 *	- gateway ends by an error or SIGTERM: again after 1 s to 60 s, with jitter; reset when it had been healthy for 60 s.
 *	- gateway killed: a crash to the postmaster; all memory is new and so is the launcher.
 *	- gateway ends before it registers itself, or fork() fails: the worker's handle tells, not the gateway.
 *	- no free worker slot: said once, tried again with the same back-off.
 *	- launcher ends (SIGTERM, error): started again after 5 s; gateways go on meanwhile and are adopted.
 *	- an old gateway is still starting when a new launcher starts one more: the loser ends (shared_gateway_attach).
 *	- reload: settings are read, databases are looked for.
 *	- more databases with gateways than SHARED_MAX_DATABASES: said once, the others wait for a place.
 *	- stop of the server, death of the postmaster: stock handlers, WL_EXIT_ON_PM_DEATH.
 *	- DROP DATABASE elsewhere waits for every process to answer a barrier: the loop sleeps on its latch only.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "common/pg_prng.h"
#include "nodes/pg_list.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "compat.h"
#include "qbsync.h"
#include "worker/launcher.h"
#include "worker/shared.h"
#include "worker/watch.h"

#define LAUNCHER_RESTART	5	/* s, until the postmaster starts another launcher */
#define SCAN_INTERVAL		60000	/* ms, between looks for new databases */
#define REPROBE_INTERVAL	1800000 /* ms, until a database without the extension is looked at again */
#define BACKOFF_FIRST		1000	/* ms, before the first new try */
#define BACKOFF_MAX			60000	/* ms */
#define HEALTHY_AFTER		60000	/* ms of work after which an end counts as the first */
#define MAX_STARTING		2	/* gateways that may be finding out whether they are wanted, at once */

/*
 * A database that may have a gateway.  A ward is active while a worker is registered or runs; otherwise it is started at
 * next_start, unless a command needs the database.
 */
typedef struct Ward
{
	Oid			database;		/* hash key */
	char		name[NAMEDATALEN];
	bool		seen;			/* found by the scan under way */
	bool		active;
	bool		known;			/* had the extension at some time: trouble there is worth a line */
	int			attempts;		/* failures in a row */
	TimestampTz next_start;
	GatewayState logged;		/* the state told last */
	BackgroundWorkerHandle *handle; /* NULL: none of ours, or its end is known */
} Ward;

static HTAB *wards;
static TimestampTz next_scan = 0;
static TimestampTz turn_started = 0;
static bool no_slot_told = false;
static bool table_full_told = false;

static void launcher_turn(void);
static bool databases_poked(void);
static long launcher_sleep(long watch);
static void scan_databases(void);
static bool served_names(bool *restricted, List **names);
static bool database_usable(Form_pg_database form);
static List *list_databases(MemoryContext context);
static bool database_named(const char *name, List *names);
static void forget_unseen(void);
static void settle_ward(Ward *ward);
static void settle_end(Ward *ward, const GatewayView *view);
static void start_wards(void);
static void start_ward(Ward *ward, bool others_starting);
static void postpone_without_slot(Ward *ward, bool others_starting);
static void tell_state(Ward *ward, GatewayState state);
static long backoff(int attempts);

void
launcher_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = LAUNCHER_RESTART;
	strlcpy(worker.bgw_library_name, "qbsync", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "qbsync_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "qbsync launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "qbsync launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/*
 * An error anywhere ends the process with code 1, and the postmaster starts it again: there is no state worth saving.
 */
void
qbsync_launcher_main(Datum main_arg)
{
	HASHCTL		control;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGUSR1, procsignal_sigusr1_handler);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Ward);
	wards = hash_create("qbsync wards", SHARED_MAX_DATABASES, &control, HASH_ELEM | HASH_BLOBS);

	shared_launcher_attach();
	pgstat_report_appname("qbsync launcher");
	ereport(LOG, (errmsg("qbsync launcher started")));

	for (;;)
	{
		long		watch;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			next_scan = 0;
			table_full_told = false;
		}
		launcher_turn();
		watch = watch_run();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, launcher_sleep(watch), PG_WAIT_EXTENSION);
	}
}

/* One turn: see how everything is, find new databases, start what is due. */
static void
launcher_turn(void)
{
	HASH_SEQ_STATUS sequence;
	Ward	   *ward;

	hash_seq_init(&sequence, wards);
	while ((ward = hash_seq_search(&sequence)) != NULL)
		settle_ward(ward);

	if (databases_poked() || next_scan <= GetCurrentTimestamp())
	{
		next_scan = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SCAN_INTERVAL);
		scan_databases();
	}
	start_wards();
}

/* Does shared memory speak of a database that is not in our table, or was a look for new ones asked for? */
static bool
databases_poked(void)
{
	GatewayView views[SHARED_MAX_DATABASES];
	bool		rescan;
	int			n = shared_launcher_look(views, &rescan);

	for (int i = 0; i < n; i++)
	{
		if (hash_search(wards, &views[i].database, HASH_FIND, NULL) == NULL)
			rescan = true;
	}
	return rescan;
}

/*
 * Milliseconds until something is due; watch: until the next look at watched workers, -1 for none.  What was due already in this turn waits for another gateway to have started, or for
 * the end of a command: the launcher is woken by the event.
 */
static long
launcher_sleep(long watch)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = next_scan;
	long		sleep;
	HASH_SEQ_STATUS sequence;
	Ward	   *ward;

	hash_seq_init(&sequence, wards);
	while ((ward = hash_seq_search(&sequence)) != NULL)
	{
		if (!ward->active && ward->next_start > turn_started && ward->next_start < next)
			next = ward->next_start;
	}
	/* A clock set back must not make this sleep longer than a scan interval. */
	sleep = Min(TimestampDifferenceMilliseconds(now, next) + 1, SCAN_INTERVAL);
	return watch < 0 ? sleep : Min(sleep, watch);
}

/*
 * ------------------------------------------------------------------------------------------------------------------
 * Databases
 * ------------------------------------------------------------------------------------------------------------------
 */

typedef struct FoundDatabase
{
	Oid			database;
	char		name[NAMEDATALEN];
} FoundDatabase;

/*
 * The names in qbsync.databases, palloc'd.  *restricted: are there only those?  False if the list cannot be read: then it
 * is empty, and nothing is served rather than everything.
 */
static bool
served_names(bool *restricted, List **names)
{
	*names = NIL;
	*restricted = qbsync_databases != NULL && qbsync_databases[0] != '\0';
	if (*restricted && !SplitIdentifierString(pstrdup(qbsync_databases), ',', names))
	{
		*names = NIL;
		return false;
	}
	return true;
}

/* May one connect to a database, and is it no template?  One whose DROP was interrupted looks so, but nobody can. */
static bool
database_usable(Form_pg_database form)
{
	return form->datallowconn && !form->datistemplate && !database_is_invalid_form(form);
}

bool
launcher_serves(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool		restricted;
	List	   *names;
	bool		serves;

	if (!HeapTupleIsValid(tuple))
		return false;
	(void) served_names(&restricted, &names);
	serves = database_usable((Form_pg_database) GETSTRUCT(tuple)) &&
		(!restricted || database_named(NameStr(((Form_pg_database) GETSTRUCT(tuple))->datname), names));
	ReleaseSysCache(tuple);
	return serves;
}

/* Bring the table of wards in step with pg_database and qbsync.databases. */
static void
scan_databases(void)
{
	static bool list_wrong_told = false;
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "qbsync databases", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TimestampTz now = GetCurrentTimestamp();
	List	   *names = NIL;
	bool		restricted;
	bool		wrong = !served_names(&restricted, &names);
	HASH_SEQ_STATUS sequence;
	Ward	   *ward;
	ListCell   *cell;

	if (wrong && !list_wrong_told)
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid list syntax in parameter \"%s\"", "qbsync.databases"),
				 errhint("Write names separated by commas, in double quotes where they hold capitals or signs. Until then no gateway runs.")));
	list_wrong_told = wrong;

	hash_seq_init(&sequence, wards);
	while ((ward = hash_seq_search(&sequence)) != NULL)
		ward->seen = false;

	foreach(cell, list_databases(context))
	{
		FoundDatabase *found = lfirst(cell);
		bool		known;

		if (restricted && !database_named(found->name, names))
			continue;
		ward = hash_search(wards, &found->database, HASH_ENTER, &known);
		if (!known)
		{
			memset(ward, 0, sizeof(Ward));
			ward->database = found->database;
			ward->next_start = now;
			ward->logged = GATEWAY_ABSENT;
		}
		strlcpy(ward->name, found->name, NAMEDATALEN);
		ward->seen = true;
		if (!known)
			settle_ward(ward);	/* adopt a gateway that an earlier launcher started */
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	forget_unseen();
}

/* The databases one can connect to and that are no templates, in context; a transaction of its own. */
static List *
list_databases(MemoryContext context)
{
	List	   *databases = NIL;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	pgstat_report_activity(STATE_RUNNING, "looking for databases");
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();

	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;
		FoundDatabase *found;

		if (!database_usable(form))
			continue;
		old = MemoryContextSwitchTo(context);
		found = palloc(sizeof(FoundDatabase));
		found->database = form->oid;
		strlcpy(found->name, NameStr(form->datname), NAMEDATALEN);
		databases = lappend(databases, found);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);

	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return databases;
}

static bool
database_named(const char *name, List *names)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(name, (const char *) lfirst(cell)) == 0)
			return true;
	}
	return false;
}

/* End and forget the gateways of databases that are gone or not to be served, whoever started them. */
static void
forget_unseen(void)
{
	GatewayView views[SHARED_MAX_DATABASES];
	bool		rescan;
	int			n;
	HASH_SEQ_STATUS sequence;
	Ward	   *ward;

	hash_seq_init(&sequence, wards);
	while ((ward = hash_seq_search(&sequence)) != NULL)
	{
		if (ward->seen)
			continue;
		if (ward->known)
			ereport(LOG, (errmsg("qbsync no longer serves database \"%s\"", ward->name)));
		if (ward->handle != NULL)
			pfree(ward->handle);
		(void) hash_search(wards, &ward->database, HASH_REMOVE, NULL);
	}

	n = shared_launcher_look(views, &rescan);
	if (rescan)
		next_scan = 0;			/* asked for while the scan was under way */
	for (int i = 0; i < n; i++)
	{
		if (hash_search(wards, &views[i].database, HASH_FIND, NULL) != NULL)
			continue;
		shared_gateway_terminate(views[i].database);
		shared_gateway_forget(views[i].database, true);
	}
}

/*
 * ------------------------------------------------------------------------------------------------------------------
 * Gateways
 * ------------------------------------------------------------------------------------------------------------------
 */

/*
 * See what became of a ward's gateway.  That a worker of ours has ended is known from its handle alone: the gateway may
 * have died before it registered itself, or never have been forked.
 */
static void
settle_ward(Ward *ward)
{
	GatewayView view;
	pid_t		pid;

	if (ward->handle != NULL && GetBackgroundWorkerPid(ward->handle, &pid) == BGWH_STOPPED)
	{
		pfree(ward->handle);
		ward->handle = NULL;
	}

	shared_gateway_look(ward->database, &view);
	if (ward->handle != NULL || view.pid != 0)
	{
		ward->active = true;
		/* Between a process' last act and the postmaster's word it is neither here nor there. */
		if (view.pid != 0)
			tell_state(ward, view.state);
		return;
	}

	if (ward->active)
	{
		ward->active = false;
		settle_end(ward, &view);
	}
	else if (view.restart || (view.poked && view.state == GATEWAY_ABSENT))
	{
		/* known: somebody there speaks to us, so the extension is there */
		ward->known = true;
		ward->attempts = 0;
		ward->next_start = GetCurrentTimestamp();
	}
}

/* A gateway has ended: decide when to start the next one, and say so. */
static void
settle_end(Ward *ward, const GatewayView *view)
{
	TimestampTz now = GetCurrentTimestamp();
	GatewayState state = GATEWAY_BACKOFF;

	if (view->healthy_since != 0)
	{
		ward->known = true;
		if (now - view->healthy_since >= HEALTHY_AFTER * INT64CONST(1000))
			ward->attempts = 0;
	}
	ward->next_start = now;

	if (view->restart)
	{
		ward->attempts = 0;
		state = GATEWAY_STARTING;
	}
	else if (view->yielded || view->state == GATEWAY_YIELDED)
		state = GATEWAY_YIELDED;
	else if (view->state == GATEWAY_ABSENT)
	{
		state = GATEWAY_ABSENT;
		ward->attempts = 0;
		if (!view->poked)
			ward->next_start = TimestampTzPlusMilliseconds(now, REPROBE_INTERVAL);
	}
	else
		ward->next_start = TimestampTzPlusMilliseconds(now, backoff(++ward->attempts));

	tell_state(ward, state);
	if (state == GATEWAY_ABSENT)
	{
		/* Places are for databases with the extension; a poke that came meanwhile keeps this one. */
		shared_gateway_forget(ward->database, false);
		ward->known = false;
	}
	else
		shared_gateway_mark(ward->database, state);
}

/* Start gateways that are due, as many at once as allowed. */
static void
start_wards(void)
{
	int			starting = 0;
	HASH_SEQ_STATUS sequence;
	Ward	   *ward;

	turn_started = GetCurrentTimestamp();
	hash_seq_init(&sequence, wards);
	while ((ward = hash_seq_search(&sequence)) != NULL)
	{
		GatewayView view;

		shared_gateway_look(ward->database, &view);
		if (ward->active && (view.pid == 0 || view.state == GATEWAY_STARTING))
			starting++;
	}

	hash_seq_init(&sequence, wards);
	while ((ward = hash_seq_search(&sequence)) != NULL)
	{
		if (ward->active || ward->next_start > turn_started || starting >= MAX_STARTING)
			continue;
		start_ward(ward, starting > 0);
		if (ward->active)
			starting++;
	}
}

/* Register a gateway, or say why not and when to try again. */
static void
start_ward(Ward *ward, bool others_starting)
{
	BackgroundWorker worker;
	MemoryContext old;
	GatewayState may = shared_gateway_prepare(ward->database);

	if (may == GATEWAY_YIELDED)
		return;					/* the end of the command wakes us */
	if (may == GATEWAY_NO_SLOT)
	{
		if (!table_full_told)
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("qbsync serves at most %d databases", SHARED_MAX_DATABASES),
					 errdetail("Database \"%s\", and perhaps others, must wait.", ward->name),
					 errhint("Name the databases to be served in qbsync.databases.")));
		table_full_told = true;
		ward->next_start = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), BACKOFF_MAX);
		return;
	}

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = ObjectIdGetDatum(ward->database);
	strlcpy(worker.bgw_library_name, "qbsync", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "qbsync_gateway_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "qbsync gateway", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "qbsync gateway", BGW_MAXLEN);

	old = MemoryContextSwitchTo(TopMemoryContext);
	ward->active = RegisterDynamicBackgroundWorker(&worker, &ward->handle);
	MemoryContextSwitchTo(old);

	if (ward->active)
	{
		no_slot_told = false;
		ereport(DEBUG1, (errmsg_internal("starting qbsync gateway of database \"%s\"", ward->name)));
	}
	else
	{
		ward->handle = NULL;
		postpone_without_slot(ward, others_starting);
	}
}

/*
 * No free worker slot.  While others are still finding out whether they are wanted, one of theirs is likely to be free
 * in a moment: then it is no trouble yet.
 */
static void
postpone_without_slot(Ward *ward, bool others_starting)
{
	TimestampTz now = GetCurrentTimestamp();

	if (others_starting)
	{
		ward->next_start = TimestampTzPlusMilliseconds(now, BACKOFF_FIRST);
		return;
	}
	ward->next_start = TimestampTzPlusMilliseconds(now, backoff(++ward->attempts));
	tell_state(ward, GATEWAY_NO_SLOT);
	shared_gateway_mark(ward->database, GATEWAY_NO_SLOT);
}

/*
 * One line per change of state.  Retries do not count as changes: "starting" is not remembered, so that a gateway that
 * fails again and again before it works is told once.
 */
static void
tell_state(Ward *ward, GatewayState state)
{
	if (state == ward->logged || state == GATEWAY_STARTING)
		return;
	switch (state)
	{
		case GATEWAY_RUNNING:
			ward->known = true;
			ereport(LOG, (errmsg("qbsync gateway of database \"%s\" is running", ward->name)));
			break;
		case GATEWAY_VERSIONS_APART:
			ward->known = true;
			ereport(LOG,
					(errmsg("qbsync gateway of database \"%s\" idles: library and extension are of different versions", ward->name),
					 errhint("Run ALTER EXTENSION qbsync UPDATE there, or restart the server if the library was upgraded.")));
			break;
		case GATEWAY_BACKOFF:
			ereport(LOG, (errmsg("qbsync gateway of database \"%s\" has ended; it is started again", ward->name),
						  errdetail("First in about %ld s, then less often.", Max(1L, backoff(ward->attempts) / 1000))));
			break;
		case GATEWAY_YIELDED:
			ereport(LOG, (errmsg("qbsync gateway of database \"%s\" is out of the way of a command", ward->name)));
			break;
		case GATEWAY_ABSENT:
			ereport(LOG, (errmsg("qbsync gateway of database \"%s\" has ended: the extension is not installed there any more",
								 ward->name)));
			break;
		case GATEWAY_NO_SLOT:
			if (ward->known || !no_slot_told)
				ereport(WARNING,
						(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						 errmsg("no free worker slot for the qbsync gateway of database \"%s\"", ward->name),
						 errhint("Increase max_worker_processes and restart the server. Until then it is tried again now and then.")));
			no_slot_told = true;
			break;
		case GATEWAY_STARTING:
			break;
	}
	ward->logged = state;
}

/* Milliseconds to wait after so many failures in a row: 1 s doubled each time up to 60 s, and off by up to a fifth. */
static long
backoff(int attempts)
{
	long		wait = BACKOFF_FIRST;

	for (int i = 1; i < attempts && wait < BACKOFF_MAX; i++)
		wait *= 2;
	wait = Min(wait, BACKOFF_MAX);
	return (long) (wait * (0.8 + 0.4 * pg_prng_double(&pg_global_prng_state)));
}
