/*
 * envelope_sanitize.c
 *		A copy of a record that jsonb accepts; see record_sanitize() in envelope.h.
 *
 * The text is walked twice, first to count the bytes of the result and then to write them: almost no record needs this,
 * and the worst case grows sixfold, which should not be allocated on suspicion.
 */
#include "postgres.h"

#include "quickbooks/envelope.h"
#include "quickbooks/json_scan.h"

#define REPLACEMENT "\xEF\xBF\xBD"	/* U+FFFD */

/* Where the result goes; out is NULL while counting. */
typedef struct Sink
{
	char	   *out;
	size_t		len;
} Sink;

static void sanitize(const Record *record, Sink *sink);
static const unsigned char *sanitize_string(const unsigned char *p, const unsigned char *end, Sink *sink);
static const unsigned char *sanitize_number(const unsigned char *p, const unsigned char *end, Sink *sink);
static const unsigned char *sanitize_escape(const unsigned char *p, const unsigned char *end, Sink *sink);

static inline void
emit(Sink *sink, const void *bytes, size_t len)
{
	if (sink->out != NULL)
		memcpy(sink->out + sink->len, bytes, len);
	sink->len += len;
}

char *
record_sanitize(const Record *record, size_t *len)
{
	Sink		sink = {NULL, 0};

	sanitize(record, &sink);
	sink.out = palloc(sink.len + 1);
	sink.len = 0;
	sanitize(record, &sink);
	sink.out[sink.len] = '\0';
	*len = sink.len;
	return sink.out;
}

static void
sanitize(const Record *record, Sink *sink)
{
	const unsigned char *p = (const unsigned char *) record->text;
	const unsigned char *end = p + record->len;

	while (p < end)
	{
		if (*p == '"')
			p = sanitize_string(p, end, sink);
		else if (*p == '-' || (*p >= '0' && *p <= '9'))
			p = sanitize_number(p, end, sink);
		else
			emit(sink, p++, 1);
	}
}

/* A string with its quotes. */
static const unsigned char *
sanitize_string(const unsigned char *p, const unsigned char *end, Sink *sink)
{
	emit(sink, p++, 1);
	while (p < end && *p != '"')
	{
		int			len;

		if (*p == '\\')
		{
			p = sanitize_escape(p, end, sink);
			continue;
		}
		len = jscan_utf8_length(p, end);
		if (len == 0 || *p == '\0')
		{
			emit(sink, REPLACEMENT, 3);
			p++;
		}
		else if (*p < 0x20)
		{
			char		escape[8];

			/* JSON has a way to say this, so nothing is lost. */
			snprintf(escape, sizeof(escape), "\\u%04x", (unsigned) *p);
			emit(sink, escape, 6);
			p++;
		}
		else
		{
			emit(sink, p, len);
			p += len;
		}
	}
	if (p < end)
		emit(sink, p++, 1);
	return p;
}

static const unsigned char *
sanitize_escape(const unsigned char *p, const unsigned char *end, Sink *sink)
{
	int			unit = jscan_unicode_escape(p, end);
	int			low;

	if (unit < 0)
	{
		size_t		len = end - p < 2 ? 1 : 2;

		emit(sink, p, len);
		return p + len;
	}
	if (unit == 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
	{
		emit(sink, REPLACEMENT, 3);
		return p + 6;
	}
	if (unit < 0xD800 || unit > 0xDFFF)
	{
		emit(sink, p, 6);
		return p + 6;
	}
	low = jscan_unicode_escape(p + 6, end);
	if (low < 0xDC00 || low > 0xDFFF)
	{
		emit(sink, REPLACEMENT, 3);
		return p + 6;
	}
	emit(sink, p, 12);
	return p + 12;
}

/* A number; one that numeric may refuse becomes a string of its own text. */
static const unsigned char *
sanitize_number(const unsigned char *p, const unsigned char *end, Sink *sink)
{
	bool		big;
	const unsigned char *after = jscan_number_end(p, end, &big);

	if (after == NULL)
		after = p + 1;
	if (big)
		emit(sink, "\"", 1);
	emit(sink, p, after - p);
	if (big)
		emit(sink, "\"", 1);
	return after;
}
