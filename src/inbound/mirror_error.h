/*
 * mirror_error.h
 *		Records that could not be stored, or not as they came: rows of qbsync.error.
 */
#ifndef QBSYNC_MIRROR_ERROR_H
#define QBSYNC_MIRROR_ERROR_H

#include "postgres.h"

/* Codes of qbsync.problem. */
#define MIRROR_BAD_RECORD	"bad_record"
#define MIRROR_BAD_VALUE	"bad_value"
#define MIRROR_ALTERED_TEXT	"altered_text"

/* Problems of some records of one entity: to be noted, or to be taken back.  Arrays of datums of type text and bytea. */
typedef struct MirrorProblems
{
	int			count;
	int			room;
	Datum	   *ids;
	Datum	   *codes;
	Datum	   *details;
	Datum	   *records;
	bool	   *no_detail;
	bool	   *no_record;
} MirrorProblems;

/* Add a problem, in the current memory context.  detail and the record's bytes may be NULL; the bytes are clipped. */
extern void mirror_problem_add(MirrorProblems *problems, const char *id, const char *code, const char *detail,
							   const char *record, size_t record_len);

/* In a unit: does the entity have any problem of these kinds? */
extern bool mirror_problems_exist(int connection_id, const char *entity);

/* In a unit: note problems; those already there are counted. */
extern void mirror_problems_write(int connection_id, const char *entity, const MirrorProblems *problems);

/* In a unit: these problems are gone, if they were there. */
extern void mirror_problems_clear(int connection_id, const char *entity, const MirrorProblems *problems);

#endif							/* QBSYNC_MIRROR_ERROR_H */
