/*
 * fault.c
 *		Refusals of QuickBooks and of Intuit's token host, understood; see fault.h.
 *
 * Three steps.  The body is read, whatever shape it has (service fault, gateway fault, OAuth error, XML, HTML, text,
 * nothing), by the tolerant scanner of json_scan.c: a fault that is cut off or holds bytes that are not UTF-8 still
 * says its code.  Each error in it is classified by the table of fault_rules.c: by code first (texts are localized and
 * change), by HTTP status where there is none.  Of several errors the worst is what counts.
 *
 * A good answer of a megabyte must not be expensive: of JSON on status 200 only the outermost keys are looked at, while
 * the rest runs through the scanner, which also finds out whether the answer is complete.
 */
#include "postgres.h"

#include "quickbooks/fault.h"
#include "quickbooks/fault_rules.h"
#include "quickbooks/json_scan.h"

/* What a body turned out to be. */
typedef enum BodyKind
{
	BODY_GOOD,					/* one complete JSON object without a fault */
	BODY_FAULT,					/* a fault, of whatever shape */
	BODY_OTHER					/* neither */
} BodyKind;

static BodyKind read_body(const char *body, size_t len, bool oauth, Fault *fault);
static bool read_fault(JsonScan *scan, bool oauth, Fault *fault);
static void read_type(JsonScan scan, char *type, size_t size);
static bool read_errors(JsonScan *scan, const char *type, Fault *fault);
static bool read_error(JsonScan *scan, const char *type, Fault *fault);
static bool read_text(JsonScan *scan, char *buffer, size_t size);
static void read_markup(const char *body, size_t len, Fault *fault);
static bool find_between(const char *body, size_t len, const char *before, const char *after, JsonSpan *found);
static int	code_number(const char *digits);
static int	code_in_message(const char *message);
static void take_worse(const Fault *error, const char *type, Fault *fault);
static void apply_rule(const FaultRule *rule, Fault *fault);
static void begin_fault(Fault *fault, int status);

bool
fault_parse(int status, const char *content_type, const char *body, size_t body_len, int retry_after, Fault *fault)
{
	BodyKind	kind;

	begin_fault(fault, status);
	kind = read_body(body, body_len, false, fault);
	if (status == 200 && kind == BODY_GOOD)
	{
		begin_fault(fault, status);
		return false;
	}

	/* Too many requests is too many requests, whatever else the body says. */
	if (kind != BODY_FAULT || fault->reaction == REACT_NONE || status == 429)
		apply_rule(fault_rule_for_status(status), fault);
	if (fault->wait_seconds < 0)
		fault->wait_seconds = retry_after;
	return true;
}

bool
fault_parse_oauth(int status, const char *body, size_t body_len, int retry_after, Fault *fault)
{
	const FaultRule *rule = NULL;

	begin_fault(fault, status);
	read_body(body, body_len, true, fault);
	if (status >= 200 && status < 300 && fault->oauth_error[0] == '\0')
	{
		/* Revocation answers with nothing, or with something nobody needs. */
		begin_fault(fault, status);
		return false;
	}

	/* What a host in trouble says about a grant must not end it. */
	if (status != 429 && status < 500)
		rule = fault_rule_for_oauth(fault->oauth_error);
	apply_rule(rule != NULL ? rule : fault_rule_for_oauth_status(status), fault);
	fault->wait_seconds = retry_after;
	return true;
}

void
fault_from_network(bool maybe_sent, bool too_big, const char *error, Fault *fault)
{
	begin_fault(fault, 0);
	apply_rule(fault_rule_for_network(too_big), fault);
	jscan_copy_raw(error, strlen(error), fault->message, sizeof(fault->message));
	if (maybe_sent && !too_big)
		strcpy(fault->detail, "The request may have arrived; what came of it is unknown.");
}

static void
begin_fault(Fault *fault, int status)
{
	memset(fault, 0, sizeof(*fault));
	fault->reaction = REACT_NONE;
	fault->status = status;
	fault->wait_seconds = -1;
}

static void
apply_rule(const FaultRule *rule, Fault *fault)
{
	fault->reaction = rule->reaction;
	snprintf(fault->problem, sizeof(fault->problem), "%s", rule->problem);
	fault->wait_seconds = rule->wait_seconds;
}

/* Understand a body; texts, code and (for faults with a code or type) reaction go to *fault. */
static BodyKind
read_body(const char *body, size_t len, bool oauth, Fault *fault)
{
	JsonScan	scan;

	jscan_begin(&scan, body, len);
	if (jscan_peek(&scan) == '{')
	{
		if (read_fault(&scan, oauth, fault))
			return BODY_FAULT;
		if (jscan_finish(&scan))
			return BODY_GOOD;
		snprintf(fault->detail, sizeof(fault->detail), "%s, at byte %zu of %zu",
				 scan.error, (size_t) (scan.at - scan.start), len);
		return BODY_OTHER;
	}
	if (jscan_peek(&scan) == '<')
	{
		read_markup(body, len, fault);
		return fault->reaction != REACT_NONE ? BODY_FAULT : BODY_OTHER;
	}
	jscan_copy_raw((const char *) scan.at, Min((size_t) (scan.end - scan.at), sizeof(fault->message) * 2),
				   fault->message, sizeof(fault->message));
	return BODY_OTHER;
}

/* Look through the members of an answer for a fault; true if there is one. */
static bool
read_fault(JsonScan *scan, bool oauth, Fault *fault)
{
	JsonSpan	key;
	bool		found = false;

	jscan_enter(scan, '{');
	while (jscan_member(scan, &key))
	{
		char		first = jscan_peek(scan);

		if (jscan_key_like(&key, "fault") && first != 'n')
		{
			char		type[40] = "";

			found = true;
			if (first == '{')
				read_type(*scan, type, sizeof(type));
			read_errors(scan, type, fault);

			/* A fault that lists no error still has a type. */
			if (fault->reaction == REACT_NONE)
				take_worse(fault, type, fault);
		}
		else if (jscan_key_is(&key, "error") && first == '"')
			read_text(scan, fault->oauth_error, sizeof(fault->oauth_error));
		else if (jscan_key_is(&key, "error_description") && first == '"')
			read_text(scan, fault->message, sizeof(fault->message));
		else if (jscan_key_is(&key, "message") && first == '"' && !found)
			read_text(scan, fault->message, sizeof(fault->message));
		else
			jscan_value(scan, NULL);
	}
	return found || (oauth && fault->oauth_error[0] != '\0');
}

/* The "type" of the fault the scanner stands on; it may come after the errors, hence on a copy of the scanner. */
static void
read_type(JsonScan scan, char *type, size_t size)
{
	JsonSpan	key;

	jscan_enter(&scan, '{');
	while (jscan_member(&scan, &key))
	{
		if (jscan_key_like(&key, "type"))
			read_text(&scan, type, size);
		else
			jscan_value(&scan, NULL);
	}
}

/* The value of Fault: an object with errors; some gateways leave out a level.  False when the text broke off. */
static bool
read_errors(JsonScan *scan, const char *type, Fault *fault)
{
	JsonSpan	key;

	if (jscan_peek(scan) == '"')
		return read_text(scan, fault->message, sizeof(fault->message));
	if (!jscan_enter(scan, '{'))
		return jscan_value(scan, NULL);
	while (jscan_member(scan, &key))
	{
		if (!jscan_key_like(&key, "error"))
			jscan_value(scan, NULL);
		else if (jscan_enter(scan, '['))
		{
			while (jscan_element(scan))
				read_error(scan, type, fault);
		}
		else
			read_error(scan, type, fault);
	}
	return scan->error == NULL;
}

/* One error; it replaces what *fault holds if it is worse. */
static bool
read_error(JsonScan *scan, const char *type, Fault *fault)
{
	Fault		error;
	JsonSpan	key;
	char		code[40] = "";

	begin_fault(&error, fault->status);
	if (!jscan_enter(scan, '{'))
		return jscan_value(scan, NULL);
	while (jscan_member(scan, &key))
	{
		if (jscan_key_like(&key, "message"))
			read_text(scan, error.message, sizeof(error.message));
		else if (jscan_key_like(&key, "detail"))
			read_text(scan, error.detail, sizeof(error.detail));
		else if (jscan_key_like(&key, "element"))
			read_text(scan, error.element, sizeof(error.element));
		else if (jscan_key_like(&key, "code"))
			read_text(scan, code, sizeof(code));
		else
			jscan_value(scan, NULL);
	}
	error.code = code_number(code);
	take_worse(&error, type, fault);
	return scan->error == NULL;
}

/* Take a value as text for people. */
static bool
read_text(JsonScan *scan, char *buffer, size_t size)
{
	JsonSpan	value;

	if (!jscan_value(scan, &value))
		return false;
	jscan_copy_text(&value, buffer, size);
	return true;
}

/* Classify an error and keep it if it is worse than what *fault holds (which may be the same). */
static void
take_worse(const Fault *error, const char *type, Fault *fault)
{
	Fault		worse = *error;
	const FaultRule *rule;

	if (worse.code == 0)
		worse.code = code_in_message(worse.message);
	rule = fault_rule_for_code(worse.code, worse.message, worse.detail);
	if (rule == NULL && worse.status < 500 && worse.status != 401)
		rule = fault_rule_for_type(type);
	if (rule == NULL)
		rule = fault_rule_for_status(worse.status);
	apply_rule(rule, &worse);
	if (fault_severity(worse.reaction) > fault_severity(fault->reaction))
	{
		memcpy(worse.oauth_error, fault->oauth_error, sizeof(worse.oauth_error));
		*fault = worse;
	}
}

/* A code such as "5010", "003200" or " 610 "; 0 if it is no such number. */
static int
code_number(const char *digits)
{
	int			number = 0;

	while (*digits == ' ')
		digits++;
	for (; *digits >= '0' && *digits <= '9'; digits++)
	{
		number = number * 10 + (*digits - '0');
		if (number > 1000000)
			return 0;
	}
	while (*digits == ' ')
		digits++;
	return *digits == '\0' ? number : 0;
}

/* The code of a gateway's message: "message=AuthenticationFailed; errorCode=003200; statusCode=401". */
static int
code_in_message(const char *message)
{
	const char *found = strstr(message, "errorCode=");
	char		digits[16];
	size_t		len;

	if (found == NULL)
		return 0;
	found += strlen("errorCode=");
	len = strspn(found, "0123456789");
	if (len == 0 || len >= sizeof(digits))
		return 0;
	memcpy(digits, found, len);
	digits[len] = '\0';
	return code_number(digits);
}

/*
 * XML faults, which come when Accept was lost, and HTML pages of load balancers.  Only the first error of an XML fault is
 * read, and entities are left as they are: this happens when something else is wrong already.
 */
static void
read_markup(const char *body, size_t len, Fault *fault)
{
	Fault		error;
	JsonSpan	tag;
	JsonSpan	found;
	char		type[40] = "";
	char		code[40] = "";

	begin_fault(&error, fault->status);
	if (find_between(body, len, "<Fault", ">", &tag))
	{
		if (find_between(tag.text, tag.len, "type=\"", "\"", &found))
			jscan_copy_raw(found.text, found.len, type, sizeof(type));
		if (find_between(body, len, "<Error ", ">", &tag))
		{
			if (find_between(tag.text, tag.len, "code=\"", "\"", &found))
				jscan_copy_raw(found.text, found.len, code, sizeof(code));
			if (find_between(tag.text, tag.len, "element=\"", "\"", &found))
				jscan_copy_raw(found.text, found.len, error.element, sizeof(error.element));
		}
		if (find_between(body, len, "<Message>", "<", &found))
			jscan_copy_raw(found.text, found.len, error.message, sizeof(error.message));
		if (find_between(body, len, "<Detail>", "<", &found))
			jscan_copy_raw(found.text, found.len, error.detail, sizeof(error.detail));
		error.code = code_number(code);
		take_worse(&error, type, fault);
	}
	else if (find_between(body, len, "<title>", "<", &found))
		jscan_copy_raw(found.text, found.len, fault->message, sizeof(fault->message));
}

/* What stands between two words (ASCII case does not matter) in the first 64 kB of a body. */
static bool
find_between(const char *body, size_t len, const char *before, const char *after, JsonSpan *found)
{
	const char *words[2] = {before, after};
	const char *p = body;
	const char *end = body + Min(len, 65536);

	for (int i = 0; i < 2; i++)
	{
		size_t		word_len = strlen(words[i]);

		while ((size_t) (end - p) >= word_len && pg_strncasecmp(p, words[i], word_len) != 0)
			p++;
		if ((size_t) (end - p) < word_len)
			return false;
		if (i == 0)
			found->text = p += word_len;
	}
	found->len = p - found->text;
	return true;
}

void
fault_hide_secret(Fault *fault, const char *secret)
{
	char	   *const texts[] = {fault->message, fault->detail, fault->element};
	char		start[FAULT_SECRET_START + 1];

	if (strlen(secret) < FAULT_SECRET_START)
		return;
	memcpy(start, secret, FAULT_SECRET_START);
	start[FAULT_SECRET_START] = '\0';
	for (size_t i = 0; i < lengthof(texts); i++)
	{
		char	   *hit = texts[i];

		while ((hit = strstr(hit, start)) != NULL)
		{
			/* all that may belong to it, be it cut or not */
			size_t		length = Max(strcspn(hit, " \t\"'<>,;:{}[]()"), FAULT_SECRET_START);

			memset(hit, '*', length);
			hit += length;
		}
	}
}
