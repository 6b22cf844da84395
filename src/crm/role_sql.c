/*
 * role_sql.c
 *		qbsync.query_as_role(): a query as the role of a mapping that is being declared.
 *
 * What a view shows decides whether it can be mapped (are its keys unique, does row-level security hide everything); the
 * one who declares it may be a superuser, as whom the view's code must never run.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "crm/batch.h"
#include "crm/role.h"
#include "crm/statement.h"

PG_FUNCTION_INFO_V1(qbsync_query_as_role);

/* The role, if the caller may become it and the CRM's code may run as it. */
static Oid
allowed_role(const char *name)
{
	Oid			caller = GetUserId();
	Oid			role = role_usable(name);

	if (!qbsync_can_become(caller, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for role \"%s\"", name),
				 errdetail("\"%s\" is not a member of it.", GetUserNameFromId(caller, false)),
				 errhint("GRANT %s TO %s, or ask a member of that role.", quote_identifier(name),
						 quote_identifier(GetUserNameFromId(caller, false)))));
	return role;
}

/* The values of the first column, as texts in a text[]. */
static Datum
first_column(Rows *rows)
{
	Batch		batch = {0};
	TupleTableSlot *slot;
	Oid			output;
	bool		is_varlena;

	if (rows->tupdesc == NULL || rows->tupdesc->natts == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query gives no column")));
	getTypeOutputInfo(TupleDescAttr(rows->tupdesc, 0)->atttypid, &output, &is_varlena);
	slot = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(rows->store, true, false, slot))
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, 1, &isnull);

		batch_add(&batch, isnull ? (Datum) 0 : CStringGetTextDatum(OidOutputFunctionCall(output, value)));
	}
	ExecDropSingleTupleTableSlot(slot);
	return batch_array(&batch, TEXTOID);
}

/* qbsync.query_as_role(role name, search_path text, settings jsonb, query text) RETURNS text[] */
Datum
qbsync_query_as_role(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	RoleFrame	frame;
	char	   *search_path;
	List	   *settings;
	Oid			role;
	Datum		values;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("role and query must not be null")));
	role = allowed_role(NameStr(*PG_GETARG_NAME(0)));
	search_path = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	settings = PG_ARGISNULL(2) ? NIL : role_settings(PG_GETARG_DATUM(2));

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	role_enter_as(&frame, role, search_path, settings);
	values = first_column(statement_read(text_to_cstring(PG_GETARG_TEXT_PP(3)), 0, NULL, NULL, NULL));
	role_leave(&frame);
	PopActiveSnapshot();
	MemoryContextSwitchTo(caller);
	values = PointerGetDatum(PG_DETOAST_DATUM_COPY(values));
	SPI_finish();
	PG_RETURN_DATUM(values);
}
