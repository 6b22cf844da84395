/*
 * compose.h
 *		Columns become the body of a write, after everything that can be known beforehand was checked.
 */
#ifndef QBSYNC_COMPOSE_H
#define QBSYNC_COMPOSE_H

#include "postgres.h"

#include "quickbooks/catalogue.h"
#include "utils/jsonb.h"

/* A column that is to be written. */
typedef struct ComposeColumn
{
	bool		given;
	bool		cleared;		/* given, and empty */
	JsonbValue	value;			/* points into the argument */
} ComposeColumn;

typedef struct Compose
{
	const CatalogueEntity *entity;
	int			ncolumns;
	ComposeColumn *columns;		/* as in the catalogue */
	Jsonb	   *raw;			/* the record as it is in QuickBooks, NULL: it is to be created */
	const char *id;				/* NULL with raw */
	const char *sync_token;
	bool		leave_out;		/* texts, too, are emptied by leaving them out of the whole record */
	bool		whole;			/* the whole record is sent */

	/* why it cannot be sent; problem NULL: it can */
	const char *problem;		/* code of qbsync.problem */
	const char *column_name;
	const char *sentence;		/* label of kind compose that says it */
	const char *particulars[2];	/* what fills its places; NULL behind the last */
} Compose;

/* The column of that name, NULL when the entity has none or it is not given. */
extern const ComposeColumn *compose_given(const Compose *compose, const char *name);

/*
 * Say why it cannot be sent; the first reason stays.  sentence: a label of kind compose (19_label_compose.sql); first, second: what
 * fills its places, NULL behind the last.
 */
extern void compose_refuse(Compose *compose, const char *problem, const char *column_name, const char *sentence,
						   const char *first, const char *second);

/* The beginning of a value, for a particular. */
extern const char *compose_quote(const char *string, int len);

/* Check all columns by the catalogue and by QuickBooks' rules; sets the problem. */
extern void compose_check(Compose *compose);

#endif							/* QBSYNC_COMPOSE_H */
