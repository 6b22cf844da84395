/*
 * mirror_path.h
 *		Where the columns of a table are in a record: paths of the catalogue, compiled, and found in one walk.
 */
#ifndef QBSYNC_MIRROR_PATH_H
#define QBSYNC_MIRROR_PATH_H

#include "postgres.h"

#include "quickbooks/catalogue.h"
#include "utils/jsonb.h"

typedef struct PathNode PathNode;

typedef struct ColumnPaths
{
	const CatalogueColumn *columns;
	int			ncolumns;
	int			nplaces;		/* ncolumns, and one more for each table of lines */
	PathNode   *root;
} ColumnPaths;

/* What a walk found, by column. */
typedef struct FoundValue
{
	JsonbValue	value;			/* points into the jsonb */
	int			rank;			/* 0: nothing; otherwise 1 + the number of the alternative it was found by */
} FoundValue;

/*
 * Compile the paths of columns (ended by a NULL name), and those of tables of lines (ended by a NULL table) or NULL, which
 * are found at the places from ncolumns on.  Allocated in the current context.
 */
extern ColumnPaths *column_paths_compile(const CatalogueColumn *columns, const CatalogueLines *lines);

/* Find the values of all columns in an object; found has nplaces elements, and is overwritten. */
extern void column_paths_find(const ColumnPaths *paths, JsonbContainer *object, FoundValue *found);

#endif							/* QBSYNC_MIRROR_PATH_H */
