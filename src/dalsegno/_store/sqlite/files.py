"""The database file: may it be here, is it ours, is it of our version; makes it where there is none."""

from __future__ import annotations

import os
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from dalsegno._store import migrations
from dalsegno._store.migrations import SCHEMA_VERSION
from dalsegno._store.sqlite import errors
from dalsegno._store.sqlite.connection import SqliteConnection
from dalsegno.exceptions import DatabaseError

APPLICATION_ID = 0x44534E4F
"""``DSNO``: marks the files that are ours."""

_NETWORK_FILE_SYSTEMS = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "afs",
        "9p",
        "ceph",
        "glusterfs",
        "lustre",
        "ncpfs",
    }
    | {
        "fuse.sshfs",
        "fuse.s3fs",
        "fuse.gcsfuse",
        "fuse.rclone",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.blobfuse",
    }
)


def prepare_folder(path: str) -> None:
    """Make the folder of a new database; raises DatabaseReadOnly where that is not allowed."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except NotADirectoryError as error:
        raise DatabaseError(f"The folder {folder} of the database cannot be made: {error}.") from None
    except OSError as error:
        raise errors.from_os(error, path) from None


def check_file_system(path: str) -> None:
    """Refuse a network file system: its locks do not hold, and SQLite's write-ahead log does not work there."""
    kind = file_system(os.path.dirname(path) or ".")
    if kind in _NETWORK_FILE_SYSTEMS:
        raise DatabaseError(
            f"The database {path} would lie on a network file system ({kind}), where SQLite loses data. Set "
            "DALSEGNO_HOME or DALSEGNO_DATABASE_URL to a local disk, or if you know that no other machine "
            "uses it, "
            "DALSEGNO_DATABASE_ALLOW_NETWORK_FILE_SYSTEM=true."
        )


def file_system(folder: str, mounts: str = "/proc/mounts") -> str | None:
    """Return the type of the file system that a folder is on, such as ``"ext4"``; None where the system does
    not tell."""
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = os.path.realpath(folder)
    best, kind = "", None
    for line in lines:
        _, point, type_, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        # The last of equals wins: it was mounted over the others.
        if len(point) >= len(best) and (real == point or real.startswith(point.rstrip("/") + "/")):
            best, kind = point, type_
    return kind


def check_or_create(connection: SqliteConnection, path: str) -> None:
    """See that the file holds our tables: make them if it is empty, and bring older ones to this version. Safe when
    many start at once."""
    # In one transaction: another process may be making the tables at this moment.
    connection.execute("BEGIN")
    try:
        if _is_current(connection, path):
            return
    finally:
        connection.execute("ROLLBACK")
    # Both must stand before the first page is written; in a file that has pages they change nothing.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _is_current(connection, path):
            _make_or_migrate(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def sync(path: str, *, folder: bool) -> None:
    """Bring what was committed to the disk (and with `folder` the names of new files), outside SQLite's
    locks.

    With synchronous = NORMAL a commit is in the write-ahead log but not on the disk, so syncing the log is
    what is missing; what has left the log for the file by then was synced on the way. SQLite's own full sync
    does the same while it holds the write lock, so that fifty processes which end at the same moment would
    wait for fifty syncs.
    """
    for name in (path + "-wal", os.path.dirname(path)) if folder else (path + "-wal",):
        handle = os.open(name, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_current(connection: SqliteConnection, path: str) -> bool:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        if version == 0 and connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None:
            return False
        raise errors.not_ours(path)
    if version > SCHEMA_VERSION and migrations.current(connection).compatible_from > SCHEMA_VERSION:
        raise errors.too_new(path, version, SCHEMA_VERSION, metadata.version("dalsegno"))
    return version >= SCHEMA_VERSION


def _make_or_migrate(connection: SqliteConnection) -> None:
    if migrations.current(connection).version:
        migrations.apply(connection, migrations.pending(connection))
        return
    for statement in _script():
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    migrations.note(connection, SCHEMA_VERSION, migrations.compatible_from("sqlite"))


@cache
def _script() -> list[str]:
    text = files("dalsegno._store.sqlite").joinpath("schema.sql").read_text(encoding="utf-8")
    return migrations.statements(text)
