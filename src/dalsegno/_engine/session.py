"""The execution of one root run in this process: its journal, its attempt, and whether it is to stop."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine import clock, logs
from dalsegno._engine.breaking import waits
from dalsegno._engine.keeping import Keeper
from dalsegno._engine.links import ValueLinks
from dalsegno._engine.runs import TaskRun
from dalsegno._journal.folder import SpoolFolder
from dalsegno._journal.journal import Journal
from dalsegno._processes import current_process
from dalsegno._spans import open_tracer
from dalsegno.exceptions import BackendError, RunCancelled, RunFenced
from dalsegno.model.ids import id_text
from dalsegno.model.records import ArtifactRecord, LogRecord, ResultBlob
from dalsegno.settings import Settings, get_current_settings

if TYPE_CHECKING:
    from dalsegno._engine.spans import Spans


class Wishes:
    """What somebody wants of the run before its next task: a pause, or that it is suspended."""

    def __init__(self) -> None:
        self.wanted: bool | None = None
        """True: to be suspended."""
        self.pause_id: bytes | None = None
        """The pause that was begun for it."""
        self.over: Any = None
        """Done when that pause is over: a bell."""
        self.lock = threading.Lock()

    def note(self, suspend: bool) -> None:
        """Note a wish; one that is obeyed already is not another."""
        if self.pause_id is None:
            self.wanted = suspend

    def fulfilled(self) -> None:
        """Forget it."""
        self.wanted = self.pause_id = None


class NoJournal:
    """Takes the place of the journal in a process that was forked by user code: nothing is recorded there."""

    tags_matter = False

    def __init__(self, journal: Any) -> None:
        self.backend = journal.backend
        self.process = journal.process

    def touch(self, record: Any) -> None: ...
    def touch_flow_run(self, record: Any) -> None: ...
    def add_log(self, record: LogRecord) -> None: ...
    def add_artifact(self, record: ArtifactRecord) -> None: ...
    def add_blob(self, blob: ResultBlob) -> None: ...
    def supersede(self, root_run_id: bytes, task_run_ids: list[bytes]) -> None: ...
    def enter(self, writer: Any, *, of_flow: bool = True) -> None: ...
    def leave(self, writer: Any) -> None: ...
    def catch_up(self) -> None: ...
    def barrier(self, durable: bool = True) -> None: ...


class Session:
    """What all runs under one root share. The root is a flow run, or a task run outside of flows."""

    def __init__(self, journal: Journal, root_run_id: bytes, *, attempt: int = 1) -> None:
        self.journal: Journal | Any = journal
        self.backend: Backend = journal.backend
        self.root_run_id = root_run_id
        self.attempt = attempt
        self.settings: Settings = get_current_settings()
        of_tasks = self.settings.tasks.default_persist_result
        self.persist_default = self.settings.results.persist_by_default
        self.persist_tasks = self.persist_default if of_tasks is None else of_tasks
        self.fingerprint_cap = self.settings.replay.fingerprint_cap
        self.keeper = Keeper(self)
        self.links = ValueLinks()
        self.spans: Spans | None = _spans(self.settings) if self.settings.traces.enabled else None
        """What traces the runs; None: nobody asked for that."""
        self.detached = False
        self.stop: type[BaseException] | None = None
        """Why no task may start any more: RunCancelled, RunFenced."""
        self.claimed = False
        """The run was claimed from the queue: when it is suspended, it is queued again."""
        self.suspension: tuple[str, dict[str, Any]] | None = None
        """Why the run gives its process back, and the details of that state."""
        self.wishes = Wishes()
        self.signal: BaseException | None = None
        """The signal that made a loop cancel the coroutines of the run."""
        self.interrupts: list[Callable[[type[BaseException]], None]] = []
        """What can break off the bodies that are running now."""
        self._wakers: set[Callable[[], None]] = set()
        """What ends the waits of the engine's own that are under way."""
        self._noted: set[int] = set()
        self._heard: set[int] = set()
        """The threads in which `check` said that the run is to stop."""
        _sessions.add(self)

    # --- as the journal's writer

    def on_cancel_requested(self) -> None:
        self._stop(RunCancelled)

    def on_pause_requested(self, suspend: bool) -> None:
        self.wishes.note(suspend)

    def on_fenced(self) -> None:
        self._stop(RunFenced)

    def hear(self) -> None:
        """Ask what is wanted of the run, once the body is over."""
        try:
            receipt = self.backend.heartbeat(self.journal.process.id, {self.root_run_id: self.attempt})
        except BackendError:
            return  # Nobody can say; it is as it looks.
        if self.root_run_id in receipt.cancel:
            self.stop = RunCancelled

    def _stop(self, reason: type[BaseException]) -> None:
        if self.stop is None:
            self.stop = reason
            for interrupt in list(self.interrupts):
                interrupt(reason)
            while self._wakers:
                try:
                    wake = self._wakers.pop()
                except KeyError:
                    break  # its wait has just ended
                wake()

    @contextlib.contextmanager
    def woken(self, wake: Callable[[], None]) -> Generator[None]:
        """Call `wake`, from another thread, if the run is to stop while the block waits; then raise why it is to stop.

        No signal and no exception reaches a thread that waits for a lock, unless it is the main one.
        """
        self._wakers.add(wake)
        try:
            if self.stop is not None:
                wake()
            yield
        finally:
            self._wakers.discard(wake)

    @waits
    def sleep(self, seconds: float) -> None:
        """Wait; raise if the run is to stop."""
        if clock.is_fake():
            clock.sleep(seconds)
        else:
            stopped = threading.Event()
            with self.woken(stopped.set):
                stopped.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise if no task may start any more."""
        if self.stop is None:
            return
        self._heard.add(threading.get_ident())
        if self.stop is RunCancelled:
            raise RunCancelled("The run was cancelled.")
        raise RunFenced(
            "Another attempt of this run was started elsewhere: this process stops, and nothing that it still does is "
            "recorded."
        )

    def was_heard_in(self, thread_id: int) -> bool:
        """Say whether a thread was told by `check` that the run is to stop: once is enough."""
        return thread_id in self._heard

    def cause_of(self, error: BaseException) -> BaseException:
        """Return what broke a body off: the signal, where the loop made a CancelledError of it."""
        return self.signal or error

    # --- as the engine's memory

    @property
    def root_run_text(self) -> str:
        return id_text(self.root_run_id)

    def note_unmatchable(self, run: TaskRun, reason: str) -> None:
        """Say, once per task, that a call cannot be answered when the run is retried."""
        if run.definition.id not in self._noted:
            self._noted.add(run.definition.id)
            logs.write(
                run, logging.INFO, "Task %r will run again when its run is retried: %s.", run.definition.name, reason
            )

    def _detach(self) -> None:
        self.journal = NoJournal(self.journal)
        self.detached = True


def _spans(settings: Settings) -> Spans | None:
    tracer = open_tracer(settings)
    if tracer is None:
        return None
    from dalsegno._engine.spans import Spans

    return Spans(tracer)


waits(Journal.barrier)

_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_journals: dict[int, Journal] = {}
_lock = threading.Lock()


def journal_for(backend: Backend) -> Journal:
    """Return this process's journal to a backend."""
    journal = _journals.get(id(backend))
    if journal is None or journal.backend is not backend:
        with _lock:
            journal = _journals.get(id(backend))
            if journal is None or journal.backend is not backend:
                settings = get_current_settings()
                folder = SpoolFolder(settings.home, backend.url) if backend.spools else None
                journal = Journal(backend, current_process(), settings.journal, folder)
                _journals[id(backend)] = journal
    return journal


def close_journals(backend: Backend | None = None, *, tidy: bool = True) -> None:
    """Deliver what is left and end the journals, or that of one backend: at exit, and between tests.

    Without `tidy` it leaves to others what retention asks for.
    """
    for key, journal in list(_journals.items()):
        if backend is None or journal.backend is backend:
            del _journals[key]
            journal.close(tidy=tidy)


def _close_at_exit() -> None:
    try:
        close_journals()
    except BackendError as error:
        print(
            f"dalsegno: The end of what ran here could not be recorded: {error} When its run is retried, "
            "what was not recorded runs again.",
            file=sys.stderr,
        )


atexit.register(_close_at_exit)


def _after_fork() -> None:
    """A process that user code forked must not write with what belongs to its parent."""
    global _lock
    _lock = threading.Lock()
    _journals.clear()
    for session in list(_sessions):
        session._detach()  # pyright: ignore[reportPrivateUsage]


os.register_at_fork(after_in_child=_after_fork)
