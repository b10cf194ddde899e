"""Drawing a flow: its body is followed once while every call of a task is noted instead of made.

Begin with `draw`. Nothing is recorded and no database is opened. What becomes of the drawing, a text or a picture,
is `visualizing`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from itertools import islice
from types import SimpleNamespace
from typing import Any, Final, cast

from dalsegno._engine import inputs
from dalsegno._engine.annotations import Annotation, quote, unmapped
from dalsegno._engine.calls import CallPlan
from dalsegno._engine.context import RunContext, enter_scope, leave_scope
from dalsegno._engine.futures import FlowRunFuture, Future, FutureList, RunFuture
from dalsegno._engine.futures import is_input as is_run_input
from dalsegno._engine.mapping import expand, is_mapped
from dalsegno._engine.placeholders import Placeholder, nodes_of
from dalsegno._engine.runs import COMPLETED, now
from dalsegno._engine.spec import FlowSpec, TaskSpec
from dalsegno._engine.states import State, engine_state, state_result
from dalsegno._engine.transacting import BaseTransaction, transaction_class
from dalsegno.exceptions import FlowVisualizationError
from dalsegno.model.ids import new_id
from dalsegno.settings import get_current_settings

STEP_LIMIT: Final = 10_000
"""So many calls and conditions a drawing may have: `while poll():` on a stand-in would never end."""

TRACE_LIMIT: Final = 10_000
"""So many values are looked at for one call, in search of those that a task gave."""


class Node:
    """A call in a drawing: of a task, or of a nested flow, with what was drawn inside of that."""

    __slots__ = ("name", "number", "is_flow", "is_mapped", "group", "sources")

    def __init__(self, name: str, number: int, is_flow: bool, is_mapped: bool, group: Node | None) -> None:
        self.name = name
        """The name of the task or flow, with " (2)" for its second call."""
        self.number = number
        """Place in the order of the calls, from 1."""
        self.is_flow = is_flow
        self.is_mapped = is_mapped
        self.group = group
        """The nested flow that the call is in."""
        self.sources: dict[Node, None] = {}
        """What it depends on, in order."""

    def is_inside(self, group: Node) -> bool:
        """Tell whether it is in a nested flow, at any depth."""
        return self.group is not None and (self.group is group or self.group.is_inside(group))


class Drawing:
    """What is known of a flow's graph so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.without_value: dict[str, None] = {}
        """The tasks that gave stand-ins, since they have no viz_return_value."""
        self.failed: tuple[BaseException, str] | None = None
        """An error that came out of a body, and the flow whose body that was."""
        self._steps = 0
        self._names: dict[str, int] = {}
        self._given: dict[int, tuple[Any, tuple[Node, ...]]] = {}  # holds the values, so that ids stay theirs
        self._lock = threading.Lock()

    def add(self, name: str, *, is_flow: bool, is_mapped: bool, group: Node | None) -> Node:
        """Note a call."""
        self.count_step()
        with self._lock:
            count = self._names[name] = self._names.get(name, 0) + 1
            title = name if count == 1 else f"{name} ({count})"
            node = Node(title, len(self.nodes) + 1, is_flow, is_mapped, group)
            self.nodes.append(node)
        return node

    def inside(self, group: Node) -> list[Node]:
        """Return what was drawn in a nested flow, at any depth."""
        return [node for node in self.nodes if node.is_inside(group)]

    def count_step(self) -> None:
        """Count a call or a condition. Raises FlowVisualizationError over the limit."""
        self._steps += 1
        if self._steps > STEP_LIMIT:
            raise FlowVisualizationError(
                f"The flow {self.name!r} cannot be drawn: its body made over {STEP_LIMIT} calls and tests of stand-ins. "
                "A loop that waits for what a task gives never ends while tasks do not run (every condition on a "
                "stand-in holds): set viz_return_value=... on that task."
            )

    # --- where values come from

    def sources_of(self, values: Mapping[str, Any]) -> tuple[Node, ...]:
        """Return the calls that gave what is among some values, at any depth."""
        sources: dict[Node, None] = {}
        for found in inputs.find_inputs(values, is_stand_in):
            sources.update(dict.fromkeys(self._nodes_of(found.item)))
        for node in self._trace(values.values()):
            sources[node] = None
        return tuple(sources)

    def _nodes_of(self, item: Any) -> tuple[Node, ...]:
        if isinstance(item, Placeholder):
            return nodes_of(item)
        return self._given.get(id(item), (None, ()))[1]

    def _trace(self, values: Iterable[Any]) -> Iterator[Node]:
        """Find values that tasks gave: they are known by their identity."""
        if not self._given:
            return
        queue = list(values)
        seen: set[int] = set()
        for value in queue:  # grows while it is gone through
            if id(value) in self._given:
                yield from self._given[id(value)][1]
            elif id(value) not in seen and len(queue) < TRACE_LIMIT:
                seen.add(id(value))
                queue += islice(_inside(value), TRACE_LIMIT)

    def give(self, value: Any, node: Node) -> Any:
        """Return a value as that of a call: a copy, where it can be told from its equals only by being one."""
        if value is None or isinstance(value, (bool, Placeholder, RunFuture, State)):
            return value
        own = self._copied(value, node)
        if type(own) is int and -6 < own < 257 or (isinstance(own, (str, bytes, tuple, frozenset)) and len(own) < 2):
            return own  # the interpreter has one of these for all
        return self.note(own, node)

    def note(self, value: Any, node: Node) -> Any:
        """Remember that this very object comes from a call."""
        self._given[id(value)] = (value, (node,))
        return value

    def _copied(self, value: Any, node: Node) -> Any:
        kind = cast("type[Any]", type(value))
        if kind in (list, tuple):
            return kind([self.give(item, node) for item in value])
        if kind is dict:
            return {key: self.give(item, node) for key, item in value.items()}
        if kind in (str, bytes):
            return value[:1] + value[1:]
        if kind in (int, float):
            return kind(str(value))
        return value


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
        picture: Drawing,
        flow: FlowSpec,
        parameters: dict[str, Any],
        parent: DrawingScope | None,
        group: Node | None,
    ) -> None:
        self.drawing = self
        self.picture = picture
        self.flow = flow
        self.parameters = parameters
        self.parent = parent
        self.group = group
        self.merging: _Merging | None = None
        """Set while a `map` submits its children, which are one node."""
        self.is_async = flow.is_async
        self.session = cast("Any", _NoSession())
        self.transaction = _endless_transaction(self)

    @property
    def flow_scope(self) -> Any:
        return self

    # --- tasks

    def call_task(
        self, task: TaskSpec, args: tuple[Any, ...], kwargs: dict[str, Any], return_state: bool, wait_for: Any
    ) -> Any:
        """Note a call of a task, and give what it gives: a value, a State, a coroutine or a generator."""
        node = self._node(task.name, task.plan.bind(args, kwargs), wait_for)
        if task.is_generator:
            return _stream(self._items(task, node), task.is_async)
        value = self._value(task, node)
        if return_state:
            value = self._state(value, node)
        return _awaited(value) if task.is_async else value

    def submit_task(self, task: TaskSpec, parameters: dict[str, Any], wait_for: Any) -> Future[Any]:
        """Note a call of a task, and give a future that is done."""
        node = self._node(task.name, parameters, wait_for)
        value = self._items(task, node) if task.is_generator else self._value(task, node)
        return self._future(Future, value, node)

    def _node(self, name: str, parameters: Mapping[str, Any], wait_for: Any, is_flow: bool = False) -> Node:
        merging = self.merging
        node = None if merging is None else merging.node
        if node is None:
            node = self.picture.add(name, is_flow=is_flow, is_mapped=merging is not None, group=self.group)
            if merging is not None:
                merging.node = node
        if not is_flow:
            node.sources.update(dict.fromkeys(self.picture.sources_of(parameters)))
        node.sources.update(dict.fromkeys(self.picture.sources_of({"wait_for": wait_for})))
        return node

    def _value(self, task: TaskSpec, node: Node) -> Any:
        if task.viz_return_value is not None:
            return self.picture.give(task.viz_return_value, node)
        self.picture.without_value[task.name] = None
        return Placeholder(self.picture, (node,), f"the task {task.name!r}")

    def _items(self, task: TaskSpec, node: Node) -> list[Any]:
        """Return what a generator task gives: one stand-in, if it is not said."""
        value = self._value(task, node)
        return [value] if isinstance(value, Placeholder) else self.picture.note(list(value), node)

    def _state(self, value: Any, node: Node) -> State[Any]:
        return self.picture.note(engine_state(COMPLETED, now(), None, None, value, None), node)

    def _future(self, kind: type[Any], value: Any, node: Node) -> Any:
        run = SimpleNamespace(name=node.name, state=self._state(value, node), id=node.number, execution_id=None)
        future = kind(run) if kind is Future else kind(run, new_id())
        future.set_done()
        return self.picture.note(future, node)

    # --- nested flows

    def call_flow(
        self, flow: FlowSpec, args: tuple[Any, ...], kwargs: dict[str, Any], return_state: bool, wait_for: Any
    ) -> Any:
        """Follow the body of a nested flow, and give what it gives."""
        nested = _Nested(self, flow, flow.plan.bind(args, kwargs), wait_for)
        if flow.is_generator:
            return _stream(nested.followed_to_the_end(), flow.is_async)
        if flow.is_async:
            return _awaited_flow(nested, return_state)
        value = nested.followed_to_the_end()
        return self._state(value, nested.node) if return_state else value

    def submit_flow(self, flow: FlowSpec, parameters: dict[str, Any], wait_for: Any) -> FlowRunFuture[Any]:
        """Follow the body of a nested flow, and give a future that is done. Of a `map`, one body is followed."""
        merging = self.merging
        if merging is not None and merging.node is not None:
            node, value = self._node(flow.name, parameters, wait_for, True), merging.value
            node.sources.update(dict.fromkeys(s for s in self.picture.sources_of(parameters) if s not in merging.drawn))
        else:
            nested = _Nested(self, flow, parameters, wait_for)
            node, value = nested.node, nested.followed_to_the_end()
            if merging is not None:
                merging.value, merging.drawn = value, nested.drawn
        return self._future(FlowRunFuture, value, node)

    # --- maps

    def map(
        self, plan: CallPlan, given: Mapping[str, Any], submit: Callable[[dict[str, Any]], RunFuture[Any]], lazy: bool
    ) -> FutureList[Any]:
        """Note a mapped call: one node, however many children it has. What is not known is one child."""
        opened = {name: _opened(value) for name, value in given.items()}
        futures: FutureList[Any] = FutureList()
        outer, self.merging = self.merging, _Merging()
        try:
            for parameters in _children(plan, opened, lazy):
                futures.append(submit(parameters))
            node = self.merging.node
        finally:
            self.merging = outer
        if node is None:
            return futures
        if not node.is_flow:
            node.sources.update(dict.fromkeys(self.picture.sources_of(given)))
        return self.picture.note(futures, node)


class _Merging:
    """A `map` under way: the node that its children share."""

    def __init__(self) -> None:
        self.node: Node | None = None
        self.value: Any = None
        self.drawn: frozenset[Node] = frozenset()


class _Nested:
    """A nested flow whose body is followed."""

    def __init__(self, scope: DrawingScope, flow: FlowSpec, parameters: dict[str, Any], wait_for: Any) -> None:
        picture = scope.picture
        self.scope = scope
        self.flow = flow
        self.sources = picture.sources_of(parameters)
        self.drawn: frozenset[Node] = frozenset()
        parameters = inputs.replace_inputs(parameters, is_run_input, lambda item, _: state_result(_state_of(item)))
        if flow.should_validate_parameters and not self.sources:
            parameters = flow.validated(parameters)
        self.node = scope._node(flow.name, {}, wait_for, True)  # pyright: ignore[reportPrivateUsage]
        self.inner = DrawingScope(picture, flow, parameters, scope, self.node)

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
        return Placeholder(self.scope.picture, (self.node,), f"the flow {self.flow.name!r}")

    def ended(self, value: Any) -> Any:
        """Note what the flow takes that no call in it was seen to take; give its value."""
        picture = self.scope.picture
        self.drawn = frozenset(source for node in picture.inside(self.node) for source in node.sources)
        self.node.sources.update(dict.fromkeys(source for source in self.sources if source not in self.drawn))
        if picture.sources_of({"value": value}):
            return _resolved(value)
        return picture.give(value, self.node)


# --- following a body


def draw(flow: FlowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Drawing:
    """Follow the body of a flow, and return what it calls.

    Raises:
        ParameterBindError, ParameterTypeError: The arguments do not fit the flow.
        FlowVisualizationError: The body cannot be followed without the values of its tasks.
    """
    parameters = flow.plan.bind(args, kwargs)
    if flow.should_validate_parameters:
        parameters = flow.validated(parameters)
    drawing = Drawing(flow.name)
    try:
        follow(DrawingScope(drawing, flow, parameters, None, None))
    except FlowVisualizationError:
        raise
    except Exception as error:
        raise FlowVisualizationError(_explain(drawing, error)) from error
    return drawing


def follow(scope: DrawingScope) -> Any:
    """Run a body in its scope, to the end."""
    with _standing_in(scope):
        if scope.is_async:
            return _finish(_body(scope))
        args, kwargs = scope.flow.plan.arguments(scope.parameters)
        value = scope.flow.fn(*args, **kwargs)
        return list(islice(value, STEP_LIMIT)) if scope.flow.is_generator else value


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
        picture = scope.picture
        if picture.failed is None or picture.failed[0] is not error:
            picture.failed = (error, scope.flow.name)
        raise
    finally:
        leave_scope(token)
        _unlock(scope.transaction)


def _explain(drawing: Drawing, error: Exception) -> str:
    name = drawing.failed[1] if drawing.failed is not None and drawing.failed[0] is error else drawing.name
    told = f"The flow {drawing.name!r} cannot be drawn: the body of {name!r} raised {type(error).__name__}: {error}."
    if not drawing.without_value:
        return told
    tasks = ", ".join(map(repr, drawing.without_value))
    return (
        f"{told} No task runs while a flow is drawn; these gave stand-ins in place of values: {tasks}. Where the body "
        "needs a value, set viz_return_value=... on the task that gives it."
    )


# --- values


def is_stand_in(value: Any) -> bool:
    """Tell whether a value stands for what a call gives; looks at its type only."""
    return isinstance(value, (Placeholder, RunFuture, State))


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return list(cast("dict[Any, Any]", value).values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return cast("Iterable[Any]", value)
    if isinstance(value, Annotation) and not isinstance(value, quote):
        return (cast("Annotation[Any]", value).value,)
    return ()


def _state_of(item: Any) -> State[Any]:
    return item.state if isinstance(item, RunFuture) else item


def _resolved(value: Any) -> Any:
    """Put results in the place of the futures and States that a nested flow returned."""
    if isinstance(value, quote):
        return cast("quote[Any]", value).value
    return inputs.replace_inputs(value, is_run_input, lambda item, _: state_result(_state_of(item)))


async def _awaited(value: Any) -> Any:
    return value


async def _awaited_flow(nested: _Nested, return_state: bool) -> Any:
    value = await nested.followed()
    return nested.scope._state(value, nested.node) if return_state else value  # pyright: ignore[reportPrivateUsage]


def _stream(items: list[Any], is_async: bool) -> Any:
    return _stream_async(items) if is_async else (item for item in items)


async def _stream_async(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


# --- maps


def _opened(value: Any) -> Any:
    """Put the value in the place of an argument that stands for a list; what is not known, each child gets."""
    if isinstance(value, (RunFuture, State)):
        return _opened(state_result(_state_of(value)))
    if isinstance(value, Placeholder):
        return unmapped(value)
    if isinstance(value, Annotation) and not isinstance(value, (unmapped, quote)):
        mark = cast("Any", value)
        inner = _opened(mark.value)
        if isinstance(inner, unmapped):
            return cast("Any", inner)
        if type(mark).__name__ == "flatten" and is_mapped(inner):
            inner = [[item] if isinstance(item, (Placeholder, RunFuture)) else item for item in inner]
        return type(mark)(inner)
    return value


def _children(plan: CallPlan, opened: Mapping[str, Any], lazy: bool) -> Iterable[dict[str, Any]]:
    """Return the parameters of the children; of an iterable that may have no end, of the first only."""
    unknown = any(isinstance(value, unmapped) and is_stand_in(cast("Any", value).value) for value in opened.values())
    if unknown and not any(is_mapped(value) for value in opened.values()):
        return [plan.with_defaults({name: _unmarked(value) for name, value in opened.items()})]
    children = expand(plan, opened, lazy=lazy)
    return islice(children, 1) if children.length is None else children


def _unmarked(value: Any) -> Any:
    return cast("Any", value).value if isinstance(value, unmapped) else value


# --- what is there in place of a run


class _NoSession:
    """Stands where a run has its session; what is recorded in it is dropped."""

    root_run_id = bytes(16)
    detached = False
    stop = None

    def __init__(self) -> None:
        self.journal = SimpleNamespace(add_artifact=_drop, add_log=_drop, barrier=_drop)
        self.backend = _NoBackend()

    @property
    def settings(self) -> Any:
        return get_current_settings()


class _NoBackend:
    """Stands where a run has its backend: variables can be asked for and set, to no effect."""

    url = "nowhere"

    def get_variable(self, name: str) -> Any:
        return SimpleNamespace(value=Placeholder(Drawing("variables"), (), f"the variable {name!r}"))

    def set_variable(self, view: Any, overwrite: bool) -> bool:
        return True

    def unset_variable(self, name: str) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        raise FlowVisualizationError(
            "This cannot be done while a flow is drawn: it needs the database, and none is opened then. "
            "Move it into a task, which does not run then."
        )


def _drop(*args: Any, **kwargs: Any) -> None:
    """Take what would be recorded."""


def _endless_transaction(scope: DrawingScope) -> BaseTransaction:
    """Return a transaction that never commits: the blocks of the body join it, so that they write nothing."""
    transaction = transaction_class(scope.is_async)()
    transaction.begin_task(cast("Any", scope))
    return transaction


def _unlock(transaction: BaseTransaction | None) -> None:
    """Give back what the blocks of a body had locked."""
    if transaction is not None:
        for child in transaction.children:
            child.unlock()
            _unlock(child)
