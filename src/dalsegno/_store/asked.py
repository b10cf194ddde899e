"""What people ask for, checked and put in: names, numbers, and changes of which only some fields are given."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from dalsegno.exceptions import InvalidRequest

S = TypeVar("S", bound=msgspec.Struct)

MOST = 2**31 - 1
"""Of numbers that people give."""


def changed(before: S, change: msgspec.Struct) -> S:
    """Return a struct with the fields of a change that are not UNSET in their place."""
    given = {name: getattr(change, name) for name in change.__struct_fields__}
    return msgspec.structs.replace(before, **{k: v for k, v in given.items() if v is not msgspec.UNSET})


def check_name(kind: str, name: str) -> None:
    """Raise InvalidRequest for what a flow, deployment, work pool or queue cannot be called."""
    if not 0 < len(name) <= 255 or any(letter in name for letter in "/%&<>"):
        raise InvalidRequest(f"A {kind} cannot be called {name!r}: a name has 1 to 255 characters, none of / % & < >.")


def check_priority(priority: int) -> None:
    """Raise InvalidRequest for a priority of runs that cannot be."""
    if not -MOST <= priority <= MOST:
        raise InvalidRequest(f"A priority of {priority} cannot be: it is between -{MOST} and {MOST}.")
