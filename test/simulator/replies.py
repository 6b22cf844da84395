"""What `requestid` promises: a repeated write gets the first answer again.

An answer is remembered for the company and the id it came with; for the items
of a batch, for the pair of the batch's id and the item's bId.  Bodies are not
compared (but counted when they differ, for tests).  While a first call runs, a
second one is refused with 600 or waits (switch requestid_running).
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from typing import NamedTuple

from errors import Fault

# Refusals that say nothing about the request itself: never remembered.
_PASSING = {"600", "3001", "6190", "10000", "10200", "150", "140", "130"}


class Reply(NamedTuple):
    at: float                   # when it was given, simulated time
    digest: str                 # of what was asked
    status: int
    body: bytes


def digest_of(*parts: bytes) -> str:
    return hashlib.blake2b(b"\0".join(parts), digest_size=8).hexdigest()


class Replies:
    def __init__(self, sim) -> None:
        self.sim = sim
        self.kept: dict[tuple[str, str, str], Reply] = {}       # realm, requestid, bId
        self.running: set[tuple[str, str, bool]] = set()        # realm, requestid, is it a batch
        self.ended = threading.Condition(sim.lock)
        self.stats: Counter = Counter()

    # -- calls that run --------------------------------------------------

    def begin(self, key: tuple[str, str, bool]) -> bool:
        """Note that a call with this id runs; False when another one does already."""
        if key in self.running:
            if self.sim.settings["requestid_running"] == "600":
                self.stats["running"] += 1
                return False
            self.ended.wait_for(lambda: key not in self.running)
        self.running.add(key)
        return True

    def end(self, key: tuple[str, str, bool]) -> None:
        self.running.discard(key)
        self.ended.notify_all()

    # -- answers ---------------------------------------------------------

    def find(self, key: tuple[str, str, str], digest: str) -> Reply | None:
        """The answer of an earlier call, if it is still remembered."""
        reply = self.kept.get(key)
        if reply is None:
            return None
        if self.sim.clock.now() - reply.at > self.sim.settings["requestid_life"]:
            del self.kept[key]
            return None
        self.stats["replayed"] += 1
        if reply.digest != digest:
            self.stats["replayed_other_body"] += 1
        return reply

    def keep(self, key: tuple[str, str, str], reply: Reply) -> None:
        self.kept[key] = reply

    def refusal(self, key: tuple[str, str, str], digest: str, fault: Fault, body: bytes) -> None:
        """A refused first call: its repeat is refused likewise, or executed (switch requestid_failed)."""
        if self.sim.settings["requestid_failed"] == "replay" and fault.code not in _PASSING:
            reply = Reply(self.sim.clock.now(), digest, fault.status, body)
            self.keep(key, reply)
            self.sim.file.save({}, replies=[(key, reply)])
