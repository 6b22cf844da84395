/*
 * url.c
 *		Which URLs qbsync may talk to, and percent-encoding.
 *
 * A URL comes from qbsync.environment, so from a superuser, but a slip there would send client secrets and tokens to
 * the wrong place or in the clear.  Plain http is therefore for loopback addresses only (the simulator), and a URL is
 * judged by curl's own parser, the one that will be used to connect: two parsers that disagree about where the host
 * ends are how such checks are usually passed by.
 *
 * Nothing here needs http_init(); any backend may call it.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <curl/curl.h>

#include "http/http.h"
#include "http/url.h"

/*
 * Is a host, as curl's parser gives it, this machine?  The parser has turned every spelling of an IPv4 address
 * ("127.1", "0x7f000001") into four decimal numbers, and curl connects "localhost" to 127.0.0.1 or ::1 without asking
 * a resolver.
 */
static bool
host_is_loopback(const char *host)
{
	struct in_addr address;

	if (pg_strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

/*
 * Scheme and host of a URL, both malloc'd by curl, or false (and nothing to free) for a URL that cannot be used.
 */
static bool
split_url(const char *url, char **scheme, char **host)
{
	CURLU	   *parsed = curl_url();
	char	   *user = NULL;
	bool		good;

	*scheme = *host = NULL;
	if (parsed == NULL)
		return false;
	good = curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_USER, &user, 0) == CURLUE_NO_USER &&
		curl_url_get(parsed, CURLUPART_SCHEME, scheme, 0) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_HOST, host, 0) == CURLUE_OK &&
		(*host)[0] != '\0';
	curl_free(user);
	curl_url_cleanup(parsed);
	if (!good)
	{
		curl_free(*scheme);
		curl_free(*host);
		*scheme = *host = NULL;
	}
	return good;
}

UrlKind
url_kind(const char *url, bool *https)
{
	char	   *scheme;
	char	   *host;
	UrlKind		kind = URL_REFUSED;

	*https = false;
	/* curl forgives a third slash and takes the path's first part for the host; a slip like that is to be seen. */
	if (url == NULL || strstr(url, ":///") != NULL || !split_url(url, &scheme, &host))
		return URL_REFUSED;

	*https = strcmp(scheme, "https") == 0;
	if (*https || strcmp(scheme, "http") == 0)
	{
		if (host_is_loopback(host))
			kind = URL_LOOPBACK;
		else if (*https)
			kind = URL_HTTPS;
	}
	curl_free(scheme);
	curl_free(host);
	return kind;
}

bool
http_url_allowed(const char *url)
{
	bool		https;

	return url_kind(url, &https) != URL_REFUSED;
}

/*
 * Percent-encode for a query string; palloc'd.  Written out rather than curl_easy_escape(), which needs malloc'd
 * memory that an error would leak.
 */
char *
http_escape(const char *value)
{
	static const char hex[] = "0123456789ABCDEF";
	char	   *result = palloc(strlen(value) * 3 + 1);
	char	   *to = result;

	for (const unsigned char *from = (const unsigned char *) value; *from != '\0'; from++)
	{
		if ((*from >= 'a' && *from <= 'z') || (*from >= 'A' && *from <= 'Z') || (*from >= '0' && *from <= '9') ||
			*from == '-' || *from == '.' || *from == '_' || *from == '~')
			*to++ = (char) *from;
		else
		{
			*to++ = '%';
			*to++ = hex[*from >> 4];
			*to++ = hex[*from & 0x0f];
		}
	}
	*to = '\0';
	return result;
}
