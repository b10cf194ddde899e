"""A schedule that cannot be is refused, with what is wrong and where."""

from __future__ import annotations

import time

import pytest
from tests.scheduling.oracle import micros

from dalsegno._scheduling import InvalidSchedule, check, next_tick
from dalsegno.model.schedules import ScheduleSpec

NOW = micros(2026, 11, 28)


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("1 2 3", "cron '1 2 3' has 3 fields and must have five"),
        ("", "has 0 fields"),
        ("60 * * * *", "'60' is no minute. It may be *, or 0-59"),
        ("0 25 * * *", "'25' is no hour. It may be *, or 0-23"),
        ("0 0 32 * *", "'32' is no day of the month. It may be *, or 1-31, L"),
        ("0 0 * 13 *", "'13' is no month. It may be *, or 1-12 or JAN-DEC"),
        ("0 0 * * FRI-MON", "'FRI-MON' is no day of the week. It may be *, or 0-7 or SUN-SAT"),
        ("0 0 * * L", "'L' is no day of the week"),
        ("61 0 0 * * *", "'61' is no second"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("0 0 ? * *", "'?' is no day of the month"),
        ("@reboot", "cron '@reboot' is not known; there are @yearly"),
        ("0 0 30 2 *", "cron '0 0 30 2 *' never ticks"),
        ("0 0 31 4,6,9,11 *", "never ticks"),
    ],
)
def test_cron(cron: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        check(ScheduleSpec(cron=cron))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("rrule", "message"),
    [
        ("", "rrule has no rule"),
        ("FREQ=OFTEN", "FREQ is OFTEN; it may be YEARLY"),
        ("INTERVAL=2", "FREQ is None"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL has '0'; it may be 1 to"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR has '24'; it may be 0 to 23"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY has '0'; it may be -31 to 31, not 0"),
        ("FREQ=MONTHLY;BYDAY=XX", "BYDAY has 'XX'"),
        ("FREQ=DAILY;BYDAY=2MO", "needs FREQ=MONTHLY or YEARLY"),
        ("FREQ=HOURLY;BYMINUTE=0,30;BYSETPOS=1", "BYSETPOS needs FREQ=DAILY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS picks from"),
        ("FREQ=DAILY;HOURS=3", "there is no part HOURS; there are FREQ"),
        ("FREQ=DAILY;FREQ=DAILY", "'FREQ=DAILY' is there twice"),
        ("FREQ=DAILY;COUNT", "'COUNT' is no NAME=VALUE"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20300101", "COUNT and UNTIL are both there"),
        ("FREQ=DAILY;COUNT=10001", "COUNT has '10001'; it may be 1 to 10000"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL is 'TOMORROW'; write 20260131"),
        ("FREQ=DAILY;UNTIL=20260231", "UNTIL has '20260231', and no calendar has that time"),
        ("DTSTART:2026 FREQ=DAILY", "DTSTART has '2026'; write a time as"),
        ("DTSTART;VALUE=DATE:20260101 FREQ=DAILY", "give dates with times"),
        ("DTSTART;TZID=Mars/X:20260101T000000 FREQ=DAILY", "'Mars/X'"),
        ("EXRULE:FREQ=DAILY RRULE:FREQ=HOURLY", "has a line EXRULE"),
        ("FREQ=HOURLY;INTERVAL=24;BYHOUR=3", "never ticks"),
        ("FREQ=DAILY;UNTIL=20200101", "never ticks"),
    ],
)
def test_rrule(rrule: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        check(ScheduleSpec(rrule=rrule))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ScheduleSpec(), "has one of cron, interval and rrule, not none"),
        (ScheduleSpec(cron="@daily", interval=5), "not cron and interval"),
        (ScheduleSpec(cron="@daily", timezone="Mars/X"), "timezone 'Mars/X' is not known"),
        (ScheduleSpec(cron="@daily", timezone="../../etc/passwd"), "is not known"),
        (ScheduleSpec(cron="@daily", timezone="Europe"), "is not known"),
        (ScheduleSpec(cron="@daily", timezone=""), "is not known"),
        (ScheduleSpec(cron="@daily", anchor_date=NOW), "anchor_date goes with interval or rrule"),
        (ScheduleSpec(rrule="DTSTART:20260101T000000 FREQ=DAILY", anchor_date=NOW), "say the same"),
        (ScheduleSpec(rrule="DTSTART:20260101T000000Z FREQ=DAILY", timezone="Asia/Tokyo"), "DTSTART is in UTC but"),
        (ScheduleSpec(interval=60, anchor_date=micros(2400, 1, 1)), "1900 to 2299"),
        (ScheduleSpec(interval=0.5), "interval is 0.5 seconds; it may be 1 second to 100 years"),
        (ScheduleSpec(interval=-60), "interval is -60 seconds"),
        (ScheduleSpec(interval=float("nan")), "interval is nan seconds"),
        (ScheduleSpec(interval=float("inf")), "interval is inf seconds"),
        (ScheduleSpec(cron="@daily", jitter=-1), "jitter is -1 seconds"),
        (ScheduleSpec(cron="@daily", max_lateness=-1), "max_lateness is -1 seconds"),
        (ScheduleSpec(cron="@daily", slug=" "), "slug is empty"),
        (ScheduleSpec(cron=5), "Expected `str | null`, got `int` - at `$.cron`"),  # type: ignore[arg-type]
        (ScheduleSpec(cron="@daily", catchup="some"), "catchup"),  # type: ignore[arg-type]
        (ScheduleSpec(cron="@daily", parameters={"a": object()}), "object"),
    ],
)
def test_other_values(spec: ScheduleSpec, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        check(spec)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYHOUR=3;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYHOUR=3;BYMONTH=2;BYMONTHDAY=30",
    ],
)
def test_a_rule_that_never_comes_is_found_out(text: str) -> None:
    """Walked second by second to the end of the calendar some of these take hours."""
    began = time.process_time()
    with pytest.raises(InvalidSchedule, match="never ticks"):
        check(ScheduleSpec(rrule=text))
    assert next_tick(ScheduleSpec(rrule=text), NOW) is None
    assert time.process_time() - began < 30


def test_a_cron_whose_days_never_meet_ends() -> None:
    never = ScheduleSpec(cron="0 0 31 2 MON", day_or=False)
    with pytest.raises(InvalidSchedule, match="never ticks"):
        check(never)
    assert next_tick(never, NOW) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DTSTART:20010101T000000 RRULE:FREQ=MINUTELY", micros(2026, 11, 28, 0, 1)),
        ("DTSTART:19000101T000000 RRULE:FREQ=SECONDLY;INTERVAL=7", micros(2026, 11, 28) + 5_000_000),
        (
            "DTSTART:20010101T000000 RRULE:FREQ=SECONDLY;BYHOUR=3;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
            micros(2044, 2, 29, 3),
        ),
    ],
)
def test_a_long_history_is_not_walked(text: str, expected: int) -> None:
    """The first has had 13 million ticks, the second 570 million."""
    began = time.process_time()
    spec = ScheduleSpec(rrule=text)
    check(spec)
    assert next_tick(spec, NOW) == expected
    assert time.process_time() - began < 5
