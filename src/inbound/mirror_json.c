/*
 * mirror_json.c
 *		A record's text becomes jsonb.  See mirror_json.h.
 *
 * jsonb_in() would do, and does where the text is unusual; of a load it is most of the processor time: it looks at each byte,
 * copies each string twice, and sorts the keys of every object by calls of a comparison.  Here the scanner of answers passes
 * strings many bytes at a time, keys are compared as integers, and when all is read the bytes of the jsonb are written from the
 * outside in, each once.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "inbound/mirror_json.h"
#include "quickbooks/json_scan.h"

/* A longer text could be more than jsonb takes, which says so. */
#define MAX_LENGTH (16 * 1024 * 1024)

/* So many digits are a number that an int64 surely holds. */
#define MAX_DIGITS 18

/* Keys that are longer than that have no rank. */
#define MAX_KEY 255

/* A member of an object, or an element of an array. */
typedef struct Part
{
	uint64		rank;			/* length and first bytes of the key: compares as they do */
	const char *key;
	int			key_len;
	int			place;			/* among the members, as written */
	JsonSpan	scalar;
	struct Container *container;	/* NULL: a scalar */
} Part;

/* An object or array that was read: members as jsonb keeps them. */
typedef struct Container
{
	bool		is_object;
	int			nparts;
	Part		parts[FLEXIBLE_ARRAY_MEMBER];
} Container;

typedef struct Reader
{
	JsonScan	scan;
	Part	   *parts;			/* of what was entered, the innermost last */
	int			nparts;
	int			max_parts;
} Reader;

/* --- strings and numbers ------------------------------------------------------------------------------------------ */

/* Decode one escape at p, which the scan found to be sound; the byte behind it. */
static const char *
decode_escape(const char *p, unsigned char **out)
{
	static const char escapes[] = "bfnrt";
	static const char decoded[] = "\b\f\n\r\t";
	const char *found;
	int			unit;

	if (p[1] != 'u')
	{
		found = strchr(escapes, p[1]);
		*(*out)++ = found ? decoded[found - escapes] : p[1];
		return p + 2;
	}
	unit = jscan_unicode_escape((const unsigned char *) p, (const unsigned char *) p + 6);
	p += 6;
	if (unit >= 0xD800 && unit <= 0xDBFF)
	{
		unit = surrogate_pair_to_codepoint(unit, jscan_unicode_escape((const unsigned char *) p, (const unsigned char *) p + 6));
		p += 6;
	}
	unicode_to_utf8(unit, *out);
	*out += pg_utf_mblen(*out);
	return p;
}

/* What is between the quotes: where it lies, or a copy if there are escapes in it. */
static void
decode_string(const char *p, size_t len, const char **string, int *string_len)
{
	const char *end = p + len;
	const char *escape = memchr(p, '\\', len);
	unsigned char *out;

	*string = p;
	*string_len = (int) len;
	if (escape == NULL)
		return;
	/* no escape is shorter than what it stands for */
	*string = palloc(len);
	out = (unsigned char *) unconstify(char *, *string);
	while (escape)
	{
		memcpy(out, p, escape - p);
		out += escape - p;
		p = decode_escape(escape, &out);
		escape = memchr(p, '\\', end - p);
	}
	memcpy(out, p, end - p);
	*string_len = (int) ((char *) out - *string + (end - p));
}

/* A number with as many digits behind the point as it has; long ones and those with exponents by numeric_in(). */
static Numeric
decode_number(const JsonSpan *number)
{
	const char *p = number->text;
	const char *end = p + number->len;
	bool		negative = *p == '-';
	int64		digits = 0;
	int			scale = -1;

	if (number->len <= MAX_DIGITS)
	{
		for (p += negative; p < end; p++)
		{
			if (*p == '.')
				scale = 0;
			else if (*p >= '0' && *p <= '9')
			{
				digits = digits * 10 + (*p - '0');
				scale += scale >= 0;
			}
			else
				break;
		}
		if (p == end)
			return int64_div_fast_to_numeric(negative ? -digits : digits, Max(scale, 0));
	}
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(pnstrdup(number->text, number->len)),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/* --- reading --------------------------------------------------------------------------------------------------------- */

/* jsonb keeps members by length of key, then by its bytes; of those with one key, as written. */
static inline int
compare_parts(const Part *a, const Part *b)
{
	int			order;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	order = memcmp(a->key, b->key, a->key_len);
	return order != 0 ? order : a->place - b->place;
}

#define ST_SORT sort_parts
#define ST_ELEMENT_TYPE Part
#define ST_COMPARE(a, b) compare_parts(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static uint64
rank_of(const char *key, int len)
{
	uint64		rank = (uint64) len;

	for (int i = 0; i < 7; i++)
		rank = rank << 8 | (i < len ? (unsigned char) key[i] : 0);
	return rank;
}

/* Room for another part; its number. */
static int
add_part(Reader *reader)
{
	if (reader->nparts == reader->max_parts)
	{
		reader->max_parts *= 2;
		reader->parts = repalloc_huge(reader->parts, sizeof(Part) * reader->max_parts);
	}
	return reader->nparts++;
}

/* Of members with one key only the last counts.  They are sorted; how many are left. */
static int
drop_repeated(Part *parts, int nparts)
{
	int			kept = 0;

	for (int i = 0; i < nparts; i++)
	{
		bool		repeated = i + 1 < nparts && parts[i].rank == parts[i + 1].rank &&
			memcmp(parts[i].key, parts[i + 1].key, parts[i].key_len) == 0;

		if (!repeated)
			parts[kept++] = parts[i];
	}
	return kept;
}

/* Read an object or array that was just entered; NULL: jsonb_in() is to do it. */
static Container *
read_container(Reader *reader, bool is_object)
{
	JsonScan   *scan = &reader->scan;
	int			first = reader->nparts;
	int			nparts;
	Container  *container;
	JsonSpan	key;

	while (is_object ? jscan_member(scan, &key) : jscan_element(scan))
	{
		int			number = add_part(reader);
		Part	   *part = &reader->parts[number];
		bool		enters_object;

		part->container = NULL;
		if (is_object)
		{
			decode_string(key.text, key.len, &part->key, &part->key_len);
			if (part->key_len > MAX_KEY)
				return NULL;
			part->rank = rank_of(part->key, part->key_len);
			part->place = number - first;
		}
		enters_object = jscan_enter(scan, '{');
		if (enters_object || jscan_enter(scan, '['))
		{
			container = read_container(reader, enters_object);
			if (container == NULL)
				return NULL;
			/* what is inside moves the array when it grows */
			reader->parts[number].container = container;
		}
		else if (!jscan_value(scan, &part->scalar))
			return NULL;
	}
	if (scan->error != NULL)
		return NULL;

	nparts = reader->nparts - first;
	if (is_object)
	{
		sort_parts(reader->parts + first, nparts);
		nparts = drop_repeated(reader->parts + first, nparts);
	}
	container = palloc(offsetof(Container, parts) + sizeof(Part) * nparts);
	container->is_object = is_object;
	container->nparts = nparts;
	memcpy(container->parts, reader->parts + first, sizeof(Part) * nparts);
	reader->nparts = first;
	return container;
}

/* --- writing --------------------------------------------------------------------------------------------------------- */

/* Room for so many bytes more. */
static inline char *
add_bytes(StringInfo out, int len)
{
	char	   *bytes;

	if (out->len + len >= out->maxlen)
		enlargeStringInfo(out, len);
	bytes = out->data + out->len;
	out->len += len;
	return bytes;
}

/* Numbers and containers begin at a multiple of four; what is left free before counts as theirs. */
static inline void
align(StringInfo out)
{
	int			padding = INTALIGN(out->len) - out->len;

	memset(add_bytes(out, padding), 0, padding);
}

/*
 * Set one entry of a container: its length, or each so many of them where it ends, *end being where the one before ended.  entries: their
 * place.
 */
static inline void
set_entry(StringInfo out, int entries, int number, JEntry entry, uint32 *end)
{
	*end += JBE_OFFLENFLD(entry);
	if (number % JB_OFFSET_STRIDE == 0)
		entry = (entry & JENTRY_TYPEMASK) | *end | JENTRY_HAS_OFF;
	memcpy(out->data + entries + sizeof(JEntry) * number, &entry, sizeof(entry));
}

static JEntry
write_scalar(StringInfo out, const JsonSpan *scalar)
{
	int			start = out->len;
	const char *string;
	int			len;
	Numeric		number;

	switch (scalar->text[0])
	{
		case '"':
			decode_string(scalar->text + 1, scalar->len - 2, &string, &len);
			memcpy(add_bytes(out, len), string, len);
			return JENTRY_ISSTRING | len;
		case 't':
			return JENTRY_ISBOOL_TRUE;
		case 'f':
			return JENTRY_ISBOOL_FALSE;
		case 'n':
			return JENTRY_ISNULL;
		default:
			number = decode_number(scalar);
			align(out);
			memcpy(add_bytes(out, VARSIZE_ANY(number)), number, VARSIZE_ANY(number));
			return JENTRY_ISNUMERIC | (out->len - start);
	}
}

static JEntry
write_container(StringInfo out, const Container *container)
{
	int			start = out->len;
	int			nkeys = container->is_object ? container->nparts : 0;
	uint32		header = container->nparts | (container->is_object ? JB_FOBJECT : JB_FARRAY);
	uint32		end = 0;
	int			entries;

	align(out);
	memcpy(add_bytes(out, sizeof(header)), &header, sizeof(header));
	entries = out->len;
	add_bytes(out, sizeof(JEntry) * (nkeys + container->nparts));
	for (int i = 0; i < nkeys; i++)
	{
		const Part *part = &container->parts[i];

		memcpy(add_bytes(out, part->key_len), part->key, part->key_len);
		set_entry(out, entries, i, JENTRY_ISSTRING | part->key_len, &end);
	}
	for (int i = 0; i < container->nparts; i++)
	{
		const Part *part = &container->parts[i];
		JEntry		entry = part->container ? write_container(out, part->container) : write_scalar(out, &part->scalar);

		set_entry(out, entries, nkeys + i, entry, &end);
	}
	return JENTRY_ISCONTAINER | (out->len - start);
}

/* The whole as jsonb; about as long as its text. */
static Jsonb *
write_jsonb(const Container *container, size_t text_len)
{
	StringInfoData out = {.maxlen = (int) text_len + text_len / 2 + 64};

	out.data = palloc(out.maxlen);
	out.len = VARHDRSZ;
	(void) write_container(&out, container);
	SET_VARSIZE(out.data, out.len);
	return (Jsonb *) out.data;
}

Jsonb *
mirror_json(const char *record, size_t len)
{
	Reader		reader = {.max_parts = 64};
	Container  *container = NULL;

	if (GetDatabaseEncoding() == PG_UTF8 && len <= MAX_LENGTH)
	{
		reader.parts = palloc(sizeof(Part) * reader.max_parts);
		jscan_begin(&reader.scan, record, len);
		if (jscan_enter(&reader.scan, '{'))
			container = read_container(&reader, true);
		if (container && jscan_finish(&reader.scan))
			return write_jsonb(container, len);
	}
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(record, len))));
}
