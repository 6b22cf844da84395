/*
 * capture.c
 *		The trigger on watched tables of the CRM: notes in qbsync.capture which records have to be looked at.
 *
 * A row of qbsync.capture says that a record may have changed, not what: what is to be sent is found by whoever reads it, from
 * the record as it is then.  So a row too many costs a look and a row too few a change that is only found by the nightly
 * comparison; in doubt there is a row.
 *
 * It is an AFTER ROW trigger: only that fires, and sees the row as it came out, for every way in which a row is written
 * (INSERT, UPDATE, DELETE, MERGE, COPY, ON CONFLICT, cascades), in a partition that is written by its own name as well.
 * Transition tables would come with the statement, but not to partitions and foreign tables.  A row that moves to another
 * partition is a deletion and an insertion, of the same key.  TRUNCATE fires no row trigger and sends nothing.  With
 * session_replication_role = replica no trigger fires.
 *
 * The writer's transaction must not fail for it, so whatever can go wrong leads to a row whose key is not known (null), or to
 * none when there is no table for it.  After COMMIT PREPARED nobody is woken: the gateway finds those rows when it looks next.
 */
#include "postgres.h"

#include "fmgr.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "compat.h"
#include "crm/write.h"
#include "outbound/capture.h"

/* Of one trigger in one command. */
typedef struct CaptureCall
{
	CaptureWatch *watch;
	bool		unknown_noted;	/* a row without key is there */
} CaptureCall;

extern PGDLLEXPORT Datum qbsync_capture_change(PG_FUNCTION_ARGS);

/* --- comparing ---------------------------------------------------------------------------------------------------- */

/* Equal bytes are equal values; for long values, which UPDATE has not touched, that is so without reading them. */
static bool
is_same(const CaptureColumn *column, Datum before, Datum after)
{
	if (column->by_value)
		return before == after;
	if (column->length > 0)
		return memcmp(DatumGetPointer(before), DatumGetPointer(after), column->length) == 0;
	if (column->length == -1 && VARSIZE_ANY(before) == VARSIZE_ANY(after) &&
		memcmp(DatumGetPointer(before), DatumGetPointer(after), VARSIZE_ANY(before)) == 0)
		return true;
	return datum_image_eq(before, after, false, column->length);
}

/* Does an UPDATE change one of these columns?  Both slots are deformed far enough. */
static bool
any_changed(const CaptureColumn *columns, int n, const TupleTableSlot *before, const TupleTableSlot *after)
{
	for (int i = 0; i < n; i++)
	{
		int			at = columns[i].column - 1;

		if (before->tts_isnull[at] != after->tts_isnull[at])
			return true;
		if (!before->tts_isnull[at] && !is_same(&columns[i], before->tts_values[at], after->tts_values[at]))
			return true;
	}
	return false;
}

/* The row of a slot as it is stored; NULL: the slot has it in another form. */
static HeapTuple
stored_row(const TupleTableSlot *slot)
{
	return TTS_IS_BUFFERTUPLE(slot) || TTS_IS_HEAPTUPLE(slot) ? ((const HeapTupleTableSlot *) slot)->tuple : NULL;
}

/*
 * Are the columns that count surely the same, the last of which is deformed in after?  They are when both rows have the same
 * bytes up to its end: what is changed most often stands behind, and half of the deforming is saved.
 */
static bool
same_beginning(const TupleTableSlot *before, const TupleTableSlot *after)
{
	HeapTuple	old_row = stored_row(before);
	HeapTuple	new_row = stored_row(after);
	HeapTupleHeader old;
	HeapTupleHeader new;
	uint32		length;

	if (old_row == NULL || new_row == NULL)
		return false;
	old = old_row->t_data;
	new = new_row->t_data;
	length = new->t_hoff + ((const HeapTupleTableSlot *) after)->off;
	return old->t_hoff == new->t_hoff && HeapTupleHeaderGetNatts(old) == HeapTupleHeaderGetNatts(new) && length <= old_row->t_len &&
		((old->t_infomask ^ new->t_infomask) & HEAP_HASNULL) == 0 &&
		memcmp(old->t_bits, new->t_bits, length - offsetof(HeapTupleHeaderData, t_bits)) == 0;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

/* The key, made by code that is not PostgreSQL's: an error in it is not the writer's.  *known is false then. */
static text *
guarded_key(const RowKey *key, const Datum *values, const bool *nulls, bool *known)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	text	   *volatile result = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		result = row_key_text(key, values, nulls);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		/* somebody wants the whole statement to end */
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		*known = false;
		result = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return result;
}

/* The key of a row; NULL: it belongs to no record.  *known is made false if it cannot be told. */
static text *
slot_key(const CaptureWatch *watch, const TupleTableSlot *slot, bool *known)
{
	const RowKey *key = &watch->key;
	Datum		values[ROW_KEY_MAX];
	bool		nulls[ROW_KEY_MAX];

	for (int i = 0; i < key->n; i++)
	{
		values[i] = slot->tts_values[key->columns[i].column - 1];
		nulls[i] = slot->tts_isnull[key->columns[i].column - 1];
	}
	return key->runs_code ? guarded_key(key, values, nulls, known) : row_key_text(key, values, nulls);
}

/* --- the trigger -------------------------------------------------------------------------------------------------- */

/*
 * Is the row one that the apply worker writes into its mapping right now?  What it writes is what both sides have agreed on
 * when its transaction commits, so there is nothing to look at: an echo of our own write (EXT-31).  That holds for the very
 * rows of its statement.  What the CRM's triggers write meanwhile is the CRM's change, wherever they do it, and so is what
 * they or a generated column may have made of our row.
 */
static bool
is_our_own(const CaptureWatch *watch)
{
	return watch->mapping_id != 0 && watch->mapping_id == write_under_way() && !watch->rewritten &&
		DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0)) == 1;
}

/*
 * Note a row's record; before: the row as it was when it belonged to another, NULL: it did not.  Both records change; that they may
 * be one, which has another key now, is only known here, and so it is one row.
 */
static void
note(CaptureCall *call, const TupleTableSlot *slot, const TupleTableSlot *before)
{
	bool		known = call->watch->keyed;
	text	   *key = known ? slot_key(call->watch, slot, &known) : NULL;
	text	   *was = known && before ? slot_key(call->watch, before, &known) : NULL;

	if (key)
		capture_append(call->watch->watch_id, key, was);
	else if (was)
		capture_append(call->watch->watch_id, was, NULL);
	if (!known && !call->unknown_noted)
	{
		capture_append(call->watch->watch_id, NULL, NULL);
		call->unknown_noted = true;
	}
}

/*
 * The rows of a bulk change have left the processor's caches when the trigger fires: both are fetched at a time, from the start.
 */
static void
prefetch(const TupleTableSlot *slot)
{
	HeapTuple	row = stored_row(slot);

	if (row)
	{
		__builtin_prefetch((const char *) row->t_data);
		__builtin_prefetch((const char *) row->t_data + 64);
		__builtin_prefetch((const char *) row->t_data + 128);
	}
}

/* A row was updated. */
static void
note_update(CaptureCall *call, TupleTableSlot *before, TupleTableSlot *after)
{
	const CaptureWatch *watch = call->watch;
	bool		moved;

	slot_getsomeattrs(after, watch->last);
	if (same_beginning(before, after))
		return;
	slot_getsomeattrs(before, watch->last);
	moved = any_changed(watch->key_columns, watch->key.n, before, after);
	if (!moved && !any_changed(watch->columns, watch->ncolumns, before, after))
		return;
	if (is_our_own(watch))
		return;
	note(call, after, moved ? before : NULL);
}

/* What the trigger knows, for a row; kept for the command's other rows. */
static CaptureCall *
begin_call(FunctionCallInfo fcinfo, const TriggerData *trigger)
{
	CaptureCall *call = fcinfo->flinfo->fn_extra;

	if (call == NULL)
		call = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(CaptureCall));
	if (call->watch == NULL || !call->watch->valid || !call->watch->complete || call->watch->trigger != trigger->tg_trigger->tgoid)
		call->watch = capture_watch(trigger);
	return call;
}

PG_FUNCTION_INFO_V1(qbsync_capture_change);

/* qbsync.capture_change() */
Datum
qbsync_capture_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	CaptureCall *call;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs < 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("a capture trigger of qbsync was not called as an AFTER ROW trigger with its arguments")));
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		prefetch(trigger->tg_newslot);
		prefetch(trigger->tg_trigslot);
	}
	call = begin_call(fcinfo, trigger);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		note_update(call, trigger->tg_trigslot, trigger->tg_newslot);
	else if (!is_our_own(call->watch))
	{
		slot_getsomeattrs(trigger->tg_trigslot, call->watch->last);
		note(call, trigger->tg_trigslot, NULL);
	}
	return PointerGetDatum(NULL);
}
