/*
 * catalogue_lists.c
 *		The entity catalogue: lists that documents choose from.  See catalogue.c.
 */
#include "postgres.h"

#include "quickbooks/catalogue_tables.h"

const CatalogueColumn term_columns[] = {
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

const CatalogueColumn item_columns[] = {
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
	{"custom_fields", "CustomField", COLUMN_JSONB, 0, 0, NULL, "custom fields, which need the setting custom_fields"},
	{NULL}
};

const CatalogueColumn account_columns[] = {
	{"name", "Name", COLUMN_TEXT, 100, R | F, NULL, "name of the account"},
	{"acct_num", "AcctNum", COLUMN_TEXT, 20, W, NULL, "number of the account; 7 characters in the US, UK and India"},
	{"account_type", "AccountType", COLUMN_TEXT, 0, W | F, NULL, "Bank, Accounts Receivable, Income, Expense, …"},
	{"account_sub_type", "AccountSubType", COLUMN_TEXT, 0, W | F, NULL, "Checking, SalesOfProductIncome, UndepositedFunds, …"},
	{"classification", "Classification", COLUMN_TEXT, 0, F, NULL, "Asset, Equity, Expense, Liability or Revenue", "Asset Equity Expense Liability Revenue"},
	{"sub_account", "SubAccount", COLUMN_BOOLEAN, 0, W, NULL, "is below another account"},
	{"parent_id", "ParentRef.value", COLUMN_ID, 0, W, "account", "account it is below"},
	{"fully_qualified_name", "FullyQualifiedName", COLUMN_TEXT, 0, F, NULL, "name with its parents, separated by colons"},
	{"active", "Active", COLUMN_BOOLEAN, 0, W | F, NULL, "false: made inactive in QuickBooks"},
	{"description", "Description", COLUMN_TEXT, 100, W, NULL, "description"},
	{"current_balance", "CurrentBalance", COLUMN_NUMERIC, 0, F, NULL, "balance without accounts below it"},
	{"current_balance_with_sub_accounts", "CurrentBalanceWithSubAccounts", COLUMN_NUMERIC, 0, F, NULL, "balance with accounts below it"},
	{"currency", "CurrencyRef.value", COLUMN_ID, 0, C, NULL, "currency of the account"},
	{"tax_code_id", "TaxCodeRef.value", COLUMN_ID, 0, W, "tax_code", "default tax code (outside the US)"},
	{"account_alias", "AccountAlias", COLUMN_TEXT, 100, W, NULL, "name of a technical account (France)"},
	{"txn_location_type", "TxnLocationType", COLUMN_TEXT, 0, W, NULL, "place of transactions (France)"},
	{NULL}
};

const CatalogueColumn class_columns[] = {
	{"name", "Name", COLUMN_TEXT, 100, R | F, NULL, "name of the class"},
	{"sub_class", "SubClass", COLUMN_BOOLEAN, 0, W, NULL, "is below another class"},
	{"parent_id", "ParentRef.value", COLUMN_ID, 0, W, "class", "class it is below"},
	{"fully_qualified_name", "FullyQualifiedName", COLUMN_TEXT, 0, F, NULL, "name with its parents, separated by colons"},
	{"active", "Active", COLUMN_BOOLEAN, 0, W | F, NULL, "false: made inactive in QuickBooks"},
	{NULL}
};

const CatalogueColumn department_columns[] = {
	{"name", "Name", COLUMN_TEXT, 100, R | F, NULL, "name of the location"},
	{"sub_department", "SubDepartment", COLUMN_BOOLEAN, 0, W, NULL, "is below another location"},
	{"parent_id", "ParentRef.value", COLUMN_ID, 0, W, "department", "location it is below"},
	{"fully_qualified_name", "FullyQualifiedName", COLUMN_TEXT, 0, F, NULL, "name with its parents, separated by colons"},
	{"active", "Active", COLUMN_BOOLEAN, 0, W | F, NULL, "false: made inactive in QuickBooks"},
	ADDRESS("address", "Address", "address", W),
	{NULL}
};

const CatalogueColumn payment_method_columns[] = {
	{"name", "Name", COLUMN_TEXT, 31, R | F, NULL, "name of the way of payment"},
	{"type", "Type", COLUMN_TEXT, 0, W, NULL, "CREDIT_CARD or NON_CREDIT_CARD", "CREDIT_CARD NON_CREDIT_CARD"},
	{"active", "Active", COLUMN_BOOLEAN, 0, W | F, NULL, "false: made inactive in QuickBooks"},
	{NULL}
};

const CatalogueColumn customer_type_columns[] = {
	{"name", "Name", COLUMN_TEXT, 0, 0, NULL, "name of the type of customers"},
	{"active", "Active", COLUMN_BOOLEAN, 0, F, NULL, "false: made inactive in QuickBooks"},
	{NULL}
};

const CatalogueColumn company_currency_columns[] = {
	{"code", "Code", COLUMN_ID, 3, R | C, NULL, "currency, such as EUR"},
	{"name", "Name", COLUMN_TEXT, 0, 0, NULL, "name of the currency"},
	{"active", "Active", COLUMN_BOOLEAN, 0, W | F, NULL, "false: no longer in use"},
	{NULL}
};

/* Known by currency and day, not by an Id. */
const CatalogueColumn exchange_rate_columns[] = {
	{"source_currency", "SourceCurrencyCode", COLUMN_ID, 3, R | F, NULL, "currency of which one unit is worth rate"},
	{"target_currency", "TargetCurrencyCode", COLUMN_ID, 3, W, NULL, "currency of the books"},
	{"as_of_date", "AsOfDate", COLUMN_DATE, 0, W | F | X, NULL, "day of the rate"},
	{"rate", "Rate", COLUMN_NUMERIC, 0, R, NULL, "units of target_currency for one of source_currency"},
	{NULL}
};

const CatalogueColumn tax_agency_columns[] = {
	{"display_name", "DisplayName", COLUMN_TEXT, 100, R, NULL, "name of the agency"},
	{"tax_tracked_on_sales", "TaxTrackedOnSales", COLUMN_BOOLEAN, 0, W, NULL, "its tax is charged on sales"},
	{"tax_tracked_on_purchases", "TaxTrackedOnPurchases", COLUMN_BOOLEAN, 0, W, NULL, "its tax is paid on purchases"},
	{"tax_registration_number", "TaxRegistrationNumber", COLUMN_TEXT, 0, W, NULL, "the company's number there"},
	{"last_file_date", "LastFileDate", COLUMN_DATE, 0, 0, NULL, "day of the last return"},
	{"tax_agency_config", "TaxAgencyConfig", COLUMN_TEXT, 0, 0, NULL, "who set it up: USER_DEFINED or SYSTEM_GENERATED", "USER_DEFINED SYSTEM_GENERATED"},
	{NULL}
};

const CatalogueColumn tax_rate_columns[] = {
	{"name", "Name", COLUMN_TEXT, 100, F, NULL, "name of the rate"},
	{"description", "Description", COLUMN_TEXT, 100, F, NULL, "description"},
	{"active", "Active", COLUMN_BOOLEAN, 0, F, NULL, "false: made inactive in QuickBooks"},
	{"rate_value", "RateValue", COLUMN_NUMERIC, 0, 0, NULL, "rate in percent now; by day see tax_rate_period"},
	{"agency_id", "AgencyRef.value", COLUMN_ID, 0, F, "tax_agency", "agency that gets the tax"},
	{"special_tax_type", "SpecialTaxType", COLUMN_TEXT, 0, 0, NULL, "NONE, ZERO_RATE, FOREIGN_TAX, REVERSE_CHARGE or ADJUSTMENT_RATE", "NONE ZERO_RATE FOREIGN_TAX REVERSE_CHARGE ADJUSTMENT_RATE"},
	{"display_type", "DisplayType", COLUMN_TEXT, 0, 0, NULL, "ReadOnly, HideInTransactionForms, HideInPrintedForms or HideInAll", "ReadOnly HideInTransactionForms HideInPrintedForms HideInAll"},
	{"tax_return_line_id", "TaxReturnLineRef.value", COLUMN_ID, 0, 0, NULL, "line of the tax return"},
	{"original_tax_rate", "OriginalTaxRate", COLUMN_ID, 0, 0, "tax_rate", "rate it replaces"},
	{NULL}
};

static const CatalogueColumn tax_rate_period_columns[] = {
	{"rate_value", "RateValue", COLUMN_NUMERIC, 0, 0, NULL, "rate in percent"},
	{"effective_date", "EffectiveDate", COLUMN_DATE, 0, 0, NULL, "first day"},
	{"end_date", "EndDate", COLUMN_DATE, 0, 0, NULL, "last day; null: still in force"},
	{NULL}
};

const CatalogueLines tax_rate_lines[] = {
	{"tax_rate_period", "EffectiveTaxRate", tax_rate_period_columns, "From when to when a QuickBooks tax rate has which value"},
	{NULL}
};

const CatalogueColumn tax_code_columns[] = {
	{"name", "Name", COLUMN_TEXT, 100, F, NULL, "name of the tax code"},
	{"description", "Description", COLUMN_TEXT, 100, F, NULL, "description"},
	{"active", "Active", COLUMN_BOOLEAN, 0, F, NULL, "false: made inactive in QuickBooks"},
	{"taxable", "Taxable", COLUMN_BOOLEAN, 0, 0, NULL, "false: no tax"},
	{"tax_group", "TaxGroup", COLUMN_BOOLEAN, 0, 0, NULL, "made of rates; false: one of the US marks TAX and NON"},
	{"hidden", "Hidden", COLUMN_BOOLEAN, 0, 0, NULL, "not offered for new transactions"},
	{"tax_code_config_type", "TaxCodeConfigType", COLUMN_TEXT, 0, 0, NULL, "who set it up: USER_DEFINED or SYSTEM_GENERATED", "USER_DEFINED SYSTEM_GENERATED"},
	{NULL}
};

static const CatalogueColumn tax_code_rate_columns[] = {
	{"tax_rate_id", "TaxRateRef.value", COLUMN_ID, 0, 0, "tax_rate", "rate"},
	{"tax_type_applicable", "TaxTypeApplicable", COLUMN_TEXT, 0, 0, NULL, "TaxOnAmount, TaxOnAmountPlusTax (compound) or TaxOnTax", "TaxOnAmount TaxOnAmountPlusTax TaxOnTax"},
	{"tax_order", "TaxOrder", COLUMN_INTEGER, 0, 0, NULL, "order in which rates are computed, 0-based"},
	{NULL}
};

const CatalogueLines tax_code_lines[] = {
	{"tax_code_sales_rate", "SalesTaxRateList.TaxRateDetail", tax_code_rate_columns, "Rates of QuickBooks tax codes on sales; none: not for sales"},
	{"tax_code_purchase_rate", "PurchaseTaxRateList.TaxRateDetail", tax_code_rate_columns, "Rates of QuickBooks tax codes on purchases; none: not for purchases"},
	{NULL}
};
