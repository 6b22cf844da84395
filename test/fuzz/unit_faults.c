/*
 * unit_faults.c
 *		Unit tests of fault.c: every code Intuit is known to give, every shape of refusal, the token host, hostile input.
 */
#include "unit.h"

#include "quickbooks/fault.h"
#include "samples.h"

typedef struct CodeCase
{
	int			status;
	int			code;
	const char *detail;
	FaultReaction reaction;
	const char *problem;
} CodeCase;

static const CodeCase code_cases[] = {
	{401, 100, "", REACT_REFRESH, "grant_revoked"},
	{401, 110, "", REACT_REFRESH, "grant_revoked"},
	{401, 120, "AuthorizationFailure", REACT_REAUTHORIZE, "no_permission"},
	{400, 130, "", REACT_RETRY_FEW, "intuit_failing"},
	{400, 140, "", REACT_SUSPENDED, "suspended"},
	{503, 150, "", REACT_SUSPENDED, "suspended"},
	{403, 3100, "", REACT_REAUTHORIZE, "wrong_environment"},
	{401, 3200, "", REACT_REFRESH, "grant_revoked"},
	{401, 3202, "", REACT_BUG, "internal"},
	{429, 3001, "", REACT_THROTTLED, "throttled"},
	{403, 3001, "", REACT_THROTTLED, "throttled"},
	{429, 5010, "", REACT_THROTTLED, "throttled"},
	{400, 500, "", REACT_BUG, "internal"},
	{500, 500, "Unsupported Operation", REACT_BUG, "internal"},
	{400, 600, "", REACT_RETRY, "intuit_failing"},
	{400, 610, "Object Not Found", REACT_GONE, "gone"},
	{404, 610, "", REACT_GONE, "gone"},
	{200, 610, "", REACT_GONE, "gone"},
	{400, 620, "", REACT_REFETCH, "stale"},
	{400, 630, "", REACT_REFETCH, "stale"},
	{400, 700, "", REACT_PERMANENT, "bad_reference"},
	{400, 800, "", REACT_PERMANENT, "rejected"},
	{400, 900, "", REACT_PERMANENT, "rejected"},
	{400, 1000, "", REACT_RETRY_FEW, "intuit_failing"},
	{400, 1010, "", REACT_RETRY_FEW, "intuit_failing"},
	{400, 1020, "", REACT_RETRY_FEW, "intuit_failing"},
	{400, 1040, "", REACT_SMALLER, "too_big"},
	{400, 1050, "", REACT_BUG, "internal"},
	{400, 2000, "", REACT_BUG, "internal"},
	{400, 2010, "Property Name: x", REACT_BUG, "internal"},
	{400, 2020, "Required parameter CustomerRef is missing in the request", REACT_PERMANENT, "rejected"},
	{400, 2030, "", REACT_PERMANENT, "rejected"},
	{400, 2040, "", REACT_PERMANENT, "rejected"},
	{400, 2050, "", REACT_PERMANENT, "rejected"},
	{400, 2060, "", REACT_PERMANENT, "rejected"},
	{400, 2070, "", REACT_PERMANENT, "rejected"},
	{400, 2080, "", REACT_PERMANENT, "rejected"},
	{400, 2090, "", REACT_PERMANENT, "rejected"},
	{400, 2100, "", REACT_PERMANENT, "rejected"},
	{400, 2110, "", REACT_PERMANENT, "rejected"},
	{400, 2120, "", REACT_PERMANENT, "rejected"},
	{400, 2130, "", REACT_BUG, "internal"},
	{400, 2140, "", REACT_PERMANENT, "rejected"},
	{400, 2150, "", REACT_PERMANENT, "rejected"},
	{400, 2160, "", REACT_PERMANENT, "rejected"},
	{400, 2170, "", REACT_PERMANENT, "rejected"},
	{400, 2180, "", REACT_PERMANENT, "rejected"},
	{400, 2190, "", REACT_PERMANENT, "rejected"},
	{400, 2200, "", REACT_PERMANENT, "rejected"},
	{400, 2210, "", REACT_PERMANENT, "rejected"},
	{400, 2220, "", REACT_PERMANENT, "rejected"},
	{400, 2230, "", REACT_PERMANENT, "rejected"},
	{400, 2240, "", REACT_PERMANENT, "rejected"},
	{400, 2250, "", REACT_PERMANENT, "rejected"},
	{400, 2260, "", REACT_PERMANENT, "rejected"},
	{400, 2290, "", REACT_PERMANENT, "rejected"},
	{400, 2300, "", REACT_PERMANENT, "rejected"},
	{400, 2500, "", REACT_PERMANENT, "bad_reference"},
	{400, 2600, "", REACT_PERMANENT, "rejected"},
	{400, 3000, "", REACT_PERMANENT, "rejected"},
	{400, 4000, "QueryParserError: Encountered", REACT_BUG, "internal"},
	{400, 4001, "QueryValidationError: Property Colour not found", REACT_BUG, "internal"},
	{500, 4002, "", REACT_RETRY, "intuit_failing"},
	{400, 5000, "", REACT_BUG, "internal"},
	{400, 5010, "", REACT_REFETCH, "stale"},
	{403, 5020, "", REACT_PERMANENT, "not_available"},
	{400, 5030, "", REACT_PERMANENT, "not_available"},
	{400, 6000, "", REACT_PERMANENT, "rejected"},
	{400, 6000, "Error validating Email Address, comma separated", REACT_PERMANENT, "rejected"},
	{400, 6000, "Make sure all your transactions have a % sales tax rate before you save.", REACT_PERMANENT, "tax_code"},
	{400, 6000, "Make sure all lines have a % VAT", REACT_PERMANENT, "tax_code"},
	{400, 6000, "You must select a customer.", REACT_PERMANENT, "bad_reference"},
	{400, 6000, "A customer is required", REACT_PERMANENT, "bad_reference"},
	{400, 6000, "Select a customer with the same currency", REACT_PERMANENT, "rejected"},
	{400, 6000, "Invalid Currency: The currency of the transaction is invalid for customer", REACT_PERMANENT, "rejected"},
	{400, 6000, "You can only add one sales tax rate", REACT_PERMANENT, "tax_code"},
	{400, 6000, "multiple tax rates", REACT_PERMANENT, "tax_code"},
	{400, 6000, "The payment amount of 5 exceeds the balance", REACT_REFETCH, "stale"},
	{400, 6000, "You can't APPLY MORE THAN 5", REACT_REFETCH, "stale"},
	{400, 6000, "Please enter a transaction amount that is 0 or greater", REACT_PERMANENT, "rejected"},
	{400, 6000, "before the closing date", REACT_PERMANENT, "books_closed"},
	{400, 6000, "the books are closed", REACT_PERMANENT, "books_closed"},
	{400, 6000, "You've reached the maximum limit", REACT_PERMANENT, "not_available"},
	{400, 6000, "usage limit", REACT_PERMANENT, "not_available"},
	{400, 6000, "Your subscription has ended", REACT_SUSPENDED, "suspended"},
	{400, 6000, "Item 'Monthly subscription' needs an account", REACT_PERMANENT, "rejected"},
	{400, 6000, "Another user is working on this", REACT_RETRY_FEW, "intuit_failing"},
	{400, 6000, "could not get a lock", REACT_RETRY_FEW, "intuit_failing"},
	{400, 6000, "The account is inactive", REACT_PERMANENT, "bad_reference"},
	{400, 6010, "", REACT_PERMANENT, "rejected"},
	{400, 6020, "", REACT_PERMANENT, "rejected"},
	{400, 6050, "", REACT_PERMANENT, "rejected"},
	{400, 6060, "", REACT_PERMANENT, "rejected"},
	{400, 6070, "", REACT_PERMANENT, "rejected"},
	{400, 6080, "", REACT_PERMANENT, "rejected"},
	{400, 6090, "", REACT_PERMANENT, "rejected"},
	{400, 6100, "", REACT_PERMANENT, "tax_code"},
	{400, 6110, "", REACT_PERMANENT, "rejected"},
	{400, 6120, "", REACT_PERMANENT, "rejected"},
	{400, 6130, "", REACT_PERMANENT, "rejected"},
	{400, 6140, "DocNumber=1001 is assigned to TxnType=Invoice with TxnId=301", REACT_PERMANENT, "duplicate_number"},
	{400, 6150, "", REACT_PERMANENT, "rejected"},
	{400, 6160, "", REACT_PERMANENT, "tax_code"},
	{400, 6170, "", REACT_PERMANENT, "rejected"},
	{400, 6180, "", REACT_PERMANENT, "rejected"},
	{403, 6190, "", REACT_SUSPENDED, "suspended"},
	{400, 6200, "", REACT_PERMANENT, "books_closed"},
	{400, 6210, "", REACT_PERMANENT, "books_closed"},
	{400, 6220, "", REACT_PERMANENT, "rejected"},
	{400, 6230, "", REACT_PERMANENT, "tax_code"},
	{400, 6240, "The name supplied already exists.", REACT_PERMANENT, "duplicate_name"},
	{400, 6250, "", REACT_PERMANENT, "bad_reference"},
	{400, 6270, "", REACT_PERMANENT, "rejected"},
	{400, 6280, "", REACT_PERMANENT, "rejected"},
	{400, 6290, "", REACT_PERMANENT, "rejected"},
	{400, 6390, "", REACT_PERMANENT, "rejected"},
	{400, 6400, "", REACT_PERMANENT, "rejected"},
	{400, 6420, "", REACT_PERMANENT, "rejected"},
	{400, 6430, "", REACT_PERMANENT, "rejected"},
	{400, 6440, "", REACT_PERMANENT, "rejected"},
	{400, 6450, "", REACT_PERMANENT, "rejected"},
	{400, 6460, "", REACT_PERMANENT, "rejected"},
	{400, 6470, "", REACT_PERMANENT, "tax_code"},
	{400, 6480, "", REACT_PERMANENT, "rejected"},
	{400, 6490, "", REACT_PERMANENT, "rejected"},
	{400, 6510, "", REACT_PERMANENT, "rejected"},
	{400, 6520, "", REACT_PERMANENT, "rejected"},
	{400, 6530, "", REACT_BUG, "internal"},
	{400, 6540, "", REACT_PERMANENT, "rejected"},
	{400, 6560, "", REACT_PERMANENT, "bad_reference"},
	{500, 10000, "System Failure Error", REACT_RETRY_FEW, "intuit_failing"},
	{400, 10000, "", REACT_RETRY_FEW, "intuit_failing"},
	{400, 10100, "", REACT_SMALLER, "too_big"},
	{400, 10200, "", REACT_RELOAD, "company_reset"},
	{400, 7777, "unknown", REACT_PERMANENT, "rejected"},
	{503, 7777, "unknown", REACT_RETRY, "intuit_failing"},
	{401, 7777, "unknown", REACT_REFRESH, "grant_revoked"},
};

typedef struct StatusCase
{
	int			status;
	const char *body;
	FaultReaction reaction;
	const char *problem;
} StatusCase;

static const StatusCase status_cases[] = {
	{200, "", REACT_RETRY, "not_understood"},
	{200, "[]", REACT_RETRY, "not_understood"},
	{200, "{\"QueryResponse\":{", REACT_RETRY, "not_understood"},
	{200, "{} x", REACT_RETRY, "not_understood"},
	{200, SAMPLE_HTML, REACT_RETRY, "not_understood"},
	{200, SAMPLE_XML_FAULT, REACT_REFRESH, "grant_revoked"},
	{200, "{\"Fault\":{\"type\":\"SystemFault\"}}", REACT_RETRY_FEW, "intuit_failing"},
	{200, "{\"Fault\":{\"Error\":[],\"type\":\"ValidationFault\"}}", REACT_PERMANENT, "rejected"},
	{200, "{\"QueryResponse\":{},\"FAULT\":{\"ERROR\":{\"CODE\":5010}}}", REACT_REFETCH, "stale"},
	{403, "{\"Fault\":{\"Error\":[{\"Message\":\"x\"}],\"type\":\"AuthorizatonFault\"}}", REACT_REAUTHORIZE, "no_permission"},
	{400, "", REACT_RETRY_FEW, "not_understood"},
	{401, "", REACT_REFRESH, "grant_revoked"},
	{401, "{\"QueryResponse\":{}}", REACT_REFRESH, "grant_revoked"},
	{403, SAMPLE_HTML, REACT_SUSPENDED, "forbidden"},
	{404, "", REACT_BUG, "internal"},
	{405, "", REACT_BUG, "internal"},
	{413, "", REACT_BUG, "internal"},
	{415, "", REACT_BUG, "internal"},
	{429, "", REACT_THROTTLED, "throttled"},
	{429, SAMPLE_HTML, REACT_THROTTLED, "throttled"},
	{500, "", REACT_RETRY, "intuit_failing"},
	{502, SAMPLE_HTML, REACT_RETRY, "intuit_failing"},
	{503, "upstream connect error", REACT_RETRY, "intuit_failing"},
	{504, SAMPLE_QUERY, REACT_RETRY, "intuit_failing"},
	{302, "", REACT_RETRY_FEW, "not_understood"},
	{201, SAMPLE_SINGLE, REACT_RETRY_FEW, "not_understood"},
};

static bool
parse(int status, const char *body, Fault *fault)
{
	return fault_parse(status, "application/json", body, strlen(body), -1, fault);
}

static void
test_codes(void)
{
	for (size_t i = 0; i < lengthof(code_cases); i++)
	{
		const CodeCase *row = &code_cases[i];
		char		body[512];
		char		name[200];
		Fault		fault;
		bool		refused;

		snprintf(body, sizeof(body), "{\"Fault\":{\"Error\":[{\"Message\":\"m\",\"Detail\":\"%s\",\"code\":\"%d\",\"element\":\"\"}],"
				 "\"type\":\"ValidationFault\"},\"time\":\"t\"}", row->detail, row->code);
		refused = parse(row->status, body, &fault);
		snprintf(name, sizeof(name), "status %d code %d \"%s\": reaction %d, problem %s", row->status, row->code, row->detail,
				 (int) fault.reaction, fault.problem);
		CHECK_NAMED(refused && fault.reaction == row->reaction && SAME(fault.problem, row->problem) && fault.code == row->code &&
					fault.status == row->status && SAME(fault.message, "m") && SAME(fault.detail, row->detail), name);

		/* The same through a gateway that names the code in its message only. */
		snprintf(body, sizeof(body), "{\"fault\":{\"error\":[{\"message\":\"message=m; errorCode=%06d; statusCode=%d\",\"detail\":\"%s\"}],"
				 "\"type\":\"ValidationFault\"}}", row->code, row->status, row->detail);
		refused = parse(row->status, body, &fault);
		CHECK_NAMED(refused && fault.reaction == row->reaction && fault.code == row->code, name);
	}
	for (size_t i = 0; i < lengthof(status_cases); i++)
	{
		const StatusCase *row = &status_cases[i];
		char		name[200];
		Fault		fault;
		bool		refused = parse(row->status, row->body, &fault);

		snprintf(name, sizeof(name), "status %d body %.60s: reaction %d, problem %s", row->status, row->body,
				 (int) fault.reaction, fault.problem);
		CHECK_NAMED(refused && fault.reaction == row->reaction && SAME(fault.problem, row->problem), name);
	}
}

static void
test_shapes(void)
{
	Fault		fault;

	CHECK(parse(400, SAMPLE_SERVICE_FAULT, &fault) && fault.reaction == REACT_REFETCH && fault.code == 5010);
	CHECK(SAME(fault.message, "Stale Object Error") && strncmp(fault.detail, "Stale Object Error : You and Mara", 33) == 0);
	CHECK(SAME(fault.element, "") && fault.wait_seconds == -1);
	CHECK(parse(401, SAMPLE_GATEWAY_FAULT, &fault) && fault.reaction == REACT_REFRESH && fault.code == 3200);
	CHECK(SAME(fault.detail, "Token expired: ...") && SAME(fault.element, ""));
	CHECK(parse(401, SAMPLE_XML_FAULT, &fault) && fault.code == 3200 && SAME(fault.detail, "Token expired"));
	CHECK(parse(502, SAMPLE_HTML, &fault) && SAME(fault.message, "502 Bad Gateway") && fault.code == 0);
	CHECK(parse(401, "{\"error\":\"invalid_token\",\"error_description\":\"no\"}", &fault) && SAME(fault.oauth_error, "invalid_token"));

	CHECK(!parse(200, SAMPLE_QUERY, &fault) && fault.reaction == REACT_NONE && fault.status == 200 && SAME(fault.problem, ""));
	CHECK(!parse(200, SAMPLE_CDC, &fault));
	CHECK(!parse(200, SAMPLE_EMPTY, &fault));
	CHECK(!parse(200, SAMPLE_SINGLE, &fault));
	CHECK(!parse(200, "\xEF\xBB\xBF{\"fault\":null,\"error\":\"not a fault\"}", &fault) && SAME(fault.oauth_error, ""));
	CHECK(parse(200, SAMPLE_SERVICE_FAULT, &fault) && fault.reaction == REACT_REFETCH);

	/* Several errors: the worst, with its own texts. */
	CHECK(parse(400, "{\"Fault\":{\"Error\":[{\"Message\":\"a\",\"code\":\"5010\"},{\"Message\":\"b\",\"code\":\" 2020 \",\"element\":\"Line\"},"
				"{\"Message\":\"c\",\"code\":\"610\"}]}}", &fault));
	CHECK(fault.code == 2020 && SAME(fault.message, "b") && SAME(fault.element, "Line"));
	CHECK(parse(400, "{\"Fault\":{\"Error\":[{\"code\":\"6190\"},{\"code\":\"2020\"}]}}", &fault) && fault.reaction == REACT_SUSPENDED);
	CHECK(fault.wait_seconds == 86400);

	CHECK(fault_parse(429, "", SAMPLE_GATEWAY_FAULT, strlen(SAMPLE_GATEWAY_FAULT), 17, &fault) && fault.wait_seconds == 17);
	CHECK(SAME(fault.detail, "Token expired: ..."));
	CHECK(fault_parse(503, "", NULL, 0, 30, &fault) && fault.reaction == REACT_RETRY && fault.wait_seconds == 30);

	fault_from_network(true, false, "timed out\nwhile reading", &fault);
	CHECK(fault.reaction == REACT_RETRY && SAME(fault.problem, "unreachable") && SAME(fault.message, "timed out while reading"));
	CHECK(fault.detail[0] != '\0' && fault.status == 0);
	fault_from_network(false, true, "big", &fault);
	CHECK(fault.reaction == REACT_SMALLER && SAME(fault.problem, "too_big") && SAME(fault.detail, ""));
}

static void
test_texts(void)
{
	static const char with_nul[] = "{\"Fault\":{\"Error\":[{\"Message\":\"a\0b\",\"code\":\"5010\"}]}}";
	char		body[4096];
	Fault		fault;
	size_t		len;

	CHECK(parse(400, "{\"Fault\":{\"Error\":[{\"Message\":\" a\\u0000b\\n\\tc\\u0007 \",\"Detail\":\"\\ud83d\\ude00 \\ud800 \xFF\xC3\xA9\\u00e9\\u0085.\","
				"\"code\":\"5010\"}]}}", &fault));
	CHECK(SAME(fault.message, "a b  c"));
	CHECK(SAME(fault.detail, "\xF0\x9F\x98\x80 \xEF\xBF\xBD \xEF\xBF\xBD\xC3\xA9\xC3\xA9 ."));
	CHECK(fault_parse(400, "", with_nul, sizeof(with_nul) - 1, -1, &fault) && fault.code == 5010 && SAME(fault.message, "a b"));

	/* Clipping keeps characters whole: 255 bytes are 127 of two bytes. */
	len = sprintf(body, "{\"Fault\":{\"Error\":[{\"code\":\"5010\",\"Message\":\"");
	for (int i = 0; i < 500; i++)
		len += sprintf(body + len, "\xC3\xA9");
	sprintf(body + len, "\"}]}}");
	CHECK(parse(400, body, &fault) && strlen(fault.message) == 254 && fault.code == 5010);

	CHECK(parse(400, "{\"Fault\":{\"Error\":[{\"code\":99999999999999999999,\"Message\":1e999999}]}}", &fault) && fault.code == 0);
	CHECK(parse(400, "{\"Fault\":{\"Error\":[{\"code\":\"x5010\"}],\"type\":\"ValidationFault\"}}", &fault) && fault.reaction == REACT_PERMANENT);
	CHECK(parse(400, "{\"Fault\":\"no\"}", &fault) && SAME(fault.message, "no"));
	CHECK(parse(400, "{\"Fault\":[1]}", &fault));
	CHECK(parse(400, "plain\ttext \xFF", &fault) && SAME(fault.message, "plain text \xEF\xBF\xBD"));
}

static void
test_cut_faults(void)
{
	static const char *const samples[] = {SAMPLE_SERVICE_FAULT, SAMPLE_GATEWAY_FAULT, SAMPLE_XML_FAULT, SAMPLE_HTML, SAMPLE_QUERY};
	Fault		fault;

	for (size_t i = 0; i < lengthof(samples); i++)
	{
		for (size_t len = 0; len < strlen(samples[i]); len++)
		{
			char	   *exact = palloc(len + 1);

			/* Shifted by one, so that the block ends where the body does. */
			memcpy(exact + 1, samples[i], len);
			CHECK_NAMED(fault_parse(200, "", exact + 1, len, -1, &fault), "cut answer");
			pfree(exact);
		}
	}

	/* A fault cut after its code is still understood. */
	CHECK(parse(400, "{\"Fault\":{\"Error\":[{\"code\":\"5010\",\"Message\":\"Sta", &fault) && fault.reaction == REACT_REFETCH);
}

static void
test_oauth_faults(void)
{
	static const struct
	{
		int			status;
		const char *body;
		FaultReaction reaction;
		const char *problem;
	}			cases[] = {
		{400, SAMPLE_OAUTH_ERROR, REACT_REAUTHORIZE, "grant_revoked"},
		{400, "{\"error\":\"invalid_grant\"}", REACT_REAUTHORIZE, "grant_revoked"},
		{200, "{\"error\":\"invalid_grant\"}", REACT_REAUTHORIZE, "grant_revoked"},
		{401, "{\"error\":\"invalid_client\"}", REACT_CONFIGURATION, "wrong_secret"},
		{400, "{\"error\":\"invalid_client\"}", REACT_CONFIGURATION, "wrong_secret"},
		{400, "{\"error\":\"invalid_request\"}", REACT_BUG, "not_understood"},
		{400, "{\"error\":\"unsupported_grant_type\"}", REACT_BUG, "not_understood"},
		{400, "{\"error\":\"invalid_scope\"}", REACT_CONFIGURATION, "wrong_scope"},
		{429, "{\"error\":\"invalid_grant\"}", REACT_THROTTLED, "throttled"},
		{503, "{\"error\":\"invalid_grant\"}", REACT_RETRY, "intuit_failing"},
		{500, SAMPLE_HTML, REACT_RETRY, "intuit_failing"},
		{400, "", REACT_RETRY_FEW, "not_understood"},
		{401, SAMPLE_HTML, REACT_RETRY_FEW, "not_understood"},
		{400, "{\"error\":{\"x\":1}}", REACT_RETRY_FEW, "not_understood"},
	};
	Fault		fault;

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		bool		refused = fault_parse_oauth(cases[i].status, cases[i].body, strlen(cases[i].body), -1, &fault);

		CHECK_NAMED(refused && fault.reaction == cases[i].reaction && SAME(fault.problem, cases[i].problem), cases[i].body);
	}
	CHECK(fault_parse_oauth(400, SAMPLE_OAUTH_ERROR, strlen(SAMPLE_OAUTH_ERROR), -1, &fault));
	CHECK(SAME(fault.oauth_error, "invalid_grant") && SAME(fault.message, "Incorrect or invalid refresh token"));
	CHECK(!fault_parse_oauth(200, SAMPLE_TOKENS, strlen(SAMPLE_TOKENS), -1, &fault) && fault.reaction == REACT_NONE);
	CHECK(!fault_parse_oauth(200, "", 0, -1, &fault) && SAME(fault.problem, ""));
}

/* A token that an answer quotes, whole, cut, twice, or not at all. */
static void
test_hidden_secrets(void)
{
	const char *secret = "eyJlbmMi-Q.token_1";
	Fault		fault = {.message = "Token eyJlbmMi-Q.token_1, eyJlbmMi-Q.token_1: expired", .detail = "cut: eyJlbmMi-Q",
	.element = "eyJlbmM"};

	fault_hide_secret(&fault, secret);
	CHECK(SAME(fault.message, "Token ******************, ******************: expired"));
	CHECK(SAME(fault.detail, "cut: **********"));
	CHECK(SAME(fault.element, "eyJlbmM"));
	fault_hide_secret(&fault, "Token");
	CHECK(strncmp(fault.message, "Token ", 6) == 0);
	fault_hide_secret(&fault, "");
	snprintf(fault.detail, sizeof(fault.detail), "odd (:(:(:(:x and (:(:(:(:");
	fault_hide_secret(&fault, "(:(:(:(:x");
	CHECK(SAME(fault.detail, "odd ********x and ********"));
}

void
test_faults(void)
{
	test_codes();
	test_shapes();
	test_texts();
	test_cut_faults();
	test_oauth_faults();
	test_hidden_secrets();
}
