/*
 * box.h
 *		The time box: a bound on how long a transaction that writes the CRM's rows may last.
 *
 * A CRM session that waits for such a row must never become the victim of a deadlock, so the transaction ends long before
 * deadlock_timeout.  statement_timeout would not do: user code can SET it, and it ends with the statement.
 */
#ifndef QBSYNC_BOX_H
#define QBSYNC_BOX_H

#include "postgres.h"

/*
 * From now until this transaction begins to commit, or aborts, it has that many milliseconds; then it is cancelled
 * (ERRCODE_QUERY_CANCELED), again and again if its code catches that, and at last the process ends.  at_death is called then,
 * without a transaction, to record why.
 */
extern void box_begin(int milliseconds, void (*at_death) (void));

/* Has the box begun last been cancelled? */
extern bool box_was_over(void);

/*
 * Settings of this transaction: lock waits last no longer than that; statements are planned for the arrays they get, which
 * have one element in one turn and thousands in the next.
 */
extern void box_settings(int lock_timeout_ms);

#endif							/* QBSYNC_BOX_H */
