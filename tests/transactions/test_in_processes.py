"""Transactions of tasks whose bodies run in other processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
from dalsegno import flow, task
from dalsegno.task_runners import ProcessPoolTaskRunner
from dalsegno.transactions import get_transaction, transaction

def say(text):
    with open("diary.txt", "a") as diary:
        diary.write(text + "\\n")

@task
def check(city):
    say("check " + city)

@check.on_commit
def checked(txn):
    say("commit check")

@check.on_rollback
def unchecked(txn):
    say("undo check")

@task
def book(city):
    check(city)
    say("book " + city)
    get_transaction().set("city", city)
    if city == "nowhere":
        raise ValueError("no such place")

@book.on_rollback
def cancel(txn):
    say("undo " + txn.get("city"))

@book.on_commit
def confirm(txn):
    say("commit " + txn.get("city"))

@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def travel(fails):
    with transaction():
        book.submit("Rome").wait()
        if fails:
            book.submit("nowhere").wait()

if __name__ == "__main__":
    travel(False)
    say("--")
    travel(True)
"""


def test_hooks_find_what_a_body_set_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "travel.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, "travel.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "diary.txt").read_text().splitlines() == [
        *("check Rome", "book Rome", "commit check", "commit Rome"),
        "--",
        *("check Rome", "book Rome", "commit check"),
        *("check nowhere", "book nowhere", "undo check"),
        "undo Rome",
    ]
