/*
 * catalogue_books.c
 *		The entity catalogue: what is booked otherwise - journal entries, deposits, transfers, time - and attachments.  See
 *		catalogue.c.
 */
#include "postgres.h"

#include "quickbooks/catalogue_tables.h"

const CatalogueColumn journal_entry_columns[] = {
	{"doc_number", "DocNumber", COLUMN_TEXT, 21, W | F, NULL, "number of the entry"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the entry"},
	{"adjustment", "Adjustment", COLUMN_BOOLEAN, 0, W, NULL, "an adjusting entry"},
	{"private_note", "PrivateNote", COLUMN_TEXT, 4000, W, NULL, "memo"},
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, W, NULL, "currency of all amounts"},
	{"exchange_rate", "ExchangeRate", COLUMN_NUMERIC, 0, W, NULL, "home currency units per unit of the currency"},
	{"global_tax_calculation", "GlobalTaxCalculation", COLUMN_TEXT, 0, W, NULL, "TaxExcluded, TaxInclusive or NotApplicable (outside the US)", "TaxExcluded TaxInclusive NotApplicable"},
	{"total_tax", "TxnTaxDetail.TotalTax", COLUMN_NUMERIC, 0, W, NULL, "tax"},
	{"tax_lines", "TxnTaxDetail.TaxLine", COLUMN_JSONB, 0, W, NULL, "tax by rate"},
	{"total_amt", "TotalAmt", COLUMN_NUMERIC, 0, 0, NULL, "always 0: debits and credits are equal"},
	{"home_total_amt", "HomeTotalAmt", COLUMN_NUMERIC, 0, 0, NULL, "the same in home currency"},
	{"transaction_location_type", "TransactionLocationType", COLUMN_TEXT, 0, W, NULL, "place (France and others)"},
	{"recur_data_id", "RecurDataRef.value", COLUMN_ID, 0, 0, NULL, "recurring transaction it came from"},
	{"txn_source", "TxnSource", COLUMN_TEXT, 0, 0, NULL, "where it was made"},
	{"linked_txn", "LinkedTxn", COLUMN_JSONB, 0, 0, NULL, "transactions linked to it"},
	{NULL}
};

static const CatalogueColumn journal_entry_line_columns[] = {
	{"line_id", "Id", COLUMN_ID, 0, 0, NULL, "QuickBooks' id of the line"},
	{"line_num", "LineNum", COLUMN_INTEGER, 0, W, NULL, "number of the line"},
	{"detail_type", "DetailType", COLUMN_TEXT, 0, R, NULL, "JournalEntryLineDetail or DescriptionOnly", "JournalEntryLineDetail DescriptionOnly"},
	{"description", "Description", COLUMN_TEXT, 4000, W, NULL, "text of the line"},
	{"posting_type", "JournalEntryLineDetail.PostingType", COLUMN_TEXT, 0, R, NULL, "Debit or Credit", "Debit Credit"},
	{"amount", "Amount", COLUMN_NUMERIC, 0, R, NULL, "amount, positive on both sides"},
	{"account_id", "JournalEntryLineDetail.AccountRef.value", COLUMN_ID, 0, R | X, "account", "account"},
	{"entity_type", "JournalEntryLineDetail.Entity.Type|JournalEntryLineDetail.Entity.type", COLUMN_TEXT, 0, W, NULL, "Customer, Vendor or Employee", "Customer Vendor Employee"},
	{"entity_id", "JournalEntryLineDetail.Entity.EntityRef.value|JournalEntryLineDetail.Entity.value", COLUMN_ID, 0, W | X, NULL, "whom it concerns, see entity_type"},
	{"class_id", "JournalEntryLineDetail.ClassRef.value", COLUMN_ID, 0, W, "class", "class"},
	{"department_id", "JournalEntryLineDetail.DepartmentRef.value", COLUMN_ID, 0, W, "department", "location"},
	{"tax_code_id", "JournalEntryLineDetail.TaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "tax code"},
	{"tax_applicable_on", "JournalEntryLineDetail.TaxApplicableOn", COLUMN_TEXT, 0, W, NULL, "Sales or Purchase", "Sales Purchase"},
	{"tax_amount", "JournalEntryLineDetail.TaxAmount", COLUMN_NUMERIC, 0, W, NULL, "tax"},
	{"billable_status", "JournalEntryLineDetail.BillableStatus", COLUMN_TEXT, 0, W, NULL, "Billable, NotBillable or HasBeenBilled", "Billable NotBillable HasBeenBilled"},
	{"journal_code_id", "JournalEntryLineDetail.JournalCodeRef.value", COLUMN_ID, 0, W, NULL, "journal (France)"},
	{NULL}
};

const CatalogueColumn deposit_columns[] = {
	{"deposit_to_account_id", "DepositToAccountRef.value", COLUMN_ID, 0, R, "account", "account the money went to"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the deposit"},
	{"private_note", "PrivateNote", COLUMN_TEXT, 4000, W, NULL, "memo"},
	{"department_id", "DepartmentRef.value", COLUMN_ID, 0, W, "department", "location"},
	{"cash_back_account_id", "CashBack.AccountRef.value", COLUMN_ID, 0, W, "account", "account of the cash that was kept"},
	{"cash_back_amount", "CashBack.Amount", COLUMN_NUMERIC, 0, W, NULL, "cash that was kept"},
	{"cash_back_memo", "CashBack.Memo", COLUMN_TEXT, 4000, W, NULL, "memo about it"},
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, W, NULL, "currency of all amounts"},
	{"exchange_rate", "ExchangeRate", COLUMN_NUMERIC, 0, W, NULL, "home currency units per unit of the currency"},
	{"global_tax_calculation", "GlobalTaxCalculation", COLUMN_TEXT, 0, W, NULL, "TaxExcluded, TaxInclusive or NotApplicable (outside the US)", "TaxExcluded TaxInclusive NotApplicable"},
	{"total_tax", "TxnTaxDetail.TotalTax", COLUMN_NUMERIC, 0, W, NULL, "tax"},
	{"tax_lines", "TxnTaxDetail.TaxLine", COLUMN_JSONB, 0, W, NULL, "tax by rate"},
	{"total_amt", "TotalAmt", COLUMN_NUMERIC, 0, 0, NULL, "total, without the cash that was kept"},
	{"home_total_amt", "HomeTotalAmt", COLUMN_NUMERIC, 0, 0, NULL, "total in home currency"},
	{"recur_data_id", "RecurDataRef.value", COLUMN_ID, 0, 0, NULL, "recurring transaction it came from"},
	{"txn_source", "TxnSource", COLUMN_TEXT, 0, 0, NULL, "where it was made"},
	{NULL}
};

/* A line is a payment that was waiting to be deposited, or money from elsewhere. */
static const CatalogueColumn deposit_line_columns[] = {
	{"line_id", "Id", COLUMN_ID, 0, 0, NULL, "QuickBooks' id of the line"},
	{"line_num", "LineNum", COLUMN_INTEGER, 0, W, NULL, "number of the line"},
	{"detail_type", "DetailType", COLUMN_TEXT, 0, W, NULL, "DepositLineDetail; null where a transaction is deposited", "DepositLineDetail"},
	{"description", "Description", COLUMN_TEXT, 4000, W, NULL, "text of the line"},
	{"amount", "Amount", COLUMN_NUMERIC, 0, R, NULL, "amount"},
	{"txn_id", "LinkedTxn.0.TxnId", COLUMN_ID, 0, W | X, NULL, "transaction that is deposited; see txn_type"},
	{"txn_type", "LinkedTxn.0.TxnType", COLUMN_TEXT, 0, W, NULL, "Payment, SalesReceipt, Transfer, JournalEntry, BillPayment, …", "Payment SalesReceipt Transfer JournalEntry BillPayment"},
	{"txn_line_id", "LinkedTxn.0.TxnLineId", COLUMN_ID, 0, W, NULL, "line of the transaction"},
	{"account_id", "DepositLineDetail.AccountRef.value", COLUMN_ID, 0, W, "account", "account the money came from"},
	{"entity_type", "DepositLineDetail.Entity.type|DepositLineDetail.Entity.Type", COLUMN_TEXT, 0, W, NULL, "Customer, Vendor or Employee", "Customer Vendor Employee"},
	{"entity_id", "DepositLineDetail.Entity.value|DepositLineDetail.Entity.EntityRef.value", COLUMN_ID, 0, W | X, NULL, "who gave it, see entity_type"},
	{"payment_method_id", "DepositLineDetail.PaymentMethodRef.value", COLUMN_ID, 0, W, "payment_method", "way of payment"},
	{"check_num", "DepositLineDetail.CheckNum", COLUMN_TEXT, 21, W, NULL, "cheque number"},
	{"class_id", "DepositLineDetail.ClassRef.value", COLUMN_ID, 0, W, "class", "class"},
	{"tax_code_id", "DepositLineDetail.TaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "tax code"},
	{"tax_applicable_on", "DepositLineDetail.TaxApplicableOn", COLUMN_TEXT, 0, W, NULL, "Sales or Purchase", "Sales Purchase"},
	{"project_id", "ProjectRef.value", COLUMN_ID, 0, W, NULL, "project"},
	{NULL}
};

const CatalogueColumn transfer_columns[] = {
	{"from_account_id", "FromAccountRef.value", COLUMN_ID, 0, R, "account", "account the money came from"},
	{"to_account_id", "ToAccountRef.value", COLUMN_ID, 0, R, "account", "account it went to"},
	{"amount", "Amount", COLUMN_NUMERIC, 0, R, NULL, "amount"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the transfer"},
	{"private_note", "PrivateNote", COLUMN_TEXT, 4000, W, NULL, "memo"},
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, W, NULL, "currency of the amount"},
	{"exchange_rate", "ExchangeRate", COLUMN_NUMERIC, 0, W, NULL, "home currency units per unit of the currency"},
	{"transaction_location_type", "TransactionLocationType", COLUMN_TEXT, 0, W, NULL, "place (France and others)"},
	{"recur_data_id", "RecurDataRef.value", COLUMN_ID, 0, 0, NULL, "recurring transaction it came from"},
	{NULL}
};

const CatalogueColumn time_activity_columns[] = {
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the work"},
	{"name_of", "NameOf", COLUMN_TEXT, 0, R, NULL, "who worked: Employee or Vendor", "Employee Vendor"},
	{"employee_id", "EmployeeRef.value", COLUMN_ID, 0, W, "employee", "employee who worked"},
	{"vendor_id", "VendorRef.value", COLUMN_ID, 0, W, "vendor", "supplier who worked"},
	{"customer_id", "CustomerRef.value", COLUMN_ID, 0, W | X, "customer", "customer it was done for"},
	{"project_id", "ProjectRef.value", COLUMN_ID, 0, W | F, NULL, "project"},
	{"item_id", "ItemRef.value", COLUMN_ID, 0, W, "item", "service"},
	{"class_id", "ClassRef.value", COLUMN_ID, 0, W, "class", "class"},
	{"department_id", "DepartmentRef.value", COLUMN_ID, 0, W, "department", "location"},
	{"description", "Description", COLUMN_TEXT, 4000, W, NULL, "what was done"},
	{"hours", "Hours", COLUMN_INTEGER, 0, W, NULL, "whole hours worked"},
	{"minutes", "Minutes", COLUMN_INTEGER, 0, W, NULL, "minutes beside the hours"},
	{"start_time", "StartTime", COLUMN_TEXT, 0, W, NULL, "when it began, as QuickBooks writes it; the offset does not count"},
	{"end_time", "EndTime", COLUMN_TEXT, 0, W, NULL, "when it ended, in the same way"},
	{"break_hours", "BreakHours", COLUMN_INTEGER, 0, W, NULL, "whole hours of breaks"},
	{"break_minutes", "BreakMinutes", COLUMN_INTEGER, 0, W, NULL, "minutes of breaks beside the hours"},
	{"billable_status", "BillableStatus", COLUMN_TEXT, 0, W | F, NULL, "Billable, NotBillable or HasBeenBilled", "Billable NotBillable HasBeenBilled"},
	{"taxable", "Taxable", COLUMN_BOOLEAN, 0, W, NULL, "subject to sales tax when billed"},
	{"hourly_rate", "HourlyRate", COLUMN_NUMERIC, 0, W, NULL, "price of an hour"},
	{"cost_rate", "CostRate", COLUMN_NUMERIC, 0, W, NULL, "cost of an hour"},
	{"payroll_item_id", "PayrollItemRef.value", COLUMN_ID, 0, W, NULL, "kind of pay"},
	{"transaction_location_type", "TransactionLocationType", COLUMN_TEXT, 0, W, NULL, "place (France and others)"},
	{NULL}
};

/* What is known of files; the files themselves stay in QuickBooks. */
const CatalogueColumn attachable_columns[] = {
	{"file_name", "FileName", COLUMN_TEXT, 1000, W | F, NULL, "name of the file; null: only a note"},
	{"note", "Note", COLUMN_TEXT, 2000, W | F, NULL, "note"},
	{"category", "Category", COLUMN_TEXT, 100, W | F, NULL, "Document, Image, Receipt, Signature, Contact Photo, Sound or Other"},
	{"content_type", "ContentType", COLUMN_TEXT, 100, W | F, NULL, "media type of the file"},
	{"size", "Size", COLUMN_NUMERIC, 0, F, NULL, "size of the file in bytes"},
	{"tag", "Tag", COLUMN_TEXT, 2000, W | F, NULL, "tag"},
	{"place_name", "PlaceName", COLUMN_TEXT, 2000, W | F, NULL, "place"},
	{"lat", "Lat", COLUMN_TEXT, 100, W | F, NULL, "latitude"},
	{"long", "Long", COLUMN_TEXT, 100, W | F, NULL, "longitude"},
	{NULL}
};

static const CatalogueColumn attachable_ref_columns[] = {
	{"entity_type", "EntityRef.type", COLUMN_TEXT, 0, W, NULL, "kind of record it is attached to: Invoice, Customer, …"},
	{"entity_id", "EntityRef.value", COLUMN_ID, 0, W | X, NULL, "record it is attached to, see entity_type"},
	{"include_on_send", "IncludeOnSend", COLUMN_BOOLEAN, 0, W, NULL, "goes along when the record is e-mailed"},
	{"line_info", "LineInfo", COLUMN_TEXT, 100, W, NULL, "line of the record"},
	{NULL}
};

const CatalogueLines journal_entry_lines[] = {
	{"journal_entry_line", "Line", journal_entry_line_columns, "Debits and credits of QuickBooks journal entries"},
	{NULL}
};

const CatalogueLines deposit_lines[] = {
	{"deposit_line", "Line", deposit_line_columns, "What QuickBooks bank deposits consist of"},
	{NULL}
};

const CatalogueLines attachable_lines[] = {
	{"attachable_ref", "AttachableRef", attachable_ref_columns, "Records that QuickBooks attachments belong to"},
	{NULL}
};
