/*
 * mirror_json.h
 *		A record's text as jsonb.
 */
#ifndef QBSYNC_MIRROR_JSON_H
#define QBSYNC_MIRROR_JSON_H

#include "postgres.h"

#include "utils/jsonb.h"

/*
 * The same as jsonb_in() makes of a text in which the scan of the page found nothing that jsonb cannot hold; faster.  In the
 * current memory context, where working memory about as large stays behind.
 */
extern Jsonb *mirror_json(const char *record, size_t len);

#endif							/* QBSYNC_MIRROR_JSON_H */
