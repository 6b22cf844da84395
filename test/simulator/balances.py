"""Balances: what a change of transactions does to what people owe and accounts hold.

Rules.owes() says which balances an object is part of: (entity, id), for accounts with currency
and rate, for names on a line of the books with the line's account; settle() moves each by the
difference all changes of a unit of work make.  A balance that moves gives its
record a new LastUpdatedTime and no new SyncToken.
"""

from __future__ import annotations

from decimal import Decimal

import lists
import rules
from entities import ENTITIES
from jsontext import money


def settle(change) -> None:
    moves: dict[tuple, Decimal] = {}
    for entity, id in [*change.pending, *change.removed]:
        acting = rules.of(ENTITIES[entity].rules)
        if acting is None or acting.owes is None:
            continue
        record = change.company.record(entity, id)
        for obj, sign in ((record.obj if record else None, -1), (change.get(entity, id), 1)):
            for key, amount in acting.owes(obj) if obj else ():
                moves[key] = moves.get(key, 0) + sign * amount
    for (entity, id, *rest), amount in moves.items():
        if entity == "Account":
            id = lists.account_of(change, id, rest[0])
        elif rest:
            kind = change.get("Account", rest.pop())["AccountType"]
            if kind != {"Customer": "Accounts Receivable", "Vendor": "Accounts Payable"}[entity]:
                continue
        if amount and change.get(entity, id):
            _MOVES[entity](change, id, amount, *rest)


def _move_customer(change, id: str, amount: Decimal) -> None:
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


def _move_account(change, id: str, amount: Decimal, currency: str, rate) -> None:
    """Balance of an account of the balance sheet and, with its sub-accounts, of those above it."""
    account = change.get("Account", id)
    if account["Classification"] not in ("Asset", "Liability", "Equity"):
        return
    if currency and account.get("CurrencyRef", {}).get("value", currency) != currency:
        amount = money(amount * rate)
    if account["Classification"] != "Asset":
        amount = -amount
    touch = change.settings["account_balances"] == "touch"
    account = change.edit("Account", id, touch=touch)
    account["CurrentBalance"] = money(account["CurrentBalance"] + amount)
    while account:
        account["CurrentBalanceWithSubAccounts"] = money(account["CurrentBalanceWithSubAccounts"] + amount)
        parent = account.get("ParentRef", {}).get("value")
        account = change.edit("Account", parent, touch=touch) if parent else None


_MOVES = {"Customer": _move_customer, "Vendor": _move_vendor, "Account": _move_account}
