"""Random changes as people make them in QuickBooks, repeatable by seed."""

from __future__ import annotations

import random
from decimal import Decimal

import acts
from errors import Fault
from jsontext import money

_WEIGHTS = {"create_customer": 8, "edit_customer": 15, "create_invoice": 18, "edit_invoice": 14,
            "pay": 16, "overpay": 3, "unpay": 4, "void_invoice": 4, "void_payment": 2,
            "delete_invoice": 5, "delete_payment": 4, "inactivate": 4, "reactivate": 3, "merge": 2,
            "edit_item": 3, "edit_term": 1, "touch": 2, "email": 3, "move_invoice": 2,
            "create_estimate": 4, "edit_estimate": 4, "answer_estimate": 4, "invoice_estimate": 3, "delete_estimate": 2}


def run(sim, company, seed, n: int, only=None) -> dict:
    """n accepted changes (at most 20 tries each); reports what was done."""
    rng = random.Random(f"{seed}")
    kinds = only or list(_WEIGHTS)
    weights = [_WEIGHTS[k] for k in kinds]
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
           "touch": _on("touch", "Customer"), "email": _on("email", "Invoice")}
