"""`run_deployment`: asking for a run of a deployment and, if wanted, waiting for it.

In the body of a flow it is a recorded step: its task run stands for the run that was asked for. A flow that is picked
up finds that run again, by an idempotency key that is the step's own address; one that ended otherwise than Completed
is asked for anew, as a failed task runs again.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Generator, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dalsegno._backend.connect import connect, open_remote
from dalsegno._backend.protocol import Backend
from dalsegno._backend.run_waiting import RunWait, read_run
from dalsegno._engine.awaiting import in_thread
from dalsegno._engine.context import TaskRunContext, current_scope, current_tags
from dalsegno._engine.dispatch import in_async_context
from dalsegno._engine.outside import wait_outside
from dalsegno._engine.parameters import serialize_parameters
from dalsegno.exceptions import BackendUnavailable, DalsegnoException, FlowRunWaitTimeout, ObjectNotFound
from dalsegno.model.deployments import DeploymentFilter, DeploymentRun, DeploymentView, RequestedRun
from dalsegno.model.ids import parse_id
from dalsegno.model.resources.flow_runs import FlowRun, to_flow_run
from dalsegno.model.states import TERMINAL_TYPES, StateType
from dalsegno.model.views import Page
from dalsegno.settings import Settings
from dalsegno.tasks import task

if TYPE_CHECKING:
    from dalsegno.client import Client, SyncClient

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def run_deployment(
    name: str | uuid.UUID,
    client: Client | SyncClient | None = None,
    parameters: Mapping[str, Any] | None = None,
    scheduled_time: datetime | None = None,
    flow_run_name: str | None = None,
    timeout: float | None = None,
    poll_interval: float | None = None,
    tags: Iterable[str] | None = None,
    idempotency_key: str | None = None,
    work_queue_name: str | None = None,
    as_subflow: bool = True,
    job_variables: Mapping[str, Any] | None = None,
    *,
    priority: int | None = None,
) -> Any:
    """Ask for a run of a deployment, wait until it has ended, and give it back as it is then.

    Nothing is raised for how it ended: look at its `state`. In the body of a flow it is a recorded step: a flow that
    is picked up does not ask again, unless the run ended otherwise than Completed. In a coroutine it is to be awaited.

    Args:
        name: ``"flow/deployment"``, or the deployment's id.
        client: Whose server is asked, in place of what the settings in force name.
        parameters: They go before those of the deployment.
        scheduled_time: When it is to start; without a zone in UTC; None: now.
        flow_run_name: None: two random words.
        timeout: Seconds to wait for its end at most; 0: do not wait, None: without end. What has not ended then is
            given back as it is, and goes on.
        poll_interval: The least seconds between two looks at it, where much changes; nothing is asked for in vain.
        tags: Beside those of the deployment, and those in force here.
        idempotency_key: A second wish with the same key gives the first one's run. In a flow, by default, the step's.
        work_queue_name: Of the deployment's pool, in place of its own.
        as_subflow: Whether it is shown as a run of the flow that asks.
        job_variables: They go before those of the deployment.
        priority: Higher goes first; None: that of the deployment.

    Raises:
        ObjectNotFound: There is no such deployment.
        InvalidParameters: The parameters do not fit the flow; which, and why.
        TypeError: A parameter cannot be sent: JSON cannot hold it.

    Example:
        >>> run = run_deployment("nightly/eu", parameters={"day": "2026-01-31"}, timeout=600)
        >>> run.state.name
        'Completed'
    """
    asked = {
        "parameters": dict(parameters or {}),
        "due": _microseconds(scheduled_time),
        "name": flow_run_name,
        "tags": sorted({*(tags or ()), *current_tags()}),
        "idempotency_key": idempotency_key,
        "work_queue_name": work_queue_name,
        "job_variables": dict(job_variables or {}),
        "priority": priority,
    }
    settings = None if client is None else client.settings
    manner = _Manner(None if timeout is None else float(timeout), poll_interval, as_subflow, settings)
    return (_asked_async if in_async_context() else _asked)(str(name), asked, manner)


async def arun_deployment(name: str | uuid.UUID, *args: Any, **kwargs: Any) -> FlowRun:
    """Do what `run_deployment` does."""
    return await run_deployment(name, *args, **kwargs)


class NotCompleted(DalsegnoException):
    """Ends the step whose run did not complete; the caller gets that run all the same."""

    def __init__(self, run: FlowRun, deployment: str) -> None:
        super().__init__(f"Run {run.name!r} of deployment {deployment!r} ended as {run.state.name}.")
        self.id = run.id


@dataclass(slots=True)
class _Manner:
    """How a wish is sent and waited for: nothing of it makes it another wish."""

    timeout: float | None
    interval: float | None
    child: bool
    settings: Settings | None
    wait: RunWait | None = None
    stopped: bool = False

    def until_ended(self, backend: Backend, id: bytes) -> FlowRun:
        """Return the run once it has ended, or as it is when the time is up."""
        if self.timeout == 0:
            return to_flow_run(read_run(backend, id))
        self.wait = RunWait(id, self.timeout, self.interval, False)
        if self.stopped:
            self.wait.stop.set()
        try:
            return self.wait.until_ended(backend)
        except FlowRunWaitTimeout:
            return to_flow_run(read_run(backend, id))

    def stop(self) -> None:
        """Have the wait end, from any thread, also before it has begun."""
        self.stopped = True
        if self.wait is not None:
            self.wait.stop.set()


# Not among the arguments of the step: these say what is asked for, and replay compares them.
_manner: ContextVar[_Manner] = ContextVar("dalsegno_run_deployment")


def _asked(name: str, asked: dict[str, Any], manner: _Manner) -> FlowRun:
    if current_scope() is None:
        return _without_run(name, asked, manner)
    token = _manner.set(manner)
    try:
        id = _step(name, asked)
    except NotCompleted as error:
        id = str(error.id)
    finally:
        _manner.reset(token)
    return _as_it_is(id, manner)


async def _asked_async(name: str, asked: dict[str, Any], manner: _Manner) -> FlowRun:
    if current_scope() is None:
        try:
            return await in_thread(_without_run, name, asked, manner)
        finally:
            # The thread is not to outlive a coroutine that was cancelled.
            manner.stop()
    token = _manner.set(manner)
    try:
        id = await _step_async(name, asked)
    except NotCompleted as error:
        id = str(error.id)
    finally:
        _manner.reset(token)
    return await in_thread(_as_it_is, id, manner)


@task(name="run_deployment", task_run_name="{deployment}", persist_result=True)
def _step(deployment: str, asked: dict[str, Any]) -> str:
    scope = TaskRunContext.get()
    assert scope is not None
    manner = _manner.get()
    return wait_outside(scope.session, lambda: _perform(deployment, asked, manner), manner.stop)


@task(name="run_deployment", task_run_name="{deployment}", persist_result=True)
async def _step_async(deployment: str, asked: dict[str, Any]) -> str:
    manner = _manner.get()
    try:
        return await in_thread(_perform, deployment, asked, manner)
    finally:
        manner.stop()


def _perform(deployment: str, asked: dict[str, Any], manner: _Manner) -> str:
    """Ask, and wait; return the id of the run. Raises NotCompleted."""
    scope = TaskRunContext.get()
    assert scope is not None
    flow_run = None if scope.session.detached else scope.flow_run
    parent = flow_run.id_bytes if manner.child and flow_run is not None else None
    with _backend(manner) as backend:
        found = find_deployment(backend, deployment)
        request = _request(found, asked, parent)
        id = (
            _ask(backend, request).flow_run_id
            if request.idempotency_key is not None
            else _by_address(backend, request, scope.task_run.idempotency_key)
        )
        run = manner.until_ended(backend, id)
    if run.state.type in TERMINAL_TYPES and run.state.type != StateType.COMPLETED:
        raise NotCompleted(run, deployment)
    return str(run.id)


def _by_address(backend: Backend, request: DeploymentRun, address: str) -> bytes:
    """Return the run that the step at this address asked for, or asks for now.

    One of an earlier attempt that failed is not the answer; the next one is.
    """
    number = 0
    while True:
        request.idempotency_key = f"{address}-{number}"
        made = _ask(backend, request)
        if made.created:
            return made.flow_run_id
        run = read_run(backend, made.flow_run_id)
        if run.state.type not in TERMINAL_TYPES or run.state.type == StateType.COMPLETED:
            return made.flow_run_id
        number += 1


def _ask(backend: Backend, request: DeploymentRun) -> RequestedRun:
    """Ask for a run, by a key: should the answer be lost, asking once more gives the same run."""
    try:
        return backend.request_deployment_run(request)
    except BackendUnavailable:
        return backend.request_deployment_run(request)


def _without_run(name: str, asked: dict[str, Any], manner: _Manner) -> FlowRun:
    with _backend(manner) as backend:
        request = _request(find_deployment(backend, name), asked, None)
        request.idempotency_key = request.idempotency_key or str(uuid.uuid4())
        made = _ask(backend, request)
        return manner.until_ended(backend, made.flow_run_id)


def _request(found: DeploymentView, asked: Mapping[str, Any], parent: bytes | None) -> DeploymentRun:
    values: dict[str, Any] = {**asked, "parameters": serialize_parameters(asked["parameters"])}
    return DeploymentRun(deployment_id=found.id, parent_flow_run_id=parent, **values)


def find_deployment(backend: Backend, name: str) -> DeploymentView:
    """Return the deployment of a name or id. Raises ObjectNotFound, which offers near names."""
    flow_name, slash, own = name.partition("/")
    if slash:
        found = backend.find_deployment(flow_name, own)
        if found is not None:
            return found
    else:
        with contextlib.suppress(ValueError):
            return backend.read_deployment(parse_id(name))
    known = [
        f"{each.spec.flow_name}/{each.spec.name}"
        for each in backend.list_deployments(DeploymentFilter(), Page(limit=200))
    ]
    from difflib import get_close_matches

    near = [each for each in known if each.endswith(f"/{name}")] or get_close_matches(name, known)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"There are: {', '.join(known) or 'none'}."
    written = "" if slash else ' A deployment is named as "flow/deployment".'
    raise ObjectNotFound(f"There is no deployment {name!r} in {backend.url}.{written} {hint}")


def _as_it_is(id: str, manner: _Manner) -> FlowRun:
    with _backend(manner) as backend:
        return to_flow_run(read_run(backend, id))


@contextlib.contextmanager
def _backend(manner: _Manner) -> Generator[Backend]:
    if manner.settings is None:
        scope = current_scope()
        yield connect() if scope is None or scope.session.detached else scope.session.backend
        return
    backend = open_remote(manner.settings)
    try:
        yield backend
    finally:
        backend.close()


def _microseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND
