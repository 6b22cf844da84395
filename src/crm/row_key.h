/*
 * row_key.h
 *		crm_key of a row of the CRM, from columns of a table: the text that the statements of a mapping make of its view's key.
 */
#ifndef QBSYNC_ROW_KEY_H
#define QBSYNC_ROW_KEY_H

#include "postgres.h"

#include "access/attnum.h"
#include "access/tupdesc.h"

/* A column of a key, and how its values become text. */
typedef struct RowKeyColumn
{
	AttrNumber	column;
	Oid			type;			/* below any domain */
	Oid			function;		/* to text, or the type's output function */
	bool		is_cast;		/* it is to text */
	bool		is_integer;		/* int4 or int8, which most keys are */
} RowKeyColumn;

typedef struct RowKey
{
	int			n;
	RowKeyColumn *columns;
	bool		uses_settings;	/* the text of one of them depends on settings */
	bool		runs_code;		/* somebody else's function makes it: it may do anything, raise errors too */
} RowKey;

/* What is needed to make keys of a table's rows, of at most ROW_KEY_MAX columns; key->columns is palloc'd. */
extern void row_key_prepare(RowKey *key, TupleDesc desc, int n, const AttrNumber *columns);

/* Keys have no more columns than this. */
#define ROW_KEY_MAX 32

/*
 * The text of a key, palloc'd: that of its column, of several the text of a JSON array, under the settings that views are read
 * with.  NULL when a part is null: no record has such a key.  values and nulls are in the order of the key's columns.  Casts
 * run with the rights of the current role.
 */
extern text *row_key_text(const RowKey *key, const Datum *values, const bool *nulls);

#endif							/* QBSYNC_ROW_KEY_H */
