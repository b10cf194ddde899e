"""Turns what SQLite raises into our errors, with what to do. Knows no statement."""

from __future__ import annotations

import errno
import os
import sqlite3

from dalsegno.exceptions import (
    BackendError,
    BackendUnavailable,
    DatabaseCorrupt,
    DatabaseError,
    DatabaseReadOnly,
    DatabaseTooNew,
    DiskFull,
)

_NEARLY_FULL = 256 * 1024


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another connection was in the way, so that the same thing will work a little later."""
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def translate(error: sqlite3.Error, path: str) -> BackendError:
    """Return our error for one of SQLite's."""
    code = _primary_code(error)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return corrupt(path, str(error))
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return disk_full(path)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return read_only(path, str(error))
    if code == sqlite3.SQLITE_CANTOPEN:
        return _cannot_open(path, error)
    if is_busy(error):
        return BackendUnavailable(
            f"The database {path} was in use by other processes all the time ({error}). "
            "See what holds it, for example with `fuser`, and try again."
        )
    if code == sqlite3.SQLITE_IOERR:
        return BackendUnavailable(
            f"The database {path} could not be read or written ({error}). Check the disk and try again."
        )
    return DatabaseError(f"The database {path} refused a statement: {error}.")


def from_os(error: OSError, path: str) -> BackendError:
    """Return our error for what the system said about the database's folder."""
    if error.errno == errno.ENOSPC:
        return disk_full(path)
    return read_only(path, str(error))


def corrupt(path: str, reason: str) -> DatabaseCorrupt:
    """Say that a file is damaged."""
    return DatabaseCorrupt(
        f"The database {path} is damaged, or no SQLite database at all ({reason}). Restore a backup of it, "
        f"or save "
        f"what can be read with `sqlite3 {path} .recover | sqlite3 recovered.db`, or move it away to start "
        f"with an "
        "empty one."
    )


def too_new(path: str, found: int, known: int, version: str) -> DatabaseTooNew:
    """Say that a file was written by a later version."""
    return DatabaseTooNew(
        f"The database {path} has schema version {found}; Dalsegno {version} knows up to schema version "
        f"{known}. "
        "Upgrade Dalsegno, or set DALSEGNO_DATABASE_URL or DALSEGNO_HOME to use another database."
    )


def not_ours(path: str) -> DatabaseError:
    """Say that a file is a database of another program."""
    return DatabaseError(
        f"{path} is an SQLite database, but not one of Dalsegno's. Set DALSEGNO_DATABASE_URL or "
        f"DALSEGNO_HOME to "
        "another place."
    )


def read_only(path: str, reason: str) -> DatabaseReadOnly:
    """Say that a file or its folder cannot be written."""
    return DatabaseReadOnly(
        f"The database {path} cannot be written ({reason}). Give yourself write access to the file and its "
        f"folder, "
        "or set DALSEGNO_HOME to a folder that you can write to."
    )


def disk_full(path: str) -> DiskFull:
    """Say that there is no room left."""
    return DiskFull(
        f"There is no room left on the disk of the database {path}. Free some space there; nothing that was "
        f"recorded "
        "is lost."
    )


def not_synced(path: str, error: OSError) -> BackendUnavailable:
    """Say that the disk did not confirm a write."""
    return BackendUnavailable(
        f"What was written to the database {path} could not be brought to the disk ({error}). Check the disk."
    )


def _cannot_open(path: str, error: sqlite3.Error) -> BackendError:
    if _is_full(path):
        return disk_full(path)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return DatabaseError(f"The database {path} cannot be opened: there is no folder {folder}.")
    if os.path.isdir(path):
        return DatabaseError(f"The database {path} cannot be opened: that is a folder, not a file.")
    return read_only(path, str(error))


def _is_full(path: str) -> bool:
    try:
        disk = os.statvfs(os.path.dirname(path) or ".")
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _NEARLY_FULL


def _primary_code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0) or 0
    return code & 0xFF
