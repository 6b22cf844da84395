/*
 * company.c
 *		Life, state and problems of a connected company.  See company.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/progress.h"
#include "common/unit.h"
#include "quickbooks/call.h"
#include "quickbooks/company.h"
#include "quickbooks/flow.h"
#include "quickbooks/token.h"

static const char *const state_names[] = {
	[COMPANY_AUTHORIZING] = "authorizing",
	[COMPANY_UNCONFIRMED] = "unconfirmed",
	[COMPANY_LOADING] = "loading",
	[COMPANY_LIVE] = "live",
	[COMPANY_PAUSED] = "paused",
	[COMPANY_CLONE] = "clone",
	[COMPANY_REAUTHORIZE] = "reauthorize",
	[COMPANY_DISCONNECTED] = "disconnected",
};

const char *
company_state_name(CompanyState state)
{
	return state_names[state];
}

CompanyState
company_state_from_name(const char *name)
{
	for (int i = 0; i < lengthof(state_names); i++)
		if (strcmp(state_names[i], name) == 0)
			return (CompanyState) i;
	elog(ERROR, "unknown state \"%s\" of a connection", name);
}

Company *
company_create(int id)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "qbsync company", ALLOCSET_DEFAULT_SIZES);
	Company    *company = MemoryContextAllocZero(context, sizeof(Company));

	company->context = context;
	company->id = id;
	dlist_init(&company->calls);
	return company;
}

void
company_free(Company *company)
{
	company_drop_work(company);
	token_cancel(company);
	token_forget(company);
	if (company->settings_context)
		MemoryContextDelete(company->settings_context);
	MemoryContextDelete(company->context);
}

void
company_drop_work(Company *company)
{
	call_drop_all(company);
	company_drop_flow(company);
	/* what happens there until it is worked for again is not known */
	company->polled = false;
	company_forget_ahead(company);
}

void
company_forget_ahead(Company *company)
{
	/* in memory of its own (inbound/ahead.c) */
	if (company->ahead)
		MemoryContextDelete(GetMemoryChunkContext(company->ahead));
	company->ahead = NULL;
}

void
company_drop_flow(Company *company)
{
	call_drop_reads(company);
	token_detach(company);
	if (company->flow)
	{
		MemoryContext context = company->flow->context;

		company->flow = NULL;
		MemoryContextDelete(context);
	}
}

/* Copy a string that may be NULL into the current context. */
static char *
copy_string(const char *from)
{
	return from ? pstrdup(from) : NULL;
}

/* Limits that did not change keep what they know. */
static void
take_limits(Company *company, Limits *known, int per_second, int per_window, int64 window)
{
	Limits		limits;
	MemoryContext old = MemoryContextSwitchTo(company->context);

	limits_init(&limits, per_second, per_window, window);
	MemoryContextSwitchTo(old);
	if (known->left && limits.per_second == known->per_second && limits.per_window == known->per_window
		&& limits.window == known->window)
	{
		pfree(limits.left);
		return;
	}
	limits.pending = known->pending;
	if (known->left)
		pfree(known->left);
	*known = limits;
}

void
company_apply_settings(Company *company, const CompanySettings *settings, const char *settings_text)
{
	MemoryContext fresh = AllocSetContextCreate(TopMemoryContext, "qbsync company settings", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(fresh);

	company->settings = *settings;
	company->settings.app = copy_string(settings->app);
	company->settings.client_id = copy_string(settings->client_id);
	company->settings.redirect_uri = copy_string(settings->redirect_uri);
	company->settings.api_url = copy_string(settings->api_url);
	company->settings.token_url = copy_string(settings->token_url);
	company->settings.revoke_url = copy_string(settings->revoke_url);
	company->settings_text = pstrdup(settings_text);
	MemoryContextSwitchTo(old);
	take_limits(company, &company->limits, settings->per_second, settings->per_window, settings->window);
	take_limits(company, &company->batch_limits, 0, settings->batches_per_window, settings->window);
	if (company->settings_context)
		MemoryContextDelete(company->settings_context);
	company->settings_context = fresh;
	/* new settings may be the cure: try at once */
	company->token_retry_at = 0;
	company->not_before = 0;
	company->writes_held_until = 0;
}

TimestampTz
company_request_start(Company *company)
{
	TimestampTz now = GetCurrentTimestamp();

	company->last_start = Max(now, company->last_start + 1);
	return company->last_start;
}

/* What company_report() hands to its unit. */
typedef struct Report
{
	Company    *company;
	const char *problem;
	const char *detail;
	int			attempts;
	TimestampTz next_attempt;
	bool		change_state;
	CompanyState state;
} Report;

/*
 * A company that stopped can do nothing that was asked of it.  A connect job that has not begun may be the cure, and
 * disconnecting is done by what is left: those stay.
 */
static void
fail_jobs(const Report *report)
{
	static SqlStatement statement = {
		"UPDATE qbsync.job SET state = 'failed', finished_at = now(), problem = $2, problem_detail = $3"
		" WHERE connection_id = $1 AND ((kind IN ('sync', 'reconcile') AND state IN ('queued', 'running'))"
		"  OR (kind = 'connect' AND state = 'running'))",
		3, {INT4OID, TEXTOID, TEXTOID}
	};
	Datum		values[3] = {Int32GetDatum(report->company->id)};
	char		nulls[4] = "   ";

	values[1] = CStringGetTextDatum(report->problem);
	if (report->detail)
		values[2] = CStringGetTextDatum(report->detail);
	else
		nulls[2] = 'n';
	sql_execute(&statement, values, nulls);
}

static void
write_report(void *arg)
{
	static SqlStatement statement = {
		"UPDATE qbsync.connection SET problem = $2, problem_detail = $3, attempts = $4, next_attempt_at = $5,"
		" problem_since = CASE WHEN $2 IS NULL THEN NULL WHEN problem = $2 THEN problem_since ELSE now() END"
		" WHERE connection_id = $1",
		5, {INT4OID, TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID}
	};
	Report	   *report = arg;
	Datum		values[5] = {Int32GetDatum(report->company->id)};
	char		nulls[6] = "     ";

	if (report->problem)
		values[1] = CStringGetTextDatum(report->problem);
	else
		nulls[1] = 'n';
	if (report->detail)
		values[2] = CStringGetTextDatum(report->detail);
	else
		nulls[2] = 'n';
	values[3] = Int32GetDatum(report->attempts);
	if (report->next_attempt != 0)
		values[4] = TimestampTzGetDatum(report->next_attempt);
	else
		nulls[4] = 'n';
	sql_execute(&statement, values, nulls);
	if (report->change_state)
	{
		company_set_state(report->company, report->state);
		fail_jobs(report);
	}
}

/* Run the unit; what it wrote is remembered, and what is new is logged. */
static void
send_report(Report *report)
{
	Company    *company = report->company;
	UnitError	error;
	CompanyState before = company->state;
	UnitResult	result = unit_run("qbsync: reporting", write_report, report, &error);

	if (result == UNIT_FAILED)
	{
		/* the row will be written with the next report; what counts is that somebody can see it */
		ereport(LOG,
				(errmsg("qbsync could not write the state of connection \"%s\"", company->name),
				 errdetail("%s", error.message)));
		company->state = before;
		return;
	}
	if (report->problem && strcmp(company->problem, report->problem) != 0)
		ereport(LOG,
				(errmsg("qbsync connection \"%s\": %s", company->name, report->problem),
				 report->detail && report->detail[0] ? errdetail("%s", report->detail) : 0));
	else if (report->problem == NULL && company->problem[0])
		ereport(LOG, (errmsg("qbsync connection \"%s\": %s is over", company->name, company->problem)));
	strlcpy(company->problem, report->problem ? report->problem : "", sizeof(company->problem));
	progress_announce();
}

void
company_report(Company *company, const char *problem, const char *detail, int attempts, TimestampTz next_attempt)
{
	Report		report = {company, problem, detail, attempts, next_attempt};

	send_report(&report);
}

void
company_report_well(Company *company)
{
	Report		report = {company};

	/* reading may go on where writing may not */
	if (company->problem[0] && company->writes_held_until <= GetCurrentTimestamp())
		send_report(&report);
}

void
company_stop(Company *company, CompanyState state, const char *problem, const char *detail)
{
	Report		report = {company, problem, detail, 0, 0, true, state};

	company_drop_work(company);
	token_forget(company);
	/* its jobs fail with it, in the same unit; the tables know what is left */
	company->connect_job = 0;
	company->poll_asked = false;
	company->look_again = true;
	send_report(&report);
}

void
company_set_state(Company *company, CompanyState state)
{
	static SqlStatement statement = {
		"UPDATE qbsync.connection SET state = $2, state_since = now()"
		" WHERE connection_id = $1 AND state = $3 AND state <> $2",
		3, {INT4OID, TEXTOID, TEXTOID}
	};
	Datum		values[3] = {
		Int32GetDatum(company->id),
		CStringGetTextDatum(company_state_name(state)),
		CStringGetTextDatum(company_state_name(company->state))
	};

	/* only from the state we saw: a person may have paused or disconnected it meanwhile */
	if (sql_execute(&statement, values, NULL) == 0)
		return;
	ereport(LOG, (errmsg("qbsync connection \"%s\" is now %s", company->name, company_state_name(state))));
	company->state = state;
}
