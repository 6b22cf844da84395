/*
 * qbsync_mirror_test.c
 *		The mirror's writer behind SQL functions: test/t/050_mirror.pl applies pages with the request start it chooses.
 *
 * The gateway calls the writer in a unit of work, a transaction with SPI connected; here the caller's transaction is
 * the unit.  The library holds copies of the product's sources of its own, hidden from the loader, so it does not mix
 * with the product's library in the same process; the tables are the product's.
 *
 * Results are words, such as "2 inserted, 1 stale", or "nothing".
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/execnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "inbound/mirror.h"
#include "inbound/mirror_json.h"

PG_MODULE_MAGIC;

/* The scan of a body; raises an error if it is none. */
static Envelope
scan_body(bytea *body)
{
	Envelope	envelope;

	if (!envelope_scan(VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), &envelope))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("body is not an answer of QuickBooks"),
				 errdetail("%s", envelope.error)));
	return envelope;
}

static const CatalogueEntity *
find_entity(text *name)
{
	char	   *word = text_to_cstring(name);
	const CatalogueEntity *entity = catalogue_find(word);

	if (entity == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown entity \"%s\"", word)));
	return entity;
}

static void
append_count(StringInfo words, int64 count, const char *what)
{
	if (count != 0)
		appendStringInfo(words, "%s" INT64_FORMAT " %s", words->len > 0 ? ", " : "", count, what);
}

static text *
counts_text(const MirrorCounts *counts)
{
	StringInfoData words;

	initStringInfo(&words);
	append_count(&words, counts->inserted, "inserted");
	append_count(&words, counts->updated, "updated");
	append_count(&words, counts->unchanged, "unchanged");
	append_count(&words, counts->deleted, "deleted");
	append_count(&words, counts->stale, "stale");
	append_count(&words, counts->bad, "bad");
	return cstring_to_text(words.len > 0 ? words.data : "nothing");
}

/* What a call of the writer must leave as it was. */
typedef struct Surroundings
{
	MemoryContext context;
	ResourceOwner owner;
} Surroundings;

static Surroundings
begin_unit(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	return (Surroundings) {CurrentMemoryContext, CurrentResourceOwner};
}

static void
end_unit(Surroundings before)
{
	if (CurrentMemoryContext != before.context)
		elog(ERROR, "the writer left another memory context behind");
	if (CurrentResourceOwner != before.owner)
		elog(ERROR, "the writer left another resource owner behind");
	SPI_finish();
}

PG_FUNCTION_INFO_V1(qbsync_mirror_test_apply);

/*
 * apply(connection_id integer, entity text, body bytea, started timestamptz, notify boolean) returns text
 *
 * Apply the records of an entity that are in an answer's body.  The connection's name is "company N".
 */
Datum
qbsync_mirror_test_apply(PG_FUNCTION_ARGS)
{
	int			connection_id = PG_GETARG_INT32(0);
	const CatalogueEntity *entity = find_entity(PG_GETARG_TEXT_PP(1));
	Envelope	envelope = scan_body(PG_GETARG_BYTEA_PP(2));
	char	   *name = psprintf("company %d", connection_id);
	MirrorCounts counts = {0};
	Surroundings before = begin_unit();

	for (int i = 0; i < envelope.ngroups; i++)
	{
		RecordGroup *group = &envelope.groups[i];

		if (strcmp(group->object, entity->object) == 0)
			mirror_apply(connection_id, name, entity, group->records, group->nrecords,
						 PG_GETARG_TIMESTAMPTZ(3), PG_GETARG_BOOL(4), &counts);
	}
	end_unit(before);
	PG_RETURN_TEXT_P(counts_text(&counts));
}

PG_FUNCTION_INFO_V1(qbsync_mirror_test_json);

/*
 * json(record text) returns jsonb
 *
 * What the mirror makes of a record's text.
 */
Datum
qbsync_mirror_test_json(PG_FUNCTION_ARGS)
{
	text	   *record = PG_GETARG_TEXT_PP(0);

	PG_RETURN_JSONB_P(mirror_json(VARDATA_ANY(record), VARSIZE_ANY_EXHDR(record)));
}

PG_FUNCTION_INFO_V1(qbsync_mirror_test_mark_deleted);

/*
 * mark_deleted(connection_id integer, entity text, ids text[], started timestamptz, notify boolean) returns text
 *
 * Mark records as deleted, as the comparison of ids does.
 */
Datum
qbsync_mirror_test_mark_deleted(PG_FUNCTION_ARGS)
{
	int			connection_id = PG_GETARG_INT32(0);
	const CatalogueEntity *entity = find_entity(PG_GETARG_TEXT_PP(1));
	char	   *name = psprintf("company %d", connection_id);
	MirrorCounts counts = {0};
	Surroundings before;
	Datum	   *datums;
	const char **ids;
	int			nids;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &datums, NULL, &nids);
	ids = palloc(sizeof(char *) * (nids + 1));
	for (int i = 0; i < nids; i++)
		ids[i] = TextDatumGetCString(datums[i]);
	before = begin_unit();
	mirror_mark_deleted(connection_id, name, entity, ids, nids, PG_GETARG_TIMESTAMPTZ(3), PG_GETARG_BOOL(4), &counts);
	end_unit(before);
	PG_RETURN_TEXT_P(counts_text(&counts));
}

PG_FUNCTION_INFO_V1(qbsync_mirror_test_scan);

/*
 * scan(body bytea, OUT object text, OUT id text, OUT sync_token text, OUT last_updated text, OUT deleted boolean,
 *		OUT altered boolean, OUT fingerprint bigint) returns setof record
 *
 * What the scan knows of the records of a body, before anything is applied.
 */
Datum
qbsync_mirror_test_scan(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Envelope	envelope = scan_body(PG_GETARG_BYTEA_PP(0));

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < envelope.ngroups; i++)
		for (int j = 0; j < envelope.groups[i].nrecords; j++)
		{
			Record	   *record = &envelope.groups[i].records[j];
			Datum		values[7] = {
				CStringGetTextDatum(envelope.groups[i].object), CStringGetTextDatum(record->id),
				CStringGetTextDatum(record->sync_token), CStringGetTextDatum(record->last_updated),
				BoolGetDatum(record->deleted), BoolGetDatum(record->alterations != 0),
				Int64GetDatum((int64) record->fingerprint)
			};
			bool		nulls[7] = {false};

			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	return (Datum) 0;
}
