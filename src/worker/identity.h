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

/* Is a connection with that mark this database's own?  NULL is a connection without a mark, which is nobody's. */
extern bool identity_matches(const char *system_identifier, int64 database_id);

/* Is the timeline still the one of the mark?  If not: promotion or restore; reading goes on, sending reads back first. */
extern bool identity_timeline_matches(int32 timeline);

#endif							/* QBSYNC_IDENTITY_H */
