/*
 * catalogue_sales.c
 *		The entity catalogue: sales and what is paid for them.  See catalogue.c.
 */
#include "postgres.h"

#include "quickbooks/catalogue_tables.h"

/*
 * Groups of columns that the sales forms have in common; what is given to them is the end of a comment.
 */
#define SALES_SHIPPING \
	{"ship_date", "ShipDate", COLUMN_DATE, 0, W, NULL, "day of shipping"}, \
	{"ship_method", "ShipMethodRef.value", COLUMN_TEXT, 0, W, NULL, "way of shipping"}, \
	{"tracking_num", "TrackingNum", COLUMN_TEXT, 0, W, NULL, "tracking number"}, \
	ADDRESS("bill", "BillAddr", "billing address", W), \
	ADDRESS("ship", "ShipAddr", "shipping address", W), \
	ADDRESS("ship_from", "ShipFromAddr", "address shipped from", W), \
	{"free_form_address", "FreeFormAddress", COLUMN_BOOLEAN, 0, 0, NULL, "the addresses are lines of text"}

#define SALES_EMAIL \
	{"bill_email", "BillEmail.Address", COLUMN_TEXT, 100, W, NULL, "e-mail addresses it goes to, separated by commas"}, \
	{"bill_email_cc", "BillEmailCc.Address", COLUMN_TEXT, 200, W, NULL, "e-mail addresses that get a copy"}, \
	{"bill_email_bcc", "BillEmailBcc.Address", COLUMN_TEXT, 200, W, NULL, "e-mail addresses that get a blind copy"}, \
	{"email_status", "EmailStatus", COLUMN_TEXT, 0, W, NULL, "NotSet, NeedToSend or EmailSent", "NotSet NeedToSend EmailSent"}, \
	{"delivery_type", "DeliveryInfo.DeliveryType", COLUMN_TEXT, 0, 0, NULL, "how it was delivered"}, \
	{"delivery_time", "DeliveryInfo.DeliveryTime", COLUMN_TIMESTAMPTZ, 0, 0, NULL, "when it was delivered"}

#define SALES_MEMOS(note) \
	{"print_status", "PrintStatus", COLUMN_TEXT, 0, W, NULL, "NotSet, NeedToPrint or PrintComplete", "NotSet NeedToPrint PrintComplete"}, \
	{"customer_memo", "CustomerMemo.value", COLUMN_TEXT, 1000, W, NULL, "message printed for the customer"}, \
	{"private_note", "PrivateNote", COLUMN_TEXT, 4000, W, NULL, "memo the customer does not see" note}, \
	{"class_id", "ClassRef.value", COLUMN_ID, 0, W, "class", "class"}, \
	{"department_id", "DepartmentRef.value", COLUMN_ID, 0, W, "department", "location"}, \
	{"project_id", "ProjectRef.value", COLUMN_ID, 0, W | F, NULL, "project"}

#define SALES_MONEY(words) \
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, W, NULL, "currency of all amounts"}, \
	{"exchange_rate", "ExchangeRate", COLUMN_NUMERIC, 0, W, NULL, "home currency units per unit of the currency"}, \
	{"global_tax_calculation", "GlobalTaxCalculation", COLUMN_TEXT, 0, W, NULL, "TaxExcluded, TaxInclusive or NotApplicable (outside the US)", "TaxExcluded TaxInclusive NotApplicable"}, \
	{"total_tax", "TxnTaxDetail.TotalTax", COLUMN_NUMERIC, 0, W, NULL, "tax"}, \
	{"tax_code_id", "TxnTaxDetail.TxnTaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "tax code of the whole " words}, \
	{"tax_lines", "TxnTaxDetail.TaxLine", COLUMN_JSONB, 0, W, NULL, "tax by rate"}, \
	{"apply_tax_after_discount", "ApplyTaxAfterDiscount", COLUMN_BOOLEAN, 0, W, NULL, "tax is computed after the discount (US)"}, \
	{"tax_exemption_id", "TaxExemptionRef.value", COLUMN_ID, 0, 0, NULL, "tax exemption"}, \
	{"total_amt", "TotalAmt", COLUMN_NUMERIC, 0, F, NULL, "total with tax"}, \
	{"home_total_amt", "HomeTotalAmt", COLUMN_NUMERIC, 0, 0, NULL, "total in home currency"}

#define SALES_ORIGIN(linked) \
	{"recur_data_id", "RecurDataRef.value", COLUMN_ID, 0, 0, NULL, "recurring transaction it came from"}, \
	{"txn_source", "TxnSource", COLUMN_TEXT, 0, 0, NULL, "where it was made"}, \
	{"linked_txn", "LinkedTxn", COLUMN_JSONB, 0, W, NULL, linked}, \
	{"custom_fields", "CustomField", COLUMN_JSONB, 0, W, NULL, "custom fields by DefinitionId"}

const CatalogueColumn invoice_columns[] = {
	{"doc_number", "DocNumber", COLUMN_TEXT, 21, W | F, NULL, "number people see; not always unique"},
	{"customer_id", "CustomerRef.value", COLUMN_ID, 0, R | F | X, "customer", "customer"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the invoice"},
	{"due_date", "DueDate", COLUMN_DATE, 0, W | F, NULL, "day it is due"},
	{"term_id", "SalesTermRef.value", COLUMN_ID, 0, W | F, "term", "terms of payment"},
	SALES_SHIPPING,
	SALES_EMAIL,
	{"e_invoice_status", "EInvoiceStatus", COLUMN_TEXT, 0, 0, NULL, "Sent, Viewed, Paid, …; seldom present", "Sent Viewed Paid"},
	SALES_MEMOS("; begins with Voided when voided"),
	SALES_MONEY("invoice"),
	{"balance", "Balance", COLUMN_NUMERIC, 0, F, NULL, "still to be paid: total less deposit, payments and credits"},
	{"home_balance", "HomeBalance", COLUMN_NUMERIC, 0, 0, NULL, "balance in home currency"},
	{"deposit", "Deposit", COLUMN_NUMERIC, 0, W, NULL, "deposit already received"},
	{"deposit_to_account_id", "DepositToAccountRef.value", COLUMN_ID, 0, W, "account", "account of the deposit"},
	{"allow_online_credit_card_payment", "AllowOnlineCreditCardPayment", COLUMN_BOOLEAN, 0, W, NULL, "can be paid online by card"},
	{"allow_online_ach_payment", "AllowOnlineACHPayment", COLUMN_BOOLEAN, 0, W, NULL, "can be paid online by bank transfer"},
	{"allow_online_paypal_payment", "AllowOnlinePayPalPayment", COLUMN_BOOLEAN, 0, W, NULL, "can be paid online by PayPal"},
	{"allow_online_affirm_payment", "AllowOnlineAffirmPayment", COLUMN_BOOLEAN, 0, W, NULL, "can be paid online by Affirm"},
	{"invoice_link", "InvoiceLink", COLUMN_TEXT, 0, 0, NULL, "link for the customer, only when asked for"},
	SALES_ORIGIN("estimates, payments, … linked to it"),
	{NULL}
};

/* A quotation: the form of an invoice without money.  The invoices made of it are in linked_txn. */
const CatalogueColumn estimate_columns[] = {
	{"doc_number", "DocNumber", COLUMN_TEXT, 21, W | F, NULL, "number people see; not always unique"},
	{"customer_id", "CustomerRef.value", COLUMN_ID, 0, R | F | X, "customer", "customer"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the estimate"},
	{"txn_status", "TxnStatus", COLUMN_TEXT, 0, W, NULL, "Pending, Accepted, Closed (an invoice was made of it), Rejected or Converted", "Pending Accepted Closed Rejected Converted"},
	{"expiration_date", "ExpirationDate", COLUMN_DATE, 0, W, NULL, "last day on which it holds"},
	{"accepted_by", "AcceptedBy", COLUMN_TEXT, 0, W, NULL, "who accepted it"},
	{"accepted_date", "AcceptedDate", COLUMN_DATE, 0, W, NULL, "day it was accepted"},
	{"due_date", "DueDate", COLUMN_DATE, 0, W | F, NULL, "day it is due; seldom present"},
	{"term_id", "SalesTermRef.value", COLUMN_ID, 0, W | F, "term", "terms of payment"},
	SALES_SHIPPING,
	SALES_EMAIL,
	SALES_MEMOS(""),
	SALES_MONEY("estimate"),
	SALES_ORIGIN("invoices made of it: several with progress invoicing"),
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

const CatalogueLines invoice_lines[] = {
	{"invoice_line", "Line", sales_line_columns, "Lines of QuickBooks invoices, in their order"},
	{NULL}
};

const CatalogueLines estimate_lines[] = {
	{"estimate_line", "Line", sales_line_columns, "Lines of QuickBooks estimates, in their order"},
	{NULL}
};

const CatalogueColumn payment_columns[] = {
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

const CatalogueLines payment_lines[] = {
	{"payment_line", "Line", payment_line_columns, "What QuickBooks payments are applied to"},
	{NULL}
};

const CatalogueColumn credit_memo_columns[] = {
	{"doc_number", "DocNumber", COLUMN_TEXT, 21, W | F, NULL, "number people see; not always unique"},
	{"customer_id", "CustomerRef.value", COLUMN_ID, 0, R | F | X, "customer", "customer"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the credit memo"},
	{"invoice_id", "InvoiceRef.value", COLUMN_ID, 0, W, "invoice", "invoice it is about (countries with GST)"},
	{"term_id", "SalesTermRef.value", COLUMN_ID, 0, W | F, "term", "terms of payment"},
	SALES_SHIPPING,
	SALES_EMAIL,
	SALES_MEMOS("; begins with Voided when voided"),
	{"payment_method_id", "PaymentMethodRef.value", COLUMN_ID, 0, 0, "payment_method", "way of payment"},
	SALES_MONEY("credit memo"),
	{"balance", "Balance", COLUMN_NUMERIC, 0, F, NULL, "part not applied yet"},
	{"home_balance", "HomeBalance", COLUMN_NUMERIC, 0, 0, NULL, "balance in home currency"},
	{"remaining_credit", "RemainingCredit", COLUMN_NUMERIC, 0, 0, NULL, "credit that is left"},
	SALES_ORIGIN("transactions linked to it"),
	{NULL}
};

const CatalogueColumn sales_receipt_columns[] = {
	{"doc_number", "DocNumber", COLUMN_TEXT, 21, W | F, NULL, "number people see; not always unique"},
	{"customer_id", "CustomerRef.value", COLUMN_ID, 0, W | F | X, "customer", "customer; null where QuickBooks asked for none"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the sale"},
	{"payment_method_id", "PaymentMethodRef.value", COLUMN_ID, 0, W, "payment_method", "way of payment"},
	{"payment_ref_num", "PaymentRefNum", COLUMN_TEXT, 21, W, NULL, "reference, such as a cheque number"},
	{"payment_type", "PaymentType", COLUMN_TEXT, 0, W, NULL, "kind of payment"},
	{"deposit_to_account_id", "DepositToAccountRef.value", COLUMN_ID, 0, W, "account", "account the money went to"},
	SALES_SHIPPING,
	SALES_EMAIL,
	SALES_MEMOS("; begins with Voided when voided"),
	SALES_MONEY("receipt"),
	{"balance", "Balance", COLUMN_NUMERIC, 0, F, NULL, "0: it was paid on the spot"},
	SALES_ORIGIN("transactions linked to it"),
	{NULL}
};

const CatalogueColumn refund_receipt_columns[] = {
	{"doc_number", "DocNumber", COLUMN_TEXT, 21, W | F, NULL, "number people see; not always unique"},
	{"customer_id", "CustomerRef.value", COLUMN_ID, 0, W | F | X, "customer", "customer; null where QuickBooks asked for none"},
	{"txn_date", "TxnDate", COLUMN_DATE, 0, W | F, NULL, "day of the refund"},
	{"payment_method_id", "PaymentMethodRef.value", COLUMN_ID, 0, W, "payment_method", "way of payment"},
	{"payment_ref_num", "PaymentRefNum", COLUMN_TEXT, 21, W, NULL, "reference, such as a cheque number"},
	{"payment_type", "PaymentType", COLUMN_TEXT, 0, W | F, NULL, "Cash, Check, CreditCard or Other", "Cash Check CreditCard Other"},
	{"deposit_to_account_id", "DepositToAccountRef.value", COLUMN_ID, 0, R, "account", "account the money came from"},
	SALES_SHIPPING,
	SALES_EMAIL,
	SALES_MEMOS("; begins with Voided when voided"),
	SALES_MONEY("refund"),
	{"balance", "Balance", COLUMN_NUMERIC, 0, F, NULL, "0: it was paid on the spot"},
	SALES_ORIGIN("transactions linked to it"),
	{NULL}
};

const CatalogueLines credit_memo_lines[] = {
	{"credit_memo_line", "Line", sales_line_columns, "Lines of QuickBooks credit memos, in their order"},
	{NULL}
};

const CatalogueLines sales_receipt_lines[] = {
	{"sales_receipt_line", "Line", sales_line_columns, "Lines of QuickBooks sales receipts, in their order"},
	{NULL}
};

const CatalogueLines refund_receipt_lines[] = {
	{"refund_receipt_line", "Line", sales_line_columns, "Lines of QuickBooks refund receipts, in their order"},
	{NULL}
};
