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
		sql_execute(link_statement(mappings[i], texts[i]), values, NULL);
}
