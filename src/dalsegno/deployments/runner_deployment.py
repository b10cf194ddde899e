"""A deployment as code describes it, before it is deployed or served."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import msgspec

from dalsegno._backend.connect import connect
from dalsegno._code.storage import Storage, storage_of
from dalsegno.deployments.entrypoints import EntrypointType, local_source
from dalsegno.deployments.limits import limit_of
from dalsegno.deployments.options import DeploymentOptions, check_names, schedules_of
from dalsegno.exceptions import ConfigurationError, ParameterTypeError
from dalsegno.model.deployments import CodeSource, DeploymentSpec, DeploymentView

if TYPE_CHECKING:
    from dalsegno.flows import Flow

_PASSED_ON = (
    "version",
    "concurrency_key",
    "priority",
    "start_rate",
    "on_crash",
    "max_recoveries",
    "work_queue_name",
    "enforce_parameter_schema",
)


@dataclass(frozen=True, slots=True)
class RunnerDeployment:
    """A flow with a name and what it runs by; made by `flow.to_deployment`.

    Example:
        >>> eu = nightly.to_deployment("eu", cron="0 0 * * *", parameters={"region": "eu"})
        >>> serve(eu)
    """

    spec: DeploymentSpec
    """All that is stored of it."""
    storage: Storage | None = None
    """Where its code comes from; None: a folder of this machine."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def flow_name(self) -> str:
        return self.spec.flow_name

    @property
    def full_name(self) -> str:
        """As it is asked for: ``"flow/deployment"``."""
        return f"{self.spec.flow_name}/{self.spec.name}"

    @property
    def entrypoint(self) -> str | None:
        return self.spec.source.entrypoint

    @classmethod
    def from_flow(cls, flow: Flow[..., Any], name: str, **options: Unpack[DeploymentOptions]) -> RunnerDeployment:
        """Describe a deployment of a flow.

        Raises:
            EntrypointError: The flow cannot be found from outside.
            InvalidSchedule: A schedule cannot be.
            ParameterTypeError: Parameters do not fit the flow.
            ConfigurationError: Something else cannot be.
        """
        check_names(options, "to_deployment")
        storage, source = _source(flow, options.get("entrypoint_type", EntrypointType.FILE_PATH))
        given = cast("dict[str, Any]", options)
        limit, strategy = limit_of(options.get("concurrency_limit"))
        values: dict[str, Any] = {key: given[key] for key in _PASSED_ON if given.get(key) is not None}
        values = {"version": flow.version, **values}
        spec = DeploymentSpec(
            flow_name=flow.name,
            name=_name(name),
            flow=flow.definition,
            description=options.get("description", flow.description),
            tags=list(options.get("tags") or []),
            source=source,
            parameters=checked_parameters(flow, options.get("parameters") or {}),
            parameter_schema=flow.parameters,
            job_variables=dict(options.get("job_variables") or {}),
            concurrency_limit=limit,
            collision_strategy=strategy,
            paused=bool(options.get("paused")),
            schedules=schedules_of(options),
            **values,
        )
        return cls(_checked(spec), storage)

    @classmethod
    def from_entrypoint(cls, entrypoint: str, name: str, **options: Unpack[DeploymentOptions]) -> RunnerDeployment:
        """Describe a deployment of the flow that an entry point names, as in ``"flows/etl.py:nightly"``."""
        from dalsegno.flows import load_flow_from_entrypoint

        return cls.from_flow(load_flow_from_entrypoint(entrypoint), name, **options)

    @classmethod
    def from_storage(
        cls, storage: Any, entrypoint: str, name: str, **options: Unpack[DeploymentOptions]
    ) -> RunnerDeployment:
        """Describe a deployment of a flow in a git repository, at a URL or in a folder: see `Flow.from_source`."""
        from dalsegno.flows import Flow

        flow: Flow[..., Any] = Flow.from_source(storage_of(storage), entrypoint)
        return cls.from_flow(flow, name, **options)

    def with_pool(self, work_pool_name: str | None) -> RunnerDeployment:
        """Return the same for the workers of a pool."""
        spec = msgspec.structs.replace(self.spec, work_pool_name=work_pool_name)
        return RunnerDeployment(spec, self.storage)

    def apply(self, work_pool_name: str | None = None) -> uuid.UUID:
        """Make the deployment, or bring it to what is said here, but for what was changed by hand; return its id.

        Raises ObjectNotFound for a work pool that is not there, InvalidRequest for what cannot be.
        """
        chosen = self if work_pool_name is None else self.with_pool(work_pool_name)
        return uuid.UUID(bytes=chosen.applied().id)

    def applied(self) -> DeploymentView:
        """Do what `apply` does; return the deployment as it is then."""
        return connect().apply_deployment(self.spec)


def _checked(spec: DeploymentSpec) -> DeploymentSpec:
    """Return a spec whose values are of the kinds that they have to be. Raises ConfigurationError."""
    try:
        return msgspec.msgpack.decode(msgspec.msgpack.encode(spec), type=DeploymentSpec)
    except (msgspec.ValidationError, TypeError, OverflowError) as error:
        raise ConfigurationError(f"Deployment '{spec.flow_name}/{spec.name}' cannot be: {error}.") from None


def checked_parameters(flow: Flow[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters in the form that JSON has. Raises ParameterTypeError for those that do not fit the flow,
    TypeError for what JSON cannot hold."""
    names = flow.plan.names
    takes_any = any(each.kind is each.VAR_KEYWORD for each in flow.plan.signature.parameters.values())
    unknown = [name for name in parameters if name not in names and not takes_any]
    if unknown:
        raise ParameterTypeError(
            f"The flow {flow.name!r} has no parameter {', '.join(map(repr, unknown))}; it has {', '.join(names)}."
        )
    checked = flow.validated(dict(parameters)) if flow.should_validate_parameters else dict(parameters)
    return flow.serialize_parameters({name: checked[name] for name in parameters})


def _source(flow: Flow[..., Any], kind: EntrypointType) -> tuple[Storage | None, CodeSource]:
    if flow.origin is None:
        return None, local_source(flow, kind)
    storage, entrypoint = flow.origin
    return storage, storage.source(entrypoint)


def _name(name: str) -> str:
    # A file's name is taken as it is in `nightly.to_deployment(__file__)`.
    return Path(name).stem if name.endswith(".py") else name
