/*
 * event.c
 *		Events in QuickBooks move columns of the CRM's document.  See event.h.
 *
 * A move that a rule does not allow is never lost: the event stays with the link, and is tried again whenever the record is
 * looked at, until the CRM's value is one from which it may be moved, or the one it would be moved to.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "common/unit.h"
#include "crm/batch.h"
#include "crm/event.h"

typedef struct EventRule
{
	char	   *event;
	char	   *column;
	char	   *to;
	int			nfrom;			/* -1: from any value */
	char	  **from;
} EventRule;

/* The elements of a text[]; *n: how many. */
static char **
text_array(Datum array, int *n)
{
	Datum	   *elements;
	bool	   *nulls;
	char	  **texts;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, n);
	texts = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		texts[i] = nulls[i] ? pstrdup("") : TextDatumGetCString(elements[i]);
	return texts;
}

/* The rules of a mapping in the order they are applied in. */
static List *
load_rules(int32 mapping_id)
{
	static SqlStatement select = {
		"SELECT r.event, r.column_name, r.to_value, r.from_values FROM qbsync.event_rule r"
		" WHERE r.mapping_id = $1 ORDER BY r.position, r.event_rule_id",
		1, {INT4OID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id)};
	uint64		rows = sql_execute(&select, values, NULL);
	List	   *rules = NIL;

	for (uint64 i = 0; i < rows; i++)
	{
		EventRule  *rule = palloc0(sizeof(EventRule));
		bool		isnull;
		Datum		from = sql_datum(i, 4, &isnull);

		rule->event = sql_text(i, 1, CurrentMemoryContext);
		rule->column = sql_text(i, 2, CurrentMemoryContext);
		rule->to = sql_text(i, 3, CurrentMemoryContext);
		rule->nfrom = -1;
		if (!isnull)
			rule->from = text_array(from, &rule->nfrom);
		rules = lappend(rules, rule);
	}
	SPI_freetuptable(SPI_tuptable);
	return rules;
}

/* A member of an object as text; false if it is not in it.  *value is NULL for null. */
static bool
member(Datum object, const char *name, char **value)
{
	JsonbValue	found;

	*value = NULL;
	if (object == (Datum) 0)
		return false;
	if (getKeyJsonValueFromContainer(&DatumGetJsonbP(object)->root, name, strlen(name), &found) == NULL)
		return false;
	switch (found.type)
	{
		case jbvString:
			*value = pnstrdup(found.val.string.val, found.val.string.len);
			break;
		case jbvNumeric:
			*value = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(found.val.numeric)));
			break;
		case jbvBool:
			*value = pstrdup(found.val.boolean ? "true" : "false");
			break;
		default:
			break;
	}
	return true;
}

/* What a column will hold after what is to be written already. */
static char *
current_value(const Deed *deed, const char *column)
{
	char	   *value;

	if (!member(deed->write, column, &value))
		(void) member(deed->decision->ours, column, &value);
	return value;
}

/* Add a column to what is written. */
static void
add_column(Deed *deed, const char *column, const char *value)
{
	StringInfoData json;
	Datum		object;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	escape_json(&json, column);
	appendStringInfoString(&json, ": ");
	escape_json(&json, value);
	appendStringInfoChar(&json, '}');
	object = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
	deed->write = deed->write == (Datum) 0 ? object : DirectFunctionCall2(jsonb_concat, deed->write, object);
}

/* May the column be moved from this value? */
static bool
allowed(const EventRule *rule, const char *from)
{
	if (rule->nfrom < 0)
		return true;
	for (int i = 0; from && i < rule->nfrom; i++)
		if (strcmp(rule->from[i], from) == 0)
			return true;
	return false;
}

/* Note that an event waits, and why. */
static void
refuse(Deed *deed, const EventRule *rule, const char *from, const Refusal *hold)
{
	Refusal    *refusal = palloc0(sizeof(Refusal));

	if (hold)
		*refusal = *hold;
	else
		refusal->detail = psprintf("Event \"%s\" would move column \"%s\" from \"%s\" to \"%s\".",
								   rule->event, rule->column, from ? from : "", rule->to);
	refusal->problem = "transition_not_allowed";
	refusal->column = rule->column;
	deed->refusal = refusal;
}

/* Apply one event; false if it has to wait. */
static bool
apply_event(Deed *deed, char *event, List *rules, const Refusal *hold)
{
	bool		done = true;
	ListCell   *cell;

	foreach(cell, rules)
	{
		const EventRule *rule = lfirst(cell);
		char	   *from;
		Move	   *move;

		if (strcmp(rule->event, event) != 0)
			continue;
		from = current_value(deed, rule->column);
		if (from && strcmp(from, rule->to) == 0)
			continue;
		if (hold || !allowed(rule, from))
		{
			if (deed->refusal == NULL)
				refuse(deed, rule, from, hold);
			done = false;
			continue;
		}
		add_column(deed, rule->column, rule->to);
		move = palloc0(sizeof(Move));
		move->event = event;
		move->column = rule->column;
		move->to = rule->to;
		deed->moves = lappend(deed->moves, move);
	}
	return done;
}

void
event_apply(const Mapping *mapping, Deed *deeds, int ndeeds, const Refusal *hold)
{
	List	   *rules = NIL;
	bool		loaded = false;

	for (int i = 0; i < ndeeds; i++)
	{
		Deed	   *deed = &deeds[i];
		DecisionAction action = deed->decision->action;
		Batch		left = {0};
		char	  **events;
		int			nevents;

		if (deed->decision->events == (Datum) 0)
			continue;
		if (action != DECISION_NONE && action != DECISION_UPDATE && action != DECISION_LINK)
		{
			/* they wait until the record can be looked at */
			deed->events_left = deed->decision->events;
			continue;
		}
		if (!loaded)
			rules = load_rules(mapping->mapping_id);
		loaded = true;
		events = text_array(deed->decision->events, &nevents);
		for (int j = 0; j < nevents; j++)
			if (!apply_event(deed, events[j], rules, hold))
				batch_add(&left, CStringGetTextDatum(events[j]));
		if (left.n > 0)
			deed->events_left = batch_array(&left, TEXTOID);
	}
}
