/*
 * fuzz_fault.c
 *		Refusals of any bytes and any status.
 *
 * What must hold: texts are terminated, valid UTF-8 and free of control characters; a refusal always has a reaction and
 * a word for its problem, a good answer never; only status 200 (for the token host 2xx) can be good.
 */
#include "postgres.h"

#include "fuzz.h"
#include "quickbooks/fault.h"
#include "quickbooks/json_scan.h"
#include "samples.h"

const char *const fuzz_seeds[] = {
	SAMPLE_SERVICE_FAULT, SAMPLE_GATEWAY_FAULT, SAMPLE_XML_FAULT, SAMPLE_HTML, SAMPLE_OAUTH_ERROR, SAMPLE_QUERY, SAMPLE_CDC, "",
	"{\"fault\":{\"error\":[{\"message\":\"x\",\"code\":\" 610 \"},{\"message\":\"caf\xC3\xA9 \\ud83d\\ude00\",\"code\":\"3001\"}]}}",
	"The request limit was reached", "{\"Fault\":{\"type\":\"SystemFault\"}}",
};
const size_t fuzz_seed_count = lengthof(fuzz_seeds);

static void
check_text(const char *source, size_t size)
{
	const unsigned char *p = (const unsigned char *) source;
	const unsigned char *end = p + strnlen(source, size);

	HOLDS((size_t) (end - p) < size);
	while (p < end)
	{
		int			len = jscan_utf8_length(p, end);

		HOLDS(len > 0 && *p >= 0x20 && *p != 0x7F);
		p += len;
	}
}

static void
check_fault(bool refused, const Fault *fault)
{
	HOLDS(refused == (fault->reaction != REACT_NONE));
	HOLDS(refused == (fault->problem[0] != '\0'));
	HOLDS(fault->code >= 0);
	check_text(fault->oauth_error, sizeof(fault->oauth_error));
	check_text(fault->message, sizeof(fault->message));
	check_text(fault->detail, sizeof(fault->detail));
	check_text(fault->element, sizeof(fault->element));
	check_text(fault->problem, sizeof(fault->problem));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = {200, 400, 401, 403, 404, 429, 500, 503, 302, 0};
	Fault		fault;

	for (size_t i = 0; i < lengthof(statuses); i++)
	{
		bool		refused = fault_parse(statuses[i], "", (const char *) data, size, -1, &fault);

		HOLDS(refused || statuses[i] == 200);
		check_fault(refused, &fault);
		refused = fault_parse_oauth(statuses[i], (const char *) data, size, 5, &fault);
		HOLDS(refused || statuses[i] == 200);
		check_fault(refused, &fault);
	}
	shim_reset();
	return 0;
}
