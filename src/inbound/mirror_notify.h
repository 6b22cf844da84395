/*
 * mirror_notify.h
 *		Telling listeners on channel qbsync which records changed.
 */
#ifndef QBSYNC_MIRROR_NOTIFY_H
#define QBSYNC_MIRROR_NOTIFY_H

#include "postgres.h"

/*
 * Note that a record changed.  When the transaction commits, listeners get one message for each connection and entity:
 * {"connection":"acme","entity":"invoice","ids":["1","2"]}, or with "count":1234 instead of many ids.
 */
extern void mirror_notify(const char *connection_name, const char *entity, const char *id);

#endif							/* QBSYNC_MIRROR_NOTIFY_H */
