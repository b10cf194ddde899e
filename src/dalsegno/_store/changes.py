"""What changed in a database, as those who wait for it are told: kinds of things, and which root runs if they are few.

It is a hint, for whoever waits looks for himself: hints may be late, merged, more than there was, or lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dalsegno.model.records import Batch

MOST_ROOTS = 32
"""Root runs that are named; where there are more, all may have changed."""


class Changes(msgspec.Struct, frozen=True, array_like=True):
    """What may have changed."""

    kinds: frozenset[str] = frozenset()
    """Names of things, as in "flow_run" or "variable"; empty: anything."""
    root_run_ids: frozenset[bytes] | None = None
    """The root runs that it belongs to; None: any, or none at all."""

    def __or__(self, other: Changes) -> Changes:
        """Return both in one."""
        kinds = self.kinds | other.kinds if self.kinds and other.kinds else frozenset[str]()
        roots = None
        if self.root_run_ids is not None and other.root_run_ids is not None:
            roots = self.root_run_ids | other.root_run_ids
        return Changes(kinds, None if roots is None or len(roots) > MOST_ROOTS else roots)

    def concerns(self, kind: str, root_run_id: bytes | None = None) -> bool:
        """Tell whether somebody who waits for this should look."""
        if self.kinds and kind not in self.kinds:
            return False
        return root_run_id is None or self.root_run_ids is None or root_run_id in self.root_run_ids


ANYTHING = Changes()

Listener = Callable[[Changes], None]


def of_batch(batch: Batch) -> Changes:
    """Return what a batch changes."""
    kinds = {
        "flow_run": batch.flow_runs,
        "task_run": batch.task_runs or batch.superseded,
        "log": batch.logs,
        "artifact": batch.artifacts,
    }
    roots = frozenset(batch.attempts) if len(batch.attempts) <= MOST_ROOTS else None
    return Changes(frozenset(kind for kind, records in kinds.items() if records), roots)


def pack(changes: Changes) -> str:
    """Return changes as a short text."""
    return _encode([sorted(changes.kinds), changes.root_run_ids and [id.hex() for id in changes.root_run_ids]]).decode()


def unpack(text: str) -> Changes:
    """Return the changes of a text; one that says nothing to us may mean anything."""
    try:
        kinds, roots = _decode(text)
        return Changes(frozenset(kinds), None if roots is None else frozenset(bytes.fromhex(id) for id in roots))
    except (msgspec.MsgspecError, ValueError):
        return ANYTHING


_encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[list[str], list[str] | None]).decode
