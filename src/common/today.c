/*
 * today.c
 *		qbsync.today(time_zone): the date in a company's time zone, now or at a time, for due dates; qbsync.known_zone().
 *
 * In C because views call it for every row: SQL has no way to ask whether a zone is known except an exception block
 * (a subtransaction, which forbids parallel plans) or pg_timezone_names (reads every zone file).  A company's zone
 * comes from QuickBooks and may be unknown to this server; a view must not fail for that, so UTC stands in for it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "compat.h"

extern PGDLLEXPORT Datum qbsync_today(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum qbsync_today_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum qbsync_known_zone(PG_FUNCTION_ARGS);

/*
 * The zone of that name, or GMT when there is none.  pg_tzset() remembers the zones it found but searches the file
 * system again for each unknown one, so the last name is remembered here.
 */
static pg_tz *
find_zone(const char *name, size_t len)
{
	static char last_name[TZ_STRLEN_MAX + 1] = "GMT";
	static pg_tz *last_zone = NULL;
	pg_tz	   *zone = NULL;

	if (len > TZ_STRLEN_MAX)
		return pg_tzset("GMT");
	if (last_zone != NULL && strlen(last_name) == len && memcmp(last_name, name, len) == 0)
		return last_zone;

	memcpy(last_name, name, len);
	last_name[len] = '\0';
	last_zone = NULL;
	if (len > 0)
		zone = pg_tzset(last_name);
	if (zone == NULL || !pg_tz_acceptable(zone))
		zone = pg_tzset("GMT");
	last_zone = zone;
	return zone;
}

/* The zone an SQL function was given; a null one means UTC. */
static pg_tz *
argument_zone(FunctionCallInfo fcinfo)
{
	text	   *name;

	if (PG_ARGISNULL(0))
		return find_zone("GMT", 3);
	name = PG_GETARG_TEXT_PP(0);
	return find_zone(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

/* The date in the zone that an argument names, null for UTC, at a time. */
static DateADT
date_in_zone(FunctionCallInfo fcinfo, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;

	if (timestamp2tm(at, &offset, &tm, &fsec, NULL, argument_zone(fcinfo)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
}

/* The date at the start of the transaction, as with CURRENT_DATE; a null zone means UTC. */
PG_FUNCTION_INFO_V1(qbsync_today);
Datum
qbsync_today(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATEADT(date_in_zone(fcinfo, GetCurrentTransactionStartTimestamp()));
}

/* The date at a time. */
PG_FUNCTION_INFO_V1(qbsync_today_at);
Datum
qbsync_today_at(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1) || TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(1)))
		PG_RETURN_NULL();
	PG_RETURN_DATEADT(date_in_zone(fcinfo, PG_GETARG_TIMESTAMPTZ(1)));
}

/* The zone's name, as PostgreSQL knows it. */
PG_FUNCTION_INFO_V1(qbsync_known_zone);
Datum
qbsync_known_zone(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(pg_get_timezone_name(argument_zone(fcinfo))));
}
