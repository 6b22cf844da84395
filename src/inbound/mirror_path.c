/*
 * mirror_path.c
 *		Paths of the catalogue, compiled into a tree that is walked together with the record.
 *
 * A record has some forty members and a table some seventy columns; looking up each column from the top costs more than
 * storing the row.  jsonb keeps the members of an object sorted (by length, then bytes), so the paths are kept as a
 * tree with children in the same order, and one merge of both finds every column.
 *
 * What leads through an array (an index, or a search by a member's text) is rare and followed step by step.
 */
#include "postgres.h"

#include "inbound/mirror_path.h"

/* One step through an array or from there on. */
typedef struct PathStep
{
	enum
	{
		STEP_MEMBER,
		STEP_INDEX,
		STEP_SEARCH
	}			kind;
	const char *key;			/* of a member */
	int			key_len;
	int			index;
	struct PathStep *search;	/* path inside an element … */
	const char *text_wanted;	/* … and the text that must be there */
	int			text_len;
	struct PathStep *next;
} PathStep;

/* A column that is at a node, or some steps behind it. */
typedef struct PathPlace
{
	int			column;
	int			rank;
	PathStep   *steps;
	struct PathPlace *next;
} PathPlace;

struct PathNode
{
	const char *key;
	int			key_len;
	PathNode   *children;		/* sorted as jsonb sorts keys */
	int			nchildren;
	PathPlace  *places;
};

/* The order of keys in jsonb. */
static int
compare_keys(const char *a, int a_len, const char *b, int b_len)
{
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return memcmp(a, b, a_len);
}

/* The child of that name, made if need be, in its place. */
static PathNode *
child_of(PathNode *node, const char *key, int key_len)
{
	int			at = 0;

	while (at < node->nchildren &&
		   compare_keys(node->children[at].key, node->children[at].key_len, key, key_len) < 0)
		at++;
	if (at < node->nchildren &&
		compare_keys(node->children[at].key, node->children[at].key_len, key, key_len) == 0)
		return &node->children[at];

	if (node->nchildren == 0)
		node->children = palloc(sizeof(PathNode));
	else
		node->children = repalloc(node->children, sizeof(PathNode) * (node->nchildren + 1));
	memmove(node->children + at + 1, node->children + at, sizeof(PathNode) * (node->nchildren - at));
	memset(node->children + at, 0, sizeof(PathNode));
	node->children[at].key = key;
	node->children[at].key_len = key_len;
	node->nchildren++;
	return &node->children[at];
}

/* Length of the next word of a path: up to a dot, a bracket or the end of the alternative. */
static int
word_length(const char *path)
{
	return strcspn(path, ".[|]=");
}

/*
 * Compile what follows an array, up to stop: words separated by dots, each perhaps with a search in brackets.
 */
static PathStep *
compile_steps(const char *path, const char *stop)
{
	PathStep   *first = NULL;
	PathStep  **last = &first;

	while (path < stop)
	{
		PathStep   *step = palloc0(sizeof(PathStep));
		int			len = word_length(path);

		if (*path == '.')
		{
			path++;
			continue;
		}
		if (*path == '[')
		{
			const char *equals = strchr(path, '=');
			const char *close = strchr(path, ']');

			if (equals == NULL || close == NULL || equals > close)
				elog(ERROR, "malformed path in the catalogue: \"%s\"", path);
			step->kind = STEP_SEARCH;
			step->search = compile_steps(path + 1, equals);
			step->text_wanted = equals + 1;
			step->text_len = close - equals - 1;
			path = close + 1;
		}
		else
		{
			if (path + len > stop)
				len = stop - path;
			step->kind = *path >= '0' && *path <= '9' ? STEP_INDEX : STEP_MEMBER;
			step->key = path;
			step->key_len = len;
			step->index = step->kind == STEP_INDEX ? atoi(path) : 0;
			path += len;
		}
		*last = step;
		last = &step->next;
	}
	return first;
}

/* Enter one alternative of a path. */
static void
add_path(PathNode *node, const char *path, const char *stop, int column, int rank)
{
	PathPlace  *place = palloc0(sizeof(PathPlace));

	while (path < stop && *path != '[' && !(*path >= '0' && *path <= '9'))
	{
		int			len = word_length(path);

		node = child_of(node, path, len);
		path += len;
		if (path < stop && *path == '.')
			path++;
	}
	place->column = column;
	place->rank = rank;
	place->steps = compile_steps(path, stop);
	place->next = node->places;
	node->places = place;
}

/* End of an alternative: a bar outside brackets, or the end of the path. */
static const char *
alternative_end(const char *path)
{
	int			depth = 0;

	for (; *path != '\0'; path++)
	{
		if (*path == '[')
			depth++;
		else if (*path == ']')
			depth--;
		else if (*path == '|' && depth == 0)
			break;
	}
	return path;
}

/* Enter all alternatives of a path. */
static void
add_paths(PathNode *root, const char *path, int column)
{
	for (int rank = 1;; rank++)
	{
		const char *end = alternative_end(path);

		add_path(root, path, end, column, rank);
		if (*end == '\0')
			return;
		path = end + 1;
	}
}

ColumnPaths *
column_paths_compile(const CatalogueColumn *columns, const CatalogueLines *lines)
{
	ColumnPaths *paths = palloc0(sizeof(ColumnPaths));

	paths->columns = columns;
	paths->root = palloc0(sizeof(PathNode));
	for (const CatalogueColumn *column = columns; column->name; column++)
		add_paths(paths->root, column->path, paths->ncolumns++);
	paths->nplaces = paths->ncolumns;
	for (; lines && lines->table; lines++)
		add_paths(paths->root, lines->path, paths->nplaces++);
	return paths;
}

static bool follow(PathStep *step, const JsonbValue *from, JsonbValue *result);

/* Does the path of a search lead to the text wanted in this element? */
static bool
matches(PathStep *search, JsonbValue *element)
{
	JsonbValue	value;

	return follow(search->search, element, &value) && value.type == jbvString &&
		value.val.string.len == search->text_len &&
		memcmp(value.val.string.val, search->text_wanted, search->text_len) == 0;
}

/*
 * Take one step.  An object where an array is expected counts as its only element, since converters from XML collapse
 * arrays of one.
 */
static bool
take_step(PathStep *step, const JsonbValue *from, JsonbValue *result)
{
	JsonbContainer *container = from->val.binary.data;
	bool		is_array = JsonContainerIsArray(container);
	int			count = is_array ? JsonContainerSize(container) : 1;

	if (step->kind == STEP_MEMBER)
		return !is_array && getKeyJsonValueFromContainer(container, step->key, step->key_len, result) != NULL;
	for (int i = step->kind == STEP_INDEX ? step->index : 0; i < count; i++)
	{
		*result = is_array ? *getIthJsonbValueFromContainer(container, i) : *from;
		if (step->kind == STEP_INDEX || matches(step, result))
			return true;
	}
	return false;
}

/* Follow steps; false if they lead nowhere. */
static bool
follow(PathStep *step, const JsonbValue *from, JsonbValue *result)
{
	*result = *from;
	for (; step; step = step->next)
	{
		JsonbValue	here = *result;

		if (here.type != jbvBinary || !take_step(step, &here, result))
			return false;
	}
	return result->type != jbvNull;
}

/* The value of a member, as an iterator would return it, without copying what it points to. */
static void
read_entry(JEntry entry, char *base, uint32 offset, uint32 end, JsonbValue *value)
{
	uint32		aligned = INTALIGN(offset);

	if (JBE_ISSTRING(entry))
	{
		value->type = jbvString;
		value->val.string.val = base + offset;
		value->val.string.len = end - offset;
	}
	else if (JBE_ISNUMERIC(entry))
	{
		value->type = jbvNumeric;
		value->val.numeric = (Numeric) (base + aligned);
	}
	else if (JBE_ISBOOL(entry))
	{
		value->type = jbvBool;
		value->val.boolean = JBE_ISBOOL_TRUE(entry);
	}
	else if (JBE_ISCONTAINER(entry))
	{
		value->type = jbvBinary;
		value->val.binary.data = (JsonbContainer *) (base + aligned);
		value->val.binary.len = end - aligned;
	}
	else
		value->type = jbvNull;
}

/* Note the value of a node for the columns that end there. */
static void
note_places(PathNode *node, const JsonbValue *value, FoundValue *found)
{
	for (PathPlace *place = node->places; place; place = place->next)
	{
		FoundValue *target = &found[place->column];
		JsonbValue	result;

		if (target->rank != 0 && target->rank <= place->rank)
			continue;
		if (place->steps == NULL)
			target->value = *value;
		else if (follow(place->steps, value, &result))
			target->value = result;
		else
			continue;
		target->rank = place->rank;
	}
}

/* Merge the children of a node with the members of an object; depth is that of the catalogue's paths. */
static void
walk(PathNode *node, JsonbContainer *object, FoundValue *found)
{
	int			count = JsonContainerSize(object);
	char	   *base = (char *) &object->children[count * 2];
	uint32		key_offset = 0;
	uint32		value_offset;
	int			child = 0;

	if (count == 0)
		return;
	value_offset = getJsonbOffset(object, count);
	for (int i = 0; i < count && child < node->nchildren; i++)
	{
		JEntry		entry = object->children[count + i];
		uint32		key_start = key_offset;
		uint32		value_start = value_offset;
		int			order = -1;

		JBE_ADVANCE_OFFSET(key_offset, object->children[i]);
		JBE_ADVANCE_OFFSET(value_offset, entry);
		while (child < node->nchildren)
		{
			PathNode   *next = &node->children[child];

			order = compare_keys(next->key, next->key_len, base + key_start, key_offset - key_start);
			if (order >= 0)
				break;
			child++;
		}
		if (child < node->nchildren && order == 0 && !JBE_ISNULL(entry))
		{
			PathNode   *next = &node->children[child++];
			JsonbValue	value;

			read_entry(entry, base, value_start, value_offset, &value);
			note_places(next, &value, found);
			if (next->nchildren > 0 && value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
				walk(next, value.val.binary.data, found);
		}
	}
}

void
column_paths_find(const ColumnPaths *paths, JsonbContainer *object, FoundValue *found)
{
	for (int i = 0; i < paths->nplaces; i++)
		found[i].rank = 0;
	if (JsonContainerIsObject(object))
		walk(paths->root, object, found);
}
