/*
 * calendar.h
 *		What happens because time has passed, not because something arrived: invoices become overdue.
 */
#ifndef QBSYNC_CALENDAR_H
#define QBSYNC_CALENDAR_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * Look if it is time; mapped: some company has an enabled mapping (else nothing is asked).  Outside a unit.  Returns when to come
 * again, 0: not by itself; *found: apply workers have something to look at.
 */
extern TimestampTz calendar_serve(bool mapped, bool *found);

#endif							/* QBSYNC_CALENDAR_H */
