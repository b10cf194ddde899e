"""The server's database as a whole, for the commands of whoever keeps it: upgrade, reset, vacuum, sizes, backups.

They work on the database itself, never over HTTP. What the two kinds do differently stands beside each in the store.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dalsegno._store import migrations, upkeep
from dalsegno._store.connection import Database
from dalsegno._store.migrations import SCHEMA_VERSION
from dalsegno._store.opening import is_postgresql, open_database, sqlite_path
from dalsegno._store.sqlite import upkeep as sqlite_upkeep
from dalsegno._store.upkeep import DatabaseStats
from dalsegno.exceptions import DatabaseError, ObjectAlreadyExists, ObjectNotFound
from dalsegno.server.presence import running
from dalsegno.settings import Settings

__all__ = ["SCHEMA_VERSION", "DatabaseStats", "Keeper"]


class Keeper:
    """Does what is to be done to the database that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.database.url
        self._is_postgresql = is_postgresql(self._url)

    @property
    def shown(self) -> str:
        """The database's URL for people: no passwords."""
        if not self._is_postgresql:
            return f"sqlite:///{self._path}"
        from dalsegno._store.postgresql import urls

        return urls.for_people(self._url)

    # --- versions

    def upgrade(self) -> list[str]:
        """Bring the tables to this version; return the names of the scripts that ran (of an SQLite file that was not
        there, none: it is made at once)."""
        if self._is_postgresql:
            with self._open() as database:
                return migrations.upgrade(database)
        before = sqlite_upkeep.version_of(self._path)
        with self._open(make=True):
            scripts = migrations.scripts("sqlite") if before else ()
        return [str(script) for script in scripts if before < script.version <= SCHEMA_VERSION]

    def downgrade(self, version: int) -> list[str]:
        """Take back what later versions did; return the names of the scripts."""
        with self._open() as database:
            return upkeep.downgrade(database, version)

    # --- contents

    def users(self) -> list[str]:
        """Say in words who uses the database now, as far as that can be seen."""
        servers = [f"the server at {each.url} runs" for each in running(self._settings.home)]
        if not self._is_postgresql and not os.path.exists(self._path):
            return servers
        with self._open() as database:
            if self._is_postgresql and database.read(migrations.current).version == 0:
                return servers
            return servers + upkeep.used_by(database, database.now())

    def reset(self) -> None:
        """Delete all rows of all tables."""
        with self._open() as database:
            self._see_that_it_is_ours(database)
            upkeep.reset(database)
        if not self._is_postgresql:
            self.vacuum()

    def vacuum(self) -> tuple[int, int]:
        """Give space back; return how many bytes the database had before and has now."""
        before = self.stats().bytes
        if self._is_postgresql:
            from dalsegno._store.postgresql import upkeep as postgresql_upkeep

            postgresql_upkeep.vacuum(self._direct_url)
        else:
            with self._open() as database:
                upkeep.give_back_pages(database)
            sqlite_upkeep.shrink_log(self._path)
        return before, self.stats().bytes

    def stats(self) -> DatabaseStats:
        """Return how much the database holds, within a bounded time."""
        if not self._is_postgresql:
            self._see_that_it_is_there()
            return sqlite_upkeep.stats(self._path)
        from dalsegno._store.postgresql import upkeep as postgresql_upkeep

        with self._open() as database:
            self._see_that_it_is_ours(database)
            return postgresql_upkeep.stats(database)

    # --- copies

    def back_up(self, target: Path, *, overwrite: bool) -> int:
        """Write a copy as of one moment, while others go on to write; return its bytes.

        Raises ObjectAlreadyExists for a file that is there.
        """
        if target.exists() and not overwrite:
            raise ObjectAlreadyExists(f"There is a file {target} already; --force overwrites it.")
        if not target.parent.is_dir():
            raise ObjectNotFound(f"There is no folder {target.parent} for the backup.")
        if not self._is_postgresql:
            self._see_that_it_is_there()
            if target.exists() and os.path.samefile(target, self._path):
                raise ObjectAlreadyExists(f"{target} is the database itself; give another file for its backup.")
            return sqlite_upkeep.back_up(self._path, target)
        from dalsegno._store.postgresql import upkeep as postgresql_upkeep

        with self._open() as database:
            self._see_that_it_is_ours(database)
        return postgresql_upkeep.back_up(self._direct_url, target)

    def restore(self, source: Path, *, overwrite: bool) -> int:
        """Put what a backup holds into the database and bring it to this version; return the backup's version.

        Raises ObjectAlreadyExists where the database holds something, unless `overwrite`.
        """
        if not source.is_file():
            raise ObjectNotFound(f"There is no file {source}.")
        if self._is_postgresql:
            from dalsegno._store.postgresql import upkeep as postgresql_upkeep

            version = postgresql_upkeep.check_copy(source)
            self._see_that_it_is_empty(overwrite)
            postgresql_upkeep.restore(self._direct_url, source)
        else:
            version = sqlite_upkeep.check_copy(source)
            if os.path.exists(self._path) and os.path.samefile(source, self._path):
                raise ObjectAlreadyExists(f"{source} is the database itself; give the file of a backup.")
            self._see_that_it_is_empty(overwrite)
            sqlite_upkeep.restore(self._path, source)
        self.upgrade()
        return version

    @property
    def _path(self) -> str:
        return sqlite_path(self._url)

    @property
    def _direct_url(self) -> str:
        """Past PgBouncer, whose connections are good for single transactions only."""
        return self._settings.database.listen_url or self._url

    @contextmanager
    def _open(self, *, make: bool = False) -> Generator[Database]:
        """Open the database, whatever version its tables are of; SQLite's are brought up by that."""
        if not self._is_postgresql and not make:
            self._see_that_it_is_there()
        options = self._settings.database
        database = open_database(
            self._url,
            busy_timeout=options.busy_timeout,
            allow_network_file_system=options.allow_network_file_system,
            pgbouncer=options.pgbouncer,
            listen_url=options.listen_url,
            check=False,
        )
        try:
            yield database
        finally:
            database.close()

    def _see_that_it_is_there(self) -> None:
        if not os.path.exists(self._path):
            raise ObjectNotFound(f"There is no database {self._path} yet; the first flow or server makes it.")

    def _see_that_it_is_ours(self, database: Database) -> None:
        if self._is_postgresql and database.read(migrations.current).version == 0:
            raise DatabaseError(
                f"The database {database.url} holds no tables of Dalsegno. Make them with `dalsegno server database "
                "upgrade`."
            )

    def _see_that_it_is_empty(self, overwrite: bool) -> None:
        """Also makes the folder and file of an SQLite database that is not there."""
        with self._open(make=True) as database:
            if self._is_postgresql and database.read(migrations.current).version == 0:
                return
            if not overwrite and not database.read(upkeep.is_empty):
                raise ObjectAlreadyExists(
                    f"The database {database.url} is not empty; --force replaces all that it holds."
                )
