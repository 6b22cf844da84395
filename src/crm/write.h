/*
 * write.h
 *		Writing what was decided through the CRM's view, as the mapping's role.
 */
#ifndef QBSYNC_WRITE_H
#define QBSYNC_WRITE_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "crm/decide.h"
#include "crm/mapping.h"

/* The view gave a new row no key, swallowed one, or gave one another key: raised for the batch, so that the record is found and rolled back. */
#define ERRCODE_CRM_NO_KEY				MAKE_SQLSTATE('Q', 'B', '0', '0', '1')
#define ERRCODE_CRM_RETURNED_NOTHING	MAKE_SQLSTATE('Q', 'B', '0', '0', '2')
#define ERRCODE_CRM_KEY_CHANGED			MAKE_SQLSTATE('Q', 'B', '0', '0', '4')

/* Why a record, or a part of it, was not written. */
typedef struct Refusal
{
	const char *problem;		/* code in qbsync.problem */
	const char *column;			/* or NULL */
	const char *detail;
	const char *sqlstate;		/* or NULL */
} Refusal;

/* A column that an event moved. */
typedef struct Move
{
	char	   *event;
	char	   *column;
	char	   *to;
} Move;

/* A decision on its way into the CRM. */
typedef struct Deed
{
	const Decision *decision;
	char	   *crm_key;		/* the CRM record's, also of one just made; NULL: there is none */
	Datum		write;			/* jsonb, what is written, with the columns of events; 0: nothing */
	Datum		shown;			/* jsonb, the row as the view shows it afterwards; 0: nothing was written */
	bool		gone;			/* it was to be updated, but is not there (any more) */
	List	   *moves;			/* of Move */
	Datum		events_left;	/* text[], events that wait; 0: none */
	Refusal    *refusal;		/* why they wait */
	bool		refused;		/* the CRM did not take it at all, for that reason */
} Deed;

/* The deeds of decisions, before anything is written; palloc'd. */
extern Deed *write_prepare(const Decisions *decisions);

/* Will write_run() write anything? */
extern bool write_wanted(const Deed *deeds, int ndeeds);

/*
 * Write them, fire what the CRM has put off until commit, and see what the view shows.  In a transaction with SPI connected.
 * Raises whatever the CRM's code raises, and the errors above.  agreed: what is written is what both sides agree on from then
 * on, so that nobody has to look at it again.
 */
extern void write_run(const Mapping *mapping, Deed *deeds, int ndeeds, bool agreed);

/*
 * The mapping whose records write_run() is writing and the caller then records as agreed on; 0: none.  For the trigger that
 * notes changes of the CRM.
 */
extern int32 write_under_way(void);

/* Does the view show the role any row at all? */
extern bool write_sees_rows(const Mapping *mapping);

/*
 * Run the statement that was begun last once more, on no record: an error then is the mapping's, and not a record's.  Without
 * one since write_begin() it is the statement that reads.
 */
extern void write_probe(const Mapping *mapping);
extern void write_begin(void);

/* Forget what is kept of the view: something failed, and it may have changed. */
extern void write_forget(void);

#endif							/* QBSYNC_WRITE_H */
