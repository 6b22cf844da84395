/*
 * send_call.c
 *		Calls of the sender: their bodies, and the moment in which they are answered.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/appointment.h"
#include "inbound/select.h"
#include "outbound/send_parts.h"
#include "qbsync.h"

SendCall *
send_call_create(Sender *sender, int nitems)
{
	MemoryContext context = AllocSetContextCreate(sender->context, "qbsync write", ALLOCSET_DEFAULT_SIZES);
	SendCall   *call = MemoryContextAllocZero(context, sizeof(SendCall));

	call->sender = sender;
	call->context = context;
	call->nitems = nitems;
	call->items = MemoryContextAllocZero(context, sizeof(SendItem) * nitems);
	return call;
}

void
send_call_free(SendCall *call)
{
	MemoryContextDelete(call->context);
}

/* Copy a string that may be NULL. */
static char *
copy(SendCall *call, const char *from)
{
	return from ? MemoryContextStrdup(call->context, from) : NULL;
}

void
send_item_copy(SendCall *call, int place, const SendItem *item)
{
	SendItem   *mine = &call->items[place];

	*mine = *item;
	mine->requestid = copy(call, item->requestid);
	mine->body = copy(call, item->body);
	mine->name = copy(call, item->name);
	mine->batch_requestid = copy(call, item->batch_requestid);
	mine->fault = NULL;
	memset(&mine->record, 0, sizeof(mine->record));
	mine->settled = false;
	mine->settle_failures = 0;
	mine->settle_at = 0;
	if (item->fault)
	{
		mine->fault = MemoryContextAlloc(call->context, sizeof(Fault));
		*mine->fault = *item->fault;
	}
}

/* The body of a batch. */
static char *
batch_body(const SendCall *call)
{
	StringInfoData body;

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"BatchItemRequest\":[");
	for (int i = 0; i < call->nitems; i++)
	{
		const SendItem *item = &call->items[i];

		appendStringInfo(&body, "%s{\"bId\":\"%d\",\"operation\":\"%s\",\"%s\":%s}", i > 0 ? "," : "", item->bid,
						 item->create ? "create" : "update", item->entity->object, item->body);
	}
	appendStringInfoString(&body, "]}");
	return body.data;
}

/* An answer, or a refusal that concerns these requests: what it says is kept until a unit has recorded it. */
static void
call_answered(Company *company, const CallAnswer *answer, void *arg)
{
	SendCall   *call = arg;

	dlist_delete(&call->node);
	call->body = MemoryContextAlloc(call->context, answer->body_len + 1);
	memcpy(call->body, answer->body, answer->body_len);
	call->body[answer->body_len] = '\0';
	call->body_len = answer->body_len;
	call->good = answer->fault == NULL && !answer->forgotten;
	call->started = answer->started;
	call->elapsed_us = answer->elapsed_us;
	strlcpy(call->intuit_tid, answer->intuit_tid, sizeof(call->intuit_tid));
	dlist_push_tail(&call->sender->answered, &call->node);
	/* what happened there meanwhile must be known before what it made is looked for */
	if (answer->forgotten)
		company->polled = false;
	send_answer_read(call, answer);
	send_fault_company(call);
}

const char *
send_key_property(const CatalogueEntity *entity)
{
	return strcmp(entity->name, "customer") == 0 ? "DisplayName" : "Name";
}

/* Until when a write may be repeated: a creation must be remembered there, an update is safe by its SyncToken.  0: always. */
static TimestampTz
remembered_until(SendCall *call)
{
	TimestampTz until = 0;

	for (int i = 0; i < call->nitems; i++)
	{
		SendItem   *item = &call->items[i];

		if (!item->create)
			continue;
		if (item->remembered_until == 0)
			item->remembered_until = GetCurrentTimestamp() + qbsync_requestid_lifetime * USECS_PER_SEC;
		until = appointment_earlier(until, item->remembered_until);
	}
	return until;
}

void
send_call_start(SendCall *call, TimestampTz not_before)
{
	Company    *company = call->sender->company;
	SendItem   *first = &call->items[0];
	CallPriority priority = first->interactive ? CALL_INTERACTIVE : CALL_BACKFILL;

	dlist_push_tail(&call->sender->flying, &call->node);
	if (call->check)
		call_read_back(company, first->entity, select_value(first->entity, send_key_property(first->entity), first->name),
					   priority, call_answered, call);
	else if (first->batch_requestid)
		call_post(company, NULL, batch_body(call), first->batch_requestid, priority, not_before, remembered_until(call),
				  call_answered, call);
	else
		call_post(company, first->entity, first->body, first->requestid, priority, not_before, remembered_until(call), call_answered,
				  call);
}
