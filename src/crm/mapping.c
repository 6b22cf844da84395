/*
 * mapping.c
 *		Loading a mapping.  See mapping.h.
 *
 * Making the texts of a mapping's statements takes longer than a turn with them.  They are made when they are asked for, and kept,
 * with a stamp of all rows of ours that they follow from, until the stamp is another or a relation of the mapping was altered.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "common/unit.h"
#include "crm/mapping.h"
#include "crm/role.h"
#include "crm/statement.h"

/* Columns of the statement below, in order. */
enum
{
	COLUMN_CONNECTION_ID = 1,
	COLUMN_NAME,
	COLUMN_ENTITY,
	COLUMN_VIEW,
	COLUMN_VIEW_NAME,
	COLUMN_LINE_VIEW,
	COLUMN_LINE_VIEW_NAME,
	COLUMN_ROLE,
	COLUMN_SEARCH_PATH,
	COLUMN_SETTINGS,
	COLUMN_ENABLED,
	COLUMN_FIRST_SYNC,
	COLUMN_SWEEP_AFTER,
	COLUMN_FAMILY
};

/* The statements made last. */
typedef struct StatementCache
{
	MemoryContext context;
	int32		mapping_id;		/* 0: none */
	char	   *stamp;
	bool		stale;			/* a relation was altered */
	int			nrelations;
	Oid		   *relations;		/* the views and the tables their columns come from */
	/* NULL: not asked for yet */
	MappingStatements *statements;
	MappingDecide *decide;
	MappingSends *sends;
} StatementCache;

static StatementCache cache;

/* A relation was altered (InvalidOid: any may have been).  Runs at any moment: only notes it. */
static void
relation_altered(Datum arg, Oid relation)
{
	for (int i = 0; i < cache.nrelations; i++)
		if (relation == InvalidOid || relation == cache.relations[i])
			cache.stale = true;
}

/* What the statements follow from, as one word. */
static char *
statement_stamp(int32 mapping_id)
{
	static SqlStatement select = {
		"SELECT pg_catalog.md5(pg_catalog.concat_ws('|', "
		"pg_catalog.to_jsonb(m) OPERATOR(pg_catalog.-) '{sweep_after,problem,problem_detail,problem_since,attempts,next_attempt_at,backfill_asked_by,paused_lanes,lane_confirmed_at,scan_at}'::pg_catalog.text[], "
		"c.settings, "
		"(SELECT pg_catalog.jsonb_agg(p ORDER BY p.column_name, p.policy) FROM qbsync.column_policy p WHERE p.mapping_id OPERATOR(pg_catalog.=) m.mapping_id), "
		"(SELECT pg_catalog.jsonb_agg(r ORDER BY r.event_rule_id) FROM qbsync.event_rule r WHERE r.mapping_id OPERATOR(pg_catalog.=) m.mapping_id), "
		"(SELECT pg_catalog.jsonb_agg(r ORDER BY r.rule) FROM qbsync.match_rule r WHERE r.mapping_id OPERATOR(pg_catalog.=) m.mapping_id), "
		/* whose keys its references are */
		"(SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(r.mapping_id, r.entity, r.family, r.kind, r.crm_table, r.key_columns, r.view_name) ORDER BY r.mapping_id) "
		"FROM qbsync.mapping r WHERE r.connection_id OPERATOR(pg_catalog.=) m.connection_id))) "
		"FROM qbsync.mapping m JOIN qbsync.connection c ON c.connection_id OPERATOR(pg_catalog.=) m.connection_id "
		"WHERE m.mapping_id OPERATOR(pg_catalog.=) $1",
		1, {INT4OID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id)};
	char	   *stamp;

	if (sql_execute(&select, values, NULL) != 1)
		elog(ERROR, "mapping %d is gone", mapping_id);
	stamp = sql_text(0, 1, CurrentMemoryContext);
	SPI_freetuptable(SPI_tuptable);
	return stamp;
}

/* Whose alteration makes the statements stale. */
static void
load_relations(int32 mapping_id)
{
	static SqlStatement select = {
		"SELECT DISTINCT r.r::pg_catalog.oid FROM qbsync.mapping m CROSS JOIN LATERAL (SELECT m.view UNION ALL SELECT m.line_view "
		"UNION ALL SELECT v.relation FROM qbsync.view_columns(m.view) v UNION ALL SELECT v.relation FROM qbsync.view_columns(m.line_view) v) r(r) "
		"WHERE m.mapping_id OPERATOR(pg_catalog.=) $1 AND r.r IS NOT NULL",
		1, {INT4OID}
	};
	Datum		values[] = {Int32GetDatum(mapping_id)};
	int			n = (int) sql_execute(&select, values, NULL);
	Oid		   *relations = MemoryContextAlloc(cache.context, sizeof(Oid) * Max(n, 1));

	for (int i = 0; i < n; i++)
		relations[i] = DatumGetObjectId(sql_datum(i, 1, NULL));
	SPI_freetuptable(SPI_tuptable);
	cache.relations = relations;
	cache.nrelations = n;
}

/* Raise an error when the view is not what was mapped. */
static void
require_whole(int32 mapping_id)
{
	static SqlStatement require = {"SELECT qbsync.require_whole($1)", 1, {INT4OID}};
	Datum		values[] = {Int32GetDatum(mapping_id)};

	sql_execute(&require, values, NULL);
	SPI_freetuptable(SPI_tuptable);
}

/* Forget the texts if they are not those of the mapping as it is now. */
static void
check_statements(int32 mapping_id)
{
	static bool registered = false;
	char	   *stamp = statement_stamp(mapping_id);

	if (!registered)
	{
		CacheRegisterRelcacheCallback(relation_altered, (Datum) 0);
		registered = true;
	}
	if (cache.mapping_id == mapping_id && !cache.stale && strcmp(cache.stamp, stamp) == 0)
		return;
	cache.mapping_id = 0;		/* until all of it is there */
	cache.nrelations = 0;
	if (cache.context)
		MemoryContextDelete(cache.context);
	statement_forget();
	cache.context = AllocSetContextCreate(TopMemoryContext, "qbsync mapping statements", ALLOCSET_DEFAULT_SIZES);
	cache.stale = false;
	cache.statements = NULL;
	cache.decide = NULL;
	cache.sends = NULL;
	load_relations(mapping_id);
	require_whole(mapping_id);
	cache.stamp = MemoryContextStrdup(cache.context, stamp);
	cache.mapping_id = mapping_id;
}

const MappingStatements *
mapping_statements(const Mapping *mapping)
{
	static SqlStatement select = {
		"SELECT s.read_rows, s.read_match, s.read_keys, s.\"insert\", s.\"delete\", s.delete_lines, s.insert_lines, "
		"s.linked, s.match, s.sweep, s.create_rows, s.insert_created, s.reread, s.empty_row FROM qbsync.mapping_statements($1) s",
		1, {INT4OID}
	};
	MappingStatements made = {0};
	char	  **const texts[] = {
		&made.read_rows, &made.read_match, &made.read_keys, &made.insert, &made.delete, &made.delete_lines, &made.insert_lines,
		&made.linked, &made.match, &made.sweep, &made.create_rows, &made.insert_created
	};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id)};
	MemoryContext old;

	Assert(cache.mapping_id == mapping->mapping_id);
	if (cache.statements)
		return cache.statements;
	if (sql_execute(&select, values, NULL) != 1)
		elog(ERROR, "mapping %d has no statements", mapping->mapping_id);
	for (int i = 0; i < lengthof(texts); i++)
		*texts[i] = sql_text(0, i + 1, cache.context);
	made.reread = DatumGetBool(sql_datum(0, lengthof(texts) + 1, NULL));
	old = MemoryContextSwitchTo(cache.context);
	made.empty_row = (Jsonb *) PG_DETOAST_DATUM_COPY(sql_datum(0, lengthof(texts) + 2, NULL));
	cache.statements = palloc(sizeof(MappingStatements));
	*cache.statements = made;
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
	return cache.statements;
}

const MappingDecide *
mapping_decide(const Mapping *mapping)
{
	static SqlStatement select = {"SELECT s.decide, s.decide_some FROM qbsync.decide_statements($1) s", 1, {INT4OID}};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id)};
	MappingDecide *decide;

	Assert(cache.mapping_id == mapping->mapping_id);
	if (cache.decide)
		return cache.decide;
	decide = MemoryContextAllocZero(cache.context, sizeof(MappingDecide));
	if (sql_execute(&select, values, NULL) != 1)
		elog(ERROR, "mapping %d has no statements", mapping->mapping_id);
	decide->all = sql_text(0, 1, cache.context);
	decide->some = sql_text(0, 2, cache.context);
	SPI_freetuptable(SPI_tuptable);
	cache.decide = decide;
	return decide;
}

const MappingSends *
mapping_sends(const Mapping *mapping)
{
	static SqlStatement select = {"SELECT s.send, s.push, s.gone, s.still_there FROM qbsync.send_statements($1) s", 1, {INT4OID}};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id)};
	MappingSends *sends;

	Assert(cache.mapping_id == mapping->mapping_id);
	if (cache.sends)
		return cache.sends;
	sends = MemoryContextAllocZero(cache.context, sizeof(MappingSends));
	if (sql_execute(&select, values, NULL) != 1)
		elog(ERROR, "mapping %d has no statements", mapping->mapping_id);
	sends->send = sql_text(0, 1, cache.context);
	sends->push = sql_text(0, 2, cache.context);
	sends->gone = sql_text(0, 3, cache.context);
	sends->still_there = sql_text(0, 4, cache.context);
	SPI_freetuptable(SPI_tuptable);
	cache.sends = sends;
	return sends;
}

bool
mapping_is_stale(void)
{
	return cache.stale;
}

/* Raise an error if a view is gone; one that was made again under its name counts only once the mapping has taken it up. */
static void
require_view(Oid view, const char *view_name)
{
	if (get_rel_name(view) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("view \"%s\" does not exist", view_name),
				 errdetail("It was dropped after it was mapped."),
				 errhint("Create it again under that name, or remove the mapping with qbsync_unmap.")));
}

Mapping *
mapping_load(int32 mapping_id)
{
	static SqlStatement select = {
		"SELECT m.connection_id, m.name, m.entity, m.view::pg_catalog.oid, m.view_name, m.line_view::pg_catalog.oid, m.line_view_name, "
		"m.role, m.crm_search_path, m.crm_settings, "
		"m.state OPERATOR(pg_catalog.=) 'enabled' AND c.state OPERATOR(pg_catalog.=) 'live', "
		"m.first_sync_done_at IS NULL, m.sweep_after, m.family "
		"FROM qbsync.mapping m JOIN qbsync.connection c ON c.connection_id OPERATOR(pg_catalog.=) m.connection_id "
		"WHERE m.mapping_id OPERATOR(pg_catalog.=) $1",
		1, {INT4OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[] = {Int32GetDatum(mapping_id)};
	char	   *view_name;
	char	   *line_view_name;
	bool		no_lines;
	Mapping    *mapping;

	if (sql_execute(&select, values, NULL) == 0)
	{
		SPI_freetuptable(SPI_tuptable);
		return NULL;
	}
	mapping = MemoryContextAllocZero(context, sizeof(Mapping));
	mapping->mapping_id = mapping_id;
	mapping->connection_id = DatumGetInt32(sql_datum(0, COLUMN_CONNECTION_ID, NULL));
	mapping->name = sql_text(0, COLUMN_NAME, context);
	mapping->entity = sql_text(0, COLUMN_ENTITY, context);
	mapping->view = DatumGetObjectId(sql_datum(0, COLUMN_VIEW, NULL));
	view_name = sql_text(0, COLUMN_VIEW_NAME, context);
	mapping->line_view = DatumGetObjectId(sql_datum(0, COLUMN_LINE_VIEW, &no_lines));
	line_view_name = sql_text(0, COLUMN_LINE_VIEW_NAME, context);
	mapping->role_name = sql_text(0, COLUMN_ROLE, context);
	mapping->search_path = sql_text(0, COLUMN_SEARCH_PATH, context);
	mapping->settings = role_settings(sql_datum(0, COLUMN_SETTINGS, NULL));
	mapping->enabled = DatumGetBool(sql_datum(0, COLUMN_ENABLED, NULL));
	mapping->first_sync = DatumGetBool(sql_datum(0, COLUMN_FIRST_SYNC, NULL));
	mapping->sweep_after = sql_text(0, COLUMN_SWEEP_AFTER, context);
	mapping->family = DatumGetInt32(sql_datum(0, COLUMN_FAMILY, NULL));
	SPI_freetuptable(SPI_tuptable);

	mapping->role = role_usable(mapping->role_name);
	require_view(mapping->view, view_name);
	if (no_lines)
		mapping->line_view = InvalidOid;
	else
		require_view(mapping->line_view, line_view_name ? line_view_name : view_name);
	check_statements(mapping_id);
	return mapping;
}
