"""How a call begins: its inputs are settled, and it is looked for among what an earlier run of the body recorded."""

from __future__ import annotations

import enum
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from dalsegno._engine.replaying import adopt
from dalsegno._engine.waiting import pending, settle_inputs, stamp_inputs

if TYPE_CHECKING:
    from dalsegno._engine import inputs
    from dalsegno._engine.steps import Step
    from dalsegno._engine.task_life import TaskExecution


class Beginning(enum.Enum):
    """What is to be done with a call."""

    RUN = enum.auto()
    ANSWERED = enum.auto()
    HELD_BACK = enum.auto()
    """It may not start; its state says why."""


def begin(x: TaskExecution) -> Generator[Step, Any, Beginning]:
    """Settle the inputs of a call, and answer it if it was recorded; unless that was done when it was submitted."""
    if x.beginning is not None:
        return x.beginning
    if x.scan is None and not x.wait_for and x.task.trigger is None:
        stamp_inputs(x)
    elif not (yield from settle_inputs(x)):
        return Beginning.HELD_BACK
    if x.flow_scope is not None and x.flow_scope.replay is not None and adopt(x):
        return Beginning.ANSWERED
    return Beginning.RUN


def begin_early(x: TaskExecution, found: Sequence[inputs.Found]) -> bool:
    """Begin a submitted call where it is submitted, if it has nothing to wait for. True: it has ended, too.

    So the n-th of equal calls takes the n-th record, whichever thread is first, and its future knows at once which
    run it is of. What waits for something that really runs has inputs that no record has.
    """
    replay = None if x.flow_scope is None else x.flow_scope.replay
    if replay is None or x.task.trigger is not None or pending(found):
        return False
    try:
        next(begin(x))
    except StopIteration as end:
        x.beginning = end.value
    return x.beginning is Beginning.ANSWERED and x.transaction is None
