/*
 * load.c
 *		First and full loads: every page of every entity, several at once, settled in order.
 *
 * Records move while they are read: an update does not change the order used (creation), but a deletion shifts all that
 * follow by one, and a record at the edge of a page not yet read is skipped.  Therefore
 *	- the clock of change data capture is set before the first page is asked for, and a poll follows the load: whatever
 *	  changed meanwhile is fetched again;
 *	- afterwards counts are compared and differences hunted down (verify.c): whatever was skipped is found;
 *	- in a full re-read, rows of ours that a page should have held and did not are looked up by id (lookup.c).
 *
 * Mostly the first page of an entity is all there is: what is few costs one read.  Where it is full, there are more, and
 * the count is asked for, and beside it some pages more, at most LOAD_AHEAD.  What is often more than a page (ENTITY_MANY) goes
 * first and is counted beside its first page, so that the others are asked for as soon as that is here; where there is no other,
 * the comparison takes that count.
 *
 * As many pages are asked for as the company may have requests under way, and those of an entity are settled strictly in
 * order, each in one transaction with the position behind it: a load that was cut off goes on there.  An answer is only taken
 * over when it arrives: what is asked for next, as all say that are here, leaves before one is settled, which takes as long as
 * some answers (flow.h).  QuickBooks goes on working while as many pages wait for that.  Memory is bounded by that number of
 * pages under way, each bounded by qbsync.max_response_size, and LOAD_HELD of those that wait; a page that is bigger is asked
 * for in halves.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/ahead.h"
#include "inbound/answer.h"
#include "inbound/load.h"
#include "inbound/lookup.h"
#include "inbound/mirror.h"
#include "inbound/poll.h"
#include "inbound/select.h"
#include "inbound/singleton.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"

/* A full re-read that ends in another one before the company is complete waits: a minute, two, four … 64. */
#define START_OVER_WAIT_US (60 * USECS_PER_SEC)
#define START_OVER_DOUBLINGS 6

/* Pages behind a full one that are asked for before it is known whether there are so many. */
#define LOAD_AHEAD 4

/* Bytes of pages that may wait to be settled while more are asked for. */
#define LOAD_HELD (8 * 1024 * 1024)

typedef struct LoadFlow LoadFlow;

/* One entity of the load, as in its cursor row. */
typedef struct LoadEntity
{
	const CatalogueEntity *entity;
	bool		wanted;			/* still to be loaded */
	bool		reread;			/* it was loaded before: rows may be gone */
	bool		count_asked;	/* since a page was full */
	bool		counted;		/* total is what QuickBooks counts */
	bool		beside;			/* the count was asked for beside its only page so far */
	int64		count;			/* what it said */
	int64		total;			/* how many there are, -1 unknown */
	int64		limit;			/* while that is unknown, pages before this position may be asked for */
	int64		next;			/* position of the next page to ask for */
	int64		position;		/* behind the last one that is settled */
	bool		waits;			/* for a page that was asked for: only while one is chosen */
	bool		listed;			/* read of this company, as far as it has such a thing */
	bool		compared;		/* its count will be compared, and is not asked for yet */
} LoadEntity;

/* A page between being asked for and being settled. */
typedef struct LoadPage
{
	dlist_node	node;
	LoadFlow   *flow;
	LoadEntity *of;
	int64		position;
	int			count;
	bool		arrived;
	bool		passed_over;	/* it cannot be had */
	bool		absent;			/* this company has no such thing */
	const Record *records;		/* in a body that is the page's own */
	int			nrecords;
	size_t		held;			/* the body's size */
	TimestampTz started;
	MemoryContext context;
} LoadPage;

struct LoadFlow
{
	Flow		flow;
	Company    *company;
	LoadEntity *entities;		/* one per catalogue entity, same order */
	int			nentities;
	int			counting;		/* counts still awaited */
	TimestampTz changed_since;	/* the earliest time of an answer, SELECT_NO_TIME until the first one */
	TimestampTz known_since;	/* what the cursor says about that */
	dlist_head	pages;			/* asked for or arrived, those of an entity in order */
	int			npages;
	size_t		held;			/* bytes that wait to be settled */
	Ahead	   *ahead;			/* what follows; NULL until no page is left to be asked for */
	bool		read;			/* all pages are here, and what changed meanwhile was asked for */
	bool		singletons;		/* they are here */
};

/* --- what the tables say --------------------------------------------------------------------------------------- */

/* Unit: make sure there is a cursor row for each entity that is read of the company; read them. */
static void
read_cursors(void *arg)
{
	static SqlStatement make = {
		"INSERT INTO qbsync.cursor (connection_id, entity) VALUES ($1, $2) ON CONFLICT DO NOTHING",
		2, {INT4OID, TEXTOID}
	};
	static SqlStatement read = {
		"SELECT phase IN ('waiting', 'loading'), finished_at IS NOT NULL, total, position, changed_since,"
		" phase <> 'absent', phase IN ('waiting', 'loading', 'verifying') AND NOT full_compare"
		" FROM qbsync.cursor WHERE connection_id = $1 AND entity = $2",
		2, {INT4OID, TEXTOID}
	};
	LoadFlow   *load = arg;

	for (int i = -1; i < load->nentities; i++)
	{
		LoadEntity *of = i >= 0 ? &load->entities[i] : NULL;
		Datum		values[2] = {
			Int32GetDatum(load->company->id), CStringGetTextDatum(of ? of->entity->name : "*")
		};
		bool		isnull;
		Datum		value;

		if (of && !catalogue_is_wanted(of->entity, load->company->vendors))
			continue;
		sql_execute(&make, values, NULL);
		sql_execute(&read, values, NULL);
		if (of == NULL)
		{
			value = sql_datum(0, 5, &isnull);
			load->changed_since = load->known_since = isnull ? SELECT_NO_TIME : DatumGetTimestampTz(value);
			continue;
		}
		of->wanted = DatumGetBool(sql_datum(0, 1, NULL));
		of->reread = DatumGetBool(sql_datum(0, 2, NULL));
		value = sql_datum(0, 3, &isnull);
		of->total = isnull ? -1 : DatumGetInt64(value);
		of->next = of->position = DatumGetInt64(sql_datum(0, 4, NULL));
		of->limit = of->next + SELECT_MAX_ROWS;
		of->listed = DatumGetBool(sql_datum(0, 6, NULL));
		of->compared = DatumGetBool(sql_datum(0, 7, NULL)) && catalogue_has_pages(of->entity);
	}
}

/*
 * In a unit: how far the entity is, and the clock from before the load; of what change data capture does not carry each has
 * its own.
 */
static void
write_progress(LoadFlow *load, const LoadEntity *of)
{
	static SqlStatement progress = {
		"UPDATE qbsync.cursor SET position = $3, total = $4, phase = 'loading',"
		" started_at = CASE WHEN phase = 'waiting' THEN now() ELSE started_at END,"
		" changed_since = CASE WHEN phase <> 'waiting' THEN changed_since WHEN $5 THEN $6 END,"
		" checked_at = CASE WHEN phase <> 'waiting' THEN checked_at WHEN $5 THEN now() END"
		" WHERE connection_id = $1 AND entity = $2",
		6, {INT4OID, TEXTOID, INT8OID, INT8OID, BOOLOID, TIMESTAMPTZOID}
	};
	static SqlStatement clock = {
		"UPDATE qbsync.cursor SET changed_since = $2 WHERE connection_id = $1 AND entity = '*'",
		2, {INT4OID, TIMESTAMPTZOID}
	};
	Datum		values[6] = {
		Int32GetDatum(load->company->id), CStringGetTextDatum(of->entity->name), Int64GetDatum(of->position),
		Int64GetDatum(of->total), BoolGetDatum(catalogue_is_polled(of->entity)), TimestampTzGetDatum(load->changed_since)
	};
	Datum		when[2] = {Int32GetDatum(load->company->id), TimestampTzGetDatum(load->changed_since)};

	sql_execute(&progress, values, of->total < 0 ? "   n  " : NULL);
	if (load->changed_since != load->known_since)
		sql_execute(&clock, when, NULL);
}

/* A page tells the time: what changes from then on is for the poll that follows.  False: it does not. */
static bool
note_time(LoadFlow *load, const Envelope *envelope)
{
	TimestampTz time = answer_time(envelope);

	if (TIMESTAMP_NOT_FINITE(time))
		return false;
	if (TIMESTAMP_NOT_FINITE(load->changed_since) || time < load->changed_since)
		load->changed_since = time;
	return true;
}

/* --- counting --------------------------------------------------------------------------------------------------- */

typedef struct CountArg
{
	LoadFlow   *load;
	LoadEntity *of;
} CountArg;

static void
count_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	LoadFlow   *load = ((CountArg *) arg)->load;
	LoadEntity *of = ((CountArg *) arg)->of;

	if (!answer_count(company, answer, &of->total))
		return;
	of->count = of->total;
	of->counted = true;
	load->counting--;
}

/* Ask how many there are of an entity. */
static void
ask_count(LoadFlow *load, LoadEntity *of)
{
	CountArg   *arg = MemoryContextAlloc(load->flow.context, sizeof(CountArg));
	char	   *statement = select_count(of->entity, SELECT_NO_TIME, DT_NOEND);

	arg->load = load;
	arg->of = of;
	call_query(load->company, of->entity, statement, count_arrived, arg);
	pfree(statement);
	of->count_asked = true;
	load->counting++;
}

/* --- pages ------------------------------------------------------------------------------------------------------ */

static void page_arrived(Company *company, const CallAnswer *answer, void *arg);

/* Ask for a page; it goes behind another one in the queue, or to its end. */
static void
ask_page(LoadFlow *load, LoadEntity *of, int64 position, int count, LoadPage *behind)
{
	MemoryContext context = AllocSetContextCreate(load->flow.context, "qbsync load page", ALLOCSET_SMALL_SIZES);
	LoadPage   *page = MemoryContextAllocZero(context, sizeof(LoadPage));
	char	   *statement = select_page(of->entity, position, count);

	page->context = context;
	page->flow = load;
	page->of = of;
	page->position = position;
	page->count = count;
	if (behind)
		dlist_insert_after(&behind->node, &page->node);
	else
		dlist_push_tail(&load->pages, &page->node);
	load->npages++;
	call_query(load->company, of->entity, statement, page_arrived, page);
	pfree(statement);
}

static void
free_page(LoadPage *page)
{
	dlist_delete(&page->node);
	page->flow->npages--;
	page->flow->held -= page->held;
	MemoryContextDelete(page->context);
}

/* Has an entity a page that was not asked for yet? */
static bool
has_more(const LoadEntity *of)
{
	return of->wanted && catalogue_has_pages(of->entity) && of->next < (of->total >= 0 ? of->total : of->limit);
}

/*
 * The entity whose next page is asked for next: one that is known to be many, so that there is always something to settle, unless there
 * is enough of it; then one of which nothing is known.  NULL: none has a page, or none is to be asked for now.
 */
static LoadEntity *
next_entity(LoadFlow *load)
{
	LoadEntity *found = NULL;
	bool		enough = load->npages >= 2 * load->company->settings.concurrency;

	if (load->held >= LOAD_HELD)
		return NULL;
	/* from the end of the catalogue: what is many stands there */
	for (int i = load->nentities - 1; i >= 0; i--)
	{
		LoadEntity *of = &load->entities[i];

		if (!has_more(of))
			continue;
		if (of->total < 0 && !of->count_asked)
			found = found && (found->entity->flags & ENTITY_MANY) >= (of->entity->flags & ENTITY_MANY) ? found : of;
		else if (!enough)
			return of;
	}
	return found;
}

/* Ask for pages until as many are on their way as the company may have requests. */
static void
ask_pages(LoadFlow *load)
{
	while (call_free_reads(load->company) > 0)
	{
		LoadEntity *of = next_entity(load);

		if (of == NULL)
			break;
		ask_page(load, of, of->next, SELECT_MAX_ROWS, NULL);
		of->next += SELECT_MAX_ROWS;
		of->beside = of->total < 0 && !of->count_asked && (of->entity->flags & ENTITY_MANY);
		if (of->beside)
			ask_count(load, of);
	}
}

/* What a page that has arrived tells about how many there are, as long as nobody else does. */
static void
learn(LoadFlow *load, LoadEntity *of, const LoadPage *page)
{
	int64		end = page->position + page->nrecords;

	if (of->counted)
		return;
	if (page->absent)
		of->total = 0;
	else if (page->nrecords < page->count && !page->passed_over)
		of->total = of->total < 0 ? end : Min(of->total, end);
	else if (!of->beside)
	{
		of->limit = Max(of->limit, page->position + page->count + LOAD_AHEAD * SELECT_MAX_ROWS);
		if (!of->count_asked)
			ask_count(load, of);
	}
}

/*
 * A page that is too big is asked for in halves; a single record that is too big cannot be had and is passed over, as an
 * empty page.  The count is asked for at once: where that is too big, too, it is not the records.
 */
static void
halve_page(LoadFlow *load, LoadPage *page, TimestampTz started)
{
	int			half = page->count;
	bool		failed;

	if (!page->of->counted && !page->of->count_asked)
		ask_count(load, page->of);
	page->of->beside = false;
	if (answer_halve(load->company, page->of->entity, &half, &failed))
	{
		ask_page(load, page->of, page->position + half, page->count - half, page);
		ask_page(load, page->of, page->position, half, page);
		free_page(page);
		return;
	}
	if (failed)
		return;
	page->arrived = page->passed_over = true;
	page->started = started;
	learn(load, page->of, page);
}

/* Take over an answer; false: the flow is gone. */
static bool
take_page(LoadPage *page, const CallAnswer *answer)
{
	Company    *company = page->flow->company;
	Envelope	envelope;

	if (!answer_take(company, answer, page->context, &envelope))
		return false;
	if (!note_time(page->flow, &envelope))
	{
		flow_fail(company, "not_understood", "an answer to a query holds no time");
		return false;
	}
	page->nrecords = answer_records(&envelope, page->of->entity, &page->records);
	page->held = answer->body_len;
	page->flow->held += page->held;
	return true;
}

static void
page_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	LoadPage   *page = arg;
	LoadFlow   *load = page->flow;

	if (answer->fault && answer->fault->reaction == REACT_SMALLER)
	{
		halve_page(load, page, answer->started);
		return;
	}
	page->absent = answer_absent(page->of->entity, answer->fault);
	if (!page->absent && !take_page(page, answer))
		return;
	page->arrived = true;
	page->started = answer->started;
	learn(load, page->of, page);
}

/* --- settling ----------------------------------------------------------------------------------------------------- */

/* Unit: the company has no such thing. */
static void
settle_absent(void *arg)
{
	LoadPage   *page = arg;
	Company    *company = page->flow->company;

	write_progress(page->flow, page->of);
	cursor_set_phase(company, page->of->entity, "absent");
	cursor_count_reads(company);
}

/* Unit: rows and position commit together. */
static void
settle_page(void *arg)
{
	LoadPage   *page = arg;
	Company    *company = page->flow->company;
	MirrorCounts counts = {0};

	mirror_apply(company->id, company->name, page->of->entity, page->records, page->nrecords, page->started,
				 page->of->reread, &counts);
	if (page->of->reread)
		lookup_note_missing(company, page->of->entity, page->records, page->nrecords, NULL, page->started);
	write_progress(page->flow, page->of);
	cursor_count_reads(company);
}

/* The first page that has arrived and has none of its entity before it; NULL: none. */
static LoadPage *
page_to_settle(LoadFlow *load)
{
	dlist_iter	iter;

	for (int i = 0; i < load->nentities; i++)
		load->entities[i].waits = false;
	dlist_foreach(iter, &load->pages)
	{
		LoadPage   *page = dlist_container(LoadPage, node, iter.cur);

		if (page->of->waits)
			continue;
		if (page->arrived)
			return page;
		page->of->waits = true;
	}
	return NULL;
}

/* Settle a page; true: there may be another one. */
static bool
settle_next(Company *company)
{
	LoadFlow   *load = (LoadFlow *) company->flow;
	LoadPage   *page = page_to_settle(load);
	LoadEntity *of;

	if (page == NULL)
		return false;
	of = page->of;
	if (page->passed_over || page->nrecords > 0)
		of->position = page->position + (page->passed_over ? 1 : page->nrecords);
	if (of->total >= 0)
		of->total = Max(of->total, of->position);
	if (!settle(company, "qbsync: loading", page->absent ? settle_absent : settle_page, page))
		return false;
	load->known_since = load->changed_since;
	of->wanted &= !page->absent;
	of->listed &= !page->absent;
	of->compared &= !page->absent;
	free_page(page);
	return true;
}

/* --- the end of the load ------------------------------------------------------------------------------------------ */

/* What cannot be counted is read by the poll that follows (polled.c). */
static bool
is_not_counted(const CatalogueEntity *entity)
{
	return !catalogue_has_pages(entity);
}

/* Unit: all is read; what remains is to catch up and to compare. */
static void
finish_load(void *arg)
{
	static SqlStatement finish = {
		"UPDATE qbsync.cursor SET phase = CASE WHEN entity = ANY (string_to_array($2, ',')) THEN 'loaded' ELSE 'verifying' END,"
		" total = coalesce(total, position)"
		" WHERE connection_id = $1 AND entity <> '*' AND phase IN ('waiting', 'loading')",
		2, {INT4OID, TEXTOID}
	};
	Company    *company = arg;
	Datum		values[2] = {
		Int32GetDatum(company->id), CStringGetTextDatum(answer_entities(is_not_counted, false, NULL))
	};

	sql_execute(&finish, values, NULL);
	cursor_count_reads(company);
}

static void
lookups_done(Company *company, void *arg)
{
	LoadFlow   *load = arg;

	if (!settle(company, "qbsync: ending a load", finish_load, company))
		return;
	company->must_load = false;
	company->loaded_more = company->loaded_once;
	company->must_catch_up = company->must_verify = true;
	company->verify_round = 0;
	ahead_keep(load->ahead);
	flow_end(company);
}

static void
singletons_done(Company *company, void *arg)
{
	LoadFlow   *load = arg;

	load->singletons = true;
}

/* The entities that change data capture is asked for, comma-separated. */
static char *
listed_entities(LoadFlow *load)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < load->nentities; i++)
		if (load->entities[i].listed)
			appendStringInfo(&names, "%s%s", names.len > 0 ? "," : "", load->entities[i].entity->name);
	return names.data;
}

/*
 * No page is left to be asked for: ask for what follows, as far as that may be, and may leave: what changed when all entities are here,
 * and each has begun to be settled (the poll must be the later one); before that the count of one that is here.
 */
static void
ask_ahead(LoadFlow *load)
{
	bool		begun = true;
	bool		here = true;
	dlist_iter	iter;

	if (load->ahead == NULL)
	{
		load->ahead = ahead_create(load->company);
		singleton_read_all(load->company, singletons_done, load);
	}
	for (int i = 0; i < load->nentities; i++)
		load->entities[i].waits = false;
	dlist_foreach(iter, &load->pages)
	{
		LoadPage   *page = dlist_container(LoadPage, node, iter.cur);

		page->of->waits |= !page->arrived;
		here &= page->arrived;
		begun &= page->position > 0;
	}
	if (here && begun && !load->read && !TIMESTAMP_NOT_FINITE(load->changed_since))
		ahead_ask_changes(load->ahead, poll_path(listed_entities(load), load->changed_since));
	load->read |= here && begun;
	for (int i = load->nentities - 1; i >= 0; i--)
	{
		LoadEntity *of = &load->entities[i];

		if (!of->compared || of->waits || call_free_reads(load->company) <= 0)
			continue;
		if (of->beside && of->counted)
			ahead_note_count(load->ahead, of->entity, of->count);
		else
			ahead_ask_count(load->ahead, of->entity);
		of->compared = false;
	}
}

/* Is no page left to be asked for? */
static bool
all_asked(const LoadFlow *load)
{
	for (int i = 0; i < load->nentities; i++)
		if (has_more(&load->entities[i]))
			return false;
	return load->counting == 0;
}

/* Ask for more, or end; at last for rows of ours that were not on their page. */
static void
load_go_on(Company *company)
{
	LoadFlow   *load = (LoadFlow *) company->flow;

	ask_pages(load);
	if (!all_asked(load))
		return;
	ask_ahead(load);
	if (!load->read || !load->singletons || !dlist_is_empty(&load->pages) || ahead_is_awaited(load->ahead))
		return;
	load->flow.go_on = NULL;
	lookup_run(company, lookups_done, load);
}

void
load_start(Company *company)
{
	LoadFlow   *load = flow_begin(company, sizeof(LoadFlow));

	company_forget_ahead(company);
	load->company = company;
	load->flow.go_on = load_go_on;
	load->flow.settle_next = settle_next;
	dlist_init(&load->pages);
	load->nentities = catalogue_count();
	load->entities = MemoryContextAllocZero(load->flow.context, sizeof(LoadEntity) * load->nentities);
	for (int i = 0; i < load->nentities; i++)
		load->entities[i].entity = &catalogue[i];

	if (settle(company, "qbsync: reading cursors", read_cursors, load))
		load_go_on(company);
}

/* Unit: cursors go back to the beginning; rows stay. */
static void
start_over(void *arg)
{
	cursor_start_over(arg);
}

void
load_over(Company *company)
{
	if (!settle(company, "qbsync: beginning a full re-read", start_over, company))
		return;
	company->must_start_over = false;
	company->must_load = true;
	company->must_window = false;
	if (company->start_overs == 0)
		flow_end(company);
	else
		flow_wait(company, "company_reset", NULL, START_OVER_WAIT_US << Min(company->start_overs - 1, START_OVER_DOUBLINGS));
	company->start_overs++;
}
