/*
 * merge.c
 *		qbsync.merge(): base, the CRM's row and QuickBooks' record, and what follows from them.
 *
 * The decision of a unit is a pure function of seven things: was it ever agreed on, did the CRM move, did QuickBooks move,
 * are they equal now, is one side empty, who has authority (before and since they agreed), which directions are open.  wish_of() is that table.  apply_wish()
 * turns the wish into columns to write, columns that wait to be sent, a conflict, and the base that must be stored
 * once the write is done.  The table, o being the CRM's value, t QuickBooks', b the base:
 *
 *		agreed, nobody moved				nothing
 *		o = t								agreed from now on, whatever was before
 *		agreed, one side moved				it wins; authority manual: conflict
 *		agreed, both moved					authority crm: send; qbo: write; newest: the later one; else conflict; what goes one
 *											way by policy has the authority of the side it comes from (rules: once_agreed)
 *		never agreed, one side empty		the other wins
 *		never agreed, both differ			by authority, else conflict
 *
 *		write, but it may not come in		taken as agreed: b := t, and crm_base keeps that the CRM shows o
 *		send, but it may not go out			nothing; what was never agreed stays so
 *		conflict, but neither may			there is nothing to decide: taken as agreed, as above
 *
 * "Moved" compares each side with what it showed itself when they agreed: the CRM with crm_base where that has the column
 * (a trigger rewrote it, the column holds less), with base elsewhere.
 *
 * What is empty and what is equal: canonical.c.
 *
 * Speed: one call per linked row of a sweep.  Rules are compiled once and kept while the datum's bytes are the same; rows
 * are read in one pass, as jsonb's keys are in order; results that are the same as the arguments are the arguments.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "crm/canonical.h"
#include "crm/merge.h"

PG_FUNCTION_INFO_V1(qbsync_merge);

/* Arguments of qbsync.merge(), and its results. */
enum
{
	ARG_RULES, ARG_BASE, ARG_CRM_BASE, ARG_UNAGREED, ARG_OURS, ARG_THEIRS, ARG_OURS_AT, ARG_THEIRS_AT
};
enum
{
	OUT_WRITE, OUT_SEND, OUT_CONFLICT, OUT_BASE, OUT_CRM_BASE, OUT_UNAGREED, OUT_COLUMNS
};

/* Mark of a unit in unagreed: a person has decided, see qbsync.settle_conflict(). */
#define RESOLVED "=resolved"

/* What is to become of a unit. */
typedef enum MergeWish
{
	WISH_NOTHING,				/* it is as it was agreed */
	WISH_AGREED,				/* both sides are equal */
	WISH_WRITE,					/* QuickBooks' value into the CRM */
	WISH_SEND,					/* the CRM's value to QuickBooks */
	WISH_CONFLICT				/* a person decides */
} MergeWish;

/* Compiled rules with room for the rows of one call, kept in fn_extra. */
typedef struct MergeCache
{
	MemoryContext context;		/* of what belongs to these rules */
	Jsonb	   *json;			/* the rules as they were compiled, NULL: none yet */
	MergeRules *rules;
	TupleDesc	result;
	/* By column: the rows, empty values as jbvNull; is there an entry in crm_base; was the base given up for t. */
	JsonbValue *base;
	JsonbValue *crm_base;
	JsonbValue *ours;
	JsonbValue *theirs;
	bool	   *has_crm_base;
	bool	   *rebased;
	/* By unit. */
	bool	   *unagreed;
	bool	   *resolved;		/* a person decided: authority manual does not ask again while one side moved */
} MergeCache;

/* One call. */
typedef struct Merge
{
	MergeCache *cache;
	Jsonb	   *base;			/* as given, NULL for null */
	Jsonb	   *crm_base;
	bool		newest_known;
	bool		ours_newer;
	CanonicalObject write;
	CanonicalObject send;
	JsonbParseState *conflicts; /* NULL: none */
	bool		base_changed;
	bool		crm_base_changed;
	/* Names in unagreed that the rules do not have. */
	Datum	   *foreign;
	int			nforeign;
} Merge;

static MergeCache *get_cache(FunctionCallInfo fcinfo);
static void read_arguments(FunctionCallInfo fcinfo, Merge *merge);
static void read_unagreed(FunctionCallInfo fcinfo, Merge *merge);
static void merge_unit(Merge *merge, int number);
static MergeWish wish_of(const Merge *merge, const MergeUnit *unit, bool agreed, bool resolved);
static MergeWish wish_by_authority(const Merge *merge, MergeAuthority authority);
static void apply_wish(Merge *merge, int number, MergeWish wish, bool agreed);
static void rebase_unit(Merge *merge, const MergeUnit *unit, bool keep_ours);
static void push_conflict(Merge *merge, const MergeUnit *unit, bool agreed);
static void push_values(JsonbParseState **state, const char *name, const Merge *merge, const MergeUnit *unit,
						const JsonbValue *values);
static void push_text(JsonbParseState **state, JsonbIteratorToken token, const char *text_value, int len);
static Datum new_base(Merge *merge);
static Datum new_crm_base(Merge *merge, bool *isnull);
static Datum new_unagreed(Merge *merge, bool *isnull);
static void push_foreign(CanonicalObject *object, const MergeRules *rules, Jsonb *row);
static bool find_column(const MergeRules *rules, int *column, const char *name, int len);
static void read_row(const MergeRules *rules, Jsonb *row, JsonbValue *values, bool *present);

/* qbsync.merge(); contract in its COMMENT. */
Datum
qbsync_merge(PG_FUNCTION_ARGS)
{
	Merge		merge = {get_cache(fcinfo)};
	Datum		values[OUT_COLUMNS] = {0};
	bool		isnull[OUT_COLUMNS] = {false};
	Jsonb	   *object;

	read_arguments(fcinfo, &merge);
	for (int i = 0; i < merge.cache->rules->nunits; i++)
		merge_unit(&merge, i);

	object = canonical_finish(&merge.write);
	values[OUT_WRITE] = PointerGetDatum(object);
	isnull[OUT_WRITE] = object == NULL;
	object = canonical_finish(&merge.send);
	values[OUT_SEND] = PointerGetDatum(object);
	isnull[OUT_SEND] = object == NULL;
	if (merge.conflicts != NULL)
		values[OUT_CONFLICT] = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&merge.conflicts, WJB_END_ARRAY, NULL)));
	else
		isnull[OUT_CONFLICT] = true;
	values[OUT_BASE] = new_base(&merge);
	values[OUT_CRM_BASE] = new_crm_base(&merge, &isnull[OUT_CRM_BASE]);
	values[OUT_UNAGREED] = new_unagreed(&merge, &isnull[OUT_UNAGREED]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(merge.cache->result, values, isnull)));
}

/* The compiled rules of this call: those of the call before if the bytes are the same. */
static MergeCache *
get_cache(FunctionCallInfo fcinfo)
{
	MergeCache *cache = fcinfo->flinfo->fn_extra;
	Jsonb	   *json;
	MemoryContext old;
	int			columns;

	if (PG_ARGISNULL(ARG_RULES))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("merge rules must not be null")));
	json = PG_GETARG_JSONB_P(ARG_RULES);
	if (cache == NULL)
	{
		TupleDesc	result;

		if (get_call_result_type(fcinfo, NULL, &result) != TYPEFUNC_COMPOSITE || result->natts != OUT_COLUMNS)
			elog(ERROR, "qbsync.merge() is not declared as it should be");
		old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		cache = palloc0(sizeof(MergeCache));
		cache->context = AllocSetContextCreate(CurrentMemoryContext, "qbsync merge rules", ALLOCSET_SMALL_SIZES);
		cache->result = BlessTupleDesc(CreateTupleDescCopy(result));
		MemoryContextSwitchTo(old);
		fcinfo->flinfo->fn_extra = cache;
	}
	else if (cache->json != NULL && VARSIZE(cache->json) == VARSIZE(json) && memcmp(cache->json, json, VARSIZE(json)) == 0)
		return cache;

	/* From here on there are no rules until these are compiled, also when they are refused. */
	cache->json = NULL;
	MemoryContextReset(cache->context);
	old = MemoryContextSwitchTo(cache->context);
	json = memcpy(palloc(VARSIZE(json)), json, VARSIZE(json));
	cache->rules = merge_compile(json);
	columns = Max(cache->rules->ncolumns, 1);
	cache->base = palloc(sizeof(JsonbValue) * columns);
	cache->crm_base = palloc(sizeof(JsonbValue) * columns);
	cache->ours = palloc(sizeof(JsonbValue) * columns);
	cache->theirs = palloc(sizeof(JsonbValue) * columns);
	cache->has_crm_base = palloc(sizeof(bool) * columns);
	cache->rebased = palloc(sizeof(bool) * columns);
	cache->unagreed = palloc(sizeof(bool) * Max(cache->rules->nunits, 1));
	cache->resolved = palloc(sizeof(bool) * Max(cache->rules->nunits, 1));
	cache->json = json;
	MemoryContextSwitchTo(old);
	return cache;
}

/* The rows of this call, by column, and whose clock is later. */
static void
read_arguments(FunctionCallInfo fcinfo, Merge *merge)
{
	MergeCache *cache = merge->cache;
	Jsonb	   *ours = canonical_argument(fcinfo, ARG_OURS, "ours");
	Jsonb	   *theirs = canonical_argument(fcinfo, ARG_THEIRS, "theirs");

	merge->base = canonical_argument(fcinfo, ARG_BASE, "base");
	merge->crm_base = canonical_argument(fcinfo, ARG_CRM_BASE, "crm_base");
	read_row(cache->rules, merge->base, cache->base, NULL);
	read_row(cache->rules, merge->crm_base, cache->crm_base, cache->has_crm_base);
	read_row(cache->rules, ours, cache->ours, NULL);
	read_row(cache->rules, theirs, cache->theirs, NULL);
	memset(cache->rebased, 0, sizeof(bool) * cache->rules->ncolumns);
	read_unagreed(fcinfo, merge);
	if (!PG_ARGISNULL(ARG_OURS_AT) && !PG_ARGISNULL(ARG_THEIRS_AT))
	{
		TimestampTz ours_at = PG_GETARG_TIMESTAMPTZ(ARG_OURS_AT);
		TimestampTz theirs_at = PG_GETARG_TIMESTAMPTZ(ARG_THEIRS_AT);

		merge->newest_known = ours_at != theirs_at;
		merge->ours_newer = ours_at > theirs_at;
	}
}

/* The number of a unit, -1 if the rules do not have it. */
static int
find_unit(const MergeRules *rules, const char *name, int len)
{
	int			low = 0;
	int			high = rules->nunits - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			order = merge_compare_keys(name, len, rules->units[middle].name, rules->units[middle].len);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

/*
 * Which units were never agreed on, and which ("unit=resolved") a person has decided about; names that the rules do not have
 * are kept for the result.
 */
static void
read_unagreed(FunctionCallInfo fcinfo, Merge *merge)
{
	const MergeRules *rules = merge->cache->rules;
	Datum	   *names;
	bool	   *nulls;
	int			count;

	memset(merge->cache->unagreed, 0, sizeof(bool) * rules->nunits);
	memset(merge->cache->resolved, 0, sizeof(bool) * rules->nunits);
	if (PG_ARGISNULL(ARG_UNAGREED))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(ARG_UNAGREED), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	merge->foreign = names;
	for (int i = 0; i < count; i++)
	{
		const char *name;
		int			len;
		bool		resolved;
		int			unit;

		if (nulls[i])
			continue;
		name = VARDATA_ANY(DatumGetPointer(names[i]));
		len = VARSIZE_ANY_EXHDR(DatumGetPointer(names[i]));
		resolved = len > (int) strlen(RESOLVED) && memcmp(name + len - strlen(RESOLVED), RESOLVED, strlen(RESOLVED)) == 0;
		unit = find_unit(rules, name, resolved ? len - (int) strlen(RESOLVED) : len);
		if (unit < 0)
			merge->foreign[merge->nforeign++] = names[i];
		else if (resolved)
			merge->cache->resolved[unit] = true;
		else
			merge->cache->unagreed[unit] = true;
	}
}

static void
merge_unit(Merge *merge, int number)
{
	const MergeUnit *unit = &merge->cache->rules->units[number];
	bool		agreed = merge->base != NULL && !merge->cache->unagreed[number];
	MergeWish	wish = wish_of(merge, unit, agreed, merge->cache->resolved[number]);

	/* What is pending is told anew by each merge; a decision counts until it is carried out. */
	merge->cache->unagreed[number] = false;
	if (wish != WISH_SEND)
		merge->cache->resolved[number] = false;
	apply_wish(merge, number, wish, agreed);
}

/* The table at the top of this file, without the directions. */
static MergeWish
wish_of(const Merge *merge, const MergeUnit *unit, bool agreed, bool resolved)
{
	const MergeCache *cache = merge->cache;
	MergeAuthority authority = agreed ? unit->once_agreed : unit->authority;
	bool		equal = true;
	bool		ours_empty = true;
	bool		theirs_empty = true;
	bool		crm_moved = false;
	bool		qbo_moved = false;

	for (int i = 0; i < unit->ncolumns; i++)
	{
		int			c = unit->columns[i];
		const JsonbValue *shown = cache->has_crm_base[c] ? &cache->crm_base[c] : &cache->base[c];

		equal = equal && canonical_same(&cache->ours[c], &cache->theirs[c]);
		ours_empty = ours_empty && cache->ours[c].type == jbvNull;
		theirs_empty = theirs_empty && cache->theirs[c].type == jbvNull;
		if (agreed)
		{
			crm_moved = crm_moved || !canonical_same(&cache->ours[c], shown);
			qbo_moved = qbo_moved || !canonical_same(&cache->theirs[c], &cache->base[c]);
		}
	}
	if (agreed && !crm_moved && !qbo_moved)
		return WISH_NOTHING;
	if (equal)
		return WISH_AGREED;
	if (agreed && crm_moved != qbo_moved)
		return authority == AUTHORITY_MANUAL && !resolved ? WISH_CONFLICT : qbo_moved ? WISH_WRITE : WISH_SEND;
	if (!agreed && ours_empty)
		return WISH_WRITE;
	if (!agreed && theirs_empty)
		return WISH_SEND;
	return wish_by_authority(merge, authority);
}

/* Both sides have something to say. */
static MergeWish
wish_by_authority(const Merge *merge, MergeAuthority authority)
{
	switch (authority)
	{
		case AUTHORITY_CRM:
			return WISH_SEND;
		case AUTHORITY_QBO:
			return WISH_WRITE;
		case AUTHORITY_NEWEST:
			if (merge->newest_known)
				return merge->ours_newer ? WISH_SEND : WISH_WRITE;
			return WISH_CONFLICT;
		case AUTHORITY_THREE_WAY:
		case AUTHORITY_MANUAL:
			break;
	}
	return WISH_CONFLICT;
}

/* Fulfils a wish as far as the directions allow. */
static void
apply_wish(Merge *merge, int number, MergeWish wish, bool agreed)
{
	MergeCache *cache = merge->cache;
	const MergeUnit *unit = &cache->rules->units[number];
	CanonicalObject *object = wish == WISH_WRITE ? &merge->write : &merge->send;
	const JsonbValue *values = wish == WISH_WRITE ? cache->theirs : cache->ours;

	if ((wish == WISH_WRITE && !unit->in) || (wish == WISH_CONFLICT && !unit->in && !unit->out))
	{
		rebase_unit(merge, unit, true);
		return;
	}
	if (wish == WISH_NOTHING)
		return;
	if ((wish == WISH_WRITE && unit->in) || (wish == WISH_SEND && unit->out))
	{
		for (int i = 0; i < unit->ncolumns; i++)
		{
			int			c = unit->columns[i];

			if (!canonical_same(&cache->ours[c], &cache->theirs[c]))
				canonical_put(object, cache->rules->columns[c].name, cache->rules->columns[c].len, &values[c]);
		}
	}
	if (wish == WISH_CONFLICT)
		push_conflict(merge, unit, agreed);
	if (wish == WISH_AGREED || wish == WISH_WRITE)
		rebase_unit(merge, unit, false);
	else if (!agreed)
	{
		/*
		 * The CRM's value is not in QuickBooks.  With QuickBooks' as base it counts as moved until it is; what waits
		 * for a person, or may not be sent, is in addition not agreed on.  So is what authority manual would make a
		 * conflict if it counted as moved.
		 */
		rebase_unit(merge, unit, false);
		cache->unagreed[number] = wish == WISH_CONFLICT || !unit->out || unit->once_agreed == AUTHORITY_MANUAL;
	}
}

/*
 * QuickBooks' values become the unit's base.  keep_ours: the CRM keeps showing something else, which is noted in crm_base;
 * otherwise it shows the same, or counts as moved.
 */
static void
rebase_unit(Merge *merge, const MergeUnit *unit, bool keep_ours)
{
	MergeCache *cache = merge->cache;

	for (int i = 0; i < unit->ncolumns; i++)
	{
		int			c = unit->columns[i];
		bool		entry = keep_ours && !canonical_same(&cache->ours[c], &cache->theirs[c]);

		if (!canonical_same(&cache->base[c], &cache->theirs[c]))
		{
			cache->rebased[c] = true;
			merge->base_changed = true;
		}
		if (entry != cache->has_crm_base[c] || (entry && !canonical_same(&cache->crm_base[c], &cache->ours[c])))
		{
			cache->has_crm_base[c] = entry;
			cache->crm_base[c] = cache->ours[c];
			merge->crm_base_changed = true;
		}
	}
}

/* Appends a conflict with what the two sides show, and what they agreed on if they ever did. */
static void
push_conflict(Merge *merge, const MergeUnit *unit, bool agreed)
{
	const MergeCache *cache = merge->cache;
	const char *kind = agreed ? "changed_both" : "differs";
	JsonbParseState **state = &merge->conflicts;

	if (!agreed && unit->address)
	{
		for (int i = 0; i < unit->ncolumns; i++)
		{
			int			c = unit->columns[i];

			if (cache->ours[c].type != jbvNull && canonical_same(&cache->ours[c], &cache->theirs[c]))
				kind = "address_partial";
		}
	}
	if (*state == NULL)
		pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_text(state, WJB_KEY, "unit", 4);
	push_text(state, WJB_VALUE, unit->name, unit->len);
	push_text(state, WJB_KEY, "kind", 4);
	push_text(state, WJB_VALUE, kind, strlen(kind));
	push_values(state, "base", merge, unit, agreed ? cache->base : NULL);
	push_values(state, "ours", merge, unit, cache->ours);
	push_values(state, "theirs", merge, unit, cache->theirs);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Appends a member with those of a unit's values that are not empty; of NULL, none. */
static void
push_values(JsonbParseState **state, const char *name, const Merge *merge, const MergeUnit *unit, const JsonbValue *values)
{
	push_text(state, WJB_KEY, name, strlen(name));
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; values != NULL && i < unit->ncolumns; i++)
	{
		const MergeColumn *column = &merge->cache->rules->columns[unit->columns[i]];
		JsonbValue	value = values[unit->columns[i]];

		if (value.type == jbvNull)
			continue;
		push_text(state, WJB_KEY, column->name, column->len);
		pushJsonbValue(state, WJB_VALUE, &value);
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Appends a key or a text, which must live until the whole is finished. */
static void
push_text(JsonbParseState **state, JsonbIteratorToken token, const char *text_value, int len)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, text_value);
	value.val.string.len = len;
	pushJsonbValue(state, token, &value);
}

/* The base to store: the one given where nothing changed, columns that the rules do not have included; never null. */
static Datum
new_base(Merge *merge)
{
	const MergeCache *cache = merge->cache;
	CanonicalObject object = {NULL, false};

	if (merge->base != NULL && !merge->base_changed)
		return JsonbPGetDatum(merge->base);

	pushJsonbValue(&object.state, WJB_BEGIN_OBJECT, NULL);
	object.begun = true;
	for (int c = 0; c < cache->rules->ncolumns; c++)
	{
		const JsonbValue *value = cache->rebased[c] ? &cache->theirs[c] : &cache->base[c];

		if (value->type != jbvNull)
			canonical_put(&object, cache->rules->columns[c].name, cache->rules->columns[c].len, value);
	}
	push_foreign(&object, cache->rules, merge->base);
	return JsonbPGetDatum(canonical_finish(&object));
}

/* The crm_base to store, null when it has no entry. */
static Datum
new_crm_base(Merge *merge, bool *isnull)
{
	const MergeCache *cache = merge->cache;
	CanonicalObject object = {NULL, false};
	Jsonb	   *result = merge->crm_base;

	if (merge->crm_base_changed)
	{
		for (int c = 0; c < cache->rules->ncolumns; c++)
		{
			if (cache->has_crm_base[c])
				canonical_put(&object, cache->rules->columns[c].name, cache->rules->columns[c].len, &cache->crm_base[c]);
		}
		push_foreign(&object, cache->rules, merge->crm_base);
		result = canonical_finish(&object);
	}
	*isnull = result == NULL || JB_ROOT_COUNT(result) == 0;
	return PointerGetDatum(result);
}

/* The names of units not agreed on to store, null when there are none. */
static Datum
new_unagreed(Merge *merge, bool *isnull)
{
	const MergeRules *rules = merge->cache->rules;
	Datum	   *names = palloc(sizeof(Datum) * (rules->nunits * 2 + merge->nforeign + 1));
	int			count = 0;

	for (int i = 0; i < rules->nunits; i++)
	{
		if (merge->cache->unagreed[i])
			names[count++] = PointerGetDatum(cstring_to_text_with_len(rules->units[i].name, rules->units[i].len));
		if (merge->cache->resolved[i])
			names[count++] = CStringGetTextDatum(psprintf("%.*s" RESOLVED, rules->units[i].len, rules->units[i].name));
	}
	for (int i = 0; i < merge->nforeign; i++)
		names[count++] = merge->foreign[i];
	*isnull = count == 0;
	return count == 0 ? (Datum) 0 : PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Copies the members of a row, which may be NULL, that the rules have no column for. */
static void
push_foreign(CanonicalObject *object, const MergeRules *rules, Jsonb *row)
{
	CanonicalReader reader;
	const char *name;
	int			len;
	JsonbValue	value;
	int			column = 0;

	canonical_reader(&reader, row);
	while (canonical_next(&reader, &name, &len, &value))
	{
		if (!find_column(rules, &column, name, len))
			canonical_put(object, name, len, &value);
	}
}

/* The values of a row, which may be NULL, by column; empty ones as jbvNull.  present: which the row has, empty or not. */
static void
read_row(const MergeRules *rules, Jsonb *row, JsonbValue *values, bool *present)
{
	CanonicalReader reader;
	const char *name;
	int			len;
	JsonbValue	value;
	int			column = 0;

	for (int i = 0; i < rules->ncolumns; i++)
		values[i].type = jbvNull;
	if (present != NULL)
		memset(present, 0, sizeof(bool) * rules->ncolumns);
	canonical_reader(&reader, row);
	while (canonical_next(&reader, &name, &len, &value))
	{
		if (!find_column(rules, &column, name, len))
			continue;
		canonical_clean(&value);
		values[column] = value;
		if (present != NULL)
			present[column] = true;
	}
}

/* Moves *column on to the one of that name, if there is one; names are asked for in their order. */
static bool
find_column(const MergeRules *rules, int *column, const char *name, int len)
{
	for (; *column < rules->ncolumns; (*column)++)
	{
		int			order = merge_compare_keys(rules->columns[*column].name, rules->columns[*column].len, name, len);

		if (order >= 0)
			return order == 0;
	}
	return false;
}
