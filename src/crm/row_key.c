/*
 * row_key.c
 *		crm_key of a row of the CRM.  See row_key.h.
 *
 * Triggers make the key from a table's row, the statements of a mapping (qbsync.crm_key_expression) from its view's: both must
 * come to the same text.  So a value becomes text as CAST (… AS text) makes it, under the settings of role.c.
 */
#include "postgres.h"

#include "fmgr.h"

#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "crm/row_key.h"

/* Is the text of a value of this type the same under all settings?  Others are made under fixed ones, which takes longer. */
static bool
is_independent(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case BOOLOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case CHAROID:
		case UUIDOID:
		case OIDOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
			return true;
		default:
			/* an enum's or citext's is, too, but a new type may be anything */
			return false;
	}
}

void
row_key_prepare(RowKey *key, TupleDesc desc, int n, const AttrNumber *columns)
{
	memset(key, 0, sizeof(RowKey));
	key->n = n;
	key->columns = palloc0(sizeof(RowKeyColumn) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		RowKeyColumn *column = &key->columns[i];
		bool		varlena;

		column->column = columns[i];
		column->type = getBaseType(TupleDescAttr(desc, columns[i] - 1)->atttypid);
		column->is_integer = column->type == INT4OID || column->type == INT8OID;
		column->is_cast = find_coercion_pathway(TEXTOID, column->type, COERCION_EXPLICIT, &column->function) == COERCION_PATH_FUNC &&
			get_func_nargs(column->function) == 1;
		if (!column->is_cast)
			getTypeOutputInfo(column->type, &column->function, &varlena);
		key->uses_settings |= !is_independent(column->type);
		key->runs_code |= column->type >= FirstNormalObjectId || column->function >= FirstNormalObjectId;
	}
}

static text *
value_text(const RowKeyColumn *column, Datum value)
{
	if (column->is_integer)
	{
		text	   *digits = palloc(VARHDRSZ + MAXINT8LEN + 1);
		int			length = column->type == INT4OID ? pg_ltoa(DatumGetInt32(value), VARDATA(digits)) :
			pg_lltoa(DatumGetInt64(value), VARDATA(digits));

		SET_VARSIZE(digits, VARHDRSZ + length);
		return digits;
	}
	if (column->type == TEXTOID || column->type == VARCHAROID)
		return DatumGetTextPCopy(value);
	if (column->is_cast)
		return DatumGetTextP(OidFunctionCall1Coll(column->function, DEFAULT_COLLATION_OID, value));
	return cstring_to_text(OidOutputFunctionCall(column->function, value));
}

/* The key as the settings are now. */
static text *
key_text(const RowKey *key, const Datum *values)
{
	StringInfoData array;

	if (key->n == 1)
		return value_text(&key->columns[0], values[0]);
	initStringInfo(&array);
	for (int i = 0; i < key->n; i++)
	{
		appendStringInfoString(&array, i == 0 ? "[" : ", ");
		escape_json(&array, text_to_cstring(value_text(&key->columns[i], values[i])));
	}
	appendStringInfoChar(&array, ']');
	return cstring_to_text_with_len(array.data, array.len);
}

text *
row_key_text(const RowKey *key, const Datum *values, const bool *nulls)
{
	static const char *const settings[][2] = {
		{"DateStyle", "ISO, YMD"}, {"IntervalStyle", "postgres"}, {"TimeZone", "UTC"}, {"extra_float_digits", "1"}, {"bytea_output", "hex"}
	};
	text	   *result;
	int			nest;

	for (int i = 0; i < key->n; i++)
		if (nulls[i])
			return NULL;
	if (!key->uses_settings)
		return key_text(key, values);
	nest = NewGUCNestLevel();
	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	result = key_text(key, values);
	AtEOXact_GUC(false, nest);
	return result;
}
