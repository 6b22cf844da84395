/*
 * statement.h
 *		Running a mapping's statements, in a transaction with SPI connected, as the mapping's role or as the owner.
 *
 * The text is prepared each time: a turn takes hundreds of records, and views of the CRM change under us.
 */
#ifndef QBSYNC_STATEMENT_H
#define QBSYNC_STATEMENT_H

#include "postgres.h"

#include "utils/tuplestore.h"

#include "crm/mapping.h"

/* Rows that a statement gave, kept after it. */
typedef struct Rows
{
	TupleDesc	tupdesc;
	Tuplestorestate *store;
	int64		n;
} Rows;

/*
 * Run as the role (role_enter … role_leave around it) or as the owner; the rows go to a tuplestore in CurrentMemoryContext
 * (spills to disk beyond work_mem).  values/nulls: as in SPI.
 */
extern Rows *statement_rows_as_role(const Mapping *mapping, const char *text, int nargs, Oid *types, Datum *values, const char *nulls);
extern Rows *statement_rows(const char *text, int nargs, Oid *types, Datum *values, const char *nulls);

/* Make rows readable by name in the owner's statements that follow (a named tuplestore), until rows_unname() or SPI_finish(). */
extern void rows_name(const char *name, Rows *rows);
extern void rows_unname(const char *name);

/* Append the rows of other to rows (same columns). */
extern void rows_append(Rows *rows, Rows *other);

/* An empty tuplestore with the columns of a statement's result: crm_row, crm_match, match_pair before they are filled. */
extern Rows *rows_empty_crm_row(void);
extern Rows *rows_empty_crm_match(void);
extern Rows *rows_empty_match_pair(void);

#endif							/* QBSYNC_STATEMENT_H */
