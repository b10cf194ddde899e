"""Options of commands by which schedules are asked for: `--cron`, `--interval`, `--rrule` and what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli.failures import CommandError
from dalsegno.schedules import Schedule

Crons = Annotated[
    tuple[str, ...], Parameter(name="--cron", help="A schedule by a cron text, such as '0 3 * * *'; may be repeated.")
]
Intervals = Annotated[
    tuple[str, ...],
    Parameter(name="--interval", help="A schedule by an interval, in seconds or as in '15 minutes'; may be repeated."),
]
Rules = Annotated[
    tuple[str, ...], Parameter(name="--rrule", help="A schedule by a recurrence rule of RFC 5545; may be repeated.")
]
Timezone = Annotated[
    str | None, Parameter(name="--timezone", help="The time zone of these, such as Europe/Berlin. UTC by default.")
]
Anchor = Annotated[
    str | None,
    Parameter(name="--anchor-date", help="A time, such as 2026-01-31T06:00, from which intervals are counted."),
]


def read_schedules(
    crons: Sequence[str], intervals: Sequence[str], rules: Sequence[str], timezone: str | None, anchor: str | None
) -> list[Schedule]:
    """Return the schedules that the options ask for. Raises CommandError or InvalidSchedule."""
    if (timezone or anchor) and not (crons or intervals or rules):
        raise CommandError("--timezone and --anchor-date belong to --cron, --interval or --rrule.")
    start = _moment(anchor)
    return [
        *(Schedule(cron=each, timezone=timezone) for each in crons),
        *(Schedule(interval=_seconds(each), timezone=timezone, anchor_date=start) for each in intervals),
        *(Schedule(rrule=each, timezone=timezone, anchor_date=start) for each in rules),
    ]


def _seconds(text: str) -> float:
    from dalsegno.settings.kinds import SECONDS

    try:
        return SECONDS.read(text)
    except (ValueError, TypeError):
        raise CommandError(f"--interval is {text!r}; it is {SECONDS.allowed}.") from None


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--anchor-date is {text!r}; it is a time such as 2026-01-31T06:00.") from None
