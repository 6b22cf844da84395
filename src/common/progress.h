/*
 * progress.h
 *		The gateway tells waiting sessions (qbsync_wait) that something changed.
 *
 * One condition variable in shared memory for all databases: a wake-up too many costs the sleeper one look.
 */
#ifndef QBSYNC_PROGRESS_H
#define QBSYNC_PROGRESS_H

#include "postgres.h"

#include "storage/condition_variable.h"

/* From the one who owns the library's shared memory (worker/shared.c): the variable to use. */
extern void progress_attach(ConditionVariable *variable, bool initialize);

/* After a commit: whoever waits looks again.  Nothing happens when the library was not preloaded. */
extern void progress_announce(void);

/*
 * Prepare, look, sleep (until progress_announce() or timeout_ms), look again, cancel.  The look runs SQL, which may itself
 * use a condition variable and so take this process off the list; the next sleep then returns at once and the look is
 * merely repeated.  Serves interrupts; no snapshot is held meanwhile.
 */
extern void progress_prepare(void);
extern void progress_sleep(long timeout_ms);
extern void progress_cancel(void);

#endif							/* QBSYNC_PROGRESS_H */
