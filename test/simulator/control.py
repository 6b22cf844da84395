"""The control API under /control/: for tests. Off unless asked for with --control.

Everything is JSON; doc/simulator.md lists the paths with examples.
"""

from __future__ import annotations

import traceback

import acts
import chaos
from api import Answer, Request
from clock import envelope_time, parse_time, stamp
from entities import ENTITIES
from errors import Fault
from jsontext import dumps, loads
from simulator import SETTINGS
from store import Record


class Refused(Exception):
    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Control:
    def __init__(self, sim) -> None:
        self.sim = sim
        self.paths = {
            ("GET", "info"): self.info, ("GET", "store"): self.store, ("GET", "ledger"): self.ledger,
            ("GET", "versions"): self.versions,
            ("GET", "stats"): self.stats, ("POST", "stats"): self.reset_stats,
            ("POST", "act"): self.act, ("POST", "random"): self.random, ("POST", "raw"): self.raw,
            ("GET", "clock"): self.clock, ("POST", "clock"): self.clock,
            ("GET", "settings"): self.settings, ("POST", "settings"): self.settings,
            ("GET", "faults"): self.list_faults, ("POST", "faults"): self.add_faults,
            ("DELETE", "faults"): self.clear_faults, ("POST", "release"): self.release,
            ("GET", "webhooks"): self.webhooks, ("POST", "webhooks"): self.webhooks,
            ("GET", "tokens"): self.tokens, ("POST", "grant"): self.grant}

    def handle(self, request: Request) -> Answer:
        function = self.paths.get((request.method, request.path[len("/control/"):].rstrip("/")))
        try:
            if function is None:
                raise Refused("no such control path", 404)
            body = loads(request.body) if request.body.strip() else {}
            with self.sim.lock:
                self.sim.finish_merges()
                result = function(request.parameters, body)
        except Fault as fault:
            return _json(fault.body(envelope_time(self.sim.clock.now())), fault.status)
        except (Refused, acts.ActError, ValueError, KeyError, TypeError) as error:
            return _json({"error": str(error) or type(error).__name__}, getattr(error, "status", 400))
        except Exception as error:          # a hole in the simulator: say so, keep serving
            traceback.print_exc()
            return _json({"error": f"{type(error).__name__}: {error}"}, 500)
        return result if isinstance(result, Answer) else _json(result)

    # -- looking ---------------------------------------------------------

    def info(self, asked, body):
        sim = self.sim
        return {"base_url": sim.base_url, "client_id": sim.oauth.client_id,
                "client_secret": sim.oauth.client_secret, "companies": companies(sim),
                "time": envelope_time(sim.clock.now())}

    def _company(self, asked: dict):
        realm = asked.get("realm") or next(iter(self.sim.companies))
        if realm not in self.sim.companies:
            raise Refused(f"unknown realm {realm}", 404)
        return self.sim.companies[realm]

    def store(self, asked, body):
        """Every object as the API would answer it now; without entity: numbers of all."""
        company = self._company(asked)
        if "entity" not in asked:
            return {name: {"count": len(t.records), "deleted": len(t.deleted)}
                    for name, t in company.tables.items()}
        if asked["entity"] not in company.tables:
            raise Refused(f"unknown entity {asked['entity']}", 404)
        table = company.tables[asked["entity"]]
        deleted = {i: stamp(t) for i, t in table.deleted.items()}
        merged = {i: stamp(t) for i, t in table.merged_away.items()}
        return Answer(200, b'{"objects":[%s],"deleted":%s,"merged_away":%s}' % (
            b",".join([r.data for r in table.by_created]), dumps(deleted).encode(), dumps(merged).encode()),
            "application/json")

    def ledger(self, asked, body):
        start = int(asked.get("after", 0))
        entries = [e for e in self.sim.ledger[start:] if asked.get("realm") in (None, e["realm"])]
        return {"entries": entries, "last": len(self.sim.ledger)}

    def versions(self, asked, body):
        """Every state one object had, oldest first, with the write that made it."""
        company, sim, found = self._company(asked), self.sim, []
        wanted = (asked.get("entity"), asked.get("id"))
        for entry in sim.ledger:
            if entry["realm"] != company.realm:
                continue
            for entity, id, data in sim.versions.get(entry["seq"], ()):
                if (entity, id) == wanted:
                    head = {k: entry[k] for k in ("seq", "time", "source", "operation", "requestid", "bid")}
                    found.append(b'%s,"object":%s}' % (dumps(head).encode()[:-1], data))
        return Answer(200, b'{"versions":[%s]}' % b",".join(found), "application/json")

    def stats(self, asked, body):
        return self.sim.report() | {
            "running": {r: m.running for r, m in self.sim.limits.meters.items()},
            "writes": len(self.sim.ledger)}

    def reset_stats(self, asked, body):
        self.sim.limits.reset()
        return {"reset": True}

    def tokens(self, asked, body):
        return {"grants": list(self.sim.oauth.grants.values()), "access_tokens": len(self.sim.oauth.access),
                "issued": self.sim.oauth.issued}

    # -- doing -----------------------------------------------------------

    def act(self, asked, body):
        if "acts" in body:
            return {"results": [acts.act(self.sim, a) for a in body["acts"]]}
        return acts.act(self.sim, body)

    def random(self, asked, body):
        return chaos.run(self.sim, self._company(body), body.get("seed", 1), body.get("n", 10),
                         body.get("only"))

    def grant(self, asked, body):
        """A fresh consent without a browser."""
        company = self._company(body)
        grant = self.sim.oauth.new_grant(company.realm, body.get("scope", "com.intuit.quickbooks.accounting"))
        self.sim.oauth.save()
        return {"realm_id": company.realm, "refresh_token": grant["token"]}

    def raw(self, asked, body):
        """Plant a record whose exact text leaves in queries, reads and CDC."""
        company, entity = self._company(body), body.get("entity")
        if entity not in ENTITIES:
            raise Refused(f"unknown entity {entity}")
        now = int(self.sim.clock.now())
        id, text = str(body.get("id") or company.next_id(ENTITIES[entity])), body["json"]
        data = text.encode("utf-8", "surrogatepass")
        if "hex" in body:
            data = bytes.fromhex(body["hex"])
        data = data.replace(b"{{id}}", id.encode()).replace(b"{{now}}", stamp(now).encode())
        old = company.record(entity, id)
        record = Record(id, old.created if old else now, now, data, active=body.get("active", True), raw=True)
        company.put(entity, record)
        self.sim.file.save(self.sim.company_state(company), [(company.realm, entity, record)])
        return {"id": id, "time": stamp(now)}

    def clock(self, asked, body):
        clock = self.sim.clock
        if "set" in body:
            moment = parse_time(body["set"]) if isinstance(body["set"], str) else float(body["set"])
            if moment is None:
                raise Refused("set: not a time")
            clock.set(moment)
        if "offset" in body:
            clock.freeze(False)
            clock.offset = float(body["offset"])
        if "advance" in body:
            clock.advance(float(body["advance"]))
        if "freeze" in body:
            clock.freeze(bool(body["freeze"]))
        self.sim.save_settings()
        return {"now": clock.now(), "time": envelope_time(clock.now()), "offset": clock.offset,
                "frozen": clock.frozen is not None}

    def settings(self, asked, body):
        for name, value in body.items():
            check_setting(name, value)
        style = body.get("number_style", self.sim.settings["number_style"])
        restyle = style != self.sim.settings["number_style"]
        self.sim.settings.update({k: float(v) if k == "limit_window" else v for k, v in body.items()})
        if restyle:
            self._restyle(style)
        for company in self.sim.companies.values():
            if company.folding != self.sim.settings["name_folding"]:
                company.fold_anew(self.sim.settings["name_folding"])
        if body:
            self.sim.save_settings()
        return self.sim.settings

    def _restyle(self, style: str) -> None:
        for company in self.sim.companies.values():
            for table in company.tables.values():
                for record in table.by_created:
                    if not record.raw:
                        record.data = dumps(record.parse(), style).encode()
        self.sim.save_all()

    def webhooks(self, asked, body):
        """Set some settings; all of them, with what was delivered."""
        self.sim.webhooks.configure(body)
        return self.sim.webhooks.report(int(asked.get("after", 0)))

    # -- faults ----------------------------------------------------------

    def list_faults(self, asked, body):
        return {"rules": [r.report() for r in self.sim.faults.rules]}

    def add_faults(self, asked, body):
        specs = body["rules"] if "rules" in body else [body]
        return {"rules": [self.sim.faults.add(s).report() for s in specs]}

    def clear_faults(self, asked, body):
        return {"cleared": self.sim.faults.clear(int(asked["id"]) if "id" in asked else None)}

    def release(self, asked, body):
        self.sim.faults.release()
        return {"released": True}


_CHOICES = {"cdc_cap": ("total", "per_entity"), "throttle_body": ("gateway", "fault", "empty"),
            "maxresults_over_1000": ("refuse", "cut"), "projection": ("sparse", "full"),
            "number_style": ("documented", "short", "java"), "inactive_read": ("200", "610"),
            "rename_in_transactions": ("keep", "silent", "touch"), "status_610": (400, 404, 200),
            "requestid_failed": ("replay", "execute"), "requestid_running": ("600", "wait"),
            "batch_order": ("shuffled", "kept"), "batch_options_data": ("refuse", "honour"),
            "batch_metered": ("item", "call"), "inactive_update": ("610", "200"),
            "name_folding": ("case", "accents"), "characters": ("any", "bmp", "latin1", "latin1_altered"),
            "email_list_fault": ("2210", "6000"), "sparse_empty": ("clear", "ignore"),
            "sparse_null": ("ignore", "clear"), "fault_elements": ("named", "empty", "absent"),
            "status_6190": (400, 403), "account_balances": ("touch", "silent"), "ast_override": ("ignore", "honour"),
            "inactivation": ("keep", "journal_entry")}


def check_setting(name: str, value) -> None:
    if name not in SETTINGS:
        raise Refused(f"unknown setting {name}")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise Refused(f"{name} must be one of {_CHOICES[name]}")
    if isinstance(SETTINGS[name], bool) and not isinstance(value, bool):
        raise Refused(f"{name} must be true or false")


def companies(sim) -> list[dict]:
    found = []
    for company in sim.companies.values():
        grant = sim.oauth.grant_of(company.realm)
        found.append({"realm_id": company.realm, "name": company.name,
                      "refresh_token": grant["token"] if grant else None})
    return found


def _json(value, status: int = 200) -> Answer:
    return Answer(status, dumps(value).encode("utf-8", "backslashreplace"), "application/json")
