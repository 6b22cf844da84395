"""Webhooks: what changed is told to an address, signed, as Intuit does (doc/simulator.md, Webhooks).

Events are gathered for a moment, of all companies, and leave as one delivery.  What is not answered with 2xx within
three seconds is repeated by the schedule; later ones are held back behind it.  On the way events may be lost, come
twice or in another order.  Times here are real, not simulated, but for the times that events carry.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import hmac
import http.client
import itertools
import random
import secrets
import threading
import time
import urllib.parse
import uuid
from datetime import datetime, timezone

from entities import ENTITIES
from jsontext import dumps

# Entities and what is told of them (§8.4 of the API page); create and update where nothing else is said.
_ALL = {"Create", "Update", "Delete"}
_VOID = {"BillPayment", "CreditMemo", "Invoice", "Payment", "Purchase", "RefundReceipt", "SalesReceipt", "Transfer"}
_EMAILED = {"CreditMemo", "Estimate", "Invoice", "Payment", "PurchaseOrder", "RefundReceipt", "SalesReceipt"}
_FEW = {"Currency": {"Create", "Update"}, "Term": {"Create", "Update"}, "TaxAgency": {"Create", "Update"},
        "Preferences": {"Update"}, "TaxCode": set(), "TaxRate": set(), "CompanyInfo": set(), "Attachable": set(),
        "ExchangeRate": set(), "CustomerType": set()}
_VERBS = {"Create": "created", "Update": "updated", "Delete": "deleted", "Merge": "merged", "Void": "void",
          "Emailed": "emailed"}

SETTINGS = {
    "url": None, "verifier": "", "format": "cloudevents", "gather": 0.1, "loss": 0.0, "duplicates": 0.0,
    "disorder": False, "delay": 0.0, "retries": [10, 20, 30, 300, 1200, 7200, 14400, 21600], "withhold": True,
    "timeout": 3.0, "effects": False, "inactive_as": "Update", "void_as": "Void", "entities": None,
}
_CHOICES = {"format": ("cloudevents", "classic", "either"), "inactive_as": ("Update", "Delete"),
            "void_as": ("Void", "Update")}
KEPT = 1000                         # deliveries that can be looked at


class Webhooks:
    def __init__(self, sim) -> None:
        self.random = random.Random(f"webhooks {sim.seed}")
        self.settings = dict(SETTINGS, verifier=str(uuid.UUID(int=self.random.getrandbits(128))))
        self.wake = threading.Condition()
        self.gathered: list[dict] = []
        self.due = 0.0
        self.queue: list = []                               # (when, number, delivery)
        self.busy = 0
        self.numbers = itertools.count(1)
        self.log: list[dict] = []
        self.counts = {"events": 0, "lost": 0, "duplicated": 0, "deliveries": 0, "accepted": 0, "failed": 0}
        self.thread = None

    # -- what happened -----------------------------------------------------

    def changed(self, change, entry: dict) -> None:
        """A change was accepted: tell of it."""
        if not self.settings["url"]:
            return
        events = list(self._events(change, entry))
        with self.wake:
            for event in events:
                self._gather(event)
            self.wake.notify_all()

    def _events(self, change, entry: dict):
        main = (entry["entity"], entry["id"])
        for key in sorted(change.bumped | change.fresh | set(change.removed)):
            if key == main or self.settings["effects"]:
                operation = self._operation(change, entry["operation"] if key == main else "", key)
                if self._told(key[0], operation):
                    yield self._event(change, entry, key, operation)

    def _operation(self, change, done: str, key) -> str | None:
        """The word for what became of an object; None where nothing is said."""
        if key in change.removed:
            return "Delete" if change.removed[key] else None            # a merged one that disappears
        if key in change.fresh:
            return "Create"
        if done in ("merge", "void", "email"):
            return {"merge": "Merge", "void": self.settings["void_as"], "email": "Emailed"}[done]
        old = change.company.record(*key)
        if old and old.active and change.pending[key].get("Active") is False:
            return self.settings["inactive_as"]
        return "Update"

    def _told(self, entity: str, operation: str | None) -> bool:
        wanted = self.settings["entities"]
        if operation is None or entity not in ENTITIES or (wanted is not None and entity not in wanted):
            return False
        allowed = _FEW.get(entity, _ALL)
        return operation in allowed or (operation == "Void" and entity in _VOID) or \
            (operation == "Emailed" and entity in _EMAILED) or operation == "Merge"

    def _event(self, change, entry: dict, key, operation: str) -> dict:
        event = {"realm": entry["realm"], "entity": key[0], "id": key[1], "operation": operation, "at": change.now}
        if operation == "Merge":
            event["lost"] = next(note["lost"] for note in change.notes if "lost" in note)
        return event

    def _gather(self, event: dict) -> None:
        rng, settings = self.random, self.settings
        self.counts["events"] += 1
        if rng.random() < settings["loss"]:
            self.counts["lost"] += 1
            return
        if not self.gathered:
            self.due = time.monotonic() + settings["gather"]
        self.gathered.append(event)
        if rng.random() < settings["duplicates"]:
            self.counts["duplicated"] += 1
            self.gathered.append(dict(event))

    # -- deliveries ----------------------------------------------------------

    def _form(self) -> str:
        wanted = self.settings["format"]
        return self.random.choice(("cloudevents", "classic")) if wanted == "either" else wanted

    def body(self, events: list[dict], form: str) -> bytes:
        if form == "cloudevents":
            return dumps([cloud_event(e) for e in events]).encode()
        realms: dict[str, list] = {}
        for event in events:
            realms.setdefault(event["realm"], []).append(classic(event))
        return dumps({"eventNotifications": [{"realmId": realm, "dataChangeEvent": {"entities": entities}}
                                             for realm, entities in realms.items()]}).encode()

    def sign(self, body: bytes) -> str:
        return base64.b64encode(hmac.new(self.settings["verifier"].encode(), body, hashlib.sha256).digest()).decode()

    def _pack(self) -> None:
        """What was gathered becomes a delivery; with duplicates and disorder, several."""
        rng, settings = self.random, self.settings
        events, self.gathered = self.gathered, []
        parts = [events]
        if settings["disorder"]:
            rng.shuffle(events)
            parts = [events[:len(events) // 2], events[len(events) // 2:]]
        for part in filter(None, parts):
            packed = {"body": self.body(part, self._form()), "attempts": 0, "events": len(part)}
            copies = 2 if rng.random() < settings["duplicates"] else 1
            for _ in range(copies):
                wait = settings["delay"] * (rng.random() if settings["disorder"] else 1)
                heapq.heappush(self.queue, (time.monotonic() + wait, next(self.numbers), dict(packed)))

    def _next(self) -> tuple | None:
        """The delivery that goes next: while one is repeated, none overtakes it."""
        if self.settings["withhold"] and any(d["attempts"] for _, _, d in self.queue):
            return min(entry for entry in self.queue if entry[2]["attempts"])
        return self.queue[0] if self.queue else None

    def run(self) -> None:
        while True:
            with self.wake:
                now = time.monotonic()
                if self.gathered and self.due <= now:
                    self._pack()
                entry = self._next()
                if entry is None or entry[0] > now:
                    times = [entry[0]] if entry else []
                    times += [self.due] if self.gathered else []
                    self.wake.wait(max(0.0, min(times) - now) if times else None)
                    continue
                self.queue.remove(entry)
                heapq.heapify(self.queue)
                self.busy = 1
            _, number, delivery = entry
            status, seconds = self._post(delivery["body"])
            with self.wake:
                self.busy = 0
                self._answered(number, delivery, status, seconds)

    def _answered(self, number: int, delivery: dict, status: int, seconds: float) -> None:
        good = 200 <= status < 300
        self.counts["deliveries"] += 1
        self.counts["accepted" if good else "failed"] += 1
        self.log.append({"number": number, "status": status, "seconds": round(seconds, 4), "events": delivery["events"],
                         "attempt": delivery["attempts"] + 1, "body": delivery["body"].decode()})
        del self.log[:-KEPT]
        retries = self.settings["retries"]
        if not good and self.settings["url"] and retries:
            pause = retries[min(delivery["attempts"], len(retries) - 1)]
            delivery["attempts"] += 1
            heapq.heappush(self.queue, (time.monotonic() + pause, number, delivery))

    def _post(self, body: bytes) -> tuple[int, float]:
        parts, start = urllib.parse.urlsplit(self.settings["url"]), time.monotonic()
        try:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.settings["timeout"])
            connection.request("POST", parts.path or "/", body, {
                "Content-Type": "application/json", "User-Agent": "intuit_notification_server/0.1",
                "intuit-signature": self.sign(body), "intuit-t-id": secrets.token_hex(12),
                "intuit-created-time": iso(time.time()), "intuit-notification-schema-version": "1.0"})
            status = connection.getresponse().status
            connection.close()
        except (OSError, http.client.HTTPException):
            status = 0
        return status, time.monotonic() - start

    # -- control -------------------------------------------------------------

    def configure(self, values: dict) -> None:
        for name, value in values.items():
            if name not in SETTINGS or (name in _CHOICES and value not in _CHOICES[name]):
                raise ValueError(f"{name} is no setting of webhooks, or has no such value")
            if isinstance(SETTINGS[name], float):           # numbers come as Decimal
                values[name] = float(value)
        if "retries" in values:
            values["retries"] = [float(seconds) for seconds in values["retries"]]
        with self.wake:
            self.settings.update(values)
            if not self.settings["url"]:
                self.gathered, self.queue = [], []
            if self.settings["url"] and self.thread is None:
                self.thread = threading.Thread(target=self.run, daemon=True)
                self.thread.start()
            self.wake.notify_all()

    def report(self, after: int = 0) -> dict:
        with self.wake:
            return self.settings | self.counts | {
                "waiting": len(self.gathered) + len(self.queue) + self.busy, "log": self.log[after:]}


def iso(seconds: float, form: str = "ms") -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + ("." + f"{moment.microsecond // 1000:03d}" if form == "ms" else "") + "Z"


def classic(event: dict) -> dict:
    told = {"name": event["entity"], "id": event["id"], "operation": event["operation"],
            "lastUpdated": iso(int(event["at"]))}
    return told | ({"deletedId": event["lost"]} if "lost" in event else {})


def cloud_event(event: dict) -> dict:
    told = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "intuit.c2ltdWxhdG9y",
            "type": f"qbo.{event['entity'].lower()}.{_VERBS[event['operation']]}.v1",
            "datacontenttype": "application/json", "time": iso(event["at"])[:-1] + "517Z",
            "intuitentityid": event["id"], "intuitaccountid": event["realm"]}
    return told | ({"data": {"deletedid": event["lost"]}} if "lost" in event else {})
