/*
 * launcher.h
 *		The launcher: keeps a gateway worker in every database that has the extension.
 */
#ifndef QBSYNC_LAUNCHER_H
#define QBSYNC_LAUNCHER_H

#include "postgres.h"

#include "compat.h"

/* From shared_init(): register the static background worker. */
extern void launcher_register(void);

/* For other backends, in a transaction: would the launcher keep a gateway in that database, if the extension is there? */
extern bool launcher_serves(Oid database);

/* Entry point of the background worker. */
extern PGDLLEXPORT void qbsync_launcher_main(Datum main_arg);

#endif							/* QBSYNC_LAUNCHER_H */
