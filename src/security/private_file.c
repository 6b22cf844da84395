/*
 * private_file.c
 *		Reading a file that nobody but the server's user may read.
 *
 * The key file and the credentials file follow the rule that ssh and libpq have for theirs: a regular file, owned by
 * the user the server runs as, no rights for group and others.  The opened file is judged, not the name, so that it
 * cannot be exchanged in between; a symbolic link may lead to it (that is how secrets are mounted into containers).
 */
#include "postgres.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "security/private_file.h"

/* Why an opened file must not be used; palloc'd, or NULL if it may. */
static char *
refusal(const char *kind, const char *path, int fd, size_t max)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return psprintf("could not examine the %s \"%s\": %s", kind, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return psprintf("the %s \"%s\" is not a regular file", kind, path);
	if (st.st_uid != geteuid())
		return psprintf("the %s \"%s\" is not owned by the user the server runs as", kind, path);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return psprintf("the %s \"%s\" is open to group or others; its mode must be 0600", kind, path);
	if (st.st_size > (off_t) max)
		return psprintf("the %s \"%s\" is longer than %zu bytes", kind, path, max);
	return NULL;
}

/* Read until the end or until the buffer is full; false with errno on failure. */
static bool
read_all(int fd, char *buffer, size_t size, size_t *len)
{
	*len = 0;
	while (*len < size)
	{
		ssize_t		got = read(fd, buffer + *len, size - *len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0)
			break;
		*len += got;
	}
	return true;
}

PrivateFileResult
private_file_read(const char *kind, const char *path, size_t max, char **content, size_t *len, char **reason)
{
	int			fd;
	char	   *buffer;

	*content = NULL;
	*len = 0;
	*reason = NULL;

	/* O_NONBLOCK: opening a pipe must not hang the server. */
	fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	if (fd < 0)
	{
		bool		missing = errno == ENOENT || errno == ENOTDIR;

		*reason = missing ? psprintf("the %s \"%s\" does not exist", kind, path) :
			psprintf("could not open the %s \"%s\": %s", kind, path, strerror(errno));
		return missing ? PRIVATE_FILE_MISSING : PRIVATE_FILE_REFUSED;
	}

	*reason = refusal(kind, path, fd, max);
	if (*reason == NULL)
	{
		/* One byte more than allowed shows a file that grew meanwhile; one more holds the NUL. */
		buffer = palloc0(max + 2);
		if (!read_all(fd, buffer, max + 1, len))
			*reason = psprintf("could not read the %s \"%s\": %s", kind, path, strerror(errno));
		else if (*len > max)
			*reason = psprintf("the %s \"%s\" is longer than %zu bytes", kind, path, max);
		if (*reason != NULL)
			private_file_wipe(buffer, max + 1);
		else
			*content = buffer;
	}
	CloseTransientFile(fd);
	return *reason == NULL ? PRIVATE_FILE_READ : PRIVATE_FILE_REFUSED;
}

void
private_file_wipe(char *content, size_t len)
{
	if (content == NULL)
		return;
	OPENSSL_cleanse(content, len);
	pfree(content);
}
