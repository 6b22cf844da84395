/*
 * plan_json.c
 *		Taking JSON values apart for the plan.  See plan_json.h.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "crm/plan_json.h"

/* The object or array that a value is; NULL if it is neither. */
static Jsonb *
container_of(JsonbValue *value)
{
	return value && value->type == jbvBinary ? JsonbValueToJsonb(value) : NULL;
}

/* A scalar as text; NULL for null and what is no scalar. */
static char *
scalar_text(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

/* A member of an object; NULL if there is none. */
static JsonbValue *
find(Jsonb *object, const char *name)
{
	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return NULL;
	return getKeyJsonValueFromContainer(&object->root, name, strlen(name), NULL);
}

int
plan_json_count(Jsonb *value)
{
	return value ? JB_ROOT_COUNT(value) : 0;
}

Jsonb *
plan_json_element(Jsonb *array, int i)
{
	return container_of(getIthJsonbValueFromContainer(&array->root, i));
}

Jsonb *
plan_json_member(Jsonb *object, int i, char **name)
{
	JsonbIterator *it = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	int			place = -1;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY && ++place == i && name)
			*name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && place == i)
			return container_of(&value);
	}
	return NULL;
}

Jsonb *
plan_json_object(Jsonb *object, const char *name)
{
	return container_of(find(object, name));
}

char *
plan_json_text(Jsonb *object, const char *name)
{
	JsonbValue *value = find(object, name);

	return value ? scalar_text(value) : NULL;
}

char *
plan_json_texts(Jsonb *object, const char *name)
{
	Jsonb	   *array = plan_json_object(object, name);
	StringInfoData texts;

	initStringInfo(&texts);
	for (int i = 0; i < plan_json_count(array); i++)
	{
		char	   *element = scalar_text(getIthJsonbValueFromContainer(&array->root, i));

		appendStringInfo(&texts, "%s%s", i > 0 ? ", " : "", element ? element : "");
	}
	return texts.data;
}

/* Push a member, null for NULL. */
static void
push_member(JsonbParseState **state, JsonbValue *name, JsonbValue *value)
{
	JsonbValue	null_value = {.type = jbvNull};

	(void) pushJsonbValue(state, WJB_KEY, name);
	(void) pushJsonbValue(state, WJB_VALUE, value ? value : &null_value);
}

Jsonb *
plan_json_named(Jsonb *names, Jsonb *values)
{
	JsonbIterator *it = JsonbIteratorInit(&names->root);
	JsonbParseState *state = NULL;
	JsonbIteratorToken token;
	JsonbValue	name;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			push_member(&state, &name, values == NULL ? NULL :
						getKeyJsonValueFromContainer(&values->root, name.val.string.val, name.val.string.len, NULL));
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
plan_json_present(Jsonb *columns, Jsonb *values)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < plan_json_count(columns); i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(&columns->root, i);
		JsonbValue *value = getKeyJsonValueFromContainer(&values->root, name->val.string.val, name->val.string.len, NULL);

		if (value)
			push_member(&state, name, value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

bool
plan_json_equal(Jsonb *a, Jsonb *b)
{
	return compareJsonbContainers(&a->root, &b->root) == 0;
}

/* Push a time as text, under that name. */
static void
push_time(JsonbParseState **state, const char *name, TimestampTz at)
{
	JsonbValue	key = {.type = jbvString};
	JsonbValue	value = {.type = jbvString};

	key.val.string.val = pstrdup(name);
	key.val.string.len = strlen(name);
	if (at != 0)
	{
		value.val.string.val = DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(at)));
		value.val.string.len = strlen(value.val.string.val);
	}
	push_member(state, &key, at != 0 ? &value : NULL);
}

Jsonb *
plan_json_with_times(Jsonb *conflict, TimestampTz ours_at, TimestampTz theirs_at)
{
	JsonbIterator *it = JsonbIteratorInit(&conflict->root);
	JsonbParseState *state = NULL;
	JsonbIteratorToken token;
	JsonbValue	value;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY || token == WJB_VALUE)
			(void) pushJsonbValue(&state, token, &value);
	}
	push_time(&state, "ours_at", ours_at);
	push_time(&state, "theirs_at", theirs_at);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
