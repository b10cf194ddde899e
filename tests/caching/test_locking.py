"""Locks: one holder at a time, in a process and between processes, and none that outlives its holder."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from dalsegno.exceptions import StorageError
from dalsegno.locking.filesystem import FileSystemLockManager
from dalsegno.locking.memory import MemoryLockManager
from dalsegno.locking.protocol import LockManager


class Now:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture(params=["memory", "files"])
def locks(request: pytest.FixtureRequest, tmp_path: Path, now: Now) -> LockManager:
    if request.param == "memory":
        return MemoryLockManager(clock=now)
    return FileSystemLockManager(tmp_path / "locks", clock=now)


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    return f"report/{request.node.name}"


def test_one_holder_at_a_time(locks: LockManager, key: str) -> None:
    assert not locks.is_locked(key)
    assert locks.acquire_lock(key, "me")
    assert locks.is_locked(key)
    assert locks.is_lock_holder(key, "me")
    assert not locks.is_lock_holder(key, "you")
    assert not locks.acquire_lock(key, "you", acquire_timeout=0)
    assert locks.acquire_lock(key + "2", "you", acquire_timeout=0)
    locks.release_lock(key + "2", "you")
    locks.release_lock(key, "me")
    assert not locks.is_locked(key)
    assert locks.acquire_lock(key, "you", acquire_timeout=0)
    locks.release_lock(key, "you")


def test_a_holder_gets_its_lock_again(locks: LockManager, key: str) -> None:
    assert locks.acquire_lock(key, "me", acquire_timeout=0)
    assert locks.acquire_lock(key, "me", acquire_timeout=0)
    locks.release_lock(key, "me")
    assert not locks.is_locked(key)


def test_what_is_not_held_cannot_be_released(locks: LockManager, key: str) -> None:
    with pytest.raises(ValueError, match="'me' does not hold the lock"):
        locks.release_lock(key, "me")
    locks.acquire_lock(key, "me")
    with pytest.raises(ValueError, match="'you' does not hold the lock"):
        locks.release_lock(key, "you")
    locks.release_lock(key, "me")


def test_a_lock_ends_after_its_hold_timeout(locks: LockManager, key: str, now: Now) -> None:
    assert locks.acquire_lock(key, "me", hold_timeout=60)
    now.seconds += 59
    assert not locks.acquire_lock(key, "you", acquire_timeout=0)
    now.seconds += 1
    assert not locks.is_locked(key)
    assert locks.acquire_lock(key, "you", acquire_timeout=0)
    with pytest.raises(ValueError, match="has expired"):
        locks.release_lock(key, "me")
    locks.release_lock(key, "you")


def test_waiting_ends_when_the_lock_is_released(locks: LockManager, key: str) -> None:
    assert locks.wait_for_lock(key, timeout=0)
    locks.acquire_lock(key, "me")
    assert not locks.wait_for_lock(key, timeout=0)
    waited: list[bool] = []
    waiter = threading.Thread(target=lambda: waited.append(locks.wait_for_lock(key)))
    waiter.start()
    locks.release_lock(key, "me")
    waiter.join(30)
    assert waited == [True]
    assert not locks.is_locked(key)


def test_many_threads_take_turns(locks: LockManager, key: str) -> None:
    inside: list[str] = []
    most: list[int] = []

    def work(name: str) -> None:
        for _ in range(10):
            assert locks.acquire_lock(key, name)
            inside.append(name)
            most.append(len(inside))
            inside.remove(name)
            locks.release_lock(key, name)

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(most) == 40
    assert set(most) == {1}


def test_coroutines_wait_without_blocking_the_loop(locks: LockManager, key: str) -> None:
    async def both() -> list[bool]:
        assert await locks.aacquire_lock(key, "me")
        waiting = asyncio.create_task(locks.aacquire_lock(key, "you"))
        assert not await locks.await_for_lock(key, timeout=0)
        locks.release_lock(key, "me")
        found = [await waiting]
        locks.release_lock(key, "you")
        return found

    assert asyncio.run(both()) == [True]


# --- memory


def test_all_memory_lock_managers_share_their_locks(key: str) -> None:
    assert MemoryLockManager().acquire_lock(key, "me")
    assert MemoryLockManager().is_lock_holder(key, "me")
    MemoryLockManager().release_lock(key, "me")


def test_a_forked_child_has_no_locks(key: str) -> None:
    locks = MemoryLockManager()
    locks.acquire_lock(key, "me")
    child = os.fork()
    if child == 0:
        os._exit(0 if locks.acquire_lock(key, "you", acquire_timeout=0) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert locks.is_lock_holder(key, "me")
    locks.release_lock(key, "me")


# --- files


def count_up(folder: Path, name: str) -> None:
    locks = FileSystemLockManager(folder / "locks")
    for _ in range(5):
        assert locks.acquire_lock("counter", name)
        path = folder / "count"
        path.write_text(str(int(path.read_text()) + 1))
        locks.release_lock("counter", name)


def test_processes_take_turns(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    context: Any = multiprocessing.get_context("spawn")
    processes = [context.Process(target=count_up, args=(tmp_path, f"p{n}")) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert (tmp_path / "count").read_text() == "20"


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from dalsegno.locking.filesystem import FileSystemLockManager\n"
        "FileSystemLockManager(sys.argv[1]).acquire_lock('report', 'child')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        locks = FileSystemLockManager(tmp_path)
        assert locks.is_lock_holder("report", "child")
        assert not locks.acquire_lock("report", "me", acquire_timeout=0)
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        assert not locks.is_locked("report")
        assert locks.acquire_lock("report", "me", acquire_timeout=0)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"Locks cannot be kept in .*another folder"):
        FileSystemLockManager(tmp_path / "file" / "locks").acquire_lock("k", "me")


def test_a_damaged_lock_file_is_said(tmp_path: Path) -> None:
    locks = FileSystemLockManager(tmp_path)
    locks.acquire_lock("report", "me")
    (path,) = tmp_path.glob("*.lock")
    path.write_text("{")
    with pytest.raises(StorageError, match=r"lock file .* of 'report' cannot be read .* Delete it"):
        locks.is_locked("report")
