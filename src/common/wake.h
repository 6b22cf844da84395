/*
 * wake.h
 *		Waking the gateway when a transaction commits, for rooms below the workers'.
 */
#ifndef QBSYNC_WAKE_H
#define QBSYNC_WAKE_H

#include "postgres.h"

/* From the one who owns the library's shared memory (worker/shared.c). */
extern void wake_attach(void (*at_commit) (void));

/* The gateway of this database looks at its tables as soon as the current transaction has committed.  Only a flag is set. */
extern void wake_at_commit(void);

#endif							/* QBSYNC_WAKE_H */
