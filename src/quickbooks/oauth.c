/*
 * oauth.c
 *		Bodies for Intuit's token and revoke endpoints, and the tokens in their answers; see oauth.h.
 *
 * Answers are read by the scanner of json_scan.c in place, so that no copy of a token exists but the one handed out.
 * Tokens go into headers and files: only printable ASCII without blanks is accepted, which is what RFC 6750 and every
 * token ever seen consist of.
 */
#include "postgres.h"

#include "quickbooks/json_scan.h"
#include "quickbooks/oauth.h"
#include "security/secret.h"

/* Intuit's access tokens have up to some 4 kB, refresh tokens up to 512 bytes. */
#define TOKEN_MAX		8192

/* What Intuit documents for expires_in, should it be missing. */
#define DEFAULT_LIFETIME 3600

/* Longest lifetime believed: a hundred years in seconds, so that adding it to a time cannot overflow. */
#define LIFETIME_MAX	INT64CONST(3155760000)

static char *append_text(char *out, const char *source);
static char *append_encoded(char *out, const char *source);
static bool read_token(JsonScan *scan, char **token);
static void read_lifetime(JsonScan *scan, int64 *seconds);

char *
oauth_code_body(const char *code, const char *redirect_uri)
{
	static const char grant[] = "grant_type=authorization_code&code=";
	static const char redirect[] = "&redirect_uri=";
	char	   *body = palloc(sizeof(grant) + sizeof(redirect) + 3 * (strlen(code) + strlen(redirect_uri)));
	char	   *end = append_encoded(append_text(body, grant), code);

	end = append_encoded(append_text(end, redirect), redirect_uri);
	*end = '\0';
	return body;
}

char *
oauth_refresh_body(const char *refresh_token)
{
	static const char grant[] = "grant_type=refresh_token&refresh_token=";
	char	   *body = palloc(sizeof(grant) + 3 * strlen(refresh_token));
	char	   *end = append_encoded(append_text(body, grant), refresh_token);

	*end = '\0';
	return body;
}

char *
oauth_revoke_body(const char *token)
{
	static const char prefix[] = "{\"token\":\"";
	static const char suffix[] = "\"}";
	char	   *body = palloc(sizeof(prefix) + sizeof(suffix) + 6 * strlen(token));
	char	   *end = append_text(body, prefix);

	for (; *token != '\0'; token++)
	{
		unsigned char c = (unsigned char) *token;

		if (c < 0x20)
			end += sprintf(end, "\\u%04x", (unsigned) c);
		else
		{
			if (c == '"' || c == '\\')
				*end++ = '\\';
			*end++ = *token;
		}
	}
	end = append_text(end, suffix);
	*end = '\0';
	return body;
}

bool
oauth_parse_tokens(const char *body, size_t body_len, OauthTokens *tokens)
{
	JsonScan	scan;
	JsonSpan	key;
	bool		fine = true;

	memset(tokens, 0, sizeof(*tokens));
	tokens->expires_in = DEFAULT_LIFETIME;
	tokens->refresh_expires_in = -1;
	tokens->refresh_hard_expires_in = -1;

	jscan_begin(&scan, body, body_len);
	if (!jscan_enter(&scan, '{'))
		return false;
	while (fine && jscan_member(&scan, &key))
	{
		if (jscan_key_is(&key, "access_token"))
			fine = read_token(&scan, &tokens->access_token);
		else if (jscan_key_is(&key, "refresh_token"))
			fine = read_token(&scan, &tokens->refresh_token);
		else if (jscan_key_is(&key, "expires_in"))
			read_lifetime(&scan, &tokens->expires_in);
		else if (jscan_key_is(&key, "x_refresh_token_expires_in"))
			read_lifetime(&scan, &tokens->refresh_expires_in);
		else if (jscan_key_is(&key, "x_refresh_token_hard_expires_in"))
			read_lifetime(&scan, &tokens->refresh_hard_expires_in);
		else
			jscan_value(&scan, NULL);
	}
	if (fine && jscan_finish(&scan) && tokens->access_token != NULL)
		return true;

	secret_wipe(tokens->access_token);
	secret_wipe(tokens->refresh_token);
	tokens->access_token = tokens->refresh_token = NULL;
	return false;
}

/*
 * Take a token (the last one, should there be several) as a palloc'd string; NULL for null and "".  False if it is
 * something else than a token.
 */
static bool
read_token(JsonScan *scan, char **token)
{
	JsonSpan	value;
	const char *end;
	char	   *out;

	secret_wipe(*token);
	*token = NULL;
	if (!jscan_value(scan, &value))
		return false;
	if (value.text[0] == 'n' || value.len == 2)
		return value.text[0] == 'n' || value.text[0] == '"';
	if (value.text[0] != '"' || value.len - 2 > TOKEN_MAX)
		return false;

	end = value.text + value.len - 1;
	out = *token = palloc(value.len);
	for (const char *p = value.text + 1; p < end; p++)
	{
		int			c = (unsigned char) *p;

		if (c == '\\')
		{
			/* Some encoders write '=' and '&' as \u escapes. */
			c = jscan_unicode_escape((const unsigned char *) p, (const unsigned char *) end);
			if (c < 0)
				c = strchr("/\"\\", p[1]) != NULL ? p[1] : 0;
			p += p[1] == 'u' ? 5 : 1;
		}
		if (c <= ' ' || c > '~')
		{
			*out = '\0';
			return false;
		}
		*out++ = (char) c;
	}
	*out = '\0';
	return true;
}

/* Take a number of seconds, given as a number or a string; what makes no sense leaves *seconds as it was. */
static void
read_lifetime(JsonScan *scan, int64 *seconds)
{
	JsonSpan	value;
	int64		number;

	if (jscan_value(scan, &value) && jscan_integer(&value, &number) && number >= 0 && number <= LIFETIME_MAX)
		*seconds = number;
}

/* Append without the NUL; returns the new end. */
static char *
append_text(char *out, const char *source)
{
	size_t		len = strlen(source);

	memcpy(out, source, len);
	return out + len;
}

/* Append percent-encoded: all but RFC 3986's unreserved characters. */
static char *
append_encoded(char *out, const char *source)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";

	for (; *source != '\0'; source++)
	{
		unsigned char c = (unsigned char) *source;

		if (strchr(unreserved, c) != NULL)
			*out++ = *source;
		else
		{
			*out++ = '%';
			*out++ = hex[c >> 4];
			*out++ = hex[c & 15];
		}
	}
	return out;
}
