/*
 * qbsync.h
 *		Settings (GUCs) and names shared by every room.
 */
#ifndef QBSYNC_H
#define QBSYNC_H

#include "postgres.h"

/* The extension's name, as in pg_extension, and the schema of its tables. */
#define QBSYNC_EXTENSION "qbsync"

/* Settings; see qbsync.c for their meaning, doc/reference.md for the user's view. */
extern char *qbsync_credentials_file;
extern char *qbsync_key_file;
extern char *qbsync_databases;
extern bool qbsync_paused;
extern int	qbsync_connect_timeout;		/* ms */
extern int	qbsync_request_timeout;		/* ms */
extern int	qbsync_requestid_lifetime;	/* s */
extern int	qbsync_max_response_size;	/* kB */
extern int	qbsync_max_webhook_size;	/* kB */
extern int	qbsync_log_retention;		/* minutes */
extern int	qbsync_history_retention;	/* minutes */
extern int	qbsync_apply_time_box;		/* ms */
extern int	qbsync_max_lock_wait;		/* ms */
extern int	qbsync_max_apply_workers;

#endif							/* QBSYNC_H */
