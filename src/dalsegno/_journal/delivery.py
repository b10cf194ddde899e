"""How batches leave the journal: straight into the database of this process, or (courier.py) to a server."""

from __future__ import annotations

import time
from typing import Protocol

from dalsegno._backend.protocol import Backend
from dalsegno._journal.carrier import say
from dalsegno._journal.ear import Ear
from dalsegno._journal.records import Limits
from dalsegno.exceptions import BackendError, BackendUnavailable
from dalsegno.model.records import Batch, ProcessRecord, Receipt

_CLEAN_UP_EVERY = 600.0  # seconds


class Sender(Protocol):
    """The journal, as its delivery sees it. Called from any thread."""

    @property
    def process(self) -> ProcessRecord: ...
    @property
    def beat_every(self) -> float:
        """Seconds between heartbeats: well within the lease that they renew."""
        ...

    def attempts_under_way(self) -> dict[bytes, int] | None:
        """Return the recorded roots that are executed now, and their attempts; None if nothing is executed."""
        ...

    def rouse(self) -> None:
        """Call `Delivery.tend` now."""
        ...

    def obey(self, attempts: dict[bytes, int], receipt: Receipt) -> None:
        """Do what the answer to a batch or heartbeat wants of these roots at these attempts."""
        ...

    def forget(self, batch: Batch) -> None:
        """Know that a batch was not recorded and never will be."""
        ...

    def fail(self, error: BackendError) -> None:
        """Have whoever waits at a barrier raise an error."""
        ...


class Delivery(Protocol):
    """What the journal's thread does with batches."""

    @property
    def shortest_pause(self) -> float:
        """Seconds between two flushes that nobody waits for."""
        ...

    def send(self, batch: Batch) -> None:
        """Have a batch recorded, or kept safe to be recorded later.

        Raises BackendUnavailable if neither can be now (send it again), SetAside if it never will be, or another
        BackendError.
        """
        ...

    def secure(self) -> None:
        """Have all that was sent survive a power cut. Raises BackendUnavailable."""
        ...

    def tend(self) -> float:
        """Do what is due without a batch; return after how many seconds at most it is to be called again."""
        ...

    def catch_up(self) -> None:
        """Deliver all that is kept on this machine by processes that are gone, and by this one. Raises BackendError."""
        ...

    def close(self, *, complete: bool, tidy: bool = True) -> None:
        """Deliver what can be, and if all was sent (`complete`) say that the process ends in order.

        With `tidy` the process does its share of what retention asks for.
        """
        ...


class Direct:
    """Hands batches to a backend that is never away: what it cannot take waits in memory."""

    shortest_pause = 0.0

    def __init__(self, backend: Backend, sender: Sender, limits: Limits) -> None:
        self._backend = backend
        self._sender = sender
        self._limits = limits
        self._next_beat = time.monotonic() + limits.heartbeat_interval
        self._next_clean_up = self._next_beat
        self._ear = Ear(backend, sender.process.id, self._heard)
        self._wished = False
        self._listens = False

    def send(self, batch: Batch) -> None:
        self._sender.obey(batch.attempts, self._backend.deliver(batch))

    def secure(self) -> None:
        """Do nothing: a durable batch was committed with a full fsync."""

    def tend(self) -> float:
        if not self._listens and self._sender.attempts_under_way():
            # Only once a run has outlived its first flush.
            self._listens = True
            self._ear.listen()
        if self._wished or time.monotonic() >= self._next_beat:
            self._wished = False
            self._beat()
            now = time.monotonic()
            self._next_beat = now + self._sender.beat_every
            if now >= self._next_clean_up:
                self._next_clean_up = self._next_beat + (0 if self._clean_up() else _CLEAN_UP_EVERY)
        return max(0.0, self._next_beat - time.monotonic())

    def catch_up(self) -> None:
        """Do nothing: nothing is kept elsewhere."""

    def close(self, *, complete: bool, tidy: bool = True) -> None:
        self._ear.close()
        if complete:
            if tidy:
                self._clean_up()
            self._backend.end_process(self._sender.process.id)

    def _heard(self) -> None:
        """Have the other thread ask by a heartbeat now, not only when one is due."""
        self._wished = True
        self._sender.rouse()

    def _beat(self) -> None:
        attempts = self._sender.attempts_under_way()
        if attempts is None:
            return
        try:
            self._sender.obey(attempts, self._backend.heartbeat(self._sender.process.id, attempts))
        except BackendUnavailable as error:
            say(f"The backend {self._backend.url} cannot be reached: {error}")
        except BackendError as error:
            self._sender.fail(error)

    def _clean_up(self) -> bool:
        """Do a slice of what retention asks for, beside the runs. True: there is more to do."""
        try:
            return self._backend.clean_up() > 0
        except BackendError as error:
            say(f"Old runs cannot be deleted now: {error}")
            return False
