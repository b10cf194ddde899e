"""The program of a template process: `python -m dalsegno.workers.template HANDLE`.

It imports the code of a flow once, and forks a process for each run that its worker orders; or it imports nothing, and
starts a fresh interpreter for each. It executes nothing itself: it runs no engine, no thread, no loop and no database,
has only the socket to its worker, and ends when that is closed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
import warnings

import msgspec

from dalsegno.workers import becoming, executing, forkable, loaded_files, warming
from dalsegno.workers.keeper import Roll, kill_group, start_keeper
from dalsegno.workers.orders import (
    Broken,
    Ended,
    Execute,
    Frames,
    FromTemplate,
    Load,
    Ready,
    Started,
    decode_to_template,
    frame,
)

_HANDLES = 3
"""Handles that go with an order: output, errors, report."""
_MOST = 65_536
_NOT_STARTED = 127
"""The exit code of a program that is not there, as shells say it."""


class Template:
    """Obeys the worker at the other end of a socket."""

    def __init__(self, worker: socket.socket) -> None:
        self._worker = worker
        self._frames = Frames()
        self._handles: list[int] = []
        self._forks = False
        self._children: dict[int, tuple[int, int]] = {}
        """Process id to the number of the order, and its place on the roll."""
        self._roll = Roll()
        self._kept = -1
        self._pid = os.getpid()
        self._die_with_parent = becoming.die_with_parent()
        self._signals, self._signalled = os.pipe()
        for handle in (self._signals, self._signalled):
            os.set_blocking(handle, False)

    def serve(self) -> None:
        """Obey until the worker is gone; then nothing of what was started here goes on."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda number, stack: None)
        self._kept = start_keeper(self._worker, self._roll)
        signal.set_wakeup_fd(self._signalled, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._worker, select.POLLIN)
        poll.register(self._signals, select.POLLIN)
        while True:
            ready = {handle for handle, _ in poll.poll()}
            if self._signals in ready:
                os.read(self._signals, _MOST)
                self._reap()
            if self._worker.fileno() in ready and not self._listen():
                break
        self._roll.kill_all()

    def _listen(self) -> bool:
        """Do what was ordered. False: the worker is gone."""
        try:
            data, handles, _, _ = socket.recv_fds(self._worker, _MOST, 64)
        except ConnectionError:
            return False
        self._handles += handles
        for content in self._frames.add(data):
            order = decode_to_template(content)
            if isinstance(order, Load):
                self._forks = order.fork
                self._tell(load(order.entrypoint, {self._worker.fileno()}) if order.fork else Ready([]))
            else:
                self._begin(order, [self._handles.pop(0) for _ in range(_HANDLES)])
        return bool(data)

    def _begin(self, order: Execute, handles: list[int]) -> None:
        place = self._roll.reserve()
        try:
            pid = self._start(order, handles, place)
        except OSError as error:
            os.write(handles[1], f"It could not be started: {error}\n".encode())
            self._roll.strike(place)
            self._tell(Ended(order.number, _NOT_STARTED))
        else:
            self._children[pid] = order.number, place
            self._tell(Started(order.number, pid))
        finally:
            for handle in handles:
                os.close(handle)

    def _start(self, order: Execute, handles: list[int], place: int) -> int:
        if self._forks:
            return self._fork(order, handles, place)
        pid = _spawn(order, handles)
        self._roll.enter(place, pid)
        return pid

    def _fork(self, order: Execute, handles: list[int], place: int) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # Python counts the threads of OpenBLAS, which is made for this.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            self._become(order, place, *handles)
        return pid

    def _become(self, order: Execute, place: int, output: int, errors: int, report: int) -> None:
        """Be the process of a run, to its end."""
        try:
            self._die_with_parent(self._pid)
            os.setsid()
            self._roll.enter(place, os.getpid())
            becoming.restore_signals()
            self._worker.close()
            os.close(self._signals)
            os.close(self._signalled)
            os.close(self._kept)
            becoming.redirect(output, errors)
            becoming.reseed()
            executing.execute_and_exit(order, report)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def _reap(self) -> None:
        for pid, (number, place) in list(self._children.items()):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            kill_group(pid)  # Before its id is free: nothing that it started outlives it.
            self._roll.strike(place)
            _, status = os.waitpid(pid, 0)
            del self._children[pid]
            self._tell(Ended(number, os.waitstatus_to_exitcode(status)))

    def _tell(self, message: FromTemplate) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._worker.sendall(frame(message))


def load(entrypoint: str | None, own_handles: set[int]) -> Ready | Broken:
    """Import the code of an entry point, and all that a run needs."""
    since = time.time_ns()
    warming.import_what_runs_need()
    if entrypoint is not None:
        from dalsegno.flows import load_flow_from_entrypoint

        loaded_files.compile_own_files()
        try:
            load_flow_from_entrypoint(entrypoint).prepare()
        except BaseException as error:
            return Broken("".join(traceback.format_exception(error)).strip())
    files = loaded_files.stamps_of_loaded(since)
    warming.read_sources(files)
    gc.collect()
    # What is there now is shared with all children: a collection must not write to it.
    gc.freeze()
    return Ready(files, forkable.obstacle(own_handles))


def _spawn(order: Execute, handles: list[int]) -> int:
    """Start a fresh interpreter for a run."""
    output, errors, report = handles
    text = msgspec.json.encode(order).decode()
    # What goes before it may stay there as its parent.
    parent = 0 if order.wrapper else os.getpid()
    process = subprocess.Popen(
        [*order.wrapper, sys.executable, "-m", "dalsegno.workers.spawned", text, str(report), str(parent)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        pass_fds=[report],
        start_new_session=True,
        restore_signals=True,
    )
    process.returncode = 0  # It is waited for here, and not by its object.
    return process.pid


def main() -> None:
    """Serve the worker whose socket was handed down."""
    handle = int(sys.argv[1])
    os.set_inheritable(handle, False)
    sys.argv[:] = [""]
    Template(socket.socket(fileno=handle)).serve()


if __name__ == "__main__":
    # A script may become `__main__` in its stead.
    from dalsegno.workers import template

    template.main()
