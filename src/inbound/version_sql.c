/*
 * version_sql.c
 *		Versions of records as rows of the mirror, for SQL.
 *
 * qbsync.record_version keeps what a record was as QuickBooks sent it; these functions make the mirror's columns of it by the
 * code that fills the mirror, so that a version shows what the mirror showed, or would have shown if it had had a column then.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "inbound/mirror_row.h"
#include "inbound/mirror_version.h"

/* What a call site needs; kept as long as its plan. */
typedef struct RowMaker
{
	TupleDesc	desc;
	MirrorPlan *plan;
	int			lines;			/* which of its tables of lines, -1 its own table */
	AttrNumber *attnums;
	/* for rows: where the version's columns are */
	TupleDesc	version_desc;
	AttrNumber *version_attnums;
} RowMaker;

/* The table whose rows are of a type, by its name in qbsync. */
static char *
table_of_type(Oid type)
{
	Oid			relation = get_typ_typrelid(type);

	if (!OidIsValid(relation) || get_rel_namespace(relation) != get_namespace_oid("qbsync", false))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("rows of the mirror are not of type %s", format_type_be(type)),
				 errhint("Give a null of the mirror table's row type, such as NULL::qbsync.customer.")));
	return get_rel_name(relation);
}

/* The plan of the entity that has a table of the mirror; *lines: which of its tables of lines it is, -1 its own. */
static MirrorPlan *
plan_of_table(const char *table, int *lines)
{
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
	{
		*lines = -1;
		if (strcmp(entity->name, table) == 0)
			return mirror_plan(entity);
		for (*lines = 0; entity->lines && entity->lines[*lines].table; (*lines)++)
			if (strcmp(entity->lines[*lines].table, table) == 0)
				return mirror_plan(entity);
	}
	return NULL;
}

/* The maker of rows of the type of the call's first argument. */
static RowMaker *
row_maker(FunctionCallInfo fcinfo, bool lines)
{
	RowMaker   *maker = fcinfo->flinfo->fn_extra;
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	char	   *table;
	MemoryContext caller;

	if (maker)
		return maker;
	table = table_of_type(type);
	caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	maker = palloc0(sizeof(RowMaker));
	maker->plan = plan_of_table(table, &maker->lines);
	if (maker->plan == NULL || (maker->lines >= 0) != lines)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("\"%s\" is no mirror table of %s", table, lines ? "lines" : "records")));
	maker->desc = lookup_rowtype_tupdesc_copy(type, -1);
	BlessTupleDesc(maker->desc);
	if (!lines)
	{
		maker->version_desc = lookup_rowtype_tupdesc_copy(get_fn_expr_argtype(fcinfo->flinfo, 1), -1);
		maker->version_attnums = mirror_version_columns(maker->version_desc);
	}
	maker->attnums = lines ? mirror_lines_columns(maker->plan, maker->lines, maker->desc)
		: mirror_row_columns(maker->plan, maker->desc);
	MemoryContextSwitchTo(caller);
	fcinfo->flinfo->fn_extra = maker;
	return maker;
}

/* An empty row: all columns null. */
static MirrorRow
new_row(const RowMaker *maker)
{
	MirrorRow	row = {maker->attnums, palloc0(sizeof(Datum) * maker->desc->natts), palloc(sizeof(bool) * maker->desc->natts)};

	memset(row.isnull, true, sizeof(bool) * maker->desc->natts);
	return row;
}

PG_FUNCTION_INFO_V1(qbsync_version_row);

/*
 * qbsync.version_row(template anyelement, version qbsync.record_version) returns anyelement
 *
 * The row of a mirror table that a version of a record was, or would have been.  template: a null of the table's row type.
 */
Datum
qbsync_version_row(PG_FUNCTION_ARGS)
{
	RowMaker   *maker = row_maker(fcinfo, false);
	MirrorRow	row = new_row(maker);
	HeapTupleHeader header;
	HeapTupleData version;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	header = PG_GETARG_HEAPTUPLEHEADER(1);
	version.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&version.t_self);
	version.t_tableOid = InvalidOid;
	version.t_data = header;
	for (int i = 0; i < ROW_FIXED_COLUMNS; i++)
	{
		bool		isnull;
		Datum		datum = heap_getattr(&version, maker->version_attnums[i], maker->version_desc, &isnull);

		if (isnull)
			continue;
		mirror_row_set(&row, i, datum);
		/* what is no object never was a record; whoever calls this may say so all the same */
		if (i == ROW_RAW && JB_ROOT_IS_OBJECT(DatumGetJsonbP(datum)))
		{
			mirror_row_find(maker->plan, &DatumGetJsonbP(datum)->root);
			mirror_row_fill_columns(maker->plan, &row);
		}
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(maker->desc, row.values, row.isnull)));
}

PG_FUNCTION_INFO_V1(qbsync_version_lines);

/*
 * qbsync.version_lines(template anyelement, connection_id integer, id text, raw jsonb) returns setof anyelement
 *
 * The lines of a version of a record, as rows of the mirror table of its lines.  template: a null of that table's row type.
 */
Datum
qbsync_version_lines(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	RowMaker   *maker = row_maker(fcinfo, true);
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3) || !JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(3)))
		return (Datum) 0;
	mirror_row_find(maker->plan, &PG_GETARG_JSONB_P(3)->root);
	count = mirror_lines_count(maker->plan, maker->lines);
	for (int i = 0; i < count; i++)
	{
		JsonbContainer *line = mirror_lines_get(maker->plan, maker->lines, i);
		MirrorRow	row;

		if (line == NULL)
			continue;
		row = new_row(maker);
		mirror_lines_fill_columns(&maker->plan->lines[maker->lines], line, &row);
		mirror_row_set(&row, LINE_CONNECTION_ID, PG_GETARG_DATUM(1));
		mirror_row_set(&row, LINE_RECORD_ID, PG_GETARG_DATUM(2));
		mirror_row_set(&row, LINE_POSITION, Int32GetDatum(i + 1));
		tuplestore_putvalues(result->setResult, result->setDesc, row.values, row.isnull);
	}
	return (Datum) 0;
}
