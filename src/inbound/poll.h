/*
 * poll.h
 *		Change data capture: one call for all entities of a company.
 */
#ifndef QBSYNC_POLL_H
#define QBSYNC_POLL_H

#include "postgres.h"

#include "quickbooks/company.h"

/* Ask for everything that changed since the cursor, store it and move the cursor in one transaction. */
extern void poll_start(Company *company);

/* The path that asks for what changed since a time, of some entities (comma-separated names; NULL: all).  palloc'd. */
extern char *poll_path(const char *entities, TimestampTz since);

#endif							/* QBSYNC_POLL_H */
