"""Artifacts on their way into the journal: ids that say where in its run an artifact was made."""

from __future__ import annotations

import hashlib
import time
import weakref

import msgspec

from dalsegno._engine.context import Scope
from dalsegno._engine.session import Session
from dalsegno.model.ids import new_id
from dalsegno.model.records import ArtifactRecord

# What a run may change after it made it, so that a change needs no look into the database.
_changeable: weakref.WeakKeyDictionary[Session, dict[bytes, ArtifactRecord]] = weakref.WeakKeyDictionary()


def now() -> int:
    """Return the time in microseconds since 1970 (UTC)."""
    return time.time_ns() // 1000


def artifact_id(scope_id: bytes, type_: str, key: str | None, ordinal: int) -> bytes:
    """Return the id of the n-th artifact with a key (or without one) in the body of a run: a UUIDv7.

    Its time is that of the run's id, so that the newest artifact of a key has the greatest id; the 12 bits
    after that are the ordinal. The rest is a hash: the same call in a later attempt gives the same id.
    """
    place = f"{type_}\0{'' if key is None else 'k' + key}\0{ordinal}".encode()
    digest = hashlib.blake2b(place, key=scope_id, digest_size=8).digest()
    rest = int.from_bytes(digest, "big") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    middle = 0x7000 | min(ordinal, 0xFFF)
    return scope_id[:6] + middle.to_bytes(2, "big") + rest.to_bytes(8, "big")


def new_record(scope: Scope | None, type_: str, key: str | None, data: str, description: str | None) -> ArtifactRecord:
    """Return the record of an artifact that is made here; `data` is JSON."""
    stamp = now()
    task_run = None if scope is None else scope.task_run
    flow_run = None if scope is None else scope.flow_run
    return ArtifactRecord(
        id=new_id() if scope is None else _next_id(scope, type_, key),
        type=type_,
        key=key,
        data=data,
        description=description,
        root_run_id=None if scope is None else scope.session.root_run_id,
        flow_run_id=None if flow_run is None else flow_run.id_bytes,
        task_run_id=None if task_run is None else task_run.id_bytes,
        created=stamp,
        updated=stamp,
    )


def _next_id(scope: Scope, type_: str, key: str | None) -> bytes:
    run = scope.task_run or scope.flow_run
    # Each run of a body counts anew: a retry within the attempt writes the same artifacts too.
    run_count = 1 if run is None else run.run_count
    ordinal = scope.next_ordinal(f"artifact {run_count} {type_} {'' if key is None else 'k' + key}")
    return artifact_id(scope.scope_id, type_, key, ordinal)


def add(scope: Scope, record: ArtifactRecord, *, changeable: bool = False) -> None:
    """Hand a record to the journal; one that is `changeable` is remembered for `change`."""
    if changeable:
        _changeable.setdefault(scope.session, {})[record.id] = record
    scope.session.journal.add_artifact(record)


def change(scope: Scope, id_: bytes, data: str, description: str | None) -> bool:
    """Change an artifact that this process made under the same root run. False: it did not make it."""
    old = _changeable.get(scope.session, {}).get(id_)
    if old is None:
        return False
    new = msgspec.structs.replace(
        old,
        data=data,
        description=old.description if description is None else description,
        # The store takes what is newer, so that the changes of one microsecond count one after the other.
        updated=max(now(), old.updated + 1),
    )
    add(scope, new, changeable=True)
    return True
