/*
 * envelope.c
 *		Query and CDC answers split into records; see envelope.h.
 *
 * A page is read once, by the scanner of json_scan.c, and nothing is copied but the few short values of each record
 * that decide whether it changed; the fingerprint is taken while the record's bytes are still in the processor's cache.
 * The grammar is checked throughout, because a page that is not one complete JSON text may have lost records, and the
 * cursor must not move past those.  What only one record suffers from (characters and numbers that PostgreSQL cannot
 * store, an Id of an odd type) is noted with that record and spoils no other.
 *
 * The nesting of an envelope is fixed, so each level is a function; below a record everything is skipped without
 * recursion.  A Fault found at any level of the envelope makes the page unreadable: it must not pass for an entity of
 * that name while the changes it stands for are missing.
 */
#include "postgres.h"

#include "quickbooks/envelope.h"
#include "quickbooks/json_scan.h"

/* Intuit gives a thousand records a page; far more than that is an attack on memory. */
#define MAX_RECORDS 1000000
#define MAX_GROUPS	10000

static bool scan_top_member(JsonScan *scan, const JsonSpan *key, Envelope *envelope, bool *known);
static bool scan_cdc(JsonScan *scan, Envelope *envelope);
static bool scan_responses(JsonScan *scan, Envelope *envelope);
static bool scan_response(JsonScan *scan, Envelope *envelope);
static bool scan_group(JsonScan *scan, const JsonSpan *key, Envelope *envelope);
static bool scan_record(JsonScan *scan, Record *record);
static bool scan_metadata(JsonScan *scan, Record *record);
static bool is_fault(JsonScan *scan, const JsonSpan *key);
static RecordGroup *add_group(JsonScan *scan, const JsonSpan *key, Envelope *envelope);
static bool add_record(JsonScan *scan, RecordGroup *group, Envelope *envelope);
static void *grow(void *array, int count, size_t element);
static uint64 fingerprint(const char *bytes, size_t len);

bool
envelope_scan(const char *body, size_t body_len, Envelope *envelope)
{
	JsonScan	scan;
	JsonSpan	key;
	bool		known = false;

	memset(envelope, 0, sizeof(*envelope));
	envelope->total_count = -1;
	jscan_begin(&scan, body, body_len);
	if (jscan_enter(&scan, '{'))
	{
		while (jscan_member(&scan, &key) && scan_top_member(&scan, &key, envelope, &known))
			continue;
		if (jscan_finish(&scan) && !known)
			jscan_fail(&scan, scan.at, "no QueryResponse, CDCResponse or record in it");
	}
	else
		jscan_fail(&scan, scan.at, "not a JSON object");

	if (scan.error == NULL)
		return true;
	if (strcmp(scan.error, "fault") == 0)
		snprintf(envelope->error, sizeof(envelope->error), "fault");
	else
		snprintf(envelope->error, sizeof(envelope->error), "%s, at byte %zu of %zu",
				 scan.error, (size_t) (scan.at - scan.start), body_len);
	return false;
}

void
envelope_copy(Envelope *envelope, const char *body, const char *copy)
{
	RecordGroup *groups = palloc(sizeof(RecordGroup) * (envelope->ngroups + 1));

	for (int i = 0; i < envelope->ngroups; i++)
	{
		const RecordGroup *group = &envelope->groups[i];
		Record	   *records = palloc(sizeof(Record) * (group->nrecords + 1));

		for (int k = 0; k < group->nrecords; k++)
		{
			records[k] = group->records[k];
			records[k].text = copy + (records[k].text - body);
		}
		groups[i] = (RecordGroup) {pstrdup(group->object), records, group->nrecords};
	}
	envelope->groups = groups;
}

/* A member of the outermost object; *known is set when it is one that makes this an envelope. */
static bool
scan_top_member(JsonScan *scan, const JsonSpan *key, Envelope *envelope, bool *known)
{
	JsonSpan	value;

	if (is_fault(scan, key))
		return jscan_fail(scan, scan->at, "fault");
	if (jscan_key_is(key, "QueryResponse"))
	{
		*known = true;
		return scan_responses(scan, envelope);
	}
	if (jscan_key_is(key, "CDCResponse"))
	{
		*known = true;
		return scan_cdc(scan, envelope);
	}
	if (jscan_key_is(key, "time"))
	{
		if (!jscan_value(scan, &value))
			return false;
		jscan_copy_plain(&value, envelope->time, sizeof(envelope->time));
		return true;
	}
	if (jscan_peek(scan) == '{')
	{
		*known = true;
		return scan_group(scan, key, envelope);
	}
	return jscan_value(scan, NULL);
}

/* The value of CDCResponse: an array of objects, or one, each with a QueryResponse. */
static bool
scan_cdc(JsonScan *scan, Envelope *envelope)
{
	bool		array = jscan_enter(scan, '[');
	JsonSpan	key;

	if (!array && jscan_peek(scan) != '{')
		return jscan_fail(scan, scan->at, "CDCResponse is neither array nor object");
	while (!array || jscan_element(scan))
	{
		if (!jscan_enter(scan, '{'))
			return jscan_fail(scan, scan->at, "an object of CDCResponse was expected");
		while (jscan_member(scan, &key))
		{
			if (is_fault(scan, &key))
				return jscan_fail(scan, scan->at, "fault");
			if (!(jscan_key_is(&key, "QueryResponse") ? scan_responses(scan, envelope) : jscan_value(scan, NULL)))
				return false;
		}
		if (!array)
			break;
	}

	/* Each block may have a totalCount of its own; together they mean nothing. */
	envelope->total_count = -1;
	return scan->error == NULL;
}

/* The value of QueryResponse: one object, or in CDC an array of them. */
static bool
scan_responses(JsonScan *scan, Envelope *envelope)
{
	if (jscan_enter(scan, '['))
	{
		while (jscan_element(scan))
		{
			if (!scan_response(scan, envelope))
				return false;
		}
		return scan->error == NULL;
	}
	return scan_response(scan, envelope);
}

/* One block: records of an entity, positions and a count; all may be absent. */
static bool
scan_response(JsonScan *scan, Envelope *envelope)
{
	JsonSpan	key;
	JsonSpan	value;

	if (!jscan_enter(scan, '{'))
		return jscan_fail(scan, scan->at, "an object of QueryResponse was expected");
	while (jscan_member(scan, &key))
	{
		char		first = jscan_peek(scan);

		if (is_fault(scan, &key))
			return jscan_fail(scan, scan->at, "fault");
		if (first == '[' || first == '{')
		{
			if (!scan_group(scan, &key, envelope))
				return false;
			continue;
		}
		if (!jscan_value(scan, &value))
			return false;
		if (jscan_key_is(&key, "totalCount") &&
			(!jscan_integer(&value, &envelope->total_count) || envelope->total_count < 0))
			envelope->total_count = -1;
	}
	return scan->error == NULL;
}

/* Records of one entity: an array of them, or a single one.  What is no object in the array is passed over. */
static bool
scan_group(JsonScan *scan, const JsonSpan *key, Envelope *envelope)
{
	RecordGroup *group = add_group(scan, key, envelope);

	if (group == NULL)
		return false;
	if (!jscan_enter(scan, '['))
		return add_record(scan, group, envelope);
	while (jscan_element(scan))
	{
		if (!(jscan_peek(scan) == '{' ? add_record(scan, group, envelope) : jscan_value(scan, NULL)))
			return false;
	}
	return scan->error == NULL;
}

/* One record, from brace to brace.  Of a key that comes twice the last one counts, as in jsonb. */
static bool
scan_record(JsonScan *scan, Record *record)
{
	const unsigned char *first = scan->at;
	JsonSpan	key;
	JsonSpan	value;
	char		status[16] = "";

	memset(record, 0, sizeof(*record));
	scan->alterations = 0;
	if (!jscan_enter(scan, '{'))
		return jscan_fail(scan, scan->at, "a record was expected");
	while (jscan_member(scan, &key))
	{
		if (jscan_key_is(&key, "MetaData"))
		{
			record->last_updated[0] = record->create_time[0] = '\0';
			if (jscan_enter(scan, '{'))
			{
				if (!scan_metadata(scan, record))
					return false;
				continue;
			}
		}
		if (!jscan_value(scan, &value))
			return false;
		if (jscan_key_is(&key, "Id"))
			jscan_copy_plain(&value, record->id, sizeof(record->id));
		else if (jscan_key_is(&key, "SyncToken"))
			jscan_copy_plain(&value, record->sync_token, sizeof(record->sync_token));
		else if (jscan_key_is(&key, "status"))
			jscan_copy_plain(&value, status, sizeof(status));
	}
	if (scan->error != NULL)
		return false;

	record->text = (const char *) first;
	record->len = scan->at - first;
	record->deleted = strcmp(status, "Deleted") == 0;
	record->alterations = scan->alterations;
	record->fingerprint = fingerprint(record->text, record->len);
	return true;
}

bool
record_member(const Record *record, const char *name, char *value, size_t size)
{
	JsonScan	scan;
	JsonSpan	key;
	JsonSpan	span;

	value[0] = '\0';
	jscan_begin(&scan, record->text, record->len);
	if (jscan_enter(&scan, '{'))
	{
		/* of a member that comes twice the last one counts, as everywhere */
		while (jscan_member(&scan, &key) && jscan_value(&scan, &span))
			if (key.len == strlen(name) && memcmp(key.text, name, key.len) == 0)
				jscan_copy_plain(&span, value, size);
	}
	return value[0] != '\0';
}

/* The members of MetaData, which was just entered. */
static bool
scan_metadata(JsonScan *scan, Record *record)
{
	JsonSpan	key;
	JsonSpan	value;

	while (jscan_member(scan, &key))
	{
		if (!jscan_value(scan, &value))
			return false;
		if (jscan_key_is(&key, "LastUpdatedTime"))
			jscan_copy_plain(&value, record->last_updated, sizeof(record->last_updated));
		else if (jscan_key_is(&key, "CreateTime"))
			jscan_copy_plain(&value, record->create_time, sizeof(record->create_time));
	}
	return scan->error == NULL;
}

/* Does this member say that the answer is a refusal?  Gateways send "fault":null with good answers. */
static bool
is_fault(JsonScan *scan, const JsonSpan *key)
{
	return jscan_key_like(key, "Fault") && jscan_peek(scan) != 'n';
}

static RecordGroup *
add_group(JsonScan *scan, const JsonSpan *key, Envelope *envelope)
{
	RecordGroup *group;
	char		name[80];

	if (envelope->ngroups >= MAX_GROUPS)
	{
		jscan_fail(scan, scan->at, "too many entities");
		return NULL;
	}
	jscan_copy_raw(key->text, key->len, name, sizeof(name));
	envelope->groups = grow(envelope->groups, envelope->ngroups, sizeof(RecordGroup));
	group = &envelope->groups[envelope->ngroups++];
	memset(group, 0, sizeof(*group));
	group->object = pstrdup(name);
	return group;
}

static bool
add_record(JsonScan *scan, RecordGroup *group, Envelope *envelope)
{
	if (envelope->nrecords >= MAX_RECORDS)
		return jscan_fail(scan, scan->at, "too many records");
	group->records = grow(group->records, group->nrecords, sizeof(Record));
	if (!scan_record(scan, &group->records[group->nrecords]))
		return false;
	group->nrecords++;
	envelope->nrecords++;
	return true;
}

/* Make room for one more element: the capacity doubles whenever the count is a power of two from 16. */
static void *
grow(void *array, int count, size_t element)
{
	if (array == NULL)
		return palloc(16 * element);
	if (count >= 16 && (count & (count - 1)) == 0)
		return repalloc(array, 2 * count * element);
	return array;
}

static inline uint64
rotate_left(uint64 word, int bits)
{
	return word << bits | word >> (64 - bits);
}

/*
 * A 64-bit hash of a record's text: four independent lanes of multiply and rotate over 32 bytes at a time, then a final
 * mix in which every bit of the input reaches every bit of the result.  It tells versions of one record apart; it is no
 * protection against forgery, and it is only ever compared with values of the same machine's making.
 */
static uint64
fingerprint(const char *bytes, size_t len)
{
	const uint64 odd1 = UINT64CONST(0x9E3779B185EBCA87);
	const uint64 odd2 = UINT64CONST(0xC2B2AE3D27D4EB4F);
	uint64		lanes[4] = {odd1, odd2, odd1 ^ odd2, len};
	uint64		words[4];
	uint64		hash = len;

	for (; len >= sizeof(words); len -= sizeof(words), bytes += sizeof(words))
	{
		memcpy(words, bytes, sizeof(words));
		for (int i = 0; i < 4; i++)
			lanes[i] = rotate_left(lanes[i] + words[i] * odd2, 31) * odd1;
	}
	memset(words, 0, sizeof(words));
	memcpy(words, bytes, len);
	for (int i = 0; i < 4; i++)
	{
		lanes[i] = rotate_left(lanes[i] + words[i] * odd2, 31) * odd1;
		hash = (hash ^ lanes[i]) * odd1;
		hash ^= hash >> 29;
	}
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xFF51AFD7ED558CCD);
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xC4CEB9FE1A85EC53);
	return hash ^ hash >> 33;
}
