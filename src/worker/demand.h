/*
 * demand.h
 *		The gateway's side of apply workers: which mappings have work, and who does it.
 */
#ifndef QBSYNC_DEMAND_H
#define QBSYNC_DEMAND_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The tables were looked at; mapped: some company has an enabled mapping. */
extern void demand_looked(bool mapped);

/*
 * Ask for work if there may be new, start and wake workers, see what became of those that ended.  Outside a unit, every turn of
 * the gateway's loop.  Returns when to come at the latest, 0: when something happens.
 */
extern TimestampTz demand_serve(void);

/* All workers end after their turn; none is started until the next demand_looked(). */
extern void demand_stop(void);

#endif							/* QBSYNC_DEMAND_H */
