"""The ticks of several schedules in one line."""

from __future__ import annotations

from datetime import UTC, datetime

from dalsegno import _scheduling as scheduling
from dalsegno.model.schedules import ScheduleSpec

HOUR = 3_600_000_000
START = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000


def test_ticks_come_in_order_each_with_its_schedule() -> None:
    specs = [ScheduleSpec(cron="0 */6 * * *"), ScheduleSpec(cron="0 9 * * *"), ScheduleSpec(interval=12 * 3600.0)]
    found = scheduling.upcoming(specs, START, START + 13 * HOUR, 100)
    hours = [((tick - START) // HOUR, place) for tick, place in found]
    assert hours == [(0, 0), (0, 2), (6, 0), (9, 1), (12, 0), (12, 2)]
    assert scheduling.upcoming(specs, START, START + 13 * HOUR, 3) == found[:3]


def test_paused_ones_are_left_out() -> None:
    specs = [ScheduleSpec(cron="@hourly", active=False), ScheduleSpec(cron="@daily")]
    assert scheduling.upcoming(specs, START, START + HOUR, 10) == [(START, 1)]
    assert scheduling.upcoming([], START, START + HOUR, 10) == []
