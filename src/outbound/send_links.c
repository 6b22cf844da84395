/*
 * send_links.c
 *		Links of requests that were carried out.
 *
 * The statement names the columns of the mapping's view and is made by qbsync.sent_statement(); it is kept as long as the rows it
 * was made from say what they said.  That they are the same rows is seen at once, what they say takes a look at all of them.
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
	char	   *rows;			/* which ones it was made from */
	char	   *words;			/* and what they said */
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
	pfree(kept->rows);
	pfree(kept->words);
	pfree(kept);
}

/* The only value of a statement about a mapping, a text; NULL when the mapping is gone. */
static char *
text_about(SqlStatement *statement, int32 mapping_id)
{
	Datum		values[1] = {Int32GetDatum(mapping_id)};
	char	   *value = sql_execute(statement, values, NULL) > 0 ? sql_text(0, 1, CurrentMemoryContext) : NULL;

	SPI_freetuptable(SPI_tuptable);
	return value;
}

/* Keep a new statement of a mapping. */
static SqlStatement *
make_statement(int32 mapping_id, const char *rows, const char *words)
{
	static SqlStatement make = {"SELECT qbsync.sent_statement($1)", 1, {INT4OID}};
	static const Oid types[] = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	char	   *made = text_about(&make, mapping_id);
	LinkStatement *kept = MemoryContextAllocZero(TopMemoryContext, sizeof(LinkStatement));

	kept->mapping_id = mapping_id;
	kept->rows = MemoryContextStrdup(TopMemoryContext, rows);
	kept->words = MemoryContextStrdup(TopMemoryContext, words);
	kept->statement.text = MemoryContextStrdup(TopMemoryContext, made);
	kept->statement.nargs = lengthof(types);
	memcpy(kept->statement.argtypes, types, sizeof(types));
	dlist_push_head(&statements, &kept->node);
	return &kept->statement;
}

/* The statement of a mapping, made if need be; NULL when the mapping is gone. */
static SqlStatement *
link_statement(int32 mapping_id)
{
	static SqlStatement look = {
		"SELECT concat_ws('|', m.xmin, c.xmin, (SELECT string_agg(p.xmin::text, ',' ORDER BY p.column_name, p.policy)"
		"  FROM qbsync.column_policy p WHERE p.mapping_id = m.mapping_id))"
		" FROM qbsync.mapping m JOIN qbsync.connection c USING (connection_id) WHERE m.mapping_id = $1",
		1, {INT4OID}
	};
	static SqlStatement read = {
		"SELECT md5(concat_ws('|', m, c.settings, c.connection_id,"
		"  (SELECT string_agg(p::text, ',' ORDER BY p.column_name, p.policy) FROM qbsync.column_policy p WHERE p.mapping_id = m.mapping_id)))"
		" FROM qbsync.mapping m JOIN qbsync.connection c USING (connection_id) WHERE m.mapping_id = $1",
		1, {INT4OID}
	};
	char	   *rows = text_about(&look, mapping_id);
	char	   *words;
	LinkStatement *kept = NULL;
	dlist_iter	iter;

	if (rows == NULL)
		return NULL;
	dlist_foreach(iter, &statements)
		if (dlist_container(LinkStatement, node, iter.cur)->mapping_id == mapping_id)
			kept = dlist_container(LinkStatement, node, iter.cur);
	if (kept && strcmp(kept->rows, rows) == 0)
		return &kept->statement;
	words = text_about(&read, mapping_id);
	if (kept && strcmp(kept->words, words) == 0)
	{
		pfree(kept->rows);
		kept->rows = MemoryContextStrdup(TopMemoryContext, rows);
		return &kept->statement;
	}
	if (kept)
		forget_statement(kept);
	return make_statement(mapping_id, rows, words);
}

/* Columns of the statement's rows, in their order. */
typedef enum AgreedColumn
{
	AGREED_REQUEST = 1,
	AGREED_CREATED,
	AGREED_QUIET,
	AGREED_CONNECTION,
	AGREED_ENTITY,
	AGREED_ID,
	AGREED_FAMILY,
	AGREED_MAPPING,
	AGREED_CRM_KEY,
	AGREED_BASE,
	AGREED_CRM_BASE
} AgreedColumn;

/* From the connection on they are parameters of these statements. */
#define AGREED_PARAMETERS 8
#define AGREED_TYPES {INT4OID, TEXTOID, TEXTOID, INT4OID, INT4OID, TEXTOID, JSONBOID, JSONBOID}

/*
 * A CRM record that was linked meanwhile keeps that link, and the new record counts for it as a second one.  A QuickBooks record
 * that was linked with this CRM record meanwhile (it arrived before the answer) is agreed on now; one that was linked with another is
 * shown to people.
 */
static SqlStatement create_statement = {
	"INSERT INTO qbsync.link AS l (connection_id, entity, id, family, mapping_id, crm_key, state, origin, base, crm_base, agreed_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN EXISTS (SELECT FROM qbsync.link o WHERE o.mapping_id = $5 AND o.crm_key = $6"
	"  AND o.state <> 'alias') THEN 'alias' ELSE 'linked' END, 'created_in_quickbooks', $7, nullif($8, '{}'), now())"
	" ON CONFLICT (connection_id, entity, id, family) DO UPDATE SET base = excluded.base, crm_base = excluded.crm_base,"
	"  unagreed = NULL, agreed_at = now() WHERE l.mapping_id = excluded.mapping_id AND l.crm_key = excluded.crm_key",
	AGREED_PARAMETERS, AGREED_TYPES
};
static SqlStatement ask_statement = {"SELECT qbsync.ask_about_made($1, $2, $3)", 3, {INT4OID, TEXTOID, TEXTOID}};

/* Write the link of a record that was created. */
static void
write_created(HeapTuple row, TupleDesc columns)
{
	Datum		values[AGREED_PARAMETERS];
	bool		isnull;

	for (int i = 0; i < AGREED_PARAMETERS; i++)
		values[i] = SPI_getbinval(row, columns, AGREED_CONNECTION + i, &isnull);
	if (sql_execute(&create_statement, values, NULL) == 0)
	{
		Datum		asked[] = {
			values[AGREED_MAPPING - AGREED_CONNECTION], values[AGREED_ID - AGREED_CONNECTION], values[AGREED_CRM_KEY - AGREED_CONNECTION]
		};

		sql_execute(&ask_statement, asked, NULL);
	}
}

static int
compare_requests(const void *a, const void *b)
{
	int64		left = (*(SendItem *const *) a)->request_id;
	int64		right = (*(SendItem *const *) b)->request_id;

	return left < right ? -1 : left > right;
}

/* What the rows of the statement say. */
static void
take_rows(SPITupleTable *rows, uint64 nrows, SendItem **sorted, int n)
{
	for (uint64 row = 0; row < nrows; row++)
	{
		bool		isnull;
		SendItem	wanted = {DatumGetInt64(SPI_getbinval(rows->vals[row], rows->tupdesc, AGREED_REQUEST, &isnull))};
		SendItem   *key = &wanted;
		SendItem  **found = bsearch(&key, sorted, n, sizeof(SendItem *), compare_requests);

		if (DatumGetBool(SPI_getbinval(rows->vals[row], rows->tupdesc, AGREED_CREATED, &isnull)))
			write_created(rows->vals[row], rows->tupdesc);
		else if (found && DatumGetBool(SPI_getbinval(rows->vals[row], rows->tupdesc, AGREED_QUIET, &isnull)) && !isnull)
			(*found)->quiet = true;
	}
	SPI_freetuptable(rows);
}

void
send_links_record(SendItem **items, int n, Datum requests, Datum ids, Datum sync_tokens)
{
	Datum		values[3] = {requests, ids, sync_tokens};
	SendItem  **sorted = palloc(sizeof(SendItem *) * n);

	memcpy(sorted, items, sizeof(SendItem *) * n);
	qsort(sorted, n, sizeof(SendItem *), compare_requests);
	for (int i = 0; i < n; i++)
		items[i]->quiet = false;
	for (int i = 0; i < n; i++)
	{
		bool		first = true;
		SqlStatement *statement;
		uint64		nrows;

		for (int before = 0; first && before < i; before++)
			first = items[before]->mapping_id != items[i]->mapping_id;
		statement = first ? link_statement(items[i]->mapping_id) : NULL;
		if (statement == NULL)
			continue;
		nrows = sql_execute_by_index(statement, values, NULL);
		take_rows(SPI_tuptable, nrows, sorted, n);
	}
}
