"""Currencies: the company's list, exchange rates by day, amounts at home."""

from __future__ import annotations

from decimal import Decimal

from clock import is_date, today
from errors import Fault, missing
from jsontext import copy, money, plain
from rules import Rules

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


def multiple(company) -> bool:
    return company.preference("CurrencyPrefs", "MultiCurrencyEnabled", False)


# -- Names and transactions ------------------------------------------------------

def of_name(change, obj: dict, old: dict | None) -> None:
    """The currency of a customer, vendor or account: home by default, never changed; a new one joins the list."""
    company, own = change.company, home(change.company)
    code = obj.setdefault("CurrencyRef", {"value": own})["value"]
    if code != own and not multiple(company):
        raise Fault(6000, "CurrencyRef", f"Business Validation Error: Invalid Currency: {code} is not "
                    "the currency of the company, and multicurrency is off")
    if old is None or code != old.get("CurrencyRef", {}).get("value"):
        obj["CurrencyRef"] = reference(change, "CurrencyRef", code)
    if old is None and code != own and not any(
            r.obj["Code"] == code for r in company.tables["CompanyCurrency"].by_created):
        _added(change, "CompanyCurrency", {"Code": code, "Name": name_of(company, code), "Active": True})
        _own_accounts(change, code)


def _added(change, entity: str, fields: dict) -> dict:
    new = change.add(entity, {"Id": "", "SyncToken": "0", "domain": "QBO", "sparse": False, "MetaData": {}})
    new.update(fields)
    return new


def _own_accounts(change, code: str) -> None:
    """Receivables and payables in a currency that is new."""
    held = change.company.values["accounts"]
    for what in ("receivable", "payable"):
        if change.get("Account", held.get(f"{what} {code}", "")):
            continue
        like = change.get("Account", held[what])
        name = f"{like['Name']} - {code}"
        new = _added(change, "Account", {k: like[k] for k in ("Classification", "AccountType", "AccountSubType")} | {
            "Name": name, "FullyQualifiedName": name, "SubAccount": False, "Active": True, "CurrentBalance": Decimal(0),
            "CurrentBalanceWithSubAccounts": Decimal(0), "CurrencyRef": reference(change, "CurrencyRef", code)})
        held[f"{what} {code}"] = new["Id"]


_MISMATCH = ("Business Validation Error: Invalid Currency: The currency of the transaction is invalid for customer / "
             "vendor / account.")


def transaction(change, obj: dict, name: dict | None, ui: bool) -> None:
    """Currency and rate of a transaction: the currency is its name's, the rate the list's of its day."""
    company = change.company
    if multiple(company) and "CurrencyRef" not in obj and not ui:
        raise missing("CurrencyRef")
    own = name["CurrencyRef"]["value"] if name else obj.get("CurrencyRef", {}).get("value", home(company))
    code = obj.setdefault("CurrencyRef", {"value": own})["value"]
    if code != own or (code != home(company) and not multiple(company)):
        raise Fault(6000, "CurrencyRef", _MISMATCH)
    obj["CurrencyRef"] = copy(name["CurrencyRef"]) if name else reference(change, "CurrencyRef", code)
    if not multiple(company):
        if obj.pop("ExchangeRate", 1) != 1:
            raise Fault(5030, "ExchangeRate", "Feature Not Supported Error : multicurrency is off")
        return
    if code == home(company):
        obj["ExchangeRate"] = Decimal(1)
    elif "ExchangeRate" not in obj:
        found = _on(company, code, obj["TxnDate"])
        obj["ExchangeRate"] = plain(Decimal(found.obj["Rate"])) if found else Decimal(1)
    elif not obj["ExchangeRate"] > 0:
        raise Fault(2240, "ExchangeRate", f"Number out of range. Supplied value:{obj['ExchangeRate']}")
    else:
        obj["ExchangeRate"] = plain(obj["ExchangeRate"])


def check_account(change, obj: dict, name: str) -> None:
    """Money goes to an account in its own currency, or at home."""
    account = change.get("Account", obj[name]["value"])
    code = account.get("CurrencyRef", {}).get("value", home(change.company))
    if code not in (home(change.company), obj["CurrencyRef"]["value"]):
        raise Fault(6000, name, "Business Validation Error: Select an account with the same currency as the transaction currency.")


def home_amounts(change, obj: dict) -> None:
    """HomeTotalAmt and HomeBalance, where there are several currencies."""
    if "ExchangeRate" not in obj or not multiple(change.company):
        return
    obj["HomeTotalAmt"] = money(obj["TotalAmt"] * obj["ExchangeRate"])
    if "Balance" in obj and "DueDate" in obj or "RemainingCredit" in obj:
        obj["HomeBalance"] = money(obj["Balance"] * obj["ExchangeRate"])


def posted(obj: dict, postings: list) -> list:
    """Debits (positive) and credits on accounts, for Rules.owes(): keys say the currency and the rate."""
    code, rate = obj.get("CurrencyRef", {}).get("value", ""), obj.get("ExchangeRate", 1)
    return [(("Account", account, code, rate), amount) for account, amount in postings if amount]


# -- Rates -------------------------------------------------------------------------

def rate(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """POST /exchangerate: the rate of one day."""
    company = change.company
    if not multiple(company):
        raise Fault(5030, "", "Feature Not Supported Error : multicurrency is off")
    if obj["SourceCurrencyCode"] not in NAMES or obj["SourceCurrencyCode"] == home(company):
        raise Fault(2220, "SourceCurrencyCode", f"Invalid currency. Supplied value:{obj['SourceCurrencyCode']}")
    if obj.setdefault("TargetCurrencyCode", home(company)) != home(company):
        raise Fault(2220, "TargetCurrencyCode", f"Invalid currency. Supplied value:{obj['TargetCurrencyCode']}")
    if not obj["Rate"]:
        raise Fault(2240, "Rate", "Number out of range. Supplied value:0")
    obj["Rate"] = plain(obj["Rate"])


def _on(company, code: str, date: str):
    rows = [r for r in company.tables["ExchangeRate"].by_created if r.id[:3] == code and r.id[4:] <= date]
    return max(rows, key=lambda r: r.id) if rows else None


def read(company, code: str, date: str, now: float):
    """The record of the rate that holds on a day: that day's, or the last one before it."""
    if not code:
        raise missing("sourcecurrencycode")
    if date and not is_date(date):
        raise Fault(2060, "asofdate", f"Invalid date format. Supplied value:{date[:60]}")
    if code not in NAMES:
        raise Fault(2220, "sourcecurrencycode", f"Invalid currency. Supplied value:{code[:60]}")
    date = date or today(now, company.single("CompanyInfo").get("DefaultTimeZone", "UTC"))
    found = _on(company, code, date)
    if found is None:
        raise Fault(610, "sourcecurrencycode")
    return found


# -- The list ----------------------------------------------------------------------

def currency(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    """A currency of the company's list."""
    company = change.company
    if not multiple(company):
        raise Fault(5030, "", "Feature Not Supported Error : multicurrency is off")
    if obj["Code"] not in NAMES:
        raise Fault(2220, "Code", f"Invalid currency. Supplied value:{obj['Code']}")
    obj["Name"] = name_of(company, obj["Code"])
    obj.setdefault("Active", True)
    if not old and ("CompanyCurrency", company.fold(obj["Code"])) in company.names:
        raise Fault(6240, "Code", "The name supplied already exists.")
    if not obj["Active"] and obj["Code"] == home(company):
        raise Fault(6000, "Active", "Business Validation Error: The home currency cannot be made inactive.")


CURRENCY = Rules(currency)
RATE = Rules(rate)
