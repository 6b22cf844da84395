/*
 * webhook.h
 *		What a webhook delivery says has changed, in both formats that Intuit sends (§8 of its rules).
 *
 * {"eventNotifications":[{"realmId":"…","dataChangeEvent":{"entities":[
 *		{"name":"Customer","id":"42","operation":"Merge","lastUpdated":"…","deletedId":"57"}]}}]}
 * [{"type":"qbo.customer.merged.v1","time":"…","intuitentityid":"42","intuitaccountid":"…","data":{"deletedid":"57"}}]
 *
 * Pure C on the caller's bytes, no recursion; fuzzed as a host program.
 */
#ifndef QBSYNC_WEBHOOK_H
#define QBSYNC_WEBHOOK_H

#include "postgres.h"

#include "quickbooks/envelope.h"

/* More in one delivery are passed over: whatever is not heard is found by polling. */
#define WEBHOOK_MAX_EVENTS	50000

typedef enum WebhookOperation
{
	WEBHOOK_CREATE,
	WEBHOOK_UPDATE,				/* and every operation we do not know */
	WEBHOOK_DELETE,
	WEBHOOK_MERGE,
	WEBHOOK_VOID,
	WEBHOOK_EMAILED
} WebhookOperation;

/* One event; only those that name a company, an entity and a record are kept. */
typedef struct WebhookEvent
{
	char		realm_id[RECORD_ID_MAX];
	char		object[40];		/* API name in lower case: "creditmemo" */
	char		id[RECORD_ID_MAX];	/* digits */
	char		lost_id[RECORD_ID_MAX]; /* of a merge: who was merged into id; "" if not said */
	char		time[40];		/* when, by Intuit's clock, as text; "" if not said */
	WebhookOperation operation;
} WebhookEvent;

typedef struct WebhookBody
{
	WebhookEvent *events;		/* palloc'd */
	int			nevents;
	const char *error;			/* static text: why it could not be read, or not to its end; else NULL */
} WebhookBody;

/*
 * Read a delivery.  False when it cannot be read to its end; the events before that point are there all the same.  Allocates
 * in the current memory context.
 */
extern bool webhook_read(const char *body, size_t len, WebhookBody *result);

/* Name of an operation as qbsync.webhook_event has it. */
extern const char *webhook_operation_name(WebhookOperation operation);

#endif							/* QBSYNC_WEBHOOK_H */
