"""Rules of time activities and of attachments."""

from __future__ import annotations

import references
import forms
import lines
from clock import parse_time
from entities import ENTITIES
from errors import Fault, missing
from jsontext import plain
from rules import Rules


# -- TimeActivity ----------------------------------------------------------------

def time_activity(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """Hours of an employee or a vendor, stated or from one time to another."""
    obj.setdefault("TxnDate", forms.company_today(change))
    name = obj["NameOf"] + "Ref"
    if name not in obj:
        raise Fault(6290, name)
    obj.pop("VendorRef" if name == "EmployeeRef" else "EmployeeRef", None)
    references.resolve_all(change, ENTITIES["TimeActivity"], obj, old)
    if change.company.preference("TimeTrackingPrefs", "UseServices", False) and "ItemRef" not in obj and not ui:
        obj["ItemRef"] = references.resolve(change, "ItemRef", ENTITIES["TimeActivity"].fields["ItemRef"],
                                            {"value": change.company.values["default_item"]})
    _hours(obj)
    lines.billable(obj, old or {})
    if obj["BillableStatus"] == "Billable" and "HourlyRate" not in obj:
        raise Fault(6390, "HourlyRate", "The time activity is invalid : billable time needs a rate.")
    obj.setdefault("Taxable", False)
    for name in ("HourlyRate", "CostRate"):
        if name in obj:
            obj[name] = plain(obj[name])


def _hours(obj: dict) -> None:
    stated, spanned = "Hours" in obj or "Minutes" in obj, "StartTime" in obj or "EndTime" in obj
    if stated and spanned:
        raise Fault(2600, "Hours", "Conflicting elements in request : Hours and StartTime")
    if not stated and not spanned:
        raise missing("Hours")
    if stated:
        obj.setdefault("Hours", 0)
        obj.setdefault("Minutes", 0)
        return
    moments = []
    for name in ("StartTime", "EndTime"):
        if name not in obj:
            raise missing(name)
        moment = parse_time(obj[name][:19])     # the offset does not count
        if moment is None:
            raise Fault(2060, name, f"Invalid date format. Supplied value:{obj[name]}")
        moments.append(moment)
    rest = obj.get("BreakHours", 0) * 3600 + obj.get("BreakMinutes", 0) * 60
    if moments[1] - moments[0] - rest <= 0:
        raise Fault(6390, "EndTime", "The time activity is invalid : it ends before it starts.")


def _delete_time(change, obj: dict) -> None:
    if obj["BillableStatus"] == "HasBeenBilled":
        raise Fault(6400, "", "A time activity that has been billed cannot be deleted.")


# -- Attachable --------------------------------------------------------------------

def attachable(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """A note or the description of a file; what it hangs on gets a new SyncToken."""
    if "FileName" not in obj and "Note" not in obj:
        raise missing("Note")
    seen = _hung_on(old)
    obj["AttachableRef"] = [dict(ref) for ref in obj.get("AttachableRef", ())]
    for ref in obj["AttachableRef"]:
        entity, id = _target(ref)
        if change.get(entity, id) is None:
            raise Fault(2500, "AttachableRef", f"Invalid Reference Id : {entity} element id {id} not found")
        ref["EntityRef"] = {"value": id, "type": entity}
        ref.setdefault("IncludeOnSend", False)
    _mark(change, seen ^ _hung_on(obj))


_BY_LOWER = {name.lower(): name for name in ENTITIES}


def _target(ref: dict) -> tuple[str, str]:
    kind = ref.get("EntityRef", {}).get("type", "")
    if kind.lower() not in _BY_LOWER:
        raise Fault(6050, "AttachableRef", f"The reference type of the upload is invalid : {kind[:60]}")
    return _BY_LOWER[kind.lower()], ref["EntityRef"].get("value", "")


def _hung_on(obj: dict | None) -> set[tuple[str, str]]:
    return {_target(ref) for ref in (obj or {}).get("AttachableRef", ())}


def _mark(change, targets: set) -> None:
    for entity, id in sorted(targets):
        if change.get(entity, id):
            change.edit(entity, id, bump=True)


def _delete_attachable(change, obj: dict) -> None:
    _mark(change, _hung_on(obj))


TIME_ACTIVITY = Rules(time_activity, delete=_delete_time)
ATTACHABLE = Rules(attachable, delete=_delete_attachable)
