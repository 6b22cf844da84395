"""Rules of the books: JournalEntry, Deposit, Transfer."""

from __future__ import annotations

from decimal import Decimal

import currencies
import forms
import lines
import lists
import payments
import references
from entities import ENTITIES, ENTITY_REF, REF
from errors import Fault, missing
from jsontext import copy, money
from rules import Rules

ZERO = Decimal(0)


# -- JournalEntry --------------------------------------------------------------

def journal_entry(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """Debits and credits that are equal; customers and vendors on the lines that concern what they owe."""
    forms.check_deposited(old)
    forms.dated(change, obj, old)
    references.resolve_all(change, ENTITIES["JournalEntry"], obj, old)
    forms.counted(change, "JournalEntry", obj, old)
    forms.warned(change, "WarnDuplicateJournalNumber", "JournalEntry", obj, old, include)
    currencies.transaction(change, obj, None, ui)
    obj.setdefault("Adjustment", False)
    obj.pop("TxnTaxDetail", None)
    if not obj["Line"]:
        raise Fault(2250, "Line")
    before = {l["Id"]: l.get("JournalEntryLineDetail", {}) for l in (old or {}).get("Line", ()) if "Id" in l}
    booked = lines.journal(change, obj, old)
    total = {"Debit": ZERO, "Credit": ZERO}
    for line in booked:
        _journal_line(change, line, before.get(line["Id"], {}))
        total[line["JournalEntryLineDetail"]["PostingType"]] += line["Amount"]
    if len(booked) < 2 or total["Debit"] != total["Credit"]:
        raise Fault(2300, "Line", f"Debits and credits of the journal entry differ : {total['Debit']} and {total['Credit']}")
    for kind in ("Accounts Receivable", "Accounts Payable"):
        if sum(_account_type(change, l) == kind for l in booked) > 1:
            raise Fault(6000, "Line", f"Business Validation Error: A journal entry has one line on {kind} at most.")
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []
    if old and _open(change, old) != _open(change, obj):
        payments.unapply(change, "JournalEntry", obj)
    obj["TotalAmt"] = ZERO
    currencies.home_amounts(change, obj)


def _account_type(change, line: dict) -> str:
    return change.get("Account", line["JournalEntryLineDetail"]["AccountRef"]["value"])["AccountType"]


def _open(change, obj: dict) -> list:
    """What payments can be applied to: whose, and how much."""
    return [(payments.owner(change, side, "JournalEntry", obj), payments.amount_of(change, side, "JournalEntry", obj))
            for side in (payments.AR, payments.AP)]


_NAMED = {"Accounts Receivable": ("Customer", "When you use Accounts Receivable, choose a customer in the Name field."),
          "Accounts Payable": ("Vendor", "When you use Accounts Payable, choose a vendor in the Name field.")}


def _journal_line(change, line: dict, was: dict) -> None:
    detail = line["JournalEntryLineDetail"]
    if "PostingType" not in detail:
        raise Fault(2260, "Line.PostingType")
    line["Amount"] = lines.cents(line)
    if line["Amount"] < 0:
        raise Fault(2290, "Line.Amount")
    for name, target in (("AccountRef", "Account"), ("ClassRef", "Class"), ("DepartmentRef", "Department"),
                         ("TaxCodeRef", "LineTax")):
        if name in detail:
            detail[name] = references.resolve(change, f"Line.{name}", REF(target), detail[name], was.get(name))
    kind = _account_type(change, line)
    if kind == "Non-Posting":
        raise Fault(6430, "Line.AccountRef", "Invalid account type used : Non-Posting")
    if "TaxCodeRef" in detail:
        for name, code in (("TaxApplicableOn", 2270), ("TaxAmount", 2280)):
            if name not in detail:
                raise Fault(code, f"Line.{name}")
    named = _entity(change, detail, was)
    wanted, text = _NAMED.get(kind, ("", ""))
    if wanted and named != wanted:
        raise Fault(6000, "Line.Entity", f"Business Validation Error: {text}")


def _entity(change, detail: dict, was: dict) -> str:
    """Checks the name of a line; returns what it is."""
    if "Entity" not in detail:
        return ""
    entity = detail["Entity"]
    if "Type" not in entity:
        raise missing("Line.Entity.Type")
    found = references.resolve(change, "Line.EntityRef", ENTITY_REF, entity.get("EntityRef", {}) | {"type": entity["Type"]},
                               was.get("Entity", {}).get("EntityRef"))
    detail["Entity"] = {"Type": entity["Type"], "EntityRef": {k: found[k] for k in ("value", "name")}}
    return entity["Type"]


def _delete_entry(change, obj: dict) -> None:
    forms.check_open_books(change, obj["TxnDate"])
    forms.check_deposited(obj)
    payments.unapply(change, "JournalEntry", obj)


def _entry_owes(obj: dict) -> list:
    """A customer owes what is debited to him, a vendor is owed what is credited to him; accounts get both."""
    found, posted = [], []
    for line in obj["Line"]:
        detail = line.get("JournalEntryLineDetail")
        if not detail:
            continue
        amount = line["Amount"] if detail["PostingType"] == "Debit" else -line["Amount"]
        posted.append((detail["AccountRef"]["value"], amount))
        entity = detail.get("Entity", {})
        if entity.get("Type") in ("Customer", "Vendor"):
            found.append(((entity["Type"], entity["EntityRef"]["value"], detail["AccountRef"]["value"]),
                          amount if entity["Type"] == "Customer" else -amount))
    return found + currencies.posted(obj, posted)


# -- Deposit -------------------------------------------------------------------

_DEPOSITED = ("Payment", "SalesReceipt", "RefundReceipt", "JournalEntry", "BillPayment", "Transfer", "Purchase")


def deposit(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """Money taken from Undeposited Funds to the bank, and money that comes in otherwise."""
    forms.dated(change, obj, old)
    references.resolve_all(change, ENTITIES["Deposit"], obj, old)
    lists.check_type(change, "DepositToAccountRef", obj["DepositToAccountRef"], "Bank", "Other Current Asset")
    currencies.transaction(change, obj, None, ui)
    currencies.check_account(change, obj, "DepositToAccountRef")
    if not obj["Line"]:
        raise Fault(2250, "Line")
    numbers, linked = lines.Numbers(old), []
    for number, line in enumerate(obj["Line"], 1):
        numbers.place(line, number)
        line["Amount"] = lines.cents(line)
        if line.get("LinkedTxn"):
            linked.append(_linked(change, obj, line, old))
        else:
            _direct(change, line, numbers.before(line) or {})
    if len(set(linked)) < len(linked):
        raise Fault(620, "Line.LinkedTxn", "Transaction cannot be linked : twice in one deposit")
    obj["Line"] = [lines.ordered(l) for l in obj["Line"]]
    total = sum((l["Amount"] for l in obj["Line"]), ZERO) - _cash_back(change, obj)
    if total < 0:
        raise Fault(6000, "", "Business Validation Error: Please enter a transaction amount that is 0 or greater.")
    obj["TotalAmt"] = money(total)
    obj.pop("TxnTaxDetail", None)
    currencies.home_amounts(change, obj)
    _mark(change, obj, _targets(old) if old else set(), set(linked))


def _targets(obj: dict) -> set[tuple[str, str]]:
    return {(l["LinkedTxn"][0]["TxnType"], l["LinkedTxn"][0]["TxnId"]) for l in obj["Line"] if l.get("LinkedTxn")}


def _linked(change, obj: dict, line: dict, old: dict | None) -> tuple[str, str]:
    """A line that takes a whole payment or receipt out of Undeposited Funds."""
    link = line["LinkedTxn"][0]
    kind, id = link.get("TxnType"), link.get("TxnId", "")
    found = change.get(kind, id) if kind in _DEPOSITED else None
    if len(line["LinkedTxn"]) != 1 or found is None:
        raise Fault(620, "Line.LinkedTxn", f"Transaction cannot be linked : {kind} {id}")
    line.pop("DepositLineDetail", None)
    line.pop("DetailType", None)
    link.setdefault("TxnLineId", "0")
    held, amount = _held(change, kind, found)
    others = [l for l in found.get("LinkedTxn", ()) if l["TxnType"] == "Deposit" and l["TxnId"] != obj["Id"]]
    if others or held != lists.account_of(change, "undeposited"):
        raise Fault(620, "Line.LinkedTxn", f"Transaction cannot be linked : {kind} {id} is not in Undeposited Funds")
    if line["Amount"] != amount:
        raise Fault(6000, "Line.Amount", f"Business Validation Error: The amount {line['Amount']} is not that of {kind} {id}.")
    return kind, id


def _held(change, kind: str, found: dict) -> tuple[str, Decimal]:
    """The account something's money is on, and how much."""
    if kind == "Transfer":
        return found["ToAccountRef"]["value"], found["Amount"]
    if kind == "BillPayment":
        return found.get("CheckPayment", {}).get("BankAccountRef", {}).get("value", ""), -found["TotalAmt"]
    if kind == "Purchase":
        return found["AccountRef"]["value"], -found["TotalAmt"]
    if kind == "JournalEntry":
        own = lists.account_of(change, "undeposited")
        amounts = [(l["JournalEntryLineDetail"]["PostingType"], l["Amount"]) for l in found["Line"]
                   if l.get("JournalEntryLineDetail", {}).get("AccountRef", {}).get("value") == own]
        return (own if amounts else ""), sum((a if p == "Debit" else -a for p, a in amounts), ZERO)
    return found["DepositToAccountRef"]["value"], -found["TotalAmt"] if kind == "RefundReceipt" else found["TotalAmt"]


def _direct(change, line: dict, was: dict) -> None:
    if line.get("DetailType") != "DepositLineDetail" or "DepositLineDetail" not in line:
        raise missing("Line.DepositLineDetail")
    detail, was = line["DepositLineDetail"], was.get("DepositLineDetail", {})
    for name, target in (("AccountRef", "Account"), ("PaymentMethodRef", "PaymentMethod"), ("ClassRef", "Class"),
                         ("TaxCodeRef", "LineTax"), ("Entity", "entity")):
        if name in detail:
            detail[name] = references.resolve(change, f"Line.{name}", REF(target), detail[name], was.get(name))
    kind = change.get("Account", detail["AccountRef"]["value"])["AccountType"]
    if kind == "Non-Posting":
        raise Fault(6430, "Line.AccountRef", "Invalid account type used : Non-Posting")
    wanted, text = _NAMED.get(kind, ("", ""))
    if wanted and detail.get("Entity", {}).get("type") != wanted:
        raise Fault(6000, "Line.Entity", f"Business Validation Error: {text}")


def _cash_back(change, obj: dict) -> Decimal:
    if "CashBack" not in obj:
        return ZERO
    back = obj["CashBack"] = dict(obj["CashBack"])
    back["AccountRef"] = lists.resolve(change, "CashBack.AccountRef", back["AccountRef"], "Bank", "Other Current Asset")
    back["Amount"] = lines.cents(back)
    return back["Amount"]


def _mark(change, obj: dict, before: set, after: set) -> None:
    """What is deposited says so, gets a new time and can no longer be changed."""
    for kind, id in sorted(before ^ after):
        if change.get(kind, id) is None:
            continue
        target = change.edit(kind, id, touch=True)
        kept = [l for l in target.get("LinkedTxn", ()) if l["TxnType"] != "Deposit"]
        target["LinkedTxn"] = kept + ([{"TxnId": obj["Id"], "TxnType": "Deposit"}] if (kind, id) in after else [])


def _delete_deposit(change, obj: dict) -> None:
    forms.check_open_books(change, obj["TxnDate"])
    _mark(change, obj, _targets(obj), set())


def _deposit_owes(obj: dict) -> list:
    posted, found = [(obj["DepositToAccountRef"]["value"], obj["TotalAmt"])], []
    for line in obj["Line"]:
        detail = line.get("DepositLineDetail", {})
        account, entity = detail.get("AccountRef", {}).get("value", "undeposited"), detail.get("Entity", {})
        posted.append((account, -line["Amount"]))
        if entity.get("type") in ("Customer", "Vendor"):
            sign = -1 if entity["type"] == "Customer" else 1
            found.append(((entity["type"], entity["value"], account), sign * line["Amount"]))
    if "CashBack" in obj:
        posted.append((obj["CashBack"]["AccountRef"]["value"], obj["CashBack"]["Amount"]))
    return found + currencies.posted(obj, posted)


# -- Transfer ------------------------------------------------------------------

_KEEPS_MONEY = ("Bank", "Credit Card", "Other Current Asset", "Fixed Asset", "Other Asset", "Other Current Liability",
                "Long Term Liability", "Equity")


def transfer(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """Money from one account of the balance sheet to another."""
    forms.check_deposited(old)
    forms.dated(change, obj, old)
    references.resolve_all(change, ENTITIES["Transfer"], obj, old)
    for name in ("FromAccountRef", "ToAccountRef"):
        lists.check_type(change, name, obj[name], *_KEEPS_MONEY)
    if obj["FromAccountRef"]["value"] == obj["ToAccountRef"]["value"]:
        raise Fault(6000, "ToAccountRef", "Business Validation Error: Choose two accounts that differ.")
    obj["Amount"] = lines.cents(obj)
    currencies.transaction(change, obj, None, True)
    for name in ("FromAccountRef", "ToAccountRef"):
        currencies.check_account(change, obj, name)


def _void_transfer(change, obj: dict) -> None:
    forms.check_open_books(change, obj["TxnDate"])
    forms.check_deposited(obj)
    obj["Amount"] = ZERO
    forms.mark_void(change, obj)


def _delete_transfer(change, obj: dict) -> None:
    forms.check_open_books(change, obj["TxnDate"])
    forms.check_deposited(obj)


JOURNAL_ENTRY = Rules(journal_entry, delete=_delete_entry, owes=_entry_owes)
DEPOSIT = Rules(deposit, delete=_delete_deposit, owes=_deposit_owes)
TRANSFER = Rules(transfer, delete=_delete_transfer, void=_void_transfer, owes=lambda o: currencies.posted(o, [
    (o["FromAccountRef"]["value"], -o["Amount"]), (o["ToAccountRef"]["value"], o["Amount"])]))
