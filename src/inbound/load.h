/*
 * load.h
 *		First and full loads.
 */
#ifndef QBSYNC_LOAD_H
#define QBSYNC_LOAD_H

#include "postgres.h"

#include "quickbooks/company.h"

/*
 * Begin, or go on with, reading every entity of a company whole.  When the flow ends, every entity's cursor is in phase
 * 'verifying' and the company's changed_since lies before the load, so that a poll and a comparison must follow.
 */
extern void load_start(Company *company);

/* What is known is too old, or the company was reset: everything is to be read again.  Ends or fails the flow. */
extern void load_over(Company *company);

#endif							/* QBSYNC_LOAD_H */
