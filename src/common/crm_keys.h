/*
 * crm_keys.h
 *		Nobody changes the keys under which CRM records are known while somebody goes by them.
 */
#ifndef QBSYNC_CRM_KEYS_H
#define QBSYNC_CRM_KEYS_H

#include "postgres.h"

/* Until the end of the transaction, keys of a company's CRM records stay as they are.  Waits for whoever changes some. */
extern void crm_keys_keep(int32 connection_id);

/* Until the end of the transaction, nobody else goes by keys of a company's CRM records.  Waits for whoever does. */
extern void crm_keys_change(int32 connection_id);

#endif							/* QBSYNC_CRM_KEYS_H */
