/*
 * call.c
 *		The queue of calls of a company, and what each kind of answer means for it.  See call.h.
 *
 * A call is waiting (in the queue, perhaps not before some time) or in flight; after its callback it is gone.  Reads belong
 * to the company's flow and end with it; writes belong to the sender, and only a company that stops drops them: what was
 * sent then has an outcome that nobody knows, and the tables say so.
 *
 *	 waiting --limits, token, pause--> in flight --good answer or a fault of its own--> callback
 *		^  |													|
 *		|  +--- a write, repeated for too long --> callback		|
 *		+--- back-off (network, 5xx), pause (429), refresh (401) ---+--- company stops --> gone without callback
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/appointment.h"
#include "common/unit.h"
#include "http/http.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"
#include "quickbooks/token.h"

/* The version of the API this code was written for; the only one Intuit serves since August 2025. */
#define MINOR_VERSION "minorversion=75"

/* A statement longer than this goes into the body of a POST: some gateways cut long URLs. */
#define MAX_QUERY_IN_URL 1500

/* REACT_RETRY_FEW: some faults look passing but are permanent (code 10000); so many attempts, then it is the record's. */
#define FEW_ATTEMPTS 5

/* A company whose app is misconfigured is looked at again so often, should nobody tell us that it was mended. */
#define CONFIGURATION_WAIT_US (5 * 60 * USECS_PER_SEC)

typedef struct Call
{
	dlist_node	node;
	Company    *company;
	char	   *path;			/* below /v3/company/<realm>/ */
	char	   *body;			/* POST body, NULL for GET */
	CallPriority priority;
	bool		senders;		/* the sender made it; else a flow did, and ends with it */
	bool		write;
	bool		batch;
	bool		discreet;		/* it is about what is bought */
	CallDone	done;
	void	   *arg;
	HttpExchange *exchange;		/* NULL while waiting */
	bool		left;			/* the exchange's request has left */
	TimestampTz not_before;
	TimestampTz remembered_until;	/* not sent after that; 0: always */
	TimestampTz started;
	int			attempts;		/* failed ones */
	int			token_serial;	/* of the access token it was sent with */
	char		token_start[FAULT_SECRET_START + 1];	/* its beginning, to be hidden should an answer quote it */
	bool		refreshed;		/* the answer before this one was a 401 too */
} Call;

int64
call_backoff(int attempts)
{
	double		seconds = attempts < 6 ? (double) (1 << attempts) : 60.0;

	/* up to a quarter more, so that what failed together does not come back together */
	seconds *= 1.0 + pg_prng_double(&pg_global_prng_state) / 4;
	return (int64) (seconds * USECS_PER_SEC);
}

/* A new call, behind those of its priority. */
static Call *
make_call(Company *company, CallPriority priority, CallDone done, void *arg)
{
	Call	   *call = MemoryContextAllocZero(company->context, sizeof(Call));
	dlist_iter	iter;

	call->company = company;
	call->priority = priority;
	call->done = done;
	call->arg = arg;
	dlist_foreach(iter, &company->calls)
		if (dlist_container(Call, node, iter.cur)->priority > priority)
		{
			dlist_insert_before(iter.cur, &call->node);
			return call;
		}
	dlist_push_tail(&company->calls, &call->node);
	return call;
}

void
call_get(Company *company, const char *path, CallDone done, void *arg)
{
	Call	   *call = make_call(company, CALL_READ, done, arg);

	call->path = MemoryContextAlloc(company->context, strlen(path) + sizeof("&" MINOR_VERSION));
	sprintf(call->path, "%s%c%s", path, strchr(path, '?') ? '&' : '?', MINOR_VERSION);
}

/* Parameters of a request for records: the newer custom fields come only to who asks for them, where a person wants them. */
static const char *
record_options(const Company *company, const CatalogueEntity *entity)
{
	return company->custom_fields && entity && catalogue_has_custom_fields(entity)
		? MINOR_VERSION "&include=enhancedAllCustomFields" : MINOR_VERSION;
}

/* A call that runs a query statement. */
static Call *
make_query(Company *company, const CatalogueEntity *entity, const char *statement, CallPriority priority, CallDone done, void *arg)
{
	Call	   *call = make_call(company, priority, done, arg);
	char	   *escaped = http_escape(statement);
	const char *options = record_options(company, entity);

	if (strlen(escaped) > MAX_QUERY_IN_URL)
	{
		call->path = MemoryContextAlloc(company->context, strlen(options) + sizeof("query?"));
		sprintf(call->path, "query?%s", options);
		call->body = MemoryContextStrdup(company->context, statement);
	}
	else
	{
		call->path = MemoryContextAlloc(company->context, strlen(escaped) + strlen(options) + sizeof("query?query=&"));
		sprintf(call->path, "query?query=%s&%s", escaped, options);
	}
	pfree(escaped);
	return call;
}

void
call_query(Company *company, const CatalogueEntity *entity, const char *statement, CallDone done, void *arg)
{
	make_query(company, entity, statement, CALL_READ, done, arg)->discreet = (entity->flags & ENTITY_BOUGHT) != 0;
}

void
call_read_back(Company *company, const CatalogueEntity *entity, const char *statement, CallPriority priority, CallDone done,
			   void *arg)
{
	make_query(company, entity, statement, priority, done, arg)->senders = true;
}

void
call_post(Company *company, const CatalogueEntity *entity, const char *body, const char *requestid, CallPriority priority,
		  TimestampTz not_before, TimestampTz remembered_until, CallDone done, void *arg)
{
	const char *path = entity ? entity->resource : CALL_BATCH;
	const char *options = record_options(company, entity);
	Call	   *call = make_call(company, priority, done, arg);
	char	   *escaped = http_escape(requestid);

	call->senders = call->write = true;
	call->batch = entity == NULL;
	call->not_before = not_before;
	call->remembered_until = remembered_until;
	call->path = MemoryContextAlloc(company->context,
									strlen(path) + strlen(escaped) + strlen(options) + sizeof("?requestid=&"));
	sprintf(call->path, "%s?requestid=%s&%s", path, escaped, options);
	call->body = MemoryContextStrdup(company->context, body);
	pfree(escaped);
}

/* A call is started. */
static void
note_start(Call *call)
{
	Company    *company = call->company;

	call->left = false;
	company->in_flight++;
	limits_note_start(&company->limits);
	if (call->batch)
		limits_note_start(&company->batch_limits);
}

/* It leaves.  Inside curl. */
static void
note_left(void *arg)
{
	Call	   *call = arg;
	Company    *company = call->company;
	TimestampTz now = GetCurrentTimestamp();

	call->left = true;
	limits_note_left(&company->limits, now);
	if (call->batch)
		limits_note_left(&company->batch_limits, now);
}

/* It is under way no longer. */
static void
note_end(Call *call)
{
	Company    *company = call->company;

	call->exchange = NULL;
	company->in_flight--;
	if (call->left)
		return;
	limits_note_dropped(&company->limits);
	if (call->batch)
		limits_note_dropped(&company->batch_limits);
}

static void
free_call(Call *call)
{
	if (call->exchange)
	{
		http_cancel(call->exchange);
		note_end(call);
	}
	dlist_delete(&call->node);
	pfree(call->path);
	if (call->body)
		pfree(call->body);
	pfree(call);
}

void
call_drop_reads(Company *company)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &company->calls)
		if (!dlist_container(Call, node, iter.cur)->senders)
			free_call(dlist_container(Call, node, iter.cur));
}

void
call_drop_all(Company *company)
{
	dlist_mutable_iter iter;

	company->drops++;
	dlist_foreach_modify(iter, &company->calls)
		free_call(dlist_container(Call, node, iter.cur));
}

/* Calls of the flow that are under way, or that wait for their turn. */
static int
count_reads(const Company *company, bool under_way)
{
	dlist_iter	iter;
	int			n = 0;

	dlist_foreach(iter, unconstify(dlist_head *, &company->calls))
	{
		const Call *call = dlist_container(Call, node, iter.cur);

		if (!call->senders && (call->exchange != NULL) == under_way)
			n++;
	}
	return n;
}

/* Calls of the sender that wait for their turn. */
static int
waiting_of_sender(const Company *company)
{
	dlist_iter	iter;
	int			waiting = 0;

	dlist_foreach(iter, unconstify(dlist_head *, &company->calls))
	{
		const Call *call = dlist_container(Call, node, iter.cur);

		if (call->senders && call->exchange == NULL)
			waiting++;
	}
	return waiting;
}

int
call_free_writes(Company *company, int wanted, TimestampTz *again)
{
	TimestampTz now = GetCurrentTimestamp();
	int			slots = company->settings.concurrency - company->in_flight - waiting_of_sender(company);

	*again = 0;
	if (company->throttled_until > now || company->writes_held_until > now)
	{
		*again = Max(company->throttled_until, company->writes_held_until);
		return 0;
	}
	/* writes go ahead of reads, but they leave them a place: reading goes on while thousands are sent */
	if (company->settings.concurrency > 1 && count_reads(company, true) == 0 && count_reads(company, false) > 0)
		slots--;
	if (slots <= 0)
		return 0;
	slots = limits_free(&company->limits, now, Min(slots, wanted));
	if (slots == 0)
		*again = limits_next_start(&company->limits, now);
	return slots;
}

/*
 * How many calls of the flow may be under way?  One always may; more of them, where many are made at once, leave a place to what is
 * written, and the places that writes were made for.
 */
static int
places_of_reads(const Company *company, int reading)
{
	int			places = company->settings.concurrency;
	int			left = places - (company->in_flight - reading);

	if (company->state != COMPANY_LIVE)
		return left;
	return Max(1, Min(places - 1, left - waiting_of_sender(company)));
}

/* May another call of the flow start? */
static bool
may_read(const Company *company)
{
	int			reading = count_reads(company, true);

	return reading < places_of_reads(company, reading);
}

int
call_free_reads(const Company *company)
{
	int			reading = count_reads(company, true);

	return places_of_reads(company, reading) - reading - count_reads(company, false);
}

int
call_free_batches(Company *company, int wanted)
{
	return limits_free(&company->batch_limits, GetCurrentTimestamp(), wanted);
}

/* In place of an answer: what was sent may be forgotten there. */
static char no_body[1] = "";
static const HttpResponse no_response = {.body = no_body};

/* Tell the maker, who may drop the company's work: the call is off the list before. */
static void
deliver(Call *call, const Fault *fault, const HttpResponse *response, const Envelope *envelope)
{
	CallAnswer	answer = {fault, response->body, response->body_len, envelope, call->started, call->attempts > 0,
	response == &no_response, response->intuit_tid, response->elapsed_us};
	CallDone	done = call->done;
	void	   *arg = call->arg;
	Company    *company = call->company;

	free_call(call);
	done(company, &answer, arg);
}

/* Back to the queue for a while; the trouble is shown, though it may pass.  That the first of two is under way is none. */
static void
retry_later(Call *call, const Fault *fault)
{
	Company    *company = call->company;
	int64		wait = call_backoff(call->attempts);

	call->attempts++;
	call->refreshed = false;
	call->not_before = GetCurrentTimestamp() + wait;
	if (!fault_still_running(fault))
		company_report(company, fault->problem, fault->message, call->attempts, call->not_before);
}

/* Intuit asked for a pause: nothing of this company is sent before its end; no call has failed. */
void
call_throttle(Company *company, const Fault *fault)
{
	int64		wait = fault->wait_seconds >= 0 ? fault->wait_seconds * USECS_PER_SEC
		: company->settings.throttle_wait;
	TimestampTz until = GetCurrentTimestamp() + wait + call_backoff(0) - USECS_PER_SEC;

	if (until > company->throttled_until)
		company->throttled_until = until;
	company_report(company, fault->problem, NULL, 0, company->throttled_until);
}

/* The token was not accepted: a new one once, after that it is the grant that is dead. */
static void
refresh_and_repeat(Call *call, const Fault *fault)
{
	if (call->refreshed)
	{
		company_stop(call->company, COMPANY_REAUTHORIZE, "grant_revoked", NULL);
		return;
	}
	call->refreshed = true;
	if (call->token_serial == call->company->token_serial)
		token_rejected(call->company);
}

/* How long to leave a company alone that cannot be worked for now. */
static int64
suspension(const Fault *fault)
{
	if (fault->reaction == REACT_CONFIGURATION)
		return CONFIGURATION_WAIT_US;
	return (fault->wait_seconds > 0 ? fault->wait_seconds : 3600) * USECS_PER_SEC;
}

void
call_hold_writes(Company *company, const Fault *fault)
{
	company->writes_held_until = GetCurrentTimestamp() + suspension(fault);
	company_report(company, fault->problem, fault->message, 0, company->writes_held_until);
}

/* The company cannot be worked for now: a flow begins again later, a write stays in the queue. */
static void
suspend(Call *call, const Fault *fault)
{
	if (call->senders)
		call_hold_writes(call->company, fault);
	else
		flow_wait(call->company, fault->problem, fault->reaction == REACT_CONFIGURATION ? NULL : fault->message,
				  suspension(fault));
}

/*
 * May the same request be sent again?  Some faults look passing but are not.  An answer that is no answer, though, says
 * nothing about a write: only repeating it tells what became of it.
 */
static bool
may_repeat(const Call *call, const Fault *fault)
{
	return call->attempts + 1 < FEW_ATTEMPTS || (call->write && fault->code == 0);
}

/* Act on a refusal.  Faults of authentication are never quoted: their texts may repeat the token. */
static void
react(Call *call, const Fault *fault, const HttpResponse *response)
{
	Company    *company = call->company;

	switch (fault->reaction)
	{
		case REACT_RETRY:
			retry_later(call, fault);
			break;
		case REACT_RETRY_FEW:
			if (may_repeat(call, fault))
				retry_later(call, fault);
			else
				deliver(call, fault, response, NULL);
			break;
		case REACT_THROTTLED:
			call_throttle(company, fault);
			break;
		case REACT_REFRESH:
			refresh_and_repeat(call, fault);
			break;
		case REACT_REAUTHORIZE:
			company_stop(company, COMPANY_REAUTHORIZE, fault->problem, NULL);
			break;
		case REACT_CONFIGURATION:
		case REACT_SUSPENDED:
			suspend(call, fault);
			break;
		default:
			deliver(call, fault, response, NULL);
			break;
	}
}

/*
 * Understand an answer.  True: a refusal.  The records of a read are looked for first: where they can be told apart there is no fault,
 * and a megabyte is not scanned twice.
 */
static bool
understand(const Call *call, const HttpResponse *response, Envelope *envelope, Fault *fault)
{
	if (response->outcome != HTTP_ANSWERED)
	{
		fault_from_network(response->outcome == HTTP_UNKNOWN, response->outcome == HTTP_TOO_BIG,
						   response->error, fault);
		return true;
	}
	if (!call->write && response->status == 200 && envelope_scan(response->body, response->body_len, envelope))
		return false;
	if (!fault_parse(response->status, response->content_type, response->body, response->body_len,
					 response->retry_after, fault))
		return false;
	if (response->status == 401 || response->status == 403 || call->discreet)
		fault->message[0] = fault->detail[0] = '\0';
	fault_hide_secret(fault, call->token_start);
	return true;
}

/* Word for how a call went, for the log. */
static const char *
outcome_word(const HttpResponse *response)
{
	switch (response->outcome)
	{
		case HTTP_ANSWERED:
			return "answered";
		case HTTP_NOT_SENT:
			return "not sent";
		case HTTP_UNKNOWN:
			return "unknown";
		case HTTP_TOO_BIG:
			return "too big";
	}
	return "unknown";
}

static void
call_answered(const HttpResponse *response, void *arg)
{
	Call	   *call = arg;
	Company    *company = call->company;
	Envelope	envelope = {0};
	Fault		fault;

	note_end(call);
	if (!understand(call, response, &envelope, &fault))
	{
		if (!call->write)
			company->unsettled_reads++;
		if (!company->problem_of_flow)
			company_report_well(company);
		deliver(call, NULL, response, &envelope);
		return;
	}
	call_log(company, call->body ? "POST" : "GET", call->path, response->status, outcome_word(response),
			 response->intuit_tid, fault.code, fault.message, response->elapsed_us);
	react(call, &fault, response);
}

/* Send it. */
static void
start_call(Call *call)
{
	Company    *company = call->company;
	StringInfoData url;
	StringInfoData bearer;
	const char *headers[4] = {NULL};
	HttpRequest request = {0};

	initStringInfo(&url);
	appendStringInfo(&url, "%s/v3/company/%s/%s", company->settings.api_url, company->realm_id, call->path);
	initStringInfo(&bearer);
	appendStringInfo(&bearer, "Authorization: Bearer %s", company->access_token);
	headers[0] = bearer.data;
	headers[1] = "Accept: application/json";
	headers[2] = call->write ? "Content-Type: application/json" : call->body ? "Content-Type: application/text" : NULL;
	request.method = call->body ? "POST" : "GET";
	request.url = url.data;
	request.headers = headers;
	request.body = call->body;
	request.body_len = call->body ? strlen(call->body) : 0;
	request.left = note_left;
	request.done = call_answered;
	request.arg = call;

	call->started = company_request_start(company);
	call->token_serial = company->token_serial;
	strlcpy(call->token_start, company->access_token, sizeof(call->token_start));
	note_start(call);
	call->exchange = http_start(&request);
	pfree(url.data);
	explicit_bzero(bearer.data, bearer.len);
	pfree(bearer.data);
}

/* When a call may be sent, as far as it depends on the call itself. */
static TimestampTz
own_time(const Call *call, TimestampTz now)
{
	const Company *company = call->company;
	TimestampTz when = call->not_before;

	if (call->senders)
		when = Max(when, company->writes_held_until);
	if (call->batch)
		when = Max(when, limits_next_start(&company->batch_limits, now));
	return when;
}

TimestampTz
call_pump(Company *company)
{
	TimestampTz again = 0;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &company->calls)
	{
		Call	   *call = dlist_container(Call, node, iter.cur);
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz allowed;

		if (call->exchange)
			continue;
		if (company->throttled_until > now)
			return appointment_earlier(again, company->throttled_until);
		if (company->in_flight >= company->settings.concurrency)
			return again;
		if (!call->senders && !may_read(company))
			continue;
		if (own_time(call, now) > now)
		{
			again = appointment_earlier(again, own_time(call, now));
			continue;
		}
		allowed = limits_next_start(&company->limits, now);
		if (allowed > now)
			return appointment_earlier(again, allowed);
		if (!token_ready(company, &allowed))
			return appointment_earlier(again, allowed);
		if (call->remembered_until != 0 && call->remembered_until <= now)
		{
			deliver(call, NULL, &no_response, NULL);
			/* for the sender */
			again = now;
			continue;
		}
		start_call(call);
	}
	return again;
}

/* What call_log() hands to its unit. */
typedef struct LogEntry
{
	Company    *company;
	const char *method;
	const char *path;
	int			status;
	const char *outcome;
	const char *intuit_tid;
	int			code;
	const char *detail;
	int64		elapsed_us;
} LogEntry;

static void
write_log(void *arg)
{
	static SqlStatement statement = {
		"INSERT INTO qbsync.http_log (connection_id, at, method, path, status, outcome, intuit_tid, code, detail, elapsed)"
		" VALUES ($1, clock_timestamp(), $2, $3, nullif($4, 0), $5, nullif($6, ''), nullif($7, 0), nullif($8, ''),"
		" $9 * interval '1 microsecond')",
		9, {INT4OID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, INT4OID, TEXTOID, FLOAT8OID}
	};
	LogEntry   *entry = arg;
	int			bare = (int) strcspn(entry->path, "?");	/* parameters may hold names of people */
	Datum		values[9] = {
		Int32GetDatum(entry->company->id),
		CStringGetTextDatum(entry->method),
		PointerGetDatum(cstring_to_text_with_len(entry->path, bare)),
		Int32GetDatum(entry->status),
		CStringGetTextDatum(entry->outcome),
		CStringGetTextDatum(entry->intuit_tid),
		Int32GetDatum(entry->code),
		CStringGetTextDatum(entry->detail),
		Float8GetDatum((double) entry->elapsed_us)
	};

	sql_execute(&statement, values, NULL);
}

void
call_log(Company *company, const char *method, const char *path, int status, const char *outcome,
		 const char *intuit_tid, int code, const char *detail, int64 elapsed_us)
{
	LogEntry	entry = {company, method, path, status, outcome, intuit_tid, code, detail, elapsed_us};
	UnitError	error;

	if (unit_run("qbsync: logging a call", write_log, &entry, &error) == UNIT_FAILED)
		ereport(LOG, (errmsg("qbsync could not log a call of connection \"%s\"", company->name),
					  errdetail("%s", error.message)));
}
