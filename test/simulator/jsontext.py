"""JSON and XML text.

Amounts are decimal.Decimal inside and leave as JSON numbers digit by digit,
never through a binary float.  Three ways to print a number (the switch
`number_style`): `documented` (100.10, 0), `short` (100.1, 100), `java`
(100.1, 100.0).
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from xml.sax.saxutils import escape

CENT = Decimal("0.01")


def money(value) -> Decimal:
    """A value rounded to cents, half up, as the service does."""
    return Decimal(value).quantize(CENT, rounding="ROUND_HALF_UP")


def number(value: Decimal, style: str = "documented") -> str:
    if not value:
        return "0.0" if style == "java" else "0"
    text = format(value, "f")
    if style == "documented":
        return text
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if style == "java" and "." not in text:
        text += ".0"
    return text


def plain(value: Decimal) -> Decimal:
    """A quantity or a price without trailing zeros: 12.00 becomes 12."""
    value = Decimal(value).normalize()
    return value.quantize(Decimal(1)) if value.as_tuple().exponent > 0 else value


# Decimals leave digit by digit: the encoder written in C gets them as marked
# texts, whose quotes and marks are taken off afterwards.  No other text holds
# the mark: control characters are refused on the way in.
_MARKED = re.compile(r'"\\u0001([^"]*)"')


def _encoder(style: str):
    def decimal(value):
        if type(value) is not Decimal:
            raise TypeError(f"cannot print {type(value).__name__}")
        if not value and style != "java":
            return 0
        return "\x01" + number(value, style)
    make = json.encoder.c_make_encoder      # made once here: JSONEncoder makes one for each call
    if make is None:
        return json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), default=decimal).encode
    encode = make(None, decimal, json.encoder.encode_basestring, None, ":", ",", False, False, True)
    return lambda value: "".join(encode(value, 0))


_ENCODERS = {style: _encoder(style) for style in ("documented", "short", "java")}


def dumps(value, style: str = "documented") -> str:
    text = _ENCODERS[style](value)
    return _MARKED.sub(r"\1", text) if '"\\u0001' in text else text


def _refuse_constant(text: str):
    raise ValueError(f"{text} is not JSON")


def loads(text):
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)


_NESTED = (dict, list)


def copy(value):
    """A deep copy of JSON-like data (much faster than copy.deepcopy)."""
    if type(value) is dict:
        return {k: copy(v) if type(v) in _NESTED else v for k, v in value.items()}
    if type(value) is list:
        return [copy(v) for v in value]
    return value


def to_xml(answer: dict) -> bytes:
    """The XML a client gets when it does not ask for JSON."""
    when = answer.get("time", "")
    parts = [_element(k, v) for k, v in answer.items() if k != "time" and v is not None]
    return ('<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
            f'<IntuitResponse time="{escape(str(when))}" '
            'xmlns="http://schema.intuit.com/finance/v3">'
            + "".join(parts) + "</IntuitResponse>").encode()


def _element(name: str, value) -> str:
    if isinstance(value, list):
        return "".join(_element(name, v) for v in value)
    if isinstance(value, dict):
        inner = "".join(_element(k, v) for k, v in value.items() if v is not None)
        return f"<{name}>{inner}</{name}>"
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, Decimal):
        value = number(value)
    return f"<{name}>{escape(str(value))}</{name}>"
