"""The thread pool for submitted sync tasks: grows only while its threads are blocked, and never deadlocks."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from dalsegno._engine import blocking
from dalsegno._engine.timers import call_later

Job = Callable[[], None]

_log = logging.getLogger("dalsegno")

_QUICK = 4  # threads that are started without waiting to see whether they are needed
_LOOK_AFTER = 0.002  # seconds without progress after which more threads are started


class ThreadPool:
    """At most `max_workers` jobs run at a time; one that blocks on a future does not count while it does.

    Invariant: `_running` counts the threads that work or look for work; those that gave up their place, and those
    that wait idle, are not among them.
    """

    def __init__(self, max_workers: int, name: str = "dalsegno-worker") -> None:
        self._max_workers = max_workers
        self._name = name
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._running = 0
        self._idle = 0
        self._taken = 0
        self._taken_before = -1
        self._watching = False
        self._closed = False

    def put(self, job: Job) -> None:
        """Queue a job."""
        with self._lock:
            self._jobs.append(job)
            if self._running < self._max_workers:
                if self._idle:
                    self._work.notify()
                elif self._running < _QUICK:
                    self._start()
                self._watch()
            stranded = self._is_stranded()
        if stranded:
            self._do_here()

    def close(self) -> None:
        """Let the threads end once nothing is queued."""
        with self._lock:
            self._closed = True
            self._work.notify_all()

    def clear(self) -> list[Job]:
        """Take back what is queued and has not begun."""
        with self._lock:
            jobs = list(self._jobs)
            self._jobs.clear()
            return jobs

    # --- places: see `blocking`

    def leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._jobs:
                if self._idle:
                    self._work.notify()
                else:
                    self._start()
                self._watch()
            stranded = self._is_stranded()
        if stranded:
            self._do_here()

    def take(self) -> None:
        # The thread goes on at once, if need be above the limit: to wait for a place here could be a deadlock.
        with self._lock:
            self._running += 1

    # --- threads

    def _start(self) -> bool:
        """Start a thread. False: the system gives us no more of them."""
        try:
            threading.Thread(target=self._work_on, name=self._name, daemon=True).start()
        except RuntimeError:
            return False
        self._running += 1
        return True

    def _is_stranded(self) -> bool:
        """Tell whether there are jobs and no thread that could ever take one."""
        return bool(self._jobs) and self._running == 0 and self._idle == 0

    def _do_here(self) -> None:
        """Do what is queued in this thread, which is about to wait or has just queued it, until another one can."""
        _log.warning("No thread can be started for tasks: they run one after the other where they were submitted.")
        while True:
            with self._lock:
                if not self._is_stranded():
                    return
                job = self._jobs.popleft()
                self._taken += 1
                self._running += 1
            try:
                with blocking.placed(self):
                    job()
            finally:
                with self._lock:
                    self._running -= 1

    def _work_on(self) -> None:
        blocking.set_place(self)
        while True:
            with self._lock:
                while not self._jobs or self._running > self._max_workers:
                    self._running -= 1
                    if self._closed and not self._jobs:
                        self._work.notify_all()
                        return
                    self._idle += 1
                    self._work.wait()
                    self._idle -= 1
                    self._running += 1
                job = self._jobs.popleft()
                self._taken += 1
            job()
            del job

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._taken_before = self._taken
            try:
                call_later(_LOOK_AFTER, self._look)
            except RuntimeError:  # no thread for timers either: the pool grows when the next job comes
                self._watching = False

    def _look(self) -> None:
        """Start more threads if none of those that there are has taken a job since the last look."""
        with self._lock:
            self._watching = False
            if not self._jobs:
                return
            if self._taken == self._taken_before:
                room = self._max_workers - self._running
                for _ in range(min(room, len(self._jobs), max(_QUICK, self._running))):
                    if self._idle:
                        self._work.notify()
                    elif not self._start():
                        break
            if self._running < self._max_workers:
                self._watch()
