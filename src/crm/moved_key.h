/*
 * moved_key.h
 *		CRM records whose key has changed: they are the same as before, under another key.
 */
#ifndef QBSYNC_MOVED_KEY_H
#define QBSYNC_MOVED_KEY_H

#include "postgres.h"

#include "crm/captured.h"
#include "crm/mapping.h"

/* Whatever is known of records whose rows got other keys goes on under those.  Before anything else is done with the captures. */
extern void moved_keys(const Mapping *mapping, const Captured *captured);

/* Have captures that were not taken yet seen rows get other keys? */
extern bool moved_keys_wait(const Mapping *mapping);

#endif							/* QBSYNC_MOVED_KEY_H */
