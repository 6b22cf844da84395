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

/* Histories can be long: so many rows go in one transaction, and the next ones a moment later. */
#define ROWS_AT_ONCE 10000
#define CLEAN_UP_AGAIN_US (1 * USECS_PER_SEC)

/* The first one, so that a gateway that is restarted every night cleans up too. */
#define CLEAN_UP_FIRST_US (10 * 60 * USECS_PER_SEC)

static TimestampTz next_clean_up = 0;

/*
 * Superseded versions that are too old go, and those of companies that keep none.  What is known of the past begins later
 * before its rows go, so that nobody is told a past with holes, also if the setting is made longer again.
 */
static bool
clean_up_versions(void)
{
	static SqlStatement shorten = {
		"UPDATE qbsync.cursor r SET known_since = now() - d.days * interval '1 day'"
		" FROM qbsync.connection c CROSS JOIN LATERAL qbsync.version_days(c.connection_id) AS d(days)"
		" WHERE c.connection_id = r.connection_id AND d.days > 0 AND r.known_since < now() - d.days * interval '1 day'", 0
	};
	/* what was dealt with of changes that are not remembered any more */
	static SqlStatement forget = {
		"DELETE FROM qbsync.handled_change h USING qbsync.connection c CROSS JOIN LATERAL qbsync.version_days(c.connection_id) AS d(days)"
		" WHERE c.connection_id = h.connection_id AND h.until < now() - d.days * interval '1 day'", 0
	};
	static SqlStatement purge = {
		"DELETE FROM qbsync.record_version WHERE ctid = ANY (ARRAY("
		" SELECT v.ctid FROM qbsync.connection c CROSS JOIN LATERAL qbsync.version_days(c.connection_id) AS d(days)"
		" JOIN qbsync.record_version v ON v.connection_id = c.connection_id AND v.valid_to < now() - d.days * interval '1 day'"
		" LIMIT $1))", 1, {INT8OID}
	};
	Datum		values[1] = {Int64GetDatum(ROWS_AT_ONCE)};

	sql_execute(&shorten, NULL, NULL);
	sql_execute(&forget, NULL, NULL);
	return sql_execute(&purge, values, NULL) >= ROWS_AT_ONCE;
}

/* Unit: old rows go.  *arg: some are left. */
static void
clean_up(void *arg)
{
	static SqlStatement logs[] = {
		{"DELETE FROM qbsync.http_log WHERE at < now() - $1 * interval '1 minute'", 1, {FLOAT8OID}},
		{"DELETE FROM qbsync.job WHERE finished_at < now() - $1 * interval '1 minute'", 1, {FLOAT8OID}},
		{"DELETE FROM qbsync.\"authorization\" WHERE expires_at < now() - $1 * interval '1 minute'", 1, {FLOAT8OID}},
	};
	static SqlStatement histories[] = {
		{"DELETE FROM qbsync.history WHERE history_id IN (SELECT history_id FROM qbsync.history"
			" WHERE at < now() - $1 * interval '1 minute' ORDER BY at LIMIT $2)", 2, {FLOAT8OID, INT8OID}},
		{"DELETE FROM qbsync.drift WHERE drift_id IN (SELECT drift_id FROM qbsync.drift"
			" WHERE found_at < now() - $1 * interval '1 minute' AND repaired_at IS NOT NULL ORDER BY found_at LIMIT $2)", 2, {FLOAT8OID, INT8OID}},
		{"DELETE FROM qbsync.activity WHERE activity_id IN (SELECT activity_id FROM qbsync.activity"
			" WHERE at < now() - $1 * interval '1 minute' ORDER BY at LIMIT $2)", 2, {FLOAT8OID, INT8OID}},
	};
	/* what a trigger has noted that should not be there any more: nobody is going to look at it */
	static SqlStatement captures = {
		"DELETE FROM qbsync.capture c WHERE NOT EXISTS (SELECT FROM qbsync.watch w JOIN qbsync.mapping m ON m.mapping_id = w.mapping_id"
		" WHERE w.watch_id = c.watch_id AND m.state = 'enabled')", 0
	};
	static SqlStatement reads = {
		"DELETE FROM qbsync.metered_read WHERE day < (now() AT TIME ZONE 'UTC')::date - 400", 0
	};
	static SqlStatement traces[] = {
		{"DELETE FROM qbsync.moved WHERE moved_at < now() - interval '30 days'", 0},
		{"DELETE FROM qbsync.suspect WHERE judged_at < now() - interval '30 days'", 0},
	};
	bool	   *some_left = arg;
	Datum		values[2] = {Float8GetDatum((double) qbsync_log_retention)};

	*some_left = clean_up_versions();
	for (int i = 0; i < lengthof(logs); i++)
		sql_execute(&logs[i], values, NULL);
	sql_execute(&captures, NULL, NULL);
	sql_execute(&reads, NULL, NULL);
	for (int i = 0; i < lengthof(traces); i++)
		sql_execute(&traces[i], NULL, NULL);
	values[0] = Float8GetDatum((double) qbsync_history_retention);
	values[1] = Int64GetDatum(ROWS_AT_ONCE);
	for (int i = 0; i < lengthof(histories); i++)
	{
		if (sql_execute(&histories[i], values, NULL) >= ROWS_AT_ONCE)
			*some_left = true;
	}
}

TimestampTz
housekeeping_due(void)
{
	if (next_clean_up == 0)
		next_clean_up = GetCurrentTimestamp() + CLEAN_UP_FIRST_US;
	return next_clean_up;
}

void
housekeeping_soon(void)
{
	next_clean_up = GetCurrentTimestamp();
}

void
housekeeping_run(void)
{
	static int	log_retention = 0;
	static int	history_retention = 0;
	bool		some_left = false;
	UnitError	error;

	/* whoever shortens one wants to see rows go */
	if (qbsync_log_retention < log_retention || qbsync_history_retention < history_retention)
		next_clean_up = GetCurrentTimestamp();
	log_retention = qbsync_log_retention;
	history_retention = qbsync_history_retention;
	if (GetCurrentTimestamp() < housekeeping_due())
		return;
	next_clean_up = GetCurrentTimestamp() + CLEAN_UP_EVERY_US;
	if (unit_run("qbsync: cleaning up", clean_up, &some_left, &error) == UNIT_FAILED)
		ereport(LOG, (errmsg("qbsync could not remove old rows"), errdetail("%s", error.message)));
	else if (some_left)
		next_clean_up = GetCurrentTimestamp() + CLEAN_UP_AGAIN_US;
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
