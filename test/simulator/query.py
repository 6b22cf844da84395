"""The query language: parser and execution.

Grammar (see doc/simulator.md): SELECT *|COUNT(*)|props FROM Entity [WHERE …]
[ORDERBY …] [STARTPOSITION n] [MAXRESULTS m].  Everything else is refused with
4000 (cannot be parsed) or 4001 (means nothing here).  Every page is evaluated
on the live store; orders by time are kept sorted, so that a page of a large
company is a slice.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from clock import is_date, parse_time, today
from entities import BY_PATH, Entity
from errors import Fault
from jsontext import dumps

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<word>[A-Za-z_][\w.]*)|(?P<number>-?\d+(?:\.\d+)?)"
                    r"|(?P<sign><=|>=|[=<>(),*]))", re.S)
_TIMES = {"metadata.createtime": "created", "metadata.lastupdatedtime": "updated"}


@dataclass
class Query:
    entity: Entity
    count: bool = False
    columns: list = field(default_factory=list)
    conditions: list = field(default_factory=list)     # (name, spec, operator, value or values)
    order: list = field(default_factory=list)          # (name, spec, descending)
    start: int = 1
    limit: int = 100


class _Parser:
    def __init__(self, text: str, now: float, zone: str) -> None:
        self.text, self.now, self.zone, self.tokens = text, now, zone, []
        self.at, position = 0, 0
        stripped = text.rstrip()
        while position < len(stripped):
            found = _TOKEN.match(stripped, position)
            if not found:
                raise self.lexical(position)
            self.tokens.append((found.lastgroup, found.group(found.lastgroup), found.start(found.lastgroup)))
            position = found.end()

    def lexical(self, position: int) -> Fault:
        while position < len(self.text) and self.text[position].isspace():
            position += 1
        return Fault(4000, "", f"QueryParserError: Lexical error at line 1, column {position + 1}. "
                     f"Encountered: \"{self.text[position:position + 1]}\"")

    def error(self, expected: str) -> Fault:
        if self.at < len(self.tokens):
            kind, value, position = self.tokens[self.at]
            shown = f'" <{"IDENTIFIER" if kind == "word" else kind.upper()}> "{value} ""'
        else:
            shown, position = '"<EOF>"', len(self.text)
        return Fault(4000, "", f"QueryParserError: Encountered {shown} at line 1, column {position + 1}. "
                     f"Was expecting one of: {expected}")

    def peek(self, *words: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][0] in ("word", "sign") and \
            self.tokens[self.at][1].lower() in words

    def take(self, *words: str) -> bool:
        if self.peek(*words):
            self.at += 1
            return True
        return False

    def need(self, *words: str) -> str:
        if not self.peek(*words):
            raise self.error(", ".join(f'"{w}"' for w in words))
        self.at += 1
        return self.tokens[self.at - 1][1].lower()

    def kind(self, kind: str, expected: str) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != kind:
            raise self.error(expected)
        self.at += 1
        return self.tokens[self.at - 1][1]

    def parse(self) -> Query:
        self.need("select")
        columns, count = self.columns()
        self.need("from")
        name = self.kind("word", "<ENTITY>")
        if name.lower() not in BY_PATH:
            raise Fault(4000, "", f"QueryParserError: Invalid context declaration: {name}")
        query = Query(BY_PATH[name.lower()], count)
        for column in columns:
            query.columns.append(known(query.entity, column))
        if self.take("where"):
            query.conditions.append(self.condition(query.entity))
            while self.take("and"):
                query.conditions.append(self.condition(query.entity))
        self.ordering(query)
        self.paging(query)
        if self.at < len(self.tokens):
            raise self.error('<EOF>, "AND", "ORDERBY", "STARTPOSITION", "MAXRESULTS"')
        return query

    def columns(self) -> tuple[list, bool]:
        if self.take("*"):
            return [], False
        if self.peek("count") and self.tokens[self.at + 1:self.at + 2] and self.tokens[self.at + 1][1] == "(":
            self.need("count"), self.need("("), self.need("*"), self.need(")")
            return [], True
        names = [self.kind("word", '"*", "COUNT", <IDENTIFIER>')]
        while self.take(","):
            names.append(self.kind("word", "<IDENTIFIER>"))
        return names, False

    def condition(self, entity: Entity):
        if self.peek("not"):
            raise self.error("<IDENTIFIER>")
        name, spec = filterable(entity, self.kind("word", "<IDENTIFIER>"))
        if self.take("like"):
            return name, spec, "like", self.value(name, spec, "like")
        if self.take("in"):
            self.need("(")
            values = [self.value(name, spec, "in")]
            while self.take(","):
                values.append(self.value(name, spec, "in"))
            self.need(")")
            return name, spec, "in", values
        sign = self.need("=", "<", ">", "<=", ">=")
        return name, spec, sign, self.value(name, spec, sign)

    def value(self, name: str, spec: str, sign: str):
        if self.peek("true", "false"):
            text = self.need("true", "false")
            if spec != "bool":
                raise invalid(f"Property {name} is not a boolean")
        elif self.peek("current_date"):
            self.need("current_date")
            text = today(self.now, self.zone)
        else:
            text = re.sub(r"\\(.)", r"\1", self.kind("text", "<STRING>")[1:-1], flags=re.S)
        return typed(name, spec, sign, text)

    def ordering(self, query: Query) -> None:
        if not self.take("orderby"):
            if not self.take("order"):
                return
            self.need("by")
        while True:
            name, spec = sortable(query.entity, self.kind("word", "<IDENTIFIER>"))
            query.order.append((name, spec, self.take("desc") or (self.take("asc") and False)))
            if not self.take(","):
                return

    def paging(self, query: Query) -> None:
        while self.peek("startposition", "maxresults"):
            word = self.need("startposition", "maxresults")
            text = self.kind("number", "<INTEGER>")
            if "." in text:
                raise self.error("<INTEGER>")
            value = int(text)
            if value < 1:
                raise invalid(f"value {value} is too small. Min allowed value is 1.")
            if word == "startposition":
                query.start = value
            else:
                query.limit = value


def invalid(detail: str) -> Fault:
    return Fault(4001, "", f"QueryValidationError: {detail}")


def _spec(entity: Entity, name: str, flag: str) -> tuple[str, str] | None:
    lower = name.lower()
    if lower in _TIMES:
        return _TIMES[lower], "time"
    if lower == "id":
        return ("Id", "id") if flag == "f" and not entity.key else None
    for path in entity.dotted if flag == "f" else ():
        if ".".join(path).lower() == lower:
            return path, "dotted"
    for field_name, spec in entity.fields.items():
        if field_name.lower() == lower and (flag in spec.flags):
            kind = {"obj": spec.text, "enum": "str", "int": "num"}.get(spec.kind, spec.kind)
            return field_name, "email" if spec.kind == "obj" else kind
    return None


def filterable(entity: Entity, name: str) -> tuple[str, str]:
    found = _spec(entity, name, "f")
    if not found:
        raise invalid(f"Property {name} not found for Entity {entity.name}")
    return found


def sortable(entity: Entity, name: str) -> tuple[str, str]:
    if name.lower() == "id" and not entity.key:
        return "Id", "id"
    found = _spec(entity, name, "s")
    if not found:
        raise invalid(f"Property {name} is not sortable for Entity {entity.name}")
    return found


def known(entity: Entity, name: str) -> str:
    lower = name.lower()
    for field_name in list(entity.fields) + ["Id", "SyncToken", "MetaData", "domain", "sparse"]:
        if field_name.lower() == lower or (field_name == "MetaData" and lower in _TIMES):
            return field_name
    raise invalid(f"Property {name} not found for Entity {entity.name}")


def typed(name: str, spec: str, sign: str, text: str):
    """The value of a condition, in the type of its property."""
    if sign == "like" and spec not in ("str", "email"):
        raise invalid(f"Operator LIKE is not supported for property {name}")
    if spec == "time":
        moment = parse_time(text)
        if moment is None:
            raise invalid(f"Invalid date or time '{text}' for property {name}")
        return moment
    if spec == "num":
        try:
            return Decimal(text)
        except InvalidOperation:
            raise invalid(f"Invalid number '{text}' for property {name}") from None
    if spec == "date":
        moment = text[:10]
        if not is_date(moment):
            raise invalid(f"Invalid date '{text}' for property {name}")
        return moment
    if spec == "bool":
        if text.lower() not in ("true", "false") or sign not in ("=", "in"):
            raise invalid(f"Property {name} takes = or IN with true and false")
        return text.lower() == "true"
    if spec == "dotted":
        text = text.lower()
    if spec in ("id", "ref", "dotted") and sign not in ("=", "in"):
        raise invalid(f"Operator {sign} is not supported for property {name}")
    return text


# -- Execution ---------------------------------------------------------------

def parse(text: str, now: float, zone: str) -> Query:
    return _Parser(text, now, zone).parse()


def run(company, query: Query, settings: dict, now: float, enhanced: bool = False) -> tuple[bytes, int]:
    """The QueryResponse object as JSON bytes, and how many objects it holds."""
    if query.limit > 1000:
        if settings["maxresults_over_1000"] == "refuse":
            raise invalid(f"value {query.limit} is too large. Max allowed value is 1000.")
        query.limit = 1000
    rows = select(company, query, settings)
    if settings["index_delay"]:
        rows = [r for r in rows if r.created <= now - settings["index_delay"]]
    if query.count:
        return b'{"totalCount":%d}' % len(rows), 0
    page = rows[query.start - 1:query.start - 1 + query.limit]
    if not page:
        return b"{}", 0
    data = [r.text(enhanced) for r in page] if not query.columns else \
        [_project(r, query.columns, settings) for r in page]
    total = b',"totalCount":%d' % len(rows) if settings["total_count"] else b""
    return b'{"%s":[%s],"startPosition":%d,"maxResults":%d%s}' % (
        query.entity.name.encode(), b",".join(data), query.start, len(page), total), len(page)


def _project(record, columns: list, settings: dict) -> bytes:
    if settings["projection"] == "full":
        return record.data
    obj = record.obj
    part = {k: obj[k] for k in columns if k in obj}
    return dumps(part | {"domain": "QBO", "sparse": True}, settings["number_style"]).encode()


def select(company, query: Query, settings: dict) -> list:
    """All matching records in order."""
    table = company.tables[query.entity.name]
    active, conditions = _active(query)
    order = query.order[0] if query.order else ("created", "time", False)
    by_time = order[0] if order[0] in ("created", "updated") and len(query.order) < 2 else None
    if not query.order and any(c[0] == "updated" for c in conditions) and query.count:
        by_time = "updated"
    rows = table.view(by_time or "created", active)
    if by_time:
        rows, conditions = _cut(table, rows, by_time, conditions)
    for condition in sorted(conditions, key=lambda c: c[1] not in ("id", "time")):
        rows = _filter(table, rows, condition)
    if not by_time:
        rows = _sorted(rows, query.order)
    elif order[2]:
        rows = rows[::-1]
    if settings["shuffle_ties"] and not query.count:
        rows = _shuffled(rows, by_time, order[2])
    return rows


def _active(query: Query) -> tuple[bool | None, list]:
    """The default filter of name lists, and the conditions that are left."""
    if not query.entity.name_list:
        return None, query.conditions
    asked = [c for c in query.conditions if c[0] == "Active"]
    if not asked:
        return True, query.conditions
    wanted = {True, False}
    for _, _, sign, value in asked:
        wanted &= set(value) if sign == "in" else {value}
    rest = [c for c in query.conditions if c[0] != "Active"]
    if not wanted:
        rest = rest + [("Id", "id", "in", [])]
    return (None if len(wanted) == 2 else True in wanted), rest


def _cut(table, rows, order: str, conditions: list) -> tuple[list, list]:
    """Apply bounds on the order's own time by bisection."""
    low = high = None
    rest = []
    for condition in conditions:
        name, _, sign, value = condition
        if name != order or sign == "in":
            rest.append(condition)
            continue
        whole = value == int(value)
        if sign in (">", ">=", "="):
            bound = int(value) + 1 if sign == ">" or not whole else int(value)
            low = bound if low is None else max(low, bound)
        if sign in ("<", "<=", "="):
            bound = int(value) - 1 if sign == "<" and whole else int(value)
            high = bound if high is None else min(high, bound)
    if low is None and high is None:
        return rows, rest
    first, last = table.between(rows, order, low, high)
    return rows[first:last], rest


def _filter(table, rows: list, condition) -> list:
    name, spec, sign, value = condition
    if spec == "id":
        wanted = {value} if sign == "=" else set(value)
        return [r for r in rows if r.id in wanted]
    test = _test(sign, value)
    if spec == "time":
        return [r for r in rows if test(getattr(r, name))]
    if spec == "ref":
        if name == "CustomerRef":
            return [r for r in rows if test(r.ref)]
        return [r for r in rows if test(r.parse().get(name, {}).get("value", ""))]
    if spec == "email":
        return [r for r in rows if test(r.parse().get(name, {}).get("Address", ""))]
    if spec == "dotted":
        return [r for r in rows if any(test(o[name[1]].get(name[2], "").lower()) for o in r.parse().get(name[0], ()))]
    if spec in ("num", "date"):
        value_of = _reader(name, spec)
        return [r for r in rows if (have := value_of(r)) is not None and test(have)]
    if spec == "str" and sign in ("=", "in"):
        rows = _holding(rows, [value] if sign == "=" else value)
    blank = False if spec == "bool" else ""
    return [r for r in rows if test(r.parse().get(name, blank))]


def _holding(rows: list, values: list) -> list:
    """Records whose text holds one of the values at all: spares parsing the others."""
    texts = [dumps(v).encode("utf-8", "replace") for v in values]
    return [r for r in rows if r.raw or any(t in r.data for t in texts)] if all(values) else rows


def _reader(name: str, spec: str):
    """Reads one number or date straight from a record's text; such names occur once in it."""
    found = re.compile((f'"{name}":' + ("(-?[0-9.]+)" if spec == "num" else '"([0-9-]+)"')).encode()).search
    make = (lambda t: Decimal(t.decode())) if spec == "num" else bytes.decode

    def read(record):
        if record.raw:
            have = record.parse().get(name)
            return have if isinstance(have, str if spec == "date" else (int, Decimal)) else None
        hit = found(record.data)
        return make(hit.group(1)) if hit else None
    return read


def _test(sign: str, value):
    if sign == "like":
        parts = [re.escape(p) for p in value.split("%")]
        pattern = re.compile(".*".join(parts) + r"\Z", re.I | re.S)
        return lambda have: bool(pattern.match(have))
    if sign == "in":
        return lambda have: have in value
    return {"=": lambda have: have == value, "<": lambda have: have < value,
            ">": lambda have: have > value, "<=": lambda have: have <= value,
            ">=": lambda have: have >= value}[sign]


def _key(name: str, spec: str):
    if spec == "time":
        return lambda r: getattr(r, name)
    if spec == "id":
        return lambda r: r.num
    if spec in ("num", "date"):
        read, blank = _reader(name, spec), Decimal(0) if spec == "num" else ""
        return lambda r: blank if (have := read(r)) is None else have
    if spec == "email":
        return lambda r: r.parse().get(name, {}).get("Address", "")
    return lambda r: str(r.parse().get(name, "")).casefold()


def _sorted(rows: list, order: list) -> list:
    rows = list(rows)
    for name, spec, descending in reversed(order):
        rows.sort(key=_key(name, spec), reverse=descending)
    return rows


def _shuffled(rows: list, by_time: str | None, descending: bool) -> list:
    if not by_time:
        return rows
    return sorted(rows, key=lambda r: (getattr(r, by_time) * (-1 if descending else 1), random.random()))
