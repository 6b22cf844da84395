/*
 * capture.h
 *		Parts of the trigger that notes which records of the CRM have to be looked at; capture*.c only.
 */
#ifndef QBSYNC_CAPTURE_H
#define QBSYNC_CAPTURE_H

#include "postgres.h"

#include "access/attnum.h"
#include "commands/trigger.h"

#include "crm/row_key.h"

/* A column whose change counts. */
typedef struct CaptureColumn
{
	AttrNumber	column;
	bool		by_value;
	int16		length;
} CaptureColumn;

/* What a trigger on a table (or partition) knows, worked out from its arguments and kept for the session. */
typedef struct CaptureWatch
{
	Oid			trigger;		/* hash key */
	bool		valid;			/* cleared when the table is altered */
	bool		complete;		/* all of it was read: an error in the middle leaves it false */
	Oid			relation;
	int32		watch_id;
	int32		mapping_id;		/* a row of the table belongs to that record of the mapping alone; 0: not so */
	bool		keyed;			/* all key columns are there */
	RowKey		key;
	int			ncolumns;
	CaptureColumn *columns;		/* that count, the key's not among them */
	CaptureColumn *key_columns;
	AttrNumber	last;			/* the highest of both */
	bool		rewritten;		/* a row may come out otherwise than it was written */
	MemoryContext context;
} CaptureWatch;

/* What this trigger knows; stays as it is until control returns to the server. */
extern CaptureWatch *capture_watch(const TriggerData *trigger);

/* Add a row to qbsync.capture, if the table is there.  key NULL: it is not known which record; was: the key before, NULL: the same. */
extern void capture_append(int32 watch_id, text *key, text *was);

#endif							/* QBSYNC_CAPTURE_H */
