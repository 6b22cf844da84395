/*
 * webhook_sql.c
 *		qbsync_webhook(): a webhook delivery arrives.
 *
 * Called by whatever receives HTTP for the database, with the bytes and the signature as they came.  It judges the signature,
 * notes which records are said to have changed (qbsync.webhook_event) and wakes the gateway at commit; the gateway
 * reads them (heard.c).  Nothing of a delivery is believed but that a record is worth a look.
 *
 * It must answer in milliseconds whatever it is given, and never with an error that somebody outside can cause: Intuit holds
 * later deliveries back behind one that failed (EXT-11).  So all of it runs in a subtransaction, no row is waited for, and
 * what goes wrong inside the database is an answer, too.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "access/detoast.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "common/wake.h"
#include "compat.h"
#include "inbound/mirror_value.h"
#include "qbsync.h"
#include "quickbooks/webhook.h"
#include "security/secret.h"

#define SIGNATURE_BYTES 32		/* SHA-256 */
#define SIGNATURE_CHARS 44		/* the same in base64 */

/* What the receiver is told; doc/webhooks.md says what it answers Intuit. */
#define WEBHOOK_ACCEPTED	"accepted"
#define WEBHOOK_REFUSED		"refused"
#define WEBHOOK_UNAVAILABLE	"unavailable"

PG_FUNCTION_INFO_V1(qbsync_webhook);

/* A delivery being judged. */
typedef struct Delivery
{
	const char *body;
	size_t		len;
	const char *signature;
	Datum	   *apps;			/* names of the apps whose verifier made the signature */
	int			napps;
	int			nverifiers;		/* verifiers that could be tried */
	const char *unusable;		/* name of an app whose verifier could not be opened, or NULL */
} Delivery;

/* Say to the receiver's log why a delivery is not taken; returns the answer. */
static const char *
turn_away(const char *answer, const char *why)
{
	ereport(NOTICE,
			(errmsg("the webhook delivery is %s", answer),
			 errdetail("%s", why)));
	return answer;
}

/* Is this the signature of the body under a verifier?  Takes the same time wherever they differ. */
static bool
signed_with(const Delivery *delivery, const char *verifier)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned char encoded[SIGNATURE_CHARS + 1];
	unsigned int digest_len = 0;
	bool		equal = false;

	if (HMAC(EVP_sha256(), verifier, (int) strlen(verifier), (const unsigned char *) delivery->body, delivery->len,
			 digest, &digest_len) != NULL && digest_len == SIGNATURE_BYTES)
	{
		(void) EVP_EncodeBlock(encoded, digest, SIGNATURE_BYTES);
		equal = CRYPTO_memcmp(encoded, delivery->signature, SIGNATURE_CHARS) == 0;
	}
	OPENSSL_cleanse(digest, sizeof(digest));
	OPENSSL_cleanse(encoded, sizeof(encoded));
	return equal;
}

/* Try the verifiers of all apps: one address may serve several. */
static void
try_verifiers(Delivery *delivery)
{
	static SqlStatement owners = {
		"SELECT a.name FROM qbsync.app a JOIN qbsync.secret s ON s.owner_kind = 'app' AND s.owner = a.name"
		" AND s.kind = 'webhook_verifier' ORDER BY a.name", 0
	};
	int			napps = (int) sql_execute(&owners, NULL, NULL);
	char	  **names = palloc(sizeof(char *) * (napps + 1));

	for (int i = 0; i < napps; i++)
		names[i] = sql_text(i, 1, CurrentMemoryContext);
	delivery->apps = palloc(sizeof(Datum) * (napps + 1));
	for (int i = 0; i < napps; i++)
	{
		char	   *verifier;

		if (secret_open("app", names[i], SECRET_WEBHOOK_VERIFIER, &verifier) != SECRET_OPENED)
		{
			delivery->unusable = names[i];
			continue;
		}
		delivery->nverifiers++;
		if (signed_with(delivery, verifier))
			delivery->apps[delivery->napps++] = CStringGetTextDatum(names[i]);
		secret_wipe(verifier);
	}
}

/* A text[] of n elements; NULL elements where the texts are empty. */
static Datum
text_array(Datum *values, bool *nulls, int n)
{
	int			dims[1] = {n};
	int			lbs[1] = {1};

	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, TEXTOID, -1, false, TYPALIGN_INT));
}

/* One column of the events, for unnest(). */
static Datum
event_texts(const WebhookBody *body, size_t offset)
{
	Datum	   *values = palloc(sizeof(Datum) * (body->nevents + 1));
	bool	   *nulls = palloc0(sizeof(bool) * (body->nevents + 1));

	for (int i = 0; i < body->nevents; i++)
	{
		const char *value = (const char *) &body->events[i] + offset;

		nulls[i] = value[0] == '\0';
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(value);
	}
	return text_array(values, nulls, body->nevents);
}

static Datum
event_operations(const WebhookBody *body)
{
	Datum	   *values = palloc(sizeof(Datum) * (body->nevents + 1));

	for (int i = 0; i < body->nevents; i++)
		values[i] = CStringGetTextDatum(webhook_operation_name(body->events[i].operation));
	return PointerGetDatum(construct_array(values, body->nevents, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The times; null where none can be read. */
static Datum
event_times(const WebhookBody *body)
{
	Datum	   *values = palloc(sizeof(Datum) * (body->nevents + 1));
	bool	   *nulls = palloc0(sizeof(bool) * (body->nevents + 1));
	int			dims[1] = {body->nevents};
	int			lbs[1] = {1};

	for (int i = 0; i < body->nevents; i++)
	{
		const char *said = body->events[i].time;
		TimestampTz time = 0;

		nulls[i] = !mirror_parse_timestamp(said, strlen(said), &time);
		values[i] = TimestampTzGetDatum(time);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, TIMESTAMPTZOID, sizeof(TimestampTz), true,
											  TYPALIGN_DOUBLE));
}

/* Note what a genuine delivery says, and wake the gateway if any of it is news. */
static void
note_events(const Delivery *delivery, const WebhookBody *body)
{
	static SqlStatement note = {
		"SELECT qbsync.note_webhook($1, $2, $3, $4, $5, $6, $7)",
		7, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID}
	};
	Datum		values[7];

	if (body->nevents == 0)
		return;
	values[0] = PointerGetDatum(construct_array(delivery->apps, delivery->napps, TEXTOID, -1, false, TYPALIGN_INT));
	values[1] = event_texts(body, offsetof(WebhookEvent, realm_id));
	values[2] = event_texts(body, offsetof(WebhookEvent, object));
	values[3] = event_texts(body, offsetof(WebhookEvent, id));
	values[4] = event_operations(body);
	values[5] = event_times(body);
	values[6] = event_texts(body, offsetof(WebhookEvent, lost_id));
	sql_execute(&note, values, NULL);
	if (DatumGetInt32(sql_datum(0, 1, NULL)) > 0)
		wake_at_commit();
}

/* Judge a delivery and note what it says; in a transaction with SPI connected.  May raise what the database raises. */
static const char *
take_delivery(Delivery *delivery)
{
	WebhookBody body;

	try_verifiers(delivery);
	if (delivery->napps == 0 && delivery->unusable != NULL)
		return turn_away(WEBHOOK_UNAVAILABLE, psprintf("The verifier of app \"%s\" cannot be opened; see the key file (qbsync.key_file).",
													   delivery->unusable));
	if (delivery->nverifiers == 0)
		return turn_away(WEBHOOK_REFUSED, "No app has a webhook verifier; give it with qbsync_app or in the credentials file.");
	if (delivery->napps == 0)
		return turn_away(WEBHOOK_REFUSED, "Its signature is not of any app's verifier.");
	if (RecoveryInProgress() || XactReadOnly)
		return turn_away(WEBHOOK_UNAVAILABLE, "This is a standby or a read-only transaction; deliver it to the primary server.");
	if (!webhook_read(delivery->body, delivery->len, &body))
		ereport(NOTICE,
				(errmsg("the webhook delivery could not be read to its end"),
				 errdetail("It is not the JSON that is known: %s. What was read counts, the rest is found by polling.", body.error)));
	note_events(delivery, &body);
	return WEBHOOK_ACCEPTED;
}

/* Must an error go through: is it the session that is told to stop? */
static bool
must_go_through(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_QUERY_CANCELED || sqlerrcode == ERRCODE_ADMIN_SHUTDOWN || sqlerrcode == ERRCODE_CRASH_SHUTDOWN;
}

/* The same in a subtransaction: an error of the database is an answer. */
static const char *
take_safely(Delivery *delivery)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	const char *volatile answer = WEBHOOK_UNAVAILABLE;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		SPI_connect();
		answer = take_delivery(delivery);
		SPI_finish();
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (must_go_through(error->sqlerrcode))
			ReThrowError(error);
		ereport(LOG, (errmsg("qbsync could not note a webhook delivery"), errdetail("%s", error->message)));
		FreeErrorData(error);
		answer = turn_away(WEBHOOK_UNAVAILABLE, "An error of the database, see its log.");
	}
	PG_END_TRY();
	return answer;
}

/* The signature without blanks around it, if it has the length of one; else NULL. */
static const char *
plain_signature(text *given)
{
	char	   *signature = text_to_cstring(given);
	size_t		len;

	signature += strspn(signature, " \t\r\n");
	len = strlen(signature);
	while (len > 0 && strchr(" \t\r\n", signature[len - 1]) != NULL)
		len--;
	signature[len] = '\0';
	return len == SIGNATURE_CHARS ? signature : NULL;
}

/*
 * qbsync_webhook(body bytea, signature text) RETURNS text
 */
Datum
qbsync_webhook(PG_FUNCTION_ARGS)
{
	Delivery	delivery = {0};
	const char *answer;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		answer = turn_away(WEBHOOK_REFUSED, "It has no body or no signature.");
	else if (toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ > (Size) qbsync_max_webhook_size * 1024)
		answer = turn_away(WEBHOOK_REFUSED, "Its body is longer than qbsync.max_webhook_size.");
	else if (toast_raw_datum_size(PG_GETARG_DATUM(1)) - VARHDRSZ > 1024 ||
			 (delivery.signature = plain_signature(PG_GETARG_TEXT_PP(1))) == NULL)
		answer = turn_away(WEBHOOK_REFUSED, "Its signature is none: that has 44 characters.");
	else
	{
		bytea	   *body = PG_GETARG_BYTEA_PP(0);

		delivery.body = VARDATA_ANY(body);
		delivery.len = VARSIZE_ANY_EXHDR(body);
		answer = take_safely(&delivery);
	}
	PG_RETURN_TEXT_P(cstring_to_text(answer));
}
