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

/* A number above this is no limit, and none is kept: Intuit's are far below. */
#define LIMITS_MAX_STARTS 100000

typedef struct Limits
{
	int			per_second;		/* 0: no limit */
	int			per_window;		/* 0: no limit */
	int64		window;			/* microseconds */
	int			size;			/* of the ring */
	TimestampTz *starts;		/* ring of the last starts */
	int			next;			/* where the next start is written */
} Limits;

/* Set up, in the current memory context, with no starts known. */
extern void limits_init(Limits *limits, int per_second, int per_window, int64 window);

/* Forget the starts: the clock was set back. */
extern void limits_forget(Limits *limits);

/* When may the next request start?  A time not after now means at once. */
extern TimestampTz limits_next_start(const Limits *limits);

/* How many requests may start now, counted up to wanted. */
extern int	limits_free(const Limits *limits, TimestampTz now, int wanted);

/* A request starts now. */
extern void limits_note_start(Limits *limits, TimestampTz now);

#endif							/* QBSYNC_LIMITS_H */
