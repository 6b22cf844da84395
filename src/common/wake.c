/*
 * wake.c
 *		Waking the gateway when a transaction commits.  See wake.h.
 */
#include "postgres.h"

#include "common/wake.h"

/* NULL: the library was not preloaded, and there is nobody to wake. */
static void (*wake) (void) = NULL;

void
wake_attach(void (*at_commit) (void))
{
	wake = at_commit;
}

void
wake_at_commit(void)
{
	if (wake)
		wake();
}
