"""The data file: everything the simulator knows, in one SQLite database.

Memory is what answers; the file is written through, one transaction per
accepted write or token change, before the answer leaves.  So the process can be
killed at any moment and started again on the same file.  The writes of a batch
share one transaction: its answer leaves when all of them are in the file.
Statistics are saved after a second at most.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3

from jsontext import dumps
from replies import Reply
from store import Record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (realm TEXT, entity TEXT, id TEXT, created INTEGER, updated INTEGER,
    active INTEGER, name TEXT, ref TEXT, parent TEXT, raw INTEGER, data BLOB, extra BLOB,
    PRIMARY KEY (realm, entity, id));
CREATE TABLE IF NOT EXISTS gone (realm TEXT, entity TEXT, id TEXT, at INTEGER, stub INTEGER,
    PRIMARY KEY (realm, entity, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (seq INTEGER PRIMARY KEY, entry TEXT);
CREATE TABLE IF NOT EXISTS version (seq INTEGER, entity TEXT, id TEXT, data BLOB);
CREATE TABLE IF NOT EXISTS answer (realm TEXT, requestid TEXT, bid TEXT, at REAL, digest TEXT, status INTEGER,
    body BLOB, PRIMARY KEY (realm, requestid, bid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT);
"""


# What a transaction writes, in this order: a record that is gone is not written again.
_STATEMENTS = {
    "forget": "DELETE FROM record WHERE realm = ? AND entity = ? AND id = ?",
    "gone": "INSERT OR REPLACE INTO gone VALUES (?, ?, ?, ?, ?)",
    "record": "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "state": "INSERT OR REPLACE INTO state VALUES (?, ?)",
    "ledger": "INSERT INTO ledger VALUES (?, ?)",
    "version": "INSERT INTO version VALUES (?, ?, ?, ?)",
    "answer": "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)"}


def _empty() -> dict[str, dict]:
    return {name: {} for name in _STATEMENTS}


class File:
    """The database, or nothing at all when no file was named."""

    def __init__(self, path: str | None) -> None:
        self.db = None
        self.grouped = False
        self._rows = _empty()           # what the open group will write: by statement, by key
        if path:
            self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            self.db.executescript(_SCHEMA)

    @property
    def filled(self) -> bool:
        return self.db is not None and self.state("companies") is not None

    def state(self, key: str):
        if self.db is None:
            return None
        row = self.db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    @contextlib.contextmanager
    def group(self):
        """Everything saved inside is one transaction, written at the end, or none of it is."""
        if self.db is None or self.grouped:
            yield
            return
        self.grouped = True
        try:
            yield
            self._write()
        finally:
            self.grouped = False
            self._rows = _empty()

    def save(self, states: dict, records=(), gone=(), entry: dict | None = None, versions=(), replies=()) -> None:
        """One transaction; records and gone are (realm, entity, …) tuples, replies (key, Reply)."""
        if self.db is None:
            return
        with self.group():
            rows = self._rows
            for realm, entity, record in records:
                rows["record"][(realm, entity, record.id)] = _row(realm, entity, record)
            for line in gone:
                rows["record"].pop(line[:3], None)
                rows["forget"][line[:3]] = line[:3]
                rows["gone"][line[:3]] = line
            rows["state"].update((k, (k, dumps(v))) for k, v in states.items())
            if entry:
                rows["ledger"][entry["seq"]] = (entry["seq"], dumps(entry))
                rows["version"].update(((entry["seq"], *v[:2]), (entry["seq"], *v)) for v in versions)
            rows["answer"].update((key, (*key, *reply)) for key, reply in replies)

    def _write(self) -> None:
        db = self.db
        db.execute("BEGIN IMMEDIATE")
        try:
            for name, statement in _STATEMENTS.items():
                if self._rows[name]:
                    db.executemany(statement, self._rows[name].values())
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise

    def load_company(self, company) -> None:
        rows = self.db.execute("SELECT entity, id, created, updated, active, name, ref, parent, raw, data, extra "
                               "FROM record WHERE realm = ?", (company.realm,)).fetchall()
        found: dict[str, list] = {}
        for entity, id, created, updated, active, name, ref, parent, raw, data, extra in rows:
            found.setdefault(entity, []).append(Record(id, created, updated, bytes(data), bool(active),
                                                       name, ref, parent, bool(raw), bytes(extra)))
        for entity, records in found.items():
            company.bulk(entity, records)
        for entity, id, at, stub in self.db.execute(
                "SELECT entity, id, at, stub FROM gone WHERE realm = ?", (company.realm,)):
            table = company.tables[entity]
            (table.deleted if stub else table.merged_away)[id] = at
            if stub:
                table.changed(at)

    def ledger(self) -> list[dict]:
        return [json.loads(r[0]) for r in self.db.execute("SELECT entry FROM ledger ORDER BY seq")]

    def versions(self) -> dict[int, list]:
        found: dict[int, list] = {}
        for seq, entity, id, data in self.db.execute("SELECT seq, entity, id, data FROM version ORDER BY rowid"):
            found.setdefault(seq, []).append((entity, id, bytes(data)))
        return found

    def replies(self) -> dict:
        return {(realm, request, bid): Reply(at, digest, status, bytes(body)) for
                realm, request, bid, at, digest, status, body in self.db.execute("SELECT * FROM answer")}


def _row(realm: str, entity: str, r: Record) -> tuple:
    return (realm, entity, r.id, r.created, r.updated, r.active, r.name, r.ref, r.parent, r.raw, r.data,
            r.extra)
