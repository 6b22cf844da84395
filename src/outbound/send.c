/*
 * send.c
 *		The sender of a company: what it does when.  See send.h.
 *
 *		ready --marked, durable--> sent --call, answer--> gone | refused | stale | ready
 *		sent, answered --recording it fails--> sent, until it works (send_apart.c)
 *		found 'sent' at start --the same call--> …
 *		check --read back--> gone (it was carried out) | sent | refused
 *
 * Calls that were dropped (the company stopped, the clock was set back) leave their requests 'sent': they are resumed as after
 * a crash.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/appointment.h"
#include "outbound/send_parts.h"
#include "quickbooks/token.h"

/* What is on its way when a company is disconnected has that long to be answered: nobody can ask afterwards. */
#define PART_AFTER_US	(10 * USECS_PER_SEC)

/* The sender of a company, made when it is first needed. */
static Sender *
get_sender(Company *company)
{
	Sender	   *sender = company->sender;

	if (sender == NULL)
	{
		sender = MemoryContextAllocZero(company->context, sizeof(Sender));
		sender->company = company;
		sender->context = AllocSetContextCreate(company->context, "qbsync sender", ALLOCSET_DEFAULT_SIZES);
		sender->max_batch = SEND_MAX_BATCH;
		sender->drops = company->drops;
		dlist_init(&sender->flying);
		dlist_init(&sender->answered);
		company->sender = sender;
	}
	return sender;
}

/* Calls that were dropped will never be answered. */
static void
forget_dropped(Sender *sender)
{
	dlist_mutable_iter iter;

	if (sender->drops == sender->company->drops)
		return;
	sender->drops = sender->company->drops;
	sender->resumed = false;
	dlist_foreach_modify(iter, &sender->flying)
	{
		dlist_delete(iter.cur);
		send_call_free(dlist_container(SendCall, node, iter.cur));
	}
}

/* A unit failed: again after a while. */
static TimestampTz
postpone(Sender *sender)
{
	sender->not_before = GetCurrentTimestamp() + call_backoff(sender->failures++);
	return sender->not_before;
}

TimestampTz
sender_settle(Company *company)
{
	Sender	   *sender = company->sender;

	if (sender == NULL)
		return 0;
	forget_dropped(sender);
	return dlist_is_empty(&sender->answered) ? 0 : send_settle_all(sender);
}

TimestampTz
sender_part(Company *company)
{
	Sender	   *sender = company->sender;

	if (sender == NULL)
		return 0;
	forget_dropped(sender);
	if (dlist_is_empty(&sender->flying) && dlist_is_empty(&sender->answered))
		return 0;
	if (sender->part_at == 0)
		sender->part_at = GetCurrentTimestamp() + PART_AFTER_US;
	return sender->part_at;
}

/* May anything of this company be sent now? */
static bool
may_send(const Company *company)
{
	return company->state == COMPANY_LIVE && company->disconnect_job == 0 && (!company->must_recheck || company->rechecked);
}

TimestampTz
sender_serve(Company *company)
{
	Sender	   *sender = company->sender;
	TimestampTz again = 0;
	bool		must_poll;

	if (sender == NULL && !company->requests_waiting && !company->rechecked)
		return 0;
	sender = get_sender(company);
	forget_dropped(sender);
	if (company->disconnect_job == 0)
		sender->part_at = 0;
	if (company->settle_again)
	{
		company->settle_again = false;
		if (send_unsettled(sender, &again) > 0)
		{
			send_settle_again(sender);
			return GetCurrentTimestamp();
		}
	}
	if (!may_send(company) || (sender->resumed && !company->requests_waiting && !sender->more && !company->rechecked))
		return 0;
	if (sender->not_before > GetCurrentTimestamp())
		return sender->not_before;
	if (!token_ready(company, &again))
		return again;
	/* it is not one record's trouble any more */
	if (send_unsettled(sender, &again) >= SEND_MAX_UNSETTLED)
		return again;
	/* once some are recorded */
	if (send_answered(sender) >= SEND_MAX_ANSWERED(company->settings.concurrency))
		return 0;
	if (!sender->resumed)
	{
		/* after a restore, what was sent is read back instead */
		if (!company->rechecked && !send_resume(sender))
			return postpone(sender);
		sender->resumed = true;
	}
	if (call_free_writes(company, 1, &again) == 0)
		return again;
	must_poll = company->must_poll;
	if (!send_pick(sender))
		return postpone(sender);
	sender->failures = 0;
	/* a poll is to be begun */
	return !must_poll && company->must_poll ? GetCurrentTimestamp() : 0;
}

bool
sender_go_on(Company *company)
{
	Sender	   *sender = company->sender;

	/* after a restore, what was answered is not among what is read back */
	if (sender == NULL || company->rechecked || dlist_is_empty(&sender->answered) || !(sender->more || company->requests_waiting))
		return false;
	(void) sender_serve(company);
	return true;
}
