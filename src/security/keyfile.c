/*
 * keyfile.c
 *		The file with the key that encrypts secrets.
 *
 * The key is a file and not a setting or a row, so that neither a dump nor a SQL function can show it; outside the data
 * directory it is not in a base backup either.  It is read each time it is needed (a few times an hour), so that a file
 * put back is used at once and no key stays in memory.
 *
 * A new file is written under a temporary name, flushed, and then linked to its real name: link() fails if the name is
 * taken, so of two sessions (also of two databases) that make a key at once one wins and both use that one, and no
 * crash leaves half a key under the real name.
 */
#include "postgres.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "qbsync.h"
#include "security/keyfile.h"
#include "security/private_file.h"

#define KEY_HEX_DIGITS (KEY_BYTES * 2)

char *
keyfile_path(void)
{
	if (qbsync_key_file == NULL || qbsync_key_file[0] == '\0')
		return psprintf("%s/qbsync.key", DataDir);
	if (is_absolute_path(qbsync_key_file))
		return pstrdup(qbsync_key_file);
	return psprintf("%s/%s", DataDir, qbsync_key_file);
}

void
keyfile_forget(SecretKey *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
}

/* Value of a hexadecimal digit, or -1. */
static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

/* Parse the content of a key file: the digits, and at most a line end behind them. */
static bool
parse_key(const char *content, size_t len, SecretKey *key)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	while (len > KEY_HEX_DIGITS && (content[len - 1] == '\n' || content[len - 1] == '\r'))
		len--;
	if (len != KEY_HEX_DIGITS)
		return false;
	for (int i = 0; i < KEY_BYTES; i++)
	{
		int			high = hex_value(content[2 * i]);
		int			low = hex_value(content[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key->bytes[i] = (unsigned char) (high << 4 | low);
	}
	SHA256(key->bytes, KEY_BYTES, digest);
	for (int i = 0; i < KEY_ID_LENGTH / 2; i++)
		snprintf(key->id + 2 * i, 3, "%02x", digest[i]);
	return true;
}

KeyFileResult
keyfile_read(SecretKey *key, char **reason)
{
	char	   *path = keyfile_path();
	char	   *content;
	size_t		len;
	KeyFileResult result = KEYFILE_READ;

	memset(key, 0, sizeof(*key));
	switch (private_file_read("key file", path, KEY_HEX_DIGITS + 2, &content, &len, reason))
	{
		case PRIVATE_FILE_READ:
			if (!parse_key(content, len, key))
			{
				keyfile_forget(key);
				*reason = psprintf("the key file \"%s\" does not hold %d hexadecimal digits", path, KEY_HEX_DIGITS);
				result = KEYFILE_REFUSED;
			}
			private_file_wipe(content, len);
			break;
		case PRIVATE_FILE_MISSING:
			result = KEYFILE_MISSING;
			break;
		case PRIVATE_FILE_REFUSED:
			result = KEYFILE_REFUSED;
			break;
	}
	pfree(path);
	return result;
}

/* Fill a buffer with a random key as the file holds it; false when there is no randomness. */
static bool
random_content(char *content)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[KEY_BYTES];

	if (!pg_strong_random(bytes, sizeof(bytes)))
		return false;
	for (int i = 0; i < KEY_BYTES; i++)
	{
		content[2 * i] = digits[bytes[i] >> 4];
		content[2 * i + 1] = digits[bytes[i] & 0x0f];
	}
	content[KEY_HEX_DIGITS] = '\n';
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return true;
}

/* Create a file, write the content, flush it to disk; false with errno on failure. */
static bool
write_file(const char *path, const char *content, size_t len)
{
	int			fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY, S_IRUSR | S_IWUSR);
	bool		good;
	int			failure;

	if (fd < 0)
		return false;
	errno = ENOSPC;				/* what a short write means */
	good = write(fd, content, len) == (ssize_t) len && pg_fsync(fd) == 0;
	failure = errno;
	if (CloseTransientFile(fd) != 0 && good)
		return false;
	errno = failure;
	return good;
}

/* Flush a file's directory entry to disk; false with errno on failure. */
static bool
sync_directory(const char *path)
{
	char	   *directory = pstrdup(path);
	int			fd;
	bool		good;
	int			failure;

	get_parent_directory(directory);
	fd = OpenTransientFile(directory[0] != '\0' ? directory : ".", O_RDONLY | PG_BINARY);
	pfree(directory);
	if (fd < 0)
		return false;
	/* Some file systems cannot flush a directory and need not. */
	good = pg_fsync(fd) == 0 || errno == EBADF || errno == EINVAL;
	failure = errno;
	CloseTransientFile(fd);
	errno = failure;
	return good;
}

bool
keyfile_create(char **reason)
{
	char	   *path = keyfile_path();
	char	   *draft = psprintf("%s.%d.tmp", path, MyProcPid);
	char		content[KEY_HEX_DIGITS + 1];
	bool		good;

	*reason = NULL;
	if (!random_content(content))
	{
		*reason = pstrdup("could not generate a random key");
		return false;
	}
	(void) unlink(draft);		/* of a process with our number that crashed */
	good = write_file(draft, content, sizeof(content)) &&
		(link(draft, path) == 0 || errno == EEXIST) &&
		sync_directory(path);
	if (!good)
		*reason = psprintf("could not create the key file \"%s\": %s", path, strerror(errno));
	(void) unlink(draft);
	OPENSSL_cleanse(content, sizeof(content));
	pfree(draft);
	pfree(path);
	return good;
}
