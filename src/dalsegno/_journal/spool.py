"""One spool file: batches that wait on disk for the server to be back. It is locked by whoever writes or delivers it.

The lock is the system's (flock), so it ends with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import weakref
from pathlib import Path

from dalsegno._journal import frames
from dalsegno._journal.frames import Frame, FrameError, Owner
from dalsegno.exceptions import BackendUnavailable, DiskFull, SpoolFull
from dalsegno.model.records import Batch

SUFFIX = ".journal"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Spool:
    """A spool file that this process holds the lock of.

    One thread appends, one delivers (`first`, `delivered`). Once it is `empty` it is removed by whoever has it.
    """

    def __init__(self, path: Path, handle: int, owner: Owner, position: int, max_size: int | None = None) -> None:
        self.path = path
        self.owner = owner
        self.damage: str | None = None
        """What was wrong with its end, which is cut off."""
        self._handle = handle
        self._max_size = max_size
        self._position = position  # all before it is delivered
        self._end = os.fstat(handle).st_size
        self._unsynced = False
        self._named = False  # whether its name survives a power cut
        self._next: Frame[Batch] | None = None
        self._lock = threading.Lock()
        _open.add(self)

    @classmethod
    def create(cls, path: Path, owner: Owner, max_size: int | None = None) -> Spool:
        """Make a new file. Raises BackendUnavailable if that cannot be."""
        # It gets its name when it is locked and begun: nobody ever finds it otherwise.
        new = path.with_suffix(".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = _open_handle(new, os.O_CREAT | os.O_TRUNC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                beginning = frames.pack_beginning(owner)
                _write(handle, beginning, 0)
                new.rename(path)
                return cls(path, handle, owner, len(beginning), max_size)
            except OSError:
                _close_handle(handle)
                new.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _unwritable(path, error) from error

    @classmethod
    def take(cls, path: Path, *, wait: bool = False) -> Spool | None:
        """Take over what another process left; None if somebody has it (unless told to wait for that), or it is gone.

        Raises FrameError if it is no spool file.
        """
        try:
            handle = _open_handle(path)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.fstat(handle).st_nlink == 0:  # whoever had it has delivered and removed it
                _close_handle(handle)
                return None
            return cls(path, handle, *frames.read_beginning(handle))
        except BlockingIOError:
            _close_handle(handle)
            return None
        except (OSError, FrameError):
            _close_handle(handle)
            raise

    # --- what waits

    @property
    def empty(self) -> bool:
        """Whether everything in it is delivered."""
        return self._position == self._end

    def waiting(self) -> tuple[int, int]:
        """Return how many batches wait in it, and their bytes."""
        with self._lock:
            count, position = 0, self._position
            while position < self._end and (length := frames.length_at(self._handle, position)):
                count, position = count + 1, position + length
            return count, self._end - self._position

    # --- writing

    def append(self, batch: Batch) -> None:
        """Write a batch behind the others. Raises SpoolFull, or another BackendUnavailable; then nothing is added."""
        packed = frames.pack_frame(batch)
        with self._lock:
            if self._max_size is not None and self._end + len(packed) > self._max_size:
                raise SpoolFull(
                    f"{self.path} has reached DALSEGNO_JOURNAL_SPOOL_MAX_SIZE ({self._max_size} bytes) while "
                    f"{self.owner.url} cannot take it. Nothing in it is lost; see that the server runs, or raise that "
                    "setting."
                )
            try:
                _write(self._handle, packed, self._end)
            except OSError as error:
                with contextlib.suppress(OSError):  # what is left of it is cut off by whoever reads it
                    os.ftruncate(self._handle, self._end)
                raise _unwritable(self.path, error) from error
            self._end += len(packed)
            self._unsynced = True

    @property
    def unsynced(self) -> bool:
        """Whether a power cut could still take something of it."""
        return self._unsynced

    def sync(self) -> None:
        """Have all that was appended survive a power cut. Raises BackendUnavailable."""
        if self._unsynced:
            self._unsynced = False
            try:
                os.fsync(self._handle)
                if not self._named:
                    _sync_folder(self.path.parent)
                    self._named = True
            except OSError as error:
                self._unsynced = True
                raise _unwritable(self.path, error) from error

    # --- delivering

    def first(self) -> Batch | None:
        """Return the first batch that is not delivered; None if all are. An end that is damaged is cut off."""
        with self._lock:
            if self._next is None and not self.empty:
                try:
                    self._next = frames.read_batch(self._handle, self._position)
                except FrameError as error:
                    self._cut(error)
            return None if self._next is None else self._next.content

    def delivered(self) -> None:
        """Note that the first batch is delivered: whoever comes next goes on behind it."""
        with self._lock:
            if self._next is None:
                self._next = frames.read_batch(self._handle, self._position)
            assert self._next is not None
            self._position = self._next.end
            self._next = None
            frames.note_delivered(self._handle, self._position)

    def _cut(self, error: FrameError) -> None:
        size = self._end - error.position
        self.damage = f"{self.path}: {error}; its last {size} bytes are left out"
        if not error.torn:  # worth looking at
            kept = self.path.with_suffix(".damaged")
            with open(kept, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(os.pread(self._handle, size, error.position))
            self.damage += f" and kept in {kept}"
        os.ftruncate(self._handle, error.position)
        self._end = error.position

    # --- the end

    def remove(self) -> None:
        """Remove the file, which is done with."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave the file to whoever comes next."""
        _open.discard(self)
        if self._handle >= 0:
            _close_handle(self._handle)
            self._handle = -1


def _write(handle: int, packed: bytes, position: int) -> None:
    rest = memoryview(packed)
    while rest:
        written = os.pwrite(handle, rest, position)
        rest, position = rest[written:], position + written


def _sync_folder(path: Path) -> None:
    """Have the names in a folder, and its own, survive a power cut."""
    for folder in (path, path.parent):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _unwritable(path: Path, error: OSError) -> BackendUnavailable:
    if error.errno in _NO_ROOM:
        return DiskFull(f"There is no room left for {path}, where records wait for the server: make room on its disk.")
    return BackendUnavailable(f"{path}, where records wait for the server, cannot be written ({error.strerror}).")


_open: weakref.WeakSet[Spool] = weakref.WeakSet()
_handles: set[int] = set()
"""All that are open, also those that no Spool has yet."""
_opening = threading.Lock()
"""Held while a handle is opened and noted: no fork comes in between."""


def _open_handle(path: Path, flags: int = 0) -> int:
    with _opening:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        _handles.add(handle)
        return handle


def _close_handle(handle: int) -> None:
    with _opening:
        if handle in _handles:  # a child has closed its parent's
            _handles.discard(handle)
            os.close(handle)


def _after_fork() -> None:
    """Let go of the parent's files: a forked child shares their locks, and must not hold what its parent leaves."""
    _opening.release()
    for spool in list(_open):
        spool.close()
    for handle in list(_handles):
        _close_handle(handle)


os.register_at_fork(before=_opening.acquire, after_in_parent=_opening.release, after_in_child=_after_fork)
