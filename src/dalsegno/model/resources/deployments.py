"""Deployments, as the API shows them: flows that can be asked for by name."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dalsegno.model.deployments import (
    CodeSource,
    CollisionStrategy,
    DeploymentChange,
    DeploymentRun,
    DeploymentSpec,
    DeploymentStatus,
    DeploymentVersion,
    DeploymentView,
)
from dalsegno.model.resources.flow_runs import FlowRun
from dalsegno.model.resources.schedules import Schedule, ScheduleNew, from_new_schedule
from dalsegno.model.resources.values import as_json, etag_of, from_optional_time, to_id, to_time

MOST_RUNS = 1_000
"""Runs that one backfill makes at most."""

OnCrash = Literal["resume", "fail"]
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern="^[^/%&<>]+$")]
Text = Annotated[str, Meta(max_length=10_000)]
Tags = Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=100)]
Slots = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Priority = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Recoveries = Annotated[int, Meta(ge=0, le=1_000_000)]
Delay = Annotated[float, Meta(ge=0, le=1e6)]
Rate = Annotated[float, Meta(gt=0, lt=1e9)]
Key = Annotated[str, Meta(min_length=1, max_length=1_000)]

_DESCRIPTION = "What it is for."
_TAGS = "Tags of its runs, beside those of the flow."
_VERSION = "A version that its code names."
_SOURCE = "Where its code is."
_PARAMETERS = "Parameters of its runs, where nobody says otherwise."
_SCHEMA = "The JSON schema of the flow's parameters."
_ENFORCE = "Whether parameters that do not fit the schema are refused."
_POOL = "The work pool whose workers execute its runs; null: whoever serves it does."
_QUEUE = "The pool's queue; null: the default one."
_VARIABLES = "What fills the pool's job template."
_LIMIT = "How many of its runs there are at one time; null: there is no limit."
_COLLISION = "What becomes of a run beyond the limit: it waits, it is cancelled, or the oldest that runs is."
_KEY = "A template over the parameters, such as `{{ parameters.customer }}`: the limit holds for each value."
_PRIORITY = "Runs with a higher one go first."
_CRASH = "What becomes of a run whose process is lost."
_RECOVERIES = "How often a run is recovered."
_DELAY = "Seconds before the first recovery; twice as long before each further one."
_RATE = "How many runs a minute start at most; null: there is no limit."
_PAUSED = "Whether its schedules are paused."


class DeploymentSource(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where the code of a deployment is, and how it is loaded."""

    entrypoint: Annotated[
        Text | None, Meta(description="`path/to/file.py:function` or `package.module:function`; null: it has none.")
    ] = None
    path: Annotated[Text | None, Meta(description="The working directory; null: the pull steps say it.")] = None
    pull_steps: Annotated[
        list[dict[str, Any]], Meta(description="What is done before the code is loaded.", max_length=100)
    ] = []
    interpreter: Annotated[Text | None, Meta(description="The Python that must be used; null: the worker's.")] = None
    code_version: Annotated[Text | None, Meta(description="Differs when the code does; null: nobody can tell.")] = None


class Deployment(msgspec.Struct, kw_only=True):
    """A flow that can be asked for by name, with what it runs by."""

    id: Annotated[uuid.UUID, Meta(description="Its id.")]
    name: Annotated[str, Meta(description="Its name among the deployments of the flow.")]
    flow_name: Annotated[str, Meta(description="The flow's name.")]
    description: Annotated[str | None, Meta(description=_DESCRIPTION)]
    tags: Annotated[list[str], Meta(description=_TAGS)]
    version: Annotated[str | None, Meta(description=_VERSION)]
    version_number: Annotated[int, Meta(description="Counts what was deployed, from 1.")]
    source: Annotated[DeploymentSource, Meta(description=_SOURCE)]
    parameters: Annotated[dict[str, Any], Meta(description=_PARAMETERS)]
    parameter_schema: Annotated[dict[str, Any], Meta(description=_SCHEMA)]
    enforce_parameter_schema: Annotated[bool, Meta(description=_ENFORCE)]
    work_pool_name: Annotated[str | None, Meta(description=_POOL)]
    work_queue_name: Annotated[str | None, Meta(description=_QUEUE)]
    job_variables: Annotated[dict[str, Any], Meta(description=_VARIABLES)]
    concurrency_limit: Annotated[int | None, Meta(description=_LIMIT)]
    collision_strategy: Annotated[CollisionStrategy, Meta(description=_COLLISION)]
    concurrency_key: Annotated[str | None, Meta(description=_KEY)]
    priority: Annotated[int, Meta(description=_PRIORITY)]
    on_crash: Annotated[OnCrash, Meta(description=_CRASH)]
    max_recoveries: Annotated[int, Meta(description=_RECOVERIES)]
    recovery_delay: Annotated[float, Meta(description=_DELAY)]
    start_rate: Annotated[float | None, Meta(description=_RATE)]
    paused: Annotated[bool, Meta(description=_PAUSED)]
    schedules: Annotated[list[Schedule], Meta(description="When it runs by itself.")]
    status: Annotated[DeploymentStatus, Meta(description="Whether somebody is there who would execute its runs.")]
    changed_by_hand: Annotated[list[str], Meta(description="What was changed since it was deployed, by name.")]
    problem: Annotated[str | None, Meta(description="Why its code could not be loaded, or a schedule not run, last.")]
    created: Annotated[datetime, Meta(description="When it was deployed first.")]
    updated: Annotated[datetime, Meta(description="When it was last changed.")]
    etag: Annotated[str, Meta(description="Differs when it was changed; for `If-Match`.")]


class DeploymentPage(msgspec.Struct, kw_only=True):
    """A page of deployments."""

    items: Annotated[list[Deployment], Meta(description="The deployments, in the order that was asked for.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]


class DeploymentNew(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a deployment is to be, as its code or its file says."""

    name: Annotated[Name, Meta(description="Its name among the deployments of the flow.")]
    flow_name: Annotated[Name, Meta(description="The flow's name.")]
    description: Annotated[Text | None, Meta(description=_DESCRIPTION)] = None
    tags: Annotated[Tags, Meta(description=_TAGS)] = []
    version: Annotated[Text | None, Meta(description=_VERSION)] = None
    source: Annotated[DeploymentSource, Meta(description=_SOURCE)] = msgspec.field(default_factory=DeploymentSource)
    parameters: Annotated[dict[str, Any], Meta(description=_PARAMETERS)] = {}
    parameter_schema: Annotated[dict[str, Any], Meta(description=_SCHEMA)] = {}
    enforce_parameter_schema: Annotated[bool, Meta(description=_ENFORCE)] = True
    work_pool_name: Annotated[Name | None, Meta(description=_POOL)] = None
    work_queue_name: Annotated[Name | None, Meta(description=_QUEUE)] = None
    job_variables: Annotated[dict[str, Any], Meta(description=_VARIABLES)] = {}
    concurrency_limit: Annotated[Slots | None, Meta(description=_LIMIT)] = None
    collision_strategy: Annotated[CollisionStrategy, Meta(description=_COLLISION)] = "ENQUEUE"
    concurrency_key: Annotated[Key | None, Meta(description=_KEY)] = None
    priority: Annotated[Priority, Meta(description=_PRIORITY)] = 0
    on_crash: Annotated[OnCrash, Meta(description=_CRASH)] = "resume"
    max_recoveries: Annotated[Recoveries, Meta(description=_RECOVERIES)] = 3
    recovery_delay: Annotated[Delay, Meta(description=_DELAY)] = 1.0
    start_rate: Annotated[Rate | None, Meta(description=_RATE)] = None
    paused: Annotated[bool, Meta(description=_PAUSED)] = False
    schedules: Annotated[
        list[ScheduleNew] | None, Meta(description="When it runs by itself; null: those there are stay.")
    ] = None


class DeploymentPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed by hand, which outlasts the next deploying of the code; what is left out stays."""

    description: Annotated[Text | UnsetType | None, Meta(description=_DESCRIPTION)] = UNSET
    tags: Annotated[Tags | UnsetType, Meta(description=_TAGS)] = UNSET
    parameters: Annotated[dict[str, Any] | UnsetType, Meta(description=_PARAMETERS)] = UNSET
    enforce_parameter_schema: Annotated[bool | UnsetType, Meta(description=_ENFORCE)] = UNSET
    work_pool_name: Annotated[Name | UnsetType | None, Meta(description=_POOL)] = UNSET
    work_queue_name: Annotated[Name | UnsetType | None, Meta(description=_QUEUE)] = UNSET
    job_variables: Annotated[dict[str, Any] | UnsetType, Meta(description=_VARIABLES)] = UNSET
    concurrency_limit: Annotated[Slots | UnsetType | None, Meta(description=_LIMIT)] = UNSET
    collision_strategy: Annotated[CollisionStrategy | UnsetType, Meta(description=_COLLISION)] = UNSET
    concurrency_key: Annotated[Key | UnsetType | None, Meta(description=_KEY)] = UNSET
    priority: Annotated[Priority | UnsetType, Meta(description=_PRIORITY)] = UNSET
    on_crash: Annotated[OnCrash | UnsetType, Meta(description=_CRASH)] = UNSET
    max_recoveries: Annotated[Recoveries | UnsetType, Meta(description=_RECOVERIES)] = UNSET
    recovery_delay: Annotated[Delay | UnsetType, Meta(description=_DELAY)] = UNSET
    start_rate: Annotated[Rate | UnsetType | None, Meta(description=_RATE)] = UNSET
    paused: Annotated[bool | UnsetType, Meta(description=_PAUSED)] = UNSET


class DeployedVersion(msgspec.Struct, kw_only=True):
    """What was deployed at some time."""

    number: Annotated[int, Meta(description="Its number, from 1.")]
    version: Annotated[str | None, Meta(description=_VERSION)]
    source: Annotated[DeploymentSource, Meta(description=_SOURCE)]
    settings: Annotated[dict[str, Any], Meta(description="All that was said of it then.")]
    created: Annotated[datetime, Meta(description="When it was deployed.")]


class DeployedVersionList(msgspec.Struct, kw_only=True):
    """What was deployed, lately."""

    items: Annotated[list[DeployedVersion], Meta(description="The versions, the newest first.")]


class Rollback(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks for a deployment to be brought back to a version of it."""

    number: Annotated[int, Meta(description="The version's number.", ge=1, le=2**31 - 1)]


class DeploymentFlowRunNew(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks for a run of a deployment; what is left out is as the deployment says."""

    parameters: Annotated[dict[str, Any], Meta(description="They go before those of the deployment.")] = {}
    job_variables: Annotated[dict[str, Any], Meta(description="They go before those of the deployment.")] = {}
    name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1_000)] | None, Meta(description="Its name; null: one is made up.")
    ] = None
    scheduled_time: Annotated[datetime | None, Meta(description="When it is due; null: now.")] = None
    tags: Annotated[Tags, Meta(description="Further tags.")] = []
    idempotency_key: Annotated[
        Key | None, Meta(description="A second wish with the same key gives the first one's run.")
    ] = None
    priority: Annotated[Priority | None, Meta(description="Runs with a higher one go first.")] = None
    work_queue_name: Annotated[Name | None, Meta(description="Another queue of its pool.")] = None
    concurrency_key: Annotated[Key | None, Meta(description="The key for which its limit holds.")] = None


class CreatedFlowRun(msgspec.Struct, kw_only=True):
    """What became of a wish for a run."""

    created: Annotated[bool, Meta(description="False: it was asked for before, with the same idempotency key.")]
    flow_run: Annotated[FlowRun, Meta(description="The run.")]


def to_deployment(view: DeploymentView, schedules: list[Schedule]) -> Deployment:
    """Return a deployment of the store as the API shows it."""
    spec = {
        name: getattr(view.spec, name)
        for name in DeploymentSpec.__struct_fields__
        if name not in ("flow", "source", "schedules")
    }
    return Deployment(
        id=to_id(view.id),
        source=to_source(view.spec.source),
        version_number=view.version_number,
        schedules=schedules,
        status=view.status,
        changed_by_hand=view.changed_by_hand,
        problem=view.problem,
        created=to_time(view.created),
        updated=to_time(view.updated),
        etag=etag_of(view.updated),
        **spec,
    )


def to_source(source: CodeSource) -> DeploymentSource:
    """Return where code is, as the API shows it."""
    return DeploymentSource(**msgspec.structs.asdict(source))


def to_version(version: DeploymentVersion) -> DeployedVersion:
    """Return what was deployed as the API shows it."""
    said = msgspec.structs.asdict(version.spec)
    return DeployedVersion(
        number=version.number,
        version=version.spec.version,
        source=to_source(version.spec.source),
        settings=as_json({name: value for name, value in said.items() if name not in ("flow", "source", "version")}),
        created=to_time(version.created),
    )


def from_new_deployment(new: DeploymentNew) -> DeploymentSpec:
    """Return what the store is told of what is deployed."""
    values = msgspec.structs.asdict(new)
    values["source"] = CodeSource(**msgspec.structs.asdict(new.source))
    values["schedules"] = None if new.schedules is None else [from_new_schedule(each) for each in new.schedules]
    return DeploymentSpec(**values)


def from_patch(patch: DeploymentPatch) -> DeploymentChange:
    """Return what the store is told of a change."""
    return DeploymentChange(**msgspec.structs.asdict(patch))


def from_new_run(deployment_id: uuid.UUID, new: DeploymentFlowRunNew) -> DeploymentRun:
    """Return what the store is told of a wish for a run."""
    values = msgspec.structs.asdict(new)
    due = from_optional_time(values.pop("scheduled_time"))
    return DeploymentRun(deployment_id=deployment_id.bytes, due=due, **values)
