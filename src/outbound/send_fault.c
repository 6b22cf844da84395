/*
 * send_fault.c
 *		What a refusal means for a request, and for the company.
 *
 * Faults of a whole call that pass by themselves never get here: quickbooks/call.c repeats it with the same requestid.
 */
#include "postgres.h"

#include "outbound/send_parts.h"
#include "quickbooks/json_scan.h"
#include "quickbooks/token.h"

/* QuickBooks' code for a name that is taken. */
#define CODE_NAME_TAKEN 6240

/* An item that fails in a way that may pass is repeated so often. */
#define FEW_TRIES 5

/* A fault of a batch as a whole. */
static SendOutcome
batch_outcome(SendCall *call, const Fault *fault)
{
	switch (fault->reaction)
	{
		case REACT_PERMANENT:
		case REACT_BUG:
		case REACT_REFETCH:
		case REACT_GONE:
			/* one of them spoils it, and nothing was done: each by itself shows which */
			return SEND_ALONE;
		case REACT_SMALLER:
			if (fault->code == 0)
				return SEND_CHECK;	/* the answer was too big: it may well be done */
			call->sender->max_batch = Max(call->nitems / 2, 1);
			return SEND_READY;
		case REACT_RELOAD:
			return SEND_READY;
		default:
			return SEND_CHECK;
	}
}

/* A refusal that does not mean that a creation was not carried out when it was sent before: read back first. */
static SendOutcome
not_made(SendItem *item)
{
	if (!item->create || !item->repeated)
		return SEND_REFUSED;
	if (item->name)
		return SEND_ASK;
	/* it cannot be asked for */
	strlcpy(item->fault->problem, "send_ambiguous", sizeof(item->fault->problem));
	return SEND_REFUSED;
}

/* A fault of a request sent alone, or of an item in a batch. */
static SendOutcome
item_outcome(SendItem *item, const Fault *fault, bool whole)
{
	switch (fault->reaction)
	{
		case REACT_RETRY:
			return SEND_REPEAT;
		case REACT_RETRY_FEW:
			if (!whole && item->tries + 1 < FEW_TRIES)
				return SEND_REPEAT;
			/* that it fails now says nothing about what was sent before */
			return not_made(item);
		case REACT_THROTTLED:
		case REACT_REFRESH:
		case REACT_REAUTHORIZE:
		case REACT_CONFIGURATION:
		case REACT_SUSPENDED:
		case REACT_RELOAD:
			return SEND_READY;
		case REACT_REFETCH:
		case REACT_GONE:
			return item->create ? SEND_REFUSED : SEND_STALE;
		case REACT_SMALLER:
			return fault->code == 0 ? SEND_CHECK : SEND_REFUSED;
		default:
			/* the one that has the name may be what this request made when its answer was lost */
			return fault->code == CODE_NAME_TAKEN ? not_made(item) : SEND_REFUSED;
	}
}

void
send_fault_note(SendCall *call, SendItem *item, const Fault *fault, bool whole)
{
	item->fault = MemoryContextAlloc(call->context, sizeof(Fault));
	*item->fault = *fault;
	if (whole && call->nitems > 1)
		item->outcome = batch_outcome(call, fault);
	else
		item->outcome = item_outcome(item, fault, whole);
	/* that nothing was done goes for this time only */
	if (item->repeated && (item->outcome == SEND_READY || item->outcome == SEND_ALONE))
		item->outcome = SEND_CHECK;
}

void
send_fault_say(SendCall *call, SendItem *item, const char *problem, const char *detail)
{
	item->outcome = SEND_REFUSED;
	item->fault = MemoryContextAllocZero(call->context, sizeof(Fault));
	item->fault->reaction = REACT_PERMANENT;
	strlcpy(item->fault->problem, problem, sizeof(item->fault->problem));
	jscan_copy_raw(detail, strlen(detail), item->fault->detail, sizeof(item->fault->detail));
	strlcpy(item->fault->element, send_key_property(item->entity), sizeof(item->fault->element));
}

/* What items say about the company is acted on once, the most far-reaching of them. */
void
send_fault_company(SendCall *call)
{
	Company    *company = call->sender->company;
	const Fault *worst = NULL;

	for (int i = 0; i < call->nitems; i++)
	{
		const Fault *fault = call->items[i].fault;

		if (fault && fault->reaction != REACT_PERMANENT && fault->reaction != REACT_BUG
			&& (worst == NULL || fault_severity(fault->reaction) > fault_severity(worst->reaction)))
			worst = fault;
	}
	if (worst == NULL)
		return;
	switch (worst->reaction)
	{
		case REACT_THROTTLED:
			call_throttle(company, worst);
			break;
		case REACT_REFRESH:
			token_rejected(company);
			break;
		case REACT_REAUTHORIZE:
			company_stop(company, COMPANY_REAUTHORIZE, worst->problem, NULL);
			break;
		case REACT_CONFIGURATION:
		case REACT_SUSPENDED:
			call_hold_writes(company, worst);
			break;
		case REACT_RELOAD:
			company->must_start_over = company->look_again = true;
			break;
		default:
			break;
	}
}
