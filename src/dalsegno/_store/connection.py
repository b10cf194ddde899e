"""What the statements of the store run on: connections and databases, whichever of the two kinds they are.

Statements are written in the SQL that both understand, with `?` or `:name` for values; where the two differ, both
texts stand side by side, and `dialect` picks one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from dalsegno._store.changes import Changes, Listener

T = TypeVar("T")

Dialect: TypeAlias = Literal["sqlite", "postgresql"]
Values: TypeAlias = Sequence[Any] | Mapping[str, Any]


class Cursor(Protocol):
    """What a statement gave: its rows, or how many it changed."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection inside a transaction; of use only while the function runs that was handed it."""

    @property
    def dialect(self) -> Dialect: ...
    def execute(self, text: str, values: Values = (), /) -> Cursor: ...
    def executemany(self, text: str, rows: Iterable[Values], /) -> Cursor: ...


class Database(Protocol):
    """A database that may be used from any thread. Raises `BackendError` subclasses only."""

    always_durable: bool
    """Whether every commit is on the disk when it is confirmed: who is told may live on when this machine does not."""

    @property
    def dialect(self) -> Dialect: ...
    @property
    def url(self) -> str:
        """What it is, for people: no passwords."""
        ...

    @property
    def losses(self) -> int:
        """How many times a connection broke: since then the server may have lost what it had not yet on the disk."""
        ...

    def write(
        self,
        work: Callable[[Connection], T],
        *,
        durable: bool = False,
        express: bool = False,
        repeatable: bool = False,
    ) -> T:
        """Run `work` in a transaction of its own; if `durable`, return once it is on the disk.

        It may be run again when others were in its way. With `express` it goes ahead of ordinary writers that wait.
        `repeatable`: doing it twice does no harm, so it is done again too if a connection was lost while it was being
        committed; else that raises BackendUnavailable.
        """
        ...

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that sees one moment of the database and holds up nobody."""
        ...

    def change_token(self) -> Any:
        """Return a value that differs from the last one if anybody may have committed since."""
        ...

    def wait_for_change(self, token: Any, timeout: float) -> Any:
        """Wait until `change_token` is another than this one; return it, or the same after so many seconds."""
        ...

    def announce(self, changes: Changes) -> None:
        """Have those told who wait for what a commit changed; soon, and not inside its transaction."""
        ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call a function, in a thread of the database's, with what anybody changed; return what ends that."""
        ...

    def announce_wish(self) -> None:
        """Wake the processes that execute runs, for something is wanted of some."""
        ...

    def wait_for_wish(self, timeout: float) -> bool:
        """Wait until somebody may want something of runs; False: nobody did in so many seconds.

        One thread of a process waits. Where others can wake it the first time is True at once: what was wanted before
        was told to nobody.
        """
        ...

    def now(self) -> int:
        """Return the time, in microseconds since 1970, by the clock that all who use the database share."""
        ...

    def close(self) -> None: ...
