/*
 * select.c
 *		Statements of QuickBooks' query language.  See select.h.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "pgtime.h"
#include "utils/timestamp.h"

#include "inbound/select.h"

char *
select_time(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		fsec;

	/* without a zone pointer the broken-down time is UTC */
	if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "timestamp out of range");
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02dZ",
					tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Begin a statement; the caller adds conditions with add_condition(). */
static void
begin_select(StringInfo statement, const CatalogueEntity *entity, const char *what)
{
	initStringInfo(statement);
	appendStringInfo(statement, "SELECT %s FROM %s", what, entity->object);
	if (entity->flags & ENTITY_NAME_LIST)
		appendStringInfoString(statement, " WHERE Active IN (true, false)");
}

/* Add "property operator 'value'"; the value is ours and needs no escaping. */
static void
add_condition(StringInfo statement, const char *property, const char *operator, const char *value)
{
	appendStringInfo(statement, " %s %s %s '%s'", strstr(statement->data, " WHERE ") ? "AND" : "WHERE",
					 property, operator, value);
}

/* Bound CreateTime to [from, before). */
static void
add_created(StringInfo statement, TimestampTz from, TimestampTz before)
{
	if (!TIMESTAMP_NOT_FINITE(from))
		add_condition(statement, "MetaData.CreateTime", ">=", select_time(from));
	if (!TIMESTAMP_NOT_FINITE(before))
		add_condition(statement, "MetaData.CreateTime", "<", select_time(before));
}

/* QuickBooks counts positions from 1. */
static void
add_range(StringInfo statement, int64 position, int count)
{
	appendStringInfo(statement, " STARTPOSITION " INT64_FORMAT " MAXRESULTS %d", position + 1, count);
}

char *
select_page(const CatalogueEntity *entity, int64 position, int count)
{
	StringInfoData statement;

	begin_select(&statement, entity, "*");
	appendStringInfoString(&statement, " ORDERBY MetaData.CreateTime ASC");
	add_range(&statement, position, count);
	return statement.data;
}

char *
select_count(const CatalogueEntity *entity, TimestampTz from, TimestampTz before)
{
	StringInfoData statement;

	begin_select(&statement, entity, "COUNT(*)");
	add_created(&statement, from, before);
	return statement.data;
}

char *
select_created(const CatalogueEntity *entity, TimestampTz from, TimestampTz before, int64 position, int count)
{
	StringInfoData statement;

	begin_select(&statement, entity, "*");
	add_created(&statement, from, before);
	appendStringInfoString(&statement, " ORDERBY MetaData.CreateTime ASC");
	add_range(&statement, position, count);
	return statement.data;
}

char *
select_changed(const CatalogueEntity *entity, TimestampTz since, int64 position, int count)
{
	StringInfoData statement;

	begin_select(&statement, entity, "*");
	add_condition(&statement, "MetaData.LastUpdatedTime", ">=", select_time(since));
	appendStringInfoString(&statement, " ORDERBY MetaData.LastUpdatedTime ASC");
	add_range(&statement, position, count);
	return statement.data;
}

char *
select_changed_at(const CatalogueEntity *entity, TimestampTz second, TimestampTz created, int64 position, int count)
{
	StringInfoData statement;

	begin_select(&statement, entity, "*");
	add_condition(&statement, "MetaData.LastUpdatedTime", ">=", select_time(second));
	add_condition(&statement, "MetaData.LastUpdatedTime", "<", select_time(second + USECS_PER_SEC));
	add_created(&statement, created, DT_NOEND);
	appendStringInfoString(&statement, " ORDERBY MetaData.CreateTime ASC");
	add_range(&statement, position, count);
	return statement.data;
}

char *
select_rates(const char *currencies, const char *day)
{
	StringInfoData statement;

	/* the codes were looked at where they were read: three capitals each */
	initStringInfo(&statement);
	appendStringInfoString(&statement, "SELECT * FROM Exchangerate WHERE SourceCurrencyCode IN ('");
	for (const char *at = currencies; *at; at++)
	{
		if (*at == ',')
			appendStringInfoString(&statement, "', '");
		else
			appendStringInfoChar(&statement, *at);
	}
	appendStringInfo(&statement, "') AND AsOfDate = '%s'", day);
	add_range(&statement, 0, SELECT_MAX_ROWS);
	return statement.data;
}

char *
select_ids(const CatalogueEntity *entity, const char *const *ids, int nids)
{
	StringInfoData statement;

	begin_select(&statement, entity, "*");
	appendStringInfo(&statement, " %s Id IN (", strstr(statement.data, " WHERE ") ? "AND" : "WHERE");
	for (int i = 0; i < nids; i++)
	{
		/* an id came from QuickBooks, but that is no reason to paste a quote */
		if (strspn(ids[i], "0123456789") != strlen(ids[i]))
			elog(ERROR, "id \"%s\" cannot be asked for", ids[i]);
		appendStringInfo(&statement, "%s'%s'", i > 0 ? ", " : "", ids[i]);
	}
	appendStringInfoChar(&statement, ')');
	add_range(&statement, 0, SELECT_MAX_ROWS);
	return statement.data;
}

char *
select_value(const CatalogueEntity *entity, const char *property, const char *value)
{
	StringInfoData statement;

	begin_select(&statement, entity, "*");
	appendStringInfo(&statement, " %s %s = '", strstr(statement.data, " WHERE ") ? "AND" : "WHERE", property);
	/* the value is anybody's */
	for (; *value; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendStringInfoChar(&statement, '\\');
		appendStringInfoChar(&statement, *value);
	}
	appendStringInfoChar(&statement, '\'');
	add_range(&statement, 0, SELECT_MAX_ROWS);
	return statement.data;
}
