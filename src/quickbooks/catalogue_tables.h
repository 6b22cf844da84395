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
extern const CatalogueColumn account_columns[];
extern const CatalogueColumn class_columns[];
extern const CatalogueColumn department_columns[];
extern const CatalogueColumn payment_method_columns[];
extern const CatalogueColumn customer_type_columns[];
extern const CatalogueColumn company_currency_columns[];
extern const CatalogueColumn exchange_rate_columns[];
extern const CatalogueColumn tax_agency_columns[];
extern const CatalogueColumn tax_rate_columns[];
extern const CatalogueColumn tax_code_columns[];
extern const CatalogueLines tax_rate_lines[];
extern const CatalogueLines tax_code_lines[];

/* catalogue_names.c */
extern const CatalogueColumn customer_columns[];
extern const CatalogueColumn vendor_columns[];
extern const CatalogueColumn employee_columns[];

/* catalogue_sales.c */
extern const CatalogueColumn invoice_columns[];
extern const CatalogueColumn estimate_columns[];
extern const CatalogueColumn payment_columns[];
extern const CatalogueLines invoice_lines[];
extern const CatalogueLines estimate_lines[];
extern const CatalogueLines payment_lines[];
extern const CatalogueColumn credit_memo_columns[];
extern const CatalogueColumn sales_receipt_columns[];
extern const CatalogueColumn refund_receipt_columns[];
extern const CatalogueLines credit_memo_lines[];
extern const CatalogueLines sales_receipt_lines[];
extern const CatalogueLines refund_receipt_lines[];

/* catalogue_purchases.c */
extern const CatalogueColumn bill_columns[];
extern const CatalogueColumn vendor_credit_columns[];
extern const CatalogueColumn purchase_order_columns[];
extern const CatalogueColumn purchase_columns[];
extern const CatalogueColumn bill_payment_columns[];
extern const CatalogueLines bill_lines[];
extern const CatalogueLines vendor_credit_lines[];
extern const CatalogueLines purchase_order_lines[];
extern const CatalogueLines purchase_lines[];
extern const CatalogueLines bill_payment_lines[];

/* catalogue_books.c */
extern const CatalogueColumn journal_entry_columns[];
extern const CatalogueColumn deposit_columns[];
extern const CatalogueColumn transfer_columns[];
extern const CatalogueColumn time_activity_columns[];
extern const CatalogueColumn attachable_columns[];
extern const CatalogueLines journal_entry_lines[];
extern const CatalogueLines deposit_lines[];
extern const CatalogueLines attachable_lines[];

#endif							/* QBSYNC_CATALOGUE_TABLES_H */
