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
	limits->per_second = per_second <= LIMITS_MAX_STARTS ? per_second : 0;
	limits->per_window = per_window <= LIMITS_MAX_STARTS ? per_window : 0;
	limits->window = window;
	limits->size = Max(limits->per_second, limits->per_window);
	limits->starts = palloc0(sizeof(TimestampTz) * Max(limits->size, 1));
	limits->next = 0;
}

void
limits_forget(Limits *limits)
{
	memset(limits->starts, 0, sizeof(TimestampTz) * limits->size);
}

/* When the start that was n starts ago (1 is the last) is a span ago; 0 if there were not so many, or no limit. */
static TimestampTz
free_again(const Limits *limits, int n, int64 span)
{
	TimestampTz start;

	if (n == 0)
		return 0;
	start = limits->starts[(limits->next - n + limits->size) % limits->size];
	return start != 0 ? start + span + JITTER_US : 0;
}

TimestampTz
limits_next_start(const Limits *limits)
{
	TimestampTz second = free_again(limits, limits->per_second, USECS_PER_SEC);
	TimestampTz window = free_again(limits, limits->per_window, limits->window);

	return Max(second, window);
}

/* How many starts a window of n has left, up to wanted. */
static int
window_free(const Limits *limits, TimestampTz now, int n, int64 span, int wanted)
{
	int			left = 0;

	if (n == 0)
		return wanted;
	while (left < wanted && left < n && free_again(limits, n - left, span) <= now)
		left++;
	return left;
}

int
limits_free(const Limits *limits, TimestampTz now, int wanted)
{
	wanted = window_free(limits, now, limits->per_second, USECS_PER_SEC, wanted);
	return window_free(limits, now, limits->per_window, limits->window, wanted);
}

void
limits_note_start(Limits *limits, TimestampTz now)
{
	if (limits->size == 0)
		return;
	limits->starts[limits->next] = now;
	limits->next = (limits->next + 1) % limits->size;
}
