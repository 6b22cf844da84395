/*
 * our_rows.c
 *		Our side of a comparison.  See our_rows.h.
 *
 * Counting takes no memory, however many rows there are; the middle of a window is found along the index of creation times, and asked
 * for only where counts differ.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/our_rows.h"
#include "inbound/select.h"

/* Rows of ours in a window of a full comparison. */
#define OUR_FULL_ROWS 900

/* What is asked of the rows of an entity. */
typedef enum OurQuestion
{
	OUR_COUNT,
	OUR_MEDIAN,
	OUR_EDGE,
	OUR_QUESTIONS
} OurQuestion;

static const char *const our_texts[] = {
	"SELECT count(*) + CASE WHEN $3 = '-infinity' AND $4 = 'infinity' THEN"
	"  (SELECT count(*) FROM qbsync.error e WHERE connection_id = $1 AND entity = $2 AND problem = 'bad_record'"
	"   AND NOT EXISTS (SELECT FROM qbsync.%1$s m WHERE m.connection_id = $1 AND m.id = e.id AND m.deleted_at IS NULL))"
	"  ELSE 0 END"
	" FROM qbsync.%1$s WHERE connection_id = $1 AND deleted_at IS NULL"
	" AND coalesce(create_time, '-infinity') >= $3 AND coalesce(create_time, '-infinity') < $4",
	"SELECT (SELECT date_trunc('second', create_time) FROM qbsync.%1$s"
	"  WHERE connection_id = $1 AND create_time >= $3 AND create_time < $4 AND deleted_at IS NULL ORDER BY create_time OFFSET $5 LIMIT 1)",
	"SELECT coalesce((SELECT date_trunc('second', r.create_time) FROM"
	"  (SELECT create_time FROM qbsync.%1$s WHERE connection_id = $1 AND create_time >= $3 ORDER BY create_time OFFSET "
	CppAsString2(OUR_FULL_ROWS) " LIMIT 1) r WHERE date_trunc('second', r.create_time) > $3),"
	" (SELECT date_trunc('second', min(create_time)) FROM qbsync.%1$s WHERE connection_id = $1 AND create_time >= $3 + interval '1 second'"
	"  AND (SELECT count(*) FROM (SELECT FROM qbsync.%1$s WHERE connection_id = $1 AND create_time >= $3 LIMIT "
	CppAsString2(OUR_FULL_ROWS) ") r) = " CppAsString2(OUR_FULL_ROWS) "),"
	" 'infinity') WHERE $2 IS NOT NULL AND $4 IS NOT NULL"
};

/* The statement of a question; $5: rows to pass over. */
static SqlStatement *
our_statement(const CatalogueEntity *entity, OurQuestion question)
{
	static SqlStatement *statements = NULL;
	SqlStatement *statement;

	if (statements == NULL)
		statements = MemoryContextAllocZero(TopMemoryContext, sizeof(SqlStatement) * catalogue_count() * OUR_QUESTIONS);
	statement = &statements[(entity - catalogue) * OUR_QUESTIONS + question];
	if (statement->text == NULL)
	{
		static const Oid types[] = {INT4OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID};
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		statement->text = psprintf(our_texts[question], quote_identifier(entity->name));
		statement->nargs = lengthof(types);
		memcpy(statement->argtypes, types, sizeof(types));
		MemoryContextSwitchTo(old);
	}
	return statement;
}

/* Ask: the answer, false when it is null. */
static bool
ask(int company, const CatalogueEntity *entity, const TimestampTz *window, OurQuestion question, int64 pass_over, Datum *answer)
{
	Datum		values[5] = {
		Int32GetDatum(company), CStringGetTextDatum(entity->name),
		TimestampTzGetDatum(window[0]), TimestampTzGetDatum(window[1]), Int64GetDatum(pass_over)
	};
	bool		isnull;

	if (question == OUR_MEDIAN)
		sql_execute_by_index(our_statement(entity, question), values, NULL);
	else
		sql_execute(our_statement(entity, question), values, NULL);
	*answer = sql_datum(0, 1, &isnull);
	return !isnull;
}

int64
our_count(int company, const CatalogueEntity *entity, const TimestampTz *window)
{
	Datum		answer;

	return ask(company, entity, window, OUR_COUNT, 0, &answer) ? DatumGetInt64(answer) : 0;
}

TimestampTz
our_median(int company, const CatalogueEntity *entity, const TimestampTz *window, int64 count)
{
	Datum		answer;

	return ask(company, entity, window, OUR_MEDIAN, count / 2, &answer) ? DatumGetTimestampTz(answer) : SELECT_NO_TIME;
}

TimestampTz
our_edge(int company, const CatalogueEntity *entity, const TimestampTz *window)
{
	Datum		answer;

	return ask(company, entity, window, OUR_EDGE, 0, &answer) ? DatumGetTimestampTz(answer) : DT_NOEND;
}
