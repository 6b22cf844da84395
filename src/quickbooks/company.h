/*
 * company.h
 *		One connected company as the gateway knows it while it runs.
 *
 * Everything of value is in tables: a Company can be thrown away at any moment and be built again from its row.  State
 * is per company only; nothing here is shared between two of them (EXT-28).
 */
#ifndef QBSYNC_COMPANY_H
#define QBSYNC_COMPANY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/ilist.h"

#include "quickbooks/fault.h"
#include "quickbooks/limits.h"

/* States of a connection, as in qbsync.connection.state. */
typedef enum CompanyState
{
	COMPANY_AUTHORIZING,		/* waits for a person's consent; only a connect job touches it */
	COMPANY_UNCONFIRMED,		/* CompanyInfo is read, a person must confirm the name */
	COMPANY_LOADING,			/* first or full load */
	COMPANY_LIVE,				/* polled */
	COMPANY_PAUSED,				/* by a person */
	COMPANY_CLONE,				/* this database is a copy */
	COMPANY_REAUTHORIZE,		/* a person must consent again */
	COMPANY_DISCONNECTED
} CompanyState;

/* What is known of the access token. */
typedef enum TokenState
{
	TOKEN_ABSENT,				/* a refresh is needed before any call */
	TOKEN_VALID,
	TOKEN_UNSETTLED				/* the answer is here but not stored yet; it may not be used */
} TokenState;

/* Settings copied from environment, app and connection rows; replaced as a whole when they change. */
typedef struct CompanySettings
{
	char	   *app;
	char	   *client_id;
	char	   *redirect_uri;
	char	   *api_url;
	char	   *token_url;
	char	   *revoke_url;
	int			per_second;
	int			per_window;
	int			concurrency;
	int			batches_per_window;
	int64		window;			/* microseconds */
	int64		throttle_wait;	/* microseconds */
} CompanySettings;

struct Ahead;
struct Flow;
struct Grant;
struct Sender;

typedef struct Company
{
	dlist_node	node;
	MemoryContext context;		/* the company's own; everything below lives here */
	MemoryContext settings_context;
	int			id;				/* connection_id */
	char	   *name;
	char	   *realm_id;
	CompanyState state;
	CompanySettings settings;
	char	   *settings_text;	/* the settings row as text: tells whether it changed */
	bool		seen;			/* the row was there at the last look */
	bool		look_again;		/* the row and its jobs may say more than is known here */

	/* the grant */
	TokenState	token_state;
	int			token_serial;	/* counts access tokens: which one did a call use? */
	char	   *access_token;	/* never leaves memory */
	TimestampTz access_expires;
	bool		refresh_begun;	/* the durable mark was found at start: a refresh was cut off */
	bool		use_previous;	/* the next refresh sends the refresh token before the stored one */
	bool		tried_previous; /* that fallback was used, or must not be */
	struct Grant *unsettled;	/* TOKEN_UNSETTLED: to be stored first */
	struct TokenExchange *token_exchange;	/* under way with the token host, or NULL */
	TimestampTz token_retry_at; /* no refresh before */
	int			token_attempts;

	/* calls */
	dlist_head	calls;			/* all of them, in the order they were made */
	int			in_flight;
	Limits		limits;
	Limits		batch_limits;	/* of batches, beside those of all calls */
	TimestampTz throttled_until;
	TimestampTz writes_held_until;	/* nothing is written before: Intuit suspends the company */
	int			drops;			/* how often all calls were dropped, the sender's too */
	TimestampTz last_start;		/* request starts never go backwards, even when the clock does */
	int			unsettled_reads;	/* metered reads not yet counted in a table */
	bool		reads_counted;	/* the unit under way counts them */

	/* what is wrong, as far as it is written in the row */
	char		problem[40];
	bool		problem_of_flow;	/* a flow failed: only a flow that ends well takes the problem away */

	/* the way out */
	struct Sender *sender;		/* outbound/send.c; NULL until there was something to send */
	bool		requests_waiting;	/* as the last look found */
	bool		settle_again;	/* what could not be recorded is due, or somebody wants it to be tried */
	bool		must_recheck;	/* nothing is sent before QuickBooks was read again: this may be an older state of the database */
	bool		rechecked;		/* it was read */
	bool		polled;			/* so it was since work for it began: all that changed before is known */
	bool		must_poll;		/* something waits for that */
	bool		must_lookup;	/* records wait to be fetched by id */
	bool		must_tie_out;	/* a reconciliation has compared counts, and checks sums */

	/* webhooks */
	bool		hears;			/* there were some */
	bool		must_hear;		/* some wait to be sorted */
	bool		merging;		/* merges are under way, as the last look found */
	bool		must_merge;		/* and may have come further */
	bool		poll_heard;		/* the next poll is what a webhook asked for */
	int			heard_reads;	/* reads that may be spent on webhooks now */
	TimestampTz heard_refilled_at;
	TimestampTz heard_not_before;

	bool		vendors;		/* what is bought is read, too */
	bool		custom_fields;	/* the newer custom fields are asked for */
	bool		loaded_more;	/* entities were loaded beside those that were complete */

	/* work */
	struct Flow *flow;			/* what is being done, or NULL */
	TimestampTz not_before;		/* no new flow before: back-off after a failed one */
	int			failures;		/* failed flows in a row */
	int64		poll_interval;	/* microseconds */
	TimestampTz next_poll;
	TimestampTz polls_held_until;	/* polls that nobody asked for wait until then: the sync window opens */
	bool		poll_asked;		/* a sync job waits */
	int64		connect_job;	/* open job of that kind, 0 if none */
	int64		disconnect_job;
	bool		loaded_once;	/* the first load has ended: listeners are told of changes */
	int			start_overs;	/* full re-reads begun since the company was complete */
	bool		must_start_over;	/* Intuit says that the company was reset */
	bool		must_load;		/* pages of some entity are missing */
	bool		must_catch_up;	/* change data capture must be read before anything can be compared */
	bool		must_window;	/* it was truncated: changes are read by windows of time */
	bool		must_verify;	/* counts of some entity are to be compared */
	int			verify_round;	/* comparisons that found a difference */
	struct Ahead *ahead;		/* answers for the flows that follow a load, or NULL */
} Company;

/* Name of a state as in the table, and back (raises for an unknown one). */
extern const char *company_state_name(CompanyState state);
extern CompanyState company_state_from_name(const char *name);

/* A new Company, not on any list yet. */
extern Company *company_create(int id);

/* Give it back, with calls and flow; its access token is wiped. */
extern void company_free(Company *company);

/* Take over settings read from tables (strings are copied). */
extern void company_apply_settings(Company *company, const CompanySettings *settings, const char *settings_text);

/* The start time of a request that begins now: later than any before. */
extern TimestampTz company_request_start(Company *company);

/*
 * Write down what is wrong (code of qbsync.problem, detail in words or NULL), and optionally a change of state.  A unit
 * of its own.  Logs one line when the problem or the state is a new one.  next_attempt 0: none by itself.
 */
extern void company_report(Company *company, const char *problem, const char *detail, int attempts,
						   TimestampTz next_attempt);

/* The problem is gone; a unit of its own, nothing if none is noted. */
extern void company_report_well(Company *company);

/* Everything stops until a person acts: flow and calls are dropped, the state is written with the problem. */
extern void company_stop(Company *company, CompanyState state, const char *problem, const char *detail);

/* Change the state in the table and here, unless a person changed it meanwhile; in a unit of the caller. */
extern void company_set_state(Company *company, CompanyState state);

/* Drop the flow and its calls without a word; what is being written goes on. */
extern void company_drop_flow(Company *company);

/* The same with writes under way: what becomes of them is not known then, and the sender finds out. */
extern void company_drop_work(Company *company);

/* Forget the answers that a load has kept: they have been used, or are too old. */
extern void company_forget_ahead(Company *company);

#endif							/* QBSYNC_COMPANY_H */
