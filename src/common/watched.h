/*
 * watched.h
 *		Work that may take long while it holds locks of the CRM: somebody watches, and cancels it when it is in the way.
 *
 * Between watched_begin() and watched_end() the launcher looks now and then whether a session waits for a lock that this process
 * holds.  As soon as one has waited longer than qbsync.max_lock_wait, this process gets a SIGINT ("canceling statement due to
 * user request", ERRCODE_QUERY_CANCELED), again and again until it reacts, and at last a SIGTERM.
 */
#ifndef QBSYNC_WATCHED_H
#define QBSYNC_WATCHED_H

#include "postgres.h"

/* From the one who owns the library's shared memory (worker/apply_shared.c), in a process that can be watched. */
extern void watched_attach(void (*set) (bool watched));

/*
 * Around units, outside of them: the commit is watched too.  A cancel that comes too late does not reach what is run after
 * watched_end().  Nothing happens in a process that cannot be watched.
 */
extern void watched_begin(void);
extern void watched_end(void);

#endif							/* QBSYNC_WATCHED_H */
