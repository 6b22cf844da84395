/*
 * watched.c
 *		Work that is watched while it holds locks of the CRM.  See watched.h.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "common/watched.h"

/* NULL in every process but apply workers. */
static void (*set_watched) (bool watched) = NULL;

void
watched_attach(void (*set) (bool watched))
{
	set_watched = set;
}

void
watched_begin(void)
{
	if (set_watched)
		set_watched(true);
}

/* Who cancels does it under a lock that set_watched() takes: what is pending afterwards was meant for the work that is over. */
void
watched_end(void)
{
	if (set_watched == NULL)
		return;
	set_watched(false);
	QueryCancelPending = false;
}
