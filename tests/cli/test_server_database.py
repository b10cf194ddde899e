"""`dalsegno server database`, on an SQLite file and on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.recorded import Recorder

from dalsegno._backend import connect
from dalsegno._store import migrations
from dalsegno._store.migrations import SCHEMA_VERSION
from dalsegno._store.opening import open_database
from dalsegno.model.states import StateType
from dalsegno.settings import get_current_settings
from tests import postgres

DATABASE = ("server", "database")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database that commands work on."""
    postgresql = request.param == "postgresql"
    url: str = request.getfixturevalue("postgres_url") if postgresql else f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", url)
    return url


@pytest.fixture
def empty(postgres_server: postgres.Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A PostgreSQL database without tables."""
    url = postgres_server.make_database("template0")
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", url)
    yield url
    postgres_server.drop_database(url)


def record(runs: int = 1, state: StateType = StateType.COMPLETED) -> None:
    """Record flow runs with task runs and log lines."""
    recorder = Recorder()
    for _ in range(runs):
        run = recorder.flow_run(state=state)
        recorder.task_run(run)
        recorder.log(run, "Hello")
    connect.close_all()


def names(dalsegno: Dalsegno) -> list[str]:
    found = [run["id"] for run in dalsegno("flow-run", "ls", "-o", "json").json]
    connect.close_all()
    return found


def test_a_server_upgrades_an_empty_database(empty: str, dalsegno_home: Path) -> None:
    connect.open_store(get_current_settings()).close()
    database = open_database(empty)
    assert database.read(migrations.current).version == SCHEMA_VERSION
    migrations.downgrade(database, 1)
    database.close()
    server = subprocess.Popen(
        [sys.executable, "-m", "dalsegno", "server", "start", "--port", "0"], stdout=subprocess.PIPE, env=os.environ
    )
    assert server.stdout is not None
    assert b"Dalsegno serves" in server.stdout.readline()
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=60)
    open_database(empty).close()


def test_upgrade_makes_the_tables_and_says_what_ran(empty: str, dalsegno: Dalsegno) -> None:
    done = dalsegno(*DATABASE, "upgrade")
    assert done.code == 0
    assert "Ran 0001_tables." in done.output
    assert f"has schema version {SCHEMA_VERSION}.\n" in done.output
    again = dalsegno(*DATABASE, "upgrade")
    assert again.output.endswith(f"has schema version {SCHEMA_VERSION}, and nothing was missing.\n")


def test_downgrade_and_upgrade(url: str, dalsegno: Dalsegno) -> None:
    record()
    down = dalsegno(*DATABASE, "downgrade", str(SCHEMA_VERSION - 1))
    assert (down.code, "Took back 000" in down.output) == (0, True)
    assert f"has schema version {SCHEMA_VERSION - 1}." in down.output
    up = dalsegno(*DATABASE, "upgrade")
    assert "Ran 000" in up.output
    assert len(names(dalsegno)) == 1
    beyond = dalsegno(*DATABASE, "downgrade", str(SCHEMA_VERSION + 1))
    assert (beyond.code, f"which is before {SCHEMA_VERSION + 1}" in beyond.errors) == (6, True)


def test_stats(url: str, dalsegno: Dalsegno) -> None:
    record(3)
    found = dalsegno(*DATABASE, "stats", "-o", "json").json
    tables = {each["name"]: each for each in found["tables"]}
    assert (tables["flow_run"]["rows"], tables["task_run"]["rows"], tables["log"]["rows"]) == (3, 3, 3)
    assert all(each["exact"] for each in tables.values())
    assert tables["task_run"]["bytes"] > 0
    assert found["schema_version"] == found["known_schema_version"] == SCHEMA_VERSION
    assert found["bytes"] > 100_000
    assert found["oldest_run"] <= found["newest_run"]
    page = dalsegno(*DATABASE, "stats").output
    assert f"{SCHEMA_VERSION} (this Dalsegno: {SCHEMA_VERSION})" in page
    assert "task_run" in page


def test_what_is_not_counted_in_time_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dalsegno: Dalsegno
) -> None:
    from dalsegno._store.sqlite import upkeep

    monkeypatch.setenv("DALSEGNO_DATABASE_URL", f"sqlite:///{tmp_path / 'runs.db'}")
    record(2)
    monkeypatch.setattr(upkeep, "_LONGEST_COUNT", -1.0)
    monkeypatch.setattr(upkeep, "_STEPS", 1)
    tables = {each["name"]: each for each in dalsegno(*DATABASE, "stats", "-o", "json").json["tables"]}
    assert (tables["flow_run"]["rows"], tables["flow_run"]["exact"]) == (2, False)
    assert (tables["log"]["rows"], tables["log"]["bytes"]) == (None, None)
    assert "~2" in dalsegno(*DATABASE, "stats").output


def test_reset_asks_and_then_deletes_all(url: str, dalsegno: Dalsegno) -> None:
    record(2)
    refused = dalsegno(*DATABASE, "reset")
    assert (refused.code, "--yes" in refused.errors) == (2, True)
    assert len(names(dalsegno)) == 2
    assert dalsegno(*DATABASE, "reset", "--yes").code == 0
    assert names(dalsegno) == []
    record(1)
    assert len(names(dalsegno)) == 1


def test_a_database_in_use_is_not_reset(url: str, dalsegno: Dalsegno) -> None:
    record(1, StateType.RUNNING)
    refused = dalsegno(*DATABASE, "reset", "--yes")
    assert refused.code == 2
    assert f"process {os.getpid()}" in refused.errors
    assert dalsegno(*DATABASE, "reset", "--yes", "--force").code == 0
    assert names(dalsegno) == []


def test_connections_of_others_count_as_use(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, dalsegno: Dalsegno
) -> None:
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", postgres_url)
    other = open_database(postgres_url)
    assert "1 other connections of Dalsegno" in dalsegno(*DATABASE, "reset", "--yes").errors
    other.close()
    assert dalsegno(*DATABASE, "reset", "--yes").code == 0


def test_vacuum_gives_space_back(url: str, dalsegno: Dalsegno) -> None:
    record(1)
    database = open_database(url)
    database.write(
        lambda connection: connection.executemany(
            "INSERT INTO result_blob (id, root_run_id, data) VALUES (?, NULL, ?)",
            [(bytes([number]) * 16, os.urandom(50_000)) for number in range(40)],
        )
    )
    database.write(lambda connection: connection.execute("DELETE FROM result_blob"))
    database.close()
    before = dalsegno(*DATABASE, "stats", "-o", "json").json["bytes"]
    assert dalsegno(*DATABASE, "vacuum").code == 0
    after = dalsegno(*DATABASE, "stats", "-o", "json").json
    assert after["bytes"] < before - 1_500_000
    assert len(names(dalsegno)) == 1


def test_backup_and_restore(url: str, dalsegno: Dalsegno, tmp_path: Path) -> None:
    record(3)
    dalsegno("variable", "set", "region", "north")
    connect.close_all()
    before = names(dalsegno)
    file = tmp_path / "backup"
    done = dalsegno(*DATABASE, "backup", str(file))
    assert done.code == 0, done.errors
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir() if "partial" in each.name] == []
    refused = dalsegno(*DATABASE, "backup", str(file))
    assert (refused.code, "--force overwrites it" in refused.errors) == (2, True)
    assert dalsegno(*DATABASE, "backup", str(file), "--force").code == 0

    record(1)
    full = dalsegno(*DATABASE, "restore", str(file))
    assert (full.code, "is not empty" in full.errors) == (2, True)
    forced = dalsegno(*DATABASE, "restore", str(file), "--force")
    assert forced.code == 0, forced.errors
    assert names(dalsegno) == before
    dalsegno(*DATABASE, "reset", "--yes")
    restored = dalsegno(*DATABASE, "restore", str(file))
    assert restored.code == 0, restored.errors
    assert names(dalsegno) == before
    assert dalsegno("variable", "get", "region").output.strip() == "north"
    connect.close_all()
    # It goes on from there.
    record(1)
    assert len(names(dalsegno)) == 4


def test_a_backup_of_an_earlier_version_is_brought_up(url: str, dalsegno: Dalsegno, tmp_path: Path) -> None:
    record(1)
    dalsegno(*DATABASE, "downgrade", "1")
    file = tmp_path / "backup"
    if url.startswith("sqlite"):
        # Any command brings the file itself up.
        file.write_bytes((tmp_path / "runs.db").read_bytes())
    else:
        assert dalsegno(*DATABASE, "backup", str(file)).code == 0
        dalsegno(*DATABASE, "upgrade")
    done = dalsegno(*DATABASE, "restore", str(file), "--force")
    assert (done.code, "(schema version 1)" in done.output) == (0, True), done.errors
    assert dalsegno(*DATABASE, "stats", "-o", "json").json["schema_version"] == SCHEMA_VERSION
    assert len(names(dalsegno)) == 1


def test_a_backup_goes_into_a_database_without_tables(
    postgres_url: str, empty: str, monkeypatch: pytest.MonkeyPatch, dalsegno: Dalsegno, tmp_path: Path
) -> None:
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", postgres_url)
    record(2)
    before = names(dalsegno)
    assert dalsegno(*DATABASE, "backup", str(tmp_path / "backup")).code == 0
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", empty)
    done = dalsegno(*DATABASE, "restore", str(tmp_path / "backup"))
    assert done.code == 0, done.errors
    assert names(dalsegno) == before
    record(1)
    assert len(names(dalsegno)) == 3


def test_a_restore_that_fails_changes_nothing(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, dalsegno: Dalsegno, tmp_path: Path
) -> None:
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", postgres_url)
    record(2)
    file = tmp_path / "backup"
    assert dalsegno(*DATABASE, "backup", str(file)).code == 0
    whole = file.read_bytes()
    file.write_bytes(whole[:-200])
    done = dalsegno(*DATABASE, "restore", str(file), "--force")
    assert done.code == 6
    assert len(names(dalsegno)) == 2


def test_what_is_no_backup_of_ours_is_refused(url: str, dalsegno: Dalsegno, tmp_path: Path) -> None:
    record(1)
    foreign = tmp_path / "foreign"
    if url.startswith("sqlite"):
        with sqlite3.connect(foreign) as connection:
            connection.execute("CREATE TABLE theirs (x)")
    else:
        foreign.write_text("nothing")
    done = dalsegno(*DATABASE, "restore", str(foreign), "--force")
    assert done.code == 6
    assert "Dalsegno's" in done.errors or "is no backup" in done.errors
    assert dalsegno(*DATABASE, "restore", str(tmp_path / "missing")).code == 5
    assert len(names(dalsegno)) == 1


def test_a_backup_is_consistent_while_others_write(url: str, dalsegno: Dalsegno, tmp_path: Path) -> None:
    recorder = Recorder()
    written, stop = threading.Event(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            run = recorder.flow_run()
            recorder.task_run(run)
            written.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(30)
        done = dalsegno(*DATABASE, "backup", str(tmp_path / "backup"))
    finally:
        stop.set()
        writer.join()
    connect.close_all()
    assert done.code == 0, done.errors
    assert dalsegno(*DATABASE, "restore", str(tmp_path / "backup"), "--force").code == 0
    tables = {each["name"]: each["rows"] for each in dalsegno(*DATABASE, "stats", "-o", "json").json["tables"]}
    assert tables["flow_run"] >= 1
    assert tables["flow_run"] - tables["task_run"] in (0, 1)


def test_without_the_programs_of_postgresql_it_says_what_to_install(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, dalsegno: Dalsegno, tmp_path: Path
) -> None:
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", postgres_url)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = dalsegno(*DATABASE, "backup", str(tmp_path / "backup"))
    assert (done.code, "postgresql-client" in done.errors) == (2, True)


def test_where_a_server_is_set_it_says_that_it_is_not_asked(
    url: str, monkeypatch: pytest.MonkeyPatch, dalsegno: Dalsegno
) -> None:
    record(1)
    monkeypatch.setenv("DALSEGNO_API_URL", "http://127.0.0.1:1/api")
    done = dalsegno(*DATABASE, "stats")
    assert done.code == 0
    assert "works on the database itself" in done.errors


def test_there_must_be_a_file(dalsegno: Dalsegno) -> None:
    for words in (["stats"], ["vacuum"], ["reset", "--yes"], ["backup", "x"]):
        done = dalsegno(*DATABASE, *words)
        assert (done.code, "There is no database" in done.errors) == (5, True)


def test_a_password_is_seen_by_nobody_else(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, dalsegno: Dalsegno, tmp_path: Path
) -> None:
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", postgres_url.replace("tester@", "tester:hidden@"))
    record(1)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("pg_dump", "psql"):
        real = shutil.which(name)
        (programs / name).write_text(f'#!/bin/sh\necho "$@ / $PGPASSWORD" >> {programs}/said\nexec {real} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    done = dalsegno(*DATABASE, "backup", str(tmp_path / "backup"))
    assert (done.code, "hidden" in done.output) == (0, False)
    assert dalsegno(*DATABASE, "restore", str(tmp_path / "backup"), "--force").code == 0
    said = (programs / "said").read_text().splitlines()
    assert len(said) == 2
    assert all(line.endswith(" / hidden") and line.count("hidden") == 1 for line in said)


def test_the_database_itself_is_no_backup_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dalsegno: Dalsegno
) -> None:
    path = tmp_path / "runs.db"
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", f"sqlite:///{path}")
    record(1)
    for command in ("backup", "restore"):
        done = dalsegno(*DATABASE, command, str(path), "--force")
        assert (done.code, "is the database itself" in done.errors) == (2, True)
    assert len(names(dalsegno)) == 1
