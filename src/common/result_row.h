/*
 * result_row.h
 *		Rows that functions of SQL return.
 */
#ifndef QBSYNC_RESULT_ROW_H
#define QBSYNC_RESULT_ROW_H

#include "postgres.h"

#include "fmgr.h"

/*
 * The row that a function with OUT parameters, or of a row type, returns.  What it looks like is found out once for each place the
 * function is called at, and kept in fn_extra.
 */
extern Datum result_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

#endif							/* QBSYNC_RESULT_ROW_H */
