"""The store: companies, tables, records, and the unit of work that changes them.

A record keeps its JSON text as the bytes that leave; the object is parsed from
them only when somebody needs it, so that 100,000 records stay small and a page
is a join of finished bytes.  Every change goes through a Change: it collects
copies, and commit() writes them to the file and to memory together, or not at
all.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right, insort
from operator import attrgetter

from clock import stamp
from entities import ENTITIES, Entity
from jsontext import copy, dumps, loads

HIDDEN = "_enhanced"            # see custom_fields.py
LONG = 5 * 10**18               # where the long ids start
_created = attrgetter("created")
_updated = attrgetter("updated")


class Record:
    """One object of a company."""

    __slots__ = ("id", "num", "created", "updated", "active", "name", "ref", "parent", "data",
                 "raw", "extra", "_obj")

    def __init__(self, id, created, updated, data, active=True, name="", ref="", parent="", raw=False, extra=b""):
        self.id, self.created, self.updated, self.data = id, created, updated, data
        self.num = int(id) if id.isdigit() else 0
        self.active = active            # false: hidden from queries unless asked for
        self.name = name                # what must be unique (folded)
        self.ref = ref                  # the customer of a transaction
        self.parent = parent
        self.raw = raw                  # planted text, emitted as it is
        self.extra = extra              # newer custom fields as a JSON list, for those who ask for them
        self._obj = None

    @property
    def obj(self) -> dict:
        """The parsed object, kept. Read only: changes go through Change."""
        if self._obj is None:
            self._obj = self.parse()
        return self._obj

    def parse(self) -> dict:
        if self._obj is not None:
            return self._obj
        try:
            value = loads(self.data)
        except (ValueError, ArithmeticError):
            value = None
        if not isinstance(value, dict):
            return {"Id": self.id, "SyncToken": "0"}
        return value | {HIDDEN: loads(self.extra)} if self.extra else value

    def text(self, enhanced: bool) -> bytes:
        """What leaves; enhanced: with the newer custom fields."""
        if not enhanced or not self.extra:
            return self.data
        obj = loads(self.data)
        return dumps(obj | {"CustomField": obj.get("CustomField", []) + loads(self.extra)}).encode()

    @property
    def order(self):
        return (self.created, self.num, self.id)


class Table:
    """All records of one entity in one company."""

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self.records: dict[str, Record] = {}
        self.by_created: list[Record] = []
        self.deleted: dict[str, int] = {}       # id -> time of deletion
        self.merged_away: dict[str, int] = {}   # gone without a trace in CDC
        self.last_change = 0
        self._views: dict = {}

    def put(self, record: Record) -> None:
        old = self.records.get(record.id)
        self.records[record.id] = record
        if old is None or old.order != record.order:
            if old is not None:
                self._unlist(old)
            if not self.by_created or self.by_created[-1].order <= record.order:
                self.by_created.append(record)
            else:
                insort(self.by_created, record, key=attrgetter("order"))
        else:
            self.by_created[self._position(old)] = record
        self.changed(record.updated)

    def bulk(self, records: list[Record]) -> None:
        """Many new records at once."""
        for record in records:
            self.records[record.id] = record
        self.by_created += records
        self.by_created.sort(key=attrgetter("order"))
        self.changed(max((r.updated for r in records), default=0))

    def remove(self, id: str) -> None:
        self._unlist(self.records.pop(id))
        self.changed(0)

    def changed(self, when: int) -> None:
        self.last_change = max(self.last_change, when)
        self._views.clear()

    def _position(self, record: Record) -> int:
        at = bisect_left(self.by_created, record.order, key=attrgetter("order"))
        while self.by_created[at].id != record.id:
            at += 1
        return at

    def _unlist(self, record: Record) -> None:
        del self.by_created[self._position(record)]

    def view(self, order: str, active: bool | None) -> list[Record]:
        """Records in order of "created" or "updated"; active None means all. Kept until a change."""
        key = (order, active)
        if key not in self._views:
            rows = self.by_created
            if active is not None:
                rows = [r for r in rows if r.active is active]
            if order == "updated":
                rows = sorted(rows, key=lambda r: (r.updated, r.num))
            self._views[key] = rows
        return self._views[key]

    @staticmethod
    def between(rows: list[Record], order: str, low, high) -> tuple[int, int]:
        """Positions of the rows with low <= time <= high (None: open) in an ordered view."""
        key = _created if order == "created" else _updated
        first = 0 if low is None else bisect_left(rows, low, key=key)
        last = len(rows) if high is None else bisect_right(rows, high, key=key)
        return first, max(first, last)


class Company:
    """One QuickBooks company (realm)."""

    def __init__(self, realm: str, name: str) -> None:
        self.realm, self.name = realm, name
        self.tables = {n: Table(e) for n, e in ENTITIES.items()}
        self.names: dict[tuple[str, str], tuple[str, str]] = {}     # (group, name) -> entity, id
        self.by_customer: dict[str, set[tuple[str, str]]] = {}
        self.children: dict[str, set[str]] = {}                     # customers under a customer
        self.losing: set[tuple[str, str]] = set()                   # merged away, gone soon
        self._numbers: dict[str, dict[str, set[str]]] = {}          # entity -> DocNumber -> ids
        self.folding = "case"                                       # how names are compared
        self.sequence: dict[str, int] = {}
        self.values: dict = {"doc_number": 1000, "tax_mode": "manual", "suspended": False}

    def next_id(self, entity: Entity) -> str:
        number = self.sequence[entity.family] = self.sequence.get(entity.family, 0) + 1
        return str(number + (LONG if entity.long_ids else 0))

    def fold(self, name: str) -> str:
        """The form in which names are compared (switch name_folding)."""
        folded = name.strip().casefold()
        if self.folding == "accents" and not folded.isascii():
            folded = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
        return folded

    def fold_anew(self, how: str) -> None:
        """Compare names in another way from now on."""
        self.folding = how
        self.names.clear()
        for entity, table in self.tables.items():
            group = ENTITIES[entity].unique
            for record in table.by_created if group else ():
                record.name = self.fold(name_of(group, record.parse()))
                self.names.setdefault((group, record.name), (entity, record.id))

    def record(self, entity: str, id: str) -> Record | None:
        return self.tables[entity].records.get(id)

    def single(self, entity: str) -> dict:
        return next(iter(self.tables[entity].records.values())).obj

    def preference(self, group: str, name: str, default=None):
        return self.single("Preferences").get(group, {}).get(name, default)

    def numbered(self, entity: str) -> dict[str, set[str]]:
        """Ids by document number; made when it is first asked for, kept from then on."""
        if entity not in self._numbers:
            index = self._numbers[entity] = {}
            for record in self.tables[entity].by_created:
                index.setdefault(record.parse().get("DocNumber", ""), set()).add(record.id)
        return self._numbers[entity]

    def put(self, entity: str, record: Record) -> None:
        self._unindex(entity, self.record(entity, record.id))
        self.tables[entity].put(record)
        self._index(entity, record)

    def bulk(self, entity: str, records: list[Record]) -> None:
        self.tables[entity].bulk(records)
        for record in records:
            self._index(entity, record)

    def _index(self, entity: str, record: Record) -> None:
        group = ENTITIES[entity].unique
        if group and record.name:
            self.names[(group, record.name)] = (entity, record.id)
        if record.ref:
            self.by_customer.setdefault(record.ref, set()).add((entity, record.id))
        if record.parent and entity == "Customer":
            self.children.setdefault(record.parent, set()).add(record.id)
        if entity in self._numbers:
            self._numbers[entity].setdefault(record.parse().get("DocNumber", ""), set()).add(record.id)
        family, number = ENTITIES[entity].family, record.num - (LONG if ENTITIES[entity].long_ids else 0)
        self.sequence[family] = max(self.sequence.get(family, 0), number if number < 10**12 else 0)

    def remove(self, entity: str, id: str) -> None:
        self._unindex(entity, self.record(entity, id))
        self.tables[entity].remove(id)

    def _unindex(self, entity: str, record: Record | None) -> None:
        if record is None:
            return
        if entity in self._numbers:
            self._numbers[entity].get(record.parse().get("DocNumber", ""), set()).discard(record.id)
        group = ENTITIES[entity].unique
        if group and self.names.get((group, record.name)) == (entity, record.id):
            del self.names[(group, record.name)]
        if record.ref:
            self.by_customer.get(record.ref, set()).discard((entity, record.id))
        if record.parent and entity == "Customer":
            self.children.get(record.parent, set()).discard(record.id)


def name_of(group: str, obj: dict) -> str:
    """The name that must be unique within the group."""
    return obj.get("Code") or obj.get("DisplayName") or obj.get("FullyQualifiedName") or obj.get("Name") or ""


def record_of(company: Company, entity: str, obj: dict, created: int, updated: int, style: str) -> Record:
    """A record for an object; its index values come from the object itself."""
    group = ENTITIES[entity].unique
    hidden = obj.get(HIDDEN)
    data = dumps({k: v for k, v in obj.items() if k != HIDDEN} if hidden is not None else obj, style).encode()
    record = Record(ENTITIES[entity].id_of(obj), created, updated, data, extra=dumps(hidden).encode() if hidden else b"",
                    active=obj.get("Active", True), name=company.fold(name_of(group, obj)) if group else "",
                    ref=obj.get("CustomerRef", {}).get("value", ""),
                    parent=obj["ParentRef"]["value"] if "ParentRef" in obj else "")
    record._obj = obj
    return record


class Change:
    """A unit of work in one company: all of it happens, or nothing."""

    def __init__(self, company: Company, now: float, settings: dict, source: str = "api") -> None:
        self.company, self.now, self.settings, self.source = company, now, settings, source
        self.pending: dict[tuple[str, str], dict] = {}
        self.fresh: set[tuple[str, str]] = set()
        self.bumped: set[tuple[str, str]] = set()
        self.touched: set[tuple[str, str]] = set()
        self.removed: dict[tuple[str, str], bool] = {}      # -> leaves a Deleted stub
        self.notes: list[dict] = []
        self.sent: set[str] = set()                         # members of the request that is worked on

    def get(self, entity: str, id: str) -> dict | None:
        """The object as it is in this change. Read only."""
        if (entity, id) in self.removed:
            return None
        if (entity, id) in self.pending:
            return self.pending[(entity, id)]
        record = self.company.record(entity, id)
        return record.obj if record else None

    def edit(self, entity: str, id: str, bump: bool = False, touch: bool = False) -> dict:
        """A copy to change; bump: new SyncToken and time; touch: new time only."""
        key = (entity, id)
        if key not in self.pending:
            self.pending[key] = copy(self.company.record(entity, id).obj)
        if bump:
            self.bumped.add(key)
        if touch:
            self.touched.add(key)
        return self.pending[key]

    def replace(self, entity: str, obj: dict) -> None:
        self.pending[(entity, ENTITIES[entity].id_of(obj))] = obj
        self.bumped.add((entity, ENTITIES[entity].id_of(obj)))

    def add(self, entity: str, obj: dict) -> dict:
        obj["Id"] = self.company.next_id(ENTITIES[entity])
        obj["SyncToken"] = "0"
        self.pending[(entity, obj["Id"])] = obj
        self.fresh.add((entity, obj["Id"]))
        return obj

    def remove(self, entity: str, id: str, stub: bool = True) -> None:
        self.pending.pop((entity, id), None)
        self.removed[(entity, id)] = stub

    def finish(self, key: tuple[str, str]) -> Record:
        """Token, times and text of one changed object."""
        entity, id = key
        obj, second = self.pending[key], int(self.now)
        old = self.company.record(entity, id)
        created, updated = (old.created, old.updated) if old else (second, second)
        if key in self.bumped and key not in self.fresh:
            obj["SyncToken"] = str(int(old.obj["SyncToken"]) + self.settings["token_step"])
        if key in self.bumped or key in self.touched or key in self.fresh:
            updated = second
        obj["MetaData"] = {"CreateTime": stamp(created), "LastUpdatedTime": stamp(updated)}
        return record_of(self.company, entity, obj, created, updated, self.settings["number_style"])

    def commit(self, sink) -> None:
        """Write to the file first (one transaction), then to memory."""
        records = [(key[0], self.finish(key)) for key in self.pending]
        second = int(self.now)
        sink(self, records, second)
        for (entity, id), stub in self.removed.items():
            self.company.remove(entity, id)
            table = self.company.tables[entity]
            (table.deleted if stub else table.merged_away)[id] = second
            if stub:
                table.changed(second)
        for entity, record in records:
            self.company.put(entity, record)
