/*
 * owner.h
 *		Whom a secret of the credentials file belongs to in this database.
 */
#ifndef QBSYNC_OWNER_H
#define QBSYNC_OWNER_H

#include "postgres.h"

/* Does this database know an app?  In a unit of work. */
extern bool owner_app_exists(const char *name);

/*
 * The connection_id, as text (palloc'd), of the connection of an app with a company that is not disconnected; NULL if
 * there is none.  In a unit of work.
 */
extern char *owner_connection(const char *app, const char *realm_id);

#endif							/* QBSYNC_OWNER_H */
