/*
 * housekeeping.h
 *		What is due now and then: retention, the credentials file.
 */
#ifndef QBSYNC_HOUSEKEEPING_H
#define QBSYNC_HOUSEKEEPING_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* When the next clean-up is due. */
extern TimestampTz housekeeping_due(void);

/* Clean up if it is due: rows older than qbsync.log_retention and qbsync.history_retention. */
extern void housekeeping_run(void);

/* Import what is new in the credentials file; what is wrong with it goes to the log, once. */
extern void housekeeping_import_credentials(void);

#endif							/* QBSYNC_HOUSEKEEPING_H */
