/*
 * catalogue_purchases.c
 *		The entity catalogue: what is bought, and how it is paid.  See catalogue.c.
 */
#include "postgres.h"

#include "quickbooks/catalogue_tables.h"

/* What the forms have in common; the words say of what they are. */
#define PURCHASE_HEAD(words) \
	{"doc_number", "DocNumber", COLUMN_TEXT, 21, W | F, NULL, "number of the " words}, \
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the " words}, \
	{"private_note", "PrivateNote", COLUMN_TEXT, 4000, W, NULL, "memo"}, \
	{"department_id", "DepartmentRef.value", COLUMN_ID, 0, W, "department", "location"}

#define PURCHASE_TAX(words) \
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, W, NULL, "currency of all amounts"}, \
	{"exchange_rate", "ExchangeRate", COLUMN_NUMERIC, 0, W, NULL, "home currency units per unit of the currency"}, \
	{"global_tax_calculation", "GlobalTaxCalculation", COLUMN_TEXT, 0, W, NULL, "TaxExcluded, TaxInclusive or NotApplicable (outside the US)", "TaxExcluded TaxInclusive NotApplicable"}, \
	{"total_tax", "TxnTaxDetail.TotalTax", COLUMN_NUMERIC, 0, W, NULL, "tax"}, \
	{"tax_code_id", "TxnTaxDetail.TxnTaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "tax code of the whole " words}, \
	{"tax_lines", "TxnTaxDetail.TaxLine", COLUMN_JSONB, 0, W, NULL, "tax by rate"}

#define PURCHASE_TOTAL \
	{"total_amt", "TotalAmt", COLUMN_NUMERIC, 0, F, NULL, "total with tax"}, \
	{"home_total_amt", "HomeTotalAmt", COLUMN_NUMERIC, 0, 0, NULL, "total in home currency"}

#define PURCHASE_ORIGIN(words) \
	{"transaction_location_type", "TransactionLocationType", COLUMN_TEXT, 0, W, NULL, "place of the purchase (France and others)"}, \
	{"recur_data_id", "RecurDataRef.value", COLUMN_ID, 0, 0, NULL, "recurring transaction it came from"}, \
	{"txn_source", "TxnSource", COLUMN_TEXT, 0, 0, NULL, "where it was made"}, \
	{"linked_txn", "LinkedTxn", COLUMN_JSONB, 0, W, NULL, words}

const CatalogueColumn bill_columns[] = {
	{"vendor_id", "VendorRef.value", COLUMN_ID, 0, R | F | X, "vendor", "supplier"},
	PURCHASE_HEAD("bill"),
	{"due_date", "DueDate", COLUMN_DATE, 0, W | F, NULL, "day it is due"},
	{"term_id", "SalesTermRef.value", COLUMN_ID, 0, W | F, "term", "terms of payment"},
	{"ap_account_id", "APAccountRef.value", COLUMN_ID, 0, W | F, "account", "payables account"},
	ADDRESS("vendor", "VendorAddr", "supplier's address", W),
	PURCHASE_TAX("bill"),
	PURCHASE_TOTAL,
	{"balance", "Balance", COLUMN_NUMERIC, 0, F, NULL, "still to be paid"},
	{"home_balance", "HomeBalance", COLUMN_NUMERIC, 0, 0, NULL, "balance in home currency"},
	PURCHASE_ORIGIN("purchase orders and payments linked to it"),
	{NULL}
};

const CatalogueColumn vendor_credit_columns[] = {
	{"vendor_id", "VendorRef.value", COLUMN_ID, 0, R | X, "vendor", "supplier"},
	PURCHASE_HEAD("credit"),
	{"ap_account_id", "APAccountRef.value", COLUMN_ID, 0, W | F, "account", "payables account"},
	ADDRESS("vendor", "VendorAddr", "supplier's address", W),
	PURCHASE_TAX("credit"),
	PURCHASE_TOTAL,
	{"balance", "Balance", COLUMN_NUMERIC, 0, 0, NULL, "part not applied yet"},
	PURCHASE_ORIGIN("transactions linked to it"),
	{NULL}
};

const CatalogueColumn purchase_order_columns[] = {
	{"vendor_id", "VendorRef.value", COLUMN_ID, 0, R | X, "vendor", "supplier"},
	PURCHASE_HEAD("order"),
	{"due_date", "DueDate", COLUMN_DATE, 0, W | F, NULL, "day by which it is wanted"},
	{"po_status", "POStatus", COLUMN_TEXT, 0, W, NULL, "Open or Closed", "Open Closed"},
	{"term_id", "SalesTermRef.value", COLUMN_ID, 0, W, "term", "terms of payment"},
	{"ap_account_id", "APAccountRef.value", COLUMN_ID, 0, R, "account", "payables account"},
	{"memo", "Memo", COLUMN_TEXT, 4000, W, NULL, "message for the supplier"},
	{"po_email", "POEmail.Address", COLUMN_TEXT, 100, W, NULL, "e-mail addresses it goes to, separated by commas"},
	{"email_status", "EmailStatus", COLUMN_TEXT, 0, W, NULL, "NotSet, NeedToSend or EmailSent", "NotSet NeedToSend EmailSent"},
	{"class_id", "ClassRef.value", COLUMN_ID, 0, W, "class", "class"},
	{"ship_to_id", "ShipTo.value", COLUMN_ID, 0, W, "customer", "customer it is shipped to"},
	{"ship_method", "ShipMethodRef.value", COLUMN_TEXT, 0, W, NULL, "way of shipping"},
	ADDRESS("vendor", "VendorAddr", "supplier's address", W),
	ADDRESS("ship", "ShipAddr", "shipping address", W),
	PURCHASE_TAX("order"),
	{"total_amt", "TotalAmt", COLUMN_NUMERIC, 0, 0, NULL, "total with tax"},
	{"home_total_amt", "HomeTotalAmt", COLUMN_NUMERIC, 0, 0, NULL, "total in home currency"},
	PURCHASE_ORIGIN("bills made of it"),
	{"custom_fields", "CustomField", COLUMN_JSONB, 0, W, NULL, "custom fields by DefinitionId"},
	{NULL}
};

/* Expense, cheque or card charge. */
const CatalogueColumn purchase_columns[] = {
	{"payment_type", "PaymentType", COLUMN_TEXT, 0, R | F, NULL, "Cash, Check or CreditCard", "Cash Check CreditCard"},
	{"account_id", "AccountRef.value", COLUMN_ID, 0, R | F, "account", "account it was paid from"},
	{"entity_type", "EntityRef.type", COLUMN_TEXT, 0, W, NULL, "who was paid: Vendor, Customer or Employee", "Vendor Customer Employee"},
	{"entity_id", "EntityRef.value", COLUMN_ID, 0, W | X, NULL, "who was paid, see entity_type"},
	PURCHASE_HEAD("purchase"),
	{"credit", "Credit", COLUMN_BOOLEAN, 0, W, NULL, "a refund to the card"},
	{"payment_method_id", "PaymentMethodRef.value", COLUMN_ID, 0, W, "payment_method", "way of payment"},
	{"payment_ref_num", "PaymentRefNum", COLUMN_TEXT, 21, W, NULL, "reference"},
	{"print_status", "PrintStatus", COLUMN_TEXT, 0, W, NULL, "NotSet, NeedToPrint or PrintComplete", "NotSet NeedToPrint PrintComplete"},
	ADDRESS("remit_to", "RemitToAddr", "address the money went to", W),
	PURCHASE_TAX("purchase"),
	PURCHASE_TOTAL,
	PURCHASE_ORIGIN("transactions linked to it"),
	{"custom_fields", "CustomField", COLUMN_JSONB, 0, 0, NULL, "custom fields by DefinitionId"},
	{NULL}
};

/* Lines of bills, credits, orders and purchases. */
static const CatalogueColumn purchase_line_columns[] = {
	{"line_id", "Id", COLUMN_ID, 0, 0, NULL, "QuickBooks' id of the line"},
	{"line_num", "LineNum", COLUMN_INTEGER, 0, W, NULL, "number of the line"},
	{"detail_type", "DetailType", COLUMN_TEXT, 0, R, NULL, "AccountBasedExpenseLineDetail, ItemBasedExpenseLineDetail or GroupLineDetail",
		"AccountBasedExpenseLineDetail ItemBasedExpenseLineDetail GroupLineDetail DescriptionOnly"},
	{"description", "Description", COLUMN_TEXT, 4000, W, NULL, "text of the line"},
	{"amount", "Amount", COLUMN_NUMERIC, 0, W, NULL, "amount"},
	{"account_id", "AccountBasedExpenseLineDetail.AccountRef.value", COLUMN_ID, 0, W, "account", "expense account"},
	{"item_id", "ItemBasedExpenseLineDetail.ItemRef.value|GroupLineDetail.GroupItemRef.value", COLUMN_ID, 0, W, "item", "product, service or bundle"},
	{"qty", "ItemBasedExpenseLineDetail.Qty|GroupLineDetail.Quantity", COLUMN_NUMERIC, 0, W, NULL, "quantity"},
	{"unit_price", "ItemBasedExpenseLineDetail.UnitPrice", COLUMN_NUMERIC, 0, W, NULL, "price of one"},
	{"customer_id", "AccountBasedExpenseLineDetail.CustomerRef.value|ItemBasedExpenseLineDetail.CustomerRef.value", COLUMN_ID, 0, W, "customer", "customer it is for"},
	{"billable_status", "AccountBasedExpenseLineDetail.BillableStatus|ItemBasedExpenseLineDetail.BillableStatus", COLUMN_TEXT, 0, W, NULL, "Billable, NotBillable or HasBeenBilled", "Billable NotBillable HasBeenBilled"},
	{"tax_code_id", "AccountBasedExpenseLineDetail.TaxCodeRef.value|ItemBasedExpenseLineDetail.TaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "tax code"},
	{"tax_amount", "AccountBasedExpenseLineDetail.TaxAmount", COLUMN_NUMERIC, 0, W, NULL, "tax"},
	{"tax_inclusive_amt", "AccountBasedExpenseLineDetail.TaxInclusiveAmt|ItemBasedExpenseLineDetail.TaxInclusiveAmt", COLUMN_NUMERIC, 0, W, NULL, "amount with tax"},
	{"class_id", "AccountBasedExpenseLineDetail.ClassRef.value|ItemBasedExpenseLineDetail.ClassRef.value", COLUMN_ID, 0, W, "class", "class"},
	{"project_id", "ProjectRef.value", COLUMN_ID, 0, W, NULL, "project"},
	{"markup_percent", "AccountBasedExpenseLineDetail.MarkupInfo.Percent|ItemBasedExpenseLineDetail.MarkupInfo.Percent", COLUMN_NUMERIC, 0, W, NULL, "markup when it is billed to the customer, in percent"},
	{"linked_txn", "LinkedTxn", COLUMN_JSONB, 0, W, NULL, "transactions linked to the line"},
	{"custom_fields", "CustomField", COLUMN_JSONB, 0, W, NULL, "custom fields of the line"},
	{NULL}
};

const CatalogueColumn bill_payment_columns[] = {
	{"vendor_id", "VendorRef.value", COLUMN_ID, 0, R | F | X, "vendor", "supplier who was paid"},
	PURCHASE_HEAD("payment"),
	{"pay_type", "PayType", COLUMN_TEXT, 0, R, NULL, "Check or CreditCard", "Check CreditCard"},
	{"bank_account_id", "CheckPayment.BankAccountRef.value", COLUMN_ID, 0, W, "account", "account it was paid from, by cheque or transfer"},
	{"print_status", "CheckPayment.PrintStatus", COLUMN_TEXT, 0, W, NULL, "NotSet, NeedToPrint or PrintComplete", "NotSet NeedToPrint PrintComplete"},
	{"cc_account_id", "CreditCardPayment.CCAccountRef.value", COLUMN_ID, 0, W, "account", "card it was paid with"},
	{"ap_account_id", "APAccountRef.value", COLUMN_ID, 0, W | F, "account", "payables account"},
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, W, NULL, "currency of all amounts"},
	{"exchange_rate", "ExchangeRate", COLUMN_NUMERIC, 0, W, NULL, "home currency units per unit of the currency"},
	{"total_amt", "TotalAmt", COLUMN_NUMERIC, 0, R | F, NULL, "money paid; what no line applies is credit at the supplier"},
	{"process_bill_payment", "ProcessBillPayment", COLUMN_BOOLEAN, 0, W, NULL, "paid through QuickBooks"},
	PURCHASE_ORIGIN("transactions linked to it"),
	{NULL}
};

/* One line pays one transaction. */
static const CatalogueColumn bill_payment_line_columns[] = {
	{"amount", "Amount", COLUMN_NUMERIC, 0, R, NULL, "amount applied"},
	{"txn_id", "LinkedTxn.0.TxnId", COLUMN_ID, 0, W | X, NULL, "transaction it is applied to; see txn_type"},
	{"txn_type", "LinkedTxn.0.TxnType", COLUMN_TEXT, 0, W, NULL, "Bill, VendorCredit, JournalEntry or Deposit", "Bill VendorCredit JournalEntry Deposit"},
	{"txn_line_id", "LinkedTxn.0.TxnLineId", COLUMN_ID, 0, W, NULL, "line of the transaction"},
	{NULL}
};

const CatalogueLines bill_lines[] = {
	{"bill_line", "Line", purchase_line_columns, "Lines of QuickBooks bills, in their order"},
	{NULL}
};

const CatalogueLines vendor_credit_lines[] = {
	{"vendor_credit_line", "Line", purchase_line_columns, "Lines of QuickBooks vendor credits, in their order"},
	{NULL}
};

const CatalogueLines purchase_order_lines[] = {
	{"purchase_order_line", "Line", purchase_line_columns, "Lines of QuickBooks purchase orders, in their order"},
	{NULL}
};

const CatalogueLines purchase_lines[] = {
	{"purchase_line", "Line", purchase_line_columns, "Lines of QuickBooks expenses, cheques and card charges, in their order"},
	{NULL}
};

const CatalogueLines bill_payment_lines[] = {
	{"bill_payment_line", "Line", bill_payment_line_columns, "What QuickBooks bill payments are applied to"},
	{NULL}
};
