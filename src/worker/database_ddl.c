/*
 * database_ddl.c
 *		Gets workers out of the way of commands that need a database for themselves.
 *
 * DROP DATABASE, ALTER DATABASE … RENAME TO / SET TABLESPACE, and CREATE DATABASE with that database as template, fail
 * after five seconds if anybody is connected to it.  A gateway, or an apply worker, is nobody's session, and whoever runs the
 * command cannot know of it; so this utility hook asks them to leave first and waits until they have left.  The launcher starts
 * the gateway again after the transaction, if the database is still there (shared.c keeps the mark until then); apply workers
 * follow when there is work.
 *
 * The hook runs in every database of the server, with or without the extension: it uses no SQL object.  It acts only if
 * the command could succeed, so that nobody can end gateways of databases that are not theirs; and a command on a
 * database without a gateway is neither delayed nor made to fail.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "compat.h"
#include "worker/database_ddl.h"
#include "worker/shared.h"

static ProcessUtility_hook_type previous_utility_hook = NULL;

static void database_ddl_utility(PlannedStmt *statement, const char *query, bool read_only_tree,
								 ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
								 DestReceiver *dest, QueryCompletion *completion);
static const char *database_needed(Node *node);
static const char *database_option(List *options, const char *name);
static void make_way(const char *name, bool by_copy);

void
database_ddl_init(void)
{
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = database_ddl_utility;
}

static void
database_ddl_utility(PlannedStmt *statement, const char *query, bool read_only_tree, ProcessUtilityContext context,
					 ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest,
					 QueryCompletion *completion)
{
	const char *name = database_needed(statement->utilityStmt);

	if (name != NULL)
		make_way(name, IsA(statement->utilityStmt, CreatedbStmt));

	if (previous_utility_hook)
		previous_utility_hook(statement, query, read_only_tree, context, params, environment, dest, completion);
	else
		standard_ProcessUtility(statement, query, read_only_tree, context, params, environment, dest, completion);
}

/* The name of the database that this command needs for itself, or NULL. */
static const char *
database_needed(Node *node)
{
	switch (nodeTag(node))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) node)->dbname;
		case T_RenameStmt:
			if (((RenameStmt *) node)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) node)->subname;
			return NULL;
		case T_AlterDatabaseStmt:
			if (database_option(((AlterDatabaseStmt *) node)->options, "tablespace") != NULL)
				return ((AlterDatabaseStmt *) node)->dbname;
			return NULL;
		case T_CreatedbStmt:
			return database_option(((CreatedbStmt *) node)->options, "template");
		default:
			return NULL;
	}
}

/* The text of an option, or NULL if it is not given or given without a value (DEFAULT). */
static const char *
database_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (option->arg != NULL && strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}

/*
 * Have the gateway of that database leave, if the command has a chance.  An owner may do all of these; what else the
 * command demands (CREATEDB, rights on a tablespace) it checks itself, and the gateway is back at once if it refuses.
 * Templates that anybody may copy are no candidates for a gateway, so ownership is the question there too.
 */
static void
make_way(const char *name, bool by_copy)
{
	Oid			database;

	if (!shared_available() || RecoveryInProgress() || !IsTransactionState())
		return;
	database = get_database_oid(name, true);
	if (!OidIsValid(database) || !qbsync_owns_database(database, GetUserId()))
		return;

	/* Nobody can drop, rename or move the database of the own session, but it can be copied. */
	if (database == MyDatabaseId && !by_copy)
		return;
	shared_yield_database(database);
}
