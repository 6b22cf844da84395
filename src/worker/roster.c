/*
 * roster.c
 *		The companies of this database.  See roster.h.
 *
 * A look is one query over all connections.  Rows are read in the unit, and acted on after it has committed: dropping
 * work, taking a lease and freeing memory are not undone by a rollback.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/lease.h"
#include "quickbooks/catalogue.h"
#include "quickbooks/company.h"
#include "worker/housekeeping.h"
#include "worker/identity.h"
#include "worker/roster.h"

dlist_head	roster = DLIST_STATIC_INIT(roster);

/* A row as the look read it. */
typedef struct Entry
{
	int			id;
	char	   *name;
	char	   *realm_id;
	CompanyState state;
	char	   *state_name;
	char	   *problem;
	bool		refresh_begun;
	CompanySettings settings;
	char	   *settings_text;
	int64		poll_interval;
	TimestampTz polls_held_until;
	int64		connect_job;
	int64		disconnect_job;
	bool		sync_asked;
	bool		loaded_once;
	bool		must_load;
	bool		must_catch_up;
	bool		must_window;
	bool		must_verify;
	TimestampTz last_request;
	TimestampTz checked;
	bool		mapped;			/* a mapping of it is enabled */
	bool		requests;		/* something is to be sent, or its outcome is not known */
	bool		must_lookup;
	bool		has_heard;
	bool		must_hear;
	bool		merging;
	bool		must_tie_out;
	bool		must_recheck;
	bool		rechecked;
	bool		unmarked;		/* the row's mark is not this database's, and somebody holds the row */
	bool		versions_switched;	/* superseded versions are kept from now on, or no longer */
	bool		settle_again;
	bool		vendors;		/* what is bought is read, too */
	bool		custom_fields;	/* the newer custom fields are asked for */
	bool		try_again;
} Entry;

typedef struct Look
{
	MemoryContext context;
	Entry	   *entries;
	int			nentries;
	bool		versions_switched;	/* at any of them */
} Look;

/*
 * A row whose mark is another database's is a copy's: it is paused before anything else is done with it.  A row without
 * a mark is new here, or was confirmed by a person: it gets ours, once there is a grant to protect.  A row that somebody
 * is changing right now is left for the next look, his open transaction must not hold up the other companies; until then
 * nothing is done for that company.
 */
static void
check_marks(Datum *mark_values)
{
	static SqlStatement copies = {
		"UPDATE qbsync.connection SET state = 'clone', state_since = now(), problem = 'clone', problem_detail = NULL,"
		" problem_since = now(), attempts = 0, next_attempt_at = NULL"
		" WHERE connection_id IN (SELECT connection_id FROM qbsync.connection"
		"  WHERE (system_identifier <> $1 OR database_id <> $2) AND state NOT IN ('clone', 'disconnected')"
		"  FOR NO KEY UPDATE SKIP LOCKED)"
		" RETURNING name",
		2, {TEXTOID, INT8OID}
	};
	static SqlStatement mark = {
		/* another timeline may lack what the last one had: QuickBooks is read before anything is sent */
		"UPDATE qbsync.connection SET system_identifier = $1, database_id = $2, timeline = $3, recheck_since = now()"
		" WHERE connection_id IN (SELECT connection_id FROM qbsync.connection"
		"  WHERE (system_identifier IS NULL AND state NOT IN ('authorizing', 'disconnected'))"
		"   OR (system_identifier = $1 AND database_id = $2 AND timeline <> $3)"
		"  FOR NO KEY UPDATE SKIP LOCKED)",
		3, {TEXTOID, INT8OID, INT4OID}
	};

	for (uint64 row = 0, n = sql_execute(&copies, mark_values, NULL); row < n; row++)
		ereport(LOG, (errmsg("qbsync connection \"%s\" belongs to the database this one is a copy of",
							 sql_text(row, 1, CurrentMemoryContext))));
	sql_execute(&mark, mark_values, NULL);
}

/* What a look reads of each connection, and where it goes. */
typedef enum LookType
{
	LOOK_BOOL,
	LOOK_INTEGER,
	LOOK_BIGINT,				/* also a time; 0: null */
	LOOK_TEXT					/* NULL: null */
} LookType;

static const struct
{
	const char *expression;
	LookType	type;
	size_t		offset;
}			look_columns[] = {
	{"c.connection_id", LOOK_INTEGER, offsetof(Entry, id)},
	{"c.name", LOOK_TEXT, offsetof(Entry, name)},
	{"c.realm_id", LOOK_TEXT, offsetof(Entry, realm_id)},
	{"c.state", LOOK_TEXT, offsetof(Entry, state_name)},
	{"c.problem", LOOK_TEXT, offsetof(Entry, problem)},
	/* a person took the next attempt's time away (qbsync.try_again) */
	{"c.problem IS NOT NULL AND c.next_attempt_at IS NULL", LOOK_BOOL, offsetof(Entry, try_again)},
	{"c.refresh_started_at IS NOT NULL", LOOK_BOOL, offsetof(Entry, refresh_begun)},
	{"c.state NOT IN ('authorizing', 'clone', 'disconnected')"
		" AND (c.system_identifier, c.database_id, c.timeline) IS DISTINCT FROM ($1, $2, $3)", LOOK_BOOL, offsetof(Entry, unmarked)},
	{"c.recheck_since IS NOT NULL", LOOK_BOOL, offsetof(Entry, must_recheck)},
	{"coalesce(k.checked > c.recheck_since, false)", LOOK_BOOL, offsetof(Entry, rechecked)},

	{"c.app", LOOK_TEXT, offsetof(Entry, settings.app)},
	{"a.client_id", LOOK_TEXT, offsetof(Entry, settings.client_id)},
	{"a.redirect_uri", LOOK_TEXT, offsetof(Entry, settings.redirect_uri)},
	{"e.api_url", LOOK_TEXT, offsetof(Entry, settings.api_url)},
	{"e.token_url", LOOK_TEXT, offsetof(Entry, settings.token_url)},
	{"e.revoke_url", LOOK_TEXT, offsetof(Entry, settings.revoke_url)},
	{"e.requests_per_second", LOOK_INTEGER, offsetof(Entry, settings.per_second)},
	{"e.requests_per_minute", LOOK_INTEGER, offsetof(Entry, settings.per_window)},
	{"e.batches_per_minute", LOOK_INTEGER, offsetof(Entry, settings.batches_per_window)},
	{"e.concurrency", LOOK_INTEGER, offsetof(Entry, settings.concurrency)},
	{"(extract(epoch FROM e.limit_window) * 1000000)::bigint", LOOK_BIGINT, offsetof(Entry, settings.window)},
	{"(extract(epoch FROM e.throttle_wait) * 1000000)::bigint", LOOK_BIGINT, offsetof(Entry, settings.throttle_wait)},
	{"row(c.app, c.realm_id, a.*, e.*)::text", LOOK_TEXT, offsetof(Entry, settings_text)},

	{"(extract(epoch FROM qbsync.poll_interval(c.connection_id, p.pace)) * 1000000)::bigint", LOOK_BIGINT, offsetof(Entry, poll_interval)},
	{"CASE WHEN c.settings ? 'sync_window' THEN qbsync.polls_held_until(c.connection_id) END", LOOK_BIGINT, offsetof(Entry, polls_held_until)},
	{"j.connect", LOOK_BIGINT, offsetof(Entry, connect_job)},
	{"j.disconnect", LOOK_BIGINT, offsetof(Entry, disconnect_job)},
	{"coalesce(j.sync OR (j.catching_up AND NOT k.window_open AND NOT k.verify), false)", LOOK_BOOL, offsetof(Entry, sync_asked)},

	{"k.last_request", LOOK_BIGINT, offsetof(Entry, last_request)},
	{"k.checked", LOOK_BIGINT, offsetof(Entry, checked)},
	{"k.loaded_once", LOOK_BOOL, offsetof(Entry, loaded_once)},
	{"k.load", LOOK_BOOL, offsetof(Entry, must_load)},
	{"k.catch_up", LOOK_BOOL, offsetof(Entry, must_catch_up)},
	{"k.window_open", LOOK_BOOL, offsetof(Entry, must_window)},
	{"k.verify", LOOK_BOOL, offsetof(Entry, must_verify)},
	{"k.tie_out", LOOK_BOOL, offsetof(Entry, must_tie_out)},
	{"EXISTS (SELECT FROM qbsync.lookup l WHERE l.connection_id = c.connection_id)", LOOK_BOOL, offsetof(Entry, must_lookup)},
	{"EXISTS (SELECT FROM qbsync.webhook_event w WHERE w.connection_id = c.connection_id)", LOOK_BOOL, offsetof(Entry, must_hear)},
	{"k.webhook_at IS NOT NULL", LOOK_BOOL, offsetof(Entry, has_heard)},
	{"EXISTS (SELECT FROM qbsync.suspect s WHERE s.connection_id = c.connection_id AND s.judged_at IS NULL)"
		" OR EXISTS (SELECT FROM qbsync.merged g WHERE g.connection_id = c.connection_id AND qbsync.is_due(g))",
	LOOK_BOOL, offsetof(Entry, merging)},
	{"CASE WHEN qbsync.version_days(c.connection_id) > 0 THEN k.past_unknown ELSE k.past_known END", LOOK_BOOL, offsetof(Entry, versions_switched)},

	{"EXISTS (SELECT FROM qbsync.mapping m WHERE m.connection_id = c.connection_id AND m.state = 'enabled')", LOOK_BOOL, offsetof(Entry, mapped)},
	{"EXISTS (SELECT FROM qbsync.request r WHERE r.connection_id = c.connection_id AND r.state IN ('ready', 'sent', 'check', 'stale'))",
	LOOK_BOOL, offsetof(Entry, requests)},
	{"EXISTS (SELECT FROM qbsync.send_error f WHERE f.connection_id = c.connection_id AND f.problem = 'settle_fails' AND f.next_attempt_at <= clock_timestamp())",
	LOOK_BOOL, offsetof(Entry, settle_again)},
	{"coalesce(c.settings ->> 'vendors' = 'import', false)", LOOK_BOOL, offsetof(Entry, vendors)},
	{"coalesce(c.settings ->> 'custom_fields' = 'all', false)", LOOK_BOOL, offsetof(Entry, custom_fields)},
};

static const char look_from[] =
" FROM qbsync.connection c JOIN qbsync.app a ON a.name = c.app JOIN qbsync.environment e ON e.name = a.environment"
" JOIN (SELECT o.name, qbsync.poll_pace(o.name) AS pace FROM qbsync.app o OFFSET 0) p ON p.name = c.app"
" LEFT JOIN LATERAL (SELECT max(job_id) FILTER (WHERE kind = 'connect') AS connect,"
"   max(job_id) FILTER (WHERE kind = 'disconnect') AS disconnect,"
"   bool_or(kind = 'sync' AND state = 'queued') AS sync, bool_or(kind = 'sync' AND state = 'running') AS catching_up"
"   FROM qbsync.job WHERE connection_id = c.connection_id AND state IN ('queued', 'running')) j ON true"
" LEFT JOIN LATERAL (SELECT"
"   coalesce(bool_or(phase IN ('waiting', 'loading')) FILTER (WHERE entity <> '*'), false)"
"    OR count(*) FILTER (WHERE entity <> '*') < CASE WHEN c.settings ->> 'vendors' = 'import' THEN $5 ELSE $4 END AS load,"
"   coalesce(max(checked_at) FILTER (WHERE entity = '*') < max(started_at) FILTER (WHERE entity <> '*'), true)"
"    AS catch_up,"
"   coalesce(bool_or(catch_up_to IS NOT NULL), false) AS window_open,"
"   coalesce(bool_or(phase = 'verifying'), false) AS verify,"
"   max(last_request_at) AS last_request, max(checked_at) FILTER (WHERE entity = '*') AS checked,"
"   max(webhook_at) FILTER (WHERE entity = '*') AS webhook_at,"
"   coalesce(bool_or(finished_at IS NOT NULL) FILTER (WHERE entity = '*'), false) AS loaded_once,"
"   coalesce(bool_or(phase = 'loaded' AND known_since IS NULL) FILTER (WHERE entity <> '*'), false) AS past_unknown,"
"   coalesce(bool_or(known_since IS NOT NULL), false) AS past_known,"
"   coalesce(bool_or(tie_out_after IS NOT NULL), false) AS tie_out"
"   FROM qbsync.cursor WHERE connection_id = c.connection_id) k ON true"
" ORDER BY c.connection_id";

/* The statement of a look, made of the columns above. */
static SqlStatement *
look_statement(void)
{
	static SqlStatement statement = {NULL, 5, {TEXTOID, INT8OID, INT4OID, INT4OID, INT4OID}};

	if (statement.text == NULL)
	{
		StringInfoData all;

		initStringInfo(&all);
		for (int i = 0; i < lengthof(look_columns); i++)
			appendStringInfo(&all, "%s%s", i == 0 ? "SELECT " : ", ", look_columns[i].expression);
		appendStringInfoString(&all, look_from);
		statement.text = MemoryContextStrdup(TopMemoryContext, all.data);
	}
	return &statement;
}

static void
read_entry(uint64 row, Entry *entry, MemoryContext context)
{
	for (int i = 0; i < lengthof(look_columns); i++)
	{
		char	   *field = (char *) entry + look_columns[i].offset;
		bool		isnull;
		Datum		value = sql_datum(row, i + 1, &isnull);

		switch (look_columns[i].type)
		{
			case LOOK_BOOL:
				*(bool *) field = !isnull && DatumGetBool(value);
				break;
			case LOOK_INTEGER:
				*(int *) field = isnull ? 0 : DatumGetInt32(value);
				break;
			case LOOK_BIGINT:
				*(int64 *) field = isnull ? 0 : DatumGetInt64(value);
				break;
			case LOOK_TEXT:
				*(char **) field = sql_text(row, i + 1, context);
				break;
		}
	}
	/* of a row that somebody holds: the state in which least is done */
	entry->state = entry->unmarked ? COMPANY_CLONE : company_state_from_name(entry->state_name);
}

/*
 * Somebody switched the keeping of versions on or off: from the next page on it is done, so since this moment the past is known,
 * or not any more.
 */
static void
settle_versions(void)
{
	static SqlStatement settle = {
		"UPDATE qbsync.cursor r SET known_since = CASE WHEN d.days > 0 THEN now() END"
		" FROM qbsync.connection c CROSS JOIN LATERAL qbsync.version_days(c.connection_id) AS d(days)"
		" WHERE c.connection_id = r.connection_id AND r.entity <> '*'"
		" AND CASE WHEN d.days > 0 THEN r.known_since IS NULL AND r.phase = 'loaded' ELSE r.known_since IS NOT NULL END",
		0
	};

	sql_execute(&settle, NULL, NULL);
}

/* Unit: marks first, then read all. */
static void
look(void *arg)
{
	Look	   *result = arg;
	Identity	identity;
	Datum		values[5];

	identity_get(&identity);
	values[0] = CStringGetTextDatum(identity.system_identifier);
	values[1] = Int64GetDatum(identity.database_id);
	values[2] = Int32GetDatum(identity.timeline);
	values[3] = Int32GetDatum(catalogue_count_wanted(false));
	values[4] = Int32GetDatum(catalogue_count_wanted(true));
	check_marks(values);
	result->nentries = (int) sql_execute(look_statement(), values, NULL);
	result->entries = MemoryContextAllocZero(result->context, sizeof(Entry) * Max(result->nentries, 1));
	for (int i = 0; i < result->nentries; i++)
		read_entry(i, &result->entries[i], result->context);
	for (int i = 0; i < result->nentries && !result->versions_switched; i++)
		result->versions_switched = result->entries[i].versions_switched;
	if (result->versions_switched)
		settle_versions();
}

static Company *
find_company(int id)
{
	dlist_iter	iter;

	dlist_foreach(iter, &roster)
	{
		Company    *company = dlist_container(Company, node, iter.cur);

		if (company->id == id)
			return company;
	}
	return NULL;
}

/* Take over a string that may have changed. */
static void
take_string(Company *company, char **where, const char *value)
{
	if (*where && value && strcmp(*where, value) == 0)
		return;
	if (*where)
		pfree(*where);
	*where = value ? MemoryContextStrdup(company->context, value) : NULL;
}

/* May the gateway work for a company in that state, apart from jobs? */
static bool
works_by_itself(CompanyState state)
{
	return state == COMPANY_LOADING || state == COMPANY_LIVE;
}

/* Take over what a row says.  A flow under way knows better what is left of it. */
static void
adjust(Company *company, const Entry *entry)
{
	take_string(company, &company->name, entry->name);
	take_string(company, &company->realm_id, entry->realm_id);
	if (company->settings_text == NULL || strcmp(company->settings_text, entry->settings_text) != 0)
		company_apply_settings(company, &entry->settings, entry->settings_text);
	if (company->state != entry->state)
	{
		/* a person changed it: what was under way is dropped, and what waited is tried at once */
		if (works_by_itself(company->state) || works_by_itself(entry->state))
			company_drop_work(company);
		company->state = entry->state;
		company->not_before = company->token_retry_at = company->next_poll = 0;
		company->failures = company->token_attempts = 0;
	}
	/* nothing bought is asked for from now on, nor taken from what is on its way */
	if (company->vendors && !entry->vendors)
		company_drop_flow(company);
	company->vendors = entry->vendors;
	/* what is on its way was asked for otherwise */
	if (company->custom_fields != entry->custom_fields)
		company_drop_flow(company);
	company->custom_fields = entry->custom_fields;
	strlcpy(company->problem, entry->problem ? entry->problem : "", sizeof(company->problem));
	/* a person asks: no waiting for the next attempt */
	if (entry->try_again || (entry->sync_asked && !company->poll_asked)
		|| entry->connect_job > company->connect_job || entry->disconnect_job > company->disconnect_job)
	{
		company->not_before = company->token_retry_at = company->writes_held_until = 0;
		company->failures = 0;
	}
	company->requests_waiting = entry->requests;
	company->settle_again = entry->settle_again;
	company->must_recheck = entry->must_recheck;
	company->rechecked = entry->rechecked;
	company->poll_interval = entry->poll_interval;
	company->polls_held_until = entry->polls_held_until;
	company->connect_job = entry->connect_job;
	company->disconnect_job = entry->disconnect_job;
	company->poll_asked = entry->sync_asked;
	company->loaded_once = entry->loaded_once;
	company->last_start = Max(company->last_start, entry->last_request);
	company->hears = entry->has_heard || entry->must_hear;
	company->must_hear |= entry->must_hear;
	company->merging = entry->merging;
	company->must_merge |= entry->merging;
	if (company->flow == NULL)
	{
		company->must_load = entry->must_load;
		company->must_catch_up |= entry->must_catch_up;
		company->must_window = entry->must_window;
		company->must_verify = entry->must_verify;
		company->must_lookup = entry->must_lookup;
		company->must_tie_out = entry->must_tie_out;
	}
}

/* A company that is new to this process. */
static void
take_up(const Entry *entry)
{
	Company    *company;

	/* another gateway may still be on its way out */
	if (!lease_take(entry->id))
		return;
	company = company_create(entry->id);
	company->state = entry->state;
	company->refresh_begun = entry->refresh_begun;
	if (entry->checked != 0)
		company->next_poll = entry->checked + entry->poll_interval;
	dlist_push_tail(&roster, &company->node);
}

/* Companies whose rows are gone. */
static void
release_missing(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &roster)
	{
		Company    *company = dlist_container(Company, node, iter.cur);

		if (company->seen)
			continue;
		dlist_delete(&company->node);
		lease_release(company->id);
		company_free(company);
	}
}

/* Take over everything that was read. */
static void
take_over(const Look *result, RosterResult *found)
{
	dlist_iter	iter;

	memset(found, 0, sizeof(*found));
	dlist_foreach(iter, &roster)
		dlist_container(Company, node, iter.cur)->seen = false;
	for (int i = 0; i < result->nentries; i++)
	{
		Entry	   *entry = &result->entries[i];
		Company    *company;

		found->mapped |= entry->mapped;
		found->unmarked |= entry->unmarked;
		if (find_company(entry->id) == NULL)
			take_up(entry);
		company = find_company(entry->id);
		if (company == NULL)
		{
			found->leases_missing = true;
			continue;
		}
		company->seen = true;
		adjust(company, entry);
		found->polled |= works_by_itself(entry->state);
	}
	release_missing();
}

UnitResult
roster_look(RosterResult *found, UnitError *error)
{
	Look		result = {AllocSetContextCreate(CurrentMemoryContext, "qbsync look", ALLOCSET_DEFAULT_SIZES)};
	UnitResult	outcome = unit_run("qbsync: looking at connections", look, &result, error);

	if (outcome == UNIT_DONE)
	{
		take_over(&result, found);
		if (result.versions_switched)
			housekeeping_soon();
	}
	MemoryContextDelete(result.context);
	return outcome;
}

void
roster_forget_appointments(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &roster)
	{
		Company    *company = dlist_container(Company, node, iter.cur);

		company_drop_work(company);
		company->throttled_until = company->writes_held_until = 0;
		limits_forget(&company->limits);
		limits_forget(&company->batch_limits);
	}
	roster_try_again();
}

void
roster_try_again(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &roster)
	{
		Company    *company = dlist_container(Company, node, iter.cur);

		company->not_before = company->token_retry_at = company->writes_held_until = 0;
	}
}
