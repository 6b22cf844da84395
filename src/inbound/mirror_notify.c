/*
 * mirror_notify.c
 *		Telling listeners on channel qbsync which records changed.
 *
 * One message per connection, entity and transaction, however many pages the transaction applied: changes are gathered
 * and handed to NOTIFY just before the commit.  NOTIFY takes a lock of the whole cluster at commit and its payload is
 * limited, so a listener is told a count when the ids do not fit, and looks for itself.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "lib/stringinfo.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "inbound/mirror_notify.h"

#define NOTIFY_CHANNEL "qbsync"

/* PostgreSQL takes just under 8,000 bytes. */
#define NOTIFY_PAYLOAD_MAX 7500

/* A message being gathered, in the memory of the transaction. */
typedef struct PendingMessage
{
	char	   *connection;
	char	   *entity;
	int64		count;
	StringInfoData payload;		/* with the ids so far; its data is NULL once they do not fit */
	struct PendingMessage *next;
} PendingMessage;

static PendingMessage *pending = NULL;

/* Begin a payload, up to the ids or the count. */
static void
begin_payload(StringInfo payload, const char *connection, const char *entity, const char *member)
{
	initStringInfo(payload);
	appendStringInfoString(payload, "{\"connection\":");
	escape_json(payload, connection);
	appendStringInfoString(payload, ",\"entity\":");
	escape_json(payload, entity);
	appendStringInfo(payload, ",\"%s\":", member);
}

/* Hand the messages to NOTIFY. */
static void
send_messages(void)
{
	for (PendingMessage *message = pending; message; message = message->next)
	{
		StringInfoData payload;

		if (message->payload.data != NULL)
		{
			payload = message->payload;
			appendStringInfoString(&payload, "]}");
		}
		else
		{
			begin_payload(&payload, message->connection, message->entity, "count");
			appendStringInfo(&payload, INT64_FORMAT "}", message->count);
		}
		/* a name that long belongs to no one; better silence than a failed commit */
		if (payload.len <= NOTIFY_PAYLOAD_MAX)
			Async_Notify(NOTIFY_CHANNEL, payload.data);
	}
}

static void
on_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			send_messages();
			pending = NULL;
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			pending = NULL;		/* its memory goes with the transaction's */
			break;
		default:
			break;
	}
}

/* The message of a connection and entity, begun if need be. */
static PendingMessage *
find_message(const char *connection, const char *entity)
{
	static bool registered = false;
	PendingMessage *message;

	if (!registered)
	{
		RegisterXactCallback(on_transaction_end, NULL);
		registered = true;
	}
	for (message = pending; message; message = message->next)
		if (strcmp(message->entity, entity) == 0 && strcmp(message->connection, connection) == 0)
			return message;

	message = palloc0(sizeof(PendingMessage));
	message->connection = pstrdup(connection);
	message->entity = pstrdup(entity);
	begin_payload(&message->payload, connection, entity, "ids");
	message->next = pending;
	pending = message;
	return message;
}

void
mirror_notify(const char *connection_name, const char *entity, const char *id)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
	PendingMessage *message = find_message(connection_name, entity);

	if (message->payload.data != NULL)
	{
		appendStringInfoChar(&message->payload, message->count == 0 ? '[' : ',');
		escape_json(&message->payload, id);
		/* two more to close it */
		if (message->payload.len + 2 > NOTIFY_PAYLOAD_MAX)
		{
			pfree(message->payload.data);
			message->payload.data = NULL;
		}
	}
	message->count++;
	MemoryContextSwitchTo(caller);
}
