"""Fault injection: rules that spoil requests on demand (control API only).

A rule has a `match`, a `fault` and when it applies: `after` lets the first n
matching requests pass, `every` takes each n-th, `times` ends it after n hits.
Faults of BEFORE answer instead of the service; those of AFTER let the request
take effect and spoil the answer.
"""

from __future__ import annotations

import re
import threading
from decimal import Decimal

from entities import ENTITIES
from errors import Fault, by_code
from jsontext import dumps

HTML = (b"<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n"
        b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")

BEFORE = {"401", "401_revoked", "401_user_removed", "403_3100", "403_html", "429_gateway", "429_fault",
          "429_empty", "429_retry_after", "500", "500_html", "502_html", "503_html", "504_html",
          "fault_on_200", "code", "fault_6190", "fault_10200", "404", "cut_before", "hang", "invalid_grant",
          "invalid_client", "invalid_request", "validation"}
AFTER = {"cut_after", "cut_headers", "truncated", "truncated_chunked", "endless", "oversized", "slow",
         "slow_body", "hang_after", "bad_json", "invalid_utf8", "nul_escape", "lone_surrogate",
         "huge_exponent", "deep", "empty_body", "xml", "wrong_content_type", "no_time", "500_after",
         "502_after", "503_after", "504_after", "fault_on_200_after", "code_after", "hang_during",
         "cut_midway"}
OBJECT_KINDS = {"object", "item"}       # one write, alone or in a batch; one item of a batch


class Rule:
    def __init__(self, number: int, spec: dict) -> None:
        unknown = set(spec) - {"match", "fault", "times", "every", "after", "seconds", "bytes", "code",
                               "detail", "element", "status", "more"}
        if unknown:
            raise ValueError(f"unknown member {sorted(unknown)[0]}")
        if isinstance(spec.get("seconds"), Decimal):
            spec = spec | {"seconds": float(spec["seconds"])}
        self.number, self.spec, self.fault = number, spec, spec.get("fault")
        if self.fault not in BEFORE | AFTER:
            raise ValueError(f"unknown fault {self.fault}")
        self.match = spec.get("match", {})
        unknown = set(self.match) - {"path", "kind", "entity", "realm", "body"}
        if unknown:
            raise ValueError(f"unknown match member {sorted(unknown)[0]}")
        kind = self.match.get("kind", "any")
        self.kinds = set(kind if isinstance(kind, list) else kind.split("|"))
        if self.kinds & OBJECT_KINDS and self.fault not in ("code", "code_after"):
            raise ValueError("rules for object and item take the faults code and code_after only")
        if self.fault in ("code", "code_after") and "code" not in spec:
            raise ValueError("the fault needs a code")
        self.path = re.compile(self.match["path"]) if "path" in self.match else None
        self.body = re.compile(self.match["body"]) if "body" in self.match else None
        self.seen = self.hits = 0
        self.release = threading.Event()

    def wants(self, path: str, kinds: set, entities: set, realm: str, body) -> bool:
        """body() gives the text of the request."""
        entity = self.match.get("entity")
        return (("any" in self.kinds or bool(self.kinds & kinds)) and
                (not self.path or bool(self.path.search(path))) and
                (not entity or entity.lower() in entities) and
                self.match.get("realm", realm) == realm and
                (not self.body or bool(self.body.search(body()))))

    def refusal(self, gateway: bool = True):
        """The refusal with the code of the rule; inside a batch everything is a Fault."""
        s = self.spec
        refusal = by_code(s["code"], s.get("detail"), s.get("element"), s.get("status"))
        if isinstance(refusal, Fault):
            refusal.more = [Fault(code) for code in s.get("more", ())]
        if gateway or isinstance(refusal, Fault):
            return refusal
        return Fault(refusal.code, "", refusal.detail)

    def strike(self) -> bool:
        """Count a matching request; True when the fault applies to it."""
        self.seen += 1
        times, past = self.spec.get("times"), self.seen - self.spec.get("after", 0)
        if past <= 0 or (times is not None and self.hits >= times) or past % self.spec.get("every", 1):
            return False
        self.hits += 1
        return True

    def report(self) -> dict:
        return self.spec | {"id": self.number, "seen": self.seen, "hits": self.hits}


class Faults:
    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.next = 1

    def add(self, spec: dict) -> Rule:
        rule = Rule(self.next, spec)
        self.next += 1
        self.rules.append(rule)
        return rule

    def clear(self, number: int | None = None) -> int:
        gone = [r for r in self.rules if number in (None, r.number)]
        self.rules = [r for r in self.rules if r not in gone]
        for rule in gone:
            rule.release.set()
        return len(gone)

    def release(self) -> None:
        """Let every hanging request go on; later ones hang again."""
        for rule in self.rules:
            rule.release.set()
            rule.release = threading.Event()

    def pick(self, path: str, kinds: set, entities: set, realm: str, body=str) -> Rule | None:
        chosen = None
        for rule in self.rules:
            if rule.wants(path, kinds, entities, realm, body) and rule.strike():
                chosen = chosen or rule
        return chosen

    def pick_item(self, item: dict, realm: str) -> Rule | None:
        """The rule that strikes one item of a batch; only rules for object or item do."""
        entities = {name.lower() for name in item if name in ENTITIES}
        kinds = OBJECT_KINDS if entities else {"item"}
        chosen = None
        for rule in self.rules:
            if rule.kinds & OBJECT_KINDS and rule.wants("batch", kinds, entities, realm, lambda: dumps(item)) \
                    and rule.strike():
                chosen = chosen or rule
        return chosen


def spoil(fault: str, body: bytes, size: int = 0) -> bytes:
    """An answer body with the given damage."""
    if fault == "bad_json":
        return body[:-1] + b",}" if body else b"{,}"
    if fault == "invalid_utf8":
        return _inject(body, b"\xff\xfe\xc0\xaf")
    if fault == "nul_escape":
        return _inject(body, b"\\u0000")
    if fault == "lone_surrogate":
        return _inject(body, b"\\ud83d")
    if fault == "huge_exponent":
        changed, hits = re.subn(rb'("(?:Balance|TotalAmt|Amount|UnitPrice|expires_in)":)-?[\d.]+',
                                rb"\g<1>1e999999999", body, count=1)
        return changed if hits else body[:1] + b'"Extra":1e999999999,' + body[1:]
    if fault == "deep":
        return body[:1] + b'"Extra":' + b"[" * 100000 + b"]" * 100000 + b"," + body[1:]
    if fault == "oversized":
        return body[:1] + b'"Extra":"' + b"x" * (size or 200_000_000) + b'",' + body[1:]
    if fault == "no_time":
        return re.sub(rb',"time":"[^"]*"', b"", body)
    return body


def _inject(body: bytes, text: bytes) -> bytes:
    """Text inside the first string of the answer that a client would keep."""
    for name in (b'"DisplayName":"', b'"access_token":"', b'"DocNumber":"', b'"Name":"', b'"domain":"'):
        at = body.find(name)
        if at >= 0:
            at += len(name)
            return body[:at] + text + body[at:]
    return body[:1] + b'"Extra":"' + text + b'",' + body[1:]
