"""What the clocks of a time zone show, and the two ways in which ticks follow them where they are changed.

A *wall time* is a datetime without a zone; a *moment* is microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from dalsegno.model.schedules import ScheduleSpec

SECOND = 1_000_000
DAY = 86_400 * SECOND
Occurrences: TypeAlias = Callable[[datetime], Iterator[datetime]]
"""Gives the wall times strictly after one, in order."""

_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
FIRST_YEAR, LAST_YEAR = 1900, 2300
"""No tick is looked for before the first or in the last."""
DEFAULT_ANCHOR = datetime(2024, 1, 1)
"""A Monday, at the beginning of a month and a year: a schedule that was told no anchor has the same one each time
that it is made, so that deploying it again does not move its ticks."""


def as_utc(wall: datetime) -> int:
    """Return the moment at which clocks of UTC show a wall time."""
    return (wall - _EPOCH) // _MICROSECOND


class WallClock:
    """The clock of a time zone. It may be changed once a day at most, which has been so since 1970."""

    __slots__ = ("zone",)

    def __init__(self, name: str | None) -> None:
        """Take the name of a zone; None: UTC. ZoneInfoNotFoundError or ValueError: there is no such zone."""
        self.zone = None if name is None or name == "UTC" else ZoneInfo(name)

    def shows(self, moment: int) -> datetime:
        """Return the wall time at a moment."""
        if self.zone is None:
            return _EPOCH + timedelta(microseconds=moment)
        return (_EPOCH_UTC + timedelta(microseconds=moment)).astimezone(self.zone).replace(tzinfo=None, fold=0)

    def offset(self, moment: int) -> int:
        """Return by how much the clock is ahead of UTC at a moment, in microseconds."""
        return as_utc(self.shows(moment)) - moment

    def tick_of(self, wall: datetime) -> int:
        """Return the moment at which the clock shows a wall time: the first one if it is shown twice, and if it is
        left out the moment at which it is."""
        plain = as_utc(wall)
        if self.zone is None:
            return plain
        # In a gap fold=0 counts by the offset before it, else by the one of the first of two.
        before, after = (self._offset_of(wall, fold) for fold in (0, 1))
        return plain - before if before >= after else self._change(plain - after, plain - before)

    def change_after(self, moment: int) -> int | None:
        """Return when the clock is changed within a day after a moment; None: it is not."""
        if self.zone is None or self.offset(moment) == self.offset(moment + DAY):
            return None
        return self._change(moment, moment + DAY)

    def _offset_of(self, wall: datetime, fold: int) -> int:
        offset = wall.replace(tzinfo=self.zone, fold=fold).utcoffset()
        return 0 if offset is None else offset // _MICROSECOND

    def _change(self, low: int, high: int) -> int:
        """Return the first moment that has another offset than `low`, which `high` has; it is a whole second."""
        offset = self.offset(low)
        first, last = low // SECOND, -(-high // SECOND)
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (middle, last) if self.offset(middle * SECOND) == offset else (first, middle)
        return last * SECOND


def anchor_of(spec: ScheduleSpec, clock: WallClock) -> int:
    """Return the moment from which a schedule counts."""
    return clock.tick_of(DEFAULT_ANCHOR) if spec.anchor_date is None else spec.anchor_date


def each_once(clock: WallClock, occurrences: Occurrences, after: int) -> Iterator[int]:
    """Give the ticks after a moment so that each wall time makes one: shown twice, it ticks the first time; left out,
    it ticks when the clock is changed, together with others that are."""
    last = after
    for wall in occurrences(clock.shows(after)):
        tick = clock.tick_of(wall)
        if tick > last:
            last = tick
            yield tick


def by_the_clock(clock: WallClock, occurrences: Occurrences, after: int) -> Iterator[int]:
    """Give the ticks after a moment as the clock shows them: shown twice, a wall time ticks twice; left out, never.

    The time is walked in pieces of a day at most in which the clock is not changed.
    """
    moment, wall = after, clock.shows(after)
    while True:
        offset, change = clock.offset(moment), clock.change_after(moment)
        end = moment + DAY if change is None else change
        later = None
        for occurrence in occurrences(wall):
            tick = as_utc(occurrence) - offset
            if tick >= end:
                later = tick
                break
            yield tick
        if change is None:
            if later is None:
                return
            # What lies between holds nothing; two days are more than a clock was ever changed by.
            end = max(end, later - 2 * DAY)
        moment, wall = end, clock.shows(end) - _MICROSECOND
