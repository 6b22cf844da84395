"""Lines of transactions: ids and order, the lines of sales forms, the lines of purchases."""

from __future__ import annotations

from decimal import Decimal

import bundles
import lists
import references
import taxes
from entities import REF
from errors import Fault, missing
from jsontext import money, plain

ZERO = Decimal(0)
_LINE_ORDER = ("Id", "LineNum", "Description", "Amount", "LinkedTxn", "DetailType")
_SALES = {"SalesItemLineDetail": ("SalesItemLineDetail",), "DiscountLineDetail": ("DiscountLineDetail",),
          "SubTotalLineDetail": ("SubTotalLineDetail", "SubtotalLineDetail"),
          "GroupLineDetail": ("GroupLineDetail",), "DescriptionOnly": ("DescriptionLineDetail",)}
_EXPENSES = {name: (name,) for name in ("AccountBasedExpenseLineDetail", "ItemBasedExpenseLineDetail")} | {
    "DescriptionOnly": ("DescriptionLineDetail",)}
_JOURNAL = {"JournalEntryLineDetail": ("JournalEntryLineDetail",), "DescriptionOnly": ("DescriptionLineDetail",)}


class Numbers:
    """Ids of lines: a line keeps its own, or gets the next one."""

    def __init__(self, old: dict | None) -> None:
        self.known = {l["Id"]: l for l in (old or {}).get("Line", ()) if "Id" in l}
        self.inside = [p["Id"] for l in self.known.values() for p in l.get("GroupLineDetail", {}).get("Line", ())]
        self._taken = [int(i) for i in [*self.known, *self.inside] if i.isdigit()] or [0]
        self._used: set = set()

    def before(self, line: dict) -> dict | None:
        return self.known.get(line.get("Id", ""))

    def give(self, line: dict, kept: bool) -> None:
        if not kept or line["Id"] in self._used:
            self._taken.append(max(self._taken) + 1)
            line["Id"] = str(self._taken[-1])
        self._used.add(line["Id"])

    def place(self, line: dict, number: int) -> None:
        self.give(line, self.before(line) is not None)
        line["LineNum"] = number


def ordered(line: dict) -> dict:
    first = {k: line[k] for k in _LINE_ORDER if k in line}
    return first | {k: v for k, v in line.items() if k not in first}


def _check_detail(line: dict, kinds: dict) -> str:
    kind = line["DetailType"]
    if kind not in kinds:
        raise Fault(2170, "Line.DetailType", f"Invalid Enumeration : {kind[:60]}")
    for name in line:
        if name.endswith("LineDetail") and name not in kinds[kind]:
            raise Fault(2600, f"Line.{name}", f"Conflicting elements in request : {name} on a {kind} line")
    if kind not in ("SubTotalLineDetail", "DescriptionOnly") and kind not in line:
        raise missing(f"Line.{kind}")
    return kind


def cents(line: dict) -> Decimal:
    if "Amount" not in line:
        raise missing("Line.Amount")
    amount = line["Amount"]
    if amount != money(amount):
        raise Fault(2140, "Line.Amount", f"Invalid amount. Supplied value:{format(amount, 'f')}")
    return money(amount)


def _priced(line: dict, detail: dict) -> None:
    """Amount, and that it is quantity times price where both are there."""
    line["Amount"] = cents(line)
    quantity, price = detail.get("Qty"), detail.get("UnitPrice")
    if quantity is not None and price is not None and money(quantity * price) != line["Amount"]:
        raise Fault(6070, "Line", "Amount is not equal to UnitPrice * Qty. Supplied value:"
                    f"{format(line['Amount'], 'f')}")
    for name in ("Qty", "UnitPrice"):
        if name in detail:
            detail[name] = plain(detail[name])


# -- Sales -----------------------------------------------------------------------

def sales(change, obj: dict, old: dict | None) -> tuple[list, Decimal, Decimal]:
    """Check and complete the lines; returns those with an amount, their sum (shipping included) and the discount."""
    numbers, sold, extra, discounts, priced = Numbers(old), [], [], [], []
    for line in obj["Line"]:
        kind = _check_detail(line, _SALES)
        if kind == "SubTotalLineDetail":
            continue
        if kind == "DiscountLineDetail":
            discounts.append(line)
            line.pop("Id", None)
            continue
        if kind == "SalesItemLineDetail":
            _sales_line(change, line, numbers.before(line), obj)
            priced.append(line)
            if line["SalesItemLineDetail"]["ItemRef"]["value"] == "SHIPPING_ITEM_ID":
                line.pop("Id", None)
                extra.append(line)
                continue
        elif kind == "GroupLineDetail":
            for part in bundles.complete(change, line, numbers.before(line),
                                         lambda c, part, before: _sales_line(c, part, before, obj)):
                numbers.give(part, part.get("Id") in numbers.inside)
                priced.append(part)
        else:
            _description_line(line)
        numbers.place(line, len(sold) + 1)
        sold.append(line)
    if len(discounts) > 1:
        raise Fault(2600, "Line", "Conflicting elements in request : more than one discount line")
    if not sold and not extra:
        raise Fault(2250, "Line")
    goods = sum((l["Amount"] for l in sold if "Amount" in l), ZERO)
    shipping = sum((l["Amount"] for l in extra), ZERO)
    total = {"Amount": money(goods), "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}
    discount = _discount(change, discounts[0], goods, obj) if discounts else ZERO
    obj["Line"] = [ordered(l) for l in sold] + [ordered(l) for l in extra] + [total] + [ordered(l) for l in discounts]
    return priced, goods + shipping, discount


def _sales_line(change, line: dict, before: dict | None, obj: dict) -> None:
    detail = line["SalesItemLineDetail"]
    if "DiscountRate" in detail or "DiscountAmt" in detail:
        raise Fault(5030, "Line.SalesItemLineDetail", "Feature Not Supported Error : line discounts")
    _priced(line, detail)
    was = (before or {}).get("SalesItemLineDetail", {})
    if "ItemRef" not in detail:
        detail["ItemRef"] = {"value": change.company.values["default_item"]}
    item = references.resolve(change, "Line.ItemRef", REF("Item"), detail["ItemRef"], was.get("ItemRef"))
    found = change.get("Item", item["value"])
    if found and found["Type"] in ("Category", "Group"):
        raise Fault(6440, "Line", "A category or a bundle cannot be the item of a line.")
    detail["ItemRef"] = item
    _tracked(detail, found, obj)
    taxes.line(change, obj, detail, was)
    _class(change, detail, was)


def _tracked(detail: dict, item: dict | None, obj: dict) -> None:
    """Items whose quantity is tracked need one, and a start date that is past."""
    if item and item["Type"] == "Inventory":
        if "Qty" not in detail:
            raise Fault(6520, "Line.Qty")
        if obj["TxnDate"] < item["InvStartDate"]:
            raise Fault(6270, "TxnDate")


def _class(change, detail: dict, was: dict) -> None:
    if "ClassRef" in detail:
        detail["ClassRef"] = references.resolve(change, "Line.ClassRef", REF("Class"), detail["ClassRef"],
                                                was.get("ClassRef"))


def _description_line(line: dict) -> None:
    line.pop("Amount", None)
    line.setdefault("DescriptionLineDetail", {})


def _discount(change, line: dict, goods: Decimal, obj: dict) -> Decimal:
    if not change.company.preference("SalesFormsPrefs", "AllowDiscount", False):
        raise Fault(5030, "Line", "Feature Not Supported Error : AllowDiscount is off")
    detail = line["DiscountLineDetail"]
    if detail.get("PercentBased"):
        if "DiscountPercent" not in detail:
            raise Fault(6090, "Line")
        detail["DiscountPercent"] = plain(detail["DiscountPercent"])
        line["Amount"] = money(goods * detail["DiscountPercent"] / 100)
    elif "Amount" not in line:
        raise Fault(6090, "Line")
    detail.setdefault("PercentBased", False)
    line["Amount"] = cents(line)
    if line["Amount"] < 0:
        raise Fault(2290, "Line.Amount")
    account = detail.get("DiscountAccountRef", lists.standard(change, "discounts"))
    detail["DiscountAccountRef"] = references.resolve(change, "Line.DiscountAccountRef", REF("Account"), account)
    if "TaxCodeRef" in detail:
        taxes.line(change, obj, detail, {})
    line.pop("LineNum", None)
    return line["Amount"]


# -- Purchases and journal entries -------------------------------------------------

def purchases(change, obj: dict, old: dict | None) -> tuple[list, Decimal]:
    """Check and complete the lines of what is bought; returns those with an amount and their sum."""
    numbers, kept, priced = Numbers(old), [], []
    for line in obj["Line"]:
        kind = _check_detail(line, _EXPENSES)
        if kind == "DescriptionOnly":
            _description_line(line)
        else:
            _expense(change, line, kind, (numbers.before(line) or {}).get(kind, {}), obj)
            priced.append(line)
        numbers.place(line, len(kept) + 1)
        kept.append(ordered(line))
    if not priced:
        raise Fault(2250, "Line")
    obj["Line"] = kept
    return priced, sum((l["Amount"] for l in priced), ZERO)


def _expense(change, line: dict, kind: str, was: dict, obj: dict) -> None:
    detail = line[kind]
    _priced(line, detail)
    target = "ItemRef" if kind == "ItemBasedExpenseLineDetail" else "AccountRef"
    detail[target] = references.resolve(change, f"Line.{target}", REF(target[:-3]), detail[target], was.get(target))
    if target == "ItemRef":
        item = change.get("Item", detail["ItemRef"]["value"])
        if item is None or item["Type"] in ("Category", "Group"):
            raise Fault(6440, "Line", "A category or a bundle cannot be the item of a line.")
        if "ExpenseAccountRef" not in item:
            raise Fault(6430, "Line.ItemRef", "Invalid account type used : the item has no expense account.")
        _tracked(detail, item, obj)
    if "CustomerRef" in detail:
        detail["CustomerRef"] = references.resolve(change, "Line.CustomerRef", REF("Customer"), detail["CustomerRef"],
                                                   was.get("CustomerRef"))
    billable(detail, was, "Line.")
    taxes.line(change, obj, detail, was)
    _class(change, detail, was)


def billable(detail: dict, was: dict, prefix: str = "") -> None:
    """Only QuickBooks itself says that something was billed; what can be billed needs a customer."""
    status = detail.setdefault("BillableStatus", "NotBillable")
    if status == "HasBeenBilled" and was.get("BillableStatus") != status:
        raise Fault(2170, f"{prefix}BillableStatus", "Invalid Enumeration : HasBeenBilled")
    if status == "Billable" and "CustomerRef" not in detail:
        raise missing(f"{prefix}CustomerRef")


def journal(change, obj: dict, old: dict | None) -> list:
    """The lines of a journal entry, ids and kinds; returns those with an amount."""
    numbers, kept = Numbers(old), []
    for line in obj["Line"]:
        if _check_detail(line, _JOURNAL) == "DescriptionOnly":
            _description_line(line)
        numbers.place(line, len(kept) + 1)
        kept.append(ordered(line))
    obj["Line"] = kept
    return [l for l in kept if l["DetailType"] == "JournalEntryLineDetail"]
