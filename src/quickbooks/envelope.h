/*
 * envelope.h
 *		One pass over the bytes of a query or CDC answer: where each record begins and ends, and what little is needed to
 *		decide whether it changed.
 *
 * {"QueryResponse":{"Customer":[…],"startPosition":1,"maxResults":2,"totalCount":2},"time":"…"}
 * {"CDCResponse":[{"QueryResponse":[{"Customer":[…]},{}]}],"time":"…"}
 * {"Customer":{…},"time":"…"}       (read by id; CompanyInfo, Preferences)
 *
 * Keys may come in any order, unknown ones are skipped, an object where an array is expected counts as one element.
 * Pure C on the caller's bytes (records point into them); no recursion, depth limit ENVELOPE_MAX_DEPTH.
 */
#ifndef QBSYNC_ENVELOPE_H
#define QBSYNC_ENVELOPE_H

#include "postgres.h"

#define ENVELOPE_MAX_DEPTH	100
#define RECORD_ID_MAX		32	/* Intuit's ids have up to 19 digits */

/* What a record's text holds that jsonb or text cannot; the mirror replaces it and says so. */
#define RECORD_HAS_NUL			0x01	/* the escape \u0000 */
#define RECORD_HAS_SURROGATE	0x02	/* a lone surrogate */
#define RECORD_HAS_BAD_UTF8		0x04	/* bytes that are not UTF-8, or a raw control character */
#define RECORD_HAS_BIG_NUMBER	0x08	/* an exponent or length that numeric refuses */

typedef struct Record
{
	const char *text;			/* "{…}" in the page's bytes */
	size_t		len;
	char		id[RECORD_ID_MAX];	/* top-level "Id"; "" if absent, not a plain string/integer or too long */
	char		sync_token[RECORD_ID_MAX];
	char		last_updated[40];	/* MetaData.LastUpdatedTime as text, "" if absent */
	char		create_time[40];	/* MetaData.CreateTime as text, "" if absent */
	bool		deleted;		/* top-level "status" is "Deleted" */
	unsigned	alterations;	/* RECORD_HAS_* */
	uint64		fingerprint;	/* 64-bit hash of text */
} Record;

/* The records of one entity, in the order of the answer. */
typedef struct RecordGroup
{
	const char *object;			/* API name such as "Customer", palloc'd, NUL-terminated */
	Record	   *records;		/* palloc'd array */
	int			nrecords;
} RecordGroup;

typedef struct Envelope
{
	RecordGroup *groups;		/* palloc'd; several of one name may occur */
	int			ngroups;
	int			nrecords;		/* of all groups */
	int64		total_count;	/* "totalCount" of QueryResponse, -1 if absent */
	char		time[40];		/* "time", "" if absent */
	char		error[160];		/* when envelope_scan returned false: what is wrong and at which byte */
} Envelope;

/*
 * Scan a body.  False (and ->error) when it is not one complete JSON object of a known envelope: truncated, trailing
 * garbage, unbalanced, too deep; ->error is "fault" when a Fault is in it.  Any member that is an object or array makes a
 * group, so names that are no entity may occur.  Inside a record the scan is lenient about what only that record
 * suffers from.  Allocates in the current memory context.
 */
extern bool envelope_scan(const char *body, size_t body_len, Envelope *envelope);

/* Copy what an envelope points to into the current context, where a copy of its body lies. */
extern void envelope_copy(Envelope *envelope, const char *body, const char *copy);

/*
 * A top-level member of a record as text: a string without escapes, of printable ASCII only, or an integer.  False ("") if
 * it is absent, anything else, or does not fit.
 */
extern bool record_member(const Record *record, const char *name, char *value, size_t size);

/*
 * A copy of a record's text that jsonb accepts: \u0000, lone surrogates and bad bytes become U+FFFD, raw control
 * characters their escapes, numbers out of range strings of their own text.  palloc'd, NUL-terminated; *len receives its
 * length.
 */
extern char *record_sanitize(const Record *record, size_t *len);

#endif							/* QBSYNC_ENVELOPE_H */
