/*
 * plan_parts.h
 *		What the parts of the plan have in common: plan.c and plan_out.c only.
 */
#ifndef QBSYNC_PLAN_PARTS_H
#define QBSYNC_PLAN_PARTS_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "crm/decide.h"
#include "crm/mapping.h"
#include "crm/statement.h"

/* What a row of the plan is about, in the order of the counts. */
typedef enum PlanAction
{
	PLAN_CREATE,
	PLAN_LINK,
	PLAN_UPDATE,
	PLAN_PUSH,
	PLAN_SEND,
	PLAN_KEPT,
	PLAN_CONFLICT,
	PLAN_ADDRESS_DIFFERENCE,
	PLAN_CANDIDATE,
	PLAN_REVIEW,
	PLAN_WAIT,
	PLAN_ERROR,
	PLAN_DELETE,
	PLAN_DETACH,
	PLAN_MISSING,
	PLAN_IGNORE,
	PLAN_CRM_ONLY,
	PLAN_NONE,
	PLAN_ACTIONS				/* how many */
} PlanAction;

/* One row of the result; what is NULL or 0 is null. */
typedef struct PlanRow
{
	const char *id;
	const char *crm_key;
	const char *name;
	const char *reason;
	Jsonb	   *before;
	Jsonb	   *after;
	Jsonb	   *to_quickbooks;
	Jsonb	   *conflict;
	const char *detail;
} PlanRow;

/* A plan being made. */
typedef struct PlanRun
{
	const Mapping *mapping;
	TupleDesc	tupdesc;
	Tuplestorestate *rows;
	int64		counts[PLAN_ACTIONS];
	Jsonb	   *addresses;		/* {unit: [column, …]} of the units that are addresses */
	char	   *send;			/* the statement that shows what linked records send; NULL: none does */
	Rows	   *sent;			/* what they send, for it */
	Rows	   *decided;		/* crm_keys that a row speaks of */
	bool		sees_bought;	/* may who asks see vendors? */
	MemoryContext context;
	List	   *eventful;		/* of Decision: those with events, which are looked at in the end */
} PlanRun;

extern const char *const plan_action_names[PLAN_ACTIONS];

/* Add a row, and count it. */
extern void plan_add_row(PlanRun *plan, PlanAction action, const PlanRow *row);

/* Note that a row of the CRM is spoken of. */
extern void plan_add_decided(PlanRun *plan, const char *crm_key);

/* Nothing is sent yet. */
extern Rows *plan_nothing_sent(void);

/* Note what the linked record of a decision sends; it is composed in the end, all at once. */
extern void plan_note_sent(PlanRun *plan, const Decision *decision);

/* Show what linked records send, and (push: the statement, or NULL) what of the CRM is created in QuickBooks; while the decisions' run lasts. */
extern void plan_add_sent(PlanRun *plan);
extern void plan_add_pushed(PlanRun *plan, const char *push);

#endif							/* QBSYNC_PLAN_PARTS_H */
