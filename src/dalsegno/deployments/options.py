"""The arguments that `to_deployment`, `serve` and `deploy` share: what they mean, and the schedules among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar

from dalsegno.deployments.entrypoints import EntrypointType
from dalsegno.deployments.limits import ConcurrencyLimitConfig
from dalsegno.model.schedules import ScheduleSpec
from dalsegno.schedules import Schedule

T = TypeVar("T")

Interval: TypeAlias = timedelta | float


class DeploymentOptions(TypedDict, total=False):
    """What can be said of a deployment in code.

    What an operator changed since, by the command line or the API, stays until the code says something else than it
    did before; what was paused or resumed by hand stays so in any case.
    """

    interval: Interval | Iterable[Interval] | None
    """Ticks again and again after so long, a timedelta or seconds."""
    cron: str | Iterable[str] | None
    rrule: str | Iterable[str] | None
    schedule: Schedule | None
    schedules: Sequence[Schedule] | None
    """With time zones, parameters of their own and so on. All that are named hold, and none but those."""
    timezone: str | None
    """Of `interval`, `cron` and `rrule`; None: UTC."""
    anchor_date: datetime | None
    """Of `interval` and `rrule`."""
    max_lateness: Interval | None
    """Of `interval`, `cron` and `rrule`: what was missed for longer is not run any more."""
    paused: bool | None
    """Whether its schedules are."""
    parameters: Mapping[str, Any] | None
    """In place of the flow's own defaults."""
    description: str | None
    """None: that of the flow."""
    tags: Iterable[str] | None
    """Of each of its runs."""
    version: str | None
    """None: that of the flow."""
    enforce_parameter_schema: bool
    """Whether the parameters of a run are checked when it is asked for. By default they are."""
    concurrency_limit: int | ConcurrencyLimitConfig | None
    concurrency_key: str | None
    """A template such as ``"{{ parameters.customer }}"``: the limit then holds for each value by itself."""
    priority: int
    """Of its runs; higher goes first. 0 by default."""
    start_rate: float | None
    """Runs a minute that may start at most."""
    on_crash: Literal["resume", "fail"]
    """Whether a run whose process went away is picked up where it was, as it is by default."""
    max_recoveries: int
    """How often; 3 by default."""
    job_variables: Mapping[str, Any] | None
    """Of the infrastructure of its runs; for processes `env`, `working_dir`, `interpreter` and `stream_output`."""
    work_queue_name: str | None
    entrypoint_type: EntrypointType
    """Whether its code is found by its file, which is the default, or by its module."""


_TIMING = ("interval", "cron", "rrule", "schedule", "schedules", "timezone", "anchor_date", "max_lateness")


def check_names(options: Mapping[str, Any], function: str) -> None:
    """Raise TypeError for an option that there is not."""
    known = DeploymentOptions.__annotations__
    for name in options:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known)
            hint = f"Did you mean {near[0]!r}?" if near else f"It takes {', '.join(known)}."
            raise TypeError(f"{function} takes no argument {name!r}. {hint}")


def schedules_of(options: Mapping[str, Any]) -> list[ScheduleSpec]:
    """Return the schedules that the arguments ask for. Raises InvalidSchedule, which says what is wrong with one."""
    given: dict[str, Any] = {name: options.get(name) for name in _TIMING}
    common = {"timezone": given["timezone"], "max_lateness": given["max_lateness"]}
    anchored = {**common, "anchor_date": given["anchor_date"]}
    found = [
        *(Schedule(interval=each, **anchored) for each in _each(given["interval"], timedelta, int, float)),
        *(Schedule(cron=each, **common) for each in _each(given["cron"], str)),
        *(Schedule(rrule=each, **anchored) for each in _each(given["rrule"], str)),
        *_each(given["schedule"], Schedule),
        *_each(given["schedules"], Schedule),
    ]
    for each in found:
        if not isinstance(each, Schedule):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{each!r} is no schedule: Cron, Interval and RRule of dalsegno.schedules make them.")
    return [each.to_spec() for each in found]


def _each(given: Any, *single: type) -> list[Any]:
    if given is None:
        return []
    return [given] if isinstance(given, single) or not isinstance(given, Iterable) else list(given)  # pyright: ignore
