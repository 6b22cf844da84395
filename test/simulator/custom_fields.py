"""Custom fields: the three slots of sales forms, and the newer ones that must be asked for.

The slots are what Preferences say (SalesFormsPrefs.UseSalesCustomN, SalesCustomNameN); every
form carries those that are on, by name.  The newer fields (company value custom_fields:
id -> name and type) are kept beside, as the member _enhanced, and shown to those who ask
for include=enhancedAllCustomFields only.
"""

from __future__ import annotations

from errors import Fault
from store import HIDDEN


def slots(company) -> dict[str, str]:
    """DefinitionId -> name of the slots that are on."""
    found, on = {}, set()
    for block in company.preference("SalesFormsPrefs", "CustomField", []):
        for entry in block.get("CustomField", ()):
            name, number = entry["Name"][:-1], entry["Name"][-1]
            if name.endswith("UseSalesCustom") and entry.get("BooleanValue"):
                on.add(number)
            elif name.endswith("SalesCustomName"):
                found[number] = entry.get("StringValue", "")
    return {number: found.get(number, "") for number in sorted(on)}


def complete(change, obj: dict, old: dict | None) -> None:
    """CustomField of a sales form: every slot, with the value that was sent."""
    known = slots(change.company)
    sent = {f.get("DefinitionId", ""): f for f in obj.get("CustomField", ())}
    for id in sent:
        if id not in known:
            raise Fault(3000, "CustomField", f"Invalid custom field : DefinitionId {id[:30]}")
    obj["CustomField"] = [
        {"DefinitionId": id, "Name": name, "Type": "StringType"} |
        ({"StringValue": sent[id]["StringValue"]} if sent.get(id, {}).get("StringValue") else {})
        for id, name in known.items()]


def take(change, entity: str, body: dict, include: set, old: dict | None) -> tuple[dict, list]:
    """A request's body without its newer fields, and what of them the object has afterwards."""
    held = old.get(HIDDEN, []) if old else []
    if "enhancedAllCustomFields" not in include or not isinstance(body.get("CustomField"), list):
        return body, held
    defined = {id: d for id, d in change.company.values.get("custom_fields", {}).items() if entity in d["entities"]}
    mine, rest = [], []
    for field in body["CustomField"]:
        (mine if isinstance(field, dict) and len(str(field.get("DefinitionId", ""))) > 2 else rest).append(field)
    values = {f["DefinitionId"]: f for f in held}
    for field in mine:
        id = field["DefinitionId"]
        if id not in defined:
            raise Fault(3000, "CustomField", f"Invalid custom field : DefinitionId {str(id)[:30]}")
        kind = defined[id]["type"]
        value = field.get(kind + "Value")
        if value in (None, ""):
            values.pop(id, None)
        elif kind == "String" and not isinstance(value, str) or kind == "Number" and isinstance(value, (str, bool)):
            raise Fault(3000, "CustomField", f"Invalid custom field : {defined[id]['name']} is not of type {kind}")
        else:
            values[id] = {"DefinitionId": id, "Name": defined[id]["name"], "Type": kind + "Type", kind + "Value": value}
    return body | {"CustomField": rest}, [values[id] for id in defined if id in values]
