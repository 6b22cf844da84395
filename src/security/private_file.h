/*
 * private_file.h
 *		Reading a file that nobody but the server's user may read.
 */
#ifndef QBSYNC_PRIVATE_FILE_H
#define QBSYNC_PRIVATE_FILE_H

#include "postgres.h"

typedef enum PrivateFileResult
{
	PRIVATE_FILE_READ,
	PRIVATE_FILE_MISSING,
	PRIVATE_FILE_REFUSED		/* unreadable, of another owner, open to others, too big */
} PrivateFileResult;

/*
 * Read a whole file of at most max bytes into *content (palloc'd, NUL-terminated after *len bytes; the caller wipes all
 * of it with private_file_wipe).  Never raises for what is wrong with the file: then *reason (palloc'd) says why, with
 * the path and nothing of the content.  kind names the file in words, such as "key file".
 */
extern PrivateFileResult private_file_read(const char *kind, const char *path, size_t max,
										   char **content, size_t *len, char **reason);

/* Overwrite and pfree what private_file_read() gave; NULL is fine. */
extern void private_file_wipe(char *content, size_t len);

#endif							/* QBSYNC_PRIVATE_FILE_H */
