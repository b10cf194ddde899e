"""Schedules in plain words."""

from __future__ import annotations

import pytest
from tests.scheduling.oracle import micros

from dalsegno._scheduling import in_words
from dalsegno.model.schedules import ScheduleSpec


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            ScheduleSpec(cron="30 2 * * MON-FRI", timezone="Europe/Berlin"),
            "At 02:30 on Monday to Friday, Europe/Berlin",
        ),
        (ScheduleSpec(cron="@hourly"), "At the start of every hour, UTC"),
        (ScheduleSpec(cron="*/15 * * * *"), "Every 15th minute of every hour, UTC"),
        (ScheduleSpec(cron="0 4 1 * MON"), "At 04:00 on the first day of month or on Monday, UTC"),
        (
            ScheduleSpec(cron="0 4 1 * MON", day_or=False),
            "At 04:00 on the first day of month if it is also on Monday, UTC",
        ),
        (ScheduleSpec(cron="10 0 12 L * *"), "At 12:00:10 on the last day of every month, UTC"),
        (ScheduleSpec(interval=900), "Every 15 minutes, UTC"),
        (ScheduleSpec(interval=3600), "Every hour, UTC"),
        (ScheduleSpec(interval=5400.5), "Every 5400.5 seconds, UTC"),
        (ScheduleSpec(interval=86_400, timezone="Asia/Kathmandu"), "Every day at 00:00, Asia/Kathmandu"),
        (ScheduleSpec(interval=2 * 86_400, anchor_date=micros(2026, 1, 1, 9, 30)), "Every 2 days at 09:30, UTC"),
        (
            ScheduleSpec(rrule="FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;BYHOUR=9"),
            "Every 2 weeks on Monday and Friday at 09:00, UTC",
        ),
        (
            ScheduleSpec(rrule="FREQ=MONTHLY;BYDAY=-1FR,2MO"),
            "Every month on the last Friday and the second Monday at 00:00, UTC",
        ),
        (ScheduleSpec(rrule="FREQ=YEARLY;COUNT=5"), "Every year on day 1 in January at 00:00 5 times, UTC"),
        (ScheduleSpec(rrule="FREQ=HOURLY;BYMINUTE=0,30"), "Every hour (BYMINUTE=0,30), UTC"),
        (
            ScheduleSpec(rrule="DTSTART;TZID=Asia/Tokyo:20260131T093000 RRULE:FREQ=MONTHLY EXDATE:20260331T093000"),
            "Every month on day 31 at 09:30; not 2026-03-31 09:30:00, Asia/Tokyo",
        ),
    ],
)
def test_in_words(spec: ScheduleSpec, words: str) -> None:
    assert in_words(spec) == words
