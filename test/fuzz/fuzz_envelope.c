/*
 * fuzz_envelope.c
 *		Pages of any bytes, with jansson as a second opinion.
 *
 * What must hold: records lie inside the page and are sound once sanitized; what jansson takes for JSON is not called
 * malformed; tokens are parsed without harm.
 */
#include "postgres.h"

#include <jansson.h>

#include "fuzz.h"
#include "quickbooks/envelope.h"
#include "quickbooks/oauth.h"
#include "samples.h"

const char *const fuzz_seeds[] = {
	SAMPLE_QUERY, SAMPLE_COUNT, SAMPLE_EMPTY, SAMPLE_CDC, SAMPLE_SINGLE, SAMPLE_SERVICE_FAULT, SAMPLE_TOKENS,
	"{\"Customer\":{\"Id\":7,\"a\":\"\\u0000\\ud800\\ud83d\\ude00\\\"\\n\",\"b\":-1.5e+3,\"c\":[1,[],{}],\"n\":1e9999}}",
	"{\"Customer\":{\"Id\":71e999999999}}",
	"\xEF\xBB\xBF {\"QueryResponse\":[{\"Item\":{\"Id\":\"1\",\"Name\":\"caf\xC3\xA9 \xF0\x9F\x98\x80\"}}]} \n",
};
const size_t fuzz_seed_count = lengthof(fuzz_seeds);

/* What the scan says of an envelope that is sound JSON but not ours to read. */
static bool
is_no_syntax_error(const char *error)
{
	static const char *const words[] = {"fault", "no QueryResponse", "CDCResponse", "QueryResponse", "nested too deeply", "too many"};

	for (size_t i = 0; i < lengthof(words); i++)
	{
		if (strstr(error, words[i]) != NULL)
			return true;
	}
	return false;
}

static void
check_record(const Record *record, const uint8_t *data, size_t size)
{
	size_t		len;
	char	   *sane = record_sanitize(record, &len);
	char	   *page = palloc(len + 32);
	Envelope	again;
	json_error_t error;
	json_t	   *tree;

	HOLDS(record->text >= (const char *) data && record->text + record->len <= (const char *) data + size);
	HOLDS(record->text[0] == '{' && record->text[record->len - 1] == '}');
	HOLDS(sane[len] == '\0' && strlen(sane) == len);
	if (record->alterations == 0)
		HOLDS(len == record->len && memcmp(sane, record->text, len) == 0);

	snprintf(page, len + 32, "{\"X\":%s}", sane);
	HOLDS(envelope_scan(page, strlen(page), &again));
	HOLDS(again.nrecords == 1 && again.groups[0].records[0].alterations == 0);
	/* a number beyond PostgreSQL's is no id, but becomes a string that may look like one */
	HOLDS(strcmp(again.groups[0].records[0].id, record->id) == 0 ||
		  (record->id[0] == '\0' && (record->alterations & RECORD_HAS_BIG_NUMBER)));
	HOLDS(again.groups[0].records[0].deleted == record->deleted);

	/* Doubles end at 1e308, numeric does not. */
	tree = json_loadb(sane, len, JSON_DECODE_INT_AS_REAL, &error);
	HOLDS(tree != NULL || json_error_code(&error) == json_error_numeric_overflow);
	json_decref(tree);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Envelope	envelope;
	OauthTokens tokens;
	int			nrecords = 0;

	if (envelope_scan((const char *) data, size, &envelope))
	{
		for (int i = 0; i < envelope.ngroups; i++)
		{
			for (int j = 0; j < envelope.groups[i].nrecords; j++)
				check_record(&envelope.groups[i].records[j], data, size);
			nrecords += envelope.groups[i].nrecords;
		}
		HOLDS(nrecords == envelope.nrecords);
	}
	else
	{
		json_t	   *tree = json_loadb((const char *) data, size, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);

		HOLDS(envelope.error[0] != '\0');
		/* jansson takes a NUL behind a number for white space */
		HOLDS(tree == NULL || !json_is_object(tree) || memchr(data, '\0', size) || is_no_syntax_error(envelope.error));
		json_decref(tree);
	}

	if (oauth_parse_tokens((const char *) data, size, &tokens))
		HOLDS(tokens.access_token[0] != '\0');
	shim_reset();
	return 0;
}
