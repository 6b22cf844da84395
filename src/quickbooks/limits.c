/*
 * limits.c
 *		Request limits of one company.  See limits.h.
 */
#include "postgres.h"

#include "quickbooks/limits.h"

/*
 * Requests leave spaced on our clock, arrivals are counted on Intuit's: the way there may shorten the distance between two
 * of them by this much.
 */
#define JITTER_US	(50 * INT64CONST(1000))

void
limits_init(Limits *limits, int per_second, int per_window, int64 window)
{
	limits->per_second = per_second <= LIMITS_MAX_STARTS ? per_second : 0;
	limits->per_window = per_window <= LIMITS_MAX_STARTS ? per_window : 0;
	limits->window = window;
	limits->pending = 0;
	limits->size = Max(limits->per_second, limits->per_window);
	limits->left = palloc0(sizeof(TimestampTz) * Max(limits->size, 1));
	limits->next = 0;
}

void
limits_forget(Limits *limits)
{
	memset(limits->left, 0, sizeof(TimestampTz) * limits->size);
}

/* When the request that was n requests ago (1 is the last) has left a span ago; 0 if there were not so many, or no limit. */
static TimestampTz
free_again(const Limits *limits, TimestampTz now, int n, int64 span)
{
	TimestampTz left;

	if (n == 0)
		return 0;
	if (n <= limits->pending)
		left = now;
	else
		left = limits->left[(limits->next - (n - limits->pending) + limits->size) % limits->size];
	return left != 0 ? left + span + JITTER_US : 0;
}

TimestampTz
limits_next_start(const Limits *limits, TimestampTz now)
{
	TimestampTz second = free_again(limits, now, limits->per_second, USECS_PER_SEC);
	TimestampTz window = free_again(limits, now, limits->per_window, limits->window);

	return Max(second, window);
}

/* How many requests a window of n has room for, up to wanted. */
static int
window_free(const Limits *limits, TimestampTz now, int n, int64 span, int wanted)
{
	int			room = 0;

	if (n == 0)
		return wanted;
	while (room < wanted && room < n && free_again(limits, now, n - room, span) <= now)
		room++;
	return room;
}

int
limits_free(const Limits *limits, TimestampTz now, int wanted)
{
	wanted = window_free(limits, now, limits->per_second, USECS_PER_SEC, wanted);
	return window_free(limits, now, limits->per_window, limits->window, wanted);
}

void
limits_note_start(Limits *limits)
{
	limits->pending++;
}

void
limits_note_left(Limits *limits, TimestampTz now)
{
	limits->pending--;
	if (limits->size == 0)
		return;
	limits->left[limits->next] = now;
	limits->next = (limits->next + 1) % limits->size;
}

void
limits_note_dropped(Limits *limits)
{
	limits->pending--;
}
