/*
 * exchange.c
 *		One HTTP exchange: its options, curl's callbacks, and how its end is judged.
 *
 * The judgement matters most.  "Surely never sent" (HTTP_NOT_SENT) may be repeated without a thought; "may have
 * arrived" (HTTP_UNKNOWN) may have created an invoice or spent a one-use refresh token.  Only what failed before curl
 * began to send counts as the former; curl tells that moment by its pre-request callback.
 *
 * The same callback keeps curl from doing what it otherwise does silently: when a kept-alive connection turns out dead
 * before an answer came, curl sends the request once more on a new one, a POST too, although the first may have been
 * carried out.  That decision belongs to the caller, who knows about requestids and tokens.
 *
 * HTTP/1.1, not 2: one connection carries one exchange, so that a broken connection leaves exactly one exchange in
 * doubt; Intuit allows ten at once per company, which needs no multiplexing.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include <curl/curl.h>
#include <math.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "http/exchange.h"
#include "http/url.h"
#include "qbsync.h"

/* Any token answer fits into the first buffer, so that no copy of one stays behind when a buffer moves to grow. */
#define FIRST_BUFFER	16384

/*
 * Give up on a peer that goes silent, should request_timeout allow more: Intuit cuts its own requests after 120 s
 * (API page §1), in which not one byte need have come.
 */
#define LOW_SPEED_BYTES_PER_SECOND	1L
#define LOW_SPEED_SECONDS			125L

/* Retry-After beyond a week is a mistake of the sender. */
#define MAX_RETRY_AFTER				(7 * 24 * 60 * 60)

/*
 * curl tells when it begins to send since 7.80; with an older one a POST gets a connection of its own, and a request counts
 * as leaving when curl is given it.
 */
#define HAVE_PREREQ	(LIBCURL_VERSION_NUM >= 0x075000)

static void check_request(const HttpRequest *request, UrlKind kind);
static bool add_header(HttpExchange *exchange, const char *line);
static bool add_basic(HttpExchange *exchange, const char *user, const char *password);
static bool copy_request(HttpExchange *exchange, const HttpRequest *request);
static bool set_options(HttpExchange *exchange, const HttpRequest *request, UrlKind kind);
static bool set_transport(HttpExchange *exchange, UrlKind kind);
static size_t on_body(char *data, size_t size, size_t count, void *arg);
static size_t on_header(char *data, size_t size, size_t count, void *arg);

HttpExchange *
exchange_create(const HttpRequest *request)
{
	bool		https;
	UrlKind		kind = url_kind(request->url, &https);
	HttpExchange *exchange;

	check_request(request, kind);

	/* No error may be raised between here and the ereport below. */
	exchange = calloc(1, sizeof(HttpExchange));
	if (exchange != NULL)
	{
		exchange->https = https;
		exchange->max_body = request->max_body > 0 ? request->max_body : (size_t) qbsync_max_response_size * 1024;
		exchange->repeatable = strcmp(request->method, "GET") == 0;
		exchange->left = request->left;
		exchange->done = request->done;
		exchange->arg = request->arg;
		exchange->response.retry_after = -1;
		exchange->response.started = GetCurrentTimestamp();
		exchange->easy = curl_easy_init();
		if (exchange->easy != NULL && copy_request(exchange, request) && set_options(exchange, request, kind))
		{
#if !HAVE_PREREQ
			if (exchange->left)
				exchange->left(exchange->arg);
#endif
			return exchange;
		}
		exchange_free(exchange);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("could not prepare an HTTP request"),
			 errdetail("libcurl refused its options or is out of memory.")));
	return NULL;				/* not reached */
}

/* Raise an error for what must never be sent.  The URL itself is not shown: its query may hold a code. */
static void
check_request(const HttpRequest *request, UrlKind kind)
{
	if (kind == URL_REFUSED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot send a request to a URL that is not allowed"),
				 errdetail("Allowed are https, and http to a loopback address, without user or password."),
				 errhint("Check the URLs in qbsync.environment.")));
	if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "POST") != 0)
		elog(ERROR, "unsupported HTTP method");
	for (int i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
		if (strpbrk(request->headers[i], "\r\n") != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("cannot send an HTTP header that holds a line break")));
}

/* Append a copy of a header line; false when out of memory. */
static bool
add_header(HttpExchange *exchange, const char *line)
{
	struct curl_slist *longer = curl_slist_append(exchange->headers, line);

	if (longer == NULL)
		return false;
	exchange->headers = longer;
	return true;
}

/*
 * Basic authentication as a header of ours rather than curl's option: the option's copies cannot be wiped.
 */
static bool
add_basic(HttpExchange *exchange, const char *user, const char *password)
{
	static const char prefix[] = "Authorization: Basic ";
	size_t		plain_len = strlen(user) + 1 + strlen(password);
	size_t		line_size = sizeof(prefix) + (plain_len + 2) / 3 * 4 + 1;
	char	   *plain = malloc(plain_len + 1);
	char	   *line = malloc(line_size);
	bool		good = false;

	if (plain != NULL && line != NULL)
	{
		snprintf(plain, plain_len + 1, "%s:%s", user, password);
		strcpy(line, prefix);
		EVP_EncodeBlock((unsigned char *) line + strlen(prefix), (const unsigned char *) plain, (int) plain_len);
		good = add_header(exchange, line);
	}
	if (plain != NULL)
		OPENSSL_cleanse(plain, plain_len);
	if (line != NULL)
		OPENSSL_cleanse(line, line_size);
	free(plain);
	free(line);
	return good;
}

/* Copy headers and body; false when out of memory. */
static bool
copy_request(HttpExchange *exchange, const HttpRequest *request)
{
	/* Without this curl would wait a second for "100 Continue" before it sends a large body. */
	if (!add_header(exchange, "Expect:"))
		return false;
	for (int i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
		if (!add_header(exchange, request->headers[i]))
			return false;
	if (request->basic_user != NULL &&
		!add_basic(exchange, request->basic_user, request->basic_password ? request->basic_password : ""))
		return false;
	if (request->body != NULL && request->body_len > 0)
	{
		exchange->request_body = malloc(request->body_len);
		if (exchange->request_body == NULL)
			return false;
		memcpy(exchange->request_body, request->body, request->body_len);
		exchange->request_len = request->body_len;
	}
	return true;
}

/*
 * curl is about to send the request, on a connection that is ready.  The second time for a POST means that the first
 * may have arrived: stop.
 */
#if HAVE_PREREQ
static int
on_begin(void *arg, char *primary_ip, char *local_ip, int primary_port, int local_port)
{
	HttpExchange *exchange = arg;

	if (exchange->begun > 0 && !exchange->repeatable)
		return CURL_PREREQFUNC_ABORT;
	if (exchange->begun++ == 0 && exchange->left)
		exchange->left(exchange->arg);
	return CURL_PREREQFUNC_OK;
}
#endif

/* Set an option, remembering in "good" whether all went well. */
#define SET(option, value) (good = good && curl_easy_setopt(easy, (option), (value)) == CURLE_OK)

/* Method, URL, headers, callbacks; false when curl refuses. */
static bool
set_options(HttpExchange *exchange, const HttpRequest *request, UrlKind kind)
{
	CURL	   *easy = exchange->easy;
	bool		good = true;

	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_PRIVATE, (void *) exchange);
	SET(CURLOPT_ERRORBUFFER, exchange->curl_words);
	SET(CURLOPT_HTTPHEADER, exchange->headers);
	SET(CURLOPT_USERAGENT, "qbsync/" QBSYNC_VERSION);
	SET(CURLOPT_ACCEPT_ENCODING, "");
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, (void *) exchange);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, (void *) exchange);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
#if HAVE_PREREQ
	SET(CURLOPT_PREREQFUNCTION, on_begin);
	SET(CURLOPT_PREREQDATA, (void *) exchange);
#else
	SET(CURLOPT_FRESH_CONNECT, exchange->repeatable ? 0L : 1L);
#endif
	if (strcmp(request->method, "POST") == 0)
	{
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) exchange->request_len);
		SET(CURLOPT_POSTFIELDS, exchange->request_body ? exchange->request_body : exchange->empty);
	}
	else
		SET(CURLOPT_HTTPGET, 1L);
	return good && set_transport(exchange, kind);
}

/* Connection, TLS and time limits; false when curl refuses. */
static bool
set_transport(HttpExchange *exchange, UrlKind kind)
{
	CURL	   *easy = exchange->easy;
	bool		good = true;

	SET(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, exchange->https ? "https" : "http");
#else
	SET(CURLOPT_PROTOCOLS, (long) (exchange->https ? CURLPROTO_HTTPS : CURLPROTO_HTTP));
#endif
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) qbsync_connect_timeout);
	SET(CURLOPT_TIMEOUT_MS, (long) qbsync_request_timeout);
	SET(CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES_PER_SECOND);
	SET(CURLOPT_LOW_SPEED_TIME, LOW_SPEED_SECONDS);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TCP_KEEPIDLE, 30L);
	SET(CURLOPT_TCP_KEEPINTVL, 15L);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Ending an exchange whose name is still being resolved must not wait for the resolver's thread. */
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	/* Elsewhere the proxy settings of the server's environment hold. */
	if (kind == URL_LOOPBACK)
		SET(CURLOPT_PROXY, "");
	return good;
}

/*
 * Body bytes, already decompressed.  Called inside curl: no palloc, no ereport, no interrupts.  Returning short makes
 * curl end the exchange.
 */
static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	HttpExchange *exchange = arg;
	size_t		added = size * count;
	size_t		needed = exchange->length + added;

	if (needed > exchange->max_body)
	{
		exchange->too_big = true;
		return 0;
	}
	if (needed + 1 > exchange->capacity)
	{
		size_t		capacity = Max(exchange->capacity * 2, FIRST_BUFFER);
		char	   *buffer;

		while (capacity < needed + 1)
			capacity *= 2;
		buffer = realloc(exchange->buffer, capacity);
		if (buffer == NULL)
			return 0;
		exchange->buffer = buffer;
		exchange->capacity = capacity;
	}
	memcpy(exchange->buffer + exchange->length, data, added);
	exchange->length = needed;
	exchange->buffer[needed] = '\0';
	return added;
}

/*
 * The value of a header line if it is the named one: blanks around it cut off, whatever is not printable ASCII
 * replaced (it ends up in text columns), clipped to the size of the target.
 */
static bool
take_header(const char *line, size_t len, const char *name, char *target, size_t target_size)
{
	size_t		name_len = strlen(name);
	size_t		written = 0;

	if (len <= name_len || line[name_len] != ':' || pg_strncasecmp(line, name, name_len) != 0)
		return false;
	line += name_len + 1;
	len -= name_len + 1;
	while (len > 0 && (*line == ' ' || *line == '\t'))
		line++, len--;
	while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
		len--;
	for (; written < len && written < target_size - 1; written++)
		target[written] = (line[written] >= ' ' && line[written] <= '~') ? line[written] : '?';
	target[written] = '\0';
	return true;
}

/* Retry-After holds seconds or a date. */
static int
parse_retry_after(const char *value)
{
	char	   *end;
	double		seconds = strtod(value, &end);

	if (end == value || *end != '\0')
	{
		time_t		when = curl_getdate(value, NULL);

		if (when == (time_t) -1)
			return -1;
		seconds = difftime(when, time(NULL));
	}
	/* written so that not-a-number ends as 0 */
	if (!(seconds > 0))
		return 0;
	return seconds > MAX_RETRY_AFTER ? MAX_RETRY_AFTER : (int) ceil(seconds);
}

/* A header line; the same rules as for on_body(). */
static size_t
on_header(char *data, size_t size, size_t count, void *arg)
{
	HttpExchange *exchange = arg;
	HttpResponse *response = &exchange->response;
	size_t		len = size * count;
	char		value[64];

	/* A status line starts a new block: what an interim answer said does not hold for the final one. */
	if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
	{
		response->intuit_tid[0] = '\0';
		response->content_type[0] = '\0';
		response->retry_after = -1;
	}
	else if (take_header(data, len, "retry-after", value, sizeof(value)))
		response->retry_after = parse_retry_after(value);
	else if (!take_header(data, len, "intuit_tid", response->intuit_tid, sizeof(response->intuit_tid)))
		(void) take_header(data, len, "content-type", response->content_type, sizeof(response->content_type));
	return len;
}

/* A time or size that curl measured; 0 if it has none. */
static curl_off_t
measured(HttpExchange *exchange, CURLINFO what)
{
	curl_off_t	value = 0;

	if (curl_easy_getinfo(exchange->easy, what, &value) != CURLE_OK)
		return 0;
	return value;
}

/* How far an exchange got that failed. */
static const char *
failed_phase(HttpExchange *exchange, CURLcode code)
{
	long		header_size = 0;

	/* on_begin() stopped a second sending; curl's counters speak of that one already */
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return "waiting for the answer";
	if (exchange->begun == 0)
	{
		/* curl's times do not tell connecting from TLS, for it counts both as one; its words do */
		if (measured(exchange, CURLINFO_NAMELOOKUP_TIME_T) == 0)
			return "resolving the server's name";
		return strstr(exchange->curl_words, "SSL") || strstr(exchange->curl_words, "TLS") ? "negotiating TLS" : "connecting";
	}
	if (measured(exchange, CURLINFO_SIZE_UPLOAD_T) < (curl_off_t) exchange->request_len)
		return "sending the request";
	if (curl_easy_getinfo(exchange->easy, CURLINFO_HEADER_SIZE, &header_size) != CURLE_OK || header_size == 0)
		return "waiting for the answer";
	return "receiving the answer";
}

/*
 * Say in response->error what failed.  curl's words may quote the peer (a certificate's name, say) or a URL: only
 * printable ASCII is taken, and of a query string nothing.
 */
static void
describe_failure(HttpExchange *exchange, CURLcode code)
{
	HttpResponse *response = &exchange->response;
	const char *words = exchange->curl_words[0] != '\0' ? exchange->curl_words : curl_easy_strerror(code);
	char	   *to;

	if (exchange->too_big)
	{
		snprintf(response->error, sizeof(response->error), "%s: it is bigger than %zu bytes",
				 failed_phase(exchange, code), exchange->max_body);
		return;
	}
	if (code == CURLE_ABORTED_BY_CALLBACK)
		words = "the connection was closed";
	snprintf(response->error, sizeof(response->error), "%s: %s", failed_phase(exchange, code), words);

	to = response->error;
	for (const char *from = response->error; *from != '\0';)
	{
		if (*from == '?')
		{
			while (*from != '\0' && *from != ' ')
				from++;
			continue;
		}
		*to++ = (*from >= ' ' && *from <= '~') ? *from : '.';
		from++;
	}
	*to = '\0';
}

void
exchange_finish(HttpExchange *exchange, CURLcode code)
{
	HttpResponse *response = &exchange->response;
	long		status = 0;

#if !HAVE_PREREQ
	exchange->begun = measured(exchange, CURLINFO_PRETRANSFER_TIME_T) > 0 ? 1 : 0;
#endif
	if (curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
		response->status = (int) status;
	response->elapsed_us = measured(exchange, CURLINFO_TOTAL_TIME_T);

	if (code == CURLE_OK)
		response->outcome = HTTP_ANSWERED;
	else if (exchange->too_big)
		response->outcome = HTTP_TOO_BIG;
	else
		response->outcome = exchange->begun == 0 ? HTTP_NOT_SENT : HTTP_UNKNOWN;

	/* Part of a body is no body: nobody shall take a truncated one for whole. */
	if (code == CURLE_OK && exchange->buffer != NULL)
	{
		response->body = exchange->buffer;
		response->body_len = exchange->length;
	}
	else
		response->body = exchange->empty;
	if (code != CURLE_OK)
		describe_failure(exchange, code);
}

void
exchange_free(HttpExchange *exchange)
{
	if (exchange->easy != NULL)
		curl_easy_cleanup(exchange->easy);
	for (struct curl_slist *header = exchange->headers; header != NULL; header = header->next)
		OPENSSL_cleanse(header->data, strlen(header->data));
	curl_slist_free_all(exchange->headers);
	if (exchange->request_body != NULL)
		OPENSSL_cleanse(exchange->request_body, exchange->request_len);
	free(exchange->request_body);
	if (exchange->buffer != NULL)
		OPENSSL_cleanse(exchange->buffer, exchange->length);
	free(exchange->buffer);
	free(exchange);
}
