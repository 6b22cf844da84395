"""Rules of what is bought: Bill, VendorCredit, PurchaseOrder, Purchase."""

from __future__ import annotations

from decimal import Decimal

import currencies
import forms
import lines
import lists
import payments
import references
import taxes
from entities import ENTITIES
from errors import Fault
from jsontext import copy, money
from rules import Rules

ZERO = Decimal(0)


def _head(change, entity: str, obj: dict, old: dict | None, ui: bool) -> dict:
    """What all transactions with a vendor begin with; returns the vendor."""
    if entity == "PurchaseOrder":       # in no books
        obj.setdefault("TxnDate", forms.company_today(change))
    else:
        forms.dated(change, obj, old)
    references.resolve_all(change, ENTITIES[entity], obj, old)
    vendor = change.get("Vendor", obj["VendorRef"]["value"])
    currencies.transaction(change, obj, vendor, ui)
    obj.setdefault("APAccountRef", lists.standard(change, "payable", obj["CurrencyRef"]["value"]))
    lists.check_type(change, "APAccountRef", obj["APAccountRef"], "Accounts Payable")
    if (old is None or old["VendorRef"]["value"] != obj["VendorRef"]["value"]) and "BillAddr" in vendor \
            and ("VendorAddr" not in obj or (old and obj["VendorAddr"] == old.get("VendorAddr"))):
        obj["VendorAddr"] = copy(vendor["BillAddr"])
    return vendor


def _total(change, obj: dict, old: dict | None) -> None:
    priced, subtotal = lines.purchases(change, obj, old)
    obj["TotalAmt"] = money(subtotal + taxes.document(change, obj, old, priced, side="Purchase"))
    if obj["TotalAmt"] < 0:
        raise Fault(6000, "", "Business Validation Error: Please enter a transaction amount that is 0 or greater.")


def _changed_vendor(obj: dict, old: dict | None) -> bool:
    return bool(old) and old["VendorRef"]["value"] != obj["VendorRef"]["value"]


# -- Bill ------------------------------------------------------------------------

def bill(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    vendor = _head(change, "Bill", obj, old, ui)
    forms.own_number(change, "Bill", obj, old, include, lambda o: o["VendorRef"]["value"] == vendor["Id"])
    if not old and "SalesTermRef" not in obj and "TermRef" in vendor:
        obj["SalesTermRef"] = copy(vendor["TermRef"])
    forms.due(change, obj)
    sent = obj.get("LinkedTxn", ())
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []
    _total(change, obj, old)
    if _changed_vendor(obj, old):
        payments.unapply(change, "Bill", obj)
    _orders(change, obj, old, [l for l in sent if l not in obj["LinkedTxn"]])
    payments.fit(change, "Bill", obj)


def _orders(change, obj: dict, old: dict | None, sent) -> None:
    """Purchase orders named by the bill or its lines are closed by it; those no longer named are open again."""
    named = []
    for link in [*sent, *(link for line in obj["Line"] for link in line.get("LinkedTxn", ()))]:
        if link.get("TxnType") != "PurchaseOrder":
            raise Fault(620, "LinkedTxn", f"Transaction cannot be linked : {link.get('TxnType')} {link.get('TxnId')}")
        order = change.get("PurchaseOrder", link.get("TxnId", ""))
        if order is None or order["VendorRef"]["value"] != obj["VendorRef"]["value"]:
            raise Fault(620, "LinkedTxn", f"Transaction cannot be linked : PurchaseOrder {link.get('TxnId')}")
        if order["Id"] not in named:
            named.append(order["Id"])
    before = [l["TxnId"] for l in obj["LinkedTxn"] if l["TxnType"] == "PurchaseOrder"]
    if _changed_vendor(obj, old) or any(l.get("LinkedTxn") for l in (old or {}).get("Line", ())):
        _reopen(change, obj, [id for id in before if id not in named])
    for id in named:
        if id in before:
            continue
        order = change.get("PurchaseOrder", id)
        if order["POStatus"] == "Closed":
            raise Fault(620, "LinkedTxn", f"Transaction cannot be linked : PurchaseOrder {id} is closed")
        order = change.edit("PurchaseOrder", id, touch=True)
        order["POStatus"] = "Closed"
        order["LinkedTxn"].append({"TxnId": obj["Id"], "TxnType": "Bill"})
        obj["LinkedTxn"].append({"TxnId": id, "TxnType": "PurchaseOrder"})


def _reopen(change, obj: dict, orders: list[str]) -> None:
    for id in orders:
        order = change.edit("PurchaseOrder", id, touch=True)
        order["POStatus"] = "Open"
        order["LinkedTxn"] = [l for l in order["LinkedTxn"] if l["TxnId"] != obj["Id"]]
    obj["LinkedTxn"] = [l for l in obj["LinkedTxn"] if l["TxnType"] != "PurchaseOrder" or l["TxnId"] not in orders]


def _delete_bill(change, obj: dict) -> None:
    forms.check_open_books(change, obj["TxnDate"])
    payments.unapply(change, "Bill", obj)
    _reopen(change, obj, [l["TxnId"] for l in obj["LinkedTxn"]])


def _void_bill(change, obj: dict) -> None:
    payments.unapply(change, "Bill", obj)
    forms.void_form(change, obj)


# -- VendorCredit, PurchaseOrder ---------------------------------------------------

def vendor_credit(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    vendor = _head(change, "VendorCredit", obj, old, ui)
    forms.own_number(change, "VendorCredit", obj, old, include, lambda o: o["VendorRef"]["value"] == vendor["Id"])
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []
    _total(change, obj, old)
    if _changed_vendor(obj, old):
        payments.unapply(change, "VendorCredit", obj)
    payments.fit(change, "VendorCredit", obj)


def _delete_credit(change, obj: dict) -> None:
    forms.check_open_books(change, obj["TxnDate"])
    payments.unapply(change, "VendorCredit", obj)


def purchase_order(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """It moves no balance."""
    vendor = _head(change, "PurchaseOrder", obj, old, ui)
    forms.purchase_number(change, "PurchaseOrder", obj, old, include)
    if not old and "PrimaryEmailAddr" in vendor:
        obj.setdefault("POEmail", copy(vendor["PrimaryEmailAddr"]))
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []
    obj.setdefault("POStatus", "Open")
    obj.setdefault("EmailStatus", "NotSet")
    if obj["EmailStatus"] == "NeedToSend" and not obj.get("POEmail"):
        raise Fault(6420, "POEmail")
    _total(change, obj, old)
    currencies.home_amounts(change, obj)


def _delete_order(change, obj: dict) -> None:
    for link in obj["LinkedTxn"]:
        made = change.edit("Bill", link["TxnId"], touch=True)
        made["LinkedTxn"] = [l for l in made["LinkedTxn"] if l["TxnId"] != obj["Id"]]


# -- Purchase ----------------------------------------------------------------------

_PAID_FROM = {"Cash": ("Bank", "Other Current Asset"), "Check": ("Bank",), "CreditCard": ("Credit Card",)}


def purchase(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """An expense, a check, a charge to a card or (Credit) its refund."""
    forms.check_deposited(old)
    forms.dated(change, obj, old)
    references.resolve_all(change, ENTITIES["Purchase"], obj, old)
    lists.check_type(change, "AccountRef", obj["AccountRef"], *_PAID_FROM[obj["PaymentType"]])
    obj.setdefault("Credit", False)
    if obj["Credit"] and obj["PaymentType"] != "CreditCard":
        raise Fault(2600, "Credit", "Conflicting elements in request : Credit is for credit cards")
    named = obj.get("EntityRef")
    currencies.transaction(change, obj, _with_currency(change, named), ui)
    currencies.check_account(change, obj, "AccountRef")
    if obj["PaymentType"] == "Check":
        forms.counted(change, "Purchase", obj, old)
        forms.warned(change, "WarnDuplicateCheckNumber", "Purchase", obj, old, include)
        obj.setdefault("PrintStatus", "NotSet")
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []
    _total(change, obj, old)
    currencies.home_amounts(change, obj)


def _with_currency(change, named: dict | None) -> dict | None:
    return change.get(named["type"], named["value"]) if named and named["type"] != "Employee" else None


def _delete_purchase(change, obj: dict) -> None:
    forms.check_open_books(change, obj["TxnDate"])
    forms.check_deposited(obj)


def _purchase_owes(obj: dict) -> list:
    return currencies.posted(obj, [(obj["AccountRef"]["value"], obj["TotalAmt"] if obj["Credit"] else -obj["TotalAmt"])] +
                             _spent(obj, -1 if obj["Credit"] else 1))


def _spent(obj: dict, sign: int = 1) -> list:
    """What the lines book on accounts; tax goes where tax goes."""
    booked = [(line["AccountBasedExpenseLineDetail"]["AccountRef"]["value"], sign * line["Amount"])
              for line in obj["Line"] if "AccountBasedExpenseLineDetail" in line]
    return booked + [("tax", sign * obj.get("TxnTaxDetail", {}).get("TotalTax", ZERO))]


def _vendor_owes(sign: int):
    return lambda o: [(("Vendor", o["VendorRef"]["value"]), sign * o["Balance"])] + currencies.posted(o, [
        ("payable", -sign * o["Balance"])] + _spent(o, sign))


BILL = Rules(bill, delete=_delete_bill, void=_void_bill, owes=_vendor_owes(1))
VENDOR_CREDIT = Rules(vendor_credit, delete=_delete_credit, owes=_vendor_owes(-1))
PURCHASE_ORDER = Rules(purchase_order, delete=_delete_order)
PURCHASE = Rules(purchase, delete=_delete_purchase, void=forms.void_form, owes=_purchase_owes)
