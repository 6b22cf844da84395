/*
 * catalogue.c
 *		The entity catalogue: one table of columns per entity, and the table of entities.
 *
 * This file is data.  To add a field, add a row; to add an entity, add its columns and a row in catalogue[], behind
 * what it refers to.  Mirror tables and columns come from here through qbsync.create_mirror() (20_mirror.sql), their
 * contents through src/inbound/mirror*.c, the list for change data capture and the order of loads from the flags.
 *
 * Names are canonical: the same word is the mirror's column, the column of a mapped CRM view and the word in the
 * reference.  References end in _id and hold the value alone; amounts are numeric; where QuickBooks has an object
 * around a single value (a phone, an e-mail address) the column is that value.  Whatever has no column is in raw.
 * Lengths and flags are those QuickBooks enforces when it is written to; what comes from there is stored as it comes.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "quickbooks/catalogue.h"

/* Short names for the tables below. */
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

static const CatalogueColumn company_info_columns[] = {
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

static const CatalogueColumn preferences_columns[] = {
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

static const CatalogueColumn term_columns[] = {
	{"name", "Name", COLUMN_TEXT, 31, R | F, NULL, "name of the terms"},
	{"active", "Active", COLUMN_BOOLEAN, 0, W | F, NULL, "false: made inactive in QuickBooks"},
	{"type", "Type", COLUMN_TEXT, 0, 0, NULL, "STANDARD (days after the invoice) or DATE_DRIVEN (a day of the month)", "STANDARD DATE_DRIVEN"},
	{"due_days", "DueDays", COLUMN_INTEGER, 0, W, NULL, "days until due"},
	{"discount_percent", "DiscountPercent", COLUMN_NUMERIC, 0, W, NULL, "discount for early payment, in percent"},
	{"discount_days", "DiscountDays", COLUMN_INTEGER, 0, W, NULL, "days in which the discount is granted"},
	{"day_of_month_due", "DayOfMonthDue", COLUMN_INTEGER, 0, W, NULL, "day of the month when due"},
	{"due_next_month_days", "DueNextMonthDays", COLUMN_INTEGER, 0, W, NULL, "invoices made this many days before the day are due a month later"},
	{"discount_day_of_month", "DiscountDayOfMonth", COLUMN_INTEGER, 0, W, NULL, "day of the month until which the discount is granted"},
	{NULL}
};

static const CatalogueColumn item_columns[] = {
	{"name", "Name", COLUMN_TEXT, 100, R | F, NULL, "name of the product or service"},
	{"type", "Type", COLUMN_TEXT, 0, R | F, NULL, "Service, NonInventory, Inventory, Group (bundle) or Category", "Service NonInventory Inventory Group Category"},
	{"fully_qualified_name", "FullyQualifiedName", COLUMN_TEXT, 0, F, NULL, "name with its categories, separated by colons"},
	{"sub_item", "SubItem", COLUMN_BOOLEAN, 0, W | F, NULL, "is in a category"},
	{"parent_id", "ParentRef.value", COLUMN_ID, 0, W, "item", "category"},
	{"level", "Level", COLUMN_INTEGER, 0, 0, NULL, "depth below the top, 0-based"},
	{"active", "Active", COLUMN_BOOLEAN, 0, W | F, NULL, "false: made inactive in QuickBooks; the name then ends in \" (deleted)\""},
	{"sku", "Sku", COLUMN_TEXT, 100, W | F, NULL, "article number; not unique"},
	{"description", "Description", COLUMN_TEXT, 4000, W, NULL, "text on sales forms"},
	{"purchase_description", "PurchaseDesc", COLUMN_TEXT, 1000, W, NULL, "text on purchases"},
	{"unit_price", "UnitPrice", COLUMN_NUMERIC, 0, W, NULL, "sales price in home currency"},
	{"purchase_cost", "PurchaseCost", COLUMN_NUMERIC, 0, W, NULL, "cost in home currency"},
	{"income_account_id", "IncomeAccountRef.value", COLUMN_ID, 0, W, "account", "income account"},
	{"expense_account_id", "ExpenseAccountRef.value", COLUMN_ID, 0, W, "account", "expense account"},
	{"asset_account_id", "AssetAccountRef.value", COLUMN_ID, 0, W, "account", "stock account"},
	{"track_qty_on_hand", "TrackQtyOnHand", COLUMN_BOOLEAN, 0, W, NULL, "stock is tracked"},
	{"qty_on_hand", "QtyOnHand", COLUMN_NUMERIC, 0, W, NULL, "stock"},
	{"inv_start_date", "InvStartDate", COLUMN_DATE, 0, W, NULL, "day the stock count began"},
	{"reorder_point", "ReorderPoint", COLUMN_NUMERIC, 0, W, NULL, "stock below which to reorder"},
	{"taxable", "Taxable", COLUMN_BOOLEAN, 0, W | F, NULL, "subject to sales tax (US)"},
	{"sales_tax_included", "SalesTaxIncluded", COLUMN_BOOLEAN, 0, W, NULL, "price includes tax"},
	{"sales_tax_code_id", "SalesTaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "tax code of sales"},
	{"purchase_tax_included", "PurchaseTaxIncluded", COLUMN_BOOLEAN, 0, W, NULL, "cost includes tax"},
	{"purchase_tax_code_id", "PurchaseTaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "tax code of purchases"},
	{"tax_classification_id", "TaxClassificationRef.value", COLUMN_ID, 0, W, NULL, "category of automated sales tax"},
	{"item_category_type", "ItemCategoryType", COLUMN_TEXT, 0, W, NULL, "Product or Service (France)", "Product Service"},
	{"preferred_vendor_id", "PrefVendorRef.value", COLUMN_ID, 0, W, "vendor", "preferred vendor"},
	{"class_id", "ClassRef.value", COLUMN_ID, 0, W, "class", "class"},
	{"group_lines", "ItemGroupDetail.ItemGroupLine", COLUMN_JSONB, 0, W, NULL, "components of a bundle"},
	{"print_grouped_items", "PrintGroupedItems", COLUMN_BOOLEAN, 0, W, NULL, "components of a bundle are printed"},
	{NULL}
};

static const CatalogueColumn customer_columns[] = {
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

static const CatalogueColumn invoice_columns[] = {
	{"doc_number", "DocNumber", COLUMN_TEXT, 21, W | F, NULL, "number people see; not always unique"},
	{"customer_id", "CustomerRef.value", COLUMN_ID, 0, R | F | X, "customer", "customer"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the invoice"},
	{"due_date", "DueDate", COLUMN_DATE, 0, W | F, NULL, "day it is due"},
	{"term_id", "SalesTermRef.value", COLUMN_ID, 0, W | F, "term", "terms of payment"},
	{"ship_date", "ShipDate", COLUMN_DATE, 0, W, NULL, "day of shipping"},
	{"ship_method", "ShipMethodRef.value", COLUMN_TEXT, 0, W, NULL, "way of shipping"},
	{"tracking_num", "TrackingNum", COLUMN_TEXT, 0, W, NULL, "tracking number"},
	ADDRESS("bill", "BillAddr", "billing address", W),
	ADDRESS("ship", "ShipAddr", "shipping address", W),
	ADDRESS("ship_from", "ShipFromAddr", "address shipped from", W),
	{"free_form_address", "FreeFormAddress", COLUMN_BOOLEAN, 0, 0, NULL, "the addresses are lines of text"},
	{"bill_email", "BillEmail.Address", COLUMN_TEXT, 100, W, NULL, "e-mail addresses it goes to, separated by commas"},
	{"bill_email_cc", "BillEmailCc.Address", COLUMN_TEXT, 200, W, NULL, "e-mail addresses that get a copy"},
	{"bill_email_bcc", "BillEmailBcc.Address", COLUMN_TEXT, 200, W, NULL, "e-mail addresses that get a blind copy"},
	{"email_status", "EmailStatus", COLUMN_TEXT, 0, W, NULL, "NotSet, NeedToSend or EmailSent", "NotSet NeedToSend EmailSent"},
	{"delivery_type", "DeliveryInfo.DeliveryType", COLUMN_TEXT, 0, 0, NULL, "how it was delivered"},
	{"delivery_time", "DeliveryInfo.DeliveryTime", COLUMN_TIMESTAMPTZ, 0, 0, NULL, "when it was delivered"},
	{"e_invoice_status", "EInvoiceStatus", COLUMN_TEXT, 0, 0, NULL, "Sent, Viewed, Paid, …; seldom present", "Sent Viewed Paid"},
	{"print_status", "PrintStatus", COLUMN_TEXT, 0, W, NULL, "NotSet, NeedToPrint or PrintComplete", "NotSet NeedToPrint PrintComplete"},
	{"customer_memo", "CustomerMemo.value", COLUMN_TEXT, 1000, W, NULL, "message printed for the customer"},
	{"private_note", "PrivateNote", COLUMN_TEXT, 4000, W, NULL, "memo the customer does not see; begins with Voided when voided"},
	{"class_id", "ClassRef.value", COLUMN_ID, 0, W, "class", "class"},
	{"department_id", "DepartmentRef.value", COLUMN_ID, 0, W, "department", "location"},
	{"project_id", "ProjectRef.value", COLUMN_ID, 0, W | F, NULL, "project"},
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, W, NULL, "currency of all amounts"},
	{"exchange_rate", "ExchangeRate", COLUMN_NUMERIC, 0, W, NULL, "home currency units per unit of the currency"},
	{"global_tax_calculation", "GlobalTaxCalculation", COLUMN_TEXT, 0, W, NULL, "TaxExcluded, TaxInclusive or NotApplicable (outside the US)", "TaxExcluded TaxInclusive NotApplicable"},
	{"total_tax", "TxnTaxDetail.TotalTax", COLUMN_NUMERIC, 0, W, NULL, "tax"},
	{"tax_code_id", "TxnTaxDetail.TxnTaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "tax code of the whole invoice"},
	{"tax_lines", "TxnTaxDetail.TaxLine", COLUMN_JSONB, 0, W, NULL, "tax by rate"},
	{"apply_tax_after_discount", "ApplyTaxAfterDiscount", COLUMN_BOOLEAN, 0, W, NULL, "tax is computed after the discount (US)"},
	{"tax_exemption_id", "TaxExemptionRef.value", COLUMN_ID, 0, 0, NULL, "tax exemption"},
	{"total_amt", "TotalAmt", COLUMN_NUMERIC, 0, F, NULL, "total with tax"},
	{"home_total_amt", "HomeTotalAmt", COLUMN_NUMERIC, 0, 0, NULL, "total in home currency"},
	{"balance", "Balance", COLUMN_NUMERIC, 0, F, NULL, "still to be paid: total less deposit, payments and credits"},
	{"home_balance", "HomeBalance", COLUMN_NUMERIC, 0, 0, NULL, "balance in home currency"},
	{"deposit", "Deposit", COLUMN_NUMERIC, 0, W, NULL, "deposit already received"},
	{"deposit_to_account_id", "DepositToAccountRef.value", COLUMN_ID, 0, W, "account", "account of the deposit"},
	{"allow_online_credit_card_payment", "AllowOnlineCreditCardPayment", COLUMN_BOOLEAN, 0, W, NULL, "can be paid online by card"},
	{"allow_online_ach_payment", "AllowOnlineACHPayment", COLUMN_BOOLEAN, 0, W, NULL, "can be paid online by bank transfer"},
	{"allow_online_paypal_payment", "AllowOnlinePayPalPayment", COLUMN_BOOLEAN, 0, W, NULL, "can be paid online by PayPal"},
	{"allow_online_affirm_payment", "AllowOnlineAffirmPayment", COLUMN_BOOLEAN, 0, W, NULL, "can be paid online by Affirm"},
	{"invoice_link", "InvoiceLink", COLUMN_TEXT, 0, 0, NULL, "link for the customer, only when asked for"},
	{"recur_data_id", "RecurDataRef.value", COLUMN_ID, 0, 0, NULL, "recurring transaction it came from"},
	{"txn_source", "TxnSource", COLUMN_TEXT, 0, 0, NULL, "where it was made"},
	{"linked_txn", "LinkedTxn", COLUMN_JSONB, 0, W, NULL, "estimates, payments, … linked to it"},
	{"custom_fields", "CustomField", COLUMN_JSONB, 0, W, NULL, "custom fields by DefinitionId"},
	{NULL}
};

/* A quotation: the form of an invoice without money.  The invoices made of it are in linked_txn. */
static const CatalogueColumn estimate_columns[] = {
	{"doc_number", "DocNumber", COLUMN_TEXT, 21, W | F, NULL, "number people see; not always unique"},
	{"customer_id", "CustomerRef.value", COLUMN_ID, 0, R | F | X, "customer", "customer"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the estimate"},
	{"txn_status", "TxnStatus", COLUMN_TEXT, 0, W, NULL, "Pending, Accepted, Closed (an invoice was made of it), Rejected or Converted", "Pending Accepted Closed Rejected Converted"},
	{"expiration_date", "ExpirationDate", COLUMN_DATE, 0, W, NULL, "last day on which it holds"},
	{"accepted_by", "AcceptedBy", COLUMN_TEXT, 0, W, NULL, "who accepted it"},
	{"accepted_date", "AcceptedDate", COLUMN_DATE, 0, W, NULL, "day it was accepted"},
	{"due_date", "DueDate", COLUMN_DATE, 0, W | F, NULL, "day it is due; seldom present"},
	{"term_id", "SalesTermRef.value", COLUMN_ID, 0, W | F, "term", "terms of payment"},
	{"ship_date", "ShipDate", COLUMN_DATE, 0, W, NULL, "day of shipping"},
	{"ship_method", "ShipMethodRef.value", COLUMN_TEXT, 0, W, NULL, "way of shipping"},
	{"tracking_num", "TrackingNum", COLUMN_TEXT, 0, W, NULL, "tracking number"},
	ADDRESS("bill", "BillAddr", "billing address", W),
	ADDRESS("ship", "ShipAddr", "shipping address", W),
	ADDRESS("ship_from", "ShipFromAddr", "address shipped from", W),
	{"free_form_address", "FreeFormAddress", COLUMN_BOOLEAN, 0, 0, NULL, "the addresses are lines of text"},
	{"bill_email", "BillEmail.Address", COLUMN_TEXT, 100, W, NULL, "e-mail addresses it goes to, separated by commas"},
	{"bill_email_cc", "BillEmailCc.Address", COLUMN_TEXT, 200, W, NULL, "e-mail addresses that get a copy"},
	{"bill_email_bcc", "BillEmailBcc.Address", COLUMN_TEXT, 200, W, NULL, "e-mail addresses that get a blind copy"},
	{"email_status", "EmailStatus", COLUMN_TEXT, 0, W, NULL, "NotSet, NeedToSend or EmailSent", "NotSet NeedToSend EmailSent"},
	{"delivery_type", "DeliveryInfo.DeliveryType", COLUMN_TEXT, 0, 0, NULL, "how it was delivered"},
	{"delivery_time", "DeliveryInfo.DeliveryTime", COLUMN_TIMESTAMPTZ, 0, 0, NULL, "when it was delivered"},
	{"print_status", "PrintStatus", COLUMN_TEXT, 0, W, NULL, "NotSet, NeedToPrint or PrintComplete", "NotSet NeedToPrint PrintComplete"},
	{"customer_memo", "CustomerMemo.value", COLUMN_TEXT, 1000, W, NULL, "message printed for the customer"},
	{"private_note", "PrivateNote", COLUMN_TEXT, 4000, W, NULL, "memo the customer does not see"},
	{"class_id", "ClassRef.value", COLUMN_ID, 0, W, "class", "class"},
	{"department_id", "DepartmentRef.value", COLUMN_ID, 0, W, "department", "location"},
	{"project_id", "ProjectRef.value", COLUMN_ID, 0, W | F, NULL, "project"},
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, W, NULL, "currency of all amounts"},
	{"exchange_rate", "ExchangeRate", COLUMN_NUMERIC, 0, W, NULL, "home currency units per unit of the currency"},
	{"global_tax_calculation", "GlobalTaxCalculation", COLUMN_TEXT, 0, W, NULL, "TaxExcluded, TaxInclusive or NotApplicable (outside the US)", "TaxExcluded TaxInclusive NotApplicable"},
	{"total_tax", "TxnTaxDetail.TotalTax", COLUMN_NUMERIC, 0, W, NULL, "tax"},
	{"tax_code_id", "TxnTaxDetail.TxnTaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "tax code of the whole estimate"},
	{"tax_lines", "TxnTaxDetail.TaxLine", COLUMN_JSONB, 0, W, NULL, "tax by rate"},
	{"apply_tax_after_discount", "ApplyTaxAfterDiscount", COLUMN_BOOLEAN, 0, W, NULL, "tax is computed after the discount (US)"},
	{"tax_exemption_id", "TaxExemptionRef.value", COLUMN_ID, 0, 0, NULL, "tax exemption"},
	{"total_amt", "TotalAmt", COLUMN_NUMERIC, 0, F, NULL, "total with tax"},
	{"home_total_amt", "HomeTotalAmt", COLUMN_NUMERIC, 0, 0, NULL, "total in home currency"},
	{"recur_data_id", "RecurDataRef.value", COLUMN_ID, 0, 0, NULL, "recurring transaction it came from"},
	{"txn_source", "TxnSource", COLUMN_TEXT, 0, 0, NULL, "where it was made"},
	{"linked_txn", "LinkedTxn", COLUMN_JSONB, 0, W, NULL, "invoices made of it: several with progress invoicing"},
	{"custom_fields", "CustomField", COLUMN_JSONB, 0, W, NULL, "custom fields by DefinitionId"},
	{NULL}
};

/* Lines of sales forms.  The detail is an object named like its DetailType; members of the same meaning share a column. */
static const CatalogueColumn sales_line_columns[] = {
	{"line_id", "Id", COLUMN_ID, 0, 0, NULL, "QuickBooks' id of the line; null for computed lines"},
	{"line_num", "LineNum", COLUMN_INTEGER, 0, W, NULL, "number of the line"},
	{"detail_type", "DetailType", COLUMN_TEXT, 0, R, NULL, "SalesItemLineDetail, GroupLineDetail, DiscountLineDetail, SubTotalLineDetail (computed; leave it out of sums) or DescriptionOnly",
		"SalesItemLineDetail GroupLineDetail DiscountLineDetail SubTotalLineDetail DescriptionOnly"},
	{"description", "Description", COLUMN_TEXT, 4000, W, NULL, "text of the line"},
	{"amount", "Amount", COLUMN_NUMERIC, 0, W, NULL, "amount; of a discount line: the reduction, positive"},
	{"item_id", "SalesItemLineDetail.ItemRef.value|GroupLineDetail.GroupItemRef.value|SubTotalLineDetail.ItemRef.value", COLUMN_ID, 0, W, "item", "product, service or bundle; SHIPPING_ITEM_ID and GRATUITY_ITEM_ID are freight and tips"},
	{"qty", "SalesItemLineDetail.Qty|GroupLineDetail.Quantity", COLUMN_NUMERIC, 0, W, NULL, "quantity"},
	{"unit_price", "SalesItemLineDetail.UnitPrice", COLUMN_NUMERIC, 0, W, NULL, "price of one"},
	{"service_date", "SalesItemLineDetail.ServiceDate|DescriptionLineDetail.ServiceDate|GroupLineDetail.ServiceDate", COLUMN_DATE, 0, W, NULL, "day of the service"},
	{"tax_code_id", "SalesItemLineDetail.TaxCodeRef.value|DiscountLineDetail.TaxCodeRef.value|DescriptionLineDetail.TaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "tax code; TAX or NON in the US"},
	{"tax_inclusive_amt", "SalesItemLineDetail.TaxInclusiveAmt", COLUMN_NUMERIC, 0, W, NULL, "amount with tax"},
	{"class_id", "SalesItemLineDetail.ClassRef.value|DiscountLineDetail.ClassRef.value", COLUMN_ID, 0, W, "class", "class"},
	{"project_id", "ProjectRef.value", COLUMN_ID, 0, W, NULL, "project"},
	{"item_account_id", "SalesItemLineDetail.ItemAccountRef.value", COLUMN_ID, 0, 0, "account", "income account of the item"},
	{"tax_classification_id", "SalesItemLineDetail.TaxClassificationRef.value", COLUMN_ID, 0, 0, NULL, "category of automated sales tax"},
	{"discount_rate", "SalesItemLineDetail.DiscountRate", COLUMN_NUMERIC, 0, W, NULL, "discount of the line in percent"},
	{"discount_amt", "SalesItemLineDetail.DiscountAmt", COLUMN_NUMERIC, 0, W, NULL, "discount of the line as an amount"},
	{"percent_based", "DiscountLineDetail.PercentBased", COLUMN_BOOLEAN, 0, W, NULL, "the discount is a percentage"},
	{"discount_percent", "DiscountLineDetail.DiscountPercent", COLUMN_NUMERIC, 0, W, NULL, "percentage of the discount: 8.5 means 8.5 %"},
	{"discount_account_id", "DiscountLineDetail.DiscountAccountRef.value", COLUMN_ID, 0, W, "account", "account of the discount"},
	{"linked_txn", "LinkedTxn", COLUMN_JSONB, 0, W, NULL, "transactions linked to the line"},
	{"custom_fields", "CustomField", COLUMN_JSONB, 0, W, NULL, "custom fields of the line"},
	{NULL}
};

static const CatalogueColumn payment_columns[] = {
	{"customer_id", "CustomerRef.value", COLUMN_ID, 0, R | F | X, "customer", "customer who paid"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the payment"},
	{"total_amt", "TotalAmt", COLUMN_NUMERIC, 0, R | F, NULL, "money received; 0 when it only applies credits"},
	{"unapplied_amt", "UnappliedAmt", COLUMN_NUMERIC, 0, 0, NULL, "part not applied to any invoice"},
	{"payment_method_id", "PaymentMethodRef.value", COLUMN_ID, 0, W | F, "payment_method", "way of payment"},
	{"payment_ref_num", "PaymentRefNum", COLUMN_TEXT, 21, W | F, NULL, "reference, such as a cheque number"},
	{"deposit_to_account_id", "DepositToAccountRef.value", COLUMN_ID, 0, W, "account", "account the money went to"},
	{"ar_account_id", "ARAccountRef.value", COLUMN_ID, 0, W, "account", "receivables account"},
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, W, NULL, "currency of all amounts"},
	{"exchange_rate", "ExchangeRate", COLUMN_NUMERIC, 0, W, NULL, "home currency units per unit of the currency"},
	{"process_payment", "ProcessPayment", COLUMN_BOOLEAN, 0, W, NULL, "processed by QuickBooks Payments"},
	{"private_note", "PrivateNote", COLUMN_TEXT, 4000, W, NULL, "memo; begins with Voided when voided"},
	{"project_id", "ProjectRef.value", COLUMN_ID, 0, W | F, NULL, "project"},
	{"tax_exemption_id", "TaxExemptionRef.value", COLUMN_ID, 0, 0, NULL, "tax exemption"},
	{"txn_source", "TxnSource", COLUMN_TEXT, 0, 0, NULL, "where it was made"},
	{"linked_txn", "LinkedTxn", COLUMN_JSONB, 0, 0, NULL, "transactions linked to it, such as the deposit"},
	{NULL}
};

/* One line applies to one transaction; LineEx is what QuickBooks adds for its own page. */
static const CatalogueColumn payment_line_columns[] = {
	{"amount", "Amount", COLUMN_NUMERIC, 0, R, NULL, "amount applied"},
	{"txn_id", "LinkedTxn.0.TxnId", COLUMN_ID, 0, W | X, NULL, "transaction it is applied to; see txn_type"},
	{"txn_type", "LinkedTxn.0.TxnType", COLUMN_TEXT, 0, W, NULL, "Invoice, CreditMemo, JournalEntry, Expense, Check, CreditCardCredit", "Invoice CreditMemo JournalEntry Expense Check CreditCardCredit"},
	{"txn_line_id", "LinkedTxn.0.TxnLineId", COLUMN_ID, 0, W, NULL, "line of the transaction"},
	{"open_balance", "LineEx.any[value.Name=txnOpenBalance].value.Value", COLUMN_NUMERIC, 0, 0, NULL, "open balance of the transaction when the payment was read"},
	{"reference_number", "LineEx.any[value.Name=txnReferenceNumber].value.Value", COLUMN_TEXT, 0, 0, NULL, "number of the transaction when the payment was read"},
	{NULL}
};

static const CatalogueLines invoice_lines = {
	"invoice_line", "Line", sales_line_columns, "Lines of QuickBooks invoices, in their order"
};

static const CatalogueLines estimate_lines = {
	"estimate_line", "Line", sales_line_columns, "Lines of QuickBooks estimates, in their order"
};

static const CatalogueLines payment_lines = {
	"payment_line", "Line", payment_line_columns, "What QuickBooks payments are applied to"
};

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
	invoice_columns, &invoice_lines, "invoice?txnId=", "QuickBooks invoices"},
	{"payment", "Payment", "payment", ENTITY_CDC | ENTITY_TRANSACTION | ENTITY_VOIDABLE | ENTITY_WRITABLE,
	payment_columns, &payment_lines, "recvpayment?txnId=", "QuickBooks payments received from customers"},
	{"estimate", "Estimate", "estimate", ENTITY_CDC | ENTITY_TRANSACTION | ENTITY_WRITABLE,
	estimate_columns, &estimate_lines, "estimate?txnId=", "QuickBooks estimates (quotes)"},
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
