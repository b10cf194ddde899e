"""From the options of `ls` to a filter."""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.cli import times
from dalsegno.cli.failures import CommandError
from dalsegno.model.states import STATE_CODES, STATE_NAMES, StateType

NAMES = {name.lower(): name for names in STATE_NAMES.values() for name in names}
TYPES = {type_.value.lower(): type_ for type_ in StateType}


def state_filter(words: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the codes of types and the names of states that words like ``"failed"`` or ``"TimedOut"`` mean.

    A word that is a type means all states of that type; beside other words, those with its usual names.
    """
    parts = [part.strip() for word in words for part in word.split(",") if part.strip()]
    types = [TYPES[part.lower()] for part in parts if part.lower() in TYPES]
    names = [NAMES.get(part.lower(), part) for part in parts if part.lower() not in TYPES]
    if types and names:
        names += [name for type_ in types for name in STATE_NAMES[type_]]
        return [], names
    return [STATE_CODES[type_] for type_ in types], names


def since_filter(text: str | None) -> int | None:
    """Return the time that `--since` names."""
    return None if text is None else times.parse_since(text, times.now())


def check_limit(limit: int) -> int:
    """Return the limit, which must be at least 1."""
    if limit < 1:
        raise CommandError(f"--limit must be at least 1, not {limit}.")
    return limit
