"""Marks around an argument that say how futures and iterables in it are treated; not type annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

T = TypeVar("T")


class Annotation(Generic[T]):
    """Base of the marks. A mark holds a value, and never reaches the body of a task: the value does."""

    __slots__ = ("value",)

    value: T

    if TYPE_CHECKING:
        # To a type checker a marked value is the value: marks may stand where a task expects its own types.
        def __new__(cls, value: T) -> T: ...  # pyright: ignore[reportInconsistentConstructor]

    else:

        def __init__(self, value: T) -> None:
            self.value = value

    def unwrap(self) -> T:
        """Return the value."""
        return self.value

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(cast("Annotation[Any]", other).value == self.value)

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class unmapped(Annotation[T]):
    """In `map`: give the whole value to each child, also if it is iterable.

    Example:
        >>> revenue.map(countries, unmapped(orders))
    """

    __slots__ = ()


class flatten(Annotation[T]):
    """In `map`: the value is an iterable of iterables; one child for each item of the inner ones.

    Example:
        >>> parse.map(flatten([["a.csv", "b.csv"], ["c.csv"]]))   # three children
    """

    __slots__ = ()


class allow_failure(Annotation[T]):
    """Let a task run though the future or State inside failed: the body gets the exception in its place.

    In `wait_for` it only drops the condition.

    Example:
        >>> report.submit(allow_failure(total))
    """

    __slots__ = ()


class quote(Annotation[T]):
    """Do not look inside the value: futures and States in it are handed on as they are.

    Example:
        >>> inspect_state(quote(state))
    """

    __slots__ = ()


class opaque(Annotation[T]):
    """Replace the future inside by its result, and do not look inside that result.

    Example:
        >>> load(opaque(rows_future))
    """

    __slots__ = ()


ANNOTATIONS: frozenset[type[Any]] = frozenset({unmapped, flatten, allow_failure, quote, opaque})
