"""From a deployment as a file describes it to one as code does: its flow is loaded, placeholders are filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import msgspec

from dalsegno._code import performing, templates
from dalsegno.deployments.limits import ConcurrencyLimitConfig
from dalsegno.deployments.project.shape import PLAIN_KEYS, Entry, Project
from dalsegno.deployments.project.yaml_text import Path as Place
from dalsegno.deployments.runner_deployment import RunnerDeployment
from dalsegno.exceptions import ConfigurationError, InvalidSchedule, StepError
from dalsegno.model.deployments import CodeSource
from dalsegno.schedules import Schedule

Outputs = Mapping[str, Mapping[str, Any]]
_LATER = "concurrency_key"
"""Filled in for each run."""
_NUMBERS: dict[str, type[int] | type[float]] = {"priority": int, "max_recoveries": int, "start_rate": float}
_SECRETS = ("access_token", "token", "password", "secret")


def describe(
    project: Project, entry: Entry, outputs: Outputs, pull: Sequence[Any], overrides: Mapping[str, Any]
) -> RunnerDeployment:
    """Return the deployment that an entry describes, for the pool that it names.

    Args:
        outputs: Of the steps before, by step.
        pull: The steps by which workers get the code; none: it is in a folder of this machine.
        overrides: Values that go before those of the entry, in its words.

    Raises ProjectFileError, which says where, and what loading the flow raises.
    """
    given = {**entry.values, **overrides}
    later = given.pop(_LATER, None)
    values: dict[str, Any] = templates.render(given, _lookup(outputs))
    pool: dict[str, Any] = values.get("work_pool") or {}
    options: dict[str, Any] = {key: values[key] for key in PLAIN_KEYS if values.get(key) is not None}
    if later is not None:
        options[_LATER] = later
    if "version" in options:
        options["version"] = str(options["version"])
    for name, kind in _NUMBERS.items():
        if isinstance(options.get(name), str):
            options[name] = _number(project, entry, name, options[name], kind)
    if isinstance(options.get("tags"), str):
        options["tags"] = [options["tags"]]
    options["schedules"] = _schedules(project, entry, values, "schedules" in overrides)
    options["concurrency_limit"] = _limit(values.get("concurrency_limit"))
    options["job_variables"] = pool.get("job_variables")
    options["work_queue_name"] = pool.get("work_queue_name")
    flow = _load_flow(project, entry, values)
    deployment = RunnerDeployment.from_flow(flow, _name(project, entry, values), **options)
    deployment = deployment.with_pool(pool.get("name"))
    if not pull:
        return deployment
    source = _pulled(pull, outputs, values["entrypoint"], deployment.spec.source)
    return RunnerDeployment(msgspec.structs.replace(deployment.spec, source=source))


def _number(project: Project, entry: Entry, name: str, text: str, kind: type[int] | type[float]) -> float:
    try:
        return kind(text)
    except ValueError:
        raise project.document.error((*entry.path, name), f"{name!r} is a number, and not {text!r}.") from None


def _name(project: Project, entry: Entry, values: Mapping[str, Any]) -> str:
    if not values.get("name"):
        raise project.document.error(entry.path, "a deployment needs a name.")
    return values["name"]


def _load_flow(project: Project, entry: Entry, values: Mapping[str, Any]) -> Any:
    from dalsegno.flows import load_flow_from_entrypoint

    if not values.get("entrypoint"):
        raise project.document.error(
            entry.path, f"deployment {entry.name!r} needs an entrypoint, such as path/to/file.py:flow."
        )
    flow = load_flow_from_entrypoint(values["entrypoint"])
    wanted = values.get("flow_name")
    if wanted and wanted != flow.name:
        raise project.document.error(
            (*entry.path, "flow_name"), f"flow_name is {wanted!r}, but {values['entrypoint']} is flow {flow.name!r}."
        )
    return flow


def _schedules(project: Project, entry: Entry, values: Mapping[str, Any], ready: bool) -> list[Schedule]:
    """Return the schedules of a deployment; those that are `ready`, of a command line, stand nowhere in the file."""
    if ready:
        return cast("list[Schedule]", values["schedules"])
    found: list[tuple[Place, dict[str, Any]]] = []
    if values.get("schedule"):
        found.append(((*entry.path, "schedule"), values["schedule"]))
    for position, each in enumerate(values.get("schedules") or []):
        found.append(((*entry.path, "schedules", position), each))
    made: list[Schedule] = []
    for path, each in found:
        if not each:
            continue
        try:
            given: dict[str, Any] = {**each, "anchor_date": _moment(each.get("anchor_date"))}
            made.append(Schedule(**given))
        except (InvalidSchedule, TypeError, ValueError) as error:
            raise project.document.error(path, f"this schedule cannot be: {error}") from None
    return made


def _moment(given: Any) -> datetime | None:
    return datetime.fromisoformat(given) if isinstance(given, str) else given


def _limit(given: Any) -> Any:
    """Return a limit as `to_deployment` takes one, and looks at it."""
    if isinstance(given, str) and given.isdigit():
        return int(given)
    if not isinstance(given, dict):
        return given
    limit = cast("dict[str, Any]", given)
    if limit.get("limit") is None:
        return None
    return ConcurrencyLimitConfig(limit["limit"], limit.get("collision_strategy") or "ENQUEUE")


def _pulled(pull: Sequence[Any], outputs: Outputs, entrypoint: str, local: CodeSource) -> CodeSource:
    """Return a source by steps: what comes of the environment is filled in by workers, and not stored."""
    steps: list[dict[str, Any]] = templates.render(list(pull), _lookup(outputs, keep_outside=True))
    commit = None
    for each in steps:
        step = performing.read_step(each)
        if step.own is None:
            raise StepError(f"There is no pull step {step.name!r}. There are: {', '.join(performing.OWN)}.")
        _refuse_secrets(step)
        if step.own == "git_clone":
            commit = step.arguments.get("commit_sha")
    return CodeSource(
        entrypoint=_from_here(entrypoint), pull_steps=steps, code_version=commit, path=None, interpreter=None
    )


def _from_here(entrypoint: str) -> str:
    """Return an entry point relative to the folder that the file of deployments is in."""
    place, colon, name = entrypoint.rpartition(":")
    path = Path(place)
    if colon and path.is_absolute() and path.is_relative_to(Path.cwd()):
        return f"{path.relative_to(Path.cwd())}:{name}"
    return entrypoint


def _refuse_secrets(step: performing.Step) -> None:
    credentials: dict[str, Any] = step.arguments.get("credentials") or {}
    for name, value in {**step.arguments, **credentials}.items():
        if name in _SECRETS and isinstance(value, str) and not templates.is_reference(value):
            raise ConfigurationError(
                f"The {name} of step {step.name!r} would be stored where others can read it. Put it into a variable of "
                'the environment of the workers, and write "{{ $NAME }}".'
            )


def _lookup(outputs: Outputs, *, keep_outside: bool = False) -> templates.Lookup:
    outside = templates.from_environment()

    def look(expression: str) -> Any:
        if templates.is_outside(expression):
            return templates.KEEP if keep_outside else outside(expression)
        return performing.output_of(outputs, expression)

    return look
