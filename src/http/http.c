/*
 * http.c
 *		The multi handle and the worker's wait.
 *
 * curl never waits by itself here.  It tells which sockets it watches and when it wants to be called again (its socket
 * and timer callbacks); http_wait() waits for those together with the process latch and the postmaster's death, and
 * then hands curl what happened.  So the worker reacts to SIGTERM, to a reload and to the barriers of DROP DATABASE at
 * once, whatever an HTTP peer does or does not do.
 *
 * Exchanges are on one of two lists: running (curl works on it) and finished (its done() was not called yet).  An
 * error that leaves http_wait() at any point leaves both lists whole; the next call goes on where it stopped.
 *
 * curl resolves names in threads of its own.  A signal must not be handled in one of those: PostgreSQL's handlers
 * belong to the main thread.  So all signals are blocked whenever curl might start a thread, and threads inherit that.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include <curl/curl.h>
#include <limits.h>
#include <signal.h>
#include <time.h>

#include "compat.h"
#include "http/exchange.h"
#include "http/http.h"

/* Connections at once, and kept alive; more exchanges than that wait inside curl. */
#define MAX_CONNECTIONS			200L
#define MAX_KEPT_CONNECTIONS	64L

/* Events taken from one wait; the rest comes with the next. */
#define MAX_EVENTS				64

/* A socket that curl watches. */
typedef struct WatchedSocket
{
	curl_socket_t fd;
	int			what;			/* CURL_POLL_IN, _OUT or _INOUT */
} WatchedSocket;

static CURLM *multi = NULL;
static dlist_head running = DLIST_STATIC_INIT(running);
static dlist_head finished = DLIST_STATIC_INIT(finished);

/* malloc'd: grows inside a curl callback */
static WatchedSocket *sockets = NULL;
static int	nsockets = 0;
static int	sockets_allocated = 0;

/* Covers `sockets` as they were when it was made; rebuilt after any change, since events cannot be removed from it. */
static WaitEventSet *wait_set = NULL;
static bool wait_set_stale = true;

/* Monotonic time (us) at which curl wants to be called, or -1. */
static int64 curl_deadline = -1;

static int	on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg);
static int	on_timer(CURLM *handle, long timeout_ms, void *arg);
static void drive(curl_socket_t fd, int flags);
static void rebuild_wait_set(void);
static long wait_time(long timeout_ms);
static void collect_finished(void);
static void deliver(HttpExchange *exchange);

void
http_init(void)
{
	if (multi != NULL)
		return;

	/* Not in _PG_init: it may start threads, which a postmaster must not have. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		(multi = curl_multi_init()) == NULL ||
		curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
		curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
		curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, MAX_CONNECTIONS) != CURLM_OK ||
		curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, MAX_KEPT_CONNECTIONS) != CURLM_OK)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not initialize libcurl")));
}

/* Block every signal, for threads that curl may start now; *saved is for allow_signals(). */
static void
block_signals(sigset_t *saved)
{
	sigset_t	all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, saved);
}

static void
allow_signals(const sigset_t *saved)
{
	pthread_sigmask(SIG_SETMASK, saved, NULL);
}

HttpExchange *
http_start(const HttpRequest *request)
{
	HttpExchange *exchange;
	CURLMcode	code;
	sigset_t	saved;

	if (multi == NULL)
		elog(ERROR, "http_init was not called");
	exchange = exchange_create(request);

	block_signals(&saved);
	code = curl_multi_add_handle(multi, exchange->easy);
	allow_signals(&saved);
	if (code != CURLM_OK)
	{
		exchange_free(exchange);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not start an HTTP request"),
				 errdetail("libcurl says: %s.", curl_multi_strerror(code))));
	}
	exchange->state = EXCHANGE_RUNNING;
	dlist_push_tail(&running, &exchange->node);
	return exchange;
}

/* Take a running exchange out of curl's hands; its connection is closed unless the exchange was over. */
static void
detach(HttpExchange *exchange)
{
	sigset_t	saved;

	block_signals(&saved);
	(void) curl_multi_remove_handle(multi, exchange->easy);
	allow_signals(&saved);
}

void
http_cancel(HttpExchange *exchange)
{
	/* From inside its own done(): it ends by itself. */
	if (exchange->state == EXCHANGE_DELIVERING)
		return;

	if (exchange->state == EXCHANGE_RUNNING)
		detach(exchange);
	dlist_delete(&exchange->node);
	exchange_free(exchange);
}

void
http_push(void)
{
	if (multi == NULL)
		elog(ERROR, "http_init was not called");
	if (wait_time(-1) != 0)
		return;
	curl_deadline = -1;			/* curl sets it anew if it needs to */
	drive(CURL_SOCKET_TIMEOUT, 0);
	/* what ended already is not waited for */
	collect_finished();
}

bool
http_wait(long timeout_ms, uint32 wait_event_info)
{
	WaitEvent	events[MAX_EVENTS];
	int			nevents;
	bool		latch_set = false;

	if (multi == NULL)
		elog(ERROR, "http_init was not called");
	/* The second promise of the design; cheap enough to be checked in every build. */
	if (IsTransactionState())
		elog(ERROR, "cannot wait for the network inside a transaction");

	if (wait_set_stale)
		rebuild_wait_set();
	nevents = WaitEventSetWait(wait_set, wait_time(timeout_ms), events, MAX_EVENTS, wait_event_info);

	for (int i = 0; i < nevents; i++)
		if (events[i].events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			latch_set = true;
		}
	CHECK_FOR_INTERRUPTS();

	for (int i = 0; i < nevents; i++)
		if (events[i].events & WL_SOCKET_MASK)
			drive(events[i].fd,
				  ((events[i].events & WL_SOCKET_READABLE) ? CURL_CSELECT_IN : 0) |
				  ((events[i].events & WL_SOCKET_WRITEABLE) ? CURL_CSELECT_OUT : 0));
	if (wait_time(-1) == 0)
	{
		curl_deadline = -1;		/* curl sets it anew if it needs to */
		drive(CURL_SOCKET_TIMEOUT, 0);
	}

	collect_finished();
	while (!dlist_is_empty(&finished))
	{
		CHECK_FOR_INTERRUPTS();
		deliver(dlist_head_element(HttpExchange, node, &finished));
	}
	return latch_set;
}

/* Let curl do what it can about a socket, or about time. */
static void
drive(curl_socket_t fd, int flags)
{
	CURLMcode	code;
	int			still_running;
	sigset_t	saved;

	block_signals(&saved);
	code = curl_multi_socket_action(multi, fd, flags, &still_running);
	allow_signals(&saved);

	/* An event for a socket that curl closed a moment ago is no fault. */
	if (code != CURLM_OK && code != CURLM_BAD_SOCKET)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not drive HTTP requests"),
				 errdetail("libcurl says: %s.", curl_multi_strerror(code))));
}

/* curl starts, changes or ends its interest in a socket.  Inside curl: no palloc, no ereport. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	int			i;

	wait_set_stale = true;
	for (i = 0; i < nsockets; i++)
		if (sockets[i].fd == fd)
			break;

	if (what == CURL_POLL_REMOVE || what == CURL_POLL_NONE)
	{
		if (i < nsockets)
			sockets[i] = sockets[--nsockets];
		return 0;
	}
	if (i == sockets_allocated)
	{
		int			allocated = Max(sockets_allocated * 2, 16);
		WatchedSocket *bigger = realloc(sockets, allocated * sizeof(WatchedSocket));

		if (bigger == NULL)
			return -1;
		sockets = bigger;
		sockets_allocated = allocated;
	}
	if (i == nsockets)
		nsockets++;
	sockets[i].fd = fd;
	sockets[i].what = what;
	return 0;
}

/* Monotonic clock in microseconds: a step of the wall clock must not stop or flood the wait. */
static int64
monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* curl wants to be called in timeout_ms, or (-1) no longer.  Inside curl. */
static int
on_timer(CURLM *handle, long timeout_ms, void *arg)
{
	curl_deadline = timeout_ms < 0 ? -1 : monotonic_us() + (int64) timeout_ms * 1000;
	return 0;
}

/* The time to wait: the caller's, cut short by curl's timer or by answers that wait to be delivered. */
static long
wait_time(long timeout_ms)
{
	if (!dlist_is_empty(&finished))
		return 0;
	if (curl_deadline >= 0)
	{
		int64		left = (curl_deadline - monotonic_us() + 999) / 1000;

		left = Max(left, 0);
		if (timeout_ms < 0 || left < timeout_ms)
			timeout_ms = (long) left;
	}
	return Min(timeout_ms, (long) INT_MAX);
}

static void
rebuild_wait_set(void)
{
	if (wait_set != NULL)
	{
		WaitEventSet *old = wait_set;

		wait_set = NULL;
		FreeWaitEventSet(old);
	}
	/* Remembered before anything is added: an error on the way leaves it to be freed by the next attempt. */
	wait_set = qbsync_create_wait_event_set(nsockets + 2);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int i = 0; i < nsockets; i++)
		AddWaitEventToSet(wait_set,
						  ((sockets[i].what & CURL_POLL_IN) ? WL_SOCKET_READABLE : 0) |
						  ((sockets[i].what & CURL_POLL_OUT) ? WL_SOCKET_WRITEABLE : 0),
						  sockets[i].fd, NULL, NULL);
	wait_set_stale = false;
}

/* Move every exchange that curl is through with to the other list. */
static void
collect_finished(void)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		CURLcode	code = message->data.result;
		CURL	   *easy = message->easy_handle;
		char	   *private = NULL;
		HttpExchange *exchange;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
		exchange = (HttpExchange *) private;
		exchange_finish(exchange, code);
		detach(exchange);
		dlist_delete(&exchange->node);
		exchange->state = EXCHANGE_FINISHED;
		dlist_push_tail(&finished, &exchange->node);
	}
}

/*
 * Call an exchange's done() in a memory context of its own, and free it whatever done() does: an error goes on to the
 * caller of http_wait(), and the exchanges behind this one are delivered by the next call.
 */
static void
deliver(HttpExchange *exchange)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "qbsync HTTP answer", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);

	dlist_delete(&exchange->node);
	exchange->state = EXCHANGE_DELIVERING;
	PG_TRY();
	{
		exchange->done(&exchange->response, exchange->arg);
	}
	PG_FINALLY();
	{
		MemoryContextSwitchTo(caller);
		MemoryContextDelete(context);
		exchange_free(exchange);
	}
	PG_END_TRY();
}
