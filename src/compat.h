/*
 * compat.h
 *		Every difference between PostgreSQL 15 and 18 that qbsync meets.
 *
 * No other file mentions PG_VERSION_NUM.
 */
#ifndef QBSYNC_COMPAT_H
#define QBSYNC_COMPAT_H

#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"
#else
#include "pgstat.h"
#endif
#include "utils/memutils.h"

#if PG_VERSION_NUM < 150000
#error "qbsync needs PostgreSQL 15 or later"
#endif

/* A wait event set that lives until FreeWaitEventSet(), whatever the transaction does. */
#if PG_VERSION_NUM >= 170000
#define qbsync_create_wait_event_set(nevents) CreateWaitEventSet(NULL, (nevents))
#else
#define qbsync_create_wait_event_set(nevents) CreateWaitEventSet(TopMemoryContext, (nevents))
#endif

/* Ownership of a database. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_database.h"
#include "utils/acl.h"
#define qbsync_owns_database(dboid, roleid) object_ownercheck(DatabaseRelationId, (dboid), (roleid))
#else
#include "utils/acl.h"
#define qbsync_owns_database(dboid, roleid) pg_database_ownercheck((dboid), (roleid))
#endif

#endif							/* QBSYNC_COMPAT_H */
