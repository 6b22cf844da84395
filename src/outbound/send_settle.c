/*
 * send_settle.c
 *		What came of requests is recorded: the answer goes into mirror, link and base, or the refusal into send_error, in one unit
 *		for all answers that have arrived.
 *
 * A unit that failed is run again with the same answers (send_apart.c); a process that dies before leaves the rows 'sent'.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "common/crm_keys.h"
#include "common/progress.h"
#include "common/unit.h"
#include "inbound/mirror.h"
#include "inbound/mirror_arrival.h"
#include "outbound/send_parts.h"

/* A repetition that an answer asks for waits that long at first. */
#define REPEAT_AFTER(tries) call_backoff(tries)

/* What a unit records. */
typedef struct Settlement
{
	Sender	   *sender;
	SendCall  **calls;
	int			ncalls;
	const SendItem *only;		/* NULL: all that did not fail yet */
	bool		again;			/* something is ready, or to be read back */
	bool		stale;			/* records are to be looked up */
} Settlement;

/* Is it about that request? */
static bool
concerns(const Settlement *settlement, const SendItem *item)
{
	return settlement->only ? item == settlement->only : !item->settled && item->settle_failures == 0;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

/*
 * Records that were read back go into the mirror like any page; a record that it had already is shown to the apply workers all the
 * same, since its link is new to them.
 */
static void
apply_read(Company *company, const SendCall *call)
{
	const CatalogueEntity *entity = call->items[0].entity;
	MirrorCounts counts = {0};

	if (call->nrecords == 0)
		return;
	mirror_apply(company->id, company->name, entity, call->records, call->nrecords, call->started, company->loaded_once, &counts);
	if (counts.inserted + counts.updated < call->nrecords && mirror_arrival_wanted(entity))
	{
		MirrorArrivals arrivals = {company->id, entity};
		Datum	   *ids = palloc(sizeof(Datum) * call->nrecords);

		mirror_arrival_prepare(&arrivals, company->id, entity, ids, 0);
		for (int i = 0; i < call->nrecords; i++)
			ids[i] = CStringGetTextDatum(call->records[i].id);
		mirror_arrival_append(&arrivals, ids, call->nrecords);
	}
}

/* The requests of all calls that were carried out; *asked: when.  An answer that repeats an earlier one is as old as that. */
static int
items_done(const Settlement *settlement, SendItem ***items, TimestampTz **asked)
{
	int			n = 0;

	for (int c = 0; c < settlement->ncalls; c++)
		n += settlement->calls[c]->nitems;
	*items = palloc(sizeof(SendItem *) * Max(n, 1));
	*asked = palloc(sizeof(TimestampTz) * Max(n, 1));
	n = 0;
	for (int c = 0; c < settlement->ncalls; c++)
		for (int i = 0; i < settlement->calls[c]->nitems; i++)
		{
			SendItem   *item = &settlement->calls[c]->items[i];

			if (item->outcome != SEND_DONE || !concerns(settlement, item))
				continue;
			(*asked)[n] = item->first_sent != 0 ? item->first_sent : settlement->calls[c]->started;
			(*items)[n++] = item;
		}
	return n;
}

/* Their records: of each entity at once.  What follows from them is known when their links are (record_done()). */
static void
apply_written(const Settlement *settlement)
{
	Company    *company = settlement->sender->company;
	SendItem  **items;
	TimestampTz *asked;
	int			n = items_done(settlement, &items, &asked);
	Record	   *records = palloc(sizeof(Record) * Max(n, 1));
	TimestampTz *times = palloc(sizeof(TimestampTz) * Max(n, 1));
	bool	   *applied = palloc0(sizeof(bool) * Max(n, 1));
	MirrorCounts counts = {0};

	for (int first = 0; first < n; first++)
	{
		const CatalogueEntity *entity = items[first]->entity;
		int			together = 0;

		if (applied[first])
			continue;
		for (int i = first; i < n; i++)
		{
			if (items[i]->entity != entity)
				continue;
			applied[i] = true;
			records[together] = items[i]->record;
			times[together++] = asked[i];
		}
		mirror_apply_answers(company->id, company->name, entity, records, times, together, company->loaded_once, &counts);
	}
}

/* --- reading back ------------------------------------------------------------------------------------------------- */

/* In the unit: what do the records mean that have the name of a creation? */
static void
judge_check(SendCall *call)
{
	static SqlStatement judge = {"SELECT qbsync.check_candidates($1, $2)", 2, {INT8OID, TEXTARRAYOID}};
	SendItem   *item = &call->items[0];
	Datum	   *ids = palloc(sizeof(Datum) * Max(call->nrecords, 1));
	Datum		values[2];
	char	   *word;

	/* a unit that failed may have judged already */
	item->fault = call->asked;
	for (int i = 0; i < call->nrecords; i++)
		ids[i] = CStringGetTextDatum(call->records[i].id);
	values[0] = Int64GetDatum(item->request_id);
	values[1] = PointerGetDatum(construct_array(ids, call->nrecords, TEXTOID, -1, false, TYPALIGN_INT));
	sql_execute(&judge, values, NULL);
	word = sql_text(0, 1, CurrentMemoryContext);
	if (strcmp(word, "adopt") == 0)
	{
		item->outcome = SEND_DONE;
		item->record = call->records[0];
	}
	else if (strcmp(word, "renamed") == 0)
		send_fault_say(call, item, "send_ambiguous", "");
	/* QuickBooks repeats what it answered to the requestid first, whoever has the name by now, or refuses the name */
	else
		item->outcome = item->fault ? SEND_REFUSED : SEND_REPEAT;
}

/* --- the unit ----------------------------------------------------------------------------------------------------- */

/* Was a text to be emptied? */
static bool
empties_text(const SendItem *item)
{
	return !item->create && strstr(item->body, "\"\"") != NULL;
}

/* Records that were written are shown to the apply workers, unless nothing of them can come in. */
static void
record_arrivals(Company *company, SendItem **items, int n)
{
	Datum	   *ids = palloc(sizeof(Datum) * n);
	Datum	   *quiet_for = palloc(sizeof(Datum) * n);
	bool	   *done = palloc0(sizeof(bool) * n);

	for (int first = 0; first < n; first++)
	{
		const CatalogueEntity *entity = items[first]->entity;
		int			together = 0;

		if (done[first] || !mirror_arrival_wanted(entity))
			continue;
		for (int i = first; i < n; i++)
		{
			if (items[i]->entity != entity)
				continue;
			done[i] = true;
			ids[together] = CStringGetTextDatum(items[i]->record.id);
			quiet_for[together++] = Int32GetDatum(items[i]->quiet ? items[i]->mapping_id : 0);
		}
		mirror_arrival_append_answers(company->id, entity, ids, quiet_for, together);
	}
}

/* Requests that were carried out. */
static void
record_done(Settlement *settlement)
{
	static SqlStatement whole = {"SELECT qbsync.send_whole($1, $2)", 2, {INT8ARRAYOID, TEXTARRAYOID}};
	static SqlStatement finish = {"SELECT qbsync.finish_requests($1, $2, $3)", 3, {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID}};
	SendItem  **items;
	TimestampTz *asked;
	int			n = items_done(settlement, &items, &asked);
	Datum	   *columns[3];
	Datum		values[3];
	bool		emptied = false;

	if (n == 0)
		return;
	for (int k = 0; k < 3; k++)
		columns[k] = palloc(sizeof(Datum) * n);
	for (int i = 0; i < n; i++)
	{
		columns[0][i] = Int64GetDatum(items[i]->request_id);
		columns[1][i] = CStringGetTextDatum(items[i]->record.id);
		columns[2][i] = CStringGetTextDatum(items[i]->record.sync_token);
		emptied |= empties_text(items[i]);
	}
	values[0] = PointerGetDatum(construct_array(columns[0], n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(construct_array(columns[1], n, TEXTOID, -1, false, TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(columns[2], n, TEXTOID, -1, false, TYPALIGN_INT));
	if (emptied)
	{
		Datum		given[] = {values[0], values[2]};

		sql_execute(&whole, given, NULL);
		settlement->again |= DatumGetInt64(sql_datum(0, 1, NULL)) > 0;
	}
	send_links_record(items, n, values[0], values[1], values[2]);
	record_arrivals(settlement->sender->company, items, n);
	sql_execute(&finish, values, NULL);
}

/* Word of an outcome as qbsync.note_unsent() knows it, NULL: not its business. */
static const char *
outcome_word(SendOutcome outcome)
{
	switch (outcome)
	{
		case SEND_READY:
			return "ready";
		case SEND_ALONE:
			return "alone";
		case SEND_STALE:
			return "stale";
		case SEND_CHECK:
			return "check";
		case SEND_REFUSED:
			return "refused";
		case SEND_DONE:
		case SEND_ASK:
		case SEND_REPEAT:
			break;
	}
	return NULL;
}

/* Append ,"name":"value". */
static void
append_member(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, ",\"%s\":", name);
	escape_json(json, value);
}

/* Requests that were not carried out. */
static void
record_unsent(Settlement *settlement)
{
	static SqlStatement note = {"SELECT qbsync.note_unsent($1)", 1, {JSONBOID}};
	StringInfoData json;
	Datum		values[1];

	initStringInfo(&json);
	for (int c = 0; c < settlement->ncalls; c++)
		for (int i = 0; i < settlement->calls[c]->nitems; i++)
		{
			const SendItem *item = &settlement->calls[c]->items[i];
			const char *word = outcome_word(item->outcome);

			if (word == NULL || !concerns(settlement, item))
				continue;
			settlement->stale |= item->outcome == SEND_STALE;
			settlement->again |= item->outcome != SEND_STALE && item->outcome != SEND_REFUSED;
			appendStringInfo(&json, "%c{\"request_id\":" INT64_FORMAT, json.len == 0 ? '[' : ',', item->request_id);
			append_member(&json, "outcome", word);
			if (item->fault)
			{
				appendStringInfo(&json, ",\"code\":%d", item->fault->code);
				append_member(&json, "problem", item->fault->problem);
				append_member(&json, "element", item->fault->element);
				append_member(&json, "message", item->fault->message);
				append_member(&json, "detail", item->fault->detail);
				append_member(&json, "tid", settlement->calls[c]->intuit_tid);
			}
			appendStringInfoChar(&json, '}');
		}
	if (json.len == 0)
		return;
	appendStringInfoChar(&json, ']');
	values[0] = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
	sql_execute(&note, values, NULL);
	mirror_arrival_note();
}

/* Creations that were read back and are not there are sent, which the tables say first. */
static void
record_resent(Settlement *settlement)
{
	static SqlStatement mark = {
		"UPDATE qbsync.request SET state = 'sent', first_sent_at = coalesce(first_sent_at, now()), sent_at = now()"
		" WHERE request_id = $1",
		1, {INT8OID}
	};

	for (int c = 0; c < settlement->ncalls; c++)
	{
		SendItem   *item = &settlement->calls[c]->items[0];
		Datum		values[1] = {Int64GetDatum(item->request_id)};

		if (!settlement->calls[c]->check || item->outcome != SEND_REPEAT || !concerns(settlement, item))
			continue;
		/* its mapping is gone, and nobody wants it any more */
		if (sql_execute(&mark, values, NULL) == 0)
			item->outcome = SEND_REFUSED;
		unit_durable();
	}
}

/* Writes are logged, the good ones here, with what they did; failures were when they came. */
static void
log_calls(Settlement *settlement)
{
	static SqlStatement log = {
		"INSERT INTO qbsync.http_log (connection_id, at, method, path, status, outcome, intuit_tid, elapsed)"
		" VALUES ($1, clock_timestamp(), 'POST', $2, 200, 'answered', nullif($3, ''), $4 * interval '1 microsecond')",
		4, {INT4OID, TEXTOID, TEXTOID, FLOAT8OID}
	};

	for (int c = 0; c < settlement->ncalls; c++)
	{
		const SendCall *call = settlement->calls[c];
		const SendItem *first = &call->items[0];
		Datum		values[4] = {
			Int32GetDatum(settlement->sender->company->id),
			CStringGetTextDatum(first->batch_requestid ? CALL_BATCH : first->entity->resource),
			CStringGetTextDatum(call->intuit_tid),
			Float8GetDatum((double) call->elapsed_us)
		};

		if (!call->check && call->good && !call->logged)
			sql_execute(&log, values, NULL);
	}
}

/* Unit. */
static void
settle_calls(void *arg)
{
	Settlement *settlement = arg;

	unit_use_indexes();
	crm_keys_keep(settlement->sender->company->id);
	settlement->again = settlement->stale = false;
	for (int c = 0; c < settlement->ncalls; c++)
		apply_read(settlement->sender->company, settlement->calls[c]);
	apply_written(settlement);
	for (int c = 0; c < settlement->ncalls; c++)
	{
		SendCall   *call = settlement->calls[c];

		if (call->check && call->good && concerns(settlement, &call->items[0]))
			judge_check(call);
	}
	record_done(settlement);
	record_unsent(settlement);
	record_resent(settlement);
	log_calls(settlement);
}

/* --- what follows ------------------------------------------------------------------------------------------------- */

/* An item goes on its way once more: the same again, or to be read back. */
static void
follow_up(SendCall *call, const SendItem *item)
{
	SendCall   *next = send_call_create(call->sender, 1);
	TimestampTz not_before = 0;

	send_item_copy(next, 0, item);
	next->items[0].repeated = true;
	if (item->outcome == SEND_ASK)
	{
		next->check = true;
		next->asked = next->items[0].fault;
	}
	else
	{
		/* what was read back goes at once, and is remembered from now on */
		if (call->check)
			next->items[0].remembered_until = 0;
		else
			not_before = GetCurrentTimestamp() + REPEAT_AFTER(item->tries);
		next->items[0].tries++;
		next->items[0].fault = NULL;
	}
	send_call_start(next, not_before);
}

/* What is recorded of a call is followed up; the call goes when nothing of it is left. */
static void
finish_call(const Settlement *settlement, SendCall *call)
{
	Sender	   *sender = settlement->sender;
	bool		all = true;

	for (int i = 0; i < call->nitems; i++)
	{
		SendItem   *item = &call->items[i];

		if (concerns(settlement, item))
		{
			if (item->outcome == SEND_ASK || item->outcome == SEND_REPEAT)
				follow_up(call, item);
			item->settled = true;
		}
		all &= item->settled;
	}
	call->logged = true;
	if (!all)
		return;
	if (call->check && !call->good)
		sender->check_not_before = GetCurrentTimestamp() + call_backoff(sender->check_failures++);
	else if (call->check)
		sender->check_failures = 0;
	dlist_delete(&call->node);
	send_call_free(call);
}

UnitResult
send_settle(Sender *sender, SendCall **calls, int ncalls, SendItem *only, UnitError *error)
{
	Settlement	settlement = {sender, calls, ncalls, only};
	UnitResult	result = unit_run("qbsync: settling writes", settle_calls, &settlement, error);

	if (result != UNIT_DONE)
		return result;
	for (int c = 0; c < ncalls; c++)
		finish_call(&settlement, calls[c]);
	mirror_arrival_note_answers();
	if (settlement.again)
	{
		memset(sender->picked_to, 0, sizeof(sender->picked_to));
		sender->more = true;
	}
	sender->company->must_lookup |= settlement.stale;
	progress_announce();
	return UNIT_DONE;
}
