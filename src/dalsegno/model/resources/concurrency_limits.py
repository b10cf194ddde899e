"""Concurrency limits, as the API shows them, and who holds their slots."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from dalsegno.model.limits import LimitChange, LimitKind, LimitView, NewLimit, SlotHolderView

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Slots = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Decay = Annotated[float, Meta(ge=0, lt=1e9)]


class ConcurrencyLimit(msgspec.Struct, kw_only=True):
    """A limit on how much is done at one time, or in some time."""

    id: Annotated[uuid.UUID, Meta(description="Its id.")]
    kind: Annotated[LimitKind, Meta(description="`global`: named in code. `tag`: of task runs that have the tag.")]
    name: Annotated[str, Meta(description="What code, or tasks as their tag, name.")]
    limit: Annotated[int, Meta(description="Slots there are; 0: nobody gets one.")]
    active: Annotated[bool, Meta(description="False: it limits nothing.")]
    slot_decay_per_second: Annotated[float, Meta(description="Slots that come back by themselves, for rate limits.")]
    active_slots: Annotated[int, Meta(description="Slots that are held, over all keys.")]
    waiting: Annotated[int, Meta(description="How many wait for slots.")]
    created: Annotated[datetime, Meta(description="When it was made.")]
    updated: Annotated[datetime, Meta(description="When it was last changed.")]


class ConcurrencyLimitPage(msgspec.Struct, kw_only=True):
    """A page of limits."""

    items: Annotated[list[ConcurrencyLimit], Meta(description="The limits, by name.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]


class ConcurrencyLimitNew(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A limit to be made."""

    name: Annotated[Name, Meta(description="What code, or tasks as their tag, name.")]
    limit: Annotated[Slots, Meta(description="Slots there are; 0: nobody gets one.")]
    kind: Annotated[LimitKind, Meta(description="`global` or `tag`.")] = "global"
    active: Annotated[bool, Meta(description="False: it limits nothing.")] = True
    slot_decay_per_second: Annotated[Decay, Meta(description="Slots that come back by themselves.")] = 0.0


class ConcurrencyLimitChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed about a limit; what is left out stays."""

    name: Annotated[Name | None, Meta(description="Another name.")] = None
    limit: Annotated[Slots | None, Meta(description="Another number of slots; those who hold more keep them.")] = None
    active: Annotated[bool | None, Meta(description="Whether it limits anything.")] = None
    slot_decay_per_second: Annotated[Decay | None, Meta(description="Slots that come back by themselves.")] = None


class ConcurrencyLimitReset(msgspec.Struct, kw_only=True):
    """What a reset did."""

    freed: Annotated[int, Meta(description="How many holders lost their slots.")]


class SlotHolder(msgspec.Struct, kw_only=True):
    """Who holds slots of a limit."""

    id: Annotated[uuid.UUID, Meta(description="Of what was acquired.")]
    key: Annotated[str, Meta(description="The key for which the limit holds by itself; empty: none.")]
    slots: Annotated[int, Meta(description="How many.")]
    holder: Annotated[str, Meta(description="Who, for people: mostly the name of a run.")]
    process_id: Annotated[uuid.UUID, Meta(description="The process.")]
    root_run_id: Annotated[uuid.UUID | None, Meta(description="The root run with whose lease they come back.")]
    task_run_id: Annotated[uuid.UUID | None, Meta(description="The task run.")]
    acquired: Annotated[datetime, Meta(description="Since when.")]
    expires: Annotated[datetime | None, Meta(description="When they come back unless renewed; null: with the process.")]


class SlotHolderPage(msgspec.Struct, kw_only=True):
    """A page of those who hold slots of a limit."""

    items: Annotated[list[SlotHolder], Meta(description="The holders, the first that came first.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]


def to_limit(view: LimitView) -> ConcurrencyLimit:
    """Return a limit of the store as the API shows it."""
    return ConcurrencyLimit(
        id=uuid.UUID(bytes=view.id),
        kind=view.kind,
        name=view.name,
        limit=view.limit,
        active=view.active,
        slot_decay_per_second=view.slot_decay_per_second,
        active_slots=view.active_slots,
        waiting=view.waiting,
        created=_time(view.created),
        updated=_time(view.updated),
    )


def to_holder(view: SlotHolderView) -> SlotHolder:
    """Return a holder of the store as the API shows it."""
    return SlotHolder(
        id=uuid.UUID(bytes=view.id),
        key=view.key,
        slots=view.slots,
        holder=view.holder,
        process_id=uuid.UUID(bytes=view.process_id),
        root_run_id=_id(view.root_run_id),
        task_run_id=_id(view.task_run_id),
        acquired=_time(view.acquired),
        expires=None if view.expires is None else _time(view.expires),
    )


def from_new(new: ConcurrencyLimitNew) -> NewLimit:
    """Return what the store is told of a new limit."""
    return NewLimit(**msgspec.structs.asdict(new))


def from_change(change: ConcurrencyLimitChange) -> LimitChange:
    """Return what the store is told of a change."""
    return LimitChange(**msgspec.structs.asdict(change))


def _id(raw: bytes | None) -> uuid.UUID | None:
    return None if raw is None else uuid.UUID(bytes=raw)


def _time(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp / 1_000_000, UTC)
