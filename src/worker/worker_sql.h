/*
 * worker_sql.h
 *		What backends ask about the gateway of their database.
 */
#ifndef QBSYNC_WORKER_SQL_H
#define QBSYNC_WORKER_SQL_H

#include "postgres.h"

/* The state of this database's gateway as qbsync.worker_state() names it; a constant. */
extern const char *worker_state_name(void);

/* Raise an error that says how to get workers, unless the library was preloaded. */
extern void worker_require_preloaded(void);

#endif							/* QBSYNC_WORKER_SQL_H */
