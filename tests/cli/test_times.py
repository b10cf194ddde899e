"""Times and durations as people read and write them."""

from __future__ import annotations

from datetime import datetime

import pytest

from dalsegno.cli import times
from dalsegno.cli.failures import CommandError
from dalsegno.cli.times import SECOND

MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
AT = 1_800_000_000 * SECOND


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "just now"),
        (-HOUR, "just now"),
        (5 * SECOND, "5 s ago"),
        (59 * SECOND, "59 s ago"),
        (MINUTE, "1 min ago"),
        (HOUR - 1, "59 min ago"),
        (HOUR, "1 h ago"),
        (25 * HOUR, "1 d ago"),
        (30 * DAY, "30 d ago"),
    ],
)
def test_how_long_ago(span: int, text: str) -> None:
    assert times.ago(AT - span, AT) == text


def test_what_was_long_ago_has_a_date() -> None:
    assert times.ago(AT - 400 * DAY, AT).startswith("2025-12-")


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (-1, "0.0 ms"),
        (470, "0.5 ms"),
        (40_000, "40 ms"),
        (2_549_000, "2.5 s"),
        (200 * SECOND, "3 min 20 s"),
        (65 * MINUTE, "1 h 5 min"),
        (26 * HOUR, "1 d 2 h"),
    ],
)
def test_durations(span: int, text: str) -> None:
    assert times.duration(span) == text


def test_what_never_started_took_no_time_to_tell() -> None:
    assert times.elapsed(None, AT, AT) == ""
    assert times.elapsed(AT - SECOND, None, AT) == "1.0 s"
    assert times.elapsed(AT - 2 * SECOND, AT - SECOND, AT) == "1.0 s"


def test_iso_times_are_in_utc_with_microseconds() -> None:
    assert times.iso(AT + 5) == "2027-01-15T08:00:00.000005Z"


@pytest.mark.parametrize(
    ("text", "span"),
    [("90s", 90 * SECOND), ("2h", 2 * HOUR), ("1h30m", 90 * MINUTE), ("1.5 d", 36 * HOUR), ("2 w", 14 * DAY)],
)
def test_since_a_span(text: str, span: int) -> None:
    assert times.parse_since(text, AT) == AT - span


def test_since_a_date_is_local_time() -> None:
    local = datetime(2026, 1, 31, 8, 30).astimezone()
    assert times.parse_since("2026-01-31T08:30", AT) == round(local.timestamp()) * SECOND
    assert times.parse_since("2026-01-31T08:30+00:00", AT) == 1_769_848_200 * SECOND


@pytest.mark.parametrize("text", ["", "soon", "2", "h", "2h soon", "2026-13-01"])
def test_since_anything_else_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is no time; write"):
        times.parse_since(text, AT)
