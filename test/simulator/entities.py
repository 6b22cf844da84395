"""The entity table: every entity, its fields, their types, lengths and flags.

One entry describes all that the generic code needs: validation, sparse
updates, queries, CDC.  To add an entity, add an entry here and, where it has
computed values or effects on others, a rules module (see rules.py).

Flags of a field, one letter each:
    !  required            r  read-only (accepted and ignored on input)
    c  settable on create  f  filterable in queries      s  sortable
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True)
class Field:
    kind: str                       # str bool num int date enum ref obj list address any
    flags: str = ""
    max: int = 0                    # longest text
    low: object = None              # smallest and largest number
    high: object = None
    values: tuple = ()              # allowed values of an enum
    target: str = ""                # entity a reference points to
    members: dict | None = None     # members of an object or of the objects in a list
    form: str = ""                  # further syntax: email, phone, url, name
    text: str = ""                  # member compared when an object is filtered by its name

    @functools.cached_property
    def read_only(self) -> bool:
        return "r" in self.flags

    @functools.cached_property
    def required(self) -> list:
        """Names of the members that must be there."""
        return [name for name, member in self.members.items() if "!" in member.flags]


def S(size, flags="", form=""):     return Field("str", flags, max=size, form=form)
def B(flags=""):                    return Field("bool", flags)
def N(flags="", low=None, high=Decimal("99999999999.99")): return Field("num", flags, low=low, high=high)
def I(low, high, flags=""):         return Field("int", flags, low=low, high=high)
def DATE(flags=""):                 return Field("date", flags)
def ENUM(values, flags=""):         return Field("enum", flags, values=tuple(values.split()))
def OBJ(members, flags="", text=""): return Field("obj", flags, members=members, text=text)
def LIST(members, flags=""):        return Field("list", flags, members=members)
def ANY(flags="r"):                 return Field("any", flags)


REF_MEMBERS = {"value": S(100), "name": S(1000), "type": S(50)}


def REF(target, flags=""):
    return Field("ref", flags, target=target, members=REF_MEMBERS)


def EMAIL(size, flags=""):
    return OBJ({"Address": S(size, form="email"), "Default": B(), "Id": ANY(), "Tag": ANY()},
               flags, text="Address")


def PHONE(size=30):
    return OBJ({"FreeFormNumber": S(size, form="phone"), "Id": ANY(), "Tag": ANY(), "Default": ANY()})


ADDRESS_MEMBERS = {"Id": S(30), "Line1": S(500), "Line2": S(500), "Line3": S(500), "Line4": S(500),
                   "Line5": S(500), "City": S(255), "CountrySubDivisionCode": S(255),
                   "PostalCode": S(30), "Country": S(255), "Lat": S(50), "Long": S(50),
                   "CountryCode": ANY(), "Tag": ANY(), "Note": ANY(), "PostalCodeSuffix": ANY()}
ADDRESS = Field("address", members=ADDRESS_MEMBERS)
MEMO = OBJ({"value": S(1000), "id": ANY()})
URL = OBJ({"URI": S(1000, form="url"), "Id": ANY(), "Tag": ANY(), "Default": ANY()})
CUSTOM_FIELD = LIST({"DefinitionId": S(30), "Name": S(100), "Type": ENUM("StringType"),
                     "StringValue": S(31)})
LINKED = {"TxnId": S(19), "TxnType": S(50), "TxnLineId": S(19)}

SALES_ITEM = OBJ({
    "ItemRef": REF("Item"), "Qty": N(), "UnitPrice": N(), "ServiceDate": DATE(),
    "TaxCodeRef": REF("LineTax"), "ClassRef": REF("Class"), "TaxInclusiveAmt": ANY(),
    "DiscountRate": N(), "DiscountAmt": N(), "MarkupInfo": ANY(), "ItemAccountRef": ANY(),
    "TaxClassificationRef": ANY()})
DISCOUNT = OBJ({
    "PercentBased": B(), "DiscountPercent": N(low=0, high=100), "DiscountAccountRef": REF("Account"),
    "ClassRef": REF("Class"), "TaxCodeRef": REF("LineTax")})
GROUP = OBJ({"GroupItemRef": REF("Item"), "Quantity": N(), "ServiceDate": DATE(), "Line": LIST({
    "Id": S(19), "LineNum": I(-10**9, 10**9), "Description": S(4000), "Amount": N(),
    "DetailType": Field("str", "!", max=50), "SalesItemLineDetail": SALES_ITEM, "LineEx": ANY()})})
SALES_LINE = {
    "Id": S(19), "LineNum": I(-10**9, 10**9), "Description": S(4000), "Amount": N(),
    "DetailType": Field("str", "!", max=50), "LinkedTxn": LIST(LINKED),
    "CustomField": CUSTOM_FIELD, "ProjectRef": REF("Customer"),
    "SalesItemLineDetail": SALES_ITEM, "DiscountLineDetail": DISCOUNT,
    "SubTotalLineDetail": ANY(), "SubtotalLineDetail": ANY(),
    "DescriptionLineDetail": OBJ({"TaxCodeRef": REF("LineTax"), "ServiceDate": DATE()}),
    "GroupLineDetail": GROUP, "LineEx": ANY()}
TAX_DETAIL = OBJ({
    "TxnTaxCodeRef": REF("TaxCode"), "TotalTax": N(low=0),
    "TaxLine": LIST({"Amount": N(), "DetailType": S(50), "Id": ANY(), "LineNum": ANY(),
                     "TaxLineDetail": OBJ({
                         "TaxRateRef": REF("TaxRate"), "PercentBased": B(), "TaxPercent": N(),
                         "NetAmountTaxable": N(), "TaxInclusiveAmount": N(),
                         "OverrideDeltaAmount": N()})})})
PAYMENT_LINE = {"Amount": N("!", low=0), "LinkedTxn": LIST(LINKED), "LineEx": ANY(), "Id": ANY(),
                "LineNum": ANY(), "Description": ANY()}

# Members every entity has; all but Id and SyncToken are ignored on input.
COMMON = {"Id": S(19, "f"), "SyncToken": S(20), "MetaData": ANY(), "domain": ANY(),
          "status": ANY(), "sparse": B()}


@dataclass(frozen=True)
class Entity:
    name: str
    fields: dict
    family: str = ""                # ids are drawn from one sequence per family
    name_list: bool = False         # has Active; inactive ones are hidden from queries
    unique: str = ""                # names are unique within this group
    deletable: bool = False
    singleton: bool = False
    cdc: bool = True
    sortable: tuple = field(default=())

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


CUSTOMER = Entity("Customer", family="Customer", name_list=True, unique="Name", fields={
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
    "Source": S(50, "r"), "V4IDPseudonym": S(100, "r"), "TaxFormType": ANY()})

VENDOR = Entity("Vendor", family="Vendor", name_list=True, unique="Name", fields={
    "DisplayName": S(500, "fs", "name"), "Title": S(16, form="name"), "Suffix": S(16, "f", "name"),
    "GivenName": S(100, "f", "name"), "MiddleName": S(100, "f", "name"),
    "FamilyName": S(100, "f", "name"), "CompanyName": S(100, "f"), "PrintOnCheckName": S(100, "f"),
    "Active": B("f"), "PrimaryEmailAddr": EMAIL(100, "f"), "PrimaryPhone": PHONE(),
    "AlternatePhone": PHONE(), "Mobile": PHONE(), "Fax": PHONE(), "WebAddr": URL, "BillAddr": ADDRESS,
    "AcctNum": S(100), "TaxIdentifier": S(20), "Vendor1099": B(), "TermRef": REF("Term"),
    "CurrencyRef": REF("Currency", "c"), "BillRate": N(), "CostRate": N(), "Balance": N("rf"),
    "T4AEligible": B(), "T5018Eligible": B(), "OtherContactInfo": ANY(), "Source": S(50, "r"),
    "V4IDPseudonym": S(100, "r")})

EMPLOYEE = Entity("Employee", family="Employee", name_list=True, unique="Name", fields={
    "DisplayName": S(500, "fs", "name"), "Title": S(16, form="name"), "Suffix": S(16, "f", "name"),
    "GivenName": S(100, "f", "name"), "MiddleName": S(100, "f", "name"),
    "FamilyName": S(100, "f", "name"), "PrintOnCheckName": S(110, "f"), "Active": B("f"),
    "PrimaryEmailAddr": EMAIL(100), "PrimaryPhone": PHONE(20), "Mobile": PHONE(20),
    "PrimaryAddr": ADDRESS, "SSN": S(100), "BirthDate": DATE(), "Gender": ENUM("Male Female"),
    "HiredDate": DATE(), "ReleasedDate": DATE(), "BillableTime": B(), "BillRate": N(), "CostRate": N(),
    "EmployeeNumber": S(100), "Organization": B(), "V4IDPseudonym": S(100, "r")})

INVOICE = Entity("Invoice", family="Txn", deletable=True, fields={
    "Line": LIST(SALES_LINE, "!"), "CustomerRef": REF("Customer", "!f"),
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

ESTIMATE = Entity("Estimate", family="Txn", deletable=True, fields={
    "Line": LIST(SALES_LINE, "!"), "CustomerRef": REF("Customer", "!f"),
    "DocNumber": S(21, "fs"), "TxnDate": DATE("fs"), "DueDate": DATE("fs"),
    "TxnStatus": ENUM("Pending Accepted Closed Rejected Converted"), "ExpirationDate": DATE(),
    "AcceptedBy": S(500), "AcceptedDate": DATE()} | {
        name: INVOICE.fields[name] for name in (
            "SalesTermRef", "ShipDate", "ShipMethodRef", "TrackingNum", "ShipAddr", "BillAddr", "ShipFromAddr",
            "FreeFormAddress", "BillEmail", "BillEmailCc", "BillEmailBcc", "EmailStatus", "PrintStatus", "DeliveryInfo",
            "CustomerMemo", "PrivateNote", "CustomField", "ClassRef", "DepartmentRef", "ProjectRef", "CurrencyRef",
            "ExchangeRate", "GlobalTaxCalculation", "TxnTaxDetail", "ApplyTaxAfterDiscount", "TotalAmt", "HomeTotalAmt",
            "LinkedTxn", "RecurDataRef", "TaxExemptionRef", "TxnSource")})

PAYMENT = Entity("Payment", family="Txn", deletable=True, fields={
    "CustomerRef": REF("Customer", "!f"), "TotalAmt": N("!f", low=0), "UnappliedAmt": N("r"),
    "Line": LIST(PAYMENT_LINE), "TxnDate": DATE("fs"), "PaymentMethodRef": REF("PaymentMethod", "f"),
    "PaymentRefNum": S(21, "f"), "DepositToAccountRef": REF("Account"),
    "ARAccountRef": REF("Account"), "CurrencyRef": REF("Currency"), "ExchangeRate": N(),
    "ProcessPayment": B(), "CreditCardPayment": ANY(""), "PrivateNote": S(4000),
    "LinkedTxn": ANY(), "TxnSource": ANY(), "ProjectRef": REF("Customer", "f"),
    "TaxExemptionRef": ANY()})

ITEM = Entity("Item", family="Item", name_list=True, unique="Item", fields={
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

TERM = Entity("Term", family="Term", name_list=True, unique="Term", fields={
    "Name": S(31, "!fs", "name"), "Active": B("f"), "Type": S(30, "rs"), "DueDays": I(0, 999),
    "DiscountPercent": N(low=0, high=100), "DiscountDays": I(0, 999), "DayOfMonthDue": I(1, 31),
    "DueNextMonthDays": I(0, 999), "DiscountDayOfMonth": I(1, 31)})

COMPANY_INFO = Entity("CompanyInfo", family="CompanyInfo", singleton=True, cdc=False, fields={
    "CompanyName": S(1024), "LegalName": S(1024), "CompanyAddr": ADDRESS, "LegalAddr": ADDRESS,
    "CustomerCommunicationAddr": ADDRESS, "CustomerCommunicationEmailAddr": EMAIL(100),
    "Email": EMAIL(100), "WebAddr": URL, "PrimaryPhone": PHONE(), "Country": S(50, "r"),
    "SupportedLanguages": S(100, "r"), "FiscalYearStartMonth": ENUM(
        "January February March April May June July August September October November December"),
    "CompanyStartDate": ANY(), "EmployerId": S(30), "DefaultTimeZone": S(50, "r"),
    "NameValue": ANY()})

PREFERENCES = Entity("Preferences", family="Preferences", singleton=True, cdc=False, fields={
    name: Field("any", "") for name in (
        "AccountingInfoPrefs", "ProductAndServicesPrefs", "SalesFormsPrefs", "EmailMessagesPrefs",
        "VendorAndPurchasesPrefs", "TimeTrackingPrefs", "TaxPrefs", "CurrencyPrefs", "ReportPrefs",
        "OtherPrefs")})

ENTITIES = {e.name: e for e in (CUSTOMER, VENDOR, EMPLOYEE, INVOICE, ESTIMATE, PAYMENT, ITEM, TERM,
                               COMPANY_INFO, PREFERENCES)}
BY_PATH = {e.path: e for e in ENTITIES.values()}

# Lists that exist as targets of references but are no entities here yet.
FIXED_LISTS = {
    "Account": {"1": "Compte chèques", "4": "Fonds non déposés", "79": "Ventes de services",
                "80": "Coût des marchandises vendues", "81": "Stocks", "84": "Comptes clients",
                "86": "Remises accordées", "87": "Expédition"},
    "PaymentMethod": {"1": "Comptant", "2": "Chèque", "3": "Carte de crédit",
                      "4": "Virement Interac"},
    "TaxCode": {"2": "TPS/TVQ QC - 9,975", "3": "Détaxé"},
    "TaxRate": {"11": "TPS 5 %", "12": "TVQ 9,975 %", "13": "Détaxé"},
    "LineTax": {"TAX": "", "NON": ""},
    "Currency": {"CAD": "Dollar canadien", "USD": "Dollar américain", "EUR": "Euro"},
    "CustomerType": {},
}
# Rates of the tax codes above: (rate id, percent).
TAX_RATES = {"2": (("11", Decimal("5")), ("12", Decimal("9.975"))), "3": (("13", Decimal("0")),)}
FEATURES_OFF = {"Class", "Department"}
SPECIAL_ITEMS = {"SHIPPING_ITEM_ID": "AllowShipping", "GRATUITY_ITEM_ID": "AllowGratuity"}
