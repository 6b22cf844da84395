/*
 * statistics.c
 *		What the planner must know of freshly loaded tables.
 *
 * Autovacuum gathers statistics some minute after a load, or never where it is switched off.  Until then the planner takes
 * a mirror table for almost empty ("deleted_at IS NULL" is guessed to hold for one row in two hundred) and joins the views
 * by nested loops: customer_summary over 6,000 customers took seven seconds instead of a tenth.  People look at the views
 * the moment a company is there, so it is said to be live only after this.
 *
 * Only tables that have grown since they were analyzed are: the hundredth company of a database changes little, and to analyze
 * the whole mirror takes a second in which no other company is served.
 *
 * The gateway must not be held up: the sample is a small one, without the column raw, whose reading takes most of the time;
 * a table that somebody else works on (VACUUM, CREATE INDEX CONCURRENTLY) is skipped.  Because columns are named, autovacuum
 * does not take the tables for analyzed and comes all the same.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "common/unit.h"
#include "inbound/statistics.h"
#include "quickbooks/catalogue.h"

/* A tenth of the usual sample: 3,000 rows of each table. */
#define STATISTICS_TARGET "10"

/* One table with the columns that people ask for. */
static void
add_table(StringInfo statement, const char *separator, const char *name, const char *key, const CatalogueColumn *columns)
{
	appendStringInfo(statement, "%s qbsync.%s (connection_id, %s", separator, quote_identifier(name), key);
	for (; columns->name; columns++)
		appendStringInfo(statement, ", %s", quote_identifier(columns->name));
	appendStringInfoChar(statement, ')');
}

/* Is a table among the rows of the last statement? */
static bool
is_listed(const char *table)
{
	for (uint64 row = 0; row < SPI_processed; row++)
		if (strcmp(NameStr(*DatumGetName(sql_datum(row, 1, NULL))), table) == 0)
			return true;
	return false;
}

/* In a unit: ANALYZE of the tables that have grown by a fifth since the last one; NULL: there are none. */
static char *
analyze_statement(void)
{
	static SqlStatement grown = {
		"SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = 'qbsync'::regnamespace AND relkind = 'r'"
		" AND (reltuples < 0 OR pg_relation_size(oid) > 1.2 * relpages * current_setting('block_size')::integer)",
		0
	};
	const char *separator = "ANALYZE (SKIP_LOCKED)";
	StringInfoData buffer;

	initStringInfo(&buffer);
	sql_execute(&grown, NULL, NULL);
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
	{
		if (is_listed(entity->name))
		{
			add_table(&buffer, separator, entity->name, "id, create_time, last_updated_time, deleted_at", entity->columns);
			separator = ",";
		}
		for (const CatalogueLines *lines = entity->lines; lines && lines->table; lines++)
		{
			char	   *key = psprintf("%s_id", entity->name);

			if (is_listed(lines->table))
			{
				add_table(&buffer, separator, lines->table, quote_identifier(key), lines->columns);
				separator = ",";
			}
			pfree(key);
		}
	}
	return buffer.len > 0 ? buffer.data : NULL;
}

/* A setting for this transaction only. */
static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* Unit: gather.  A table that is skipped is no news: whoever works on it is most likely autovacuum, gathering the same. */
static void
analyze(void *arg)
{
	char	   *statement = analyze_statement();

	if (statement == NULL)
		return;
	set_local("default_statistics_target", STATISTICS_TARGET);
	set_local("log_min_messages", "error");
	if (SPI_execute(statement, false, 0) < 0)
		elog(ERROR, "could not analyze the mirror");
}

void
statistics_gather(Company *company)
{
	UnitError	error;

	if (unit_run("qbsync: gathering statistics", analyze, NULL, &error) == UNIT_FAILED)
		ereport(LOG, (errmsg("qbsync could not gather statistics after loading connection \"%s\"", company->name),
					  errdetail("%s", error.message)));
}
