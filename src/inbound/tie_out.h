/*
 * tie_out.h
 *		The last step of a reconciliation: does the mirror's arithmetic hold?
 */
#ifndef QBSYNC_TIE_OUT_H
#define QBSYNC_TIE_OUT_H

#include "postgres.h"

#include "quickbooks/company.h"

/*
 * Check the next records of a company whose reconciliation has compared its counts; a flow without calls.  Records that do not
 * add up are noted for a look-up.  With the last ones the reconciliation is done.
 */
extern void tie_out_start(Company *company);

#endif							/* QBSYNC_TIE_OUT_H */
