/*
 * box.c
 *		The time box.  See box.h.
 *
 * The timer is our own, so that its cancel can be told from one that somebody asked for.  It ends where the transaction's
 * callbacks say that the last piece of user code has run: a cancel must neither cut short the wait for a synchronous
 * standby, nor hit whatever comes after the transaction.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "crm/box.h"

/* Cancels that the CRM's code may catch before the process ends itself. */
#define MAX_CANCELS 20

static TimeoutId timer;
static bool registered = false;
static bool box_open = false;
static volatile sig_atomic_t cancels = 0;
static void (*death) (void) = NULL;

/*
 * The timer's handler.  A cancel that was not served yet is not counted again: the code may be where interrupts are not
 * looked at.
 */
static void
time_is_over(void)
{
	if (!QueryCancelPending && ++cancels > MAX_CANCELS)
		ProcDiePending = true;
	else
		QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

static void
box_end(void)
{
	if (!box_open)
		return;
	disable_timeout(timer, false);
	box_open = false;
	QueryCancelPending = false;
}

static void
on_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_ABORT)
		box_end();
}

/* The process ends; if it is by our hand, what failed is rolled back and recorded. */
static void
end_of_process(int code, Datum arg)
{
	if (!box_open || cancels <= MAX_CANCELS || death == NULL)
		return;
	AbortOutOfAnyTransaction();
	death();
}

void
box_begin(int milliseconds, void (*at_death) (void))
{
	if (!registered)
	{
		timer = RegisterTimeout(USER_TIMEOUT, time_is_over);
		RegisterXactCallback(on_transaction_end, NULL);
		before_shmem_exit(end_of_process, (Datum) 0);
		registered = true;
	}
	cancels = 0;
	death = at_death;
	box_open = true;
	enable_timeout_every(timer, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), milliseconds), milliseconds);
}

bool
box_was_over(void)
{
	return cancels > 0;
}

static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

void
box_settings(int lock_timeout_ms)
{
	char		value[32];

	snprintf(value, sizeof(value), "%d", Max(lock_timeout_ms, 1));
	set_local("lock_timeout", value);
	set_local("plan_cache_mode", "force_custom_plan");
}
