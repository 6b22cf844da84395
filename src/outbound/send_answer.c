/*
 * send_answer.c
 *		What an answer says about each of the requests it answers.
 *
 *		{"Customer":{…},"time":"…"}
 *		{"BatchItemResponse":[{"bId":"1","Customer":{…}},{"bId":"2","Fault":{…}}],"time":"…"}
 *
 * Items come in any order and are told apart by bId.  A good answer in which a record is missing is no refusal: whether that
 * request was carried out is not known.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "inbound/answer.h"
#include "match/normalize.h"
#include "outbound/send_parts.h"
#include "quickbooks/json_scan.h"

#define NAME_SIZE 2048			/* a name has 500 characters at most */

/* The text of a top-level member of a record, as it can be compared; "" when there is none. */
static void
read_member(const Record *record, const char *name, char *buffer, size_t size)
{
	JsonScan	scan;
	JsonSpan	key;
	JsonSpan	value;

	buffer[0] = '\0';
	jscan_begin(&scan, record->text, record->len);
	if (!jscan_enter(&scan, '{'))
		return;
	while (jscan_member(&scan, &key) && jscan_value(&scan, &value))
		if (jscan_key_is(&key, name))
			jscan_copy_text(&value, buffer, size);
}

/*
 * Is what a creation is answered with another record than the one that was asked for?  QuickBooks repeats what it answered to the
 * requestid first, whatever the body is.  A database that was restored may have forgotten that creation: of the same CRM record
 * under another name, or of another one that had its key.  Which, only a person knows.
 */
static bool
is_another(const SendItem *item, char *name, size_t size)
{
	char		asked[NAME_SIZE];
	StringInfoData ours;
	StringInfoData theirs;

	if (!item->create || item->name == NULL)
		return false;
	read_member(&item->record, send_key_property(item->entity), name, size);
	jscan_copy_raw(item->name, strlen(item->name), asked, sizeof(asked));
	if (name[0] == '\0' || strcmp(name, asked) == 0)
		return false;
	initStringInfo(&ours);
	initStringInfo(&theirs);
	normalize_name(&ours, asked, strlen(asked));
	normalize_name(&theirs, name, strlen(name));
	return strcmp(ours.data, theirs.data) != 0;
}

/* An answer to one request: an object with its record, or with a Fault. */
static void
read_one(SendCall *call, SendItem *item, const char *bytes, size_t len)
{
	Fault		fault;
	Envelope	envelope;
	const Record *records;
	char		name[NAME_SIZE];

	if (fault_parse(200, "", bytes, len, -1, &fault))
	{
		send_fault_note(call, item, &fault, false);
		return;
	}
	if (!envelope_scan(bytes, len, &envelope) || answer_records(&envelope, item->entity, &records) != 1
		|| records[0].id[0] == '\0')
		return;
	item->record = records[0];
	item->outcome = SEND_DONE;
	if (is_another(item, name, sizeof(name)))
		send_fault_say(call, item, "send_answered_other", psprintf("%s %s, %s", item->entity->name, item->record.id, name));
}

/* The item of a batch that an element answers, NULL if it says none. */
static SendItem *
find_item(SendCall *call, const JsonSpan *element)
{
	JsonScan	scan;
	JsonSpan	key;
	JsonSpan	value;
	char		bid[16] = "";

	jscan_begin(&scan, element->text, element->len);
	if (!jscan_enter(&scan, '{'))
		return NULL;
	while (jscan_member(&scan, &key) && jscan_value(&scan, &value))
		if (jscan_key_is(&key, "bId"))
			jscan_copy_plain(&value, bid, sizeof(bid));
	for (int i = 0; i < call->nitems; i++)
		if (atoi(bid) == call->items[i].bid)
			return &call->items[i];
	return NULL;
}

static void
read_batch(SendCall *call)
{
	JsonScan	scan;
	JsonSpan	key;
	JsonSpan	element;

	jscan_begin(&scan, call->body, call->body_len);
	if (!jscan_enter(&scan, '{'))
		return;
	while (jscan_member(&scan, &key))
	{
		if (!jscan_key_is(&key, "BatchItemResponse") || !jscan_enter(&scan, '['))
		{
			if (!jscan_value(&scan, NULL))
				return;
			continue;
		}
		while (jscan_element(&scan) && jscan_value(&scan, &element))
		{
			SendItem   *item = find_item(call, &element);

			if (item)
				read_one(call, item, element.text, element.len);
		}
	}
}

/* The records that have the name of a creation. */
static void
read_check(SendCall *call)
{
	Envelope	envelope;

	if (!envelope_scan(call->body, call->body_len, &envelope))
		return;
	call->nrecords = answer_records(&envelope, call->items[0].entity, &call->records);
	/* decided when it is settled: what counts is who they are linked with then */
	call->items[0].outcome = SEND_ASK;
}

void
send_answer_read(SendCall *call, const CallAnswer *answer)
{
	MemoryContext caller = MemoryContextSwitchTo(call->context);

	for (int i = 0; i < call->nitems; i++)
	{
		call->items[i].repeated |= answer->repeated;
		/* until the answer says more */
		call->items[i].outcome = SEND_CHECK;
	}
	if (answer->fault && !call->check)
		for (int i = 0; i < call->nitems; i++)
			send_fault_note(call, &call->items[i], answer->fault, true);
	else if (answer->fault == NULL && !answer->forgotten)
	{
		if (call->check)
			read_check(call);
		else if (call->items[0].batch_requestid)
			read_batch(call);
		else
			read_one(call, &call->items[0], call->body, call->body_len);
	}
	MemoryContextSwitchTo(caller);
}
