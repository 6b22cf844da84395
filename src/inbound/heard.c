/*
 * heard.c
 *		What webhooks told of is read.  See heard.h.
 *
 * Intuit counts reads, so webhooks must not cost more than they are worth: a company that is quiet is read the moment it is
 * heard of, one in which somebody works all day every ten seconds.  What is noted meanwhile is read together.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/heard.h"

/* So many times it is read at once, and once more for each that long that has passed. */
#define HEARD_READS_AT_ONCE	30
#define HEARD_READ_EVERY_US	(10 * USECS_PER_SEC)

/* After sorting failed. */
#define HEARD_RETRY_US		(5 * USECS_PER_SEC)

/* Fill up what may be spent; true if there is something. */
static bool
may_read(Company *company, TimestampTz now)
{
	int64		since = now - company->heard_refilled_at;

	if (company->heard_refilled_at == 0 || since < 0 || since >= HEARD_READS_AT_ONCE * HEARD_READ_EVERY_US)
	{
		company->heard_reads = HEARD_READS_AT_ONCE;
		company->heard_refilled_at = now;
	}
	else
	{
		int			more = (int) (since / HEARD_READ_EVERY_US);

		company->heard_reads = Min(HEARD_READS_AT_ONCE, company->heard_reads + more);
		company->heard_refilled_at += more * HEARD_READ_EVERY_US;
	}
	return company->heard_reads > 0;
}

/* The answer of sort_webhooks() or settle_merges(). */
typedef struct Sorted
{
	Company    *company;
	bool		poll;
	bool		look_up;
	bool		more;
} Sorted;

/* Unit: what is to be done about the notes? */
static void
sort_notes(void *arg)
{
	static SqlStatement sort = {"SELECT poll, look_up FROM qbsync.sort_webhooks($1)", 1, {INT4OID}};
	Sorted	   *sorted = arg;
	Datum		values[1] = {Int32GetDatum(sorted->company->id)};

	sql_execute(&sort, values, NULL);
	sorted->poll = DatumGetBool(sql_datum(0, 1, NULL));
	sorted->look_up = DatumGetBool(sql_datum(0, 2, NULL));
}

TimestampTz
heard_sort(Company *company)
{
	TimestampTz now = GetCurrentTimestamp();
	Sorted		sorted = {company};
	UnitError	error;

	if (!company->must_hear)
		return 0;
	/* outside the sync window it is remembered, as in a pause */
	if (Max(company->heard_not_before, company->polls_held_until) > now)
		return Max(company->heard_not_before, company->polls_held_until);
	if (!may_read(company, now))
		return company->heard_refilled_at + HEARD_READ_EVERY_US;
	if (unit_run("qbsync: sorting webhooks", sort_notes, &sorted, &error) != UNIT_DONE)
	{
		/* polling goes on and finds the same */
		ereport(LOG, (errmsg("qbsync could not sort webhooks of connection \"%s\"", company->name),
					  errdetail("%s", error.message)));
		company->heard_not_before = now + HEARD_RETRY_US;
		return company->heard_not_before;
	}
	company->must_hear = false;
	/* a merge among them is to be read, too */
	company->merging |= sorted.look_up;
	company->must_merge |= sorted.look_up;
	company->must_lookup |= sorted.look_up;
	if (sorted.poll || sorted.look_up)
		company->heard_reads--;
	if (sorted.poll)
	{
		company->next_poll = 0;
		company->poll_heard = true;
	}
	return 0;
}

bool
heard_settle_poll(Company *company, TimestampTz started, int64 changes)
{
	static SqlStatement settle_notes = {
		"SELECT qbsync.settle_webhooks($1, $2, $3, $4)", 4, {INT4OID, TIMESTAMPTZOID, INT8OID, BOOLOID}
	};
	Datum		values[4] = {
		Int32GetDatum(company->id), TimestampTzGetDatum(started), Int64GetDatum(changes), BoolGetDatum(company->poll_heard)
	};

	/* who has no webhooks does not pay for them */
	if (!company->hears)
		return false;
	sql_execute(&settle_notes, values, NULL);
	return DatumGetBool(sql_datum(0, 1, NULL));
}

/* Unit: go on with merges. */
static void
settle_merges(void *arg)
{
	static SqlStatement settle_all = {"SELECT look_up, more FROM qbsync.settle_merges($1)", 1, {INT4OID}};
	Sorted	   *sorted = arg;
	Datum		values[1] = {Int32GetDatum(sorted->company->id)};

	sql_execute(&settle_all, values, NULL);
	sorted->look_up = DatumGetBool(sql_datum(0, 1, NULL));
	sorted->more = DatumGetBool(sql_datum(0, 2, NULL));
}

void
heard_settle_merges(Company *company)
{
	Sorted		sorted = {company};
	UnitError	error;

	if (!company->must_merge)
		return;
	company->must_merge = false;
	if (unit_run("qbsync: following merges", settle_merges, &sorted, &error) == UNIT_DONE)
	{
		company->must_lookup |= sorted.look_up;
		company->must_merge = sorted.more;
	}
	else
		ereport(LOG, (errmsg("qbsync could not follow merges of connection \"%s\"", company->name),
					  errdetail("%s", error.message), errhint("It is tried again after the next poll.")));
}
