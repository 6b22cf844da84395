/*
 * mirror_version.h
 *		Superseded versions of records are kept: rows of qbsync.record_version.
 */
#ifndef QBSYNC_MIRROR_VERSION_H
#define QBSYNC_MIRROR_VERSION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "quickbooks/catalogue.h"
#include "utils/snapshot.h"

#include "inbound/mirror_row.h"
#include "inbound/mirror_table.h"

/* Are versions of that company's records kept?  A statement: asked once a page, when its first row is replaced. */
extern bool mirror_versions_wanted(int connection_id);

/* Columns of qbsync.record_version: those of the row itself, with seen_at as valid_from, and two more. */
typedef enum VersionColumn
{
	VERSION_ENTITY = ROW_FIXED_COLUMNS,
	VERSION_VALID_TO,
	VERSION_COLUMNS
} VersionColumn;

/* The numbers of those columns in a row type; in the current context. */
extern AttrNumber *mirror_version_columns(TupleDesc desc);

/* Open the table of versions, until mirror_table_close(). */
extern MirrorTable *mirror_versions_open(Snapshot snapshot);

/*
 * Keep the row found in a table of the mirror, which is about to be replaced by a version seen at that time.  It is written
 * with others, at the latest when versions is closed, and always in this transaction.
 */
extern void mirror_version_keep(MirrorTable *versions, MirrorTable *table, const CatalogueEntity *entity,
								TimestampTz replaced_at);

#endif							/* QBSYNC_MIRROR_VERSION_H */
