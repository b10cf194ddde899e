"""May a task run, by the states of its upstreams? Triggers as values, and the decision that they lead to.

Upstreams are of three classes: *successful* (Completed, whatever its name but Skipped), *skipped*, and
*failed*, which is all that did not complete: Failed, TimedOut, Crashed, Cancelled, and NotReady.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, cast

import msgspec

from dalsegno.exceptions import Skip
from dalsegno.model.states import StateType

MOST_NAMED: Final = 3
"""How many upstream runs a message names."""


class Verdict(str, enum.Enum):
    """What becomes of a task: it runs, is skipped, or stays NotReady. Only RUN is true."""

    RUN = "run"
    SKIP = "skip"
    NOT_READY = "not_ready"

    def __bool__(self) -> bool:
        return self is Verdict.RUN


class Decision(msgspec.Struct, frozen=True):
    """A verdict and, where the task does not run, the reason, which names upstream runs."""

    kind: Verdict
    message: str | None = None


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """Lets a task run if the number of successful (or of failed) upstreams is within bounds.

    Called with the states of the upstreams it gives a `Verdict`. Where the bounds are not met the task is
    NotReady if fewer failures would have let it run, and else Skipped.
    """

    name: str
    counted: Literal["successful", "failed"]
    at_least: float = 0
    """A number of upstreams, or, as a float, a fraction of them."""
    at_most: float = math.inf

    def __call__(self, states: Iterable[Any]) -> Verdict:
        return self.verdict([classify(state) for state in states])

    def verdict(self, classes: Sequence[str]) -> Verdict:
        """Decide by the classes of the upstreams."""
        count, failed = classes.count(self.counted), classes.count("failed")
        too_few = count < _bound(self.at_least, len(classes), math.ceil)
        too_many = count > _bound(self.at_most, len(classes), math.floor)
        if not too_few and not too_many:
            return Verdict.RUN
        spoiled = too_few if self.counted == "successful" else too_many
        return Verdict.NOT_READY if spoiled and failed else Verdict.SKIP

    def __repr__(self) -> str:
        return self.name


UserTrigger = Callable[[list[Any]], bool | Verdict]

ALL_SUCCESSFUL: Final = Trigger(name="all_successful", counted="successful", at_least=1.0)
_RUN: Final = Decision(Verdict.RUN)


def classify(state: Any) -> Literal["successful", "skipped", "failed"]:
    """Return the class of an upstream that has ended, or will not run in this attempt."""
    if state.type is not StateType.COMPLETED:
        return "failed"
    return "skipped" if state.name == "Skipped" else "successful"


def evaluate(trigger: Trigger | UserTrigger | None, upstreams: Sequence[tuple[str, Any]]) -> Decision:
    """Decide whether a task may run.

    Args:
        trigger: None stands for `all_successful`. A function of the user gets the list of states and
            returns a bool, or a `Verdict`, or raises `Skip`; its other errors go on to the caller.
        upstreams: The name and the state of each upstream run.
    """
    classes = [classify(state) for _, state in upstreams]
    trigger = ALL_SUCCESSFUL if trigger is None else trigger
    if isinstance(trigger, Trigger):
        verdict = trigger.verdict(classes)
    else:
        try:
            verdict = _asked(trigger, [state for _, state in upstreams], "failed" in classes)
        except Skip as skip:
            return Decision(Verdict.SKIP, str(skip) or f"Skipped by its trigger {_name(trigger)}.")
    if verdict is Verdict.RUN:
        return _RUN
    return Decision(verdict, _reason(trigger, verdict, upstreams, classes))


def check_trigger(trigger: Any) -> Trigger | UserTrigger | None:
    """Return what was given as `trigger` if it can be one; None for the default, so that it costs nothing.

    Raises:
        TypeError: It is not a trigger, nor a function of the states of the upstreams.
    """
    if trigger is None or trigger is ALL_SUCCESSFUL:
        return None
    if not callable(trigger):
        raise TypeError(
            f"trigger must be one of dalsegno.triggers or a function of the list of upstream states, not {trigger!r}."
        )
    return cast("Trigger | UserTrigger", trigger)


def some(counted: Literal["successful", "failed"], at_least: float | None, at_most: float | None) -> Trigger:
    """Return a trigger with bounds given by a user; with neither bound, "some" is one or more."""
    given = {"at_least": at_least, "at_most": at_most}
    bounds = {name: _checked(name, bound) for name, bound in given.items() if bound is not None}
    if not bounds:
        bounds = {"at_least": 1}
    low, high = bounds.get("at_least"), bounds.get("at_most")
    if low is not None and high is not None and type(low) is type(high) and low > high:
        raise ValueError(f"at_least={low} is more than at_most={high}: no upstreams could meet both.")
    text = ", ".join(f"{name}={bound}" for name, bound in bounds.items())
    return Trigger(name=f"some_{counted}({text})", counted=counted, **bounds)


def _checked(name: str, bound: Any) -> float:
    if isinstance(bound, bool) or not isinstance(bound, int | float):
        raise TypeError(f"{name} must be a number of upstreams or a fraction of them, not {bound!r}.")
    if bound < 0 or (isinstance(bound, float) and not bound <= 1):
        raise ValueError(
            f"{name} must be a whole number from 0, or a fraction from 0.0 to 1.0 (a float); it is {bound!r}."
        )
    return bound


def _bound(bound: float, upstreams: int, rounded: Callable[[float], int]) -> float:
    if isinstance(bound, int) or bound == math.inf:
        return bound
    # A tenth of 30 is 3, though the product of the floats may be a little more.
    return rounded(round(bound * upstreams, 9))


def _asked(trigger: UserTrigger, states: list[Any], any_failed: bool) -> Verdict:
    answer = trigger(states)
    if isinstance(answer, Verdict):
        return answer
    if answer:
        return Verdict.RUN
    return Verdict.NOT_READY if any_failed else Verdict.SKIP


def _name(trigger: Trigger | UserTrigger) -> str:
    return repr(trigger) if isinstance(trigger, Trigger) else getattr(trigger, "__name__", repr(trigger))


def _reason(
    trigger: Trigger | UserTrigger,
    verdict: Verdict,
    upstreams: Sequence[tuple[str, Any]],
    classes: Sequence[str],
) -> str:
    rule = "" if trigger is ALL_SUCCESSFUL else f" (trigger: {_name(trigger)})"
    wanted = "failed" if verdict is Verdict.NOT_READY else "skipped"
    named = [f"{name!r} is {state.name}" for (name, state), c in zip(upstreams, classes, strict=True) if c == wanted]
    if verdict is Verdict.NOT_READY:
        return f"An upstream run did not complete: {_some_of(named)}{rule}."
    if trigger is ALL_SUCCESSFUL:
        return f"An upstream run was skipped: {_some_of(named)}."
    states = [f"{name!r} is {state.name}" for name, state in upstreams]
    return f"Its upstream runs do not meet its trigger {_name(trigger)}: {_some_of(states) or 'there are none'}."


def _some_of(texts: list[str]) -> str:
    more = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f", and {more} more" if more > 0 else "")
