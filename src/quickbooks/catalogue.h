/*
 * catalogue.h
 *		The entity catalogue: the one place that knows which QuickBooks entities and fields exist.
 *
 * Mirror tables, their upsert, the list for CDC, the order of the load, canonical column names and the reference
 * follow from it.  Adding an entity or a field is a change of catalogue*.c and nothing else.
 */
#ifndef QBSYNC_CATALOGUE_H
#define QBSYNC_CATALOGUE_H

#include "postgres.h"

typedef enum ColumnType
{
	COLUMN_TEXT,				/* text */
	COLUMN_ID,					/* text COLLATE "C": an Id or a reference's value */
	COLUMN_NUMERIC,				/* numeric, exact */
	COLUMN_INTEGER,				/* integer; number or string of digits */
	COLUMN_BOOLEAN,
	COLUMN_DATE,
	COLUMN_TIMESTAMPTZ,
	COLUMN_EMAILS,				/* text[]: a comma-separated list, split and trimmed (CAP-32) */
	COLUMN_TEXT_ARRAY,			/* text[] of a JSON array of strings */
	COLUMN_JSONB
} ColumnType;

/* Column flags. */
#define COLUMN_WRITABLE		0x01	/* may be sent to QuickBooks */
#define COLUMN_CREATE_ONLY	0x02	/* only when creating */
#define COLUMN_REQUIRED		0x04	/* required on create */
#define COLUMN_FILTERABLE	0x08	/* allowed in a query's WHERE */
#define COLUMN_INDEXED		0x10	/* looked up by: index (connection_id, column) */

/*
 * A path is the members on the way, joined by '.': "BillAddr.Line1".  Digits index an array ("LinkedTxn.0.TxnId");
 * "NameValue[Name=OfferingSku].Value" takes the first element whose member (or path) has that text; "A.x|B.x" gives
 * alternatives, the first that is there wins.
 */
typedef struct CatalogueColumn
{
	const char *name;			/* canonical name: mirror column, view column */
	const char *path;			/* JSON path, see below */
	ColumnType	type;
	int			max_length;		/* characters, 0: no limit known */
	int			flags;
	const char *refers_to;		/* entity a reference points to (perhaps not in the catalogue yet), or NULL */
	const char *comment;		/* COMMENT ON COLUMN */
	const char *values;			/* spellings of an enum, separated by blanks: variants such as NOT_SET become these */
} CatalogueColumn;

/* Rows that are part of a record: invoice lines, applications of a payment.  Ended by a NULL table. */
typedef struct CatalogueLines
{
	const char *table;			/* "invoice_line" */
	const char *path;			/* "Line" */
	const CatalogueColumn *columns; /* ended by a NULL name; key (connection_id, <entity>_id, position) is implied */
	const char *comment;
} CatalogueLines;

/*
 * Entity flags.  What is neither in change data capture nor a singleton is asked for by queries (inbound/polled.c): lists
 * once a day, what can be deleted as often as it changes.
 */
#define ENTITY_CDC			0x01	/* appears in change data capture */
#define ENTITY_NAME_LIST	0x02	/* has Active; queries must ask for inactive ones */
#define ENTITY_TRANSACTION	0x04	/* can be deleted */
#define ENTITY_VOIDABLE		0x08
#define ENTITY_WRITABLE		0x10
#define ENTITY_SINGLETON	0x20	/* one record a company, read by its own path, daily */
#define ENTITY_OPTIONAL		0x40	/* not every edition of QuickBooks has it: a refusal is no error */
#define ENTITY_BOUGHT		0x80	/* shows what is bought or who is paid: read only if a company's setting vendors says so */
#define ENTITY_MANY			0x100	/* often more than a page: a load asks for it, and how many there are, before anything else */

typedef struct CatalogueEntity
{
	const char *name;			/* "customer": table, canonical name */
	const char *object;			/* "Customer": API name in envelopes and queries */
	const char *resource;		/* "customer": URL path */
	int			flags;
	const CatalogueColumn *columns; /* ended by a NULL name; key, sync_token, raw … are implied */
	const CatalogueLines *lines;	/* one or several tables of them, or NULL; mapped are those of the first */
	const char *page_path;		/* page of the QuickBooks UI, "invoice?txnId=", or NULL */
	const char *comment;		/* COMMENT ON TABLE */
	const char *key;			/* of what has no Id: members whose texts, separated by blanks, stand for it; or NULL */
} CatalogueEntity;

/* All entities in load order (what others refer to first), ended by a NULL name. */
extern const CatalogueEntity catalogue[];

extern const CatalogueEntity *catalogue_find(const char *name); /* by canonical name, NULL if unknown */
extern const CatalogueEntity *catalogue_find_object(const char *object);	/* by API name */

/* Can it have custom fields? */
extern bool catalogue_has_custom_fields(const CatalogueEntity *entity);

/* Is it read page by page, and compared by counting?  Not what there is one of, or what has no Id. */
static inline bool
catalogue_has_pages(const CatalogueEntity *entity)
{
	return (entity->flags & ENTITY_SINGLETON) == 0 && entity->key == NULL;
}

/* Is it asked for by queries, because change data capture does not carry it? */
static inline bool
catalogue_is_polled(const CatalogueEntity *entity)
{
	return (entity->flags & (ENTITY_SINGLETON | ENTITY_CDC)) == 0;
}

/* Is it read of a company that has decided so (or not) about what is bought? */
static inline bool
catalogue_is_wanted(const CatalogueEntity *entity, bool vendors)
{
	return vendors || (entity->flags & ENTITY_BOUGHT) == 0;
}

/* How many entities there are, and how many are read of such a company. */
extern int	catalogue_count(void);
extern int	catalogue_count_wanted(bool vendors);

#endif							/* QBSYNC_CATALOGUE_H */
