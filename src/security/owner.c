/*
 * owner.c
 *		Whom a secret of the credentials file belongs to in this database.
 *
 * Apart from credentials.c because jansson.h and utils/builtins.h cannot be included together: both declare
 * json_object() and json_typeof.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "common/unit.h"
#include "security/owner.h"

bool
owner_app_exists(const char *name)
{
	static SqlStatement select = {
		"SELECT FROM qbsync.app WHERE name OPERATOR(pg_catalog.=) $1", 1, {TEXTOID}
	};
	Datum		values[] = {CStringGetTextDatum(name)};
	bool		exists = sql_execute(&select, values, NULL) > 0;

	SPI_freetuptable(SPI_tuptable);
	return exists;
}

char *
owner_connection(const char *app, const char *realm_id)
{
	static SqlStatement select = {
		"SELECT connection_id::pg_catalog.text FROM qbsync.connection "
		"WHERE app OPERATOR(pg_catalog.=) $1 AND realm_id OPERATOR(pg_catalog.=) $2 "
		"AND state OPERATOR(pg_catalog.<>) 'disconnected'",
		2, {TEXTOID, TEXTOID}
	};
	Datum		values[] = {CStringGetTextDatum(app), CStringGetTextDatum(realm_id)};
	char	   *found = NULL;

	if (sql_execute(&select, values, NULL) > 0)
		found = sql_text(0, 1, CurrentMemoryContext);
	SPI_freetuptable(SPI_tuptable);
	return found;
}
