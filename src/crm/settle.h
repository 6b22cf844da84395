/*
 * settle.h
 *		Recording what a turn did: links, conflicts, candidates, history, errors, and that its arrivals are done with.
 */
#ifndef QBSYNC_SETTLE_H
#define QBSYNC_SETTLE_H

#include "postgres.h"

#include "crm/claim.h"
#include "crm/mapping.h"
#include "crm/write.h"

/*
 * As the owner, in the transaction that wrote the deeds, with claim_look()'s state of its beginning.  One statement for each
 * table, and none for tables that nothing changes in.  Returns how many records of the CRM were written.
 */
extern int	settle_turn(const Mapping *mapping, const MappingState *state, const Claim *claim, Deed *deeds, int ndeeds);

/* What deeds that took something back say in history and activity; errors of it are over. */
extern void settle_undo(const Mapping *mapping, const Claim *claim, Deed *deeds, int ndeeds);

/* Done with the arrivals of a claim; its part of the sweep, too. */
extern void settle_claim(const Mapping *mapping, const MappingState *state, const Claim *claim);

#endif							/* QBSYNC_SETTLE_H */
