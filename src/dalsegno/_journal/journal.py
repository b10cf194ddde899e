"""Collects what changed and delivers it: newest snapshots of dirty records, one batch in flight at a time.

`touch` is on the engine's hot path and does no I/O; a thread flushes every ~20 ms while anything is dirty.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Protocol, TypeVar

from dalsegno._backend.protocol import Backend
from dalsegno.exceptions import BackendError, BackendUnavailable
from dalsegno.model.records import (
    ArtifactRecord,
    Batch,
    FlowDefinition,
    FlowRunSnapshot,
    LogRecord,
    ProcessRecord,
    Receipt,
    ResultBlob,
    TaskDefinition,
    TaskRunSnapshot,
)

_PAUSE_AFTER_FAILURE = 1.0  # seconds
_CLEAN_UP_EVERY = 600.0  # seconds
_REMEMBERED = 1000


class Writer(Protocol):
    """Whoever executes a root run: the journal asks it under which attempt to write, and tells it what is wanted."""

    root_run_id: bytes
    attempt: int

    def on_cancel_requested(self) -> None: ...
    def on_fenced(self) -> None: ...


class TaskRunRecord(Protocol):
    """A task run that can be written down."""

    dirty: bool

    @property
    def writer(self) -> Writer: ...
    @property
    def definition(self) -> TaskDefinition: ...
    def snapshot(self, version: int) -> TaskRunSnapshot: ...


class FlowRunRecord(Protocol):
    """A flow run that can be written down."""

    dirty: bool

    @property
    def ended(self) -> bool: ...
    @property
    def writer(self) -> Writer: ...
    @property
    def definition(self) -> FlowDefinition: ...
    def snapshot(self, version: int) -> FlowRunSnapshot: ...


class Limits(Protocol):
    """The settings that a journal obeys; times in seconds."""

    @property
    def flush_interval(self) -> float: ...
    @property
    def heartbeat_interval(self) -> float: ...
    @property
    def max_batch(self) -> int: ...
    @property
    def max_waiting(self) -> int: ...
    @property
    def delivery_timeout(self) -> float: ...


class Journal:
    """One per process and backend.

    Invariants: a record is in `_task_runs` or `_flow_runs` if and only if it is dirty; versions only grow; a batch is
    delivered again, unchanged, until it is acknowledged, before any later one; the final state of a flow run is in
    the last batch of a flush, after all task runs that were touched before it.
    """

    def __init__(self, backend: Backend, process: ProcessRecord, limits: Limits) -> None:
        self.backend = backend
        self.process = process
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
        self._known_definitions: set[int] = set()
        self._process_sent = False
        self._idle = True
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._flushed = threading.Condition()
        self._asked = 0  # barriers that were asked for
        self._answered = 0  # ... and those that are acknowledged
        self._durable = False
        self._failure: BackendError | None = None
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

    def enter(self, writer: Writer) -> None:
        """Begin to write for a root run."""
        self._writers[writer.root_run_id] = writer
        self._attempts[writer.root_run_id] = writer.attempt
        if len(self._attempts) > _REMEMBERED:
            for root in [root for root in self._attempts if root not in self._writers][: _REMEMBERED // 2]:
                del self._attempts[root]

    def leave(self, writer: Writer) -> None:
        """End writing for a root run; what is dirty is still delivered."""
        self._writers.pop(writer.root_run_id, None)

    # --- barriers

    def barrier(self, durable: bool = True) -> None:
        """Wait until all that was touched before is acknowledged (with a full fsync if `durable`).

        Raises the error that keeps the backend from taking it: at once where trying again is no use, else after the
        delivery timeout.
        """
        if threading.current_thread() is self._thread:
            return
        with self._flushed:
            self._failure = None
            self._asked += 1
            mine = self._asked
            self._durable = self._durable or durable
            self._urgent.set()
            self._rouse()
            alone = self._thread is None
        if alone:
            self._flush_here()
        with self._flushed:
            while self._answered < mine:
                if self._failure is not None:
                    raise self._failure
                self._flushed.wait(1.0)

    def close(self) -> None:
        """Deliver what is left, say that the process ends, and end the thread."""
        thread = self._thread
        if thread is None and not (self._process_sent or self._anything()):
            return
        self._closing = True
        try:
            self.barrier(durable=False)
            self._clean_up()
            self.backend.end_process(self.process.id)
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
                        _warn(f"The journal has no thread ({error}): what changes is recorded at barriers only.")
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
        next_beat = time.monotonic() + self._limits.heartbeat_interval
        next_clean_up = next_beat
        while not (self._given_up or (self._closing and self._answered >= self._asked)):
            self._wake.wait(max(0.0, next_beat - time.monotonic()))
            self._wake.clear()
            if self._anything() or self._asked > self._answered:
                self._urgent.wait(self._limits.flush_interval)
                self._urgent.clear()
                self._flush_or_fail()
                if self._failure is not None:
                    self._urgent.wait(_PAUSE_AFTER_FAILURE)
                if self._anything():
                    self._wake.set()
                else:
                    self._idle = True
                    if self._anything():
                        self._rouse()
            if time.monotonic() >= next_beat:
                self._beat()
                next_beat = time.monotonic() + self._limits.heartbeat_interval
                if next_beat > next_clean_up:
                    next_clean_up = next_beat + (0 if self._clean_up() else _CLEAN_UP_EVERY)

    def _anything(self) -> bool:
        lists = (self._undelivered, self._task_runs, self._flow_runs, self._logs, self._artifacts, self._superseded)
        return any(lists)

    def _beat(self) -> None:
        if not self._writers or not self._process_sent:
            return
        try:
            self._obey(self.backend.heartbeat(self.process.id, self._attempts_under_way()))
        except BackendUnavailable as error:
            _warn(f"The backend {self.backend.url} cannot be reached: {error}")
        except BackendError as error:
            self._fail(error)

    def _attempts_under_way(self) -> dict[bytes, int]:
        return {root: writer.attempt for root, writer in list(self._writers.items())}

    def _clean_up(self) -> bool:
        """Do a slice of what retention asks for, beside the runs. True: there is more to do."""
        try:
            return self.backend.clean_up() > 0
        except BackendError as error:
            _warn(f"Old runs cannot be deleted now: {error}")
            return False

    def _flush_or_fail(self) -> None:
        """Flush; a fault of ours must reach whoever waits at a barrier, rather than leave them waiting for ever."""
        try:
            with self._flushing:
                self._flush()
        except Exception as error:
            self._fail(BackendError(f"The journal met an error that it does not know: {type(error).__name__}: {error}"))

    def _flush(self) -> None:
        with self._flushed:
            asked, durable = self._asked, self._durable
            self._durable = False
        if not self._deliver_again():
            return
        # Flow runs first: what is dirty of their task runs was touched before them, so it is in the list below.
        flow_runs, self._flow_runs = self._flow_runs, []
        task_runs, self._task_runs = self._task_runs, []
        logs, self._logs = self._logs, []
        artifacts, self._artifacts = self._artifacts, []
        superseded, self._superseded = self._superseded, []
        rest = _Rest(flow_runs, logs, artifacts, superseded)
        size = self._limits.max_batch
        for start in range(0, max(len(task_runs), 1), size):
            last = start + size >= len(task_runs)
            batch = self._batch(task_runs[start : start + size], rest, first=start == 0, last=last)
            batch.durable = durable and last
            self._undelivered.append(batch)
        if not self._deliver_again():
            return
        with self._flushed:
            self._answered = max(self._answered, asked)
            self._flushed.notify_all()

    def _deliver_again(self) -> bool:
        """Deliver what waits, in order. False: it cannot be delivered now; nothing of it is lost."""
        while self._undelivered:
            if not self._deliver(self._undelivered[0]):
                return False
            del self._undelivered[0]
        return True

    def _batch(self, task_runs: list[TaskRunRecord], rest: _Rest, *, first: bool, last: bool) -> Batch:
        self._version += 1
        version = self._version
        # The blobs after the snapshots would be too late, before them too early: whatever a snapshot refers to
        # was added before the run was touched, so it is in the list when the snapshot is taken.
        batch = Batch(attempts={})
        attempts = batch.attempts
        definitions = self._known_definitions
        snapshots = batch.task_runs
        for run in task_runs:
            run.dirty = False
            snapshot = _snapshot(run, version)
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
        return batch

    def _add_flow_runs(self, batch: Batch, rest: _Rest, version: int, *, final: bool) -> None:
        """Add flow runs: those that go on with the first batch, those that ended only with the last."""
        ready = rest.flow_runs if final else [run for run in rest.flow_runs if not run.ended]
        rest.flow_runs = [] if final else [run for run in rest.flow_runs if run.ended]
        for run in ready:
            run.dirty = False
            snapshot = _snapshot(run, version)
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
                receipt = self.backend.deliver(batch)
            except BackendUnavailable as error:
                if self._given_up or time.monotonic() > give_up or (self._closing and pause > 1):
                    self._fail(error)
                    return False
                _warn(f"{error} {len(batch.task_runs)} task runs wait to be recorded; trying again.")
                time.sleep(pause)
                pause = min(pause * 2, 5.0)
            except BackendError as error:
                self._fail(error)
                return False
            else:
                self._process_sent = True
                self._obey(receipt)
                return True

    def _obey(self, receipt: Receipt) -> None:
        for root in receipt.fenced:
            writer = self._writers.get(root)
            if writer is not None:
                writer.on_fenced()
        for root in receipt.cancel:
            writer = self._writers.get(root)
            if writer is not None:
                writer.on_cancel_requested()

    def _fail(self, error: BackendError) -> None:
        with self._flushed:
            self._failure = error
            self._flushed.notify_all()
        _warn(str(error))


class _Rest:
    """What a flush carries beside task runs."""

    def __init__(
        self,
        flow_runs: list[FlowRunRecord],
        logs: list[LogRecord],
        artifacts: list[ArtifactRecord],
        superseded: list[tuple[bytes, bytes]],
    ) -> None:
        self.flow_runs = flow_runs
        self.logs = logs
        self.artifacts = artifacts
        self.superseded = superseded


_S = TypeVar("_S", covariant=True)


class _Snapshooter(Protocol[_S]):
    def snapshot(self, version: int) -> _S: ...


def _snapshot(run: _Snapshooter[_S], version: int) -> _S | None:
    """Return a record's snapshot; None, said on standard error, if it cannot be made: the others go on."""
    try:
        return run.snapshot(version)
    except Exception as error:
        _warn(f"{run!r} cannot be recorded: {type(error).__name__}: {error}")
        return None


def _warn(text: str) -> None:
    # Not the logging module: its handlers may lead back into this journal.
    print(f"dalsegno: {text}", file=sys.stderr, flush=True)
