"""`concurrency` and `rate_limit`, for code that blocks and for coroutines: one life of steps, driven either way."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine import slot_keeper, slots
from dalsegno._engine.context import current_scope
from dalsegno._engine.drivers import drive, drive_async
from dalsegno._engine.steps import Step
from dalsegno._engine.timeouts import raise_in_thread
from dalsegno._processes import current_process
from dalsegno.exceptions import ConcurrencySlotAcquisitionError
from dalsegno.model.ids import new_id
from dalsegno.model.limits import AcquireSlots, LimitKind, SlotAnswer

_log = logging.getLogger("dalsegno.concurrency")


class _LeaseLost(BaseException):
    """Raised in a block whose slots were lost; turned into an error at its end."""


class Concurrency:
    """Slots that are held while a block runs: ``with`` in plain code, ``async with`` in coroutines."""

    def __init__(
        self,
        connect: Callable[[], Backend],
        names: list[str],
        *,
        kind: LimitKind = "global",
        occupy: int = 1,
        timeout_seconds: float | None = None,
        max_retries: int | None = None,
        lease_duration: float = 300,
        strict: bool = False,
        holder: str | None = None,
        raise_on_lease_renewal_failure: bool | None = None,
        key: str | None = None,
        limit: int | None = None,
    ) -> None:
        self._connect = connect
        self._names = names
        self._kind: LimitKind = kind
        self._occupy = occupy
        self._timeout = timeout_seconds
        self._max_retries = max_retries
        self._lease = float(lease_duration)
        self._strict = strict
        self._holder = holder
        self._raises = strict if raise_on_lease_renewal_failure is None else raise_on_lease_renewal_failure
        self._key = key or ""
        self._limit = limit
        self._id: bytes | None = None
        self._backend: Backend | None = None
        self._interrupt: Callable[[], None] = lambda: None
        self._lost = False

    def __enter__(self) -> None:
        thread = threading.get_ident()
        self._interrupt = lambda: raise_in_thread(thread, _LeaseLost)
        if self._names:
            drive(self._take())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._names:
            self._give_back()
        self._tell(error)

    async def __aenter__(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        self._interrupt = lambda: loop.call_soon_threadsafe(task.cancel) if task is not None else None  # pyright: ignore
        if self._names:
            await drive_async(self._take())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._names:
            await asyncio.shield(asyncio.to_thread(self._give_back))
        task = asyncio.current_task()
        if self._lost and self._raises and isinstance(error, asyncio.CancelledError) and task is not None:
            task.uncancel()
        self._tell(error)

    def _take(self) -> Generator[Step, Any, None]:
        self._backend = backend = _backend(self._connect)
        request = request_of(
            self._names,
            kind=self._kind,
            slots=self._occupy,
            strict=self._strict,
            key=self._key,
            limit=self._limit,
            lease=self._lease,
            holder=self._holder,
        )
        answer = yield from slots.take(backend, request, timeout=self._timeout, max_retries=self._max_retries)
        self._tell_of_missing(answer)
        if answer.held:
            self._id = request.id
            slot_keeper.keep(slot_keeper.Lease(backend, request.id, self._lease, self._on_lost))

    def _give_back(self) -> None:
        if self._id is not None and self._backend is not None:
            slots.give_back(self._backend, self._id)
            self._id = None

    def _on_lost(self) -> None:
        self._lost = True
        names = ", ".join(map(repr, self._names))
        _log.warning("The lease of slots of %s ended before it was renewed: others may hold them now.", names)
        if self._raises:
            self._interrupt()

    def _tell(self, error: BaseException | None) -> None:
        if self._lost and self._raises and (error is None or isinstance(error, _LeaseLost | asyncio.CancelledError)):
            raise ConcurrencySlotAcquisitionError(
                f"The lease of slots of {', '.join(map(repr, self._names))} ended while they were in use: others may "
                "have held them too. Give a longer lease_duration if the process was only slow."
            ) from None

    def _tell_of_missing(self, answer: SlotAnswer) -> None:
        if not answer.held:
            names = ", ".join(map(repr, self._names))
            _log.debug("There is no active concurrency limit %s: nothing is limited.", names)


def use_rate(
    connect: Callable[[], Backend], names: list[str], occupy: int, timeout_seconds: float | None, strict: bool
) -> Generator[Step, Any, None]:
    """Use up slots of limits whose slots come back by themselves."""
    request = request_of(names, slots=occupy, strict=strict, rate=True)
    yield from slots.take(_backend(connect), request, timeout=timeout_seconds)


def request_of(names: list[str], *, holder: str | None = None, **fields: Any) -> AcquireSlots:
    """Return the request of whoever runs here: it is the run's, where there is one."""
    scope = current_scope()
    if scope is None or scope.session.detached:
        process = current_process()
        return AcquireSlots(id=new_id(), names=names, process=process, holder=holder or process.command, **fields)
    run = scope.task_run or scope.flow_run
    return AcquireSlots(
        id=new_id(),
        names=names,
        process=scope.session.journal.process,
        holder=holder or ("" if run is None else run.name),
        root_run_id=scope.session.root_run_id,
        task_run_id=None if scope.task_run is None else scope.task_run.id_bytes,
        **fields,
    )


def _backend(connect: Callable[[], Backend]) -> Backend:
    scope = current_scope()
    return connect() if scope is None or scope.session.detached else scope.session.backend
