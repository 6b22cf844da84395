/*
 * send_links.c
 *		Links of requests that were carried out.
 *
 * The statement names the columns of the mapping's view and is made by qbsync.sent_statement(); it is kept as long as the rows it
 * was made from stay as they are.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/ilist.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "common/unit.h"
#include "outbound/send_parts.h"

/* The statement of a mapping, as it was made last. */
typedef struct LinkStatement
{
	dlist_node	node;
	int32		mapping_id;
	char	   *version;		/* of what it was made from */
	SqlStatement statement;
} LinkStatement;

static dlist_head statements = DLIST_STATIC_INIT(statements);

static void
forget_statement(LinkStatement *kept)
{
	dlist_delete(&kept->node);
	if (kept->statement.plan)
		SPI_freeplan(kept->statement.plan);
	pfree(unconstify(char *, kept->statement.text));
	pfree(kept->version);
	pfree(kept);
}

/* The statement of a mapping in that version, made if need be. */
static SqlStatement *
link_statement(int32 mapping_id, const char *version)
{
	static SqlStatement make = {"SELECT qbsync.sent_statement($1)", 1, {INT4OID}};
	static const Oid types[] = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	LinkStatement *kept;
	dlist_mutable_iter iter;
	Datum		values[1] = {Int32GetDatum(mapping_id)};
	char	   *words;

	dlist_foreach_modify(iter, &statements)
	{
		kept = dlist_container(LinkStatement, node, iter.cur);
		if (kept->mapping_id != mapping_id)
			continue;
		if (strcmp(kept->version, version) == 0)
			return &kept->statement;
		forget_statement(kept);
	}
	sql_execute(&make, values, NULL);
	words = sql_text(0, 1, TopMemoryContext);
	kept = MemoryContextAllocZero(TopMemoryContext, sizeof(LinkStatement));
	kept->mapping_id = mapping_id;
	kept->version = MemoryContextStrdup(TopMemoryContext, version);
	kept->statement.text = words;
	kept->statement.nargs = lengthof(types);
	memcpy(kept->statement.argtypes, types, sizeof(types));
	dlist_push_head(&statements, &kept->node);
	return &kept->statement;
}

/* Columns of the statement's rows, in their order. */
typedef enum AgreedColumn
{
	AGREED_CREATED = 1,
	AGREED_CONNECTION,
	AGREED_ENTITY,
	AGREED_ID,
	AGREED_FAMILY,
	AGREED_MAPPING,
	AGREED_CRM_KEY,
	AGREED_NAMES,
	AGREED_UNITS,
	AGREED_BASE,
	AGREED_CRM_BASE
} AgreedColumn;

/* All of them but the first are parameters of these statements. */
#define AGREED_PARAMETERS 10
#define AGREED_TYPES {INT4OID, TEXTOID, TEXTOID, INT4OID, INT4OID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, JSONBOID, JSONBOID}

static SqlStatement update_statement = {
	"UPDATE qbsync.link l SET base = (coalesce(l.base, '{}') - $7) || $9,"
	" crm_base = nullif((coalesce(l.crm_base, '{}') - $7) || $10, '{}'),"
	" unagreed = (SELECT array_agg(u) FROM unnest(l.unagreed) u WHERE split_part(u, '=', 1) <> ALL ($8)), agreed_at = now()"
	" WHERE l.connection_id = $1 AND l.entity = $2 AND l.id = $3 AND l.family = $4 AND l.mapping_id = $5 AND l.crm_key = $6",
	AGREED_PARAMETERS, AGREED_TYPES
};

/*
 * A CRM record that was linked meanwhile keeps that link, and the new record counts for it as a second one.  A QuickBooks record
 * that was linked with this CRM record meanwhile (it arrived before the answer) is agreed on now; one that was linked with another is
 * shown to people.
 */
static SqlStatement create_statement = {
	"INSERT INTO qbsync.link AS l (connection_id, entity, id, family, mapping_id, crm_key, state, origin, base, crm_base, agreed_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN EXISTS (SELECT FROM qbsync.link o WHERE o.mapping_id = $5 AND o.crm_key = $6"
	"  AND o.state <> 'alias') THEN 'alias' ELSE 'linked' END, 'created_in_quickbooks', $9, nullif($10, '{}'), now())"
	" ON CONFLICT (connection_id, entity, id, family) DO UPDATE SET base = excluded.base, crm_base = excluded.crm_base,"
	"  unagreed = NULL, agreed_at = now() WHERE l.mapping_id = excluded.mapping_id AND l.crm_key = excluded.crm_key",
	AGREED_PARAMETERS, AGREED_TYPES
};
static SqlStatement candidate_statement = {
	"INSERT INTO qbsync.match_candidate (mapping_id, connection_id, entity, id, crm_key, score, reasons)"
	" VALUES ($5, $1, $2, $3, $6, 1, '{\"made in QuickBooks from it\"}') ON CONFLICT DO NOTHING",
	AGREED_PARAMETERS, AGREED_TYPES
};

/*
 * Write what is agreed on, row by row: a join with a table that grew since the plan was made would read all of it, time and
 * again.
 */
static void
write_links(SPITupleTable *rows, uint64 nrows)
{
	for (uint64 row = 0; row < nrows; row++)
	{
		Datum		values[AGREED_PARAMETERS];
		bool		isnull;
		bool		created = DatumGetBool(SPI_getbinval(rows->vals[row], rows->tupdesc, AGREED_CREATED, &isnull));

		for (int i = 0; i < AGREED_PARAMETERS; i++)
			values[i] = SPI_getbinval(rows->vals[row], rows->tupdesc, AGREED_CONNECTION + i, &isnull);
		if (!created)
			sql_execute(&update_statement, values, NULL);
		else if (sql_execute(&create_statement, values, NULL) == 0)
			sql_execute(&candidate_statement, values, NULL);
	}
	SPI_freetuptable(rows);
}

void
send_links_record(Datum requests, Datum ids, Datum sync_tokens)
{
	static SqlStatement versions = {
		"SELECT m.mapping_id, md5(concat_ws('|', m, c.settings, c.connection_id,"
		"  (SELECT string_agg(p::text, ',' ORDER BY p.column_name, p.policy) FROM qbsync.column_policy p WHERE p.mapping_id = m.mapping_id)))"
		" FROM qbsync.mapping m JOIN qbsync.connection c USING (connection_id)"
		" WHERE m.mapping_id IN (SELECT r.mapping_id FROM qbsync.request r WHERE r.request_id = ANY ($1))",
		1, {INT8ARRAYOID}
	};
	Datum		values[3] = {requests, ids, sync_tokens};
	int			n = (int) sql_execute(&versions, values, NULL);
	int32	   *mappings = palloc(sizeof(int32) * Max(n, 1));
	char	  **texts = palloc(sizeof(char *) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		mappings[i] = DatumGetInt32(sql_datum(i, 1, NULL));
		texts[i] = sql_text(i, 2, CurrentMemoryContext);
	}
	for (int i = 0; i < n; i++)
	{
		uint64		nrows = sql_execute(link_statement(mappings[i], texts[i]), values, NULL);

		write_links(SPI_tuptable, nrows);
	}
}
