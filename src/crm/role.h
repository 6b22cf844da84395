/*
 * role.h
 *		Running the CRM's code (views, triggers, casts, defaults, policies) as the role of a mapping, and never as anybody else.
 *
 * Three frames, each with settings of its own that end with it: writing and reading as the mapping's role, and our own
 * statements as the extension's owner where somebody else is the user (the plan).  They nest.  An error inside needs no
 * role_leave(): the abort of the (sub)transaction restores user and settings.
 */
#ifndef QBSYNC_ROLE_H
#define QBSYNC_ROLE_H

#include "postgres.h"

#include "crm/mapping.h"

typedef struct RoleFrame
{
	Oid			saved_user;
	int			saved_context;
	int			guc_level;
} RoleFrame;

/*
 * From here on statements run as the mapping's role (SECURITY_LOCAL_USERID_CHANGE: it cannot climb back), with fixed settings
 * for the form of values, the mapping's search_path and its settings, made with the role's rights.  role_leave() undoes all of
 * it, also what the CRM's code has SET meanwhile.
 */
extern void role_enter(RoleFrame *frame, const Mapping *mapping);

/*
 * The same to read: what reading a view never needs is refused as well (SECURITY_RESTRICTED_OPERATION), namely whatever
 * would run later, as somebody else: temporary objects, deferred triggers, cursors WITH HOLD, prepared statements.
 */
extern void role_enter_reading(RoleFrame *frame, const Mapping *mapping);

/* role_enter_reading() for a role that no mapping names yet; settings: list of RoleSetting; search_path: NULL: pg_catalog. */
extern void role_enter_as(RoleFrame *frame, Oid role, const char *search_path, List *settings);

/* From here on statements run as the extension's owner, with search_path pg_catalog, pg_temp and the fixed settings. */
extern void role_enter_owner(RoleFrame *frame);

extern void role_leave(RoleFrame *frame);

/*
 * In a frame of role_enter(), between statements and not inside a function: whatever deferred constraints and triggers are
 * queued fires now, and those to come fire at once.
 */
extern void role_fire_deferred(void);

/*
 * The role of that name, if the CRM's code may be run as it; else an error: it is gone (ERRCODE_UNDEFINED_OBJECT) or it
 * passes checks that are to bind it, as a superuser, by BYPASSRLS, or as a member of a superuser's role or one that reaches
 * the server's files and programs (ERRCODE_INSUFFICIENT_PRIVILEGE).
 */
extern Oid	role_usable(const char *name);

/* The settings of a jsonb object {name: value}, in CurrentMemoryContext; a null value is left out. */
extern List *role_settings(Datum settings);

#endif							/* QBSYNC_ROLE_H */
