/*
 * same_id.c
 *		qbsync.same_id(a, b): a = b for two ids, for a join that goes through indexes and never hashes or sorts.
 *
 * The timeline is read in two ways: what happened lately, which is the newest of millions of versions, and what happened to one
 * record of the CRM, which is the few that belong to its links.  Neither may read the rest.  The planner would know both ways of joining
 * versions and links through their indexes; but the part of a UNION ALL that they are is planned for all of its rows, whatever LIMIT
 * stands outside, and for all rows a hash of either table is cheaper, after which everything has to be sorted.  So the join is
 * written with this function: its support function has an index look for what is equal, on whichever side, and as it is no operator
 * nothing else can be made of it.  a are those that are many and come in order: to look them up by id seems dear, because the
 * function is declared to be, so that the plan keeps to their order unless the other side is a few rows.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "compat.h"

extern PGDLLEXPORT Datum qbsync_same_id(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum qbsync_same_id_support(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(qbsync_same_id);

/*
 * qbsync.same_id(a, b): a = b.
 */
Datum
qbsync_same_id(PG_FUNCTION_ARGS)
{
	return texteq(fcinfo);
}

/* How many rows: as many as of =. */
static void
estimate(SupportRequestSelectivity *request)
{
	Datum		planner = PointerGetDatum(request->root);
	Datum		operator = ObjectIdGetDatum(TextEqualOperator);
	Datum		arguments = PointerGetDatum(request->args);

	request->selectivity = DatumGetFloat8(
		request->is_join
		? DirectFunctionCall5Coll(eqjoinsel, request->inputcollid, planner, operator, arguments,
								  Int16GetDatum(request->jointype), PointerGetDatum(request->sjinfo))
		: DirectFunctionCall4Coll(eqsel, request->inputcollid, planner, operator, arguments, Int32GetDatum(request->varRelid)));
}

/*
 * What an index of either side is asked for: that it holds what is equal.  Of a that is said to need a check, which costs what the
 * function is declared to cost.  NIL: the index is of no use.
 */
static List *
index_condition(SupportRequestIndexCondition *request)
{
	FuncExpr   *call = castNode(FuncExpr, request->node);
	Expr	   *held = list_nth(call->args, request->indexarg);
	Expr	   *sought = list_nth(call->args, 1 - request->indexarg);

	if (request->indexcollation != call->inputcollid ||
		get_opfamily_member(request->opfamily, TEXTOID, TEXTOID, BTEqualStrategyNumber) != TextEqualOperator ||
		!is_pseudo_constant_for_index(request->root, (Node *) sought, request->index))
		return NIL;
	request->lossy = request->indexarg == 0;
	return list_make1(make_opclause(TextEqualOperator, BOOLOID, false, held, sought, InvalidOid, request->indexcollation));
}

PG_FUNCTION_INFO_V1(qbsync_same_id_support);

/*
 * qbsync.same_id_support(request): what the planner asks of same_id().
 */
Datum
qbsync_same_id_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity))
	{
		estimate((SupportRequestSelectivity *) request);
		PG_RETURN_POINTER(request);
	}
	if (IsA(request, SupportRequestIndexCondition))
		PG_RETURN_POINTER(index_condition((SupportRequestIndexCondition *) request));
	PG_RETURN_POINTER(NULL);
}
