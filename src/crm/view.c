/*
 * view.c
 *		Where the columns of a view come from: qbsync.view_columns(view).
 *
 * A column of a simple view over one table is a column of that table; knowing which one tells whether it may be null, what
 * its default is and which index makes it unique.  PostgreSQL keeps this in the view's rule only, as a parse tree; no
 * catalog has it, and nothing of the view is run here.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"

/* How deep views may stand on views. */
#define MAX_DEPTH 16

/*
 * Follow a column of a relation down to a table: relation and column are replaced.  False: it is computed, or the view is
 * more than a selection from one relation per column.
 */
static bool
follow_column(Oid *relation, AttrNumber *column)
{
	for (int depth = 0; depth < MAX_DEPTH; depth++)
	{
		Relation	rel = try_relation_open(*relation, AccessShareLock);
		Query	   *query;
		TargetEntry *entry;
		Var		   *var;
		RangeTblEntry *source;

		if (rel == NULL)
			return false;
		if (rel->rd_rel->relkind != RELKIND_VIEW)
		{
			bool		table = rel->rd_rel->relkind == RELKIND_RELATION || rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ||
				rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE;

			relation_close(rel, AccessShareLock);
			return table && *column > 0;
		}
		query = copyObject(get_view_query(rel));
		relation_close(rel, AccessShareLock);
		if (query->setOperations != NULL || query->groupClause != NIL || query->distinctClause != NIL || query->hasAggs ||
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
	Relation	rel = try_relation_open(view, AccessShareLock);

	InitMaterializedSRF(fcinfo, 0);
	if (rel == NULL)
		return (Datum) 0;
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), i);
		Datum		values[3];
		bool		nulls[3] = {false, true, true};
		Oid			relation = view;
		AttrNumber	column = attribute->attnum;

		if (attribute->attisdropped)
			continue;
		values[0] = NameGetDatum(&attribute->attname);
		if (follow_column(&relation, &column))
		{
			char	   *name = get_attname(relation, column, true);

			if (name != NULL)
			{
				values[1] = ObjectIdGetDatum(relation);
				values[2] = DirectFunctionCall1(namein, CStringGetDatum(name));
				nulls[1] = nulls[2] = false;
			}
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	relation_close(rel, AccessShareLock);
	return (Datum) 0;
}
