/*
 * mirror.h
 *		Records of a page become rows of the mirror tables.
 *
 * In one pass per page: look which of the ids are there and with which fingerprint, drop the unchanged, insert the new
 * in batches, update the changed, replace their lines.  Newer wins by the start of the request that brought a
 * version (seen_at): a page never overwrites or revives what a later request has already fetched or seen deleted.
 */
#ifndef QBSYNC_MIRROR_H
#define QBSYNC_MIRROR_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "quickbooks/catalogue.h"
#include "quickbooks/envelope.h"

typedef struct MirrorCounts
{
	int64		inserted;
	int64		updated;
	int64		unchanged;
	int64		deleted;		/* newly marked as deleted */
	int64		stale;			/* a later request knew better */
	int64		moved;			/* traces of merges: records wait to be looked up (mirror_moved.h) */
	int64		bad;			/* records that could not be stored; they are in qbsync.error */
} MirrorCounts;

/*
 * Apply records of one entity, in a unit of work (transaction, SPI connected).  started: when the request that brought
 * them began.  notify: send NOTIFY qbsync at commit (not during the first load).  Bad records are isolated into
 * qbsync.error, one row each, and leave it when they are stored later.  Adds to *counts.
 */
extern void mirror_apply(int connection_id, const char *connection_name, const CatalogueEntity *entity,
						 const Record *records, int nrecords, TimestampTz started, bool notify,
						 MirrorCounts *counts);

/*
 * The same for records that we wrote ourselves, each asked for at a time of its own; who calls hands them to the mappings
 * (mirror_arrival_append_answers()).
 */
extern void mirror_apply_answers(int connection_id, const char *connection_name, const CatalogueEntity *entity,
								 const Record *records, const TimestampTz *times, int nrecords, bool notify,
								 MirrorCounts *counts);

/* Mark ids as deleted (they were looked for and are not there), under the same rule of time. */
extern void mirror_mark_deleted(int connection_id, const char *connection_name, const CatalogueEntity *entity,
								const char *const *ids, int nids, TimestampTz started, bool notify,
								MirrorCounts *counts);

/* In a unit: may records of an entity be stored for a company (setting vendors)? */
extern bool mirror_is_wanted(int connection_id, const CatalogueEntity *entity);

#endif							/* QBSYNC_MIRROR_H */
