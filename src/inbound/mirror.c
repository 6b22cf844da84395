/*
 * mirror.c
 *		Records of a page become rows of the mirror tables: what is to be done with each, and what if one is bad.
 *
 * A page is applied in a subtransaction as a whole.  When a record makes that fail, the halves are tried by themselves,
 * and their halves, until the bad record is alone: it goes to qbsync.error, the others are stored.  (One subtransaction
 * for each record would cost every other session of the server more than it costs us, as soon as there are more than
 * 64 of them.)  Only errors a record can cause are taken for its fault: data exceptions and limits exceeded.  All
 * others, such as a cancelled query, a full disk or a deadlock, leave the function and end the unit.
 *
 * Which version wins:
 * - the one whose request started later (seen_at), whatever order the answers come in;
 * - a version with a lower SyncToken and an earlier LastUpdatedTime than ours is not newer, however late it was asked
 *   for: Intuit's servers do not all know the latest at the same moment; one with a higher and a later one is, however
 *   early: a write was asked for before the poll that did not see it yet;
 * - the same bytes are the same version: nothing is written.  Members may come in another order from one answer to the
 *   next, so a record with our token and time but another fingerprint is compared as jsonb.
 * A deletion is a version like any other.  Of a record that we only know by its deletion a row without content is kept,
 * so that a page on its way does not bring it back.
 *
 * seen_at of a record never goes backwards, also where a version asked for earlier wins: the later request had seen the
 * record, too, only not that far.  What is replaced is kept (mirror_version.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/unit.h"
#include "inbound/mirror.h"
#include "inbound/mirror_arrival.h"
#include "inbound/mirror_error.h"
#include "inbound/mirror_moved.h"
#include "inbound/mirror_notify.h"
#include "inbound/mirror_row.h"
#include "inbound/mirror_value.h"
#include "inbound/mirror_version.h"

/* What became of a record. */
typedef enum Outcome
{
	OUTCOME_NONE,				/* not looked at yet */
	OUTCOME_INSERTED,
	OUTCOME_UPDATED,
	OUTCOME_UNCHANGED,
	OUTCOME_DELETED,
	OUTCOME_STALE,				/* we know better, or the same page does */
	OUTCOME_BAD
} Outcome;

/* A page being applied. */
typedef struct Batch
{
	int			connection_id;
	MirrorPlan *plan;
	const Record *records;
	int			nrecords;
	TimestampTz started;
	const TimestampTz *times;	/* by record, of those that several requests brought; NULL: started */
	MemoryContext context;		/* of the page */
	Outcome    *outcomes;		/* by record */
	const char **details;		/* by record: bad fields, or why it is bad; mostly NULL */
	bool		any_problems;	/* the entity has some from before */
	MirrorMoves moves;			/* traces of merges */
} Batch;

/* The tables of a page, open for one attempt. */
typedef struct Attempt
{
	Batch	   *batch;
	MirrorTable *table;
	MirrorTable *lines[MIRROR_LINE_TABLES];	/* as many as the plan has */
	Snapshot	snapshot;
	MemoryContext context;		/* of the attempt */
	bool		versions_asked;	/* was it looked whether versions are kept? */
	MirrorTable *versions;		/* NULL if they are not, or nothing was replaced yet */
	StringInfoData bad;			/* bad fields of the current record */
} Attempt;

/* Compare numbers in text form, such as SyncTokens of any length; anything else compares as equal. */
static int
compare_tokens(const char *a, const char *b)
{
	size_t		a_len;
	size_t		b_len;

	if (a[strspn(a, "0123456789")] != '\0' || b[strspn(b, "0123456789")] != '\0')
		return 0;
	a += strspn(a, "0");
	b += strspn(b, "0");
	a_len = strlen(a);
	b_len = strlen(b);
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return strcmp(a, b);
}

/* How does a record compare with the row found?  Both tokens and times must be known to tell. */
typedef enum Age
{
	AGE_UNKNOWN,
	AGE_SAME,
	AGE_OLDER,
	AGE_NEWER
} Age;

static Age
compare_version(MirrorTable *table, const Record *record)
{
	bool		no_token;
	bool		no_time;
	Datum		stored_token = mirror_table_found(table, ROW_SYNC_TOKEN, &no_token);
	Datum		stored_time = mirror_table_found(table, ROW_LAST_UPDATED_TIME, &no_time);
	TimestampTz time;
	char		token[RECORD_ID_MAX];
	int			order;

	if (no_token || no_time || record->sync_token[0] == '\0' ||
		!mirror_parse_timestamp(record->last_updated, strlen(record->last_updated), &time))
		return AGE_UNKNOWN;
	text_to_cstring_buffer(DatumGetTextPP(stored_token), token, sizeof(token));
	order = compare_tokens(record->sync_token, token);
	if (strcmp(record->sync_token, token) == 0 && time == DatumGetTimestampTz(stored_time))
		return AGE_SAME;
	if (order < 0 && time < DatumGetTimestampTz(stored_time))
		return AGE_OLDER;
	if (order > 0 && time > DatumGetTimestampTz(stored_time))
		return AGE_NEWER;
	return AGE_UNKNOWN;
}

/* Start of the request that brought the row found. */
static TimestampTz
found_seen_at(MirrorTable *table)
{
	bool		isnull;
	Datum		seen_at = mirror_table_found(table, ROW_SEEN_AT, &isnull);

	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(seen_at);
}

static bool
is_deleted(MirrorTable *table)
{
	bool		isnull;

	(void) mirror_table_found(table, ROW_DELETED_AT, &isnull);
	return !isnull;
}

static bool
same_fingerprint(MirrorTable *table, const Record *record)
{
	bool		isnull;
	Datum		fingerprint = mirror_table_found(table, ROW_FINGERPRINT, &isnull);

	return !isnull && DatumGetInt64(fingerprint) == (int64) record->fingerprint;
}

/* When did the request begin that brought a record? */
static TimestampTz
asked_at(const Batch *batch, const Record *record)
{
	return batch->times ? batch->times[record - batch->records] : batch->started;
}

/* Is the content of the row found the same? */
static bool
same_content(MirrorTable *table, Jsonb *json)
{
	bool		isnull;
	Datum		raw = mirror_table_found(table, ROW_RAW, &isnull);

	return !isnull && compareJsonbContainers(&DatumGetJsonbP(raw)->root, &json->root) == 0;
}

/* The row found is about to be replaced by a version seen at that time: keep it, if versions are kept. */
static void
keep_version(Attempt *attempt, TimestampTz replaced_at)
{
	Batch	   *batch = attempt->batch;

	if (!attempt->versions_asked)
	{
		MemoryContext record = MemoryContextSwitchTo(attempt->context);

		if (mirror_versions_wanted(batch->connection_id))
			attempt->versions = mirror_versions_open(attempt->snapshot);
		attempt->versions_asked = true;
		MemoryContextSwitchTo(record);
	}
	if (attempt->versions)
		mirror_version_keep(attempt->versions, attempt->table, batch->plan->entity, replaced_at);
}

/* A record was deleted: note it on its row, or make a row that says so. */
static Outcome
apply_deletion(Attempt *attempt, const Record *record, bool found)
{
	Batch	   *batch = attempt->batch;
	TupleTableSlot *slot;
	TimestampTz deleted_at;

	if (found && is_deleted(attempt->table))
		return OUTCOME_UNCHANGED;
	if (!mirror_parse_timestamp(record->last_updated, strlen(record->last_updated), &deleted_at))
		deleted_at = GetCurrentTransactionStartTimestamp();
	if (found)
		keep_version(attempt, asked_at(batch, record));
	slot = found ? mirror_table_new_version(attempt->table, true) : mirror_table_new_row(attempt->table);
	mirror_row_fill_deleted(attempt->table, slot, batch->connection_id, record, deleted_at, asked_at(batch, record));
	if (found)
	{
		mirror_moved_compare(&batch->moves, batch->plan, attempt->table, NULL, record->id, batch->context);
		mirror_table_update(attempt->table, slot);
	}
	else
		mirror_table_insert(attempt->table, slot);
	return OUTCOME_DELETED;
}

/*
 * Do the lines of the row found stay as they are?  Where there are problems they are made again: only that tells what is bad in them.
 */
static bool
lines_stay(Attempt *attempt)
{
	Batch	   *batch = attempt->batch;
	bool		isnull;
	Datum		raw;

	if (batch->plan->nlines == 0 || batch->any_problems)
		return false;
	raw = mirror_table_found(attempt->table, ROW_RAW, &isnull);
	return !isnull && mirror_lines_same(batch->plan, DatumGetJsonbP(raw));
}

/* Write a version that is new to us. */
static void
write_version(Attempt *attempt, const Record *record, Jsonb *json, bool found)
{
	Batch	   *batch = attempt->batch;
	TimestampTz asked = asked_at(batch, record);
	TimestampTz seen_at = found ? Max(asked, found_seen_at(attempt->table)) : asked;
	TupleTableSlot *slot;
	bool		stay;

	if (found)
		keep_version(attempt, seen_at);
	slot = found ? mirror_table_new_version(attempt->table, false) : mirror_table_new_row(attempt->table);
	mirror_row_fill(batch->plan, attempt->table, slot, batch->connection_id, record, json, seen_at, &attempt->bad);
	stay = found && lines_stay(attempt);
	if (found)
	{
		mirror_moved_compare(&batch->moves, batch->plan, attempt->table, slot, record->id, batch->context);
		mirror_table_update(attempt->table, slot);
	}
	else
		mirror_table_insert(attempt->table, slot);
	for (int i = 0; i < batch->plan->nlines && !stay; i++)
	{
		if (found)
			mirror_table_delete(attempt->lines[i], batch->connection_id, record->id);
		mirror_lines_insert(batch->plan, i, attempt->lines[i], batch->connection_id, record, &attempt->bad);
	}
}

/* Decide about one record, and do it. */
static Outcome
apply_record(Attempt *attempt, const Record *record)
{
	Batch	   *batch = attempt->batch;
	MirrorTable *table = attempt->table;
	bool		found = mirror_table_find(table, batch->connection_id, record->id);
	Age			age = found && !record->deleted && !is_deleted(table) ? compare_version(table, record) : AGE_UNKNOWN;
	Jsonb	   *json;

	if (found && found_seen_at(table) > asked_at(batch, record) && age != AGE_NEWER)
		return OUTCOME_STALE;
	if (record->deleted)
		return apply_deletion(attempt, record, found);
	if (found && !is_deleted(table))
	{
		if (same_fingerprint(table, record))
			return OUTCOME_UNCHANGED;
		if (age == AGE_OLDER)
			return OUTCOME_STALE;
	}
	json = mirror_row_json(record);
	if (age == AGE_SAME && same_content(table, json))
		return OUTCOME_UNCHANGED;
	write_version(attempt, record, json, found);
	return found ? OUTCOME_UPDATED : OUTCOME_INSERTED;
}

/* Apply some records of a page; raises what they raise. */
static void
apply_records(Batch *batch, int first, int count)
{
	Attempt		attempt = {batch};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext record_context = AllocSetContextCreate(caller, "qbsync record", ALLOCSET_DEFAULT_SIZES);

	/* see what earlier pages of this transaction wrote */
	CommandCounterIncrement();
	attempt.snapshot = RegisterSnapshot(GetLatestSnapshot());
	attempt.context = caller;
	attempt.table = mirror_row_open(batch->plan, attempt.snapshot);
	for (int i = 0; i < batch->plan->nlines; i++)
		attempt.lines[i] = mirror_lines_open(batch->plan, i, attempt.snapshot);
	initStringInfo(&attempt.bad);

	for (int i = first; i < first + count; i++)
	{
		if (batch->outcomes[i] == OUTCOME_STALE || batch->outcomes[i] == OUTCOME_BAD)
			continue;			/* settled before anything was tried */
		CHECK_FOR_INTERRUPTS();
		resetStringInfo(&attempt.bad);
		MemoryContextSwitchTo(record_context);
		batch->outcomes[i] = apply_record(&attempt, &batch->records[i]);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(record_context);
		batch->details[i] = attempt.bad.len > 0 ? MemoryContextStrdup(batch->context, attempt.bad.data) : NULL;
	}

	mirror_table_close(attempt.table);
	for (int i = 0; i < batch->plan->nlines; i++)
		mirror_table_close(attempt.lines[i]);
	if (attempt.versions)
		mirror_table_close(attempt.versions);
	UnregisterSnapshot(attempt.snapshot);
}

/* Can a record have caused this error? */
static bool
is_records_fault(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

/*
 * Apply some records in a subtransaction.  Returns NULL, or the message of the error that undid them, if a record can
 * have caused it; other errors leave this function.
 */
static char *
try_records(Batch *batch, int first, int count)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = AllocSetContextCreate(batch->context, "qbsync attempt", ALLOCSET_DEFAULT_SIZES);
	char	   *volatile problem = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		apply_records(batch, first, count);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(batch->context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		CurrentResourceOwner = owner;
		if (!is_records_fault(error->sqlerrcode))
		{
			MemoryContextSwitchTo(caller);
			ReThrowError(error);
		}
		/* the detail of a limit says where the row would have been, which is elsewhere at every attempt */
		if (error->detail && ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION)
			problem = psprintf("%s: %s", error->message, error->detail);
		else
			problem = pstrdup(error->message);
		FreeErrorData(error);
		MemoryContextSwitchTo(caller);
	}
	PG_END_TRY();
	MemoryContextDelete(context);
	return problem;
}

/* Apply some records, however many of them are bad. */
static void
apply_range(Batch *batch, int first, int count)
{
	char	   *problem = try_records(batch, first, count);

	if (problem == NULL)
		return;
	if (count == 1)
	{
		batch->outcomes[first] = OUTCOME_BAD;
		batch->details[first] = problem;
		return;
	}
	for (int i = first; i < first + count; i++)
		if (batch->outcomes[i] != OUTCOME_STALE && batch->outcomes[i] != OUTCOME_BAD)
			batch->outcomes[i] = OUTCOME_NONE;
	apply_range(batch, first, count / 2);
	apply_range(batch, first + count / 2, count - count / 2);
}

/*
 * Settle what needs no look at the tables: records without an id are bad, and of several versions of one record the one counts
 * that was asked for last, in a page the last one.
 */
static void
settle_beforehand(Batch *batch)
{
	uint32		room = 16;
	int		   *places;			/* by hash of the id: number of the record + 1 */

	while (room < (uint32) batch->nrecords * 2)
		room *= 2;
	places = palloc0(sizeof(int) * room);
	for (int i = 0; i < batch->nrecords; i++)
	{
		const char *id = batch->records[i].id;
		uint32		place;

		if (id[0] == '\0')
		{
			batch->outcomes[i] = OUTCOME_BAD;
			batch->details[i] = "The record has no Id, or one that is not plain text of up to 31 characters.";
			continue;
		}
		place = hash_bytes((const unsigned char *) id, strlen(id)) & (room - 1);
		while (places[place] != 0 && strcmp(batch->records[places[place] - 1].id, id) != 0)
			place = (place + 1) & (room - 1);
		if (places[place] != 0)
		{
			int			other = places[place] - 1;

			if (asked_at(batch, &batch->records[other]) > asked_at(batch, &batch->records[i]))
			{
				batch->outcomes[i] = OUTCOME_STALE;
				continue;
			}
			batch->outcomes[other] = OUTCOME_STALE;
		}
		places[place] = i + 1;
	}
	pfree(places);
}

/* Note what is wrong with records, and take back what no longer is. */
static void
settle_problems(Batch *batch)
{
	const char *entity = batch->plan->entity->name;
	MirrorProblems now = {0};
	MirrorProblems gone = {0};

	for (int i = 0; i < batch->nrecords; i++)
	{
		const Record *record = &batch->records[i];
		Outcome		outcome = batch->outcomes[i];
		bool		written = outcome == OUTCOME_INSERTED || outcome == OUTCOME_UPDATED;
		bool		bad_value = written && batch->details[i] != NULL;
		bool		altered = written && record->alterations != 0;

		if (outcome == OUTCOME_BAD)
			mirror_problem_add(&now, record->id, MIRROR_BAD_RECORD, batch->details[i], record->text, record->len);
		if (bad_value)
			mirror_problem_add(&now, record->id, MIRROR_BAD_VALUE, batch->details[i], NULL, 0);
		if (altered)
			mirror_problem_add(&now, record->id, MIRROR_ALTERED_TEXT, NULL, NULL, 0);

		if (!batch->any_problems || outcome == OUTCOME_BAD || outcome == OUTCOME_STALE)
			continue;
		mirror_problem_add(&gone, record->id, MIRROR_BAD_RECORD, NULL, NULL, 0);
		if (outcome == OUTCOME_UNCHANGED)
			continue;
		if (!bad_value)
			mirror_problem_add(&gone, record->id, MIRROR_BAD_VALUE, NULL, NULL, 0);
		if (!altered)
			mirror_problem_add(&gone, record->id, MIRROR_ALTERED_TEXT, NULL, NULL, 0);
	}
	mirror_problems_clear(batch->connection_id, entity, &gone);
	mirror_problems_write(batch->connection_id, entity, &now);
}

/* Was a record inserted, updated or deleted? */
static bool
has_changed(Outcome outcome)
{
	return outcome == OUTCOME_INSERTED || outcome == OUTCOME_UPDATED || outcome == OUTCOME_DELETED;
}

/* Count what became of the records, and tell listeners. */
static void
settle_outcomes(Batch *batch, const char *connection_name, bool notify, MirrorCounts *counts)
{
	for (int i = 0; i < batch->nrecords; i++)
	{
		Outcome		outcome = batch->outcomes[i];

		counts->inserted += outcome == OUTCOME_INSERTED;
		counts->updated += outcome == OUTCOME_UPDATED;
		counts->unchanged += outcome == OUTCOME_UNCHANGED;
		counts->deleted += outcome == OUTCOME_DELETED;
		counts->stale += outcome == OUTCOME_STALE;
		counts->bad += outcome == OUTCOME_BAD;
		/* anybody may listen, so nothing that is bought is named */
		if (notify && has_changed(outcome) && (batch->plan->entity->flags & ENTITY_BOUGHT) == 0)
			mirror_notify(connection_name, batch->plan->entity->name, batch->records[i].id);
	}
}

/* Ids of the page's records: of all, or of those that changed; in the current context. */
static Datum *
page_ids(const Batch *batch, bool only_changed, int *nids)
{
	Datum	   *ids = palloc(sizeof(Datum) * batch->nrecords);

	*nids = 0;
	for (int i = 0; i < batch->nrecords; i++)
	{
		if (!only_changed || has_changed(batch->outcomes[i]))
			ids[(*nids)++] = CStringGetTextDatum(batch->records[i].id);
	}
	return ids;
}

/* Hand what changed to the mappings of the CRM side. */
static void
settle_arrivals(Batch *batch, MirrorArrivals *arrivals)
{
	int			nids;
	Datum	   *ids;

	MemoryContextSwitchTo(batch->context);
	ids = page_ids(batch, true, &nids);
	mirror_arrival_append(arrivals, ids, nids);
}

/*
 * May records of an entity be stored?  What is bought only while the company's setting says so: the lock makes whoever changes
 * that wait for us, or us for him (who then has removed it all).
 */
bool
mirror_is_wanted(int connection_id, const CatalogueEntity *entity)
{
	static SqlStatement statement = {
		"SELECT FROM qbsync.connection WHERE connection_id = $1 AND settings ->> 'vendors' = 'import' FOR SHARE",
		1, {INT4OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[1] = {Int32GetDatum(connection_id)};
	bool		wanted;

	if ((entity->flags & ENTITY_BOUGHT) == 0)
		return true;
	wanted = sql_execute(&statement, values, NULL) > 0;
	MemoryContextSwitchTo(context);
	return wanted;
}

/* mirror_apply(), with a time for all records or one for each; wanted: they are handed to the mappings, too. */
static void
apply(int connection_id, const char *connection_name, const CatalogueEntity *entity, const Record *records, int nrecords,
	  TimestampTz started, const TimestampTz *times, bool notify, bool wanted, MirrorCounts *counts)
{
	Batch		batch = {connection_id, mirror_plan(entity), records, nrecords, started, times};
	MirrorArrivals arrivals;
	MemoryContext caller;

	if (nrecords == 0 || !mirror_is_wanted(connection_id, entity))
		return;
	batch.context = AllocSetContextCreate(CurrentMemoryContext, "qbsync page", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(batch.context);
	batch.outcomes = palloc0(sizeof(Outcome) * nrecords);
	batch.details = palloc0(sizeof(char *) * nrecords);
	settle_beforehand(&batch);
	batch.any_problems = mirror_problems_exist(connection_id, entity->name);
	if (wanted)
	{
		int			nids;
		Datum	   *ids = page_ids(&batch, false, &nids);

		mirror_arrival_prepare(&arrivals, connection_id, entity, ids, nids);
	}
	apply_range(&batch, 0, nrecords);
	CommandCounterIncrement();
	settle_problems(&batch);
	if (wanted)
		settle_arrivals(&batch, &arrivals);
	settle_outcomes(&batch, connection_name, notify, counts);
	counts->moved += mirror_moved_settle(&batch.moves, connection_id, entity);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(batch.context);
}

void
mirror_apply(int connection_id, const char *connection_name, const CatalogueEntity *entity, const Record *records,
			 int nrecords, TimestampTz started, bool notify, MirrorCounts *counts)
{
	apply(connection_id, connection_name, entity, records, nrecords, started, NULL, notify, mirror_arrival_wanted(entity), counts);
}

void
mirror_apply_answers(int connection_id, const char *connection_name, const CatalogueEntity *entity, const Record *records,
					 const TimestampTz *times, int nrecords, bool notify, MirrorCounts *counts)
{
	apply(connection_id, connection_name, entity, records, nrecords, 0, times, notify, false, counts);
}

void
mirror_mark_deleted(int connection_id, const char *connection_name, const CatalogueEntity *entity,
					const char *const *ids, int nids, TimestampTz started, bool notify, MirrorCounts *counts)
{
	Record	   *records = palloc0(sizeof(Record) * (nids + 1));
	int			nrecords = 0;

	for (int i = 0; i < nids; i++)
	{
		/* ids that long cannot be in the mirror */
		if (strlcpy(records[nrecords].id, ids[i], RECORD_ID_MAX) >= RECORD_ID_MAX)
			continue;
		records[nrecords].text = "";
		records[nrecords].deleted = true;
		nrecords++;
	}
	mirror_apply(connection_id, connection_name, entity, records, nrecords, started, notify, counts);
	pfree(records);
}
