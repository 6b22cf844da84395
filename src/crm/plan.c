/*
 * plan.c
 *		qbsync_plan(): what the next sync would do, row by row, before anything is done.
 *
 * The same decisions as the worker's (decide.c), shown instead of carried out.  It runs in the session of whoever asks, who
 * must be a member of the mapping's role: the CRM's view is read as that role, in a frame from which its code cannot get at
 * the session's rights (role.c), and qbsync's own tables as the extension's owner.  Nothing is written, so that it works in a
 * read-only transaction and on a standby.
 *
 * Rows go to a tuplestore while they are decided about, counts are kept beside; in the result counts come first.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "nodes/execnodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "common/unit.h"
#include "crm/decide.h"
#include "crm/event.h"
#include "crm/guard.h"
#include "crm/mapping.h"
#include "crm/plan_json.h"
#include "crm/plan_parts.h"
#include "crm/role.h"
#include "crm/statement.h"

const char *const plan_action_names[PLAN_ACTIONS] = {
	"create", "link", "update", "push", "send", "kept", "conflict", "address_difference", "candidate", "review", "wait", "error", "delete",
	"detach", "missing", "ignore", "crm_only", "none"
};

/* How decisions are called here. */
static const PlanAction action_of_decision[] = {
	[DECISION_NONE] = PLAN_NONE,
	[DECISION_UPDATE] = PLAN_UPDATE,
	[DECISION_LINK] = PLAN_LINK,
	[DECISION_CREATE] = PLAN_CREATE,
	[DECISION_CANDIDATE] = PLAN_CANDIDATE,
	[DECISION_REVIEW] = PLAN_REVIEW,
	[DECISION_WAIT] = PLAN_WAIT,
	[DECISION_IGNORE] = PLAN_IGNORE,
	[DECISION_MISSING] = PLAN_MISSING,
	[DECISION_DELETE] = PLAN_DELETE,
	[DECISION_DETACH] = PLAN_DETACH,
	[DECISION_ERROR] = PLAN_ERROR
};

/* Columns of the result. */
enum
{
	COLUMN_ACTION,
	COLUMN_COUNT,
	COLUMN_ID,
	COLUMN_CRM_KEY,
	COLUMN_NAME,
	COLUMN_REASON,
	COLUMN_BEFORE,
	COLUMN_AFTER,
	COLUMN_TO_QUICKBOOKS,
	COLUMN_CONFLICT,
	COLUMN_DETAIL,
	NCOLUMNS
};

/* Columns of PlanRun.decided. */
static const char *const decided_names[] = {"crm_key"};
static const Oid decided_types[] = {TEXTOID};

PG_FUNCTION_INFO_V1(qbsync_plan);

/* A text or NULL as a column. */
static void
put_text(Datum *values, bool *nulls, int column, const char *value)
{
	nulls[column] = value == NULL;
	if (value)
		values[column] = CStringGetTextDatum(value);
}

/* A jsonb or NULL as a column. */
static void
put_json(Datum *values, bool *nulls, int column, Jsonb *value)
{
	nulls[column] = value == NULL;
	if (value)
		values[column] = JsonbPGetDatum(value);
}

void
plan_add_row(PlanRun *plan, PlanAction action, const PlanRow *row)
{
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS];

	memset(nulls, true, sizeof(nulls));
	put_text(values, nulls, COLUMN_ACTION, plan_action_names[action]);
	put_text(values, nulls, COLUMN_ID, row->id);
	put_text(values, nulls, COLUMN_CRM_KEY, row->crm_key);
	put_text(values, nulls, COLUMN_NAME, row->name);
	put_text(values, nulls, COLUMN_REASON, row->reason);
	put_json(values, nulls, COLUMN_BEFORE, row->before);
	put_json(values, nulls, COLUMN_AFTER, row->after);
	put_json(values, nulls, COLUMN_TO_QUICKBOOKS, row->to_quickbooks);
	put_json(values, nulls, COLUMN_CONFLICT, row->conflict);
	put_text(values, nulls, COLUMN_DETAIL, row->detail);
	tuplestore_putvalues(plan->rows, plan->tupdesc, values, nulls);
	plan->counts[action]++;
}

void
plan_add_decided(PlanRun *plan, const char *crm_key)
{
	Datum		value = CStringGetTextDatum(crm_key);
	bool		isnull = false;

	tuplestore_putvalues(plan->decided->store, plan->decided->tupdesc, &value, &isnull);
	plan->decided->n++;
}

/* What every row about a decision says. */
static PlanRow
row_of(const Decision *decision)
{
	PlanRow		row = {
		.id = decision->id,
		.crm_key = decision->crm_key,
		.name = decision->record_name,
		.reason = decision->reason
	};

	return row;
}

/* A jsonb of a decision, or NULL. */
static Jsonb *
json_of(Datum value)
{
	return value ? DatumGetJsonbP(value) : NULL;
}

/*
 * Fields that differ and wait for a person, one row each: both values, what they last agreed on, and when either side changed
 * (CAP-38, CAP-39).
 */
static void
add_conflicts(PlanRun *plan, const Decision *decision)
{
	Jsonb	   *conflicts = json_of(decision->conflict);

	if (conflicts == NULL)
		return;
	for (int i = 0; i < plan_json_count(conflicts); i++)
	{
		Jsonb	   *conflict = plan_json_element(conflicts, i);
		char	   *kind = plan_json_text(conflict, "kind");
		PlanRow		row = row_of(decision);

		row.before = plan_json_object(conflict, "ours");
		row.conflict = plan_json_with_times(conflict, decision->ours_at, decision->theirs_at);
		row.detail = "Nothing of it is written until a person decides.";
		if (kind && strcmp(kind, "changed_both") == 0)
			row.reason = "changed on both sides since they last agreed";
		else if (kind && strcmp(kind, "address_partial") == 0)
			row.reason = "the addresses agree in part only";
		else
			row.reason = "the two sides differ";
		plan_add_row(plan, PLAN_CONFLICT, &row);
	}
}

/*
 * Addresses that both sides have and that differ: people check them before anything is written (CAP-13).  Those in conflict
 * have their row already.
 */
static void
add_address_differences(PlanRun *plan, const Decision *decision)
{
	Jsonb	   *ours = json_of(decision->ours);
	Jsonb	   *theirs = json_of(decision->theirs);

	if (ours == NULL || theirs == NULL || (decision->write == 0 && decision->send == 0))
		return;
	for (int i = 0; i < plan_json_count(plan->addresses); i++)
	{
		Jsonb	   *columns = plan_json_member(plan->addresses, i, NULL);
		PlanRow		row = row_of(decision);

		row.before = plan_json_present(columns, ours);
		row.after = plan_json_present(columns, theirs);
		if (plan_json_count(row.before) == 0 || plan_json_count(row.after) == 0 || plan_json_equal(row.before, row.after))
			continue;
		if (decision->write && plan_json_count(plan_json_present(columns, json_of(decision->write))) > 0)
			row.reason = "the addresses differ; QuickBooks' replaces the CRM's";
		else if (decision->send && plan_json_count(plan_json_present(columns, json_of(decision->send))) > 0)
			row.reason = "the addresses differ; the CRM's is to go to QuickBooks";
		else
			continue;
		plan_add_row(plan, PLAN_ADDRESS_DIFFERENCE, &row);
	}
}

/* Pairs that may be the same, one row each: the CRM's row before, QuickBooks' record after. */
static void
add_candidates(PlanRun *plan, const Decision *decision)
{
	Jsonb	   *candidates = json_of(decision->candidates);

	for (int i = 0; candidates && i < plan_json_count(candidates); i++)
	{
		Jsonb	   *candidate = plan_json_element(candidates, i);
		PlanRow		row = row_of(decision);

		row.crm_key = plan_json_text(candidate, "crm_key");
		row.before = plan_json_object(candidate, "crm_row");
		row.after = json_of(decision->theirs);
		row.detail = psprintf("score %s: %s", plan_json_text(candidate, "score"), plan_json_texts(candidate, "reasons"));
		if (row.crm_key)
			plan_add_decided(plan, row.crm_key);
		plan_add_row(plan, PLAN_CANDIDATE, &row);
	}
}

/* Does the next sync look at the CRM's row and compare? */
static bool
compares(const Decision *decision)
{
	return decision->action == DECISION_LINK || decision->action == DECISION_UPDATE || decision->action == DECISION_NONE;
}

/* What the CRM has otherwise than QuickBooks: it goes there, or stays where nothing of the mapping goes out. */
static void
add_sent(PlanRun *plan, const Decision *decision)
{
	PlanRow		row = row_of(decision);

	if (plan->send)
	{
		plan_note_sent(plan, decision);
		return;
	}
	row.reason = "changed in the CRM";
	row.to_quickbooks = json_of(decision->send);
	row.detail = "Nothing of this mapping goes to QuickBooks.";
	plan_add_row(plan, PLAN_KEPT, &row);
}

/* Everything that a decision means, its events applied. */
static void
show_decision(PlanRun *plan, const Decision *decision)
{
	PlanAction	action = action_of_decision[decision->action];
	PlanRow		row = row_of(decision);

	if (action == PLAN_CANDIDATE)
	{
		add_candidates(plan, decision);
		return;
	}
	row.detail = decision->detail;
	switch (action)
	{
		case PLAN_CREATE:
			row.after = json_of(decision->write);
			break;
		case PLAN_LINK:
		case PLAN_UPDATE:
			if (decision->write)
			{
				row.after = json_of(decision->write);
				row.before = plan_json_named(row.after, json_of(decision->ours));
			}
			break;
		case PLAN_DELETE:
			row.before = json_of(decision->ours);
			break;
		case PLAN_ERROR:
			row.reason = decision->problem ? decision->problem : decision->reason;
			break;
		default:
			break;
	}
	if (action != PLAN_NONE)
		plan_add_row(plan, action, &row);
	else if (decision->send == (Datum) 0)
		plan->counts[PLAN_NONE]++;
	if (compares(decision) && decision->send)
		add_sent(plan, decision);
	if (action == PLAN_LINK && decision->crm_key)
		plan_add_decided(plan, decision->crm_key);
	if (compares(decision))
	{
		add_conflicts(plan, decision);
		add_address_differences(plan, decision);
	}
}

/* Take a decision; one with events later, because the rules for them are read from a table. */
static void
add_decision(const Decision *decision, void *arg)
{
	PlanRun	   *plan = arg;
	MemoryContext caller;
	Decision   *copy;

	if (decision->events == 0 || !compares(decision))
	{
		show_decision(plan, decision);
		return;
	}
	caller = MemoryContextSwitchTo(plan->context);
	copy = palloc(sizeof(Decision));
	decision_copy(copy, decision);
	plan->eventful = lappend(plan->eventful, copy);
	MemoryContextSwitchTo(caller);
}

/* What events move, in words; NULL if nothing. */
static char *
moves_sentence(List *moves)
{
	StringInfoData sentence;
	ListCell   *cell;

	if (moves == NIL)
		return NULL;
	initStringInfo(&sentence);
	foreach(cell, moves)
	{
		Move	   *move = lfirst(cell);

		appendStringInfo(&sentence, "%sevent \"%s\" moves \"%s\" to \"%s\"",
						 foreach_current_index(cell) > 0 ? ", " : "", move->event, move->column, move->to);
	}
	return sentence.data;
}

/* Show the decisions with events: what the rules write for them, and what they do not allow. */
static void
add_eventful(PlanRun *plan)
{
	int			n = list_length(plan->eventful);
	Deed	   *deeds = palloc0(sizeof(Deed) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		deeds[i].decision = list_nth(plan->eventful, i);
		deeds[i].crm_key = deeds[i].decision->crm_key;
		deeds[i].write = deeds[i].decision->write;
	}
	event_apply(plan->mapping, deeds, n, NULL);
	for (int i = 0; i < n; i++)
	{
		Decision	decision = *deeds[i].decision;

		decision.write = deeds[i].write;
		decision.detail = moves_sentence(deeds[i].moves);
		if (decision.action == DECISION_NONE && decision.write)
		{
			decision.action = DECISION_UPDATE;
			decision.reason = pstrdup("something happened to it in QuickBooks");
		}
		show_decision(plan, &decision);
		if (deeds[i].refusal)
		{
			PlanRow		row = row_of(&decision);

			row.reason = deeds[i].refusal->problem;
			row.detail = deeds[i].refusal->detail;
			plan_add_row(plan, PLAN_ERROR, &row);
		}
	}
}

/* Rows of the CRM that no link and no row of the plan speaks of. */
static void
add_crm_only(PlanRun *plan, const char *statement, const char *detail)
{
	Rows	   *rows;
	TupleTableSlot *slot;

	rows_name("decided", plan->decided);
	rows = statement_read(statement, 0, NULL, NULL, NULL);
	rows_unname("decided");
	slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(rows->store, true, false, slot))
	{
		PlanRow		row = {.reason = "not in QuickBooks", .detail = detail};
		bool		isnull;
		Datum		value;

		row.crm_key = TextDatumGetCString(slot_getattr(slot, 1, &isnull));
		value = slot_getattr(slot, 2, &isnull);
		if (!isnull)
			row.name = TextDatumGetCString(value);
		plan_add_row(plan, PLAN_CRM_ONLY, &row);
	}
	ExecDropSingleTupleTableSlot(slot);
	rows_free(rows);
}

/* Make the plan, as the owner. */
static void
make_plan(PlanRun *plan)
{
	static SqlStatement select = {
		"SELECT s.addresses, s.crm_only, s.push_new, s.send, s.push FROM qbsync.plan_statements($1) s", 1, {INT4OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[] = {Int32GetDatum(plan->mapping->mapping_id)};
	char	   *crm_only;
	char	   *push_new;
	char	   *push;
	DecideRun  *run;

	if (sql_execute(&select, values, NULL) != 1)
		elog(ERROR, "mapping %d has no plan", plan->mapping->mapping_id);
	plan->addresses = DatumGetJsonbPCopy(sql_datum(0, 1, NULL));
	crm_only = sql_text(0, 2, context);
	push_new = sql_text(0, 3, context);
	plan->send = sql_text(0, 4, context);
	push = sql_text(0, 5, context);
	SPI_freetuptable(SPI_tuptable);

	plan->decided = rows_empty(lengthof(decided_names), decided_names, decided_types);
	plan->sent = plan_nothing_sent();
	plan->context = context;
	run = decide_begin(plan->mapping, 0);
	decide_each(run, add_decision, plan);
	add_eventful(plan);
	plan_add_sent(plan);
	plan_add_pushed(plan, push);
	add_crm_only(plan, crm_only, psprintf("push_new is %s", push_new));
	decide_end(run);
	rows_free(plan->decided);
	rows_free(plan->sent);
}

/* Names of the mappings that the caller may plan, for error details. */
static char *
names_sentence(List *names)
{
	StringInfoData sentence;
	ListCell   *cell;

	if (names == NIL)
		return pstrdup("There is no mapping whose role you are a member of.");
	initStringInfo(&sentence);
	appendStringInfoString(&sentence, "The mappings are: ");
	foreach(cell, names)
	{
		if (foreach_current_index(cell) > 0)
			appendStringInfoString(&sentence, ", ");
		appendStringInfo(&sentence, "%s", quote_literal_cstr(lfirst(cell)));
	}
	appendStringInfoChar(&sentence, '.');
	return sentence.data;
}

/* Refuse a caller who is no member of the mapping's role. */
static void
refuse_caller(const char *name, const char *role_name, Oid caller)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for mapping \"%s\"", name),
			 errdetail("Its view is read as role \"%s\", of which \"%s\" is not a member.", role_name, GetUserNameFromId(caller, false)),
			 errhint("GRANT %s TO %s, or ask a member of that role.", quote_identifier(role_name),
					 quote_identifier(GetUserNameFromId(caller, false)))));
}

/*
 * The number of the mapping of that name, which the caller may plan; of the only such one when name is NULL.  As the owner;
 * what the caller may not plan is not named in errors.
 */
static int32
find_mapping(const char *name, Oid caller)
{
	static SqlStatement select = {
		"SELECT m.mapping_id, m.name, m.role FROM qbsync.mapping m ORDER BY m.name", 0, {0}
	};
	MemoryContext context = CurrentMemoryContext;
	uint64		nrows = sql_execute(&select, NULL, NULL);
	int32		found = 0;
	List	   *names = NIL;

	for (uint64 i = 0; i < nrows; i++)
	{
		char	   *this_name = sql_text(i, 2, context);
		char	   *role_name = sql_text(i, 3, context);
		Oid			role = get_role_oid(role_name, true);
		/* of a role that is gone nobody is a member, but superusers are told so by mapping_load() */
		bool		allowed = OidIsValid(role) ? qbsync_can_become(caller, role) : superuser_arg(caller);

		if (name && strcmp(name, this_name) == 0 && !allowed)
			refuse_caller(this_name, role_name, caller);
		if (!allowed)
			continue;
		names = lappend(names, this_name);
		if (name == NULL || strcmp(name, this_name) == 0)
			found = DatumGetInt32(sql_datum(i, 1, NULL));
	}
	SPI_freetuptable(SPI_tuptable);
	if (name && found == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("mapping \"%s\" does not exist", name),
				 errdetail_internal("%s", names_sentence(names)),
				 errhint("Name one of them, or make a new one with qbsync_map or qbsync_map_table.")));
	if (name == NULL && list_length(names) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 names == NIL ? errmsg("there is no mapping") : errmsg("there are several mappings and none was named"),
				 errdetail_internal("%s", names_sentence(names)),
				 names == NIL ? errhint("Make one with qbsync_map or qbsync_map_table.") : errhint("Name one: mapping => '…'.")));
	return found;
}

/* The result: counts, then rows. */
static void
give_result(PlanRun *plan, ReturnSetInfo *result)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(plan->tupdesc, &TTSOpsMinimalTuple);

	for (int i = 0; i < PLAN_ACTIONS; i++)
	{
		Datum		values[NCOLUMNS];
		bool		nulls[NCOLUMNS];

		if (plan->counts[i] == 0)
			continue;
		memset(nulls, true, sizeof(nulls));
		put_text(values, nulls, COLUMN_ACTION, plan_action_names[i]);
		values[COLUMN_COUNT] = Int64GetDatum(plan->counts[i]);
		nulls[COLUMN_COUNT] = false;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	while (tuplestore_gettupleslot(plan->rows, true, false, slot))
		tuplestore_puttupleslot(result->setResult, slot);
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(plan->rows);
}

/* qbsync_plan(mapping text) RETURNS TABLE (…) */
Datum
qbsync_plan(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			caller = GetUserId();
	RoleFrame	frame;
	PlanRun		plan = {0};

	/* the code of a view that is being read has no business here, and would call itself for ever */
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot make a plan within security-restricted operation")));
	/* the CRM's code would replace the statements of the mapping whose turn it is */
	if (guard_in_apply_worker())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot make a plan in an apply worker")));
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	plan.tupdesc = result->setDesc;
	plan.rows = tuplestore_begin_heap(false, false, work_mem);
	plan.sees_bought = has_privs_of_role(caller, get_role_oid("qbsync_vendor_reader", false));
	role_enter_owner(&frame);
	plan.mapping = mapping_load(find_mapping(name, caller));
	if (plan.mapping == NULL)
		elog(ERROR, "the mapping is gone");
	make_plan(&plan);
	role_leave(&frame);
	give_result(&plan, result);
	SPI_finish();
	return (Datum) 0;
}
