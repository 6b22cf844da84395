/*
 * fuzz_webhook.c
 *		Webhook deliveries of any bytes, with jansson as a second opinion.
 *
 * What must hold: every event names a company, an entity and a record, in the characters those have; what jansson takes for
 * JSON of this depth is read to its end.
 */
#include "postgres.h"

#include <jansson.h>

#include "fuzz.h"
#include "quickbooks/webhook.h"

const char *const fuzz_seeds[] = {
	"{\"eventNotifications\":[{\"realmId\":\"9130000000000001\",\"dataChangeEvent\":{\"entities\":["
	"{\"name\":\"Customer\",\"id\":\"42\",\"operation\":\"Merge\",\"lastUpdated\":\"2026-11-22T11:14:15.000Z\",\"deletedId\":\"57\"},"
	"{\"name\":\"Invoice\",\"id\":\"301\",\"operation\":\"Void\",\"lastUpdated\":\"2026-11-22T11:14:16.000Z\"}]}},"
	"{\"dataChangeEvent\":{\"entities\":[{\"operation\":\"Emailed\",\"id\":7,\"name\":\"CreditMemo\"}]},\"realmId\":9130000000000002}]}",
	"[{\"specversion\":\"1.0\",\"id\":\"5b1c8a52-0e0f-4b7e-9d3c-0a2f7e1d4c6b\",\"source\":\"intuit.c3ludGhldGlj\","
	"\"type\":\"qbo.customer.merged.v1\",\"datacontenttype\":\"application/json\",\"time\":\"2026-11-22T11:14:15.179851517Z\","
	"\"intuitentityid\":\"42\",\"intuitaccountid\":\"9130000000000001\",\"data\":{\"deletedid\":\"57\"}},"
	"{\"type\":\"qbo.invoice.void.v1\",\"time\":\"2026-11-22T11:14:16Z\",\"intuitentityid\":\"301\",\"intuitaccountid\":\"9130000000000001\"}]",
	"{\"type\":\"qbo.item.deleted.v1\",\"intuitentityid\":\"1\",\"intuitaccountid\":\"2\",\"data\":null}",
	"{\"eventNotifications\":[]}", "[]", "[[],1,\"\\u0000\\ud800\",{\"type\":\"qbo..\"}]", "",
};
const size_t fuzz_seed_count = lengthof(fuzz_seeds);

static void
check_characters(const char *value, size_t size, const char *allowed)
{
	size_t		len = strnlen(value, size);

	HOLDS(len < size);
	HOLDS(strspn(value, allowed) == len);
}

static void
check_event(const WebhookEvent *event)
{
	HOLDS(event->realm_id[0] != '\0' && event->object[0] != '\0' && event->id[0] != '\0');
	check_characters(event->realm_id, sizeof(event->realm_id), "0123456789");
	check_characters(event->id, sizeof(event->id), "0123456789");
	check_characters(event->lost_id, sizeof(event->lost_id), "0123456789");
	check_characters(event->object, sizeof(event->object), "abcdefghijklmnopqrstuvwxyz0123456789");
	HOLDS(strnlen(event->time, sizeof(event->time)) < sizeof(event->time));
	HOLDS(event->operation <= WEBHOOK_EMAILED && webhook_operation_name(event->operation)[0] != '\0');
	HOLDS(event->operation == WEBHOOK_MERGE || event->lost_id[0] == '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WebhookBody body;
	bool		whole = webhook_read((const char *) data, size, &body);
	json_t	   *tree = json_loadb((const char *) data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	HOLDS(whole == (body.error == NULL));
	HOLDS(body.nevents >= 0 && body.nevents <= WEBHOOK_MAX_EVENTS && (body.nevents == 0 || body.events != NULL));
	for (int i = 0; i < body.nevents; i++)
		check_event(&body.events[i]);
	if (tree != NULL && memchr(data, 0, size) == NULL)
		HOLDS(whole || strcmp(body.error, "nested too deeply") == 0);
	json_decref(tree);
	shim_reset();
	return 0;
}
