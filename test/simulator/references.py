"""References between objects: do they point at something usable, and how are they echoed."""

from __future__ import annotations

from entities import ENTITIES, FEATURES_OFF, FIXED_LISTS, SPECIAL_ITEMS, Field
from errors import Fault

_KINDS = {"Customer": "Names", "Term": "Terms", "Item": "Items", "Account": "Accounts",
          "Vendor": "Names"}


def resolve(change, name: str, spec: Field, value: dict, old: dict | None = None) -> dict:
    """The reference as it is stored: value and name. Refuses what it cannot point at."""
    target, key = spec.target, value.get("value", "")
    if target == "free":
        return value
    if target in FEATURES_OFF:
        raise Fault(5030, name, f"Feature Not Supported Error : {target} is not enabled")
    if target in FIXED_LISTS:
        return _fixed(name, target, key)
    if target == "Item" and key in SPECIAL_ITEMS:
        return _special_item(change, name, key)
    if not key.isdigit():
        raise Fault(2030, name, f"Id should be a valid number. Supplied value:{key}")
    found = change.get(target, key)
    if found is None:
        raise _invalid(name, target, key)
    unchanged = old is not None and old.get("value") == key
    if ENTITIES[target].name_list and not found.get("Active", True) and not unchanged:
        raise _inactive(name, target, key)
    label = found.get("DisplayName") or found.get("FullyQualifiedName") or found.get("Name")
    return {"value": key, "name": label}


def _fixed(name: str, target: str, key: str) -> dict:
    if key not in FIXED_LISTS[target]:
        if target == "LineTax":
            raise Fault(6100, name, f"Invalid Line TaxCode in the request. Supplied value:{key}")
        raise _invalid(name, target, key)
    label = FIXED_LISTS[target][key]
    return {"value": key, "name": label} if label else {"value": key}


def _special_item(change, name: str, key: str) -> dict:
    switch = SPECIAL_ITEMS[key]
    if not change.company.preference("SalesFormsPrefs", switch, False):
        raise Fault(5030, name, f"Feature Not Supported Error : {switch} is off")
    return {"value": key}


def _invalid(name: str, target: str, key: str) -> Fault:
    return Fault(2500, name, f"Invalid Reference Id : {_KINDS.get(target, target)} element id {key} not found")


def _inactive(name: str, target: str, key: str) -> Fault:
    if target == "Customer" and name == "CustomerRef":
        return Fault(6250, name, f"Customer {key} is invalid or inactive.")
    return Fault(2500, name, "Invalid Reference Id : Something you're trying to use has been made "
                 f"inactive. {_KINDS.get(target, target)} element id {key}")


def resolve_all(change, entity, obj: dict, old: dict | None) -> None:
    """Resolve every top-level reference of an object in place."""
    for name in entity.references:
        if name in obj:
            obj[name] = resolve(change, name, entity.fields[name], obj[name], old.get(name) if old else None)
