/*
 * mirror_arrival.h
 *		Changed records are handed to the mappings of the CRM side: rows of qbsync.arrival.
 */
#ifndef QBSYNC_MIRROR_ARRIVAL_H
#define QBSYNC_MIRROR_ARRIVAL_H

#include "postgres.h"

#include "quickbooks/catalogue.h"

/*
 * Is any mapping enabled in this database?  Said after every look at the tables; while not (and before it was said), nothing
 * below costs a statement.
 */
extern void mirror_arrival_expect(bool any);

/* Arrivals were appended by a statement of another room. */
extern void mirror_arrival_note(void);

/*
 * Do records wait to be looked at until a request is answered?  If so, an answer that was recorded (and committed) counts like
 * an arrival.
 */
extern void mirror_arrival_expect_answers(bool any);
extern void mirror_arrival_note_answers(void);

/* Were arrivals appended since the last call? */
extern bool mirror_arrival_take(void);

/* What a page leaves behind before it is applied. */
typedef struct MirrorArrivals
{
	int			connection_id;
	const CatalogueEntity *entity;
	/* two text[]: payments, and for each the invoice it was applied to; 0: not needed */
	Datum		payments;
	Datum		invoices;
} MirrorArrivals;

/* Do records of that entity concern anybody?  If not, the other two need not be called. */
extern bool mirror_arrival_wanted(const CatalogueEntity *entity);

/*
 * In the unit that applies a page, before and after it: with the ids (text) of all its records, and with those that were inserted,
 * updated or deleted.  Allocated in the current context.
 */
extern void mirror_arrival_prepare(MirrorArrivals *arrivals, int connection_id, const CatalogueEntity *entity,
								   Datum *ids, int nids);
extern void mirror_arrival_append(MirrorArrivals *arrivals, Datum *ids, int nids);

/*
 * Instead of these, of records that we wrote ourselves: not for the mapping they came from where nothing can come in
 * (quiet_for, parallel to ids; 0: for all).
 */
extern void mirror_arrival_append_answers(int connection_id, const CatalogueEntity *entity, Datum *ids, Datum *quiet_for, int n);

#endif							/* QBSYNC_MIRROR_ARRIVAL_H */
