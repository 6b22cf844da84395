/*
 * lookup.h
 *		Fetching records by id: those of ours that were not in an answer that should have held them.
 *
 * "Not in this list" may be a shift between pages; only a record that is not found by its id either is marked deleted,
 * and a failed request never is a "not found" (EXT-8).  What is to be looked up stands in qbsync.lookup, so that a crash
 * forgets nothing.
 */
#ifndef QBSYNC_LOOKUP_H
#define QBSYNC_LOOKUP_H

#include "postgres.h"

#include "inbound/answer.h"

/*
 * In a unit: note our rows that lie in the range of creation times of an answer, and are not in it.  The range is
 * range[0] <= time < range[1] where given, and otherwise (NULL) strictly between the first and the last record: at the
 * edges of a page equal times may be on the neighbouring one.  Rows fetched after started are left alone.
 */
extern void lookup_note_missing(Company *company, const CatalogueEntity *entity, const Record *records, int nrecords,
								const TimestampTz *range, TimestampTz started);

typedef void (*LookupDone) (Company *company, void *arg);

/* A flow that looks up all that is noted, for when nothing else runs. */
extern void lookup_start(Company *company);

/* Look up all that is noted for the company, then call done.  Part of a flow. */
extern void lookup_run(Company *company, LookupDone done, void *arg);

#endif							/* QBSYNC_LOOKUP_H */
