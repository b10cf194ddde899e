"""Transactions as user code has them: one for code that is not async, one for async code; both only drive."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from dalsegno._engine.drivers import drive, drive_async
from dalsegno._engine.steps import Life
from dalsegno._engine.transacting import BaseTransaction
from dalsegno._engine.transaction_groups import Hook, Steps, commit_by_hand, roll_back_by_hand

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from dalsegno.results import ResultRecord

T = TypeVar("T")


def transaction_class(is_async: bool) -> type[BaseTransaction]:
    """Return the class whose methods fit the code that uses it."""
    return AsyncTransaction if is_async else Transaction


class Transaction(BaseTransaction):
    """A transaction of code that is not async; made by `dalsegno.transactions.transaction`.

    Example:
        >>> with transaction(key="orders-2026-01-31") as txn:
        ...     if not txn.is_committed():
        ...         load(clean(extract()))
    """

    def begin(self) -> None:
        """Become active; committed, if there is a record under the key. ``with`` does this."""
        _run(self.open())

    def read(self) -> ResultRecord[Any] | None:
        """Return the record under the key, whose `result` is the value; None if there is none."""
        return _run(self.record())

    def commit(self) -> bool:
        """Commit now what is staged inside; tell whether it was committed by this."""
        return _run(commit_by_hand(self))

    def rollback(self) -> bool:
        """Roll back now, and with it those around it; tell whether it was rolled back by this."""
        return _run(roll_back_by_hand(self))

    def run_hook(self, hook: Hook, hook_type: str = "") -> None:
        """Call a hook with this transaction; an async one is run to its end."""
        _run(self.run_one(hook))

    def reset(self) -> None:
        """Stand in it no longer. ``with`` does this."""
        self.close()

    def __enter__(self) -> Self:
        _run(self.enter())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _run(self.leave(error))


class AsyncTransaction(BaseTransaction):
    """A transaction of async code; made by `dalsegno.transactions.atransaction`.

    Example:
        >>> async with atransaction():
        ...     await load(await extract())
    """

    async def begin(self) -> None:
        """Become active; committed, if there is a record under the key. ``async with`` does this."""
        await _run_async(self.open())

    async def read(self) -> ResultRecord[Any] | None:
        """Return the record under the key, whose `result` is the value; None if there is none."""
        return await _run_async(self.record())

    async def commit(self) -> bool:
        """Commit now what is staged inside; tell whether it was committed by this."""
        return await _run_async(commit_by_hand(self))

    async def rollback(self) -> bool:
        """Roll back now, and with it those around it; tell whether it was rolled back by this."""
        return await _run_async(roll_back_by_hand(self))

    async def run_hook(self, hook: Hook, hook_type: str = "") -> None:
        """Call a hook with this transaction; an async one is awaited."""
        await _run_async(self.run_one(hook))

    async def reset(self) -> None:
        """Stand in it no longer. ``async with`` does this."""
        self.close()

    async def __aenter__(self) -> Self:
        await _run_async(self.enter())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await _run_async(self.leave(error))


def _run(steps: Steps[T]) -> T:
    box: list[T] = []
    drive(_into(box, steps))
    return box[0]


async def _run_async(steps: Steps[T]) -> T:
    box: list[T] = []
    await drive_async(_into(box, steps))
    return box[0]


def _into(box: list[T], steps: Steps[T]) -> Life:
    box.append((yield from steps))
