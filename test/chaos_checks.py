"""What must hold when test/chaos has settled: told from the simulator's file and the CRM's own book, by qbsync only as far as it
has to explain what differs."""

import collections
import json
import os
import re
import sqlite3

# Columns of the CRM: the unit they are merged in, and where QuickBooks has them.
FIELDS = {
    "name": ("display_name", lambda o: re.sub(r" \(deleted( \d+)?\)$", "", o["DisplayName"]) if not o["Active"] else o["DisplayName"]),
    "email": ("emails", lambda o: ((o.get("PrimaryEmailAddr") or {}).get("Address") or "").split(",")[0].strip()),
    "phone": ("primary_phone", lambda o: (o.get("PrimaryPhone") or {}).get("FreeFormNumber")),
    "street": ("bill_addr", lambda o: (o.get("BillAddr") or {}).get("Line1")),
    "city": ("bill_addr", lambda o: (o.get("BillAddr") or {}).get("City")),
    "notes": ("notes", lambda o: o.get("Notes")),
    "marker": ("fax", lambda o: (o.get("Fax") or {}).get("FreeFormNumber")),
}
SHOWN = 5               # of each kind of trouble


class QuickBooks:
    """The simulator's file: every accepted write, and every state of every customer."""

    def __init__(self, path):
        file = sqlite3.connect(path)
        self.ledger = [json.loads(e) for (e,) in file.execute("SELECT entry FROM ledger ORDER BY seq")]
        entries = {e["seq"]: e for e in self.ledger}
        self.customers = {i: json.loads(d) for i, d in file.execute("SELECT id, data FROM record WHERE entity = 'Customer'")}
        self.ever = {column: set() for column in FIELDS}        # every value that was ever there
        self.inactive = set()           # customers that were inactive at some time
        self.writes = []                # (ledger entry, state before, state after), of customers written through the API
        before = {}
        for seq, id, data in file.execute("SELECT seq, id, data FROM version WHERE entity = 'Customer' ORDER BY seq, rowid"):
            state = json.loads(data)
            for column, (_, value_of) in FIELDS.items():
                self.ever[column].add(value_of(state) or None)
            if not state["Active"]:
                self.inactive.add(state["Id"])
            if entries[seq]["source"] == "api" and entries[seq]["id"] == id:
                self.writes.append((entries[seq], before.get(id), state))
            before[id] = state

    def made(self):
        """Customers made through the API: id and first state."""
        return {after["Id"]: after for entry, before, after in self.writes if entry["operation"] == "create"}


class Database:
    """The CRM, its book, and what qbsync says."""

    def __init__(self, server):
        self.server = server
        self.rows = {t: {r["nr"]: r for r in self.all(f'SELECT nr::text, name, email, phone, street, city, notes, marker FROM crm.{t}')}
                     for t in ("contact", "lead")}
        self.asked = {r["nr"] for r in self.all("SELECT DISTINCT nr::text FROM crm.asked")}
        # a record may have had many keys, and no key is given twice: here records are known by their number
        self.number = {(r["table"], r["id"]): r["nr"] for r in self.all('SELECT "table", id, nr FROM crm.known')}
        self.book = self.all('SELECT "table", key, op, col, value, by_worker FROM crm.book ORDER BY seq')
        self.written = {(r["table"], r["key"], r["col"], r["value"]) for r in self.book}
        self.links = self.numbered("SELECT m.name AS mapping, l.crm_key, l.id, l.state, l.origin FROM qbsync.link l JOIN qbsync.mapping m USING (mapping_id)")
        self.conflicts = {(r["mapping"], r["id"], r["unit"]) for r in self.all("SELECT mapping, id, unit FROM qbsync.conflict_open")}
        self.errors = {}
        for r in self.numbered("SELECT mapping, crm_key, id, problem, code, detail FROM qbsync.error_open WHERE mapping IS NOT NULL"):
            self.errors[r["mapping"], "key", r["crm_key"]] = self.errors[r["mapping"], "id", r["id"]] = r
        self.candidates = {(r["mapping"], r["crm_key"]) for r in self.numbered("SELECT mapping, crm_key FROM qbsync.duplicate")}

    def all(self, query):
        return json.loads(self.server.sql(f"SELECT coalesce(jsonb_agg(to_jsonb(q)), '[]') FROM ({query}) q"))

    def numbered(self, query):
        """Rows of a query with the record's number as crm_key; one of no record has it as it is."""
        return [r | {"crm_key": self.number.get((r["mapping"], r["crm_key"]), r["crm_key"])} for r in self.all(query)]

    def error_of(self, mapping, crm_key, id):
        return self.errors.get((mapping, "key", crm_key)) or self.errors.get((mapping, "id", id))


def marked(state):
    """The CRM record that a customer was made of, whoever is linked with it now."""
    mark = FIELDS["marker"][1](state) or ""
    return [({"C": "contact", "L": "lead"}[mark[0]], mark[1:])] if mark[:1] in ("C", "L") else []


def own_mark(table, key):
    return table[0].upper() + key


def check_made_once(quickbooks, database):
    """No two customers of one CRM record, none of a record that was rolled back."""
    marks = collections.Counter(FIELDS["marker"][1](state) for state in quickbooks.made().values())
    twice = [f"{mark}: {n} customers" for mark, n in marks.items() if n > 1]
    ghosts = []
    for mark in marks:
        table = {"C": "contact", "L": "lead"}.get((mark or "?")[0])
        if table is None or (table, mark[1:], "marker", mark) not in database.written:
            ghosts.append(f"a customer with mark {mark}")
    return twice, ghosts


def check_lost(quickbooks, database, explained):
    """Every record that is wanted is a customer and linked with it, or it is said why not."""
    made = {FIELDS["marker"][1](state): id for id, state in quickbooks.made().items()}
    linked = {(l["mapping"], l["crm_key"]): l["id"] for l in database.links if l["state"] != "alias"}
    intended, lost = 0, []
    for table, rows in database.rows.items():
        for key, row in rows.items():
            if row["marker"] != own_mark(table, key) or table == "lead" and key not in database.asked:
                continue
            intended += 1
            error = database.error_of(table, key, None)
            if (table, key) in linked:
                if row["marker"] in made and linked[table, key] != made[row["marker"]]:
                    lost.append(f"{row['marker']} is customer {made[row['marker']]} and linked with {linked[table, key]}")
            elif error or (table, key) in database.candidates:
                explained[f"not sent: {error['problem'] if error else 'may exist'}"] += 1
            else:
                lost.append(f"{row['marker']} ({row['name']}) is {'customer ' + made[row['marker']] if row['marker'] in made else 'no customer'}, not linked")
    return intended, lost


def check_values(quickbooks, database):
    """Whatever was sent was committed in the CRM, in the record it was sent for."""
    owners = {(l["id"]): [] for l in database.links}
    for l in database.links:
        owners[l["id"]].append((l["mapping"], l["crm_key"]))
    wrong = []
    for entry, before, after in quickbooks.writes:
        for column, (unit, value_of) in FIELDS.items():
            value = value_of(after) or None
            if value is None or before is not None and value == (value_of(before) or None):
                continue
            if value.startswith("RB"):
                wrong.append(f"customer {after['Id']}: {value} was rolled back and sent ({entry['operation']} {entry['seq']})")
            elif after["Id"] in owners and not any((t, k, column, value) in database.written for t, k in owners[after["Id"]] + marked(after)):
                wrong.append(f"customer {after['Id']}: {value} was sent ({entry['operation']} {entry['seq']}) and never committed")
    return wrong


def check_seen(quickbooks, database, authority):
    """Nobody's value was overwritten that the other side had not had, unless the policy has his side give way."""
    wrong = []
    owners = collections.defaultdict(list)
    for l in database.links:
        owners[l["id"]].append((l["mapping"], l["crm_key"]))
    for entry, before, after in quickbooks.writes if authority in ("three_way", "qbo", "manual") else ():
        for column, (_, value_of) in FIELDS.items() if before else ():
            value = value_of(before) or None
            if value not in (None, value_of(after) or None) and after["Id"] in owners \
                    and not any((t, k, column, value) in database.written for t, k in owners[after["Id"]]):
                wrong.append(f"customer {after['Id']}: {column} {value} of QuickBooks became {value_of(after)} ({entry['seq']}), and the CRM never had it")
    last = {}
    for r in database.book if authority in ("three_way", "crm", "manual") else ():
        place = r["table"], r["key"], r["col"]
        if r["op"] == "UPDATE" and r["by_worker"] and r["col"] in FIELDS and place in last and not last[place]["by_worker"] \
                and last[place]["value"] and last[place]["value"] not in quickbooks.ever[r["col"]]:
            wrong.append(f"{r['table']} {r['key']}: {r['col']} {last[place]['value']} of the CRM became {r['value']}, and QuickBooks never had it")
        last[place] = r
    return wrong


def check_decided(database, authority):
    """Where one side wins, nothing waits for a person; which is newest is not known, since the CRM has no times of changes."""
    return [] if authority not in ("crm", "qbo") else [f"{m}, customer {id}: {unit} is in conflict" for m, id, unit in sorted(database.conflicts)]


def check_deleted(quickbooks, database, on_crm_delete, explained):
    """What was deleted in the CRM is inactive by policy deactivate, and left alone by tombstone."""
    if on_crm_delete == "tombstone":
        return [f"customer {after['Id']} was made inactive ({entry['seq']})" for entry, before, after in quickbooks.writes
                if before and before["Active"] and not after["Active"]]
    wrong = []
    for l in database.links:
        if l["state"] == "alias" or l["crm_key"] in database.rows[l["mapping"]] or l["id"] not in quickbooks.customers:
            continue
        error = database.error_of(l["mapping"], l["crm_key"], l["id"])
        if l["id"] in quickbooks.inactive:
            explained["deleted, inactive"] += 1
        elif error:
            explained[f"deleted: {error['problem']}"] += 1
        else:
            wrong.append(f"{l['mapping']} {l['crm_key']} was deleted, and customer {l['id']} is active (link {l['state']})")
    return wrong


def check_agreement(quickbooks, database, explained):
    """Both sides show the same in each field of linked records, or it is said why not."""
    wrong = []
    for l in database.links:
        row, theirs = database.rows[l["mapping"]].get(l["crm_key"]), quickbooks.customers.get(l["id"])
        if l["state"] != "linked":
            explained[f"link {l['state']}"] += 1
            continue
        if row is None or theirs is None:
            wrong.append(f"{l['mapping']} {l['crm_key']} is linked with {l['id']}: {'no such record' if row is None else 'no such customer'}")
            continue
        for column, (unit, value_of) in FIELDS.items():
            ours, value = row[column] or None, value_of(theirs) or None
            if ours == value:
                continue
            error = database.error_of(l["mapping"], l["crm_key"], l["id"])
            if (l["mapping"], l["id"], unit) in database.conflicts:
                explained["differs: conflict"] += 1
            elif error:
                explained[f"differs: {error['problem']}{'' if theirs['Active'] else ', inactive'}"] += 1
            elif column == "marker" and ours is None and value is None:
                continue
            else:
                wrong.append(f"{l['mapping']} {l['crm_key']}, customer {l['id']}{'' if theirs['Active'] else ' (inactive)'}, {column}: CRM {ours}, QuickBooks {value}")
    return wrong


def check_rest(database):
    """Nothing is under way, and nothing waits that does not say for what."""
    counts = database.all("""
        SELECT 'captures' AS what, count(*) AS n FROM qbsync.capture
        UNION ALL SELECT 'arrivals', count(*) FROM qbsync.arrival
        UNION ALL SELECT 'requests ' || state, count(*) FROM qbsync.request WHERE state <> 'refused' GROUP BY state
        UNION ALL SELECT 'refused requests without an error', count(*) FROM qbsync.request r
            WHERE r.state = 'refused' AND NOT EXISTS (SELECT FROM qbsync.send_error e WHERE (e.mapping_id, e.crm_key) = (r.mapping_id, r.crm_key))
        UNION ALL SELECT 'records that wait without an error', count(*) FROM qbsync.outgoing o
            WHERE NOT EXISTS (SELECT FROM qbsync.send_error e WHERE (e.mapping_id, e.crm_key) = (o.mapping_id, o.crm_key))
        UNION ALL SELECT 'errors that are due', count(*) FROM qbsync.send_error WHERE next_attempt_at <= now()
        UNION ALL SELECT 'look-ups', count(*) FROM qbsync.lookup
        UNION ALL SELECT 'mappings with problem ' || problem, count(*) FROM qbsync.mapping WHERE problem IS NOT NULL GROUP BY problem""")
    return [f"{r['n']} {r['what']}" for r in counts if r["n"]]


def check_mirror(quickbooks, database):
    mirror = {r["id"]: r["raw"] for r in database.all("SELECT id, raw FROM qbsync.customer WHERE deleted_at IS NULL")}
    return [f"customer {id}: the mirror has {'nothing' if id not in mirror else 'another version'}"
            for id, o in quickbooks.customers.items() if mirror.get(id) != o] + [f"customer {id} is in the mirror alone" for id in mirror if id not in quickbooks.customers]


def check_quiet(chaos, sent):
    """Looked at once more nothing follows; no session lost a deadlock; the server's log has nothing worse than what was done to it."""
    wrong = []
    chaos.server.sql("UPDATE qbsync.mapping SET sweep_after = ''; SELECT qbsync.wake()")
    chaos.wait_idle()
    more = chaos.simulator.control("GET", "ledger?after=999999999")["last"] - sent
    if more:
        wrong.append(f"{more} more writes after everything was settled")
    for name in sorted(os.listdir(chaos.directory.path)):
        if not name.startswith("session-") and name != "log":
            continue
        with open(os.path.join(chaos.directory.path, name), encoding="utf-8", errors="replace") as file:
            for line in file:
                if re.search(r"deadlock|PANIC|TRAP:|signal 11|signal 6|invalid memory|cache lookup|server log: qbsync could not", line):
                    wrong.append(f"{name}: {line.strip()}")
    return wrong


def check(chaos):
    """All of it; prints one line for each and returns how many are wrong."""
    quickbooks = QuickBooks(os.path.join(chaos.directory.path, "simulator.db"))
    database = Database(chaos.server)
    stats = chaos.simulator.control("GET", "stats")
    explained = collections.Counter()
    twice, ghosts = check_made_once(quickbooks, database)
    intended, lost = check_lost(quickbooks, database, explained)
    results = [
        ("no CRM record is two customers", twice), ("no customer is of a record that was rolled back", ghosts),
        ("every record that is wanted is there once and linked, or it is said why not", lost),
        ("nothing was sent that was not committed", check_values(quickbooks, database)),
        ("both sides agree, or it is said why not", check_agreement(quickbooks, database, explained)),
        ("no value was overwritten unseen", check_seen(quickbooks, database, chaos.policies["authority"])),
        ("what the policy decides waits for nobody", check_decided(database, chaos.policies["authority"])),
        ("deletions are as the policy says", check_deleted(quickbooks, database, chaos.policies["on_crm_delete"], explained)),
        ("everything came to its end in time", chaos.late),
        ("nothing is pending", check_rest(database)),
        ("the mirror is what QuickBooks has", check_mirror(quickbooks, database)),
        ("it stays like that", check_quiet(chaos, len(quickbooks.ledger))),
        ("QuickBooks knew each repetition again", [f"{n} with another body" for n in [stats["requestid"].get("replayed_other_body", 0)] if n]),
        ("what was too old was read back", ["nothing was"] if chaos.happened["creations too old to be repeated"] and not chaos.read_back else []),
        ("never more than ten at a time", [f"{n} at once" for n in stats["max_concurrent"].values() if n > 10]),
    ]
    creates = sum(entry["operation"] == "create" for entry, _, _ in quickbooks.writes)
    print("explained: " + ", ".join(f"{n} × {what}" for what, n in sorted(explained.items())))
    print(f"intended {intended}, sent {len(quickbooks.writes)} ({creates} creates, {len(quickbooks.writes) - creates} updates), "
          f"replayed {stats['requestid'].get('replayed', 0)}, read back {chaos.read_back}, duplicates {len(twice)}, lost {len(lost)}")
    for what, wrong in results:
        print(f"{'wrong' if wrong else 'ok'}: {what}")
        for line in wrong[:SHOWN]:
            print(f"    {line}")
        if len(wrong) > SHOWN:
            print(f"    and {len(wrong) - SHOWN} more")
    return sum(1 for _, wrong in results if wrong)
