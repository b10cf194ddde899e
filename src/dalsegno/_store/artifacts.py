"""Reads and changes artifacts; they are written with the batches of their runs."""

from __future__ import annotations

from dalsegno._store.connection import Connection
from dalsegno._store.filters import Conditions
from dalsegno.model.views import ArtifactView, Page

_COLUMNS = "id, type, key, data, description, flow_run_id, task_run_id, created, updated"
_FIELDS = _COLUMNS.split(", ")


def read_artifact(connection: Connection, id: bytes) -> ArtifactView | None:
    """Return an artifact."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM artifact WHERE id = ?", (id,)).fetchone()
    return None if row is None else _view(row)


def list_artifacts(
    connection: Connection,
    *,
    key: str | None,
    flow_run_id: bytes | None,
    task_run_id: bytes | None,
    latest_only: bool,
    page: Page,
) -> list[ArtifactView]:
    """Return a page of artifacts, newest first; with `latest_only` the newest of each key only."""
    conditions = Conditions()
    for column, value in (("key", key), ("flow_run_id", flow_run_id), ("task_run_id", task_run_id)):
        if value is not None:
            conditions.add(f"artifact.{column} = ?", value)
    if latest_only:
        conditions.add(
            "(key IS NULL OR NOT EXISTS"
            " (SELECT 1 FROM artifact AS later WHERE later.key = artifact.key AND later.id > artifact.id))"
        )
    if page.after is not None:
        conditions.add(f"artifact.id {'>' if page.oldest_first else '<'} ?", page.after)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM artifact{conditions.where()}"
        f" ORDER BY id {'ASC' if page.oldest_first else 'DESC'} LIMIT ?",
        [*conditions.values, page.limit],
    )
    return [_view(row) for row in rows]


def latest_artifacts(connection: Connection, after: str | None, limit: int) -> list[ArtifactView]:
    """Return the newest artifact of each key, by key: two look-ups for each, however many versions it has."""
    found: list[ArtifactView] = []
    key = after or ""
    while len(found) < limit:
        key = connection.execute("SELECT min(key) FROM artifact WHERE key > ?", (key,)).fetchone()[0]
        if key is None:
            break
        row = connection.execute(f"SELECT {_COLUMNS} FROM artifact WHERE key = ? ORDER BY id DESC LIMIT 1", (key,))
        found.append(_view(row.fetchone()))
    return found


def describe_artifact(connection: Connection, id: bytes, description: str | None, seen: int, updated: int) -> bool:
    """Change an artifact's description if it was last changed at the time that somebody saw. False: it was not."""
    changed = connection.execute(
        "UPDATE artifact SET description = ?, updated = ? WHERE id = ? AND updated = ?",
        (description, updated, id, seen),
    )
    return changed.rowcount > 0


def update_artifact(connection: Connection, id: bytes, data: str, description: str | None, now: int) -> bool:
    """Change an artifact in place; a description of None leaves the old one. False: there is none."""
    changed = connection.execute(
        "UPDATE artifact SET data = ?, description = coalesce(?, description),"
        " updated = CASE WHEN ? > updated THEN ? ELSE updated + 1 END WHERE id = ?",
        (data, description, now, now, id),
    )
    return changed.rowcount > 0


def _view(row: tuple[object, ...]) -> ArtifactView:
    return ArtifactView(**dict(zip(_FIELDS, row, strict=True)))  # pyright: ignore[reportArgumentType]
