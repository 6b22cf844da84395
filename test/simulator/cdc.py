"""Change data capture: what changed since a moment, with its limits.

At most 1,000 objects (in all, or per entity: switch cdc_cap), nothing older
than 30 days, live objects first and then Deleted stubs, {} for an entity
without changes, and no sign of truncation.
"""

from __future__ import annotations

from clock import parse_time, stamp
from entities import ENTITIES
from errors import Fault, missing

CAP = 1000
LOOK_BACK = 30 * 86400


def entities_of(text: str) -> list[str]:
    names = [n.strip() for n in text.split(",") if n.strip()]
    if not names:
        raise missing("entities")
    for name in names:
        if name not in ENTITIES or not ENTITIES[name].cdc:
            raise Fault(2000, "entities", f"Invalid or unsupported object name : {name}")
    return list(dict.fromkeys(names))


def since_of(text: str, now: float) -> float:
    if not text:
        raise missing("changedSince")
    since = parse_time(text)
    if since is None:
        raise Fault(2060, "changedSince", f"Invalid date format. Supplied value:{text[:60]}")
    if now - since > LOOK_BACK:
        raise Fault(2190, "changedSince", "changedSince is more than 30 days in the past")
    return since


def run(company, names: list[str], since: float, settings: dict, now: float) -> bytes:
    """The CDCResponse array as JSON bytes."""
    left = settings["cdc_limit"]
    blocks = []
    for name in names:
        block, used = _block(company.tables[name], since, left, settings, now)
        blocks.append(block)
        if settings["cdc_cap"] == "total":
            left -= used
    return b'[{"QueryResponse":[%s]}]' % b",".join(blocks)


def _block(table, since: float, left: int, settings: dict, now: float) -> tuple[bytes, int]:
    if table.last_change < since or left <= 0:
        return b"{}", 0
    inclusive = settings["cdc_inclusive"]
    live = [r for r in table.by_created if r.updated > since or (inclusive and r.updated == since)]
    if settings["index_delay"]:
        live = [r for r in live if r.updated <= now - settings["index_delay"]]
    live.sort(key=lambda r: (r.updated, r.num))
    gone = sorted((when, int(id)) for id, when in table.deleted.items()
                  if (when > since or (inclusive and when == since)) and when <= now - settings["index_delay"])
    data = [r.data for r in live[:left]]
    count_live = len(data)
    data += [_stub(id, when) for when, id in gone[:left - count_live]]
    if not data:
        return b"{}", 0
    start = b'"startPosition":1,' if count_live else b""
    total = b',"totalCount":%d' % len(data) if len(data) > count_live else b""
    return b'{"%s":[%s],%s"maxResults":%d%s}' % (
        table.entity.name.encode(), b",".join(data), start, len(data), total), len(data)


def _stub(id: int, when: int) -> bytes:
    return ('{"domain":"QBO","status":"Deleted","Id":"%d","MetaData":{"LastUpdatedTime":"%s"}}'
            % (id, stamp(when))).encode()
