"""Rules of the name lists: Customer, Vendor, Employee, Item, Term.

Names are unique within their group, inactive records get the suffix
" (deleted)" (switch deleted_suffix) and free their name, hierarchies carry fully qualified names.
"""

from __future__ import annotations

from decimal import Decimal

import bundles
import currencies
import references
import taxes
from entities import ENTITIES
from errors import Fault
from jsontext import money, plain
from rules import Rules
from store import name_of

ZERO = Decimal(0)


def customer(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    _display_name(obj)
    if not obj.get("PrintOnCheckName"):
        obj["PrintOnCheckName"] = obj["DisplayName"][:110]
    currencies.of_name(change, obj, old)
    references.resolve_all(change, ENTITIES["Customer"], obj, old)
    _delivery(obj)
    obj.setdefault("Active", True)
    _taxable(change, obj)
    _mask(change, obj, old, "PrimaryTaxIdentifier", 5)
    _mask(change, obj, old, "SecondaryTaxIdentifier", 5)
    obj.setdefault("PreferredDeliveryMethod", "None")
    obj.setdefault("IsProject", False)
    obj.setdefault("ClientEntityId", "0")
    _job(change, obj, old)
    may_rest(change, obj, old, ui)
    if old and old["Active"] and not obj["Active"] and (old["Balance"] or old["BalanceWithJobs"]) and not ui:
        raise Fault(6220, "Active")
    if old and old["Active"] and not obj["Active"] and obj["Id"] in change.company.values.get("unbilled", ()) and not ui:
        raise Fault(6280, "Active")
    follow_activity(change, "Customer", obj, old)
    qualify(change, "Customer", obj, "DisplayName", 5)
    claim(change, "Name", "Customer", obj, obj["DisplayName"], "DisplayName")
    _opening(change, obj, old)


def vendor(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    _display_name(obj)
    if not obj.get("PrintOnCheckName"):
        obj["PrintOnCheckName"] = obj["DisplayName"][:100]
    currencies.of_name(change, obj, old)
    references.resolve_all(change, ENTITIES["Vendor"], obj, old)
    _mask(change, obj, old, "TaxIdentifier", 4)
    obj.setdefault("Active", True)
    obj.setdefault("Vendor1099", False)
    obj["Balance"] = old["Balance"] if old else ZERO
    if old and old["Active"] and not obj["Active"] and old["Balance"] and not ui:
        raise Fault(6220, "Active")
    may_rest(change, obj, old, ui)
    follow_activity(change, "Vendor", obj, old)
    claim(change, "Name", "Vendor", obj, obj["DisplayName"], "DisplayName")


def employee(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    if not obj.get("GivenName") and not obj.get("FamilyName"):
        raise Fault(2020, "GivenName", "Required parameter GivenName or FamilyName is missing in the request")
    _display_name(obj)
    if not obj.get("PrintOnCheckName"):
        obj["PrintOnCheckName"] = obj["DisplayName"][:110]
    if "SSN" in obj:
        obj["SSN"] = "XXX-XX-XXXX"
    obj.setdefault("Active", True)
    obj.setdefault("BillableTime", False)
    obj.setdefault("Organization", False)
    may_rest(change, obj, old, ui)
    follow_activity(change, "Employee", obj, old)
    claim(change, "Name", "Employee", obj, obj["DisplayName"], "DisplayName")


def may_rest(change, obj: dict, old: dict | None, ui: bool) -> None:
    """An inactive name takes nothing but its reactivation (switch inactive_update)."""
    if old and not ui and not old["Active"] and not obj["Active"] and change.settings["inactive_update"] == "610":
        raise Fault(610)


def _taxable(change, obj: dict) -> None:
    """Default of Taxable; a default tax code counts for who is taxable only."""
    if "Taxable" not in obj:
        obj["Taxable"] = "DefaultTaxCodeRef" in obj or (
            "TaxExemptionReasonId" not in obj and change.settings["customer_taxable"])
    if not obj["Taxable"]:
        obj.pop("DefaultTaxCodeRef", None)


def _mask(change, obj: dict, old: dict | None, name: str, shown: int) -> None:
    """Tax numbers leave with their last characters only; a mask that is sent back is kept, and counted."""
    text = obj.get(name)
    if not text:
        return
    if old and old.get(name) == text:
        change.notes.append({"masked": name})
    obj[name] = "X" * (len(text) - shown) + text[-shown:]


def _display_name(obj: dict) -> None:
    if not obj.get("DisplayName"):
        parts = [obj.get(k) for k in ("Title", "GivenName", "MiddleName", "FamilyName", "Suffix")]
        obj["DisplayName"] = " ".join(p for p in parts if p)
    if not obj["DisplayName"]:
        raise Fault(6080, "DisplayName")


def _delivery(obj: dict) -> None:
    if obj.get("PreferredDeliveryMethod") == "Email" and not obj.get("PrimaryEmailAddr"):
        raise Fault(6420, "PrimaryEmailAddr")
    reason = obj.get("TaxExemptionReasonId")
    if reason is not None and str(reason) not in [str(n) for n in range(1, 16)]:
        raise Fault(2170, "TaxExemptionReasonId", f"Invalid Enumeration : {reason}")


def _job(change, obj: dict, old: dict | None) -> None:
    parent = obj.get("ParentRef", {}).get("value")
    obj.setdefault("Job", False)
    if obj["Job"] and not parent:
        raise Fault(6150, "ParentRef")
    if parent and not obj["Job"]:
        raise Fault(2600, "Job", "Conflicting elements in request : ParentRef without Job")
    if not obj["Job"]:
        obj["BillWithParent"] = False       # means something for jobs only
    obj.setdefault("BillWithParent", False)
    if old and old.get("BillWithParent", False) != obj["BillWithParent"] and any(
            e == "Invoice" for e, _ in change.company.by_customer.get(obj["Id"], ())):
        raise Fault(6130, "BillWithParent")


def _opening(change, obj: dict, old: dict | None) -> None:
    if old:
        obj["Balance"], obj["BalanceWithJobs"] = old["Balance"], old["BalanceWithJobs"]
        return
    opening = money(obj["Balance"]) if "Balance" in obj else ZERO
    date = obj.pop("OpenBalanceDate", None)
    obj["Balance"] = obj["BalanceWithJobs"] = ZERO
    if opening and not date:
        raise Fault(6060, "OpenBalanceDate")
    if opening:
        change.notes.append({"opening": opening, "date": date, "id": obj["Id"]})


def _opening_invoice(change, obj: dict) -> list:
    """A customer created with a balance gets an invoice for it, which settles the balance."""
    opening = [n for n in change.notes if n.get("id") == obj["Id"]]
    return [("Invoice", {"CustomerRef": {"value": obj["Id"]}, "TxnDate": note["date"], "Line": [
        {"Amount": note["opening"], "DetailType": "SalesItemLineDetail", "Description": "Solde d'ouverture",
         "SalesItemLineDetail": {"TaxCodeRef": {"value": taxes.untaxed(change)}}}]}) for note in opening]


def item(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    kind = obj["Type"]
    if kind == "Group" and not ui:
        raise Fault(5030, "Type", "Feature Not Supported Error : bundles are made in QuickBooks itself")
    references.resolve_all(change, ENTITIES["Item"], obj, old)
    if kind == "Category":
        for name in ("IncomeAccountRef", "ExpenseAccountRef", "AssetAccountRef", "UnitPrice", "PurchaseCost"):
            if name in obj:
                raise Fault(2600, name, f"Conflicting elements in request : a category has no {name}")
    elif kind == "Group":
        bundles.check_item(change, obj)
    else:
        _item_accounts(change, obj, kind)
    for name in ("UnitPrice", "PurchaseCost", "QtyOnHand", "ReorderPoint"):
        if name in obj:
            obj[name] = plain(obj[name])
    if kind not in ("Category", "Group"):
        obj.setdefault("UnitPrice", ZERO)
        obj.setdefault("PurchaseCost", ZERO)
        obj.setdefault("Taxable", False)
        obj.setdefault("TrackQtyOnHand", kind == "Inventory")
    obj.setdefault("Active", True)
    may_rest(change, obj, old, ui)
    _sub_item(change, obj)
    follow_activity(change, "Item", obj, old)
    qualify(change, "Item", obj, "Name", 5)
    claim(change, "Item", "Item", obj, obj["FullyQualifiedName"], "Name")


def _item_accounts(change, obj: dict, kind: str) -> None:
    needed = ["IncomeAccountRef"]
    if kind == "Inventory":
        needed += ["ExpenseAccountRef", "AssetAccountRef", "QtyOnHand", "InvStartDate"]
    if change.company.single("CompanyInfo").get("Country") in ("CA", "UK", "GB"):
        needed.append("ExpenseAccountRef")
    for name in needed:
        if name not in obj:
            raise Fault(2020, name, f"Required parameter {name} is missing in the request")


def _sub_item(change, obj: dict) -> None:
    parent = obj.get("ParentRef", {}).get("value")
    obj.setdefault("SubItem", bool(parent))
    if obj["SubItem"] and not parent:
        raise Fault(6150, "ParentRef")
    if parent and not obj["SubItem"]:
        raise Fault(2600, "SubItem", "Conflicting elements in request : ParentRef without SubItem")
    if parent and change.get("Item", parent)["Type"] != "Category":
        raise Fault(700, "ParentRef", "The parent of an item must be a category.")


def term(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    driven = "DayOfMonthDue" in obj
    if driven == ("DueDays" in obj):
        if driven:
            raise Fault(2600, "DueDays", "Conflicting elements in request : DueDays and DayOfMonthDue")
        raise Fault(2020, "DueDays", "Required parameter DueDays or DayOfMonthDue is missing in the request")
    obj["Type"] = "DATE_DRIVEN" if driven else "STANDARD"
    obj.setdefault("Active", True)
    may_rest(change, obj, old, ui)
    follow_activity(change, "Term", obj, old)
    claim(change, "Term", "Term", obj, obj["Name"], "Name")


def follow_activity(change, entity: str, obj: dict, old: dict | None) -> None:
    """The rename of inactivation, and its undoing on reactivation."""
    group = ENTITIES[entity].unique
    field = "DisplayName" if group == "Name" else "Name"
    was, is_now = (old or {}).get("Active", True), obj["Active"]
    name, suffix = obj[field], change.settings["deleted_suffix"]
    if was and not is_now and not name.endswith(suffix):
        base, n = name, 1
        name = base + suffix
        while _taken(change, group, name, entity, obj["Id"]):
            n += 1
            name = f"{base}{suffix[:-1]} {n})"
        obj[field] = name
    elif not was and is_now and name == old[field]:
        if name.endswith(suffix):
            obj[field] = name[:-len(suffix)]


def _taken(change, group: str, name: str, entity: str, id: str) -> tuple[str, str] | None:
    """Who has this name already, among all entities of the group."""
    folded, own = change.company.fold(name), (entity, id)
    held = change.company.names.get((group, folded))
    if held and held != own and held not in change.removed and held not in change.pending:
        return held
    if len(change.pending) < 2:
        return None
    for key, obj in change.pending.items():
        if key != own and ENTITIES[key[0]].unique == group and change.company.fold(name_of(group, obj)) == folded:
            return key
    return None


def claim(change, group: str, entity: str, obj: dict, name: str, element: str) -> None:
    held = _taken(change, group, name, entity, obj["Id"])
    if not held:
        return
    detail = "The name supplied already exists. : "
    if group == "Name":
        detail += "Another customer, vendor or employee is already using this \nname. Please use a different name. "
    if change.settings["duplicate_name_id"]:
        detail += f"Id={held[1]}"
    raise Fault(6240, element, detail.rstrip(" :"))


def qualify(change, entity: str, obj: dict, field: str, levels: int) -> None:
    """Fully qualified name and level from the chain of parents."""
    parent, chain = obj.get("ParentRef", {}).get("value"), [obj[field]]
    seen = {obj["Id"]}
    while parent:
        if parent in seen:
            raise Fault(900, "ParentRef")
        seen.add(parent)
        above = change.get(entity, parent)
        chain.append(above[field])
        parent = above.get("ParentRef", {}).get("value")
    if len(chain) > levels:
        raise Fault(6180, "ParentRef")
    obj["FullyQualifiedName"] = ":".join(reversed(chain))
    if len(chain) > 1:
        obj["Level"] = len(chain) - 1
    else:
        obj.pop("Level", None)


def rename_below(change, entity: str, id: str) -> None:
    """Fully qualified names of everything below a renamed or moved record."""
    field = "DisplayName" if entity == "Customer" else "Name"
    for child in _children(change, entity, id):
        obj = change.edit(entity, child, touch=True)
        qualify(change, entity, obj, field, 5)
        rename_below(change, entity, child)


def _children(change, entity: str, id: str) -> list[str]:
    if entity == "Customer":
        return sorted(change.company.children.get(id, ()))
    return [r.id for r in change.company.tables[entity].by_created if r.parent == id]


def _follow_customer(change, obj: dict, old: dict) -> None:
    _move_parent_balances(change, obj, old)
    follow("Customer")(change, obj, old)


def follow(entity: str):
    """What comes after an update of a list: the names of all below it and in references."""
    def after(change, obj: dict, old: dict) -> None:
        if obj.get("FullyQualifiedName") != old.get("FullyQualifiedName"):
            rename_below(change, entity, obj["Id"])
        rename_references(change, entity, obj, old)
    return after


def _move_parent_balances(change, obj: dict, old: dict) -> None:
    before, after = (o.get("ParentRef", {}).get("value") for o in (old, obj))
    amount = old["BalanceWithJobs"]
    if before == after or not amount:
        return
    for parent, sign in ((before, -1), (after, 1)):
        while parent:
            above = change.edit("Customer", parent, touch=True)
            above["BalanceWithJobs"] += sign * amount
            parent = above.get("ParentRef", {}).get("value")


def rename_references(change, entity: str, obj: dict, old: dict) -> None:
    """The name in references of transactions (switch rename_in_transactions)."""
    mode, name = change.settings["rename_in_transactions"], references.label(obj)
    if mode == "keep" or name == references.label(old):
        return
    for kind, id in references.pointing(change.company, entity, obj["Id"]):
        if ENTITIES[kind].deletable:
            target = change.edit(kind, id, touch=mode == "touch")
            references.replace(ENTITIES[kind].fields, target, entity, obj["Id"], {"name": name})


def _company(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """CompanyInfo and Preferences take what they are sent."""


CUSTOMER = Rules(customer, created=_opening_invoice, follow=_follow_customer)
VENDOR = Rules(vendor, follow=follow("Vendor"))
EMPLOYEE = Rules(employee, follow=follow("Employee"))
ITEM = Rules(item, follow=follow("Item"))
TERM = Rules(term, follow=follow("Term"))
COMPANY = Rules(_company)
