/*
 * claim.h
 *		What a turn is about: which records of QuickBooks are to be looked at now.
 */
#ifndef QBSYNC_CLAIM_H
#define QBSYNC_CLAIM_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "crm/mapping.h"

/* How a claim chooses. */
typedef enum ClaimMode
{
	CLAIM_BATCH,				/* records that are not known to be slow */
	CLAIM_SLOW					/* one that is */
} ClaimMode;

/* What a mapping's row, and the tables around it, say at the beginning of a turn. */
typedef struct MappingState
{
	char	   *mapping_name;
	char	   *connection_name;
	bool		enabled;		/* and its company is live */
	bool		first_sync;
	char	   *problem;		/* or NULL */
	int64		newest_arrival; /* if it is not to be worked now; 0: there is none */
	TimestampTz waits_until;	/* it is not to be worked before; 0: it is */
	char	   *sweep_after;	/* all records are being looked at, done up to here; NULL: no */
	/* tables that hold rows of this mapping; statements about the others are saved */
	bool		has_candidates;
	bool		has_conflicts;
	bool		has_errors;
	bool		has_waiting;	/* of any mapping of the company */
	bool		has_news;		/* changes were captured, or errors of the way out are due */
	bool		has_outgoing;	/* CRM records are to be looked at that QuickBooks does not have */
	bool		has_sends;		/* requests or errors of the way out */
	bool		has_waiting_sends;	/* errors of the way out that wait for a link, of any mapping */
} MappingState;

typedef struct Claim
{
	int			n;
	char	  **ids;
	bool		pushes;			/* ids are crm_keys of records that QuickBooks does not have */
	/* arrivals of these ids between the two numbers are done with, as far as this snapshot sees them; 0: there are none */
	int64		first_arrival;
	int64		last_arrival;
	/* where the sweep stands after this turn, and whether it ends with it; NULL: no part in it */
	char	   *sweep_to;
	bool		sweep_ends;
	bool		swept;			/* the ids are the sweep's */
	/* instead of all that: something to be undone; 0: no */
	int64		undo_arrival;
	char	   *undo_id;
	Datum		undo_arguments; /* jsonb or 0 */
	bool		more;			/* as many as were asked for: there may be more */
	bool		slow_left;		/* a slow record waits for its turn */
} Claim;

/* Ids that are kept out of batches for a while. */
typedef struct SlowIds
{
	int			n;
	char	  **ids;
} SlowIds;

/* One turn at a time for a mapping: a lock until the end of the transaction; false: somebody else has it. */
extern bool claim_lock(int32 mapping_id);

/* The state of a mapping; NULL: there is none with that number. */
extern MappingState *claim_look(int32 mapping_id);

/* Takes up views and tables of the mapping that were made anew under their names, or renamed. */
extern void claim_refresh(int32 mapping_id);

/*
 * Choose up to limit records: what is to be undone, arrivals oldest first, errors that are due, what is to go to QuickBooks, the sweep.  undo: may
 * something be undone now?  In the snapshot of a REPEATABLE READ transaction that also settles.
 */
extern Claim *claim_choose(const Mapping *mapping, const MappingState *state, ClaimMode mode, int limit, bool undo,
						   const SlowIds *slow);

/*
 * Where a survey stands, which looks for a record that the CRM takes: at the newest arrivals first, down from before to above
 * floor; then at what the sweep has not come to yet, from after.
 */
typedef struct Survey
{
	int64		before;
	int64		floor;			/* 0: all of them, and the sweep */
	char	   *after;			/* NULL: not at the sweep yet */
} Survey;

/* Choose up to limit records for a survey; the sweep stays where it is.  No ids: it has come to its end. */
extern Claim *claim_survey(const Mapping *mapping, const MappingState *state, int limit, const Survey *survey, const SlowIds *slow);

/* Is it about records that may not have failed before? */
extern bool claim_is_fresh(const Claim *claim);

/* Leave in a claim those of its ids that keep says; to: where the sweep stands then, NULL: as it is. */
extern void claim_trim(Claim *claim, const bool *keep, char *sweep_to);

/* When the next error is due; 0: none is. */
extern TimestampTz claim_next_due(int32 mapping_id);

#endif							/* QBSYNC_CLAIM_H */
