/*
 * moved_key.c
 *		CRM records whose key has changed.  See moved_key.h.
 *
 * Captures say which row had which key before; which of these keys the view shows is asked as the role.  Where a record is now
 * follows from both, and qbsync.move_keys() carries it out.  It reads and changes rows that the gateway goes by: hence the lock, and
 * if the gateway was quicker, the turn's snapshot is too old and it is repeated.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/crm_keys.h"
#include "common/unit.h"
#include "crm/decide.h"
#include "crm/moved_key.h"
#include "crm/statement.h"

void
moved_keys(const Mapping *mapping, const Captured *captured)
{
	static SqlStatement move = {
		"SELECT qbsync.move_keys($1, $2, $3, $4)", 4, {INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Oid			types[] = {TEXTARRAYOID};
	Batch		shown = {0};
	Datum		keys;
	Datum		values[4] = {Int32GetDatum(mapping->mapping_id)};

	if (captured->was.n == 0)
		return;
	keys = batch_array(&captured->crm_keys, TEXTOID);
	captured_add(statement_read_as_role(mapping, mapping_statements(mapping)->read_rows, 1, types, &keys, NULL), &shown);
	values[1] = batch_array(&captured->was, TEXTOID);
	values[2] = batch_array(&captured->became, TEXTOID);
	values[3] = batch_array(&shown, TEXTOID);
	crm_keys_change(mapping->connection_id);
	sql_execute(&move, values, NULL);
	if (DatumGetInt64(sql_datum(0, 1, NULL)) > 0)
		decide_end_sweep();
}

bool
moved_keys_wait(const Mapping *mapping)
{
	static SqlStatement wait = {
		"SELECT FROM qbsync.capture c WHERE c.was IS NOT NULL"
		" AND c.watch_id IN (SELECT w.watch_id FROM qbsync.watch w WHERE w.mapping_id = $1) LIMIT 1",
		1, {INT4OID}
	};
	Datum		values[] = {Int32GetDatum(mapping->mapping_id)};

	return sql_execute(&wait, values, NULL) > 0;
}
