/*
 * mirror_room.c
 *		Room that replaced and deleted rows leave in a table.
 *
 * Where many records change, page after page of the table is emptied and, as there is no room on them, as many are added at its end:
 * it would double before VACUUM comes, and to add pages takes a sixth of the time.  So the pages that a transaction took rows from are
 * remembered, and pruned by the next one, which any reader might do; the free space map learns of them, and new versions
 * go where old ones were.  If somebody may still see those, or the transaction was undone, nothing is gained or lost.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/freespace.h"

#include "inbound/mirror_room.h"

void
mirror_room_left(MirrorRoom *room, BlockNumber page)
{
	/* rows mostly come in the order in which they lie */
	if (room->npages == MIRROR_ROOM_PAGES || (room->npages > 0 && room->pages[room->npages - 1] == page))
		return;
	room->pages[room->npages++] = page;
}

/* Prune a page; what is free on it then. */
static Size
prune(Relation rel, BlockNumber page)
{
	Buffer		buffer = ReadBuffer(rel, page);
	Size		space;

	heap_page_prune_opt(rel, buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	space = PageGetHeapFreeSpace(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	return space;
}

void
mirror_room_reclaim(MirrorRoom *room, Relation rel)
{
	BlockNumber first = MaxBlockNumber;
	BlockNumber last = 0;
	BlockNumber npages;

	if (room->npages == 0)
		return;
	npages = RelationGetNumberOfBlocks(rel);
	for (int i = 0; i < room->npages; i++)
	{
		/* the table may have been rewritten meanwhile */
		if (room->pages[i] >= npages)
			continue;
		RecordPageWithFreeSpace(rel, room->pages[i], prune(rel, room->pages[i]));
		first = Min(first, room->pages[i]);
		last = Max(last, room->pages[i]);
	}
	if (first <= last)
		FreeSpaceMapVacuumRange(rel, first, last + 1);
	room->npages = 0;
}
