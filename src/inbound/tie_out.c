/*
 * tie_out.c
 *		Checking the arithmetic of the mirror, some thousand records at a time.  See tie_out.h.
 *
 * What is checked, and how far it has come, is SQL's business (qbsync.tie_out_step()); this only sees to it that no step holds
 * up the other companies, and that what is to be looked up is looked up between two steps.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/unit.h"
#include "inbound/answer.h"
#include "inbound/tie_out.h"
#include "quickbooks/flow.h"

typedef struct TieOut
{
	Flow		flow;
	Company    *company;
	bool		goes_on;
} TieOut;

/* Unit: one step. */
static void
step(void *arg)
{
	static SqlStatement statement = {"SELECT qbsync.tie_out_step($1)", 1, {INT4OID}};
	TieOut	   *tie_out = arg;
	Datum		values[1] = {Int32GetDatum(tie_out->company->id)};

	sql_execute(&statement, values, NULL);
	tie_out->goes_on = DatumGetBool(sql_datum(0, 1, NULL));
}

void
tie_out_start(Company *company)
{
	TieOut	   *tie_out = flow_begin(company, sizeof(TieOut));

	tie_out->company = company;
	if (!settle(company, "qbsync: checking sums", step, tie_out))
		return;
	company->must_tie_out = tie_out->goes_on;
	company->look_again = true;
	flow_end(company);
}
