/*
 * normalize.h
 *		Names and e-mail addresses in the form in which two systems are compared.
 */
#ifndef QBSYNC_NORMALIZE_H
#define QBSYNC_NORMALIZE_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* Appends what normalize.c makes of len bytes of UTF-8; nothing when nothing of it counts. */
extern void normalize_name(StringInfo out, const char *name, size_t len);

/* The same for an e-mail address; false, and nothing appended, when it is none. */
extern bool normalize_email(StringInfo out, const char *email, size_t len);

/* Does a normalised name hold another one, as whole words? */
extern bool normalize_contains(const StringInfoData *name, const StringInfoData *part);

#endif							/* QBSYNC_NORMALIZE_H */
