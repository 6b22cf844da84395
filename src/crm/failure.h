/*
 * failure.h
 *		Records that could not be written, and mappings that cannot be worked.
 */
#ifndef QBSYNC_FAILURE_H
#define QBSYNC_FAILURE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/unit.h"
#include "crm/batch.h"

/* How long a record waits before it is tried again: doubled each time, from first to longest. */
typedef struct Backoff
{
	double		first;			/* seconds */
	double		longest;
} Backoff;

extern const Backoff failure_busy;	/* it will pass by itself soon */
extern const Backoff failure_refused;	/* somebody has to mend something */
extern const Backoff failure_waiting;	/* it is released by something else */

/* Rows for qbsync.crm_error, as lists that become arrays. */
typedef struct ErrorRows
{
	Batch		ids;
	Batch		crm_keys;		/* 0: that of the link, if there is one */
	Batch		problems;
	Batch		columns;
	Batch		details;
	Batch		sqlstates;
	Batch		waits_for;		/* text[] as text */
	Batch		backoffs;		/* as text, two numbers with a space between */
	Batch		watches;		/* as text: the watched table that crm_key is of; 0: the view */
} ErrorRows;

/* Append a row; texts may be NULL, waits_for (a text[]) may be 0. */
extern void failure_add(ErrorRows *rows, const char *id, const char *crm_key, const char *problem, const char *column,
						const char *detail, const char *sqlstate, Datum waits_for, const Backoff *backoff);

/* The same for a key of a watched table, of which it is not known what records it leads to. */
extern void failure_add_watched(ErrorRows *rows, int32 watch_id, const char *key, const char *problem, const char *detail,
								const char *sqlstate, const Backoff *backoff);

/* Write them, in a unit; what a record had before is replaced, its first time and its count go on. */
extern void failure_write(int32 mapping_id, const ErrorRows *rows);

/* Classes of errors. */
extern bool failure_is_busy(int sqlerrcode);	/* two sessions came into each other's way */
extern bool failure_is_refusal(int sqlerrcode); /* the CRM's rules about this very record */

/* The problem of a record that failed alone. */
extern const char *failure_problem(int sqlerrcode);

/* The mapping waits, with back-off, until the time returned (in a unit); LOG when its problem is another than before. */
extern TimestampTz failure_of_mapping(int32 mapping_id, const char *problem, const char *detail);

/* The mapping works (again), in a unit; LOG. */
extern void failure_over(int32 mapping_id, const char *mapping_name);

#endif							/* QBSYNC_FAILURE_H */
