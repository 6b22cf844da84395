/*
 * mirror_value.c
 *		One JSON value becomes one typed datum.
 *
 * The server's own input functions raise on what they cannot read, which would take the whole page down for one odd
 * date.  So dates and times are read here, and text is handed to numeric_in() only when it is known to be a number.
 * Amounts are taken from the jsonb numeric as they are: no double ever sees them.
 *
 * Tolerant where QuickBooks is known to vary: ids and counts may be numbers or strings, booleans may be words, enums
 * may be spelled NOT_SET for NotSet.  A JSON null, and an empty string where no text is expected, is a null.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "inbound/mirror_value.h"

/* The longest text taken for a number: more digits than any amount has. */
#define NUMBER_TEXT_MAX 64

/* Read exactly n digits; -1 if there is anything else. */
static int
digits(const char *string, int n)
{
	int			value = 0;

	for (int i = 0; i < n; i++)
	{
		if (string[i] < '0' || string[i] > '9')
			return -1;
		value = value * 10 + (string[i] - '0');
	}
	return value;
}

/* Read the ten characters of a date; false if they are none. */
static bool
read_day(const char *string, int len, int *year, int *month, int *day)
{
	if (len < 10 || (string[4] != '-' && string[4] != '/') || string[7] != string[4])
		return false;
	*year = digits(string, 4);
	*month = digits(string + 5, 2);
	*day = digits(string + 8, 2);
	return *year >= 1 && *month >= 1 && *month <= 12 && *day >= 1 && *day <= day_tab[isleap(*year)][*month - 1];
}

bool
mirror_parse_date(const char *string, int len, DateADT *date)
{
	int			year,
				month,
				day;

	if (!read_day(string, len, &year, &month, &day))
		return false;
	if (len > 10)
	{
		TimestampTz ignored;

		/* some dates come with a time; the day is the one written */
		if (!mirror_parse_timestamp(string, len, &ignored))
			return false;
	}
	*date = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	return true;
}

/* Seconds east of UTC of "Z", "+hh:mm", "+hhmm" or "+hh"; false if it is none of them. */
static bool
read_offset(const char *string, int len, int *seconds)
{
	int			hours,
				minutes = 0;

	*seconds = 0;
	if (len == 1 && (string[0] == 'Z' || string[0] == 'z'))
		return true;
	if (len < 3 || (string[0] != '+' && string[0] != '-'))
		return false;
	hours = digits(string + 1, 2);
	if (len == 6 && string[3] == ':')
		minutes = digits(string + 4, 2);
	else if (len == 5)
		minutes = digits(string + 3, 2);
	else if (len != 3)
		return false;
	if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59)
		return false;
	*seconds = (hours * 60 + minutes) * 60;
	if (string[0] == '-')
		*seconds = -*seconds;
	return true;
}

/* Seconds east of UTC in Pacific time at a local time. */
static int
pacific_offset(int year, int month, int day, int hour, int minute, int second)
{
	static pg_tz *pacific = NULL;
	struct pg_tm tm = {0};

	if (pacific == NULL)
		pacific = pg_tzset("America/Los_Angeles");
	if (pacific == NULL)
		return -8 * SECS_PER_HOUR;
	tm.tm_year = year;
	tm.tm_mon = month;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	return -DetermineTimeZoneOffset(&tm, pacific);
}

bool
mirror_parse_timestamp(const char *string, int len, TimestampTz *result)
{
	int			year,
				month,
				day,
				hour,
				minute,
				second,
				offset,
				at = 19;
	int64		microseconds = 0;
	int64		scale = 100000;

	if (!read_day(string, len, &year, &month, &day) || len < 19 ||
		(string[10] != 'T' && string[10] != 't' && string[10] != ' ') || string[13] != ':' || string[16] != ':')
		return false;
	hour = digits(string + 11, 2);
	minute = digits(string + 14, 2);
	second = digits(string + 17, 2);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	if (at < len && string[at] == '.')
	{
		/* digits beyond the microsecond are dropped */
		for (at++; at < len && string[at] >= '0' && string[at] <= '9'; at++, scale /= 10)
			microseconds += (string[at] - '0') * scale;
	}
	if (at == len)
		offset = pacific_offset(year, month, day, hour, minute, second);
	else if (!read_offset(string + at, len - at, &offset))
		return false;
	*result = (TimestampTz) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY +
		((int64) (hour * 60 + minute) * 60 + second - offset) * USECS_PER_SEC + microseconds;
	return true;
}

/* Is it a plain decimal number, such as -12.50?  numeric_in() takes those without complaint. */
static bool
is_decimal(const char *string, int len)
{
	int			i = 0;
	int			before = 0;
	int			after = 0;

	if (len > NUMBER_TEXT_MAX)
		return false;
	if (i < len && (string[i] == '-' || string[i] == '+'))
		i++;
	for (; i < len && string[i] >= '0' && string[i] <= '9'; i++)
		before++;
	if (i < len && string[i] == '.')
	{
		for (i++; i < len && string[i] >= '0' && string[i] <= '9'; i++)
			after++;
	}
	return i == len && before + after > 0;
}

/* A number, or a string that is one. */
static bool
read_numeric(JsonbValue *value, Numeric *number)
{
	if (value->type == jbvNumeric)
	{
		*number = value->val.numeric;
		return true;
	}
	if (value->type == jbvString && is_decimal(value->val.string.val, value->val.string.len))
	{
		char	   *copy = pnstrdup(value->val.string.val, value->val.string.len);

		*number = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(copy),
													  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		return true;
	}
	return false;
}

/* The text of a number without fraction; NULL if it has one. */
static char *
whole_number(JsonbValue *value)
{
	Numeric		number;
	char	   *text_form;
	char	   *point;

	if (!read_numeric(value, &number))
		return NULL;
	text_form = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	point = strchr(text_form, '.');
	if (point != NULL)
	{
		if (point[1 + strspn(point + 1, "0")] != '\0')
			return NULL;
		*point = '\0';
	}
	return text_form;
}

static bool
read_integer(JsonbValue *value, int32 *number)
{
	char	   *text_form = whole_number(value);
	long		wide;

	/* at most 10 digits and a sign: no overflow in strtol */
	if (text_form == NULL || strlen(text_form) > 11)
		return false;
	wide = strtol(text_form, NULL, 10);
	if (wide < PG_INT32_MIN || wide > PG_INT32_MAX)
		return false;
	*number = (int32) wide;
	return true;
}

static bool
read_boolean(JsonbValue *value, bool *result)
{
	if (value->type == jbvBool)
	{
		*result = value->val.boolean;
		return true;
	}
	if (value->type != jbvString)
		return false;
	*result = value->val.string.len == 4 && pg_strncasecmp(value->val.string.val, "true", 4) == 0;
	return *result || (value->val.string.len == 5 && pg_strncasecmp(value->val.string.val, "false", 5) == 0);
}

/* Does a word of an enum mean the same, whatever its case and underscores? */
static bool
same_word(const char *known, int known_len, const char *word, int len)
{
	int			i = 0;
	int			j = 0;

	for (;;)
	{
		while (i < known_len && known[i] == '_')
			i++;
		while (j < len && word[j] == '_')
			j++;
		if (i == known_len || j == len)
			return i == known_len && j == len;
		if (pg_ascii_tolower((unsigned char) known[i++]) != pg_ascii_tolower((unsigned char) word[j++]))
			return false;
	}
}

/* The text of a string, an enum in its known spelling. */
static Datum
text_datum(const char *values, const char *word, int len)
{
	while (values != NULL && *values != '\0')
	{
		int			known_len = strcspn(values, " ");

		if (same_word(values, known_len, word, len))
			return PointerGetDatum(cstring_to_text_with_len(values, known_len));
		values += known_len;
		values += strspn(values, " ");
	}
	return PointerGetDatum(cstring_to_text_with_len(word, len));
}

/* An array of the parts of a comma-separated list, blanks trimmed; false (a null) if there are none. */
static bool
split_emails(const char *list, int len, Datum *datum)
{
	Datum	   *parts = NULL;
	int			nparts = 0;
	const char *end = list + len;

	for (const char *start = list; start < end;)
	{
		const char *comma = memchr(start, ',', end - start);
		const char *stop = comma ? comma : end;
		const char *next = comma ? comma + 1 : end;

		while (start < stop && (unsigned char) *start <= ' ')
			start++;
		while (stop > start && (unsigned char) stop[-1] <= ' ')
			stop--;
		if (stop > start)
		{
			parts = parts ? repalloc(parts, sizeof(Datum) * (nparts + 1)) : palloc(sizeof(Datum));
			parts[nparts++] = PointerGetDatum(cstring_to_text_with_len(start, stop - start));
		}
		start = next;
	}
	if (nparts == 0)
		return false;
	*datum = PointerGetDatum(construct_array(parts, nparts, TEXTOID, -1, false, TYPALIGN_INT));
	return true;
}

/* An array of strings; false if anything else is in it. */
static bool
read_strings(JsonbValue *value, Datum *datum)
{
	JsonbContainer *container = value->val.binary.data;
	int			count;
	Datum	   *parts;

	if (value->type != jbvBinary || !JsonContainerIsArray(container))
		return false;
	count = JsonContainerSize(container);
	parts = palloc(sizeof(Datum) * (count + 1));
	for (int i = 0; i < count; i++)
	{
		JsonbValue *part = getIthJsonbValueFromContainer(container, i);

		if (part == NULL || part->type != jbvString)
			return false;
		parts[i] = PointerGetDatum(cstring_to_text_with_len(part->val.string.val, part->val.string.len));
	}
	*datum = PointerGetDatum(construct_array(parts, count, TEXTOID, -1, false, TYPALIGN_INT));
	return true;
}

/* Strings that stand for other types: dates and times, e-mail lists, ids. */
static bool
read_string(const CatalogueColumn *column, JsonbValue *value, Datum *datum, bool *isnull)
{
	const char *string = value->val.string.val;
	int			len = value->val.string.len;
	DateADT		date;
	TimestampTz timestamp;

	if (value->type != jbvString)
		return false;
	switch (column->type)
	{
		case COLUMN_DATE:
			if (!mirror_parse_date(string, len, &date))
				return false;
			*datum = DateADTGetDatum(date);
			return true;
		case COLUMN_TIMESTAMPTZ:
			if (!mirror_parse_timestamp(string, len, &timestamp))
				return false;
			*datum = TimestampTzGetDatum(timestamp);
			return true;
		case COLUMN_EMAILS:
			*isnull = !split_emails(string, len, datum);
			return true;
		default:
			*datum = text_datum(column->values, string, len);
			return true;
	}
}

bool
mirror_value(const CatalogueColumn *column, JsonbValue *value, Datum *datum, bool *isnull)
{
	Numeric		number;
	int32		integer;
	bool		boolean;
	char	   *text_form;

	*isnull = true;
	if (value->type == jbvNull ||
		(value->type == jbvString && value->val.string.len == 0 && column->type != COLUMN_TEXT))
		return true;

	*isnull = false;
	switch (column->type)
	{
		case COLUMN_TEXT:
		case COLUMN_DATE:
		case COLUMN_TIMESTAMPTZ:
		case COLUMN_EMAILS:
			if (read_string(column, value, datum, isnull))
				return true;
			break;
		case COLUMN_ID:
			if (read_string(column, value, datum, isnull))
				return true;
			text_form = value->type == jbvNumeric ? whole_number(value) : NULL;
			if (text_form == NULL)
				break;
			*datum = CStringGetTextDatum(text_form);
			return true;
		case COLUMN_NUMERIC:
			if (!read_numeric(value, &number))
				break;
			*datum = NumericGetDatum(number);
			return true;
		case COLUMN_INTEGER:
			if (!read_integer(value, &integer))
				break;
			*datum = Int32GetDatum(integer);
			return true;
		case COLUMN_BOOLEAN:
			if (!read_boolean(value, &boolean))
				break;
			*datum = BoolGetDatum(boolean);
			return true;
		case COLUMN_TEXT_ARRAY:
			if (read_strings(value, datum))
				return true;
			break;
		case COLUMN_JSONB:
			if (value->type != jbvBinary)
				break;
			*datum = JsonbPGetDatum(JsonbValueToJsonb(value));
			return true;
	}
	*isnull = true;
	return false;
}
