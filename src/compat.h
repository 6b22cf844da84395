/*
 * compat.h
 *		Every difference between PostgreSQL 15 and 18 that qbsync meets.
 *
 * No other file mentions PG_VERSION_NUM.
 */
#ifndef QBSYNC_COMPAT_H
#define QBSYNC_COMPAT_H

#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

/* Split off from storage/latch.h by 18, from postgres.h by 16. */
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 150000
#error "qbsync needs PostgreSQL 15 or later"
#endif

/*
 * Compiled with -fvisibility=hidden, as 16 and later do by themselves, PostgreSQL 15 leaves what it must find in a library
 * invisible: there PGDLLEXPORT is empty, and PG_FUNCTION_INFO_V1 does not use it for the function.  Every file with an entry
 * point includes this one before it declares any.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_,funcname)(void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_,funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = { 1 }; \
	return &my_finfo; \
} \
extern int no_such_variable
#endif

/* A function that does not return.  18 says it before the declaration, and no longer has pg_attribute_noreturn(). */
#if PG_VERSION_NUM < 180000
#define pg_noreturn _Noreturn
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

/* May a role become another one (SET ROLE)?  16 tells that from inheriting its privileges. */
#if PG_VERSION_NUM >= 160000
#define qbsync_can_become(member, role) member_can_set_role((member), (role))
#else
#define qbsync_can_become(member, role) is_member_of_role((member), (role))
#endif

/*
 * Writing rows below the executor; the headers are access/genam.h, access/tableam.h, executor/executor.h, utils/relcache.h.
 * replaces: full pages of indexes may be searched for entries of the versions before.
 */
#if PG_VERSION_NUM >= 160000
#define QbsyncIndexUpdate TU_UpdateIndexes
#define qbsync_index_update_needed(kind) ((kind) != TU_None)
#define qbsync_insert_index_entries(result, slot, estate) \
	ExecInsertIndexTuples((result), (slot), (estate), false, false, NULL, NIL, false)
#define qbsync_update_index_entries(result, slot, estate, kind, replaces) \
	ExecInsertIndexTuples((result), (slot), (estate), (replaces), false, NULL, NIL, (kind) == TU_Summarizing)
#else
#define QbsyncIndexUpdate bool
#define qbsync_index_update_needed(kind) (kind)
#define qbsync_insert_index_entries(result, slot, estate) \
	ExecInsertIndexTuples((result), (slot), (estate), false, false, NULL, NIL)
#define qbsync_update_index_entries(result, slot, estate, kind, replaces) \
	ExecInsertIndexTuples((result), (slot), (estate), (replaces), false, NULL, NIL)
#endif
#if PG_VERSION_NUM >= 180000
#define qbsync_index_beginscan(heap, index, snapshot, nkeys) index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0)
#define qbsync_primary_key(relation) RelationGetPrimaryKeyIndex((relation), false)
#else
#define qbsync_index_beginscan(heap, index, snapshot, nkeys) index_beginscan((heap), (index), (snapshot), (nkeys), 0)
#define qbsync_primary_key(relation) RelationGetPrimaryKeyIndex((relation))
#endif

/* A generated column whose value is not stored, but computed when it is read; the header is catalog/pg_attribute.h. */
#if PG_VERSION_NUM >= 180000
#define qbsync_is_virtual(attribute) ((attribute)->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL)
#else
#define qbsync_is_virtual(attribute) false
#endif

#endif							/* QBSYNC_COMPAT_H */
