"""Taxes: codes, rates and what they make of a transaction, in the ways companies are taxed.

Company value tax_mode:
    manual      one code for the whole document, on its whole net amount
    us          as manual, on the lines marked TAX
    automated   US: QuickBooks chooses by where the goods go, whatever code is sent
    global      elsewhere: each line has a code, GlobalTaxCalculation says how amounts are meant
    none        no tax
"""

from __future__ import annotations

from decimal import Decimal

from errors import Fault, missing
from jsontext import money

ZERO = Decimal(0)
_NO_CODE = ("Business Validation Error: Make sure all your transactions have a {} rate before you save.")


def mode(change) -> str:
    return change.company.values["tax_mode"]


# -- Codes -----------------------------------------------------------------------

def line_code(change, name: str, key: str) -> dict:
    """The tax code of a line as it is stored."""
    if mode(change) != "global":
        if key not in ("TAX", "NON"):
            raise Fault(6100, name, f"Invalid Line TaxCode in the request. Supplied value:{key}")
        return {"value": key}
    found = change.get("TaxCode", key)
    if found is None or not found["TaxGroup"]:
        raise Fault(2500, name, f"Invalid Reference Id : TaxCodes element id {key} not found")
    if not found["Active"]:
        raise Fault(2500, name, "Invalid Reference Id : Something you're trying to use has been made inactive. "
                    f"TaxCodes element id {key}")
    return {"value": key}


def line(change, obj: dict, detail: dict, was: dict) -> None:
    """The code of a line: asked for where taxes are global, NON by default elsewhere."""
    if mode(change) != "global":
        detail.setdefault("TaxCodeRef", {"value": "NON"})
    elif obj.get("GlobalTaxCalculation") == "NotApplicable" or not _codes(change):
        detail.pop("TaxCodeRef", None)
        detail.pop("TaxInclusiveAmt", None)
        return
    elif "TaxCodeRef" not in detail:
        raise Fault(6000, "", _NO_CODE.format(change.company.values.get("tax_word", "sales tax")))
    if detail["TaxCodeRef"].get("value") != was.get("TaxCodeRef", {}).get("value"):
        detail["TaxCodeRef"] = line_code(change, "Line.TaxCodeRef", detail["TaxCodeRef"].get("value", ""))


def untaxed(change) -> str:
    """The code of a line without tax."""
    if mode(change) != "global":
        return "NON"
    free = [r.id for r in change.company.tables["TaxCode"].by_created if r.obj["TaxGroup"] and not r.obj["Taxable"]]
    return free[0] if free else ""


def _codes(change) -> bool:
    """True when taxes are set up."""
    return any(r.obj["TaxGroup"] for r in change.company.tables["TaxCode"].by_created)


def code_of(change, key: str, name: str = "TxnTaxDetail.TxnTaxCodeRef") -> dict:
    """The tax code with that id; TAX and NON are for lines only."""
    if key == "CustomSalesTax":
        raise Fault(6160, name)
    found = change.get("TaxCode", key)
    if found is None or not found["TaxGroup"]:
        raise Fault(2500, name, f"Invalid Reference Id : TaxCode element id {key} not found")
    return found


def rates(change, code: dict, side: str = "Sales") -> list[tuple[str, Decimal]]:
    """The rates a code is made of: id and percent."""
    return [(id, percent) for id, percent, _ in _details(change, code, side)]


def _details(change, code: dict, side: str) -> list[tuple[str, Decimal, str]]:
    found = sorted(code.get(side + "TaxRateList", {}).get("TaxRateDetail", ()), key=lambda d: d.get("TaxOrder", 0))
    return [(d["TaxRateRef"]["value"], Decimal(change.get("TaxRate", d["TaxRateRef"]["value"])["RateValue"]),
             d["TaxTypeApplicable"]) for d in found]


# -- Documents ---------------------------------------------------------------------

def document(change, obj: dict, old: dict | None, priced: list, discount: Decimal = ZERO, side: str = "Sales") -> Decimal:
    """TxnTaxDetail of a document, from the lines with an amount; returns the tax."""
    asked, how = obj.pop("TxnTaxDetail", None), mode(change)
    if how == "global":
        return _global(change, obj, old, asked, priced, discount, side)
    if side == "Purchase" or how == "none":
        return ZERO
    subtotal = sum((l["Amount"] for l in priced), ZERO)
    net = max(subtotal - discount, ZERO)
    if how in ("us", "automated"):
        if obj.get("GlobalTaxCalculation"):
            raise Fault(5030, "GlobalTaxCalculation", "Feature Not Supported Error : global tax")
        taxed = sum((l["Amount"] for l in priced if _detail(l).get("TaxCodeRef", {}).get("value") == "TAX"), ZERO)
        after = obj.get("ApplyTaxAfterDiscount") and subtotal
        net = max(taxed - (discount * taxed / subtotal if after else ZERO), ZERO)
        if how == "automated":
            return _automated(change, obj, asked, net)
    return _by_group(change, obj, old, asked, net) if asked is not None else ZERO


def _detail(line: dict) -> dict:
    return next((line[k] for k in ("SalesItemLineDetail", "AccountBasedExpenseLineDetail",
                                   "ItemBasedExpenseLineDetail") if k in line), {})


def _by_group(change, obj: dict, old: dict | None, asked: dict, net: Decimal) -> Decimal:
    """Manual tax: a stated TotalTax is honoured, else the code's rates on the net amount."""
    kept = old is not None and asked == old.get("TxnTaxDetail") and old["Line"] != obj["Line"]
    code = asked.get("TxnTaxCodeRef", {}).get("value")
    found = rates(change, code_of(change, code)) if code else []
    for sent in asked.get("TaxLine", ()):
        id = sent.get("TaxLineDetail", {}).get("TaxRateRef", {}).get("value")
        if mode(change) == "us" and id and id not in [r for r, _ in found]:
            raise Fault(6000, "TxnTaxDetail", "Business Validation Error: You can only add one sales tax rate or group "
                        "to a transaction.")
    stated = None if kept and code else asked.get("TotalTax")
    computed = [money(net * percent / 100) for _, percent in found]
    total = money(stated) if stated is not None else sum(computed, ZERO)
    detail: dict = {"TxnTaxCodeRef": {"value": code}} if code else {}
    detail["TotalTax"] = total
    if found:
        computed[-1] += total - sum(computed, ZERO)
        detail["TaxLine"] = [tax_line(rate, percent, amount, net) for (rate, percent), amount in zip(found, computed)]
    obj["TxnTaxDetail"] = detail
    return total


def tax_line(rate: str, percent: Decimal, amount: Decimal, net: Decimal) -> dict:
    return {"Amount": money(amount), "DetailType": "TaxLineDetail",
            "TaxLineDetail": {"TaxRateRef": {"value": rate}, "PercentBased": True,
                              "TaxPercent": percent, "NetAmountTaxable": money(net)}}


def _automated(change, obj: dict, asked: dict | None, net: Decimal) -> Decimal:
    """By the state the goods go to: nothing without an address, for those who are exempt, and where there is no tax."""
    customer = change.get("Customer", obj.get("CustomerRef", {}).get("value", "")) or {}
    address = obj.get("ShipAddr") or obj.get("BillAddr") or {}
    code = change.company.values.get("nexus", {}).get(address.get("CountrySubDivisionCode", "").upper())
    if not customer.get("Taxable", True) or code is None:
        obj["TxnTaxDetail"] = {"TotalTax": ZERO}
        return ZERO
    asked = dict(asked or {}) if change.settings["ast_override"] == "honour" else {}
    asked = {"TxnTaxCodeRef": {"value": code}} | ({"TotalTax": asked["TotalTax"]} if "TotalTax" in asked else {})
    return _by_group(change, obj, None, asked, net)


def _global(change, obj: dict, old: dict | None, asked, priced: list, discount: Decimal, side: str) -> Decimal:
    how, sent = obj.setdefault("GlobalTaxCalculation", "TaxExcluded"), "TxnTaxDetail" in change.sent
    if how == "NotApplicable":
        if sent and asked:
            raise Fault(6170, "TxnTaxDetail")
        return ZERO
    if not _codes(change):          # taxes were never set up
        del obj["GlobalTaxCalculation"]
        return ZERO
    if not sent and asked and old and old["Line"] == obj["Line"] and how == old.get("GlobalTaxCalculation"):
        obj["TxnTaxDetail"] = asked
        return asked["TotalTax"]
    found = _by_rate(change, priced, discount, side, how)
    if sent and asked:
        _override(found, asked.get("TaxLine", ()))
    total = sum((money(tax) for _, _, tax in found.values()), ZERO)
    obj["TxnTaxDetail"] = {"TotalTax": total, "TaxLine": [
        tax_line(id, percent, tax, net) for id, (percent, net, tax) in sorted(found.items(), key=lambda f: int(f[0]))]}
    return total


def _by_rate(change, priced: list, discount: Decimal, side: str, how: str) -> dict[str, tuple]:
    """Rate id -> percent, net amount, tax of all lines; a discount lessens all lines alike."""
    subtotal = sum((l["Amount"] for l in priced), ZERO)
    share = (subtotal - discount) / subtotal if subtotal else ZERO
    found: dict[str, tuple] = {}
    for entry in priced:
        detail = _detail(entry)
        code = code_of(change, detail["TaxCodeRef"]["value"])
        parts = _details(change, code, side)
        if not parts:
            raise Fault(6470, "Line.TaxCodeRef", f"Tax not allowed : {code['Name']} is not for {side.lower()}.")
        net, before = entry["Amount"] * share, ZERO
        for id, percent, kind in parts:
            base = {"TaxOnAmountPlusTax": net + before, "TaxOnTax": before}.get(kind, net)
            before += base * percent / 100
            percent, had, tax = found.get(id, (percent, ZERO, ZERO))
            found[id] = (percent, had + base, tax + base * percent / 100)
        if how == "TaxInclusive":
            detail["TaxInclusiveAmt"] = money(entry["Amount"] + before)
    return found


def _override(found: dict[str, tuple], lines: list) -> None:
    """Amounts a client states for rates that are on the document; they are believed, also when they are stale."""
    for entry in lines:
        id = entry.get("TaxLineDetail", {}).get("TaxRateRef", {}).get("value")
        if id not in found:
            raise Fault(6470, "TxnTaxDetail.TaxLine", "Tax not allowed : the tax rate is not on any line.")
        if "Amount" in entry:
            found[id] = (*found[id][:2], entry["Amount"])


# -- The tax service -----------------------------------------------------------------

def new_code(change, body: dict) -> dict:
    """POST /taxservice/taxcode: a code with its rates, new ones and others that are there."""
    if mode(change) == "automated":
        raise Fault(5030, "", "Feature Not Supported Error : sales tax is automated")
    name, details = body.get("TaxCode"), body.get("TaxRateDetails")
    if not isinstance(name, str) or not name:
        raise missing("TaxCode")
    if not isinstance(details, list) or not details:
        raise missing("TaxRateDetails")
    _free(change, "TaxCode", name)
    parts, told = [], []
    for detail in details:
        rate = _rate(change, detail)
        if rate["Id"] in [p["Id"] for p in parts]:
            raise Fault(2600, "TaxRateDetails", "Conflicting elements in request : a rate is there twice")
        parts.append(rate)
        told.append({"TaxRateName": rate["Name"], "TaxRateId": rate["Id"], "RateValue": rate["RateValue"],
                     "TaxAgencyId": rate["AgencyRef"]["value"], "TaxApplicableOn": detail.get("TaxApplicableOn", "Sales")})
    sides = {side: {"TaxRateDetail": [
        {"TaxRateRef": {"value": p["Id"], "name": p["Name"]}, "TaxTypeApplicable": "TaxOnAmount", "TaxOrder": 0}
        for p, t in zip(parts, told) if t["TaxApplicableOn"] == side]} for side in ("Sales", "Purchase")}
    code = _add(change, "TaxCode", {"Name": name, "Description": name, "Active": True, "Hidden": False, "Taxable": True,
                                    "TaxGroup": True, "TaxCodeConfigType": "USER_DEFINED",
                                    "SalesTaxRateList": sides["Sales"], "PurchaseTaxRateList": sides["Purchase"]})
    return {"TaxCode": name, "TaxCodeId": code["Id"], "TaxRateDetails": told}


def _rate(change, detail: dict) -> dict:
    if "TaxRateId" in detail:
        found = change.get("TaxRate", str(detail["TaxRateId"]))
        if found is None:
            raise Fault(2500, "TaxRateId", f"Invalid Reference Id : TaxRate element id {detail['TaxRateId']} not found")
        return found
    for name in ("TaxRateName", "RateValue", "TaxAgencyId"):
        if detail.get(name) in (None, ""):
            raise missing(name)
    agency = str(detail["TaxAgencyId"])
    if change.get("TaxAgency", agency) is None:
        raise Fault(2500, "TaxAgencyId", f"Invalid Reference Id : TaxAgency element id {agency} not found")
    percent = Decimal(str(detail["RateValue"]))
    if not 0 <= percent <= 100:
        raise Fault(2150, "RateValue", f"Invalid percent. Supplied value:{percent}")
    _free(change, "TaxRate", detail["TaxRateName"])
    return _add(change, "TaxRate", {
        "Name": detail["TaxRateName"], "Description": detail["TaxRateName"], "Active": True, "RateValue": percent,
        "AgencyRef": {"value": agency}, "SpecialTaxType": "NONE", "DisplayType": "ReadOnly",
        "EffectiveTaxRate": [{"RateValue": percent, "EffectiveDate": "2013-01-01T00:00:00-08:00"}]})


def _free(change, entity: str, name: str) -> None:
    if (entity, change.company.fold(name)) in change.company.names:
        raise Fault(6240, "Name", "The name supplied already exists.")


def _add(change, entity: str, fields: dict) -> dict:
    obj = change.add(entity, {"Id": "", "SyncToken": "0", "domain": "QBO", "sparse": False, "MetaData": {}})
    obj.update(fields)
    return obj
