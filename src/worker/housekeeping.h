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

/* The next clean-up is to begin at once: a company's setting made rows superfluous. */
extern void housekeeping_soon(void);

/* Clean up if it is due: rows older than qbsync.log_retention and qbsync.history_retention, versions older than version_days. */
extern void housekeeping_run(void);

/* Import what is new in the credentials file; what is wrong with it goes to the log, once. */
extern void housekeeping_import_credentials(void);

#endif							/* QBSYNC_HOUSEKEEPING_H */
