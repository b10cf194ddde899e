"""Delivery to a server that may be away: a thread hands over one batch at a time, and what it cannot waits on disk.

Order: the batch that the journal waits for, or if it took too long the spool, from its first batch to its last; as
long as the spool is not empty, new batches go to its end. What dead processes left comes after all of that.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable

from dalsegno._backend.protocol import Backend
from dalsegno._journal.carrier import Carrier, SetAside, say
from dalsegno._journal.delivery import Sender
from dalsegno._journal.ear import Ear
from dalsegno._journal.folder import SpoolFolder
from dalsegno._journal.frames import Owner
from dalsegno._journal.leftovers import Leftovers
from dalsegno._journal.records import Limits
from dalsegno._journal.spool import Spool
from dalsegno.exceptions import BackendError, BackendUnavailable
from dalsegno.model.records import Batch

_FIRST_PAUSE = 0.05  # seconds, between attempts
_LONGEST_PAUSE = 5.0
_SYNC_EVERY = 1.0
_SPOOLING_PAUSE = 0.1
_LOOK_EVERY = 60.0  # for what others left
_LAST_ATTEMPT = 3.0  # how long the end of a process waits without progress
_LAST_LEFTOVERS = 1.0  # ... and for what others left


class _Hand:
    """The batch that the journal waits for."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.done = False
        self.refused: SetAside | None = None
        self.spooled = False
        """It took too long: it is the first one in the spool now, and nobody waits for it."""


class Courier:
    """See `delivery.Delivery` for what its methods are for."""

    def __init__(self, backend: Backend, sender: Sender, limits: Limits, folder: SpoolFolder) -> None:
        self._backend = backend
        self._sender = sender
        self._limits = limits
        self._folder = folder
        self._carrier = Carrier(backend, folder, Owner(backend.url, sender.process))
        self._leftovers = Leftovers(backend, folder, say)
        self._ear = Ear(backend, sender.process.id, self._heard)
        self._listens = False
        # All below is guarded by this condition.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._hand: _Hand | None = None
        self._spool: Spool | None = None
        self._error: BackendError | None = None  # why the last attempt failed, if it did
        self._last_error: BackendError | None = None
        self._pause = _FIRST_PAUSE
        self._retry_at = 0.0
        self._next_beat = time.monotonic() + limits.heartbeat_interval
        self._next_look = 0.0
        self._progress = 0  # deliveries
        self._failures = 0
        self._looks = 0
        self._closing = False
        self._complete = False
        self._leftovers_until = float("inf")
        self._ended = False
        # Of the journal's thread alone.
        self._last_sync = 0.0

    # --- the journal's thread

    @property
    def shortest_pause(self) -> float:
        # While batches wait anyhow, fewer and larger ones are delivered faster later.
        return 0.0 if self._spool is None else _SPOOLING_PAUSE

    def send(self, batch: Batch) -> None:
        with self._changed:
            self._start()
            if self._hand is None and self._spool is None:
                self._hand = _Hand(batch)
                self._retry_at = 0.0
                self._changed.notify_all()
            hand = self._hand if self._hand is not None and self._hand.batch is batch else None
            if hand is not None and self._changed.wait_for(lambda: hand.done, self._limits.spool_after):
                self._hand = None
                if hand.refused is not None:
                    raise hand.refused
                return
            try:
                self._append(batch)
            except BackendUnavailable:
                self._retry_at = 0.0  # the only way on is that the server takes something
                self._changed.notify_all()
                raise
            if hand is not None:
                hand.spooled = True
                self._hand = None

    def _append(self, batch: Batch) -> None:
        if self._spool is None:
            spool = self._folder.create(self._sender.process, self._limits.spool_max_size)
            try:
                spool.append(batch)
            except BackendUnavailable:
                spool.remove()
                raise
            self._spool = spool
            why = f"It has not answered in {self._limits.spool_after:g} s." if self._error is None else str(self._error)
            say(f"{why} The run goes on; what it records waits in {spool.path} for {self._backend.url}.")
        else:
            self._spool.append(batch)

    def secure(self) -> None:
        with self._changed:
            spool = self._spool
            if spool is not None:
                spool.sync()
                self._last_sync = time.monotonic()

    def tend(self) -> float:
        if not self._listens and self._sender.attempts_under_way():
            # Only once a run has outlived its first flush.
            self._listens = True
            self._ear.listen()
        spool = self._spool
        if spool is None or not spool.unsynced:
            return _LOOK_EVERY
        left = self._last_sync + _SYNC_EVERY - time.monotonic()
        if left > 0:
            return left
        try:
            self.secure()
        except BackendUnavailable as error:
            self._sender.fail(error)
        return _SYNC_EVERY

    # --- whoever asks

    def catch_up(self) -> None:
        with self._changed:
            self._start()
            failures, looks = self._failures, self._looks
            self._retry_at = self._next_look = 0.0
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._failures > failures or (self._looks > looks and self._spool is None) or self._ended
            )
            if self._failures > failures and self._last_error is not None:
                raise self._last_error

    def close(self, *, complete: bool, tidy: bool = True) -> None:
        self._ear.close()
        with self._changed:
            thread = self._thread
            if thread is None:
                return
            self._closing, self._complete = True, complete
            self._retry_at = 0.0
            self._changed.notify_all()
            progress = -1
            while not self._ended and progress != self._progress:
                progress = self._progress
                self._changed.wait(_LAST_ATTEMPT)
            self._ended = True
            self._changed.notify_all()
            if self._spool is not None:
                self._leave(self._spool)
        thread.join(0.1)  # it may hang in a last request, and ends with the process

    def _leave(self, spool: Spool) -> None:
        """Leave the spool to the next process, and say so."""
        try:
            spool.sync()
        except BackendUnavailable as error:
            say(str(error))
        batches, size = spool.waiting()
        why = "" if self._error is None else f"{self._error} "
        say(
            f"{why}{batches} batches ({size} bytes) of what ran here are left in {spool.path}: the next process on "
            "this machine delivers them, or `dalsegno flow-run deliver`."
        )
        spool.close()

    # --- the courier's own thread

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dalsegno-courier", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            while (job := self._await_job()) is not None:
                try:
                    job()
                except BackendError as error:
                    self._failed(error)
                except Exception as error:  # a fault of ours must not end the delivery
                    self._failed(BackendError(f"Delivery met an error that it does not know: {error!r}."))
                else:
                    self._succeeded()
        finally:
            self._leftovers.release()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _await_job(self) -> Callable[[], None] | None:
        """Wait for the next thing to do; None: it is the end."""
        with self._changed:
            while not self._ended:
                now = time.monotonic()
                if now >= self._retry_at and (job := self._job(now)) is not None:
                    return job
                if self._closing and now >= self._retry_at:
                    break
                self._changed.wait(self._longest_wait(now))
        self._say_that_the_process_ends()
        return None

    def _job(self, now: float) -> Callable[[], None] | None:
        hand = self._hand
        if hand is not None and not hand.done:
            return lambda: self._carry_hand(hand)
        if self._spool is not None:
            return lambda spool=self._spool: self._carry_spooled(spool)
        if self._closing and self._leftovers_until == float("inf"):
            self._leftovers_until = now + _LAST_LEFTOVERS
        if now >= self._next_beat and not self._closing:
            return self._beat
        if now >= self._next_look and now < self._leftovers_until:
            return self._carry_leftover
        return None

    def _longest_wait(self, now: float) -> float:
        if now < self._retry_at:
            return self._retry_at - now
        return max(0.0, min(self._next_beat, self._next_look) - now)

    def _carry_hand(self, hand: _Hand) -> None:
        refused: SetAside | None = None
        try:
            receipt = self._carrier.carry(hand.batch)
        except SetAside as error:
            refused = error
        else:
            self._sender.obey(hand.batch.attempts, receipt)
        with self._changed:
            hand.done, hand.refused = True, refused
            if hand.spooled and not self._ended:
                if refused is not None:
                    self._set_aside(hand.batch, refused)
                assert self._spool is not None
                self._advance(self._spool)

    def _carry_spooled(self, spool: Spool) -> None:
        with self._changed:
            batch = None if self._ended else spool.first()
        if batch is not None:
            try:
                receipt = self._carrier.carry(batch)
            except SetAside as refused:
                self._set_aside(batch, refused)
            else:
                self._sender.obey(batch.attempts, receipt)
        with self._changed:
            if not self._ended:
                self._advance(spool, past=batch is not None)

    def _advance(self, spool: Spool, *, past: bool = True) -> None:
        """Go on behind the first batch of the spool; one that is empty is removed."""
        if past:
            spool.delivered()
        if spool.damage is not None:
            say(f"{spool.damage}.")
            spool.damage = None
        if spool.empty:
            spool.remove()
            self._spool = None
            say(f"{self._backend.url} is back; all that waited for it is delivered.")

    def _set_aside(self, batch: Batch, refused: SetAside) -> None:
        self._sender.forget(batch)
        say(str(refused))

    def _heard(self) -> None:
        """Ask by a heartbeat now, not only when one is due."""
        with self._changed:
            self._next_beat = 0.0
            self._changed.notify_all()

    def _beat(self) -> None:
        self._next_beat = time.monotonic() + self._sender.beat_every
        attempts = self._sender.attempts_under_way()
        if attempts is not None:
            self._sender.obey(attempts, self._backend.heartbeat(self._sender.process.id, attempts))

    def _carry_leftover(self) -> None:
        if not self._leftovers.step():
            with self._changed:
                self._looks += 1
                self._next_look = time.monotonic() + _LOOK_EVERY

    def _say_that_the_process_ends(self) -> None:
        with self._changed:
            if self._hand is not None or self._spool is not None or self._ended or not self._complete:
                return
        # Without it the process counts as dead as soon as somebody looks, which it is then.
        with contextlib.suppress(BackendError):
            self._backend.end_process(self._sender.process.id)

    def _succeeded(self) -> None:
        with self._changed:
            self._error = None
            self._pause = _FIRST_PAUSE
            self._retry_at = 0.0
            self._progress += 1
            self._changed.notify_all()

    def _failed(self, error: BackendError) -> None:
        with self._changed:
            self._error = self._last_error = error
            self._failures += 1
            self._retry_at = time.monotonic() + self._pause * random.uniform(0.5, 1.0)  # so that not all come at once
            # Leases begin anew when the server is back: it is to be heard of within two thirds of one.
            self._pause = min(self._pause * 2, _LONGEST_PAUSE, 2 * self._sender.beat_every)
            if self._closing:
                self._ended = True
            self._changed.notify_all()
