"""What becomes of a deployment that is deployed again: three ways, from what the code says now, what it said last
time, and what was changed by hand since. Pure functions.

By hand changed and in the code not: the hand's stays. Changed in the code: the code's goes, but for what was paused or
resumed by hand, which stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec

from dalsegno.model.deployments import DeploymentChange, DeploymentSpec
from dalsegno.model.schedules import ScheduleSpec

BY_HAND = DeploymentChange.__struct_fields__
"""What an operator can change."""
_RULE = ("cron", "interval", "rrule", "anchor_date", "timezone", "day_or")

Spec = TypeVar("Spec", DeploymentSpec, ScheduleSpec)


class KnownSchedule(NamedTuple):
    """A schedule that is there."""

    id: bytes
    said: ScheduleSpec | None
    """As it was deployed last; None: it was made by hand."""
    spec: ScheduleSpec


class Merged(NamedTuple):
    """What is to become of the schedules of a deployment."""

    new: list[ScheduleSpec]
    kept: list[tuple[KnownSchedule, ScheduleSpec, ScheduleSpec]]
    """Each with what the code says now, and what it is to be."""
    gone: list[KnownSchedule]


def merge_deployment(now: DeploymentSpec, said: DeploymentSpec, spec: DeploymentSpec) -> DeploymentSpec:
    """Return what a deployment is to be."""
    return _merge(now, said, spec, BY_HAND, "paused")


def changed_by_hand(said: DeploymentSpec, spec: DeploymentSpec) -> list[str]:
    """Return the names of what an operator changed since the code was deployed."""
    return [name for name in BY_HAND if getattr(said, name) != getattr(spec, name)]


def merge_schedules(now: Sequence[ScheduleSpec], known: Sequence[KnownSchedule]) -> Merged:
    """Return what is to become of schedules: they are the same by their slug, or else by their rule."""
    merged = Merged([], [], [])
    left = list(known)
    for wanted in now:
        found = next((each for each in left if _is_same(wanted, each)), None)
        if found is None:
            merged.new.append(wanted)
            continue
        left.remove(found)
        said = found.said or wanted
        merged.kept.append((found, wanted, _merge(wanted, said, found.spec, wanted.__struct_fields__, "active")))
    merged.gone.extend(each for each in left if each.said is not None)
    return merged


def same_rule(one: ScheduleSpec, other: ScheduleSpec) -> bool:
    """Tell whether two schedules tick at the same times."""
    return all(getattr(one, name) == getattr(other, name) for name in _RULE)


def _is_same(wanted: ScheduleSpec, known: KnownSchedule) -> bool:
    reference = known.said or known.spec
    if wanted.slug is not None or reference.slug is not None:
        return wanted.slug == reference.slug
    return same_rule(wanted, reference)


def _merge(now: Spec, said: Spec, spec: Spec, fields: Sequence[str], sticky: str) -> Spec:
    kept = {
        name: getattr(spec, name)
        for name in fields
        if getattr(spec, name) != getattr(said, name) and (name == sticky or getattr(now, name) == getattr(said, name))
    }
    return msgspec.structs.replace(now, **kept)
