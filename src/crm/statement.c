/*
 * statement.c
 *		Running a mapping's statements and keeping their rows.  See statement.h.
 *
 * A view is read as the role, and joined with qbsync's tables as the owner: one statement cannot be both, and a read-only
 * transaction cannot make temporary tables.  So the rows of the first go to a tuplestore, which the second sees under a name.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"

#include "miscadmin.h"

#include "crm/role.h"
#include "crm/statement.h"

/* Statements whose plans are kept, as statement.h says; nothing but a mapping's: few. */
#define KEPT_MAX 8

typedef struct KeptStatement
{
	char	   *text;
	int			size;			/* of what the plan is for */
	SPIPlanPtr	plan;
} KeptStatement;

static KeptStatement kept[KEPT_MAX];
static int	nkept = 0;

/* Takes a statement's rows into a Rows. */
typedef struct RowsReceiver
{
	DestReceiver pub;
	Rows	   *rows;
	MemoryContext context;		/* of the rows */
} RowsReceiver;

/*
 * The columns, for use by other statements.  The CRM's columns may have any collation; two of them in one comparison would
 * be an error, and a key is a string of bytes.
 */
static TupleDesc
copy_columns(TupleDesc source)
{
	TupleDesc	tupdesc = CreateTupleDescCopy(source);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (OidIsValid(attribute->attcollation))
			attribute->attcollation = C_COLLATION_OID;
	}
	return tupdesc;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	RowsReceiver *receiver = (RowsReceiver *) self;
	MemoryContext caller = MemoryContextSwitchTo(receiver->context);

	receiver->rows->tupdesc = copy_columns(tupdesc);
	MemoryContextSwitchTo(caller);
}

static bool
receiver_receive(TupleTableSlot *slot, DestReceiver *self)
{
	RowsReceiver *receiver = (RowsReceiver *) self;

	tuplestore_puttupleslot(receiver->rows->store, slot);
	return true;
}

/* For the end of a statement, and of a receiver: nothing to do. */
static void
receiver_nothing(DestReceiver *self)
{
}

/* Parameters of a statement; NULL if it has none. */
static ParamListInfo
make_parameters(int nargs, Oid *types, Datum *values, const char *nulls)
{
	ParamListInfo params;

	if (nargs == 0)
		return NULL;
	params = makeParamList(nargs);
	for (int i = 0; i < nargs; i++)
	{
		ParamExternData *param = &params->params[i];

		param->value = values[i];
		param->isnull = nulls && nulls[i] == 'n';
		param->pflags = PARAM_FLAG_CONST;
		param->ptype = types[i];
	}
	return params;
}

/* The plan of a statement, from a time before or now; for whatever values. */
static SPIPlanPtr
kept_plan(const char *statement, int size, int nargs, Oid *types)
{
	SPIPlanPtr	plan;

	for (int i = 0; i < nkept; i++)
		if (kept[i].size == size && strcmp(kept[i].text, statement) == 0)
			return kept[i].plan;
	if (nkept == KEPT_MAX)
		statement_forget();
	plan = SPI_prepare_cursor(statement, nargs, types, CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", statement, SPI_result_code_string(SPI_result));
	kept[nkept].text = MemoryContextStrdup(TopMemoryContext, statement);
	kept[nkept].size = size;
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", statement);
	kept[nkept++].plan = plan;
	return plan;
}

/*
 * Run a statement whose plan is kept.  What the owner asks for is found by indexes: tables grow under a sweep, and a plan made while
 * they are small would read them whole.  What is right for the CRM's code (box.c) would plan it anew each time.
 */
static int
run_kept(const char *statement, int size, int nargs, Oid *types, const SPIExecuteOptions *options)
{
	int			guc_level = NewGUCNestLevel();
	int			code;

	if (options->read_only)
	{
		(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		(void) set_config_option("plan_cache_mode", "auto", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
	code = SPI_execute_plan_extended(kept_plan(statement, size, nargs, types), options);
	AtEOXact_GUC(false, guc_level);
	return code;
}

/* Run a statement, its rows to a receiver; returns how many rows it gave or wrote. */
static uint64
run(const char *statement, int nargs, Oid *types, Datum *values, const char *nulls, bool read_only, bool is_kept,
	DestReceiver *receiver)
{
	MemoryContext caller = CurrentMemoryContext;
	SPIExecuteOptions options = {0};
	int			code;

	options.params = make_parameters(nargs, types, values, nulls);
	options.read_only = read_only;
	options.dest = receiver;
	code = is_kept ? run_kept(statement, 0, nargs, types, &options) : SPI_execute_extended(statement, &options);
	if (code < 0)
		elog(ERROR, "could not execute \"%s\": %s", statement, SPI_result_code_string(code));
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

/*
 * What an error in the CRM's code says of where it was.  Our statement, whose text SPI shows where an error has a place in it,
 * is nothing that anybody could mend.
 */
static void
name_mapping(void *arg)
{
	const Mapping *mapping = arg;

	internalerrposition(0);
	internalerrquery(NULL);
	errcontext("view of mapping \"%s\", as role \"%s\"", mapping->name, mapping->role_name);
}

/* Begin and end naming the mapping in errors. */
static void
errors_name(ErrorContextCallback *callback, const Mapping *mapping)
{
	callback->callback = name_mapping;
	callback->arg = unconstify(Mapping *, mapping);
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

static void
errors_unname(ErrorContextCallback *callback)
{
	error_context_stack = callback->previous;
}

/* Run a statement and keep its rows. */
static Rows *
keep(const char *statement, int nargs, Oid *types, Datum *values, const char *nulls, bool read_only)
{
	Rows	   *rows = palloc0(sizeof(Rows));
	RowsReceiver receiver = {
		{receiver_receive, receiver_startup, receiver_nothing, receiver_nothing, DestNone},
		rows, CurrentMemoryContext
	};

	rows->store = tuplestore_begin_heap(true, false, work_mem);
	rows->n = run(statement, nargs, types, values, nulls, read_only, false, &receiver.pub);
	return rows;
}

Rows *
statement_rows(const char *statement, int nargs, Oid *types, Datum *values, const char *nulls)
{
	return keep(statement, nargs, types, values, nulls, false);
}

Rows *
statement_read(const char *statement, int nargs, Oid *types, Datum *values, const char *nulls)
{
	return keep(statement, nargs, types, values, nulls, true);
}

Rows *
statement_rows_as_role(const Mapping *mapping, const char *statement, int nargs, Oid *types, Datum *values, const char *nulls)
{
	ErrorContextCallback callback;
	RoleFrame	frame;
	Rows	   *rows;

	errors_name(&callback, mapping);
	role_enter(&frame, mapping);
	rows = keep(statement, nargs, types, values, nulls, false);
	role_leave(&frame);
	errors_unname(&callback);
	return rows;
}

Rows *
statement_read_as_role(const Mapping *mapping, const char *statement, int nargs, Oid *types, Datum *values, const char *nulls)
{
	ErrorContextCallback callback;
	RoleFrame	frame;
	Rows	   *rows;

	errors_name(&callback, mapping);
	role_enter_reading(&frame, mapping);
	rows = keep(statement, nargs, types, values, nulls, true);
	role_leave(&frame);
	errors_unname(&callback);
	return rows;
}

uint64
statement_receive(const char *statement, int nargs, Oid *types, Datum *values, const char *nulls, DestReceiver *receiver)
{
	return run(statement, nargs, types, values, nulls, true, false, receiver);
}

uint64
statement_receive_kept(const char *statement, int nargs, Oid *types, Datum *values, DestReceiver *receiver)
{
	return run(statement, nargs, types, values, NULL, true, true, receiver);
}

uint64
statement_receive_planned(const char *statement, int size, int nargs, Oid *types, Datum *values, DestReceiver *receiver)
{
	MemoryContext caller = CurrentMemoryContext;
	SPIExecuteOptions options = {0};
	int			code;

	options.params = make_parameters(nargs, types, values, NULL);
	options.read_only = true;
	options.dest = receiver;
	code = run_kept(statement, size, nargs, types, &options);
	if (code < 0)
		elog(ERROR, "could not execute \"%s\": %s", statement, SPI_result_code_string(code));
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

uint64
statement_write_kept_as_role(const Mapping *mapping, const char *statement, DestReceiver *receiver)
{
	ErrorContextCallback callback;
	RoleFrame	frame;
	uint64		n;

	errors_name(&callback, mapping);
	role_enter(&frame, mapping);
	n = run(statement, 0, NULL, NULL, NULL, false, true, receiver);
	role_leave(&frame);
	errors_unname(&callback);
	return n;
}

void
statement_forget(void)
{
	while (nkept > 0)
	{
		nkept--;
		SPI_freeplan(kept[nkept].plan);
		pfree(kept[nkept].text);
	}
}

/* The columns of those names and types. */
static TupleDesc
make_columns(int ncolumns, const char *const *names, const Oid *types)
{
	TupleDesc	tupdesc = CreateTemplateTupleDesc(ncolumns);

	for (int i = 0; i < ncolumns; i++)
	{
		TupleDescInitEntry(tupdesc, i + 1, names[i], types[i], -1, 0);
		if (OidIsValid(TupleDescAttr(tupdesc, i)->attcollation))
			TupleDescInitEntryCollation(tupdesc, i + 1, C_COLLATION_OID);
	}
	return tupdesc;
}

void
rows_expect(Rows *rows, int ncolumns, const char *const *names, const Oid *types)
{
	bool		as_expected = rows->tupdesc != NULL && rows->tupdesc->natts == ncolumns;

	for (int i = 0; as_expected && i < ncolumns; i++)
		as_expected = TupleDescAttr(rows->tupdesc, i)->atttypid == types[i];
	if (!as_expected)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a statement of the mapping gives other columns than it should")));
	FreeTupleDesc(rows->tupdesc);
	rows->tupdesc = make_columns(ncolumns, names, types);
}

Rows *
rows_empty(int ncolumns, const char *const *names, const Oid *types)
{
	Rows	   *rows = palloc0(sizeof(Rows));

	rows->tupdesc = make_columns(ncolumns, names, types);
	rows->store = tuplestore_begin_heap(true, false, work_mem);
	return rows;
}

Rows *
rows_like(TupleDesc columns, int first)
{
	Rows	   *rows = palloc0(sizeof(Rows));
	TupleDesc	all = copy_columns(columns);

	rows->tupdesc = CreateTemplateTupleDesc(all->natts - first + 1);
	for (int i = 0; i < rows->tupdesc->natts; i++)
		TupleDescCopyEntry(rows->tupdesc, i + 1, all, first + i);
	FreeTupleDesc(all);
	rows->store = tuplestore_begin_heap(true, false, work_mem);
	return rows;
}

void
rows_name(const char *name, Rows *rows)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));
	int			code;

	relation->md.name = pstrdup(name);
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = rows->tupdesc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	/* the planner chooses joins by it */
	relation->md.enrtuples = rows->n;
	relation->reldata = rows->store;
	code = SPI_register_relation(relation);
	if (code != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register \"%s\": %s", name, SPI_result_code_string(code));
}

void
rows_unname(const char *name)
{
	int			code = SPI_unregister_relation(name);

	if (code != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "could not unregister \"%s\": %s", name, SPI_result_code_string(code));
}

void
rows_append(Rows *rows, Rows *other)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(other->tupdesc, &TTSOpsMinimalTuple);

	tuplestore_rescan(other->store);
	while (tuplestore_gettupleslot(other->store, true, false, slot))
	{
		tuplestore_puttupleslot(rows->store, slot);
		rows->n++;
	}
	ExecDropSingleTupleTableSlot(slot);
}

void
rows_free(Rows *rows)
{
	tuplestore_end(rows->store);
	if (rows->tupdesc)
		FreeTupleDesc(rows->tupdesc);
	pfree(rows);
}
