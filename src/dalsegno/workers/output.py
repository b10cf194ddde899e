"""What the processes of runs write: read by one thread, passed on, and its end kept."""

from __future__ import annotations

import contextlib
import os
import selectors
import threading

_MOST = 65_536


class Tail:
    """The last bytes of a stream."""

    def __init__(self, size: int, passed_on_to: int | None = None) -> None:
        self._size = size
        self._kept = bytearray()
        self._passed_on_to = passed_on_to
        self.closed = threading.Event()

    def add(self, data: bytes) -> None:
        """Take what came."""
        if self._passed_on_to is not None:
            try:
                os.write(self._passed_on_to, data)
            except OSError:
                self._passed_on_to = None  # Whoever read it is gone.
        self._kept += data
        if len(self._kept) > 2 * self._size:
            del self._kept[: -self._size]

    def text(self, wait: float = 0.0) -> str:
        """Return the last whole lines; `wait` so many seconds for the end of the stream."""
        self.closed.wait(wait)
        kept = bytes(self._kept[-self._size :])
        if len(self._kept) > self._size:
            kept = kept[kept.find(b"\n") + 1 :]
        return kept.decode(errors="replace").strip()

    def wait_for_all(self, wait: float) -> bytes:
        """Return what was kept once the stream has ended, or after so many seconds."""
        self.closed.wait(wait)
        return bytes(self._kept)


class Outputs:
    """Reads any number of handles in a thread of its own."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._new: list[tuple[int, Tail]] = []
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="dalsegno-outputs", daemon=True)
        self._thread.start()

    def add(self, handle: int, tail: Tail) -> None:
        """Read a handle to its end, and close it."""
        os.set_blocking(handle, False)
        with self._lock:
            self._new.append((handle, tail))
        os.write(self._wake, b"!")

    def close(self) -> None:
        """End."""
        self._closed = True
        os.write(self._wake, b"!")
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._take_new()
                else:
                    self._read(key.fd, key.data)
        self._selector.close()

    def _take_new(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, _MOST)
        with self._lock:
            new, self._new = self._new, []
        for handle, tail in new:
            self._selector.register(handle, selectors.EVENT_READ, tail)

    def _read(self, handle: int, tail: Tail) -> None:
        try:
            data = os.read(handle, _MOST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            tail.add(data)
            return
        self._selector.unregister(handle)
        os.close(handle)
        tail.closed.set()
