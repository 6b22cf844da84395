/*
 * batch.h
 *		Lists of values that travel as one array, so that a statement takes all records of a turn at once.
 */
#ifndef QBSYNC_BATCH_H
#define QBSYNC_BATCH_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Values of one type by reference, of which 0 stands for null; they are not copied before batch_array(). */
typedef struct Batch
{
	int			n;
	int			allocated;
	Datum	   *values;
	bool	   *nulls;
} Batch;

/* Append a value; 0: null. */
static inline void
batch_add(Batch *batch, Datum value)
{
	if (batch->n == batch->allocated)
	{
		batch->allocated = Max(batch->allocated * 2, 64);
		if (batch->values == NULL)
		{
			batch->values = palloc(sizeof(Datum) * batch->allocated);
			batch->nulls = palloc(sizeof(bool) * batch->allocated);
		}
		else
		{
			batch->values = repalloc(batch->values, sizeof(Datum) * batch->allocated);
			batch->nulls = repalloc(batch->nulls, sizeof(bool) * batch->allocated);
		}
	}
	batch->values[batch->n] = value;
	batch->nulls[batch->n++] = value == (Datum) 0;
}

/* The values as a one-dimensional array of that type. */
static inline Datum
batch_array(const Batch *batch, Oid type)
{
	int			dims[1] = {batch->n};
	int			lower[1] = {1};
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	if (batch->n == 0)
		return PointerGetDatum(construct_empty_array(type));
	return PointerGetDatum(construct_md_array(batch->values, batch->nulls, 1, dims, lower, type, length, by_value, align));
}

/*
 * For sorting many by strings: the first bytes, as numbers in the same order, tell most of them apart without the strings being
 * looked at.
 */
typedef struct SortString
{
	uint64		first;
	uint64		second;
	const char *string;
} SortString;

static inline SortString
sort_string(const char *string)
{
	SortString	result = {.string = string};
	uint64	   *parts[] = {&result.first, &result.second};

	for (int i = 0; i < lengthof(parts); i++)
		for (int byte = 0; byte < sizeof(uint64); byte++)
		{
			*parts[i] = *parts[i] << 8 | (unsigned char) *string;
			if (*string != '\0')
				string++;
		}
	return result;
}

/* As strcmp(). */
static inline int
compare_sort_strings(const SortString *a, const SortString *b)
{
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->second != b->second)
		return a->second < b->second ? -1 : 1;
	return strcmp(a->string, b->string);
}

/* The strings as a text[]. */
static inline Datum
batch_of_texts(char **texts, int n)
{
	Batch		batch = {0};

	for (int i = 0; i < n; i++)
		batch_add(&batch, CStringGetTextDatum(texts[i]));
	return batch_array(&batch, TEXTOID);
}

#endif							/* QBSYNC_BATCH_H */
