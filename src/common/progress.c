/*
 * progress.c
 *		Telling waiting sessions that something changed.  See progress.h.
 */
#include "postgres.h"

#include "common/progress.h"
#include "compat.h"

/* In shared memory; NULL when the library was not preloaded. */
static ConditionVariable *changed = NULL;

void
progress_attach(ConditionVariable *variable, bool initialize)
{
	changed = variable;
	if (initialize)
		ConditionVariableInit(changed);
}

void
progress_announce(void)
{
	if (changed)
		ConditionVariableBroadcast(changed);
}

void
progress_prepare(void)
{
	ConditionVariablePrepareToSleep(changed);
}

void
progress_sleep(long timeout_ms)
{
	ConditionVariableTimedSleep(changed, timeout_ms, PG_WAIT_EXTENSION);
}

void
progress_cancel(void)
{
	ConditionVariableCancelSleep();
}
