/*
 * mirror_arrival.c
 *		Changed records are handed to the mappings of the CRM side: rows of qbsync.arrival.
 *
 * One statement a page, in the transaction that changes the mirror: the rows say "look at this record" and nothing more.  Of a
 * payment the invoices it is applied to are to be looked at too (what is paid is told by payments), also those it was applied to
 * before; since its lines are replaced with it, they are read before the page is applied.
 *
 * Whether a mapping is enabled is known from the gateway's last look; a mapping enabled since then has no worker yet, and that
 * worker's first sweep sees what this page writes (demand.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/unit.h"
#include "inbound/mirror_arrival.h"

static bool expected = false;
static bool appended = false;
static bool answers_expected = false;

/* The invoices that some payments are applied to, as pairs of arrays. */
static SqlStatement applied_statement = {
	"SELECT array_agg(l.payment_id), array_agg(l.txn_id)"
	" FROM qbsync.payment_line l"
	" WHERE l.connection_id = $1 AND l.payment_id = ANY ($2) AND l.txn_type = 'Invoice' AND l.txn_id IS NOT NULL"
	" AND EXISTS (SELECT FROM qbsync.mapping WHERE connection_id = $1 AND entity = 'invoice' AND state = 'enabled')",
	2, {INT4OID, TEXTARRAYOID}
};

/* Arrivals in the order of the page. */
static SqlStatement append_statement = {
	"INSERT INTO qbsync.arrival (mapping_id, id)"
	" SELECT m.mapping_id, r.id FROM qbsync.mapping m, unnest($3) WITH ORDINALITY AS r (id, place)"
	" WHERE m.connection_id = $1 AND m.entity = $2 AND m.state = 'enabled' ORDER BY r.place",
	3, {INT4OID, TEXTOID, TEXTARRAYOID}
};

/* The same for payments, and for the invoices that the changed ones name now or did before ($4, $5). */
static SqlStatement append_payments_statement = {
	"INSERT INTO qbsync.arrival (mapping_id, id)"
	" SELECT m.mapping_id, r.id FROM qbsync.mapping m JOIN"
	"  (SELECT $2 AS entity, p.id, p.place FROM unnest($3) WITH ORDINALITY AS p (id, place)"
	"   UNION ALL SELECT 'invoice', i.id, min(i.place)"
	"   FROM (SELECT l.txn_id AS id, p.place FROM unnest($3) WITH ORDINALITY AS p (id, place) JOIN qbsync.payment_line l"
	"     ON l.connection_id = $1 AND l.payment_id = p.id AND l.txn_type = 'Invoice' AND l.txn_id IS NOT NULL"
	"    UNION ALL SELECT b.invoice, p.place FROM unnest($3) WITH ORDINALITY AS p (id, place)"
	"     JOIN ROWS FROM (unnest($4), unnest($5)) AS b (payment, invoice) ON b.payment = p.id) i"
	"   GROUP BY i.id) r ON r.entity = m.entity"
	" WHERE m.connection_id = $1 AND m.state = 'enabled' ORDER BY r.place",
	5, {INT4OID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

void
mirror_arrival_expect(bool any)
{
	expected = any;
}

void
mirror_arrival_note(void)
{
	appended = true;
}

void
mirror_arrival_expect_answers(bool any)
{
	answers_expected = any;
}

void
mirror_arrival_note_answers(void)
{
	if (answers_expected)
		appended = true;
}

bool
mirror_arrival_take(void)
{
	bool		taken = appended;

	appended = false;
	return taken;
}

bool
mirror_arrival_wanted(const CatalogueEntity *entity)
{
	return expected && (entity->flags & ENTITY_SINGLETON) == 0;
}

/* Payments are the one kind of record whose change concerns others. */
static bool
is_payment(const CatalogueEntity *entity)
{
	return strcmp(entity->name, "payment") == 0;
}

static Datum
id_array(Datum *ids, int nids)
{
	return PointerGetDatum(construct_array(ids, nids, TEXTOID, -1, false, TYPALIGN_INT));
}

void
mirror_arrival_prepare(MirrorArrivals *arrivals, int connection_id, const CatalogueEntity *entity, Datum *ids, int nids)
{
	MemoryContext context = CurrentMemoryContext;

	memset(arrivals, 0, sizeof(*arrivals));
	arrivals->connection_id = connection_id;
	arrivals->entity = entity;
	if (is_payment(entity) && nids > 0)
	{
		Datum		values[2] = {Int32GetDatum(connection_id), id_array(ids, nids)};
		bool		isnull;
		Datum		payments;

		sql_execute(&applied_statement, values, NULL);
		payments = sql_datum(0, 1, &isnull);
		if (!isnull)
		{
			/* the row is SPI's, and may go with the next statement */
			arrivals->payments = PointerGetDatum(DatumGetArrayTypePCopy(payments));
			arrivals->invoices = PointerGetDatum(DatumGetArrayTypePCopy(sql_datum(0, 2, NULL)));
		}
	}
	MemoryContextSwitchTo(context);
}

void
mirror_arrival_append(MirrorArrivals *arrivals, Datum *ids, int nids)
{
	Datum		values[5];
	uint64		rows;

	if (nids == 0)
		return;
	values[0] = Int32GetDatum(arrivals->connection_id);
	values[1] = CStringGetTextDatum(arrivals->entity->name);
	values[2] = id_array(ids, nids);
	if (is_payment(arrivals->entity))
	{
		Datum		none = PointerGetDatum(construct_empty_array(TEXTOID));

		values[3] = arrivals->payments ? arrivals->payments : none;
		values[4] = arrivals->invoices ? arrivals->invoices : none;
		rows = sql_execute(&append_payments_statement, values, NULL);
	}
	else
		rows = sql_execute(&append_statement, values, NULL);
	if (rows > 0)
		appended = true;
}

void
mirror_arrival_append_answers(int connection_id, const CatalogueEntity *entity, Datum *ids, Datum *quiet_for, int n)
{
	static SqlStatement append = {
		"INSERT INTO qbsync.arrival (mapping_id, id)"
		" SELECT m.mapping_id, r.id FROM qbsync.mapping m, unnest($3, $4) WITH ORDINALITY AS r (id, quiet_for, place)"
		" WHERE m.connection_id = $1 AND m.entity = $2 AND m.state = 'enabled' AND m.mapping_id <> r.quiet_for ORDER BY r.place",
		4, {INT4OID, TEXTOID, TEXTARRAYOID, INT4ARRAYOID}
	};
	Datum		values[4] = {Int32GetDatum(connection_id), CStringGetTextDatum(entity->name), id_array(ids, n)};

	Assert(!is_payment(entity));
	values[3] = PointerGetDatum(construct_array(quiet_for, n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	if (n > 0 && sql_execute(&append, values, NULL) > 0)
		appended = true;
}
