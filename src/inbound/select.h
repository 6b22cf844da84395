/*
 * select.h
 *		Statements of QuickBooks' query language that the mirror needs.
 *
 * Only what the documentation promises is used: no OR, no Id ranges, no ORDERBY Id; name lists always ask for inactive
 * records too (EXT-10).  All results are palloc'd.
 */
#ifndef QBSYNC_SELECT_H
#define QBSYNC_SELECT_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "quickbooks/catalogue.h"

/* Most rows one query answer may hold (§3.2 of Intuit's rules). */
#define SELECT_MAX_ROWS 1000

/* Ids asked for at once. */
#define SELECT_MAX_IDS 100

/* An unknown time; as the lower bound of a window: none (the upper one: DT_NOEND). */
#define SELECT_NO_TIME DT_NOBEGIN

/* Rows in order of creation, from a 0-based position. */
extern char *select_page(const CatalogueEntity *entity, int64 position, int count);

/* How many rows were created in [from, before). */
extern char *select_count(const CatalogueEntity *entity, TimestampTz from, TimestampTz before);

/* The rows created in [from, before), from a 0-based position. */
extern char *select_created(const CatalogueEntity *entity, TimestampTz from, TimestampTz before, int64 position,
							int count);

/* The rows changed at or after a time, oldest change first, from a 0-based position. */
extern char *select_changed(const CatalogueEntity *entity, TimestampTz since, int64 position, int count);

/* The rows last changed in that second and created at or after a time, oldest first, from a 0-based position. */
extern char *select_changed_at(const CatalogueEntity *entity, TimestampTz second, TimestampTz created, int64 position,
							   int count);

/* The exchange rates of some currencies (a comma-separated list) on a day (YYYY-MM-DD). */
extern char *select_rates(const char *currencies, const char *day);

/* The rows with these ids. */
extern char *select_ids(const CatalogueEntity *entity, const char *const *ids, int nids);

/* The rows that have a text in a property. */
extern char *select_value(const CatalogueEntity *entity, const char *property, const char *value);

/* A time as Intuit reads it, "2026-11-22T11:14:15Z" (whole seconds, rounded down). */
extern char *select_time(TimestampTz time);

#endif							/* QBSYNC_SELECT_H */
