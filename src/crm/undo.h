/*
 * undo.h
 *		Taking back what was written to the CRM because of a decision that somebody undid.
 */
#ifndef QBSYNC_UNDO_H
#define QBSYNC_UNDO_H

#include "postgres.h"

#include "crm/claim.h"
#include "crm/mapping.h"

/* Do what the claim's undo says, in the unit of a turn; settles it, too.  Raises whatever the CRM's code raises. */
extern void undo_run(const Mapping *mapping, const MappingState *state, const Claim *claim);

#endif							/* QBSYNC_UNDO_H */
