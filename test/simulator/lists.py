"""Rules of the lists: accounts, classes, locations, payment methods, tax agencies."""

from __future__ import annotations


def standard(change, what: str) -> dict:
    """The account QuickBooks itself uses for something (company value "accounts")."""
    id = change.company.values["accounts"][what]
    return {"value": id, "name": change.get("Account", id)["FullyQualifiedName"]}
