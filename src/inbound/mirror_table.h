/*
 * mirror_table.h
 *		A mirror table, open for finding, inserting, updating and deleting rows by key.
 */
#ifndef QBSYNC_MIRROR_TABLE_H
#define QBSYNC_MIRROR_TABLE_H

#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "inbound/mirror_room.h"
#include "nodes/execnodes.h"
#include "quickbooks/catalogue.h"
#include "quickbooks/envelope.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* Rows gathered before they are inserted together, at most, and their size (a batch should stay in the CPU's cache). */
#define MIRROR_BATCH_ROWS	64
#define MIRROR_BATCH_BYTES	(128 * 1024)

/* A column every table of a kind has. */
typedef struct MirrorColumn
{
	const char *name;
	Oid			type;
} MirrorColumn;

typedef struct MirrorTable
{
	Relation	rel;
	Relation	key;			/* index of the primary key; NULL if rows are only added */
	Snapshot	snapshot;
	EState	   *estate;
	ResultRelInfo *result;
	struct BulkInsertStateData *bulk;
	IndexScanDesc scan;			/* a walk along it */
	ScanKeyData walk_keys[2];	/* from an id on */
	ScanKeyData id_keys[2];		/* the rows of an id only */
	text	   *searched;		/* what they hold, as long as the scan is walked */
	int			sought_of;		/* the company … */
	char		sought[RECORD_ID_MAX];	/* … and id that the walk was led to last; empty: there is none */
	bool		standing;		/* there is a row at that id or behind it, in found */
	int			astray;			/* searches, less what was met by walking on */
	TupleTableSlot *found;		/* the row mirror_table_find() found */
	TupleTableSlot *changed;	/* the row to replace it by */
	TupleTableSlot *batch[MIRROR_BATCH_ROWS];
	int			nslots;			/* slots made */
	int			nbatch;			/* rows waiting in them */
	Size		batch_bytes;
	AttrNumber *attnums;		/* of the fixed columns, then of the catalogue's */
	MirrorRoom *room;			/* NULL if rows are only added */
	int			nreplaced;		/* rows that have a new version elsewhere */
} MirrorTable;

/*
 * Open schema qbsync's table of that name.  fixed: its nfixed fixed columns, the first two of which are the first two of
 * the primary key; columns: the catalogue's, ended by a NULL name.  Raises an error if the table is not what they say.
 * In a transaction; everything is allocated in the current context and lives until mirror_table_close(), or the abort
 * of the subtransaction it was opened in.  Rows are looked for as of the snapshot.  room: the table's, which the caller keeps.
 */
extern MirrorTable *mirror_table_open(const char *name, const MirrorColumn *fixed, int nfixed,
									  const CatalogueColumn *columns, MirrorRoom *room, Snapshot snapshot);

/* The same for a table that rows are only added to: without find, update and delete, and without a key. */
extern MirrorTable *mirror_table_open_append(const char *name, const MirrorColumn *fixed, int nfixed, Snapshot snapshot);

/*
 * The numbers of the fixed columns, then of the catalogue's, in rows of a type; in the current context.  Raises an error if
 * one is missing or of another type; name is what it then says.
 */
extern AttrNumber *mirror_table_columns(TupleDesc desc, const char *name, const MirrorColumn *fixed, int nfixed,
										const CatalogueColumn *columns);

/* Write what waits, and close. */
extern void mirror_table_close(MirrorTable *table);

/* Find the row of a key; it is then in table->found until the next call. */
extern bool mirror_table_find(MirrorTable *table, int connection_id, const char *id);

/* A column of the row found, by its place among the fixed columns. */
extern Datum mirror_table_found(MirrorTable *table, int fixed, bool *isnull);

/* An empty slot to build a row in: all columns null; fill tts_values and tts_isnull at attnums[…] - 1. */
extern TupleTableSlot *mirror_table_new_row(MirrorTable *table);

/* The same for a new version of the row found, a copy of it if keep. */
extern TupleTableSlot *mirror_table_new_version(MirrorTable *table, bool keep);

/* Insert the row built in the slot, which copies it; it is written with others, at the latest when closing. */
extern void mirror_table_insert(MirrorTable *table, TupleTableSlot *slot);

/* Replace the row found by the version built. */
extern void mirror_table_update(MirrorTable *table, TupleTableSlot *slot);

/* Delete all rows with these values in the first two columns of the key. */
extern void mirror_table_delete(MirrorTable *table, int connection_id, const char *id);

#endif							/* QBSYNC_MIRROR_TABLE_H */
