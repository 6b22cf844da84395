/*
 * role.c
 *		Running the CRM's code as the role of a mapping.  See role.h.
 *
 * What binds the code: SECURITY_LOCAL_USERID_CHANGE refuses SET ROLE, RESET ROLE and SET SESSION AUTHORIZATION, whatever the
 * session's user is.  An own nest level of settings, closed as if by rollback, takes back every plain SET.  While a view is
 * read, SECURITY_RESTRICTED_OPERATION refuses what would run after the frame with the session's rights; writes cannot have
 * it (deferred foreign keys are nothing unusual), so their deferred triggers are fired before the frame ends and the
 * transaction commits as the role (common/unit.h).
 *
 * Settings that change how values are written or what statements mean are the same in every frame: the plan runs in a
 * session of which nothing is known, and must show what the worker will do.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "crm/role.h"
#include "qbsync.h"

/* Forms of values, and what statements mean. */
static const char *const fixed_settings[][2] = {
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"xmlbinary", "base64"},
	{"array_nulls", "on"},
	{"standard_conforming_strings", "on"},
	{"transform_null_equals", "off"},
	{"quote_all_identifiers", "off"},
	/* policies filter, for the plan as for the worker; "off" would raise an error */
	{"row_security", "on"},
	/* the statements are wide and run once: compiling costs more than it gives */
	{"jit", "off"},
};

/* Make a setting until the frame ends, as the user that the frame has could by SET. */
static void
make_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Become that role and make the settings that every frame has. */
static void
enter(RoleFrame *frame, Oid role, int context)
{
	GetUserIdAndSecContext(&frame->saved_user, &frame->saved_context);
	SetUserIdAndSecContext(role, frame->saved_context | SECURITY_LOCAL_USERID_CHANGE | context);
	frame->guc_level = NewGUCNestLevel();
	for (int i = 0; i < lengthof(fixed_settings); i++)
		make_setting(fixed_settings[i][0], fixed_settings[i][1]);
}

/* The settings that were asked for: last, so that they can override the fixed ones. */
static void
make_settings(const char *search_path, List *settings)
{
	ListCell   *cell;

	make_setting("search_path", search_path ? search_path : "pg_catalog");
	foreach(cell, settings)
	{
		RoleSetting *setting = lfirst(cell);

		make_setting(setting->name, setting->value);
	}
}

void
role_enter(RoleFrame *frame, const Mapping *mapping)
{
	enter(frame, mapping->role, 0);
	make_settings(mapping->search_path, mapping->settings);
}

void
role_enter_reading(RoleFrame *frame, const Mapping *mapping)
{
	role_enter_as(frame, mapping->role, mapping->search_path, mapping->settings);
}

void
role_enter_as(RoleFrame *frame, Oid role, const char *search_path, List *settings)
{
	enter(frame, role, SECURITY_RESTRICTED_OPERATION);
	make_settings(search_path, settings);
}

/* The owner of the extension; its functions are written for that role's rights. */
static Oid
extension_owner(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum(QBSYNC_EXTENSION));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" is not installed in this database", QBSYNC_EXTENSION)));
	return owner;
}

void
role_enter_owner(RoleFrame *frame)
{
	enter(frame, extension_owner(), 0);
	make_settings("pg_catalog, pg_temp", NIL);
}

void
role_leave(RoleFrame *frame)
{
	AtEOXact_GUC(false, frame->guc_level);
	SetUserIdAndSecContext(frame->saved_user, frame->saved_context);
}

/*
 * SET CONSTRAINTS ALL IMMEDIATE fires what is queued, but a trigger can set its constraint back to deferred and leave work
 * for commit; so the queue is then emptied as commit itself would do it, here, where the role's settings are in force.
 */
void
role_fire_deferred(void)
{
	ConstraintsSetStmt *all = makeNode(ConstraintsSetStmt);

	AfterTriggerSetState(all);
	AfterTriggerFireDeferred();
}

/*
 * The role that a role is, directly or not, a member of and whose rights are no mapping's: a superuser's, or those that reach
 * files and programs of the server.  InvalidOid: none.  As qbsync.role_objection(), which is asked when a mapping is declared.
 */
static Oid
mighty_group(Oid role)
{
	List	   *groups = list_make1_oid(role);
	ListCell   *cell;

	/* grows while it is gone through */
	foreach(cell, groups)
	{
		Oid			group = lfirst_oid(cell);
		CatCList   *grants;

		if (group == ROLE_PG_EXECUTE_SERVER_PROGRAM || group == ROLE_PG_READ_SERVER_FILES ||
			group == ROLE_PG_WRITE_SERVER_FILES || superuser_arg(group))
			return group;
		grants = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(group));
		for (int i = 0; i < grants->n_members; i++)
		{
			HeapTuple	grant = &grants->members[i]->tuple;

			groups = list_append_unique_oid(groups, ((Form_pg_auth_members) GETSTRUCT(grant))->roleid);
		}
		ReleaseSysCacheList(grants);
	}
	return InvalidOid;
}

Oid
role_usable(const char *name)
{
	Oid			role = get_role_oid(name, true);
	Oid			group;

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", name),
				 errdetail("The CRM's views are read and written as this role."),
				 errhint("Create the role again, or declare the mapping with another one.")));
	if (superuser_arg(role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" is a superuser", name),
				 errdetail("The CRM's views and triggers are never run with a superuser's rights."),
				 errhint("Use a role that has no more than the privileges on the CRM's tables.")));
	if (has_bypassrls_privilege(role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" is not bound by row-level security", name),
				 errdetail("It has the attribute BYPASSRLS."),
				 errhint("ALTER ROLE %s NOBYPASSRLS, or use another role.", quote_identifier(name))));
	group = mighty_group(role);
	if (OidIsValid(group))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" is a member of \"%s\"", name, GetUserNameFromId(group, false)),
				 errdetail("The CRM's views and triggers would run with the rights of both."),
				 errhint("REVOKE %s FROM %s, or use another role.",
						 quote_identifier(GetUserNameFromId(group, false)), quote_identifier(name))));
	return role;
}

List *
role_settings(Datum settings)
{
	Jsonb	   *object = DatumGetJsonbP(settings);
	JsonbIterator *it = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	List	   *list = NIL;
	RoleSetting *setting = NULL;

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("settings are not a JSON object"),
				 errhint("Write them as {\"app.tenant\": \"42\"}.")));
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			setting = palloc(sizeof(RoleSetting));
			setting->name = pnstrdup(value.val.string.val, value.val.string.len);
		}
		else if (token == WJB_VALUE && value.type != jbvNull)
		{
			Datum		element = PointerGetDatum(JsonbValueToJsonb(&value));

			setting->value = value.type == jbvString ? pnstrdup(value.val.string.val, value.val.string.len)
				: JsonbToCString(NULL, &DatumGetJsonbP(element)->root, -1);
			list = lappend(list, setting);
		}
	}
	return list;
}
