"""The databases and servers that peers are measured with, each started when it is first needed, and kept quiet while
others are measured."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import postgres
from environments import Environment, variables
from measure import database_bytes
from postgres import Postgres
from serving import Serving, serving

SETTLE_LIMIT_SECONDS = 300.0
# A server whose CPU use stays below this share of one core for a second has recorded what it was sent.
SETTLED_CPU_SHARE = 0.15


class Database(Protocol):
    """An empty database, for one server or one process."""

    url: str

    def size(self) -> int:
        """Its bytes on the disk, free pages included."""
        ...


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A database that is a file; its size is that of all databases in its folder, for a server may have several."""

    url: str
    folder: Path

    def size(self) -> int:
        return database_bytes(self.folder)


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A database of the benchmark's PostgreSQL server."""

    url: str
    server: Postgres

    def size(self) -> int:
        return self.server.database_bytes(self.url)


@dataclass(frozen=True, slots=True)
class Server:
    """A peer's server on loopback, stopped (SIGSTOP) while others are measured: it must disturb nobody."""

    running: Serving
    database: Database

    @property
    def api_url(self) -> str:
        return self.running.api_url

    def resume(self) -> None:
        self.running.process.send_signal(signal.SIGCONT)

    def suspend(self) -> None:
        self.running.process.send_signal(signal.SIGSTOP)

    def settle(self) -> None:
        """Return once the server has worked off what it was sent, or after SETTLE_LIMIT_SECONDS."""
        deadline = time.monotonic() + SETTLE_LIMIT_SECONDS
        while time.monotonic() < deadline:
            before = self.running.cpu_seconds()
            time.sleep(1.0)
            if self.running.cpu_seconds() - before < SETTLED_CPU_SHARE:
                return


@dataclass(slots=True)
class Servers:
    """All that were started. `folder` is where their files go; they end when `stack` is closed."""

    folder: Path
    stack: contextlib.ExitStack
    _running: dict[tuple[str, str], Server] = field(default_factory=dict[tuple[str, str], Server])
    _postgres: Postgres | None = None

    def of(self, environment: Environment, kind: str) -> Server:
        """The server of a peer on one kind of database ("sqlite" or "postgresql"), suspended. Raises StartError."""
        peer = environment.peer.name
        found = self._running.get((peer, kind))
        if found is not None:
            return found
        home = self.folder / f"{peer}-{kind}"
        home.mkdir(parents=True)
        database = self.empty_database(kind, home)
        running = self.stack.enter_context(
            serving(peer, environment.folder / "bin", database.url, variables(environment, home), home)
        )
        server = self._running[peer, kind] = Server(running, database)
        server.settle()
        server.suspend()
        return server

    def empty_database(self, kind: str, home: Path) -> Database:
        """An empty database; a file of SQLite's is in `home`, one of PostgreSQL's bears the folder's name."""
        if kind == "sqlite":
            return SqliteFile(f"sqlite:///{home / 'server.db'}", home)
        if self._postgres is None:
            binaries = postgres.find_binaries()
            assert binaries is not None, "cases on PostgreSQL are left out where it is not installed"
            self._postgres = self.stack.enter_context(postgres.started(binaries))
        return PostgresDatabase(self._postgres.make_database(home.name.replace("-", "_")), self._postgres)
