/*
 * json_copy.c
 *		Values that json_scan.c found, copied out of the text: for machines exactly or not at all, for people always.
 */
#include "postgres.h"

#include "quickbooks/json_scan.h"

/* U+FFFD, the replacement character. */
#define REPLACEMENT 0xFFFD

static int	decode_character(const unsigned char **source, const unsigned char *end, bool json);
static int	decode_escape(const unsigned char **source, const unsigned char *end);
static int	decode_utf8(const unsigned char **source, const unsigned char *end);
static int	encode_utf8(int character, char *out);
static void copy_text(const char *source, size_t len, bool json, char *buffer, size_t size);

bool
jscan_key_like(const JsonSpan *key, const char *name)
{
	return strlen(name) == key->len && pg_strncasecmp(key->text, name, key->len) == 0;
}

bool
jscan_copy_plain(const JsonSpan *value, char *buffer, size_t size)
{
	const char *source = value->text;
	size_t		len = value->len;
	bool		quoted = len >= 2 && source[0] == '"';

	buffer[0] = '\0';
	if (quoted)
	{
		source++;
		len -= 2;
	}
	if (len >= size)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		char		c = source[i];
		bool		fine = quoted ? c >= ' ' && c <= '~' && c != '\\' : (c >= '0' && c <= '9') || (c == '-' && i == 0);

		if (!fine)
			return false;
	}
	memcpy(buffer, source, len);
	buffer[len] = '\0';
	return true;
}

void
jscan_copy_text(const JsonSpan *value, char *buffer, size_t size)
{
	if (value->len >= 2 && value->text[0] == '"')
		copy_text(value->text + 1, value->len - 2, true, buffer, size);
	else if (value->len == 4 && memcmp(value->text, "null", 4) == 0)
		buffer[0] = '\0';
	else
		copy_text(value->text, value->len, false, buffer, size);
}

void
jscan_copy_raw(const char *source, size_t len, char *buffer, size_t size)
{
	copy_text(source, len, false, buffer, size);
}

/* The common part of the two; blanks at both ends are dropped. */
static void
copy_text(const char *source, size_t len, bool json, char *buffer, size_t size)
{
	const unsigned char *p = (const unsigned char *) source;
	const unsigned char *end = p + len;
	size_t		used = 0;

	while (p < end)
	{
		char		encoded[4];
		int			character = decode_character(&p, end, json);
		int			bytes;

		/* Control characters, of ASCII and Latin-1, and line separators would garble logs and messages. */
		if (character < 0x20 || (character >= 0x7F && character < 0xA0) || character == 0x2028 || character == 0x2029)
			character = ' ';
		if (character == ' ' && used == 0)
			continue;
		bytes = encode_utf8(character, encoded);
		if (used + bytes >= size)
			break;
		memcpy(buffer + used, encoded, bytes);
		used += bytes;
	}
	while (used > 0 && buffer[used - 1] == ' ')
		used--;
	buffer[used] = '\0';
}

/* Take one character off the text. */
static int
decode_character(const unsigned char **source, const unsigned char *end, bool json)
{
	if (json && **source == '\\' && end - *source >= 2)
		return decode_escape(source, end);
	return decode_utf8(source, end);
}

static int
decode_escape(const unsigned char **source, const unsigned char *end)
{
	const unsigned char *p = *source;
	int			unit = jscan_unicode_escape(p, end);
	int			low;

	if (unit < 0)
	{
		*source = p + 2;
		return p[1] == 'n' || p[1] == 't' || p[1] == 'r' || p[1] == 'b' || p[1] == 'f' ? ' ' : p[1] < 0x80 ? p[1] : REPLACEMENT;
	}
	*source = p + 6;
	if (unit < 0xD800 || unit > 0xDFFF)
		return unit;
	low = unit < 0xDC00 ? jscan_unicode_escape(p + 6, end) : -1;
	if (low < 0xDC00 || low > 0xDFFF)
		return REPLACEMENT;
	*source = p + 12;
	return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

static int
decode_utf8(const unsigned char **source, const unsigned char *end)
{
	const unsigned char *p = *source;
	int			len = jscan_utf8_length(p, end);

	*source = p + (len > 0 ? len : 1);
	switch (len)
	{
		case 1:
			return p[0];
		case 2:
			return (p[0] & 0x1F) << 6 | (p[1] & 0x3F);
		case 3:
			return (p[0] & 0x0F) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F);
		case 4:
			return (p[0] & 0x07) << 18 | (p[1] & 0x3F) << 12 | (p[2] & 0x3F) << 6 | (p[3] & 0x3F);
		default:
			return REPLACEMENT;
	}
}

/* Write a character as UTF-8; returns the number of bytes. */
static int
encode_utf8(int character, char *out)
{
	if (character < 0x80)
	{
		out[0] = (char) character;
		return 1;
	}
	if (character < 0x800)
	{
		out[0] = (char) (0xC0 | character >> 6);
		out[1] = (char) (0x80 | (character & 0x3F));
		return 2;
	}
	if (character < 0x10000)
	{
		out[0] = (char) (0xE0 | character >> 12);
		out[1] = (char) (0x80 | (character >> 6 & 0x3F));
		out[2] = (char) (0x80 | (character & 0x3F));
		return 3;
	}
	out[0] = (char) (0xF0 | character >> 18);
	out[1] = (char) (0x80 | (character >> 12 & 0x3F));
	out[2] = (char) (0x80 | (character >> 6 & 0x3F));
	out[3] = (char) (0x80 | (character & 0x3F));
	return 4;
}

bool
jscan_integer(const JsonSpan *value, int64 *result)
{
	const char *p = value->text;
	const char *end = p + value->len;
	bool		negative;
	uint64		number = 0;

	if (value->len >= 2 && *p == '"')
	{
		p++;
		end--;
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		while (p < end && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
	}
	negative = p < end && *p == '-';
	if (negative)
		p++;
	if (p == end)
		return false;
	for (; p < end; p++)
	{
		if (*p < '0' || *p > '9' || number > (uint64) PG_INT64_MAX / 10 - 1)
			return false;
		number = number * 10 + (*p - '0');
	}
	*result = negative ? -(int64) number : (int64) number;
	return true;
}
