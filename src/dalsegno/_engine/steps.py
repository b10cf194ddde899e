"""What a life asks of its driver: the few things that need the outside. See `task_life` and `drivers`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from dalsegno._engine.context import Scope

if TYPE_CHECKING:
    from dalsegno._engine.session import Session


class Call:
    """Call a body in its scope, within its time, and give what it returns (awaited, if it is a coroutine)."""

    __slots__ = ("fn", "args", "kwargs", "scope", "timeout", "log_prints", "timeout_error")

    def __init__(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        scope: Scope,
        timeout: float | None,
        log_prints: bool,
        timeout_error: Callable[[float], Exception],
    ) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.scope = scope
        self.timeout = timeout
        self.log_prints = log_prints
        self.timeout_error = timeout_error


class Sleep:
    """Go on after some seconds; raise if the run of this session is to stop meanwhile."""

    __slots__ = ("seconds", "session")

    def __init__(self, seconds: float, session: Session) -> None:
        self.seconds = seconds
        self.session = session


class WaitFor:
    """Go on when all of these futures are done (anything with `done` and `add_done_callback`)."""

    __slots__ = ("futures",)

    def __init__(self, futures: Sequence[Any]) -> None:
        self.futures = futures


class Invoke:
    """Call a hook in a scope (awaited, if it gives an awaitable) and give what it returns."""

    __slots__ = ("fn", "args", "scope")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], scope: Scope | None) -> None:
        self.fn = fn
        self.args = args
        self.scope = scope


class Block:
    """Call a function of ours that does I/O; in a coroutine this is done in a thread, so that the loop goes on."""

    __slots__ = ("fn",)

    def __init__(self, fn: Callable[[], Any]) -> None:
        self.fn = fn


Step = Call | Sleep | WaitFor | Invoke | Block
Life = Generator[Step, Any, None]
"""The life of a run: yields steps, is sent what they give or thrown what they raise, and returns at its end."""
