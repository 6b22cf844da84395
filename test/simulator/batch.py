"""POST /batch: up to 30 writes and queries in one request, each on its own.

The items are not one transaction and keep no order (switch batch_order); one
that is refused carries its own Fault.  With a requestid, the pair of it and the
item's bId is what is remembered.
"""

from __future__ import annotations

import api
from entities import ENTITIES
from errors import Fault, missing, unknown_property
from jsontext import dumps
from replies import digest_of

ROWS = 1000                     # objects in one answer
_MEMBERS = {"bId", "operation", "optionsData", "Query"}


def run(sim, company, request, body: dict) -> bytes:
    """'"BatchItemResponse":[…]' for a request."""
    request_id = request.request_id
    items = _items(sim, body, request_id)
    order = list(items)
    if sim.settings["batch_order"] == "shuffled":
        sim.random.shuffle(order)
    if request.cut_items:
        order = order[:(len(order) + 1) // 2]
    answers, rows = [], 0
    with sim.file.group():
        for item in order:
            answer, count = _one(sim, company, request_id, item, rows)
            rows += count
            answers.append(b'{"bId":%s,%s}' % (dumps(item["bId"]).encode(), answer))
        if sim.file.grouped:
            sim.file.save(sim.states_after_write(company))
    sim.limits.stats["batch_items"][company.realm] += len(order)
    if request.cut_items:
        raise api.Interrupted
    if sim.settings["batch_order"] == "shuffled":
        sim.random.shuffle(answers)
    queries = sum("Query" in item for item in items)
    if queries:
        sim.limits.metered(company.realm, "query", queries if sim.settings["batch_metered"] == "item" else 1)
    return b'"BatchItemResponse":[%s]' % b",".join(answers)


def _items(sim, body: dict, request_id: str) -> list[dict]:
    """The items; what is wrong with the envelope fails the whole request."""
    for name in body:
        if name != "BatchItemRequest":
            raise unknown_property(name, " (class com.intuit.schema.finance.v3.IntuitBatchRequest)")
    items = body.get("BatchItemRequest")
    if items is None or items == []:
        raise missing("BatchItemRequest")
    if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
        raise Fault(2010, "BatchItemRequest", "Property Name:Can not deserialize: a list of objects is expected")
    if len(items) > sim.settings["batch_items"]:
        raise Fault(1040, "BatchItemRequest", f"The batch holds {len(items)} items; no more than "
                    f"{sim.settings['batch_items']} are allowed.")
    seen = set()
    for item in items:
        id = item.get("bId")
        if not isinstance(id, str) or not id:
            raise missing("bId")
        if id in seen:
            raise Fault(2600, "bId", f"Conflicting elements in request : two items have the bId {id[:60]}")
        if request_id and len(id) > 10:
            raise Fault(2130, "bId", f"The bId of a batch with a request id must have 1 to 10 characters: {id[:60]}")
        seen.add(id)
        for name in item:
            if name not in _MEMBERS and name not in ENTITIES:
                raise unknown_property(name, " (class com.intuit.schema.finance.v3.BatchItemRequest)")
    return items


def _one(sim, company, request_id: str, item: dict, rows: int) -> tuple[bytes, int]:
    """The answer of one item without its bId, and how many rows a query brought."""
    rule = sim.faults.pick_item(item, company.realm) if sim.faults.rules else None
    key, digest = None, ""
    try:
        if rule:
            sim.limits.stats["faults_injected"][rule.fault] += 1
            if rule.fault == "code":
                raise rule.refusal(gateway=False)
        if "Query" in item:
            return _query(sim, company, item, rows)
        if request_id:
            key, digest = (company.realm, request_id, item["bId"]), digest_of(dumps(item).encode())
            if reply := sim.replies.find(key, digest):
                return reply.body, 0
        answer = _write(sim, company, item, key, digest)
        if rule:
            key = None
            raise rule.refusal(gateway=False)
        return answer, 0
    except Fault as fault:
        sim.limits.stats["refused"][fault.code] += 1
        answer = _inside(sim, fault)
        if key:
            sim.replies.refusal(key, digest, fault, answer)
        return answer, 0
    except Exception as error:      # a hole in the simulator: say so, go on with the other items
        import traceback
        traceback.print_exc()
        return _inside(sim, Fault(10000, "", f"System Failure Error: {type(error).__name__}: {error}", 500,
                                  "SystemFault")), 0


def _inside(sim, fault: Fault) -> bytes:
    errors = fault.errors(sim.settings["fault_elements"])
    return b'"Fault":' + dumps({"type": fault.kind, "Error": errors}).encode()


def _query(sim, company, item: dict, rows: int) -> tuple[bytes, int]:
    if not isinstance(item["Query"], str) or not item["Query"].strip():
        raise Fault(4000, "", "QueryParserError: the query is empty")
    answer, count = api.run_query(sim, company, item["Query"])
    if rows + count > ROWS:
        raise Fault(10100)
    return b'"QueryResponse":' + answer, count


def _write(sim, company, item: dict, key, digest: str) -> bytes:
    named = [name for name in item if name in ENTITIES]
    if len(named) != 1:
        raise missing("Entity") if not named else Fault(2600, named[1], "Conflicting elements in request")
    entity, body, operation = ENTITIES[named[0]], item[named[0]], item.get("operation")
    if operation is None or operation == "":
        raise missing("operation")
    if operation not in ("create", "update", "delete"):
        raise Fault(2170, "operation", f"Invalid Enumeration : {dumps(operation)[:60]}")
    if not isinstance(body, dict):
        raise Fault(2010, entity.name, "Property Name:Can not deserialize: an object is expected")
    include = _options(sim, item)
    if operation == "update" and not entity.singleton and not entity.key and not body.get("Id"):
        raise missing("Id")
    if operation == "update" and "void" in include:
        operation = "void"
    return api.one_write(sim, company, entity, operation, body, include, key, digest, lambda data: data)


def _options(sim, item: dict) -> set:
    """optionsData is in the schema, but nobody says what it takes (switch batch_options_data)."""
    text = item.get("optionsData")
    if text is None:
        return set()
    if sim.settings["batch_options_data"] == "refuse" or not isinstance(text, str):
        raise Fault(2010, "optionsData", 'Property Name:Unrecognized field "optionsData", not marked as ignorable')
    return {part for part in text.split(",") if part}
