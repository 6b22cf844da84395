/*
 * guard.h
 *		Keeping people from changing what is linked, where they asked for that.
 */
#ifndef QBSYNC_GUARD_H
#define QBSYNC_GUARD_H

#include "postgres.h"

/*
 * The function a background worker of this library must have been started with to be an apply worker; the apply worker's
 * registration and the guards agree by this name.
 */
#define APPLY_WORKER_FUNCTION "qbsync_apply_main"

/* Is this process an apply worker?  Nothing a session can SET or call makes it one. */
extern bool guard_in_apply_worker(void);

#endif							/* QBSYNC_GUARD_H */
