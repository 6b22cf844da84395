/*
 * credentials.h
 *		The server-side credentials file (setting qbsync.credentials_file).
 *
 * {"apps": {"my-app": {"client_secret": "…", "webhook_verifier": "…"}},
 *  "connections": [{"app": "my-app", "realm_id": "…", "refresh_token": "…"}]}
 *
 * Mode 0600, owned by the server's user, at most 1 MB.  What it holds is imported once into qbsync.secret; the hash
 * stored beside a secret tells whether this very text was imported before, so that a restart never overwrites a
 * rotated token.
 */
#ifndef QBSYNC_CREDENTIALS_H
#define QBSYNC_CREDENTIALS_H

#include "postgres.h"

/*
 * Import every secret of the file that is new.  In a unit of work (transaction, SPI connected).  Says in
 * the log how many were; never raises for what is wrong with the file: then *problem says so in words (palloc'd), without any of
 * its content, and is NULL otherwise.  An empty setting imports nothing and is no problem.  A refresh token goes to
 * the connection of that app and realm_id, if there is one.
 */
extern void credentials_import(char **problem);

#endif							/* QBSYNC_CREDENTIALS_H */
