/*
 * capture_watch.c
 *		What a capture trigger knows: which rows it is for, how a row's key is made, which columns count.
 *
 * All of it is in the trigger's arguments, so that firing reads no table of ours:
 *
 *		watch, mapping or 0, oid of the table, then for each column "key ATTNUM NAME" or "column ATTNUM NAME"
 *
 * A column is looked for by its name.  That is right after a restore, where numbers may have become others, and when somebody
 * puts a new column in the place of an old one.  A name that is not there any more was renamed: its number then leads to it,
 * as long as the table is the one for which the arguments were made (a restored one has another oid).  In a partition, the
 * column has the name that it has in the partitioned table, and a number of its own.
 *
 * What is not understood makes too many rows, never too few: a column that is to be watched and cannot be found makes every
 * column count; a key that cannot be made is noted as not known.  Arguments of other kinds are for later versions.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "outbound/capture.h"

static HTAB *watches = NULL;

/* A table was altered (InvalidOid: perhaps all were). */
static void
relation_changed(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS scan;
	CaptureWatch *watch;

	hash_seq_init(&scan, watches);
	while ((watch = hash_seq_search(&scan)) != NULL)
	{
		if (!OidIsValid(relation) || relation == watch->relation)
			watch->valid = false;
	}
}

/* The table that the arguments speak of: this one, or the partitioned one it is a part of; InvalidOid: neither. */
static Oid
declared_table(Relation relation, Oid table)
{
	Oid			found = InvalidOid;
	List	   *ancestors;

	if (table == RelationGetRelid(relation))
		return table;
	if (!relation->rd_rel->relispartition)
		return InvalidOid;
	ancestors = get_partition_ancestors(RelationGetRelid(relation));
	if (list_member_oid(ancestors, table))
		found = table;
	list_free(ancestors);
	return found;
}

/* The column of this relation that an argument (behind its kind) names; 0: there is none. */
static AttrNumber
find_column(Relation relation, Oid declared, const char *argument)
{
	char	   *rest;
	AttrNumber	number = (AttrNumber) strtol(argument, &rest, 10);
	AttrNumber	found;
	char	   *name;

	if (*rest == ' ')
		rest++;
	found = get_attnum(RelationGetRelid(relation), rest);
	if (found > 0 || !OidIsValid(declared) || number <= 0)
		return Max(found, 0);
	name = get_attname(declared, number, true);
	return name ? Max(get_attnum(RelationGetRelid(relation), name), 0) : 0;
}

/* Is that column of the table gone, and not merely called otherwise? */
static bool
was_dropped(Oid declared, const char *argument)
{
	HeapTuple	tuple;
	bool		dropped;

	if (!OidIsValid(declared))
		return false;
	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(declared), Int16GetDatum((int16) strtol(argument, NULL, 10)));
	if (!HeapTupleIsValid(tuple))
		return false;
	dropped = ((Form_pg_attribute) GETSTRUCT(tuple))->attisdropped;
	ReleaseSysCache(tuple);
	return dropped;
}

/* May rows come out otherwise than a statement wrote them, by the table's own definition? */
static bool
is_rewritten(Relation relation)
{
	TriggerDesc *triggers = relation->trigdesc;
	TupleConstr *constraints = RelationGetDescr(relation)->constr;

	if (constraints && constraints->has_generated_stored)
		return true;
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		if (TRIGGER_FOR_ROW(triggers->triggers[i].tgtype) && TRIGGER_FOR_BEFORE(triggers->triggers[i].tgtype) &&
			strncmp(triggers->triggers[i].tgname, "qbsync_", strlen("qbsync_")) != 0)
			return true;
	}
	return false;
}

static void
add_column(CaptureWatch *watch, TupleDesc desc, CaptureColumn *column, AttrNumber number)
{
	Form_pg_attribute attribute = TupleDescAttr(desc, number - 1);

	column->column = number;
	column->by_value = attribute->attbyval;
	column->length = attribute->attlen;
	watch->last = Max(watch->last, number);
}

/* Fill in the columns that count: those numbered in counts, or all; those of the key are compared anyway. */
static void
add_columns(CaptureWatch *watch, TupleDesc desc, const Bitmapset *keys, const Bitmapset *counts, bool all)
{
	watch->columns = palloc0(sizeof(CaptureColumn) * desc->natts);
	for (AttrNumber number = 1; number <= desc->natts; number++)
	{
		if (!TupleDescAttr(desc, number - 1)->attisdropped && !bms_is_member(number, keys) && (all || bms_is_member(number, counts)))
			add_column(watch, desc, &watch->columns[watch->ncolumns++], number);
	}
}

/* Read the arguments.  CurrentMemoryContext is the watch's. */
static void
read_arguments(CaptureWatch *watch, Relation relation, const Trigger *trigger)
{
	TupleDesc	desc = RelationGetDescr(relation);
	AttrNumber	keys[ROW_KEY_MAX];
	Oid			declared;
	Bitmapset  *key_set = NULL;
	Bitmapset  *counts = NULL;
	bool		all = false;
	int			nkeys = 0;

	watch->watch_id = atoi(trigger->tgargs[0]);
	watch->mapping_id = trigger->tgnargs > 1 ? atoi(trigger->tgargs[1]) : 0;
	declared = trigger->tgnargs > 2 ? declared_table(relation, atooid(trigger->tgargs[2])) : InvalidOid;
	watch->keyed = true;
	for (int i = 3; i < trigger->tgnargs; i++)
	{
		const char *space = strchr(trigger->tgargs[i], ' ');
		AttrNumber	column;

		if (space == NULL)
			continue;
		column = find_column(relation, declared, space + 1);
		if (strncmp(trigger->tgargs[i], "key ", 4) == 0)
		{
			watch->keyed &= column > 0 && nkeys < ROW_KEY_MAX;
			if (watch->keyed)
				keys[nkeys++] = column;
			key_set = bms_add_member(key_set, column);
		}
		else if (strncmp(trigger->tgargs[i], "column ", 7) == 0)
		{
			if (column > 0 && !qbsync_is_virtual(TupleDescAttr(desc, column - 1)))
				counts = bms_add_member(counts, column);
			else if (column > 0 || !was_dropped(declared, space + 1))
				all = true;
		}
	}
	watch->keyed &= nkeys > 0;
	add_columns(watch, desc, watch->keyed ? key_set : NULL, counts, all || counts == NULL);
	if (!watch->keyed)
		return;
	row_key_prepare(&watch->key, desc, nkeys, keys);
	watch->key_columns = palloc0(sizeof(CaptureColumn) * nkeys);
	for (int i = 0; i < nkeys; i++)
		add_column(watch, desc, &watch->key_columns[i], keys[i]);
}

CaptureWatch *
capture_watch(const TriggerData *trigger)
{
	Relation	relation = trigger->tg_relation;
	CaptureWatch *watch;
	MemoryContext context;
	MemoryContext old;
	bool		found;

	if (watches == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(CaptureWatch),.hcxt = TopMemoryContext};

		watches = hash_create("qbsync capture", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	}
	watch = hash_search(watches, &trigger->tg_trigger->tgoid, HASH_ENTER, &found);
	if (!found)
		memset((char *) watch + sizeof(Oid), 0, sizeof(CaptureWatch) - sizeof(Oid));
	if (watch->valid && watch->complete)
		return watch;

	context = watch->context ? watch->context : AllocSetContextCreate(TopMemoryContext, "qbsync capture", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(context);
	memset((char *) watch + sizeof(Oid), 0, sizeof(CaptureWatch) - sizeof(Oid));
	watch->context = context;
	watch->relation = RelationGetRelid(relation);
	/* what happens while the arguments are read clears it again */
	watch->valid = true;
	old = MemoryContextSwitchTo(watch->context);
	read_arguments(watch, relation, trigger->tg_trigger);
	watch->rewritten = is_rewritten(relation);
	watch->complete = true;
	MemoryContextSwitchTo(old);
	return watch;
}
