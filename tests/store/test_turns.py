"""Processes that wait to write come in the order in which they asked, the urgent first; none waits for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.make import Run

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store.sqlite.turns import Turns

# Waits in line for a turn, or in a hurry for the turn alone, says that it has it, and keeps it until it is told to
# go on.
_HOLDER = """
import sys
from dalsegno._store.sqlite.turns import Turns
turns = Turns(sys.argv[1], courtesy=60)
hurry = sys.argv[2] == "hurry"
print("waits", flush=True)
assert hurry or turns.stand_in_line(30)
assert turns.take(30, hurry=hurry)
turns.leave_line()
print("mine", flush=True)
input()
turns.give_back()
"""


def start(path: Path, how: str = "in line") -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert said(holder) == "waits\n"
    return holder


def said(holder: subprocess.Popen[str]) -> str:
    assert holder.stdout is not None
    return holder.stdout.readline()


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    return tmp_path / "runs.db-queue"


def test_a_turn_comes_when_the_one_before_ends(queue: Path) -> None:
    turns = Turns(str(queue))
    assert turns.take(0)
    with start(queue) as other:
        turns.give_back()
        assert said(other) == "mine\n"
        assert not turns.take(0.05)
        other.communicate("\n")
    assert turns.take(30)
    turns.give_back()
    turns.close()


def test_the_death_of_its_holder_ends_a_turn(queue: Path) -> None:
    turns = Turns(str(queue))
    with start(queue) as other:
        assert said(other) == "mine\n"
        other.kill()
    assert turns.take(30)
    turns.close()


def test_a_place_in_line_that_comes_too_late_is_given_back(queue: Path) -> None:
    first, late, next_one = Turns(str(queue)), Turns(str(queue)), Turns(str(queue))
    assert first.stand_in_line(0)
    assert not late.stand_in_line(0.01)
    first.leave_line()
    assert next_one.stand_in_line(30)
    for turns in (first, late, next_one):
        turns.close()


def test_an_exception_thrown_into_the_wait_loses_no_turn(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    first, hasty, next_one = Turns(str(queue)), Turns(str(queue)), Turns(str(queue))
    assert first.stand_in_line(0)
    threads = set(threading.enumerate())
    with monkeypatch.context() as patched:
        patched.setattr(threading.Event, "wait", _only_in_turns(threading.Event.wait, interrupted))
        with pytest.raises(KeyboardInterrupt):
            hasty.stand_in_line(30)
    first.leave_line()
    for thread in set(threading.enumerate()) - threads:
        thread.join(30)
    assert next_one.stand_in_line(30)
    for turns in (first, hasty, next_one):
        turns.close()


def _only_in_turns(real: Callable[..., bool], interrupted: Callable[..., bool]) -> Callable[..., bool]:
    """Interrupt the wait for a turn, not that for the start of its thread."""

    def wait(self: threading.Event, timeout: float | None = None) -> bool:
        return (real if timeout is None else interrupted)(self, timeout)

    return wait


def test_where_there_can_be_no_queue_everybody_may_try(tmp_path: Path) -> None:
    turns = Turns(str(tmp_path / "missing" / "queue"))
    assert turns.take(0)
    turns.give_back()
    turns.close()


def test_who_is_in_a_hurry_goes_before_the_next_in_line(queue: Path) -> None:
    """Of one who waits in line and one in a hurry, both long there when the turn ends, the latter has it."""
    for _ in range(3):
        turns = Turns(str(queue))
        assert turns.take(30)
        with start(queue) as ordinary, start(queue, "hurry") as urgent:
            wait_until_locked(queue, "WRITE")
            wait_until_locked(Path(f"{queue}-hurry"), "READ")
            turns.give_back()
            assert said(urgent) == "mine\n"
            urgent.communicate("\n")
            assert said(ordinary) == "mine\n"
            ordinary.communicate("\n")
        turns.close()


def wait_until_locked(path: Path, how: str) -> None:
    """Wait until some process has a lock on a file, by what the kernel tells of all of them."""
    deadline = time.monotonic() + 30
    while not (path.exists() and _is_locked(path.stat().st_ino, how)):
        assert time.monotonic() < deadline
        os.sched_yield()


def _is_locked(inode: int, how: str) -> bool:
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(line[1] == "FLOCK" and line[3] == how and line[5].endswith(f":{inode}") for line in lines)


def test_a_child_keeps_no_lock_of_its_parent(queue: Path) -> None:
    """A thread that waits has a copy of the handle, which a fork copies: the child closes it."""
    waiting, next_one = Turns(str(queue)), Turns(str(queue))
    with start(queue) as other:
        assert said(other) == "mine\n"
        assert next_one.stand_in_line(0)
        assert not waiting.stand_in_line(0.01)
        go_on, stop = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(stop)
            waiting.close(in_child=True)
            next_one.close(in_child=True)
            os.read(go_on, 1)
            os._exit(0)
        os.close(go_on)
        # The parent's end: what it has open is closed, without a word.
        next_one.close()
        third = Turns(str(queue))
        assert third.stand_in_line(30)
        third.close()
        os.close(stop)
        os.waitpid(child, 0)
        other.communicate("\n")


def test_a_stopped_process_in_the_queue_does_not_stop_the_others(path: Path) -> None:
    """The queue is for fairness alone: when no turn comes in time, SQLite's own lock decides."""
    backend = StoreBackend.in_file(str(path), busy_timeout=0.2)
    run = Run()
    with start(Path(f"{path}-queue")) as other:
        assert said(other) == "mine\n"
        backend.deliver(run.batch(flow_runs=[run.flow_run()]))
        other.kill()
    assert backend.read_flow_run(run.id) is not None
    backend.close()
