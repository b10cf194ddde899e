"""Times and durations as people write and read them. Times are microseconds since 1970 (UTC)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from dalsegno.cli.failures import CommandError

SECOND = 1_000_000
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(min|[smhdw])\s*", re.ASCII)


def now() -> int:
    """Return the current time."""
    return time.time_ns() // 1000


def iso(moment: int) -> str:
    """Return a time as ISO 8601 in UTC: ``"2026-01-31T08:00:00.250000Z"``."""
    seconds, rest = divmod(moment, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:06d}Z"


def clock(moment: int) -> str:
    """Return a time for people, in the local time zone, to the millisecond: ``"2026-01-31 09:00:00.250"``."""
    seconds, rest = divmod(moment, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{rest // 1000:03d}"


def ago(moment: int, at: int) -> str:
    """Return how long before `at` a time was: ``"just now"``, ``"5 min ago"``; a date after thirty days."""
    seconds = (at - moment) // SECOND
    if seconds < 5:
        return "just now"
    if seconds > 30 * 86400:
        return clock(moment)[:10]
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def duration(span: int) -> str:
    """Return a span of microseconds for people: ``"40 ms"``, ``"2.5 s"``, ``"3 min 20 s"``."""
    span = max(span, 0)
    if span < 10_000:
        return f"{span / 1000:.1f} ms"
    if span < SECOND:
        return f"{span // 1000} ms"
    if span < 60 * SECOND:
        return f"{span / SECOND:.1f} s"
    minutes, seconds = divmod(span // SECOND, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def elapsed(start: int | None, end: int | None, at: int) -> str:
    """Return how long something took, or has taken so far; an empty text if it never started."""
    return "" if start is None else duration((at if end is None else end) - start)


def parse_since(text: str, at: int) -> int:
    """Return the time that ``"2h"``, ``"1h30m"`` (before `at`) or an ISO date or time (local) names."""
    spans = _SPAN.findall(text)
    if spans and not _SPAN.sub("", text.strip()):
        return at - round(sum(float(number) * _UNITS[unit] for number, unit in spans) * SECOND)
    try:
        return round(datetime.fromisoformat(text).astimezone().timestamp() * SECOND)
    except ValueError:
        raise CommandError(f"{text!r} is no time; write 90s, 30m, 2h, 7d or 2026-01-31T08:00.") from None
