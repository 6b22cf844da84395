/*
 * send.h
 *		The sender of a company: requests become calls, answers become rows.
 *
 * Everything of value is in qbsync.request: a row is 'sent', durably, before anything leaves, and stays so until what came of
 * it is recorded; whatever is 'sent' and not on its way is sent again with the same requestid and body, so that QuickBooks
 * answers what it answered first.  A Sender can be thrown away at any moment.
 */
#ifndef QBSYNC_SEND_H
#define QBSYNC_SEND_H

#include "postgres.h"

#include "quickbooks/company.h"

/*
 * Fill the places of calls that were answered: QuickBooks works on what is next while we record what it said.  True: call_pump()
 * lets them leave.
 */
extern bool sender_go_on(Company *company);

/* Record the answers that have arrived.  Returns when to come back, 0 if nothing is left. */
extern TimestampTz sender_settle(Company *company);

/* Before everything of a company is dropped: until when to wait for answers to what is on its way, 0: nothing is. */
extern TimestampTz sender_part(Company *company);

/* Send what may be sent.  Returns when to come back, 0: when something else happens. */
extern TimestampTz sender_serve(Company *company);

#endif							/* QBSYNC_SEND_H */
