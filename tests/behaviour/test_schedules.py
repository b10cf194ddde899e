"""B136 to B142: schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dalsegno import _scheduling
from dalsegno.schedules import Cron, Interval, InvalidSchedule, RRule, Schedule

BERLIN, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")


def walls(schedule: Schedule, n: int, *after: int) -> list[str]:
    """What the clock shows at the next ticks, with how far it is ahead."""
    return [f"{tick:%d %H:%M %z}" for tick in schedule.next(n, after=datetime(*after))]  # type: ignore[arg-type]


@pytest.mark.behaviour(136)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cron("0 25 * * *"), "cron '0 25 \\* \\* \\*': '25' is no hour"),
        (lambda: Cron("0 0 30 2 *"), "never ticks"),
        (lambda: Cron("@daily", timezone="Mars/X"), "timezone 'Mars/X' is not known"),
        (lambda: Cron("@daily", catchup="some"), "catchup"),  # type: ignore[arg-type]
        (lambda: Cron("@daily", jitter=timedelta(-1)), "jitter is -86400 seconds"),
        (lambda: Interval(0), "interval is 0 seconds; it may be 1 second to 100 years"),
        (lambda: Interval("5"), "interval is '5'; it may be a timedelta or a number of seconds"),  # type: ignore[arg-type]
        (lambda: Interval(5, anchor_date="now"), "'now' is no datetime"),  # type: ignore[arg-type]
        (lambda: RRule("FREQ=DAILY;BYHOUR=24"), "BYHOUR has '24'; it may be 0 to 23"),
        (lambda: Schedule(), "one of cron, interval and rrule, not none"),
        (lambda: Schedule(cron="@daily", interval=5), "not cron and interval"),
    ],
)
def test_a_schedule_checks_its_values_when_it_is_made(make: type[Schedule], message: str) -> None:
    with pytest.raises(InvalidSchedule, match=message) as caught:
        make()
    assert isinstance(caught.value, ValueError)


@pytest.mark.behaviour(137)
def test_without_a_time_zone_a_schedule_counts_in_utc() -> None:
    after = datetime(2026, 7, 1, tzinfo=BERLIN)
    for schedule in (Cron("0 9 * * *"), RRule("FREQ=DAILY;BYHOUR=9"), Interval(86_400, datetime(2026, 1, 1, 9))):
        assert schedule.next(after=after) == [datetime(2026, 7, 1, 9, tzinfo=UTC)]
        assert str(schedule.next(after=after)[0].tzinfo) == "UTC"
    assert Cron("0 9 * * *", timezone="Europe/Berlin").next(after=after) == [datetime(2026, 7, 1, 9, tzinfo=BERLIN)]


@pytest.mark.behaviour(138)
@pytest.mark.parametrize(
    "schedule",
    [
        Cron("30 2 * * *", timezone="Europe/Berlin"),
        RRule("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", timezone="Europe/Berlin"),
        Interval(timedelta(days=1), datetime(2026, 1, 1, 2, 30), timezone="Europe/Berlin"),
    ],
    ids=["cron", "rrule", "interval"],
)
def test_a_time_of_day_that_is_left_out_ticks_when_the_clock_is_changed_and_one_shown_twice_the_first_time(
    schedule: Schedule,
) -> None:
    assert walls(schedule, 3, 2026, 3, 28) == ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]
    assert walls(schedule, 3, 2026, 10, 24) == ["24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"]


@pytest.mark.behaviour(138)
@pytest.mark.parametrize("kind", ["cron", "rrule"])
def test_a_schedule_of_all_hours_follows_the_clock(kind: str) -> None:
    def schedule(zone: str) -> Schedule:
        if kind == "cron":
            return Cron("*/30 * * * *", timezone=zone)
        return RRule("FREQ=MINUTELY;INTERVAL=30", timezone=zone)

    assert walls(schedule("Europe/Berlin"), 3, 2026, 3, 29, 1) == ["29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200"]
    assert walls(schedule("Europe/Berlin"), 5, 2026, 10, 25, 1, 45) == [
        "25 02:00 +0200",
        "25 02:30 +0200",
        "25 02:00 +0100",
        "25 02:30 +0100",
        "25 03:00 +0100",
    ]
    assert walls(schedule("Australia/Lord_Howe"), 3, 2026, 10, 4, 1, 15) == [
        "04 01:30 +1030",
        "04 02:30 +1100",
        "04 03:00 +1100",
    ]
    assert walls(schedule("Australia/Lord_Howe"), 3, 2026, 4, 5, 1, 15) == [
        "05 01:30 +1100",
        "05 01:30 +1030",
        "05 02:00 +1030",
    ]


@pytest.mark.behaviour(139)
def test_an_interval_of_whole_days_keeps_its_hour_and_any_other_is_time_that_passes() -> None:
    noon = datetime(2026, 3, 28, 12, tzinfo=BERLIN)
    days = Interval(timedelta(days=1), noon, timezone="Europe/Berlin")
    assert walls(days, 2, 2026, 3, 28, 12) == ["29 12:00 +0200", "30 12:00 +0200"]
    hours = Interval(timedelta(hours=12), noon, timezone="Europe/Berlin")
    assert walls(hours, 2, 2026, 3, 28, 12) == ["29 00:00 +0100", "29 13:00 +0200"]


@pytest.mark.behaviour(139)
def test_an_interval_counts_from_its_anchor_both_ways_or_from_a_monday() -> None:
    future = Interval(timedelta(hours=5), datetime(2030, 1, 1, 1))
    assert walls(future, 1, 2029, 12, 31, 12) == ["31 15:00 +0000"]
    assert walls(Interval(timedelta(weeks=1)), 2, 2026, 11, 28) == ["30 00:00 +0000", "07 00:00 +0000"]
    assert Interval(90) == Interval(timedelta(seconds=90))


@pytest.mark.behaviour(140)
@pytest.mark.parametrize(("catchup", "runs"), [("latest", [12]), ("all", [9, 10, 11, 12]), ("none", [])])
def test_what_was_missed_is_caught_up_as_the_schedule_says(catchup: str, runs: list[int]) -> None:
    spec = Cron("0 * * * *", catchup=catchup).to_spec()  # type: ignore[arg-type]
    found, following = _scheduling.missed(spec, micros(9), micros(12, 30), 100)
    assert found == [micros(hour) for hour in runs]
    assert following == micros(13)
    assert _scheduling.missed(spec, micros(9), micros(9) + 30_000_000, 100) == ([micros(9)], micros(10))


@pytest.mark.behaviour(140)
def test_what_was_missed_for_longer_than_max_lateness_is_not_caught_up() -> None:
    spec = Cron("0 * * * *", catchup="all", max_lateness=timedelta(hours=2)).to_spec()
    assert _scheduling.missed(spec, micros(9), micros(12, 30), 100)[0] == [micros(11), micros(12)]


def micros(hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 5, 4, hour, minute, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.behaviour(141)
def test_jitter_is_the_same_for_everybody_and_within_its_bound() -> None:
    spec = Cron("0 * * * *", jitter=60).to_spec()
    starts = [_scheduling.jittered(spec, b"one", micros(hour)) - micros(hour) for hour in range(24)]
    assert starts == [_scheduling.jittered(spec, b"one", micros(hour)) - micros(hour) for hour in range(24)]
    assert all(0 <= start <= 60_000_000 for start in starts)
    assert len(set(starts)) == 24
    assert _scheduling.jittered(spec, b"two", micros(9)) != _scheduling.jittered(spec, b"one", micros(9))
    assert _scheduling.jittered(Cron("@daily").to_spec(), b"one", micros(9)) == micros(9)


@pytest.mark.behaviour(142)
def test_a_rule_counts_in_the_zone_of_its_dtstart_or_of_its_schedule() -> None:
    of_line = RRule("DTSTART;TZID=Europe/Berlin:20260101T090000\nRRULE:FREQ=DAILY")
    of_schedule = RRule("DTSTART:20260101T090000\nRRULE:FREQ=DAILY", timezone="Europe/Berlin")
    assert walls(of_line, 1, 2026, 7, 1) == walls(of_schedule, 1, 2026, 7, 1) == ["01 09:00 +0200"]
    with pytest.raises(InvalidSchedule, match="DTSTART is in UTC but timezone is Europe/Berlin"):
        RRule("DTSTART:20260101T090000Z\nRRULE:FREQ=DAILY", timezone="Europe/Berlin")


@pytest.mark.behaviour(142)
def test_a_rule_ends_with_its_until_and_leaves_out_what_exdate_says() -> None:
    rule = RRule("DTSTART:20260101T090000 RRULE:FREQ=DAILY;UNTIL=20260104 EXDATE:20260103T090000 RDATE:20260104T120000")
    assert walls(rule, 9, 2026, 1, 1) == ["01 09:00 +0000", "02 09:00 +0000", "04 09:00 +0000", "04 12:00 +0000"]
    assert rule.next(after=datetime(2026, 2, 1)) == []
    in_utc = RRule("FREQ=DAILY;BYHOUR=9;UNTIL=20260704T070000Z", timezone="Europe/Berlin")
    assert walls(in_utc, 9, 2026, 7, 3) == ["03 09:00 +0200", "04 09:00 +0200"]
