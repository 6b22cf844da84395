/*
 * token.c
 *		Refreshing, exchanging and revoking the grant of a company.  See token.h.
 *
 * A refresh is prepare, exchange, settle:
 *		prepare (durable commit): the mark refresh_started_at, and the secrets are opened
 *		exchange: one POST, no transaction
 *		settle (durable commit): the new refresh token, the one before as a fallback, expiries, the mark is removed
 * Only after the settle is the access token used.  When the settle itself fails, the answer is kept in memory
 * (TOKEN_UNSETTLED) and settled again: a rotated token that is thrown away is a dead grant.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "http/http.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"
#include "quickbooks/oauth.h"
#include "quickbooks/token.h"
#include "security/credentials.h"
#include "security/secret.h"

/* Refresh when less than this is left of the access token's life. */
#define EARLY_US	(5 * 60 * USECS_PER_SEC)

/* A secret that is missing, or does not fit, is looked for again so often. */
#define SECRET_WAIT_US	(60 * USECS_PER_SEC)

/* A grant that came and is not stored yet, with what it was asked for by. */
typedef struct Grant
{
	OauthTokens tokens;
	char	   *sent;			/* refresh token or code */
	bool		by_code;
	bool		by_previous;
	bool		superseded;		/* somebody handed over another token meanwhile; that one counts */
} Grant;

/* What one exchange with the token host carries from prepare to settle. */
typedef struct TokenExchange
{
	Company    *company;
	TokenDone	done;			/* exchange of a code, revocation; NULL for a refresh, and when nobody waits */
	void	   *arg;
	bool		previous;		/* the fallback token was sent */
	char	   *client_secret;
	char	   *token;			/* refresh token, or authorization code */
	const char *problem;		/* why prepare could not */
	char	   *problem_detail;
	HttpExchange *http;
} TokenExchange;

static void start_refresh(Company *company);

static void
free_grant(Grant *grant)
{
	secret_wipe(grant->tokens.access_token);
	secret_wipe(grant->tokens.refresh_token);
	secret_wipe(grant->sent);
	pfree(grant);
}

void
token_forget(Company *company)
{
	secret_wipe(company->access_token);
	company->access_token = NULL;
	company->token_state = TOKEN_ABSENT;
	if (company->unsettled)
	{
		free_grant(company->unsettled);
		company->unsettled = NULL;
	}
}

void
token_rejected(Company *company)
{
	if (company->token_state == TOKEN_VALID)
		token_forget(company);
}

/* Problem code for a secret that could not be opened. */
static const char *
secret_problem(SecretResult result, const char *if_absent)
{
	switch (result)
	{
		case SECRET_OPENED:
			break;
		case SECRET_ABSENT:
			return if_absent;
		case SECRET_NO_KEY:
			return "key_file_missing";
		case SECRET_OTHER_KEY:
			return "key_changed";
		case SECRET_DAMAGED:
			return "secret_damaged";
	}
	return NULL;
}

/*
 * Open a secret; when it is missing, look into the credentials file first.  On failure exchange->problem is set.
 */
static char *
open_secret(TokenExchange *exchange, const char *owner_kind, const char *owner, const char *kind,
			const char *if_absent)
{
	char	   *secret = NULL;
	SecretResult result = secret_open(owner_kind, owner, kind, &secret);

	if (result == SECRET_ABSENT)
	{
		char	   *problem;

		credentials_import(&problem);
		exchange->problem_detail = problem ? MemoryContextStrdup(TopMemoryContext, problem) : NULL;
		result = secret_open(owner_kind, owner, kind, &secret);
	}
	if (result == SECRET_OPENED)
	{
		/* it outlives the transaction */
		char	   *copy = MemoryContextStrdup(TopMemoryContext, secret);

		secret_wipe(secret);
		return copy;
	}
	exchange->problem = secret_problem(result, if_absent);
	if (result == SECRET_NO_KEY || result == SECRET_OTHER_KEY)
		exchange->problem_detail = MemoryContextStrdup(TopMemoryContext, secret_key_path());
	return NULL;
}

/* Open what an exchange needs. */
static void
open_for_exchange(TokenExchange *exchange, const char *kind)
{
	Company    *company = exchange->company;
	char		owner[16];

	snprintf(owner, sizeof(owner), "%d", company->id);
	exchange->client_secret = open_secret(exchange, "app", company->settings.app, SECRET_CLIENT_SECRET,
										  "secret_missing");
	if (exchange->problem == NULL)
		exchange->token = open_secret(exchange, "connection", owner, kind, "token_missing");
}

static void
free_exchange(TokenExchange *exchange)
{
	secret_wipe(exchange->client_secret);
	secret_wipe(exchange->token);
	if (exchange->problem_detail)
		pfree(exchange->problem_detail);
	pfree(exchange);
}

void
token_cancel(Company *company)
{
	if (company->token_exchange)
	{
		http_cancel(company->token_exchange->http);
		free_exchange(company->token_exchange);
		company->token_exchange = NULL;
	}
}

void
token_detach(Company *company)
{
	if (company->token_exchange)
		company->token_exchange->done = NULL;
}

static TokenExchange *
make_exchange(Company *company, TokenDone done, void *arg)
{
	TokenExchange *exchange = MemoryContextAllocZero(TopMemoryContext, sizeof(TokenExchange));

	exchange->company = company;
	exchange->done = done;
	exchange->arg = arg;
	return exchange;
}

/* POST to the token or revoke endpoint with the app's Basic authentication. */
static void
post(TokenExchange *exchange, const char *url, const char *content_type, char *body, HttpDone done)
{
	const char *headers[] = {content_type, "Accept: application/json",
	"x-include-refresh-token-hard-expires-in: true", NULL};
	HttpRequest request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.body = body,
		.body_len = strlen(body),
		.basic_user = exchange->company->settings.client_id,
		.basic_password = exchange->client_secret,
		.max_body = 256 * 1024,
		.done = done,
		.arg = exchange,
	};

	exchange->http = http_start(&request);
	exchange->company->token_exchange = exchange;
	secret_wipe(body);
}

/*
 * Log an exchange: a grant is something that changes.  Texts of the token host are never quoted, they may repeat what
 * was sent.
 */
static void
log_exchange(Company *company, const char *path, const HttpResponse *response, const Fault *fault)
{
	call_log(company, "POST", path, response->status,
			 response->outcome == HTTP_ANSWERED ? "answered" : "failed", response->intuit_tid, fault->code,
			 response->outcome == HTTP_ANSWERED ? fault->oauth_error : fault->message, response->elapsed_us);
}

/* Understand an answer of the token host.  True: refused. */
static bool
refused(Company *company, const char *path, const HttpResponse *response, Fault *fault)
{
	company->token_exchange = NULL;
	memset(fault, 0, sizeof(*fault));
	if (response->outcome != HTTP_ANSWERED)
		fault_from_network(response->outcome == HTTP_UNKNOWN, response->outcome == HTTP_TOO_BIG,
						   response->error, fault);
	else if (fault_parse_oauth(response->status, response->body, response->body_len, response->retry_after, fault))
		fault->message[0] = fault->detail[0] = '\0';
	log_exchange(company, path, response, fault);
	return fault->reaction != REACT_NONE;
}

/* --- storing a grant ------------------------------------------------------------------------------------------ */

/* The row's side of a grant: expiries, the mark removed. */
static void
settle_row(Company *company, const OauthTokens *tokens)
{
	static SqlStatement statement = {
		"UPDATE qbsync.connection SET refresh_started_at = NULL, refreshed_at = now(),"
		" refresh_expires_at = CASE WHEN $2 > 0 THEN now() + $2 * interval '1 second' ELSE refresh_expires_at END,"
		" grant_expires_at = CASE WHEN $3 > 0 THEN now() + $3 * interval '1 second' ELSE grant_expires_at END"
		" WHERE connection_id = $1",
		3, {INT4OID, FLOAT8OID, FLOAT8OID}
	};
	Datum		values[3] = {
		Int32GetDatum(company->id),
		Float8GetDatum((double) tokens->refresh_expires_in),
		Float8GetDatum((double) tokens->refresh_hard_expires_in)
	};

	sql_execute(&statement, values, NULL);
}

/* In the unit: the new refresh token; what is the same as before is not written again. */
static void
settle_refresh_token(const Grant *grant, const char *owner, const char *stored)
{
	const char *token = grant->tokens.refresh_token;

	if (token == NULL || (stored && strcmp(stored, token) == 0))
		return;
	if (stored)
		secret_store("connection", owner, SECRET_PREVIOUS_TOKEN, stored, NULL);
	secret_store("connection", owner, SECRET_REFRESH_TOKEN, token, NULL);
}

/* In the unit: the code is used up; a newer one, of another sign-in, is not. */
static void
forget_code(const Grant *grant, const char *owner)
{
	char	   *code = NULL;

	if (secret_open("connection", owner, SECRET_AUTHORIZATION_CODE, &code) == SECRET_OPENED
		&& strcmp(code, grant->sent) == 0)
		secret_remove("connection", owner, SECRET_AUTHORIZATION_CODE);
	secret_wipe(code);
}

/* In the unit: should the connect job be cut off from here on, it goes on with the refresh token. */
static void
turn_job(Company *company)
{
	static SqlStatement statement = {
		"UPDATE qbsync.job SET arguments = jsonb_build_object('via', 'refresh_token')"
		" WHERE connection_id = $1 AND kind = 'connect' AND state = 'running'",
		1, {INT4OID}
	};
	Datum		values[1] = {Int32GetDatum(company->id)};

	sql_execute(&statement, values, NULL);
}

/* The unit that makes a grant durable. */
static void
settle_grant(void *arg)
{
	Company    *company = arg;
	Grant	   *grant = company->unsettled;
	char		owner[16];
	char	   *stored = NULL;

	unit_durable();
	snprintf(owner, sizeof(owner), "%d", company->id);
	(void) secret_open("connection", owner, SECRET_REFRESH_TOKEN, &stored);
	grant->superseded = !grant->by_code && !grant->by_previous && stored && strcmp(stored, grant->sent) != 0;
	if (!grant->superseded)
	{
		settle_refresh_token(grant, owner, stored);
		if (grant->by_code)
		{
			forget_code(grant, owner);
			turn_job(company);
		}
		settle_row(company, &grant->tokens);
	}
	secret_wipe(stored);
}

/* Store what came, then use it.  False when the tables would not take it now; it is tried again. */
static bool
settle(Company *company)
{
	Grant	   *grant = company->unsettled;
	UnitError	error;

	if (unit_run("qbsync: storing a grant", settle_grant, company, &error) != UNIT_DONE)
	{
		company->token_attempts++;
		company->token_retry_at = GetCurrentTimestamp() + call_backoff(Min(company->token_attempts, 4));
		company_report(company, "internal", error.message, company->token_attempts, company->token_retry_at);
		return false;
	}
	company->token_attempts = 0;
	company->token_retry_at = 0;
	company->refresh_begun = false;
	company->tried_previous = false;
	if (grant->superseded)
	{
		token_forget(company);
		return false;
	}
	secret_wipe(company->access_token);
	company->access_token = grant->tokens.access_token;
	grant->tokens.access_token = NULL;
	company->access_expires = GetCurrentTimestamp() + grant->tokens.expires_in * USECS_PER_SEC;
	free_grant(grant);
	company->unsettled = NULL;
	company->token_state = TOKEN_VALID;
	company->token_serial++;
	return true;
}

/* Take the grant out of an answer.  False if there is none. */
static bool
take_grant(TokenExchange *exchange, bool by_code, const HttpResponse *response)
{
	Company    *company = exchange->company;
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Grant	   *grant = palloc0(sizeof(Grant));
	bool		good = oauth_parse_tokens(response->body, response->body_len, &grant->tokens);

	MemoryContextSwitchTo(old);
	grant->sent = exchange->token;
	exchange->token = NULL;
	grant->by_code = by_code;
	grant->by_previous = exchange->previous;
	if (!good)
	{
		free_grant(grant);
		return false;
	}
	token_forget(company);
	company->unsettled = grant;
	company->token_state = TOKEN_UNSETTLED;
	return true;
}

/* --- refresh ---------------------------------------------------------------------------------------------------- */

/* The unit before a refresh. */
static void
prepare_refresh(void *arg)
{
	static SqlStatement statement = {
		"UPDATE qbsync.connection SET refresh_started_at = now() WHERE connection_id = $1",
		1, {INT4OID}
	};
	TokenExchange *exchange = arg;
	Datum		values[1] = {Int32GetDatum(exchange->company->id)};

	open_for_exchange(exchange, exchange->previous ? SECRET_PREVIOUS_TOKEN : SECRET_REFRESH_TOKEN);
	if (exchange->problem)
		return;
	unit_durable();
	sql_execute(&statement, values, NULL);
}

/* A refresh failed in a way that may pass. */
static void
refresh_later(Company *company, const char *problem, const char *detail, int64 wait)
{
	company->token_attempts++;
	company->token_retry_at = GetCurrentTimestamp() + wait;
	company_report(company, problem, detail, company->token_attempts, company->token_retry_at);
}

/*
 * The refresh token is refused.  When a newer value was issued but its storing was lost, or the reverse, the one before
 * may still be good: it is tried once.
 */
static void
refresh_refused(Company *company)
{
	if (!company->tried_previous)
	{
		company->tried_previous = company->use_previous = true;
		start_refresh(company);
		return;
	}
	company->tried_previous = false;
	company_stop(company, COMPANY_REAUTHORIZE, "grant_revoked", NULL);
}

/* What token_was_replaced() hands to its unit. */
typedef struct Comparison
{
	TokenExchange *exchange;
	bool		replaced;
} Comparison;

/* Unit: is the token that was sent still the stored one? */
static void
compare_with_stored(void *arg)
{
	Comparison *comparison = arg;
	char		owner[16];
	char	   *stored = NULL;

	snprintf(owner, sizeof(owner), "%d", comparison->exchange->company->id);
	if (secret_open("connection", owner, SECRET_REFRESH_TOKEN, &stored) == SECRET_OPENED)
		comparison->replaced = strcmp(stored, comparison->exchange->token) != 0;
	secret_wipe(stored);
}

/* Did somebody hand over another refresh token while this one was under way? */
static bool
token_was_replaced(TokenExchange *exchange)
{
	Comparison	comparison = {exchange};

	if (!exchange->previous)
		(void) unit_run("qbsync: comparing tokens", compare_with_stored, &comparison, NULL);
	return comparison.replaced;
}

static void
react_to_refresh(TokenExchange *exchange, const Fault *fault)
{
	Company    *company = exchange->company;

	/* a fallback whose outcome is open is tried again, not the token that was refused */
	company->use_previous = exchange->previous && fault->reaction != REACT_REAUTHORIZE;
	switch (fault->reaction)
	{
		case REACT_REAUTHORIZE:
			/* a newer token is tried with the next call */
			if (!token_was_replaced(exchange))
				refresh_refused(company);
			break;
		case REACT_CONFIGURATION:
			refresh_later(company, fault->problem, NULL, 5 * SECRET_WAIT_US);
			break;
		case REACT_THROTTLED:
			/* a pause, no failure: nothing is counted */
			company->token_retry_at = GetCurrentTimestamp() +
				(fault->wait_seconds >= 0 ? fault->wait_seconds * USECS_PER_SEC : company->settings.throttle_wait);
			company_report(company, fault->problem, NULL, 0, company->token_retry_at);
			break;
		default:
			refresh_later(company, fault->problem[0] ? fault->problem : "not_understood", fault->message,
						  call_backoff(company->token_attempts));
			break;
	}
}

static void
refresh_answered(const HttpResponse *response, void *arg)
{
	TokenExchange *exchange = arg;
	Company    *company = exchange->company;
	Fault		fault;

	if (refused(company, "token", response, &fault))
		react_to_refresh(exchange, &fault);
	else if (take_grant(exchange, false, response))
		(void) settle(company);
	else
		refresh_later(company, "not_understood", "the answer to a token refresh holds no access token",
					  call_backoff(company->token_attempts));
	free_exchange(exchange);
}

static void
start_refresh(Company *company)
{
	TokenExchange *exchange = make_exchange(company, NULL, NULL);
	UnitError	error;
	UnitResult	result;

	exchange->previous = company->use_previous;
	company->use_previous = false;
	result = unit_run("qbsync: beginning a token refresh", prepare_refresh, exchange, &error);
	if (result == UNIT_DONE && exchange->problem == NULL)
	{
		post(exchange, company->settings.token_url, "Content-Type: application/x-www-form-urlencoded",
			 oauth_refresh_body(exchange->token), refresh_answered);
		return;
	}
	company->use_previous = exchange->previous;
	if (result != UNIT_DONE)
		refresh_later(company, "internal", error.message, call_backoff(company->token_attempts));
	else if (exchange->previous && strcmp(exchange->problem, "token_missing") == 0)
	{
		/* there is no previous one */
		company->use_previous = false;
		refresh_refused(company);
	}
	else
		refresh_later(company, exchange->problem, exchange->problem_detail, SECRET_WAIT_US);
	free_exchange(exchange);
}

bool
token_ready(Company *company, TimestampTz *again)
{
	TimestampTz now = GetCurrentTimestamp();

	*again = 0;
	if (company->token_state == TOKEN_VALID)
	{
		if (company->access_expires - EARLY_US > now)
			return true;
		token_forget(company);
	}
	if (company->token_exchange)
		return false;
	if (company->token_retry_at > now)
	{
		*again = company->token_retry_at;
		return false;
	}
	if (company->token_state == TOKEN_UNSETTLED)
	{
		bool		settled = settle(company);

		/* not stored yet, or another token was handed over meanwhile: look again */
		if (!settled)
			*again = Max(company->token_retry_at, now);
		return settled;
	}
	start_refresh(company);
	*again = company->token_retry_at;
	return false;
}

/* --- authorization code ------------------------------------------------------------------------------------------ */

static void
prepare_code(void *arg)
{
	open_for_exchange(arg, SECRET_AUTHORIZATION_CODE);
}

/* Tell the flow and end. */
static void
finish_exchange(TokenExchange *exchange, const Fault *fault)
{
	Company    *company = exchange->company;
	TokenDone	done = exchange->done;
	void	   *arg = exchange->arg;

	free_exchange(exchange);
	if (done)
		done(company, fault, arg);
}

static void
code_answered(const HttpResponse *response, void *arg)
{
	TokenExchange *exchange = arg;
	Company    *company = exchange->company;
	Fault		fault;

	if (refused(company, "token", response, &fault))
	{
		if (fault.reaction == REACT_REAUTHORIZE)
			strlcpy(fault.problem, "code_rejected", sizeof(fault.problem));
		finish_exchange(exchange, &fault);
		return;
	}
	memset(&fault, 0, sizeof(fault));
	fault.reaction = REACT_PERMANENT;
	strlcpy(fault.problem, "not_understood", sizeof(fault.problem));
	if (!take_grant(exchange, true, response))
	{
		finish_exchange(exchange, &fault);
		return;
	}
	/* a grant that could not be stored yet is settled by token_ready() before the first call */
	(void) settle(company);
	finish_exchange(exchange, NULL);
}

/* An exchange that could not even begin. */
static void
refuse_exchange(TokenExchange *exchange, UnitResult result, const UnitError *error)
{
	Fault		fault = {.reaction = REACT_CONFIGURATION};

	strlcpy(fault.problem, result == UNIT_DONE ? exchange->problem : "internal", sizeof(fault.problem));
	if (result != UNIT_DONE)
		strlcpy(fault.message, error->message, sizeof(fault.message));
	else if (exchange->problem_detail)
		strlcpy(fault.message, exchange->problem_detail, sizeof(fault.message));
	finish_exchange(exchange, &fault);
}

void
token_exchange_code(Company *company, TokenDone done, void *arg)
{
	TokenExchange *exchange = make_exchange(company, done, arg);
	UnitError	error;
	UnitResult	result = unit_run("qbsync: beginning a connection", prepare_code, exchange, &error);

	if (result != UNIT_DONE || exchange->problem)
		refuse_exchange(exchange, result, &error);
	else
		post(exchange, company->settings.token_url, "Content-Type: application/x-www-form-urlencoded",
			 oauth_code_body(exchange->token, company->settings.redirect_uri), code_answered);
}

/* --- revocation --------------------------------------------------------------------------------------------------- */

static void
prepare_revoke(void *arg)
{
	open_for_exchange(arg, SECRET_REFRESH_TOKEN);
}

static void
revoke_answered(const HttpResponse *response, void *arg)
{
	TokenExchange *exchange = arg;
	Fault		fault;

	/* a token that is dead already is as good as revoked */
	if (refused(exchange->company, "revoke", response, &fault) && fault.reaction != REACT_REAUTHORIZE)
		finish_exchange(exchange, &fault);
	else
		finish_exchange(exchange, NULL);
}

void
token_revoke(Company *company, TokenDone done, void *arg)
{
	TokenExchange *exchange = make_exchange(company, done, arg);
	UnitError	error;
	UnitResult	result = unit_run("qbsync: beginning a disconnection", prepare_revoke, exchange, &error);

	if (result == UNIT_DONE && exchange->problem && strcmp(exchange->problem, "token_missing") == 0)
		finish_exchange(exchange, NULL);
	else if (result != UNIT_DONE || exchange->problem)
		refuse_exchange(exchange, result, &error);
	else
		post(exchange, company->settings.revoke_url, "Content-Type: application/json",
			 oauth_revoke_body(exchange->token), revoke_answered);
}
