/*
 * plan_json.h
 *		Taking JSON values apart for the plan.
 */
#ifndef QBSYNC_PLAN_JSON_H
#define QBSYNC_PLAN_JSON_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/* Members of an object, elements of an array; 0 for NULL. */
extern int	plan_json_count(Jsonb *value);

/* An element of an array, which is an object or array. */
extern Jsonb *plan_json_element(Jsonb *array, int i);

/* A member of an object by its place, as stored, which is an object or array; *name is its name, palloc'd, if name is not NULL. */
extern Jsonb *plan_json_member(Jsonb *object, int i, char **name);

/* A member of an object that is an object or array; NULL if there is none. */
extern Jsonb *plan_json_object(Jsonb *object, const char *name);

/* A scalar member as text; NULL if it is null or not there. */
extern char *plan_json_text(Jsonb *object, const char *name);

/* A member that is an array of texts, with commas between; empty if there is none. */
extern char *plan_json_texts(Jsonb *object, const char *name);

/* The members of values that names has, null where values has none. */
extern Jsonb *plan_json_named(Jsonb *names, Jsonb *values);

/* The members of values whose names are elements of columns. */
extern Jsonb *plan_json_present(Jsonb *columns, Jsonb *values);

extern bool plan_json_equal(Jsonb *a, Jsonb *b);

/* A conflict with when either side changed (0: not known, null). */
extern Jsonb *plan_json_with_times(Jsonb *conflict, TimestampTz ours_at, TimestampTz theirs_at);

#endif							/* QBSYNC_PLAN_JSON_H */
