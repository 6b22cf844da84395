/*
 * catalogue_company.c
 *		The entity catalogue: the company itself.  See catalogue.c.
 */
#include "postgres.h"

#include "quickbooks/catalogue_tables.h"

const CatalogueColumn company_info_columns[] = {
	{"company_name", "CompanyName", COLUMN_TEXT, 1024, W, NULL, "name of the company"},
	{"legal_name", "LegalName", COLUMN_TEXT, 1024, W, NULL, "legal name of the company"},
	ADDRESS("company", "CompanyAddr", "company address", W),
	ADDRESS("legal", "LegalAddr", "legal address", W),
	ADDRESS("communication", "CustomerCommunicationAddr", "address shown to customers", W),
	{"country", "Country", COLUMN_TEXT, 50, 0, NULL, "country of the company's books, such as US or CA"},
	{"email", "Email.Address", COLUMN_TEXT, 100, W, NULL, "e-mail of the company"},
	{"communication_email", "CustomerCommunicationEmailAddr.Address", COLUMN_TEXT, 100, W, NULL, "e-mail shown to customers"},
	{"web_addr", "WebAddr.URI", COLUMN_TEXT, 1000, W, NULL, "web site of the company"},
	{"primary_phone", "PrimaryPhone.FreeFormNumber", COLUMN_TEXT, 30, W, NULL, "phone of the company"},
	{"supported_languages", "SupportedLanguages", COLUMN_TEXT, 0, 0, NULL, "languages of the company"},
	{"fiscal_year_start_month", "FiscalYearStartMonth", COLUMN_TEXT, 0, W, NULL, "first month of the fiscal year, in English"},
	{"company_start_date", "CompanyStartDate", COLUMN_DATE, 0, W, NULL, "when the company began in QuickBooks"},
	{"employer_id", "EmployerId", COLUMN_TEXT, 0, W, NULL, "tax number of the employer"},
	{"default_time_zone", "DefaultTimeZone", COLUMN_TEXT, 0, 0, NULL, "time zone of the company: decides what \"today\" is for due dates"},
	{"subscription_status", "NameValue[Name=SubscriptionStatus].Value", COLUMN_TEXT, 0, 0, NULL, "QuickBooks subscription: PAID, TRIAL, …"},
	{"offering_sku", "NameValue[Name=OfferingSku].Value", COLUMN_TEXT, 0, 0, NULL, "QuickBooks edition, such as QuickBooks Online Plus"},
	{"industry_type", "NameValue[Name=IndustryType].Value|NameValue[Name=QBOIndustryType].Value", COLUMN_TEXT, 0, 0, NULL, "industry of the company"},
	{NULL}
};

const CatalogueColumn preferences_columns[] = {
	{"custom_txn_numbers", "SalesFormsPrefs.CustomTxnNumbers", COLUMN_BOOLEAN, 0, W, NULL, "document numbers are given by hand: whoever creates a sales form must give one"},
	{"allow_deposit", "SalesFormsPrefs.AllowDeposit", COLUMN_BOOLEAN, 0, W, NULL, "invoices can have a deposit"},
	{"allow_discount", "SalesFormsPrefs.AllowDiscount", COLUMN_BOOLEAN, 0, W, NULL, "sales forms can have a discount"},
	{"allow_shipping", "SalesFormsPrefs.AllowShipping", COLUMN_BOOLEAN, 0, W, NULL, "sales forms can have shipping"},
	{"allow_service_date", "SalesFormsPrefs.AllowServiceDate", COLUMN_BOOLEAN, 0, W, NULL, "lines can have a service date"},
	{"allow_estimates", "SalesFormsPrefs.AllowEstimates", COLUMN_BOOLEAN, 0, W, NULL, "estimates are in use"},
	{"allow_gratuity", "OtherPrefs.NameValue[Name=SalesFormsPrefs.AllowGratuity].Value", COLUMN_BOOLEAN, 0, 0, NULL, "sales forms can have a tip"},
	{"auto_apply_credit", "SalesFormsPrefs.AutoApplyCredit", COLUMN_BOOLEAN, 0, W, NULL, "QuickBooks applies credits by itself"},
	{"auto_apply_payments", "SalesFormsPrefs.AutoApplyPayments", COLUMN_BOOLEAN, 0, W, NULL, "QuickBooks applies payments by itself"},
	{"default_term_id", "SalesFormsPrefs.DefaultTerms.value", COLUMN_ID, 0, W, "term", "terms of new sales forms"},
	{"default_customer_message", "SalesFormsPrefs.DefaultCustomerMessage|OtherPrefs.NameValue[Name=SalesFormsPrefs.DefaultCustomerMessage].Value", COLUMN_TEXT, 0, W, NULL, "message on new sales forms"},
	{"sales_custom_fields", "SalesFormsPrefs.CustomField", COLUMN_JSONB, 0, 0, NULL, "custom fields of sales forms: slot n has DefinitionId n"},
	{"sales_email_cc", "SalesFormsPrefs.SalesEmailCc.Address", COLUMN_EMAILS, 0, W, NULL, "copies of e-mailed sales forms"},
	{"sales_email_bcc", "SalesFormsPrefs.SalesEmailBcc.Address", COLUMN_EMAILS, 0, W, NULL, "blind copies of e-mailed sales forms"},
	{"email_copy_to_company", "SalesFormsPrefs.EmailCopyToCompany", COLUMN_BOOLEAN, 0, W, NULL, "the company gets a copy of e-mailed sales forms"},
	{"billable_expense_tracking", "VendorAndPurchasesPrefs.BillableExpenseTracking", COLUMN_BOOLEAN, 0, W, NULL, "expenses can be billed to customers"},
	{"tracking_by_customer", "VendorAndPurchasesPrefs.TrackingByCustomer", COLUMN_BOOLEAN, 0, W, NULL, "purchases are tracked by customer"},
	{"book_close_date", "AccountingInfoPrefs.BookCloseDate", COLUMN_DATE, 0, W, NULL, "books are closed: transactions on or before this day are locked"},
	{"class_tracking_per_txn", "AccountingInfoPrefs.ClassTrackingPerTxn", COLUMN_BOOLEAN, 0, W, NULL, "a transaction has one class"},
	{"class_tracking_per_txn_line", "AccountingInfoPrefs.ClassTrackingPerTxnLine", COLUMN_BOOLEAN, 0, W, NULL, "each line has a class"},
	{"track_departments", "AccountingInfoPrefs.TrackDepartments", COLUMN_BOOLEAN, 0, W, NULL, "locations (departments) are in use"},
	{"use_account_numbers", "AccountingInfoPrefs.UseAccountNumbers", COLUMN_BOOLEAN, 0, W, NULL, "accounts have numbers"},
	{"customer_terminology", "AccountingInfoPrefs.CustomerTerminology", COLUMN_TEXT, 0, W, NULL, "what customers are called: Customers, Clients, Patients, …"},
	{"using_sales_tax", "TaxPrefs.UsingSalesTax", COLUMN_BOOLEAN, 0, 0, NULL, "sales tax is in use"},
	{"partner_tax_enabled", "TaxPrefs.PartnerTaxEnabled", COLUMN_BOOLEAN, 0, 0, NULL, "automated sales tax: true on, false available but not set up, null manual tax"},
	{"tax_group_code_id", "TaxPrefs.TaxGroupCodeRef.value", COLUMN_ID, 0, 0, "tax_code", "default tax code"},
	{"multi_currency_enabled", "CurrencyPrefs.MultiCurrencyEnabled", COLUMN_BOOLEAN, 0, 0, NULL, "several currencies are in use"},
	{"home_currency", "CurrencyPrefs.HomeCurrency.value", COLUMN_ID, 0, 0, NULL, "currency of the books"},
	{"report_basis", "ReportPrefs.ReportBasis", COLUMN_TEXT, 0, W, NULL, "Accrual or Cash"},
	{"products_for_sales", "ProductAndServicesPrefs.ForSales", COLUMN_BOOLEAN, 0, W, NULL, "products and services appear on sales forms"},
	{"products_for_purchase", "ProductAndServicesPrefs.ForPurchase", COLUMN_BOOLEAN, 0, W, NULL, "products and services appear on purchases"},
	{"quantity_on_hand", "ProductAndServicesPrefs.QuantityOnHand", COLUMN_BOOLEAN, 0, W, NULL, "stock is tracked"},
	{"quantity_with_price_and_rate", "ProductAndServicesPrefs.QuantityWithPriceAndRate", COLUMN_BOOLEAN, 0, W, NULL, "lines have quantity and rate"},
	{NULL}
};
