"""Drawing a flow: its body is followed once while every call of a task is noted instead of made.

Begin with `draw`. Nothing is recorded and no database is opened. What becomes of the drawing, a text or a graph,
is `visualizing`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from dalsegno._engine import inputs
from dalsegno._engine.annotations import quote
from dalsegno._engine.calls import CallPlan
from dalsegno._engine.context import RunContext, enter_scope, leave_scope
from dalsegno._engine.drawn_maps import drawn_children, opened
from dalsegno._engine.futures import FlowRunFuture, Future, FutureList, RunFuture, is_input
from dalsegno._engine.graphs import STEP_LIMIT, Graph, Node, result_of
from dalsegno._engine.placeholders import Placeholder
from dalsegno._engine.runs import COMPLETED, now
from dalsegno._engine.spec import FlowSpec, TaskSpec
from dalsegno._engine.states import State, engine_state
from dalsegno._engine.unrecorded import NoSession, endless_transaction, unlock
from dalsegno.exceptions import FlowVisualizationError
from dalsegno.model.ids import new_id


class DrawingScope(RunContext):
    """The scope of a body that is drawn. It stands where a run's scope stands, but there is no run."""

    flow_run: Any = None
    task: Any = None
    task_run: Any = None
    submissions: Any = None
    task_runner: Any = None
    persist_result = False
    log_prints = False
    closed = False
    detached = False
    scope_id = bytes(16)

    def __init__(
        self,
        graph: Graph,
        flow: FlowSpec,
        parameters: dict[str, Any],
        parent: DrawingScope | None,
        group: Node | None,
    ) -> None:
        self.drawing = self
        self.graph = graph
        self.flow = flow
        self.parameters = parameters
        self.parent = parent
        self.group = group
        self.merging: _Merging | None = None
        """Set while a `map` submits its children, which are one node."""
        self.is_async = flow.is_async
        self.session = cast("Any", NoSession(graph))
        self.transaction = endless_transaction(self)

    @property
    def flow_scope(self) -> Any:
        return self

    # --- tasks

    def call_task(
        self, task: TaskSpec, args: tuple[Any, ...], kwargs: dict[str, Any], return_state: bool, wait_for: Any
    ) -> Any:
        """Note a call of a task, and give what it gives: a value, a State, a coroutine or a generator."""
        node = self.add_node(task.name, task.plan.bind(args, kwargs), wait_for)
        if task.is_generator:
            return _stream(self._items(task, node), task.is_async)
        value = self._value(task, node)
        if return_state:
            value = self.state_of(value, node)
        return _awaited(value) if task.is_async else value

    def submit_task(self, task: TaskSpec, parameters: dict[str, Any], wait_for: Any) -> Future[Any]:
        """Note a call of a task, and give a future that is done."""
        node = self.add_node(task.name, parameters, wait_for)
        value = self._items(task, node) if task.is_generator else self._value(task, node)
        return self._future(Future, value, node)

    def add_node(self, name: str, parameters: Mapping[str, Any], wait_for: Any, is_flow: bool = False) -> Node:
        merging = self.merging
        node = None if merging is None else merging.node
        if node is None:
            node = self.graph.add(name, is_flow=is_flow, is_mapped=merging is not None, group=self.group)
            if merging is not None:
                merging.node = node
        if not is_flow:
            node.sources.update(dict.fromkeys(self.graph.sources_of(parameters)))
        node.sources.update(dict.fromkeys(self.graph.sources_of({"wait_for": wait_for})))
        return node

    def _value(self, task: TaskSpec, node: Node) -> Any:
        if task.viz_return_value is not None:
            return self.graph.give(task.viz_return_value, node)
        self.graph.without_value[task.name] = None
        return Placeholder(self.graph, (node,), f"the task {task.name!r}")

    def _items(self, task: TaskSpec, node: Node) -> list[Any]:
        """Return what a generator task gives: one stand-in, if it is not said."""
        value = self._value(task, node)
        return [value] if isinstance(value, Placeholder) else self.graph.note(list(value), node)

    def state_of(self, value: Any, node: Node) -> State[Any]:
        return self.graph.note(engine_state(COMPLETED, now(), None, None, value, None), node)

    def _future(self, kind: Any, value: Any, node: Node, *more: Any) -> Any:
        run = SimpleNamespace(
            name=node.name,
            state=self.state_of(value, node),
            id=UUID(bytes=new_id()),
            execution_id=None,
            session=None,
        )
        future = kind(run, *more)
        future.set_done()
        return self.graph.note(future, node)

    # --- nested flows

    def call_flow(
        self, flow: FlowSpec, args: tuple[Any, ...], kwargs: dict[str, Any], return_state: bool, wait_for: Any
    ) -> Any:
        """Follow the body of a nested flow, and give what it gives."""
        nested = _Nested(self, flow, flow.plan.bind(args, kwargs), wait_for)
        if flow.is_generator:
            items = nested.followed_to_the_end()
            return _stream([items] if isinstance(items, Placeholder) else items, flow.is_async)
        if flow.is_async:
            return _awaited_flow(nested, return_state)
        value = nested.followed_to_the_end()
        return self.state_of(value, nested.node) if return_state else value

    def submit_flow(self, flow: FlowSpec, parameters: dict[str, Any], wait_for: Any) -> FlowRunFuture[Any]:
        """Follow the body of a nested flow, and give a future that is done. Of a `map`, one body is followed."""
        merging = self.merging
        if merging is not None and merging.node is not None:
            node, value = self.add_node(flow.name, parameters, wait_for, True), merging.value
            node.sources.update(dict.fromkeys(s for s in self.graph.sources_of(parameters) if s not in merging.drawn))
        else:
            nested = _Nested(self, flow, parameters, wait_for)
            node, value = nested.node, nested.followed_to_the_end()
            if merging is not None:
                merging.value, merging.drawn = value, nested.drawn
        return self._future(FlowRunFuture, value, node, new_id())

    # --- maps

    def map(
        self, plan: CallPlan, given: Mapping[str, Any], submit: Callable[[dict[str, Any]], RunFuture[Any]], lazy: bool
    ) -> FutureList[Any]:
        """Note a mapped call: one node, however many children it has. What is not known is one child."""
        values = {name: opened(value) for name, value in given.items()}
        futures: FutureList[Any] = FutureList()
        merging = _Merging()
        for parameters in drawn_children(plan, values, lazy):
            outer, self.merging = self.merging, merging
            try:
                futures.append(submit(parameters))
            finally:
                self.merging = outer  # what makes the items is no child
        node = merging.node
        if node is None:
            return futures
        if not node.is_flow:
            node.sources.update(dict.fromkeys(self.graph.sources_of(given)))
        return self.graph.note(futures, node)


# --- following a body


def draw(flow: FlowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Graph:
    """Follow the body of a flow, and return what it calls.

    Raises:
        ParameterBindError, ParameterTypeError: The arguments do not fit the flow.
        FlowVisualizationError: The body cannot be followed without the values of its tasks.
    """
    parameters = flow.plan.bind(args, kwargs)
    if flow.should_validate_parameters:
        parameters = flow.validated(parameters)
    graph = Graph(flow.name)
    scope = DrawingScope(graph, flow, parameters, None, None)
    try:
        follow(scope)
    except FlowVisualizationError:
        raise
    except Exception as error:
        raise FlowVisualizationError(_explain(graph, error)) from error
    return graph


def follow(scope: DrawingScope) -> Any:
    """Run a body in its scope, to the end."""
    with _standing_in(scope):
        if scope.is_async:
            return _finish(_body(scope))
        args, kwargs = scope.flow.plan.arguments(scope.parameters)
        value: Any = scope.flow.fn(*args, **kwargs)
        return list[Any](islice(value, STEP_LIMIT)) if scope.flow.is_generator else value


async def _body(scope: DrawingScope) -> Any:
    args, kwargs = scope.flow.plan.arguments(scope.parameters)
    if not scope.flow.is_generator:
        return await scope.flow.fn(*args, **kwargs)
    items: list[Any] = []
    async with contextlib.aclosing(scope.flow.fn(*args, **kwargs)) as stream:
        async for item in stream:
            items.append(item)
            if len(items) == STEP_LIMIT:
                break
    return items


def _finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, in another thread if a loop runs in this one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((asyncio.run(coroutine), None))
        except BaseException as error:
            outcome.extend((None, error))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="dalsegno-drawing")
    thread.start()
    thread.join()
    value, error = outcome
    if error is not None:
        raise error
    return value


@contextlib.contextmanager
def _standing_in(scope: DrawingScope) -> Generator[None]:
    token = enter_scope(cast("Any", scope))
    try:
        yield
    except BaseException as error:
        graph = scope.graph
        if graph.failed is None or graph.failed[0] is not error:
            graph.failed = (error, scope.flow.name)
        raise
    finally:
        leave_scope(token)
        unlock(scope.transaction)


def _explain(graph: Graph, error: Exception) -> str:
    name = graph.failed[1] if graph.failed is not None and graph.failed[0] is error else graph.name
    told = f"The flow {graph.name!r} cannot be drawn: the body of {name!r} raised {type(error).__name__}: {error}."
    if not graph.without_value:
        return told
    tasks = ", ".join(map(repr, graph.without_value))
    return (
        f"{told} No task runs while a flow is drawn; these gave stand-ins in place of values: {tasks}. Where the body "
        "needs a value, set viz_return_value=... on the task that gives it."
    )


class _Merging:
    """A `map` under way: the node that its children share."""

    def __init__(self) -> None:
        self.node: Node | None = None
        self.value: Any = None
        self.drawn: frozenset[Node] = frozenset()


class _Nested:
    """A nested flow whose body is followed."""

    def __init__(self, scope: DrawingScope, flow: FlowSpec, parameters: dict[str, Any], wait_for: Any) -> None:
        graph = scope.graph
        self.scope = scope
        self.flow = flow
        self.sources = graph.sources_of(parameters)
        self.drawn: frozenset[Node] = frozenset()
        parameters = inputs.replace_inputs(parameters, is_input, result_of)
        if flow.should_validate_parameters and not self.sources:
            parameters = flow.validated(parameters)
        self.node = scope.add_node(flow.name, {}, wait_for, True)
        self.inner = DrawingScope(graph, flow, parameters, scope, self.node)

    @property
    def is_recursive(self) -> bool:
        """Whether the body is being followed already: it would not end, since every condition holds."""
        above: DrawingScope | None = self.scope
        while above is not None:
            if above.flow.plan.name == self.flow.plan.name and above.flow.name == self.flow.name:
                return True
            above = above.parent
        return False

    def followed_to_the_end(self) -> Any:
        """Follow the body, in a loop of its own if it is a coroutine."""
        if self.is_recursive:
            return self.unfollowed()
        return self.ended(follow(self.inner))

    async def followed(self) -> Any:
        """Follow the body of an async flow in this loop."""
        if self.is_recursive:
            return self.unfollowed()
        with _standing_in(self.inner):
            return self.ended(await _body(self.inner))

    def unfollowed(self) -> Any:
        self.node.sources.update(dict.fromkeys(self.sources))
        return Placeholder(self.scope.graph, (self.node,), f"the flow {self.flow.name!r}")

    def ended(self, value: Any) -> Any:
        """Note what the flow takes that no call in it was seen to take; give its value."""
        graph = self.scope.graph
        self.drawn = frozenset(source for node in graph.inside(self.node) for source in node.sources)
        self.node.sources.update(dict.fromkeys(source for source in self.sources if source not in self.drawn))
        if graph.sources_of({"value": value}):
            return _resolved(value)
        return graph.give(value, self.node)


# --- values


def _resolved(value: Any) -> Any:
    """Put results in the place of the futures and States that a nested flow returned."""
    if isinstance(value, quote):
        return cast("quote[Any]", value).value
    return inputs.replace_inputs(value, is_input, result_of)


async def _awaited(value: Any) -> Any:
    return value


async def _awaited_flow(nested: _Nested, return_state: bool) -> Any:
    value = await nested.followed()
    return nested.scope.state_of(value, nested.node) if return_state else value


def _stream(items: list[Any], is_async: bool) -> Any:
    return _stream_async(items) if is_async else (item for item in items)


async def _stream_async(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
