/*
 * write_created.c
 *		Making new records of the CRM the short way: what the mirror has goes into the view, and nothing but keys comes back.
 *
 * The statement is only used where the view shows every value as it was given (29_decide_create.sql).  That was found out before the
 * view's table was locked: a trigger made since then would be one we know nothing of, so the batch is tried again.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"

#include "crm/role.h"
#include "crm/statement.h"
#include "crm/write_parts.h"

/* The deeds that those rows are, in order; NULL if there are none. */
static Deed **
created_deeds(Deed *deeds, int ndeeds, Rows **rows)
{
	Deed	  **made = NULL;
	int			n = 0;

	for (int i = 0; i < ndeeds; i++)
	{
		const Decision *decision = deeds[i].decision;

		if (decision->action != DECISION_CREATE || decision->created == NULL)
			continue;
		if (made == NULL)
		{
			*rows = decision->created;
			made = palloc0(sizeof(Deed *) * (*rows)->n);
		}
		made[decision->place] = &deeds[i];
		n++;
	}
	if (made && n != (*rows)->n)
		elog(ERROR, "%d records are to be created of " INT64_FORMAT, n, (*rows)->n);
	return made;
}

/* Takes the keys that the statement gives, to the deeds in order. */
typedef struct KeyReceiver
{
	DestReceiver pub;
	Deed	  **made;
	int64		expected;
	int64		n;				/* rows given */
	MemoryContext context;		/* of the keys */
} KeyReceiver;

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	if (tupdesc->natts != 1 || TupleDescAttr(tupdesc, 0)->atttypid != TEXTOID)
		elog(ERROR, "the statement of the short way gives no keys");
}

static bool
receiver_receive(TupleTableSlot *slot, DestReceiver *self)
{
	KeyReceiver *receiver = (KeyReceiver *) self;
	bool		isnull;
	Datum		crm_key = slot_getattr(slot, 1, &isnull);

	if (receiver->n < receiver->expected && !isnull)
	{
		MemoryContext caller = MemoryContextSwitchTo(receiver->context);

		receiver->made[receiver->n]->crm_key = TextDatumGetCString(crm_key);
		MemoryContextSwitchTo(caller);
	}
	receiver->n++;
	return true;
}

/* For the end of the statement, and of the receiver: nothing to do. */
static void
receiver_nothing(DestReceiver *self)
{
}

void
write_created(const Mapping *mapping, Deed *deeds, int ndeeds)
{
	Rows	   *rows = NULL;
	Deed	  **made = created_deeds(deeds, ndeeds, &rows);
	KeyReceiver receiver = {
		.pub = {receiver_receive, receiver_startup, receiver_nothing, receiver_nothing, DestNone},
		.made = made,
		.context = CurrentMemoryContext
	};

	if (made == NULL)
		return;
	receiver.expected = rows->n;
	/* what is wrong with the view, is so with its other INSERT */
	write_begins(mapping_statements(mapping)->insert, 0);
	rows_name("qbsync_created", rows);
	(void) statement_write_kept_as_role(mapping, mapping_statements(mapping)->insert_created, &receiver.pub);
	rows_unname("qbsync_created");
	if (mapping_is_stale())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the view of mapping \"%s\", or its table, was altered at the same moment", mapping->name)));
	if (receiver.n != rows->n)
		write_returned_nothing(made[0]);
	for (int64 i = 0; i < rows->n; i++)
		if (made[i]->crm_key == NULL)
			write_no_key(made[i]);
	write_check_new_keys(made, (int) rows->n);
}
