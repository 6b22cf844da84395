/*
 * oauth.h
 *		Intuit's OAuth 2.0 answers: tokens and their lifetimes.  Pure C; see fault.h for refusals.
 */
#ifndef QBSYNC_OAUTH_H
#define QBSYNC_OAUTH_H

#include "postgres.h"

typedef struct OauthTokens
{
	char	   *access_token;	/* palloc'd; wipe both with secret_wipe */
	char	   *refresh_token;	/* NULL if the answer had none */
	int64		expires_in;		/* seconds */
	int64		refresh_expires_in; /* seconds until it dies unused; -1 unknown */
	int64		refresh_hard_expires_in;	/* seconds until the grant ends whatever happens; -1 unknown */
} OauthTokens;

/* Form bodies for the token endpoint (application/x-www-form-urlencoded); palloc'd, wipe after use. */
extern char *oauth_code_body(const char *code, const char *redirect_uri);
extern char *oauth_refresh_body(const char *refresh_token);

/* JSON body for the revoke endpoint; palloc'd, wipe after use. */
extern char *oauth_revoke_body(const char *token);

/* Parse a 200 answer of the token endpoint; false if it holds no usable access token. */
extern bool oauth_parse_tokens(const char *body, size_t body_len, OauthTokens *tokens);

#endif							/* QBSYNC_OAUTH_H */
