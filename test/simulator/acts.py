"""What a person does in QuickBooks' own screens: no token, no limits, no SyncToken."""

from __future__ import annotations

import documents
import merges
import writes
from entities import ENTITIES
from errors import Fault
from jsontext import money


class ActError(Exception):
    pass


def act(sim, spec: dict) -> dict:
    """Perform one act; returns the object afterwards or a short report."""
    what = spec.get("act")
    handler = _ACTS.get(what)
    if not handler:
        raise ActError(f"unknown act {what!r}; known: {', '.join(sorted(_ACTS))}")
    realm = spec.get("realm") or next(iter(sim.companies))
    if realm not in sim.companies:
        raise ActError(f"unknown realm {realm}")
    return handler(sim, sim.companies[realm], spec)


def _entity(spec: dict):
    if spec.get("entity") not in ENTITIES:
        raise ActError(f"unknown entity {spec.get('entity')!r}")
    return ENTITIES[spec["entity"]]


_CUSTOM_FIELDS = frozenset(("enhancedAllCustomFields",))       # a person sees all of them


def perform(sim, company, entity, operation: str, body: dict, label: str = "", include=frozenset()) -> dict:
    """One write through the ordinary rules, as a person."""
    change = sim.change(company, "ui")
    obj = writes.perform(change, entity, operation, body, include, ui=True)
    sim.commit(change, label or operation, entity.name, entity.id_of(obj))
    return obj


def _create(sim, company, spec):
    return perform(sim, company, _entity(spec), "create", spec.get("object", {}), include=_CUSTOM_FIELDS)


def _edit(sim, company, spec, changes=None, label="edit"):
    entity = _entity(spec)
    body = dict(spec.get("set", {}) if changes is None else changes)
    return perform(sim, company, entity, "update", body | {"Id": spec.get("id"), "sparse": True}, label, _CUSTOM_FIELDS)


def _inactivate(sim, company, spec):
    """Make inactive; what is owed stays, or is written off first (switch inactivation)."""
    entity, record = _entity(spec), company.record(spec["entity"], spec.get("id", ""))
    if sim.settings["inactivation"] == "journal_entry" and entity.name == "Customer" and record and record.obj["Balance"]:
        amount, ref = record.obj["Balance"], {"Type": "Customer", "EntityRef": {"value": record.id}}
        sides = ("Credit", "Debit") if amount > 0 else ("Debit", "Credit")
        accounts = company.values["accounts"]
        perform(sim, company, ENTITIES["JournalEntry"], "create", {"CurrencyRef": record.obj["CurrencyRef"], "Line": [
            {"Amount": abs(amount), "DetailType": "JournalEntryLineDetail", "JournalEntryLineDetail": {
                "PostingType": side, "AccountRef": {"value": account}} | extra}
            for side, account, extra in zip(sides, (accounts["receivable"], accounts["opening"]), ({"Entity": ref}, {}))]})
    return _edit(sim, company, spec, {"Active": False}, "inactivate")


def _reactivate(sim, company, spec):
    return _edit(sim, company, spec, {"Active": True}, "reactivate")


def _by_id(operation):
    return lambda sim, company, spec: perform(sim, company, _entity(spec), operation, {"Id": spec.get("id")})


def _pay(sim, company, spec):
    """Receive a payment for an invoice; more than its balance leaves an unapplied rest."""
    record = company.record("Invoice", spec.get("id", ""))
    if not record:
        raise Fault(610, "Id")
    balance = record.obj["Balance"]
    amount = money(spec.get("amount", balance))
    applied = min(amount, balance)
    lines = [{"Amount": applied, "LinkedTxn": [{"TxnId": record.id, "TxnType": "Invoice"}]}] if applied else []
    body = {"CustomerRef": {"value": record.ref}, "TotalAmt": amount, "Line": lines}
    body |= {k: spec[k] for k in ("TxnDate", "PaymentRefNum") if k in spec}
    return perform(sim, company, ENTITIES["Payment"], "create", body, "pay")


def _unpay(sim, company, spec):
    """Take a payment off all its invoices; the money stays, unapplied."""
    return perform(sim, company, ENTITIES["Payment"], "update",
                   {"Id": spec.get("id"), "sparse": True, "Line": []}, "unpay")


def _email(sim, company, spec):
    entity = _entity({"entity": "Invoice"} | spec)
    change = sim.change(company, "ui")
    obj = documents.email(change, entity, spec.get("id", ""))
    sim.commit(change, "email", entity.name, obj["Id"])
    return obj


def _held(sim, company, entity: str, spec):
    id = spec.get("id", "")
    if not company.record(entity, id):
        raise Fault(610, "Id")
    return sim.change(company, "ui"), id


def _touch(sim, company, spec):
    """LastUpdatedTime moves, nothing else does (background jobs, migrations)."""
    entity = _entity(spec)
    ids = [spec["id"]] if "id" in spec else [r.id for r in company.tables[entity.name].by_created]
    change = sim.change(company, "ui")
    for id in ids:
        if not company.record(entity.name, id):
            raise Fault(610, "Id")
        change.edit(entity.name, id, touch=True)
    sim.commit(change, "touch", entity.name, ids[0] if len(ids) == 1 else "")
    return {"touched": len(ids)}


def _rewrite(sim, company, spec):
    """Members change and nothing tells: no new SyncToken, no new time, no rule (Intuit's own repairs)."""
    entity = _entity(spec)
    change, id = _held(sim, company, entity.name, spec)
    obj = change.edit(entity.name, id)
    obj.update(spec.get("set", {}))
    sim.commit(change, "rewrite", entity.name, id)
    return obj


def _attach(sim, company, spec):
    """Hang a file on a record: it gets a new SyncToken and changes in nothing else."""
    entity = _entity(spec)
    change, id = _held(sim, company, entity.name, spec)
    writes.perform(change, ENTITIES["Attachable"], "create", {
        "FileName": spec.get("file", "photo.jpg"), "ContentType": "image/jpeg", "Size": 20480, "Category": "Image",
        "AttachableRef": [{"EntityRef": {"type": entity.name, "value": id}}]}, frozenset(), ui=True)
    sim.commit(change, "attach", entity.name, id)
    return company.record(entity.name, id).obj


def _merge(sim, company, spec):
    return merges.merge(sim, company, _entity({"entity": "Customer"} | spec), spec.get("id", ""), spec.get("into", ""))


def _disconnect(sim, company, spec):
    answer = spec.get("answer", "401")
    if answer not in ("401", "403"):
        raise ActError("answer must be 401 or 403")
    sim.oauth.end(company.realm, "disconnected" if answer == "401" else "disconnected_403")
    return {"disconnected": company.realm}


def _remove_user(sim, company, spec):
    sim.oauth.end(company.realm, "user_removed")
    return {"user_removed": company.realm}


def _expire_tokens(sim, company, spec):
    return {"expired": sim.oauth.expire_access(company.realm)}


def _preference(sim, company, spec):
    """Set preferences: {"set": {"SalesFormsPrefs": {"CustomTxnNumbers": true}}}; groups are merged."""
    change = sim.change(company, "ui")
    id = company.single("Preferences")["Id"]
    obj = change.edit("Preferences", id, bump=True)
    for group, values in spec.get("set", {}).items():
        if group not in ENTITIES["Preferences"].fields:
            raise ActError(f"unknown group {group}")
        obj[group] = obj.get(group, {}) | values
        obj[group] = {k: v for k, v in obj[group].items() if v is not None}
    sim.commit(change, "preference", "Preferences", id)
    return obj


def _rename_company(sim, company, spec):
    change = sim.change(company, "ui")
    id = company.single("CompanyInfo")["Id"]
    obj = change.edit("CompanyInfo", id, bump=True)
    obj.update(spec.get("set", {}))
    sim.commit(change, "company", "CompanyInfo", id)
    return obj


def _company_value(sim, company, spec):
    """Values of the simulation itself: tax_mode manual|none, suspended true|false, ids of customers with unbilled charges."""
    for name, value in spec.get("set", {}).items():
        if name not in ("tax_mode", "suspended", "doc_number", "warn_duplicates", "unbilled", "matched", "settled", "custom_fields", "nexus"):
            raise ActError(f"unknown value {name}")
        company.values[name] = value
    sim.file.save(sim.company_state(company))
    return dict(company.values)


_ACTS = {"rewrite": _rewrite, "create": _create, "edit": _edit, "void": _by_id("void"), "delete": _by_id("delete"),
         "inactivate": _inactivate, "reactivate": _reactivate, "merge": _merge, "pay": _pay,
         "unpay": _unpay, "email": _email, "touch": _touch, "attach": _attach,
         "disconnect": _disconnect, "remove_user": _remove_user, "expire_tokens": _expire_tokens,
         "preference": _preference, "company_info": _rename_company, "company_value": _company_value}
