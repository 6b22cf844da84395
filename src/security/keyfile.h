/*
 * keyfile.h
 *		The file with the key that encrypts secrets: 64 hexadecimal digits and a newline.
 */
#ifndef QBSYNC_KEYFILE_H
#define QBSYNC_KEYFILE_H

#include "postgres.h"

#define KEY_BYTES		32
#define KEY_ID_LENGTH	16

/* A key and its id, the first hexadecimal digits of its SHA-256; to be wiped with keyfile_forget(). */
typedef struct SecretKey
{
	unsigned char bytes[KEY_BYTES];
	char		id[KEY_ID_LENGTH + 1];
} SecretKey;

typedef enum KeyFileResult
{
	KEYFILE_READ,
	KEYFILE_MISSING,			/* no such file */
	KEYFILE_REFUSED				/* there, but not usable */
} KeyFileResult;

/* Path of the key file in force; palloc'd. */
extern char *keyfile_path(void);

/* Read the key; unless KEYFILE_READ *reason says why not, in words with the path (palloc'd), and *key is all zero. */
extern KeyFileResult keyfile_read(SecretKey *key, char **reason);

/*
 * Write a new random key where no file is.  True as well when somebody else made the file meanwhile: read it
 * afterwards to know the key.  False: *reason says why.
 */
extern bool keyfile_create(char **reason);

extern void keyfile_forget(SecretKey *key);

#endif							/* QBSYNC_KEYFILE_H */
