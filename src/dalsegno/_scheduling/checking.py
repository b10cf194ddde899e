"""What is wrong with a schedule, and where."""

from __future__ import annotations

from dalsegno.model.schedules import ScheduleSpec


def check(spec: ScheduleSpec) -> None:
    """Raise InvalidSchedule, which says exactly what is wrong, unless the schedule can be used."""
    raise NotImplementedError
