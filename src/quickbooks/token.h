/*
 * token.h
 *		The grant of a company: access token in memory, refresh token encrypted in qbsync.secret.
 *
 * Single flight: one refresh at a time per company, one gateway per company (lease).  A durable mark says that a refresh
 * has begun; the new refresh token is on disk before the access token that came with it is used.  When the process dies
 * between answer and commit, the next one finds the mark and tries at once: either the old token still works, or a
 * person is told within seconds.
 */
#ifndef QBSYNC_TOKEN_H
#define QBSYNC_TOKEN_H

#include "postgres.h"

#include "quickbooks/company.h"

typedef void (*TokenDone) (Company *company, const Fault *fault, void *arg);

/*
 * Is there an access token that may be used now?  If not, a refresh is started (or waited for), and false says that
 * the caller must look again later; *again is when, 0 if something else will wake it.
 */
extern bool token_ready(Company *company, TimestampTz *again);

/* The API did not accept the token: forget it, so that the next token_ready() refreshes. */
extern void token_rejected(Company *company);

/* Exchange the stored authorization code; done(NULL fault) when the grant is stored.  Any fault is final. */
extern void token_exchange_code(Company *company, TokenDone done, void *arg);

/* Revoke the grant at Intuit; done with NULL if it is gone (or was already). */
extern void token_revoke(Company *company, TokenDone done, void *arg);

/* Give up what is under way with the token host; only for a company that is going away. */
extern void token_cancel(Company *company);

/* The flow that waits for an exchange is going away: what comes is stored all the same, but nobody is called. */
extern void token_detach(Company *company);

/* Forget the access token (wiped). */
extern void token_forget(Company *company);

#endif							/* QBSYNC_TOKEN_H */
