"""Deployments and schedules as the command line shows them, and how one is found by what a person types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dalsegno.cli import times
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.flow_run_page import moment, parameters_text
from dalsegno.cli.listing import Table
from dalsegno.cli.lookup import as_id
from dalsegno.cli.screen import Screen
from dalsegno.cli.tables import Column, page, table
from dalsegno.model.deployments import DeploymentFilter, DeploymentVersion, DeploymentView, ScheduleView
from dalsegno.model.ids import id_text
from dalsegno.model.views import Page

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

NONE = "No deployments yet: make one with `flow.serve()`, `flow.deploy()` or `dalsegno deploy`."
NO_SCHEDULES = "It has no schedules: make one with `dalsegno deployment schedule create NAME --cron ...`."
_NAMED = 10


def find(backend: Backend, text: str) -> DeploymentView:
    """Return the deployment that a text means: `flow/name`, its id, or its name where only one has it.

    Raises CommandError, which lists what there is.
    """
    id = as_id(text)
    if id is not None:
        return backend.read_deployment(id)
    flow, separator, name = text.partition("/")
    filter = DeploymentFilter(flow_names=[flow], names=[name]) if separator else DeploymentFilter(names=[text])
    found = backend.list_deployments(filter, Page(limit=_NAMED + 1))
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(f"{text!r} fits more than one deployment; give one of:", details=_names(found))
    known = backend.list_deployments(DeploymentFilter(), Page(limit=_NAMED + 1))
    if not known:
        raise CommandError(f"There is no deployment {text!r}. {NONE}", ExitCode.NOT_FOUND)
    raise CommandError(f"There is no deployment {text!r}. There are:", ExitCode.NOT_FOUND, _names(known))


def find_schedule(deployment: DeploymentView, text: str) -> ScheduleView:
    """Return the schedule of a deployment that a text means: its slug, its id, or the beginning of its id."""
    digits = text.replace("-", "").lower()
    found = [each for each in deployment.schedules if each.spec.slug == text or each.id.hex() == digits]
    found = found or [each for each in deployment.schedules if digits and each.id.hex().startswith(digits)]
    if len(found) == 1:
        return found[0]
    if not deployment.schedules:
        raise CommandError(f"Deployment {name_of(deployment)!r} has no schedules.", ExitCode.NOT_FOUND)
    what = "fits more than one schedule" if found else "is no schedule"
    code = ExitCode.USAGE if found else ExitCode.NOT_FOUND
    lines = [f"  {id_text(each.id)}  {each.spec.slug or '-'}  {_words(each)}" for each in deployment.schedules]
    raise CommandError(f"{text!r} {what} of deployment {name_of(deployment)!r}. It has:", code, lines)


def name_of(deployment: DeploymentView) -> str:
    """Return `flow/name`."""
    return f"{deployment.spec.flow_name}/{deployment.spec.name}"


def deployment_rows(found: Sequence[DeploymentView], screen: Screen) -> Table:
    """Return deployments as rows."""
    at = times.now()
    heads = (
        Column("NAME", shrinks=True),
        Column("STATUS"),
        Column("WORK POOL", shrinks=True),
        Column("SCHEDULES", shrinks=True),
        Column("NEXT"),
        Column("UPDATED"),
    )
    rows = [
        [
            name_of(each),
            "PAUSED" if each.spec.paused else each.status,
            each.spec.work_pool_name or "",
            "; ".join(_words(schedule) for schedule in each.schedules),
            _clock(min((s.next_tick for s in each.schedules if s.next_tick is not None), default=None)),
            times.ago(each.updated, at),
        ]
        for each in found
    ]
    return Table(heads, rows)


def schedule_rows(found: Sequence[ScheduleView], screen: Screen) -> Table:
    """Return schedules as rows."""
    heads = (
        Column("ID"),
        Column("SLUG", shrinks=True),
        Column("WHEN", shrinks=True),
        Column("ACTIVE"),
        Column("NEXT"),
    )
    rows = [
        [
            id_text(each.id),
            each.spec.slug or "",
            _words(each),
            "yes" if each.spec.active else "no",
            _clock(each.next_tick),
        ]
        for each in found
    ]
    return Table(heads, rows)


def version_rows(found: Sequence[DeploymentVersion], screen: Screen) -> Table:
    """Return versions of a deployment as rows."""
    at = times.now()
    heads = (
        Column("NUMBER", right=True),
        Column("VERSION", shrinks=True),
        Column("CODE", shrinks=True),
        Column("DEPLOYED"),
    )
    rows = [
        [
            str(each.number),
            each.spec.version or "",
            each.spec.source.code_version or "",
            times.ago(each.created, at),
        ]
        for each in found
    ]
    return Table(heads, rows)


def deployment_page(deployment: DeploymentView, screen: Screen) -> str:
    """Return the page of a deployment as text."""
    import msgspec

    spec, at = deployment.spec, times.now()
    values = [
        ("Deployment", name_of(deployment)),
        ("ID", id_text(deployment.id)),
        ("Description", spec.description),
        ("Status", deployment.status),
        ("Paused", "yes: its schedules do not tick" if spec.paused else None),
        ("Problem", deployment.problem),
        ("Version", f"{spec.version} ({deployment.version_number})" if spec.version else None),
        ("Deployed", f"{deployment.version_number} times" if deployment.version_number > 1 else "once"),
        ("Changed by hand", ", ".join(deployment.changed_by_hand)),
        ("Entry point", spec.source.entrypoint),
        ("Folder", spec.source.path),
        ("Work pool", spec.work_pool_name),
        ("Work queue", spec.work_queue_name),
        ("Parameters", parameters_text(msgspec.json.encode(spec.parameters).decode())),
        ("Job variables", parameters_text(msgspec.json.encode(spec.job_variables).decode())),
        ("Tags", ", ".join(spec.tags)),
        ("Limit", _limit(deployment)),
        ("Start rate", f"{spec.start_rate:g} a minute" if spec.start_rate else None),
        ("Priority", str(spec.priority) if spec.priority else None),
        ("Created", moment(deployment.created, at)),
        ("Updated", moment(deployment.updated, at)),
    ]
    shown = page(values)
    if not deployment.schedules:
        return shown
    rows = schedule_rows(deployment.schedules, screen)
    return f"{shown}\n\n{table(rows.heads, rows.rows, screen)}"


def _limit(deployment: DeploymentView) -> str | None:
    spec = deployment.spec
    if spec.concurrency_limit is None:
        return None
    key = f" for each {spec.concurrency_key}" if spec.concurrency_key else ""
    return f"{spec.concurrency_limit} at one time{key}; beyond it: {spec.collision_strategy}"


def _words(schedule: ScheduleView) -> str:
    from dalsegno import _scheduling as scheduling

    return scheduling.in_words(schedule.spec)


def _clock(tick: int | None) -> str:
    return "" if tick is None else times.clock(tick)[:16]


def _names(found: Sequence[DeploymentView]) -> list[str]:
    lines = [f"  {name_of(each)}" for each in found[:_NAMED]]
    return [*lines, "  ..."] if len(found) > _NAMED else lines
