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
	{NULL}
};
