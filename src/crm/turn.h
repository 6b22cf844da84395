/*
 * turn.h
 *		One turn of an apply worker: some records of QuickBooks reach the CRM, in one short transaction.
 */
#ifndef QBSYNC_TURN_H
#define QBSYNC_TURN_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef enum TurnResult
{
	TURN_IDLE,					/* there was no work */
	TURN_WORKED,				/* more may be there: call again */
	TURN_WAIT,					/* nothing now; something is due at *next_due */
	TURN_BROKEN,				/* the mapping itself cannot be worked; it waits until *next_due */
	TURN_GONE					/* the mapping, or the extension, is gone or must not be worked: end */
} TurnResult;

/* Called without a transaction, settings pinned; does its own units; nothing but FATAL escapes.  *next_due: 0 if nothing is due. */
extern TurnResult turn_run(int32 mapping_id, TimestampTz *next_due);

#endif							/* QBSYNC_TURN_H */
