"""What transactions have in common: dates, closed books, numbers, what they take from names, the mark of a void."""

from __future__ import annotations

from decimal import Decimal

from clock import add_days, today
from errors import Fault
from jsontext import copy

ZERO = Decimal(0)


def company_today(change) -> str:
    return today(change.now, change.company.single("CompanyInfo").get("DefaultTimeZone", "UTC"))


def dated(change, obj: dict, old: dict | None) -> None:
    """Its date, and that the books are open on it and on the one it had."""
    obj.setdefault("TxnDate", company_today(change))
    check_open_books(change, obj["TxnDate"], (old or {}).get("TxnDate"))


def check_open_books(change, *dates: str) -> None:
    closed = change.company.preference("AccountingInfoPrefs", "BookCloseDate")
    if closed and any(d and d <= closed for d in dates):
        raise Fault(6210, "TxnDate")


def check_deposited(obj: dict | None) -> None:
    """Money that is part of a bank deposit stays as it is."""
    if obj and any(link["TxnType"] == "Deposit" for link in obj.get("LinkedTxn", ())):
        raise Fault(6540, "", f"Deposited Transaction cannot be changed : {obj['Id']} is part of a deposit.")


def sales_flags(obj: dict) -> None:
    obj.setdefault("EmailStatus", "NotSet")
    obj.setdefault("PrintStatus", "NotSet")
    obj.setdefault("ApplyTaxAfterDiscount", False)
    obj.setdefault("FreeFormAddress", True)
    if obj["EmailStatus"] == "NeedToSend" and not obj.get("BillEmail"):
        raise Fault(6420, "BillEmail")


# -- Numbers -------------------------------------------------------------------

def sales_number(change, entity: str, obj: dict, old: dict | None, include: set) -> None:
    """Own numbers where the preference asks for them, else the next of the one sequence of sales forms.

    With own numbers each kind is checked by itself for duplicates, by preference.
    """
    company = change.company
    if company.preference("SalesFormsPrefs", "CustomTxnNumbers", False):
        own_number(change, entity, obj, old, include)
    elif not _kept_number(obj, old):
        company.values["doc_number"] += 1
        obj["DocNumber"] = str(company.values["doc_number"])


def purchase_number(change, entity: str, obj: dict, old: dict | None, include: set) -> None:
    """As sales_number(), with the preference of purchases and a sequence for each kind."""
    company = change.company
    pairs = company.preference("OtherPrefs", "NameValue", [])
    if {"Name": "VendorAndPurchasesPrefs.UseCustomTxnNumbers", "Value": "true"} in pairs:
        own_number(change, entity, obj, old, include)
    else:
        counted(change, entity, obj, old)


def counted(change, entity: str, obj: dict, old: dict | None) -> None:
    """The next number of the kind where none is sent."""
    if not _kept_number(obj, old):
        numbers = change.company.values.setdefault("numbers", {})
        numbers[entity] = numbers.get(entity, 1000) + 1
        obj["DocNumber"] = str(numbers[entity])


def warned(change, preference: str, entity: str, obj: dict, old: dict | None, include: set) -> None:
    """Refuse a number that is taken where a preference warns of it."""
    if {"Name": preference, "Value": "true"} in change.company.preference("OtherPrefs", "NameValue", []):
        own_number(change, entity, obj, old, include)


def _kept_number(obj: dict, old: dict | None) -> bool:
    if not obj.get("DocNumber") and old and old.get("DocNumber"):
        obj["DocNumber"] = old["DocNumber"]
    return bool(obj.get("DocNumber"))


def own_number(change, entity: str, obj: dict, old: dict | None, include: set, same=lambda other: True) -> None:
    """No number stays none; one that is taken is refused, among those that `same` is true for."""
    number = obj.get("DocNumber")
    if not number or (old and old.get("DocNumber") == number) or "allowduplicatedocnum" in include \
            or not change.company.values.get("warn_duplicates", True):
        return
    for id in sorted(change.company.numbered(entity).get(number, ()), key=int):
        if id != obj["Id"] and same(change.get(entity, id)):
            raise Fault(6140, "DocNumber", "Duplicate Document Number Error : You must specify a different number. "
                        f"This number has already been used. DocNumber={number} is assigned to TxnType={entity} "
                        f"with TxnId={id}")


# -- What comes from the name and the term ---------------------------------------

def from_customer(obj: dict, old: dict | None, customer: dict) -> None:
    changed = old is None or old.get("CustomerRef", {}).get("value") != obj["CustomerRef"]["value"]
    if not changed:
        return
    for source, target in (("BillAddr", "BillAddr"), ("ShipAddr", "ShipAddr"), ("PrimaryEmailAddr", "BillEmail")):
        if source in customer and (target not in obj or (old and obj[target] == old.get(target))):
            obj[target] = copy(customer[source])


def due(change, obj: dict) -> None:
    if not obj.get("DueDate"):
        term = change.get("Term", obj.get("SalesTermRef", {}).get("value", "")) or {}
        obj["DueDate"] = due_date(obj["TxnDate"], term)


def due_date(date: str, term: dict) -> str:
    if "DayOfMonthDue" not in term:
        return add_days(date, term.get("DueDays", 0))
    day, grace = term["DayOfMonthDue"], term.get("DueNextMonthDays", 0)
    year, month = int(date[:4]), int(date[5:7])
    found = _day_of_month(year, month, day)
    if found < add_days(date, grace):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        found = _day_of_month(year, month, day)
    return found


def _day_of_month(year: int, month: int, day: int) -> str:
    following = f"{year + month // 12}-{month % 12 + 1:02d}-01"
    return min(f"{year}-{month:02d}-{day:02d}", add_days(following, -1))


# -- Void ------------------------------------------------------------------------

def mark_void(change, obj: dict) -> None:
    note, word = obj.get("PrivateNote", ""), change.settings["voided_text"]
    if not note.lower().startswith(word.lower()):
        obj["PrivateNote"] = f"{word} - {note}"[:4000] if note else word


def void_form(change, obj: dict) -> None:
    """Every line, the tax and the total become zero."""
    check_open_books(change, obj["TxnDate"])
    check_deposited(obj)
    void_lines(obj["Line"])
    if "TxnTaxDetail" in obj:
        obj["TxnTaxDetail"] = {"TotalTax": ZERO}
    obj["TotalAmt"] = ZERO
    for name in ("HomeTotalAmt", "HomeBalance", "Balance", "RemainingCredit"):
        if name in obj:
            obj[name] = ZERO
    mark_void(change, obj)


def void_lines(lines: list) -> None:
    for line in lines:
        if "Amount" in line:
            line["Amount"] = ZERO
        for name in ("SalesItemLineDetail", "ItemBasedExpenseLineDetail"):
            if name in line:
                line[name].pop("UnitPrice", None)
                line[name]["Qty"] = ZERO
        if "GroupLineDetail" in line:
            line["GroupLineDetail"]["Quantity"] = ZERO
            void_lines(line["GroupLineDetail"]["Line"])
