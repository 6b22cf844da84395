/*
 * view.c
 *		Where the columns of a view come from: qbsync.view_columns(view).
 *
 * A column of a simple view over one table is a column of that table; knowing which one tells whether it may be null, what
 * its default is and which index makes it unique.  PostgreSQL keeps this in the view's rule only, as a parse tree; no
 * catalog has it, and nothing of the view is run here.
 *
 * Nothing is locked, only catalogs are read: guards ask in the CRM's transactions, which must not wait for somebody who alters the
 * view, and may want the table next.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteSupport.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"

/* How deep views may stand on views. */
#define MAX_DEPTH 16

/* A view whose query was read. */
typedef struct KnownView
{
	Oid			view;
	Query	   *query;			/* NULL: it is none */
} KnownView;

/* The query of a view, as it was committed last. */
static Query *
read_query(Oid view)
{
	HeapTuple	tuple = SearchSysCache2(RULERELNAME, ObjectIdGetDatum(view), CStringGetDatum(ViewSelectRuleName));
	Query	   *query = NULL;

	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		action = SysCacheGetAttr(RULERELNAME, tuple, Anum_pg_rewrite_ev_action, &isnull);

		query = linitial_node(Query, castNode(List, stringToNode(TextDatumGetCString(action))));
		ReleaseSysCache(tuple);
	}
	return query;
}

/* The same, read once. */
static Query *
view_query(Oid view, List **known)
{
	KnownView  *found;
	ListCell   *cell;

	foreach(cell, *known)
	{
		found = lfirst(cell);
		if (found->view == view)
			return found->query;
	}
	found = palloc(sizeof(KnownView));
	found->view = view;
	found->query = read_query(view);
	*known = lappend(*known, found);
	return found->query;
}

/*
 * Follow a column of a relation down to a table: relation and column are replaced.  False: it is computed, or the view is
 * more than a selection from one relation per column.
 */
static bool
follow_column(Oid *relation, AttrNumber *column, List **known)
{
	for (int depth = 0; depth < MAX_DEPTH; depth++)
	{
		char		kind = get_rel_relkind(*relation);
		Query	   *query;
		TargetEntry *entry;
		Var		   *var;
		RangeTblEntry *source;

		if (kind != RELKIND_VIEW)
			return *column > 0 && (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE || kind == RELKIND_FOREIGN_TABLE);
		query = view_query(*relation, known);
		if (query == NULL || query->setOperations != NULL || query->groupClause != NIL || query->distinctClause != NIL || query->hasAggs ||
			query->hasWindowFuncs || query->hasTargetSRFs)
			return false;
		entry = get_tle_by_resno(query->targetList, *column);
		if (entry == NULL || !IsA(entry->expr, Var))
			return false;
		var = (Var *) entry->expr;
		if (var->varlevelsup != 0 || var->varattno <= 0)
			return false;
		source = rt_fetch(var->varno, query->rtable);
		if (source->rtekind != RTE_RELATION)
			return false;
		*relation = source->relid;
		*column = var->varattno;
	}
	return false;
}

/* Where a column of the view comes from, as columns 2 and 3 of the result. */
static void
put_source(Oid view, AttrNumber column, List **known, Datum *values, bool *nulls)
{
	Oid			relation = view;
	char	   *name;

	if (!follow_column(&relation, &column, known) || (name = get_attname(relation, column, true)) == NULL)
		return;
	values[1] = ObjectIdGetDatum(relation);
	values[2] = DirectFunctionCall1(namein, CStringGetDatum(name));
	nulls[1] = nulls[2] = false;
}

PG_FUNCTION_INFO_V1(qbsync_view_columns);

/*
 * qbsync.view_columns(view regclass, OUT column_name name, OUT relation regclass, OUT base_column name): one row per column;
 * relation and base_column are null when it is computed.
 */
Datum
qbsync_view_columns(PG_FUNCTION_ARGS)
{
	Oid			view = PG_GETARG_OID(0);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *known = NIL;
	HeapTuple	tuple;

	InitMaterializedSRF(fcinfo, 0);
	/* dropped columns have rows, too: numbers have no gaps */
	for (AttrNumber column = 1; HeapTupleIsValid(tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(view), Int16GetDatum(column))); column++)
	{
		Form_pg_attribute attribute = (Form_pg_attribute) GETSTRUCT(tuple);
		Datum		values[3];
		bool		nulls[3] = {false, true, true};

		if (!attribute->attisdropped)
		{
			values[0] = NameGetDatum(&attribute->attname);
			put_source(view, column, &known, values, nulls);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
		ReleaseSysCache(tuple);
	}
	return (Datum) 0;
}
