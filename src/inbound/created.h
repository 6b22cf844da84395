/*
 * created.h
 *		Reading what was created in a window of time.
 */
#ifndef QBSYNC_CREATED_H
#define QBSYNC_CREATED_H

#include "datatype/timestamp.h"

#include "quickbooks/catalogue.h"
#include "quickbooks/company.h"

typedef void (*CreatedDone) (Company *company, void *arg);

/*
 * Read the records of an entity that were created in window [from, before): what we lack is stored, what we have too much is noted for
 * a look-up, what a poll should have brought is noted as drift.  Then call done.  Part of a flow, which may have several under way; a
 * fault fails it.  *most: records to ask for at once, lowered where an answer is too big; it lives as long as the flow.
 */
extern void created_read(Company *company, const CatalogueEntity *entity, const TimestampTz *window, int *most, CreatedDone done,
						 void *arg);

#endif							/* QBSYNC_CREATED_H */
