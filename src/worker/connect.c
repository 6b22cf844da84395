/*
 * connect.c
 *		Connecting and disconnecting a company.
 *
 * Connecting ends with the company's name in qbsync.connection: a person confirms it before anything else is read.  A
 * company that was confirmed before (a new sign-in for the same one) goes on where it was.  A job that fails for good
 * says why; one that fails for now (Intuit not reachable) stays and is served again after the back-off.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/answer.h"
#include "inbound/singleton.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"
#include "quickbooks/token.h"
#include "worker/connect.h"

/* A revocation that Intuit's side does not take is given up after so many tries: the secrets are forgotten all the same. */
#define DISCONNECT_ATTEMPTS 3

typedef struct ConnectFlow
{
	Flow		flow;
	Company    *company;
	bool		open;			/* the job is still to be done */
	bool		by_code;		/* an authorization code is stored; otherwise a refresh token */
	char	   *mode;			/* of a disconnection */
	const char *problem;		/* why the job failed */
	const char *detail;
} ConnectFlow;

/* Unit: the job begins; how is it to be done? */
static void
begin_job(void *arg)
{
	static SqlStatement begin = {
		"UPDATE qbsync.job SET state = 'running', started_at = coalesce(started_at, now())"
		" WHERE job_id = $1 AND state IN ('queued', 'running') RETURNING coalesce(arguments ->> 'via', '') = 'code', coalesce(arguments ->> 'mode', 'hide')",
		1, {INT8OID}
	};
	ConnectFlow *connect = arg;
	Datum		values[1] = {Int64GetDatum(connect->flow.job_id)};

	connect->open = sql_execute(&begin, values, NULL) > 0;
	if (!connect->open)
		return;
	connect->by_code = DatumGetBool(sql_datum(0, 1, NULL));
	connect->mode = sql_text(0, 2, connect->flow.context);
}

/* Begin a flow for a job.  NULL: it failed, or the job was cancelled meanwhile. */
static ConnectFlow *
begin_flow(Company *company, int64 job_id)
{
	ConnectFlow *connect = flow_begin(company, sizeof(ConnectFlow));

	connect->company = company;
	connect->flow.job_id = job_id;
	if (!settle(company, "qbsync: beginning a job", begin_job, connect))
		return NULL;
	if (connect->open)
		return connect;
	if (company->connect_job == job_id)
		company->connect_job = 0;
	else
		company->disconnect_job = 0;
	flow_end(company);
	return NULL;
}

/* In a unit: the job ends, well (problem NULL) or not.  False: it was cancelled meanwhile. */
static bool
end_job(const ConnectFlow *connect)
{
	static SqlStatement end = {
		"UPDATE qbsync.job SET state = CASE WHEN $2 IS NULL THEN 'done' ELSE 'failed' END, finished_at = now(),"
		" problem = $2, problem_detail = $3 WHERE job_id = $1 AND state = 'running'",
		3, {INT8OID, TEXTOID, TEXTOID}
	};
	Datum		values[3] = {Int64GetDatum(connect->flow.job_id)};
	char		nulls[4] = " nn";

	if (connect->problem)
	{
		values[1] = CStringGetTextDatum(connect->problem);
		nulls[1] = ' ';
	}
	if (connect->detail)
	{
		values[2] = CStringGetTextDatum(connect->detail);
		nulls[2] = ' ';
	}
	return sql_execute(&end, values, nulls) > 0;
}

/* --- connecting ------------------------------------------------------------------------------------------------ */

/* Unit: connected.  What a person has still to do, or what goes on, follows from what was confirmed before. */
static void
settle_connected(void *arg)
{
	static SqlStatement next = {
		"SELECT qbsync.resumed_state($1)",
		1, {INT4OID}
	};
	ConnectFlow *connect = arg;
	Company    *company = connect->company;
	Datum		values[1] = {Int32GetDatum(company->id)};

	(void) end_job(connect);
	if (company->state == COMPANY_PAUSED)
		return;
	sql_execute(&next, values, NULL);
	company_set_state(company, company_state_from_name(sql_text(0, 1, CurrentMemoryContext)));
}

static void
company_known(Company *company, void *arg)
{

	if (!settle(company, "qbsync: connecting", settle_connected, arg))
		return;
	company->connect_job = 0;
	company->next_poll = 0;
	/* what waits in the tables for a company that is live */
	company->look_again = true;
	flow_end(company);
}

static void
read_company(Company *company, void *arg)
{
	singleton_read(company, catalogue_find("company_info"), company_known, arg);
}

/* Unit: the sign-in came to nothing. */
static void
settle_refused(void *arg)
{
	(void) end_job(arg);
}

static void
code_exchanged(Company *company, const Fault *fault, void *arg)
{
	ConnectFlow *connect = arg;

	if (fault == NULL)
	{
		read_company(company, connect);
		return;
	}
	/* a code whose exchange has an unknown outcome is used up or not: it is tried again, and refused if it was */
	if (fault->reaction == REACT_RETRY || fault->reaction == REACT_RETRY_FEW || fault->reaction == REACT_THROTTLED)
	{
		flow_fail(company, fault->problem, fault->message);
		return;
	}
	connect->problem = fault->problem;
	connect->detail = fault->message[0] ? fault->message : NULL;
	if (!settle(company, "qbsync: refusing a sign-in", settle_refused, connect))
		return;
	ereport(LOG, (errmsg("qbsync connection \"%s\" could not be connected: %s", company->name, fault->problem)));
	company->connect_job = 0;
	flow_end(company);
	company_report(company, fault->problem, connect->detail, 0, 0);
}

void
connect_start(Company *company)
{
	ConnectFlow *connect = begin_flow(company, company->connect_job);

	if (connect == NULL)
		return;
	if (connect->by_code)
		token_exchange_code(company, code_exchanged, connect);
	else
	{
		/* the token to use is the one just handed over, whatever is in memory, and no older one in its place */
		token_forget(company);
		company->tried_previous = true;
		read_company(company, connect);
	}
}

/* --- disconnecting ---------------------------------------------------------------------------------------------- */

/* Unit: nothing of the grant is left here. */
static void
settle_disconnected(void *arg)
{
	static SqlStatement forget = {
		"SELECT qbsync.disconnect_here($1, $2)",
		2, {INT4OID, TEXTOID}
	};
	ConnectFlow *connect = arg;
	Datum		values[2] = {Int32GetDatum(connect->company->id), CStringGetTextDatum(connect->mode)};

	unit_durable();
	/* somebody connects it again: what is there now is his */
	connect->open = end_job(connect);
	if (connect->open)
		sql_execute(&forget, values, NULL);
}

static void
revoked(Company *company, const Fault *fault, void *arg)
{
	ConnectFlow *connect = arg;

	if (fault && company->failures < DISCONNECT_ATTEMPTS)
	{
		flow_fail(company, fault->problem, fault->message);
		return;
	}
	if (!settle(company, "qbsync: disconnecting", settle_disconnected, connect))
		return;
	company->disconnect_job = 0;
	token_forget(company);
	if (connect->open)
	{
		ereport(LOG, (errmsg("qbsync connection \"%s\" is now disconnected", company->name),
					  fault ? errdetail("Intuit did not take the revocation: %s.", fault->problem) : 0));
		company->state = COMPANY_DISCONNECTED;
	}
	else
		company->look_again = true;
	flow_end(company);
}

void
disconnect_start(Company *company)
{
	ConnectFlow *connect;

	/* what is under way with the token host must not bring a token back */
	token_cancel(company);
	connect = begin_flow(company, company->disconnect_job);
	if (connect)
		token_revoke(company, revoked, connect);
}
