"""Processes that run bodies, one at a time each: a pool of them, the pipe to each, and what goes on at its other end.

Each body's process is known, so that one body can be broken off without the others.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from dalsegno._engine import remote
from dalsegno._engine.breaking import door, may_break, try_again
from dalsegno._engine.pooled import Outcome
from dalsegno._engine.steps import Call
from dalsegno._engine.timers import call_later
from dalsegno.exceptions import CrashedRun, RunCancelled, TerminationSignal

_GRACE = 1.0
"""Seconds that a process has to unwind its body before it is killed."""

_CANCEL = signal.SIGUSR1
"""Tells a process that its body was cancelled; SIGTERM tells it any other reason to stop."""

_MAIN = threading.main_thread().ident or 0
"""The thread that runs the bodies, in the other process."""

RunCalls = Callable[[bytes], Iterator[bytes]]
"""In the other process: runs the calls of a message and gives a reply for each."""


class Workers:
    """A pool of processes for the bodies of one launcher; made when there is something for them to do."""

    def __init__(self, most: int, run: RunCalls, initializer: Callable[..., object] | None, initargs: Any) -> None:
        self._most = most
        self._make: Callable[[], _Worker] = lambda: _Worker(run, initializer, initargs)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy: dict[Call, _Worker] = {}
        self._stopped: list[_Worker] = []

    def outcomes(self, steps: Sequence[Call]) -> Iterator[Outcome]:
        """Send calls to one process as one message; give the outcome of each, in order, as it is known."""
        try:
            message = remote.pack_calls(steps)
        except Exception as error:
            if len(steps) == 1:
                yield None, error
                return
            message = None  # one of them cannot be sent: its fault alone
        if message is not None:
            outcomes = list[Outcome]()
            for outcome in self._sent(message, steps):
                if isinstance(outcome[1], remote.UnreadableCalls) and len(steps) > 1:
                    break
                outcomes.append(outcome)
                yield outcome
            steps = steps[len(outcomes) :]
        for step in steps:
            yield from self.outcomes([step])

    def _sent(self, message: bytes, steps: Sequence[Call]) -> Iterator[Outcome]:
        left = list(reversed(steps))
        worker: _Worker | None = None
        try:
            worker = self._take(steps)
            worker.send(message)
            while left:
                reply = worker.receive()
                step = left.pop()
                with self._lock:
                    del self._busy[step]
                yield _outcome(reply, step)
        except (EOFError, OSError) as error:
            ended = worker.ended(error) if worker is not None else error
            for _ in left:
                yield None, ended
        finally:
            if worker is not None:
                self._give_back(worker, left)

    def stop(self, step: Call, error: BaseException) -> bool:
        """Have the process of a body end, by force if need be; False if the body does not run."""
        with self._lock:
            worker = self._busy.get(step)
            if worker is None:
                return False
            if not worker.stopped:
                self._stopped.append(worker)
                worker.stop(_CANCEL if isinstance(error, RunCancelled) else signal.SIGTERM)
            return True

    def close(self) -> None:
        """Let the processes end, and wait for those that are idle or were stopped."""
        with self._lock:
            ending, self._idle, self._stopped = [*self._idle, *self._stopped], [], []
        for worker in ending:
            worker.let_go()
        for worker in ending:
            worker.join()

    def _take(self, steps: Sequence[Call]) -> _Worker:
        with self._lock:
            worker = self._idle.pop() if self._idle else self._make()
            self._busy.update(dict.fromkeys(steps, worker))
            return worker

    def _give_back(self, worker: _Worker, unanswered: Sequence[Call]) -> None:
        with self._lock:
            for step in unanswered:
                self._busy.pop(step, None)
            if unanswered or worker.stopped or len(self._idle) >= self._most:
                worker.let_go()
            else:
                self._idle.append(worker)


class _Worker:
    """One process, as this one sees it."""

    def __init__(self, run: RunCalls, initializer: Callable[..., object] | None, initargs: Any) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(
            target=_serve, args=(theirs, run, initializer, initargs), name="dalsegno-process-worker"
        )
        self._process.start()
        theirs.close()
        self.stopped = False

    def send(self, message: bytes) -> None:
        self._pipe.send_bytes(message)

    def receive(self) -> bytes:
        return self._pipe.recv_bytes()

    def stop(self, number: int) -> None:
        """Ask it to end, and kill it if it does not."""
        self.stopped = True
        pid = self._process.pid
        if self._process.is_alive() and pid is not None:
            os.kill(pid, number)
        try:
            call_later(_GRACE, self._process.kill)
        except RuntimeError:  # no thread for timers
            self._process.kill()

    def ended(self, error: BaseException) -> BaseException:
        """Return what the end of the process means for the body that ran in it."""
        if self.stopped:
            return RunCancelled("The run was cancelled.")
        self._process.join(_GRACE)
        code = self._process.exitcode
        how = f"exit code {code}" if code is not None and code >= 0 else f"signal {-code}" if code else repr(error)
        return CrashedRun(
            "A process of the pool ended abruptly while the task ran in it (killed, out of memory, or os._exit): "
            f"{how}."
        )

    def let_go(self) -> None:
        """It ends when it has nothing to do any more."""
        self._pipe.close()

    def join(self) -> None:
        self._process.join()


def _outcome(reply: bytes, step: Call) -> Outcome:
    try:
        return remote.unpack_reply(reply, step.scope), None
    except BaseException as error:
        return None, error


# --- in the other process


@door
def _serve(pipe: Connection, run: RunCalls, initializer: Callable[..., object] | None, initargs: Any) -> None:
    """Run what comes through the pipe until that is closed or the parent is gone."""
    signal.signal(_CANCEL, _on_signal)
    signal.signal(signal.SIGTERM, _on_signal)
    # Told to stop, or out of work: whoever waits reads the end of the pipe.
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt, RunCancelled, TerminationSignal):
        if initializer is not None:
            initializer(*initargs)
        parent = multiprocessing.parent_process()
        watched = [pipe] if parent is None else [pipe, parent.sentinel]
        while pipe in wait(watched):
            for reply in run(pipe.recv_bytes()):
                pipe.send_bytes(reply)
    _ignore_signals()


def _on_signal(number: int, frame: types.FrameType | None) -> None:
    if not may_break(frame) and try_again(lambda: signal.pthread_kill(_MAIN, number)):
        return
    _ignore_signals()  # one is enough, and what unwinds the body is not to be broken off
    raise RunCancelled("The run was cancelled.") if number == _CANCEL else TerminationSignal(number)


def _ignore_signals() -> None:
    signal.signal(_CANCEL, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
