"""Limits on tags: a task run that has such a tag waits for a slot before it is Running, and gives it back after."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from dalsegno._engine import slots
from dalsegno._engine.clock import now
from dalsegno._engine.runs import SCHEDULED
from dalsegno._engine.steps import Block, Step
from dalsegno.exceptions import BackendError
from dalsegno.model.ids import new_id
from dalsegno.model.limits import AcquireSlots, SlotAnswer

if TYPE_CHECKING:
    from dalsegno._engine.task_life import TaskExecution


def take(x: TaskExecution) -> Generator[Step, Any, bytes | BackendError | None]:
    """Take the slots that the tags of a task run need; return what they are held by, or why they cannot be had.

    None: it needs none.
    """
    run, session = x.run, x.session
    tags = run.run_tags.union(run.definition.tags)
    if not tags:
        return None
    limited = sorted(tags & (yield from slots.limited_tags(session.journal)))
    if not limited:
        return None
    request = AcquireSlots(
        id=new_id(),
        kind="tag",
        names=limited,
        process=session.journal.process,
        holder=run.name,
        root_run_id=session.root_run_id,
        task_run_id=run.id_bytes,
    )

    def wait(answer: SlotAnswer) -> Generator[Step, Any, None]:
        from dalsegno._engine.task_life import advance

        message = f"Waits for a slot of the tag {answer.waits_for!r}."
        yield from advance(x, (SCHEDULED, now(), "AwaitingConcurrencySlot", message))

    try:
        answer = yield from slots.take(session.backend, request, on_wait=wait)
    except BackendError as error:
        return error
    if session.stop is not None:
        slots.give_back(session.backend, request.id)
        session.check()
    return request.id if answer.held else None


def give_back(x: TaskExecution, held: bytes) -> Generator[Step, Any, None]:
    """Give back what `take` took."""
    yield Block(lambda: slots.give_back(x.session.backend, held))
