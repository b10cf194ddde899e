"""Checks of the options that decorators take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, cast


class NotSet:
    """The type of `not_set`: an option that was not given, where None means something."""

    def __repr__(self) -> str:
        return "NotSet"

    def __bool__(self) -> bool:
        return False


not_set: Final = NotSet()


def check_hooks(option: str, fns: Any) -> tuple[Callable[..., Any], ...]:
    """Return hooks as a tuple. Raises TypeError for what is no list, or holds what cannot be called."""
    if fns is None:
        return ()
    if isinstance(fns, str) or not isinstance(fns, Sequence):
        raise TypeError(
            f"{option} must be a list of functions, not {fns!r} of type {type(fns).__name__}. "
            f"For one hook write {option}=[my_hook]."
        )
    listed = cast("Sequence[Any]", fns)
    for fn in listed:
        if not callable(fn):
            raise TypeError(f"{option} holds {fn!r} of type {type(fn).__name__}, which cannot be called.")
    return tuple(listed)


def check_timeout(seconds: Any, kind: str, name: str) -> float | None:
    """Return the timeout of a task or flow in seconds; None where there is none (None or 0)."""
    if seconds is None or seconds == 0:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"timeout_seconds of the {kind} {name!r} must be a number, not {seconds!r}.")
    if seconds < 0:
        raise ValueError(f"timeout_seconds of the {kind} {name!r} must not be negative; it is {seconds}.")
    return float(seconds)


def check_tags(tags: Any, kind: str, name: str) -> set[str]:
    """Return tags as a set of their own."""
    if tags is None:
        return set()
    if isinstance(tags, str):
        raise TypeError(f"tags of the {kind} {name!r} must be several, such as a list; not the text {tags!r}.")
    return {str(tag) for tag in tags}
