/*
 * unit.h
 *		A unit of work: one short transaction of a worker, in which an error cannot escape.
 *
 * Every statement a worker runs is in a unit.  unit_run() takes a lock on the extension and checks that it is there in
 * the version this library was built for, so that DROP EXTENSION and ALTER EXTENSION UPDATE are safe at any moment.
 */
#ifndef QBSYNC_UNIT_H
#define QBSYNC_UNIT_H

#include "postgres.h"

#include "executor/spi.h"

typedef enum UnitResult
{
	UNIT_DONE,					/* committed */
	UNIT_FAILED,				/* an error was raised; rolled back; *error says what */
	UNIT_GONE,					/* the extension is not (or no longer) installed here; nothing was run */
	UNIT_VERSIONS_APART			/* library and extension versions differ; nothing was run */
} UnitResult;

/* What went wrong; texts are clipped, empty when the error did not say. */
typedef struct UnitError
{
	int			sqlerrcode;
	char		message[512];	/* primary message and detail */
	char		detail[512];
	char		hint[256];
	/* the object it is about, as the server names it */
	char		schema_name[NAMEDATALEN];
	char		table_name[NAMEDATALEN];
	char		column_name[NAMEDATALEN];
	char		constraint_name[NAMEDATALEN];
} UnitError;

typedef struct UnitOptions
{
	bool		repeatable_read;	/* every statement sees the same moment, taken after the lock on the extension */
} UnitOptions;

typedef void (*UnitWork) (void *arg);

/*
 * Run work(arg) in a transaction of its own with SPI connected and a snapshot pushed; commit, report statistics.  Called
 * without a transaction; leaves CurrentMemoryContext as it was.  activity: shown in pg_stat_activity.
 */
extern UnitResult unit_run(const char *activity, UnitWork work, void *arg, UnitError *error);

/* The same with options; NULL: none. */
extern UnitResult unit_run_with(const UnitOptions *options, const char *activity, UnitWork work, void *arg, UnitError *error);

/* In PG_CATCH, not in ErrorContext: what was raised, as a unit would say it. */
extern void unit_error_copy(UnitError *error);

/* What an error says, as far as everybody may read it, with the constraint it names; palloc'd. */
extern char *unit_error_words(const UnitError *error);

/*
 * In a unit: commit as that role.  Whatever user code has put off until commit (deferred triggers, cursors WITH HOLD) then runs
 * with the role's rights and cannot climb back; our own rights return when the transaction is over, committed or aborted.
 */
extern void unit_commit_as(Oid role);

/* UNIT_GONE or UNIT_VERSIONS_APART when the last unit was refused for that reason, else UNIT_DONE. */
extern UnitResult unit_refusal(void);

/* In a unit: this commit must be on disk (WAL flushed) before unit_run() returns, whatever synchronous_commit says. */
extern void unit_durable(void);

/*
 * In a unit: this commit need not be on disk before unit_run() returns.  For what is done again, all of it, should a crash take it
 * away; whatever is committed durably afterwards takes it along.
 */
extern void unit_not_durable(void);

/*
 * In a unit: plans made in it use indexes.  For statements whose tables are empty or small when they are planned, and grow by
 * thousands of rows before anybody analyzes them; such a plan is kept.
 */
extern void unit_use_indexes(void);

/* Prepared once, kept: a statement with its argument types. */
typedef struct SqlStatement
{
	const char *text;
	int			nargs;
	Oid			argtypes[20];
	SPIPlanPtr	plan;			/* filled at first use */
} SqlStatement;

/* Execute in a unit; raises an error unless it succeeds.  nulls as in SPI ('n'/' '), may be NULL.  Returns SPI_processed. */
extern uint64 sql_execute(SqlStatement *statement, Datum *values, const char *nulls);

/*
 * The same; its plan joins by nested loops over indexes only, however few rows it is made for: a join that reads a table whole would
 * go on doing so when that has grown.  For statements about a few hundred rows that are found by keys.
 */
extern uint64 sql_execute_by_index(SqlStatement *statement, Datum *values, const char *nulls);

/* A text column of a row of SPI_tuptable, palloc'd in the given context; NULL if null. */
extern char *sql_text(uint64 row, int column, MemoryContext context);

/* Datums of a row of SPI_tuptable; *isnull may be NULL where null cannot be. */
extern Datum sql_datum(uint64 row, int column, bool *isnull);

#endif							/* QBSYNC_UNIT_H */
