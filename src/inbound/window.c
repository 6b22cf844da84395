/*
 * window.c
 *		Catching up by windows of time.
 *
 * Per entity, rows in order of their last change, from the cursor on.  The next page begins at the time of the last row
 * (inclusive: times have whole seconds, and rows that change meanwhile move to the end, where they are met again).
 * When a whole page has one time - a background job of Intuit's touched everything - the rows of that second are read in
 * order of their creation, in the same way: rows with equal times come in any order, so that a position among them
 * would skip some.  Only when a whole page was created in one second too does the position move.
 * Queries hide deletions: those are found when counts are compared afterwards (verify.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/answer.h"
#include "inbound/mirror.h"
#include "inbound/mirror_value.h"
#include "inbound/select.h"
#include "inbound/window.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"

typedef struct WindowFlow
{
	Flow		flow;
	Company    *company;
	TimestampTz changed_since;	/* of the cursor */
	const CatalogueEntity *entity;	/* being read */
	TimestampTz since;			/* its page begins here */
	bool		tied;			/* only rows of that second are read, in order of creation */
	TimestampTz created;		/* ... and the page begins here */
	int64		position;		/* and so many rows later */
	int			count;			/* rows to ask for */
	/* the answer */
	const Record *records;
	int			nrecords;
	TimestampTz started;
	TimestampTz first_started;	/* of the first answer: what changed before is here at the end */
} WindowFlow;

static void ask_entity(WindowFlow *window, const CatalogueEntity *from);

/* Unit: where the cursor is. */
static void
read_cursor(void *arg)
{
	static SqlStatement read = {
		"SELECT changed_since FROM qbsync.cursor WHERE connection_id = $1 AND entity = '*'",
		1, {INT4OID}
	};
	WindowFlow *window = arg;
	Datum		values[1] = {Int32GetDatum(window->company->id)};

	sql_execute(&read, values, NULL);
	window->changed_since = DatumGetTimestampTz(sql_datum(0, 1, NULL));
}

/* Unit: the rows of a page. */
static void
settle_window(void *arg)
{
	WindowFlow *window = arg;
	Company    *company = window->company;
	MirrorCounts counts = {0};

	mirror_apply(company->id, company->name, window->entity, window->records, window->nrecords, window->started,
				 company->loaded_once, &counts);
	cursor_count_reads(company);
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
	WindowFlow *window = arg;
	Company    *company = window->company;
	Datum		values[2] = {Int32GetDatum(company->id), TimestampTzGetDatum(window->first_started)};

	sql_execute(&advance, values, NULL);
	cursor_count_reads(company);
}

static void window_arrived(Company *company, const CallAnswer *answer, void *arg);

static void
ask_window(WindowFlow *window)
{
	char	   *statement = window->tied
		? select_changed_at(window->entity, window->since, window->created, window->position, window->count)
		: select_changed(window->entity, window->since, window->position, window->count);

	call_query(window->company, statement, window_arrived, window);
	pfree(statement);
}

/* Where the next page of the entity begins, after a full one. */
static void
move_on(WindowFlow *window)
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
ask_less(WindowFlow *window)
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

static void
window_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	WindowFlow *window = arg;
	Envelope	envelope;

	if (answer->fault && answer->fault->reaction == REACT_SMALLER)
	{
		ask_less(window);
		return;
	}
	if (!answer_scan(company, answer, &envelope))
		return;
	window->nrecords = answer_records(&envelope, window->entity, &window->records);
	window->started = answer->started;
	if (window->first_started == 0)
		window->first_started = window->started;
	if (!settle(company, "qbsync: catching up", settle_window, window))
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
		ask_entity(window, window->entity + 1);
		return;
	}
	ask_window(window);
}

/* Begin with the next entity that change data capture carries, or end. */
static void
ask_entity(WindowFlow *window, const CatalogueEntity *from)
{
	Company    *company = window->company;

	while (from->name && !(from->flags & ENTITY_CDC))
		from++;
	if (from->name)
	{
		window->entity = from;
		window->since = window->changed_since - ANSWER_OVERLAP_US;
		window->tied = false;
		window->position = 0;
		window->count = SELECT_MAX_ROWS;
		ask_window(window);
		return;
	}
	if (!settle(company, "qbsync: moving the cursor", settle_end, window))
		return;
	company->must_window = false;
	flow_end(company);
}

void
window_start(Company *company)
{
	WindowFlow *window = flow_begin(company, sizeof(WindowFlow));

	window->company = company;
	if (settle(company, "qbsync: reading the cursor", read_cursor, window))
		ask_entity(window, catalogue);
}
