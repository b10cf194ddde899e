"""Results that are kept under a key, across runs. Says nothing about how keys are made."""

from __future__ import annotations

from dalsegno._store.connection import Connection
from dalsegno.model.results import unpack_stored
from dalsegno.model.views import CacheEntry

_FIND = "SELECT key, result, task_run_id, created, expires FROM cache_entry WHERE key = ?"
_PUT = """
    INSERT INTO cache_entry (key, result, task_run_id, created, expires) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET result = excluded.result, task_run_id = excluded.task_run_id,
        created = excluded.created, expires = excluded.expires
"""
# The blob of a run that comes to be cached too goes on to live with the entry.
_PUT_BLOB = """
    INSERT INTO result_blob (id, root_run_id, data) VALUES (?, NULL, ?)
    ON CONFLICT (id) DO UPDATE SET root_run_id = NULL
"""
# Only blobs that belong to no run: those of runs go with their runs.
_DELETE_BLOB = "DELETE FROM result_blob WHERE id = ? AND root_run_id IS NULL"


def find_cached(connection: Connection, key: str, now: int) -> CacheEntry | None:
    """Return an entry, unless it has expired."""
    row = connection.execute(_FIND, (key,)).fetchone()
    if row is None or (row[4] is not None and row[4] <= now):
        return None
    return CacheEntry(key=row[0], result=row[1], task_run_id=row[2], created=row[3], expires=row[4])


def put_cached(connection: Connection, entry: CacheEntry, data: bytes | None) -> None:
    """Insert or replace an entry; `data` is the blob that its result refers to, if any."""
    old = connection.execute(_FIND, (entry.key,)).fetchone()
    blob = blob_of(entry.result)
    if old is not None and (before := blob_of(old[1])) is not None and before != blob:
        connection.execute(_DELETE_BLOB, (before,))
    if blob is not None and data is not None:
        connection.execute(_PUT_BLOB, (blob, data))
    connection.execute(_PUT, (entry.key, entry.result, entry.task_run_id, entry.created, entry.expires))


def delete_expired(connection: Connection, now: int, limit: int) -> int:
    """Delete some entries that have expired, with their blobs; return how many."""
    rows = connection.execute("SELECT key, result FROM cache_entry WHERE expires <= ? LIMIT ?", (now, limit)).fetchall()
    connection.executemany("DELETE FROM cache_entry WHERE key = ?", [(key,) for key, _ in rows])
    blobs = [blob for _, result in rows if (blob := blob_of(result)) is not None]
    connection.executemany(_DELETE_BLOB, [(blob,) for blob in blobs])
    return len(rows)


def blob_of(result: bytes) -> bytes | None:
    """Return the key of the blob that a packed result refers to."""
    stored = unpack_stored(result)
    return None if stored is None else stored.blob
