"""Stand-ins for values that nobody has computed: what a task gives while its flow is only drawn.

What is made of one (an attribute, an item, a sum, a call) is another, and remembers where it came from. What would
need the value itself (its items, its length, a number) is refused with a word on what to do.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator
from typing import Any, Final, NoReturn, Protocol

from dalsegno.exceptions import FlowVisualizationError


class Origin(Protocol):
    """What stand-ins ask of the drawing that they belong to."""

    def sources_of(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """Return what the stand-ins among some values come from."""
        ...

    def count_step(self) -> None:
        """Be told of a condition. Raises FlowVisualizationError when there is no end to them."""
        ...


class Placeholder:
    """A value that is not known. Every condition on it holds."""

    __slots__ = ("_drawing", "_nodes", "_title", "__weakref__")

    def __init__(self, drawing: Origin, nodes: tuple[Any, ...], title: str) -> None:
        self._drawing = drawing
        self._nodes = nodes
        self._title = title

    # --- what is made of it

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # protocols that Python and libraries look for: it has none of them
            raise AttributeError(f"{self!r} has no attribute {name!r}.")
        return self._derived()

    def __getitem__(self, key: Any) -> Any:
        return self._derived(key)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._derived(args, kwargs)

    def _derived(self, *others: Any) -> Placeholder:
        more = self._drawing.sources_of({"others": others}) if others else ()
        return Placeholder(self._drawing, tuple(dict.fromkeys((*self._nodes, *more))), self._title)

    def __await__(self) -> Generator[Any, None, Placeholder]:
        yield from ()
        return self

    def __enter__(self) -> Placeholder:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    async def __aenter__(self) -> Placeholder:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    # --- what is changed in it is changed in nothing

    def __setattr__(self, name: str, value: Any) -> None:
        if name in Placeholder.__slots__:
            object.__setattr__(self, name, value)

    def __setitem__(self, key: Any, value: Any) -> None:
        return None

    def __delitem__(self, key: Any) -> None:
        return None

    # --- conditions

    def __bool__(self) -> bool:
        self._drawing.count_step()
        return True

    def __contains__(self, item: Any) -> bool:
        return bool(self)

    __hash__ = object.__hash__

    # --- what needs the value

    def __iter__(self) -> Any:
        self._refuse("its items are asked for", "a list, for example")

    def __aiter__(self) -> Any:
        self._refuse("its items are asked for", "a list, for example")

    def __reversed__(self) -> Any:
        self._refuse("its items are asked for", "a list, for example")

    def __len__(self) -> int:
        self._refuse("its length is asked for", "a list, for example")

    def __index__(self) -> int:
        self._refuse("a whole number is asked for", "a number")

    __int__ = __index__

    def __float__(self) -> float:
        self._refuse("a number is asked for", "a number")

    def __fspath__(self) -> str:
        self._refuse("a path is asked for", "a path")

    def __reduce__(self) -> Any:
        self._refuse("it is to be pickled", "a value that can be")

    def _refuse(self, what: str, example: str) -> NoReturn:
        raise FlowVisualizationError(
            f"{self!r} is the stand-in for what {self._title} gives, and {what}. No task runs while a flow is drawn: "
            f"set viz_return_value=... on the task (to {example}), and it gives that then."
        )

    def __repr__(self) -> str:
        return f"<value of {self._title}>"


_OPERATORS: Final = (
    *("lt", "le", "eq", "ne", "gt", "ge"),
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift"),
    *("radd", "rsub", "rmul", "rtruediv", "rfloordiv", "rmod", "rpow", "rmatmul", "rand", "ror", "rxor"),
    *("neg", "pos", "abs", "invert", "round"),
)


def _make_operator(name: str) -> Callable[..., Placeholder]:
    def derive(self: Placeholder, *others: Any) -> Placeholder:
        return self._derived(*others)  # pyright: ignore[reportPrivateUsage]

    derive.__name__ = name
    return derive


for _name in _OPERATORS:
    setattr(Placeholder, f"__{_name}__", _make_operator(f"__{_name}__"))

nodes_of: Callable[[Placeholder], tuple[Any, ...]] = operator.attrgetter("_nodes")
"""Gives what a stand-in comes from."""
