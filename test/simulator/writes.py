"""Writes: create, full and sparse update, delete, void.

Each function works in a Change and raises a Fault before anything is kept.
`ui` marks acts of a person in QuickBooks: no SyncToken is asked for.
"""

from __future__ import annotations

import balances
import custom_fields
import forms
import rules
from entities import COMMON, ENTITIES, Entity
from errors import Fault, missing
from jsontext import copy
from store import HIDDEN
from validate import check_required, clean, is_empty

_HEAD = ("Id", "SyncToken", "domain", "sparse", "MetaData")


def _rules(entity: Entity):
    found = rules.of(entity.rules)
    if found is None:
        raise Fault(500, "", f"Operation is not supported: write {entity.name}")
    return found


def _shell() -> dict:
    """An empty object with the common members in front."""
    return {"Id": "", "SyncToken": "0", "domain": "QBO", "sparse": False, "MetaData": {}}


def create(change, entity: Entity, body: dict, include: set = frozenset(), ui: bool = False) -> dict:
    obj = _create(change, entity, body, include, ui)
    balances.settle(change)
    return obj


def _create(change, entity: Entity, body: dict, include: set, ui: bool) -> dict:
    acting = _rules(entity)
    if entity.singleton:
        raise Fault(500, "", f"Operation is not supported: create {entity.name}")
    body, hidden = custom_fields.take(change, entity.name, body, include, None)
    fields = {k: v for k, v in clean(entity, body, change.settings).items() if not is_empty(v)}
    fields.pop("Id", None)
    fields.pop("SyncToken", None)
    check_required(entity, fields)
    obj = change.add(entity.name, _shell())
    obj.update(fields)
    if hidden:
        obj[HIDDEN] = hidden
    change.sent = set(fields)
    try:
        acting.complete(change, obj, None, include, ui)
    except Fault:
        change.company.sequence[entity.family] -= 1
        raise
    for name, more in acting.created(change, obj) if acting.created else ():
        _create(change, ENTITIES[name], more, frozenset(), True)
    return obj


def put(change, entity: Entity, body: dict, ui: bool) -> dict:
    """Create or update what has a key of its own instead of an Id."""
    fields = {k: v for k, v in clean(entity, body, change.settings).items() if not is_empty(v)}
    fields.setdefault("AsOfDate", forms.company_today(change))
    check_required(entity, fields)
    token = fields.pop("SyncToken", None)
    old = change.get(entity.name, entity.id_of(fields))
    if old and not ui:
        _check_token(token, old)
    obj = {"SyncToken": "0", "domain": "QBO", "sparse": False, "MetaData": {}} | \
        {k: v for k, v in (old or {}).items() if body.get("sparse") is True} | fields
    _rules(entity).complete(change, obj, old, frozenset(), ui)
    change.replace(entity.name, obj)
    if old is None:
        change.fresh.add((entity.name, entity.id_of(obj)))
    return obj


def _current(change, entity: Entity, body: dict, ui: bool) -> dict:
    """The stored object a request is about; checks Id and SyncToken."""
    id = body.get("Id")
    if entity.singleton:
        id = change.company.single(entity.name)["Id"]
    if not isinstance(id, str) or not id:
        raise missing("Id")
    if not id.isdigit() or len(id) > 19:
        raise Fault(2030, "Id", f"Id should be a valid number. Supplied value:{id[:60]}")
    old = change.get(entity.name, id)
    if old is None or (entity.name, id) in change.company.losing:
        raise not_found(change.company, entity, id)
    if not ui:
        _check_token(body.get("SyncToken"), old)
    return old


def _check_token(token, old: dict) -> None:
    if token is None or token == "":
        raise missing("SyncToken")
    if token != old["SyncToken"]:
        raise Fault(5010)


def not_found(company, entity: Entity, id: str) -> Fault:
    if id in company.tables[entity.name].deleted:
        return Fault(610, "", "Object Not Found : Another user has deleted this transaction.")
    return Fault(610, "Id")


def update(change, entity: Entity, body: dict, include: set = frozenset(), ui: bool = False) -> dict:
    if entity.name == "CompanyInfo" and body.get("sparse") is not True:
        raise Fault(500, "", "Operation is not supported: CompanyInfo takes sparse updates")
    old = _current(change, entity, body, ui)
    acting = _rules(entity)
    body, hidden = custom_fields.take(change, entity.name, body, include, old)
    fields = clean(entity, body, change.settings)
    sparse = body.get("sparse") is True
    change.sent = set(fields)
    _immutable_currency(entity, fields, old)
    obj = _sparse(entity, old, fields, change.settings) if sparse else _full(entity, old, fields)
    check_required(entity, obj)
    if sparse and entity.name == "Payment" and not ui:
        for name in ("CustomerRef", "TotalAmt"):
            if name not in fields:
                raise missing(name)
    obj.pop(HIDDEN, None)
    if hidden:
        obj[HIDDEN] = hidden
    change.replace(entity.name, obj)
    acting.complete(change, obj, old, include, ui)
    if acting.follow:
        acting.follow(change, obj, old)
    balances.settle(change)
    return obj


def _sparse(entity: Entity, old: dict, fields: dict, settings: dict) -> dict:
    obj = dict(old) if entity.unique else copy(old)     # rules of name lists change no nested object
    ignore_empty = settings["sparse_empty"] == "ignore"
    for name, value in fields.items():
        spec = entity.get(name)
        if name in COMMON or "c" in spec.flags:
            continue
        if is_empty(value):
            if not ignore_empty:
                obj.pop(name, None)
        else:
            obj[name] = value
    for name in ("DisplayName", "PrintOnCheckName", "Name"):
        if name in fields and is_empty(fields[name]):
            raise missing(name)
    return obj


def _full(entity: Entity, old: dict, fields: dict) -> dict:
    """Head, read-only and create-only members from the stored object, the rest from the request."""
    obj = {k: copy(old[k]) for k in _HEAD if k in old}
    for name, spec in entity.fields.items():
        fixed = spec.read_only or "c" in spec.flags
        if fixed and name in old:
            obj[name] = copy(old[name])
        elif not fixed and name in fields and not is_empty(fields[name]):
            obj[name] = fields[name]
    return obj


def _immutable_currency(entity: Entity, fields: dict, old: dict) -> None:
    if "CurrencyRef" not in fields or not isinstance(fields["CurrencyRef"], dict):
        return
    sent, kept = fields.get("CurrencyRef", {}).get("value"), old.get("CurrencyRef", {}).get("value")
    if sent and kept and sent != kept:
        raise Fault(6000, "CurrencyRef", "Business Validation Error: Invalid Currency: the currency "
                    "cannot be changed.")


def delete(change, entity: Entity, body: dict, ui: bool = False) -> dict:
    if not entity.deletable:
        raise Fault(500, "", f"Operation is not supported: delete {entity.name}")
    clean(entity, body, change.settings)
    old = _current(change, entity, body, ui)
    obj = change.edit(entity.name, old["Id"])
    if old["Id"] in change.company.values.get("matched", ()) and entity.family == "Txn":
        raise Fault(6480)
    if _rules(entity).delete:
        _rules(entity).delete(change, obj)
    change.remove(entity.name, old["Id"])
    balances.settle(change)
    return {"status": "Deleted", "domain": "QBO", "Id": old["Id"]}


def void(change, entity: Entity, body: dict, ui: bool = False) -> dict:
    if not _rules(entity).void:
        raise Fault(500, "", f"Operation is not supported: void {entity.name}")
    clean(entity, body, change.settings)
    old = _current(change, entity, body, ui)
    if old["Id"] in change.company.values.get("settled", ()):
        raise Fault(6450)
    obj = change.edit(entity.name, old["Id"], bump=True)
    _rules(entity).void(change, obj)
    balances.settle(change)
    return obj


def _void_by(entity: Entity) -> str:
    return getattr(rules.of(entity.rules), "void_by", "")


def operation_of(operation: str, include: set, body: dict, entity) -> str:
    if operation == "delete" or (operation == "void" and "operation" in _void_by(entity)):
        return operation
    if operation not in ("", "update", "create"):
        raise Fault(500, "", f"Operation is not supported: {operation}")
    if "void" in include:
        if "include" not in _void_by(entity):
            raise Fault(500, "", f"Operation is not supported: void {entity.name} with include=void")
        return "void"
    if operation == "create" or (not body.get("Id") and not entity.singleton):
        if body.get("sparse") is True or operation == "update":
            raise Fault(2020, "Id", "Required parameter Id is missing in the request")
        return "create"
    return "update"


def perform(change, entity, operation: str, body: dict, include: set = frozenset(), ui: bool = False) -> dict:
    if entity.key:
        if operation not in ("create", "update"):
            raise Fault(500, "", f"Operation is not supported: {operation} {entity.name}")
        return put(change, entity, body, ui)
    if operation == "delete":
        return delete(change, entity, body, ui)
    if operation == "void":
        return void(change, entity, body, ui)
    if operation == "create":
        return create(change, entity, body, include, ui)
    return update(change, entity, body, include, ui)
