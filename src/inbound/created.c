/*
 * created.c
 *		Reading what was created in a window of time.  See created.h.
 *
 * A record's creation never changes, so that what changes while windows are read stays in its window.  One that holds more than an
 * answer is read page by page; only when its last page is here is it known what of ours was on none of them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/answer.h"
#include "inbound/created.h"
#include "inbound/lookup.h"
#include "inbound/mirror.h"
#include "inbound/select.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"

/* A window being read. */
typedef struct Created
{
	MemoryContext context;		/* its own */
	Company    *company;
	const CatalogueEntity *entity;
	TimestampTz window[2];
	int		   *most;			/* rows to ask for at once, for all windows */
	int			count;			/* rows asked for */
	int64		position;		/* of the page */
	CreatedDone done;
	void	   *arg;
	/* the answer */
	const Record *records;
	int			nrecords;
	TimestampTz started;
	/* what was met on all pages so far, and when that began */
	Record	   *met;
	int			nmet;
	TimestampTz met_since;
} Created;

static void created_arrived(Company *company, const CallAnswer *answer, void *arg);

/* In a unit: of what an answer brought, what a poll should have brought before. */
static void
note_drift(const Created *created)
{
	static SqlStatement note = {
		"SELECT qbsync.note_drift($1, $2, $3, $4)",
		4, {INT4OID, TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID}
	};
	Datum	   *ids = palloc(sizeof(Datum) * created->nrecords);
	Datum		values[4] = {Int32GetDatum(created->company->id), CStringGetTextDatum(created->entity->name)};

	for (int i = 0; i < created->nrecords; i++)
		ids[i] = CStringGetTextDatum(created->records[i].id);
	values[2] = PointerGetDatum(construct_array(ids, created->nrecords, TEXTOID, -1, false, TYPALIGN_INT));
	values[3] = TimestampTzGetDatum(created->started);
	sql_execute(&note, values, NULL);
}

/* Was that the last page? */
static bool
is_last(const Created *created)
{
	return created->nrecords < created->count;
}

/* Unit: records are stored; with the last page, rows of ours that were on none are noted for a look-up. */
static void
settle_created(void *arg)
{
	Created    *created = arg;
	Company    *company = created->company;
	MirrorCounts counts = {0};

	mirror_apply(company->id, company->name, created->entity, created->records, created->nrecords, created->started,
				 company->loaded_once, &counts);
	if (company->loaded_once && counts.inserted + counts.updated > 0)
		note_drift(created);
	if (is_last(created))
		lookup_note_missing(company, created->entity, created->met, created->nmet, created->window, created->met_since);
	cursor_count_reads(company);
}

/* Thousands of records in one window are rare: they have one creation time. */
static void
remember_met(Created *created)
{
	Size		size = sizeof(Record) * (created->nmet + created->nrecords + 1);

	if (created->met_since == 0)
		created->met_since = created->started;
	created->met = created->met ? repalloc_huge(created->met, size) : MemoryContextAllocHuge(created->context, size);
	if (created->nrecords > 0)
		memcpy(created->met + created->nmet, created->records, sizeof(Record) * created->nrecords);
	created->nmet += created->nrecords;
}

static void
ask(Created *created)
{
	char	   *statement;

	created->count = *created->most;
	statement = select_created(created->entity, created->window[0], created->window[1], created->position, created->count);
	call_query(created->company, created->entity, statement, created_arrived, created);
	pfree(statement);
}

/* The page was too big; another window may have found out before. */
static void
ask_less(Created *created)
{
	bool		failed;

	if (*created->most >= created->count && !answer_halve(created->company, created->entity, created->most, &failed))
	{
		if (failed)
			return;
		created->position++;
	}
	ask(created);
}

static void
created_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	Created    *created = arg;
	Envelope	envelope;

	if (answer->fault && answer->fault->reaction == REACT_SMALLER)
	{
		ask_less(created);
		return;
	}
	if (!answer_scan(company, answer, &envelope))
		return;
	created->nrecords = answer_records(&envelope, created->entity, &created->records);
	created->started = answer->started;
	remember_met(created);
	if (!settle(company, "qbsync: comparing", settle_created, created))
		return;
	if (is_last(created))
	{
		CreatedDone done = created->done;
		void	   *done_arg = created->arg;

		MemoryContextDelete(created->context);
		done(company, done_arg);
		return;
	}
	created->position += created->nrecords;
	ask(created);
}

void
created_read(Company *company, const CatalogueEntity *entity, const TimestampTz *window, int *most, CreatedDone done, void *arg)
{
	MemoryContext context = AllocSetContextCreate(company->flow->context, "qbsync window", ALLOCSET_SMALL_SIZES);
	Created    *created = MemoryContextAllocZero(context, sizeof(Created));

	created->context = context;
	created->company = company;
	created->entity = entity;
	memcpy(created->window, window, sizeof(created->window));
	created->most = most;
	created->done = done;
	created->arg = arg;
	ask(created);
}
