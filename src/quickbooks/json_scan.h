/*
 * json_scan.h
 *		A pull scanner over JSON text, for the modules of this room that read Intuit's answers.
 *
 * It builds nothing: the caller enters objects and arrays, asks for the next member or element, and takes or skips its
 * value as a span of the caller's bytes.  The grammar is checked in full; text that is JSON in structure but that
 * PostgreSQL cannot store (NUL, lone surrogates, bad UTF-8, raw control characters, absurd numbers) is let through and
 * noted in ->alterations.  Pure C: no memory is allocated, nothing recurses, no byte beyond ->end is read.
 *
 * The prefix is jscan_ because jansson, which is linked into the same library, owns json_ (it has a json_integer()).
 *
 *		jscan_begin(&scan, body, len);
 *		if (jscan_enter(&scan, '{'))
 *			while (jscan_member(&scan, &key))
 *				jscan_value(&scan, &value);
 *		if (jscan_finish(&scan)) ... else scan.error says why, scan.at where
 */
#ifndef QBSYNC_JSON_SCAN_H
#define QBSYNC_JSON_SCAN_H

#include "postgres.h"

#include "quickbooks/envelope.h"

#define JSON_MAX_DEPTH	ENVELOPE_MAX_DEPTH

typedef struct JsonScan
{
	const unsigned char *start;
	const unsigned char *at;	/* next byte; blanks are skipped before a value */
	const unsigned char *end;
	int			depth;			/* objects and arrays entered */
	bool		fresh;			/* the innermost one was entered just now: no comma before its first part */
	unsigned	alterations;	/* RECORD_HAS_*; only ever added to */
	const char *error;			/* static text, NULL while all is well; once set nothing moves any more */
} JsonScan;

/* Bytes of the text: a key without its quotes, or a whole value (a string with its quotes). */
typedef struct JsonSpan
{
	const char *text;
	size_t		len;
} JsonSpan;

/* Start: skips a byte order mark and blanks. */
extern void jscan_begin(JsonScan *scan, const char *body, size_t len);

/* Enter an object ('{') or array ('['); false, without an error, if something else is next. */
extern bool jscan_enter(JsonScan *scan, char opening);

/* Next member of the innermost object, leaving ->at on its value; false at the end (then left) or on error. */
extern bool jscan_member(JsonScan *scan, JsonSpan *key);

/* Next element of the innermost array, leaving ->at on it; false at the end (then left) or on error. */
extern bool jscan_element(JsonScan *scan);

/* Take one complete value, however deep; span may be NULL. */
extern bool jscan_value(JsonScan *scan, JsonSpan *span);

/* Nothing but blanks may follow; true if the whole text was sound. */
extern bool jscan_finish(JsonScan *scan);

/* Record an error (the first one stays); returns false. */
extern bool jscan_fail(JsonScan *scan, const unsigned char *at, const char *error);

/* First byte of the value ->at stands on, '\0' at the end of the text. */
static inline char
jscan_peek(const JsonScan *scan)
{
	return scan->at < scan->end ? (char) *scan->at : '\0';
}

/* Compare a key: exactly, or without regard to ASCII case. */
static inline bool
jscan_key_is(const JsonSpan *key, const char *name)
{
	/* Inline, so that the lengths of the names are constants. */
	return key->len == strlen(name) && memcmp(key->text, name, key->len) == 0;
}

extern bool jscan_key_like(const JsonSpan *key, const char *name);

/*
 * Copy a string without escapes, of printable ASCII only, or an integer, as text into a buffer; "" if the value is
 * anything else or does not fit.
 */
extern bool jscan_copy_plain(const JsonSpan *value, char *buffer, size_t size);

/*
 * Copy any text for people to read: escapes decoded (if json), control characters as blanks, what is not UTF-8 as
 * U+FFFD, clipped at a character boundary.  A json value that is a string loses its quotes, null becomes "".
 */
extern void jscan_copy_text(const JsonSpan *value, char *buffer, size_t size);
extern void jscan_copy_raw(const char *source, size_t len, char *buffer, size_t size);

/* An integer of a number or of a string of digits around which there may be blanks; false if it is none. */
extern bool jscan_integer(const JsonSpan *value, int64 *result);

/* Pieces of the scan, shared with the sanitizer. */

/* Bytes of the UTF-8 character at p: 1 to 4; 0 if it is not one (overlong, surrogate, beyond U+10FFFF, cut). */
extern int	jscan_utf8_length(const unsigned char *p, const unsigned char *end);

/* The code unit of an escape \uXXXX at p (p on the backslash), -1 if it is not one. */
extern int	jscan_unicode_escape(const unsigned char *p, const unsigned char *end);

/* End of the number at p, NULL if malformed; *big: numeric may refuse it. */
extern const unsigned char *jscan_number_end(const unsigned char *p, const unsigned char *end, bool *big);

#endif							/* QBSYNC_JSON_SCAN_H */
