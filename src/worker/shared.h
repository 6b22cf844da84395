/*
 * shared.h
 *		Shared memory: which worker serves which database, and how backends wake them.
 *
 * Holds pids, latches and small states only; everything of value is in tables.
 */
#ifndef QBSYNC_SHARED_H
#define QBSYNC_SHARED_H

#include "postgres.h"

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

/* The gateway tells waiting sessions (qbsync_wait) that something changed; call after a commit. */
extern void shared_announce_progress(void);

/* Wait until shared_announce_progress() or timeout_ms; serves interrupts; no snapshot is held meanwhile. */
extern void shared_progress_prepare(void);
extern void shared_progress_sleep(long timeout_ms);
extern void shared_progress_cancel(void);

/* Gateway's own registration; shared_gateway_attach() arranges the clean-up at process exit. */
extern void shared_gateway_attach(Oid database);
extern void shared_gateway_set_state(GatewayState state);

#endif							/* QBSYNC_SHARED_H */
