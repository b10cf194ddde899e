"""Executing task runs in the background: claims those that were asked for with `Task.delay`, and runs them here."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Generator
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, cast

from dalsegno._backend.connect import connect
from dalsegno._backend.protocol import Backend
from dalsegno._engine.background import BackgroundExecution
from dalsegno._engine.bells import until
from dalsegno._engine.drivers import driven
from dalsegno._engine.entrypoints import load_module, parse_entrypoint
from dalsegno._engine.steps import Block, Step
from dalsegno._processes import current_process
from dalsegno.exceptions import BackendError, EntrypointError, RunFenced
from dalsegno.model.background import ClaimedTask, ClaimTasks
from dalsegno.model.ids import id_text
from dalsegno.settings import get_current_settings
from dalsegno.tasks import Task
from dalsegno.workers.signals import stopped_by_signals

__all__ = ["TaskWorker", "load_tasks", "serve"]

_RENEW_EVERY = 2.0
_AGAIN = 1.0
"""Seconds until a backend that cannot be reached is asked again."""


class _Door:
    """Stands for a session: what waits there can be woken, and is stopped by nobody."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._wake: Callable[[], None] | None = None
        self._rung = False
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def woken(self, wake: Callable[[], None]) -> Generator[None]:
        with self._lock:
            self._wake, rung, self._rung = wake, self._rung, False
        if rung:
            wake()
        try:
            yield
        finally:
            self._wake = None

    def check(self) -> None:
        """Nothing is to be checked."""

    def ring(self) -> None:
        """Have whoever waits look again."""
        with self._lock:
            wake = self._wake
            self._rung = wake is None
        if wake is not None:
            wake()


class TaskWorker:
    """Serves tasks: claims runs that were asked for with `delay`, and executes each in a thread of this process.

    Args:
        tasks: What it serves.
        limit: Most runs at a time; at least 1.

    Example:
        >>> TaskWorker(send_mail, make_thumbnail, limit=4).start()
    """

    type: ClassVar[str] = "task"
    work_pool_name: str | None = None

    def __init__(self, *tasks: Task[..., Any], limit: int | None = 10) -> None:
        if not tasks:
            raise ValueError("A task worker serves at least one task: TaskWorker(my_task).")
        self.limit = 10 if limit is None else limit
        if self.limit < 1:
            raise ValueError(f"limit is {limit}, but a task worker executes at least one run at a time.")
        self.name = f"tasks {os.uname().nodename}-{os.getpid()}"
        self.tasks = {task.task_key: task for task in tasks}
        self.logger = logging.getLogger("dalsegno.task_worker")
        self.heard_at = time.monotonic()
        """When the backend last answered."""
        self.lease = get_current_settings().leases.length
        self._backend = connect()
        self._door = _Door(self._backend)
        self._held: dict[bytes, BackgroundExecution] = {}
        self._draining = threading.Event()
        self._over = threading.Event()
        self._orders: SimpleQueue[str] = SimpleQueue()

    @property
    def running(self) -> int:
        """How many runs it executes."""
        return len(self._held)

    @property
    def is_draining(self) -> bool:
        """Whether it claims nothing any more."""
        return self._draining.is_set()

    def start(self, timeout: float | None = None) -> None:
        """Work until it is told to stop, by SIGTERM, SIGINT, `stop`, or after so many seconds.

        It then waits for what it has begun; told a second time, it returns and leaves that to another process. A body
        that cannot be broken off keeps this process from ending until it returns.
        """
        claiming = threading.Thread(target=self._claim_until_drained, name="dalsegno-claiming", daemon=True)
        renewing = threading.Thread(target=self._renew_until_over, name="dalsegno-renewing", daemon=True)
        try:
            with stopped_by_signals(self.stop):
                renewing.start()
                claiming.start()
                self._obey_orders(timeout)
        finally:
            self._draining.set()
            self._over.set()
            with contextlib.suppress(BackendError):
                left = {id: each.claimed.attempt for id, each in list(self._held.items())}
                if left:
                    self._backend.give_back_tasks(left)
            for each in list(self._held.values()):
                each.lose()

    def stop(self) -> None:
        """Tell it to stop, from any thread or handler of signals; the second time without what it has begun."""
        self._orders.put("stop")

    def _obey_orders(self, timeout: float | None) -> None:
        try:
            order = self._orders.get(timeout=timeout)
        except Empty:
            order = "stop"
        if order == "stop":
            self._draining.set()
            self._door.ring()
            self._orders.get()  # "over", or that it is to stop at once

    # --- claiming

    def _claim_until_drained(self) -> None:
        try:
            driven(until(self._door, self._look))
        except BackendError:
            self.logger.exception("Nothing can be claimed any more")
        finally:
            self._orders.put("over")

    def _look(self) -> Generator[Step, Any, float | None]:
        """Claim what there is room for. None: it is drained."""
        while not self._draining.is_set():
            room = self.limit - len(self._held)
            if room <= 0:
                return float("inf")
            try:
                claimed = yield Block(lambda room=room: self._backend.claim_tasks(self._request(room)))
            except BackendError as error:
                self.logger.warning("Nothing can be claimed now: %s", error)
                return _AGAIN
            self.heard_at = time.monotonic()
            for each in claimed:
                self._begin(each)
            if not claimed:
                return float("inf")
        return float("inf") if self._held else None

    def _request(self, room: int) -> ClaimTasks:
        return ClaimTasks(process=current_process(), holder=self.name, task_keys=list(self.tasks), limit=room)

    # --- executing

    def _begin(self, claimed: ClaimedTask) -> None:
        execution = BackgroundExecution(self.tasks[claimed.task_key], claimed, self._backend)
        self._held[claimed.task_run_id] = execution
        threading.Thread(target=self._execute, args=(execution,), name="dalsegno-task", daemon=True).start()

    def _execute(self, execution: BackgroundExecution) -> None:
        claimed = execution.claimed
        try:
            execution.run()
        except RunFenced:
            self.logger.warning("Task run %s is executed elsewhere now.", id_text(claimed.task_run_id))
        except BaseException:
            self.logger.exception("Task run %s could not be brought to its end", id_text(claimed.task_run_id))
        finally:
            if self._held.get(claimed.task_run_id) is execution:
                del self._held[claimed.task_run_id]
            self._door.ring()

    # --- leases

    def _renew_until_over(self) -> None:
        while not self._over.wait(min(_RENEW_EVERY, self.lease / 3)):
            try:
                self._renew()
                self._backend.tend()
            except BackendError as error:
                self.logger.warning("Its leases cannot be renewed now: %s", error)

    def _renew(self) -> None:
        held = dict(self._held)
        if not held:
            return
        attempts = {id: each.claimed.attempt for id, each in held.items()}
        answer = self._backend.renew_tasks(current_process().id, attempts)
        self.heard_at, self.lease = time.monotonic(), answer.lease
        for id in answer.lost:
            if self._held.get(id) is held[id]:  # else it has ended meanwhile
                held[id].lose()


def serve(
    *tasks: Task[..., Any],
    limit: int | None = 10,
    status_server_port: int | None = None,
    timeout: float | None = None,
) -> None:
    """Execute runs of tasks that are asked for with `delay`, until SIGTERM or Ctrl-C.

    Args:
        tasks: What is served.
        limit: Most runs at a time.
        status_server_port: Answer ``GET /health`` over HTTP on this port of this machine; 0: on any that is free.
        timeout: End after so many seconds; None: never.

    Example:
        >>> serve(send_mail, make_thumbnail, limit=4)
    """
    worker = TaskWorker(*tasks, limit=limit)
    with contextlib.ExitStack() as stack:
        if status_server_port is not None:
            from dalsegno.workers.health import HealthServer

            stack.callback(HealthServer(cast("Any", worker), "127.0.0.1", status_server_port).close)
        worker.start(timeout)


def load_tasks(entrypoint: str) -> list[Task[..., Any]]:
    """Return the task that an entry point names, or all tasks of its file or module.

    Raises EntrypointError if there is no such thing, or ScriptError if the code fails while it is loaded.

    Example:
        >>> load_tasks("mails.py:send_mail")
    """
    target = parse_entrypoint(entrypoint)
    module = load_module(target)
    if target.name is None:
        named: dict[str, Any] = vars(module)
        found = [cast("Task[..., Any]", value) for value in named.values() if isinstance(value, Task)]
        if not found:
            raise EntrypointError(f"There is no task in the {target}: put @task above a function.")
        return found
    value: Any = module
    for part in target.name.split("."):
        value = getattr(value, part, None)
    if not isinstance(value, Task):
        raise EntrypointError(f"There is no task {target.name!r} in the {target}.")
    return [cast("Task[..., Any]", value)]
