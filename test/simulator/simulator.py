"""The simulator as a whole: companies, clock, settings, ledger, under one lock."""

from __future__ import annotations

import random
import threading

from clock import Clock, envelope_time, stamp
from faults import Faults
from limits import Limits
from oauth import OAuth
from persist import File
from replies import Replies, Reply
from store import Change, Company
from webhooks import Webhooks

# The switches (doc/simulator.md explains each).  Points that nobody outside
# Intuit can confirm are switches; defaults are the alternative that is harder
# for a client wherever both are equally plausible.
SETTINGS = {
    "limits": True, "requests_per_second": 10, "requests_per_minute": 500, "batches_per_minute": 40,
    "concurrent": 10, "limit_window": 60.0, "latency_ms": 0, "throttle_body": "gateway", "retry_after": None,
    "rotate_after": 86400, "refresh_grace": 0, "refresh_expires_in": 8726400,
    "second_consent_ends_first": True, "redirect_uris": [], "consent": "grant",
    "cdc_cap": "total", "cdc_limit": 1000, "cdc_inclusive": False, "shuffle_ties": False,
    "maxresults_over_1000": "refuse", "total_count": False, "projection": "sparse",
    "number_style": "documented", "rename_in_transactions": "keep", "customer_taxable": True,
    "inactive_read": "200", "status_610": 400, "merge_touches_transactions": True,
    "merge_delay": 86400, "merge_loser_in_cdc": True, "gzip": False,
    "inactive_update": "610", "duplicate_name_id": True, "name_folding": "case", "characters": "any",
    "phone_length": 30, "email_list_fault": "2210", "sparse_empty": "clear", "sparse_null": "ignore",
    "fault_elements": "named", "status_6190": 400, "deleted_suffix": " (deleted)", "voided_text": "Voided",
    "token_step": 1, "index_delay": 0, "requestid_life": 14400, "requestid_failed": "replay", "requestid_running": "600",
    "account_balances": "touch", "inactivation": "keep", "ast_override": "ignore",
    "batch_items": 30, "batch_order": "shuffled", "batch_options_data": "refuse", "batch_metered": "item",
}


class Simulator:
    def __init__(self, path: str | None, seed: int) -> None:
        self.lock = threading.RLock()
        self.seed = seed
        self.file = File(path)
        self.clock = Clock()
        self.settings = dict(SETTINGS)
        self.limits = Limits(self.settings)
        self.faults = Faults()
        self.companies: dict[str, Company] = {}
        self.oauth = OAuth(self)
        self.ledger: list[dict] = []
        self.versions: dict[int, list] = {}                 # seq -> (entity, id, text) of all it changed
        self.replies = Replies(self)
        self.random = random.Random(seed)
        self.merges: list[dict] = []                        # losers still to disappear
        self.base_url = ""
        self.webhooks = Webhooks(self)

    def load(self) -> None:
        """State of an earlier run. Settings of the command line are applied after this."""
        self.clock.load(self.file.state("clock"))
        self.settings.update(self.file.state("settings"))
        counters = self.file.state("stats") or {}
        self.replies.stats.update(counters.pop("requestid", {}))
        self.limits.load(counters)
        self.oauth.load(self.file.state("oauth"))
        self.merges = self.file.state("merges") or []
        for saved in self.file.state("companies"):
            company = Company(saved["realm"], saved["name"])
            company.folding = self.settings["name_folding"]
            company.losing = {(m["entity"], m["id"]) for m in self.merges if m["realm"] == company.realm}
            self.file.load_company(company)
            extra = self.file.state("company " + saved["realm"])
            company.sequence.update(extra["sequence"])
            company.values.update(extra["values"])
            self.companies[company.realm] = company
        self.ledger, self.versions = self.file.ledger(), self.file.versions()
        self.replies.kept = self.file.replies()

    def save_all(self) -> None:
        """The first save: everything, after generation."""
        records = [(c.realm, name, r) for c in self.companies.values()
                   for name, table in c.tables.items() for r in table.by_created]
        states = {"companies": [{"realm": c.realm, "name": c.name} for c in self.companies.values()],
                  "settings": self.settings, "oauth": self.oauth.state()}
        for company in self.companies.values():
            states |= self.company_state(company)
        gone = [(c.realm, name, id, at, stub) for c in self.companies.values()
                for name, table in c.tables.items()
                for held, stub in ((table.deleted, True), (table.merged_away, False))
                for id, at in held.items()]
        self.file.save(states | self._small_state(), records, gone)

    def save_settings(self) -> None:
        self.file.save({"settings": self.settings} | self._small_state())

    def _small_state(self) -> dict:
        return {"clock": self.clock.state(), "stats": self.report(), "merges": self.merges}

    @staticmethod
    def company_state(company: Company) -> dict:
        return {"company " + company.realm: {"sequence": company.sequence, "values": company.values}}

    # -- writes ----------------------------------------------------------

    def change(self, company: Company, source: str) -> Change:
        return Change(company, self.clock.now(), self.settings, source)

    def commit(self, change: Change, operation: str, entity: str, id: str, answer=None, key=None,
               digest: str = "") -> bytes | None:
        """Keep a change: file, memory, ledger. answer() gives the bytes that leave, remembered under key."""
        kept = {}

        def sink(change, records, second):
            realm = change.company.realm
            kept["answer"] = answer(records) if answer else None
            main = next((r for e, r in records if r.id == id and e == entity), None)
            effects = []
            if len(records) + len(change.removed) > 1:
                effects = sorted([e, i] for e, i in {*change.pending, *change.removed} if (e, i) != (entity, id))
            entry = {"seq": len(self.ledger) + 1, "time": envelope_time(change.now), "realm": realm,
                     "source": change.source, "operation": operation, "entity": entity, "id": id,
                     "sync_token": main.obj["SyncToken"] if main else None,
                     "last_updated": stamp(main.updated) if main else None,
                     "requestid": key[1] if key else None, "bid": key[2] or None if key else None,
                     "effects": effects}
            versions = [(e, r.id, r.data) for e, r in records]
            reply = Reply(self.clock.now(), digest, 200, kept["answer"]) if key else None
            if self.file.db is not None:
                self.file.save({} if self.file.grouped else self.states_after_write(change.company),
                               [(realm, e, r) for e, r in records],
                               [(realm, e, i, second, stub) for (e, i), stub in change.removed.items()],
                               entry, versions, [(key, reply)] if key else ())
            self.ledger.append(entry)
            self.versions[entry["seq"]] = versions
            self.webhooks.changed(change, entry)
            for note in change.notes:
                self.limits.stats["masks_sent_back"] += "masked" in note
            if key:
                self.replies.keep(key, reply)

        change.commit(sink)
        return kept["answer"]

    def states_after_write(self, company: Company) -> dict:
        return self.company_state(company) | {"merges": self.merges}

    def report(self) -> dict:
        """All counters."""
        return self.limits.report() | {"requestid": dict(self.replies.stats)}

    def finish_merges(self) -> None:
        """Remove losers of merges whose time has come."""
        now = self.clock.now()
        for merge in [m for m in self.merges if m["at"] <= now]:
            self.merges.remove(merge)
            company = self.companies[merge["realm"]]
            company.losing.discard((merge["entity"], merge["id"]))
            if company.record(merge["entity"], merge["id"]):
                change = self.change(company, "merge")
                change.remove(merge["entity"], merge["id"], stub=False)
                self.commit(change, "merged away", merge["entity"], merge["id"])
