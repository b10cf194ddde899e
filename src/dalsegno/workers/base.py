"""What all workers do: claim runs while there is room, keep their leases, stop what was cancelled, record what crashed.

How a run gets its infrastructure, and how that is ended, is for the classes of each type.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, TypeVar

from dalsegno import __version__
from dalsegno._backend.connect import connect
from dalsegno._backend.protocol import Backend
from dalsegno._processes import current_process
from dalsegno.exceptions import BackendError, BackendUnavailable, DalsegnoException, ObjectAlreadyExists
from dalsegno.model.pools import NewPool, WorkerRecord
from dalsegno.model.queue import ClaimedRun, ClaimRuns
from dalsegno.model.states import StateType
from dalsegno.settings import get_current_settings
from dalsegno.workers.configuration import BaseJobConfiguration, BaseWorkerResult
from dalsegno.workers.jobs import Job
from dalsegno.workers.signals import stopped_by_signals

T = TypeVar("T")

_DEFAULT_LIMIT = 100
_LONGEST_WAIT = 20.0
_RENEW_EVERY = 2.0
"""Seconds; or a third of the lease, if that is less."""
_CLEAN_EVERY = 600.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

Begun = Callable[[str], None]


class NotBegun(DalsegnoException):
    """A worker that ends has not begun a run, and gives it back. Never leaves the workers."""


class BaseWorker:
    """Executes runs that were asked for, as many at a time as there is room for.

    Args:
        work_pool_name: The pool whose runs it takes. None: those of `deployments`, or of no deployment at all.
        work_queues: The queues of it; None: all.
        name: For people; None: made of the machine and the process.
        limit: Most runs at a time.
        heartbeat_interval_seconds: How often it is heard of; never less often than three times in a lease.
        create_pool_if_not_found: Whether it makes its pool, of its own type and with `base_job_template`.
        deployments: Without a pool: ids of the deployments that it serves.
        prefetch_seconds: Has no effect, for a run is claimed at the moment when it is due.

    Example:
        >>> ProcessWorker("default", limit=4).start()
    """

    type: ClassVar[str] = ""

    def __init__(
        self,
        work_pool_name: str | None = None,
        work_queues: Sequence[str] | None = None,
        name: str | None = None,
        prefetch_seconds: float | None = None,
        create_pool_if_not_found: bool = True,
        limit: int | None = None,
        heartbeat_interval_seconds: float | None = None,
        *,
        base_job_template: dict[str, Any] | None = None,
        deployments: Sequence[bytes] = (),
    ) -> None:
        self.work_pool_name = work_pool_name
        self.work_queues = list(work_queues or [])
        self.deployments = list(deployments)
        self.name = name or f"{self.type or 'worker'} {os.uname().nodename}-{os.getpid()}"
        self.limit = _DEFAULT_LIMIT if limit is None else limit
        self.settings = get_current_settings()
        self.logger = logging.getLogger("dalsegno.workers")
        self.heard_at = time.monotonic()
        """When the backend last answered."""
        self._makes_pool = create_pool_if_not_found
        self._job_template = base_job_template or {}
        self._heartbeat = _RENEW_EVERY if heartbeat_interval_seconds is None else heartbeat_interval_seconds
        self._lease = self.settings.leases.length
        self._next_word = self._next_tending = self._next_cleaning = float("-inf")
        self._jobs: dict[bytes, Job] = {}
        self._changed = threading.Condition()
        self._claiming = threading.Lock()
        self._draining = threading.Event()
        self._finishing = False
        """It ends when nothing is left."""
        self._ending = threading.Event()
        self._over = threading.Event()
        self._orders: SimpleQueue[str] = SimpleQueue()

    # --- for the classes of each type

    def setup(self) -> None:
        """Prepare; called before anything is claimed."""

    def teardown(self) -> None:
        """Give back what `setup` took; called when no run is left."""

    def configure(self, flow_run: ClaimedRun) -> BaseJobConfiguration:
        """Return what the infrastructure of a run is made of."""
        return BaseJobConfiguration()

    def run(
        self, flow_run: ClaimedRun, configuration: BaseJobConfiguration, task_status: Begun | None = None
    ) -> BaseWorkerResult:
        """Make the infrastructure of a run, wait until it has ended, and tell how.

        `task_status` is called with what the infrastructure is found by, once it is there.
        """
        raise TypeError(f"{type(self).__name__} is a worker of no type: use ProcessWorker, or define `run`.")

    def kill_infrastructure(
        self, infrastructure_pid: str, configuration: BaseJobConfiguration, grace_seconds: float = 30
    ) -> None:
        """End the infrastructure of a run: in peace if it does so within these seconds, and in any case after."""
        raise TypeError(f"{type(self).__name__} does not say how its infrastructure is ended.")

    def run_hooks(self, flow_run: ClaimedRun, configuration: BaseJobConfiguration) -> None:
        """Call the hooks of the final state of a run whose own process could not."""

    # --- from outside

    @property
    def backend(self) -> Backend:
        """What it claims from."""
        return connect()

    @property
    def running(self) -> int:
        """How many runs it has claimed whose end is not recorded yet."""
        return len(self._jobs)

    @property
    def lease(self) -> float:
        """Seconds after which it counts as gone if nothing is heard of it."""
        return self._lease

    @property
    def is_draining(self) -> bool:
        """Whether it claims nothing any more."""
        return self._draining.is_set()

    def start(self, run_once: bool = False) -> None:
        """Work until it is told to stop, by SIGTERM, SIGINT or `stop`.

        The first time it waits for what it has begun; the second time it ends that at once.

        Args:
            run_once: Work until nothing that is due waits any more.
        """
        with stopped_by_signals(self.stop):
            if not self._meet_backend():
                return
            self.setup()
            try:
                self._work(run_once)
            finally:
                self._over.set()
                with contextlib.suppress(BackendError):
                    self.backend.worker_gone(current_process().id)
                    self.backend.end_process(current_process().id)
                self.teardown()

    def _work(self, run_once: bool) -> None:
        for function, arguments in ((self._renew_until_over, ()), (self._claim_until_told, (run_once,))):
            threading.Thread(target=function, args=arguments, name="dalsegno-worker", daemon=True).start()
        for order in iter(self._orders.get, "over"):
            self._obey(order)

    def stop(self) -> None:
        """Tell it to stop, from any thread or handler of signals; the second time at once."""
        self._orders.put("stop")

    # --- claiming

    def get_and_submit_flow_runs(self, room: int | None = None) -> int:
        """Claim the most urgent runs that there is room for, and begin them; return how many."""
        with self._claiming:
            if self._draining.is_set():
                return 0
            request = self._request()
            request.limit = self.limit - self.running if room is None else room
            claimed = self.backend.claim_runs(request)
            self.heard_at = time.monotonic()
            for each in claimed:
                self._begin(each)
        return len(claimed)

    def _meet_backend(self) -> bool:
        """Tell the backend of this worker, once it is there. False: told to stop before. Raises ObjectNotFound."""
        pause = _FIRST_PAUSE
        while True:
            try:
                self._find_pool()
                return True
            except BackendUnavailable as error:
                if pause == _FIRST_PAUSE:
                    self.logger.warning("Nobody answers yet: %s", error)
            with contextlib.suppress(Empty):
                if self._orders.get(timeout=pause) == "stop":
                    return False
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _find_pool(self) -> None:
        """See that its pool is there. Raises ObjectNotFound."""
        name = self.work_pool_name
        if name is not None and self._makes_pool and self.backend.find_pool(name) is None:
            with contextlib.suppress(ObjectAlreadyExists):
                self.backend.create_pool(NewPool(name=name, type=self.type, base_job_template=self._job_template))
        self.backend.worker_heartbeat(self._record())

    def _record(self) -> WorkerRecord:
        process = current_process()
        return WorkerRecord(
            process_id=process.id,
            name=self.name,
            type=self.type,
            work_pool_name=self.work_pool_name,
            queues=self.work_queues,
            deployments=self.deployments,
            host=process.host,
            pid=process.pid,
            version=__version__,
            limit=self.limit,
            running=self.running,
            draining=self.is_draining,
        )

    def _request(self) -> ClaimRuns:
        return ClaimRuns(
            process=current_process(),
            holder=self.name,
            pool=self.work_pool_name,
            queues=self.work_queues,
            deployments=[] if self.work_pool_name else self.deployments,
        )

    def _claim_until_told(self, once: bool) -> None:
        token: Any = None
        pause = _FIRST_PAUSE
        while not self._draining.is_set():
            room = self._await_room()
            try:
                if self.get_and_submit_flow_runs(room) < room and not self._draining.is_set():
                    if once:
                        self._orders.put("finish")
                        return
                    token = self.backend.wait_for_work(self._request(), token, _LONGEST_WAIT)
                    self.heard_at = time.monotonic()
                pause = _FIRST_PAUSE
            except BackendError as error:
                if self._draining.is_set():
                    return  # It may have been closed while this waited there.
                if pause == _FIRST_PAUSE:
                    self.logger.warning("Nothing can be claimed now; it is tried again: %s", error)
                self._draining.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _await_room(self) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._draining.is_set() or self.running < self.limit)
            return max(0, self.limit - self.running)

    # --- one run

    def _begin(self, claimed: ClaimedRun) -> None:
        self._lease = claimed.lease
        job = Job(claimed)
        self._jobs[job.id] = job
        threading.Thread(target=self._tend, args=(job,), name="dalsegno-run", daemon=True).start()

    def _tend(self, job: Job) -> None:
        """Watch over a run to its end."""
        try:
            try:
                job.configuration = self.configure(job.claimed)
                result = self.run(job.claimed, job.configuration, job.begin)
            except NotBegun:
                self._insist(lambda: self.backend.give_back({job.id: job.claimed.attempt}))
                return
            except Exception as error:
                self.logger.exception("The infrastructure of %s failed.", job)
                text = "".join(traceback.format_exception_only(error)).strip()
                result = BaseWorkerResult(identifier="", status_code=1, message=f"It could not be started: {text}")
            self._settle(job, result)
        except BackendError as error:
            self.logger.error("The end of %s could not be recorded; its lease ends it: %s", job, error)
        finally:
            job.end()
            with self._changed:
                self._jobs.pop(job.id, None)
                self._changed.notify_all()
            if self._finishing:
                self._orders.put("look")

    def _settle(self, job: Job, result: BaseWorkerResult) -> None:
        """Record the end of a run that its process has not recorded itself, and have its hooks called."""
        backend = self.backend
        if backend.spools:
            self._insist(lambda: self._deliver_left(backend))
        if result.concluded:
            return
        attempt = job.claimed.attempt
        if not self._insist(lambda: backend.crash_attempt(job.id, attempt, result.message)):
            return
        self.logger.warning("%s crashed: %s", str(job).capitalize(), result.message)
        run = self._insist(lambda: backend.read_flow_run(job.id))
        ended = run is not None and run.state.type in (StateType.CRASHED, StateType.CANCELLED)
        if ended and result.identifier:  # What never had a process has no hooks that could be loaded.
            self.run_hooks(job.claimed, job.configuration)

    def _deliver_left(self, backend: Backend) -> None:
        from dalsegno._journal.folder import SpoolFolder
        from dalsegno._journal.leftovers import deliver_left

        folder = SpoolFolder(self.settings.home, backend.url)
        if folder.left():
            deliver_left(backend, folder, self.logger.warning)

    def _insist(self, call: Callable[[], T]) -> T:
        """Call the backend, again and again while it is away. Raises BackendUnavailable only when this worker ends."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return call()
            except BackendUnavailable:
                if self._ending.is_set():
                    raise
            self._ending.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    # --- leases and wishes

    def sync_with_backend(self) -> None:
        """Renew the leases of what it executes, and do what is wanted of it."""
        backend = self.backend
        self._keep_house(backend)
        if time.monotonic() >= self._next_word:
            self._next_word = time.monotonic() + self._lease / 3
            backend.worker_heartbeat(self._record())
        held = {job.id: job.claimed.attempt for job in list(self._jobs.values())}
        if not held:
            return
        receipt = backend.renew_leases(current_process().id, held)
        self.heard_at = time.monotonic()
        self._lease = receipt.lease or self._lease
        for id in [*receipt.cancel, *receipt.fenced]:
            job = self._jobs.get(id)
            if job is not None and job.claimed.attempt == held[id]:
                self._stop(job, self.settings.worker.cancel_grace)

    def _keep_house(self, backend: Backend) -> None:
        """Do what a server does, where there is none."""
        if time.monotonic() >= self._next_tending:
            pause = backend.tend()
            self._next_tending = float("inf") if pause is None else time.monotonic() + pause
        if time.monotonic() >= self._next_cleaning:
            more = backend.clean_up() > 0
            self._next_cleaning = time.monotonic() + (0 if more else _CLEAN_EVERY)

    def _renew_until_over(self) -> None:
        quiet = False
        while not self._over.is_set():
            try:
                until_tending = self._next_tending - time.monotonic()
                pause = max(0.0, min(self._heartbeat, self._lease / 3, until_tending))
                self.backend.wait_for_wish(current_process().id, pause)
                self.sync_with_backend()
                quiet = False
            except BackendError as error:
                if not quiet and not self._over.is_set():
                    self.logger.warning("Leases cannot be renewed now; it is tried again: %s", error)
                quiet = True
                self._over.wait(min(1.0, self._lease / 6))

    def _stop(self, job: Job, grace: float) -> None:
        """Have the infrastructure of a run ended, in a thread of its own."""
        if job.stop_first():
            threading.Thread(target=self._end, args=(job, grace), name="dalsegno-stopping", daemon=True).start()

    def _end(self, job: Job, grace: float) -> None:
        job.begun.wait()
        while job.identifier is not None and not job.over.is_set():
            identifier = job.identifier
            self.kill_infrastructure(identifier, job.configuration, grace)
            # It may have got other infrastructure just then.
            if job.over.wait(1.0) or job.identifier == identifier:
                return

    # --- the end

    def _obey(self, order: str) -> None:
        if order == "stop" and self._draining.is_set():
            self._end_at_once()
        elif order == "stop":
            self._finishing = True
            self._draining.set()
            with self._claiming, self._changed:
                self._changed.notify_all()
            if self.running:
                self.logger.info("It claims nothing any more, and ends when its %d runs have.", self.running)
        elif order == "finish":
            self._finishing = True
        if self._finishing and not self.running:
            self._orders.put("over")

    def _end_at_once(self) -> None:
        self._ending.set()
        self.logger.warning("It ends at once: its %d runs are broken off, and recovered elsewhere.", self.running)
        for job in list(self._jobs.values()):
            threading.Thread(target=self._end, args=(job, 0.0), name="dalsegno-stopping", daemon=True).start()
