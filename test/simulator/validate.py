"""Plain validation of a request body against the entity table.

clean() returns the writable part of a body: unknown properties are refused,
read-only ones dropped, nulls treated like omitted ones, types and lengths
checked.  Empty strings stay: they clear a field in an update.
"""

from __future__ import annotations

import re
from decimal import Decimal

from clock import is_date
from entities import COMMON, Entity, Field
from errors import Fault, missing, unknown_property
from jsontext import dumps

_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+\.[^\s@,;<>\".]+\Z")
_URL = re.compile(r"(https?://)?[^\s/:.]+(\.[^\s/:.]+)+(:\d+)?(/\S*)?\Z", re.I)


def clean(entity: Entity, body: dict) -> dict:
    result = {}
    for name, value in body.items():
        spec = entity.get(name)
        if spec is None:
            raise unknown_property(name, f" (class com.intuit.schema.finance.v3.{entity.name})")
        if value is None or spec.read_only or (name in COMMON and name not in ("Id", "SyncToken")):
            continue
        result[name] = value_of(name, spec, value)
    return result


def check_required(entity: Entity, obj: dict) -> None:
    for name, spec in entity.fields.items():
        if "!" in spec.flags and is_empty(obj.get(name)):
            raise missing(name)


def is_empty(value) -> bool:
    """True for what means "no value": "", {}, {"Address": ""}.  An empty list is a value."""
    if isinstance(value, dict):
        return all(is_empty(v) for k, v in value.items() if k not in ("Id", "Tag", "Default"))
    return value is None or value == ""


def value_of(name: str, spec: Field, value):
    return _CHECKS[spec.kind](name, spec, value)


def _text(name, spec, value):
    if not isinstance(value, str):
        raise Fault(2010, name, f"Property Name:Can not deserialize value {dumps(value)[:60]} as text "
                                f"for property {name}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Fault(2040, name, f"Invalid String. {name} holds half a surrogate pair.") from None
    if "\x00" in value:
        raise Fault(2040, name)
    if spec.max and len(value) > spec.max:
        raise Fault(2050, name, "String length specified does not match the supported length. "
                    f"Min:0 supported. Max:{spec.max:,} supported. Supplied length:{len(value):,}")
    return _FORMS[spec.form](name, value) if spec.form else value


def _name(name, value):
    if any(c in value for c in ":\t\n\r"):
        raise Fault(2040, name, f"Invalid String. {name} must not hold a colon, tab or line break.")
    return value.strip()


def _email(name, value):
    if value and not all(_ADDRESS.match(part.strip()) for part in value.split(",")):
        raise Fault(2210, name, "Email Address does not conform to the syntax rules of RFC 822. "
                    f"Supplied value:{value}")
    return value


def _url(name, value):
    if value and not _URL.match(value):
        raise Fault(2200, name, f"Malformed website address. Supplied value:{value}")
    return value if not value or "://" in value else "http://" + value


_FORMS = {"name": _name, "email": _email, "url": _url}


def _bool(name, spec, value):
    if not isinstance(value, bool):
        raise Fault(2230, name, f"Invalid boolean. Supplied value:{dumps(value)[:60]}")
    return value


def _num(name, spec, value):
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Fault(2080, name, f"Invalid number format. Supplied value:{dumps(value)[:60]}")
    value = Decimal(value)
    if value.adjusted() > 14 or value.as_tuple().exponent < -15:
        raise Fault(2110, name, f"Invalid decimal. Too many digits in {name}.")
    if (spec.low is not None and value < spec.low) or abs(value) > spec.high:
        raise Fault(2240, name, f"Number out of range. Supplied value:{format(value, 'f')}")
    return value


def _int(name, spec, value):
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Fault(2080, name, f"Invalid number format. Supplied value:{dumps(value)[:60]}")
    if not spec.low <= value <= spec.high:
        raise Fault(2240, name, f"Number out of range. Supplied value:{value}")
    return value


def _date(name, spec, value):
    value = _text(name, spec, value)
    if value and not is_date(value):
        raise Fault(2060, name, f"Invalid date format. Supplied value:{value[:60]}")
    return value


def _enum(name, spec, value):
    value = _text(name, spec, value)
    if value and value not in spec.values:
        raise Fault(2170, name, f"Invalid Enumeration : {value[:60]}")
    return value


def _object(name, spec, value):
    if not isinstance(value, dict):
        raise Fault(2010, name, f"Property Name:Can not deserialize {dumps(value)[:60]} as an object "
                                f"for property {name}")
    result = {}
    for key, inner in value.items():
        member = spec.members.get(key)
        if member is None:
            raise unknown_property(key, f" in {name}")
        if inner is not None and not member.read_only:
            result[key] = value_of(f"{name}.{key}", member, inner)
    for key, member in spec.members.items():
        if "!" in member.flags and is_empty(result.get(key)):
            raise missing(f"{name}.{key}")
    return result


def _ref(name, spec, value):
    value = _object(name, spec, value)
    return {"value": value.get("value", "")}


def _shiplike_ref(name, spec, value):
    return _object(name, spec, value) if spec.target == "free" else _ref(name, spec, value)


def _list(name, spec, value):
    if not isinstance(value, list):
        raise Fault(2010, name, f"Property Name:Can not deserialize {dumps(value)[:60]} as a list "
                                f"for property {name}")
    if len(value) > 10000:
        raise Fault(2240, name, f"{name} has more than 10,000 entries")
    return [_object(name, spec, v) for v in value]


_CHECKS = {"str": _text, "bool": _bool, "num": _num, "int": _int, "date": _date, "enum": _enum,
           "obj": _object, "ref": _shiplike_ref, "list": _list, "any": lambda n, s, v: v}
