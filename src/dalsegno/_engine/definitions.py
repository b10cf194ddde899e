"""What is recorded of a task or flow itself: its key, its name, the hash of its source."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from dalsegno._engine import sources
from dalsegno.model.records import FlowDefinition, TaskDefinition


def task_definition(fn: Callable[..., Any], name: str, version: str | None, tags: Iterable[str]) -> TaskDefinition:
    """Return the definition of a task; reads the function's source once."""
    return task_definition_of(sources.task_key(fn), name, version, sources.source_hash(fn), tags)


def task_definition_of(
    key: str, name: str, version: str | None, source_hash: str | None, tags: Iterable[str]
) -> TaskDefinition:
    """Return a definition whose id is a hash of all the rest."""
    content = (key, name, version, source_hash, tuple(sorted(tags)))
    return TaskDefinition(_id_of(content), *content)


def flow_definition(fn: Callable[..., Any], name: str, version: str | None, description: str | None) -> FlowDefinition:
    """Return the definition of a flow; its version is by default a hash of its file."""
    if version is None:
        try:
            version = sources.file_hash(inspect.getfile(inspect.unwrap(fn)))
        except (TypeError, OSError):
            version = None
    content = (name, version, sources.source_hash(fn), description)
    return FlowDefinition(_id_of(content), *content)


def _id_of(content: tuple[Any, ...]) -> int:
    digest = hashlib.blake2b(msgspec.msgpack.encode(content), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
