/*
 * roster.h
 *		The companies of this database: what their rows say, taken over into Company structs.
 */
#ifndef QBSYNC_ROSTER_H
#define QBSYNC_ROSTER_H

#include "postgres.h"

#include "lib/ilist.h"

#include "common/unit.h"

/* All companies the gateway knows; dlist of Company.node. */
extern dlist_head roster;

/* What a look found, as far as it decides when to look again. */
typedef struct RosterResult
{
	bool		polled;			/* some company is loading or live */
	bool		mapped;			/* some company has an enabled mapping */
	bool		leases_missing; /* some company's lease is still another process's */
	bool		unmarked;		/* some company's row was held by somebody when its mark was to be checked */
} RosterResult;

/*
 * Look at the tables: new companies are leased and taken up, changed ones adjusted, those that a person paused or
 * disconnected stop at once, copies are found out.  One unit of work; *found is filled when it was done.
 */
extern UnitResult roster_look(RosterResult *found, UnitError *error);

/* Whatever waits for its next attempt is tried at once: somebody may have mended the cause. */
extern void roster_try_again(void);

/* The same for everything that has a time: the clock was set back, and those times may be hours away. */
extern void roster_forget_appointments(void);

#endif							/* QBSYNC_ROSTER_H */
