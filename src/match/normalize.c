/*
 * normalize.c
 *		Names and e-mail addresses in the form in which two systems are compared.
 *
 * A name becomes its words in lower case with one blank between: "  ÉCOLE St-Jean, (deleted)" and "Ecole St. Jean" are
 * both "ecole st jean".  On the way:
 *	- " (deleted)" at the end goes: QuickBooks puts it behind the names of what was made inactive, with a number, " (deleted 2)",
 *	  where that name was taken;
 *	- NFKD takes letters and accents apart, and ligatures, full-width letters and the like into plain letters;
 *	- accents, and points that Hebrew and Arabic are usually written without, go; marks of other scripts stay, where
 *	  they are vowels and the like, so that different names stay different; what only formats (a zero-width blank) goes;
 *	- case goes (full folding: ß is ss, final sigma is sigma, dotless i is i), and strokes: ø is o, ł is l, æ is ae;
 *	- punctuation, symbols (™ too) and blanks of any kind become one blank, none at the ends.
 * What is left of "***" is nothing, which is no name: it never equals another.
 *
 * Tables of our own (unicode_tables.h), not towlower() or the database's collation: the result depends on nothing but the
 * text, so that plan, worker, a stored key and a standby on another machine always agree.  ASCII is looked up byte by
 * byte; the first few blocks of Unicode (Latin, Greek, Cyrillic) in a table that is filled on first use from the way
 * that everything else goes.  No table of those blocks keeps a mark, so there they need no reordering.
 *
 * The server's unicode_normalize() puts marks in order in quadratic time: it is given at most RUN code points at once.
 * More marks than that in a row are in no name; they are then in order in parts only, always in the same way.
 *
 * Not here yet, but its place: legal forms (Inc., Ltée, GmbH), the order of words, initials, phone digits.  They come
 * with the scored tiers of matching, as further functions on what normalize_name() gives.
 */
#include "postgres.h"

#include "common/unicode_norm.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "match/normalize.h"
#include "match/unicode_tables.h"

/* Code points for unicode_normalize() at once. */
#define RUN 256

/* Code points whose result is remembered: up to Cyrillic's supplement; the result takes up to 7 bytes of UTF-8. */
#define QUICK_LIMIT 0x530
#define QUICK_BYTES 8

/* Signs that NFKD would turn into letters of the name before them. */
#define SIGN_TM 0x2122
#define SIGN_SM 0x2120

/* What QuickBooks puts behind a name, up to a number and ")". */
static const char deleted_suffix[] = " (deleted";

static char quick[QUICK_LIMIT][QUICK_BYTES];
static bool quick_filled = false;

static size_t without_suffix(const char *name, size_t len);
static void fill_quick(void);
static pg_wchar next_code(const char **p, const char *end);
static void append_run(StringInfo out, pg_wchar *run, int length, bool *blank);
static void append_code(StringInfo out, pg_wchar code, bool *blank);
static void append_letter(StringInfo out, pg_wchar code);
static bool in_ranges(const UnicodeRange *ranges, int count, pg_wchar code);
static inline void append_byte(StringInfo out, char c, bool *blank);

/* A letter or digit behind the blank that is due; blanks are never due at the start. */
static inline void
append_byte(StringInfo out, char c, bool *blank)
{
	if (*blank)
	{
		appendStringInfoCharMacro(out, ' ');
		*blank = false;
	}
	appendStringInfoCharMacro(out, c);
}

/*
 * Appends the normalised name to out, which must be empty.  len bytes of valid UTF-8 (of what is not, code points are
 * made up, without reading beyond it).
 */
void
normalize_name(StringInfo out, const char *name, size_t len)
{
	const char *p = name;
	const char *end;
	pg_wchar	run[RUN + 1];
	int			length = 0;
	bool		blank = false;

	fill_quick();
	end = name + without_suffix(name, len);
	enlargeStringInfo(out, (int) (end - name));
	while (p < end)
	{
		unsigned char c = (unsigned char) *p;
		pg_wchar	code = c < 0x80 ? (p++, c) : next_code(&p, end);

		if (code == SIGN_TM || code == SIGN_SM)
			code = ' ';
		if (code >= QUICK_LIMIT)
		{
			if (length == RUN)
			{
				append_run(out, run, length, &blank);
				length = 0;
			}
			run[length++] = code;
			continue;
		}
		/* An accent does not end the run: marks around it may still have to change places. */
		if (quick[code][0] != '\0' && length > 0)
		{
			append_run(out, run, length, &blank);
			length = 0;
		}
		for (const char *q = quick[code]; *q != '\0'; q++)
		{
			if (*q != ' ')
				append_byte(out, *q, &blank);
			else if (out->len > 0)
				blank = true;
		}
	}
	append_run(out, run, length, &blank);
}

/* Length of " (deleted)" or " (deleted 2)" at the end, 0 if there is none. */
static size_t
suffix_length(const char *name, size_t len)
{
	size_t		word = sizeof(deleted_suffix) - 1;
	size_t		end = len;
	size_t		number;

	if (end == 0 || name[--end] != ')')
		return 0;
	for (number = end; number > 0 && name[number - 1] >= '0' && name[number - 1] <= '9';)
		number--;
	if (number < end && number > 0 && name[number - 1] == ' ')
		end = number - 1;
	if (end < word || pg_strncasecmp(name + end - word, deleted_suffix, word) != 0)
		return 0;
	return len - (end - word);
}

/* Length of the name without blanks and " (deleted)" at its end, unless that is all there is. */
static size_t
without_suffix(const char *name, size_t len)
{
	for (;;)
	{
		size_t		suffix;
		size_t		before;

		while (len > 0 && name[len - 1] == ' ')
			len--;
		suffix = suffix_length(name, len);
		if (suffix == 0 || suffix == len)
			return len;
		before = len - suffix;
		while (before > 0 && name[before - 1] == ' ')
			before--;
		if (before == 0)
			return len;
		len = before;
	}
}

/*
 * Fills the table of the first blocks: "" for what goes, " " for a blank, else letters.  A blank on either side of a
 * letter (NFKD makes "l·" of one) is kept.
 */
static void
fill_quick(void)
{
	StringInfoData buf;

	if (quick_filled)
		return;
	initStringInfo(&buf);
	for (int code = 0; code < QUICK_LIMIT; code++)
	{
		pg_wchar	run[2] = {code, 0};
		bool		blank = false;

		resetStringInfo(&buf);
		/* Behind a letter, so that a blank at the start is not lost; the letter itself is not taken over. */
		appendStringInfoChar(&buf, 'x');
		if (code > 0)
			append_run(&buf, run, 1, &blank);
		if (blank)
			appendStringInfoChar(&buf, ' ');
		if (buf.len - 1 >= QUICK_BYTES)
			elog(ERROR, "normalised form of U+%04X is too long", code);
		memcpy(quick[code], buf.data + 1, buf.len);
	}
	pfree(buf.data);
	quick_filled = true;
}

/* The code point at *p, which is not ASCII, and *p moved behind it; a byte that begins none stands for itself. */
static pg_wchar
next_code(const char **p, const char *end)
{
	const unsigned char *s = (const unsigned char *) *p;
	int			bytes = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : s[0] >= 0xC0 ? 2 : 1;
	pg_wchar	code = bytes == 1 ? s[0] : s[0] & (0x7F >> bytes);

	if (bytes > end - *p)
	{
		*p = end;
		return 0xFFFD;
	}
	for (int i = 1; i < bytes; i++)
		code = (code << 6) | (s[i] & 0x3F);
	*p += bytes;
	return code <= 0x10FFFF && code > 0 ? code : 0xFFFD;
}

/* Appends length code points, for which run has one place more. */
static void
append_run(StringInfo out, pg_wchar *run, int length, bool *blank)
{
	pg_wchar   *apart;

	if (length == 0)
		return;
	CHECK_FOR_INTERRUPTS();
	run[length] = 0;
	apart = unicode_normalize(UNICODE_NFKD, run);
	for (pg_wchar *code = apart; *code != 0; code++)
		append_code(out, *code, blank);
	pfree(apart);
}

/* Appends a code point that NFKD leaves alone, or takes note that a blank is due before the next letter. */
static void
append_code(StringInfo out, pg_wchar code, bool *blank)
{
	if ((code >= '0' && code <= '9') || (code >= 'a' && code <= 'z'))
		append_byte(out, (char) code, blank);
	else if (code >= 'A' && code <= 'Z')
		append_byte(out, (char) (code - 'A' + 'a'), blank);
	else if (in_ranges(unicode_ignored, lengthof(unicode_ignored), code))
		return;
	else if (in_ranges(unicode_blank, lengthof(unicode_blank), code))
	{
		if (out->len > 0)
			*blank = true;
	}
	else
	{
		if (*blank)
			appendStringInfoChar(out, ' ');
		*blank = false;
		append_letter(out, code);
	}
}

/* Appends a letter, digit or mark that is not ASCII, without its case. */
static void
append_letter(StringInfo out, pg_wchar code)
{
	unsigned char utf8[4];
	int			low = 0;
	int			high = lengthof(unicode_fold) - 1;

	for (int i = 0; i < lengthof(unicode_fold_many); i++)
	{
		if (unicode_fold_many[i].code == code)
		{
			appendStringInfoString(out, unicode_fold_many[i].folded);
			return;
		}
	}
	while (low <= high)
	{
		int			middle = (low + high) / 2;
		const UnicodeFold *fold = &unicode_fold[middle];

		if (code < fold->first)
			high = middle - 1;
		else if (code > fold->last)
			low = middle + 1;
		else
		{
			if ((code - fold->first) % fold->step == 0)
				code += fold->delta;
			break;
		}
	}
	unicode_to_utf8(code, utf8);
	appendBinaryStringInfo(out, (const char *) utf8, pg_utf_mblen(utf8));
}

/* Is code in one of count ranges, which are in order? */
static bool
in_ranges(const UnicodeRange *ranges, int count, pg_wchar code)
{
	int			low = 0;
	int			high = count - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;

		if (code < ranges[middle].first)
			high = middle - 1;
		else if (code > ranges[middle].last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

/*
 * Appends an e-mail address without blanks around it and in lower case.  The part before the @ may tell case apart in
 * theory and does nowhere.  Letters that are not ASCII stay as they are: they are rare, and a pair that is not found is
 * asked about, a wrong one is linked.  "none", "n/a", two addresses in one field are no address.
 */
bool
normalize_email(StringInfo out, const char *email, size_t len)
{
	const char *end = email + len;
	const char *at = NULL;

	while (email < end && (unsigned char) *email <= ' ')
		email++;
	while (end > email && ((unsigned char) end[-1] <= ' ' || end[-1] == '.'))
		end--;
	for (const char *p = email; p < end; p++)
	{
		unsigned char c = (unsigned char) *p;

		if (c == '@')
		{
			if (at != NULL)
				return false;
			at = p;
		}
		else if (c <= ' ' || c == 0x7F || strchr(",;:<>()[]\\\"", c) != NULL)
			return false;
	}
	if (at == NULL || at == email || at + 1 == end || at[1] == '.')
		return false;

	enlargeStringInfo(out, (int) (end - email));
	for (const char *p = email; p < end; p++)
		appendStringInfoCharMacro(out, (char) pg_ascii_tolower((unsigned char) *p));
	return true;
}

/*
 * May a word begin or end between these two bytes of a normalised name: at its ends, beside a blank, or before a letter of
 * a script that is written without blanks (Thai to Tibetan, Burmese, Khmer, Chinese, Japanese)?
 */
static bool
is_edge(const StringInfoData *name, int before, int behind)
{
	unsigned char first;
	unsigned char second;

	if (before < 0 || behind >= name->len || name->data[before] == ' ' || name->data[behind] == ' ')
		return true;
	/* U+0E00 to U+0FFF, U+1000 to U+10BF, U+1780 to U+17FF, and from U+3000 on, by their first bytes in UTF-8 */
	first = (unsigned char) name->data[behind];
	second = (unsigned char) name->data[behind + 1];
	return first >= 0xE3 || (first == 0xE0 && second >= 0xB8) ||
		(first == 0xE1 && (second <= 0x82 || second == 0x9E || second == 0x9F));
}

bool
normalize_contains(const StringInfoData *name, const StringInfoData *part)
{
	const char *found = name->data;

	if (part->len == 0)
		return false;
	while ((found = strstr(found, part->data)) != NULL)
	{
		int			start = (int) (found - name->data);

		if (is_edge(name, start - 1, start) && is_edge(name, start + part->len - 1, start + part->len))
			return true;
		CHECK_FOR_INTERRUPTS();
		found++;
	}
	return false;
}
