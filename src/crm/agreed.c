/*
 * agreed.c
 *		qbsync.agreed(): what both sides agree on of a record once QuickBooks has carried out what was sent.
 *
 * One call per answer, in the statement that qbsync.sent_statement() makes; with aggregates over the mapping's columns it would take
 * several times as long.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "common/result_row.h"
#include "compat.h"
#include "crm/canonical.h"

PG_FUNCTION_INFO_V1(qbsync_agreed);

/* Arguments, and results. */
enum
{
	ARG_COLUMNS, ARG_CREATED, ARG_ONCE_MORE, ARG_SENT, ARG_OURS, ARG_THEIRS, ARG_LATER
};
enum
{
	OUT_NAMES, OUT_UNITS, OUT_BASE, OUT_CRM_BASE, OUT_COUNT
};

/* Elements of the argument columns for each of them: its name, the one it is sent as, its unit, whether it goes out. */
enum
{
	COLUMN_NAME, COLUMN_SENT_AS, COLUMN_UNIT, COLUMN_OUT, COLUMN_COUNT
};

/* A value that may be missing, which is not the same as null. */
typedef struct Member
{
	bool		there;
	JsonbValue	value;
} Member;

/* A member of a row. */
static Member
member(Jsonb *row, Datum name)
{
	text	   *key = DatumGetTextPP(name);
	Member		found = {false};

	found.there = row != NULL && getKeyJsonValueFromContainer(&row->root, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), &found.value) != NULL;
	return found;
}

/* Are both missing, or equal? */
static bool
same(const Member *a, const Member *b)
{
	return a->there == b->there && (!a->there || canonical_same(&a->value, &b->value));
}

/* Is what a later version shows of a column what was sent?  There a null is as good as nothing. */
static bool
same_as_sent(Jsonb *later, const Member *sent, Datum name)
{
	Member		shown = member(later, name);
	Member		given = *sent;

	shown.there &= shown.value.type != jbvNull;
	given.there &= given.value.type != jbvNull;
	return same(&shown, &given);
}

/* Put a column into a row; what is missing is null there. */
static void
put(CanonicalObject *row, Datum name, Member *member)
{
	text	   *key = DatumGetTextPP(name);

	if (!member->there)
		member->value.type = jbvNull;
	canonical_put(row, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), &member->value);
}

/* An object, {} if nothing was put into it. */
static Datum
finish(CanonicalObject *row)
{
	Jsonb	   *object = canonical_finish(row);

	return object ? JsonbPGetDatum(object) : DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
}

/*
 * qbsync.agreed(columns text[], created boolean, once_more boolean, sent jsonb, ours jsonb, theirs jsonb, later jsonb): for each column
 * that was sent, and after a creation for all that go out, what QuickBooks shows is agreed on; where a later version shows something
 * else than was sent, what the CRM showed.  Columns that QuickBooks did not empty and that are sent once more are left out.
 */
Datum
qbsync_agreed(PG_FUNCTION_ARGS)
{
	Datum	   *columns;
	int			ncolumns;
	bool		created = PG_GETARG_BOOL(ARG_CREATED);
	bool		once_more = PG_GETARG_BOOL(ARG_ONCE_MORE);
	Jsonb	   *sent = canonical_argument(fcinfo, ARG_SENT, "sent");
	Jsonb	   *ours = canonical_argument(fcinfo, ARG_OURS, "ours");
	Jsonb	   *theirs = canonical_argument(fcinfo, ARG_THEIRS, "theirs");
	Jsonb	   *later = canonical_argument(fcinfo, ARG_LATER, "later");
	Datum	   *names;
	Datum	   *units;
	int			n = 0;
	CanonicalObject base = {0};
	CanonicalObject crm_base = {0};
	Datum		values[OUT_COUNT];
	bool		nulls[OUT_COUNT] = {false};

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(ARG_COLUMNS), TEXTOID, -1, false, TYPALIGN_INT, &columns, NULL, &ncolumns);
	names = palloc(sizeof(Datum) * Max(ncolumns, 1));
	units = palloc(sizeof(Datum) * Max(ncolumns, 1));
	for (int i = 0; i + COLUMN_COUNT <= ncolumns; i += COLUMN_COUNT)
	{
		const Datum *column = &columns[i];
		Member		given = member(sent, column[COLUMN_SENT_AS]);
		Member		shown = member(theirs, column[COLUMN_NAME]);
		Member		ours_now = member(ours, column[COLUMN_NAME]);

		if (!given.there && !(created && *VARDATA_ANY(DatumGetTextPP(column[COLUMN_OUT])) == 't'))
			continue;
		if (once_more && (!given.there || canonical_empty(&given.value)) && shown.there)
			continue;
		if (later != NULL && !same_as_sent(later, &given, column[COLUMN_SENT_AS]))
			shown = ours_now;
		names[n] = column[COLUMN_NAME];
		units[n++] = column[COLUMN_UNIT];
		if (!same(&ours_now, &shown))
			put(&crm_base, column[COLUMN_NAME], &ours_now);
		if (shown.there)
			put(&base, column[COLUMN_NAME], &shown);
	}
	values[OUT_NAMES] = PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[OUT_UNITS] = PointerGetDatum(construct_array(units, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[OUT_BASE] = finish(&base);
	values[OUT_CRM_BASE] = finish(&crm_base);
	PG_RETURN_DATUM(result_row(fcinfo, values, nulls));
}
