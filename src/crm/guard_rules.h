/*
 * guard_rules.h
 *		What a guard must know: the rules for a table, a row's key, and whether a record is linked.
 */
#ifndef QBSYNC_GUARD_RULES_H
#define QBSYNC_GUARD_RULES_H

#include "postgres.h"

#include "access/htup.h"
#include "commands/trigger.h"
#include "nodes/bitmapset.h"
#include "utils/timestamp.h"

/* The rules of a mapping for one table (or partition), as read by one command. */
typedef struct GuardRulesKey
{
	Oid			relation;
	int32		mapping_id;
} GuardRulesKey;

typedef struct GuardRules
{
	GuardRulesKey key;
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
} GuardRules;


/*
 * The rules for a trigger, as they are for the command that runs now; NULL: there is nothing to guard.  function: the trigger
 * function, whose owner reads them.  They stay valid until the next call for the same table and mapping.
 */
extern GuardRules *guard_rules(const TriggerData *trigger, Oid function);

/* Fill in which columns count, if they are not known yet. */
extern void guard_rules_columns(GuardRules *rules, const TriggerData *trigger, Oid function);

/* crm_key of a row, palloc'd (row_key.h); NULL when a part is null: such a row is never linked. */
extern char *guard_row_key(const GuardRules *rules, TupleDesc desc, HeapTuple row);

/* Is this record linked?  A null key asks for any of the mapping's. */
extern bool guard_is_linked(const GuardRules *rules, const char *key, Oid function);

#endif							/* QBSYNC_GUARD_RULES_H */
