/*
 * write_parts.h
 *		What the ways of writing have in common: write.c and write_created.c only.
 */
#ifndef QBSYNC_WRITE_PARTS_H
#define QBSYNC_WRITE_PARTS_H

#include "postgres.h"

#include "compat.h"
#include "crm/write.h"

/* Note which statement begins, for write_probe(); nargs: its arrays, 0: it is the INSERT of canonical rows. */
extern void write_begins(const char *statement, int nargs);

/* Errors of a whole batch: see write.c. */
pg_noreturn extern void write_no_key(const Deed *deed);
pg_noreturn extern void write_returned_nothing(const Deed *deed);

/* Raise unless every new record has a key of its own. */
extern void write_check_new_keys(Deed **made, int n);

/* Make the new records that go the short way. */
extern void write_created(const Mapping *mapping, Deed *deeds, int ndeeds);

#endif							/* QBSYNC_WRITE_PARTS_H */
