/*
 * fault_rules.c
 *		The table of what to do about which refusal: every fact about an error code is here and nowhere else.
 *
 * Rules are tried from the top and the first that fits wins, so special cases stand above general ones.  Codes decide;
 * texts, which are localized and change, only refine, and no text alone ever does more than park a request or let it be
 * tried again - with the exception of an expired subscription, for which whole phrases are asked, because a product may
 * well be called "Subscription".
 */
#include "postgres.h"

#include <limits.h>

#include "quickbooks/fault_rules.h"

#define MINUTES(n)	((n) * 60)
#define HOURS(n)	((n) * 3600)

static const FaultRule rules[] = {
	/* Signing in: the token is refreshed once, then a person is needed. */
	{BY_CODE, 100, 110, NULL, REACT_REFRESH, "grant_revoked", -1},
	{BY_CODE, 120, 120, NULL, REACT_REAUTHORIZE, "no_permission", -1},
	{BY_CODE, 130, 130, NULL, REACT_RETRY_FEW, "intuit_failing", -1},
	{BY_CODE, 140, 140, NULL, REACT_SUSPENDED, "suspended", HOURS(4)},
	{BY_CODE, 150, 150, NULL, REACT_SUSPENDED, "suspended", MINUTES(10)},
	{BY_CODE, 3001, 3001, NULL, REACT_THROTTLED, "throttled", -1},
	{BY_CODE, 3100, 3100, NULL, REACT_REAUTHORIZE, "wrong_environment", -1},
	{BY_CODE, 3200, 3200, NULL, REACT_REFRESH, "grant_revoked", -1},
	{BY_CODE, 3202, 3202, NULL, REACT_BUG, "internal", -1},

	/* Objects and operations. */
	{BY_CODE, 500, 500, NULL, REACT_BUG, "internal", -1},	/* wrong verb, path, encoding; never transient */
	{BY_CODE, 600, 600, NULL, REACT_RETRY, "intuit_failing", -1},	/* duplicate requestid: the first is under way */
	{BY_CODE, 610, 610, NULL, REACT_GONE, "gone", -1},
	{BY_CODE, 620, 620, NULL, REACT_REFETCH, "stale", -1},	/* cannot be linked: paid or voided meanwhile */
	{BY_CODE, 630, 630, NULL, REACT_REFETCH, "stale", -1},	/* duplicate object */
	{BY_CODE, 700, 700, NULL, REACT_PERMANENT, "bad_reference", -1},
	{BY_CODE, 800, 900, NULL, REACT_PERMANENT, "rejected", -1},
	{BY_CODE, 1000, 1020, NULL, REACT_RETRY_FEW, "intuit_failing", -1},
	{BY_CODE, 1040, 1040, NULL, REACT_SMALLER, "too_big", -1},
	{BY_CODE, 1050, 1050, NULL, REACT_BUG, "internal", -1},

	/* Fields and values. */
	{BY_CODE, 2000, 2010, NULL, REACT_BUG, "internal", -1},	/* no such object, no such property */
	{BY_CODE, 2130, 2130, NULL, REACT_BUG, "internal", -1},	/* format of requestid */
	{BY_CODE, 2500, 2500, NULL, REACT_PERMANENT, "bad_reference", -1},
	{BY_CODE, 2020, 2999, NULL, REACT_PERMANENT, "rejected", -1},
	{BY_CODE, 3000, 3000, NULL, REACT_PERMANENT, "rejected", -1},	/* custom field */

	/* Queries. */
	{BY_CODE, 4000, 4001, NULL, REACT_BUG, "internal", -1},
	{BY_CODE, 4002, 4002, NULL, REACT_RETRY, "intuit_failing", -1},

	/* State of the record, of the plan. */
	{BY_CODE, 5000, 5000, NULL, REACT_BUG, "internal", -1},	/* deprecated field */
	{BY_CODE, 5010, 5010, NULL, REACT_REFETCH, "stale", -1},
	{BY_CODE, 5020, 5030, NULL, REACT_PERMANENT, "not_available", -1},

	/* Business rules; 6000 is refined by its text. */
	{BY_CODE, 6000, 6000, "subscription period", REACT_SUSPENDED, "suspended", HOURS(24)},
	{BY_CODE, 6000, 6000, "subscription has", REACT_SUSPENDED, "suspended", HOURS(24)},
	{BY_CODE, 6000, 6000, "subscription is", REACT_SUSPENDED, "suspended", HOURS(24)},
	{BY_CODE, 6000, 6000, "subscription expired", REACT_SUSPENDED, "suspended", HOURS(24)},
	{BY_CODE, 6000, 6000, "another user is", REACT_RETRY_FEW, "intuit_failing", -1},
	{BY_CODE, 6000, 6000, "apply more than", REACT_REFETCH, "stale", -1},
	{BY_CODE, 6000, 6000, "payment amount", REACT_REFETCH, "stale", -1},
	{BY_CODE, 6000, 6000, "closing date", REACT_PERMANENT, "books_closed", -1},
	{BY_CODE, 6000, 6000, "closed", REACT_PERMANENT, "books_closed", -1},
	{BY_CODE, 6000, 6000, "lock", REACT_RETRY_FEW, "intuit_failing", -1},
	{BY_CODE, 6000, 6000, "make sure all", REACT_PERMANENT, "tax_code", -1},
	{BY_CODE, 6000, 6000, "you can only add one", REACT_PERMANENT, "tax_code", -1},
	{BY_CODE, 6000, 6000, "multiple tax rates", REACT_PERMANENT, "tax_code", -1},
	{BY_CODE, 6000, 6000, "must select a customer", REACT_PERMANENT, "bad_reference", -1},
	{BY_CODE, 6000, 6000, "customer is required", REACT_PERMANENT, "bad_reference", -1},
	{BY_CODE, 6000, 6000, "inactive", REACT_PERMANENT, "bad_reference", -1},
	{BY_CODE, 6000, 6000, "usage limit", REACT_PERMANENT, "not_available", -1},
	{BY_CODE, 6000, 6000, "reached the", REACT_PERMANENT, "not_available", -1},
	{BY_CODE, 6100, 6100, NULL, REACT_PERMANENT, "tax_code", -1},
	{BY_CODE, 6140, 6140, NULL, REACT_PERMANENT, "duplicate_number", -1},
	{BY_CODE, 6160, 6160, NULL, REACT_PERMANENT, "tax_code", -1},
	{BY_CODE, 6190, 6190, NULL, REACT_SUSPENDED, "suspended", HOURS(24)},
	{BY_CODE, 6200, 6210, NULL, REACT_PERMANENT, "books_closed", -1},
	{BY_CODE, 6230, 6230, NULL, REACT_PERMANENT, "tax_code", -1},
	{BY_CODE, 6240, 6240, NULL, REACT_PERMANENT, "duplicate_name", -1},
	{BY_CODE, 6250, 6250, NULL, REACT_PERMANENT, "bad_reference", -1},
	{BY_CODE, 6470, 6470, NULL, REACT_PERMANENT, "tax_code", -1},
	{BY_CODE, 6530, 6530, NULL, REACT_BUG, "internal", -1},	/* raw card number */
	{BY_CODE, 6560, 6560, NULL, REACT_PERMANENT, "bad_reference", -1},
	{BY_CODE, 6000, 6999, NULL, REACT_PERMANENT, "rejected", -1},

	/* The whole answer. */
	{BY_CODE, 10000, 10000, NULL, REACT_RETRY_FEW, "intuit_failing", -1},	/* also said of some bad payloads */
	{BY_CODE, 10100, 10100, NULL, REACT_SMALLER, "too_big", -1},
	{BY_CODE, 10200, 10200, NULL, REACT_RELOAD, "company_reset", -1},

	/* Faults without a code that is known.  "AuthorizatonFault" is how Intuit's schema spells it. */
	{BY_TYPE, 0, 0, "validation", REACT_PERMANENT, "rejected", -1},
	{BY_TYPE, 0, 0, "authentication", REACT_REFRESH, "grant_revoked", -1},
	{BY_TYPE, 0, 0, "authoriz", REACT_REAUTHORIZE, "no_permission", -1},
	{BY_TYPE, 0, 0, "system", REACT_RETRY_FEW, "intuit_failing", -1},
	{BY_TYPE, 0, 0, "service", REACT_RETRY_FEW, "intuit_failing", -1},

	/* Answers without a fault.  A 200 that is cut or no JSON may have done its work: never give up on it. */
	{BY_STATUS, 200, 200, NULL, REACT_RETRY, "not_understood", -1},
	{BY_STATUS, 401, 401, NULL, REACT_REFRESH, "grant_revoked", -1},
	{BY_STATUS, 403, 403, NULL, REACT_SUSPENDED, "forbidden", MINUTES(15)},
	{BY_STATUS, 404, 405, NULL, REACT_BUG, "internal", -1},
	{BY_STATUS, 408, 408, NULL, REACT_RETRY, "intuit_failing", -1},
	{BY_STATUS, 413, 415, NULL, REACT_BUG, "internal", -1},
	{BY_STATUS, 429, 429, NULL, REACT_THROTTLED, "throttled", -1},
	{BY_STATUS, 500, 599, NULL, REACT_RETRY, "intuit_failing", -1},
	{BY_STATUS, INT_MIN, INT_MAX, NULL, REACT_RETRY_FEW, "not_understood", -1},

	/* The token host. */
	{BY_OAUTH, 0, 0, "invalid_grant", REACT_REAUTHORIZE, "grant_revoked", -1},
	{BY_OAUTH, 0, 0, "invalid_client", REACT_CONFIGURATION, "wrong_secret", -1},
	{BY_OAUTH, 0, 0, "unauthorized_client", REACT_CONFIGURATION, "wrong_secret", -1},
	{BY_OAUTH, 0, 0, "invalid_scope", REACT_CONFIGURATION, "wrong_scope", -1},
	{BY_OAUTH, 0, 0, "invalid_request", REACT_BUG, "not_understood", -1},
	{BY_OAUTH, 0, 0, "unsupported_grant_type", REACT_BUG, "not_understood", -1},
	{BY_OAUTH_STATUS, 408, 408, NULL, REACT_RETRY, "intuit_failing", -1},
	{BY_OAUTH_STATUS, 429, 429, NULL, REACT_THROTTLED, "throttled", -1},
	{BY_OAUTH_STATUS, 500, 599, NULL, REACT_RETRY, "intuit_failing", -1},
	{BY_OAUTH_STATUS, INT_MIN, INT_MAX, NULL, REACT_RETRY_FEW, "not_understood", -1},

	/* No answer. */
	{BY_NETWORK, 0, 0, NULL, REACT_RETRY, "unreachable", -1},
	{BY_NETWORK, 1, 1, NULL, REACT_SMALLER, "too_big", -1},
};

/*
 * Severities, from what only says "later" over what concerns this request to what stops the company; a pause stands
 * above all judgements of the request, which was not looked at.
 */
static const int severities[] = {
	[REACT_NONE] = 0,
	[REACT_RETRY] = 1,
	[REACT_RETRY_FEW] = 2,
	[REACT_REFETCH] = 3,
	[REACT_GONE] = 4,
	[REACT_SMALLER] = 5,
	[REACT_PERMANENT] = 6,
	[REACT_BUG] = 7,
	[REACT_THROTTLED] = 8,
	[REACT_REFRESH] = 9,
	[REACT_RELOAD] = 10,
	[REACT_SUSPENDED] = 11,
	[REACT_CONFIGURATION] = 12,
	[REACT_REAUTHORIZE] = 13,
};

static const FaultRule *find_number(FaultRuleKey key, int number);
static bool contains(const char *haystack, const char *word);

const FaultRule *
fault_rule_for_code(int code, const char *message, const char *detail)
{
	for (size_t i = 0; i < lengthof(rules); i++)
	{
		const FaultRule *rule = &rules[i];

		if (rule->key == BY_CODE && code >= rule->first && code <= rule->last &&
			(rule->word == NULL || contains(detail, rule->word) || contains(message, rule->word)))
			return rule;
	}
	return NULL;
}

const FaultRule *
fault_rule_for_type(const char *type)
{
	for (size_t i = 0; i < lengthof(rules); i++)
	{
		if (rules[i].key == BY_TYPE && contains(type, rules[i].word))
			return &rules[i];
	}
	return NULL;
}

const FaultRule *
fault_rule_for_oauth(const char *error)
{
	for (size_t i = 0; i < lengthof(rules); i++)
	{
		if (rules[i].key == BY_OAUTH && pg_strcasecmp(error, rules[i].word) == 0)
			return &rules[i];
	}
	return NULL;
}

const FaultRule *
fault_rule_for_status(int status)
{
	return find_number(BY_STATUS, status);
}

const FaultRule *
fault_rule_for_oauth_status(int status)
{
	return find_number(BY_OAUTH_STATUS, status);
}

const FaultRule *
fault_rule_for_network(bool too_big)
{
	return find_number(BY_NETWORK, too_big ? 1 : 0);
}

int
fault_severity(FaultReaction reaction)
{
	return severities[reaction];
}

/* The first rule of a kind whose range holds the number; each such kind has one that fits. */
static const FaultRule *
find_number(FaultRuleKey key, int number)
{
	const FaultRule *rule = rules;

	while (rule->key != key || number < rule->first || number > rule->last)
	{
		rule++;
		Assert(rule < rules + lengthof(rules));
	}
	return rule;
}

/* Does a text contain a word, whatever the case of ASCII letters? */
static bool
contains(const char *haystack, const char *word)
{
	size_t		len = strlen(word);

	for (; *haystack != '\0'; haystack++)
	{
		if (pg_strncasecmp(haystack, word, len) == 0)
			return true;
	}
	return false;
}
