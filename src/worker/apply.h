/*
 * apply.h
 *		The apply worker: one per mapping that has work; runs the CRM's code, holds no token, talks to no network.
 */
#ifndef QBSYNC_APPLY_H
#define QBSYNC_APPLY_H

#include "postgres.h"

#include "postmaster/bgworker.h"

#include "compat.h"

/* What a worker is started for, in bgw_extra; main_arg is its place in shared memory. */
typedef struct ApplyTask
{
	Oid			database;
	int32		mapping_id;
	int			gateway;		/* pid of the gateway that starts it */
	char		mapping_name[BGW_EXTRALEN - 3 * sizeof(int32)]; /* for people; clipped */
} ApplyTask;

StaticAssertDecl(sizeof(ApplyTask) <= BGW_EXTRALEN, "an apply worker's task must fit into bgw_extra");

/* Entry point of the background worker. */
extern PGDLLEXPORT void qbsync_apply_main(Datum main_arg);

#endif							/* QBSYNC_APPLY_H */
