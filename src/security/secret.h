/*
 * secret.h
 *		Secrets at rest: AES-256-GCM rows in qbsync.secret, the key in a file.
 *
 * Encrypting is allowed to any backend whose SQL function was handed a secret; opening one is only for the gateway
 * worker (the webhook verifier excepted).  A row's owner and kind are authenticated with it, so that rows cannot be
 * exchanged.
 */
#ifndef QBSYNC_SECRET_H
#define QBSYNC_SECRET_H

#include "postgres.h"

/* Kinds of secret (qbsync.secret.kind). */
#define SECRET_CLIENT_SECRET		"client_secret"		/* of an app */
#define SECRET_WEBHOOK_VERIFIER		"webhook_verifier"	/* of an app */
#define SECRET_REFRESH_TOKEN		"refresh_token"		/* of a connection */
#define SECRET_PREVIOUS_TOKEN		"previous_refresh_token"	/* the one before, a one-shot fallback */
#define SECRET_AUTHORIZATION_CODE	"authorization_code"	/* of a connection being authorized */

/* Why a secret could not be opened. */
typedef enum SecretResult
{
	SECRET_OPENED,
	SECRET_ABSENT,				/* no such row */
	SECRET_NO_KEY,				/* key file missing or unreadable */
	SECRET_OTHER_KEY,			/* encrypted under a key this file does not hold */
	SECRET_DAMAGED				/* authentication failed */
} SecretResult;

/*
 * Store (insert or replace) a secret of an owner: owner_kind 'app' (owner = app name) or 'connection' (owner =
 * connection_id as text).  Needs a transaction and SPI connected, and enough rights (callers are SECURITY DEFINER or
 * the gateway).  Generates the key file when it is missing and no secret exists.  origin_hash: what secret_hash() said of
 * the text it was imported from; NULL keeps the one the row has (a rotated token still descends from the imported one;
 * to forget it, secret_remove() first).  Raises object_not_in_prerequisite_state when there is no key.
 */
extern void secret_store(const char *owner_kind, const char *owner, const char *kind, const char *secret,
						 const char *origin_hash);

/* From the gateway's main function: this process may open secrets. */
extern void secret_allow_opening(void);

/*
 * Open a secret into *secret (palloc'd in the current context; wipe it with secret_wipe).  Gateway only: raises
 * insufficient_privilege elsewhere, but for the webhook verifier.
 */
extern SecretResult secret_open(const char *owner_kind, const char *owner, const char *kind, char **secret);

/* Remove a secret; silently fine if there is none. */
extern void secret_remove(const char *owner_kind, const char *owner, const char *kind);

/* The origin_hash stored with a secret row, or NULL (palloc'd). */
extern char *secret_origin_hash(const char *owner_kind, const char *owner, const char *kind);

/* Hex SHA-256 of a text; palloc'd. */
extern char *secret_hash(const char *text);

/* Overwrite a secret in memory (OPENSSL_cleanse) and pfree it; NULL is fine. */
extern void secret_wipe(char *secret);

/* Path of the key file in force (setting, or the default in the data directory); palloc'd. */
extern char *secret_key_path(void);

/* Can the key file be read now?  On failure *reason says why in words, with the path (palloc'd). */
extern bool secret_key_usable(char **reason);

#endif							/* QBSYNC_SECRET_H */
