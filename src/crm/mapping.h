/*
 * mapping.h
 *		A mapping as a worker or a plan needs it: its role, its settings, the texts of its statements.
 *
 * The statements are made by SQL (qbsync.mapping_statements, 28_statements.sql); C only runs them, each as the one it is
 * meant for: the mapping's role or the extension's owner.
 */
#ifndef QBSYNC_MAPPING_H
#define QBSYNC_MAPPING_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* A setting to be made while the role is in force. */
typedef struct RoleSetting
{
	char	   *name;
	char	   *value;
} RoleSetting;

/* Texts live until the next mapping_load() of this process. */
typedef struct MappingStatements
{
	/* as the role */
	char	   *read_rows;		/* $1 text[] of crm_keys or null: crm_key text, ours jsonb, crm_time timestamptz */
	char	   *read_match;		/* $1 text[] of crm_keys or null: crm_key text, ours jsonb */
	char	   *read_keys;		/* crm_key text */
	char	   *insert;			/* $1 jsonb[]: crm_key text, ours jsonb, in order; NULL: nothing can be inserted */
	char	   *delete;			/* $1 text[]: crm_key text; NULL: nothing can be deleted */
	char	   *delete_lines;	/* $1 text[] of crm_keys; NULL: no lines */
	char	   *insert_lines;	/* $1 text[] of crm_keys, $2 jsonb[] of arrays of lines */
	/* as the owner */
	char	   *linked;			/* $1 text[] of ids: id text, crm_key text (null: not linked here) */
	char	   *match;			/* $1 text[] of ids or null, tuplestore crm_match */
	char	   *sweep;			/* $1 text (after), $2 integer (limit): id text, in order */
	/* the short way of creating; NULL: there is none */
	char	   *create_rows;	/* as the owner; $1, $2 first and last id, $3 text[] of ids left out: see decide_sweep.c */
	char	   *insert_created; /* as the role; tuplestore qbsync_created, which those rows are: crm_key text, in order */
	bool		reread;			/* what RETURNING shows is not to be believed: triggers of the user */
	Jsonb	   *empty_row;		/* the columns that may come in, each null */
} MappingStatements;

/* Texts of deciding the long way; tuplestores crm_row, match_pair. */
typedef struct MappingDecide
{
	char	   *all;			/* $1 text[] of ids or null */
	char	   *some;			/* the same, $1 not null */
} MappingDecide;

/* Texts of the way out; NULL: nothing of the mapping goes to QuickBooks. */
typedef struct MappingSends
{
	char	   *send;			/* $1 ids, $2 crm_keys, $3 jsonb[] to be sent, $4 jsonb[] canonical rows, $5 names: how many requests were entered */
	char	   *push;			/* $1 text[] of crm_keys; tuplestores crm_row, match_pair: the same */
	char	   *gone;			/* $1 text[] of ids, $2 captured: id, crm_key, jsonb to be sent of those that a record gone from the view makes inactive; NULL: none */
	char	   *still_there;	/* as the role; $1 text[] of crm_keys: crm_key of those that are in their table */
} MappingSends;

typedef struct Mapping
{
	int32		mapping_id;
	int32		connection_id;
	char	   *name;
	char	   *entity;
	int32		family;
	Oid			view;
	Oid			line_view;		/* or InvalidOid */
	Oid			role;
	char	   *role_name;
	char	   *search_path;
	List	   *settings;		/* of RoleSetting */
	bool		enabled;		/* state is enabled, its company is live */
	bool		first_sync;		/* first_sync_done_at is null */
	char	   *sweep_after;	/* or NULL */
} Mapping;

/*
 * Load a mapping, in a unit, as the owner; palloc'd in CurrentMemoryContext.  NULL: there is none with that number.  Raises an
 * error when the role is gone (ERRCODE_UNDEFINED_OBJECT) or may not be used: superuser, BYPASSRLS (insufficient_privilege),
 * and when the view, or the line view, is gone (ERRCODE_UNDEFINED_TABLE) or not what was mapped.
 */
extern Mapping *mapping_load(int32 mapping_id);

/* The statements of the mapping that was loaded last, in a unit, as the owner; made when they are asked for first. */
extern const MappingStatements *mapping_statements(const Mapping *mapping);
extern const MappingDecide *mapping_decide(const Mapping *mapping);
extern const MappingSends *mapping_sends(const Mapping *mapping);

/* Was a relation of the mapping altered since mapping_load(), so that its statements may not be right any more? */
extern bool mapping_is_stale(void);

#endif							/* QBSYNC_MAPPING_H */
