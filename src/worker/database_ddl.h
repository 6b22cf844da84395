/*
 * database_ddl.h
 *		Gets workers out of the way of commands that need a database for themselves.
 */
#ifndef QBSYNC_DATABASE_DDL_H
#define QBSYNC_DATABASE_DDL_H

#include "postgres.h"

/* From shared_init(): install the utility hook. */
extern void database_ddl_init(void);

#endif							/* QBSYNC_DATABASE_DDL_H */
