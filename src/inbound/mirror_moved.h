/*
 * mirror_moved.h
 *		What a page shows of records that were merged in QuickBooks (§4.4 of Intuit's rules), where no webhook says so.
 *
 * A merge leaves two traces: transactions of one customer or vendor have become another's, and the one they left is inactive or
 * gone.  Both are noticed while pages are applied, at the cost of comparing a value or two of records that changed anyway, and
 * handed to SQL (38_merged.sql), which puts them together.
 */
#ifndef QBSYNC_MIRROR_MOVED_H
#define QBSYNC_MIRROR_MOVED_H

#include "postgres.h"

#include "inbound/mirror_row.h"

/* What was noticed in a page, in memory of the page.  Zeroed before. */
typedef struct MirrorMoves
{
	int			n;
	int			room;
	Datum	   *ids;			/* of the customer or vendor, text */
	Datum	   *others;			/* whose it has become; not used if ended */
	Datum	   *referrers;		/* id of the transaction; not used if ended */
	bool	   *ended;			/* the customer or vendor itself became inactive or was deleted */
} MirrorMoves;

/* The row found in the table is about to be replaced by the one in the slot, which is complete; NULL: it was deleted. */
extern void mirror_moved_compare(MirrorMoves *moves, const MirrorPlan *plan, MirrorTable *table, TupleTableSlot *slot,
								 const char *id, MemoryContext context);

/* In the unit, when the page is applied: hand over what was noticed.  Returns how much that is. */
extern int	mirror_moved_settle(MirrorMoves *moves, int connection_id, const CatalogueEntity *entity);

#endif							/* QBSYNC_MIRROR_MOVED_H */
