"""Collects what changed and delivers it: newest snapshots of dirty records, one batch in flight at a time.

`touch` is on the engine's hot path and does no I/O; a thread flushes every ~20 ms while anything is dirty.
"""

from __future__ import annotations

import threading
import time

from dalsegno._backend.protocol import Backend
from dalsegno._journal.batches import Rest, in_parts, snapshot_of
from dalsegno._journal.carrier import SetAside, say
from dalsegno._journal.courier import Courier
from dalsegno._journal.delivery import Delivery, Direct
from dalsegno._journal.folder import SpoolFolder
from dalsegno._journal.records import FlowRunRecord, Limits, TaskRunRecord, Writer
from dalsegno.exceptions import BackendError, BackendUnavailable
from dalsegno.model.records import ArtifactRecord, Batch, LogRecord, ProcessRecord, Receipt, ResultBlob
from dalsegno.model.states import FIRST_TERMINAL_CODE

_PAUSE_AFTER_FAILURE = 1.0  # seconds
_PAUSE_SHARE = 0.25  # of the time that the last flush took: slow commits are given less to do
_LONGEST_PAUSE = 0.25
_REMEMBERED = 1000


class Journal:
    """One per process and backend.

    Invariants: a record is in `_task_runs` or `_flow_runs` if and only if it is dirty; versions only grow; a batch is
    delivered again, unchanged, until it is acknowledged, before any later one; the final state of a flow run is in
    the last batch of a flush, after all task runs that were touched before it.
    """

    def __init__(
        self, backend: Backend, process: ProcessRecord, limits: Limits, spool_folder: SpoolFolder | None = None
    ) -> None:
        self.backend = backend
        self.process = process
        self._delivery: Delivery = (
            Direct(backend, self, limits) if spool_folder is None else Courier(backend, self, limits, spool_folder)
        )
        self._limits = limits
        self._version = 0
        self._task_runs: list[TaskRunRecord] = []
        self._flow_runs: list[FlowRunRecord] = []
        self._logs: list[LogRecord] = []
        self._artifacts: list[ArtifactRecord] = []
        self._blobs: list[ResultBlob] = []
        self._superseded: list[tuple[bytes, bytes]] = []
        self._writers: dict[bytes, Writer] = {}
        self._attempts: dict[bytes, int] = {}  # of the roots written lately, also of those that were left
        self._recorded: set[bytes] = set()  # roots whose flow run was acknowledged and had not ended
        self.limited_tags: frozenset[str] | None = None
        """Tags whose task runs need a slot, as the backend told last; None: it was not heard of yet."""
        self.tags_matter = True
        """False: no task run needs a slot."""
        self.ask_tags_at = 0.0
        self.beat_every = limits.heartbeat_interval
        """See `delivery.Sender`."""
        self._known_definitions: set[int] = set()
        self._process_sent = False
        self._idle = True
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._flushed = threading.Condition()
        self._asked = 0  # barriers that were asked for
        self._answered = 0  # ... and those that are acknowledged
        self._durable = False
        self._failure = _Failure()
        self._took = 0.0  # the last flush, in seconds
        self._undelivered: list[Batch] = []
        self._closing = False
        self._given_up = False
        self._thread: threading.Thread | None = None
        self._threadless = False
        self._flushing = threading.Lock()

    # --- the hot path

    def touch(self, record: TaskRunRecord) -> None:
        """Mark a task run as changed."""
        if not record.dirty:
            record.dirty = True
            self._task_runs.append(record)
            if self._idle:
                self._rouse()
            elif len(self._task_runs) > self._limits.max_waiting:
                self._hold_back()

    def touch_flow_run(self, record: FlowRunRecord) -> None:
        """Mark a flow run as changed."""
        if not record.dirty:
            record.dirty = True
            self._flow_runs.append(record)
            self._rouse()

    def add_log(self, record: LogRecord) -> None:
        """Add a line to a run's log."""
        self._logs.append(record)
        if self._idle:
            self._rouse()

    def add_artifact(self, record: ArtifactRecord) -> None:
        """Add an artifact."""
        self._artifacts.append(record)
        self._rouse()

    def add_blob(self, blob: ResultBlob) -> None:
        """Add a result; it goes with or before the state that refers to it, so add it before touching the run."""
        self._blobs.append(blob)

    def supersede(self, root_run_id: bytes, task_run_ids: list[bytes]) -> None:
        """Say that a body ended without coming again to these task runs of earlier attempts."""
        self._superseded.extend((root_run_id, id_) for id_ in task_run_ids)

    # --- writers

    def enter(self, writer: Writer, *, of_flow: bool = True) -> None:
        """Begin to write for a root run, of a flow or of a task outside of flows."""
        self._writers[writer.root_run_id] = writer
        self._attempts[writer.root_run_id] = writer.attempt
        if writer.attempt > 1 and of_flow:
            self._recorded.add(writer.root_run_id)
        if len(self._attempts) > _REMEMBERED:
            for root in [root for root in self._attempts if root not in self._writers][: _REMEMBERED // 2]:
                del self._attempts[root]

    def leave(self, writer: Writer) -> None:
        """End writing for a root run; what is dirty is still delivered."""
        self._writers.pop(writer.root_run_id, None)

    # --- barriers

    @property
    def idle(self) -> bool:
        """Whether all that this thread touched is acknowledged already, so that there is nothing to wait for."""
        return self._idle and not self._anything()  # without a thread it is idle whatever there is to do

    def barrier(self, durable: bool = True) -> None:
        """Wait until all that was touched before is acknowledged (with a full fsync if `durable`).

        Raises the error that keeps the backend from taking it: at once where trying again is no use, else after the
        delivery timeout.
        """
        if threading.current_thread() is self._thread:
            return
        with self._flushed:
            self._asked += 1
            mine = self._asked
            self._durable = self._durable or durable
            self._urgent.set()
            self._rouse()
            alone = self._thread is None
        if alone:
            self._flush_here()
        with self._flushed:
            while not self._failure.concerns(mine):
                if self._answered >= mine:
                    return
                self._flushed.wait(1.0)
            raise self._failure.error

    def catch_up(self) -> None:
        """Deliver what waits on this machine's disk for the backend to be back. Raises BackendError if it is not."""
        self._delivery.catch_up()

    def close(self, *, tidy: bool = True) -> None:
        """Deliver what is left, say that the process ends, and end the thread; see `Delivery.close`."""
        thread = self._thread
        if thread is None and not (self._process_sent or self._anything()):
            self._delivery.close(complete=False)
            return
        self._closing = True
        complete = False
        try:
            self.barrier(durable=False)
            complete = True
        finally:
            try:
                self._delivery.close(complete=complete, tidy=tidy)
            finally:
                self._given_up = True
                self._urgent.set()
                self._wake.set()
                if thread is not None:
                    thread.join(5.0)

    # --- the thread

    def _rouse(self) -> None:
        self._idle = False
        if self._thread is None:
            self._start()
        self._wake.set()

    def _start(self) -> None:
        with self._flushed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="dalsegno-journal", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    self._idle = True  # the next one that changes something tries again
                    if not self._threadless:
                        self._threadless = True
                        say(f"The journal has no thread ({error}): what changes is recorded at barriers only.")
                    return
                self._thread = thread

    def _flush_here(self) -> None:
        """Flush in this thread, where the journal could not get one of its own."""
        if self._thread is None:
            self._flush_or_fail()

    def _hold_back(self) -> None:
        """Keep the engine from running away from a slow database: memory stays bounded."""
        if threading.current_thread() is not self._thread:
            self.barrier(durable=False)

    def _run(self) -> None:
        while not (self._given_up or (self._closing and self._answered >= self._asked)):
            self._wake.wait(self._delivery.tend())
            self._wake.clear()
            if self._anything() or self._asked > self._answered:
                self._urgent.wait(self._pause())
                self._urgent.clear()
                started = time.monotonic()
                if not self._flush_or_fail():
                    self._urgent.wait(_PAUSE_AFTER_FAILURE)
                self._took = time.monotonic() - started
                if self._anything():
                    self._wake.set()
                else:
                    self._idle = True
                    if self._anything():
                        self._rouse()

    def _pause(self) -> float:
        """Return how long to gather before a flush that nobody waits for."""
        limits = self._limits
        return max(limits.flush_interval, min(_PAUSE_SHARE * self._took, _LONGEST_PAUSE), self._delivery.shortest_pause)

    def _anything(self) -> bool:
        lists = (self._undelivered, self._task_runs, self._flow_runs, self._logs, self._artifacts, self._superseded)
        return any(lists)

    def _flush_or_fail(self) -> bool:
        """Flush; a fault of ours must reach whoever waits at a barrier, rather than leave them waiting for ever."""
        try:
            with self._flushing:
                return self._flush()
        except Exception as error:
            self.fail(BackendError(f"The journal met an error that it does not know: {type(error).__name__}: {error}"))
            return False

    def _flush(self) -> bool:
        with self._flushed:
            asked, durable = self._asked, self._durable
            self._durable = False
        if not self._deliver_again():
            return False
        # Flow runs first: what is dirty of their task runs was touched before them, so it is in the list below.
        flow_runs, self._flow_runs = self._flow_runs, []
        task_runs, self._task_runs = self._task_runs, []
        logs, self._logs = self._logs, []
        artifacts, self._artifacts = self._artifacts, []
        superseded, self._superseded = self._superseded, []
        rest = Rest(flow_runs, logs, artifacts, superseded)
        size = self._limits.max_batch
        for start in range(0, max(len(task_runs), 1), size):
            last = start + size >= len(task_runs)
            batch = self._batch(task_runs[start : start + size], rest, first=start == 0, last=last)
            batch.durable = durable and last
            self._undelivered += in_parts(batch, self._limits.max_batch_size)
        if not (self._deliver_again() and self._secure(durable)):
            return False
        with self._flushed:
            self._answered = max(self._answered, asked)
            self._flushed.notify_all()
        return True

    def _secure(self, durable: bool) -> bool:
        if durable:
            try:
                self._delivery.secure()
            except BackendUnavailable as error:
                self.fail(error)
                return False
        return True

    def _deliver_again(self) -> bool:
        """Deliver what waits, in order. False: it cannot be delivered now; nothing of it is lost."""
        while self._undelivered:
            if not self._deliver(self._undelivered[0]):
                return False
            del self._undelivered[0]
        return True

    def _batch(self, task_runs: list[TaskRunRecord], rest: Rest, *, first: bool, last: bool) -> Batch:
        self._version += 1
        version = self._version
        # The blobs after the snapshots would be too late, before them too early: whatever a snapshot refers to
        # was added before the run was touched, so it is in the list when the snapshot is taken.
        batch = Batch(attempts={}, process_id=self.process.id)
        attempts = batch.attempts
        definitions = self._known_definitions
        snapshots = batch.task_runs
        for run in task_runs:
            run.dirty = False
            snapshot = snapshot_of(run, version)
            if snapshot is None:
                continue
            snapshots.append(snapshot)
            if snapshot.task_id not in definitions:
                definitions.add(snapshot.task_id)
                batch.tasks.append(run.definition)
            if snapshot.root_run_id not in attempts:
                attempts[snapshot.root_run_id] = run.writer.attempt
        if first or last:
            self._add_flow_runs(batch, rest, version, final=last)
        blobs, self._blobs = self._blobs, []
        batch.blobs = blobs
        if last:
            batch.logs = rest.logs
            batch.artifacts = rest.artifacts
            batch.superseded = [id_ for _, id_ in rest.superseded]
        if not self._process_sent:
            batch.process = self.process
        others = {record.root_run_id for record in batch.logs} | {root for root, _ in rest.superseded}
        for root in others | {record.root_run_id for record in batch.artifacts if record.root_run_id}:
            attempts.setdefault(root, self._attempts.get(root, 1))
        batch.recorded = [root for root in attempts if root in self._recorded]
        return batch

    def _add_flow_runs(self, batch: Batch, rest: Rest, version: int, *, final: bool) -> None:
        """Add flow runs: those that go on with the first batch, those that ended only with the last."""
        ready = rest.flow_runs if final else [run for run in rest.flow_runs if not run.ended]
        rest.flow_runs = [] if final else [run for run in rest.flow_runs if run.ended]
        for run in ready:
            run.dirty = False
            snapshot = snapshot_of(run, version)
            if snapshot is None:
                continue
            batch.flow_runs.append(snapshot)
            if snapshot.flow_id not in self._known_definitions:
                self._known_definitions.add(snapshot.flow_id)
                batch.flows.append(run.definition)
            batch.attempts[snapshot.root_run_id] = run.writer.attempt

    def _deliver(self, batch: Batch) -> bool:
        """Deliver a batch; try again while that can help. False: it cannot."""
        give_up = time.monotonic() + self._limits.delivery_timeout
        pause = 0.05
        while True:
            try:
                self._delivery.send(batch)
            except SetAside as refused:
                self.fail(refused.error)
                return True
            except BackendUnavailable as error:
                if self._given_up or time.monotonic() > give_up or (self._closing and pause > 1):
                    self.fail(error)
                    return False
                say(f"{error} {len(batch.task_runs)} task runs wait to be recorded; trying again.")
                time.sleep(pause)
                pause = min(pause * 2, 5.0)
            except BackendError as error:
                self.fail(error)
                return False
            else:
                self._process_sent = True
                self._remember(batch)
                return True

    def _remember(self, batch: Batch) -> None:
        """Remember which roots are recorded from now on, while they are written."""
        for run in batch.flow_runs:
            if run.id == run.root_run_id:
                if run.state_type < FIRST_TERMINAL_CODE:
                    self._recorded.add(run.id)
                else:
                    self._recorded.discard(run.id)

    def know_tags(self, limited: list[str]) -> None:
        """Note the tags whose task runs need a slot."""
        self.limited_tags = frozenset(limited)
        self.tags_matter = bool(limited)

    # --- for the delivery

    def attempts_under_way(self) -> dict[bytes, int] | None:
        """See `delivery.Sender`."""
        if not self._writers or not self._process_sent:
            return None
        return {root: writer.attempt for root, writer in list(self._writers.items()) if root in self._recorded}

    def rouse(self) -> None:
        """See `delivery.Sender`."""
        self._wake.set()

    def obey(self, attempts: dict[bytes, int], receipt: Receipt) -> None:
        """See `delivery.Sender`."""
        self.know_tags(receipt.limited_tags)
        self.beat_every = min(self._limits.heartbeat_interval, receipt.lease / 3)
        for root in receipt.fenced:
            writer = self._writers.get(root)
            if writer is not None and writer.attempt == attempts.get(root):
                writer.on_fenced()
        for root in receipt.cancel:
            writer = self._writers.get(root)
            if writer is not None and writer.attempt == attempts.get(root):
                writer.on_cancel_requested()
        for roots, suspend in ((receipt.pause, False), (receipt.suspend, True)):
            for root in roots:
                writer = self._writers.get(root)
                if writer is not None and writer.attempt == attempts.get(root):
                    writer.on_pause_requested(suspend)

    def forget(self, batch: Batch) -> None:
        """See `delivery.Sender`."""
        self._recorded.difference_update(batch.attempts.keys() - set(batch.recorded))

    def fail(self, error: BackendError) -> None:
        """See `delivery.Sender`."""
        with self._flushed:
            self._failure = _Failure(error, self._answered, self._asked)
            self._flushed.notify_all()
        say(str(error))


class _Failure:
    """What kept the barriers from `after` up to `until` from being answered, by their numbers."""

    def __init__(self, error: BackendError | None = None, after: int = 0, until: int = 0) -> None:
        self.error = error or BackendError("Nothing failed.")
        self._after = after
        self._until = until

    def concerns(self, barrier: int) -> bool:
        """Tell whether a barrier was waiting then."""
        return self._after < barrier <= self._until
