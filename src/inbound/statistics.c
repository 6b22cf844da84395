/*
 * statistics.c
 *		What the planner must know of freshly loaded tables.
 *
 * Autovacuum gathers statistics some minute after a load, or never where it is switched off.  Until then the planner takes
 * a mirror table for almost empty ("deleted_at IS NULL" is guessed to hold for one row in two hundred) and joins the views
 * by nested loops: customer_summary over 6,000 customers took seven seconds instead of a tenth.  People look at the views
 * the moment a company is there, so it is said to be live only after this.
 *
 * A table that somebody else works on (VACUUM, CREATE INDEX CONCURRENTLY) is skipped, since the gateway must not wait; the
 * sample is bounded, whatever the company's size.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "common/unit.h"
#include "inbound/statistics.h"
#include "quickbooks/catalogue.h"

/* ANALYZE of every table of the catalogue; made once. */
static SqlStatement *
analyze_statement(void)
{
	static SqlStatement statement = {NULL, 0};
	MemoryContext old;
	StringInfoData text;

	if (statement.text)
		return &statement;
	old = MemoryContextSwitchTo(TopMemoryContext);
	initStringInfo(&text);
	appendStringInfoString(&text, "ANALYZE (SKIP_LOCKED)");
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
	{
		appendStringInfo(&text, "%s qbsync.%s", entity == catalogue ? "" : ",", quote_identifier(entity->name));
		if (entity->lines)
			appendStringInfo(&text, ", qbsync.%s", quote_identifier(entity->lines->table));
	}
	MemoryContextSwitchTo(old);
	statement.text = text.data;
	return &statement;
}

/* Unit: gather. */
static void
analyze(void *arg)
{
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
