/*
 * watch.h
 *		The launcher's watch over apply workers that may be in the way of others.
 */
#ifndef QBSYNC_WATCH_H
#define QBSYNC_WATCH_H

#include "postgres.h"

/*
 * Cancel the watched workers (common/watched.h) that somebody waits for too long.  Returns the milliseconds until the next look;
 * -1 when nobody is watched: watched_begin() wakes the launcher.
 */
extern long watch_run(void);

/*
 * For a backend that cannot wait that long: cancel the watched workers that hold a lock on a relation of its database.
 */
extern void watch_make_way(Oid relation);

#endif							/* QBSYNC_WATCH_H */
