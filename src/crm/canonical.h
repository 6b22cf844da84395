/*
 * canonical.h
 *		Canonical rows: what a record says, as a jsonb object of catalogue columns, the same from the CRM and from QuickBooks.
 */
#ifndef QBSYNC_CANONICAL_H
#define QBSYNC_CANONICAL_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"

/* An object that comes into being with its first member; starts as {0}. */
typedef struct CanonicalObject
{
	JsonbParseState *state;
	bool		begun;
} CanonicalObject;

/* Reads an object's members in order of their keys; see canonical_reader(). */
typedef struct CanonicalReader
{
	JsonbContainer *object;
	char	   *data;
	int			count;
	int			next;
	uint32		key_offset;
	uint32		value_offset;
} CanonicalReader;

/* Begins to read row, an object or NULL for one without members. */
extern void canonical_reader(CanonicalReader *reader, Jsonb *row);

/*
 * The next member, false when there are no more.  name is not terminated; a value that is an object or list is jbvBinary;
 * both point into the row.
 */
extern bool canonical_next(CanonicalReader *reader, const char **name, int *len, JsonbValue *value);

/* An argument of an SQL function that is an object, else an error that calls it name; NULL for null, also JSON's. */
extern Jsonb *canonical_argument(FunctionCallInfo fcinfo, int argument, const char *name);

/* Is a value null, '' or []? */
extern bool canonical_empty(const JsonbValue *value);

/* Makes a value, as it is read, canonical: what is empty becomes jbvNull, a list loses its nulls and empty texts. */
extern void canonical_clean(JsonbValue *value);

/* Are two values, as they are read, equal?  Empty ones must be jbvNull. */
extern bool canonical_same(const JsonbValue *a, const JsonbValue *b);

/* Adds a member; name and value must live until canonical_finish(). */
extern void canonical_put(CanonicalObject *object, const char *name, int len, const JsonbValue *value);

/* The finished object, NULL when nothing was ever put into it. */
extern Jsonb *canonical_finish(CanonicalObject *object);

/*
 * crm_base after written was written and the CRM showed shown: of what was written, that which is shown otherwise, as it is
 * shown; the rest as in crm_base.  Objects, each may be NULL, also the result when it is empty.
 */
extern Jsonb *canonical_shown(Jsonb *written, Jsonb *shown, Jsonb *crm_base);

#endif							/* QBSYNC_CANONICAL_H */
