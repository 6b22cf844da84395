/*
 * ahead.h
 *		What follows a load is asked for while its last pages are written.
 *
 * A load is followed by a poll and a comparison (poll.c, verify.c).  What both ask first is known before the load is
 * through: what changed since it began, and the counts.  The load asks for it as soon as nothing else is left to be asked
 * for, keeps the answers, and the flows that follow take them in place of asking.
 *
 * A count is asked for when all of its entity has been read, and what changed when everything has: so what is missing then
 * was passed over, or changes now.  An answer that is a refusal is none: the flow asks itself, and knows what to do about it.
 */
#ifndef QBSYNC_AHEAD_H
#define QBSYNC_AHEAD_H

#include "postgres.h"

#include "quickbooks/call.h"
#include "quickbooks/catalogue.h"
#include "quickbooks/company.h"

typedef struct Ahead Ahead;

/* Nothing is asked for yet.  Part of a flow. */
extern Ahead *ahead_create(Company *company);

/* Ask for the count of an entity. */
extern void ahead_ask_count(Ahead *ahead, const CatalogueEntity *entity);

/* It is known already. */
extern void ahead_note_count(Ahead *ahead, const CatalogueEntity *entity, int64 count);

/* Ask for what changed (a path of change data capture). */
extern void ahead_ask_changes(Ahead *ahead, const char *path);

/* Are answers still awaited? */
extern bool ahead_is_awaited(const Ahead *ahead);

/* All answers are here: they outlive the flow, for those that follow, until company_forget_ahead(). */
extern void ahead_keep(Ahead *ahead);

/* The answer about changes, once; false: there is none.  It lives as long as the others. */
extern bool ahead_take_changes(Company *company, CallAnswer *answer);

/* The count of an entity; false: it was not asked for. */
extern bool ahead_count(Company *company, const CatalogueEntity *entity, int64 *count);

#endif							/* QBSYNC_AHEAD_H */
