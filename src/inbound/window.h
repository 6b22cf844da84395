/*
 * window.h
 *		Reading changes by windows of time: where change data capture was truncated, and of what it does not carry.
 */
#ifndef QBSYNC_WINDOW_H
#define QBSYNC_WINDOW_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "quickbooks/catalogue.h"
#include "quickbooks/company.h"

/* What reading the changes of one entity came to. */
typedef struct WindowResult
{
	TimestampTz time;			/* Intuit's clock in the first answer: all changes before it are here */
	TimestampTz started;		/* of the first request */
	bool		changed;		/* something was new */
} WindowResult;

typedef void (*WindowDone) (Company *company, const WindowResult *result, void *arg);

/* Read what changed of an entity at or after a time, store it, then call done.  Part of a flow; a fault fails it. */
extern void window_read(Company *company, const CatalogueEntity *entity, TimestampTz since, WindowDone done, void *arg);

/* A flow: everything that changed since the cursor is read; then the cursor moves past the truncated answer. */
extern void window_start(Company *company);

#endif							/* QBSYNC_WINDOW_H */
