"""What time it is for runs, and how they wait: real, or a clock that tests set and that never makes them wait."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Time that passes only when somebody says so, or when a run sleeps: its sleep then ends at once."""

    def __init__(self) -> None:
        self.offset_us = 0
        self.slept: list[float] = []
        """Every wait of a run, in seconds, in order: delays of retries, `dalsegno.sleep`."""

    def now(self) -> datetime:
        """Return what time it is for runs (UTC)."""
        return datetime.fromtimestamp(now() / 1_000_000, UTC)

    def advance(self, duration: float | timedelta) -> None:
        """Let time pass: seconds, or a timedelta."""
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
        self.offset_us += round(seconds * 1_000_000)


_fake: FakeClock | None = None


def now() -> int:
    """Return the time in microseconds since 1970 (UTC)."""
    stamp = time.time_ns() // 1000
    return stamp if _fake is None else stamp + _fake.offset_us


def is_fake() -> bool:
    """Tell whether waits end at once."""
    return _fake is not None


def sleep(seconds: float) -> None:
    """Wait."""
    if _fake is None:
        time.sleep(seconds)
    else:
        _pass(_fake, seconds)


async def sleep_async(seconds: float) -> None:
    """Wait, without blocking the loop."""
    if _fake is None:
        await asyncio.sleep(seconds)
    else:
        _pass(_fake, seconds)
        await asyncio.sleep(0)


def _pass(clock: FakeClock, seconds: float) -> None:
    clock.slept.append(seconds)
    clock.advance(seconds)


@contextlib.contextmanager
def fake_clock() -> Generator[FakeClock]:
    """Put a clock of the test's own in force for all runs of this process."""
    global _fake
    before, _fake = _fake, FakeClock()
    try:
        yield _fake
    finally:
        _fake = before
