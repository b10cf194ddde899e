"""Transactions: what is done inside of one stands as a whole or is taken back as a whole.

Written once, as lives of steps (`commit_group`, `roll_back_group`, `leave`); `Transaction` and `AsyncTransaction` only
drive them. What a task run adds is in `task_transactions`.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextvars import ContextVar
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from dalsegno._engine import logs
from dalsegno._engine.context import Scope, TaskRunContext, current_scope
from dalsegno._engine.drivers import drive, drive_async
from dalsegno._engine.options import not_set
from dalsegno._engine.steps import Block, Invoke, Life, Step, WaitFor
from dalsegno.exceptions import ConfigurationError, MissingResult, RunFenced
from dalsegno.model.ids import id_text, new_id

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from dalsegno._engine.task_transactions import TaskPart
    from dalsegno.results import ResultRecord, ResultStore

T = TypeVar("T")
Hook = Callable[..., Any]
Steps = Generator[Step, Any, T]


class CommitMode(Enum):
    """When a transaction commits."""

    EAGER = "EAGER"
    """At its own end, whatever becomes of those around it. The default of an outermost one."""
    LAZY = "LAZY"
    """With the one around it. The default inside of another."""
    OFF = "OFF"
    """Only when `commit` is called: at its end it rolls back."""


class IsolationLevel(Enum):
    """Whether others may work on the same key meanwhile."""

    READ_COMMITTED = "READ_COMMITTED"
    """They may, and see only what was committed."""
    SERIALIZABLE = "SERIALIZABLE"
    """They wait: the key is locked. Needs a store with a lock manager."""


class TransactionState(Enum):
    """Where a transaction stands."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    STAGED = "STAGED"
    COMMITTED = "COMMITTED"
    ROLLED_BACK = "ROLLED_BACK"


_DECIDED = frozenset({TransactionState.COMMITTED, TransactionState.ROLLED_BACK})
_current: ContextVar[BaseTransaction | None] = ContextVar("dalsegno_transaction", default=None)

open_transaction = _current.get
"""Gives the innermost block that is open somewhere around; what `innermost` makes of it depends on the scope."""


def innermost(scope: Scope | None, *, create: bool = False) -> BaseTransaction | None:
    """Return the transaction that code in a scope stands in; with `create` the task run's own, made if need be."""
    found = _current.get()
    while found is not None and found.scope is not scope:
        found = found.parent
    if found is not None or scope is None:
        return found
    if create and scope.transaction is None and isinstance(scope, TaskRunContext):
        scope.transaction = transaction_class(scope.is_async)()
        scope.transaction.begin_task(scope)
    return scope.transaction


def to_join(scope: Scope | None, *, create: bool = False) -> BaseTransaction | None:
    """Return the transaction that what is begun in a scope becomes part of.

    What a hook begins is no part of the transaction that it is a hook of.
    """
    found = innermost(scope, create=create)
    while found is not None and found.settling:
        found = found.parent
    return found


def transaction_class(is_async: bool) -> type[BaseTransaction]:
    """Return the class whose methods fit the code that uses it."""
    return AsyncTransaction if is_async else Transaction


class BaseTransaction:
    """What Transaction and AsyncTransaction share: all but the driving.

    Attributes: `key`, `store`, `state`, `parent`, `children`, `commit_mode`, `isolation_level`, `overwrite`,
    `write_on_commit`, `logger`, `on_commit_hooks`, `on_rollback_hooks`, and `task_run`, the run that it is of.
    """

    def __init__(
        self,
        key: str | None = None,
        store: ResultStore | None = None,
        commit_mode: CommitMode | None = None,
        isolation_level: IsolationLevel | None = None,
        overwrite: bool = False,
        write_on_commit: bool = True,
        logger: Any = None,
    ) -> None:
        self.key = key
        self.store = store
        self.commit_mode = commit_mode
        self.isolation_level = isolation_level
        self.overwrite = overwrite
        self.write_on_commit = write_on_commit
        self.logger = logger
        self.state = TransactionState.PENDING
        self.parent: BaseTransaction | None = None
        self.children: list[BaseTransaction] = []
        self.on_commit_hooks: list[Hook] = []
        self.on_rollback_hooks: list[Hook] = []
        self.values: dict[str, Any] = {}
        self.part: TaskPart | None = None
        """The task run that this is the transaction of; None for a block."""
        self.scope: Scope | None = None
        self.settling = False
        self.closed = False
        """Its block, or the body of its task run, has ended."""
        self._before: BaseTransaction | None = None
        self._value: Any = None
        self._holder: str | None = None

    # --- what it is

    def is_pending(self) -> bool:
        return self.state is TransactionState.PENDING

    def is_active(self) -> bool:
        return self.state is TransactionState.ACTIVE

    def is_staged(self) -> bool:
        return self.state is TransactionState.STAGED

    def is_committed(self) -> bool:
        """Whether it was committed: by an earlier run already, where there is a record under its key."""
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        return self.state is TransactionState.ROLLED_BACK

    @property
    def task_run(self) -> Any:
        """The task run that it is the transaction of, or in whose body it was begun; None elsewhere."""
        if self.part is not None:
            return self.part.run
        return None if self.scope is None else self.scope.task_run

    def get_parent(self) -> BaseTransaction | None:
        """Return the transaction around it, or None."""
        return self.parent

    @classmethod
    def get_active(cls) -> BaseTransaction | None:
        """Return the innermost transaction here, or None."""
        return innermost(current_scope(), create=True)

    def add_child(self, transaction: BaseTransaction) -> None:
        """Have another transaction commit and roll back with this one."""
        transaction.parent = self
        self.children.append(transaction)

    # --- what it holds

    def set(self, name: str, value: Any) -> None:
        """Set a value, for the hooks and for the transactions inside.

        Example:
            >>> get_transaction().set("table", "orders_tmp")
        """
        self.values[name] = value

    def get(self, name: str, default: Any = not_set) -> Any:
        """Return a value that was set here, or a copy of one that was set in a transaction around it.

        What cannot be copied is given as it is. Raises ValueError for an unknown name without a default.
        """
        if name in self.values:
            return self.values[name]
        above = self.parent
        while above is not None:
            if name in above.values:
                return _copied(above.values[name])
            above = above.parent
        if default is not not_set:
            return default
        raise ValueError(f"The transaction has no value {name!r}: call set({name!r}, ...) before, or give a default.")

    def stage(
        self, value: Any, on_rollback_hooks: Iterable[Hook] | None = None, on_commit_hooks: Iterable[Hook] | None = None
    ) -> None:
        """Set the value that a commit writes under the key, and add hooks: ``fn(transaction)``."""
        if self.state in _DECIDED:
            return
        self._value = value
        self.on_rollback_hooks += on_rollback_hooks or ()
        self.on_commit_hooks += on_commit_hooks or ()
        self.state = TransactionState.STAGED

    # --- its life, in steps

    def enter(self) -> Life:
        """Begin, and stand in it from here on."""
        yield from self.open()
        parent = to_join(current_scope(), create=True)
        if parent is not None:
            parent.add_child(self)
        self._before = _current.get()
        _current.set(self)

    def open(self) -> Life:
        """Become active, or committed if there is a record under the key; where isolation asks for it, lock the key."""
        self.scope = current_scope()
        self._take_over(to_join(self.scope, create=True))
        if self.isolation_level is IsolationLevel.SERIALIZABLE:
            yield from self._lock()
        exists = False
        if self.key is not None and not self.overwrite:
            store, key = self._store(), self.key
            try:
                exists = yield Block(lambda: store.exists(key))
            except BaseException:
                self.unlock()
                raise
        self.state = TransactionState.COMMITTED if exists else TransactionState.ACTIVE
        self.closed = False

    def begin_task(self, scope: Scope) -> None:
        """Become active as the transaction of the task run whose body is executed in a scope."""
        self.scope = scope
        self.closed = False
        self.state = TransactionState.ACTIVE

    def record(self) -> Steps[ResultRecord[Any] | None]:
        """Return the record under the key; None if there is none."""
        if self.key is None:
            return None
        store, key = self._store(), self.key
        try:
            return (yield Block(lambda: store.read(key)))
        except MissingResult:
            return None

    def leave(self, error: BaseException | None) -> Life:
        """Come to the end of the block: wait for what was begun in it, then commit, stage or roll back."""
        try:
            if self.scope is not None and self.scope.session.stop is RunFenced:
                # What was done belongs to the attempt that took over.
                for member in _below(self):
                    member.unlock()
                return
            try:
                yield from self._wait()
            except BaseException as problem:
                yield from roll_back_group(self, f"it was broken off ({type(problem).__name__})")
                raise
            yield from self._settle(error)
        finally:
            self.close()

    def _settle(self, error: BaseException | None) -> Life:
        if error is not None:
            yield from roll_back_group(self, f"{type(error).__name__}: {error}")
        elif self.is_rolled_back():
            yield from roll_back_group(self, "rollback() was called")
        elif self.commit_mode is CommitMode.OFF:
            yield from roll_back_group(self, "commit() was not called")
        elif (reason := doom(self)) is not None:
            self.log(logging.WARNING, "The transaction is rolled back: %s.", reason)
            yield from roll_back_group(self, reason)
        elif self.parent is None or self.commit_mode is CommitMode.EAGER:
            yield from commit_group(self)
        elif self.state not in _DECIDED:
            self.state = TransactionState.STAGED

    def close(self) -> None:
        """Stand in it no longer."""
        self.closed = True
        if self.state in _DECIDED or self.parent is None:
            self.unlock()
        if _current.get() is self:
            _current.set(self._before)

    def _wait(self) -> Life:
        submissions = None if self.scope is None else self.scope.submissions
        if submissions is None:
            return
        inside = {id(member.part.run) for member in _below(self) if member.part is not None}
        while waiting := [future for future in list(submissions.open_futures) if id(future.run) in inside]:
            yield WaitFor(waiting)

    # --- its parts

    def run_one(self, hook: Hook) -> Life:
        """Call a hook."""
        yield Invoke(hook, (self,), self.scope)

    def write(self) -> Life:
        """Write the record, or the cached result of the task run."""
        if self.part is not None:
            yield from self.part.write()
        elif self.key is not None and self.write_on_commit:
            store, key, value = self._store(), self.key, self._value
            yield Block(lambda: store.write(value, key=key, holder=self._held_by(self)))

    @property
    def writes(self) -> bool:
        return self.key is not None and self.write_on_commit

    def log(self, level: int, message: str, *args: Any, exc_info: Any = None) -> None:
        run = self.task_run or (None if self.scope is None else self.scope.flow_run)
        if self.logger is not None:
            self.logger.log(level, message, *args, exc_info=exc_info)
        elif run is not None:
            logs.write(run, level, message, *args, exc_info=exc_info)
        else:
            logging.getLogger("dalsegno.transactions").log(level, message, *args, exc_info=exc_info)

    def _take_over(self, parent: BaseTransaction | None) -> None:
        """Settle what was left to the defaults, which depend on the transaction around."""
        if self.commit_mode is None:
            self.commit_mode = CommitMode.EAGER if parent is None else CommitMode.LAZY
        if self.store is None and self.key is not None and parent is not None:
            self.store = parent.store
        if self.isolation_level is None:
            inherited = None if parent is None else parent.isolation_level
            self.isolation_level = inherited or IsolationLevel.READ_COMMITTED
        elif self.isolation_level is IsolationLevel.SERIALIZABLE:
            self._check_isolation()
        if self.key is not None:
            self._check_isolation()

    def _check_isolation(self) -> None:
        if self.isolation_level is IsolationLevel.SERIALIZABLE and not self._store().supports_isolation:
            raise ConfigurationError(
                f"The transaction {self.key!r} is SERIALIZABLE, but its store has no lock manager. Give it a store "
                "that has one: store=ResultStore(lock_manager=FileSystemLockManager(folder))."
            )

    def _store(self) -> ResultStore:
        if self.store is None:
            from dalsegno.results import get_result_store

            self.store = get_result_store()
        return self.store

    def _lock(self) -> Life:
        """Lock the key, unless a transaction around this one has it locked already."""
        if self.key is None or self._held_by(to_join(self.scope)) is not None:
            return
        store, key = self._store(), self.key
        holder = id_text(new_id())
        yield Block(lambda: store.acquire_lock(key, holder))
        self._holder = holder

    def _held_by(self, at: BaseTransaction | None) -> str | None:
        """Return who holds the lock of the key: a transaction, or one around it."""
        while at is not None:
            if at.key == self.key and at._holder is not None:
                return at._holder
            at = at.parent
        return None

    def unlock(self) -> None:
        """Let go of the key."""
        holder, self._holder = self._holder, None
        if holder is not None and self.key is not None and self._store().is_lock_holder(self.key, holder):
            self._store().release_lock(self.key, holder)


# --- groups: a transaction and what is inside


def doom(top: BaseTransaction) -> str | None:
    """Return why a group cannot commit; None if it can."""
    for child in top.children:
        if child.part is not None:
            reason = child.part.doom()
            if reason is None and child.is_rolled_back():
                reason = f"{child.part.run.name!r} was rolled back"
        else:
            reason = "a transaction in it was rolled back" if child.is_rolled_back() else doom(child)
        if reason is not None:
            return reason
    return None


def commit_group(top: BaseTransaction) -> Steps[bool]:
    """Commit what is open in a group, children first; roll it back if a hook fails or a record cannot be written."""
    yield Block(lambda: _recall(top))
    members = list(_ready(top))
    parts = [member.part for member in members if member.part is not None]
    hooks = any(member.on_commit_hooks for member in members)
    if parts and (hooks or any(member.writes for member in members)):
        # What hooks and records announce must not be lost to a crash.
        yield Block(lambda: _barrier(parts))
    with _settled(members):
        try:
            for member in members:
                for hook in member.on_commit_hooks:
                    yield from member.run_one(hook)
            for member in members:
                yield from member.write()
        except Exception as error:
            top.log(logging.ERROR, "The transaction could not be committed: %r", error, exc_info=error)
            yield from roll_back_group(top, f"it could not be committed ({error!r})")
            return False
    for member in members:
        member.state = TransactionState.COMMITTED
        member.unlock()
    in_block = top.part is None
    if parts and (in_block or hooks):
        for part in parts:
            part.note_committed()
    if parts and in_block:
        yield Block(lambda: _barrier(parts))
    return bool(members)


def roll_back_group(top: BaseTransaction, reason: str) -> Steps[bool]:
    """Take back what is open in a group: its own hooks, last listed first, then its children, the last one first."""
    yield Block(lambda: _recall(top))
    members = list(_open(top))
    completed = [member.part for member in members if member.part is not None and member.part.completed]
    for part in completed:
        yield from part.mark_rolled_back(reason)
    if any(part.has_rollback_hooks for part in completed):
        # A retry must find that these are to be taken back, even if this process ends while it does so.
        yield Block(lambda: _barrier(completed))
    for member in members:
        member.state = TransactionState.ROLLED_BACK
    with _settled(members):
        for member in members:
            if member.part is None or member.part.completed:
                yield from run_rollback_hooks(member)
            if member.part is not None:
                member.part.let_go()
            member.unlock()
    return bool(members)


def run_rollback_hooks(member: BaseTransaction) -> Life:
    """Call the rollback hooks of one transaction. One that fails is logged; the others still run."""
    for hook in reversed(member.on_rollback_hooks):
        try:
            yield from member.run_one(hook)
        except Exception as error:
            name = getattr(hook, "__name__", repr(hook))
            member.log(logging.ERROR, "The rollback hook %r failed: %r", name, error, exc_info=error)
    if member.part is not None:
        member.part.note_taken_back()


def _ready(top: BaseTransaction) -> Iterator[BaseTransaction]:
    """Give what may be committed, children first."""
    for child in list(top.children):
        if child.closed or (child.part is not None and child.part.run.ended):
            yield from _ready(child)
    if top.state not in _DECIDED:
        yield top


def _open(top: BaseTransaction) -> Iterator[BaseTransaction]:
    """Give what may be taken back, in that order. Task runs that have not ended see to it themselves at their end."""
    if top.state not in _DECIDED:
        yield top
    for child in reversed(list(top.children)):
        if child.part is None or child.part.run.ended:
            yield from _open(child)


def _below(top: BaseTransaction) -> Iterator[BaseTransaction]:
    for child in list(top.children):
        yield child
        yield from _below(child)


def _recall(top: BaseTransaction) -> None:
    """Read what the records say of task runs that were answered by an earlier attempt."""
    for member in (top, *_below(top)):
        if member.part is not None and member.state not in _DECIDED:
            member.part.recall()


def _barrier(parts: list[TaskPart]) -> None:
    for journal in {id(part.session.journal): part.session.journal for part in parts}.values():
        journal.barrier()


class _settled:
    """Marks transactions whose hooks run."""

    def __init__(self, members: list[BaseTransaction]) -> None:
        self.members = [member for member in members if not member.settling]

    def __enter__(self) -> None:
        for member in self.members:
            member.settling = True

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.settling = False


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # copying is up to the value's class, which may raise anything
        return value


# --- driven


def _commit(transaction: BaseTransaction) -> Steps[bool]:
    if transaction.state in _DECIDED:
        return False
    reason = doom(transaction)
    if reason is None:
        return (yield from commit_group(transaction))
    transaction.log(logging.WARNING, "The transaction is rolled back: %s.", reason)
    yield from roll_back_group(transaction, reason)
    return False


def _roll_back(transaction: BaseTransaction) -> Steps[bool]:
    if transaction.state in _DECIDED:
        return False
    return (yield from roll_back_group(transaction, "rollback() was called"))


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
        return _run(_commit(self))

    def rollback(self) -> bool:
        """Roll back now, and with it those around it; tell whether it was rolled back by this."""
        return _run(_roll_back(self))

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
        return await _run_async(_commit(self))

    async def rollback(self) -> bool:
        """Roll back now, and with it those around it; tell whether it was rolled back by this."""
        return await _run_async(_roll_back(self))

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
