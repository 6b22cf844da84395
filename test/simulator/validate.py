"""Plain validation of a request body against the entity table.

clean() returns the writable part of a body: unknown properties are refused,
read-only ones dropped, nulls treated like omitted ones (switch sparse_null),
types, lengths and characters checked.  Empty strings stay: they clear a field in
an update (switch sparse_empty).
"""

from __future__ import annotations

import re
from decimal import Decimal

from clock import is_date
from entities import COMMON, Entity
from errors import Fault, missing, unknown_property
from jsontext import dumps

# RFC 822: atoms with dots between them, at, labels with dots between them; ASCII only.
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
                      r"@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\Z")
# What no text may hold: control characters, halves of surrogate pairs, U+FFFE and U+FFFF.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_NOT_IN_NAMES = re.compile(r"[:\t\n\r]")
_NO_VALUE = {"Id", "Tag", "Default"}        # members that make no value by themselves
_URL = re.compile(r"(https?://)?[^\s/:.]+(\.[^\s/:.]+)+(:\d+)?(/\S*)?\Z", re.I)


def clean(entity: Entity, body: dict, settings: dict) -> dict:
    result = {}
    sparse = body.get("sparse")
    if sparse is not None and not isinstance(sparse, bool):
        raise Fault(2230, "sparse", f"Invalid boolean. Supplied value:{dumps(sparse)[:60]}")
    keep_null = sparse is True and settings["sparse_null"] == "clear"
    find = entity.fields.get
    for name, value in body.items():
        spec = find(name)
        if spec is None:
            spec = COMMON.get(name)
            if spec is None:
                raise unknown_property(name, f" (class com.intuit.schema.finance.v3.{entity.name})")
            if name != "Id" and name != "SyncToken":
                continue
        if spec.read_only:
            continue
        if value is not None:
            result[name] = _CHECKS[spec.kind](name, spec, value, settings)
        elif keep_null:
            result[name] = ""
    return result


def check_required(entity: Entity, obj: dict) -> None:
    for name in entity.required:
        if is_empty(obj.get(name)):
            raise missing(name)


def is_empty(value) -> bool:
    """True for what means "no value": "", {}, {"Address": ""}.  An empty list is a value."""
    if type(value) is dict:
        for name, inner in value.items():
            if name not in _NO_VALUE and not is_empty(inner):
                return False
        return True
    return value is None or value == ""


def _text(name, spec, value, settings):
    if not isinstance(value, str):
        raise Fault(2010, name, f"Property Name:Can not deserialize value {dumps(value)[:60]} as text "
                                f"for property {name}")
    if _ILLEGAL.search(value):
        raise Fault(2040, name, f"Invalid String. {name} holds characters that are not allowed.")
    if not value.isascii():
        value = _characters(name, value, settings["characters"])
    if spec.max and len(value) > spec.max:
        raise too_long(name, spec.max, len(value))
    return _FORMS[spec.form](name, value, settings) if spec.form else value


def too_long(name: str, longest: int, length: int) -> Fault:
    return Fault(2050, name, "String length specified does not match the supported length. "
                 f"Min:0 supported. Max:{longest:,} supported. Supplied length:{length:,}")


def _characters(name: str, value: str, allowed: str) -> str:
    """The character set of the company (switch characters)."""
    if allowed == "any" or (allowed == "bmp" and max(value) <= "\uffff"):
        return value
    if allowed == "latin1_altered":
        return value.encode("latin-1", "replace").decode("latin-1")
    if allowed == "bmp" or max(value) > "\xff":
        raise Fault(2040, name, f"Invalid String. {name} holds characters that are not allowed.")
    return value


def _name(name, value, settings):
    if _NOT_IN_NAMES.search(value):
        raise Fault(2040, name, f"Invalid String. {name} must not hold a colon, tab or line break.")
    return value.strip()


def _account_name(name, value, settings):
    if '"' in value:
        raise Fault(2040, name, f"Invalid String. {name} must not hold a quotation mark.")
    return _name(name, value, settings)


def _email(name, value, settings):
    """One address, or several with commas between them."""
    if _ADDRESS.match(value):
        return value
    parts = value.split(",")
    if value and not all(_ADDRESS.match(part.strip(" ")) for part in parts):
        if len(parts) > 1 and settings["email_list_fault"] == "6000":
            raise Fault(6000, name, "Business Validation Error: Error validating Email Address: addresses must be "
                        "comma separated and valid.")
        raise Fault(2210, name, "Email Address does not conform to the syntax rules of RFC 822. "
                    f"Supplied value:{value}")
    return value


def _phone(name, value, settings):
    if len(value) > settings["phone_length"]:
        raise too_long(name, settings["phone_length"], len(value))
    return value


def _url(name, value, settings):
    if value and not _URL.match(value):
        raise Fault(2200, name, f"Malformed website address. Supplied value:{value}")
    return value if not value or "://" in value else "http://" + value


_FORMS = {"name": _name, "account": _account_name, "email": _email, "phone": _phone, "url": _url}


def _bool(name, spec, value, settings):
    if not isinstance(value, bool):
        raise Fault(2230, name, f"Invalid boolean. Supplied value:{dumps(value)[:60]}")
    return value


def _num(name, spec, value, settings):
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Fault(2080, name, f"Invalid number format. Supplied value:{dumps(value)[:60]}")
    value = Decimal(value)
    if value.adjusted() > 14 or value.as_tuple().exponent < -15:
        raise Fault(2110, name, f"Invalid decimal. Too many digits in {name}.")
    if (spec.low is not None and value < spec.low) or abs(value) > spec.high:
        raise Fault(2240, name, f"Number out of range. Supplied value:{format(value, 'f')}")
    return value


def _int(name, spec, value, settings):
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Fault(2080, name, f"Invalid number format. Supplied value:{dumps(value)[:60]}")
    if not spec.low <= value <= spec.high:
        raise Fault(2240, name, f"Number out of range. Supplied value:{value}")
    return value


def _date(name, spec, value, settings):
    value = _text(name, spec, value, settings)
    if value and not is_date(value):
        raise Fault(2060, name, f"Invalid date format. Supplied value:{value[:60]}")
    return value


def _enum(name, spec, value, settings):
    value = _text(name, spec, value, settings)
    if value and value not in spec.values:
        raise Fault(2170, name, f"Invalid Enumeration : {value[:60]}")
    return value


def _object(name, spec, value, settings):
    if not isinstance(value, dict):
        raise Fault(2010, name, f"Property Name:Can not deserialize {dumps(value)[:60]} as an object "
                                f"for property {name}")
    result = {}
    for key, inner in value.items():
        member = spec.members.get(key)
        if member is None:
            raise unknown_property(key, f" in {name}")
        if inner is not None and not member.read_only:
            result[key] = _CHECKS[member.kind](f"{name}.{key}", member, inner, settings)
    for key in spec.required:
        if is_empty(result.get(key)):
            raise missing(f"{name}.{key}")
    return result


def _address(name, spec, value, settings):
    result = _object(name, spec, value, settings)
    length = sum(len(result.get(line, "")) for line in ("Line1", "Line2", "Line3", "Line4", "Line5"))
    if length > 2000:
        raise too_long(f"{name}.Line1", 2000, length)
    return result


def _ref(name, spec, value, settings):
    value = _object(name, spec, value, settings)
    return {"value": value.get("value", "")}


def _shiplike_ref(name, spec, value, settings):
    return _object(name, spec, value, settings) if spec.target in ("free", "entity") else _ref(name, spec, value, settings)


def _list(name, spec, value, settings):
    if not isinstance(value, list):
        raise Fault(2010, name, f"Property Name:Can not deserialize {dumps(value)[:60]} as a list "
                                f"for property {name}")
    if len(value) > 10000:
        raise Fault(2240, name, f"{name} has more than 10,000 entries")
    return [_object(name, spec, v, settings) for v in value]


_CHECKS = {"str": _text, "bool": _bool, "num": _num, "int": _int, "date": _date, "enum": _enum,
           "obj": _object, "ref": _shiplike_ref, "list": _list, "any": lambda n, s, v, x: v, "address": _address}
