"""Artifacts as they are recorded: writing them, and reading them back."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from dalsegno._backend.protocol import Backend
from dalsegno._engine import artifact_records
from dalsegno._engine.context import current_scope
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.records import ArtifactRecord, Batch
from dalsegno.model.views import ArtifactView, Page


class ArtifactId(uuid.UUID):
    """The id of an artifact; awaiting it gives the id itself."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Self]:
        yield from ()
        return self


class SavedArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact as it is recorded."""

    id: uuid.UUID
    type: str
    key: str | None
    data: Any
    """A text (link, Markdown, image URL), a list (table) or a number (progress in percent)."""
    description: str | None
    flow_run_id: uuid.UUID | None
    task_run_id: uuid.UUID | None
    created: datetime
    updated: datetime


def record(type_: str, key: str | None, data: str, description: str | None) -> ArtifactRecord:
    """Record an artifact, with the run that is executed here if there is one; `data` is JSON."""
    scope = current_scope()
    record = artifact_records.new_record(scope, type_, key, data, description)
    if scope is not None:
        artifact_records.add(scope, record, changeable=type_ == "progress")
        return record
    from dalsegno._backend.connect import connect

    connect().deliver(Batch(attempts={}, artifacts=[record]))
    return record


def change(id_: bytes, data: str, description: str | None) -> None:
    """Give an artifact other data. Raises ObjectNotFound if there is none of that id."""
    scope = current_scope()
    if scope is not None and artifact_records.change(scope, id_, data, description):
        return
    if not _reader().update_artifact(id_, data, description, artifact_records.now()):
        raise ObjectNotFound(f"There is no artifact {uuid.UUID(bytes=id_)}, so it cannot be changed.")


def newest(key: str) -> SavedArtifact | None:
    """Return the newest artifact with a key."""
    found = _reader().list_artifacts(key=key, page=Page(limit=1))
    return saved(found[0]) if found else None


def saved(record: ArtifactRecord | ArtifactView) -> SavedArtifact:
    """Return what people see of a record."""
    return SavedArtifact(
        id=ArtifactId(bytes=record.id),
        type=record.type,
        key=record.key,
        data=msgspec.json.decode(record.data),
        description=record.description,
        flow_run_id=_uuid(record.flow_run_id),
        task_run_id=_uuid(record.task_run_id),
        created=_moment(record.created),
        updated=_moment(record.updated),
    )


def _reader() -> Backend:
    """Return the backend to read from, when all that this run recorded so far can be seen there."""
    scope = current_scope()
    if scope is None or scope.session.detached:
        from dalsegno._backend.connect import connect

        return connect()
    scope.session.journal.barrier(durable=False)
    return scope.session.backend


def _uuid(id_: bytes | None) -> uuid.UUID | None:
    return None if id_ is None else uuid.UUID(bytes=id_)


def _moment(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp / 1_000_000, UTC)
