/*
 * mirror_error.c
 *		Records that could not be stored, or not as they came: rows of qbsync.error.
 *
 * A bad record comes again with every poll while it lies in the overlap of two reads.  A row that would say the same
 * as before is touched once an hour, so that polling does not turn into writing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/unit.h"
#include "inbound/mirror_error.h"

/* Bytes of a bad record that are kept. */
#define KEPT_RECORD_BYTES (64 * 1024)

static SqlStatement exist_statement = {
	"SELECT FROM qbsync.error WHERE connection_id OPERATOR(pg_catalog.=) $1 AND entity OPERATOR(pg_catalog.=) $2 "
	"AND problem OPERATOR(pg_catalog.=) ANY (ARRAY['" MIRROR_BAD_RECORD "', '" MIRROR_BAD_VALUE "', '"
	MIRROR_ALTERED_TEXT "']) LIMIT 1",
	2, {INT4OID, TEXTOID}
};

static SqlStatement write_statement = {
	"INSERT INTO qbsync.error AS e (connection_id, entity, id, problem, detail, record) "
	"SELECT DISTINCT ON (id, problem) $1, $2, id, problem, detail, record "
	"FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6)) "
	"WITH ORDINALITY AS p (id, problem, detail, record, place) ORDER BY id, problem, place DESC "
	"ON CONFLICT (connection_id, entity, id, problem) DO UPDATE SET detail = excluded.detail, "
	"record = excluded.record, last_seen = pg_catalog.now(), occurrences = e.occurrences OPERATOR(pg_catalog.+) 1 "
	"WHERE e.detail IS DISTINCT FROM excluded.detail OR e.record IS DISTINCT FROM excluded.record "
	"OR e.last_seen OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) interval '1 hour')",
	6, {INT4OID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BYTEAARRAYOID}
};

static SqlStatement clear_statement = {
	"DELETE FROM qbsync.error AS e USING ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4)) AS p (id, problem) "
	"WHERE e.connection_id OPERATOR(pg_catalog.=) $1 AND e.entity OPERATOR(pg_catalog.=) $2 "
	"AND e.id OPERATOR(pg_catalog.=) p.id AND e.problem OPERATOR(pg_catalog.=) p.problem",
	4, {INT4OID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* Make room for one more problem. */
static void
make_room(MirrorProblems *problems)
{
	int			room = problems->room == 0 ? 16 : problems->room * 2;

	if (problems->count < problems->room)
		return;
#define GROW(array, type) \
	((array) = (array) ? repalloc((array), sizeof(type) * room) : palloc(sizeof(type) * room))
	GROW(problems->ids, Datum);
	GROW(problems->codes, Datum);
	GROW(problems->details, Datum);
	GROW(problems->records, Datum);
	GROW(problems->no_detail, bool);
	GROW(problems->no_record, bool);
#undef GROW
	problems->room = room;
}

void
mirror_problem_add(MirrorProblems *problems, const char *id, const char *code, const char *detail,
				   const char *record, size_t record_len)
{
	int			i;

	make_room(problems);
	i = problems->count++;
	problems->ids[i] = CStringGetTextDatum(id);
	problems->codes[i] = CStringGetTextDatum(code);
	problems->no_detail[i] = detail == NULL;
	problems->details[i] = detail ? CStringGetTextDatum(detail) : (Datum) 0;
	problems->no_record[i] = record == NULL;
	/* a bytea has the layout of a text */
	problems->records[i] = record ?
		PointerGetDatum(cstring_to_text_with_len(record, Min(record_len, KEPT_RECORD_BYTES))) : (Datum) 0;
}

bool
mirror_problems_exist(int connection_id, const char *entity)
{
	Datum		values[2] = {Int32GetDatum(connection_id), CStringGetTextDatum(entity)};

	return sql_execute(&exist_statement, values, NULL) > 0;
}

/* An array of datums that may be null. */
static Datum
array_datum(Datum *datums, bool *nulls, int count, Oid type)
{
	int			lower = 1;

	return PointerGetDatum(construct_md_array(datums, nulls, 1, &count, &lower, type, -1, false, TYPALIGN_INT));
}

void
mirror_problems_write(int connection_id, const char *entity, const MirrorProblems *problems)
{
	int			count = problems->count;

	if (count > 0)
	{
		Datum		values[6] = {
			Int32GetDatum(connection_id), CStringGetTextDatum(entity),
			array_datum(problems->ids, NULL, count, TEXTOID),
			array_datum(problems->codes, NULL, count, TEXTOID),
			array_datum(problems->details, problems->no_detail, count, TEXTOID),
			array_datum(problems->records, problems->no_record, count, BYTEAOID)
		};

		sql_execute(&write_statement, values, NULL);
	}
}

void
mirror_problems_clear(int connection_id, const char *entity, const MirrorProblems *problems)
{
	int			count = problems->count;

	if (count > 0)
	{
		Datum		values[4] = {
			Int32GetDatum(connection_id), CStringGetTextDatum(entity),
			array_datum(problems->ids, NULL, count, TEXTOID),
			array_datum(problems->codes, NULL, count, TEXTOID)
		};

		sql_execute(&clear_statement, values, NULL);
	}
}
