/*
 * catalogue_names.c
 *		The entity catalogue: customers.  See catalogue.c.
 */
#include "postgres.h"

#include "quickbooks/catalogue_tables.h"

const CatalogueColumn customer_columns[] = {
	{"display_name", "DisplayName", COLUMN_TEXT, 500, R | F, NULL, "name by which the customer is known, unique among customers, vendors and employees"},
	{"title", "Title", COLUMN_TEXT, 16, W, NULL, "title of the person"},
	{"given_name", "GivenName", COLUMN_TEXT, 100, W | F, NULL, "given name"},
	{"middle_name", "MiddleName", COLUMN_TEXT, 100, W | F, NULL, "middle name"},
	{"family_name", "FamilyName", COLUMN_TEXT, 100, W | F, NULL, "family name"},
	{"suffix", "Suffix", COLUMN_TEXT, 16, W, NULL, "suffix of the person's name"},
	{"company_name", "CompanyName", COLUMN_TEXT, 100, W | F, NULL, "company; not unique"},
	{"print_on_check_name", "PrintOnCheckName", COLUMN_TEXT, 110, W | F, NULL, "name printed on cheques"},
	{"fully_qualified_name", "FullyQualifiedName", COLUMN_TEXT, 0, F, NULL, "name with its parents, separated by colons"},
	{"level", "Level", COLUMN_INTEGER, 0, 0, NULL, "depth below the top, 0-based; null at the top"},
	{"job", "Job", COLUMN_BOOLEAN, 0, W, NULL, "a sub-customer or job"},
	{"parent_id", "ParentRef.value", COLUMN_ID, 0, W, "customer", "parent of a sub-customer"},
	{"bill_with_parent", "BillWithParent", COLUMN_BOOLEAN, 0, W, NULL, "invoices go to the parent"},
	{"is_project", "IsProject", COLUMN_BOOLEAN, 0, 0, NULL, "a project"},
	{"active", "Active", COLUMN_BOOLEAN, 0, W | F, NULL, "false: made inactive in QuickBooks; the name then ends in \" (deleted)\""},
	{"emails", "PrimaryEmailAddr.Address", COLUMN_EMAILS, 100, W | F, NULL, "e-mail addresses"},
	{"primary_phone", "PrimaryPhone.FreeFormNumber", COLUMN_TEXT, 30, W, NULL, "phone"},
	{"alternate_phone", "AlternatePhone.FreeFormNumber", COLUMN_TEXT, 30, W, NULL, "second phone"},
	{"mobile", "Mobile.FreeFormNumber", COLUMN_TEXT, 30, W, NULL, "mobile phone"},
	{"fax", "Fax.FreeFormNumber", COLUMN_TEXT, 30, W, NULL, "fax"},
	{"web_addr", "WebAddr.URI", COLUMN_TEXT, 1000, W, NULL, "web site"},
	ADDRESS("bill", "BillAddr", "billing address", W),
	ADDRESS("ship", "ShipAddr", "shipping address", W),
	{"notes", "Notes", COLUMN_TEXT, 2000, W, NULL, "notes"},
	{"taxable", "Taxable", COLUMN_BOOLEAN, 0, W | F, NULL, "subject to sales tax"},
	{"default_tax_code_id", "DefaultTaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "default tax code"},
	{"tax_exemption_reason_id", "TaxExemptionReasonId", COLUMN_ID, 0, W, NULL, "reason of a tax exemption, 1 to 15 (US)"},
	{"resale_num", "ResaleNum", COLUMN_TEXT, 16, W, NULL, "resale number"},
	{"tax_identifier", "PrimaryTaxIdentifier", COLUMN_TEXT, 0, W, NULL, "tax number; QuickBooks shows only its end"},
	{"secondary_tax_identifier", "SecondaryTaxIdentifier", COLUMN_TEXT, 0, W, NULL, "second tax number; QuickBooks shows only its end"},
	{"business_number", "BusinessNumber", COLUMN_TEXT, 10, W, NULL, "business number (India)"},
	{"gstin", "GSTIN", COLUMN_TEXT, 15, W, NULL, "GST number (India)"},
	{"gst_registration_type", "GSTRegistrationType", COLUMN_TEXT, 15, W, NULL, "kind of GST registration (India)"},
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, C, NULL, "currency, fixed when created"},
	{"term_id", "SalesTermRef.value", COLUMN_ID, 0, W, "term", "terms of payment"},
	{"payment_method_id", "PaymentMethodRef.value", COLUMN_ID, 0, W, "payment_method", "preferred way of payment"},
	{"preferred_delivery_method", "PreferredDeliveryMethod", COLUMN_TEXT, 0, W, NULL, "Print, Email or None", "Print Email None"},
	{"customer_type_id", "CustomerTypeRef.value", COLUMN_ID, 0, W, "customer_type", "type of customer"},
	{"ar_account_id", "ARAccountRef.value", COLUMN_ID, 0, W, "account", "receivables account (France)"},
	{"balance", "Balance", COLUMN_NUMERIC, 0, C | F, NULL, "open balance without sub-customers, in the customer's currency"},
	{"balance_with_jobs", "BalanceWithJobs", COLUMN_NUMERIC, 0, 0, NULL, "open balance with sub-customers"},
	{"open_balance_date", "OpenBalanceDate", COLUMN_DATE, 0, C, NULL, "day of the opening balance"},
	{NULL}
};
