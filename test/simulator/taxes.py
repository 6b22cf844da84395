"""Taxes: codes, rates and what they make of a transaction."""

from __future__ import annotations

from decimal import Decimal

from errors import Fault


def line_code(change, name: str, key: str) -> dict:
    """The tax code of a line."""
    if key not in ("TAX", "NON"):
        raise Fault(6100, name, f"Invalid Line TaxCode in the request. Supplied value:{key}")
    return {"value": key}


def code_of(change, key: str, name: str = "TxnTaxDetail.TxnTaxCodeRef") -> dict:
    """The tax code with that id; TAX and NON are for lines only."""
    found = change.get("TaxCode", key)
    if found is None or not found["TaxGroup"]:
        raise Fault(2500, name, f"Invalid Reference Id : TaxCode element id {key} not found")
    return found


def rates(change, code: dict, side: str = "SalesTaxRateList") -> list[tuple[str, Decimal]]:
    """The rates a code is made of: id and percent."""
    details = code.get(side, {}).get("TaxRateDetail", ())
    found = [detail["TaxRateRef"]["value"] for detail in details]
    return [(id, Decimal(change.get("TaxRate", id)["RateValue"])) for id in found]
