/*
 * captured.h
 *		Which records of a mapping the changes lead to that triggers have captured on its watched tables.
 */
#ifndef QBSYNC_CAPTURED_H
#define QBSYNC_CAPTURED_H

#include "postgres.h"

#include "crm/batch.h"
#include "crm/mapping.h"
#include "crm/statement.h"

/*
 * Take captures, and watched keys whose error is due; add the view's keys they lead to.  True: of some it is not known, all records
 * have to be looked at.  In the snapshot of a REPEATABLE READ transaction, of which exactly the captures it sees are done with.
 */
extern bool captured_take(const Mapping *mapping, int limit, Batch *crm_keys);

/* Add the first column of the rows, a text, and give them up. */
extern void captured_add(Rows *rows, Batch *crm_keys);

#endif							/* QBSYNC_CAPTURED_H */
