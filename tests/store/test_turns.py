"""Processes that wait to write come in the order in which they asked, and none waits for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.make import Run

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store.sqlite.turns import Turns

# Takes a turn, says so, and keeps it until it is told to go on.
_HOLDER = """
import sys
from dalsegno._store.sqlite.turns import Turns
turns = Turns(sys.argv[1])
assert turns.take(30)
print("mine", flush=True)
input()
turns.give_back()
"""


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


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


def test_a_turn_that_comes_too_late_is_given_back(queue: Path) -> None:
    late, next_one = Turns(str(queue)), Turns(str(queue))
    with start(queue) as other:
        assert said(other) == "mine\n"
        assert not late.take(0.01)
        other.communicate("\n")
    assert next_one.take(30)
    next_one.give_back()
    for turns in (late, next_one):
        turns.close()


def test_an_exception_thrown_into_the_wait_loses_no_turn(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    hasty, next_one = Turns(str(queue)), Turns(str(queue))
    with start(queue) as other:
        assert said(other) == "mine\n"
        threads = set(threading.enumerate())
        with monkeypatch.context() as patched:
            patched.setattr(threading.Event, "wait", _only_in_turns(threading.Event.wait, interrupted))
            with pytest.raises(KeyboardInterrupt):
                hasty.take(30)
        other.communicate("\n")
    for thread in set(threading.enumerate()) - threads:
        thread.join(30)
    assert next_one.take(30)
    next_one.give_back()


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
