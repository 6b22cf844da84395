"""Payments and bill payments: what they are applied to, and what that does to it.

The two sides are alike: a Payment settles what customers owe (invoices, journal
entries on accounts receivable) with money and credits (credit memos, journal entries
the other way); a BillPayment does the same for vendors.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import currencies
import forms
import lines
import lists
import references
from entities import ENTITIES
from errors import Fault, missing
from jsontext import copy, money
from rules import Rules

ZERO = Decimal(0)


@dataclass(frozen=True)
class Side:
    payer: str                  # the entity that applies
    name: str                   # the member that says whose it is
    charge: str                 # what is settled
    credit: str                 # what settles besides money
    account: str                # type of the account a journal entry is on
    debit: int                  # what a debit there adds to what is owed: 1 or -1


AR = Side("Payment", "CustomerRef", "Invoice", "CreditMemo", "Accounts Receivable", 1)
AP = Side("BillPayment", "VendorRef", "Bill", "VendorCredit", "Accounts Payable", -1)
_LINKS = {"Payment": AR, "BillPaymentCheck": AP, "BillPaymentCreditCard": AP}


def link_type(payment: dict) -> str:
    """How a payment is named from the other side."""
    return "BillPayment" + payment["PayType"] if "PayType" in payment else "Payment"


def side_of(kind: str) -> Side:
    return AR if kind in ("Invoice", "CreditMemo") else AP


# -- What is there to be settled ---------------------------------------------------

def owner(change, side: Side, kind: str, obj: dict) -> str:
    if kind != "JournalEntry":
        return obj[side.name]["value"]
    line = journal_line(change, side, obj)
    return line["JournalEntryLineDetail"]["Entity"]["EntityRef"]["value"] if line else ""


def journal_line(change, side: Side, entry: dict) -> dict | None:
    """The line of a journal entry on accounts receivable or payable."""
    for line in entry["Line"]:
        account = line.get("JournalEntryLineDetail", {}).get("AccountRef", {}).get("value")
        if account and change.get("Account", account)["AccountType"] == side.account:
            return line
    return None


def amount_of(change, side: Side, kind: str, obj: dict) -> Decimal:
    """All that can be applied: positive for what is owed, negative for a credit."""
    if kind == "JournalEntry":
        line = journal_line(change, side, obj)
        if line is None:
            return ZERO
        debit = line["JournalEntryLineDetail"]["PostingType"] == "Debit"
        return line["Amount"] * (side.debit if debit else -side.debit)
    return -obj["TotalAmt"] if kind == side.credit else obj["TotalAmt"] - obj.get("Deposit", ZERO)


def lines_to(payment: dict, kind: str, id: str) -> list[dict]:
    return [l for l in payment["Line"] if any(t["TxnId"] == id and t["TxnType"] == kind for t in l["LinkedTxn"])]


def payments_of(links: list) -> list[dict]:
    return [l for l in links if l.get("TxnType") in _LINKS]


def applied_to(change, kind: str, id: str, links: list, without: str = "") -> Decimal:
    total = ZERO
    for link in payments_of(links):
        payment = change.get(_LINKS[link["TxnType"]].payer, link["TxnId"]) if link["TxnId"] != without else None
        if payment:
            total += sum((l["Amount"] for l in lines_to(payment, kind, id)), ZERO)
    return total


def set_balance(change, kind: str, obj: dict) -> None:
    """What is left of an invoice, bill or credit."""
    if kind == "JournalEntry":
        return
    side = side_of(kind)
    left = abs(amount_of(change, side, kind, obj)) - applied_to(change, kind, obj["Id"], obj["LinkedTxn"])
    obj["Balance"] = money(left)
    if kind == "CreditMemo":
        obj["RemainingCredit"] = obj["Balance"]
    currencies.home_amounts(change, obj)


# -- Taking applications back --------------------------------------------------------

def unapply(change, kind: str, obj: dict) -> None:
    """Take every payment off; what was applied becomes unapplied."""
    paid = payments_of(obj["LinkedTxn"])
    for link in paid:
        payment = change.edit(_LINKS[link["TxnType"]].payer, link["TxnId"], bump=True)
        gone = lines_to(payment, kind, obj["Id"])
        payment["Line"] = [l for l in payment["Line"] if l not in gone]
        _rest(change, payment)
    obj["LinkedTxn"] = [l for l in obj["LinkedTxn"] if l not in paid]


def fit(change, kind: str, obj: dict) -> None:
    """After a change of the amount: the newest payments give way to what shrank below what is applied."""
    total = max(abs(amount_of(change, side_of(kind), kind, obj)), ZERO)
    excess = applied_to(change, kind, obj["Id"], obj["LinkedTxn"]) - total
    for link in reversed(payments_of(obj["LinkedTxn"])):
        if excess <= 0:
            break
        payment = change.edit(_LINKS[link["TxnType"]].payer, link["TxnId"], bump=True)
        for line in reversed(lines_to(payment, kind, obj["Id"])):
            cut = min(excess, line["Amount"])
            line["Amount"] = money(line["Amount"] - cut)
            excess -= cut
        payment["Line"] = [l for l in payment["Line"] if l["Amount"]]
        if not lines_to(payment, kind, obj["Id"]):
            obj["LinkedTxn"].remove(link)
        _rest(change, payment)
    set_balance(change, kind, obj)


def _rest(change, payment: dict) -> None:
    """After something was taken off a payment: credits it does not need any more are free again."""
    side = AP if "PayType" in payment else AR
    spare = _credits(change, side, payment) - max(_charges(change, side, payment) - payment["TotalAmt"], ZERO)
    for line in reversed(payment["Line"]):
        link = line["LinkedTxn"][0]
        if spare <= 0 or link["TxnType"] != side.credit:
            continue
        cut = min(spare, line["Amount"])
        line["Amount"], spare = money(line["Amount"] - cut), spare - cut
        if not line["Amount"]:
            payment["Line"].remove(line)
        _relink(change, payment, (link["TxnType"], link["TxnId"]), bool(line["Amount"]))
    _unapplied(change, payment)


def _sum(change, side: Side, payment: dict, sign: int) -> Decimal:
    total = ZERO
    for line in payment["Line"]:
        kind, id = line["LinkedTxn"][0]["TxnType"], line["LinkedTxn"][0]["TxnId"]
        if kind == "JournalEntry":
            found = change.get(kind, id)
            is_charge = found is None or amount_of(change, side, kind, found) >= 0
        else:
            is_charge = kind == side.charge
        if is_charge == (sign > 0):
            total += line["Amount"]
    return total


def _charges(change, side: Side, payment: dict) -> Decimal:
    return _sum(change, side, payment, 1)


def _credits(change, side: Side, payment: dict) -> Decimal:
    return _sum(change, side, payment, -1)


def _unapplied(change, payment: dict) -> None:
    if "PayType" not in payment:
        payment["UnappliedAmt"] = money(payment["TotalAmt"] + _credits(change, AR, payment) - _charges(change, AR, payment))


# -- Payment and BillPayment -----------------------------------------------------------

def payment(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    forms.check_deposited(old)
    forms.dated(change, obj, old)
    if obj.get("ProcessPayment") or "CreditCardPayment" in obj:
        raise Fault(5030, "ProcessPayment", "Feature Not Supported Error : QuickBooks Payments")
    obj.setdefault("DepositToAccountRef", lists.standard(change, "undeposited"))
    references.resolve_all(change, ENTITIES["Payment"], obj, old)
    lists.check_type(change, "DepositToAccountRef", obj["DepositToAccountRef"], "Bank", "Other Current Asset")
    currencies.transaction(change, obj, change.get("Customer", obj["CustomerRef"]["value"]), ui)
    currencies.check_account(change, obj, "DepositToAccountRef")
    obj["ProcessPayment"] = False
    _settle(change, AR, obj, old)
    _unapplied(change, obj)
    currencies.home_amounts(change, obj)


def bill_payment(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    forms.dated(change, obj, old)
    part, account, kind = ("CheckPayment", "BankAccountRef", "Bank") if obj["PayType"] == "Check" else \
        ("CreditCardPayment", "CCAccountRef", "Credit Card")
    if part not in obj:
        raise missing(part)
    obj.pop("CreditCardPayment" if part == "CheckPayment" else "CheckPayment", None)
    obj[part] = dict(obj[part])
    obj[part][account] = lists.resolve(change, f"{part}.{account}", obj[part][account], kind)
    if part == "CheckPayment":
        obj[part].setdefault("PrintStatus", "NotSet")
    references.resolve_all(change, ENTITIES["BillPayment"], obj, old)
    currencies.transaction(change, obj, change.get("Vendor", obj["VendorRef"]["value"]), ui)
    if "APAccountRef" in obj:
        lists.check_type(change, "APAccountRef", obj["APAccountRef"], "Accounts Payable")
    if not obj["Line"] and not old:
        raise Fault(2250, "Line")
    _settle(change, AP, obj, old)
    currencies.home_amounts(change, obj)


def _settle(change, side: Side, obj: dict, old: dict | None) -> None:
    """Check what a payment asks to be applied to, and apply it."""
    if obj["TotalAmt"] != money(obj["TotalAmt"]):
        raise Fault(2140, "TotalAmt")
    obj["TotalAmt"] = money(obj["TotalAmt"])
    wanted = _wanted(side, obj.get("Line", []))
    signed = {key: _check(change, side, obj, key, amount) for key, amount in wanted.items()}
    charges = sum((a for a in signed.values() if a > 0), ZERO)
    credits = -sum((a for a in signed.values() if a < 0), ZERO)
    if charges > obj["TotalAmt"] + credits:
        raise Fault(6000, "", "Business Validation Error: The payment amount applied exceeds the amount received.")
    before = targets(old) if old else set()
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []
    obj["Line"] = [_payment_line(change, side, key, amount) for key, amount in wanted.items()]
    apply(change, side, obj, before, set(wanted))


def targets(payment: dict) -> set[tuple[str, str]]:
    return {(l["LinkedTxn"][0]["TxnType"], l["LinkedTxn"][0]["TxnId"]) for l in payment["Line"]}


def _wanted(side: Side, sent: list) -> dict[tuple[str, str], Decimal]:
    wanted: dict[tuple[str, str], Decimal] = {}
    for line in sent:
        links = line.get("LinkedTxn", [])
        if len(links) != 1:
            raise Fault(2020, "Line.LinkedTxn", "Required parameter LinkedTxn is missing in the request"
                        if not links else "One LinkedTxn per line is supported")
        kind, id = links[0].get("TxnType"), links[0].get("TxnId", "")
        if kind not in (side.charge, side.credit, "JournalEntry"):
            raise Fault(620, "Line.LinkedTxn", f"Transaction cannot be linked : {kind}")
        wanted[(kind, id)] = wanted.get((kind, id), ZERO) + lines.cents(line)
    return wanted


def _check(change, side: Side, obj: dict, key: tuple[str, str], amount: Decimal) -> Decimal:
    """That so much can be applied; returns it, negative for a credit."""
    kind, id = key
    target = change.get(kind, id)
    if target is None:
        raise Fault(610, "Line.LinkedTxn", f"Object Not Found : Another user has deleted this transaction. {kind} {id}")
    if not _may_pay(change, side, obj[side.name]["value"], owner(change, side, kind, target)):
        raise Fault(620, "Line.LinkedTxn", f"Transaction cannot be linked : {kind} {id} belongs to another name")
    total = amount_of(change, side, kind, target)
    left = abs(total) - applied_to(change, kind, id, target["LinkedTxn"], without=obj["Id"])
    if left <= 0:
        raise Fault(620, "Line.LinkedTxn", f"Txn ID Cannot Be Linked : {kind} {id} has no open balance")
    if amount > left:
        raise Fault(6000, "", "Business Validation Error: You can't apply more than the open balance: "
                    f"the payment amount {amount} exceeds {left} of {kind} {id}.")
    return amount if total > 0 else -amount


def _may_pay(change, side: Side, payer: str, who: str) -> bool:
    """A customer pays for himself, and for the jobs that bill with him."""
    while who != payer:
        customer = change.get("Customer", who) if side is AR else None
        if not customer or not customer.get("BillWithParent"):
            return False
        who = customer["ParentRef"]["value"]
    return True


def _payment_line(change, side: Side, key: tuple[str, str], amount: Decimal) -> dict:
    kind, id = key
    target = change.get(kind, id)
    left = abs(amount_of(change, side, kind, target)) - applied_to(change, kind, id, target["LinkedTxn"])
    noise = [("txnId", id), ("txnOpenBalance", format(money(left), "f"))]
    if target.get("DocNumber"):
        noise.append(("txnReferenceNumber", target["DocNumber"]))
    return {"Amount": money(amount), "LinkedTxn": [{"TxnId": id, "TxnType": kind}],
            "LineEx": {"any": [_name_value(n, v) for n, v in noise]}}


def _name_value(name: str, value: str) -> dict:
    return {"name": "{http://schema.intuit.com/finance/v3}NameValue",
            "declaredType": "com.intuit.schema.finance.v3.NameValue",
            "scope": "javax.xml.bind.JAXBElement$GlobalScope",
            "value": {"Name": name, "Value": value}, "nil": False, "globalScope": True,
            "typeSubstituted": False}


def apply(change, side: Side, obj: dict, before: set, after: set) -> None:
    """Bring what is linked in line with a payment that was stored, changed or taken away."""
    change.pending[(side.payer, obj["Id"])] = obj
    for key in sorted(before | after, key=lambda k: (k[0], int(k[1]))):
        _relink(change, obj, key, key in after)


def _relink(change, obj: dict, key: tuple[str, str], linked: bool) -> None:
    kind, id = key
    if change.get(kind, id) is None:
        return
    target = change.edit(kind, id, bump=True)
    link = {"TxnId": obj["Id"], "TxnType": link_type(obj)}
    target["LinkedTxn"] = [l for l in target["LinkedTxn"] if linked or
                           not (l["TxnId"] == obj["Id"] and l["TxnType"] in _LINKS)]
    if linked and link not in target["LinkedTxn"]:
        target["LinkedTxn"].append(link)
    set_balance(change, kind, target)


def take_back(change, side: Side, obj: dict) -> None:
    before = targets(obj)
    obj["Line"] = []
    apply(change, side, obj, before, set())


def _void(side: Side):
    def void(change, obj: dict) -> None:
        forms.check_open_books(change, obj["TxnDate"])
        forms.check_deposited(obj)
        take_back(change, side, obj)
        obj["TotalAmt"] = ZERO
        _unapplied(change, obj)
        currencies.home_amounts(change, obj)
        forms.mark_void(change, obj)
    return void


def _delete(side: Side):
    def delete(change, obj: dict) -> None:
        forms.check_open_books(change, obj["TxnDate"])
        forms.check_deposited(obj)
        take_back(change, side, obj)
    return delete


# -- What they owe -----------------------------------------------------------------------

def _linked(obj: dict, kind: str) -> Decimal:
    return sum((l["Amount"] for l in obj["Line"] if l["LinkedTxn"][0]["TxnType"] == kind), ZERO)


def _payment_owes(obj: dict) -> list:
    """Journal entries count for the customer by themselves: what is applied to them does not."""
    settled = obj["TotalAmt"] + _linked(obj, "CreditMemo") - _linked(obj, "Invoice")
    return [(("Customer", obj["CustomerRef"]["value"]), -settled)] + currencies.posted(obj, [
        ("receivable", -settled), (obj.get("DepositToAccountRef", {}).get("value", "undeposited"), obj["TotalAmt"])])


def _bill_payment_owes(obj: dict) -> list:
    settled = obj["TotalAmt"] + _linked(obj, "VendorCredit") - _linked(obj, "Bill")
    account = obj["CheckPayment"]["BankAccountRef"] if obj["PayType"] == "Check" else \
        obj["CreditCardPayment"]["CCAccountRef"]
    return [(("Vendor", obj["VendorRef"]["value"]), -settled)] + currencies.posted(obj, [
        ("payable", settled), (account["value"], -obj["TotalAmt"])])


PAYMENT = Rules(payment, delete=_delete(AR), void=_void(AR), void_by="operation include", owes=_payment_owes)
BILL_PAYMENT = Rules(bill_payment, delete=_delete(AP), void=_void(AP), void_by="include", owes=_bill_payment_owes)
