/*
 * window.c
 *		Reading changes by windows of time.  See window.h.
 *
 * Per entity, rows in order of their last change, from some time on.  The next page begins at the time of the last row
 * (inclusive: times have whole seconds, and rows that change meanwhile move to the end, where they are met again).
 * When a whole page has one time - a background job of Intuit's touched everything - the rows of that second are read in
 * order of their creation, in the same way: rows with equal times come in any order, so that a position among them
 * would skip some.  Only when a whole page was created in one second too does the position move.
 * Queries hide deletions: those are found when counts are compared afterwards (verify.c).
 *
 * A page is taken over when it arrives; the next one is asked for before it is settled (flow.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/answer.h"
#include "inbound/mirror.h"
#include "inbound/mirror_value.h"
#include "inbound/select.h"
#include "inbound/window.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"

/* Reading one entity. */
typedef struct Window
{
	Company    *company;
	const CatalogueEntity *entity;
	WindowDone	done;
	void	   *arg;
	TimestampTz since;			/* its page begins here */
	bool		tied;			/* only rows of that second are read, in order of creation */
	TimestampTz created;		/* ... and the page begins here */
	int64		position;		/* and so many rows later */
	int			count;			/* rows to ask for */
	WindowResult result;
	/* a page that was taken over */
	MemoryContext page;			/* NULL: it is settled */
	bool		last;
	const Record *records;
	int			nrecords;
	TimestampTz started;
} Window;

/* Catching up: one entity after the other. */
typedef struct WindowFlow
{
	Flow		flow;
	TimestampTz changed_since;	/* of the cursor */
	const CatalogueEntity *entity;	/* being read */
	char	   *entities;		/* those that are read of this company */
	TimestampTz first_started;	/* of the first answer: what changed before is here at the end */
} WindowFlow;

/* Unit: the rows of a page. */
static void
settle_window(void *arg)
{
	Window	   *window = arg;
	Company    *company = window->company;
	MirrorCounts counts = {0};

	mirror_apply(company->id, company->name, window->entity, window->records, window->nrecords, window->started,
				 company->loaded_once, &counts);
	window->result.changed |= counts.inserted + counts.updated + counts.deleted > 0;
	cursor_count_reads(company);
}

static void window_arrived(Company *company, const CallAnswer *answer, void *arg);

static void
ask_window(Window *window)
{
	char	   *statement = window->tied
		? select_changed_at(window->entity, window->since, window->created, window->position, window->count)
		: select_changed(window->entity, window->since, window->position, window->count);

	call_query(window->company, window->entity, statement, window_arrived, window);
	pfree(statement);
}

/* Where the next page of the entity begins, after a full one. */
static void
move_on(Window *window)
{
	const Record *last = &window->records[window->nrecords - 1];
	const char *moment = window->tied ? last->create_time : last->last_updated;
	TimestampTz *from = window->tied ? &window->created : &window->since;
	TimestampTz time;

	if (!mirror_parse_timestamp(moment, strlen(moment), &time))
		window->position += window->nrecords;
	else if (time > *from)
	{
		*from = time;
		window->position = 0;
	}
	else if (window->tied)
		window->position += window->nrecords;
	else
	{
		window->tied = true;
		window->since = time;
		window->created = SELECT_NO_TIME;
		window->position = 0;
	}
}

/* The page was too big. */
static void
ask_less(Window *window)
{
	bool		failed;

	if (!answer_halve(window->company, window->entity, &window->count, &failed))
	{
		if (failed)
			return;
		window->position++;
	}
	ask_window(window);
}

/* Settle the page that was taken over; true: what comes next was asked for. */
static bool
settle_page(Company *company)
{
	Window	   *window = company->flow->settle_arg;

	if (window->page == NULL || !settle(company, "qbsync: reading changes", settle_window, window))
		return false;
	MemoryContextDelete(window->page);
	window->page = NULL;
	if (!window->last)
		return false;
	company->flow->settle_next = NULL;
	window->done(company, &window->result, window->arg);
	return true;
}

/* Take a page over, in memory of its own; false: the flow is gone. */
static bool
take_page(Window *window, const CallAnswer *answer)
{
	Company    *company = window->company;
	MemoryContext page = AllocSetContextCreate(company->flow->context, "qbsync window page", ALLOCSET_SMALL_SIZES);
	Envelope	envelope;

	if (!answer_take(company, answer, page, &envelope))
		return false;
	window->page = page;
	window->nrecords = answer_records(&envelope, window->entity, &window->records);
	window->started = answer->started;
	if (window->result.started == 0)
	{
		window->result.started = window->started;
		window->result.time = answer_time(&envelope);
	}
	return true;
}

static void
window_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	Window	   *window = arg;

	Assert(window->page == NULL);
	if (answer->fault && answer->fault->reaction == REACT_SMALLER)
	{
		ask_less(window);
		return;
	}
	if (answer->fault)
	{
		flow_fail_with(company, answer->fault);
		return;
	}
	if (!take_page(window, answer))
		return;
	if (window->nrecords >= window->count)
		move_on(window);
	else if (window->tied)
	{
		window->tied = false;
		window->since += USECS_PER_SEC;
		window->position = 0;
	}
	else
	{
		window->last = true;
		return;
	}
	ask_window(window);
}

void
window_read(Company *company, const CatalogueEntity *entity, TimestampTz since, WindowDone done, void *arg)
{
	Window	   *window = MemoryContextAllocZero(company->flow->context, sizeof(Window));

	window->company = company;
	window->entity = entity;
	window->done = done;
	window->arg = arg;
	window->since = since;
	window->count = SELECT_MAX_ROWS;
	company->flow->settle_next = settle_page;
	company->flow->settle_arg = window;
	ask_window(window);
}

/* --- catching up -------------------------------------------------------------------------------------------------- */

static void next_entity(Company *company, const CatalogueEntity *from);

/* Unit: where the cursor is, and what is read of this company. */
static void
read_cursor(void *arg)
{
	static SqlStatement read = {
		"SELECT max(changed_since) FILTER (WHERE entity = '*'), string_agg(entity, ',') FILTER (WHERE phase <> 'absent')"
		" FROM qbsync.cursor WHERE connection_id = $1",
		1, {INT4OID}
	};
	Company    *company = arg;
	WindowFlow *flow = (WindowFlow *) company->flow;
	Datum		values[1] = {Int32GetDatum(company->id)};

	sql_execute(&read, values, NULL);
	flow->changed_since = DatumGetTimestampTz(sql_datum(0, 1, NULL));
	flow->entities = sql_text(0, 2, flow->flow.context);
}

/* Unit: all changes up to the truncated answer are here. */
static void
settle_end(void *arg)
{
	static SqlStatement advance = {
		"UPDATE qbsync.cursor SET changed_since = greatest(changed_since, catch_up_to), catch_up_to = NULL,"
		" checked_at = greatest(checked_at, $2) WHERE connection_id = $1 AND entity = '*'",
		2, {INT4OID, TIMESTAMPTZOID}
	};
	Company    *company = arg;
	WindowFlow *flow = (WindowFlow *) company->flow;
	Datum		values[2] = {Int32GetDatum(company->id), TimestampTzGetDatum(flow->first_started)};

	sql_execute(&advance, values, NULL);
	cursor_count_reads(company);
}

static void
entity_read(Company *company, const WindowResult *result, void *arg)
{
	WindowFlow *flow = arg;

	if (flow->first_started == 0)
		flow->first_started = result->started;
	next_entity(company, flow->entity + 1);
}

/* Begin with the next entity that change data capture carries, or end. */
static void
next_entity(Company *company, const CatalogueEntity *from)
{
	WindowFlow *flow = (WindowFlow *) company->flow;

	while (from->name && !((from->flags & ENTITY_CDC) && answer_lists(flow->entities, from)))
		from++;
	if (from->name)
	{
		flow->entity = from;
		window_read(company, from, flow->changed_since - ANSWER_OVERLAP_US, entity_read, flow);
		return;
	}
	if (!settle(company, "qbsync: moving the cursor", settle_end, company))
		return;
	company->must_window = company->must_poll = false;
	company->polled = true;
	flow_end(company);
}

void
window_start(Company *company)
{
	(void) flow_begin(company, sizeof(WindowFlow));
	if (settle(company, "qbsync: reading the cursor", read_cursor, company))
		next_entity(company, catalogue);
}
