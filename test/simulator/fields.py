"""The shapes of fields: their types, lengths and flags, and the objects and lines that entities share.

Flags of a field, one letter each:
    !  required            r  read-only (accepted and ignored on input)
    c  settable on create  f  filterable in queries      s  sortable
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
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


ENTITY_REF = REF("entity")              # of a customer, vendor or employee: `type` says which


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

_LINE = {"Id": S(19), "LineNum": I(-10**9, 10**9), "Description": S(4000), "Amount": N(),
         "DetailType": Field("str", "!", max=50), "LinkedTxn": LIST(LINKED), "CustomField": CUSTOM_FIELD,
         "ProjectRef": REF("Customer"), "LineEx": ANY()}
BILLABLE = ENUM("Billable NotBillable HasBeenBilled")
_EXPENSE = {"CustomerRef": REF("Customer"), "BillableStatus": BILLABLE, "TaxCodeRef": REF("LineTax"),
            "ClassRef": REF("Class"), "TaxInclusiveAmt": ANY(), "MarkupInfo": ANY()}
EXPENSE_LINE = _LINE | {
    "AccountBasedExpenseLineDetail": OBJ({"AccountRef": REF("Account", "!"), "TaxAmount": N()} | _EXPENSE),
    "ItemBasedExpenseLineDetail": OBJ({"ItemRef": REF("Item", "!"), "Qty": N(), "UnitPrice": N()} | _EXPENSE),
    "GroupLineDetail": ANY(), "DescriptionLineDetail": ANY()}
JOURNAL_LINE = _LINE | {
    "JournalEntryLineDetail": OBJ({
        "PostingType": ENUM("Debit Credit"), "AccountRef": REF("Account", "!"),
        "Entity": OBJ({"Type": ENUM("Customer Vendor Employee Other"), "EntityRef": ENTITY_REF}),
        "ClassRef": REF("Class"), "DepartmentRef": REF("Department"), "TaxCodeRef": REF("LineTax"),
        "TaxApplicableOn": ENUM("Sales Purchase"), "TaxAmount": N(), "BillableStatus": BILLABLE,
        "JournalCodeRef": ANY()}),
    "DescriptionLineDetail": ANY("")}
DEPOSIT_LINE = _LINE | {
    "DetailType": S(50),
    "DepositLineDetail": OBJ({
        "AccountRef": REF("Account", "!"), "Entity": ENTITY_REF, "PaymentMethodRef": REF("PaymentMethod"),
        "CheckNum": S(21), "ClassRef": REF("Class"), "TaxCodeRef": REF("LineTax"),
        "TaxApplicableOn": ENUM("Sales Purchase"), "TxnType": S(50)})}
