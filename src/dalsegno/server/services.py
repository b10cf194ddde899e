"""Runs the loops of `_services` while the server serves: each in a thread of its own, so that a slow one stops none.

An error of a tick is logged, and the tick is tried again, later each time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from dalsegno._backend.embedded import StoreBackend
from dalsegno._services import reaper, retention, scheduler
from dalsegno._store.connection import Database
from dalsegno.model.resources.services import ServiceView
from dalsegno.server.access import housekeeping
from dalsegno.settings import Settings

__all__ = ["Service", "ServiceView", "Services", "services_of"]

_AT_ONCE = 0.05
"""Seconds until the next tick where the last one left something to do."""
_LONGEST = 15.0
"""Seconds: no error makes a loop wait longer than this, or than its interval."""
_STOPS_IN = 10.0

_log = logging.getLogger("dalsegno.server.services")


class Service(msgspec.Struct, frozen=True):
    """One loop."""

    name: str
    what: str
    interval: float
    tick: Callable[[], bool]
    """True: there is more to do."""


def services_of(backend: StoreBackend, settings: Settings) -> list[Service]:
    """Return the loops that keep a store."""
    database, lease, kept = backend.database, backend.lease, settings.retention
    return [
        Service(
            "reaper",
            "Ends leases that were not renewed, and recovers what was lost.",
            reaper.interval(lease),
            lambda: _reap(database, lease),
        ),
        Service(
            "scheduler",
            "Queues the runs of schedules that are due, and calls runs late that wait too long.",
            scheduler.INTERVAL,
            lambda: scheduler.tick(database, settings.scheduler.late_after, database.now()),
        ),
        Service(
            "workers",
            "Forgets workers that were not heard of for a day.",
            3600.0,
            lambda: scheduler.forget_workers(database, database.now()) < 0,
        ),
        Service(
            "retention",
            "Deletes what is past its age.",
            retention.INTERVAL,
            lambda: retention.tick(database, database.now(), kept.runs, kept.logs) > 0,
        ),
        Service(
            "access",
            "Deletes old sessions, counts of logins and entries of the audit log.",
            housekeeping.INTERVAL,
            lambda: housekeeping.tick(database, settings, database.now()) >= housekeeping.SLICE,
        ),
    ]


def _reap(database: Database, lease: int) -> bool:
    reaper.tick(database, lease, database.now())
    return False


class Services:
    """The loops of one server process."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._loops = [_Loop(service) for service in services]

    def start(self) -> None:
        """Start them all."""
        for loop in self._loops:
            loop.thread.start()

    def stop(self) -> None:
        """Let each finish its tick, and end it."""
        for loop in self._loops:
            loop.stopping.set()
        give_up = time.monotonic() + _STOPS_IN
        for loop in self._loops:
            if loop.thread.ident is not None:
                loop.thread.join(max(0.0, give_up - time.monotonic()))
                if loop.thread.is_alive():
                    _log.warning("The service %s has not ended after %g seconds.", loop.service.name, _STOPS_IN)

    def list(self) -> list[ServiceView]:
        """Return how they do."""
        return [msgspec.structs.replace(loop.view) for loop in self._loops]


class _Loop:
    def __init__(self, service: Service) -> None:
        self.service = service
        self.view = ServiceView(name=service.name, what=service.what, interval=service.interval)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"dalsegno-{service.name}", daemon=True)

    def _run(self) -> None:
        failures = 0
        pause = 0.0
        while not self.stopping.wait(pause):
            try:
                more = self.service.tick()
            except Exception as error:
                # Whatever it is: the next tick may go well, and nobody else would try.
                failures += 1
                pause = min(self.service.interval * 2**failures, max(_LONGEST, self.service.interval))
                self._note_error(error, pause)
            else:
                failures = 0
                pause = _AT_ONCE if more else self.service.interval
                self.view.ticks += 1
            self.view.last_tick = _now()
            self.view.next_tick = self.view.last_tick + round(pause * 1e6)

    def _note_error(self, error: Exception, pause: float) -> None:
        self.view.errors += 1
        self.view.last_error = f"{type(error).__name__}: {error}"
        self.view.last_error_at = _now()
        _log.error(
            "The service %s failed and is tried again in %g s.", self.service.name, round(pause, 3), exc_info=error
        )


def _now() -> int:
    return time.time_ns() // 1000
