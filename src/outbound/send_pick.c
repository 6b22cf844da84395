/*
 * send_pick.c
 *		Which requests are sent next, and together with which.
 *
 * Few requests go singly: that is quickest.  More than may start at once go in batches, which are fewer calls; Intuit allows only
 * so many batches a minute, so that singles go beside them.  A request is marked 'sent', on disk, before its call is made, and
 * only when that call may start now: everything else can still be changed by the CRM.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "outbound/send_parts.h"
#include "qbsync.h"

/* What a unit picks. */
typedef struct Pick
{
	Sender	   *sender;
	SendCall  **calls;
	int			ncalls;
	bool		more;			/* there may be more than was taken */
	bool		stale;			/* records are to be looked up */
	int64		picked_to[SEND_LANES];
} Pick;

/* Nobody has stopped it. */
#define MAY_GO "EXISTS (SELECT FROM qbsync.mapping m WHERE m.mapping_id = r.mapping_id AND m.state = 'enabled' AND r.lane <> ALL (m.paused_lanes))"

/* Columns of a request, as read_item() takes them. */
#define ITEM_COLUMNS "r.request_id, r.entity, r.operation, r.lane, r.requestid, r.body," \
	" coalesce(r.sent_values ->> 'display_name', r.sent_values ->> 'name'), r.attempts, r.first_sent_at, r.batch_requestid, r.bid, r.mapping_id"

/* A row of SPI's as an item; strings in the current context. */
static void
read_item(uint64 row, SendItem *item)
{
	MemoryContext context = CurrentMemoryContext;
	bool		isnull;
	Datum		value;

	memset(item, 0, sizeof(*item));
	item->request_id = DatumGetInt64(sql_datum(row, 1, NULL));
	item->entity = catalogue_find(sql_text(row, 2, context));
	if (item->entity == NULL)
		elog(ERROR, "request " INT64_FORMAT " is of an unknown entity", item->request_id);
	item->create = strcmp(sql_text(row, 3, context), "create") == 0;
	item->interactive = strcmp(sql_text(row, 4, context), "interactive") == 0;
	item->requestid = sql_text(row, 5, context);
	item->body = sql_text(row, 6, context);
	item->name = sql_text(row, 7, context);
	item->attempts = DatumGetInt32(sql_datum(row, 8, NULL));
	value = sql_datum(row, 9, &isnull);
	item->first_sent = isnull ? 0 : DatumGetTimestampTz(value);
	item->batch_requestid = sql_text(row, 10, context);
	value = sql_datum(row, 11, &isnull);
	item->bid = isnull ? 0 : DatumGetInt16(value);
	item->mapping_id = DatumGetInt32(sql_datum(row, 12, NULL));
}

/* The rows of the last statement. */
static SendItem *
read_items(int nrows)
{
	SendItem   *items = palloc(sizeof(SendItem) * Max(nrows, 1));

	for (int i = 0; i < nrows; i++)
		read_item(i, &items[i]);
	return items;
}

/* A call for some items. */
static SendCall *
add_call(Pick *pick, const SendItem *const *items, int nitems)
{
	SendCall   *call = send_call_create(pick->sender, nitems);

	for (int i = 0; i < nitems; i++)
		send_item_copy(call, i, items[i]);
	if (pick->ncalls == 0)
		pick->calls = MemoryContextAlloc(pick->sender->context, sizeof(SendCall *) * 16);
	else if (pick->ncalls >= 16 && (pick->ncalls & (pick->ncalls - 1)) == 0)
		pick->calls = repalloc(pick->calls, sizeof(SendCall *) * 2 * pick->ncalls);
	pick->calls[pick->ncalls++] = call;
	return call;
}

/* Run a unit that picks, then start what it picked. */
static bool
run_pick(Pick *pick, const char *activity, UnitWork work)
{
	Sender	   *sender = pick->sender;
	UnitError	error;
	bool		done = unit_run(activity, work, pick, &error) == UNIT_DONE;

	for (int i = 0; i < pick->ncalls; i++)
	{
		if (done)
			send_call_start(pick->calls[i], 0);
		else
			send_call_free(pick->calls[i]);
	}
	if (pick->calls)
		pfree(pick->calls);
	if (done)
		return true;
	ereport(LOG, (errmsg("qbsync could not take requests of connection \"%s\"", sender->company->name),
				  errdetail("%s", error.message)));
	return false;
}

/* The numbers of requests that are on their way or answered. */
static Datum
busy_requests(Sender *sender)
{
	dlist_head *lists[2] = {&sender->flying, &sender->answered};
	Datum	   *numbers = palloc(sizeof(Datum) * 16);
	int			n = 0;

	for (int l = 0; l < 2; l++)
	{
		dlist_iter	iter;

		dlist_foreach(iter, lists[l])
		{
			SendCall   *call = dlist_container(SendCall, node, iter.cur);

			for (int i = 0; i < call->nitems; i++)
			{
				if (n >= 16 && (n & (n - 1)) == 0)
					numbers = repalloc(numbers, sizeof(Datum) * 2 * n);
				numbers[n++] = Int64GetDatum(call->items[i].request_id);
			}
		}
	}
	return PointerGetDatum(construct_array(numbers, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* --- what is on its way already ----------------------------------------------------------------------------------- */

/* Unit: everything that is 'sent' and not answered, in the calls it was sent in. */
static void
pick_sent(void *arg)
{
	static SqlStatement forgotten = {
		"UPDATE qbsync.request SET state = 'check' WHERE connection_id = $1 AND NOT rests AND state = 'sent' AND operation = 'create'"
		" AND first_sent_at < now() - $3 * interval '1 second' AND request_id <> ALL ($2)",
		3, {INT4OID, INT8ARRAYOID, INT4OID}
	};
	static SqlStatement again = {
		"UPDATE qbsync.request SET sent_at = now() WHERE connection_id = $1 AND NOT rests AND state = 'sent' AND request_id <> ALL ($2)",
		2, {INT4OID, INT8ARRAYOID}
	};
	static SqlStatement read = {
		"SELECT " ITEM_COLUMNS " FROM qbsync.request r WHERE r.connection_id = $1 AND NOT r.rests AND r.state = 'sent'"
		" AND r.request_id <> ALL ($2) ORDER BY r.batch_requestid NULLS FIRST, r.bid, r.request_id",
		2, {INT4OID, INT8ARRAYOID}
	};
	Pick	   *pick = arg;
	/* what is answered, and cannot be recorded yet, need not be asked again */
	Datum		values[3] = {
		Int32GetDatum(pick->sender->company->id), busy_requests(pick->sender), Int32GetDatum(qbsync_requestid_lifetime)
	};
	SendItem   *items;
	int			nitems;

	sql_execute(&forgotten, values, NULL);
	if (sql_execute(&again, values, NULL) == 0)
		return;
	nitems = (int) sql_execute(&read, values, NULL);
	items = read_items(nitems);
	for (int first = 0, end; first < nitems; first = end)
	{
		const SendItem **together = palloc(sizeof(SendItem *) * nitems);

		for (end = first; end < nitems; end++)
		{
			if (end > first && (items[first].batch_requestid == NULL || items[end].batch_requestid == NULL
								|| strcmp(items[first].batch_requestid, items[end].batch_requestid) != 0))
				break;
			items[end].repeated = true;
			items[end].remembered_until = items[end].first_sent + qbsync_requestid_lifetime * USECS_PER_SEC;
			together[end - first] = &items[end];
		}
		add_call(pick, together, end - first);
	}
}

bool
send_resume(Sender *sender)
{
	Pick		pick = {sender};

	return run_pick(&pick, "qbsync: resuming writes", pick_sent);
}

/* --- what is to be read back -------------------------------------------------------------------------------------- */

/* Creations are asked for by their name; updates are safe by their SyncToken, but their records are read again. */
static int
pick_checks(Pick *pick, int wanted)
{
	static SqlStatement read = {
		"SELECT " ITEM_COLUMNS " FROM qbsync.request r WHERE r.connection_id = $1 AND r.rests AND r.state = 'check'"
		" AND r.operation = 'create' AND " MAY_GO " AND r.request_id <> ALL ($2) ORDER BY r.request_id LIMIT $3 FOR UPDATE OF r SKIP LOCKED",
		3, {INT4OID, INT8ARRAYOID, INT4OID}
	};
	static SqlStatement reread = {
		"SELECT count(*), qbsync.note_unsent(jsonb_agg(jsonb_build_object('request_id', r.request_id,"
		"  'outcome', CASE r.operation WHEN 'update' THEN 'stale' ELSE 'refused' END, 'problem', 'send_ambiguous')))"
		" FROM qbsync.request r WHERE r.connection_id = $1 AND r.rests AND r.state = 'check'"
		" AND (r.operation = 'update' OR coalesce(r.sent_values ->> 'display_name', r.sent_values ->> 'name') IS NULL)"
		" HAVING count(*) > 0",
		1, {INT4OID}
	};
	Datum		values[3] = {
		Int32GetDatum(pick->sender->company->id), busy_requests(pick->sender), Int32GetDatum(wanted)
	};
	SendItem   *items;
	int			nitems;

	if (sql_execute(&reread, values, NULL) > 0)
		pick->stale = true;
	nitems = (int) sql_execute(&read, values, NULL);
	if (nitems == wanted)
		pick->more = true;
	/* what was renamed while we were away is known by what else it holds */
	if (nitems > 0 && !pick->sender->company->polled)
	{
		pick->sender->company->must_poll = pick->more = true;
		return 0;
	}
	items = read_items(nitems);
	for (int i = 0; i < nitems; i++)
	{
		const SendItem *item = &items[i];

		items[i].repeated = true;
		add_call(pick, &item, 1)->check = true;
	}
	return nitems;
}

/* --- what is ready ------------------------------------------------------------------------------------------------ */

/* Requests of one lane, locked; those that the CRM changes right now are left alone. */
static int
read_ready(Sender *sender, const char *lane, int64 after, int wanted, SendItem **items)
{
	static SqlStatement read = {
		"SELECT " ITEM_COLUMNS " FROM qbsync.request r WHERE r.connection_id = $1 AND NOT r.rests AND r.state = 'ready' AND r.lane = $2"
		" AND r.request_id > $3 AND " MAY_GO " ORDER BY r.request_id LIMIT $4 FOR UPDATE OF r SKIP LOCKED",
		4, {INT4OID, TEXTOID, INT8OID, INT4OID}
	};
	Datum		values[4] = {
		Int32GetDatum(sender->company->id), CStringGetTextDatum(lane), Int64GetDatum(after), Int32GetDatum(wanted)
	};
	int			nitems = wanted > 0 ? (int) sql_execute(&read, values, NULL) : 0;

	*items = read_items(nitems);
	return nitems;
}

/*
 * The next ones of a lane.  As long as there are enough beyond those that were taken last, these are not gone through again: of
 * thousands that were sent the index knows until nobody could see them any more.
 */
static int
read_lane(Pick *pick, int lane, int wanted, SendItem **items)
{
	static const char *const lanes[SEND_LANES] = {"interactive", "rule", "backfill"};
	Sender	   *sender = pick->sender;
	int64		after = sender->picked_to[lane];
	int			nitems = read_ready(sender, lanes[lane], after, wanted, items);

	if (nitems < wanted && after != 0)
		nitems = read_ready(sender, lanes[lane], 0, wanted, items);
	if (wanted == 0)
		pick->picked_to[lane] = after;
	else
		pick->picked_to[lane] = nitems == wanted ? (*items)[nitems - 1].request_id : 0;
	return nitems;
}

/* The requestid of a batch: of those of its items. */
static Datum
batch_requestid(Datum origin, const SendCall *call)
{
	Datum	   *parts = palloc(sizeof(Datum) * (call->nitems + 2));
	int			n = 0;

	parts[n++] = origin;
	parts[n++] = CStringGetTextDatum("batch");
	for (int i = 0; i < call->nitems; i++)
		parts[n++] = CStringGetTextDatum(call->items[i].requestid);
	return DirectFunctionCall1(qbsync_derive_requestid, PointerGetDatum(construct_array(parts, n, TEXTOID, -1, false, TYPALIGN_INT)));
}

/* The calls learn which batches they are, their items which place they have there. */
static void
number_items(Pick *pick, int first_call)
{
	static SqlStatement look = {"SELECT c.origin::text FROM qbsync.connection c WHERE c.connection_id = $1", 1, {INT4OID}};
	Datum		values[1] = {Int32GetDatum(pick->sender->company->id)};
	Datum		origin;

	if (sql_execute(&look, values, NULL) == 0)
		elog(ERROR, "connection %d is gone", pick->sender->company->id);
	origin = CStringGetTextDatum(sql_text(0, 1, CurrentMemoryContext));
	for (int c = first_call; c < pick->ncalls; c++)
	{
		SendCall   *call = pick->calls[c];
		char	   *requestid = NULL;

		if (call->nitems > 1)
			requestid = MemoryContextStrdup(call->context, TextDatumGetCString(batch_requestid(origin, call)));
		for (int i = 0; i < call->nitems; i++)
		{
			call->items[i].bid = requestid ? i + 1 : 0;
			call->items[i].batch_requestid = requestid;
		}
	}
}

/* In the unit: they are 'sent'. */
static void
mark_sent(Pick *pick, int first_call)
{
	static SqlStatement mark = {
		"UPDATE qbsync.request r SET state = 'sent', first_sent_at = now(), sent_at = now(), batch_requestid = q.requestid, bid = nullif(q.bid, 0)"
		" FROM unnest($1::bigint[], $2::text[], $3::smallint[]) AS q (request_id, requestid, bid) WHERE r.request_id = q.request_id",
		3, {INT8ARRAYOID, TEXTARRAYOID, INT2ARRAYOID}
	};
	Datum		values[3];
	Datum	   *columns[3];
	bool	   *alone;
	int			dims[1];
	int			lower[1] = {1};
	int			n = 0;

	for (int c = first_call; c < pick->ncalls; c++)
		n += pick->calls[c]->nitems;
	if (n == 0)
		return;
	number_items(pick, first_call);
	for (int k = 0; k < 3; k++)
		columns[k] = palloc(sizeof(Datum) * n);
	alone = palloc(sizeof(bool) * n);
	n = 0;
	for (int c = first_call; c < pick->ncalls; c++)
		for (int i = 0; i < pick->calls[c]->nitems; i++, n++)
		{
			const SendItem *item = &pick->calls[c]->items[i];

			columns[0][n] = Int64GetDatum(item->request_id);
			alone[n] = item->batch_requestid == NULL;
			columns[1][n] = alone[n] ? (Datum) 0 : CStringGetTextDatum(item->batch_requestid);
			columns[2][n] = Int16GetDatum(item->bid);
		}
	dims[0] = n;
	values[0] = PointerGetDatum(construct_array(columns[0], n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(construct_md_array(columns[1], alone, 1, dims, lower, TEXTOID, -1, false, TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(columns[2], n, INT2OID, sizeof(int16), true, TYPALIGN_SHORT));
	sql_execute(&mark, values, NULL);
	unit_durable();
}

/* Divide requests among so many places, batches of which may be batches. */
static void
make_calls(Pick *pick, const SendItem *const *items, int nitems, int places, int batches)
{
	int			max = pick->sender->max_batch;
	const SendItem **together = palloc(sizeof(SendItem *) * Max(nitems, 1));
	const SendItem **single = palloc(sizeof(SendItem *) * Max(nitems, 1));
	int			ntogether = 0;
	int			nsingle = 0;

	if (nitems <= places)
		batches = 0;
	for (int i = 0; i < nitems; i++)
	{
		/* what failed before goes by itself */
		if (items[i]->attempts == 0 && ntogether < batches * max)
			together[ntogether++] = items[i];
		else
			single[nsingle++] = items[i];
	}
	if (ntogether == 1)
		single[nsingle++] = together[--ntogether];
	for (int first = 0; first < ntogether; first += max, places--)
		add_call(pick, together + first, Min(max, ntogether - first));
	if (nsingle > places)
	{
		/* those that stay are to be found again */
		memset(pick->picked_to, 0, sizeof(pick->picked_to));
		pick->more = true;
	}
	for (int i = 0; i < Min(nsingle, places); i++)
		add_call(pick, single + i, 1);
}

static void
pick_ready(Pick *pick, int places)
{
	Sender	   *sender = pick->sender;
	/* an answer in a batch has not all custom fields */
	bool		together = sender->max_batch > 1 && !sender->company->custom_fields;
	int			batches = together ? call_free_batches(sender->company, places) : 0;
	int			wanted = places + batches * (sender->max_batch - 1);
	const SendItem **all = palloc(sizeof(SendItem *) * Max(wanted, 1));
	int			nall = 0;
	int			first_call = pick->ncalls;

	for (int lane = 0; lane < SEND_LANES; lane++)
	{
		SendItem   *items;
		int			nitems = read_lane(pick, lane, wanted - nall, &items);

		for (int i = 0; i < nitems; i++)
		{
			items[i].first_sent = 0;
			items[i].batch_requestid = NULL;
			all[nall++] = &items[i];
		}
	}
	if (nall == wanted)
		pick->more = true;
	make_calls(pick, all, nall, places, batches);
	mark_sent(pick, first_call);
}

/* Unit: what may start now. */
static void
pick_next(void *arg)
{
	static SqlStatement recheck = {"SELECT qbsync.recheck_requests($1)", 1, {INT4OID}};
	static SqlStatement resend = {"SELECT qbsync.resend_stale($1)", 1, {INT4OID}};
	Pick	   *pick = arg;
	Company    *company = pick->sender->company;
	Datum		values[1] = {Int32GetDatum(company->id)};
	TimestampTz ignored;
	int			places = call_free_writes(company, company->settings.concurrency, &ignored);

	unit_use_indexes();
	if (company->rechecked)
		sql_execute(&recheck, values, NULL);
	if (company->requests_waiting)
	{
		sql_execute(&resend, values, NULL);
		memset(pick->sender->picked_to, 0, sizeof(pick->sender->picked_to));
	}
	memcpy(pick->picked_to, pick->sender->picked_to, sizeof(pick->picked_to));
	if (pick->sender->check_not_before <= GetCurrentTimestamp())
		places -= pick_checks(pick, places);
	if (places > 0)
		pick_ready(pick, places);
	else
		pick->more = true;
}

bool
send_pick(Sender *sender)
{
	Pick		pick = {sender};
	Company    *company = sender->company;

	if (!run_pick(&pick, "qbsync: taking requests", pick_next))
		return false;
	if (company->rechecked)
		company->must_recheck = company->rechecked = false;
	company->requests_waiting = false;
	memcpy(sender->picked_to, pick.picked_to, sizeof(pick.picked_to));
	company->must_lookup |= pick.stale;
	sender->more = pick.more;
	return true;
}
