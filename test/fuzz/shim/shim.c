/*
 * shim.c
 *		What the shim postgres.h declares, and secret_wipe(); for host programs only.
 */
#include "postgres.h"

#include "security/secret.h"

/* Every block is preceded by its links in the list of all blocks. */
typedef struct Block
{
	struct Block *next;
	struct Block *previous;
} Block;

static Block all = {&all, &all};

static void *
link_block(Block *block)
{
	if (block == NULL)
		abort();
	block->next = all.next;
	block->previous = &all;
	block->next->previous = block;
	all.next = block;
	return block + 1;
}

static Block *
unlink_block(void *memory)
{
	Block	   *block = (Block *) memory - 1;

	block->previous->next = block->next;
	block->next->previous = block->previous;
	return block;
}

void *
palloc(Size size)
{
	return link_block(malloc(sizeof(Block) + size));
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
repalloc(void *block, Size size)
{
	return link_block(realloc(unlink_block(block), sizeof(Block) + size));
}

char *
pstrdup(const char *source)
{
	size_t		size = strlen(source) + 1;

	return memcpy(palloc(size), source, size);
}

void
pfree(void *block)
{
	free(unlink_block(block));
}

void
shim_reset(void)
{
	while (all.next != &all)
		pfree(all.next + 1);
}

void
secret_wipe(char *secret)
{
	if (secret != NULL)
	{
		memset(secret, 'x', strlen(secret));
		pfree(secret);
	}
}
