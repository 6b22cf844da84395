/*
 * decide.h
 *		What should be done about records of QuickBooks: the same answer for the plan and for the worker.
 *
 * Reads only.  Five steps: which of the ids are linked (owner); their CRM rows (role); for ids that are not linked, what
 * matching needs of all CRM rows (role) and the pairs that match (owner), with the rows of those that match by themselves
 * (role); then the decision, one row per id, from the pure functions merge and match (owner).
 */
#ifndef QBSYNC_DECIDE_H
#define QBSYNC_DECIDE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "crm/mapping.h"

typedef enum DecisionAction
{
	DECISION_NONE,				/* linked, nothing to write; base and the like may have changed */
	DECISION_UPDATE,
	DECISION_LINK,				/* a new link to crm_key; write may be null */
	DECISION_CREATE,			/* write is the new row */
	DECISION_CANDIDATE,			/* pairs for a person */
	DECISION_REVIEW,			/* nothing matches, a person decides */
	DECISION_WAIT,				/* for the links in waits_for */
	DECISION_IGNORE,
	DECISION_MISSING,			/* linked, but the CRM row is not there */
	DECISION_DELETE,
	DECISION_DETACH,
	DECISION_ERROR				/* problem, detail */
} DecisionAction;

/* One decision; Datums are jsonb unless said otherwise, 0 for null; all in the context that decide_run() was called in. */
typedef struct Decision
{
	char	   *id;
	DecisionAction action;
	char	   *crm_key;		/* or NULL */
	char	   *origin;			/* how a link comes about, or NULL */
	char	   *reason;			/* in words */
	char	   *record_name;	/* what people call the record, or NULL */
	Datum		ours;
	Datum		theirs;
	Datum		write;
	Datum		send;
	Datum		conflict;
	Datum		base;
	Datum		crm_base;
	Datum		unagreed;		/* text[] */
	Datum		facts;
	Datum		events;			/* text[] */
	Datum		candidates;
	Datum		waits_for;		/* text[] */
	char	   *problem;
	char	   *detail;
	TimestampTz theirs_at;		/* 0: not known */
	TimestampTz ours_at;		/* 0: not known */
} Decision;

typedef struct Decisions
{
	int			n;
	Decision   *decisions;		/* in order of id */
} Decisions;

/*
 * Decide about records, in a transaction with SPI connected and a snapshot that stays.  ids: a text[] Datum, or 0 for all
 * records of the company.  Whatever the CRM's code raises is raised.
 */
extern Decisions *decide_run(const Mapping *mapping, Datum ids);

#endif							/* QBSYNC_DECIDE_H */
