/*
 * decide_parts.h
 *		What the ways of deciding have in common: decide.c and decide_sweep.c only.
 */
#ifndef QBSYNC_DECIDE_PARTS_H
#define QBSYNC_DECIDE_PARTS_H

#include "postgres.h"

#include "crm/batch.h"
#include "crm/decide.h"

/* Columns of pairs that match. */
#define PAIR_ID 1
#define PAIR_CRM_KEY 2
#define PAIR_OUTCOME 4

/* For qsort and bsearch of texts. */
extern int	decide_compare_texts(const void *a, const void *b);

/* The texts of a batch, sorted. */
extern char **decide_sorted_texts(const Batch *batch);

/* No pairs; those of all records that are not linked, in order of id. */
extern Rows *decide_no_pairs(void);
extern Rows *decide_match_all(const Mapping *mapping);

/* decide_run() with pairs that matching has found before, which it takes over; NULL: match now. */
extern Decisions *decide_run_with(const Mapping *mapping, Datum ids, Rows *pairs);

#endif							/* QBSYNC_DECIDE_PARTS_H */
