/*
 * plan_out.c
 *		What goes to QuickBooks, shown in the plan: which records are created or updated there, with which values, and which wait or
 *		would not be taken.
 *
 * Composed by the statements that apply workers make requests with (qbsync.send_composed, push_composed), as far as the plan shows it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "crm/plan_parts.h"

/* Columns of what linked records send. */
static const char *const sent_names[] = {"id", "crm_key", "send", "ours", "name"};
static const Oid sent_types[] = {TEXTOID, TEXTOID, JSONBOID, JSONBOID, TEXTOID};

/* Columns of the statements' rows. */
enum
{
	OUT_ACTION = 1,
	OUT_ID,
	OUT_CRM_KEY,
	OUT_NAME,
	OUT_REASON,
	OUT_BEFORE,
	OUT_AFTER,
	OUT_TO_QUICKBOOKS,
	OUT_DETAIL
};

Rows *
plan_nothing_sent(void)
{
	return rows_empty(lengthof(sent_names), sent_names, sent_types);
}

void
plan_note_sent(PlanRun *plan, const Decision *decision)
{
	Datum		values[lengthof(sent_names)];
	bool		nulls[lengthof(sent_names)] = {false};

	values[0] = CStringGetTextDatum(decision->id);
	values[1] = CStringGetTextDatum(decision->crm_key);
	values[2] = decision->send;
	values[3] = decision->ours;
	nulls[4] = decision->record_name == NULL;
	values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(decision->record_name);
	tuplestore_putvalues(plan->sent->store, plan->sent->tupdesc, values, nulls);
	plan->sent->n++;
}

/* A text of a row, or NULL. */
static char *
out_text(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* A jsonb of a row, or NULL. */
static Jsonb *
out_json(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : DatumGetJsonbP(value);
}

/* The action of that name. */
static PlanAction
action_of_name(const char *name)
{
	for (int i = 0; i < PLAN_ACTIONS; i++)
		if (strcmp(plan_action_names[i], name) == 0)
			return (PlanAction) i;
	elog(ERROR, "unknown action \"%s\"", name);
	return PLAN_NONE;
}

/* Add the rows that a statement composes; decided: nothing else speaks of their CRM records. */
static void
add_composed(PlanRun *plan, const char *statement, bool decided)
{
	Oid			types[] = {BOOLOID};
	Datum		values[] = {BoolGetDatum(plan->sees_bought)};
	Rows	   *rows = statement_read(statement, lengthof(types), types, values, NULL);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "qbsync plan row", ALLOCSET_DEFAULT_SIZES);

	while (tuplestore_gettupleslot(rows->store, true, false, slot))
	{
		MemoryContext caller = MemoryContextSwitchTo(row_context);
		PlanRow		row = {
			.id = out_text(slot, OUT_ID),
			.crm_key = out_text(slot, OUT_CRM_KEY),
			.name = out_text(slot, OUT_NAME),
			.reason = out_text(slot, OUT_REASON),
			.before = out_json(slot, OUT_BEFORE),
			.after = out_json(slot, OUT_AFTER),
			.to_quickbooks = out_json(slot, OUT_TO_QUICKBOOKS),
			.detail = out_text(slot, OUT_DETAIL)
		};

		plan_add_row(plan, action_of_name(out_text(slot, OUT_ACTION)), &row);
		if (decided)
			plan_add_decided(plan, row.crm_key);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
	ExecDropSingleTupleTableSlot(slot);
	rows_free(rows);
}

void
plan_add_sent(PlanRun *plan)
{
	if (plan->sent->n == 0)
		return;
	rows_name("sent", plan->sent);
	add_composed(plan, plan->send, false);
	rows_unname("sent");
}

void
plan_add_pushed(PlanRun *plan, const char *push)
{
	if (push == NULL)
		return;
	rows_name("decided", plan->decided);
	add_composed(plan, push, true);
	rows_unname("decided");
}
