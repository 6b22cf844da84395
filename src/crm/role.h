/*
 * role.h
 *		Running the CRM's code (views, triggers, casts, defaults, policies) as the role of a mapping, and never as anybody else.
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
 * it, also what the CRM's code has SET meanwhile.  An error in between needs no role_leave(): the abort of the (sub)transaction
 * restores both.
 */
extern void role_enter(RoleFrame *frame, const Mapping *mapping);
extern void role_leave(RoleFrame *frame);

/* In a frame: deferred constraints and triggers queued so far fire now (and not, with other settings, at commit). */
extern void role_fire_deferred(void);

#endif							/* QBSYNC_ROLE_H */
