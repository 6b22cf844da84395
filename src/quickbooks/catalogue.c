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

#include "quickbooks/catalogue_tables.h"

/* Most entities are one of two kinds. */
#define LIST		(ENTITY_CDC | ENTITY_NAME_LIST | ENTITY_WRITABLE)
#define DOCUMENT	(ENTITY_CDC | ENTITY_TRANSACTION | ENTITY_WRITABLE)
#define BOUGHT		(DOCUMENT | ENTITY_OPTIONAL | ENTITY_BOUGHT)

const CatalogueEntity catalogue[] = {
	{"company_info", "CompanyInfo", "companyinfo", ENTITY_SINGLETON | ENTITY_WRITABLE,
	company_info_columns, NULL, NULL, "QuickBooks company: names, addresses, country, time zone"},
	{"preferences", "Preferences", "preferences", ENTITY_SINGLETON | ENTITY_WRITABLE,
	preferences_columns, NULL, NULL, "Settings of the QuickBooks company that decide what may be written"},
	{"company_currency", "CompanyCurrency", "companycurrency", LIST | ENTITY_OPTIONAL,
	company_currency_columns, NULL, NULL, "Currencies of a QuickBooks company with several, beside the one of its books"},
	{"account", "Account", "account", LIST,
	account_columns, NULL, NULL, "QuickBooks accounts"},
	{"class", "Class", "class", LIST | ENTITY_OPTIONAL,
	class_columns, NULL, NULL, "QuickBooks classes"},
	{"department", "Department", "department", LIST | ENTITY_OPTIONAL,
	department_columns, NULL, NULL, "QuickBooks locations"},
	{"term", "Term", "term", LIST,
	term_columns, NULL, NULL, "QuickBooks terms of payment"},
	{"payment_method", "PaymentMethod", "paymentmethod", LIST,
	payment_method_columns, NULL, NULL, "QuickBooks ways of payment"},
	{"tax_agency", "TaxAgency", "taxagency", ENTITY_WRITABLE | ENTITY_OPTIONAL,
	tax_agency_columns, NULL, NULL, "QuickBooks tax agencies"},
	{"tax_rate", "TaxRate", "taxrate", ENTITY_NAME_LIST | ENTITY_OPTIONAL,
	tax_rate_columns, tax_rate_lines, NULL, "QuickBooks tax rates"},
	{"tax_code", "TaxCode", "taxcode", ENTITY_NAME_LIST | ENTITY_OPTIONAL,
	tax_code_columns, tax_code_lines, NULL, "QuickBooks tax codes: what transactions name; each stands for rates"},
	{"customer_type", "CustomerType", "customertype", ENTITY_CDC | ENTITY_NAME_LIST | ENTITY_OPTIONAL,
	customer_type_columns, NULL, NULL, "QuickBooks types of customers"},
	{"vendor", "Vendor", "vendor", LIST | ENTITY_BOUGHT,
	vendor_columns, NULL, "vendordetail?nameId=", "QuickBooks suppliers"},
	{"employee", "Employee", "employee", LIST | ENTITY_OPTIONAL | ENTITY_BOUGHT,
	employee_columns, NULL, NULL, "QuickBooks employees"},
	{"item", "Item", "item", LIST,
	item_columns, NULL, NULL, "QuickBooks products and services"},
	{"customer", "Customer", "customer", LIST | ENTITY_MANY,
	customer_columns, NULL, "customerdetail?nameId=", "QuickBooks customers, sub-customers and projects"},
	{"invoice", "Invoice", "invoice", DOCUMENT | ENTITY_VOIDABLE | ENTITY_MANY,
	invoice_columns, invoice_lines, "invoice?txnId=", "QuickBooks invoices"},
	{"credit_memo", "CreditMemo", "creditmemo", DOCUMENT,
	credit_memo_columns, credit_memo_lines, "creditmemo?txnId=", "QuickBooks credit memos"},
	{"sales_receipt", "SalesReceipt", "salesreceipt", DOCUMENT | ENTITY_VOIDABLE,
	sales_receipt_columns, sales_receipt_lines, "salesreceipt?txnId=", "QuickBooks sales receipts: sales paid on the spot"},
	{"refund_receipt", "RefundReceipt", "refundreceipt", DOCUMENT,
	refund_receipt_columns, refund_receipt_lines, "refundreceipt?txnId=", "QuickBooks refund receipts: money given back on the spot"},
	{"payment", "Payment", "payment", DOCUMENT | ENTITY_VOIDABLE | ENTITY_MANY,
	payment_columns, payment_lines, "recvpayment?txnId=", "QuickBooks payments received from customers"},
	{"estimate", "Estimate", "estimate", DOCUMENT,
	estimate_columns, estimate_lines, "estimate?txnId=", "QuickBooks estimates (quotes)"},
	{"purchase_order", "PurchaseOrder", "purchaseorder", BOUGHT,
	purchase_order_columns, purchase_order_lines, "purchaseorder?txnId=", "QuickBooks purchase orders"},
	{"bill", "Bill", "bill", BOUGHT,
	bill_columns, bill_lines, "bill?txnId=", "QuickBooks bills from suppliers"},
	{"vendor_credit", "VendorCredit", "vendorcredit", BOUGHT,
	vendor_credit_columns, vendor_credit_lines, "vendorcredit?txnId=", "QuickBooks credits from suppliers"},
	{"bill_payment", "BillPayment", "billpayment", BOUGHT | ENTITY_VOIDABLE,
	bill_payment_columns, bill_payment_lines, "billpayment?txnId=", "QuickBooks payments of bills"},
	{"purchase", "Purchase", "purchase", BOUGHT,
	purchase_columns, purchase_lines, "expense?txnId=", "QuickBooks expenses, cheques and card charges"},
	{"journal_entry", "JournalEntry", "journalentry", BOUGHT,
	journal_entry_columns, journal_entry_lines, "journal?txnId=", "QuickBooks journal entries"},
	{"deposit", "Deposit", "deposit", BOUGHT,
	deposit_columns, deposit_lines, "deposit?txnId=", "QuickBooks bank deposits"},
	{"transfer", "Transfer", "transfer", BOUGHT,
	transfer_columns, NULL, "transfer?txnId=", "QuickBooks transfers between accounts"},
	{"time_activity", "TimeActivity", "timeactivity", ENTITY_TRANSACTION | ENTITY_WRITABLE | ENTITY_OPTIONAL | ENTITY_BOUGHT,
	time_activity_columns, NULL, NULL, "QuickBooks time: who worked how long for whom"},
	{"attachable", "Attachable", "attachable", BOUGHT,
	attachable_columns, attachable_lines, NULL, "QuickBooks attachments: what is known of files, and notes"},
	{"exchange_rate", "ExchangeRate", "exchangerate", ENTITY_WRITABLE | ENTITY_OPTIONAL,
	exchange_rate_columns, NULL, NULL, "QuickBooks exchange rates of the currencies in use, a row for each day", "SourceCurrencyCode AsOfDate"},
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

bool
catalogue_has_custom_fields(const CatalogueEntity *entity)
{
	for (const CatalogueColumn *column = entity->columns; column->name; column++)
		if (strcmp(column->name, "custom_fields") == 0)
			return true;
	return false;
}

int
catalogue_count(void)
{
	int			count = 0;

	while (catalogue[count].name)
		count++;
	return count;
}

int
catalogue_count_wanted(bool vendors)
{
	int			count = 0;

	for (const CatalogueEntity *entity = catalogue; entity->name; entity++)
		count += catalogue_is_wanted(entity, vendors);
	return count;
}
