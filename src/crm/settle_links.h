/*
 * settle_links.h
 *		New links, many at a time.
 */
#ifndef QBSYNC_SETTLE_LINKS_H
#define QBSYNC_SETTLE_LINKS_H

#include "postgres.h"

#include "crm/mapping.h"
#include "crm/write.h"

/* Insert the links of deeds that made or took a CRM record, in a transaction. */
extern void settle_links(const Mapping *mapping, const Deed **deeds, int n);

#endif							/* QBSYNC_SETTLE_LINKS_H */
