/*
 * guard_rules.c
 *		What a guard must know: the rules for a table, a row's key (row_key.c), and whether a record is linked.
 *
 * GuardRules are worked out by SQL (qbsync.guard_rules, qbsync.guard_columns; 37_guard.sql), which takes milliseconds, and kept
 * per table and mapping.  Each command asks once whether the rows they came from are still the same ones; a change of one
 * of the tables or views they came from is heard of as every cache hears of it.
 *
 * Everything here that touches qbsync's tables does so as the owner of the trigger function, in statements that name all
 * they use with its schema: they run under the search_path of whoever changes the row.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "crm/guard_rules.h"
#include "crm/row_key.h"

static HTAB *rules_cache = NULL;

/* --- the one who asks, and the owner ----------------------------------------------------------------------------- */

typedef struct OwnerFrame
{
	Oid			user;
	int			context;
} OwnerFrame;

/* Become the owner of the trigger function, with SPI connected.  An error needs no owner_leave(): the abort restores both. */
static void
owner_enter(OwnerFrame *frame, Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	GetUserIdAndSecContext(&frame->user, &frame->context);
	SetUserIdAndSecContext(owner, frame->context | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

static void
owner_leave(const OwnerFrame *frame)
{
	SPI_finish();
	SetUserIdAndSecContext(frame->user, frame->context);
}

/* Run a statement as the owner, read only; prepared at first use and kept. */
static uint64
owner_query(SPIPlanPtr *plan, const char *statement, int nargs, Oid *types, Datum *values)
{
	int			result;

	if (*plan == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare(statement, nargs, types);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", statement, SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	result = SPI_execute_plan(*plan, values, NULL, true, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\": %s", statement, SPI_result_code_string(result));
	return SPI_processed;
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

/* A relation was changed (InvalidOid: perhaps all were): what was read from it is to be read anew. */
static void
relation_changed(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS scan;
	GuardRules *rules;

	hash_seq_init(&scan, rules_cache);
	while ((rules = hash_seq_search(&scan)) != NULL)
	{
		if (!OidIsValid(relation) || relation == rules->key.relation)
			rules->stale = true;
		for (int i = 0; i < rules->nrelations && !rules->stale; i++)
			rules->stale = rules->relations[i] == relation;
	}
}

static GuardRules *
find_rules(Oid relation, int32 mapping_id)
{
	GuardRulesKey	key = {relation, mapping_id};
	bool		found;
	GuardRules *rules;

	if (rules_cache == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(GuardRulesKey),.entrysize = sizeof(GuardRules),.hcxt = TopMemoryContext};

		rules_cache = hash_create("qbsync guards", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	}
	rules = hash_search(rules_cache, &key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) rules + sizeof(GuardRulesKey), 0, sizeof(GuardRules) - sizeof(GuardRulesKey));
		rules->context = AllocSetContextCreate(TopMemoryContext, "qbsync guard", ALLOCSET_SMALL_SIZES);
	}
	return rules;
}

/* The relation and, when it is a partition, the tables it is a part of: one of them is the one that is watched. */
static Datum
relation_and_ancestors(Relation relation)
{
	Datum		oids[64];
	int			count = 0;

	oids[count++] = ObjectIdGetDatum(RelationGetRelid(relation));
	if (relation->rd_rel->relispartition)
	{
		List	   *ancestors = get_partition_ancestors(RelationGetRelid(relation));
		ListCell   *cell;

		foreach(cell, ancestors)
		{
			if (count < lengthof(oids))
				oids[count++] = ObjectIdGetDatum(lfirst_oid(cell));
		}
		list_free(ancestors);
	}
	return PointerGetDatum(construct_array(oids, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

/* A column of the first row that SPI brought as text, palloc'd in CurrentMemoryContext; NULL if null. */
static char *
result_text(int column)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

static bool
result_bool(int column)
{
	bool		null;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &null);

	return !null && DatumGetBool(value);
}

/* A text[] column of the first row that SPI brought, palloc'd in CurrentMemoryContext; *count is 0 when it is null. */
static char **
result_texts(int column, int *count)
{
	bool		null;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &null);
	Datum	   *elements = NULL;
	char	  **texts;

	*count = 0;
	if (!null)
		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, count);
	texts = palloc0((*count + 1) * sizeof(char *));
	for (int i = 0; i < *count; i++)
		texts[i] = TextDatumGetCString(elements[i]);
	return texts;
}

/* An oid[] column of the first row that SPI brought. */
static Datum *
result_oids(int column, int *count)
{
	bool		null;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &null);
	Datum	   *elements = NULL;

	*count = 0;
	if (!null)
		deconstruct_array(DatumGetArrayTypeP(value), OIDOID, sizeof(Oid), true, TYPALIGN_INT, &elements, NULL, count);
	return elements;
}

/*
 * As the owner: which rows of qbsync's tables the rules come from, told by their places and transactions, with the
 * connection's settings.  NULL: there are none, because the mapping is gone, disabled or does not watch the table.
 */
static char *
rules_version(const GuardRules *rules, Datum relations)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT4OID, OIDARRAYOID};
	Datum		values[] = {Int32GetDatum(rules->key.mapping_id), relations};
	const char *settings;

	if (owner_query(&plan, "SELECT m.ctid, m.xmin, w.ctid, w.xmin, c.settings FROM qbsync.mapping m"
					" JOIN qbsync.watch w ON w.mapping_id OPERATOR(pg_catalog.=) m.mapping_id"
					" LEFT JOIN qbsync.connection c ON c.connection_id OPERATOR(pg_catalog.=) m.connection_id"
					" WHERE m.mapping_id OPERATOR(pg_catalog.=) $1 AND m.state OPERATOR(pg_catalog.<>) 'disabled'"
					" AND w.relation::pg_catalog.oid OPERATOR(pg_catalog.=) ANY ($2) AND w.key_query IS NULL LIMIT 1",
					2, types, values) == 0)
		return NULL;
	settings = result_text(5);
	return psprintf("%s %s %s %s %s", result_text(1), result_text(2), result_text(3), result_text(4), settings ? settings : "");
}

/* As the owner: read the rules anew. */
static void
read_rules(GuardRules *rules, const char *version, Relation relation, Datum relations)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT4OID, OIDARRAYOID};
	Datum		values[] = {Int32GetDatum(rules->key.mapping_id), relations};
	Datum	   *sources;
	char	  **keys;
	const char *lock;
	MemoryContext old;

	rules->active = rules->columns_known = rules->stale = false;
	rules->version = NULL;
	rules->columns = NULL;
	rules->nrelations = 0;
	MemoryContextReset(rules->context);
	if (owner_query(&plan, "SELECT name, lock_linked, blocks_delete, main, relation, exempt, key_columns, sources FROM qbsync.guard_rules($1, $2)",
					2, types, values) == 0)
		return;

	old = MemoryContextSwitchTo(rules->context);
	rules->name = result_text(1);
	lock = result_text(2);
	rules->blocks = lock && strcmp(lock, "block") == 0;
	rules->warns = rules->blocks || (lock && strcmp(lock, "warn") == 0);
	rules->blocks_delete = result_bool(3);
	rules->main = result_bool(4);
	rules->watched = atooid(result_text(5));
	rules->exempt = result_texts(6, &rules->nexempt);
	keys = result_texts(7, &rules->nkeys);
	rules->keys = palloc0((rules->nkeys + 1) * sizeof(AttrNumber));
	rules->active = rules->nkeys > 0 && (rules->warns || rules->blocks_delete);
	for (int i = 0; i < rules->nkeys; i++)
	{
		int			attribute = SPI_fnumber(RelationGetDescr(relation), keys[i]);

		/* a key column that is gone: the mapping is broken, and says so elsewhere */
		if (attribute <= 0)
			rules->active = false;
		rules->keys[i] = attribute;
	}
	sources = result_oids(8, &rules->nrelations);
	rules->relations = palloc((rules->nrelations + 1) * sizeof(Oid));
	for (int i = 0; i < rules->nrelations; i++)
		rules->relations[i] = DatumGetObjectId(sources[i]);
	rules->usable = rules->active;
	rules->version = pstrdup(version);
	MemoryContextSwitchTo(old);
}

GuardRules *
guard_rules(const TriggerData *trigger, Oid function)
{
	GuardRules *rules;
	Datum		relations;
	const char *version;
	OwnerFrame	frame;

	if (trigger->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" was not made by qbsync", trigger->tg_trigger->tgname)));
	rules = find_rules(RelationGetRelid(trigger->tg_relation), pg_strtoint32(trigger->tg_trigger->tgargs[0]));
	if (rules->transaction == GetCurrentTransactionStartTimestamp() && rules->statement == GetCurrentStatementStartTimestamp() &&
		rules->command == GetCurrentCommandId(false))
		return rules->active ? rules : NULL;

	rules->transaction = 0;
	rules->warned = false;
	relations = relation_and_ancestors(trigger->tg_relation);
	owner_enter(&frame, function);
	version = rules_version(rules, relations);
	if (version == NULL)
		rules->active = false;
	else if (rules->version == NULL || rules->stale || strcmp(rules->version, version) != 0)
		read_rules(rules, version, trigger->tg_relation, relations);
	else
		rules->active = rules->usable;
	owner_leave(&frame);
	rules->transaction = GetCurrentTransactionStartTimestamp();
	rules->statement = GetCurrentStatementStartTimestamp();
	rules->command = GetCurrentCommandId(false);
	return rules->active ? rules : NULL;
}

void
guard_rules_columns(GuardRules *rules, const TriggerData *trigger, Oid function)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT4OID, OIDOID};
	Datum		values[] = {Int32GetDatum(rules->key.mapping_id), ObjectIdGetDatum(rules->watched)};
	OwnerFrame	frame;

	if (rules->columns_known)
		return;
	rules->columns = NULL;
	rules->every_column = false;
	owner_enter(&frame, function);
	if (owner_query(&plan, "SELECT every_column, columns FROM qbsync.guard_columns($1, $2)", 2, types, values) > 0)
	{
		int			count;
		char	  **names = result_texts(2, &count);
		MemoryContext old = MemoryContextSwitchTo(rules->context);

		rules->every_column = result_bool(1);
		for (int i = 0; i < count; i++)
		{
			int			attribute = SPI_fnumber(RelationGetDescr(trigger->tg_relation), names[i]);

			if (attribute > 0)
				rules->columns = bms_add_member(rules->columns, attribute);
		}
		MemoryContextSwitchTo(old);
	}
	owner_leave(&frame);
	rules->columns_known = true;
}

/* --- keys and links ---------------------------------------------------------------------------------------------- */

char *
guard_row_key(const GuardRules *rules, TupleDesc desc, HeapTuple row)
{
	Datum	   *values = palloc(sizeof(Datum) * rules->nkeys);
	bool	   *nulls = palloc(sizeof(bool) * rules->nkeys);
	RowKey		key;
	text	   *result;

	for (int i = 0; i < rules->nkeys; i++)
		values[i] = heap_getattr(row, rules->keys[i], desc, &nulls[i]);
	row_key_prepare(&key, desc, rules->nkeys, rules->keys);
	result = row_key_text(&key, values, nulls);
	return result ? text_to_cstring(result) : NULL;
}

bool
guard_is_linked(const GuardRules *rules, const char *key, Oid function)
{
	static SPIPlanPtr one = NULL;
	static SPIPlanPtr any = NULL;
	Oid			types[] = {INT4OID, TEXTOID};
	Datum		values[2] = {Int32GetDatum(rules->key.mapping_id)};
	OwnerFrame	frame;
	bool		linked;

	if (key)
		values[1] = CStringGetTextDatum(key);
	owner_enter(&frame, function);
	if (key)
		linked = owner_query(&one, "SELECT FROM qbsync.link l WHERE l.mapping_id OPERATOR(pg_catalog.=) $1"
							 " AND l.crm_key OPERATOR(pg_catalog.=) $2 AND l.state OPERATOR(pg_catalog.<>) 'alias'"
							 " AND l.state OPERATOR(pg_catalog.=) 'linked'", 2, types, values) > 0;
	else
		linked = owner_query(&any, "SELECT FROM qbsync.link l WHERE l.mapping_id OPERATOR(pg_catalog.=) $1"
							 " AND l.state OPERATOR(pg_catalog.<>) 'alias' AND l.state OPERATOR(pg_catalog.=) 'linked' LIMIT 1",
							 1, types, values) > 0;
	owner_leave(&frame);
	return linked;
}

