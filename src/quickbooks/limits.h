/*
 * limits.h
 *		Request limits of one company: so many a second, so many a window, so many at once.
 *
 * Exact sliding windows over the times at which the last requests left, so that no second and no minute ever holds more
 * than allowed (a token bucket would let twice the rate through at its edges).  A request that was started leaves when its
 * connection is there and this process runs; until then it counts as one that leaves now, whatever now is.  In memory only:
 * after a restart a burst may touch Intuit's own limit once, which is answered by a pause.
 */
#ifndef QBSYNC_LIMITS_H
#define QBSYNC_LIMITS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* A number above this is no limit, and none is kept: Intuit's are far below. */
#define LIMITS_MAX_STARTS 100000

typedef struct Limits
{
	int			per_second;		/* 0: no limit */
	int			per_window;		/* 0: no limit */
	int64		window;			/* microseconds */
	int			pending;		/* requests that were started and have not left */
	int			size;			/* of the ring */
	TimestampTz *left;			/* ring of the times when the last ones left */
	int			next;			/* where the next time is written */
} Limits;

/* Set up, in the current memory context, with no requests known. */
extern void limits_init(Limits *limits, int per_second, int per_window, int64 window);

/* Forget when requests left: the clock was set back. */
extern void limits_forget(Limits *limits);

/* When may the next request start?  A time not after now means at once. */
extern TimestampTz limits_next_start(const Limits *limits, TimestampTz now);

/* How many requests may start now, counted up to wanted. */
extern int	limits_free(const Limits *limits, TimestampTz now, int wanted);

/* A request is started. */
extern void limits_note_start(Limits *limits);

/* One that was started leaves now. */
extern void limits_note_left(Limits *limits, TimestampTz now);

/* One that was started has not left, and will not. */
extern void limits_note_dropped(Limits *limits);

#endif							/* QBSYNC_LIMITS_H */
