/*
 * catalogue_tables.h
 *		What the files of the catalogue share: short names, groups of columns, and the tables of columns themselves.
 *
 * For catalogue*.c only; everybody else asks catalogue.h.
 */
#ifndef QBSYNC_CATALOGUE_TABLES_H
#define QBSYNC_CATALOGUE_TABLES_H

#include "quickbooks/catalogue.h"

/* Short names for the tables. */
#define W COLUMN_WRITABLE
#define C COLUMN_CREATE_ONLY
#define R (COLUMN_WRITABLE | COLUMN_REQUIRED)
#define F COLUMN_FILTERABLE
#define X COLUMN_INDEXED

/* The columns of an address; QuickBooks limits the five lines to 500 characters each and 2,000 together. */
#define ADDRESS(prefix, path, words, flags) \
	{prefix "_line1", path ".Line1", COLUMN_TEXT, 500, flags, NULL, words ", first line"}, \
	{prefix "_line2", path ".Line2", COLUMN_TEXT, 500, flags, NULL, words ", second line"}, \
	{prefix "_line3", path ".Line3", COLUMN_TEXT, 500, flags, NULL, words ", third line"}, \
	{prefix "_line4", path ".Line4", COLUMN_TEXT, 500, flags, NULL, words ", fourth line"}, \
	{prefix "_line5", path ".Line5", COLUMN_TEXT, 500, flags, NULL, words ", fifth line"}, \
	{prefix "_city", path ".City", COLUMN_TEXT, 255, flags, NULL, words ", city"}, \
	{prefix "_region", path ".CountrySubDivisionCode", COLUMN_TEXT, 255, flags, NULL, words ", state or province"}, \
	{prefix "_postal_code", path ".PostalCode", COLUMN_TEXT, 30, flags, NULL, words ", postal code"}, \
	{prefix "_country", path ".Country", COLUMN_TEXT, 255, flags, NULL, words ", country: a code or a name"}

/* catalogue_company.c */
extern const CatalogueColumn company_info_columns[];
extern const CatalogueColumn preferences_columns[];

/* catalogue_lists.c */
extern const CatalogueColumn term_columns[];
extern const CatalogueColumn item_columns[];

/* catalogue_names.c */
extern const CatalogueColumn customer_columns[];

/* catalogue_sales.c */
extern const CatalogueColumn invoice_columns[];
extern const CatalogueColumn estimate_columns[];
extern const CatalogueColumn payment_columns[];
extern const CatalogueLines invoice_lines[];
extern const CatalogueLines estimate_lines[];
extern const CatalogueLines payment_lines[];

#endif							/* QBSYNC_CATALOGUE_TABLES_H */
