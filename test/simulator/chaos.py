"""Random changes as people make them in QuickBooks, repeatable by seed."""

from __future__ import annotations

import random
from decimal import Decimal

import acts
from errors import Fault
from jsontext import money

ZERO = Decimal(0)
_WEIGHTS = {"create_customer": 8, "edit_customer": 15, "create_invoice": 18, "edit_invoice": 14,
            "pay": 16, "overpay": 3, "unpay": 4, "void_invoice": 4, "void_payment": 2,
            "delete_invoice": 5, "delete_payment": 4, "inactivate": 4, "reactivate": 3, "merge": 2,
            "edit_item": 3, "edit_term": 1, "touch": 2, "email": 3, "move_invoice": 2,
            "create_estimate": 4, "edit_estimate": 4, "answer_estimate": 4, "invoice_estimate": 3, "delete_estimate": 2}

# Further kinds, done when they are named (or "all" is).
_MORE = {"create_vendor": 4, "edit_vendor": 4, "create_bill": 10, "edit_bill": 5, "pay_bill": 8, "delete_bill": 3,
         "delete_bill_payment": 2, "void_bill_payment": 2, "create_credit": 6, "apply_credit": 5, "delete_credit": 2,
         "create_receipt": 5, "void_receipt": 2, "deposit": 4, "delete_deposit": 2, "create_purchase": 6, "delete_purchase": 2,
         "create_order": 3, "bill_order": 3, "create_vendor_credit": 3, "create_entry": 4, "delete_entry": 1, "transfer": 2,
         "create_hours": 3, "edit_account": 2, "merge_vendor": 1, "attach": 2}


def run(sim, company, seed, n: int, only=None) -> dict:
    """n accepted changes (at most 20 tries each); reports what was done."""
    rng = random.Random(f"{seed}")
    known = _WEIGHTS | _MORE
    kinds = list(known) if only == ["all"] else only or list(_WEIGHTS)
    weights = [known[k] for k in kinds]
    done: list = []
    tries = 0
    while len(done) < n and tries < 20 * n:
        tries += 1
        kind = rng.choices(kinds, weights)[0]
        spec = _MAKERS[kind](company, rng)
        if spec is None:
            continue
        try:
            result = acts.act(sim, spec | {"realm": company.realm})
        except Fault:
            continue
        done.append({"kind": kind, "entity": spec.get("entity"), "id": result.get("Id", spec.get("id"))})
    return {"done": len(done), "changes": done}


def _pick(company, entity: str, rng, test=None):
    rows = company.tables[entity].by_created
    for _ in range(30):
        if not rows:
            return None
        record = rows[rng.randrange(len(rows))]
        if not record.raw and (test is None or test(record)):
            return record
    return None


def _edit(entity: str, record, changes: dict) -> dict | None:
    return record and {"act": "edit", "entity": entity, "id": record.id, "set": changes}


def _word(rng) -> str:
    return rng.choice(["Érable", "Bouleau", "Noël", "L'Épinette", "Fjord & Fils", "Çà et là", "Œuvre",
                       "Québec  Nord", "Saint-Jérôme", "Forêt"]) + f" {rng.randrange(10**6):06d}"


def _create_customer(company, rng):
    obj = {"DisplayName": "Client " + _word(rng), "Notes": _word(rng),
           "PrimaryEmailAddr": {"Address": f"c{rng.randrange(10**6)}@exemple.test"}}
    if rng.random() < 0.2:
        parent = _pick(company, "Customer", rng, lambda r: r.active and not r.parent)
        if parent:
            obj |= {"Job": True, "ParentRef": {"value": parent.id}}
    return {"act": "create", "entity": "Customer", "object": obj}


def _edit_customer(company, rng):
    changes = rng.choice([{"Notes": _word(rng)}, {"DisplayName": "Client " + _word(rng)},
                          {"PrimaryPhone": {"FreeFormNumber": f"(450) 555-{rng.randrange(10**4):04d}"}},
                          {"BillAddr": {"Line1": f"{rng.randrange(999)} rue " + _word(rng), "City": "Laval"}}])
    return _edit("Customer", _pick(company, "Customer", rng, lambda r: r.active), changes)


def _lines(company, rng) -> list:
    lines = []
    for _ in range(rng.randrange(1, 5)):
        amount = money(Decimal(rng.randrange(1, 200000)) / 100)
        lines.append({"Amount": amount, "DetailType": "SalesItemLineDetail", "Description": _word(rng),
                      "SalesItemLineDetail": {"ItemRef": {"value": company.values["default_item"]},
                                              "Qty": 1, "UnitPrice": amount}})
    return lines


def _create(entity: str):
    def make(company, rng):
        customer = _pick(company, "Customer", rng, lambda r: r.active)
        obj = customer and {"CustomerRef": {"value": customer.id}, "Line": _lines(company, rng)}
        return obj and {"act": "create", "entity": entity, "object": obj}
    return make


def _edit_estimate(company, rng):
    changes = {"ExpirationDate": f"2030-01-{rng.randrange(1, 29):02d}"} if rng.random() < 0.5 else {"Line": _lines(company, rng)}
    return _edit("Estimate", _pick(company, "Estimate", rng), changes)


def _answer_estimate(company, rng):
    answer = rng.choice([{"TxnStatus": "Accepted", "AcceptedBy": _word(rng)}, {"TxnStatus": "Rejected"}, {"TxnStatus": "Pending"}])
    return _edit("Estimate", _pick(company, "Estimate", rng), answer)


def _invoice_estimate(company, rng):
    record = _pick(company, "Estimate", rng, lambda r: r.parse()["TxnStatus"] != "Closed")
    return record and {"act": "create", "entity": "Invoice", "object": {
        "CustomerRef": {"value": record.ref}, "Line": _lines(company, rng),
        "LinkedTxn": [{"TxnId": record.id, "TxnType": "Estimate"}]}}


def _live_invoice(company, rng):
    return _pick(company, "Invoice", rng, lambda r: r.parse()["TotalAmt"] > 0)


def _edit_invoice(company, rng):
    changes = {"PrivateNote": _word(rng)} if rng.random() < 0.5 else {"Line": _lines(company, rng)}
    return _edit("Invoice", _live_invoice(company, rng), changes)


def _move_invoice(company, rng):
    customer = _pick(company, "Customer", rng, lambda r: r.active)
    return customer and _edit("Invoice", _live_invoice(company, rng), {"CustomerRef": {"value": customer.id}})


def _pay(company, rng):
    record = _pick(company, "Invoice", rng, lambda r: r.parse()["Balance"] > 0)
    share = Decimal(rng.randrange(10, 101)) / 100
    return record and {"act": "pay", "id": record.id,
                       "amount": max(money(record.obj["Balance"] * share), Decimal("0.01"))}


def _overpay(company, rng):
    record = _pick(company, "Invoice", rng, lambda r: r.parse()["Balance"] > 0)
    return record and {"act": "pay", "id": record.id, "amount": record.obj["Balance"] + 25}


def _on(act: str, entity: str, test=None):
    def make(company, rng):
        record = _pick(company, entity, rng, test)
        return record and {"act": act, "entity": entity, "id": record.id}
    return make


def _merge(company, rng):
    free = lambda r: r.active and not r.parent and not company.children.get(r.id)
    loser, survivor = _pick(company, "Customer", rng, free), _pick(company, "Customer", rng, free)
    if not loser or not survivor or loser is survivor:
        return None
    return {"act": "merge", "entity": "Customer", "id": loser.id, "into": survivor.id}


def _edit_item(company, rng):
    return _edit("Item", _pick(company, "Item", rng, lambda r: r.parse().get("Type") == "Service"),
                 {"UnitPrice": Decimal(rng.randrange(100, 99999)) / 100})


def _edit_term(company, rng):
    return _edit("Term", _pick(company, "Term", rng, lambda r: "DueDays" in r.parse()),
                 {"DiscountDays": rng.randrange(0, 30)})


def _name(company, entity: str, rng):
    record = _pick(company, entity, rng, lambda r: r.active)
    return record and {"value": record.id}


def _amount(rng) -> Decimal:
    return money(Decimal(rng.randrange(1, 100000)) / 100)


def _spent(company, rng) -> list:
    return [{"Amount": _amount(rng), "DetailType": "AccountBasedExpenseLineDetail", "Description": _word(rng),
             "AccountBasedExpenseLineDetail": {"AccountRef": {"value": rng.choice(["90", "91", "92"])}}}
            for _ in range(rng.randrange(1, 4))]


def _make(entity: str, what):
    """A new object made of what a function gives, unless something it needs is not there."""
    def make(company, rng):
        obj = what(company, rng)
        return obj and None not in obj.values() and {"act": "create", "entity": entity, "object": obj} or None
    return make


def _apply(payer: str, name: str, charge: str, credit: str = ""):
    """A payment of part of something open; with a credit, by that alone."""
    def obj(company, rng):
        record = _pick(company, charge, rng, lambda r: r.parse()["Balance"] > 0)
        if not record:
            return None
        target, lines, total = record.obj, [], ZERO
        amount = max(money(target["Balance"] * rng.randrange(10, 101) / 100), Decimal("0.01"))
        whose = target[name]["value"]
        if credit:
            found = _pick(company, credit, rng, lambda r: r.parse()["Balance"] > 0 and r.parse()[name]["value"] == whose)
            if not found:
                return None
            amount = min(amount, found.obj["Balance"])
            lines = [{"Amount": amount, "LinkedTxn": [{"TxnId": found.id, "TxnType": credit}]}]
        else:
            total = amount
        lines.append({"Amount": amount, "LinkedTxn": [{"TxnId": record.id, "TxnType": charge}]})
        way = {"PayType": "Check", "CheckPayment": {"BankAccountRef": {"value": "1"}}} if payer == "BillPayment" else {}
        return {name: {"value": whose}, "TotalAmt": total, "Line": lines} | way
    return _make(payer, obj)


def _deposit(company, rng):
    record = _pick(company, "Payment", rng, lambda r: not r.parse()["LinkedTxn"] and r.parse()["TotalAmt"] > 0)
    return record and {"DepositToAccountRef": {"value": "1"}, "Line": [
        {"Amount": record.obj["TotalAmt"], "LinkedTxn": [{"TxnId": record.id, "TxnType": "Payment"}]}]}


def _entry(company, rng):
    amount, customer = _amount(rng), _name(company, "Customer", rng)
    side = lambda kind, account, **more: {"Amount": amount, "DetailType": "JournalEntryLineDetail", "JournalEntryLineDetail": {
        "PostingType": kind, "AccountRef": {"value": account}} | more}
    if rng.random() < 0.5 and customer:
        return {"Line": [side("Debit", "84", Entity={"Type": "Customer", "EntityRef": customer}), side("Credit", "95")]}
    return {"Line": [side("Debit", "91"), side("Credit", "95")]}


def _bill_order(company, rng):
    record = _pick(company, "PurchaseOrder", rng, lambda r: r.parse()["POStatus"] == "Open")
    return record and {"VendorRef": {"value": record.obj["VendorRef"]["value"]}, "Line": _spent(company, rng),
                       "LinkedTxn": [{"TxnId": record.id, "TxnType": "PurchaseOrder"}]}


def _hours(company, rng):
    return {"NameOf": "Employee", "EmployeeRef": _name(company, "Employee", rng), "Hours": rng.randrange(1, 9),
            "Description": _word(rng), "ItemRef": {"value": company.values["default_item"]}}


def _merge_vendor(company, rng):
    loser, survivor = (_pick(company, "Vendor", rng, lambda r: r.active) for _ in range(2))
    return loser and survivor and loser is not survivor and {
        "act": "merge", "entity": "Vendor", "id": loser.id, "into": survivor.id} or None


_MAKERS = {"create_customer": _create_customer, "edit_customer": _edit_customer,
           "create_invoice": _create("Invoice"), "edit_invoice": _edit_invoice, "pay": _pay,
           "overpay": _overpay, "merge": _merge, "edit_item": _edit_item, "edit_term": _edit_term,
           "move_invoice": _move_invoice, "create_estimate": _create("Estimate"),
           "edit_estimate": _edit_estimate, "answer_estimate": _answer_estimate,
           "invoice_estimate": _invoice_estimate, "delete_estimate": _on("delete", "Estimate"),
           "unpay": _on("unpay", "Payment", lambda r: bool(r.parse()["Line"])),
           "void_invoice": _on("void", "Invoice", lambda r: r.parse()["TotalAmt"] > 0),
           "void_payment": _on("void", "Payment", lambda r: r.parse()["TotalAmt"] > 0),
           "delete_invoice": _on("delete", "Invoice"), "delete_payment": _on("delete", "Payment"),
           "inactivate": _on("inactivate", "Customer", lambda r: r.active),
           "reactivate": _on("reactivate", "Customer", lambda r: not r.active),
           "touch": _on("touch", "Customer"), "email": _on("email", "Invoice"),
           "create_vendor": _make("Vendor", lambda c, r: {"DisplayName": "Fournisseur " + _word(r)}),
           "edit_vendor": lambda c, r: _edit("Vendor", _pick(c, "Vendor", r, lambda v: v.active), {"CompanyName": _word(r)}),
           "create_bill": _make("Bill", lambda c, r: {"VendorRef": _name(c, "Vendor", r), "Line": _spent(c, r)}),
           "edit_bill": lambda c, r: _edit("Bill", _pick(c, "Bill", r), {"Line": _spent(c, r)}),
           "pay_bill": _apply("BillPayment", "VendorRef", "Bill"), "delete_bill": _on("delete", "Bill"),
           "delete_bill_payment": _on("delete", "BillPayment"), "void_bill_payment": _on("void", "BillPayment"),
           "create_credit": _create("CreditMemo"), "apply_credit": _apply("Payment", "CustomerRef", "Invoice", "CreditMemo"),
           "delete_credit": _on("delete", "CreditMemo"), "create_receipt": _create("SalesReceipt"),
           "void_receipt": _on("void", "SalesReceipt"), "deposit": _make("Deposit", _deposit),
           "delete_deposit": _on("delete", "Deposit"), "create_purchase": _make("Purchase", lambda c, r: {
               "PaymentType": "Cash", "AccountRef": {"value": "1"}, "Line": _spent(c, r)}),
           "delete_purchase": _on("delete", "Purchase"), "create_order": _make("PurchaseOrder", lambda c, r: {
               "VendorRef": _name(c, "Vendor", r), "APAccountRef": {"value": "33"}, "Line": _spent(c, r)}),
           "bill_order": _make("Bill", _bill_order), "create_vendor_credit": _make("VendorCredit", lambda c, r: {
               "VendorRef": _name(c, "Vendor", r), "Line": _spent(c, r)}),
           "create_entry": _make("JournalEntry", _entry), "delete_entry": _on("delete", "JournalEntry"),
           "transfer": _make("Transfer", lambda c, r: {"FromAccountRef": {"value": "1"}, "ToAccountRef": {"value": "88"},
                                                       "Amount": _amount(r)}),
           "create_hours": _make("TimeActivity", _hours), "merge_vendor": _merge_vendor, "attach": _on("attach", "Invoice"),
           "edit_account": lambda c, r: _edit("Account", _pick(c, "Account", r, lambda a: a.active), {"Description": _word(r)})}
