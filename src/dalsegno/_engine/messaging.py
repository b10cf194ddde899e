"""Inputs that running flows send to each other, as recorded steps: each is sent once, and taken once."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine.bells import until
from dalsegno._engine.context import Scope, current_scope
from dalsegno._engine.pausing import here
from dalsegno._engine.steps import Block, Step
from dalsegno.model.pauses import InputView, SendInput, TakeInput

Received = tuple[str, str, str | None]
"""An input as it is recorded: its key, its JSON, and who sent it."""


def scope_of_run() -> Scope | None:
    """Return the scope of the run that the caller stands in, if what it does is recorded."""
    scope = current_scope()
    return None if scope is None or scope.session.detached else scope


def send(flow_run_id: bytes, prefix: str, value: str, sender: str | None) -> Generator[Step, Any, None]:
    """Send an input, in the body of a step."""
    step = here()
    session = step.session
    message = SendInput(id=step.task_run.id_bytes, flow_run_id=flow_run_id, prefix=prefix, value=value, sender=sender)

    def deliver() -> None:
        session.journal.barrier(durable=False)  # else a run that is killed now would send it again, under another id
        session.backend.send_input(message)

    yield Block(deliver)


def receive(
    flow_run_id: bytes, prefix: str, exclude: list[str], timeout: float | None
) -> Generator[Step, Any, Received | None]:
    """Wait for an input, in the body of a step; return None when the time is up."""
    step = here()
    session = step.session
    request = TakeInput(id=step.task_run.id_bytes, flow_run_id=flow_run_id, prefix=prefix, exclude=exclude)
    yield Block(lambda: session.journal.barrier(durable=False))
    found = yield from _await(session, request, timeout)
    return None if found is None else (found.key, found.value, found.sender)


def _await(session: Any, request: TakeInput, timeout: float | None) -> Generator[Step, Any, InputView | None]:
    ends = None if timeout is None else time.monotonic() + timeout
    taken: InputView | None = None

    def look() -> Generator[Step, Any, float | None]:
        nonlocal taken
        taken = yield Block(lambda: session.backend.take_input(request))
        left = float("inf") if ends is None else ends - time.monotonic()
        return None if taken is not None or left <= 0 else left

    yield from until(session, look)
    return taken


class Outside:
    """Stands for a session where no run is: what waits there is stopped by nobody."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def woken(self, wake: Callable[[], None]) -> Any:
        import contextlib

        return contextlib.nullcontext()

    def check(self) -> None:
        """Nothing is to be checked."""


def receive_outside(
    backend: Backend, request: TakeInput, timeout: float | None
) -> Generator[Step, Any, Received | None]:
    """Wait for an input where no run is."""
    found = yield from _await(Outside(backend), request, timeout)
    return None if found is None else (found.key, found.value, found.sender)
