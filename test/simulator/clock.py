"""Time: the injectable clock, and times as QuickBooks writes and reads them.

Everything inside the simulator is in whole or fractional seconds since 1970
(UTC).  QuickBooks prints times in US Pacific time, whatever the company's own
zone is: MetaData without a fraction, the envelope's `time` with milliseconds.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import time

UTC = dt.timezone.utc
PACIFIC = "America/Los_Angeles"
# Standard-time offsets used when the machine has no zone files.  All of these
# zones follow the rule of the United States and Canada since 2007.
_STANDARD_HOURS = {PACIFIC: -8, "America/Toronto": -5, "America/New_York": -5,
                   "America/Chicago": -6, "America/Denver": -7, "Europe/London": 0, "UTC": 0}


class Clock:
    """Real time plus an offset, or a frozen instant."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.frozen: float | None = None

    def now(self) -> float:
        return self.frozen if self.frozen is not None else time.time() + self.offset

    def set(self, moment: float) -> None:
        if self.frozen is not None:
            self.frozen = moment
        self.offset = moment - time.time()

    def advance(self, seconds: float) -> None:
        self.offset += seconds
        if self.frozen is not None:
            self.frozen += seconds

    def freeze(self, on: bool) -> None:
        if on:
            self.frozen = self.now()
        elif self.frozen is not None:
            self.offset, self.frozen = self.frozen - time.time(), None

    def state(self) -> dict:
        return {"offset": self.offset, "frozen": self.frozen}

    def load(self, state: dict) -> None:
        self.offset, self.frozen = state["offset"], state["frozen"]


def _first_sunday(year: int, month: int) -> int:
    return 1 + (6 - dt.date(year, month, 1).weekday()) % 7


def _rule_offset(moment: float, hours: int) -> int:
    """Seconds from UTC by the US rule: second Sunday of March to first of November."""
    if hours == 0:
        return 0
    year = dt.datetime.fromtimestamp(moment, UTC).year
    start = dt.datetime(year, 3, _first_sunday(year, 3) + 7, 2 - hours, tzinfo=UTC)
    end = dt.datetime(year, 11, _first_sunday(year, 11), 1 - hours, tzinfo=UTC)
    summer = start.timestamp() <= moment < end.timestamp()
    return (hours + summer) * 3600


@functools.lru_cache(maxsize=16)
def _zone(name: str):
    try:
        import zoneinfo
        return zoneinfo.ZoneInfo(name)
    except Exception:           # no tzdata on this machine
        return None


@functools.lru_cache(maxsize=4096)
def _offset_of_hour(hour: int, zone: str) -> int:
    info = _zone(zone)
    if info is None:
        return _rule_offset(hour * 3600, _STANDARD_HOURS.get(zone, -8))
    return int(dt.datetime.fromtimestamp(hour * 3600, info).utcoffset().total_seconds())


def offset_at(moment: float, zone: str = PACIFIC) -> int:
    return _offset_of_hour(int(moment // 3600), zone)


@functools.lru_cache(maxsize=65536)
def stamp(moment: int) -> str:
    """MetaData form: 2026-11-22T03:14:15-08:00."""
    offset = offset_at(moment)
    day, second = divmod(moment + offset, 86400)
    return f"{_day(day)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{_sign(offset)}"


@functools.lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=number)).isoformat()


def envelope_time(moment: float) -> str:
    """Envelope form: 2026-11-22T03:14:15.926-08:00."""
    whole = int(moment)
    text = stamp(whole)
    return f"{text[:19]}.{int((moment - whole) * 1000):03d}{text[19:]}"


@functools.lru_cache(maxsize=64)
def _sign(offset: int) -> str:
    hours, rest = divmod(abs(offset), 3600)
    return f"{'-' if offset < 0 else '+'}{hours:02d}:{rest // 60:02d}"


def today(moment: float, zone: str) -> str:
    """The date in a company's own zone."""
    local = dt.datetime.fromtimestamp(moment + offset_at(moment, zone), UTC)
    return f"{local:%Y-%m-%d}"


_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?)?"
                   r"(Z|[+-]\d\d:?\d\d)?\Z")


def parse_time(text: str) -> float | None:
    """A date or time in any of the accepted forms; Pacific where no offset is given."""
    found = _TIME.match(text.strip())
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        local = dt.datetime(int(year), int(month), int(day), int(hour or 0),
                            int(minute or 0), int(second or 0), tzinfo=UTC).timestamp()
    except ValueError:
        return None
    local += float(fraction or 0)
    if zone == "Z":
        return local
    if zone:
        digits = zone[1:].replace(":", "")
        shift = int(digits[:2]) * 3600 + int(digits[2:]) * 60
        return local + (shift if zone[0] == "-" else -shift)
    guess = local - offset_at(local)
    return local - offset_at(guess)


_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


def is_date(text: str) -> bool:
    if not _DATE.match(text):
        return False
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


@functools.lru_cache(maxsize=65536)
def add_days(date: str, days: int) -> str:
    return (dt.date.fromisoformat(date) + dt.timedelta(days=days)).isoformat()
