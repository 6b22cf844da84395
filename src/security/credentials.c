/*
 * credentials.c
 *		Importing the server-side credentials file (setting qbsync.credentials_file).
 *
 * The file is a way in, not the place where secrets live: a refresh token is rotated by Intuit, so the one in the file is
 * soon an old one.  What was imported is remembered by its hash beside the stored secret; rotations keep that hash.
 * The same text is therefore imported once and never again, and a text that a person changed is imported at once.
 *
 * Everything the file says beyond what is asked for here is ignored, apps and companies that this database does not know
 * are left alone (they may belong to another database of the server), and no problem ever quotes the file.
 */
#include "postgres.h"

#include "miscadmin.h"

#include <jansson.h>
#include <openssl/crypto.h>

#include "qbsync.h"
#include "security/credentials.h"
#include "security/owner.h"
#include "security/private_file.h"
#include "security/secret.h"

#define MAX_FILE_BYTES	(1024 * 1024)

static int	import_apps(json_t *apps, char **problem);
static int	import_connections(json_t *connections, char **problem);

/* Overwrite every text of a tree; jansson frees without wiping. */
static void
wipe_texts(json_t *value)
{
	const char *key;
	size_t		index;
	json_t	   *member;

	if (json_is_string(value))
		OPENSSL_cleanse(unconstify(char *, json_string_value(value)), json_string_length(value));
	else if (json_is_object(value))
		json_object_foreach(value, key, member)
			wipe_texts(member);
	else if (json_is_array(value))
		json_array_foreach(value, index, member)
			wipe_texts(member);
}

/* Path of the credentials file; palloc'd. */
static char *
credentials_path(void)
{
	if (is_absolute_path(qbsync_credentials_file))
		return pstrdup(qbsync_credentials_file);
	return psprintf("%s/%s", DataDir, qbsync_credentials_file);
}

/* Parse; NULL with *problem (which names line and column, jansson's own words would quote the text). */
static json_t *
parse_file(const char *path, const char *content, size_t len, char **problem)
{
	json_error_t error;
	json_t	   *root = json_loadb(content, len, JSON_REJECT_DUPLICATES, &error);

	if (root == NULL)
		*problem = psprintf("the credentials file \"%s\" is not valid JSON (line %d, column %d)",
							path, error.line, error.column);
	return root;
}

void
credentials_import(char **problem)
{
	char	   *path;
	char	   *content;
	size_t		len;
	json_t	   *root;
	volatile int imported = 0;

	*problem = NULL;
	if (qbsync_credentials_file == NULL || qbsync_credentials_file[0] == '\0')
		return;

	path = credentials_path();
	if (private_file_read("credentials file", path, MAX_FILE_BYTES, &content, &len, problem) != PRIVATE_FILE_READ)
		return;
	root = parse_file(path, content, len, problem);
	private_file_wipe(content, len);
	if (root == NULL)
		return;

	PG_TRY();
	{
		if (!json_is_object(root))
			*problem = psprintf("the credentials file \"%s\" does not hold a JSON object", path);
		else
		{
			imported += import_apps(json_object_get(root, "apps"), problem);
			imported += import_connections(json_object_get(root, "connections"), problem);
		}
	}
	PG_FINALLY();
	{
		wipe_texts(root);
		json_decref(root);
	}
	PG_END_TRY();
	if (imported > 0)
		ereport(LOG, (errmsg("qbsync imported %d secrets from the credentials file", imported)));
}

/* Remember the first problem; what comes after it in the file is imported all the same. */
static void
set_problem(char **problem, const char *words)
{
	if (*problem == NULL)
		*problem = psprintf("in the credentials file, %s", words);
}

/* A member that must be a text, not empty, if it is there at all; NULL if it is not or is something else. */
static const char *
text_member(json_t *object, const char *name, char **problem)
{
	json_t	   *member = json_object_get(object, name);

	if (member == NULL || json_is_null(member))
		return NULL;
	if (!json_is_string(member) || json_string_length(member) == 0)
	{
		set_problem(problem, psprintf("a \"%s\" is not a text or is empty", name));
		return NULL;
	}
	return json_string_value(member);
}

/* Store a secret unless this very text was imported before; true if it was stored. */
static bool
import_one(const char *owner_kind, const char *owner, const char *kind, const char *secret)
{
	char	   *hash = secret_hash(secret);
	char	   *known = secret_origin_hash(owner_kind, owner, kind);

	if (known != NULL && strcmp(known, hash) == 0)
		return false;
	secret_store(owner_kind, owner, kind, secret, hash);
	return true;
}

/* "apps": {"name": {"client_secret": …, "webhook_verifier": …}} */
static int
import_apps(json_t *apps, char **problem)
{
	static const char *const kinds[] = {SECRET_CLIENT_SECRET, SECRET_WEBHOOK_VERIFIER};
	const char *name;
	json_t	   *app;
	int			imported = 0;

	if (apps == NULL || json_is_null(apps))
		return 0;
	if (!json_is_object(apps))
	{
		set_problem(problem, "\"apps\" is not an object");
		return 0;
	}
	json_object_foreach(apps, name, app)
	{
		if (!json_is_object(app))
		{
			set_problem(problem, "a member of \"apps\" is not an object");
			continue;
		}
		if (!owner_app_exists(name))
			continue;
		for (int i = 0; i < lengthof(kinds); i++)
		{
			const char *secret = text_member(app, kinds[i], problem);

			if (secret != NULL && import_one("app", name, kinds[i], secret))
				imported++;
		}
	}
	return imported;
}

/* "connections": [{"app": …, "realm_id": …, "refresh_token": …}] */
static int
import_connections(json_t *connections, char **problem)
{
	size_t		index;
	json_t	   *entry;
	int			imported = 0;

	if (connections == NULL || json_is_null(connections))
		return 0;
	if (!json_is_array(connections))
	{
		set_problem(problem, "\"connections\" is not an array");
		return 0;
	}
	json_array_foreach(connections, index, entry)
	{
		const char *app;
		const char *realm_id;
		const char *token;
		char	   *connection;

		if (!json_is_object(entry))
		{
			set_problem(problem, psprintf("entry %zu of \"connections\" is not an object", index + 1));
			continue;
		}
		app = text_member(entry, "app", problem);
		realm_id = text_member(entry, "realm_id", problem);
		token = text_member(entry, "refresh_token", problem);
		if (app == NULL || realm_id == NULL || token == NULL)
		{
			set_problem(problem, psprintf("entry %zu of \"connections\" lacks app, realm_id or refresh_token",
										  index + 1));
			continue;
		}
		connection = owner_connection(app, realm_id);
		if (connection != NULL && import_one("connection", connection, SECRET_REFRESH_TOKEN, token))
			imported++;
	}
	return imported;
}
