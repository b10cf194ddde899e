"""Whatever the schedule and the moment: ticks are in order, and however they are asked for they are the same ones."""

from __future__ import annotations

from datetime import datetime, timedelta

from dateutil.rrule import rrulestr
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.scheduling import oracle
from tests.scheduling.oracle import MICROS, micros

from dalsegno._scheduling import InvalidSchedule, check, latest_tick, next_tick, ticks_between
from dalsegno.model.schedules import ScheduleSpec

DAY = 86_400 * MICROS
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]
# Changes of these zones, and any other time.
CHANGES = [micros(2026, 3, 29, 1), micros(2026, 10, 25, 1), micros(2026, 11, 1, 6), micros(2026, 4, 4, 15)]
moments = st.one_of(
    st.builds(lambda change, offset: change + offset, st.sampled_from(CHANGES), st.integers(-DAY, DAY)),
    st.integers(micros(2001, 1, 1), micros(2099, 1, 1)),
)


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> str:
    """Draw one field of a cron text: a star, or up to three numbers or ranges, each with or without a step."""

    def part() -> str:
        first = draw(st.integers(low, high - 1))
        last = draw(st.integers(first + 1, high))
        body = draw(st.sampled_from(["*", str(first), f"{first}-{last}"]))
        return body + draw(st.sampled_from(["", "", "/2", "/7"]))

    return draw(
        st.one_of(st.just("*"), st.builds(lambda size: ",".join(part() for _ in range(size)), st.integers(1, 3)))
    )


crons = st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 7)).map(" ".join)
rules = st.tuples(
    st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]).map("FREQ={}".format),
    st.integers(1, 40).map("INTERVAL={}".format),
    st.sampled_from(
        [
            "",
            "BYDAY=MO",
            "BYDAY=SA,SU,TU",
            "BYMONTHDAY=1,15,-1",
            "BYYEARDAY=1,200,-1",
            "BYWEEKNO=1,20,53",
        ]
    ),
    st.sampled_from(["", "BYMONTH=1,6", "BYHOUR=2", "BYHOUR=0,12;BYMINUTE=0,30", "BYMINUTE=15", "BYSECOND=7"]),
    st.sampled_from(["", "COUNT=40", "UNTIL=20300101T000000", "WKST=SU"]),
).map(lambda parts: ";".join(part for part in parts if part))


def valid(spec: ScheduleSpec) -> ScheduleSpec:
    try:
        check(spec)
    except InvalidSchedule:
        assume(False)
    return spec


def walk(spec: ScheduleSpec, after: int, most: int) -> list[int]:
    """Return the next ticks, each asked for after the one before."""
    ticks: list[int] = []
    tick = next_tick(spec, after)
    while tick is not None and len(ticks) < most:
        ticks.append(tick)
        tick = next_tick(spec, tick)
    return ticks


def hold_together(spec: ScheduleSpec, after: int) -> None:
    ticks = walk(spec, after, 12)
    assert all(earlier < later for earlier, later in zip([after, *ticks], ticks, strict=False))
    if not ticks:
        assert ticks_between(spec, after + 1, after + 3650 * DAY, 5) == []
        return
    first, last = ticks[0], ticks[-1]
    assert ticks_between(spec, after + 1, last + 1, 100) == ticks
    assert ticks_between(spec, after + 1, last, 100) == ticks[:-1]
    assert ticks_between(spec, first, last + 1, 3) == ticks[:3]
    assert next_tick(spec, first - 1) == first
    assert next_tick(spec, (after + first) // 2) == first
    assert latest_tick(spec, first, last + 1) == last
    assert latest_tick(spec, after + 1, first) is None
    if len(ticks) > 1:
        assert latest_tick(spec, after + 1, last) == ticks[-2]


@settings(max_examples=100)
@given(crons, st.sampled_from(ZONES), st.booleans(), moments)
def test_cron(text: str, zone: str, day_or: bool, after: int) -> None:
    hold_together(valid(ScheduleSpec(cron=text, timezone=zone, day_or=day_or)), after)


@settings(max_examples=60)
@given(rules, st.sampled_from(ZONES), moments)
def test_rules(rule: str, zone: str, after: int) -> None:
    hold_together(valid(ScheduleSpec(rrule=rule, timezone=zone)), after)


@given(st.integers(1, 5000), st.sampled_from([1, 60, 3600, 86_400]), st.sampled_from(ZONES), moments, moments)
def test_intervals(number: int, unit: int, zone: str, anchor: int, after: int) -> None:
    hold_together(valid(ScheduleSpec(interval=number * unit, timezone=zone, anchor_date=anchor)), after)


@settings(max_examples=60)
@given(crons, st.sampled_from(ZONES), st.booleans(), moments)
@example("*/5 1-3 * * *", "Europe/Berlin", True, CHANGES[0])
@example("*/5 1-3 * * *", "Europe/Berlin", True, CHANGES[1])
@example("*/5 * * * *", "Australia/Lord_Howe", True, CHANGES[3])
def test_cron_around_any_moment_ticks_as_the_oracle_says(text: str, zone: str, day_or: bool, moment: int) -> None:
    start = moment // (60 * MICROS) * 60 * MICROS
    end = start + 2 * DAY
    spec = valid(ScheduleSpec(cron=text, timezone=zone, day_or=day_or))
    assert ticks_between(spec, start, end, 10_000) == oracle.cron_ticks(text, zone, start, end, day_or)


@settings(max_examples=80)
@given(rules, moments)
@example("FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=31", micros(2026, 2, 1))
@example("FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,WE,FR;BYSETPOS=2", micros(2026, 2, 5))
@example("FREQ=SECONDLY;INTERVAL=37;BYDAY=MO;BYHOUR=2", micros(2024, 3, 1))
def test_a_rule_that_is_begun_late_comes_as_one_that_is_walked_from_its_start(rule: str, moment: int) -> None:
    valid(ScheduleSpec(rrule=rule))
    start = datetime(2021, 2, 3, 4, 5, 6)
    walked_to = start + timedelta(days=moment % 700 if "SECONDLY" not in rule else moment % 3, seconds=moment % 86_399)
    after = int((walked_to - datetime(1970, 1, 1)).total_seconds()) * MICROS
    spec = valid(ScheduleSpec(rrule=f"DTSTART:20210203T040506\nRRULE:{rule}"))
    expected = list(rrulestr(rule, dtstart=start).xafter(walked_to, count=4))
    found = [datetime(1970, 1, 1) + timedelta(microseconds=tick) for tick in walk(spec, after, 4)]
    assert found == expected
