"""Rules of the sales forms: Invoice, Estimate, CreditMemo, SalesReceipt, RefundReceipt.

Totals and balances are computed here; what payments do to them is in payments.py.
"""

from __future__ import annotations

from decimal import Decimal

import currencies
import custom_fields
import forms
import lines
import lists
import payments
import references
import taxes
from entities import ENTITIES
from errors import Fault, missing
from jsontext import copy, money
from rules import Rules

ZERO = Decimal(0)


def _head(change, entity: str, obj: dict, old: dict | None, include: set, ui: bool) -> None:
    """References, number, and what comes from the customer."""
    references.resolve_all(change, ENTITIES[entity], obj, old)
    customer = change.get("Customer", obj.get("CustomerRef", {}).get("value", ""))
    forms.sales_number(change, entity, obj, old, include)
    if customer:
        forms.from_customer(obj, old, customer)
    currencies.transaction(change, obj, customer, ui)


def _total(change, obj: dict, old: dict | None) -> None:
    if not obj["Line"]:
        raise Fault(2250, "Line")
    priced, subtotal, discount = lines.sales(change, obj, old)
    tax = taxes.document(change, obj, old, priced, discount)
    obj["TotalAmt"] = money(subtotal - discount + tax)
    custom_fields.complete(change, obj, old)
    forms.sales_flags(obj)


def _not_negative(obj: dict) -> None:
    if obj["TotalAmt"] < 0:
        raise Fault(6000, "", "Business Validation Error: Please enter a transaction amount that is 0 or greater.")


def _changed_customer(obj: dict, old: dict | None) -> bool:
    return bool(old) and old["CustomerRef"]["value"] != obj["CustomerRef"]["value"]


# -- Invoice -----------------------------------------------------------------

def invoice(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    forms.dated(change, obj, old)
    _head(change, "Invoice", obj, old, include, ui)
    forms.due(change, obj)
    _own_links(change, obj, old)
    _total(change, obj, old)
    _not_negative(obj)
    _deposit(change, obj)
    if _changed_customer(obj, old):
        payments.unapply(change, "Invoice", obj)
    payments.fit(change, "Invoice", obj)
    for name in ("AllowOnlineCreditCardPayment", "AllowOnlineACHPayment"):
        obj.setdefault(name, False)
    obj["AllowIPNPayment"] = obj["AllowOnlinePayment"] = False


def _deposit(change, obj: dict) -> None:
    if not obj.get("Deposit"):
        obj.pop("Deposit", None)
        return
    if not change.company.preference("SalesFormsPrefs", "AllowDeposit", False):
        raise Fault(5030, "Deposit", "Feature Not Supported Error : AllowDeposit is off")
    obj["Deposit"] = money(obj["Deposit"])
    obj.setdefault("DepositToAccountRef", lists.standard(change, "undeposited"))
    if obj["Deposit"] > obj["TotalAmt"]:
        raise Fault(6000, "Deposit", "Business Validation Error: The deposit exceeds the total.")


_LINKABLE = ("Payment", "CreditMemo", "Estimate", "TimeActivity")


def _own_links(change, obj: dict, old: dict | None) -> None:
    """Links to payments are QuickBooks' own; what a client sends of them is ignored. One estimate may be named."""
    kept, sent = copy(old["LinkedTxn"]) if old else [], obj.get("LinkedTxn", ())
    for link in sent:
        if link.get("TxnType") not in _LINKABLE:
            raise Fault(620, "LinkedTxn", "Transaction cannot be linked : "
                        f"{link.get('TxnType')} {link.get('TxnId')}")
    if _changed_customer(obj, old):
        _unlink(change, old)
        kept = payments.payments_of(kept)
    named = {l["TxnId"] for l in list(sent) + kept if l["TxnType"] == "Estimate"}
    if len(named) > 1:
        raise Fault(620, "LinkedTxn", "Transaction cannot be linked : one Estimate per Invoice")
    hours = [l["TxnId"] for l in list(kept) + list(sent) if l["TxnType"] == "TimeActivity"]
    obj["LinkedTxn"] = payments.payments_of(kept)
    for id in named:
        _link_estimate(change, obj, id)
        obj["LinkedTxn"].append({"TxnId": id, "TxnType": "Estimate"})
    for id in dict.fromkeys(hours):
        _bill_time(change, obj, id, any(l["TxnId"] == id for l in kept if l["TxnType"] == "TimeActivity"))
        obj["LinkedTxn"].append({"TxnId": id, "TxnType": "TimeActivity"})


def _link_estimate(change, obj: dict, id: str) -> None:
    """The estimate gets the link and is closed; its LastUpdatedTime moves, its SyncToken does not."""
    quote, link = change.get("Estimate", id), {"TxnId": obj["Id"], "TxnType": "Invoice"}
    if quote is None or quote["CustomerRef"]["value"] != obj["CustomerRef"]["value"]:
        raise Fault(620, "LinkedTxn", f"Transaction cannot be linked : Estimate {id}")
    if link not in quote["LinkedTxn"]:
        quote = change.edit("Estimate", id, touch=True)
        quote["LinkedTxn"].append(link)
        quote["TxnStatus"] = "Closed"


def _bill_time(change, obj: dict, id: str, billed: bool) -> None:
    """Hours that an invoice names have been billed."""
    hours = change.get("TimeActivity", id)
    if hours is None or hours.get("CustomerRef", {}).get("value") != obj["CustomerRef"]["value"] or \
            (hours["BillableStatus"] != "Billable" and not billed):
        raise Fault(620, "LinkedTxn", f"Transaction cannot be linked : TimeActivity {id}")
    if not billed:
        change.edit("TimeActivity", id, touch=True)["BillableStatus"] = "HasBeenBilled"


def _unlink(change, obj: dict) -> None:
    """An invoice goes: its estimate and its hours can be invoiced again."""
    for link in obj["LinkedTxn"]:
        if link["TxnType"] == "Estimate":
            quote = change.edit("Estimate", link["TxnId"], touch=True)
            quote["LinkedTxn"].remove({"TxnId": obj["Id"], "TxnType": "Invoice"})
            quote["TxnStatus"] = "Pending"
        elif link["TxnType"] == "TimeActivity" and change.get("TimeActivity", link["TxnId"]):
            change.edit("TimeActivity", link["TxnId"], touch=True)["BillableStatus"] = "Billable"


def _void_invoice(change, obj: dict) -> None:
    payments.unapply(change, "Invoice", obj)
    forms.void_form(change, obj)
    obj.pop("Deposit", None)


def _delete_invoice(change, obj: dict) -> None:
    forms.check_open_books(change, obj["TxnDate"])
    payments.unapply(change, "Invoice", obj)
    _unlink(change, obj)


# -- Estimate ----------------------------------------------------------------

def estimate(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """An invoice without money: it moves no balance and knows no payments."""
    obj.setdefault("TxnDate", forms.company_today(change))
    _head(change, "Estimate", obj, old, include, ui)
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []
    _total(change, obj, old)
    obj.setdefault("TxnStatus", "Pending")
    if ui and obj["TxnStatus"] == "Accepted":       # the page fills it in
        obj.setdefault("AcceptedDate", forms.company_today(change))
    currencies.home_amounts(change, obj)


def _delete_estimate(change, obj: dict) -> None:
    """It is in no books; invoices made of it lose the link."""
    for link in obj["LinkedTxn"]:
        made = change.edit("Invoice", link["TxnId"], touch=True)
        made["LinkedTxn"].remove({"TxnId": obj["Id"], "TxnType": "Estimate"})


# -- CreditMemo --------------------------------------------------------------

def credit_memo(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """A credit that payments apply to invoices."""
    forms.dated(change, obj, old)
    _head(change, "CreditMemo", obj, old, include, ui)
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []
    _total(change, obj, old)
    _not_negative(obj)
    if _changed_customer(obj, old):
        payments.unapply(change, "CreditMemo", obj)
    payments.fit(change, "CreditMemo", obj)


def _void_credit(change, obj: dict) -> None:
    payments.unapply(change, "CreditMemo", obj)
    forms.void_form(change, obj)


def _delete_credit(change, obj: dict) -> None:
    forms.check_open_books(change, obj["TxnDate"])
    payments.unapply(change, "CreditMemo", obj)


# -- SalesReceipt, RefundReceipt ----------------------------------------------

def sales_receipt(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """Sold and paid at once. Only people leave the customer out."""
    if "CustomerRef" not in obj and not ui:
        raise missing("CustomerRef")
    _receipt(change, "SalesReceipt", obj, old, include, ui)
    for link in obj.get("LinkedTxn", ()):
        if link.get("TxnType") not in ("Estimate", "TimeActivity", "Deposit"):
            raise Fault(620, "LinkedTxn", f"Transaction cannot be linked : {link.get('TxnType')} {link.get('TxnId')}")
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []


def refund_receipt(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """Money given back."""
    _receipt(change, "RefundReceipt", obj, old, include, ui)
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []


def _receipt(change, entity: str, obj: dict, old: dict | None, include: set, ui: bool) -> None:
    forms.check_deposited(old)
    forms.dated(change, obj, old)
    obj.setdefault("DepositToAccountRef", lists.standard(change, "undeposited"))
    if "CreditCardPayment" in obj:
        raise Fault(5030, "CreditCardPayment", "Feature Not Supported Error : QuickBooks Payments")
    _head(change, entity, obj, old, include, ui)
    lists.check_type(change, "DepositToAccountRef", obj["DepositToAccountRef"], "Bank", "Other Current Asset", "Credit Card")
    currencies.check_account(change, obj, "DepositToAccountRef")
    _total(change, obj, old)
    _not_negative(obj)
    obj["Balance"] = ZERO
    currencies.home_amounts(change, obj)


def _delete_receipt(change, obj: dict) -> None:
    forms.check_open_books(change, obj["TxnDate"])
    forms.check_deposited(obj)


# -- Credits that are applied by themselves --------------------------------------

def _apply_credit(change, obj: dict) -> list:
    """With AutoApplyCredit, QuickBooks makes a payment of nothing that applies open credits to open invoices."""
    company, who = change.company, obj.get("CustomerRef", {}).get("value")
    if not company.preference("SalesFormsPrefs", "AutoApplyCredit", False):
        return []
    mine = "CreditMemo" if "RemainingCredit" in obj else "Invoice"
    other = "Invoice" if mine == "CreditMemo" else "CreditMemo"
    left, applied = obj["Balance"], []
    for id in sorted((i for e, i in company.by_customer.get(who, ()) if e == other), key=int):
        amount = min(left, change.get(other, id)["Balance"])
        if amount > 0:
            applied.append({"Amount": amount, "LinkedTxn": [{"TxnId": id, "TxnType": other}]})
            left -= amount
    if not applied:
        return []
    own = {"Amount": obj["Balance"] - left, "LinkedTxn": [{"TxnId": obj["Id"], "TxnType": mine}]}
    return [("Payment", {"CustomerRef": {"value": who}, "TotalAmt": ZERO, "Line": applied + [own]})]


# -- What they owe -------------------------------------------------------------

def _tax(obj: dict) -> Decimal:
    return obj.get("TxnTaxDetail", {}).get("TotalTax", ZERO)


def _owes(sign: int):
    def owes(obj: dict) -> list:
        deposit = obj.get("Deposit", ZERO)
        found = [("receivable", sign * obj["Balance"]), ("tax", -sign * _tax(obj))]
        if deposit:
            found.append((obj["DepositToAccountRef"]["value"], deposit))
        return [(("Customer", obj["CustomerRef"]["value"]), sign * obj["Balance"])] + currencies.posted(obj, found)
    return owes


def _receipt_owes(sign: int):
    return lambda o: currencies.posted(o, [(o["DepositToAccountRef"]["value"], sign * o["TotalAmt"]), ("tax", -sign * _tax(o))])


INVOICE = Rules(invoice, created=_apply_credit, delete=_delete_invoice, void=_void_invoice, void_by="operation", owes=_owes(1))
ESTIMATE = Rules(estimate, delete=_delete_estimate)
CREDIT_MEMO = Rules(credit_memo, created=_apply_credit, delete=_delete_credit, void=_void_credit, owes=_owes(-1))
SALES_RECEIPT = Rules(sales_receipt, delete=_delete_receipt, void=forms.void_form, void_by="include", owes=_receipt_owes(1))
REFUND_RECEIPT = Rules(refund_receipt, delete=_delete_receipt, void=forms.void_form, owes=_receipt_owes(-1))
