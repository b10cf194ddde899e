"""A schedule in plain words."""

from __future__ import annotations

from dalsegno.model.schedules import ScheduleSpec


def in_words(spec: ScheduleSpec) -> str:
    """Say when a schedule that `check` accepts ticks: "At 02:30 on Monday to Friday, Europe/Berlin"."""
    raise NotImplementedError
