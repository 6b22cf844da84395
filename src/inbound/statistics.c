/*
 * statistics.c
 *		What the planner must know of freshly loaded tables.
 *
 * Autovacuum gathers statistics some minute after a load, or never where it is switched off.  Until then the planner takes
 * a mirror table for almost empty ("deleted_at IS NULL" is guessed to hold for one row in two hundred) and joins the views
 * by nested loops: customer_summary over 6,000 customers took seven seconds instead of a tenth.  People look at the views
 * the moment a company is there, so it is said to be live only after this.
 *
 * The gateway must not be held up: the sample is a small one, without the column raw, whose reading takes most of the time;
 * a table that somebody else works on (VACUUM, CREATE INDEX CONCURRENTLY) is skipped.  Because columns are named, autovacuum
 * does not take the tables for analyzed and comes all the same.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

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

/* ANALYZE of every table of the catalogue; made once. */
static SqlStatement *
analyze_statement(void)
{
	static SqlStatement statement = {NULL, 0};
	MemoryContext old;
	StringInfoData buffer;

	if (statement.text)
		return &statement;
	old = MemoryContextSwitchTo(TopMemoryContext);
	initStringInfo(&buffer);
	appendStringInfoString(&buffer, "ANALYZE (SKIP_LOCKED)");
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
	{
		add_table(&buffer, entity == catalogue ? "" : ",", entity->name,
				  "id, create_time, last_updated_time, deleted_at", entity->columns);
		for (const CatalogueLines *lines = entity->lines; lines && lines->table; lines++)
		{
			char	   *key = psprintf("%s_id", entity->name);

			add_table(&buffer, ",", lines->table, quote_identifier(key), lines->columns);
			pfree(key);
		}
	}
	MemoryContextSwitchTo(old);
	statement.text = buffer.data;
	return &statement;
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
	set_local("default_statistics_target", STATISTICS_TARGET);
	set_local("log_min_messages", "error");
	sql_execute(analyze_statement(), NULL, NULL);
}

void
statistics_gather(Company *company)
{
	UnitError	error;

	if (unit_run("qbsync: gathering statistics", analyze, NULL, &error) == UNIT_FAILED)
		ereport(LOG, (errmsg("qbsync could not gather statistics after loading connection \"%s\"", company->name),
					  errdetail("%s", error.message)));
}
