/*
 * mirror_json.c
 *		A record's text becomes jsonb.  See mirror_json.h.
 *
 * jsonb_in() would do, and does where the text is unusual; of a load it is most of the processor time: it looks at each byte,
 * copies each string twice, and sorts the keys of every object by calls of a comparison.  Here the scanner of answers passes
 * strings many bytes at a time, keys are compared as integers, and members are handed to pushJsonbValue() in the order it
 * wants them, so that its own sorting is one pass.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "inbound/mirror_json.h"
#include "quickbooks/json_scan.h"

/* Every level is scanned once more with the one above: texts that are nested deeper go to jsonb_in(). */
#define MAX_LEVELS 12

/* So many digits are a number that an int64 surely holds. */
#define MAX_DIGITS 18

/* One member of an object. */
typedef struct Member
{
	uint64		rank;			/* length and first bytes of the key: compares as they do */
	const char *key;
	int			key_len;
	int			place;			/* among the members, as written */
	JsonSpan	value;
} Member;

typedef struct Builder
{
	JsonbParseState *state;
	Member	   *members;		/* of the objects entered, the innermost last */
	int			nmembers;
	int			max_members;
	int			levels;
} Builder;

static bool put_value(Builder *builder, JsonbIteratorToken part, const JsonSpan *value, JsonbValue **result);

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

/* --- objects and arrays ------------------------------------------------------------------------------------------- */

/* jsonb keeps members by length of key, then by its bytes; of those with one key, as written. */
static inline int
compare_members(const Member *a, const Member *b)
{
	int			order;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	order = memcmp(a->key, b->key, a->key_len);
	return order != 0 ? order : a->place - b->place;
}

#define ST_SORT sort_members
#define ST_ELEMENT_TYPE Member
#define ST_COMPARE(a, b) compare_members(a, b)
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

/* Note a member; false: its key is too long for ranks. */
static bool
add_member(Builder *builder, int first, const JsonSpan *key, const JsonSpan *value)
{
	Member	   *member;

	if (builder->nmembers == builder->max_members)
	{
		builder->max_members *= 2;
		builder->members = repalloc_huge(builder->members, sizeof(Member) * builder->max_members);
	}
	member = &builder->members[builder->nmembers];
	decode_string(key->text, key->len, &member->key, &member->key_len);
	if (member->key_len > 255)
		return false;
	member->rank = rank_of(member->key, member->key_len);
	member->place = builder->nmembers++ - first;
	member->value = *value;
	return true;
}

static bool
put_object(Builder *builder, JsonScan *scan, JsonbValue **result)
{
	int			first = builder->nmembers;
	JsonSpan	key;
	JsonSpan	value;

	pushJsonbValue(&builder->state, WJB_BEGIN_OBJECT, NULL);
	while (jscan_member(scan, &key))
		if (!jscan_value(scan, &value) || !add_member(builder, first, &key, &value))
			return false;
	sort_members(builder->members + first, builder->nmembers - first);
	for (int i = first, end = builder->nmembers; i < end; i++)
	{
		/* what is inside moves the array when it grows */
		Member		member = builder->members[i];
		JsonbValue	name = {.type = jbvString, .val.string = {member.key_len, unconstify(char *, member.key)}};

		pushJsonbValue(&builder->state, WJB_KEY, &name);
		if (!put_value(builder, WJB_VALUE, &member.value, result))
			return false;
	}
	builder->nmembers = first;
	*result = pushJsonbValue(&builder->state, WJB_END_OBJECT, NULL);
	return scan->error == NULL;
}

static bool
put_array(Builder *builder, JsonScan *scan, JsonbValue **result)
{
	JsonSpan	value;

	pushJsonbValue(&builder->state, WJB_BEGIN_ARRAY, NULL);
	while (jscan_element(scan))
		if (!jscan_value(scan, &value) || !put_value(builder, WJB_ELEM, &value, result))
			return false;
	*result = pushJsonbValue(&builder->state, WJB_END_ARRAY, NULL);
	return scan->error == NULL;
}

/* Hand a value over; false: jsonb_in() is to do it. */
static bool
put_value(Builder *builder, JsonbIteratorToken part, const JsonSpan *value, JsonbValue **result)
{
	JsonbValue	scalar;
	JsonScan	scan;
	bool		good;

	switch (value->text[0])
	{
		case '{':
		case '[':
			if (builder->levels == MAX_LEVELS)
				return false;
			builder->levels++;
			jscan_begin(&scan, value->text, value->len);
			good = jscan_enter(&scan, '{') ? put_object(builder, &scan, result)
				: jscan_enter(&scan, '[') && put_array(builder, &scan, result);
			builder->levels--;
			return good;
		case '"':
			{
				const char *string;

				scalar.type = jbvString;
				decode_string(value->text + 1, value->len - 2, &string, &scalar.val.string.len);
				scalar.val.string.val = unconstify(char *, string);
				break;
			}
		case 't':
		case 'f':
			scalar.type = jbvBool;
			scalar.val.boolean = value->text[0] == 't';
			break;
		case 'n':
			scalar.type = jbvNull;
			break;
		default:
			scalar.type = jbvNumeric;
			scalar.val.numeric = decode_number(value);
	}
	pushJsonbValue(&builder->state, part, &scalar);
	return true;
}

Jsonb *
mirror_json(const char *record, size_t len)
{
	Builder		builder = {.max_members = 64};
	JsonSpan	whole = {record, len};
	JsonbValue *result = NULL;

	if (GetDatabaseEncoding() == PG_UTF8 && len > 0 && record[0] == '{')
	{
		builder.members = palloc(sizeof(Member) * builder.max_members);
		if (put_value(&builder, WJB_DONE, &whole, &result))
			return JsonbValueToJsonb(result);
	}
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(record, len))));
}
