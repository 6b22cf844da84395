/*
 * apply_shared.h
 *		Shared memory: the apply workers, one per mapping that has work.
 *
 * A worker has a place in a table of the whole server.  Its gateway makes the place before it registers the worker, and gives it
 * up when it knows that the worker has ended; only the worker itself says how it is.
 */
#ifndef QBSYNC_APPLY_SHARED_H
#define QBSYNC_APPLY_SHARED_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

/* Apply workers on the server, those of all databases together. */
#define APPLY_MAX_WORKERS 256

typedef enum ApplyState
{
	APPLY_STARTING,				/* registered; not here yet */
	APPLY_WORKING,				/* in a turn */
	APPLY_IDLE,					/* sleeps until woken, or until something is due */
	APPLY_LEFT,					/* ended: there was nothing to do, or it was sent away */
	APPLY_GONE,					/* ended: the mapping is not to be worked */
	APPLY_FAILED				/* ended in any other way */
} ApplyState;

/* What a worker is told. */
typedef enum ApplyOrder
{
	APPLY_SLEEP,				/* nothing */
	APPLY_WORK,					/* somebody asked for a turn */
	APPLY_LEAVE					/* end, with exit code 0 */
} ApplyOrder;

/* From shared.c, when it makes its own memory. */
extern Size apply_shared_size(void);
extern void apply_shared_init(LWLock *lock);

/*
 * The gateway's.  apply_shared_prepare() makes a place, APPLY_NO_PLACE when the table is full, APPLY_NOT_YET while a worker that
 * an earlier gateway started for this mapping is on its way out.
 */
#define APPLY_NO_PLACE	(-1)
#define APPLY_NOT_YET	(-2)
extern int	apply_shared_prepare(Oid database, int32 mapping_id);
extern ApplyState apply_shared_state(int place);
extern void apply_shared_forget(int place);

/* There may be work. */
extern void apply_shared_wake(int place);

/* End after the turn under way; only_idle: if none is under way and none was asked for, else nothing is done.  True: told. */
extern bool apply_shared_dismiss(int place, bool only_idle);

/* The gateway ends, and its workers with it. */
extern void apply_shared_orphan(Oid database);

/* For shared_yield_database(): end the workers of a database, in the middle of whatever they do; is one left? */
extern void apply_shared_terminate(Oid database);
extern bool apply_shared_present(Oid database);

/*
 * The worker's own.  Attaching arranges the clean-up at process exit; it comes before the worker connects to its database, and
 * ends the process (exit code 0) if the place is not for it any more.
 */
extern void apply_shared_attach(int place, Oid database, int32 mapping_id, int gateway);

/* What is the worker to do?  APPLY_WORK is said once. */
extern ApplyOrder apply_shared_order(void);

/* A turn begins (and sees all that was asked for before), or has ended.  False: leave instead. */
extern bool apply_shared_begin_turn(void);
extern void apply_shared_end_turn(void);

/* Just before proc_exit(0): why. */
extern void apply_shared_end(ApplyState how);

/* The launcher's: who is to be watched (at most APPLY_MAX_WORKERS), and cancelling one of them. */
typedef struct WatchedWorker
{
	int			place;
	int			pid;
	TimestampTz since;
} WatchedWorker;

extern int	apply_shared_watched(WatchedWorker *workers);
extern void apply_shared_cancel(const WatchedWorker *worker);

#endif							/* QBSYNC_APPLY_SHARED_H */
