"""Batches in the making: what a flush carries beside task runs, and how much may go into one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import msgspec

from dalsegno._journal.carrier import say
from dalsegno._journal.records import FlowRunRecord
from dalsegno.model.records import ArtifactRecord, Batch, LogRecord, ResultBlob


class Rest:
    """What a flush carries beside task runs."""

    def __init__(
        self,
        flow_runs: list[FlowRunRecord],
        logs: list[LogRecord],
        artifacts: list[ArtifactRecord],
        superseded: list[tuple[bytes, bytes]],
    ) -> None:
        self.flow_runs = flow_runs
        self.logs = logs
        self.artifacts = artifacts
        self.superseded = superseded


_S = TypeVar("_S", covariant=True)


class _Snapshooter(Protocol[_S]):
    def snapshot(self, version: int) -> _S: ...


def snapshot_of(run: _Snapshooter[_S], version: int) -> _S | None:
    """Return a record's snapshot; None, said on standard error, if it cannot be made: the others go on."""
    try:
        return run.snapshot(version)
    except Exception as error:
        say(f"{run!r} cannot be recorded: {type(error).__name__}: {error}")
        return None


def in_parts(batch: Batch, size: int) -> list[Batch]:
    """Return a batch as several where its results or log lines have more bytes than `size`: those go first.

    So no request grows without bound, and what a run refers to is there before it.
    """
    blobs = list(_chunks(batch.blobs, size, _blob_size))
    logs = list(_chunks(batch.logs, size, _line_size))
    if len(blobs) <= 1 and len(logs) <= 1:
        return [batch]
    parts = [_beside(batch, blobs=some) for some in blobs] + [_beside(batch, logs=some) for some in logs]
    return [*parts, msgspec.structs.replace(batch, blobs=[], logs=[])]


def _beside(batch: Batch, *, blobs: list[ResultBlob] | None = None, logs: list[LogRecord] | None = None) -> Batch:
    return Batch(
        attempts=batch.attempts,
        recorded=batch.recorded,
        process_id=batch.process_id,
        process=batch.process,
        blobs=blobs or [],
        logs=logs or [],
    )


def _blob_size(blob: ResultBlob) -> int:
    return len(blob.data)


def _line_size(line: LogRecord) -> int:
    return len(line.message) + 100


_I = TypeVar("_I")


def _chunks(items: list[_I], size: int, size_of: Callable[[_I], int]) -> Iterator[list[_I]]:
    """Yield the items in lists of at most `size` bytes, but at least one item each."""
    chunk: list[_I] = []
    room = size
    for item in items:
        needed = size_of(item)
        if chunk and needed > room:
            yield chunk
            chunk, room = [], size
        chunk.append(item)
        room -= needed
    if chunk:
        yield chunk
