/*
 * mirror_value.h
 *		One JSON value becomes one typed datum.
 */
#ifndef QBSYNC_MIRROR_VALUE_H
#define QBSYNC_MIRROR_VALUE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "quickbooks/catalogue.h"
#include "utils/date.h"
#include "utils/jsonb.h"

/*
 * The datum of a column, allocated in the current context or pointing into the value.  False when the value is of
 * another type than the column; a null is then what to store.  Never raises for what the value holds.
 */
extern bool mirror_value(const CatalogueColumn *column, JsonbValue *value, Datum *datum, bool *isnull);

/* YYYY-MM-DD or YYYY/MM/DD, perhaps with a time behind it; false if it is nothing of the kind. */
extern bool mirror_parse_date(const char *string, int len, DateADT *date);

/* RFC 3339, any offset or Z; without offset Pacific time, as QuickBooks itself assumes. */
extern bool mirror_parse_timestamp(const char *string, int len, TimestampTz *result);

#endif							/* QBSYNC_MIRROR_VALUE_H */
