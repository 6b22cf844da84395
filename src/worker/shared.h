/*
 * shared.h
 *		Shared memory: which worker serves which database, and how backends wake them.
 *
 * Holds pids, latches and small states only; everything of value is in tables.
 */
#ifndef QBSYNC_SHARED_H
#define QBSYNC_SHARED_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Databases whose gateway runs, is wanted or is being looked for at one time; databases without the extension need no place. */
#define SHARED_MAX_DATABASES 64

/* State of the gateway of one database, as the launcher and status see it. */
typedef enum GatewayState
{
	GATEWAY_ABSENT,				/* none, and none wanted (no extension there) */
	GATEWAY_STARTING,
	GATEWAY_RUNNING,
	GATEWAY_NO_SLOT,			/* max_worker_processes is used up */
	GATEWAY_VERSIONS_APART,		/* runs but idles: library and SQL version differ */
	GATEWAY_BACKOFF,			/* ended by an error; starts again in a while */
	GATEWAY_YIELDED				/* out of the way of DROP/RENAME DATABASE */
} GatewayState;

/* From _PG_init, when preloaded: hooks for shared memory, launcher registration, utility hook. */
extern void shared_init(void);

/* Was the library preloaded, so that workers can run? */
extern bool shared_available(void);

/* State of this database's gateway, in shared memory. */
extern GatewayState shared_gateway_state(Oid database);

/* Wake this database's gateway (or the launcher, if it has none) when the current transaction commits. */
extern void shared_wake_at_commit(void);

/* End this database's gateway, if any, and have it started at once, whatever it waits for.  False if there is none to start. */
extern bool shared_gateway_restart(Oid database);

/*
 * Gateway's own registration; shared_gateway_attach() arranges the clean-up at process exit.  It is called before the
 * worker connects to its database, and ends the process (exit code 0) if there must be no gateway now.
 */
extern void shared_gateway_attach(Oid database);
extern void shared_gateway_set_state(GatewayState state);

/*
 * Did anybody wake this gateway since the last call?  The latch alone cannot tell: every wait inside a transaction (for a
 * lock, for a synchronous standby) resets it, and invalidation messages set it.
 */
extern bool shared_gateway_take_wake(void);

/* For an apply worker: is that process the gateway of that database, and is nobody waiting for the database? */
extern bool shared_gateway_serves(Oid database, int pid);

/* A worker has left its database: whoever waits for that looks again. */
extern void shared_departed(void);

/* Something for the launcher to look at. */
extern void shared_wake_launcher(void);

/* For database_ddl.c: keep all workers away from a database until this transaction ends; wait until none is there. */
extern void shared_yield_database(Oid database);

/* The rest is the launcher's. */
typedef struct GatewayView
{
	Oid			database;
	GatewayState state;
	int			pid;			/* 0: no process is registered */
	bool		poked;			/* the extension may have come: look again now */
	bool		restart;		/* qbsync_worker_restart() was called: start now */
	bool		yielded;		/* a command needs the database for itself */
	TimestampTz healthy_since;	/* start of the newest gateway's healthy work; 0: it never got there */
} GatewayView;

/* Register this process as the launcher; forgets what its predecessor left half done. */
extern void shared_launcher_attach(void);

/* Copies of all entries in use (at most SHARED_MAX_DATABASES); *rescan: look for new databases now. */
extern int	shared_launcher_look(GatewayView *views, bool *rescan);

/* One entry; all zero (absent) if there is none. */
extern void shared_gateway_look(Oid database, GatewayView *view);

/* Before a gateway is registered.  GATEWAY_STARTING if it may be; GATEWAY_YIELDED: not now; GATEWAY_NO_SLOT: table full. */
extern GatewayState shared_gateway_prepare(Oid database);

/* Set the state of an entry that has no process. */
extern void shared_gateway_mark(Oid database, GatewayState state);

/* Remove an entry that has no process and no poke waiting; force: poke or not. */
extern void shared_gateway_forget(Oid database, bool force);

/* SIGTERM to the gateway of a database, if there is one. */
extern void shared_gateway_terminate(Oid database);

#endif							/* QBSYNC_SHARED_H */
