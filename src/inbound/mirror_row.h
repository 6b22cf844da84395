/*
 * mirror_row.h
 *		One record becomes one row, and the rows of its lines.
 */
#ifndef QBSYNC_MIRROR_ROW_H
#define QBSYNC_MIRROR_ROW_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

#include "inbound/mirror_path.h"
#include "inbound/mirror_table.h"
#include "quickbooks/catalogue.h"
#include "quickbooks/envelope.h"

/* No entity has more tables of lines. */
#define MIRROR_LINE_TABLES 4

/* The fixed columns of an entity's table, by place in attnums; the catalogue's follow. */
typedef enum RowColumn
{
	ROW_CONNECTION_ID,
	ROW_ID,
	ROW_SYNC_TOKEN,
	ROW_CREATE_TIME,
	ROW_LAST_UPDATED_TIME,
	ROW_RAW,
	ROW_DELETED_AT,
	ROW_SEEN_AT,
	ROW_FINGERPRINT,
	ROW_ALTERED,
	ROW_FIXED_COLUMNS
} RowColumn;

/* The fixed columns of a table of lines; the catalogue's follow. */
typedef enum LineColumn
{
	LINE_CONNECTION_ID,
	LINE_RECORD_ID,
	LINE_POSITION,
	LINE_FIXED_COLUMNS
} LineColumn;

/* A row being built: the numbers of its columns, and its values by number. */
typedef struct MirrorRow
{
	const AttrNumber *attnums;
	Datum	   *values;
	bool	   *isnull;
} MirrorRow;

/* What is needed to write one table of lines. */
typedef struct LinePlan
{
	const CatalogueLines *of;
	ColumnPaths *paths;
	FoundValue *found;			/* room for the values of one line */
	MirrorRoom	room;
} LinePlan;

/* What is needed to write one entity; made once, kept. */
typedef struct MirrorPlan
{
	const CatalogueEntity *entity;
	ColumnPaths *paths;
	FoundValue *found;			/* room for the values of one record */
	LinePlan   *lines;			/* one for each of its tables of lines */
	int			nlines;
	ColumnPaths *line_paths;	/* where they all are, and nothing else */
	FoundValue *earlier_lines;	/* room for those of one more record */
	MirrorRoom	room;			/* in its table */
	struct MirrorPlan *next;
} MirrorPlan;

extern MirrorPlan *mirror_plan(const CatalogueEntity *entity);

/* The numbers of the columns of the entity's table, or of one of its tables of lines, in a row type; in the current context. */
extern AttrNumber *mirror_row_columns(const MirrorPlan *plan, TupleDesc desc);
extern AttrNumber *mirror_lines_columns(const MirrorPlan *plan, int table, TupleDesc desc);

/* Open the entity's table, or one of its tables of lines. */
extern MirrorTable *mirror_row_open(MirrorPlan *plan, Snapshot snapshot);
extern MirrorTable *mirror_lines_open(MirrorPlan *plan, int table, Snapshot snapshot);

/* The record as jsonb, with what jsonb cannot hold replaced; raises an error if that is not enough. */
extern Jsonb *mirror_row_json(const Record *record);

/*
 * Fill a slot, all null before, from a record.  Fields whose value is of another type than their column stay null, their
 * names are appended to bad.  The datums point into json, or are in the current context.
 */
extern void mirror_row_fill(MirrorPlan *plan, MirrorTable *table, TupleTableSlot *slot, int connection_id,
							const Record *record, Jsonb *json, TimestampTz started, StringInfo bad);

/* A row of which nothing is known but that the record was deleted. */
extern void mirror_row_fill_deleted(MirrorTable *table, TupleTableSlot *slot, int connection_id, const Record *record,
									TimestampTz deleted_at, TimestampTz started);

/*
 * Are the lines of the record that mirror_row_fill() was last called for, in all its tables, byte by byte those of an earlier version,
 * so that the rows are there?
 */
extern bool mirror_lines_same(MirrorPlan *plan, Jsonb *earlier);

/* Insert the lines, for one of its tables of lines, of the record that mirror_row_fill() was last called for. */
extern void mirror_lines_insert(MirrorPlan *plan, int table, MirrorTable *lines, int connection_id, const Record *record,
								StringInfo bad);

/*
 * The same in parts, for rows of versions that are not written: look at a record; then the catalogue's columns of its row, and
 * those of one of its lines.  What is bad is not noted.
 */
extern void mirror_row_find(MirrorPlan *plan, JsonbContainer *record);
extern void mirror_row_fill_columns(MirrorPlan *plan, const MirrorRow *row);
extern void mirror_lines_fill_columns(LinePlan *plan, JsonbContainer *line, const MirrorRow *row);

/* How many lines has the record that was last looked at, and which is the nth, from 0?  NULL: it is no object. */
extern int	mirror_lines_count(const MirrorPlan *plan, int table);
extern JsonbContainer *mirror_lines_get(const MirrorPlan *plan, int table, int n);

/* Set a column of a row. */
static inline void
mirror_row_set(const MirrorRow *row, int place, Datum datum)
{
	AttrNumber	attnum = row->attnums[place];

	row->values[attnum - 1] = datum;
	row->isnull[attnum - 1] = false;
}

#endif							/* QBSYNC_MIRROR_ROW_H */
