/*
 * mirror_moved.c
 *		Noticing traces of merges.  See mirror_moved.h.
 *
 * An attempt at a page that was rolled back may have noticed something that is noticed again, or that did not come about: a
 * trace only makes records be looked up, so that is no harm.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "common/unit.h"
#include "inbound/mirror_moved.h"

/* Is it an entity that people merge, and that has transactions? */
static bool
is_party(const char *entity)
{
	return strcmp(entity, "customer") == 0 || strcmp(entity, "vendor") == 0;
}

/*
 * The column to compare, among the catalogue's: of a customer or vendor whether it is active, of a transaction whose it is;
 * -1: none.  Asked for record after record of one page.
 */
static int
column_to_compare(const CatalogueEntity *entity)
{
	static const CatalogueEntity *last = NULL;
	static int	column = -1;
	bool		party;

	if (entity == last)
		return column;
	last = entity;
	column = -1;
	party = is_party(entity->name);
	for (int i = 0; column < 0 && entity->columns[i].name; i++)
	{
		const CatalogueColumn *candidate = &entity->columns[i];

		if (party ? strcmp(candidate->name, "active") == 0
			: (entity->flags & ENTITY_TRANSACTION) && candidate->refers_to && is_party(candidate->refers_to))
			column = i;
	}
	return column;
}

static void
add_move(MirrorMoves *moves, Datum id, Datum other, const char *referrer, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	int			n = moves->n++;

	if (n == moves->room)
	{
		moves->room = n == 0 ? 16 : n * 2;
		moves->ids = n == 0 ? palloc(sizeof(Datum) * moves->room) : repalloc(moves->ids, sizeof(Datum) * moves->room);
		moves->others = n == 0 ? palloc(sizeof(Datum) * moves->room) : repalloc(moves->others, sizeof(Datum) * moves->room);
		moves->referrers = n == 0 ? palloc(sizeof(Datum) * moves->room) : repalloc(moves->referrers, sizeof(Datum) * moves->room);
		moves->ended = n == 0 ? palloc(sizeof(bool) * moves->room) : repalloc(moves->ended, sizeof(bool) * moves->room);
	}
	moves->ids[n] = PointerGetDatum(DatumGetTextPCopy(id));
	moves->ended[n] = referrer == NULL;
	moves->others[n] = referrer ? PointerGetDatum(DatumGetTextPCopy(other)) : moves->ids[n];
	moves->referrers[n] = referrer ? CStringGetTextDatum(referrer) : moves->ids[n];
	MemoryContextSwitchTo(caller);
}

/* A transaction: whose was it, whose is it? */
static void
compare_party(MirrorMoves *moves, MirrorTable *table, TupleTableSlot *slot, int column, const char *id, MemoryContext context)
{
	AttrNumber	attnum = table->attnums[ROW_FIXED_COLUMNS + column];
	bool		was_null;
	Datum		was = mirror_table_found(table, ROW_FIXED_COLUMNS + column, &was_null);

	if (was_null || slot->tts_isnull[attnum - 1])
		return;
	if (!DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, was, slot->tts_values[attnum - 1])))
		add_move(moves, was, slot->tts_values[attnum - 1], id, context);
}

/* A customer or vendor: was it active, and is it no longer? */
static bool
has_ended(MirrorTable *table, TupleTableSlot *slot, int column)
{
	AttrNumber	attnum = table->attnums[ROW_FIXED_COLUMNS + column];
	bool		was_null;
	Datum		was = mirror_table_found(table, ROW_FIXED_COLUMNS + column, &was_null);

	return !was_null && DatumGetBool(was) && !slot->tts_isnull[attnum - 1] && !DatumGetBool(slot->tts_values[attnum - 1]);
}

void
mirror_moved_compare(MirrorMoves *moves, const MirrorPlan *plan, MirrorTable *table, TupleTableSlot *slot, const char *id,
					 MemoryContext context)
{
	int			column = column_to_compare(plan->entity);

	if (column < 0)
		return;
	if (!is_party(plan->entity->name))
	{
		if (slot != NULL)
			compare_party(moves, table, slot, column, id, context);
	}
	else if (slot == NULL || has_ended(table, slot, column))
		add_move(moves, CStringGetTextDatum(id), (Datum) 0, NULL, context);
}

static Datum
text_array(Datum *values, int n)
{
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

int
mirror_moved_settle(MirrorMoves *moves, int connection_id, const CatalogueEntity *entity)
{
	static SqlStatement ended = {"SELECT qbsync.note_suspects($1, $2, $3)", 3, {INT4OID, TEXTOID, TEXTARRAYOID}};
	static SqlStatement moved = {
		"SELECT qbsync.note_moved($1, $2, $3, $4, $5, $6)",
		6, {INT4OID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum		values[6];

	if (moves->n == 0)
		return 0;
	values[0] = Int32GetDatum(connection_id);
	if (moves->ended[0])
	{
		values[1] = CStringGetTextDatum(entity->name);
		values[2] = text_array(moves->ids, moves->n);
		sql_execute(&ended, values, NULL);
	}
	else
	{
		values[1] = CStringGetTextDatum(entity->columns[column_to_compare(entity)].refers_to);
		values[2] = CStringGetTextDatum(entity->name);
		values[3] = text_array(moves->referrers, moves->n);
		values[4] = text_array(moves->ids, moves->n);
		values[5] = text_array(moves->others, moves->n);
		sql_execute(&moved, values, NULL);
	}
	return moves->n;
}
