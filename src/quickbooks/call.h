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

#include "quickbooks/catalogue.h"
#include "quickbooks/company.h"
#include "quickbooks/envelope.h"
#include "quickbooks/fault.h"

typedef struct CallAnswer
{
	const Fault *fault;			/* NULL for a good answer */
	const char *body;			/* gone after the callback */
	size_t		body_len;
	const Envelope *envelope;	/* of a good answer to a read: its records, or why there are none; gone after the callback */
	TimestampTz started;		/* when the request began, on the company's monotonic scale */
	bool		repeated;		/* it was sent before, and what came of that is not known */
	bool		forgotten;		/* it may not be repeated any more: no fault, no body */
	const char *intuit_tid;		/* Intuit's trace id, "" if none; gone after the callback */
	int64		elapsed_us;
} CallAnswer;

typedef void (*CallDone) (Company *company, const CallAnswer *answer, void *arg);

/* Read a path below /v3/company/<realm>/, with its query string but without minorversion. */
extern void call_get(Company *company, const char *path, CallDone done, void *arg);

/* Run a query statement about an entity.  What QuickBooks says of what is bought is not repeated in logs. */
extern void call_query(Company *company, const CatalogueEntity *entity, const char *statement, CallDone done, void *arg);

/* Which writes go first: a person waits for the one kind, nobody for the other.  Reads are between them. */
typedef enum CallPriority
{
	CALL_INTERACTIVE,
	CALL_READ,					/* for this file only */
	CALL_BACKFILL
} CallPriority;

#define CALL_BATCH "batch"		/* the path of batches, which have a limit of their own */

/*
 * Write: POST a body of JSON, a record of that entity, or a batch (NULL).  A repetition has the same requestid and body, and as long
 * as the outcome is not known there is no end of repeating before remembered_until (0: never).  After that the answer is that it is
 * forgotten.  Belongs to the sender: a flow that fails leaves it alone.  not_before: 0 or when it may be sent.
 */
extern void call_post(Company *company, const CatalogueEntity *entity, const char *body, const char *requestid,
					  CallPriority priority, TimestampTz not_before, TimestampTz remembered_until, CallDone done, void *arg);

/* Run a query statement for the sender. */
extern void call_read_back(Company *company, const CatalogueEntity *entity, const char *statement, CallPriority priority,
						   CallDone done, void *arg);

/* So many more calls of a flow would leave at once, as far as there are places. */
extern int	call_free_reads(const Company *company);

/* So many writes may start now, at most wanted; batches: by their own limit, too.  *again: when more may. */
extern int	call_free_writes(Company *company, int wanted, TimestampTz *again);
extern int	call_free_batches(Company *company, int wanted);

/* What an item of a batch said concerns the whole company: a pause of all calls, or of writes. */
extern void call_throttle(Company *company, const Fault *fault);
extern void call_hold_writes(Company *company, const Fault *fault);

/* Start what may start now; when to look again (0: when something else happens). */
extern TimestampTz call_pump(Company *company);

/* Drop the calls of a company's flow, or all of them; their callbacks are not called. */
extern void call_drop_reads(Company *company);
extern void call_drop_all(Company *company);

/* Write a row to qbsync.http_log; a unit of its own.  detail must hold no secret. */
extern void call_log(Company *company, const char *method, const char *path, int status, const char *outcome,
					 const char *intuit_tid, int code, const char *detail, int64 elapsed_us);

/* Seconds to wait before attempt n+1 after n failed ones: 1, 2, 4 … 60, with jitter; in microseconds. */
extern int64 call_backoff(int attempts);

#endif							/* QBSYNC_CALL_H */
