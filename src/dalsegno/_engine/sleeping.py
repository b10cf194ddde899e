"""The body of the recorded step that sleeps: in its process, or, when that is long, without one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from dalsegno._engine import clock
from dalsegno._engine.context import TaskRunContext
from dalsegno._engine.pausing import Asked, begin, here, leave, why_not_suspended
from dalsegno._engine.steps import Block, Sleep, Step


def sleep(seconds: float | None, until: float | None) -> Generator[Step, Any, None]:
    """Sleep for some seconds, or until a time (seconds since 1970).

    The time of the first call counts, so that a sleep that was cut off goes on and does not begin anew.
    """
    step = here()
    if step.task_run.run_count > 1:
        recorded = yield Block(lambda: step.session.backend.read_pause(step.task_run.id_bytes))
        if recorded is not None and (recorded.answered is not None or recorded.left == 0):
            return  # it was over, or somebody has ended it
    left = yield from _left(step, seconds, until)
    if _is_long(step, left):
        view = yield from begin(step, Asked("sleep", left).of(step))
        if view.answered is None and view.left != 0:
            leave(step, view, "It sleeps.")
        return
    yield Sleep(left, step.session)


def _is_long(step: TaskRunContext, left: float) -> bool:
    """Tell whether the run gives its process back for the time."""
    session = step.session
    longest = session.settings.pauses.suspend_sleep_from
    if longest is None or left < longest or not session.claimed or clock.is_fake():
        return False
    return step.parent is not None and why_not_suspended(step.parent) is None


def _left(step: TaskRunContext, seconds: float | None, until: float | None) -> Generator[Step, Any, float]:
    """Return how long is left of a sleep, which may have begun in an earlier attempt."""
    at = clock.now() / 1e6
    if until is not None:
        return max(0.0, until - at)
    assert seconds is not None
    run = step.task_run
    begun = at
    if run.run_count > 1:
        view = yield Block(lambda: step.session.backend.read_task_run(run.id_bytes))
        if view is not None and view.start_time is not None:
            begun = view.start_time / 1e6
            run.start_time_us = view.start_time
    return max(0.0, begun + seconds - at)
