"""The future of a task run that any process may execute: what it knows is what is recorded."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from dalsegno._backend.connect import connect
from dalsegno._backend.protocol import Backend
from dalsegno._engine.bells import until
from dalsegno._engine.drivers import driven, driven_async
from dalsegno._engine.keeping import signer
from dalsegno._engine.messaging import Outside
from dalsegno._engine.state_details import StateDetails
from dalsegno._engine.states import MISSING, Lazy, State, engine_state, state_result
from dalsegno._engine.steps import Block, Step
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.ids import id_text, parse_id
from dalsegno.model.states import STATE_CODES, TERMINAL_TYPES, StateType
from dalsegno.model.views import TaskRunView
from dalsegno.results.encoding import decode_result, run_address

R = TypeVar("R", covariant=True)


class DistributedFuture(Generic[R]):
    """The future of a task run in the background; it can be made anew from the id, in any process.

    Args:
        task_run_id: Of the run, in any form.

    Example:
        >>> future = send_mail.delay("ada@example.com")
        >>> future.result(timeout=60)
    """

    def __init__(self, task_run_id: uuid.UUID | str | bytes, backend: Backend | None = None) -> None:
        self.task_run_id = uuid.UUID(bytes=parse_id(task_run_id))
        self._backend = backend
        self._ended: State[R] | None = None

    @property
    def state(self) -> State[R]:
        """The state of the run as it is recorded now. Raises ObjectNotFound if the run was deleted."""
        return self._ended or self._state_of(self._read())

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run has ended, at most `timeout` seconds; does not raise when time is up."""
        driven(self._until_ended(timeout))

    async def wait_async(self, timeout: float | None = None) -> None:
        """Wait as `wait` does, without blocking the loop."""
        await driven_async(self._until_ended(timeout))

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Wait for the run and return what it gave, or raise what it failed with.

        Raises:
            TimeoutError: it has not ended within `timeout` seconds; it waits or runs on.
            MissingResult: its result was not kept.
        """
        self.wait(timeout)
        return self._result(timeout, raise_on_failure)

    async def result_async(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Wait and return as `result` does, without blocking the loop."""
        await self.wait_async(timeout)
        return self._result(timeout, raise_on_failure)

    def __await__(self) -> Generator[Any, None, R]:
        return self.result_async().__await__()

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        """Call ``fn(future)`` when the run has ended, in a thread; at once if it is known to have."""
        if self._ended is not None:
            fn(self)
            return
        threading.Thread(target=self._call_back, args=(fn,), name="dalsegno-callback", daemon=True).start()

    def _call_back(self, fn: Callable[[Any], None]) -> None:
        try:
            self.wait()
            fn(self)
        except Exception:
            logging.getLogger("dalsegno").exception("A callback of %r failed", self)

    def __repr__(self) -> str:
        return f"<DistributedFuture of task run {self.task_run_id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self.task_run_id),)

    def _result(self, timeout: float | None, raise_on_failure: bool) -> R:
        if self._ended is None:
            raise TimeoutError(f"{self!r} did not end within {timeout} second(s); it waits or runs on.")
        return state_result(self._ended, raise_on_failure)

    def _connected(self) -> Backend:
        if self._backend is None:
            self._backend = connect()
        return self._backend

    def _read(self) -> TaskRunView:
        view = self._connected().read_task_run(self.task_run_id.bytes)
        if view is None:
            raise ObjectNotFound(f"There is no task run {id_text(self.task_run_id.bytes)}: it was deleted.")
        return view

    def _until_ended(self, timeout: float | None) -> Generator[Step, Any, None]:
        ends = None if timeout is None else time.monotonic() + timeout

        def look() -> Generator[Step, Any, float | None]:
            if self._ended is not None:
                return None
            view = yield Block(self._read)
            if view.state.type in TERMINAL_TYPES:
                self._ended = self._state_of(view)
                return None
            left = float("inf") if ends is None else ends - time.monotonic()
            return left if left > 0 else None

        yield from until(Outside(self._connected()), look)

    def _state_of(self, view: TaskRunView) -> State[R]:
        recorded = view.state
        data: Any = MISSING
        if recorded.type is StateType.COMPLETED and view.result is not None:
            data = Lazy(lambda: self._load(view))
        details = StateDetails()
        details.task_run_id = self.task_run_id
        return engine_state(
            STATE_CODES[recorded.type], recorded.timestamp, recorded.name, recorded.message, data, details
        )

    def _load(self, view: TaskRunView) -> Any:
        backend = self._connected()
        assert view.result is not None
        address = run_address(view.root_run_id, view.id, view.run_count)
        return decode_result(view.result, read_blob=backend.read_blob, signer=signer(), address=address)
