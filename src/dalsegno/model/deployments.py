"""Deployments: flows that can be asked for by name, with what they run by. Plain structs, for the store and the API.

Times are microseconds since 1970 (UTC); ids are 16 raw bytes.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from dalsegno.model.records import FlowDefinition
from dalsegno.model.schedules import ScheduleSpec

CollisionStrategy: TypeAlias = Literal["ENQUEUE", "CANCEL_NEW", "CANCEL_RUNNING"]
"""What becomes of a run that is due while as many run as may: it waits, it is cancelled, or the oldest that runs is."""

DeploymentStatus: TypeAlias = Literal["READY", "NOT_READY"]
"""Whether somebody is there who would execute its runs."""


class CodeSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where the code of a deployment is and how it is loaded."""

    entrypoint: str | None = None
    """``"path/to/file.py:function"``, relative to the working directory, or ``"package.module:function"``."""
    path: str | None = None
    """The working directory, where it is one of the machine; None: the pull steps say it."""
    pull_steps: list[dict[str, Any]] = []
    """What is done before the code is loaded, each a step by its name with its arguments."""
    interpreter: str | None = None
    """Python's own path, where the code can only run by it; None: the worker's."""
    code_version: str | None = None
    """Differs when the code differs (a commit, a hash); None: nobody can tell."""


class DeploymentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment is to be, as its code or its file says."""

    flow_name: str
    name: str
    flow: FlowDefinition | None = None
    description: str | None = None
    tags: list[str] = []
    version: str | None = None
    source: CodeSource = CodeSource()
    parameters: dict[str, Any] = {}
    parameter_schema: dict[str, Any] = {}
    """JSON schema of the parameters of the flow."""
    enforce_parameter_schema: bool = True
    work_pool_name: str | None = None
    """None: its runs are for whoever serves it."""
    work_queue_name: str | None = None
    """None: the pool's default queue."""
    job_variables: dict[str, Any] = {}
    concurrency_limit: int | None = None
    collision_strategy: CollisionStrategy = "ENQUEUE"
    concurrency_key: str | None = None
    """A template over `parameters`, such as ``"{{ parameters.customer }}"``: the limit then holds for each value."""
    priority: int = 0
    """Higher goes first."""
    on_crash: Literal["resume", "fail"] = "resume"
    max_recoveries: int = 3
    recovery_delay: float = 1.0
    """Seconds before the first recovery; twice as long before each further one, and jittered."""
    start_rate: float | None = None
    """Runs a minute that may start at most; None: no such limit."""
    paused: bool = False
    """Whether its schedules are."""
    schedules: list[ScheduleSpec] | None = None
    """None: nothing is said of schedules, so those that are there stay."""


class NewSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for a schedule of a deployment."""

    deployment_id: bytes
    spec: ScheduleSpec
    replaces: str | None = None
    """The slug of the one that it takes the place of."""


class ScheduleView(msgspec.Struct, kw_only=True):
    """A schedule of a deployment."""

    id: bytes
    deployment_id: bytes
    spec: ScheduleSpec
    next_tick: int | None
    """None: it is paused, or will not tick any more."""
    created: int
    updated: int


class DeploymentView(msgspec.Struct, kw_only=True):
    """A deployment as it is now: what its code said, and what was changed since."""

    id: bytes
    spec: DeploymentSpec
    version_number: int
    """Counts what was deployed, from 1."""
    schedules: list[ScheduleView]
    status: DeploymentStatus
    changed_by_hand: list[str] = []
    """Names of what an operator changed since it was deployed."""
    problem: str | None = None
    """Why its code could not be loaded the last time, if so."""
    created: int
    updated: int


class DeploymentVersion(msgspec.Struct, kw_only=True):
    """What was deployed at some time."""

    number: int
    spec: DeploymentSpec
    created: int


class DeploymentFilter(msgspec.Struct, kw_only=True):
    """Which deployments a list shows; what is None or empty does not restrict."""

    flow_names: list[str] = []
    names: list[str] = []
    name_like: str | None = None
    """Part of ``"flow/deployment"``, whatever its case."""
    tags: list[str] = []
    work_pool_names: list[str] = []
    paused: bool | None = None


class DeploymentRun(msgspec.Struct, kw_only=True):
    """Asks for a run of a deployment. What is None or empty is as the deployment says."""

    deployment_id: bytes
    parameters: dict[str, Any] = {}
    """They go before those of the deployment."""
    job_variables: dict[str, Any] = {}
    name: str | None = None
    due: int | None = None
    tags: list[str] = []
    idempotency_key: str | None = None
    """A second wish with the same key gives the first one's run."""
    priority: int | None = None
    work_queue_name: str | None = None
    concurrency_key: str | None = None
    parent_flow_run_id: bytes | None = None
    """The flow run that asks, for readers: it is no nested run."""
    schedule_id: bytes | None = None


class RequestedRun(msgspec.Struct, kw_only=True):
    """The answer to a wish for a run."""

    flow_run_id: bytes
    name: str
    created: bool
    """False: it was asked for before, with the same idempotency key."""


class ClaimedDeployment(msgspec.Struct, kw_only=True):
    """What whoever executes a run has to know of its deployment."""

    id: bytes
    name: str
    flow_name: str
    version: str | None
    version_number: int
    source: CodeSource
    job_variables: dict[str, Any]
    """Those of the deployment, with those of the run before them."""
    scheduled_time: int | None = None
    """When the run was first due, whatever was retried or recovered since."""


class Wait(msgspec.Struct, kw_only=True):
    """Why a run waits, in words."""

    reasons: list[str]
    """The most important one first; empty: it does not wait."""


class DeploymentChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operator changes of a deployment; what is UNSET stays. It outlasts the next deploying of the code."""

    description: str | msgspec.UnsetType | None = msgspec.UNSET
    tags: list[str] | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    enforce_parameter_schema: bool | msgspec.UnsetType = msgspec.UNSET
    work_pool_name: str | msgspec.UnsetType | None = msgspec.UNSET
    work_queue_name: str | msgspec.UnsetType | None = msgspec.UNSET
    job_variables: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    concurrency_limit: int | msgspec.UnsetType | None = msgspec.UNSET
    collision_strategy: CollisionStrategy | msgspec.UnsetType = msgspec.UNSET
    concurrency_key: str | msgspec.UnsetType | None = msgspec.UNSET
    priority: int | msgspec.UnsetType = msgspec.UNSET
    on_crash: Literal["resume", "fail"] | msgspec.UnsetType = msgspec.UNSET
    max_recoveries: int | msgspec.UnsetType = msgspec.UNSET
    recovery_delay: float | msgspec.UnsetType = msgspec.UNSET
    start_rate: float | msgspec.UnsetType | None = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET
