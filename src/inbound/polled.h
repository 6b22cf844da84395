/*
 * polled.h
 *		What change data capture does not carry: taxes, exchange rates, time.
 */
#ifndef QBSYNC_POLLED_H
#define QBSYNC_POLLED_H

#include "postgres.h"

#include "quickbooks/company.h"

typedef void (*PolledDone) (Company *company, void *arg);

/* Read by queries what changed of these entities (a comma-separated list), then call done.  Part of a flow; a fault fails it. */
extern void polled_read(Company *company, const char *entities, PolledDone done, void *arg);

#endif							/* QBSYNC_POLLED_H */
