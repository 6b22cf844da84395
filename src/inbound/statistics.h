/*
 * statistics.h
 *		What the planner must know of freshly loaded tables.
 */
#ifndef QBSYNC_STATISTICS_H
#define QBSYNC_STATISTICS_H

#include "quickbooks/company.h"

/* Gather statistics of all mirror tables, in a unit of its own.  A failure is only logged. */
extern void statistics_gather(Company *company);

#endif							/* QBSYNC_STATISTICS_H */
