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

/* What captures lead to. */
typedef struct Captured
{
	Batch		crm_keys;		/* of the view, which have to be looked at */
	bool		unknown;		/* of some it is not known which: all records have to be looked at */
	Batch		was;			/* parallel lists: keys of records, */
	Batch		became;			/* and those they have now */
	bool		more;			/* there may be more captures */
} Captured;

/*
 * Take captures, and watched keys whose error is due.  In the snapshot of a REPEATABLE READ transaction, of which exactly the captures
 * it sees are done with.
 */
extern Captured *captured_take(const Mapping *mapping, int limit);

/* Add the first column of the rows, a text, and give them up. */
extern void captured_add(Rows *rows, Batch *crm_keys);

#endif							/* QBSYNC_CAPTURED_H */
