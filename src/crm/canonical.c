/*
 * canonical.c
 *		Canonical rows: what is empty, what is equal, and the small functions of SQL about them.
 *
 * A value is empty when it is missing, null, '' or []: QuickBooks does not tell these apart, and CRMs each in their own way.
 * Empty values are left out of rows, and empty elements out of lists (canonical_clean()).  Numbers are equal by value (100.1 is 100.10), text by bytes.
 *
 * Rows are read here and not by the server's iterator, which takes twice as long: merging reads four rows for each link, and
 * mostly finds nothing to do.  The format is that of the disk, which no version changes.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "compat.h"
#include "crm/canonical.h"

PG_FUNCTION_INFO_V1(qbsync_crm_shown);
PG_FUNCTION_INFO_V1(qbsync_strip);
PG_FUNCTION_INFO_V1(qbsync_column_names);

static bool has_empty_element(const JsonbContainer *list);
static bool find(Jsonb *row, const char *name, int len, JsonbValue *value);

void
canonical_reader(CanonicalReader *reader, Jsonb *row)
{
	memset(reader, 0, sizeof(CanonicalReader));
	if (row == NULL)
		return;
	Assert(JB_ROOT_IS_OBJECT(row));
	reader->object = &row->root;
	reader->count = JsonContainerSize(reader->object);
	/* first the entries of all keys, then those of all values, then what they describe in the same order */
	reader->data = (char *) &reader->object->children[reader->count * 2];
	reader->value_offset = getJsonbOffset(reader->object, reader->count);
}

bool
canonical_next(CanonicalReader *reader, const char **name, int *len, JsonbValue *value)
{
	JEntry		entry;
	uint32		start;

	if (reader->next >= reader->count)
		return false;

	*name = reader->data + reader->key_offset;
	start = reader->key_offset;
	JBE_ADVANCE_OFFSET(reader->key_offset, reader->object->children[reader->next]);
	*len = reader->key_offset - start;

	entry = reader->object->children[reader->count + reader->next];
	start = reader->value_offset;
	JBE_ADVANCE_OFFSET(reader->value_offset, entry);
	if (JBE_ISSTRING(entry))
	{
		value->type = jbvString;
		value->val.string.val = reader->data + start;
		value->val.string.len = reader->value_offset - start;
	}
	else if (JBE_ISNUMERIC(entry))
	{
		value->type = jbvNumeric;
		value->val.numeric = (Numeric) (reader->data + INTALIGN(start));
	}
	else if (JBE_ISBOOL(entry))
	{
		value->type = jbvBool;
		value->val.boolean = JBE_ISBOOL_TRUE(entry);
	}
	else if (JBE_ISCONTAINER(entry))
	{
		value->type = jbvBinary;
		value->val.binary.data = (JsonbContainer *) (reader->data + INTALIGN(start));
		value->val.binary.len = reader->value_offset - INTALIGN(start);
	}
	else
		value->type = jbvNull;
	reader->next++;
	return true;
}

Jsonb *
canonical_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Jsonb	   *json;

	if (PG_ARGISNULL(argument))
		return NULL;
	json = PG_GETARG_JSONB_P(argument);
	if (JB_ROOT_IS_SCALAR(json))
	{
		JsonbValue	scalar;

		if (JsonbExtractScalar(&json->root, &scalar) && scalar.type == jbvNull)
			return NULL;
	}
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", name)));
	return json;
}

bool
canonical_empty(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return true;
		case jbvString:
			return value->val.string.len == 0;
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) && JsonContainerSize(value->val.binary.data) == 0;
		default:
			return false;
	}
}

/* Has a list a null or an empty text?  Elements are looked at by their entries alone: most lists are as they should be. */
static bool
has_empty_element(const JsonbContainer *list)
{
	for (uint32 i = 0; i < JsonContainerSize(list); i++)
	{
		JEntry		entry = list->children[i];

		if (JBE_ISNULL(entry) || (JBE_ISSTRING(entry) && getJsonbLength(list, i) == 0))
			return true;
	}
	return false;
}

void
canonical_clean(JsonbValue *value)
{
	if (value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data) && has_empty_element(value->val.binary.data))
	{
		JsonbContainer *list = value->val.binary.data;
		JsonbParseState *state = NULL;
		Jsonb	   *cleaned;

		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		for (uint32 i = 0; i < JsonContainerSize(list); i++)
		{
			JsonbValue *element = getIthJsonbValueFromContainer(list, i);

			if (element->type != jbvNull && (element->type != jbvString || element->val.string.len > 0))
				pushJsonbValue(&state, WJB_ELEM, element);
		}
		cleaned = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
		value->val.binary.data = &cleaned->root;
		value->val.binary.len = VARSIZE(cleaned) - VARHDRSZ;
	}
	if (canonical_empty(value))
		value->type = jbvNull;
}

bool
canonical_same(const JsonbValue *a, const JsonbValue *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type)
	{
		case jbvNull:
			return true;
		case jbvString:
			return a->val.string.len == b->val.string.len &&
				memcmp(a->val.string.val, b->val.string.val, a->val.string.len) == 0;
		case jbvNumeric:
			return DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(a->val.numeric),
													NumericGetDatum(b->val.numeric)));
		case jbvBool:
			return a->val.boolean == b->val.boolean;
		case jbvBinary:
			if (a->val.binary.len == b->val.binary.len && memcmp(a->val.binary.data, b->val.binary.data, a->val.binary.len) == 0)
				return true;
			return compareJsonbContainers(a->val.binary.data, b->val.binary.data) == 0;
		default:
			elog(ERROR, "unexpected kind of JSON value: %d", (int) a->type);
	}
	return false;
}

void
canonical_put(CanonicalObject *object, const char *name, int len, const JsonbValue *value)
{
	JsonbValue	key = {.type = jbvString};
	JsonbValue	copy = *value;

	if (!object->begun)
		pushJsonbValue(&object->state, WJB_BEGIN_OBJECT, NULL);
	object->begun = true;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = len;
	pushJsonbValue(&object->state, WJB_KEY, &key);
	pushJsonbValue(&object->state, WJB_VALUE, &copy);
}

Jsonb *
canonical_finish(CanonicalObject *object)
{
	if (!object->begun)
		return NULL;
	return JsonbValueToJsonb(pushJsonbValue(&object->state, WJB_END_OBJECT, NULL));
}

/* qbsync.strip(jsonb) RETURNS jsonb; strict.  Most rows have nothing empty: they are given back as they are. */
Datum
qbsync_strip(PG_FUNCTION_ARGS)
{
	Jsonb	   *row = canonical_argument(fcinfo, 0, "row");
	CanonicalObject object = {0};
	CanonicalReader reader;
	const char *name;
	int			len;
	JsonbValue	value;
	bool		unclean = false;

	if (row == NULL)
		PG_RETURN_NULL();
	canonical_reader(&reader, row);
	while (!unclean && canonical_next(&reader, &name, &len, &value))
		unclean = canonical_empty(&value) || (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data) &&
											  has_empty_element(value.val.binary.data));
	if (!unclean)
		PG_RETURN_JSONB_P(row);

	pushJsonbValue(&object.state, WJB_BEGIN_OBJECT, NULL);
	object.begun = true;
	canonical_reader(&reader, row);
	while (canonical_next(&reader, &name, &len, &value))
	{
		canonical_clean(&value);
		if (value.type != jbvNull)
			canonical_put(&object, name, len, &value);
	}
	PG_RETURN_JSONB_P(canonical_finish(&object));
}

/* For what was written only what came of it counts; what was not written stays as it is. */
Jsonb *
canonical_shown(Jsonb *written, Jsonb *shown, Jsonb *crm_base)
{
	CanonicalObject object = {0};
	CanonicalReader reader;
	const char *name;
	int			len;
	JsonbValue	value;
	JsonbValue	other;

	canonical_reader(&reader, crm_base);
	while (canonical_next(&reader, &name, &len, &value))
	{
		if (!find(written, name, len, &other))
			canonical_put(&object, name, len, &value);
	}
	canonical_reader(&reader, written);
	while (canonical_next(&reader, &name, &len, &value))
	{
		canonical_clean(&value);
		(void) find(shown, name, len, &other);
		if (!canonical_same(&value, &other))
			canonical_put(&object, name, len, &other);
	}
	return canonical_finish(&object);
}

/* qbsync.crm_shown(written jsonb, shown jsonb, crm_base jsonb) RETURNS jsonb */
Datum
qbsync_crm_shown(PG_FUNCTION_ARGS)
{
	Jsonb	   *result = canonical_shown(canonical_argument(fcinfo, 0, "written"), canonical_argument(fcinfo, 1, "shown"),
										 canonical_argument(fcinfo, 2, "crm_base"));

	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* For qsort: by bytes. */
static int
compare_names(const void *a, const void *b)
{
	const JsonbValue *left = a;
	const JsonbValue *right = b;
	int			order = memcmp(left->val.string.val, right->val.string.val, Min(left->val.string.len, right->val.string.len));

	return order != 0 ? order : left->val.string.len - right->val.string.len;
}

/* qbsync.column_names("row" jsonb) RETURNS jsonb */
Datum
qbsync_column_names(PG_FUNCTION_ARGS)
{
	CanonicalReader reader;
	JsonbParseState *state = NULL;
	JsonbValue *names;
	JsonbValue *list;
	JsonbValue	value;
	const char *name;
	int			len;
	int			n = 0;

	canonical_reader(&reader, canonical_argument(fcinfo, 0, "row"));
	names = palloc(sizeof(JsonbValue) * Max(reader.count, 1));
	while (canonical_next(&reader, &name, &len, &value))
	{
		names[n].type = jbvString;
		names[n].val.string.val = unconstify(char *, name);
		names[n++].val.string.len = len;
	}
	qsort(names, n, sizeof(JsonbValue), compare_names);
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
		(void) pushJsonbValue(&state, WJB_ELEM, &names[i]);
	list = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(list));
}

/* Is name in row, which may be NULL?  value becomes what is there, jbvNull when that is empty or not there. */
static bool
find(Jsonb *row, const char *name, int len, JsonbValue *value)
{
	value->type = jbvNull;
	if (row == NULL || getKeyJsonValueFromContainer(&row->root, name, len, value) == NULL)
		return false;
	canonical_clean(value);
	return true;
}
