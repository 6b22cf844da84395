/*
 * statement.h
 *		Running a mapping's statements, in a transaction with SPI connected, as the mapping's role or as the owner.
 *
 * The text is prepared each time: a turn takes hundreds of records, and views of the CRM change under us.  Those few that a sweep
 * runs in each of its turns keep their plans, until the mapping's statements are made anew; the server plans them again when what
 * they name was altered.  So does the statement that decides, which takes longer to plan than to run for a few records.
 */
#ifndef QBSYNC_STATEMENT_H
#define QBSYNC_STATEMENT_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "tcop/dest.h"
#include "utils/tuplestore.h"

#include "crm/mapping.h"

/* Rows that a statement gave, kept after it. */
typedef struct Rows
{
	TupleDesc	tupdesc;		/* texts have collation "C"; NULL: the statement gives no rows */
	Tuplestorestate *store;
	int64		n;				/* rows given; without tupdesc: rows written */
} Rows;

/*
 * Run as the role (role_enter … role_leave around it) or as the owner (whoever is the user); the rows go to a tuplestore in
 * CurrentMemoryContext (spills to disk beyond work_mem).  values/nulls: as in SPI.  Each sees what was written before it.
 */
extern Rows *statement_rows_as_role(const Mapping *mapping, const char *statement, int nargs, Oid *types, Datum *values, const char *nulls);
extern Rows *statement_rows(const char *statement, int nargs, Oid *types, Datum *values, const char *nulls);

/* The same for reading: with the active snapshot, nothing may be written (role_enter_reading … role_leave around it). */
extern Rows *statement_read_as_role(const Mapping *mapping, const char *statement, int nargs, Oid *types, Datum *values, const char *nulls);
extern Rows *statement_read(const char *statement, int nargs, Oid *types, Datum *values, const char *nulls);

/* Read as the owner, each row to a receiver that must not use SPI; returns their number. */
extern uint64 statement_receive(const char *statement, int nargs, Oid *types, Datum *values, const char *nulls, DestReceiver *receiver);

/* The same, its plan kept. */
extern uint64 statement_receive_kept(const char *statement, int nargs, Oid *types, Datum *values, DestReceiver *receiver);

/*
 * The same for a statement that is planned once for each size, from 0: what else a plan may depend on, such as whether named rows are
 * few.
 */
extern uint64 statement_receive_planned(const char *statement, int size, int nargs, Oid *types, Datum *values, DestReceiver *receiver);

/* Write as the role, the plan kept, each row that comes back to a receiver that must not use SPI; returns how many were written. */
extern uint64 statement_write_kept_as_role(const Mapping *mapping, const char *statement, DestReceiver *receiver);

/* Forget what was kept; none of it may be running. */
extern void statement_forget(void);

/*
 * The rows with columns of those names; an error unless they have exactly those types.  What the CRM's code gives is
 * believed only so.
 */
extern void rows_expect(Rows *rows, int ncolumns, const char *const *names, const Oid *types);

/* Make rows readable by name in the owner's statements that follow (a named tuplestore), until rows_unname() or SPI_finish(). */
extern void rows_name(const char *name, Rows *rows);
extern void rows_unname(const char *name);

/* Append the rows of other to rows (same columns). */
extern void rows_append(Rows *rows, Rows *other);

/* Give up the rows, which no statement may be reading. */
extern void rows_free(Rows *rows);

/* No rows, with columns of those names and types; see decide.c for those of crm_row, crm_match and match_pair. */
extern Rows *rows_empty(int ncolumns, const char *const *names, const Oid *types);

/* No rows yet, with the columns of a statement as a receiver is told them, from the first-th (from 1) on. */
extern Rows *rows_like(TupleDesc columns, int first);

#endif							/* QBSYNC_STATEMENT_H */
