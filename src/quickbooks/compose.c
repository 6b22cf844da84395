/*
 * compose.c
 *		qbsync.compose(): columns become the JSON that QuickBooks is sent.
 *
 * An update is sparse: only what is to change, but an object inside the record (an address, a phone) as a whole, since
 * QuickBooks replaces it as a whole; so what of it has no column is taken along from the record.  A text is emptied by an empty
 * text.  References, numbers and dates cannot be emptied by a sparse update: then the whole record is sent, without the member,
 * which QuickBooks documents as emptying it; a record whose tax number is shown masked cannot be sent whole, since the mask
 * would become the number.  The same is asked for (leave_out) when QuickBooks took no notice of an empty text.
 *
 * Pure: what goes out follows from the arguments alone, so that the plan shows what the worker does, and a body made again from
 * the same record is the same body.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/result_row.h"
#include "compat.h"
#include "quickbooks/compose.h"

PG_FUNCTION_INFO_V1(qbsync_compose);

/* Members of a whole record that are not to be sent: computed by QuickBooks, or refused. */
static const char *const read_only_members[] = {
	"Balance", "BalanceWithJobs", "ClientEntityId", "CurrencyRef", "FullyQualifiedName", "Id", "IsProject", "Level", "MetaData",
	"OpenBalanceDate", "Source", "SyncToken", "V4IDPseudonym", "domain", "source", "sparse", "status"
};

/* Members that QuickBooks shows masked. */
static const char *const masked_members[] = {"PrimaryTaxIdentifier", "SecondaryTaxIdentifier"};

static JsonbValue
string_value(const char *string, int len)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = len;
	return value;
}

static bool
is_listed(const JsonbValue *name, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
		if (strlen(list[i]) == name->val.string.len && strncmp(list[i], name->val.string.val, name->val.string.len) == 0)
			return true;
	return false;
}

/* Length of the first member of a column's path. */
static int
top_length(const CatalogueColumn *column)
{
	return (int) strcspn(column->path, ".");
}

/* The member below the first, NULL when the path is a single one. */
static const char *
inner_member(const CatalogueColumn *column)
{
	const char *dot = strchr(column->path, '.');

	return dot ? dot + 1 : NULL;
}

static bool
is_reference(const CatalogueColumn *column)
{
	const char *inner = inner_member(column);

	return inner && strcmp(inner, "value") == 0;
}

/* Does an empty text empty it? */
static bool
empties_by_text(const Compose *compose, const CatalogueColumn *column)
{
	return (column->type == COLUMN_TEXT || column->type == COLUMN_EMAILS) && !is_reference(column) && !compose->leave_out;
}

/* May it be written here? */
static bool
is_writable(const Compose *compose, const CatalogueColumn *column)
{
	if (column->flags & COLUMN_CREATE_ONLY)
		return compose->id == NULL;
	return (column->flags & COLUMN_WRITABLE) != 0;
}

/* --- arguments ---------------------------------------------------------------------------------------------------- */

/* Is a value null, '' or []? */
static bool
is_empty(const JsonbValue *value)
{
	return value->type == jbvNull || (value->type == jbvString && value->val.string.len == 0) ||
		(value->type == jbvBinary && JsonContainerSize(value->val.binary.data) == 0);
}

/* Read the columns; a name the entity has not is a mistake of the caller. */
static void
read_columns(Compose *compose, Jsonb *columns)
{
	int			known = 0;

	for (const CatalogueColumn *column = compose->entity->columns; column->name; column++)
		compose->ncolumns++;
	compose->columns = palloc0(sizeof(ComposeColumn) * compose->ncolumns);
	for (int i = 0; i < compose->ncolumns; i++)
	{
		const CatalogueColumn *column = &compose->entity->columns[i];
		ComposeColumn *given = &compose->columns[i];
		JsonbValue *value = getKeyJsonValueFromContainer(&columns->root, column->name, strlen(column->name), &given->value);

		if (value == NULL)
			continue;
		known++;
		given->given = is_writable(compose, column);
		given->cleared = is_empty(value);
		/* there is nothing to be emptied yet */
		if (compose->id == NULL && given->cleared)
			given->given = false;
	}
	if (known != JB_ROOT_COUNT(columns))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not all of the columns are columns of \"%s\"", compose->entity->name)));
}

/* --- building ----------------------------------------------------------------------------------------------------- */

static void
push_member(JsonbParseState **state, const char *name, int len, JsonbValue *value)
{
	JsonbValue	key = string_value(name, len);

	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, value);
}

/* The addresses of a list as QuickBooks has them: one text. */
static JsonbValue
joined(const JsonbValue *list)
{
	JsonbIterator *iterator = JsonbIteratorInit(list->val.binary.data);
	JsonbValue	element;
	JsonbIteratorToken token;
	StringInfoData list_text;

	initStringInfo(&list_text);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (list_text.len > 0)
			appendStringInfoChar(&list_text, ',');
		appendBinaryStringInfo(&list_text, element.val.string.val, element.val.string.len);
	}
	return string_value(list_text.data, list_text.len);
}

/* A column's value as it is sent; of an emptied one the empty text. */
static JsonbValue
sent_value(const CatalogueColumn *column, const ComposeColumn *given)
{
	if (given->cleared)
		return string_value("", 0);
	if (column->type == COLUMN_EMAILS)
		return joined(&given->value);
	return given->value;
}

/* Find the column given that lies at a member of a top member. */
static int
column_at(const Compose *compose, const CatalogueColumn *sibling, const JsonbValue *inner)
{
	int			top = top_length(sibling);

	for (int i = 0; i < compose->ncolumns; i++)
	{
		const CatalogueColumn *column = &compose->entity->columns[i];
		const char *member = inner_member(column);

		if (compose->columns[i].given && member && top_length(column) == top && strncmp(column->path, sibling->path, top) == 0 &&
			strlen(member) == inner->val.string.len && strncmp(member, inner->val.string.val, inner->val.string.len) == 0)
			return i;
	}
	return -1;
}

/* Characters that PostgreSQL could not keep were replaced when they came; they are not to go back. */
static bool
was_altered(const JsonbValue *value)
{
	static const char replacement[] = "\xEF\xBF\xBD";

	if (value->type != jbvString)
		return false;
	for (int i = 0; i + 3 <= value->val.string.len; i++)
		if (strncmp(value->val.string.val + i, replacement, 3) == 0)
			return true;
	return false;
}

/*
 * What the record has at a top member beside the columns that are given; places on a map, which move with the address, are left
 * out.  Returns whether there is any, the address' own id not counted.
 */
static bool
push_kept_members(Compose *compose, const CatalogueColumn *first, JsonbParseState **state)
{
	JsonbValue	object;
	JsonbValue	key;
	JsonbValue	value;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	bool		any = false;

	if (compose->raw == NULL || getKeyJsonValueFromContainer(&compose->raw->root, first->path, top_length(first), &object) == NULL ||
		object.type != jbvBinary || !JsonContainerIsObject(object.val.binary.data))
		return false;
	iterator = JsonbIteratorInit(object.val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		static const char *const places[] = {"Lat", "Long"};
		static const char *const own[] = {"Id"};

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (is_listed(&key, places, lengthof(places)) || column_at(compose, first, &key) >= 0)
			continue;
		if (was_altered(&value))
			compose_refuse(compose, "send_bad_characters", first->name, "kept_bad_characters",
						   compose_quote(key.val.string.val, key.val.string.len), NULL);
		if (state)
			push_member(state, key.val.string.val, key.val.string.len, &value);
		any |= !is_listed(&key, own, lengthof(own));
	}
	return any;
}

/* Is a column that is given left out of the whole record, to be emptied? */
static bool
is_left_out(const Compose *compose, int column)
{
	return compose->whole && compose->columns[column].cleared && !empties_by_text(compose, &compose->entity->columns[column]);
}

/* Is a column that is given part of the same top member as another? */
static bool
is_beside(const Compose *compose, int column, const CatalogueColumn *other)
{
	const CatalogueColumn *it = &compose->entity->columns[column];

	return compose->columns[column].given && inner_member(it) != NULL && top_length(it) == top_length(other) &&
		strncmp(it->path, other->path, top_length(other)) == 0;
}

/* Does nothing stay of a top member in the whole record? */
static bool
is_emptied(Compose *compose, int first)
{
	const CatalogueColumn *column = &compose->entity->columns[first];

	if (inner_member(column) == NULL)
		return is_left_out(compose, first);
	for (int i = first; i < compose->ncolumns; i++)
		if (is_beside(compose, i, column) && !is_left_out(compose, i))
			return false;
	return is_reference(column) || !push_kept_members(compose, column, NULL);
}

/* A top member with all columns in it that are given; first is the first of them. */
static void
push_top(Compose *compose, int first, JsonbParseState **state)
{
	const CatalogueColumn *column = &compose->entity->columns[first];
	JsonbValue	value = sent_value(column, &compose->columns[first]);
	JsonbValue	key = string_value(column->path, top_length(column));

	if (is_emptied(compose, first))
		return;
	if (inner_member(column) == NULL)
	{
		push_member(state, column->path, top_length(column), &value);
		return;
	}
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	if (!is_reference(column))
		(void) push_kept_members(compose, column, state);
	for (int i = first; i < compose->ncolumns; i++)
	{
		const CatalogueColumn *other = &compose->entity->columns[i];

		if (!is_beside(compose, i, column) || is_left_out(compose, i))
			continue;
		value = sent_value(other, &compose->columns[i]);
		push_member(state, inner_member(other), strlen(inner_member(other)), &value);
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Was the top member of a column pushed with an earlier column? */
static bool
is_pushed(const Compose *compose, int column)
{
	const CatalogueColumn *columns = compose->entity->columns;
	int			top = top_length(&columns[column]);

	for (int i = 0; i < column; i++)
		if (compose->columns[i].given && top_length(&columns[i]) == top && strncmp(columns[i].path, columns[column].path, top) == 0)
			return true;
	return false;
}

/* Is a member of the record at the top of a column that is given? */
static bool
is_overwritten(const Compose *compose, const JsonbValue *name)
{
	for (int i = 0; i < compose->ncolumns; i++)
	{
		const CatalogueColumn *column = &compose->entity->columns[i];

		if (compose->columns[i].given && top_length(column) == name->val.string.len &&
			strncmp(column->path, name->val.string.val, name->val.string.len) == 0)
			return true;
	}
	return false;
}

/* What stays of the record when it is sent whole. */
static void
push_rest(Compose *compose, JsonbParseState **state)
{
	JsonbIterator *iterator = JsonbIteratorInit(&compose->raw->root);
	JsonbValue	key;
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (is_listed(&key, read_only_members, lengthof(read_only_members)) || is_overwritten(compose, &key))
			continue;
		if (is_listed(&key, masked_members, lengthof(masked_members)))
			compose_refuse(compose, "send_cannot_empty", NULL, "needs_whole", NULL, NULL);
		push_member(state, key.val.string.val, key.val.string.len, &value);
	}
}

/* Must the whole record be sent?  Names the column that needs it. */
static const CatalogueColumn *
needs_whole(const Compose *compose)
{
	for (int i = 0; i < compose->ncolumns; i++)
		if (compose->columns[i].given && compose->columns[i].cleared && !empties_by_text(compose, &compose->entity->columns[i]))
			return &compose->entity->columns[i];
	return NULL;
}

/* A sub-customer says that it is one. */
static void
push_job(const Compose *compose, JsonbParseState **state)
{
	const ComposeColumn *parent = compose_given(compose, "parent_id");
	JsonbValue	job = {.type = jbvBool};

	if (parent == NULL || strcmp(compose->entity->name, "customer") != 0 || compose_given(compose, "job"))
		return;
	job.val.boolean = !parent->cleared;
	push_member(state, "Job", 3, &job);
}

static char *
build(Compose *compose)
{
	JsonbParseState *state = NULL;
	const CatalogueColumn *whole = compose->id ? needs_whole(compose) : NULL;
	JsonbValue	yes = {.type = jbvBool};
	JsonbValue	member;
	JsonbValue *result;
	Jsonb	   *body;

	compose->whole = whole != NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (whole)
		push_rest(compose, &state);
	for (int i = 0; i < compose->ncolumns; i++)
	{
		const ComposeColumn *given = &compose->columns[i];

		if (given->given && !is_pushed(compose, i))
			push_top(compose, i, &state);
	}
	push_job(compose, &state);
	if (compose->id)
	{
		member = string_value(compose->id, strlen(compose->id));
		push_member(&state, "Id", 2, &member);
		member = string_value(compose->sync_token, strlen(compose->sync_token));
		push_member(&state, "SyncToken", 9, &member);
		yes.val.boolean = whole == NULL;
		push_member(&state, "sparse", 6, &yes);
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	if (compose->problem)
	{
		if (compose->column_name == NULL && whole)
			compose->column_name = whole->name;
		return NULL;
	}
	body = JsonbValueToJsonb(result);
	return JsonbToCString(NULL, &body->root, VARSIZE(body));
}

/* An object argument, NULL for null. */
static Jsonb *
object_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Jsonb	   *object = PG_ARGISNULL(argument) ? NULL : PG_GETARG_JSONB_P(argument);

	if (object && !JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", name)));
	return object;
}

/* What fills the places of the sentence, as text[]. */
static Datum
particulars(const Compose *compose)
{
	Datum		datums[lengthof(compose->particulars)];
	int			n = 0;

	while (n < lengthof(compose->particulars) && compose->particulars[n])
	{
		datums[n] = CStringGetTextDatum(compose->particulars[n]);
		n++;
	}
	return PointerGetDatum(construct_array(datums, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * qbsync.compose(entity, columns, raw, id, sync_token, leave_out): see compose.h.  Raises an error for an unknown entity, columns it does
 * not have, and an update without record and SyncToken; what QuickBooks would refuse is in the result.
 */
Datum
qbsync_compose(PG_FUNCTION_ARGS)
{
	Compose		compose = {0};
	Jsonb	   *columns = object_argument(fcinfo, 1, "columns");
	Datum		values[5];
	bool		nulls[5] = {true, true, true, true, true};
	char	   *body = NULL;

	compose.entity = PG_ARGISNULL(0) ? NULL : catalogue_find(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (compose.entity == NULL || (compose.entity->flags & ENTITY_WRITABLE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("entity \"%s\" cannot be written", PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	compose.raw = object_argument(fcinfo, 2, "raw");
	compose.id = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	compose.sync_token = PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4));
	compose.leave_out = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	if (columns == NULL || (compose.id == NULL) != (compose.raw == NULL) || (compose.id == NULL) != (compose.sync_token == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an update needs columns, record, id and SyncToken, a creation columns alone")));

	read_columns(&compose, columns);
	compose_check(&compose);
	if (compose.problem == NULL)
		body = build(&compose);
	nulls[0] = body == NULL;
	values[0] = body ? CStringGetTextDatum(body) : (Datum) 0;
	if (compose.problem)
	{
		nulls[1] = nulls[3] = nulls[4] = false;
		values[1] = CStringGetTextDatum(compose.problem);
		values[3] = CStringGetTextDatum(compose.sentence);
		values[4] = particulars(&compose);
		nulls[2] = compose.column_name == NULL;
		values[2] = compose.column_name ? CStringGetTextDatum(compose.column_name) : (Datum) 0;
	}
	PG_RETURN_DATUM(result_row(fcinfo, values, nulls));
}
