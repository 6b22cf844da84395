/*
 * polled.c
 *		What change data capture does not carry.  See polled.h.
 *
 * Each of these entities is asked for what changed since it was last asked for, by Intuit's clock (window.c): one metered
 * read, mostly.  When it is due is decided where a poll begins (poll.c), with the statement that a poll needs anyway:
 *	- lists (tax codes, rates, agencies) once a day, with the company's own facts: they change when a law does;
 *	- what people make and delete (time) after a tenth of the time for which nothing was new, but at least every six hours,
 *	  and whenever somebody asks for a sync: in a company that writes time all day that is nearly every poll, in one that
 *	  writes none four reads a day.
 * Queries hide deletions: what can be deleted is counted once a day, by the nightly comparison or, where that is off, from
 * here, and compared if the counts differ (verify.c).
 *
 * Exchange rates have no time of change at all: once a day those of that day are asked for, of all currencies in use.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/answer.h"
#include "inbound/mirror.h"
#include "inbound/polled.h"
#include "inbound/select.h"
#include "inbound/window.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"

/* One round. */
typedef struct Polled
{
	Company    *company;
	char	   *entities;		/* to be read */
	PolledDone	done;
	void	   *arg;
	const CatalogueEntity *entity;	/* being read */
	TimestampTz since;			/* what is known of it */
	WindowResult result;
	/* exchange rates */
	char	   *currencies;		/* in use, NULL if there is only one */
	char	   *day;			/* today, for the company */
	const Record *records;
	int			nrecords;
} Polled;

static void next_entity(Polled *polled, const CatalogueEntity *from);

/* Unit: up to when is the entity known? */
static void
read_since(void *arg)
{
	static SqlStatement read = {
		"SELECT changed_since FROM qbsync.cursor WHERE connection_id = $1 AND entity = $2",
		2, {INT4OID, TEXTOID}
	};
	Polled	   *polled = arg;
	Datum		values[2] = {Int32GetDatum(polled->company->id), CStringGetTextDatum(polled->entity->name)};
	bool		isnull = true;
	Datum		since = 0;

	if (sql_execute(&read, values, NULL) > 0)
		since = sql_datum(0, 1, &isnull);
	polled->since = isnull ? SELECT_NO_TIME : DatumGetTimestampTz(since);
}

/*
 * Unit: the entity is known up to then; not much further than our clock went, as with polls (advance_cursor()).  What can be
 * deleted is compared once a day.
 */
static void
settle_known(void *arg)
{
	static SqlStatement advance = {
		"UPDATE qbsync.cursor SET changed_at = CASE WHEN $5 OR changed_at IS NULL THEN $4 ELSE changed_at END, checked_at = $4,"
		" changed_since = greatest(changed_since, least($3, changed_since + ($4 - checked_at) + interval '2 minutes')),"
		" phase = CASE WHEN $6 AND phase = 'loaded' AND finished_at < now() - interval '26 hours' THEN 'verifying' ELSE phase END"
		" WHERE connection_id = $1 AND entity = $2 RETURNING phase = 'verifying'",
		6, {INT4OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID, BOOLOID}
	};
	Polled	   *polled = arg;
	Company    *company = polled->company;
	Datum		values[6] = {
		Int32GetDatum(company->id), CStringGetTextDatum(polled->entity->name), TimestampTzGetDatum(polled->result.time),
		TimestampTzGetDatum(polled->result.started), BoolGetDatum(polled->result.changed),
		BoolGetDatum((polled->entity->flags & ENTITY_TRANSACTION) != 0)
	};

	if (sql_execute(&advance, values, NULL) > 0 && DatumGetBool(sql_datum(0, 1, NULL)))
		company->must_verify = true;
	cursor_count_reads(company);
}

static void
changes_read(Company *company, const WindowResult *result, void *arg)
{
	Polled	   *polled = arg;

	polled->result = *result;
	if (TIMESTAMP_NOT_FINITE(result->time))
		flow_fail(company, "not_understood", "an answer to a query holds no time");
	else if (settle(company, "qbsync: noting what is known", settle_known, polled))
		next_entity(polled, polled->entity + 1);
}

/* --- exchange rates ------------------------------------------------------------------------------------------------ */

/* Unit: which currencies are in use, and what day is it there? */
static void
read_currencies(void *arg)
{
	static SqlStatement read = {
		"SELECT string_agg(c.code, ',' ORDER BY c.code), qbsync.today(max(i.default_time_zone))::text"
		" FROM qbsync.company_info i LEFT JOIN (qbsync.preferences p JOIN qbsync.company_currency c"
		"  ON c.connection_id = p.connection_id AND c.active IS NOT FALSE AND c.deleted_at IS NULL"
		"  AND c.code ~ '^[A-Z]{3}$' AND c.code IS DISTINCT FROM p.home_currency)"
		"  ON p.connection_id = i.connection_id AND p.multi_currency_enabled"
		" WHERE i.connection_id = $1",
		1, {INT4OID}
	};
	Polled	   *polled = arg;
	Datum		values[1] = {Int32GetDatum(polled->company->id)};
	MemoryContext context = polled->company->flow->context;

	sql_execute(&read, values, NULL);
	polled->currencies = sql_text(0, 1, context);
	polled->day = sql_text(0, 2, context);
}

/* Unit: the rates of the day are here, or there are none. */
static void
settle_rates(void *arg)
{
	static SqlStatement mark = {
		"UPDATE qbsync.cursor SET checked_at = $3, finished_at = now() WHERE connection_id = $1 AND entity = $2",
		3, {INT4OID, TEXTOID, TIMESTAMPTZOID}
	};
	Polled	   *polled = arg;
	Company    *company = polled->company;
	MirrorCounts counts = {0};
	Datum		values[3] = {
		Int32GetDatum(company->id), CStringGetTextDatum(polled->entity->name), TimestampTzGetDatum(polled->result.started)
	};

	mirror_apply(company->id, company->name, polled->entity, polled->records, polled->nrecords, polled->result.started,
				 company->loaded_once, &counts);
	sql_execute(&mark, values, NULL);
	cursor_count_reads(company);
}

static void
rates_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	Polled	   *polled = arg;
	Envelope	envelope;

	polled->records = NULL;
	polled->nrecords = 0;
	polled->result.started = answer->started;
	if (!answer_absent(polled->entity, answer->fault))
	{
		if (!answer_scan(company, answer, &envelope))
			return;
		polled->nrecords = answer_records(&envelope, polled->entity, &polled->records);
	}
	if (settle(company, "qbsync: storing exchange rates", settle_rates, polled))
		next_entity(polled, polled->entity + 1);
}

static void
read_rates(Polled *polled)
{
	Company    *company = polled->company;
	char	   *statement;

	if (!settle(company, "qbsync: looking at currencies", read_currencies, polled))
		return;
	if (polled->currencies == NULL)
	{
		polled->nrecords = 0;
		polled->result.started = company_request_start(company);
		if (settle(company, "qbsync: storing exchange rates", settle_rates, polled))
			next_entity(polled, polled->entity + 1);
		return;
	}
	statement = select_rates(polled->currencies, polled->day);
	call_query(company, polled->entity, statement, rates_arrived, polled);
	pfree(statement);
}

/* --- the round -------------------------------------------------------------------------------------------------------- */

/* Begin with the next entity of the list, or end. */
static void
next_entity(Polled *polled, const CatalogueEntity *from)
{
	Company    *company = polled->company;

	while (from->name && !(catalogue_is_polled(from) && answer_lists(polled->entities, from)))
		from++;
	polled->entity = from;
	if (from->name == NULL)
		polled->done(company, polled->arg);
	else if (from->key)
		read_rates(polled);
	else if (settle(company, "qbsync: looking at what is known", read_since, polled))
		window_read(company, from, TIMESTAMP_NOT_FINITE(polled->since) ? 0 : polled->since - ANSWER_OVERLAP_US, changes_read,
					polled);
}

void
polled_read(Company *company, const char *entities, PolledDone done, void *arg)
{
	Polled	   *polled = MemoryContextAllocZero(company->flow->context, sizeof(Polled));

	polled->company = company;
	polled->entities = MemoryContextStrdup(company->flow->context, entities);
	polled->done = done;
	polled->arg = arg;
	next_entity(polled, catalogue);
}
