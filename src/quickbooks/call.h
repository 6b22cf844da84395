/*
 * call.h
 *		One call of a company's API, from the queue to an answer its maker can use.
 *
 * Everything that is the same for all calls is done here and nowhere else: limits, concurrency, the bearer token, its
 * refresh after a 401 (once), the pause after a 429, back-off for what may pass, the log of failures.  The maker sees a
 * good answer, or a fault that concerns this very request.
 */
#ifndef QBSYNC_CALL_H
#define QBSYNC_CALL_H

#include "postgres.h"

#include "quickbooks/company.h"
#include "quickbooks/fault.h"

typedef struct CallAnswer
{
	const Fault *fault;			/* NULL for a good answer */
	const char *body;			/* gone after the callback */
	size_t		body_len;
	TimestampTz started;		/* when the request began, on the company's monotonic scale */
} CallAnswer;

typedef void (*CallDone) (Company *company, const CallAnswer *answer, void *arg);

/* Read a path below /v3/company/<realm>/, with its query string but without minorversion. */
extern void call_get(Company *company, const char *path, CallDone done, void *arg);

/* Run a query statement. */
extern void call_query(Company *company, const char *statement, CallDone done, void *arg);

/* Start what may start now; when to look again (0: when something else happens). */
extern TimestampTz call_pump(Company *company);

/* Drop all calls of a company; their callbacks are not called. */
extern void call_drop_all(Company *company);

/* Write a row to qbsync.http_log; a unit of its own.  detail must hold no secret. */
extern void call_log(Company *company, const char *method, const char *path, int status, const char *outcome,
					 const char *intuit_tid, int code, const char *detail, int64 elapsed_us);

/* Seconds to wait before attempt n+1 after n failed ones: 1, 2, 4 … 60, with jitter; in microseconds. */
extern int64 call_backoff(int attempts);

#endif							/* QBSYNC_CALL_H */
