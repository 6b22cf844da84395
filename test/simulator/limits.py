"""Request limits and counters.

Per company: requests per second, per minute, batches per minute, requests at
the same time.  Measured on
the machine's own monotonic clock, not on the injectable one, so that a jump of
the clock empties no window.  Refused requests count too, as at the real
gateway.
"""

from __future__ import annotations

import time
from collections import Counter, deque

from errors import GatewayFault

READS = {"query", "cdc", "read", "companyinfo", "preferences"}


class Meter:
    """Windows of one company."""

    def __init__(self) -> None:
        self.second: deque = deque()
        self.minute: deque = deque()
        self.batches: deque = deque()
        self.running = 0


class Limits:
    def __init__(self, settings: dict) -> None:
        self.settings = settings
        self.meters: dict[str, Meter] = {}
        self.stats: dict = {"requests": Counter(), "metered": Counter(), "throttled": Counter(),
                            "max_concurrent": Counter(), "worst_second": Counter(),
                            "worst_minute": Counter(), "worst_batch_minute": Counter(),
                            "batch_items": Counter(), "refused": Counter(), "masks_sent_back": 0, "refreshes": 0, "refused_refreshes": 0,
                            "status": Counter(), "faults_injected": Counter()}

    def enter(self, realm: str, batch: bool = False) -> None:
        """Count a request in; the caller leaves() whatever happens."""
        meter, now = self.meters.setdefault(realm, Meter()), time.monotonic()
        meter.running += 1
        minute = self.settings["limit_window"]
        windows = [(meter.second, 1.0, "worst_second"), (meter.minute, minute, "worst_minute")]
        if batch:
            windows.append((meter.batches, minute, "worst_batch_minute"))
        for window, length, name in windows:
            window.append(now)
            while window[0] <= now - length:
                window.popleft()
            self._worst(name, realm, len(window))
        self._worst("max_concurrent", realm, meter.running)
        if self.settings["limits"] and self._over(meter, batch):
            self.stats["throttled"][realm] += 1
            raise GatewayFault(429, "SERVICE", "3001", "ThrottleExceeded",
                               "The request limit was reached. Try again later")

    def _over(self, meter: Meter, batch: bool) -> bool:
        s = self.settings
        return (len(meter.second) > s["requests_per_second"] or len(meter.minute) > s["requests_per_minute"] or
                meter.running > s["concurrent"] or (batch and len(meter.batches) > s["batches_per_minute"]))

    def _worst(self, name: str, realm: str, value: int) -> None:
        if value > self.stats[name][realm]:
            self.stats[name][realm] = value

    def leave(self, realm: str) -> None:
        self.meters[realm].running -= 1

    def metered(self, realm: str, kind: str, calls: int = 1) -> None:
        """A successful CorePlus call."""
        if kind in READS:
            self.stats["metered"][realm] += calls

    def report(self) -> dict:
        return {k: dict(v) if isinstance(v, Counter) else v for k, v in self.stats.items()}

    def load(self, saved: dict) -> None:
        for name, value in (saved or {}).items():
            self.stats[name] = Counter(value) if isinstance(value, dict) else value

    def reset(self) -> None:
        for name, value in self.stats.items():
            self.stats[name] = Counter() if isinstance(value, Counter) else 0
        for meter in self.meters.values():
            meter.second.clear(), meter.minute.clear(), meter.batches.clear()
