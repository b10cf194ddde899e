"""A PostgreSQL server of the tests' own, from the machine's binaries: started once, shared by all workers of a run.

It listens on a free port of loopback, keeps its data in a temporary folder and never waits for the disk. The databases
of tests are copies of one that was made once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from dalsegno._store.opening import open_database

USER = "tester"
TEMPLATE = "dalsegno_template"
_PREFIX = "dalsegno-postgres-"


def find_binaries() -> Path | None:
    """Return the folder of initdb and its like, of the newest version that is installed."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        places.append(Path(on_path).parent)
    return next((place for place in places if (place / "initdb").exists()), None)


@dataclass
class Server:
    """A running server."""

    binaries: Path
    folder: Path
    port: int
    made: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, folder: Path, binaries: Path, **settings: str) -> Server:
        """Make a cluster in a folder that is not there yet, and start it."""
        folder.mkdir()
        server = cls(binaries, folder, free_port())
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        server.run(
            "initdb", "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        options = {
            "fsync": "off",
            "listen_addresses": "'127.0.0.1'",
            "port": str(server.port),
            "unix_socket_directories": "''",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "autovacuum": "off",
            "logging_collector": "off",
        }
        with open(folder / "data" / "postgresql.auto.conf", "a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in (options | settings).items())
        server.control("start")
        return server

    def control(self, action: str, *options: str) -> None:
        """Start, stop or restart it, and wait until that is done."""
        log = str(self.folder / "server.log")
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-w", "-t", "60", *options, action)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs as a user who may: they refuse root."""
        done = subprocess.run(
            [*as_postgres(), str(self.binaries / program), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Execute a statement as the owner of all."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]
            return cursor.fetchall() if cursor.description else []

    def make_template(self) -> None:
        """Make the database that those of tests are copies of."""
        self.execute(f"CREATE DATABASE {TEMPLATE}")
        open_database(self.url(TEMPLATE), upgrade=True).close()

    def make_database(self, template: str = TEMPLATE) -> str:
        """Return the URL of a new database."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def stop(self) -> None:
        self.control("stop", "-m", "immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def as_postgres() -> list[str]:
    """Return what a command begins with so that it does not run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def shared_server(run_folder: Path, binaries: Path) -> Iterator[Server]:
    """Give the server that the workers of a run share, whose folder this is: the first starts it, the last stops it."""
    note = run_folder / "postgres.json"
    with _locked(run_folder):
        if note.exists():
            found = json.loads(note.read_text())
            server = Server(binaries, Path(found["folder"]), found["port"])
        else:
            _stop_forgotten(binaries)
            # Not below the tests' folder: its path may be one that the server's user cannot enter.
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            folder.chmod(0o755)
            _write_users(folder, [os.getpid()])
            server = Server.start(folder / "cluster", binaries)
            server.make_template()
            note.write_text(json.dumps({"folder": str(server.folder), "port": server.port}))
        own = server.folder.parent
        _write_users(own, [*_users(own), os.getpid()])
    try:
        yield server
    finally:
        with _locked(run_folder):
            left = [pid for pid in _users(own) if pid != os.getpid()]
            _write_users(own, left)
            if not left:
                note.unlink()
                server.stop()
                shutil.rmtree(own, ignore_errors=True)


def _stop_forgotten(binaries: Path) -> None:
    """Stop the servers of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if (folder / "users.json").exists() and not _users(folder):
            with contextlib.suppress(AssertionError):
                Server(binaries, folder / "cluster", 0).stop()
            shutil.rmtree(folder, ignore_errors=True)


def _users(folder: Path) -> list[int]:
    """Return the processes that use a server and are still there."""
    return [pid for pid in json.loads((folder / "users.json").read_text()) if _lives(pid)]


def _write_users(folder: Path, pids: list[int]) -> None:
    (folder / "users.json").write_text(json.dumps(sorted(set(pids))))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with open(folder / "postgres.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
