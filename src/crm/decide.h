/*
 * decide.h
 *		What should be done about records of QuickBooks: the same answer for the plan and for the worker.
 *
 * Reads only, and takes no lock that another reader or writer would wait for.  Five steps: which of the ids are linked
 * (owner); their CRM rows (role); for ids that are not linked, what matching needs of all CRM rows (role) and the pairs that
 * match (owner), with the rows of those that match by themselves (role); then the decision, one row per id, from the pure
 * functions merge and match (owner).
 */
#ifndef QBSYNC_DECIDE_H
#define QBSYNC_DECIDE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/unit.h"
#include "crm/mapping.h"
#include "crm/statement.h"

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

/* One decision; Datums are jsonb unless said otherwise, 0 for null. */
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
	Datum		overwritten;	/* {"overwritten": columns of write that the CRM had changed itself} */
	Datum		facts;
	Datum		events;			/* text[] */
	Datum		candidates;
	Datum		waits_for;		/* text[] */
	char	   *problem;
	char	   *detail;
	TimestampTz theirs_at;		/* 0: not known */
	TimestampTz ours_at;		/* 0: not known */
	bool		known;			/* the link says all of this already */
	/*
	 * A record that goes the short way: the rows for insert_created, and which of them (from 0) is this one; write and ours are
	 * null then.  NULL: what is created is what write says.
	 */
	Rows	   *created;
	int			place;
} Decision;

typedef struct Decisions
{
	int			n;
	Decision   *decisions;		/* in order of id */
} Decisions;

/*
 * Decide about records, in a transaction with SPI connected and an active snapshot, with which everything is read.  ids: a
 * text[] Datum, or 0 for all records of the company.  Whatever the CRM's code raises is raised.  All is palloc'd in
 * CurrentMemoryContext.
 */
extern Decisions *decide_run(const Mapping *mapping, Datum ids);

/*
 * A sweep looks at all records in order of id, some at a time, and matching reads every row of the CRM: so it is done once,
 * for all records that are not linked, in a unit of its own.  decide_run_swept() is decide_run() with those pairs; what was
 * linked since is left out as usual, and the CRM rows are as they are now.  It matches live when no sweep of that mapping was
 * begun in this process.  ids: all there are from the first to the last of them, in order; apart: each is to be written by
 * itself.  decide_begin_sweep() is called without a transaction, on a mapping that is there; a sweep begun before ends.
 */
extern UnitResult decide_begin_sweep(int32 mapping_id, UnitError *error);
extern bool decide_in_sweep(int32 mapping_id);

/*
 * These records are decided about by themselves while a sweep of the mapping is under way, which may have been matched before they
 * arrived: it matches them anew.
 */
extern void decide_pass(int32 mapping_id, char **ids, int n);
extern Decisions *decide_run_swept(const Mapping *mapping, char **ids, int n, bool apart);
extern void decide_end_sweep(void);

/*
 * The same in pieces, for as many records as a company has: begin reads and matches, each decides and hands over one decision
 * after the other, in order of id; between them and until end, the owner's statements see the tuplestores crm_row and
 * match_pair.  What a sink is given lasts until it returns; it must not use SPI.
 */
typedef void (*DecisionSink) (const Decision *decision, void *arg);

typedef struct DecideRun
{
	const Mapping *mapping;
	Datum		ids;
	Rows	   *crm_row;
	Rows	   *match_pair;
} DecideRun;

extern DecideRun *decide_begin(const Mapping *mapping, Datum ids);

/* The same about CRM records that are linked to nothing: crm_row has those of a text[] of crm_keys, match_pair all pairs they are in. */
extern DecideRun *decide_begin_keys(const Mapping *mapping, Datum crm_keys);
extern void decide_each(DecideRun *run, DecisionSink sink, void *arg);
extern void decide_end(DecideRun *run);

/* Copy a decision with all it holds into CurrentMemoryContext. */
extern void decision_copy(Decision *target, const Decision *source);

#endif							/* QBSYNC_DECIDE_H */
