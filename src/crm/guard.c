/*
 * guard.c
 *		The triggers behind the policies lock_linked and on_crm_delete = block, and qbsync.in_apply_worker().
 *
 * The triggers stand on tables of the CRM and fire in everybody's sessions.  They are written in C for two reasons.  The
 * first is whom they judge: the role that changes the row, which a SECURITY DEFINER function cannot see, while the tables
 * they look into belong to the extension's owner and nobody else may read them.  So the function begins as the one who
 * changes the row, turns that row's key into text with the rights of that role (a cast of the CRM's own types is the CRM's
 * code), and becomes the owner only for its own statements, in which every name is written with its schema.  The second is
 * cost: a row that is not linked costs one look-up by index; that the rules are still the same is asked once per command.
 *
 * A trigger's argument is the mapping's number: it is dumped and restored with the table.  A trigger whose mapping is gone,
 * disabled or no longer watches the table lets everything pass: a CRM write fails only for what somebody asked for.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "nodes/bitmapset.h"
#include "parser/parse_coerce.h"
#include "postmaster/bgworker.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "crm/guard.h"
#include "qbsync.h"

/* The rules of a mapping for one table (or partition), as read by one command. */
typedef struct RulesKey
{
	Oid			relation;
	int32		mapping_id;
} RulesKey;

typedef struct Rules
{
	RulesKey	key;
	/* the command that looked last whether they are still so */
	TimestampTz transaction;
	TimestampTz statement;
	CommandId	command;
	bool		warned;			/* in this command */
	/* what they were read from: rows of qbsync's tables, and definitions of tables and views */
	char	   *version;		/* NULL: nothing was read yet */
	bool		stale;			/* one of the relations was changed since */
	int			nrelations;
	Oid		   *relations;
	MemoryContext context;		/* of version and of what follows */
	bool		usable;			/* there is something to guard, as long as the mapping is not disabled */
	bool		active;			/* there is something to guard */
	bool		main;			/* a row is a record, not a part of one */
	bool		warns;			/* lock_linked is warn or block */
	bool		blocks;			/* lock_linked is block */
	bool		blocks_delete;	/* on_crm_delete is block */
	char	   *name;			/* of the mapping */
	Oid			watched;		/* the table: the relation or its partitioned ancestor */
	int			nexempt;
	char	  **exempt;			/* roles whose members may change locked rows */
	int			nkeys;
	AttrNumber *keys;			/* columns of crm_key, in order */
	/* read when a linked row is changed */
	bool		columns_known;
	bool		every_column;
	Bitmapset  *columns;		/* columns that count */
} Rules;

static HTAB *rules_cache = NULL;

/*
 * A row that moves to another partition is deleted there and inserted here, in the middle of the UPDATE.  The guard that saw
 * the UPDATE remembers the row, so that the others know a move from a deletion.
 */
static struct
{
	Oid			relation;
	ItemPointerData row;
	TimestampTz statement;
	CommandId	command;
	bool		arriving;		/* deleted there, not yet inserted */
} moving;

extern PGDLLEXPORT Datum qbsync_in_apply_worker(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum qbsync_guard_update(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum qbsync_guard_delete(PG_FUNCTION_ARGS);

bool
guard_in_apply_worker(void)
{
	return MyBgworkerEntry != NULL && strcmp(MyBgworkerEntry->bgw_library_name, QBSYNC_EXTENSION) == 0 &&
		strcmp(MyBgworkerEntry->bgw_function_name, APPLY_WORKER_FUNCTION) == 0;
}

PG_FUNCTION_INFO_V1(qbsync_in_apply_worker);

/* qbsync.in_apply_worker() */
Datum
qbsync_in_apply_worker(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(guard_in_apply_worker());
}

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
	Rules	   *rules;

	hash_seq_init(&scan, rules_cache);
	while ((rules = hash_seq_search(&scan)) != NULL)
	{
		if (!OidIsValid(relation) || relation == rules->key.relation)
			rules->stale = true;
		for (int i = 0; i < rules->nrelations && !rules->stale; i++)
			rules->stale = rules->relations[i] == relation;
	}
}

static Rules *
find_rules(Oid relation, int32 mapping_id)
{
	RulesKey	key = {relation, mapping_id};
	bool		found;
	Rules	   *rules;

	if (rules_cache == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(RulesKey),.entrysize = sizeof(Rules),.hcxt = TopMemoryContext};

		rules_cache = hash_create("qbsync guards", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	}
	rules = hash_search(rules_cache, &key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) rules + sizeof(RulesKey), 0, sizeof(Rules) - sizeof(RulesKey));
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
rules_version(const Rules *rules, Datum relations)
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
read_rules(Rules *rules, const char *version, Relation relation, Datum relations)
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

/* The rules for a trigger, as they are for the command that runs now; NULL: there is nothing to guard. */
static Rules *
get_rules(const TriggerData *trigger, Oid function)
{
	Rules	   *rules;
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

/* Which columns count: read when it is first needed. */
static void
need_columns(Rules *rules, const TriggerData *trigger, Oid function)
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

/* Does the text of a value of this type depend on settings? */
static bool
depends_on_settings(Oid type)
{
	return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID || type == TIMEOID || type == TIMETZOID ||
		type == INTERVALOID || type == FLOAT4OID || type == FLOAT8OID || type == BYTEAOID;
}

/* A value as the cast to text shows it; as the one who changes the row. */
static char *
value_text(Datum value, Oid type)
{
	Oid			cast = InvalidOid;
	Oid			output;
	bool		varlena;

	type = getBaseType(type);
	if (find_coercion_pathway(TEXTOID, type, COERCION_EXPLICIT, &cast) == COERCION_PATH_FUNC && get_func_nargs(cast) == 1)
		return TextDatumGetCString(OidFunctionCall1Coll(cast, DEFAULT_COLLATION_OID, value));
	getTypeOutputInfo(type, &output, &varlena);
	return OidOutputFunctionCall(output, value);
}

/*
 * crm_key of a row: the text of its key column, of several the text of a JSON array, under the settings that views are read
 * with.  NULL when a part is null: such a row is never linked.
 */
static char *
row_key(const Rules *rules, TupleDesc desc, HeapTuple row)
{
	static const char *const settings[][2] = {
		{"DateStyle", "ISO, YMD"}, {"IntervalStyle", "postgres"}, {"TimeZone", "UTC"}, {"extra_float_digits", "1"}, {"bytea_output", "hex"}
	};
	StringInfoData key;
	int			nest = 0;
	bool		null = false;

	initStringInfo(&key);
	for (int i = 0; i < rules->nkeys && !null; i++)
	{
		Datum		value = heap_getattr(row, rules->keys[i], desc, &null);
		Oid			type = TupleDescAttr(desc, rules->keys[i] - 1)->atttypid;

		if (null)
			break;
		if (nest == 0 && depends_on_settings(getBaseType(type)))
		{
			nest = NewGUCNestLevel();
			for (int s = 0; s < lengthof(settings); s++)
				(void) set_config_option(settings[s][0], settings[s][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		}
		if (rules->nkeys == 1)
			appendStringInfoString(&key, value_text(value, type));
		else
		{
			appendStringInfoString(&key, i == 0 ? "[" : ", ");
			escape_json(&key, value_text(value, type));
		}
	}
	if (rules->nkeys > 1)
		appendStringInfoChar(&key, ']');
	if (nest != 0)
		AtEOXact_GUC(false, nest);
	return null ? NULL : key.data;
}

/* Is this record linked?  A null key asks for any of the mapping's. */
static bool
is_linked(const Rules *rules, const char *key, Oid function)
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

/* --- judging ------------------------------------------------------------------------------------------------------ */

/* A superuser is exempt like everybody else: by being a member of a role that is named. */
static bool
is_exempt(const Rules *rules, Oid user)
{
	for (int i = 0; i < rules->nexempt; i++)
	{
		Oid			role = get_role_oid(rules->exempt[i], true);

		if (OidIsValid(role) && is_member_of_role_nosuper(user, role))
			return true;
	}
	return false;
}

/* Does an UPDATE change this column?  Generated columns are computed later; the columns they come from count instead. */
static bool
column_changed(TupleDesc desc, HeapTuple before, HeapTuple after, AttrNumber column)
{
	Form_pg_attribute attribute = TupleDescAttr(desc, column - 1);
	bool		null_before;
	bool		null_after;
	Datum		value_before;
	Datum		value_after;

	if (attribute->attisdropped || attribute->attgenerated)
		return false;
	value_before = heap_getattr(before, column, desc, &null_before);
	value_after = heap_getattr(after, column, desc, &null_after);
	if (null_before || null_after)
		return null_before != null_after;
	return !datum_image_eq(value_before, value_after, attribute->attbyval, attribute->attlen);
}

/* Does an UPDATE change the key? */
static bool
key_changed(const Rules *rules, const TriggerData *trigger)
{
	for (int i = 0; i < rules->nkeys; i++)
	{
		if (column_changed(RelationGetDescr(trigger->tg_relation), trigger->tg_trigtuple, trigger->tg_newtuple, rules->keys[i]))
			return true;
	}
	return false;
}

/* The first column that counts and is changed by an UPDATE; 0: none. */
static AttrNumber
changed_column(const Rules *rules, const TriggerData *trigger)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	for (AttrNumber column = 1; column <= desc->natts; column++)
	{
		if ((rules->every_column || bms_is_member(column, rules->columns)) &&
			column_changed(desc, trigger->tg_trigtuple, trigger->tg_newtuple, column))
			return column;
	}
	return 0;
}

/* Is anything changed at all?  Cheaper than asking whether the row is linked. */
static bool
anything_changed(const TriggerData *trigger)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	for (AttrNumber column = 1; column <= desc->natts; column++)
	{
		if (column_changed(desc, trigger->tg_trigtuple, trigger->tg_newtuple, column))
			return true;
	}
	return false;
}

/* A linked record is changed by somebody who may not: an error, or one warning a command.  column is 0 if none is meant. */
static void
report_locked(Rules *rules, const TriggerData *trigger, const char *key, AttrNumber column)
{
	Relation	relation = trigger->tg_relation;

	if (!rules->blocks && rules->warned)
		return;
	rules->warned = true;
	ereport(rules->blocks ? ERROR : WARNING,
			(errcode(rules->blocks ? ERRCODE_INSUFFICIENT_PRIVILEGE : ERRCODE_WARNING),
			 rules->blocks ? errmsg("record \"%s\" of table \"%s\" is linked with QuickBooks and locked", key, RelationGetRelationName(relation))
			 : errmsg("record \"%s\" of table \"%s\" is linked with QuickBooks", key, RelationGetRelationName(relation)),
			 column > 0 ? errdetail("Policy lock_linked of mapping \"%s\" is %s; column \"%s\" counts.", rules->name,
									rules->blocks ? "block" : "warn", NameStr(TupleDescAttr(RelationGetDescr(relation), column - 1)->attname))
			 : errdetail("Policy lock_linked of mapping \"%s\" is %s.", rules->name, rules->blocks ? "block" : "warn"),
			 errhint("Change it in QuickBooks. Members of the roles in policy lock_exempt may change it here."),
			 column > 0 ? errtablecol(relation, column) : errtable(relation)));
}

static void
report_deleted(const Rules *rules, const TriggerData *trigger, const char *key, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_RESTRICT_VIOLATION),
			 key ? errmsg("record \"%s\" of table \"%s\" is linked with QuickBooks and cannot be %s", key,
						  RelationGetRelationName(trigger->tg_relation), what)
			 : errmsg("table \"%s\" has records that are linked with QuickBooks and cannot be %s",
					  RelationGetRelationName(trigger->tg_relation), what),
			 errdetail("Policy on_crm_delete of mapping \"%s\" is block.", rules->name),
			 errhint("Unlink it first with qbsync_unlink, or change the policy with qbsync_set."),
			 errtable(trigger->tg_relation)));
}

/* --- rows that move between partitions ----------------------------------------------------------------------------- */

static void
remember_move(const TriggerData *trigger)
{
	if (!trigger->tg_relation->rd_rel->relispartition)
		return;
	moving.relation = RelationGetRelid(trigger->tg_relation);
	moving.row = trigger->tg_trigtuple->t_self;
	moving.statement = GetCurrentStatementStartTimestamp();
	moving.command = GetCurrentCommandId(false);
	moving.arriving = false;
}

/* Is this deletion the first half of a move that was judged as an UPDATE? */
static bool
leaves_for_move(const TriggerData *trigger)
{
	if (moving.relation != RelationGetRelid(trigger->tg_relation) || moving.arriving ||
		!ItemPointerEquals(&moving.row, &trigger->tg_trigtuple->t_self) ||
		moving.statement != GetCurrentStatementStartTimestamp() || moving.command != GetCurrentCommandId(false))
		return false;
	moving.arriving = true;
	return true;
}

/* Is this insertion its second half? */
static bool
arrives_by_move(const TriggerData *trigger)
{
	bool		arrives = moving.arriving && moving.statement == GetCurrentStatementStartTimestamp() &&
		moving.command == GetCurrentCommandId(false) && trigger->tg_relation->rd_rel->relispartition;

	moving.arriving = false;
	moving.relation = InvalidOid;
	return arrives;
}

/* --- triggers ------------------------------------------------------------------------------------------------------ */

/* Raise an error unless called as a trigger, as it should be. */
static TriggerData *
as_trigger(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("a guard of qbsync was not called as a BEFORE trigger")));
	return trigger;
}

/* A row of a table whose rows are parts of records (their e-mail addresses, say) comes or goes: its record changes. */
static void
judge_part(Rules *rules, const TriggerData *trigger, Oid function)
{
	char	   *key;

	/* what goes because its record is deleted is no change of the record; a cascade runs inside a trigger */
	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event) &&
		DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0)) > 1)
		return;
	if (!rules->warns || is_exempt(rules, GetUserId()))
		return;
	key = row_key(rules, RelationGetDescr(trigger->tg_relation), trigger->tg_trigtuple);
	if (key != NULL && is_linked(rules, key, function))
		report_locked(rules, trigger, key, 0);
}

/* A row is updated. */
static void
judge_update(Rules *rules, const TriggerData *trigger, Oid function)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	bool		locked = rules->warns && !is_exempt(rules, GetUserId());
	bool		moved = key_changed(rules, trigger);
	bool		removed = moved && rules->main && rules->blocks_delete;
	AttrNumber	column;
	char	   *key;

	if (!(locked && anything_changed(trigger)) && !removed)
		return;
	key = row_key(rules, desc, trigger->tg_trigtuple);
	if (key != NULL && is_linked(rules, key, function))
	{
		if (locked)
		{
			need_columns(rules, trigger, function);
			column = moved ? rules->keys[0] : changed_column(rules, trigger);
			if (column > 0)
				report_locked(rules, trigger, key, column);
		}
		/* whoever gives a record another key takes away the one that is linked */
		if (removed)
			report_deleted(rules, trigger, key, "given another key");
	}
	/* a part that is handed to another record changes that one, too */
	else if (locked && moved)
	{
		key = row_key(rules, desc, trigger->tg_newtuple);
		if (key != NULL && is_linked(rules, key, function))
			report_locked(rules, trigger, key, rules->keys[0]);
	}
}

PG_FUNCTION_INFO_V1(qbsync_guard_update);

/* qbsync.guard_update(): policy lock_linked. */
Datum
qbsync_guard_update(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = as_trigger(fcinfo);
	bool		update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	bool		move = TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? leaves_for_move(trigger) :
		TRIGGER_FIRED_BY_INSERT(trigger->tg_event) && arrives_by_move(trigger);

	if (!guard_in_apply_worker() && !move)
	{
		Rules	   *rules = get_rules(trigger, fcinfo->flinfo->fn_oid);

		if (rules != NULL && update)
			judge_update(rules, trigger, fcinfo->flinfo->fn_oid);
		else if (rules != NULL)
			judge_part(rules, trigger, fcinfo->flinfo->fn_oid);
		if (update)
			remember_move(trigger);
	}
	return PointerGetDatum(update ? trigger->tg_newtuple : trigger->tg_trigtuple);
}

PG_FUNCTION_INFO_V1(qbsync_guard_delete);

/* qbsync.guard_delete(): policy on_crm_delete = block, also against TRUNCATE. */
Datum
qbsync_guard_delete(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = as_trigger(fcinfo);
	bool		truncate = TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event);
	Rules	   *rules;

	if (!guard_in_apply_worker() && (truncate || !leaves_for_move(trigger)) &&
		(rules = get_rules(trigger, fcinfo->flinfo->fn_oid)) != NULL && rules->blocks_delete)
	{
		char	   *key = truncate ? NULL : row_key(rules, RelationGetDescr(trigger->tg_relation), trigger->tg_trigtuple);

		if ((truncate || key != NULL) && is_linked(rules, key, fcinfo->flinfo->fn_oid))
			report_deleted(rules, trigger, key, truncate ? "truncated" : "deleted");
	}
	return PointerGetDatum(truncate ? NULL : trigger->tg_trigtuple);
}
