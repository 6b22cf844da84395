/*
 * housekeeping.c
 *		Retention and the credentials file.  See housekeeping.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "qbsync.h"
#include "security/credentials.h"
#include "worker/housekeeping.h"

#define CLEAN_UP_EVERY_US USECS_PER_DAY

/* The first one, so that a gateway that is restarted every night cleans up too. */
#define CLEAN_UP_FIRST_US (10 * 60 * USECS_PER_SEC)

static TimestampTz next_clean_up = 0;

/* Unit: old rows go. */
static void
clean_up(void *arg)
{
	static SqlStatement statements[] = {
		{"DELETE FROM qbsync.http_log WHERE at < now() - $1 * interval '1 minute'", 1, {FLOAT8OID}},
		{"DELETE FROM qbsync.job WHERE finished_at < now() - $1 * interval '1 minute'", 1, {FLOAT8OID}},
		{"DELETE FROM qbsync.\"authorization\" WHERE expires_at < now() - $1 * interval '1 minute'", 1, {FLOAT8OID}},
	};
	Datum		values[1] = {Float8GetDatum((double) qbsync_log_retention)};

	for (int i = 0; i < lengthof(statements); i++)
		sql_execute(&statements[i], values, NULL);
}

TimestampTz
housekeeping_due(void)
{
	if (next_clean_up == 0)
		next_clean_up = GetCurrentTimestamp() + CLEAN_UP_FIRST_US;
	return next_clean_up;
}

void
housekeeping_run(void)
{
	static int	retention = 0;
	UnitError	error;

	/* whoever shortens it wants to see rows go */
	if (qbsync_log_retention < retention)
		next_clean_up = GetCurrentTimestamp();
	retention = qbsync_log_retention;
	if (GetCurrentTimestamp() < housekeeping_due())
		return;
	next_clean_up = GetCurrentTimestamp() + CLEAN_UP_EVERY_US;
	if (unit_run("qbsync: cleaning up", clean_up, NULL, &error) == UNIT_FAILED)
		ereport(LOG, (errmsg("qbsync could not remove old rows"), errdetail("%s", error.message)));
}

/* Unit: secrets that are new. */
static void
import_credentials(void *arg)
{
	char	  **kept = arg;
	char	   *problem;

	unit_durable();
	credentials_import(&problem);
	*kept = problem ? MemoryContextStrdup(TopMemoryContext, problem) : NULL;
}

void
housekeeping_import_credentials(void)
{
	static char *last_problem = NULL;
	char	   *problem = NULL;
	UnitError	error;

	if (unit_run("qbsync: reading the credentials file", import_credentials, &problem, &error) == UNIT_FAILED)
		problem = MemoryContextStrdup(TopMemoryContext, error.message);
	if (problem && (last_problem == NULL || strcmp(problem, last_problem) != 0))
		ereport(WARNING, (errmsg("qbsync cannot use the credentials file"), errdetail("%s", problem)));
	if (last_problem)
		pfree(last_problem);
	last_problem = problem;
}
