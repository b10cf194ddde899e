"""A run that is killed at any moment says so, and picks up where it was: what had completed is not run again."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.guarantees.processes import Program, Started

pytestmark = pytest.mark.embedded

STEPS = 50
RIGHT = 2 * sum(range(20)) + sum(range(20, 40)) + sum(range(40, 50))
RECORDED_WITHIN = 0.1
"""Seconds after which what completed is in the database."""

FIFTY = '''
"""A flow of fifty tasks, direct and submitted ones, coroutines, and some in a nested flow."""

import asyncio
import itertools
import json
import os
import sys
import time
from dataclasses import dataclass

from dalsegno import flow, retry_flow_run, task
from dalsegno._backend.connect import connect
from dalsegno.model.views import Page, RunFilter

bodies = os.open("bodies", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def ran(number: int) -> None:
    os.write(bodies, f"{number} {time.monotonic()}\\n".encode())


@dataclass
class Order:
    """Kept as a signed pickle; with its note too large to stand in the row."""

    number: int
    note: str


@task
def step(number: int, before: Order) -> Order:
    time.sleep(0.004)
    ran(number)
    return Order(before.number + number, "n" * (40_000 if number % 10 == 0 else 5))


@task
def side(number: int) -> int:
    time.sleep(0.01)
    ran(number)
    return number


@task
async def waiting(number: int) -> int:
    await asyncio.sleep(0.01)
    ran(number)
    return number


@flow
def nested(numbers: list[int]) -> int:
    return sum(side(number) for number in numbers)


@flow
def fifty() -> int:
    print("begun", flush=True)
    order = Order(0, "")
    for number in range(20):
        order = step(number, order)
    sides = [side.submit(number) for number in range(20, 35)] + [waiting.submit(number) for number in range(35, 40)]
    inner = nested(list(range(40, 50)))
    return order.number + sum(one.result() for one in sides) + inner + sum(range(20))


if __name__ == "__main__":
    if sys.argv[1:] == ["again"]:
        start = time.monotonic()
        backend = connect()
        backend.find_crashed()
        seen = backend.list_flow_runs(RunFilter(top_level=True), Page())
        print(json.dumps([time.monotonic() - start, [(run.state.name, run.state.message) for run in seen]]), flush=True)
        print(retry_flow_run(seen[0].id) if seen else fifty(), flush=True)
    else:
        print(fifty(), flush=True)
'''


class Lateness:
    """How late a busy machine wakes those who sleep and takes what is written: that is not our doing."""

    def __init__(self, folder: Path) -> None:
        self._probe = folder / "probe"
        self._waking = self._writing = 0.0
        self._end = threading.Event()

    @property
    def most(self) -> float:
        """The longest wait, in seconds. A disk that stood still counts twice: for the batch it held up and the next."""
        return self._waking + 2 * self._writing

    @contextmanager
    def watched(self) -> Iterator[Lateness]:
        threads = [threading.Thread(target=self._watch), threading.Thread(target=self._watch_disk)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._end.set()
            for thread in threads:
                thread.join()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._end.wait(0.01):
            now = time.monotonic()
            self._waking = max(self._waking, now - before - 0.01)
            before = now

    def _watch_disk(self) -> None:
        with self._probe.open("wb", buffering=0) as probe:
            while not self._end.wait(0.05):
                before = time.monotonic()
                probe.write(b"x" * 4096)
                os.fsync(probe)
                self._writing = max(self._writing, time.monotonic() - before)


@dataclass
class Figures:
    """What kills showed."""

    kills: int = 0
    ran_again: int = 0
    oldest_again: float = 0.0
    """The longest time, in seconds, between the end of a body that ran again and the kill."""
    slowest_news: float = 0.0
    """The longest time, in seconds, that the next process took to say Crashed."""

    def add(self, other: Figures) -> None:
        self.kills += other.kills
        self.ran_again += other.ran_again
        self.oldest_again = max(self.oldest_again, other.oldest_again)
        self.slowest_news = max(self.slowest_news, other.slowest_news)


def bodies(folder: Path) -> list[tuple[int, float]]:
    """Return which bodies ended when, in order."""
    path = folder / "bodies"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(number), float(moment)) for number, moment in (line.split() for line in lines)]


class Kill(NamedTuple):
    """When a process was killed: a body may still end after the signal was sent."""

    sent: float
    dead: float


def kill_at_random(started: Started, dice: random.Random, length: float) -> Kill | None:
    """Kill a process at a moment within its run; return when, or None if it had ended by then."""
    started.until("begun")
    threading.Event().wait(dice.random() * length)
    if started.process.poll() is not None:
        return None
    sent = time.monotonic()
    started.send(signal.SIGKILL)
    ended = started.end()
    return Kill(sent, time.monotonic()) if ended.status == -signal.SIGKILL else None


def integrity(home: Path) -> str:
    connection = sqlite3.connect(home / "dalsegno.db")
    try:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        connection.close()


class Round:
    """One flow run that is killed, picked up, killed again if it is still there then, and finished."""

    def __init__(self, folder: Path, seed: int, length: float) -> None:
        self.dice = random.Random(seed)
        self.length = length
        self.folder = folder
        self.program = Program(folder, folder / "home", FIFTY)
        self.figures = Figures()
        self.killed: list[Kill] = []
        self.missed: float | None = None
        """When a run that was to be killed had ended before."""

    def play(self) -> Figures:
        with Lateness(self.folder).watched() as lateness:
            while not self.killed:
                self._kill()
            self._kill("again")
            ended = self.program.run("again")
        self._check_news(ended.output, 1.0 + lateness.most)
        assert ended.status == 0, ended.errors
        assert int(ended.last) == RIGHT
        assert integrity(self.folder / "home") == "ok"
        self._check_bodies(RECORDED_WITHIN + lateness.most)
        self.figures.kills = len(self.killed)
        return self.figures

    def _kill(self, *arguments: str) -> None:
        with self.program.start(*arguments) as started:
            kill = kill_at_random(started, self.dice, self.length / 2 if arguments else self.length)
            if kill is not None:
                self.killed.append(kill)
            elif arguments:
                self.missed = time.monotonic()
            else:
                self._start_over()

    def _start_over(self) -> None:
        """It had ended before the kill: that was no kill."""
        shutil.rmtree(self.folder / "home")
        (self.folder / "bodies").unlink()

    def _check_news(self, output: str, within: float) -> None:
        seconds, seen = json.loads(output.splitlines()[0])
        self.figures.slowest_news = seconds
        assert seconds < within
        # One run, however often it was picked up; none, if it was killed before the first of it was written.
        assert len(seen) <= 1
        for state, message in seen:
            if state == "Completed":
                # The last kill came too late, or when all was done and the process was about to end.
                done = {
                    number for number, moment in bodies(self.folder) if moment < (self.missed or self.killed[-1].dead)
                }
                assert done == set(range(STEPS))
            else:
                assert state == "Crashed"
                assert f"on {os.uname().nodename} ended without saying how; it was last seen at" in message

    def _check_bodies(self, allowed: float) -> None:
        ended = bodies(self.folder)
        assert {number for number, _ in ended} == set(range(STEPS))
        again: dict[int, float] = {}
        last: dict[int, float] = {}
        for number, moment in ended:
            if number in last:
                kill = next(kill for kill in self.killed if kill.dead > last[number])
                again[number] = max(0.0, kill.sent - last[number])
            last[number] = moment
        self.figures.ran_again = len(again)
        self.figures.oldest_again = max([0.0, *again.values()])
        assert {number: age for number, age in again.items() if age > allowed} == {}


def time_a_run(folder: Path) -> float:
    """Return how many seconds the flow takes when nobody kills it."""
    with Program(folder, folder / "home", FIFTY).start() as started:
        started.until("begun")
        begun = time.monotonic()
        assert int(started.end().last) == RIGHT
    return time.monotonic() - begun


def kill_runs(folder: Path, kills: int, seed: int) -> Figures:
    """Play rounds, two at a time, until there were so many kills."""
    length = time_a_run(folder / "unharmed")
    total = Figures()
    numbers = itertools.count(seed)

    def play() -> None:
        while total.kills < kills:
            number = next(numbers)
            total.add(Round(folder / str(number), number, length).play())
            shutil.rmtree(folder / str(number))

    with ThreadPoolExecutor(2) as pool:
        for player in [pool.submit(play) for _ in range(2)]:
            player.result()
    print(f"a run takes {length:.2f} s; {total}")
    return total


def test_a_run_that_is_killed_at_20_moments_picks_up_where_it_was(tmp_path: Path) -> None:
    assert kill_runs(tmp_path, kills=20, seed=0).kills >= 20


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_is_killed_at_200_moments_picks_up_where_it_was(tmp_path: Path) -> None:
    assert kill_runs(tmp_path, kills=200, seed=1000).kills >= 200
