/*
 * guard.c
 *		The triggers behind the policies lock_linked and on_crm_delete = block, and qbsync.in_apply_worker().
 *
 * The triggers stand on tables of the CRM and fire in everybody's sessions.  They are written in C for two reasons.  The
 * first is whom they judge: the role that changes the row, which a SECURITY DEFINER function cannot see, while the tables
 * they look into belong to the extension's owner and nobody else may read them.  So the function begins as the one who
 * changes the row, turns that row's key into text with the rights of that role (a cast of the CRM's own types is the CRM's
 * code), and becomes the owner only for its own statements, in which every name is written with its schema.  The second is
 * cost: a row that is not linked costs one look-up by index; that the rules are still the same is asked once per command.
 *
 * A trigger's argument is the mapping's number: it is dumped and restored with the table.  A trigger whose mapping is gone,
 * disabled or no longer watches the table lets everything pass: a CRM write fails only for what somebody asked for.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "postmaster/bgworker.h"
#include "storage/itemptr.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "crm/guard.h"
#include "crm/guard_rules.h"
#include "qbsync.h"

/*
 * A row that moves to another partition is deleted there and inserted here, in the middle of the UPDATE.  The guard that saw
 * the UPDATE remembers the row, so that the others know a move from a deletion.
 */
static struct
{
	Oid			relation;
	ItemPointerData row;
	TimestampTz statement;
	CommandId	command;
	bool		arriving;		/* deleted there, not yet inserted */
} moving;

extern PGDLLEXPORT Datum qbsync_in_apply_worker(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum qbsync_guard_update(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum qbsync_guard_delete(PG_FUNCTION_ARGS);

bool
guard_in_apply_worker(void)
{
	return MyBgworkerEntry != NULL && strcmp(MyBgworkerEntry->bgw_library_name, QBSYNC_EXTENSION) == 0 &&
		strcmp(MyBgworkerEntry->bgw_function_name, APPLY_WORKER_FUNCTION) == 0;
}

PG_FUNCTION_INFO_V1(qbsync_in_apply_worker);

/* qbsync.in_apply_worker() */
Datum
qbsync_in_apply_worker(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(guard_in_apply_worker());
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

/* A superuser is exempt like everybody else: by being a member of a role that is named. */
static bool
is_exempt(const GuardRules *rules, Oid user)
{
	for (int i = 0; i < rules->nexempt; i++)
	{
		Oid			role = get_role_oid(rules->exempt[i], true);

		if (OidIsValid(role) && is_member_of_role_nosuper(user, role))
			return true;
	}
	return false;
}

/* Does an UPDATE change this column?  Generated columns are computed later; the columns they come from count instead. */
static bool
column_changed(TupleDesc desc, HeapTuple before, HeapTuple after, AttrNumber column)
{
	Form_pg_attribute attribute = TupleDescAttr(desc, column - 1);
	bool		null_before;
	bool		null_after;
	Datum		value_before;
	Datum		value_after;

	if (attribute->attisdropped || attribute->attgenerated)
		return false;
	value_before = heap_getattr(before, column, desc, &null_before);
	value_after = heap_getattr(after, column, desc, &null_after);
	if (null_before || null_after)
		return null_before != null_after;
	return !datum_image_eq(value_before, value_after, attribute->attbyval, attribute->attlen);
}

/* Does an UPDATE change the key? */
static bool
key_changed(const GuardRules *rules, const TriggerData *trigger)
{
	for (int i = 0; i < rules->nkeys; i++)
	{
		if (column_changed(RelationGetDescr(trigger->tg_relation), trigger->tg_trigtuple, trigger->tg_newtuple, rules->keys[i]))
			return true;
	}
	return false;
}

/* The first column that counts and is changed by an UPDATE; 0: none. */
static AttrNumber
changed_column(const GuardRules *rules, const TriggerData *trigger)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	for (AttrNumber column = 1; column <= desc->natts; column++)
	{
		if ((rules->every_column || bms_is_member(column, rules->columns)) &&
			column_changed(desc, trigger->tg_trigtuple, trigger->tg_newtuple, column))
			return column;
	}
	return 0;
}

/* Is anything changed at all?  Cheaper than asking whether the row is linked. */
static bool
anything_changed(const TriggerData *trigger)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	for (AttrNumber column = 1; column <= desc->natts; column++)
	{
		if (column_changed(desc, trigger->tg_trigtuple, trigger->tg_newtuple, column))
			return true;
	}
	return false;
}

/* A linked record is changed by somebody who may not: an error, or one warning a command.  column is 0 if none is meant. */
static void
report_locked(GuardRules *rules, const TriggerData *trigger, const char *key, AttrNumber column)
{
	Relation	relation = trigger->tg_relation;

	if (!rules->blocks && rules->warned)
		return;
	rules->warned = true;
	ereport(rules->blocks ? ERROR : WARNING,
			(errcode(rules->blocks ? ERRCODE_INSUFFICIENT_PRIVILEGE : ERRCODE_WARNING),
			 rules->blocks ? errmsg("record \"%s\" of table \"%s\" is linked with QuickBooks and locked", key, RelationGetRelationName(relation))
			 : errmsg("record \"%s\" of table \"%s\" is linked with QuickBooks", key, RelationGetRelationName(relation)),
			 column > 0 ? errdetail("Policy lock_linked of mapping \"%s\" is %s; column \"%s\" counts.", rules->name,
									rules->blocks ? "block" : "warn", NameStr(TupleDescAttr(RelationGetDescr(relation), column - 1)->attname))
			 : errdetail("Policy lock_linked of mapping \"%s\" is %s.", rules->name, rules->blocks ? "block" : "warn"),
			 errhint("Change it in QuickBooks. Members of the roles in policy lock_exempt may change it here."),
			 column > 0 ? errtablecol(relation, column) : errtable(relation)));
}

static void
report_deleted(const GuardRules *rules, const TriggerData *trigger, const char *key, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_RESTRICT_VIOLATION),
			 key ? errmsg("record \"%s\" of table \"%s\" is linked with QuickBooks and cannot be %s", key,
						  RelationGetRelationName(trigger->tg_relation), what)
			 : errmsg("table \"%s\" has records that are linked with QuickBooks and cannot be %s",
					  RelationGetRelationName(trigger->tg_relation), what),
			 errdetail("Policy on_crm_delete of mapping \"%s\" is block.", rules->name),
			 errhint("Unlink it first with qbsync_unlink, or change the policy with qbsync_set."),
			 errtable(trigger->tg_relation)));
}

/* --- rows that move between partitions ----------------------------------------------------------------------------- */

static void
remember_move(const TriggerData *trigger)
{
	if (!trigger->tg_relation->rd_rel->relispartition)
		return;
	moving.relation = RelationGetRelid(trigger->tg_relation);
	moving.row = trigger->tg_trigtuple->t_self;
	moving.statement = GetCurrentStatementStartTimestamp();
	moving.command = GetCurrentCommandId(false);
	moving.arriving = false;
}

/* Is this deletion the first half of a move that was judged as an UPDATE? */
static bool
leaves_for_move(const TriggerData *trigger)
{
	if (moving.relation != RelationGetRelid(trigger->tg_relation) || moving.arriving ||
		!ItemPointerEquals(&moving.row, &trigger->tg_trigtuple->t_self) ||
		moving.statement != GetCurrentStatementStartTimestamp() || moving.command != GetCurrentCommandId(false))
		return false;
	moving.arriving = true;
	return true;
}

/* Is this insertion its second half? */
static bool
arrives_by_move(const TriggerData *trigger)
{
	bool		arrives = moving.arriving && moving.statement == GetCurrentStatementStartTimestamp() &&
		moving.command == GetCurrentCommandId(false) && trigger->tg_relation->rd_rel->relispartition;

	moving.arriving = false;
	moving.relation = InvalidOid;
	return arrives;
}

/* --- triggers ------------------------------------------------------------------------------------------------------ */

/* Raise an error unless called as a trigger, as it should be. */
static TriggerData *
as_trigger(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("a guard of qbsync was not called as a BEFORE trigger")));
	return trigger;
}

/* A row of a table whose rows are parts of records (their e-mail addresses, say) comes or goes: its record changes. */
static void
judge_part(GuardRules *rules, const TriggerData *trigger, Oid function)
{
	char	   *key;

	/* what goes because its record is deleted is no change of the record; a cascade runs inside a trigger */
	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event) &&
		DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0)) > 1)
		return;
	if (!rules->warns || is_exempt(rules, GetUserId()))
		return;
	key = guard_row_key(rules, RelationGetDescr(trigger->tg_relation), trigger->tg_trigtuple);
	if (key != NULL && guard_is_linked(rules, key, function))
		report_locked(rules, trigger, key, 0);
}

/* A row is updated. */
static void
judge_update(GuardRules *rules, const TriggerData *trigger, Oid function)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	bool		locked = rules->warns && !is_exempt(rules, GetUserId());
	bool		moved = key_changed(rules, trigger);
	bool		removed = moved && rules->main && rules->blocks_delete;
	AttrNumber	column;
	char	   *key;

	if (!(locked && anything_changed(trigger)) && !removed)
		return;
	key = guard_row_key(rules, desc, trigger->tg_trigtuple);
	if (key != NULL && guard_is_linked(rules, key, function))
	{
		if (locked)
		{
			guard_rules_columns(rules, trigger, function);
			column = moved ? rules->keys[0] : changed_column(rules, trigger);
			if (column > 0)
				report_locked(rules, trigger, key, column);
		}
		/* whoever gives a record another key takes away the one that is linked */
		if (removed)
			report_deleted(rules, trigger, key, "given another key");
	}
	/* a part that is handed to another record changes that one, too */
	else if (locked && moved)
	{
		key = guard_row_key(rules, desc, trigger->tg_newtuple);
		if (key != NULL && guard_is_linked(rules, key, function))
			report_locked(rules, trigger, key, rules->keys[0]);
	}
}

PG_FUNCTION_INFO_V1(qbsync_guard_update);

/* qbsync.guard_update(): policy lock_linked. */
Datum
qbsync_guard_update(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = as_trigger(fcinfo);
	bool		update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	bool		move = TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? leaves_for_move(trigger) :
		TRIGGER_FIRED_BY_INSERT(trigger->tg_event) && arrives_by_move(trigger);

	if (!guard_in_apply_worker() && !move)
	{
		GuardRules *rules = guard_rules(trigger, fcinfo->flinfo->fn_oid);

		if (rules != NULL && update)
			judge_update(rules, trigger, fcinfo->flinfo->fn_oid);
		else if (rules != NULL)
			judge_part(rules, trigger, fcinfo->flinfo->fn_oid);
		if (update)
			remember_move(trigger);
	}
	return PointerGetDatum(update ? trigger->tg_newtuple : trigger->tg_trigtuple);
}

PG_FUNCTION_INFO_V1(qbsync_guard_delete);

/* qbsync.guard_delete(): policy on_crm_delete = block, also against TRUNCATE. */
Datum
qbsync_guard_delete(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = as_trigger(fcinfo);
	bool		truncate = TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event);
	GuardRules *rules;

	if (!guard_in_apply_worker() && (truncate || !leaves_for_move(trigger)) &&
		(rules = guard_rules(trigger, fcinfo->flinfo->fn_oid)) != NULL && rules->blocks_delete)
	{
		char	   *key = truncate ? NULL : guard_row_key(rules, RelationGetDescr(trigger->tg_relation), trigger->tg_trigtuple);

		if ((truncate || key != NULL) && guard_is_linked(rules, key, fcinfo->flinfo->fn_oid))
			report_deleted(rules, trigger, key, truncate ? "truncated" : "deleted");
	}
	return PointerGetDatum(truncate ? NULL : trigger->tg_trigtuple);
}
