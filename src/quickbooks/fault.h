/*
 * fault.h
 *		What QuickBooks says when it refuses, and what to do about it.
 *
 * Four shapes of refusal exist (service fault, gateway fault, OAuth error, none of them: HTML, XML, nothing).  Pure C:
 * no SQL, no server state beyond palloc, so that it is unit-tested and fuzzed as a host program (test/fuzz).
 */
#ifndef QBSYNC_FAULT_H
#define QBSYNC_FAULT_H

#include "postgres.h"

/* What the caller does next. */
typedef enum FaultReaction
{
	REACT_NONE,					/* no fault: the answer is good */
	REACT_RETRY,				/* same request again, with back-off */
	REACT_RETRY_FEW,			/* the same, but at most five times, then permanent */
	REACT_THROTTLED,			/* pause the whole company, then the same request; no failure */
	REACT_REFRESH,				/* access token not accepted: refresh once, repeat once */
	REACT_REAUTHORIZE,			/* company stop: a person must consent again */
	REACT_CONFIGURATION,		/* company stop: the app's id, secret, redirect URI or environment is wrong */
	REACT_SUSPENDED,			/* company stop by Intuit (subscription, lock, maintenance): look again later */
	REACT_RELOAD,				/* company was reset: everything must be read again */
	REACT_REFETCH,				/* our copy is stale: read, merge, retry */
	REACT_GONE,					/* the object asked for is not there (610) */
	REACT_SMALLER,				/* answer or request too big: ask for less */
	REACT_PERMANENT,			/* this request can never work */
	REACT_BUG					/* we sent nonsense; as permanent, but ours to mend */
} FaultReaction;

typedef struct Fault
{
	FaultReaction reaction;
	int			status;			/* HTTP status */
	int			code;			/* Intuit's code as a number, 0 if none */
	char		oauth_error[40];	/* "invalid_grant", … on the token host */
	char		message[256];	/* Intuit's short text, clipped at a character boundary, valid UTF-8; may be "" */
	char		detail[1024];	/* Intuit's long text, likewise */
	char		element[80];	/* offending field, or "" */
	char		problem[40];	/* our own word for it: a qbsync.problem code such as "grant_revoked" */
	int			wait_seconds;	/* REACT_SUSPENDED: suggested wait; else the answer's Retry-After, -1 if it had none */
} Fault;

/*
 * Understand an API answer.  Returns true and fills *fault when it is a refusal (any status other than 200, or a
 * Fault/fault envelope on 200, or a body that is no JSON object); false, with reaction REACT_NONE, when it is good.
 * content_type may be "".  Several errors in one answer: the worst wins.
 */
extern bool fault_parse(int status, const char *content_type, const char *body, size_t body_len,
						int retry_after, Fault *fault);

/* The same for answers of the token and revoke endpoints. */
extern bool fault_parse_oauth(int status, const char *body, size_t body_len, int retry_after, Fault *fault);

/* A fault that is no answer: the network failed, or the answer was too big. */
extern void fault_from_network(bool maybe_sent, bool too_big, const char *error, Fault *fault);

/* Does QuickBooks say that the first request with this requestid is still under way?  Then waiting is all there is to do. */
static inline bool
fault_still_running(const Fault *fault)
{
	return fault->code == 600;
}

/* How far-reaching a reaction is; of several errors in one answer the one with the highest number counts. */
extern int	fault_severity(FaultReaction reaction);

/* So much of the beginning of a secret is worth hiding, and enough to find it. */
#define FAULT_SECRET_START 8

/*
 * Take a secret out of the texts of a fault, also where a text was cut inside it.  secret: whole, or its first
 * FAULT_SECRET_START characters; a shorter one hides nothing.
 */
extern void fault_hide_secret(Fault *fault, const char *secret);

#endif							/* QBSYNC_FAULT_H */
