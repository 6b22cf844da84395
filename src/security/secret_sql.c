/*
 * secret_sql.c
 *		SQL functions of the security room, called by the install script's own functions.
 *
 * A secret that a person hands to a function is encrypted right here, in the caller's backend, and every copy this code
 * made is wiped.  What cannot be mended here is that the secret may stand in the statement's text, which ends up in
 * logs, pg_stat_activity and histories: then a warning says so.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"

#include "compat.h"
#include "security/secret.h"

PG_FUNCTION_INFO_V1(qbsync_store_secret);
PG_FUNCTION_INFO_V1(qbsync_secret_hash_sql);
PG_FUNCTION_INFO_V1(qbsync_key_status);

/* Warn when a secret stands in the text the client sent.  The warning must not bring the statement into the log itself. */
static void
warn_of_literal(const char *secret)
{
	if (debug_query_string == NULL || strstr(debug_query_string, secret) == NULL)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("a secret was written in the text of a statement"),
			 errhint("Pass it as a bind parameter or put it in the file named by qbsync.credentials_file; statements end up in logs, in pg_stat_activity and in histories."),
			 errhidestmt(true),
			 errhidecontext(true)));
}

/*
 * qbsync.store_secret(owner_kind text, owner text, kind text, secret text, origin_hash text DEFAULT NULL)
 *
 * Encrypts and stores; the caller (a SECURITY DEFINER function) has checked who may.
 */
Datum
qbsync_store_secret(PG_FUNCTION_ARGS)
{
	char	   *secret;
	char	   *origin_hash;

	for (int i = 0; i < 4; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a secret, its owner and its kind must not be null")));
	secret = text_to_cstring(PG_GETARG_TEXT_PP(3));
	origin_hash = PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4));
	if (secret[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a secret must not be empty")));

	PG_TRY();
	{
		/* A code is meant to be pasted with the redirect URL: it is good once, for minutes, and only with the app's secret. */
		if (strcmp(text_to_cstring(PG_GETARG_TEXT_PP(2)), SECRET_AUTHORIZATION_CODE) != 0)
			warn_of_literal(secret);
		SPI_connect();
		secret_store(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
					 text_to_cstring(PG_GETARG_TEXT_PP(2)), secret, origin_hash);
		SPI_finish();
	}
	PG_FINALLY();
	{
		secret_wipe(secret);
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}

/* qbsync.secret_hash(text): hex SHA-256, as stored in secret.origin_hash. */
Datum
qbsync_secret_hash_sql(PG_FUNCTION_ARGS)
{
	char	   *secret = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *hash = secret_hash(secret);

	secret_wipe(secret);
	PG_RETURN_TEXT_P(cstring_to_text(hash));
}

/* qbsync.key_status(): NULL when the key file is usable, else why not, with its path. */
Datum
qbsync_key_status(PG_FUNCTION_ARGS)
{
	char	   *reason;

	if (secret_key_usable(&reason))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(reason));
}
