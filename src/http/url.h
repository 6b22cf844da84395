/*
 * url.h
 *		What the http room asks about URLs; private to the room (http.h has the public part).
 */
#ifndef QBSYNC_URL_H
#define QBSYNC_URL_H

#include "postgres.h"

typedef enum UrlKind
{
	URL_REFUSED,				/* malformed, another scheme, user info, or plain http beyond loopback */
	URL_HTTPS,
	URL_LOOPBACK				/* http or https to this very machine: no proxy */
} UrlKind;

/* Judge a URL; *https tells the scheme of one that is not refused. */
extern UrlKind url_kind(const char *url, bool *https);

#endif							/* QBSYNC_URL_H */
