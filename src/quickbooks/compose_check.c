/*
 * compose_check.c
 *		What QuickBooks would refuse, found before it is asked: lengths, characters, forms of values, names.
 *
 * A person learns of it at once, in words about his column, and no call is spent.  Rules are the API's for each field; what
 * only QuickBooks can know (a name in use, a reference made inactive) is left to it.
 */
#include "postgres.h"

#include <ctype.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "quickbooks/compose.h"

/* Columns of a person's or company's name: ':' separates levels of a hierarchy there, and lines do not exist. */
static const char *const name_columns[] = {"display_name", "title", "given_name", "middle_name", "family_name", "suffix"};

/* So much of a value is quoted. */
#define QUOTE_BYTES_MAX 400

/* QuickBooks takes so many characters in the five lines of an address together. */
#define ADDRESS_LINES_MAX 2000

void
compose_refuse(Compose *compose, const char *problem, const char *column_name, const char *sentence,
			   const char *first, const char *second)
{
	if (compose->problem)
		return;
	compose->problem = problem;
	compose->column_name = column_name;
	compose->sentence = sentence;
	compose->particulars[0] = first;
	compose->particulars[1] = second;
}

const char *
compose_quote(const char *string, int len)
{
	return pnstrdup(string, pg_mbcliplen(string, len, QUOTE_BYTES_MAX));
}

static const char *
number(int n)
{
	return psprintf("%d", n);
}

/* Refuse a column for what its sentence says, without particulars. */
static void
refuse(Compose *compose, const char *problem, const CatalogueColumn *column, const char *sentence)
{
	compose_refuse(compose, problem, column->name, sentence, NULL, NULL);
}

static void
refuse_length(Compose *compose, const CatalogueColumn *column, const char *sentence, int most, int length)
{
	compose_refuse(compose, "send_too_long", column->name, sentence, number(most), number(length));
}

const ComposeColumn *
compose_given(const Compose *compose, const char *name)
{
	for (int i = 0; i < compose->ncolumns; i++)
		if (strcmp(compose->entity->columns[i].name, name) == 0)
			return compose->columns[i].given ? &compose->columns[i] : NULL;
	return NULL;
}

/* Characters of a string. */
static int
length_of(const JsonbValue *value)
{
	return pg_mbstrlen_with_len(value->val.string.val, value->val.string.len);
}

/* Is it one of the words, separated by blanks? */
static bool
is_one_of(const JsonbValue *value, const char *words)
{
	int			len = value->val.string.len;

	while (*words)
	{
		int			word = (int) strcspn(words, " ");

		if (word == len && strncmp(words, value->val.string.val, word) == 0)
			return true;
		words += word;
		words += strspn(words, " ");
	}
	return false;
}

static bool
is_name(const CatalogueColumn *column)
{
	for (int i = 0; i < lengthof(name_columns); i++)
		if (strcmp(column->name, name_columns[i]) == 0)
			return true;
	return false;
}

/* A text by the rules of all texts, and of names. */
static void
check_text(Compose *compose, const CatalogueColumn *column, const JsonbValue *value)
{
	const char *string = value->val.string.val;
	int			len = value->val.string.len;

	if (column->max_length > 0 && length_of(value) > column->max_length)
		refuse_length(compose, column, "too_long", column->max_length, length_of(value));
	if (column->values && !is_one_of(value, column->values))
		compose_refuse(compose, "send_bad_value", column->name, "not_listed", compose_quote(string, len), column->values);
	for (int i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) string[i];

		if (is_name(column) && (c == ':' || c == '\t' || c == '\n' || c == '\r'))
			refuse(compose, "send_bad_characters", column, c == ':' ? "colon" : c == '\t' ? "tab" : "line_break");
		else if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			compose_refuse(compose, "send_bad_characters", column->name, "control_character", number(c), NULL);
	}
}

/* Is it an address as QuickBooks' check wants it: something, one @, a domain with no blanks or separators? */
static bool
is_email(const char *string, int len)
{
	const char *at = memchr(string, '@', len);
	const char *end = string + len;

	if (at == NULL || at == string || at + 1 == end || memchr(at + 1, '@', end - at - 1))
		return false;
	for (const char *p = string; p < end; p++)
		if (isspace((unsigned char) *p) || strchr(",;:<>()[]\\\"", *p) || (unsigned char) *p < ' ' || (*p == '.' && p + 1 < end && p[1] == '.'))
			return false;
	return string[0] != '.' && at[-1] != '.' && at[1] != '.' && at[1] != '-' && end[-1] != '.' && end[-1] != '-' &&
		memchr(at + 1, '.', end - at - 1) != NULL;
}

/* A list of e-mail addresses, which goes out joined by commas. */
static void
check_emails(Compose *compose, const CatalogueColumn *column, const JsonbValue *value)
{
	JsonbIterator *iterator = JsonbIteratorInit(value->val.binary.data);
	JsonbValue	element;
	JsonbIteratorToken token;
	int			length = -1;

	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString)
		{
			refuse(compose, "send_bad_value", column, "not_texts");
			return;
		}
		if (!is_email(element.val.string.val, element.val.string.len))
			compose_refuse(compose, "send_bad_email", column->name, "not_email", compose_quote(element.val.string.val, element.val.string.len), NULL);
		length += length_of(&element) + 1;
	}
	if (length > column->max_length)
		refuse_length(compose, column, "emails_too_long", column->max_length, length);
}

/* An address on the web: no blanks, and a dot in the host. */
static void
check_web_address(Compose *compose, const CatalogueColumn *column, const JsonbValue *value)
{
	const char *string = value->val.string.val;
	int			len = value->val.string.len;
	const char *host = string;
	int			scheme;

	for (scheme = 0; scheme + 2 < len && strncmp(string + scheme, "://", 3) != 0;)
		scheme++;
	if (scheme + 2 < len)
		host = string + scheme + 3;
	for (int i = 0; i < len; i++)
		if (isspace((unsigned char) string[i]))
			host = NULL;
	if (host == NULL || host[0] == '.' || memchr(host, '.', string + len - host) == NULL)
		compose_refuse(compose, "send_bad_value", column->name, "not_web", compose_quote(string, len), NULL);
}

/* Values come from columns of type date: what has another form is a date that QuickBooks does not know (a year of five digits, BC). */
static void
check_date(Compose *compose, const CatalogueColumn *column, const JsonbValue *value)
{
	static const char form[] = "dddd-dd-dd";
	bool		good = value->type == jbvString && value->val.string.len == sizeof(form) - 1;

	for (int i = 0; good && form[i]; i++)
		good = form[i] == 'd' ? isdigit((unsigned char) value->val.string.val[i]) != 0 : value->val.string.val[i] == form[i];
	if (!good)
		refuse(compose, "send_bad_value", column, "not_date");
}

/* One column that is not to be emptied. */
static void
check_column(Compose *compose, const CatalogueColumn *column, const JsonbValue *value)
{
	switch (column->type)
	{
		case COLUMN_TEXT:
		case COLUMN_ID:
			if (value->type != jbvString)
				refuse(compose, "send_bad_value", column, "not_text");
			else
			{
				check_text(compose, column, value);
				if (strcmp(column->name, "web_addr") == 0)
					check_web_address(compose, column, value);
			}
			break;
		case COLUMN_NUMERIC:
		case COLUMN_INTEGER:
			if (value->type != jbvNumeric)
				refuse(compose, "send_bad_value", column, "not_number");
			break;
		case COLUMN_BOOLEAN:
			if (value->type != jbvBool)
				refuse(compose, "send_bad_value", column, "not_boolean");
			break;
		case COLUMN_DATE:
			check_date(compose, column, value);
			break;
		case COLUMN_EMAILS:
			if (value->type != jbvBinary)
				refuse(compose, "send_bad_value", column, "not_texts");
			else
				check_emails(compose, column, value);
			break;
		case COLUMN_TIMESTAMPTZ:
		case COLUMN_TEXT_ARRAY:
		case COLUMN_JSONB:
			break;
	}
}

/* The five lines of an address have a limit together. */
static void
check_address_lines(Compose *compose, const char *prefix)
{
	int			length = 0;
	char		name[32];

	for (int line = 1; line <= 5; line++)
	{
		const ComposeColumn *column;

		snprintf(name, sizeof(name), "%s_line%d", prefix, line);
		column = compose_given(compose, name);
		if (column && !column->cleared && column->value.type == jbvString)
			length += length_of(&column->value);
	}
	if (length > ADDRESS_LINES_MAX)
		for (int i = 0; i < compose->ncolumns; i++)
			if (strncmp(compose->entity->columns[i].name, prefix, strlen(prefix)) == 0 && compose->columns[i].given)
			{
				refuse_length(compose, &compose->entity->columns[i], "address_too_long", ADDRESS_LINES_MAX, length);
				return;
			}
}

/* A customer has a display name, or parts of a name that QuickBooks makes one of. */
static void
check_customer_name(Compose *compose)
{
	static const char *const parts[] = {"title", "given_name", "middle_name", "family_name", "suffix"};
	const ComposeColumn *name = compose_given(compose, "display_name");

	if (name && !name->cleared)
		return;
	if (compose->id)
	{
		if (name)
			compose_refuse(compose, "send_no_name", "display_name", "name_emptied", NULL, NULL);
		return;
	}
	for (int i = 0; i < lengthof(parts); i++)
	{
		const ComposeColumn *part = compose_given(compose, parts[i]);

		if (part && !part->cleared)
			return;
	}
	compose_refuse(compose, "send_no_name", "display_name", "nameless", NULL, NULL);
}

void
compose_check(Compose *compose)
{
	bool		customer = strcmp(compose->entity->name, "customer") == 0;

	for (int i = 0; i < compose->ncolumns; i++)
	{
		const CatalogueColumn *column = &compose->entity->columns[i];
		const ComposeColumn *given = &compose->columns[i];

		if (given->given && !given->cleared)
			check_column(compose, column, &given->value);
		else if ((column->flags & COLUMN_REQUIRED) && !customer && (given->given || compose->id == NULL))
			refuse(compose, "send_missing", column, "required");
	}
	check_address_lines(compose, "bill");
	check_address_lines(compose, "ship");
	if (customer)
		check_customer_name(compose);
}
