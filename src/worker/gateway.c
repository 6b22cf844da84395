/*
 * gateway.c
 *		The gateway worker of one database.
 *
 * One process, one loop: wait for the latch, sockets and the next appointment together; look at the tables when woken;
 * give every company the next piece of work it is due; send what may be sent.  All waiting happens in http_wait(), with
 * no transaction open.  No user code runs here and nobody else opens tokens: those two facts belong together.  User code runs in
 * apply workers, which this process starts (demand.c) and which end with it.
 *
 * Life: it is started by the launcher, never restarted by the postmaster.  It ends with exit code 0 when there is
 * nothing to do here (no extension, or a command needs the database), with 1 when something went wrong; the launcher
 * decides what follows.
 */
#include "postgres.h"

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/appointment.h"
#include "common/unit.h"
#include "compat.h"
#include "http/http.h"
#include "inbound/heard.h"
#include "inbound/load.h"
#include "inbound/lookup.h"
#include "inbound/poll.h"
#include "inbound/tie_out.h"
#include "inbound/verify.h"
#include "inbound/window.h"
#include "outbound/send.h"
#include "qbsync.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"
#include "quickbooks/token.h"
#include "security/secret.h"
#include "worker/calendar.h"
#include "worker/connect.h"
#include "worker/demand.h"
#include "worker/gateway.h"
#include "worker/housekeeping.h"
#include "worker/roster.h"
#include "worker/shared.h"

/*
 * A wake-up can get lost (a prepared transaction was committed, rows were restored or replicated).  Before a poll the
 * tables are looked at if the last look is older than LOOK_FRESH_US, so that an idle company costs no statement between
 * its polls; where no company is polled, they are looked at every LOOK_AGAIN_US.
 */
#define LOOK_FRESH_US	(50 * USECS_PER_SEC)
#define LOOK_AGAIN_US	(5 * 60 * USECS_PER_SEC)

/* After a look that failed, or could not take every lease or check every mark. */
#define LOOK_RETRY_US	(1 * USECS_PER_SEC)

/* A smaller step back is nobody's concern. */
#define CLOCK_STEP_US	(5 * USECS_PER_SEC)

static TimestampTz next_look = 1;	/* a time in the past: now; 0: when something wakes us */
static TimestampTz last_look = 0;
static bool mapped = false;		/* some company has an enabled mapping */

/* Asks nothing: only whether the extension is here. */
static void
nothing(void *arg)
{
}

/*
 * Packages and ALTER EXTENSION UPDATE are upgraded at different moments: idle until the versions fit, then end, so that
 * a new process starts clean.
 */
static void
idle_while_versions_apart(void)
{
	ereport(WARNING,
			(errmsg("qbsync's library and extension differ in version"),
			 errdetail("The library is version %s.", QBSYNC_VERSION),
			 errhint("ALTER EXTENSION qbsync UPDATE; or install the other version of the library and restart the server.")));
	shared_gateway_set_state(GATEWAY_VERSIONS_APART);
	demand_stop();
	while (unit_refusal() == UNIT_VERSIONS_APART)
	{
		(void) http_wait(LOOK_AGAIN_US / 1000, PG_WAIT_EXTENSION);
		(void) unit_run("qbsync: looking at the extension", nothing, NULL, NULL);
	}
	proc_exit(1);
}

/* End if the extension is not here, idle if it is not in the version of this library. */
static void
check_extension(void)
{
	if (unit_refusal() == UNIT_GONE)
	{
		shared_gateway_set_state(GATEWAY_ABSENT);
		proc_exit(0);
	}
	if (unit_refusal() == UNIT_VERSIONS_APART)
		idle_while_versions_apart();
}

/* Look at the tables; when to look again. */
static void
look_at_tables(void)
{
	RosterResult found;
	UnitError	error;

	last_look = GetCurrentTimestamp();
	if (roster_look(&found, &error) == UNIT_DONE)
	{
		mapped = found.mapped;
		demand_looked(mapped);
		if (found.leases_missing || found.unmarked)
			next_look = last_look + LOOK_RETRY_US;
		else
			next_look = found.polled ? 0 : last_look + LOOK_AGAIN_US;
		return;
	}
	check_extension();
	ereport(LOG, (errmsg("qbsync could not read its tables"), errdetail("%s", error.message)));
	next_look = last_look + LOOK_RETRY_US;
}

/* Begin what a company that reads by itself is due, apart from polling.  False: nothing. */
static bool
begin_catching_up(Company *company)
{
	bool		incomplete = company->must_verify || company->state == COMPANY_LOADING;

	if (company->must_start_over)
		load_over(company);
	else if (company->must_load)
		load_start(company);
	else if (company->must_window)
		window_start(company);
	else if (company->must_lookup && company->state == COMPANY_LIVE)
		lookup_start(company);
	else if ((incomplete && company->must_catch_up) || (company->must_recheck && !company->rechecked)
			 || company->must_poll)
	{
		/* a poll like any other: the next one need not follow at once */
		company->next_poll = GetCurrentTimestamp() + company->poll_interval;
		poll_start(company);
	}
	else if (incomplete)
		verify_start(company);
	else if (company->must_tie_out && company->state == COMPANY_LIVE)
		tie_out_start(company);
	else
		return false;
	return true;
}

/* Begin a poll, if it is time.  Returns when it will be. */
static TimestampTz
begin_poll(Company *company, TimestampTz now)
{
	/* the interval may have been shortened, or the clock set back */
	if (company->next_poll > now + company->poll_interval)
		company->next_poll = now + company->poll_interval;
	/* a flow that failed is repeated after its back-off, whenever the next poll would be */
	if (!company->poll_asked && company->failures == 0 && company->next_poll > now)
		return company->next_poll;
	if (now - last_look > LOOK_FRESH_US)
	{
		next_look = now;
		return now;
	}
	if (!company->poll_asked && company->polls_held_until > now)
		return company->polls_held_until;
	company->next_poll = now + company->poll_interval;
	poll_start(company);
	return now;
}

/* Begin what a company without a flow is due.  Returns when something is due, 0 if nothing by itself. */
static TimestampTz
begin_work(Company *company)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		job = company->disconnect_job != 0 ? company->disconnect_job
		: company->state != COMPANY_CLONE ? company->connect_job : 0;

	/* what a person asked for does not wait for a load, or for a poll that waits for a token: those are taken up again */
	if (company->flow && job != 0 && company->flow->job_id != job)
		company_drop_flow(company);
	/* one exchange with the token host at a time; its end wakes us */
	if (company->flow || (job != 0 && company->token_exchange))
		return 0;
	if (company->not_before > now)
		return company->not_before;
	if (company->disconnect_job != 0)
	{
		TimestampTz parting = sender_part(company);

		if (parting > now)
			return parting;
		/* what has no answer then stays 'sent': it is asked for when the company is connected again */
		company_drop_work(company);
		disconnect_start(company);
	}
	else if (job != 0)
		connect_start(company);
	else if (company->state != COMPANY_LOADING && company->state != COMPANY_LIVE)
		return 0;
	else
	{
		TimestampTz heard = 0;

		if (company->state == COMPANY_LIVE)
		{
			heard = heard_sort(company);
			heard_settle_merges(company);
			if (company->must_merge)
				heard = now;	/* some at a time */
		}
		if (!begin_catching_up(company))
		{
			TimestampTz when = appointment_earlier(begin_poll(company, now), heard);

			if (company->flow == NULL && when > now)
				return when;
		}
	}
	/* the flow may have ended or failed already: come back at once to see */
	return company->flow ? 0 : now;
}

/* Everything one company can do now; when to come back. */
static TimestampTz
serve(Company *company)
{
	TimestampTz again;
	TimestampTz ignored;

	if (company->flow && company->flow->go_on)
		company->flow->go_on(company);
	again = begin_work(company);
	/* a grant that is not stored yet cannot wait for a call to need it */
	if (company->token_state == TOKEN_UNSETTLED)
	{
		(void) token_ready(company, &ignored);
		again = appointment_earlier(again, ignored);
	}
	/* a refresh that was cut off by a crash is repeated at once, whether or not anything else is due */
	if (company->refresh_begun && company->connect_job == 0
		&& (company->state == COMPANY_LOADING || company->state == COMPANY_LIVE || company->state == COMPANY_UNCONFIRMED))
	{
		company->refresh_begun = false;
		(void) token_ready(company, &ignored);
	}
	again = appointment_earlier(again, sender_serve(company));
	again = appointment_earlier(again, call_pump(company));
	/* the pump may have stopped the company */
	if (company->flow == NULL && company->not_before > GetCurrentTimestamp())
		again = appointment_earlier(again, company->not_before);
	return again;
}

/* One turn over all companies; when the next appointment is. */
static TimestampTz
serve_all(void)
{
	TimestampTz again = appointment_earlier(next_look, housekeeping_due());
	dlist_iter	iter;

	if (qbsync_paused)
		return again;
	dlist_foreach(iter, &roster)
	{
		Company    *company = dlist_container(Company, node, iter.cur);

		/* what its tables say now may decide what it does next */
		if (!company->look_again)
			again = appointment_earlier(again, serve(company));
		if (company->look_again)
		{
			company->look_again = false;
			next_look = again = GetCurrentTimestamp();
		}
	}
	return again;
}

/* What is to be written next leaves before what was answered is recorded: that takes time, and so does QuickBooks. */
static void
go_on_all(void)
{
	dlist_iter	iter;
	bool		any = false;

	if (qbsync_paused)
		return;
	dlist_foreach(iter, &roster)
	{
		Company    *company = dlist_container(Company, node, iter.cur);

		if (!sender_go_on(company))
			continue;
		(void) call_pump(company);
		any = true;
	}
	if (any)
		http_push();
}

/* What was written is recorded, whatever else is not to be done; when to come back. */
static TimestampTz
settle_all(void)
{
	TimestampTz again = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &roster)
		again = appointment_earlier(again, sender_settle(dlist_container(Company, node, iter.cur)));
	return again;
}

/* What flows have taken over is settled, an answer each, while QuickBooks works on what they ask next; when to come back. */
static TimestampTz
settle_flows(void)
{
	TimestampTz again = 0;
	bool		pushed = false;
	dlist_iter	iter;

	dlist_foreach(iter, &roster)
	{
		Company    *company = dlist_container(Company, node, iter.cur);

		if (company->flow == NULL || company->flow->settle_next == NULL)
			continue;
		if (!pushed)
			http_push();
		pushed = true;
		if (company->flow->settle_next(company) || company->flow == NULL)
			again = GetCurrentTimestamp();
	}
	return again;
}

/* Everything apply workers are needed for; when to come back. */
static TimestampTz
serve_mappings(void)
{
	bool		found;
	TimestampTz again = calendar_serve(mapped && !qbsync_paused, &found);

	if (found)
		demand_looked(mapped);
	return appointment_earlier(again, demand_serve());
}

/* Milliseconds until a time, for the wait. */
static long
wait_until(TimestampTz when)
{
	if (when == 0)
		return -1;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), when);
}

/* When the clock was set back, appointments made before are forgotten: they would be hours away. */
static void
check_clock(void)
{
	static TimestampTz last_turn = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (now < last_turn - CLOCK_STEP_US)
	{
		ereport(LOG, (errmsg("qbsync noticed that the clock was set back")));
		roster_forget_appointments();
		next_look = now;
	}
	last_turn = now;
}

/* The loop.  Never returns. */
static void
run_loop(void)
{
	MemoryContext turn = AllocSetContextCreate(TopMemoryContext, "qbsync gateway turn", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		TimestampTz again;
		TimestampTz unsettled;

		MemoryContextSwitchTo(turn);
		MemoryContextReset(turn);
		check_clock();
		/* first what people have commanded meanwhile: nothing leaves against it */
		if (next_look != 0 && next_look <= GetCurrentTimestamp())
			look_at_tables();
		go_on_all();
		unsettled = settle_all();
		again = appointment_earlier(unsettled, serve_all());
		again = appointment_earlier(again, settle_flows());
		again = appointment_earlier(again, serve_mappings());
		check_extension();
		if (shared_gateway_take_wake())
			next_look = again = GetCurrentTimestamp();
		(void) http_wait(wait_until(again), PG_WAIT_EXTENSION);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			housekeeping_import_credentials();
			roster_try_again();
			next_look = 1;
		}
		housekeeping_run();
	}
}

/*
 * Settings of this session, whatever ALTER DATABASE or ALTER ROLE say.  A lock is waited for a second at most: somebody's
 * open transaction may hold up his own company, not all of them; what failed for it is repeated.  A commit does not wait for
 * the disk: what a crash takes back of the last moment is read again, and what must not be lost says so (unit_durable()).
 */
static void
pin_settings(void)
{
	static const char *const settings[][2] = {
		{"application_name", "qbsync gateway"},
		{"DateStyle", "ISO"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"idle_in_transaction_session_timeout", "0"},
		{"IntervalStyle", "postgres"},
		{"jit", "off"},
		{"lock_timeout", "1s"},
		{"search_path", "pg_catalog, pg_temp"},
		{"statement_timeout", "0"},
		{"synchronous_commit", "off"},
		{"TimeZone", "UTC"},
	};

	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

void
qbsync_gateway_main(Datum main_arg)
{
	Oid			database = DatumGetObjectId(main_arg);

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	shared_gateway_attach(database);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	pin_settings();

	/* what CREATE EXTENSION has not made is not waited for: this is also how the launcher finds out */
	http_init();
	look_at_tables();
	secret_allow_opening();
	housekeeping_import_credentials();
	shared_gateway_set_state(GATEWAY_RUNNING);
	ereport(LOG, (errmsg("qbsync gateway started")));
	next_look = 1;
	run_loop();
}
