"""Balances: what a change of transactions does to what people owe and accounts hold.

Rules.owes() says which balances an object is part of; settle() moves each by the
difference all changes of a unit of work make.  A balance that moves gives its
record a new LastUpdatedTime and no new SyncToken.
"""

from __future__ import annotations

from decimal import Decimal

import rules
from entities import ENTITIES
from jsontext import money


def settle(change) -> None:
    moves: dict[tuple[str, str], Decimal] = {}
    for entity, id in [*change.pending, *change.removed]:
        acting = rules.of(ENTITIES[entity].rules)
        if acting is None or acting.owes is None:
            continue
        record = change.company.record(entity, id)
        for obj, sign in ((record.obj if record else None, -1), (change.get(entity, id), 1)):
            for key, amount in acting.owes(obj) if obj else ():
                moves[key] = moves.get(key, 0) + sign * amount
    for (entity, id), amount in moves.items():
        if amount and change.get(entity, id):
            _MOVES[entity](change, id, amount)


def move_customer(change, id: str, amount: Decimal) -> None:
    """Balance of the customer, BalanceWithJobs of him and of all above him."""
    obj = change.edit("Customer", id, touch=True)
    obj["Balance"] = money(obj["Balance"] + amount)
    while obj:
        obj["BalanceWithJobs"] = money(obj["BalanceWithJobs"] + amount)
        parent = obj.get("ParentRef", {}).get("value")
        obj = change.edit("Customer", parent, touch=True) if parent else None


def _move_vendor(change, id: str, amount: Decimal) -> None:
    obj = change.edit("Vendor", id, touch=True)
    obj["Balance"] = money(obj["Balance"] + amount)


_MOVES = {"Customer": move_customer, "Vendor": _move_vendor}
