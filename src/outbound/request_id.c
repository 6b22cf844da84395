/*
 * request_id.c
 *		requestids of writes: derived from what is written, so that the same intent has the same one, in whatever database.
 *
 * They are a promise to those that are on their way: what is derived here must never be another for the same parts.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "compat.h"

/* Bytes of the hash that are used: as many as a uuid has. */
#define ID_BYTES 16

PG_FUNCTION_INFO_V1(qbsync_derive_requestid);

/* The parts as a JSON list in UTF-8, in which no two lists of parts look alike. */
static char *
list_of_parts(ArrayType *array)
{
	Datum	   *parts;
	bool	   *nulls;
	int			n;
	StringInfoData list;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &parts, &nulls, &n);
	initStringInfo(&list);
	appendStringInfoChar(&list, '[');
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoString(&list, ", ");
		if (nulls[i])
			appendStringInfoString(&list, "null");
		else
			escape_json(&list, TextDatumGetCString(parts[i]));
	}
	appendStringInfoChar(&list, ']');
	return pg_server_to_any(list.data, list.len, PG_UTF8);
}

/* qbsync.derive_requestid(VARIADIC parts text[]): the first half of the list's SHA-256, written as a uuid. */
Datum
qbsync_derive_requestid(PG_FUNCTION_ARGS)
{
	char	   *list = list_of_parts(PG_GETARG_ARRAYTYPE_P(0));
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char		id[2 * ID_BYTES + 4];
	char	   *end = id;

	if (hash == NULL || pg_cryptohash_init(hash) < 0 || pg_cryptohash_update(hash, (const uint8 *) list, strlen(list)) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a SHA-256 hash");
	pg_cryptohash_free(hash);
	for (int i = 0; i < ID_BYTES; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*end++ = '-';
		end += hex_encode((const char *) &digest[i], 1, end);
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(id, end - id));
}
