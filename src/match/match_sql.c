/*
 * match_sql.c
 *		What SQL asks of the match room: normalised names and e-mail addresses, and what kind of contact one is.
 *
 * All of it depends on nothing but its arguments.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "compat.h"
#include "match/normalize.h"

PG_FUNCTION_INFO_V1(qbsync_normalize_name);
PG_FUNCTION_INFO_V1(qbsync_normalize_email);
PG_FUNCTION_INFO_V1(qbsync_contact_kind);

/* Arguments of qbsync.contact_kind(). */
enum
{
	KIND_RULE, KIND_DISPLAY, KIND_COMPANY, KIND_GIVEN, KIND_FAMILY, KIND_ARGUMENTS
};

/* A text that the caller may hand out and SQL takes as its own. */
static Datum
text_of(const StringInfoData *buf)
{
	return PointerGetDatum(cstring_to_text_with_len(buf->data, buf->len));
}

/* Names are UTF-8, as QuickBooks' are; a database of another encoding cannot have them. */
static void
require_utf8(void)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("names can be compared in databases with encoding UTF8 only"),
				 errdetail("The encoding of this database is %s.", GetDatabaseEncodingName())));
}

/* qbsync.normalize_name(text) RETURNS text; strict; null when nothing of it counts. */
Datum
qbsync_normalize_name(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	StringInfoData buf;

	require_utf8();
	initStringInfo(&buf);
	normalize_name(&buf, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (buf.len == 0)
		PG_RETURN_NULL();
	return text_of(&buf);
}

/* qbsync.normalize_email(text) RETURNS text; strict; null when it is none. */
Datum
qbsync_normalize_email(PG_FUNCTION_ARGS)
{
	text	   *email = PG_GETARG_TEXT_PP(0);
	StringInfoData buf;

	initStringInfo(&buf);
	if (!normalize_email(&buf, VARDATA_ANY(email), VARSIZE_ANY_EXHDR(email)))
		PG_RETURN_NULL();
	return text_of(&buf);
}

/* Normalised text of an argument, empty for null. */
static void
normalize_argument(FunctionCallInfo fcinfo, int argument, StringInfo buf)
{
	initStringInfo(buf);
	if (!PG_ARGISNULL(argument))
	{
		text	   *value = PG_GETARG_TEXT_PP(argument);

		normalize_name(buf, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	}
}

/*
 * qbsync.contact_kind(rule, display_name, company_name, given_name, family_name) RETURNS text.
 *
 *		company_equals_display_name		company_name = display_name: organisation
 *		company_in_display_name			company_name appears in display_name: organisation (CAP-23)
 *		both							the first, then the second
 *
 * else a person if there is a given or family name, whether it appears in display_name (CAP-24) or not; else an
 * organisation.
 */
Datum
qbsync_contact_kind(PG_FUNCTION_ARGS)
{
	const char *rule = PG_ARGISNULL(KIND_RULE) ? "both" : text_to_cstring(PG_GETARG_TEXT_PP(KIND_RULE));
	bool		equals = strcmp(rule, "both") == 0 || strcmp(rule, "company_equals_display_name") == 0;
	bool		appears = strcmp(rule, "both") == 0 || strcmp(rule, "company_in_display_name") == 0;
	StringInfoData name[KIND_ARGUMENTS];
	bool		person;

	if (!equals && !appears)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown kind rule \"%s\"", rule),
				 errhint("It can be company_equals_display_name, company_in_display_name or both.")));
	require_utf8();
	for (int i = KIND_DISPLAY; i < KIND_ARGUMENTS; i++)
		normalize_argument(fcinfo, i, &name[i]);

	if (equals && name[KIND_COMPANY].len > 0 && strcmp(name[KIND_COMPANY].data, name[KIND_DISPLAY].data) == 0)
		person = false;
	else if (appears && normalize_contains(&name[KIND_DISPLAY], &name[KIND_COMPANY]))
		person = false;
	else
		person = name[KIND_GIVEN].len > 0 || name[KIND_FAMILY].len > 0;
	PG_RETURN_TEXT_P(cstring_to_text(person ? "person" : "organisation"));
}
