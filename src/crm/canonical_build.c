/*
 * canonical_build.c
 *		qbsync.canonical(): a canonical row from names and values, in one pass.
 *
 * Every record that is decided about becomes a canonical row, most of whose columns are empty.  The server's
 * jsonb_build_object() makes a tree of all of them, which is sorted and then written, and leaving out the empty ones reads and
 * writes it again.  Here the names are sorted once for a statement, and the bytes are written where they belong.  The format
 * is that of the disk, which no version changes (utils/jsonb.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "compat.h"
#include "crm/canonical.h"
#include "crm/merge.h"

PG_FUNCTION_INFO_V1(qbsync_canonical);

#define MEMBERS_MAX (FUNC_MAX_ARGS / 2)

/* A name, and the argument after it. */
typedef struct Member
{
	char	   *name;
	int			len;
	int			argument;
	Oid			type;
} Member;

/* What is the same for all calls of one place in a statement; names are in jsonb's order. */
typedef struct Shape
{
	int			n;
	Member		members[MEMBERS_MAX];
} Shape;

/* A value that is not empty. */
typedef struct Value
{
	const Member *member;
	JEntry		kind;			/* JENTRY_IS… */
	const char *bytes;
	int			len;
	int			padding;		/* before it, for alignment */
} Value;

/* The name given as an argument: a literal, so it is there and the same in every call. */
static char *
member_name(FunctionCallInfo fcinfo, int argument)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, argument);

	if (PG_ARGISNULL(argument) || !get_fn_expr_arg_stable(fcinfo->flinfo, argument) || (type != UNKNOWNOID && type != TEXTOID))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument %d must be a name, as a literal", argument + 1)));
	return type == UNKNOWNOID ? PG_GETARG_CSTRING(argument) : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

static int
compare_members(const void *a, const void *b)
{
	const Member *x = a;
	const Member *y = b;

	return merge_compare_keys(x->name, x->len, y->name, y->len);
}

/* Find out what the calls have in common; kept as long as the statement's state. */
static Shape *
make_shape(FunctionCallInfo fcinfo)
{
	Shape	   *shape = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Shape));

	if (PG_NARGS() % 2 != 0 || get_fn_expr_variadic(fcinfo->flinfo))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("names and values must come in pairs")));
	for (int i = 0; i < PG_NARGS(); i += 2)
	{
		Member	   *member = &shape->members[shape->n++];

		member->name = MemoryContextStrdup(fcinfo->flinfo->fn_mcxt, member_name(fcinfo, i));
		member->len = strlen(member->name);
		member->argument = i + 1;
		member->type = get_fn_expr_argtype(fcinfo->flinfo, i + 1);
	}
	qsort(shape->members, shape->n, sizeof(Member), compare_members);
	for (int i = 1; i < shape->n; i++)
		if (compare_members(&shape->members[i - 1], &shape->members[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("name \"%s\" is given twice", shape->members[i].name)));
	return shape;
}

static void
set_value(Value *value, JEntry kind, const void *bytes, int len)
{
	value->kind = kind;
	value->bytes = bytes;
	value->len = len;
}

static void
set_numeric(Value *value, Numeric numeric)
{
	set_value(value, JENTRY_ISNUMERIC, numeric, VARSIZE_ANY(numeric));
}

/* A date or a time, as JSON has it. */
static void
set_time(Value *value, Datum time, Oid type)
{
	char	   *words = palloc(MAXDATELEN + 1);

	(void) JsonEncodeDateTime(words, time, type, NULL);
	set_value(value, JENTRY_ISSTRING, words, strlen(words));
}

/* A jsonb; false if it is empty. */
static bool
set_jsonb(Value *value, Jsonb *json)
{
	JsonbValue	scalar;

	if (!JB_ROOT_IS_SCALAR(json))
	{
		JsonbValue	whole = {.type = jbvBinary};

		whole.val.binary.data = &json->root;
		whole.val.binary.len = VARSIZE(json) - VARHDRSZ;
		canonical_clean(&whole);
		set_value(value, JENTRY_ISCONTAINER, whole.val.binary.data, whole.val.binary.len);
		return whole.type != jbvNull;
	}
	(void) JsonbExtractScalar(&json->root, &scalar);
	if (canonical_empty(&scalar))
		return false;
	if (scalar.type == jbvString)
		set_value(value, JENTRY_ISSTRING, scalar.val.string.val, scalar.val.string.len);
	else if (scalar.type == jbvNumeric)
		set_numeric(value, scalar.val.numeric);
	else
		set_value(value, scalar.val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE, NULL, 0);
	return true;
}

/* The entry of the index-th key, value or element, which ends at that offset. */
static inline JEntry
make_entry(int index, JEntry kind, int len, int end)
{
	return index % JB_OFFSET_STRIDE == 0 ? kind | end | JENTRY_HAS_OFF : kind | len;
}

/* A text[] becomes a list, without its empty elements as in canonical_clean(); false if that is empty. */
static bool
set_list(Value *value, ArrayType *array)
{
	Datum	   *elements;
	bool	   *nulls;
	int			all;
	int			n = 0;
	JsonbContainer *list;
	char	   *begin;
	int			at = 0;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &all);
	for (int i = 0; i < all; i++)
		if (!nulls[i] && VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i])) > 0)
			elements[n++] = elements[i];
	if (n == 0)
		return false;
	/* the strings take no more than the array, which has them with their headers */
	list = palloc(offsetof(JsonbContainer, children) + sizeof(JEntry) * n + VARSIZE(array));
	list->header = n | JB_FARRAY;
	begin = (char *) &list->children[n];
	for (int i = 0; i < n; i++)
	{
		int			len = VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i]));

		memcpy(begin + at, VARDATA_ANY(DatumGetPointer(elements[i])), len);
		at += len;
		list->children[i] = make_entry(i, JENTRY_ISSTRING, len, at);
	}
	set_value(value, JENTRY_ISCONTAINER, (char *) list, begin + at - (char *) list);
	return true;
}

/* A value that is not null, as JSON; false if it is empty. */
static bool
get_value(FunctionCallInfo fcinfo, const Member *member, Value *value)
{
	value->member = member;
	switch (member->type)
	{
		case TEXTOID:
		case VARCHAROID:
			{
				text	   *word = PG_GETARG_TEXT_PP(member->argument);

				set_value(value, JENTRY_ISSTRING, VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word));
				return value->len > 0;
			}
		case BOOLOID:
			set_value(value, PG_GETARG_BOOL(member->argument) ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE, NULL, 0);
			return true;
		case NUMERICOID:
			{
				Numeric		numeric = PG_GETARG_NUMERIC(member->argument);

				if (numeric_is_nan(numeric) || numeric_is_inf(numeric))
					elog(ERROR, "\"%s\" is not a number", member->name);
				set_numeric(value, numeric);
				return true;
			}
		case INT4OID:
			set_numeric(value, int64_to_numeric(PG_GETARG_INT32(member->argument)));
			return true;
		case DATEOID:
		case TIMESTAMPTZOID:
			set_time(value, PG_GETARG_DATUM(member->argument), member->type);
			return true;
		case JSONBOID:
			return set_jsonb(value, PG_GETARG_JSONB_P(member->argument));
		case TEXTARRAYOID:
			return set_list(value, PG_GETARG_ARRAYTYPE_P(member->argument));
		default:
			elog(ERROR, "\"%s\" has type %u, which no mirror column has", member->name, member->type);
	}
	return false;
}

/* Write an object of values, which take size bytes with their names and padding. */
static Jsonb *
write_object(Value *values, int n, int size)
{
	int			whole = VARHDRSZ + sizeof(JsonbContainer) + sizeof(JEntry) * 2 * n + size;
	Jsonb	   *json = palloc(whole);
	char	   *begin;
	int			at = 0;

	SET_VARSIZE(json, whole);
	json->root.header = n | JB_FOBJECT;
	begin = (char *) &json->root.children[2 * n];
	for (int i = 0; i < n; i++)
	{
		const Member *member = values[i].member;

		memcpy(begin + at, member->name, member->len);
		at += member->len;
		json->root.children[i] = make_entry(i, JENTRY_ISSTRING, member->len, at);
	}
	for (int i = 0; i < n; i++)
	{
		const Value *value = &values[i];

		memset(begin + at, 0, value->padding);
		at += value->padding;
		if (value->len > 0)
			memcpy(begin + at, value->bytes, value->len);
		at += value->len;
		json->root.children[n + i] = make_entry(n + i, value->kind, value->padding + value->len, at);
	}
	return json;
}

/* qbsync.canonical(VARIADIC "any") RETURNS jsonb */
Datum
qbsync_canonical(PG_FUNCTION_ARGS)
{
	Shape	   *shape = fcinfo->flinfo->fn_extra;
	Value		values[MEMBERS_MAX];
	int			n = 0;
	int64		size = 0;

	if (shape == NULL)
		fcinfo->flinfo->fn_extra = shape = make_shape(fcinfo);
	for (int i = 0; i < shape->n; i++)
	{
		const Member *member = &shape->members[i];

		if (PG_ARGISNULL(member->argument) || !get_value(fcinfo, member, &values[n]))
			continue;
		size += member->len;
		n++;
	}
	for (int i = 0; i < n; i++)
	{
		bool		aligned = values[i].kind == JENTRY_ISNUMERIC || values[i].kind == JENTRY_ISCONTAINER;

		values[i].padding = aligned ? INTALIGN(size) - size : 0;
		size += values[i].padding + values[i].len;
	}
	if (size > JENTRY_OFFLENMASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a record is too large")));
	PG_RETURN_JSONB_P(write_object(values, n, (int) size));
}
