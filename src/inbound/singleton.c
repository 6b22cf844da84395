/*
 * singleton.c
 *		CompanyInfo and Preferences.  See singleton.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/answer.h"
#include "inbound/mirror.h"
#include "inbound/singleton.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"

/* One reading, with what its unit needs. */
typedef struct Reading
{
	Company    *company;
	const CatalogueEntity *entity;
	int		   *awaited;		/* readings of this round that are still awaited */
	SingletonDone done;
	void	   *arg;
	Record		record;
	TimestampTz started;
} Reading;

/* In the unit: due dates depend on the company's time zone; one that PostgreSQL does not know is said to people. */
static void
check_time_zone(Company *company)
{
	static SqlStatement known = {
		"DELETE FROM qbsync.error WHERE connection_id = $1 AND entity = 'company_info' AND problem = 'unknown_time_zone'",
		1, {INT4OID}
	};
	static SqlStatement unknown = {
		"INSERT INTO qbsync.error (connection_id, entity, id, problem, detail)"
		" SELECT connection_id, 'company_info', id, 'unknown_time_zone', default_time_zone FROM qbsync.company_info"
		" WHERE connection_id = $1 AND lower(default_time_zone) NOT IN ('', 'gmt') AND qbsync.known_zone(default_time_zone) = 'GMT'",
		1, {INT4OID}
	};
	Datum		values[1] = {Int32GetDatum(company->id)};

	sql_execute(&known, values, NULL);
	sql_execute(&unknown, values, NULL);
}

/* Unit: the row, and when it was read. */
static void
settle_reading(void *arg)
{
	static SqlStatement mark = {
		"INSERT INTO qbsync.cursor AS c (connection_id, entity, phase, position, total, started_at, finished_at, checked_at, known_since)"
		" VALUES ($1, $2, 'loaded', 1, 1, $3, now(), $3, CASE WHEN qbsync.version_days($1) > 0 THEN now() END)"
		" ON CONFLICT (connection_id, entity) DO UPDATE SET phase = 'loaded', position = 1, total = 1,"
		" finished_at = now(), checked_at = $3",
		3, {INT4OID, TEXTOID, TIMESTAMPTZOID}
	};
	static SqlStatement name = {
		"UPDATE qbsync.connection c SET company_name = i.company_name FROM qbsync.company_info i"
		" WHERE c.connection_id = $1 AND i.connection_id = $1 AND c.company_name IS DISTINCT FROM i.company_name",
		1, {INT4OID}
	};
	static SqlStatement anew = {
		"UPDATE qbsync.cursor SET phase = 'waiting', position = 0, total = NULL WHERE connection_id = $1 AND phase = 'absent'",
		1, {INT4OID}
	};
	Reading    *reading = arg;
	Company    *company = reading->company;
	MirrorCounts counts = {0};
	Datum		values[3] = {
		Int32GetDatum(company->id), CStringGetTextDatum(reading->entity->name), TimestampTzGetDatum(reading->started)
	};

	mirror_apply(company->id, company->name, reading->entity, &reading->record, 1, reading->started,
				 company->loaded_once, &counts);
	sql_execute(&mark, values, NULL);
	sql_execute(&name, values, NULL);
	/* another edition, another setting: what the company did not have it may have now */
	if (counts.updated > 0 && sql_execute(&anew, values, NULL) > 0)
		company->must_load = true;
	if (strcmp(reading->entity->name, "company_info") == 0)
		check_time_zone(company);
	cursor_count_reads(company);
}

static void
reading_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	Reading    *reading = arg;
	Envelope	envelope;
	const Record *records;

	if (!answer_scan(company, answer, &envelope))
		return;
	if (answer_records(&envelope, reading->entity, &records) != 1)
	{
		flow_fail(company, "not_understood", "an answer holds not exactly the one record asked for");
		return;
	}
	reading->record = records[0];
	/* there is one a company, with or without an Id */
	if (reading->record.id[0] == '\0')
		strlcpy(reading->record.id, "1", sizeof(reading->record.id));
	reading->started = answer->started;
	if (!settle(company, "qbsync: storing company facts", settle_reading, reading))
		return;
	if (--*reading->awaited == 0)
		reading->done(company, reading->arg);
}

/* Ask for a singleton. */
static void
ask(Company *company, const CatalogueEntity *entity, int *awaited, SingletonDone done, void *arg)
{
	Reading    *reading = MemoryContextAllocZero(company->flow->context, sizeof(Reading));
	char	   *path;

	reading->company = company;
	reading->entity = entity;
	reading->awaited = awaited;
	reading->done = done;
	reading->arg = arg;
	(*awaited)++;
	/* CompanyInfo is read by the company's id, Preferences has no id (§9.15) */
	path = strcmp(entity->name, "company_info") == 0
		? psprintf("%s/%s", entity->resource, company->realm_id) : pstrdup(entity->resource);
	call_get(company, path, reading_arrived, reading);
	pfree(path);
}

void
singleton_read(Company *company, const CatalogueEntity *entity, SingletonDone done, void *arg)
{
	ask(company, entity, MemoryContextAllocZero(company->flow->context, sizeof(int)), done, arg);
}

void
singleton_read_all(Company *company, SingletonDone done, void *arg)
{
	int		   *awaited = MemoryContextAllocZero(company->flow->context, sizeof(int));

	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
		if (entity->flags & ENTITY_SINGLETON)
			ask(company, entity, awaited, done, arg);
}
