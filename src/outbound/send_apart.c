/*
 * send_apart.c
 *		Recording what arrived: many answers in one unit, and each request by itself where that fails.
 *
 * What one unit cannot record (a constraint or trigger that somebody made on a table of ours, for one record) must not keep the
 * others from being recorded, nor new ones from being sent.  So the request that fails waits alone: its row stays 'sent', the answer
 * is kept and tried again, and people read why in qbsync.error_open once it has failed twice.  If this process ends, the row is found
 * 'sent' and asked for again under the same requestid.  When many fail it is nothing of theirs: nothing more is sent then.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/appointment.h"
#include "common/progress.h"
#include "common/unit.h"
#include "inbound/mirror_arrival.h"
#include "outbound/send_parts.h"

/* A failure that passes by itself is nothing for people. */
#define FAILURES_TO_SAY 2

/*
 * What fails because somebody has a lock takes lock_timeout each time, in which nobody else is served.  So it is left alone for a while as
 * a whole; it could be the lock of one row, though, which must not hold up the others for long.  When it is not over by then, each
 * is tried by itself, until so many in a row have met a lock.
 */
#define HELD_UP_TOGETHER 3
#define HELD_UP_IN_A_ROW 2

/* A request whose outcome is to be recorded. */
typedef struct Unsettled
{
	SendCall   *call;
	SendItem   *item;
} Unsettled;

/* What people are told. */
typedef struct Report
{
	const SendItem *item;
	const char *words;
} Report;

/* Unit. */
static void
say_failure(void *arg)
{
	static SqlStatement note = {"SELECT qbsync.note_unsettled($1, nullif($2, ''), $3, $4)", 4, {INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID}};
	Report	   *report = arg;
	const SendItem *item = report->item;
	Datum		values[] = {
		Int64GetDatum(item->request_id), CStringGetTextDatum(item->outcome == SEND_DONE ? item->record.id : ""),
		CStringGetTextDatum(report->words), TimestampTzGetDatum(item->settle_at)
	};

	sql_execute(&note, values, NULL);
}

/* Did a unit fail because somebody else was in its way? */
static bool
met_lock(const UnitError *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

/* Somebody's lock is in the way: recording goes on after a while. */
static void
hold_up(Sender *sender, const UnitError *error)
{
	if (sender->held_up == 0)
		ereport(LOG, (errmsg("qbsync has to wait before it records what was written to connection \"%s\"", sender->company->name),
					  errdetail("%s", error->message)));
	sender->settle_not_before = GetCurrentTimestamp() + call_backoff(sender->held_up++);
}

/* Recording an outcome by itself failed: again after a while. */
static void
postpone_item(Sender *sender, SendItem *item, const UnitError *error)
{
	Report		report = {item, unit_error_words(error)};

	if (item->settle_failures == 0)
		ereport(LOG, (errmsg("qbsync could not record what was written to connection \"%s\"", sender->company->name),
					  errdetail("%s", error->message)));
	item->settle_at = GetCurrentTimestamp() + call_backoff(item->settle_failures++);
	if (item->settle_failures >= FAILURES_TO_SAY && unit_run("qbsync: recording a problem", say_failure, &report, NULL) == UNIT_DONE)
	{
		/* what may have been made by it need not wait for it any more */
		mirror_arrival_note_answers();
		progress_announce();
	}
}

/* The requests of answered calls that did not fail yet, or of those that did the ones that are due. */
static Unsettled *
unsettled_items(const Sender *sender, bool failed, int *n)
{
	TimestampTz now = GetCurrentTimestamp();
	Unsettled  *list;
	dlist_iter	iter;

	*n = 0;
	dlist_foreach(iter, unconstify(dlist_head *, &sender->answered))
		*n += dlist_container(SendCall, node, iter.cur)->nitems;
	list = palloc(sizeof(Unsettled) * Max(*n, 1));
	*n = 0;
	dlist_foreach(iter, unconstify(dlist_head *, &sender->answered))
	{
		SendCall   *call = dlist_container(SendCall, node, iter.cur);

		for (int i = 0; i < call->nitems; i++)
		{
			SendItem   *item = &call->items[i];

			if (!item->settled && (item->settle_failures > 0) == failed && item->settle_at <= now)
				list[(*n)++] = (Unsettled) {call, item};
		}
	}
	return list;
}

/* Each request by itself; false: nothing can be recorded at all. */
static bool
settle_each(Sender *sender, Unsettled *list, int n)
{
	int			locks = 0;		/* met in a row */

	for (int i = 0; i < n; i++)
	{
		UnitError	error;
		UnitResult	result = send_settle(sender, &list[i].call, 1, list[i].item, &error);

		if (result != UNIT_DONE && result != UNIT_FAILED)
			return false;
		locks = result == UNIT_FAILED && met_lock(&error) ? locks + 1 : 0;
		if (locks == HELD_UP_IN_A_ROW)
		{
			hold_up(sender, &error);
			break;
		}
		if (result == UNIT_FAILED)
			postpone_item(sender, list[i].item, &error);
	}
	return true;
}

/* How many calls are in a list? */
static int
count_calls(const dlist_head *list)
{
	int			n = 0;
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, list))
		n++;
	return n;
}

/* What did not fail yet, together if that works: so much at a time, *left says whether there is more. */
static bool
settle_fresh(Sender *sender, Unsettled *list, int n, bool *left)
{
	SendCall  **calls = palloc(sizeof(SendCall *) * Max(n, 1));
	int			ncalls = 0;
	int			taken = 0;
	int			most = count_calls(&sender->answered) >= count_calls(&sender->flying) ? SEND_SETTLE_LATE : SEND_SETTLE_TOGETHER;
	UnitError	error;
	UnitResult	result;

	/* those of a call are neighbours */
	for (; taken < n; taken++)
	{
		if (ncalls > 0 && calls[ncalls - 1] == list[taken].call)
			continue;
		if (taken >= most)
			break;
		calls[ncalls++] = list[taken].call;
	}
	*left = taken < n;
	n = taken;
	if (n == 0)
		return true;
	result = send_settle(sender, calls, ncalls, NULL, &error);
	if (result == UNIT_DONE)
		sender->held_up = 0;
	if (result == UNIT_FAILED && met_lock(&error) && sender->held_up < HELD_UP_TOGETHER)
	{
		hold_up(sender, &error);
		return true;
	}
	if (result == UNIT_FAILED && n == 1)
	{
		postpone_item(sender, list[0].item, &error);
		return true;
	}
	return result == UNIT_FAILED ? settle_each(sender, list, n) : result == UNIT_DONE;
}

TimestampTz
send_settle_all(Sender *sender)
{
	TimestampTz again;
	Unsettled  *list;
	int			n;
	bool		left;
	bool		possible;

	if (sender->settle_not_before > GetCurrentTimestamp())
		return sender->settle_not_before;
	list = unsettled_items(sender, false, &n);
	possible = settle_fresh(sender, list, n, &left);
	if (possible && sender->settle_not_before <= GetCurrentTimestamp())
	{
		list = unsettled_items(sender, true, &n);
		possible = settle_each(sender, list, n);
	}
	/* the extension is gone, or of another version */
	if (!possible)
		return GetCurrentTimestamp() + call_backoff(0);
	if (sender->settle_not_before > GetCurrentTimestamp())
		return sender->settle_not_before;
	if (left)
		return GetCurrentTimestamp();
	(void) send_unsettled(sender, &again);
	return again;
}

int
send_answered(const Sender *sender)
{
	int			n = 0;
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &sender->answered))
	{
		const SendCall *call = dlist_container(SendCall, node, iter.cur);

		for (int i = 0; i < call->nitems; i++)
			n += !call->items[i].settled;
	}
	return n;
}

int
send_unsettled(const Sender *sender, TimestampTz *next)
{
	int			n = 0;
	dlist_iter	iter;

	*next = 0;
	dlist_foreach(iter, unconstify(dlist_head *, &sender->answered))
	{
		const SendCall *call = dlist_container(SendCall, node, iter.cur);

		for (int i = 0; i < call->nitems; i++)
		{
			if (call->items[i].settled || call->items[i].settle_failures == 0)
				continue;
			n++;
			*next = appointment_earlier(*next, call->items[i].settle_at);
		}
	}
	return n;
}

void
send_settle_again(Sender *sender)
{
	dlist_iter	iter;

	sender->settle_not_before = 0;
	dlist_foreach(iter, &sender->answered)
	{
		SendCall   *call = dlist_container(SendCall, node, iter.cur);

		for (int i = 0; i < call->nitems; i++)
			call->items[i].settle_at = 0;
	}
}
