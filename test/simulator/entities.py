"""The entity table: every entity in one row with its fields.

One row describes all that the generic code needs: reads, queries, CDC,
validation and sparse updates work from it.  `rules` names what computes its
values and its effects on others ("sales.INVOICE": the Rules in sales.py).  To add
an entity, add a row to ENTITIES here, and its rules where it can be written.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import Decimal

from fields import *        # noqa: F403

# Members every entity has; all but Id and SyncToken are ignored on input.
COMMON = {"Id": S(19, "f"), "SyncToken": S(20), "MetaData": ANY(), "domain": ANY(),
          "status": ANY(), "sparse": B()}


@dataclass(frozen=True)
class Entity:
    name: str
    fields: dict
    family: str = ""                # ids are drawn from one sequence per family
    long_ids: bool = False          # ids of 19 digits, as some lists have them
    key: tuple = ()                 # the members that identify it, where it has no Id
    name_list: bool = False         # has Active; inactive ones are hidden from queries
    unique: str = ""                # names are unique within this group
    deletable: bool = False
    singleton: bool = False
    cdc: bool = True
    rules: str = ""                 # "module.NAME" of its Rules; without: it cannot be written
    dotted: tuple = ()              # filterable paths into a list of objects

    @functools.cached_property
    def required(self) -> list:
        return [name for name, spec in self.fields.items() if "!" in spec.flags]

    @functools.cached_property
    def references(self) -> list:
        return [name for name, spec in self.fields.items() if spec.kind == "ref"]

    @functools.cached_property
    def path(self) -> str:
        return self.name.lower()

    def get(self, name: str) -> Field | None:
        return self.fields.get(name) or COMMON.get(name)

    def id_of(self, obj: dict) -> str:
        """What identifies an object in its table."""
        return " ".join(obj[name] for name in self.key) if self.key else obj["Id"]


CUSTOMER = Entity("Customer", rules="names.CUSTOMER", family="Customer", name_list=True, unique="Name", fields={
    "DisplayName": S(500, "fs", "name"), "Title": S(16, form="name"), "Suffix": S(16, form="name"),
    "GivenName": S(100, "f", "name"), "MiddleName": S(100, "f", "name"),
    "FamilyName": S(100, "f", "name"), "CompanyName": S(100, "f"),
    "PrintOnCheckName": S(110, "f"), "FullyQualifiedName": S(5000, "rf"),
    "Level": I(0, 5, "r"), "Job": B(), "ParentRef": REF("Customer"), "BillWithParent": B(),
    "IsProject": B("r"), "ClientEntityId": S(30, "r"), "Active": B("f"),
    "PrimaryEmailAddr": EMAIL(100, "f"), "PrimaryPhone": PHONE(), "AlternatePhone": PHONE(),
    "Mobile": PHONE(), "Fax": PHONE(), "WebAddr": URL, "BillAddr": ADDRESS, "ShipAddr": ADDRESS,
    "Notes": S(2000), "Taxable": B("f"), "DefaultTaxCodeRef": REF("TaxCode"),
    "TaxExemptionReasonId": Field("any", ""), "ResaleNum": S(16),
    "PrimaryTaxIdentifier": S(50), "SecondaryTaxIdentifier": S(50),
    "BusinessNumber": S(10), "GSTIN": S(15), "GSTRegistrationType": S(15),
    "CurrencyRef": REF("Currency", "c"), "SalesTermRef": REF("Term"),
    "PaymentMethodRef": REF("PaymentMethod"), "PreferredDeliveryMethod": ENUM("Print Email None"),
    "CustomerTypeRef": REF("CustomerType"), "ARAccountRef": REF("Account"),
    "Balance": N("cfs"), "OpenBalanceDate": DATE("c"), "BalanceWithJobs": N("rs"),
    "Source": S(50, "r"), "V4IDPseudonym": S(100, "r"), "TaxFormType": ANY(), "CustomField": ANY()})

VENDOR = Entity("Vendor", rules="names.VENDOR", family="Vendor", name_list=True, unique="Name", fields={
    "DisplayName": S(500, "fs", "name"), "Title": S(16, form="name"), "Suffix": S(16, "f", "name"),
    "GivenName": S(100, "f", "name"), "MiddleName": S(100, "f", "name"),
    "FamilyName": S(100, "f", "name"), "CompanyName": S(100, "f"), "PrintOnCheckName": S(100, "f"),
    "Active": B("f"), "PrimaryEmailAddr": EMAIL(100, "f"), "PrimaryPhone": PHONE(),
    "AlternatePhone": PHONE(), "Mobile": PHONE(), "Fax": PHONE(), "WebAddr": URL, "BillAddr": ADDRESS,
    "AcctNum": S(100), "TaxIdentifier": S(20), "Vendor1099": B(), "TermRef": REF("Term"),
    "CurrencyRef": REF("Currency", "c"), "BillRate": N(), "CostRate": N(), "Balance": N("rf"),
    "T4AEligible": B(), "T5018Eligible": B(), "OtherContactInfo": ANY(), "Source": S(50, "r"),
    "APAccountRef": REF("Account"), "HasTPAR": B(), "VendorPaymentBankDetail": ANY(), "TaxReportingBasis": S(50),
    "GSTIN": S(15), "GSTRegistrationType": S(15), "BusinessNumber": S(10),
    "V4IDPseudonym": S(100, "r")})

EMPLOYEE = Entity("Employee", rules="names.EMPLOYEE", family="Employee", name_list=True, unique="Name", fields={
    "DisplayName": S(500, "fs", "name"), "Title": S(16, form="name"), "Suffix": S(16, "f", "name"),
    "GivenName": S(100, "f", "name"), "MiddleName": S(100, "f", "name"),
    "FamilyName": S(100, "f", "name"), "PrintOnCheckName": S(110, "f"), "Active": B("f"),
    "PrimaryEmailAddr": EMAIL(100), "PrimaryPhone": PHONE(20), "Mobile": PHONE(20),
    "PrimaryAddr": ADDRESS, "SSN": S(100), "BirthDate": DATE(), "Gender": ENUM("Male Female"),
    "HiredDate": DATE(), "ReleasedDate": DATE(), "BillableTime": B(), "BillRate": N(), "CostRate": N(),
    "EmployeeNumber": S(100), "Organization": B(), "V4IDPseudonym": S(100, "r")})

INVOICE = Entity("Invoice", rules="sales.INVOICE", family="Txn", deletable=True, fields={
    "CustomerRef": REF("Customer", "!f"), "Line": LIST(SALES_LINE, "!"),
    "DocNumber": S(21, "fs"), "TxnDate": DATE("fs"), "DueDate": DATE("fs"),
    "SalesTermRef": REF("Term", "f"), "ShipDate": DATE(), "ShipMethodRef": REF("free"),
    "TrackingNum": S(500), "ShipAddr": ADDRESS, "BillAddr": ADDRESS, "ShipFromAddr": ADDRESS,
    "FreeFormAddress": B("r"), "BillEmail": EMAIL(100), "BillEmailCc": EMAIL(200),
    "BillEmailBcc": EMAIL(200), "EmailStatus": ENUM("NotSet NeedToSend EmailSent"),
    "PrintStatus": ENUM("NotSet NeedToPrint PrintComplete"), "DeliveryInfo": ANY(),
    "CustomerMemo": MEMO, "PrivateNote": S(4000), "CustomField": CUSTOM_FIELD,
    "ClassRef": REF("Class"), "DepartmentRef": REF("Department"),
    "ProjectRef": REF("Customer", "f"), "CurrencyRef": REF("Currency"),
    "ExchangeRate": N(), "GlobalTaxCalculation": ENUM("TaxExcluded TaxInclusive NotApplicable"),
    "TxnTaxDetail": TAX_DETAIL, "ApplyTaxAfterDiscount": B(), "TotalAmt": N("rf"),
    "HomeTotalAmt": N("r"), "HomeBalance": N("r"), "Balance": N("rfs"), "Deposit": N(low=0),
    "DepositToAccountRef": REF("Account"), "LinkedTxn": LIST(LINKED),
    "AllowOnlineCreditCardPayment": B(), "AllowOnlineACHPayment": B(),
    "AllowOnlinePayPalPayment": B(), "AllowOnlineAffirmPayment": B(),
    "AllowOnlinePayment": B("r"), "AllowIPNPayment": B("r"), "InvoiceLink": ANY(),
    "EInvoiceStatus": ANY(), "RecurDataRef": ANY(), "TaxExemptionRef": ANY(), "TxnSource": ANY()})

ESTIMATE = Entity("Estimate", rules="sales.ESTIMATE", family="Txn", deletable=True, fields={
    "CustomerRef": REF("Customer", "!f"), "Line": LIST(SALES_LINE, "!"),
    "DocNumber": S(21, "fs"), "TxnDate": DATE("fs"), "DueDate": DATE("fs"),
    "TxnStatus": ENUM("Pending Accepted Closed Rejected Converted"), "ExpirationDate": DATE(),
    "AcceptedBy": S(500), "AcceptedDate": DATE()} | {
        name: INVOICE.fields[name] for name in (
            "SalesTermRef", "ShipDate", "ShipMethodRef", "TrackingNum", "ShipAddr", "BillAddr", "ShipFromAddr",
            "FreeFormAddress", "BillEmail", "BillEmailCc", "BillEmailBcc", "EmailStatus", "PrintStatus", "DeliveryInfo",
            "CustomerMemo", "PrivateNote", "CustomField", "ClassRef", "DepartmentRef", "ProjectRef", "CurrencyRef",
            "ExchangeRate", "GlobalTaxCalculation", "TxnTaxDetail", "ApplyTaxAfterDiscount", "TotalAmt", "HomeTotalAmt",
            "LinkedTxn", "RecurDataRef", "TaxExemptionRef", "TxnSource")})

PAYMENT = Entity("Payment", rules="payments.PAYMENT", family="Txn", deletable=True, fields={
    "CustomerRef": REF("Customer", "!f"), "TotalAmt": N("!f", low=0), "UnappliedAmt": N("r"),
    "Line": LIST(PAYMENT_LINE), "TxnDate": DATE("fs"), "PaymentMethodRef": REF("PaymentMethod", "f"),
    "PaymentRefNum": S(21, "f"), "DepositToAccountRef": REF("Account"),
    "ARAccountRef": REF("Account"), "CurrencyRef": REF("Currency"), "ExchangeRate": N(),
    "ProcessPayment": B(), "CreditCardPayment": ANY(""), "PrivateNote": S(4000),
    "LinkedTxn": ANY(), "TxnSource": ANY(), "ProjectRef": REF("Customer", "f"),
    "TaxExemptionRef": ANY()})

ITEM = Entity("Item", rules="names.ITEM", family="Item", name_list=True, unique="Item", fields={
    "Name": S(100, "!fs", "name"), "Type": ENUM("Service NonInventory Inventory Category Group", "!fs"),
    "SubItem": B("f"), "ParentRef": REF("Item"), "Level": I(0, 5, "r"),
    "FullyQualifiedName": S(1000, "rf"), "Active": B("f"), "Sku": S(100, "f"),
    "Description": S(4000), "PurchaseDesc": S(1000),
    "UnitPrice": N("s", high=Decimal(99999999999)), "PurchaseCost": N("s", high=Decimal(99999999999)),
    "IncomeAccountRef": REF("Account"), "ExpenseAccountRef": REF("Account"),
    "AssetAccountRef": REF("Account"), "QtyOnHand": N(), "InvStartDate": DATE(),
    "TrackQtyOnHand": B(), "Taxable": B("f"), "SalesTaxIncluded": B(),
    "SalesTaxCodeRef": REF("TaxCode"), "PurchaseTaxIncluded": B(), "PurchaseTaxCodeRef": REF("TaxCode"),
    "TaxClassificationRef": ANY(), "ItemCategoryType": ENUM("Product Service"),
    "PrefVendorRef": REF("Vendor"), "ClassRef": REF("Class"), "ReorderPoint": N(),
    "ItemGroupDetail": OBJ({"ItemGroupLine": LIST({"ItemRef": REF("Item"), "Qty": N()})}), "PrintGroupedItems": B()})

TERM = Entity("Term", rules="names.TERM", family="Term", name_list=True, unique="Term", fields={
    "Name": S(31, "!fs", "name"), "Active": B("f"), "Type": S(30, "rs"), "DueDays": I(0, 999),
    "DiscountPercent": N(low=0, high=100), "DiscountDays": I(0, 999), "DayOfMonthDue": I(1, 31),
    "DueNextMonthDays": I(0, 999), "DiscountDayOfMonth": I(1, 31)})

COMPANY_INFO = Entity("CompanyInfo", rules="names.COMPANY", family="CompanyInfo", singleton=True, cdc=False, fields={
    "CompanyName": S(1024), "LegalName": S(1024), "CompanyAddr": ADDRESS, "LegalAddr": ADDRESS,
    "CustomerCommunicationAddr": ADDRESS, "CustomerCommunicationEmailAddr": EMAIL(100),
    "Email": EMAIL(100), "WebAddr": URL, "PrimaryPhone": PHONE(), "Country": S(50, "r"),
    "SupportedLanguages": S(100, "r"), "FiscalYearStartMonth": ENUM(
        "January February March April May June July August September October November December"),
    "CompanyStartDate": ANY(), "EmployerId": S(30), "DefaultTimeZone": S(50, "r"),
    "NameValue": ANY()})

PREFERENCES = Entity("Preferences", rules="names.COMPANY", family="Preferences", singleton=True, cdc=False, fields={
    name: Field("any", "") for name in (
        "AccountingInfoPrefs", "ProductAndServicesPrefs", "SalesFormsPrefs", "EmailMessagesPrefs",
        "VendorAndPurchasesPrefs", "TimeTrackingPrefs", "TaxPrefs", "CurrencyPrefs", "ReportPrefs",
        "OtherPrefs")})

# -- Further sales --------------------------------------------------------------

_SALE = {name: spec for name, spec in ESTIMATE.fields.items() if name not in (
    "DueDate", "TxnStatus", "ExpirationDate", "AcceptedBy", "AcceptedDate", "LinkedTxn", "TotalAmt", "SalesTermRef")}
_SALE |= {"DocNumber": S(21, "f"), "TxnDate": DATE("f"), "TotalAmt": N("rf"), "Balance": N("rf")}
_PAID = {"PaymentMethodRef": REF("PaymentMethod"), "PaymentRefNum": S(21), "DepositToAccountRef": REF("Account"),
         "CheckPayment": ANY(""), "CreditCardPayment": ANY(""), "TxnSource": ANY()}

CREDIT_MEMO = Entity("CreditMemo", rules="sales.CREDIT_MEMO", family="Txn", deletable=True, fields=_SALE | {
    "SalesTermRef": REF("Term", "f"), "RemainingCredit": N("r"), "HomeBalance": N("r"),
    "InvoiceRef": REF("Invoice"), "PaymentMethodRef": REF("PaymentMethod", "r"), "LinkedTxn": ANY()})

SALES_RECEIPT = Entity("SalesReceipt", rules="sales.SALES_RECEIPT", family="Txn", deletable=True, fields=_SALE | _PAID | {
    "CustomerRef": REF("Customer", "f"), "PaymentType": S(30), "LinkedTxn": LIST(LINKED)})

REFUND_RECEIPT = Entity("RefundReceipt", rules="sales.REFUND_RECEIPT", family="Txn", deletable=True, fields=_SALE | _PAID | {
    "CustomerRef": REF("Customer", "f"), "TotalAmt": N("r"), "DepositToAccountRef": REF("Account", "!"),
    "PaymentType": ENUM("Cash Check CreditCard Other", "f"), "LinkedTxn": ANY()})

# -- Purchases ------------------------------------------------------------------

_PURCHASE = {"TxnDate": DATE("f"), "PrivateNote": S(4000), "DepartmentRef": REF("Department"),
             "CurrencyRef": REF("Currency"), "ExchangeRate": N(low=0), "TotalAmt": N("rf"), "HomeTotalAmt": N("r"),
             "GlobalTaxCalculation": ENUM("TaxExcluded TaxInclusive NotApplicable"), "TxnTaxDetail": TAX_DETAIL,
             "TransactionLocationType": ANY(), "RecurDataRef": ANY(), "TxnSource": ANY()}
_VENDOR_TXN = {"VendorRef": REF("Vendor", "!f"), "Line": LIST(EXPENSE_LINE, "!"), "DocNumber": S(21, "f"),
               "APAccountRef": REF("Account", "f"), "VendorAddr": ADDRESS} | _PURCHASE

BILL = Entity("Bill", rules="purchases.BILL", family="Txn", deletable=True, fields=_VENDOR_TXN | {
    "DueDate": DATE("f"), "SalesTermRef": REF("Term", "f"), "Balance": N("rf"), "HomeBalance": N("r"),
    "LinkedTxn": LIST(LINKED)})

BILL_PAYMENT = Entity("BillPayment", rules="payments.BILL_PAYMENT", family="Txn", deletable=True, fields=_PURCHASE | {
    "VendorRef": REF("Vendor", "!f"), "TotalAmt": N("!f", low=0), "PayType": ENUM("Check CreditCard", "!"),
    "Line": LIST(PAYMENT_LINE, "!"), "DocNumber": S(21, "f"), "APAccountRef": REF("Account", "f"),
    "CheckPayment": OBJ({"BankAccountRef": REF("Account", "!"),
                         "PrintStatus": ENUM("NotSet NeedToPrint PrintComplete")}),
    "CreditCardPayment": OBJ({"CCAccountRef": REF("Account", "!")}), "ProcessBillPayment": B(), "LinkedTxn": ANY()})

VENDOR_CREDIT = Entity("VendorCredit", rules="purchases.VENDOR_CREDIT", family="Txn", deletable=True, fields=_VENDOR_TXN | {
    "VendorRef": REF("Vendor", "!"), "Balance": N("r"), "LinkedTxn": ANY()})

PURCHASE_ORDER = Entity("PurchaseOrder", rules="purchases.PURCHASE_ORDER", family="Txn", deletable=True, fields=_VENDOR_TXN | {
    "VendorRef": REF("Vendor", "!"), "APAccountRef": REF("Account", "!"), "DueDate": DATE("f"),
    "TotalAmt": N("r"), "POStatus": ENUM("Open Closed"), "POEmail": EMAIL(100), "SalesTermRef": REF("Term"),
    "EmailStatus": ENUM("NotSet NeedToSend EmailSent"), "Memo": S(4000), "ShipTo": REF("Customer"),
    "ShipAddr": ADDRESS, "ShipMethodRef": REF("free"), "ClassRef": REF("Class"), "CustomField": CUSTOM_FIELD,
    "LinkedTxn": ANY()})

PURCHASE = Entity("Purchase", rules="purchases.PURCHASE", family="Txn", deletable=True, fields=_PURCHASE | {
    "PaymentType": ENUM("Cash Check CreditCard", "!f"), "AccountRef": REF("Account", "!f"),
    "Line": LIST(EXPENSE_LINE, "!"), "EntityRef": ENTITY_REF, "Credit": B(), "DocNumber": S(21, "f"),
    "PaymentMethodRef": REF("PaymentMethod"), "PrintStatus": ENUM("NotSet NeedToPrint PrintComplete"),
    "RemitToAddr": ADDRESS, "CustomField": ANY(), "LinkedTxn": ANY()})

# -- Books ----------------------------------------------------------------------

JOURNAL_ENTRY = Entity("JournalEntry", rules="books.JOURNAL_ENTRY", family="Txn", deletable=True, fields=_PURCHASE | {
    "Line": LIST(JOURNAL_LINE, "!"), "DocNumber": S(21, "f"), "Adjustment": B(), "TotalAmt": N("r"),
    "LinkedTxn": ANY(), "TaxRateRef": ANY()})

DEPOSIT = Entity("Deposit", rules="books.DEPOSIT", family="Txn", deletable=True, fields=_PURCHASE | {
    "DepositToAccountRef": REF("Account", "!"), "Line": LIST(DEPOSIT_LINE, "!"), "TotalAmt": N("r"),
    "CashBack": OBJ({"AccountRef": REF("Account", "!"), "Amount": N("!", low=0), "Memo": S(4000)})})

TRANSFER = Entity("Transfer", rules="books.TRANSFER", family="Txn", deletable=True, fields={
    "FromAccountRef": REF("Account", "!"), "ToAccountRef": REF("Account", "!"), "Amount": N("!", low=0),
    "TxnDate": DATE("f"), "PrivateNote": S(4000), "CurrencyRef": REF("Currency"), "ExchangeRate": N(low=0),
    "TransactionLocationType": ANY(), "RecurDataRef": ANY()})

TIME_ACTIVITY = Entity("TimeActivity", rules="activities.TIME_ACTIVITY", family="TimeActivity", deletable=True, cdc=False, fields={
    "NameOf": ENUM("Employee Vendor", "!"), "EmployeeRef": REF("Employee"), "VendorRef": REF("Vendor"),
    "TxnDate": DATE("f"), "Hours": I(0, 8760), "Minutes": I(0, 59), "StartTime": S(40), "EndTime": S(40),
    "BreakHours": I(0, 8760), "BreakMinutes": I(0, 59),
    "BillableStatus": Field("enum", "f", values=BILLABLE.values), "HourlyRate": N(low=0), "CostRate": N(low=0),
    "CustomerRef": REF("Customer"), "ProjectRef": REF("Customer", "f"), "ItemRef": REF("Item"),
    "ClassRef": REF("Class"), "DepartmentRef": REF("Department"), "Description": S(4000), "Taxable": B(),
    "PayrollItemRef": ANY(), "TransactionLocationType": ANY()})

ATTACHABLE = Entity("Attachable", rules="activities.ATTACHABLE", family="Attachable", long_ids=True, deletable=True, fields={
    "FileName": S(1000, "f"), "Note": S(2000, "f"), "Category": S(100, "f"), "ContentType": S(100, "f"),
    "Size": N("f", low=0), "Tag": S(2000, "f"), "PlaceName": S(2000, "f"), "Lat": S(100, "f"), "Long": S(100, "f"),
    "AttachableRef": LIST({"EntityRef": ENTITY_REF, "IncludeOnSend": B(), "LineInfo": S(100), "NoRefOnly": ANY(),
                           "Inactive": ANY(), "CustomField": ANY()}),
    "FileAccessUri": ANY(), "TempDownloadUri": ANY(), "ThumbnailFileAccessUri": ANY(),
    "ThumbnailTempDownloadUri": ANY(), "CustomField": ANY()},
    dotted=(("AttachableRef", "EntityRef", "type"), ("AttachableRef", "EntityRef", "value")))

# -- Lists ----------------------------------------------------------------------

ACCOUNT_TYPES = {
    "Bank": "Asset", "Accounts Receivable": "Asset", "Other Current Asset": "Asset", "Fixed Asset": "Asset",
    "Other Asset": "Asset", "Accounts Payable": "Liability", "Credit Card": "Liability",
    "Other Current Liability": "Liability", "Long Term Liability": "Liability", "Equity": "Equity",
    "Income": "Revenue", "Cost of Goods Sold": "Expense", "Expense": "Expense", "Other Income": "Revenue",
    "Other Expense": "Expense", "Non-Posting": ""}

ACCOUNT = Entity("Account", rules="lists.ACCOUNT", family="Account", name_list=True, unique="Account", fields={
    "Name": S(100, "!f", "account"), "AcctNum": S(20), "AccountType": Field("enum", "f", values=tuple(ACCOUNT_TYPES)),
    "AccountSubType": S(100, "f"), "Classification": S(30, "rf"), "SubAccount": B(), "ParentRef": REF("Account"),
    "FullyQualifiedName": S(1000, "rf"), "CurrentBalance": N("rf"), "CurrentBalanceWithSubAccounts": N("rf"),
    "Description": S(100), "Active": B("f"), "CurrencyRef": REF("Currency", "c"), "TaxCodeRef": REF("TaxCode"),
    "AccountAlias": S(100), "TxnLocationType": ANY()})

CLASS = Entity("Class", rules="lists.CLASS", family="Class", long_ids=True, name_list=True, unique="Class", fields={
    "Name": S(100, "!f", "name"), "SubClass": B(), "ParentRef": REF("Class"), "FullyQualifiedName": S(1000, "rf"),
    "Active": B("f")})

DEPARTMENT = Entity("Department", rules="lists.DEPARTMENT", family="Department", long_ids=True, name_list=True, unique="Department", fields={
    "Name": S(100, "!f", "name"), "SubDepartment": B("s"), "ParentRef": REF("Department"),
    "FullyQualifiedName": S(1000, "rf"), "Active": B("f"), "Address": ADDRESS})

PAYMENT_METHOD = Entity("PaymentMethod", rules="lists.PAYMENT_METHOD", family="PaymentMethod", name_list=True, unique="PaymentMethod", fields={
    "Name": S(31, "!f", "name"), "Type": ENUM("CREDIT_CARD NON_CREDIT_CARD"), "Active": B("f")})

TAX_CODE = Entity("TaxCode", rules="lists.TAX_CODE", family="TaxCode", name_list=True, unique="TaxCode", cdc=False, fields={
    "Name": S(100, "f"), "Description": S(100, "f"), "Active": B("f"), "Taxable": B(), "TaxGroup": B(),
    "Hidden": B(), "TaxCodeConfigType": S(30), "SalesTaxRateList": ANY(), "PurchaseTaxRateList": ANY()})

TAX_RATE = Entity("TaxRate", rules="lists.TAX_RATE", family="TaxRate", name_list=True, unique="TaxRate", cdc=False, fields={
    "Name": S(100, "f"), "Description": S(100, "f"), "RateValue": N(), "AgencyRef": REF("TaxAgency", "f"),
    "Active": B("f"), "SpecialTaxType": S(30), "DisplayType": S(30), "EffectiveTaxRate": ANY(),
    "TaxReturnLineRef": ANY(), "OriginalTaxRate": ANY()})

TAX_AGENCY = Entity("TaxAgency", rules="lists.TAX_AGENCY", family="TaxAgency", unique="TaxAgency", cdc=False, fields={
    "DisplayName": S(100, "!f", "name"), "TaxTrackedOnSales": B(), "TaxTrackedOnPurchases": B(),
    "TaxRegistrationNumber": S(100, "r"), "LastFileDate": ANY(), "TaxAgencyConfig": ANY()})

CUSTOMER_TYPE = Entity("CustomerType", rules="lists.CUSTOMER_TYPE", family="CustomerType", long_ids=True, name_list=True, fields={
    "Name": S(100), "Active": B("f")})

COMPANY_CURRENCY = Entity("CompanyCurrency", rules="currencies.CURRENCY", family="CompanyCurrency", name_list=True, unique="CompanyCurrency", fields={
    "Code": S(3, "!c"), "Name": S(100, "r"), "Active": B("f"), "CustomField": ANY()})

EXCHANGE_RATE = Entity("ExchangeRate", rules="currencies.RATE", key=("SourceCurrencyCode", "AsOfDate"), cdc=False, fields={
    "SourceCurrencyCode": S(3, "!f"), "TargetCurrencyCode": S(3), "Rate": N("!", low=0), "AsOfDate": DATE("f"),
    "CustomField": ANY()})

ENTITIES = {e.name: e for e in (
    CUSTOMER, VENDOR, EMPLOYEE, INVOICE, ESTIMATE, PAYMENT, ITEM, TERM, COMPANY_INFO, PREFERENCES,
    CREDIT_MEMO, SALES_RECEIPT, REFUND_RECEIPT, BILL, BILL_PAYMENT, VENDOR_CREDIT, PURCHASE_ORDER, PURCHASE,
    JOURNAL_ENTRY, DEPOSIT, TRANSFER, TIME_ACTIVITY, ATTACHABLE, ACCOUNT, CLASS, DEPARTMENT, PAYMENT_METHOD,
    TAX_CODE, TAX_RATE, TAX_AGENCY, CUSTOMER_TYPE, COMPANY_CURRENCY, EXCHANGE_RATE)}
BY_PATH = {e.path: e for e in ENTITIES.values()}

SPECIAL_ITEMS = {"SHIPPING_ITEM_ID": "AllowShipping", "GRATUITY_ITEM_ID": "AllowGratuity"}
