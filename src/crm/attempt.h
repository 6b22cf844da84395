/*
 * attempt.h
 *		What turn.c and failing.c share: one try at a turn, and what a process remembers from turn to turn.
 */
#ifndef QBSYNC_ATTEMPT_H
#define QBSYNC_ATTEMPT_H

#include "postgres.h"

#include "common/unit.h"
#include "crm/claim.h"
#include "crm/failure.h"
#include "crm/turn.h"
#include "crm/write.h"

/* Slow records remembered. */
#define SLOW_MAX			64

/* Something is in the way that will pass. */
#define BUSY_WAIT_US		(1 * USECS_PER_SEC)

/* So many that fail alike may be the mapping's fault, if nothing works. */
#define FAILURES_IN_A_ROW	20

/* How far an attempt came. */
typedef enum Stage
{
	STAGE_BEGIN,				/* our own tables, the role */
	STAGE_DECIDE,				/* the CRM is read */
	STAGE_WRITE,				/* the CRM is written */
	STAGE_SETTLE				/* ours, and what the CRM does at commit */
} Stage;

/* One try at a turn; all palloc'd things outlive its transaction. */
typedef struct Attempt
{
	int32		mapping_id;
	ClaimMode	mode;
	int			limit;
	MemoryContext context;
	MappingState *state;
	Mapping    *mapping;
	Claim	   *claim;			/* of a slow record: made before */
	Stage		stage;
	bool		moves;			/* columns of events are written */
	bool		sweep_begins;	/* nothing was done: matching for the sweep comes first */
	bool		apart;			/* each record in a subtransaction (apart.c) */
	bool		survey;			/* the same, to find one that the CRM takes */
	int			taken;			/* apart: records that it took */
	int			refused;		/* apart: and that it did not */
	bool		stopped;		/* apart: by an error that is no refusal */
	bool		untried;		/* apart: there was no time for all of them */
	char	   *last;			/* apart: last id of the claim that was tried; NULL: there was none */
	TimestampTz boxed_at;		/* 0: nothing was written */
	TurnResult	result;
	TimestampTz next_due;
} Attempt;

/* What a process remembers from turn to turn. */
typedef struct TurnMemory
{
	int32		mapping_id;		/* 0: nothing yet */
	MemoryContext context;
	int			batch;
	int			suspects;		/* records of a failed batch that have not worked yet, one of them the bad one; 0: none */
	int			whole;			/* size of the batch that failed first */
	int			ceiling;		/* batches are no bigger than that for ceiling_turns: the box cut one off */
	int			ceiling_turns;
	int			streak;			/* records in a row that failed alone */
	int			sqlerrcode;		/* of all of them */
	bool		took_news;		/* the last turn did */
	bool		apart;			/* records are refused: the next batch is written one by one */
	int			known;			/* so many more may be refused alike, as some were taken between them */
	bool		survey;			/* too many were refused alike: does the CRM take any? */
	Survey		surveyed;
	TimestampTz survey_until;
	int64		newest;			/* arrival that the last survey without success began with */
	char	   *refusal;		/* what PostgreSQL said */
	bool		sees_rows;		/* the view has shown a row in this process */
	char	   *sweep_at;		/* where the sweep stood after the last turn */
	TimestampTz sweep_until;	/* what it was matched with counts so long */
	bool		slow_next;
	TimestampTz others_until;	/* slow records leave the turn to others so long */
	int			nslow;
	char	   *slow[SLOW_MAX];
	TimestampTz slow_until[SLOW_MAX];
	/* a record whose events the CRM refused */
	char	   *held_id;
	Refusal		held;
	TimestampTz undo_after;
	int			undo_failures;
} TurnMemory;

extern TurnMemory turn_memory;

/* How long a transaction may write, in ms. */
extern int	turn_box_length(void);

/* Remember a slow record, in place of the one to be forgotten first if there are too many. */
extern void turn_slow_add(const char *id);

/* Where the sweep stands after an attempt that is done with its claim. */
extern void turn_note_sweep(const Attempt *attempt);

/* A remembered text is not needed any more. */
extern void turn_forget(char **word);

/* In a unit that is in its box: write the claim's deeds one by one, and trim the claim to those that are done with (apart.c). */
extern int	apart_write(Attempt *attempt, Deed *deeds, int ndeeds);

/* After it was committed: what is next. */
extern TurnResult apart_worked(const Attempt *attempt, TimestampTz *next_due);

/* Is there anything to be found by a survey before the mapping's back-off is over?  Begins it. */
extern bool apart_wakes(const MappingState *state);

/* Too many records were refused alike: the CRM takes one, or the mapping waits. */
extern TurnResult apart_survey(const char *refusal);

/*
 * An attempt failed (failing.c): what it means for the record, the batch or the mapping is recorded in units of its own; how
 * the turn ends.
 */
extern TurnResult attempt_failed(Attempt *attempt, UnitError *error, TimestampTz *next_due);

/* The mapping itself cannot be worked. */
extern TurnResult attempt_mapping_fails(const Attempt *attempt, const char *problem, const char *detail, TimestampTz *next_due);

/* In a unit: the record of the claim waits, for that reason; the claim is done with. */
extern void attempt_record_waits(const Attempt *attempt, const char *problem, const char *detail, const Backoff *backoff);

/* The process ends itself during an attempt, as the CRM's code caught every cancel. */
extern void attempt_at_death(const Attempt *attempt);

#endif							/* QBSYNC_ATTEMPT_H */
