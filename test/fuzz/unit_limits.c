/*
 * unit_limits.c
 *		Unit tests of the request limits (EXT-16).
 */
#include "unit.h"

#include "quickbooks/limits.h"

/* Any moment; and what is kept between requests beyond a second. */
#define NOON	(INT64CONST(12) * 3600 * USECS_PER_SEC)
#define SECOND	USECS_PER_SEC
#define JITTER	(SECOND / 20)

/* So many requests are started and leave. */
static void
leave(Limits *limits, int n, TimestampTz when)
{
	for (int i = 0; i < n; i++)
	{
		limits_note_start(limits);
		limits_note_left(limits, when);
	}
}

static void
test_windows(void)
{
	Limits		limits;

	limits_init(&limits, 0, 0, 60 * SECOND);
	leave(&limits, 5, NOON);
	CHECK_NAMED(limits_next_start(&limits, NOON) <= NOON && limits_free(&limits, NOON, 7) == 7, "EXT-16: no limits");

	limits_init(&limits, 3, 5, 60 * SECOND);
	CHECK(limits_free(&limits, NOON, 7) == 3);
	leave(&limits, 2, NOON);
	CHECK(limits_next_start(&limits, NOON) <= NOON && limits_free(&limits, NOON, 7) == 1);
	leave(&limits, 1, NOON + 100);
	CHECK_NAMED(limits_next_start(&limits, NOON + 100) == NOON + SECOND + JITTER, "EXT-16: a second is full");
	CHECK(limits_free(&limits, NOON + SECOND + JITTER, 7) == 2);
	leave(&limits, 2, NOON + 2 * SECOND);
	CHECK_NAMED(limits_next_start(&limits, NOON + 4 * SECOND) == NOON + 60 * SECOND + JITTER, "EXT-16: a window is full");
	limits_forget(&limits);
	CHECK_NAMED(limits_free(&limits, NOON - 60 * SECOND, 7) == 3, "a clock that was set back forgets them");
}

/* Requests that wait for their connection, for as long as that takes. */
static void
test_not_left(void)
{
	Limits		limits;

	limits_init(&limits, 3, 0, 60 * SECOND);
	limits_note_start(&limits);
	limits_note_start(&limits);
	CHECK_NAMED(limits_free(&limits, NOON, 7) == 1 && limits_free(&limits, NOON + 9 * SECOND, 7) == 1,
				"EXT-16: what has not left may leave now, however long ago it was started");
	limits_note_start(&limits);
	CHECK(limits_free(&limits, NOON + 9 * SECOND, 7) == 0);
	CHECK(limits_next_start(&limits, NOON + 9 * SECOND) == NOON + 10 * SECOND + JITTER);
	limits_note_left(&limits, NOON + 10 * SECOND);
	limits_note_left(&limits, NOON + 10 * SECOND);
	limits_note_dropped(&limits);
	CHECK_NAMED(limits_free(&limits, NOON + 10 * SECOND, 7) == 1, "EXT-16: what will never leave leaves its place");
	limits_note_start(&limits);
	CHECK_NAMED(limits_next_start(&limits, NOON + 10 * SECOND + SECOND / 2) == NOON + 11 * SECOND + JITTER,
				"EXT-16: a second begins when a request leaves");
	CHECK(limits_free(&limits, NOON + 11 * SECOND + JITTER, 7) == 2);
}

void
test_limits(void)
{
	test_windows();
	test_not_left();
}
