"""A database that cannot be used is refused with what, where and what to do; a new one is made safely."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.store.make import Run, many_task_runs

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store.sqlite import files
from dalsegno.exceptions import (
    DatabaseCorrupt,
    DatabaseError,
    DatabaseReadOnly,
    DatabaseTooNew,
    DiskFull,
)
from dalsegno.model.views import Page, RunFilter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def backend(sqlite_backend: StoreBackend) -> StoreBackend:
    return sqlite_backend


def test_a_new_file_reclaims_space_and_has_a_write_ahead_log(backend: StoreBackend, path: Path) -> None:
    connection = sqlite3.connect(path)
    pragmas = ["user_version", "auto_vacuum", "journal_mode", "application_id"]
    values = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    connection.close()
    assert values == [files.SCHEMA_VERSION, 2, "wal", files.APPLICATION_ID]


def test_a_newer_database_is_refused_with_both_versions(path: Path) -> None:
    StoreBackend.in_file(str(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.execute("UPDATE schema_version SET version = 99, compatible_from = 98")
    connection.commit()
    connection.close()
    with pytest.raises(DatabaseTooNew, match=rf"{path} has schema version 99; .* up to schema version 3\."):
        StoreBackend.in_file(str(path))


def test_a_file_that_is_no_database_is_called_damaged(path: Path) -> None:
    path.write_bytes(b"not a database at all, " * 400)
    with pytest.raises(DatabaseCorrupt, match=r"Restore a backup.* \.recover"):
        StoreBackend.in_file(str(path))


def test_a_damaged_database_is_refused_and_left_as_it_is(path: Path) -> None:
    backend = StoreBackend.in_file(str(path))
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 2000)))
    backend.close()
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DatabaseCorrupt, match=str(path)):
        StoreBackend.in_file(str(path))
    assert path.read_bytes() == content


def test_damage_that_is_met_later_is_named_too(path: Path) -> None:
    backend = StoreBackend.in_file(str(path))
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 2000)))
    backend.close()
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half:] = os.urandom(len(content) - half)
    path.write_bytes(content)
    again = StoreBackend.in_file(str(path))
    with pytest.raises(DatabaseCorrupt, match=str(path)):
        again.list_task_runs(RunFilter(), Page(limit=2000))
    again.close()


def test_a_database_of_another_program_is_not_touched(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="not one of Dalsegno's"):
        StoreBackend.in_file(str(path))
    assert path.read_bytes() == before


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="a folder, not a file"):
        StoreBackend.in_file(str(tmp_path))


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(DatabaseError, match=str(tmp_path / "home")):
        StoreBackend.in_file(str(tmp_path / "home" / "runs.db"))


def as_nobody(path: Path) -> str:
    """Open a database in a process that may not write in its folder; return what it raised."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            StoreBackend.in_file(str(path))
            said = "nothing"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(sending, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(sending)
    with os.fdopen(receiving) as pipe:
        return pipe.read()


def test_a_home_that_cannot_be_written_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    said = as_nobody(open_folder / "runs.db")
    assert said.startswith(DatabaseReadOnly.__name__)
    assert "set DALSEGNO_HOME" in said
    said = as_nobody(open_folder / "home" / "runs.db")
    assert said.startswith(DatabaseReadOnly.__name__)
    open_folder.chmod(0o755)


def test_a_database_that_cannot_be_written_is_named(open_folder: Path) -> None:
    path = open_folder / "runs.db"
    StoreBackend.in_file(str(path)).close()
    path.chmod(0o444)
    open_folder.chmod(0o555)
    said = as_nobody(path)
    assert said.startswith(DatabaseReadOnly.__name__)
    assert str(path) in said
    open_folder.chmod(0o755)


_FILLING = """
import sys
from dalsegno._backend.embedded import StoreBackend
from dalsegno.exceptions import DiskFull
from dalsegno.model.views import RunFilter
from tests.store.make import Run, many_task_runs
path, ballast = sys.argv[1:]
def allow(pages):
    backend.database.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall())
backend = StoreBackend.in_file(path)
if not ballast:
    allow(500)
run = Run()
backend.deliver(run.batch(flow_runs=[run.flow_run()]))
kept = 0
try:
    while True:
        backend.deliver(run.batch(task_runs=many_task_runs(run, 500)))
        kept += 500
except DiskFull as error:
    assert path in str(error) and "Free some space" in str(error), error
assert backend.count_task_runs(RunFilter()) == {"Completed": kept}, kept
import os
if ballast:
    os.remove(ballast)
else:
    allow(100_000)
backend.deliver(run.batch(task_runs=many_task_runs(run, 500)))
assert backend.count_task_runs(RunFilter()) == {"Completed": kept + 500}
backend.close()
print("kept", kept)
"""


def test_a_full_disk_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    """On a small file system in a namespace of its own; where that is forbidden, SQLite's own limit plays the disk."""
    isolated = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=3m tmpfs {tmp_path}"
    filling = f'head -c 1000000 /dev/zero > {tmp_path}/ballast && exec {sys.executable} -c "$0" {tmp_path}/runs.db'
    if shutil.which("unshare") and subprocess.run([*isolated, mount], capture_output=True, check=False).returncode == 0:
        command = [*isolated, f"{mount} && {filling} {tmp_path}/ballast", _FILLING]
    else:
        command = [sys.executable, "-c", _FILLING, f"{tmp_path}/runs.db", ""]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("kept ")


def test_a_database_that_may_not_grow_says_that_the_disk_is_full(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    backend.database.write(lambda connection: connection.execute("PRAGMA max_page_count = 60").fetchall())
    with pytest.raises(DiskFull, match="Free some space there; nothing that was recorded is lost"):
        backend.deliver(run.batch(task_runs=many_task_runs(run, 4000)))
    assert backend.count_task_runs(RunFilter()) == {}


def test_a_network_file_system_is_told_from_a_local_one(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/vda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\ntmpfs /home/me/local\\040disk tmpfs rw 0 0\n"
    )
    kinds = [files.file_system(folder, str(mounts)) for folder in ("/srv", "/home/me", "/home/me/local disk/a")]
    assert kinds == ["ext4", "nfs4", "tmpfs"]
    assert files.file_system(str(tmp_path)) is not None


def test_a_network_file_system_is_refused_unless_it_is_allowed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "file_system", lambda folder: "nfs4")
    with pytest.raises(DatabaseError, match=r"nfs4.*DALSEGNO_DATABASE_ALLOW_NETWORK_FILE_SYSTEM=true"):
        StoreBackend.in_file(str(path))
    StoreBackend.in_file(str(path), allow_network_file_system=True).close()
