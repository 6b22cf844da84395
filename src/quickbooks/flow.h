/*
 * flow.h
 *		What a company is busy with: connecting, loading, polling, verifying, disconnecting.
 *
 * A flow is a chain of calls and units of work.  A company has at most one at a time.  It owns a memory context; a flow
 * that fails is dropped as a whole and starts again from the tables, after a back-off, so that there is one way to
 * resume and it is the one used after a crash too.
 */
#ifndef QBSYNC_FLOW_H
#define QBSYNC_FLOW_H

#include "postgres.h"

#include "quickbooks/company.h"

typedef struct Flow
{
	MemoryContext context;
	int64		job_id;			/* the job this flow serves, 0 if none */

	/* Asks for what is next, as all answers say that are here.  Called each turn; NULL: each answer sees to that by itself. */
	void		(*go_on) (Company *company);

	/*
	 * Settles one of the answers that were only taken over when they arrived; true: there may be another one.  NULL: each is
	 * settled when it arrives.  It is called when all calls that may be sent are on their way.
	 */
	bool		(*settle_next) (Company *company);
	void	   *settle_arg;		/* what it works on, where that is a part of the flow */
} Flow;

/* Begin a flow: zeroed memory of that size (a struct that begins with a Flow) in a context of its own. */
extern void *flow_begin(Company *company, Size size);

/* The flow did its work; the company is free for the next one. */
extern void flow_end(Company *company);

/*
 * The flow cannot go on: what is wrong is written down, calls and flow are dropped, the next one starts after a
 * back-off.  The caller must return at once: its memory is gone.
 */
extern void flow_fail(Company *company, const char *problem, const char *detail);

/* The same with a wait of that many microseconds in place of the back-off. */
extern void flow_wait(Company *company, const char *problem, const char *detail, int64 wait_us);

/* The same for a fault that came back from a call. */
extern void flow_fail_with(Company *company, const Fault *fault);

/* The same for a unit of work that failed. */
extern void flow_fail_unit(Company *company, const char *message);

#endif							/* QBSYNC_FLOW_H */
