"""When a task may run, by the states of its upstreams: values for `@task(trigger=...)`.

An upstream counts as *failed* if it did not complete: Failed, TimedOut, Crashed, Cancelled or NotReady. A
*skipped* one is neither failed nor successful.

A trigger may also be a function of the list of upstream states: what it returns is taken as "run" or "do
not", and it may return a `Verdict`, or raise `dalsegno.Skip`, to be exact. A task that may not run is
NotReady where fewer failures upstream would have let it run (a retry of the flow asks again), and Skipped
else.

Example:
    >>> @task(trigger=any_failed)
    ... def alert(result): ...
    >>> @task(trigger=lambda states: sum(state.is_completed() for state in states) > 2)
    ... def publish(*parts): ...
"""

from __future__ import annotations

from dalsegno._engine.triggering import ALL_SUCCESSFUL, Decision, Trigger, Verdict, evaluate, some

all_successful = ALL_SUCCESSFUL
"""The default: each upstream completed. Where one was skipped, so is the task."""

all_finished = Trigger(name="all_finished", counted="successful")
"""The upstreams are over, however they ended. Also called `all_done` and `always_run`."""
all_done = all_finished
always_run = all_finished

any_successful = Trigger(name="any_successful", counted="successful", at_least=1)
"""At least one upstream completed."""

any_failed = Trigger(name="any_failed", counted="failed", at_least=1)
"""At least one upstream failed; else the task is skipped."""

all_failed = Trigger(name="all_failed", counted="failed", at_least=1.0)
"""Each upstream failed; else the task is skipped."""

none_failed = Trigger(name="none_failed", counted="failed", at_most=0)
"""Each upstream completed or was skipped: a skip does not flow down."""


def some_successful(at_least: float | None = None, at_most: float | None = None) -> Trigger:
    """Between so many upstreams completed; without bounds, at least one.

    Args:
        at_least: A number of upstreams (an int), or a fraction of them from 0.0 to 1.0 (a float): ``1`` is
            one of them, ``1.0`` is all.
        at_most: Likewise.

    Raises:
        TypeError, ValueError: A bound is no such number.

    Example:
        >>> @task(trigger=some_successful(at_least=0.8))
        ... def publish(parts): ...
    """
    return some("successful", at_least, at_most)


def some_failed(at_least: float | None = None, at_most: float | None = None) -> Trigger:
    """Between so many upstreams failed; without bounds, at least one. Bounds as for `some_successful`."""
    return some("failed", at_least, at_most)


__all__ = [
    "Decision",
    "Trigger",
    "Verdict",
    "all_done",
    "all_failed",
    "all_finished",
    "all_successful",
    "always_run",
    "any_failed",
    "any_successful",
    "evaluate",
    "none_failed",
    "some_failed",
    "some_successful",
]
