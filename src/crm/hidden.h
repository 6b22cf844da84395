/*
 * hidden.h
 *		Row-level security that hides everything must not be taken for everything having been deleted.
 */
#ifndef QBSYNC_HIDDEN_H
#define QBSYNC_HIDDEN_H

#include "postgres.h"

#include "crm/mapping.h"
#include "crm/write.h"

/* The view shows no row at all, though some are linked and its tables have row-level security. */
#define ERRCODE_ROWS_HIDDEN				MAKE_SQLSTATE('Q', 'B', '0', '0', '3')

/*
 * Raise that error if it is so.  Looked at only when linked records are missing, or new ones are to be made while no row has been
 * seen yet; *sees_rows is set as soon as one is.
 */
extern void hidden_check(const Mapping *mapping, const Deed *deeds, int ndeeds, bool *sees_rows);

#endif							/* QBSYNC_HIDDEN_H */
