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

/* The keys that the statement gave, to the deeds in order. */
static void
take_keys(Rows *result, Deed **made)
{
	static const char *const names[] = {"crm_key"};
	static const Oid types[] = {TEXTOID};
	TupleTableSlot *slot;

	rows_expect(result, lengthof(names), names, types);
	slot = MakeSingleTupleTableSlot(result->tupdesc, &TTSOpsMinimalTuple);
	for (int i = 0; tuplestore_gettupleslot(result->store, true, false, slot); i++)
	{
		bool		isnull;
		Datum		crm_key = slot_getattr(slot, 1, &isnull);

		if (isnull)
			write_no_key(made[i]);
		made[i]->crm_key = TextDatumGetCString(crm_key);
	}
	ExecDropSingleTupleTableSlot(slot);
}

void
write_created(const Mapping *mapping, Deed *deeds, int ndeeds)
{
	Rows	   *rows = NULL;
	Deed	  **made = created_deeds(deeds, ndeeds, &rows);
	Rows	   *result;

	if (made == NULL)
		return;
	/* what is wrong with the view, is so with its other INSERT */
	write_begins(mapping->statements.insert, 0);
	rows_name("qbsync_created", rows);
	result = statement_rows_as_role(mapping, mapping->statements.insert_created, 0, NULL, NULL, NULL);
	rows_unname("qbsync_created");
	if (mapping_is_stale())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the view of mapping \"%s\", or its table, was altered at the same moment", mapping->name)));
	if (result->n != rows->n)
		write_returned_nothing(made[0]);
	take_keys(result, made);
	write_check_new_keys(made, (int) rows->n);
}
