"""What the entity table's `rules` name: the behaviour of one entity in writes."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """complete(change, obj, old, include, ui) checks an object and computes its values.

    created(change, obj) gives what QuickBooks makes along with it: (entity, body) each;
    follow(change, obj, old) comes after an update, delete(change, obj) before a
    deletion, void(change, obj) makes a void; where one is missing there is nothing to
    do, or (delete by the flag of the table, void) no such operation.  owes(obj) gives
    the balances the object moves: (entity, id, amount) each.
    """

    complete: Callable
    created: Callable | None = None
    follow: Callable | None = None
    delete: Callable | None = None
    void: Callable | None = None
    void_by: str = ""               # "operation", "include" or both: how the API asks for a void
    owes: Callable | None = None


@functools.cache
def of(named: str) -> Rules | None:
    """The Rules of an entity ("sales.INVOICE")."""
    if not named:
        return None
    module, _, name = named.partition(".")
    return getattr(importlib.import_module(module), name)
