/*
 * verify.c
 *		Comparing counts, and halving down to the difference.
 *
 * QuickBooks can be asked how many records were created in a window of time.  Where our number differs, the window is
 * halved at the median of our rows; a window small enough for one answer is fetched: what we lack is stored, what we
 * have too much is looked up by id (lookup.c).  So a difference of one among a million costs some twenty counts and one
 * page, and nothing is taken for deleted that was not asked for by its own id.
 *
 * What is counted alike at first sight is done with: all counts are asked for at once, so that comparing many entities of a
 * company that is far away takes no longer than a few answers.  The others are compared one after the other.
 *
 * Counts do not tell what changed without a sign: where somebody asked for it (cursor.full_compare), every record is read
 * first, in windows of about a page of our rows, several at once (created.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/ahead.h"
#include "inbound/answer.h"
#include "inbound/created.h"
#include "inbound/lookup.h"
#include "inbound/mirror.h"
#include "inbound/our_rows.h"
#include "inbound/select.h"
#include "inbound/statistics.h"
#include "inbound/verify.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"

/* So many comparisons may differ before the difference is hunted down: it may be a change under way. */
#define VERIFY_PATIENCE 2

/*
 * A difference is hunted down until it is gone: changes go on meanwhile, and thousands of records that were created in one
 * second come in any order, so that pages of them may pass over some.  After so many hunts in a row that left no smaller
 * difference it stays, and is said to people.
 */
#define VERIFY_VAIN_HUNTS 6

/* Halving stops there: so deep only when thousands of rows have one creation time. */
#define VERIFY_MAX_WINDOWS 64

typedef struct VerifyWindow
{
	TimestampTz range[2];		/* [from, before) of creation */
} VerifyWindow;

/* An entity as a whole. */
typedef struct VerifyCount
{
	struct VerifyFlow *verify;
	const CatalogueEntity *entity;
	int64		ours;
	int64		theirs;			/* -1: the company has no such thing */
	TimestampTz asked_at;
} VerifyCount;

typedef struct VerifyFlow
{
	Flow		flow;
	Company    *company;
	const CatalogueEntity *entity;	/* being compared */
	bool		verifying;		/* it is in that phase */
	TimestampTz asked_at;		/* when the comparison that is under way was asked for, 0: see count_ours() */
	bool		overtaken;		/* another one was asked for meanwhile */
	bool		full;			/* every record of it is to be read, not only counted */
	int64		theirs;			/* their count of the window */
	bool		narrowed;		/* this comparison of the entity found a difference and hunted it down */
	int64		gap;			/* the smallest difference of the whole entity so far, -1 before the first hunt */
	int			vain_hunts;		/* hunts since then */
	bool		given_up;		/* the difference stays */
	bool		different;		/* some entity differs and waits for the next round */
	VerifyWindow windows[VERIFY_MAX_WINDOWS];	/* still to be compared, the last first */
	int			nwindows;
	/* our side of the window at the end */
	int64		ours;
	TimestampTz median;			/* SELECT_NO_TIME: none inside the window */
	TimestampTz edge;			/* of a full comparison: where the next part of the window ends */
	/* the counts that are asked for at once */
	VerifyCount *counts;
	int			ncounts;
	int			counting;		/* still awaited */
	int			most;			/* records to ask for at once */
	int			reading;		/* parts under way, where every record is read */
} VerifyFlow;

static void next_entity(VerifyFlow *verify, const CatalogueEntity *from);
static void compare_entity(VerifyFlow *verify);
static void next_window(VerifyFlow *verify);
static void read_parts(VerifyFlow *verify);

static VerifyWindow *
top_window(VerifyFlow *verify)
{
	return &verify->windows[verify->nwindows - 1];
}

/* The window of everything. */
static void
whole_entity(VerifyFlow *verify)
{
	verify->nwindows = 1;
	verify->windows[0].range[0] = SELECT_NO_TIME;
	verify->windows[0].range[1] = DT_NOEND;
}

/* Unit: how many have we in the window, unless all are to be read? */
static void
count_ours(void *arg)
{
	static SqlStatement phase = {
		"SELECT phase = 'verifying', full_compare, coalesce(started_at, '-infinity') FROM qbsync.cursor WHERE connection_id = $1 AND entity = $2",
		2, {INT4OID, TEXTOID}
	};
	VerifyFlow *verify = arg;
	VerifyWindow *window = top_window(verify);
	Datum		values[2] = {Int32GetDatum(verify->company->id), CStringGetTextDatum(verify->entity->name)};

	verify->verifying = sql_execute(&phase, values, NULL) > 0 && DatumGetBool(sql_datum(0, 1, NULL));
	if (!verify->verifying)
		return;
	/* what is asked for from now on is another comparison */
	if (verify->asked_at == 0)
	{
		verify->full = DatumGetBool(sql_datum(0, 2, NULL));
		verify->asked_at = DatumGetTimestampTz(sql_datum(0, 3, NULL));
	}
	if (!verify->full)
		verify->ours = our_count(verify->company->id, verify->entity, window->range);
}

/* Unit: where does the next part of what is read end? */
static void
find_edge(void *arg)
{
	VerifyFlow *verify = arg;

	verify->edge = our_edge(verify->company->id, verify->entity, top_window(verify)->range);
}

/* Unit: where could the window be halved? */
static void
find_median(void *arg)
{
	VerifyFlow *verify = arg;

	verify->median = our_median(verify->company->id, verify->entity, top_window(verify)->range, verify->ours);
}

/* In a unit: is this the comparison that was asked for last?  Nobody asks for another before the unit ends. */
static bool
is_latest(const VerifyFlow *verify)
{
	static SqlStatement latest = {
		"SELECT FROM qbsync.cursor WHERE connection_id = $1 AND entity = $2 AND coalesce(started_at, '-infinity') = $3 FOR UPDATE",
		3, {INT4OID, TEXTOID, TIMESTAMPTZOID}
	};
	Datum		values[3] = {
		Int32GetDatum(verify->company->id), CStringGetTextDatum(verify->entity->name), TimestampTzGetDatum(verify->asked_at)
	};

	return sql_execute(&latest, values, NULL) > 0;
}

/*
 * In a unit: the entity is as complete as it gets; a difference that stays is said to people.  It is compared once more if somebody
 * asked for that meanwhile.
 */
static void
set_loaded(VerifyFlow *verify)
{
	static SqlStatement equal = {
		"DELETE FROM qbsync.error WHERE connection_id = $1 AND entity = $2 AND problem IN ('too_big', 'incomplete')",
		2, {INT4OID, TEXTOID}
	};
	static SqlStatement different = {
		"INSERT INTO qbsync.error AS e (connection_id, entity, id, problem, detail)"
		" VALUES ($1, $2, '?', 'incomplete', format('QuickBooks counts %s, %s are here.', $3, $4))"
		" ON CONFLICT (connection_id, entity, id, problem) DO UPDATE SET last_seen = now(),"
		" occurrences = e.occurrences + 1, detail = excluded.detail",
		4, {INT4OID, TEXTOID, INT8OID, INT8OID}
	};
	Datum		values[4] = {
		Int32GetDatum(verify->company->id), CStringGetTextDatum(verify->entity->name),
		Int64GetDatum(verify->theirs), Int64GetDatum(verify->ours)
	};

	verify->overtaken = !is_latest(verify);
	if (verify->overtaken)
		return;
	if (mirror_is_wanted(verify->company->id, verify->entity))
		sql_execute(verify->given_up ? &different : &equal, values, NULL);
	cursor_set_phase(verify->company, verify->entity, "loaded");
}

/* Unit. */
static void
settle_loaded(void *arg)
{
	VerifyFlow *verify = arg;

	set_loaded(verify);
	cursor_count_reads(verify->company);
}

/* Unit: the company no longer has such a thing; what is here stays as it was. */
static void
settle_absent(void *arg)
{
	VerifyFlow *verify = arg;

	cursor_set_phase(verify->company, verify->entity, "absent");
	cursor_count_reads(verify->company);
}

/* Unit: the company is complete; syncs whose poll was cut are done. */
static void
settle_live(void *arg)
{
	static SqlStatement complete = {
		"UPDATE qbsync.cursor SET phase = 'loaded', finished_at = now() WHERE connection_id = $1 AND entity = '*'",
		1, {INT4OID}
	};
	static SqlStatement finish = {
		"UPDATE qbsync.job SET state = 'done', finished_at = now()"
		" WHERE connection_id = $1 AND kind = 'sync' AND state = 'running'",
		1, {INT4OID}
	};
	Company    *company = arg;
	Datum		values[1] = {Int32GetDatum(company->id)};

	cursor_count_reads(company);
	sql_execute(&complete, values, NULL);
	sql_execute(&finish, values, NULL);
	if (company->state == COMPANY_LOADING)
		company_set_state(company, COMPANY_LIVE);
}

/* --- their side --------------------------------------------------------------------------------------------------- */

static void
leaf_read(Company *company, void *arg)
{
	VerifyFlow *verify = arg;

	verify->nwindows--;
	next_window(verify);
}

/* Fetch the window. */
static void
read_leaf(VerifyFlow *verify)
{
	created_read(verify->company, verify->entity, top_window(verify)->range, &verify->most, leaf_read, verify);
}

/* The window differs: fetch it if it fits into an answer or cannot be halved, else compare its halves. */
static void
narrow(VerifyFlow *verify)
{
	VerifyWindow *window = top_window(verify);

	if (Max(verify->theirs, verify->ours) <= SELECT_MAX_ROWS || verify->nwindows == VERIFY_MAX_WINDOWS)
	{
		read_leaf(verify);
		return;
	}
	if (!settle(verify->company, "qbsync: comparing", find_median, verify))
		return;
	if (TIMESTAMP_NOT_FINITE(verify->median) || verify->median <= window->range[0] || verify->median >= window->range[1])
	{
		read_leaf(verify);
		return;
	}
	verify->windows[verify->nwindows] = *window;
	window->range[1] = verify->median;
	verify->windows[verify->nwindows++].range[0] = verify->median;
	next_window(verify);
}

/* Unit: every record was read. */
static void
settle_full(void *arg)
{
	static SqlStatement full = {
		"UPDATE qbsync.cursor SET full_compare = false WHERE connection_id = $1 AND entity = $2",
		2, {INT4OID, TEXTOID}
	};
	VerifyFlow *verify = arg;
	Datum		values[2] = {Int32GetDatum(verify->company->id), CStringGetTextDatum(verify->entity->name)};

	if (is_latest(verify))
		sql_execute(&full, values, NULL);
}

/* What was hunted down is settled: compare the whole entity once more. */
static void
looked_up(Company *company, void *arg)
{
	VerifyFlow *verify = arg;

	if (!verify->full || settle(company, "qbsync: comparing", settle_full, verify))
		compare_entity(verify);
}

/* The whole entity was compared, in one step or in many. */
static void
entity_compared(VerifyFlow *verify)
{
	if (verify->narrowed)
		lookup_run(verify->company, looked_up, verify);
	else if (settle(verify->company, "qbsync: comparing", settle_loaded, verify))
		next_entity(verify, verify->overtaken ? verify->entity : verify->entity + 1);
}

/* The whole entity differs: wait for the changes under way, hunt the difference down, or give up. */
static void
entity_differs(VerifyFlow *verify)
{
	int64		gap = Max(verify->theirs, verify->ours) - Min(verify->theirs, verify->ours);

	if (verify->gap < 0 && verify->company->verify_round < VERIFY_PATIENCE)
	{
		verify->different = true;
		next_entity(verify, verify->entity + 1);
		return;
	}
	verify->vain_hunts = verify->gap < 0 || gap < verify->gap ? 0 : verify->vain_hunts + 1;
	verify->gap = verify->gap < 0 ? gap : Min(gap, verify->gap);
	if (verify->vain_hunts == VERIFY_VAIN_HUNTS)
	{
		verify->given_up = true;
		verify->nwindows = 0;
		entity_compared(verify);
		return;
	}
	verify->narrowed = true;
	narrow(verify);
}

static void
part_read(Company *company, void *arg)
{
	VerifyFlow *verify = arg;

	verify->reading--;
	read_parts(verify);
}

/* Every record of the window is to be read: parts of about a page of ours, as many at once as the company may have requests. */
static void
read_parts(VerifyFlow *verify)
{
	while (verify->nwindows > 0 && verify->reading < verify->company->settings.concurrency)
	{
		TimestampTz *rest = top_window(verify)->range;
		TimestampTz part[2];

		if (!settle(verify->company, "qbsync: comparing", find_edge, verify))
			return;
		part[0] = rest[0];
		part[1] = rest[0] = verify->edge;
		if (TIMESTAMP_IS_NOEND(verify->edge))
			verify->nwindows = 0;
		verify->reading++;
		created_read(verify->company, verify->entity, part, &verify->most, part_read, verify);
	}
	if (verify->reading == 0)
		entity_compared(verify);
}

/* Ask how many there are in the window. */
static void
ask_count(VerifyFlow *verify, const CatalogueEntity *entity, CallDone done, void *arg)
{
	VerifyWindow *window = top_window(verify);
	char	   *statement = select_count(entity, window->range[0], window->range[1]);

	call_query(verify->company, entity, statement, done, arg);
	pfree(statement);
}

static void
count_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	VerifyFlow *verify = arg;

	if (answer_absent(verify->entity, answer->fault))
	{
		if (settle(company, "qbsync: noting what a company does not have", settle_absent, verify))
			next_entity(verify, verify->entity + 1);
		return;
	}
	if (!answer_count(company, answer, &verify->theirs))
		return;
	if (verify->theirs == verify->ours)
	{
		verify->nwindows--;
		next_window(verify);
	}
	else if (verify->narrowed)
		narrow(verify);
	else
		entity_differs(verify);
}

/* Compare the next window, or end the entity. */
static void
next_window(VerifyFlow *verify)
{
	if (verify->nwindows == 0)
	{
		entity_compared(verify);
		return;
	}
	if (!settle(verify->company, "qbsync: comparing", count_ours, verify))
		return;
	if (!verify->verifying)
	{
		next_entity(verify, verify->entity + 1);
		return;
	}
	if (verify->full)
	{
		verify->narrowed = true;
		read_parts(verify);
		return;
	}
	ask_count(verify, verify->entity, count_arrived, verify);
}

/* --- all at once -------------------------------------------------------------------------------------------------- */

/* Unit: our counts of what is to be compared, but for what is read anyway. */
static void
count_all_ours(void *arg)
{
	VerifyFlow *verify = arg;

	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
	{
		VerifyCount *count = &verify->counts[verify->ncounts];

		if (!catalogue_has_pages(entity))
			continue;
		verify->entity = entity;
		verify->asked_at = 0;
		count_ours(verify);
		if (!verify->verifying || verify->full)
			continue;
		count->verify = verify;
		count->entity = entity;
		count->ours = verify->ours;
		count->asked_at = verify->asked_at;
		verify->ncounts++;
	}
}

/* Unit: what is counted alike is complete. */
static void
settle_equal(void *arg)
{
	VerifyFlow *verify = arg;

	for (int i = 0; i < verify->ncounts; i++)
	{
		const VerifyCount *count = &verify->counts[i];

		if (count->theirs != count->ours)
			continue;
		verify->entity = count->entity;
		verify->asked_at = count->asked_at;
		verify->theirs = verify->ours = count->ours;
		set_loaded(verify);
	}
	cursor_count_reads(verify->company);
}

/* Both sides' counts are here. */
static void
counted_all(VerifyFlow *verify)
{
	company_forget_ahead(verify->company);
	if (settle(verify->company, "qbsync: comparing", settle_equal, verify))
		next_entity(verify, catalogue);
}

static void
one_count_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	VerifyCount *count = arg;
	VerifyFlow *verify = count->verify;

	if (answer_absent(count->entity, answer->fault))
		count->theirs = -1;
	else if (!answer_count(company, answer, &count->theirs))
		return;
	if (--verify->counting == 0)
		counted_all(verify);
}

static void
compare_all(VerifyFlow *verify)
{
	whole_entity(verify);
	if (!settle(verify->company, "qbsync: comparing", count_all_ours, verify))
		return;
	for (int i = 0; i < verify->ncounts; i++)
	{
		VerifyCount *count = &verify->counts[i];

		if (ahead_count(verify->company, count->entity, &count->theirs))
			continue;
		verify->counting++;
		ask_count(verify, count->entity, one_count_arrived, count);
	}
	if (verify->counting == 0)
		counted_all(verify);
}

/* All entities were compared. */
static void
finish(VerifyFlow *verify)
{
	Company    *company = verify->company;

	if (verify->different)
	{
		company->verify_round++;
		company->must_catch_up = true;
	}
	else
	{
		if (company->state == COMPANY_LOADING || company->loaded_more)
			statistics_gather(company);
		company->loaded_more = false;
		if (!settle(verify->company, "qbsync: comparing", settle_live, company))
			return;
		company->must_verify = false;
		company->loaded_once = true;
		company->start_overs = 0;
		company->verify_round = 0;
	}
	flow_end(company);
}

/* Compare the whole entity. */
static void
compare_entity(VerifyFlow *verify)
{
	verify->asked_at = 0;
	verify->narrowed = false;
	verify->most = SELECT_MAX_ROWS;
	whole_entity(verify);
	next_window(verify);
}

static void
next_entity(VerifyFlow *verify, const CatalogueEntity *from)
{
	while (from->name && !catalogue_has_pages(from))
		from++;
	if (from->name == NULL)
	{
		finish(verify);
		return;
	}
	verify->entity = from;
	verify->gap = -1;
	verify->given_up = false;
	compare_entity(verify);
}

void
verify_start(Company *company)
{
	VerifyFlow *verify = flow_begin(company, sizeof(VerifyFlow));

	verify->company = company;
	verify->counts = MemoryContextAllocZero(verify->flow.context, sizeof(VerifyCount) * catalogue_count());
	compare_all(verify);
}
