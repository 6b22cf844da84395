/*
 * identity.h
 *		Which server and database is this?  Tells an original from a copy.
 */
#ifndef QBSYNC_IDENTITY_H
#define QBSYNC_IDENTITY_H

#include "postgres.h"

/* The mark kept on a connection's row (system_identifier, database_id, timeline). */
typedef struct Identity
{
	char		system_identifier[24];	/* decimal; does not fit a bigint */
	int64		database_id;
	int32		timeline;
} Identity;

/* This server's and database's own mark; not during recovery. */
extern void identity_get(Identity *identity);

#endif							/* QBSYNC_IDENTITY_H */
