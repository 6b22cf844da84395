/*
 * demand.c
 *		The gateway's side of apply workers: which mappings have work, and who does it.
 *
 * One query tells it all: mappings that are enabled, of companies that are live and this database's own, with the time at which
 * there is work.  It is asked after each look at the tables, after a unit that appended arrivals (or, while a record waits for one,
 * recorded an answer), when something is due, and when
 * a worker has ended, but never while no mapping is enabled.  A mapping with work gets a worker, or its worker is woken.
 *
 * At most qbsync.max_apply_workers run at a time.  While others wait, an idle worker is sent away at once, and one that has
 * worked for TIME_SLICE_US after its turn: it comes back behind those that wait.  Who has waited longest is first.
 *
 * A worker that fails, or finds that it should not work although the query says so, is started again after 1 s, 2 s … 60 s.
 *
 * A worker is only ever started here, after a look: pages that this process applies later find the mapping enabled
 * (mirror_arrival.c), pages it has applied before are committed.  So a first sweep and the arrivals together miss nothing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/ilist.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/appointment.h"
#include "common/unit.h"
#include "inbound/mirror_arrival.h"
#include "qbsync.h"
#include "worker/apply.h"
#include "worker/apply_shared.h"
#include "worker/demand.h"
#include "worker/identity.h"

#define ASK_AGAIN_US		(1 * USECS_PER_SEC) /* after a query that failed */
#define NOT_YET_US			(USECS_PER_SEC / 10)	/* until a predecessor's worker has left */
#define CROWDED_US			(USECS_PER_SEC / 4) /* between looks for a place while others have them all */
#define TIME_SLICE_US		(10 * USECS_PER_SEC)
#define BACKOFF_FIRST_US	(1 * USECS_PER_SEC)
#define BACKOFF_MAX_US		(60 * USECS_PER_SEC)
#define HEALTHY_US			(60 * USECS_PER_SEC)	/* of work after which a failure counts as the first */

/* A mapping that may be worked for. */
typedef struct Hand
{
	dlist_node	node;
	int32		mapping_id;
	char	   *name;
	bool		found;			/* by the last query; otherwise it is not to be worked */
	TimestampTz due;			/* when there is work; 0: none that is known of */
	TimestampTz waiting_since;	/* has work and no worker; 0: no */
	BackgroundWorkerHandle *handle; /* NULL: no worker */
	int			place;			/* the worker's, in shared memory */
	TimestampTz started;
	bool		dismissed;		/* the worker was told to leave */
	int			attempts;		/* failures in a row */
	TimestampTz not_before;		/* of the next start */
} Hand;

/* A row of the query. */
typedef struct Want
{
	int32		mapping_id;
	char	   *name;
	TimestampTz due;			/* DT_NOBEGIN: now; DT_NOEND: never */
} Want;

typedef struct Wants
{
	MemoryContext context;
	Want	   *wants;
	int			nwants;
	bool		after_answers;	/* some of it begins when a request is answered */
} Wants;

static dlist_head hands = DLIST_STATIC_INIT(hands);
static bool mapped = false;
static bool must_ask = false;
static TimestampTz ask_at = 0;	/* after a query that failed; 0: no */
static int	slot_attempts = 0;	/* starts in a row for which there was no slot */
static TimestampTz slot_not_before = 0;

void
demand_looked(bool any)
{
	mapped = any;
	must_ask = true;
	mirror_arrival_expect(any);
}

/*
 * ------------------------------------------------------------------------------------------------------------------
 * Who has work
 * ------------------------------------------------------------------------------------------------------------------
 */

/* Unit: ask.  The mark is compared here too, so that a copy's rows never start anything. */
static void
ask(void *arg)
{
	static SqlStatement statement = {
		"SELECT m.mapping_id, m.name,"
		" CASE WHEN m.problem IS NOT NULL AND m.next_attempt_at > now() THEN m.next_attempt_at"
		"  WHEN m.sweep_after IS NOT NULL OR EXISTS (SELECT FROM qbsync.arrival a WHERE a.mapping_id = m.mapping_id AND a.action <> 'after') OR qbsync.has_news(m.mapping_id)"
		"   THEN '-infinity'"
		"  ELSE least(m.scan_at, (SELECT min(o.next_attempt_at) FROM qbsync.outgoing o WHERE o.mapping_id = m.mapping_id AND o.lane <> ALL (m.paused_lanes)),"
		"   (SELECT min(e.next_attempt_at) FROM qbsync.send_error e WHERE e.mapping_id = m.mapping_id AND e.dismissed_at IS NULL AND e.problem <> 'settle_fails'), (SELECT e.next_attempt_at FROM qbsync.crm_error e WHERE e.mapping_id = m.mapping_id"
		"   AND e.dismissed_at IS NULL ORDER BY e.next_attempt_at LIMIT 1), 'infinity') END,"
		" EXISTS (SELECT FROM qbsync.arrival a WHERE a.mapping_id = m.mapping_id AND a.action = 'after')"
		" FROM qbsync.mapping m JOIN qbsync.connection c USING (connection_id)"
		" WHERE m.state = 'enabled' AND c.state = 'live' AND c.system_identifier = $1 AND c.database_id = $2"
		" ORDER BY m.mapping_id",
		2, {TEXTOID, INT8OID}
	};
	Wants	   *wants = arg;
	Identity	identity;
	Datum		values[2];

	identity_get(&identity);
	values[0] = CStringGetTextDatum(identity.system_identifier);
	values[1] = Int64GetDatum(identity.database_id);
	wants->nwants = (int) sql_execute(&statement, values, NULL);
	wants->wants = MemoryContextAllocZero(wants->context, sizeof(Want) * Max(wants->nwants, 1));
	for (int i = 0; i < wants->nwants; i++)
	{
		wants->wants[i].mapping_id = DatumGetInt32(sql_datum(i, 1, NULL));
		wants->wants[i].name = sql_text(i, 2, wants->context);
		wants->wants[i].due = DatumGetTimestampTz(sql_datum(i, 3, NULL));
		wants->after_answers |= DatumGetBool(sql_datum(i, 4, NULL));
	}
}

static Hand *
find_hand(int32 mapping_id)
{
	dlist_iter	iter;

	dlist_foreach(iter, &hands)
	{
		Hand	   *hand = dlist_container(Hand, node, iter.cur);

		if (hand->mapping_id == mapping_id)
			return hand;
	}
	return NULL;
}

/* Take over a row; wake the worker if there is one. */
static void
take_want(const Want *want, TimestampTz now)
{
	Hand	   *hand = find_hand(want->mapping_id);

	if (hand == NULL)
	{
		hand = MemoryContextAllocZero(TopMemoryContext, sizeof(Hand));
		hand->mapping_id = want->mapping_id;
		dlist_push_tail(&hands, &hand->node);
	}
	if (hand->name == NULL || strcmp(hand->name, want->name) != 0)
	{
		if (hand->name)
			pfree(hand->name);
		hand->name = MemoryContextStrdup(TopMemoryContext, want->name);
	}
	hand->found = true;
	hand->due = want->due == DT_NOEND ? 0 : Max(want->due, 1);
	if (hand->due == 0 || hand->due > now)
		hand->waiting_since = 0;
	else if (hand->handle == NULL)
		hand->waiting_since = hand->waiting_since != 0 ? hand->waiting_since : now;
	else
	{
		/* it asks for what is due next itself */
		hand->due = 0;
		apply_shared_wake(hand->place);
	}
}

/* Mappings that are not to be worked: their workers leave, then nothing is known of them any more. */
static void
release_hands(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &hands)
	{
		Hand	   *hand = dlist_container(Hand, node, iter.cur);

		if (hand->found)
			continue;
		hand->due = hand->waiting_since = 0;
		if (hand->handle != NULL)
		{
			if (!hand->dismissed)
				hand->dismissed = apply_shared_dismiss(hand->place, false);
			continue;
		}
		dlist_delete(&hand->node);
		pfree(hand->name);
		pfree(hand);
	}
}

/* Take over what was found: nothing, if wants is NULL. */
static void
take_over(const Wants *wants)
{
	TimestampTz now = GetCurrentTimestamp();
	dlist_iter	iter;

	dlist_foreach(iter, &hands)
		dlist_container(Hand, node, iter.cur)->found = false;
	for (int i = 0; wants && i < wants->nwants; i++)
		take_want(&wants->wants[i], now);
	release_hands();
}

/* Ask, and take over the answer. */
static void
ask_for_work(void)
{
	static bool failure_told = false;
	Wants		wants = {AllocSetContextCreate(CurrentMemoryContext, "qbsync demand", ALLOCSET_DEFAULT_SIZES)};
	UnitError	error;
	UnitResult	result = unit_run("qbsync: looking for mappings with work", ask, &wants, &error);

	must_ask = false;
	ask_at = 0;
	if (result == UNIT_DONE)
	{
		take_over(&wants);
		mirror_arrival_expect_answers(wants.after_answers);
	}
	else
		ask_at = GetCurrentTimestamp() + ASK_AGAIN_US;
	if (result == UNIT_FAILED && !failure_told)
		ereport(LOG, (errmsg("qbsync could not see which mappings have work"), errdetail("%s", error.message)));
	failure_told = result == UNIT_FAILED;
	MemoryContextDelete(wants.context);
}

void
demand_stop(void)
{
	mapped = false;
	must_ask = false;
	take_over(NULL);
}

/*
 * ------------------------------------------------------------------------------------------------------------------
 * Who does it
 * ------------------------------------------------------------------------------------------------------------------
 */

static int64
backoff(int attempts)
{
	int64		wait = BACKOFF_FIRST_US;

	for (int i = 1; i < attempts && wait < BACKOFF_MAX_US; i++)
		wait *= 2;
	return Min(wait, BACKOFF_MAX_US);
}

/* A worker has ended: why, and when may the next one start? */
static void
settle_end(Hand *hand, TimestampTz now)
{
	ApplyState	how = apply_shared_state(hand->place);
	bool		first;

	apply_shared_forget(hand->place);
	pfree(hand->handle);
	hand->handle = NULL;
	hand->dismissed = false;
	must_ask = true;
	if (how == APPLY_LEFT || now - hand->started >= HEALTHY_US)
		hand->attempts = 0;
	if (how == APPLY_LEFT)
		return;
	first = hand->attempts++ == 0;
	hand->not_before = now + backoff(hand->attempts);
	if (how != APPLY_GONE && first)
		ereport(LOG, (errmsg("qbsync apply worker of mapping \"%s\" has ended; while there is work it is started again", hand->name),
					  errdetail("First in about %d s, then less often.", (int) (BACKOFF_FIRST_US / USECS_PER_SEC))));
}

/* See which workers have ended; count the others. */
static int
settle_hands(TimestampTz now)
{
	int			running = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &hands)
	{
		Hand	   *hand = dlist_container(Hand, node, iter.cur);
		pid_t		pid;

		if (hand->handle == NULL)
			continue;
		if (GetBackgroundWorkerPid(hand->handle, &pid) == BGWH_STOPPED)
			settle_end(hand, now);
		else
			running++;
	}
	return running;
}

/* The hand that has waited longest and may have a worker, or NULL. */
static Hand *
first_waiting(TimestampTz now)
{
	Hand	   *first = NULL;
	dlist_iter	iter;

	dlist_foreach(iter, &hands)
	{
		Hand	   *hand = dlist_container(Hand, node, iter.cur);

		if (hand->waiting_since != 0 && hand->handle == NULL && hand->not_before <= now
			&& (first == NULL || hand->waiting_since < first->waiting_since))
			first = hand;
	}
	return first;
}

/* Somebody waits and has no place: send one worker away, an idle one or the one that has worked longest. */
static void
make_room(TimestampTz now)
{
	Hand	   *longest = NULL;
	dlist_iter	iter;

	dlist_foreach(iter, &hands)
	{
		Hand	   *hand = dlist_container(Hand, node, iter.cur);

		if (hand->handle == NULL)
			continue;
		if (hand->dismissed)
			return;				/* one is leaving already */
		if (longest == NULL || hand->started < longest->started)
			longest = hand;
	}
	dlist_foreach(iter, &hands)
	{
		Hand	   *hand = dlist_container(Hand, node, iter.cur);

		if (hand->handle != NULL && apply_shared_dismiss(hand->place, true))
		{
			hand->dismissed = true;
			return;
		}
	}
	if (longest && now - longest->started >= TIME_SLICE_US)
		longest->dismissed = apply_shared_dismiss(longest->place, false);
}

/* No slot: said once, tried again with back-off. */
static void
postpone_without_slot(const Hand *hand, TimestampTz now)
{
	slot_not_before = now + backoff(++slot_attempts);
	if (slot_attempts == 1)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no free worker slot for the qbsync apply worker of mapping \"%s\"", hand->name),
				 errhint("Increase max_worker_processes and restart the server. Until then it is tried again now and then.")));
}

/* Register a worker.  False: there is no slot. */
static bool
start_worker(Hand *hand, TimestampTz now)
{
	BackgroundWorker worker;
	ApplyTask	task;
	MemoryContext caller;
	bool		registered;
	int			place = apply_shared_prepare(MyDatabaseId, hand->mapping_id);

	if (place == APPLY_NOT_YET)
	{
		hand->not_before = now + NOT_YET_US;
		return true;
	}
	if (place == APPLY_NO_PLACE)
		return false;

	memset(&task, 0, sizeof(task));
	task.database = MyDatabaseId;
	task.mapping_id = hand->mapping_id;
	task.gateway = MyProcPid;
	memcpy(task.mapping_name, hand->name, pg_mbcliplen(hand->name, strlen(hand->name), sizeof(task.mapping_name) - 1));
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = Int32GetDatum(place);
	memcpy(worker.bgw_extra, &task, sizeof(task));
	strlcpy(worker.bgw_library_name, "qbsync", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "qbsync_apply_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "qbsync apply worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "qbsync apply worker", BGW_MAXLEN);

	caller = MemoryContextSwitchTo(TopMemoryContext);
	registered = RegisterDynamicBackgroundWorker(&worker, &hand->handle);
	MemoryContextSwitchTo(caller);
	if (!registered)
	{
		hand->handle = NULL;
		apply_shared_forget(place);
		return false;
	}
	hand->place = place;
	hand->started = now;
	hand->dismissed = false;
	hand->waiting_since = 0;
	hand->due = 0;
	slot_attempts = 0;
	return true;
}

/* Start what may be started.  Returns when to look for a place again if somebody has to wait for one; 0: nobody has. */
static TimestampTz
start_workers(int running, TimestampTz now)
{
	Hand	   *hand;

	while ((hand = first_waiting(now)) != NULL)
	{
		if (running >= qbsync_max_apply_workers || slot_not_before > now)
		{
			make_room(now);
			/* who leaves tells us, who becomes idle does not */
			return running > 0 ? now + CROWDED_US : slot_not_before;
		}
		if (!start_worker(hand, now))
			postpone_without_slot(hand, now);
		else if (hand->handle != NULL)
			running++;
	}
	return 0;
}

/* When something is due that nobody will wake us for. */
static TimestampTz
next_appointment(TimestampTz now)
{
	TimestampTz next = ask_at;
	dlist_iter	iter;

	dlist_foreach(iter, &hands)
	{
		Hand	   *hand = dlist_container(Hand, node, iter.cur);

		if (hand->waiting_since != 0 && hand->not_before > now)
			next = appointment_earlier(next, hand->not_before);
		else if (hand->due > now)
			next = appointment_earlier(next, hand->due);
	}
	return next;
}

/* Has the time come of work that was not due at the last query?  An idle worker does not hear of what others put off. */
static bool
became_due(TimestampTz now)
{
	dlist_iter	iter;

	if (ask_at != 0 && ask_at <= now)
		return true;
	dlist_foreach(iter, &hands)
	{
		Hand	   *hand = dlist_container(Hand, node, iter.cur);

		if (hand->waiting_since == 0 && hand->due != 0 && hand->due <= now)
			return true;
	}
	return false;
}

TimestampTz
demand_serve(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz crowded;
	int			running = settle_hands(now);

	if (mirror_arrival_take())
		must_ask = true;
	if (qbsync_paused || !mapped)
	{
		take_over(NULL);
		return 0;
	}
	if (must_ask || became_due(now))
	{
		ask_for_work();
		now = GetCurrentTimestamp();
		/* a latch that was set for a worker's end is lost if the unit had to wait */
		running = settle_hands(now);
		if (must_ask)
			return now;
	}
	crowded = start_workers(running, now);
	return appointment_earlier(crowded, next_appointment(now));
}
