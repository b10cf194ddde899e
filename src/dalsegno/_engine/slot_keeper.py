"""Renews the leases of slots that this process holds, and gives back what could not be given back at once: one thread
for the whole process, which ends when there is nothing to do.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from dalsegno._backend.protocol import Backend
from dalsegno.exceptions import BackendError, BackendUnavailable

_RETRY = 1.0
"""Seconds until a backend that cannot be reached is tried again."""


class Lease:
    """Slots that are held: they are lost unless they are renewed in time."""

    def __init__(self, backend: Backend, id: bytes, seconds: float, on_lost: Callable[[], None]) -> None:
        self.backend = backend
        self.id = id
        self.every = seconds / 3
        self.due = time.monotonic() + self.every
        self.on_lost = on_lost


class _Keeper:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.leases: dict[bytes, Lease] = {}
        self.releases: dict[bytes, tuple[Backend, float]] = {}
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Have a thread look after what there is (`changed` is held)."""
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name="dalsegno-slots", daemon=True)
            self.thread.start()
        self.changed.notify()

    def _run(self) -> None:
        while True:
            with self.changed:
                times = [lease.due for lease in self.leases.values()] + [at for _, at in self.releases.values()]
                if not times:
                    self.thread = None
                    return
                self.changed.wait(max(0.0, min(times) - time.monotonic()))
                now = time.monotonic()
                due = [lease for lease in self.leases.values() if lease.due <= now]
                releases = [(id, backend) for id, (backend, at) in self.releases.items() if at <= now]
            for backend in {id(lease.backend): lease.backend for lease in due}.values():
                self._renew(backend, [lease for lease in due if lease.backend is backend])
            for id_, backend in releases:
                self._release(backend, id_)

    def _renew(self, backend: Backend, due: list[Lease]) -> None:
        try:
            lost = set(backend.renew_slots([lease.id for lease in due]))
        except BackendUnavailable:
            # No lease ends before its holder could renew it.
            for lease in due:
                lease.due = time.monotonic() + min(_RETRY, lease.every)
            return
        except BackendError:
            logging.getLogger("dalsegno").exception("Slots cannot be renewed")
            lost = {lease.id for lease in due}
        for lease in due:
            lease.due = time.monotonic() + lease.every
            if lease.id in lost and self.forget(lease.id):
                lease.on_lost()

    def _release(self, backend: Backend, id: bytes) -> None:
        try:
            backend.release_slots([id])
        except BackendUnavailable:
            with self.changed:
                self.releases[id] = (backend, time.monotonic() + _RETRY)
            return
        except BackendError:
            logging.getLogger("dalsegno").exception("Slots cannot be given back")
        with self.changed:
            self.releases.pop(id, None)

    def forget(self, id: bytes) -> bool:
        with self.changed:
            return self.leases.pop(id, None) is not None


_keeper = _Keeper()


def keep(lease: Lease) -> None:
    """Renew a lease until it is forgotten."""
    with _keeper.changed:
        _keeper.leases[lease.id] = lease
        _keeper.start()


def forget(id: bytes) -> None:
    """Renew a lease no longer."""
    _keeper.forget(id)


def release_later(backend: Backend, id: bytes) -> None:
    """Give slots back as soon as the backend can be reached."""
    with _keeper.changed:
        _keeper.releases[id] = (backend, time.monotonic() + _RETRY)
        _keeper.start()


def _forget_all() -> None:
    # What is held is the parent's.
    global _keeper
    _keeper = _Keeper()


os.register_at_fork(after_in_child=_forget_all)
