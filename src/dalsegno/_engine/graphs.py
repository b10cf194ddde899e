"""The graph of a flow while it is drawn: the calls so far, and which of them gave which value."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, cast

from dalsegno._engine import inputs
from dalsegno._engine.annotations import Annotation, quote
from dalsegno._engine.futures import RunFuture
from dalsegno._engine.placeholders import Placeholder, nodes_of
from dalsegno._engine.states import State, state_result
from dalsegno.exceptions import FlowVisualizationError

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


class Graph:
    """What is known of the graph of a flow so far."""

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
                f"The flow {self.name!r} cannot be drawn: over {STEP_LIMIT} calls and tests of stand-ins were made. A "
                "loop that waits for what a task gives never ends while tasks do not run (every condition on a "
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
        if value is None or isinstance(value, bool) or is_stand_in(value):
            return value
        own = self._copied(value, node)
        return own if _is_shared(own) else self.note(own, node)

    def note(self, value: Any, node: Node) -> Any:
        """Remember that this very object comes from a call."""
        self._given[id(value)] = (value, (node,))
        return value

    def _copied(self, value: Any, node: Node) -> Any:
        kind = cast("Any", type(value))
        if kind in (list, tuple):
            return cast("Any", kind([self.give(item, node) for item in value]))
        if kind is dict:
            return {key: self.give(item, node) for key, item in value.items()}
        if kind in (str, bytes):
            return value[:1] + value[1:]
        if kind in (int, float):
            return kind(str(value))
        return value


def is_stand_in(value: Any) -> bool:
    """Tell whether a value stands for what a call gives; looks at its type only."""
    return isinstance(value, (Placeholder, RunFuture, State))


def result_of(item: Any, allow_failure: bool = False) -> Any:
    """Return what a future or State of a call holds."""
    return state_result(cast("Any", item.state if isinstance(item, RunFuture) else item))


def _is_shared(value: Any) -> bool:
    """Tell whether the interpreter may have one such object for all that are equal."""
    if type(value) is int:
        return -6 < value < 257
    return type(value) in (str, bytes, tuple, frozenset) and len(value) < 2


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return list(cast("dict[Any, Any]", value).values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return cast("Iterable[Any]", value)
    if isinstance(value, Annotation) and not isinstance(value, quote):
        return (cast("Annotation[Any]", value).value,)
    return ()
