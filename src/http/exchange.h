/*
 * exchange.h
 *		One HTTP exchange from the request's copy to its response; private to the http room.
 *
 * An exchange and all it owns are malloc'd: curl's callbacks may not use palloc, and an error must never leave curl
 * with a pointer into a memory context that is gone.  http.c keeps every exchange on one of its two lists, so that
 * none can be lost.
 */
#ifndef QBSYNC_EXCHANGE_H
#define QBSYNC_EXCHANGE_H

#include "postgres.h"

#include "lib/ilist.h"

#include <curl/curl.h>

#include "http/http.h"

/*
 * RUNNING -> FINISHED (curl is through with it; waits for its turn) -> DELIVERING (inside its done()) -> freed.
 * A cancelled one is freed from RUNNING or FINISHED.
 */
typedef enum ExchangeState
{
	EXCHANGE_RUNNING,
	EXCHANGE_FINISHED,
	EXCHANGE_DELIVERING
} ExchangeState;

struct HttpExchange
{
	dlist_node	node;			/* in http.c's list of its state */
	ExchangeState state;
	CURL	   *easy;

	/* the request; curl reads from here, so it lives as long as the handle */
	struct curl_slist *headers;
	char	   *request_body;
	size_t		request_len;
	bool		https;
	bool		repeatable;		/* curl may send it again by itself on a fresh connection (GET) */
	int			begun;			/* times curl was about to send it; 0: surely nothing left */

	/* the answer, as it grows */
	char	   *buffer;
	size_t		length;
	size_t		capacity;
	size_t		max_body;
	bool		too_big;
	char		empty[1];		/* the body of an answer without one */
	char		curl_words[CURL_ERROR_SIZE];

	HttpResponse response;
	HttpLeft	left;
	HttpDone	done;
	void	   *arg;
};

/* A new exchange for a request, ready to be handed to curl; raises an error, and leaves nothing behind, if it cannot. */
extern HttpExchange *exchange_create(const HttpRequest *request);

/* Fill in exchange->response from what curl says about the end. */
extern void exchange_finish(HttpExchange *exchange, CURLcode code);

/* Wipe and free; the easy handle must be out of the multi handle. */
extern void exchange_free(HttpExchange *exchange);

#endif							/* QBSYNC_EXCHANGE_H */
