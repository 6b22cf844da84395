"""References between objects: do they point at something usable, and how are they echoed."""

from __future__ import annotations

import currencies
import taxes
from entities import ENTITIES, SPECIAL_ITEMS, Field
from errors import Fault
from jsontext import copy

_KINDS = {"Customer": "Names", "Vendor": "Names", "Employee": "Names"}
# What a company must have switched on before its transactions may name one of these.
_FEATURES = {"Class": ("ClassTrackingPerTxn", "ClassTrackingPerTxnLine"), "Department": ("TrackDepartments",)}


def resolve(change, name: str, spec: Field, value: dict, old: dict | None = None) -> dict:
    """The reference as it is stored: value and name. Refuses what it cannot point at."""
    target, key = spec.target, value.get("value", "")
    if target == "free":
        return value
    if target == "entity":
        return _entity(change, name, value, old)
    if target == "LineTax":
        return taxes.line_code(change, name, key)
    if target == "Currency":
        return currencies.reference(change, name, key)
    check_feature(change, name, target)
    if target == "Item" and key in SPECIAL_ITEMS:
        return _special_item(change, name, key)
    if target == "TaxCode":
        taxes.code_of(change, key, name)
    elif not key.isdigit():
        raise Fault(2030, name, f"Id should be a valid number. Supplied value:{key}")
    return _named(change, name, target, key, old)


def _named(change, name: str, target: str, key: str, old: dict | None) -> dict:
    found = change.get(target, key)
    if found is None:
        raise invalid(name, target, key)
    unchanged = old is not None and old.get("value") == key
    if ENTITIES[target].name_list and not found.get("Active", True) and not unchanged:
        raise _inactive(name, target, key)
    named = label(found)
    return {"value": key, "name": named} if named and target != "CustomerType" else {"value": key}


def check_feature(change, name: str, target: str) -> None:
    switches = _FEATURES.get(target)
    if switches and not any(change.company.preference("AccountingInfoPrefs", s, False) for s in switches):
        raise Fault(5030, name, f"Feature Not Supported Error : {target} is not enabled")


def _entity(change, name: str, value: dict, old: dict | None) -> dict:
    """A reference that says itself what it points at."""
    kinds = {kind.lower(): kind for kind in ("Customer", "Vendor", "Employee")}
    kind = kinds.get(value.get("type", "").lower())
    if kind is None:
        raise Fault(2170, f"{name}.type", f"Invalid Enumeration : {value.get('type', '')[:60]}")
    return _named(change, name, kind, value.get("value", ""), old) | {"type": kind}


def _special_item(change, name: str, key: str) -> dict:
    switch = SPECIAL_ITEMS[key]
    if not change.company.preference("SalesFormsPrefs", switch, False):
        raise Fault(5030, name, f"Feature Not Supported Error : {switch} is off")
    return {"value": key}


def invalid(name: str, target: str, key: str) -> Fault:
    return Fault(2500, name, f"Invalid Reference Id : {_KINDS.get(target, target + 's')} element id {key} not found")


def _inactive(name: str, target: str, key: str) -> Fault:
    if target == "Customer" and name == "CustomerRef":
        return Fault(6250, name, f"Customer {key} is invalid or inactive.")
    return Fault(2500, name, "Invalid Reference Id : Something you're trying to use has been made "
                 f"inactive. {_KINDS.get(target, target + 's')} element id {key}")


def resolve_all(change, entity, obj: dict, old: dict | None) -> None:
    """Resolve every top-level reference of an object in place."""
    for name in entity.references:
        if name in obj:
            obj[name] = resolve(change, name, entity.fields[name], obj[name], old.get(name) if old else None)


def label(obj: dict) -> str:
    """What a reference to an object calls it."""
    return obj.get("DisplayName") or obj.get("FullyQualifiedName") or obj.get("Name", "")


# -- All references to one object ---------------------------------------------------

def pointing(company, kind: str, id: str) -> list[tuple[str, str]]:
    """The objects, by entity and id, that have a reference to this one anywhere."""
    text, found = b'"value":"%s"' % id.encode(), []
    for entity, table in company.tables.items():
        fields = ENTITIES[entity].fields
        for record in table.by_created:
            if text in record.data and not record.raw and replace(fields, copy(record.parse()), kind, id, {}):
                found.append((entity, record.id))
    return found


def replace(members: dict, obj: dict, kind: str, id: str, ref: dict) -> bool:
    """Change the references to one object everywhere below another; true when there was one."""
    found = False
    for name, value in obj.items():
        spec = members.get(name)
        if spec is None or not value:
            continue
        if spec.kind == "ref":
            points = value.get("type") or obj.get("Type") if spec.target == "entity" else spec.target
            if points == kind and value.get("value") == id:
                obj[name] = value | {k: v for k, v in ref.items() if k in value}
                found = True
        elif spec.kind in ("obj", "list") and spec.members:
            for part in value if isinstance(value, list) else [value]:
                found |= replace(spec.members, part, kind, id, ref)
    return found
