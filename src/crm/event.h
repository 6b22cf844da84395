/*
 * event.h
 *		What events in QuickBooks (paid, voided …) do to columns of the CRM's document: rows of qbsync.event_rule.
 */
#ifndef QBSYNC_EVENT_H
#define QBSYNC_EVENT_H

#include "postgres.h"

#include "crm/mapping.h"
#include "crm/write.h"

/*
 * Apply the events of the deeds by the mapping's rules: what is to be written is added to deed->write, what may not be moved
 * stays in deed->events_left with deed->refusal.  hold: no rule is applied to the one deed there is, because the CRM refused it
 * when it was (hold says how); its events stay.
 */
extern void event_apply(const Mapping *mapping, Deed *deeds, int ndeeds, const Refusal *hold);

#endif							/* QBSYNC_EVENT_H */
