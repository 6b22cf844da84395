/*
 * merge.h
 *		The rules of qbsync.merge(), compiled.
 *
 * Rules are JSON: {"units": {"display_name": {"columns": ["display_name"], "in": true, "out": true,
 * "authority": "three_way"}, "bill_addr": {"columns": ["bill_line1", …], "address": true, …}, "notes": {"columns": ["notes"],
 * "in": true, "out": false, "authority": "three_way", "once_agreed": "qbo"}}}.  They are the same for all rows of a mapping, so
 * they are read once (merge_rules.c) and used for every row (merge.c).
 */
#ifndef QBSYNC_MERGE_H
#define QBSYNC_MERGE_H

#include "postgres.h"

#include "utils/jsonb.h"

/* Who wins when both sides have something different. */
typedef enum MergeAuthority
{
	AUTHORITY_THREE_WAY,		/* nobody: a person decides */
	AUTHORITY_CRM,
	AUTHORITY_QBO,
	AUTHORITY_NEWEST,			/* the side changed last, nobody when that is not known */
	AUTHORITY_MANUAL			/* a person decides, also when only one side moved */
} MergeAuthority;

/* A column: its name is not terminated. */
typedef struct MergeColumn
{
	const char *name;
	int			len;
} MergeColumn;

/* What is merged as a whole. */
typedef struct MergeUnit
{
	const char *name;
	int			len;
	int			ncolumns;
	int		   *columns;		/* indexes in MergeRules.columns */
	bool		in;				/* QuickBooks' value may come into the CRM */
	bool		out;			/* the CRM's value may go to QuickBooks */
	bool		address;		/* agreement in part is a conflict of its own kind (CAP-38) */
	MergeAuthority authority;	/* while the two never agreed */
	MergeAuthority once_agreed; /* of both sides' changes since they agreed: what goes one way has a side that wins */
} MergeUnit;

typedef struct MergeRules
{
	int			nunits;
	MergeUnit  *units;			/* in jsonb's order of their names */
	int			ncolumns;
	MergeColumn *columns;		/* of all units, in jsonb's order of keys, so that rows are read in one pass */
} MergeRules;

/*
 * Compiles rules into the current memory context; names point into rules, which must live as long.  An error with detail
 * when they are malformed.
 */
extern MergeRules *merge_compile(Jsonb *rules);

/* jsonb's order of keys: shorter ones first, then by bytes. */
static inline int
merge_compare_keys(const char *a, int alen, const char *b, int blen)
{
	return alen != blen ? (alen < blen ? -1 : 1) : memcmp(a, b, alen);
}

#endif							/* QBSYNC_MERGE_H */
