/*
 * secret.c
 *		Secrets at rest: AES-256-GCM rows in qbsync.secret.
 *
 * Each row is encrypted under a random nonce of 12 bytes and authenticated together with who owns it, its kind and the
 * id of the key, so that a row copied onto another owner's place does not open there.  Random nonces are safe for 2^32
 * encryptions under one key; a company rotates its token about once an hour.
 *
 * Any backend whose function was handed a secret may encrypt one.  Opening is a matter of the gateway, where no user
 * code runs: it says so once with secret_allow_opening().
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "common/unit.h"
#include "security/keyfile.h"
#include "security/secret.h"

#define NONCE_BYTES		12
#define TAG_BYTES		16

static bool secret_may_open = false;

static void key_for_storing(SecretKey *key);
static char *associated_data(const char *owner_kind, const char *owner, const char *kind, const char *key_id);
static bool encrypt(const SecretKey *key, const char *aad, const unsigned char *nonce,
					const char *plain, size_t len, unsigned char *sealed);
static bool decrypt(const SecretKey *key, const char *aad, const unsigned char *nonce,
					const unsigned char *sealed, size_t sealed_len, char *plain);

void
secret_allow_opening(void)
{
	secret_may_open = true;
}

void
secret_store(const char *owner_kind, const char *owner, const char *kind, const char *secret, const char *origin_hash)
{
	static SqlStatement upsert = {
		"INSERT INTO qbsync.secret AS s (owner_kind, owner, kind, key_id, nonce, ciphertext, origin_hash) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7) "
		"ON CONFLICT (owner_kind, owner, kind) DO UPDATE SET key_id = EXCLUDED.key_id, nonce = EXCLUDED.nonce, "
		"ciphertext = EXCLUDED.ciphertext, origin_hash = COALESCE(EXCLUDED.origin_hash, s.origin_hash), "
		"updated_at = pg_catalog.now()",
		7, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, BYTEAOID, TEXTOID}
	};
	size_t		len = strlen(secret);
	bytea	   *nonce = palloc(VARHDRSZ + NONCE_BYTES);
	bytea	   *sealed = palloc(VARHDRSZ + len + TAG_BYTES);
	char	   *aad;
	bool		good;
	SecretKey	key;
	char		key_id[KEY_ID_LENGTH + 1];
	Datum		values[7];

	SET_VARSIZE(nonce, VARHDRSZ + NONCE_BYTES);
	SET_VARSIZE(sealed, VARHDRSZ + len + TAG_BYTES);

	key_for_storing(&key);
	strlcpy(key_id, key.id, sizeof(key_id));
	aad = associated_data(owner_kind, owner, kind, key_id);
	good = pg_strong_random(VARDATA(nonce), NONCE_BYTES) &&
		encrypt(&key, aad, (unsigned char *) VARDATA(nonce), secret, len, (unsigned char *) VARDATA(sealed));
	keyfile_forget(&key);
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not encrypt a secret"),
				 errdetail("libcrypto refused AES-256-GCM or has no randomness.")));

	values[0] = CStringGetTextDatum(owner_kind);
	values[1] = CStringGetTextDatum(owner);
	values[2] = CStringGetTextDatum(kind);
	values[3] = CStringGetTextDatum(key_id);
	values[4] = PointerGetDatum(nonce);
	values[5] = PointerGetDatum(sealed);
	values[6] = origin_hash ? CStringGetTextDatum(origin_hash) : (Datum) 0;
	sql_execute(&upsert, values, origin_hash ? NULL : "      n");
}

/* Is there any secret in this database? */
static bool
any_secret(void)
{
	static SqlStatement exists = {"SELECT FROM qbsync.secret LIMIT 1", 0};
	bool		any = sql_execute(&exists, NULL, NULL) > 0;

	SPI_freetuptable(SPI_tuptable);
	return any;
}

/*
 * The key to encrypt with, made now if there is neither a key file nor a secret yet.  A missing key beside existing
 * secrets is an accident that a new key would make final.
 */
static void
key_for_storing(SecretKey *key)
{
	/* Lets one session at a time judge "no secret yet"; keyfile_create() settles it between databases. */
	static SqlStatement lock = {"LOCK TABLE qbsync.secret IN SHARE ROW EXCLUSIVE MODE", 0};
	char	   *reason;
	KeyFileResult result = keyfile_read(key, &reason);

	if (result == KEYFILE_MISSING && !any_secret())
	{
		sql_execute(&lock, NULL, NULL);
		if (!any_secret() && !keyfile_create(&reason))
			result = KEYFILE_REFUSED;
		else
			result = keyfile_read(key, &reason);
	}
	if (result != KEYFILE_READ)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot encrypt a secret without the key"),
				 errdetail_internal("%c%s.", pg_toupper((unsigned char) reason[0]), reason + 1),
				 errhint("Restore the key file, or see the setting qbsync.key_file.")));
}

SecretResult
secret_open(const char *owner_kind, const char *owner, const char *kind, char **secret)
{
	static SqlStatement select = {
		"SELECT key_id, nonce, ciphertext FROM qbsync.secret "
		"WHERE owner_kind OPERATOR(pg_catalog.=) $1 AND owner OPERATOR(pg_catalog.=) $2 "
		"AND kind OPERATOR(pg_catalog.=) $3",
		3, {TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		values[] = {CStringGetTextDatum(owner_kind), CStringGetTextDatum(owner), CStringGetTextDatum(kind)};
	bytea	   *nonce;
	bytea	   *sealed;
	char	   *key_id;
	char	   *reason;
	SecretKey	key;
	SecretResult result = SECRET_DAMAGED;

	*secret = NULL;
	if (!secret_may_open && strcmp(kind, SECRET_WEBHOOK_VERIFIER) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only the gateway worker may open a secret")));

	if (sql_execute(&select, values, NULL) == 0)
	{
		SPI_freetuptable(SPI_tuptable);
		return SECRET_ABSENT;
	}
	key_id = sql_text(0, 1, CurrentMemoryContext);
	nonce = DatumGetByteaPCopy(sql_datum(0, 2, NULL));
	sealed = DatumGetByteaPCopy(sql_datum(0, 3, NULL));
	SPI_freetuptable(SPI_tuptable);

	if (keyfile_read(&key, &reason) != KEYFILE_READ)
		return SECRET_NO_KEY;
	if (strcmp(key_id, key.id) != 0)
		result = SECRET_OTHER_KEY;
	else if (VARSIZE(nonce) - VARHDRSZ == NONCE_BYTES && VARSIZE(sealed) - VARHDRSZ >= TAG_BYTES)
	{
		size_t		sealed_len = VARSIZE(sealed) - VARHDRSZ;
		char	   *plain = palloc0(sealed_len - TAG_BYTES + 1);

		if (decrypt(&key, associated_data(owner_kind, owner, kind, key_id), (unsigned char *) VARDATA(nonce),
					(unsigned char *) VARDATA(sealed), sealed_len, plain))
		{
			*secret = plain;
			result = SECRET_OPENED;
		}
		else
		{
			OPENSSL_cleanse(plain, sealed_len - TAG_BYTES);
			pfree(plain);
		}
	}
	keyfile_forget(&key);
	return result;
}

void
secret_remove(const char *owner_kind, const char *owner, const char *kind)
{
	static SqlStatement remove = {
		"DELETE FROM qbsync.secret "
		"WHERE owner_kind OPERATOR(pg_catalog.=) $1 AND owner OPERATOR(pg_catalog.=) $2 "
		"AND kind OPERATOR(pg_catalog.=) $3",
		3, {TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		values[] = {CStringGetTextDatum(owner_kind), CStringGetTextDatum(owner), CStringGetTextDatum(kind)};

	sql_execute(&remove, values, NULL);
}

char *
secret_origin_hash(const char *owner_kind, const char *owner, const char *kind)
{
	static SqlStatement select = {
		"SELECT origin_hash FROM qbsync.secret "
		"WHERE owner_kind OPERATOR(pg_catalog.=) $1 AND owner OPERATOR(pg_catalog.=) $2 "
		"AND kind OPERATOR(pg_catalog.=) $3",
		3, {TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		values[] = {CStringGetTextDatum(owner_kind), CStringGetTextDatum(owner), CStringGetTextDatum(kind)};
	char	   *hash = NULL;

	if (sql_execute(&select, values, NULL) > 0)
		hash = sql_text(0, 1, CurrentMemoryContext);
	SPI_freetuptable(SPI_tuptable);
	return hash;
}

char *
secret_hash(const char *value)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char	   *hex = palloc(2 * SHA256_DIGEST_LENGTH + 1);

	SHA256((const unsigned char *) value, strlen(value), digest);
	for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return hex;
}

void
secret_wipe(char *secret)
{
	if (secret == NULL)
		return;
	OPENSSL_cleanse(secret, strlen(secret));
	pfree(secret);
}

char *
secret_key_path(void)
{
	return keyfile_path();
}

bool
secret_key_usable(char **reason)
{
	SecretKey	key;
	bool		usable = keyfile_read(&key, reason) == KEYFILE_READ;

	keyfile_forget(&key);
	return usable;
}

/*
 * What is authenticated with a ciphertext; palloc'd.  An owner may hold any character; the parts around it hold no
 * bar, so the text stays unambiguous.
 */
static char *
associated_data(const char *owner_kind, const char *owner, const char *kind, const char *key_id)
{
	return psprintf("qbsync|%s|%s|%s|%s", owner_kind, owner, kind, key_id);
}

/* AES-256-GCM: ciphertext and tag into sealed (len + TAG_BYTES).  Raises nothing. */
static bool
encrypt(const SecretKey *key, const char *aad, const unsigned char *nonce,
		const char *plain, size_t len, unsigned char *sealed)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	int			out;
	bool		good;

	good = cipher != NULL &&
		EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes, nonce) == 1 &&
		EVP_EncryptUpdate(cipher, NULL, &out, (const unsigned char *) aad, (int) strlen(aad)) == 1 &&
		EVP_EncryptUpdate(cipher, sealed, &out, (const unsigned char *) plain, (int) len) == 1 &&
		EVP_EncryptFinal_ex(cipher, sealed + len, &out) == 1 &&
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, sealed + len) == 1;
	EVP_CIPHER_CTX_free(cipher);
	return good;
}

/* The reverse; false when the tag does not fit, and then plain must not be used.  Raises nothing. */
static bool
decrypt(const SecretKey *key, const char *aad, const unsigned char *nonce,
		const unsigned char *sealed, size_t sealed_len, char *plain)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	size_t		len = sealed_len - TAG_BYTES;
	int			out;
	bool		good;

	good = cipher != NULL &&
		EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes, nonce) == 1 &&
		EVP_DecryptUpdate(cipher, NULL, &out, (const unsigned char *) aad, (int) strlen(aad)) == 1 &&
		EVP_DecryptUpdate(cipher, (unsigned char *) plain, &out, sealed, (int) len) == 1 &&
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, unconstify(unsigned char *, sealed + len)) == 1 &&
		EVP_DecryptFinal_ex(cipher, (unsigned char *) plain + len, &out) == 1;
	EVP_CIPHER_CTX_free(cipher);
	return good;
}
