"""Many threads that wait for the disk share its syncs, and none returns before one that began after it asked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dalsegno._store.sqlite.shared_sync import SharedSync


class Disk:
    """Syncs that take as long as the test wants."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.calls = 0
        self.error: OSError | None = None

    def sync(self) -> None:
        self.calls += 1
        self.begun.release()
        assert self.go_on.acquire(timeout=30)
        if self.error is not None:
            raise self.error


def until_asked(shared: SharedSync, count: int) -> None:
    while shared._asked < count:  # pyright: ignore[reportPrivateUsage]
        threading.Event().wait(0.001)


def test_those_who_ask_while_one_is_under_way_share_the_next_one() -> None:
    disk = Disk()
    shared = SharedSync(disk.sync)
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(shared)
        assert disk.begun.acquire(timeout=30)
        others = [pool.submit(shared) for _ in range(9)]
        until_asked(shared, 10)
        disk.go_on.release()
        first.result(30)
        assert disk.begun.acquire(timeout=30)
        # What was under way when they asked does not count for them.
        assert not any(other.done() for other in others)
        disk.go_on.release()
        for other in others:
            other.result(30)
    assert disk.calls == 2


def test_a_sync_that_fails_fails_for_who_did_it_and_is_done_again_for_the_others() -> None:
    disk = Disk()
    disk.error = OSError("no disk")
    shared = SharedSync(disk.sync)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared)
        assert disk.begun.acquire(timeout=30)
        second = pool.submit(shared)
        until_asked(shared, 2)
        disk.go_on.release()
        with pytest.raises(OSError, match="no disk"):
            first.result(30)
        assert disk.begun.acquire(timeout=30)
        disk.error = None
        disk.go_on.release()
        second.result(30)
    assert disk.calls == 2
