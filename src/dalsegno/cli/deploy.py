"""`dalsegno deploy`: deploys what a file of deployments describes, or the flow that an entry point names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from dalsegno.cli.failures import CommandError
from dalsegno.cli.options import group
from dalsegno.cli.parameters import Pairs, Whole, read_object, read_parameters
from dalsegno.cli.schedule_options import Anchor, Crons, Intervals, Rules, Timezone, read_schedules
from dalsegno.cli.values import json_or_text

if TYPE_CHECKING:
    from dalsegno.deployments.project.shape import Entry, Project

app = group("deploy", "Deploy flows for the workers of a pool.")

Names = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--name", "-n"],
        help="The name of the deployment; of those in the file also flow/name, or a pattern such as 'etl/*'. "
        "May be repeated.",
    ),
]
Variables = Annotated[
    tuple[str, ...],
    Parameter(name=["--job-variable", "-jv"], help="A job variable as NAME=VALUE; the value is JSON, or else text."),
]
Tags = Annotated[tuple[str, ...], Parameter(name=["--tag", "-t"], help="A tag of its runs; may be repeated.")]


@app.default
def deploy(
    entrypoint: Annotated[str | None, Parameter(help="path/to/file.py:flow; None: what the file describes.")] = None,
    /,
    *,
    name: Names = (),
    all: Annotated[bool, Parameter(name="--all", help="All deployments of the file.")] = False,
    file: Annotated[
        str | None,
        Parameter(name=["--file", "--prefect-file"], help="The file; dalsegno.yaml or prefect.yaml by default."),
    ] = None,
    pool: Annotated[str | None, Parameter(name=["--pool", "-p"], help="The work pool.")] = None,
    work_queue: Annotated[str | None, Parameter(name=["--work-queue", "-q"], help="The queue of the pool.")] = None,
    job_variable: Variables = (),
    param: Annotated[Pairs, Parameter(name="--param")] = None,
    params: Whole = None,
    cron: Crons = (),
    interval: Intervals = (),
    rrule: Rules = (),
    timezone: Timezone = None,
    anchor_date: Anchor = None,
    concurrency_limit: Annotated[
        int | None, Parameter(name=["--concurrency-limit", "-cl"], help="Most runs of it at a time.")
    ] = None,
    collision_strategy: Annotated[
        Literal["ENQUEUE", "CANCEL_NEW", "CANCEL_RUNNING"] | None,
        Parameter(help="What becomes of a run that is due while as many run as may."),
    ] = None,
    tag: Tags = (),
    version: Annotated[str | None, Parameter(name="--version", help="The version, for people.")] = None,
    description: Annotated[str | None, Parameter(name=["--description", "-d"], help="In Markdown.")] = None,
    enforce_parameter_schema: Annotated[
        bool | None,
        Parameter(
            negative="--no-enforce-parameter-schema",
            help="Whether parameters are checked when a run is asked for.",
        ),
    ] = None,
) -> None:
    """Deploy flows for the workers of a pool: those of dalsegno.yaml, or the one of an entry point.

    What is said here goes before what the file says.
    """
    from dalsegno.deployments.project.deploying import deploy_project, find_file, read_project

    project = read_project(find_file(file))
    if project.passed_over:
        print(f"Passed over, for this version has nothing for it: {', '.join(project.passed_over)}.", file=sys.stderr)
    overrides: dict[str, Any] = {
        "version": version,
        "description": description,
        "enforce_parameter_schema": enforce_parameter_schema,
        "tags": list(tag) or None,
        "schedules": read_schedules(cron, interval, rrule, timezone, anchor_date) or None,
        "concurrency_limit": _limit(concurrency_limit, collision_strategy),
    }
    overrides = {key: value for key, value in overrides.items() if value is not None}
    entries = _entries(project, entrypoint, name, all)
    for entry in entries:
        _merge(entry, "parameters", _parameters(entry, param, params))
        _merge_pool(entry, pool, work_queue, job_variable)
    deploy_project(project, entries, overrides)


def _entries(project: Project, entrypoint: str | None, names: tuple[str, ...], all: bool) -> list[Entry]:
    from dalsegno.deployments.project.choosing import chosen
    from dalsegno.deployments.project.shape import Entry

    if entrypoint is None:
        if project.document.value is None and not project.entries:
            raise CommandError(
                "There is nothing to deploy: no dalsegno.yaml here, and no entry point given. `dalsegno init` makes "
                "a file; `dalsegno deploy path/to/file.py:flow --name NAME --pool POOL` does without one."
            )
        return chosen(project, names, all)
    if all or len(names) > 1:
        raise CommandError("An entry point is of one deployment: give one --name, and not --all.")
    known = [each for each in project.entries if names and each.name == names[0]]
    if known:
        known[0].values["entrypoint"] = entrypoint
        return known
    if not names:
        raise CommandError(f"What is the deployment of {entrypoint} to be called? Give --name.")
    return [Entry((), {"name": names[0], "entrypoint": entrypoint})]


def _parameters(entry: Entry, pairs: list[str] | None, whole: str | None) -> dict[str, Any]:
    if not pairs:
        return {} if whole is None else read_object(whole)
    from dalsegno.flows import load_flow_from_entrypoint

    if not entry.values.get("entrypoint"):
        return {}  # That it is missing is said later, with its place.
    return read_parameters(load_flow_from_entrypoint(entry.values["entrypoint"]).fn, pairs, whole)


def _merge(entry: Entry, key: str, more: dict[str, Any]) -> None:
    if more:
        entry.values[key] = {**(entry.values.get(key) or {}), **more}


def _merge_pool(entry: Entry, pool: str | None, queue: str | None, variables: tuple[str, ...]) -> None:
    given: dict[str, Any] = {"name": pool, "work_queue_name": queue}
    of_pool: dict[str, Any] = {
        **(entry.values.get("work_pool") or {}),
        **{key: each for key, each in given.items() if each},
    }
    if variables:
        of_pool["job_variables"] = {**(of_pool.get("job_variables") or {}), **dict(map(_pair, variables))}
    entry.values["work_pool"] = of_pool


def _pair(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise CommandError(f"{text!r} is no job variable; write --job-variable NAME=VALUE.")
    return name, json_or_text(value)


def _limit(limit: int | None, strategy: str | None) -> Any:
    if limit is None and strategy is not None:
        raise CommandError("--collision-strategy belongs to --concurrency-limit.")
    return limit if strategy is None else {"limit": limit, "collision_strategy": strategy}
