/*
 * lease.h
 *		The right to work for one company, held by at most one process.
 */
#ifndef QBSYNC_LEASE_H
#define QBSYNC_LEASE_H

#include "postgres.h"

/* Take the lease of a connection for this session without waiting; true if it is (or was already) ours. */
extern bool lease_take(int32 connection_id);

/* Give it back.  Nothing happens if it is not ours. */
extern void lease_release(int32 connection_id);

#endif							/* QBSYNC_LEASE_H */
