"""Processes that use one database wake each other, by sockets: no poll is waited for, nothing dead stays."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store.sqlite import database as databases
from dalsegno._store.sqlite import wakeups
from dalsegno._store.sqlite.database import SqliteDatabase
from dalsegno._store.sqlite.wakeups import Audience, Listener, Wakeups
from dalsegno.exceptions import BackendError

LONG = 60.0

# Waits for a change, or for a wish, says so, and says that it came.
_WAITER = """
import sys
from dalsegno._store.sqlite.database import SqliteDatabase
database = SqliteDatabase(sys.argv[1])
if sys.argv[2] == "change":
    token = database.change_token()
    print("waits", flush=True)
    print(database.wait_for_change(token, 60) != token, flush=True)
else:
    assert database.wait_for_wish(60)
    print("waits", flush=True)
    print(database.wait_for_wish(60), flush=True)
if sys.argv[3] == "stay":
    input()
database.close()
"""


class Waiter:
    """Another process that waits."""

    def __init__(self, path: Path, what: str, then: str = "end") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WAITER, str(path), what, then],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.said() == "waits"

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __enter__(self) -> Waiter:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def database(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteDatabase]:
    # Nobody who is not woken sees anything in time.
    monkeypatch.setattr(databases, "_LOOK_EVERY", LONG)
    database = SqliteDatabase(str(path))
    yield database
    database.close()


def change(database: SqliteDatabase) -> None:
    database.write(
        lambda connection: connection.execute("INSERT INTO task (id, key, name) VALUES (random(), 'k', 'n')")
    )


def sockets(path: Path) -> list[str]:
    folder = path.parent / "run"
    return sorted(os.listdir(folder)) if folder.exists() else []


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_a_commit_wakes_who_waits_for_changes_in_another_process(path: Path, database: SqliteDatabase) -> None:
    with Waiter(path, "change") as waiter:
        until(lambda: len(sockets(path)) == 1)
        started = time.monotonic()
        change(database)
        assert waiter.said() == "True"
        print(f"woken after {(time.monotonic() - started) * 1000:.1f} ms")
        waiter.process.wait()
    assert sockets(path) == []


def test_a_commit_of_another_process_wakes_who_waits_here(path: Path, database: SqliteDatabase) -> None:
    token = database.change_token()
    program = (
        "import sys\nfrom dalsegno._store.sqlite.database import SqliteDatabase\ninput()\n"
        "from tests.store.test_wakeups import change\nchange(SqliteDatabase(sys.argv[1]))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        other.stdin.write("\n")
        other.stdin.flush()
        assert database.wait_for_change(token, LONG) != token


def test_nothing_comes_and_the_wait_ends_in_time(database: SqliteDatabase) -> None:
    token = database.change_token()
    assert database.wait_for_change(token, 0.01) == token
    assert database.wait_for_change(token, -1) == token


def test_a_change_between_two_waits_is_seen_at_once(database: SqliteDatabase) -> None:
    token = database.wait_for_change(None, 0)
    change(database)
    newer = database.wait_for_change(token, LONG)
    assert newer != token


def test_a_wish_wakes_those_that_execute_and_commits_do_not(path: Path, database: SqliteDatabase) -> None:
    with Waiter(path, "wish") as waiter:
        change(database)
        assert waiter.process.stdout is not None
        # What a commit would send is sent before it returns.
        assert select.select([waiter.process.stdout], [], [], 0.05)[0] == []
        database.announce_wish()
        assert waiter.said() == "True"


def test_a_cancellation_is_a_wish(path: Path) -> None:
    from tests.store.make import Run

    backend = StoreBackend.in_file(str(path))
    run = Run()
    backend.deliver(run.batch(process=run.process, flow_runs=[run.flow_run()]))
    with Waiter(path, "wish") as waiter:
        assert backend.request_cancel(run.id)
        assert waiter.said() == "True"
    backend.close()


def test_the_socket_of_a_dead_process_is_removed_and_the_living_are_woken(path: Path, database: SqliteDatabase) -> None:
    with Waiter(path, "wish") as dead, Waiter(path, "wish") as living:
        assert len(sockets(path)) == 2
        dead.process.kill()
        dead.process.wait()
        database.announce_wish()
        assert living.said() == "True"
        living.process.wait()
    assert sockets(path) == []


def test_who_does_not_read_holds_up_nobody(path: Path, database: SqliteDatabase) -> None:
    with Waiter(path, "wish", "stay") as waiter:
        database.announce_wish()
        assert waiter.said() == "True"
        for _ in range(2000):
            database.announce_wish()
        assert len(sockets(path)) == 1


def test_the_first_wait_for_a_wish_ends_at_once(database: SqliteDatabase) -> None:
    assert database.wait_for_wish(LONG)
    assert not database.wait_for_wish(0.0)


def test_closing_ends_the_waits(path: Path) -> None:
    database = SqliteDatabase(str(path))
    assert database.wait_for_wish(LONG)
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            while not database.wait_for_wish(LONG):
                continue
        except BackendError as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    database.close()
    thread.join(30)
    assert "was closed in this process" in str(ended[0])
    assert sockets(path) == []


def test_a_child_does_not_answer_for_its_parent(path: Path, database: SqliteDatabase) -> None:
    """The child lives on, but what is sent to the parent that has gone is refused."""
    program = """
import os, sys
from dalsegno._store.sqlite.database import SqliteDatabase
database = SqliteDatabase(sys.argv[1])
assert database.wait_for_wish(60)
child = os.fork()
if child == 0:
    print("child", flush=True)
    input()
    os._exit(0)
os._exit(0)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "child\n"
        parent.wait()
        assert len(sockets(path)) == 1
        database.announce_wish()
        assert sockets(path) == []
        parent.communicate("\n")


def test_announcements_that_follow_each_other_are_one_and_the_last_change_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "APART", 0.5)
    mine, theirs = Wakeups(str(path)), Wakeups(str(path))
    listener = listen(theirs, Audience.CHANGES)
    mine.announce_change()
    assert listener.wait(LONG)
    for _ in range(100):
        mine.announce_change()
    assert not listener.clear()
    assert listener.wait(LONG)
    assert not listener.clear()
    mine.announce_change()
    mine.close()
    assert listener.clear()
    theirs.close()


def listen(at: Wakeups, audience: Audience) -> Listener:
    listener = at.listen(audience)
    assert listener is not None
    assert select.select([listener], [], [], 0)[0] == []
    return listener


def test_databases_in_one_folder_do_not_wake_each_other(tmp_path: Path) -> None:
    one, other = Wakeups(str(tmp_path / "one.db")), Wakeups(str(tmp_path / "other.db"))
    listener = listen(other, Audience.WISHES)
    one.announce_wish()
    assert not listener.clear()
    other.announce_wish()
    assert listener.clear()
    one.close()
    other.close()


def test_a_home_with_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("path" * 30)
    folder.mkdir(parents=True)
    database = SqliteDatabase(str(folder / "runs.db"))
    with Waiter(folder / "runs.db", "wish") as waiter:
        database.announce_wish()
        assert waiter.said() == "True"
    database.close()


def test_where_there_can_be_no_socket_changes_are_seen_all_the_same(path: Path) -> None:
    (path.parent / "run").write_text("not a folder")
    backend = StoreBackend.in_file(str(path))
    token = backend.change_token()
    timer = threading.Timer(0.05, lambda: change(backend.database))
    timer.start()
    assert backend.wait_for_change(token, LONG) != token
    assert not backend.wait_for_wish(b"", 0.01)
    timer.join()
    backend.close()


def test_in_memory_changes_are_seen_too() -> None:
    backend = StoreBackend.in_memory()
    token = backend.change_token()
    change(backend.database)
    assert backend.wait_for_change(token, LONG) != token
    assert not backend.wait_for_wish(b"", 0.01)
    backend.close()


def test_what_is_committed_counts_even_where_nobody_can_be_woken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = SqliteDatabase(str(path))
    theirs = Wakeups(str(path))
    listener = listen(theirs, Audience.CHANGES)

    def no_handle_is_left() -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(wakeups, "_new_socket", no_handle_is_left)
        change(database)
    assert not listener.clear()
    theirs.close()
    database.close()
