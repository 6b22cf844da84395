/*
 * send_parts.h
 *		What the files of the sender share; for outbound/send*.c only.
 *
 * A call carries one request or a batch of them, or reads back what became of a creation.  It is flying, then answered, and gone
 * when a unit has recorded what came of each of its requests.
 */
#ifndef QBSYNC_SEND_PARTS_H
#define QBSYNC_SEND_PARTS_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/ilist.h"

#include "common/unit.h"
#include "outbound/send.h"
#include "quickbooks/call.h"
#include "quickbooks/catalogue.h"
#include "quickbooks/envelope.h"

/* Most items QuickBooks takes in a batch. */
#define SEND_MAX_BATCH 30

/* interactive, rule, backfill */
#define SEND_LANES 3

/* When recording fails for so many answers, nothing more is sent. */
#define SEND_MAX_UNSETTLED 30

/*
 * Requests recorded in one unit, but for the rest of a batch: meanwhile no answer is taken, and no place of one that came is filled.
 * More where QuickBooks answers sooner than we record: then it waits for us, and fewer units are less work.
 */
#define SEND_SETTLE_TOGETHER (4 * SEND_MAX_BATCH)
#define SEND_SETTLE_LATE (10 * SEND_MAX_BATCH)

/*
 * When so many answers are not recorded yet, whatever the reason, nothing more is sent: they are in memory alone.  But what all places
 * bring at a time is no reason: they are filled before it is recorded.
 */
#define SEND_MAX_ANSWERED(places) Max(2 * SEND_SETTLE_TOGETHER, ((places) + 1) * SEND_MAX_BATCH)

/* What came of a request. */
typedef enum SendOutcome
{
	SEND_DONE,					/* carried out; the record is here */
	SEND_READY,					/* surely not carried out: goes again */
	SEND_ALONE,					/* the same, but not in a batch any more */
	SEND_STALE,					/* made from an old version: the record is read again */
	SEND_CHECK,					/* not known: read back before anything else */
	SEND_ASK,					/* a name that is taken, perhaps by what this very request made: read back at once */
	SEND_REPEAT,				/* not known, the same once more will tell */
	SEND_REFUSED
} SendOutcome;

typedef struct SendItem
{
	int64		request_id;
	int32		mapping_id;
	const CatalogueEntity *entity;
	bool		create;
	bool		interactive;
	char	   *requestid;
	char	   *body;
	char	   *name;			/* the business key of a creation, NULL if it has none */
	int			attempts;
	bool		repeated;		/* it was sent before, and what came of that is not known */
	TimestampTz first_sent;		/* 0: just now */
	TimestampTz remembered_until;	/* a creation is not sent after that, it may be forgotten there; 0: see send_call_start() */
	char	   *batch_requestid;	/* NULL: alone */
	int			bid;
	int			tries;			/* repetitions because of what its answer said */
	/* the answer */
	SendOutcome outcome;
	Record		record;
	Fault	   *fault;			/* NULL: none */
	/* recording it */
	bool		settled;
	int			settle_failures;	/* by itself, in a row */
	TimestampTz settle_at;		/* after a failure: not before */
	bool		quiet;			/* nothing of the record can come into the CRM by the mapping */
} SendItem;

typedef struct Sender
{
	Company    *company;
	MemoryContext context;
	dlist_head	flying;
	dlist_head	answered;
	int			drops;			/* the company's, when it was last looked at */
	bool		resumed;		/* what was 'sent' already is on its way again */
	bool		more;			/* requests may be ready, or be read back */
	int			max_batch;
	int64		picked_to[SEND_LANES];	/* requests of a lane up to this one were taken; 0: some may be ready again */
	TimestampTz not_before;		/* after a unit that failed */
	int			failures;
	TimestampTz settle_not_before;	/* after somebody's lock was in the way of recording */
	int			held_up;		/* times in a row */
	TimestampTz part_at;		/* the company is to be dropped, with whatever is on its way then; 0: it is not */
	TimestampTz check_not_before;	/* after reading back failed */
	int			check_failures;
} Sender;

typedef struct SendCall
{
	dlist_node	node;
	Sender	   *sender;
	MemoryContext context;		/* of the call and all it has */
	bool		check;			/* reads back instead of writing */
	Fault	   *asked;			/* the refusal because of which it does, NULL: none */
	SendItem   *items;
	int			nitems;
	/* the answer */
	bool		good;			/* no refusal of the whole */
	char	   *body;
	size_t		body_len;
	TimestampTz started;
	char		intuit_tid[80];
	int64		elapsed_us;
	const Record *records;		/* of a call that reads back */
	int			nrecords;
	bool		logged;			/* it stands in qbsync.http_log */
} SendCall;

/* send_call.c: a new call with room for so many items; starting it; giving it back. */
extern SendCall *send_call_create(Sender *sender, int nitems);
extern void send_call_start(SendCall *call, TimestampTz not_before);
extern void send_call_free(SendCall *call);

/* The property that is the business key of an entity. */
extern const char *send_key_property(const CatalogueEntity *entity);

/* Copy an item, with its strings, but no answer. */
extern void send_item_copy(SendCall *call, int place, const SendItem *item);

/* send_answer.c: what an answer says about each of its requests. */
extern void send_answer_read(SendCall *call, const CallAnswer *answer);

/* send_fault.c: what a fault means for a request, and for the company.  whole: it is about the call, not the item. */
extern void send_fault_note(SendCall *call, SendItem *item, const Fault *fault, bool whole);
extern void send_fault_company(SendCall *call);

/* The item is refused by us, with a code of qbsync.problem. */
extern void send_fault_say(SendCall *call, SendItem *item, const char *problem, const char *detail);

/*
 * send_settle.c: record what came of the requests of some calls, in one unit: of those that did not fail yet, or of only one.  A call
 * whose requests are all recorded is free'd, and what is to follow is started.
 */
extern UnitResult send_settle(Sender *sender, SendCall **calls, int ncalls, SendItem *only, UnitError *error);

/* send_apart.c: the same for all answers that are here; what fails waits by itself.  When to come back, 0: nothing is left. */
extern TimestampTz send_settle_all(Sender *sender);

/* How many answers are not recorded yet. */
extern int	send_answered(const Sender *sender);

/* How many answers wait because recording them fails; *next: when the first of them is tried again. */
extern int	send_unsettled(const Sender *sender, TimestampTz *next);

/* All of them are tried now. */
extern void send_settle_again(Sender *sender);

/*
 * send_links.c: in a unit: links of requests that were carried out, and which of them are quiet.  The arrays are of the items'
 * requests, ids and SyncTokens.
 */
extern void send_links_record(SendItem **items, int n, Datum requests, Datum ids, Datum sync_tokens);

/* request_id.c: SQL's qbsync.derive_requestid(). */
extern Datum qbsync_derive_requestid(PG_FUNCTION_ARGS);

/* send_pick.c: take what is to be sent; false when the unit failed. */
extern bool send_resume(Sender *sender);
extern bool send_pick(Sender *sender);

#endif							/* QBSYNC_SEND_PARTS_H */
