/*
 * answer.h
 *		Small helpers that every flow of this room needs: records out of an answer, rows of qbsync.cursor.
 */
#ifndef QBSYNC_ANSWER_H
#define QBSYNC_ANSWER_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/unit.h"
#include "inbound/mirror.h"
#include "quickbooks/call.h"
#include "quickbooks/company.h"
#include "quickbooks/envelope.h"

/*
 * Overlap of two reads by time.  Intuit's times have whole seconds, and a change may become visible later than its
 * time says; their documentation advises 60 s at least.
 */
#define ANSWER_OVERLAP_US	(5 * 60 * USECS_PER_SEC)

/*
 * The records of an answer, gone after the callback.  False: it was a refusal or cannot be read, and the company's flow has failed (the
 * caller returns at once).
 */
extern bool answer_scan(Company *company, const CallAnswer *answer, Envelope *envelope);

/* The same, copied into a context with the bytes they point to. */
extern bool answer_take(Company *company, const CallAnswer *answer, MemoryContext context, Envelope *envelope);

/* The records of one entity in a query answer; *records may be NULL when there are none. */
extern int	answer_records(const Envelope *envelope, const CatalogueEntity *entity, const Record **records);

/* The number an answer to COUNT(*) holds.  False: as answer_scan(). */
extern bool answer_count(Company *company, const CallAnswer *answer, int64 *count);

/* The server's clock in the answer, SELECT_NO_TIME if it cannot be read. */
extern TimestampTz answer_time(const Envelope *envelope);

/*
 * An answer was too big: ask for half as many records.  False when it was a single one already: then it is noted among
 * the errors and must be passed over, or the flow has failed (*failed).
 */
extern bool answer_halve(Company *company, const CatalogueEntity *entity, int *count, bool *failed);

/* Is an entity's name in a comma-separated list (NULL: an empty one)? */
extern bool answer_lists(const char *names, const CatalogueEntity *entity);

/*
 * The entities for which a test holds: their names, or their names in the API, comma-separated; only those in the list
 * among, if it is not NULL.  palloc'd.
 */
extern char *answer_entities(bool (*test) (const CatalogueEntity *entity), bool api_names, const char *among);

/* Tests for answer_entities(). */
extern bool answer_in_cdc(const CatalogueEntity *entity);

/* Is it a refusal of something that this edition of QuickBooks, or this company, does not have? */
extern bool answer_absent(const CatalogueEntity *entity, const Fault *fault);

/*
 * Run a unit of the company's flow that settles something, and tell who waits.  False: it failed, and the flow with it
 * (the caller returns at once).  The unit calls cursor_count_reads() when calls were answered before it.
 */
extern bool settle(Company *company, const char *activity, UnitWork work, void *arg);

/*
 * In a unit run by settle(): the reads since the last one go into the company's cursor row ('*'), with the start of the
 * newest request.
 */
extern void cursor_count_reads(Company *company);

/*
 * The same, and in the same row version: a poll that began at that time brought all changes until the answer's time.  The cursor moves
 * as far as Intuit's clock says, but not much further than ours went since the last poll, and never beyond the overlap: an answer with
 * a time in the future would make us pass over changes.  changed: something came.
 */
extern void cursor_advance(Company *company, TimestampTz started, TimestampTz time, bool changed);

/* In a unit: the phase of an entity changes. */
extern void cursor_set_phase(Company *company, const CatalogueEntity *entity, const char *phase);

/* In a unit: everything of the company must be read again; what is in the tables stays. */
extern void cursor_start_over(Company *company);

#endif							/* QBSYNC_ANSWER_H */
