/*
 * calendar.c
 *		Invoices that become overdue.  See calendar.h.
 *
 * Every hour rather than at midnight: companies have time zones of their own.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/unit.h"
#include "worker/calendar.h"

#define LOOK_EVERY_US	(60 * 60 * USECS_PER_SEC)

/* Unit: *arg, how many there are. */
static void
note_overdue(void *arg)
{
	static SqlStatement select = {"SELECT qbsync.note_overdue()", 0, {InvalidOid}};

	sql_execute(&select, NULL, NULL);
	*(int64 *) arg = DatumGetInt64(sql_datum(0, 1, NULL));
}

TimestampTz
calendar_serve(bool mapped, bool *found)
{
	static TimestampTz next = 0;
	TimestampTz now = GetCurrentTimestamp();
	UnitError	error;
	int64		n = 0;

	*found = false;
	if (!mapped)
		return 0;
	/* a clock set back must not make this wait longer */
	if (next > now && next - now <= LOOK_EVERY_US)
		return next;
	next = now + LOOK_EVERY_US;
	if (unit_run("qbsync: looking for overdue invoices", note_overdue, &n, &error) == UNIT_FAILED)
		ereport(LOG, (errmsg("qbsync could not look for overdue invoices"), errdetail("%s", error.message)));
	*found = n > 0;
	return next;
}
