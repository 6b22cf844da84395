/*
 * datatype/timestamp.h (shim)
 *		Times as PostgreSQL keeps them: microseconds.
 */
#ifndef SHIM_TIMESTAMP_H
#define SHIM_TIMESTAMP_H

#include "postgres.h"

typedef int64 TimestampTz;

#define USECS_PER_SEC	INT64CONST(1000000)

#endif							/* SHIM_TIMESTAMP_H */
