"""Bundles: items of type Group, and their lines on sales forms.

A line that names a bundle and a quantity is expanded into lines of its
components, at the components' prices; the client may send those lines itself.
"""

from __future__ import annotations

from decimal import Decimal

import references
from entities import REF
from errors import Fault, missing
from jsontext import copy, money, plain

ZERO = Decimal(0)


def check_item(change, obj: dict) -> None:
    """A bundle as people make them: components with quantities, no account, no price."""
    obj["ItemGroupDetail"] = copy(obj.get("ItemGroupDetail", {}))
    lines = obj["ItemGroupDetail"].get("ItemGroupLine", [])
    if not lines:
        raise missing("ItemGroupDetail.ItemGroupLine")
    for name in ("IncomeAccountRef", "ExpenseAccountRef", "AssetAccountRef", "UnitPrice", "PurchaseCost"):
        if name in obj:
            raise Fault(2600, name, f"Conflicting elements in request : a bundle has no {name}")
    for line in lines:
        line["ItemRef"] = references.resolve(change, "ItemGroupLine.ItemRef", REF("Item"), line.get("ItemRef", {}))
        if change.get("Item", line["ItemRef"]["value"])["Type"] in ("Group", "Category"):
            raise Fault(2600, "ItemGroupLine.ItemRef", "Conflicting elements in request : not a component")
        line["Qty"] = plain(line.get("Qty", 1))


def complete(change, line: dict, before: dict | None, sales_line) -> list[dict]:
    """Check and expand the line of a bundle; returns its component lines, which still need ids."""
    detail, was = line["GroupLineDetail"], (before or {}).get("GroupLineDetail", {})
    if not detail.get("GroupItemRef", {}).get("value"):
        raise missing("Line.GroupItemRef")
    detail["GroupItemRef"] = references.resolve(change, "Line.GroupItemRef", REF("Item"), detail["GroupItemRef"],
                                                was.get("GroupItemRef"))
    bundle = change.get("Item", detail["GroupItemRef"]["value"])
    if bundle is None or bundle["Type"] != "Group":
        raise Fault(2500, "Line.GroupItemRef", "Invalid Reference Id : the item is no bundle")
    detail["Quantity"] = plain(detail.get("Quantity", 1))
    if detail["Quantity"] <= 0:
        raise Fault(2160, "Line.Quantity", f"Invalid quantity. Supplied value:{format(detail['Quantity'], 'f')}")
    unchanged = all(was.get(k) == detail[k] for k in ("GroupItemRef", "Quantity"))
    if not detail.get("Line"):
        detail["Line"] = copy(was["Line"]) if unchanged else _components(change, bundle, detail["Quantity"])
    known = {part["Id"]: part for part in was.get("Line", ())}
    for part in detail["Line"]:
        if part["DetailType"] != "SalesItemLineDetail" or "SalesItemLineDetail" not in part:
            raise Fault(2600, "Line.GroupLineDetail", "Conflicting elements in request : components are item lines")
        sales_line(change, part, known.get(part.get("Id", "")))
    line["Amount"] = money(sum((part["Amount"] for part in detail["Line"]), ZERO))
    line.setdefault("Description", bundle.get("Description", bundle["Name"]))
    return detail["Line"]


def _components(change, bundle: dict, quantity: Decimal) -> list[dict]:
    lines = []
    for part in bundle["ItemGroupDetail"]["ItemGroupLine"]:
        item = change.get("Item", part["ItemRef"]["value"])
        number, price = quantity * Decimal(part["Qty"]), Decimal(item.get("UnitPrice", 0))
        lines.append({"Amount": money(number * price), "DetailType": "SalesItemLineDetail",
                      "SalesItemLineDetail": {"ItemRef": dict(part["ItemRef"]), "Qty": number, "UnitPrice": price}})
    return lines
