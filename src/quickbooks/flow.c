/*
 * flow.c
 *		Beginning, ending and failing of flows.  See flow.h.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "quickbooks/call.h"
#include "quickbooks/flow.h"

void *
flow_begin(Company *company, Size size)
{
	MemoryContext context = AllocSetContextCreate(company->context, "qbsync flow", ALLOCSET_DEFAULT_SIZES);
	Flow	   *flow = MemoryContextAllocZero(context, size);

	Assert(company->flow == NULL);
	flow->context = context;
	company->flow = flow;
	return flow;
}

void
flow_end(Company *company)
{
	company_drop_flow(company);
	company->failures = 0;
	company->not_before = 0;
	company->problem_of_flow = false;
	company_report_well(company);
}

void
flow_fail(Company *company, const char *problem, const char *detail)
{
	flow_wait(company, problem, detail, call_backoff(company->failures));
}

void
flow_wait(Company *company, const char *problem, const char *detail, int64 wait_us)
{
	company_drop_flow(company);
	company->not_before = GetCurrentTimestamp() + wait_us;
	company->failures++;
	company->problem_of_flow = true;
	company_report(company, problem, detail, company->failures, company->not_before);
}

void
flow_fail_with(Company *company, const Fault *fault)
{
	char		detail[sizeof(fault->message) + sizeof(fault->detail) + 64];

	if (fault->reaction == REACT_RELOAD)
		company->must_start_over = true;
	snprintf(detail, sizeof(detail), "code %d: %s%s%s", fault->code, fault->message,
			 fault->detail[0] ? ": " : "", fault->detail);
	flow_fail(company, fault->problem[0] ? fault->problem : "not_understood", detail);
}

void
flow_fail_unit(Company *company, const char *message)
{
	flow_fail(company, "internal", message);
}
