/*
 * ahead.c
 *		Answers for the flows that follow a load.  See ahead.h.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "inbound/ahead.h"
#include "inbound/answer.h"
#include "inbound/select.h"
#include "quickbooks/flow.h"

/* A count of an entity. */
typedef struct AheadCount
{
	Ahead	   *ahead;
	int64		count;			/* -1: none */
} AheadCount;

struct Ahead
{
	MemoryContext context;
	Company    *company;
	int			awaited;
	AheadCount *counts;			/* one per catalogue entity, same order */
	bool		changed;		/* changes holds an answer */
	CallAnswer	changes;		/* its records only */
	Envelope	envelope;
};

Ahead *
ahead_create(Company *company)
{
	MemoryContext context = AllocSetContextCreate(company->flow->context, "qbsync answers ahead", ALLOCSET_SMALL_SIZES);
	Ahead	   *ahead = MemoryContextAllocZero(context, sizeof(Ahead));

	ahead->context = context;
	ahead->company = company;
	ahead->counts = MemoryContextAlloc(context, sizeof(AheadCount) * catalogue_count());
	for (int i = 0; i < catalogue_count(); i++)
	{
		ahead->counts[i].ahead = ahead;
		ahead->counts[i].count = -1;
	}
	return ahead;
}

static void
count_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	AheadCount *count = arg;

	if (answer->fault == NULL && !answer_count(company, answer, &count->count))
		return;
	count->ahead->awaited--;
}

void
ahead_ask_count(Ahead *ahead, const CatalogueEntity *entity)
{
	char	   *statement = select_count(entity, SELECT_NO_TIME, DT_NOEND);

	ahead->awaited++;
	call_query(ahead->company, entity, statement, count_arrived, &ahead->counts[entity - catalogue]);
	pfree(statement);
}

void
ahead_note_count(Ahead *ahead, const CatalogueEntity *entity, int64 count)
{
	ahead->counts[entity - catalogue].count = count;
}

static void
changes_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	Ahead	   *ahead = arg;

	if (answer->fault == NULL)
	{
		if (!answer_take(company, answer, ahead->context, &ahead->envelope))
			return;
		ahead->changes = (CallAnswer) {.body = "", .envelope = &ahead->envelope, .started = answer->started, .intuit_tid = ""};
		ahead->changed = true;
	}
	ahead->awaited--;
}

void
ahead_ask_changes(Ahead *ahead, const char *path)
{
	ahead->awaited++;
	call_get(ahead->company, path, changes_arrived, ahead);
}

bool
ahead_is_awaited(const Ahead *ahead)
{
	return ahead->awaited > 0;
}

void
ahead_keep(Ahead *ahead)
{
	Assert(ahead->awaited == 0);
	MemoryContextSetParent(ahead->context, ahead->company->context);
	ahead->company->ahead = ahead;
}

bool
ahead_take_changes(Company *company, CallAnswer *answer)
{
	if (company->ahead == NULL || !company->ahead->changed)
		return false;
	*answer = company->ahead->changes;
	company->ahead->changed = false;
	return true;
}

bool
ahead_count(Company *company, const CatalogueEntity *entity, int64 *count)
{
	if (company->ahead == NULL || company->ahead->counts[entity - catalogue].count < 0)
		return false;
	*count = company->ahead->counts[entity - catalogue].count;
	return true;
}
