"""What may stand in a file of deployments. It is also what a `prefect.yaml` holds, so that one can be read as it is."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, cast

import msgspec

from dalsegno.deployments.project.yaml_text import Document, Path

FILE_KEYS = ("name", "dalsegno-version", "prefect-version", "definitions", "build", "push", "pull", "deployments")
SCHEDULE_KEYS = (
    "cron",
    "interval",
    "rrule",
    "timezone",
    "anchor_date",
    "day_or",
    "active",
    "parameters",
    "slug",
    "jitter",
    "catchup",
    "max_lateness",
)
POOL_KEYS = ("name", "work_queue_name", "job_variables")
PLAIN_KEYS = (
    "description",
    "version",
    "tags",
    "parameters",
    "enforce_parameter_schema",
    "paused",
    "concurrency_key",
    "priority",
    "start_rate",
    "on_crash",
    "max_recoveries",
)
DEPLOYMENT_KEYS = (
    "name",
    "flow_name",
    "entrypoint",
    *PLAIN_KEYS,
    "schedule",
    "schedules",
    "concurrency_limit",
    "work_pool",
    "build",
    "push",
    "pull",
)
NOT_YET = ("triggers", "sla", "version_type", "replaces")
"""Known from elsewhere; this version has nothing for them. They are passed over, with a word."""

_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "name": ((str,), "a text"),
    "flow_name": ((str,), "a text"),
    "entrypoint": ((str,), "a text, path/to/file.py:flow"),
    "description": ((str,), "a text"),
    "version": ((str, int, float), "a text"),
    "tags": ((list, str), "a list of texts"),
    "parameters": ((dict,), "parameters by name"),
    "job_variables": ((dict, str), "variables by name"),
    "enforce_parameter_schema": ((bool,), "true or false"),
    "paused": ((bool,), "true or false"),
    "active": ((bool,), "true or false"),
    "day_or": ((bool,), "true or false"),
    "concurrency_key": ((str,), "a text"),
    "priority": ((int, str), "a whole number"),
    "max_recoveries": ((int, str), "a whole number"),
    "start_rate": ((int, float, str), "a number"),
    "on_crash": ((str,), "resume or fail"),
    "schedules": ((list,), "a list of schedules"),
    "schedule": ((dict,), "a schedule"),
    "concurrency_limit": ((int, dict, str), "a whole number, or limit and collision_strategy"),
    "work_pool": ((dict,), "name, work_queue_name and job_variables"),
    "deployments": ((list,), "a list of deployments"),
    "build": ((list,), "a list of steps"),
    "push": ((list,), "a list of steps"),
    "pull": ((list,), "a list of steps"),
}


class Entry(msgspec.Struct):
    """A deployment as a file describes it: what is not said, or null, is not there."""

    path: Path
    values: dict[str, Any]

    @property
    def name(self) -> str:
        return self.values.get("name") or ""

    @property
    def title(self) -> str:
        """As people call it."""
        flow = self.values.get("flow_name") or str(self.values.get("entrypoint") or "").rpartition(":")[2]
        return f"{flow}/{self.name}" if flow else self.name


class Project(msgspec.Struct):
    """A file of deployments."""

    document: Document
    steps: dict[str, list[Any]]
    """The `build`, `push` and `pull` of deployments that have none of their own."""
    entries: list[Entry]
    passed_over: list[str]
    """What this version has nothing for."""


def read_shape(document: Document) -> Project:
    """Return what a document describes. Raises ProjectFileError for what may not stand in one, and says where."""
    whole: Any = document.value or {}
    project = Project(document, {}, [], [])
    if not isinstance(whole, dict):
        raise document.error((), f"a file of deployments has {', '.join(FILE_KEYS)}, and not {_kind(whole)}.")
    values = _checked(project, cast("dict[Any, Any]", whole), (), FILE_KEYS, "a file of deployments")
    project.steps = {kind: values[kind] for kind in ("build", "push", "pull") if kind in values}
    for position, each in enumerate(values.get("deployments", [])):
        path = ("deployments", position)
        if not isinstance(each, dict):
            raise document.error(path, f"a deployment has {', '.join(DEPLOYMENT_KEYS)}, and is not {_kind(each)}.")
        project.entries.append(Entry(path, _entry(project, cast("dict[Any, Any]", each), path)))
    return project


def _entry(project: Project, given: dict[Any, Any], path: Path) -> dict[str, Any]:
    values = _checked(project, given, path, DEPLOYMENT_KEYS, "a deployment")
    if "work_pool" in values:
        values["work_pool"] = _checked(project, values["work_pool"], (*path, "work_pool"), POOL_KEYS, "a work_pool")
    if "schedule" in values:
        values["schedule"] = _schedule(project, values["schedule"], (*path, "schedule"))
    for position, each in enumerate(values.get("schedules", [])):
        values["schedules"][position] = _schedule(project, each, (*path, "schedules", position))
    if isinstance(values.get("concurrency_limit"), dict):
        place = (*path, "concurrency_limit")
        values["concurrency_limit"] = _checked(
            project, values["concurrency_limit"], place, ("limit", "collision_strategy"), "a concurrency_limit"
        )
    return values


def _schedule(project: Project, given: Any, path: Path) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise project.document.error(path, f"a schedule has {', '.join(SCHEDULE_KEYS)}, and is not {_kind(given)}.")
    return _checked(project, cast("dict[Any, Any]", given), path, SCHEDULE_KEYS, "a schedule")


def _checked(project: Project, given: dict[Any, Any], path: Path, known: tuple[str, ...], what: str) -> dict[str, Any]:
    """Return what is said; refuse keys that are not known, and values of a kind that cannot be."""
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key in NOT_YET:
            if value:
                project.passed_over.append(key)
            continue
        if key not in known:
            near = get_close_matches(str(key), known)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."
            raise project.document.error((*path, str(key)), f"{what} has no {key!r}. {hint}")
        if value is None:
            continue
        kinds, allowed = _KINDS.get(key, ((object,), ""))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
            raise project.document.error((*path, key), f"{key!r} is {allowed}, and not {_kind(value)}.")
        values[key] = value
    return values


def _kind(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}..."
