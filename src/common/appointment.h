/*
 * appointment.h
 *		Times at which something is due; 0 stands for "when something else happens".
 */
#ifndef QBSYNC_APPOINTMENT_H
#define QBSYNC_APPOINTMENT_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The earlier of two appointments. */
static inline TimestampTz
appointment_earlier(TimestampTz a, TimestampTz b)
{
	if (a == 0 || b == 0)
		return a == 0 ? b : a;
	return Min(a, b);
}

#endif							/* QBSYNC_APPOINTMENT_H */
