"""Currencies: the company's list, exchange rates by day, amounts at home."""

from __future__ import annotations

from clock import is_date, today
from errors import Fault, missing

# Code -> name in English, in French.
NAMES = {"CAD": ("Canadian Dollar", "Dollar canadien"), "USD": ("United States Dollar", "Dollar américain"),
         "EUR": ("Euro", "Euro"), "GBP": ("British Pound Sterling", "Livre sterling"),
         "CHF": ("Swiss Franc", "Franc suisse"), "AUD": ("Australian Dollar", "Dollar australien"),
         "NZD": ("New Zealand Dollar", "Dollar néo-zélandais"), "JPY": ("Japanese Yen", "Yen japonais"),
         "SEK": ("Swedish Krona", "Couronne suédoise"), "MXN": ("Mexican Peso", "Peso mexicain")}


def home(company) -> str:
    return company.preference("CurrencyPrefs", "HomeCurrency")["value"]


def name_of(company, code: str) -> str:
    return NAMES[code][company.single("CompanyInfo").get("SupportedLanguages", "").startswith("fr")]


def reference(change, name: str, code: str) -> dict:
    if code not in NAMES:
        raise Fault(2220, name, f"Invalid currency. Supplied value:{code[:60]}")
    return {"value": code, "name": name_of(change.company, code)}


def read(company, code: str, date: str, now: float):
    """The record of the rate that holds on a day: that day's, or the last one before it."""
    if not code:
        raise missing("sourcecurrencycode")
    if date and not is_date(date):
        raise Fault(2060, "asofdate", f"Invalid date format. Supplied value:{date[:60]}")
    if code not in NAMES:
        raise Fault(2220, "sourcecurrencycode", f"Invalid currency. Supplied value:{code[:60]}")
    date = date or today(now, company.single("CompanyInfo").get("DefaultTimeZone", "UTC"))
    rows = [r for r in company.tables["ExchangeRate"].by_created if r.id[:3] == code and r.id[4:] <= date]
    if not rows:
        raise Fault(610, "sourcecurrencycode")
    return max(rows, key=lambda r: r.id)
