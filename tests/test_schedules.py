"""The schedules that users write."""

from __future__ import annotations

import copy
import pickle
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

import dalsegno
from dalsegno.model.schedules import ScheduleSpec
from dalsegno.schedules import Cron, Interval, InvalidSchedule, RRule, Schedule

BERLIN = ZoneInfo("Europe/Berlin")
ALL = [
    Cron(
        "0 9 * * MON-FRI", timezone="Europe/Berlin", day_or=False, active=False, parameters={"day": 1}, slug="morning"
    ),
    Cron("@daily", catchup="all", jitter=timedelta(minutes=5), max_lateness=3600),
    Interval(timedelta(minutes=10), parameters={"deep": [1, {"a": None}]}),
    Interval(86_400, anchor_date=datetime(2026, 1, 1, 9, tzinfo=BERLIN), timezone="America/New_York"),
    RRule("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18", timezone="Europe/Berlin"),
    RRule("DTSTART;TZID=Europe/Berlin:20260101T090000 RRULE:FREQ=DAILY"),
    Schedule(rrule="FREQ=DAILY", anchor_date=datetime(2026, 1, 1, 9), timezone="Asia/Kathmandu"),
]


@pytest.mark.parametrize("schedule", ALL, ids=str)
def test_a_schedule_survives_being_stored_and_sent(schedule: Schedule) -> None:
    spec = schedule.to_spec()
    for module in (msgspec.json, msgspec.msgpack):
        assert module.decode(module.encode(spec), type=ScheduleSpec) == spec
    again = Schedule.from_spec(spec)
    assert again == schedule
    assert again.next(3, datetime(2026, 2, 1)) == schedule.next(3, datetime(2026, 2, 1))


def test_schedules_are_compared_by_their_values() -> None:
    assert Cron("0 9 * * *") == Schedule(cron="0 9 * * *")
    assert Cron("0 9 * * *") != Cron("0 9 * * *", timezone="Europe/Berlin")
    assert Cron("0 9 * * *") != Cron("0 9 * * *", slug="a")
    assert Interval(60, datetime(2026, 1, 1)) == Interval(60, datetime(2026, 1, 1, 1, tzinfo=BERLIN))
    assert Cron("0 9 * * *") != "0 9 * * *"


def test_a_schedule_shows_what_was_given() -> None:
    assert repr(Cron("0 9 * * *", timezone="Europe/Berlin", slug="morning")) == (
        "Schedule(cron='0 9 * * *', timezone='Europe/Berlin', slug='morning')"
    )
    assert repr(Interval(90)) == "Schedule(interval=datetime.timedelta(seconds=90))"
    assert str(Cron("0 9 * * *", timezone="Europe/Berlin")) == "At 09:00 every day, Europe/Berlin"


def test_a_schedule_does_not_change() -> None:
    schedule = Cron("0 9 * * *")
    with pytest.raises(AttributeError):
        schedule.cron = "0 10 * * *"  # type: ignore[misc]
    given = {"day": 1}
    schedule = Cron("0 9 * * *", parameters=given)
    given["day"] = 2
    assert schedule.parameters == {"day": 1}


def test_the_next_ticks_are_after_now_unless_a_time_is_given() -> None:
    (tick,) = Interval(3600).next()
    now = datetime.now(BERLIN)
    assert now - timedelta(minutes=5) < tick <= now + timedelta(hours=1)
    nine = datetime(2026, 1, 1, 9, tzinfo=BERLIN)
    assert Cron("0 9 * * *", timezone="Europe/Berlin").next(2, after=nine) == [nine + timedelta(days=n) for n in (1, 2)]
    assert Cron("0 9 * * *").next(0) == []


def test_seconds_and_timedeltas_are_the_same() -> None:
    assert Interval(1.5).interval == timedelta(seconds=1.5)
    assert Cron("@daily", jitter=5).jitter == timedelta(seconds=5)
    assert Cron("@daily", max_lateness=timedelta(hours=1)).to_spec().max_lateness == 3600


def test_cron_reads_seconds_names_and_words() -> None:
    after = datetime(2026, 1, 1)
    assert Cron("*/20 * * * * *").next(2, after) == Interval(20).next(2, after)
    assert Cron("@weekly").next(3, after) == Cron("0 0 * * SUN").next(3, after) == Cron("0 0 * * 7").next(3, after)
    assert [f"{tick:%d}" for tick in Cron("0 0 LW * *").next(3, after)] == ["30", "27", "31"]
    assert [f"{tick:%d}" for tick in Cron("0 0 * * 5L").next(2, after)] == ["30", "27"]
    assert [f"{tick:%d}" for tick in Cron("0 0 * * mon#2").next(2, after)] == ["12", "09"]


def test_the_package_has_the_module() -> None:
    assert dalsegno.schedules.Cron is Cron


def test_plain_values_that_describe_no_schedule_are_refused() -> None:
    for spec in (ScheduleSpec(), ScheduleSpec(interval=60, anchor_date=0, timezone="Mars/X")):
        with pytest.raises(InvalidSchedule):
            Schedule.from_spec(spec)


@pytest.mark.parametrize("schedule", ALL, ids=str)
def test_a_schedule_can_be_copied(schedule: Schedule) -> None:
    assert copy.deepcopy(schedule) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule


def test_parameters_are_kept_as_they_are_stored() -> None:
    schedule = Cron("@daily", parameters={"day": date(2026, 1, 31), "sizes": (1, 2), "names": {1: "a"}})
    assert schedule.parameters == {"day": "2026-01-31", "sizes": [1, 2], "names": {"1": "a"}}
    stored = msgspec.json.decode(msgspec.json.encode(schedule.to_spec()), type=ScheduleSpec)
    assert Schedule.from_spec(stored) == schedule
    with pytest.raises(InvalidSchedule, match="parameters cannot be stored"):
        Cron("@daily", parameters={"session": object()})
