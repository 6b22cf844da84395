/*
 * limits.h
 *		Request limits of one company: so many a second, so many a window, so many at once.
 *
 * Exact sliding windows over the times of the last starts, so that no second and no minute ever holds more than
 * allowed (a token bucket would let twice the rate through at its edges).  In memory only: after a restart a burst may
 * touch Intuit's own limit once, which is answered by a pause.
 */
#ifndef QBSYNC_LIMITS_H
#define QBSYNC_LIMITS_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct Limits
{
	int			per_second;
	int			per_window;
	int64		window;			/* microseconds */
	TimestampTz *starts;		/* ring of the last per_window starts */
	int			next;			/* where the next start is written */
} Limits;

/* Set up, in the current memory context, with no starts known. */
extern void limits_init(Limits *limits, int per_second, int per_window, int64 window);

/* When may the next request start?  A time not after now means at once. */
extern TimestampTz limits_next_start(const Limits *limits);

/* A request starts now. */
extern void limits_note_start(Limits *limits, TimestampTz now);

#endif							/* QBSYNC_LIMITS_H */
