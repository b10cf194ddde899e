"""Limits of concurrency: slots that are held under leases, and who waits for them."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from dalsegno.model.records import ProcessRecord

LimitKind: TypeAlias = Literal["global", "tag"]
"""Global limits are named in code; tag limits hold for all task runs that have the tag."""


class NewLimit(msgspec.Struct, kw_only=True):
    """A limit to be made."""

    name: str
    limit: int
    """Slots there are; 0: nobody gets one."""
    kind: LimitKind = "global"
    active: bool = True
    """False: it limits nothing."""
    slot_decay_per_second: float = 0.0
    """Slots that are given back by themselves; for `rate_limit`."""


class LimitChange(msgspec.Struct, kw_only=True):
    """What is to be changed about a limit; what is None stays."""

    limit: int | None = None
    active: bool | None = None
    slot_decay_per_second: float | None = None
    name: str | None = None


class LimitView(msgspec.Struct, kw_only=True):
    """A limit as its readers see it."""

    id: bytes
    kind: LimitKind
    name: str
    limit: int
    active: bool
    slot_decay_per_second: float
    active_slots: int
    """Slots that are held now, over all keys."""
    waiting: int
    """How many wait."""
    created: int
    updated: int


class SlotHolderView(msgspec.Struct, kw_only=True):
    """Who holds slots of a limit."""

    id: bytes
    """Of the acquisition."""
    key: str
    slots: int
    holder: str
    process_id: bytes
    root_run_id: bytes | None
    task_run_id: bytes | None
    acquired: int
    expires: int | None
    """When its own lease ends unless it is renewed; None: it is held as long as the process lives."""


class AcquireSlots(msgspec.Struct, kw_only=True):
    """Asks for slots, of all limits that are named at once. It is asked again, with the same id, until they are
    there; who asked first is served first."""

    id: bytes
    names: list[str]
    process: ProcessRecord
    kind: LimitKind = "global"
    slots: int = 1
    key: str = ""
    limit: int | None = None
    """A limit that is missing is made, with so many slots."""
    strict: bool = False
    """A limit that is missing is an error."""
    holder: str = ""
    root_run_id: bytes | None = None
    task_run_id: bytes | None = None
    lease: float | None = None
    """Seconds; None: they are held until they are released, or the process or its run is gone."""
    rate: bool = False
    """They are not held but used up, and come back by decay."""


class SlotAnswer(msgspec.Struct, kw_only=True):
    """The answer: the slots, or how the matter stands."""

    granted: bool
    held: list[str] = []
    """The limits of which slots are held; without those that are missing or limit nothing."""
    waits_for: str | None = None
    """The limit that is used up, or for which others wait longer."""
    retry_after: float = 0.0
    """Seconds after which it is worth asking again."""
