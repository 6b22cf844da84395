/*
 * write.c
 *		Writing what was decided through the CRM's view.  See write.h.
 *
 * Everything goes in sets: one statement for all new records, one for all records that get the same columns, one for
 * lines.  What the view returns is held against what it was given: an INSTEAD OF trigger may forget the key, a BEFORE
 * trigger may swallow a row or give it another key.  Such a thing is raised as an error of the whole batch, because what was written for that
 * record must be rolled back; apart.c then finds the record, or halving in turn.c.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "common/unit.h"
#include "crm/batch.h"
#include "crm/role.h"
#include "crm/statement.h"
#include "crm/write.h"
#include "crm/write_parts.h"

/* See write_under_way(). */
static int32 agreed_mapping = 0;

/* The document's lines are not a column of its view. */
#define LINES "lines"

/* The statement begun last, for write_probe(): its text outlives the transaction. */
static char *begun_text = NULL;
static int	begun_nargs = 0;

/*
 * Texts of UPDATEs by the columns they write, kept as long as the mapping's other statements stay the same; making one takes
 * longer than running it.
 */
#define UPDATES_MAX 32

typedef struct KeptUpdate
{
	char	   *columns;		/* as in UpdateGroup */
	int			length;
	char	   *statement;
} KeptUpdate;

static struct
{
	MemoryContext context;
	char	   *read_rows;		/* of the mapping they are for */
	char	   *insert;
	int			n;
	KeptUpdate	updates[UPDATES_MAX];
} kept;

/* A row that a statement of the view gave: crm_key, ours. */
typedef struct ShownRow
{
	char	   *crm_key;		/* NULL: null */
	Datum		shown;			/* 0: null */
} ShownRow;

/* Deeds of a turn that have a CRM record, in order of its key. */
typedef struct KeyIndex
{
	int			n;
	Deed	  **deeds;
} KeyIndex;

/* Deeds that get the same columns. */
typedef struct UpdateGroup
{
	char	   *columns;		/* the names, each followed by a zero byte, as one text */
	int			length;
	Deed	   *deed;
} UpdateGroup;

Deed *
write_prepare(const Decisions *decisions)
{
	Deed	   *deeds = palloc0(sizeof(Deed) * Max(decisions->n, 1));

	for (int i = 0; i < decisions->n; i++)
	{
		const Decision *decision = &decisions->decisions[i];

		deeds[i].decision = decision;
		deeds[i].crm_key = decision->crm_key;
		if (decision->action == DECISION_UPDATE || decision->action == DECISION_LINK || decision->action == DECISION_CREATE)
			deeds[i].write = decision->write;
	}
	return deeds;
}

/* Is the deed a change of a CRM record that exists? */
static bool
is_update(const Deed *deed)
{
	return deed->write != (Datum) 0 && deed->decision->action != DECISION_CREATE;
}

bool
write_wanted(const Deed *deeds, int ndeeds)
{
	for (int i = 0; i < ndeeds; i++)
		if (deeds[i].write != (Datum) 0 || deeds[i].decision->action == DECISION_CREATE ||
			deeds[i].decision->action == DECISION_DELETE)
			return true;
	return false;
}

void
write_begins(const char *statement, int nargs)
{
	if (begun_text)
		pfree(begun_text);
	begun_text = MemoryContextStrdup(TopMemoryContext, statement);
	begun_nargs = nargs;
}

/* Run a statement of arrays as the role. */
static Rows *
run(const Mapping *mapping, const char *statement, const Batch *first, Oid first_type, const Batch *second)
{
	Oid			types[2];
	Datum		values[2];
	int			nargs = 1;

	write_begins(statement, first_type == JSONBARRAYOID ? 0 : second ? 2 : 1);
	types[0] = first_type;
	values[0] = batch_array(first, first_type == JSONBARRAYOID ? JSONBOID : TEXTOID);
	if (second)
	{
		types[nargs] = JSONBARRAYOID;
		values[nargs++] = batch_array(second, JSONBOID);
	}
	return statement_rows_as_role(mapping, statement, nargs, types, values, NULL);
}

/* The rows of a statement that gives crm_key and ours; the one that reads gives the time, too. */
static ShownRow *
shown_rows(Rows *rows)
{
	static const char *const names[] = {"crm_key", "ours", "crm_time"};
	static const Oid types[] = {TEXTOID, JSONBOID, TIMESTAMPTZOID};
	TupleTableSlot *slot;
	ShownRow   *shown = palloc0(sizeof(ShownRow) * Max(rows->n, 1));
	int64		i = 0;

	rows_expect(rows, rows->tupdesc && rows->tupdesc->natts == 3 ? 3 : 2, names, types);
	slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	tuplestore_rescan(rows->store);
	while (i < rows->n && tuplestore_gettupleslot(rows->store, true, false, slot))
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, 1, &isnull);

		if (!isnull)
			shown[i].crm_key = TextDatumGetCString(value);
		value = slot_getattr(slot, 2, &isnull);
		if (!isnull)
			shown[i].shown = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		i++;
	}
	rows->n = i;
	ExecDropSingleTupleTableSlot(slot);
	return shown;
}

/* What a record is called in an error that is about one of a batch. */
static const char *
record_name(const Deed *deed)
{
	return deed->decision->record_name ? deed->decision->record_name : deed->decision->id;
}

void
write_no_key(const Deed *deed)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_NO_KEY),
			 errmsg("the view returned no key of its own for a new record"),
			 errdetail("The record is \"%s\".", record_name(deed)),
			 errhint("An INSTEAD OF INSERT trigger must set the key column of NEW and return NEW.")));
}

void
write_returned_nothing(const Deed *deed)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_RETURNED_NOTHING),
			 errmsg("the view took a record, but did not write it"),
			 errdetail("The record is \"%s\".", record_name(deed)),
			 errhint("Look for a trigger or rule of the CRM that returns NULL or does nothing.")));
}

/* crm_key: the key that came back, NULL: null. */
static void
key_changed(const Deed *deed, const char *crm_key)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRM_KEY_CHANGED),
			 errmsg("the key of a record became another one when it was written"),
			 errdetail("Key \"%s\" became \"%s\".", deed->crm_key, crm_key ? crm_key : "null"),
			 errhint("Look for a trigger of the CRM that writes the key column.")));
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp((*(Deed *const *) a)->crm_key, (*(Deed *const *) b)->crm_key);
}

/* An index over deeds, which it takes over. */
static KeyIndex
key_index(Deed **deeds, int n)
{
	KeyIndex	index = {n, deeds};

	qsort(deeds, n, sizeof(Deed *), compare_keys);
	return index;
}

/* The deed with that key; NULL if there is none. */
static Deed *
key_find(const KeyIndex *index, char *crm_key)
{
	Deed		wanted = {.crm_key = crm_key};
	Deed	   *pointer = &wanted;
	Deed	  **found;

	if (crm_key == NULL || index->n == 0)
		return NULL;
	found = bsearch(&pointer, index->deeds, index->n, sizeof(Deed *), compare_keys);
	return found ? *found : NULL;
}

void
write_check_new_keys(Deed **made, int n)
{
	Deed	  **copy = palloc(sizeof(Deed *) * n);
	KeyIndex	index;

	memcpy(copy, made, sizeof(Deed *) * n);
	index = key_index(copy, n);
	for (int i = 1; i < n; i++)
		if (strcmp(index.deeds[i - 1]->crm_key, index.deeds[i]->crm_key) == 0)
			write_no_key(index.deeds[i]);
}

/* Make the new records. */
static void
write_creates(const Mapping *mapping, Deed *deeds, int ndeeds)
{
	Batch		rows = {0};
	Deed	  **made = palloc(sizeof(Deed *) * ndeeds);
	ShownRow   *shown;
	Rows	   *result;
	int			n = 0;

	for (int i = 0; i < ndeeds; i++)
		if (deeds[i].decision->action == DECISION_CREATE && deeds[i].decision->created == NULL)
		{
			if (deeds[i].write == (Datum) 0)
				deeds[i].write = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
			batch_add(&rows, deeds[i].write);
			made[n++] = &deeds[i];
		}
	if (n == 0)
		return;
	if (mapping_statements(mapping)->insert == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the view of mapping \"%s\" takes no new records", mapping->name),
				 errhint("Make it insertable, or set the policy pull_new to none.")));
	result = run(mapping, mapping_statements(mapping)->insert, &rows, JSONBARRAYOID, NULL);
	shown = shown_rows(result);
	if (result->n != n)
		write_returned_nothing(made[0]);
	for (int i = 0; i < n; i++)
	{
		if (shown[i].crm_key == NULL)
			write_no_key(made[i]);
		made[i]->crm_key = shown[i].crm_key;
		made[i]->shown = shown[i].shown;
	}
	write_check_new_keys(made, n);
}

/* The columns that a deed writes, without its lines; *lines: are they written, too? */
static void
list_columns(const Deed *deed, StringInfo columns, bool *lines)
{
	JsonbIterator *iterator = JsonbIteratorInit(&DatumGetJsonbP(deed->write)->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	*lines = false;
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		if (value.val.string.len == strlen(LINES) && memcmp(value.val.string.val, LINES, strlen(LINES)) == 0)
			*lines = true;
		else
		{
			appendBinaryStringInfo(columns, value.val.string.val, value.val.string.len);
			appendStringInfoChar(columns, '\0');
		}
	}
}

static int
compare_groups(const void *a, const void *b)
{
	const UpdateGroup *x = a;
	const UpdateGroup *y = b;
	int			order = memcmp(x->columns, y->columns, Min(x->length, y->length));

	if (order != 0)
		return order;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return strcmp(x->deed->crm_key, y->deed->crm_key);
}

/* Forget the texts unless they are for the mapping as it is. */
static void
check_kept(const Mapping *mapping)
{
	const char *insert = mapping_statements(mapping)->insert ? mapping_statements(mapping)->insert : "";

	if (kept.context && kept.n < UPDATES_MAX && strcmp(kept.read_rows, mapping_statements(mapping)->read_rows) == 0 &&
		strcmp(kept.insert, insert) == 0)
		return;
	write_forget();
	kept.context = AllocSetContextCreate(TopMemoryContext, "qbsync update statements", ALLOCSET_SMALL_SIZES);
	kept.read_rows = MemoryContextStrdup(kept.context, mapping_statements(mapping)->read_rows);
	kept.insert = MemoryContextStrdup(kept.context, insert);
}

/* The text of the UPDATE that writes the columns of a group. */
static char *
update_statement(const Mapping *mapping, const UpdateGroup *group)
{
	static SqlStatement select = {
		"SELECT qbsync.mapping_update_statement($1, $2)", 2, {INT4OID, TEXTARRAYOID}
	};
	Datum		values[2];
	Batch		names = {0};
	char	   *statement;
	KeptUpdate *update;

	check_kept(mapping);
	for (int i = 0; i < kept.n; i++)
		if (kept.updates[i].length == group->length && memcmp(kept.updates[i].columns, group->columns, group->length) == 0)
			return kept.updates[i].statement;
	for (const char *name = group->columns; name < group->columns + group->length; name += strlen(name) + 1)
		batch_add(&names, CStringGetTextDatum(name));
	values[0] = Int32GetDatum(mapping->mapping_id);
	values[1] = batch_array(&names, TEXTOID);
	sql_execute(&select, values, NULL);
	statement = sql_text(0, 1, kept.context);
	SPI_freetuptable(SPI_tuptable);
	if (statement == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of the view of mapping \"%s\" cannot be written", group->columns, mapping->name)));
	update = &kept.updates[kept.n++];
	update->columns = MemoryContextAlloc(kept.context, group->length);
	memcpy(update->columns, group->columns, group->length);
	update->length = group->length;
	update->statement = statement;
	return statement;
}

/* Deeds whose row was not returned: not there any more, or swallowed. */
static void
check_unreturned(const Mapping *mapping, Deed **missing, int n)
{
	Batch		keys = {0};
	ShownRow   *shown;
	Rows	   *result;
	KeyIndex	index;

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		missing[i]->gone = true;
		batch_add(&keys, CStringGetTextDatum(missing[i]->crm_key));
	}
	result = run(mapping, mapping_statements(mapping)->read_rows, &keys, TEXTARRAYOID, NULL);
	shown = shown_rows(result);
	index = key_index(missing, n);
	for (int64 i = 0; i < result->n; i++)
	{
		Deed	   *deed = key_find(&index, shown[i].crm_key);

		if (deed)
			write_returned_nothing(deed);
	}
}

/* The first of deeds whose row was not returned; all were asked for, so there is one when another key came back. */
static const Deed *
first_unreturned(Deed **deeds, int n)
{
	for (int i = 0; i < n; i++)
		if (deeds[i]->shown == (Datum) 0)
			return deeds[i];
	return deeds[0];
}

/* Write one group: deeds [0, n) have the same columns and are in order of crm_key. */
static void
write_group(const Mapping *mapping, UpdateGroup *groups, int n)
{
	Batch		keys = {0};
	Batch		values = {0};
	Deed	  **deeds = palloc(sizeof(Deed *) * n);
	ShownRow   *shown;
	const ShownRow *other = NULL;	/* a row with a key that was not asked for */
	Rows	   *result;
	KeyIndex	index;
	int			missing = 0;

	for (int i = 0; i < n; i++)
	{
		deeds[i] = groups[i].deed;
		batch_add(&keys, CStringGetTextDatum(deeds[i]->crm_key));
		batch_add(&values, deeds[i]->write);
	}
	result = run(mapping, update_statement(mapping, groups), &keys, TEXTARRAYOID, &values);
	shown = shown_rows(result);
	index = key_index(deeds, n);
	for (int64 i = 0; i < result->n; i++)
	{
		Deed	   *deed = key_find(&index, shown[i].crm_key);

		if (deed)
			deed->shown = shown[i].shown;
		else
			other = &shown[i];
	}
	if (other)
		key_changed(first_unreturned(deeds, n), other->crm_key);
	for (int i = 0; i < n; i++)
		if (deeds[i]->shown == (Datum) 0)
			deeds[missing++] = deeds[i];
	check_unreturned(mapping, deeds, missing);
}

/* Replace the lines of documents. */
static void
write_lines(const Mapping *mapping, Deed *deeds, int ndeeds)
{
	Batch		old = {0};
	Batch		keys = {0};
	Batch		lines = {0};

	if (mapping_statements(mapping)->insert_lines == NULL)
		return;
	for (int i = 0; i < ndeeds; i++)
	{
		Deed	   *deed = &deeds[i];
		JsonbValue	found;

		if (deed->write == (Datum) 0 || deed->gone ||
			getKeyJsonValueFromContainer(&DatumGetJsonbP(deed->write)->root, LINES, strlen(LINES), &found) == NULL)
			continue;
		if (deed->decision->action != DECISION_CREATE)
			batch_add(&old, CStringGetTextDatum(deed->crm_key));
		if (found.type == jbvBinary)
		{
			batch_add(&keys, CStringGetTextDatum(deed->crm_key));
			batch_add(&lines, JsonbPGetDatum(JsonbValueToJsonb(&found)));
		}
		/* lines alone do not come back from the header's statement */
		if (deed->shown == (Datum) 0)
			deed->shown = deed->write;
	}
	if (old.n > 0)
		(void) run(mapping, mapping_statements(mapping)->delete_lines, &old, TEXTARRAYOID, NULL);
	if (keys.n > 0)
		(void) run(mapping, mapping_statements(mapping)->insert_lines, &keys, TEXTARRAYOID, &lines);
}

/* Change the records that exist. */
static void
write_updates(const Mapping *mapping, Deed *deeds, int ndeeds)
{
	UpdateGroup *groups = palloc(sizeof(UpdateGroup) * ndeeds);
	int			n = 0;
	int			begin = 0;

	for (int i = 0; i < ndeeds; i++)
	{
		StringInfoData columns;
		bool		lines;

		if (!is_update(&deeds[i]))
			continue;
		initStringInfo(&columns);
		list_columns(&deeds[i], &columns, &lines);
		if (columns.len == 0)
			continue;
		groups[n].columns = columns.data;
		groups[n].length = columns.len;
		groups[n++].deed = &deeds[i];
	}
	if (n > 0)
		qsort(groups, n, sizeof(UpdateGroup), compare_groups);
	for (int i = 1; i <= n; i++)
	{
		if (i < n && groups[i].length == groups[begin].length &&
			memcmp(groups[i].columns, groups[begin].columns, groups[i].length) == 0)
			continue;
		write_group(mapping, &groups[begin], i - begin);
		begin = i;
	}
}

/* Delete records, with their lines. */
static void
write_deletes(const Mapping *mapping, Deed *deeds, int ndeeds)
{
	Batch		keys = {0};
	Deed	   *last = NULL;
	Rows	   *left;

	for (int i = 0; i < ndeeds; i++)
		if (deeds[i].decision->action == DECISION_DELETE)
		{
			last = &deeds[i];
			batch_add(&keys, CStringGetTextDatum(last->crm_key));
		}
	if (last == NULL)
		return;
	if (mapping_statements(mapping)->delete_lines)
		(void) run(mapping, mapping_statements(mapping)->delete_lines, &keys, TEXTARRAYOID, NULL);
	(void) run(mapping, mapping_statements(mapping)->delete, &keys, TEXTARRAYOID, NULL);
	left = run(mapping, mapping_statements(mapping)->read_rows, &keys, TEXTARRAYOID, NULL);
	if (left->n > 0)
		write_returned_nothing(last);
}

/* Whatever the CRM has put off until commit happens now, so that it is seen and is inside the time box. */
static void
fire_deferred(const Mapping *mapping)
{
	RoleFrame	frame;

	role_enter(&frame, mapping);
	role_fire_deferred();
	role_leave(&frame);
}

/* See what the view shows of what was written. */
static void
read_again(const Mapping *mapping, Deed *deeds, int ndeeds)
{
	Batch		keys = {0};
	Deed	  **written = palloc(sizeof(Deed *) * ndeeds);
	bool	   *seen;
	KeyIndex	index;
	ShownRow   *shown;
	Rows	   *result;
	int			n = 0;

	for (int i = 0; i < ndeeds; i++)
		if (deeds[i].shown != (Datum) 0)
		{
			written[n++] = &deeds[i];
			batch_add(&keys, CStringGetTextDatum(deeds[i].crm_key));
		}
	if (n == 0)
		return;
	index = key_index(written, n);
	seen = palloc0(sizeof(bool) * ndeeds);
	result = run(mapping, mapping_statements(mapping)->read_rows, &keys, TEXTARRAYOID, NULL);
	shown = shown_rows(result);
	for (int64 i = 0; i < result->n; i++)
	{
		Deed	   *deed = key_find(&index, shown[i].crm_key);

		if (deed == NULL)
			continue;
		deed->shown = shown[i].shown;
		seen[deed - deeds] = true;
	}
	/* a row that our own change moved out of the view is found missing next time; a new one must be there */
	for (int i = 0; i < n; i++)
		if (written[i]->decision->action == DECISION_CREATE && !seen[written[i] - deeds])
			write_returned_nothing(written[i]);
}

int32
write_under_way(void)
{
	return agreed_mapping;
}

void
write_run(const Mapping *mapping, Deed *deeds, int ndeeds, bool agreed)
{
	PG_TRY();
	{
		agreed_mapping = agreed ? mapping->mapping_id : 0;
		write_creates(mapping, deeds, ndeeds);
		write_created(mapping, deeds, ndeeds);
		write_updates(mapping, deeds, ndeeds);
		write_lines(mapping, deeds, ndeeds);
		write_deletes(mapping, deeds, ndeeds);
		fire_deferred(mapping);
	}
	PG_FINALLY();
	{
		agreed_mapping = 0;
	}
	PG_END_TRY();
	if (mapping_statements(mapping)->reread)
		read_again(mapping, deeds, ndeeds);
}

bool
write_sees_rows(const Mapping *mapping)
{
	char	   *schema = get_namespace_name(get_rel_namespace(mapping->view));
	char	   *name = get_rel_name(mapping->view);
	Rows	   *rows;

	if (schema == NULL || name == NULL)
		return true;			/* what is wrong is said elsewhere */
	rows = statement_read_as_role(mapping, psprintf("SELECT true FROM %s LIMIT 1", quote_qualified_identifier(schema, name)),
								  0, NULL, NULL, NULL);
	return rows->n > 0;
}

void
write_probe(const Mapping *mapping)
{
	Batch		nothing = {0};
	char	   *statement;

	if (begun_text == NULL)
	{
		Oid			types[] = {TEXTARRAYOID};
		Datum		values[] = {batch_array(&nothing, TEXTOID)};

		(void) statement_read_as_role(mapping, mapping_statements(mapping)->read_rows, lengthof(types), types, values, NULL);
		return;
	}
	statement = pstrdup(begun_text);
	if (begun_nargs == 0)
		(void) run(mapping, statement, &nothing, JSONBARRAYOID, NULL);
	else
		(void) run(mapping, statement, &nothing, TEXTARRAYOID, begun_nargs == 2 ? &nothing : NULL);
}

void
write_begin(void)
{
	if (begun_text)
		pfree(begun_text);
	begun_text = NULL;
}

void
write_forget(void)
{
	if (kept.context)
		MemoryContextDelete(kept.context);
	memset(&kept, 0, sizeof(kept));
}
