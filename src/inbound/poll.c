/*
 * poll.c
 *		Change data capture (§4 of Intuit's rules).
 *
 * The cursor is Intuit's own clock: the "time" of an answer becomes the lower bound of the next question, less an
 * overlap.  An answer may hold 1,000 objects at most and does not say when it was cut: a full one counts as truncated,
 * and the cursor stays until the changes have been read by windows of time (window.c) and counts were compared
 * (verify.c, for deletions).  Intuit remembers 30 days: after a longer time everything is read again (load.c).
 *
 * Change data capture has not the newer custom fields.  Where a person wants them (setting custom_fields), what changed among
 * the records that can have some is only told by it, and fetched by queries, in the same flow.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/ahead.h"
#include "inbound/answer.h"
#include "inbound/heard.h"
#include "inbound/load.h"
#include "inbound/lookup.h"
#include "inbound/mirror.h"
#include "inbound/poll.h"
#include "inbound/polled.h"
#include "inbound/select.h"
#include "inbound/singleton.h"
#include "quickbooks/call.h"
#include "quickbooks/flow.h"

/* Intuit's cap per answer.  Whether it counts all objects or each entity is not documented: either counts as full. */
#define POLL_MAX_OBJECTS 1000

/*
 * Intuit looks back 30 days; a day less, for overlaps.  Measured on our own clock, from one poll to the next: Intuit's
 * may be anywhere.
 */
#define POLL_LOOK_BACK_US (29 * USECS_PER_DAY)

/* A question that old by Intuit's own clock may have been refused for that. */
#define POLL_TOO_OLD_US (25 * USECS_PER_DAY)

typedef struct PollFlow
{
	Flow		flow;
	Company    *company;
	TimestampTz changed_since;
	bool		too_old;		/* the last poll was longer ago than Intuit remembers */
	bool		singletons_due;
	char	   *entities;		/* that are read of this company */
	char	   *due;			/* of those that change data capture does not carry, NULL if none */
	bool		reconcile_due;
	/* the answer */
	Envelope	envelope;
	TimestampTz time;
	TimestampTz started;
	bool		truncated;
	Fault		refusal;		/* why the time is asked for */
	bool		look_up;		/* webhooks told of records that it did not show */
	bool		moved;			/* it shows traces of merges */
	bool		fetch;			/* records are to be fetched, to have all of their custom fields */
	bool		still_asked;	/* somebody asked for a sync after this poll began */
} PollFlow;

/* What is asked for by queries once a day, and what as often as it changes. */
static bool
is_daily(const CatalogueEntity *entity)
{
	return catalogue_is_polled(entity) && !(entity->flags & ENTITY_TRANSACTION);
}

static bool
is_as_it_changes(const CatalogueEntity *entity)
{
	return catalogue_is_polled(entity) && (entity->flags & ENTITY_TRANSACTION);
}

/* Unit: where are we, and what is due beside change data capture (polled.c)? */
static void
read_cursor(void *arg)
{
	static SqlStatement read = {
		"SELECT max(changed_since) FILTER (WHERE entity = '*'),"
		" greatest(max(checked_at) FILTER (WHERE entity = '*'), max(started_at)),"
		" NOT coalesce(bool_or(entity = 'company_info' AND checked_at > now() - interval '1 day'), false),"
		" string_agg(entity, ',') FILTER (WHERE phase <> 'absent'),"
		" string_agg(entity, ',') FILTER (WHERE phase IN ('loaded', 'verifying')"
		"  AND (entity = ANY (string_to_array($2, ',')) AND coalesce(checked_at < now() - interval '1 day', true)"
		"   OR entity = ANY (string_to_array($3, ',')) AND ($4 OR coalesce("
		"    now() - checked_at >= least((checked_at - changed_at) / 10, interval '6 hours'), true)))),"
		" coalesce((SELECT due FROM qbsync.reconcile_due($1) due), false)"
		" FROM qbsync.cursor WHERE connection_id = $1",
		4, {INT4OID, TEXTOID, TEXTOID, BOOLOID}
	};
	PollFlow   *poll = arg;
	Datum		values[4] = {
		Int32GetDatum(poll->company->id), CStringGetTextDatum(answer_entities(is_daily, false, NULL)),
		CStringGetTextDatum(answer_entities(is_as_it_changes, false, NULL)), BoolGetDatum(poll->company->poll_asked)
	};
	bool		isnull;
	Datum		since;
	Datum		checked;

	sql_execute(&read, values, NULL);
	since = sql_datum(0, 1, &isnull);
	poll->changed_since = isnull ? SELECT_NO_TIME : DatumGetTimestampTz(since);
	checked = sql_datum(0, 2, &isnull);
	poll->too_old = !isnull && DatumGetTimestampTz(checked) < GetCurrentTimestamp() - POLL_LOOK_BACK_US;
	poll->singletons_due = DatumGetBool(sql_datum(0, 3, NULL));
	poll->entities = sql_text(0, 4, poll->flow.context);
	poll->due = sql_text(0, 5, poll->flow.context);
	poll->reconcile_due = DatumGetBool(sql_datum(0, 6, NULL));
}

/* Was the answer cut? */
static bool
is_truncated(const Envelope *envelope)
{
	if (envelope->nrecords >= POLL_MAX_OBJECTS)
		return true;
	for (int i = 0; i < envelope->ngroups; i++)
		if (envelope->groups[i].nrecords >= POLL_MAX_OBJECTS)
			return true;
	return false;
}

/* In the unit: the cursor cannot move yet; what the answer leaves out is read by windows, and compared. */
static void
hold_cursor(PollFlow *poll)
{
	static SqlStatement hold = {
		"UPDATE qbsync.cursor SET catch_up_to = CASE WHEN entity = '*' THEN $2 END,"
		" changed_at = CASE WHEN entity = '*' THEN now() END,"
		" phase = CASE WHEN entity = '*' THEN phase ELSE 'verifying' END"
		" WHERE connection_id = $1 AND (entity = '*' OR entity = ANY (string_to_array($3, ',')) AND phase <> 'absent')",
		3, {INT4OID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		values[3] = {
		Int32GetDatum(poll->company->id), TimestampTzGetDatum(poll->time),
		CStringGetTextDatum(answer_entities(answer_in_cdc, false, NULL))
	};

	cursor_count_reads(poll->company);
	sql_execute(&hold, values, NULL);
}

/*
 * In the unit: whoever asked for a sync before this poll began has it now, or, when the answer was cut, at the end of
 * the comparison (verify.c).
 */
static void
finish_jobs(PollFlow *poll)
{
	static SqlStatement finish = {
		"UPDATE qbsync.job SET state = CASE WHEN $3 THEN 'running' ELSE 'done' END,"
		" started_at = coalesce(started_at, $2), finished_at = CASE WHEN NOT $3 THEN now() END"
		" WHERE connection_id = $1 AND kind = 'sync' AND state IN ('queued', 'running') AND requested_at <= $2",
		3, {INT4OID, TIMESTAMPTZOID, BOOLOID}
	};
	static SqlStatement remaining = {
		"SELECT EXISTS (SELECT FROM qbsync.job WHERE connection_id = $1 AND kind = 'sync' AND state = 'queued')",
		1, {INT4OID}
	};
	Datum		values[3] = {
		Int32GetDatum(poll->company->id), TimestampTzGetDatum(poll->started), BoolGetDatum(poll->truncated)
	};

	if (!poll->company->poll_asked)
		return;
	sql_execute(&finish, values, NULL);
	sql_execute(&remaining, values, NULL);
	poll->still_asked = DatumGetBool(sql_datum(0, 1, NULL));
}

/* In the unit: the reconciliation of the night begins where this poll has brought us. */
static void
begin_reconcile(PollFlow *poll)
{
	static SqlStatement begin = {
		"SELECT qbsync.begin_reconcile($1, NULL, qbsync.full_reconcile_due($1), $2)",
		2, {INT4OID, TIMESTAMPTZOID}
	};
	Datum		values[2] = {Int32GetDatum(poll->company->id), TimestampTzGetDatum(poll->started)};

	sql_execute(&begin, values, NULL);
}

/*
 * In the unit: records that the mirror does not have in this version are to be fetched; deletions are moved to the front of the
 * group.  Returns their number.
 */
static int
note_changed(PollFlow *poll, const CatalogueEntity *entity, RecordGroup *group)
{
	static SqlStatement note = {
		"SELECT qbsync.note_changed($1, $2, $3, $4, $5)",
		5, {INT4OID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum	   *columns[3];
	Datum		values[5] = {Int32GetDatum(poll->company->id), CStringGetTextDatum(entity->name)};
	int			nchanged = 0;
	int			ndeleted = 0;

	for (int c = 0; c < 3; c++)
		columns[c] = palloc(sizeof(Datum) * Max(group->nrecords, 1));
	for (int i = 0; i < group->nrecords; i++)
	{
		const Record *record = &group->records[i];

		if (record->deleted)
		{
			group->records[ndeleted++] = *record;
			continue;
		}
		columns[0][nchanged] = CStringGetTextDatum(record->id);
		columns[1][nchanged] = CStringGetTextDatum(record->sync_token);
		columns[2][nchanged++] = CStringGetTextDatum(record->last_updated);
	}
	for (int c = 0; c < 3; c++)
		values[2 + c] = PointerGetDatum(construct_array(columns[c], nchanged, TEXTOID, -1, false, TYPALIGN_INT));
	sql_execute(&note, values, NULL);
	poll->fetch |= DatumGetInt64(sql_datum(0, 1, NULL)) > 0;
	return ndeleted;
}

/* Unit: whoever asked for this poll has it when all is fetched. */
static void
finish_fetched(void *arg)
{
	finish_jobs(arg);
}

/* Unit: rows and cursor commit together. */
static void
settle_poll(void *arg)
{
	PollFlow   *poll = arg;
	Company    *company = poll->company;
	MirrorCounts counts = {0};
	int64		changes;

	for (int i = 0; i < poll->envelope.ngroups; i++)
	{
		RecordGroup *group = &poll->envelope.groups[i];
		const CatalogueEntity *entity = catalogue_find_object(group->object);
		int			nrecords = group->nrecords;

		if (!entity)
			continue;
		if (company->custom_fields && catalogue_has_custom_fields(entity))
			nrecords = note_changed(poll, entity, group);
		mirror_apply(company->id, company->name, entity, group->records, nrecords, poll->started, company->loaded_once,
					 &counts);
	}
	changes = counts.inserted + counts.updated + counts.deleted;
	poll->moved = counts.moved > 0;
	if (poll->truncated)
		hold_cursor(poll);
	else
	{
		cursor_advance(company, poll->started, poll->time, changes > 0 || poll->fetch);
		poll->look_up = heard_settle_poll(company, poll->started, changes);
	}
	if (!poll->fetch)
		finish_jobs(poll);
	if (poll->reconcile_due && !poll->truncated)
		begin_reconcile(poll);
}

static void
poll_settled(PollFlow *poll)
{
	Company    *company = poll->company;

	company->must_catch_up = false;
	company->look_again |= company->must_recheck || poll->moved || poll->reconcile_due;
	company->must_lookup |= poll->look_up;
	company->must_merge |= company->merging;
	company->poll_heard = false;
	company->poll_asked = poll->still_asked;
	company->polled |= !poll->truncated;
	company->must_poll &= !company->polled;
	if (poll->truncated)
	{
		/* a comparison under way keeps its rounds: for minutes the overlap may hold too much for one answer */
		if (!company->must_verify)
			company->verify_round = 0;
		company->must_window = company->must_verify = true;
	}
	flow_end(company);
}

/* All that changed is fetched. */
static void
fetched(Company *company, void *arg)
{
	PollFlow   *poll = arg;

	if (!settle(company, "qbsync: settling changes", finish_fetched, poll))
		return;
	company->look_again = true;
	poll_settled(poll);
}

static void ask_clock(PollFlow *poll);
static void settle_answer(PollFlow *poll);

/*
 * May a refusal mean that changedSince is too old?  It is the only value sent that can be refused, and how Intuit says so is
 * not documented.  Intuit's clock decides (clock_arrived).
 */
static bool
may_be_too_old(const Fault *fault)
{
	return fault->reaction == REACT_PERMANENT || fault->reaction == REACT_BUG;
}

static void
poll_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	PollFlow   *poll = arg;

	if (answer->fault && answer->fault->reaction == REACT_RELOAD)
	{
		load_over(company);
		return;
	}
	if (answer->fault && (answer->fault->reaction == REACT_SMALLER || may_be_too_old(answer->fault)))
	{
		poll->refusal = *answer->fault;
		ask_clock(poll);
		return;
	}
	if (!answer_scan(company, answer, &poll->envelope))
		return;
	poll->started = answer->started;
	poll->truncated = is_truncated(&poll->envelope);
	settle_answer(poll);
}

/*
 * The answer to the count that stands in for one that is too big, or was refused: only its time is of use.
 */
static void
clock_arrived(Company *company, const CallAnswer *answer, void *arg)
{
	PollFlow   *poll = arg;

	if (!answer_scan(company, answer, &poll->envelope))
		return;
	poll->started = answer->started;
	poll->truncated = true;
	if (poll->refusal.reaction == REACT_SMALLER)
		settle_answer(poll);
	else if (answer_time(&poll->envelope) > poll->changed_since + POLL_TOO_OLD_US)
		load_over(company);
	else
		flow_fail_with(company, &poll->refusal);
}

/* What is the time at Intuit?  Changes that do not fit into one answer are caught up by windows until then. */
static void
ask_clock(PollFlow *poll)
{
	char	   *statement = select_count(catalogue_find("customer"), SELECT_NO_TIME, DT_NOEND);

	call_query(poll->company, catalogue_find("customer"), statement, clock_arrived, poll);
	pfree(statement);
}

/* Store what came, and its time. */
static void
settle_answer(PollFlow *poll)
{
	Company    *company = poll->company;

	poll->time = answer_time(&poll->envelope);
	if (TIMESTAMP_NOT_FINITE(poll->time))
	{
		flow_fail(company, "not_understood", "an answer of change data capture holds no time");
		return;
	}
	poll->fetch = false;
	if (!settle(company, "qbsync: settling changes", settle_poll, poll))
		return;
	if (poll->fetch)
		lookup_run(company, fetched, poll);
	else
		poll_settled(poll);
}

char *
poll_path(const char *entities, TimestampTz since)
{
	return psprintf("cdc?entities=%s&changedSince=%s", answer_entities(answer_in_cdc, true, entities),
					select_time(since - ANSWER_OVERLAP_US));
}

/* After a load it was asked for already. */
static void
ask_changes(Company *company, void *arg)
{
	PollFlow   *poll = arg;
	CallAnswer	answer;

	if (ahead_take_changes(company, &answer))
		poll_arrived(company, &answer, poll);
	else
	{
		/* counts that are older than what is known now prove nothing */
		company_forget_ahead(company);
		call_get(company, poll_path(poll->entities, poll->changed_since), poll_arrived, poll);
	}
}

/* What change data capture does not carry comes first, if it is due: the poll's cursor tells that all was asked for. */
static void
read_polled(Company *company, void *arg)
{
	PollFlow   *poll = arg;

	if (poll->due)
		polled_read(company, poll->due, ask_changes, poll);
	else
		ask_changes(company, poll);
}

void
poll_start(Company *company)
{
	PollFlow   *poll = flow_begin(company, sizeof(PollFlow));

	poll->company = company;
	if (!settle(company, "qbsync: reading the cursor", read_cursor, poll))
		return;
	if (TIMESTAMP_NOT_FINITE(poll->changed_since) || poll->too_old)
		load_over(company);
	else if (poll->singletons_due)
		singleton_read_all(company, read_polled, poll);
	else
		read_polled(company, poll);
}
