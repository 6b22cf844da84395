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

#endif							/* QBSYNC_WATCH_H */
