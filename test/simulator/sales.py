"""Rules of the sales transactions: Invoice, Payment and Estimate.

Totals and balances are computed here; a payment bumps the invoices it is
applied to, a void or delete takes the application back, and every change of
what a customer owes moves Customer.Balance and the BalanceWithJobs of all
parents (LastUpdatedTime moves, SyncToken does not).
"""

from __future__ import annotations

from decimal import Decimal

import bundles
import lists
import references
import taxes
from clock import add_days, today
from entities import ENTITIES, REF
from errors import Fault, missing
from jsontext import copy, money, plain
from rules import Rules

ZERO = Decimal(0)


def company_today(change) -> str:
    return today(change.now, change.company.single("CompanyInfo").get("DefaultTimeZone", "UTC"))


def check_open_books(change, *dates: str) -> None:
    closed = change.company.preference("AccountingInfoPrefs", "BookCloseDate")
    if closed and any(d and d <= closed for d in dates):
        raise Fault(6210, "TxnDate")


# -- Invoice -----------------------------------------------------------------

def invoice(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    obj.setdefault("TxnDate", company_today(change))
    check_open_books(change, obj["TxnDate"], (old or {}).get("TxnDate"))
    references.resolve_all(change, ENTITIES["Invoice"], obj, old)
    customer = change.get("Customer", obj["CustomerRef"]["value"])
    document_number(change, "Invoice", obj, old, include)
    _from_customer(obj, old, customer)
    _currency(change, obj, customer)
    _due_date(change, obj)
    _own_links(change, obj, old)
    if not obj["Line"]:
        raise Fault(2250, "Line")
    subtotal, discount = _lines(change, obj, old)
    tax = _tax(change, obj, old, subtotal, discount)
    obj["TotalAmt"] = money(subtotal - discount + tax)
    if obj["TotalAmt"] < 0:
        raise Fault(6000, "", "Business Validation Error: Please enter a transaction amount that is 0 or greater.")
    _deposit(change, obj)
    if old and old["CustomerRef"]["value"] != obj["CustomerRef"]["value"]:
        unapply_invoice(change, obj)
    open_before_payments = obj["TotalAmt"] - obj.get("Deposit", ZERO)
    applied = applied_to(change, obj["Id"], obj["LinkedTxn"])
    if applied > open_before_payments:
        _cut_applications(change, obj, applied - max(open_before_payments, ZERO))
        applied = applied_to(change, obj["Id"], obj["LinkedTxn"])
    obj["Balance"] = money(open_before_payments - applied)
    _flags(obj)


def _form_flags(obj: dict) -> None:
    obj.setdefault("EmailStatus", "NotSet")
    obj.setdefault("PrintStatus", "NotSet")
    obj.setdefault("ApplyTaxAfterDiscount", False)
    obj.setdefault("FreeFormAddress", True)
    obj.setdefault("CustomField", [])
    if obj["EmailStatus"] == "NeedToSend" and not obj.get("BillEmail"):
        raise Fault(6420, "BillEmail")


def _flags(obj: dict) -> None:
    _form_flags(obj)
    for name in ("AllowOnlineCreditCardPayment", "AllowOnlineACHPayment"):
        obj.setdefault(name, False)
    obj["AllowIPNPayment"] = obj["AllowOnlinePayment"] = False


def document_number(change, entity: str, obj: dict, old: dict | None, include: set) -> None:
    """Own numbers where the preference asks for them, else the next of the one sequence of sales forms.

    With own numbers each kind is checked by itself for duplicates, by preference.
    """
    company, number = change.company, obj.get("DocNumber")
    if company.preference("SalesFormsPrefs", "CustomTxnNumbers", False):
        if number and (not old or old.get("DocNumber") != number) and "allowduplicatedocnum" not in include \
                and company.values.get("warn_duplicates", True):
            _refuse_duplicate(company, entity, obj, number)
    elif not number and old and old.get("DocNumber"):
        obj["DocNumber"] = old["DocNumber"]
    elif not number:
        company.values["doc_number"] += 1
        obj["DocNumber"] = str(company.values["doc_number"])


def _refuse_duplicate(company, entity: str, obj: dict, number: str) -> None:
    for id in sorted(company.numbered(entity).get(number, ()), key=int):
        if id != obj["Id"]:
            raise Fault(6140, "DocNumber", "Duplicate Document Number Error : You must specify a different number. "
                        f"This number has already been used. DocNumber={number} is assigned to TxnType={entity} "
                        f"with TxnId={id}")


def _from_customer(obj: dict, old: dict | None, customer: dict) -> None:
    changed = old is None or old["CustomerRef"]["value"] != obj["CustomerRef"]["value"]
    if not changed:
        return
    for source, target in (("BillAddr", "BillAddr"), ("ShipAddr", "ShipAddr"), ("PrimaryEmailAddr", "BillEmail")):
        if source in customer and (target not in obj or (old and obj[target] == old.get(target))):
            obj[target] = copy(customer[source])


def _currency(change, obj: dict, customer: dict) -> None:
    wanted = obj.setdefault("CurrencyRef", copy(customer["CurrencyRef"]))["value"]
    if wanted != customer["CurrencyRef"]["value"]:
        raise Fault(6000, "CurrencyRef", "Business Validation Error: Invalid Currency: The currency of "
                    "the transaction is invalid for customer / vendor / account.")
    if obj.get("ExchangeRate") not in (None, 1):
        raise Fault(5030, "ExchangeRate", "Feature Not Supported Error : multicurrency is off")
    obj.pop("ExchangeRate", None)


def _due_date(change, obj: dict) -> None:
    if not obj.get("DueDate"):
        term = change.get("Term", obj.get("SalesTermRef", {}).get("value", "")) or {}
        obj["DueDate"] = due_date(obj["TxnDate"], term)


def due_date(date: str, term: dict) -> str:
    if "DayOfMonthDue" not in term:
        return add_days(date, term.get("DueDays", 0))
    day, grace = term["DayOfMonthDue"], term.get("DueNextMonthDays", 0)
    year, month = int(date[:4]), int(date[5:7])
    due = _day_of_month(year, month, day)
    if due < add_days(date, grace):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        due = _day_of_month(year, month, day)
    return due


def _day_of_month(year: int, month: int, day: int) -> str:
    following = f"{year + month // 12}-{month % 12 + 1:02d}-01"
    return min(f"{year}-{month:02d}-{day:02d}", add_days(following, -1))


def _own_links(change, obj: dict, old: dict | None) -> None:
    """Links to payments are QuickBooks' own; what a client sends of them is ignored. One estimate may be named."""
    kept, sent = copy(old["LinkedTxn"]) if old else [], obj.get("LinkedTxn", ())
    for link in sent:
        if link.get("TxnType") not in ("Payment", "CreditMemo", "Estimate"):
            raise Fault(620, "LinkedTxn", "Transaction cannot be linked : "
                        f"{link.get('TxnType')} {link.get('TxnId')}")
    if old and old["CustomerRef"]["value"] != obj["CustomerRef"]["value"]:
        _unlink_estimates(change, old)
        kept = payments_of(kept)
    named = {l["TxnId"] for l in list(sent) + kept if l["TxnType"] == "Estimate"}
    if len(named) > 1:
        raise Fault(620, "LinkedTxn", "Transaction cannot be linked : one Estimate per Invoice")
    obj["LinkedTxn"] = [l for l in kept if l["TxnType"] != "Estimate"]
    for id in named:
        _link_estimate(change, obj, id)
        obj["LinkedTxn"].append({"TxnId": id, "TxnType": "Estimate"})


def _link_estimate(change, obj: dict, id: str) -> None:
    """The estimate gets the link and is closed; its LastUpdatedTime moves, its SyncToken does not."""
    quote, link = change.get("Estimate", id), {"TxnId": obj["Id"], "TxnType": "Invoice"}
    if quote is None or quote["CustomerRef"]["value"] != obj["CustomerRef"]["value"]:
        raise Fault(620, "LinkedTxn", f"Transaction cannot be linked : Estimate {id}")
    if link not in quote["LinkedTxn"]:
        quote = change.edit("Estimate", id, touch=True)
        quote["LinkedTxn"].append(link)
        quote["TxnStatus"] = "Closed"


def _unlink_estimates(change, obj: dict) -> None:
    """An invoice goes: its estimate can be invoiced again."""
    for link in obj["LinkedTxn"]:
        if link["TxnType"] == "Estimate":
            quote = change.edit("Estimate", link["TxnId"], touch=True)
            quote["LinkedTxn"].remove({"TxnId": obj["Id"], "TxnType": "Invoice"})
            quote["TxnStatus"] = "Pending"


# -- Estimate ----------------------------------------------------------------

def estimate(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """An invoice without money: it moves no balance and knows no payments."""
    obj.setdefault("TxnDate", company_today(change))
    references.resolve_all(change, ENTITIES["Estimate"], obj, old)
    customer = change.get("Customer", obj["CustomerRef"]["value"])
    document_number(change, "Estimate", obj, old, include)
    _from_customer(obj, old, customer)
    _currency(change, obj, customer)
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []
    if not obj["Line"]:
        raise Fault(2250, "Line")
    subtotal, discount = _lines(change, obj, old)
    obj["TotalAmt"] = money(subtotal - discount + _tax(change, obj, old, subtotal, discount))
    obj.setdefault("TxnStatus", "Pending")
    if ui and obj["TxnStatus"] == "Accepted":       # the page fills it in
        obj.setdefault("AcceptedDate", company_today(change))
    _form_flags(obj)


# -- Lines -------------------------------------------------------------------


def _lines(change, obj: dict, old: dict | None) -> tuple[Decimal, Decimal]:
    """Check and complete the lines; returns subtotal (shipping included) and discount."""
    known = {l["Id"]: l for l in (old or {}).get("Line", ()) if "Id" in l}
    inside = [part["Id"] for l in known.values() for part in l.get("GroupLineDetail", {}).get("Line", ())]
    taken = [int(i) for i in [*known, *inside] if i.isdigit()] or [0]
    sales, extra, discounts, used = [], [], [], set()
    for line in obj["Line"]:
        kind = line["DetailType"]
        _check_detail(line, kind)
        if kind == "SubTotalLineDetail":
            continue
        if kind == "DiscountLineDetail":
            discounts.append(line)
            line.pop("Id", None)
            continue
        before = known.get(line.get("Id", ""))
        if kind == "SalesItemLineDetail":
            _sales_line(change, line, before)
            if line["SalesItemLineDetail"]["ItemRef"]["value"] == "SHIPPING_ITEM_ID":
                line.pop("Id", None)
                extra.append(line)
                continue
        elif kind == "GroupLineDetail":
            for part in bundles.complete(change, line, before, _sales_line):
                _number(part, part.get("Id") in inside, used, taken)
        else:
            _description_line(line)
        _number(line, before is not None, used, taken)
        line["LineNum"] = len(sales) + 1
        sales.append(line)
    if len(discounts) > 1:
        raise Fault(2600, "Line", "Conflicting elements in request : more than one discount line")
    if not sales and not extra:
        raise Fault(2250, "Line")
    goods = sum((l["Amount"] for l in sales if "Amount" in l), ZERO)
    shipping = sum((l["Amount"] for l in extra), ZERO)
    total = {"Amount": money(goods), "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}
    discount = _discount(change, discounts[0], goods) if discounts else ZERO
    obj["Line"] = [_ordered(l) for l in sales] + [_ordered(l) for l in extra] + [total] + \
        [_ordered(l) for l in discounts]
    return goods + shipping, discount


def _number(line: dict, kept: bool, used: set, taken: list[int]) -> None:
    """A line keeps its id, or gets the next one."""
    if not kept or line["Id"] in used:
        taken.append(max(taken) + 1)
        line["Id"] = str(taken[-1])
    used.add(line["Id"])


_LINE_ORDER = ("Id", "LineNum", "Description", "Amount", "LinkedTxn", "DetailType")


def _ordered(line: dict) -> dict:
    first = {k: line[k] for k in _LINE_ORDER if k in line}
    return first | {k: v for k, v in line.items() if k not in first}


_DETAILS = ("SalesItemLineDetail", "DiscountLineDetail", "SubTotalLineDetail", "SubtotalLineDetail",
            "GroupLineDetail", "DescriptionLineDetail")


def _check_detail(line: dict, kind: str) -> None:
    own = {"SalesItemLineDetail": ("SalesItemLineDetail",), "DiscountLineDetail": ("DiscountLineDetail",),
           "SubTotalLineDetail": ("SubTotalLineDetail", "SubtotalLineDetail"),
           "GroupLineDetail": ("GroupLineDetail",), "DescriptionOnly": ("DescriptionLineDetail",)}.get(kind)
    if own is None:
        raise Fault(2170, "Line.DetailType", f"Invalid Enumeration : {kind[:60]}")
    for name in _DETAILS:
        if name in line and name not in own:
            raise Fault(2600, f"Line.{name}", f"Conflicting elements in request : {name} on a {kind} line")
    if kind in ("SalesItemLineDetail", "DiscountLineDetail", "GroupLineDetail") and kind not in line:
        raise missing(f"Line.{kind}")


def _cents(line: dict) -> Decimal:
    if "Amount" not in line:
        raise missing("Line.Amount")
    amount = line["Amount"]
    if amount != money(amount):
        raise Fault(2140, "Line.Amount", f"Invalid amount. Supplied value:{format(amount, 'f')}")
    return money(amount)


def _sales_line(change, line: dict, before: dict | None) -> None:
    detail = line["SalesItemLineDetail"]
    if "DiscountRate" in detail or "DiscountAmt" in detail:
        raise Fault(5030, "Line.SalesItemLineDetail", "Feature Not Supported Error : line discounts")
    line["Amount"] = _cents(line)
    quantity, price = detail.get("Qty"), detail.get("UnitPrice")
    if quantity is not None and price is not None and money(quantity * price) != line["Amount"]:
        raise Fault(6070, "Line", "Amount is not equal to UnitPrice * Qty. Supplied value:"
                    f"{format(line['Amount'], 'f')}")
    for name in ("Qty", "UnitPrice"):
        if name in detail:
            detail[name] = plain(detail[name])
    was = (before or {}).get("SalesItemLineDetail", {})
    if "ItemRef" not in detail:
        detail["ItemRef"] = {"value": change.company.values["default_item"]}
    item = references.resolve(change, "Line.ItemRef", REF("Item"), detail["ItemRef"], was.get("ItemRef"))
    found = change.get("Item", item["value"])
    if found and found["Type"] in ("Category", "Group"):
        raise Fault(6440, "Line", "A category or a bundle cannot be the item of a line.")
    detail["ItemRef"] = item
    detail.setdefault("TaxCodeRef", {"value": "NON"})
    for name, target in (("TaxCodeRef", "LineTax"), ("ClassRef", "Class")):
        if name in detail:
            detail[name] = references.resolve(change, f"Line.{name}", REF(target), detail[name])


def _description_line(line: dict) -> None:
    line.pop("Amount", None)
    line.setdefault("DescriptionLineDetail", {})


def _discount(change, line: dict, goods: Decimal) -> Decimal:
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
    line["Amount"] = _cents(line)
    if line["Amount"] < 0:
        raise Fault(2290, "Line.Amount")
    account = detail.get("DiscountAccountRef", lists.standard(change, "discounts"))
    detail["DiscountAccountRef"] = references.resolve(change, "Line.DiscountAccountRef", REF("Account"), account)
    line.pop("LineNum", None)
    return line["Amount"]


def _tax(change, obj: dict, old: dict | None, subtotal: Decimal, discount: Decimal) -> Decimal:
    """Manual tax: a stated TotalTax is honoured, else the code's rates on the net amount."""
    asked = obj.pop("TxnTaxDetail", None)
    if change.company.values["tax_mode"] == "none" or asked is None:
        return ZERO
    kept = old is not None and asked == old.get("TxnTaxDetail") and old["Line"] != obj["Line"]
    code = asked.get("TxnTaxCodeRef", {}).get("value")
    net = max(subtotal - discount, ZERO)
    rates = taxes.rates(change, taxes.code_of(change, code)) if code else ()
    stated = None if kept and code else asked.get("TotalTax")
    computed = [money(net * percent / 100) for _, percent in rates]
    total = money(stated) if stated is not None else sum(computed, ZERO)
    detail: dict = {"TxnTaxCodeRef": {"value": code}} if code else {}
    detail["TotalTax"] = total
    if rates:
        computed[-1] += total - sum(computed, ZERO)
        detail["TaxLine"] = [_tax_line(rate, percent, amount, net)
                             for (rate, percent), amount in zip(rates, computed)]
    obj["TxnTaxDetail"] = detail
    return total


def _tax_line(rate: str, percent: Decimal, amount: Decimal, net: Decimal) -> dict:
    return {"Amount": money(amount), "DetailType": "TaxLineDetail",
            "TaxLineDetail": {"TaxRateRef": {"value": rate}, "PercentBased": True,
                              "TaxPercent": percent, "NetAmountTaxable": money(net)}}


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


# -- Applications ------------------------------------------------------------

def lines_to(payment: dict, invoice_id: str) -> list[dict]:
    return [l for l in payment["Line"]
            if any(t["TxnId"] == invoice_id and t["TxnType"] == "Invoice" for t in l["LinkedTxn"])]


def payments_of(links: list) -> list[dict]:
    return [l for l in links if l.get("TxnType") == "Payment"]


def applied_to(change, invoice_id: str, links: list, without: str = "") -> Decimal:
    total = ZERO
    for link in payments_of(links):
        payment = change.get("Payment", link["TxnId"]) if link["TxnId"] != without else None
        if payment:
            total += sum((l["Amount"] for l in lines_to(payment, invoice_id)), ZERO)
    return total


def unapply_invoice(change, obj: dict) -> None:
    """Take every payment off an invoice; what was applied becomes unapplied."""
    paid = payments_of(obj["LinkedTxn"])
    for link in paid:
        payment = change.edit("Payment", link["TxnId"], bump=True)
        gone = lines_to(payment, obj["Id"])
        payment["Line"] = [l for l in payment["Line"] if l not in gone]
        _unapplied(payment)
    obj["LinkedTxn"] = [l for l in obj["LinkedTxn"] if l not in paid]


def _cut_applications(change, obj: dict, excess: Decimal) -> None:
    """The invoice shrank below what is applied: the newest payments give way."""
    for link in reversed(payments_of(obj["LinkedTxn"])):
        payment = change.edit("Payment", link["TxnId"], bump=True)
        for line in reversed(lines_to(payment, obj["Id"])):
            cut = min(excess, line["Amount"])
            line["Amount"] = money(line["Amount"] - cut)
            excess -= cut
        payment["Line"] = [l for l in payment["Line"] if l["Amount"]]
        if not lines_to(payment, obj["Id"]):
            obj["LinkedTxn"].remove(link)
        _unapplied(payment)
        if not excess:
            return


def _unapplied(payment: dict) -> None:
    payment["UnappliedAmt"] = money(payment["TotalAmt"] - sum((l["Amount"] for l in payment["Line"]), ZERO))


# -- Payment -----------------------------------------------------------------

def payment(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    obj.setdefault("TxnDate", company_today(change))
    check_open_books(change, obj["TxnDate"], (old or {}).get("TxnDate"))
    if obj.get("ProcessPayment") or "CreditCardPayment" in obj:
        raise Fault(5030, "ProcessPayment", "Feature Not Supported Error : QuickBooks Payments")
    obj.setdefault("DepositToAccountRef", lists.standard(change, "undeposited"))
    references.resolve_all(change, ENTITIES["Payment"], obj, old)
    customer = change.get("Customer", obj["CustomerRef"]["value"])
    _currency(change, obj, customer)
    if obj["TotalAmt"] != money(obj["TotalAmt"]):
        raise Fault(2140, "TotalAmt")
    obj["TotalAmt"] = money(obj["TotalAmt"])
    obj["ProcessPayment"] = False
    wanted = _wanted(obj.get("Line", []))
    _check_applications(change, obj, old, wanted)
    before = {l["LinkedTxn"][0]["TxnId"] for l in (old or {}).get("Line", ())}
    obj["Line"] = [_payment_line(change, i, amount) for i, amount in wanted.items()]
    obj["LinkedTxn"] = copy(old["LinkedTxn"]) if old else []
    _unapplied(obj)
    apply(change, obj, before, set(wanted))


def _wanted(lines: list) -> dict[str, Decimal]:
    wanted: dict[str, Decimal] = {}
    for line in lines:
        links = line.get("LinkedTxn", [])
        if len(links) != 1:
            raise Fault(2020, "Line.LinkedTxn", "Required parameter LinkedTxn is missing in the request"
                        if not links else "One LinkedTxn per line is supported")
        if links[0].get("TxnType") != "Invoice":
            raise Fault(620, "Line.LinkedTxn", f"Transaction cannot be linked : {links[0].get('TxnType')}")
        amount, id = _cents(line), links[0].get("TxnId", "")
        wanted[id] = wanted.get(id, ZERO) + amount
    return wanted


def _check_applications(change, obj: dict, old: dict | None, wanted: dict) -> None:
    for id, amount in wanted.items():
        target = change.get("Invoice", id)
        if target is None:
            raise Fault(610, "Line.LinkedTxn", "Object Not Found : Another user has deleted this "
                        f"transaction. Invoice {id}")
        if not _may_pay(change, obj["CustomerRef"]["value"], target["CustomerRef"]["value"]):
            raise Fault(620, "Line.LinkedTxn", f"Transaction cannot be linked : Invoice {id} belongs to "
                        "another customer")
        others = applied_to(change, id, target["LinkedTxn"], without=obj["Id"])
        left = target["TotalAmt"] - target.get("Deposit", ZERO) - others
        if left <= 0:
            raise Fault(620, "Line.LinkedTxn", f"Txn ID Cannot Be Linked : Invoice {id} has no open balance")
        if amount > left:
            raise Fault(6000, "", "Business Validation Error: You can't apply more than the open balance: "
                        f"the payment amount {amount} exceeds {left} of invoice {id}.")
    if sum(wanted.values(), ZERO) > obj["TotalAmt"]:
        raise Fault(6000, "", "Business Validation Error: The payment amount applied exceeds the amount received.")


def _may_pay(change, payer: str, owner: str) -> bool:
    while owner != payer:
        customer = change.get("Customer", owner)
        if not customer or not customer.get("BillWithParent"):
            return False
        owner = customer["ParentRef"]["value"]
    return True


def _payment_line(change, id: str, amount: Decimal) -> dict:
    target = change.get("Invoice", id)
    others = target["TotalAmt"] - target.get("Deposit", ZERO) - \
        applied_to(change, id, target["LinkedTxn"])
    noise = [("txnId", id), ("txnOpenBalance", format(money(others), "f"))]
    if target.get("DocNumber"):
        noise.append(("txnReferenceNumber", target["DocNumber"]))
    return {"Amount": money(amount), "LinkedTxn": [{"TxnId": id, "TxnType": "Invoice"}],
            "LineEx": {"any": [_name_value(n, v) for n, v in noise]}}


def _name_value(name: str, value: str) -> dict:
    return {"name": "{http://schema.intuit.com/finance/v3}NameValue",
            "declaredType": "com.intuit.schema.finance.v3.NameValue",
            "scope": "javax.xml.bind.JAXBElement$GlobalScope",
            "value": {"Name": name, "Value": value}, "nil": False, "globalScope": True,
            "typeSubstituted": False}


def apply(change, obj: dict, before: set, after: set) -> None:
    """Bring the linked invoices in line with a payment that was stored, changed or taken away."""
    change.pending[("Payment", obj["Id"])] = obj
    for id in sorted(before | after, key=int):
        if change.get("Invoice", id) is None:
            continue
        target = change.edit("Invoice", id, bump=True)
        link = {"TxnId": obj["Id"], "TxnType": "Payment"}
        if id in after and link not in target["LinkedTxn"]:
            target["LinkedTxn"].append(link)
        if id not in after and link in target["LinkedTxn"]:
            target["LinkedTxn"].remove(link)
        applied = applied_to(change, id, target["LinkedTxn"])
        target["Balance"] = money(target["TotalAmt"] - target.get("Deposit", ZERO) - applied)


# -- Void and delete ---------------------------------------------------------

def _mark_void(change, obj: dict) -> None:
    note, word = obj.get("PrivateNote", ""), change.settings["voided_text"]
    if not note.lower().startswith(word.lower()):
        obj["PrivateNote"] = f"{word} - {note}"[:4000] if note else word


def _void_invoice(change, obj: dict) -> None:
    check_open_books(change, obj["TxnDate"])
    unapply_invoice(change, obj)
    _void_lines(obj["Line"])
    if "TxnTaxDetail" in obj:
        obj["TxnTaxDetail"] = {"TotalTax": ZERO}
    obj.pop("Deposit", None)
    obj["TotalAmt"] = obj["Balance"] = ZERO
    _mark_void(change, obj)


def _void_lines(lines: list) -> None:
    for line in lines:
        if "Amount" in line:
            line["Amount"] = ZERO
        detail = line.get("SalesItemLineDetail")
        if detail:
            detail.pop("UnitPrice", None)
            detail["Qty"] = ZERO
        if "GroupLineDetail" in line:
            line["GroupLineDetail"]["Quantity"] = ZERO
            _void_lines(line["GroupLineDetail"]["Line"])


def _void_payment(change, obj: dict) -> None:
    check_open_books(change, obj["TxnDate"])
    take_back(change, obj)
    obj["TotalAmt"] = obj["UnappliedAmt"] = ZERO
    _mark_void(change, obj)


def take_back(change, obj: dict) -> None:
    before = {l["LinkedTxn"][0]["TxnId"] for l in obj["Line"]}
    obj["Line"] = []
    apply(change, obj, before, set())


def _delete_invoice(change, obj: dict) -> None:
    check_open_books(change, obj["TxnDate"])
    unapply_invoice(change, obj)
    _unlink_estimates(change, obj)


def _delete_estimate(change, obj: dict) -> None:
    """It is in no books; invoices made of it lose the link."""
    for link in obj["LinkedTxn"]:
        made = change.edit("Invoice", link["TxnId"], touch=True)
        made["LinkedTxn"].remove({"TxnId": obj["Id"], "TxnType": "Estimate"})


def _delete_payment(change, obj: dict) -> None:
    check_open_books(change, obj["TxnDate"])
    take_back(change, obj)


INVOICE = Rules(invoice, delete=_delete_invoice, void=_void_invoice, void_by="operation",
                owes=lambda o: [(("Customer", o["CustomerRef"]["value"]), o["Balance"])])
ESTIMATE = Rules(estimate, delete=_delete_estimate)
PAYMENT = Rules(payment, delete=_delete_payment, void=_void_payment, void_by="operation include",
                owes=lambda o: [(("Customer", o["CustomerRef"]["value"]), -o["UnappliedAmt"])])
