/*
 * sends.h
 *		The way out as an apply worker sees it: what changed in the CRM is looked at, and what QuickBooks is to be told becomes rows
 *		of qbsync.request.  The gateway sends them.
 */
#ifndef QBSYNC_SENDS_H
#define QBSYNC_SENDS_H

#include "postgres.h"

#include "crm/claim.h"
#include "crm/mapping.h"
#include "crm/write.h"

/*
 * Captured changes, and errors whose time has come, become work: arrivals of records that are linked, rows of qbsync.outgoing
 * for those that are not; so many captures at most.  In the snapshot of a REPEATABLE READ transaction, of which exactly the captures
 * it sees are done with.
 */
extern void sends_take_news(const Mapping *mapping, int limit);

/* Decide about the CRM records of a claim (its ids are crm_keys) that QuickBooks does not have: do they go there? */
extern void sends_push(const Mapping *mapping, const Claim *claim);

/* In a unit: a CRM record could not be looked at; it waits. */
extern void sends_key_fails(int32 mapping_id, const char *crm_key, const char *problem, const char *detail);

/* As part of settling: requests to make inactive what was deleted in the CRM are made anew, if they are to be tried again. */
extern void sends_gone(const Mapping *mapping, Datum ids);

/* As part of settling: requests for what deeds of linked records send; those of records that send nothing are withdrawn. */
extern void sends_settle(const Mapping *mapping, const MappingState *state, const Claim *claim, const Deed *deeds, int ndeeds);

/* As part of settling: records of which something is on its way are looked at again when that is answered. */
extern void sends_look_again(const Mapping *mapping, const Deed *deeds, int ndeeds);

/* As part of settling: records that may be what a creation under way has made are looked at again when that is answered. */
extern void sends_wait_for_creations(const Mapping *mapping, const Deed *deeds, int ndeeds);

/* As part of settling: what waited for these CRM records to be linked goes on. */
extern void sends_release(const Mapping *mapping, const Deed *const *linked, int n);

#endif							/* QBSYNC_SENDS_H */
