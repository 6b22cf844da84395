/*
 * our_rows.h
 *		Our side of a comparison: counts and creation times of what the mirror holds.
 */
#ifndef QBSYNC_OUR_ROWS_H
#define QBSYNC_OUR_ROWS_H

#include "datatype/timestamp.h"

#include "quickbooks/catalogue.h"

/*
 * In a unit: the rows of an entity in a window of creation times [from, before).  Rows without one count only in the whole; so do
 * records that could not be stored.
 */
extern int64 our_count(int company, const CatalogueEntity *entity, const TimestampTz *window);

/* In a unit: the creation time, in whole seconds, of the row in the middle of a window that holds so many; SELECT_NO_TIME if none. */
extern TimestampTz our_median(int company, const CatalogueEntity *entity, const TimestampTz *window, int64 count);

/*
 * In a unit: where a part of the window ends that holds a page of rows, with some room for those we lack; infinity when the rest is no
 * more than that.  It is a whole second, as creation times are, and later than the start.
 */
extern TimestampTz our_edge(int company, const CatalogueEntity *entity, const TimestampTz *window);

#endif							/* QBSYNC_OUR_ROWS_H */
