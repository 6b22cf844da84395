/*
 * mirror_room.h
 *		Room that replaced and deleted rows leave in a table.
 */
#ifndef QBSYNC_MIRROR_ROOM_H
#define QBSYNC_MIRROR_ROOM_H

#include "postgres.h"

#include "storage/block.h"
#include "utils/rel.h"

/* A page of a thousand records lies on fewer pages of its table; what is beyond is left to VACUUM. */
#define MIRROR_ROOM_PAGES	1024

/* Pages of a table that rows were taken from since it was last opened; kept from page to page. */
typedef struct MirrorRoom
{
	int			npages;
	BlockNumber pages[MIRROR_ROOM_PAGES];
} MirrorRoom;

/* A row has gone from a page: it was deleted, or its successor lies elsewhere. */
extern void mirror_room_left(MirrorRoom *room, BlockNumber page);

/* Give what earlier transactions left to the rows that come. */
extern void mirror_room_reclaim(MirrorRoom *room, Relation rel);

#endif							/* QBSYNC_MIRROR_ROOM_H */
