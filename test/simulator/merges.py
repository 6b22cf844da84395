"""Merges: two records of a list become one.

Everything that pointed at the loser points at the survivor; the loser becomes
inactive and, after a while (switch merge_delay), is gone without a trace in CDC.
"""

from __future__ import annotations

import balances
import names
import references
from entities import ENTITIES
from errors import Fault
from jsontext import copy

MERGED = ("Customer", "Vendor", "Employee", "Item", "Account", "Class", "Department", "Term", "PaymentMethod")


def merge(sim, company, entity, loser_id: str, survivor_id: str) -> dict:
    """Merge one record into another of the same list."""
    kind = entity.name
    if kind not in MERGED:
        raise Fault(6000, "", f"Business Validation Error: {kind} cannot be merged")
    loser, survivor = company.record(kind, loser_id), company.record(kind, survivor_id)
    if not loser or not survivor or loser is survivor or (kind, loser_id) in company.losing:
        raise Fault(610, "Id")
    _allowed(company, kind, loser, survivor)
    change = sim.change(company, "ui")
    repoint(sim, change, kind, loser.id, survivor)
    gone = change.edit(kind, loser.id, bump=sim.settings["merge_loser_in_cdc"])
    if gone["Active"]:
        gone["Active"] = False
        names.follow_activity(change, kind, gone, loser.obj)
        if "FullyQualifiedName" in gone:
            names.qualify(change, kind, gone, "DisplayName" if kind == "Customer" else "Name", 5)
    change.edit(kind, survivor.id, bump=True)
    balances.settle(change)
    company.losing.add((kind, loser.id))
    sim.merges.append({"realm": company.realm, "entity": kind, "id": loser.id,
                       "at": change.now + sim.settings["merge_delay"]})
    change.notes.append({"lost": loser.id})
    sim.commit(change, "merge", kind, survivor.id)
    return {"survivor": copy(company.record(kind, survivor.id).obj), "loser": copy(company.record(kind, loser.id).obj)}


def _allowed(company, kind: str, loser, survivor) -> None:
    """What the screens of QuickBooks refuse."""
    if any(r.parent == loser.id for r in company.tables[kind].by_created):
        raise Fault(6000, "", "Business Validation Error: what has others below it cannot be merged away")
    if loser.parent != survivor.parent:
        raise Fault(6000, "", "Business Validation Error: they are not at the same level")
    for name in ("CurrencyRef", "AccountType", "Type"):
        if kind != "Term" and loser.obj.get(name) != survivor.obj.get(name):
            raise Fault(6000, "", f"Business Validation Error: they differ in {name}")
    if kind == "Account" and loser.id in company.values["accounts"].values():
        raise Fault(6000, "", "Business Validation Error: QuickBooks itself uses the account")


def repoint(sim, change, kind: str, loser: str, survivor) -> None:
    """Let every reference to the loser be one to the survivor (switch merge_touches_transactions)."""
    ref = {"value": survivor.id, "name": references.label(survivor.obj)}
    for entity, id in references.pointing(change.company, kind, loser):
        if entity != "Attachable":          # what hung on the loser is lost with it
            obj = change.edit(entity, id, bump=sim.settings["merge_touches_transactions"])
            references.replace(ENTITIES[entity].fields, obj, kind, loser, ref)
