"""The worker's side of template processes: starting them, ordering runs from them, retiring those of old code."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence

import msgspec

from dalsegno.workers.loaded_files import unchanged
from dalsegno.workers.orders import (
    Broken,
    Ended,
    Execute,
    Frames,
    FromTemplate,
    Load,
    Ready,
    Started,
    decode_from_template,
    frame,
)

_MOST = 65_536


class Kind(msgspec.Struct, frozen=True):
    """What one template is for."""

    python: str
    folder: str
    environment: tuple[tuple[str, str], ...]
    entrypoint: str | None
    """What it imports and forks; None: it starts fresh interpreters."""
    code_version: str | None = None
    """Where somebody knows: other code than that of another one."""


class Running:
    """A process that was ordered from a template."""

    def __init__(self) -> None:
        self.pid = 0
        self.status = 0
        self.started = threading.Event()
        self.ended = threading.Event()

    def start(self, pid: int) -> None:
        """Note that it started."""
        self.pid = pid
        self.started.set()

    def end(self, status: int) -> None:
        """Note that it ended, or was never there."""
        self.status = status
        self.ended.set()
        self.started.set()

    def signal_group(self, number: int) -> None:
        """Send a signal to it and to what it started."""
        if self.pid and not self.ended.is_set():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


class Template:
    """One template process. Its methods may be called from any thread."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.ready: Ready | None = None
        self.broken: str | None = None
        self.loaded = threading.Event()
        self.users = 0
        """Runs that wait for it or are executed by it; guarded by the lock of `Templates`."""
        self._lock = threading.Lock()
        self._runs: dict[int, Running] = {}
        self._last = 0
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [kind.python, "-m", "dalsegno.workers.template", str(theirs.fileno())],
                cwd=kind.folder,
                env=dict(kind.environment),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket.sendall(frame(Load(kind.entrypoint, kind.entrypoint is not None)))
        self._thread = threading.Thread(target=self._hear, name="dalsegno-template", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        """Whether it is loading, or loaded and of the code as it is now."""
        if self._process.returncode is not None or self.broken is not None:
            return False
        return self.ready is None or unchanged(self.ready.files)

    def execute(self, order: Execute, handles: Sequence[int]) -> Running:
        """Have a process started; the handles are its output, errors and report, and can be closed then."""
        running = Running()
        with self._lock:
            self._last += 1
            number = self._last
            self._runs[number] = running
            content = frame(msgspec.structs.replace(order, number=number))
            try:
                sent = socket.send_fds(self._socket, [content], list(handles))
                self._socket.sendall(content[sent:])
            except OSError:
                self._runs.pop(number, None)
                running.end(-signal.SIGKILL)
        return running

    def close(self) -> None:
        """Have it end, and all that it started with it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()

    def join(self, timeout: float) -> None:
        """Wait for its end."""
        self._thread.join(timeout)

    def _hear(self) -> None:
        frames = Frames()
        while data := self._receive():
            for content in frames.add(data):
                self._heed(decode_from_template(content))
        status = self._process.wait()
        if not self.loaded.is_set():
            self.broken = f"The process that imported the flow ended with status {status} before it had done so."
            self.loaded.set()
        with self._lock:
            left, self._runs = self._runs, {}
            self._socket.close()
        for running in left.values():
            running.signal_group(signal.SIGKILL)
            running.end(-signal.SIGKILL)

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_MOST)
        except OSError:
            return b""

    def _heed(self, message: FromTemplate) -> None:
        if isinstance(message, Started):
            self._runs[message.number].start(message.pid)
        elif isinstance(message, Ended):
            with self._lock:
                running = self._runs.pop(message.number)
            running.end(message.status)
        else:
            if isinstance(message, Broken):
                self.broken = message.message
            else:
                self.ready = message
            self.loaded.set()


class Templates:
    """The template processes of one worker."""

    def __init__(self, most: int, say: Callable[[str], None]) -> None:
        self._most = most
        self._say = say
        self._lock = threading.Lock()
        self._current: dict[Kind, Template] = {}
        self._retired: list[Template] = []
        self._spawned: dict[Kind, Ready] = {}
        """What is not forked, and why, as long as its files are the same."""

    def take(self, kind: Kind) -> Template:
        """Return the template for a kind, loading or loaded; it goes on until it is given back."""
        with self._lock:
            known = self._spawned.get(kind)
            if known is not None and unchanged(known.files):
                kind = msgspec.structs.replace(kind, entrypoint=None)
            template = self._current.pop(kind, None)
            if template is not None and not template.is_usable:
                self._retire(template)
                template = None
            if template is None:
                template = Template(kind)
            self._current[kind] = template  # The last one is the one that was used last.
            template.users += 1
            while len(self._current) > self._most:
                self._retire(self._current.pop(next(iter(self._current))))
            return template

    def give_back(self, template: Template) -> None:
        """End the use of a template."""
        with self._lock:
            template.users -= 1
            if template in self._retired and template.users == 0:
                self._retired.remove(template)
                template.close()

    def refuse(self, template: Template) -> None:
        """Have what this template cannot fork get fresh interpreters from now on."""
        assert template.ready is not None
        with self._lock:
            if template.kind not in self._spawned:
                self._say(
                    f"The runs of {template.kind.entrypoint} get a fresh process each, which takes longer to start: "
                    f"{template.ready.obstacle}."
                )
            self._spawned[template.kind] = template.ready
            if self._current.get(template.kind) is template:
                self._retire(self._current.pop(template.kind))

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            all_of_them = [*self._current.values(), *self._retired]
            self._current, self._retired = {}, []
        for template in all_of_them:
            template.close()
        for template in all_of_them:
            template.join(5.0)

    def _retire(self, template: Template) -> None:
        if template.users == 0:
            template.close()
        else:
            self._retired.append(template)
