"""Transactions and retries: what was rolled back runs again, what completed can still be rolled back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from dalsegno._backend.connect import connect
from dalsegno.flow_runs import fork_flow_run, retry_flow_run
from dalsegno.flows import flow
from dalsegno.model.ids import id_text
from dalsegno.model.views import Page, RunFilter, TaskRunView
from dalsegno.tasks import Task, task
from dalsegno.transactions import get_transaction, transaction


class Office:
    """Books trips: `lines` says what was done, in order; `broken` what fails."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.broken: set[str] = set()
        self.book: Task[[str], str] = self._watch(task(name="book")(self._book))
        self.pay: Task[[], None] = self._watch(task(name="pay")(self._pay))

    def check(self, what: str) -> None:
        if what in self.broken:
            raise ValueError(f"no {what}")

    def _book(self, city: str) -> str:
        self.lines.append(f"book {city}")
        get_transaction().set("city", city)
        return f"ticket to {city}"

    def _pay(self) -> None:
        self.check("money")
        self.lines.append("pay")
        get_transaction().set("city", "bank")

    def _watch(self, step: Any) -> Any:
        step.on_commit(lambda txn: self.lines.append(f"commit {txn.get('city')}"))
        step.on_rollback(lambda txn: self.lines.append(f"undo {txn.get('city')}"))
        return step


def recorded() -> Counter[tuple[str, str]]:
    return Counter((run.task_name, run.state.name) for run in task_runs())


def task_runs() -> list[TaskRunView]:
    found = connect().list_task_runs(RunFilter(), Page(oldest_first=True))
    return [connect().read_task_run(run.id) or run for run in found]


def newest_flow_run() -> str:
    return id_text(connect().list_flow_runs(RunFilter(top_level=True), Page())[0].id)


def test_what_was_rolled_back_runs_again_when_the_flow_is_retried() -> None:
    office = Office()
    office.broken = {"money"}

    @flow
    def travel() -> str:
        with transaction():
            ticket = office.book("Rome")
            office.pay()
        return ticket

    travel(return_state=True)
    assert office.lines == ["book Rome", "undo Rome"]
    assert recorded() == {("book", "RolledBack"): 1, ("pay", "Failed"): 1}
    office.broken.clear()
    office.lines.clear()
    assert retry_flow_run(newest_flow_run(), flow=travel) == "ticket to Rome"
    assert office.lines == ["book Rome", "pay", "commit Rome", "commit bank"]
    assert recorded() == {("book", "Completed"): 1, ("pay", "Completed"): 1}
    assert [run.run_count for run in task_runs()] == [2, 2]


def test_the_retries_of_a_flow_run_its_block_anew() -> None:
    office = Office()
    left = [ValueError("once")]

    @flow(retries=1)
    def travel() -> None:
        with transaction():
            office.book("Rome")
            if left:
                raise left.pop()

    travel()
    assert office.lines == ["book Rome", "undo Rome", "book Rome", "commit Rome"]
    (run,) = task_runs()
    assert [state.name for state in run.states or ()] == [
        "Pending",
        "Running",
        "Completed",
        "RolledBack",
        "Pending",
        "Running",
        "Completed",
    ]


def test_what_was_committed_is_neither_committed_nor_rolled_back_again() -> None:
    office = Office()
    office.broken = {"hotel"}
    late: list[str] = []

    @flow
    def travel() -> None:
        with transaction():
            office.book("Rome")
            if late:
                raise KeyError("the block itself")
        office.check("hotel")

    travel(return_state=True)
    assert office.lines == ["book Rome", "commit Rome"]
    office.broken.clear()
    assert retry_flow_run(newest_flow_run(), flow=travel, return_state=True).is_completed()
    assert office.lines == ["book Rome", "commit Rome"]
    late.append("now")
    assert retry_flow_run(newest_flow_run(), flow=travel, return_state=True).is_failed()
    assert office.lines == ["book Rome", "commit Rome"]
    assert recorded() == {("book", "Completed"): 1}


def test_what_another_run_did_is_not_taken_back_by_one_that_starts_from_it() -> None:
    office = Office()
    office.broken = {"money"}

    @flow
    def travel(note: str = "") -> None:
        office.book("Oslo")
        with transaction():
            office.book("Rome")
            office.pay()

    travel(return_state=True)
    office.lines.clear()
    state = fork_flow_run(newest_flow_run(), {"note": "again"}, flow=travel, return_state=True)
    assert state.is_failed()
    assert office.lines == ["book Rome", "undo Rome"]


SCRIPT = """
import os, signal, sys
from dalsegno import flow, task
from dalsegno.flow_runs import retry_flow_run
from dalsegno.transactions import get_transaction, transaction

def say(text):
    with open("diary.txt", "a") as diary:
        diary.write(text + "\\n")

def end_here():
    os.kill(os.getpid(), signal.SIGKILL)

STAGE = os.environ["STAGE"]

@task(durable=True)
def book(city):
    say("book " + city)
    get_transaction().set("city", city)
    return city

@book.on_rollback
def cancel(txn):
    say("undo " + txn.get("city"))
    if STAGE == "killed in rollback":
        end_here()

@book.on_commit
def confirm(txn):
    say("commit " + txn.get("city"))

@flow
def inside():
    book("Oslo")

@flow
def travel():
    with transaction():
        book("Rome")
        inside()
        if STAGE == "killed":
            end_here()
        if STAGE in ("fails", "killed in rollback"):
            raise ValueError("no")
    if STAGE == "fails later":
        raise ValueError("later")

if __name__ == "__main__":
    if sys.argv[1:]:
        retry_flow_run(sys.argv[1])
    else:
        travel()
"""


class Machine:
    """Runs the script in processes of their own, one stage after the other, on one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "travel.py"
        self.script.write_text(SCRIPT, encoding="utf-8")

    def run(self, stage: str, *arguments: str) -> int:
        (self.folder / "diary.txt").write_text("")
        environment = {**os.environ, "STAGE": stage}
        command = [sys.executable, str(self.script), *arguments]
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False)
        self.errors = done.stderr
        return done.returncode

    def retry(self, stage: str) -> int:
        return self.run(stage, newest_flow_run())

    @property
    def diary(self) -> list[str]:
        return (self.folder / "diary.txt").read_text().splitlines()


def test_after_a_crash_in_a_block_what_is_answered_from_the_record_can_be_rolled_back(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.run("killed") == -signal.SIGKILL
    assert machine.diary == ["book Rome", "book Oslo"]
    assert machine.retry("fails") == 1
    assert "ValueError: no" in machine.errors
    assert machine.diary == ["undo Oslo", "undo Rome"]
    assert recorded() == {("book", "RolledBack"): 2, ("inside", "RolledBack"): 1}
    assert machine.retry("passes") == 0, machine.errors
    assert machine.diary == ["book Rome", "book Oslo", "commit Rome", "commit Oslo"]
    assert recorded() == {("book", "Completed"): 2, ("inside", "Completed"): 1}


def test_after_a_crash_in_a_block_what_is_answered_from_the_record_is_committed_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run("killed")
    assert machine.retry("fails later") == 1
    assert machine.diary == ["commit Rome", "commit Oslo"]
    assert machine.retry("passes") == 0, machine.errors
    assert machine.diary == []


def test_a_rollback_that_was_cut_off_is_made_good_before_the_task_runs_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.run("killed in rollback") == -signal.SIGKILL
    assert machine.diary == ["book Rome", "book Oslo", "undo Oslo"]
    assert recorded()["book", "RolledBack"] == 2
    assert machine.retry("passes") == 0, machine.errors
    assert machine.diary == [
        "undo Rome",
        "book Rome",
        "undo Oslo",
        "book Oslo",
        "commit Rome",
        "commit Oslo",
    ]
