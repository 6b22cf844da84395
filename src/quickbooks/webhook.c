/*
 * webhook.c
 *		Reading webhook deliveries; see webhook.h.
 *
 * The format is told by the outermost value: an array holds CloudEvents, an object the classic notification (or one
 * CloudEvent by itself).  Members may come in any order, unknown ones are passed over, and what is not of the expected type
 * counts as not said: a delivery is a hint where to look, so too little of it is no harm.
 */
#include "postgres.h"

#include "quickbooks/json_scan.h"
#include "quickbooks/webhook.h"

/* Where the events are gathered. */
typedef struct Reader
{
	JsonScan	scan;
	WebhookBody *body;
	int			room;
} Reader;

static const char *const operation_names[] = {"create", "update", "delete", "merge", "void", "emailed"};

/* Spellings: of the classic format, then of CloudEvents. */
static const struct
{
	const char *word;
	WebhookOperation operation;
}			operation_words[] = {
	{"create", WEBHOOK_CREATE}, {"created", WEBHOOK_CREATE},
	{"delete", WEBHOOK_DELETE}, {"deleted", WEBHOOK_DELETE},
	{"merge", WEBHOOK_MERGE}, {"merged", WEBHOOK_MERGE},
	{"void", WEBHOOK_VOID}, {"voided", WEBHOOK_VOID},
	{"emailed", WEBHOOK_EMAILED},
};

const char *
webhook_operation_name(WebhookOperation operation)
{
	return operation_names[operation];
}

static WebhookOperation
operation_of(const char *word)
{
	for (size_t i = 0; i < lengthof(operation_words); i++)
	{
		if (pg_strcasecmp(word, operation_words[i].word) == 0)
			return operation_words[i].operation;
	}
	return WEBHOOK_UPDATE;
}

/* Letters and digits only, in lower case; "" if there is anything else in it. */
static void
fold_name(char *name)
{
	for (char *p = name; *p; p++)
	{
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
		else if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')))
		{
			name[0] = '\0';
			return;
		}
	}
}

/* Take the value the scan stands on as plain text; "" if it is not. */
static void
take_plain(Reader *reader, char *buffer, size_t size)
{
	JsonSpan	value;

	buffer[0] = '\0';
	if (jscan_value(&reader->scan, &value))
		(void) jscan_copy_plain(&value, buffer, size);
}

/* The same for an id: digits. */
static void
take_id(Reader *reader, char *buffer)
{
	take_plain(reader, buffer, RECORD_ID_MAX);
	if (buffer[strspn(buffer, "0123456789")] != '\0')
		buffer[0] = '\0';
}

/* Keep an event that says enough. */
static void
add_event(Reader *reader, const WebhookEvent *event)
{
	WebhookBody *body = reader->body;

	if (event->object[0] == '\0' || event->id[0] == '\0' || body->nevents >= WEBHOOK_MAX_EVENTS)
		return;
	if (body->nevents == reader->room)
	{
		reader->room = reader->room == 0 ? 16 : reader->room * 2;
		body->events = body->events == NULL ? palloc(sizeof(WebhookEvent) * reader->room)
			: repalloc(body->events, sizeof(WebhookEvent) * reader->room);
	}
	body->events[body->nevents] = *event;
	if (event->operation != WEBHOOK_MERGE)
		body->events[body->nevents].lost_id[0] = '\0';
	body->nevents++;
}

/* An element of "entities". */
static void
read_entity(Reader *reader)
{
	JsonScan   *scan = &reader->scan;
	WebhookEvent event = {.operation = WEBHOOK_UPDATE};
	JsonSpan	key;
	char		word[40];

	if (!jscan_enter(scan, '{'))
	{
		(void) jscan_value(scan, NULL);
		return;
	}
	while (jscan_member(scan, &key))
	{
		if (jscan_key_like(&key, "name"))
		{
			take_plain(reader, event.object, sizeof(event.object));
			fold_name(event.object);
		}
		else if (jscan_key_like(&key, "id"))
			take_id(reader, event.id);
		else if (jscan_key_like(&key, "operation"))
		{
			take_plain(reader, word, sizeof(word));
			event.operation = operation_of(word);
		}
		else if (jscan_key_like(&key, "lastUpdated"))
			take_plain(reader, event.time, sizeof(event.time));
		else if (jscan_key_like(&key, "deletedId"))
			take_id(reader, event.lost_id);
		else
			(void) jscan_value(scan, NULL);
	}
	if (scan->error == NULL)
		add_event(reader, &event);
}

/* The value of "dataChangeEvent". */
static void
read_changes(Reader *reader)
{
	JsonScan   *scan = &reader->scan;
	JsonSpan	key;

	if (!jscan_enter(scan, '{'))
	{
		(void) jscan_value(scan, NULL);
		return;
	}
	while (jscan_member(scan, &key))
	{
		if (jscan_key_like(&key, "entities") && jscan_enter(scan, '['))
		{
			while (jscan_element(scan))
				read_entity(reader);
		}
		else
			(void) jscan_value(scan, NULL);
	}
}

/* An element of "eventNotifications": a company and its changes, in either order. */
static void
read_notification(Reader *reader)
{
	JsonScan   *scan = &reader->scan;
	WebhookBody *body = reader->body;
	int			first = body->nevents;
	char		realm_id[RECORD_ID_MAX] = "";
	JsonSpan	key;

	if (!jscan_enter(scan, '{'))
	{
		(void) jscan_value(scan, NULL);
		return;
	}
	while (jscan_member(scan, &key))
	{
		if (jscan_key_like(&key, "realmId"))
			take_id(reader, realm_id);
		else if (jscan_key_like(&key, "dataChangeEvent"))
			read_changes(reader);
		else
			(void) jscan_value(scan, NULL);
	}
	/* without a company they say nothing */
	if (realm_id[0] == '\0')
		body->nevents = first;
	for (int i = first; i < body->nevents; i++)
		memcpy(body->events[i].realm_id, realm_id, sizeof(realm_id));
}

/* The value of "type", "qbo.creditmemo.created.v1": entity and operation. */
static void
take_type(Reader *reader, WebhookEvent *event)
{
	char		type[80];
	char	   *object;
	char	   *verb;
	char	   *version;

	event->object[0] = '\0';
	take_plain(reader, type, sizeof(type));
	if (pg_strncasecmp(type, "qbo.", 4) != 0)
		return;
	object = type + 4;
	verb = strchr(object, '.');
	if (verb == NULL || (size_t) (verb - object) >= sizeof(event->object))
		return;
	*verb++ = '\0';
	version = strchr(verb, '.');
	if (version != NULL)
		*version = '\0';
	memcpy(event->object, object, strlen(object) + 1);
	fold_name(event->object);
	event->operation = operation_of(verb);
}

/* The value of "data". */
static void
take_data(Reader *reader, WebhookEvent *event)
{
	JsonScan   *scan = &reader->scan;
	JsonSpan	key;

	if (!jscan_enter(scan, '{'))
	{
		(void) jscan_value(scan, NULL);
		return;
	}
	while (jscan_member(scan, &key))
	{
		if (jscan_key_like(&key, "deletedid"))
			take_id(reader, event->lost_id);
		else
			(void) jscan_value(scan, NULL);
	}
}

/* One member of a CloudEvent. */
static void
take_member(Reader *reader, const JsonSpan *key, WebhookEvent *event)
{
	if (jscan_key_like(key, "type"))
		take_type(reader, event);
	else if (jscan_key_like(key, "intuitentityid"))
		take_id(reader, event->id);
	else if (jscan_key_like(key, "intuitaccountid"))
		take_id(reader, event->realm_id);
	else if (jscan_key_like(key, "time"))
		take_plain(reader, event->time, sizeof(event->time));
	else if (jscan_key_like(key, "data"))
		take_data(reader, event);
	else
		(void) jscan_value(&reader->scan, NULL);
}

/* An object: a CloudEvent, or at the outermost level the classic notification. */
static void
read_object(Reader *reader, bool outermost)
{
	JsonScan   *scan = &reader->scan;
	WebhookEvent event = {.operation = WEBHOOK_UPDATE};
	JsonSpan	key;

	if (!jscan_enter(scan, '{'))
	{
		(void) jscan_value(scan, NULL);
		return;
	}
	while (jscan_member(scan, &key))
	{
		if (outermost && jscan_key_like(&key, "eventNotifications") && jscan_enter(scan, '['))
		{
			while (jscan_element(scan))
				read_notification(reader);
		}
		else
			take_member(reader, &key, &event);
	}
	if (scan->error == NULL && event.realm_id[0] != '\0')
		add_event(reader, &event);
}

bool
webhook_read(const char *body, size_t len, WebhookBody *result)
{
	Reader		reader = {.body = result};
	JsonScan   *scan = &reader.scan;

	memset(result, 0, sizeof(*result));
	jscan_begin(scan, body, len);
	if (jscan_enter(scan, '['))
	{
		while (jscan_element(scan))
			read_object(&reader, false);
	}
	else
		read_object(&reader, true);
	(void) jscan_finish(scan);
	result->error = scan->error;
	return result->error == NULL;
}
