/*
 * verify.h
 *		Comparing a company with its mirror, and repairing the difference.
 */
#ifndef QBSYNC_VERIFY_H
#define QBSYNC_VERIFY_H

#include "postgres.h"

#include "quickbooks/company.h"

/*
 * Compare counts of every entity in phase 'verifying'; equal ones become 'loaded'.  A difference is first given two
 * chances to be a change under way (the flow ends and asks for a poll), then it is hunted down.  When all are loaded, a
 * loading company becomes live.
 */
extern void verify_start(Company *company);

#endif							/* QBSYNC_VERIFY_H */
