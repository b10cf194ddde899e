"""Flows: functions that call tasks, whose runs are recorded and pick up where they left off.

What happens when one is called is `dalsegno._engine.calling.call_flow`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypedDict, TypeVar, overload

from dalsegno._backend.connect import connect
from dalsegno._engine import calling, map_calls, naming
from dalsegno._engine.decorated import Decorated
from dalsegno._engine.definitions import flow_definition, task_definition_of
from dalsegno._engine.futures import FlowRunFuture, FutureList
from dalsegno._engine.options import NotSet, check_timeout
from dalsegno._engine.retrying import RetryDelays, retry_policy
from dalsegno._engine.states import State
from dalsegno.deployments.deployable import Deployable
from dalsegno.model.records import EntryPoint, FlowDefinition, TaskDefinition
from dalsegno.model.words import random_run_name
from dalsegno.settings import get_current_settings
from dalsegno.tasks import Task

if TYPE_CHECKING:
    from dalsegno.deployments import aserve, deploy, serve

__all__ = [
    "Flow",
    "FlowDecorator",
    "FlowOptions",
    "aserve",
    "deploy",
    "flow",
    "load_flow_from_entrypoint",
    "select_flow",
    "serve",
]

P = ParamSpec("P")
S2 = ParamSpec("S2")
R = TypeVar("R", covariant=True)
S = TypeVar("S")

Hook = Callable[..., Any]
HOOK_KINDS = ("on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed")


class FlowOptions(TypedDict, total=False):
    """The options of `Flow.with_options`, for functions that pass them on."""

    name: str
    version: str | None
    flow_run_name: Any
    retries: int | None
    retry_delay_seconds: RetryDelays
    task_runner: Any
    description: str | None
    timeout_seconds: float | None
    validate_parameters: bool
    persist_result: bool | None
    result_storage: Any
    result_serializer: Any
    cache_result_in_memory: bool
    log_prints: bool | None
    state_handlers: Sequence[Hook] | None
    on_running: Sequence[Hook] | None
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    on_cancellation: Sequence[Hook] | None
    on_crashed: Sequence[Hook] | None


class Flow(Deployable, Decorated[P, R]):
    """A flow; made by the decorator `flow`. `fn` is the function itself.

    Raises on decoration: ReservedArgumentError, InvalidNameError, TypeError or ValueError for options that cannot be.
    """

    kind = "flow"

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        version: str | None = None,
        flow_run_name: Any = None,
        retries: int | None = None,
        retry_delay_seconds: RetryDelays = None,
        task_runner: Any = None,
        description: str | None = None,
        timeout_seconds: float | None = None,
        validate_parameters: bool = True,
        persist_result: bool | None = None,
        result_storage: Any = None,
        result_serializer: Any = None,
        cache_result_in_memory: bool = True,
        log_prints: bool | None = None,
        state_handlers: Sequence[Hook] | None = None,
        on_running: Sequence[Hook] | None = None,
        on_completion: Sequence[Hook] | None = None,
        on_failure: Sequence[Hook] | None = None,
        on_cancellation: Sequence[Hook] | None = None,
        on_crashed: Sequence[Hook] | None = None,
    ) -> None:
        given = {key: value for key, value in locals().items() if key not in ("self", "fn")}
        self._options: dict[str, Any] = given
        self._set_function(fn)
        self.name = naming.flow_name(self.fn) if name is None else naming.check_flow_name(name)
        self._version = version
        self.description = description if description is not None else inspect.getdoc(self.fn)
        naming.check_run_name(flow_run_name, "flow")
        self.flow_run_name = flow_run_name
        defaults = get_current_settings().flows
        self.retries: int = defaults.default_retries if retries is None else retries
        self.retry_delay_seconds: Any = (
            defaults.default_retry_delay_seconds if retry_delay_seconds is None else retry_delay_seconds
        )
        self.retry = retry_policy(self.retries, self.retry_delay_seconds)
        self.timeout_seconds = check_timeout(timeout_seconds, "flow", self.name)
        self.should_validate_parameters = validate_parameters
        self.task_runner = _runner(task_runner)
        self.log_prints = log_prints
        keeps = result_storage is not None or result_serializer is not None
        self.persist_result = True if persist_result is None and keeps else persist_result
        self.result_storage = result_storage
        self.result_serializer = result_serializer
        self.cache_result_in_memory = cache_result_in_memory
        self._set_hooks(given)
        self._definition: FlowDefinition | None = None
        self._stand_in: StandIn | None = None

    # --- what the engine asks

    @property
    def definition(self) -> FlowDefinition:
        """What is recorded of the flow itself; reads its file once."""
        if self._definition is None:
            self._definition = flow_definition(self.fn, self.name, self._version, self.description)
        return self._definition

    @property
    def version(self) -> str | None:
        """As given, or else a hash of the flow's file."""
        return self.definition.version

    @property
    def entry(self) -> EntryPoint:
        """Where the flow's code is, so that it can be run again."""
        from dalsegno._engine.entrypoints import describe_entry

        return describe_entry(self.fn)

    @property
    def stand_in(self) -> StandIn:
        """The task that stands for the flow in a parent's record."""
        if self._stand_in is None:
            self._stand_in = StandIn(self)
        return self._stand_in

    @property
    def ismethod(self) -> bool:
        """Whether it is bound to an instance."""
        return self.bound_to is not None and self._wrapper is None

    @property
    def isclassmethod(self) -> bool:
        return self._wrapper is classmethod

    @property
    def isstaticmethod(self) -> bool:
        return self._wrapper is staticmethod

    def render_run_name(self, parameters: dict[str, Any]) -> str:
        """Return the name of a run: from the template, or else two random words."""
        if self.flow_run_name is None:
            return random_run_name()
        return naming.render_run_name(self.flow_run_name, parameters, "flow")

    def prepare(self) -> None:
        """Do now what the first run of it would do: read its source, and the types of its parameters."""
        from dalsegno._engine.parameters import prepare

        _ = self.definition
        if self.should_validate_parameters:
            prepare(self.plan, self.fn)

    def validated(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return parameters as the annotations want them. Raises ParameterTypeError."""
        from dalsegno._engine.parameters import validate

        return validate(self.plan, self.fn, parameters)

    def parameters_text(self, parameters: dict[str, Any]) -> str:
        """Return parameters as JSON for people."""
        from dalsegno._engine.parameters import parameters_text

        return parameters_text(parameters)

    # --- parameters

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return parameters by name, checked and coerced by the annotations.

        Raises ParameterTypeError, which names each field that is wrong and why.
        """
        return self.validated(self.plan.with_defaults(parameters))

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return parameters in a form that JSON can hold; what cannot be is left out.

        Example:
            >>> nightly.serialize_parameters({"day": date(2026, 1, 31)})
            {'day': '2026-01-31'}
        """
        from dalsegno._engine.parameters import serialize_parameters

        return serialize_parameters(parameters)

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the parameters."""
        from dalsegno._engine.parameters import parameter_schema

        return parameter_schema(self.fn, self.plan)

    # --- calling

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(
        self: Flow[..., Coroutine[Any, Any, S]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Any = None,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State[S]]: ...
    @overload
    def __call__(self, *args: Any, return_state: Literal[True], wait_for: Any = None, **kwargs: Any) -> State[R]: ...
    @overload
    def __call__(self, *args: Any, wait_for: Iterable[Any], **kwargs: Any) -> R: ...
    def __call__(self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Run the flow here and now and give what its function returns; a coroutine if that is async.

        Inside another flow or a task it is a nested flow run. Two arguments are the call's own: ``return_state=True``
        gives the final State instead, and a failure of the body is then not raised; ``wait_for=[...]`` names futures
        and States that must have completed before.

        Raises:
            ParameterBindError: The arguments do not fit the function's signature; nothing runs.
            ParameterTypeError: They do not fit its annotations.
        """
        return calling.call_flow(self, args, kwargs, return_state, wait_for, connect)

    @overload
    def submit(self: Flow[P, Coroutine[Any, Any, S]], *args: P.args, **kwargs: P.kwargs) -> FlowRunFuture[S]: ...
    @overload
    def submit(self: Flow[P, R], *args: P.args, **kwargs: P.kwargs) -> FlowRunFuture[R]: ...
    def submit(self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Run the flow as a nested flow run beside what the caller does next, and give a future at once.

        Raises RuntimeError outside of flows.

        Example:
            >>> futures = [load_region.submit(region) for region in regions]
        """
        future = calling.submit_flow(self, self.plan.bind(args, kwargs), wait_for, connect)
        if return_state:
            future.wait()
            return future.state
        return future

    def map(
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Any = None,
        max_in_flight: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Submit one nested flow run for each item of the iterable arguments, as `Task.map` does for tasks."""
        futures: FutureList[Any] = map_calls.submit_all(
            self.plan,
            self.plan.bind_given(args, kwargs),
            lambda children: [calling.submit_flow(self, one, wait_for, connect) for one in children],
            max_in_flight,
        )
        if return_state:
            futures.wait()
            return [future.state for future in futures]
        return futures

    # --- pictures

    def visualize(self, *args: Any, **kwargs: Any) -> Any:
        """Draw the flow's graph, as ``<name of the flow>.png`` in the current folder, and return it.

        The arguments are the flow's. Its body is followed once, and those of nested flows; no task runs and nothing is
        recorded. A task gives its `viz_return_value` if that is set, else a stand-in, on which every condition holds.
        Needs the package `graphviz` and the programs of Graphviz. What is returned is a ``graphviz.Digraph``: its
        ``view()`` opens the picture.

        Raises:
            FlowVisualizationError: The package or its programs are missing, or the body needs a value that no task
                gave.

        Example:
            >>> nightly.visualize("2026-01-31")
        """
        from dalsegno._engine.visualizing import visualize

        return visualize(self, args, kwargs)

    def generate_mermaid_graph(self, *args: Any, **kwargs: Any) -> str:
        """Return the flow's graph as Mermaid text; it is made as that of `visualize` is, and needs no package.

        Raises FlowVisualizationError if the body needs a value that no task gave.

        Example:
            >>> print(nightly.generate_mermaid_graph())
            graph TD
                n1["extract"]
                n2["clean"]
                n1 --> n2
        """
        from dalsegno._engine.visualizing import mermaid

        return mermaid(self, args, kwargs)

    async def avisualize(self, *args: Any, **kwargs: Any) -> Any:
        """Do what `visualize` does, beside the loop."""
        return await asyncio.to_thread(self.visualize, *args, **kwargs)

    async def agenerate_mermaid_graph(self, *args: Any, **kwargs: Any) -> str:
        """Do what `generate_mermaid_graph` does, beside the loop."""
        return await asyncio.to_thread(self.generate_mermaid_graph, *args, **kwargs)

    # --- variants

    def with_options(self, **options: Any) -> Flow[P, R]:
        """Return a flow like this one with other options; what is not given is kept.

        Example:
            >>> nightly.with_options(name="nightly test", retries=0)()
        """
        unknown = options.keys() - FlowOptions.__annotations__.keys()
        if unknown:
            raise TypeError(
                f"with_options of the flow {self.name!r} has no option {', '.join(sorted(map(repr, unknown)))}; "
                f"it has {', '.join(FlowOptions.__annotations__)}."
            )
        hooks = {kind: getattr(self, f"{kind}_hooks") for kind in HOOK_KINDS}
        options = {key: value for key, value in options.items() if not isinstance(value, NotSet)}
        fn: Any = self.fn if self._wrapper is None else self._wrapper(self.fn)
        new: Flow[P, R] = type(self)(fn, **{**self._options, **hooks, **options})
        new.bound_to = self.bound_to
        new.origin = self.origin
        return new

    @overload
    def __get__(self, instance: None, owner: type) -> Flow[P, R]: ...
    @overload
    def __get__(self: Flow[Concatenate[Any, S2], R], instance: object, owner: type) -> Flow[S2, R]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        """Bind to an instance or class, as functions do."""
        bound = self._bound(instance, owner)
        if bound is not self:
            bound._definition = self.definition
            bound._stand_in = None
        return bound


class StandIn(Task[Any, Any]):
    """The task that stands for a nested flow in its parent's record; never called itself."""

    def __init__(self, flow: Flow[Any, Any]) -> None:
        super().__init__(
            flow.fn,
            name=flow.name,
            description=flow.description,
            persist_result=flow.persist_result,
            result_storage=flow.result_storage,
            result_serializer=flow.result_serializer,
            cache_result_in_memory=flow.cache_result_in_memory,
        )
        self.caches = False
        self.bound_to = flow.bound_to
        self._flow = flow

    @property
    def definition(self) -> TaskDefinition:
        if self._definition is None:
            of_flow = self._flow.definition
            self._definition = task_definition_of(
                f"flow:{of_flow.name}", of_flow.name, of_flow.version, of_flow.source_hash, ()
            )
        return self._definition


def _runner(runner: Any) -> Any:
    """Return an instance of a task runner, given as an instance, a class, or None for the default."""
    if runner is None:
        from dalsegno.task_runners import ThreadPoolTaskRunner

        return ThreadPoolTaskRunner()
    return runner() if isinstance(runner, type) else runner


class FlowDecorator:
    """The decorator `flow`, which also loads flows from elsewhere: ``flow.from_source(...)``."""

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Flow[P, R]: ...
    @overload
    def __call__(
        self,
        fn: None = None,
        /,
        *,
        name: str | None = None,
        version: str | None = None,
        flow_run_name: Any = None,
        retries: int | None = None,
        retry_delay_seconds: RetryDelays = None,
        task_runner: Any = None,
        description: str | None = None,
        timeout_seconds: float | None = None,
        validate_parameters: bool = True,
        persist_result: bool | None = None,
        result_storage: Any = None,
        result_serializer: Any = None,
        cache_result_in_memory: bool = True,
        log_prints: bool | None = None,
        state_handlers: Sequence[Hook] | None = None,
        on_running: Sequence[Hook] | None = None,
        on_completion: Sequence[Hook] | None = None,
        on_failure: Sequence[Hook] | None = None,
        on_cancellation: Sequence[Hook] | None = None,
        on_crashed: Sequence[Hook] | None = None,
    ) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
    def __call__(self, fn: Any = None, /, **options: Any) -> Any:
        """Make a flow of a function. Works bare and with arguments.

        Args:
            name: By default the function's name with dashes for underscores; it must not hold ``/ % & < >``.
            version: By default a hash of the flow's file.
            flow_run_name: A template over the parameters (``"nightly {day}"``), or a function that returns a name.
            retries: How often a failed body runs again; what completed in it is not run again.
            retry_delay_seconds: A number, a list of numbers, or a function of the number of retries.
            task_runner: Where submitted tasks run: an instance or class of `dalsegno.task_runners`.
            timeout_seconds: The body is ended after so long; the state is then TimedOut.
            validate_parameters: Whether parameters are checked and coerced by the annotations.
            persist_result, result_storage, result_serializer: Whether, where and how results are kept, of the flow and
                of its tasks that do not say otherwise.
            log_prints: Whether `print` writes to the run's log.
            state_handlers: ``fn(flow, old_state, new_state) -> State | None``, called at each change.
            on_running, on_completion, on_failure, on_cancellation, on_crashed: Hooks, ``fn(flow, flow_run, state)``.

        Example:
            >>> @flow(log_prints=True)
            ... def nightly(day: str = "2026-01-31"): ...
            >>> nightly()
        """
        if fn is None:
            return partial(Flow[..., Any], **options)
        return Flow(fn, **options)

    def from_source(self, source: Any, entrypoint: str | Path) -> Flow[..., Any]:
        """Load a flow from a repository, a URL or a folder: see `Flow.from_source`."""
        return Flow.from_source(source, entrypoint)

    async def afrom_source(self, source: Any, entrypoint: str | Path) -> Flow[..., Any]:
        """Do what `from_source` does, beside the loop."""
        return await asyncio.to_thread(self.from_source, source, entrypoint)


flow = FlowDecorator()


def select_flow(
    flows: Iterable[Flow[Any, Any]], flow_name: str | None = None, from_message: str = ""
) -> Flow[Any, Any]:
    """Return the only flow, or the one of that name. Raises MissingFlowError, which lists what there is."""
    from dalsegno._engine.entrypoints import select

    return select(list(flows), flow_name, from_message)


def load_flow_from_entrypoint(entrypoint: str, use_placeholder_flow: bool = True) -> Flow[..., Any]:
    """Load a flow from ``"path/to/file.py:function"`` or ``"package.module:function"``.

    `use_placeholder_flow` is taken for the sake of code that gives it; a flow is never replaced by a placeholder.

    Raises EntrypointError, MissingFlowError or ScriptError, which say what is wrong and where.
    """
    from dalsegno._engine.entrypoints import load_flow

    return load_flow(entrypoint, Flow)


def __getattr__(name: str) -> Any:
    if name not in ("serve", "aserve", "deploy"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dalsegno import deployments

    return getattr(deployments, name)
