/*
 * unit_quickbooks.c
 *		Unit tests of the pure-C modules of the quickbooks room: envelopes and tokens here, faults in unit_faults.c, limits in unit_limits.c.
 */
#include "unit.h"

#include "quickbooks/envelope.h"
#include "quickbooks/oauth.h"
#include "samples.h"
#include "security/secret.h"

static int	passed_count;
static int	failed_count;

void
check_at(bool passed, const char *file, int line, const char *name)
{
	if (passed)
		passed_count++;
	else
	{
		failed_count++;
		printf("FAILED %s:%d: %s\n", file, line, name);
	}
}

static bool
scan(const char *body, Envelope *envelope)
{
	return envelope_scan(body, strlen(body), envelope);
}

static bool
parse_tokens(const char *body, OauthTokens *tokens)
{
	return oauth_parse_tokens(body, strlen(body), tokens);
}

/* The only record of a page that holds one. */
static const Record *
one_record(const char *body)
{
	static const Record none;
	Envelope	envelope;

	if (!scan(body, &envelope) || envelope.nrecords != 1)
		return &none;
	return &envelope.groups[0].records[0];
}

static const char *
sane(const char *body)
{
	size_t		len;

	return record_sanitize(one_record(body), &len);
}

static void
test_samples(void)
{
	Envelope	e;
	const Record *r;

	CHECK(scan(SAMPLE_QUERY, &e) && e.ngroups == 1 && e.nrecords == 1 && e.total_count == -1);
	r = &e.groups[0].records[0];
	CHECK(SAME(e.groups[0].object, "Customer") && SAME(e.time, "2026-11-22T03:14:15.926-08:00"));
	CHECK(SAME(r->id, "42") && SAME(r->sync_token, "3") && SAME(r->last_updated, "") && !r->deleted && r->alterations == 0);
	CHECK(r->len == strlen("{\"Id\":\"42\",\"DisplayName\":\"Northwind Paper\",\"SyncToken\":\"3\"}") && r->text[0] == '{');

	CHECK(scan(SAMPLE_COUNT, &e) && e.ngroups == 0 && e.nrecords == 0 && e.total_count == 1287);
	CHECK(scan(SAMPLE_EMPTY, &e) && e.ngroups == 0 && e.total_count == -1 && SAME(e.time, "2026-11-22T03:14:15.926-08:00"));

	CHECK(scan(SAMPLE_CDC, &e) && e.ngroups == 2 && e.nrecords == 4 && e.total_count == -1);
	CHECK(SAME(e.groups[0].object, "Customer") && e.groups[0].nrecords == 2 && SAME(e.groups[1].object, "Invoice"));
	r = &e.groups[0].records[1];
	CHECK(SAME(r->id, "57") && SAME(r->sync_token, "2") && SAME(r->create_time, "2025-03-01T09:00:00-08:00") &&
		  SAME(r->last_updated, "2026-11-21T10:20:00-08:00"));
	r = &e.groups[1].records[1];
	CHECK(SAME(r->id, "298") && r->deleted && SAME(r->sync_token, "") && SAME(r->last_updated, "2026-11-21T09:00:01-08:00"));
	CHECK(!e.groups[1].records[0].deleted && e.groups[1].records[0].fingerprint != r->fingerprint);

	CHECK(scan(SAMPLE_SINGLE, &e) && e.ngroups == 1 && e.nrecords == 1 && SAME(e.groups[0].records[0].id, "42"));
}

static void
test_forms(void)
{
	Envelope	e;

	/* Objects where arrays are expected, any order of keys, unknown keys, a byte order mark, blanks. */
	CHECK(scan("\xEF\xBB\xBF\n{\"time\":\"t\",\"x\":[1,{\"a\":[]}],\"QueryResponse\":{\"Item\":{\"Id\":\"1\"}}}\r\n ", &e) && e.nrecords == 1);
	CHECK(scan("{\"CDCResponse\":{\"QueryResponse\":{\"Item\":[{\"Id\":\"1\"}]}}}", &e) && e.nrecords == 1);
	CHECK(scan("{\"CDCResponse\":[]}", &e) && e.nrecords == 0);
	CHECK(scan("{\"CDCResponse\":[{},{\"QueryResponse\":[{},{\"Item\":[]},{\"Item\":[{},{}]}],\"size\":3}]}", &e) && e.nrecords == 2 && e.ngroups == 2);
	CHECK(scan("{\"QueryResponse\":{\"totalCount\":\"12\"},\"fault\":null}", &e) && e.total_count == 12);
	CHECK(scan("{\"QueryResponse\":{\"totalCount\":-3}}", &e) && e.total_count == -1);
	CHECK(scan("{\"QueryResponse\":{\"totalCount\":99999999999999999999}}", &e) && e.total_count == -1);
	CHECK(scan("{\"QueryResponse\":{\"Item\":[null,1,{\"Id\":\"1\"},[]]}}", &e) && e.nrecords == 1);

	CHECK(!scan(SAMPLE_SERVICE_FAULT, &e) && SAME(e.error, "fault"));
	CHECK(!scan(SAMPLE_GATEWAY_FAULT, &e) && SAME(e.error, "fault"));
	CHECK(!scan("{\"CDCResponse\":[{\"QueryResponse\":[{\"Fault\":{}}]}]}", &e) && SAME(e.error, "fault"));
	CHECK(!scan("{\"CDCResponse\":[{\"Fault\":{}}]}", &e) && SAME(e.error, "fault"));
	CHECK(!scan("{}", &e) && e.error[0] != '\0');
	CHECK(!scan("{\"time\":\"t\"}", &e));
	CHECK(!scan("{\"QueryResponse\":null}", &e));
	CHECK(!scan("{\"QueryResponse\":[null]}", &e));
	CHECK(!scan("{\"CDCResponse\":\"x\"}", &e));
	CHECK(!scan("{\"BatchItemResponse\":[]}", &e));
}

static void
test_records(void)
{
	const Record *r;

	r = one_record("{\"C\":{\"Id\":\"1\",\"id\":\"2\",\"X\":{\"Id\":\"3\",\"SyncToken\":\"9\",\"status\":\"Deleted\"},\"Y\":[{\"Id\":\"4\"}],\"SyncToken\":7}}");
	CHECK(SAME(r->id, "1") && SAME(r->sync_token, "7") && !r->deleted);
	r = one_record("{\"C\":{\"Id\":\"1\",\"Id\":\"2\",\"status\":\"Deleted\",\"status\":\"x\",\"MetaData\":{\"CreateTime\":\"a\"},\"MetaData\":{\"LastUpdatedTime\":\"b\"}}}");
	CHECK(SAME(r->id, "2") && !r->deleted && SAME(r->create_time, "") && SAME(r->last_updated, "b"));
	CHECK(SAME(one_record("{\"C\":{\"Id\":\"1\",\"Id\":{}}}")->id, ""));
	CHECK(SAME(one_record("{\"C\":{\"Id\":\"9223372036854775807\"}}")->id, "9223372036854775807"));
	CHECK(SAME(one_record("{\"C\":{\"Id\":9223372036854775808}}")->id, "9223372036854775808"));
	CHECK(SAME(one_record("{\"C\":{\"Id\":\"1234567890123456789012345678901\"}}")->id, "1234567890123456789012345678901"));
	CHECK(SAME(one_record("{\"C\":{\"Id\":\"12345678901234567890123456789012\"}}")->id, ""));
	CHECK(SAME(one_record("{\"C\":{\"Id\":1.5}}")->id, ""));
	CHECK(SAME(one_record("{\"C\":{\"Id\":true}}")->id, ""));
	CHECK(SAME(one_record("{\"C\":{\"Id\":null}}")->id, ""));
	CHECK(SAME(one_record("{\"C\":{\"Id\":\"4\\u00322\"}}")->id, ""));
	CHECK(SAME(one_record("{\"C\":{\"Id\":\"4\xC3\xA9\"}}")->id, ""));
	CHECK(one_record("{\"C\":{\"MetaData\":\"x\",\"Id\":\"1\"}}")->id[0] == '1');
	CHECK(one_record("{\"C\":{}}")->len == 2);

	/* The fingerprint depends on every byte, also beyond whole blocks. */
	CHECK(one_record("{\"C\":{\"a\":1}}")->fingerprint == one_record(" {\"D\":{\"a\":1}}")->fingerprint);
	CHECK(one_record("{\"C\":{\"a\":1}}")->fingerprint != one_record("{\"C\":{\"a\":2}}")->fingerprint);
	CHECK(one_record("{\"C\":{\"abcdefghijklmnopqrstuvwxyz012345678\":1}}")->fingerprint !=
		  one_record("{\"C\":{\"abcdefghijklmnopqrstuvwxyz012345678\":2}}")->fingerprint);
	CHECK(one_record("{\"C\":{\"abcdefghijklmnopqrstuvwxyz012345678\":1}}")->fingerprint !=
		  one_record("{\"C\":{\"bbcdefghijklmnopqrstuvwxyz012345678\":1}}")->fingerprint);
}

static void
test_alterations(void)
{
	static const struct
	{
		const char *value;
		unsigned	alterations;
		const char *sane;		/* NULL: as it was */
	}			cases[] = {
		{"\"plain \\\" \\\\ \\/ \\b\\f\\n\\r\\t \\u00e9\"", 0, NULL},
		{"\"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xEF\xBF\xBF \xF4\x8F\xBF\xBF\"", 0, NULL},
		{"\"\\ud83d\\ude00\"", 0, NULL},
		{"\"a\\u0000b\"", RECORD_HAS_NUL, "\"a\xEF\xBF\xBD" "b\""},
		{"\"\\\\u0000\"", 0, NULL},
		{"\"\\ud800\"", RECORD_HAS_SURROGATE, "\"\xEF\xBF\xBD\""},
		{"\"\\ud800x\\udc00\"", RECORD_HAS_SURROGATE, "\"\xEF\xBF\xBDx\xEF\xBF\xBD\""},
		{"\"\\ud800\\ud83d\\ude00\"", RECORD_HAS_SURROGATE, "\"\xEF\xBF\xBD\\ud83d\\ude00\""},
		{"\"\\udc00\\ud800\"", RECORD_HAS_SURROGATE, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{"\"\\ud800\\n\"", RECORD_HAS_SURROGATE, "\"\xEF\xBF\xBD\\n\""},
		{"\"\xC3\"", RECORD_HAS_BAD_UTF8, "\"\xEF\xBF\xBD\""},
		{"\"\x80\"", RECORD_HAS_BAD_UTF8, "\"\xEF\xBF\xBD\""},
		{"\"\xC0\xAF\"", RECORD_HAS_BAD_UTF8, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{"\"\xE0\x80\xAF\"", RECORD_HAS_BAD_UTF8, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{"\"\xED\xA0\x80\"", RECORD_HAS_BAD_UTF8, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{"\"\xF4\x90\x80\x80\"", RECORD_HAS_BAD_UTF8, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{"\"\xF0\x8F\xBF\xBF\"", RECORD_HAS_BAD_UTF8, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{"\"a\nb\x1F\"", RECORD_HAS_BAD_UTF8, "\"a\\u000ab\\u001f\""},
		{"\"\x7F\"", 0, NULL},
		{"1e400", 0, NULL},
		{"1e401", RECORD_HAS_BIG_NUMBER, "\"1e401\""},
		{"-1.5E-999999999999999999999", RECORD_HAS_BIG_NUMBER, "\"-1.5E-999999999999999999999\""},
		{"1e0000000400", 0, NULL},
		{"-0", 0, NULL},
		{"123456789012345678901234567890.12345678901234567890", 0, NULL},
		{"[1e500,\"\\u0000\",\"\xFF\"]", RECORD_HAS_BIG_NUMBER | RECORD_HAS_NUL | RECORD_HAS_BAD_UTF8, "[\"1e500\",\"\xEF\xBF\xBD\",\"\xEF\xBF\xBD\"]"},
	};
	static const char nul[] = "{\"C\":{\"a\":\"\0\"}}";
	Envelope	e;
	char		digits[500];

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		char		body[256];
		char		expected[256];

		snprintf(body, sizeof(body), "{\"C\":{\"a\":%s,\"Id\":\"1\"}}", cases[i].value);
		snprintf(expected, sizeof(expected), "{\"a\":%s,\"Id\":\"1\"}", cases[i].sane != NULL ? cases[i].sane : cases[i].value);
		CHECK_NAMED(one_record(body)->alterations == cases[i].alterations && SAME(one_record(body)->id, "1"), cases[i].value);
		CHECK_NAMED(SAME(sane(body), expected), cases[i].value);
	}

	memcpy(digits, "{\"C\":{\"a\":", 10);
	memset(digits + 10, '7', 401);
	memcpy(digits + 411, "}}", 3);
	CHECK(one_record(digits)->alterations == RECORD_HAS_BIG_NUMBER);
	memcpy(digits + 410, "}}", 3);
	CHECK(one_record(digits)->alterations == 0);

	/* One record's trouble is not the next one's. */
	CHECK(scan("{\"QueryResponse\":{\"C\":[{\"a\":\"\\u0000\"},{\"Id\":\"2\"}]}}", &e) && e.groups[0].records[0].alterations == RECORD_HAS_NUL &&
		  e.groups[0].records[1].alterations == 0);

	/* A NUL byte inside a string. */
	CHECK(envelope_scan(nul, sizeof(nul) - 1, &e) && e.groups[0].records[0].alterations == RECORD_HAS_BAD_UTF8);
}

/* Special bytes at every offset, so that no block boundary hides one. */
static void
test_offsets(void)
{
	for (int offset = 0; offset < 40; offset++)
	{
		char		body[128];

		sprintf(body, "{\"C\":{\"a\":\"%.*s\xFF%s\",\"Id\":\"5\"}}", offset, "0123456789012345678901234567890123456789", "tail");
		CHECK_NAMED(one_record(body)->alterations == RECORD_HAS_BAD_UTF8 && SAME(one_record(body)->id, "5"), body);
		sprintf(body, "{\"C\":{\"a\":\"%.*s\\\"%s\",\"Id\":\"5\"}}", offset, "0123456789012345678901234567890123456789", "tail");
		CHECK_NAMED(one_record(body)->alterations == 0 && SAME(one_record(body)->id, "5"), body);
		sprintf(body, "{\"C\":{\"a\":\"%.*s\\u0000%s\",\"Id\":\"5\"}}", offset, "0123456789012345678901234567890123456789", "tail");
		CHECK_NAMED(one_record(body)->alterations == RECORD_HAS_NUL, body);
		sprintf(body, "{\"C\":{\"a\":\"%.*s\t%s\",\"Id\":\"5\"}}", offset, "0123456789012345678901234567890123456789", "tail");
		CHECK_NAMED(one_record(body)->alterations == RECORD_HAS_BAD_UTF8, body);
		sprintf(body, "{\"C\":{\"a\":\"%.*s\",\"Id\":\"5\"}}", offset, "0123456789012345678901234567890123456789");
		CHECK_NAMED(one_record(body)->alterations == 0 && SAME(one_record(body)->id, "5"), body);
	}
}

static void
test_malformed(void)
{
	static const char *const values[] = {
		"", "01", "+1", "1.", ".5", "1e", "1e+", "-", "--1", "0x1", "NaN", "Infinity", "tru", "TRUE", "nul", "'a'", "\"", "\"\\", "\"\\x\"",
		"\"\\u12\"", "\"\\u12G4\"", "[1,]", "[,1]", "[1 2]", "[1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "{1:1}", "{\"a\" 1}",
		"{\"a\":1 \"b\":2}", "{\"a\":1]", "1 1", "\xC3\xA9", "// x", "[", "{", "]", "}"
	};
	static const char *const bodies[] = {
		"", " ", "\xEF\xBB\xBF", "[]", "null", "\"QueryResponse\"", "{\"QueryResponse\":{}} x", "{\"QueryResponse\":{}}{", "{\"QueryResponse\":{}}\xEF\xBB\xBF",
		"{\"QueryResponse\":{}},", "x{\"QueryResponse\":{}}", "<html></html>"
	};
	Envelope	e;

	for (size_t i = 0; i < lengthof(values); i++)
	{
		char		body[128];

		snprintf(body, sizeof(body), "{\"C\":{\"a\":%s,\"Id\":\"1\"}}", values[i]);
		CHECK_NAMED(!scan(body, &e) && e.error[0] != '\0', values[i]);
		snprintf(body, sizeof(body), "{\"C\":{\"a\":[%s]}}", i == 0 ? "1," : values[i]);
		CHECK_NAMED(!scan(body, &e), values[i]);
	}
	for (size_t i = 0; i < lengthof(bodies); i++)
		CHECK_NAMED(!scan(bodies[i], &e) && e.error[0] != '\0', bodies[i]);
	CHECK(!envelope_scan(NULL, 0, &e));
	CHECK(!envelope_scan("{\"QueryResponse\":{}}\0", strlen("{\"QueryResponse\":{}}") + 1, &e));
}

static void
test_cut_and_deep(void)
{
	static const char *const samples[] = {SAMPLE_QUERY, SAMPLE_COUNT, SAMPLE_EMPTY, SAMPLE_CDC, SAMPLE_SINGLE, SAMPLE_TOKENS};
	char	   *deep = malloc(300000);
	Envelope	e;
	OauthTokens tokens;

	for (size_t i = 0; i < lengthof(samples); i++)
	{
		for (size_t len = 0; len < strlen(samples[i]); len++)
		{
			char	   *exact = malloc(len + 1);

			memcpy(exact + 1, samples[i], len);
			CHECK_NAMED(!envelope_scan(exact + 1, len, &e), "cut page");
			CHECK_NAMED(!oauth_parse_tokens(exact + 1, len, &tokens), "cut tokens");
			free(exact);
		}
	}

	/* The outermost object and the record are two of the hundred levels. */
	for (int levels = 97; levels <= 99; levels++)
	{
		size_t		len = sprintf(deep, "{\"C\":{\"a\":");

		memset(deep + len, '[', levels);
		memset(deep + len + levels, ']', levels);
		strcpy(deep + len + 2 * levels, "}}");
		CHECK_NAMED(scan(deep, &e) == (levels <= 98), "depth");
	}
	memset(deep, '[', 299999);
	deep[299999] = '\0';
	memcpy(deep, "{\"C\":{\"a\":", 10);
	CHECK(!scan(deep, &e) && strstr(e.error, "deep") != NULL);
	free(deep);
}

static void
test_tokens(void)
{
	static const char *const refused[] = {
		"", "[]", "{}", "{\"access_token\":\"\"}", "{\"access_token\":null}", "{\"access_token\":12}", "{\"access_token\":\"a b\"}",
		"{\"access_token\":\"a\\nb\"}", "{\"access_token\":\"a\\u0000\"}", "{\"access_token\":\"a\\u000ab\"}", "{\"access_token\":\"a\nb\"}",
		"{\"access_token\":\"\xC3\xA9\"}", "{\"access_token\":\"a\"} x", "{\"access_token\":\"a\",\"refresh_token\":\"x\\ty\"}",
		"{\"access_token\":\"a\",\"refresh_token\":[]}", "{\"access_token\":[]}", SAMPLE_OAUTH_ERROR
	};
	char	   *big = malloc(20000);
	OauthTokens t;

	CHECK(parse_tokens(SAMPLE_TOKENS, &t));
	CHECK(SAME(t.access_token, "eyJlbmMi...") && SAME(t.refresh_token, "RT1-12-H0-1771234567abcdefgh"));
	CHECK(t.expires_in == 3600 && t.refresh_expires_in == 8726400 && t.refresh_hard_expires_in == 156032154);
	secret_wipe(t.access_token);
	secret_wipe(t.refresh_token);

	CHECK(parse_tokens("{\"access_token\":\"a\\/b\\u003d\",\"expires_in\":\"1800\",\"x\":[{}]}", &t));
	CHECK(SAME(t.access_token, "a/b=") && t.refresh_token == NULL && t.expires_in == 1800 && t.refresh_expires_in == -1 &&
		  t.refresh_hard_expires_in == -1);
	CHECK(parse_tokens("{\"access_token\":\"a\",\"access_token\":\"b\",\"refresh_token\":\"\",\"expires_in\":1e9}", &t));
	CHECK(SAME(t.access_token, "b") && t.refresh_token == NULL && t.expires_in == 3600);
	for (size_t i = 0; i < lengthof(refused); i++)
		CHECK_NAMED(!parse_tokens(refused[i], &t) && t.access_token == NULL && t.refresh_token == NULL, refused[i]);

	for (int len = 8192; len <= 8193; len++)
	{
		sprintf(big, "{\"access_token\":\"");
		memset(big + 17, 'a', len);
		strcpy(big + 17 + len, "\"}");
		CHECK(parse_tokens(big, &t) == (len == 8192));
	}
	free(big);
}

static void
test_bodies(void)
{
	CHECK(SAME(oauth_code_body("AB11 +&=%\xC3\xA9", "https://app.example.com/qbo/cb"),
			   "grant_type=authorization_code&code=AB11%20%2B%26%3D%25%C3%A9&redirect_uri=https%3A%2F%2Fapp.example.com%2Fqbo%2Fcb"));
	CHECK(SAME(oauth_refresh_body("RT1-12_H0.~"), "grant_type=refresh_token&refresh_token=RT1-12_H0.~"));
	CHECK(SAME(oauth_refresh_body(""), "grant_type=refresh_token&refresh_token="));
	CHECK(SAME(oauth_revoke_body("a\"\\\nb"), "{\"token\":\"a\\\"\\\\\\u000ab\"}"));
}

int
main(void)
{
	test_samples();
	test_forms();
	test_records();
	test_alterations();
	test_offsets();
	test_malformed();
	test_cut_and_deep();
	test_tokens();
	test_bodies();
	test_faults();
	test_limits();
	shim_reset();
	printf("%d passed, %d failed\n", passed_count, failed_count);
	return failed_count == 0 ? 0 : 1;
}
