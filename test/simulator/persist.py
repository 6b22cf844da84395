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
    active INTEGER, name TEXT, ref TEXT, parent TEXT, raw INTEGER, data BLOB,
    PRIMARY KEY (realm, entity, id));
CREATE TABLE IF NOT EXISTS gone (realm TEXT, entity TEXT, id TEXT, at INTEGER, stub INTEGER,
    PRIMARY KEY (realm, entity, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (seq INTEGER PRIMARY KEY, entry TEXT);
CREATE TABLE IF NOT EXISTS version (seq INTEGER, entity TEXT, id TEXT, data BLOB);
CREATE TABLE IF NOT EXISTS answer (realm TEXT, requestid TEXT, bid TEXT, at REAL, digest TEXT, status INTEGER,
    body BLOB, PRIMARY KEY (realm, requestid, bid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT);
"""


class File:
    """The database, or nothing at all when no file was named."""

    def __init__(self, path: str | None) -> None:
        self.db = None
        self.grouped = False
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
        """Everything saved inside is one transaction, or none of it is."""
        if self.db is None or self.grouped:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        self.grouped = True
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        else:
            self.db.execute("COMMIT")
        finally:
            self.grouped = False

    def save(self, states: dict, records=(), gone=(), entry: dict | None = None, versions=(), replies=()) -> None:
        """One transaction; records and gone are (realm, entity, …) tuples, replies (key, Reply)."""
        if self.db is None:
            return
        with self.group():
            db = self.db
            if gone:
                db.executemany("DELETE FROM record WHERE realm = ? AND entity = ? AND id = ?",
                               [g[:3] for g in gone])
                db.executemany("INSERT OR REPLACE INTO gone VALUES (?, ?, ?, ?, ?)", gone)
            db.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                           [_row(*r) for r in records])
            db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)",
                           [(k, dumps(v)) for k, v in states.items()])
            if entry:
                db.execute("INSERT INTO ledger VALUES (?, ?)", (entry["seq"], dumps(entry)))
                db.executemany("INSERT INTO version VALUES (?, ?, ?, ?)", [(entry["seq"], *v) for v in versions])
            db.executemany("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)",
                           [(*key, *reply) for key, reply in replies])

    def load_company(self, company) -> None:
        rows = self.db.execute("SELECT entity, id, created, updated, active, name, ref, parent, raw, data "
                               "FROM record WHERE realm = ?", (company.realm,)).fetchall()
        found: dict[str, list] = {}
        for entity, id, created, updated, active, name, ref, parent, raw, data in rows:
            found.setdefault(entity, []).append(Record(id, created, updated, bytes(data), bool(active),
                                                       name, ref, parent, bool(raw)))
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
    return (realm, entity, r.id, r.created, r.updated, r.active, r.name, r.ref, r.parent, r.raw, r.data)
