/*
 * gateway.h
 *		The gateway worker: one per database; network, tokens and mirror, no user code.
 */
#ifndef QBSYNC_GATEWAY_H
#define QBSYNC_GATEWAY_H

#include "postgres.h"

#include "compat.h"

/* Entry point of the background worker; main_arg is the database's oid. */
extern PGDLLEXPORT void qbsync_gateway_main(Datum main_arg);

#endif							/* QBSYNC_GATEWAY_H */
