/*
 * catalogue.c
 *		The entity catalogue: one table of columns per entity, and the table of entities.
 *
 * This file and catalogue_*.c, where the columns are by subject, are data.  To add a field, add a row; to add an entity,
 * add its columns and a row in catalogue[], behind what it refers to.  Mirror tables and columns come from here through
 * qbsync.create_mirror() (20_mirror.sql), their contents through src/inbound/mirror*.c, how and when it is read from the
 * flags; views, privileges and the reference go by the same rows.
 *
 * Names are canonical: the same word is the mirror's column, the column of a mapped CRM view and the word in the
 * reference.  References end in _id and hold the value alone; amounts are numeric; where QuickBooks has an object
 * around a single value (a phone, an e-mail address) the column is that value.  Whatever has no column is in raw.
 * Lengths and flags are those QuickBooks enforces when it is written to; what comes from there is stored as it comes.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "quickbooks/catalogue_tables.h"

const CatalogueEntity catalogue[] = {
	{"company_info", "CompanyInfo", "companyinfo", ENTITY_SINGLETON | ENTITY_WRITABLE,
	company_info_columns, NULL, NULL, "QuickBooks company: names, addresses, country, time zone"},
	{"preferences", "Preferences", "preferences", ENTITY_SINGLETON | ENTITY_WRITABLE,
	preferences_columns, NULL, NULL, "Settings of the QuickBooks company that decide what may be written"},
	{"term", "Term", "term", ENTITY_CDC | ENTITY_NAME_LIST | ENTITY_WRITABLE,
	term_columns, NULL, NULL, "QuickBooks terms of payment"},
	{"item", "Item", "item", ENTITY_CDC | ENTITY_NAME_LIST | ENTITY_WRITABLE,
	item_columns, NULL, NULL, "QuickBooks products and services"},
	{"customer", "Customer", "customer", ENTITY_CDC | ENTITY_NAME_LIST | ENTITY_WRITABLE,
	customer_columns, NULL, "customerdetail?nameId=", "QuickBooks customers, sub-customers and projects"},
	{"invoice", "Invoice", "invoice", ENTITY_CDC | ENTITY_TRANSACTION | ENTITY_VOIDABLE | ENTITY_WRITABLE,
	invoice_columns, invoice_lines, "invoice?txnId=", "QuickBooks invoices"},
	{"payment", "Payment", "payment", ENTITY_CDC | ENTITY_TRANSACTION | ENTITY_VOIDABLE | ENTITY_WRITABLE,
	payment_columns, payment_lines, "recvpayment?txnId=", "QuickBooks payments received from customers"},
	{"estimate", "Estimate", "estimate", ENTITY_CDC | ENTITY_TRANSACTION | ENTITY_WRITABLE,
	estimate_columns, estimate_lines, "estimate?txnId=", "QuickBooks estimates (quotes)"},
	{NULL}
};

const CatalogueEntity *
catalogue_find(const char *name)
{
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
		if (strcmp(entity->name, name) == 0)
			return entity;
	return NULL;
}

const CatalogueEntity *
catalogue_find_object(const char *object)
{
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
		if (strcmp(entity->object, object) == 0)
			return entity;
	return NULL;
}

char *
catalogue_cdc_list(void)
{
	StringInfoData list;

	initStringInfo(&list);
	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
		if (entity->flags & ENTITY_CDC)
			appendStringInfo(&list, "%s%s", list.len > 0 ? "," : "", entity->object);
	return list.data;
}
