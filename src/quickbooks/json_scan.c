/*
 * json_scan.c
 *		A pull scanner over JSON text; see json_scan.h.
 *
 * Why not jansson: a page of a thousand records costs it more than storing them, integers beyond 64 bits and bytes that
 * are not UTF-8 make it refuse the whole page, and its copies of tokens cannot be wiped.  Nearly all bytes of an answer
 * are inside strings, so those are passed sixteen (or eight) at a time; everything else is looked at byte by byte.
 *
 * Split: strings, numbers and literals; whole values; the pull interface.  Copies of values are in json_copy.c.
 */
#include "postgres.h"

#include "quickbooks/json_scan.h"

#if defined(__GNUC__) && defined(__SSE2__)
#include <emmintrin.h>
#define JSON_SSE2
#endif

/*
 * Bounds under which a number is surely fine for numeric, which takes 131072 digits before the point and 16383 after
 * it; real amounts have some twenty.
 */
#define NUMBER_MAX_LENGTH	400
#define NUMBER_MAX_EXPONENT 400

static const unsigned char *string_special(JsonScan *scan, const unsigned char *p);
static const unsigned char *string_escape(JsonScan *scan, const unsigned char *p);
static const unsigned char *key_end(JsonScan *scan, const unsigned char *p, JsonSpan *key);
static const unsigned char *scalar_end(JsonScan *scan, const unsigned char *p);
static const unsigned char *literal_end(JsonScan *scan, const unsigned char *p, const char *literal, int len);

static inline const unsigned char *
skip_blanks(const unsigned char *p, const unsigned char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* Is a byte of a string neither its end nor in need of a closer look? */
static inline bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/*
 * Skip plain bytes of a string, many at a time; the result is near (with SSE2: at) the next one that is not plain.
 */
static inline const unsigned char *
skip_plain(const unsigned char *p, const unsigned char *end)
{
#ifdef JSON_SSE2
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i backslash = _mm_set1_epi8('\\');
	const __m128i blank = _mm_set1_epi8(0x20);

	while (end - p >= 16)
	{
		__m128i		bytes = _mm_loadu_si128((const __m128i *) p);
		__m128i		found = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
		int			mask;

		/* The comparison is signed: it finds control characters and bytes from 0x80 alike. */
		found = _mm_or_si128(found, _mm_cmplt_epi8(bytes, blank));
		mask = _mm_movemask_epi8(found);
		if (mask != 0)
			return p + __builtin_ctz(mask);
		p += 16;
	}
#else
	const uint64 ones = UINT64CONST(0x0101010101010101);
	const uint64 highs = UINT64CONST(0x8080808080808080);

	while (end - p >= 8)
	{
		uint64		word;
		uint64		quote;
		uint64		backslash;

		/* Zero-byte tests; they may point out too much, never too little, and the caller looks again. */
		memcpy(&word, p, sizeof(word));
		quote = word ^ (ones * '"');
		backslash = word ^ (ones * '\\');
		if (((word | (word - ones * 0x20) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & highs) != 0)
			break;
		p += 8;
	}
#endif
	while (p < end && is_plain(*p))
		p++;
	return p;
}

/* The closing quote of a string, from p inside it; NULL on error. */
static inline const unsigned char *
string_end(JsonScan *scan, const unsigned char *p)
{
	for (;;)
	{
		p = skip_plain(p, scan->end);
		if (unlikely(p >= scan->end))
		{
			jscan_fail(scan, p, "the text ends inside a string");
			return NULL;
		}
		if (likely(*p == '"'))
			return p;
		p = string_special(scan, p);
		if (p == NULL)
			return NULL;
	}
}

/* Pass an escape, a run of characters beyond ASCII, or control characters; NULL on error. */
static const unsigned char *
string_special(JsonScan *scan, const unsigned char *p)
{
	if (*p == '\\')
		return string_escape(scan, p);

	while (p < scan->end && (*p >= 0x80 || *p < 0x20))
	{
		int			len = *p < 0x20 ? 0 : jscan_utf8_length(p, scan->end);

		if (len == 0)
		{
			scan->alterations |= RECORD_HAS_BAD_UTF8;
			len = 1;
		}
		p += len;
	}
	return p;
}

/* Pass one escape, or a pair of them that is one character; NULL if it is malformed. */
static const unsigned char *
string_escape(JsonScan *scan, const unsigned char *p)
{
	int			unit;

	if (scan->end - p < 2)
	{
		jscan_fail(scan, p, "the text ends inside a string");
		return NULL;
	}
	if (p[1] != 'u')
	{
		if (p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL)
			return p + 2;
		jscan_fail(scan, p, "unknown escape in a string");
		return NULL;
	}

	unit = jscan_unicode_escape(p, scan->end);
	if (unit < 0)
	{
		jscan_fail(scan, p, "malformed \\u escape");
		return NULL;
	}
	if (unit == 0)
		scan->alterations |= RECORD_HAS_NUL;
	else if (unit >= 0xD800 && unit <= 0xDFFF)
	{
		int			low = unit < 0xDC00 ? jscan_unicode_escape(p + 6, scan->end) : -1;

		if (low >= 0xDC00 && low <= 0xDFFF)
			return p + 12;
		scan->alterations |= RECORD_HAS_SURROGATE;
	}
	return p + 6;
}

int
jscan_unicode_escape(const unsigned char *p, const unsigned char *end)
{
	int			unit = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++)
	{
		unsigned char c = p[i];

		if (c >= '0' && c <= '9')
			unit = unit * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			unit = unit * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return unit;
}

int
jscan_utf8_length(const unsigned char *p, const unsigned char *end)
{
	int			len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xC2 || p[0] > 0xF4)
		return 0;
	len = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
	if (end - p < len)
		return 0;
	for (int i = 1; i < len; i++)
	{
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	}

	/* Overlong forms, surrogates, and what is beyond U+10FFFF show in the second byte. */
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
		(p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return len;
}

/* Pass digits; NULL unless there is one. */
static const unsigned char *
digits_end(const unsigned char *p, const unsigned char *end)
{
	const unsigned char *first = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > first ? p : NULL;
}

const unsigned char *
jscan_number_end(const unsigned char *p, const unsigned char *end, bool *big)
{
	const unsigned char *first = p;

	*big = false;
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else if ((p = digits_end(p, end)) == NULL)
		return NULL;
	if (p < end && *p == '.' && (p = digits_end(p + 1, end)) == NULL)
		return NULL;
	if (p < end && (*p | 0x20) == 'e')
	{
		int			exponent = 0;

		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		for (const unsigned char *digit = p; digit < end && *digit >= '0' && *digit <= '9'; digit++)
		{
			if (exponent <= NUMBER_MAX_EXPONENT)
				exponent = exponent * 10 + (*digit - '0');
		}
		if (exponent > NUMBER_MAX_EXPONENT)
			*big = true;
		if ((p = digits_end(p, end)) == NULL)
			return NULL;
	}
	if (p - first > NUMBER_MAX_LENGTH)
		*big = true;
	return p;
}

/* End of a value that is no object or array; NULL on error. */
static const unsigned char *
scalar_end(JsonScan *scan, const unsigned char *p)
{
	const unsigned char *number_end;
	bool		big;

	if (p >= scan->end)
	{
		jscan_fail(scan, p, "the text ends where a value should be");
		return NULL;
	}
	switch (*p)
	{
		case '"':
			p = string_end(scan, p + 1);
			return p == NULL ? NULL : p + 1;
		case 't':
			return literal_end(scan, p, "true", 4);
		case 'f':
			return literal_end(scan, p, "false", 5);
		case 'n':
			return literal_end(scan, p, "null", 4);
		default:
			break;
	}
	number_end = jscan_number_end(p, scan->end, &big);
	if (number_end == NULL)
		jscan_fail(scan, p, "not a value");
	else if (big)
		scan->alterations |= RECORD_HAS_BIG_NUMBER;
	return number_end;
}

static const unsigned char *
literal_end(JsonScan *scan, const unsigned char *p, const char *literal, int len)
{
	if (scan->end - p >= len && memcmp(p, literal, len) == 0)
		return p + len;
	jscan_fail(scan, p, "not a value");
	return NULL;
}

/* Pass a key and its colon, from the key's opening quote to the value's first byte; NULL on error. */
static const unsigned char *
key_end(JsonScan *scan, const unsigned char *p, JsonSpan *key)
{
	const unsigned char *first;

	if (p >= scan->end || *p != '"')
	{
		jscan_fail(scan, p, "a key was expected");
		return NULL;
	}
	first = p + 1;
	p = string_end(scan, first);
	if (p == NULL)
		return NULL;
	key->text = (const char *) first;
	key->len = p - first;
	p = skip_blanks(p + 1, scan->end);
	if (p >= scan->end || *p != ':')
	{
		jscan_fail(scan, p, "a colon was expected");
		return NULL;
	}
	return skip_blanks(p + 1, scan->end);
}

/*
 * After a value inside jscan_value(): close what closes here, *level counting down, and go on to the next value, or to
 * the end of the outermost one (*level 0).  closers[] holds the closing bracket of each open level.
 */
static inline const unsigned char *
after_value(JsonScan *scan, const unsigned char *p, const char *closers, int *level)
{
	JsonSpan	key;

	while (*level > 0)
	{
		p = skip_blanks(p, scan->end);
		if (p < scan->end && *p == ',')
		{
			p = skip_blanks(p + 1, scan->end);
			return closers[*level - 1] == '}' ? key_end(scan, p, &key) : p;
		}
		if (p >= scan->end || *p != (unsigned char) closers[*level - 1])
		{
			jscan_fail(scan, p, "a comma or the end of an object or array was expected");
			return NULL;
		}
		(*level)--;
		p++;
	}
	return p;
}

/* Enter an object or array inside jscan_value(); an empty one is passed whole.  NULL on error. */
static const unsigned char *
open_container(JsonScan *scan, const unsigned char *p, char *closers, int *level)
{
	char		closer = *p == '{' ? '}' : ']';
	JsonSpan	key;

	if (scan->depth + *level >= JSON_MAX_DEPTH)
	{
		jscan_fail(scan, p, "nested too deeply");
		return NULL;
	}
	p = skip_blanks(p + 1, scan->end);
	closers[(*level)++] = closer;
	if (p < scan->end && *p == (unsigned char) closer)
		return after_value(scan, p, closers, level);
	return closer == '}' ? key_end(scan, p, &key) : p;
}

bool
jscan_value(JsonScan *scan, JsonSpan *span)
{
	char		closers[JSON_MAX_DEPTH];
	int			level = 0;
	const unsigned char *p = scan->at;

	if (scan->error != NULL)
		return false;
	do
	{
		if (p < scan->end && (*p == '{' || *p == '['))
			p = open_container(scan, p, closers, &level);
		else
		{
			p = scalar_end(scan, p);
			if (p != NULL)
				p = after_value(scan, p, closers, &level);
		}
		if (p == NULL)
			return false;
	} while (level > 0);

	if (span != NULL)
	{
		span->text = (const char *) scan->at;
		span->len = p - scan->at;
	}
	scan->at = p;
	return true;
}

void
jscan_begin(JsonScan *scan, const char *body, size_t len)
{
	memset(scan, 0, sizeof(*scan));
	scan->start = (const unsigned char *) (body != NULL ? body : "");
	scan->end = scan->start + len;
	scan->at = scan->start;
	if (len >= 3 && memcmp(scan->start, "\xEF\xBB\xBF", 3) == 0)
		scan->at += 3;
	scan->at = skip_blanks(scan->at, scan->end);
}

bool
jscan_enter(JsonScan *scan, char opening)
{
	if (scan->error != NULL || jscan_peek(scan) != opening)
		return false;
	if (scan->depth >= JSON_MAX_DEPTH)
		return jscan_fail(scan, scan->at, "nested too deeply");
	scan->depth++;
	scan->fresh = true;
	scan->at++;
	return true;
}

/* Is there another part in the innermost object or array?  Passes the comma, or the closing bracket. */
static bool
next_part(JsonScan *scan, char closer)
{
	const unsigned char *p = skip_blanks(scan->at, scan->end);
	bool		fresh = scan->fresh;

	if (scan->error != NULL)
		return false;
	scan->fresh = false;
	if (p < scan->end && *p == (unsigned char) closer)
	{
		scan->at = p + 1;
		scan->depth--;
		return false;
	}
	if (!fresh)
	{
		if (p >= scan->end || *p != ',')
			return jscan_fail(scan, p, "a comma or the end of an object or array was expected");
		p = skip_blanks(p + 1, scan->end);
	}
	scan->at = p;
	return true;
}

bool
jscan_member(JsonScan *scan, JsonSpan *key)
{
	const unsigned char *p;

	if (!next_part(scan, '}'))
		return false;
	p = key_end(scan, scan->at, key);
	if (p == NULL)
		return false;
	scan->at = p;
	return true;
}

bool
jscan_element(JsonScan *scan)
{
	return next_part(scan, ']');
}

bool
jscan_finish(JsonScan *scan)
{
	if (scan->error != NULL)
		return false;
	scan->at = skip_blanks(scan->at, scan->end);
	if (scan->depth != 0 || scan->at < scan->end)
		return jscan_fail(scan, scan->at, "text after the end of the object");
	return true;
}

bool
jscan_fail(JsonScan *scan, const unsigned char *at, const char *error)
{
	if (scan->error == NULL)
	{
		scan->error = error;
		scan->at = at;
	}
	return false;
}
