/*
 * heard.h
 *		What webhooks told of is read.
 *
 * The notes stand in qbsync.webhook_event (33_webhook.sql), merges in qbsync.merged (38_merged.sql); SQL decides what is
 * news and how it is read, this module asks it when the company is free.
 */
#ifndef QBSYNC_HEARD_H
#define QBSYNC_HEARD_H

#include "postgres.h"

#include "quickbooks/company.h"

/*
 * For a live company without a flow: sort the notes, if there may be some.  Sets next_poll and must_lookup where something is to
 * be read.  Returns when to come back: 0 when nothing waits, later than now when the company has used up what it may spend on
 * webhooks.
 */
extern TimestampTz heard_sort(Company *company);

/* In the unit of a poll that was not cut off: the notes made before it are done with.  True: some need a look-up. */
extern bool heard_settle_poll(Company *company, TimestampTz started, int64 changes);

/* For a live company without a flow: go on with merges, if some are under way.  Sets must_lookup. */
extern void heard_settle_merges(Company *company);

#endif							/* QBSYNC_HEARD_H */
