/*
 * merge_rules.c
 *		Reads the rules of qbsync.merge(), and refuses what is not meant.
 *
 * The extension makes them itself (qbsync.merge_rules()), so a mistake in them is one of ours.  It must be an error and
 * never a default: a column that is in no unit would not be synced, one in two would be written twice, and a direction
 * that is forgotten would be taken for open.  Members not known here are left alone.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "crm/merge.h"

/* Bytes of a name that an error shows. */
#define SHOWN_NAME 63

static void compile_unit(MergeRules *rules, MergeUnit *unit, JsonbValue *value, int *room);
static void compile_columns(MergeRules *rules, MergeUnit *unit, JsonbValue *list, int *room);
static bool get_bool(const MergeUnit *unit, JsonbContainer *object, const char *member, bool required);
static MergeAuthority get_authority(const MergeUnit *unit, const char *member, JsonbValue *value);
static void sort_columns(MergeRules *rules);
static int	compare_positions(const void *a, const void *b, void *columns);
static void refuse(const MergeUnit *unit, const char *detail);

MergeRules *
merge_compile(Jsonb *json)
{
	MergeRules *rules = palloc0(sizeof(MergeRules));
	JsonbValue *units = NULL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	key;
	int			room = 0;

	if (JB_ROOT_IS_OBJECT(json))
		units = getKeyJsonValueFromContainer(&json->root, "units", 5, NULL);
	if (units == NULL || units->type != jbvBinary || !JsonContainerIsObject(units->val.binary.data))
		refuse(NULL, "They have no object \"units\".");

	rules->units = palloc0(sizeof(MergeUnit) * Max(JsonContainerSize(units->val.binary.data), 1));
	it = JsonbIteratorInit(units->val.binary.data);
	(void) JsonbIteratorNext(&it, &key, false);
	while ((token = JsonbIteratorNext(&it, &key, true)) == WJB_KEY)
	{
		MergeUnit  *unit = &rules->units[rules->nunits];
		JsonbValue	value;

		unit->name = key.val.string.val;
		unit->len = key.val.string.len;
		(void) JsonbIteratorNext(&it, &value, true);
		compile_unit(rules, unit, &value, &room);
		rules->nunits++;
	}
	sort_columns(rules);
	return rules;
}

/* One unit; its columns are numbered as they come, sort_columns() gives them their numbers. */
static void
compile_unit(MergeRules *rules, MergeUnit *unit, JsonbValue *value, int *room)
{
	JsonbContainer *object;
	JsonbValue *list;
	JsonbValue *once_agreed;

	if (unit->len == 0)
		refuse(NULL, "A unit has no name.");
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		refuse(unit, "It is not an object.");
	object = value->val.binary.data;
	unit->in = get_bool(unit, object, "in", true);
	unit->out = get_bool(unit, object, "out", true);
	unit->address = get_bool(unit, object, "address", false);
	unit->authority = get_authority(unit, "authority", getKeyJsonValueFromContainer(object, "authority", 9, NULL));
	once_agreed = getKeyJsonValueFromContainer(object, "once_agreed", 11, NULL);
	unit->once_agreed = once_agreed == NULL ? unit->authority : get_authority(unit, "once_agreed", once_agreed);
	list = getKeyJsonValueFromContainer(object, "columns", 7, NULL);
	if (list == NULL || list->type != jbvBinary || !JsonContainerIsArray(list->val.binary.data) ||
		JsonContainerSize(list->val.binary.data) == 0)
		refuse(unit, "Its \"columns\" are not a list of names.");
	compile_columns(rules, unit, list, room);
}

/* Appends a unit's columns to those of the rules; *room is how many they have room for. */
static void
compile_columns(MergeRules *rules, MergeUnit *unit, JsonbValue *list, int *room)
{
	JsonbIterator *it = JsonbIteratorInit(list->val.binary.data);
	JsonbValue	element;
	int			count = JsonContainerSize(list->val.binary.data);

	unit->columns = palloc(sizeof(int) * count);
	if (rules->ncolumns + count > *room)
	{
		*room = rules->ncolumns + count + 64;
		rules->columns = rules->columns == NULL ? palloc(sizeof(MergeColumn) * *room)
			: repalloc(rules->columns, sizeof(MergeColumn) * *room);
	}
	(void) JsonbIteratorNext(&it, &element, false);
	while (JsonbIteratorNext(&it, &element, true) == WJB_ELEM)
	{
		if (element.type != jbvString || element.val.string.len == 0)
			refuse(unit, "Its \"columns\" are not a list of names.");
		rules->columns[rules->ncolumns].name = element.val.string.val;
		rules->columns[rules->ncolumns].len = element.val.string.len;
		unit->columns[unit->ncolumns++] = rules->ncolumns++;
	}
}

/* A boolean member; false when it is not there and need not be. */
static bool
get_bool(const MergeUnit *unit, JsonbContainer *object, const char *member, bool required)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, member, strlen(member), NULL);

	if (value == NULL && !required)
		return false;
	if (value == NULL || value->type != jbvBool)
		refuse(unit, psprintf("Its \"%s\" is neither true nor false.", member));
	return value->val.boolean;
}

/* The value of one of the two members that name an authority; NULL: it is not there. */
static MergeAuthority
get_authority(const MergeUnit *unit, const char *member, JsonbValue *value)
{
	static const struct
	{
		const char *name;
		MergeAuthority authority;
	}			known[] = {
		{"three_way", AUTHORITY_THREE_WAY},
		{"crm", AUTHORITY_CRM},
		{"qbo", AUTHORITY_QBO},
		{"newest", AUTHORITY_NEWEST},
		{"manual", AUTHORITY_MANUAL},
	};

	if (value != NULL && value->type == jbvString)
	{
		for (int i = 0; i < lengthof(known); i++)
		{
			if (value->val.string.len == strlen(known[i].name) &&
				memcmp(value->val.string.val, known[i].name, value->val.string.len) == 0)
				return known[i].authority;
		}
	}
	refuse(unit, psprintf("Its \"%s\" is none of three_way, crm, qbo, newest, manual.", member));
	return AUTHORITY_THREE_WAY; /* not reached */
}

/* Puts the columns in jsonb's order, and the units' numbers with them; no column may appear twice. */
static void
sort_columns(MergeRules *rules)
{
	int		   *order = palloc(sizeof(int) * Max(rules->ncolumns, 1));
	int		   *number = palloc(sizeof(int) * Max(rules->ncolumns, 1));
	MergeColumn *sorted = palloc(sizeof(MergeColumn) * Max(rules->ncolumns, 1));

	for (int i = 0; i < rules->ncolumns; i++)
		order[i] = i;
	qsort_arg(order, rules->ncolumns, sizeof(int), compare_positions, rules->columns);
	for (int i = 0; i < rules->ncolumns; i++)
	{
		sorted[i] = rules->columns[order[i]];
		number[order[i]] = i;
		if (i > 0 && merge_compare_keys(sorted[i - 1].name, sorted[i - 1].len, sorted[i].name, sorted[i].len) == 0)
			refuse(NULL, psprintf("Column \"%.*s\" is there twice.",
								  pg_mbcliplen(sorted[i].name, sorted[i].len, SHOWN_NAME), sorted[i].name));
	}
	for (int u = 0; u < rules->nunits; u++)
	{
		for (int c = 0; c < rules->units[u].ncolumns; c++)
			rules->units[u].columns[c] = number[rules->units[u].columns[c]];
	}
	rules->columns = sorted;
	pfree(order);
	pfree(number);
}

static int
compare_positions(const void *a, const void *b, void *columns)
{
	const MergeColumn *left = &((const MergeColumn *) columns)[*(const int *) a];
	const MergeColumn *right = &((const MergeColumn *) columns)[*(const int *) b];

	return merge_compare_keys(left->name, left->len, right->name, right->len);
}

/* Raises the error; detail is about the unit, if one is named. */
static void
refuse(const MergeUnit *unit, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("merge rules are not valid"),
			 unit == NULL ? errdetail("%s", detail)
			 : errdetail("Unit \"%.*s\": %s", pg_mbcliplen(unit->name, unit->len, SHOWN_NAME), unit->name, detail),
			 errhint("qbsync.merge_rules() makes the rules of a mapping.")));
}
