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
 * Pages are fetched ahead, at most as many as the company may have requests under way, and settled strictly in order,
 * each in one transaction with the position behind it: a load that was cut off goes on there.  Memory is bounded by
 * that number of pages, each bounded by qbsync.max_response_size; a page that is bigger is asked for in halves.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/answer.h"
#include "inbound/load.h"
#include "inbound/lookup.h"
#include "inbound/mirror.h"
#include "inbound/select.h"
#include "inbound/singleton.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"

/* A full re-read that ends in another one before the company is complete waits: a minute, two, four … 64. */
#define START_OVER_WAIT_US (60 * USECS_PER_SEC)
#define START_OVER_DOUBLINGS 6

typedef struct LoadFlow LoadFlow;

/* One entity of the load, as in its cursor row. */
typedef struct LoadEntity
{
	const CatalogueEntity *entity;
	bool		wanted;			/* still to be loaded */
	bool		reread;			/* it was loaded before: rows may be gone */
	bool		absent;			/* this company has no such thing */
	int64		total;			/* what QuickBooks counted, -1 unknown */
	int64		next;			/* position of the next page to ask for */
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
	char	   *body;			/* malloc'd by the page's context */
	size_t		body_len;
	TimestampTz started;
	MemoryContext context;
} LoadPage;

struct LoadFlow
{
	Flow		flow;
	Company    *company;
	LoadEntity *entities;		/* one per catalogue entity, same order */
	int			nentities;
	int			current;		/* the entity whose pages are being asked for */
	int			counting;		/* counts still awaited */
	TimestampTz changed_since;	/* SELECT_NO_TIME until the first answer */
	dlist_head	pages;			/* asked for or arrived, in order */
	int			npages;
};

static void load_go_on(LoadFlow *load);

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
		"SELECT phase IN ('waiting', 'loading'), finished_at IS NOT NULL, total, position, changed_since"
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
			load->changed_since = isnull ? SELECT_NO_TIME : DatumGetTimestampTz(value);
			continue;
		}
		of->wanted = DatumGetBool(sql_datum(0, 1, NULL));
		of->reread = DatumGetBool(sql_datum(0, 2, NULL));
		value = sql_datum(0, 3, &isnull);
		of->total = isnull ? -1 : DatumGetInt64(value);
		of->next = DatumGetInt64(sql_datum(0, 4, NULL));
	}
}

/* Unit: the counts, and the clock from before the load; of what change data capture does not carry each has its own. */
static void
write_counts(void *arg)
{
	static SqlStatement count = {
		"UPDATE qbsync.cursor SET total = $3, phase = CASE WHEN $6 THEN 'absent' ELSE 'loading' END, started_at = now(),"
		" changed_since = CASE WHEN $4 THEN $5 END, checked_at = CASE WHEN $4 THEN now() END"
		" WHERE connection_id = $1 AND entity = $2",
		6, {INT4OID, TEXTOID, INT8OID, BOOLOID, TIMESTAMPTZOID, BOOLOID}
	};
	static SqlStatement clock = {
		"UPDATE qbsync.cursor SET changed_since = $2 WHERE connection_id = $1 AND entity = '*'",
		2, {INT4OID, TIMESTAMPTZOID}
	};
	LoadFlow   *load = arg;
	Datum		when[2] = {Int32GetDatum(load->company->id), TimestampTzGetDatum(load->changed_since)};

	cursor_count_reads(load->company);
	sql_execute(&clock, when, NULL);
	for (int i = 0; i < load->nentities; i++)
	{
		LoadEntity *of = &load->entities[i];
		Datum		values[6] = {
			Int32GetDatum(load->company->id), CStringGetTextDatum(of->entity->name), Int64GetDatum(of->total),
			BoolGetDatum(catalogue_is_polled(of->entity)), TimestampTzGetDatum(load->changed_since), BoolGetDatum(of->absent)
		};

		if (of->wanted && of->total >= 0)
			sql_execute(&count, values, NULL);
		of->wanted &= !of->absent;
	}
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
	Envelope	envelope;
	TimestampTz time;

	of->absent = answer_absent(of->entity, answer->fault);
	if (of->absent)
		of->total = 0;
	else
	{
		if (!answer_scan(company, answer, &envelope))
			return;
		time = answer_time(&envelope);
		if (envelope.total_count < 0 || TIMESTAMP_NOT_FINITE(time))
		{
			flow_fail(company, "not_understood", "an answer to COUNT(*) holds no count or no time");
			return;
		}
		of->total = envelope.total_count;
		if (TIMESTAMP_NOT_FINITE(load->changed_since) || time < load->changed_since)
			load->changed_since = time;
	}
	if (--load->counting > 0)
		return;
	if (!settle(company, "qbsync: beginning a load", write_counts, load))
		return;
	load_go_on(load);
}

/* Ask for the count of every entity that has none. */
static void
ask_counts(LoadFlow *load)
{
	for (int i = 0; i < load->nentities; i++)
	{
		LoadEntity *of = &load->entities[i];
		CountArg   *arg;
		char	   *statement;

		if (!of->wanted || of->total >= 0 || !catalogue_has_pages(of->entity))
			continue;
		arg = MemoryContextAlloc(load->flow.context, sizeof(CountArg));
		arg->load = load;
		arg->of = of;
		statement = select_count(of->entity, SELECT_NO_TIME, DT_NOEND);
		call_query(load->company, of->entity, statement, count_arrived, arg);
		pfree(statement);
		load->counting++;
	}
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
	MemoryContextDelete(page->context);
}

/* Ask for pages until as many are on their way as the company may have requests. */
static void
ask_pages(LoadFlow *load)
{
	while (load->npages < load->company->settings.concurrency && load->current < load->nentities)
	{
		LoadEntity *of = &load->entities[load->current];

		if (!of->wanted || !catalogue_has_pages(of->entity) || of->next >= of->total)
		{
			load->current++;
			continue;
		}
		ask_page(load, of, of->next, SELECT_MAX_ROWS, NULL);
		of->next += SELECT_MAX_ROWS;
	}
}

/* What settling a page hands to its unit. */
typedef struct PageUnit
{
	LoadPage   *page;
	const Record *records;
	int			nrecords;
	int64		position;		/* behind the page */
	MirrorCounts counts;
} PageUnit;

/* Unit: rows and position commit together. */
static void
settle_page(void *arg)
{
	static SqlStatement advance = {
		"UPDATE qbsync.cursor SET position = $3, total = greatest(total, $3)"
		" WHERE connection_id = $1 AND entity = $2",
		3, {INT4OID, TEXTOID, INT8OID}
	};
	PageUnit   *unit = arg;
	LoadPage   *page = unit->page;
	Company    *company = page->flow->company;
	Datum		values[3] = {
		Int32GetDatum(company->id), CStringGetTextDatum(page->of->entity->name), Int64GetDatum(unit->position)
	};

	mirror_apply(company->id, company->name, page->of->entity, unit->records, unit->nrecords, page->started,
				 page->of->reread, &unit->counts);
	if (page->of->reread)
		lookup_note_missing(company, page->of->entity, unit->records, unit->nrecords, NULL, page->started);
	sql_execute(&advance, values, NULL);
	cursor_count_reads(company);
}

/* Find the records of a page; false: the flow is gone. */
static bool
scan_page(LoadPage *page, PageUnit *unit)
{
	Envelope	envelope;
	MemoryContext old = MemoryContextSwitchTo(page->context);
	bool		scanned = page->passed_over || envelope_scan(page->body, page->body_len, &envelope);

	MemoryContextSwitchTo(old);
	if (!scanned)
	{
		flow_fail(page->flow->company, "not_understood", envelope.error);
		return false;
	}
	if (!page->passed_over)
		unit->nrecords = answer_records(&envelope, page->of->entity, &unit->records);
	unit->position = page->position + (page->passed_over ? 1 : unit->nrecords);
	return true;
}

/*
 * Settle the page at the head of the queue.  A full page at the end means that there is more than was counted.  False:
 * the flow is gone.
 */
static bool
settle_head(LoadFlow *load, LoadPage *page)
{
	Company    *company = load->company;
	PageUnit	unit = {.page = page};

	if (!scan_page(page, &unit))
		return false;
	if (!settle(company, "qbsync: loading", settle_page, &unit))
		return false;
	if (unit.position >= page->position + page->count && page->position + page->count >= page->of->next)
	{
		page->of->next = page->position + page->count + SELECT_MAX_ROWS;
		ask_page(load, page->of, page->position + page->count, SELECT_MAX_ROWS, page);
	}
	free_page(page);
	return true;
}

/*
 * A page that is too big is asked for in halves; a single record that is too big cannot be had and is passed over, as an
 * empty page.
 */
static void
halve_page(LoadFlow *load, LoadPage *page, TimestampTz started)
{
	int			half = page->count;
	bool		failed;

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
	load_go_on(load);
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
	if (answer->fault)
	{
		flow_fail_with(company, answer->fault);
		return;
	}
	page->arrived = true;
	page->started = answer->started;
	page->body = MemoryContextAllocHuge(page->context, answer->body_len + 1);
	memcpy(page->body, answer->body, answer->body_len + 1);
	page->body_len = answer->body_len;
	load_go_on(load);
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
		"UPDATE qbsync.cursor SET phase = CASE WHEN entity = ANY (string_to_array($2, ',')) THEN 'loaded' ELSE 'verifying' END"
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

	if (!settle(company, "qbsync: ending a load", finish_load, company))
		return;
	company->must_load = false;
	company->loaded_more = company->loaded_once;
	company->must_catch_up = company->must_verify = true;
	company->verify_round = 0;
	flow_end(company);
}

/* The singletons are here: what remains are rows of ours that were not on their page. */
static void
singletons_done(Company *company, void *arg)
{
	lookup_run(company, lookups_done, arg);
}

/* Settle what can be settled, ask for more, or end. */
static void
load_go_on(LoadFlow *load)
{
	while (!dlist_is_empty(&load->pages))
	{
		LoadPage   *head = dlist_container(LoadPage, node, dlist_head_node(&load->pages));

		if (!head->arrived)
			break;
		if (!settle_head(load, head))
			return;
	}
	ask_pages(load);
	if (dlist_is_empty(&load->pages))
		singleton_read_all(load->company, singletons_done, load);
}

void
load_start(Company *company)
{
	LoadFlow   *load = flow_begin(company, sizeof(LoadFlow));

	load->company = company;
	dlist_init(&load->pages);
	load->nentities = catalogue_count();
	load->entities = MemoryContextAllocZero(load->flow.context, sizeof(LoadEntity) * load->nentities);
	for (int i = 0; i < load->nentities; i++)
		load->entities[i].entity = &catalogue[i];

	if (!settle(company, "qbsync: reading cursors", read_cursors, load))
		return;
	ask_counts(load);
	if (load->counting == 0)
		load_go_on(load);
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
