"""Task runs in the background: asking for one, and executing one that was claimed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine import generators, logs
from dalsegno._engine.clock import now
from dalsegno._engine.context import current_tags
from dalsegno._engine.drivers import drive, drive_async
from dalsegno._engine.runs import FAILED, PENDING, SCHEDULED, TaskRun
from dalsegno._engine.session import Session, journal_for
from dalsegno._engine.spec import TaskSpec
from dalsegno._engine.task_life import TaskExecution, alone, task_life
from dalsegno.exceptions import DalsegnoException
from dalsegno.model.background import ClaimedTask, RequestTask
from dalsegno.model.records import unpack_extra, unpack_upstream
from dalsegno.results.encoding import encode_result
from dalsegno.results.limits import current_limits

Upstream = list[tuple[str, bytes]]


def request_task(
    backend: Backend, task: TaskSpec, parameters: Mapping[str, Any], id_: bytes, upstream: Upstream, recoveries: int
) -> bool:
    """Ask for a task run under an id. False: it was asked for before.

    Raises SerializationError for parameters that cannot be kept, and BackendUnavailable.
    """
    # No attempt has begun: what is recorded before stands before the states of the first.
    session = Session(journal_for(backend), id_, attempt=0)
    encoded = encode_result(
        dict(parameters),
        task_run_id=id_,
        run_count=0,
        root_run_id=id_,
        signer=session.keeper.signer,
        limits=current_limits(),
    )
    run = TaskRun(id_, session, task.definition, None, None)
    stamp = now()
    run.history.append((SCHEDULED, stamp, None, None, {"scheduled_time": stamp}))
    run.run_tags = current_tags()
    run.upstream = upstream or None
    return backend.request_task(
        RequestTask(
            task=task.definition,
            snapshot=run.snapshot(1),
            parameters=encoded.packed,
            blob=encoded.blob,
            max_recoveries=recoveries,
        )
    )


def id_of_step(step_id: bytes) -> bytes:
    """Return the id of the task run that a recorded step asks for: the same each time that the step runs."""
    digest = hashlib.blake2b(step_id, digest_size=16, person=b"dalsegno.delay").digest()
    # The time of the step's id, and the marks of a UUIDv7.
    return step_id[:6] + bytes([0x70 | digest[6] & 0x0F, digest[7], 0x80 | digest[8] & 0x3F]) + digest[9:]


class BackgroundExecution:
    """One claimed task run in this process."""

    def __init__(self, task: TaskSpec, claimed: ClaimedTask, backend: Backend) -> None:
        logs.ensure_logging()
        self.claimed = claimed
        self._task = task
        self.session = Session(journal_for(backend), claimed.task_run_id, attempt=claimed.attempt)

    def lose(self) -> None:
        """Stop, for others execute it now."""
        self.session.on_fenced()

    def run(self) -> None:
        """Execute it to its end, and have that recorded. Raises BackendError, or what is no Exception."""
        try:
            parameters = self.session.keeper.load(self.claimed.parameters, self.claimed.task_run_id)
        except DalsegnoException as error:
            self._fail(error)
        else:
            self._live(self._execution(parameters))
        self.session.journal.barrier(durable=True)

    def _execution(self, parameters: dict[str, Any]) -> TaskExecution:
        claimed = self.claimed
        x = TaskExecution(self._task, parameters, None, None, self.session, None)
        run = x.run
        # The store has noted that it is Pending.
        run.history[:] = [(PENDING, claimed.claimed)]
        run.all_sent()
        run.run_count = claimed.run_count
        run.start_time_us = claimed.start_time
        run.upstream = unpack_upstream(claimed.upstream) or None
        extra = unpack_extra(claimed.extra)
        run.run_tags = frozenset(extra.pop("tags", ()))
        run.extra = extra or None
        return x

    def _live(self, x: TaskExecution) -> None:
        task = self._task
        life = generators.drained(task_life(x), task.is_async) if task.is_generator else task_life(x)
        if task.is_async:
            asyncio.run(drive_async(alone(x, life)))
        else:
            drive(alone(x, life))

    def _fail(self, error: DalsegnoException) -> None:
        """Note that its parameters cannot be had."""
        run = self._execution({}).run
        run.value = error
        run.end_time_us = now()
        logs.write(run, logging.ERROR, "The parameters of %r cannot be loaded: %s", run.name, error)
        run.history.append((FAILED, run.end_time_us, None, f"Its parameters cannot be loaded: {error}"))
        run.touch()


def note_upstream(upstream: Upstream, name: str, inputs: Iterable[Any]) -> None:
    """Note the task runs that inputs stand for."""
    for each in inputs:
        id_ = getattr(each, "task_run_id", None)
        if id_ is None:
            id_ = getattr(getattr(each, "state_details", None), "task_run_id", None)
        if id_ is not None and (name, id_.bytes) not in upstream:
            upstream.append((name, id_.bytes))
