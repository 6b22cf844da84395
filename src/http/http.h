/*
 * http.h
 *		HTTP exchanges that run beside the worker's other work.
 *
 * One curl multi handle, driven by the worker's own wait: http_wait() waits for the process latch, postmaster
 * death, every curl socket and a timeout in one WaitEventSet, feeds curl, and then calls the `done` callback of
 * every exchange that ended.  Those callbacks run from http_wait() only, outside any transaction, never from inside
 * curl, and may start or cancel other exchanges.  This room knows nothing of SQL nor of QuickBooks.
 */
#ifndef QBSYNC_HTTP_H
#define QBSYNC_HTTP_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* How an exchange ended. */
typedef enum HttpOutcome
{
	HTTP_ANSWERED,				/* a complete answer, whatever its status */
	HTTP_NOT_SENT,				/* the request surely never left (name, connection, TLS) */
	HTTP_UNKNOWN,				/* it may have arrived: cut, timed out, truncated */
	HTTP_TOO_BIG				/* the answer grew beyond max_body */
} HttpOutcome;

typedef struct HttpResponse
{
	HttpOutcome outcome;
	int			status;			/* HTTP status, 0 unless known */
	char	   *body;			/* NUL-terminated after body_len bytes; owned by the exchange, gone after done() */
	size_t		body_len;
	char		intuit_tid[80]; /* value of the intuit_tid header, "" if none */
	char		content_type[64];
	int			retry_after;	/* seconds of a Retry-After header, -1 if none */
	char		error[256];		/* unless HTTP_ANSWERED: what failed and in which phase, in words */
	int64		elapsed_us;
	TimestampTz started;		/* local clock when the request began */
} HttpResponse;

typedef void (*HttpDone) (const HttpResponse *response, void *arg);

/* The request leaves, once its connection is there.  Called inside curl, once at most: it may only take note. */
typedef void (*HttpLeft) (void *arg);

typedef struct HttpRequest
{
	const char *method;			/* "GET" or "POST" */
	const char *url;			/* https, or http to a loopback address; anything else is refused */
	const char *const *headers; /* NULL-terminated "Name: value" lines, or NULL */
	const char *body;			/* NULL for none */
	size_t		body_len;
	const char *basic_user;		/* Basic authentication, or NULL */
	const char *basic_password;
	size_t		max_body;		/* bytes; 0: the setting qbsync.max_response_size */
	HttpLeft	left;			/* NULL: of no interest */
	HttpDone	done;
	void	   *arg;
} HttpRequest;

typedef struct HttpExchange HttpExchange;

/* Set up curl for this process; once, from the worker's main function. */
extern void http_init(void);

/*
 * Start an exchange.  Everything in *request is copied (secrets are wiped when it ends).  Raises an error, and
 * starts nothing, for a URL that is not allowed.
 */
extern HttpExchange *http_start(const HttpRequest *request);

/* End an exchange without calling its done(). */
extern void http_cancel(HttpExchange *exchange);

/* Let curl begin with what was started, and come back: it leaves now, and not only when the worker waits next. */
extern void http_push(void);

/*
 * Wait at most timeout_ms (-1: for ever) for the latch, a socket or postmaster death, drive curl, call the done()
 * of every exchange that ended.  Resets the latch and serves interrupts (CHECK_FOR_INTERRUPTS) first thing after
 * waking.  Must be called without a transaction.  Returns true if the latch had been set.
 */
extern bool http_wait(long timeout_ms, uint32 wait_event_info);

/* Is a URL one that qbsync may talk to: https, or plain http to a loopback address, no user or password in it? */
extern bool http_url_allowed(const char *url);

/* Percent-encode for a query string (RFC 3986 unreserved characters stay); palloc'd. */
extern char *http_escape(const char *text);

#endif							/* QBSYNC_HTTP_H */
