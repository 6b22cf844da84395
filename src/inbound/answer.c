/*
 * answer.c
 *		Records out of answers, and rows of qbsync.cursor.  See answer.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/progress.h"
#include "common/unit.h"
#include "inbound/answer.h"
#include "inbound/mirror_value.h"
#include "inbound/select.h"
#include "quickbooks/flow.h"

bool
answer_scan(Company *company, const CallAnswer *answer, Envelope *envelope)
{
	if (answer->fault)
	{
		flow_fail_with(company, answer->fault);
		return false;
	}
	*envelope = *answer->envelope;
	if (envelope->error[0] == '\0')
		return true;
	flow_fail(company, "not_understood", envelope->error);
	return false;
}

bool
answer_take(Company *company, const CallAnswer *answer, MemoryContext context, Envelope *envelope)
{
	MemoryContext caller;
	char	   *body;

	if (!answer_scan(company, answer, envelope))
		return false;
	caller = MemoryContextSwitchTo(context);
	body = MemoryContextAllocHuge(context, answer->body_len + 1);
	memcpy(body, answer->body, answer->body_len + 1);
	envelope_copy(envelope, answer->body, body);
	MemoryContextSwitchTo(caller);
	return true;
}

bool
answer_count(Company *company, const CallAnswer *answer, int64 *count)
{
	Envelope	envelope;

	if (!answer_scan(company, answer, &envelope))
		return false;
	*count = envelope.total_count;
	if (*count >= 0)
		return true;
	flow_fail(company, "not_understood", "an answer to COUNT(*) holds no count");
	return false;
}

/* What has no Id is known by other members; one that lacks any of them stays without. */
static void
take_key(const CatalogueEntity *entity, Record *record)
{
	char		id[RECORD_ID_MAX] = "";

	for (const char *name = entity->key; *name;)
	{
		size_t		len = strcspn(name, " ");
		char	   *member = pnstrdup(name, len);
		char		value[RECORD_ID_MAX];

		if (!record_member(record, member, value, sizeof(value)) || strlen(id) + strlen(value) + 2 > sizeof(id))
			return;
		snprintf(id + strlen(id), sizeof(id) - strlen(id), "%s%s", id[0] ? " " : "", value);
		pfree(member);
		name += len + strspn(name + len, " ");
	}
	strlcpy(record->id, id, sizeof(record->id));
}

int
answer_records(const Envelope *envelope, const CatalogueEntity *entity, const Record **records)
{
	*records = NULL;
	for (int i = 0; i < envelope->ngroups; i++)
	{
		RecordGroup *group = &envelope->groups[i];

		if (strcmp(group->object, entity->object) != 0)
			continue;
		for (int k = 0; entity->key && k < group->nrecords; k++)
			take_key(entity, &group->records[k]);
		*records = group->records;
		return group->nrecords;
	}
	return 0;
}

TimestampTz
answer_time(const Envelope *envelope)
{
	TimestampTz time;

	return mirror_parse_timestamp(envelope->time, strlen(envelope->time), &time) ? time : SELECT_NO_TIME;
}

bool
settle(Company *company, const char *activity, UnitWork work, void *arg)
{
	UnitError	error;

	company->reads_counted = false;
	if (unit_run(activity, work, arg, &error) != UNIT_DONE)
	{
		flow_fail_unit(company, error.message);
		return false;
	}
	if (company->reads_counted)
		company->unsettled_reads = 0;
	progress_announce();
	return true;
}

/* What answer_halve() hands to its unit. */
typedef struct TooBig
{
	Company    *company;
	const CatalogueEntity *entity;
} TooBig;

/* Unit: a single record is bigger than an answer may be; nothing is known of it, not even its id. */
static void
note_too_big(void *arg)
{
	static SqlStatement note = {
		"INSERT INTO qbsync.error AS e (connection_id, entity, id, problem, detail)"
		" VALUES ($1, $2, '?', 'too_big', 'A single record is bigger than qbsync.max_response_size.')"
		" ON CONFLICT (connection_id, entity, id, problem) DO UPDATE SET last_seen = now(), occurrences = e.occurrences + 1",
		2, {INT4OID, TEXTOID}
	};
	TooBig	   *big = arg;
	Datum		values[2] = {Int32GetDatum(big->company->id), CStringGetTextDatum(big->entity->name)};

	if (mirror_is_wanted(big->company->id, big->entity))
		sql_execute(&note, values, NULL);
}

bool
answer_halve(Company *company, const CatalogueEntity *entity, int *count, bool *failed)
{
	TooBig		big = {company, entity};

	*failed = false;
	if (*count > 1)
	{
		*count /= 2;
		return true;
	}
	*failed = !settle(company, "qbsync: noting a record that is too big", note_too_big, &big);
	return false;
}

bool
answer_lists(const char *names, const CatalogueEntity *entity)
{
	size_t		len = strlen(entity->name);

	for (const char *at = names; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, entity->name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

char *
answer_entities(bool (*test) (const CatalogueEntity *entity), bool api_names, const char *among)
{
	StringInfoData names;

	initStringInfo(&names);
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
		if (test(entity) && (among == NULL || answer_lists(among, entity)))
			appendStringInfo(&names, "%s%s", names.len > 0 ? "," : "", api_names ? entity->object : entity->name);
	return names.data;
}

bool
answer_in_cdc(const CatalogueEntity *entity)
{
	return (entity->flags & ENTITY_CDC) != 0;
}

bool
answer_absent(const CatalogueEntity *entity, const Fault *fault)
{
	return fault && (entity->flags & ENTITY_OPTIONAL) && strcmp(fault->problem, "not_available") == 0;
}

/* Count reads; started: NULL, or a poll's start, with its time and whether something changed, which moves the cursor. */
static void
write_cursor(Company *company, const TimestampTz *started, TimestampTz time, bool changed)
{
	static SqlStatement statement = {
		"WITH day AS (SELECT (now() AT TIME ZONE 'UTC')::date AS this),"
		" past AS (INSERT INTO qbsync.metered_read AS u (connection_id, day, reads)"
		"  SELECT connection_id, reads_day, reads FROM qbsync.cursor, day"
		"  WHERE connection_id = $1 AND entity = '*' AND reads_day <> this"
		"  ON CONFLICT (connection_id, day) DO UPDATE SET reads = u.reads + excluded.reads)"
		" INSERT INTO qbsync.cursor AS c (connection_id, entity, reads, reads_day, last_request_at)"
		"  SELECT $1, '*', $2, this, $3 FROM day"
		" ON CONFLICT (connection_id, entity) DO UPDATE SET"
		"  reads = CASE WHEN c.reads_day = excluded.reads_day THEN c.reads ELSE 0 END + excluded.reads,"
		"  reads_day = excluded.reads_day, last_request_at = excluded.last_request_at,"
		"  checked_at = coalesce($4, c.checked_at), changed_at = CASE WHEN $6 THEN now() ELSE c.changed_at END,"
		"  changed_since = CASE WHEN $4 IS NULL THEN c.changed_since ELSE"
		"   greatest(c.changed_since, least($5, c.changed_since + ($4 - c.checked_at) + interval '2 minutes')) END",
		6, {INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID}
	};
	Datum		values[6] = {
		Int32GetDatum(company->id),
		Int64GetDatum(company->unsettled_reads),
		TimestampTzGetDatum(company->last_start),
		TimestampTzGetDatum(started ? *started : 0),
		TimestampTzGetDatum(time),
		BoolGetDatum(changed)
	};

	sql_execute(&statement, values, started ? NULL : "   nn ");
	company->reads_counted = true;
}

void
cursor_count_reads(Company *company)
{
	write_cursor(company, NULL, 0, false);
}

void
cursor_advance(Company *company, TimestampTz started, TimestampTz time, bool changed)
{
	write_cursor(company, &started, time, changed);
}

void
cursor_set_phase(Company *company, const CatalogueEntity *entity, const char *phase)
{
	static SqlStatement statement = {
		"UPDATE qbsync.cursor SET phase = $3, finished_at = CASE WHEN $3 = 'loaded' THEN now() ELSE finished_at END,"
		" known_since = CASE WHEN $3 <> 'loaded' OR known_since IS NOT NULL THEN known_since WHEN qbsync.version_days($1) > 0 THEN now() END"
		" WHERE connection_id = $1 AND entity = $2",
		3, {INT4OID, TEXTOID, TEXTOID}
	};
	Datum		values[3] = {
		Int32GetDatum(company->id), CStringGetTextDatum(entity->name), CStringGetTextDatum(phase)
	};

	sql_execute(&statement, values, NULL);
}

void
cursor_start_over(Company *company)
{
	static SqlStatement statement = {
		"UPDATE qbsync.cursor SET phase = 'waiting', position = 0, total = NULL, started_at = NULL,"
		" changed_since = NULL, catch_up_to = NULL"
		" WHERE connection_id = $1",
		1, {INT4OID}
	};
	Datum		values[1] = {Int32GetDatum(company->id)};

	sql_execute(&statement, values, NULL);
	company_set_state(company, COMPANY_LOADING);
}
