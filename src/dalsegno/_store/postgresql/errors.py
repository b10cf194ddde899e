"""Turns what PostgreSQL and its driver raise into our errors, with what to do. Knows no statement, and no password."""

from __future__ import annotations

import psycopg

from dalsegno.exceptions import (
    BackendError,
    BackendUnavailable,
    DatabaseCorrupt,
    DatabaseError,
    DatabaseReadOnly,
    DatabaseTooNew,
    DiskFull,
)

_IN_THE_WAY = frozenset({"40001", "40P01"})
_LOCKED = frozenset({"55P03"})
_FULL = frozenset({"53100"})
_DAMAGED = frozenset({"XX001", "XX002"})
_NO_ENTRY = frozenset({"28P01", "28000", "3D000"})
_FORBIDDEN = frozenset({"42501"})
_READ_ONLY = frozenset({"25006"})
_NO_ENTRY_TEXTS = ("FATAL: password", "FATAL: no pg_hba", "FATAL: role", "FATAL: database", "no password supplied")


def is_in_the_way(error: psycopg.Error) -> bool:
    """Tell whether another transaction was in the way, so that the same thing will work when it is done again."""
    return error.sqlstate in _IN_THE_WAY


def is_lost(error: psycopg.Error) -> bool:
    """Tell whether the connection is gone, or the server is going or coming."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    return state.startswith(("08", "57P")) or state == "53300"


def is_refused(error: psycopg.Error) -> bool:
    """Tell whether the server answered and will not have us: a wrong password, no such database."""
    said = _said(error)
    return error.sqlstate in _NO_ENTRY or (error.sqlstate is None and any(text in said for text in _NO_ENTRY_TEXTS))


def translate(error: psycopg.Error, url: str) -> BackendError:
    """Return our error for one of the driver's; `url` is the one for people."""
    state, said = error.sqlstate, _said(error)
    if state in _LOCKED or is_in_the_way(error):
        return BackendUnavailable(
            f"What was to be written to {url} was in use by others all the time ({said}). See what holds it in "
            "pg_stat_activity and pg_locks, and try again."
        )
    if state in _FULL:
        return DiskFull(
            f"There is no room left on the disk of the database {url}. Free some space there; nothing that was "
            "recorded is lost."
        )
    if state in _DAMAGED:
        return DatabaseCorrupt(f"The database {url} is damaged ({said}). Restore a backup of it.")
    if state in _READ_ONLY:
        return DatabaseReadOnly(
            f"The database {url} cannot be written ({said}). Set DALSEGNO_DATABASE_URL to the primary server, not to a "
            "standby."
        )
    if state in _FORBIDDEN:
        return DatabaseReadOnly(
            f"The user of {url} may not do that ({said}). Have the owner of the database's tables do it, or GRANT it."
        )
    if is_lost(error):
        return lost(error, url)
    return DatabaseError(f"The database {url} refused a statement: {said}.")


def cannot_connect(error: psycopg.Error, url: str) -> BackendError:
    """Say that a connection could not be made."""
    said = _said(error)
    if is_refused(error):
        return DatabaseError(
            f"The server refused a connection to {url} ({said}). Check user, password and name of the database in "
            "DALSEGNO_DATABASE_URL."
        )
    return BackendUnavailable(
        f"The database {url} cannot be reached ({said}). See that the server runs and that host and port in "
        "DALSEGNO_DATABASE_URL are right, and try again."
    )


def lost(error: psycopg.Error, url: str) -> BackendUnavailable:
    """Say that the server went away."""
    return BackendUnavailable(
        f"The connection to {url} was lost ({_said(error)}). See that the server runs, and try again."
    )


def lost_in_commit(error: psycopg.Error, url: str) -> BackendUnavailable:
    """Say that nobody knows whether something was written."""
    return BackendUnavailable(
        f"The connection to {url} was lost at the very moment when a change was to be confirmed ({_said(error)}): it "
        "may have been made or not. Look, and repeat it if it is missing."
    )


def failed_inside(url: str) -> DatabaseError:
    """Say that a transaction went on after one of its statements had failed."""
    return DatabaseError(f"A statement to {url} failed in the middle of a transaction, which was rolled back.")


def no_connection_free(url: str, most: int) -> BackendUnavailable:
    """Say that all connections of this process are in use."""
    return BackendUnavailable(
        f"All {most} connections of this process to {url} were in use all the time. Something holds them: see the "
        "queries in pg_stat_activity."
    )


def not_made(url: str) -> DatabaseError:
    """Say that there are no tables of ours."""
    return DatabaseError(
        f"The database {url} holds no tables of Dalsegno. Make them with `dalsegno server database upgrade`, or start "
        "a server, which does the same."
    )


def too_old(url: str, found: int, known: int) -> DatabaseError:
    """Say that the tables are of an earlier version."""
    return DatabaseError(
        f"The database {url} has schema version {found}, and this Dalsegno needs schema version {known}. Run `dalsegno "
        "server database upgrade`, or start a server of this version, which does the same."
    )


def too_new(url: str, found: int, known: int, version: str) -> DatabaseTooNew:
    """Say that the tables are of a later version that this one cannot use."""
    return DatabaseTooNew(
        f"The database {url} has schema version {found}; Dalsegno {version} knows up to schema version {known}. "
        "Upgrade Dalsegno, or set DALSEGNO_DATABASE_URL to another database."
    )


def _said(error: psycopg.Error) -> str:
    """Return what the server said, on one line."""
    return " ".join((error.diag.message_primary or str(error)).split()).rstrip(".")
