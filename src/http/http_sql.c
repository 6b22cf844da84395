/*
 * http_sql.c
 *		The one thing of the http room that SQL may ask: may qbsync talk to this URL?
 *
 * A wrong URL is then refused when it is written, and not when a secret is about to be sent there.
 */
#include "postgres.h"

#include "fmgr.h"

#include "utils/builtins.h"

#include "compat.h"
#include "http/http.h"

PG_FUNCTION_INFO_V1(qbsync_url_allowed);

/* qbsync.url_allowed(url text) RETURNS boolean; strict. */
Datum
qbsync_url_allowed(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(http_url_allowed(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
