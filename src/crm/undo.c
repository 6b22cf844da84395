/*
 * undo.c
 *		Taking back what was written to the CRM because of a decision.  See undo.h.
 *
 * qbsync_undo() has put the links back and says what is left to do (qbsync.undo_work): rows to be deleted, columns to be
 * written back.  A column that shows something else than after it was written last belongs to whoever changed it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "common/unit.h"
#include "crm/batch.h"
#include "crm/settle.h"
#include "crm/statement.h"
#include "crm/undo.h"
#include "crm/write.h"

/* The CRM rows that the work is about, as they are: keys and canonical rows. */
static void
read_rows(const Mapping *mapping, const Claim *claim, Batch *keys, Batch *rows)
{
	static SqlStatement work = {
		"SELECT array_agg(w.crm_key) FROM qbsync.undo_work($1, $2) w", 2, {INT4OID, JSONBOID}
	};
	static const char *const names[] = {"crm_key", "ours", "crm_time"};
	static const Oid types[] = {TEXTOID, JSONBOID, TIMESTAMPTZOID};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id), claim->undo_arguments};
	Oid			key_types[] = {TEXTARRAYOID};
	Datum		wanted;
	bool		isnull;
	Rows	   *found;
	TupleTableSlot *slot;

	sql_execute(&work, values, NULL);
	wanted = sql_datum(0, 1, &isnull);
	if (isnull)
		return;
	found = statement_read_as_role(mapping, mapping_statements(mapping)->read_rows, 1, key_types, &wanted, NULL);
	rows_expect(found, lengthof(types), names, types);
	slot = MakeSingleTupleTableSlot(found->tupdesc, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(found->store, true, false, slot))
	{
		Datum		key = slot_getattr(slot, 1, &isnull);
		Datum		row;

		if (isnull)
			continue;
		batch_add(keys, PointerGetDatum(PG_DETOAST_DATUM_COPY(key)));
		row = slot_getattr(slot, 2, &isnull);
		batch_add(rows, isnull ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(row)));
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* What is to be done, as deeds; a row that is not there any more is done. */
static Deed *
plan_undo(const Mapping *mapping, const Claim *claim, int *n)
{
	static SqlStatement plan = {
		"SELECT w.crm_key, w.action = 'delete', o.ours, (SELECT jsonb_object_agg(v.key, v.value) FROM jsonb_each(w.\"values\") v"
		" WHERE coalesce(qbsync.strip(o.ours) -> v.key, 'null') = coalesce(qbsync.strip(w.shown) -> v.key, 'null'))"
		" FROM qbsync.undo_work($1, $2) w JOIN unnest($3::text[], $4::jsonb[]) AS o(crm_key, ours) ON o.crm_key = w.crm_key",
		4, {INT4OID, JSONBOID, TEXTARRAYOID, JSONBARRAYOID}
	};
	Batch		keys = {0};
	Batch		rows = {0};
	Datum		values[4];
	Deed	   *deeds;

	read_rows(mapping, claim, &keys, &rows);
	values[0] = Int32GetDatum(mapping->mapping_id);
	values[1] = claim->undo_arguments;
	values[2] = batch_array(&keys, TEXTOID);
	values[3] = batch_array(&rows, JSONBOID);
	*n = (int) sql_execute(&plan, values, NULL);
	deeds = palloc0(sizeof(Deed) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		Decision   *decision = palloc0(sizeof(Decision));
		bool		isnull;
		Datum		value;

		decision->id = claim->undo_id;
		decision->crm_key = sql_text(i, 1, CurrentMemoryContext);
		decision->action = DatumGetBool(sql_datum(i, 2, NULL)) ? DECISION_DELETE : DECISION_UPDATE;
		value = sql_datum(i, 3, &isnull);
		if (!isnull)
			decision->ours = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		value = sql_datum(i, 4, &isnull);
		if (!isnull)
			deeds[i].write = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		deeds[i].decision = decision;
		deeds[i].crm_key = decision->crm_key;
	}
	return deeds;
}

void
undo_run(const Mapping *mapping, const MappingState *state, const Claim *claim)
{
	Deed	   *deeds;
	int			n = 0;

	if (claim->undo_arguments != (Datum) 0)
	{
		deeds = plan_undo(mapping, claim, &n);
		if (n > 0)
			write_run(mapping, deeds, n, false);
		settle_undo(mapping, claim, deeds, n);
	}
	settle_claim(mapping, state, claim);
}
