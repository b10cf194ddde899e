"""Older databases are brought to this version, newer ones are used where that is possible, and others are refused."""

from __future__ import annotations

import re
import sqlite3
import threading
from pathlib import Path

import pytest
from tests.store.conftest import Opener
from tests.store.make import COMPLETED, Run, many_task_runs

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import migrations
from dalsegno._store.connection import Connection
from dalsegno._store.migrations import SCHEMA_VERSION, SchemaState
from dalsegno._store.opening import open_database
from dalsegno._store.sqlite import files
from dalsegno.exceptions import DatabaseError, DatabaseTooNew
from dalsegno.model.views import Page, RunFilter
from tests import postgres

FIRST = (Path(__file__).parent / "schemas" / "sqlite_1.sql").read_text()
ROWS = (Path(__file__).parent / "schemas" / "sqlite_1_rows.sql").read_text()


def make_first_version(path: Path) -> None:
    """Make a file as version 1 of the schema had it, with a run in it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(FIRST + ROWS)
    connection.execute(f"PRAGMA application_id = {files.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.close()


def tables_of(path: Path) -> dict[str, str]:
    """Return how each table and index was made, without what does not matter."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: " ".join(re.sub(r"--.*", "", sql).split()) for name, sql in found}


def test_a_file_of_the_first_version_is_brought_to_this_one_when_it_is_opened(path: Path, tmp_path: Path) -> None:
    make_first_version(path)
    backend = StoreBackend.in_file(str(path))
    assert backend.database.read(migrations.current).version == SCHEMA_VERSION
    (run,) = backend.list_flow_runs(RunFilter(), Page())
    assert (run.name, run.state.name) == ("brave-otter", "Completed")
    assert backend.count_task_runs(RunFilter(flow_run_ids=[run.id])) == {"Completed": 3}
    backend.close()
    StoreBackend.in_file(str(tmp_path / "fresh.db")).close()
    assert tables_of(path) == tables_of(tmp_path / "fresh.db")


def test_many_that_open_an_older_file_at_once_migrate_it_once(path: Path) -> None:
    make_first_version(path)
    failures: list[BaseException] = []

    def open_() -> None:
        try:
            StoreBackend.in_file(str(path)).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=open_) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_scripts_lead_to_this_version_and_the_first_one_alone_is_missing() -> None:
    for dialect, first in (("sqlite", 2), ("postgresql", 1)):
        found = migrations.scripts(dialect)  # type: ignore[arg-type]
        assert {script.version for script in found} <= set(range(first, SCHEMA_VERSION + 1))
        assert migrations.compatible_from(dialect) <= SCHEMA_VERSION  # type: ignore[arg-type]
    assert "0002_schema_version" in [str(script) for script in migrations.scripts("sqlite")]


def note(version: int, compatible_from: int) -> object:
    return lambda connection: migrations.note(connection, version, compatible_from)


def test_a_later_version_is_used_as_long_as_it_has_what_this_code_needs(open_backend: Opener) -> None:
    later = open_backend().database
    later.write(note(SCHEMA_VERSION + 1, SCHEMA_VERSION))  # type: ignore[arg-type]
    backend = open_backend()
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)], task_runs=many_task_runs(run, 3)))
    assert backend.count_task_runs(RunFilter()) == {"Completed": 3}
    assert backend.database.read(migrations.current) == SchemaState(SCHEMA_VERSION + 1, SCHEMA_VERSION)


def test_a_later_version_that_this_code_cannot_use_is_refused_by_name(open_backend: Opener) -> None:
    later = open_backend().database
    later.write(note(SCHEMA_VERSION + 2, SCHEMA_VERSION + 1))  # type: ignore[arg-type]
    later.close()
    with pytest.raises(DatabaseTooNew, match=f"has schema version {SCHEMA_VERSION + 2}; .* up to .* {SCHEMA_VERSION}"):
        open_backend()


# --- PostgreSQL


@pytest.fixture
def empty(postgres_server: postgres.Server) -> object:
    """The URL of a database without tables."""
    url = postgres_server.make_database("template0")
    yield url
    postgres_server.drop_database(url)


def test_an_empty_database_says_what_to_run(empty: str) -> None:
    with pytest.raises(DatabaseError, match="dalsegno server database upgrade"):
        StoreBackend.open(empty)
    open_database(empty, upgrade=True).close()
    StoreBackend.open(empty).close()


def test_a_database_of_an_earlier_version_says_what_to_run(url: str, open_backend: Opener) -> None:
    if not url.startswith("postgresql"):
        return
    database = open_backend().database
    database.write(lambda connection: migrations.note(connection, SCHEMA_VERSION - 1, 1))
    with pytest.raises(DatabaseError, match=f"version {SCHEMA_VERSION - 1}.*`dalsegno server database upgrade"):
        open_backend()


def test_servers_that_upgrade_at_once_do_it_once(empty: str) -> None:
    ran: list[list[str]] = []
    failures: list[BaseException] = []

    def upgrade() -> None:
        from dalsegno._store.postgresql.database import PostgresDatabase

        try:
            database = PostgresDatabase(empty)
            ran.append(migrations.upgrade(database))
            database.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [names for names in ran if names] == [[str(each) for each in migrations.scripts("postgresql")]]


def test_what_can_be_taken_back_is(open_backend: Opener) -> None:
    database = open_backend().database
    undone = migrations.downgrade(database, 1)
    assert undone == [str(each) for each in reversed(migrations.scripts(database.dialect)) if each.version > 1]
    # In a transaction that writes, for which SQLite opens no connection: that would bring it up again.
    assert database.write(migrations.current).version == 1
    pending = database.write(lambda connection: [str(each) for each in migrations.pending(connection)])
    assert pending == undone[::-1]
    migrations.upgrade(database)
    assert database.read(migrations.current).version == SCHEMA_VERSION


def test_what_cannot_be_taken_back_says_so_and_changes_nothing(
    open_backend: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_backend().database
    stuck = migrations.Migration(SCHEMA_VERSION, "drop_everything", None, (), None)
    monkeypatch.setattr(migrations, "scripts", lambda dialect: (stuck,))
    with pytest.raises(DatabaseError, match="drop_everything cannot be taken back"):
        migrations.downgrade(database, SCHEMA_VERSION - 1)
    assert database.read(migrations.current).version == SCHEMA_VERSION
    with pytest.raises(DatabaseError, match="the first one is 1"):
        migrations.downgrade(database, 0)


def test_a_script_that_fails_changes_nothing(open_backend: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_backend().database
    database.write(lambda connection: migrations.note(connection, SCHEMA_VERSION - 1, 1))
    half = migrations.Migration(SCHEMA_VERSION, "half", 1, ("CREATE TABLE half (x integer)", "nonsense"), None)
    monkeypatch.setattr(migrations, "scripts", lambda dialect: (half,))
    with pytest.raises(DatabaseError, match="nonsense"):
        migrations.upgrade(database)
    assert database.write(migrations.current).version == SCHEMA_VERSION - 1

    def is_there(connection: Connection) -> bool:
        connection.execute("SELECT 1 FROM half").fetchone()
        return True

    with pytest.raises(DatabaseError, match="half"):
        database.write(is_there)
