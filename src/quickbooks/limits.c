/*
 * limits.c
 *		Request limits of one company.  See limits.h.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "quickbooks/limits.h"

/*
 * Starts are spaced on our clock, arrivals are counted on Intuit's: the way there may shorten the distance between two
 * requests by this much.
 */
#define JITTER_US	(50 * INT64CONST(1000))

void
limits_init(Limits *limits, int per_second, int per_window, int64 window)
{
	limits->per_second = Min(per_second, per_window);
	limits->per_window = per_window;
	limits->window = window;
	limits->starts = palloc0(sizeof(TimestampTz) * per_window);
	limits->next = 0;
}

/* The start that was n starts ago (1 is the last); 0 if there were not so many. */
static TimestampTz
start_ago(const Limits *limits, int n)
{
	return limits->starts[(limits->next - n + limits->per_window) % limits->per_window];
}

TimestampTz
limits_next_start(const Limits *limits)
{
	TimestampTz second = start_ago(limits, limits->per_second);
	TimestampTz window = start_ago(limits, limits->per_window);
	TimestampTz next = 0;

	if (second != 0)
		next = second + USECS_PER_SEC + JITTER_US;
	if (window != 0 && window + limits->window + JITTER_US > next)
		next = window + limits->window + JITTER_US;
	return next;
}

void
limits_note_start(Limits *limits, TimestampTz now)
{
	limits->starts[limits->next] = now;
	limits->next = (limits->next + 1) % limits->per_window;
}
